package telemetry

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

func decodeOne(t *testing.T, event string) *row {
	t.Helper()
	r, err := decode([]byte(event))
	if err != nil {
		t.Fatalf("%s: %v", event, err)
	}
	return r
}

func TestBodiesHaveFourShapes(t *testing.T) {
	const a, b = `{"event_type":"outcome","n":1}`, `{"event_type":"outcome","n":2}`
	for name, c := range map[string]struct {
		body string
		want []string
	}{
		"one object":            {a, []string{a}},
		"one object, printed":   {"{\n  \"event_type\": \"outcome\"\n}\n", []string{"{\n  \"event_type\": \"outcome\"\n}"}},
		"an array":              {"[" + a + ",\n" + b + "]", []string{a, b}},
		"an empty array":        {"[]", nil},
		"an envelope":           {`{"sent_by":"x","events":[` + a + `,` + b + `]}`, []string{a, b}},
		"lines":                 {a + "\n" + b + "\n", []string{a, b}},
		"lines with blanks":     {"\n" + a + "\r\n\r\n" + b, []string{a, b}},
		"a broken line":         {a + "\n{broken\n" + b, []string{a, "{broken", b}},
		"a broken first line":   {"{broken\n" + a + "\n" + b, []string{"{broken", a, b}},
		"a byte order mark":     {"\xef\xbb\xbf" + a, []string{a}},
		"a member not an event": {"[1," + a + "]", []string{"1", a}},
	} {
		events, err := split([]byte(c.body))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		for _, e := range events {
			got = append(got, string(e))
		}
		if fmt.Sprintf("%q", c.want) != fmt.Sprintf("%q", got) {
			t.Errorf("%s: want %q, got %q", name, c.want, got)
		}
	}
	for name, body := range map[string]string{
		"nothing": "", "blanks": " \n ", "a number": "7", "a text": `"x"`, "half an array": "[" + a + ",", "half an object": `{"event_type":`,
		"an array and more": "[" + a + "]]", "half an envelope": `{"events":[` + a, "not JSON": "hello\nworld",
	} {
		if _, err := split([]byte(body)); err == nil {
			t.Errorf("%s is refused whole", name)
		}
	}
}

func TestEveryFieldIsRead(t *testing.T) {
	const event = `{"event_id":"0d85369d-c5fe-5050-a65c-053f2ec5a9e2","event_type":"assistant_response","event_time":"2026-01-18T12:34:56.789Z",
		"session_id":"s","trace_id":"t","span_id":"sp","parent_span_id":"pa","request_id":"rq","case_id":"c","assistant_id":"a","assistant_version":"1.3.0",
		"model_version":"m","model_provider":"p","prompt_template_id":"pt","evidence_version":"ev","task_class":"tc","env":"prod","user_id_hash":"u:sha256:99b5",
		"consent_id":"ci","consent":"full","device_fingerprint":"df","device_type":"dt","connection_type":"ct","experiment_id":"ex","variant":"B","outcome":"success",
		"prompt":"P","response":"R","context":["one","two"],"artifact":{"kind":"formula","formula":"=A1"},"input_tokens":1,"cached_input_tokens":2,"output_tokens":3,
		"prompt_tokens":4,"ttft_ms":5,"latency_ms":6,"total_ms":7,"route":"shorten","first_failed_stage":"passed","unsafe_claim_served":false,"action_type":"write",
		"impact":5,"explicit_feedback":"down","reason":"incorrect","correction":"C","correction_source":"fix","correction_delay_ms":8,"tool_name":"tn","params_hash":"ph",
		"progress_marker":"pm","result_status":"rs","retry_count":9,"stop_reason":"sr","error_type":"et","error_message":"em","attributes":{"region":"eu"},"color":"blue"}`
	r := decodeOne(t, event)
	if r.EventTime != time.Date(2026, 1, 18, 12, 34, 56, 789e6, time.UTC) || r.Consent != ConsentFull || *r.TotalMS != 7 || r.Context[1] != "two" || *r.UnsafeClaimServed {
		t.Errorf("fields were read wrong: %+v", r.Event)
	}
	if want, got := `{"region":"eu","color":"blue"}`, string(r.Attributes); want != got {
		t.Errorf("what has no field is an attribute: want %s, got %s", want, got)
	}
	back, err := readRow(appendRow(nil, r))
	if err != nil {
		t.Fatal(err)
	}
	if want, got := string(appendRow(nil, r)), string(appendRow(nil, back)); want != got {
		t.Errorf("a stored row reads back as it was:\nwant %s\ngot  %s", want, got)
	}
	var sent, kept map[string]any
	json.Unmarshal([]byte(event), &sent)
	json.Unmarshal(appendRow(nil, r), &kept)
	for name := range sent {
		if _, ok := kept[name]; !ok && name != "color" {
			t.Errorf("%s is lost between reading and storing", name)
		}
	}
}

