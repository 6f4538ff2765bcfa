package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"assay/internal/auth"
	"assay/internal/browsertest"
	"assay/web"
)

// inTheSample are addresses of the sample for pages whose address names a thing.
var inTheSample = map[string]string{
	"/agreement":                     "/agreement?when=all",
	"/consensus":                     "/consensus?when=all",
	"/datasets/:dataset":             "/datasets/formula-answers-thirty-days",
	"/datasets/import/:import":       "/datasets/import/2",
	"/guides/:task":                  "/guides/spreadsheet_formula",
	"/guides/:task/changes":          "/guides/spreadsheet_formula/changes",
	"/handoffs/:handoff":             "/handoffs/3",
	"/handoffs/:handoff/cases":       "/handoffs/3/cases",
	"/handoffs/:handoff/diff":        "/handoffs/1/diff",
	"/handoffs/:handoff/certificate": "/handoffs/3/certificate",
	"/incidents/:incident":           "/incidents/1",
	"/items/:item/discussion":        "/items/209/discussion",
	"/labelers/:labeler":             "/labelers/1",
	"/queues/:queue":                 "/queues/spreadsheet_formula",
	"/queues/:queue/rules":           "/queues/spreadsheet_formula/rules",
	"/queues/:queue/settings":        "/queues/spreadsheet_formula/settings",
	"/rates/:family":                 "/rates/latency",
	"/search":                        "/search?q=formula",
	"/sessions":                      "/sessions?when=30d",
	"/sessions/:session":             "/sessions/req_205",
	"/validators/own/:own":           "/validators/own/1",
	"/validators/:validator/cases":   "/validators/formula/cases?verdict=pass&label=correct&version=",
	"/reruns/:rerun":                 "/reruns/1",
	"/comparisons/:comparison":       "/comparisons/1",
	"/validators/:validator/rerun":   "/validators/formula/rerun",
	"/validators/:validator":         "/validators/formula",
	"/rates":                         "/rates?window=30d",
}

// elsewhere are pages that the sample has nothing for, and why.
var elsewhere = map[string]string{
	"/login/link/:token":                "a link opens once",
	"/handoffs/:handoff/sign":           "needs a fresh proof; TestWalk signs",
	"/settings/retention/proofs/:proof": "a file",
	"/login/code":                       "nobody of the sample has a second factor",
	"/handoffs/:handoff/promote":        "nothing of the sample is approved and waits; TestWalk opens it",
	"/settings":                         "leads to what one may set",
	"/settings/erasures/:erasure":       "nobody of the sample is erased",
	"/selections/:selection":            "nothing of the sample is selected",
	"/fixtures/:fixture":                "the sample brings none",
	"/reveals/:reveal":                  "nobody of the sample asked",
	"/adjudications/next":               "leads to an item",
	"/items/:item":                      "needs a reservation; the browser tests of web label",
	"/items/:item/adjudicate":           "which item waits depends on chance; the browser tests of web adjudicate",
	"/comparisons/:comparison/export":   "a file",
	"/pairs/:pair":                      "needs a turn; the browser tests of web compare",
	"/datasets/exports/:export":         "a file",
	"/datasets/import/:import/report":   "a file",
}

