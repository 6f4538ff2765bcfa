package labeling

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
	"assay/internal/stats"
)

// Comparison holds two model versions against each other: labelers see pairs
// of their responses to the same question, and not which is whose.
type Comparison struct {
	ID        int64
	Slug      string
	Title     string
	TaskClass string
	First     string // model version
	Second    string // model version
	Wanted    int    // labelers a pair
	Lease     time.Duration
	CreatedBy string
	CreatedAt time.Time
	Pairs     int64
	Compared  int64 // pairs with a preference that stands
	Mine      int64 // of the actor
}

// Pair is two responses as one labeler sees them; Left and Right say nothing
// of the versions.
type Pair struct {
	ID         int64
	Comparison Comparison
	Token      uuid.UUID
	LeaseUntil time.Time
	Prompt     string
	Context    []string
	Left       Snapshot
	Right      Snapshot
}

// Sides are what a labeler may answer, in the order of the keys a, b and e.
var Sides = []string{"a", "b", "equal"}

const comparisonQuery = `
	SELECT c.id, c.slug, c.title, c.task_class, c.first, c.second, c.wanted, c.lease, c.created_by, c.created_at,
	       (SELECT count(*) FROM pairs p WHERE p.comparison_id = c.id) AS pairs,
	       (SELECT count(*) FROM pairs p WHERE p.comparison_id = c.id AND EXISTS (SELECT FROM standing s WHERE s.pair_id = p.id)) AS compared,
	       (SELECT count(*) FROM standing s JOIN pairs p ON p.id = s.pair_id WHERE p.comparison_id = c.id AND s.labeler_id = $1) AS mine
	FROM comparisons c`

// standing are the preferences that are not taken back, at their last revision.
const standing = `
	WITH standing AS (
		SELECT * FROM (
			SELECT DISTINCT ON (pair_id, labeler_id) * FROM preferences ORDER BY pair_id, labeler_id, revision DESC) AS last
		WHERE side IS NOT NULL)`

// Comparisons lists them, newest first. Whoever labels reads no versions.
func (s *Store) Comparisons(ctx context.Context, actor auth.Actor) ([]Comparison, error) {
	return s.comparisons(ctx, actor, "")
}

// Comparison returns the one of that address.
func (s *Store) Comparison(ctx context.Context, actor auth.Actor, slug string) (Comparison, error) {
	list, err := s.comparisons(ctx, actor, slug)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("comparison %s: %w", slug, fault.NotFound)
	}
	if err != nil {
		return Comparison{}, err
	}
	return list[0], nil
}

func (s *Store) comparisons(ctx context.Context, actor auth.Actor, slug string) ([]Comparison, error) {
	if err := mayReadQueues(actor); err != nil {
		return nil, err
	}
	labeler, err := s.readerOf(ctx, actor)
	if err != nil {
		return nil, err
	}
	rows, _ := s.DB.Query(ctx, standing+comparisonQuery+` WHERE $2 = '' OR c.slug = $2 ORDER BY c.id DESC LIMIT 200`, labeler, slug)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Comparison])
	if err != nil {
		return nil, fmt.Errorf("comparisons: %w", err)
	}
	if actor.May(auth.Label) {
		for i := range list {
			list[i].First, list[i].Second = "", ""
		}
	}
	return list, nil
}

// maxPairs is how many questions a comparison holds at most.
const maxPairs = 2_000

