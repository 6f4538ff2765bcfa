package telemetry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"assay/internal/fault"
)

// maxEvents bounds one request. Clients send 50 to 500.
const maxEvents = 20_000

// Rejection is one event that was refused, by its place in the request, with
// the reason in words that hold nothing of the event itself.
type Rejection struct {
	Index int    `json:"index"`
	Error string `json:"error"`
}

// rejected keeps, beside the answer to the client, what the dead letters need.
type rejected struct {
	Rejection
	raw []byte
}

// split finds the events of a body in any of its shapes: one object, an
// array, {"events":[…]}, or JSON Lines. A body that is none of these is
// refused whole; what is wrong inside one event is found by decode.
func split(body []byte) ([]jsontext.Value, error) {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")))
	if len(body) == 0 {
		return nil, fault.Say(fault.Invalid, "The body is empty: send one event, a list, {\"events\":[…]} or JSON Lines.")
	}
	var events []jsontext.Value
	var err error
	switch {
	case body[0] == '[':
		events, err = members(body)
	case looksLikeLines(body):
		events = lines(body)
	default:
		events, err = envelope(body)
	}
	if err != nil {
		return nil, err
	}
	if len(events) > maxEvents {
		return nil, fault.Say(fault.Invalid, "The body holds more than %d events: send smaller batches.", maxEvents)
	}
	return events, nil
}

// looksLikeLines reports whether the first line is a whole value with more
// after it, or is broken while a later line is not: then each line is judged
// by itself.
func looksLikeLines(body []byte) bool {
	first, rest, more := bytes.Cut(body, []byte("\n"))
	if !more {
		return false
	}
	if jsontext.Value(first).IsValid(lenient...) {
		return true
	}
	if jsontext.Value(body).IsValid(lenient...) {
		return false
	}
	for line := range bytes.Lines(rest) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] == '{' && jsontext.Value(line).IsValid(lenient...) {
			return true
		}
	}
	return false
}

// lenient lets a body through to the point where single events are judged.
var lenient = []jsontext.Options{jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)}

func lines(body []byte) []jsontext.Value {
	var list []jsontext.Value
	for line := range bytes.Lines(body) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			list = append(list, line)
		}
	}
	return list
}

func members(array []byte) ([]jsontext.Value, error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(array), lenient...)
	d.ReadToken()
	list, err := readMembers(d)
	if err != nil {
		return nil, notJSON(d)
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return nil, notJSON(d)
	}
	return list, nil
}

// readMembers reads up to and with the closing bracket. The values stay valid
// since the decoder reads from memory and moves nothing.
func readMembers(d *jsontext.Decoder) ([]jsontext.Value, error) {
	var list []jsontext.Value
	for d.PeekKind() != ']' {
		v, err := d.ReadValue()
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := d.ReadToken()
	return list, err
}

// envelope takes one object: an event, or {"events":[…]}.
func envelope(body []byte) ([]jsontext.Value, error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(body), lenient...)
	if d.PeekKind() != '{' {
		return nil, notJSON(d)
	}
	d.ReadToken()
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, notJSON(d)
		}
		if name.String() == "events" && d.PeekKind() == '[' {
			d.ReadToken()
			list, err := readMembers(d)
			if err != nil || d.SkipValue() == nil {
				return nil, notJSON(d)
			}
			return list, nil
		}
		if err := d.SkipValue(); err != nil {
			return nil, notJSON(d)
		}
	}
	if !jsontext.Value(body).IsValid(lenient...) {
		return nil, notJSON(d)
	}
	return []jsontext.Value{body}, nil
}

func notJSON(d *jsontext.Decoder) error {
	return fault.Say(fault.Invalid, "The body is not JSON as of byte %d: send one event, a list, {\"events\":[…]} or JSON Lines.", d.InputOffset())
}

var nothing = bytes.NewBuffer(nil)

var decoders = sync.Pool{New: func() any { return jsontext.NewDecoder(bytes.NewBuffer(nil)) }}

// decode reads one event. The error says what is wrong in words fit for the
// sender, and never repeats what was sent.
func decode(raw jsontext.Value) (*row, error) {
	if len(raw) > maxEvent {
		return nil, fmt.Errorf("the event is larger than %d bytes", maxEvent)
	}
	r := &row{}
	extra, err := readFields(r, raw, fieldByName, synonyms)
	if err != nil {
		return nil, err
	}
	if err := r.keepAttributes(extra); err != nil {
		return nil, err
	}
	if err := r.complete(raw); err != nil {
		return nil, err
	}
	return r, nil
}

