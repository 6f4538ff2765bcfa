package web

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"assay/internal/auth"
	"assay/telemetry"
)

const captures = "../../shared/data/otlp-captures"

// capture is one request of a real client, as it came over the wire.
type capture struct {
	name    string
	path    string
	body    []byte
	header  http.Header
	chunked bool
}

// capturesOf reads the requests of one client, in order.
func capturesOf(t *testing.T, client string) []capture {
	t.Helper()
	if _, err := os.Stat(captures); err != nil {
		t.Skip("the captures are not beside the checkout: ../shared/data/otlp-captures")
	}
	files, err := filepath.Glob(filepath.Join(captures, client, "*.request.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("captures of %s: %d, %v", client, len(files), err)
	}
	slices.Sort(files)
	var list []capture
	for _, file := range files {
		var request struct {
			Path     string
			Headers  http.Header
			Encoding []string `json:"transfer_encoding"`
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &request); err != nil {
			t.Fatal(err)
		}
		body, err := os.ReadFile(strings.TrimSuffix(file, ".request.json") + ".body.bin")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"Authorization", "Connection", "Content-Length", "Accept-Encoding"} {
			request.Headers.Del(name) // the key is ours; the rest is Go's to write
		}
		list = append(list, capture{filepath.Base(file), request.Path, body, request.Headers, len(request.Encoding) > 0})
	}
	return list
}

func (c capture) send(b *browser) *answer {
	b.w.t.Helper()
	var body io.Reader = bytes.NewReader(c.body)
	if c.chunked {
		body = io.MultiReader(body) // of unknown length: sent in chunks
	}
	return b.send("POST", c.path, body, c.header)
}

// otelWorld is a world whose sender's times stand as sent, since captures are
// from another day.
func otelWorld(t *testing.T) (*world, *browser) {
	w := newTelemetryWorld(t)
	b := w.sender()
	if err := w.stages.Telemetry.SetTerms(context.Background(), auth.Product(), int64(w.count(`SELECT max(id) FROM keys`)), telemetry.ReplayTerms); err != nil {
		t.Fatal(err)
	}
	return w, b
}

// inside is what a session holds, as its page and the interface have it.
type inside struct {
	Responses, Tools, Errors, Feedback, Spans int
	Models                                    []string
	In, Out                                   int64
	ErrorTypes                                string
	Given                                     string
	Texts                                     int // responses that can be read
}

func (w *world) inside(id string) inside {
	w.t.Helper()
	engineer := auth.Actor{Kind: auth.Person, ID: 1, Roles: []auth.Role{auth.Engineer}}
	d, err := w.stages.Telemetry.Session(context.Background(), engineer, id, telemetry.SessionView{})
	if err != nil {
		w.t.Fatalf("session %s: %v", id, err)
	}
	var in inside
	for _, e := range d.Page {
		switch e.Type {
		case telemetry.TypeResponse:
			in.Responses++
			in.Models = append(in.Models, e.ModelVersion)
			in.In, in.Out = in.In+*e.InputTokens, in.Out+*e.OutputTokens
			if e.Text != "" && e.Prompt != "" {
				in.Texts++
			}
			if e.TookMS == nil {
				w.t.Errorf("a model call took time: %+v", e)
			}
		case telemetry.TypeToolStep:
			in.Tools++
			in.Models = append(in.Models, e.What)
		case telemetry.TypeError:
			in.Errors++
			in.ErrorTypes += e.What + ": " + e.Text
		case telemetry.TypeFeedback:
			in.Feedback++
			in.Given += e.Detail
		default:
			in.Spans++
		}
	}
	slices.Sort(in.Models)
	in.Models = slices.Compact(in.Models)
	return in
}

