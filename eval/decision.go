package eval

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
	"assay/internal/fault"
)

// EvidenceHash names the evidence a decision and a signature are bound to:
// SHA-256 over the contract and all results in canonical order. Every label
// revision and every uploaded line changes it.
func EvidenceHash(c Contract, results []Result) string {
	results = slices.Clone(results)
	slices.SortFunc(results, compareResults)
	hash := sha256.New()
	encoder := json.NewEncoder(hash)
	if err := encoder.Encode(c); err != nil {
		panic(err) // strings and finite numbers always encode
	}
	for _, r := range results {
		if err := encoder.Encode(r); err != nil {
			panic(err)
		}
	}
	return "sha256:" + hex.EncodeToString(hash.Sum(nil))
}

// redecide decides a handoff anew on what is stored and keeps the outcome: it
// voids signatures on other evidence and moves the status. The caller holds
// the handoff's row lock.
func (s *Store) redecide(ctx context.Context, tx pgx.Tx, h Handoff, why string) (Decision, error) {
	results, err := results(ctx, tx, h.ID)
	if err != nil {
		return Decision{}, err
	}
	decision := Decide(h.Contract, results)
	if err := s.heed(ctx, h, &decision); err != nil {
		return Decision{}, err
	}
	evidence := EvidenceHash(h.Contract, results)
	now := s.now()
	if evidence != h.EvidenceHash {
		_, err := tx.Exec(ctx, `
			UPDATE approvals SET voided_at = $3, void_reason = 'the evidence changed'
			WHERE handoff_id = $1 AND voided_at IS NULL AND evidence_hash <> $2`, h.ID, evidence, now)
		if err != nil {
			return Decision{}, err
		}
		if _, err := tx.Exec(ctx, `UPDATE handoffs SET evidence_hash = $2, changed_at = $3 WHERE id = $1`, h.ID, evidence, now); err != nil {
			return Decision{}, err
		}
	}
	if decision.Status, err = signedStatus(ctx, tx, h.ID, evidence, decision.Status); err != nil {
		return Decision{}, err
	}
	if evidence == h.EvidenceHash && decision.Status == h.PromotionStatus {
		return decision, nil
	}
	if _, err := tx.Exec(ctx, `UPDATE handoffs SET promotion_status = $2, changed_at = $3 WHERE id = $1`, h.ID, decision.Status, now); err != nil {
		return Decision{}, fmt.Errorf("decide handoff %d: %w", h.ID, err)
	}
	return decision, keepDecision(ctx, tx, h.ID, decision, evidence, now, why)
}

// signedStatus turns ready into approved when enough people have signed this
// evidence.
func signedStatus(ctx context.Context, tx pgx.Tx, handoffID int64, evidence string, status Status) (Status, error) {
	if status != Ready {
		return status, nil
	}
	var signed int
	if err := tx.QueryRow(ctx, `SELECT valid_approvals($1, $2)`, handoffID, evidence).Scan(&signed); err != nil {
		return status, err
	}
	if signed >= ApprovalsNeeded {
		return Approved, nil
	}
	return status, nil
}

