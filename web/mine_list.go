package web

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/labeling"
	"assay/web/ui"
)

// mineQuery is the state of the list of a person's own work, all of it in the
// address.
type mineQuery struct {
	Part       string `query:"part"`
	Queue      string `query:"queue"`
	Label      string `query:"label"`
	Confidence string `query:"confidence"`
	When       string `query:"when"`
	Text       string `query:"q"`
	Before     int64  `query:"before"`
}

// minePage is what a person has done, holds and put off.
type minePage struct {
	Head    ui.Head
	Tabs    ui.Tabs
	Filters ui.FilterBar
	Table   ui.Table
}

// minePartWords name the parts, and say what a part without rows means.
var minePartWords = map[string]struct{ name, none, why string }{
	labeling.OwnLabeled:  {"Labeled", "No label of yours yet", "What you label stands here, each with what you said, and can be changed from here."},
	labeling.OwnHeld:     {"Yours now", "Nothing is reserved for you", "What is reserved for you stands here until you submit it or its time is over."},
	labeling.OwnLater:    {"Later", "Nothing put off", "What you put off with Later stands here and waits for you."},
	labeling.OwnDrafts:   {"Drafts", "No draft", "What you wrote and did not submit stands here, also when its reservation was lost."},
	labeling.OwnDisputed: {"Disputed", "Nobody objects to a label of yours", "An objection changes nothing until a reviewer has decided."},
	labeling.OwnSkipped:  {"Skipped", "Nothing skipped", "What you skipped went to others."},
}

const mineShown = 50

func (s *site) mineShow(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	var q mineQuery
	if err := readQuery(c, &q); err != nil {
		return err
	}
	since, err := q.since(s.midnightOf(c))
	if err != nil {
		return err
	}
	ctx, actor := c.UserContext(), actorOf(c)
	list, counts, err := labels.OwnWork(ctx, actor, labeling.OwnFilter{
		Part: q.Part, Queue: q.Queue, Label: q.Label, Confidence: q.Confidence, Text: strings.TrimSpace(q.Text),
		Since: since, Before: q.Before, Limit: mineShown + 1,
	})
	if err != nil {
		return err
	}
	queues, err := labels.Queues(ctx, actor)
	if err != nil {
		return err
	}
	return s.page(c, ui.Page{Title: "Your work", Nav: "queues", Back: &ui.Link{Text: "Start", URL: "/"}}, buildMine(q, list, counts, queues).draw())
}

// since is where the chosen stretch of time begins.
func (q mineQuery) since(midnight time.Time) (time.Time, error) {
	switch q.When {
	case "":
		return time.Time{}, nil
	case "today":
		return midnight, nil
	case "7d":
		return midnight.AddDate(0, 0, -7), nil
	case "30d":
		return midnight.AddDate(0, 0, -30), nil
	}
	return time.Time{}, fault.Say(fault.Invalid, "when is today, 7d or 30d, or left out.")
}

func buildMine(q mineQuery, list []labeling.Own, counts map[string]int, queues []labeling.Queue) minePage {
	if q.Part == "" {
		q.Part = labeling.OwnLabeled
	}
	p := minePage{
		Head: ui.Head{Title: "Your work", Sub: "What you labeled, hold and put off. Open a line to read it again, go on with it or change your label.",
			Actions: []templ.Component{ui.Button{Label: "Your figures", URL: "/labelers/me"}, ui.Button{Label: "Feedback on gold", URL: "/feedback"}}},
		Tabs:    ui.Tabs{Name: "Parts of your work", Region: "mine-region"},
		Filters: q.filters(queues),
		Table:   mineTable(q.Part),
	}
	for _, part := range labeling.OwnParts {
		p.Tabs.Items = append(p.Tabs.Items, ui.Tab{Label: minePartWords[part].name, URL: q.with("part", part), Note: ui.Count(counts[part]), Current: part == q.Part})
	}
	more := len(list) > mineShown
	list = list[:min(len(list), mineShown)]
	for _, own := range list {
		p.Table.Rows = append(p.Table.Rows, mineRow(q.Part, own))
	}
	if len(list) == 0 {
		p.Table.Empty = q.nothing()
		return p
	}
	p.Table.Foot = &ui.Foot{Shown: ui.OutOf(len(list), counts[q.Part]), Hints: true, Region: "mine-region"}
	if more {
		p.Table.Foot.Older = q.with("before", strconv.FormatInt(list[len(list)-1].Place, 10))
	}
	if q.Before != 0 {
		p.Table.Foot.Newer, p.Table.Foot.NewerLabel = q.with("part", q.Part), "Newest"
	}
	return p
}

