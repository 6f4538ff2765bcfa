// Package people knows who signs in, and how: accounts and their roles,
// passwords, second factors, one-time links and sign-in sessions. What a
// person may do once signed in is internal/auth's to say.
//
// Every change writes its audit entry in its own transaction. Secrets are
// kept as hashes (passwords by argon2id, session secrets and links by SHA-256,
// being 256 random bits), the second factor's sealed. Read Register first,
// then session.go.
package people

import (
	"context"
	"errors"
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

// Register is the book of the people of one installation.
type Register struct {
	DB     postgres.DB
	Secret []byte           // seals second factors: at least 32 random bytes, the same in every process
	Clock  func() time.Time // nil is time.Now
	Demo   bool             // a product on one machine, tried by one person: see Demonstrate
}

// Person is one account.
type Person struct {
	ID              int64
	Email           string
	Name            string
	Roles           []auth.Role
	Proposed        []Proposal
	HasPassword     bool
	HasSecondFactor bool
	Theme           string // "", "light" or "dark"
	TimeZone        string // IANA name, "" for UTC
	SingleKeys      bool
	AsWritten       bool              // Markdown is shown as it was written
	Keys            map[string]string // what the person rebound: act to key
	Demo            bool
	CreatedAt       time.Time
	DisabledAt      *time.Time
	SeenAt          *time.Time // last request of any session
}

// Proposal is a grant of power that waits for a second administrator.
type Proposal struct {
	Role         auth.Role `db:"role"`
	ProposedBy   int64     `db:"proposed_by"`
	ProposerName string    `db:"proposer_name"`
	ProposedAt   time.Time `db:"proposed_at"`
}

// power lists the roles that a second administrator must agree to.
var power = []auth.Role{auth.ReleaseManager, auth.Admin, auth.Auditor}

// Powerful reports whether the role is granted by two.
func Powerful(r auth.Role) bool { return slices.Contains(power, r) }

const personColumns = `
	       p.id, p.email, p.name, p.password IS NOT NULL AS has_password, p.second_factor IS NOT NULL AS has_second_factor,
	       p.theme, p.time_zone, p.single_keys, p.as_written, p.keys, p.demo, p.created_at, p.disabled_at,
	       (SELECT max(s.seen_at) FROM sign_in_sessions s WHERE s.person_id = p.id) AS seen_at,
	       ARRAY(SELECT r.role FROM person_roles r WHERE r.person_id = p.id ORDER BY r.granted_at, r.role) AS roles`

const selectPerson = `SELECT ` + personColumns + ` FROM people p`

// scanPerson reads a person, after other columns that stand before theirs.
func scanPerson(row pgx.CollectableRow, before ...any) (Person, error) {
	var p Person
	var roles []string
	err := row.Scan(append(before, &p.ID, &p.Email, &p.Name, &p.HasPassword, &p.HasSecondFactor, &p.Theme, &p.TimeZone, &p.SingleKeys, &p.AsWritten, &p.Keys, &p.Demo,
		&p.CreatedAt, &p.DisabledAt, &p.SeenAt, &roles)...)
	for _, r := range auth.Roles { // in the order pages show them
		if slices.Contains(roles, string(r)) {
			p.Roles = append(p.Roles, r)
		}
	}
	return p, err
}

// List returns every account by name, disabled ones last.
func (g *Register) List(ctx context.Context, actor auth.Actor) ([]Person, error) {
	if err := actor.Require(auth.ManagePeople); err != nil {
		return nil, err
	}
	rows, err := g.DB.Query(ctx, selectPerson+` ORDER BY p.disabled_at IS NOT NULL, lower(p.name), p.id`)
	if err != nil {
		return nil, fmt.Errorf("list people: %w", err)
	}
	list, err := pgx.CollectRows(rows, onePerson)
	if err != nil {
		return nil, fmt.Errorf("list people: %w", err)
	}
	return list, g.addProposals(ctx, list)
}

func (g *Register) addProposals(ctx context.Context, list []Person) error {
	rows, err := g.DB.Query(ctx, `
		SELECT o.person_id, o.role, o.proposed_by, p.name, o.proposed_at
		FROM role_proposals o
		JOIN people p ON p.id = o.proposed_by
		ORDER BY o.proposed_at`)
	if err != nil {
		return fmt.Errorf("list proposals: %w", err)
	}
	var person int64
	var o Proposal
	_, err = pgx.ForEachRow(rows, []any{&person, &o.Role, &o.ProposedBy, &o.ProposerName, &o.ProposedAt}, func() error {
		for i := range list {
			if list[i].ID == person {
				list[i].Proposed = append(list[i].Proposed, o)
			}
		}
		return nil
	})
	return err
}

// Find returns the account with the address, or fault.NotFound.
func (g *Register) Find(ctx context.Context, actor auth.Actor, email string) (Person, error) {
	if err := actor.Require(auth.ManagePeople); err != nil {
		return Person{}, err
	}
	return g.one(ctx, g.DB, `p.email = $1`, address(email))
}

func (g *Register) one(ctx context.Context, db postgres.DB, where string, arg any) (Person, error) {
	rows, err := db.Query(ctx, selectPerson+` WHERE `+where, arg)
	if err != nil {
		return Person{}, err
	}
	p, err := pgx.CollectExactlyOneRow(rows, onePerson)
	if errors.Is(err, pgx.ErrNoRows) {
		return Person{}, fault.Say(fault.NotFound, "There is no such account.")
	}
	return p, err
}

// New is an account to be added.
type New struct {
	Email string
	Name  string
	Roles []auth.Role
}

// Add makes an account without a password; Link lets its person in. Roles of
// power that a person adds wait for a second administrator; the product itself
// (the command at the machine) grants them at once.
func (g *Register) Add(ctx context.Context, actor auth.Actor, n New) (Person, error) {
	if err := actor.Require(auth.ManagePeople); err != nil {
		return Person{}, err
	}
	n.Email, n.Name = address(n.Email), strings.TrimSpace(n.Name)
	if err := n.check(); err != nil {
		return Person{}, err
	}
	var p Person
	err := postgres.InTx(ctx, g.DB, func(tx pgx.Tx) error {
		var err error
		p, err = g.add(ctx, tx, actor, n, false)
		return err
	})
	return p, err
}

func (n New) check() error {
	local, domain, found := strings.Cut(n.Email, "@")
	switch {
	case !found || local == "" || domain == "" || len(n.Email) > 254 || strings.ContainsAny(n.Email, " \t\r\n,;<>\"\x00"):
		return fault.Say(fault.Invalid, "The email address must look like ines.okafor@example.org.")
	case n.Name == "" || len([]rune(n.Name)) > 100 || strings.ContainsAny(n.Name, "\r\n\x00"):
		return fault.Say(fault.Invalid, "The name must have 1 to 100 characters.")
	}
	return checkRoles(n.Roles)
}

func checkRoles(roles []auth.Role) error {
	exclusive := 0
	for _, r := range roles {
		if !slices.Contains(auth.Roles, r) {
			return fault.Say(fault.Invalid, "There is no such role. There are labeler, reviewer, engineer, release_manager, admin and auditor.")
		}
		if r == auth.Engineer || r == auth.ReleaseManager || r == auth.Auditor {
			exclusive++
		}
	}
	if exclusive > 1 {
		return errExclusive
	}
	return nil
}

var errExclusive = fault.Say(fault.Conflict, "Nobody holds two of engineer, release manager and auditor: who builds, who decides and who checks are three people.")

func (g *Register) add(ctx context.Context, tx pgx.Tx, actor auth.Actor, n New, demo bool) (Person, error) {
	var id int64
	err := tx.QueryRow(ctx, `
		INSERT INTO people (email, name, demo, created_at)
		VALUES ($1, $2, $3, $4)
		RETURNING id`, n.Email, n.Name, demo, g.now()).Scan(&id)
	if postgres.Violates(err, "people_email") {
		return Person{}, fault.Say(fault.Conflict, "There is an account with this address already.")
	}
	if err != nil {
		return Person{}, fmt.Errorf("add a person: %w", err)
	}
	err = audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "person.add", Object: object(id), After: n})
	if err != nil {
		return Person{}, err
	}
	for _, r := range n.Roles {
		if err := g.grantOrPropose(ctx, tx, actor, id, r); err != nil {
			return Person{}, err
		}
	}
	return g.one(ctx, tx, `p.id = $1`, id)
}

