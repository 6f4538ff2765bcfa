package telemetry

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"assay/internal/fault"
)

// The JSON form of OTLP is not the JSON of its protobuf: ids are hex, and
// 64-bit numbers come as text or as numbers.

var errSpanJSON = errors.New("the span is not as OTLP/JSON has it")

func notOTLP(d *jsontext.Decoder) error {
	return fault.Say(fault.Invalid, "The body is not an OTLP export in JSON as of byte %d.", d.InputOffset())
}

func jsonDecoder(raw []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewBuffer(raw), lenient...)
}

// jsonItems walks the three levels of an export: by program, by scope, by item.
func jsonItems(body []byte, groups, scopes, items string, read func([]byte, origin, *budget) found) ([]found, error) {
	b := &budget{total: maxTotalValues}
	var list []found
	d := jsonDecoder(body)
	err := jsonList(d, groups, b, func(group []byte) error {
		if err := b.spendGroup(); err != nil {
			return err
		}
		var from origin
		if err := jsonResource(group, &from, b); err != nil {
			return err
		}
		return jsonList(jsonDecoder(group), scopes, b, func(scope []byte) error {
			if err := b.spendGroup(); err != nil {
				return err
			}
			from := from
			if err := jsonScope(scope, &from); err != nil {
				return err
			}
			return jsonList(jsonDecoder(scope), items, b, func(item []byte) error {
				if len(list) == maxEvents {
					return errTooMany
				}
				one := readItem(item, from, b, read)
				list = append(list, one)
				return fatalOnly(one.err)
			})
		})
	})
	switch {
	case fatal(err):
		return nil, err
	case err != nil:
		return nil, notOTLP(d)
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return nil, notOTLP(d)
	}
	return list, nil
}

// jsonList calls each for the members of the list of that name in the object
// d stands before. A name that is not there, or null, is an empty list.
func jsonList(d *jsontext.Decoder, name string, b *budget, each func([]byte) error) error {
	return jsonMembers(d, func(member string) error {
		if member != name {
			return d.SkipValue()
		}
		b.fresh()
		return jsonElements(d, b, func() error {
			v, err := d.ReadValue()
			if err != nil {
				return errSpanJSON
			}
			defer b.fresh()
			return each(v)
		})
	})
}

