package web

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/validators"
	"assay/web/ui"
)

// ownForm registers a version of a validator of the operator's own.
type ownForm struct {
	Name      string   `form:"name"`
	Says      string   `form:"says"`
	Language  string   `form:"language"`
	Script    string   `form:"script"`
	Reads     []string `form:"reads"`
	Classes   string   `form:"task_classes"`
	Artifacts string   `form:"artifacts"`
	Wall      string   `form:"wall_ms"`
	Canaries  string   `form:"canaries"`
	Error     string
}

// ownExample is what the form starts with: a whole validator that works.
var ownExample = ownForm{
	Language: "python", Reads: []string{"response"}, Wall: "5000",
	Script: `def check(response):
    if "guaranteed" in response["response"].lower():
        return {"verdict": "fail", "reason": "promise", "message": "It promises a guarantee."}
    return {"verdict": "pass", "reason": "no_promise", "message": "It promises nothing."}
`,
	Canaries: `[
  {"name": "promises", "want": "fail", "response": "Delivery is guaranteed by Friday."},
  {"name": "promises nothing", "want": "pass", "response": "The carrier expects Friday."}
]
`,
}

func (f ownForm) own() (validators.Own, error) {
	canaries, err := validators.ReadCanaries(f.Canaries)
	if err != nil {
		return validators.Own{}, err
	}
	wall := 0
	if text := strings.TrimSpace(f.Wall); text != "" {
		if wall, err = strconv.Atoi(text); err != nil {
			return validators.Own{}, fault.Say(fault.Invalid, "A script takes at most 200 to 30,000 ms.")
		}
	}
	return validators.Own{Name: f.Name, Says: f.Says, Language: f.Language, Script: f.Script, Reads: f.Reads,
		TaskClasses: lines(f.Classes), Artifacts: lines(f.Artifacts), WallMS: wall, Canaries: canaries}, nil
}

// nextVersionOf fills the form with a version, to write the next.
func nextVersionOf(o validators.Own) ownForm {
	canaries, err := json.MarshalIndent(o.Canaries, "", "  ")
	if err != nil {
		canaries = nil // it came out of JSON
	}
	return ownForm{Name: o.Name, Says: o.Says, Language: o.Language, Script: o.Script, Reads: o.Reads, Classes: strings.Join(o.TaskClasses, "\n"),
		Artifacts: strings.Join(o.Artifacts, "\n"), Wall: strconv.Itoa(o.WallMS), Canaries: string(canaries)}
}

func (f ownForm) readBoxes() []ui.CheckBox {
	var boxes []ui.CheckBox
	for _, part := range validators.OwnReads {
		boxes = append(boxes, ui.CheckBox{Label: part, Name: "reads", Value: part, Checked: slices.Contains(f.Reads, part)})
	}
	return boxes
}

func ownLanguages() []ui.Option {
	return []ui.Option{{Value: "python", Label: "Python"}, {Value: "javascript", Label: "JavaScript"}}
}

func (s *site) ownNewShow(c *fiber.Ctx) error {
	var q struct {
		From int64 `query:"from"`
	}
	if err := readQuery(c, &q); err != nil {
		return err
	}
	form := ownExample
	if q.From > 0 {
		_, versions, err := s.ownVersions(c, q.From)
		if err != nil {
			return err
		}
		form = nextVersionOf(versions[0])
	}
	return s.ownNewPage(c, form)
}

func (s *site) ownNewPage(c *fiber.Ctx, form ownForm) error {
	return s.page(c, ui.Page{Title: "A validator of your own", Nav: "validators"}, form.draw())
}

func (f ownForm) head() ui.Head {
	return ui.Head{Crumbs: []ui.Link{{Text: "Validators", URL: "/validators"}}, Title: "A validator of your own",
		Sub: "A script that the sandbox runs over whole responses, without files or network. Its version is the hash of all that decides; it judges once its canaries hold."}
}

