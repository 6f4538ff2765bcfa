package people

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgrestest"
)

func TestASessionEndsIdleAndInAnyCase(t *testing.T) {
	g, now := book(t)
	withPassword(t, g, "p@example.org", auth.Labeler)
	secret, err := g.SignIn(context.Background(), "p@example.org", good, here)
	if err != nil {
		t.Fatal(err)
	}
	for range 23 { // in use all the time
		*now = now.Add(29 * time.Minute)
		if resume(t, g, secret) == nil {
			t.Fatalf("ended at %s", now)
		}
	}
	*now = now.Add(29*time.Minute + 30*time.Second)
	if resume(t, g, secret) == nil {
		t.Fatal("ended before 12 h")
	}
	*now = now.Add(29 * time.Minute)
	if resume(t, g, secret) != nil {
		t.Error("still there after 12 h")
	}

	idle, err := g.SignIn(context.Background(), "p@example.org", good, here)
	if err != nil {
		t.Fatal(err)
	}
	*now = now.Add(30 * time.Minute)
	if resume(t, g, idle) != nil {
		t.Error("still there after 30 min without a request")
	}
}

func TestDisablingWorksAtTheNextRequest(t *testing.T) {
	ctx := context.Background()
	g, _ := book(t)
	add(t, g, "admin@example.org", auth.Admin)
	p := withPassword(t, g, "p@example.org", auth.Labeler)
	secret, _ := g.SignIn(ctx, "p@example.org", good, here)
	if resume(t, g, secret) == nil {
		t.Fatal("no session")
	}
	if err := g.Disable(ctx, product, p.ID); err != nil {
		t.Fatal(err)
	}
	if resume(t, g, secret) != nil {
		t.Error("a disabled person's session works")
	}
	if _, err := g.SignIn(ctx, "p@example.org", good, here); fault.Of(err) != fault.Denied {
		t.Errorf("signing in: %v", err)
	}
	if err := g.Enable(ctx, product, p.ID); err != nil {
		t.Fatal(err)
	}
	if resume(t, g, secret) != nil {
		t.Error("enabling brought an old session back")
	}
}

func TestTheSecretChangesAtEachStep(t *testing.T) {
	ctx := context.Background()
	g, now := book(t)
	withPassword(t, g, "p@example.org", auth.ReleaseManager)
	first, err := g.SignIn(ctx, "p@example.org", good, here)
	if err != nil {
		t.Fatal(err)
	}
	s := resume(t, g, first)
	if !s.SecondFactorDue {
		t.Fatal("a release manager came in without a second step")
	}
	if _, err := g.StepUp(ctx, s, good, here); err == nil {
		t.Error("step-up before the second factor")
	}
	second := enrol(t, g, s, *now)
	if resume(t, g, first) != nil {
		t.Error("the secret from before the second factor works")
	}
	s = resume(t, g, second)
	if s == nil || s.SecondFactorDue || s.Actor.SteppedUp.IsZero() {
		t.Fatalf("after the second factor: %+v", s)
	}
	*now = now.Add(time.Minute)
	third, err := g.StepUp(ctx, s, currentCode(t, g, s, *now), here)
	if err != nil {
		t.Fatal(err)
	}
	if resume(t, g, second) != nil {
		t.Error("the secret from before the step-up works")
	}
	if got := resume(t, g, third).Actor.SteppedUp; !got.Equal(*now) {
		t.Errorf("stepped up at %s, want %s", got, *now)
	}
}

// currentCode reads the enrolled secret as its authenticator would know it.
func currentCode(t testing.TB, g *Register, s *Session, now time.Time) string {
	t.Helper()
	var sealed []byte
	if err := g.DB.QueryRow(context.Background(), `SELECT second_factor FROM people WHERE id = $1`, s.Person.ID).Scan(&sealed); err != nil {
		t.Fatal(err)
	}
	raw, err := g.unseal(s.Person.ID, sealed)
	if err != nil {
		t.Fatal(err)
	}
	return code(raw, now.Unix()/30)
}

