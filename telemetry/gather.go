package telemetry

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"assay/internal/auth"
	"assay/internal/postgres"
)

// Events are immutable as to what they say. Two things are known only later:
// which session a trace belongs to, and what was said in a span whose text
// comes as log records. Gather puts both right by writing newer copies of the
// events: a copy in the session's place and one of type 'moved' where the
// event was, or a copy of a response with its text.

// Moved says that what was filed under an old name of a session is under its
// name now.
type Moved struct {
	From string // the trace's id
	To   string
}

// tracesAtOnce bounds one job and one statement.
const tracesAtOnce = 500

func (s *Store) insertGathering(ctx context.Context, tx pgx.Tx, traces []string) error {
	if s.Jobs == nil {
		return nil
	}
	for some := range slices.Chunk(traces, tracesAtOnce) {
		if _, err := s.Jobs.InsertTx(ctx, tx, Gathering{Traces: some}, &river.InsertOpts{Priority: 2}); err != nil {
			return err
		}
	}
	return nil
}

// gatherLanded asks for those traces of a block to be put in order that took
// their name late, or that speak.
func (s *Store) gatherLanded(ctx context.Context, tx pgx.Tx, sheets []*sheet) error {
	var traces []string
	for _, s := range sheets {
		if s.cellOf("trace_id").hold != holdsNothing {
			traces = append(traces, s.texts("trace_id")...)
		}
	}
	slices.Sort(traces)
	traces = slices.Compact(traces)
	if traces = slices.DeleteFunc(traces, func(id string) bool { return id == "" }); len(traces) == 0 {
		return nil
	}
	found, err := tx.Query(ctx, `
		SELECT trace_id
		FROM trace_threads
		WHERE trace_id = ANY ($1) AND (late OR speaks)
		ORDER BY trace_id`, traces)
	if err != nil {
		return err
	}
	traces, err = pgx.CollectRows(found, pgx.RowTo[string])
	if err != nil {
		return err
	}
	return s.insertGathering(ctx, tx, traces)
}

// Gather moves what was filed under the ids of the traces to the sessions they
// are named by now, and gives responses without text the text that records of
// their spans hold. It returns what moved. Unavailable when ClickHouse is
// away; again changes nothing.
func (s *Store) Gather(ctx context.Context, actor auth.Actor, traces []string) ([]Moved, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return nil, err
	}
	var moved []Moved
	for some := range slices.Chunk(traces, tracesAtOnce) {
		late, speaking, err := s.gatherable(ctx, some)
		if err != nil {
			return moved, err
		}
		if err := s.move(ctx, late); err != nil {
			return moved, awayFrom("move traces to their sessions", err)
		}
		if err := s.joinTexts(ctx, speaking); err != nil {
			return moved, awayFrom("give responses their text", err)
		}
		moved = append(moved, late...)
	}
	return moved, nil
}

// Gathered says that what Gather wrote can be read.
func (s *Store) Gathered(ctx context.Context, actor auth.Actor) error {
	if err := actor.Require(auth.RunWork); err != nil || s.Jobs == nil {
		return err
	}
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		_, err := s.Jobs.InsertTx(ctx, tx, Landed{}, nil)
		return err
	})
}

// spoken is a trace with records that speak.
type spoken struct {
	trace, session string
}

func (s *Store) gatherable(ctx context.Context, traces []string) (late []Moved, speaking []spoken, err error) {
	rows, err := s.DB.Query(ctx, `
		SELECT trace_id, session_id, late, speaks
		FROM trace_threads
		WHERE trace_id = ANY ($1)
		ORDER BY trace_id`, traces)
	if err != nil {
		return nil, nil, err
	}
	var trace, session string
	var isLate, speaks bool
	_, err = pgx.ForEachRow(rows, []any{&trace, &session, &isLate, &speaks}, func() error {
		if isLate && trace != session {
			late = append(late, Moved{trace, session})
		}
		if speaks {
			speaking = append(speaking, spoken{trace, session})
		}
		return nil
	})
	return late, speaking, err
}

