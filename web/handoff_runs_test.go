package web

import (
	"strings"
	"testing"

	"assay/eval"
	"assay/internal/auth"
)

func TestResultsAreTakenLineByLine(t *testing.T) {
	g := newGates(t)
	path := g.handoff(nil)
	engineer := g.as(auth.Engineer)
	bad := results(2) + `{"window":"holdout"}` + "\n" + `{"window":"holdout","case_id":"` + `<img src=x onerror=alert(1)>` + `","route":"fly"}` + "\nnonsense\n"
	page := engineer.bring(path+"/runs", bad).want(400).harmless()
	page.says("#results", "5 runs taken, 3 refused. 297 still missing.", "6 case_id has 1 to 200 characters", "7 route is serve, shorten or abstain", "8 not a JSON object")
	page = engineer.bring(path+"/runs", results(2))
	page.to(path)
	engineer.get(path).says("#toasts", "0 runs taken, 5 there already. 297 still missing.", "the first result stays and the line changes nothing: regression case invented_eta, run 1")
	engineer.bring(path+"/runs", "").want(400)
	engineer.post(path+"/runs", form("results", "x")).want(400)
	g.as(auth.ReleaseManager).bring(path+"/runs", results(1)).want(403)
	engineer.bring("/handoffs/99/runs", results(1)).want(404)
}

func TestClosedEvidenceTakesNoResults(t *testing.T) {
	g := newGates(t)
	path := g.handoff(nil)
	engineer := g.as(auth.Engineer)
	engineer.bring(path+"/runs", `{"window":"holdout","case_id":"a","unsafe_claim_served":true}`).to(path)
	page := engineer.get(path).says("#checks h2", "Failed: the candidate violates the required metric, and that is final").says(".head", "Failed")
	if len(page.find("#results, #checks .button")) != 0 {
		t.Error("what is final offers nothing to do")
	}
	engineer.bring(path+"/runs", results(1)).want(409)
}

func TestAMetricOfLabelsSaysThatPeopleMustRead(t *testing.T) {
	g := newGates(t)
	path := g.handoff(func(r *eval.HandoffRequest) { r.RequiredMetric = "hallucination_rate <= 2% on holdout" })
	engineer := g.as(auth.Engineer)
	engineer.get(path).want(200).says("#results", "rests on people’s labels", "an upload cannot carry labels")
	engineer.bring(path+"/runs", strings.ReplaceAll(results(3), `"route"`, `"label":"correct","route"`))
	engineer.get(path).says("#checks", "0 of 3 labeled").says("#checks h2", "3 labels missing")
}
