package validators

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
	"assay/internal/stats"
)

// Setting says whether a validator looks at what arrives, and of which task
// classes; empty is all.
type Setting struct {
	Validator   string
	OnArrival   bool
	TaskClasses []string
	SetBy       string
	SetAt       time.Time
}

// arrives reports whether an arriving response is looked at. The zero Setting
// is that of a validator nobody has set: it looks at everything, unless it asks
// something outside.
func (t Setting) arrives(v Validator, subject Subject) bool {
	if t.Validator == "" {
		return !v.Remote
	}
	return t.OnArrival && (len(t.TaskClasses) == 0 || slices.Contains(t.TaskClasses, subject.TaskClass))
}

func (s *Store) settings(ctx context.Context) (map[string]Setting, error) {
	rows, _ := s.DB.Query(ctx, `SELECT validator, on_arrival, task_classes, set_by, set_at FROM validator_settings`)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Setting])
	if err != nil {
		return nil, fmt.Errorf("read the settings of validators: %w", err)
	}
	of := map[string]Setting{}
	for _, t := range list {
		of[t.Validator] = t
	}
	return of, nil
}

// SettingOf is the setting of one validator.
func (s *Store) SettingOf(ctx context.Context, actor auth.Actor, name string) (Setting, error) {
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return Setting{}, err
	}
	of, err := s.settings(ctx)
	if t, ok := of[name]; ok || err != nil {
		return t, err
	}
	return Setting{Validator: name, OnArrival: name != judgeName}, nil
}

// SetArrival says whether a validator looks at what arrives from now on.
func (s *Store) SetArrival(ctx context.Context, actor auth.Actor, name string, onArrival bool, classes []string) error {
	if err := actor.Require(auth.Configure); err != nil {
		return err
	}
	if _, err := s.serving(ctx, name); err != nil {
		return err
	}
	if err := checkNames("task classes", classes); err != nil {
		return err
	}
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error { return setArrival(ctx, tx, actor, name, onArrival, classes) })
}

