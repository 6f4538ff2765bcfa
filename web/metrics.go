package web

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"assay/internal/auth"
	"assay/telemetry"
)

// stageFigures is a prometheus.Collector over what the stages count, asked
// anew at each scrape: the counters that published alert rules name (A5.10),
// and the health of inbox, audit and database. A stage that is away leaves its
// figures out, so that a rule sees "no data" instead of a zero.
type stageFigures struct {
	stages Stages
	log    *slog.Logger
}

const scrapeTimeout = 10 * time.Second

// figure describes one metric of a stage. No label ever holds text of a user
// or a model.
func figure(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

var (
	hallucinatedTotal = figure("hallucinated_responses_total", "Responses whose first consensus was hallucinated. Labels are taken by priority: not a rate of all traffic.", "task_class", "model_version")
	labeledTotal      = figure("labeled_responses_total", "Responses that have a consensus of correct, partially correct or hallucinated.", "task_class", "model_version")
	correctedNow      = figure("assay_corrected_labels", "Responses whose consensus is another one today than the first.", "task_class", "model_version")

	inboxBatches = figure("assay_inbox_batches", "Batches acknowledged and not yet in ClickHouse.")
	inboxEvents  = figure("assay_inbox_events", "Events acknowledged and not yet in ClickHouse.")
	inboxBytes   = figure("assay_inbox_bytes", "Bytes acknowledged and not yet in ClickHouse.")
	inboxAge     = figure("assay_inbox_oldest_seconds", "Age of the oldest batch that waits; 0 when none does.")
	batchesShed  = figure("assay_ingest_shed_total", "Batches this process refused because more came than it could take.")
	simpleP95    = figure("p95_latency_simple_query", "Seconds that 95 of 100 answers to simple queries took at most, over the last 15 minutes, by nearest rank.", "env")
	deadLetters  = figure("assay_dead_letters", "Events refused by the store and not replayed.")

	auditLeaves     = figure("assay_audit_leaves_total", "Entries in the signed tree.")
	auditWaiting    = figure("assay_audit_waiting_entries", "Entries that wait for their place in the tree.")
	auditAge        = figure("assay_audit_waiting_seconds", "How long the oldest of them has waited.")
	auditCheckpoint = figure("assay_audit_checkpoint_timestamp_seconds", "When the newest checkpoint was signed.")

	poolInUse   = figure("assay_postgres_connections_in_use", "Connections of this process at work.")
	poolLimit   = figure("assay_postgres_connections_limit", "Connections this process may open.")
	poolWaits   = figure("assay_postgres_waits_total", "Requests that had to wait for a connection.")
	figuresAway = figure("assay_figures_away", "Stages that could not be asked at this scrape.")
)

// Describe sends nothing: which series there are depends on what is labeled.
func (f *stageFigures) Describe(chan<- *prometheus.Desc) {}

// Collect asks each stage.
func (f *stageFigures) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	away := 0
	for name, ask := range map[string]func(context.Context, chan<- prometheus.Metric) error{
		"labeling": f.labeling, "telemetry": f.telemetry, "audit": f.audit, "postgres": f.postgres,
	} {
		if err := ask(ctx, to); err != nil {
			away++
			f.log.Warn("figures of a stage are away", "stage", name, "error", loggable(err))
		}
	}
	to <- prometheus.MustNewConstMetric(figuresAway, prometheus.GaugeValue, float64(away))
}

func gauge(to chan<- prometheus.Metric, of *prometheus.Desc, value float64) {
	to <- prometheus.MustNewConstMetric(of, prometheus.GaugeValue, value)
}

func counter(to chan<- prometheus.Metric, of *prometheus.Desc, value float64, labels ...string) {
	to <- prometheus.MustNewConstMetric(of, prometheus.CounterValue, value, labels...)
}

type classAndModel struct{ class, model string }

func (f *stageFigures) labeling(ctx context.Context, to chan<- prometheus.Metric) error {
	if f.stages.Labeling == nil {
		return nil
	}
	firsts, err := f.stages.Labeling.FirstConsensuses(ctx)
	if err != nil {
		return err
	}
	labeled, hallucinated, corrected := map[classAndModel]int64{}, map[classAndModel]int64{}, map[classAndModel]int64{}
	for _, one := range firsts {
		key := classAndModel{one.TaskClass, one.ModelVersion}
		labeled[key] += one.Count
		corrected[key] += one.Corrected
		hallucinated[key] += 0 // a rule divides by series that exist
		if one.Label == "hallucinated" {
			hallucinated[key] += one.Count
		}
	}
	for key, n := range labeled {
		counter(to, labeledTotal, float64(n), key.class, key.model)
		counter(to, hallucinatedTotal, float64(hallucinated[key]), key.class, key.model)
		to <- prometheus.MustNewConstMetric(correctedNow, prometheus.GaugeValue, float64(corrected[key]), key.class, key.model)
	}
	return nil
}

func (f *stageFigures) telemetry(ctx context.Context, to chan<- prometheus.Metric) error {
	if f.stages.Telemetry == nil {
		return nil
	}
	_, shed := f.stages.Telemetry.Shedding()
	counter(to, batchesShed, float64(shed))
	w, err := f.stages.Telemetry.Waiting(ctx)
	if err != nil {
		return err
	}
	gauge(to, inboxBatches, float64(w.Batches))
	gauge(to, inboxEvents, float64(w.Events))
	gauge(to, inboxBytes, float64(w.Bytes))
	gauge(to, deadLetters, float64(w.DeadLetters))
	age := 0.0
	if !w.Oldest.IsZero() {
		age = time.Since(w.Oldest).Seconds()
	}
	gauge(to, inboxAge, age)
	now := time.Now().UTC()
	if f.stages.Telemetry.Clickhouse == nil {
		return nil
	}
	latencies, err := f.stages.Telemetry.Latencies(ctx, auth.Product(), telemetry.Window{From: now.Add(-simpleWindow), To: now}, telemetry.SimpleQueries, simpleLimit)
	if err != nil {
		return err
	}
	for _, l := range latencies {
		to <- prometheus.MustNewConstMetric(simpleP95, prometheus.GaugeValue, float64(l.P95)/1000, l.Env)
	}
	return nil
}

// What is asked of simple queries (A5.1), and the window it is watched in.
const (
	simpleWindow = 15 * time.Minute
	simpleLimit  = 1500 * time.Millisecond
)

func (f *stageFigures) audit(ctx context.Context, to chan<- prometheus.Metric) error {
	if f.stages.Audit == nil {
		return nil
	}
	status, err := f.stages.Audit.Status(ctx)
	if err != nil {
		return err
	}
	counter(to, auditLeaves, float64(status.Leaves))
	gauge(to, auditWaiting, float64(status.Waiting))
	gauge(to, auditAge, status.Oldest.Seconds())
	if !status.LastCheckpoint.IsZero() {
		gauge(to, auditCheckpoint, float64(status.LastCheckpoint.Unix()))
	}
	return nil
}

func (f *stageFigures) postgres(_ context.Context, to chan<- prometheus.Metric) error {
	pool, ok := f.stages.DB.(*pgxpool.Pool)
	if !ok {
		return nil
	}
	stat := pool.Stat()
	gauge(to, poolInUse, float64(stat.AcquiredConns()))
	gauge(to, poolLimit, float64(stat.MaxConns()))
	counter(to, poolWaits, float64(stat.EmptyAcquireCount()))
	return nil
}
