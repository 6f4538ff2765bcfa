package telemetry

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

func sendLangfuse(t *testing.T, s *Store, items ...string) ScoreReceipt {
	t.Helper()
	receipt, err := s.IngestLangfuse(context.Background(), sender, []byte(`{"batch":[`+strings.Join(items, ",")+`]}`))
	if err != nil {
		t.Fatal(err)
	}
	return receipt
}

func TestLangfuseBatchesAreSessions(t *testing.T) {
	ctx := context.Background()
	s := newStore(t)
	// Ids of these clients are UUIDs, in whatever case.
	const trace, call, tool = "7C9E6679-7425-40de-944b-e07fc1f90ae7", "0a9e6679-7425-40de-944b-e07fc1f90ae7", "1b9e6679-7425-40de-944b-e07fc1f90ae7"
	when := func(ago time.Duration) string { return at(noon.Add(-ago)) }
	item := func(id, kind, body string) string {
		return fmt.Sprintf(`{"id":%q,"type":%q,"timestamp":%q,"body":{%s}}`, id, kind, when(10*time.Second), body)
	}
	begun := item("1", "generation-create", `"id":"`+call+`","traceId":"`+trace+`","name":"answer","startTime":"`+when(9*time.Second)+`","model":"m-1","input":[{"role":"system","content":"Be brief"},{"role":"user","content":"Who is late? maya@example.com"}],"promptName":"late","promptVersion":3`)
	ended := item("2", "generation-update", `"id":"`+call+`","traceId":"`+trace+`","endTime":"`+when(7*time.Second)+`","completionStartTime":"`+when(8500*time.Millisecond)+`","output":{"role":"assistant","content":"Two are."},"usage":{"promptTokens":12,"completionTokens":4}`)
	called := item("3", "span-create", `"id":"`+tool+`","traceId":"`+trace+`","name":"lookup","startTime":"`+when(9*time.Second)+`","endTime":"`+when(8*time.Second)+`","parentObservationId":"`+call+`"`)
	logged := item("4", "event-create", `"id":"2c9e6679","traceId":"`+trace+`","name":"cache miss","startTime":"`+when(9*time.Second)+`","level":"WARNING"`)
	named := item("5", "trace-create", `"id":"`+trace+`","name":"invoices","sessionId":"chat-7","userId":"anna","timestamp":"`+when(9*time.Second)+`","metadata":{"task_class":"sql_query"}`)
	scored := item("6", "score-create", `"id":"sc","traceId":"`+trace+`","observationId":"`+call+`","name":"user-feedback","value":0,"comment":"incorrect"`)
	broken := []string{item("7", "generation-create", `"traceId":"x"`), item("8", "span-create", `"id":"x"`), item("9", "dataset-run-item", `"id":"x"`), `{"id":"10","type":"span-create","body":3}`}

	check := func(name, session string) {
		t.Helper()
		drain(t, s)
		gather(t, s, strings.ToLower(trace))
		d, err := s.Session(ctx, engineer, session, SessionView{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, e := range d.Page {
			if e.Type != TypeResponse {
				continue
			}
			if e.Prompt != "Who is late? [EMAIL]" || e.Text != "Two are." || e.ModelVersion != "m-1" || e.TookMS == nil || *e.TookMS != 2000 || number(e.OutputTokens) != 4 || e.SpanID != call {
				t.Errorf("%s: %+v", name, e)
			}
			return
		}
		t.Errorf("%s: no response among %d", name, len(d.Page))
	}
	receipt := sendLangfuse(t, s, append([]string{begun, ended, called, logged, named, scored}, broken...)...)
	if len(receipt.Successes) != 6 || len(receipt.Errors) != 4 {
		t.Errorf("item by item: %+v", receipt)
	}
	check("in one batch", "chat-7")
	d, err := s.Session(ctx, engineer, "chat-7", SessionView{})
	if err != nil || d.Events != 5 || d.TaskClass != "sql_query" || d.TemplateID != "late@3" {
		t.Errorf("%d events of %s, template %s, %v", d.Events, d.TaskClass, d.TemplateID, err)
	}
	flagged, err := s.Flagged(ctx, product, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	if err != nil || len(flagged) != 1 || flagged[0].PriorityClass != Negative {
		t.Errorf("%+v, %v", flagged, err)
	}
	if receipt := sendLangfuse(t, s, begun, ended, called, logged, named, scored); len(receipt.Successes) != 6 || drain(t, s).Events != 0 {
		t.Errorf("sent again nothing changes: %+v", receipt)
	}
	// The same in several batches, the name last.
	other := strings.NewReplacer(trace, "8d9e6679-7425-40de-944b-e07fc1f90ae7", call, "3d9e6679", tool, "4d9e6679", "chat-7", "chat-8")
	for _, one := range []string{begun, ended, called, named} {
		sendLangfuse(t, s, other.Replace(one))
		drain(t, s)
	}
	gather(t, s, "8d9e6679-7425-40de-944b-e07fc1f90ae7")
	d, err = s.Session(ctx, engineer, "chat-8", SessionView{})
	if err != nil || d.Events != 4 {
		t.Fatalf("in several batches: %d, %v", d.Events, err)
	}
	for _, e := range d.Page {
		if e.Type == TypeResponse && (e.Prompt != "Who is late? [EMAIL]" || e.Text != "Two are." || e.ModelVersion != "m-1" || e.TookMS == nil || *e.TookMS != 2000) {
			t.Errorf("in several batches: %+v", e)
		}
	}
}
