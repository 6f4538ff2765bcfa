package web

import (
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
)

// operation describes one machine route for people who program against it.
// Every route under /v1 and /api has one, which a test compares.
type operation struct {
	Summary string
	Query   []parameter
	Body    *content        // nil: none
	Answers map[int]content // 200, 201, …; refusals are added to all
}

type parameter struct {
	Name, Words string
	Required    bool
}

// content is a media type and its JSON schema: written as JSON text, or that of
// the Go value the handler answers with. Neither means any object.
type content struct {
	Type   string // default application/json
	Words  string
	Schema string
	Of     any
}

// operations lists the machine's side, each stage's in a file of its own.
func operations() map[string]operation {
	all := map[string]operation{}
	for _, some := range []map[string]operation{coreOperations, telemetryOperations, otlpOperations, consentOperations, labelingOperations, ruleOperations, putOperations, comparisonOperations, datasetOperations, importOperations, evalOperations, rateOperations, validatorOperations, rerunOperations, ownOperations, fixtureOperations, qualityOperations, metricOperations} {
		for route, op := range some {
			all[route] = op
		}
	}
	return all
}

var coreOperations = map[string]operation{
	"GET /v1/openapi.json": {Summary: "This document.", Answers: map[int]content{200: {Words: "OpenAPI 3.1"}}},
	"GET /livez": {Summary: "The process answers.", Answers: map[int]content{
		200: {Words: "alive", Schema: `{"type":"object","properties":{"status":{"const":"alive"}}}`}}},
	"GET /readyz": {Summary: "Each store answered a real query. ClickHouse away is 200 and degraded.", Answers: map[int]content{
		200: {Words: "ready or degraded", Schema: readySchema},
		503: {Words: "unavailable", Schema: readySchema}}},
}

const readySchema = `{"type":"object","required":["status","checks"],"properties":{
	"status":{"enum":["ready","degraded","unavailable"]},
	"checks":{"type":"object","additionalProperties":{"enum":["ready","away"]}}}}`

const problemSchema = `{"type":"object","required":["type","title","status","detail","reference"],"properties":{
	"type":{"type":"string"},"title":{"type":"string"},"status":{"type":"integer"},"detail":{"type":"string"},
	"fault":{"enum":["not_found","invalid","denied","conflict","unavailable"]},"reference":{"type":"string"}}}`

// documented reports whether a route belongs into the document.
func documented(r route) bool {
	return strings.HasPrefix(r.Path, "/v1/") || strings.HasPrefix(r.Path, "/api/") || r.Path == "/livez" || r.Path == "/readyz" ||
		(r.Path == "/" && r.Method == fiber.MethodPost)
}

func (s *site) openapiShow(c *fiber.Ctx) error {
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	return c.Send(s.openapi)
}

type object = map[string]any

// openapi makes the document from the routes, so that it cannot know one that
// does not exist.
func openapi(routes []route, operations map[string]operation) object {
	paths := object{}
	for _, r := range routes {
		if !documented(r) {
			continue
		}
		address := pathParameter.ReplaceAllString(r.Path, "{$1}")
		at, _ := paths[address].(object)
		if at == nil {
			at = object{}
			paths[address] = at
		}
		at[strings.ToLower(r.Method)] = describe(r, operations[r.Method+" "+r.Path])
	}
	return object{
		"openapi":           "3.1.0",
		"jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
		"info": object{"title": "Assay", "version": "1",
			"description": "Events in; labels, rates and promotion decisions out. Lists page by an opaque cursor. Every POST under /v1 takes an Idempotency-Key."},
		"paths": paths,
		"components": object{
			"securitySchemes": object{
				"key":     object{"type": "http", "scheme": "bearer", "description": "An API key, wb_<id>_<secret>."},
				"basic":   object{"type": "http", "scheme": "basic", "description": "Key id as user, secret as password."},
				"session": object{"type": "apiKey", "in": "cookie", "name": "__Host-assay-session", "description": "A signed-in person; unsafe methods also need the header X-Form-Token."},
			},
			"schemas": object{"Problem": json.RawMessage(problemSchema)},
		},
	}
}

