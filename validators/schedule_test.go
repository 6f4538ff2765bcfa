package validators

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	_ "time/tzdata" // not every machine has the zones

	"assay/internal/fault"
	"assay/internal/postgrestest"
)

func minutes(n int) *int { return &n }

func TestATimingKnowsItsNextTime(t *testing.T) {
	at := func(text string) time.Time {
		moment, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return moment
	}
	berlin := func(minute int, days ...int16) Timing {
		return Timing{AtMinute: minutes(minute), Weekdays: days, Zone: "Europe/Berlin"}
	}
	for _, c := range []struct {
		says      string
		timing    Timing
		now, want string
	}{
		{"each quarter of an hour, on the quarter", Timing{EveryMinutes: minutes(15)}, "2026-03-01T10:07:30Z", "2026-03-01T10:15:00Z"},
		{"never the moment itself", Timing{EveryMinutes: minutes(15)}, "2026-03-01T10:15:00Z", "2026-03-01T10:30:00Z"},
		{"a time of day that is still to come", berlin(9 * 60), "2026-01-10T05:00:00Z", "2026-01-10T08:00:00Z"},
		{"a time of day that is over", berlin(9 * 60), "2026-01-10T09:00:00Z", "2026-01-11T08:00:00Z"},
		{"days of the week", berlin(9*60, 1), "2026-01-10T05:00:00Z", "2026-01-12T08:00:00Z"},
		{"the hour that summer skips comes an hour later", berlin(2*60 + 30), "2026-03-28T23:30:00Z", "2026-03-29T01:30:00Z"},
		{"by the clock on the wall after it", berlin(2*60 + 30), "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"},
		{"the hour that autumn has twice is due once", berlin(2*60 + 30), "2026-10-24T23:00:00Z", "2026-10-25T01:30:00Z"},
		{"and then the next day", berlin(2*60 + 30), "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"},
	} {
		if got, err := c.timing.Next(at(c.now)); err != nil || !got.Equal(at(c.want)) {
			t.Errorf("%s: want %s, got %s %v", c.says, c.want, got.Format(time.RFC3339), err)
		}
	}
	if n := (Timing{EveryMinutes: minutes(10)}).missed(at("2026-03-01T10:00:00Z"), at("2026-03-01T10:35:00Z")); n != 3 {
		t.Errorf("want three missed, got %d", n)
	}
	if n := berlin(9*60).missed(at("2026-01-10T08:00:00Z"), at("2026-01-12T08:30:00Z")); n != 2 {
		t.Errorf("want two missed, got %d", n)
	}
}