func setArrival(ctx context.Context, tx pgx.Tx, actor auth.Actor, name string, onArrival bool, classes []string) error {
	if classes == nil {
		classes = []string{}
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO validator_settings (validator, on_arrival, task_classes, set_by) VALUES ($1, $2, $3, $4)
		ON CONFLICT (validator) DO UPDATE
		SET on_arrival = EXCLUDED.on_arrival, task_classes = EXCLUDED.task_classes, set_by = EXCLUDED.set_by, set_at = clock_timestamp()`,
		name, onArrival, classes, actor.Name)
	if err != nil {
		return err
	}
	return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "validator.set_arrival", Object: "validator/" + name,
		What: fmt.Sprintf("on arrival %t, %d task classes", onArrival, len(classes)), After: Setting{Validator: name, OnArrival: onArrival, TaskClasses: classes}})
}

// checkNames bounds a list of names that a person typed.
func checkNames(what string, names []string) error {
	if len(names) > 50 {
		return fault.Say(fault.Invalid, "At most 50 %s are named.", what)
	}
	for _, name := range names {
		if name == "" || len(name) > 200 {
			return fault.Say(fault.Invalid, "Each of the %s has 1 to 200 characters.", what)
		}
	}
	return nil
}

// Timing says when a schedule runs: each so many minutes, or at a time of day
// by the clock on the wall of a zone.
type Timing struct {
	EveryMinutes *int
	AtMinute     *int    // minutes after midnight
	Weekdays     []int16 // 0 is Sunday; empty is each day
	Zone         string
}

// Next is the first moment after now at which the timing is due. A time of day
// that a zone skips comes as much later as the clock was put on; one that it
// has twice is due once.
func (t Timing) Next(now time.Time) (time.Time, error) {
	if t.EveryMinutes != nil {
		every := time.Duration(*t.EveryMinutes) * time.Minute
		return now.UTC().Truncate(every).Add(every), nil
	}
	zone, err := time.LoadLocation(t.Zone)
	if err != nil || t.AtMinute == nil {
		return time.Time{}, fault.Say(fault.Invalid, "There is no time zone of this name. Write one like Europe/Berlin.")
	}
	local := now.In(zone)
	for day := 0; day <= 8; day++ {
		at := time.Date(local.Year(), local.Month(), local.Day()+day, *t.AtMinute/60, *t.AtMinute%60, 0, 0, zone)
		if at.After(now) && (len(t.Weekdays) == 0 || slices.Contains(t.Weekdays, int16(at.Weekday()))) {
			return at.UTC(), nil
		}
	}
	return time.Time{}, fault.Say(fault.Invalid, "A schedule runs on at least one day of the week.")
}

// missed counts the times that were due after due and up to now, which one run
// makes up for.
func (t Timing) missed(due, now time.Time) int {
	if t.EveryMinutes != nil {
		return max(0, int(now.Sub(due)/(time.Duration(*t.EveryMinutes)*time.Minute)))
	}
	n := 0
	for at := due; n < 1000; n++ {
		next, err := t.Next(at)
		if err != nil || next.After(now) {
			break
		}
		at = next
	}
	return n
}

func (t Timing) check() error {
	switch {
	case (t.EveryMinutes == nil) == (t.AtMinute == nil):
		return fault.Say(fault.Invalid, "A schedule runs each so many minutes, or at a time of day.")
	case t.EveryMinutes != nil && (*t.EveryMinutes < 1 || *t.EveryMinutes > 7*24*60):
		return fault.Say(fault.Invalid, "A schedule runs each 1 to 10,080 minutes.")
	case t.AtMinute != nil && (*t.AtMinute < 0 || *t.AtMinute >= 24*60):
		return fault.Say(fault.Invalid, "A time of day lies between 00:00 and 23:59.")
	case slices.ContainsFunc(t.Weekdays, func(d int16) bool { return d < 0 || d > 6 }):
		return fault.Say(fault.Invalid, "Days of the week are 0, Sunday, to 6.")
	}
	_, err := t.Next(time.Now())
	return err
}

// Schedule puts what landed since its last run before a validator.
type Schedule struct {
	ID        int64
	Validator string
	Timing
	TaskClass string  // "" is all
	Share     float64 // of what landed
	LandedTo  time.Time
	NextAt    time.Time
	HeldUntil *time.Time
	AddedBy   string
	AddedAt   time.Time
	PausedAt  *time.Time
	Running   bool
	LastRun   *ScheduleRun
}

// ScheduleRun is what a schedule did once.
type ScheduleRun struct {
	ID         int64
	ScheduleID int64
	DueAt      time.Time
	BeganAt    time.Time
	EndedAt    *time.Time
	LandedFrom time.Time
	LandedTo   time.Time
	Missed     int
	Seen       int64
	Asked      int64
	Trouble    string
}

const scheduleColumns = `id, validator, every_minutes, at_minute, weekdays, zone, task_class, share, landed_to, next_at, held_until, added_by, added_at, paused_at,
	coalesce(held_until > clock_timestamp(), false) AS running`

const scheduleRunColumns = `id, schedule_id, due_at, began_at, ended_at, landed_from, landed_to, missed, seen, asked, trouble`

// AddSchedule lets a validator run on a schedule, over what lands from now on.
func (s *Store) AddSchedule(ctx context.Context, actor auth.Actor, validator string, t Timing, taskClass string, share float64) (int64, error) {
	if err := actor.Require(auth.Configure); err != nil {
		return 0, err
	}
	if _, err := s.serving(ctx, validator); err != nil {
		return 0, err
	}
	if t.Zone == "" {
		t.Zone = "UTC"
	}
	if err := t.check(); err != nil {
		return 0, err
	}
	if !(share > 0 && share <= 1) || len(taskClass) > 200 {
		return 0, fault.Say(fault.Invalid, "A schedule takes more than 0 and at most 100 %% of what lands.")
	}
	if t.Weekdays == nil {
		t.Weekdays = []int16{}
	}
	var id int64
	err := postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		var now time.Time
		if err := tx.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&now); err != nil {
			return err
		}
		next, err := t.Next(now)
		if err != nil {
			return err
		}
		err = tx.QueryRow(ctx, `
			INSERT INTO validator_schedules (validator, every_minutes, at_minute, weekdays, zone, task_class, share, landed_to, next_at, added_by)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
			RETURNING id`, validator, t.EveryMinutes, t.AtMinute, t.Weekdays, t.Zone, taskClass, share, now, next, actor.Name).Scan(&id)
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "schedule.add", Object: fmt.Sprintf("schedule/%d", id), What: validator, After: t})
	})
	if err != nil {
		return 0, fmt.Errorf("schedule %s: %w", validator, err)
	}
	return id, nil
}

// TurnSchedule pauses, resumes or retires a schedule. One that goes on looks at
// what landed in the meantime, once.
func (s *Store) TurnSchedule(ctx context.Context, actor auth.Actor, id int64, act string) error {
	if err := actor.Require(auth.Configure); err != nil {
		return err
	}
	change, ok := map[string]string{
		"pause":  `paused_at = clock_timestamp() WHERE id = $1 AND paused_at IS NULL AND retired_at IS NULL`,
		"resume": `paused_at = NULL WHERE id = $1 AND paused_at IS NOT NULL AND retired_at IS NULL`,
		"retire": `retired_at = clock_timestamp() WHERE id = $1 AND retired_at IS NULL`,
	}[act]
	if !ok {
		return fault.Say(fault.Invalid, "A schedule is paused, resumed or retired.")
	}
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE validator_schedules SET `+change, id)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return fault.Say(fault.Conflict, "The schedule has moved on, or there is none.")
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "schedule." + act, Object: fmt.Sprintf("schedule/%d", id)})
	})
}

