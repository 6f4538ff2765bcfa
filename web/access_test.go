package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
	"assay/internal/fault"
)

func TestEveryRouteSaysWhoMayUseIt(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range routes() {
		name := r.Method + " " + r.Path
		if r.Access.who == nobody {
			t.Errorf("%s has no access", name)
		}
		if r.Handle == nil {
			t.Errorf("%s has no handler", name)
		}
		if seen[name] {
			t.Errorf("%s stands twice", name)
		}
		seen[name] = true
		if r.Access.who == everyone && r.Access.permission != "" {
			t.Errorf("%s lets strangers in and asks for a permission", name)
		}
		if !takesKeys(r.Path) && r.Access.who == keyHolder {
			t.Errorf("%s is a page for keys alone", name)
		}
		if r.Access.ingest && (r.Access.permission == "" || !takesKeys(r.Path)) {
			t.Errorf("%s takes batches without asking for a key", name)
		}
	}
}

func TestARouteWithoutAccessDoesNotStart(t *testing.T) {
	forgotten := route{Method: "GET", Path: "/forgotten", Handle: (*site).homeShow}
	if _, _, err := open(Config{}, Stages{}, []route{forgotten}); err == nil {
		t.Error("the product starts with a route nobody thought about")
	}
	if err := (&site{}).admit(nil, visitor{actor: auth.Actor{Kind: auth.Person, Roles: auth.Roles}}, access{}); fault.Of(err) != fault.Denied {
		t.Errorf("the zero access lets somebody in: %v", err)
	}
}

// open lists the routes that strangers may use: a new one has to be added
// here, by hand, with a thought.
var openToStrangers = []string{
	"GET /login", "POST /login", "GET /login/link/:token", "POST /login/link/:token",
	"GET /v1/openapi.json", "GET /v1/schemas/event.json", "GET /v1/schemas/event.proto", "GET /livez", "GET /readyz", "GET /static/*",
}

func TestStrangersMayUseTheseRoutesOnly(t *testing.T) {
	for _, r := range routes() {
		name := r.Method + " " + r.Path
		if open := r.Access.who == everyone; open != slices.Contains(openToStrangers, name) {
			t.Errorf("%s: open to strangers is %v", name, open)
		}
	}
}

// The matrix: every route × every role, every scope and a stranger × every
// method. Behind the door stands a handler that only says it was reached, so
// what the route table means is compared with whom the door lets in, exactly.
func TestTheMatrixOfRoutesRolesAndMethods(t *testing.T) {
	all := routes()
	w := newWorld(t, unlimited, func(w *world) {
		w.table = slices.Clone(all)
		for i := range w.table {
			w.table[i].Handle = func(_ *site, c *fiber.Ctx) error { return c.SendStatus(reached) }
		}
	})
	visitors, actors := w.everybody()
	checked := 0
	for _, r := range all {
		for who, b := range visitors {
			a := b.ask(r)
			if want, got := allowed(r, actors[who]), a.Status == reached; want != got {
				t.Errorf("%s %s as %s: want admitted %v, got %d %s", r.Method, r.Path, who, want, a.Status, a.Header.Get("Location"))
			}
			checked++
		}
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} {
			if known(all, method, r.Path) {
				continue
			}
			for who, b := range visitors {
				if a := b.ask(route{Method: method, Path: r.Path}); a.Status != 405 && a.Status != 404 {
					t.Errorf("%s %s as %s, which no route has: %d", method, r.Path, who, a.Status)
				}
				checked++
			}
		}
	}
	t.Logf("%d cells", checked)
}

const reached = 299

// Behind the door the handlers themselves: whoever asks for what, however
// empty, gets an answer that is not a defect, and whom the table refuses is
// refused here as well.
func TestNoRouteFailsForAnybody(t *testing.T) {
	w := newWorld(t, unlimited)
	visitors, actors := w.everybody()
	for _, r := range routes() {
		for who, b := range visitors {
			if ends(r) && actors[who].Kind == auth.Person {
				b = w.signInAs(actors[who]) // this route ends the sign-in it is asked with
			}
			a := b.ask(r)
			if a.Status == 500 || a.Status > 503 {
				t.Errorf("%s %s as %s: %d %s", r.Method, r.Path, who, a.Status, clip(w.log.String(), 3000))
			}
			if !allowed(r, actors[who]) && a.Status < 300 {
				t.Errorf("%s %s as %s: refused by the table, answered %d", r.Method, r.Path, who, a.Status)
			}
		}
	}
}

func unlimited(w *world) { w.config.Limits = Limits{Key: -1, Person: -1, Stranger: -1} }

// everybody is one visitor of each kind, and who they are.
func (w *world) everybody() (map[string]*browser, map[string]auth.Actor) {
	visitors := map[string]*browser{"stranger": w.stranger(), "no role": w.signIn(w.person("none@example.org"))}
	actors := map[string]auth.Actor{"stranger": {}, "no role": {Kind: auth.Person}}
	for _, role := range auth.Roles {
		visitors[string(role)] = w.as(role)
		actors[string(role)] = auth.Actor{Kind: auth.Person, Roles: []auth.Role{role}}
	}
	for _, scope := range auth.Scopes {
		name := "key " + string(scope)
		visitors[name] = w.program(scope)
		actors[name] = auth.Actor{Kind: auth.Key, Scopes: []auth.Scope{scope}}
	}
	return visitors, actors
}

