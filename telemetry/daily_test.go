package telemetry

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"assay/internal/fault"
)

func TestDailyTotalsAgreeWithTheirEvents(t *testing.T) {
	s := newStore(t)
	past := OpenTerms
	past.Historical = true
	setTerms(t, s, past)
	ctx := context.Background()
	line := func(when time.Time, more string) string {
		return fmt.Sprintf(`{"event_type":"assistant_response","session_id":%q,"event_time":%q,"task_class":"file_edit","model_version":"v1","env":"prod","total_ms":100,"ttft_ms":40,"input_tokens":10,"cached_input_tokens":4,"output_tokens":7%s}`, at(when), at(when), more)
	}
	count := func() []time.Time {
		t.Helper()
		days, err := s.CountDays(ctx, product, time.Now().Add(-time.Hour), time.Now().Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		return days
	}
	compare := func() Compared {
		t.Helper()
		c, err := s.CompareDays(ctx, product)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	totals := func() string {
		t.Helper()
		list, err := s.DayTotals(ctx, engineer, MetricFilter{Window: Window{noon.AddDate(0, 0, -60), noon}, TaskClass: "file_edit"})
		if err != nil {
			t.Fatal(err)
		}
		words := ""
		for _, d := range list {
			words += fmt.Sprintf("%s %d/%d %d %v %d; ", d.Day.Format("2 Jan"), d.Responses, d.Events, d.Timed, d.MeanMS, d.InputTokens)
		}
		return words
	}

	lines := []string{line(noon, ""), line(noon.Add(-time.Hour), ""), line(noon.AddDate(0, 0, -1), ""), line(noon.AddDate(0, 0, -2), `,"note":"x"`)}
	land(t, s, lines...)
	if got := count(); len(got) != 3 {
		t.Errorf("the days in which something landed: %v", got)
	}
	want := "18 Nov 1/1 1 100 10; 19 Nov 1/1 1 100 10; 20 Nov 2/2 2 100 20; "
	if got := totals(); got != want {
		t.Errorf("want %s, got %s", want, got)
	}
	if c := compare(); len(c.Differences) != 0 || c.Cells != 3 || c.First.Format("2 Jan") != "18 Nov" {
		t.Errorf("nothing differs: %+v", c)
	}

	// Sent again, and written a second time past the door.
	send(t, s, strings.Join(lines, "\n"))
	drain(t, s)
	duplicateFacts(t, s)
	count()
	if got := totals(); got != want {
		t.Errorf("twice is once: want %s, got %s", want, got)
	}

	// Thirty days late, and nobody counted: the comparison finds it.
	late := noon.AddDate(0, 0, -30)
	land(t, s, line(late, ""), line(noon.AddDate(0, 0, -1).Add(time.Minute), `,"x":1`))
	if err := s.Clickhouse.Exec(ctx, `INSERT INTO daily_totals (day, task_class, model_version, env, events, responses, counted_at) VALUES ('2026-11-20', 'file_edit', 'nobody', 'prod', 9, 9, now64(3))`); err != nil {
		t.Fatal(err)
	}
	found := compare()
	said := ""
	for _, d := range found.Differences {
		if d.Figure == "responses" {
			said += fmt.Sprintf("%s %s %d→%d; ", d.Day.Format("2 Jan"), d.FiledUnder, d.Stored, d.Counted)
		}
	}
	if want := "21 Oct file_edit / v1 /  / prod 0→1; 19 Nov file_edit / v1 /  / prod 1→2; 20 Nov file_edit / nobody /  / prod 9→0; "; said != want {
		t.Errorf("what differs is said: want %s, got %s", want, said)
	}
	if got, want := totals(), "21 Oct 1/1 1 100 10; 18 Nov 1/1 1 100 10; 19 Nov 2/2 2 100 20; 20 Nov 2/2 2 100 20; "; got != want {
		t.Errorf("and healed: want %s, got %s", want, got)
	}
	kept, differed, ok, err := s.LastComparison(ctx, engineer)
	if err != nil || !ok || differed != int64(len(found.Differences)) || len(kept.Differences) != len(found.Differences) || kept.Differences[0] != found.Differences[0] {
		t.Errorf("it is kept: %+v, %d, %v", kept, differed, err)
	}
	if c := compare(); len(c.Differences) != 0 {
		t.Errorf("once healed nothing differs: %+v", c.Differences)
	}

	// Of a day of which events may have expired the totals know more.
	s.Clock = func() time.Time { return noon.AddDate(0, 0, past.RowDays) }
	if err := s.Clickhouse.Exec(ctx, `INSERT INTO daily_totals (day, task_class, model_version, env, events, responses, counted_at) VALUES ('2026-10-21', 'file_edit', 'v1', 'prod', 5, 5, now64(3))`); err != nil {
		t.Fatal(err)
	}
	before := totals()
	if compare(); !strings.HasPrefix(before, "21 Oct 5/5") || totals() != before {
		t.Errorf("the totals outlive their events: %s, then %s", before, totals())
	}
	if _, err := s.CompareDays(ctx, engineer); fault.Of(err) != fault.Denied {
		t.Errorf("comparing is the product's work: %v", err)
	}
	if _, err := s.CountDays(ctx, engineer, noon, noon); fault.Of(err) != fault.Denied {
		t.Errorf("counting is the product's work: %v", err)
	}
}
