package web

import (
	"net/url"
	"strconv"
	"strings"
	"testing"

	"assay/internal/auth"
)

func TestAnOwnValidatorIsRegisteredTriedActivatedAndRetired(t *testing.T) {
	w := newWorld(t, workshop)
	engineer := w.as(auth.Engineer)
	if got := engineer.get("/validators/new").want(200).text("#register"); !strings.Contains(got, "Register the version") {
		t.Errorf("got %q", got)
	}
	form := func(change func(url.Values)) url.Values {
		v := url.Values{"name": {"promises"}, "says": {foreignText}, "language": {"javascript"}, "reads": {"response"}, "wall_ms": {"8000"}, "task_classes": {"summarization"}, "artifacts": {""},
			"script":   {`const check = (r) => r.response.includes("guaranteed") ? {verdict: "fail", reason: "promise", message: "It promises."} : {verdict: "pass", reason: "none", message: ""}`},
			"canaries": {`[{"name":"promises","want":"fail","response":"guaranteed"},{"name":"promises nothing","want":"pass","response":"maybe"}]`}}
		change(v)
		return v
	}
	keep := func(url.Values) {}
	for want, change := range map[string]func(url.Values){
		"Canaries are a JSON list":    func(v url.Values) { v.Set("canaries", "{") },
		"at least one canary that":    func(v url.Values) { v.Set("canaries", `[{"name":"a","want":"pass"}]`) },
		"A validator's name has":      func(v url.Values) { v.Set("name", "Ü") },
		"reads at least one of":       func(v url.Values) { v.Del("reads") },
		"at most 200 to 30,000 ms":    func(v url.Values) { v.Set("wall_ms", "soon") },
		"The product has a validator": func(v url.Values) { v.Set("name", "formula") },
	} {
		if got := engineer.post("/validators", form(change)).want(400).text(".banner"); !strings.Contains(got, want) {
			t.Errorf("want %q, got %q", want, got)
		}
	}
	engineer.post("/validators", form(keep)).to("/validators/own/1")
	engineer.post("/validators", form(keep)).want(409)
	noMarkup(t, engineer.get("/validators/own/1").want(200))
	engineer.post("/validators/own/1", url.Values{"act": {"try"}}).to("/validators/own/1")
	if got := engineer.get("/validators/own/1").text("#canaries"); strings.Contains(got, "not tried") {
		t.Errorf("got %q", got)
	}
	engineer.get("/validators/promises").want(404)
	engineer.post("/validators/own/1", url.Values{"act": {"activate"}, "on_arrival": {"on"}}).to("/validators/own/1")
	noMarkup(t, engineer.get("/validators/promises").want(200))
	list := engineer.get("/validators").want(200)
	noMarkup(t, list)
	if got := list.text("#own"); !strings.Contains(got, "2 of 2") || !strings.Contains(got, "active") {
		t.Errorf("got %q", got)
	}
	var verdict struct{ Validator, Verdict, Reason string }
	w.program(auth.ScopeValidate).sendText("/v1/validate?validator=promises", `{"artifact":{"kind":"response","response":"It is guaranteed."}}`).want(200).json(&verdict)
	if verdict.Validator != "promises" || verdict.Verdict != "fail" || verdict.Reason != "promise" {
		t.Errorf("got %+v", verdict)
	}
	engineer.get("/validators/new?from=1").want(200)
	engineer.post("/validators", form(func(v url.Values) { v.Set("wall_ms", "9000") })).to("/validators/own/3")
	engineer.post("/validators/own/3", url.Values{"act": {"activate"}}).to("/validators/own/3")
	if got := engineer.get("/validators/own/1").text(".head"); !strings.Contains(got, "retired") {
		t.Errorf("a new version takes the place of the one before: %q", got)
	}
	engineer.post("/validators/own/3", url.Values{"act": {"retire"}}).to("/validators/own/3")
	engineer.post("/validators/own/3", url.Values{"act": {"retire"}}).want(409)
	engineer.get("/validators/own/9").want(404)
	w.as(auth.Reviewer).get("/validators/own/1").want(200)
	w.as(auth.Reviewer).post("/validators/own/1", url.Values{"act": {"activate"}}).want(403)

	key := w.program(auth.ScopeHandoff)
	var made struct {
		ID      int64
		Version string
	}
	key.sendText("/v1/own-validators", `{"name":"always","says":"Always.","language":"javascript","reads":["prompt"],"script":"const check = () => ({verdict: 'pass', reason: 'always', message: ''})",
		"canaries":[{"name":"a","want":"pass"},{"name":"b","want":"fail"}]}`).want(201).json(&made)
	key.sendText("/v1/own-validators/"+strconv.FormatInt(made.ID, 10)+"/activate?on_arrival=true", "").want(409)
}
