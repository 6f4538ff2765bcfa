package telemetry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"assay/internal/auth"
	"assay/internal/fault"
)

// paper is an event as the oracle remembers it.
type paper struct {
	session, kind, class, model, template, env, user, text string
	at                                                     time.Time
	ttft, total                                            int
}

// listOracle answers a filter by looking at every event, without a database.
type listOracle struct {
	events   []paper
	flags    map[string][]string // by session
	verdicts map[string]string
	labels   map[string]string
}

func (o listOracle) list(f SessionFilter, now time.Time) []string {
	bySession := map[string][]paper{}
	for _, e := range o.events {
		bySession[e.session] = append(bySession[e.session], e)
	}
	last := map[string]time.Time{}
	var ids []string
	for id, all := range bySession {
		events := o.telling(all, f, now)
		if len(events) == 0 || !o.meets(id, events, f) {
			continue
		}
		for _, e := range events {
			if e.at.After(last[id]) {
				last[id] = e.at
			}
		}
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b string) int { return cmp.Or(last[b].Compare(last[a]), strings.Compare(b, a)) })
	return ids
}

// telling are the events that speak for a session in a window.
func (o listOracle) telling(all []paper, f SessionFilter, now time.Time) []paper {
	var inside, around []paper
	before, after := false, false
	for _, e := range all {
		switch w := f.Window; {
		case !e.at.Before(w.From) && e.at.Before(w.To):
			inside = append(inside, e)
		case e.at.Before(w.From) && !e.at.Before(w.From.Add(-silentFor)):
			before, around = true, append(around, e)
		case !e.at.Before(w.To) && e.at.Before(w.To.Add(silentFor)):
			after, around = true, append(around, e)
		}
	}
	if len(inside) > 0 || f.Behind != "" || !f.Window.To.Before(now) || !before || !after {
		return inside
	}
	return around
}

func (o listOracle) meets(id string, events []paper, f SessionFilter) bool {
	each := []func(paper) bool{}
	want := func(value string, of func(paper) string) {
		if value != "" {
			each = append(each, func(e paper) bool { return of(e) == value })
		}
	}
	want(f.TaskClass, func(e paper) string { return e.class })
	want(f.ModelVersion, func(e paper) string { return e.model })
	want(f.PromptTemplateID, func(e paper) string { return e.template })
	want(f.Env, func(e paper) string { return e.env })
	want(f.User, func(e paper) string { return e.user })
	if f.Behind == BehindTimed {
		each = append(each, func(e paper) bool {
			return e.kind == "assistant_response" && e.total > 0 && e.ttft <= e.total
		})
		if !slices.ContainsFunc(events, func(e paper) bool {
			return !slices.ContainsFunc(each, func(test func(paper) bool) bool { return !test(e) })
		}) {
			return false
		}
		each = nil
	}
	for _, test := range each {
		if !slices.ContainsFunc(events, test) {
			return false
		}
	}
	inText := func(e paper) bool {
		return !e.at.Before(f.Window.From) && e.at.Before(f.Window.To) && strings.Contains(strings.ToLower(e.text), strings.ToLower(f.Text))
	}
	return (f.Text == "" || slices.ContainsFunc(events, inText)) &&
		(f.Flag == "" || f.Flag == "any" && len(o.flags[id]) > 0 || slices.Contains(o.flags[id], f.Flag)) &&
		(f.Verdict == "" || o.verdicts[id] == f.Verdict) && (f.Label == "" || o.labels[id] == f.Label)
}

