package web

import (
	"errors"
	"fmt"
	"time"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/labeling"
	"assay/web/ui"
)

const queuePageRows = 25

// queuePage is one queue: what waits, what an hour buys, what is in it.
type queuePage struct {
	Head       ui.Head
	Slug       string
	TaskClass  string
	Title      string
	Start      bool
	Rules      bool // the reader may see them
	SelectMany bool // and may act on many items at once
	Empty      *ui.Empty
	Waits      string // address that says what has become of an empty queue; "" for who does not label
	Stats      ui.Stats
	Bar        ui.StackBar
	Table      *ui.Table
	Here       *ui.Facts
	Measures   bool // its labels reach a rate
	Chart      *ui.LineChart
	Mix        mixPanel
	Progress   string     // of the reader, in the three words of review
	Decides    []decision // what its labels would decide, for those who see rates
	Raised     string     // why people are given more of it than its rules say
	Filled     string
	Try        string // address of a dry run of its rules
	Adjudge    string
	Stranded   []string // what waits and nobody here can judge

	Skips        *ui.Facts // why items were left to others
	Instructions string    // of the owner
}

// queueFilter is what the address of a queue may say.
type queueFilter struct {
	State string `query:"state"` // "" or "not_done", "done"
	From  int    `query:"from"`  // rows before this page
	After int64  `query:"after"` // the item labeled just before, for the toast
	Mix   string `query:"mix"`   // percent of measurement to look at; "" is the queue's own

	Waited bool `query:"waited"` // asked by the page of an empty queue
}

func (s *site) queueShow(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	var filter queueFilter
	if err := readQuery(c, &filter); err != nil {
		return err
	}
	if filter.State != "" && filter.State != "not_done" && filter.State != "done" || filter.From < 0 || filter.From > 1_000_000 {
		return fault.Say(fault.Invalid, "The state is not_done or done.")
	}
	ctx, actor := c.UserContext(), actorOf(c)
	queue, err := labels.Queue(ctx, actor, param(c, "queue"))
	if err != nil {
		return err
	}
	shown := shownQueue{Queue: queue, Now: s.now(), Labels: actor.May(auth.Label)}
	if shown.Summary, err = labels.Summary(ctx, actor, queue); err != nil {
		return err
	}
	if shown.Counts, err = labels.Counts(ctx, actor, queue); err != nil {
		return err
	}
	if shown.Rules, err = labels.Rules(ctx, actor, queue); err != nil {
		return err
	}
	if shown.Guide, err = labels.GuideOf(ctx, actor, queue.TaskClass); err != nil {
		return err
	}
	if err := shown.weigh(ctx, labels, actor, filter.Mix); err != nil {
		return err
	}
	shown.Zone = s.reader(visitorOf(c)).Zone
	if actor.May(auth.SeeMeasures) {
		if shown.Needs, err = labels.NeedsOf(ctx, actor, queue, shown.Now); err != nil {
			return err
		}
	}
	if shown.Raise, shown.IsRaised, err = labels.Raised(ctx, actor, queue, shown.Now); err != nil {
		return err
	}
	items, err := labels.ListItems(ctx, actor, queue, filter.State == "done", filter.From, queuePageRows+1)
	switch {
	case err == nil:
		shown.Items, shown.Listed = items, true
	case fault.Of(err) != fault.Denied: // a labeler sees counts only
		return err
	}
	if shown.Counts.Free == 0 && shown.Labels {
		if shown.Elsewhere, err = s.elsewhere(c, queue.ID); err != nil {
			return err
		}
	}
	if shown.Stranded, err = labels.Stranded(ctx, actor, queue); err != nil {
		return err
	}
	if shown.Here, err = labels.Here(ctx, actor, queue, midnight(s.now(), s.reader(visitorOf(c)).Zone)); err != nil {
		return err
	}
	shown.Adjudicates, shown.Configures = actor.May(auth.Adjudicate), actor.May(auth.Configure)
	if shown.Skips, err = labels.SkippedBecause(ctx, actor, queue, s.now().AddDate(0, 0, -30)); err != nil {
		return err
	}
	shown.SeesRules = actor.May(auth.SeeMeasures)
	page := ui.Page{Title: queue.Title, Nav: "queues", Back: &ui.Link{Text: "Queues", URL: "/queues"}}
	if page.Toast, err = s.afterToast(c, filter.After); err != nil {
		return err
	}
	return s.page(c, page, buildQueue(shown, filter).draw())
}

