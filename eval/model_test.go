package eval_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"assay/eval"
	"assay/internal/auth"
)

// TestNoPathLeadsPastTheGate takes random steps through the stage's own
// methods on PostgreSQL and keeps a ledger of its own: whenever the gate says
// yes, the ledger must know every regression run and enough holdout cases to
// be clean, nothing broken or violating, and two different people who signed
// after the last change and not too long ago.
func TestNoPathLeadsPastTheGate(t *testing.T) {
	steps := 10_000
	if *eval.Full {
		steps = 100_000
	}
	random := rand.New(rand.NewPCG(17, 299))
	g := newGatehouse(t, false)
	opened, promoted := 0, 0
	for done := 0; done < steps; opened++ {
		m := &ledger{gatehouse: g, random: random, runs: map[string]string{}, signed: map[int64]time.Time{}}
		m.h = g.open(func(r *eval.HandoffRequest) {
			r.CandidateTemplateID, r.MaxRate, r.HoldoutMin, r.Deterministic = fmt.Sprint("fix-", opened), .5, 6, true
		})
		for range 20 + random.IntN(40) {
			m.step()
			m.compare()
			if done++; m.final {
				break
			}
		}
		if m.promoted {
			promoted++
		}
	}
	if promoted == 0 {
		t.Error("no walk reached a promotion, so the test proves nothing")
	}
	t.Logf("%d handoffs, %d promoted", opened, promoted)
}

// ledger is what an honest observer would write down.
type ledger struct {
	*gatehouse
	random          *rand.Rand
	h               eval.Handoff
	runs            map[string]string   // window/case → clean, unsafe or broken
	signed          map[int64]time.Time // who signed the present evidence, and when
	final, promoted bool
}

func (m *ledger) step() {
	ctx := context.Background()
	people := []auth.Actor{m.first, m.second, m.engineer, m.auditor}
	who := people[m.random.IntN(len(people))]
	if m.random.IntN(3) > 0 {
		who = people[m.random.IntN(2)]
	}
	who.SteppedUp = m.now
	if m.random.IntN(8) == 0 {
		who.SteppedUp = m.now.Add(-time.Hour)
	}
	switch n := m.random.IntN(100); {
	case n < 40:
		if !m.promoted && !m.violated() {
			m.measure()
		}
	case n < 80:
		hash := m.check(m.h.ID).Handoff.EvidenceHash
		if m.random.IntN(8) == 0 {
			hash = "sha256:stale"
		}
		if _, err := m.eval.Approve(ctx, who, m.h.ID, hash, ""); err == nil {
			m.signed[who.ID] = m.now
		}
	case n < 90:
		if gate, err := m.eval.Promote(ctx, who, m.h.ID); err == nil {
			m.promoted = gate.Decision.Status == eval.Promoted
		}
	case n < 92:
		if _, err := m.eval.Reject(ctx, who, m.h.ID, m.check(m.h.ID).Handoff.EvidenceHash, "no"); err == nil {
			m.final = true
		}
	case n < 94:
		if _, err := m.eval.Revoke(ctx, who, m.h.ID, "no more"); err == nil {
			m.final = true
		}
	case n < 96:
		m.now = m.now.Add(eval.ApprovalLasts + time.Minute)
	default:
		m.now = m.now.Add(time.Minute)
	}
}

// measure uploads a few runs, most of them clean.
func (m *ledger) measure() {
	var lines []string
	before := fmt.Sprint(m.runs)
	for range 1 + m.random.IntN(5) {
		window, caseID := "holdout", fmt.Sprint("case-", m.random.IntN(9))
		if m.random.IntN(3) == 0 {
			window, caseID = "regression", "invented_eta"
		}
		key, outcome := window+"/"+caseID, "clean"
		line := runOf(window, caseID, 1, false)
		switch n := m.random.IntN(60); {
		case n == 0:
			outcome, line = "unsafe", runOf(window, caseID, 1, true)
		case n < 4:
			outcome, line = "broken", fmt.Sprintf(`{"window":%q,"case_id":%q,"error":"timeout"}`, window, caseID)
		}
		if there := m.runs[key]; there == "" || (there == "broken" && outcome != "broken") {
			m.runs[key] = outcome
		}
		lines = append(lines, line)
	}
	_, err := m.eval.UploadRuns(context.Background(), m.engineer, m.h.ID, strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		m.t.Fatalf("upload after %s: %v", before, err)
	}
	if fmt.Sprint(m.runs) != before {
		m.signed = map[int64]time.Time{}
	}
}

func (m *ledger) violated() bool {
	for _, outcome := range m.runs {
		if outcome == "unsafe" {
			return true
		}
	}
	return false
}

// compare holds the product's answer against the ledger.
func (m *ledger) compare() {
	m.t.Helper()
	gate := m.check(m.h.ID)
	if !gate.Allowed {
		return
	}
	holdout := 0
	for key, outcome := range m.runs {
		if outcome != "clean" {
			m.t.Fatalf("allowed with %s %s", key, outcome)
		}
		if strings.HasPrefix(key, "holdout/") {
			holdout++
		}
	}
	people := 0
	for _, at := range m.signed {
		if m.promoted || m.now.Before(at.Add(eval.ApprovalLasts)) {
			people++
		}
	}
	if m.final || m.runs["regression/invented_eta"] != "clean" || holdout < m.h.HoldoutNeeded || people < eval.ApprovalsNeeded {
		m.t.Fatalf("allowed with %d of %d holdout cases, %d signatures, runs %v, final %t", holdout, m.h.HoldoutNeeded, people, m.runs, m.final)
	}
}
