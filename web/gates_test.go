package web

import (
	"bytes"
	"context"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"assay/eval"
	"assay/internal/auth"
	"assay/internal/signing"
	"assay/labeling"
	"assay/telemetry"
)

// gates is the world with the stage that weighs: its traces and its labels
// come from what the test says.
type gates struct {
	*world
	traces []telemetry.TraceEvent
	cells  []labeling.SampleCell
	store  *eval.Store
}

func newGates(t testing.TB, options ...func(*world)) *gates {
	t.Helper()
	g := &gates{}
	keys, err := signing.New("assay")
	if err != nil {
		t.Fatal(err)
	}
	g.world = newWorld(t, append(options, func(w *world) {
		g.store = &eval.Store{DB: w.pool, Traces: g, Labels: g, Signing: keys, Clock: w.clock.now}
		w.stages.Eval = g.store
		w.stages.Paging = g.store.OpenAlerts
	})...)
	return g
}

// Traces gives the traces of the test.
func (g *gates) Traces(context.Context, auth.Actor, telemetry.Window, telemetry.TraceFilter) ([]telemetry.TraceEvent, error) {
	return g.traces, nil
}

// Sample gives the cells of the test that lie in the window.
func (g *gates) Sample(_ context.Context, _ auth.Actor, f labeling.SampleFilter) ([]labeling.SampleCell, error) {
	var list []labeling.SampleCell
	for _, c := range g.cells {
		if !c.Day.Before(f.From) && c.Day.Before(f.To) && (f.TaskClass == "" || f.TaskClass == c.TaskClass) {
			list = append(list, c)
		}
	}
	return list, nil
}

func (g *gates) evaluate(traces ...telemetry.TraceEvent) {
	g.t.Helper()
	g.traces = traces
	if err := g.store.Evaluate(context.Background(), auth.Product()); err != nil {
		g.t.Fatal(err)
	}
}

// trace is a request that passed the gate, or served something unsafe.
func trace(id, template string, unsafe bool) telemetry.TraceEvent {
	t := telemetry.TraceEvent{RequestID: id, SessionID: "s-" + id, CaseID: "invented_eta", PromptTemplateID: template, Route: "serve", FirstFailedStage: "passed",
		TTFTMS: 200, TotalMS: 400, EffectiveTime: time.Now()}
	if unsafe {
		t.UnsafeClaimServed, t.FirstFailedStage = true, "serving_gate"
	}
	return t
}

// incident fires the policy: two of three requests violate.
func (g *gates) incident() {
	g.t.Helper()
	g.evaluate(trace("req_1", "answerer-v1", false), trace("req_2", "answerer-v1.1", true), trace("req_3", "answerer-v1.1", true))
}

func (g *gates) actor(role auth.Role) auth.Actor {
	return auth.Actor{Kind: auth.Person, ID: g.ids[role], Name: role.Words(), Roles: []auth.Role{role}, SteppedUp: g.clock.now()}
}

// handoff opens one from the API's point of view and returns its address.
func (g *gates) handoff(change func(*eval.HandoffRequest)) string {
	g.t.Helper()
	request := eval.HandoffRequest{FailingTemplateID: "answerer-v1.1", CandidateTemplateID: "answerer-v1.2", RequiredMetric: eval.DefaultMetric, RegressionCases: []string{"invented_eta"}}
	if change != nil {
		change(&request)
	}
	h, err := g.store.Open(context.Background(), g.actor(auth.Engineer), request)
	if err != nil {
		g.t.Fatal(err)
	}
	return handoffURL(h.ID)
}

// results are the lines of a candidate that does no harm.
func results(holdout int) string {
	var b strings.Builder
	for repeat := 1; repeat <= 3; repeat++ {
		fmt.Fprintf(&b, `{"window":"regression","case_id":"invented_eta","repeat":%d,"unsafe_claim_served":false,"route":"serve","output":"The carrier has not said."}`+"\n", repeat)
	}
	for i := range holdout {
		fmt.Fprintf(&b, `{"window":"holdout","case_id":"parcel-%03d","unsafe_claim_served":false,"route":"serve"}`+"\n", i)
	}
	return b.String()
}

// bring sends a file of results as the page's form does.
func (b *browser) bring(path, lines string) *answer {
	b.w.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	if err := form.WriteField(formField, b.token()); err != nil {
		b.w.t.Fatal(err)
	}
	if lines != "" {
		file, err := form.CreateFormFile("results", "results.jsonl")
		if err != nil {
			b.w.t.Fatal(err)
		}
		fmt.Fprint(file, lines)
	}
	form.Close()
	return b.send("POST", path, &body, http.Header{"Content-Type": {form.FormDataContentType()}})
}

// says fails the test unless the element's words hold each of these.
func (a *answer) says(selector string, want ...string) *answer {
	a.t.Helper()
	text := a.text(selector)
	for _, words := range want {
		if !strings.Contains(text, words) {
			a.t.Errorf("%s lacks %q: %s", selector, words, clip(text, 3000))
		}
	}
	return a
}

// harmless fails the test when foreign text became markup.
func (a *answer) harmless() *answer {
	a.t.Helper()
	if len(a.find("main img, main script, main [onerror]")) != 0 {
		a.t.Error("foreign text became markup")
	}
	return a
}

func form(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}
