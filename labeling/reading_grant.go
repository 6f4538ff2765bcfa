package labeling

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
	"assay/telemetry"
)

// grantApprovals is how many people must agree to a reading grant.
const grantApprovals = 2

// grantLasts is the longest a grant may last.
const grantLasts = 31 * 24 * time.Hour

// ReadingGrant is the right of named labelers to read a queue's unredacted
// text, where it is sealed at all: consent class full, captured raw.
type ReadingGrant struct {
	ID          int64
	Queue       string // its slug
	QueueTitle  string
	Reason      string
	RequestedBy int64
	Requester   string
	RequestedAt time.Time
	Until       time.Time
	Labelers    []string
	Approvers   []string
	EndedAt     *time.Time
	EndedBy     string
	Approved    bool // the reader has approved it
	Reads       bool // the reader is one of its labelers
}

// State is waiting, active, over or ended.
func (g ReadingGrant) State(now time.Time) string {
	switch {
	case g.EndedAt != nil:
		return "ended"
	case !now.Before(g.Until):
		return "over"
	case len(g.Approvers) < grantApprovals:
		return "waiting"
	}
	return "active"
}

const grantQuery = `
	SELECT g.id, q.slug AS queue, q.title AS queue_title, g.reason, g.requested_by, r.name AS requester, g.requested_at, g.until,
	       ARRAY(SELECT p.name FROM reading_grant_labelers l JOIN people p ON p.id = l.person_id WHERE l.grant_id = g.id ORDER BY p.name) AS labelers,
	       ARRAY(SELECT p.name FROM reading_grant_approvals a JOIN people p ON p.id = a.person_id WHERE a.grant_id = g.id ORDER BY a.approved_at) AS approvers,
	       g.ended_at, coalesce(e.name, '') AS ended_by,
	       EXISTS (SELECT FROM reading_grant_approvals a WHERE a.grant_id = g.id AND a.person_id = $1) AS approved,
	       EXISTS (SELECT FROM reading_grant_labelers l WHERE l.grant_id = g.id AND l.person_id = $1) AS reads
	FROM reading_grants g
	JOIN queues q ON q.id = g.queue_id
	JOIN people r ON r.id = g.requested_by
	LEFT JOIN people e ON e.id = g.ended_by`

// ReadingGrants lists the grants, those that wait or hold first: all to who
// asks for or approves them, to others those that name them.
func (s *Store) ReadingGrants(ctx context.Context, actor auth.Actor) ([]ReadingGrant, error) {
	if err := actor.Require(auth.SeeReveals); err != nil {
		return nil, err
	}
	rows, _ := s.DB.Query(ctx, grantQuery+`
		WHERE $2 OR EXISTS (SELECT FROM reading_grant_labelers l WHERE l.grant_id = g.id AND l.person_id = $1)
		ORDER BY g.ended_at IS NULL AND g.until > now() DESC, g.id DESC
		LIMIT 200`, actor.ID, actor.May(auth.Configure) || actor.May(auth.ApproveReveal))
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[ReadingGrant])
	if err != nil {
		return nil, fmt.Errorf("reading grants: %w", err)
	}
	return list, nil
}

// GrantLabelers lists who may be named in a grant.
func (s *Store) GrantLabelers(ctx context.Context, actor auth.Actor) ([]Known, error) {
	if err := actor.Require(auth.Configure); err != nil {
		return nil, err
	}
	rows, _ := s.DB.Query(ctx, `
		SELECT p.id, p.name FROM people p
		WHERE p.disabled_at IS NULL AND EXISTS (SELECT FROM person_roles r WHERE r.person_id = p.id AND r.role IN ('labeler', 'reviewer'))
		ORDER BY lower(p.name), p.id
		LIMIT 500`)
	return pgx.CollectRows(rows, pgx.RowToStructByName[Known])
}

// RequestGrant asks that the labelers may read a queue's unredacted text until
// then. It gives nothing before two others have agreed.
func (s *Store) RequestGrant(ctx context.Context, actor auth.Actor, queue, reason string, labelers []int64, until time.Time) error {
	if err := actor.Require(auth.Configure); err != nil {
		return err
	}
	if actor.Kind != auth.Person {
		return fault.Say(fault.Denied, "Only a person asks for a reading grant.")
	}
	q, err := s.queueBySlug(ctx, queue)
	if err != nil {
		return fault.Say(fault.NotFound, "There is no queue of this name.")
	}
	reason = strings.TrimSpace(reason)
	known, err := s.GrantLabelers(ctx, actor)
	if err != nil {
		return err
	}
	named := slices.DeleteFunc(slices.Clone(known), func(k Known) bool { return !slices.Contains(labelers, k.ID) })
	left := time.Until(until)
	switch n := len([]rune(reason)); {
	case n < 10 || n > 500:
		return fault.Say(fault.Invalid, "Say in 10 to 500 characters what the unredacted text is needed for; two people decide by it.")
	case len(named) == 0 || len(named) > 50:
		return fault.Say(fault.Invalid, "Name 1 to 50 labelers.")
	case left <= 0 || left > grantLasts-time.Minute:
		return fault.Say(fault.Invalid, "A reading grant ends within 31 days.")
	}
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		var id int64
		err := tx.QueryRow(ctx, `
			INSERT INTO reading_grants (queue_id, reason, requested_by, until) VALUES ($1, $2, $3, $4) RETURNING id`, q.ID, reason, actor.ID, until).Scan(&id)
		if err != nil {
			return fmt.Errorf("ask for a reading grant on %s: %w", queue, err)
		}
		var ids []int64
		for _, k := range named {
			ids = append(ids, k.ID)
			if _, err := tx.Exec(ctx, `INSERT INTO reading_grant_labelers (grant_id, person_id) VALUES ($1, $2)`, id, k.ID); err != nil {
				return err
			}
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "grant.request", Object: fmt.Sprintf("grant/%d", id), What: "read queue " + queue, Reason: reason,
			After: map[string]any{"queue": queue, "people": ids, "until": until}})
	})
}

