package web

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/net/html"

	"assay/internal/auth"
	"assay/internal/clickhousetest"
	"assay/telemetry"
)

// newTelemetryWorld is a world with a telemetry store whose ingest keys keep
// everything.
func newTelemetryWorld(t *testing.T) *world {
	return newWorld(t, func(w *world) {
		w.stages.Telemetry = &telemetry.Store{DB: w.pool, Clickhouse: clickhousetest.Database(t), Clock: w.clock.now}
	})
}

// sender is a program with an ingest key under open terms.
func (w *world) sender() *browser {
	w.t.Helper()
	b := w.program(auth.ScopeIngest)
	id := int64(w.count(`SELECT max(id) FROM keys`))
	if err := w.stages.Telemetry.SetTerms(context.Background(), auth.Product(), id, telemetry.OpenTerms); err != nil {
		w.t.Fatal(err)
	}
	return b
}

func (w *world) drain() {
	w.t.Helper()
	if _, err := w.stages.Telemetry.Drain(context.Background(), auth.Product()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) eventLine(kind, session string, ago time.Duration, rest string) string {
	return fmt.Sprintf(`{"event_type":%q,"session_id":%q,"event_time":%q%s}`, kind, session, w.clock.now().Add(-ago).UTC().Format(time.RFC3339Nano), rest)
}

func TestEventsComeInEveryShapeAndEncoding(t *testing.T) {
	w := newTelemetryWorld(t)
	b := w.sender()
	n := 0
	event := func() string {
		n++
		return w.eventLine("outcome", fmt.Sprint("s", n), time.Minute, "")
	}
	gzipped := func(s string) []byte {
		var out bytes.Buffer
		z := gzip.NewWriter(&out)
		z.Write([]byte(s))
		z.Close()
		return out.Bytes()
	}
	z, _ := zstd.NewWriter(nil)
	insert := "/?query=" + url.QueryEscape("INSERT INTO assistant_events_raw FORMAT JSONEachRow")
	for _, c := range []struct {
		name, path, encoding string
		body                 []byte
		accepted             int
	}{
		{"one object", "/v1/events", "", []byte(event()), 1},
		{"an array", "/v1/events", "", []byte("[" + event() + "," + event() + "]"), 2},
		{"an envelope", "/v1/events", "", []byte(`{"events":[` + event() + `]}`), 1},
		{"lines", "/v1/events", "", []byte(event() + "\n" + event()), 2},
		{"lines, gzip", "/v1/events", "gzip", gzipped(event() + "\n" + event()), 2},
		{"lines, zstd", "/v1/events", "zstd", z.EncodeAll([]byte(event()+"\n"+event()), nil), 2},
		{"ClickHouse's address, gzip", insert, "gzip", gzipped(event() + "\n" + event()), 2},
	} {
		header := http.Header{"Content-Type": {"application/json"}}
		if c.encoding != "" {
			header.Set("Content-Encoding", c.encoding)
		}
		var receipt telemetry.Receipt
		b.send("POST", c.path, bytes.NewReader(c.body), header).want(http.StatusAccepted).json(&receipt)
		if receipt.Accepted != c.accepted || len(receipt.Rejected) != 0 {
			t.Errorf("%s: want %d accepted, got %+v", c.name, c.accepted, receipt)
		}
	}
	for _, query := range []string{"SELECT 1", "INSERT INTO labels FORMAT JSONEachRow", "INSERT INTO assistant_events_raw FORMAT JSONEachRow; DROP TABLE events", "INSERT INTO assistant_events_raw SELECT 1", ""} {
		b.send("POST", "/?query="+url.QueryEscape(query), strings.NewReader(event()), nil).want(http.StatusForbidden)
	}
}

func TestReceiptNamesEachBadEvent(t *testing.T) {
	w := newTelemetryWorld(t)
	b := w.sender()
	line := w.eventLine("outcome", "s", time.Minute, "")
	a := b.send("POST", "/v1/events", strings.NewReader(line+"\n{broken\n"+line), nil).want(http.StatusAccepted)
	if want := `{"accepted":1,"duplicate":1,"rejected":[{"index":1,"error":"the event is not JSON"}]}`; want != a.Body {
		t.Errorf("want %s\ngot  %s", want, a.Body)
	}
	b.send("POST", "/v1/events", strings.NewReader("[1,"), nil).want(http.StatusBadRequest)
	b.send("POST", "/v1/events", strings.NewReader("x"), http.Header{"Content-Encoding": {"br"}}).want(http.StatusUnsupportedMediaType)
	w.stranger().send("POST", "/v1/events", strings.NewReader(line), nil).want(http.StatusUnauthorized)
	w.program(auth.ScopeRead).send("POST", "/v1/events", strings.NewReader(line), nil).want(http.StatusForbidden)
}

func TestFullInboxSaysWhenToComeBack(t *testing.T) {
	w := newTelemetryWorld(t)
	w.stages.Telemetry.InboxLimit = 1
	b := w.sender()
	b.send("POST", "/v1/events", strings.NewReader(w.eventLine("outcome", "a", 0, "")), nil).want(http.StatusAccepted)
	time.Sleep(300 * time.Millisecond) // the depth is remembered for a moment
	a := b.send("POST", "/v1/events", strings.NewReader(w.eventLine("outcome", "b", 0, "")), nil).want(http.StatusServiceUnavailable)
	if a.Header.Get("Retry-After") == "" {
		t.Error("a full inbox names a time to come back")
	}
}

const foreignText = `<script>alert(1)</script><img src=x onerror=alert(1)>"'&{{`

func TestSessionsAreListedFilteredAndOpened(t *testing.T) {
	w := newTelemetryWorld(t)
	b := w.sender()
	id := uuid.New()
	quoted := strings.ReplaceAll(foreignText, `"`, `\"`)
	b.send("POST", "/v1/events", strings.NewReader(strings.Join([]string{
		w.eventLine("exposure", "s/1", 3*time.Minute, `,"experiment_id":"e","variant":"B"`),
		w.eventLine("tool_step", "s/1", 2*time.Minute, `,"tool_name":"`+quoted+`","params_hash":"p","progress_marker":"1","total_ms":900`),
		w.eventLine("assistant_response", "s/1", time.Minute, fmt.Sprintf(`,"event_id":%q,"task_class":"sql_query","model_version":"v1","prompt_template_id":"t1",`+
			`"prompt":"Ask %s","response":"Say %s","context":["Given %s"],"note":"%s","total_ms":2600,"ttft_ms":310,"output_tokens":31,`+
			`"route":"serve","first_failed_stage":"claim_generation","unsafe_claim_served":true`, id, quoted, quoted, quoted, quoted)),
		w.eventLine("feedback", "s/1", 30*time.Second, `,"explicit_feedback":"down","reason":"`+quoted+`"`),
		w.eventLine("assistant_response", "plain", 5*time.Minute, `,"task_class":"file_edit","model_version":"v2","outcome":"success","prompt":"Rename it","response":"Done"`),
	}, "\n")), nil).want(http.StatusAccepted)
	w.drain()
	ctx := context.Background()
	if err := w.stages.Telemetry.CopyVerdicts(ctx, []telemetry.VerdictRow{{EventID: id, SessionID: "s/1", Validator: "sql", Version: "1.0", Verdict: "fail", Reason: "no_such_column", Message: foreignText, Evidence: []byte(`{"finding":"` + quoted + `"}`), At: w.clock.now(), Revision: 1}}); err != nil {
		t.Fatal(err)
	}
	if err := w.stages.Telemetry.CopyLabels(ctx, []telemetry.LabelRow{{EventID: id, SessionID: "s/1", Label: "hallucinated", Counted: true, Labels: 2, Timestamp: w.clock.now(), LabeledAt: w.clock.now(), Revision: 1}}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.stages.Telemetry.Flag(ctx, auth.Product(), time.Now().Add(-time.Hour), time.Now().Add(time.Hour), func(context.Context, []telemetry.Candidate) error { return nil }); err != nil {
		t.Fatal(err)
	}

	engineer := w.as(auth.Engineer)
	list := engineer.get("/sessions").want(200)
	if got := list.text("main"); !strings.Contains(got, "2 sessions in the last 24 hours, 1 flagged") {
		t.Errorf("the head counts: %s", clip(got, 200))
	}
	if n := len(list.find("tbody tr")); n != 2 {
		t.Errorf("want 2 rows, got %d", n)
	}
	noMarkup(t, list)
	one := engineer.get("/sessions?when=24h&task_class=sql_query&flag=unsafe_claim&verdict=fail&label=hallucinated&q=say&template=t1").want(200)
	if n := len(one.find("tbody tr")); n != 1 {
		t.Errorf("want 1 row, got %d", n)
	}
	if got := engineer.get("/sessions?task_class=poetry").want(200).text("main"); !strings.Contains(got, "meets every filter") {
		t.Errorf("an empty list says why: %s", clip(got, 300))
	}
	for _, bad := range []string{"when=9y", "flag=made_up", "verdict=maybe", "label=good", "cursor=%00", "unknown=1", "from=yesterday", "q=" + strings.Repeat("x", 201)} {
		engineer.get("/sessions?" + bad).want(400)
	}

	page := engineer.get(one.attr("tbody tr a", "href")).want(200)
	noMarkup(t, page)
	if got := page.text("h1"); !strings.HasPrefix(got, "Ask <script>") {
		t.Errorf("text is text in the title: %q", got)
	}
	for _, want := range []string{"Showing 4 of 4 events", "first failed stage", "unsafe claim served", "Redacted text", "Desktop, local clock", "13.1 tokens/s"} {
		if got := page.text("main"); !strings.Contains(got, want) {
			t.Errorf("the session says %q: %s", want, clip(got, 1500))
		}
	}
	base := "/sessions/s%2F1?event=" + id.String()
	for tab, want := range map[string]string{"io": "Say <script>", "attributes": `"note"`, "evidence": "no_such_column", "labels": "2 labels"} {
		got := engineer.get(base + "&tab=" + tab).want(200)
		noMarkup(t, got)
		if text := got.text("#details"); !strings.Contains(text, want) {
			t.Errorf("tab %s: want %q in %s", tab, want, clip(text, 600))
		}
	}
	if got := engineer.get("/sessions/s%2F1?view=log").want(200); len(got.find(".timeline")) != 0 {
		t.Error("the log view has no lanes")
	}
	engineer.get("/sessions/nobody").want(404)
	engineer.get("/sessions/s%2F1?event=x").want(400)
	w.as(auth.Labeler).get("/sessions/s%2F1").want(404)
	w.as(auth.Admin).get("/sessions").want(403)

	var api struct {
		Total    int
		Sessions []struct{ ID string }
	}
	reader := w.program(auth.ScopeRead)
	reader.get("/v1/sessions?label=hallucinated").want(200).json(&api)
	if api.Total != 1 || api.Sessions[0].ID != "s/1" {
		t.Errorf("the interface lists the same: %+v", api)
	}
	var session struct {
		Events   int
		Timeline []struct{ Kind, Text string }
		Flags    []struct{ Flag string }
	}
	reader.get("/v1/sessions/s%2F1").want(200).json(&session)
	if session.Events != 4 || len(session.Timeline) != 4 || session.Timeline[2].Text != "Say "+foreignText || len(session.Flags) != 3 {
		t.Errorf("the interface opens it: %+v", session)
	}
}

// noMarkup fails when what a user or a model wrote became markup.
func noMarkup(t *testing.T, a *answer) {
	t.Helper()
	if len(a.find("img")) != 0 || strings.Contains(a.Body, "<script>alert") {
		t.Errorf("foreign text became markup in %s", clip(a.Body, 3000))
	}
	if strings.Contains(a.Body, "style=") {
		t.Error("a page has no inline style")
	}
}

func hrefOf(n *html.Node) string {
	for _, a := range n.Attr {
		if a.Key == "href" {
			return a.Val
		}
	}
	return ""
}

func TestListTurnsItsPages(t *testing.T) {
	w := newTelemetryWorld(t)
	var lines []string
	for i := range 120 {
		lines = append(lines, w.eventLine("outcome", fmt.Sprintf("s%03d", i), time.Duration(i)*time.Minute, ""))
	}
	w.sender().send("POST", "/v1/events", strings.NewReader(strings.Join(lines, "\n")), nil).want(202)
	w.drain()
	b := w.as(auth.Auditor)
	path, seen := "/sessions", 0
	for range 3 {
		page := b.get(path).want(200)
		seen += len(page.find("tbody tr"))
		if next := page.find(`.table-foot a[href*="cursor="]`); len(next) > 0 {
			path = hrefOf(next[len(next)-1])
		}
	}
	if seen != 120 {
		t.Errorf("three pages hold all 120, got %d", seen)
	}
}

func TestDeadLettersAreInspectedAndReplayed(t *testing.T) {
	w := newTelemetryWorld(t)
	w.sender().send("POST", "/v1/events", strings.NewReader(w.eventLine("outcome", "s", 0, `,"route":"fly","note":"<script>alert(1)</script>"`)), nil).want(202)
	engineer := w.as(auth.Engineer)
	list := engineer.get("/deadletters").want(200)
	noMarkup(t, list)
	if got := list.text("tbody"); !strings.Contains(got, "route must be one of serve, shorten, abstain") {
		t.Errorf("a letter names its reason: %s", got)
	}
	open := list.attr("tbody tr a", "href")
	letter := engineer.get(open).want(200)
	noMarkup(t, letter)
	if got := letter.text("main"); !strings.Contains(got, "fly") {
		t.Errorf("it can be inspected: %s", clip(got, 500))
	}
	engineer.post(letter.attr("main form[action^='/deadletters/']", "action"), nil).to(open)
	if got := engineer.get(open).want(200).text("main"); !strings.Contains(got, "refused") {
		t.Errorf("what came of it is said: %s", clip(got, 500))
	}
	w.as(auth.Reviewer).get("/deadletters").want(403)

	// Several of one reason are sent in together.
	for i := range 3 {
		w.sender().send("POST", "/v1/events", strings.NewReader(w.eventLine("outcome", fmt.Sprint("t", i), 0, `,"impact":9`)), nil).want(202)
	}
	list = engineer.get("/deadletters").want(200)
	if got := list.text("#reasons tbody"); !strings.Contains(got, "impact must be a whole number from 1 to 5") || !strings.Contains(got, "3") {
		t.Errorf("reasons are counted: %s", got)
	}
	some := engineer.get(list.attr("#reasons tbody a", "href")).want(200)
	if got := some.text("main"); !strings.Contains(got, "3 letters for this reason") {
		t.Errorf("only they are shown: %s", clip(got, 300))
	}
	open = some.attr("#letters tbody a", "href")
	all := engineer.get(open).want(200).attr("main form[action$='/replay-alike']", "action")
	engineer.post(all, nil).want(303)
	if got := engineer.get(open).want(200).text("body"); !strings.Contains(got, "3 letters: 0 accepted, 0 duplicate, 3 refused again.") {
		t.Errorf("what came of them is said: %s", clip(got, 800))
	}
	w.as(auth.Reviewer).post(all, nil).want(403)
}

func TestTheEventIsPublished(t *testing.T) {
	w := newTelemetryWorld(t)
	schema := w.stranger().get("/v1/schemas/event.json").want(200)
	if committed, err := os.ReadFile("../telemetry/schema/event.schema.json"); err != nil || string(committed) != schema.Body || schema.Header.Get("Content-Type") != "application/schema+json" {
		t.Errorf("what is served is what is committed: %v, %s", err, clip(schema.Body, 200))
	}
	if proto := w.stranger().get("/v1/schemas/event.proto").want(200); !strings.Contains(proto.Body, "message Event {") {
		t.Errorf("%s", clip(proto.Body, 200))
	}
	// event_type, session_id and an event_time, as a protobuf.
	event := []byte{0x12, 7, 'o', 'u', 't', 'c', 'o', 'm', 'e', 0x22, 1, 's', 0x1a, 6, 0x08, 0x80, 0xea, 0xbd, 0xcc, 0x06}
	body := append([]byte{0x0a, byte(len(event))}, event...)
	header := http.Header{"Content-Type": {"application/x-protobuf"}, "Content-Encoding": {"gzip"}}
	got := w.sender().send("POST", "/v1/events", bytes.NewReader(gzipped(t, body)), header).want(202)
	if want := `{"accepted":1,"duplicate":0,"rejected":[]}`; got.Body != want {
		t.Errorf("want %s, got %s", want, got.Body)
	}
	w.sender().send("POST", "/v1/events", strings.NewReader("{}"), http.Header{"Content-Type": {"application/x-protobuf"}}).want(400)
}

func TestADatabaseThatIsAwayIsSaidWithAWait(t *testing.T) {
	w := newTelemetryWorld(t)
	b := w.sender()
	w.pool.Close()
	for path, kind := range map[string]string{"/v1/events": "application/json", "/v1/traces": "application/x-protobuf", "/v1/logs": "application/json", "/api/public/ingestion": "application/json"} {
		answer := b.send("POST", path, strings.NewReader("{}"), http.Header{"Content-Type": {kind}}).want(503)
		if answer.Header.Get("Retry-After") != "5" {
			t.Errorf("%s: Retry-After %q", path, answer.Header.Get("Retry-After"))
		}
	}
}

func TestLatencyOfSimpleQueriesIsAFigure(t *testing.T) {
	registry := NewRegistry()
	w := newWorld(t, func(w *world) {
		w.stages.Telemetry = &telemetry.Store{DB: w.pool, Clickhouse: clickhousetest.Database(t), Clock: w.clock.now}
		w.config.Metrics = registry
	})
	var lines []string
	for i := range 100 {
		lines = append(lines, w.eventLine("assistant_response", fmt.Sprint("s", i), time.Minute, fmt.Sprintf(`,"env":"prod","task_class":"summarization","total_ms":%d`, 10*(i+1))))
	}
	w.sender().send("POST", "/v1/events", strings.NewReader(strings.Join(lines, "\n")), nil).want(http.StatusAccepted)
	w.drain()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == "p95_latency_simple_query" {
			if got := family.GetMetric()[0].GetGauge().GetValue(); got != 0.95 {
				t.Errorf("want 0.95 s, got %v", got)
			}
			return
		}
	}
	t.Error("the figure is missing")
}

func TestResultsStandSideBySideAsEvidence(t *testing.T) {
	var page strings.Builder
	for _, part := range evidenceOf([]telemetry.VerdictRow{{Validator: "sql", Verdict: "fail", Evidence: []byte(`{"got":{"columns":["n"],"rows":[[1]]},"want":{"columns":["n"],"rows":[["<b>"]],"more":30}}`)}}) {
		if err := part.Render(t.Context(), &page); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"The query gives, 1 row", "Expected, 31 rows, the first 1", "&lt;b&gt;"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("want %q in %s", want, page.String())
		}
	}
}