func TestSynonymsOfTheSources(t *testing.T) {
	r := decodeOne(t, `{"event_type":"assistant_response","timestamp":"2026-01-15T12:03:45Z","anonymized_user_id":"u:sha256:abc1","model_version":"v2026-01-10",
		"task_class":"file_search","latency_ms":420,"response_tokens":128,"user_feedback":null}`)
	if r.EventTime.IsZero() || *r.UserIDHash != "u:sha256:abc1" || *r.OutputTokens != 128 || r.ExplicitFeedback != "" {
		t.Errorf("the sources' own example is read wrong: %+v", r.Event)
	}
	if r.SessionID != r.EventID.String() {
		t.Errorf("without a session an event is one of its own, got %q", r.SessionID)
	}
	r = decodeOne(t, `{"event_type":"interaction","timestamp":"2026-01-18T12:34:56.789Z","model":"gptx-1000"}`)
	if r.ModelVersion != "gptx-1000" {
		t.Errorf("model stands in for model_version, got %q", r.ModelVersion)
	}
	r = decodeOne(t, `{"model":"gptx-1000","event_type":"interaction","timestamp":"2026-01-18T12:34:56.789Z","model_version":"v7"}`)
	if r.ModelVersion != "v7" || string(r.Attributes) != `{"model":"gptx-1000"}` {
		t.Errorf("beside model_version, model is an attribute: %q, %s", r.ModelVersion, r.Attributes)
	}
}