// move writes the copies in the new place first: interrupted, an event is for
// a moment in both sessions and never in none.
func (s *Store) move(ctx context.Context, moves []Moved) error {
	if len(moves) == 0 {
		return nil
	}
	from, to := make([]string, len(moves)), make([]string, len(moves))
	for i, m := range moves {
		from[i], to[i] = m.From, m.To
	}
	const (
		there = `session_hash IN (SELECT xxHash64(arrayJoin(?))) AND session_id IN (?) AND event_type != 'moved'`
		named = `transform(old.session_id, ?, ?, old.session_id)`
		newer = `old.server_ingest_time + toIntervalMillisecond(1) AS server_ingest_time`
	)
	for _, step := range []struct {
		sql  string
		args []any
	}{
		{`INSERT INTO events SELECT * REPLACE (` + named + ` AS session_id, xxHash64(` + named + `) AS session_hash, ` + newer + `, now64(3) AS drained_at)
		  FROM (SELECT * FROM events FINAL WHERE ` + there + `) AS old`, []any{from, to, from, to, from, from}},
		{`INSERT INTO event_facts SELECT * REPLACE (` + named + ` AS session_id, xxHash64(` + named + `) AS session_hash, ` + newer + `)
		  FROM (SELECT * FROM event_facts FINAL WHERE ` + there + `) AS old`, []any{from, to, from, to, from, from}},
		{`INSERT INTO event_flags SELECT * REPLACE (` + named + ` AS session_id, xxHash64(` + named + `) AS session_hash)
		  FROM (SELECT * FROM event_flags FINAL WHERE session_hash IN (SELECT xxHash64(arrayJoin(?))) AND session_id IN (?)) AS old`, []any{from, to, from, to, from, from}},
		{`INSERT INTO verdicts SELECT * REPLACE (` + named + ` AS session_id, xxHash64(` + named + `) AS session_hash)
		  FROM (SELECT * FROM verdicts FINAL WHERE session_hash IN (SELECT xxHash64(arrayJoin(?))) AND session_id IN (?)) AS old`, []any{from, to, from, to, from, from}},
		{`INSERT INTO labels SELECT * REPLACE (` + named + ` AS session_id, xxHash64(` + named + `) AS session_hash)
		  FROM (SELECT * FROM labels FINAL WHERE session_id IN (?)) AS old`, []any{from, to, from, to, from}},
		{`INSERT INTO events SELECT * REPLACE ('moved' AS event_type, ` + newer + `, '' AS prompt, '' AS response, '' AS context,
		    '' AS correction, '' AS error_message, '' AS artifact, '' AS attributes)
		  FROM (SELECT * FROM events FINAL WHERE ` + there + `) AS old`, []any{from, from}},
		{`INSERT INTO event_facts SELECT * REPLACE ('moved' AS event_type, ` + newer + `)
		  FROM (SELECT * FROM event_facts FINAL WHERE ` + there + `) AS old`, []any{from, from}},
	} {
		if err := s.Clickhouse.Exec(reading(ctx), step.sql, step.args...); err != nil {
			return err
		}
	}
	return nil
}

