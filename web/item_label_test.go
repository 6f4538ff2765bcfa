package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/labeling"
	"assay/telemetry"
)

// bookshelf stands in for the telemetry store: it has the responses a test
// put on it.
type bookshelf map[uuid.UUID]telemetry.Response

func (b bookshelf) Response(_ context.Context, _ auth.Actor, id uuid.UUID) (telemetry.Response, error) {
	r, ok := b[id]
	if !ok {
		return r, fault.NotFound
	}
	return r, nil
}

func (b bookshelf) ResponsesByRequest(context.Context, auth.Actor, []telemetry.Request) (map[telemetry.Request]telemetry.Response, error) {
	return nil, nil
}

func (b bookshelf) Responses(_ context.Context, _ auth.Actor, ids []uuid.UUID) (list []telemetry.Response, _ error) {
	for _, id := range ids {
		if r, ok := b[id]; ok {
			list = append(list, r)
		}
	}
	return list, nil
}

func (b bookshelf) FrameTotals(context.Context, auth.Actor, time.Time) ([]telemetry.FrameTotal, error) {
	return nil, nil
}

func (b bookshelf) Flagged(context.Context, auth.Actor, time.Time, time.Time) (list []telemetry.Candidate, _ error) {
	for _, r := range b {
		list = append(list, telemetry.Candidate{
			EventID: r.EventID, SessionID: r.SessionID, TaskClass: r.TaskClass, ModelVersion: r.ModelVersion, EffectiveTime: r.EffectiveTime,
			PriorityClass: telemetry.RandomClass, Consent: r.Consent, HasText: r.HasText, KeepProbability: 1,
		})
	}
	return list, nil
}

func (b bookshelf) KeptBeyond(context.Context, auth.Actor, []uuid.UUID, time.Time) (map[uuid.UUID]bool, error) {
	return nil, nil
}

func (b bookshelf) CopyLabels(context.Context, []telemetry.LabelRow) error { return nil }

// queued starts the product with responses in its queues: one per text, and a
// formula with its cells and verdict when the text is "formula".
func queued(t testing.TB, taskClass string, texts ...string) *world {
	t.Helper()
	shelf := bookshelf{}
	w := newWorld(t, func(w *world) {
		w.stages.Labeling = &labeling.Store{DB: w.pool, Telemetry: shelf, Draw: func() float64 { return 0.99 }}
		w.stages.Verdicts = func(_ context.Context, id uuid.UUID) ([]Verdict, error) {
			if shelf[id].ArtifactKind == "" {
				return nil, nil
			}
			return []Verdict{{Validator: "formula", Version: "1.4.2", Verdict: "fail", Reason: "wrong_value", Message: "Gives 12, the response states 10.",
				Evidence: json.RawMessage(`{"trace":[{"ref":"A1","value":1,"counted":true}],"findings":[{"kind":"range","message":"A3 is left out.","start":5,"end":10}]}`)}}, nil
		}
	})
	w.enqueue(shelf, taskClass, texts...)
	return w
}