func TestCapturesOfRealClientsAreReadableSessions(t *testing.T) {
	for client, c := range map[string]struct {
		session, trace string
		want           inside
		says           []string // on the session's page
	}{
		"otel-js-proto": {"sess-001", "dfb63531c307e35cb9403f4ba6f96bb9", inside{Responses: 4, Errors: 1, Feedback: 1, Spans: 1, In: 244, Out: 68,
			Models: []string{"gpt-4o-2024-11-20", "gpt-4o-mini", "gpt-4o-mini-2024-11-20"}, ErrorTypes: "RateLimitError: 429 Rate limit reached for gpt-4o-broken", Given: "down, incorrect"},
			[]string{"Showing 7 of 7 events", "RateLimitError"}},
		"otel-js-json": {"sess-002", "d7eb9b8ce3dc68ed27013626710b1b6b", inside{Responses: 4, Errors: 1, Spans: 1, In: 244, Out: 68,
			Models: []string{"gpt-4o-2024-11-20", "gpt-4o-mini", "gpt-4o-mini-2024-11-20"}, ErrorTypes: "RateLimitError: 429 Rate limit reached for gpt-4o-broken"},
			[]string{"Showing 6 of 6 events"}},
		"traceloop-js": {"sess-003", "69b44069d1589c91aa7f402590f7d7d7", inside{Responses: 4, Tools: 1, Spans: 2, In: 202, Out: 64, Texts: 4,
			Models: []string{"gpt-4o-2024-11-20", "gpt-4o-mini", "gpt-4o-mini-2024-11-20", "run_sql"}},
			[]string{"Showing 7 of 7 events", "Show name, country, age for all singers", "run_sql"}},
	} {
		t.Run(client, func(t *testing.T) {
			w, b := otelWorld(t)
			for _, request := range capturesOf(t, client) {
				answer := request.send(b).want(200)
				if got, want := answer.Header.Get("Content-Type"), request.header.Get("Content-Type"); got != want {
					t.Errorf("answered in the encoding of the request: want %s, got %s", want, got)
				}
				if answer.Body != "" && answer.Body != "{}" {
					t.Errorf("nothing is rejected: %q", answer.Body)
				}
			}
			w.drain()
			if got := w.inside(c.session); !reflect.DeepEqual(c.want, got) {
				t.Errorf("want %+v\ngot  %+v", c.want, got)
			}
			page := w.as(auth.Engineer).get("/sessions/" + c.session).want(200)
			for _, want := range c.says {
				if got := page.text("main"); !strings.Contains(got, want) {
					t.Errorf("the page says %q: %s", want, clip(got, 1500))
				}
			}
			events := w.count(`SELECT count(*) FROM event_ids`)
			for _, request := range capturesOf(t, client) {
				request.send(b).want(200)
			}
			w.drain()
			if after := w.count(`SELECT count(*) FROM event_ids`); after != events {
				t.Errorf("sent twice nothing changes: %d events, then %d", events, after)
			}
			if got := w.inside(c.session); !reflect.DeepEqual(c.want, got) {
				t.Errorf("sent twice: %+v", got)
			}
			var waits struct {
				Timeline []struct {
					TraceID string `json:"trace_id"`
				}
			}
			w.program(auth.ScopeRead).get("/v1/sessions/" + c.session).want(200).json(&waits)
			for _, e := range waits.Timeline {
				if e.TraceID != "" && e.TraceID != c.trace {
					t.Errorf("ids are hex: %s", e.TraceID)
				}
			}
		})
	}
}

func TestStreamedCallIsAResponseWithItsTokens(t *testing.T) {
	w, b := otelWorld(t)
	capturesOf(t, "traceloop-js")[0].send(b).want(200)
	w.drain()
	engineer := auth.Actor{Kind: auth.Person, ID: 1, Roles: []auth.Role{auth.Engineer}}
	d, err := w.stages.Telemetry.Session(context.Background(), engineer, "sess-003", telemetry.SessionView{})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(d.Page, func(e telemetry.TimelineEvent) bool { return e.SpanID == "c9c832b31d8741e4" })
	if i < 0 {
		t.Fatalf("the streamed call is not there")
	}
	e := d.Page[i]
	if e.ModelVersion != "gpt-4o-mini" || *e.InputTokens != 19 || *e.OutputTokens != 13 || *e.TookMS != 1305 || e.Text != "SELECT name, country, age FROM singer ORDER BY age DESC " || e.Prompt != "Show name, country, age for all singers ordered by age from the oldest to the youngest." {
		t.Errorf("%+v", e)
	}
}

