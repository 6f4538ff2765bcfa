package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

var update = flag.Bool("update", false, "write the published schemas anew; refused where a field would break")

// TestWhatWasPublishedStays holds the fields to what senders were told. A new
// field goes to the end of the list in field.go: run with -update then.
func TestWhatWasPublishedStays(t *testing.T) {
	text, err := os.ReadFile("schema/published.json")
	if err != nil && !*update {
		t.Fatal(err)
	}
	var before []published
	if err == nil {
		if err := json.Unmarshal(text, &before); err != nil {
			t.Fatal(err)
		}
	}
	now := publishedFields()
	if wrong := broken(before, now); len(wrong) > 0 {
		t.Fatalf("senders would break: %s", strings.Join(wrong, "; "))
	}
	list, _ := json.MarshalIndent(now, "", "  ")
	for name, want := range map[string][]byte{"published.json": append(list, '\n'), "event.schema.json": EventSchema(), "event.proto": EventProto()} {
		if *update {
			if err := os.WriteFile("schema/"+name, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if got, err := os.ReadFile("schema/" + name); err != nil || !bytes.Equal(want, got) {
			t.Errorf("schema/%s is not what the code takes: run this test with -update (%v)", name, err)
		}
	}
}

func TestABrokenFieldIsFound(t *testing.T) {
	before := []published{{1, "a", shapeText, nil}, {2, "b", shapeWord, []string{"x", "y"}}, {3, "c", shapeCount, nil}, {4, "d", shapeID, nil}}
	now := []published{{1, "a", shapeCount, nil}, {2, "b", shapeWord, []string{"y", "z"}}, {5, "d", shapeID, nil}, {3, "new", shapeText, nil}}
	want := []string{"a is count, and was text", "b no longer takes x", "c is gone", "d has number 5, and had 4"}
	if got := broken(before, now); !reflect.DeepEqual(want, got) {
		t.Errorf("want %q\ngot  %q", want, got)
	}
	if got := broken(before, append(slices.Clone(before), published{5, "e", shapeText, nil})); got != nil {
		t.Errorf("a further field breaks nothing: %q", got)
	}
}

func TestSchemaNamesEveryFieldThatIsRead(t *testing.T) {
	var schema struct {
		Properties map[string]any
		Required   []string
	}
	if err := json.Unmarshal(EventSchema(), &schema); err != nil {
		t.Fatal(err)
	}
	for name := range fieldByName {
		if schema.Properties[name] == nil {
			t.Errorf("%s is read and not published", name)
		}
	}
	numbers := map[int]string{}
	for _, f := range publishedFields() {
		if f.Shape == "" {
			t.Errorf("%s has no shape", f.Name)
		}
		if was := numbers[f.Number]; was != "" {
			t.Errorf("%s and %s share number %d", was, f.Name, f.Number)
		}
		numbers[f.Number] = f.Name
	}
	event := reflect.TypeFor[Event]()
	exported := 0
	for i := range event.NumField() {
		if event.Field(i).IsExported() {
			exported++
		}
	}
	if exported != len(publishedFields()) {
		t.Errorf("the type has %d fields, %d are published", exported, len(publishedFields()))
	}
}

// official is the message Event as the protobuf library builds it from the
// published list: an independent writer for our reader.
func official(t *testing.T) protoreflect.MessageDescriptor {
	t.Helper()
	message := &descriptorpb.DescriptorProto{Name: proto.String("Event")}
	for _, f := range publishedFields() {
		field := &descriptorpb.FieldDescriptorProto{Name: proto.String(f.Name), JsonName: proto.String(f.Name), Number: proto.Int32(int32(f.Number)), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()}
		kind := descriptorpb.FieldDescriptorProto_TYPE_STRING
		switch f.Shape.proto() {
		case "google.protobuf.Timestamp":
			kind, field.TypeName = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, proto.String(".google.protobuf.Timestamp")
		case "optional int64":
			kind = descriptorpb.FieldDescriptorProto_TYPE_INT64
		case "optional double":
			kind = descriptorpb.FieldDescriptorProto_TYPE_DOUBLE
		case "optional bool":
			kind = descriptorpb.FieldDescriptorProto_TYPE_BOOL
		case "repeated string":
			field.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
		}
		field.Type = kind.Enum()
		message.Field = append(message.Field, field)
	}
	file := &descriptorpb.FileDescriptorProto{
		Name: proto.String("event.proto"), Package: proto.String("assay.v1"), Syntax: proto.String("proto2"),
		Dependency: []string{"google/protobuf/timestamp.proto"}, MessageType: []*descriptorpb.DescriptorProto{message},
	}
	files, err := protodesc.NewFile(file, registry{timestamppb.File_google_protobuf_timestamp_proto})
	if err != nil {
		t.Fatal(err)
	}
	return files.Messages().ByName("Event")
}

type registry struct{ file protoreflect.FileDescriptor }

func (r registry) FindFileByPath(string) (protoreflect.FileDescriptor, error) { return r.file, nil }
func (r registry) FindDescriptorByName(name protoreflect.FullName) (protoreflect.Descriptor, error) {
	return r.file.Messages().ByName(name.Name()), nil
}

// wireOf encodes an event with the protobuf library, as the one event of Events.
func wireOf(t *testing.T, json map[string]any) []byte {
	t.Helper()
	event := dynamicpb.NewMessage(official(t))
	for name, value := range json {
		field := event.Descriptor().Fields().ByName(protoreflect.Name(name))
		switch v := value.(type) {
		case string:
			event.Set(field, protoreflect.ValueOfString(v))
		case int:
			event.Set(field, protoreflect.ValueOfInt64(int64(v)))
		case float64:
			event.Set(field, protoreflect.ValueOfFloat64(v))
		case bool:
			event.Set(field, protoreflect.ValueOfBool(v))
		case time.Time:
			inner := event.Mutable(field).Message()
			inner.Set(inner.Descriptor().Fields().ByNumber(1), protoreflect.ValueOfInt64(v.Unix()))
			inner.Set(inner.Descriptor().Fields().ByNumber(2), protoreflect.ValueOfInt32(int32(v.Nanosecond())))
		case []string:
			list := event.Mutable(field).List()
			for _, s := range v {
				list.Append(protoreflect.ValueOfString(s))
			}
		}
	}
	wire, err := proto.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte{0x0a}, append(varint(len(wire)), wire...)...)
}

func varint(n int) (b []byte) {
	for ; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

func TestTheProtobufIsTheSameEvent(t *testing.T) {
	when := time.Date(2026, 11, 20, 11, 59, 0, 789e6, time.UTC)
	sent := map[string]any{
		"event_id": "0d85369d-c5fe-5050-a65c-053f2ec5a9e2", "event_type": "assistant_response", "event_time": when, "session_id": "s", "task_class": "sql_query",
		"prompt": "P", "response": "R ✓", "context": []string{"one", "two"}, "artifact": `{"kind":"sql","sql":"SELECT 1"}`, "input_tokens": 0, "output_tokens": 12,
		"ttft_ms": 12.6, "total_ms": 100.0, "unsafe_claim_served": false, "impact": 5, "explicit_feedback": "4", "consent": "redacted", "route": "serve",
		"attributes": `{"region":"eu","role":"admin"}`,
	}
	events, err := readProto(wireOf(t, sent))
	if err != nil || len(events) != 1 {
		t.Fatal(len(events), err)
	}
	same := map[string]any{}
	for name, value := range sent {
		same[name] = value
	}
	same["artifact"], same["attributes"], same["event_time"] = json.RawMessage(sent["artifact"].(string)), json.RawMessage(sent["attributes"].(string)), at(when)
	text, _ := json.Marshal(same)
	got, want := decodeOne(t, string(events[0])), decodeOne(t, string(text))
	if a, b := string(appendRow(nil, want)), string(appendRow(nil, got)); a != b {
		t.Errorf("want %s\ngot  %s", a, b)
	}
	if got.TTFTMS == nil || *got.TTFTMS != 13 || got.InputTokens == nil || *got.UnsafeClaimServed {
		t.Errorf("%+v", got.Event)
	}
	for _, damaged := range [][]byte{{0x0a}, {0x0a, 0x05, 1}, {0xff}, {}} {
		if _, err := readProto(damaged); err == nil {
			t.Errorf("% x is no protobuf of Events", damaged)
		}
	}
	s := newStore(t)
	bad := []byte{0x0a, 0x02, 0x08, 0x01} // event_id is no number
	receipt, err := s.IngestProto(context.Background(), sender, slices.Concat(wireOf(t, sent), bad, wireOf(t, sent)))
	if err != nil || fmt.Sprint(receipt.Accepted, receipt.Duplicate, len(receipt.Rejected)) != "1 1 1" {
		t.Errorf("%+v, %v", receipt, err)
	}
}