// elsewhere is the queue with the most for this person, when this one is empty.
func (s *site) elsewhere(c *fiber.Ctx, except int64) (*labeling.Summary, error) {
	summaries, err := s.Labeling.Summaries(c.UserContext(), actorOf(c))
	if err != nil {
		return nil, err
	}
	var most *labeling.Summary
	for i, summary := range summaries {
		if summary.Queue.ID != except && summary.Able && summary.Free() > 0 && (most == nil || summary.Free() > most.Free()) {
			most = &summaries[i]
		}
	}
	return most, nil
}

// shownQueue is all that the page of a queue is built from.
type shownQueue struct {
	Queue       labeling.Queue
	Summary     labeling.Summary
	Counts      labeling.Counts
	Rules       []labeling.RuleDoings
	Guide       labeling.Guide
	Mix         int           // percent of measurement that is looked at
	OtherMix    int           // to compare: the queue's own, or 40
	Gain, Other labeling.Gain // what labels buy with each
	Needs       []labeling.Weighed
	Raise       labeling.Raise
	IsRaised    bool
	Zone        *time.Location
	Items       []labeling.Brief
	Listed      bool
	Here        []labeling.Worker
	Skips       []labeling.Skips
	Elsewhere   *labeling.Summary
	Stranded    []labeling.Stranded
	Labels      bool
	Adjudicates bool
	Configures  bool
	SeesRules   bool
	Now         time.Time
}

func buildQueue(q shownQueue, filter queueFilter) queuePage {
	p := queuePage{
		Slug: q.Queue.Slug, TaskClass: q.Queue.TaskClass, Title: q.Queue.Title, Start: q.Labels && q.Counts.Free+q.Counts.PutOff > 0,
		Head: ui.Head{
			Crumbs: []ui.Link{{Text: "Queues", URL: "/queues"}}, Title: q.Queue.Title, Sub: queueSub(q),
		},
		Stats: queueStats(q),
		Bar:   ui.StackBar{Parts: classParts(q.Summary.Waiting), Name: waitingName(q.Summary.Waiting), Legend: true, Words: classLegend},
	}
	if q.Labels {
		p.Waits = "/queues/" + q.Queue.Slug + "?waited=yes"
		switch {
		case q.Counts.Free == 0:
			empty := buildEmptyQueue(q)
			p.Empty = &empty
		case filter.Waited:
			again := buildFreeAgain(q)
			p.Empty = &again
		}
	}
	if q.Labels {
		p.Progress = progressOf(q.Counts)
	}
	if q.Listed {
		table := queueTable(q, filter)
		p.Table = &table
	}
	p.Rules, p.SelectMany = q.SeesRules, q.Configures
	p.Measures = q.Queue.Kind == "standard"
	p.Chart, p.Mix = hourBuys(q), buildMix(q)
	if len(q.Here) > 0 {
		p.Here = whoIsHere(q.Here, q.Now)
	}
	p.Stranded = strandedWords(q.Queue, q.Stranded, func(part labeling.Stranded) string {
		if part.LastSeen == nil {
			return ""
		}
		return ", last seen " + ago(q.Now.Sub(*part.LastSeen))
	})
	p.Decides = decides(q)
	if q.IsRaised {
		p.Raised = raisedWords(q)
	}
	p.Instructions, p.Skips = q.Queue.Instructions, skipsOf(q.Skips)
	p.Filled = filledBy(q.Queue, q.Rules)
	if q.Configures {
		p.Try = "/queues/" + q.Queue.Slug + "/rules"
		if q.Queue.Kind == "standard" {
			p.Try += "?days=7"
		}
	}
	if q.Adjudicates && q.Summary.Split > 0 {
		p.Adjudge = ui.CountOf(q.Summary.Split, "item needs", "items need") + " a decision"
	}
	return p
}

