package web

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/a-h/templ"

	"assay/internal/auth"
	"assay/labeling"
	"assay/web/ui"
)

// labelingOverview is what labeling says on the first page: to a labeler the
// one button and what comes next, to a reviewer what waits for a decision.
func (s *site) labelingOverview(ctx context.Context, actor auth.Actor) (overview, error) {
	if s.Labeling == nil || !actor.May(auth.Label) || actor.Kind != auth.Person {
		return overview{}, nil
	}
	rows, err := s.queueRows(ctx, actor)
	if err != nil {
		return overview{}, err
	}
	week, err := s.Labeling.Today(ctx, actor, s.now().Add(-7*24*time.Hour))
	if err != nil {
		return overview{}, err
	}
	drafts, later, err := s.Labeling.OwnOpen(ctx, actor)
	if err != nil {
		return overview{}, err
	}
	part := buildLabelingOverview(actor, rows, week, s.now())
	part.Needs = append(openNeeds(drafts, later), part.Needs...)
	return part, nil
}

func buildLabelingOverview(actor auth.Actor, rows []queueRow, week labeling.Today, now time.Time) overview {
	part := overview{}
	var free, safety int64
	var best *queueRow
	for i, row := range rows {
		if !row.Able {
			continue // Start would not serve it
		}
		free += row.Free()
		safety += row.Waiting[labeling.Safety]
		if row.Free() > 0 && (best == nil || row.Waiting[labeling.Safety] > best.Waiting[labeling.Safety]) {
			best = &rows[i]
		}
		if row.Free() > 0 {
			part.Needs = append(part.Needs, queueNeed(row, now))
		}
	}
	if actor.May(auth.Adjudicate) {
		if n := splitCount(rows); n > 0 {
			part.Needs = append(part.Needs, need{Urgency: today, Icon: ui.IconPullRequest, Title: ui.CountOf(n, "item needs", "items need") + " a decision",
				Text: "Two labels differ. Both are kept beside what you decide.", Act: "Decide", URL: "/adjudications/next"})
		}
	}
	if best != nil {
		part.Urgency = waiting
		if safety > 0 {
			part.Urgency = today
		}
		part.Sentence = "Next: " + best.Queue.Title + "."
		part.Detail = ui.CountOf(free, "item waits", "items wait") + " in all queues."
		if half, n, ok := best.Gain.Next(); ok {
			part.Detail += fmt.Sprintf(" %s of labels there brings the rate to %s.", capital(ui.WorkTime(best.Gain.Work(n))), pointsWords(half))
		}
		part.Start = &ui.Button{Label: "Start", Submit: true, Form: "start", Act: ui.ActSubmit}
		part.Panels = append(part.Panels, startForm())
	}
	part.Side = append(part.Side, weekOf(week))
	return part
}

func queueNeed(row queueRow, now time.Time) need {
	text, safety := ui.Count(row.Free())+" waiting", row.Waiting[labeling.Safety]
	if safety > 0 {
		text += ", " + ui.Count(safety) + " of them safety"
	}
	if row.Oldest != nil {
		text += ", oldest " + ui.Age(now.Sub(*row.Oldest))
	}
	n := need{Urgency: calm, Icon: ui.IconInbox, Title: row.Queue.Title, Text: text + ".", Act: "Open", URL: "/queues/" + row.Queue.Slug}
	if safety > 0 {
		n.Urgency = waiting
	}
	return n
}

func weekOf(week labeling.Today) templ.Component {
	stats := ui.Stats{Grid: true, Items: []ui.Stat{{Term: "Labels", Figure: ui.Count(week.Labels)}}}
	if week.Median >= time.Second {
		stats.Items = append(stats.Items, ui.Stat{Term: "Median per item", Figure: ui.Handling(week.Median)})
	}
	return sideSection("Your week", ui.Words(stats, yourPages()))
}

// yourPages lead on from the figures of a person's week.
func yourPages() templ.Component {
	var links []any
	for _, l := range []ui.Link{{Text: "Your work", URL: "/labels"}, {Text: "Your figures", URL: "/labelers/me"}, {Text: "Feedback on gold", URL: "/feedback"}, {Text: "Guides", URL: "/guides"}} {
		links = append(links, ui.Button{Label: l.Text, Style: ui.Plain, Size: ui.Small, URL: l.URL})
	}
	return ui.Words(links...)
}

func capital(text string) string {
	runes := []rune(text)
	if len(runes) == 0 {
		return ""
	}
	return strings.ToUpper(string(runes[:1])) + string(runes[1:])
}