// Schedules lists those of a validator that were not retired, "" of all, each
// with its last run.
func (s *Store) Schedules(ctx context.Context, actor auth.Actor, validator string) ([]Schedule, error) {
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return nil, err
	}
	rows, _ := s.DB.Query(ctx, `
		SELECT `+scheduleColumns+`
		FROM validator_schedules
		WHERE retired_at IS NULL AND ($1 = '' OR validator = $1)
		ORDER BY validator, id`, validator)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByNameLax[Schedule])
	if err != nil {
		return nil, fmt.Errorf("read schedules: %w", err)
	}
	for i := range list {
		runs, err := s.ScheduleRuns(ctx, actor, list[i].ID, 1)
		if err != nil {
			return nil, err
		}
		if len(runs) > 0 {
			list[i].LastRun = &runs[0]
		}
	}
	return list, nil
}

// ScheduleRuns lists what a schedule did, newest first.
func (s *Store) ScheduleRuns(ctx context.Context, actor auth.Actor, schedule int64, limit int) ([]ScheduleRun, error) {
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return nil, err
	}
	rows, _ := s.DB.Query(ctx, `
		SELECT `+scheduleRunColumns+`
		FROM schedule_runs
		WHERE schedule_id = $1
		ORDER BY id DESC
		LIMIT $2`, schedule, limit)
	return pgx.CollectRows(rows, pgx.RowToStructByName[ScheduleRun])
}

// LandedLister hands over, in chunks, the responses that landed in a stretch.
type LandedLister func(ctx context.Context, from, to time.Time, kinds []string, anyText bool, each func(context.Context, []Subject) error) error

// RunSchedules runs every schedule that is due, each once however many workers
// ask, and returns how many ran. Times that were missed are made up for by one
// run.
func (s *Store) RunSchedules(ctx context.Context, actor auth.Actor, list LandedLister) (int, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return 0, err
	}
	if err := s.mendSchedules(ctx); err != nil {
		return 0, err
	}
	ran := 0
	var errs []error
	for ctx.Err() == nil {
		due, now, err := s.takeDue(ctx)
		if errors.Is(err, pgx.ErrNoRows) {
			break
		}
		if err != nil {
			return ran, err
		}
		ran++
		errs = append(errs, s.runSchedule(ctx, due, now, list))
	}
	return ran, errors.Join(append(errs, ctx.Err())...)
}

