package web

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/stats"
	"assay/labeling"
	"assay/web/ui"
)

// consensusPage shows what the labels of several people say together: the share
// of each label, how each labeler errs, and which items are least sure.
type consensusPage struct {
	Head     ui.Head
	Tabs     ui.Tabs
	Window   ui.Segmented
	Queues   *ui.Tabs
	Prior    ui.Segmented
	Warning  *ui.Banner
	Nothing  *ui.Empty
	Stats    ui.Stats
	Shares   ui.Table
	Labelers []labelerErrors
	Items    ui.Table
	Chosen   string // the label whose items are listed, in words
}

// labelerErrors is one labeler's table of errors.
type labelerErrors struct {
	Title string
	Note  string
	Grid  ui.Grid
	URL   string
}

// consensusQuery is what the page and its address speak of.
type consensusQuery struct {
	Queue string `query:"queue"`
	When  string `query:"when"`
	Prior string `query:"prior"`
	Label string `query:"label"`
	From  int    `query:"from"`
}

// itemsOfConsensus is how many items a page lists.
const itemsOfConsensus = 50

// consensusPriors are what may be believed of labelers before they are known.
var consensusPriors = []struct {
	value, words string
	prior        stats.ConsensusPrior
}{{"", "mostly right", stats.DefaultConsensusPrior}, {"none", "nothing", stats.ConsensusPrior{}}}

// url is the address of the page with one thing changed.
func (q consensusQuery) url(change func(*consensusQuery)) string {
	change(&q)
	values := url.Values{}
	for name, value := range map[string]string{"queue": q.Queue, "when": q.When, "prior": q.Prior, "label": q.Label} {
		if value != "" {
			values.Set(name, value)
		}
	}
	if q.From > 0 {
		values.Set("from", strconv.Itoa(q.From))
	}
	if len(values) == 0 {
		return "/consensus"
	}
	return "/consensus?" + values.Encode()
}

// readConsensus is everything the page is built from.
type readConsensus struct {
	consensusQuery
	queues []labeling.RatedQueue
	model  labeling.ConsensusModel
	labeling.ConsensusItems
}

func (s *site) consensusShow(c *fiber.Ctx) error {
	read, err := s.consensus(c, itemsOfConsensus)
	if err != nil {
		return err
	}
	return s.page(c, ui.Page{Title: "Consensus", Nav: "labelers"}, buildConsensus(read, actorOf(c)).draw())
}

// consensus fits the model that was asked for. Labelers err in each queue in
// their own way, so a model is of one queue: that with the most items unless
// another is named.
func (s *site) consensus(c *fiber.Ctx, most int) (readConsensus, error) {
	var read readConsensus
	labels, err := s.labels()
	if err != nil {
		return read, err
	}
	if err := readQuery(c, &read.consensusQuery); err != nil {
		return read, err
	}
	f, window := s.agreementWindow(read.When)
	if read.When != "" {
		read.When = window
	}
	prior := consensusPriors[0].prior
	if read.Prior == consensusPriors[1].value {
		prior = consensusPriors[1].prior
	} else if read.Prior != "" {
		return read, fault.Say(fault.Invalid, "The prior is none, or left out for the usual one.")
	}
	ctx, actor := c.UserContext(), actorOf(c)
	if read.queues, err = labels.RatedQueues(ctx, actor, f); err != nil {
		return read, err
	}
	f.Queue = read.Queue
	if f.Queue == "" && len(read.queues) > 0 {
		f.Queue = read.queues[0].Slug
	}
	if read.model, err = labels.Consensuses(ctx, actor, f, prior); err != nil {
		return read, err
	}
	read.ConsensusItems, err = labels.ConsensusItems(ctx, actor, read.model, read.Label, read.From, most)
	return read, err
}

func buildConsensus(r readConsensus, actor auth.Actor) consensusPage {
	p := consensusPage{
		Head: ui.Head{Title: "Consensus", Sub: "The model of Dawid and Skene, of items read twice: what is most probably right, and how each labeler errs. Shares are of these items, not of the traffic."},
		Tabs: qualityTabs("/consensus", actor),
	}
	p.choices(r)
	if len(r.model.Items) == 0 {
		p.Nothing = &ui.Empty{Title: "Nothing was read twice in this window", Why: "One item in ten is drawn for a second, blind reading. The model needs their labels.",
			Actions: []templ.Component{ui.Button{Label: "All time", URL: r.url(func(q *consensusQuery) { q.When, q.Label, q.From = "all", "", 0 })}}}
		return p
	}
	p.Warning = consensusWarning(r.model)
	p.Stats = consensusStats(r)
	p.Shares = shareTable(r)
	for _, l := range r.model.Labelers {
		p.Labelers = append(p.Labelers, errorsOf(l, r.model))
	}
	p.Items = consensusTable(r)
	p.Chosen = "least sure first"
	if r.Label != "" {
		p.Chosen = "most probably " + labelWords(r.Label) + ", least sure first"
	}
	return p
}

