package web

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/telemetry"
	"assay/web/ui"
)

// sessionQuery is the state of the list, all of it in the address.
type sessionQuery struct {
	When         string `query:"when"`
	From         string `query:"from"`
	To           string `query:"to"`
	TaskClass    string `query:"task_class"`
	ModelVersion string `query:"model_version"`
	Template     string `query:"template"`
	Env          string `query:"env"`
	User         string `query:"user"`
	Flag         string `query:"flag"`
	Verdict      string `query:"verdict"`
	Label        string `query:"label"`
	Behind       string `query:"behind"` // the figure whose sessions these are
	Experiment   string `query:"experiment"`
	Variant      string `query:"variant"`
	Version      string `query:"version"` // of the assistant
	Error        string `query:"error"`   // error_type
	Tool         string `query:"tool"`
	Text         string `query:"q"`
	Cursor       string `query:"cursor"`
	Limit        int    `query:"limit"`
	View         string `query:"view"` // none: not the one the list opens on
}

// stretches are the windows the filter offers.
var stretches = []struct {
	value, words string
	length       time.Duration
}{
	{"1h", "last hour", time.Hour},
	{"24h", "last 24 hours", 24 * time.Hour},
	{"7d", "last 7 days", 7 * 24 * time.Hour},
	{"30d", "last 30 days", 30 * 24 * time.Hour},
	{"all", "all time", 0},
}

// sessionsPage is the list of sessions.
type sessionsPage struct {
	Sub     string
	Actions []templ.Component
	Filters ui.FilterBar
	Table   ui.Table
}

const sessionsShown = 50

func (s *site) sessionsShow(c *fiber.Ctx) error {
	store, err := s.events()
	if err != nil {
		return err
	}
	ctx, actor := c.UserContext(), actorOf(c)
	views, err := store.Views(ctx, actor)
	if err != nil {
		return err
	}
	// Without any wish the list opens on the view that was chosen for it.
	if len(c.Request().URI().QueryString()) == 0 {
		i := slices.IndexFunc(views, func(v telemetry.View) bool { return v.Default })
		if i >= 0 && views[i].Query != "" {
			return s.see(c, "/sessions?"+views[i].Query)
		}
	}
	q, filter, when, err := s.sessionFilter(c, store)
	if err != nil {
		return err
	}
	page, err := store.Sessions(ctx, actor, filter, q.Cursor, sessionsShown)
	if err != nil {
		return err
	}
	choices, err := store.Choices(ctx, actor, filter.Window)
	if err != nil {
		return err
	}
	var without []telemetry.Dropped
	if len(page.Sessions) == 0 && q.filtered() {
		if without, err = store.WithoutEach(ctx, actor, filter); err != nil {
			return err
		}
	}
	return s.page(c, ui.Page{Title: "Sessions", Nav: "sessions"}, buildSessions(q, when, page, choices, views, without).draw())
}

func (s *site) sessionsAPI(c *fiber.Ctx) error {
	store, err := s.events()
	if err != nil {
		return err
	}
	q, filter, _, err := s.sessionFilter(c, store)
	if err != nil {
		return err
	}
	limit := q.Limit
	if limit == 0 {
		limit = sessionsShown
	}
	page, err := store.Sessions(c.UserContext(), actorOf(c), filter, q.Cursor, limit)
	if err != nil {
		return err
	}
	return c.JSON(page)
}

// sessionFilter reads the address. when says the window in words.
func (s *site) sessionFilter(c *fiber.Ctx, store *telemetry.Store) (q sessionQuery, f telemetry.SessionFilter, when string, err error) {
	if err = readQuery(c, &q); err != nil {
		return q, f, when, err
	}
	if err = q.check(); err != nil {
		return q, f, when, err
	}
	f = telemetry.SessionFilter{
		TaskClass: q.TaskClass, ModelVersion: q.ModelVersion, PromptTemplateID: q.Template, Env: q.Env,
		User: strings.TrimSpace(q.User), Flag: q.Flag, Verdict: q.Verdict, Label: q.Label, Text: strings.TrimSpace(q.Text),
		Behind: telemetry.Behind(q.Behind), Experiment: q.Experiment, Variant: q.Variant, Version: q.Version,
		ErrorType: q.Error, Tool: q.Tool,
	}
	f.Window, when, err = s.sessionWindow(c, store, &q)
	return q, f, when, err
}

