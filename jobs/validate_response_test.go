package jobs

import (
	"fmt"
	"testing"
	"time"

	"github.com/riverqueue/river"

	"assay/internal/auth"
	"assay/telemetry"
	"assay/validators"
)

// TestWhatLandsIsCheckedFlaggedAndQueued follows a formula from its arrival to
// the head of the queue.
func TestWhatLandsIsCheckedFlaggedAndQueued(t *testing.T) {
	d := newDesk(t)
	set, children := validators.Open()
	t.Cleanup(children.Close)
	store := &validators.Store{DB: d.pool, Set: set, Jobs: d.labeling.Jobs}
	at := time.Now().UTC().Add(-50 * time.Hour)
	answer := func(session string, stated float64) string {
		return fmt.Sprintf(`{"event_type":"assistant_response","session_id":%q,"request_id":"r_%s","event_time":%q,"task_class":"spreadsheet_formula","model_version":"m1","consent":"redacted",`+
			`"prompt":"Add them up.","response":"Put =SUM(A1:A3) into B1.","outcome":"done","artifact":{"kind":"formula","formula":"=SUM(A1:A3)","cell":"B1","cells":{"A1":1,"A2":2,"A3":3},"stated":%g}}`,
			session, session, at.Format(time.RFC3339), stated)
	}
	d.land(answer("right", 6), answer("wrong", 7))

	validate := &validateResponses{telemetry: d.telemetry, validators: store}
	for range 2 { // again changes nothing
		if err := validate.Work(t.Context(), &river.Job[ValidateResponses]{}); err != nil {
			t.Fatal(err)
		}
	}
	if n := d.count(`SELECT count(*) FROM verdicts`); n != 2 {
		t.Fatalf("want two verdicts, got %d", n)
	}
	copied := &copyVerdicts{telemetry: d.telemetry, validators: store}
	for range 2 {
		if err := copied.Work(t.Context(), &river.Job[validators.Validated]{}); err != nil {
			t.Fatal(err)
		}
	}
	if n := d.counted(`SELECT count() FROM verdicts FINAL WHERE verdict = 'fail' AND session_id = 'wrong' AND validator = 'formula'`); n != 1 {
		t.Errorf("want the fail in the telemetry store, got %d", n)
	}
	d.flag()
	if n := d.count(`SELECT count(*) FROM items WHERE session_id = 'wrong' AND priority_class = 'safety' AND reasons = '{validator_failed}'`); n != 1 {
		t.Errorf("want the failed response in the queue as safety, got %d", n)
	}
	if n := d.count(`SELECT count(*) FROM items WHERE 'validator_failed' = ANY(reasons)`); n != 1 {
		t.Errorf("want one flagged item, got %d", n)
	}
	session, err := d.telemetry.Session(t.Context(), auth.Product(), "wrong", telemetry.SessionView{})
	if err != nil || len(session.Verdicts) != 1 || session.Verdicts[0].Message != "The formula gives 6. The response states 7." {
		t.Errorf("want the verdict in the session's timeline, got %+v %v", session.Verdicts, err)
	}
}
