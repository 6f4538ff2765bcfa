package web

import (
	"net/url"
	"strings"
	"testing"

	"assay/internal/auth"
)

// A person reads Markdown as it was written or as what it means; the switch is
// remembered, for them alone, and costs nothing that was written beside it.
func TestMarkdownIsReadAsEachPersonWants(t *testing.T) {
	w := queued(t, "sql_query", "**bold** [here](https://evil.example/x) <b>no</b>")
	labeler := w.as(auth.Labeler)
	address := labeler.next("sql_query")
	page := labeler.get(address).want(200)
	if got := page.text("#response strong"); !strings.HasSuffix(got, "bold") {
		t.Errorf("bold is %q", got)
	}
	if got := page.text("#response .aside"); got != "(https://evil.example/x)" {
		t.Errorf("the address stands beside the words of a link: %q", got)
	}
	if n := len(page.find("#response a, #response img, #response b")); n != 0 {
		t.Errorf("%d links, pictures or elements came from the text", n)
	}
	asWritten := func(page *answer) int { return len(page.find("html[data-reading=written]")) }
	if asWritten(page) != 0 {
		t.Error("at first it is rendered")
	}

	// Without a script: what is written in the form stays as a draft.
	form := answerOn(page, "hallucinated")
	form.Set("note", "half a note")
	form.Set("as", "written")
	labeler.post(page.attr(".view-switch [value=written]", "formaction"), form).to(address)
	again := labeler.get(address).want(200)
	if asWritten(again) != 1 {
		t.Error("the choice is not remembered")
	}
	if got := again.text("textarea[name=note]"); got != "half a note" {
		t.Errorf("the draft has %q", got)
	}
	if got := again.attr(".view-switch [aria-pressed=true]", "value"); got != "written" {
		t.Errorf("the switch shows %q", got)
	}
	if asWritten(w.as(auth.Reviewer).get("/queues").want(200)) != 0 {
		t.Error("it is theirs alone, and another has it")
	}

	labeler.header.Set("Referer", w.url+"/queues?x=1")
	labeler.post("/settings/reading", url.Values{"as": {"rendered"}}).to("/queues?x=1")
	labeler.header.Set("Referer", "https://evil.example//evil.example")
	labeler.post("/settings/reading", url.Values{"as": {"rendered"}}).to("/")
	labeler.post("/settings/reading", url.Values{"as": {"sideways"}}).want(400)
	if asWritten(labeler.get(address).want(200)) != 0 {
		t.Error("there is no way back")
	}
}
