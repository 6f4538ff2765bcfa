package telemetry

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/internal/auth"
	"assay/internal/fault"
)

func TestTheWorkedExampleThroughTheFigures(t *testing.T) {
	s := newStore(t)
	ctx := context.Background()
	land(t, s, slices.Clone(sixTraces)...)
	f := MetricFilter{Window: today, By: []Dimension{ByTemplate}}
	all := MetricFilter{Window: today}
	costs, err := s.Costs(ctx, engineer, all, "internal-fixture-2026-05-27")
	if err != nil || len(costs.Rows) != 1 {
		t.Fatalf("%+v, %v", costs, err)
	}
	row := costs.Rows[0]
	if math.Abs(row.Total-0.0014274) > 1e-12 || row.Spent.Calls != 6 || row.Calls.Events != 6 || costs.Currency != "USD" || len(row.Days) != 1 {
		t.Errorf("want 0.0014274 USD of 6 calls, got %+v", row)
	}
	each := []float64{0.000251, 0.000224, 0.000225, 0.0001774, 0.000271, 0.000279}
	mean, squares := 0.0014274/6, 0.0
	for _, c := range each {
		squares += (c - mean) * (c - mean)
	}
	if m := row.PerCall(); math.Abs(m.Value-mean) > 1e-12 || math.Abs(m.SE-math.Sqrt(squares/5/6)) > 1e-12 {
		t.Errorf("a call costs %v ± %v, got %+v", mean, math.Sqrt(squares/5/6), m)
	}
	byTemplate, err := s.Costs(ctx, engineer, f, "")
	if err != nil || len(byTemplate.Rows) != 2 || math.Abs(byTemplate.Rows[1].Total-0.00055) > 1e-12 || byTemplate.Rows[1].Of(ByTemplate) != "tracking-answerer-v1.1-regression" {
		t.Errorf("by template: %+v, %v", byTemplate.Rows, err)
	}
	routes, err := s.RouteRows(ctx, engineer, all)
	if err != nil || len(routes) != 1 {
		t.Fatalf("%+v, %v", routes, err)
	}
	r := routes[0]
	if got := fmt.Sprint(r.Requests, r.Unsafe, r.Abstained, r.Supported, r.Stages); got != "6 2 3 1 map[claim_generation:2 evidence_admission:1 passed:1 serving_gate:2]" {
		t.Errorf("the three rates are apart: %s", got)
	}
	if e := shareEstimate(r.Unsafe, r.Requests); math.Abs(e.Low-0.096771) > 1e-6 || math.Abs(e.High-0.700007) > 1e-6 {
		t.Errorf("2 of 6: %+v", e)
	}
	tokens, err := s.TokenRows(ctx, engineer, all)
	if err != nil || len(tokens) != 1 || tokens[0].Input.Sum() != 188+196+192+160+198+201 || tokens[0].Output.Sum() != 27+20+21+15+29+30 || tokens[0].Cached != 464 {
		t.Errorf("tokens: %+v, %v", tokens, err)
	}
	// The same requests as responses: a request with a response is one call.
	var lines []string
	for i, line := range sixTraces {
		lines = append(lines, strings.Replace(strings.Replace(line, "gate_trace", "assistant_response", 1), `{"event_type"`, fmt.Sprintf(`{"session_id":"r%d","event_time":%q,"event_type"`, i, at(noon)), 1))
	}
	land(t, s, lines...)
	again, err := s.Costs(ctx, engineer, all, "")
	if err != nil || again.Rows[0].Calls.Events != 6 || math.Abs(again.Rows[0].Total-0.0014274) > 1e-12 {
		t.Errorf("counted once: %+v, %v", again.Rows, err)
	}
	latency, err := s.LatencyRows(ctx, engineer, all)
	if err != nil || len(latency) != 1 {
		t.Fatalf("%+v, %v", latency, err)
	}
	got := ""
	for _, d := range []Distribution{latency[0].FirstToken, latency[0].Total} {
		for _, p := range []int{50, 75, 90, 95, 99} {
			v, _ := d.Percentile(p)
			got += fmt.Sprint(v, " ")
		}
	}
	if want := "188 218 240 240 240 402 430 455 455 455 "; got != want {
		t.Errorf("want %s, got %s", want, got)
	}
	tokens, err = s.TokenRows(ctx, engineer, all)
	speeds := fmt.Sprint(tokens[0].Speed.Values)
	if err != nil || speeds != "[7910 8879 9346 10924 13208 13488]" {
		t.Errorf("hundredths of a token a second: %s, %v", speeds, err)
	}
}

