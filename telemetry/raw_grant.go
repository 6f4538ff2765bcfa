package telemetry

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// OpenGranted opens the sealed text of an event for a labeler. Who may read it
// is another stage's to say: allowed is asked in the transaction in which the
// vault opens the text and writes its entry, so that both or neither happen.
// NotFound when nothing was sealed, or not any more.
func (s *Store) OpenGranted(ctx context.Context, actor auth.Actor, eventID uuid.UUID, reason string, allowed func(context.Context, pgx.Tx) error) (RawText, error) {
	if err := actor.Require(auth.Label); err != nil {
		return RawText{}, err
	}
	if actor.Kind != auth.Person || allowed == nil {
		return RawText{}, fault.Denied
	}
	e, err := s.oneEvent(ctx, auth.Product(), eventID) // the item is theirs to read, the session may not be
	if err != nil {
		return RawText{}, err
	}
	if e.RawPayloadRef == "" || s.Vault == nil {
		return RawText{}, errNotSealed
	}
	var raw RawText
	err = postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		if err := allowed(ctx, tx); err != nil {
			return err
		}
		sealed, err := s.Vault.Look(ctx, e.RawPayloadRef)
		if err != nil {
			return err
		}
		if sealed.As.EventID != eventID.String() {
			return fmt.Errorf("open the text of event %s: its payload is of another: %w", eventID, fault.Conflict)
		}
		text, err := s.Vault.Open(ctx, tx, actor, e.RawPayloadRef, sealed.As, reason)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, &raw); err != nil {
			return fmt.Errorf("open the text of event %s: the payload cannot be read", eventID) // never with what it holds
		}
		return nil
	})
	return raw, err
}
