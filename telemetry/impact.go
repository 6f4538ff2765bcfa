package telemetry

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// ImpactDefault says how grave a wrong answer is, 1 to 5, where its event does
// not say. An empty TaskClass or ActionType stands for any. It is applied when
// a response is flagged, so a change reaches what is flagged after it.
type ImpactDefault struct {
	TaskClass  string
	ActionType string
	Impact     int
	Reason     string
	Author     string
	At         time.Time
}

// Actions are what an assistant may have done, and OwnImpact what that weighs
// where nobody said otherwise: what leaves the house cannot be taken back.
var (
	Actions   = []string{"read", "transform", "write", "send"}
	ownImpact = map[string]int{"read": 1, "transform": 2, "write": 3, "send": 4}
)

// OwnImpact is the product's own default for an action; 1 for none.
func OwnImpact(action string) int { return cmp.Or(ownImpact[action], 1) }

// impacts are the defaults in force.
type impacts map[[2]string]int

// of is the closest default: of the class and action, of the class, of the
// action, the product's own.
func (d impacts) of(taskClass, action string) int {
	return cmp.Or(d[[2]string{taskClass, action}], d[[2]string{taskClass, ""}], d[[2]string{"", action}], OwnImpact(action))
}

// judgeImpact fills in what events did not say.
func (d impacts) judgeImpact(candidates []Candidate) {
	for i := range candidates {
		if c := &candidates[i]; c.Impact == 0 {
			c.Impact = d.of(c.TaskClass, c.ActionType)
		}
	}
}

func (s *Store) impacts(ctx context.Context) (impacts, error) {
	if s.DB == nil {
		return nil, nil
	}
	list, err := impactDefaults(ctx, s.DB)
	defaults := impacts{}
	for _, d := range list {
		defaults[[2]string{d.TaskClass, d.ActionType}] = d.Impact
	}
	return defaults, err
}

func impactDefaults(ctx context.Context, db querier) ([]ImpactDefault, error) {
	rows, err := db.Query(ctx, `
		SELECT task_class, action_type, impact, reason, author, at
		FROM (SELECT DISTINCT ON (task_class, action_type) * FROM impact_defaults ORDER BY task_class, action_type, id DESC) newest
		WHERE impact > 0
		ORDER BY task_class, action_type`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[ImpactDefault])
}

// ImpactDefaults lists those in force, by class and action.
func (s *Store) ImpactDefaults(ctx context.Context, actor auth.Actor) ([]ImpactDefault, error) {
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return nil, err
	}
	return impactDefaults(ctx, s.DB)
}

// SetImpact puts a default in force; an impact of 0 gives the pair back to the
// product's own. It says nothing of responses that were flagged before.
func (s *Store) SetImpact(ctx context.Context, actor auth.Actor, d ImpactDefault) error {
	if err := actor.Require(auth.Configure); err != nil {
		return err
	}
	d.TaskClass, d.Reason = strings.TrimSpace(d.TaskClass), strings.TrimSpace(d.Reason)
	switch n := len([]rune(d.Reason)); {
	case d.TaskClass == "" && d.ActionType == "":
		return fault.Say(fault.Invalid, "Name a task class, an action, or both.")
	case len(d.TaskClass) > 100:
		return fault.Say(fault.Invalid, "A task class has at most 100 characters.")
	case d.ActionType != "" && !slices.Contains(Actions, d.ActionType):
		return fault.Say(fault.Invalid, "An action is read, transform, write or send.")
	case d.Impact < 0 || d.Impact > 5:
		return fault.Say(fault.Invalid, "Impact is a whole number from 1 to 5, or 0 for the product's own.")
	case n < 3 || n > 500:
		return fault.Say(fault.Invalid, "Say in 3 to 500 characters why.")
	}
	d.Author, d.At = actor.Name, s.now()
	err := postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
			INSERT INTO impact_defaults (task_class, action_type, impact, reason, author, at)
			VALUES ($1, $2, $3, $4, $5, $6)`, d.TaskClass, d.ActionType, d.Impact, d.Reason, d.Author, d.At)
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{
			Actor: actor, Action: "impact.set", Object: "task_class/" + cmp.Or(d.TaskClass, "any"),
			What: fmt.Sprintf("action %s: %d", cmp.Or(d.ActionType, "any"), d.Impact), Reason: d.Reason, After: d,
		})
	})
	if err != nil {
		return fmt.Errorf("set the impact of %s %s: %w", d.TaskClass, d.ActionType, err)
	}
	return nil
}
