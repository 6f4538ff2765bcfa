package telemetry

import (
	"context"
	"time"

	"github.com/google/uuid"

	"assay/internal/auth"
)

// Checkable is a response whose artifact a validator could look at.
type Checkable struct {
	EventID      uuid.UUID
	SessionID    string
	TaskClass    string
	ModelVersion string
	ArtifactKind string
}

// Checkable hands over, in chunks, the responses with an artifact of one of
// the kinds that landed in [from, to) and whose text was kept. Stretches may
// overlap; a response may come more than once.
func (s *Store) Checkable(ctx context.Context, actor auth.Actor, from, to time.Time, kinds []string, each func(context.Context, []Checkable) error) error {
	if err := actor.Require(auth.RunWork); err != nil {
		return err
	}
	if len(kinds) == 0 {
		return nil
	}
	var some []Checkable
	hand := func() error {
		if len(some) == 0 {
			return nil
		}
		err := each(ctx, some)
		some = nil
		return err
	}
	err := s.eachRow(ctx, func(scan func(...any) error) error {
		var c Checkable
		if err := scan(&c.EventID, &c.SessionID, &c.TaskClass, &c.ModelVersion, &c.ArtifactKind); err != nil {
			return err
		}
		if some = append(some, c); len(some) == 5000 {
			return hand()
		}
		return nil
	}, `
		SELECT event_id, session_id, task_class, model_version, artifact_kind
		FROM events
		WHERE drained_at >= ? AND drained_at < ?
		AND artifact_kind IN (?) AND text_kept AND event_type IN ('assistant_response', 'interaction')
		ORDER BY drained_at, event_id`, from.Add(-landingTakes), to, kinds)
	if err != nil {
		return err
	}
	return hand()
}
