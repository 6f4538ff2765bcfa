package eval_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"assay/eval"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgrestest"
)

func (g *gatehouse) open(change func(*eval.HandoffRequest)) eval.Handoff {
	g.t.Helper()
	request := eval.HandoffRequest{
		FailingTemplateID: "tracking-answerer-v1.1-regression", CandidateTemplateID: "tracking-answerer-v1.2-fix",
		RequiredMetric: eval.DefaultMetric, RegressionCases: []string{"invented_eta"}, HoldoutMin: 299,
	}
	if change != nil {
		change(&request)
	}
	h, err := g.eval.Open(context.Background(), g.engineer, request)
	if err != nil {
		g.t.Fatal(err)
	}
	return h
}

func (g *gatehouse) approve(actor auth.Actor, h eval.Handoff) (eval.Gate, error) {
	return g.eval.Approve(context.Background(), actor, h.ID, g.check(h.ID).Handoff.EvidenceHash, "read")
}

func TestPromotionIsBlockedUntilEvidenceAndTwoPeopleOpenTheGate(t *testing.T) {
	ctx := context.Background()
	g := newGatehouse(t, false)
	h := g.open(nil)
	if h.PromotionStatus != eval.Blocked || h.HoldoutNeeded != 299 || !strings.HasPrefix(h.RequiredMetricHash, "sha256:") {
		t.Fatalf("opened: %+v", h)
	}
	if gate := g.check(h.ID); gate.Allowed || gate.Headline != "Blocked: regression 0 of 3, holdout 0 of 299, then 2 approvals" {
		t.Fatalf("nothing measured: %v %q", gate.Allowed, gate.Headline)
	}
	if _, err := g.approve(g.first, h); fault.Of(err) != fault.Conflict || !strings.Contains(fault.Words(err), "Blocked: regression 0 of 3") {
		t.Errorf("approving early is refused with the page's sentence, got %v", err)
	}
	if upload := g.upload(h.ID, cleanRuns(160)...); upload.Accepted != 163 || upload.Missing != 139 || upload.Status != eval.Undecided {
		t.Fatalf("first upload: %+v", upload)
	}
	if gate := g.check(h.ID); gate.Headline != "Blocked: holdout 160 of 299, then 2 approvals" {
		t.Errorf("headline: %q", gate.Headline)
	}
	upload := g.upload(h.ID, append(cleanRuns(298), `{"window":"holdout"}`, `{"window":"holdout","case_id":"invented_eta"}`, `nonsense`)...)
	if upload.Accepted != 138 || upload.Duplicate != 163 || len(upload.Rejected) != 3 || upload.Missing != 1 {
		t.Fatalf("second upload: %+v", upload)
	}
	g.upload(h.ID, runOf("holdout", "parcel-298", 1, false))
	if gate := g.check(h.ID); gate.Decision.Status != eval.Ready || gate.Allowed || gate.Headline != "Ready: needs 2 approvals" {
		t.Fatalf("complete: %s %q", gate.Decision.Status, gate.Headline)
	}
	g.twoSign(h)
	gate, err := g.eval.Promote(ctx, g.second, h.ID)
	if err != nil || gate.Decision.Status != eval.Promoted || !gate.Allowed {
		t.Fatalf("promote: %v, %+v", err, gate.Decision.Status)
	}
	if _, err := g.eval.UploadRuns(ctx, g.engineer, h.ID, strings.NewReader(runOf("holdout", "late", 1, true))); fault.Of(err) != fault.Conflict {
		t.Errorf("evidence is closed after promotion, got %v", err)
	}
	if gate, err = g.eval.Revoke(ctx, g.first, h.ID, "abstentions rose"); err != nil || gate.Allowed || gate.Decision.Status != eval.Revoked {
		t.Errorf("revoke: %v, %s", err, gate.Decision.Status)
	}
}

// twoSign signs with both release managers and checks the refusals on the way.
func (g *gatehouse) twoSign(h eval.Handoff) {
	g.t.Helper()
	ctx := context.Background()
	if gate, err := g.approve(g.first, h); err != nil || gate.Allowed || gate.Headline != "Ready: needs 1 approval" {
		g.t.Fatalf("one signature: %v %q", err, gate.Headline)
	}
	if _, err := g.approve(g.first, h); fault.Of(err) != fault.Conflict {
		g.t.Errorf("signing twice: %v", err)
	}
	if _, err := g.eval.Promote(ctx, g.first, h.ID); fault.Of(err) != fault.Conflict {
		g.t.Errorf("promoting on one signature: %v", err)
	}
	gate, err := g.approve(g.second, h)
	if err != nil || !gate.Allowed || gate.Decision.Status != eval.Approved {
		g.t.Fatalf("two signatures: %v, %+v", err, gate)
	}
	note, err := g.eval.Certificate(ctx, g.auditor, h.ID)
	if err != nil {
		g.t.Fatal(err)
	}
	certificate, err := eval.VerifyCertificate(note, g.eval.Signing.Public())
	if err != nil || len(certificate.Signatures) != 2 {
		g.t.Fatalf("certificate: %v, %+v", err, certificate)
	}
	for _, forged := range []string{strings.Replace(note, "Sana", "Sara", 1), strings.Replace(note, `"0 / 299`, `"0 / 999`, 1)} {
		if _, err := eval.VerifyCertificate(forged, g.eval.Signing.Public()); err == nil {
			g.t.Error("a changed certificate verifies")
		}
	}
}

