package telemetry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

// Limits of one event. Identifiers beyond theirs are refused; texts are cut,
// since half an answer says more than none.
const (
	maxEvent      = 1 << 20
	maxID         = 256
	maxText       = 256 << 10
	maxArtifact   = 256 << 10
	maxAttributes = 64 << 10
	maxContexts   = 200
)

// field is one field of the event: its name in JSON, how it is read from a
// client's value and how it is written to the inbox. Nothing is written for
// what was not said.
type field struct {
	name  string
	read  func(*row, jsontext.Value) error
	write func([]byte, *row) []byte
	scrub func(*row, func(string) string) // for identifiers: replaces them
	place int                             // in its table
	shape shape                           // as senders see it; those of their own kind: shapeOf
	words []string                        // what a word may be
}

// eventFields are the fields a client may send (interfaces.md lists them).
var eventFields = []field{
	{name: "event_id", read: readEventID, write: func(b []byte, r *row) []byte { return appendText(b, r.EventID.String()) }},
	word("event_type", func(r *row) *EventType { return &r.EventType }, EventTypes...),
	{name: "event_time", read: readEventTime, write: func(b []byte, r *row) []byte { return appendTime(b, r.EventTime) }},
	id("session_id", func(r *row) *string { return &r.SessionID }),
	id("trace_id", func(r *row) *string { return &r.TraceID }),
	id("span_id", func(r *row) *string { return &r.SpanID }),
	id("parent_span_id", func(r *row) *string { return &r.ParentSpanID }),
	id("request_id", func(r *row) *string { return &r.RequestID }),
	id("case_id", func(r *row) *string { return &r.CaseID }),
	id("assistant_id", func(r *row) *string { return &r.AssistantID }),
	id("assistant_version", func(r *row) *string { return &r.AssistantVersion }),
	id("model_version", func(r *row) *string { return &r.ModelVersion }),
	id("model_provider", func(r *row) *string { return &r.ModelProvider }),
	id("prompt_template_id", func(r *row) *string { return &r.PromptTemplateID }),
	optionalID("evidence_version", func(r *row) **string { return &r.EvidenceVersion }),
	id("task_class", func(r *row) *string { return &r.TaskClass }),
	id("env", func(r *row) *string { return &r.Env }),
	{name: "user_id_hash", read: readUserIDHash, write: func(b []byte, r *row) []byte { return appendOptional(b, r.UserIDHash) }},
	id("consent_id", func(r *row) *string { return &r.ConsentID }),
	word("consent", func(r *row) *Consent { return &r.Consent }, ConsentNone, ConsentAggregate, ConsentRedacted, ConsentFull),
	id("device_fingerprint", func(r *row) *string { return &r.DeviceFingerprint }),
	id("device_type", func(r *row) *string { return &r.DeviceType }),
	id("connection_type", func(r *row) *string { return &r.ConnectionType }),
	optionalID("experiment_id", func(r *row) **string { return &r.ExperimentID }),
	optionalID("variant", func(r *row) **string { return &r.Variant }),
	id("outcome", func(r *row) *string { return &r.Outcome }),
	text("prompt", func(r *row) *string { return &r.Prompt }),
	text("response", func(r *row) *string { return &r.Response }),
	{name: "context", read: readContext, write: writeContext},
	{name: "artifact", read: readArtifact, write: func(b []byte, r *row) []byte { return append(b, r.Artifact...) }},
	count("input_tokens", func(r *row) **int64 { return &r.InputTokens }),
	count("cached_input_tokens", func(r *row) **int64 { return &r.CachedInputTokens }),
	count("output_tokens", func(r *row) **int64 { return &r.OutputTokens }),
	count("prompt_tokens", func(r *row) **int64 { return &r.PromptTokens }),
	milliseconds("ttft_ms", func(r *row) **int64 { return &r.TTFTMS }),
	milliseconds("latency_ms", func(r *row) **int64 { return &r.LatencyMS }),
	milliseconds("total_ms", func(r *row) **int64 { return &r.TotalMS }),
	word("route", func(r *row) *string { return &r.Route }, "serve", "shorten", "abstain"),
	id("first_failed_stage", func(r *row) *string { return &r.FirstFailedStage }),
	yesNo("unsafe_claim_served", func(r *row) **bool { return &r.UnsafeClaimServed }),
	word("action_type", func(r *row) *string { return &r.ActionType }, "read", "write", "transform", "send"),
	{name: "impact", read: readImpact, write: func(b []byte, r *row) []byte { return appendCount(b, r.Impact) }},
	{name: "explicit_feedback", read: readFeedback, write: func(b []byte, r *row) []byte { return appendID(b, r.ExplicitFeedback) }},
	id("reason", func(r *row) *string { return &r.Reason }),
	text("correction", func(r *row) *string { return &r.Correction }),
	word("correction_source", func(r *row) *string { return &r.CorrectionSource }, "fix", "edit"),
	milliseconds("correction_delay_ms", func(r *row) **int64 { return &r.CorrectionDelayMS }),
	id("tool_name", func(r *row) *string { return &r.ToolName }),
	id("params_hash", func(r *row) *string { return &r.ParamsHash }),
	id("progress_marker", func(r *row) *string { return &r.ProgressMarker }),
	id("result_status", func(r *row) *string { return &r.ResultStatus }),
	count("retry_count", func(r *row) **int64 { return &r.RetryCount }),
	id("stop_reason", func(r *row) *string { return &r.StopReason }),
	id("error_type", func(r *row) *string { return &r.ErrorType }),
	text("error_message", func(r *row) *string { return &r.ErrorMessage }),
}

