package web

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
)

// carries fails the test when a response lacks one of the headers that every
// response has.
func carries(t *testing.T, what string, h http.Header) {
	t.Helper()
	for name, want := range map[string]string{
		"X-Content-Type-Options":       "nosniff",
		"Referrer-Policy":              "same-origin",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
		"X-Frame-Options":              "DENY",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %s: want %q, got %q", what, name, want, got)
		}
	}
	if !strings.Contains(h.Get("Permissions-Policy"), "camera=()") {
		t.Errorf("%s: no Permissions-Policy", what)
	}
	csp := h.Values("Content-Security-Policy")
	if len(csp) != 1 {
		t.Fatalf("%s: want one policy, got %d", what, len(csp))
	}
	for _, part := range []string{"default-src 'none'", "'strict-dynamic'", "style-src 'self'", "img-src 'self'", "font-src 'self'", "connect-src 'self'",
		"form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'", "object-src 'none'"} {
		if !strings.Contains(csp[0], part) {
			t.Errorf("%s: the policy lacks %s", what, part)
		}
	}
	if nonce := nonceIn(csp[0]); len(nonce) < 22 {
		t.Errorf("%s: the nonce %q is short", what, nonce)
	}
	if h.Get("Server") != "" {
		t.Errorf("%s: names its server", what)
	}
}

func nonceIn(csp string) string {
	_, rest, _ := strings.Cut(csp, "'nonce-")
	nonce, _, _ := strings.Cut(rest, "'")
	return nonce
}

// address fills the parameters of a route's pattern.
func address(path string) string {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if strings.HasPrefix(part, ":") || part == "*" {
			parts[i] = "1"
		}
	}
	return strings.Join(parts, "/")
}

func TestEveryResponseCarriesItsHeaders(t *testing.T) {
	w := newWorld(t)
	visitors := map[string]*browser{"stranger": w.stranger(), "engineer": w.as(auth.Engineer), "admin": w.as(auth.Admin)}
	for _, r := range routes() {
		for who, b := range visitors {
			for _, method := range []string{r.Method, "DELETE"} {
				a := b.send(method, address(r.Path), nil, nil)
				carries(t, who+" "+method+" "+r.Path, a.Header)
				if a.Status != 200 || !strings.HasPrefix(r.Path, "/static") {
					if got := a.Header.Get("Cache-Control"); got != "no-store" {
						t.Errorf("%s %s: Cache-Control %q", method, r.Path, got)
					}
				}
			}
		}
		if r.Path == "/logout" { // the matrix of this test signs people out
			visitors["engineer"], visitors["admin"] = w.as(auth.Engineer), w.as(auth.Admin)
		}
	}
	carries(t, "nothing here", w.stranger().get("/nothing/here").want(404).Header)
	style := w.stranger().get(w.site.assets.Styles).want(200)
	carries(t, "a static file", style.Header)
	if !strings.Contains(style.Header.Get("Cache-Control"), "immutable") {
		t.Error("a hashed file may be kept")
	}
}

func TestTheNonceIsNewForEachResponseAndStandsInItsScripts(t *testing.T) {
	w := newWorld(t)
	seen := map[string]bool{}
	for range 3 {
		a := w.as(auth.Engineer).get("/").want(200)
		nonce := nonceIn(a.Header.Get("Content-Security-Policy"))
		if seen[nonce] {
			t.Error("a nonce came twice")
		}
		seen[nonce] = true
		for _, script := range a.find("script") {
			got := ""
			for _, at := range script.Attr {
				if at.Key == "nonce" {
					got = at.Val
				}
			}
			if got != nonce {
				t.Errorf("a script has the nonce %q, the policy %q", got, nonce)
			}
		}
	}
}

func TestWhatFasthttpAnswersByItselfCarriesTheHeadersToo(t *testing.T) {
	w := newWorld(t)
	for name, sent := range map[string]string{
		"no HTTP":            "this is not HTTP\r\n\r\n",
		"a method unknown":   "BREW / HTTP/1.1\r\nHost: x\r\n\r\n",
		"headers too large":  "GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("a", 2*headerLimit) + "\r\n\r\n",
		"two lengths":        "POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
		"a length and parts": "POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(conn, sent)
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		conn.Close()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if response.StatusCode < 400 || response.StatusCode >= 500 {
			t.Errorf("%s: want a refusal, got %d", name, response.StatusCode)
		}
		carries(t, name, response.Header)
	}
}