func (p *consensusPage) choices(r readConsensus) {
	p.Window = ui.Segmented{Name: "Labeled in", Shown: true}
	for i, w := range agreementWindows {
		p.Window.Options = append(p.Window.Options, ui.Segment{Label: w.words, Current: w.value == r.When || i == 0 && r.When == "",
			URL: r.url(func(q *consensusQuery) { q.When, q.From = w.value, 0 })})
	}
	p.Prior = ui.Segmented{Name: "Believed of labelers before", Shown: true}
	for _, prior := range consensusPriors {
		p.Prior.Options = append(p.Prior.Options, ui.Segment{Label: prior.words, Current: prior.value == r.Prior,
			URL: r.url(func(q *consensusQuery) { q.Prior, q.From = prior.value, 0 })})
	}
	if len(r.queues) > 1 {
		p.Queues = &ui.Tabs{Name: "Queue"}
		for _, queue := range r.queues {
			p.Queues.Items = append(p.Queues.Items, ui.Tab{Label: taskClassWords(queue.Slug), Note: ui.Count(queue.Items), Current: queue.Slug == r.model.Queue,
				URL: r.url(func(q *consensusQuery) { q.Queue, q.Label, q.From = queue.Slug, "", 0 })})
		}
	}
}

// consensusWarning says what the model may not be trusted with.
func consensusWarning(m labeling.ConsensusModel) *ui.Banner {
	switch {
	case !m.Converged:
		return &ui.Banner{Tone: ui.Mid, Fact: fmt.Sprintf("The model did not settle within %d steps.", m.Iterations), Consequence: "Its figures are on the way, not there. Read the majority and the reviewers’ decisions instead."}
	case !m.Identifiable:
		return &ui.Banner{Tone: ui.Mid, Fact: "Labelers overlap too little to be told apart.",
			Consequence: "Each needs ten items shared with others, and each item two labels. Until then the majority and the reviewers decide, and no third labeler is called by the model."}
	}
	return nil
}

func consensusStats(r readConsensus) ui.Stats {
	m := r.model
	unsure := 0
	for _, item := range m.Items {
		if item.Probability < labeling.SureEnough {
			unsure++
		}
	}
	settled := "settled"
	if !m.Converged {
		settled = "not settled"
	}
	intervals := "at least ten items give intervals"
	if m.Bounded {
		intervals = fmt.Sprintf("%d draws of the items, seed %d", m.Replicates, m.Seed)
	}
	return ui.Stats{Items: []ui.Stat{
		{Term: "Items", Figure: ui.Count(len(m.Items)), Base: ui.CountOf(m.Given, "label") + " of " + ui.CountOf(len(m.Labelers), "labeler")},
		{Term: "Less than 95 % sure", Figure: ui.Count(unsure), Base: "of two who agree, a third labeler is asked"},
		{Term: "Steps", Figure: ui.Count(m.Iterations), Base: settled + ", log-likelihood " + ui.Number(m.LogLikely, 2)},
		{Term: "Prior", Figure: priorWords(m.Prior), Base: priorBase(m.Prior)},
		{Term: "Intervals", Figure: "95 %", Base: intervals}}}
}

func priorWords(prior stats.ConsensusPrior) string {
	if prior == (stats.ConsensusPrior{}) {
		return "none"
	}
	return trimmed(prior.Diagonal) + " : " + trimmed(prior.OffDiagonal)
}

func priorBase(prior stats.ConsensusPrior) string {
	if prior == (stats.ConsensusPrior{}) {
		return "the labels alone speak"
	}
	return "imagined labels, right and wrong; " + trimmed(prior.Class) + " items a class"
}