// stampFields are what the product adds; a client that sends one of these
// names has sent an attribute.
var stampFields = []field{
	stampTime("server_ingest_time", func(r *row) *time.Time { return &r.Received }),
	stampTime("effective_time", func(r *row) *time.Time { return &r.Effective }),
	stampTime("expires_at", func(r *row) *time.Time { return &r.ExpiresAt }),
	stampTime("text_expires_at", func(r *row) *time.Time { return &r.TextExpiresAt }),
	stampNumber("key_id", func(r *row) *int64 { return &r.KeyID }),
	id("capture", func(r *row) *Capture { return &r.Capture }),
	id("scrub_policy", func(r *row) *string { return &r.ScrubPolicy }),
	id("salt_id", func(r *row) *string { return &r.SaltID }),
	stampShare("keep_u", func(r *row) *float64 { return &r.KeepU }),
	stampShare("keep", func(r *row) *float64 { return &r.Keep }),
	stampShare("keep_flagged", func(r *row) *float64 { return &r.KeepFlagged }),
	stampFlag("text_kept", func(r *row) *bool { return &r.TextKept }),
	stampFlag("quarantined", func(r *row) *bool { return &r.Quarantined }),
	stampNumber("prompt_chars", func(r *row) *int64 { return &r.PromptChars }),
	stampNumber("response_chars", func(r *row) *int64 { return &r.ResponseChars }),
	stampNumber("prompt_sketch", func(r *row) *uint64 { return &r.PromptSketch }),
	id("artifact_kind", func(r *row) *string { return &r.ArtifactKind }),
	stampFlag("artifact_redacted", func(r *row) *bool { return &r.ArtifactRedacted }),
	id("raw_payload_ref", func(r *row) *string { return &r.RawPayloadRef }),
	id("prompt_hash", func(r *row) *string { return &r.PromptHash }),
	id("response_hash", func(r *row) *string { return &r.ResponseHash }),
	stampNumber("capture_rate", func(r *row) *int64 { return &r.CaptureRate }),
}

// synonyms maps what the sources also call a field. A synonym beside its
// field is an attribute.
var synonyms = map[string]string{
	"timestamp":          "event_time",
	"user_feedback":      "explicit_feedback",
	"anonymized_user_id": "user_id_hash",
	"model":              "model_version",
	"response_tokens":    "output_tokens",
	"userConsentId":      "consent_id",
}

var (
	fieldByName = index(eventFields)
	stampByName = index(stampFields)
)