func TestSchedulesRunOnceAndMakeUp(t *testing.T) {
	db := postgrestest.Database(t)
	s := &Store{DB: db, Set: quickSet(t)}
	w := &window{}
	var looked atomic.Int64
	list := func(ctx context.Context, from, to time.Time, _ []string, _ bool, each func(context.Context, []Subject) error) error {
		looked.Add(1)
		if !from.Before(to) {
			t.Errorf("a stretch from %s to %s", from, to)
		}
		return each(ctx, w.subjects)
	}
	if err := s.SetArrival(t.Context(), engineer, "formula", false, nil); err != nil {
		t.Fatal(err)
	}
	w.subjects = newWindow(t, s, 1, 2, 3).subjects
	if n := count(t, db, `SELECT count(*) FROM verdicts`); n != 0 {
		t.Fatalf("it does not look at what arrives: %d", n)
	}
	id, err := s.AddSchedule(t.Context(), engineer, "formula", Timing{EveryMinutes: minutes(30)}, "", 1)
	if err != nil {
		t.Fatal(err)
	}
	if ran, err := s.RunSchedules(t.Context(), product, list); err != nil || ran != 0 {
		t.Fatalf("before its time: %d %v", ran, err)
	}
	due := func(ago string) {
		t.Helper()
		if _, err := db.Exec(t.Context(), `UPDATE validator_schedules SET next_at = clock_timestamp() - $2::interval, landed_to = clock_timestamp() - interval '1 day' WHERE id = $1`, id, ago); err != nil {
			t.Fatal(err)
		}
	}
	due("100 minutes")
	var ran atomic.Int64
	var working sync.WaitGroup
	for range 3 {
		working.Go(func() {
			n, err := s.RunSchedules(t.Context(), product, list)
			ran.Add(int64(n))
			if err != nil {
				t.Error(err)
			}
		})
	}
	working.Wait()
	if ran.Load() != 1 || looked.Load() != 1 {
		t.Errorf("three workers ran it %d times and looked %d times", ran.Load(), looked.Load())
	}
	runs, err := s.ScheduleRuns(t.Context(), engineer, id, 5)
	if err != nil || len(runs) != 1 || runs[0].Missed != 3 || runs[0].Seen != 3 || runs[0].Asked != 3 || runs[0].EndedAt == nil {
		t.Errorf("want one run that makes up for three, got %+v %v", runs, err)
	}
	due("1 second")
	if _, err := s.RunSchedules(t.Context(), product, list); err != nil {
		t.Fatal(err)
	}
	if runs, _ := s.ScheduleRuns(t.Context(), engineer, id, 5); runs[0].Seen != 3 || runs[0].Asked != 0 {
		t.Errorf("what waits already is not asked again: %+v", runs[0])
	}

	due("1 second")
	away := errors.New("ClickHouse is away")
	broken := func(context.Context, time.Time, time.Time, []string, bool, func(context.Context, []Subject) error) error {
		return away
	}
	if _, err := s.RunSchedules(t.Context(), product, broken); !errors.Is(err, away) {
		t.Errorf("want the trouble, got %v", err)
	}
	if n := count(t, db, `SELECT count(*) FROM validator_schedules WHERE landed_to < clock_timestamp() - interval '23 hours' AND next_at > clock_timestamp() AND held_until IS NULL`); n != 1 {
		t.Error("a run that went wrong leaves its stretch to the next")
	}
	if runs, _ := s.ScheduleRuns(t.Context(), engineer, id, 1); runs[0].Trouble == "" {
		t.Error("its trouble is not shown")
	}

	if _, err := db.Exec(t.Context(), `UPDATE validator_schedules SET next_at = clock_timestamp() + interval '1 year'`); err != nil {
		t.Fatal(err)
	}
	if _, err := s.RunSchedules(t.Context(), product, list); err != nil {
		t.Fatal(err)
	}
	if n := count(t, db, `SELECT count(*) FROM validator_schedules WHERE next_at < clock_timestamp() + interval '31 minutes'`); n != 1 {
		t.Error("a clock that was a year ahead leaves the schedule a year away")
	}

	due("1 second")
	if err := s.TurnSchedule(t.Context(), engineer, id, "pause"); err != nil {
		t.Fatal(err)
	}
	if ran, err := s.RunSchedules(t.Context(), product, list); err != nil || ran != 0 {
		t.Errorf("paused, it ran: %d %v", ran, err)
	}
	schedules, err := s.Schedules(t.Context(), engineer, "formula")
	if err != nil || len(schedules) != 1 || schedules[0].PausedAt == nil || schedules[0].LastRun == nil || schedules[0].Running {
		t.Errorf("got %+v %v", schedules, err)
	}
	if err := s.TurnSchedule(t.Context(), engineer, id, "retire"); err != nil {
		t.Fatal(err)
	}
	if err := s.TurnSchedule(t.Context(), engineer, id, "resume"); fault.Of(err) != fault.Conflict {
		t.Errorf("retired, it goes on: %v", err)
	}
	for _, bad := range []Timing{{}, {EveryMinutes: minutes(0)}, {EveryMinutes: minutes(5), AtMinute: minutes(5)}, {AtMinute: minutes(1440)}, {AtMinute: minutes(5), Zone: "Mars/North"}, {AtMinute: minutes(5), Weekdays: []int16{7}}} {
		if _, err := s.AddSchedule(t.Context(), engineer, "formula", bad, "", 1); fault.Of(err) != fault.Invalid {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if _, err := s.AddSchedule(t.Context(), engineer, "formula", Timing{EveryMinutes: minutes(5)}, "", 0); fault.Of(err) != fault.Invalid {
		t.Errorf("a share of nothing: %v", err)
	}
}