// Compare makes a comparison of all questions that both versions answered and
// that came into a queue: one pair a question, responses that differ.
func (s *Store) Compare(ctx context.Context, actor auth.Actor, title, taskClass, first, second string, wanted int) (Comparison, error) {
	if err := actor.Require(auth.Configure); err != nil {
		return Comparison{}, err
	}
	title = strings.Join(strings.Fields(title), " ")
	slug := strings.Trim(notInSlug.ReplaceAllString(strings.ToLower(title), "-"), "-")
	slug = strings.Trim(slug[:min(len(slug), 80)], "-")
	switch {
	case slug == "" || len([]rune(title)) > 120:
		return Comparison{}, fault.Say(fault.Invalid, "A comparison needs a name of 1 to 120 characters, with a letter or digit from a to z.")
	case first == "" || second == "" || first == second:
		return Comparison{}, fault.Say(fault.Invalid, "Name two different model versions.")
	case wanted < 1 || wanted > 9:
		return Comparison{}, fault.Say(fault.Invalid, "A pair is read by 1 to 9 labelers.")
	}
	err := postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		var id int64
		err := tx.QueryRow(ctx, `
			INSERT INTO comparisons (slug, title, task_class, first, second, wanted, created_by)
			VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT DO NOTHING
			RETURNING id`, slug, title, taskClass, first, second, wanted, actor.Name).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return fault.Say(fault.Conflict, "There is a comparison of this name already.")
		}
		if err != nil {
			return fmt.Errorf("compare %s with %s: %w", first, second, err)
		}
		tag, err := tx.Exec(ctx, `
			WITH answered AS (
				SELECT DISTINCT ON (i.model_version, question) i.id, i.model_version, i.snapshot->>'response' AS response,
				       md5(coalesce(nullif(i.snapshot->>'case_id', ''), i.snapshot->>'prompt')) AS question
				FROM items i
				WHERE i.task_class = $2 AND i.model_version IN ($3, $4) AND i.removed_at IS NULL
				  AND coalesce(i.snapshot->>'prompt', '') <> '' AND coalesce(i.snapshot->>'response', '') <> ''
				ORDER BY i.model_version, question, i.event_time DESC, i.id
			)
			INSERT INTO pairs (comparison_id, first_item, second_item)
			SELECT $1, f.id, s.id
			FROM answered f JOIN answered s USING (question)
			WHERE f.model_version = $3 AND s.model_version = $4 AND f.response <> s.response
			ORDER BY f.question
			LIMIT $5`, id, taskClass, first, second, maxPairs)
		if err != nil {
			return fmt.Errorf("pairs of %s and %s: %w", first, second, err)
		}
		if tag.RowsAffected() == 0 {
			return fault.Say(fault.Invalid, "No question of this task class was answered by both versions, with different answers, among the items of the queues.")
		}
		return audit.Record(ctx, tx, audit.Entry{
			Actor: actor, Action: "comparison.open", Object: "comparison/" + slug, What: fmt.Sprintf("%d pairs", tag.RowsAffected()),
			After: map[string]any{"task_class": taskClass, "first": first, "second": second, "wanted": wanted},
		})
	})
	if err != nil {
		return Comparison{}, err
	}
	return s.Comparison(ctx, actor, slug)
}