func TestBadEventsSayWhatIsWrong(t *testing.T) {
	const good = `"event_type":"outcome","event_time":"2026-01-18T12:34:56Z"`
	for event, want := range map[string]string{
		`7`:                                     "an event must be an object",
		`{"event_type":"outcome"`:               "the event is not JSON",
		`{` + good + `} {}`:                     "there is more after the event",
		`{"event_time":"2026-01-18T12:34:56Z"}`: "event_type is missing: must be one of exposure, interaction, assistant_response, error, feedback, correction, outcome, tool_step, gate_trace, span",
		`{"event_type":"party"}`:                "event_type must be one of exposure, interaction, assistant_response, error, feedback, correction, outcome, tool_step, gate_trace, span",
		`{"event_type":"outcome"}`:              "event_time is missing",
		`{"event_type":"outcome","event_time":"yesterday"}`:                              "event_time must be a time as in RFC 3339",
		`{"event_type":"outcome","event_time":1768739696}`:                               "event_time must be a time as in RFC 3339",
		`{"event_type":"outcome","timestamp":"1970-01-01T00:00:00Z"}`:                    "timestamp must lie between the years 2000 and 2100",
		`{` + good + `,"event_id":"one"}`:                                                "event_id must be a UUID",
		`{` + good + `,"event_id":"00000000-0000-0000-0000-000000000000"}`:               "event_id must be a UUID",
		`{` + good + `,"latency_ms":"420"}`:                                              "latency_ms must be a number of milliseconds from 0 up",
		`{` + good + `,"latency_ms":-1}`:                                                 "latency_ms must be a number of milliseconds from 0 up",
		`{` + good + `,"output_tokens":1.5}`:                                             "output_tokens must be a whole number from 0 up",
		`{` + good + `,"output_tokens":1e300}`:                                           "output_tokens must be a whole number from 0 up",
		`{` + good + `,"route":"fly"}`:                                                   "route must be one of serve, shorten, abstain",
		`{` + good + `,"impact":6}`:                                                      "impact must be a whole number from 1 to 5",
		`{` + good + `,"unsafe_claim_served":"no"}`:                                      "unsafe_claim_served must be true or false",
		`{` + good + `,"explicit_feedback":"meh"}`:                                       `explicit_feedback must be "up", "down" or a rating from 1 to 5`,
		`{` + good + `,"explicit_feedback":0}`:                                           `explicit_feedback must be "up", "down" or a rating from 1 to 5`,
		`{` + good + `,"prompt":{"text":"x"}}`:                                           "prompt must be a text",
		`{` + good + `,"context":7}`:                                                     "context must be a text or a list",
		`{` + good + `,"artifact":"=A1"}`:                                                "artifact must be an object",
		`{` + good + `,"artifact":{"formula":"=A1"}}`:                                    `artifact needs a "kind"`,
		`{` + good + `,"attributes":[1]}`:                                                "attributes must be an object",
		`{` + good + `,"session_id":"a\u0000b"}`:                                         "session_id holds a control character",
		`{` + good + `,"session_id":"` + strings.Repeat("x", 257) + `"}`:                 "session_id is longer than 256 bytes",
		`{` + good + `,"session_id":"a","session_id":"b"}`:                               "the event names one field twice",
		`{` + good + ",\"prompt\":\"\xff\"}":                                             "the event is not valid UTF-8",
		`{` + good + `,"attributes":{"x":"` + strings.Repeat("x", maxAttributes) + `"}}`: "attributes are larger than 65536 bytes",
		`{` + good + `,"prompt":"` + strings.Repeat("x", maxEvent) + `"}`:                "the event is larger than 1048576 bytes",
		`{"event_type":"gate_trace"}`:                                                    "request_id is missing: a gate_trace needs one",
		`{"event_type":"gate_trace","request_id":"r"}`:                                   "route is missing: a gate_trace needs serve, shorten or abstain",
		`{"event_type":"gate_trace","request_id":"r","route":"serve"}`:                   "unsafe_claim_served is missing: a gate_trace needs true or false",
		`{"event_type":"gate_trace","request_id":"r","route":"serve","unsafe_claim_served":true,"first_failed_stage":"moon"}`: "first_failed_stage must be one of passed, claim_generation, evidence_admission, serving_gate",
	} {
		_, err := decode([]byte(event))
		if err == nil || err.Error() != want {
			t.Errorf("%s\nwant %s\ngot  %v", cut(event, 120), want, err)
		}
	}
}

func TestLongTextIsCutBetweenCharacters(t *testing.T) {
	r := decodeOne(t, `{"event_type":"outcome","event_time":"2026-01-18T12:34:56Z","prompt":"x`+strings.Repeat("é", maxText/2)+`"}`)
	if len(r.Prompt) != maxText-1 || !strings.HasSuffix(r.Prompt, "é") {
		t.Errorf("want %d bytes of whole characters, got %d", maxText-1, len(r.Prompt))
	}
}

func TestTheHashOfNobodyIsNobody(t *testing.T) {
	const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for user, known := range map[string]bool{
		"": false, empty: false, "sha256-" + empty: false, "u:sha256:" + empty: false, "u:sha256:" + empty[:16]: false, strings.ToUpper(empty): false,
		"u:sha256:99b5dbd422c5bbde": true, "e3b0": true, "u:sha256:e3b0c44298fc1c15": true,
	} {
		r := decodeOne(t, fmt.Sprintf(`{"event_type":"outcome","event_time":"2026-01-18T12:34:56Z","user_id_hash":%q}`, user))
		if got := r.UserIDHash != nil; got != known {
			t.Errorf("%q: want known %v, got %v", user, known, got)
		}
	}
}

func TestIdentityIsMadeFromContent(t *testing.T) {
	const trace = `"request_id":"req_205","route":"serve","first_failed_stage":"serving_gate","unsafe_claim_served":true`
	first := decodeOne(t, `{"event_type":"gate_trace",`+trace+`,"total_ms":430}`)
	again := decodeOne(t, `{"total_ms": 4.3e2, `+trace+`, "event_type":"gate_trace"}`)
	other := decodeOne(t, `{"event_type":"gate_trace",`+trace+`,"total_ms":431}`)
	if first.EventID != again.EventID {
		t.Error("the same content in another order is the same event")
	}
	if first.EventID == other.EventID {
		t.Error("other content is another event")
	}
	if first.EventID.Version() != 5 || first.EventID == uuid.Nil {
		t.Errorf("an id made from content is a UUID of version 5, got %s", first.EventID)
	}
	if first.SessionID != "req_205" {
		t.Errorf("a gate trace without a session is filed under its request, got %q", first.SessionID)
	}
}

