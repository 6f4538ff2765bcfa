package telemetry

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"assay/internal/auth"
)

// sessionsAtOnce is how many sessions are read and judged together.
const sessionsAtOnce = 1500

// landingTakes is longer than a block takes from its stamp to being readable.
const landingTakes = 3 * time.Minute

// Flagged returns every response of every session in which something landed
// during [from, to), or that became idle in it, with its flags. What arrived
// late thus brings its session back. For many sessions use Flag.
func (s *Store) Flagged(ctx context.Context, actor auth.Actor, from, to time.Time) ([]Candidate, error) {
	var all []Candidate
	err := s.eachFlagged(ctx, actor, from, to, func(_ context.Context, some []Candidate) error {
		all = append(all, some...)
		return nil
	})
	return all, err
}

// Flag hands the candidates of Flagged to consider in chunks, and keeps their
// flags for lists and totals once consider has returned without error. It
// returns how many responses were considered. Stretches of time may overlap;
// considering a response twice must change nothing.
func (s *Store) Flag(ctx context.Context, actor auth.Actor, from, to time.Time, consider func(context.Context, []Candidate) error) (int, error) {
	n := 0
	err := s.eachFlagged(ctx, actor, from, to, func(ctx context.Context, some []Candidate) error {
		if err := consider(ctx, some); err != nil {
			return err
		}
		n += len(some)
		return s.copyFlags(ctx, some)
	})
	return n, err
}

func (s *Store) eachFlagged(ctx context.Context, actor auth.Actor, from, to time.Time, each func(context.Context, []Candidate) error) error {
	if !actor.May(auth.RunWork) {
		if err := actor.Require(auth.SeeMeasures); err != nil {
			return err
		}
	}
	sessions, err := s.touched(ctx, from, to)
	if err != nil {
		return err
	}
	defaults, err := s.impacts(ctx)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(sessions, sessionsAtOnce) {
		candidates, err := s.flagSessions(ctx, some)
		if err != nil {
			return err
		}
		defaults.judgeImpact(candidates)
		for chunk := range slices.Chunk(candidates, 5000) {
			if err := each(ctx, chunk); err != nil {
				return err
			}
		}
	}
	return nil
}

// touched returns the sessions in which something landed, was checked, or
// went quiet for long enough, in [from, to).
func (s *Store) touched(ctx context.Context, from, to time.Time) ([]uint64, error) {
	var sessions []uint64
	err := s.eachRow(ctx, func(scan func(...any) error) error {
		var hash uint64
		err := scan(&hash)
		sessions = append(sessions, hash)
		return err
	}, `
		SELECT DISTINCT session_hash
		FROM (
			SELECT session_hash FROM events WHERE drained_at >= ? AND drained_at < ?
			UNION ALL
			SELECT session_hash FROM event_facts WHERE effective_time >= ? AND effective_time < ?
			UNION ALL
			SELECT session_hash FROM verdicts WHERE copied_at >= ? AND copied_at < ?
		)
		ORDER BY session_hash`,
		from.Add(-landingTakes), to,
		from.Add(-abandonedAfter), to.Add(-abandonedAfter),
		from.Add(-landingTakes), to)
	return sessions, err
}

func (s *Store) flagSessions(ctx context.Context, sessions []uint64) ([]Candidate, error) {
	known, err := s.knownOf(ctx, sessions)
	if err != nil {
		return nil, err
	}
	var candidates []Candidate
	var session []fact
	judge := func() {
		candidates = append(candidates, flagSession(session, known, s.now())...)
		session = session[:0]
	}
	err = s.eachFact(ctx, sessions, func(f fact) {
		if len(session) > 0 && session[0].SessionID != f.SessionID {
			judge()
		}
		session = append(session, f)
	})
	if err != nil {
		return nil, err
	}
	judge()
	return candidates, nil
}

// eachFact reads the facts of sessions, a session at a time and in order.
func (s *Store) eachFact(ctx context.Context, sessions []uint64, each func(fact)) error {
	return s.eachRow(ctx, func(scan func(...any) error) error {
		var f fact
		err := scan(&f.ID, (*string)(&f.Type), &f.At, &f.EventTime, &f.Received, &f.Seq,
			&f.SessionID, &f.TraceID, &f.SpanID, &f.ParentSpanID, &f.RequestID, &f.CaseID,
			&f.TaskClass, &f.ModelVersion, &f.PromptTemplateID, &f.EvidenceVersion, &f.Env, &f.Route, &f.ActionType, &f.Impact, &f.Outcome,
			&f.UnsafeClaimServed, &f.ExplicitFeedback, &f.Reason, &f.CorrectionSource, &f.CorrectionDelayMS, &f.Corrected,
			&f.ToolName, &f.ParamsHash, &f.ProgressMarker, &f.ErrorType, &f.ArtifactKind,
			&f.PromptChars, &f.ResponseChars, &f.PromptTokens, &f.PromptSketch,
			(*string)(&f.Consent), &f.TextKept, &f.TextExpiresAt, &f.KeepU, &f.Keep, &f.KeepFlagged, &f.SaltID, &f.Quarantined)
		if err == nil {
			each(f)
		}
		return err
	}, `
		SELECT event_id, event_type, effective_time, event_time, server_ingest_time, seq,
		       session_id, trace_id, span_id, parent_span_id, request_id, case_id,
		       task_class, model_version, prompt_template_id, evidence_version, env, route, action_type, impact, outcome,
		       unsafe_claim_served, explicit_feedback, reason, correction_source, correction_delay_ms, correction != '',
		       tool_name, params_hash, progress_marker, error_type, artifact_kind,
		       prompt_chars, response_chars, prompt_tokens, prompt_sketch,
		       consent, text_kept, text_expires_at, keep_u, keep, keep_flagged, salt_id, quarantined
		FROM `+allEvents+`
		WHERE session_hash IN (?)
		ORDER BY session_hash, session_id, effective_time, seq`, sessions)
}

