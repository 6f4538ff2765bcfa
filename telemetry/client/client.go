package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"

	"assay/telemetry"
)

// Config is what a client must be told. URL and Key are needed.
type Config struct {
	URL       string                                     // of the product: "http://127.0.0.1:8080"
	Key       string                                     // "wb_…", with the scope ingest
	BatchSize int                                        // events a batch; 0 is 50
	Flush     time.Duration                              // after which a smaller batch leaves; 0 is 5 s
	Senders   int                                        // batches under way at once in Load; 0 is 2
	Spool     string                                     // directory for what could not be sent; "" keeps nothing
	Salt      string                                     // of the hash of user ids; kept away from the product
	HTTP      *http.Client                               // nil: one with a time limit of 30 s
	Progress  func(Totals)                               // called after each batch, from one goroutine at a time
	Sleep     func(context.Context, time.Duration) error // nil: time passes
}

// Totals says what became of the events so far.
type Totals struct {
	Read      int   // events taken from the caller
	Accepted  int   // durable
	Duplicate int   // the product had them already
	Rejected  int   // refused by the product, one by one
	Spooled   int   // waiting on disk
	Bytes     int64 // of events, before compression
	First     []Refused
}

// Refused is an event the product would not have.
type Refused struct {
	Number int // of the event, from 1, in the order they were given; 0 in an OTLP export, which does not say
	Reason string
}

const (
	defaultBatch    = 50
	defaultFlush    = 5 * time.Second
	attempts        = 5
	firstRefusals   = 10
	maxBatchBytes   = 16 << 20
	longestPatience = 2 * time.Minute
)

// ErrUnsent says that events are left on disk, or were lost where there is no
// spool.
var ErrUnsent = errors.New("events could not be sent")

// Client gathers events and sends them. Its methods may be called from
// several goroutines.
type Client struct {
	config Config
	mu     sync.Mutex
	batch  batch
	timer  *time.Timer
	totals Totals
	tell   sync.Mutex
}

// batch is what is sent at once: lines of JSON.
type batch struct {
	lines   bytes.Buffer
	events  int
	numbers []int  // of its events, in the order they were given
	kind    string // "" for events, else what the OTLP export holds
}