// ApproveGrant agrees to a grant. The second agreement makes it hold. Nobody
// agrees to what they asked for or will read.
func (s *Store) ApproveGrant(ctx context.Context, actor auth.Actor, id int64) error {
	if err := actor.Require(auth.ApproveReveal); err != nil {
		return err
	}
	return s.changeGrant(ctx, actor, id, "grant.approve", func(tx pgx.Tx, g ReadingGrant) error {
		switch {
		case g.State(time.Now()) != "waiting":
			return fault.Say(fault.Conflict, "This grant does not wait for anybody any more.")
		case g.RequestedBy == actor.ID || g.Reads:
			return fault.Say(fault.Denied, "Who asked for a grant, or reads under it, does not approve it.")
		case g.Approved:
			return fault.Say(fault.Conflict, "You have approved this grant. A second person is needed.")
		}
		_, err := tx.Exec(ctx, `INSERT INTO reading_grant_approvals (grant_id, person_id) VALUES ($1, $2)`, id, actor.ID)
		return err
	})
}

// EndGrant denies a grant that waits, or ends one that holds: whoever may
// approve it, and whoever asked for it.
func (s *Store) EndGrant(ctx context.Context, actor auth.Actor, id int64) error {
	if !actor.May(auth.Configure) {
		if err := actor.Require(auth.ApproveReveal); err != nil {
			return err
		}
	}
	return s.changeGrant(ctx, actor, id, "grant.end", func(tx pgx.Tx, g ReadingGrant) error {
		if state := g.State(time.Now()); state != "waiting" && state != "active" {
			return fault.Say(fault.Conflict, "This grant has ended already.")
		}
		if !actor.May(auth.ApproveReveal) && g.RequestedBy != actor.ID {
			return fault.Say(fault.Denied, "Only who asked, or who may approve, ends a grant.")
		}
		_, err := tx.Exec(ctx, `UPDATE reading_grants SET ended_at = clock_timestamp(), ended_by = $2 WHERE id = $1`, id, actor.ID)
		return err
	})
}

func (s *Store) changeGrant(ctx context.Context, actor auth.Actor, id int64, action string, change func(pgx.Tx, ReadingGrant) error) error {
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT FROM reading_grants WHERE id = $1 FOR UPDATE`, id); err != nil {
			return err
		}
		rows, _ := tx.Query(ctx, grantQuery+` WHERE g.id = $2`, actor.ID, id)
		g, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[ReadingGrant])
		if errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("reading grant %d: %w", id, fault.NotFound)
		}
		if err != nil {
			return fmt.Errorf("reading grant %d: %w", id, err)
		}
		if err := change(tx, g); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: action, Object: fmt.Sprintf("grant/%d", id), What: "read queue " + g.Queue})
	})
}

// Unredacted is what a labeler reads under a grant.
type Unredacted struct {
	telemetry.RawText
	Grant int64
	Until time.Time
}

// activeGrant is the grant under which the person may read the queue now; no
// rows when there is none.
const activeGrant = `
	SELECT g.id, g.until
	FROM reading_grants g
	JOIN reading_grant_labelers l ON l.grant_id = g.id AND l.person_id = $2
	WHERE g.queue_id = $1 AND g.ended_at IS NULL AND g.until > clock_timestamp()
	  AND (SELECT count(*) FROM reading_grant_approvals a WHERE a.grant_id = g.id) >= 2
	ORDER BY g.until DESC
	LIMIT 1`

// Unredact opens the text of an item that the actor holds, where a grant on
// its queue names them; nil where there is none, or nothing was sealed. Each
// opening is an entry in the audit, in its transaction: without the entry
// there is no text.
func (s *Store) Unredact(ctx context.Context, actor auth.Actor, item Item) (*Unredacted, error) {
	if err := actor.Require(auth.Label); err != nil {
		return nil, err
	}
	if s.RawText == nil || actor.Kind != auth.Person || item.Reservation == nil {
		return nil, nil
	}
	var u Unredacted
	err := s.DB.QueryRow(ctx, activeGrant, item.QueueID, actor.ID).Scan(&u.Grant, &u.Until)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("grant on item %d: %w", item.ID, err)
	}
	u.RawText, err = s.RawText(ctx, actor, item.EventID, fmt.Sprintf("reading grant %d, item %d", u.Grant, item.ID), func(ctx context.Context, tx pgx.Tx) error {
		// Asked again where the text is opened: a grant that ended a moment ago opens nothing.
		var holds bool
		err := tx.QueryRow(ctx, `
			SELECT EXISTS (`+activeGrant+`) AND EXISTS (
				SELECT FROM reservations r JOIN labelers w ON w.id = r.labeler_id
				WHERE r.item_id = $3 AND w.person_id = $2 AND r.state = 'held' AND r.lease_until > clock_timestamp())`,
			item.QueueID, actor.ID, item.ID).Scan(&holds)
		if err == nil && !holds {
			err = fault.Say(fault.Denied, "The reading grant, or your reservation, has ended.")
		}
		return err
	})
	if fault.Of(err) == fault.NotFound {
		return nil, nil // nothing was sealed: there is only the redacted text
	}
	return &u, err
}

// OpensRaw opens what an event said before it was redacted, when allowed says
// so in the same transaction as the audit's entry.
type OpensRaw func(ctx context.Context, actor auth.Actor, event uuid.UUID, reason string, allowed func(context.Context, pgx.Tx) error) (telemetry.RawText, error)
