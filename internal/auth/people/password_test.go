package people

import (
	"context"
	"encoding/base32"
	"strings"
	"sync"
	"testing"
	"time"

	"assay/internal/auth"
	"assay/internal/fault"
)

func TestAPasswordIsHashedWithTheFloor(t *testing.T) {
	ctx := context.Background()
	one, err := hash(ctx, good)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(one, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("PHC: %s", one)
	}
	other, _ := hash(ctx, good)
	if one == other {
		t.Error("two hashes of one password are the same: no salt")
	}
	if yes, weak, err := matches(ctx, one, good); !yes || weak || err != nil {
		t.Errorf("the right one: %v %v %v", yes, weak, err)
	}
	if yes, _, _ := matches(ctx, one, good+" "); yes {
		t.Error("another one matches")
	}
}

// The vector is the one of RFC 9106's reference program for argon2id with
// t=2, m=64 MiB, p=1, "password" and "somesalt".
func TestAHashFromElsewhereIsRead(t *testing.T) {
	const phc = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	if yes, weak, err := matches(context.Background(), phc, "password"); !yes || weak || err != nil {
		t.Errorf("%v %v %v", yes, weak, err)
	}
	for _, broken := range []string{"", "password", "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFh", "$argon2id$v=19$m=99999999,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8",
		"$argon2id$v=19$m=65536,t=2000,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8", "$argon2id$v=19$m=65536,t=2,p=1$!!$CTFh"} {
		if _, _, err := matches(context.Background(), broken, "password"); err == nil {
			t.Errorf("%q was taken", broken)
		}
	}
}

func TestAWeakHashIsMadeAnewAtSignIn(t *testing.T) {
	ctx := context.Background()
	g, _ := book(t)
	p := withPassword(t, g, "p@example.org", auth.Labeler)
	was := floor
	floor = work{passes: 1, memory: 8 << 10, lanes: 1}
	weak, err := hash(ctx, good)
	floor = was
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.DB.Exec(ctx, `UPDATE people SET password = $2 WHERE id = $1`, p.ID, weak); err != nil {
		t.Fatal(err)
	}
	if _, err := g.SignIn(ctx, "p@example.org", good, here); err != nil {
		t.Fatal(err)
	}
	now := ""
	g.DB.QueryRow(ctx, `SELECT password FROM people WHERE id = $1`, p.ID).Scan(&now)
	if !strings.HasPrefix(now, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("still %s", now)
	}
	if _, err := g.SignIn(ctx, "p@example.org", good, here); err != nil {
		t.Errorf("with the new hash: %v", err)
	}
}

func TestPasswordsAreComparedAfterNormalising(t *testing.T) {
	ctx := context.Background()
	composed, decomposed := "caf\u00e9 am Ufer um neun", "cafe\u0301 am Ufer um neun"
	phc, err := hash(ctx, composed)
	if err != nil {
		t.Fatal(err)
	}
	if yes, _, _ := matches(ctx, phc, decomposed); !yes {
		t.Error("the same password typed on another system does not match")
	}
	if err := acceptable(strings.Repeat("e\u0301", 11)); fault.Of(err) != fault.Invalid {
		t.Error("11 characters were counted as 22")
	}
}

func TestTheCommonestPasswordsAreRefused(t *testing.T) {
	for _, password := range []string{
		"short", "elevenchars", strings.Repeat("long enough ", 11), "\xff\xfe not valid text",
		"password1234", "Password1234!", "P@ssw0rd12345", "passwordpassword", "qwertyuiop12", "qwertyuiopasdf", "123456789012", "210987654321",
		"abcdefghijkl", "aaaaaaaaaaaa", "abcabcabcabc", "iloveyou1234", "letmeinletmein", "Willkommen2026", "administrator1", "1q2w3e4r5t6y", "correcthorsebatterystaple",
		"assayassayassay", "dragondragondragon", "trustno1trustno1", "Summer2026!!!", "ines.okafor12", "okaforokafor",
	} {
		if err := acceptable(password, "ines.okafor@example.org", "Ines Okafor", "assay"); fault.Of(err) != fault.Invalid {
			t.Errorf("%q was taken", password)
		}
	}
	for _, password := range []string{good, "the lamp hums at 4", "zwölf Käse im Keller", "9cK!vR2#mQ7z", "correct zebra lantern", strings.Repeat("vier Wörter, ", 9) + "zu Ende"} {
		if err := acceptable(password, "ines.okafor@example.org", "Ines Okafor", "assay"); err != nil {
			t.Errorf("%q: %v", password, err)
		}
	}
}

