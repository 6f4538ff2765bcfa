package telemetry

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/postgres"
)

// thread is what is known of a trace as a whole: spans that do not say it
// themselves are taken to share it.
type thread struct {
	TraceID   string `db:"trace_id"`
	SessionID string `db:"session_id"`
	Named     bool   `db:"named"` // somebody named the session; else it is the trace itself
	TaskClass string `db:"task_class"`
	speaks    bool   // a record holds what one of its spans said
	person    string // of this request only: never kept
}

// threadDays is how long spans of a trace may come after the first ones.
const threadDays = 14

// threadsOf gathers what the spans of a request say of their traces.
func threadsOf(items []found, t *taking) map[string]thread {
	said := map[string]thread{}
	note := func(traceID string, speaks bool, from ...attrs) {
		a := newBag(from...)
		was := said[traceID]
		was.TraceID = traceID
		was.speaks = was.speaks || speaks
		if was.SessionID == "" {
			was.SessionID = t.withoutAddress(a.id(sessionKeys...))
		}
		if was.TaskClass == "" {
			was.TaskClass = t.withoutAddress(a.id(taskClassKeys...))
		}
		if was.person == "" {
			was.person = a.text(personKeys...)
		}
		said[traceID] = was
	}
	for _, item := range items {
		switch {
		case item.err != nil:
		case item.span != nil && (item.span.foreign || validTraceID(item.span.traceID)):
			note(item.span.traceID, item.span.begun, item.span.attrs, item.span.origin.attrs)
		case item.record != nil && validTraceID(item.record.traceID):
			note(item.record.traceID, item.record.speaks(), item.record.attrs, item.record.origin.attrs)
		}
	}
	return nameless(said)
}

// nameless files traces that nobody has named under their own ids.
func nameless(said map[string]thread) map[string]thread {
	for id, one := range said {
		if one.Named = one.SessionID != ""; !one.Named {
			one.SessionID = id
		}
		said[id] = one
	}
	return said
}

// threads remembers what was said of the traces and returns what holds of
// them: the first who names a trace's session decides, even where spans of it
// came before. Those are moved then, by a job.
func (s *Store) threads(ctx context.Context, t *taking, said map[string]thread) (map[string]thread, error) {
	if len(said) == 0 {
		return said, nil
	}
	held := map[string]thread{}
	err := postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		late, err := rememberThreads(ctx, tx, t.now, said)
		if err != nil {
			return err
		}
		if err := s.insertGathering(ctx, tx, late); err != nil {
			return err
		}
		return readThreads(ctx, tx, said, held)
	})
	if err != nil {
		return nil, unavailable("remember traces", err)
	}
	return held, nil
}

// rememberThreads returns the traces that have a name now and had none when
// spans of them came.
func rememberThreads(ctx context.Context, tx pgx.Tx, now time.Time, said map[string]thread) (late []string, err error) {
	var sessions, classes []string
	var named, speaks []bool
	ids := slices.Sorted(maps.Keys(said)) // two requests with the same traces wait for each other and never deadlock
	for _, id := range ids {
		one := said[id]
		sessions, classes = append(sessions, one.SessionID), append(classes, one.TaskClass)
		named, speaks = append(named, one.Named), append(speaks, one.speaks)
	}
	rows, err := tx.Query(ctx, `
		INSERT INTO trace_threads AS thread (trace_id, session_id, named, task_class, speaks, began_at)
		SELECT trace_id, session_id, named, task_class, speaks, $6
		FROM unnest($1::text[], $2::text[], $3::bool[], $4::text[], $5::bool[]) AS said (trace_id, session_id, named, task_class, speaks)
		ON CONFLICT (trace_id) DO UPDATE
		SET session_id = CASE WHEN thread.named THEN thread.session_id ELSE EXCLUDED.session_id END,
		    late       = thread.late OR (NOT thread.named AND EXCLUDED.named AND EXCLUDED.session_id != thread.session_id),
		    named      = thread.named OR EXCLUDED.named,
		    speaks     = thread.speaks OR EXCLUDED.speaks,
		    task_class = CASE WHEN thread.task_class = '' THEN EXCLUDED.task_class ELSE thread.task_class END
		WHERE NOT thread.named AND EXCLUDED.named
		   OR NOT thread.speaks AND EXCLUDED.speaks
		   OR thread.task_class = '' AND EXCLUDED.task_class != ''
		RETURNING trace_id, late`, ids, sessions, named, classes, speaks, now)
	if err != nil {
		return nil, err
	}
	var id string
	var isLate bool
	_, err = pgx.ForEachRow(rows, []any{&id, &isLate}, func() error {
		if isLate {
			late = append(late, id)
		}
		return nil
	})
	return late, err
}

