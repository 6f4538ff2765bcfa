package web

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/labeling"
	"assay/web/ui"
)

// comparisonsPage lists the comparisons, and makes new ones.
type comparisonsPage struct {
	Head  ui.Head
	Table ui.Table
	Form  *comparisonForm // nil: not this reader's to make
}

type comparisonForm struct {
	Title  string `form:"title"`
	Task   string `form:"task_class"`
	First  string `form:"first"`
	Second string `form:"second"`
	Wanted int    `form:"wanted"`
	Wrong  string
}

func (s *site) comparisonsShow(c *fiber.Ctx) error {
	return s.comparisonsPage(c, comparisonForm{Wanted: 1})
}

func (s *site) comparisonsPage(c *fiber.Ctx, form comparisonForm) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	actor := actorOf(c)
	list, err := labels.Comparisons(c.UserContext(), actor)
	if err != nil {
		return err
	}
	p := buildComparisons(list)
	if actor.May(auth.Configure) {
		p.Form = &form
	}
	return s.page(c, ui.Page{Title: "Comparisons", Nav: "queues"}, p.draw())
}

func buildComparisons(list []labeling.Comparison) comparisonsPage {
	p := comparisonsPage{
		Head: ui.Head{Crumbs: []ui.Link{{Text: "Queues", URL: "/queues"}}, Title: "Comparisons", Sub: "Two model versions answer the same questions; people say which answer is better, without knowing whose it is."},
		Table: ui.Table{Caption: "Comparisons", Columns: []ui.Column{{Label: "Name", Wide: true}, {Label: "Task class"}, {Label: "Pairs", Right: true}, {Label: "Compared", Right: true}, {Label: "Yours", Right: true}},
			Empty: ui.Empty{Bare: true, Title: "No comparison yet", Why: "An engineer opens one between two model versions that answered the same questions."}},
	}
	for _, one := range list {
		address := "/comparisons/" + pathPart(one.Slug)
		p.Table.Rows = append(p.Table.Rows, ui.Row{URL: address, Cells: []templ.Component{ui.Link{Text: one.Title, URL: address, Plain: true},
			ui.Text(taskClassWords(one.TaskClass)), ui.Text(ui.Count(one.Pairs)), ui.Text(ui.Count(one.Compared)), ui.Text(ui.Count(one.Mine))}})
	}
	return p
}

func (s *site) comparisonOpen(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	var in comparisonForm
	if err := readForm(c, &in); err != nil {
		return err
	}
	made, err := labels.Compare(c.UserContext(), actorOf(c), in.Title, in.Task, in.First, in.Second, max(1, in.Wanted))
	if kind := fault.Of(err); kind == fault.Invalid || kind == fault.Conflict {
		in.Wrong = fault.Words(err)
		c.Status(status[kind])
		return s.comparisonsPage(c, in)
	}
	if err != nil {
		return err
	}
	return s.see(c, "/comparisons/"+pathPart(made.Slug))
}

// comparisonPage is one comparison: what waits, and for those who may see
// measures what it came to.
type comparisonPage struct {
	Head    ui.Head
	Next    string // address; "" for whoever does not label
	Left    string // how many are left for the reader
	Result  *ui.Table
	Says    ui.Says
	Facts   []ui.Fact
	Exports []ui.Button
}

func (s *site) comparisonShow(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	ctx, actor := c.UserContext(), actorOf(c)
	one, err := labels.Comparison(ctx, actor, param(c, "comparison"))
	if err != nil {
		return err
	}
	p := buildComparison(one, actor)
	if actor.May(auth.SeeMeasures) && !actor.May(auth.Label) {
		preferred, err := labels.Preferences(ctx, actor, one.ID)
		if err != nil {
			return err
		}
		p.weigh(one, preferred)
	}
	return s.page(c, ui.Page{Title: one.Title, Nav: "queues"}, p.draw())
}

