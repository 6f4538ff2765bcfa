package telemetry_test

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"assay/telemetry"
)

var (
	evidence = "fastship@v17"
	card     = telemetry.RateCard{Version: "internal-fixture-2026-05-27", InputPerMillion: 1, CachedInputPerMillion: 0.1, OutputPerMillion: 5}
)

// sixTraces are the worked example of A16.
func sixTraces() []telemetry.TraceEvent {
	trace := func(request, caseID string, evidence *string, template, route, stage string, unsafe bool, input, cached, output, ttft, total int64) telemetry.TraceEvent {
		return telemetry.TraceEvent{
			RequestID: request, CaseID: caseID, EvidenceVersion: evidence, PromptTemplateID: template, Route: route,
			FirstFailedStage: stage, UnsafeClaimServed: unsafe, InputTokens: input, CachedInputTokens: cached,
			OutputTokens: output, TTFTMS: ttft, TotalMS: total,
		}
	}
	const v1, regressed = "tracking-answerer-v1", "tracking-answerer-v1.1-regression"
	return []telemetry.TraceEvent{
		trace("req_201", "clean_scan", &evidence, v1, "serve", "passed", false, 188, 80, 27, 172, 410),
		trace("req_202", "invented_eta", &evidence, v1, "abstain", "claim_generation", false, 196, 80, 20, 181, 395),
		trace("req_203", "wrong_status", &evidence, v1, "abstain", "claim_generation", false, 192, 80, 21, 188, 402),
		trace("req_204", "missing_feed", nil, v1, "abstain", "evidence_admission", false, 160, 64, 15, 205, 382),
		trace("req_205", "invented_eta", &evidence, regressed, "serve", "serving_gate", true, 198, 80, 29, 218, 430),
		trace("req_206", "invented_eta", &evidence, regressed, "serve", "serving_gate", true, 201, 80, 30, 240, 455),
	}
}

func TestSharesOfTheSixTraces(t *testing.T) {
	traces := sixTraces()
	for _, c := range []struct {
		name string
		got  telemetry.Share
		want telemetry.Share
	}{
		{"unsafe serves", telemetry.UnsafeServes(traces), telemetry.Share{Count: 2, Of: 6}},
		{"safe routes", telemetry.SafeRoutes(traces), telemetry.Share{Count: 4, Of: 6}},
		{"abstentions", telemetry.Abstentions(traces), telemetry.Share{Count: 3, Of: 6}},
		{"supported serves", telemetry.SupportedServes(traces), telemetry.Share{Count: 1, Of: 6}},
		{"unsafe serves of v1", telemetry.UnsafeServes(traces[:4]), telemetry.Share{Count: 0, Of: 4}},
		{"unsafe serves of v1.1", telemetry.UnsafeServes(traces[4:]), telemetry.Share{Count: 2, Of: 2}},
	} {
		if c.want != c.got {
			t.Errorf("%s: want %v, got %v", c.name, c.want, c.got)
		}
	}
	rate, _ := telemetry.UnsafeServes(traces).Rate()
	if want, got := "33.3%", fmt.Sprintf("%.1f%%", 100*rate); want != got {
		t.Errorf("want %s, got %s", want, got)
	}
	if _, known := telemetry.UnsafeServes(nil).Rate(); known {
		t.Error("an empty window is no data, not zero")
	}
}

func TestFailureStagesOfTheSixTraces(t *testing.T) {
	want := map[string]int{"passed": 1, "claim_generation": 2, "evidence_admission": 1, "serving_gate": 2}
	if got := telemetry.FailureStages(sixTraces()); fmt.Sprint(want) != fmt.Sprint(got) {
		t.Errorf("want %v, got %v", want, got)
	}
}