// ask sends a route's request with nothing in it but what the door wants.
func (b *browser) ask(r route) *answer {
	b.w.t.Helper()
	return b.send(r.Method, address(r.Path), strings.NewReader(""), http.Header{"X-Form-Token": {b.token()}})
}

// allowed is what the table means, written a second time from security.md
// rather than from access.go.
func allowed(r route, actor auth.Actor) bool {
	machine := r.Path == "/" || strings.HasPrefix(r.Path, "/v1/") || strings.HasPrefix(r.Path, "/api/public/")
	switch r.Access.who {
	case everyone: // a program cannot sign in: its forms come from no page of ours
		return safe(r.Method) || actor.Kind != auth.Key
	case person:
		if actor.Kind != auth.Person {
			return false
		}
	case keyHolder:
		if actor.Kind != auth.Key {
			return false
		}
	case personOrKey:
		if actor.Kind == "" || (actor.Kind == auth.Key && !machine) {
			return false
		}
	default:
		return false
	}
	if r.Access.demo {
		return false
	}
	return r.Access.permission == "" || actor.May(r.Access.permission)
}

func ends(r route) bool { return r.Path == "/logout" || strings.HasPrefix(r.Path, "/login/") }

func known(all []route, method, path string) bool {
	return slices.ContainsFunc(all, func(r route) bool { return r.Method == method && r.matches(address(path)) })
}

// signInAs returns a browser of a new person with the actor's roles.
func (w *world) signInAs(actor auth.Actor) *browser {
	w.t.Helper()
	w.made++
	return w.signIn(w.person(fmt.Sprintf("p%d@example.org", w.made), actor.Roles...))
}

func TestAPersonWithoutTheSecondFactorGetsNoFurther(t *testing.T) {
	w := newWorld(t)
	for _, role := range []auth.Role{auth.ReleaseManager, auth.Admin} {
		b := w.as(role)
		w.exec(`UPDATE sign_in_sessions SET second_factor_at = NULL WHERE person_id = $1`, w.ids[role])
		b.get("/").to("/login/code")
		b.get("/settings/people").want(303)
		b.post("/settings/people", nil).want(403)
		b.get("/login/code").want(200)
	}
}

func TestAStepUpIsAskedForAndComesBack(t *testing.T) {
	w := newWorld(t)
	b := w.as(auth.Admin)
	w.clock.advance(11 * 60e9)
	a := b.send("POST", "/settings/people/1/disable", strings.NewReader(formField+"="+b.token()), http.Header{
		"Content-Type": {"application/x-www-form-urlencoded"}, "Referer": {w.url + "/settings/people"}})
	a.to("/login/again?next=%2Fsettings%2Fpeople")
}

func TestRefusalsOfKnownActorsAreInTheAuditOnceAMinute(t *testing.T) {
	w := newWorld(t)
	b := w.as(auth.Labeler)
	for range 3 {
		b.get("/settings/people").want(403)
	}
	w.stranger().get("/settings/people").want(303)
	count := func() int {
		return w.count(`SELECT count(*) FROM audit_entries WHERE action = 'access.deny' AND actor_id = $1 AND object = 'route/GET /settings/people'`, w.ids[auth.Labeler])
	}
	if n := count(); n != 1 {
		t.Errorf("want 1 entry, got %d", n)
	}
	w.clock.advance(denialEvery)
	b.get("/settings/people").want(403)
	if n := count(); n != 2 {
		t.Errorf("a minute later: want 2 entries, got %d", n)
	}
}

func TestARefusalNamesTheRuleAndWhoMay(t *testing.T) {
	w := newWorld(t)
	a := w.as(auth.Labeler).get("/settings/people").want(403)
	if !strings.Contains(a.text("main"), "This needs the role admin.") {
		t.Error(a.text("main"))
	}
	var problem struct {
		Status    int
		Fault     string
		Detail    string
		Reference string
	}
	a = w.program(auth.ScopeIngest).get("/settings/people").want(403).json(&problem)
	if a.Header.Get("Content-Type") != "application/problem+json" || problem.Fault != "denied" || problem.Status != 403 || problem.Reference == "" {
		t.Errorf("%s: %+v", a.Header.Get("Content-Type"), problem)
	}
}

func TestAStrangerIsAskedToSignInAndComesBack(t *testing.T) {
	w := newWorld(t)
	w.stranger().get("/settings/keys?x=1").to("/login?next=%2Fsettings%2Fkeys%3Fx%3D1")
	a := w.stranger().send("GET", "/v1/nothing", nil, http.Header{"Accept": {"application/json"}}).want(404)
	if a.Header.Get("Content-Type") != "application/problem+json" {
		t.Error(a.Header.Get("Content-Type"))
	}
	bad := w.stranger()
	bad.header = http.Header{"Authorization": {"Bearer wb_aaaaaaaaaa_" + strings.Repeat("A", 43)}}
	bad.get("/v1/openapi.json").want(403)
}
