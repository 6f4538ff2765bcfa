package labeling

import (
	"context"
	"fmt"

	"assay/internal/auth"
)

// FollowSession files items under the name that their session was given after
// they came. What was labeled stays as it is; only where it is found changes.
func (s *Store) FollowSession(ctx context.Context, actor auth.Actor, from, to string) error {
	if err := actor.Require(auth.RunWork); err != nil {
		return err
	}
	_, err := s.DB.Exec(ctx, `
		UPDATE items
		SET session_id = $2,
		    snapshot = CASE WHEN snapshot IS NULL THEN NULL ELSE jsonb_set(snapshot, '{session_id}', to_jsonb($2::text)) END
		WHERE session_id = $1`, from, to)
	if err != nil {
		return fmt.Errorf("follow a session to its name: %w", err)
	}
	return nil
}
