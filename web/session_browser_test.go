package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/google/uuid"

	"assay/internal/auth"
	"assay/internal/browsertest"
	"assay/internal/clickhousetest"
	"assay/telemetry"
)

// tellStory sends a session with everything a session can have, hostile text
// wherever a sender may write, and returns the id of its judged response.
func (w *world) tellStory() uuid.UUID {
	w.t.Helper()
	judged := uuid.New()
	quoted := strings.ReplaceAll(foreignText, `"`, `\"`)
	lines := []string{
		w.eventLine("exposure", "story", 100*time.Second, `,"experiment_id":"`+quoted+`","variant":"B"`),
		w.eventLine("assistant_response", "story", 95*time.Second, `,"task_class":"file_edit","model_version":"v2","prompt":"Rename it. `+quoted+`","response":"`+quoted+` I read the files first.","total_ms":4200,"ttft_ms":1400,"output_tokens":40,"route":"serve"`),
		w.eventLine("gate_trace", "story", 61*time.Second, `,"request_id":"r1","route":"serve","first_failed_stage":"passed","unsafe_claim_served":false`),
		w.eventLine("gate_trace", "story", 60*time.Second, `,"request_id":"r2","route":"serve","first_failed_stage":"claim_generation","unsafe_claim_served":true`),
		w.eventLine("assistant_response", "story", 58*time.Second, fmt.Sprintf(`,"event_id":%q,"request_id":"r2","task_class":"file_edit","model_version":"v2","prompt_template_id":"t9","response":"All 42 tests pass. %s","context":["%s"],"artifact":{"kind":"code","code":"%s"},"total_ms":5700,"ttft_ms":1420,"output_tokens":311,"note":"%s","%s":1`, judged, quoted, quoted, quoted, quoted, quoted)),
		w.eventLine("error", "story", 50*time.Second, `,"error_type":"`+quoted+`","error_message":"`+quoted+`"`),
		w.eventLine("feedback", "story", 40*time.Second, `,"request_id":"r2","explicit_feedback":"down","reason":"`+quoted+`"`),
		w.eventLine("correction", "story", 30*time.Second, `,"request_id":"r2","correction":"`+quoted+`","correction_source":"fix"`),
		w.eventLine("outcome", "story", 20*time.Second, `,"outcome":"`+quoted+`"`),
		w.eventLine("outcome", "bad", 20*time.Second, `,"route":"`+quoted+`"`),
	}
	for i := range 30 {
		lines = append(lines, w.eventLine("tool_step", "story", time.Duration(94-i)*time.Second, fmt.Sprintf(`,"tool_name":"read_file","params_hash":"p%d","progress_marker":"%s","total_ms":500`, i, quoted)))
	}
	w.sender().send("POST", "/v1/events", strings.NewReader(strings.Join(lines, "\n")), nil).want(http.StatusAccepted)
	w.drain()
	ctx := context.Background()
	if err := w.stages.Telemetry.CopyVerdicts(ctx, []telemetry.VerdictRow{{EventID: judged, SessionID: "story", Validator: "text", Version: "1.1.0", Verdict: "fail", Reason: "number_contradicted", Message: foreignText, Evidence: []byte(`{"said":"` + quoted + `"}`), At: w.clock.now(), Revision: 1}}); err != nil {
		w.t.Fatal(err)
	}
	if err := w.stages.Telemetry.CopyLabels(ctx, []telemetry.LabelRow{{EventID: judged, SessionID: "story", Label: "hallucinated", Counted: true, Labels: 1, Timestamp: w.clock.now(), LabeledAt: w.clock.now(), Revision: 1}}); err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.stages.Telemetry.Flag(ctx, auth.Product(), time.Now().Add(-time.Hour), time.Now().Add(time.Hour), func(context.Context, []telemetry.Candidate) error { return nil }); err != nil {
		w.t.Fatal(err)
	}
	return judged
}