// random traffic, of which some is impossible, some late, and much written twice.
func TestFiguresAgreeWithEveryEvent(t *testing.T) {
	s := newStore(t)
	past := OpenTerms
	past.Historical = true
	setTerms(t, s, past)
	ctx := context.Background()
	r := rand.New(rand.NewPCG(4, 20))
	type response struct {
		model, session   string
		at               time.Time
		total, ttft, out int64
	}
	var all []response
	var lines []string
	for i := range 600 {
		e := response{model: fmt.Sprint("v", r.IntN(3)), session: fmt.Sprint("s", r.IntN(150)), at: noon.Add(-time.Duration(r.IntN(48*3600)) * time.Second),
			total: int64(r.IntN(400)), ttft: int64(r.IntN(300)), out: int64(r.IntN(60))}
		all = append(all, e)
		lines = append(lines, fmt.Sprintf(`{"event_type":"assistant_response","session_id":%q,"event_time":%q,"task_class":"file_edit","model_version":%q,"outcome":"success","total_ms":%d,"ttft_ms":%d,"output_tokens":%d}`,
			e.session, at(e.at), e.model, e.total, e.ttft, e.out))
		if i%10 == 0 {
			lines = append(lines, fmt.Sprintf(`{"event_type":"error","session_id":%q,"event_time":%q,"task_class":"file_edit","model_version":%q,"error_type":"timeout"}`, e.session, at(e.at), e.model))
		}
	}
	land(t, s, lines...)
	land2(t, s, lines)
	duplicateFacts(t, s)
	f := MetricFilter{Window: Window{noon.Add(-24 * time.Hour), noon.Add(time.Second)}, By: []Dimension{ByModelVersion}}
	rows, err := s.LatencyRows(ctx, engineer, f)
	if err != nil || len(rows) != 3 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, row := range rows {
		var total, before []int64
		malformed, sessions := int64(0), map[string]bool{}
		for _, e := range all {
			impossible := e.ttft > e.total || e.out > 1 && e.total <= e.ttft
			inside, earlier := !e.at.Before(f.Window.From), !e.at.Before(f.Window.Before().From)
			switch {
			case e.model != row.Of(ByModelVersion) || !earlier:
			case inside && impossible:
				malformed++
			case inside:
				total, sessions[e.session] = append(total, e.total), true
			case !impossible:
				before = append(before, e.total)
			}
		}
		slices.Sort(total)
		want95, _ := NearestRank(total, 95)
		q := row.Total.Quantile(95)
		if row.Malformed.Events != malformed || row.Timed != (Counted{int64(len(total)), int64(len(sessions))}) || row.Total.N() != len(total) || q.Value != want95 || row.Before.Total.N() != len(before) {
			t.Errorf("%v: want %d malformed, %d timed, P95 %d, %d before; got %+v %+v %d, %d", row.Group, malformed, len(total), want95, len(before), row.Malformed, row.Timed, q.Value, row.Before.Total.N())
		}
		if q.Bounded && (q.Low > q.Value || q.High < q.Value) {
			t.Errorf("a percentile lies in its interval: %+v", q)
		}
		// What is behind a figure is as many sessions as it says.
		for kind, n := range map[Behind]int64{BehindTimed: row.Timed.Sessions, BehindMalformed: row.Malformed.Sessions, BehindFirstToken: row.First.Sessions} {
			page, err := s.Sessions(ctx, engineer, SessionFilter{Window: f.Window, ModelVersion: row.Of(ByModelVersion), Behind: kind}, "", 1)
			if err != nil || page.Total != n {
				t.Errorf("%s of %v: the figure says %d sessions, the list %d, %v", kind, row.Group, n, page.Total, err)
			}
		}
	}
	errorRows, err := s.ErrorRows(ctx, engineer, MetricFilter{Window: Window{noon.Add(-49 * time.Hour), noon.Add(time.Second)}})
	if err != nil || len(errorRows) != 1 || errorRows[0].Errors.Events != 60 || errorRows[0].Events.Events != 660 {
		t.Errorf("errors of events: %+v, %v", errorRows, err)
	}
	kinds, err := s.ErrorKinds(ctx, engineer, MetricFilter{Window: Window{noon.Add(-49 * time.Hour), noon.Add(time.Second)}}, 5)
	if err != nil || len(kinds) != 1 || kinds[0].ErrorType != "timeout" || kinds[0].Events != 60 {
		t.Errorf("kinds: %+v, %v", kinds, err)
	}
	load, err := s.Load(ctx, engineer, MetricFilter{Window: Window{noon.Add(-49 * time.Hour), noon.Add(time.Second)}})
	if err != nil || load.Responses != 600 || load.PeakMinute < 1 || load.Sessions < 100 || load.PeakSessions < 1 {
		t.Errorf("load: %+v, %v", load, err)
	}
}

