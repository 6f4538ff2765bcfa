package web

import (
	"cmp"
	"net/url"
	"strconv"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/telemetry"
	"assay/web/ui"
)

// consentsPage lists what people said about their telemetry.
type consentsPage struct {
	Sub     string
	Filters ui.FilterBar
	Table   ui.Table
}

// consentsQuery is what of the log is looked at.
type consentsQuery struct {
	Person string `query:"person"`
	Action string `query:"action"`
	Dialog string `query:"dialog"`
	Before int64  `query:"before"`
}

func (q consentsQuery) filter() telemetry.ConsentFilter {
	return telemetry.ConsentFilter{Person: q.Person, Action: q.Action, Dialog: q.Dialog}
}

func (q consentsQuery) url(change func(*consentsQuery)) string {
	change(&q)
	values := url.Values{}
	for name, value := range map[string]string{"person": q.Person, "action": q.Action, "dialog": q.Dialog} {
		if value != "" {
			values.Set(name, value)
		}
	}
	if q.Before != 0 {
		values.Set("before", strconv.FormatInt(q.Before, 10))
	}
	if len(values) == 0 {
		return "/audit/consents"
	}
	return "/audit/consents?" + values.Encode()
}

const consentsShown = 50

func (s *site) consentsShow(c *fiber.Ctx) error {
	store, err := s.events()
	if err != nil {
		return err
	}
	var q consentsQuery
	if err := readQuery(c, &q); err != nil {
		return err
	}
	page, err := store.Consents(c.UserContext(), actorOf(c), q.filter(), q.Before, consentsShown)
	if err != nil {
		return err
	}
	return s.page(c, ui.Page{Title: "Consents", Nav: "audit"}, buildConsents(page, q).draw())
}

func buildConsents(page telemetry.ConsentPage, q consentsQuery) consentsPage {
	p := consentsPage{
		Sub:     ui.CountOf(int(page.Total), "word", "words") + " of people about their telemetry, in the order in which they came. The last of a person is the most that is kept of what comes afterwards.",
		Filters: consentFilters(q),
		Table: ui.Table{ID: "consents", Caption: "Consents", Columns: []ui.Column{
			{Label: "Entry", Right: true}, {Label: "Said"}, {Label: "Person", Wide: true}, {Label: "Dialog"}, {Label: "Did"}, {Label: "At most kept"}, {Label: "Recorded"}, {Label: "By"}}},
	}
	for _, c := range page.Consents {
		who := cmp.Or(c.UserIDHash, c.ConsentID)
		same := consentsQuery{}.url(func(q *consentsQuery) { q.Person = who })
		did := ui.Text(c.Action)
		if c.Action == "withdrawn" {
			did = ui.Bold(c.Action)
		}
		p.Table.Rows = append(p.Table.Rows, ui.Row{Cells: []templ.Component{
			ui.Text(ui.Count(c.ID)), ui.Time{At: c.SaidAt, Style: ui.DayTime}, ui.Words(ui.Link{Text: who, URL: same, Mono: true}, consentBeside(c)), ui.Soft(c.Dialog),
			did, ui.Text(string(c.Consent)), ui.Time{At: c.RecordedAt, Style: ui.DayTime}, ui.Mono(c.RecordedBy)}})
	}
	if len(page.Consents) == 0 {
		p.Table.Empty = ui.Empty{Bare: true, Title: "No consent is recorded", Why: "Clients send what a dialog was answered to POST /v1/consents. Until they do, each event's own consent and the terms of its key stand alone."}
		if q.filter() != (telemetry.ConsentFilter{}) {
			p.Table.Empty = ui.Empty{Bare: true, Title: "No entry matches", Why: "A person is named by the whole hash, or the id of the dialog.",
				Actions: []templ.Component{ui.Button{Label: "Clear the filters", URL: "/audit/consents"}}}
		}
		return p
	}
	p.Table.Foot = &ui.Foot{Shown: ui.OutOf(len(page.Consents), int(page.Total)), Hints: true}
	if q.Before != 0 {
		p.Table.Foot.Newer = q.url(func(q *consentsQuery) { q.Before = 0 })
	}
	if page.Older != 0 {
		p.Table.Foot.Older = q.url(func(q *consentsQuery) { q.Before = page.Older })
	}
	return p
}

