package web

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"assay/internal/auth"
	"assay/validators"
	"assay/validators/judge"
)

func TestAJudgeStandsInTheShadowOnItsPage(t *testing.T) {
	w := newWorld(t, workshop)
	engineer := w.as(auth.Engineer)
	engineer.get("/validators/judge").want(404)
	engineer.post("/validators/judge/count", url.Values{"counts": {"on"}, "reason": {"x"}}).want(404)
	asked, err := judge.Open(judge.Config{URL: "https://judge.invalid/v1/chat/completions", Model: foreignText})
	if err != nil {
		t.Fatal(err)
	}
	w.stages.Validators.Judge = &validators.Judging{Judge: asked, Within: time.Second}
	page := engineer.get("/validators/judge").want(200)
	noMarkup(t, page)
	for _, want := range []string{"In the shadow", "0 questions in 30 days", "Let it count"} {
		if got := page.text("#judge"); !strings.Contains(got, want) {
			t.Errorf("the judge's page lacks %q: %q", want, got)
		}
	}
	if got := page.text("#work"); !strings.Contains(got, "does not look at what arrives") {
		t.Errorf("it looks at arrivals before somebody said so: %q", got)
	}
	if got := engineer.post("/validators/judge/count", url.Values{"counts": {"on"}, "reason": {"it looks good"}}).want(409).text("main"); !strings.Contains(got, "agreement with people is not known") {
		t.Errorf("got %q", got)
	}
	engineer.post("/validators/judge/count", url.Values{"counts": {"off"}, "reason": {"not yet"}}).to("/validators/judge")
	w.as(auth.Reviewer).post("/validators/judge/count", url.Values{"counts": {"on"}, "reason": {"x"}}).want(403)
}
