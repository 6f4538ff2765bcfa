package telemetry

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// shape is the type of a field as its two published schemas have it.
type shape string

const (
	shapeText    shape = "text"
	shapeID      shape = "id"
	shapeUUID    shape = "uuid"
	shapeTime    shape = "time"
	shapeCount   shape = "count"   // a whole number from 0 up
	shapeMillis  shape = "millis"  // milliseconds from 0 up; fractions are rounded
	shapeYesNo   shape = "yes_no"  // true or false
	shapeWord    shape = "word"    // one of a few words
	shapeTexts   shape = "texts"   // a text or a list
	shapeObject  shape = "object"  // a JSON object
	shapeOpinion shape = "opinion" // up, down or a rating
)

// published is one field as senders may rely on it. Numbers are those of the
// protobuf and are never given to another field; a field is never taken away
// and never gets another shape, or a word less.
type published struct {
	Number int      `json:"number"`
	Name   string   `json:"name"`
	Shape  shape    `json:"shape"`
	Words  []string `json:"words,omitempty"`
}

// attributesNumber leaves room for fields to come.
const attributesNumber = 1000

// publishedFields lists the fields of an event in the order of their numbers.
func publishedFields() []published {
	list := make([]published, 0, len(eventFields)+1)
	for i, f := range eventFields {
		list = append(list, published{i + 1, f.name, shapeOf(f), f.words})
	}
	return append(list, published{attributesNumber, "attributes", shapeObject, nil})
}

// shapeOf reads a field's shape off its kind; the few fields with a kind of
// their own are named.
func shapeOf(f field) shape {
	switch f.name {
	case "event_id":
		return shapeUUID
	case "event_time":
		return shapeTime
	case "context":
		return shapeTexts
	case "artifact":
		return shapeObject
	case "explicit_feedback":
		return shapeOpinion
	case "impact":
		return shapeCount
	case "user_id_hash":
		return shapeID
	}
	return f.shape
}

// EventSchema is the JSON Schema (2020-12) of one event as POST /v1/events
// takes it. Unknown fields are kept as attributes, so it allows them.
func EventSchema() []byte {
	properties := map[string]any{}
	for _, f := range publishedFields() {
		properties[f.Name] = f.schema()
	}
	properties["impact"] = map[string]any{"type": "integer", "minimum": 1, "maximum": 5}
	for synonym, name := range synonyms {
		same := map[string]any{"$ref": "#/properties/" + name, "description": "The same as " + name + ", which stands where both are sent."}
		properties[synonym] = same
	}
	schema := map[string]any{
		"$schema":              "https://json-schema.org/draft/2020-12/schema",
		"$id":                  "urn:assay:event:1",
		"title":                "Event",
		"description":          "One telemetry record of an assistant. Text is redacted before it is stored. Fields that are not named here are kept as attributes, and only ever shown.",
		"type":                 "object",
		"required":             []string{"event_type"},
		"properties":           properties,
		"additionalProperties": true,
		"if":                   map[string]any{"properties": map[string]any{"event_type": map[string]any{"const": TypeGateTrace}}},
		"then":                 map[string]any{"required": []string{"request_id", "route", "first_failed_stage", "unsafe_claim_served"}},
		"else":                 map[string]any{"anyOf": []any{map[string]any{"required": []string{"event_time"}}, map[string]any{"required": []string{"timestamp"}}}},
	}
	text, _ := json.MarshalIndent(schema, "", "  ")
	return append(text, '\n')
}

func (f published) schema() map[string]any {
	switch f.Shape {
	case shapeText:
		return map[string]any{"type": []string{"string", "null"}, "description": fmt.Sprintf("Text: redacted, cut after %d bytes.", maxText)}
	case shapeUUID:
		return map[string]any{"type": []string{"string", "null"}, "format": "uuid", "description": "The identity: sent twice it is one event. Made from the content when absent."}
	case shapeTime:
		return map[string]any{"type": []string{"string", "null"}, "description": "RFC 3339, or as ClickHouse writes a time, in UTC."}
	case shapeCount:
		return map[string]any{"type": []string{"integer", "null"}, "minimum": 0}
	case shapeMillis:
		return map[string]any{"type": []string{"number", "null"}, "minimum": 0}
	case shapeYesNo:
		return map[string]any{"type": []string{"boolean", "null"}}
	case shapeWord:
		words := []any{}
		for _, w := range f.Words {
			words = append(words, w)
		}
		if f.Name != "event_type" {
			words = append(words, nil)
		}
		return map[string]any{"enum": words}
	case shapeTexts:
		return map[string]any{"type": []string{"string", "array", "null"}, "maxItems": maxContexts}
	case shapeObject:
		if f.Name == "artifact" {
			return map[string]any{"type": []string{"object", "null"}, "required": []string{"kind"}, "properties": map[string]any{"kind": map[string]any{"type": "string"}}}
		}
		return map[string]any{"type": []string{"object", "null"}}
	case shapeOpinion:
		return map[string]any{"type": []string{"string", "integer", "null"}, "description": "up, down, or a rating from 1 to 5."}
	}
	return map[string]any{"type": []string{"string", "null"}, "maxLength": maxID}
}

// EventProto is the same event as a protobuf, which POST /v1/events takes as
// application/x-protobuf: a message Events.
func EventProto() []byte {
	var b strings.Builder
	b.WriteString(`syntax = "proto3";

// The event of POST /v1/events as a protobuf. Numbers are never given to
// another field. Fields mean what they mean in the JSON Schema beside this.
package assay.v1;

import "google/protobuf/timestamp.proto";

message Events {
  repeated Event events = 1;
}

message Event {
`)
	for _, f := range publishedFields() {
		fmt.Fprintf(&b, "  %s %s = %d;%s\n", f.Shape.proto(), f.Name, f.Number, f.note())
	}
	b.WriteString("}\n")
	return []byte(b.String())
}

func (s shape) proto() string {
	switch s {
	case shapeTime:
		return "google.protobuf.Timestamp"
	case shapeCount:
		return "optional int64"
	case shapeMillis:
		return "optional double"
	case shapeYesNo:
		return "optional bool"
	case shapeTexts:
		return "repeated string"
	}
	return "string"
}

func (f published) note() string {
	switch f.Shape {
	case shapeWord:
		return " // " + strings.Join(f.Words, ", ")
	case shapeObject:
		return " // a JSON object"
	case shapeOpinion:
		return " // up, down, or 1 to 5"
	case shapeUUID:
		return " // a UUID; made from the content when absent"
	}
	return ""
}

// broken says what of the fields that were published before is no more as it
// was: what a sender may rely on only ever grows.
func broken(before, now []published) []string {
	byName := map[string]published{}
	byNumber := map[int]string{}
	for _, f := range now {
		byName[f.Name] = f
		byNumber[f.Number] = f.Name
	}
	var wrong []string
	for _, was := range before {
		is, ok := byName[was.Name]
		switch {
		case !ok:
			wrong = append(wrong, was.Name+" is gone")
			continue
		case is.Number != was.Number:
			wrong = append(wrong, fmt.Sprintf("%s has number %d, and had %d", was.Name, is.Number, was.Number))
		case is.Shape != was.Shape:
			wrong = append(wrong, fmt.Sprintf("%s is %s, and was %s", was.Name, is.Shape, was.Shape))
		}
		for _, word := range was.Words {
			if !slices.Contains(is.Words, word) {
				wrong = append(wrong, was.Name+" no longer takes "+word)
			}
		}
	}
	return wrong
}
