package telemetry

import (
	"encoding/base64"
	"encoding/hex"
	"math"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"assay/internal/fault"
)

// The protobuf form of OTLP is read field by field rather than into the
// generated types: two bytes of an empty message would become a hundred, and
// one bad span would cost the whole request.

var errWire = fault.Say(fault.Invalid, "The body is not an OTLP export in protobuf.")

// wireField is one field of a message: bytes for a message or text, number
// for the rest.
type wireField struct {
	num    protowire.Number
	typ    protowire.Type
	bytes  []byte
	number uint64
}

// wireFields calls each for every field. A field that ends too late or is a
// group (nothing of OTLP is) makes the message a damaged one.
func wireFields(b []byte, each func(wireField) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return errSpanWire
		}
		b = b[n:]
		f := wireField{num: num, typ: typ}
		switch typ {
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(b)
		case protowire.VarintType:
			f.number, n = protowire.ConsumeVarint(b)
		case protowire.Fixed64Type:
			f.number, n = protowire.ConsumeFixed64(b)
		case protowire.Fixed32Type:
			var short uint32
			short, n = protowire.ConsumeFixed32(b)
			f.number = uint64(short)
		default:
			return errSpanWire
		}
		if n < 0 {
			return errSpanWire
		}
		b = b[n:]
		if err := each(f); err != nil {
			return err
		}
	}
	return nil
}

func (f wireField) is(num protowire.Number, typ protowire.Type) bool {
	return f.num == num && f.typ == typ
}

func (f wireField) text() string { return clean(string(f.bytes)) }

