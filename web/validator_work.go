package web

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/validators"
	"assay/web/ui"
)

// workPart is when a validator runs: on arrival, on schedules, and again over
// windows that somebody asked for. With Edits the reader may change it.
type workPart struct {
	URL       string // of the validator's page
	Edits     bool
	Arrival   string
	OnArrival bool
	Classes   string
	Schedules ui.Table
	Reruns    ui.Table
}

// suspendedPart is why a validator says nothing, what that holds up, and how a
// person ends it.
type suspendedPart struct {
	URL   string
	Facts ui.Facts
	Lifts bool
	Past  ui.Table // suspensions before, without the open one
}

// work reads when a validator runs.
func (s *site) work(ctx context.Context, actor auth.Actor, name string) (workPart, error) {
	p := workPart{URL: "/validators/" + pathPart(name), Edits: actor.May(auth.Configure)}
	setting, err := s.Validators.SettingOf(ctx, actor, name)
	if err != nil {
		return p, err
	}
	schedules, err := s.Validators.Schedules(ctx, actor, name)
	if err != nil {
		return p, err
	}
	reruns, err := s.Validators.Reruns(ctx, actor, name, 10)
	if err != nil {
		return p, err
	}
	p.OnArrival, p.Classes = setting.OnArrival, strings.Join(setting.TaskClasses, "\n")
	p.Arrival = arrivalWords(setting)
	p.Schedules = scheduleTable(schedules, p.Edits)
	p.Reruns = rerunTable(reruns)
	return p, nil
}

func arrivalWords(t validators.Setting) string {
	switch {
	case !t.OnArrival:
		return "It does not look at what arrives: only its schedules and re-runs ask it."
	case len(t.TaskClasses) == 0:
		return "It looks at every response of its kind as it arrives."
	}
	return "It looks at responses of " + strings.Join(t.TaskClasses, ", ") + " as they arrive."
}

var weekdayNames = []string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}

// timingWords is "each 30 minutes" or "at 02:30 on Monday and Friday, Europe/Berlin".
func timingWords(t validators.Timing) string {
	if t.EveryMinutes != nil {
		every := *t.EveryMinutes
		switch {
		case every%1440 == 0:
			return "each " + ui.CountOf(every/1440, "day")
		case every%60 == 0:
			return "each " + ui.CountOf(every/60, "hour")
		}
		return "each " + ui.CountOf(every, "minute")
	}
	words := fmt.Sprintf("at %02d:%02d", *t.AtMinute/60, *t.AtMinute%60)
	var days []string
	for _, day := range t.Weekdays {
		days = append(days, weekdayNames[day])
	}
	if len(days) > 0 {
		words += " on " + strings.Join(days, ", ")
	}
	return words + ", " + t.Zone
}

