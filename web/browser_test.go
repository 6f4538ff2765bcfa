package web

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/auth/keys"
)

var screenshots = flag.String("screenshots", "", "folder that takes a picture of each page a browser test opens")

// tab is one page of a real Chromium that notes what went wrong in it.
type tab struct {
	t   testing.TB
	ctx context.Context
}

// chromium starts the browser; it ends with the test.
func chromium(t testing.TB) *tab {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a browser")
	}
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Fatal("Chromium is not installed; make test installs it")
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(path), chromedp.Headless, chromedp.NoSandbox, chromedp.NoFirstRun, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("hide-scrollbars", true))
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	b := &tab{t, ctx}
	b.do(func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, target, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: watch})
		return chromedp.Void{}, err
	})
	return b
}

// watch notes errors, refusals by the policy, dialogs (what hostile text would
// open) and requests that left the origin.
const watch = `window.wrong = []
addEventListener('error', (e) => wrong.push('error: ' + e.message))
addEventListener('unhandledrejection', (e) => wrong.push('rejected: ' + e.reason))
addEventListener('securitypolicyviolation', (e) => wrong.push('refused by policy: ' + e.violatedDirective + ' ' + e.blockedURI))
for (const name of ['alert', 'confirm', 'prompt']) window[name] = (text) => wrong.push('executed: ' + name + ' ' + text)
new PerformanceObserver((list) => list.getEntries().forEach((e) => e.name.startsWith(location.origin) || wrong.push('left the origin: ' + e.name))).observe({type: 'resource', buffered: true})`

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// open goes to an address of the world, at this width.
func (b *tab) open(w *world, path string, width int64) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(width, 900), chromedp.Navigate(w.url+path))
	js[int](b, `document.fonts.ready.then(() => 0)`)
}

// become signs the tab in as the browser is, without the way through the
// sign-in page.
func (b *tab) become(w *world, who *browser) {
	b.t.Helper()
	b.do(chromedp.Navigate(w.url + "/livez"))
	js[string](b, fmt.Sprintf(`document.cookie = 'assay-session=%s; path=/'`, who.cookies["assay-session"]))
}

// js gives the value of an expression, awaited.
func js[T any](b *tab, expression string) T {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", clip(expression, 80), err)
	}
	return value
}

// wrong lists what went wrong on the page that is open.
func (b *tab) wrong() []string { b.t.Helper(); return js[[]string](b, `wrong`) }

