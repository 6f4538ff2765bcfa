package web

import (
	"context"
	"encoding/json"
	"math"
	"net/url"
	"strings"
	"testing"
	"time"

	"assay/internal/auth"
	"assay/labeling"
)

// sampled is a stratum of today whose sampled items are all labeled.
func sampled(g *gates, task, model string, class labeling.PriorityClass, population, labels, bad int64) labeling.SampleCell {
	tally := labeling.Tally{Hallucinated: bad, Correct: labels - bad}
	day := g.clock.now().UTC().Truncate(24 * time.Hour)
	return labeling.SampleCell{TaskClass: task, ModelVersion: model, PriorityClass: class, Design: "bottom_k", Keep: 1, Day: day,
		Responses: population, Readable: population * 9 / 10, Considered: population, Sampled: labels, Labels: tally, Raw: tally, LastLabelAt: g.clock.now()}
}

func rated(t *testing.T) *gates {
	g := newGates(t)
	behind := sampled(g, "file_edit", "v2", "random", 5000, 61, 2)
	behind.Sampled = 197
	split := sampled(g, "sql_query", "v1", "random", 9000, 400, 10)
	split.Split = 1
	g.cells = []labeling.SampleCell{
		sampled(g, "spreadsheet_formula", "v2", "negative", 200, 100, 60), sampled(g, "spreadsheet_formula", "v2", "random", 9000, 400, 32),
		sampled(g, "spreadsheet_formula", "v1", "random", 9000, 400, 10), split, behind,
		sampled(g, "summarization", "v1", "random", 3000, 4, 1),
	}
	return g
}

func TestRatesSayHowSureTheyAreAndWhatFollows(t *testing.T) {
	g := rated(t)
	page := g.as(auth.Engineer).get("/rates").want(200)
	rows := page.find("#rates tbody tr")
	want := [][]string{
		{"Spreadsheet formula", "v2", "9.1 %", "6.9 to 12.1", "≤ 4 %", "over", "500", "100 %", "18.4 %"},
		{"v1", "2.5 %", "1.4 to 4.5", "≤ 4 %", "undecided", "400"},
		{"SQL query", "v1", "2.5 %", "undecided", "1 undecided", "400"},
		{"File edit", "v2", "3.3 %", "at worst 0.", "incomplete", "61", "31 %"},
		{"Summarization", "v1", "–", "no data: 4 labels, at least 5 in each cell needed", "no data", "4"},
	}
	if len(rows) != len(want) {
		t.Fatalf("want %d rows, got %d", len(want), len(rows))
	}
	for i, parts := range want {
		for _, part := range parts {
			if got := words(rows[i]); !strings.Contains(got, part) {
				t.Errorf("row %d lacks %q: %s", i, part, got)
			}
		}
	}
	if got := words(rows[0]); strings.Contains(got, "at worst") {
		t.Errorf("where all is answered the interval is the worst case: %s", got)
	}
	page.says(".says", "v2 is worse than v1 on spreadsheet formula: 6.6 points more hallucinated, 95 % 3.6 to 9.9. It is over the objective of 4 %.",
		"No other difference between versions is decisive. File edit, v2, is incomplete: 136 sampled items without a label. About 1 h 45 min of work could change that.")
	if got := page.attr(".says a", "href"); got != "/queues/file_edit" {
		t.Errorf("the work is in that queue, got %s", got)
	}
	page.says(".table-foot", "90.0 % of 35,200 responses could be read.", "Raw is the share of labeled items that were bad")
	page.says("#how", "MOVER", "Incomplete")
	if len(page.find("main [style]")) != 0 {
		t.Error("widths are attributes, not styles")
	}
}

