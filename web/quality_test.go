package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"assay/internal/auth"
	"assay/labeling"
)

const nasty = `<img src=x onerror=alert(1)>`

// readTwice starts a product in which two people have labeled the same items:
// the second differs on the last. Who they are called is hostile.
func readTwice(t *testing.T, items int) (w *world, one, other *browser) {
	t.Helper()
	texts := make([]string, items)
	for i := range texts {
		texts[i] = fmt.Sprint(nasty, i)
	}
	w = queued(t, "sql_query", texts...)
	w.exec(`UPDATE items SET wanted = 2, second_drawn = true, overlap = .1`)
	w.exec(`UPDATE people SET name = $1 || name WHERE id = $2`, nasty, w.ids[auth.Labeler])
	one, other = w.as(auth.Labeler), w.signIn(w.person("other@example.org", auth.Labeler))
	for i := range items {
		one.labelNext("sql_query", []string{"correct", "hallucinated", "partially_correct"}[i%3])
	}
	for i := range items {
		label := []string{"correct", "hallucinated", "partially_correct"}[i%3]
		if i == items-1 {
			label = "cannot_tell"
		}
		other.labelNext("sql_query", label)
	}
	return w, one, other
}

func (b *browser) labelNext(queue, label string) {
	b.w.t.Helper()
	path := b.next(queue)
	b.post(path+"/labels", answerOn(b.get(path).want(200), label)).want(http.StatusSeeOther)
}

func TestThePagesOfQualityShowWhatLabelersDid(t *testing.T) {
	w, _, other := readTwice(t, 12)
	reviewer, engineer := w.as(auth.Reviewer), w.as(auth.Engineer)

	page := reviewer.get("/labelers").want(200).harmless()
	page.says("main", nasty, "new", "12", "no gold yet")
	if page := engineer.get("/labelers").want(200); strings.Contains(page.text("main"), nasty) {
		t.Error("engineers know labelers by pseudonym")
	}
	agreement := reviewer.get("/agreement").want(200).harmless()
	agreement.says("main", "11", "1.00", "gates", nasty, "1 label said cannot tell")
	reviewer.get("/agreement?when=all&queue=sql_query").want(200).says("main", "gates")
	reviewer.get("/agreement?when=7d&queue=none").want(200).says("main", "Nothing was read twice")
	var figures struct {
		Queues []struct {
			Queue string
			Items int
			Alpha struct{ Value, Low float64 }
			May   bool `json:"may_drive_gates"`
		}
		Pairs []struct{ Labelers []string }
	}
	engineer.get("/v1/agreement").want(200).json(&figures)
	if len(figures.Queues) != 1 || figures.Queues[0].Items != 11 || figures.Queues[0].Alpha.Value != 1 || !figures.Queues[0].May || len(figures.Pairs) != 1 {
		t.Errorf("got %+v", figures)
	}

	id := w.count(`SELECT id FROM labelers WHERE person_id = $1`, w.ids[auth.Labeler])
	path := fmt.Sprintf("/labelers/%d", id)
	reviewer.get(path).want(200).harmless().says("main", nasty, "No gold answered yet", "11/12", "Suspend")
	if page := engineer.get(path).want(200); strings.Contains(page.text("main"), "Suspend") {
		t.Error("only a reviewer decides")
	}
	other.get(path).want(http.StatusForbidden)
	other.get("/labelers/me").want(200).says("main", "Your labels", "Feedback on gold")
	other.get("/feedback").want(200).says("main", "Nothing to explain yet")

	form := url.Values{"decision": {"suspend"}, "reason": {nasty}}
	reviewer.post(path+"/standing", form).want(http.StatusSeeOther).to(path)
	reviewer.get(path).want(200).harmless().says("main", "suspended", nasty, "Reinstate")
	reviewer.post(path+"/standing", form).want(http.StatusConflict)
	w.as(auth.Labeler).get("/labelers/me").want(200).harmless().says("main", "suspended", nasty)
	w.as(auth.Labeler).post("/queues/sql_query/next", nil).want(http.StatusForbidden)
}

