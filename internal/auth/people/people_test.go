package people

import (
	"bytes"
	"context"
	"encoding/base32"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
	"assay/internal/postgrestest"
)

const good = "five plain words in a row"

var (
	here     = Where{Address: "127.0.0.1", Browser: "Firefox on Linux"}
	product  = auth.Product()
	testKeys = bytes.Repeat([]byte{7}, 32)
)

// book returns a register at a clock of the test's own, rolled back at the end.
func book(t testing.TB) (*Register, *time.Time) {
	return bookOn(postgrestest.Tx(t))
}

func bookOn(db postgres.DB) (*Register, *time.Time) {
	now := time.Date(2026, 11, 20, 14, 0, 0, 0, time.UTC)
	return &Register{DB: db, Secret: testKeys, Clock: func() time.Time { return now }}, &now
}

func add(t testing.TB, g *Register, email string, roles ...auth.Role) Person {
	t.Helper()
	p, err := g.Add(context.Background(), product, New{Email: email, Name: "A Person", Roles: roles})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// withPassword adds an account, lets it in by a link and sets its password.
func withPassword(t testing.TB, g *Register, email string, roles ...auth.Role) Person {
	t.Helper()
	p := add(t, g, email, roles...)
	s := byLink(t, g, p.ID)
	if _, err := g.SetPassword(context.Background(), s, "", good, here); err != nil {
		t.Fatal(err)
	}
	return p
}

func byLink(t testing.TB, g *Register, id int64) *Session {
	t.Helper()
	link, _, err := g.Link(context.Background(), product, id)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := g.FollowLink(context.Background(), link, here)
	if err != nil {
		t.Fatal(err)
	}
	return resume(t, g, secret)
}

func resume(t testing.TB, g *Register, secret string) *Session {
	t.Helper()
	s, err := g.Resume(context.Background(), secret)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func entries(t testing.TB, g *Register, action string) int {
	t.Helper()
	n := 0
	if err := g.DB.QueryRow(context.Background(), `SELECT count(*) FROM audit_entries WHERE action = $1`, action).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func actorOf(p Person) auth.Actor {
	return auth.Actor{Kind: auth.Person, ID: p.ID, Name: p.Name, Roles: p.Roles}
}

func TestNobodyHoldsTwoOfTheThree(t *testing.T) {
	ctx := context.Background()
	g, _ := book(t)
	three := []auth.Role{auth.Engineer, auth.ReleaseManager, auth.Auditor}
	for i, one := range three {
		other := three[(i+1)%3]
		_, err := g.Add(ctx, product, New{Email: fmt.Sprintf("both%d@example.org", i), Name: "Both", Roles: []auth.Role{one, other}})
		if fault.Of(err) != fault.Conflict {
			t.Errorf("%s and %s: want a conflict, got %v", one, other, err)
		}
		p := add(t, g, fmt.Sprintf("one%d@example.org", i), one)
		// The database refuses it too, whatever the program thinks.
		tx, err := g.DB.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		_, err = tx.Exec(ctx, `INSERT INTO person_roles (person_id, role) VALUES ($1, $2)`, p.ID, other)
		if !postgres.Violates(err, "person_roles_exclude_each_other") {
			t.Errorf("%s then %s: want the database's refusal, got %v", one, other, err)
		}
		tx.Rollback(ctx)
	}
	add(t, g, "fine@example.org", auth.Labeler, auth.Reviewer, auth.Engineer, auth.Admin)
}

func TestARoleChangeEndsTheSessionsGivenUnderTheOldRoles(t *testing.T) {
	ctx := context.Background()
	g, _ := book(t)
	admin := add(t, g, "admin@example.org", auth.Admin)
	p := withPassword(t, g, "p@example.org", auth.Labeler)
	secret, err := g.SignIn(ctx, "p@example.org", good, here)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.SetRoles(ctx, actorOf(admin), p.ID, []auth.Role{auth.Labeler}); err != nil {
		t.Fatal(err)
	}
	if resume(t, g, secret) == nil {
		t.Error("the same roles ended a session")
	}
	if err := g.SetRoles(ctx, actorOf(admin), p.ID, []auth.Role{auth.Labeler, auth.Reviewer}); err != nil {
		t.Fatal(err)
	}
	if resume(t, g, secret) != nil {
		t.Error("a session outlived the roles it was given under")
	}
}

func TestAGrantOfPowerNeedsASecondAdministrator(t *testing.T) {
	ctx := context.Background()
	g, _ := book(t)
	one, two := add(t, g, "one@example.org", auth.Admin), add(t, g, "two@example.org", auth.Admin)
	p := add(t, g, "p@example.org", auth.Labeler)
	roles := []auth.Role{auth.Labeler, auth.ReleaseManager}
	if err := g.SetRoles(ctx, actorOf(one), p.ID, roles); err != nil {
		t.Fatal(err)
	}
	if found, _ := g.Find(ctx, product, "p@example.org"); len(found.Roles) != 1 {
		t.Fatalf("one administrator granted %v", found.Roles)
	}
	// A refused answer leaves the proposal as it was, so each try is in a transaction of its own.
	if err := g.AnswerProposal(ctx, actorOf(one), p.ID, auth.ReleaseManager, true); fault.Of(err) != fault.Denied {
		t.Errorf("the proposer agrees with themselves: %v", err)
	}
	if err := g.AnswerProposal(ctx, actorOf(p), p.ID, auth.ReleaseManager, true); fault.Of(err) != fault.Denied {
		t.Errorf("the one who gains agrees: %v", err)
	}
	if err := g.AnswerProposal(ctx, actorOf(two), p.ID, auth.ReleaseManager, true); err != nil {
		t.Fatal(err)
	}
	if found, _ := g.Find(ctx, product, "p@example.org"); len(found.Roles) != 2 {
		t.Errorf("after two administrators: %v", found.Roles)
	}
	if err := g.SetRoles(ctx, actorOf(one), one.ID, []auth.Role{auth.Admin, auth.Auditor}); fault.Of(err) != fault.Denied {
		t.Errorf("a grant of power to oneself: %v", err)
	}
	if n := entries(t, g, "role.propose"); n != 1 {
		t.Errorf("want 1 entry of the proposal, got %d", n)
	}
}

func TestTheLastAdministratorStays(t *testing.T) {
	ctx := context.Background()
	g, _ := book(t)
	one, two := add(t, g, "one@example.org", auth.Admin), add(t, g, "two@example.org", auth.Admin)
	if err := g.Disable(ctx, actorOf(one), two.ID); err != nil {
		t.Fatal(err)
	}
	if err := g.SetRoles(ctx, actorOf(one), one.ID, nil); fault.Of(err) != fault.Conflict {
		t.Errorf("the last one gives the role up: %v", err)
	}
	if err := g.Disable(ctx, product, one.ID); fault.Of(err) != fault.Conflict {
		t.Errorf("the last one is disabled: %v", err)
	}
	if err := g.Disable(ctx, actorOf(one), one.ID); fault.Of(err) != fault.Conflict {
		t.Errorf("disabling oneself: %v", err)
	}
}

func TestTwoAdministratorsWhoDisableEachOtherDoNotBothWin(t *testing.T) {
	ctx := context.Background()
	pool := postgrestest.Database(t)
	g, _ := bookOn(pool)
	for round := range 5 {
		one := add(t, g, fmt.Sprintf("one%d@example.org", round), auth.Admin)
		two := add(t, g, fmt.Sprintf("two%d@example.org", round), auth.Admin)
		var both sync.WaitGroup
		for _, pair := range [][2]Person{{one, two}, {two, one}} {
			both.Go(func() { g.Disable(ctx, actorOf(pair[0]), pair[1].ID) })
		}
		both.Wait()
		left := 0
		pool.QueryRow(ctx, `SELECT count(*) FROM people p JOIN person_roles r ON r.person_id = p.id WHERE r.role = 'admin' AND disabled_at IS NULL`).Scan(&left)
		if left == 0 {
			t.Fatalf("round %d left no administrator", round)
		}
		if _, err := pool.Exec(ctx, `UPDATE people SET disabled_at = now()`); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOnlyAdministratorsManagePeople(t *testing.T) {
	ctx := context.Background()
	g, _ := book(t)
	target := add(t, g, "target@example.org", auth.Labeler)
	for _, role := range auth.Roles {
		if role == auth.Admin {
			continue
		}
		actor := actorOf(add(t, g, string(role)+"@example.org", role))
		_, addErr := g.Add(ctx, actor, New{Email: "x@example.org", Name: "X"})
		_, listErr := g.List(ctx, actor)
		_, _, linkErr := g.Link(ctx, actor, target.ID)
		_, _, resetErr := g.Reset(ctx, actor, target.ID)
		for what, err := range map[string]error{"add": addErr, "list": listErr, "link": linkErr, "reset": resetErr,
			"disable": g.Disable(ctx, actor, target.ID), "enable": g.Enable(ctx, actor, target.ID), "roles": g.SetRoles(ctx, actor, target.ID, nil),
			"answer": g.AnswerProposal(ctx, actor, target.ID, auth.Admin, true)} {
			if fault.Of(err) != fault.Denied {
				t.Errorf("%s by %s: want denied, got %v", what, role, err)
			}
		}
	}
}

func TestAccountsAreRefusedForWhatTheyAre(t *testing.T) {
	ctx := context.Background()
	g, _ := book(t)
	add(t, g, "taken@example.org")
	for name, n := range map[string]New{
		"no address":     {Email: "", Name: "A"},
		"no at sign":     {Email: "example.org", Name: "A"},
		"spaces":         {Email: "a b@example.org", Name: "A"},
		"two lines":      {Email: "a@example.org\nBcc: b@example.org", Name: "A"},
		"no name":        {Email: "a@example.org", Name: "  "},
		"a long name":    {Email: "a@example.org", Name: strings.Repeat("a", 101)},
		"a role unknown": {Email: "a@example.org", Name: "A", Roles: []auth.Role{"root"}},
	} {
		if _, err := g.Add(ctx, product, n); fault.Of(err) != fault.Invalid {
			t.Errorf("%s: want invalid, got %v", name, err)
		}
	}
	if _, err := g.Add(ctx, product, New{Email: " Taken@Example.org ", Name: "B"}); fault.Of(err) != fault.Conflict {
		t.Errorf("the same address in other letters: %v", err)
	}
}

func TestALinkWorksOnceAndADayLong(t *testing.T) {
	ctx := context.Background()
	g, now := book(t)
	p := add(t, g, "p@example.org", auth.Labeler)
	first, _, _ := g.Link(ctx, product, p.ID)
	second, _, err := g.Link(ctx, product, p.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.FollowLink(ctx, first, here); fault.Of(err) != fault.NotFound {
		t.Errorf("a link that a later one replaced: %v", err)
	}
	for range 2 { // looking does not use it up
		if found, err := g.LinkFor(ctx, second); err != nil || found.ID != p.ID {
			t.Errorf("looking: %v, %v", found.ID, err)
		}
	}
	secret, err := g.FollowLink(ctx, second, here)
	if err != nil {
		t.Fatal(err)
	}
	if s := resume(t, g, secret); s == nil || s.Person.ID != p.ID {
		t.Fatal("the link started no session")
	}
	if _, err := g.FollowLink(ctx, second, here); fault.Of(err) != fault.NotFound {
		t.Errorf("a second time: %v", err)
	}
	late, _, _ := g.Link(ctx, product, p.ID)
	*now = now.Add(LinkLasts + time.Second)
	if _, err := g.FollowLink(ctx, late, here); fault.Of(err) != fault.NotFound {
		t.Errorf("after a day: %v", err)
	}
	stale, _, _ := g.Link(ctx, product, p.ID)
	add(t, g, "admin@example.org", auth.Admin)
	if err := g.Disable(ctx, product, p.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := g.FollowLink(ctx, stale, here); fault.Of(err) != fault.NotFound {
		t.Errorf("of a disabled account: %v", err)
	}
}

func TestAnAdministratorCannotMakeALinkToARoleOfPower(t *testing.T) {
	ctx := context.Background()
	g, _ := book(t)
	admin := actorOf(add(t, g, "admin@example.org", auth.Admin))
	for _, role := range []auth.Role{auth.ReleaseManager, auth.Auditor, auth.Admin} {
		p := add(t, g, string(role)+"2@example.org", role)
		if _, _, err := g.Link(ctx, admin, p.ID); fault.Of(err) != fault.Denied {
			t.Errorf("%s: want denied, got %v", role, err)
		}
	}
}

func TestALinkUsedTwiceAtOnceStartsOneSession(t *testing.T) {
	ctx := context.Background()
	g, _ := bookOn(postgrestest.Database(t))
	p := add(t, g, "p@example.org", auth.Labeler)
	link, _, err := g.Link(ctx, product, p.ID)
	if err != nil {
		t.Fatal(err)
	}
	var in sync.WaitGroup
	secrets := make(chan string, 8)
	for range 8 {
		in.Go(func() {
			if secret, err := g.FollowLink(ctx, link, here); err == nil {
				secrets <- secret
			}
		})
	}
	in.Wait()
	if len(secrets) != 1 {
		t.Errorf("want 1 session, got %d", len(secrets))
	}
}

func TestResetForgetsPasswordAndSecondFactorAndEndsSessions(t *testing.T) {
	ctx := context.Background()
	g, now := book(t)
	p := withPassword(t, g, "p@example.org", auth.ReleaseManager)
	s := byLink(t, g, p.ID)
	s = resume(t, g, enrol(t, g, s, *now))
	if _, _, err := g.Reset(ctx, s.Actor, p.ID); fault.Of(err) != fault.Denied {
		t.Errorf("by a person: %v", err)
	}
	link, _, err := g.Reset(ctx, product, p.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.SignIn(ctx, "p@example.org", good, here); fault.Of(err) != fault.Denied {
		t.Errorf("the old password: %v", err)
	}
	secret, err := g.FollowLink(ctx, link, here)
	if err != nil {
		t.Fatal(err)
	}
	if s := resume(t, g, secret); s.Person.HasPassword || s.Person.HasSecondFactor || !s.SecondFactorDue {
		t.Errorf("after the reset: %+v", s.Person)
	}
}

func TestTheDemonstrationHasOneAccountForEachRoleAndTwoReleaseManagers(t *testing.T) {
	ctx := context.Background()
	g, _ := book(t)
	if _, err := g.Demonstrate(ctx); fault.Of(err) != fault.Denied {
		t.Fatalf("in production: %v", err)
	}
	real := add(t, g, "real@example.org", auth.Labeler)
	g.Demo = true
	if _, err := g.Demonstrate(ctx); err != nil {
		t.Fatal(err)
	}
	link, err := g.Demonstrate(ctx) // a second start makes nothing twice
	if err != nil {
		t.Fatal(err)
	}
	secret, err := g.FollowLink(ctx, link, here)
	if err != nil {
		t.Fatal(err)
	}
	s := resume(t, g, secret)
	if !s.Actor.Holds(auth.Engineer) || s.SecondFactorDue {
		t.Errorf("the link signs in %v", s.Actor.Roles)
	}
	list, err := g.Demonstrators(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	held := map[auth.Role]int{}
	for _, p := range list {
		held[p.Roles[0]]++
	}
	for _, role := range auth.Roles {
		want := 1
		if role == auth.ReleaseManager {
			want = 2
		}
		if held[role] != want {
			t.Errorf("%s: want %d, got %d", role, want, held[role])
		}
	}
	if _, err := g.ActAs(ctx, s, real.ID, here); fault.Of(err) != fault.Denied {
		t.Errorf("acting as an account that is not for trying: %v", err)
	}
	other, err := g.ActAs(ctx, s, list[0].ID, here)
	if err != nil {
		t.Fatal(err)
	}
	if resume(t, g, secret) != nil {
		t.Error("the session before the switch still works")
	}
	now := resume(t, g, other)
	if now.Person.ID != list[0].ID {
		t.Errorf("acting as %s", now.Person.Name)
	}
	if again, err := g.StepUp(ctx, now, "", here); err != nil || resume(t, g, again).Actor.SteppedUp.IsZero() {
		t.Errorf("step-up by a button: %v", err)
	}
	g.Demo = false
	if _, err := g.ActAs(ctx, now, list[1].ID, here); fault.Of(err) != fault.Denied {
		t.Errorf("the same accounts in production: %v", err)
	}
	if _, err := g.StepUp(ctx, now, "", here); err == nil {
		t.Error("step-up without proof in production")
	}
}

// enrol sets up a second factor and returns the session's new secret.
func enrol(t testing.TB, g *Register, s *Session, now time.Time) string {
	t.Helper()
	e, err := g.BeginSecondFactor(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := g.ConfirmSecondFactor(context.Background(), s, codeOf(t, e.Secret, now), here)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

func codeOf(t testing.TB, secret string, now time.Time) string {
	t.Helper()
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	if err != nil {
		t.Fatal(err)
	}
	return code(raw, now.Unix()/30)
}