// consentBeside names the dialog beside the person, where both are known.
func consentBeside(c telemetry.Consented) templ.Component {
	if c.UserIDHash == "" || c.ConsentID == "" {
		return ui.Text("")
	}
	return ui.Dim(" " + c.ConsentID)
}

func consentFilters(q consentsQuery) ui.FilterBar {
	drop := func(value string, change func(*consentsQuery)) string {
		if value == "" {
			return ""
		}
		return q.url(func(q *consentsQuery) { q.Before = 0; change(q) })
	}
	bar := ui.FilterBar{Action: "/audit/consents", Filters: []ui.Filter{
		{Name: "person", Param: "person", Value: q.Person, Any: "anyone", Mono: true, Drop: drop(q.Person, func(q *consentsQuery) { q.Person = "" })},
		{Name: "did", Param: "action", Value: q.Action, Options: []ui.Option{{Label: "anything"}, {Value: "given", Label: "given"}, {Value: "withdrawn", Label: "withdrawn"}}, Drop: drop(q.Action, func(q *consentsQuery) { q.Action = "" })},
		{Name: "dialog", Param: "dialog", Value: q.Dialog, Any: "any", Drop: drop(q.Dialog, func(q *consentsQuery) { q.Dialog = "" })},
	}}
	if q.filter() != (telemetry.ConsentFilter{}) {
		bar.Clear = "/audit/consents"
	}
	return bar
}

// consentsRecord takes what people said, from a client.
func (s *site) consentsRecord(c *fiber.Ctx) error {
	store, err := s.events()
	if err != nil {
		return err
	}
	receipt, err := store.RecordConsents(c.UserContext(), actorOf(c), c.Request().Body())
	if err != nil {
		return err
	}
	return c.Status(fiber.StatusCreated).JSON(receipt)
}

// consentsAPI lists the log as JSON.
func (s *site) consentsAPI(c *fiber.Ctx) error {
	store, err := s.events()
	if err != nil {
		return err
	}
	var q struct {
		Person string `query:"person"`
		Action string `query:"action"`
		Dialog string `query:"dialog"`
		Cursor int64  `query:"cursor"`
		Limit  int    `query:"limit"`
	}
	if err := readQuery(c, &q); err != nil {
		return err
	}
	page, err := store.Consents(c.UserContext(), actorOf(c), telemetry.ConsentFilter{Person: q.Person, Action: q.Action, Dialog: q.Dialog}, q.Cursor, cmp.Or(q.Limit, consentsShown))
	if err != nil {
		return err
	}
	answer := object{"consents": page.Consents, "total": page.Total}
	if page.Older != 0 {
		answer["older"] = strconv.FormatInt(page.Older, 10)
	}
	return c.JSON(answer)
}

var consentOperations = map[string]operation{
	"POST /v1/consents": {
		Summary: "Record what people said about their telemetry: one object or a list. What comes afterwards is kept at most as far as a person's last word.",
		Body:    &content{Words: `{"user_id_hash"|"user_id"?,"consent_id"?,"action":"given"|"withdrawn","consent":"none"|"aggregate"|"redacted"|"full","dialog"?,"at"?}`},
		Answers: map[int]content{201: {Words: "recorded, all or nothing", Schema: `{"type":"object","required":["recorded","duplicate"],"properties":{"recorded":{"type":"integer"},"duplicate":{"type":"integer"}}}`}}},
	"GET /v1/consents": {
		Summary: "What people said about their telemetry, newest first.",
		Query: []parameter{{Name: "person", Words: "user_id_hash or consent_id"}, {Name: "action", Words: "given, withdrawn"}, {Name: "dialog"},
			{Name: "cursor", Words: "older of another page"}, {Name: "limit", Words: "1 to 200, default 50"}},
		Answers: map[int]content{200: {Words: "a page of the log and how much there is in all"}}},
}
