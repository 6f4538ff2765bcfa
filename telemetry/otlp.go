package telemetry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"assay/internal/auth"
	"assay/internal/fault"
)

// Wire is an encoding of OTLP.
type Wire string

// The encodings of OTLP/HTTP.
const (
	WireProtobuf Wire = "protobuf"
	WireJSON     Wire = "json" // ids in hex, 64-bit numbers as text or number
)

// SpanReceipt answers an OTLP request. Rejected spans are not worth sending
// again; Message says why the first of them was rejected.
type SpanReceipt struct {
	Accepted  int // events, of which a span can hold several
	Duplicate int
	Rejected  int // spans or log records
	Message   string
}

// Bounds of one OTLP request. A value is an attribute, a member of a list, a
// span event or a group: what a few bytes can make many of.
const (
	maxSpan        = 4 << 20
	maxSpanValues  = 20_000
	maxTotalValues = 1_000_000
	maxDepth       = 24
)

// IngestTraces takes the body of an OTLP trace export, inflated already: its
// spans become events and go the way of all events. A span that cannot be read
// costs only itself; a span sent again is a duplicate. Faults are those of
// Ingest.
func (s *Store) IngestTraces(ctx context.Context, actor auth.Actor, body []byte, wire Wire) (SpanReceipt, error) {
	return s.ingestOTLP(ctx, actor, func() ([]found, error) { return readSpans(body, wire) })
}

// IngestLogs takes the body of an OTLP log export: records of the GenAI
// conventions, user feedback, and any other record of a trace or a session.
// The rest is rejected, since it could not be found again.
func (s *Store) IngestLogs(ctx context.Context, actor auth.Actor, body []byte, wire Wire) (SpanReceipt, error) {
	return s.ingestOTLP(ctx, actor, func() ([]found, error) { return readLogs(body, wire) })
}

func (s *Store) ingestOTLP(ctx context.Context, actor auth.Actor, read func() ([]found, error)) (SpanReceipt, error) {
	if err := actor.Require(auth.SendEvents); err != nil {
		return SpanReceipt{}, err
	}
	receipt, why, err := s.takeItems(ctx, actor, read)
	for _, err := range why {
		if err != nil {
			receipt.reject(err)
		}
	}
	return receipt, err
}

// takeItems takes spans and records the way of all events, and says of each
// why it was rejected, nil where it was not.
func (s *Store) takeItems(ctx context.Context, actor auth.Actor, read func() ([]found, error)) (receipt SpanReceipt, why []error, err error) {
	if err := s.room(ctx); err != nil {
		return SpanReceipt{}, nil, err
	}
	items, err := read()
	if err != nil {
		return SpanReceipt{}, nil, err
	}
	t, err := s.taking(ctx, actor)
	if err != nil {
		return SpanReceipt{}, nil, err
	}
	threads, err := s.threads(ctx, t, threadsOf(items, t))
	if err != nil {
		return SpanReceipt{}, nil, err
	}
	why = make([]error, len(items))
	var rows []*row
	var refused []rejected
	for i, item := range items {
		some, letter, err := t.takeItem(item, threads)
		if why[i] = err; letter != nil {
			refused = append(refused, rejected{Rejection{Error: err.Error()}, letter})
		}
		rows = append(rows, some...)
	}
	if receipt.Accepted, err = s.commit(ctx, t, rows, refused); err != nil {
		return SpanReceipt{}, nil, err
	}
	receipt.Duplicate = len(rows) - receipt.Accepted
	return receipt, why, nil
}

// takeItem turns one span or record into rows. On an error the letter is the
// event that was refused, where it came so far.
func (t *taking) takeItem(item found, threads map[string]thread) (rows []*row, letter []byte, err error) {
	if item.err != nil {
		return nil, nil, item.err
	}
	var events []jsontext.Value
	if item.record != nil {
		events, err = t.eventsOfRecord(item.record, threads)
	} else {
		events, err = t.eventsOfSpan(item.span, threads)
	}
	if err != nil {
		return nil, nil, err
	}
	for _, raw := range events {
		r, err := decode(raw)
		if err == nil {
			err = t.take(r)
		}
		if err != nil {
			return rows, raw, err
		}
		rows = append(rows, r)
	}
	return rows, nil, nil
}

