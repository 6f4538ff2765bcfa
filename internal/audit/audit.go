package audit

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
	"assay/internal/fault"
)

// Entry is one change: who did what to which object, and why.
type Entry struct {
	Actor  auth.Actor
	Action string // "label.submit": the noun, a dot, the verb
	Object string // "item/42": the kind, a slash, the id
	What   string // a few words for the audit page: ids and figures, never text that a user or a model wrote
	Reason string // in the actor's words, when the act asks for one
	Before any    // hashed, never stored; nil when there was nothing
	After  any    // hashed, never stored; nil when nothing is left
}

var (
	actionForm = regexp.MustCompile(`^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$`)
	objectForm = regexp.MustCompile(`^[a-z][a-z0-9_]*/.+$`)
)

// Record writes the entry in the caller's transaction, so that the change and
// its entry commit or fall together. It is one INSERT and needs no key: the
// database says when, the sequencer seals the entry once it has committed.
//
// It returns fault.Invalid when the action, the object or the actor has no
// proper form; that is a defect of the caller.
func Record(ctx context.Context, tx pgx.Tx, e Entry) error {
	batch := &pgx.Batch{}
	if err := Queue(batch, e); err != nil {
		return err
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("record %s of %s: %w", e.Action, e.Object, err)
	}
	return nil
}

// Queue is Record as one statement of a batch that the caller sends in their
// transaction, for the few acts that are so frequent that each round trip
// counts.
func Queue(batch *pgx.Batch, e Entry) error {
	if err := e.check(); err != nil {
		return err
	}
	before, err := hashOf(e.Before)
	if err != nil {
		return fmt.Errorf("record %s of %s: %w", e.Action, e.Object, err)
	}
	after, err := hashOf(e.After)
	if err != nil {
		return fmt.Errorf("record %s of %s: %w", e.Action, e.Object, err)
	}
	batch.Queue(`
		INSERT INTO audit_entries
			(actor_kind, actor_id, actor_name, actor_roles, stepped_up, action, object, what, reason, before_hash, after_hash)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		string(e.Actor.Kind), e.Actor.ID, storable(e.Actor.Name), roleList(e.Actor.Roles), moment(e.Actor.SteppedUp),
		e.Action, storable(e.Object), storable(e.What), storable(e.Reason), before, after)
	return nil
}

func (e Entry) check() error {
	switch {
	case e.Actor.Kind == "":
		return fmt.Errorf("record %s of %s: no actor: %w", e.Action, e.Object, fault.Invalid)
	case !actionForm.MatchString(e.Action):
		return fmt.Errorf("record: action %q is not noun.verb: %w", e.Action, fault.Invalid)
	case !objectForm.MatchString(e.Object):
		return fmt.Errorf("record %s: the object is not kind/id: %w", e.Action, fault.Invalid)
	}
	return nil
}

// hashOf is the hash an entry keeps of a state: SHA-256 of its JSON, nil for
// nothing. encoding/json sorts the keys of maps, so equal states hash alike.
func hashOf(state any) ([]byte, error) {
	if state == nil {
		return nil, nil
	}
	text, err := json.Marshal(state)
	if err != nil {
		return nil, fmt.Errorf("hash the state: %w", err)
	}
	sum := sha256.Sum256(text)
	return sum[:], nil
}

// storable makes text that PostgreSQL takes: no NUL, valid UTF-8. A strange
// name must not make a change impossible to record.
func storable(text string) string {
	if !utf8.ValidString(text) {
		text = strings.ToValidUTF8(text, "\uFFFD")
	}
	return strings.ReplaceAll(text, "\x00", "\uFFFD")
}

func roleList(roles []auth.Role) string {
	list := make([]string, len(roles))
	for i, role := range roles {
		list[i] = string(role)
	}
	return strings.Join(list, ",")
}

func moment(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	return &at
}