// axe lists what the accessibility check finds.
func (b *tab) axe() []string {
	b.t.Helper()
	source, err := os.ReadFile(filepath.Join("..", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		b.t.Fatal("axe-core is not installed: ", err)
	}
	js[int](b, string(source)+"; 0")
	report := js[string](b, `axe.run(document, {resultTypes: ['violations']}).then(r => JSON.stringify(r.violations))`)
	var violations []struct {
		ID    string
		Nodes []struct {
			HTML           string `json:"html"`
			FailureSummary string `json:"failureSummary"`
		}
	}
	if err := json.Unmarshal([]byte(report), &violations); err != nil {
		b.t.Fatal(err)
	}
	var found []string
	for _, v := range violations {
		for _, n := range v.Nodes {
			found = append(found, v.ID+": "+n.HTML+"\n"+n.FailureSummary)
		}
	}
	return found
}

func (b *tab) photograph(name string) {
	b.t.Helper()
	if *screenshots == "" {
		return
	}
	picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*screenshots, name), picture, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// The pages of signing in, settings, audit and overview, as a person meets
// them: each width, both themes, hostile names in them.
func TestTheDoorsPagesInARealBrowser(t *testing.T) {
	w := newWorld(t, sealed, unlimited, func(w *world) { w.config.Demo = true })
	w.furnish()
	b := chromium(t)
	pages := []struct {
		who  *browser
		path string
	}{
		{w.stranger(), "/login"},
		{w.stranger(), "/nothing/here"},
		{w.as(auth.Admin), "/settings/people"},
		{w.as(auth.Engineer), "/settings/keys"},
		{w.as(auth.Engineer), "/search?q=a"},
		{w.as(auth.Labeler), "/settings/security?second_factor=on"},
		{w.as(auth.Labeler), "/audit"},
		{w.as(auth.Labeler), "/login/again"},
		{w.as(auth.Admin), "/"},
		{w.as(auth.Auditor), "/audit?entry=12"},
	}
	for _, p := range pages {
		for _, width := range []int64{1440, 1024, 390} {
			for _, theme := range []string{"light", "dark"} {
				name := "overview"
				if p.path != "/" {
					name = strings.Trim(strings.NewReplacer("/", "-", "?", "-", "=", "-").Replace(p.path), "-")
				}
				t.Run(fmt.Sprintf("%s at %d %s", name, width, theme), func(t *testing.T) {
					b := &tab{t, b.ctx}
					w.exec(`UPDATE people SET theme = $1`, theme)
					b.become(w, p.who)
					b.open(w, p.path, width)
					if p.who.cookies["assay-session"] == "" {
						js[string](b, `document.documentElement.dataset.theme = '`+theme+`'`)
						time.Sleep(300 * time.Millisecond) // colours of controls change over 120 ms
					}
					b.photograph(fmt.Sprintf("%s-%d-%s.png", name, width, theme))
					if by := js[int](b, `document.documentElement.scrollWidth - innerWidth`); by > 0 {
						t.Errorf("scrolls sideways by %d px", by)
					}
					for _, wrong := range b.wrong() {
						t.Error(wrong)
					}
					for _, found := range b.axe() {
						t.Error(found)
					}
				})
			}
		}
	}
}

// furnish gives the door's pages something to show, hostile where people write.
func (w *world) furnish() {
	w.t.Helper()
	engineer := auth.Actor{Kind: auth.Person, ID: w.ids[auth.Engineer], Name: "A. Lindqvist", Roles: []auth.Role{auth.Engineer}}
	for i := range 8 {
		w.record(
			audit.Entry{Actor: engineer, Action: "handoff.open", Object: "handoff/17", What: fmt.Sprintf("holdout run, %d cases", i), Reason: hostile},
			audit.Entry{Actor: auth.Product(), Action: "queue.fill", Object: "queue/formula", What: hostile})
	}
	w.exec(`UPDATE people SET name = $2 WHERE id = $1`, w.ids[auth.Reviewer], "Reviewer "+hostile)
	if _, _, err := w.stages.Keys.Create(context.Background(), auth.Product(), keys.New{Name: hostile, Scopes: []auth.Scope{auth.ScopeIngest}}); err != nil {
		w.t.Fatal(err)
	}
	other := auth.Actor{Kind: auth.Person, ID: w.person("other.admin@example.org", auth.Admin), Roles: []auth.Role{auth.Admin}}
	if err := w.stages.People.SetRoles(context.Background(), other, w.ids[auth.Labeler], []auth.Role{auth.Labeler, auth.ReleaseManager}); err != nil {
		w.t.Fatal(err)
	}
}

// A check that can find nothing proves nothing: the harness must see an
// execution, a violation and a request that leaves.
func TestTheBrowserHarnessSeesWhatItLooksFor(t *testing.T) {
	w := newWorld(t)
	b := chromium(t)
	b.open(w, "/login", 1440)
	if wrong := b.wrong(); len(wrong) != 0 {
		t.Fatalf("before: %v", wrong)
	}
	js[int](b, `(document.body.insertAdjacentHTML('beforeend', '<p style="color:red">x</p><img src="https://elsewhere.invalid/x.png">'), 0)`)
	js[int](b, `(alert('seen'), 0)`)
	js[int](b, `new Promise(r => setTimeout(() => r(0), 300))`)
	all := strings.Join(b.wrong(), "\n")
	for _, want := range []string{"executed: alert seen", "refused by policy: style-src", "refused by policy: img-src"} {
		if !strings.Contains(all, want) {
			t.Errorf("the harness does not see %q in\n%s", want, all)
		}
	}
}