// ReservePair holds the next pair for the actor: what they hold already, else
// the next in a random order that still wants a labeler. Which response stands
// left is drawn here. ErrNothingFree when there is none.
func (s *Store) ReservePair(ctx context.Context, actor auth.Actor, slug string) (int64, error) {
	if err := actor.Require(auth.Label); err != nil {
		return 0, err
	}
	labeler, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return 0, err
	}
	c, err := s.Comparison(ctx, actor, slug)
	if err != nil {
		return 0, err
	}
	var pair int64
	err = postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		// One at a time chooses in a comparison: with the lock, what the
		// statement counts is what there is.
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(7217, $1::int)`, c.ID); err != nil {
			return err
		}
		return tx.QueryRow(ctx, standing+`, next AS (
				SELECT p.id
				FROM pairs p
				WHERE p.comparison_id = $1
				  AND NOT EXISTS (SELECT FROM standing s WHERE s.pair_id = p.id AND s.labeler_id = $2)
				  AND (SELECT count(*) FROM standing s WHERE s.pair_id = p.id)
				    + (SELECT count(*) FROM pair_holds h WHERE h.pair_id = p.id AND h.labeler_id <> $2 AND h.lease_until > clock_timestamp()) < $3
				ORDER BY EXISTS (SELECT FROM pair_holds h WHERE h.pair_id = p.id AND h.labeler_id = $2) DESC, p.u
				LIMIT 1
			)
			INSERT INTO pair_holds AS h (pair_id, labeler_id, flipped, lease_until)
			SELECT id, $2, $4, clock_timestamp() + $5 FROM next
			ON CONFLICT (pair_id, labeler_id) DO UPDATE SET lease_until = EXCLUDED.lease_until
			RETURNING pair_id`, c.ID, labeler, c.Wanted, s.draw() < 0.5, c.Lease).Scan(&pair)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, ErrNothingFree
	}
	if err != nil {
		return 0, fmt.Errorf("reserve in comparison %s: %w", slug, err)
	}
	return pair, nil
}

// Pair returns a pair that the actor holds.
func (s *Store) Pair(ctx context.Context, actor auth.Actor, id int64) (Pair, error) {
	if err := actor.Require(auth.Label); err != nil {
		return Pair{}, err
	}
	labeler, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return Pair{}, err
	}
	p := Pair{ID: id}
	var slug string
	var flipped bool
	var first, second []byte
	err = s.DB.QueryRow(ctx, `
		SELECT c.slug, h.token, h.lease_until, h.flipped, coalesce(f.snapshot, '{}'), coalesce(s.snapshot, '{}')
		FROM pair_holds h
		JOIN pairs p ON p.id = h.pair_id
		JOIN comparisons c ON c.id = p.comparison_id
		JOIN items f ON f.id = p.first_item
		JOIN items s ON s.id = p.second_item
		WHERE h.pair_id = $1 AND h.labeler_id = $2 AND h.lease_until > clock_timestamp()`, id, labeler).Scan(&slug, &p.Token, &p.LeaseUntil, &flipped, &first, &second)
	if errors.Is(err, pgx.ErrNoRows) {
		return p, fault.Say(fault.NotFound, "You do not hold this pair, or not any more. Take the next one.")
	}
	if err != nil {
		return p, fmt.Errorf("pair %d: %w", id, err)
	}
	if flipped {
		first, second = second, first
	}
	for _, side := range []struct {
		text []byte
		into *Snapshot
	}{{first, &p.Left}, {second, &p.Right}} {
		if err := json.Unmarshal(side.text, side.into); err != nil {
			return p, fmt.Errorf("snapshot of pair %d: %w", id, err)
		}
	}
	p.Prompt, p.Context = p.Left.Prompt, p.Left.Context
	p.Comparison, err = s.Comparison(ctx, actor, slug)
	return p, err
}

// Prefer records which side of a held pair is better: a is left, b right. The
// same key again changes nothing; a lapsed hold is a Conflict.
func (s *Store) Prefer(ctx context.Context, actor auth.Actor, pair int64, token uuid.UUID, key, side string) error {
	if err := actor.Require(auth.Label); err != nil {
		return err
	}
	if !slices.Contains(Sides, side) {
		return fault.Say(fault.Invalid, "Choose a, b or equal.")
	}
	if strings.TrimSpace(key) == "" || len(key) > 200 {
		return fault.Say(fault.Invalid, "A preference needs an idempotency key of at most 200 characters.")
	}
	labeler, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return err
	}
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		var again bool
		err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM preferences WHERE labeler_id = $1 AND pair_id = $2 AND idempotency_key = $3)`, labeler, pair, key).Scan(&again)
		if err != nil || again {
			return err
		}
		var id int64
		err = tx.QueryRow(ctx, `
			WITH held AS (
				DELETE FROM pair_holds
				WHERE pair_id = $1 AND labeler_id = $2 AND token = $3 AND lease_until > clock_timestamp()
				RETURNING flipped, held_at
			)
			INSERT INTO preferences (pair_id, labeler_id, revision, side, flipped, idempotency_key, elapsed_ms)
			SELECT $1, $2, (SELECT coalesce(max(revision), 0) + 1 FROM preferences WHERE pair_id = $1 AND labeler_id = $2), $4, flipped, $5,
			       (1000 * extract(epoch FROM clock_timestamp() - held_at))::bigint
			FROM held
			RETURNING id`, pair, labeler, token, side, key).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return fault.Say(fault.Conflict, "Your hold on this pair has run out. Take the next one; this one comes again.")
		}
		if err != nil {
			return fmt.Errorf("prefer in pair %d: %w", pair, err)
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "preference.give", Object: fmt.Sprintf("pair/%d", pair), What: side, After: map[string]any{"preference_id": id}})
	})
}

