package web

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"assay/internal/auth"
	"assay/labeling"
)

// scraped is what a scrape gives: each series with its labels, and its value.
func scraped(t testing.TB, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			name := f.GetName()
			if len(labels) > 0 {
				name += "{" + strings.Join(labels, ",") + "}"
			}
			found[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return found
}

func TestMeasuresAreExportedWithTheirIntervals(t *testing.T) {
	registry := prometheus.NewRegistry()
	g := newGates(t, func(w *world) {
		w.config.Metrics = registry
		w.stages.Labeling = &labeling.Store{DB: w.pool}
	})
	g.cells = rated(t).cells
	path := g.handoff(nil)
	want := map[string]float64{
		`assay_hallucination_rate{model_version="v2",task_class="file_edit"}`:            2.0 / 61,
		`assay_hallucination_rate_incomplete{model_version="v2",task_class="file_edit"}`: 1,
		`assay_hallucination_rate_incomplete{model_version="v1",task_class="sql_query"}`: 0,
		`assay_hallucination_objective{task_class="sql_query"}`:                          .04,
		`assay_alerts{severity="page",state="firing"}`:                                   0,
		`assay_handoffs{promotion_status="BLOCKED_PENDING_EVALUATION"}`:                  1,
		`assay_measures_away`: 0,
	}
	got := scraped(t, registry)
	for name, value := range want {
		if have, there := got[name]; !there || have < value-1e-9 || have > value+1e-9 {
			t.Errorf("%s: want %v, got %v (there: %t)", name, value, have, there)
		}
	}
	low, high := got[`assay_hallucination_rate_low{model_version="v2",task_class="spreadsheet_formula"}`], got[`assay_hallucination_rate_high{model_version="v2",task_class="spreadsheet_formula"}`]
	if estimate := got[`assay_hallucination_rate{model_version="v2",task_class="spreadsheet_formula"}`]; !(0 < low && low < estimate && estimate < high && high < 1) {
		t.Errorf("estimate %v with its interval %v to %v", estimate, low, high)
	}
	for name := range got {
		if strings.Contains(name, "summarization") && strings.HasPrefix(name, "assay_hallucination_rate") {
			t.Errorf("four labels are no data, and no series: %s", name)
		}
	}

	// Fifteen seconds apart at most once asked; then the news is there.
	g.incident()
	g.as(auth.Engineer).bring(path+"/runs", results(1)).to(path)
	if again := scraped(t, registry); again[`assay_alerts{severity="page",state="firing"}`] != 0 {
		t.Error("asked again within 15 seconds")
	}
	g.clock.advance(16 * time.Second)
	got = scraped(t, registry)
	if got[`assay_alerts{severity="page",state="firing"}`] != 1 || got[`assay_handoffs{promotion_status="INCONCLUSIVE"}`]+got[`assay_handoffs{promotion_status="EVALUATING"}`] != 1 {
		t.Errorf("after 16 seconds: %v", slices.Sorted(maps.Keys(got)))
	}
	if err := g.store.Acknowledge(context.Background(), g.actor(auth.Engineer), 1); err != nil {
		t.Fatal(err)
	}
	g.clock.advance(time.Minute)
	if got = scraped(t, registry); got[`assay_alerts{severity="page",state="firing"}`] != 0 || got[`assay_alerts{severity="page",state="acknowledged"}`] != 1 {
		t.Error("an acknowledged alert does not page")
	}
	g.pool.Close()
	g.clock.advance(time.Minute)
	got = scraped(t, registry)
	if _, there := got[`assay_alerts{severity="page",state="firing"}`]; there || got[`assay_measures_away`] != 3 {
		t.Errorf("with the database away there is no data: away %v", got[`assay_measures_away`])
	}
}