// ownRegister keeps a version as a draft.
func (s *site) ownRegister(c *fiber.Ctx) error {
	store, err := s.checks()
	if err != nil {
		return err
	}
	var form ownForm
	if err := readForm(c, &form); err != nil {
		return err
	}
	own, err := form.own()
	if err == nil {
		own, err = store.Register(c.UserContext(), actorOf(c), own)
	}
	if kind := fault.Of(err); kind == fault.Invalid || kind == fault.Conflict {
		c.Status(status[kind])
		form.Error = fault.Words(err)
		return s.ownNewPage(c, form)
	}
	if err != nil {
		return err
	}
	s.say(c, "Version "+own.Version+" is a draft. Try its canaries, then activate it.")
	return s.see(c, ownURL(own.ID))
}

func ownURL(id int64) string { return "/validators/own/" + strconv.FormatInt(id, 10) }

// ownPage is one version of an own validator.
type ownPage struct {
	Head     ui.Head
	URL      string
	Script   ui.Code
	Canaries ui.Table
	Facts    ui.Facts
	Versions ui.Table
	Tries    bool
	Activate bool
	Retire   bool
	Again    string // where its next version is written
}

// ownVersions returns a version, then all of its name.
func (s *site) ownVersions(c *fiber.Ctx, id int64) (*validators.Store, []validators.Own, error) {
	store, err := s.checks()
	if err != nil {
		return nil, nil, err
	}
	all, err := store.Owns(c.UserContext(), actorOf(c), "")
	if err != nil {
		return nil, nil, err
	}
	i := slices.IndexFunc(all, func(o validators.Own) bool { return o.ID == id })
	if i < 0 {
		return nil, nil, fault.Say(fault.NotFound, "There is no such validator.")
	}
	list := []validators.Own{all[i]}
	for _, o := range all {
		if o.Name == all[i].Name {
			list = append(list, o)
		}
	}
	return store, list, nil
}

func (s *site) ownShow(c *fiber.Ctx) error {
	id, err := idParam(c, "own")
	if err != nil {
		return err
	}
	_, versions, err := s.ownVersions(c, id)
	if err != nil {
		return err
	}
	p := buildOwn(versions[0], versions[1:], actorOf(c).May(auth.Configure))
	return s.page(c, ui.Page{Title: versions[0].Name, Nav: "validators"}, p.draw())
}

func buildOwn(o validators.Own, versions []validators.Own, edits bool) ownPage {
	p := ownPage{URL: ownURL(o.ID), Script: ui.Code{Text: o.Script, Tokens: ui.Tokens(o.Language, o.Script), Well: true, Small: true}}
	p.Head = ui.Head{Crumbs: []ui.Link{{Text: "Validators", URL: "/validators"}}, Title: o.Name, Sub: o.Says, Beside: []templ.Component{ui.Mono(o.Version), ownState(o)}}
	if o.State == "active" {
		p.Head.Actions = []templ.Component{ui.Button{Label: "Its card", URL: "/validators/" + pathPart(o.Name)}}
	}
	p.Canaries = ownCanaries(o)
	p.Facts = ui.Facts{Small: true, Items: []ui.Fact{
		{Term: "Language", Value: ui.Text(o.Language)}, {Term: "Reads", Value: ui.Text(strings.Join(o.Reads, ", "))},
		{Term: "Task classes", Value: ui.Text(anyOf(o.TaskClasses))}, {Term: "Kinds of artifact", Value: ui.Text(anyOf(o.Artifacts))},
		{Term: "Time", Value: ui.Text("at most " + ui.Count(o.WallMS) + " ms")}, {Term: "Registered", Value: ui.Words(ui.Time{At: o.AddedAt}, " by "+o.AddedBy)}}}
	if o.ActivatedAt != nil {
		p.Facts.Items = append(p.Facts.Items, ui.Fact{Term: "Activated", Value: ui.Words(ui.Time{At: *o.ActivatedAt}, " by "+*o.ActivatedBy)})
	}
	if o.RetiredAt != nil {
		p.Facts.Items = append(p.Facts.Items, ui.Fact{Term: "Retired", Value: ui.Words(ui.Time{At: *o.RetiredAt}, " by "+*o.RetiredBy)})
	}
	p.Versions = ownTable("Versions", versions)
	if edits {
		p.Tries, p.Activate, p.Retire = true, o.State != "active", o.State != "retired"
		p.Again = "/validators/new?from=" + strconv.FormatInt(o.ID, 10)
	}
	return p
}