// mendSchedules brings back a time that a clock gone wrong put too far off.
func (s *Store) mendSchedules(ctx context.Context) error {
	var now time.Time
	if err := s.DB.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&now); err != nil {
		return err
	}
	rows, _ := s.DB.Query(ctx, `SELECT `+scheduleColumns+` FROM validator_schedules WHERE retired_at IS NULL AND next_at > clock_timestamp()`)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByNameLax[Schedule])
	if err != nil {
		return err
	}
	for _, schedule := range list {
		next, err := schedule.Next(now)
		if err == nil && next.Before(schedule.NextAt) {
			_, err = s.DB.Exec(ctx, `UPDATE validator_schedules SET next_at = $2 WHERE id = $1 AND next_at = $3`, schedule.ID, next, schedule.NextAt)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// takeDue takes one schedule that is due, for as long as a run may take.
func (s *Store) takeDue(ctx context.Context) (Schedule, time.Time, error) {
	rows, _ := s.DB.Query(ctx, `
		UPDATE validator_schedules SET held_until = clock_timestamp() + $1::interval
		WHERE id = (
			SELECT id FROM validator_schedules
			WHERE retired_at IS NULL AND paused_at IS NULL AND next_at <= clock_timestamp()
			AND (held_until IS NULL OR held_until < clock_timestamp())
			ORDER BY next_at
			LIMIT 1
			FOR UPDATE SKIP LOCKED
		)
		RETURNING `+scheduleColumns+`, clock_timestamp() AS taken_at`, scheduleHold)
	taken, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByNameLax[struct {
		Schedule
		TakenAt time.Time
	}])
	return taken.Schedule, taken.TakenAt, err
}

// scheduleHold is longer than a run is allowed to take.
const scheduleHold = 10 * time.Minute

// runSchedule asks about what landed since the last run and sets the next.
func (s *Store) runSchedule(ctx context.Context, due Schedule, now time.Time, list LandedLister) error {
	run := ScheduleRun{ScheduleID: due.ID, LandedFrom: due.LandedTo, LandedTo: now}
	next, err := due.Next(now)
	if err != nil {
		return err
	}
	err = s.DB.QueryRow(ctx, `
		INSERT INTO schedule_runs (schedule_id, due_at, landed_from, landed_to, missed) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT ON CONSTRAINT schedule_runs_once DO UPDATE SET landed_to = EXCLUDED.landed_to, missed = EXCLUDED.missed -- of a worker that died
		RETURNING id`, due.ID, due.NextAt, run.LandedFrom, run.LandedTo, due.missed(due.NextAt, now)).Scan(&run.ID)
	if err != nil {
		return fmt.Errorf("begin a run of schedule %d: %w", due.ID, err)
	}
	ctx, cancel := context.WithTimeout(ctx, scheduleHold-time.Minute)
	defer cancel()
	trouble := s.askScheduled(ctx, due, &run, list)
	// A run that went wrong leaves its stretch to the next one.
	landedTo, words := run.LandedTo, ""
	if trouble != nil {
		landedTo, words = due.LandedTo, plain(trouble.Error(), 300)
	}
	err = postgres.InTx(context.WithoutCancel(ctx), s.DB, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `
			UPDATE schedule_runs SET ended_at = clock_timestamp(), seen = $2, asked = $3, trouble = $4 WHERE id = $1`, run.ID, run.Seen, run.Asked, words); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `
			UPDATE validator_schedules SET landed_to = $2, next_at = $3, held_until = NULL WHERE id = $1`, due.ID, landedTo, next)
		return err
	})
	return errors.Join(err, trouble)
}

func (s *Store) askScheduled(ctx context.Context, due Schedule, run *ScheduleRun, list LandedLister) error {
	v, err := s.serving(ctx, due.Validator)
	if err != nil {
		return err
	}
	seen := map[uuid.UUID]bool{}
	return list(ctx, run.LandedFrom, run.LandedTo, v.artifactKinds(), v.readsText(), func(ctx context.Context, some []Subject) error {
		var drawn []Subject
		for _, subject := range some {
			if v.wants(subject) && !seen[subject.EventID] && due.takes(subject) {
				seen[subject.EventID] = true
				drawn = append(drawn, subject)
			}
		}
		n, err := s.ask(ctx, OnSchedule, drawn, func(Subject) []Validator { return []Validator{v} })
		run.Seen += int64(len(drawn))
		run.Asked += int64(n)
		return err
	})
}

// takes draws the same share of the same responses, however often it is asked.
func (d Schedule) takes(subject Subject) bool {
	return (d.TaskClass == "" || d.TaskClass == subject.TaskClass) &&
		(d.Share >= 1 || stats.HashUniform(fmt.Sprintf("schedule %d", d.ID), subject.EventID.String()) < d.Share)
}
