package web

import (
	"context"

	"assay/internal/auth"
	"assay/web/ui"
)

// peopleOverview tells an administrator which grants of power wait for them.
func (s *site) peopleOverview(ctx context.Context, actor auth.Actor) (overview, error) {
	if !actor.May(auth.ManagePeople) || s.People == nil {
		return overview{}, nil
	}
	list, err := s.People.List(ctx, actor)
	if err != nil {
		return overview{}, err
	}
	part := overview{}
	active := 0
	for _, p := range list {
		if p.DisabledAt == nil {
			active++
		}
		for _, o := range p.Proposed {
			if o.ProposedBy == actor.ID || p.ID == actor.ID {
				continue
			}
			part.Urgency = waiting
			part.Needs = append(part.Needs, need{Urgency: waiting, Icon: ui.IconLock, Title: p.Name + " is to be " + o.Role.Words(),
				Text: "Proposed by " + o.ProposerName + ". A grant of power needs a second administrator.", Act: "Decide", URL: "/settings/people"})
		}
	}
	if len(part.Needs) > 0 {
		part.Sentence = ui.CountOf(len(part.Needs), "grant of power waits for you.", "grants of power wait for you.")
	}
	part.Side = append(part.Side, ui.Stats{Grid: true, Items: []ui.Stat{{Term: "People", Figure: ui.Count(active), Base: "can sign in", URL: "/settings/people"}}})
	return part, nil
}
