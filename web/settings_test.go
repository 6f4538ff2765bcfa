package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"assay/internal/auth"
	"assay/internal/auth/people"
	"assay/telemetry"
)

const hostile = `<img src=x onerror=alert(1)>"'&<script>alert(2)</script>`

func TestAnAdministratorAddsAPersonWhoComesInByTheLinkShownOnce(t *testing.T) {
	w := newWorld(t)
	admin := w.as(auth.Admin)
	page := admin.post("/settings/people", url.Values{"name": {hostile}, "email": {"new@example.org"}, "role": {"labeler", "reviewer"}}).want(200)
	if len(page.find("main img, main script")) != 0 {
		t.Error("a name became markup")
	}
	link := page.text(".well code")
	if !strings.HasPrefix(link, w.url+"/login/link/") {
		t.Fatalf("the link is %s", link)
	}
	if again := admin.get("/settings/people").want(200); strings.Contains(again.Body, "/login/link/") {
		t.Error("the link is shown a second time")
	}
	b := w.stranger()
	b.get(strings.TrimPrefix(link, w.url)).want(200)
	b.post(strings.TrimPrefix(link, w.url), nil).to("/settings/security")

	page = admin.post("/settings/people", url.Values{"name": {"Again"}, "email": {"NEW@example.org"}}).want(409)
	if got := page.text(".field-error"); got != "There is an account with this address already." {
		t.Error(got)
	}
	if got := page.attr("#add input[name=name]", "value"); got != "Again" {
		t.Errorf("what was typed is gone: %q", got)
	}
}

func TestAGrantOfPowerIsProposedByOneAndAgreedByAnother(t *testing.T) {
	w := newWorld(t)
	one, second := w.as(auth.Admin), w.signIn(w.person("second@example.org", auth.Admin))
	path := fmt.Sprintf("/settings/people/%d", w.ids[auth.Labeler])
	one.post(path+"/roles", url.Values{"role": {"labeler", "release_manager"}}).to("/settings/people")
	if n := w.count(`SELECT count(*) FROM person_roles WHERE person_id = $1`, w.ids[auth.Labeler]); n != 1 {
		t.Fatalf("one administrator granted it")
	}
	if page := one.get("/settings/people").want(200); len(page.find("form[action$='/grants/release_manager']")) != 0 {
		t.Error("the one who proposed may agree")
	}
	one.post(path+"/grants/release_manager", url.Values{"answer": {"agree"}}).want(403)
	home := second.get("/").want(200)
	if got := home.text(".needs li b"); got != "Labeler is to be release manager" {
		t.Errorf("the overview of the second says %q", got)
	}
	second.post(path+"/grants/release_manager", url.Values{"answer": {"agree"}}).to("/settings/people")
	if n := w.count(`SELECT count(*) FROM person_roles WHERE person_id = $1 AND role = 'release_manager'`, w.ids[auth.Labeler]); n != 1 {
		t.Error("it was not granted")
	}
}

func TestWithoutAFreshProofThePeoplePageOnlyReads(t *testing.T) {
	w := newWorld(t)
	admin := w.as(auth.Admin)
	w.clock.advance(people.StepUpLasts + time.Second)
	page := admin.get("/settings/people").want(200)
	if len(page.find("main form button:not([disabled])")) != 0 {
		t.Error("a form can be sent")
	}
	if got := page.attr(".banner a", "href"); got != "/login/again?next=%2Fsettings%2Fpeople" {
		t.Error(got)
	}
	admin.post(fmt.Sprintf("/settings/people/%d/disable", w.ids[auth.Labeler]), nil).want(303)
	if n := w.count(`SELECT count(*) FROM people WHERE disabled_at IS NOT NULL`); n != 0 {
		t.Error("it was done without")
	}
}

func TestAKeyIsShownOnceAndWorksUntilRevoked(t *testing.T) {
	w := newWorld(t)
	b := w.as(auth.Engineer)
	page := b.post("/settings/keys", url.Values{"name": {hostile}, "scope": {"read", "check"}, "days": {"30"}}).want(200)
	if len(page.find("main img, main script")) != 0 {
		t.Error("a name became markup")
	}
	key := page.text("#key")
	if again := b.get("/settings/keys").want(200); strings.Contains(again.Body, key) {
		t.Error("the key is shown a second time")
	}
	program := &browser{w: w, cookies: map[string]string{}, header: http.Header{"Authorization": {"Bearer " + key}}}
	program.get("/v1/openapi.json").want(200)
	b.post(b.get("/settings/keys").attr("form[action$='/revoke']", "action"), nil).to("/settings/keys")
	program.get("/v1/openapi.json").want(403)
	if toast := b.get("/settings/keys").text(".toast"); toast != "Revoked. Its next request is refused." {
		t.Error(toast)
	}
	if page := b.get("/settings/keys"); len(page.find(".toast")) != 0 {
		t.Error("a toast comes twice")
	}
	page = b.post("/settings/keys", url.Values{"name": {""}, "scope": {"read"}, "days": {"30"}}).want(400)
	if page.text(".field-error") == "" || page.attr("input[value=read]", "checked") != "" {
		t.Error("the form is not shown again as it was")
	}
	b.post("/settings/keys", url.Values{"name": {"k"}, "days": {"30"}}).want(400)
	b.post("/settings/keys", url.Values{"name": {"k"}, "scope": {"ingest"}, "consent": {"everything"}}).want(400)
	b.post("/settings/keys", url.Values{"name": {"k"}, "scope": {"root"}, "days": {"30"}}).want(400)
	b.post("/settings/keys", url.Values{"name": {"k"}, "scope": {"read"}, "days": {"100000000"}}).want(400)
}