func queueSub(q shownQueue) string {
	sub := taskClassWords(q.Queue.TaskClass) + ", all model versions"
	if q.Queue.Blind {
		sub += ", blind"
	}
	if q.Queue.VerdictHidden {
		sub += ", verdict shown after the label"
	}
	return sub + fmt.Sprintf(". Guide %d.", q.Guide.Version)
}

func queueStats(q shownQueue) ui.Stats {
	oldest := "nothing waits"
	if q.Summary.Oldest != nil {
		oldest = ui.Age(q.Now.Sub(*q.Summary.Oldest))
	}
	stats := ui.Stats{Items: []ui.Stat{
		{Term: "Waiting", Figure: ui.Count(q.Summary.Free())},
		{Term: "Reserved", Figure: ui.Count(q.Summary.Reserved)},
		{Term: "Done", Figure: ui.Count(q.Summary.Done)},
		{Term: "Oldest", Figure: oldest},
	}}
	if q.Labels {
		stats.Items = append(stats.Items, ui.Stat{Term: "Mine", Figure: ui.Count(q.Summary.Mine), Base: mineOf(q.Summary)})
	}
	if q.Summary.Median >= time.Second {
		stats.Items = append(stats.Items, ui.Stat{Term: "Median per item", Figure: ui.Handling(q.Summary.Median), Base: "of the last 200 labels"})
	}
	return stats
}

// progressOf says for one person what needs their review, what needs that of
// others, and what is completed.
func progressOf(c labeling.Counts) string {
	return fmt.Sprintf("Needs your review: %s. Needs others’ review: %s. Completed: %s.", ui.Count(c.NeedsYou()), ui.Count(c.NeedsOthers()), ui.Count(c.Done))
}

func mineOf(summary labeling.Summary) string {
	if summary.Done == 0 || summary.Mine > summary.Done {
		return ""
	}
	return ui.WholeShare(float64(summary.Mine)/float64(summary.Done)) + " of what is done"
}

var classLegend = []string{
	"safety: unsafe claim, failed validator", "negative feedback", "implicit: correction, abandonment, re-query", "random",
}

// buildEmptyQueue says why there is nothing for this person, in counts.
func buildEmptyQueue(q shownQueue) ui.Empty {
	empty := ui.Empty{Title: "Nothing is free for you in " + q.Queue.Title, Said: ui.Words(whyEmpty(q.Counts)...)}
	if q.Elsewhere != nil {
		empty.Actions = append(empty.Actions, queueNext{Slug: q.Elsewhere.Queue.Slug, Label: fmt.Sprintf("Next queue: %s, %s", q.Elsewhere.Queue.Title, ui.Count(q.Elsewhere.Free())), Main: true})
	}
	if q.Counts.PutOff > 0 {
		empty.Actions = append(empty.Actions, queueNext{Slug: q.Queue.Slug, Label: "Take what you put off"})
	}
	return empty
}

// buildFreeAgain greets whoever waited at the empty queue.
func buildFreeAgain(q shownQueue) ui.Empty {
	n := q.Counts.Free + q.Counts.PutOff
	return ui.Empty{Title: ui.CountOf(n, "item is", "items are") + " free for you now",
		Actions: []templ.Component{queueNext{Slug: q.Queue.Slug, Label: "Go on labeling", Main: true}}}
}

// whyEmpty are counts as a sentence: "0 free, 7 reserved (next frees in 2:10),
// 3 waiting for another labeler."
func whyEmpty(c labeling.Counts) []any {
	words := []any{upTo(c.Free) + " free, " + upTo(c.Reserved) + " reserved"}
	var inside []any
	if c.Yours > 0 {
		inside = append(inside, upTo(c.Yours)+" by you")
	}
	if c.NextFrees != nil {
		if len(inside) > 0 {
			inside = append(inside, ", ")
		}
		inside = append(inside, "next frees in ", ui.Countdown{Left: c.NextFrees.Sub(c.DatabaseAt)})
	}
	if len(inside) > 0 {
		words = append(append(append(words, " ("), inside...), ")")
	}
	for _, part := range []struct {
		n     int64
		words string
	}{
		{c.Another, "waiting for another labeler"},
		{c.Given, "given to somebody else"},
		{c.Beyond, "in a task class or language that is not among your skills"},
		{c.PutOff, "put off by you"},
	} {
		if part.n > 0 {
			words = append(words, ", "+upTo(part.n)+" "+part.words)
		}
	}
	return append(words, ".")
}

