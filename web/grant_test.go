package web

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/telemetry"
)

func TestNamedLabelersReadUnredactedTextOnceTwoOthersAgreed(t *testing.T) {
	w := queued(t, "sql_query", "one")
	w.exec(`UPDATE items SET wanted = 3`)
	// Stands in for the vault: the entry and the text go together.
	w.stages.Labeling.RawText = func(ctx context.Context, actor auth.Actor, event uuid.UUID, reason string, allowed func(context.Context, pgx.Tx) error) (telemetry.RawText, error) {
		tx, err := w.pool.Begin(ctx)
		if err != nil {
			return telemetry.RawText{}, err
		}
		defer tx.Rollback(ctx)
		if err := allowed(ctx, tx); err != nil {
			return telemetry.RawText{}, err
		}
		err = audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "payload.open", Object: "payload/" + event.String(), Reason: reason})
		if err != nil {
			return telemetry.RawText{}, err
		}
		return telemetry.RawText{Response: "Maya owes 10. " + hostile}, tx.Commit(ctx)
	}
	labeler, other := w.as(auth.Labeler), w.signIn(w.person("second@example.org", auth.Labeler))
	engineer, manager, auditor := w.as(auth.Engineer), w.as(auth.ReleaseManager), w.as(auth.Auditor)
	address := labeler.next("sql_query")
	reads := func(b *browser, at string) bool {
		t.Helper()
		return strings.Contains(b.get(at).want(200).Body, "Maya owes")
	}

	id := strconv.FormatInt(w.ids[auth.Labeler], 10)
	ask := url.Values{"queue": {"sql_query"}, "reason": {"The redaction hides the sums."}, "labeler": {id}, "hours": {"8"}}
	labeler.post("/grants", ask).want(403)
	short := url.Values{"queue": {"sql_query"}, "reason": {"why"}, "labeler": {id}, "hours": {"8"}}
	if got := engineer.post("/grants", short).want(400).text("#ask .field-error"); !strings.Contains(got, "10 to 500 characters") {
		t.Errorf("got %q", got)
	}
	engineer.post("/grants", ask).to("/grants")
	if got := manager.get("/").want(200).text("main"); !strings.Contains(got, "asks for a reading grant") {
		t.Errorf("who may approve is told: %s", clip(got, 500))
	}
	engineer.post("/grants/1/approve", nil).want(403)
	if reads(labeler, address) {
		t.Error("nobody has agreed")
	}
	manager.post("/grants/1/approve", nil).to("/grants")
	manager.post("/grants/1/approve", nil).want(409)
	if reads(labeler, address) {
		t.Error("one has agreed, two are needed")
	}
	auditor.post("/grants/1/approve", nil).to("/grants")
	page := labeler.get(address).want(200)
	if got := page.text("#item"); !strings.Contains(got, "Maya owes 10.") || !strings.Contains(got, "Reading grant until") || !strings.Contains(got, "for Labeler") {
		t.Errorf("the labeler reads it, and until when: %s", clip(got, 900))
	}
	if len(page.find("#item img, #item script")) != 0 {
		t.Error("unredacted text became markup")
	}
	if reads(other, other.next("sql_query")) {
		t.Error("who is not named reads redacted text")
	}
	if got := other.get("/grants").want(200).text("main"); strings.Contains(got, "redaction hides") {
		t.Error("who is not named learns of the grant")
	}
	before := w.count(`SELECT count(*) FROM audit_entries WHERE action = 'payload.open'`)
	labeler.get(address).want(200)
	if n := w.count(`SELECT count(*) FROM audit_entries WHERE action = 'payload.open' AND reason LIKE 'reading grant 1, item %'`); n != before+1 || before < 1 {
		t.Errorf("each opening is an entry: %d, then %d", before, n)
	}
	labeler.post("/grants/1/end", nil).want(403)
	auditor.post("/grants/1/end", nil).to("/grants")
	if reads(labeler, address) {
		t.Error("the grant has ended")
	}
	if _, err := w.pool.Exec(t.Context(), `INSERT INTO reading_grant_approvals (grant_id, person_id) VALUES (1, $1)`, w.ids[auth.Engineer]); err == nil {
		t.Error("the database lets who asked approve")
	}
}
