package people

import (
	"context"
	"fmt"

	"assay/internal/auth"
	"assay/internal/fault"
)

// Rebind gives an act another key for this person; an empty act forgets every
// choice, an empty key this one. Which acts and keys there are is the page's
// to know. Nobody else sees it, so it leaves no audit entry.
func (g *Register) Rebind(ctx context.Context, actor auth.Actor, act, key string) error {
	if actor.Kind != auth.Person {
		return fault.Denied
	}
	if len(act) > 40 || len(key) > 20 {
		return fault.Say(fault.Invalid, "There is no such act or key.")
	}
	_, err := g.DB.Exec(ctx, `
		UPDATE people
		SET keys = CASE WHEN $2 = '' THEN '{}'::jsonb
		                WHEN $3 = '' THEN keys - $2::text
		                ELSE jsonb_set(keys, ARRAY[$2::text], to_jsonb($3::text)) END
		WHERE id = $1`, actor.ID, act, key)
	if err != nil {
		return fmt.Errorf("rebind for person %d: %w", actor.ID, err)
	}
	return nil
}