func buildComparison(one labeling.Comparison, actor auth.Actor) comparisonPage {
	address := "/comparisons/" + pathPart(one.Slug)
	p := comparisonPage{
		Head: ui.Head{Crumbs: []ui.Link{{Text: "Queues", URL: "/queues"}, {Text: "Comparisons", URL: "/comparisons"}}, Title: one.Title,
			Sub: ui.Count(one.Compared) + " of " + ui.CountOf(one.Pairs, "pair") + " compared, " + ui.CountOf(one.Wanted, "labeler") + " a pair"},
		Facts: []ui.Fact{{Term: "Task class", Value: ui.Text(taskClassWords(one.TaskClass))}, {Term: "Opened by", Value: ui.Words(one.CreatedBy, ", ", ui.Time{At: one.CreatedAt})}},
	}
	if actor.May(auth.Label) {
		p.Next, p.Left = address+"/next", ui.CountOf(one.Pairs-one.Mine, "pair")+" may come to you."
	}
	if actor.May(auth.ExportLabels) {
		p.Exports = []ui.Button{{Label: "JSON Lines", URL: address + "/export?format=jsonl", Icon: ui.IconDownload}, {Label: "CSV", URL: address + "/export?format=csv", Icon: ui.IconDownload}}
	}
	return p
}

// weigh adds what the comparison came to: shares of pairs with a winner.
func (p *comparisonPage) weigh(one labeling.Comparison, r labeling.Preferred) {
	t := ui.Table{Caption: "Preferred", Columns: []ui.Column{{Label: "Model version", Wide: true}, {Label: "Pairs won", Right: true}, {Label: "Of pairs with a winner", Right: true}, {Label: "95 %", Right: true}}}
	share := func(won int, share, low, high float64) []templ.Component {
		if r.Decided() == 0 {
			return []templ.Component{ui.Text(ui.Count(won)), ui.Dim("no data"), ui.Dim("–")}
		}
		return []templ.Component{ui.Text(ui.Count(won)), ui.Bold(ui.Share(share)), ui.Text(ui.Interval(low, high))}
	}
	t.Rows = []ui.Row{
		{Cells: append([]templ.Component{ui.Mono(one.First)}, share(r.First, r.Share, r.Interval.Low, r.Interval.High)...)},
		{Cells: append([]templ.Component{ui.Mono(one.Second)}, share(r.Second, 1-r.Share, 1-r.Interval.High, 1-r.Interval.Low)...)},
		{Cells: []templ.Component{ui.Soft("equal"), ui.Text(ui.Count(r.Equal)), nil, nil}},
	}
	p.Result = &t
	switch {
	case r.Decided() == 0:
		p.Says = ui.Says{Bold: "No pair has a winner yet."}
	case r.Interval.Low > 0.5:
		p.Says = ui.Says{Bold: one.First + " is preferred.", Text: " The whole interval lies above one half."}
	case r.Interval.High < 0.5:
		p.Says = ui.Says{Bold: one.Second + " is preferred.", Text: " The whole interval lies below one half."}
	default:
		p.Says = ui.Says{Bold: "Undecided.", Text: " The interval has one half in it: more pairs would tell."}
	}
	p.Facts = append(p.Facts, ui.Fact{Term: "Reading", Value: ui.Text("The first reading of each pair counts, so that pairs are independent; Wilson, 95 %. Equal is counted beside it.")})
	if r.Sided > 0 {
		p.Facts = append(p.Facts, ui.Fact{Term: "Left side", Value: ui.Text(fmt.Sprintf("chosen in %s of %s, 95 %% %s. Sides are drawn at random, so it should have one half in it.",
			ui.Share(r.LeftShare), ui.CountOf(r.Sided, "reading"), ui.Interval(r.LeftInterval.Low, r.LeftInterval.High)))})
	}
}

func (s *site) comparisonExport(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	var in struct {
		Format string `query:"format"`
	}
	if err := readQuery(c, &in); err != nil {
		return err
	}
	slug := param(c, "comparison")
	write, err := labels.ExportPreferences(c.UserContext(), actorOf(c), slug, in.Format)
	if err != nil {
		return err
	}
	return s.download(c, slug+"."+in.Format, exportTypes[in.Format], write)
}

func (s *site) comparisonNext(c *fiber.Ctx) error {
	return s.nextPair(c, param(c, "comparison"))
}