func TestWhoMayNotSign(t *testing.T) {
	ctx := context.Background()
	g := newGatehouse(t, false)
	h := g.open(nil)
	g.upload(h.ID, cleanRuns(299)...)
	stale := g.first
	stale.SteppedUp = g.now.Add(-11 * time.Minute)
	key := auth.Actor{Kind: auth.Key, ID: 9, Name: "wb_x", Scopes: auth.Scopes}
	for name, actor := range map[string]auth.Actor{"an engineer": g.engineer, "an auditor": g.auditor, "an API key": key, "the product": product, "a stale proof": stale} {
		if _, err := g.approve(actor, h); fault.Of(err) != fault.Denied {
			t.Errorf("%s: want denied, got %v", name, err)
		}
	}
	if _, err := g.eval.Approve(ctx, g.first, h.ID, "sha256:other", ""); fault.Of(err) != fault.Conflict {
		t.Errorf("another hash: %v", err)
	}
	if _, err := g.pool.Exec(ctx, `
		INSERT INTO templates (template_id, text, sha256, author_kind, author_id, author_name)
		VALUES ('tracking-answerer-v1.2-fix', 'x', 'x', 'person', $1, 'Sana')`, g.first.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := g.approve(g.first, h); fault.Of(err) != fault.Denied {
		t.Errorf("the author of the candidate: %v", err)
	}
}

func TestNewEvidenceVoidsSignatures(t *testing.T) {
	g := newGatehouse(t, false)
	h := g.open(nil)
	g.upload(h.ID, cleanRuns(299)...)
	for _, actor := range []auth.Actor{g.first, g.second} {
		if _, err := g.approve(actor, h); err != nil {
			t.Fatal(err)
		}
	}
	if !g.check(h.ID).Allowed {
		t.Fatal("approved")
	}
	g.upload(h.ID, runOf("holdout", "one-more", 1, false))
	gate := g.check(h.ID)
	if gate.Allowed || gate.Decision.Status != eval.Ready || gate.Decision.Needed.Approvals != 2 {
		t.Errorf("after new evidence: %v %s %+v", gate.Allowed, gate.Decision.Status, gate.Decision.Needed)
	}
	for _, a := range gate.Approvals {
		if a.VoidedAt == nil {
			t.Errorf("the approval of %s still stands", a.PersonName)
		}
	}
	g.upload(h.ID, runOf("holdout", "and-another", 1, true))
	if gate := g.check(h.ID); gate.Decision.Status != eval.Failed {
		t.Errorf("a violation is final, got %s", gate.Decision.Status)
	}
}

func TestSignaturesExpire(t *testing.T) {
	g := newGatehouse(t, false)
	h := g.open(nil)
	g.upload(h.ID, cleanRuns(299)...)
	for _, actor := range []auth.Actor{g.first, g.second} {
		if _, err := g.approve(actor, h); err != nil {
			t.Fatal(err)
		}
	}
	g.now = g.now.Add(eval.ApprovalLasts + time.Second)
	if gate := g.check(h.ID); gate.Allowed {
		t.Errorf("expired signatures still allow: %+v", gate.Decision.Status)
	}
}

func TestTheDatabaseRefusesWhatTheProgramMustNot(t *testing.T) {
	ctx := context.Background()
	g := newGatehouse(t, false)
	h := g.open(nil)
	sign := func(person auth.Actor, hash string) error {
		_, err := g.pool.Exec(ctx, `
			INSERT INTO approvals (handoff_id, person_id, person_name, decision, meaning, evidence_hash, stepped_up_at, signed_at, expires_at, signature)
			VALUES ($1, $2, 'x', 'approve', 'x', $3, now(), now(), now() + INTERVAL '1 day', '{}')`, h.ID, person.ID, hash)
		return err
	}
	refused := map[string]func() error{
		"approve what is not ready":   func() error { return sign(g.first, h.EvidenceHash) },
		"sign as an engineer":         func() error { return sign(g.engineer, h.EvidenceHash) },
		"sign other evidence":         func() error { return sign(g.first, "sha256:x") },
		"promote without signatures":  exec(g.pool, `UPDATE handoffs SET promotion_status = 'PROMOTED' WHERE id = $1`, h.ID),
		"approve without signatures":  exec(g.pool, `UPDATE handoffs SET promotion_status = 'APPROVED' WHERE id = $1`, h.ID),
		"change the contract":         exec(g.pool, `UPDATE handoffs SET contract = '{}' WHERE id = $1`, h.ID),
		"delete a handoff":            exec(g.pool, `DELETE FROM handoffs WHERE id = $1`, h.ID),
		"delete decisions":            exec(g.pool, `DELETE FROM decisions`),
		"rewrite decisions":           exec(g.pool, `UPDATE decisions SET status = 'APPROVED'`),
		"open a handoff as approved":  exec(g.pool, `INSERT INTO handoffs SELECT (jsonb_populate_record(h, '{"candidate_template_id":"y","promotion_status":"APPROVED"}')).* FROM handoffs h`),
		"edit a rate card":            exec(g.pool, `UPDATE rate_cards SET input_per_million = 0`),
		"a candidate that is its own": exec(g.pool, `UPDATE handoffs SET failing_template_id = candidate_template_id`),
	}
	for name, act := range refused {
		if err := act(); err == nil {
			t.Errorf("the database lets the program %s", name)
		}
	}
	g.upload(h.ID, cleanRuns(299)...)
	if err := exec(g.pool, `UPDATE runs SET result = result || '{"unsafe_claim_served": true}'`)(); err == nil {
		t.Error("a scored run was rewritten")
	}
	if err := exec(g.pool, `DELETE FROM runs`)(); err == nil {
		t.Error("runs were deleted")
	}
	owner, err := pgxpool.New(ctx, postgrestest.OwnerURL(t, g.pool))
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()
	if _, err := owner.Exec(ctx, `ALTER TABLE runs DISABLE TRIGGER ALL`); err != nil {
		t.Fatal(err)
	}
	if _, err := owner.Exec(ctx, `UPDATE runs SET result = result || '{"route": "shorten"}' WHERE case_id = 'parcel-007'`); err != nil {
		t.Fatal(err)
	}
	if gate := g.check(h.ID); gate.Allowed || gate.Recomputed {
		t.Error("evidence rewritten behind the program's back is not noticed")
	}
}

func exec(pool *pgxpool.Pool, sql string, args ...any) func() error {
	return func() error {
		_, err := pool.Exec(context.Background(), sql, args...)
		return err
	}
}

func TestALaterCandidateHasHalfTheErrorProbability(t *testing.T) {
	ctx := context.Background()
	g := newGatehouse(t, true)
	g.send(sixTraces...)
	g.evaluate()
	var needed []int
	for i := range 3 {
		id := int64(1)
		h, err := g.eval.Open(ctx, g.engineer, eval.HandoffRequest{IncidentID: &id, CandidateTemplateID: fmt.Sprint("fix-", i), RequiredMetric: eval.DefaultMetric})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 && (h.FailingTemplateID != "tracking-answerer-v1.1-regression" || h.ExemplarRequestID != "req_205" || strings.Join(h.Contract.RegressionCases, " ") != "invented_eta") {
			t.Errorf("frozen from the incident: %+v", h)
		}
		needed = append(needed, h.HoldoutNeeded)
	}
	if fmt.Sprint(needed) != "[299 368 437]" {
		t.Errorf("holdout needed: %v", needed)
	}
	id := int64(1)
	_, err := g.eval.Open(ctx, g.engineer, eval.HandoffRequest{IncidentID: &id, CandidateTemplateID: "fix-0", RequiredMetric: eval.DefaultMetric})
	if fault.Of(err) != fault.Conflict {
		t.Errorf("the same candidate again: %v", err)
	}
}

func TestATemplateInUseDoesNotChange(t *testing.T) {
	ctx := context.Background()
	g := newGatehouse(t, false)
	put := func(text string) error {
		_, err := g.eval.PutTemplate(ctx, g.engineer, "tracking-answerer-v1.2-fix", text, nil)
		return err
	}
	for _, text := range []string{"one", "two", "two"} {
		if err := put(text); err != nil {
			t.Fatal(err)
		}
	}
	g.open(nil)
	if err := put("two"); err != nil {
		t.Errorf("the same text again: %v", err)
	}
	if err := put("three"); fault.Of(err) != fault.Conflict {
		t.Errorf("another text: %v", err)
	}
}
