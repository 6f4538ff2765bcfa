package web

import (
	"context"

	"assay/internal/auth"
	"assay/web/ui"
)

// disputesOverview tells a reviewer which objections wait, a labeler which
// pairs, and everybody what has come for them.
func (s *site) disputesOverview(ctx context.Context, actor auth.Actor) (overview, error) {
	part := overview{}
	if s.Labeling == nil || actor.Kind != auth.Person {
		return part, nil
	}
	if n := s.countUnread(ctx, actor); n > 0 {
		part.Needs = append(part.Needs, need{Urgency: waiting, Icon: ui.IconInbox, Title: ui.CountOf(n, "line waits", "lines wait") + " in your inbox",
			Text: "Mentions, objections to your labels, decisions.", Act: "Read", URL: "/inbox"})
	}
	if actor.May(auth.Label) {
		comparisons, err := s.Labeling.Comparisons(ctx, actor)
		if err != nil {
			return part, err
		}
		for _, one := range comparisons {
			if one.Compared < one.Pairs && one.Mine < one.Pairs {
				part.Needs = append(part.Needs, need{Urgency: calm, Icon: ui.IconInbox, Title: one.Title,
					Text: ui.CountOf(one.Pairs-one.Compared, "pair waits", "pairs wait") + " to be compared.", Act: "Open", URL: "/comparisons/" + pathPart(one.Slug)})
			}
		}
	}
	if !actor.May(auth.Adjudicate) {
		return part, nil
	}
	open, err := s.Labeling.OpenDisputes(ctx, actor)
	if err != nil {
		return part, err
	}
	if len(open) > 0 {
		part.Needs = append(part.Needs, need{Urgency: waiting, Icon: ui.IconFlag, Title: ui.CountOf(len(open), "label is disputed", "labels are disputed"),
			Text: "Oldest since " + ui.Age(s.now().Sub(open[0].OpenedAt)) + ". A reviewer decides.", Act: "Decide", URL: "/disputes"})
	}
	return part, nil
}
