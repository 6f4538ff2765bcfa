package labeling

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
)

// AgainstPeople holds what one validator said against what people said of the
// same responses: how many of each pair. Verdicts that were inconclusive and
// labels that could not tell decide nothing and are counted apart.
type AgainstPeople struct {
	Validator, Version                      string
	FailHallucinated, FailPartly, FailRight int64 // verdict fail, label hallucinated, partially correct, correct
	PassHallucinated, PassPartly, PassRight int64
	Undecided                               int64
}

// AgainstPeople returns the pairs for responses whose consensus was reached
// since then, by validator and version. Each response counts once for each
// validator, with the latest verdict and the latest consensus.
func (s *Store) AgainstPeople(ctx context.Context, actor auth.Actor, since time.Time) ([]AgainstPeople, error) {
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return nil, err
	}
	rows, _ := s.DB.Query(ctx, `
		WITH labeled AS (
			SELECT DISTINCT ON (c.event_id) c.event_id, c.label
			FROM consensus c
			JOIN items i ON i.id = c.item_id
			JOIN queues q ON q.id = i.queue_id
			WHERE q.kind = 'standard' AND c.label IS NOT NULL AND c.decided_at >= $1
			ORDER BY c.event_id, c.decided_at DESC
		), judged AS (
			SELECT DISTINCT ON (v.event_id, v.validator) v.validator, v.version, v.verdict, l.label
			FROM labeled l
			JOIN verdicts v ON v.event_id = l.event_id
			ORDER BY v.event_id, v.validator, v.id DESC
		)
		SELECT validator, version,
		       count(*) FILTER (WHERE verdict = 'fail' AND label = 'hallucinated') AS fail_hallucinated,
		       count(*) FILTER (WHERE verdict = 'fail' AND label = 'partially_correct') AS fail_partly,
		       count(*) FILTER (WHERE verdict = 'fail' AND label = 'correct') AS fail_right,
		       count(*) FILTER (WHERE verdict = 'pass' AND label = 'hallucinated') AS pass_hallucinated,
		       count(*) FILTER (WHERE verdict = 'pass' AND label = 'partially_correct') AS pass_partly,
		       count(*) FILTER (WHERE verdict = 'pass' AND label = 'correct') AS pass_right,
		       count(*) FILTER (WHERE verdict = 'inconclusive' OR label = 'cannot_tell') AS undecided
		FROM judged
		GROUP BY validator, version
		ORDER BY validator, version`, since)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[AgainstPeople])
	if err != nil {
		return nil, fmt.Errorf("hold verdicts against labels: %w", err)
	}
	return list, nil
}
