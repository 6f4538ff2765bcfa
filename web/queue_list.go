package web

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"slices"
	"time"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
	"assay/labeling"
	"assay/web/ui"
)

// queuesPage lists the queues with what waits in each.
type queuesPage struct {
	Head   ui.Head
	Start  bool
	Table  ui.Table
	Notes  []queueNote
	Legend templ.Component
}

// queueNote is a short paragraph under the list.
type queueNote struct {
	Title string
	Text  string
	More  *ui.Link
}

// queueRow is a queue with all that its row says.
type queueRow struct {
	labeling.Summary
	Gain labeling.Gain
}

func (s *site) queuesShow(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	ctx, actor := c.UserContext(), actorOf(c)
	rows, err := s.queueRows(ctx, actor)
	if err != nil {
		return err
	}
	run, ran, err := labels.LastRun(ctx, actor)
	if err != nil {
		return err
	}
	p := buildQueues(actor, rows, s.now())
	if ran {
		p.Notes = append(p.Notes, runNote(run, s.now()))
	}
	return s.page(c, ui.Page{Title: "Queues", Nav: "queues"}, p.draw())
}

func (s *site) queueRows(ctx context.Context, actor auth.Actor) ([]queueRow, error) {
	summaries, err := s.Labeling.Summaries(ctx, actor)
	if err != nil {
		return nil, err
	}
	rows := make([]queueRow, len(summaries))
	for i, summary := range summaries {
		gain, err := s.Labeling.Gain(ctx, actor, summary.Queue, summary.Queue.MeasurementShare)
		if err != nil {
			return nil, err
		}
		rows[i] = queueRow{summary, gain}
	}
	return rows, nil
}

func buildQueues(actor auth.Actor, rows []queueRow, now time.Time) queuesPage {
	slices.SortStableFunc(rows, func(a, b queueRow) int {
		return cmp.Or(cmp.Compare(b.Waiting[labeling.Safety], a.Waiting[labeling.Safety]), cmp.Compare(b.Free(), a.Free()))
	})
	labels := actor.May(auth.Label)
	p := queuesPage{Head: ui.Head{Title: "Queues", Sub: queuesSentence(rows)}}
	p.Head.Actions = append(p.Head.Actions, ui.Button{Label: "Comparisons", URL: "/comparisons"})
	var free, widest int64
	for _, row := range rows {
		if row.Able {
			free += row.Free()
		}
		widest = max(widest, row.Free())
	}
	p.Start = labels && free > 0
	p.Legend = ui.Legend{Items: []string{"safety", "negative", "implicit", "random"}}
	p.Table = ui.Table{
		ID: "queues", Caption: "Queues", Loose: true,
		Columns: []ui.Column{{Label: "Queue"}, {Label: "Waiting by reason", Wide: true}, {Label: "Waiting", Right: true}, {Label: "Reserved", Right: true},
			{Label: "Oldest", Right: true}, {Label: "Done", Right: true}, {Label: "Mine", Right: true}, {Label: "Next labels bring"}, {Name: "Label", Right: true}},
		Empty: ui.Empty{Title: "No queue yet", Why: "A queue opens by itself with the first response of its task class. Send events, and responses are flagged within a minute.", Code: "assay load events.jsonl", Bare: true},
		Foot: &ui.Foot{Shown: ui.CountOf(len(rows), "queue"), Hints: len(rows) > 0,
			Note: ui.Text("Next labels bring: how close the estimated rate comes to the truth (95 %), and the labeling time until then.")},
	}
	for _, row := range rows {
		p.Table.Rows = append(p.Table.Rows, buildQueueRow(row, int(widest), labels, now))
	}
	if n := splitCount(rows); n > 0 {
		note := queueNote{Title: "Labelers differ", Text: ui.CountOf(n, "item waits", "items wait") + " for a reviewer: two labels differ and nobody has decided."}
		if actor.May(auth.Adjudicate) {
			note.More = &ui.Link{Text: "Decide the first", URL: "/adjudications/next"}
		}
		p.Notes = append(p.Notes, note)
	}
	return p
}

func queuesSentence(rows []queueRow) string {
	var free int64
	for _, row := range rows {
		free += row.Free()
	}
	switch {
	case len(rows) == 0:
		return "Nothing is flagged yet."
	case free == 0:
		return "Nothing waits. What is flagged next comes here by itself."
	}
	sentence := ui.CountOf(free, "item waits", "items wait") + " in " + ui.CountOf(len(rows), "queue") + "."
	if best := rows[0]; best.Waiting[labeling.Safety] > 0 {
		return sentence + " The next hour of your time is best spent on " + best.Queue.Title + "."
	}
	return sentence
}