func TestFeedbackOfACaptureFlagsTheAnswerBeforeIt(t *testing.T) {
	w, b := otelWorld(t)
	capturesOf(t, "otel-js-proto")[0].send(b).want(200)
	w.drain()
	flagged, err := w.stages.Telemetry.Flagged(context.Background(), auth.Product(), time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	if err != nil || len(flagged) != 4 {
		t.Fatal(len(flagged), err)
	}
	var down []telemetry.Candidate
	for _, c := range flagged {
		if slices.ContainsFunc(c.Flags, func(f telemetry.Flag) bool { return f.Reason == telemetry.NegativeFeedback }) {
			down = append(down, c)
		}
	}
	if len(down) != 1 || down[0].ModelVersion != "gpt-4o-mini" || down[0].Flags[0].Detail != "down, incorrect" || down[0].TaskClass != "sql" {
		t.Errorf("%+v", down)
	}
}

func TestGeneratedTracesStitchAcrossRequests(t *testing.T) {
	w, b := otelWorld(t)
	traces, spans := map[string]int{}, 0
	for _, request := range capturesOf(t, "telemetrygen") {
		switch request.path {
		case "/v1/metrics":
			request.send(b).want(404) // metrics are not taken
		case "/v1/logs":
			partial := rejectedBy(t, request.send(b).want(200).Body)
			if partial.count != 5 || !strings.Contains(partial.words, "no trace and no session") {
				t.Errorf("log lines of nothing: %+v", partial)
			}
		default:
			request.send(b).want(200)
			var sent tracepb.TracesData
			if err := proto.Unmarshal(request.body, &sent); err != nil {
				t.Fatal(err)
			}
			for _, span := range sent.ResourceSpans[0].ScopeSpans[0].Spans {
				traces[fmt.Sprintf("%x", span.TraceId)]++
				spans++
			}
		}
	}
	w.drain()
	total := 0
	for trace, want := range traces {
		got := w.inside(trace)
		if got.Spans+got.Errors != want || got.Errors > 1 {
			t.Errorf("trace %s: want %d spans in its session, got %+v", trace, want, got)
		}
		total += got.Spans + got.Errors
	}
	if total != spans || len(traces) < 2 {
		t.Errorf("%d spans of %d traces, %d kept", spans, len(traces), total)
	}
}

func TestOfficialExamplesAreTaken(t *testing.T) {
	w, b := otelWorld(t)
	if _, err := os.Stat(captures); err != nil {
		t.Skip("the captures are not beside the checkout: ../shared/data/otlp-captures")
	}
	for file, c := range map[string]struct {
		path, body string
		status     int
	}{
		"trace.json":   {"/v1/traces", `{}`, 200},
		"logs.json":    {"/v1/logs", `{}`, 200},
		"events.json":  {"/v1/logs", `"rejectedLogRecords":"1"`, 200}, // of no trace and no session
		"metrics.json": {"/v1/metrics", "", 404},
	} {
		body, err := os.ReadFile(filepath.Join(captures, "opentelemetry-proto-examples", file))
		if err != nil {
			t.Fatal(err)
		}
		got := b.send("POST", c.path, bytes.NewReader(body), http.Header{"Content-Type": {"application/json"}}).want(c.status)
		if !strings.Contains(got.Body, c.body) {
			t.Errorf("%s: %s", file, got.Body)
		}
	}
	w.drain()
	if got := w.inside("5b8efff798038103d269b633813fc60c"); got.Spans != 2 {
		t.Errorf("the span and the record of its trace: %+v", got)
	}
}

// partial is a partial_success as its client reads it.
type partial struct {
	count uint64
	words string
}

func rejectedBy(t *testing.T, body string) partial {
	t.Helper()
	_, _, n := protowire.ConsumeTag([]byte(body))
	if n < 0 {
		t.Fatalf("no partial_success in %q", body)
	}
	inner, _ := protowire.ConsumeBytes([]byte(body)[n:])
	var p partial
	for len(inner) > 0 {
		num, _, n := protowire.ConsumeTag(inner)
		inner = inner[n:]
		switch num {
		case 1:
			p.count, n = protowire.ConsumeVarint(inner)
		case 2:
			p.words, n = protowire.ConsumeString(inner)
		}
		inner = inner[n:]
	}
	return p
}

func TestSpansAreRejectedOneByOneInBothEncodings(t *testing.T) {
	w, b := otelWorld(t)
	spans := func(id byte) *tracepb.TracesData {
		good := &tracepb.Span{TraceId: bytes.Repeat([]byte{1}, 16), SpanId: bytes.Repeat([]byte{id}, 8), Name: "x", StartTimeUnixNano: uint64(w.clock.now().UnixNano())}
		return &tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{ScopeSpans: []*tracepb.ScopeSpans{{Spans: []*tracepb.Span{good, {Name: "no ids"}}}}}}}
	}
	body, err := proto.Marshal(spans(1))
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{"Content-Type": {"application/x-protobuf"}, "Content-Encoding": {"gzip"}}
	if got := rejectedBy(t, b.send("POST", "/v1/traces", bytes.NewReader(gzipped(t, body)), header).want(200).Body); got.count != 1 || !strings.Contains(got.words, "trace id") {
		t.Errorf("%+v", got)
	}
	got := b.send("POST", "/v1/traces", strings.NewReader(`{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"no ids"}]}]}]}`), http.Header{"Content-Type": {"application/json; charset=utf-8"}}).want(200)
	if want := `{"partialSuccess":{"errorMessage":"the trace id is not 16 bytes, or zero","rejectedSpans":"1"}}`; got.Body != want {
		t.Errorf("want %s\ngot  %s", want, got.Body)
	}
	if n := w.count(`SELECT count(*) FROM event_ids`); n != 1 {
		t.Errorf("the good span was taken: %d", n)
	}
	// Refusals are a Status in the encoding of the request.
	refused := b.send("POST", "/v1/traces", strings.NewReader("\x0a\xff"), http.Header{"Content-Type": {"application/x-protobuf"}}).want(400)
	if num, _, _ := protowire.ConsumeTag([]byte(refused.Body)); num != 1 || refused.Header.Get("Content-Type") != "application/x-protobuf" || !strings.Contains(refused.Body, "not an OTLP export") {
		t.Errorf("%q", refused.Body)
	}
	refused = b.send("POST", "/v1/traces", strings.NewReader("{"), http.Header{"Content-Type": {"application/json"}}).want(400)
	var status struct {
		Code, Status  int
		Message, Type string
	}
	if refused.json(&status); status.Code != 3 || status.Status != 400 || !strings.Contains(status.Message, "not an OTLP export") || refused.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%s", refused.Body)
	}
	b.send("POST", "/v1/traces", strings.NewReader("x"), http.Header{"Content-Type": {"text/plain"}}).want(415)
	b.send("POST", "/v1/traces", strings.NewReader("x"), http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"br"}}).want(415)
	w.stranger().send("POST", "/v1/traces", strings.NewReader("{}"), http.Header{"Content-Type": {"application/json"}}).want(401)
	w.program(auth.ScopeRead).send("POST", "/v1/traces", strings.NewReader("{}"), http.Header{"Content-Type": {"application/json"}}).want(403)
}

