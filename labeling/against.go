package labeling

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
	"assay/internal/stats"
)

// AgainstPeople holds what one validator said against what people said of the
// same responses: how many of each pair. Verdicts that were inconclusive and
// labels that could not tell decide nothing and are counted apart.
//
// Sensitivity is the share of hallucinated responses that it fails, of those it
// passes or fails; specificity that of correct responses that it passes. Both
// speak of all traffic: each label weighs as many responses as its stratum has
// for each label of its sample (statistics 2.5, with the labels outside the
// domain in the variance). Labels outside the sample are in the counts alone.
type AgainstPeople struct {
	Validator, Version                      string
	FailHallucinated, FailPartly, FailRight int64 // verdict fail, label hallucinated, partially correct, correct
	PassHallucinated, PassPartly, PassRight int64
	Undecided                               int64
	Sensitivity, Specificity                stats.Estimate `db:"-"`
}

// againstLevel is that of the intervals.
const againstLevel = 0.95

// consensusOf are the responses of a window that people agreed on, each once.
const consensusOf = `
	labeled AS (
		SELECT DISTINCT ON (c.event_id) c.event_id, c.label
		FROM consensus c
		JOIN items i ON i.id = c.item_id
		JOIN queues q ON q.id = i.queue_id
		WHERE q.kind = 'standard' AND c.label IS NOT NULL AND i.event_time >= $1 AND i.event_time < $2
		ORDER BY c.event_id, c.decided_at DESC
	)`

// AgainstPeople returns the pairs for responses given in [from, to) that have a
// consensus, by validator and version. Each response counts once for each
// validator, with the latest verdict and the latest consensus.
func (s *Store) AgainstPeople(ctx context.Context, actor auth.Actor, from, to time.Time) ([]AgainstPeople, error) {
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return nil, err
	}
	rows, _ := s.DB.Query(ctx, `
		WITH `+consensusOf+`, judged AS (
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
		ORDER BY validator, version`, from.UTC(), to.UTC())
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[AgainstPeople])
	if err != nil {
		return nil, fmt.Errorf("hold verdicts against labels: %w", err)
	}
	if len(list) == 0 {
		return list, nil
	}
	sampled, err := s.judgedSample(ctx, actor, SampleFilter{From: from, To: to})
	if err != nil {
		return nil, err
	}
	for i := range list {
		a := &list[i]
		if a.Sensitivity, err = sampled.share(a.Validator, a.Version, "hallucinated", "fail"); err == nil {
			a.Specificity, err = sampled.share(a.Validator, a.Version, "correct", "pass")
		}
		if err != nil {
			return nil, fmt.Errorf("weigh %s %s against labels: %w", a.Validator, a.Version, err)
		}
	}
	return list, nil
}

// sampledStratum is a stratum of a window, its days taken together.
type sampledStratum struct {
	TaskClass     string
	PriorityClass PriorityClass
	Design        string
	Keep          float64
	Part          string
}

// judgedCell counts the sampled labels of a stratum by what a validator said.
type judgedCell struct {
	sampledStratum
	Validator, Version, Verdict string
	Label                       string
	Count                       int64
}

// judgedSample is the sample of a window with what validators said of it.
type judgedSample struct {
	readable, labeled map[sampledStratum]int64
	cells             []judgedCell
}