func (q sessionQuery) check() error {
	switch {
	case q.Flag != "" && q.Flag != "any" && !slices.Contains(telemetry.Reasons, telemetry.Reason(q.Flag)):
		return fault.Say(fault.Invalid, "There is no flag of this name.")
	case q.Verdict != "" && !slices.Contains(verdicts, q.Verdict):
		return fault.Say(fault.Invalid, "A verdict is pass, fail or inconclusive.")
	case q.Label != "" && !slices.Contains(labels, q.Label):
		return fault.Say(fault.Invalid, "A label is correct, partially_correct, hallucinated or cannot_tell.")
	case q.Behind != "" && telemetry.Behind(q.Behind).Words() == "":
		return fault.Say(fault.Invalid, "There is no figure of this name.")
	case q.View != "" && q.View != "none":
		return fault.Say(fault.Invalid, "view is none, or left out.")
	case len(q.Text) > 200:
		return fault.Say(fault.Invalid, "Search for at most 200 bytes of text.")
	}
	return nil
}

var (
	verdicts = []string{"fail", "inconclusive", "pass"}
	labels   = []string{"hallucinated", "partially_correct", "correct", "cannot_tell"}
)

// sessionWindow cuts the window. Without a wish it is the last 24 hours, and
// the data's own time where that is over: a replay opens on what it holds.
func (s *site) sessionWindow(c *fiber.Ctx, store *telemetry.Store, q *sessionQuery) (w telemetry.Window, words string, err error) {
	now := s.now().UTC()
	if q.From != "" || q.To != "" {
		w.To = now
		if w.From, err = instant(q.From); err == nil && q.To != "" {
			w.To, err = instant(q.To)
		}
		return w, "in the chosen time", err
	}
	i := slices.IndexFunc(stretches, func(s struct {
		value, words string
		length       time.Duration
	}) bool {
		return s.value == q.When
	})
	if i >= 0 && stretches[i].length > 0 {
		return telemetry.Window{From: now.Add(-stretches[i].length), To: now}, "in the " + stretches[i].words, nil
	}
	if i < 0 && q.When != "" {
		return w, "", fault.Say(fault.Invalid, "when is 1h, 24h, 7d, 30d or all.")
	}
	extent, some, err := store.Extent(c.UserContext(), actorOf(c))
	if err != nil {
		return w, "", err
	}
	if q.When == "" && (!some || extent.To.After(now.Add(-24*time.Hour))) {
		q.When = "24h"
		return telemetry.Window{From: now.Add(-24 * time.Hour), To: now}, "in the last 24 hours", nil
	}
	q.When = "all"
	extent.To = extent.To.Add(time.Millisecond)
	return extent, "from " + extent.From.Format("2 Jan 2006") + " to " + extent.To.Format("2 Jan 2006"), nil
}

func buildSessions(q sessionQuery, when string, page telemetry.SessionPage, choices telemetry.Choices, views []telemetry.View, without []telemetry.Dropped) sessionsPage {
	p := sessionsPage{
		Sub:     ui.CountOf(int(page.Total), "session") + " " + when + ", " + ui.Count(int(page.Flagged)) + " flagged",
		Actions: listActions(q, views),
		Filters: sessionFilters(q, choices),
		Table: ui.Table{ID: "sessions", Caption: "Sessions", Flow: true, Columns: []ui.Column{
			{Label: "Time", Desc: true}, {Label: "Session"}, {Label: "Task class"}, {Label: "Version"}, {Label: "First words", Wide: true},
			{Label: "Verdict, label"}, {Label: "Outcome"}, {Label: "Total", Right: true}, {Label: "First token", Right: true}}},
	}
	style := ui.DayTime
	if q.When == "1h" || q.When == "24h" {
		style = ui.Clock
	}
	for _, session := range page.Sessions {
		p.Table.Rows = append(p.Table.Rows, sessionRow(session, style))
	}
	if len(page.Sessions) == 0 {
		p.Table.Empty = noSessions(q, when, without)
		return p
	}
	p.Table.Foot = &ui.Foot{
		Shown: ui.OutOf(len(page.Sessions), int(page.Total)) + " " + when + ", overlapping the window", Region: "sessions-region", Hints: true,
		Older: q.turned(page.Older), Newer: q.turned(page.Newer),
	}
	return p
}

