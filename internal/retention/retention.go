package retention

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
	"assay/internal/signing"
)

// Policy says for how long what people wrote is kept, in days.
type Policy struct {
	Version     int
	TextDays    int // of receipt: readable text, artifacts, sealed raw text
	LabeledDays int // labeled examples with their notes and corrections
	RowDays     int // events without their text
	Reason      string
	Author      string
	At          time.Time
}

// Cutoff is what an expiry goes by.
type Cutoff struct {
	Now    time.Time
	Policy Policy
	Held   []string // sessions under a legal hold
}

// TextBefore is the time of receipt before which text is over.
func (c Cutoff) TextBefore() time.Time { return c.Now.AddDate(0, 0, -c.Policy.TextDays) }

// LabeledBefore is the same for labeled examples.
func (c Cutoff) LabeledBefore() time.Time { return c.Now.AddDate(0, 0, -c.Policy.LabeledDays) }

// Person is whom an erasure is about: their hash and the sessions they had.
type Person struct {
	Hash     string
	Sessions []string
}

// Place is one store of text.
type Place interface {
	// Name is what pages and proofs call it: "items and drafts".
	Name() string
	// Overdue counts what is past its time and still there.
	Overdue(ctx context.Context, c Cutoff) (int64, error)
	// Expire ends what is past its time and returns how much that was.
	Expire(ctx context.Context, actor auth.Actor, c Cutoff) (int64, error)
	// Count says how much there is of a person.
	Count(ctx context.Context, p Person) (int64, error)
	// Erase ends all there is of a person and returns how much that was.
	Erase(ctx context.Context, actor auth.Actor, p Person) (int64, error)
}

// Sessions is the place that knows whose a session is. It is asked last.
type Sessions interface {
	Place
	SessionsOf(ctx context.Context, person string) ([]string, error)
	// Hold keeps the sessions' text and rows, or gives them their time back.
	Hold(ctx context.Context, sessions []string, held bool, p Policy) error
}

// Inserter puts a job into the caller's transaction.
type Inserter interface {
	InsertTx(ctx context.Context, tx pgx.Tx, args river.JobArgs, opts *river.InsertOpts) (*rivertype.JobInsertResult, error)
}

// Register ends text and proves it. Places are asked in their order, Sessions
// after them.
type Register struct {
	DB       postgres.DB
	Places   []Place
	Sessions Sessions
	Signing  *signing.Keys
	Jobs     Inserter         // nil: no jobs are inserted
	Clock    func() time.Time // nil: time.Now
}

func (g *Register) now() time.Time {
	if g.Clock != nil {
		return g.Clock().UTC()
	}
	return time.Now().UTC()
}

func (g *Register) places() []Place { return append(slices.Clone(g.Places), Place(g.Sessions)) }

// Policy returns the one in force.
func (g *Register) Policy(ctx context.Context) (Policy, error) {
	rows, err := g.DB.Query(ctx, `
		SELECT version, text_days, labeled_days, row_days, reason, author, at
		FROM retention_policies
		ORDER BY version DESC
		LIMIT 1`)
	if err != nil {
		return Policy{}, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Policy])
}

// SetPolicy puts another in force. Text is kept for 1 to 90 days; what becomes
// overdue by it ends with the next run.
func (g *Register) SetPolicy(ctx context.Context, actor auth.Actor, p Policy) error {
	if err := actor.Require(auth.ManagePeople); err != nil {
		return err
	}
	p.Reason = strings.TrimSpace(p.Reason)
	switch {
	case p.TextDays < 1 || p.TextDays > 90:
		return fault.Say(fault.Invalid, "Text is kept for 1 to 90 days.")
	case p.LabeledDays < p.TextDays || p.LabeledDays > 3650:
		return fault.Say(fault.Invalid, "Labeled examples are kept for at least as long as other text, and for 3,650 days at most.")
	case p.RowDays < p.TextDays || p.RowDays > 3650:
		return fault.Say(fault.Invalid, "Events are kept for at least as long as their text, and for 3,650 days at most.")
	case len(p.Reason) < 3 || len(p.Reason) > 500:
		return fault.Say(fault.Invalid, "Say in 3 to 500 characters why the times change.")
	}
	before, err := g.Policy(ctx)
	if err != nil {
		return err
	}
	p.Author, p.At = actor.Name, g.now()
	return postgres.InTx(ctx, g.DB, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `
			INSERT INTO retention_policies (text_days, labeled_days, row_days, reason, author, at)
			VALUES ($1, $2, $3, $4, $5, $6)
			RETURNING version`, p.TextDays, p.LabeledDays, p.RowDays, p.Reason, p.Author, p.At).Scan(&p.Version)
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{
			Actor: actor, Action: "retention.set", Object: fmt.Sprintf("retention/%d", p.Version),
			What:   fmt.Sprintf("text %d, labeled %d, rows %d days", p.TextDays, p.LabeledDays, p.RowDays),
			Reason: p.Reason, Before: before, After: p,
		})
	})
}

// cutoff gathers what a run goes by. Persons under a hold are looked up anew,
// so that sessions they had since are held as well.
func (g *Register) cutoff(ctx context.Context) (Cutoff, error) {
	policy, err := g.Policy(ctx)
	if err != nil {
		return Cutoff{}, err
	}
	if err := g.extendHolds(ctx, policy); err != nil {
		return Cutoff{}, fmt.Errorf("extend the legal holds: %w", err)
	}
	rows, err := g.DB.Query(ctx, `
		SELECT DISTINCT s.session_id
		FROM legal_hold_sessions s JOIN legal_holds ON id = hold_id
		WHERE ended_at IS NULL`)
	if err != nil {
		return Cutoff{}, err
	}
	held, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if held == nil {
		held = []string{}
	}
	return Cutoff{Now: g.now(), Policy: policy, Held: held}, err
}

// Run ends what is past its time, everywhere, and keeps the proof. It is for a
// job, once a day.
func (g *Register) Run(ctx context.Context, actor auth.Actor) (Proof, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return Proof{}, err
	}
	c, err := g.cutoff(ctx)
	if err != nil {
		return Proof{}, err
	}
	p := Proof{Kind: "schedule", BeganAt: c.Now}
	for _, place := range g.places() {
		removed, err := place.Expire(ctx, actor, c)
		if err != nil {
			return Proof{}, fmt.Errorf("expire %s: %w", place.Name(), err)
		}
		left, err := place.Overdue(ctx, c)
		if err != nil {
			return Proof{}, fmt.Errorf("look for what is overdue in %s: %w", place.Name(), err)
		}
		p.Places = append(p.Places, Found{place.Name(), removed, left})
	}
	about := fmt.Sprintf("policy %d: text %d days, labeled examples %d days, events %d days; %d sessions under legal hold",
		c.Policy.Version, c.Policy.TextDays, c.Policy.LabeledDays, c.Policy.RowDays, len(c.Held))
	return p, g.prove(ctx, actor, &p, about)
}