// judgedSample reads the labels inside the sample, with verdicts.
func (s *Store) judgedSample(ctx context.Context, actor auth.Actor, f SampleFilter) (judgedSample, error) {
	j := judgedSample{readable: map[sampledStratum]int64{}, labeled: map[sampledStratum]int64{}}
	cells, err := s.Sample(ctx, actor, f)
	if err != nil {
		return j, err
	}
	for _, c := range cells {
		h := sampledStratum{c.TaskClass, c.PriorityClass, c.Design, c.Keep, c.Part}
		j.readable[h] += c.Readable
		j.labeled[h] += c.Labels.All()
	}
	frames, err := s.thresholds(ctx, f)
	if err != nil {
		return j, err
	}
	rows, _ := s.DB.Query(ctx, `
		WITH taus AS (
			SELECT * FROM unnest($4::bigint[], $5::text[], $6::date[], $7::float8[], $8::text[]) AS t (queue_id, priority_class, frame_day, tau, part)
		), sampled AS (
			SELECT i.task_class, i.priority_class, i.design, i.keep, i.part, i.event_id, coalesce(c.label, '') AS label
			FROM items i
			JOIN queues q ON q.id = i.queue_id
			JOIN consensus c ON c.item_id = i.id
			LEFT JOIN taus t ON t.queue_id = i.queue_id AND t.priority_class = i.priority_class AND t.frame_day = i.frame_day AND t.part = i.part
			WHERE i.event_time >= $1 AND i.event_time < $2 AND ($3 = '' OR i.task_class = $3)
			AND q.kind = 'standard' AND i.design <> 'discovery' AND i.labeled > 0 AND c.first_reading IS NOT NULL
			AND (i.design = 'census' OR i.u < coalesce(t.tau, 1))
		), judged AS (
			SELECT DISTINCT ON (v.event_id, v.validator) s.*, v.validator, v.version, v.verdict
			FROM sampled s
			JOIN verdicts v ON v.event_id = s.event_id
			ORDER BY v.event_id, v.validator, v.id DESC
		)
		SELECT task_class, priority_class, design, keep, part, validator, version, verdict, label, count(*)
		FROM judged
		GROUP BY task_class, priority_class, design, keep, part, validator, version, verdict, label`,
		f.From.UTC(), f.To.UTC(), f.TaskClass, frames.queues, frames.classes, frames.days, frames.taus, frames.parts)
	j.cells, err = pgx.CollectRows(rows, pgx.RowToStructByName[judgedCell])
	if err != nil {
		return j, fmt.Errorf("read the sample with its verdicts: %w", err)
	}
	return j, nil
}

// share estimates, among responses of the label that the version passed or
// failed, the share with the verdict.
func (j judgedSample) share(validator, version, label, verdict string) (stats.Estimate, error) {
	inside := map[sampledStratum]int64{}
	var sample []stats.InDomain
	populations := map[string]int{}
	put := func(h sampledStratum, n int64, in bool, y float64) {
		for range n {
			sample = append(sample, stats.InDomain{Stratum: fmt.Sprint(h), In: in, Y: y})
		}
	}
	for _, c := range j.cells {
		if c.Validator != validator || c.Version != version || c.Label != label || c.Verdict == "inconclusive" {
			continue
		}
		y := 0.0
		if c.Verdict == verdict {
			y = 1
		}
		put(c.sampledStratum, c.Count, true, y)
		inside[c.sampledStratum] += c.Count
	}
	for h, n := range j.labeled {
		put(h, max(0, n-inside[h]), false, 0)
	}
	for h := range j.labeled {
		populations[fmt.Sprint(h)] = int(max(j.readable[h], j.labeled[h], inside[h]))
	}
	for h := range inside {
		populations[fmt.Sprint(h)] = int(max(j.readable[h], j.labeled[h], inside[h]))
	}
	e, err := stats.Domain(sample, populations, stats.OfProcess, againstLevel)
	if err == nil && e.Defined && (e.Denominator < thinLabels || e.EffectiveN < thinLabels) {
		e.Thin = true
	}
	return e, err
}

// thinLabels is the number of labels below which a share says little.
const thinLabels = 20

// AgainstCase is one response behind a cell of the table.
type AgainstCase struct {
	EventID   uuid.UUID
	SessionID string
	TaskClass string
	Reason    string
	Message   string
	At        time.Time
}

// AgainstCases lists the responses of a cell, newest first.
func (s *Store) AgainstCases(ctx context.Context, actor auth.Actor, from, to time.Time, validator, version, verdict, label string, limit int) ([]AgainstCase, error) {
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return nil, err
	}
	rows, _ := s.DB.Query(ctx, `
		WITH `+consensusOf+`, judged AS (
			SELECT DISTINCT ON (v.event_id) v.id, v.event_id, v.session_id, v.task_class, v.version, v.verdict, v.reason, v.made_at, l.label
			FROM labeled l
			JOIN verdicts v ON v.event_id = l.event_id AND v.validator = $3
			ORDER BY v.event_id, v.id DESC
		)
		SELECT j.event_id, j.session_id, j.task_class, j.reason, coalesce(t.message, '') AS message, j.made_at AS at
		FROM judged j
		LEFT JOIN verdict_texts t ON t.verdict_id = j.id
		WHERE j.version = $4 AND j.verdict = $5 AND j.label = $6
		ORDER BY j.made_at DESC, j.event_id
		LIMIT $7`, from.UTC(), to.UTC(), validator, version, verdict, label, limit)
	return pgx.CollectRows(rows, pgx.RowToStructByName[AgainstCase])
}
