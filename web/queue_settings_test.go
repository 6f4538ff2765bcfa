package web

import (
	"maps"
	"net/url"
	"testing"

	"assay/internal/auth"
)

func TestAQueueIsSetUpOnItsPage(t *testing.T) {
	w := queued(t, "sql_query", "one", "two", "three")
	engineer, labeler := w.as(auth.Engineer), w.as(auth.Labeler)
	address := engineer.get("/queues/sql_query").want(200).attr(`a[href$="/settings"]`, "href")
	page := engineer.get(address).want(200)
	if got := page.text("textarea[name=reasons]"); got != "Wrong value stated Wrong result Invented table or column False explanation Ignores the question Other" {
		t.Errorf("the reasons in words: %q", got)
	}
	form := form("title", "Nightly "+hostile, "instructions", "Look at joins first. "+hostile, "labels_wanted", "2", "overlap", "12.5", "gold", "5", "lease", "20",
		"spans_needed", "true", "reasons", "Wrong result\n\nTone is rude\nother")
	engineer.post(address, form).to("/queues/sql_query")
	shown := engineer.get("/queues/sql_query").want(200).harmless()
	shown.says("main", "Look at joins first.")
	if n := w.count(`SELECT count(*) FROM queues WHERE overlap_share = 0.125 AND gold_share = 0.05 AND lease = '20 minutes' AND NOT blind AND spans_needed
		AND reasons = '{wrong_result,tone_is_rude,other}' AND labels_wanted = 2`); n != 1 {
		t.Error("the settings were not kept as they were written")
	}
	item := labeler.get(labeler.next("sql_query")).want(200).harmless()
	item.says(".guide-note", "In this queue", "Look at joins first.")
	item.says("#label-form", "Tone is rude", "needed for hallucinated")

	for field, wrong := range map[string]string{"labels_wanted": "two", "overlap": "much", "gold": "60", "lease": "NaN", "reasons": " \n ", "title": " "} {
		bad := formWith(form, field, wrong)
		again := engineer.post(address, bad).want(400).harmless()
		again.says("main", "Look at joins first.") // what was typed is kept
		if len(again.find(".banner")) == 0 {
			t.Errorf("%s of %q is refused without a word", field, wrong)
		}
	}
	labeler.get(address).want(403)
	labeler.post(address, form).want(403)
	engineer.get("/queues/nothing/settings").want(404)

	// Why labelers leave items to others stands beside the queue.
	held := labeler.next("sql_query")
	skip := answerOn(labeler.get(held), "")
	skip.Set("skip_reason", "broken")
	labeler.post(held+"/skip", skip).want(303)
	engineer.get("/queues/sql_query").want(200).says("main", "Skipped in 30 days", "The page is broken 1")
}

func formWith(form url.Values, field, value string) url.Values {
	changed := maps.Clone(form)
	changed[field] = []string{value}
	return changed
}