func TestGateTracesCarryNoText(t *testing.T) {
	r := decodeOne(t, `{"event_type":"gate_trace","request_id":"r","route":"abstain","first_failed_stage":"passed","unsafe_claim_served":false,"prompt":"P","response":"R","context":"C","error_message":"E","correction":"C","artifact":{"kind":"sql"}}`)
	if r.Prompt+r.Response+r.ErrorMessage+r.Correction != "" || r.Context != nil || r.Artifact != nil {
		t.Errorf("text of a gate trace is dropped, got %+v", r.Event)
	}
}

func TestAttributesOnlyEverSayWhatTheySay(t *testing.T) {
	r := decodeOne(t, `{"event_type":"outcome","event_time":"2026-01-18T12:34:56Z","flags":["unsafe_claim"],"role":"admin","review_state":"done","effective_time":"2020-01-01T00:00:00Z",
		"keep":1,"text_kept":true,"quarantined":true,"expires_at":"2099-01-01T00:00:00Z","label":"correct","attributes":{"label":"correct","key_id":3}}`)
	if r.KeyID != 0 || r.TextKept || r.Quarantined || r.Keep != 0 || !r.Effective.IsZero() || !r.ExpiresAt.IsZero() {
		t.Errorf("an event set what only the product sets: %+v", r.stamps)
	}
	var attributes map[string]any
	if err := json.Unmarshal(r.Attributes, &attributes); err != nil || len(attributes) != 10 {
		t.Errorf("all of them are kept as attributes: %s, %v", r.Attributes, err)
	}
}

func TestSourcesTypoIsReadAsMeant(t *testing.T) {
	r := decodeOne(t, `{"event_type":"span","event_time":"2026-01-18T12:34:56Z","attributes":{"policy.decisions":["allow","escaltate"],"note":"escaltate"}}`)
	if want, got := `{"policy.decisions":["allow","escalate"],"note":"escaltate"}`, string(r.Attributes); want != got {
		t.Errorf("want %s, got %s", want, got)
	}
}

func TestContextIsATextOrAList(t *testing.T) {
	for context, want := range map[string][]string{
		`"one"`: {"one"}, `["one","two"]`: {"one", "two"}, `[]`: nil, `""`: nil, `[{"doc":1},"two"]`: {`{"doc":1}`, "two"},
	} {
		r := decodeOne(t, `{"event_type":"outcome","event_time":"2026-01-18T12:34:56Z","context":`+context+`}`)
		if fmt.Sprint(want) != fmt.Sprint(r.Context) {
			t.Errorf("%s: want %q, got %q", context, want, r.Context)
		}
	}
}

func FuzzIngestedBodies(f *testing.F) {
	for _, seed := range []string{`{"event_type":"outcome","event_time":"2026-01-18T12:34:56Z"}`, `[{},1]`, `{"events":[{}]}`, "{}\n{}", `{"event_type":"gate_trace","request_id":"é\u0000","attributes":{"a":{"b":[]}}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		events, err := split(body)
		if err != nil {
			return
		}
		for _, e := range events {
			r, err := decode(e)
			if err != nil {
				continue
			}
			stored := appendRow(nil, r)
			back, err := readRow(stored)
			if err != nil {
				t.Fatalf("a row that was taken cannot be read back: %v\n%s", err, stored)
			}
			if again := appendRow(nil, back); string(again) != string(stored) {
				t.Fatalf("a row changes when it is read back:\n%s\n%s", stored, again)
			}
			if again := appendRow(nil, sheetOf([]*row{r}).rows()[0]); string(again) != string(stored) {
				t.Fatalf("a row changes in the inbox:\n%s\n%s", stored, again)
			}
		}
	})
}
