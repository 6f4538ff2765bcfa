package web

import (
	"regexp"
	"strings"

	"github.com/gofiber/fiber/v2"

	"assay/internal/fault"
	"assay/telemetry"
)

// events returns the stage behind ingest and the session pages.
func (s *site) events() (*telemetry.Store, error) {
	if s.Telemetry == nil {
		return nil, fault.Say(fault.Unavailable, "Sessions cannot be read now.")
	}
	return s.Telemetry, nil
}

// sent is what a client sends, and the store that takes it.
func (s *site) sent(c *fiber.Ctx) (*telemetry.Store, []byte, error) {
	store, err := s.events()
	if err != nil {
		return nil, nil, err
	}
	body, err := readBody(c, bodyLimits{})
	return store, body, err
}

// eventsIngest takes a batch of events. 202 means that what it counts as
// accepted is durable.
func (s *site) eventsIngest(c *fiber.Ctx) error {
	store, body, err := s.sent(c)
	if err != nil {
		return err
	}
	take := store.Ingest
	if otlpWire(c) == telemetry.WireProtobuf {
		take = store.IngestProto
	}
	receipt, err := take(c.UserContext(), actorOf(c), body)
	if err != nil {
		return err
	}
	return c.Status(fiber.StatusAccepted).JSON(receipt)
}

// eventSchema publishes what an event is, for senders of JSON.
func (s *site) eventSchema(c *fiber.Ctx) error {
	c.Set(fiber.HeaderContentType, "application/schema+json")
	return c.Send(telemetry.EventSchema())
}

// eventProto publishes the same event for senders of protobuf.
func (s *site) eventProto(c *fiber.Ctx) error {
	c.Set(fiber.HeaderContentType, "text/plain; charset=utf-8")
	return c.Send(telemetry.EventProto())
}

// insertEvents is the one query clients of ClickHouse's insert address may
// send: it is the same ingest, and nothing of it reaches ClickHouse.
var insertEvents = regexp.MustCompile(`(?i)^\s*INSERT\s+INTO\s+(?:TABLE\s+)?assistant_events_raw(?:\s*\([\w\s,]*\))?\s+FORMAT\s+JSONEachRow\s*;?\s*$`)

func (s *site) clickhouseInsert(c *fiber.Ctx) error {
	if !insertEvents.MatchString(strings.Clone(c.Query("query"))) {
		return fault.Say(fault.Denied, "This address takes one query: INSERT INTO assistant_events_raw FORMAT JSONEachRow.")
	}
	return s.eventsIngest(c)
}

const receiptSchema = `{"type":"object","required":["accepted","duplicate","rejected"],"properties":{
	"accepted":{"type":"integer"},"duplicate":{"type":"integer"},
	"rejected":{"type":"array","items":{"type":"object","required":["index","error"],"properties":{"index":{"type":"integer"},"error":{"type":"string"}}}}}}`

var telemetryOperations = map[string]operation{
	"POST /v1/events": {
		Summary: "Take events: one object, an array, {\"events\":[…]} or JSON Lines; plain, gzip or zstd; or a protobuf of Events as application/x-protobuf. A bad event never costs its neighbours.",
		Body:    &content{Words: "events, each as /v1/schemas/event.json has it"},
		Answers: map[int]content{202: {Words: "durable", Schema: receiptSchema}}},
	"GET /v1/schemas/event.json": {
		Summary: "The JSON Schema of an event. What it names is never taken away and never changes its type.",
		Answers: map[int]content{200: {Type: "application/schema+json", Words: "JSON Schema 2020-12"}}},
	"GET /v1/schemas/event.proto": {
		Summary: "The same event as a protobuf.",
		Answers: map[int]content{200: {Type: "text/plain", Words: "proto3"}}},
	"POST /": {
		Summary: "The same ingest for clients of ClickHouse's insert address. Any other query is refused.",
		Query:   []parameter{{Name: "query", Words: "INSERT INTO assistant_events_raw FORMAT JSONEachRow", Required: true}},
		Body:    &content{Words: "one event a line"},
		Answers: map[int]content{202: {Words: "durable", Schema: receiptSchema}}},
	"GET /v1/sessions": {
		Summary: "Sessions with an event in the window that meet the filters, the latest first.",
		Query: []parameter{
			{Name: "when", Words: "1h, 24h, 7d, 30d, all, or empty for the last 24 hours that hold events"},
			{Name: "from", Words: "RFC 3339 or a UTC day; with to it replaces when"}, {Name: "to", Words: "exclusive"},
			{Name: "task_class"}, {Name: "model_version"}, {Name: "template", Words: "prompt template id"}, {Name: "env"}, {Name: "user", Words: "user_id_hash"},
			{Name: "flag", Words: "a flag, or any"}, {Name: "verdict", Words: "pass, fail, inconclusive"},
			{Name: "label", Words: "correct, partially_correct, hallucinated, cannot_tell"},
			{Name: "behind", Words: "the events a figure of /v1/metrics/summary counts: one event must meet all that follows and precedes it"},
			{Name: "experiment"}, {Name: "variant"}, {Name: "version", Words: "assistant_version"},
			{Name: "error", Words: "error_type"}, {Name: "tool", Words: "tool_name of a step"},
			{Name: "q", Words: "text somewhere in the redacted content"}, {Name: "cursor", Words: "older or newer of another page"}, {Name: "limit", Words: "1 to 200, default 50"}},
		Answers: map[int]content{200: {Words: "a page of sessions and how many there are in all"}}},
	"GET /v1/sessions/:session": {
		Summary: "One session: its events in order, a page at a time.",
		Query:   []parameter{{Name: "event", Words: "the page with this event"}, {Name: "at", Words: "the page that begins at this place, from 0"}},
		Answers: map[int]content{200: {Words: "the session"}, 404: {Words: "no such session, or not for you"}}},
}
