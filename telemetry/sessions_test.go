package telemetry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"assay/internal/auth"
	"assay/internal/fault"
)

var today = Window{noon.Add(-23 * time.Hour), noon.Add(24 * time.Hour)}

// ids lists the sessions of a filter over all pages.
func ids(t *testing.T, s *Store, actor auth.Actor, f SessionFilter, size int) []string {
	t.Helper()
	var all []string
	cursor := ""
	for {
		page, err := s.Sessions(context.Background(), actor, f, cursor, size)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Sessions {
			all = append(all, r.ID)
		}
		if page.Older == "" {
			if page.Total != int64(len(all)) {
				t.Errorf("%+v: the count says %d, the list has %d", f, page.Total, len(all))
			}
			return all
		}
		cursor = page.Older
	}
}

func TestSessionsAreFiltered(t *testing.T) {
	s := newStore(t)
	ctx := context.Background()
	complaint, checked := uuid.New(), uuid.New()
	land(t, s,
		answer("plain", noon, `,"outcome":"success","env":"prod","prompt":"Late invoices by account manager","response":"Here"`),
		answer("complaint", noon.Add(time.Second), fmt.Sprintf(`,"event_id":%q,"explicit_feedback":"down","response":"An INVOICE of ten","prompt_template_id":"t1"`, complaint)),
		strings.Replace(answer("checked", noon.Add(2*time.Second), fmt.Sprintf(`,"event_id":%q,"outcome":"success"`, checked)), "file_edit", "sql_query", 1),
		strings.Replace(answer("mixed", noon.Add(3*time.Second), `,"outcome":"success"`), "v1", "v2", 1),
		strings.Replace(answer("mixed", noon.Add(4*time.Second), `,"outcome":"success"`), "file_edit", "sql_query", 1),
		answer("old", noon.Add(-30*time.Hour), `,"outcome":"success"`),
	)
	// Revisions come one at a time, and not always in their order.
	for i, verdict := range []string{"inconclusive", "fail", "pass"} {
		if err := s.CopyVerdicts(ctx, []VerdictRow{{EventID: checked, SessionID: "checked", Validator: "sql", Verdict: verdict, At: noon, Revision: []int64{1, 3, 2}[i]}}); err != nil {
			t.Fatal(err)
		}
	}
	for i, label := range []string{"correct", "hallucinated", "partially_correct"} {
		if err := s.CopyLabels(ctx, []LabelRow{{EventID: complaint, SessionID: "complaint", Label: label, Counted: true, Timestamp: noon, LabeledAt: noon, Revision: []int64{1, 3, 2}[i]}}); err != nil {
			t.Fatal(err)
		}
	}
	flagged(t, s)
	for _, c := range []struct {
		name   string
		filter SessionFilter
		want   []string
	}{
		{"all of the window, the latest first", SessionFilter{}, []string{"mixed", "checked", "complaint", "plain"}},
		{"a task class that any response has", SessionFilter{TaskClass: "sql_query"}, []string{"mixed", "checked"}},
		{"a model version", SessionFilter{ModelVersion: "v2"}, []string{"mixed"}},
		{"a class and a version that different responses have", SessionFilter{TaskClass: "sql_query", ModelVersion: "v2"}, []string{"mixed"}},
		{"a template", SessionFilter{PromptTemplateID: "t1"}, []string{"complaint"}},
		{"an environment", SessionFilter{Env: "prod"}, []string{"plain"}},
		{"any flag", SessionFilter{Flag: "any"}, []string{"checked", "complaint"}},
		{"one flag", SessionFilter{Flag: "negative_feedback"}, []string{"complaint"}},
		{"a verdict that still stands", SessionFilter{Verdict: "fail"}, []string{"checked"}},
		{"a verdict that was replaced", SessionFilter{Verdict: "pass"}, nil},
		{"a label that was replaced", SessionFilter{Label: "correct"}, nil},
		{"a label", SessionFilter{Label: "hallucinated"}, []string{"complaint"}},
		{"text in prompt or response, whatever the case", SessionFilter{Text: "invoice"}, []string{"complaint", "plain"}},
		{"text that is SQL", SessionFilter{Text: "' OR 1=1 --"}, nil},
		{"several at once", SessionFilter{Text: "invoice", Label: "hallucinated", TaskClass: "file_edit"}, []string{"complaint"}},
		{"nothing", SessionFilter{TaskClass: "poetry"}, nil},
	} {
		c.filter.Window = today
		for _, size := range []int{1, 50} {
			if got := ids(t, s, engineer, c.filter, size); !slices.Equal(c.want, got) {
				t.Errorf("%s, %d a page: want %v, got %v", c.name, size, c.want, got)
			}
		}
	}
	page, err := s.Sessions(ctx, engineer, SessionFilter{Window: today}, "", 50)
	if err != nil || page.Flagged != 2 {
		t.Fatalf("want 2 flagged, got %+v, %v", page, err)
	}
	for _, r := range page.Sessions {
		got := fmt.Sprint(r.ID, r.TaskClass, r.ModelVersion, r.FirstWords, r.Verdicts, r.Labels, r.Flags, r.Responses)
		want := map[string]string{
			"plain":     fmt.Sprint("plain", "file_edit", "v1", "Late invoices by account manager", []string{}, []string{}, []Reason{}, 1),
			"complaint": fmt.Sprint("complaint", "file_edit", "v1", "An INVOICE of ten", []string{}, []string{"hallucinated"}, []Reason{"negative_feedback"}, 1),
			"checked":   fmt.Sprint("checked", "sql_query", "v1", "", []string{"fail"}, []string{}, []Reason{"validator_failed"}, 1),
			"mixed":     fmt.Sprint("mixed", "sql_query", "v1", "", []string{}, []string{}, []Reason{}, 2),
		}[r.ID]
		if want != got {
			t.Errorf("want %s\ngot  %s", want, got)
		}
	}
	choices, err := s.Choices(ctx, engineer, today)
	if err != nil || fmt.Sprint(choices) != "{[file_edit sql_query] [v1 v2] [t1] [prod]}" {
		t.Errorf("choices: %+v, %v", choices, err)
	}
}