// jsonMembers calls each with the name of every member; each reads its value.
func jsonMembers(d *jsontext.Decoder, each func(name string) error) error {
	if d.PeekKind() == 'n' {
		return d.SkipValue()
	}
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return errSpanJSON
	}
	for d.PeekKind() != '}' {
		t, err := d.ReadToken()
		if err != nil {
			return errSpanJSON
		}
		if err := each(t.String()); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

// jsonElements calls each before every member of the list d stands before.
func jsonElements(d *jsontext.Decoder, b *budget, each func() error) error {
	if d.PeekKind() == 'n' {
		return d.SkipValue()
	}
	if t, err := d.ReadToken(); err != nil || t.Kind() != '[' {
		return errSpanJSON
	}
	for d.PeekKind() != ']' {
		if err := b.spend(); err != nil {
			return err
		}
		if err := each(); err != nil {
			return err
		}
	}
	_, err := d.ReadToken()
	return err
}

func jsonResource(group []byte, from *origin, b *budget) error {
	b.fresh()
	d := jsonDecoder(group)
	return jsonMembers(d, func(name string) error {
		if name != "resource" {
			return d.SkipValue()
		}
		return jsonMembers(d, func(name string) error {
			if name != "attributes" {
				return d.SkipValue()
			}
			return jsonAttrs(d, &from.attrs, b, 0)
		})
	})
}

func jsonScope(scope []byte, from *origin) error {
	d := jsonDecoder(scope)
	return jsonMembers(d, func(name string) error {
		if name != "scope" {
			return d.SkipValue()
		}
		return jsonMembers(d, func(name string) error {
			if name != "name" {
				return d.SkipValue()
			}
			return jsonText(d, &from.scope)
		})
	})
}

func jsonSpan(raw []byte, from origin, b *budget) found {
	s := &otelSpan{origin: from}
	d := jsonDecoder(raw)
	err := jsonMembers(d, func(name string) error {
		switch name {
		case "traceId":
			return jsonID(d, &s.traceID)
		case "spanId":
			return jsonID(d, &s.spanID)
		case "parentSpanId":
			return jsonID(d, &s.parentID)
		case "name":
			return jsonText(d, &s.name)
		case "kind":
			return jsonEnum(d, &s.kind, spanKinds)
		case "startTimeUnixNano":
			return jsonNanos(d, &s.start)
		case "endTimeUnixNano":
			return jsonNanos(d, &s.end)
		case "attributes":
			return jsonAttrs(d, &s.attrs, b, 0)
		case "events":
			return jsonElements(d, b, func() error { return jsonEvent(d, s, b) })
		case "status":
			return jsonStatus(d, s)
		}
		return d.SkipValue()
	})
	return found{span: s, err: itemError(err)}
}

// itemError keeps the words that are ours.
func itemError(err error) error {
	if err == nil || fatal(err) || errors.Is(err, errValues) || errors.Is(err, errDepth) {
		return err
	}
	return errSpanJSON
}

var (
	spanKinds = map[string]int64{
		"SPAN_KIND_UNSPECIFIED": 0, "SPAN_KIND_INTERNAL": 1, "SPAN_KIND_SERVER": 2,
		"SPAN_KIND_CLIENT": 3, "SPAN_KIND_PRODUCER": 4, "SPAN_KIND_CONSUMER": 5,
	}
	statusCodes = map[string]int64{"STATUS_CODE_UNSET": 0, "STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}
)

func jsonEvent(d *jsontext.Decoder, s *otelSpan, b *budget) error {
	var e spanEvent
	err := jsonMembers(d, func(name string) error {
		switch name {
		case "timeUnixNano":
			return jsonNanos(d, &e.at)
		case "name":
			return jsonText(d, &e.name)
		case "attributes":
			return jsonAttrs(d, &e.attrs, b, 0)
		}
		return d.SkipValue()
	})
	s.events = append(s.events, e)
	return err
}

func jsonStatus(d *jsontext.Decoder, s *otelSpan) error {
	return jsonMembers(d, func(name string) error {
		switch name {
		case "message":
			return jsonText(d, &s.message)
		case "code":
			var code int64
			err := jsonEnum(d, &code, statusCodes)
			s.failed = code == 2
			return err
		}
		return d.SkipValue()
	})
}

func jsonRecord(raw []byte, from origin, b *budget) found {
	r := &otelRecord{origin: from}
	var observed uint64
	d := jsonDecoder(raw)
	err := jsonMembers(d, func(name string) (err error) {
		switch name {
		case "traceId":
			return jsonID(d, &r.traceID)
		case "spanId":
			return jsonID(d, &r.spanID)
		case "eventName":
			return jsonText(d, &r.name)
		case "timeUnixNano":
			return jsonNanos(d, &r.at)
		case "observedTimeUnixNano":
			return jsonNanos(d, &observed)
		case "severityNumber":
			return jsonEnum(d, &r.severity, nil)
		case "body":
			r.body, err = jsonValue(d, b, 0)
			return err
		case "attributes":
			return jsonAttrs(d, &r.attrs, b, 0)
		}
		return d.SkipValue()
	})
	if r.at == 0 {
		r.at = observed
	}
	return found{record: r, err: itemError(err)}
}

func jsonAttrs(d *jsontext.Decoder, into *attrs, b *budget, depth int) error {
	return jsonElements(d, b, func() error {
		var a attr
		err := jsonMembers(d, func(name string) (err error) {
			switch name {
			case "key":
				return jsonText(d, &a.key)
			case "value":
				a.value, err = jsonValue(d, b, depth+1)
				return err
			}
			return d.SkipValue()
		})
		*into = append(*into, a)
		return err
	})
}

func jsonValue(d *jsontext.Decoder, b *budget, depth int) (value any, err error) {
	if depth > maxDepth {
		return nil, errDepth
	}
	err = jsonMembers(d, func(name string) (err error) {
		switch name {
		case "stringValue", "bytesValue":
			var s string
			err = jsonText(d, &s)
			value = s
		case "boolValue":
			var t jsontext.Token
			if t, err = d.ReadToken(); err == nil && t.Kind() != 't' && t.Kind() != 'f' {
				return errSpanJSON
			}
			value = t.Kind() == 't'
		case "intValue":
			value, err = jsonInt(d)
		case "doubleValue":
			value, err = jsonDouble(d)
		case "arrayValue":
			value, err = jsonArray(d, b, depth)
		case "kvlistValue":
			value, err = jsonMap(d, b, depth)
		default:
			return d.SkipValue()
		}
		return err
	})
	return value, err
}

func jsonArray(d *jsontext.Decoder, b *budget, depth int) ([]any, error) {
	list := []any{}
	err := jsonMembers(d, func(name string) error {
		if name != "values" {
			return d.SkipValue()
		}
		return jsonElements(d, b, func() error {
			v, err := jsonValue(d, b, depth+1)
			list = append(list, v)
			return err
		})
	})
	return list, err
}

func jsonMap(d *jsontext.Decoder, b *budget, depth int) (attrs, error) {
	members := attrs{}
	err := jsonMembers(d, func(name string) error {
		if name != "values" {
			return d.SkipValue()
		}
		return jsonAttrs(d, &members, b, depth)
	})
	return members, err
}

// jsonScalar reads a text, a number or null.
func jsonScalar(d *jsontext.Decoder) (s string, kind jsontext.Kind, err error) {
	t, err := d.ReadToken()
	if err != nil {
		return "", 0, err
	}
	switch kind = t.Kind(); kind {
	case '"', '0':
		return clean(t.String()), kind, nil
	case 'n':
		return "", kind, nil
	}
	return "", kind, errSpanJSON
}

func jsonText(d *jsontext.Decoder, into *string) error {
	s, kind, err := jsonScalar(d)
	if err == nil && kind == '0' {
		return errSpanJSON
	}
	*into = s
	return err
}

func jsonID(d *jsontext.Decoder, into *string) error {
	err := jsonText(d, into)
	*into = strings.ToLower(*into)
	return err
}

func jsonNanos(d *jsontext.Decoder, into *uint64) error {
	s, kind, err := jsonScalar(d)
	if err != nil || kind == 'n' || s == "" {
		return err
	}
	if *into, err = strconv.ParseUint(s, 10, 64); err != nil {
		f, err := strconv.ParseFloat(s, 64) // 1.795e18, as some encoders write it
		if err != nil || f < 0 || f >= 1<<63 {
			return errSpanJSON
		}
		*into = uint64(f)
	}
	return nil
}

func jsonInt(d *jsontext.Decoder) (int64, error) {
	s, _, err := jsonScalar(d)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || f != math.Trunc(f) || math.Abs(f) >= 1<<63 {
			return 0, errSpanJSON
		}
		n = int64(f)
	}
	return n, nil
}

// jsonDouble takes the words that JSON has no number for, as protobuf's JSON
// writes them.
func jsonDouble(d *jsontext.Decoder) (float64, error) {
	s, _, err := jsonScalar(d)
	if err != nil {
		return 0, err
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, errSpanJSON
	}
	return f, nil
}

// jsonEnum takes the number that OTLP/JSON asks for, and the name where it is
// one of those known.
func jsonEnum(d *jsontext.Decoder, into *int64, names map[string]int64) error {
	s, kind, err := jsonScalar(d)
	if err != nil || kind == 'n' {
		return err
	}
	if kind == '"' {
		*into = names[s]
		return nil
	}
	if *into, err = strconv.ParseInt(s, 10, 32); err != nil {
		return errSpanJSON
	}
	return nil
}
