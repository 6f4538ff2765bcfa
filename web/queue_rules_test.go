package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"assay/internal/auth"
)

func TestAnEngineerTriesARuleAndPutsItInForce(t *testing.T) {
	w := queued(t, "sql_query", "one", "two")
	b := w.as(auth.Engineer)
	b.get("/queues/sql_query/rules").want(http.StatusOK)
	form := url.Values{"rule": {"new-model"}, "models": {"secret-model-v9\n" + hostile}, "flag": {"negative_feedback"}, "design": {"smallest"}, "cap_negative": {"1"}, "days": {"7"}}

	form.Set("act", "try")
	page := b.post("/queues/sql_query/rules", form).want(http.StatusOK)
	if !strings.Contains(page.Body, "Dry run") || !strings.Contains(page.Body, "Responses of 7 days") || len(page.find(`#edit input[value="new-model"]`)) != 1 {
		t.Error("a dry run says what it found and keeps what was typed")
	}
	if strings.Contains(page.Body, hostile) {
		t.Error("what was typed is text")
	}
	if n := w.count(`SELECT count(*) FROM queue_rules WHERE part <> ''`); n != 0 {
		t.Errorf("a dry run makes no rule, got %d", n)
	}

	form.Set("act", "set")
	b.post("/queues/sql_query/rules", form).to("/queues/sql_query/rules?rule=new-model")
	b.post("/queues/sql_query/rules", form).to("/queues/sql_query/rules?rule=new-model")
	if n := w.count(`SELECT max(version) FROM queue_rules WHERE part = 'new-model'`); n != 2 {
		t.Errorf("each change is a version: want 2, got %d", n)
	}
	b.get("/queues/sql_query/rules?rule=new-model&days=7").want(http.StatusOK)

	form.Set("cap_negative", "many")
	refused := b.post("/queues/sql_query/rules", form).want(http.StatusUnprocessableEntity)
	if !strings.Contains(refused.Body, "whole numbers") || !strings.Contains(refused.Body, "many") {
		t.Error("a wrong cap is refused in words, and stays")
	}

	b.post("/queues/sql_query/backfill", url.Values{"days": {"7"}}).to("/queues/sql_query/rules")
	b.post("/queues/sql_query/rules/new-model/retire", nil).to("/queues/sql_query/rules")
	b.post("/queues/sql_query/discovery", url.Values{"title": {"Costly ones"}, "by_size": {"yes"}}).to("/queues/costly-ones/rules?new=yes")
	b.get("/queues/costly-ones/rules?new=yes").want(http.StatusOK)
	b.get("/queues/costly-ones/rules").want(http.StatusOK)
	b.get("/queues/costly-ones").want(http.StatusOK)
	b.get("/queues/sql_query").want(http.StatusOK)
	w.as(auth.Labeler).post("/queues/sql_query/rules", form).want(http.StatusForbidden)
}

func TestProgramsSetRulesOnce(t *testing.T) {
	w := queued(t, "sql_query", "one", "two")
	key := w.program(auth.ScopeHandoff, auth.ScopeRead)
	rule := map[string]any{"rule": "new-model", "conditions": map[string]any{"model_versions": []string{"secret-model-v9"}}, "share": 0.5}
	key.header.Set("Idempotency-Key", "rule-1")
	first := key.postJSON("/v1/queues/sql_query/rules", rule).want(http.StatusCreated)
	again := key.postJSON("/v1/queues/sql_query/rules", rule).want(http.StatusCreated)
	if first.Body != again.Body {
		t.Errorf("the second call answers as the first:\n%s\n%s", first.Body, again.Body)
	}
	if n := w.count(`SELECT count(*) FROM queue_rules WHERE part = 'new-model'`); n != 1 {
		t.Errorf("want one version, got %d", n)
	}
	key.header.Set("Idempotency-Key", "try-1")
	dry := key.postJSON("/v1/queues/sql_query/rules/dry-run", map[string]any{"rule": "new-model", "conditions": map[string]any{"model_versions": []string{"secret-model-v9"}}}).want(http.StatusOK)
	if !strings.Contains(dry.Body, `"matched":2`) {
		t.Errorf("got %s", dry.Body)
	}
	key.header.Set("Idempotency-Key", "try-2")
	refused := key.postJSON("/v1/queues/sql_query/rules", map[string]any{"rule": "empty"}).want(http.StatusBadRequest)
	if !strings.HasPrefix(refused.Header.Get("Content-Type"), "application/problem+json") {
		t.Errorf("a refusal is a problem document, got %s", refused.Header.Get("Content-Type"))
	}
	key.header.Set("Idempotency-Key", "retire-1")
	for range 2 {
		key.postJSON("/v1/queues/sql_query/rules/new-model/retire", nil).want(http.StatusOK)
	}
	if list := key.get("/v1/queues/sql_query/rules").want(http.StatusOK); strings.Contains(list.Body, "new-model") {
		t.Errorf("a retired rule is not in force: %s", list.Body)
	}
}