// noSessions says what is not there, which filter excludes everything, and
// what would bring something.
func noSessions(q sessionQuery, when string, without []telemetry.Dropped) ui.Empty {
	everything := ui.Link{Text: "Look at all time", URL: q.with("when", "all")}
	if !q.filtered() {
		return ui.Empty{Bare: true, Title: "No events " + when, Why: "Events are here seconds after they were sent.", Code: "assay load events.jsonl",
			Actions: []templ.Component{everything}}
	}
	e := ui.Empty{Bare: true, Title: "No session " + when + " meets every filter"}
	var guilty []string
	for _, d := range without {
		if d.Sessions == 0 {
			continue
		}
		guilty = append(guilty, conditionWords[d.Condition])
		e.Actions = append(e.Actions, ui.Button{Label: "Drop " + conditionWords[d.Condition] + ": " + ui.CountOf(d.Sessions, "session"), Size: ui.Small,
			URL: q.with(d.Condition, ""), Region: "sessions-region"})
	}
	switch {
	case len(guilty) > 0:
		e.Why = "Excluded by " + strings.Join(guilty, ", or by ") + " alone: without it there are some."
	case len(without) > 1:
		e.Why = "No single filter excludes them: dropping any one of the " + ui.Count(len(without)) + " still finds none."
	default:
		e.Why = "Dropping the filter would not bring any: there is no session " + when + "."
	}
	e.Actions = append(e.Actions, everything, ui.Link{Text: "Clear the filters", URL: "/sessions?view=none"})
	return e
}

// conditionWords name the conditions of the list as its filters do.
var conditionWords = map[string]string{
	"task_class": "task class", "model_version": "version", "template": "template", "env": "environment", "user": "user", "flag": "flag",
	"verdict": "verdict", "label": "label", "experiment": "experiment", "variant": "variant", "version": "assistant version", "error": "error", "tool": "tool", "behind": "behind", "q": "text",
}

// listActions lead to the views, keep this one, and give the list to programs.
func listActions(q sessionQuery, views []telemetry.View) []templ.Component {
	values := q.values()
	var list []templ.Component
	if len(views) > 0 {
		list = append(list, ui.Button{Label: "Views " + ui.Count(len(views)), Style: ui.Plain, URL: "/views"})
	}
	return append(list,
		ui.Button{Label: "Save this view", URL: "/views?" + url.Values{"save": {values.Encode()}}.Encode()},
		ui.Button{Label: "Export", Icon: ui.IconDownload, URL: "/v1/sessions?" + values.Encode()})
}

// filtered reports whether more than the time is chosen.
func (q sessionQuery) filtered() bool {
	return q.TaskClass+q.ModelVersion+q.Template+q.Env+q.User+q.Flag+q.Verdict+q.Label+q.Behind+q.Experiment+q.Variant+q.Version+q.Error+q.Tool+q.Text != ""
}

// with is the address of the list with one condition changed; it begins on
// the first page.
func (q sessionQuery) with(name, value string) string {
	values := q.values()
	if value == "" {
		values.Del(name)
	} else {
		values.Set(name, value)
	}
	if len(values) == 0 {
		return "/sessions?view=none"
	}
	return "/sessions?" + values.Encode()
}

func (q sessionQuery) turned(cursor string) string {
	if cursor == "" {
		return ""
	}
	return q.with("cursor", cursor)
}

