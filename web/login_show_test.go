package web

import (
	"encoding/base32"
	"net/url"
	"strings"
	"testing"
	"time"

	"crypto/hmac"
	"crypto/sha1"
	"encoding/binary"
	"fmt"

	"assay/internal/auth"
)

const plainPassword = "five plain words in a row"

// totp is an authenticator of the test's own.
func totp(t testing.TB, secret string, at time.Time) string {
	t.Helper()
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(secret, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha1.New, raw)
	binary.Write(mac, binary.BigEndian, uint64(at.Unix()/30))
	sum := mac.Sum(nil)
	at4 := sum[19] & 15
	return fmt.Sprintf("%06d", (binary.BigEndian.Uint32(sum[at4:at4+4])&0x7fffffff)%1_000_000)
}

// The first admin's way in: a link, a password, a second factor, the overview;
// then out and in again.
func TestAnAdministratorComesInByLinkAndSetsUpTheSecondStep(t *testing.T) {
	w := newWorld(t)
	link, _, err := w.stages.People.Link(t.Context(), auth.Product(), w.ids[auth.Admin])
	if err != nil {
		t.Fatal(err)
	}
	b := w.stranger()
	for range 2 { // looking at a link does not use it up
		page := b.get("/login/link/" + link).want(200)
		if !strings.Contains(page.text("h1"), "Admin") {
			t.Errorf("whom does it sign in: %s", page.text("h1"))
		}
	}
	b.post("/login/link/"+link, nil).to("/settings/security")
	b.get("/").to("/login/code")
	b.get("/settings/security").want(200)
	b.post("/settings/security/password", url.Values{"username": {"admin@example.org"}, "password": {"password1234"}}).want(400)
	b.post("/settings/security/password", url.Values{"password": {plainPassword}}).to("/login/code")

	page := b.get("/login/code").want(200)
	secret := page.text(".well code")
	b.post("/login/code", url.Values{"code": {"000000"}}).want(403)
	b.post("/login/code", url.Values{"code": {totp(t, secret, w.clock.now())}, "next": {"/settings/people"}}).to("/settings/people")
	b.get("/settings/people").want(200)
	b.post("/logout", nil).to("/login")
	b.get("/").to("/login")

	page = b.post("/login", url.Values{"email": {"admin@example.org"}, "password": {"not the one it is"}}).want(403)
	if got := page.text(".field-error"); got != "That does not match. 4 tries left before a 15 min pause." {
		t.Error(got)
	}
	if got := page.attr("input[name=email]", "value"); got != "admin@example.org" {
		t.Errorf("the address is not kept: %q", got)
	}
	b.post("/login", url.Values{"email": {"admin@example.org"}, "password": {plainPassword}}).to("/")
	b.get("/").to("/login/code")
	if page := b.get("/login/code").want(200); len(page.find(".well")) != 0 {
		t.Error("the second step shows a secret to somebody who only has the password")
	}
	w.clock.advance(30 * time.Second)
	b.post("/login/code", url.Values{"code": {totp(t, secret, w.clock.now())}}).to("/")
	b.get("/").want(200)

	stranger := w.stranger()
	stranger.get("/login/link/" + link).want(404)
	stranger.post("/login/link/"+link, nil).want(404)
}

func TestSigningInChangesTheCookieAndStepUpDoesAgain(t *testing.T) {
	w := newWorld(t)
	b := w.signIn(w.ids[auth.Labeler])
	b.post("/settings/security/password", url.Values{"password": {plainPassword}}).to("/settings/security")
	before := b.cookies["assay-session"]
	w.clock.advance(11 * time.Minute)
	b.post("/login/again", url.Values{"proof": {"wrong wrong wrong"}}).want(403)
	b.post("/login/again", url.Values{"proof": {plainPassword}, "next": {"/settings/security"}}).to("/settings/security")
	if b.cookies["assay-session"] == before {
		t.Error("the step-up kept the cookie")
	}
	old := w.stranger()
	old.cookies["assay-session"] = before
	old.get("/").to("/login")

	b.get("/login").to("/") // signed in already
}

func TestTooManyTriesSayWhenToComeBack(t *testing.T) {
	w := newWorld(t)
	form := url.Values{"email": {"labeler@example.org"}, "password": {"wrong wrong wrong"}}
	for range 5 {
		w.stranger().post("/login", form).want(403)
	}
	a := w.stranger().post("/login", form).want(429)
	if a.Header.Get("Retry-After") == "" || !strings.Contains(a.text(".field-error"), "pauses for 15 min") {
		t.Errorf("Retry-After %q, %s", a.Header.Get("Retry-After"), a.text(".field-error"))
	}
}

