package web

import (
	"cmp"
	"strconv"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/telemetry"
	"assay/web/ui"
)

// impactPage says how grave a wrong answer counts where its event does not say.
type impactPage struct {
	Table ui.Table
	Own   ui.Table
	May   bool
	Form  impactForm
	Error string
}

type impactForm struct {
	TaskClass string `form:"task_class"`
	Action    string `form:"action_type"`
	Impact    int    `form:"impact"`
	Reason    string `form:"reason"`
}

var actionChoices = []ui.Option{{Value: "", Label: "any action"}, {Value: "read", Label: "read"}, {Value: "transform", Label: "transform"}, {Value: "write", Label: "write"}, {Value: "send", Label: "send"}}

var impactChoices = []ui.Option{{Value: "1", Label: "1, easily put right"}, {Value: "2", Label: "2"}, {Value: "3", Label: "3"}, {Value: "4", Label: "4"}, {Value: "5", Label: "5, cannot be taken back"}, {Value: "0", Label: "the product's own"}}

func (s *site) impactShow(c *fiber.Ctx) error { return s.impactPage(c, impactForm{Impact: 3}, "") }

func (s *site) impactPage(c *fiber.Ctx, form impactForm, wrong string) error {
	store, err := s.events()
	if err != nil {
		return err
	}
	list, err := store.ImpactDefaults(c.UserContext(), actorOf(c))
	if err != nil {
		return err
	}
	p := buildImpact(list)
	p.Form, p.Error, p.May = form, wrong, actorOf(c).May(auth.Configure)
	return s.page(c, ui.Page{Title: "Impact"}, p.draw())
}

func buildImpact(list []telemetry.ImpactDefault) impactPage {
	p := impactPage{
		Table: ui.Table{ID: "defaults", Bare: true, Caption: "Your defaults", Columns: []ui.Column{{Label: "Task class", Wide: true}, {Label: "Action"}, {Label: "Impact", Right: true}, {Label: "Why"}, {Label: "Who"}, {Label: "Since", Right: true}}},
		Own:   ui.Table{ID: "own", Bare: true, Tight: true, Caption: "The product's own", Columns: []ui.Column{{Label: "Action", Wide: true}, {Label: "Impact", Right: true}}},
	}
	for _, d := range list {
		p.Table.Rows = append(p.Table.Rows, ui.Row{Cells: []templ.Component{ui.Text(cmp.Or(d.TaskClass, "any")), ui.Text(cmp.Or(d.ActionType, "any")),
			ui.Bold(strconv.Itoa(d.Impact)), ui.Text(d.Reason), ui.Soft(d.Author), ui.Time{At: d.At}}})
	}
	if len(list) == 0 {
		p.Table.Empty = ui.Empty{Bare: true, Title: "None of your own", Why: "The action alone decides. Give a task class an impact where a wrong answer costs more, or less, than others."}
	}
	for _, action := range telemetry.Actions {
		p.Own.Rows = append(p.Own.Rows, ui.Row{Cells: []templ.Component{ui.Text(action), ui.Text(strconv.Itoa(telemetry.OwnImpact(action)))}})
	}
	p.Own.Rows = append(p.Own.Rows, ui.Row{Cells: []templ.Component{ui.Soft("not said"), ui.Text(strconv.Itoa(telemetry.OwnImpact("")))}})
	return p
}

func (s *site) impactSet(c *fiber.Ctx) error {
	var in impactForm
	if err := readForm(c, &in); err != nil {
		return err
	}
	store, err := s.events()
	if err != nil {
		return err
	}
	err = store.SetImpact(c.UserContext(), actorOf(c), telemetry.ImpactDefault{TaskClass: in.TaskClass, ActionType: in.Action, Impact: in.Impact, Reason: in.Reason})
	if fault.Of(err) == fault.Invalid {
		c.Status(fiber.StatusBadRequest)
		return s.impactPage(c, in, fault.Words(err))
	}
	if err != nil {
		return err
	}
	s.say(c, "In force for what is flagged from now on.")
	return s.see(c, "/settings/impact")
}