func index(fields []field) map[string]*field {
	byName := make(map[string]*field, len(fields))
	for i := range fields {
		fields[i].place = i
		byName[fields[i].name] = &fields[i]
	}
	return byName
}

// --- kinds of field ---

func id[T ~string](name string, at func(*row) *T) field {
	return field{name: name, shape: shapeID,
		read: func(r *row, v jsontext.Value) error {
			s, err := readID(v)
			*at(r) = T(s)
			return err
		},
		write: func(b []byte, r *row) []byte { return appendID(b, string(*at(r))) },
		scrub: func(r *row, change func(string) string) { *at(r) = T(change(string(*at(r)))) },
	}
}

func optionalID(name string, at func(*row) **string) field {
	return field{name: name, shape: shapeID,
		read: func(r *row, v jsontext.Value) error {
			*at(r) = nil
			s, err := readID(v)
			if s != "" {
				*at(r) = &s
			}
			return err
		},
		write: func(b []byte, r *row) []byte { return appendOptional(b, *at(r)) },
		scrub: func(r *row, change func(string) string) {
			if p := *at(r); p != nil {
				changed := change(*p)
				*at(r) = &changed
			}
		},
	}
}

func word[T ~string](name string, at func(*row) *T, words ...T) field {
	refusal := errors.New("must be one of " + join(words))
	return field{name: name, shape: shapeWord, words: wordList(words),
		read: func(r *row, v jsontext.Value) error {
			if v.Kind() != '"' {
				return refusal
			}
			for _, w := range words {
				if string(v[1:len(v)-1]) == string(w) {
					*at(r) = w
					return nil
				}
			}
			return refusal
		},
		write: func(b []byte, r *row) []byte { return appendID(b, string(*at(r))) },
	}
}

func wordList[T ~string](words []T) []string {
	list := make([]string, len(words))
	for i, w := range words {
		list[i] = string(w)
	}
	return list
}

func text(name string, at func(*row) *string) field {
	return field{name: name, shape: shapeText,
		read: func(r *row, v jsontext.Value) error {
			s, err := readText(v)
			*at(r) = s
			return err
		},
		write: func(b []byte, r *row) []byte { return appendID(b, *at(r)) },
	}
}

func count(name string, at func(*row) **int64) field {
	return field{name: name, shape: shapeCount,
		read: func(r *row, v jsontext.Value) error {
			n, err := readCount(v, false)
			*at(r) = &n
			return err
		},
		write: func(b []byte, r *row) []byte { return appendCount(b, *at(r)) },
	}
}

// milliseconds rounds: clocks of browsers count in fractions.
func milliseconds(name string, at func(*row) **int64) field {
	return field{name: name, shape: shapeMillis,
		read: func(r *row, v jsontext.Value) error {
			n, err := readCount(v, true)
			*at(r) = &n
			return err
		},
		write: func(b []byte, r *row) []byte { return appendCount(b, *at(r)) },
	}
}

func yesNo(name string, at func(*row) **bool) field {
	return field{name: name, shape: shapeYesNo,
		read: func(r *row, v jsontext.Value) error {
			yes := v.Kind() == 't'
			if !yes && v.Kind() != 'f' {
				return errors.New("must be true or false")
			}
			*at(r) = &yes
			return nil
		},
		write: func(b []byte, r *row) []byte {
			if p := *at(r); p != nil {
				b = strconv.AppendBool(b, *p)
			}
			return b
		},
	}
}

func stampTime(name string, at func(*row) *time.Time) field {
	return field{name: name,
		read: func(r *row, v jsontext.Value) (err error) {
			*at(r), err = readTime(v)
			return err
		},
		write: func(b []byte, r *row) []byte { return appendTime(b, *at(r)) },
	}
}

func stampNumber[T int64 | uint64](name string, at func(*row) *T) field {
	return field{name: name,
		read: func(r *row, v jsontext.Value) error { return json.Unmarshal(v, at(r)) },
		write: func(b []byte, r *row) []byte {
			if n := *at(r); n != 0 {
				b = fmt.Append(b, n)
			}
			return b
		},
	}
}

