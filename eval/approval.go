package eval

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
	"assay/internal/signing"
)

// Approval is a signed yes or no of one release manager to one evidence hash.
type Approval struct {
	ID           int64
	HandoffID    int64
	PersonID     int64
	PersonName   string
	Decision     string // approve or reject
	Meaning      string // what the signature says, in the first person
	EvidenceHash string
	Comment      string
	Unopened     []string // windows the signer had not opened
	SteppedUpAt  time.Time
	SignedAt     time.Time
	ExpiresAt    time.Time
	VoidedAt     *time.Time
	VoidReason   *string
	Signature    signing.Signature
}

// Stands reports whether the signature still counts.
func (a Approval) Stands(now time.Time) bool { return a.VoidedAt == nil && now.Before(a.ExpiresAt) }

const (
	// StepUpLasts is how fresh the proof of who signs must be.
	StepUpLasts = 10 * time.Minute
	// ApprovalLasts is how long a signature counts.
	ApprovalLasts = 7 * 24 * time.Hour

	// What a signature says, in the first person; it is part of what is signed.
	ApproveMeaning = "I have read the evidence with this hash and approve that the candidate replaces the failing template."
	RejectMeaning  = "I have read the evidence with this hash and reject the candidate. This is final."
)

// Approve signs yes to the evidence with the given hash. Only a release manager
// who did not ask for the handoff and did not write the candidate, freshly
// stepped up, signs; the database refuses all others too. Before the evidence
// is complete, and for evidence that has changed since, it is fault.Conflict
// with the sentence the page shows.
func (s *Store) Approve(ctx context.Context, actor auth.Actor, handoffID int64, evidenceHash, comment string) (Gate, error) {
	return s.sign(ctx, actor, handoffID, "approve", evidenceHash, comment)
}

// Reject signs no, which is final for the candidate.
func (s *Store) Reject(ctx context.Context, actor auth.Actor, handoffID int64, evidenceHash, comment string) (Gate, error) {
	return s.sign(ctx, actor, handoffID, "reject", evidenceHash, comment)
}

func (s *Store) sign(ctx context.Context, actor auth.Actor, handoffID int64, decision, evidenceHash, comment string) (Gate, error) {
	if err := s.maySign(actor); err != nil {
		return Gate{}, err
	}
	if len(comment) > 5000 {
		return Gate{}, fault.Say(fault.Invalid, "A comment has at most 5,000 characters.")
	}
	if decision == "reject" && strings.TrimSpace(comment) == "" {
		return Gate{}, fault.Say(fault.Invalid, "A rejection says why, in the comment.")
	}
	err := postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		h, err := lockHandoff(ctx, tx, handoffID)
		if err != nil {
			return err
		}
		if err := s.signable(ctx, tx, actor, h, decision, evidenceHash); err != nil {
			return err
		}
		if err := s.insertApproval(ctx, tx, actor, h, decision, evidenceHash, comment); err != nil {
			return err
		}
		if decision == "reject" {
			return s.move(ctx, tx, h, Rejected, "rejected by "+actor.Name)
		}
		_, err = s.redecide(ctx, tx, h, "approved by "+actor.Name)
		return err
	})
	if err != nil {
		return Gate{}, err
	}
	return s.Check(ctx, actor, handoffID)
}

func (s *Store) maySign(actor auth.Actor) error {
	if actor.Kind != auth.Person {
		return fault.Say(fault.Denied, "Only a signed-in release manager signs, never an API key.")
	}
	if err := actor.Require(auth.ApprovePromotion); err != nil {
		return err
	}
	if age := s.now().Sub(actor.SteppedUp); actor.SteppedUp.IsZero() || age > StepUpLasts {
		return fault.Say(fault.Denied, "Prove again who you are before you sign; the proof lasts %d minutes.", int(StepUpLasts.Minutes()))
	}
	return nil
}