// member is a field the event has and the product does not know.
type member struct {
	name  string
	value jsontext.Value
}

// readFields fills the row from an object's members and returns those it has
// no field for.
func readFields(r *row, raw jsontext.Value, byName map[string]*field, synonyms map[string]string) ([]member, error) {
	d := decoders.Get().(*jsontext.Decoder)
	d.Reset(bytes.NewBuffer(raw))
	defer func() {
		d.Reset(nothing) // an idle decoder must not hold on to a body
		decoders.Put(d)
	}()
	if d.PeekKind() != '{' {
		if _, err := d.ReadToken(); err != nil {
			return nil, reasonOf(err)
		}
		return nil, errors.New("an event must be an object")
	}
	d.ReadToken()
	var extra, said []member
	var seen fieldSet
	for d.PeekKind() != '}' {
		quoted, err := d.ReadValue()
		if err != nil {
			return nil, reasonOf(err)
		}
		name, err := readString(quoted)
		if err != nil {
			return nil, reasonOf(err)
		}
		value, err := d.ReadValue()
		if err != nil {
			return nil, reasonOf(err)
		}
		if value.Kind() == 'n' {
			continue
		}
		if f := byName[name]; f != nil {
			if err := f.read(r, value); err != nil {
				return nil, fmt.Errorf("%s %w", f.name, err)
			}
			seen.add(f)
			continue
		}
		if _, ok := synonyms[name]; ok {
			said = append(said, member{name, value.Clone()})
			continue
		}
		extra = append(extra, member{name, value.Clone()})
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, reasonOf(err)
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return nil, errors.New("there is more after the event")
	}
	for _, m := range said {
		f := byName[synonyms[m.name]]
		if seen.has(f) {
			extra = append(extra, m)
			continue
		}
		if err := f.read(r, m.value); err != nil {
			return nil, fmt.Errorf("%s %w", m.name, err)
		}
	}
	return extra, nil
}

// fieldSet says which fields of a table were seen.
type fieldSet [2]uint64

func (s *fieldSet) add(f *field)      { s[f.place/64] |= 1 << (f.place % 64) }
func (s *fieldSet) has(f *field) bool { return s[f.place/64]&(1<<(f.place%64)) != 0 }

func reasonOf(err error) error {
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return errors.New("the event names one field twice")
	case strings.Contains(err.Error(), "UTF-8"):
		return errors.New("the event is not valid UTF-8")
	default:
		return errors.New("the event is not JSON")
	}
}

// keepAttributes joins the event's own attributes with the fields that have
// no column. Where both name the same thing, the attribute stands.
func (r *row) keepAttributes(extra []member) error {
	var own []member
	rest := extra[:0:0]
	for _, m := range extra {
		switch m.name {
		case "attributes":
			if m.value.Kind() != '{' {
				return errors.New("attributes must be an object")
			}
			own = unfold(m.value)
		default:
			rest = append(rest, m)
		}
	}
	for _, m := range rest {
		if !slices.ContainsFunc(own, func(o member) bool { return o.name == m.name }) {
			own = append(own, m)
		}
	}
	own = slices.DeleteFunc(own, func(m member) bool { return r.isPerson(m) })
	if len(own) == 0 {
		r.Attributes = nil
		return nil
	}
	b := []byte{'{'}
	for i, m := range own {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendText(b, m.name), ':')
		b = append(b, correctTypo(m)...)
	}
	r.Attributes = append(b, '}')
	if len(r.Attributes) > maxAttributes {
		return fmt.Errorf("attributes are larger than %d bytes", maxAttributes)
	}
	return nil
}

func unfold(object jsontext.Value) []member {
	d := jsontext.NewDecoder(bytes.NewBuffer(object))
	d.ReadToken()
	var list []member
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return list
		}
		text := name.String()
		value, err := d.ReadValue()
		if err != nil {
			return list
		}
		list = append(list, member{text, value.Clone()})
	}
	return list
}

// isPerson takes an unhashed user id out of the attributes. A client should
// have removed it (A3.4); it is hashed by the product and never stored.
func (r *row) isPerson(m member) bool {
	switch m.name {
	case "user_id", "userId", "user.id", "enduser.id":
	default:
		return false
	}
	if m.value.Kind() == '"' {
		r.rawUser, _ = readString(m.value)
	} else {
		r.rawUser = string(m.value)
	}
	return true
}