func scheduleTable(list []validators.Schedule, edits bool) ui.Table {
	t := ui.Table{Caption: "Schedules", Bare: true, Columns: []ui.Column{{Label: "Runs", Wide: true}, {Label: "Of"}, {Label: "Last run"}, {Label: "Next run"}, {Label: "State"}},
		Empty: ui.Empty{Bare: true, Title: "No schedule", Why: "A schedule looks at what landed since its last run."}}
	if edits {
		t.Columns = append(t.Columns, ui.Column{Name: "Change"})
	}
	for _, schedule := range list {
		of := "everything"
		if schedule.TaskClass != "" {
			of = schedule.TaskClass
		}
		if schedule.Share < 1 {
			of = ui.Share(schedule.Share) + " of " + of
		}
		row := ui.Row{Cells: []templ.Component{ui.Pair(timingWords(schedule.Timing), "by "+schedule.AddedBy), ui.Text(of), lastRunWords(schedule.LastRun), nextRunWords(schedule), scheduleState(schedule)}}
		if edits {
			row.Cells = append(row.Cells, scheduleActs(schedule))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func lastRunWords(run *validators.ScheduleRun) templ.Component {
	if run == nil {
		return ui.Dim("not yet")
	}
	words := fmt.Sprintf("%s seen, %s asked", ui.Count(run.Seen), ui.Count(run.Asked))
	if run.Missed > 0 {
		words += fmt.Sprintf(", for %s missed", ui.CountOf(run.Missed, "time"))
	}
	if run.Trouble != "" {
		words = "went wrong; the next run looks there again"
	}
	return ui.Pair(ui.Time{At: run.BeganAt, Style: ui.DayTime}, words)
}

func nextRunWords(schedule validators.Schedule) templ.Component {
	if schedule.PausedAt != nil {
		return ui.Dim("when it goes on")
	}
	return ui.Time{At: schedule.NextAt, Style: ui.DayTime}
}

func scheduleState(schedule validators.Schedule) templ.Component {
	switch {
	case schedule.Running:
		return ui.Toned(ui.Ok, "running")
	case schedule.PausedAt != nil:
		return ui.Toned(ui.NA, "paused")
	case schedule.LastRun != nil && schedule.LastRun.Trouble != "":
		return ui.Toned(ui.Bad, "in trouble")
	}
	return ui.Soft("waits")
}

func scheduleActs(schedule validators.Schedule) templ.Component {
	turn := ui.Button{Label: "Pause", Size: ui.Small, Submit: true, Name: "act", Value: "pause"}
	if schedule.PausedAt != nil {
		turn.Label, turn.Value = "Go on", "resume"
	}
	retire := ui.Button{Label: "Retire", Size: ui.Small, Style: ui.Plain, Submit: true, Name: "act", Value: "retire"}
	return actsForm("/validator-schedules/"+strconv.FormatInt(schedule.ID, 10), "Change the schedule", []ui.Button{turn, retire})
}

func rerunTable(list []validators.Rerun) ui.Table {
	t := ui.Table{Caption: "Re-runs", Bare: true, Columns: []ui.Column{{Label: "Window", Wide: true}, {Label: "Version"}, {Label: "Judged", Right: true}, {Label: "Changed", Right: true}, {Label: "Asked"}, {Label: "State"}},
		Empty: ui.Empty{Bare: true, Title: "No re-run", Why: "After a new version, or when verdicts are in doubt, judge a window again: what was said stays, what is said now stands beside it."}}
	for _, r := range list {
		url := rerunURL(r.ID)
		t.Rows = append(t.Rows, ui.Row{URL: url, Cells: []templ.Component{ui.Pair(ui.Link{Text: rerunWindow(r), URL: url, Plain: true}, r.Reason),
			ui.Mono(shortVersion(r.Version)), ui.Words(ui.OutOf(r.Settled, max(r.Total, r.Counted))), ui.Words(ui.Count(r.Changed)),
			ui.Pair(ui.Time{At: r.AskedAt, Style: ui.DayTime}, "by "+r.AskedBy), rerunState(r)}})
	}
	return t
}

func rerunURL(id int64) string { return "/reruns/" + strconv.FormatInt(id, 10) }

// rerunWindow is "2 Nov to 9 Nov 2026, sql_query, was fail".
func rerunWindow(r validators.Rerun) string {
	words := r.FromTime.UTC().Format("2 Jan 15:04") + " to " + r.ToTime.UTC().Format("2 Jan 2006 15:04")
	for _, part := range []string{r.TaskClass, r.ModelVersion} {
		if part != "" {
			words += ", " + part
		}
	}
	if r.Was != "" {
		words += ", " + wasWords[r.Was]
	}
	return words
}

var wasWords = map[string]string{"pass": "was pass", "fail": "was fail", "inconclusive": "was inconclusive", "none": "without a verdict", "older": "of another version", "doubted": "in doubt"}

func rerunState(r validators.Rerun) templ.Component {
	switch r.State {
	case "done":
		return ui.Soft("done")
	case "cancelled":
		return ui.Toned(ui.NA, "cancelled")
	case "paused":
		return ui.Toned(ui.Mid, "paused")
	case "listing":
		return ui.Toned(ui.Ok, "counting")
	}
	return ui.Toned(ui.Ok, "running")
}

// suspension reads why a validator is suspended, and what that holds up; nil
// when it is not and never was.
func (s *site) suspension(ctx context.Context, actor auth.Actor, c validators.Card, now time.Time) (*suspendedPart, error) {
	past, err := s.Validators.Suspensions(ctx, actor, c.Name, 10)
	if err != nil || len(past) == 0 {
		return nil, err
	}
	p := &suspendedPart{URL: "/validators/" + pathPart(c.Name)}
	p.Past = pastTable(past)
	if c.Suspended == nil {
		return p, nil
	}
	held, err := s.Validators.HeldBy(ctx, actor, c.Name)
	if err != nil {
		return nil, err
	}
	p.Lifts = actor.May(auth.Configure)
	p.Facts = suspendedFacts(c, held)
	return p, nil
}

func suspendedFacts(c validators.Card, held validators.Held) ui.Facts {
	wrong := c.Suspended.Canary
	got := "answered " + wrong.Got
	if wrong.Got == "error" {
		got = "not answered: " + wrong.Reason
	}
	waits := ui.CountOf(held.Checks, "response") + " without its verdict"
	var classes []string
	for _, class := range held.Classes {
		classes = append(classes, class.TaskClass+" "+ui.Count(class.Count))
	}
	if len(classes) > 0 {
		waits += ": " + strings.Join(classes, ", ")
	}
	canaries := templ.Component(ui.Words("not tried since"))
	if c.TriedAt.After(c.Suspended.Since) {
		canaries = ui.Words(fmt.Sprintf("%d of %d right, tried ", c.Right(), len(c.Tried)), ui.Time{At: c.TriedAt})
	}
	return ui.Facts{Items: []ui.Fact{
		{Term: "Canary", Value: ui.Text("“" + wrong.Name + "” was " + got + "; " + wrong.Want + " is right")},
		{Term: "Since", Value: ui.Time{At: c.Suspended.Since, Style: ui.DayTime}},
		{Term: "In doubt", Value: ui.Words(ui.CountOf(held.Doubted, "verdict")+" since ", ui.Time{At: c.Suspended.DoubtFrom, Style: ui.DayTime}, ", when its canaries were last right. A re-run of what is in doubt makes them again.")},
		{Term: "Waits", Value: ui.Text(waits)},
		{Term: "Stands still", Value: ui.Text(ui.CountOf(held.Schedules, "schedule") + ", " + ui.CountOf(held.Reruns, "re-run"))},
		{Term: "Gate", Value: ui.Text("No promotion rests on a verdict alone, so none is blocked; but these responses reach people without the flag “validator failed”.")},
		{Term: "Canaries now", Value: canaries},
	}}
}

func pastTable(past []validators.Suspension) ui.Table {
	t := ui.Table{Caption: "Suspensions before", Bare: true, Columns: []ui.Column{{Label: "Since"}, {Label: "Canary", Wide: true}, {Label: "Lifted"}, {Label: "Why", Wide: true}}}
	for _, o := range past {
		if o.LiftedAt == nil {
			continue
		}
		by := "a new version"
		if *o.LiftedBy != "" {
			by = "by " + *o.LiftedBy
		}
		t.Rows = append(t.Rows, ui.Row{Cells: []templ.Component{ui.Time{At: o.Since, Style: ui.DayTime}, ui.Text(o.Canary.Name), ui.Pair(ui.Time{At: *o.LiftedAt, Style: ui.DayTime}, by), ui.Text(o.Reason)}})
	}
	return t
}

// validatorLift ends a suspension.
func (s *site) validatorLift(c *fiber.Ctx) error {
	store, err := s.checks()
	if err != nil {
		return err
	}
	var in struct {
		Reason string `form:"reason"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	name := param(c, "validator")
	if err := store.Lift(c.UserContext(), actorOf(c), name, in.Reason); err != nil {
		return err
	}
	s.say(c, "Every canary was answered as it must be. "+name+" judges again.")
	return s.see(c, "/validators/"+pathPart(name))
}

// arrivalSet says whether a validator looks at what arrives.
func (s *site) arrivalSet(c *fiber.Ctx) error {
	store, err := s.checks()
	if err != nil {
		return err
	}
	var in struct {
		OnArrival bool   `form:"on_arrival"`
		Classes   string `form:"task_classes"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	name := param(c, "validator")
	if err := store.SetArrival(c.UserContext(), actorOf(c), name, in.OnArrival, lines(in.Classes)); err != nil {
		return err
	}
	s.say(c, "Set. It holds for what arrives from now on.")
	return s.see(c, "/validators/"+pathPart(name)+"#work")
}

// scheduleAdd lets a validator run on a schedule.
func (s *site) scheduleAdd(c *fiber.Ctx) error {
	store, err := s.checks()
	if err != nil {
		return err
	}
	var in struct {
		Every   string  `form:"every"` // minutes; blank: at a time of day
		At      string  `form:"at"`    // 02:30
		Days    []int64 `form:"day"`
		Zone    string  `form:"zone"`
		Class   string  `form:"task_class"`
		Percent float64 `form:"percent"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	timing := validators.Timing{Zone: strings.TrimSpace(in.Zone)}
	for _, day := range in.Days {
		timing.Weekdays = append(timing.Weekdays, int16(min(max(day, -1), 7)))
	}
	if every := strings.TrimSpace(in.Every); every != "" {
		n, err := strconv.Atoi(every)
		if err != nil {
			return fault.Say(fault.Invalid, "A schedule runs each 1 to 10,080 minutes.")
		}
		timing.EveryMinutes = &n
	}
	if text := strings.TrimSpace(in.At); text != "" {
		at, err := time.Parse("15:04", text)
		if err != nil {
			return fault.Say(fault.Invalid, "Write a time of day like 02:30.")
		}
		minute := at.Hour()*60 + at.Minute()
		timing.AtMinute = &minute
	}
	name := param(c, "validator")
	if _, err := store.AddSchedule(c.UserContext(), actorOf(c), name, timing, strings.TrimSpace(in.Class), in.Percent/100); err != nil {
		return err
	}
	s.say(c, "Scheduled. It looks at what lands from now on.")
	return s.see(c, "/validators/"+pathPart(name)+"#work")
}

// scheduleTurn pauses, resumes or retires a schedule.
func (s *site) scheduleTurn(c *fiber.Ctx) error {
	store, err := s.checks()
	if err != nil {
		return err
	}
	id, err := idParam(c, "schedule")
	if err != nil {
		return err
	}
	var in struct {
		Act string `form:"act"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	ctx, actor := c.UserContext(), actorOf(c)
	schedules, err := store.Schedules(ctx, actor, "")
	if err != nil {
		return err
	}
	back := "/validators"
	for _, schedule := range schedules {
		if schedule.ID == id {
			back = "/validators/" + pathPart(schedule.Validator) + "#work"
		}
	}
	if err := store.TurnSchedule(ctx, actor, id, in.Act); err != nil {
		return err
	}
	s.say(c, map[string]string{"pause": "Paused.", "resume": "It goes on, and makes up for what landed meanwhile.", "retire": "Retired. What it did stays."}[in.Act])
	return s.see(c, back)
}