func (g *Register) grantOrPropose(ctx context.Context, tx pgx.Tx, actor auth.Actor, id int64, r auth.Role) error {
	if Powerful(r) && actor.Kind == auth.Person {
		return g.propose(ctx, tx, actor, id, r)
	}
	return g.grant(ctx, tx, actor, id, r, "")
}

func (g *Register) grant(ctx context.Context, tx pgx.Tx, actor auth.Actor, id int64, r auth.Role, what string) error {
	_, err := tx.Exec(ctx, `INSERT INTO person_roles (person_id, role, granted_at) VALUES ($1, $2, $3)`, id, r, g.now())
	if postgres.Violates(err, "person_roles_exclude_each_other") {
		return errExclusive
	}
	if err != nil {
		return fmt.Errorf("grant %s to person %d: %w", r, id, err)
	}
	if what == "" {
		what = r.Words()
	}
	return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "role.grant", Object: object(id), What: what, After: r})
}

func (g *Register) propose(ctx context.Context, tx pgx.Tx, actor auth.Actor, id int64, r auth.Role) error {
	if id == actor.ID {
		return fault.Say(fault.Denied, "Nobody grants a role of power to themselves. Another administrator may propose it.")
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO role_proposals (person_id, role, proposed_by, proposed_at)
		VALUES ($1, $2, $3, $4)
		ON CONFLICT (person_id, role) DO NOTHING`, id, r, actor.ID, g.now())
	if err != nil {
		return fmt.Errorf("propose %s for person %d: %w", r, id, err)
	}
	return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "role.propose", Object: object(id), What: r.Words() + ", waits for a second administrator"})
}

// SetRoles makes the person's roles exactly these; grants of power become
// proposals. A change ends the person's sign-in sessions, so that no cookie
// outlives the roles it was given under.
func (g *Register) SetRoles(ctx context.Context, actor auth.Actor, id int64, roles []auth.Role) error {
	if err := actor.Require(auth.ManagePeople); err != nil {
		return err
	}
	if err := checkRoles(roles); err != nil {
		return err
	}
	return postgres.InTx(ctx, g.DB, func(tx pgx.Tx) error {
		p, err := g.locked(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := g.revokeOthers(ctx, tx, actor, p, roles); err != nil {
			return err
		}
		for _, r := range roles {
			if slices.Contains(p.Roles, r) {
				continue
			}
			if err := g.grantOrPropose(ctx, tx, actor, id, r); err != nil {
				return err
			}
		}
		after, err := g.one(ctx, tx, `p.id = $1`, id)
		if err != nil || slices.Equal(after.Roles, p.Roles) {
			return err
		}
		return g.endSessions(ctx, tx, id, 0)
	})
}

func (g *Register) revokeOthers(ctx context.Context, tx pgx.Tx, actor auth.Actor, p Person, keep []auth.Role) error {
	for _, r := range p.Roles {
		if slices.Contains(keep, r) {
			continue
		}
		if _, err := tx.Exec(ctx, `DELETE FROM person_roles WHERE person_id = $1 AND role = $2`, p.ID, r); err != nil {
			return fmt.Errorf("revoke %s of person %d: %w", r, p.ID, err)
		}
		err := audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "role.revoke", Object: object(p.ID), What: r.Words(), Before: r})
		if err != nil {
			return err
		}
		if r == auth.Admin {
			if err := g.keepAnAdmin(ctx, tx); err != nil {
				return err
			}
		}
	}
	_, err := tx.Exec(ctx, `DELETE FROM role_proposals WHERE person_id = $1 AND NOT role = ANY($2)`, p.ID, texts(keep))
	return err
}

// keepAnAdmin refuses the change that would leave nobody to manage people.
func (g *Register) keepAnAdmin(ctx context.Context, tx pgx.Tx) error {
	// One at a time: two administrators who disable each other must not both win.
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtext('an administrator is left'))`); err != nil {
		return err
	}
	var left int
	err := tx.QueryRow(ctx, `
		SELECT count(*)
		FROM person_roles r
		JOIN people p ON p.id = r.person_id
		WHERE r.role = 'admin' AND p.disabled_at IS NULL`).Scan(&left)
	if err == nil && left == 0 {
		return fault.Say(fault.Conflict, "This is the last administrator. Make another one first.")
	}
	return err
}