// New returns a client. It sends nothing yet.
func New(c Config) (*Client, error) {
	if c.URL == "" || c.Key == "" {
		return nil, errors.New("a client needs the product's address and a key")
	}
	c.URL = strings.TrimRight(c.URL, "/")
	c.BatchSize = cmp.Or(c.BatchSize, defaultBatch)
	c.Flush = cmp.Or(c.Flush, defaultFlush)
	c.Senders = cmp.Or(c.Senders, 2)
	if c.HTTP == nil {
		c.HTTP = &http.Client{Timeout: 30 * time.Second}
	}
	if c.Sleep == nil {
		c.Sleep = sleep
	}
	return &Client{config: c}, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// Totals returns what became of the events so far.
func (c *Client) Totals() Totals {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.totals
}

// Add gathers one event, any value that marshals to a JSON object, and sends
// the batch when it is full. An event without an id gets a random one.
func (c *Client) Add(ctx context.Context, event any) error {
	raw, err := json.Marshal(event)
	if err != nil {
		return fmt.Errorf("write an event as JSON: %w", err)
	}
	if raw, err = sanitize(raw, c.config.Salt, true); err != nil {
		return err
	}
	c.mu.Lock()
	full := c.gather(raw, true)
	c.mu.Unlock()
	if full == nil {
		return nil
	}
	return c.send(ctx, full)
}

// gather adds a line to the batch and returns the batch when it is full; timed
// batches also leave by themselves. The caller holds the lock.
func (c *Client) gather(raw []byte, timed bool) *batch {
	c.totals.Read++
	c.totals.Bytes += int64(len(raw))
	b := &c.batch
	if timed && b.events == 0 {
		c.timer = time.AfterFunc(c.config.Flush, func() { c.Flush(context.Background()) })
	}
	b.lines.Write(raw)
	b.lines.WriteByte('\n')
	b.events++
	b.numbers = append(b.numbers, c.totals.Read)
	if b.events < c.config.BatchSize && b.lines.Len() < maxBatchBytes {
		return nil
	}
	return c.take()
}

func (c *Client) take() *batch {
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.batch.events == 0 {
		return nil
	}
	full := c.batch
	c.batch = batch{}
	return &full
}

// Flush sends what has gathered.
func (c *Client) Flush(ctx context.Context) error {
	c.mu.Lock()
	full := c.take()
	c.mu.Unlock()
	if full == nil {
		return nil
	}
	return c.send(ctx, full)
}

// Close sends what has gathered and what waits on disk. ErrUnsent when some of
// it still waits.
func (c *Client) Close(ctx context.Context) error {
	if err := c.Flush(ctx); err != nil {
		return err
	}
	return c.SendSpooled(ctx)
}

// send sends a batch, again and again where that may help, and puts it on disk
// where it does not.
func (c *Client) send(ctx context.Context, b *batch) error {
	body, err := compress(b.lines.Bytes())
	if err != nil {
		return err
	}
	receipt, err := c.deliver(ctx, body, b.kind, b.events)
	var refused *refusedBatch
	switch {
	case err == nil:
		c.count(b, receipt)
		return nil
	case errors.As(err, &refused):
		return err // sending it again or later would not help
	}
	if spoolErr := c.spool(body, b.kind, b.events); spoolErr != nil {
		return errors.Join(fmt.Errorf("%w: %d of them: %w", ErrUnsent, b.events, err), spoolErr)
	}
	c.mu.Lock()
	c.totals.Spooled += b.events
	c.mu.Unlock()
	c.report()
	return nil
}

func compress(lines []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(lines); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func (c *Client) count(b *batch, receipt telemetry.Receipt) {
	c.mu.Lock()
	c.totals.Accepted += receipt.Accepted
	c.totals.Duplicate += receipt.Duplicate
	c.totals.Rejected += len(receipt.Rejected)
	for _, r := range receipt.Rejected {
		if b.kind != "" && len(c.totals.First) == 0 {
			c.totals.First = append(c.totals.First, Refused{0, r.Error})
		}
		if len(c.totals.First) < firstRefusals && r.Index < len(b.numbers) {
			c.totals.First = append(c.totals.First, Refused{b.numbers[r.Index], r.Error})
		}
	}
	c.mu.Unlock()
	c.report()
}

func (c *Client) report() {
	if c.config.Progress == nil {
		return
	}
	c.tell.Lock()
	defer c.tell.Unlock()
	c.config.Progress(c.Totals())
}

// refusedBatch is an answer that no repetition changes: a wrong key, a body
// that is no list of events.
type refusedBatch struct {
	status int
	words  string
}

func (r *refusedBatch) Error() string {
	return fmt.Sprintf("the product refuses the batch: %d %s", r.status, r.words)
}

// deliver posts a body up to five times. Between two attempts it waits 200 ms
// and twice as long each time, or as long as the product asks for.
func (c *Client) deliver(ctx context.Context, body []byte, kind string, events int) (telemetry.Receipt, error) {
	var err error
	for attempt := 1; ; attempt++ {
		var receipt telemetry.Receipt
		var after time.Duration
		receipt, after, err = c.post(ctx, body, kind, events)
		var refused *refusedBatch
		if err == nil || errors.As(err, &refused) || ctx.Err() != nil {
			return receipt, err
		}
		wait := backOff(attempt)
		if attempt == attempts {
			return telemetry.Receipt{}, fmt.Errorf("after %d attempts: %w", attempts, err)
		}
		if err := c.config.Sleep(ctx, max(wait, min(after, longestPatience))); err != nil {
			return telemetry.Receipt{}, err
		}
	}
}

// backOff is how long to wait after an attempt: 200, 400, 800, 1600, 3200 ms.
func backOff(attempt int) time.Duration { return 100 * time.Millisecond << attempt }

func (c *Client) post(ctx context.Context, body []byte, kind string, events int) (receipt telemetry.Receipt, after time.Duration, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.config.URL+cmp.Or(otlpPaths[kind], "/v1/events"), bytes.NewReader(body))
	if err != nil {
		return receipt, 0, err
	}
	request.Header.Set("Authorization", "Bearer "+c.config.Key)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Content-Encoding", "gzip")
	response, err := c.config.HTTP.Do(request)
	if err != nil {
		return receipt, 0, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 16<<20))
	if err != nil {
		return receipt, 0, err
	}
	switch code := response.StatusCode; {
	case code == http.StatusOK && kind != "":
		receipt, err = readPartial(answer, events)
		return receipt, 0, err
	case code == http.StatusAccepted || code == http.StatusOK:
		return receipt, 0, json.Unmarshal(answer, &receipt)
	case code == http.StatusTooManyRequests || code == http.StatusRequestTimeout || code >= 500:
		return receipt, retryAfter(response.Header.Get("Retry-After")), fmt.Errorf("the product answers %s", response.Status)
	default:
		var problem struct {
			Detail string `json:"detail"`
		}
		json.Unmarshal(answer, &problem)
		return receipt, 0, &refusedBatch{code, problem.Detail}
	}
}

// retryAfter reads the header in both of its forms.
func retryAfter(header string) time.Duration {
	if seconds, err := strconv.Atoi(header); err == nil && seconds >= 0 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}