// Every page of the product with the sample in it: no rule of accessibility is
// broken in either theme, no words stand over others, and nothing scrolls
// sideways, on a wide screen and on a phone. A new page is in the site map and
// so is walked, or fails here until it has a place in the sample.
func TestEveryPageWithTheSample(t *testing.T) {
	if testing.Short() {
		t.Skip("loads the sample and starts a browser")
	}
	w := startWalk(t)
	if err := w.machine.loadSample(context.Background(), w.dir, io.Discard); err != nil {
		t.Fatal(err)
	}
	axe, err := os.ReadFile(filepath.Join("..", "..", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal("axe-core is not installed: ", err)
	}
	walked := map[auth.Role][]string{}
	for _, p := range web.Pages() {
		if elsewhere[p.Path] != "" {
			continue
		}
		path := p.Path
		if place := inTheSample[path]; place != "" {
			path = place
		}
		if strings.Contains(path, ":") {
			t.Errorf("%s has no place in the sample", p.Path)
			continue
		}
		walked[firstOf(p)] = append(walked[firstOf(p)], path)
	}
	for _, family := range []string{"tokens", "cost", "errors", "routes", "conversations", "feedback", "experiments", "tools", "days"} {
		walked[auth.Engineer] = append(walked[auth.Engineer], "/rates/"+family)
	}
	for _, role := range auth.Roles {
		if role != auth.Engineer {
			walked[role] = append(walked[role], "/")
		}
		w.become(role.Words())
		for _, path := range walked[role] {
			t.Run(strings.Trim(role.Words()+" "+path, " "), func(t *testing.T) { lookAt(&walk{T: t, machine: w.machine, tab: w.tab}, path, string(axe)) })
		}
	}
}

// firstOf is who opens a page: of those who may, the one with most to see.
func firstOf(p web.PageOf) auth.Role {
	for _, role := range []auth.Role{auth.Engineer, auth.ReleaseManager, auth.Auditor, auth.Admin, auth.Reviewer} {
		if slices.Contains(p.Roles, role) {
			return role
		}
	}
	return auth.Labeler
}

func lookAt(w *walk, path, axe string) {
	size := func(width int64) {
		if err := chromedp.Do(w.tab, chromedp.EmulateViewport(width, 900)); err != nil {
			w.Fatal(err)
		}
	}
	size(1440)
	w.visit(path)
	if got := js[string](w, `location.pathname + ' ' + document.title`); strings.HasPrefix(got, "/login") && !strings.HasPrefix(path, "/login") || js[bool](w, `!document.querySelector('main h1')`) {
		w.Fatalf("is not the page, but %s", got)
	}
	w.sound(1440, axe, `{resultTypes: ['violations']}`)
	size(390)
	js[bool](w, `document.documentElement.dataset.theme = 'dark', true`)
	w.sound(390, "", `{resultTypes: ['violations'], runOnly: ['color-contrast', 'target-size', 'scrollable-region-focusable']}`)
}

// sound checks the page that is open at this width.
func (w *walk) sound(width int, axe, rules string) {
	if by := js[int](w, `document.documentElement.scrollWidth - innerWidth`); by > 0 {
		w.Errorf("at %d it scrolls sideways by %d px", width, by)
	}
	if tables := js[[]string](w, `[...document.querySelectorAll('.scroll > .table')].map((e) => e.parentElement).filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => (e.getAttribute('aria-label') || '') + ' by ' + (e.scrollWidth - e.clientWidth))`); len(tables) > 0 {
		w.Errorf("at %d tables scroll sideways: %q", width, tables)
	}
	for _, found := range js[[]string](w, browsertest.Overlaps) {
		w.Errorf("at %d: %s", width, found)
	}
	report, err := chromedp.Run(w.tab, chromedp.Evaluate[string](axe+`;new Promise((r) => setTimeout(r, 150)).then(() => axe.run(document, `+rules+`)).then((r) => JSON.stringify(r.violations))`, chromedp.EvalAwaitPromise))
	if err != nil {
		w.Fatal(err)
	}
	var violations []struct {
		ID    string
		Nodes []struct {
			HTML           string `json:"html"`
			FailureSummary string `json:"failureSummary"`
		}
	}
	if err := json.Unmarshal([]byte(report), &violations); err != nil {
		w.Fatal(err)
	}
	for _, v := range violations {
		for _, n := range v.Nodes[:min(3, len(v.Nodes))] {
			w.Error(fmt.Sprintf("at %d %s: %s\n%s", width, v.ID, n.HTML, n.FailureSummary))
		}
	}
}
