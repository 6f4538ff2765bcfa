package labeling

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// The decisions about a labeler.
const (
	Suspend   = "suspend"   // nothing more is served, and what they labeled is read again
	Keep      = "keep"      // the signals were looked at and do not hold
	Reinstate = "reinstate" // a suspension ends
)

// StandingDecision is what a person decided about a labeler, and why.
type StandingDecision struct {
	ID        int64
	Decision  string
	Reason    string
	Gold      int // gold answers by then
	By        string
	DecidedAt time.Time
}

// DecideStanding suspends a labeler, keeps one whom signals accuse, or lets
// one come back. Signals never do it by themselves. A suspension has all the
// labeler's first labels read again; not one is deleted. Nobody decides about
// themselves.
func (s *Store) DecideStanding(ctx context.Context, actor auth.Actor, labeler int64, decision, reason string) error {
	if err := actor.Require(auth.Adjudicate); err != nil {
		return err
	}
	reason = strings.TrimSpace(reason)
	if reason == "" || len(reason) > 4*maxNote {
		return fault.Say(fault.Invalid, "Give the reason: the labeler will read it. At most 4,000 characters.")
	}
	report, err := s.report(ctx, labeler)
	if err != nil {
		return err
	}
	evidence, err := json.Marshal(map[string]any{"signals": report.Signals, "gold": report.Gold})
	if err != nil {
		return err
	}
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		var person *int64
		var suspended bool
		err := tx.QueryRow(ctx, `SELECT person_id, suspended_at IS NOT NULL FROM labelers WHERE id = $1 FOR UPDATE`, labeler).Scan(&person, &suspended)
		if errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("labeler %d: %w", labeler, fault.NotFound)
		}
		if err != nil {
			return err
		}
		if person != nil && *person == actor.ID {
			return fault.Say(fault.Denied, "Nobody decides about themselves. Ask another reviewer.")
		}
		if err := applyDecision(ctx, tx, labeler, decision, suspended); err != nil {
			return err
		}
		_, n := report.Gold.All()
		_, err = tx.Exec(ctx, `
			INSERT INTO standing_decisions (labeler_id, decision, reason, evidence, gold, decided_by)
			VALUES ($1, $2, $3, $4, $5, $6)`, labeler, decision, reason, evidence, n, actor.ID)
		if err != nil {
			return fmt.Errorf("decide about labeler %d: %w", labeler, err)
		}
		return audit.Record(ctx, tx, audit.Entry{
			Actor: actor, Action: "labeler." + decision, Object: fmt.Sprintf("labeler/%d", labeler), What: reason,
			After: map[string]any{"flags": report.Signals.Flags, "gold_answers": n},
		})
	})
}

func applyDecision(ctx context.Context, tx pgx.Tx, labeler int64, decision string, suspended bool) error {
	switch {
	case decision == Suspend && suspended:
		return fault.Say(fault.Conflict, "This labeler is suspended already.")
	case decision == Reinstate && !suspended, decision == Keep && suspended:
		return fault.Say(fault.Conflict, "This labeler’s standing has changed meanwhile. Look again.")
	case decision == Keep:
		return nil
	case decision == Suspend:
		return suspend(ctx, tx, labeler)
	case decision == Reinstate:
		_, err := tx.Exec(ctx, `UPDATE labelers SET suspended_at = NULL WHERE id = $1`, labeler)
		return err
	}
	return fault.Say(fault.Invalid, "Decide to suspend, to keep or to reinstate.")
}

// suspend serves the labeler nothing more, gives back what they hold, and has
// everything of which theirs is the first label read again: a second reading
// of probability one, so that rates stay unbiased. Locks go from reservation to
// item, as everywhere.
func suspend(ctx context.Context, tx pgx.Tx, labeler int64) error {
	batch := &pgx.Batch{}
	batch.Queue(`UPDATE labelers SET suspended_at = clock_timestamp(), doubted = true WHERE id = $1`, labeler)
	batch.Queue(`
		UPDATE reservations SET state = 'released', reason = 'suspended', ended_at = clock_timestamp()
		WHERE labeler_id = $1 AND state = 'held'`, labeler)
	batch.Queue(`
		UPDATE consensus c SET second_probability = 1, second_due = true
		FROM items i JOIN queues q ON q.id = i.queue_id
		WHERE i.id = c.item_id AND q.kind = 'standard' AND i.design = 'bottom_k' AND c.first_reading IS NOT NULL
		  AND (SELECT l.labeler_id FROM labels l WHERE l.item_id = c.item_id AND l.purpose = 'count' ORDER BY l.id LIMIT 1) = $1`, labeler)
	batch.Queue(`
		UPDATE items i SET wanted = 2, done_at = NULL
		FROM consensus c
		WHERE c.item_id = i.id AND c.second_due AND c.readings < 2 AND c.method <> 'adjudicated' AND i.wanted < 2
		  AND i.removed_at IS NULL
		  AND i.id IN (SELECT item_id FROM labels WHERE labeler_id = $1 AND purpose = 'count')`, labeler)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("suspend labeler %d: %w", labeler, err)
	}
	return nil
}

// mayBeServed refuses a suspended labeler, and returns what the others can
// judge.
func (s *Store) mayBeServed(ctx context.Context, labeler int64) (able Skills, err error) {
	var since *time.Time
	err = s.DB.QueryRow(ctx, `SELECT suspended_at, task_classes, languages FROM labelers WHERE id = $1`, labeler).Scan(&since, &able.TaskClasses, &able.Languages)
	if err != nil {
		return able, fmt.Errorf("labeler %d: %w", labeler, err)
	}
	return able, notSuspended(since)
}

func notSuspended(since *time.Time) error {
	if since != nil {
		return fault.Say(fault.Denied, "Your labeling is suspended since %s. The reason is on your labeler page; a reviewer can end it.", since.UTC().Format("2 January 15:04 UTC"))
	}
	return nil
}

// decisionsAbout lists the decisions about a labeler, newest first.
func (s *Store) decisionsAbout(ctx context.Context, labeler int64) ([]StandingDecision, error) {
	rows, _ := s.DB.Query(ctx, `
		SELECT d.id, d.decision, d.reason, d.gold, coalesce(p.name, 'somebody') AS by, d.decided_at
		FROM standing_decisions d LEFT JOIN people p ON p.id = d.decided_by
		WHERE d.labeler_id = $1
		ORDER BY d.id DESC
		LIMIT 100`, labeler)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[StandingDecision])
	if err != nil {
		return nil, fmt.Errorf("decisions about labeler %d: %w", labeler, err)
	}
	return list, nil
}
