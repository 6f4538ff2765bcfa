package web

import (
	"fmt"
	"testing"

	"assay/internal/auth"
)

// The pages about the quality of labels, with hostile names in them, wide and
// light as on a desk, narrow and dark as on a phone.
func TestTheQualityPagesInARealBrowser(t *testing.T) {
	w, labeler, _ := readTwice(t, 12)
	reviewer, engineer := w.as(auth.Reviewer), w.as(auth.Engineer)
	page := reviewer.get("/gold")
	reviewer.post("/gold", form("item", page.attr(`form[action="/gold"] input[name="item"]`, "value"), "why", hostile)).want(303)
	id := w.count(`SELECT id FROM labelers WHERE person_id = $1`, w.ids[auth.Labeler])
	// Weeks to draw, an answer to gold, and two who differ.
	w.exec(`INSERT INTO labels (item_id, queue_id, event_id, labeler_id, revision, label, reservation_id, source, idempotency_key, purpose, labeled_at)
		SELECT g.item_id, l.queue_id, l.event_id, w.id, 1, 'correct', l.reservation_id, 'person', 'gold', 'gold', now() - interval '15 days'
		FROM gold g JOIN labels l ON l.item_id = g.item_id CROSS JOIN labelers w
		WHERE w.id NOT IN (SELECT labeler_id FROM labels) LIMIT 1`)
	w.exec(`UPDATE consensus SET method = 'split' WHERE item_id IN (SELECT item_id FROM consensus LIMIT 2)`)
	guide := form("rule", "Rule "+hostile, "body", "Text", "cases", "", "change", hostile)
	engineer.post("/guides/sql_query", guide).want(303)

	b := chromium(t)
	for _, p := range []struct {
		name string
		who  *browser
		path string
	}{
		{"labelers", reviewer, "/labelers"}, {"labeler", reviewer, fmt.Sprintf("/labelers/%d", id)}, {"own", labeler, "/labelers/me"},
		{"agreement", reviewer, "/agreement"}, {"consensus", engineer, "/consensus"}, {"gold", reviewer, "/gold"}, {"undecided", reviewer, "/adjudications"},
		{"practice", labeler, "/practice"}, {"feedback", labeler, "/feedback"}, {"guide-changes", engineer, "/guides/sql_query/changes?version=2"},
	} {
		for width, theme := range map[int64]string{1440: "light", 390: "dark"} {
			t.Run(fmt.Sprintf("%s at %d %s", p.name, width, theme), func(t *testing.T) {
				b := &tab{t, b.ctx}
				w.exec(`UPDATE people SET theme = $1`, theme)
				b.become(w, p.who)
				b.open(w, p.path, width)
				b.photograph(fmt.Sprintf("quality-%s-%d-%s.png", p.name, width, theme))
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