// duplicateFacts writes the narrow rows a second time, past the door.
func duplicateFacts(t *testing.T, s *Store) {
	t.Helper()
	var names []string
	for _, c := range columns {
		if !c.wide {
			names = append(names, c.name)
		}
	}
	list := strings.Join(names, ", ")
	if err := s.Clickhouse.Exec(context.Background(), "INSERT INTO event_facts ("+list+") SELECT "+list+" FROM event_facts"); err != nil {
		t.Fatal(err)
	}
}

func TestConversationsAndFeedbackAreMeasured(t *testing.T) {
	s := newStore(t)
	ctx := context.Background()
	s.Clock = func() time.Time { return noon.Add(2 * time.Hour) }
	land(t, s,
		answer("a", noon, `,"request_id":"r1","response":"x"`), answer("a", noon.Add(time.Minute), `,"request_id":"r2","outcome":"success"`),
		answer("b", noon, `,"request_id":"r3","explicit_feedback":"down"`), answer("c", noon, `,"request_id":"r4"`),
		fmt.Sprintf(`{"event_type":"feedback","session_id":"a","request_id":"r2","event_time":%q,"explicit_feedback":"up"}`, at(noon.Add(2*time.Minute))),
		fmt.Sprintf(`{"event_type":"feedback","session_id":"c","request_id":"r4","event_time":%q,"explicit_feedback":"down","reason":"incorrect"}`, at(noon.Add(time.Minute))),
		fmt.Sprintf(`{"event_type":"tool_step","session_id":"a","event_time":%q,"tool_name":"search","params_hash":"p","progress_marker":"1","total_ms":40}`, at(noon)),
		fmt.Sprintf(`{"event_type":"tool_step","session_id":"a","event_time":%q,"tool_name":"search","params_hash":"p","progress_marker":"1","total_ms":60,"result_status":"error","retry_count":2}`, at(noon.Add(time.Second))),
		fmt.Sprintf(`{"event_type":"tool_step","session_id":"b","event_time":%q,"tool_name":"search","params_hash":"p","progress_marker":"1"}`, at(noon.Add(2*time.Second))))
	flagged(t, s)
	f := MetricFilter{Window: today, By: []Dimension{ByTaskClass}}
	rows, err := s.FeedbackRows(ctx, engineer, f)
	if err != nil || len(rows) != 1 {
		t.Fatalf("%+v, %v", rows, err)
	}
	if r := rows[0]; r.Responses.Events != 4 || r.Down != (Counted{2, 2}) || r.Up != (Counted{1, 1}) || r.DownShare().Denominator != 3 {
		t.Errorf("feedback joins its response: %+v", r)
	}
	tags, err := s.ReasonTags(ctx, engineer, MetricFilter{Window: today}, 5)
	if err != nil || len(tags) != 1 || tags[0].Reason != "incorrect" {
		t.Errorf("reasons: %+v, %v", tags, err)
	}
	flow, err := s.FlowRows(ctx, engineer, f)
	if err != nil || len(flow) != 1 || flow[0].Sessions != 3 || flow[0].Turns.N() != 3 || flow[0].Turns.AtLeast(2) != 1 || flow[0].Seconds.Sum() != 60 {
		t.Errorf("flow: %+v, %v", flow, err)
	}
	tools, err := s.ToolRows(ctx, engineer, MetricFilter{Window: today}, 5)
	if err != nil || len(tools) != 1 {
		t.Fatalf("%+v, %v", tools, err)
	}
	if r := tools[0]; r.Events != 3 || r.Failed != 1 || r.Retries != 2 || r.Repeats != 1 || r.Stalled != 1 || fmt.Sprint(r.TookMS.Values) != "[40 60]" {
		t.Errorf("tools: %+v", r)
	}
	for kind, n := range map[Behind]int64{BehindDown: 2, BehindUp: 1, BehindResponses: 3, BehindToolSteps: 2} {
		page, err := s.Sessions(ctx, engineer, SessionFilter{Window: today, Behind: kind}, "", 1)
		if err != nil || page.Total != n {
			t.Errorf("behind %s: want %d, got %d, %v", kind, n, page.Total, err)
		}
	}
}