var pathParameter = regexp.MustCompile(`:([a-z_]+)`)

func describe(r route, op operation) object {
	d := object{"summary": op.Summary, "operationId": operationID(r), "responses": answers(r, op), "security": security(r.Access)}
	parameters := []object{}
	for _, name := range pathParameter.FindAllStringSubmatch(r.Path, -1) {
		parameters = append(parameters, object{"name": name[1], "in": "path", "required": true, "schema": object{"type": "string"}})
	}
	for _, p := range op.Query {
		parameters = append(parameters, object{"name": p.Name, "in": "query", "required": p.Required, "description": p.Words, "schema": object{"type": "string"}})
	}
	if r.Method == fiber.MethodPost {
		parameters = append(parameters, object{"name": idempotencyHeader, "in": "header", "required": false,
			"description": "The same key and request within a day get the same answer and change nothing more.", "schema": object{"type": "string", "maxLength": 255}})
	}
	if len(parameters) > 0 {
		d["parameters"] = parameters
	}
	if op.Body != nil {
		d["requestBody"] = object{"required": true, "content": op.Body.object()}
	}
	if p := r.Access.permission; p != "" {
		d["description"] = "Needs " + auth.WhoMay(p) + scopesFor(p) + "."
	}
	return d
}

// scopesFor names the key scopes that hold a permission.
func scopesFor(p auth.Permission) string {
	names := []string{}
	for _, one := range auth.Scopes {
		if (auth.Actor{Kind: auth.Key, Scopes: []auth.Scope{one}}).May(p) {
			names = append(names, string(one))
		}
	}
	if len(names) == 0 {
		return ", never a key"
	}
	return ", or a key with the scope " + strings.Join(names, " or ")
}

func operationID(r route) string {
	words := strings.FieldsFunc(strings.ToLower(r.Method)+" "+r.Path, func(c rune) bool { return !('a' <= c && c <= 'z' || '0' <= c && c <= '9') })
	return strings.Join(words, "_")
}

func (c content) object() object {
	kind := c.Type
	if kind == "" {
		kind = fiber.MIMEApplicationJSON
	}
	var schema any = json.RawMessage(`{"type":"object"}`)
	switch {
	case c.Of != nil:
		schema = schemaOf(reflect.TypeOf(c.Of))
	case c.Schema != "":
		schema = json.RawMessage(c.Schema)
	}
	return object{kind: object{"schema": schema}}
}

func answers(r route, op operation) object {
	all := object{}
	for code, c := range op.Answers {
		all[strconv.Itoa(code)] = object{"description": c.Words, "content": c.object()}
	}
	for _, code := range refusals(r, op) {
		if _, has := all[strconv.Itoa(code)]; has {
			continue
		}
		all[strconv.Itoa(code)] = object{"description": wordsOfStatus(code),
			"content": object{"application/problem+json": object{"schema": object{"$ref": "#/components/schemas/Problem"}}}}
	}
	return all
}

func refusals(r route, op operation) []int {
	codes := []int{429, 500, 503}
	if r.Method == fiber.MethodGet && len(op.Query) > 0 {
		codes = append(codes, 400)
	}
	if r.Access.who != everyone {
		codes = append(codes, 401, 403)
	}
	if r.Method != fiber.MethodGet {
		codes = append(codes, 400, 409, 413, 415)
	}
	if strings.Contains(r.Path, ":") {
		codes = append(codes, 404)
	}
	slices.Sort(codes)
	return codes
}

func security(a access) []object {
	key, session := object{"key": []string{}}, object{"session": []string{}}
	switch a.who {
	case everyone:
		return []object{}
	case person:
		return []object{session}
	case keyHolder:
		return []object{key, {"basic": []string{}}}
	}
	return []object{key, session}
}
