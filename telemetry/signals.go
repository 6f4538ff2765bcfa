package telemetry

import (
	"context"
	"math"
	"slices"
	"time"

	"assay/internal/auth"
	"assay/internal/stats"
)

// ErrorRow is what went wrong in a group (A4.25, A4.31).
type ErrorRow struct {
	Group
	Events    Counted // of every type: the whole of A4.31
	Errors    Counted // events of the type error
	Responses Counted
	Failed    Counted // responses that say themselves that they failed
	Truncated Counted // responses that met the limit of their length
	Retried   Counted // events that were tried more than once
	Before    struct{ Events, Errors, Responses, Failed, Truncated Counted }
}

// ErrorShare is A4.31: errors of all events. The interval is Wilson's.
func (r ErrorRow) ErrorShare() stats.Estimate { return shareEstimate(r.Errors.Events, r.Events.Events) }

// FailedShare is failed responses of all responses.
func (r ErrorRow) FailedShare() stats.Estimate {
	return shareEstimate(r.Failed.Events, r.Responses.Events)
}

// ErrorRows measures errors by group.
func (s *Store) ErrorRows(ctx context.Context, actor auth.Actor, f MetricFilter) ([]ErrorRow, error) {
	if err := ready(actor, f); err != nil {
		return nil, err
	}
	counts, err := s.counted(ctx, f, BehindEvents, BehindErrors, BehindResponses, BehindFailed, BehindTruncated, BehindRetried)
	if err != nil {
		return nil, err
	}
	var rows []ErrorRow
	for _, g := range sorted(counts, func(c *sides[[]Counted]) int64 { return c.Now[0].Events }) {
		c, b := counts[g].Now, counts[g].Before
		row := ErrorRow{Group: g, Events: c[0], Errors: c[1], Responses: c[2], Failed: c[3], Truncated: c[4], Retried: c[5]}
		row.Before.Events, row.Before.Errors, row.Before.Responses, row.Before.Failed, row.Before.Truncated = b[0], b[1], b[2], b[3], b[4]
		rows = append(rows, row)
	}
	return rows, nil
}

// ErrorKind is one error type of a window.
type ErrorKind struct {
	ErrorType string
	Counted
	First, Last time.Time
}

// ErrorKinds lists the most frequent error types of a window.
func (s *Store) ErrorKinds(ctx context.Context, actor auth.Actor, f MetricFilter, most int) ([]ErrorKind, error) {
	if err := ready(actor, f); err != nil {
		return nil, err
	}
	where, args := f.in(f.Window)
	var list []ErrorKind
	err := s.eachRow(ctx, func(scan func(...any) error) error {
		var k ErrorKind
		var n, sessions uint64
		err := scan(&k.ErrorType, &n, &sessions, &k.First, &k.Last)
		k.Events, k.Sessions = int64(n), int64(sessions)
		list = append(list, k)
		return err
	}, `
		SELECT error_type, count() AS n, uniqExact(session_hash), min(effective_time), max(effective_time)
		FROM `+allFacts+`
		WHERE `+where+` AND `+behind[BehindErrors].test+`
		GROUP BY error_type
		ORDER BY n DESC, error_type
		LIMIT ?`, append(args, most)...)
	return list, err
}

// RouteRow is what was done with a group's requests: three shares that are
// never one (A4.13 to A4.17).
type RouteRow struct {
	Group
	Traced    Counted
	Requests  int64 // each once
	Unsafe    int64 // an unsupported claim was served
	Abstained int64
	Supported int64 // answered, and safely
	Stages    map[string]int64
	Sessions  struct{ Unsafe, Abstained int64 }
	Before    struct{ Requests, Unsafe, Abstained, Supported int64 }
}

