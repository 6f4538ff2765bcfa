package web

import (
	"context"
	"slices"
	"strings"
	"time"

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
		disputed, err := s.disputedNeed(ctx, actor)
		if disputed != nil {
			part.Needs = append(part.Needs, *disputed)
		}
		return part, err
	}
	open, err := s.Labeling.OpenDisputes(ctx, actor)
	if err != nil {
		return part, err
	}
	if len(open) > 0 {
		part.Needs = append(part.Needs, need{Urgency: today, Icon: ui.IconFlag, Title: ui.CountOf(len(open), "label is disputed", "labels are disputed"),
			Text: "Oldest since " + ui.Age(s.now().Sub(open[0].OpenedAt)) + ". A reviewer decides.", Act: "Decide", URL: "/disputes"})
	}
	return part, nil
}

// disputedNeed tells whoever builds or decides by the rates how many of their
// labels are disputed; nil for others and for none.
func (s *site) disputedNeed(ctx context.Context, actor auth.Actor) (*need, error) {
	if !actor.Holds(auth.Engineer) && !actor.Holds(auth.ReleaseManager) {
		return nil, nil
	}
	list, err := s.Labeling.DisputedLabels(ctx, actor, time.Time{}, s.now().Add(24*time.Hour))
	if err != nil || len(list) == 0 {
		return nil, err
	}
	n := 0
	var classes []string
	for _, d := range list {
		n += d.Count
		if words := taskClassWords(d.TaskClass); !slices.Contains(classes, words) {
			classes = append(classes, words)
		}
	}
	slices.Sort(classes)
	return &need{Urgency: calm, Icon: ui.IconFlag, Title: ui.CountOf(n, "label is disputed", "labels are disputed"),
		Text: capital(strings.Join(classes, ", ")) + ". A reviewer decides; until then the rates count what stands.", Act: "Show rates", URL: "/rates"}, nil
}
