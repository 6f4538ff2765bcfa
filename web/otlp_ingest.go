package web

import (
	"context"
	"mime"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"
	"google.golang.org/protobuf/encoding/protowire"

	"assay/internal/auth"
	"assay/telemetry"
)

const protobufType = "application/x-protobuf"

// tracesIngest takes an OTLP export of spans.
func (s *site) tracesIngest(c *fiber.Ctx) error {
	return s.otlpIngest(c, "rejectedSpans", (*telemetry.Store).IngestTraces)
}

// logsIngest takes an OTLP export of log records.
func (s *site) logsIngest(c *fiber.Ctx) error {
	return s.otlpIngest(c, "rejectedLogRecords", (*telemetry.Store).IngestLogs)
}

type otlpStage func(*telemetry.Store, context.Context, auth.Actor, []byte, telemetry.Wire) (telemetry.SpanReceipt, error)

// otlpIngest answers in the encoding of the request. 200 means that what was
// not rejected is durable.
func (s *site) otlpIngest(c *fiber.Ctx, rejected string, take otlpStage) error {
	store, err := s.events()
	if err != nil {
		return err
	}
	wire := otlpWire(c)
	if wire == "" {
		return refuse(fiber.StatusUnsupportedMediaType, "Send application/x-protobuf or application/json.")
	}
	body, err := readBody(c, bodyLimits{})
	if err != nil {
		return err
	}
	receipt, err := take(store, c.UserContext(), actorOf(c), body, wire)
	if err != nil {
		return err
	}
	if wire == telemetry.WireProtobuf {
		c.Set(fiber.HeaderContentType, protobufType)
		return c.Send(partialSuccess(receipt))
	}
	answer := object{}
	if receipt.Rejected > 0 {
		answer["partialSuccess"] = object{rejected: strconv.Itoa(receipt.Rejected), // a 64-bit number is a text in OTLP/JSON
			"errorMessage": receipt.Message}
	}
	return c.JSON(answer)
}

// otlpWire is the encoding of an OTLP request, "" when it is none.
func otlpWire(c *fiber.Ctx) telemetry.Wire {
	kind, _, _ := mime.ParseMediaType(c.Get(fiber.HeaderContentType))
	switch kind {
	case protobufType, "application/protobuf":
		return telemetry.WireProtobuf
	case fiber.MIMEApplicationJSON:
		return telemetry.WireJSON
	}
	return ""
}

// partialSuccess is the answer to an export in protobuf: field 1 holds how
// many were rejected (1) and why (2); nothing at all when none was.
func partialSuccess(r telemetry.SpanReceipt) []byte {
	if r.Rejected == 0 {
		return nil
	}
	var partial []byte
	partial = protowire.AppendTag(partial, 1, protowire.VarintType)
	partial = protowire.AppendVarint(partial, uint64(r.Rejected))
	partial = protowire.AppendTag(partial, 2, protowire.BytesType)
	partial = protowire.AppendString(partial, r.Message)
	return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), partial)
}

// takesOTLP reports whether an address speaks OTLP, so that a refusal is
// written as its clients read it.
func takesOTLP(path string) bool {
	return strings.HasSuffix(path, "/v1/traces") || strings.HasSuffix(path, "/v1/logs")
}

// otlpProblem answers a refusal as google.rpc.Status (code 1, message 2). In
// JSON it is the problem document of any address, with the two names added.
func otlpProblem(c *fiber.Ctx, t trouble) error {
	code := rpcCode(t.code)
	if otlpWire(c) == telemetry.WireProtobuf {
		status := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(code))
		status = protowire.AppendString(protowire.AppendTag(status, 2, protowire.BytesType), t.words)
		c.Set(fiber.HeaderContentType, protobufType)
		return c.Send(status)
	}
	return c.JSON(object{
		"type": "about:blank", "title": titleOf(t), "status": t.code, "detail": t.words, "fault": t.kind, "reference": referenceOf(c),
		"code": code, "message": t.words,
	}, "application/problem+json")
}

// rpcCode is the number that google.rpc has for an HTTP status.
func rpcCode(status int) int {
	switch status {
	case fiber.StatusUnauthorized:
		return 16
	case fiber.StatusForbidden:
		return 7
	case fiber.StatusNotFound:
		return 5
	case fiber.StatusConflict:
		return 10
	case fiber.StatusTooManyRequests:
		return 8
	case fiber.StatusServiceUnavailable:
		return 14
	}
	if status >= 500 {
		return 13
	}
	return 3
}