// knownOf reads the flags and the failed verdicts the sessions' responses
// have already.
func (s *Store) knownOf(ctx context.Context, sessions []uint64) (map[uuid.UUID]others, error) {
	known := map[uuid.UUID]others{}
	err := s.eachRow(ctx, func(scan func(...any) error) error {
		var id uuid.UUID
		var f Flag
		var readable bool
		if err := scan(&id, (*string)(&f.Reason), &f.At, &f.Detail, &f.SourceEventID, &readable); err != nil {
			return err
		}
		o := known[id]
		o.flags, o.readable = append(o.flags, f), o.readable || readable
		known[id] = o
		return nil
	}, `
		SELECT event_id, reason, at, detail, source_event_id, readable
		FROM event_flags FINAL
		WHERE session_hash IN (?)
		UNION ALL
		SELECT event_id, 'validator_failed', at, validator, event_id, false
		FROM verdicts FINAL
		WHERE session_hash IN (?) AND verdict = 'fail'`, sessions, sessions)
	return known, err
}

// FrameTotals counts the responses of a UTC day by stratum and model version,
// and how many of each may be read: exactly, from deduplicated rows. Strata
// are those of the flags kept so far, so call it after Flag.
func (s *Store) FrameTotals(ctx context.Context, actor auth.Actor, on time.Time) ([]FrameTotal, error) {
	if !actor.May(auth.RunWork) {
		if err := actor.Require(auth.SeeMeasures); err != nil {
			return nil, err
		}
	}
	from := day(on)
	var totals []FrameTotal
	err := s.eachRow(ctx, func(scan func(...any) error) error {
		var t FrameTotal
		var responses, readable uint64
		err := scan(&t.TaskClass, (*string)(&t.PriorityClass), &t.ModelVersion, &responses, &readable)
		t.Responses, t.Readable = int64(responses), int64(readable)
		totals = append(totals, t)
		return err
	}, `
		SELECT task_class,
		       if(flagged.class = '', 'random', flagged.class) AS priority_class,
		       model_version,
		       count() AS responses,
		       countIf(if(flagged.class = '',
		                  text_kept AND response_chars > 0 AND consent IN ('redacted', 'full') AND keep_u < keep,
		                  flagged.readable)) AS readable
		FROM (SELECT * FROM `+allFacts+`
		      WHERE effective_time >= ? AND effective_time < ? AND event_type IN ('assistant_response', 'interaction')) AS facts
		LEFT JOIN (
			SELECT event_id,
			       argMin(priority_class, indexOf(['safety', 'negative', 'implicit', 'random'], priority_class)) AS class,
			       max(readable) AS readable
			FROM event_flags FINAL
			WHERE response_time >= ? AND response_time < ?
			GROUP BY event_id) AS flagged ON flagged.event_id = facts.event_id
		GROUP BY task_class, priority_class, model_version
		ORDER BY task_class, priority_class, model_version`,
		from, from.AddDate(0, 0, 1), from, from.AddDate(0, 0, 1))
	return totals, err
}

// Days returns the UTC days that hold responses, oldest first.
func (s *Store) Days(ctx context.Context, actor auth.Actor) ([]time.Time, error) {
	if !actor.May(auth.RunWork) {
		if err := actor.Require(auth.SeeMeasures); err != nil {
			return nil, err
		}
	}
	return s.days(ctx, `
		SELECT DISTINCT toDate(effective_time, 'UTC') AS day
		FROM event_facts
		WHERE event_type IN ('assistant_response', 'interaction')
		ORDER BY day`)
}

// days are the UTC days that a query gives.
func (s *Store) days(ctx context.Context, query string, args ...any) ([]time.Time, error) {
	var days []time.Time
	err := s.eachRow(ctx, func(scan func(...any) error) error {
		var d time.Time
		err := scan(&d)
		days = append(days, d.UTC())
		return err
	}, query, args...)
	return days, err
}
