package telemetry

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// thread is what is known of a trace as a whole: spans that do not say it
// themselves are taken to share it.
type thread struct {
	TraceID   string `db:"trace_id"`
	SessionID string `db:"session_id"`
	Named     bool   `db:"named"` // a span named the session; else it is the trace itself
	TaskClass string `db:"task_class"`
	person    string // of this request only: never kept
}

// threadDays is how long spans of a trace may come after the first ones.
const threadDays = 14

// threadsOf gathers what the spans of a request say of their traces.
func threadsOf(items []found, t *taking) map[string]thread {
	said := map[string]thread{}
	note := func(traceID string, from ...attrs) {
		if !validTraceID(traceID) {
			return
		}
		a := newBag(from...)
		was := said[traceID]
		was.TraceID = traceID
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
		case item.span != nil:
			note(item.span.traceID, item.span.attrs, item.span.origin.attrs)
		case item.record != nil:
			note(item.record.traceID, item.record.attrs, item.record.origin.attrs)
		}
	}
	for id, one := range said {
		if one.Named = one.SessionID != ""; !one.Named {
			one.SessionID = id
		}
		said[id] = one
	}
	return said
}

// threads remembers what was said of the traces and returns what holds of
// them: of two requests with spans of one trace the first one decides.
func (s *Store) threads(ctx context.Context, t *taking, said map[string]thread) (map[string]thread, error) {
	if len(said) == 0 {
		return said, nil
	}
	var ids, sessions, classes []string
	var named []bool
	for id := range said {
		ids = append(ids, id)
	}
	slices.Sort(ids) // two requests with the same traces wait for each other and never deadlock
	for _, id := range ids {
		sessions, classes, named = append(sessions, said[id].SessionID), append(classes, said[id].TaskClass), append(named, said[id].Named)
	}
	_, err := s.DB.Exec(ctx, `
		INSERT INTO trace_threads AS thread (trace_id, session_id, named, task_class, began_at)
		SELECT trace_id, session_id, named, task_class, $5
		FROM unnest($1::text[], $2::text[], $3::bool[], $4::text[]) AS said (trace_id, session_id, named, task_class)
		ON CONFLICT (trace_id) DO UPDATE SET task_class = EXCLUDED.task_class
		WHERE thread.task_class = '' AND EXCLUDED.task_class != ''`, ids, sessions, named, classes, t.now)
	if err != nil {
		return nil, unavailable("remember traces", err)
	}
	rows, err := s.DB.Query(ctx, `
		SELECT trace_id, session_id, named, task_class
		FROM trace_threads
		WHERE trace_id = ANY ($1)`, ids)
	if err != nil {
		return nil, unavailable("read traces", err)
	}
	held := map[string]thread{}
	var one thread
	_, err = pgx.ForEachRow(rows, []any{&one.TraceID, &one.SessionID, &one.Named, &one.TaskClass}, func() error {
		one.person = said[one.TraceID].person
		held[one.TraceID] = one
		return nil
	})
	if err != nil {
		return nil, unavailable("read traces", err)
	}
	return held, nil
}

// session is the session of a span that names one itself, or none. One it
// names itself counts, unless its trace was filed under its own id before
// anybody named a session: then the trace stays whole.
func (h thread) session(own string) string {
	if own != "" && (h.Named || h.SessionID == "") {
		return own
	}
	return h.SessionID
}

func (s *Store) sweepThreads(ctx context.Context, now time.Time) error {
	_, err := s.DB.Exec(ctx, `DELETE FROM trace_threads WHERE began_at < $1`, now.AddDate(0, 0, -threadDays))
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
