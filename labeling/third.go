package labeling

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/postgres"
	"assay/internal/stats"
)

// SureEnough is from which probability on a label stands. Two labelers who agree
// may both be often wrong: where the model of Dawid and Skene gives their label
// less, by what the labels of the last days say of them, a third is called.
const SureEnough = 0.95

const (
	thirdDays = 90
	thirdMost = 20_000 // labels of a queue that the model is made of, newest first
)

// readTwiceQuery is what stands of items that several people labeled. What a
// reviewer decided needs nobody more, and still says how its labelers err.
const readTwiceQuery = `
	WITH latest AS (
		SELECT DISTINCT ON (l.item_id, l.labeler_id) l.item_id, l.labeler_id, l.label, l.labeled_at
		FROM labels l
		JOIN items i ON i.id = l.item_id
		WHERE l.queue_id = $1 AND l.purpose = 'count' AND ` + independent + ` AND i.removed_at IS NULL AND i.labeled >= 2
		  AND i.done_at > now() - make_interval(days => $2)
		ORDER BY l.item_id DESC, l.labeler_id, l.revision DESC
		LIMIT $3
	)
	SELECT item_id, labeler_id, label FROM latest l WHERE label = ANY ($4) AND ` + countsStill

// CallThirds asks for a third labeler where two agree and their label is not
// sure enough, and returns for how many items it did. A queue whose labelers
// overlap too little to be told apart is left to disagreement alone. It is safe
// to repeat: an item is asked for a third labeler once.
func (s *Store) CallThirds(ctx context.Context, actor auth.Actor) (int64, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return 0, err
	}
	rows, _ := s.DB.Query(ctx, `SELECT `+queueColumns+` FROM queues WHERE kind = 'standard' AND archived_at IS NULL ORDER BY id`)
	queues, err := pgx.CollectRows(rows, pgx.RowToStructByName[Queue])
	if err != nil {
		return 0, fmt.Errorf("call third labelers: %w", err)
	}
	var called int64
	for _, queue := range queues {
		n, err := s.callThirds(ctx, actor, queue)
		if called += n; err != nil {
			return called, fmt.Errorf("call third labelers in queue %s: %w", queue.Slug, err)
		}
	}
	return called, nil
}

func (s *Store) callThirds(ctx context.Context, actor auth.Actor, queue Queue) (called int64, err error) {
	unsure, err := s.unsure(ctx, queue)
	if err != nil || len(unsure) == 0 {
		return 0, err
	}
	err = postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
			UPDATE items i SET wanted = 3, done_at = NULL
			FROM consensus c
			WHERE c.item_id = i.id AND i.id = ANY ($1) AND i.removed_at IS NULL
			  AND c.method = 'agreed' AND c.readings = 2 AND i.wanted = 2`, unsure)
		called = tag.RowsAffected()
		if err != nil || called == 0 {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{
			Actor: actor, Action: "queue.third", Object: "queue/" + queue.Slug,
			What: fmt.Sprintf("a third labeler for %d items whose label is less than %.0f %% probable", called, 100*SureEnough),
		})
	})
	return called, err
}

// unsure lists the items that two labelers agree on and the model doubts.
func (s *Store) unsure(ctx context.Context, queue Queue) ([]int64, error) {
	rows, _ := s.DB.Query(ctx, readTwiceQuery, queue.ID, thirdDays, thirdMost, Truths)
	var ratings []stats.Rating
	readings := map[int64]int{}
	var item, labeler int64
	var label string
	_, err := pgx.ForEachRow(rows, []any{&item, &labeler, &label}, func() error {
		ratings = append(ratings, stats.Rating{Item: item, Labeler: labeler, Class: slices.Index(Truths, label)})
		readings[item]++
		return nil
	})
	if err != nil || len(ratings) == 0 {
		return nil, err
	}
	fit, err := stats.DawidSkene(ratings, len(Truths), stats.DefaultConsensusPrior)
	if err != nil || !fit.Converged || !fit.Identifiable {
		return nil, err
	}
	var unsure []int64
	for i, id := range fit.Items {
		if _, probability := fit.Class(i); probability < SureEnough && readings[id] == 2 {
			unsure = append(unsure, id)
		}
	}
	return unsure, nil
}
