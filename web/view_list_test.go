package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"assay/internal/auth"
)

func TestFiltersAreKeptAsViews(t *testing.T) {
	w := newTelemetryWorld(t)
	w.sender().send("POST", "/v1/events", strings.NewReader(strings.Join([]string{
		w.eventLine("assistant_response", "one", time.Minute, `,"task_class":"sql_query","user_id_hash":"sha256-abc","response":"x"`),
		w.eventLine("assistant_response", "two", 2*time.Minute, `,"task_class":"file_edit","response":"x"`),
	}, "\n")), nil).want(http.StatusAccepted)
	w.drain()
	engineer, other := w.as(auth.Engineer), w.as(auth.Auditor)
	list := engineer.get("/sessions?task_class=sql_query&user=sha256-abc").want(200)
	if n := len(list.find("tbody tr")); n != 1 {
		t.Fatalf("the user's sessions: want 1, got %d", n)
	}
	form := engineer.get(list.attr(`.head a[href^="/views?save="]`, "href")).want(200)
	form.says("#save", "It shows last 24 hours, task class sql_query, user sha256-abc.")
	kept := form.attr(`#save input[name=query]`, "value")
	engineer.post("/views", url.Values{"name": {hostile}, "query": {kept + "&cursor=x&limit=9"}, "opens": {"on"}, "shared": {"on"}}).to("/sessions?" + kept)
	engineer.get("/sessions").to("/sessions?" + kept)
	if n := len(engineer.get("/sessions?view=none").want(200).find("tbody tr")); n != 2 {
		t.Errorf("without the view there are both, got %d", n)
	}
	shared := other.get("/views").want(200).harmless()
	shared.says("tbody tr", strings.Join(strings.Fields(hostile), " "), "the team")
	if len(shared.find(`form[action$="/delete"]`)) != 0 {
		t.Error("nobody deletes what is not theirs")
	}
	mine := engineer.get("/views").want(200)
	for _, verb := range []string{"close", "open", "unshare", "delete"} {
		engineer.post(engineer.get("/views").attr(`form[action$="/`+verb+`"]`, "action"), nil).to("/views")
	}
	if len(mine.find(`form[action$="/share"]`)) != 0 {
		t.Error("what is shared can only be taken back")
	}
	engineer.get("/views").says("tbody", "No views yet")
	engineer.post("/views", url.Values{"name": {" "}, "query": {kept}}).want(400).says("#save", "Give the view a name")
	other.post("/views/1/delete", nil).want(404)
	other.post("/views/x/delete", nil).want(404)
	w.as(auth.Admin).get("/views").want(403)
}

func TestAnEmptyListSaysWhichFilterExcludesEverything(t *testing.T) {
	w := newTelemetryWorld(t)
	w.sender().send("POST", "/v1/events", strings.NewReader(w.eventLine("assistant_response", "one", time.Minute, `,"task_class":"sql_query","model_version":"v1","response":"x"`)), nil).want(http.StatusAccepted)
	w.drain()
	engineer := w.as(auth.Engineer)
	engineer.get("/sessions?task_class=sql_query&model_version=v2").want(200).says("tbody", "Excluded by version alone", "Drop version: 1 session")
	engineer.get("/sessions?task_class=file_edit&model_version=v2").want(200).says("tbody", "No single filter excludes them: dropping any one of the 2")
	engineer.get("/sessions?behind=timed&task_class=sql_query").want(200).says("tbody", "Excluded by behind alone")
	engineer.get("/sessions?behind=everything").want(400)
	engineer.get("/sessions?view=mine").want(400)
}
