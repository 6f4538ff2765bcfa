package web

import (
	"context"

	"assay/internal/auth"
	"assay/telemetry"
	"assay/web/ui"
)

// revealsOverview tells who may decide which requests for raw text wait, and
// who asked which of theirs can be opened.
func (s *site) revealsOverview(ctx context.Context, actor auth.Actor) (overview, error) {
	if !actor.May(auth.SeeReveals) || s.Telemetry == nil {
		return overview{}, nil
	}
	list, err := s.Telemetry.Reveals(ctx, actor, revealsShown)
	if err != nil {
		return overview{}, err
	}
	part := overview{}
	decide, open := 0, 0
	for _, r := range list {
		n := need{Urgency: waiting, Icon: ui.IconLock, URL: revealURL(r.ID)}
		switch {
		case r.State == telemetry.RevealWaiting && actor.May(auth.ApproveReveal) && r.RequestedBy != actor.ID:
			decide++
			n.Title, n.Act = r.Requester+" asks for raw text", "Decide"
			n.Text = "One event of " + taskWords(r.TaskClass) + ". It waits for a second person until " + r.AnswerBy.UTC().Format("Mon 2 Jan") + "."
		case r.State == telemetry.RevealApproved && r.RequestedBy == actor.ID:
			open++
			n.Title, n.Act = "Your reveal is approved", "Open"
			n.Text = "Approved by " + deciderOf(r) + ". It can be opened until " + r.Ends().UTC().Format("Mon 2 Jan, 15:04 UTC") + "."
		default:
			continue
		}
		part.Urgency = waiting
		part.Needs = append(part.Needs, n)
	}
	switch {
	case decide > 0:
		part.Sentence = ui.CountOf(decide, "request for raw text waits for you.", "requests for raw text wait for you.")
	case open > 0:
		part.Sentence = ui.CountOf(open, "reveal is approved for you.", "reveals are approved for you.")
	}
	return part, nil
}

func taskWords(taskClass string) string {
	if taskClass == "" {
		return "no task class"
	}
	return taskClass
}

func deciderOf(r telemetry.Reveal) string {
	if r.Decider == nil {
		return "nobody yet"
	}
	return *r.Decider
}