// AnswerProposal lets a second administrator agree to a grant of power, or
// drop it. The one who proposed and the one who gains cannot agree.
func (g *Register) AnswerProposal(ctx context.Context, actor auth.Actor, id int64, r auth.Role, agree bool) error {
	if err := actor.Require(auth.ManagePeople); err != nil {
		return err
	}
	return postgres.InTx(ctx, g.DB, func(tx pgx.Tx) error {
		var proposer int64
		err := tx.QueryRow(ctx, `
			DELETE FROM role_proposals
			WHERE person_id = $1 AND role = $2
			RETURNING proposed_by`, id, r).Scan(&proposer)
		if errors.Is(err, pgx.ErrNoRows) {
			return fault.Say(fault.Conflict, "Nobody proposes this role any more.")
		}
		if err != nil {
			return err
		}
		if !agree {
			return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "role.decline", Object: object(id), What: r.Words()})
		}
		if actor.ID == proposer || actor.ID == id {
			return fault.Say(fault.Denied, "A grant of power needs a second administrator, neither who proposed it nor who gains it.")
		}
		if err := g.grant(ctx, tx, actor, id, r, fmt.Sprintf("%s, proposed by person/%d", r.Words(), proposer)); err != nil {
			return err
		}
		return g.endSessions(ctx, tx, id, 0)
	})
}

