package telemetry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"assay/internal/fault"
)

// flagsOf flags sessions made of events and returns the reasons by request.
func flagsOf(t *testing.T, now time.Time, events ...string) map[string][]Flag {
	t.Helper()
	var facts []fact
	for i, e := range events {
		r := decodeOne(t, e)
		r.measureText("salt")
		facts = append(facts, fact{
			ID: r.EventID, Type: r.EventType, At: r.EventTime, Seq: uint64(i), SessionID: r.SessionID, TraceID: r.TraceID, SpanID: r.SpanID,
			ParentSpanID: r.ParentSpanID, RequestID: r.RequestID, Outcome: r.Outcome, UnsafeClaimServed: r.UnsafeClaimServed,
			ExplicitFeedback: r.ExplicitFeedback, Reason: r.Reason, CorrectionSource: r.CorrectionSource, CorrectionDelayMS: r.CorrectionDelayMS,
			Corrected: r.Correction != "", ToolName: r.ToolName, ParamsHash: r.ParamsHash, ProgressMarker: r.ProgressMarker,
			ErrorType: r.ErrorType, PromptChars: r.PromptChars, PromptTokens: r.PromptTokens, PromptSketch: r.PromptSketch,
		})
	}
	slices.SortStableFunc(facts, func(a, b fact) int { return a.At.Compare(b.At) })
	flags := map[string][]Flag{}
	for _, c := range flagSession(facts, nil, now) {
		flags[c.RequestID] = c.Flags
	}
	return flags
}

// event writes one of a session: its type, seconds after noon, and the rest.
func event(kind string, seconds int, rest string) string {
	return fmt.Sprintf(`{"event_type":%q,"session_id":"s","event_time":%q%s}`, kind, at(noon.Add(time.Duration(seconds)*time.Second)), rest)
}

func TestRulesOfFlagging(t *testing.T) {
	const outcome = `,"outcome":"success"` // so that nothing here is abandoned
	reply := func(seconds int, request, rest string) string {
		return event("assistant_response", seconds, `,"request_id":"`+request+`"`+outcome+rest)
	}
	for _, c := range []struct {
		name   string
		events []string
		want   string // request: reasons with detail
	}{
		{"a plain answer has none", []string{reply(0, "a", "")}, "a:"},
		{"feedback on the answer before it", []string{reply(0, "a", ""), reply(10, "b", ""), event("feedback", 12, `,"explicit_feedback":"down","reason":"incorrect"`)},
			"a: b:negative_feedback(down, incorrect)"},
		{"feedback that names its request", []string{reply(0, "a", ""), reply(10, "b", ""), event("feedback", 12, `,"explicit_feedback":2,"request_id":"a"`)},
			"a:negative_feedback(rating 2) b:"},
		{"feedback with a span", []string{reply(0, "a", `,"trace_id":"t","span_id":"1"`), reply(10, "b", `,"trace_id":"t","span_id":"2"`), event("feedback", 12, `,"explicit_feedback":"down","trace_id":"t","parent_span_id":"1"`)},
			"a:negative_feedback(down) b:"},
		{"praise is no reason", []string{reply(0, "a", `,"explicit_feedback":"up"`), event("feedback", 1, `,"explicit_feedback":3`)}, "a:"},
		{"a complaint in the answer's own event", []string{reply(0, "a", `,"explicit_feedback":"down"`)}, "a:negative_feedback(down)"},
		{"feedback by a clock that is behind", []string{reply(0, "a", ""), event("feedback", -30, `,"explicit_feedback":"down"`)}, "a:negative_feedback(down)"},
		{"an unsafe claim in the answer", []string{reply(0, "a", `,"unsafe_claim_served":true`)}, "a:unsafe_claim()"},
		{"an unsafe claim in its gate trace", []string{reply(0, "a", ""), reply(1, "b", ""), event("gate_trace", 0, `,"request_id":"b","route":"serve","first_failed_stage":"serving_gate","unsafe_claim_served":true`)},
			"a: b:unsafe_claim()"},
		{"a gate trace of an unknown request says nothing of others", []string{reply(0, "a", ""), event("gate_trace", 1, `,"request_id":"z","route":"serve","first_failed_stage":"serving_gate","unsafe_claim_served":true`)}, "a:"},
		{"the one-click Fix", []string{reply(0, "a", ""), event("correction", 5, `,"correction":"x","correction_source":"fix"`)}, "a:correction(fix)"},
		{"a rapid edit", []string{reply(0, "a", ""), event("correction", 120, `,"correction":"x","correction_source":"edit"`)}, "a:correction(edit after 120 s, rapid)"},
		{"a slow edit", []string{reply(0, "a", ""), event("correction", 121, `,"correction":"x"`)}, "a:correction(edit after 121 s)"},
		{"an edit that says its delay", []string{reply(0, "a", ""), event("correction", 500, `,"correction_source":"edit","correction_delay_ms":34000`)}, "a:correction(edit after 34 s, rapid)"},
		{"an error after the answer", []string{reply(0, "a", ""), event("error", 1, `,"error_type":"ToolTimeout"`)}, "a:error(ToolTimeout)"},
		{"an error of a request that has no answer", []string{reply(0, "a", ""), event("error", 1, `,"request_id":"z","error_type":"ToolTimeout"`)}, "a:"},
		{"an answer that is an error", []string{event("assistant_response", 0, `,"request_id":"a","outcome":"timeout"`)}, "a:error(timeout)"},
		{"tools that repeat themselves", []string{
			event("tool_step", 1, `,"tool_name":"lookup_tracking","params_hash":"order-redacted:v1","progress_marker":"scan:v17"`),
			event("tool_step", 2, `,"tool_name":"lookup_tracking","params_hash":"order-redacted:v1","progress_marker":"scan:v17"`), reply(3, "a", "")}, "a:stalled_tools(lookup_tracking)"},
		{"tools that make progress", []string{
			event("tool_step", 1, `,"tool_name":"lookup","params_hash":"p","progress_marker":"1"`), event("tool_step", 2, `,"tool_name":"lookup","params_hash":"p","progress_marker":"2"`), reply(3, "a", "")}, "a:"},
		{"tools of which nothing else is known", []string{event("tool_step", 1, `,"tool_name":"lookup"`), event("tool_step", 2, `,"tool_name":"lookup"`), reply(3, "a", "")}, "a:"},
		{"equal steps of two answers", []string{
			event("tool_step", 1, `,"tool_name":"lookup","params_hash":"p"`), reply(2, "a", ""), event("tool_step", 3, `,"tool_name":"lookup","params_hash":"p"`), reply(4, "b", "")}, "a: b:"},
		{"the same question again", []string{reply(0, "a", `,"prompt":"Where is my order now?"`), reply(599, "b", `,"prompt":"where is my order NOW"`)}, "a:requery(asked again after 599 s) b:"},
		{"the same question much later", []string{reply(0, "a", `,"prompt":"Where is my order now?"`), reply(601, "b", `,"prompt":"Where is my order now?"`)}, "a: b:"},
		{"another question", []string{reply(0, "a", `,"prompt":"Where is my order now?"`), reply(5, "b", `,"prompt":"Rename Customer to Account in six files"`)}, "a: b:"},
	} {
		flags := flagsOf(t, noon.Add(time.Hour), c.events...)
		got := ""
		for _, request := range []string{"a", "b"} {
			list, ok := flags[request]
			if !ok {
				continue
			}
			if got != "" {
				got += " "
			}
			got += request + ":"
			for _, f := range list {
				got += fmt.Sprintf("%s(%s)", f.Reason, f.Detail)
			}
		}
		if c.want != got {
			t.Errorf("%s:\nwant %s\ngot  %s", c.name, c.want, got)
		}
	}
}