func stampShare(name string, at func(*row) *float64) field {
	return field{name: name,
		read:  func(r *row, v jsontext.Value) error { return json.Unmarshal(v, at(r)) },
		write: func(b []byte, r *row) []byte { return strconv.AppendFloat(b, *at(r), 'g', -1, 64) },
	}
}

func stampFlag(name string, at func(*row) *bool) field {
	return field{name: name,
		read: func(r *row, v jsontext.Value) error {
			*at(r) = v.Kind() == 't'
			return nil
		},
		write: func(b []byte, r *row) []byte {
			if *at(r) {
				b = append(b, "true"...)
			}
			return b
		},
	}
}

// --- reading ---

// readString reads a JSON text. One without escapes is not copied: it shares
// the bytes it was read from, which belong to the row from then on and are
// never written to again.
func readString(v jsontext.Value) (string, error) {
	if v.Kind() != '"' {
		return "", errText
	}
	inner := v[1 : len(v)-1]
	if len(inner) == 0 {
		return "", nil
	}
	if bytes.IndexByte(inner, '\\') < 0 {
		return unsafe.String(&inner[0], len(inner)), nil
	}
	s, err := jsontext.AppendUnquote(nil, v)
	return string(s), err
}

var errText = errors.New("must be a text")

func readID(v jsontext.Value) (string, error) {
	s, err := readString(v)
	if err != nil {
		return "", err
	}
	if len(s) > maxID {
		return "", fmt.Errorf("is longer than %d bytes", maxID)
	}
	if strings.ContainsFunc(s, func(c rune) bool { return c < 0x20 || c == 0x7f }) {
		return "", errors.New("holds a control character")
	}
	return s, nil
}

func readText(v jsontext.Value) (string, error) {
	s, err := readString(v)
	if err != nil {
		return "", err
	}
	return cut(strings.ReplaceAll(s, "\x00", "\uFFFD"), maxText), nil
}

// cut shortens s to at most n bytes without splitting a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

var (
	errCount        = errors.New("must be a whole number from 0 up")
	errMilliseconds = errors.New("must be a number of milliseconds from 0 up")
)

func readCount(v jsontext.Value, round bool) (int64, error) {
	refusal := errCount
	if round {
		refusal = errMilliseconds
	}
	if v.Kind() != '0' {
		return 0, refusal
	}
	const most = 1 << 50
	if n, err := strconv.ParseInt(string(v), 10, 64); err == nil && n >= 0 && n <= most {
		return n, nil
	}
	f, err := strconv.ParseFloat(string(v), 64)
	if err != nil || f < 0 || f > most || (!round && f != math.Trunc(f)) {
		return 0, refusal
	}
	return int64(math.Round(f)), nil
}

func readImpact(r *row, v jsontext.Value) error {
	n, err := readCount(v, false)
	if err != nil || n < 1 || n > 5 {
		return errors.New("must be a whole number from 1 to 5")
	}
	r.Impact = &n
	return nil
}

func readEventID(r *row, v jsontext.Value) error {
	if v.Kind() == '"' {
		if parsed, err := uuid.ParseBytes(v[1 : len(v)-1]); err == nil && parsed != uuid.Nil {
			r.EventID = parsed
			return nil
		}
	}
	return errors.New("must be a UUID")
}

// clickhouseTime is how clients of ClickHouse's insert address write a time;
// it means UTC.
const clickhouseTime = "2006-01-02 15:04:05.999999999"

var (
	firstTime = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	lastTime  = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
)

func readTime(v jsontext.Value) (time.Time, error) {
	s, err := readString(v)
	if err != nil {
		return time.Time{}, errors.New("must be a time as in RFC 3339")
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		if t, err = time.Parse(clickhouseTime, s); err != nil {
			return time.Time{}, errors.New("must be a time as in RFC 3339")
		}
	}
	return t.UTC(), nil
}

func readEventTime(r *row, v jsontext.Value) error {
	t, err := readTime(v)
	if err != nil {
		return err
	}
	if t.Before(firstTime) || !t.Before(lastTime) {
		return errors.New("must lie between the years 2000 and 2100")
	}
	r.EventTime = t.Truncate(time.Millisecond)
	return nil
}

