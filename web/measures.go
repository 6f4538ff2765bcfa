package web

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"assay/eval"
	"assay/internal/auth"
	"assay/telemetry"
)

// measureFigures is a prometheus.Collector over rates, latencies, queues,
// alerts and gates. They are asked from the stores at most each 15 seconds,
// however many scrape. What cannot be asked is left out: "no data", not zero.
type measureFigures struct {
	stages Stages
	log    *slog.Logger
	now    func() time.Time

	mu   sync.Mutex
	at   time.Time
	kept []prometheus.Metric
}

const (
	figuresKept = 15 * time.Second
	rateDays    = 7
)

var (
	simpleResponses = figure("assay_simple_query_responses", "Simple queries answered in the last 15 minutes, with a time on record.", "env")
	simpleWithin    = figure("assay_simple_query_within_objective", "Those of them that took at most 1.5 s.", "env")

	rateEstimate   = figure("assay_hallucination_rate", "Estimated rate of all traffic over the last seven days, labels weighed by their stratum.", "task_class", "model_version")
	rateLow        = figure("assay_hallucination_rate_low", "Lower limit of its 95 % interval.", "task_class", "model_version")
	rateHigh       = figure("assay_hallucination_rate_high", "Upper limit of its 95 % interval.", "task_class", "model_version")
	rateIncomplete = figure("assay_hallucination_rate_incomplete", "1 while the window is not labeled well enough to decide anything.", "task_class", "model_version")
	rateObjective  = figure("assay_hallucination_objective", "The share that was agreed as the most.", "task_class")

	queueWaiting  = figure("assay_queue_waiting", "Items free to reserve.", "queue", "priority_class")
	queueReserved = figure("assay_queue_reserved", "Items that somebody holds now.", "queue")
	queueSplit    = figure("assay_queue_split", "Items on which labelers differ and no reviewer has decided.", "queue")
	queueOldest   = figure("assay_queue_oldest_seconds", "How long the oldest item has waited; 0 when none does.", "queue")

	alertsNow   = figure("assay_alerts", "Alerts that are not resolved.", "state", "severity")
	handoffsNow = figure("assay_handoffs", "Handoffs by promotion status.", "promotion_status")

	measuresAway = figure("assay_measures_away", "Kinds of figures that could not be asked.")
)

// Describe sends nothing: which series there are depends on the data.
func (f *measureFigures) Describe(chan<- *prometheus.Desc) {}

// Collect gives the figures, at most 15 seconds old.
func (f *measureFigures) Collect(to chan<- prometheus.Metric) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := f.now(); f.kept == nil || now.Sub(f.at) >= figuresKept {
		f.kept, f.at = f.ask(now), now
	}
	for _, metric := range f.kept {
		to <- metric
	}
}

// gathered collects metrics of one asking.
type gathered struct{ list []prometheus.Metric }

func (g *gathered) gauge(of *prometheus.Desc, value float64, labels ...string) {
	g.list = append(g.list, prometheus.MustNewConstMetric(of, prometheus.GaugeValue, value, labels...))
}

func (f *measureFigures) ask(now time.Time) []prometheus.Metric {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	all, away := &gathered{}, 0
	for name, part := range map[string]func(context.Context, time.Time, *gathered) error{
		"latencies": f.latencies, "rates": f.rates, "queues": f.queues, "gates": f.gates,
	} {
		some := &gathered{}
		if err := part(ctx, now, some); err != nil {
			away++
			f.log.Warn("figures are away", "kind", name, "error", loggable(err))
			continue
		}
		all.list = append(all.list, some.list...)
	}
	all.gauge(measuresAway, float64(away))
	return all.list
}

func (f *measureFigures) latencies(ctx context.Context, now time.Time, to *gathered) error {
	if f.stages.Telemetry == nil || f.stages.Telemetry.Clickhouse == nil {
		return nil
	}
	window := telemetry.Window{From: now.Add(-simpleWindow), To: now}
	list, err := f.stages.Telemetry.Latencies(ctx, auth.Product(), window, telemetry.SimpleQueries, simpleLimit)
	if err != nil {
		return err
	}
	for _, l := range list {
		to.gauge(simpleResponses, float64(l.Responses), l.Env)
		to.gauge(simpleWithin, float64(l.Within), l.Env)
	}
	return nil
}

func (f *measureFigures) rates(ctx context.Context, now time.Time, to *gathered) error {
	if f.stages.Eval == nil || f.stages.Eval.Labels == nil {
		return nil
	}
	end := now.UTC().Truncate(24*time.Hour).AddDate(0, 0, 1)
	rates, err := f.stages.Eval.Rates(ctx, auth.Product(), eval.RateFilter{From: end.AddDate(0, 0, -rateDays), To: end, ByTaskClass: true, ByModel: true})
	if err != nil {
		return err
	}
	for _, row := range rates.Rows {
		if row.Standing == eval.NoData {
			continue
		}
		incomplete := 0.0
		if row.Standing == eval.Incomplete {
			incomplete = 1
		}
		to.gauge(rateEstimate, row.Value, row.TaskClass, row.ModelVersion)
		to.gauge(rateLow, row.Low, row.TaskClass, row.ModelVersion)
		to.gauge(rateHigh, row.High, row.TaskClass, row.ModelVersion)
		to.gauge(rateIncomplete, incomplete, row.TaskClass, row.ModelVersion)
	}
	objectives, err := f.stages.Eval.Objectives(ctx, auth.Product(), eval.Hallucination)
	for class, limit := range objectives {
		to.gauge(rateObjective, limit, class)
	}
	return err
}

func (f *measureFigures) queues(ctx context.Context, now time.Time, to *gathered) error {
	if f.stages.Labeling == nil {
		return nil
	}
	list, err := f.stages.Labeling.Summaries(ctx, auth.Product())
	if err != nil {
		return err
	}
	for _, q := range list {
		for class, n := range q.Waiting {
			to.gauge(queueWaiting, float64(n), q.Queue.Slug, string(class))
		}
		to.gauge(queueReserved, float64(q.Reserved), q.Queue.Slug)
		to.gauge(queueSplit, float64(q.Split), q.Queue.Slug)
		oldest := 0.0
		if q.Oldest != nil {
			oldest = now.Sub(*q.Oldest).Seconds()
		}
		to.gauge(queueOldest, oldest, q.Queue.Slug)
	}
	return nil
}

func (f *measureFigures) gates(ctx context.Context, _ time.Time, to *gathered) error {
	if f.stages.Eval == nil {
		return nil
	}
	alerts, handoffs, err := f.stages.Eval.Tally(ctx, auth.Product())
	if err != nil {
		return err
	}
	paging := 0
	for _, a := range alerts {
		if a.State == eval.Firing && a.Severity == eval.Page {
			paging = a.Alerts
			continue
		}
		to.gauge(alertsNow, float64(a.Alerts), string(a.State), string(a.Severity))
	}
	// Always there, so that a rule on it has something to compare.
	to.gauge(alertsNow, float64(paging), string(eval.Firing), string(eval.Page))
	for _, h := range handoffs {
		to.gauge(handoffsNow, float64(h.Handoffs), string(h.PromotionStatus))
	}
	return nil
}
