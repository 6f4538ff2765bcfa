package web

import (
	"net/http"
	"strings"
	"testing"

	"assay/internal/auth"
)

// Everything that a labeler is sent while an item is open, looked through for
// what a blind queue must not tell.
func TestABlindQueueTellsNothingAnywhere(t *testing.T) {
	w := queued(t, "sql_query", "one", "two", "three")
	w.exec(`UPDATE items SET wanted = 3, model_version = 'secret-model-v9', prompt_template_id = 'secret-template-v2', evidence_version = 'secret-evidence',
		snapshot = jsonb_set(jsonb_set(jsonb_set(snapshot, '{prompt_template_id}', '"secret-template-v2"'), '{evidence_version}', '"secret-evidence"'),
			'{around}', snapshot->'around' || '[{"event_id":"6b0f0f0e-0000-4000-8000-000000000001","at":"2026-01-01T00:00:00Z","kind":"exposure","what":"secret-arm-B"},
				{"event_id":"6b0f0f0e-0000-4000-8000-000000000002","at":"2026-01-01T00:00:00Z","kind":"gate","what":"secret-gate"}]')`)

	first := w.as(auth.Labeler)
	page := first.get(first.next("sql_query")).want(200)
	form := answerOn(page, "hallucinated")
	form.Set("note", "secret-note of the first labeler")
	form.Set("correction", "secret-correction")
	first.post(page.attr("#label-form", "action"), form).want(303)

	for name, second := range map[string]*browser{
		"a second labeler":                    w.signIn(w.person("second@example.org", auth.Labeler)),
		"a reviewer":                          w.as(auth.Reviewer),
		"an engineer who labels as well":      w.signIn(w.person("both@example.org", auth.Labeler, auth.Engineer)),
		"a release manager who reviews too":   w.signIn(w.person("wide@example.org", auth.Reviewer, auth.ReleaseManager)),
		"a labeler who is an auditor as well": w.signIn(w.person("audit@example.org", auth.Labeler, auth.Auditor)),
	} {
		t.Run(name, func(t *testing.T) {
			w.exec(`UPDATE items SET wanted = greatest(wanted, taken + 1)`)
			address := second.next("sql_query")
			held := strings.TrimPrefix(address, "/items/")
			seen := map[string]*answer{
				"the page":       second.get(address),
				"the queue":      second.get("/queues/sql_query"),
				"the queues":     second.get("/queues"),
				"the overview":   second.get("/"),
				"a draft":        second.post(address+"/draft", answerOn(second.get(address), "correct")),
				"a renewal":      second.post(address+"/renew", nil),
				"the decision":   second.get(address + "/adjudicate"),
				"the search":     second.get("/search?q=secret"),
				"the API's item": second.postJSON("/v1/queues/sql_query/reserve", struct{}{}),
				"its labels":     second.get("/v1/labels?queue=sql_query"),
			}
			for where, got := range seen {
				if (where == "the page" || where == "the API's item") && got.Status != http.StatusOK {
					t.Errorf("%s: %d", where, got.Status)
				}
				for _, word := range []string{"secret-model-v9", "secret-template", "secret-evidence", "secret-arm", "secret-gate"} {
					if where != "its labels" && strings.Contains(got.Body, word) {
						t.Errorf("%s tells %s", where, word)
					}
				}
			}
			ofThisItem := `"item_id":` + held + `,`
			if strings.Contains(seen["its labels"].Body, ofThisItem) {
				t.Error("the list of labels has those of the item they hold")
			}
			for where, got := range seen {
				if where != "its labels" && (strings.Contains(got.Body, "secret-note") || strings.Contains(got.Body, "secret-correction")) {
					t.Errorf("%s tells another's words", where)
				}
			}
		})
	}
}

func TestAReviewerReadsNoLabelsOfAnItemTheyHold(t *testing.T) {
	w := queued(t, "sql_query", "one")
	w.exec(`UPDATE items SET wanted = 3`)
	for i, b := range []*browser{w.as(auth.Labeler), w.signIn(w.person("second@example.org", auth.Labeler))} {
		page := b.get(b.next("sql_query")).want(200)
		b.post(page.attr("#label-form", "action"), answerOn(page, []string{"correct", "hallucinated"}[i])).want(303)
	}
	reviewer := w.as(auth.Reviewer)
	address := reviewer.next("sql_query")
	if got := reviewer.get(address + "/adjudicate").want(403).text("main"); !strings.Contains(got, "You hold this item and have not labeled it") {
		t.Errorf("the refusal names the rule: %q", got)
	}
	page := reviewer.get(address).want(200)
	skip := answerOn(page, "")
	skip.Set("skip_reason", "language")
	reviewer.post(address+"/skip", skip).want(303)
	reviewer.get(address + "/adjudicate").want(200)
}

func TestACorrectionIsShownAsWhatItChanges(t *testing.T) {
	w := queued(t, "spreadsheet_formula", "formula")
	labeler := w.as(auth.Labeler)
	address := labeler.next("spreadsheet_formula")
	page := labeler.get(address).want(200)
	if got := page.attr("#correction", "data-edits-of"); got != "=SUM(A1:A2)" {
		t.Errorf("a correction is of the artifact, got %q", got)
	}
	form := answerOn(page, "hallucinated")
	form.Set("correction", "=SUM(A1:A3)")
	labeler.post(page.attr("#label-form", "action"), form).want(303)
	kept := labeler.get(address).want(200)
	if went, came := kept.text("del"), kept.text("ins"); went != "A2" || came != "A3" {
		t.Errorf("want A2 struck and A3 put in, got %q and %q", went, came)
	}
}

func TestTheGuidesBorderlineCasesLieBesideTheQuestions(t *testing.T) {
	w := queued(t, "sql_query", "one")
	labeler := w.as(auth.Labeler)
	page := labeler.get(labeler.next("sql_query")).want(200)
	if n := len(page.find(".guide-note details li")); n < 5 {
		t.Errorf("want the borderline cases of the guide, got %d", n)
	}
}

func TestTwoResultsStandSideBySide(t *testing.T) {
	parts := resultTables([]byte(`{"got":{"columns":["country","n"],"rows":[["DE",2],["FR",null]],"more":5},"want":{"columns":["country","n"],"rows":[["DE",2],["FR",1]]}}`))
	if len(parts) != 1 {
		t.Fatalf("want one comparison, got %d", len(parts))
	}
	var page strings.Builder
	if err := parts[0].Render(t.Context(), &page); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"The query gives, 7 rows, the first 2", "Expected, 2 rows", "NULL"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("%q is missing in %s", want, page.String())
		}
	}
	if n := strings.Count(page.String(), "wrong"); n != 2 {
		t.Errorf("only the two cells that differ are marked, got %d", n)
	}
	if got := resultTables([]byte(`{"rows":12}`)); got != nil {
		t.Errorf("evidence of another shape draws nothing, got %v", got)
	}
}