// joinTexts gives responses the texts of the records beside their spans. Text
// already redacted goes from one row to another of the same key, and expires
// when the earlier of the two does.
func (s *Store) joinTexts(ctx context.Context, speaking []spoken) error {
	if len(speaking) == 0 {
		return nil
	}
	var traces, sessions []string
	for _, one := range speaking {
		traces, sessions = append(traces, one.trace), append(sessions, one.session)
	}
	const where = `session_hash IN (SELECT xxHash64(arrayJoin(?))) AND trace_id IN (?)`
	args := []any{sessions, traces}
	err := s.Clickhouse.Exec(reading(ctx), `
		INSERT INTO events
		SELECT e.* REPLACE (
			if(e.prompt = '', said.asked, e.prompt) AS prompt,
			if(e.prompt_chars = 0, said.asked_chars, e.prompt_chars) AS prompt_chars,
			if(e.prompt_sketch = 0, said.asked_sketch, e.prompt_sketch) AS prompt_sketch,
			if(e.response = '', said.answered, e.response) AS response,
			if(e.response_chars = 0, said.answered_chars, e.response_chars) AS response_chars,
			if(e.context = '', said.relied_on, e.context) AS context,
			if(e.model_version = '', said.model, toString(e.model_version)) AS model_version,
			if(e.total_ms IS NULL AND said.began > 0, greatest(toUnixTimestamp64Milli(e.event_time) - said.began, 0), e.total_ms) AS total_ms,
			if(e.latency_ms IS NULL AND said.began > 0, greatest(toUnixTimestamp64Milli(e.event_time) - said.began, 0), e.latency_ms) AS latency_ms,
			e.text_kept OR said.kept AS text_kept,
			least(e.text_expires_at, said.expires) AS text_expires_at,
			e.server_ingest_time + toIntervalMillisecond(1) AS server_ingest_time,
			now64(3) AS drained_at)
		FROM (SELECT * FROM events FINAL WHERE `+where+` AND event_type IN ('assistant_response', 'interaction', 'error') AND span_id != '') AS e
		INNER JOIN (
			SELECT trace_id, parent_span_id, consent, key_id,
			       argMaxIf(r.prompt, (effective_time, seq), r.prompt != '') AS asked,
			       argMaxIf(r.prompt_chars, (effective_time, seq), r.prompt_chars > 0) AS asked_chars,
			       argMaxIf(r.prompt_sketch, (effective_time, seq), r.prompt_sketch > 0) AS asked_sketch,
			       arrayStringConcat(arrayMap(x -> x.3, arraySort(groupArrayIf(20)((effective_time, seq, r.response), r.response != '' AND name != 'gen_ai.tool.message'))), '\n\n') AS answered,
			       sumIf(r.response_chars, name != 'gen_ai.tool.message') AS answered_chars,
			       arrayMap(x -> x.3, arraySort(groupArrayIf(50)((effective_time, seq, r.response), r.response != '' AND name = 'gen_ai.tool.message'))) AS tools,
			       if(empty(tools), anyIf(r.context, r.context != ''), toJSONString(tools)) AS relied_on,
			       anyIf(toString(r.model_version), r.model_version != '') AS model,
			       maxIf(toUnixTimestamp64Milli(r.event_time), name = '`+langfuseBegun+`') AS began,
			       max(r.text_kept) AS kept, min(r.text_expires_at) AS expires
			FROM (SELECT *, JSONExtractString(attributes, 'name') AS name
			      FROM events FINAL
			      WHERE `+where+` AND event_type = 'span' AND span_id = '' AND parent_span_id != '') AS r
			WHERE name IN (?)
			GROUP BY trace_id, parent_span_id, consent, key_id
		) AS said ON said.trace_id = e.trace_id AND said.parent_span_id = e.span_id AND said.consent = e.consent AND said.key_id = e.key_id
		WHERE e.prompt = '' AND said.asked != '' OR e.response = '' AND said.answered != ''
		   OR e.model_version = '' AND said.model != ''
		   OR e.total_ms IS NULL AND said.began > 0`, slices.Concat(args, args, []any{append([]string{langfuseBegun}, spokenNames...)})...)
	if err != nil {
		return err
	}
	names := strings.Join(factColumns(), ", ")
	return s.Clickhouse.Exec(reading(ctx), `
		INSERT INTO event_facts (`+names+`)
		SELECT `+names+`
		FROM events FINAL
		WHERE `+where+` AND event_type IN ('assistant_response', 'interaction', 'error') AND span_id != ''`, args...)
}

// factColumns are the columns of the narrow twin that every event is written
// with.
func factColumns() []string {
	var names []string
	for _, c := range columns {
		if !c.wide {
			names = append(names, c.name)
		}
	}
	return names
}

// current returns the name of a session that may be asked for by an old one.
func (s *Store) current(ctx context.Context, session string) (string, error) {
	names, err := s.renamed(ctx, []string{session})
	if name := names[session]; name != "" {
		return name, err
	}
	return session, err
}

// renamed returns the names of those sessions that have another now.
func (s *Store) renamed(ctx context.Context, sessions []string) (map[string]string, error) {
	names := map[string]string{}
	slices.Sort(sessions)
	sessions = slices.DeleteFunc(slices.Compact(sessions), func(id string) bool { return !fits(id) })
	if len(sessions) == 0 || s.DB == nil {
		return names, nil
	}
	rows, err := s.DB.Query(ctx, `SELECT trace_id, session_id FROM trace_threads WHERE late AND trace_id = ANY ($1)`, sessions)
	if err != nil {
		return nil, err
	}
	var old, name string
	_, err = pgx.ForEachRow(rows, []any{&old, &name}, func() error {
		names[old] = name
		return nil
	})
	return names, err
}