// TestListAndCountAgreeWithAnOracle asks random filters of random sessions:
// the list over all its pages and the count are what looking at every event
// finds.
func TestListAndCountAgreeWithAnOracle(t *testing.T) {
	s := newStore(t)
	past := OpenTerms
	past.Historical = true // times of days ago stand
	setTerms(t, s, past)
	ctx := context.Background()
	r := rand.New(rand.NewPCG(20261120, 7))
	pick := func(values ...string) string { return values[r.IntN(len(values))] }
	o := listOracle{flags: map[string][]string{}, verdicts: map[string]string{}, labels: map[string]string{}}
	classes, models, envs, users := []string{"file_edit", "sql_query", ""}, []string{"v1", "v2", "v3"}, []string{"prod", "test"}, []string{"sha256-aa", "sha256-bb", ""}
	var lines []string
	var verdicts []VerdictRow
	var labels []LabelRow
	for i := range 80 {
		id, begin := fmt.Sprintf("s%02d", i), noon.Add(-time.Duration(r.IntN(72*60))*time.Minute)
		for range 1 + r.IntN(6) {
			e := paper{session: id, kind: pick("assistant_response", "assistant_response", "tool_step", "outcome"), class: pick(classes...), model: pick(models...),
				template: pick("t1", "t2"), env: pick(envs...), user: pick(users...), at: begin.Add(time.Duration(r.IntN(300)) * time.Minute)}
			if e.at.After(noon) {
				e.at = noon
			}
			begin = e.at
			event, more := uuid.New(), ""
			if e.kind == "assistant_response" {
				e.text, e.ttft, e.total = pick("Ten Invoices", "a late report", "nothing of note"), 100*r.IntN(4), 100*r.IntN(4)
				more = fmt.Sprintf(`,"response":%q,"outcome":"success"`, e.text)
				if e.total > 0 {
					more += fmt.Sprintf(`,"ttft_ms":%d,"total_ms":%d`, e.ttft, e.total)
				}
				if r.IntN(8) == 0 {
					more += `,"explicit_feedback":"down"`
				}
				if r.IntN(4) == 0 && o.verdicts[id] == "" {
					o.verdicts[id] = pick("pass", "inconclusive")
					verdicts = append(verdicts, VerdictRow{EventID: event, SessionID: id, Validator: "text", Verdict: o.verdicts[id], At: noon, Revision: 1})
				}
				if r.IntN(4) == 0 && o.labels[id] == "" {
					o.labels[id] = pick("correct", "hallucinated")
					labels = append(labels, LabelRow{EventID: event, SessionID: id, Label: o.labels[id], Counted: true, Timestamp: e.at, LabeledAt: noon, Revision: 1})
				}
			}
			o.events = append(o.events, e)
			lines = append(lines, fmt.Sprintf(`{"event_id":%q,"event_type":%q,"session_id":%q,"event_time":%q,"task_class":%q,"model_version":%q,"prompt_template_id":%q,"env":%q,"user_id_hash":%q%s}`,
				event, e.kind, id, at(e.at), e.class, e.model, e.template, e.env, e.user, more))
		}
	}
	land(t, s, lines...)
	if err := errors.Join(s.CopyVerdicts(ctx, verdicts), s.CopyLabels(ctx, labels)); err != nil {
		t.Fatal(err)
	}
	// The flags are what the rules say; that is not the list's to prove.
	_, err := s.Flag(ctx, product, time.Now().Add(-time.Minute), time.Now().Add(time.Minute), func(_ context.Context, some []Candidate) error {
		for _, c := range some {
			for _, f := range c.Flags {
				o.flags[c.SessionID] = append(o.flags[c.SessionID], string(f.Reason))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for range rounds(*full, 40, 2000) {
		maybe := func(values ...string) string {
			if r.IntN(4) > 0 {
				return ""
			}
			return pick(values...)
		}
		from := noon.Add(-time.Duration(r.IntN(80)) * time.Hour)
		f := SessionFilter{Window: Window{from, from.Add(time.Duration(1+r.IntN(2000)) * time.Minute)}, TaskClass: maybe("file_edit", "sql_query"), ModelVersion: maybe(models...),
			PromptTemplateID: maybe("t1", "t2"), Env: maybe(envs...), User: maybe("sha256-aa", "sha256-bb"), Flag: maybe("any", "negative_feedback", "abandonment"),
			Verdict: maybe("pass", "inconclusive"), Label: maybe("correct", "hallucinated"), Text: maybe("invoice", "LATE", "100%"), Behind: Behind(maybe(string(BehindTimed)))}
		want := o.list(f, noon)
		if got := ids(t, s, engineer, f, 7+r.IntN(40)); !slices.Equal(want, got) {
			t.Fatalf("%+v\nwant %v\ngot  %v", f, want, got)
		}
		found += len(want)
		if len(want) > 0 {
			continue
		}
		without, err := s.WithoutEach(ctx, engineer, f)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range without {
			g := f
			for _, c := range conditions(&g) {
				if c.name == d.Condition {
					*c.value = ""
				}
			}
			if want := int64(len(o.list(g, noon))); want != d.Sessions {
				t.Fatalf("%+v without %s: want %d, got %d", f, d.Condition, want, d.Sessions)
			}
		}
	}
	if found < 100 {
		t.Errorf("the filters found %d sessions in all: too few to mean anything", found)
	}
}

func rounds(long bool, short, full int) int {
	if long {
		return full
	}
	return short
}

func TestViewsAreKeptSharedAndOpened(t *testing.T) {
	s := newStore(t)
	ctx := context.Background()
	person := func(name string) auth.Actor {
		var id int64
		if err := s.DB.QueryRow(ctx, `INSERT INTO people (email, name) VALUES (lower($1) || '@example.com', $1) RETURNING id`, name).Scan(&id); err != nil {
			t.Fatal(err)
		}
		return auth.Actor{Kind: auth.Person, ID: id, Name: name, Roles: []auth.Role{auth.Engineer}}
	}
	ines, piet := person("Ines"), person("Piet")
	names := func(actor auth.Actor) string {
		list, err := s.Views(ctx, actor)
		if err != nil {
			t.Fatal(err)
		}
		words := ""
		for _, v := range list {
			words += fmt.Sprintf("%s of %s %s %v %v; ", v.Name, v.Owner, v.Query, v.Shared, v.Default)
		}
		return words
	}
	entries := func() int64 {
		var n int64
		if err := s.DB.QueryRow(ctx, `SELECT count(*) FROM audit_entries WHERE action LIKE 'view.%'`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	mine, err := s.SaveView(ctx, ines, View{Name: "  Unsafe   today ", Query: "flag=unsafe_claim"})
	if err != nil {
		t.Fatal(err)
	}
	if got := names(ines) + "/" + names(piet); got != "Unsafe today of Ines flag=unsafe_claim false false; /" || entries() != 0 {
		t.Errorf("a view is its owner's alone: %s, %d entries", got, entries())
	}
	if err := s.OpenOn(ctx, piet, mine.ID); fault.Of(err) != fault.NotFound {
		t.Errorf("nobody opens on what is not theirs: %v", err)
	}
	if err := s.ShareView(ctx, piet, mine.ID, true); fault.Of(err) != fault.NotFound {
		t.Errorf("nobody shares what is not theirs: %v", err)
	}
	if err := s.ShareView(ctx, ines, mine.ID, true); err != nil || entries() != 1 {
		t.Errorf("sharing is audited: %v, %d", err, entries())
	}
	if err := s.OpenOn(ctx, piet, mine.ID); err != nil {
		t.Fatal(err)
	}
	if v, ok, err := s.OpensOn(ctx, piet); err != nil || !ok || v.Query != "flag=unsafe_claim" {
		t.Errorf("a list opens on a shared view: %+v, %v, %v", v, ok, err)
	}
	if _, err := s.SaveView(ctx, ines, View{Name: "Unsafe today", Query: "flag=any", Shared: true, Default: true}); err != nil || entries() != 2 {
		t.Errorf("the same name replaces, and the team's view changes with an entry: %v, %d", err, entries())
	}
	if got := names(ines); got != "Unsafe today of Ines flag=any true true; " {
		t.Errorf("got %s", got)
	}
	if err := s.ShareView(ctx, ines, mine.ID, false); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := s.OpensOn(ctx, piet); err != nil || ok {
		t.Errorf("what is taken back opens nobody's list: %v, %v", ok, err)
	}
	if err := s.OpenOn(ctx, ines, 0); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteView(ctx, piet, mine.ID); fault.Of(err) != fault.NotFound {
		t.Errorf("nobody deletes what is not theirs: %v", err)
	}
	if err := s.DeleteView(ctx, ines, mine.ID); err != nil || names(ines) != "" {
		t.Errorf("deleted: %v, %s", err, names(ines))
	}
	for _, name := range []string{"", "   ", strings.Repeat("x", 81)} {
		if _, err := s.SaveView(ctx, ines, View{Name: name}); fault.Of(err) != fault.Invalid {
			t.Errorf("a view has a name: %v", err)
		}
	}
	if _, err := s.SaveView(ctx, sender, View{Name: "x"}); fault.Of(err) != fault.Denied {
		t.Errorf("a key keeps no views: %v", err)
	}
}