func TestPagesTurnBothWays(t *testing.T) {
	s := newStore(t)
	var lines, want []string
	for i := range 25 {
		// Three sessions share each instant, so that the id decides among them.
		lines = append(lines, answer(fmt.Sprintf("s%02d", i), noon.Add(time.Duration(i/3)*time.Millisecond), ""))
		want = append(want, fmt.Sprintf("s%02d", i))
	}
	slices.Reverse(want)
	land(t, s, lines...)
	f := SessionFilter{Window: today}
	if got := ids(t, s, engineer, f, 4); !slices.Equal(want, got) {
		t.Fatalf("want %v\ngot  %v", want, got)
	}
	var pages []SessionPage
	cursor := ""
	for {
		page, err := s.Sessions(context.Background(), engineer, f, cursor, 10)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, page)
		if cursor = page.Older; cursor == "" {
			break
		}
	}
	if len(pages) != 3 || pages[0].Newer != "" {
		t.Fatalf("want 3 pages, the first the newest, got %d", len(pages))
	}
	for i := 2; i > 0; i-- {
		back, err := s.Sessions(context.Background(), engineer, f, pages[i].Newer, 10)
		if err != nil || fmt.Sprint(back.Sessions) != fmt.Sprint(pages[i-1].Sessions) {
			t.Errorf("turning back from page %d: want %v, got %v, %v", i, pages[i-1].Sessions, back.Sessions, err)
		}
	}
	if _, err := s.Sessions(context.Background(), engineer, f, "nonsense", 10); !errors.Is(err, fault.Invalid) {
		t.Errorf("want invalid, got %v", err)
	}
}