// RouteRows counts requests by route and first failed stage. A request with a
// gate trace and a response that says the same counts once, by its gate trace.
func (s *Store) RouteRows(ctx context.Context, actor auth.Actor, f MetricFilter) ([]RouteRow, error) {
	if err := ready(actor, f); err != nil {
		return nil, err
	}
	counts, err := s.counted(ctx, f, BehindTraced, BehindUnsafe, BehindAbstained)
	if err != nil {
		return nil, err
	}
	where, args := f.where()
	rows := map[Group]*RouteRow{}
	err = s.eachRow(ctx, func(scan func(...any) error) error {
		var g Group
		var now uint8
		var stage string
		var n, unsafe, abstained, supported uint64
		if err := scan(&g[0], &g[1], &g[2], &g[3], &g[4], &g[5], &now, &stage, &n, &unsafe, &abstained, &supported); err != nil {
			return err
		}
		if rows[g] == nil {
			rows[g] = &RouteRow{Group: g, Stages: map[string]int64{}}
		}
		r := rows[g]
		if now == 0 {
			r.Before.Requests, r.Before.Unsafe = r.Before.Requests+int64(n), r.Before.Unsafe+int64(unsafe)
			r.Before.Abstained, r.Before.Supported = r.Before.Abstained+int64(abstained), r.Before.Supported+int64(supported)
			return nil
		}
		r.Requests, r.Unsafe, r.Abstained, r.Supported = r.Requests+int64(n), r.Unsafe+int64(unsafe), r.Abstained+int64(abstained), r.Supported+int64(supported)
		r.Stages[stage] += int64(n)
		return nil
	}, `
		SELECT `+f.group()+`, now, stage, count(), countIf(unsafe), countIf(abstained), countIf(NOT unsafe AND NOT abstained)
		FROM (
			SELECT `+f.keys()+`effective_time >= ? AS now, toString(first_failed_stage) AS stage, assumeNotNull(unsafe_claim_served) AS unsafe, route = 'abstain' AS abstained
			FROM `+allFacts+`
			WHERE `+where+` AND `+hasTrace+`
			ORDER BY event_type != 'gate_trace', effective_time, seq
			LIMIT 1 BY if(request_id = '', toString(event_id), request_id), now)
		GROUP BY `+f.names()+`now, stage`, append([]any{f.Window.From}, args...)...)
	if err != nil {
		return nil, err
	}
	var list []RouteRow
	for _, g := range sorted(rows, func(r *RouteRow) int64 { return r.Requests }) {
		r := rows[g]
		if c := counts[g]; c != nil {
			r.Traced, r.Sessions.Unsafe, r.Sessions.Abstained = c.Now[0], c.Now[1].Sessions, c.Now[2].Sessions
		}
		list = append(list, *r)
	}
	return list, nil
}

// FeedbackRow is what people said of a group's responses, and what they did
// without saying anything (A4.10, A4.11).
type FeedbackRow struct {
	Group
	Responses Counted
	Down      Counted // thumbs down, a rating of 1 or 2, a one-click fix
	Up        Counted
	Corrected Counted
	Requeried Counted
	Abandoned Counted
	Before    struct{ Responses, Down, Up, Corrected, Requeried, Abandoned Counted }
}

// DownShare is negative among those with feedback: of people who spoke, not of
// all.
func (r FeedbackRow) DownShare() stats.Estimate {
	return shareEstimate(r.Down.Events, r.Down.Events+r.Up.Events)
}

// FeedbackRows measures feedback by group. Implicit signals are the flags.
func (s *Store) FeedbackRows(ctx context.Context, actor auth.Actor, f MetricFilter) ([]FeedbackRow, error) {
	if err := ready(actor, f); err != nil {
		return nil, err
	}
	counts, err := s.counted(ctx, f, BehindResponses, BehindDown, BehindUp, BehindCorrected, BehindRequeried, BehindAbandoned)
	if err != nil {
		return nil, err
	}
	var rows []FeedbackRow
	for _, g := range sorted(counts, func(c *sides[[]Counted]) int64 { return c.Now[0].Events }) {
		c, b := counts[g].Now, counts[g].Before
		row := FeedbackRow{Group: g, Responses: c[0], Down: c[1], Up: c[2], Corrected: c[3], Requeried: c[4], Abandoned: c[5]}
		row.Before.Responses, row.Before.Down, row.Before.Up, row.Before.Corrected, row.Before.Requeried, row.Before.Abandoned = b[0], b[1], b[2], b[3], b[4], b[5]
		rows = append(rows, row)
	}
	return rows, nil
}

// ReasonTag is how often people gave a reason (A6.1).
type ReasonTag struct {
	Reason string
	Counted
}

// ReasonTags lists the reasons people gave in a window, the commonest first.
func (s *Store) ReasonTags(ctx context.Context, actor auth.Actor, f MetricFilter, most int) ([]ReasonTag, error) {
	if err := ready(actor, f); err != nil {
		return nil, err
	}
	where, args := f.in(f.Window)
	var list []ReasonTag
	err := s.eachRow(ctx, func(scan func(...any) error) error {
		var t ReasonTag
		var n, sessions uint64
		err := scan(&t.Reason, &n, &sessions)
		t.Events, t.Sessions = int64(n), int64(sessions)
		list = append(list, t)
		return err
	}, `
		SELECT reason, count() AS n, uniqExact(session_hash)
		FROM `+allEvents+`
		WHERE `+where+` AND explicit_feedback != '' AND reason != ''
		GROUP BY reason
		ORDER BY n DESC, reason
		LIMIT ?`, append(args, most)...)
	return list, err
}

// FlowRow is how a group's conversations went (A4.28). A session is in every
// group it has a response in, with its responses of that group.
type FlowRow struct {
	Group
	Sessions  int64
	Responses Counted
	Turns     Distribution // responses a session
	Seconds   Distribution // from its first response in the window to its last
	Requeried Counted
	Abandoned Counted
	Before    struct {
		Sessions, Abandoned int64
		Turns               Distribution
	}
}

