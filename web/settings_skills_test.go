package web

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"assay/internal/auth"
)

func TestSkillsAreTickedOnThePeoplePageAndStartFollows(t *testing.T) {
	w := queued(t, "summarization", "one")
	w.exec(`UPDATE items SET language = 'fi'`)
	admin, labeler, engineer := w.as(auth.Admin), w.as(auth.Labeler), w.as(auth.Engineer)
	path := fmt.Sprintf("/settings/people/%d/skills", w.ids[auth.Labeler])
	page := admin.get("/settings/people").want(200)
	if n := len(page.find("form[action='" + path + "'] input[name=language]")); n < 20 {
		t.Fatalf("want the languages to tick, got %d", n)
	}
	if len(page.find(fmt.Sprintf("form[action='/settings/people/%d/skills']", w.ids[auth.Engineer]))) != 0 {
		t.Error("an engineer does not label and has no skills to set")
	}
	admin.post(path, url.Values{"language": {"de", "en"}, "task_class": {"summarization"}}).to("/settings/people")
	page = admin.get("/settings/people").want(200)
	if got := page.text("form[action='" + path + "'] p"); !strings.HasPrefix(got, "Is served Summaries") && !strings.Contains(got, "German, English") {
		t.Errorf("the page says %q", got)
	}
	if n := len(page.find("form[action='" + path + "'] input[checked]")); n != 3 {
		t.Errorf("want three ticks, got %d", n)
	}
	admin.post(path, url.Values{"language": {"xx"}}).want(400)

	labeler.post("/queues/next", nil).to("/queues")
	if page := labeler.get("/queues").want(200); !strings.Contains(page.Body, "Nothing is free for you in any queue: 0 free, 0 reserved, 1 in a task class or language that is not among your skills.") {
		t.Error("Start does not say what it lacks")
	}
	if page := labeler.get("/queues/summarization").want(200); !strings.Contains(page.Body, "1 in a task class or language that is not among your skills") {
		t.Error("the empty queue does not say why")
	}
	if page := engineer.get("/queues/summarization").want(200); !strings.Contains(page.Body, "1 item waits in Finnish, and nobody here now reads Finnish.") {
		t.Errorf("the queue does not say that nobody can read it: %s", page.text("aside"))
	}
	admin.post(path, url.Values{"language": {"fi"}}).to("/settings/people")
	if to := labeler.post("/queues/next", nil).Header.Get("Location"); !strings.HasPrefix(to, "/items/") {
		t.Errorf("want the Finnish item, got %q", to)
	}
}

func TestAProgramThatLabelsListsItsQueuesAndItsSkills(t *testing.T) {
	w := queued(t, "sql_query", "one")
	key := w.program(auth.ScopeLabeler)
	var queues struct {
		Queues []struct {
			Queue string `json:"queue"`
			Able  bool   `json:"able"`
		} `json:"queues"`
	}
	page := key.get("/v1/queues").want(200)
	if err := json.Unmarshal([]byte(page.Body), &queues); err != nil || len(queues.Queues) != 1 || !queues.Queues[0].Able || queues.Queues[0].Queue != "sql_query" {
		t.Errorf("want the queue of SQL answers, got %s, %v", page.Body, err)
	}
	if got := strings.TrimSpace(key.get("/v1/skills").want(200).Body); got != `{"task_classes":[],"languages":[]}` {
		t.Errorf("want no limit, got %s", got)
	}
}
