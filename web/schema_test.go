package web

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"assay/internal/auth"
)

// describedAs is the document as programs read it.
var describedAs = sync.OnceValue(func() map[string]any {
	text, err := json.Marshal(openapi(routes(), operations()))
	var document map[string]any
	if err == nil {
		err = json.Unmarshal(text, &document)
	}
	if err != nil {
		panic(err)
	}
	return document
})

// heldTo are the operations whose every answer, in whatever test, is held
// against the document.
func heldTo(name string) bool {
	_, labels := labelingOperations[name]
	return labels || name == "POST /v1/items/:item/undo" || name == "GET /v1/items/:item/labels"
}

// agrees fails the test where an answer is not what the document says.
func (a *answer) agrees(method, address string) {
	a.t.Helper()
	path, _, _ := strings.Cut(address, "?")
	for _, r := range routes() {
		name := r.Method + " " + r.Path
		if r.Method != method || !heldTo(name) || !r.matches(path) || a.Status == reached {
			continue
		}
		for _, wrong := range a.wrongBy(r) {
			a.t.Errorf("%s is not as the document says: %s\n%s", name, wrong, clip(a.Body, 1000))
		}
		return
	}
}

func (a *answer) wrongBy(r route) []string {
	dig := func(from any, keys ...string) any {
		for _, key := range keys {
			within, _ := from.(map[string]any)
			from = within[key]
		}
		return from
	}
	operation := dig(describedAs(), "paths", pathParameter.ReplaceAllString(r.Path, "{$1}"), strings.ToLower(r.Method))
	described := dig(operation, "responses", strconv.Itoa(a.Status))
	if described == nil {
		return []string{fmt.Sprintf("it never answers %d", a.Status)}
	}
	kind, _, _ := strings.Cut(a.Header.Get("Content-Type"), ";")
	if kind != "application/json" && kind != "application/problem+json" {
		return nil // a file
	}
	schema := dig(described, "content", kind, "schema")
	if schema == nil {
		return []string{"it does not answer " + kind}
	}
	var value any
	if err := json.Unmarshal([]byte(a.Body), &value); err != nil {
		return []string{err.Error()}
	}
	return wrongWith(schema.(map[string]any), value, "$")
}

// wrongWith holds a value against a schema. It knows the words that the
// document uses, and says so of others: none may pass unread.
func wrongWith(schema map[string]any, value any, at string) (wrong []string) {
	say := func(format string, args ...any) { wrong = append(wrong, at+": "+fmt.Sprintf(format, args...)) }
	for word, says := range schema {
		switch word {
		case "type":
			if got := kindOfJSON(value); got != says && !(says == "number" && got == "integer") {
				say("want %v, got %s", says, got)
			}
		case "enum":
			if !slices.Contains(says.([]any), value) {
				say("%v is none of %v", value, says)
			}
		case "const":
			if value != says {
				say("want %v, got %v", says, value)
			}
		case "anyOf":
			any := slices.ContainsFunc(says.([]any), func(one any) bool { return len(wrongWith(one.(map[string]any), value, at)) == 0 })
			if !any {
				say("%v is none of what it may be", value)
			}
		case "required":
			fields, _ := value.(map[string]any)
			for _, name := range says.([]any) {
				if _, has := fields[name.(string)]; !has {
					say("lacks %s", name)
				}
			}
		case "properties", "additionalProperties":
			wrong = append(wrong, wrongFields(schema, value, at, word)...)
		case "items":
			list, _ := value.([]any)
			for i, one := range list {
				wrong = append(wrong, wrongWith(says.(map[string]any), one, fmt.Sprintf("%s[%d]", at, i))...)
			}
		case "format":
			text, _ := value.(string)
			if says == "uuid" && uuid.Validate(text) != nil {
				say("%q is no uuid", text)
			}
			if _, err := time.Parse(time.RFC3339, text); says == "date-time" && err != nil {
				say("%q is no time", text)
			}
		case "minimum":
			if number, is := value.(float64); is && number < says.(float64) {
				say("%v is below %v", number, says)
			}
		case "maxLength":
			if text, is := value.(string); is && len([]rune(text)) > int(says.(float64)) {
				say("is longer than %v", says)
			}
		case "$ref":
			var problem map[string]any
			json.Unmarshal([]byte(problemSchema), &problem)
			wrong = append(wrong, wrongWith(problem, value, at)...)
		case "description":
		default:
			say("the schema says %q, which nothing here reads", word)
		}
	}
	return wrong
}