// trimmed writes a small number without trailing zeros.
func trimmed(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

var wholeAxis = ui.Axis{Max: 1}

// shareTable is the share of each label among the items, and where they are.
func shareTable(r readConsensus) ui.Table {
	t := ui.Table{Caption: "Share of each label", Bare: true, Columns: []ui.Column{
		{Label: "Label"}, {Label: "Share", Right: true}, {Label: "95 %", Right: true},
		{Name: "Share, interval", Wide: true, Note: ui.AxisHead{Axis: wholeAxis, Ticks: []float64{0, .5, 1}}},
		{Label: "By votes", Right: true}, {Label: "Most probable for", Right: true}}}
	votes, all := make([]int, len(r.model.Labels)), 0
	for _, item := range r.model.Items {
		for k, n := range item.Said {
			votes[k] += n
			all += n
		}
	}
	for k, label := range r.model.Labels {
		share := r.model.Prevalence[k]
		limits := templ.Component(ui.Dim("–"))
		bar := ui.IntervalBar{Axis: wholeAxis, Low: share.Low, High: share.High, Estimate: share.Value, Name: capital(labelWords(label)) + " " + ui.ShareWithin(share.Value, share.Low, share.High)}
		if r.model.Bounded && share.Items < .5 {
			bar.Standing, bar.Note = ui.NoData, "no item: what was believed before"
		} else if r.model.Bounded {
			limits = ui.Words(ui.IntervalTo(share.Low, share.High, 1))
		} else {
			bar.Standing, bar.Note = ui.NoData, fmt.Sprintf("%d of 10 items", len(r.model.Items))
		}
		where := templ.Component(ui.Dim("no item"))
		if share.Likeliest > 0 {
			where = ui.Link{Text: ui.CountOf(share.Likeliest, "item"), URL: r.url(func(q *consensusQuery) { q.Label, q.From = label, 0 }) + "#items"}
		}
		t.Rows = append(t.Rows, ui.Row{Current: r.Label == label, Cells: []templ.Component{
			labelSign(label), ui.Bold(ui.Share(share.Value)), limits, bar, ui.Dim(ui.ShareTo(float64(votes[k])/float64(all), 1)), where}})
	}
	return t
}

// errorsOf is how a labeler errs: what is right down, what they say across.
func errorsOf(l labeling.ModeledLabeler, m labeling.ConsensusModel) labelerErrors {
	e := labelerErrors{Title: l.Name, Note: ui.CountOf(l.Labels, "label"), URL: "/labelers/" + itemID(l.ID),
		Grid: ui.Grid{Named: true}}
	for _, label := range m.Labels {
		e.Grid.Columns = append(e.Grid.Columns, labelWords(label))
	}
	e.Grid.Columns = append(e.Grid.Columns, "right, 95 %")
	for k, label := range m.Labels {
		row, known := ui.GridRow{Name: labelWords(label)}, l.Of[k] >= .5 // else what was believed before
		for said, p := range l.Confusion[k] {
			row.Cells = append(row.Cells, ui.Cell{Text: ui.ShareTo(p, 0), Number: true, Counted: known && said == k && p >= .005, Wrong: known && said != k && p >= .1, Dim: !known || p < .005})
		}
		limits := "–"
		if m.Bounded && known {
			limits = ui.IntervalTo(l.Right[k].Low, l.Right[k].High, 0)
		}
		row.Cells = append(row.Cells, ui.Cell{Text: limits, Number: true, Dim: limits == "–"})
		e.Grid.Rows = append(e.Grid.Rows, row)
	}
	return e
}

// consensusTable lists the items with the sessions behind them.
func consensusTable(r readConsensus) ui.Table {
	t := ui.Table{ID: "items", Caption: "Items of the model", Bare: true, Columns: []ui.Column{
		{Label: "Response", Wide: true}, {Label: "Said"}, {Label: "Most probable"}, {Label: "Sure", Right: true}}}
	for _, label := range r.model.Labels {
		t.Columns = append(t.Columns, ui.Column{Label: labelWords(label), Right: true})
	}
	t.Columns = append(t.Columns, ui.Column{Label: "Stands"}, ui.Column{Label: "Session"})
	t.Empty = ui.Empty{Bare: true, Title: "No item is most probably this", Why: "Choose another label above, or all of them."}
	for _, item := range r.Items {
		t.Rows = append(t.Rows, itemOfConsensus(item, r.model.Labels))
	}
	first := r.From + 1
	if len(r.Items) == 0 {
		first = 0
	}
	t.Foot = &ui.Foot{Shown: fmt.Sprintf("%d to %d of %s", first, r.From+len(r.Items), ui.CountOf(r.All, "item")), Hints: len(r.Items) > 0, NewerLabel: "Less sure", OlderLabel: "Surer"}
	if r.From > 0 {
		t.Foot.Newer = r.url(func(q *consensusQuery) { q.From = max(0, q.From-itemsOfConsensus) })
	}
	if next := r.From + len(r.Items); next < r.All {
		t.Foot.Older = r.url(func(q *consensusQuery) { q.From = next })
	}
	if r.Closed > 0 {
		t.Foot.Shown += "; " + ui.CountOf(r.Closed, "item") + " you may yet label not shown"
	}
	if r.Label != "" {
		t.Foot.Note = ui.Link{Text: "All labels", URL: r.url(func(q *consensusQuery) { q.Label, q.From = "", 0 }) + "#items"}
	}
	return t
}

func itemOfConsensus(item labeling.ConsensusItem, labels []string) ui.Row {
	sure := ui.Words(ui.ShareTo(item.Probability, 1))
	if item.Probability < labeling.SureEnough {
		sure = ui.Words(ui.Toned(ui.Mid, ui.ShareTo(item.Probability, 1)))
	}
	session := sessionURL(item.SessionID)
	cells := []templ.Component{ui.Link{Text: railTitle(item.Title), URL: session, Plain: true}, ui.Text(saidWords(item.Said, labels)), labelSign(item.Label), sure}
	for _, p := range item.Posterior {
		cells = append(cells, ui.Dim(ui.ShareTo(p, 1)))
	}
	stands := templ.Component(ui.Dim("nothing"))
	if item.Stands != "" {
		how := methodWords[item.Method]
		if item.Wanted > item.Labeled && item.Method != "adjudicated" {
			how = "waits for another labeler"
		}
		stands = ui.Words(labelWords(item.Stands), " ", ui.Dim(how))
	}
	cells = append(cells, stands, ui.Link{Text: shortSession(item.SessionID), URL: session, Mono: true, Plain: true})
	return ui.Row{URL: session, Cells: cells}
}

// methodWords say how a label came to stand.
var methodWords = map[string]string{
	"single": "one reading", "agreed": "agreed", "majority": "by majority", "split": "labelers differ", "adjudicated": "decided", "withdrawn": "withdrawn"}

// saidWords counts the labelers: "2 correct, 1 hallucinated".
func saidWords(said []int, labels []string) string {
	var parts []string
	for k, n := range said {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, labelWords(labels[k])))
		}
	}
	return strings.Join(parts, ", ")
}