// Disable shuts an account; its next request is a stranger's.
func (g *Register) Disable(ctx context.Context, actor auth.Actor, id int64) error {
	return g.setDisabled(ctx, actor, id, true)
}

// Enable opens a disabled account again.
func (g *Register) Enable(ctx context.Context, actor auth.Actor, id int64) error {
	return g.setDisabled(ctx, actor, id, false)
}

func (g *Register) setDisabled(ctx context.Context, actor auth.Actor, id int64, disabled bool) error {
	if err := actor.Require(auth.ManagePeople); err != nil {
		return err
	}
	if disabled && actor.Kind == auth.Person && actor.ID == id {
		return fault.Say(fault.Conflict, "You cannot disable your own account. Another administrator can.")
	}
	return postgres.InTx(ctx, g.DB, func(tx pgx.Tx) error {
		p, err := g.locked(ctx, tx, id)
		if err != nil || (p.DisabledAt != nil) == disabled {
			return err
		}
		action, at := "person.enable", (*time.Time)(nil)
		if disabled {
			now := g.now()
			action, at = "person.disable", &now
		}
		if _, err := tx.Exec(ctx, `UPDATE people SET disabled_at = $2 WHERE id = $1`, id, at); err != nil {
			return err
		}
		if disabled {
			if slices.Contains(p.Roles, auth.Admin) {
				if err := g.keepAnAdmin(ctx, tx); err != nil {
					return err
				}
			}
			if err := g.endSessions(ctx, tx, id, 0); err != nil {
				return err
			}
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: action, Object: object(id)})
	})
}

// Display is how a person wants pages to be.
type Display struct {
	Theme      string // "", "light" or "dark"
	TimeZone   string // IANA name, "" for UTC
	SingleKeys bool
}

// SetDisplay keeps the person's own choice. It changes nothing anybody else
// sees, so it leaves no audit entry.
func (g *Register) SetDisplay(ctx context.Context, actor auth.Actor, d Display) error {
	if actor.Kind != auth.Person {
		return fault.Denied
	}
	if !slices.Contains([]string{"", "light", "dark"}, d.Theme) {
		return fault.Say(fault.Invalid, "The theme is light, dark, or the one of your system.")
	}
	if _, err := time.LoadLocation(d.TimeZone); err != nil || d.TimeZone == "Local" {
		return fault.Say(fault.Invalid, "The time zone must be a name like Europe/Berlin.")
	}
	_, err := g.DB.Exec(ctx, `UPDATE people SET theme = $2, time_zone = $3, single_keys = $4 WHERE id = $1`,
		actor.ID, d.Theme, d.TimeZone, d.SingleKeys)
	return err
}

// SetReading keeps whether this person reads Markdown as it was written.
// Nobody else sees it, so it leaves no audit entry.
func (g *Register) SetReading(ctx context.Context, actor auth.Actor, asWritten bool) error {
	if actor.Kind != auth.Person {
		return fault.Denied
	}
	if _, err := g.DB.Exec(ctx, `UPDATE people SET as_written = $2 WHERE id = $1`, actor.ID, asWritten); err != nil {
		return fmt.Errorf("keep how person %d reads: %w", actor.ID, err)
	}
	return nil
}

// locked reads the account and holds its row until the transaction ends.
func (g *Register) locked(ctx context.Context, tx pgx.Tx, id int64) (Person, error) {
	if _, err := tx.Exec(ctx, `SELECT 1 FROM people WHERE id = $1 FOR UPDATE`, id); err != nil {
		return Person{}, err
	}
	return g.one(ctx, tx, `p.id = $1`, id)
}

func (g *Register) now() time.Time {
	if g.Clock != nil {
		return g.Clock()
	}
	return time.Now()
}

func object(id int64) string { return fmt.Sprintf("person/%d", id) }

func address(email string) string { return strings.ToLower(strings.TrimSpace(email)) }

func texts(roles []auth.Role) []string {
	list := make([]string, len(roles))
	for i, r := range roles {
		list[i] = string(r)
	}
	return list
}

func onePerson(row pgx.CollectableRow) (Person, error) { return scanPerson(row) }
