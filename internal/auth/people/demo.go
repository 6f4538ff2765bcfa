package people

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// demonstrators are the accounts of a product that one person tries alone:
// one for each role, and a second release manager, since a promotion takes
// two. Their addresses cannot receive mail.
var demonstrators = []New{
	{"labeler@demo.invalid", "Ines Okafor", []auth.Role{auth.Labeler}},
	{"reviewer@demo.invalid", "Rana Amari", []auth.Role{auth.Reviewer}},
	{"engineer@demo.invalid", "Anna Lindqvist", []auth.Role{auth.Engineer}},
	{"release-manager@demo.invalid", "Mona Brandt", []auth.Role{auth.ReleaseManager}},
	{"second-release-manager@demo.invalid", "Sanjay Iyer", []auth.Role{auth.ReleaseManager}},
	{"auditor@demo.invalid", "Petr Novak", []auth.Role{auth.Auditor}},
	{"admin@demo.invalid", "Luis Castellanos", []auth.Role{auth.Admin}},
}

// Demonstrate makes the accounts of a product on one machine where they are
// missing and returns the secret of a one-time link that signs the engineer
// in. It works only where Demo is set.
func (g *Register) Demonstrate(ctx context.Context) (linkSecret string, err error) {
	if !g.Demo {
		return "", fault.Say(fault.Denied, "Accounts for trying the product are made on one machine only.")
	}
	actor := auth.Product()
	err = postgres.InTx(ctx, g.DB, func(tx pgx.Tx) error {
		for _, n := range demonstrators {
			p, err := g.one(ctx, tx, `p.email = $1`, n.Email)
			if fault.Of(err) == fault.NotFound {
				p, err = g.add(ctx, tx, actor, n, true)
			}
			if err != nil {
				return fmt.Errorf("make the account of the %s: %w", n.Roles[0].Words(), err)
			}
			if n.Roles[0] != auth.Engineer {
				continue
			}
			if linkSecret, _, err = g.link(ctx, tx, actor, p); err != nil {
				return err
			}
		}
		return nil
	})
	return linkSecret, err
}

// Demonstrators lists the accounts of the role switcher; none outside a
// product on one machine.
func (g *Register) Demonstrators(ctx context.Context, s *Session) ([]Person, error) {
	if s == nil || !g.mayActAs(s.Person, s.Person) {
		return nil, nil
	}
	rows, err := g.DB.Query(ctx, selectPerson+` WHERE p.demo AND p.disabled_at IS NULL ORDER BY p.id`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, onePerson)
}

// ActAs ends the session and starts one as another account of the role
// switcher.
func (g *Register) ActAs(ctx context.Context, s *Session, id int64, from Where) (secret string, err error) {
	if s == nil {
		return "", fault.Denied
	}
	err = postgres.InTx(ctx, g.DB, func(tx pgx.Tx) error {
		p, err := g.one(ctx, tx, `p.id = $1`, id)
		if err != nil {
			return err
		}
		if !g.mayActAs(s.Person, p) {
			return fault.Say(fault.Denied, "Changing the account without signing in is for a product tried on one machine.")
		}
		if _, err := tx.Exec(ctx, `UPDATE sign_in_sessions SET ended_at = $2 WHERE id = $1`, s.ID, g.now()); err != nil {
			return err
		}
		secret, err = g.start(ctx, tx, p, from, started{how: "role switcher"})
		return err
	})
	return secret, err
}

// mayActAs is the switcher's rule: only there, and only between its accounts.
func (g *Register) mayActAs(from, to Person) bool {
	return g.Demo && from.Demo && to.Demo && to.DisabledAt == nil
}