// The session pages as a person meets them: nothing that a user or a model
// wrote runs, each width and both themes hold it, and it can be read by all.
func TestTheSessionPagesInARealBrowser(t *testing.T) {
	w := newWorld(t, sealed, unlimited, func(w *world) {
		w.stages.Telemetry = &telemetry.Store{DB: w.pool, Clickhouse: clickhousetest.Database(t), Clock: w.clock.now}
	})
	judged := w.tellStory()
	engineer := w.as(auth.Engineer)
	b := chromium(t)
	b.become(w, engineer)
	event := "/sessions/story?event=" + judged.String()
	for _, p := range []struct{ name, path string }{
		{"sessions", "/sessions"},
		{"sessions-empty", "/sessions?q=nothing+has+this"},
		{"session", "/sessions/story"},
		{"session-log", "/sessions/story?view=log"},
		{"session-waterfall", "/sessions/story?view=waterfall"},
		{"latency", "/rates/latency"},
		{"cost", "/rates/cost"},
		{"views", "/views?save=flag%3Dany"},
		{"session-io", event},
		{"session-attributes", event + "&tab=attributes"},
		{"session-evidence", event + "&tab=evidence"},
		{"session-labels", event + "&tab=labels"},
		{"deadletters", engineer.get("/deadletters").want(http.StatusOK).attr("tbody tr a", "href")},
	} {
		for _, width := range []int64{1440, 1024, 390} {
			for _, theme := range []string{"light", "dark"} {
				t.Run(fmt.Sprintf("%s at %d %s", p.name, width, theme), func(t *testing.T) {
					b := &tab{t, b.ctx}
					w.exec(`UPDATE people SET theme = $1`, theme)
					b.open(w, p.path, width)
					b.photograph(fmt.Sprintf("%s-%d-%s.png", p.name, width, theme))
					if by := js[int](b, `document.documentElement.scrollWidth - innerWidth`); by > 0 {
						t.Errorf("scrolls sideways by %d px", by)
					}
					for _, wrong := range append(b.wrong(), js[[]string](b, browsertest.Overlaps)...) {
						t.Error(wrong)
					}
					if width == 1024 {
						return // the check of 1440 and 390 covers what it has
					}
					for _, found := range b.axe() {
						t.Error(found)
					}
				})
			}
		}
	}
}

// The words of a timeline are placed for a few widths; whatever the width is,
// none stands over another, and what is selected keeps its words.
func TestNoWordsOfATimelineMeet(t *testing.T) {
	w := newTelemetryWorld(t)
	judged := w.tellStory()
	b := chromium(t)
	b.become(w, w.as(auth.Engineer))
	b.open(w, "/sessions/story?event="+judged.String(), 1440)
	shown := `[...document.querySelectorAll('.lane .at')].filter((e) => getComputedStyle(e).display !== 'none' && e.parentElement.getAttribute('aria-label') === '%s').map((e) => e.textContent)`
	for width := int64(390); width <= 1440; width += 35 {
		b.do(chromedp.EmulateViewport(width, 900))
		for _, found := range js[[]string](b, browsertest.Overlaps) {
			t.Errorf("at %d: %s", width, found)
		}
		if words := js[[]string](b, fmt.Sprintf(shown, "Model")); !slices.ContainsFunc(words, func(s string) bool { return strings.HasSuffix(s, "1.4 s") }) {
			t.Errorf("at %d the selected response does not say when its first token came: %q", width, words)
		}
	}
	b.do(chromedp.EmulateViewport(1440, 900))
	if words := js[[]string](b, fmt.Sprintf(shown, "Claim gate")); !slices.Contains(words, "claim_generation is the first failed stage") {
		t.Errorf("the gate lane says %q", words)
	}
}

// A filter and a step through events swap a part of the page and keep the
// address true.
func TestFiltersAndStepsChangeTheAddress(t *testing.T) {
	w := newTelemetryWorld(t)
	w.tellStory()
	b := chromium(t)
	b.become(w, w.as(auth.Engineer))
	b.open(w, "/sessions", 1440)
	js[bool](b, `(() => { const s = document.querySelector('select[name=flag]'); s.value = 'unsafe_claim'; s.dispatchEvent(new Event('change', {bubbles: true})); return true })()`)
	b.until(`location.search.includes('flag=unsafe_claim') && document.querySelectorAll('#sessions tbody tr').length === 1`)
	b.open(w, "/sessions/story", 1440)
	first := js[string](b, `document.querySelector('#details h1, #details h2').innerText`)
	b.do(chromedp.KeyEvent("e"))
	b.until(`location.search.includes('event=') && document.querySelector('#details h1, #details h2').innerText !== ` + fmt.Sprintf("%q", first))
	for _, wrong := range b.wrong() {
		t.Error(wrong)
	}
}