func (r *SpanReceipt) reject(err error) {
	if r.Rejected++; r.Message == "" {
		r.Message = err.Error()
	}
}

// found is one span or log record of a request, or why it cannot be read.
type found struct {
	span   *otelSpan
	record *otelRecord
	err    error
}

// origin is what the spans of one program share.
type origin struct {
	attrs attrs
	scope string
}

// otelSpan is a span as it was sent, whatever the encoding. Ids are lower-case
// hex, empty when absent.
type otelSpan struct {
	origin
	traceID, spanID, parentID string
	name                      string
	kind                      int64
	start, end                uint64 // nanoseconds since 1970, 0 when absent
	attrs                     attrs
	events                    []spanEvent
	failed                    bool // status code 2
	message                   string
	begun                     bool // it has not ended: what is known of it so far
	foreign                   bool // ids are not those of W3C Trace Context
}

type spanEvent struct {
	name  string
	at    uint64
	attrs attrs
}

// otelRecord is a log record as it was sent.
type otelRecord struct {
	origin
	traceID, spanID string
	name            string
	at              uint64
	severity        int64
	body            any
	attrs           attrs
}

// spokenNames are the events that say what was said in a span (GenAI
// conventions 1.28 to 1.41).
var spokenNames = []string{"gen_ai.user.message", "gen_ai.tool.message", "gen_ai.choice", operationDetails}

const operationDetails = "gen_ai.client.inference.operation.details"

// speaks reports whether the record holds text of its span.
func (r *otelRecord) speaks() bool {
	return slices.Contains(spokenNames, r.called()) && validSpanID(r.spanID)
}

func (r *otelRecord) called() string {
	return cmp.Or(r.name, newBag(r.attrs).text("event.name"))
}

// attr is one attribute. Its value is a string, bool, int64, float64, []any,
// attrs, or nil.
type attr struct {
	key   string
	value any
}

type attrs []attr

// budget bounds what a few bytes can be blown up to.
type budget struct {
	total int // values left of the request
	span  int // values left of this span
}

var (
	errValues    = fmt.Errorf("the span holds more than %d values", maxSpanValues)
	errDepth     = fmt.Errorf("the span is nested deeper than %d", maxDepth)
	errSpanSize  = fmt.Errorf("the span is larger than %d bytes", maxSpan)
	errSpanWire  = errors.New("the span is cut short or damaged")
	errTraceID   = errors.New("the trace id is not 16 bytes, or zero")
	errSpanID    = errors.New("the span id is not 8 bytes, or zero")
	errSpanTime  = errors.New("the span has no time from 2000 to 2100")
	errNowhere   = errors.New("the record belongs to no trace and no session, and is no GenAI event")
	errExhausted = fault.Say(fault.Invalid, "The request holds more than %d values: send smaller batches.", maxTotalValues)
	errTooMany   = fault.Say(fault.Invalid, "The request holds more than %d spans: send smaller batches.", maxEvents)
)

// spend counts one value.
func (b *budget) spend() error {
	b.total--
	b.span--
	switch {
	case b.total < 0:
		return errExhausted
	case b.span < 0:
		return errValues
	}
	return nil
}

// spendGroup counts a group of spans, which costs as much as many values.
func (b *budget) spendGroup() error {
	b.fresh()
	b.total -= 49
	return b.spend()
}

// fresh begins the next span.
func (b *budget) fresh() { b.span = maxSpanValues }

// fatal reports whether an error ends the request and not just the span.
func fatal(err error) bool { return fault.Of(err) != "" }

func readSpans(body []byte, wire Wire) ([]found, error) {
	if wire == WireJSON {
		return jsonItems(body, "resourceSpans", "scopeSpans", "spans", jsonSpan)
	}
	return wireItems(body, wireSpan)
}

func readLogs(body []byte, wire Wire) ([]found, error) {
	if wire == WireJSON {
		return jsonItems(body, "resourceLogs", "scopeLogs", "logRecords", jsonRecord)
	}
	return wireItems(body, wireRecord)
}

func moment(nanos uint64) time.Time {
	if nanos == 0 || nanos > 1<<62 {
		return time.Time{}
	}
	return time.Unix(0, int64(nanos)).UTC()
}
