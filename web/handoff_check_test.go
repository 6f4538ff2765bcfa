package web

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"assay/eval"
	"assay/internal/auth"
	"assay/internal/auth/keys"
	"assay/internal/signing"
)

// TestRolloutControllersAskTheGate asks as three kinds of client do: a CI job
// and a web metric with GET and a header, a webhook with POST and the key in
// the metadata of its own body. All are told no until the gate is open.
func TestRolloutControllersAskTheGate(t *testing.T) {
	sign, err := signing.New("assay")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(w *world) { w.stages.Eval = &eval.Store{DB: w.pool, Signing: sign, Clock: w.clock.now} })
	engineer := auth.Actor{Kind: auth.Person, ID: w.ids[auth.Engineer], Name: "Engineer", Roles: []auth.Role{auth.Engineer}}
	if _, err := w.stages.Eval.Open(context.Background(), engineer, eval.HandoffRequest{FailingTemplateID: "v1", CandidateTemplateID: "v2",
		RequiredMetric: eval.DefaultMetric, RegressionCases: []string{"late parcel"}}); err != nil {
		t.Fatal(err)
	}
	_, key, err := w.stages.Keys.Create(context.Background(), auth.Product(), keys.New{Name: "rollouts", Scopes: []auth.Scope{auth.ScopeCheck}})
	if err != nil {
		t.Fatal(err)
	}
	webhook := func(key string) string {
		return `{"name":"parcel-tracker","namespace":"prod","phase":"Progressing","checksum":"85d557f47b","buildId":"17","type":"confirm-promotion","failedChecks":1,"canaryWeight":10,"iterations":0,"remainingRetries":4,"metadata":{"key":"` + key + `"}}`
	}
	for name, ask := range map[string]struct {
		method, body, header string
		want                 int
	}{
		"a CI job or web metric":     {"GET", "", "Bearer " + key, http.StatusForbidden},
		"a webhook with a key in it": {"POST", webhook(key), "", http.StatusForbidden},
		"a webhook with a header":    {"POST", webhook(""), "Bearer " + key, http.StatusForbidden},
		"a webhook with a wrong key": {"POST", webhook("wb_aaaaaaaaaa_wrong"), "", http.StatusForbidden},
		"a webhook without any key":  {"POST", webhook(""), "", http.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			request, err := http.NewRequest(ask.method, w.url+"/v1/handoffs/1/check", strings.NewReader(ask.body))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Content-Type", "application/json")
			if ask.header != "" {
				request.Header.Set("Authorization", ask.header)
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, _ := io.ReadAll(response.Body)
			told := strings.Contains(string(body), `"allowed":false`) && strings.Contains(string(body), "BLOCKED_PENDING_EVALUATION")
			if response.StatusCode != ask.want || told != (ask.want == http.StatusForbidden && !strings.Contains(ask.body, "wrong")) {
				t.Errorf("want %d, got %d: %s", ask.want, response.StatusCode, body)
			}
		})
	}
}