// TakeBack withdraws the actor's preference of a pair and holds it for them
// again, the sides as they stood.
func (s *Store) TakeBack(ctx context.Context, actor auth.Actor, pair int64) error {
	if err := actor.Require(auth.Label); err != nil {
		return err
	}
	labeler, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return err
	}
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
			INSERT INTO preferences (pair_id, labeler_id, revision, side, flipped, idempotency_key)
			SELECT pair_id, labeler_id, revision + 1, NULL, flipped, 'undo/' || id
			FROM (SELECT * FROM preferences WHERE pair_id = $1 AND labeler_id = $2 ORDER BY revision DESC LIMIT 1) AS last
			WHERE side IS NOT NULL`, pair, labeler)
		if err != nil {
			return fmt.Errorf("take back pair %d: %w", pair, err)
		}
		if tag.RowsAffected() == 0 {
			return fault.Say(fault.Conflict, "There is no preference of yours to take back.")
		}
		_, err = tx.Exec(ctx, `
			INSERT INTO pair_holds (pair_id, labeler_id, flipped, lease_until)
			SELECT p.id, $2, (SELECT flipped FROM preferences WHERE pair_id = $1 AND labeler_id = $2 ORDER BY revision DESC LIMIT 1), clock_timestamp() + c.lease
			FROM pairs p JOIN comparisons c ON c.id = p.comparison_id
			WHERE p.id = $1
			ON CONFLICT (pair_id, labeler_id) DO UPDATE SET lease_until = EXCLUDED.lease_until`, pair, labeler)
		if err != nil {
			return fmt.Errorf("take back pair %d: %w", pair, err)
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "preference.undo", Object: fmt.Sprintf("pair/%d", pair)})
	})
}

// Preferred counts what labelers preferred. The rate is of pairs with a
// winner, one reading a pair (its first), so that pairs are independent.
type Preferred struct {
	First, Second, Equal int
	Share                float64 // of First among pairs with a winner
	Interval             stats.Interval
	Left, Sided          int // readings that chose the left side, of those that chose one: a check on the side
	LeftShare            float64
	LeftInterval         stats.Interval
}

// Decided is how many pairs have a winner.
func (p Preferred) Decided() int { return p.First + p.Second }

// Preferences returns what a comparison came to so far.
func (s *Store) Preferences(ctx context.Context, actor auth.Actor, comparison int64) (Preferred, error) {
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return Preferred{}, err
	}
	var p Preferred
	err := s.DB.QueryRow(ctx, standing+`, ours AS (
			SELECT s.* FROM standing s JOIN pairs p ON p.id = s.pair_id WHERE p.comparison_id = $1
		), firsts AS (
			SELECT DISTINCT ON (pair_id) preferred FROM ours ORDER BY pair_id, id
		)
		SELECT (SELECT count(*) FROM firsts WHERE preferred = 'first'), (SELECT count(*) FROM firsts WHERE preferred = 'second'),
		       (SELECT count(*) FROM firsts WHERE preferred = 'equal'),
		       (SELECT count(*) FROM ours WHERE side = 'a'), (SELECT count(*) FROM ours WHERE side IN ('a', 'b'))`, comparison).Scan(
		&p.First, &p.Second, &p.Equal, &p.Left, &p.Sided)
	if err != nil {
		return p, fmt.Errorf("preferences of comparison %d: %w", comparison, err)
	}
	if p.Decided() > 0 {
		p.Share = float64(p.First) / float64(p.Decided())
		if p.Interval, err = stats.Wilson(p.First, p.Decided(), 0.95); err != nil {
			return p, err
		}
	}
	if p.Sided > 0 {
		p.LeftShare = float64(p.Left) / float64(p.Sided)
		p.LeftInterval, err = stats.Wilson(p.Left, p.Sided, 0.95)
	}
	return p, err
}

// Preference is one revision as it leaves the product.
type Preference struct {
	ID            int64     `json:"id"`
	Comparison    string    `json:"comparison"`
	PairID        int64     `json:"pair_id"`
	TaskClass     string    `json:"task_class"`
	FirstModel    string    `json:"first_model"`
	SecondModel   string    `json:"second_model"`
	FirstEventID  uuid.UUID `json:"first_event_id"`
	SecondEventID uuid.UUID `json:"second_event_id"`
	Labeler       string    `json:"labeler"` // pseudonym
	Revision      int       `json:"revision"`
	Latest        bool      `json:"latest"`
	Side          *string   `json:"side"` // what was pressed: a stood left; null takes it back
	LeftModel     string    `json:"left_model"`
	Preferred     *string   `json:"preferred"` // first, second, equal
	ElapsedMS     *int64    `json:"elapsed_ms"`
	CreatedAt     time.Time `json:"created_at"`
}

// ExportPreferences checks and records an export and returns what writes it,
// every revision in the order given: format is jsonl or csv.
func (s *Store) ExportPreferences(ctx context.Context, actor auth.Actor, slug, format string) (func(context.Context, io.Writer) error, error) {
	if err := actor.Require(auth.ExportLabels); err != nil {
		return nil, err
	}
	if format != "jsonl" && format != "csv" {
		return nil, fault.Say(fault.Invalid, "The format is jsonl or csv.")
	}
	c, err := s.Comparison(ctx, actor, slug)
	if err != nil {
		return nil, err
	}
	err = postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "comparison.export", Object: "comparison/" + slug, What: format})
	})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, to io.Writer) error {
		rows, _ := s.DB.Query(ctx, `
			SELECT f.id, c.slug AS comparison, p.id AS pair_id, c.task_class, c.first AS first_model, c.second AS second_model,
			       a.event_id AS first_event_id, b.event_id AS second_event_id, w.pseudonym AS labeler, f.revision,
			       NOT EXISTS (SELECT FROM preferences n WHERE n.pair_id = f.pair_id AND n.labeler_id = f.labeler_id AND n.revision > f.revision) AS latest,
			       f.side, CASE WHEN f.flipped THEN c.second ELSE c.first END AS left_model, f.preferred, f.elapsed_ms, f.created_at
			FROM preferences f
			JOIN pairs p ON p.id = f.pair_id
			JOIN comparisons c ON c.id = p.comparison_id
			JOIN items a ON a.id = p.first_item
			JOIN items b ON b.id = p.second_item
			JOIN labelers w ON w.id = f.labeler_id
			WHERE c.id = $1
			ORDER BY f.id`, c.ID)
		defer rows.Close()
		return writePreferences(rows, to, format)
	}, nil
}

func writePreferences(rows pgx.Rows, to io.Writer, format string) error {
	lines, table := json.NewEncoder(to), csv.NewWriter(to)
	columns := columnsOf[Preference]()
	if format == "csv" {
		if err := table.Write(columns); err != nil {
			return err
		}
	}
	for rows.Next() {
		one, err := pgx.RowToStructByName[Preference](rows)
		if err != nil {
			return err
		}
		if format == "jsonl" {
			if err := lines.Encode(one); err != nil {
				return err
			}
			continue
		}
		row, err := cellsOf(one, columns)
		if err != nil {
			return err
		}
		if err := table.Write(row); err != nil {
			return err
		}
	}
	table.Flush()
	return errors.Join(rows.Err(), table.Error())
}