// consensusAPI answers with the model for programs, its items a page at a time.
func (s *site) consensusAPI(c *fiber.Ctx) error {
	r, err := s.consensus(c, 1000)
	if err != nil {
		return err
	}
	m := r.model
	limits := func(in stats.Interval) any {
		if !m.Bounded {
			return nil
		}
		return []float64{in.Low, in.High}
	}
	shares, labelers, items := []fiber.Map{}, []fiber.Map{}, []fiber.Map{}
	for k, share := range m.Prevalence {
		shares = append(shares, fiber.Map{"label": m.Labels[k], "value": share.Value, "interval": limits(share.Interval), "likeliest_for": share.Likeliest})
	}
	for _, l := range m.Labelers {
		right := []any{}
		for k := range m.Labels {
			if m.Bounded {
				right = append(right, limits(l.Right[k]))
			}
		}
		labelers = append(labelers, fiber.Map{"labeler": l.Name, "labels": l.Labels, "confusion": l.Confusion, "right_interval": right, "items_of_class": l.Of})
	}
	for _, item := range r.Items {
		items = append(items, fiber.Map{"item": item.ItemID, "event_id": item.EventID, "session_id": item.SessionID, "label": item.Label,
			"probability": item.Probability, "posterior": item.Posterior, "said": item.Said, "stands": item.Stands, "method": item.Method})
	}
	answer := fiber.Map{"queue": m.Queue, "labels": m.Labels, "shares": shares, "labelers": labelers, "items": items, "all_items": r.All, "next_from": nil,
		"prior":      fiber.Map{"diagonal": m.Prior.Diagonal, "off_diagonal": m.Prior.OffDiagonal, "class": m.Prior.Class},
		"iterations": m.Iterations, "converged": m.Converged, "identifiable": m.Identifiable, "log_likelihood": m.LogLikely, "replicates": m.Replicates, "seed": m.Seed}
	if next := r.From + len(items); next < r.All {
		answer["next_from"] = next
	}
	return c.JSON(answer)
}