// FlowRows measures conversations by group.
func (s *Store) FlowRows(ctx context.Context, actor auth.Actor, f MetricFilter) ([]FlowRow, error) {
	if err := ready(actor, f); err != nil {
		return nil, err
	}
	counts, err := s.counted(ctx, f, BehindResponses, BehindRequeried, BehindAbandoned)
	if err != nil {
		return nil, err
	}
	lengths, err := s.lengths(ctx, f)
	if err != nil {
		return nil, err
	}
	var rows []FlowRow
	for _, g := range sorted(counts, func(c *sides[[]Counted]) int64 { return c.Now[0].Events }) {
		c, b := counts[g].Now, counts[g].Before
		row := FlowRow{Group: g, Sessions: c[0].Sessions, Responses: c[0], Requeried: c[1], Abandoned: c[2]}
		row.Before.Sessions, row.Before.Abandoned = b[0].Sessions, b[2].Sessions
		if d := lengths[g]; d != nil {
			row.Turns, row.Seconds, row.Before.Turns = d.Now[0], d.Now[1], d.Before[0]
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// lengths are the turns and the seconds of sessions by group.
func (s *Store) lengths(ctx context.Context, f MetricFilter) (map[Group]*sides[[2]Distribution], error) {
	where, args := f.where()
	all := map[Group]*sides[[2]Distribution]{}
	err := s.eachRow(ctx, func(scan func(...any) error) error {
		var g Group
		var now, what uint8
		var value []int64
		var count []uint64
		if err := scan(&g[0], &g[1], &g[2], &g[3], &g[4], &g[5], &now, &what, &value, &count); err != nil {
			return err
		}
		if all[g] == nil {
			all[g] = &sides[[2]Distribution]{}
		}
		all[g].of(now)[what] = distributionOf(value, count)
		return nil
	}, `
		SELECT `+f.group()+`, now, what, groupArray(value), groupArray(n)
		FROM (
			SELECT `+f.names()+`now, what, value, count() AS n
			FROM (
				SELECT `+f.keys()+`effective_time >= ? AS now, session_hash, toInt64(count()) AS turns, dateDiff('second', min(effective_time), max(effective_time)) AS seconds
				FROM `+allFacts+`
				WHERE `+where+` AND `+isResponse+`
				GROUP BY `+f.names()+`now, session_hash)
			ARRAY JOIN [toUInt8(0), toUInt8(1)] AS what, [turns, seconds] AS value
			GROUP BY `+f.names()+`now, what, value)
		GROUP BY `+f.names()+`now, what`, append([]any{f.Window.From}, args...)...)
	return all, err
}

// ToolRow is how one tool did. A repeat is a step whose tool, parameters and
// progress are those of the step before it in its session (A8.5).
type ToolRow struct {
	Tool string
	Counted
	Failed  int64
	Retries int64
	Repeats int64
	Stalled int64 // sessions with a repeat
	TookMS  Distribution
}

// ToolRows measures the tools of a window, those most used first.
func (s *Store) ToolRows(ctx context.Context, actor auth.Actor, f MetricFilter, most int) ([]ToolRow, error) {
	if err := ready(actor, f); err != nil {
		return nil, err
	}
	where, args := f.in(f.Window)
	var rows []ToolRow
	err := s.eachRow(ctx, func(scan func(...any) error) error {
		var r ToolRow
		var n, sessions, failed, repeats, stalled uint64
		var took []int64
		err := scan(&r.Tool, &n, &sessions, &failed, &r.Retries, &repeats, &stalled, &took)
		r.Events, r.Sessions, r.Failed, r.Repeats, r.Stalled = int64(n), int64(sessions), int64(failed), int64(repeats), int64(stalled)
		slices.Sort(took)
		r.TookMS = merged(took)
		rows = append(rows, r)
		return err
	}, `
		SELECT tool_name, count() AS n, uniqExact(session_hash), countIf(failed), sum(retries), countIf(again), uniqExactIf(session_hash, again), groupArrayIf(assumeNotNull(took), took IS NOT NULL)
		FROM (
			SELECT tool_name, session_hash, lower(result_status) IN ('error', 'failed', 'failure', 'timeout') OR error_type != '' AS failed,
			       ifNull(retry_count, 0) AS retries, `+tookMS+` AS took,
			       tool_name != '' AND (tool_name, params_hash, progress_marker) = lagInFrame((tool_name, params_hash, progress_marker)) OVER (
			           PARTITION BY session_hash ORDER BY effective_time, seq ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS again
			FROM `+allEvents+`
			WHERE `+where+` AND event_type = 'tool_step')
		GROUP BY tool_name
		ORDER BY n DESC, tool_name
		LIMIT ?`, append(args, most)...)
	return rows, err
}

// merged makes a distribution of sorted values.
func merged(values []int64) Distribution {
	var d Distribution
	for i, v := range values {
		if n := len(d.Values); n > 0 && d.Values[n-1] == v {
			d.Upto[n-1]++
			continue
		}
		d.Values, d.Upto = append(d.Values, v), append(d.Upto, int64(i+1))
	}
	return d
}

// VariantRow is one arm of an experiment (A4.30; A17 #7).
type VariantRow struct {
	Experiment string
	Variant    string
	Exposures  Counted
	Successes  int64 // interactions with the outcome success
	Users      int64 // exposed, with a hash
	Converted  int64 // of them, with a success
	Both       int64 // of them, also exposed to another variant
	NoUser     int64 // exposures without a user's hash, in no figure per user
	Expected   float64
	// Mismatch: that the arms are as they are would happen less than once in a
	// thousand experiments whose arms are meant to be equal.
	Mismatch bool
}

// PerEvent is A4.30 as it is defined, in percent: successes over exposures,
// which may exceed 100; false without exposures.
func (v VariantRow) PerEvent() (percent float64, ok bool) {
	if v.Exposures.Events == 0 {
		return 0, false
	}
	return math.Round(100000*float64(v.Successes)/float64(v.Exposures.Events)) / 1000, true
}

// PerUser is the share of exposed users with a success, with Wilson's interval.
func (v VariantRow) PerUser() stats.Estimate { return shareEstimate(v.Converted, v.Users) }

// VariantRows measures the experiments of a window, variants in their order.
func (s *Store) VariantRows(ctx context.Context, actor auth.Actor, f MetricFilter, experiment string) ([]VariantRow, error) {
	if err := ready(actor, f); err != nil {
		return nil, err
	}
	where, args := f.in(f.Window)
	var rows []VariantRow
	err := s.eachRow(ctx, func(scan func(...any) error) error {
		var v VariantRow
		var exposures, sessions, successes, users, converted, both, noUser uint64
		err := scan(&v.Experiment, &v.Variant, &exposures, &sessions, &successes, &users, &converted, &both, &noUser)
		v.Exposures = Counted{int64(exposures), int64(sessions)}
		v.Successes, v.Users, v.Converted, v.Both, v.NoUser = int64(successes), int64(users), int64(converted), int64(both), int64(noUser)
		rows = append(rows, v)
		return err
	}, `
		SELECT experiment, arm, sum(exposures), uniqExactArray(sessions), sum(successes), countIf(user != '' AND exposures > 0), countIf(user != '' AND exposures > 0 AND successes > 0),
		       countIf(user != '' AND exposures > 0 AND arms > 1), sumIf(exposures, user = '')
		FROM (
			SELECT experiment, arm, user, exposures, successes, sessions, countIf(exposures > 0) OVER (PARTITION BY experiment, user) AS arms
			FROM (
				SELECT assumeNotNull(experiment_id) AS experiment, ifNull(variant, '') AS arm, ifNull(user_id_hash, '') AS user,
				       countIf(event_type = 'exposure') AS exposures, countIf(event_type = 'interaction' AND outcome = 'success') AS successes,
				       groupUniqArrayIf(session_hash, event_type = 'exposure') AS sessions
				FROM `+allFacts+`
				WHERE `+where+` AND experiment_id IS NOT NULL AND (? = '' OR experiment_id = ?)
				GROUP BY experiment, arm, user))
		GROUP BY experiment, arm
		HAVING sum(exposures) + sum(successes) > 0
		ORDER BY experiment, arm
		LIMIT 500`, append(args, experiment, experiment)...)
	if err != nil {
		return nil, err
	}
	return rows, judgeRatio(rows)
}

// mismatchAlpha is how rarely a sound experiment may be called mismatched.
const mismatchAlpha = 0.001

// judgeRatio looks for a sample-ratio mismatch: arms meant to be equal whose
// users are not. The evidence stands at every look (statistics.md 5).
func judgeRatio(rows []VariantRow) error {
	for begin := 0; begin < len(rows); {
		end, users := begin, int64(0)
		for end < len(rows) && rows[end].Experiment == rows[begin].Experiment {
			users += rows[end].Users
			end++
		}
		arms := end - begin
		for i := begin; i < end && arms > 1 && users > 0; i++ {
			lnE, err := stats.LnUnlike(int(rows[i].Users), int(users), 1/float64(arms), max(int(users), 2), mismatchAlpha/float64(arms))
			if err != nil {
				return err
			}
			rows[i].Expected = float64(users) / float64(arms)
			rows[i].Mismatch = stats.Crossed(lnE, mismatchAlpha/float64(arms))
		}
		begin = end
	}
	return nil
}