func (w *world) enqueue(shelf bookshelf, taskClass string, texts ...string) {
	w.t.Helper()
	at := time.Now().UTC().Add(-time.Hour)
	var candidates []telemetry.Candidate
	for i, text := range texts {
		r := telemetry.Response{
			EventID: uuid.New(), SessionID: fmt.Sprintf("s_%04d", i), RequestID: fmt.Sprintf("r_%d", i), TaskClass: taskClass, ModelVersion: "secret-model-v9",
			EffectiveTime: at, EventTime: at, Consent: telemetry.ConsentRedacted, HasText: true,
			Prompt: "Please add up column A, case " + text, Response: "Here it is. The sum is 10. " + text, Context: []string{"Source: " + text},
		}
		if text == "formula" {
			r.ArtifactKind = "formula"
			r.Artifact = json.RawMessage(`{"kind":"formula","formula":"=SUM(A1:A2)","cell":"B1","cells":{"A1":1,"A2":9,"A3":2}}`)
		}
		if text == "abstained" {
			r.Route = "abstain"
		}
		r.Around = []telemetry.TimelineEvent{
			{EventID: uuid.New(), Kind: telemetry.KindTool, At: at.Add(-time.Second), What: "read_range", Detail: "A1:A3 " + text},
			{EventID: uuid.New(), Kind: telemetry.KindSpan, At: at, What: "secret-model-v9"},
			{EventID: r.EventID, Kind: telemetry.KindModel, At: at, What: "secret-model-v9", Text: r.Response},
			{EventID: uuid.New(), Kind: telemetry.KindFeedback, At: at.Add(38 * time.Second), What: "feedback", Detail: "down, incorrect"},
			{EventID: uuid.New(), Kind: telemetry.KindCorrection, At: at.Add(130 * time.Second), Text: "=SUM(A1:A3) " + text},
		}
		shelf[r.EventID] = r
		flags := []telemetry.Flag{{Reason: telemetry.NegativeFeedback, At: at, Detail: "down, incorrect", SourceEventID: uuid.New()}}
		if r.ArtifactKind != "" {
			flags = append(flags, telemetry.Flag{Reason: telemetry.ValidatorFailed, At: at, Detail: "formula", SourceEventID: r.EventID})
		}
		candidates = append(candidates, telemetry.Candidate{
			EventID: r.EventID, SessionID: r.SessionID, TaskClass: taskClass, ModelVersion: r.ModelVersion, EffectiveTime: at, ReceivedAt: at,
			Flags: flags, PriorityClass: telemetry.ClassOf(flags), Consent: r.Consent, HasText: true, KeepProbability: 1,
		})
	}
	if _, err := w.stages.Labeling.Consider(context.Background(), auth.Product(), candidates); err != nil {
		w.t.Fatal(err)
	}
	w.exec(`UPDATE items SET wanted = 1 WHERE taken = 0`)
}

// next reserves in a queue and returns the address it leads to.
func (b *browser) next(queue string) string {
	b.w.t.Helper()
	return b.post("/queues/"+queue+"/next", nil).want(http.StatusSeeOther).Header.Get("Location")
}

// answerOn fills the form of a labeling page.
func answerOn(page *answer, label string) url.Values {
	form := url.Values{"label": {label}}
	for _, name := range []string{"reservation", "idempotency_key", "page"} {
		form.Set(name, page.attr(`#label-form input[name="`+name+`"]`, "value"))
	}
	return form
}

func TestTheWholeLoopNeedsNoJavaScript(t *testing.T) {
	w := queued(t, "sql_query", "one", "two", "three")
	labeler := w.as(auth.Labeler)
	home := labeler.get("/").want(200)
	if got := home.attr(`main form[action="/queues/next"]`, "method"); !strings.EqualFold(got, "post") {
		t.Errorf("the overview's Start is a form, got %q", got)
	}
	address := labeler.post("/queues/next", nil).want(303).Header.Get("Location")
	if again := labeler.next("sql_query"); again != address {
		t.Errorf("Start twice: want %s again, got %s", address, again)
	}
	first := address
	for i := range 3 {
		page := labeler.get(address).want(200)
		if got := page.text(".queue-bar h1"); got != "SQL answers" {
			t.Errorf("queue bar: %q", got)
		}
		if got := len(page.find(`#label-form input[type=radio][name=label]`)); got != 4 {
			t.Errorf("want 4 choices, got %d", got)
		}
		if got := len(page.find(`#label-form input[name=span][type=checkbox]`)); got != 2 {
			t.Errorf("want a check box before each of 2 sentences, got %d", got)
		}
		action := page.attr("#label-form", "action")
		form := answerOn(page, []string{"correct", "hallucinated", "cannot_tell"}[i])
		if i == 1 {
			form["reason"] = []string{"wrong_result", "other"}
			form["span"] = []string{"0-11"}
			form.Set("note", "line one\r\nline two")
			form.Set("confidence", "high")
			form.Set("correction", "better")
		}
		answer := labeler.post(action, form).want(303)
		labeler.post(action, form).to(answer.Header.Get("Location")) // the second click of two
		address = answer.Header.Get("Location")
	}
	if !strings.HasPrefix(address, "/queues/sql_query?after=") {
		t.Fatalf("after the last: want the queue, got %s", address)
	}
	if n := w.count(`SELECT count(*) FROM labels`); n != 3 {
		t.Errorf("want 3 labels, got %d", n)
	}
	if n := w.count(`SELECT count(*) FROM label_texts WHERE note = E'line one\nline two' AND correction = 'better'`); n != 1 {
		t.Error("note and correction are kept as written")
	}
	end := labeler.get(address).want(200)
	if got := end.text(".empty"); !strings.Contains(got, "Nothing is free for you in SQL answers") || !strings.Contains(got, "0 free, 0 reserved") {
		t.Errorf("the empty queue explains itself: %q", got)
	}
	if got := end.text(".toast"); !strings.Contains(got, "labeled cannot tell") {
		t.Errorf("the toast says what happened: %q", got)
	}

	labeler.post(first+"/undo", nil).to(first)
	page := labeler.get(first).want(200)
	if got := page.attr(`#label-form input[name=label][checked]`, "value"); got != "correct" {
		t.Errorf("after undo the choice is restored, got %q", got)
	}
	labeler.post(page.attr("#label-form", "action"), answerOn(page, "partially_correct")).want(303)
	if n := w.count(`SELECT count(*) FROM consensus WHERE label = 'partially_correct'`); n != 1 {
		t.Error("the new revision stands")
	}
	labeled := labeler.get(first).want(200)
	if !strings.Contains(labeled.text("main"), "Your label") || len(labeled.find("#label-form")) != 0 {
		t.Error("a labeled item shows the label and no form")
	}
}