// correctTypo reads the sources' "escaltate" as the word they meant.
func correctTypo(m member) jsontext.Value {
	if m.name != "policy.decisions" && m.name != "policy_decisions" {
		return m.value
	}
	return bytes.ReplaceAll(m.value, []byte(`"escaltate"`), []byte(`"escalate"`))
}

// complete checks what several fields say together and makes the identity
// where the sender gave none.
func (r *row) complete(raw jsontext.Value) error {
	r.nameless = r.SessionID == ""
	if r.EventType == "" {
		return errors.New("event_type is missing: must be one of " + join(EventTypes))
	}
	if r.EventType == TypeGateTrace {
		if err := r.completeTrace(); err != nil {
			return err
		}
	}
	if r.EventTime.IsZero() && r.EventType != TypeGateTrace {
		return errors.New("event_time is missing")
	}
	if r.EventID == uuid.Nil {
		r.EventID = identity(raw)
	}
	for _, fallback := range []string{r.TraceID, r.RequestID, r.EventID.String()} {
		if r.SessionID == "" {
			r.SessionID = fallback
		}
	}
	return nil
}

var stages = []string{"passed", "claim_generation", "evidence_admission", "serving_gate"}

// completeTrace holds a gate trace to A1.9: it decides whether a page goes
// out, so a field it lacks is a refusal and not a guess. It carries no text.
func (r *row) completeTrace() error {
	switch {
	case r.RequestID == "":
		return errors.New("request_id is missing: a gate_trace needs one")
	case r.Route == "":
		return errors.New("route is missing: a gate_trace needs serve, shorten or abstain")
	case r.UnsafeClaimServed == nil:
		return errors.New("unsafe_claim_served is missing: a gate_trace needs true or false")
	case !slices.Contains(stages, r.FirstFailedStage):
		return errors.New("first_failed_stage must be one of " + join(stages))
	}
	if r.SessionID == "" {
		r.SessionID = r.RequestID
	}
	r.dropText()
	return nil
}

func (r *row) dropText() {
	r.Prompt, r.Response, r.Context, r.Correction, r.ErrorMessage, r.Artifact = "", "", nil, "", "", nil
}

// identitySpace is the namespace of ids made from content.
var identitySpace = uuid.MustParse("6f1d8a3e-5a0b-5c5e-9d55-6b2f0c1e7a49")

// identity makes the id of an event that came without one from what was sent,
// in RFC 8785's canonical form: sent again, in whatever order of fields, it
// is the same event. The time of receipt is not part of it.
func identity(raw jsontext.Value) uuid.UUID {
	canonical := raw.Clone()
	if err := canonical.Canonicalize(); err != nil {
		canonical = raw
	}
	return uuid.NewSHA1(identitySpace, canonical)
}

// appendRow writes the row as one line of JSON: as dead letters keep it, and as
// the inbox of earlier versions did.
func appendRow(b []byte, r *row) []byte {
	b = append(b, '{')
	for _, fields := range [][]field{eventFields, stampFields} {
		for i := range fields {
			f := &fields[i]
			start := len(b)
			b = append(b, '"')
			b = append(b, f.name...)
			b = append(b, '"', ':')
			said := len(b)
			if b = f.write(b, r); len(b) == said {
				b = b[:start]
				continue
			}
			b = append(b, ',')
		}
	}
	if len(r.Attributes) > 0 {
		b = append(b, `"attributes":`...)
		b = append(b, r.Attributes...)
		b = append(b, ',')
	}
	b[len(b)-1] = '}'
	return append(b, '\n')
}

var storedByName = index(slices.Concat(eventFields, stampFields, []field{{
	name: "attributes",
	read: func(r *row, v jsontext.Value) error {
		r.Attributes = json.RawMessage(v.Clone())
		return nil
	},
}}))

// readLines reads rows written by appendRow. unread is told of each line that is
// none, and may end it.
func readLines(lines []byte, unread func(line []byte, err error) error) ([]*row, error) {
	var rows []*row
	for line := range bytes.Lines(lines) {
		r, err := readRow(bytes.TrimSpace(line))
		if err == nil {
			rows = append(rows, r)
		} else if err := unread(line, err); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// readRow reads a line of appendRow.
func readRow(line jsontext.Value) (*row, error) {
	r := &row{}
	extra, err := readFields(r, line, storedByName, nil)
	if err != nil {
		return nil, err
	}
	if len(extra) > 0 {
		return nil, fmt.Errorf("the stored event has a field %q this version does not know", extra[0].name)
	}
	return r, nil
}