func TestHSTSAndHostCookiesComeWithTLSOnly(t *testing.T) {
	w := newWorld(t)
	if got := w.stranger().get("/login").Header.Get("Strict-Transport-Security"); got != "" {
		t.Errorf("over http: %q", got)
	}
	w = newWorld(t, func(w *world) { w.config.PublicURL = "https://assay.example.org" })
	if got := w.stranger().get("/login").Header.Get("Strict-Transport-Security"); !strings.Contains(got, "max-age=31536000") {
		t.Errorf("over https: %q", got)
	}
	if w.site.cookieName() != "__Host-assay-session" {
		t.Errorf("the cookie is %s", w.site.cookieName())
	}
	link, _, err := w.stages.People.Link(t.Context(), auth.Product(), w.ids[auth.Engineer])
	if err != nil {
		t.Fatal(err)
	}
	a := w.stranger().post("/login/link/"+link, nil).to("/settings/security")
	cookie := a.Header.Get("Set-Cookie")
	for _, want := range []string{"__Host-assay-session=", "secure", "HttpOnly", "SameSite=Lax", "path=/"} {
		if !strings.Contains(strings.ToLower(cookie), strings.ToLower(want)) {
			t.Errorf("%s is not in %s", want, cookie)
		}
	}
	if strings.Contains(strings.ToLower(cookie), "domain=") {
		t.Errorf("the cookie names a domain: %s", cookie)
	}
}

// M2: without Immutable a kept query value becomes the next request's.
func TestAKeptQueryValueStaysItsOwn(t *testing.T) {
	kept := make(chan string, 2)
	w := newWorld(t, with(route{"GET", "/kept", anyone(), func(_ *site, c *fiber.Ctx) error {
		kept <- c.Query("actor")
		return c.SendString("kept")
	}}))
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	reader := bufio.NewReader(conn)
	for _, actor := range []string{"first-actor", "other-actor"} {
		fmt.Fprintf(conn, "GET /kept?actor=%s HTTP/1.1\r\nHost: x\r\n\r\n", actor)
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
	}
	if first, second := <-kept, <-kept; first != "first-actor" || second != "other-actor" {
		t.Errorf("want first-actor and other-actor, got %s and %s", first, second)
	}
}

// M3: nobody's X-Forwarded-* counts unless named, and a proxy's only for the
// hop before it.
func TestForwardedHeadersCountFromTrustedProxiesOnly(t *testing.T) {
	hostile := http.Header{"X-Forwarded-For": {"203.0.113.9"}, "X-Forwarded-Host": {"evil.example"}, "X-Forwarded-Proto": {"https"}}
	for name, c := range map[string]struct {
		proxies []netip.Prefix
		want    string
	}{
		"no proxy":  {nil, "127.0.0.1"},
		"loopback":  {[]netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, "203.0.113.9"},
		"elsewhere": {[]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, "127.0.0.1"},
	} {
		w := newWorld(t, func(w *world) { w.config.TrustedProxies = c.proxies })
		w.stranger().send("POST", "/login", strings.NewReader("email=a&password=b"), merged(hostile, http.Header{
			"Content-Type": {"application/x-www-form-urlencoded"}}))
		got := ""
		w.pool.QueryRow(t.Context(), `SELECT address FROM sign_in_failures`).Scan(&got)
		if got != c.want {
			t.Errorf("%s: want %s, got %s", name, c.want, got)
		}
	}
	w := newWorld(t, func(w *world) { w.config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")} })
	w.stranger().send("POST", "/login", strings.NewReader("email=a&password=b"), http.Header{
		"X-Forwarded-For": {"198.51.100.1, 203.0.113.9"}, "Content-Type": {"application/x-www-form-urlencoded"}})
	if n := w.count(`SELECT count(*) FROM sign_in_failures WHERE address = '203.0.113.9'`); n != 1 {
		t.Error("the address before our proxy is the one it saw, not the one the client wrote")
	}
}

func merged(headers ...http.Header) http.Header {
	all := http.Header{}
	for _, h := range headers {
		for name, values := range h {
			all[name] = values
		}
	}
	return all
}

func TestLinksCarryThePublicURLWhateverHostIsAsked(t *testing.T) {
	w := newWorld(t, func(w *world) { w.config.PublicURL = "https://assay.example.org" })
	admin := w.as(auth.Admin)
	admin.cookies["__Host-assay-session"] = admin.cookies["assay-session"]
	a := admin.send("POST", "/settings/people", strings.NewReader(url.Values{"name": {"New"}, "email": {"n@example.org"}, formField: {admin.token()}}.Encode()),
		http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "X-Forwarded-Host": {"evil.example"}}).want(200)
	if !strings.Contains(a.Body, "https://assay.example.org/login/link/") || strings.Contains(a.Body, "evil.example") {
		t.Error("the link does not begin with the public URL")
	}
}

// M4: what a browser says about where a form came from, with a valid token.
func TestUnsafeRequestsMustComeFromOurOwnPages(t *testing.T) {
	w := newWorld(t)
	b := w.as(auth.Engineer)
	form := func(token string) string {
		return url.Values{formField: {token}, "theme": {"dark"}, "time_zone": {""}}.Encode()
	}
	for name, c := range map[string]struct {
		header http.Header
		token  string
		want   int
	}{
		"same origin":                       {http.Header{"Sec-Fetch-Site": {"same-origin"}}, b.token(), 303},
		"typed by the person":               {http.Header{"Sec-Fetch-Site": {"none"}}, b.token(), 303},
		"our Origin alone":                  {http.Header{"Origin": {w.url}}, b.token(), 303},
		"cross-site with a valid token":     {http.Header{"Sec-Fetch-Site": {"cross-site"}}, b.token(), 403},
		"cross-site saying our Origin":      {http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {w.url}}, b.token(), 403},
		"same-site is not same-origin":      {http.Header{"Sec-Fetch-Site": {"same-site"}}, b.token(), 403},
		"another Origin with a valid token": {http.Header{"Origin": {"https://evil.example"}}, b.token(), 403},
		"Origin null":                       {http.Header{"Origin": {"null"}}, b.token(), 403},
		"our Origin with another port":      {http.Header{"Origin": {w.url + "1"}}, b.token(), 403},
		"neither header":                    {http.Header{}, b.token(), 403},
		"no token":                          {http.Header{"Sec-Fetch-Site": {"same-origin"}}, "", 403},
		"another session's token":           {http.Header{"Sec-Fetch-Site": {"same-origin"}}, w.as(auth.Reviewer).token(), 403},
		"a token that only looks like one":  {http.Header{"Sec-Fetch-Site": {"same-origin"}}, strings.Repeat("A", 43), 403},
	} {
		b.header = http.Header{}
		a := b.send("POST", "/settings/security/display", strings.NewReader(form(c.token)), merged(c.header, http.Header{
			"Content-Type": {"application/x-www-form-urlencoded"}}))
		if a.Status != c.want {
			t.Errorf("%s: want %d, got %d", name, c.want, a.Status)
		}
	}
}

