package jobs

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"assay/eval"
	"assay/internal/auth"
	"assay/labeling"
	"assay/telemetry"
)

// From label to rate of capture: labels over the objective raise what is kept
// of their task class and what people are given of it, and of no other.
func TestABadDayRaisesWhatIsKeptAndReadOfItsTaskClass(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	engineer := auth.Actor{Kind: auth.Person, ID: 1, Name: "Engineer", Roles: []auth.Role{auth.Engineer}}
	for _, class := range []string{"file_edit", "sql_query"} {
		err := d.telemetry.SetCapture(ctx, engineer, telemetry.CapturePolicy{TaskClass: class, Capture: telemetry.CaptureRedacted, Base: 0.01, BaseFlagged: 0.1, Most: 0.1, Reason: "a test"})
		if err != nil {
			t.Fatal(err)
		}
	}
	at := time.Now().UTC().Add(-2 * time.Hour).Format(time.RFC3339)
	var lines []string
	for range 12 {
		lines = append(lines, `{"event_type":"assistant_response","session_id":"`+uuid.NewString()+`","event_time":"`+at+`","task_class":"file_edit","model_version":"v1","prompt":"Rename","response":"Done"}`)
	}
	d.land(lines...)
	d.flag()
	labeler := auth.Actor{Kind: auth.Person, ID: 2, Name: "Labeler", Roles: []auth.Role{auth.Labeler}}
	for range 12 {
		r, err := d.labeling.Reserve(ctx, labeler, "file_edit")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.labeling.Submit(ctx, labeler, r.ItemID, r.Token, uuid.NewString(), labeling.Answer{Label: "hallucinated"}); err != nil {
			t.Fatal(err)
		}
	}
	work := &adaptCapture{telemetry: d.telemetry, labeling: d.labeling, eval: &eval.Store{DB: d.pool, Traces: d.telemetry, Labels: d.labeling}}
	if err := work.Work(ctx, &river.Job[AdaptCapture]{}); err != nil {
		t.Fatal(err)
	}
	list, err := d.telemetry.Captured(ctx, engineer)
	if err != nil || len(list) != 2 || list[0].Rate.Keep != 0.04 || list[0].Rate.Why != "raised" || list[1].Rate.Keep != 0.01 {
		t.Errorf("want 4 %% of file_edit and 1 %% of sql_query, got %+v, %v", list, err)
	}
	queue, err := d.labeling.Queue(ctx, engineer, "file_edit")
	if err != nil {
		t.Fatal(err)
	}
	if raise, ok, err := d.labeling.Raised(ctx, engineer, queue, time.Now()); err != nil || !ok || raise.Factor != 4 || raise.Why != "spike" {
		t.Errorf("want people to be given four times as much, got %+v, %v, %v", raise, ok, err)
	}
}