func keepDecision(ctx context.Context, tx pgx.Tx, handoffID int64, d Decision, evidence string, at time.Time, why string) error {
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO decisions (handoff_id, status, decision, evidence_hash, decided_at, why)
		VALUES ($1, $2, $3, $4, $5, $6)`, handoffID, d.Status, text, evidence, at, why)
	return err
}

func lockHandoff(ctx context.Context, tx pgx.Tx, id int64) (Handoff, error) {
	rows, err := tx.Query(ctx, `SELECT * FROM handoffs WHERE id = $1 FOR UPDATE`, id)
	if err != nil {
		return Handoff{}, err
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Handoff])
	if err != nil {
		return Handoff{}, err
	}
	if len(list) == 0 {
		return Handoff{}, fmt.Errorf("handoff %d: %w", id, fault.NotFound)
	}
	return list[0], nil
}

// Gate is how a handoff stands now: the decision recomputed from what is
// stored, the signatures on it, and the answer to whoever asks.
type Gate struct {
	Handoff   Handoff
	Decision  Decision
	Approvals []Approval
	Allowed   bool
	Headline  string   // "Blocked: holdout 160 of 299, then 2 approvals"
	Reasons   []string // one sentence each; empty when allowed
	// Recomputed reports whether the stored evidence hash is what the stored
	// rows give; when it is not, the gate is shut.
	Recomputed bool
}

// Check answers whether promotion is allowed now. It recomputes the decision
// from the stored rows and trusts no stored status: a signature that has
// expired, or evidence that does not give its hash, shuts the gate.
func (s *Store) Check(ctx context.Context, actor auth.Actor, id int64) (Gate, error) {
	if !actor.May(auth.CheckGate) && !actor.May(auth.SeeHandoffs) {
		return Gate{}, actor.Require(auth.CheckGate)
	}
	h, err := s.Handoff(ctx, actor, id)
	if err != nil {
		return Gate{}, err
	}
	stored, err := results(ctx, s.DB, id)
	if err != nil {
		return Gate{}, err
	}
	g := Gate{Handoff: h, Decision: Decide(h.Contract, stored)}
	if err := s.heed(ctx, h, &g.Decision); err != nil {
		return Gate{}, err
	}
	g.Recomputed = EvidenceHash(h.Contract, stored) == h.EvidenceHash
	if g.Approvals, err = approvals(ctx, s.DB, id); err != nil {
		return Gate{}, err
	}
	signed := g.signed(s.now())
	g.Decision.Needed.Approvals = max(0, ApprovalsNeeded-signed)
	switch {
	case h.PromotionStatus.Final():
		g.Decision.Status = h.PromotionStatus
	case g.Decision.Status == Ready && signed >= ApprovalsNeeded:
		g.Decision.Status = Approved
		if h.PromotionStatus == Promoted {
			g.Decision.Status = Promoted
		}
	case h.PromotionStatus == Promoted && g.Decision.Status == Ready:
		// Signatures may expire after the promotion they allowed.
		g.Decision.Status = Promoted
	}
	g.Allowed = g.Recomputed && g.Decision.Status.Allows()
	g.explain()
	return g, nil
}

// signed counts the people whose yes to this very evidence still stands.
func (g Gate) signed(now time.Time) int { return len(g.standing(now)) }

// standing is one approval of this evidence for each person who gave one.
func (g Gate) standing(now time.Time) []Approval {
	var list []Approval
	people := map[int64]bool{}
	for _, a := range g.Approvals {
		if a.Decision == "approve" && a.Stands(now) && a.EvidenceHash == g.Handoff.EvidenceHash && !people[a.PersonID] {
			people[a.PersonID] = true
			list = append(list, a)
		}
	}
	return list
}

// Signers names the people whose approval of this evidence stands.
func (g Gate) Signers(now time.Time) []string {
	var names []string
	for _, a := range g.standing(now) {
		names = append(names, a.PersonName)
	}
	return names
}

// SignedBy reports whether the person's approval of this evidence stands.
func (g Gate) SignedBy(personID int64, now time.Time) bool {
	return slices.ContainsFunc(g.standing(now), func(a Approval) bool { return a.PersonID == personID })
}

// TakesResults reports whether evidence may still be added.
func (g Gate) TakesResults() bool {
	return !g.Handoff.PromotionStatus.Final() && g.Handoff.PromotionStatus != Promoted
}

func (g *Gate) explain() {
	if !g.Recomputed {
		g.Reasons = append(g.Reasons, "The stored evidence does not give the hash it was kept under; nothing is allowed until that is explained.")
	}
	for _, check := range g.Decision.Checks {
		if check.Finding != Holds && check.Finding != Reports {
			g.Reasons = append(g.Reasons, check.Name+": "+check.Words+".")
		}
	}
	switch g.Decision.Status {
	case Ready:
		g.Reasons = append(g.Reasons, fmt.Sprintf("Approvals: %d of %d release managers have signed this evidence.", ApprovalsNeeded-g.Decision.Needed.Approvals, ApprovalsNeeded))
	case Rejected:
		g.Reasons = append(g.Reasons, "A release manager rejected this candidate.")
	case Revoked:
		g.Reasons = append(g.Reasons, "The promotion was revoked.")
	}
	if g.Allowed {
		g.Reasons = nil
	}
	g.Headline = g.headline()
}

func (g Gate) headline() string {
	switch g.Decision.Status {
	case Approved:
		return "Approved: promotion is allowed"
	case Promoted:
		return "Promoted"
	case Failed:
		return "Failed: the candidate violates the required metric, and that is final"
	case Rejected:
		return "Rejected: final for this candidate"
	case Revoked:
		return "Revoked: final for this candidate"
	case UnderReview:
		return "Under review: a label says that the candidate violates the metric; a reviewer decides"
	}
	var parts []string
	needed := g.Decision.Needed
	c := g.Handoff.Contract
	if needed.RegressionRuns > 0 {
		total := len(c.RegressionCases) * c.Repeats
		parts = append(parts, fmt.Sprintf("regression %d of %d", total-needed.RegressionRuns, total))
	}
	if needed.HoldoutCases > 0 {
		parts = append(parts, fmt.Sprintf("holdout %d of %d", c.HoldoutNeeded-needed.HoldoutCases, c.HoldoutNeeded))
	}
	if needed.BaselineCases > 0 {
		parts = append(parts, "baseline "+counted(needed.BaselineCases, "case")+" missing")
	}
	if needed.Labels > 0 {
		parts = append(parts, counted(needed.Labels, "label")+" missing")
	}
	approvals := counted(needed.Approvals, "approval")
	if g.Decision.Status == Ready {
		return "Ready: needs " + approvals
	}
	if len(parts) == 0 {
		for _, check := range g.Decision.Checks {
			if check.Finding == Waiting {
				parts = append(parts, strings.ToLower(check.Name[:1])+check.Name[1:])
			}
		}
	}
	return "Blocked: " + strings.Join(parts, ", ") + ", then " + approvals
}