func (q mineQuery) nothing() ui.Empty {
	words := minePartWords[q.Part]
	e := ui.Empty{Bare: true, Title: words.none, Why: words.why}
	if q.narrowed() {
		e.Title, e.Why = "Nothing here meets every filter", ""
		e.Actions = append(e.Actions, ui.Link{Text: "Clear the filters", URL: "/labels?part=" + q.Part})
	}
	return e
}

func mineTable(part string) ui.Table {
	t := ui.Table{ID: "mine", Caption: minePartWords[part].name, Columns: []ui.Column{{Label: "When"}, {Label: "Item", Wide: true}, {Label: "Queue"}}}
	switch part {
	case labeling.OwnLabeled, labeling.OwnDrafts, labeling.OwnDisputed:
		t.Columns = append(t.Columns, ui.Column{Label: "You said"}, ui.Column{Label: "Reasons and notes", Wide: true})
	case labeling.OwnSkipped:
		t.Columns = append(t.Columns, ui.Column{Label: "Because"})
	}
	if part == labeling.OwnLabeled || part == labeling.OwnDisputed {
		t.Columns = append(t.Columns, ui.Column{Label: "Took", Right: true})
	}
	return t
}

func mineRow(part string, own labeling.Own) ui.Row {
	address := "/items/" + itemID(own.ItemID)
	row := ui.Row{ID: "mine-" + itemID(own.ItemID), URL: address, Cells: []templ.Component{
		ui.Time{At: own.At, Style: ui.DayTime},
		ui.Link{Text: firstWords(railTitle(own.Title), 72), URL: address, Plain: true},
		ui.Words(own.QueueTitle, " ", ui.Dim(ui.Count(own.Number))),
	}}
	switch part {
	case labeling.OwnLabeled, labeling.OwnDrafts, labeling.OwnDisputed:
		row.Cells = append(row.Cells, mineSaid(own), softly(mineDetails(own)))
	case labeling.OwnSkipped:
		row.Cells = append(row.Cells, ui.Text(skipWords[own.SkipReason]))
	}
	if part == labeling.OwnLabeled || part == labeling.OwnDisputed {
		took := ""
		if own.TookMS != nil {
			took = ui.Elapsed((time.Duration(*own.TookMS) * time.Millisecond).Round(time.Second))
		}
		row.Cells = append(row.Cells, softly(took))
	}
	return row
}

// softly is a cell of secondary text, and an empty one for none.
func softly(text string) templ.Component {
	if text == "" {
		return ui.Words()
	}
	return ui.Soft(text)
}

func mineSaid(own labeling.Own) templ.Component {
	if own.Label == "" {
		return ui.Dim("no label yet")
	}
	said := []any{ui.MarkOf(own.Label).Draw(), " ", labelWords(own.Label)}
	if own.Confidence != "" {
		said = append(said, ui.Dim(", "+own.Confidence))
	}
	if own.Disputed {
		said = append(said, " ", ui.Chip{Text: "disputed", Tone: ui.Mid})
	}
	return ui.Words(said...)
}