func anyOf(list []string) string {
	if len(list) == 0 {
		return "any"
	}
	return strings.Join(list, ", ")
}

func ownState(o validators.Own) templ.Component {
	switch o.State {
	case "active":
		return ui.Pill{Text: "active", Mark: ui.MarkPass, Tone: ui.Ok}
	case "retired":
		return ui.Pill{Text: "retired", Mark: ui.MarkInconclusive, Tone: ui.NA}
	}
	return ui.Pill{Text: "draft", Mark: ui.MarkInconclusive, Tone: ui.NA}
}

// ownCanaries is what each canary wants and got the last time.
func ownCanaries(o validators.Own) ui.Table {
	t := ui.Table{Caption: "Canaries", Bare: true, Tight: true, Columns: []ui.Column{{Label: "Canary", Wide: true}, {Label: "Wanted"}, {Label: "Got"}, {Label: "Took", Right: true}}}
	tried := map[string]validators.Tried{}
	for _, one := range o.Tried {
		tried[one.Name] = one
	}
	for _, canary := range o.Canaries {
		one, was := tried[canary.Name]
		got, took, name := templ.Component(ui.Dim("not tried")), "–", ui.Text(canary.Name)
		if was {
			took = machineTime(one.TookMS)
			got = ui.Words(ui.MarkOf(one.Got).Named(one.Got), " ", one.Reason)
			if one.Got == "error" {
				got = ui.Toned(ui.Bad, one.Reason)
			}
			if !one.OK {
				name = ui.Toned(ui.Bad, canary.Name)
			}
		}
		t.Rows = append(t.Rows, ui.Row{Cells: []templ.Component{name, ui.MarkOf(canary.Want).Named(canary.Want), got, ui.Words(took)}})
	}
	return t
}

// ownTable lists versions of own validators.
func ownTable(caption string, list []validators.Own) ui.Table {
	t := ui.Table{Caption: caption, Bare: true, Columns: []ui.Column{{Label: "Validator"}, {Label: "Checks", Wide: true}, {Label: "Language"}, {Label: "Canaries"}, {Label: "Registered"}, {Label: "State"}}}
	for _, o := range list {
		right := 0
		for _, one := range o.Tried {
			if one.OK {
				right++
			}
		}
		canaries := templ.Component(ui.Dim(ui.Count(len(o.Canaries)) + ", not tried"))
		if len(o.Tried) > 0 {
			mark := ui.MarkPass
			if right < len(o.Tried) {
				mark = ui.MarkFail
			}
			canaries = ui.Sign{Mark: mark, Word: fmt.Sprintf("%d of %d", right, len(o.Tried))}
		}
		t.Rows = append(t.Rows, ui.Row{URL: ownURL(o.ID), Dim: o.State == "retired", Cells: []templ.Component{
			ui.Words(ui.Link{Text: o.Name, URL: ownURL(o.ID), Plain: true}, " ", ui.Mono(o.Version)), ui.Text(o.Says), ui.Text(o.Language), canaries,
			ui.Pair(ui.Time{At: o.AddedAt}, "by "+o.AddedBy), ownState(o)}})
	}
	return t
}