func TestWhatIsTypedAtSignInIsNeitherLoggedNorShown(t *testing.T) {
	w := newWorld(t)
	const typed = "my-password-in-the-wrong-field"
	a := w.stranger().post("/login", url.Values{"email": {"labeler@example.org"}, "password": {typed}, "next": {"/" + typed}}).want(403)
	if strings.Contains(strings.ReplaceAll(a.Body, `value="/`+typed, ""), typed) || strings.Contains(w.log.String(), typed) {
		t.Error("a password is on the page or in the log")
	}
	w.stranger().post("/login", url.Values{"email": {typed}, "password": {"x"}}).want(403)
	if n := w.count(`SELECT count(*) FROM audit_entries AS e WHERE position($1 IN e::text) > 0`, typed); n != 0 {
		t.Error("what was typed as address is in the audit")
	}
	w.stranger().post("/login", url.Values{"email": {"<script>alert(1)</script>\"'"}, "password": {"x"}}).want(403)
	a = w.stranger().post("/login", url.Values{"email": {`"><img src=x onerror=alert(1)>`}, "password": {"x"}}).want(403)
	if len(a.find("img")) != 0 {
		t.Error("what was typed became markup")
	}
}

func TestADisabledPersonIsAStrangerAtTheNextRequest(t *testing.T) {
	w := newWorld(t)
	b := w.as(auth.Engineer)
	b.get("/").want(200)
	w.as(auth.Admin).post(fmt.Sprintf("/settings/people/%d/disable", w.ids[auth.Engineer]), nil).to("/settings/people")
	b.get("/").to("/login")
	b.post("/settings/keys", url.Values{"name": {"k"}, "scope": {"read"}}).want(401)
}

func TestTheRoleSwitcherExistsOnOneMachineOnly(t *testing.T) {
	w := newWorld(t)
	b := w.as(auth.Engineer)
	if page := b.get("/").want(200); len(page.find("form[action='/login/as']")) != 0 {
		t.Error("the switcher is on a page")
	}
	b.post("/login/as", url.Values{"account": {fmt.Sprint(w.ids[auth.Auditor])}}).want(404)

	w = newWorld(t, func(w *world) { w.config.Demo = true })
	link, err := w.stages.People.Demonstrate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b = w.stranger()
	b.post("/login/link/"+link, nil).to("/")
	page := b.get("/").want(200)
	if n := len(page.find("form[action='/login/as'] button")); n != 7 {
		t.Fatalf("want 7 accounts, got %d", n)
	}
	before := b.cookies["assay-session"]
	auditor := ""
	for _, button := range page.find("form[action='/login/as'] button") {
		if strings.HasPrefix(words(button), "auditor") {
			for _, at := range button.Attr {
				if at.Key == "value" {
					auditor = at.Val
				}
			}
		}
	}
	b.post("/login/as", url.Values{"account": {auditor}}).to("/")
	if role := b.get("/").want(200).text(".popover-head .dim"); role != "auditor" {
		t.Errorf("now %s", role)
	}
	old := w.stranger()
	old.cookies["assay-session"] = before
	old.get("/").to("/login")
	b.post("/login/as", url.Values{"account": {fmt.Sprint(w.ids[auth.Admin])}}).want(403) // a real account
	b.post("/login/again", url.Values{"proof": {""}, "next": {"/"}}).to("/")              // the step-up of a demo account is a button
	// A real person on the same machine has no switcher.
	if page := w.as(auth.Engineer).get("/"); len(page.find("form[action='/login/as']")) != 0 {
		t.Error("a real person sees the switcher")
	}
}

func TestAnotherSignInReplacesTheOneInTheBrowser(t *testing.T) {
	w := newWorld(t)
	b := w.as(auth.Labeler)
	old := b.cookies["assay-session"]
	link, _, _ := w.stages.People.Link(t.Context(), auth.Product(), w.ids[auth.Reviewer])
	b.post("/login/link/"+link, nil).to("/settings/security")
	if s, _ := w.stages.People.Resume(t.Context(), old); s != nil {
		t.Error("the sign-in before is still open")
	}
}

func TestTheBrowserIsNamedNotKept(t *testing.T) {
	for agent, want := range map[string]string{
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0":                                                                  "Firefox on Linux",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 Edg/140.0":                   "Edge on Windows",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1": "Safari on iPhone",
		"curl/8.0": "A program", "": "A program", "<script>Firefox</script>": "Firefox",
	} {
		if got := browserOf(agent); got != want {
			t.Errorf("%s: want %s, got %s", agent, want, got)
		}
	}
}