// nextPair leads to the pair that is read next, or back when none is free.
func (s *site) nextPair(c *fiber.Ctx, slug string) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	pair, err := labels.ReservePair(c.UserContext(), actorOf(c), slug)
	if errors.Is(err, labeling.ErrNothingFree) {
		s.say(c, "No pair is free for you in this comparison.")
		return s.see(c, "/comparisons/"+pathPart(slug))
	}
	if err != nil {
		return err
	}
	return s.see(c, "/pairs/"+itemID(pair))
}

// pairPage is two answers to one question, side by side.
type pairPage struct {
	Head    ui.Head
	Prompt  ui.Message
	Sources []templ.Component
	Left    []templ.Component
	Right   []templ.Component
	Action  string
	Slug    string
	Token   string
	Key     string
}

func (s *site) pairShow(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	id, err := idParam(c, "pair")
	if err != nil {
		return err
	}
	var in struct {
		After int64 `query:"after"`
	}
	if err := readQuery(c, &in); err != nil {
		return err
	}
	pair, err := labels.Pair(c.UserContext(), actorOf(c), id)
	if err != nil {
		return err
	}
	page := ui.Page{Title: "A pair of " + pair.Comparison.Title, Nav: "queues", Short: pair.Comparison.Title, Back: &ui.Link{Text: "Comparisons", URL: "/comparisons"}}
	if in.After > 0 {
		page.Toast = &ui.Toast{Text: "Compared", Undo: "/pairs/" + itemID(in.After) + "/undo", Seconds: 10}
	}
	return s.page(c, page, buildPair(pair, uuid.NewString()).draw())
}

func buildPair(pair labeling.Pair, key string) pairPage {
	p := pairPage{
		Head: ui.Head{Crumbs: []ui.Link{{Text: "Queues", URL: "/queues"}, {Text: "Comparisons", URL: "/comparisons"}, {Text: pair.Comparison.Title, URL: "/comparisons/" + pathPart(pair.Comparison.Slug)}},
			Title: "Which answer is better?", Sub: ui.Count(pair.Comparison.Mine) + " compared by you, of " + ui.Count(pair.Comparison.Pairs), Actions: []templ.Component{ui.ViewSwitch{}}},
		Prompt:  ui.Message{Who: "User", When: "asked", Text: pair.Prompt, Markdown: true},
		Sources: sources(pair.Left),
		Left:    answerParts(pair.Left), Right: answerParts(pair.Right),
		Action: "/pairs/" + itemID(pair.ID), Slug: pair.Comparison.Slug, Token: pair.Token.String(), Key: key,
	}
	return p
}

// answerParts draw one answer: its text and its artifact, without a verdict.
func answerParts(snapshot labeling.Snapshot) []templ.Component {
	parts := []templ.Component{ui.Said{Text: snapshot.Response}}
	blind := labeling.Item{Snapshot: snapshot, HasSnapshot: true}
	if artifact, ok := buildArtifact(blind, nil); ok {
		artifact.ID, artifact.Unchecked = "", true
		parts = append(parts, artifact)
	}
	return parts
}

func (s *site) pairPrefer(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	id, err := idParam(c, "pair")
	if err != nil {
		return err
	}
	var in struct {
		Side  string `form:"side"`
		Token string `form:"reservation"`
		Key   string `form:"idempotency_key"`
		Slug  string `form:"comparison"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	token, err := uuid.Parse(in.Token)
	if err != nil {
		return fault.Say(fault.Conflict, "This page carries no hold on the pair. Take the next one.")
	}
	if err := labels.Prefer(c.UserContext(), actorOf(c), id, token, in.Key, in.Side); err != nil {
		return err
	}
	next, err := labels.ReservePair(c.UserContext(), actorOf(c), in.Slug)
	if errors.Is(err, labeling.ErrNothingFree) {
		s.say(c, "No pair is free for you any more in this comparison.")
		return s.see(c, "/comparisons/"+pathPart(in.Slug))
	}
	if err != nil {
		return err
	}
	return s.see(c, "/pairs/"+itemID(next)+"?after="+strconv.FormatInt(id, 10))
}

func (s *site) pairUndo(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	id, err := idParam(c, "pair")
	if err != nil {
		return err
	}
	if err := labels.TakeBack(c.UserContext(), actorOf(c), id); err != nil {
		return err
	}
	return s.see(c, "/pairs/"+itemID(id))
}