func TestSettingAPasswordNeedsTheCurrentOneAndEndsOtherSessions(t *testing.T) {
	ctx := context.Background()
	g, _ := book(t)
	withPassword(t, g, "p@example.org", auth.Labeler)
	mine, _ := g.SignIn(ctx, "p@example.org", good, here)
	other, _ := g.SignIn(ctx, "p@example.org", good, here)
	s := resume(t, g, mine)
	if _, err := g.SetPassword(ctx, s, "wrong wrong wrong", "another row of plain words", here); fault.Of(err) != fault.Denied {
		t.Errorf("with a wrong current one: %v", err)
	}
	if _, err := g.SetPassword(ctx, s, good, "short", here); fault.Of(err) != fault.Invalid {
		t.Errorf("a short one: %v", err)
	}
	renewed, err := g.SetPassword(ctx, s, good, "another row of plain words", here)
	if err != nil {
		t.Fatal(err)
	}
	if resume(t, g, mine) != nil || resume(t, g, other) != nil || resume(t, g, renewed) == nil {
		t.Error("want one session with a new secret")
	}
	if _, err := g.SignIn(ctx, "p@example.org", good, here); fault.Of(err) != fault.Denied {
		t.Errorf("the old password: %v", err)
	}
}

func TestAtMostSoManyPasswordsAreHashedAtOnce(t *testing.T) {
	g := newGate(2, 3)
	ctx := context.Background()
	for range 2 {
		if err := g.enter(ctx); err != nil {
			t.Fatal(err)
		}
	}
	var queue sync.WaitGroup
	short, cancel := context.WithCancel(ctx)
	for range 3 {
		queue.Go(func() {
			if g.enter(short) == nil {
				g.leave()
			}
		})
	}
	for len(g.waiting) < 5 {
		time.Sleep(time.Millisecond)
	}
	if err := g.enter(ctx); fault.Of(err) != fault.Unavailable {
		t.Errorf("the sixth: want unavailable, got %v", err)
	}
	cancel()
	queue.Wait()
	g.leave()
	if err := g.enter(ctx); err != nil {
		t.Errorf("after one left: %v", err)
	}
	g.leave()
	g.leave()
	if len(g.waiting) != 0 || len(g.running) != 0 {
		t.Errorf("places were lost: %d waiting, %d running", len(g.waiting), len(g.running))
	}
}

// What a check costs is in the stored hash: passes, memory and lanes.
func TestCheckingNobodyIsTheWorkOfCheckingSomebody(t *testing.T) {
	g, _ := book(t)
	withPassword(t, g, "p@example.org", auth.Labeler)
	var costs []work
	for _, email := range []string{"p@example.org", "nobody@example.org"} {
		_, phc, err := g.account(context.Background(), email)
		if err != nil {
			t.Fatal(err)
		}
		cost, salt, sum, err := parse(phc)
		if err != nil || len(salt) == 0 || len(sum) != hashBytes {
			t.Fatalf("%s: %d bytes of salt, %d of hash, %v", email, len(salt), len(sum), err)
		}
		costs = append(costs, cost)
	}
	if costs[0] != costs[1] {
		t.Errorf("an account that exists takes %+v, one that does not %+v", costs[0], costs[1])
	}
}

// RFC 6238, appendix B: SHA-1, the last six of its eight digits.
func TestCodesAreThoseOfTheStandard(t *testing.T) {
	secret := []byte("12345678901234567890")
	for at, want := range map[int64]string{59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130"} {
		if got := code(secret, at/30); got != want {
			t.Errorf("at %d: want %s, got %s", at, want, got)
		}
	}
}