// whyEmptyText is whyEmpty where nothing can count down.
func whyEmptyText(c labeling.Counts) string {
	text := ""
	for _, part := range whyEmpty(c) {
		if left, ok := part.(ui.Countdown); ok {
			part = ui.Left(left.Left)
		}
		text += fmt.Sprint(part)
	}
	return text
}

// upTo is a count as far as it was counted.
func upTo(n int64) string {
	if n >= labeling.CountedTo {
		return ui.Count(labeling.CountedTo) + " or more"
	}
	return ui.Count(n)
}

func queueTable(q shownQueue, filter queueFilter) ui.Table {
	address := "/queues/" + q.Queue.Slug
	state := "not_done"
	if filter.State == "done" {
		state = "done"
	}
	table := ui.Table{
		ID: "items", Caption: "Items of " + q.Queue.Title, Bare: true,
		Columns: []ui.Column{{Label: "Item", Wide: true}, {Label: "Session"}, {Label: "Why"}, {Label: "Probability", Right: true}, {Label: "State"}, {Label: "Waiting", Right: true}},
		Empty:   ui.Empty{Title: "No item here", Why: map[string]string{"done": "None has all its labels yet.", "not_done": "All are labeled."}[state], Bare: true},
	}
	total := q.Summary.Free() + q.Summary.Reserved
	if state == "done" {
		total = q.Summary.Done
	}
	rows := q.Items[:min(len(q.Items), queuePageRows)]
	for _, b := range rows {
		table.Rows = append(table.Rows, itemRow(b, q.Now))
	}
	table.Foot = &ui.Foot{Region: "items", NewerLabel: "Earlier", OlderLabel: "Later", Shown: "0 items"}
	if len(rows) > 0 {
		table.Foot.Shown = fmt.Sprintf("%s to %s of %s %s", ui.Count(filter.From+1), ui.Count(filter.From+len(rows)), ui.Count(max(total, int64(filter.From+len(rows)))), labelWords(state))
	}
	if filter.From > 0 {
		table.Foot.Newer = fmt.Sprintf("%s?state=%s&from=%d", address, state, max(0, filter.From-queuePageRows))
	}
	if len(q.Items) > queuePageRows {
		table.Foot.Older = fmt.Sprintf("%s?state=%s&from=%d", address, state, filter.From+queuePageRows)
	}
	return table
}

func itemRow(b labeling.Brief, now time.Time) ui.Row {
	why := "random"
	if len(b.Flags) > 0 {
		why = shortFlag(byGravity(b.Flags)[0])
		if more := len(b.Flags) - 1; more > 0 {
			why += fmt.Sprintf(" and %d more", more)
		}
	}
	probability := ui.Dim("frame open")
	switch {
	case b.Pi != nil:
		probability = ui.Mono(ui.Number(*b.Pi, 3))
	case b.Design == "census":
		probability = ui.Mono("1.000")
	}
	return ui.Row{Cells: []templ.Component{
		ui.Text(railTitle(b.Title)), ui.Link{Text: shortSession(b.SessionID), URL: "/sessions/" + pathPart(b.SessionID), Mono: true, Plain: true},
		ui.Text(why), probability, ui.Text(b.State), ui.Text(ui.Age(now.Sub(b.AddedAt))),
	}}
}