func (q sessionQuery) values() url.Values {
	values := url.Values{}
	for name, value := range map[string]string{
		"when": q.When, "from": q.From, "to": q.To, "task_class": q.TaskClass, "model_version": q.ModelVersion, "template": q.Template,
		"env": q.Env, "user": q.User, "flag": q.Flag, "verdict": q.Verdict, "label": q.Label, "behind": q.Behind,
		"experiment": q.Experiment, "variant": q.Variant, "version": q.Version, "error": q.Error, "tool": q.Tool, "q": q.Text,
	} {
		if value != "" && !(name == "when" && q.From+q.To != "") {
			values.Set(name, value)
		}
	}
	return values
}

func sessionFilters(q sessionQuery, choices telemetry.Choices) ui.FilterBar {
	drop := func(name, value string) string {
		if value == "" {
			return ""
		}
		return q.with(name, "")
	}
	choice := func(name, param, value string, mono bool, options []ui.Option) ui.Filter {
		if value != "" && !slices.ContainsFunc(options, func(o ui.Option) bool { return o.Value == value }) {
			options = append(options, ui.Option{Value: value, Label: value})
		}
		return ui.Filter{Name: name, Param: param, Value: value, Mono: mono, Drop: drop(param, value), Options: append([]ui.Option{{Label: "any"}}, options...)}
	}
	bar := ui.FilterBar{
		Action: "/sessions", Region: "sessions-region",
		Search: &ui.Search{Value: q.Text, Name: "Search redacted text", Placeholder: "Search redacted text, e.g. “invoice”"},
	}
	when := ui.Filter{Name: "when", Param: "when", Value: q.When}
	for _, s := range stretches {
		when.Options = append(when.Options, ui.Option{Value: s.value, Label: s.words})
	}
	if q.From+q.To != "" {
		when.Options = append([]ui.Option{{Label: "chosen time"}}, when.Options...)
		bar.Keep = []ui.Kept{{Name: "from", Value: q.From}, {Name: "to", Value: q.To}}
	}
	bar.Filters = []ui.Filter{
		when,
		choice("task class", "task_class", q.TaskClass, false, optionsOf(choices.TaskClasses, taskClassWords)),
		choice("environment", "env", q.Env, false, optionsOf(choices.Envs, plain)),
		choice("flag", "flag", q.Flag, false, flagOptions()),
	}
	for _, more := range []ui.Filter{
		choice("version", "model_version", q.ModelVersion, true, optionsOf(choices.ModelVersions, plain)),
		choice("template", "template", q.Template, true, optionsOf(choices.PromptTemplateIDs, plain)),
		choice("verdict", "verdict", q.Verdict, false, optionsOf(verdicts, plain)),
		choice("label", "label", q.Label, false, optionsOf(labels, labelWords)),
		{Name: "user", Param: "user", Value: q.User, Any: "hash", Mono: true, Drop: drop("user", q.User)},
	} {
		if more.Value != "" { // what is set is seen
			bar.Filters = append(bar.Filters, more)
		} else {
			bar.More = append(bar.More, more)
		}
	}
	// What a figure counts is not chosen here, only dropped.
	for _, set := range []struct{ name, param, value, words string }{
		{"behind", "behind", q.Behind, telemetry.Behind(q.Behind).Words()}, {"experiment", "experiment", q.Experiment, q.Experiment},
		{"variant", "variant", q.Variant, q.Variant}, {"assistant", "version", q.Version, q.Version},
		{"error", "error", q.Error, q.Error}, {"tool", "tool", q.Tool, q.Tool},
	} {
		if set.value != "" {
			bar.Filters = append(bar.Filters, ui.Filter{Name: set.name, Param: set.param, Value: set.value, Drop: drop(set.param, set.value),
				Options: []ui.Option{{Value: set.value, Label: set.words}}})
		}
	}
	if q.filtered() || q.From+q.To != "" {
		bar.Clear = "/sessions?view=none"
	}
	return bar
}

func plain(value string) string { return value }