func TestNearestRank(t *testing.T) {
	var ttft, total []int64
	for _, trace := range sixTraces() {
		ttft, total = append(ttft, trace.TTFTMS), append(total, trace.TotalMS)
	}
	hundred := make([]int64, 100)
	for i := range hundred {
		hundred[i] = int64(100 - i)
	}
	for _, c := range []struct {
		values  []int64
		percent int
		want    int64
	}{
		{ttft, 50, 188}, {ttft, 75, 218}, {ttft, 90, 240}, {ttft, 95, 240}, {ttft, 99, 240},
		{total, 50, 402}, {total, 95, 455}, {total, 99, 455},
		{ttft, 0, 172}, {[]int64{7}, 0, 7}, {[]int64{7}, 50, 7}, {[]int64{7}, 100, 7},
		{hundred, 7, 7}, {hundred, 14, 14}, {hundred, 28, 28}, {hundred, 55, 55}, {hundred, 56, 56}, {hundred, 95, 95}, {hundred, 100, 100},
	} {
		got, known := telemetry.NearestRank(c.values, c.percent)
		if !known || c.want != got {
			t.Errorf("p%d of %d values: want %d, got %d", c.percent, len(c.values), c.want, got)
		}
	}
	if _, known := telemetry.NearestRank([]int64{}, 95); known {
		t.Error("no values have no percentile")
	}
}

func TestThroughputAfterTheFirstToken(t *testing.T) {
	want := []float64{109.2437, 88.7850, 93.4579, 79.0960, 132.0755, 134.8837}
	for i, trace := range sixTraces() {
		got, err := telemetry.PostFirstTokenThroughput(trace.OutputTokens, trace.TTFTMS, trace.TotalMS)
		if err != nil || math.Abs(got-want[i]) > 5e-5 {
			t.Errorf("%s: want %.4f, got %.4f, %v", trace.RequestID, want[i], got, err)
		}
	}
	for _, c := range []struct {
		output, ttft, total int64
		err                 string
	}{
		{0, 240, 240, ""}, {1, 240, 240, ""},
		{2, 240, 240, "total_ms must exceed ttft_ms after the first token"},
		{30, 240, 239, "total_ms must exceed ttft_ms after the first token"},
	} {
		got, err := telemetry.PostFirstTokenThroughput(c.output, c.ttft, c.total)
		if c.err == "" && (got != 0 || err != nil) {
			t.Errorf("%d tokens: want 0, got %v, %v", c.output, got, err)
		}
		if c.err != "" && (!errors.Is(err, telemetry.ErrMalformedTiming) || err.Error() != c.err) {
			t.Errorf("%d tokens in no time: want %q, got %v", c.output, c.err, err)
		}
	}
}

func TestCostUnderARateCard(t *testing.T) {
	want := []float64{0.000251, 0.000224, 0.000225, 0.0001774, 0.000271, 0.000279}
	for i, trace := range sixTraces() {
		if got := card.Cost(trace.InputTokens, trace.CachedInputTokens, trace.OutputTokens); math.Abs(got-want[i]) > 1e-12 {
			t.Errorf("%s: want %.7f, got %.7f", trace.RequestID, want[i], got)
		}
	}
	if got := telemetry.WindowCost(sixTraces(), card); math.Abs(got-0.0014274) > 1e-12 {
		t.Errorf("window: want 0.0014274, got %.7f", got)
	}
	if got := card.Cost(10, 80, 0); math.Abs(got-0.000008) > 1e-15 {
		t.Errorf("more cached than input bills no negative input: got %.7f", got)
	}
}

func TestStalledRepeat(t *testing.T) {
	step := telemetry.ToolStep{ToolName: "lookup_tracking", ParamsHash: "order-redacted:v1", ProgressMarker: "scan:v17"}
	further := step
	further.ProgressMarker = "scan:v18"
	for _, c := range []struct {
		steps []telemetry.ToolStep
		want  bool
	}{
		{nil, false}, {[]telemetry.ToolStep{step}, false},
		{[]telemetry.ToolStep{step, step}, true},
		{[]telemetry.ToolStep{step, further}, false},
		{[]telemetry.ToolStep{step, step, further}, false},
		{[]telemetry.ToolStep{further, step, step}, true},
	} {
		if got := telemetry.StalledRepeat(c.steps); c.want != got {
			t.Errorf("%v: want %v, got %v", c.steps, c.want, got)
		}
	}
}