func TestAbandonment(t *testing.T) {
	asked := event("assistant_response", 0, `,"request_id":"a","prompt":"Write the letter"`)
	for _, c := range []struct {
		name   string
		idle   time.Duration
		events []string
		want   bool
	}{
		{"thirty minutes without outcome", 30 * time.Minute, []string{asked}, true},
		{"a second less", 30*time.Minute - time.Second, []string{asked}, false},
		{"an outcome on record", time.Hour, []string{asked, event("outcome", 60, `,"outcome":"saved file"`)}, false},
		{"a person who reacted", time.Hour, []string{asked, event("feedback", 60, `,"explicit_feedback":"up"`)}, false},
		{"an answer with its outcome", time.Hour, []string{event("assistant_response", 0, `,"request_id":"a","prompt":"P","outcome":"success"`)}, false},
		{"nobody's turn on record", time.Hour, []string{event("assistant_response", 0, `,"request_id":"a"`)}, false},
		{"an exposure is a person's turn", time.Hour, []string{event("exposure", -5, ""), event("assistant_response", 0, `,"request_id":"a"`)}, true},
		{"an outcome of the answer before", time.Hour, []string{event("assistant_response", -60, `,"request_id":"z","prompt":"P"`), event("outcome", -30, `,"outcome":"saved file"`), asked}, true},
	} {
		flags := flagsOf(t, noon.Add(c.idle), c.events...)["a"]
		if got := len(flags) == 1 && flags[0].Reason == Abandonment; got != c.want {
			t.Errorf("%s: want %v, got %v", c.name, c.want, flags)
		}
	}
}

