package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"google.golang.org/protobuf/encoding/protowire"

	"assay/internal/auth"
	"assay/internal/fault"
)

var (
	errProto      = fault.Say(fault.Invalid, "The body is not a protobuf of Events: see /v1/schemas/event.proto.")
	errProtoEvent = errors.New("the event is not a protobuf of Event")
)

// IngestProto takes a protobuf of Events (event.proto). Everything else is as
// with Ingest.
func (s *Store) IngestProto(ctx context.Context, actor auth.Actor, body []byte) (Receipt, error) {
	return s.ingest(ctx, actor, func() ([]jsontext.Value, error) { return readProto(body) })
}

// readProto turns every Event into the JSON that the same event would have
// been, so that it goes through the same checks. One that cannot be read
// stands as what no event is, and is refused alone.
func readProto(body []byte) ([]jsontext.Value, error) {
	var events []jsontext.Value
	for len(body) > 0 {
		number, kind, n := protowire.ConsumeTag(body)
		if n < 0 {
			return nil, errProto
		}
		body = body[n:]
		if number != 1 || kind != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(number, kind, body); n < 0 {
				return nil, errProto
			}
			body = body[n:]
			continue
		}
		one, n := protowire.ConsumeBytes(body)
		if n < 0 {
			return nil, errProto
		}
		body = body[n:]
		if len(events) == maxEvents {
			return nil, fault.Say(fault.Invalid, "The body holds more than %d events: send smaller batches.", maxEvents)
		}
		event, err := protoEvent(one)
		if err != nil {
			event = jsontext.Value("null")
		}
		events = append(events, event)
	}
	if len(events) == 0 {
		return nil, fault.Say(fault.Invalid, "The body holds no event: send a protobuf of Events.")
	}
	return events, nil
}

var protoFields = sync.OnceValue(publishedFields)

// protoEvent writes one Event as JSON. Of a field that stands twice the last
// counts, as protobuf has it. Unknown numbers are let go: a newer sender says
// more than this version knows.
func protoEvent(wire []byte) (jsontext.Value, error) {
	fields := protoFields()
	said := make([][]byte, len(fields))
	var texts []string
	for len(wire) > 0 {
		number, kind, n := protowire.ConsumeTag(wire)
		if n < 0 {
			return nil, errProtoEvent
		}
		wire = wire[n:]
		size := protowire.ConsumeFieldValue(number, kind, wire)
		if size < 0 {
			return nil, errProtoEvent
		}
		place := int(number) - 1
		if number == attributesNumber {
			place = len(fields) - 1
		}
		if place < len(fields) && fields[place].Number == int(number) {
			f := fields[place]
			value, err := f.protoValue(kind, wire[:size])
			if err != nil {
				return nil, err
			}
			if said[place] = value; f.Shape == shapeTexts {
				text, _ := protowire.ConsumeString(wire[:size])
				texts = append(texts, text)
				said[place], _ = json.Marshal(texts)
			}
		}
		wire = wire[size:]
	}
	e := &draft{}
	for i, value := range said {
		if value != nil {
			e.raw(fields[i].Name, value)
		}
	}
	if len(e.b) == 0 {
		return jsontext.Value("{}"), nil
	}
	return append(e.b, '}'), nil
}

// protoValue writes one value as JSON, nil where it says nothing.
func (f published) protoValue(kind protowire.Type, wire []byte) ([]byte, error) {
	switch f.Shape {
	case shapeCount:
		if kind != protowire.VarintType {
			return nil, errProtoEvent
		}
		v, _ := protowire.ConsumeVarint(wire)
		return strconv.AppendInt(nil, int64(v), 10), nil
	case shapeMillis:
		if kind != protowire.Fixed64Type {
			return nil, errProtoEvent
		}
		v, _ := protowire.ConsumeFixed64(wire)
		number, err := json.Marshal(math.Float64frombits(v))
		if err != nil {
			return nil, errProtoEvent
		}
		return number, nil
	case shapeYesNo:
		if kind != protowire.VarintType {
			return nil, errProtoEvent
		}
		v, _ := protowire.ConsumeVarint(wire)
		return strconv.AppendBool(nil, v != 0), nil
	}
	if kind != protowire.BytesType {
		return nil, errProtoEvent
	}
	inner, _ := protowire.ConsumeBytes(wire)
	switch {
	case f.Shape == shapeTime:
		return protoTime(inner)
	case len(inner) == 0:
		return nil, nil
	case f.Shape == shapeObject:
		if !jsontext.Value(inner).IsValid() {
			return nil, errProtoEvent
		}
		return inner, nil
	}
	return appendText(nil, string(inner)), nil
}

// protoTime reads a google.protobuf.Timestamp.
func protoTime(wire []byte) ([]byte, error) {
	var seconds, nanos int64
	for len(wire) > 0 {
		number, kind, n := protowire.ConsumeTag(wire)
		if n < 0 {
			return nil, errProtoEvent
		}
		wire = wire[n:]
		size := protowire.ConsumeFieldValue(number, kind, wire)
		if size < 0 {
			return nil, errProtoEvent
		}
		if kind == protowire.VarintType {
			v, _ := protowire.ConsumeVarint(wire)
			switch number {
			case 1:
				seconds = int64(v)
			case 2:
				nanos = int64(v)
			}
		}
		wire = wire[size:]
	}
	at := time.Unix(seconds, nanos).UTC()
	if seconds == 0 && nanos == 0 {
		return nil, nil
	}
	if seconds < firstTime.Unix() || seconds >= lastTime.Unix() || nanos < 0 || nanos >= 1e9 {
		return []byte(`"out of range"`), nil
	}
	return appendTime(nil, at), nil
}
