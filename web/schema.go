package web

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"assay/labeling"
)

// schemaOf is the JSON schema of what encoding/json writes for a type: every
// field is named, and required unless it may be left out. A test holds it
// against what the handlers really answer.
func schemaOf(t reflect.Type) object {
	if known, found := namedSchemas[t]; found {
		return known
	}
	switch t.Kind() {
	case reflect.Pointer:
		return object{"anyOf": []object{schemaOf(t.Elem()), {"type": "null"}}}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return object{"type": "integer"}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Slice:
		return object{"type": "array", "items": schemaOf(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": schemaOf(t.Elem())}
	case reflect.Struct:
		return structSchema(t)
	}
	panic("no schema of " + t.String()) // a wiring mistake: the document is made at start
}

var namedSchemas = map[reflect.Type]object{
	reflect.TypeFor[time.Time]():              {"type": "string", "format": "date-time"},
	reflect.TypeFor[uuid.UUID]():              {"type": "string", "format": "uuid"},
	reflect.TypeFor[json.RawMessage]():        {},
	reflect.TypeFor[labeling.PriorityClass](): {"enum": labeling.Classes},
}

func structSchema(t reflect.Type) object {
	properties, required := object{}, []string{}
	for _, field := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.Anonymous || name == "-" || !field.IsExported() {
			continue
		}
		properties[name] = schemaOf(field.Type)
		if !strings.Contains(options, "omit") {
			required = append(required, name)
		}
	}
	slices.Sort(required)
	return object{"type": "object", "additionalProperties": false, "required": required, "properties": properties}
}