// clean makes valid UTF-8: a name with a broken character is still a name.
func clean(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// wireItems walks the three levels of an export (by program, by scope, by
// item), which traces and logs number alike.
func wireItems(body []byte, read func([]byte, origin, *budget) found) ([]found, error) {
	b := &budget{total: maxTotalValues}
	var items []found
	err := wireFields(body, func(group wireField) error {
		if !group.is(1, protowire.BytesType) {
			return nil
		}
		from, err := wireOrigin(group.bytes, b)
		if err != nil {
			return err
		}
		return wireFields(group.bytes, func(scope wireField) error {
			if !scope.is(2, protowire.BytesType) {
				return nil
			}
			return wireScope(scope.bytes, from, b, func(item []byte, from origin) error {
				if len(items) == maxEvents {
					return errTooMany
				}
				one := readItem(item, from, b, read)
				items = append(items, one)
				return fatalOnly(one.err)
			})
		})
	})
	if err != nil {
		return nil, wholeFault(err)
	}
	return items, nil
}

func readItem(item []byte, from origin, b *budget, read func([]byte, origin, *budget) found) found {
	if len(item) > maxSpan {
		return found{err: errSpanSize}
	}
	b.fresh()
	if err := b.spend(); err != nil {
		return found{err: err}
	}
	return read(item, from, b)
}

func fatalOnly(err error) error {
	if fatal(err) {
		return err
	}
	return nil
}

// wholeFault is what is wrong with a request as a whole.
func wholeFault(err error) error {
	if fatal(err) {
		return err
	}
	return errWire
}

// wireOrigin finds the resource of a group, wherever it stands in it.
func wireOrigin(group []byte, b *budget) (from origin, err error) {
	if err := b.spendGroup(); err != nil {
		return from, err
	}
	err = wireFields(group, func(f wireField) error {
		if !f.is(1, protowire.BytesType) {
			return nil
		}
		from.attrs = nil
		return wireFields(f.bytes, func(f wireField) error {
			if !f.is(1, protowire.BytesType) {
				return nil
			}
			return wireAttr(f.bytes, &from.attrs, b, 0)
		})
	})
	return from, err
}

func wireScope(scope []byte, from origin, b *budget, each func([]byte, origin) error) error {
	if err := b.spendGroup(); err != nil {
		return err
	}
	err := wireFields(scope, func(f wireField) error {
		if !f.is(1, protowire.BytesType) {
			return nil
		}
		return wireFields(f.bytes, func(f wireField) error {
			if f.is(1, protowire.BytesType) {
				from.scope = f.text()
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	return wireFields(scope, func(f wireField) error {
		if !f.is(2, protowire.BytesType) {
			return nil
		}
		return each(f.bytes, from)
	})
}

func wireSpan(raw []byte, from origin, b *budget) found {
	s := &otelSpan{origin: from}
	err := wireFields(raw, func(f wireField) error {
		switch {
		case f.is(1, protowire.BytesType):
			s.traceID = hex.EncodeToString(f.bytes)
		case f.is(2, protowire.BytesType):
			s.spanID = hex.EncodeToString(f.bytes)
		case f.is(4, protowire.BytesType):
			s.parentID = hex.EncodeToString(f.bytes)
		case f.is(5, protowire.BytesType):
			s.name = f.text()
		case f.is(6, protowire.VarintType):
			s.kind = int64(int32(f.number))
		case f.is(7, protowire.Fixed64Type):
			s.start = f.number
		case f.is(8, protowire.Fixed64Type):
			s.end = f.number
		case f.is(9, protowire.BytesType):
			return wireAttr(f.bytes, &s.attrs, b, 0)
		case f.is(11, protowire.BytesType):
			return wireEvent(f.bytes, s, b)
		case f.is(15, protowire.BytesType):
			return wireStatus(f.bytes, s)
		}
		return nil
	})
	return found{span: s, err: err}
}

func wireEvent(raw []byte, s *otelSpan, b *budget) error {
	if err := b.spend(); err != nil {
		return err
	}
	var e spanEvent
	err := wireFields(raw, func(f wireField) error {
		switch {
		case f.is(1, protowire.Fixed64Type):
			e.at = f.number
		case f.is(2, protowire.BytesType):
			e.name = f.text()
		case f.is(3, protowire.BytesType):
			return wireAttr(f.bytes, &e.attrs, b, 0)
		}
		return nil
	})
	s.events = append(s.events, e)
	return err
}

func wireStatus(raw []byte, s *otelSpan) error {
	return wireFields(raw, func(f wireField) error {
		switch {
		case f.is(2, protowire.BytesType):
			s.message = f.text()
		case f.is(3, protowire.VarintType):
			s.failed = int32(f.number) == 2
		}
		return nil
	})
}

func wireRecord(raw []byte, from origin, b *budget) found {
	r := &otelRecord{origin: from}
	var observed uint64
	err := wireFields(raw, func(f wireField) (err error) {
		switch {
		case f.is(1, protowire.Fixed64Type):
			r.at = f.number
		case f.is(2, protowire.VarintType):
			r.severity = int64(int32(f.number))
		case f.is(5, protowire.BytesType):
			r.body, err = wireValue(f.bytes, b, 0)
		case f.is(6, protowire.BytesType):
			return wireAttr(f.bytes, &r.attrs, b, 0)
		case f.is(9, protowire.BytesType):
			r.traceID = hex.EncodeToString(f.bytes)
		case f.is(10, protowire.BytesType):
			r.spanID = hex.EncodeToString(f.bytes)
		case f.is(11, protowire.Fixed64Type):
			observed = f.number
		case f.is(12, protowire.BytesType):
			r.name = f.text()
		}
		return err
	})
	if r.at == 0 {
		r.at = observed
	}
	return found{record: r, err: err}
}

func wireAttr(raw []byte, into *attrs, b *budget, depth int) error {
	if err := b.spend(); err != nil {
		return err
	}
	var a attr
	err := wireFields(raw, func(f wireField) (err error) {
		switch {
		case f.is(1, protowire.BytesType):
			a.key = f.text()
		case f.is(2, protowire.BytesType):
			a.value, err = wireValue(f.bytes, b, depth+1)
		}
		return err
	})
	*into = append(*into, a)
	return err
}

func wireValue(raw []byte, b *budget, depth int) (value any, err error) {
	if depth > maxDepth {
		return nil, errDepth
	}
	err = wireFields(raw, func(f wireField) (err error) {
		switch {
		case f.is(1, protowire.BytesType):
			value = f.text()
		case f.is(2, protowire.VarintType):
			value = f.number != 0
		case f.is(3, protowire.VarintType):
			value = int64(f.number)
		case f.is(4, protowire.Fixed64Type):
			value = math.Float64frombits(f.number)
		case f.is(5, protowire.BytesType):
			value, err = wireList(f.bytes, b, depth)
		case f.is(6, protowire.BytesType):
			value, err = wireMap(f.bytes, b, depth)
		case f.is(7, protowire.BytesType):
			value = base64.StdEncoding.EncodeToString(f.bytes)
		}
		return err
	})
	return value, err
}

func wireList(raw []byte, b *budget, depth int) ([]any, error) {
	list := []any{}
	err := wireFields(raw, func(f wireField) error {
		if !f.is(1, protowire.BytesType) {
			return nil
		}
		if err := b.spend(); err != nil {
			return err
		}
		v, err := wireValue(f.bytes, b, depth+1)
		list = append(list, v)
		return err
	})
	return list, err
}

func wireMap(raw []byte, b *budget, depth int) (attrs, error) {
	members := attrs{}
	err := wireFields(raw, func(f wireField) error {
		if !f.is(1, protowire.BytesType) {
			return nil
		}
		return wireAttr(f.bytes, &members, b, depth)
	})
	return members, err
}