func optionsOf(values []string, words func(string) string) []ui.Option {
	var options []ui.Option
	for _, v := range values {
		options = append(options, ui.Option{Value: v, Label: words(v)})
	}
	return options
}

func flagOptions() []ui.Option {
	options := []ui.Option{{Value: "any", Label: "any flag"}}
	for _, r := range telemetry.Reasons {
		if r != telemetry.Uncertain && r != telemetry.Random { // sampling's, not an event's
			options = append(options, ui.Option{Value: string(r), Label: strings.ReplaceAll(string(r), "_", " ")})
		}
	}
	return options
}

func sessionURL(id string) string { return "/sessions/" + url.PathEscape(id) }

func sessionRow(s telemetry.SessionRow, style ui.TimeStyle) ui.Row {
	words, outcome := ui.Text(firstWords(s.FirstWords, 56)), ui.Soft(outcomeWords(s))
	if !s.HasText {
		words, outcome = ui.Dim(missingText(s.Consent, s.TextSent)), ui.Dim(outcomeWords(s))
	}
	return ui.Row{ID: "session-" + s.ID, URL: sessionURL(s.ID), Name: s.ID, Cells: []templ.Component{
		ui.Time{At: s.To, Style: style},
		ui.Link{Text: clip(s.ID, 28), URL: sessionURL(s.ID), Mono: true, Plain: true},
		ui.Text(taskClassWords(s.TaskClass)), ui.Mono(s.ModelVersion), words, signs(s.Verdicts, s.Labels), outcome,
		ui.Text(took(s.TotalMS)), ui.Soft(took(s.TTFTMS)),
	}}
}

// firstWords is the beginning of a text on one line, cut between words.
func firstWords(text string, most int) string {
	line := strings.TrimLeft(strings.Join(strings.Fields(text), " "), ".,;:-–—*# ")
	runes := []rune(line)
	if len(runes) <= most {
		return line
	}
	line = string(runes[:most])
	if space := strings.LastIndexByte(line, ' '); space > most/2 {
		line = line[:space]
	}
	return strings.TrimRight(line, ".,;:-–— ") + " …"
}

// missingText says why nothing can be read.
func missingText(consent telemetry.Consent, sent bool) string {
	switch {
	case !sent:
		return "none was sent"
	case !consent.AllowsText():
		return "not kept, no consent"
	}
	return "not kept"
}

// signs are what a machine and a person said: square, then round.
func signs(verdicts, labels []string) templ.Component {
	var parts []any
	for _, word := range append(slices.Clone(verdicts), labels...) {
		parts = append(parts, ui.MarkOf(word).Named(labelWords(word)), " ")
	}
	return ui.Words(parts...)
}

func outcomeWords(s telemetry.SessionRow) string {
	switch {
	case s.UnsafeServed:
		return "unsafe claim served"
	case s.Route == "abstain":
		return "abstained"
	case s.Route == "shorten":
		return "shortened"
	case s.Route == "serve":
		return "served"
	case s.Outcome != "":
		return s.Outcome
	case s.Responses == 0:
		return "no answer"
	}
	return "answered"
}

func took(ms *int64) string {
	if ms == nil {
		return "–"
	}
	return ui.Elapsed(time.Duration(*ms) * time.Millisecond)
}

// findSessions offers a session by its whole id.
func (s *site) findSessions(c *fiber.Ctx, actor auth.Actor, text string) ([]match, error) {
	if s.Telemetry == nil || text == "" || len(text) > 256 || !actor.May(auth.SeeSessions) {
		return nil, nil
	}
	session, err := s.Telemetry.Session(c.UserContext(), actor, text, telemetry.SessionView{Size: 1})
	if fault.Of(err) == fault.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	why := "session, " + strconv.Itoa(session.Events) + " events"
	if session.Title != "" {
		why += ", " + clip(session.Title, 60)
	}
	return []match{{Icon: ui.IconActivity, Name: session.ID, Why: why, URL: sessionURL(session.ID), Weight: 90}}, nil
}