// hourBuys draws how the rate narrows with work.
func hourBuys(q shownQueue) *ui.LineChart {
	if len(q.Gain.Points) < 2 {
		return nil
	}
	var x []float64
	var points []ui.Point
	highest := 0.0
	for _, p := range q.Gain.Points {
		hours := q.Gain.Work(p.Labels).Hours()
		if hours > 3 {
			break
		}
		x = append(x, hours)
		points = append(points, ui.Point{Value: 100 * p.Half, Low: 100 * p.Half, High: 100 * p.Half})
		highest = max(highest, 100*p.Half)
	}
	if len(x) < 2 {
		return nil
	}
	top := max(2, 2*float64(int(highest/2)+1))
	chart := ui.LineChart{
		XAxis: ui.Axis{Max: 3}, YAxis: ui.Axis{Max: top}, Series: []ui.Series{{X: x, Points: points, Tone: ui.Accent}},
		XTicks: []ui.Tick{{At: 0, Label: "now"}, {At: 1, Label: "1 h"}, {At: 2, Label: "2 h"}, {At: 3, Label: "3 h"}},
		YTicks: []ui.Tick{{At: 0, Label: "0"}, {At: top / 2, Label: "±" + trimNumber(top/2)}, {At: top, Label: "±" + trimNumber(top) + " pp"}},
		Height: 170, Name: fmt.Sprintf("Half the width of the rate’s interval: ±%s points now", trimNumber(points[0].Value)),
	}
	return &chart
}

func whoIsHere(here []labeling.Worker, now time.Time) *ui.Facts {
	facts := &ui.Facts{Small: true, Ruled: true}
	for _, w := range here {
		words := ui.CountOf(w.Labels, "label") + ", " + ago(now.Sub(w.Last))
		if w.Holds > 0 {
			words = ui.CountOf(w.Labels, "label") + ", holds " + ui.Count(w.Holds)
			if w.Until != nil {
				words += ", ends in " + ui.Left(w.Until.Sub(now))
			}
		}
		facts.Items = append(facts.Items, ui.Fact{Term: w.Name, Value: ui.Text(words)})
	}
	return facts
}

// decision is a question that labels of a queue would answer, and when.
type decision struct{ Question, When string }

func decides(q shownQueue) []decision {
	var list []decision
	for _, need := range q.Needs {
		list = append(list, decision{capital(need.Question), needWords(q, need)})
	}
	return list
}

func needWords(q shownQueue, need labeling.Weighed) string {
	switch {
	case need.Labels == 0:
		return "Cannot decide: no number of labels would."
	case !need.Decides:
		return fmt.Sprintf("Cannot decide: %s more, %s in 72 h at the present pace.", ui.CountOf(need.Labels, "label"), comes(need.Arrive))
	}
	return fmt.Sprintf("%s more, %s.", ui.CountOf(need.Labels, "label"), onDay(need.At, q.Now, q.Zone))
}

func comes(n int) string {
	if n == 1 {
		return "1 comes"
	}
	return ui.Count(n) + " come"
}

// raisedWords says why people are given more of the queue than its rules say.
func raisedWords(q shownQueue) string {
	why := map[string]string{
		"spike": "the rate of its task class is over its objective", "incident": "an incident of its task class is open", "calm": "the rate has calmed down, and the raise falls off",
	}[q.Raise.Why]
	return fmt.Sprintf("Caps and shares of the rules count %s times: %s (%s).", trimNumber(q.Raise.Factor), why, ago(q.Now.Sub(q.Raise.At)))
}

// filledBy says what fills the queue, and what that did last.
func filledBy(queue labeling.Queue, rules []labeling.RuleDoings) string {
	text := taskClassWords(queue.TaskClass) + ", consent redacted or full."
	for _, r := range rules {
		text += " " + capital(ruleName(r.Part)) + ": " + takes(r.Rule) + "."
		if r.Decided > 0 {
			text += fmt.Sprintf(" %s added, %s left out in 7 days.", ui.Count(r.Added), ui.Count(r.LeftOut))
		}
	}
	if len(rules) == 0 {
		text += " No rule fills it yet."
	}
	return text
}

// queueNext reserves the next item of a queue and leads to it.
func (s *site) queueNext(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	slug := param(c, "queue")
	r, err := labels.Reserve(c.UserContext(), actorOf(c), slug)
	if errors.Is(err, labeling.ErrNothingFree) {
		return s.see(c, "/queues/"+pathPart(slug))
	}
	if err != nil {
		return err
	}
	return s.see(c, "/items/"+itemID(r.ItemID))
}