// signable refuses, in the words of the page, what the database would refuse
// anyway.
func (s *Store) signable(ctx context.Context, tx pgx.Tx, actor auth.Actor, h Handoff, decision, evidenceHash string) error {
	if h.RequestedByKind == string(auth.Person) && h.RequestedBy == actor.ID {
		return fault.Say(fault.Denied, "You asked for this handoff; two other release managers sign.")
	}
	var wrote bool
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM templates WHERE template_id = $1 AND author_kind = 'person' AND author_id = $2)`,
		h.CandidateTemplateID, actor.ID).Scan(&wrote)
	if err != nil {
		return err
	}
	if wrote {
		return fault.Say(fault.Denied, "You wrote the candidate; two other release managers sign.")
	}
	stored, err := results(ctx, tx, h.ID)
	if err != nil {
		return err
	}
	if EvidenceHash(h.Contract, stored) != h.EvidenceHash {
		return fault.Say(fault.Conflict, "The stored evidence does not give the hash it was kept under; nothing is signed until that is explained.")
	}
	if evidenceHash != h.EvidenceHash {
		return fault.Say(fault.Conflict, "The evidence has changed since you opened it; read it again, its hash is now %s.", h.EvidenceHash)
	}
	if h.PromotionStatus.Final() || h.PromotionStatus == Promoted {
		return fault.Say(fault.Conflict, "This handoff is %s.", strings.ToLower(string(h.PromotionStatus)))
	}
	g := Gate{Handoff: h, Decision: Decide(h.Contract, stored), Recomputed: true}
	if err := s.heed(ctx, h, &g.Decision); err != nil {
		return err
	}
	if decision == "approve" && (h.PromotionStatus != Ready && h.PromotionStatus != Approved || g.Decision.Status != Ready) {
		g.explain()
		return fault.Say(fault.Conflict, "%s. Nobody signs evidence that is still changing.", g.Headline)
	}
	return nil
}

func (s *Store) insertApproval(ctx context.Context, tx pgx.Tx, actor auth.Actor, h Handoff, decision, evidenceHash, comment string) error {
	now := s.now()
	_, err := tx.Exec(ctx, `
		UPDATE approvals SET voided_at = $3, void_reason = 'it had expired'
		WHERE handoff_id = $1 AND person_id = $2 AND voided_at IS NULL AND expires_at <= $3`, h.ID, actor.ID, now)
	if err != nil {
		return err
	}
	unopened, err := unopenedWindows(ctx, tx, h, actor.ID)
	if err != nil {
		return err
	}
	a := Approval{
		HandoffID: h.ID, PersonID: actor.ID, PersonName: actor.Name, Decision: decision, Meaning: ApproveMeaning,
		EvidenceHash: evidenceHash, SteppedUpAt: actor.SteppedUp.UTC().Truncate(time.Microsecond), SignedAt: now, ExpiresAt: now.Add(ApprovalLasts), Unopened: unopened,
	}
	if decision == "reject" {
		a.Meaning = RejectMeaning
	}
	if s.Signing == nil {
		return fault.Say(fault.Unavailable, "This installation has no signing key; assay doctor says how to make one.")
	}
	a.Signature = s.Signing.Sign("approval", a.signed())
	signature, err := json.Marshal(a.Signature)
	if err != nil {
		return err
	}
	skipped, err := json.Marshal(a.Unopened)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO approvals (handoff_id, person_id, person_name, decision, meaning, evidence_hash, comment, unopened,
			stepped_up_at, signed_at, expires_at, signature)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		a.HandoffID, a.PersonID, a.PersonName, a.Decision, a.Meaning, a.EvidenceHash, comment, skipped,
		a.SteppedUpAt, a.SignedAt, a.ExpiresAt, signature)
	switch {
	case postgres.Violates(err, "approvals_one_per_person"):
		return fault.Say(fault.Conflict, "You have signed this evidence already.")
	case err != nil:
		return fmt.Errorf("sign handoff %d: %w", h.ID, err)
	}
	return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "handoff." + decision, Object: fmt.Sprintf("handoff/%d", h.ID),
		What: evidenceHash, Reason: comment, After: a.Signature})
}

// signed is what the signature is over: who, what, when, on which evidence and
// with which meaning, each with its length.
func (a Approval) signed() []byte {
	return signing.Canonical(
		fmt.Appendf(nil, "%d", a.HandoffID), fmt.Appendf(nil, "%d", a.PersonID), []byte(a.PersonName), []byte(a.Decision),
		[]byte(a.Meaning), []byte(a.EvidenceHash), []byte(a.SteppedUpAt.UTC().Format(time.RFC3339Nano)),
		[]byte(a.SignedAt.UTC().Format(time.RFC3339Nano)), []byte(a.ExpiresAt.UTC().Format(time.RFC3339Nano)))
}

func unopenedWindows(ctx context.Context, tx pgx.Tx, h Handoff, personID int64) ([]string, error) {
	rows, err := tx.Query(ctx, `SELECT DISTINCT "window" FROM window_openings WHERE handoff_id = $1 AND person_id = $2`, h.ID, personID)
	if err != nil {
		return nil, err
	}
	opened, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	unopened := []string{}
	for _, window := range []WindowName{Regression, Holdout} {
		if h.Contract.Metric.Needs(window) && !strings.Contains(" "+strings.Join(opened, " ")+" ", " "+string(window)+" ") {
			unopened = append(unopened, string(window))
		}
	}
	return unopened, nil
}

func approvals(ctx context.Context, db postgres.DB, handoffID int64) ([]Approval, error) {
	rows, err := db.Query(ctx, `SELECT * FROM approvals WHERE handoff_id = $1 ORDER BY id`, handoffID)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Approval])
}

// Promote records that the candidate goes live. It needs the gate open at this
// very moment, which is checked again inside the transaction and once more by
// the database.
func (s *Store) Promote(ctx context.Context, actor auth.Actor, handoffID int64) (Gate, error) {
	if err := s.maySign(actor); err != nil {
		return Gate{}, err
	}
	err := postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		h, err := lockHandoff(ctx, tx, handoffID)
		if err != nil {
			return err
		}
		inside := &Store{DB: tx, Signing: s.Signing, Clock: s.Clock}
		gate, err := inside.Check(ctx, actor, handoffID)
		if err != nil {
			return err
		}
		if !gate.Allowed || h.PromotionStatus != Approved {
			return fault.Say(fault.Conflict, "%s.", gate.Headline)
		}
		if err := s.move(ctx, tx, h, Promoted, "promoted by "+actor.Name); err != nil {
			return err
		}
		if h.IncidentID != nil {
			if _, err := tx.Exec(ctx, `UPDATE incidents SET closed_at = $2 WHERE id = $1 AND closed_at IS NULL`, *h.IncidentID, s.now()); err != nil {
				return err
			}
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "handoff.promote", Object: fmt.Sprintf("handoff/%d", h.ID), What: h.EvidenceHash})
	})
	if err != nil {
		return Gate{}, err
	}
	return s.Check(ctx, actor, handoffID)
}

// Revoke takes an approval or a promotion back; it is final for the candidate.
func (s *Store) Revoke(ctx context.Context, actor auth.Actor, handoffID int64, reason string) (Gate, error) {
	if err := s.maySign(actor); err != nil {
		return Gate{}, err
	}
	if reason = strings.TrimSpace(reason); reason == "" || len(reason) > 5000 {
		return Gate{}, fault.Say(fault.Invalid, "A revocation says why, in at most 5,000 characters.")
	}
	err := postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		h, err := lockHandoff(ctx, tx, handoffID)
		if err != nil {
			return err
		}
		if !h.PromotionStatus.Allows() {
			return fault.Say(fault.Conflict, "Only what is approved or promoted can be revoked; this handoff is %s.", strings.ToLower(string(h.PromotionStatus)))
		}
		if err := s.move(ctx, tx, h, Revoked, "revoked by "+actor.Name); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "handoff.revoke", Object: fmt.Sprintf("handoff/%d", h.ID), Reason: reason})
	})
	if err != nil {
		return Gate{}, err
	}
	return s.Check(ctx, actor, handoffID)
}

// move sets a status that people decided and keeps the decision it stands on.
func (s *Store) move(ctx context.Context, tx pgx.Tx, h Handoff, to Status, why string) error {
	now := s.now()
	_, err := tx.Exec(ctx, `UPDATE handoffs SET promotion_status = $2, changed_at = $3 WHERE id = $1`, h.ID, to, now)
	if postgres.Violates(err, "handoffs_two_sign") || postgres.Violates(err, "handoffs_approved_first") || postgres.Violates(err, "handoffs_final_stay") {
		return fault.Say(fault.Conflict, "The database refuses: %s needs two valid signatures on the present evidence.", strings.ToLower(string(to)))
	}
	if err != nil {
		return fmt.Errorf("move handoff %d: %w", h.ID, err)
	}
	stored, err := results(ctx, tx, h.ID)
	if err != nil {
		return err
	}
	decision := Decide(h.Contract, stored)
	decision.Status = to
	return keepDecision(ctx, tx, h.ID, decision, h.EvidenceHash, now, why)
}
