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

// Wanted says which responses a validator could look at: those with an artifact
// of one of the kinds, and with AnyText those without one too. Only responses
// whose text was kept are among them.
type Wanted struct {
	Kinds   []string
	AnyText bool
}

// Checkable hands over, in chunks, the wanted responses that landed in
// [from, to). Stretches may overlap; a response may come more than once.
func (s *Store) Checkable(ctx context.Context, actor auth.Actor, from, to time.Time, wanted Wanted, each func(context.Context, []Checkable) error) error {
	if err := actor.Require(auth.RunWork); err != nil {
		return err
	}
	return s.eachCheckable(ctx, "events", wanted, each, `drained_at >= ? AND drained_at < ?`, from.Add(-landingTakes), to)
}

// CheckableWindow selects responses by the time they were given, half-open.
type CheckableWindow struct {
	From, To     time.Time
	TaskClass    string // "" is all
	ModelVersion string // "" is all
}

// CheckableIn hands over, in chunks, the wanted responses of a window of event
// time, each once and without its text.
func (s *Store) CheckableIn(ctx context.Context, actor auth.Actor, w CheckableWindow, wanted Wanted, each func(context.Context, []Checkable) error) error {
	if !actor.May(auth.Configure) {
		if err := actor.Require(auth.SeeMeasures); err != nil {
			return err
		}
	}
	return s.eachCheckable(ctx, allEvents, wanted, each,
		`effective_time >= ? AND effective_time < ? AND (? = '' OR task_class = ?) AND (? = '' OR model_version = ?)`,
		w.From, w.To, w.TaskClass, w.TaskClass, w.ModelVersion, w.ModelVersion)
}

func (s *Store) eachCheckable(ctx context.Context, from string, wanted Wanted, each func(context.Context, []Checkable) error, where string, args ...any) error {
	if len(wanted.Kinds) == 0 && !wanted.AnyText {
		return nil
	}
	kinds := append([]string{"-"}, wanted.Kinds...) // an empty list is no list to ClickHouse
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
		FROM `+from+`
		WHERE `+where+` AND (artifact_kind IN (?) OR ?)
		AND text_kept AND event_type IN ('assistant_response', 'interaction')
		ORDER BY drained_at, event_id`, append(args, kinds, wanted.AnyText)...)
	if err != nil {
		return err
	}
	return hand()
}
