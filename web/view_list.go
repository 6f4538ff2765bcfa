package web

import (
	"net/url"
	"slices"
	"strings"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/fault"
	"assay/telemetry"
	"assay/web/ui"
)

// viewsPage lists the views of the sessions list, and keeps another.
type viewsPage struct {
	Sub   string
	Table ui.Table
	Save  *viewForm // nil: nothing to keep
}

// viewForm keeps the filters of Query under a name.
type viewForm struct {
	Query string
	Words string // the filters, for people
	Name  string
	Error string
}

func (s *site) viewsShow(c *fiber.Ctx) error {
	values, err := url.ParseQuery(string(c.Request().URI().QueryString()))
	if err != nil {
		return fault.Say(fault.Invalid, "The filters of this address could not be read.")
	}
	if !values.Has("save") {
		return s.viewsPage(c, nil)
	}
	query, err := keptQuery(values.Get("save"))
	if err != nil {
		return err
	}
	return s.viewsPage(c, &viewForm{Query: query, Words: queryWords(query)})
}

func (s *site) viewsPage(c *fiber.Ctx, form *viewForm) error {
	store, err := s.events()
	if err != nil {
		return err
	}
	views, err := store.Views(c.UserContext(), actorOf(c))
	if err != nil {
		return err
	}
	p := buildViews(views, actorOf(c).ID)
	p.Save = form
	return s.page(c, ui.Page{Title: "Views", Nav: "sessions"}, p.draw())
}

// viewFilters are what a view may keep: the filters of the list, not a place
// in it.
var viewFilters = []string{"when", "from", "to", "task_class", "model_version", "template", "env", "user", "flag", "verdict", "label",
	"behind", "experiment", "variant", "version", "error", "tool", "q"}

// keptQuery reads an address' query and keeps its filters.
func keptQuery(raw string) (string, error) {
	values, err := url.ParseQuery(raw)
	if err != nil || len(raw) > 2000 {
		return "", fault.Say(fault.Invalid, "These filters cannot be kept.")
	}
	for name := range values {
		if !slices.Contains(viewFilters, name) {
			values.Del(name)
		}
	}
	return values.Encode(), nil
}

// queryWords says filters as people do: "when 7d, flag unsafe claim".
func queryWords(query string) string {
	values, _ := url.ParseQuery(query)
	var words []string
	for _, name := range viewFilters {
		value := values.Get(name)
		if value == "" {
			continue
		}
		said := conditionWords[name]
		if said == "" {
			said = name
		}
		switch name {
		case "flag", "behind", "label":
			value = strings.ReplaceAll(value, "_", " ")
		case "when":
			for _, s := range stretches {
				if s.value == value {
					said, value = "", s.words
				}
			}
		}
		words = append(words, strings.TrimSpace(said+" "+clip(value, 60)))
	}
	if len(words) == 0 {
		return "everything, the last 24 hours"
	}
	return strings.Join(words, ", ")
}

func buildViews(views []telemetry.View, reader int64) viewsPage {
	p := viewsPage{Table: ui.Table{Caption: "Views", Columns: []ui.Column{
		{Label: "Name"}, {Label: "Shows", Wide: true}, {Label: "Of"}, {Label: "Seen by"}, {Name: "Act", Right: true}}}}
	mine := 0
	for _, v := range views {
		if v.OwnerID == reader {
			mine++
		}
		p.Table.Rows = append(p.Table.Rows, viewRow(v, reader))
	}
	if len(views) == 0 {
		p.Table.Empty = ui.Empty{Bare: true, Title: "No views yet", Why: "Filter the sessions, then save that view: it keeps the filters under a name.",
			Actions: []templ.Component{ui.Link{Text: "Filter the sessions", URL: "/sessions"}}}
	}
	p.Sub = ui.Count(mine) + " of yours, " + ui.Count(len(views)-mine) + " shared by others"
	return p
}

func viewRow(v telemetry.View, reader int64) ui.Row {
	of, seen := v.Owner, "the team"
	if v.OwnerID == reader {
		of = "you"
		if !v.Shared {
			seen = "you alone"
		}
	}
	name := templ.Component(ui.Link{Text: v.Name, URL: "/sessions?" + viewQuery(v.Query)})
	if v.Default {
		name = ui.Words(name, " ", ui.Chip{Text: "the list opens on it"})
	}
	return ui.Row{ID: "view-" + ui.Count(v.ID), URL: "/sessions?" + viewQuery(v.Query), Name: v.Name,
		Cells: []templ.Component{name, ui.Soft(queryWords(v.Query)), ui.Text(of), ui.Text(seen), viewActs(v, v.OwnerID == reader)}}
}

// viewQuery is the query of a view in the list's address; one without filters
// would open on the chosen view instead.
func viewQuery(query string) string {
	if query == "" {
		return "view=none"
	}
	return query
}

func (s *site) viewSave(c *fiber.Ctx) error {
	var in struct {
		Name   string `form:"name"`
		Query  string `form:"query"`
		Shared bool   `form:"shared"`
		Opens  bool   `form:"opens"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	store, err := s.events()
	if err != nil {
		return err
	}
	query, err := keptQuery(in.Query)
	if err != nil {
		return err
	}
	v, err := store.SaveView(c.UserContext(), actorOf(c), telemetry.View{Name: in.Name, Query: query, Shared: in.Shared, Default: in.Opens})
	if fault.Of(err) == fault.Invalid {
		c.Status(fiber.StatusBadRequest)
		return s.viewsPage(c, &viewForm{Query: query, Words: queryWords(query), Name: in.Name, Error: fault.Words(err)})
	}
	if err != nil {
		return err
	}
	s.say(c, "View saved.")
	return s.see(c, "/sessions?"+viewQuery(v.Query))
}

// viewChange is a form with nothing but its address.
func (s *site) viewChange(c *fiber.Ctx, said string, change func(store *telemetry.Store, id int64) error) error {
	store, err := s.events()
	if err != nil {
		return err
	}
	id, err := c.ParamsInt("view")
	if err != nil {
		return fault.Say(fault.NotFound, "There is no such view.")
	}
	if err := change(store, int64(id)); err != nil {
		return err
	}
	s.say(c, said)
	return s.see(c, "/views")
}

func (s *site) viewShare(c *fiber.Ctx) error {
	return s.viewChange(c, "Shared with the team.", func(store *telemetry.Store, id int64) error {
		return store.ShareView(c.UserContext(), actorOf(c), id, true)
	})
}

func (s *site) viewUnshare(c *fiber.Ctx) error {
	return s.viewChange(c, "Only you see it now.", func(store *telemetry.Store, id int64) error {
		return store.ShareView(c.UserContext(), actorOf(c), id, false)
	})
}

func (s *site) viewOpen(c *fiber.Ctx) error {
	return s.viewChange(c, "The list opens on it now.", func(store *telemetry.Store, id int64) error {
		return store.OpenOn(c.UserContext(), actorOf(c), id)
	})
}

func (s *site) viewClose(c *fiber.Ctx) error {
	return s.viewChange(c, "The list opens on the last 24 hours.", func(store *telemetry.Store, _ int64) error {
		return store.OpenOn(c.UserContext(), actorOf(c), 0)
	})
}

func (s *site) viewDelete(c *fiber.Ctx) error {
	return s.viewChange(c, "View deleted.", func(store *telemetry.Store, id int64) error {
		return store.DeleteView(c.UserContext(), actorOf(c), id)
	})
}
