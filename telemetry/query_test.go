package telemetry

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// rowsText runs a query and writes its rows, one a line.
func rowsText(t *testing.T, s *Store, sql string, columns int) string {
	t.Helper()
	rows, err := s.Clickhouse.Query(context.Background(), "SELECT * FROM ("+sql+")")
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer rows.Close()
	var text strings.Builder
	for rows.Next() {
		values := make([]any, columns)
		for i := range values {
			values[i] = newOf(rows.ColumnTypes()[i].DatabaseTypeName())
		}
		if err := rows.Scan(values...); err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			text.WriteString(shown(v) + " ")
		}
		text.WriteString("\n")
	}
	return text.String()
}

func newOf(kind string) any {
	switch {
	case strings.HasPrefix(kind, "Array"):
		return new([]float64)
	case strings.HasPrefix(kind, "Nullable(Float"):
		return new(*float64)
	case strings.HasPrefix(kind, "Float"):
		return new(float64)
	case strings.HasPrefix(kind, "UInt"):
		return new(uint64)
	case strings.HasPrefix(kind, "Nullable(String"):
		return new(*string)
	}
	return new(string)
}

func shown(v any) string {
	switch v := v.(type) {
	case *[]float64:
		return fmt.Sprint(*v)
	case **float64:
		return fmt.Sprintf("%.3f", **v)
	case *float64:
		return fmt.Sprintf("%.4f", *v)
	case *uint64:
		return fmt.Sprint(*v)
	case **string:
		return **v
	}
	return *v.(*string)
}

