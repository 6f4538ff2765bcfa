package web

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/fault"
	"assay/labeling"
	"assay/web/ui"
)

// selectionPage is a frozen selection: what is in it, exactly how many, what
// to do with it, and after that how to take it back.
type selectionPage struct {
	Head   ui.Head
	ID     int64
	Table  ui.Table
	Acts   []selectionAct // empty once it was acted on
	People []ui.Option
	Queues []ui.Option
	Result string
	Undo   bool
}

// selectionAct is one button.
type selectionAct struct {
	Act, Label string
	Hazard     bool
}

var selectionActs = []selectionAct{
	{"first", "Serve them first", false}, {"normal", "Serve them in order", false}, {"last", "Serve them last", false},
	{"requeue", "Ask for one more label of those done", false}, {"remove", "Remove them from the queue", true},
}

// selectForm is the filter a selection is made with.
type selectForm struct {
	Class  string `form:"class"`
	Reason string `form:"reason"`
	Model  string `form:"model"`
	State  string `form:"state"`
}

func (s *site) selectionMake(c *fiber.Ctx) error {
	var form selectForm
	if err := readForm(c, &form); err != nil {
		return err
	}
	labels, queue, err := s.queueOfRules(c)
	if err != nil {
		return err
	}
	selection, err := labels.Select(c.UserContext(), actorOf(c), queue, labeling.SelectionFilter{Class: form.Class, Reason: form.Reason, Model: form.Model, State: form.State})
	if err != nil {
		return err
	}
	return s.see(c, "/selections/"+strconv.FormatInt(selection.ID, 10))
}

func (s *site) selectionOf(c *fiber.Ctx) (*labeling.Store, labeling.Selection, error) {
	labels, err := s.labels()
	if err != nil {
		return nil, labeling.Selection{}, err
	}
	id, err := strconv.ParseInt(param(c, "selection"), 10, 64)
	if err != nil {
		return nil, labeling.Selection{}, fmt.Errorf("selection: %w", fault.NotFound)
	}
	selection, err := labels.Selection(c.UserContext(), actorOf(c), id)
	return labels, selection, err
}

const previewRows = 15

func (s *site) selectionShow(c *fiber.Ctx) error {
	labels, selection, err := s.selectionOf(c)
	if err != nil {
		return err
	}
	ctx, actor := c.UserContext(), actorOf(c)
	queues, err := labels.Queues(ctx, actor)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(queues, func(q labeling.Queue) bool { return q.ID == selection.QueueID })
	if at < 0 {
		return fmt.Errorf("queue of selection %d: %w", selection.ID, fault.NotFound)
	}
	preview, err := labels.Preview(ctx, actor, selection, previewRows)
	if err != nil {
		return err
	}
	people, err := labels.Assignables(ctx, actor)
	if err != nil {
		return err
	}
	p := buildSelection(selection, queues[at], queues, people, preview)
	return s.page(c, ui.Page{Title: "Selection", Nav: "queues", Back: &ui.Link{Text: queues[at].Title, URL: "/queues/" + queues[at].Slug}}, p.draw())
}

