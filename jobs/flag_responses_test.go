package jobs

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"assay/internal/auth"
	"assay/internal/clickhousetest"
	"assay/internal/postgrestest"
	"assay/labeling"
	"assay/telemetry"
)

// desk is telemetry and labeling on both engines, with the jobs between them.
type desk struct {
	t         *testing.T
	pool      *pgxpool.Pool
	telemetry *telemetry.Store
	labeling  *labeling.Store
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	pool := postgrestest.Database(t)
	inserter, err := Inserter(pool)
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, pool: pool, telemetry: &telemetry.Store{DB: pool, Clickhouse: clickhousetest.Database(t), Jobs: inserter}}
	d.labeling = &labeling.Store{DB: pool, Jobs: inserter, Telemetry: d.telemetry, Draw: func() float64 { return 0.99 }}
	engineer := auth.Actor{Kind: auth.Person, ID: 1, Name: "Engineer", Roles: []auth.Role{auth.Engineer}}
	if err := d.telemetry.SetTerms(t.Context(), engineer, 1, telemetry.ReplayTerms); err != nil {
		t.Fatal(err)
	}
	return d
}

// land sends events and brings them to ClickHouse.
func (d *desk) land(lines ...string) {
	d.t.Helper()
	sender := auth.Actor{Kind: auth.Key, ID: 1, Scopes: []auth.Scope{auth.ScopeIngest}}
	receipt, err := d.telemetry.Ingest(d.t.Context(), sender, []byte(strings.Join(lines, "\n")))
	if err != nil || receipt.Accepted != len(lines) {
		d.t.Fatalf("%+v, %v", receipt, err)
	}
	if _, err := d.telemetry.Drain(d.t.Context(), auth.Product()); err != nil {
		d.t.Fatal(err)
	}
}

// flag does what follows a block that landed now.
func (d *desk) flag() {
	d.t.Helper()
	worker := &flagResponses{telemetry: d.telemetry, labeling: d.labeling}
	job := &river.Job[telemetry.Landed]{JobRow: &rivertype.JobRow{CreatedAt: time.Now()}}
	if err := worker.Work(d.t.Context(), job); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) count(sql string) int64 {
	d.t.Helper()
	var n int64
	if err := d.pool.QueryRow(d.t.Context(), sql).Scan(&n); err != nil {
		d.t.Fatal(err)
	}
	return n
}

func (d *desk) counted(sql string) uint64 {
	d.t.Helper()
	var n uint64
	if err := d.telemetry.Clickhouse.QueryRow(d.t.Context(), sql).Scan(&n); err != nil {
		d.t.Fatal(err)
	}
	return n
}