// TestPublishedQueriesRunUnchanged runs A14.1 to A14.4 as they stand.
func TestPublishedQueriesRunUnchanged(t *testing.T) {
	s := newStore(t)
	s.Clock = nil
	now := time.Now().UTC()
	ctx := context.Background()
	var lines []string
	var labels []LabelRow
	say := func(kind string, ago time.Duration, rest string) uuid.UUID {
		id := uuid.New()
		lines = append(lines, fmt.Sprintf(`{"event_id":%q,"event_type":%q,"timestamp":%q,"session_id":"q"%s}`, id, kind, at(now.Add(-ago)), rest))
		return id
	}
	label := func(model, class, word string, ago time.Duration, counted bool, revision int64) uuid.UUID {
		id := say("assistant_response", ago, fmt.Sprintf(`,"model_version":%q,"task_class":%q`, model, class))
		labels = append(labels, LabelRow{EventID: id, SessionID: "q", TaskClass: class, ModelVersion: model, Label: word, Counted: counted, Timestamp: now.Add(-ago), LabeledAt: now, Labels: 1, Source: "queue", Revision: revision})
		return id
	}
	for i, word := range []string{"hallucinated", "correct", "correct", "partially_correct"} {
		label("v1", "file_edit", word, time.Duration(i)*time.Hour, true, 1)
	}
	twice := label("v2", "file_edit", "correct", time.Hour, true, 1)
	labels = append(labels, LabelRow{EventID: twice, SessionID: "q", TaskClass: "file_edit", ModelVersion: "v2", Label: "hallucinated", Counted: true, Timestamp: now.Add(-time.Hour), LabeledAt: now, Labels: 2, Revision: 2})
	label("v1", "file_edit", "hallucinated", time.Hour, false, 1)     // gold
	label("v1", "file_edit", "cannot_tell", time.Hour, true, 1)       // is no answer
	label("v1", "file_edit", "hallucinated", 8*24*time.Hour, true, 1) // too long ago
	label("v1", "sql_query", "hallucinated", time.Hour, true, 1)      // another class
	withdrawn := label("v1", "file_edit", "hallucinated", time.Hour, true, 1)
	labels = append(labels, LabelRow{EventID: withdrawn, SessionID: "q", TaskClass: "file_edit", ModelVersion: "v1", Counted: true, Timestamp: now.Add(-time.Hour), LabeledAt: now, Revision: 2})
	for i := range 8 {
		say("exposure", time.Hour, fmt.Sprintf(`,"experiment_id":"exp-voiceprompt-2026","variant":%q`, []string{"A", "B"}[i%2]))
	}
	for i := range 3 {
		say("interaction", 2*time.Hour, fmt.Sprintf(`,"experiment_id":"exp-voiceprompt-2026","variant":"B","outcome":%q,"assistant_version":"1.3.0","model":"gptx-1000","latency_ms":%d`, []string{"success", "success", "failure"}[i], 100*(i+1)))
	}
	for range 4 {
		say("error", 2*time.Hour, `,"assistant_version":"1.2.0"`)
	}
	say("exposure", 2*time.Hour, `,"assistant_version":"1.2.0"`)
	say("interaction", 30*time.Minute, `,"model":"gptx-1000","latency_ms":400,"assistant_version":"1.3.0"`)
	say("interaction", 30*time.Minute, `,"model":"gptx-1000","model_version":"v9","latency_ms":500,"assistant_version":"1.3.0"`)
	land(t, s, lines...)
	land2(t, s, lines)
	if err := s.CopyLabels(ctx, labels); err != nil {
		t.Fatal(err)
	}
	if err := s.CopyLabels(ctx, labels); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, sql string
		columns   int
		want      string
	}{
		{"A14.1", `SELECT model_version, COUNT(CASE WHEN label='hallucinated' THEN 1 END) AS hallucinated, COUNT(*) AS labeled_total,
			1.0 * COUNT(CASE WHEN label='hallucinated' THEN 1 END) / COUNT(*) AS hallucination_rate
			FROM labeled_responses WHERE task_class='file_edit' AND timestamp >= current_date - interval '7' day
			GROUP BY model_version ORDER BY hallucination_rate DESC`, 4, "v2 1 1 1.0000 \nv1 1 4 0.2500 \n"},
		{"A14.2", `SELECT variant, countIf(event_type='exposure') AS exposures, countIf(event_type='interaction' AND outcome='success') AS successes,
			round(100.0*successes/exposures, 3) AS conversion_pct
			FROM assistant_events_raw WHERE experiment_id='exp-voiceprompt-2026' AND event_time >= now() - INTERVAL 7 DAY
			GROUP BY variant ORDER BY variant`, 4, "A 4 0 0.0000 \nB 4 2 50.0000 \n"},
		{"A14.3", `SELECT assistant_version, countIf(event_type='error') AS errors, count() AS total, round(100.0*errors/total, 3) AS error_pct
			FROM assistant_events_raw WHERE event_time >= now() - INTERVAL 1 DAY AND assistant_version != ''
			GROUP BY assistant_version ORDER BY error_pct DESC`, 4, "1.2.0 4 5 80.0000 \n1.3.0 0 5 0.0000 \n"},
		{"A14.4", `SELECT quantiles(0.5,0.75,0.9,0.99)(latency_ms) FROM assistant_events_dedup WHERE model='gptx-1000' AND event_time >= now() - INTERVAL 1 HOUR`, 1, "[450 475 490 499] \n"},
	} {
		if got := rowsText(t, s, c.sql, c.columns); c.want != got {
			t.Errorf("%s\nwant %q\ngot  %q", c.name, c.want, got)
		}
	}
}

// land2 sends again what was sent, and writes a second copy behind the door.
func land2(t *testing.T, s *Store, lines []string) {
	t.Helper()
	if receipt := send(t, s, strings.Join(lines, "\n")); receipt.Accepted != 0 {
		t.Fatalf("sent again nothing is new: %+v", receipt)
	}
	var names []string
	for _, c := range columns {
		names = append(names, c.name)
	}
	list := strings.Join(names, ", ")
	if err := s.Clickhouse.Exec(context.Background(), "INSERT INTO events ("+list+") SELECT "+list+" FROM events"); err != nil {
		t.Fatal(err)
	}
}

