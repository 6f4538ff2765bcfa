package retention

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// Found is what a deletion did in one place, and what was left there when it
// was looked at again.
type Found struct {
	Place   string `json:"place"`
	Removed int64  `json:"removed"`
	Left    int64  `json:"left"`
}

// Proof is a signed statement of a deletion.
type Proof struct {
	ID        int64
	Kind      string // "schedule" or "erasure"
	ErasureID *int64
	BeganAt   time.Time
	MadeAt    time.Time
	Places    []Found
	Clean     bool // nothing was left anywhere
	Note      string
}

// Removed is the sum over all places.
func (p Proof) Removed() (n int64) {
	for _, f := range p.Places {
		n += f.Removed
	}
	return n
}

// prove signs and keeps what a deletion did.
func (g *Register) prove(ctx context.Context, actor auth.Actor, p *Proof, about string) error {
	p.MadeAt, p.Clean = g.now(), true
	for _, f := range p.Places {
		p.Clean = p.Clean && f.Left == 0
	}
	var err error
	if p.Note, err = g.Signing.SignNote(p.statement(about)); err != nil {
		return fmt.Errorf("sign the proof of a deletion: %w", err)
	}
	return postgres.InTx(ctx, g.DB, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `
			INSERT INTO retention_proofs (kind, erasure_id, began_at, made_at, places, clean, note)
			VALUES ($1, $2, $3, $4, $5, $6, $7)
			RETURNING id`, p.Kind, p.ErasureID, p.BeganAt, p.MadeAt, p.Places, p.Clean, p.Note).Scan(&p.ID)
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{
			Actor: actor, Action: "retention.prove", Object: fmt.Sprintf("proof/%d", p.ID),
			What: fmt.Sprintf("%s: %d removed, clean %t", p.Kind, p.Removed(), p.Clean), After: p.Note,
		})
	})
}

// statement is what is signed: text that a person reads and a program parses.
func (p Proof) statement(about string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "assay deletion %s\nbegan %s\nlooked again %s\n%s\n", p.Kind, p.BeganAt.Format(time.RFC3339), p.MadeAt.Format(time.RFC3339), about)
	for _, f := range p.Places {
		fmt.Fprintf(&b, "%s: removed %d, left %d\n", f.Place, f.Removed, f.Left)
	}
	result := "nothing was left in any place"
	if !p.Clean {
		result = "something was left; the next run tries again"
	}
	fmt.Fprintf(&b, "result: %s\n", result)
	b.WriteString("The engines return the bytes of what was removed when they vacuum pages, drop old parts and remove segments of their logs.\n")
	return b.String()
}

// Proofs lists the newest, at most limit.
func (g *Register) Proofs(ctx context.Context, actor auth.Actor, limit int) ([]Proof, error) {
	if err := actor.Require(auth.SeeRetention); err != nil {
		return nil, err
	}
	rows, err := g.DB.Query(ctx, `
		SELECT id, kind, erasure_id, began_at, made_at, places, clean, note
		FROM retention_proofs
		ORDER BY made_at DESC, id DESC
		LIMIT $1`, min(max(limit, 1), 500))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Proof])
}

// Proof returns one. NotFound when there is none of this id.
func (g *Register) Proof(ctx context.Context, actor auth.Actor, id int64) (Proof, error) {
	if err := actor.Require(auth.SeeRetention); err != nil {
		return Proof{}, err
	}
	rows, err := g.DB.Query(ctx, `
		SELECT id, kind, erasure_id, began_at, made_at, places, clean, note
		FROM retention_proofs
		WHERE id = $1`, id)
	if err != nil {
		return Proof{}, err
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Proof])
	if err == nil && len(list) == 0 {
		err = fault.Say(fault.NotFound, "There is no proof %d.", id)
	}
	if err != nil {
		return Proof{}, err
	}
	return list[0], nil
}
