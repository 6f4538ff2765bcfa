package ui_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/a-h/templ"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"assay/static"
	. "assay/web/ui"
)

var screenshots = flag.String("screenshots", "", "folder to write a picture of every gallery page into")

// policy is what the product answers with, but for the nonce, which here is
// always the same.
const policy = "default-src 'none'; script-src 'nonce-gallery' 'strict-dynamic'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; object-src 'none'"

func assets() Assets {
	return Assets{Styles: static.Asset("assay.css"), Script: static.Asset("assay.js"), Font: static.Asset("geist.woff2"), Icon: static.Asset("icon.svg"), Sprite: static.Sprite()}
}

func render(t testing.TB, c templ.Component) string {
	t.Helper()
	var out bytes.Buffer
	if err := c.Render(templ.WithNonce(WithReader(context.Background(), Reader{Now: now, Token: "t0k3n"}), "gallery"), &out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// serve answers with the gallery as the product would: same headers, same
// static files.
func serve(t *testing.T, more map[string]http.HandlerFunc) string {
	t.Helper()
	if err := static.Ready(); err != nil {
		t.Fatal("the built assets are missing: ", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc(static.Prefix, func(w http.ResponseWriter, r *http.Request) {
		f, ok := static.Find(strings.TrimPrefix(r.URL.Path, static.Prefix))
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", f.Type)
		w.Write(f.Body)
	})
	for name, shell := range gallery {
		mux.HandleFunc("/gallery/"+name, func(w http.ResponseWriter, r *http.Request) {
			shell := shell
			shell.Assets = assets()
			shell.Viewer.Theme = r.URL.Query().Get("theme")
			w.Write([]byte(render(t, shell)))
		})
	}
	for path, handler := range more {
		mux.HandleFunc(path, handler)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// browser starts one Chromium with a fresh profile and gives a tab of it that
// remembers what went wrong in window.wrong.
func browser(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Fatal("Chromium is not installed: .ci/install chromium")
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(path), chromedp.Headless, chromedp.NoSandbox, chromedp.NoFirstRun, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("hide-scrollbars", true))
	t.Cleanup(stop)
	tab, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	do(t, tab, func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		// Nothing may be half-way into view when it is measured.
		still := []*emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: "reduce"}}
		if _, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: still}); err != nil {
			return chromedp.Void{}, err
		}
		_, err := cdp.Call(ctx, target, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: watch})
		return chromedp.Void{}, err
	})
	return tab
}

const watch = `window.wrong = []
addEventListener('error', (e) => wrong.push('error: ' + e.message))
addEventListener('unhandledrejection', (e) => wrong.push('rejected: ' + e.reason))
addEventListener('securitypolicyviolation', (e) => wrong.push('refused by policy: ' + e.violatedDirective + ' ' + e.blockedURI))
const loud = console.error
console.error = (...all) => { wrong.push('console: ' + all.join(' ')); loud(...all) }`

func do(t *testing.T, tab context.Context, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(tab, steps...); err != nil {
		t.Fatal(err)
	}
}

// js gives the value of an expression, awaited.
func js[T any](t *testing.T, tab context.Context, expression string) T {
	t.Helper()
	value, err := chromedp.Run(tab, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("%s: %v", expression[:min(80, len(expression))], err)
	}
	return value
}

type violation struct {
	ID, Impact string
	Nodes      []struct {
		HTML           string `json:"html"`
		FailureSummary string `json:"failureSummary"`
	}
}

func axe(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile(filepath.Join("..", "..", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal("axe-core is not installed: ", err)
	}
	return string(source)
}

var (
	widths = []int64{1440, 1024, 390}
	shades = []string{"light", "dark"}
)

func TestGallery(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	origin := serve(t, nil)
	source := axe(t)
	tab := browser(t)
	for _, name := range slices.Sorted(maps.Keys(gallery)) {
		for _, width := range widths {
			for _, theme := range shades {
				t.Run(fmt.Sprintf("%s at %d %s", name, width, theme), func(t *testing.T) {
					do(t, tab, chromedp.EmulateViewport(width, 900), chromedp.Navigate(origin+"/gallery/"+name+"?theme="+theme))
					js[int](t, tab, `document.fonts.ready.then(() => 0)`)
					if *screenshots != "" {
						photograph(t, tab, fmt.Sprintf("%s-%d-%s.png", name, width, theme))
					}
					if by := js[int](t, tab, `document.documentElement.scrollWidth - innerWidth`); by > 0 {
						t.Errorf("scrolls sideways by %d px", by)
					}
					js[int](t, tab, source+"; 0")
					rules := `{resultTypes: ['violations']}`
					if theme == "dark" { // the same markup: only its colours can be wrong
						rules = `{resultTypes: ['violations'], runOnly: ['color-contrast']}`
					}
					report := js[string](t, tab, `axe.run(document, `+rules+`).then(r => JSON.stringify(r.violations))`)
					for _, v := range violations(t, report) {
						for _, n := range v.Nodes {
							t.Errorf("axe %s (%s): %s\n%s", v.ID, v.Impact, n.HTML, n.FailureSummary)
						}
					}
					for _, wrong := range js[[]string](t, tab, `wrong`) {
						t.Error(wrong)
					}
				})
			}
		}
	}
}

func photograph(t *testing.T, tab context.Context, name string) {
	t.Helper()
	picture, err := chromedp.Run(tab, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*screenshots, name), picture, 0o644); err != nil {
		t.Fatal(err)
	}
}

func violations(t *testing.T, report string) []violation {
	t.Helper()
	var all []violation
	if err := json.Unmarshal([]byte(report), &all); err != nil {
		t.Fatal(err)
	}
	return all
}