// sixTraces are the worked example.
var sixTraces = []string{
	`{"event_type":"gate_trace","request_id":"req_201","case_id":"clean_scan","evidence_version":"fastship@v17","prompt_template_id":"tracking-answerer-v1","route":"serve","first_failed_stage":"passed","unsafe_claim_served":false,"input_tokens":188,"cached_input_tokens":80,"output_tokens":27,"ttft_ms":172,"total_ms":410}`,
	`{"event_type":"gate_trace","request_id":"req_202","case_id":"invented_eta","evidence_version":"fastship@v17","prompt_template_id":"tracking-answerer-v1","route":"abstain","first_failed_stage":"claim_generation","unsafe_claim_served":false,"input_tokens":196,"cached_input_tokens":80,"output_tokens":20,"ttft_ms":181,"total_ms":395}`,
	`{"event_type":"gate_trace","request_id":"req_203","case_id":"wrong_status","evidence_version":"fastship@v17","prompt_template_id":"tracking-answerer-v1","route":"abstain","first_failed_stage":"claim_generation","unsafe_claim_served":false,"input_tokens":192,"cached_input_tokens":80,"output_tokens":21,"ttft_ms":188,"total_ms":402}`,
	`{"event_type":"gate_trace","request_id":"req_204","case_id":"missing_feed","evidence_version":null,"prompt_template_id":"tracking-answerer-v1","route":"abstain","first_failed_stage":"evidence_admission","unsafe_claim_served":false,"input_tokens":160,"cached_input_tokens":64,"output_tokens":15,"ttft_ms":205,"total_ms":382}`,
	`{"event_type":"gate_trace","request_id":"req_205","case_id":"invented_eta","evidence_version":"fastship@v17","prompt_template_id":"tracking-answerer-v1.1-regression","route":"serve","first_failed_stage":"serving_gate","unsafe_claim_served":true,"input_tokens":198,"cached_input_tokens":80,"output_tokens":29,"ttft_ms":218,"total_ms":430}`,
	`{"event_type":"gate_trace","request_id":"req_206","case_id":"invented_eta","evidence_version":"fastship@v17","prompt_template_id":"tracking-answerer-v1.1-regression","route":"serve","first_failed_stage":"serving_gate","unsafe_claim_served":true,"input_tokens":201,"cached_input_tokens":80,"output_tokens":30,"ttft_ms":240,"total_ms":455}`,
}

func TestSixTracesThroughTheStore(t *testing.T) {
	s := newStore(t)
	lines := slices.Clone(sixTraces)
	land(t, s, lines...)
	s.Clock = func() time.Time { return noon.Add(time.Minute) }
	if again := send(t, s, strings.Join(lines, "\n")); again.Duplicate != 6 {
		t.Errorf("sent again they change nothing: %+v", again)
	}
	traces, err := s.Traces(context.Background(), product, Window{noon.Add(-time.Minute), noon.Add(time.Minute)}, TraceFilter{})
	if err != nil || len(traces) != 6 {
		t.Fatalf("want 6 traces, got %d, %v", len(traces), err)
	}
	for i, want := range []string{"req_201", "req_202", "req_203", "req_204", "req_205", "req_206"} {
		if got := traces[i].RequestID; want != got {
			t.Errorf("in the order they came: want %s at %d, got %s", want, i, got)
		}
	}
	if traces[3].EvidenceVersion != nil || *traces[0].EvidenceVersion != "fastship@v17" {
		t.Error("a missing evidence version stays missing")
	}
	if got := UnsafeServes(traces); got != (Share{2, 6}) {
		t.Errorf("want 2 of 6, got %v", got)
	}
	card := RateCard{"internal-fixture-2026-05-27", 1, 0.1, 5}
	if got := WindowCost(traces, card); math.Abs(got-0.0014274) > 1e-12 {
		t.Errorf("want 0.0014274, got %v", got)
	}
	regressed, err := s.Traces(context.Background(), product, Window{noon.Add(-time.Minute), noon.Add(time.Minute)}, TraceFilter{PromptTemplateID: "tracking-answerer-v1.1-regression", Limit: 1})
	if err != nil || len(regressed) != 1 || regressed[0].RequestID != "req_205" {
		t.Errorf("the first violating one is req_205: %+v, %v", regressed, err)
	}
	// A response with the same request is not a second request.
	land(t, s, answer("x", noon, `,"request_id":"req_205","unsafe_claim_served":true,"route":"serve"`), answer("x", noon, `,"request_id":"req_300","unsafe_claim_served":false,"route":"serve"`))
	if traces, err = s.Traces(context.Background(), product, Window{noon.Add(-time.Minute), noon.Add(time.Minute)}, TraceFilter{}); err != nil || len(traces) != 7 {
		t.Errorf("want 7 requests, got %d, %v", len(traces), err)
	}
}

