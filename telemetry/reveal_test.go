package telemetry

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// someone is a person with a role who has just proved who they are.
func someone(id int64, role auth.Role, proved time.Time) auth.Actor {
	return auth.Actor{Kind: auth.Person, ID: id, Name: string(role), Roles: []auth.Role{role}, SteppedUp: proved}
}

// revealing is a store with one event whose raw text is sealed, and a clock
// that the test moves.
func revealing(t *testing.T) (s *Store, id uuid.UUID, clock *time.Time) {
	t.Helper()
	s = newStore(t)
	now := noon
	s.Clock = func() time.Time { return now }
	withVault(t, s)
	setTerms(t, s, rawTerms(ConsentFull))
	id = uuid.New()
	land(t, s, answer("s1", noon, `,"event_id":"`+id.String()+`","user_id_hash":"u-17","prompt":"Write to maya@example.com","response":"Sent"`))
	return s, id, &now
}

const why = "The redaction hides what went wrong here."

func wants(t *testing.T, what string, kind fault.Kind, err error) {
	t.Helper()
	if fault.Of(err) != kind {
		t.Errorf("%s: want %q, got %v", what, kind, err)
	}
}

func TestARevealNeedsAReasonASecondPersonAndEndsAfterAQuarterOfAnHour(t *testing.T) {
	ctx := context.Background()
	s, id, now := revealing(t)
	asks, decides := someone(1, auth.Engineer, noon), someone(5, auth.Auditor, noon)

	_, err := s.RequestReveal(ctx, asks, id, "because")
	wants(t, "a reason of one word", fault.Invalid, err)
	_, err = s.RequestReveal(ctx, someone(9, auth.ReleaseManager, noon), id, why)
	wants(t, "a release manager asks for nothing", fault.Denied, err)
	_, err = s.RequestReveal(ctx, someone(2, auth.Labeler, noon), id, why)
	wants(t, "a labeler who does not hold it", fault.NotFound, err)
	r, err := s.RequestReveal(ctx, asks, id, why)
	if err != nil || r.State != RevealWaiting {
		t.Fatalf("%+v, %v", r, err)
	}
	_, err = s.RequestReveal(ctx, asks, id, why)
	wants(t, "asking twice", fault.Conflict, err)
	_, _, err = s.OpenReveal(ctx, asks, r.ID)
	wants(t, "opening before anyone decided", fault.Conflict, err)

	_, err = s.DecideReveal(ctx, someone(6, auth.Engineer, noon), r.ID, true, "")
	wants(t, "another engineer", fault.Denied, err)
	_, err = s.DecideReveal(ctx, someone(5, auth.Auditor, noon.Add(-time.Hour)), r.ID, true, "")
	wants(t, "a proof of an hour ago", fault.Denied, err)
	_, err = s.DecideReveal(ctx, someone(1, auth.Auditor, noon), r.ID, true, "")
	wants(t, "the person who asked, in another role", fault.Denied, err)
	_, err = s.DB.Exec(ctx, `UPDATE reveals SET decided_by = requested_by, decided_at = now() WHERE id = $1`, r.ID)
	if !postgres.Violates(err, "reveals_need_two_people") {
		t.Errorf("the database refuses one person as well, got %v", err)
	}
	if r, err = s.DecideReveal(ctx, decides, r.ID, true, ""); err != nil || r.State != RevealApproved {
		t.Fatalf("%+v, %v", r, err)
	}
	_, err = s.DecideReveal(ctx, decides, r.ID, false, "changed my mind")
	wants(t, "deciding twice", fault.Conflict, err)

	_, _, err = s.OpenReveal(ctx, someone(6, auth.Engineer, noon), r.ID)
	wants(t, "somebody else's reveal", fault.Denied, err)
	*now = noon.Add(23 * time.Hour)
	asks.SteppedUp = *now
	for n := 1; n <= 2; n++ {
		raw, r, err := s.OpenReveal(ctx, asks, r.ID)
		if err != nil || raw.Prompt != "Write to maya@example.com" || r.Openings != n || !r.ClosesAt.Equal(now.Add(RevealLasts-time.Duration(n-1)*10*time.Minute)) {
			t.Fatalf("opening %d: %+v %+v %v", n, raw, r, err)
		}
		*now = now.Add(10 * time.Minute)
		asks.SteppedUp = *now
	}
	_, _, err = s.OpenReveal(ctx, asks, r.ID)
	wants(t, "after a quarter of an hour", fault.Conflict, err)
	if n, err := s.ExpireReveals(ctx, product); err != nil || n != 1 {
		t.Errorf("the sweep ends it: %d, %v", n, err)
	}

	var actions, all string
	err = s.DB.QueryRow(ctx, `
		SELECT string_agg(action, ' ' ORDER BY id), string_agg(e::text, ' ')
		FROM audit_entries e
		WHERE action LIKE 'reveal.%' OR action LIKE 'payload.%'`).Scan(&actions, &all)
	if want := "reveal.request reveal.approve payload.open reveal.open payload.open reveal.open reveal.expire"; err != nil || actions != want {
		t.Errorf("want %s, got %s, %v", want, actions, err)
	}
	if strings.Contains(all, "maya") || strings.Contains(all, "u-17") {
		t.Errorf("the entries hold the text or whose it is: %s", all)
	}
	if _, err := s.RequestReveal(ctx, asks, id, why); err != nil {
		t.Errorf("asking again after the end: %v", err)
	}
}

