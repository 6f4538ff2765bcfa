package telemetry

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/internal/fault"
	"assay/internal/retention"
)

func gather(t *testing.T, s *Store, traces ...string) []Moved {
	t.Helper()
	moved, err := s.Gather(context.Background(), product, traces)
	if err != nil {
		t.Fatal(err)
	}
	return moved
}

func sendRecords(t *testing.T, s *Store, records ...string) {
	t.Helper()
	receipt, err := s.IngestLogs(context.Background(), sender, []byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[`+strings.Join(records, ",")+`]}]}]}`), WireJSON)
	if err != nil || receipt.Rejected > 0 {
		t.Fatalf("%+v, %v", receipt, err)
	}
}

func record(name, spanID string, at time.Time, body string, attributes ...any) string {
	return fmt.Sprintf(`{"eventName":%q,"timeUnixNano":"%d","traceId":%q,"spanId":%q,"attributes":%s%s}`, name, at.UnixNano(), traceA, spanID, jsonAttributes(attributes...), body)
}

func content(text string) string {
	return `,"body":{"kvlistValue":{"values":[{"key":"content","value":{"stringValue":"` + text + `"}}]}}`
}

func TestATraceNamedLateMovesWhole(t *testing.T) {
	ctx := context.Background()
	s := newStore(t)
	chat := span(traceA, spanA, spanB, "chat", noon.Add(-3*time.Second), noon.Add(-2*time.Second), "", "gen_ai.operation.name", "chat",
		"gen_ai.input.messages", `[{"role":"user","content":"How many?"}]`, "gen_ai.output.messages", `[{"role":"assistant","content":"Two."}]`)
	sendSpans(t, s, chat)
	land(t, s, fmt.Sprintf(`{"event_type":"feedback","event_time":%q,"trace_id":%q,"request_id":%q,"explicit_feedback":"down"}`, at(noon), traceA, spanA))
	if _, err := s.Flag(ctx, product, time.Now().Add(-time.Hour), time.Now().Add(time.Hour), func(context.Context, []Candidate) error { return nil }); err != nil {
		t.Fatal(err)
	}
	response := ask[uuid.UUID](t, s, `SELECT event_id FROM event_facts WHERE event_type = 'assistant_response'`)
	if err := s.CopyVerdicts(ctx, []VerdictRow{{EventID: response, SessionID: traceA, Validator: "text", Verdict: "fail", At: noon, Revision: 1}}); err != nil {
		t.Fatal(err)
	}
	if moved := gather(t, s, traceA); len(moved) != 0 {
		t.Errorf("nobody named it yet: %v", moved)
	}
	// The root ends last and names the session.
	sendSpans(t, s, span(traceA, spanB, "", "agent.run", noon.Add(-4*time.Second), noon, "", "session.id", "chat-9"))
	drain(t, s)
	for range 2 { // again changes nothing
		if moved := gather(t, s, traceA); len(moved) != 1 || moved[0] != (Moved{traceA, "chat-9"}) {
			t.Errorf("%v", moved)
		}
		d, err := s.Session(ctx, engineer, "chat-9", SessionView{})
		if err != nil || d.Events != 3 || d.Title != "How many?" || len(d.Verdicts) != 1 || len(d.Flags[response]) != 1 {
			t.Fatalf("%+v, %v", d, err)
		}
	}
	list, err := s.Sessions(ctx, engineer, SessionFilter{Window: Window{noon.Add(-time.Hour), noon.Add(time.Hour)}}, "", 10)
	if err != nil || list.Total != 1 || len(list.Sessions) != 1 || list.Sessions[0].ID != "chat-9" || list.Sessions[0].Events != 3 {
		t.Errorf("one session in the list: %+v, %v", list, err)
	}
	if r, err := s.Response(ctx, product, response); err != nil || r.SessionID != "chat-9" || len(r.Around) != 3 {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := s.ResponseByRequest(ctx, product, traceA, spanA); err != nil || r.EventID != response {
		t.Errorf("found by the old name: %+v, %v", r, err)
	}
	if n := ask[uint64](t, s, `SELECT count() FROM assistant_events_raw`); n != 3 {
		t.Errorf("the published view counts each once: want 3, got %d", n)
	}
	flagged, err := s.Flagged(ctx, product, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	if err != nil || len(flagged) != 1 || flagged[0].SessionID != "chat-9" || len(flagged[0].Flags) != 2 {
		t.Errorf("%+v, %v", flagged, err)
	}
	// What comes now goes there at once, and a verdict that was on its way too.
	land(t, s, fmt.Sprintf(`{"event_type":"outcome","event_time":%q,"trace_id":%q,"outcome":"saved file"}`, at(noon), traceA))
	if err := s.CopyVerdicts(ctx, []VerdictRow{{EventID: response, SessionID: traceA, Validator: "text", Verdict: "pass", At: noon, Revision: 2}}); err != nil {
		t.Fatal(err)
	}
	d, err := s.Session(ctx, engineer, "chat-9", SessionView{})
	if err != nil || d.Events != 4 || len(d.Verdicts) != 1 || d.Verdicts[0].Verdict != "pass" {
		t.Errorf("%+v, %v", d, err)
	}
	if receipt := sendSpans(t, s, chat); receipt.Duplicate != 1 {
		t.Errorf("sent again it is a duplicate: %+v", receipt)
	}
	if _, err := s.Session(ctx, engineer, "nowhere", SessionView{}); fault.Of(err) != fault.NotFound {
		t.Errorf("%v", err)
	}
}

func TestDesktopEventsAndCloudSpansOfATraceAreOneSession(t *testing.T) {
	desktop := fmt.Sprintf(`{"event_type":"exposure","session_id":"desk-1","event_time":%q,"trace_id":%q,"device_type":"laptop","connection_type":"wifi"}`, at(noon.Add(-5*time.Second)), traceA)
	unnamed := fmt.Sprintf(`{"event_type":"feedback","event_time":%q,"trace_id":%q,"explicit_feedback":"up"}`, at(noon), traceA)
	cloud := span(traceA, spanA, "", "chat", noon.Add(-3*time.Second), noon.Add(-2*time.Second), "", "gen_ai.operation.name", "chat")
	s := newStore(t)
	i := 0
	for name, order := range map[string][]func(*testing.T, *Store, *strings.Replacer){
		"desktop first": {landing(desktop), spanning(cloud), landing(unnamed)},
		"cloud first":   {spanning(cloud), landing(unnamed), landing(desktop)},
		"unnamed first": {landing(unnamed), landing(desktop), spanning(cloud)},
	} {
		i++
		trace, session := fmt.Sprintf("%032x", i), fmt.Sprintf("desk-%d", i)
		for _, step := range order {
			step(t, s, strings.NewReplacer(traceA, trace, "desk-1", session))
		}
		gather(t, s, trace)
		d, err := s.Session(context.Background(), engineer, session, SessionView{})
		if err != nil || d.Events != 3 {
			t.Errorf("%s: %d events, %v", name, d.Events, err)
		}
	}
	land(t, s, fmt.Sprintf(`{"event_type":"gate_trace","request_id":"req_1","trace_id":%q,"route":"serve","first_failed_stage":"passed","unsafe_claim_served":false}`, traceA))
	sendSpans(t, s, cloud)
	drain(t, s)
	if d, err := s.Session(context.Background(), engineer, traceA, SessionView{}); err != nil || d.Events != 1 {
		t.Errorf("a gate trace that names no session stands by itself: %+v, %v", d.Events, err)
	}
}

func landing(line string) func(*testing.T, *Store, *strings.Replacer) {
	return func(t *testing.T, s *Store, as *strings.Replacer) { land(t, s, as.Replace(line)) }
}

func spanning(line string) func(*testing.T, *Store, *strings.Replacer) {
	return func(t *testing.T, s *Store, as *strings.Replacer) { sendSpans(t, s, as.Replace(line)); drain(t, s) }
}

func recording(lines ...string) func(*testing.T, *Store, *strings.Replacer) {
	return func(t *testing.T, s *Store, as *strings.Replacer) {
		sendRecords(t, s, as.Replace(strings.Join(lines, ",")))
		drain(t, s)
	}
}

func TestTextThatCameAsRecordsIsTheResponses(t *testing.T) {
	ctx := context.Background()
	chat := span(traceA, spanA, "", "chat", noon.Add(-3*time.Second), noon.Add(-2*time.Second), "", "gen_ai.operation.name", "chat", "gen_ai.request.model", "m1",
		"gen_ai.usage.output_tokens", 4, "session.id", "chat-9")
	asked := record("gen_ai.user.message", spanA, noon.Add(-3*time.Second), content("How many singers? Mail maya@example.com"))
	said := record("gen_ai.choice", spanA, noon.Add(-2*time.Second), `,"body":{"kvlistValue":{"values":[{"key":"message","value":{"kvlistValue":{"values":[{"key":"content","value":{"stringValue":"Two."}}]}}}]}}`)
	earlier := record("gen_ai.assistant.message", spanA, noon.Add(-3*time.Second), content("Hello!"))
	found := record("gen_ai.tool.message", spanA, noon.Add(-3*time.Second), content("2 rows"))
	details := record(operationDetails, spanA, noon.Add(-2*time.Second), "", "gen_ai.input.messages", `[{"role":"user","parts":[{"type":"text","content":"How many singers? Mail maya@example.com"}]},{"role":"tool","parts":[{"type":"tool_call_response","response":"2 rows"}]}]`,
		"gen_ai.output.messages", `[{"role":"assistant","parts":[{"type":"text","content":"Two."}]}]`)
	s := newStore(t)
	i := 0
	for name, order := range map[string][]func(*testing.T, *Store, *strings.Replacer){
		"records first":       {recording(asked, found, earlier, said), spanning(chat)},
		"span first":          {spanning(chat), recording(asked, found, earlier, said)},
		"one by one":          {recording(asked, found), spanning(chat), gathering, recording(said)},
		"details":             {spanning(chat), recording(details)},
		"details before span": {recording(details), spanning(chat)},
	} {
		i++
		trace, session := fmt.Sprintf("%032x", i), fmt.Sprintf("chat-%d", i)
		for _, step := range order {
			step(t, s, strings.NewReplacer(traceA, trace, "chat-9", session))
		}
		gather(t, s, trace)
		gather(t, s, trace)
		r, err := s.ResponseByRequest(ctx, product, session, spanA)
		if err != nil || r.Prompt != "How many singers? Mail [EMAIL]" || r.Response != "Two." || !r.HasText || len(r.Context) != 1 || r.Context[0] != "2 rows" {
			t.Errorf("%s: %q, %q, %q, %v", name, r.Prompt, r.Response, r.Context, err)
		}
	}
	flagged, err := s.Flagged(ctx, product, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	if err != nil || len(flagged) != i {
		t.Fatal(len(flagged), err)
	}
	for _, c := range flagged {
		if !c.HasText {
			t.Errorf("a labeler can read it: %+v", c)
		}
	}
	if n := ask[int64](t, s, `SELECT max(response_chars) + min(response_chars) FROM `+allFacts+` WHERE event_type = 'assistant_response'`); n != 8 {
		t.Errorf("the narrow twin agrees: %d", n)
	}
	setTerms(t, s, StrictTerms)
	sendSpans(t, s, chat)
	sendRecords(t, s, asked, said)
	drain(t, s)
	gather(t, s, traceA)
	if r, err := s.ResponseByRequest(ctx, product, "chat-9", spanA); err != nil || r.Prompt+r.Response != "" || r.HasText {
		t.Errorf("without consent there is nothing to join: %+v, %v", r, err)
	}
}

func gathering(t *testing.T, s *Store, as *strings.Replacer) { gather(t, s, as.Replace(traceA)) }

func TestAPersonIsErasedUnderEveryNameOfTheirSession(t *testing.T) {
	ctx := context.Background()
	s := newStore(t)
	s.Clock = time.Now
	now := time.Now()
	sendSpans(t, s, span(traceA, spanA, spanB, "chat", now.Add(-3*time.Second), now.Add(-2*time.Second), "", "gen_ai.operation.name", "chat",
		"gen_ai.output.messages", `[{"role":"assistant","content":"Singular words."}]`))
	drain(t, s)
	sendSpans(t, s, span(traceA, spanB, "", "agent.run", now.Add(-4*time.Second), now, "", "session.id", "chat-9", "user.id", "u:sha256:99b5aa"))
	drain(t, s)
	gather(t, s, traceA)
	sessions, err := EventTexts{s}.SessionsOf(ctx, "u:sha256:99b5aa")
	if err != nil || strings.Join(sessions, " ") != traceA+" chat-9" {
		t.Fatalf("%v, %v", sessions, err)
	}
	if _, err := (Inbox{s}).Erase(ctx, product, retention.Person{Hash: "u:sha256:99b5aa", Sessions: sessions}); err != nil {
		t.Fatal(err)
	}
	rows, err := s.DB.Query(ctx, `SELECT body FROM inbox`)
	if err != nil {
		t.Fatal(err)
	}
	bodies, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil || len(bodies) != 2 {
		t.Fatal(len(bodies), err)
	}
	for _, body := range bodies {
		if lines, err := unpack(body); err != nil || strings.Contains(string(lines), "Singular") {
			t.Errorf("what was moved is still in the inbox: %s, %v", lines, err)
		}
	}
}