func TestSpanBombsAreRefused(t *testing.T) {
	w, b := otelWorld(t)
	protobuf, text := "application/x-protobuf", "application/json"
	for name, c := range map[string]struct {
		kind string
		body []byte
		want int
	}{
		"gzip that inflates a thousandfold": {protobuf, gzipped(t, make([]byte, 60<<20)), 413},
		"empty groups":                      {protobuf, bytes.Repeat([]byte{0x0a, 0}, 8<<20), 400},
		"empty groups as JSON":              {text, []byte(`{"resourceSpans":[{}` + strings.Repeat(",{}", 4<<20) + `]}`), 400},
		"lists in lists":                    {text, []byte(`{"resourceSpans":` + strings.Repeat("[", 1<<20)), 400},
		"scores without end":                {"score", []byte(`{"batch":[{}` + strings.Repeat(",{}", 4<<20) + `]}`), 400},
	} {
		header, path := http.Header{"Content-Type": {c.kind}}, "/v1/traces"
		if c.kind == "score" {
			header, path = http.Header{"Content-Type": {text}}, "/api/public/ingestion"
		}
		if bytes.HasPrefix(c.body, []byte{0x1f, 0x8b}) {
			header.Set("Content-Encoding", "gzip")
		}
		started := time.Now()
		b.send("POST", path, bytes.NewReader(c.body), header).want(c.want)
		if took := time.Since(started); took > 3*time.Second {
			t.Errorf("%s: refused after %v", name, took)
		}
	}
	if n := w.count(`SELECT count(*) FROM event_ids`); n != 0 {
		t.Errorf("nothing of them is kept: %d", n)
	}
}

