package client_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"assay/telemetry/client"
)

// product stands in for the ingest address: it takes lines, counts ids twice
// sent as duplicates, and answers as it is told.
type product struct {
	mu      sync.Mutex
	answers []int // statuses to give before taking anything
	after   string
	batches [][]map[string]any
	seen    map[string]bool
	headers []http.Header
}

func (p *product) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.headers = append(p.headers, r.Header.Clone())
	if len(p.answers) > 0 {
		status := p.answers[0]
		p.answers = p.answers[1:]
		w.Header().Set("Retry-After", p.after)
		w.WriteHeader(status)
		fmt.Fprint(w, `{"detail":"Not now."}`)
		return
	}
	unzipped, err := gzip.NewReader(r.Body)
	if err != nil {
		w.WriteHeader(400)
		return
	}
	var events []map[string]any
	var accepted, duplicate int
	rejected := []map[string]any{}
	lines := bufio.NewScanner(unzipped)
	for i := 0; lines.Scan(); i++ {
		var event map[string]any
		if json.Unmarshal(lines.Bytes(), &event) != nil {
			rejected = append(rejected, map[string]any{"index": i, "error": "the event is not JSON"})
			continue
		}
		id := fmt.Sprint(event["event_id"], event["n"])
		if p.seen == nil {
			p.seen = map[string]bool{}
		}
		if p.seen[id] {
			duplicate++
		} else {
			accepted++
		}
		p.seen[id] = true
		events = append(events, event)
	}
	p.batches = append(p.batches, events)
	w.WriteHeader(http.StatusAccepted)
	json.NewEncoder(w).Encode(map[string]any{"accepted": accepted, "duplicate": duplicate, "rejected": rejected})
}

// start returns a client of a product, and the sleeps it took.
func start(t *testing.T, p *product, config client.Config) (*client.Client, *[]time.Duration) {
	t.Helper()
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	var slept []time.Duration
	var mu sync.Mutex
	config.URL, config.Key = server.URL, "wb_test_secret"
	config.Sleep = func(_ context.Context, d time.Duration) error {
		mu.Lock()
		defer mu.Unlock()
		slept = append(slept, d)
		return nil
	}
	c, err := client.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return c, &slept
}

func ms(values ...int) (list []time.Duration) {
	for _, v := range values {
		list = append(list, time.Duration(v)*time.Millisecond)
	}
	return list
}

func TestFiftyEventsMakeABatch(t *testing.T) {
	p := &product{}
	c, _ := start(t, p, client.Config{})
	for n := range 120 {
		if err := c.Add(t.Context(), map[string]any{"event_type": "outcome", "n": n}); err != nil {
			t.Fatal(err)
		}
	}
	if len(p.batches) != 2 || len(p.batches[0]) != 50 {
		t.Fatalf("want 2 batches of 50 under way, got %d", len(p.batches))
	}
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(p.batches) != 3 || len(p.batches[2]) != 20 || c.Totals().Accepted != 120 {
		t.Errorf("closing sends the rest: %d batches, %+v", len(p.batches), c.Totals())
	}
	h := p.headers[0]
	if h.Get("Content-Encoding") != "gzip" || h.Get("Content-Type") != "application/json" || h.Get("Authorization") != "Bearer wb_test_secret" {
		t.Errorf("headers: %v", h)
	}
}

