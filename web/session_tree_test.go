package web

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"assay/internal/auth"
	"assay/labeling"
	"assay/telemetry"
)

func TestEventsStandUnderTheSpanThatBeganThem(t *testing.T) {
	start := time.Date(2026, 11, 20, 14, 0, 0, 0, time.UTC)
	event := func(second int, span, parent string) telemetry.TimelineEvent {
		return telemetry.TimelineEvent{EventID: uuid.New(), What: span, TraceID: "t", SpanID: span, ParentSpanID: parent, At: start.Add(time.Duration(second) * time.Second)}
	}
	page := []telemetry.TimelineEvent{
		event(1, "model", "run"), event(2, "tool", "model"), event(3, "x", "y"), event(4, "y", "x"), event(5, "self", "self"),
		event(6, "orphan", "elsewhere"), event(7, "", ""), event(0, "run", ""), event(3, "tool2", "model"),
	}
	other := event(8, "file", "model") // the same span id in another trace is another span
	other.TraceID = "u"
	got := ""
	for _, n := range nestedOf(append(page, other)) {
		got += fmt.Sprintf("%d%s ", n.depth, n.What)
	}
	if want := "0run 1model 2tool 2tool2 0self 0orphan 0 0file 0x 1y "; got != want {
		t.Errorf("want %s\ngot  %s", want, got)
	}
	var chain []telemetry.TimelineEvent
	for i := range 20_000 { // deeper than any stack
		chain = append(chain, event(i, fmt.Sprint("s", i), fmt.Sprint("s", i-1)))
	}
	if list := nestedOf(chain); len(list) != 20_000 || list[19_999].depth != 19_999 {
		t.Errorf("a chain is as deep as it is long, got %d", len(list))
	}
}

func TestASessionIsATreeAndAWaterfall(t *testing.T) {
	w := newTelemetryWorld(t)
	id := uuid.New()
	quoted := strings.ReplaceAll(foreignText, `"`, `\"`)
	trace := strings.Repeat("ab", 16)
	w.sender().send("POST", "/v1/events", strings.NewReader(strings.Join([]string{
		w.eventLine("span", "s", 60*time.Second, `,"trace_id":"`+trace+`","span_id":"00000000000000a1","total_ms":9000,"attributes":{"name":"`+quoted+`"}`),
		w.eventLine("assistant_response", "s", 50*time.Second, fmt.Sprintf(`,"event_id":%q,"trace_id":%q,"span_id":"00000000000000a2","parent_span_id":"00000000000000a1","model_version":"m1","response":"x","total_ms":4000,"ttft_ms":1000,"request_id":"r1"`, id, trace)),
		w.eventLine("tool_step", "s", 48*time.Second, `,"trace_id":"`+trace+`","span_id":"00000000000000a3","parent_span_id":"00000000000000a2","tool_name":"run_tests","result_status":"error","total_ms":500`),
		w.eventLine("correction", "s", 29*time.Second, `,"request_id":"r1","correction":"y","correction_source":"fix","correction_delay_ms":18500`),
		w.eventLine("feedback", "s", 20*time.Second, `,"request_id":"r1","explicit_feedback":"down","reason":"incorrect"`),
	}, "\n")), nil).want(http.StatusAccepted)
	w.drain()
	if err := w.stages.Telemetry.CopyVerdicts(context.Background(), []telemetry.VerdictRow{{EventID: id, SessionID: "s", Validator: "text", Verdict: "fail", At: w.clock.now(), Revision: 1}}); err != nil {
		t.Fatal(err)
	}
	engineer := w.as(auth.Engineer)
	tree := engineer.get("/sessions/s?view=tree").want(200)
	noMarkup(t, tree)
	rows := tree.find("#log tbody tr")
	if len(rows) != 5 || len(tree.find("#log svg.branch")) != 2 {
		t.Errorf("want 5 rows, 2 of them deeper: %d, %d", len(rows), len(tree.find("#log svg.branch")))
	}
	tree.says("#log", "18.5 s after the response", "30.0 s after the response")
	fall := engineer.get("/sessions/s?view=waterfall").want(200)
	noMarkup(t, fall)
	if len(fall.find("#log svg .bar-of")) != 5 || len(fall.find(".timeline")) != 0 {
		t.Error("every event is on one scale")
	}
	if link := fall.attr("#log tbody tr a", "href"); !strings.Contains(link, "view=waterfall") {
		t.Errorf("a step stays in its view: %s", link)
	}
	at := engineer.get("/sessions/s?event=" + id.String()).want(200)
	if len(at.find(`[data-act=next_failure]`)) != 1 {
		t.Error("from a failed verdict the next failure is one key away")
	}
	if link := at.attr("#details [data-copy$='"+id.String()+"']", "data-copy"); link != w.url+"/sessions/s?event="+id.String() {
		t.Errorf("the link to an event is stable: %s", link)
	}
	engineer.get("/sessions/s").says(".timeline", "18.5 s after the response")
}

func TestLabelHistoryIsInTheDetails(t *testing.T) {
	h := historyOf([]labeling.Revision{
		{Labeler: "Noor", Label: "hallucinated", Revision: 1, Reasons: []string{"wrong_value"}, Confidence: "high", GuideVersion: 3, Queue: "sql_query", Note: foreignText},
		{Labeler: "Noor", Label: "", Revision: 2, Queue: "sql_query"},
		{Labeler: "Piet", Label: "correct", Decision: true, Own: true, Revision: 1, Queue: "sql_query"},
	})
	var b strings.Builder
	if err := h.Render(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"said <b>hallucinated", "wrong value, high confidence, guide 3, queue sql_query", "took the label back", "decided <b>correct", "Piet, you", "&lt;script&gt;"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("want %q in %s", want, b.String())
		}
	}
}