func splitCount(rows []queueRow) int {
	n := 0
	for _, row := range rows {
		n += int(row.Split)
	}
	return n
}

func buildQueueRow(row queueRow, widest int, labels bool, now time.Time) ui.Row {
	address := "/queues/" + row.Queue.Slug
	brings := ui.Dim("nothing more within reach")
	if half, n, ok := row.Gain.Next(); ok {
		brings = ui.Pair("the rate within "+pointsWords(half), "after "+ui.WorkTime(row.Gain.Work(n))+" of labeling")
	}
	oldest := ""
	if row.Oldest != nil {
		oldest = ui.Age(now.Sub(*row.Oldest))
	}
	cells := []templ.Component{
		queueName{row.Queue.Title, taskClassWords(row.Queue.TaskClass), address},
		ui.StackBar{Parts: classParts(row.Waiting), Max: widest, Name: waitingName(row.Waiting)},
		ui.Bold(ui.Count(row.Free())), ui.Text(ui.Count(row.Reserved)), ui.Text(oldest), ui.Text(ui.Count(row.Done)), ui.Text(ui.Count(row.Mine)),
		brings, nil,
	}
	if labels && row.Free() > 0 {
		cells[len(cells)-1] = queueNext{Slug: row.Queue.Slug, Label: "Label", Small: true}
	}
	return ui.Row{URL: address, Cells: cells}
}

func trimNumber(x float64) string {
	text := ui.Number(x, 1)
	if len(text) > 2 && text[len(text)-2:] == ".0" {
		return text[:len(text)-2]
	}
	return text
}

func classParts(waiting map[labeling.PriorityClass]int64) []ui.Part {
	var parts []ui.Part
	for _, class := range labeling.Classes {
		parts = append(parts, ui.Part{Kind: string(class), Value: int(waiting[class])})
	}
	return parts
}

func waitingName(waiting map[labeling.PriorityClass]int64) string {
	name := ""
	for _, class := range labeling.Classes {
		if name != "" {
			name += ", "
		}
		name += ui.Count(waiting[class]) + " " + classNouns[class]
	}
	return name
}

var classNouns = map[labeling.PriorityClass]string{
	labeling.Safety: "safety", labeling.Negative: "negative feedback", labeling.Implicit: "implicit", labeling.Random: "random",
}

func runNote(run labeling.Run, now time.Time) queueNote {
	at := run.StartedAt
	if run.FinishedAt != nil {
		at = *run.FinishedAt
	}
	return queueNote{
		Title: "What the rules did last",
		Text: ui.CountOf(run.Considered, "response") + " considered " + ago(now.Sub(at)) + ": " + ui.Count(run.Added) + " added, " +
			ui.Count(run.Flagged) + " with a further reason, " + ui.Count(run.LeftOut) + " beyond a cap, " + ui.Count(run.Unread) + " without text that may be read.",
	}
}

// queuesNext serves the next item over all queues: the one button of the
// overview.
func (s *site) queuesNext(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	_, r, err := labels.Start(c.UserContext(), actorOf(c))
	if errors.Is(err, labeling.ErrNothingFree) {
		words, err := s.whyNothing(c.UserContext(), actorOf(c))
		if err != nil {
			return err
		}
		s.say(c, words)
		return s.see(c, "/queues")
	}
	if err != nil {
		return err
	}
	return s.see(c, "/items/"+itemID(r.ItemID))
}

// whyNothing says why Start has nothing for this person, in counts over all
// queues.
func (s *site) whyNothing(ctx context.Context, actor auth.Actor) (string, error) {
	queues, err := s.Labeling.Queues(ctx, actor)
	if err != nil {
		return "", err
	}
	var all labeling.Counts
	for _, queue := range queues {
		counts, err := s.Labeling.Counts(ctx, actor, queue)
		if err != nil {
			return "", err
		}
		all = all.And(counts)
	}
	return "Nothing is free for you in any queue: " + whyEmptyText(all), nil
}

// ago is an age as a sentence has it.
func ago(d time.Duration) string {
	if age := ui.Age(d); age != "just now" {
		return age + " ago"
	}
	return "just now"
}

func pathPart(text string) string { return url.PathEscape(text) }
