package jobs

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"assay/internal/auth"
	"assay/labeling"
	"assay/telemetry"
)

// work runs the jobs that follow from what arrives, as Start does, until the
// test ends.
func (d *desk) work() {
	d.t.Helper()
	workers := river.NewWorkers()
	river.AddWorker(workers, &drainInbox{telemetry: d.telemetry})
	river.AddWorker(workers, &flagResponses{telemetry: d.telemetry, labeling: d.labeling})
	river.AddWorker(workers, &gatherTraces{telemetry: d.telemetry, labeling: d.labeling})
	client, err := river.NewClient(riverpgxv5.New(d.pool), &river.Config{
		Workers:           workers,
		Queues:            map[string]river.QueueConfig{queueDefault: {MaxWorkers: 2}, queueIngest: {MaxWorkers: 2}, queueFlag: {MaxWorkers: 1}},
		FetchPollInterval: 100 * time.Millisecond,
		FetchCooldown:     50 * time.Millisecond,
		ReindexerSchedule: never{},
	})
	if err != nil {
		d.t.Fatal(err)
	}
	if err := client.Start(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { <-client.Stopped() })
}

// await waits for a query to count at least n.
func (d *desk) await(within time.Duration, n int64, sql string) time.Duration {
	d.t.Helper()
	began := time.Now()
	for time.Since(began) < within {
		if d.count(sql) >= n {
			return time.Since(began)
		}
		time.Sleep(50 * time.Millisecond)
	}
	d.t.Fatalf("after %v still fewer than %d: %s", within, n, sql)
	return 0
}

// TestAThumbsDownTopsTheQueueWithinAMinute is the longest way there is: the
// model call comes without text and without a session, what was said comes as
// log records, the root names the session last, and the thumbs-down comes as a
// score of another client.
func TestAThumbsDownTopsTheQueueWithinAMinute(t *testing.T) {
	d := newDesk(t)
	d.work()
	ctx := t.Context()
	sender := auth.Actor{Kind: auth.Key, ID: 1, Scopes: []auth.Scope{auth.ScopeIngest}}
	now := time.Now().UTC()
	nanos := func(ago time.Duration) string { return fmt.Sprint(now.Add(-ago).UnixNano()) }
	const trace, call, root = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174", "eee19b7ec3c1b175"
	var lines []string
	for i := range 20 {
		lines = append(lines, fmt.Sprintf(`{"event_type":"assistant_response","session_id":"plain-%d","event_time":%q,"task_class":"sql_query","model_version":"v1","response":"Fine."}`, i, now.Format(time.RFC3339)))
	}
	if _, err := d.telemetry.Ingest(ctx, sender, []byte(strings.Join(lines, "\n"))); err != nil {
		t.Fatal(err)
	}
	d.await(time.Minute, 20, `SELECT count(*) FROM items`)

	traces := func(span string) {
		t.Helper()
		body := `{"resourceSpans":[{"resource":{"attributes":[{"key":"task_class","value":{"stringValue":"sql_query"}}]},"scopeSpans":[{"spans":[` + span + `]}]}]}`
		if receipt, err := d.telemetry.IngestTraces(ctx, sender, []byte(body), telemetry.WireJSON); err != nil || receipt.Accepted != 1 {
			t.Fatal(receipt, err)
		}
	}
	span := func(id, parent, attributes string) string {
		return fmt.Sprintf(`{"traceId":%q,"spanId":%q,"parentSpanId":%q,"name":"s","startTimeUnixNano":%q,"endTimeUnixNano":%q,"attributes":[%s]}`, trace, id, parent, nanos(4*time.Second), nanos(2*time.Second), attributes)
	}
	record := func(name, text string) string {
		return fmt.Sprintf(`{"eventName":%q,"timeUnixNano":%q,"traceId":%q,"spanId":%q,"body":{"kvlistValue":{"values":[{"key":"content","value":{"stringValue":%q}}]}}}`, name, nanos(3*time.Second), trace, call, text)
	}
	traces(span(call, root, `{"key":"gen_ai.operation.name","value":{"stringValue":"chat"}}`))
	logs := `{"resourceLogs":[{"scopeLogs":[{"logRecords":[` + record("gen_ai.user.message", "How many?") + "," + record("gen_ai.choice", "Two.") + `]}]}]}`
	if _, err := d.telemetry.IngestLogs(ctx, sender, []byte(logs), telemetry.WireJSON); err != nil {
		t.Fatal(err)
	}
	d.await(time.Minute, 1, `SELECT count(*) FROM items WHERE snapshot->>'prompt' = 'How many?' AND snapshot->>'response' = 'Two.'`)
	traces(span(root, "", `{"key":"session.id","value":{"stringValue":"chat-9"}}`))
	d.await(time.Minute, 1, `SELECT count(*) FROM items WHERE session_id = 'chat-9' AND snapshot->>'session_id' = 'chat-9'`)
	if _, err := d.telemetry.IngestScore(ctx, sender, []byte(`{"traceId":"`+trace+`","observationId":"`+call+`","name":"user-feedback","value":0,"comment":"incorrect"}`)); err != nil {
		t.Fatal(err)
	}
	took := d.await(time.Minute, 1, `SELECT count(*) FROM items WHERE session_id = 'chat-9' AND priority_class = 'negative'`)
	t.Logf("a thumbs-down took %v", took.Round(time.Millisecond))

	labeler := auth.Actor{Kind: auth.Person, ID: 2, Name: "Labeler", Roles: []auth.Role{auth.Labeler}}
	r, err := d.labeling.Reserve(ctx, labeler, "sql_query")
	if err != nil {
		t.Fatal(err)
	}
	if n := d.count(fmt.Sprintf(`SELECT count(*) FROM items WHERE id = %d AND session_id = 'chat-9'`, r.ItemID)); n != 1 {
		t.Error("it is the first that a labeler is given")
	}
	if _, err := d.labeling.Submit(ctx, labeler, r.ItemID, r.Token, uuid.NewString(), labeling.Answer{Label: "hallucinated"}); err != nil {
		t.Fatal(err)
	}
	d.telemetry.Visible = d.labeling.Visible
	if s, err := d.telemetry.Session(ctx, labeler, trace, telemetry.SessionView{}); err != nil || s.ID != "chat-9" || s.Events != 5 {
		t.Errorf("who labeled it sees its session, by its old name as well: %+v, %v", s.Events, err)
	}
}
