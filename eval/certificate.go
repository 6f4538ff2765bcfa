package eval

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/signing"
)

// Certificate is what an approved handoff proves, in a form that verifies
// without the product: the frozen contract, the decision with its checks, and
// each signature with its meaning.
type Certificate struct {
	Handoff      int64      `json:"handoff"`
	Status       Status     `json:"promotion_status"`
	Contract     Contract   `json:"contract"`
	MetricHash   string     `json:"required_metric_hash"`
	EvidenceHash string     `json:"evidence_hash"`
	Checks       []Check    `json:"checks"`
	Signatures   []SignedBy `json:"signatures"`
	IssuedAt     time.Time  `json:"issued_at"`
}

// SignedBy is one signature as the certificate prints it.
type SignedBy struct {
	PersonID    int64             `json:"person_id"`
	Name        string            `json:"name"`
	Role        string            `json:"role"`
	Meaning     string            `json:"meaning"`
	Comment     string            `json:"comment,omitempty"`
	SignedAt    time.Time         `json:"signed_at"`
	SteppedUpAt time.Time         `json:"stepped_up_at"`
	ExpiresAt   time.Time         `json:"expires_at"`
	NotOpened   []string          `json:"windows_not_opened,omitempty"`
	Signature   signing.Signature `json:"signature"`
}

const certificateHead = "Assay promotion certificate\n"

// Certificate issues the certificate of a handoff whose gate is open, as a
// signed note. The server's key only attests that these people signed; what is
// decided was decided by them. While the gate is shut it is fault.Conflict.
func (s *Store) Certificate(ctx context.Context, actor auth.Actor, handoffID int64) (string, error) {
	certificate, err := s.Certify(ctx, actor, handoffID)
	if err != nil {
		return "", err
	}
	body, err := json.MarshalIndent(certificate, "", "  ")
	if err != nil {
		return "", err
	}
	if s.Signing == nil {
		return "", fault.Say(fault.Unavailable, "This installation has no signing key; assay doctor says how to make one.")
	}
	return s.Signing.SignNote(certificateHead + string(body) + "\n")
}

// Certify returns what the certificate says, without the server's signature on
// it, for a page. While the gate is shut it is fault.Conflict.
func (s *Store) Certify(ctx context.Context, actor auth.Actor, handoffID int64) (Certificate, error) {
	if err := actor.Require(auth.SeeHandoffs); err != nil {
		return Certificate{}, err
	}
	gate, err := s.Check(ctx, actor, handoffID)
	if err != nil {
		return Certificate{}, err
	}
	if !gate.Allowed {
		return Certificate{}, fault.Say(fault.Conflict, "There is no certificate while the gate is shut. %s.", gate.Headline)
	}
	certificate := Certificate{
		Handoff: handoffID, Status: gate.Decision.Status, Contract: gate.Handoff.Contract, MetricHash: gate.Handoff.RequiredMetricHash,
		EvidenceHash: gate.Handoff.EvidenceHash, Checks: gate.Decision.Checks, IssuedAt: s.now(),
	}
	for _, a := range gate.Approvals {
		if a.Decision != "approve" || a.VoidedAt != nil || a.EvidenceHash != gate.Handoff.EvidenceHash {
			continue
		}
		certificate.Signatures = append(certificate.Signatures, SignedBy{
			PersonID: a.PersonID, Name: a.PersonName, Role: auth.ReleaseManager.Words(), Meaning: a.Meaning, Comment: a.Comment, SignedAt: a.SignedAt.UTC(),
			SteppedUpAt: a.SteppedUpAt.UTC(), ExpiresAt: a.ExpiresAt.UTC(), NotOpened: a.Unopened, Signature: a.Signature,
		})
	}
	return certificate, nil
}

// VerifyCertificate checks a certificate offline, with the public key alone:
// the note's own signature, each person's signature over what they signed, and
// that two different people signed this evidence. It returns fault.Invalid,
// saying what does not hold.
func VerifyCertificate(note, publicKey string) (Certificate, error) {
	text, err := signing.OpenNote(note, publicKey)
	if err != nil {
		return Certificate{}, err
	}
	body, ok := strings.CutPrefix(text, certificateHead)
	if !ok {
		return Certificate{}, fault.Say(fault.Invalid, "This is a signed note, but not a promotion certificate.")
	}
	var certificate Certificate
	if err := json.Unmarshal([]byte(body), &certificate); err != nil {
		return Certificate{}, fault.Say(fault.Invalid, "The certificate does not read as one.")
	}
	people := map[int64]bool{}
	for _, s := range certificate.Signatures {
		a := Approval{
			HandoffID: certificate.Handoff, PersonID: s.PersonID, PersonName: s.Name, Decision: "approve", Meaning: s.Meaning,
			EvidenceHash: certificate.EvidenceHash, SteppedUpAt: s.SteppedUpAt, SignedAt: s.SignedAt, ExpiresAt: s.ExpiresAt,
		}
		if err := signing.Verify(publicKey, "approval", a.signed(), s.Signature); err != nil {
			return Certificate{}, fault.Say(fault.Invalid, "The signature of %s is not over this evidence: %v.", s.Name, err)
		}
		people[s.PersonID] = true
	}
	if len(people) < ApprovalsNeeded {
		return Certificate{}, fault.Say(fault.Invalid, "%d signed; a promotion needs %d different people.", len(people), ApprovalsNeeded)
	}
	if hash := certificate.Contract.Metric.Hash(); hash != certificate.MetricHash {
		return Certificate{}, fault.Say(fault.Invalid, "The metric of the contract is not the one that was frozen (%s).", certificate.MetricHash)
	}
	return certificate, nil
}

// Summary writes a certificate in a few lines for a terminal.
func (c Certificate) Summary() string {
	var b strings.Builder
	fmt.Fprintf(&b, "handoff %d: %s replaces %s, %s\n", c.Handoff, c.Contract.Candidate, c.Contract.Failing, c.Status)
	fmt.Fprintf(&b, "required: %s\n", c.Contract.Metric.Text)
	for _, check := range c.Checks {
		fmt.Fprintf(&b, "  %s: %s\n", check.Name, check.Words)
	}
	for _, s := range c.Signatures {
		fmt.Fprintf(&b, "signed by %s, %s, %s\n", s.Name, s.Role, s.SignedAt.Format("2006-01-02 15:04:05 MST"))
	}
	fmt.Fprintf(&b, "evidence %s\n", c.EvidenceHash)
	return b.String()
}
