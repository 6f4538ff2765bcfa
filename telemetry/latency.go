package telemetry

import (
	"context"
	"time"

	"assay/internal/auth"
)

// SimpleQueries are the task classes of which a quick answer is expected
// (A5.1).
var SimpleQueries = []string{"file_search", "summarization"}

// Latency is how long the responses of one environment took, in
// milliseconds, by nearest rank.
type Latency struct {
	Env       string
	Responses int64 // with a time on record
	P50       int64
	P95       int64
	P99       int64
	Within    int64 // responses within the limit that was asked about
}

// Latencies measures the responses of the task classes in a window, by
// environment. Responses without a time on record are in no figure.
func (s *Store) Latencies(ctx context.Context, actor auth.Actor, w Window, taskClasses []string, limit time.Duration) ([]Latency, error) {
	if !actor.May(auth.RunWork) {
		if err := actor.Require(auth.SeeMeasures); err != nil {
			return nil, err
		}
	}
	var list []Latency
	err := s.eachRow(ctx, func(scan func(...any) error) error {
		var l Latency
		var responses, within uint64
		err := scan(&l.Env, &responses, &l.P50, &l.P95, &l.P99, &within)
		l.Responses, l.Within = int64(responses), int64(within)
		list = append(list, l)
		return err
	}, `
		SELECT env, length(took) AS n,
		       took[greatest(1, intDiv(50 * n + 99, 100))],
		       took[greatest(1, intDiv(95 * n + 99, 100))],
		       took[greatest(1, intDiv(99 * n + 99, 100))],
		       toUInt64(arrayCount(ms -> ms <= ?, took))
		FROM (
			SELECT env, arraySort(groupArray(assumeNotNull(coalesce(total_ms, latency_ms)))) AS took
			FROM `+allFacts+`
			WHERE effective_time >= ? AND effective_time < ?
			  AND event_type IN ('assistant_response', 'interaction')
			  AND task_class IN (?)
			  AND coalesce(total_ms, latency_ms) IS NOT NULL
			GROUP BY env)
		ORDER BY env`, limit.Milliseconds(), w.From, w.To, taskClasses)
	return list, err
}