func TestLabelersSeeOnlyTheirOwnSessions(t *testing.T) {
	s := newStore(t)
	land(t, s, answer("mine", noon, ""), answer("other", noon, ""))
	f := SessionFilter{Window: today}
	if got := ids(t, s, labeler, f, 10); len(got) != 0 {
		t.Errorf("without anything held, nothing: %v", got)
	}
	s.Visible = func(_ context.Context, actor auth.Actor, session string) (bool, error) {
		return actor.ID == labeler.ID && session == "mine", nil
	}
	s.VisibleSessions = func(context.Context, auth.Actor) ([]string, error) { return []string{"mine"}, nil }
	if got := ids(t, s, labeler, f, 10); !slices.Equal([]string{"mine"}, got) {
		t.Errorf("want mine, got %v", got)
	}
	if _, err := s.Session(context.Background(), labeler, "mine", SessionView{}); err != nil {
		t.Error(err)
	}
	if _, err := s.Session(context.Background(), labeler, "other", SessionView{}); !errors.Is(err, fault.NotFound) {
		t.Errorf("want not found, got %v", err)
	}
	both := auth.Actor{Kind: auth.Person, ID: 9, Roles: []auth.Role{auth.Labeler, auth.Reviewer}}
	if got := ids(t, s, both, f, 10); len(got) != 2 {
		t.Errorf("a reviewer sees all, got %v", got)
	}
	if _, err := s.Sessions(context.Background(), auth.Actor{Kind: auth.Person, Roles: []auth.Role{auth.Admin}}, f, "", 10); !errors.Is(err, fault.Denied) {
		t.Errorf("an admin sees no data, got %v", err)
	}
}

func TestSessionIsReadInPages(t *testing.T) {
	s := newStore(t)
	ctx := context.Background()
	var lines []string
	for i := range 450 {
		rest := fmt.Sprintf(`,"tool_name":"step%d","params_hash":"p%d"`, i, i)
		if i == 333 {
			rest += `,"first_failed_stage":"claim_generation"`
		}
		if i == 300 {
			rest += `,"result_status":"error"`
		}
		lines = append(lines, event("tool_step", i/2, rest)) // two an instant
	}
	lines = append(lines, event("assistant_response", 500, `,"prompt":"Rename Customer to Account","response":"Done","task_class":"file_edit","model_version":"v1"`))
	land(t, s, lines...)
	var all []TimelineEvent
	for from := 0; from < 451; from += 200 {
		d, err := s.Session(ctx, engineer, "s", SessionView{From: from})
		if err != nil {
			t.Fatal(err)
		}
		if d.Events != 451 || d.Place != from || d.Title != "Rename Customer to Account" || d.TaskClass != "file_edit" {
			t.Errorf("page at %d: %d events, place %d, %q", from, d.Events, d.Place, d.Title)
		}
		if d.FirstFailed == nil || d.FirstFailed.Stage != "claim_generation" || d.FirstFailed.Place != 333 {
			t.Errorf("the first failed stage: %+v", d.FirstFailed)
		}
		all = append(all, d.Page...)
	}
	if len(all) != 451 {
		t.Fatalf("the pages hold every event once, got %d", len(all))
	}
	for i, e := range all[:450] {
		if want := fmt.Sprintf("step%d", i); e.What != want {
			t.Fatalf("in order of time, then arrival: want %s at %d, got %s", want, i, e.What)
		}
	}
	d, err := s.Session(ctx, engineer, "s", SessionView{Event: all[333].EventID})
	if err != nil || d.Place != 200 || d.Selected == nil || d.Selected.What != "step333" {
		t.Errorf("an event opens the page it stands on: place %d, %+v, %v", d.Place, d.Selected, err)
	}
	total := 0
	for _, bin := range d.Density {
		total += bin.Events
	}
	if total != 451 {
		t.Errorf("the minimap shows all events, got %d", total)
	}
	if _, err := s.Session(ctx, engineer, "nobody", SessionView{}); !errors.Is(err, fault.NotFound) {
		t.Errorf("want not found, got %v", err)
	}
}

func TestSkewOfTheDesktopClockIsMeasured(t *testing.T) {
	var all []brief
	for i, c := range []struct {
		desktop bool
		way     time.Duration
	}{{false, 60 * time.Millisecond}, {false, 40 * time.Millisecond}, {true, -172 * time.Millisecond}, {true, 900 * time.Millisecond}} {
		all = append(all, brief{desktop: c.desktop, eventTime: noon.Add(time.Duration(i) * time.Second), received: noon.Add(time.Duration(i)*time.Second + c.way)})
	}
	if ahead, ok := skew(all); !ok || ahead != 212*time.Millisecond {
		t.Errorf("want 212 ms ahead, got %s, %v", ahead, ok)
	}
	if _, ok := skew(all[:2]); ok {
		t.Error("one clock has no skew")
	}
}