func TestALateSubmitKeepsWhatWasWritten(t *testing.T) {
	w := queued(t, "sql_query", "one")
	first, second := w.as(auth.Labeler), w.as(auth.Reviewer)
	address := first.next("sql_query")
	page := first.get(address).want(200)
	w.exec(`UPDATE reservations SET lease_until = clock_timestamp() - interval '1 second'`)
	theirs := second.next("sql_query")
	if theirs != address {
		t.Fatalf("the lapsed item is the next one's: want %s, got %s", address, theirs)
	}
	other := second.get(theirs).want(200)
	second.post(other.attr("#label-form", "action"), answerOn(other, "correct")).want(303)

	form := answerOn(page, "hallucinated")
	form.Set("note", "an hour of thought")
	refused := first.post(page.attr("#label-form", "action"), form).want(409)
	if got := refused.text("main"); !strings.Contains(got, "Your reservation of item") || !strings.Contains(got, "an hour of thought") {
		t.Errorf("the refusal says why and shows the draft: %s", got)
	}
	first.header.Set("Accept", "application/json")
	var problem struct {
		Title, Detail, Fault string
		Status               int
	}
	first.post(page.attr("#label-form", "action"), form).want(409).json(&problem)
	if problem.Fault != "conflict" || !strings.Contains(problem.Detail, "Your reservation of item") {
		t.Errorf("the script gets a problem document, got %+v", problem)
	}
	first.header.Del("Accept")
	first.post(address+"/again", nil).to(address)
	again := first.get(address).want(200)
	if got := again.attr(`#label-form input[name=label][checked]`, "value"); got != "hallucinated" {
		t.Errorf("the draft is in the form again, got %q", got)
	}
	first.post(again.attr("#label-form", "action"), answerOn(again, "hallucinated")).want(303)
	if n := w.count(`SELECT count(*) FROM consensus WHERE label = 'correct' AND method = 'split' AND readings = 2`); n != 1 {
		t.Error("it counts as a second label")
	}
}

func TestABlindQueueNamesNoVersion(t *testing.T) {
	w := queued(t, "sql_query", "one")
	labeler := w.as(auth.Labeler)
	page := labeler.get(labeler.next("sql_query")).want(200)
	if strings.Contains(page.Body, "secret-model-v9") {
		t.Error("the page of a blind queue names the model version")
	}
	list := labeler.get("/queues/sql_query").want(200)
	if strings.Contains(list.Body, "Please add up") {
		t.Error("a labeler sees counts, not what comes next")
	}
	if got := w.as(auth.Engineer).get("/queues/sql_query").want(200).text("#items"); !strings.Contains(got, "Please add up column A") {
		t.Errorf("an engineer sees the items, got %q", got)
	}
}