func wrongFields(schema map[string]any, value any, at, word string) (wrong []string) {
	fields, is := value.(map[string]any)
	properties, _ := schema["properties"].(map[string]any)
	if !is {
		return nil
	}
	for name, one := range fields {
		said, known := properties[name].(map[string]any)
		switch {
		case word == "properties" && known:
			wrong = append(wrong, wrongWith(said, one, at+"."+name)...)
		case word == "additionalProperties" && !known:
			if more, some := schema[word].(map[string]any); some {
				wrong = append(wrong, wrongWith(more, one, at+"."+name)...)
			} else if schema[word] == false {
				wrong = append(wrong, at+"."+name+" is not described")
			}
		}
	}
	return wrong
}

func kindOfJSON(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case []any:
		return "array"
	case float64:
		if v == math.Trunc(v) {
			return "integer"
		}
		return "number"
	}
	return "object"
}

// The whole of labeling by a program, each call's answer and each refusal as
// the document has it (browser.send looks), and each request as its body's
// schema.
func TestWhatALabelingProgramSendsAndGetsIsWhatTheDocumentSays(t *testing.T) {
	w := queued(t, "sql_query", "one", "two", "three", "four", "five")
	key := w.program(auth.ScopeLabeler, auth.ScopeLabel, auth.ScopeRead)
	call := func(path string, body map[string]any, status int) *answer {
		t.Helper()
		template := "POST " + regexp.MustCompile(`/items/[0-9]+/`).ReplaceAllString(path, "/items/:item/")
		if described := operations()[template]; described.Body != nil {
			var schema, sent map[string]any
			text, _ := json.Marshal(body)
			json.Unmarshal(text, &sent)
			json.Unmarshal([]byte(described.Body.Schema), &schema)
			if wrong := wrongWith(schema, sent, "$"); (len(wrong) > 0) != (status == http.StatusBadRequest) {
				t.Errorf("%s with %s: answered %d where the schema says %v", template, text, status, wrong)
			}
		}
		return key.postJSON(path, body).want(status)
	}
	var got reserveAnswer
	reserve := func() (item, token string) {
		t.Helper()
		got = reserveAnswer{}
		key.postJSON("/v1/queues/sql_query/reserve", struct{}{}).want(200).json(&got)
		return "/v1/items/" + itemID(got.Item.ID), got.Reservation.Token.String()
	}
	key.get("/v1/queues").want(200)
	key.get("/v1/skills").want(200)
	item, token := reserve()
	call(item+"/renew", map[string]any{"token": token}, 200)
	call(item+"/labels", map[string]any{"token": token}, 400)
	call(item+"/labels", map[string]any{"token": token, "label": "wrong"}, 400)
	call(item+"/labels", map[string]any{"token": token, "label": "correct", "confidence": "very"}, 400)
	call(item+"/labels", map[string]any{"token": token, "label": "correct", "more": 1}, 400)
	call(item+"/labels", map[string]any{"token": token, "label": "hallucinated", "reasons": []string{"wrong_result"}, "spans": []map[string]int{{"start": 0, "end": 4}}, "correction": "c", "note": "n", "confidence": "low"}, 201)
	call(item+"/labels", map[string]any{"token": token, "label": "correct"}, 409)
	key.get(item + "/labels").want(200)
	call(item+"/undo", map[string]any{}, 200)
	item, token = reserve()
	call(item+"/skip", map[string]any{"token": token}, 400)
	call(item+"/skip", map[string]any{"token": token, "reason": "because"}, 400)
	call(item+"/skip", map[string]any{"token": token, "reason": "other"}, 200)
	item, token = reserve()
	call(item+"/release", map[string]any{"token": token}, 200)
	call(item+"/renew", map[string]any{"token": token}, 409)
	call(item+"/renew", map[string]any{"token": uuid.NewString()}, 404)
	item, token = reserve()
	w.exec(`UPDATE reservations SET lease_until = clock_timestamp() - interval '1 second' WHERE state = 'held'`)
	call(item+"/labels", map[string]any{"token": token, "label": "correct"}, 409)
	other := w.as(auth.Labeler)
	other.next("sql_query")
	w.exec(`UPDATE items SET removed_at = now(), removed_by = 'test' WHERE id NOT IN (SELECT item_id FROM reservations WHERE state = 'held' AND lease_until > clock_timestamp())`)
	w.exec(`UPDATE items SET wanted = taken WHERE taken > 0`)
	got = reserveAnswer{}
	key.postJSON("/v1/queues/sql_query/reserve", struct{}{}).want(200).json(&got)
	if got.Item != nil || got.Counts == nil || got.Counts.NextFrees == nil {
		t.Errorf("an empty queue is null and counts, got %+v", got)
	}
	key.postJSON("/v1/queues/none/reserve", struct{}{}).want(404)
	var event string
	if err := w.pool.QueryRow(context.Background(), `SELECT event_id FROM items LIMIT 1`).Scan(&event); err != nil {
		t.Fatal(err)
	}
	reader := w.as(auth.Engineer)
	reader.get("/v1/decisions?event_id=" + event).want(200)
	reader.get("/v1/decisions?event_id=x").want(400)
	key.get("/v1/labels").want(200)
	key.get("/v1/labels?limit=9000").want(400)
	key.get("/v1/labels?format=csv").want(200)
	key.get("/v1/items?session_id=s_0001").want(200)
	key.get("/v1/items").want(400)
	w.stranger().send("GET", "/v1/labels", nil, nil).want(401)
	w.program(auth.ScopeIngest).get("/v1/queues").want(403)
}

