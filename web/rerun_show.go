package web

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/telemetry"
	"assay/validators"
	"assay/web/ui"
)

// rerunAskPage is the form that asks for a re-run, with the exact count of what
// it would take up.
type rerunAskPage struct {
	Head  ui.Head
	URL   string
	Form  rerunForm
	Count *ui.Facts
	Says  string // of the count
}

// rerunForm is the window and the filter of a re-run.
type rerunForm struct {
	From   string `query:"from" form:"from" json:"from"`
	To     string `query:"to" form:"to" json:"to"`
	Class  string `query:"task_class" form:"task_class" json:"task_class"`
	Model  string `query:"model_version" form:"model_version" json:"model_version"`
	Was    string `query:"was" form:"was" json:"was"`
	Reason string `query:"reason" form:"reason" json:"reason"`
	Error  string
}

// inWindow lists the responses of a window for the reader.
func (s *site) inWindow(actor auth.Actor) validators.Lister {
	return func(ctx context.Context, w validators.Window, kinds []string, anyText bool, each func(context.Context, []validators.Subject) error) error {
		store, err := s.events()
		if err != nil {
			return err
		}
		return store.CheckableIn(ctx, actor, telemetry.CheckableWindow(w), telemetry.Wanted{Kinds: kinds, AnyText: anyText}, func(ctx context.Context, some []telemetry.Checkable) error {
			subjects := make([]validators.Subject, len(some))
			for i, r := range some {
				subjects[i] = validators.Subject{EventID: r.EventID, SessionID: r.SessionID, TaskClass: r.TaskClass, ModelVersion: r.ModelVersion, Kind: r.ArtifactKind}
			}
			return each(ctx, subjects)
		})
	}
}