func TestAHiddenVerdictIsAbsent(t *testing.T) {
	w := queued(t, "spreadsheet_formula", "formula")
	labeler := w.as(auth.Labeler)
	address := labeler.next("spreadsheet_formula")
	open := labeler.get(address).want(200)
	if !strings.Contains(open.text("#artifact"), "Gives 12") || !strings.Contains(open.text(".item-head"), "validator failed") {
		t.Errorf("the verdict stands beside the artifact: %s", open.text("#artifact"))
	}
	if got := len(open.find("#artifact .counted")); got != 1 {
		t.Errorf("the cell that the formula reads is marked, got %d", got)
	}
	w.exec(`UPDATE queues SET verdict_hidden = true`)
	hidden := labeler.get(address).want(200)
	for _, word := range []string{"Gives 12", "validator failed", "left out", "Safety", "wrong value"} {
		if strings.Contains(hidden.text("#item"), word) {
			t.Errorf("%q is on the page", word)
		}
	}
	labeler.post(hidden.attr("#label-form", "action"), answerOn(hidden, "hallucinated")).want(303)
	if after := labeler.get(address).want(200); !strings.Contains(after.text("main"), "Gives 12") {
		t.Error("once the label is in, the verdict shows")
	}
	if n := w.count(`SELECT count(*) FROM labels WHERE provenance->'verdicts' = '[]'`); n != 1 {
		t.Error("the label says that no verdict was seen")
	}
}

// The page on screen was made before the label: the answer to it carries the
// numbers of the rail. Where verdicts are hidden they do not tell of them.
func TestTheAnswerToALabelMovesTheRail(t *testing.T) {
	w := queued(t, "spreadsheet_formula", "formula", "two", "three")
	labeler := w.as(auth.Labeler)
	counts := func() map[string]string {
		t.Helper()
		page := labeler.get(labeler.next("spreadsheet_formula")).want(200)
		labeler.header.Set("Accept", "application/json")
		defer labeler.header.Del("Accept")
		var taken labelTaken
		labeler.post(page.attr("#label-form", "action"), answerOn(page, "correct")).want(200).json(&taken)
		return taken.Counts
	}
	first := counts()
	if first["today"] != "1" || first["negative"] == "" || first["safety"] == "" || first["all"] != "" {
		t.Errorf("today and what waits by reason: %v", first)
	}
	w.exec(`UPDATE queues SET verdict_hidden = true`)
	if second := counts(); second["today"] != "2" || second["all"] == "" || len(second) != 2 {
		t.Errorf("today and one number for all that waits: %v", second)
	}
	rail := labeler.get(labeler.next("spreadsheet_formula")).want(200)
	if got := rail.text("#rail [data-count=today]"); got != "2" {
		t.Errorf("the next page says it without a script too: %q", got)
	}
}

func TestAnAbstentionIsAskedAboutItsReason(t *testing.T) {
	w := queued(t, "sql_query", "abstained")
	labeler := w.as(auth.Labeler)
	page := labeler.get(labeler.next("sql_query")).want(200)
	if got := page.text("#label-form"); !strings.Contains(got, "It was right not to answer") {
		t.Errorf("want the question of justification, got %s", clip(got, 500))
	}
}

func TestForeignTextStaysText(t *testing.T) {
	w := queued(t, "sql_query", hostile)
	labeler := w.as(auth.Labeler)
	address := labeler.next("sql_query")
	pages := map[string]*answer{
		"label":     labeler.get(address).want(200),
		"engineer":  w.as(auth.Engineer).get("/queues/sql_query").want(200),
		"labelers":  labeler.get("/queues/sql_query").want(200),
		"after":     nil,
		"home":      labeler.get("/").want(200),
		"all lists": labeler.get("/queues").want(200),
	}
	form := answerOn(pages["label"], "hallucinated")
	form.Set("note", hostile)
	form.Set("correction", hostile)
	labeler.post(pages["label"].attr("#label-form", "action"), form).want(303)
	pages["after"] = labeler.get(address).want(200)
	for name, page := range pages {
		if strings.Contains(page.Body, "<script>alert") || strings.Contains(page.Body, "<img src=x") {
			t.Errorf("%s: foreign text became markup", name)
		}
	}
	if !strings.Contains(pages["after"].text("main"), "<script>alert(2)</script>") {
		t.Error("the note is shown as text")
	}
}