func buildSelection(selection labeling.Selection, queue labeling.Queue, queues []labeling.Queue, people []labeling.Assignable, preview []labeling.Brief) selectionPage {
	p := selectionPage{
		ID: selection.ID,
		Head: ui.Head{
			Crumbs: []ui.Link{{Text: "Queues", URL: "/queues"}, {Text: queue.Title, URL: "/queues/" + queue.Slug}},
			Title:  ui.CountOf(selection.Count, "item") + " selected",
			Sub:    fmt.Sprintf("Of %s: %s. Frozen when it was made; %s nobody holds now.", queue.Title, selection.Filter, ui.CountOf(selection.Ready, "item")),
		},
		Table: ui.Table{
			ID: "preview", Caption: "The first of the selection", Bare: true,
			Columns: []ui.Column{{Label: "Item", Wide: true}, {Label: "Session"}, {Label: "Why"}, {Label: "State"}},
			Foot:    &ui.Foot{Shown: fmt.Sprintf("the first %s of %s", ui.Count(len(preview)), ui.Count(selection.Count))},
		},
	}
	for _, b := range preview {
		why := "random"
		if len(b.Flags) > 0 {
			why = shortFlag(byGravity(b.Flags)[0])
		}
		p.Table.Rows = append(p.Table.Rows, ui.Row{Cells: []templ.Component{
			ui.Text(railTitle(b.Title)), ui.Link{Text: shortSession(b.SessionID), URL: "/sessions/" + pathPart(b.SessionID), Mono: true, Plain: true}, ui.Text(why), ui.Text(b.State),
		}})
	}
	if selection.Act != nil {
		p.Result = actSays(selection)
		p.Undo = selection.UndoneAt == nil && selection.Changed > 0
		return p
	}
	p.Acts = selectionActs
	p.People = []ui.Option{{Value: "", Label: "nobody in particular"}}
	for _, person := range people {
		p.People = append(p.People, ui.Option{Value: strconv.FormatInt(person.ID, 10), Label: person.Name})
	}
	for _, q := range queues {
		if q.Kind == "discovery" && q.TaskClass == queue.TaskClass && q.ID != queue.ID {
			p.Queues = append(p.Queues, ui.Option{Value: q.Slug, Label: q.Title})
		}
	}
	return p
}

var actDone = map[string]string{
	"first": "now served first", "last": "now served last", "normal": "now served in order", "requeue": "asked for one more label",
	"remove": "removed", "assign": "assigned", "move": "moved",
}

func actSays(selection labeling.Selection) string {
	says := fmt.Sprintf("%s of %s %s.", ui.Count(selection.Changed), ui.CountOf(selection.Count, "item"), actDone[*selection.Act])
	if left := selection.Count - selection.Changed; left > 0 {
		says += fmt.Sprintf(" %s left alone: held, moved on, or so already.", ui.Count(left))
	}
	if selection.UndoneAt != nil {
		says += fmt.Sprintf(" Undone for %s.", ui.Count(selection.Undone))
	}
	return says
}

func (s *site) selectionApply(c *fiber.Ctx) error {
	var form struct {
		Act    string `form:"act"`
		Person string `form:"person"`
		Queue  string `form:"queue"`
	}
	if err := readForm(c, &form); err != nil {
		return err
	}
	labels, selection, err := s.selectionOf(c)
	if err != nil {
		return err
	}
	target := map[string]string{"assign": form.Person, "move": form.Queue}[form.Act]
	if _, err := labels.Apply(c.UserContext(), actorOf(c), selection.ID, form.Act, target); err != nil {
		return err
	}
	return s.see(c, "/selections/"+strconv.FormatInt(selection.ID, 10))
}

func (s *site) selectionUndo(c *fiber.Ctx) error {
	labels, selection, err := s.selectionOf(c)
	if err != nil {
		return err
	}
	if _, err := labels.UndoSelection(c.UserContext(), actorOf(c), selection.ID); err != nil {
		return err
	}
	return s.see(c, "/selections/"+strconv.FormatInt(selection.ID, 10))
}

func selectClasses() []ui.Option {
	options := []ui.Option{{Value: "", Label: "any class"}}
	for _, class := range labeling.Classes {
		options = append(options, ui.Option{Value: string(class), Label: classNouns[class]})
	}
	return options
}

func selectStates() []ui.Option {
	return []ui.Option{{Value: "", Label: "not done"}, {Value: "free", Label: "untouched"}, {Value: "passed_over", Label: "passed over"}, {Value: "done", Label: "done"}}
}

func selectReasons() []ui.Option {
	options := []ui.Option{{Value: "", Label: "any flag"}}
	for _, box := range (ruleForm{}).flags() {
		options = append(options, ui.Option{Value: box.Value, Label: box.Label})
	}
	return options
}
