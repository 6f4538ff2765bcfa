package web

import (
	"context"
	"slices"
	"time"

	"assay/internal/auth"
	"assay/web/ui"
)

// An audit whose oldest unsealed entry waits longer than this is not whole.
const auditMayWait = 5 * time.Minute

// auditOverview tells an auditor how the signed tree stands.
func (s *site) auditOverview(ctx context.Context, actor auth.Actor) (overview, error) {
	if !slices.Contains(actor.Roles, auth.Auditor) || s.Audit == nil {
		return overview{}, nil
	}
	status, err := s.Audit.Status(ctx)
	if err != nil {
		return overview{}, err
	}
	part := overview{
		Sentence: "Every entry is in the signed tree.",
		Detail:   ui.CountOf(status.Leaves+status.Waiting, "entry", "entries") + ", " + ui.Count(status.Leaves) + " of them sealed.",
	}
	switch {
	case status.Oldest > auditMayWait:
		part.Urgency, part.Sentence = today, ui.CountOf(status.Waiting, "entry waits", "entries wait")+" to be sealed."
		part.Needs = append(part.Needs, need{Urgency: today, Icon: ui.IconShield, Title: "The signed tree is behind",
			Text: "The oldest entry has waited for " + ui.Age(status.Oldest) + ". Sealing is the work of “assay work”.", Act: "Open", URL: "/audit"})
	case status.Waiting > 0:
		part.Sentence = "The audit is being sealed."
	}
	checkpoint := "none yet"
	if !status.LastCheckpoint.IsZero() {
		checkpoint = ui.Age(s.now().Sub(status.LastCheckpoint)) + " ago"
	}
	part.Side = append(part.Side, ui.Stats{Grid: true, Items: []ui.Stat{
		{Term: "Entries", Figure: ui.Count(status.Leaves + status.Waiting), URL: "/audit"},
		{Term: "Checkpoint", Figure: checkpoint, Base: "signed"},
	}})
	return part, nil
}
