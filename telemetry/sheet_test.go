package telemetry

import (
	"bytes"
	"context"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// takenRows decodes and takes a body of events without a store.
func takenRows(t testing.TB, body []byte) []*row {
	t.Helper()
	p := (&Store{}).policy()
	taken := &taking{terms: OpenTerms, now: noon, saltID: "1", salt: "salt", text: p.text, code: p.artifact}
	events, err := split(body)
	if err != nil {
		t.Fatal(err)
	}
	rows, refused, err := taken.takeAll(events, func([]*row) error { return nil })
	if err != nil || len(refused) > 0 {
		t.Fatal(refused, err)
	}
	return rows
}

// Every field of an event and of its stamps goes through the inbox: filled by
// reflection, so that one added later cannot be forgotten here.
func TestABatchComesOutOfTheInboxAsItWentIn(t *testing.T) {
	rows := takenRows(t, typicalBatch(rand.New(rand.NewPCG(1, 5)), 40))
	rows = append(rows, filledRow(1), &row{}, filledRow(2))
	back := sheetOf(rows).rows()
	if len(back) != len(rows) {
		t.Fatalf("want %d rows, got %d", len(rows), len(back))
	}
	for i := range rows {
		if !reflect.DeepEqual(rows[i].Event, back[i].Event) || rows[i].stamps != back[i].stamps {
			t.Fatalf("row %d:\nwant %+v\ngot  %+v", i, *rows[i], *back[i])
		}
	}
}

// filledRow has a value of its own in every field that is stored.
func filledRow(n int) *row {
	r := &row{}
	for _, part := range []reflect.Value{reflect.ValueOf(&r.Event).Elem(), reflect.ValueOf(&r.stamps).Elem()} {
		for i := range part.NumField() {
			f := part.Field(i)
			if !f.CanSet() {
				continue // what is never stored
			}
			n++
			number := int64(n)
			text := strings.Repeat("é", n)
			switch f.Interface().(type) {
			case time.Time:
				f.Set(reflect.ValueOf(noon.Add(time.Duration(n) * time.Millisecond)))
				continue
			case uuid.UUID:
				f.Set(reflect.ValueOf(uuid.UUID{15: byte(n)}))
				continue
			}
			switch f.Interface().(type) {
			case *int64:
				f.Set(reflect.ValueOf(&number))
			case *string:
				f.Set(reflect.ValueOf(&text))
			case *bool:
				no := false
				f.Set(reflect.ValueOf(&no))
			case []string:
				f.Set(reflect.ValueOf([]string{text, `"quoted"`}))
			default:
				switch f.Kind() {
				case reflect.String:
					f.SetString(text)
				case reflect.Int64:
					f.SetInt(number)
				case reflect.Uint64:
					f.SetUint(uint64(n))
				case reflect.Float64:
					f.SetFloat(1 / float64(n))
				case reflect.Bool:
					f.SetBool(true)
				case reflect.Slice: // JSON
					f.SetBytes([]byte(`{"kind":"` + text + `"}`))
				}
			}
		}
	}
	return r
}

func TestWhatNobodySaysTakesNoRoom(t *testing.T) {
	r := &row{}
	r.EventID, r.SessionID = uuid.UUID{1}, "s"
	alone, many := appendSheet(nil, []*row{r}), appendSheet(nil, []*row{r, r, r, r})
	if len(alone) > 80 || len(many) != len(alone) {
		t.Errorf("one event takes %d bytes, four alike %d", len(alone), len(many))
	}
}

func TestADamagedSheetIsRefused(t *testing.T) {
	body := appendSheet(nil, takenRows(t, typicalBatch(rand.New(rand.NewPCG(1, 6)), 3)))
	for n := range body {
		if one, err := readSheet(body[:n]); err == nil && n > 0 {
			if len(one.rows()) != 3 {
				t.Errorf("cut at %d", n)
			}
		}
	}
	random := rand.New(rand.NewPCG(1, 7))
	for range 20_000 {
		broken := bytes.Clone(body)
		broken[random.IntN(len(broken))] ^= byte(1 + random.IntN(255))
		if one, err := readSheet(broken); err == nil {
			one.rows() // whatever it says now, it is read without a panic
		}
	}
	other := append(bytes.Clone(body), 4, 'm', 'o', 'o', 'd', holdsOne, 1, 0)
	if _, err := readSheet(other); err == nil || !strings.Contains(err.Error(), `"mood"`) {
		t.Errorf("a column of a version to come is named, got %v", err)
	}
}

// What an earlier version left in the inbox lands like the rest.
func TestLinesOfAnEarlierVersionLand(t *testing.T) {
	s := newStore(t)
	if err := s.openDays(context.Background(), noon); err != nil {
		t.Fatal(err)
	}
	var lines []byte
	rows := takenRows(t, typicalBatch(rand.New(rand.NewPCG(1, 8)), 20))
	for _, r := range rows {
		lines = appendRow(lines, r)
	}
	body := packer.EncodeAll(lines, nil)
	if _, err := s.DB.Exec(context.Background(), `
		INSERT INTO inbox (day, received_at, key_id, events, bytes, size, body) VALUES ($1, $2, 7, 20, $3, $4, $5)`,
		day(noon), noon, len(body), len(lines), body); err != nil {
		t.Fatal(err)
	}
	if done := drain(t, s); done.Events != 20 || done.Dead != 0 {
		t.Fatalf("want 20 landed, got %+v", done)
	}
	if got := ask[string](t, s, "SELECT response FROM events FINAL WHERE event_id = '"+rows[3].EventID.String()+"'"); got != rows[3].Response {
		t.Errorf("want %q, got %q", rows[3].Response, got)
	}
}