func TestPriorityIsThatOfTheGravestFlag(t *testing.T) {
	for want, flags := range map[PriorityClass][]Flag{
		RandomClass: nil,
		Implicit:    {{Reason: Abandonment}, {Reason: Requery}, {Reason: Failed}, {Reason: StalledTools}, {Reason: Correction, Detail: "edit"}, {Reason: Uncertain}},
		Negative:    {{Reason: Requery}, {Reason: Correction, Detail: "fix"}},
		Safety:      {{Reason: NegativeFeedback}, {Reason: ValidatorFailed}},
	} {
		if got := ClassOf(flags); want != got {
			t.Errorf("%v: want %s, got %s", flags, want, got)
		}
	}
	if got := ClassOf([]Flag{{Reason: UnsafeClaim}}); got != Safety {
		t.Errorf("an unsafe claim is a matter of safety, got %s", got)
	}
}

func flagged(t *testing.T, s *Store) map[string]Candidate {
	t.Helper()
	bySession := map[string]Candidate{}
	_, err := s.Flag(context.Background(), product, time.Now().Add(-time.Minute), time.Now().Add(time.Minute), func(_ context.Context, some []Candidate) error {
		for _, c := range some {
			bySession[c.SessionID] = c
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return bySession
}

func TestLateFeedbackBringsItsResponseBack(t *testing.T) {
	s := newStore(t)
	id := uuid.New()
	s.Clock = func() time.Time { return noon.AddDate(0, 0, -3) }
	land(t, s, answer("a", noon.AddDate(0, 0, -3), fmt.Sprintf(`,"event_id":%q,"request_id":"r","response":"R","outcome":"success"`, id)))
	if c := flagged(t, s)["a"]; len(c.Flags) != 0 || c.PriorityClass != RandomClass || !c.HasText || c.EventID != id {
		t.Fatalf("considered without a flag: %+v", c)
	}
	s.Clock = func() time.Time { return noon }
	land(t, s, fmt.Sprintf(`{"event_type":"feedback","session_id":"a","request_id":"r","event_time":%q,"explicit_feedback":"down"}`, at(noon.AddDate(0, 0, -2))))
	c := flagged(t, s)["a"]
	if len(c.Flags) != 1 || c.Flags[0].Reason != NegativeFeedback || c.PriorityClass != Negative {
		t.Fatalf("flagged when the feedback arrives: %+v", c)
	}
	if !c.EffectiveTime.Equal(noon.AddDate(0, 0, -3)) {
		t.Errorf("its frame stays its own day: %s", c.EffectiveTime)
	}
	totals, err := s.FrameTotals(context.Background(), product, noon.AddDate(0, 0, -3))
	if err != nil || fmt.Sprint(totals) != fmt.Sprint([]FrameTotal{{"file_edit", Negative, "v1", 1, 1}}) {
		t.Errorf("totals: %+v, %v", totals, err)
	}
}

func TestFlagsAreNeverLost(t *testing.T) {
	s := newStore(t)
	s.Clock = func() time.Time { return noon.Add(time.Hour) }
	land(t, s, answer("a", noon, `,"prompt":"P","response":"R"`))
	if c := flagged(t, s)["a"]; len(c.Flags) != 1 || c.Flags[0].Reason != Abandonment {
		t.Fatalf("want abandoned, got %+v", c.Flags)
	}
	land(t, s, fmt.Sprintf(`{"event_type":"outcome","session_id":"a","event_time":%q,"outcome":"saved file"}`, at(noon.Add(time.Minute))))
	if c := flagged(t, s)["a"]; len(c.Flags) != 1 || c.PriorityClass != Implicit {
		t.Errorf("a flag that was given stays: %+v", c.Flags)
	}
}

func TestFailedVerdictFlags(t *testing.T) {
	s := newStore(t)
	id := uuid.New()
	land(t, s, answer("a", noon, fmt.Sprintf(`,"event_id":%q,"response":"R","outcome":"success"`, id)))
	flagged(t, s)
	verdict := VerdictRow{EventID: id, SessionID: "a", Validator: "formula", Version: "1", Verdict: "fail", At: noon, Revision: 1}
	if err := s.CopyVerdicts(context.Background(), []VerdictRow{verdict}); err != nil {
		t.Fatal(err)
	}
	if c := flagged(t, s)["a"]; c.PriorityClass != Safety || len(c.Flags) != 1 || c.Flags[0].Detail != "formula" {
		t.Errorf("want flagged by the validator, got %+v", c)
	}
}

func TestTotalsEqualWhatWasConsidered(t *testing.T) {
	s := newStore(t)
	terms := OpenTerms
	terms.Keep, terms.KeepFlagged = 0.3, 0.6
	setTerms(t, s, terms)
	var lines []string
	for i := range 300 {
		session := fmt.Sprint("s", i)
		more := `,"response":"R","outcome":"success"`
		switch i % 7 {
		case 1:
			more += `,"explicit_feedback":"down"`
		case 2:
			more += `,"unsafe_claim_served":true`
		case 3:
			more += `,"correction_source":"edit"`
		case 4:
			more = `,"outcome":"success"` // nothing was ever said
		case 5:
			more += `,"consent":"aggregate","explicit_feedback":"down"`
		}
		lines = append(lines, answer(session, noon.Add(-time.Duration(i)*time.Minute), more))
	}
	land(t, s, lines...)
	want := map[string]int64{}
	for _, c := range flagged(t, s) {
		key := fmt.Sprint(c.TaskClass, c.PriorityClass, c.EffectiveTime.Format(time.DateOnly))
		want[key+" responses"]++
		if c.HasText {
			want[key+" readable"]++
		}
	}
	got := map[string]int64{}
	days, err := s.Days(context.Background(), product)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range days {
		totals, err := s.FrameTotals(context.Background(), product, d)
		if err != nil {
			t.Fatal(err)
		}
		for _, total := range totals {
			key := fmt.Sprint(total.TaskClass, total.PriorityClass, d.Format(time.DateOnly))
			got[key+" responses"] += total.Responses
			if total.Readable > 0 {
				got[key+" readable"] += total.Readable
			}
		}
	}
	if fmt.Sprint(want) != fmt.Sprint(got) {
		t.Errorf("want %v\ngot  %v", want, got)
	}
}

func TestResponseComesWithItsSession(t *testing.T) {
	s := newStore(t)
	ctx := context.Background()
	id := uuid.New()
	land(t, s,
		event("exposure", -5, `,"experiment_id":"e","variant":"B"`),
		event("tool_step", -2, `,"tool_name":"search","params_hash":"p","progress_marker":"1"`),
		event("assistant_response", 0, fmt.Sprintf(`,"event_id":%q,"request_id":"r","task_class":"rag_qa","model_version":"v1","prompt_template_id":"t1","prompt":"P <b>","response":"R","context":["one","two"],
			"artifact":{"kind":"sql","sql":"SELECT 1"},"ttft_ms":5,"total_ms":70,"impact":4`, id)),
		event("feedback", 9, `,"explicit_feedback":"down","reason":"incorrect"`))
	r, err := s.Response(ctx, product, id)
	if err != nil {
		t.Fatal(err)
	}
	if r.Prompt != "P <b>" || r.Response != "R" || len(r.Context) != 2 || string(r.Artifact) != `{"kind":"sql","sql":"SELECT 1"}` || r.Impact != 4 || !r.HasText || *r.TotalMS != 70 || r.PromptTemplateID != "t1" {
		t.Errorf("the snapshot is incomplete: %+v", r)
	}
	var kinds []string
	for _, e := range r.Around {
		kinds = append(kinds, e.Kind+":"+e.What+":"+e.Detail)
	}
	if want := []string{"exposure:exposure:e, variant B", "tool:search:1", "model:v1:", "feedback:feedback:down, incorrect"}; fmt.Sprint(want) != fmt.Sprint(kinds) {
		t.Errorf("want %v, got %v", want, kinds)
	}
	both, err := s.ResponsesByRequest(ctx, product, []Request{{"s", "r"}, {"s", "r"}, {"s", "none"}, {"elsewhere", "r"}})
	if err != nil || len(both) != 1 || both[Request{"s", "r"}].SessionID != "s" {
		t.Errorf("of several requests the one that is here: %+v, %v", both, err)
	}
	same, err := s.ResponseByRequest(ctx, product, "s", "r")
	if err != nil || same.EventID != id {
		t.Errorf("by request: %s, %v", same.EventID, err)
	}
	several, err := s.Responses(ctx, product, []uuid.UUID{id, uuid.New()})
	if err != nil || len(several) != 1 || several[0].Response != "R" {
		t.Errorf("several: %+v, %v", several, err)
	}
	if _, err := s.Response(ctx, product, uuid.New()); !errors.Is(err, fault.NotFound) {
		t.Errorf("want not found, got %v", err)
	}
	if _, err := s.Response(ctx, labeler, id); !errors.Is(err, fault.NotFound) {
		t.Errorf("a labeler who does not hold it finds nothing, got %v", err)
	}
}

func TestExpiredTextIsNotShownWhileItWaitsToBeSwept(t *testing.T) {
	s := newStore(t)
	id := uuid.New()
	land(t, s, answer("a", noon, fmt.Sprintf(`,"event_id":%q,"prompt":"P","response":"R"`, id)))
	s.Clock = func() time.Time { return noon.AddDate(0, 0, 91) }
	r, err := s.Response(context.Background(), product, id)
	if err != nil || r.Response != "" || r.Prompt != "" || r.HasText {
		t.Errorf("want no text, got %+v, %v", r, err)
	}
	if c := flagged(t, s)["a"]; c.HasText {
		t.Error("what cannot be read is not a candidate to read")
	}
}