func TestAKeyThatSendsEventsCarriesItsConsentAndCapture(t *testing.T) {
	w := newWorld(t, func(w *world) { w.stages.Telemetry = &telemetry.Store{DB: w.pool} })
	b := w.as(auth.Engineer)
	b.post("/settings/keys", url.Values{"name": {"collector"}, "scope": {"ingest"}, "consent": {"redacted"}, "capture": {"redacted"}, "days": {"90"}}).want(200)
	if n := w.count(`SELECT count(*) FROM ingest_terms WHERE consent = 'redacted' AND capture = 'redacted'`); n != 1 {
		t.Errorf("want the terms chosen, got %d rows", n)
	}
	b.post("/settings/keys", url.Values{"name": {"reader"}, "scope": {"read"}, "consent": {"full"}, "days": {"90"}}).want(200)
	if n := w.count(`SELECT count(*) FROM ingest_terms`); n != 1 {
		t.Errorf("a key that sends nothing got terms")
	}
}

func TestPeopleChooseTheirOwnDisplay(t *testing.T) {
	w := newWorld(t)
	b := w.as(auth.Labeler)
	b.post("/settings/security/display", url.Values{"theme": {"dark"}, "time_zone": {"Europe/Berlin"}}).to("/settings/security#display")
	page := b.get("/settings/security").want(200)
	if page.attr("html", "data-theme") != "dark" || page.attr("html", "data-keys") != "off" || page.attr("input[name=time_zone]", "value") != "Europe/Berlin" {
		t.Error("the display is not what was chosen")
	}
	page = b.post("/settings/security/display", url.Values{"theme": {""}, "time_zone": {"Mars/Olympus"}}).want(400)
	if page.text(".field-error") == "" {
		t.Error("no word about the time zone")
	}
	b.post("/settings/security/display", url.Values{"theme": {"pink"}}).want(400)
	b.post("/settings/security/display", url.Values{"theme": {"dark"}, "time_zone": {"../../etc/passwd"}}).want(400)
}

func TestPeopleSetUpAndReplaceTheirSecondStep(t *testing.T) {
	w := newWorld(t)
	b := w.as(auth.Labeler)
	b.post("/settings/security/password", url.Values{"password": {plainPassword}}).to("/settings/security")
	secret := b.get("/settings/security?second_factor=on").want(200).text("#second-factor .well code")
	b.post("/settings/security/second-factor", url.Values{"code": {"123456"}}).want(403)
	b.post("/settings/security/second-factor", url.Values{"code": {totp(t, secret, w.clock.now())}}).to("/settings/security")
	w.clock.advance(people.StepUpLasts + time.Second)
	b.send("POST", "/settings/security/second-factor", strings.NewReader(formField+"="+b.token()+"&code=1"), http.Header{"Content-Type": {"application/x-www-form-urlencoded"},
		"Referer": {w.url + "/settings/security"}}).to("/login/again?next=%2Fsettings%2Fsecurity")
	b.post("/login/again", url.Values{"proof": {plainPassword}}).want(403) // the code is the proof now
	b.post("/login/again", url.Values{"proof": {totp(t, secret, w.clock.now())}}).to("/")
	b.post("/settings/security/second-factor/remove", nil).to("/settings/security")
	if n := w.count(`SELECT count(*) FROM people WHERE second_factor IS NOT NULL`); n != 0 {
		t.Error("it is still there")
	}
}

func TestPeopleSignOutElsewhere(t *testing.T) {
	w := newWorld(t)
	here, there := w.as(auth.Labeler), w.as(auth.Labeler)
	theirs := w.as(auth.Reviewer)
	foreign := w.count(`SELECT max(id) FROM sign_in_sessions WHERE person_id = $1`, w.ids[auth.Reviewer])
	here.post(fmt.Sprintf("/settings/security/sessions/%d/end", foreign), nil).want(404)
	here.post("/settings/security/sessions/others/end", nil).to("/settings/security")
	there.get("/").to("/login")
	here.get("/").want(200)
	theirs.get("/").want(200)
}

func TestSearchFindsThePagesThatOneMayOpen(t *testing.T) {
	w := newWorld(t)
	page := w.as(auth.Admin).get("/search?q=peo").want(200)
	if got := page.text("#matches a"); got != "People" {
		t.Error(got)
	}
	w.as(auth.Labeler).get("/search?q=peo").want(200).text(".empty h2")
	page = w.as(auth.Labeler).get("/search?q=" + url.QueryEscape(hostile)).want(200)
	if len(page.find("main img, main script")) != 0 {
		t.Error("what was typed became markup")
	}
	var rows []struct{ Name, URL string }
	w.as(auth.Engineer).send("GET", "/search?q=api", nil, http.Header{"Accept": {"application/json"}}).want(200).json(&rows)
	if len(rows) != 1 || rows[0].URL != "/settings/keys" {
		t.Errorf("%+v", rows)
	}
}
