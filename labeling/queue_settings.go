package labeling

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// QueueSettings is what whoever owns a queue decides about the work in it. The
// mix of harm and measurement is set apart (SetMix), with what it buys.
type QueueSettings struct {
	Title         string        `json:"title"`         // 1 to 80 characters
	Instructions  string        `json:"instructions"`  // stand above the choices; at most 2,000 characters
	LabelsWanted  int           `json:"labels_wanted"` // 1 to 9, of each item that comes from now on
	OverlapShare  float64       `json:"overlap_share"` // 0 to 1, of items that come from now on
	GoldShare     float64       `json:"gold_share"`    // 0 to 0.5, of reservations
	Lease         time.Duration `json:"lease"`         // a minute to 8 hours without presence
	VerdictHidden bool          `json:"verdict_hidden"`
	Blind         bool          `json:"blind"`
	SpansNeeded   bool          `json:"spans_needed"` // for hallucinated
	Reasons       []string      `json:"reasons"`      // 1 to 6 codes, in the order of the keys 5 to 0
}

// Settings are the queue's own.
func (q Queue) Settings() QueueSettings {
	return QueueSettings{
		Title: q.Title, Instructions: q.Instructions, LabelsWanted: q.LabelsWanted, OverlapShare: q.OverlapShare, GoldShare: q.GoldShare,
		Lease: q.Lease, VerdictHidden: q.VerdictHidden, Blind: q.Blind, SpansNeeded: q.SpansNeeded, Reasons: q.Reasons,
	}
}

// The most a queue may say of itself.
const (
	maxQueueTitle   = 80
	maxInstructions = 2000
	maxReasons      = 6
	maxReasonCode   = 60
	shortestLease   = time.Minute
	longestLease    = 8 * time.Hour
	maxGoldShare    = 0.5
)

// reasonCode is what a reason may be called: words of any script, small.
var reasonCode = regexp.MustCompile(`^[\p{Ll}\p{Lo}\p{M}\p{N}]+(_[\p{Ll}\p{Lo}\p{M}\p{N}]+)*$`)

func (set QueueSettings) checked() (QueueSettings, error) {
	set.Title, set.Instructions = strings.TrimSpace(set.Title), strings.TrimSpace(strings.ReplaceAll(set.Instructions, "\r\n", "\n"))
	switch {
	case set.Title == "" || utf8.RuneCountInString(set.Title) > maxQueueTitle:
		return set, fault.Say(fault.Invalid, "A queue needs a title of at most %d characters.", maxQueueTitle)
	case utf8.RuneCountInString(set.Instructions) > maxInstructions:
		return set, fault.Say(fault.Invalid, "Instructions have at most 2,000 characters. What is longer belongs in the guide.")
	case set.LabelsWanted < 1 || set.LabelsWanted > 9:
		return set, fault.Say(fault.Invalid, "An item wants 1 to 9 labels.")
	case !(set.OverlapShare >= 0 && set.OverlapShare <= 1):
		return set, fault.Say(fault.Invalid, "The share of second readings lies between 0 and 100 percent.")
	case !(set.GoldShare >= 0 && set.GoldShare <= maxGoldShare):
		return set, fault.Say(fault.Invalid, "The share of gold lies between 0 and 50 percent.")
	case set.Lease < shortestLease || set.Lease > longestLease:
		return set, fault.Say(fault.Invalid, "A reservation lasts 1 minute to 8 hours.")
	case len(set.Reasons) == 0 || len(set.Reasons) > maxReasons:
		return set, fault.Say(fault.Invalid, "A queue has 1 to 6 reasons: as many as there are keys for them.")
	}
	for i, code := range set.Reasons {
		if !reasonCode.MatchString(code) || len(code) > maxReasonCode {
			return set, fault.Say(fault.Invalid, "A reason is a few words of letters and digits, at most %d bytes of them.", maxReasonCode)
		}
		if slices.Contains(set.Reasons[:i], code) {
			return set, fault.Say(fault.Invalid, "Two reasons are the same.")
		}
	}
	return set, nil
}

// Configure changes what is decided about the work in a queue. What was
// labeled before stays as it was said; how many labels an item wants was
// decided when it came.
func (s *Store) Configure(ctx context.Context, actor auth.Actor, queue Queue, set QueueSettings) error {
	if err := actor.Require(auth.Configure); err != nil {
		return err
	}
	set, err := set.checked()
	if err != nil {
		return err
	}
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		before, err := lockQueue(ctx, tx, queue.ID)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			UPDATE queues
			SET title = $2, instructions = $3, labels_wanted = $4, overlap_share = $5, gold_share = $6, lease = $7,
			    verdict_hidden = $8, blind = $9, spans_needed = $10, reasons = $11
			WHERE id = $1`, queue.ID, set.Title, set.Instructions, set.LabelsWanted, set.OverlapShare, set.GoldShare, set.Lease,
			set.VerdictHidden, set.Blind, set.SpansNeeded, set.Reasons)
		if err != nil {
			return fmt.Errorf("configure queue %s: %w", queue.Slug, err)
		}
		return audit.Record(ctx, tx, audit.Entry{
			Actor: actor, Action: "queue.configure", Object: "queue/" + queue.Slug, Before: before.Settings(), After: set,
		})
	})
}

func lockQueue(ctx context.Context, tx pgx.Tx, id int64) (Queue, error) {
	return oneQueue(ctx, tx, `id = (SELECT id FROM queues WHERE id = $1 FOR UPDATE)`, id)
}

// Skips is why labelers left items of a queue to others.
type Skips struct {
	Reason string
	Items  int64
}

// SkippedBecause counts what was skipped in a queue since then, by reason, the
// most frequent first.
func (s *Store) SkippedBecause(ctx context.Context, actor auth.Actor, queue Queue, since time.Time) ([]Skips, error) {
	if err := mayReadQueues(actor); err != nil {
		return nil, err
	}
	if !seesAll(actor) {
		return nil, nil
	}
	rows, _ := s.DB.Query(ctx, `
		SELECT reason, count(*) AS items
		FROM reservations
		WHERE queue_id = $1 AND state = 'skipped' AND ended_at >= $2
		GROUP BY reason
		ORDER BY 2 DESC, 1`, queue.ID, since)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Skips])
	if err != nil {
		return nil, fmt.Errorf("skips in queue %s: %w", queue.Slug, err)
	}
	return list, nil
}