func readThreads(ctx context.Context, tx pgx.Tx, said, held map[string]thread) error {
	rows, err := tx.Query(ctx, `
		SELECT trace_id, session_id, named, task_class
		FROM trace_threads
		WHERE trace_id = ANY ($1)`, slices.Collect(maps.Keys(said)))
	if err != nil {
		return err
	}
	var one thread
	_, err = pgx.ForEachRow(rows, []any{&one.TraceID, &one.SessionID, &one.Named, &one.TaskClass}, func() error {
		one.person = said[one.TraceID].person
		held[one.TraceID] = one
		return nil
	})
	return err
}

// session is the session of a span that names one itself, or none.
func (h thread) session(own string) string { return cmp.Or(own, h.SessionID) }

// stitch gives decoded events that name no session that of their trace: what
// a person's machine tells at one address and the cloud at another is one
// session (A1.16, A1.17). A gate trace that names none stands by itself.
func (s *Store) stitch(ctx context.Context, t *taking, rows []*row) error {
	loose := func(r *row) bool { return r.nameless && validTraceID(r.TraceID) && r.EventType != TypeGateTrace }
	said := map[string]thread{}
	for _, r := range rows {
		if loose(r) {
			said[r.TraceID] = thread{TraceID: r.TraceID}
		}
	}
	held, err := s.threads(ctx, t, nameless(said))
	if err != nil {
		return err
	}
	for _, r := range rows {
		if loose(r) {
			r.SessionID = held[r.TraceID].SessionID
		}
	}
	return nil
}

// nameThreads lets the events of a block name the sessions of their traces.
// It is done when they are on their way to be read, so that a sender who names
// every event waits for nothing.
func (s *Store) nameThreads(ctx context.Context, sheets []*sheet) error {
	said := map[string]thread{}
	for _, s := range sheets {
		if s.cellOf("trace_id").hold == holdsNothing {
			continue
		}
		sessions, requests := s.texts("session_id"), s.texts("request_id")
		for i, trace := range s.texts("trace_id") {
			if validTraceID(trace) && sessions[i] != trace && sessions[i] != requests[i] {
				said[trace] = thread{TraceID: trace, SessionID: sessions[i], Named: true}
			}
		}
	}
	for some := range slices.Chunk(slices.Sorted(maps.Keys(said)), 5000) {
		chunk := make(map[string]thread, len(some))
		for _, id := range some {
			chunk[id] = said[id]
		}
		err := postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
			late, err := rememberThreads(ctx, tx, s.now(), chunk)
			if err != nil {
				return err
			}
			return s.insertGathering(ctx, tx, late)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// sweepThreads forgets traces whose spans have all come. One that took its
// name late stays: its old name leads to the session.
func (s *Store) sweepThreads(ctx context.Context, now time.Time) error {
	_, err := s.DB.Exec(ctx, `DELETE FROM trace_threads WHERE began_at < $1 AND NOT late`, now.AddDate(0, 0, -threadDays))
	return err
}

func validTraceID(id string) bool { return isHex(id, 32) }
func validSpanID(id string) bool  { return isHex(id, 16) }

// isHex reports whether id is n hex digits and not all zero.
func isHex(id string, n int) bool {
	if len(id) != n {
		return false
	}
	zero := true
	for i := range len(id) {
		switch c := id[i]; {
		case c == '0':
		case '1' <= c && c <= '9', 'a' <= c && c <= 'f':
			zero = false
		default:
			return false
		}
	}
	return !zero
}