// momentOf reads "2026-11-20", "2026-11-20T08:00" or RFC 3339, in UTC.
func momentOf(text string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if at, err := time.Parse(layout, strings.TrimSpace(text)); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

func (f rerunForm) request(validator string) (validators.RerunRequest, error) {
	from, okFrom := momentOf(f.From)
	to, okTo := momentOf(f.To)
	if !okFrom || !okTo {
		return validators.RerunRequest{}, fault.Say(fault.Invalid, "A window has a beginning and an end, like 2026-11-20 or 2026-11-20T08:00, UTC.")
	}
	return validators.RerunRequest{Validator: validator, Was: f.Was, Reason: f.Reason,
		Window: validators.Window{From: from, To: to, TaskClass: strings.TrimSpace(f.Class), ModelVersion: strings.TrimSpace(f.Model)}}, nil
}

func (s *site) rerunAskShow(c *fiber.Ctx) error {
	var form rerunForm
	if err := readQuery(c, &form); err != nil {
		return err
	}
	counts := form.From != ""
	if !counts {
		now := s.now().UTC()
		form.From, form.To = now.AddDate(0, 0, -7).Format("2006-01-02T15:04"), now.Format("2006-01-02T15:04")
	}
	return s.rerunAskPage(c, form, counts)
}

func (s *site) rerunAskPage(c *fiber.Ctx, form rerunForm, counts bool) error {
	store, err := s.checks()
	if err != nil {
		return err
	}
	ctx, actor := c.UserContext(), actorOf(c)
	card, err := store.Card(ctx, actor, param(c, "validator"))
	if err != nil {
		return err
	}
	p := rerunAskPage{URL: "/validators/" + pathPart(card.Name), Form: form,
		Head: ui.Head{Crumbs: []ui.Link{{Text: "Validators", URL: "/validators"}, {Text: card.Name, URL: "/validators/" + pathPart(card.Name)}}, Title: "Judge a window again",
			Sub: "Version " + shortVersion(card.Version) + " looks at the responses of a window. What was said before stays; what it says now stands beside it, and the differences are shown."}}
	if counts && form.Error == "" {
		p.count(ctx, store, actor, card, s.inWindow(actor))
	}
	return s.page(c, ui.Page{Title: "Judge a window again", Nav: "validators"}, p.draw())
}

// count fills in what the re-run would take up, or why it cannot be asked for.
func (p *rerunAskPage) count(ctx context.Context, store *validators.Store, actor auth.Actor, card validators.Card, list validators.Lister) {
	request, err := p.Form.request(card.Name)
	var n validators.RerunCount
	if err == nil {
		n, err = store.CountRerun(ctx, actor, request, list)
	}
	if err != nil {
		p.Form.Error = fault.Words(err)
		if p.Form.Error == "" {
			p.Form.Error = "The window could not be counted now. Try again in a while."
		}
		return
	}
	p.Says = "Takes up " + ui.CountOf(n.Responses, "response") + "."
	work := time.Duration(float64(n.Responses) * max(card.MedianMS, 1) / 2 * float64(time.Millisecond))
	facts := ui.Facts{Ruled: true, Small: true}
	fact := func(term, value string) {
		facts.Items = append(facts.Items, ui.Fact{Term: term, Value: ui.Text(value)})
	}
	fact("Stands as pass", ui.Count(n.Passed))
	fact("Stands as fail", ui.Count(n.Failed))
	fact("Stands as inconclusive", ui.Count(n.Unsettled))
	fact("Without a verdict", ui.Count(n.Fresh))
	fact("Judged by this very version", ui.Count(n.Same)+", kept where the input is the same")
	fact("Takes", "about "+ui.Elapsed(work)+" on two processors")
	p.Count = &facts
}

func wasOptions() []ui.Option {
	options := []ui.Option{{Value: "", Label: "anything"}}
	for _, was := range []string{"older", "doubted", "inconclusive", "fail", "pass", "none"} {
		options = append(options, ui.Option{Value: was, Label: map[string]string{"older": "of another version", "doubted": "in doubt", "inconclusive": "inconclusive", "fail": "fail", "pass": "pass", "none": "nothing"}[was]})
	}
	return options
}

func (s *site) rerunAsk(c *fiber.Ctx) error {
	store, err := s.checks()
	if err != nil {
		return err
	}
	var form rerunForm
	if err := readForm(c, &form); err != nil {
		return err
	}
	actor := actorOf(c)
	request, err := form.request(param(c, "validator"))
	var asked validators.Rerun
	if err == nil {
		asked, err = store.AskRerun(c.UserContext(), actor, request, s.inWindow(actor))
	}
	if kind := fault.Of(err); kind == fault.Invalid || kind == fault.Conflict {
		c.Status(status[kind])
		form.Error = fault.Words(err)
		return s.rerunAskPage(c, form, true)
	}
	if err != nil {
		return err
	}
	s.say(c, ui.CountOf(asked.Counted, "response")+" put before "+asked.Validator+". You may leave this page.")
	return s.see(c, rerunURL(asked.ID))
}

// rerunPage is one re-run: how far it came, and what is different now.
type rerunPage struct {
	Head        ui.Head
	Live        string // address that is asked again while it runs; "" when it has ended
	Progress    ui.Progress
	Waits       *ui.Banner
	Acts        []ui.Button
	URL         string
	Turns       ui.Grid
	TurnsSays   string
	Differences ui.Table
}

const differencesShown = 50

func (s *site) rerunShow(c *fiber.Ctx) error {
	store, err := s.checks()
	if err != nil {
		return err
	}
	id, err := idParam(c, "rerun")
	if err != nil {
		return err
	}
	var q struct {
		Before string `query:"before"`
		After  string `query:"after"`
		From   int    `query:"from"`
	}
	if err := readQuery(c, &q); err != nil {
		return err
	}
	ctx, actor := c.UserContext(), actorOf(c)
	r, err := store.Rerun(ctx, actor, id)
	if err != nil {
		return err
	}
	turns, err := store.Turns(ctx, actor, id)
	if err != nil {
		return err
	}
	list, err := store.Differences(ctx, actor, id, q.Before, q.After, differencesShown+1, max(0, q.From))
	if err != nil {
		return err
	}
	p := buildRerun(r, turns, list, q.Before, q.After, max(0, q.From), actor.May(auth.Configure))
	if card, err := store.Card(ctx, actor, r.Validator); err == nil && card.Suspended != nil && r.EndedAt == nil {
		p.Waits = &ui.Banner{Tone: ui.Mid, Fact: r.Validator + " is suspended.", Consequence: "The re-run goes on when a person lifts that.", Link: &ui.Link{Text: "See why", URL: "/validators/" + pathPart(r.Validator)}}
	}
	return s.page(c, ui.Page{Title: "Re-run of " + r.Validator, Nav: "validators"}, p.draw())
}

func buildRerun(r validators.Rerun, turns []validators.Turn, list []validators.Difference, before, after string, from int, edits bool) rerunPage {
	p := rerunPage{URL: rerunURL(r.ID)}
	p.Head = ui.Head{Crumbs: []ui.Link{{Text: "Validators", URL: "/validators"}, {Text: r.Validator, URL: "/validators/" + pathPart(r.Validator)}},
		Title: "Judged again", Sub: rerunWindow(r) + ". " + r.Reason, Beside: []templ.Component{ui.Mono(shortVersion(r.Version)), rerunState(r)}}
	total := max(r.Total, r.Counted)
	if r.State != "listing" {
		total = r.Total
	}
	p.Progress = ui.Progress{Title: "Judged", Done: int(r.Settled), Total: int(max(total, 1)), Says: ui.OutOf(r.Settled, total) + " responses. " + ui.CountOf(r.Changed, "verdict") + " changed."}
	if r.Dead > 0 {
		p.Progress.Says += " " + ui.Count(r.Dead) + " could not be judged: the sandbox failed on each three times."
	}
	if r.EndedAt == nil {
		p.Live = p.URL
		if edits {
			p.Acts = rerunActs(r)
		}
	}
	p.Turns, p.TurnsSays = turnGrid(turns)
	p.Differences = turnedTable(p.URL, list, before, after, from)
	return p
}

func rerunActs(r validators.Rerun) []ui.Button {
	cancel := ui.Button{Label: "Cancel", Style: ui.Hazard, Submit: true, Name: "act", Value: "cancel"}
	switch r.State {
	case "running":
		return []ui.Button{{Label: "Pause", Submit: true, Name: "act", Value: "pause"}, cancel}
	case "paused":
		return []ui.Button{{Label: "Go on", Style: ui.Filled, Submit: true, Name: "act", Value: "resume"}, cancel}
	}
	return []ui.Button{cancel}
}

// turnGrid is verdicts before by verdicts now.
func turnGrid(turns []validators.Turn) (ui.Grid, string) {
	befores, afters := []string{"pass", "fail", "inconclusive", "none"}, []string{"pass", "fail", "inconclusive", "gone"}
	count := map[[2]string]int64{}
	var turned int64
	for _, t := range turns {
		count[[2]string{t.Before, t.After}] = t.Count
		if t.Before == validators.Pass && t.After == validators.Fail {
			turned = t.Count
		}
	}
	grid := ui.Grid{Named: true, Columns: []string{"pass now", "fail now", "inconclusive now", "text gone"}}
	for _, before := range befores {
		name := "was " + before
		if before == "none" {
			name = "had no verdict"
		}
		row := ui.GridRow{Name: name}
		for _, after := range afters {
			n := count[[2]string{before, after}]
			row.Cells = append(row.Cells, ui.Cell{Text: ui.Count(n), Number: true, Wrong: n > 0 && before == validators.Pass && after == validators.Fail})
		}
		grid.Rows = append(grid.Rows, row)
	}
	says := "No pass became a fail."
	if turned > 0 {
		says = ui.CountOf(turned, "pass", "passes") + " became a fail: these are flagged now and go before people."
	}
	return grid, says
}

func turnedTable(url string, list []validators.Difference, before, after string, from int) ui.Table {
	t := ui.Table{ID: "differences", Caption: "Differences", Bare: true, Columns: []ui.Column{{Label: "Response"}, {Label: "Task class"}, {Label: "Before", Wide: true}, {Label: "Now", Wide: true}},
		Empty: ui.Empty{Bare: true, Title: "No difference", Why: "Nothing that was judged so far has another verdict than before."}}
	more := len(list) > differencesShown
	for _, d := range list[:min(len(list), differencesShown)] {
		session := "/sessions/" + pathPart(d.SessionID)
		t.Rows = append(t.Rows, ui.Row{URL: session, Cells: []templ.Component{ui.Link{Text: shortSession(d.SessionID), URL: session, Mono: true, Plain: true}, ui.Text(d.TaskClass),
			verdictSaid(d.Before, d.BeforeVersion, d.BeforeSays, d.BeforeReason), verdictSaid(d.After, d.AfterVersion, d.AfterSays, d.AfterReason)}})
	}
	filter := fmt.Sprintf("%s?before=%s&after=%s&from=", url, pathPart(before), pathPart(after))
	foot := &ui.Foot{Shown: "What fails now stands first."}
	if len(list) > 0 {
		foot.Shown = fmt.Sprintf("%s to %s. What fails now stands first.", ui.Count(from+1), ui.Count(from+min(len(list), differencesShown)))
	}
	if from > 0 {
		foot.Newer, foot.NewerLabel = filter+fmt.Sprint(max(0, from-differencesShown)), "Back"
	}
	if more {
		foot.Older, foot.OlderLabel = filter+fmt.Sprint(from+differencesShown), "More"
	}
	t.Foot = foot
	return t
}

func verdictSaid(verdict, version, says, reason string) templ.Component {
	if verdict == "none" {
		return ui.Dim("no verdict")
	}
	if says == "" {
		says = strings.ReplaceAll(reason, "_", " ")
	}
	return ui.Pair(ui.Words(ui.MarkOf(verdict).Named(verdict), " ", verdict, " ", ui.Mono(shortVersion(version))), says)
}

func (s *site) rerunTurn(c *fiber.Ctx) error {
	id, err := idParam(c, "rerun")
	if err != nil {
		return err
	}
	var in struct {
		Act string `form:"act"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	if err := s.turnRerun(c, id, in.Act); err != nil {
		return err
	}
	s.say(c, map[string]string{"pause": "Paused. What is being judged is still judged.", "resume": "It goes on.", "cancel": "Cancelled. What was judged stays."}[in.Act])
	return s.see(c, rerunURL(id))
}

func (s *site) turnRerun(c *fiber.Ctx, id int64, act string) error {
	store, err := s.checks()
	if err != nil {
		return err
	}
	turn, ok := map[string]func(context.Context, auth.Actor, int64) error{"pause": store.PauseRerun, "resume": store.ResumeRerun, "cancel": store.CancelRerun}[act]
	if !ok {
		return fault.Say(fault.Invalid, "A re-run is paused, resumed or cancelled.")
	}
	return turn(c.UserContext(), actorOf(c), id)
}

// rerunAskAPI is POST /v1/validators/{name}/reruns.
func (s *site) rerunAskAPI(c *fiber.Ctx) error {
	store, err := s.checks()
	if err != nil {
		return err
	}
	var in struct {
		From   string `json:"from"`
		To     string `json:"to"`
		Class  string `json:"task_class"`
		Model  string `json:"model_version"`
		Was    string `json:"was"`
		Reason string `json:"reason"`
		DryRun bool   `json:"dry_run"`
	}
	if err := readJSON(c, &in); err != nil {
		return err
	}
	request, err := rerunForm{From: in.From, To: in.To, Class: in.Class, Model: in.Model, Was: in.Was, Reason: in.Reason}.request(param(c, "validator"))
	if err != nil {
		return err
	}
	actor := actorOf(c)
	if in.DryRun {
		n, err := store.CountRerun(c.UserContext(), actor, request, s.inWindow(actor))
		if err != nil {
			return err
		}
		return c.JSON(fiber.Map{"responses": n.Responses, "pass": n.Passed, "fail": n.Failed, "inconclusive": n.Unsettled, "none": n.Fresh, "same_version": n.Same})
	}
	r, err := store.AskRerun(c.UserContext(), actor, request, s.inWindow(actor))
	if err != nil {
		return err
	}
	c.Status(fiber.StatusCreated)
	return c.JSON(rerunJSON(r, nil))
}

func rerunJSON(r validators.Rerun, turns []validators.Turn) fiber.Map {
	m := fiber.Map{"id": r.ID, "validator": r.Validator, "version": r.Version, "state": r.State, "from": r.FromTime.UTC(), "to": r.ToTime.UTC(),
		"counted": r.Counted, "total": r.Total, "settled": r.Settled, "changed": r.Changed, "could_not": r.Dead}
	if turns != nil {
		list := []fiber.Map{}
		for _, t := range turns {
			list = append(list, fiber.Map{"before": t.Before, "after": t.After, "count": t.Count})
		}
		m["turns"] = list
	}
	return m
}

// rerunGetAPI is GET /v1/reruns/{id}.
func (s *site) rerunGetAPI(c *fiber.Ctx) error {
	store, err := s.checks()
	if err != nil {
		return err
	}
	id, err := idParam(c, "rerun")
	if err != nil {
		return err
	}
	ctx, actor := c.UserContext(), actorOf(c)
	r, err := store.Rerun(ctx, actor, id)
	if err != nil {
		return err
	}
	turns, err := store.Turns(ctx, actor, id)
	if err != nil {
		return err
	}
	if turns == nil {
		turns = []validators.Turn{}
	}
	return c.JSON(rerunJSON(r, turns))
}

// rerunTurnAPI is POST /v1/reruns/{id}/{act}.
func (s *site) rerunTurnAPI(c *fiber.Ctx) error {
	id, err := idParam(c, "rerun")
	if err != nil {
		return err
	}
	if err := s.turnRerun(c, id, param(c, "act")); err != nil {
		return err
	}
	r, err := s.Validators.Rerun(c.UserContext(), actorOf(c), id)
	if err != nil {
		return err
	}
	return c.JSON(rerunJSON(r, nil))
}

const rerunSchema = `{"type":"object","required":["id","validator","version","state","counted","total","settled","changed"],"properties":{
	"id":{"type":"integer"},"validator":{"type":"string"},"version":{"type":"string"},"state":{"enum":["listing","running","paused","cancelled","done"]},
	"from":{"type":"string","format":"date-time"},"to":{"type":"string","format":"date-time"},
	"counted":{"type":"integer"},"total":{"type":"integer"},"settled":{"type":"integer"},"changed":{"type":"integer"},"could_not":{"type":"integer"},
	"turns":{"type":"array","items":{"type":"object","properties":{"before":{"type":"string"},"after":{"type":"string"},"count":{"type":"integer"}}}}}}`

var rerunOperations = map[string]operation{
	"POST /v1/validators/:validator/reruns": {Summary: "Judge the responses of a window again. With dry_run the exact count alone, by what stands. One at a time of each validator: another is 409.",
		Body: &content{Schema: `{"type":"object","required":["from","to"],"properties":{"from":{"type":"string"},"to":{"type":"string"},"task_class":{"type":"string"},"model_version":{"type":"string"},
			"was":{"enum":["","pass","fail","inconclusive","none","older","doubted"]},"reason":{"type":"string"},"dry_run":{"type":"boolean"}}}`},
		Answers: map[int]content{200: {Words: "the count of a dry run", Schema: `{"type":"object","properties":{"responses":{"type":"integer"},"pass":{"type":"integer"},"fail":{"type":"integer"},"inconclusive":{"type":"integer"},"none":{"type":"integer"},"same_version":{"type":"integer"}}}`},
			201: {Words: "asked for", Schema: rerunSchema}}},
	"GET /v1/reruns/:rerun":       {Summary: "How far a re-run came, and what changed by verdict before and now.", Answers: map[int]content{200: {Words: "the re-run", Schema: rerunSchema}}},
	"POST /v1/reruns/:rerun/:act": {Summary: "Pause, resume or cancel a re-run: act is pause, resume or cancel.", Answers: map[int]content{200: {Words: "the re-run", Schema: rerunSchema}}},
}
