package validators

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"assay/internal/fault"
	"assay/internal/outbound"
	"assay/internal/postgrestest"
	"assay/internal/stats"
	"assay/validators/judge"
)

// plainJudge fails what speaks of Madrid and passes the rest; away answers
// nothing but 503.
func plainJudge(t *testing.T, away *bool) *Judging {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if *away {
			w.WriteHeader(503)
			return
		}
		body, _ := io.ReadAll(r.Body)
		var question struct{ Messages []struct{ Content string } }
		json.Unmarshal(body, &question)
		lines := strings.Split(question.Messages[1].Content, "\n")
		var text judge.Text
		json.Unmarshal([]byte(lines[1]), &text)
		verdict, words := "pass", text.Response
		if strings.Contains(text.Response, "Madrid") {
			verdict = "fail"
		}
		answer, _ := json.Marshal(map[string]any{"nonce": strings.TrimPrefix(lines[0], "BEGIN "), "verdict": verdict, "explanation": "As the context says.", "quotes": []judge.Quote{{From: "response", Text: words}}})
		json.NewEncoder(w).Encode(map[string]any{"choices": []any{map[string]any{"message": map[string]string{"content": string(answer)}}}, "usage": map[string]int{"prompt_tokens": 50, "completion_tokens": 10}})
	}))
	t.Cleanup(server.Close)
	j, err := judge.Open(judge.Config{URL: server.URL, Model: "local", Within: 5 * time.Second, BackOff: time.Millisecond, Guard: outbound.Guard{Allow: []string{"127.0.0.1"}}})
	if err != nil {
		t.Fatal(err)
	}
	return &Judging{Judge: j, PriceIn: 2, PriceOut: 8, Within: 5 * time.Second}
}

func TestAJudgeStaysInTheShadowUntilAPersonLetsItCount(t *testing.T) {
	db := postgrestest.Database(t)
	away := false
	s := &Store{DB: db, Set: quickSet(t), Judge: plainJudge(t, &away)}
	subjects := []Subject{{EventID: uuid.New(), SessionID: "a", TaskClass: "order_tracking"}, {EventID: uuid.New(), SessionID: "b", TaskClass: "order_tracking"}}
	inputs := map[uuid.UUID]Input{subjects[0].EventID: {Text: &Text{Response: "It is in Madrid now."}}, subjects[1].EventID: {Text: &Text{Response: "It is in Rotterdam."}}}
	read := func(context.Context, []uuid.UUID) (map[uuid.UUID]Input, error) { return inputs, nil }
	if n, err := s.Ask(t.Context(), product, OnArrival, subjects); err != nil || n != 0 {
		t.Fatalf("it is asked about arrivals before anybody said so: %d %v", n, err)
	}
	if err := s.SetArrival(t.Context(), engineer, "judge", true, nil); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Ask(t.Context(), product, OnArrival, subjects); err != nil || n != 2 {
		t.Fatalf("got %d %v", n, err)
	}
	away = true
	if _, err := s.Batch(t.Context(), product, "judge", read); fault.Of(err) != fault.Unavailable {
		t.Errorf("away, it says nothing: %v", err)
	}
	if n := count(t, db, `SELECT count(*) FROM suspensions`) + count(t, db, `SELECT count(*) FROM checks WHERE dead_at IS NOT NULL`); n != 0 {
		t.Error("its being away is held against it")
	}
	away = false
	if done, err := s.Batch(t.Context(), product, "judge", read); err != nil || done.Judged != 2 {
		t.Fatalf("got %+v %v", done, err)
	}
	if n := count(t, db, `SELECT count(*) FROM verdicts WHERE validator = 'judge' AND shadow`); n != 2 {
		t.Errorf("%d verdicts in the shadow", n)
	}
	if of, err := s.Latest(t.Context(), engineer, []uuid.UUID{subjects[0].EventID}); err != nil || len(of) != 0 || count(t, db, `SELECT count(*) FROM verdict_outbox`) != 0 {
		t.Errorf("what is in the shadow reaches others: %v %v", of, err)
	}
	j, err := s.JudgeNow(t.Context(), engineer)
	if err != nil || j.Counts || j.Questions < 5 || j.TokensIn != 50*(j.Questions-j.Failed) || j.Failed == 0 || j.Cost <= 0 {
		t.Errorf("what it took: %+v %v", j, err)
	}
	known := stats.Estimate{Defined: true, Value: .9, Interval: stats.Interval{Low: .7, High: .97}}
	for what, e := range map[string]stats.Estimate{"unknown": {}, "thin": {Defined: true, Thin: true, Interval: stats.Interval{Low: .9}}, "a coin": {Defined: true, Interval: stats.Interval{Low: .4}}} {
		if err := s.LetJudgeCount(t.Context(), engineer, true, known, e, "good enough"); fault.Of(err) != fault.Conflict {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := s.LetJudgeCount(t.Context(), engineer, true, known, known, "good enough"); err != nil {
		t.Fatal(err)
	}
	third := Subject{EventID: uuid.New(), SessionID: "c", TaskClass: "order_tracking"}
	inputs[third.EventID] = Input{Text: &Text{Response: "It left Madrid on Monday."}}
	if _, err := s.Ask(t.Context(), product, OnSchedule, []Subject{third}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Batch(t.Context(), product, "judge", read); err != nil {
		t.Fatal(err)
	}
	of, err := s.Latest(t.Context(), engineer, []uuid.UUID{third.EventID})
	if err != nil || len(of[third.EventID]) != 1 || of[third.EventID][0].Verdict != Fail || !strings.Contains(string(of[third.EventID][0].Evidence), "It left Madrid") || !strings.HasPrefix(of[third.EventID][0].Sandbox, "outside") {
		t.Errorf("it counts now, with its quotations: %+v %v", of, err)
	}
	if n := count(t, db, `SELECT count(*) FROM canary_rounds WHERE validator = 'judge'`); n != 1 {
		t.Errorf("its canaries were asked for %d rounds: each costs", n)
	}
}