func TestSigningInFromAnotherSiteIsRefused(t *testing.T) {
	w := newWorld(t)
	for _, header := range []http.Header{{"Sec-Fetch-Site": {"cross-site"}}, {"Origin": {"https://evil.example"}}, {}} {
		b := w.stranger()
		b.header = http.Header{}
		a := b.send("POST", "/login", strings.NewReader("email=a%40b.c&password=d"), merged(header, http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}))
		a.want(403)
	}
	if n := w.count(`SELECT count(*) FROM sign_in_failures`); n != 0 {
		t.Errorf("%d tries were counted", n)
	}
}

func TestAKeyNeedsNoFormTokenAndACookieUnderV1Does(t *testing.T) {
	w := newWorld(t)
	a := w.program(auth.ScopeRead).send("POST", "/v1/nothing", strings.NewReader("{}"), nil)
	a.want(404)
}

func TestAPanicBecomesAPageWithoutDetail(t *testing.T) {
	w := newWorld(t,
		with(route{"GET", "/panics", anyone(), func(*site, *fiber.Ctx) error { panic("the secret of a user") }}),
		with(route{"GET", "/divides", anyone(), func(s *site, _ *fiber.Ctx) error {
			var none []int
			return fmt.Errorf("%d", none[len(s.origin)])
		}}))
	for _, path := range []string{"/panics", "/divides"} {
		a := w.stranger().get(path).want(500)
		carries(t, path, a.Header)
		for _, hidden := range []string{"the secret", "goroutine", "index out of range", ".go:"} {
			if strings.Contains(a.Body, hidden) {
				t.Errorf("%s: the page shows %q", path, hidden)
			}
		}
		if a.text("h2, .banner b") == "" || !strings.Contains(a.Body, "Reference") {
			t.Errorf("%s: want what did not happen and a reference", path)
		}
	}
	log := w.log.String()
	if strings.Contains(log, "the secret of a user") {
		t.Error("the log holds what the panic said")
	}
	if !strings.Contains(log, "index out of range") || !strings.Contains(log, "security_test.go") {
		t.Error("the log lacks the runtime's words or the stack")
	}
}

func TestTheNextPageIsOneOfOurOwn(t *testing.T) {
	for asked, want := range map[string]string{
		"/sessions?q=1#x": "/sessions?q=1", "": "/", "/": "/", "//evil.example": "/", "https://evil.example/": "/",
		"/\\evil.example": "/", "javascript:alert(1)": "/", "/login?next=/a": "/", "sessions": "/", "/a\r\nSet-Cookie: x": "/", "/%2f%2fevil": "/%2f%2fevil",
	} {
		if got := nextOf(asked); got != want {
			t.Errorf("%q: want %s, got %s", asked, want, got)
		}
	}
}
