package web

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"assay/eval"
	"assay/internal/auth"
	"assay/web/ui"
)

// gatesOverview tells release managers what waits for their yes or no, and
// engineers what pages and what still lacks evidence.
func (s *site) gatesOverview(ctx context.Context, actor auth.Actor) (overview, error) {
	manager, engineer := slices.Contains(actor.Roles, auth.ReleaseManager), slices.Contains(actor.Roles, auth.Engineer)
	if s.Eval == nil || (!manager && !engineer) {
		return overview{}, nil
	}
	alerts, err := s.Eval.Alerts(ctx, actor, eval.AlertFilter{Open: true}, 50)
	if err != nil {
		return overview{}, err
	}
	handoffs, err := s.Eval.Handoffs(ctx, actor, 50)
	if err != nil {
		return overview{}, err
	}
	part := overview{Needs: alertNeeds(alerts)}
	paging, ready, measured := len(part.Needs), 0, 0
	for _, h := range handoffs {
		if h.PromotionStatus.Final() || h.PromotionStatus == eval.Promoted {
			continue
		}
		gate, err := s.Eval.Check(ctx, actor, h.ID)
		if err != nil {
			return overview{}, err
		}
		one := handoffNeed(gate)
		if gate.Decision.Status == eval.Ready {
			ready++
			if may, why, err := s.Eval.MaySign(ctx, actor, h); err != nil {
				return overview{}, err
			} else if manager && !may {
				one.Text += " " + why
			}
		} else {
			measured++
		}
		part.Needs = append(part.Needs, one)
	}
	part.Urgency, part.Sentence, part.Detail = gatesSentence(manager, paging, ready, measured)
	part.Side, err = s.rateSide(ctx, actor)
	return part, err
}

func alertNeeds(alerts []eval.Alert) []need {
	var list []need
	for _, a := range alerts {
		if a.State != eval.Firing || a.Severity != eval.Page || a.IncidentID == nil {
			continue
		}
		list = append(list, need{Urgency: harmful, Mark: ui.MarkOf(string(a.Severity)), Title: a.LatestText,
			Text: "Policy " + a.PolicyID + ", not acknowledged yet.", Act: "Open", URL: incidentURL(*a.IncidentID)})
	}
	return list
}

func handoffNeed(g eval.Gate) need {
	one := need{Urgency: waiting, Mark: ui.DecisionMark(decisionWord(g.Decision.Status)),
		Title: g.Handoff.CandidateTemplateID + ", handoff " + strconv.FormatInt(g.Handoff.ID, 10),
		Text:  g.Headline + ".", Act: "Open", URL: handoffURL(g.Handoff.ID)}
	if g.Decision.Status == eval.Ready {
		one.Urgency, one.Act = today, "Review"
	}
	return one
}

func gatesSentence(manager bool, paging, ready, measured int) (urgency, string, string) {
	var rest []string
	if measured > 0 {
		rest = append(rest, fmt.Sprintf("%s %s evidence.", ui.CountOf(measured, "handoff"), verb(measured, "lacks", "lack")))
	}
	switch {
	case manager && ready > 0:
		if paging > 0 {
			rest = append(rest, fmt.Sprintf("%s.", ui.CountOf(paging, "alert pages", "alerts page")))
		}
		return today, fmt.Sprintf("%s %s ready for your approval.", capital(ui.CountOf(ready, "handoff")), verb(ready, "is", "are")), strings.Join(rest, " ")
	case paging > 0:
		return harmful, capital(ui.CountOf(paging, "alert pages", "alerts page")) + ".", strings.Join(rest, " ")
	case ready > 0:
		return waiting, fmt.Sprintf("%s %s for two signatures.", capital(ui.CountOf(ready, "handoff")), verb(ready, "waits", "wait")), strings.Join(rest, " ")
	case measured > 0:
		return waiting, rest[0], ""
	}
	return calm, "Nothing pages, and no handoff waits.", ""
}

func verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// rateSide sets the estimate of all traffic beside the share among labeled
// items, for the last thirty days.
func (s *site) rateSide(ctx context.Context, actor auth.Actor) (side []templ.Component, err error) {
	if s.Eval.Labels == nil {
		return nil, nil
	}
	to := s.now().UTC().Truncate(24*time.Hour).AddDate(0, 0, 1)
	rates, err := s.Eval.Rates(ctx, actor, eval.RateFilter{From: to.AddDate(0, 0, -30), To: to})
	if err != nil || len(rates.Rows) == 0 || rates.Rows[0].Standing == eval.NoData {
		return nil, err
	}
	row := rates.Rows[0]
	return []templ.Component{ui.Section{Title: "Hallucinated, 30 days"}.Draw(), ui.Stats{Grid: true, Items: []ui.Stat{
		{Term: "Estimated, all traffic", Figure: ui.Share(row.Value), Base: "95 % " + ui.Interval(row.Low, row.High), URL: "/rates?window=30"},
		{Term: "Raw, labeled items", Figure: ui.Share(row.Raw.Value), Base: "not the product's rate", URL: "/rates?window=30"},
	}}}, nil
}