func TestARevealIsDeniedWithdrawnOrExpires(t *testing.T) {
	ctx := context.Background()
	s, id, now := revealing(t)
	asks, decides := someone(1, auth.Reviewer, noon), someone(5, auth.ReleaseManager, noon)
	ask := func() Reveal {
		t.Helper()
		r, err := s.RequestReveal(ctx, asks, id, why)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := ask()
	_, err := s.DecideReveal(ctx, decides, r.ID, false, "")
	wants(t, "a denial without a reason", fault.Invalid, err)
	if r, err = s.DecideReveal(ctx, decides, r.ID, false, "Ask the customer instead."); err != nil || r.State != RevealDenied {
		t.Fatalf("%+v, %v", r, err)
	}
	r = ask()
	_, err = s.WithdrawReveal(ctx, someone(6, auth.Reviewer, noon), r.ID)
	wants(t, "withdrawing another's", fault.NotFound, err)
	if _, err = s.DecideReveal(ctx, decides, r.ID, true, ""); err != nil {
		t.Fatal(err)
	}
	if r, err = s.WithdrawReveal(ctx, asks, r.ID); err != nil || r.State != RevealWithdrawn {
		t.Fatalf("an approved one can be withdrawn: %+v, %v", r, err)
	}
	r = ask()
	*now = noon.AddDate(0, 0, 8)
	decides.SteppedUp = *now
	_, err = s.DecideReveal(ctx, decides, r.ID, true, "")
	wants(t, "a week later", fault.Conflict, err)
	if got, err := s.Reveal(ctx, asks, r.ID); err != nil || got.State != RevealExpired {
		t.Errorf("it has expired: %+v, %v", got, err)
	}
	if list, err := s.Reveals(ctx, decides, 10); err != nil || len(list) != 3 {
		t.Errorf("who decides sees all 3, got %d, %v", len(list), err)
	}
	if list, err := s.Reveals(ctx, someone(6, auth.Engineer, noon), 10); err != nil || len(list) != 0 {
		t.Errorf("others see none, got %d, %v", len(list), err)
	}
	_, err = s.Reveal(ctx, someone(6, auth.Engineer, noon), r.ID)
	wants(t, "another's request", fault.NotFound, err)
}

func TestAnErasedTextCannotBeRevealed(t *testing.T) {
	ctx := context.Background()
	s, id, _ := revealing(t)
	asks, decides := someone(1, auth.Engineer, noon), someone(5, auth.Auditor, noon)
	r, err := s.RequestReveal(ctx, asks, id, why)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = s.DecideReveal(ctx, decides, r.ID, true, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := s.DB.Exec(ctx, `UPDATE vault_payloads SET ciphertext = NULL, shredded_at = now()`); err != nil {
		t.Fatal(err)
	}
	_, _, err = s.OpenReveal(ctx, asks, r.ID)
	wants(t, "opening what was shredded", fault.NotFound, err)
	_, err = s.RequestReveal(ctx, someone(3, auth.Engineer, noon), id, why)
	wants(t, "asking for what was shredded", fault.NotFound, err)
}