func TestSigningInIsRefusedAlikeWhateverIsWrong(t *testing.T) {
	ctx := context.Background()
	g, _ := book(t)
	add(t, g, "admin@example.org", auth.Admin)
	withPassword(t, g, "right@example.org", auth.Labeler)
	add(t, g, "no-password@example.org", auth.Labeler)
	disabled := withPassword(t, g, "disabled@example.org", auth.Labeler)
	if err := g.Disable(ctx, product, disabled.ID); err != nil {
		t.Fatal(err)
	}
	words := ""
	for name, try := range map[string][2]string{
		"wrong password": {"right@example.org", "another row of plain words"},
		"no account":     {"nobody@example.org", good},
		"no password":    {"no-password@example.org", ""},
		"disabled":       {"disabled@example.org", good},
	} {
		_, err := g.SignIn(ctx, try[0], try[1], here)
		if fault.Of(err) != fault.Denied {
			t.Errorf("%s: want denied, got %v", name, err)
		}
		if words == "" {
			words = fault.Words(err)
		}
		if fault.Words(err) != words {
			t.Errorf("%s tells more: %q and %q", name, fault.Words(err), words)
		}
	}
	if words != "That does not match. 4 tries left before a 15 min pause." {
		t.Errorf("words: %s", words)
	}
	if n := entries(t, g, "sign_in.refuse"); n != 4 {
		t.Errorf("want 4 entries, got %d", n)
	}
	if secret, err := g.SignIn(ctx, " Right@Example.ORG ", good, here); err != nil || resume(t, g, secret) == nil {
		t.Errorf("the address in other letters: %v", err)
	}
}

func TestFiveWrongPasswordsPauseAnAccount(t *testing.T) {
	ctx := context.Background()
	g, now := book(t)
	withPassword(t, g, "p@example.org", auth.Labeler)
	withPassword(t, g, "q@example.org", auth.Labeler)
	started := *now
	for i := range 5 {
		*now = now.Add(time.Minute)
		if _, err := g.SignIn(ctx, "p@example.org", "wrong wrong wrong", Where{Address: fmt.Sprintf("10.0.0.%d", i)}); fault.Of(err) != fault.Denied {
			t.Fatal(err)
		}
	}
	_, err := g.SignIn(ctx, "p@example.org", good, here)
	var paused *Paused
	if !errors.As(err, &paused) {
		t.Fatalf("the right password during the pause: %v", err)
	}
	if want := started.Add(time.Minute + 15*time.Minute).Sub(*now); paused.For != want {
		t.Errorf("pause: want %s, got %s", want, paused.For)
	}
	if _, err := g.SignIn(ctx, "q@example.org", good, here); err != nil {
		t.Errorf("another account: %v", err)
	}
	*now = now.Add(paused.For)
	if _, err := g.SignIn(ctx, "p@example.org", good, here); err != nil {
		t.Errorf("after the pause: %v", err)
	}
	*now = now.Add(time.Minute)
	if _, err := g.SignIn(ctx, "p@example.org", "wrong wrong wrong", here); fault.Words(err) != "That does not match. 4 tries left before a 15 min pause." {
		t.Errorf("a success forgets the tries before it: %v", err)
	}
}

func TestFiftyWrongPasswordsPauseAnAddress(t *testing.T) {
	ctx := context.Background()
	g, now := book(t)
	withPassword(t, g, "p@example.org", auth.Labeler)
	if _, err := g.DB.Exec(ctx, `
		INSERT INTO sign_in_failures (account_hash, address, failed_at)
		SELECT sha256(n::text::bytea), '192.0.2.1', $1 FROM generate_series(1, 50) AS n`, *now); err != nil {
		t.Fatal(err)
	}
	var paused *Paused
	if _, err := g.SignIn(ctx, "p@example.org", good, Where{Address: "192.0.2.1"}); !errors.As(err, &paused) {
		t.Errorf("from there: %v", err)
	}
	if _, err := g.SignIn(ctx, "p@example.org", good, here); err != nil {
		t.Errorf("from here: %v", err)
	}
}

func TestTriesSentAtOnceAreAllCounted(t *testing.T) {
	ctx := context.Background()
	g, _ := bookOn(postgrestest.Database(t))
	withPassword(t, g, "p@example.org", auth.Labeler)
	var judged atomic.Int32
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			_, err := g.SignIn(ctx, "p@example.org", "wrong wrong wrong", here)
			var paused *Paused
			if !errors.As(err, &paused) && fault.Of(err) == fault.Denied {
				judged.Add(1)
			}
		})
	}
	all.Wait()
	if n := judged.Load(); n != 5 {
		t.Errorf("want 5 tries judged, got %d", n)
	}
}