// ownAct tries, activates or retires a version.
func (s *site) ownAct(c *fiber.Ctx) error {
	id, err := idParam(c, "own")
	if err != nil {
		return err
	}
	var in struct {
		Act       string `form:"act"`
		OnArrival bool   `form:"on_arrival"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	says, err := s.turnOwn(c.UserContext(), actorOf(c), id, in.Act, in.OnArrival)
	if err != nil {
		return err
	}
	s.say(c, says)
	return s.see(c, ownURL(id))
}

func (s *site) turnOwn(ctx context.Context, actor auth.Actor, id int64, act string, onArrival bool) (string, error) {
	store, err := s.checks()
	if err != nil {
		return "", err
	}
	switch act {
	case "try":
		round, err := store.TryOwn(ctx, actor, id)
		if wrong, is := round.Wrong(); err == nil && is {
			return "A canary was answered " + wrong.Got + " where " + wrong.Want + " is right.", nil
		}
		return "Every canary was answered as it must be.", err
	case "activate":
		return "Every canary held. It judges from now on.", store.Activate(ctx, actor, id, onArrival)
	case "retire":
		return "Retired. Its verdicts stay.", store.Retire(ctx, actor, id)
	}
	return "", fault.Say(fault.Invalid, "A validator is tried, activated or retired.")
}

// ownRegisterAPI is POST /v1/own-validators.
func (s *site) ownRegisterAPI(c *fiber.Ctx) error {
	store, err := s.checks()
	if err != nil {
		return err
	}
	var in struct {
		Name      string                 `json:"name"`
		Says      string                 `json:"says"`
		Language  string                 `json:"language"`
		Script    string                 `json:"script"`
		Reads     []string               `json:"reads"`
		Classes   []string               `json:"task_classes"`
		Artifacts []string               `json:"artifacts"`
		WallMS    int                    `json:"wall_ms"`
		Canaries  []validators.OwnCanary `json:"canaries"`
	}
	if err := readJSON(c, &in); err != nil {
		return err
	}
	own, err := store.Register(c.UserContext(), actorOf(c), validators.Own{Name: in.Name, Says: in.Says, Language: in.Language, Script: in.Script, Reads: in.Reads,
		TaskClasses: in.Classes, Artifacts: in.Artifacts, WallMS: in.WallMS, Canaries: in.Canaries})
	if err != nil {
		return err
	}
	c.Status(fiber.StatusCreated)
	return c.JSON(fiber.Map{"id": own.ID, "name": own.Name, "version": own.Version, "state": own.State})
}

// ownActAPI is POST /v1/own-validators/{id}/{act}.
func (s *site) ownActAPI(c *fiber.Ctx) error {
	id, err := idParam(c, "own")
	if err != nil {
		return err
	}
	var q struct {
		OnArrival bool `query:"on_arrival"`
	}
	if err := readQuery(c, &q); err != nil {
		return err
	}
	says, err := s.turnOwn(c.UserContext(), actorOf(c), id, param(c, "act"), q.OnArrival)
	if err != nil {
		return err
	}
	return c.JSON(fiber.Map{"id": id, "says": says})
}

var ownOperations = map[string]operation{
	"POST /v1/own-validators": {Summary: "Register a version of a validator of your own, as a draft. The script defines check(response), which returns {verdict, reason, message, evidence}. The same version again is 409.",
		Body: &content{Schema: `{"type":"object","required":["name","says","language","script","reads","canaries"],"properties":{"name":{"type":"string"},"says":{"type":"string"},
			"language":{"enum":["python","javascript"]},"script":{"type":"string"},"reads":{"type":"array","items":{"enum":["prompt","response","context","artifact"]}},
			"task_classes":{"type":"array","items":{"type":"string"}},"artifacts":{"type":"array","items":{"type":"string"}},"wall_ms":{"type":"integer"},
			"canaries":{"type":"array","items":{"type":"object","required":["name","want"],"properties":{"name":{"type":"string"},"want":{"enum":["pass","fail","inconclusive"]},
				"prompt":{"type":"string"},"response":{"type":"string"},"context":{"type":"array","items":{"type":"string"}},"artifact":{"type":"object"}}}}}}`},
		Answers: map[int]content{201: {Words: "kept as a draft", Schema: `{"type":"object","required":["id","name","version","state"],"properties":{"id":{"type":"integer"},"name":{"type":"string"},"version":{"type":"string"},"state":{"type":"string"}}}`}}},
	"POST /v1/own-validators/:own/:act": {Summary: "Try, activate or retire a version: act is try, activate or retire. One whose canaries do not hold stays as it is: 409.",
		Query:   []parameter{{Name: "on_arrival", Words: "with activate: look at responses as they arrive"}},
		Answers: map[int]content{200: {Words: "done", Schema: `{"type":"object","required":["id","says"],"properties":{"id":{"type":"integer"},"says":{"type":"string"}}}`}}},
}