// mineDetails is one line of what goes with a label.
func mineDetails(own labeling.Own) string {
	var parts []string
	for _, code := range own.Reasons {
		parts = append(parts, reasonLabel(code))
	}
	if own.Marked > 0 {
		parts = append(parts, ui.CountOf(own.Marked, "span", "spans"))
	}
	if own.Corrected {
		parts = append(parts, "corrected")
	}
	if own.Note != "" {
		parts = append(parts, "“"+firstWords(own.Note, 60)+"”")
	}
	return strings.Join(parts, ", ")
}

func (q mineQuery) narrowed() bool { return q.Queue+q.Label+q.Confidence+q.When+q.Text != "" }

// with is the address of the list with one thing changed; it begins on the
// first page.
func (q mineQuery) with(name, value string) string {
	values := url.Values{}
	for key, v := range map[string]string{"part": q.Part, "queue": q.Queue, "label": q.Label, "confidence": q.Confidence, "when": q.When, "q": q.Text, name: value} {
		if v != "" {
			values.Set(key, v)
		}
	}
	return "/labels?" + values.Encode()
}

func (q mineQuery) filters(queues []labeling.Queue) ui.FilterBar {
	choice := func(name, param, value, any string, options ...ui.Option) ui.Filter {
		f := ui.Filter{Name: name, Param: param, Value: value, Options: append([]ui.Option{{Label: any}}, options...)}
		if value != "" {
			f.Drop = q.with(param, "")
		}
		return f
	}
	var named []ui.Option
	for _, queue := range queues {
		named = append(named, ui.Option{Value: queue.Slug, Label: queue.Title})
	}
	bar := ui.FilterBar{
		Action: "/labels", Region: "mine-region", Keep: []ui.Kept{{Name: "part", Value: q.Part}},
		Search: &ui.Search{Value: q.Text, Name: "Search your work", Placeholder: "Search question, response, note"},
		Filters: []ui.Filter{
			choice("when", "when", q.When, "any time", ui.Option{Value: "today", Label: "today"}, ui.Option{Value: "7d", Label: "last 7 days"}, ui.Option{Value: "30d", Label: "last 30 days"}),
			choice("queue", "queue", q.Queue, "any", named...),
			choice("you said", "label", q.Label, "anything", optionsOf(labels, labelWords)...),
			choice("confidence", "confidence", q.Confidence, "any", optionsOf(labeling.Confidences, plain)...),
		},
	}
	if q.narrowed() {
		bar.Clear = "/labels?part=" + q.Part
	}
	return bar
}

// openNeeds are what a person left open: it stands on their first page until
// they have gone on with it.
func openNeeds(drafts, later int) []need {
	var needs []need
	if drafts > 0 {
		needs = append(needs, need{Urgency: waiting, Icon: ui.IconClock, Title: ui.CountOf(drafts, "draft is not submitted", "drafts are not submitted"),
			Text: "What you wrote is kept until you submit or discard it.", Act: "Go on", URL: "/labels?part=" + labeling.OwnDrafts})
	}
	if later > 0 {
		needs = append(needs, need{Urgency: waiting, Icon: ui.IconClock, Title: ui.CountOf(later, "item is put off", "items are put off"),
			Text: "You said later. What is put off waits for you.", Act: "Go on", URL: "/labels?part=" + labeling.OwnLater})
	}
	return needs
}

// findMine finds what this person labeled, by its words.
func (s *site) findMine(c *fiber.Ctx, actor auth.Actor, text string) ([]match, error) {
	if s.Labeling == nil || len(text) < 3 || len(text) > 200 || actor.Kind != auth.Person || !actor.May(auth.Label) {
		return nil, nil
	}
	list, err := s.Labeling.FindOwn(c.UserContext(), actor, text, 5)
	if err != nil {
		return nil, err
	}
	var found []match
	for _, own := range list {
		found = append(found, match{Icon: ui.IconHistory, Name: firstWords(railTitle(own.Title), 72), URL: "/items/" + itemID(own.ItemID), Weight: 30,
			Why: "labeled by you: " + labelWords(own.Label) + ", " + own.QueueTitle})
	}
	return found, nil
}
