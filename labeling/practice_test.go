package labeling

import (
	"strings"
	"testing"

	"assay/internal/auth"
	"assay/internal/fault"
)

// The task classes of the sample ship ten cases each that use every label.
func TestGuidesShipTenWorkedCasesThatTeachEveryLabel(t *testing.T) {
	for _, taskClass := range []string{"spreadsheet_formula", "sql_query", "code_generation", "file_edit", "summarization"} {
		cases, err := ParseCases(shippedCases(taskClass))
		if err != nil || len(cases) != 10 {
			t.Errorf("%s: want ten cases, got %d, %v", taskClass, len(cases), err)
		}
		labels := map[string]int{}
		for _, c := range cases {
			labels[c.Label]++
			if len(c.Why) < 80 || c.Asked == "" || c.Answered == "" {
				t.Errorf("%s, %s: want it explained", taskClass, c.Title)
			}
		}
		for _, label := range Truths {
			if labels[label] == 0 {
				t.Errorf("%s: no case is %s", taskClass, label)
			}
		}
	}
}

func TestCasesThatAreNotWholeAreRefusedInWords(t *testing.T) {
	whole := "## A\nAsked: b\nAnswered: c\ngoes on\nLabel: correct\nWhy: d"
	if cases, err := ParseCases(whole + "\n\n" + strings.ReplaceAll(whole, "\n", "\r\n")); err != nil || len(cases) != 2 || cases[1].Answered != "c goes on" {
		t.Errorf("got %+v, %v", cases, err)
	}
	for text, words := range map[string]string{
		"Asked: b":                                              "begin with a line",
		"## A\nb\nAsked: c":                                     "after its title",
		strings.Replace(whole, "Why: d", "", 1):                 "Why: is missing",
		strings.Replace(whole, "correct", "right", 1):           "its label is one of",
		strings.Replace(whole, "Why: d", "Why: d\nWhy: e", 1):   "Why twice",
		strings.Repeat(whole+"\n", maxCases+1):                  "at most 60",
		whole + strings.Repeat(" and so on", maxCasesText/10+1): "100,000",
	} {
		if _, err := ParseCases(text); fault.Of(err) != fault.Invalid || !strings.Contains(fault.Words(err), words) {
			t.Errorf("%.40q: want %q, got %v", text, words, err)
		}
	}
}

func TestNewLabelersPractiseTwentyCasesThatNeverCount(t *testing.T) {
	s := tx(t)
	for _, taskClass := range []string{"sql_query", "file_edit", "summarization"} {
		openQueue(t, s, taskClass)
	}
	p, err := s.Practice(t.Context(), person(1))
	if err != nil || !p.Due || p.Total != 20 || p.Done != 0 || p.Next == nil || p.Last != nil {
		t.Fatalf("want twenty cases due, got %+v, %v", p, err)
	}
	seen := map[string]int{}
	for i := range 20 {
		said := p.Next.Case.Label
		if i == 0 {
			said = "cannot_tell"
		}
		seen[p.Next.TaskClass]++
		answer, err := s.AnswerPractice(t.Context(), person(1), p.Next.GuideID, p.Next.Number, said)
		if err != nil || answer.Right != (i > 0) || answer.Case.Why == "" {
			t.Fatalf("want it explained at once, got %+v, %v", answer, err)
		}
		if p, err = s.Practice(t.Context(), person(1)); err != nil || p.Done != i+1 || p.Last == nil {
			t.Fatal(p, err)
		}
	}
	if p.Due || p.Next != nil || p.Right != 19 {
		t.Errorf("done: %+v", p)
	}
	if seen["sql_query"] != 7 || seen["file_edit"] != 7 || seen["summarization"] != 6 {
		t.Errorf("every guide is practised: %v", seen)
	}
	for _, table := range []string{"labels", "consensus", "label_outbox", "reservations"} {
		if n := count(t, s.DB, `SELECT count(*) FROM `+table); n != 0 {
			t.Errorf("practice left %d rows in %s", n, table)
		}
	}
}

func TestPracticeIsForNewLabelers(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	put(t, s, queue, seed{u: .1})
	if p, err := s.Practice(t.Context(), person(9, auth.Reviewer)); err != nil || p.Due {
		t.Errorf("a reviewer need not: %+v %v", p, err)
	}
	submit(t, s, 1, held(t, s, queue, 1), Answer{Label: "correct"})
	p, err := s.Practice(t.Context(), person(1))
	if err != nil || p.Due || p.Total != 10 {
		t.Errorf("whoever has labeled may and need not: %+v %v", p, err)
	}
	if _, err := s.AnswerPractice(t.Context(), person(1), p.Next.GuideID, 999, "correct"); fault.Of(err) != fault.NotFound {
		t.Errorf("no such case: %v", err)
	}
	if _, err := s.AnswerPractice(t.Context(), person(1), p.Next.GuideID, p.Next.Number, "right"); fault.Of(err) != fault.Invalid {
		t.Errorf("no such label: %v", err)
	}
}

func TestAGuideKeepsItsCasesByVersion(t *testing.T) {
	s := tx(t)
	openQueue(t, s, "sql_query")
	guide, err := s.GuideOf(t.Context(), engineer, "sql_query")
	if err != nil || len(guide.WorkedCases()) != 10 {
		t.Fatal(guide, err)
	}
	guide.Change, guide.Cases = "One case alone.", "## One\nAsked: a\nAnswered: b\nLabel: correct\nWhy: c"
	if guide, err = s.ReviseGuide(t.Context(), engineer, guide); err != nil || guide.Version != 2 {
		t.Fatal(guide, err)
	}
	versions, err := s.GuideVersions(t.Context(), engineer, "sql_query")
	if err != nil || len(versions) != 2 || len(versions[0].WorkedCases()) != 1 || len(versions[1].WorkedCases()) != 10 {
		t.Errorf("want both versions with their cases, got %v", err)
	}
	guide.Cases = "## broken"
	if _, err := s.ReviseGuide(t.Context(), engineer, guide); fault.Of(err) != fault.Invalid {
		t.Errorf("a case that is not whole: %v", err)
	}
}
