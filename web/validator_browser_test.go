package web

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"assay/internal/auth"
	"assay/internal/clickhousetest"
	"assay/telemetry"
	"assay/validators"
)

// The pages of validators in a real browser, wide and light, narrow and dark,
// with hostile words where people and models write.
func TestTheValidatorsPagesInARealBrowser(t *testing.T) {
	w := newWorld(t, unlimited, workshop, func(w *world) {
		w.stages.Telemetry = &telemetry.Store{DB: w.pool, Clickhouse: clickhousetest.Database(t), Clock: w.clock.now}
	})
	landed(w, "6", "7")
	engineer := w.as(auth.Engineer)
	engineer.post("/validators", url.Values{"name": {"own"}, "says": {foreignText}, "language": {"javascript"}, "reads": {"response"}, "wall_ms": {"9000"}, "task_classes": {""}, "artifacts": {""}, "script": {"function check(r) { return {verdict: r.response == 'a' ? 'pass' : 'fail', reason: 'x', message: " + fmt.Sprintf("%q", foreignText) + "} }"},
		"canaries": {`[{"name":"a","want":"pass","response":"a"},{"name":"b","want":"fail","response":"b"}]`}}).want(400) // a name of the product's
	engineer.post("/validators", url.Values{"name": {"mine"}, "says": {foreignText}, "language": {"javascript"}, "reads": {"response"}, "wall_ms": {"9000"}, "task_classes": {""}, "artifacts": {""}, "script": {"function check(r) { return {verdict: r.response == 'a' ? 'pass' : 'fail', reason: 'x', message: " + fmt.Sprintf("%q", foreignText) + "} }"},
		"canaries": {`[{"name":"a","want":"pass","response":"a"},{"name":"b","want":"fail","response":"b"}]`}}).to("/validators/own/1")
	engineer.post("/validators/own/1", url.Values{"act": {"activate"}}).to("/validators/own/1")
	engineer.post("/validators/formula/schedules", url.Values{"every": {"90"}, "zone": {"UTC"}, "task_class": {foreignText[:50]}, "percent": {"50"}}).to("/validators/formula#work")
	at := w.clock.now().UTC()
	engineer.post("/validators/formula/reruns", url.Values{"from": {at.Add(-2 * time.Hour).Format(time.RFC3339)}, "to": {at.Add(time.Hour).Format(time.RFC3339)}, "reason": {foreignText}}).to("/reruns/1")
	if err := w.stages.Validators.FillRerun(context.Background(), auth.Product(), 1, w.site.inWindow(auth.Product())); err != nil {
		t.Fatal(err)
	}
	judged(w)
	w.stages.Validators.Set = validators.NewSet(jammed{})
	engineer.post("/validators/self-test", nil).to("/validators")

	b := chromium(t)
	for _, path := range []string{"/validators", "/validators/formula", "/validators/mine", "/validators/formula/rerun", "/reruns/1", "/validators/new", "/validators/own/1"} {
		for width, theme := range map[int64]string{1440: "light", 390: "dark"} {
			t.Run(fmt.Sprintf("%s at %d %s", strings.Trim(path, "/"), width, theme), func(t *testing.T) {
				b := &tab{t, b.ctx}
				w.exec(`UPDATE people SET theme = $1`, theme)
				b.become(w, engineer)
				b.open(w, path, width)
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
