package web

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"assay/internal/auth"
	"assay/internal/clickhousetest"
	"assay/labeling"
	"assay/telemetry"
)

func TestAResponseIsPutIntoAQueueFromItsSession(t *testing.T) {
	w := newWorld(t, func(w *world) {
		w.stages.Telemetry = &telemetry.Store{DB: w.pool, Clickhouse: clickhousetest.Database(t), Clock: w.clock.now}
		w.stages.Labeling = &labeling.Store{DB: w.pool, Telemetry: w.stages.Telemetry, Draw: func() float64 { return 0.99 }}
	})
	id, mute, tool := uuid.New(), uuid.New(), uuid.New()
	w.sender().send("POST", "/v1/events", strings.NewReader(strings.Join([]string{
		w.eventLine("tool_step", "s/1", 2*time.Minute, fmt.Sprintf(`,"event_id":%q,"tool_name":"read","params_hash":"p","progress_marker":"1"`, tool)),
		w.eventLine("assistant_response", "s/1", time.Minute, fmt.Sprintf(`,"event_id":%q,"task_class":"sql_query","model_version":"v1","prompt":"Count them","response":"SELECT 1"`, id)),
		w.eventLine("assistant_response", "s/1", 30*time.Second, fmt.Sprintf(`,"event_id":%q,"task_class":"sql_query","model_version":"v1"`, mute)),
	}, "\n")), nil).want(202)
	w.drain()
	ctx, labels := context.Background(), w.stages.Labeling
	_, err := labels.Consider(ctx, auth.Product(), []telemetry.Candidate{{EventID: uuid.New(), TaskClass: "sql_query", EffectiveTime: w.clock.now(), PriorityClass: telemetry.RandomClass}})
	if err != nil {
		t.Fatal(err)
	}
	engineer, labeler := w.as(auth.Engineer), w.as(auth.Labeler)
	page := "/sessions/s%2F1?event=" + id.String()
	none := engineer.get(page).want(200).says("#details", "Put into a queue", "no discovery queue of this task class")
	opens := none.attr("#details details a", "href")
	engineer.get(opens).want(200).says("main", "Open the queue")
	engineer.post("/queues/sql_query/discovery", form("title", "Repairs")).want(303)

	shown := engineer.get(page).want(200)
	action := shown.attr("#details details form", "action")
	sent := form("event", shown.attr("#details details input[name=event]", "value"), "queue", shown.attr("#put-queue option", "value"), "why", "Odd "+foreignText)
	engineer.post(action, formWith(sent, "why", " ")).want(400).says("main", "Say why")
	engineer.post(action, formWith(sent, "queue", "sql_query")).want(400).says("main", "Choose a discovery queue")
	engineer.post(action, formWith(sent, "event", "x")).want(400)
	engineer.post(action, formWith(sent, "event", uuid.NewString())).want(404)
	engineer.post(action, formWith(sent, "event", mute.String())).want(400).says("main", "nothing to read")
	labeler.post(action, sent).want(403)

	engineer.post(action, sent).to(page)
	after := engineer.get(page).want(200).says("#details", "In the queue Repairs", "Odd <script>", "Every discovery queue of its task class has it")
	noMarkup(t, after)
	if got := after.attr("#details p a", "href"); got != "/queues/repairs" {
		t.Errorf("it leads to the queue, got %q", got)
	}
	engineer.post(action, sent).to(page) // from a second tab
	engineer.get(page).want(200).says("body", "is in this queue already")
	if n := w.count(`SELECT count(*) FROM items WHERE event_id = $1 AND source = 'hand' AND design = 'discovery'`, id); n != 1 {
		t.Errorf("want one item, got %d", n)
	}

	engineer.get("/sessions/s%2F1?event="+mute.String()).want(200).says("#details", "Nobody could read it in a queue")
	for who, answer := range map[string]*answer{"a tool's step": engineer.get("/sessions/s%2F1?event=" + tool.String()), "a release manager": w.as(auth.ReleaseManager).get(page)} {
		if strings.Contains(answer.want(200).text("#details"), "Put into a queue") {
			t.Errorf("%s offers no queue", who)
		}
	}
	item := labeler.get(labeler.next("repairs")).want(200).says("main", "put here by hand")
	if strings.Contains(item.text("main"), "Odd") {
		t.Error("a labeler reads why it was chosen before their label")
	}

	engineer.post("/queues/sql_query/discovery", form("title", "More")).want(303)
	api := "/v1/queues/more/items"
	body := map[string]string{"event_id": id.String(), "why": "Again"}
	var put labeling.Put
	engineer.postJSON(api, body).want(201).json(&put)
	engineer.postJSON(api, body).want(200).json(&put)
	if put.Added || put.Queue != "more" || put.ItemID == 0 {
		t.Errorf("got %+v", put)
	}
	engineer.postJSON(api, map[string]string{"event_id": id.String(), "why": strings.Repeat("x", 201)}).want(400)
	engineer.postJSON("/v1/queues/"+url.PathEscape("no where")+"/items", body).want(404)
	labeler.postJSON(api, body).want(403)
}