// Which labels count is decided on the labeler's page, with a reason, and can be
// taken back there.
func TestAReviewerLeavesLabelsOutAndHasThemCountAgain(t *testing.T) {
	w, _, _ := readTwice(t, 3)
	reviewer := w.as(auth.Reviewer)
	path := fmt.Sprintf("/labelers/%d", w.count(`SELECT id FROM labelers WHERE person_id = $1`, w.ids[auth.Labeler]))
	page := reviewer.get(path).want(200).harmless()
	page.says("main", "Which labels count", "Leave out", "No label is deleted")
	if strings.Contains(page.text("main"), "Count all again") {
		t.Error("nothing is left out yet")
	}
	form := func(decision, from, to, reason string) url.Values {
		return url.Values{"decision": {decision}, "from": {from}, "to": {to}, "reason": {reason}}
	}
	reviewer.post(path+"/exclusion", form("exclude", "", "", " ")).want(http.StatusBadRequest)
	reviewer.post(path+"/exclusion", form("exclude", "yesterday", "", "x")).want(http.StatusBadRequest)
	reviewer.post(path+"/exclusion", form("exclude", "2026-02-02", "2026-02-01", "x")).want(http.StatusBadRequest)
	reviewer.post(path+"/exclusion", form("forget", "", "", "x")).want(http.StatusBadRequest)
	reviewer.post(path+"/exclusion", form("include", "", "", "x")).want(http.StatusConflict)
	w.as(auth.Engineer).post(path+"/exclusion", form("exclude", "", "", "x")).want(http.StatusForbidden)

	reviewer.post(path+"/exclusion", form("exclude", "2020-01-01", "", nasty)).want(http.StatusSeeOther).to(path)
	reviewer.get(path).want(200).harmless().says("main", "3 labels are left out", nasty, "left out the labels of 1 Jan to", "3 (version 1)", "being made again", "Count all again")
	w.as(auth.Labeler).get("/labelers/me").want(200).harmless().says("main", "3 labels are left out", nasty)
	if n, err := w.stages.Labeling.ReplayExclusion(context.Background(), auth.Product(), int64(w.count(`SELECT labeler_id FROM exclusions`))); err != nil || n != 3 {
		t.Fatalf("want three items settled again, got %d, %v", n, err)
	}
	reviewer.post(path+"/exclusion", form("include", "", "", "they were right")).want(http.StatusSeeOther)
	reviewer.get(path).want(200).says("main", "had all labels count again (version 2)", "they were right")
}