// langfuseIngest takes a batch as Langfuse clients send it.
func (s *site) langfuseIngest(c *fiber.Ctx) error {
	store, body, err := s.sent(c)
	if err != nil {
		return err
	}
	receipt, err := store.IngestLangfuse(c.UserContext(), actorOf(c), body)
	if err != nil {
		return err
	}
	return c.Status(fiber.StatusMultiStatus).JSON(receipt)
}

// scoreIngest takes one score as Langfuse clients send it.
func (s *site) scoreIngest(c *fiber.Ctx) error {
	store, body, err := s.sent(c)
	if err != nil {
		return err
	}
	id, err := store.IngestScore(c.UserContext(), actorOf(c), body)
	if err != nil {
		return err
	}
	return c.JSON(object{"id": id})
}

// annotationsIngest takes annotations of spans as Phoenix clients send them.
func (s *site) annotationsIngest(c *fiber.Ctx) error {
	store, body, err := s.sent(c)
	if err != nil {
		return err
	}
	ids, err := store.IngestAnnotations(c.UserContext(), actorOf(c), body)
	if err != nil {
		return err
	}
	taken := make([]object, len(ids))
	for i, id := range ids {
		taken[i] = object{"id": id}
	}
	return c.JSON(object{"data": taken})
}

const (
	annotationsAnswer = `{"type":"object","required":["data"],"properties":{"data":{"type":"array","items":{"type":"object","properties":{"id":{"type":"string"}}}}}}`
	otlpAnswer        = `{"type":"object","properties":{"partialSuccess":{"type":"object","properties":{
	"rejectedSpans":{"type":"string"},"rejectedLogRecords":{"type":"string"},"errorMessage":{"type":"string"}}}}}`
	scoresAnswer = `{"type":"object","required":["successes","errors"],"properties":{
	"successes":{"type":"array","items":{"type":"object","properties":{"id":{"type":"string"},"status":{"type":"integer"}}}},
	"errors":{"type":"array","items":{"type":"object","properties":{"id":{"type":"string"},"status":{"type":"integer"},"message":{"type":"string"},"error":{"type":"string"}}}}}}`
	scoreAnswer = `{"type":"object","required":["id"],"properties":{"id":{"type":"string"}}}`
)

var otlpOperations = map[string]operation{
	"POST /v1/traces": {
		Summary: "OTLP/HTTP traces, application/x-protobuf or application/json; plain, gzip or zstd. Answers in the same encoding. A bad span costs only itself.",
		Body:    &content{Words: "an ExportTraceServiceRequest"},
		Answers: map[int]content{200: {Words: "durable but for what partial_success counts", Schema: otlpAnswer}}},
	"POST /v1/logs": {
		Summary: "OTLP/HTTP logs: GenAI events, user feedback, and records of a trace or session.",
		Body:    &content{Words: "an ExportLogsServiceRequest"},
		Answers: map[int]content{200: {Words: "durable but for what partial_success counts", Schema: otlpAnswer}}},
	"POST /api/public/otel/v1/traces": {
		Summary: "The same as /v1/traces, for exporters set up for this path: Basic auth, key id and secret.",
		Body:    &content{Words: "an ExportTraceServiceRequest"},
		Answers: map[int]content{200: {Words: "durable but for what partial_success counts", Schema: otlpAnswer}}},
	"POST /api/public/ingestion": {
		Summary: "Batches of Langfuse clients: traces, generations, spans, events and scores. User feedback among them flags the answer it is about.",
		Body:    &content{Words: `{"batch":[{"id","type","timestamp","body"}]}`},
		Answers: map[int]content{207: {Words: "item by item", Schema: scoresAnswer}}},
	"POST /v1/span_annotations": {
		Summary: "Annotations of spans as Phoenix clients send them. A person's are feedback on the answer, a machine's are kept beside it.",
		Body:    &content{Words: `{"data":[{"span_id","name","annotator_kind","result":{"label"?,"score"?,"explanation"?}}]}`},
		Answers: map[int]content{200: {Words: "durable", Schema: annotationsAnswer}, 404: {Words: "a span is not here; nothing was taken"}}},
	"POST /api/public/scores": {
		Summary: "One score of a Langfuse client.",
		Body:    &content{Words: `{"id"?,"traceId"?,"observationId"?,"sessionId"?,"name","value","dataType"?,"comment"?}`},
		Answers: map[int]content{200: {Words: "durable", Schema: scoreAnswer}}},
}