func TestWrongCodesPauseTheSecondFactorAndTheStepUp(t *testing.T) {
	ctx := context.Background()
	g, now := book(t)
	p := withPassword(t, g, "p@example.org", auth.ReleaseManager)
	s := resume(t, g, enrol(t, g, byLink(t, g, p.ID), *now))
	for range 5 {
		if _, err := g.StepUp(ctx, s, "000000", here); fault.Of(err) != fault.Denied {
			t.Fatal(err)
		}
	}
	*now = now.Add(time.Minute)
	var paused *Paused
	if _, err := g.StepUp(ctx, s, currentCode(t, g, s, *now), here); !errors.As(err, &paused) {
		t.Errorf("a right code during the pause: %v", err)
	}
	if _, err := g.SignIn(ctx, "p@example.org", good, here); !errors.As(err, &paused) {
		t.Errorf("signing in during the pause: %v", err)
	}
}

func TestPeopleEndTheirOwnSessionsOnly(t *testing.T) {
	ctx := context.Background()
	g, _ := book(t)
	withPassword(t, g, "p@example.org", auth.Labeler)
	withPassword(t, g, "q@example.org", auth.Labeler)
	mine, _ := g.SignIn(ctx, "p@example.org", good, here)
	other, _ := g.SignIn(ctx, "p@example.org", good, Where{Browser: "Safari on iPhone"})
	theirs, _ := g.SignIn(ctx, "q@example.org", good, here)
	me, you := resume(t, g, mine), resume(t, g, theirs)
	if err := g.End(ctx, me.Actor, you.ID); fault.Of(err) != fault.NotFound {
		t.Errorf("ending another person's: %v", err)
	}
	list, err := g.Sessions(ctx, me.Actor)
	if err != nil || len(list) != 3 { // by link, and twice by password
		t.Fatalf("sessions: %d, %v", len(list), err)
	}
	if err := g.End(ctx, me.Actor, 0); err != nil {
		t.Fatal(err)
	}
	if resume(t, g, mine) == nil || resume(t, g, other) != nil || resume(t, g, theirs) == nil {
		t.Error("want this session and another person's to stay, and the others to end")
	}
}

func TestOnlyHashesAreKept(t *testing.T) {
	ctx := context.Background()
	g, now := book(t)
	p := withPassword(t, g, "p@example.org", auth.ReleaseManager)
	link, _, _ := g.Link(ctx, product, p.ID)
	s := byLink(t, g, p.ID)
	e, err := g.BeginSecondFactor(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := g.ConfirmSecondFactor(ctx, s, codeOf(t, e.Secret, *now), here)
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"people", "sign_in_links", "sign_in_sessions", "sign_in_failures", "audit_entries"} {
		for what, text := range map[string]string{"password": good, "link": link, "session": secret, "second factor": e.Secret} {
			n := 0
			err := g.DB.QueryRow(ctx, `SELECT count(*) FROM `+table+` AS row WHERE position($1 IN row::text) > 0 OR position(encode($1::bytea, 'hex') IN row::text) > 0`, text).Scan(&n)
			if err != nil || n != 0 {
				t.Errorf("%s holds the %s (%v)", table, what, err)
			}
		}
	}
}

func TestSweepForgetsWhatNoLongerCounts(t *testing.T) {
	ctx := context.Background()
	g, now := book(t)
	withPassword(t, g, "p@example.org", auth.Labeler)
	g.SignIn(ctx, "p@example.org", "wrong wrong wrong", here)
	if err := g.Sweep(ctx, auth.Actor{Kind: auth.Person, Roles: []auth.Role{auth.Admin}}); fault.Of(err) != fault.Denied {
		t.Errorf("by a person: %v", err)
	}
	*now = now.AddDate(0, 0, 40)
	if err := g.Sweep(ctx, product); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"sign_in_links", "sign_in_sessions", "sign_in_failures"} {
		n := -1
		g.DB.QueryRow(ctx, `SELECT count(*) FROM `+table).Scan(&n)
		if n != 0 {
			t.Errorf("%s keeps %d rows", table, n)
		}
	}
}
