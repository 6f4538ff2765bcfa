package web

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"assay/internal/auth"
)

// The pages around labels as a person meets them, wide and narrow, with
// hostile text where people write.
func TestThePagesAroundLabelsInARealBrowser(t *testing.T) {
	w := twoVersions(t)
	ctx := context.Background()
	labeler, engineer, reviewer, manager := w.as(auth.Labeler), w.as(auth.Engineer), w.as(auth.Reviewer), w.as(auth.ReleaseManager)
	address := labeler.next("sql_query")
	page := labeler.get(address).want(200)
	form := answerOn(page, "hallucinated")
	form.Set("note", hostile)
	form.Set("correction", hostile)
	labeler.post(page.attr("#label-form", "action"), form).want(303)
	engineer.post(address+"/comments", url.Values{"body": {hostile + " @Labeler"}}).want(303)
	said := engineer.get(address + "/discussion").want(200)
	engineer.post(address+"/disputes", url.Values{"label": {said.attr(`form[action$="/disputes"] input[name=label]`, "value")}, "objection": {hostile}}).want(303)
	engineer.post("/datasets", url.Values{"title": {hostile}}).want(303)
	if err := w.stages.Labeling.FreezeVersion(ctx, auth.Product(), 1); err != nil {
		t.Fatal(err)
	}
	dataset := "/datasets/" + strings.TrimPrefix(engineer.get("/datasets").want(200).attr(`main table a`, "href"), "/datasets/")
	engineer.post(dataset+"/exports", url.Values{"version": {"1"}, "format": {"parquet"}}).want(303)
	engineer.post("/comparisons", url.Values{"title": {"Pair " + hostile}, "task_class": {"sql_query"}, "first": {"version-new"}, "second": {"version-old"}, "wanted": {"1"}}).want(303)
	comparison := engineer.get("/comparisons").want(200).attr(`main table a`, "href")
	pair := labeler.post(comparison+"/next", nil).want(303).Header.Get("Location")
	engineer.post("/grants", url.Values{"queue": {"sql_query"}, "reason": {"Long enough, and " + hostile}, "labeler": {fmt.Sprint(w.ids[auth.Labeler])}, "hours": {"8"}}).want(303)

	b := chromium(t)
	for _, p := range []struct {
		name string
		who  *browser
		path string
	}{
		{"discussion", reviewer, address + "/discussion"},
		{"discussion-labeler", labeler, address + "/discussion"},
		{"disputes", reviewer, "/disputes"},
		{"inbox", labeler, "/inbox"},
		{"own-work", labeler, "/labels"},
		{"queue-settings", engineer, "/queues/sql_query/settings"},
		{"keyboard", labeler, "/settings/keyboard"},
		{"datasets", engineer, "/datasets"},
		{"dataset", engineer, dataset},
		{"import", engineer, "/datasets/import"},
		{"comparisons", engineer, "/comparisons"},
		{"comparison", engineer, comparison},
		{"pair", labeler, pair},
		{"grants", manager, "/grants"},
		{"grants-ask", engineer, "/grants"},
	} {
		for width, theme := range map[int64]string{1440: "light", 390: "dark"} {
			t.Run(fmt.Sprintf("%s at %d %s", p.name, width, theme), func(t *testing.T) {
				b := &tab{t, b.ctx}
				w.exec(`UPDATE people SET theme = $1`, theme)
				b.become(w, p.who)
				b.open(w, p.path, width)
				b.photograph(fmt.Sprintf("%s-%d-%s.png", p.name, width, theme))
				if by := js[int](b, `document.documentElement.scrollWidth - innerWidth`); by > 0 {
					t.Errorf("scrolls sideways by %d px", by)
				}
				for _, wrong := range b.wrong() {
					t.Error(wrong)
				}
				for _, found := range b.axe() {
					t.Error(found)
				}
			})
		}
	}
}