func TestRatesAreFilteredByTheirAddress(t *testing.T) {
	g := rated(t)
	engineer := g.as(auth.Engineer)
	engineer.get("/rates?metric=not_correct").want(200).says("h1", "Not correct rate")
	if n := len(engineer.get("/rates?by=none").want(200).find("#rates tbody tr")); n != 1 {
		t.Errorf("all traffic is one row, got %d", n)
	}
	engineer.get("/rates?by=task_class&window=30").says("#rates tbody tr", "all")
	if page := engineer.get("/rates?task_class=sql_query"); page.attr(".filters [name=task_class]", "value") != "sql_query" || len(page.find("#rates tbody tr")) != 1 {
		t.Error("a task class narrows the table and stays in its filter")
	}
	engineer.get("/rates?from=2026-01-01&to=2026-01-08").want(200).says("#rates", "No responses in this window")
	for _, wrong := range []string{"?metric=speed", "?by=user", "?window=0", "?window=x", "?from=yesterday", "?to=2026-13-01&from=2026-01-01", "?estimator=best", "?from=2026-01-08&to=2026-01-01", "?unknown=1"} {
		engineer.get("/rates" + wrong).want(400)
	}
	page := engineer.get("/rates?task_class=" + url.QueryEscape(hostile)).want(200).harmless()
	if link := page.attr(".head a.button[data-copy]", "data-copy"); !strings.HasPrefix(link, g.url+"/rates?") || !strings.Contains(link, "from=") {
		t.Errorf("the permalink is whole and names its days: %s", link)
	}
	for _, role := range []auth.Role{auth.ReleaseManager, auth.Auditor, auth.Reviewer} {
		g.as(role).get("/rates").want(200)
	}
	g.as(auth.Labeler).get("/rates").want(403)
	g.as(auth.Admin).get("/rates").want(403)
}

func TestHostileNamesOfModelsAreText(t *testing.T) {
	g := newGates(t)
	g.cells = []labeling.SampleCell{sampled(g, hostile, hostile, "random", 900, 100, 50), sampled(g, hostile, "v1", "random", 900, 100, 1)}
	page := g.as(auth.Engineer).get("/rates").want(200).harmless()
	page.says(".says", strings.Join(strings.Fields(hostile), " "))
}

type rateAnswer struct {
	Rows []struct {
		TaskClass    string  `json:"task_class"`
		ModelVersion string  `json:"model_version"`
		Estimate     float64 `json:"estimate"`
		Low, High    float64
		Level        float64
		Numerator    float64
		Denominator  float64
		Labeled      int
		Population   int
		EffectiveN   float64 `json:"effective_n"`
		Estimator    string
		AsOf         time.Time `json:"as_of"`
		Permalink    string
		Standing     string
		Raw          *float64
	}
}

func TestRatesOverTheAPI(t *testing.T) {
	g := rated(t)
	program := g.program(auth.ScopeRead)
	var weighted, raw rateAnswer
	program.get("/v1/rates?metric=hallucination&by=task_class,model_version").want(200).json(&weighted)
	program.get("/v1/rates?metric=hallucination&by=task_class,model_version&estimator=raw").want(200).json(&raw)
	if len(weighted.Rows) != 5 || len(raw.Rows) != 5 {
		t.Fatalf("want 5 rows, got %d and %d", len(weighted.Rows), len(raw.Rows))
	}
	w, r := weighted.Rows[0], raw.Rows[0]
	if w.TaskClass != "spreadsheet_formula" || w.ModelVersion != "v2" || math.Abs(w.Estimate-.0910) > .001 || w.Level != .95 || w.Labeled != 500 || w.Population != 9200 ||
		w.Numerator != 92 || w.Denominator != 500 || w.EffectiveN <= 0 || w.Estimator == r.Estimator || w.AsOf.IsZero() || w.Standing != "over" {
		t.Errorf("weighted: %+v", w)
	}
	if r.Estimate != 92.0/500 || r.Numerator/r.Denominator != r.Estimate {
		t.Errorf("raw is numerator over denominator: %+v", r)
	}
	g.as(auth.Engineer).get(w.Permalink).want(200).says("#rates tbody tr", "Spreadsheet formula", "v2")
	last := weighted.Rows[4]
	if last.Standing != "no data" {
		t.Errorf("no data is said: %+v", last)
	}
	var problem struct{ Fault string }
	program.get("/v1/rates?by=user").want(400).json(&problem)
	if problem.Fault != "invalid" {
		t.Errorf("got %+v", problem)
	}
	g.program(auth.ScopeIngest).get("/v1/rates").want(403)
	var empty map[string]json.RawMessage
	program.get("/v1/rates?from=2025-01-01&to=2025-01-02").want(200).json(&empty)
	if string(empty["rows"]) != "[]" {
		t.Errorf("no rows is an empty list, got %s", empty["rows"])
	}
}

func TestRatesWithoutLabelsAreAway(t *testing.T) {
	g := newGates(t)
	g.store.Labels = nil
	g.as(auth.Engineer).get("/rates").want(503)
	if _, err := g.store.Policies(context.Background()); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	for _, path := range []string{"/rates", "/alerts", "/incidents", "/incidents/1", "/handoffs", "/handoffs/1"} {
		w.as(auth.Engineer).get(path).want(503)
	}
}