func TestExperimentsAreMeasuredPerUserAndPerEvent(t *testing.T) {
	s := newStore(t)
	ctx := context.Background()
	var lines []string
	say := func(kind, experiment, variant, user, more string) {
		lines = append(lines, fmt.Sprintf(`{"event_type":%q,"session_id":%q,"event_time":%q,"experiment_id":%q,"variant":%q,"user_id_hash":%q%s}`,
			kind, "s"+user+variant, at(noon.Add(time.Duration(len(lines))*time.Millisecond)), experiment, variant, user, more))
	}
	for i := range 300 { // 200 to 100, meant to be equal
		variant := "A"
		if i%3 == 0 {
			variant = "B"
		}
		say("exposure", "skewed", variant, fmt.Sprint("sha256-", i), "")
	}
	for i := range 40 {
		say("exposure", "even", []string{"A", "B"}[i%2], fmt.Sprint("sha256-", i), "")
		if i < 10 { // more successes than exposures, of few users
			for range 5 {
				say("interaction", "even", "A", "sha256-0", `,"outcome":"success"`)
			}
		}
	}
	say("exposure", "even", "B", "sha256-0", "")                          // in both arms
	say("interaction", "lonely", "A", "sha256-1", `,"outcome":"success"`) // nobody was exposed
	land(t, s, lines...)
	rows, err := s.VariantRows(ctx, engineer, MetricFilter{Window: today}, "")
	if err != nil || len(rows) != 5 {
		t.Fatalf("%+v, %v", rows, err)
	}
	a, b, lonely, skewed := rows[0], rows[1], rows[2], rows[3]
	if percent, ok := a.PerEvent(); !ok || percent != 250 || a.Users != 20 || a.Converted != 1 || a.PerUser().Value != 0.05 || a.Mismatch {
		t.Errorf("more than all per event, one of twenty users: %+v, %v", a, percent)
	}
	if b.Users != 21 || b.Both != 1 || a.Both != 1 {
		t.Errorf("who is in both arms is said: %+v", b)
	}
	if _, ok := lonely.PerEvent(); ok || lonely.Experiment != "lonely" {
		t.Errorf("without exposures there is no conversion: %+v", lonely)
	}
	if !skewed.Mismatch || skewed.Expected != 150 {
		t.Errorf("200 to 100 is no chance: %+v", skewed)
	}
	page, err := s.Sessions(ctx, engineer, SessionFilter{Window: today, Behind: BehindExposures, Experiment: "even", Variant: "A"}, "", 1)
	if err != nil || page.Total != a.Exposures.Sessions {
		t.Errorf("behind the exposures: want %d, got %d, %v", a.Exposures.Sessions, page.Total, err)
	}
}