func TestWhatLandsIsFlaggedQueuedLabeledAndCopied(t *testing.T) {
	d := newDesk(t)
	at := time.Now().UTC().Add(-50 * time.Hour)
	event := func(kind, session string, after time.Duration, more string) string {
		return fmt.Sprintf(`{"event_type":%q,"session_id":%q,"request_id":"r_%s","event_time":%q%s}`, kind, session, session, at.Add(after).Format(time.RFC3339), more)
	}
	answer := `,"task_class":"file_edit","model_version":"v1","prompt":"Rename it","response":"Done. All tests pass.","consent":"redacted"`
	d.land(
		event("assistant_response", "one", 0, answer),
		event("feedback", "one", time.Minute, `,"explicit_feedback":"down","reason":"incorrect"`),
		event("assistant_response", "two", 0, answer),
		event("outcome", "two", time.Minute, `,"outcome":"success"`),
		event("assistant_response", "three", 0, strings.Replace(answer, `"redacted"`, `"none"`, 1)),
	)
	d.flag()
	for _, c := range []struct {
		what, sql string
		want      int64
	}{
		{"decisions", `SELECT count(*) FROM sampling_decisions`, 3},
		{"items", `SELECT count(*) FROM items`, 2},
		{"the disliked one", `SELECT count(*) FROM items WHERE priority_class = 'negative' AND session_id = 'one' AND snapshot->>'response' = 'Done. All tests pass.'`, 1},
		{"events around it", `SELECT jsonb_array_length(snapshot->'around') FROM items WHERE session_id = 'one'`, 2},
		{"without consent", `SELECT count(*) FROM sampling_decisions WHERE reason = 'no_text'`, 1},
		{"the run says what it did", `SELECT count(*) FROM rule_runs WHERE finished_at IS NOT NULL AND considered = 3 AND added = 2 AND unread = 1`, 1},
	} {
		if got := d.count(c.sql); got != c.want {
			t.Errorf("%s: want %d, got %d", c.what, c.want, got)
		}
	}
	d.flag() // again, over what has been seen: nothing comes of it
	if n := d.count(`SELECT count(*) FROM sampling_decisions`); n != 3 {
		t.Errorf("considering twice: want 3 decisions, got %d", n)
	}
	d.land(event("correction", "two", 2*time.Minute, `,"correction":"Undo that","correction_source":"edit"`))
	d.flag()
	if n := d.count(`SELECT count(*) FROM items WHERE session_id = 'two' AND priority_class = 'implicit' AND reasons = '{random,correction}'`); n != 1 {
		t.Error("a late event adds its reason and raises the class")
	}

	if err := (&closeFrames{labeling: d.labeling}).Work(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if n := d.count(`SELECT sum(responses) FROM frame_totals`); n != 3 {
		t.Errorf("totals by the store: want 3, got %d", n)
	}
	if n := d.count(`SELECT count(*) FROM frame_closings WHERE pi = 0`); n == 0 {
		t.Error("a day that ended has its closing, here with nothing read")
	}

	labeler := auth.Actor{Kind: auth.Person, ID: 2, Name: "Labeler", Roles: []auth.Role{auth.Labeler}}
	copies := &copyLabels{labeling: d.labeling}
	for _, label := range []string{"hallucinated", "cannot_tell"} {
		r, err := d.labeling.Reserve(t.Context(), labeler, "file_edit")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.labeling.Submit(t.Context(), labeler, r.ItemID, r.Token, uuid.NewString(), labeling.Answer{Label: label}); err != nil {
			t.Fatal(err)
		}
	}
	if err := copies.Work(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if n := d.counted(`SELECT count() FROM labeled_responses WHERE label = 'hallucinated' AND task_class = 'file_edit' AND model_version = 'v1'`); n != 1 {
		t.Errorf("labeled_responses: want the one label, got %d", n)
	}
	if n := d.counted(`SELECT count() FROM labeled_responses`); n != 1 {
		t.Errorf("cannot_tell is not among them: want 1 row, got %d", n)
	}
	if err := (&closeFrames{labeling: d.labeling}).Work(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if n := d.count(`SELECT count(*) FROM items WHERE pi = 1`); n != 2 {
		t.Errorf("all that could be read was read: want probability 1 on 2 items, got %d", n)
	}
}

func TestAClosedLaptopGivesItsItemBack(t *testing.T) {
	d := newDesk(t)
	d.land(fmt.Sprintf(`{"event_type":"assistant_response","session_id":"s","event_time":%q,"task_class":"file_edit","model_version":"v1","response":"Done.","consent":"redacted"}`, time.Now().UTC().Format(time.RFC3339)))
	d.flag()
	labeler := auth.Actor{Kind: auth.Person, ID: 2, Name: "Labeler", Roles: []auth.Role{auth.Labeler}}
	if _, err := d.labeling.Reserve(t.Context(), labeler, "file_edit"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.pool.Exec(t.Context(), `UPDATE reservations SET lease_until = clock_timestamp() - interval '1 second'`); err != nil {
		t.Fatal(err)
	}
	if err := (&expireReservations{labeling: d.labeling}).Work(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if n := d.count(`SELECT count(*) FROM reservations WHERE state = 'expired'`); n != 1 {
		t.Error("the lease has ended")
	}
	if n := d.count(`SELECT count(*) FROM items WHERE taken = 0`); n != 1 {
		t.Error("the item is free again")
	}
}