func TestDraftsAheadLaterAndSkip(t *testing.T) {
	w := queued(t, "sql_query", "one", "two", "three")
	labeler := w.as(auth.Labeler)
	address := labeler.next("sql_query")
	page := labeler.get(address).want(200)
	form := answerOn(page, "")
	form.Set("note", "half a sen")
	labeler.post(address+"/draft", form).want(204)
	if got := labeler.get(address).want(200).text(`#label-form textarea[name=note]`); got != "half a sen" {
		t.Errorf("the draft is restored, got %q", got)
	}
	ahead := labeler.post(address+"/ahead", nil).want(303).Header.Get("Location")
	if ahead == address || !strings.HasPrefix(ahead, "/items/") {
		t.Errorf("ahead: want another item, got %s", ahead)
	}
	if got := labeler.post(address+"/renew", nil).want(200).Body; got != `{"left":900}` {
		t.Errorf("a renewal says how long the reservation lasts: %s", got)
	}
	labeler.post(address+"/later", form).to(ahead + "?after=" + strings.TrimPrefix(address, "/items/"))
	rest := labeler.get(ahead).want(200)
	if got := rest.text("#rail"); !strings.Contains(got, "Later") || strings.Contains(got, "Just labeled") {
		t.Errorf("the rail lists what was put off, got %q", got)
	}
	skip := answerOn(rest, "")
	skip.Set("skip_reason", "language")
	labeler.post(ahead+"/skip", skip).want(303)
	if n := w.count(`SELECT count(*) FROM reservations WHERE state = 'skipped' AND reason = 'language'`); n != 1 {
		t.Error("the skip says why")
	}
	w.as(auth.Reviewer).get(address).want(404) // never served to them
}

func TestReviewersDecideWhereLabelersDiffer(t *testing.T) {
	w := queued(t, "sql_query", "one")
	w.exec(`UPDATE items SET wanted = 2`)
	second := w.signIn(w.person("second@example.org", auth.Labeler))
	for i, b := range []*browser{w.as(auth.Labeler), second} {
		page := b.get(b.next("sql_query")).want(200)
		form := answerOn(page, []string{"correct", "hallucinated"}[i])
		form.Set("note", fmt.Sprintf("because %d", i))
		b.post(page.attr("#label-form", "action"), form).want(303)
	}
	reviewer := w.as(auth.Reviewer)
	address := reviewer.get("/adjudications/next").want(303).Header.Get("Location")
	page := reviewer.get(address).want(200)
	if got := page.text("main"); !strings.Contains(got, "because 0") || !strings.Contains(got, "because 1") {
		t.Errorf("both labels stand side by side, got %s", clip(got, 800))
	}
	reviewer.post(address, url.Values{"label": {"hallucinated"}, "reason": {""}}).want(400)
	reviewer.post(address, url.Values{"label": {"hallucinated"}, "reason": {"A user would act on it."}}).to("/adjudications/next")
	if n := w.count(`SELECT count(*) FROM consensus WHERE label = 'hallucinated' AND method = 'adjudicated'`); n != 1 {
		t.Error("the decision stands")
	}
	w.as(auth.Labeler).get(address).want(403)
}

func TestQueuesAndGuidesAreListed(t *testing.T) {
	w := queued(t, "sql_query", "one", "two")
	labeler := w.as(auth.Labeler)
	list := labeler.get("/queues").want(200)
	if got := list.text("main"); !strings.Contains(got, "2 items wait in 1 queue") || !strings.Contains(got, "SQL answers") {
		t.Errorf("got %s", got)
	}
	if got := list.attr(`main form[action="/queues/sql_query/next"] button`, "type"); got != "submit" {
		t.Errorf("each queue has its button, got %q", got)
	}
	if got := labeler.get("/guides").want(200).text("main"); !strings.Contains(got, "SQL answers") {
		t.Errorf("got %s", got)
	}
	if got := labeler.get("/guides/sql_query").want(200).text("main"); !strings.Contains(got, "Borderline cases") {
		t.Errorf("got %s", got)
	}
	labeler.get("/guides/none").want(404)
	engineer := w.as(auth.Engineer)
	engineer.post("/guides/sql_query", url.Values{"rule": {"Judge *all* of it."}, "body": {"## New\n\ntext"}, "change": {"Everything."}}).to("/guides/sql_query")
	labeler.post("/guides/sql_query", url.Values{"rule": {"x"}, "body": {"y"}, "change": {"z"}}).want(403)
	page := labeler.get(labeler.next("sql_query")).want(200)
	if got := page.text(".guide-note"); !strings.Contains(got, "Guide 2") || !strings.Contains(got, "Judge all of it") {
		t.Errorf("the page shows the newest guide, got %q", got)
	}
	w.as(auth.Admin).get("/queues").want(403)
}

