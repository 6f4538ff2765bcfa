package telemetry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
	"assay/internal/redact"
)

// RedactionPolicy is a version of the operator's own rules, which stand beside
// the product's kinds. The product's kinds cannot be switched off.
type RedactionPolicy struct {
	Version int // 0: no rules of one's own
	Rules   []redact.Rule
	Reason  string
	Author  string
	At      time.Time
}

// policies are the two ways text is redacted. What a validator checks keeps
// its '#': in a formula or a program '#DIV' is no order number. They are those
// of the product itself until the operator's have been read.
type policies struct {
	mu      sync.Mutex
	version int
	until   time.Time
	now     inForce
}

type inForce struct {
	text     *redact.Policy
	artifact *redact.Policy
}

func both(text *redact.Policy) inForce {
	return inForce{text, text.Without(redact.OrderID)}
}

// ownKinds is the policy without rules of the operator's.
func (s *Store) ownKinds() *redact.Policy {
	if s.Redact == nil {
		return redact.Assay(nil)
	}
	return s.Redact
}

// policy is what was last known to be in force.
func (s *Store) policy() inForce {
	s.policies.mu.Lock()
	defer s.policies.mu.Unlock()
	if s.policies.now.text == nil {
		s.policies.now = both(s.ownKinds())
	}
	return s.policies.now
}

// policyNow is what is in force, read again every few seconds: a new version
// redacts the events of every process soon after it was made.
func (s *Store) policyNow(ctx context.Context) (inForce, error) {
	now := time.Now()
	s.policies.mu.Lock()
	fresh := s.policies.now.text != nil && now.Before(s.policies.until)
	version := s.policies.version
	s.policies.mu.Unlock()
	if fresh {
		return s.policy(), nil
	}
	newest, err := newestRedaction(ctx, s.DB)
	if err != nil {
		return inForce{}, err
	}
	compiled := s.policy()
	if newest.Version != version {
		text, err := s.ownKinds().With(newest.Version, newest.Rules)
		if err != nil {
			return inForce{}, fmt.Errorf("read version %d of the rules of redaction: %w", newest.Version, err)
		}
		compiled = both(text)
	}
	s.policies.mu.Lock()
	defer s.policies.mu.Unlock()
	if newest.Version >= s.policies.version { // else another request was later
		s.policies.version, s.policies.now, s.policies.until = newest.Version, compiled, now.Add(termsRemembered)
	}
	return s.policies.now, nil
}

// ScrubPolicy names the policy that text is redacted by now, with its version;
// while PostgreSQL is away, the one last known.
func (s *Store) ScrubPolicy(ctx context.Context) string {
	if s.DB == nil {
		return s.policy().text.Name()
	}
	if p, err := s.policyNow(ctx); err == nil {
		return p.text.Name()
	}
	return s.policy().text.Name()
}

const redactionColumns = `version, rules, reason, author, at`

func newestRedaction(ctx context.Context, db querier) (RedactionPolicy, error) {
	rows, err := db.Query(ctx, `SELECT `+redactionColumns+` FROM redaction_policies ORDER BY version DESC LIMIT 1`)
	if err != nil {
		return RedactionPolicy{}, err
	}
	p, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[RedactionPolicy])
	if errors.Is(err, pgx.ErrNoRows) {
		return RedactionPolicy{}, nil
	}
	return p, err
}

// Redaction returns the version in force.
func (s *Store) Redaction(ctx context.Context, actor auth.Actor) (RedactionPolicy, error) {
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return RedactionPolicy{}, err
	}
	return newestRedaction(ctx, s.DB)
}

// Redactions lists the last versions, newest first.
func (s *Store) Redactions(ctx context.Context, actor auth.Actor, limit int) ([]RedactionPolicy, error) {
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return nil, err
	}
	rows, err := s.DB.Query(ctx, `SELECT `+redactionColumns+` FROM redaction_policies ORDER BY version DESC LIMIT $1`, min(max(limit, 1), 500))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[RedactionPolicy])
}

// SetRedaction puts rules in force for events that are taken from now on; what
// is stored stays as it is. after is the version they were made from: when
// another came between, it returns fault.Conflict and nothing changes. The
// audit names the rules, never their words, which may be names of people.
func (s *Store) SetRedaction(ctx context.Context, actor auth.Actor, after int, rules []redact.Rule, reason string) (RedactionPolicy, error) {
	if err := actor.Require(auth.Configure); err != nil {
		return RedactionPolicy{}, err
	}
	p := RedactionPolicy{Version: after + 1, Rules: rules, Reason: strings.TrimSpace(reason), Author: actor.Name, At: s.now()}
	if p.Rules == nil {
		p.Rules = []redact.Rule{}
	}
	if n := len([]rune(p.Reason)); n < 3 || n > 500 {
		return p, fault.Say(fault.Invalid, "Say in 3 to 500 characters why.")
	}
	if after < 0 {
		return p, fault.Say(fault.Invalid, "The version these rules were made from is not known.")
	}
	if _, err := s.ownKinds().With(p.Version, p.Rules); err != nil {
		return p, err
	}
	err := postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtext('redaction policies'))`); err != nil {
			return err
		}
		before, err := newestRedaction(ctx, tx)
		if err != nil {
			return err
		}
		if before.Version != after {
			return fault.Say(fault.Conflict, "Version %d came into force while you wrote. Read it, and make your change again.", before.Version)
		}
		_, err = tx.Exec(ctx, `
			INSERT INTO redaction_policies (version, rules, reason, author, at)
			VALUES ($1, $2, $3, $4, $5)`, p.Version, p.Rules, p.Reason, p.Author, p.At)
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{
			Actor: actor, Action: "redaction.set", Object: fmt.Sprintf("redaction_policy/%d", p.Version),
			What: p.Summary(), Reason: p.Reason, Before: before, After: p,
		})
	})
	if err != nil {
		return p, fmt.Errorf("set version %d of the rules of redaction: %w", p.Version, err)
	}
	s.policies.mu.Lock()
	defer s.policies.mu.Unlock()
	s.policies.until = time.Time{}
	return p, nil
}

// Summary names the rules without what they look for.
func (p RedactionPolicy) Summary() string {
	var names []string
	for _, r := range p.Rules {
		what := "a pattern"
		if n := len(r.Words); n == 1 {
			what = "1 word"
		} else if n > 1 {
			what = fmt.Sprintf("%d words", n)
		}
		names = append(names, r.Name+" ("+what+")")
	}
	if len(names) == 0 {
		return "no rules of one's own"
	}
	if more := len(names) - 8; more > 0 {
		names = append(names[:8], fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

// MostTried is how many bytes of text can be tried at once.
const MostTried = 20_000

// Tried is what a text would be stored as.
type Tried struct {
	Text     string
	Findings []redact.Finding
}

// TryRedaction shows what a text becomes under rules that need not be in
// force. Nothing is stored, logged or counted.
func (s *Store) TryRedaction(actor auth.Actor, rules []redact.Rule, text string) (Tried, error) {
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return Tried{}, err
	}
	if len(text) > MostTried {
		return Tried{}, fault.Say(fault.Invalid, "The text to try has %d bytes; %d is the most.", len(text), MostTried)
	}
	p, err := s.ownKinds().With(0, rules)
	if err != nil {
		return Tried{}, err
	}
	var tried Tried
	tried.Text, tried.Findings = p.Text(text)
	return tried, nil
}
