package web

import (
	"net/http"
	"strings"
	"testing"

	"assay/internal/auth"
)

type handoffReply struct {
	ID              int64
	PromotionStatus string   `json:"promotion_status"`
	MetricHash      string   `json:"required_metric_hash"`
	RegressionCases []string `json:"regression_cases"`
	HoldoutNeeded   int      `json:"holdout_needed"`
	EvidenceHash    string   `json:"evidence_hash"`
	Headline        string
	Checks          []struct{ Name, Finding string }
	Approvals       []struct{ Name string }
}

type checkReply struct {
	Allowed         bool
	PromotionStatus string `json:"promotion_status"`
	Reasons         []string
	Needed          map[string]int
	EvidenceHash    string `json:"evidence_hash"`
}

// sendLines posts a body as a pipeline does.
func (b *browser) sendLines(path, body string) *answer {
	b.w.t.Helper()
	return b.send("POST", path, strings.NewReader(body), http.Header{"Content-Type": {"application/x-ndjson"}})
}

func TestAPipelineOpensMeasuresAndAsks(t *testing.T) {
	g := newGates(t)
	ci := g.program(auth.ScopeHandoff)
	put := func(id, text string, want int) {
		t.Helper()
		ci.send("PUT", "/v1/templates/"+id, strings.NewReader(`{"text":"`+text+`","parameters":{"temperature":0}}`), http.Header{"Content-Type": {"application/json"}}).want(want)
	}
	put("answerer-v1.2", "one", 200)
	put("answerer-v1.2", "two", 200)
	var h handoffReply
	ci.postJSON("/v1/handoffs", map[string]any{"failing_template_id": "answerer-v1.1", "candidate_template_id": "answerer-v1.2",
		"required_metric": "unsafe_claim_served == 0 on regression and holdout windows", "regression_cases": []string{"invented_eta"}, "max_rate": .01, "alpha": .05, "holdout_min": 299}).want(201).json(&h)
	if h.ID != 1 || h.PromotionStatus != "BLOCKED_PENDING_EVALUATION" || !strings.HasPrefix(h.MetricHash, "sha256:") || h.HoldoutNeeded != 299 || len(h.RegressionCases) != 1 {
		t.Fatalf("opened: %+v", h)
	}
	put("answerer-v1.2", "three", 409)
	put("answerer-v1.2", "two", 200)

	var upload struct {
		Accepted, Missing, Duplicate int
		Rejected                     []struct {
			Line  int
			Error string
		}
	}
	ci.sendLines("/v1/handoffs/1/runs", results(160)+"nonsense\n").want(200).json(&upload)
	if upload.Accepted != 163 || upload.Missing != 139 || len(upload.Rejected) != 1 || upload.Rejected[0].Line != 164 {
		t.Errorf("upload: %+v", upload)
	}
	var check checkReply
	g.program(auth.ScopeCheck).get("/v1/handoffs/1/check").want(403).json(&check)
	if check.Allowed || check.PromotionStatus != "INCONCLUSIVE" || check.Needed["holdout_cases"] != 139 || check.Needed["approvals"] != 2 ||
		len(check.Reasons) != 1 || !strings.Contains(check.Reasons[0], "139 more cases") || check.EvidenceHash == "" {
		t.Errorf("check: %+v", check)
	}
	ci.sendLines("/v1/handoffs/1/check", `{"name":"podinfo","namespace":"test","phase":"Progressing","metadata":{}}`).want(403)
	ci.get("/v1/handoffs/1").want(200).json(&h)
	if h.Headline != "Blocked: holdout 160 of 299, then 2 approvals" || len(h.Checks) != 3 {
		t.Errorf("got %+v", h)
	}
	ci.get("/v1/handoffs/1/certificate").want(409)
	ci.get("/v1/handoffs/9/check").want(404)
	ci.get("/v1/handoffs/9").want(404)
	g.program(auth.ScopeIngest).get("/v1/handoffs/1/check").want(403)
}

func TestAKeyNeverSigns(t *testing.T) {
	g, path, _ := readyGates(t)
	all := g.program(auth.Scopes...)
	body := map[string]any{"decision": "approve", "evidence_hash": "sha256:x", "comment": ""}
	for _, act := range []string{"/approvals", "/promote", "/revoke"} {
		if got := all.postJSON("/v1"+path+act, body).Status; got != 401 && got != 403 {
			t.Errorf("a key on %s: %d", act, got)
		}
	}
	if n := g.count(`SELECT count(*) FROM approvals`); n != 0 {
		t.Errorf("%d signatures", n)
	}
}

func TestPeopleSignOverTheAPI(t *testing.T) {
	g, path, second := readyGates(t)
	var h handoffReply
	first := g.as(auth.ReleaseManager)
	first.get("/v1" + path).want(200).json(&h)
	sign := func(b *browser, decision string, want int) *answer {
		t.Helper()
		return b.postJSON("/v1"+path+"/approvals", map[string]any{"decision": decision, "evidence_hash": h.EvidenceHash, "comment": "read"}).want(want)
	}
	sign(first, "maybe", 400)
	sign(first, "approve", 201)
	sign(first, "approve", 409)
	other := g.signIn(second)
	sign(other, "approve", 201).json(&h)
	if h.PromotionStatus != "APPROVED" || len(h.Approvals) != 2 {
		t.Errorf("got %+v", h)
	}
	sign(g.as(auth.Engineer), "approve", 403)
	other.postJSON("/v1"+path+"/promote", map[string]any{}).want(200).json(&h)
	if h.PromotionStatus != "PROMOTED" {
		t.Errorf("got %+v", h)
	}
	other.postJSON("/v1"+path+"/revoke", map[string]any{"reason": "abstentions rose"}).want(200)
	g.program(auth.ScopeCheck).get("/v1" + path + "/check").want(403)
}

func TestIncidentsOverTheAPI(t *testing.T) {
	g := newGates(t)
	g.incident()
	reader := g.program(auth.ScopeRead)
	var card map[string]any
	reader.get("/v1/incidents/1").want(200).json(&card)
	for name, want := range map[string]any{"policy_id": "delivery-grounding-slo-v1", "exemplar_request_id": "req_2", "template_id": "answerer-v1.1", "evidence_version": nil,
		"first_failed_stage": "serving_gate", "first_check": "Compare serving-gate template with answerer-v1.", "finding": "PAGE unsafe_claim_served=2/3", "violating_requests": 2.0, "requests": 3.0} {
		if card[name] != want {
			t.Errorf("%s: want %v, got %v", name, want, card[name])
		}
	}
	reader.get("/v1/incidents/2").want(404)
	reader.get("/v1/incidents").want(200)
	g.program(auth.ScopeCheck).get("/v1/incidents").want(403)
}