func TestALabelersPageSaysFromWhenOnTheyAnsweredDifferently(t *testing.T) {
	w, _, _ := readTwice(t, 1)
	report := labeling.LabelerReport{Labeler: labeling.Labeler{Standing: labeling.Probation, Signals: labeling.Signals{Changes: []labeling.Change{
		{What: "hallucinated", Since: w.clock.now(), Before: labeling.Part{Of: 10, N: 100}, After: labeling.Part{Of: 60, N: 100}, Others: &[2]float64{.11, .12}, Chance: .0004},
		{What: "gold", Since: w.clock.now(), Before: labeling.Part{Of: 19, N: 20}, After: labeling.Part{Of: 8, N: 20}, Chance: .00001}}}}}
	p := buildLabeler(report, auth.Actor{Kind: auth.Person, Roles: []auth.Role{auth.Reviewer}}, w.clock.now())
	var b strings.Builder
	if err := p.Changes.Render(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	shown := strings.Join(strings.Fields(b.String()), " ")
	for _, want := range []string{"Hallucinated, share of labels", "10 % of 100", "60 % of 100", "11 % → 12 %", "1 in 2,500", "Right on gold", "&lt; 1 in 10,000"} {
		if !strings.Contains(shown, want) {
			t.Errorf("want %q in %s", want, shown)
		}
	}
}

func TestAReviewerMakesGoldAndLabelersReadWhyWhenTheDayIsOver(t *testing.T) {
	w, _, _ := readTwice(t, 3)
	reviewer := w.as(auth.Reviewer)
	page := reviewer.get("/gold").want(200).harmless()
	page.says("main", "No gold in use", "2 labelers agree", "Make it gold")
	item := page.attr(`form[action="/gold"] input[name="item"]`, "value")
	reviewer.post("/gold", url.Values{"item": {item}, "why": {" "}}).want(http.StatusBadRequest).says("main", "Nothing was changed")
	reviewer.post("/gold", url.Values{"item": {item}, "why": {"Because " + nasty}}).want(http.StatusSeeOther).to("/gold")
	reviewer.get("/gold").want(200).harmless().says("main", "Because "+nasty, "Served 0 of 20 times")

	third := w.signIn(w.person("third@example.org", auth.Labeler))
	w.exec(`UPDATE queues SET gold_share = .5`)
	w.exec(`INSERT INTO items (queue_id, event_id, session_id, task_class, model_version, event_time, frame_day, priority_class, design, salt_id, u, rule_id)
		SELECT queue_id, gen_random_uuid(), 's', task_class, 'm', event_time, frame_day, 'random', 'bottom_k', salt_id, .9, rule_id FROM items LIMIT 1`)
	path := third.next("sql_query")
	if path != "/items/"+item {
		t.Fatalf("want the gold item, got %s", path)
	}
	shown := third.get(path).want(200)
	if words := strings.ToLower(shown.text("body")); strings.Contains(words, "gold") {
		t.Error("nothing on the page says that it is gold")
	}
	third.post(path+"/labels", answerOn(shown, "cannot_tell")).want(http.StatusSeeOther)
	third.get("/feedback").want(200).says("main", "Nothing to explain yet")
	third.get("/labelers/me").want(200).says("main", "no gold yet")
	w.clock.advance(25 * time.Hour)
	w.signIn(int64(w.count(`SELECT max(id) FROM people`))).get("/feedback").want(200).harmless().says("main", "You said", "Cannot tell", "Because "+nasty, "0 of 1 as known")

	gold := w.count(`SELECT id FROM gold`)
	reviewer = w.as(auth.Reviewer)
	reviewer.post(fmt.Sprintf("/gold/%d/retire", gold), url.Values{"reason": {nasty}}).want(http.StatusSeeOther)
	reviewer.get("/gold").want(200).harmless().says("main", "0 of 1", nasty)
	if err := w.stages.Labeling.RetireGold(context.Background(), auth.Actor{Kind: auth.Person, ID: w.ids[auth.Labeler], Roles: []auth.Role{auth.Labeler}}, int64(gold), "x"); err == nil {
		t.Error("a labeler retires no gold")
	}
}

// What a labeler is given to read a second time and what is gold are the same
// page: same parts, same words, same order, the same answer to a label.
func TestGoldAndASecondReadingAreTheSamePage(t *testing.T) {
	w, _, _ := readTwice(t, 2)
	gold := w.count(`SELECT item_id FROM consensus WHERE method = 'agreed'`)
	if _, err := w.stages.Labeling.MakeGold(context.Background(), auth.Actor{Kind: auth.Person, ID: w.ids[auth.Reviewer], Roles: []auth.Role{auth.Reviewer}}, int64(gold), "known"); err != nil {
		t.Fatal(err)
	}
	w.exec(`INSERT INTO items (queue_id, event_id, session_id, task_class, model_version, event_time, frame_day, priority_class, design, salt_id, u, rule_id)
		SELECT queue_id, gen_random_uuid(), 's', task_class, 'm', event_time, frame_day, 'random', 'bottom_k', salt_id, n / 10.0, rule_id
		FROM (SELECT * FROM items LIMIT 1) AS one, generate_series(5, 9) AS n`)
	w.exec(`UPDATE items SET wanted = taken WHERE taken > 0 AND id <> $1`, gold)
	seen := map[bool][2]string{}
	for _, asGold := range []bool{true, false} {
		share, wanted, draw := .5, 2, .99
		if !asGold {
			share, wanted, draw = 0, 3, .05
		}
		w.exec(`UPDATE queues SET gold_share = $1`, share)
		w.exec(`UPDATE items SET wanted = $1 WHERE id = $2`, wanted, gold)
		w.stages.Labeling.Draw = func() float64 { return draw }
		third := w.signIn(w.person(fmt.Sprintf("third%v@example.org", asGold), auth.Labeler))
		path := third.next("sql_query")
		if n := w.count(`SELECT count(*) FROM reservations WHERE purpose = 'gold' AND state = 'held'`); path != fmt.Sprint("/items/", gold) || (n == 1) != asGold {
			t.Fatalf("as gold %v: served %s, %d as gold", asGold, path, n)
		}
		page := third.get(path).want(200)
		said := third.post(path+"/labels", answerOn(page, "correct")).want(http.StatusSeeOther)
		seen[asGold] = [2]string{anonymous(page.Body), anonymous(said.Body + fmt.Sprint(said.Header["Location"]))}
	}
	for i, what := range []string{"page", "answer"} {
		if gold, other := seen[true][i], seen[false][i]; gold != other {
			at := 0
			for at < min(len(gold), len(other)) && gold[at] == other[at] {
				at++
			}
			t.Errorf("the %s differs from that of a second reading:\n%s\n%s", what, clip(gold[max(0, at-200):], 500), clip(other[max(0, at-200):], 500))
		}
	}
}

// anonymous takes numbers, ids and times out of a page.
func anonymous(page string) string {
	return regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}|[A-Za-z0-9_-]{22,}|(?i:third(true|false))|[0-9][0-9.:,TZ-]*`).ReplaceAllString(page, "#")
}

func TestANewLabelerPractisesFirstAndReadsWhyAtOnce(t *testing.T) {
	w := queued(t, "sql_query", "one")
	_, err := w.stages.Labeling.ReviseGuide(context.Background(), auth.Actor{Kind: auth.Person, Roles: []auth.Role{auth.Engineer}}, labeling.Guide{
		TaskClass: "sql_query", Rule: "r", Body: "b", Change: "c",
		Cases: "## " + nasty + "\nAsked: " + nasty + "\nGiven: g\nAnswered: " + nasty + "\nLabel: correct\nWhy: Because " + nasty})
	if err != nil {
		t.Fatal(err)
	}
	novice := w.signIn(w.person("novice@example.org", auth.Labeler))
	w.exec(`UPDATE labelers SET practised_at = NULL`)
	novice.post("/queues/next", nil).want(http.StatusSeeOther).to("/practice")
	novice.post("/queues/sql_query/next", nil).want(http.StatusSeeOther).to("/practice")
	page := novice.get("/practice").want(200).harmless()
	page.says("main", "Case 1 of 1", nasty, "Practice never counts")
	if strings.Contains(page.text("main"), "Because") {
		t.Error("the answer comes after the answer")
	}
	form := url.Values{"guide": {page.attr(`input[name="guide"]`, "value")}, "number": {"1"}}
	novice.post("/practice", form).want(http.StatusBadRequest).says("main", "Choose a label first")
	form.Set("label", "hallucinated")
	novice.post("/practice", form).want(http.StatusSeeOther).to("/practice")
	novice.get("/practice").want(200).harmless().says("main", "You said", "Hallucinated", "the guide says", "Correct", "Because "+nasty, "You are through")
	if path := novice.next("sql_query"); !strings.HasPrefix(path, "/items/") {
		t.Errorf("from here on labels count: %s", path)
	}
	if n := w.count(`SELECT count(*) FROM labels`); n != 0 {
		t.Errorf("practice left %d labels", n)
	}
}

func TestAGuideShowsItsCasesAndWhatAVersionChanged(t *testing.T) {
	w := queued(t, "sql_query", "one")
	engineer := w.as(auth.Engineer)
	page := engineer.get("/guides/sql_query").want(200)
	page.says("main", "Worked cases", "A join that doubles", "Every order counts once for each of its payments")
	form := url.Values{"rule": {"The rule " + nasty}, "body": {"Text"}, "cases": {"## " + nasty}, "change": {"Shorter " + nasty}}
	engineer.post("/guides/sql_query", form).want(http.StatusBadRequest).harmless().says("main", "The guide was not changed", "Asked: is missing", nasty)
	form.Set("cases", "## One\nAsked: a\nAnswered: b\nLabel: correct\nWhy: c")
	engineer.post("/guides/sql_query", form).want(http.StatusSeeOther).to("/guides/sql_query")
	engineer.get("/guides/sql_query").want(200).harmless().says("main", "what changed", "Shorter "+nasty)
	engineer.get("/guides/sql_query/changes?version=2").want(200).harmless().says("main", "The rule "+nasty, "A join that doubles", "Borderline cases", "Shorter")
	engineer.get("/guides/sql_query/changes?version=1").want(http.StatusNotFound)
	engineer.get("/guides/sql_query/changes?version=x").want(http.StatusBadRequest)
	w.as(auth.Labeler).get("/guides/sql_query/changes?version=2").want(200)
}

func TestWhatWaitsForADecisionIsListed(t *testing.T) {
	w := queued(t, "sql_query", nasty, "b")
	w.exec(`UPDATE items SET wanted = 2`)
	one, other, reviewer := w.as(auth.Labeler), w.signIn(w.person("other@example.org", auth.Labeler)), w.as(auth.Reviewer)
	reviewer.get("/adjudications").want(200).says("main", "Nothing waits for a decision")
	for _, b := range []*browser{one, other} {
		for range 2 {
			b.labelNext("sql_query", map[*browser]string{one: "correct", other: "hallucinated"}[b])
		}
	}
	page := reviewer.get("/adjudications").want(200).harmless()
	page.says("main", "2 of 2", "Correct", "Hallucinated", nasty, "Decide the next")
	path := reviewer.get("/adjudications/next").want(http.StatusSeeOther).Header.Get("Location")
	reviewer.get(path).want(200).harmless().says("main", "Your decision")
	for range 2 {
		path := reviewer.get("/adjudications/next").want(http.StatusSeeOther).Header.Get("Location")
		reviewer.post(path, url.Values{"label": {"correct"}, "reason": {"looked"}, "gold": {"true"}}).want(http.StatusSeeOther)
	}
	if n := w.count(`SELECT count(*) FROM gold WHERE basis = 'adjudicated' AND why = 'looked'`); n != 2 {
		t.Errorf("want both decided items gold, got %d", n)
	}
	reviewer.get("/adjudications/next").want(http.StatusSeeOther).to("/adjudications")
}
