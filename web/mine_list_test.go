package web

import (
	"testing"

	"assay/internal/auth"
)

func TestPeopleFindTheirWorkAgain(t *testing.T) {
	w := queued(t, "sql_query", "one", "two", "three", "four")
	labeler := w.as(auth.Labeler)
	first := labeler.next("sql_query")
	page := labeler.get(first).want(200)
	form := answerOn(page, "hallucinated")
	form.Set("note", hostile)
	form["span"], form["reason"] = []string{"0-11"}, []string{"wrong_result"}
	labeler.post(page.attr("#label-form", "action"), form).want(303)
	second := labeler.next("sql_query")
	page = labeler.get(second).want(200)
	form = answerOn(page, "correct")
	labeler.post(second+"/later", form).want(303)

	list := labeler.get("/labels").want(200).harmless()
	list.says("tbody", "hallucinated", "Wrong result", "1 span", "SQL answers")
	if got := list.attr("tbody a", "href"); got != first {
		t.Errorf("want the line to lead to %s, got %s", first, got)
	}
	list.says("nav.tabs", "Labeled 1", "Later 1", "Drafts 1", "Skipped 0")
	labeler.get("/labels?part=later").want(200).says("tbody", "Please add up column A")
	labeler.get("/labels?part=drafts").want(200).says("tbody", "correct")
	labeler.get("/labels?label=correct").want(200).says("main", "Nothing here meets every filter", "Clear the filters")
	labeler.get("/labels?part=skipped").want(200).says("main", "Nothing skipped")
	labeler.get("/labels?q=COLUMN+a&queue=sql_query&when=today").want(200).says("tbody", "hallucinated")
	for _, wrong := range []string{"part=all", "label=wrong", "confidence=sure", "when=ever", "before=x"} {
		labeler.get("/labels?" + wrong).want(400)
	}
	if n := len(w.as(auth.Reviewer).get("/labels").want(200).find("tbody tr")); n != 1 {
		t.Errorf("nobody else's work is in one's own: %d rows", n)
	}

	// It is found from where people are: the first page, the rail, the palette.
	labeler.get("/").want(200).says("main", "1 draft is not submitted", "1 item is put off", "Your work")
	labeler.get(labeler.next("sql_query")).want(200).says("#rail", "Just labeled", "Labels 1")
	labeler.get("/search?q=column").want(200).says("main", "labeled by you: hallucinated, SQL answers")
	labeler.get("/search?q=SQL").want(200).says("main", "queue")
}
