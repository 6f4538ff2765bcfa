package web

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/andybalholm/cascadia"
	"github.com/gofiber/fiber/v2"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/net/html"

	"assay/internal/auth"
	"assay/internal/auth/keys"
	"assay/internal/auth/people"
	"assay/internal/postgrestest"
)

// world is the whole product behind its door, on a database of the test's
// own, with one person of each role.
type world struct {
	t      testing.TB
	pool   *pgxpool.Pool
	app    *fiber.App
	site   *site
	url    string
	log    *logBook
	clock  *clock
	config Config
	stages Stages
	ids    map[auth.Role]int64
	made   int     // people made on the way
	table  []route // what the door opens on; routes() unless an option changes it
}

// newWorld starts it; each option may change configuration and stages before.
func newWorld(t testing.TB, options ...func(*world)) *world {
	t.Helper()
	w := &world{t: t, pool: postgrestest.Database(t), log: &logBook{}, clock: &clock{}, ids: map[auth.Role]int64{}, table: routes()}
	secret := bytes.Repeat([]byte("s"), 32)
	w.stages = Stages{
		DB:     w.pool,
		People: &people.Register{DB: w.pool, Secret: secret, Clock: w.clock.now},
		Keys:   &keys.Ring{DB: w.pool, Clock: w.clock.now},
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.url = "http://" + listener.Addr().String()
	w.config = Config{PublicURL: w.url, Log: slog.New(slog.NewTextHandler(w.log, nil)), Clock: w.clock.now}
	for _, option := range options {
		option(w)
	}
	w.stages.People.Demo = w.config.Demo
	if w.app, w.site, err = open(w.config, w.stages, w.table); err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() { defer close(served); w.app.Listener(listener) }()
	t.Cleanup(func() {
		w.app.ShutdownWithTimeout(5 * time.Second)
		<-served
	})
	for _, role := range auth.Roles {
		w.ids[role] = w.person(role.Words()+"@example.org", role)
	}
	return w
}

// with adds a route of the test's own.
func with(r route) func(*world) { return func(w *world) { w.table = append(w.table, r) } }

// person adds an account.
func (w *world) person(email string, roles ...auth.Role) int64 {
	w.t.Helper()
	name := strings.ToUpper(email[:1]) + strings.Split(email, "@")[0][1:]
	p, err := w.stages.People.Add(context.Background(), auth.Product(), people.New{Email: strings.ReplaceAll(email, " ", "-"), Name: name, Roles: roles})
	if err != nil {
		w.t.Fatal(err)
	}
	if slices.Contains(roles, auth.Labeler) { // who has practised may begin at once
		w.exec(`INSERT INTO labelers (person_id, practised_at) VALUES ($1, now())`, p.ID)
	}
	return p.ID
}

// as returns the browser of the person with the role, signed in, the second
// factor given and stepped up.
func (w *world) as(role auth.Role) *browser {
	w.t.Helper()
	return w.signIn(w.ids[role])
}

// signIn returns a browser signed in as the person, second factor and step-up
// included.
func (w *world) signIn(id int64) *browser {
	w.t.Helper()
	b := w.stranger()
	ctx := context.Background()
	link, _, err := w.stages.People.Link(ctx, auth.Product(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	secret, err := w.stages.People.FollowLink(ctx, link, people.Where{Address: "127.0.0.1", Browser: "Test"})
	if err != nil {
		w.t.Fatal(err)
	}
	w.exec(`UPDATE sign_in_sessions SET second_factor_at = $2, stepped_up_at = $2 WHERE person_id = $1`, id, w.clock.now())
	b.cookies["assay-session"] = secret
	return b
}

// stranger returns a browser that is not signed in.
func (w *world) stranger() *browser {
	return &browser{w: w, cookies: map[string]string{}, header: http.Header{"Sec-Fetch-Site": {"same-origin"}}}
}

// program returns a client with an API key of these scopes.
func (w *world) program(scopes ...auth.Scope) *browser {
	w.t.Helper()
	_, text, err := w.stages.Keys.Create(context.Background(), auth.Product(), keys.New{Name: "test", Scopes: scopes})
	if err != nil {
		w.t.Fatal(err)
	}
	return &browser{w: w, cookies: map[string]string{}, header: http.Header{"Authorization": {"Bearer " + text}}}
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.pool.Exec(context.Background(), sql, args...); err != nil {
		w.t.Fatal(err)
	}
}

// count returns one number from the database.
func (w *world) count(sql string, args ...any) int {
	w.t.Helper()
	n := 0
	if err := w.pool.QueryRow(context.Background(), sql, args...).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// browser sends requests and keeps cookies; it does not follow redirects.
type browser struct {
	w       *world
	cookies map[string]string
	header  http.Header // sent with every request
}

// answer is a response, read whole.
type answer struct {
	t      testing.TB
	Status int
	Header http.Header
	Body   string
}

func (b *browser) get(path string) *answer {
	b.w.t.Helper()
	return b.send("GET", path, nil, nil)
}

// post sends a form with the token of the browser's session.
func (b *browser) post(path string, form url.Values) *answer {
	b.w.t.Helper()
	if form == nil {
		form = url.Values{}
	}
	sent := url.Values{formField: {b.token()}}
	for name, values := range form {
		sent[name] = values
	}
	return b.send("POST", path, strings.NewReader(sent.Encode()), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
}

// postJSON sends a value to the machine's side.
func (b *browser) postJSON(path string, value any) *answer {
	b.w.t.Helper()
	body, err := json.Marshal(value)
	if err != nil {
		b.w.t.Fatal(err)
	}
	return b.send("POST", path, bytes.NewReader(body), http.Header{"Content-Type": {"application/json"}, "X-Form-Token": {b.token()}})
}

func (b *browser) token() string {
	return formToken(visitor{secret: b.cookies["assay-session"]})
}

func (b *browser) send(method, path string, body io.Reader, header http.Header) *answer {
	b.w.t.Helper()
	request, err := http.NewRequest(method, b.w.url+path, body)
	if err != nil {
		b.w.t.Fatal(err)
	}
	for _, set := range []http.Header{b.header, header} {
		for name, values := range set {
			request.Header[name] = values
		}
	}
	for name, value := range b.cookies {
		request.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	response, err := plainClient.Do(request)
	if err != nil {
		b.w.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		b.w.t.Fatalf("%s %s: %v", method, path, err)
	}
	for _, c := range response.Cookies() {
		if c.MaxAge < 0 || c.Value == "" {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
	a := &answer{b.w.t, response.StatusCode, response.Header, string(text)}
	a.agrees(method, path)
	return a
}

var plainClient = &http.Client{
	Timeout:       30 * time.Second,
	Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 16},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// want fails the test unless the status is this one.
func (a *answer) want(status int) *answer {
	a.t.Helper()
	if a.Status != status {
		a.t.Fatalf("status: want %d, got %d\n%s", status, a.Status, clip(a.Body, 2000))
	}
	return a
}

// to fails the test unless the answer redirects there.
func (a *answer) to(path string) *answer {
	a.t.Helper()
	a.want(http.StatusSeeOther)
	if got := a.Header.Get("Location"); got != path {
		a.t.Fatalf("redirect: want %s, got %s", path, got)
	}
	return a
}

// find returns the elements that match a CSS selector.
func (a *answer) find(selector string) []*html.Node {
	a.t.Helper()
	document, err := html.Parse(strings.NewReader(a.Body))
	if err != nil {
		a.t.Fatal(err)
	}
	return cascadia.QueryAll(document, cascadia.MustCompile(selector))
}

// text returns the words of the first element that matches, with single
// spaces; it fails the test when there is none.
func (a *answer) text(selector string) string {
	a.t.Helper()
	found := a.find(selector)
	if len(found) == 0 {
		a.t.Fatalf("nothing matches %s in\n%s", selector, clip(a.Body, 4000))
	}
	return words(found[0])
}

// attr returns an attribute of the first element that matches.
func (a *answer) attr(selector, name string) string {
	a.t.Helper()
	for _, node := range a.find(selector) {
		for _, at := range node.Attr {
			if at.Key == name {
				return at.Val
			}
		}
	}
	a.t.Fatalf("no %s[%s] in\n%s", selector, name, clip(a.Body, 4000))
	return ""
}

// json reads the body into a value.
func (a *answer) json(into any) *answer {
	a.t.Helper()
	if err := json.Unmarshal([]byte(a.Body), into); err != nil {
		a.t.Fatalf("%v in %s", err, clip(a.Body, 2000))
	}
	return a
}

func words(node *html.Node) string {
	var b strings.Builder
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.TextNode {
			b.WriteString(n.Data + " ")
		}
		for child := n.FirstChild; child != nil; child = child.NextSibling {
			walk(child)
		}
	}
	walk(node)
	return strings.Join(strings.Fields(b.String()), " ")
}

// logBook keeps what was logged.
type logBook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// clock is the real time, moved forward by as much as a test says.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}
