package telemetry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	engine "assay/internal/clickhouse"
	"assay/internal/fault"
)

// Every read of events goes through these two: rows of one identity that were
// written more than once count once (A17 #3), and one that moved to another
// session counts there. A list, its count and every rate are made of the same
// rows.
const (
	allEvents = "(SELECT * FROM events FINAL WHERE event_type != 'moved') AS events"
	allFacts  = "(SELECT * FROM event_facts FINAL WHERE event_type != 'moved') AS event_facts"
)

// reading bounds what one question may cost. Copies of one event always lie
// in one partition, so partitions are deduplicated apart.
func reading(ctx context.Context) context.Context {
	b, tight := ctx.Value(boundsKey{}).(bounds)
	if !tight {
		b = bounds{30 * time.Second, 64 << 30}
	}
	return clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
		"do_not_merge_across_partitions_select_final": 1,
		"max_execution_time":                          b.most.Seconds(),
		"max_memory_usage":                            1 << 30,
		"max_bytes_to_read":                           b.bytes,
		"max_query_size":                              4 << 20,
	}))
}

// within tightens the bounds of one question.
func within(ctx context.Context, most time.Duration, bytes int64) context.Context {
	return context.WithValue(ctx, boundsKey{}, bounds{most, bytes})
}

type bounds struct {
	most  time.Duration
	bytes int64
}

type boundsKey struct{}

// eachRow runs a query and hands every row to scan.
func (s *Store) eachRow(ctx context.Context, scan func(func(dest ...any) error) error, sql string, args ...any) error {
	sql, args = withTimes(sql, args)
	rows, err := s.Clickhouse.Query(reading(ctx), sql, args...)
	if err != nil {
		return unreadable(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows.Scan); err != nil {
			return err
		}
	}
	return unreadable(rows.Err())
}

// unreadable gives what ClickHouse answered its kind: too much asked is the
// asker's to mend, everything else is ClickHouse being away.
func unreadable(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	code := engine.Code(err)
	if code == 0 {
		return fmt.Errorf("read telemetry: %w: %w", err, fault.Say(fault.Unavailable, "The telemetry store does not answer. Nothing is lost; try again in a while."))
	}
	switch code {
	case 159, 160, 241, 307, 396:
		return fmt.Errorf("read telemetry: %w: %w", err, fault.Say(fault.Invalid, "This asks for more than one request may read. Choose a shorter time or a narrower filter."))
	}
	return fmt.Errorf("read telemetry: %w", err)
}

// idDays is for how many days an id that was taken is remembered; older
// copies are looked for in ClickHouse itself.
const idDays = 35

// withoutForgotten leaves out events that were stored so long ago that their
// id is no longer remembered at the door. Only an event that claims to be
// that old can be one.
func (s *Store) withoutForgotten(ctx context.Context, sheets []*sheet) ([]*sheet, error) {
	horizon := s.now().AddDate(0, 0, 1-idDays)
	old := func(at time.Time) bool { return at.Before(horizon) }
	place := columnPlace["event_time"]
	claims := func(one *sheet) bool {
		return slices.ContainsFunc(valuesOf([]*sheet{one}, place, one.events, timeKind), old)
	}
	kept := sheets[:0:0]
	for _, one := range sheets {
		if claims(one) {
			rows, err := s.unforgotten(ctx, one.rows(), horizon)
			if err != nil {
				return nil, err
			}
			if len(rows) == 0 {
				continue
			}
			one = sheetOf(rows)
		}
		kept = append(kept, one)
	}
	return kept, nil
}

// unforgotten leaves out the rows that are stored.
func (s *Store) unforgotten(ctx context.Context, rows []*row, horizon time.Time) ([]*row, error) {
	var ids []uuid.UUID
	for _, r := range rows {
		if r.EventTime.Before(horizon) {
			ids = append(ids, r.EventID)
		}
	}
	stored := map[uuid.UUID]uint64{}
	for some := range slices.Chunk(ids, 5000) {
		err := s.eachRow(ctx, func(scan func(...any) error) error {
			var id uuid.UUID
			var seq uint64
			err := scan(&id, &seq)
			stored[id] = seq
			return err
		}, `SELECT event_id, max(seq)
			FROM event_facts
			WHERE effective_time < ? AND event_id IN (?)
			GROUP BY event_id`, horizon.Add(48*time.Hour), some)
		if err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(rows, func(r *row) bool {
		seq, ok := stored[r.EventID]
		return ok && seq != r.Seq // its own copy is of this block's first attempt
	}), nil
}

// withTimes puts times into the statement to the millisecond; the driver's
// own way of writing one drops what is below a second.
func withTimes(sql string, args []any) (string, []any) {
	var b strings.Builder
	rest := make([]any, 0, len(args))
	for _, arg := range args {
		before, after, _ := strings.Cut(sql, "?")
		b.WriteString(before)
		if t, ok := arg.(time.Time); ok {
			b.WriteString("toDateTime64('" + t.UTC().Format("2006-01-02 15:04:05.000") + "', 3, 'UTC')")
		} else {
			b.WriteString("?")
			rest = append(rest, arg)
		}
		sql = after
	}
	return b.String() + sql, rest
}