func TestRateCardsTakeEffectAndAreNeverEdited(t *testing.T) {
	s := newStore(t)
	past := OpenTerms
	past.Historical = true
	setTerms(t, s, past)
	ctx := context.Background()
	midnight := day(noon)
	add := func(version, model string, from time.Time, price float64) error {
		return s.AddCard(ctx, engineer, DatedCard{RateCard: RateCard{version, price, 0, 0}, Currency: "USD", ModelVersion: model, EffectiveFrom: from})
	}
	if err := errors.Join(add("today", "", midnight, 2), add("v2-today", "v2", midnight, 7)); err != nil {
		t.Fatal(err)
	}
	line := func(model string, when time.Time) string {
		return strings.Replace(answer("s", when, `,"input_tokens":1000000`), `"v1"`, fmt.Sprintf("%q", model), 1)
	}
	land(t, s, line("v1", midnight.Add(-time.Millisecond)), line("v1", midnight), line("v2", midnight.Add(time.Hour)), line("v2", midnight.Add(-time.Hour)))
	f := MetricFilter{Window: Window{midnight.AddDate(0, 0, -1), noon}}
	costs, err := s.Costs(ctx, engineer, f, "")
	if err != nil || len(costs.Rows) != 1 || costs.Rows[0].Total != 1+2+7+1 || strings.Join(costs.Versions, " ") != "internal-fixture-2026-05-27 today v2-today" {
		t.Errorf("each call by the card of its day and model: %+v, %v", costs, err)
	}
	if days := costs.Rows[0].Days; len(days) != 2 || days[0].Total != 2 || days[1].Total != 9 {
		t.Errorf("by day: %+v", days)
	}
	named, err := s.Costs(ctx, engineer, f, "today")
	if err != nil || named.Rows[0].Total != 8 {
		t.Errorf("a named version prices every call: %+v, %v", named.Rows, err)
	}
	for name, err := range map[string]error{"the same version": add("today", "", noon, 3), "the same day": add("other", "", midnight, 3)} {
		if fault.Of(err) != fault.Conflict {
			t.Errorf("%s: want conflict, got %v", name, err)
		}
	}
	for name, err := range map[string]error{"no version": add(" ", "", noon, 3), "a price below nothing": add("x", "", noon, -1), "no number": add("x", "", noon, math.NaN()), "no day": add("x", "", time.Time{}, 1)} {
		if fault.Of(err) != fault.Invalid {
			t.Errorf("%s: want invalid, got %v", name, err)
		}
	}
	if _, err := s.Costs(ctx, engineer, f, "nobody's"); fault.Of(err) != fault.Invalid {
		t.Errorf("want invalid, got %v", err)
	}
	if err := s.AddCard(ctx, labeler, DatedCard{}); fault.Of(err) != fault.Denied {
		t.Errorf("want denied, got %v", err)
	}
	var entries int
	if err := s.DB.QueryRow(ctx, `SELECT count(*) FROM audit_entries WHERE action = 'rate_card.add'`).Scan(&entries); err != nil || entries != 2 {
		t.Errorf("adding a card is audited: %d, %v", entries, err)
	}
}

func TestFiguresAreForThoseWhoSeeMeasures(t *testing.T) {
	s := newStore(t)
	if _, err := s.LatencyRows(context.Background(), labeler, MetricFilter{Window: today}); fault.Of(err) != fault.Denied {
		t.Errorf("want denied, got %v", err)
	}
	for _, f := range []MetricFilter{{}, {Window: Window{noon, noon}}, {Window: Window{noon.AddDate(-2, 0, 0), noon}}, {Window: today, By: []Dimension{"color"}}} {
		if _, err := s.LatencyRows(context.Background(), auth.Product(), f); fault.Of(err) != fault.Invalid {
			t.Errorf("%+v: want invalid, got %v", f, err)
		}
	}
}

func TestDistributionsAreExact(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		n := 1 + r.IntN(400)
		counts := map[int64]uint64{}
		var list []int64
		for range n {
			v := int64(r.IntN(50) - 10)
			counts[v]++
			list = append(list, v)
		}
		var values []int64
		var times []uint64
		for v, c := range counts {
			values, times = append(values, v), append(times, c)
		}
		d := distributionOf(values, times)
		slices.Sort(list)
		for _, p := range []int{0, 1, 7, 14, 28, 50, 55, 56, 95, 99, 100} {
			want, _ := NearestRank(list, p)
			if got, ok := d.Percentile(p); !ok || got != want {
				t.Fatalf("P%d of %v: want %d, got %d", p, list, want, got)
			}
		}
		sum, above := int64(0), 0
		for _, v := range list {
			sum += v
			if v >= 5 {
				above++
			}
		}
		if d.Sum() != sum || d.AtLeast(5) != above || math.Abs(d.Mean().Value-float64(sum)/float64(n)) > 1e-9 || merged(list).N() != n || fmt.Sprint(merged(list)) != fmt.Sprint(d) {
			t.Fatalf("sum %d, got %d; at least 5: %d, got %d", sum, d.Sum(), above, d.AtLeast(5))
		}
	}
	if _, ok := (Distribution{}).Percentile(95); ok || (Distribution{}).Quantile(50).Known || (Distribution{}).AtLeast(1) != 0 {
		t.Error("nothing has no percentile")
	}
}