func TestSmallBatchLeavesByItself(t *testing.T) {
	p := &product{}
	c, _ := start(t, p, client.Config{Flush: 10 * time.Millisecond})
	c.Add(t.Context(), map[string]any{"n": 1})
	for range 200 {
		if c.Totals().Accepted == 1 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("a batch that does not fill leaves after a while")
}

func TestBackOff(t *testing.T) {
	for _, c := range []struct {
		name    string
		answers []int
		after   string
		want    []time.Duration
		spooled int
	}{
		{"well at once", nil, "", nil, 0},
		{"the product is away for a moment", []int{503, 500}, "", ms(200, 400), 0},
		{"four failures", []int{503, 503, 503, 503}, "", ms(200, 400, 800, 1600), 0},
		{"five failures are enough", []int{503, 503, 503, 503, 503}, "", ms(200, 400, 800, 1600), 1},
		{"it says when to come back", []int{429, 429}, "3", ms(3000, 3000), 0},
		{"it asks for less than the back-off", []int{503, 503, 503, 503}, "1", ms(1000, 1000, 1000, 1600), 0},
		{"an hour is too long to hold a batch", []int{503}, "3600", ms(120000), 0},
	} {
		p := &product{answers: c.answers, after: c.after}
		dir := t.TempDir()
		cl, slept := start(t, p, client.Config{BatchSize: 1, Spool: dir})
		if err := cl.Add(t.Context(), map[string]any{"n": 1}); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if fmt.Sprint(c.want) != fmt.Sprint(*slept) {
			t.Errorf("%s: want %v, got %v", c.name, c.want, *slept)
		}
		if got := cl.Totals(); got.Spooled != c.spooled || got.Accepted != 1-c.spooled {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

func TestRepeatedBatchKeepsItsIds(t *testing.T) {
	p := &product{answers: []int{503}}
	c, _ := start(t, p, client.Config{BatchSize: 1})
	c.Add(t.Context(), map[string]any{"n": 1})
	id, _ := p.batches[0][0]["event_id"].(string)
	if len(id) != 36 {
		t.Errorf("an event without an id gets one, got %q", id)
	}
}

func TestWhatCannotBeSentWaitsOnDisk(t *testing.T) {
	down := make([]int, 15)
	for i := range down {
		down[i] = 503
	}
	p := &product{answers: down}
	dir := t.TempDir()
	c, _ := start(t, p, client.Config{BatchSize: 2, Spool: dir})
	for n := range 4 {
		if err := c.Add(t.Context(), map[string]any{"n": n}); err != nil {
			t.Fatal(err)
		}
	}
	if got := c.Totals(); got.Spooled != 4 || got.Accepted != 0 {
		t.Errorf("want 4 on disk, got %+v", got)
	}
	if err := c.Close(t.Context()); !errors.Is(err, client.ErrUnsent) {
		t.Errorf("closing says that some wait, got %v", err)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Errorf("later they leave: %v", err)
	}
	if got := c.Totals(); got.Spooled != 0 || got.Accepted != 4 {
		t.Errorf("want 4 accepted, got %+v", got)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 0 {
		t.Errorf("nothing stays on disk: %v", left)
	}
	if p.batches[0][0]["n"] != 0.0 || p.batches[1][0]["n"] != 2.0 {
		t.Error("the oldest leave first")
	}
}

func TestRefusedBatchIsNotSentAgain(t *testing.T) {
	p := &product{answers: []int{401}}
	c, slept := start(t, p, client.Config{BatchSize: 1, Spool: t.TempDir()})
	err := c.Add(t.Context(), map[string]any{"n": 1})
	if err == nil || !strings.Contains(err.Error(), "401 Not now.") || len(*slept) != 0 || c.Totals().Spooled != 0 {
		t.Errorf("a wrong key stays wrong: %v, slept %v", err, *slept)
	}
}

func TestUsersAreHashedBeforeTheyLeave(t *testing.T) {
	p := &product{}
	c, _ := start(t, p, client.Config{BatchSize: 4, Salt: "pepper"})
	c.Add(t.Context(), map[string]any{"user_id": "maya"})
	c.Add(t.Context(), map[string]any{"user_id": ""})
	c.Add(t.Context(), map[string]any{"user_id": 7})
	c.Add(t.Context(), map[string]any{"user_id": "maya", "user_id_hash": "own"})
	for i, want := range []any{"sha256:97c37b3105d2709d6ed31dfb1fb17b5c4349f4c7d2aa121bbeebe5d716e2015a", nil, "sha256:1b44481921a511e3b17e3200b40be11bd079c687d6209960a30c19e45b192723", "own"} {
		if got := p.batches[0][i]["user_id_hash"]; want != got {
			t.Errorf("event %d: want %v, got %v", i, want, got)
		}
		if _, ok := p.batches[0][i]["user_id"]; ok {
			t.Errorf("event %d: the raw id left", i)
		}
	}
}

func TestLoadSendsEveryLineOnce(t *testing.T) {
	var file bytes.Buffer
	for n := range 1000 {
		fmt.Fprintf(&file, `{"event_type":"outcome","n":%d}`+"\n", n)
		if n == 500 {
			file.WriteString("\n{broken\n")
		}
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	z.Write(bytes.TrimSpace(file.Bytes())) // without a line end at last
	z.Close()
	for name, content := range map[string][]byte{"plain": file.Bytes(), "gzip": zipped.Bytes()} {
		p := &product{answers: []int{503}}
		var told client.Totals
		c, _ := start(t, p, client.Config{BatchSize: 64, Senders: 4, Progress: func(now client.Totals) { told = now }})
		if err := c.Load(t.Context(), bytes.NewReader(content)); err != nil {
			t.Fatal(err)
		}
		got := c.Totals()
		if got.Read != 1001 || got.Accepted != 1000 || got.Rejected != 1 || got.Duplicate != 0 {
			t.Errorf("%s: %+v", name, got)
		}
		if len(got.First) != 1 || got.First[0].Number != 502 {
			t.Errorf("%s: a refused line is named by its number: %+v", name, got.First)
		}
		if told.Accepted != 1000 {
			t.Errorf("%s: progress is told to the end: %+v", name, told)
		}
	}
}

// collector stands in for the OTLP addresses.
type collector struct {
	mu    sync.Mutex
	away  bool
	paths []string
	spans int
}

func (p *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away {
		w.WriteHeader(503)
		return
	}
	unzipped, err := gzip.NewReader(r.Body)
	if err != nil {
		w.WriteHeader(400)
		return
	}
	body, _ := io.ReadAll(unzipped)
	p.paths = append(p.paths, r.URL.Path)
	if p.spans += bytes.Count(body, []byte("spanId")); bytes.Contains(body, []byte("bad")) {
		fmt.Fprint(w, `{"partialSuccess":{"rejectedSpans":"1","errorMessage":"the trace id is not 16 bytes, or zero"}}`)
		return
	}
	fmt.Fprint(w, `{}`)
}

func TestLoadSendsOTLP(t *testing.T) {
	one := `{"resourceSpans":[{"scopeSpans":[{"spans":[{"spanId":"1"},{"spanId":"2"}]}]}]}`
	file := one + "\n" + strings.ReplaceAll(one, `"1"`, `"bad"`) + "\n" + `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"a":1}]}]}]}` + "\n"
	var pretty bytes.Buffer
	json.Indent(&pretty, []byte(one), "", "    ")
	p := &collector{}
	server := httptest.NewServer(p)
	defer server.Close()
	c, err := client.New(client.Config{URL: server.URL, Key: "k", Spool: t.TempDir(), Sleep: func(context.Context, time.Duration) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	for _, content := range []string{file, pretty.String()} {
		if err := c.Load(t.Context(), strings.NewReader(content)); err != nil {
			t.Fatal(err)
		}
	}
	got := c.Totals()
	if want := "/v1/traces /v1/traces /v1/logs /v1/traces"; strings.Join(p.paths, " ") != want || p.spans != 6 {
		t.Errorf("want %s, got %s with %d spans", want, strings.Join(p.paths, " "), p.spans)
	}
	if got.Read != 7 || got.Accepted != 6 || got.Rejected != 1 || len(got.First) != 1 || !strings.Contains(got.First[0].Reason, "trace id") {
		t.Errorf("%+v", got)
	}
	p.away = true
	if err := c.Load(t.Context(), strings.NewReader(file)); err != nil || c.Totals().Spooled != 5 {
		t.Errorf("what cannot be sent waits on disk: %+v, %v", c.Totals(), err)
	}
	if p.away, p.paths = false, nil; c.Close(t.Context()) != nil || strings.Join(p.paths, " ") != "/v1/traces /v1/traces /v1/logs" || c.Totals().Spooled != 0 {
		t.Errorf("and goes to its own address: %s, %+v", p.paths, c.Totals())
	}
	if err := c.Load(t.Context(), strings.NewReader(one+"\n{\"event_type\":\"outcome\"}")); err == nil {
		t.Error("a file holds one or the other")
	}
}

func TestLoadStopsAtARefusal(t *testing.T) {
	p := &product{answers: []int{403, 403, 403, 403, 403, 403, 403, 403}}
	c, _ := start(t, p, client.Config{BatchSize: 1})
	err := c.Load(t.Context(), strings.NewReader(strings.Repeat("{\"n\":1}\n", 500)))
	if err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("want the refusal, got %v", err)
	}
}

func TestSpoolIsWholeOrNotThere(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "writing-123"), []byte("half a batch"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, _ := start(t, &product{}, client.Config{Spool: dir})
	if err := c.Close(t.Context()); err != nil || c.Totals().Accepted != 0 {
		t.Errorf("a batch that was being written when the program died is not sent: %v", err)
	}
}