var thumbs = map[string]string{
	"up": "up", "thumbs_up": "up", "positive": "up", "+1": "up",
	"down": "down", "thumbs_down": "down", "negative": "down", "-1": "down",
	"1": "1", "2": "2", "3": "3", "4": "4", "5": "5",
}

func readFeedback(r *row, v jsontext.Value) error {
	said := string(v)
	if v.Kind() == '"' {
		said = strings.ToLower(said[1 : len(said)-1])
	} else if n, err := readCount(v, false); err == nil {
		said = strconv.FormatInt(n, 10)
	} else {
		said = ""
	}
	if r.ExplicitFeedback = thumbs[said]; r.ExplicitFeedback == "" {
		return errors.New(`must be "up", "down" or a rating from 1 to 5`)
	}
	return nil
}

// readContext takes a text or a list. Members of a list that are not texts
// are kept as their JSON.
func readContext(r *row, v jsontext.Value) error {
	r.Context = nil
	switch v.Kind() {
	case '"':
		s, err := readText(v)
		if s != "" {
			r.Context = []string{s}
		}
		return err
	case '[':
	default:
		return errors.New("must be a text or a list")
	}
	var members []jsontext.Value
	if err := json.Unmarshal(v, &members); err != nil {
		return errors.New("must be a text or a list")
	}
	if len(members) > maxContexts {
		return fmt.Errorf("has more than %d members", maxContexts)
	}
	room := maxText
	for _, member := range members {
		s := string(member)
		if member.Kind() == '"' {
			s, _ = readText(member)
		}
		s = cut(s, room)
		room -= len(s)
		r.Context = append(r.Context, s)
	}
	return nil
}

func writeContext(b []byte, r *row) []byte {
	if len(r.Context) == 0 {
		return b
	}
	b = append(b, '[')
	for i, s := range r.Context {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, s)
	}
	return append(b, ']')
}

func readArtifact(r *row, v jsontext.Value) error {
	if v.Kind() != '{' {
		return errors.New("must be an object")
	}
	if len(v) > maxArtifact {
		return fmt.Errorf("is larger than %d bytes", maxArtifact)
	}
	var head struct {
		Kind string `json:"kind"`
	}
	if err := json.Unmarshal(v, &head); err != nil || head.Kind == "" || len(head.Kind) > 64 {
		return errors.New(`needs a "kind"`)
	}
	r.Artifact, r.ArtifactKind = json.RawMessage(v.Clone()), head.Kind
	return nil
}

// hashOfNothing is SHA-256 of the empty text: what a client sends that hashed
// a user it did not have.
const hashOfNothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func readUserIDHash(r *row, v jsontext.Value) error {
	s, err := readID(v)
	if err != nil {
		return err
	}
	r.UserIDHash = nil
	digest := strings.ToLower(s[strings.LastIndexAny(s, ":-")+1:])
	if s == "" || len(digest) >= 8 && strings.HasPrefix(hashOfNothing, digest) {
		return nil
	}
	r.UserIDHash = &s
	return nil
}

// --- writing ---

func appendText(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s)
	return b
}

func appendID(b []byte, s string) []byte {
	if s == "" {
		return b
	}
	return appendText(b, s)
}

func appendOptional(b []byte, s *string) []byte {
	if s == nil {
		return b
	}
	return appendText(b, *s)
}

func appendCount(b []byte, n *int64) []byte {
	if n == nil {
		return b
	}
	return strconv.AppendInt(b, *n, 10)
}

func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	b = append(b, '"')
	b = t.UTC().AppendFormat(b, time.RFC3339Nano)
	return append(b, '"')
}

func join[T ~string](words []T) string {
	return strings.Join(wordList(words), ", ")
}

// textFields names the fields that hold what people and models wrote.
var textFields = []string{"prompt", "response", "context", "correction", "error_message", "artifact"}

func isText(name string) bool { return slices.Contains(textFields, name) }
