package keys

import (
	"context"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgrestest"
)

func ring(t testing.TB) (*Ring, *time.Time) {
	now := time.Date(2026, 11, 20, 14, 0, 0, 0, time.UTC)
	return &Ring{DB: postgrestest.Tx(t), Clock: func() time.Time { return now }}, &now
}

func TestAKeyOpensWhatItsScopesSayUntilItEnds(t *testing.T) {
	ctx := context.Background()
	r, now := ring(t)
	k, text, err := r.Create(ctx, auth.Product(), New{Name: "collector", Scopes: []auth.Scope{auth.ScopeIngest, auth.ScopeRead}, Lasts: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(text, "wb_"+k.PublicID+"_") {
		t.Fatalf("the key is not wb_<id>_<secret>")
	}
	actor, err := r.Check(ctx, "Bearer "+text)
	if err != nil {
		t.Fatal(err)
	}
	if actor.Kind != auth.Key || actor.ID != k.ID || actor.Name != "wb_"+k.PublicID {
		t.Errorf("actor: %+v", actor)
	}
	for p, want := range map[auth.Permission]bool{auth.SendEvents: true, auth.SeeSessions: true, auth.ImportLabels: false, auth.ApprovePromotion: false, auth.ManagePeople: false} {
		if actor.May(p) != want {
			t.Errorf("%s: want %v", p, want)
		}
	}
	*now = now.Add(24 * time.Hour)
	if _, err := r.Check(ctx, "Bearer "+text); fault.Of(err) != fault.Denied {
		t.Errorf("after its end: %v", err)
	}
}

func TestAKeyIsTakenAsBearerAndAsBasic(t *testing.T) {
	ctx := context.Background()
	r, _ := ring(t)
	k, text, err := r.Create(ctx, auth.Product(), New{Name: "exporter", Scopes: []auth.Scope{auth.ScopeIngest}})
	if err != nil {
		t.Fatal(err)
	}
	secret := strings.TrimPrefix(text, "wb_"+k.PublicID+"_")
	basic := func(user, password string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	}
	for name, header := range map[string]string{
		"bearer": "Bearer " + text, "other letters": "bearer " + text, "id and secret": basic(k.PublicID, secret), "wb_id and secret": basic("wb_"+k.PublicID, secret), "whole key as password": basic("x", text),
	} {
		if _, err := r.Check(ctx, header); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, header := range map[string]string{
		"nothing": "", "no scheme": text, "another scheme": "Digest " + text, "another secret": "Bearer wb_" + k.PublicID + "_" + strings.Repeat("A", 43), "another id": "Bearer wb_aaaaaaaaaa_" + secret,
		"no secret": "Bearer wb_" + k.PublicID + "_", "secret and more": "Bearer " + text + "A", "basic with a wrong secret": basic(k.PublicID, strings.Repeat("A", 43)), "basic that is no base64": "Basic ???", "an empty basic": basic("", ""),
	} {
		if _, err := r.Check(ctx, header); fault.Of(err) != fault.Denied {
			t.Errorf("%s: want denied, got %v", name, err)
		}
	}
}

func TestARevokedKeyIsRefusedAtItsNextRequest(t *testing.T) {
	ctx := context.Background()
	r, _ := ring(t)
	k, text, _ := r.Create(ctx, auth.Product(), New{Name: "k", Scopes: []auth.Scope{auth.ScopeCheck}})
	if err := r.Revoke(ctx, auth.Product(), k.PublicID); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Check(ctx, "Bearer "+text); fault.Of(err) != fault.Denied {
		t.Errorf("want denied, got %v", err)
	}
	if err := r.Revoke(ctx, auth.Product(), k.PublicID); fault.Of(err) != fault.NotFound {
		t.Errorf("a second time: %v", err)
	}
	n := 0
	r.DB.QueryRow(ctx, `SELECT count(*) FROM audit_entries WHERE object = $1 AND action IN ('key.create', 'key.revoke')`, object(k.ID)).Scan(&n)
	if n != 2 {
		t.Errorf("want 2 audit entries, got %d", n)
	}
}

func TestTheSecretIsKeptAsItsHashAlone(t *testing.T) {
	ctx := context.Background()
	r, _ := ring(t)
	k, text, _ := r.Create(ctx, auth.Product(), New{Name: "k", Scopes: []auth.Scope{auth.ScopeCheck}})
	secret := strings.TrimPrefix(text, "wb_"+k.PublicID+"_")
	for _, table := range []string{"keys", "audit_entries"} {
		n := 0
		if err := r.DB.QueryRow(ctx, `SELECT count(*) FROM `+table+` AS row WHERE position($1 IN row::text) > 0`, secret).Scan(&n); err != nil || n != 0 {
			t.Errorf("%s holds the secret (%v)", table, err)
		}
	}
}

func TestTheLastUseIsNoted(t *testing.T) {
	ctx := context.Background()
	r, now := ring(t)
	_, text, _ := r.Create(ctx, auth.Product(), New{Name: "k", Scopes: []auth.Scope{auth.ScopeCheck}})
	*now = now.Add(time.Hour)
	if _, err := r.Check(ctx, "Bearer "+text); err != nil {
		t.Fatal(err)
	}
	*now = now.Add(10 * time.Second) // within the minute it is not written again
	r.Check(ctx, "Bearer "+text)
	list, err := r.List(ctx, auth.Product())
	if err != nil || len(list) != 1 || list[0].LastUsedAt == nil || !list[0].LastUsedAt.Equal(now.Add(-10*time.Second)) {
		t.Errorf("list: %+v, %v", list, err)
	}
}

func TestKeysAreMadeByEngineersAndNeverByKeys(t *testing.T) {
	ctx := context.Background()
	r, _ := ring(t)
	n := New{Name: "k", Scopes: []auth.Scope{auth.ScopeRead}}
	for _, role := range auth.Roles {
		actor := auth.Actor{Kind: auth.Person, ID: 0, Roles: []auth.Role{role}}
		if role == auth.Engineer {
			continue
		}
		if _, _, err := r.Create(ctx, actor, n); fault.Of(err) != fault.Denied {
			t.Errorf("%s: want denied, got %v", role, err)
		}
	}
	all := auth.Actor{Kind: auth.Key, Scopes: auth.Scopes}
	_, _, createErr := r.Create(ctx, all, n)
	_, listErr := r.List(ctx, all)
	for what, err := range map[string]error{"create": createErr, "list": listErr, "revoke": r.Revoke(ctx, all, "aaaaaaaaaa")} {
		if fault.Of(err) != fault.Denied {
			t.Errorf("%s by a key: want denied, got %v", what, err)
		}
	}
}

func TestAKeyIsRefusedForWhatItIs(t *testing.T) {
	ctx := context.Background()
	r, _ := ring(t)
	for name, n := range map[string]New{
		"no name":         {Scopes: []auth.Scope{auth.ScopeRead}},
		"no scope":        {Name: "k"},
		"a scope unknown": {Name: "k", Scopes: []auth.Scope{"everything"}},
		"for ever":        {Name: "k", Scopes: []auth.Scope{auth.ScopeRead}, Lasts: 400 * 24 * time.Hour},
		"already over":    {Name: "k", Scopes: []auth.Scope{auth.ScopeRead}, Lasts: -time.Hour},
	} {
		if _, _, err := r.Create(ctx, auth.Product(), n); fault.Of(err) != fault.Invalid {
			t.Errorf("%s: want invalid, got %v", name, err)
		}
	}
}