const replayFile = "../../shared/data/replay-refchecker/events.jsonl"

func TestReplayKeepsItsOwnTimes(t *testing.T) {
	body, err := os.ReadFile(replayFile)
	if err != nil {
		t.Skipf("the replay is not beside the checkout: %v", err)
	}
	s := newStore(t)
	setTerms(t, s, ReplayTerms)
	if receipt := send(t, s, string(body)); receipt.Accepted != 2100 || len(receipt.Rejected) != 0 {
		t.Fatalf("want 2100 accepted, got %+v", receipt)
	}
	drain(t, s)
	ctx := context.Background()
	extent, known, err := s.Extent(ctx, engineer)
	if err != nil || !known || extent.From.Format(time.DateOnly) != "2026-01-05" || extent.To.Format(time.DateOnly) != "2026-02-01" {
		t.Errorf("pages open on its own time: %+v, %v", extent, err)
	}
	page, err := s.Sessions(ctx, engineer, SessionFilter{Window: Window{extent.From, extent.To.Add(time.Millisecond)}}, "", 50)
	if err != nil || page.Total != 2100 || len(page.Sessions) != 50 {
		t.Errorf("want 2100 sessions, got %d, %v", page.Total, err)
	}
	if got := ask[uint64](t, s, "SELECT countIf(expires_at < toDateTime('2100-01-01 00:00:00')) FROM events"); got != 0 {
		t.Errorf("under legal hold nothing expires, %d do", got)
	}
	candidates, err := s.Flagged(ctx, product, time.Now().Add(-time.Hour), time.Now().Add(time.Minute))
	if err != nil || len(candidates) != 2100 {
		t.Fatalf("want 2100 considered, got %d, %v", len(candidates), err)
	}
	for _, c := range candidates {
		if len(c.Flags) != 0 {
			t.Fatalf("no person acted in this replay, but %+v", c)
		}
	}
}

func TestLatenciesAreOfNearestRank(t *testing.T) {
	s := newStore(t)
	var lines []string
	for i := range 100 {
		lines = append(lines, strings.Replace(answer(fmt.Sprint("s", i), noon, fmt.Sprintf(`,"env":"prod","total_ms":%d`, 10*(100-i))), "file_edit", "summarization", 1))
	}
	lines = append(lines, strings.Replace(answer("test", noon, `,"env":"test","latency_ms":7`), "file_edit", "file_search", 1),
		strings.Replace(answer("none", noon, `,"env":"prod"`), "file_edit", "file_search", 1), answer("other", noon, `,"env":"prod","total_ms":9000`))
	land(t, s, lines...)
	got, err := s.Latencies(context.Background(), product, today, SimpleQueries, 500*time.Millisecond)
	if want := []Latency{{"prod", 100, 500, 950, 990, 50}, {"test", 1, 7, 7, 7, 1}}; err != nil || fmt.Sprint(want) != fmt.Sprint(got) {
		t.Errorf("want %v, got %v, %v", want, got, err)
	}
}