func TestAProgramLabelsForAPerson(t *testing.T) {
	w := queued(t, "sql_query", "one")
	w.exec(`UPDATE queues SET hallucinated_again = false`) // one reading is all that this is about
	w.exec(`UPDATE items SET overlap = 0, second_drawn = false`)
	labeler := w.as(auth.Labeler)
	var reserved struct {
		Item *struct {
			ID       int64
			Response string
			Reasons  []string
		}
		Reservation struct{ Token string }
		Counts      *labeling.Counts
	}
	labeler.postJSON("/v1/queues/sql_query/reserve", struct{}{}).want(200).json(&reserved)
	if reserved.Item == nil || !strings.Contains(reserved.Item.Response, "The sum is 10") {
		t.Fatalf("got %+v", reserved)
	}
	item := fmt.Sprintf("/v1/items/%d", reserved.Item.ID)
	labeler.postJSON(item+"/renew", map[string]any{"token": reserved.Reservation.Token}).want(200)
	labeler.postJSON(item+"/labels", map[string]any{"token": uuid.NewString(), "label": "correct"}).want(404)
	var label struct {
		ID        int64
		Consensus string
	}
	labeler.postJSON(item+"/labels", map[string]any{"token": reserved.Reservation.Token, "label": "hallucinated", "reasons": []string{"wrong_result"}}).want(201).json(&label)
	if label.Consensus != "hallucinated" {
		t.Errorf("got %+v", label)
	}
	var again struct{ ID int64 }
	labeler.postJSON(item+"/labels", map[string]any{"token": reserved.Reservation.Token, "label": "hallucinated", "reasons": []string{"wrong_result"}}).want(201).json(&again)
	if again.ID != label.ID {
		t.Errorf("the same again is the same label: want %d, got %d", label.ID, again.ID)
	}
	reserved.Item = nil
	labeler.postJSON("/v1/queues/sql_query/reserve", struct{}{}).want(200).json(&reserved)
	if reserved.Item != nil || reserved.Counts == nil || reserved.Counts.Done != 1 {
		t.Errorf("an empty queue is 200 with the counts, got %+v", reserved)
	}

	program := w.program(auth.ScopeLabel)
	var page struct{ Labels []labeling.Record }
	program.get("/v1/labels?queue=sql_query").want(200).json(&page)
	if len(page.Labels) != 1 || *page.Labels[0].Label != "hallucinated" {
		t.Errorf("got %+v", page)
	}
	if got := program.get("/v1/labels?format=jsonl").want(200).Body; strings.Count(got, "\n") != 1 || !strings.Contains(got, `"rule_version":1`) {
		t.Errorf("jsonl: %s", got)
	}
	if got := program.get("/v1/labels?format=csv").want(200).Body; !strings.HasPrefix(got, "id,event_id,session_id") {
		t.Errorf("csv: %s", got)
	}
	var items struct{ Items []struct{ State string } }
	w.program(auth.ScopeRead).get("/v1/items?session_id=s_0000").want(200).json(&items)
	if len(items.Items) != 1 || items.Items[0].State != "done" {
		t.Errorf("got %+v", items)
	}
	w.program(auth.ScopeRead).get("/v1/queues").want(200)
	var event string
	if err := w.pool.QueryRow(context.Background(), `SELECT event_id FROM items`).Scan(&event); err != nil {
		t.Fatal(err)
	}
	var imported labeling.Imported
	program.send("POST", "/v1/labels/import", strings.NewReader(fmt.Sprintf(`{"event_id":%q,"label":"correct","labeler":"elsewhere"}`+"\n"+`{"event_id":%q,"label":null}`, event, event)),
		http.Header{"Content-Type": {"application/x-ndjson"}}).want(200).json(&imported)
	if imported.Imported != 1 || imported.Unlabeled != 1 {
		t.Errorf("got %+v", imported)
	}
}