func TestACodeWorksOnceAndAStepEitherWay(t *testing.T) {
	secret := []byte("12345678901234567890")
	now := time.Unix(1_700_000_000, 0)
	step := now.Unix() / 30
	for offset, want := range map[int64]bool{-2: false, -1: true, 0: true, 1: true, 2: false} {
		if _, ok := stepOf(secret, code(secret, step+offset), now, 0); ok != want {
			t.Errorf("%d steps off: want %v", offset, want)
		}
	}
	if got, ok := stepOf(secret, " "+code(secret, step)[:3]+" "+code(secret, step)[3:], now, 0); !ok || got != step {
		t.Error("a code typed as it is shown, in two groups")
	}
	if _, ok := stepOf(secret, code(secret, step), now, step); ok {
		t.Error("the same code a second time")
	}
	if _, ok := stepOf(secret, "", now, 0); ok {
		t.Error("no code at all")
	}
}

func TestASecondFactorCannotBeMovedToAnotherAccount(t *testing.T) {
	ctx := context.Background()
	g, now := book(t)
	p := withPassword(t, g, "p@example.org", auth.Labeler)
	q := withPassword(t, g, "q@example.org", auth.Labeler)
	s := byLink(t, g, p.ID)
	enrol(t, g, s, *now)
	if _, err := g.DB.Exec(ctx, `UPDATE people SET second_factor = (SELECT second_factor FROM people WHERE id = $1) WHERE id = $2`, p.ID, q.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := g.acceptCode(ctx, q.ID, "000000"); err == nil {
		t.Error("a sealed secret opened in another account")
	}
	other := *g
	other.Secret = []byte(strings.Repeat("x", 32))
	if _, err := other.acceptCode(ctx, p.ID, "000000"); err == nil {
		t.Error("opened with another secret of the installation")
	}
	other.Secret = []byte("short")
	if _, err := other.BeginSecondFactor(ctx, byLink(t, g, q.ID)); fault.Of(err) != fault.Unavailable {
		t.Errorf("without a secret: %v", err)
	}
}

func TestEnrollingShowsOneSecretUntilItIsProven(t *testing.T) {
	ctx := context.Background()
	g, now := book(t)
	p := withPassword(t, g, "p@example.org", auth.ReleaseManager)
	s := byLink(t, g, p.ID)
	first, err := g.BeginSecondFactor(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := g.BeginSecondFactor(ctx, s)
	if first.Secret != again.Secret {
		t.Error("a reloaded page shows another secret")
	}
	if raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(first.Secret); err != nil || len(raw) != 20 {
		t.Errorf("secret: %d bytes, %v", len(raw), err)
	}
	if want := "otpauth://totp/Assay:p@example.org?secret=" + first.Secret; !strings.HasPrefix(first.URI, want) {
		t.Errorf("URI: %s", first.URI)
	}
	if _, err := g.ConfirmSecondFactor(ctx, s, "000000", here); fault.Of(err) != fault.Denied {
		t.Errorf("a wrong code: %v", err)
	}
	secret, err := g.ConfirmSecondFactor(ctx, s, codeOf(t, first.Secret, *now), here)
	if err != nil {
		t.Fatal(err)
	}
	s = resume(t, g, secret)
	if err := g.RemoveSecondFactor(ctx, s); fault.Of(err) != fault.Conflict {
		t.Errorf("a release manager removes it: %v", err)
	}
	// The next sign-in asks for it, and the code just used is worth nothing.
	signedIn, err := g.SignIn(ctx, "p@example.org", good, here)
	if err != nil {
		t.Fatal(err)
	}
	due := resume(t, g, signedIn)
	if !due.SecondFactorDue {
		t.Fatal("no second step")
	}
	if _, err := g.ConfirmSecondFactor(ctx, due, codeOf(t, first.Secret, *now), here); fault.Of(err) != fault.Denied {
		t.Errorf("enrolling another one instead of giving the code: %v", err)
	}
	if _, err := g.GiveCode(ctx, due, codeOf(t, first.Secret, *now), here); fault.Of(err) != fault.Denied {
		t.Errorf("the code that was used: %v", err)
	}
	*now = now.Add(30 * time.Second)
	if _, err := g.GiveCode(ctx, due, codeOf(t, first.Secret, *now), here); err != nil {
		t.Errorf("the next code: %v", err)
	}
}

func BenchmarkHash(b *testing.B) {
	for b.Loop() {
		if _, err := hash(context.Background(), good); err != nil {
			b.Fatal(err)
		}
	}
}
