package web

import (
	"net/url"
	"strings"
	"testing"

	"assay/internal/auth"
)

func TestALabelIsDisputedAndAReviewerDecides(t *testing.T) {
	w := queued(t, "sql_query", "one")
	labeler, engineer, reviewer := w.as(auth.Labeler), w.as(auth.Engineer), w.as(auth.Reviewer)
	address := labeler.next("sql_query")
	item := strings.TrimPrefix(address, "/items/")
	labeler.get(address + "/discussion").want(404) // not before their own label
	page := labeler.get(address).want(200)
	form := answerOn(page, "hallucinated")
	form.Set("note", hostile)
	labeler.post(page.attr("#label-form", "action"), form).want(303)

	said := engineer.get(address + "/discussion").want(200)
	if got := said.text("main"); !strings.Contains(got, "said hallucinated") || !strings.Contains(got, "<script>alert(2)</script>") {
		t.Errorf("the page says what was said: %s", clip(got, 600))
	}
	label := said.attr(`form[action="`+address+`/disputes"] input[name=label]`, "value")
	engineer.post(address+"/disputes", url.Values{"label": {label}, "objection": {" "}}).want(400)
	labeler.post(address+"/disputes", url.Values{"label": {label}, "objection": {"mine"}}).want(403)
	engineer.post(address+"/disputes", url.Values{"label": {label}, "objection": {hostile}}).to(address + "/discussion")
	engineer.post(address+"/disputes", url.Values{"label": {label}, "objection": {"again"}}).want(409)
	if n := w.count(`SELECT count(*) FROM consensus WHERE label = 'hallucinated' AND method = 'single'`); n != 1 {
		t.Error("until a reviewer decides the label stands")
	}
	if got := labeler.get("/inbox").want(200).text("main"); !strings.Contains(got, "Your label is disputed") {
		t.Errorf("the labeler is told: %q", got)
	}
	if got := reviewer.get("/").want(200).text("main"); !strings.Contains(got, "1 label is disputed") {
		t.Errorf("the reviewer's overview says it: %s", clip(got, 600))
	}
	if got := reviewer.get("/disputes").want(200).text("table"); !strings.Contains(got, "hallucinated") {
		t.Errorf("the list has it: %q", got)
	}
	open := reviewer.get(address + "/discussion").want(200)
	if got := open.text(".banner"); !strings.Contains(got, "1 disputed") {
		t.Errorf("the page says 1 disputed: %q", got)
	}
	decide := open.attr(`form[action^="/disputes/"]`, "action")
	engineer.post(decide, url.Values{"label": {"correct"}, "reason": {"no"}}).want(403)
	reviewer.post(decide, url.Values{"label": {"correct"}, "reason": {""}}).want(400)
	reviewer.post(decide, url.Values{"label": {"correct"}, "reason": {"The sum is 10."}}).to("/disputes")
	reviewer.post(decide, url.Values{"label": {"correct"}, "reason": {"Twice."}}).want(409)
	if n := w.count(`SELECT count(*) FROM consensus WHERE label = 'correct' AND method = 'adjudicated' AND first_reading = 'hallucinated'`); n != 1 {
		t.Error("the decision stands beside the label")
	}
	if n := w.count(`SELECT count(*) FROM audit_entries WHERE action IN ('label.dispute', 'dispute.decide') AND object = 'item/' || $1`, item); n != 2 {
		t.Errorf("both are in the audit, got %d", n)
	}
	if got := labeler.get(address + "/discussion").want(200).text("main"); !strings.Contains(got, "changed it") || !strings.Contains(got, "The sum is 10.") {
		t.Errorf("the labeler reads the decision: %s", clip(got, 600))
	}
}

func TestCommentsMentionPeopleAndStayClosedBeforeTheLabel(t *testing.T) {
	w := queued(t, "sql_query", "one")
	w.exec(`UPDATE items SET wanted = 2`)
	first, second := w.as(auth.Labeler), w.signIn(w.person("second@example.org", auth.Labeler))
	address := first.next("sql_query")
	page := first.get(address).want(200)
	first.post(page.attr("#label-form", "action"), answerOn(page, "correct")).want(303)
	first.post(address+"/comments", url.Values{"body": {hostile + " @Engineer, is the schema whole?"}}).to(address + "/discussion#comments")
	first.post(address+"/comments", url.Values{"body": {"  "}}).want(400)

	second.next("sql_query")
	for _, path := range []string{address, address + "/discussion"} {
		if got := second.get(path).Body; strings.Contains(got, "is the schema whole") {
			t.Errorf("%s: a comment is read before the label", path)
		}
	}
	second.get(address + "/discussion").want(404)
	second.post(address+"/comments", url.Values{"body": {"me too"}}).want(404)

	engineer := w.as(auth.Engineer)
	home := engineer.get("/").want(200)
	if got := home.text(".bar"); !strings.Contains(got, "1 unread") {
		t.Errorf("the bar counts it: %q", got)
	}
	if got := engineer.get("/inbox").want(200).text("main"); !strings.Contains(got, "Labeler mentions you") {
		t.Errorf("the inbox names who: %q", got)
	}
	read := engineer.get(address + "/discussion").want(200)
	if len(read.find("#comments img, #comments script")) != 0 || !strings.Contains(read.text("#comments"), "is the schema whole?") {
		t.Errorf("a comment is text: %s", read.text("#comments"))
	}
	if got := engineer.get("/").want(200).text(".bar"); strings.Contains(got, "unread") {
		t.Errorf("reading the page reads the notice: %q", got)
	}
	if n := w.count(`SELECT count(*) FROM notices`); n != 1 {
		t.Errorf("want one notice, got %d", n)
	}
}