// basic is the credential of clients that know a public and a secret key: the
// id of the key and its secret.
func (b *browser) basic() *browser {
	key := strings.TrimPrefix(b.header.Get("Authorization"), "Bearer ")
	parts := strings.SplitN(key, "_", 3)
	credential := base64.StdEncoding.EncodeToString([]byte(parts[0] + "_" + parts[1] + ":" + parts[2]))
	return &browser{w: b.w, cookies: map[string]string{}, header: http.Header{"Authorization": {"Basic " + credential}}}
}

func TestLangfuseClientsNeedOnlyTheAddress(t *testing.T) {
	w, b := otelWorld(t)
	b = b.basic()
	now := w.clock.now()
	trace, span := "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	b.send("POST", "/api/public/otel/v1/traces", strings.NewReader(fmt.Sprintf(`{"resourceSpans":[{"scopeSpans":[{"scope":{"name":"langfuse-sdk"},"spans":[
		{"traceId":%q,"spanId":%q,"name":"answer","startTimeUnixNano":"%d","endTimeUnixNano":"%d","attributes":[
			{"key":"langfuse.observation.type","value":{"stringValue":"generation"}},{"key":"langfuse.session.id","value":{"stringValue":"chat-7"}},
			{"key":"langfuse.observation.model.name","value":{"stringValue":"m-1"}},
			{"key":"langfuse.observation.input","value":{"stringValue":"[{\"role\":\"user\",\"content\":\"What is due?\"}]"}},
			{"key":"langfuse.observation.output","value":{"stringValue":"Two invoices."}}]}]}]}]}`,
		trace, span, now.Add(-2*time.Second).UnixNano(), now.Add(-time.Second).UnixNano())), http.Header{"Content-Type": {"application/json"}}).want(200)

	one := b.send("POST", "/api/public/scores", strings.NewReader(`{"traceId":"`+trace+`","observationId":"`+span+`","name":"user-feedback","value":0,"comment":"Three are due"}`), http.Header{"Content-Type": {"application/json"}}).want(200)
	var id struct{ ID string }
	if one.json(&id); id.ID == "" {
		t.Errorf("a score has an id: %s", one.Body)
	}
	batch := b.send("POST", "/api/public/ingestion", strings.NewReader(`{"batch":[
		{"id":"e1","type":"score-create","timestamp":"`+now.UTC().Format(time.RFC3339Nano)+`","body":{"id":"s1","traceId":"`+trace+`","name":"correctness","value":0.2}},
		{"id":"e2","type":"generation-create","timestamp":"`+now.UTC().Format(time.RFC3339Nano)+`","body":{}}],"metadata":{}}`), http.Header{"Content-Type": {"application/json"}}).want(207)
	want := `{"successes":[{"id":"e1","status":201}],"errors":[{"id":"e2","status":400,"message":"Invalid request data","error":"the item has no id"}]}`
	if batch.Body != want {
		t.Errorf("want %s\ngot  %s", want, batch.Body)
	}
	b.send("POST", "/api/public/scores", strings.NewReader(`{"name":"x"}`), http.Header{"Content-Type": {"application/json"}}).want(400)
	b.send("POST", "/api/public/ingestion", strings.NewReader(`[]`), http.Header{"Content-Type": {"application/json"}}).want(400)
	w.stranger().send("POST", "/api/public/scores", strings.NewReader(`{}`), nil).want(401)

	w.drain()
	flagged, err := w.stages.Telemetry.Flagged(context.Background(), auth.Product(), time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	if err != nil || len(flagged) != 1 {
		t.Fatal(len(flagged), err)
	}
	if c := flagged[0]; c.SessionID != "chat-7" || !c.HasText || len(c.Flags) != 1 || c.Flags[0].Reason != telemetry.NegativeFeedback {
		t.Errorf("a thumbs-down flags its response: %+v", c)
	}
	page := w.as(auth.Engineer).get("/sessions/chat-7").want(200)
	for _, want := range []string{"What is due?", "Showing 3 of 3 events", "feedback"} {
		if got := page.text("main"); !strings.Contains(got, want) {
			t.Errorf("the page says %q: %s", want, clip(got, 1500))
		}
	}
}

// TestReadmeSettingsWork does with the settings of the README what exporters
// do: the shell expands them, the exporter appends the path and undoes the
// percent signs.
func TestReadmeSettingsWork(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	w, b := otelWorld(t)
	key := strings.TrimPrefix(b.header.Get("Authorization"), "Bearer ")
	script := ""
	for line := range strings.Lines(string(readme)) {
		if strings.HasPrefix(line, "export OTEL_") || strings.HasPrefix(line, "export LANGFUSE_") {
			script += line
		}
	}
	command := exec.Command("sh", "-c", script+"env")
	command.Env = []string{"KEY=" + key, "PATH=" + os.Getenv("PATH")}
	out, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	set := map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		set[name] = value
	}
	if set["OTEL_EXPORTER_OTLP_ENDPOINT"] != "http://127.0.0.1:8080" || set["LANGFUSE_BASE_URL"] != "http://127.0.0.1:8080" || set["OTEL_EXPORTER_OTLP_PROTOCOL"] != "http/protobuf" {
		t.Errorf("the address of make run: %v", set)
	}
	name, value, _ := strings.Cut(set["OTEL_EXPORTER_OTLP_HEADERS"], "=")
	if value, err = url.PathUnescape(value); err != nil {
		t.Fatal(err)
	}
	stranger := &browser{w: w, cookies: map[string]string{}, header: http.Header{}}
	stranger.send("POST", "/v1/traces", nil, http.Header{"Content-Type": {"application/x-protobuf"}, name: {value}}).want(200)
	stranger.send("POST", "/v1/logs", nil, http.Header{"Content-Type": {"application/x-protobuf"}, name: {value}}).want(200)
	stranger.send("POST", "/v1/metrics", nil, http.Header{"Content-Type": {"application/x-protobuf"}, name: {value}}).want(404)
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(set["LANGFUSE_PUBLIC_KEY"]+":"+set["LANGFUSE_SECRET_KEY"]))
	stranger.send("POST", "/api/public/otel/v1/traces", nil, http.Header{"Content-Type": {"application/x-protobuf"}, "Authorization": {basic}}).want(200)
	stranger.send("POST", "/api/public/ingestion", strings.NewReader(`{"batch":[]}`), http.Header{"Content-Type": {"application/json"}, "Authorization": {basic}}).want(207)
}