// The document describes what it answers: no operation of labeling says only
// "an object".
func TestEveryAnswerOfLabelingHasASchema(t *testing.T) {
	for _, r := range routes() {
		name := r.Method + " " + r.Path
		if !heldTo(name) {
			continue
		}
		for code, content := range operations()[name].Answers {
			if content.Of == nil && content.Schema == "" {
				t.Errorf("%s does not say what its %d looks like", name, code)
			}
		}
	}
}

// The checker itself: what it has to find.
func TestTheDocumentsCheckerFindsWhatIsWrong(t *testing.T) {
	schema := map[string]any{}
	text, _ := json.Marshal(schemaOf(reflect.TypeFor[reserveAnswer]()))
	json.Unmarshal(text, &schema)
	for body, finds := range map[string]string{
		`{"item":null,"reservation":null}`:                                 "",
		`{"item":null}`:                                                    "lacks reservation",
		`{"item":null,"reservation":null,"more":1}`:                        "more is not described",
		`{"item":7,"reservation":null}`:                                    "none of what it may be",
		`{"item":null,"reservation":null,"counts":{"free":"many"}}`:        "none of what it may be",
		`{"item":null,"reservation":{"token":"x","item_id":1,"number":1}}`: "none of what it may be",
	} {
		var value any
		if err := json.Unmarshal([]byte(body), &value); err != nil {
			t.Fatal(err)
		}
		found := strings.Join(wrongWith(schema, value, "$"), "; ")
		if finds == "" && found != "" || !strings.Contains(found, finds) {
			t.Errorf("%s: want %q, found %q", body, finds, found)
		}
	}
	if wrong := wrongWith(map[string]any{"pattern": "x"}, "y", "$"); len(wrong) != 1 {
		t.Error("a word that nothing reads passes unread")
	}
}

// Pages of a list do not repeat and leave nothing out while others write.
func TestPagesAreStableWhileOthersWrite(t *testing.T) {
	w := queued(t, "sql_query", "one", "two", "three", "four", "five", "six")
	w.exec(`UPDATE items SET session_id = 's_all'`)
	labeler := w.as(auth.Labeler)
	label := func() {
		t.Helper()
		page := labeler.get(labeler.next("sql_query")).want(200)
		labeler.post(page.attr("#label-form", "action"), answerOn(page, "correct")).want(303)
	}
	for range 4 {
		label()
	}
	key := w.program(auth.ScopeLabel, auth.ScopeRead)
	for _, list := range []string{"/v1/labels?queue=sql_query", "/v1/items?session_id=s_all"} {
		var seen []int64
		cursor := ""
		for range 10 {
			var page struct {
				Labels, Items []struct{ ID int64 }
				Next          string
			}
			key.get(list + "&limit=2&cursor=" + cursor).want(200).json(&page)
			for _, one := range append(page.Labels, page.Items...) {
				seen = append(seen, one.ID)
			}
			if cursor = page.Next; cursor == "" {
				break
			}
			if strings.Contains(list, "labels") && len(seen) == 2 {
				label()
			}
			w.exec(`UPDATE items SET removed_at = now(), removed_by = 'test' WHERE id = (SELECT max(id) FROM items WHERE taken = 0)`)
		}
		sorted := slices.Clone(seen)
		slices.Sort(sorted)
		want := w.count(`SELECT count(*) FROM items`)
		if strings.Contains(list, "labels") {
			want = w.count(`SELECT count(*) FROM labels`)
		}
		if len(slices.Compact(sorted)) != len(seen) || len(seen) != want {
			t.Errorf("%s: want %d, each once, got %v", list, want, seen)
		}
		key.get(list + "&cursor=abc").want(400)
	}
}
