package ui_test

import (
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// colour is one of the style sheet's tokens in both themes.
type colour struct{ light, dark [3]float64 }

var token = regexp.MustCompile(`--([a-z0-9-]+): light-dark\((#[0-9a-f]{3,6}), (#[0-9a-f]{3,6})\);`)

func colours(t *testing.T) map[string]colour {
	t.Helper()
	css, err := os.ReadFile("../../static/assay.css")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]colour{}
	for _, m := range token.FindAllStringSubmatch(string(css), -1) {
		all[m[1]] = colour{rgb(t, m[2]), rgb(t, m[3])}
	}
	return all
}

func rgb(t *testing.T, hex string) (c [3]float64) {
	t.Helper()
	hex = strings.TrimPrefix(hex, "#")
	if len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	for i := range c {
		v, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c[i] = float64(v) / 255
	}
	return c
}

// luminance and contrast as WCAG 2.2 defines them.
func luminance(c [3]float64) float64 {
	for i, v := range c {
		if v <= 0.04045 {
			c[i] = v / 12.92
		} else {
			c[i] = math.Pow((v+0.055)/1.055, 2.4)
		}
	}
	return 0.2126*c[0] + 0.7152*c[1] + 0.0722*c[2]
}

func contrast(a, b [3]float64) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func TestContrastOfAKnownPair(t *testing.T) {
	if got := contrast([3]float64{0, 0, 0}, [3]float64{1, 1, 1}); math.Abs(got-21) > 1e-9 {
		t.Errorf("black on white is %v, want 21", got)
	}
	if got := contrast(rgb(t, "#777777"), rgb(t, "#ffffff")); math.Abs(got-4.478) > 0.001 {
		t.Errorf("#777 on white is %.3f, want 4.478", got)
	}
}

func TestContrast(t *testing.T) {
	all := colours(t)
	if len(all) < 24 {
		t.Fatalf("the style sheet has %d tokens of colour", len(all))
	}
	grounds := []string{"surface", "canvas", "sunken"}
	type pair struct {
		ink     string
		grounds []string
		least   float64
	}
	pairs := []pair{
		{"accent-ink", []string{"accent"}, 4.5},
		{"canvas", []string{"ink"}, 4.5}, // toast
		{"edge", grounds, 3},
		{"accent", append([]string{"accent-wash", "raised"}, grounds...), 4.5},
		{"ink-3", append([]string{"accent-wash", "bad-wash", "raised"}, grounds...), 4.5},
		{"number", []string{"sunken", "surface", "bad-wash"}, 4.5},
		{"reference", []string{"sunken", "surface", "bad-wash"}, 4.5},
		{"accent", []string{"bad-wash"}, 4.5}, // a function in a failing part
		{"ok", []string{"bad-wash"}, 4.5},     // a string in a failing part
	}
	for _, ink := range []string{"ink", "ink-2"} {
		pairs = append(pairs, pair{ink, append([]string{"accent-wash", "ok-wash", "mid-wash", "bad-wash", "na-wash", "raised"}, grounds...), 4.5})
	}
	for _, ink := range []string{"ok", "mid", "bad", "na"} {
		pairs = append(pairs, pair{ink, append([]string{ink + "-wash"}, grounds...), 4.5})
	}
	seen := 0
	for _, p := range pairs {
		for _, ground := range p.grounds {
			a, ok1 := all[p.ink]
			b, ok2 := all[ground]
			if !ok1 || !ok2 {
				t.Fatalf("the style sheet lacks %s or %s", p.ink, ground)
			}
			for theme, got := range map[string]float64{"light": contrast(a.light, b.light), "dark": contrast(a.dark, b.dark)} {
				seen++
				if got < p.least {
					t.Errorf("%s on %s, %s: %.2f, at least %.1f", p.ink, ground, theme, got, p.least)
				}
			}
		}
	}
	t.Logf("%d pairs", seen)
}

var (
	opening   = regexp.MustCompile(`<([a-z0-9]+)((?:\s[^<>]*?)?)/?>`)
	attribute = regexp.MustCompile(`([a-zA-Z:-]+)(?:="([^"]*)")?`)
)

func attributes(tag string) map[string]string {
	all := map[string]string{}
	for _, m := range attribute.FindAllStringSubmatch(tag, -1) {
		all[m[1]] = m[2]
	}
	return all
}

func TestMarkupOfEveryPage(t *testing.T) {
	for name, shell := range gallery {
		html := render(t, shell)
		t.Run(name, func(t *testing.T) {
			if len(html) > 60_000 {
				t.Errorf("has %d bytes", len(html))
			}
			if strings.Contains(html, "javascript:") || regexp.MustCompile(`(?:href|src|action)="(?:https?:)?//`).MatchString(html) {
				t.Error("leads off the origin")
			}
			ids := map[string]bool{}
			for _, m := range opening.FindAllStringSubmatch(html, -1) {
				all := attributes(m[2])
				if _, styled := all["style"]; styled || m[1] == "style" {
					t.Errorf("has a style: %s", m[0])
				}
				for key := range all {
					if strings.HasPrefix(key, "on") {
						t.Errorf("has a handler: %s", m[0])
					}
				}
				if m[1] == "script" && all["src"] == "" && all["nonce"] == "" {
					t.Errorf("has a script of its own: %s", m[0])
				}
				if id := all["id"]; id != "" {
					if ids[id] {
						t.Errorf("has two of id %q", id)
					}
					ids[id] = true
				}
				if key, has := all["data-key"]; has && key != "" && m[1] != "a" && m[1] != "button" && m[1] != "input" && m[1] != "textarea" {
					t.Errorf("gives key %q to what nobody can press: %s", key, m[0])
				}
			}
			for _, m := range regexp.MustCompile(`hx-target="#([^"]+)"`).FindAllStringSubmatch(html, -1) {
				if !ids[m[1]] {
					t.Logf("region %q is not on this page of the gallery", m[1])
				}
			}
		})
	}
}

// Every key of the labeling page is a control on it, shows itself, and no key
// is there twice.
func TestEveryKeyHasAButton(t *testing.T) {
	html := render(t, gallery["label"])
	keys := map[string]int{}
	for _, m := range opening.FindAllStringSubmatch(html, -1) {
		all := attributes(m[2])
		if key := all["data-key"]; key != "" && all["type"] != "hidden" {
			keys[key]++
		}
	}
	for _, want := range strings.Fields("1 2 3 4 5 6 7 8 9 0 Enter m c n i s l z e Shift+E v Shift+V ?") {
		if keys[want] == 0 {
			t.Errorf("no control for key %s", want)
		}
	}
	for _, want := range []string{"g q", "g s", "g r", "g i", "g h", "Ctrl+k"} {
		if keys[want] != 1 {
			t.Errorf("%d controls for %s", keys[want], want)
		}
	}
}

func TestFontsHaveEveryLetterWeWrite(t *testing.T) {
	build, err := os.ReadFile("../../static/build.mjs")
	if err != nil {
		t.Fatal(err)
	}
	extra := regexp.MustCompile(`return text \+ '([^']+)'`).FindStringSubmatch(string(build))[1]
	for name, shell := range gallery {
		for _, r := range render(t, shell) {
			latin := r == '\n' || r == '\t' || r >= 0x20 && r <= 0x7e || r >= 0xa0 && r <= 0x17f
			if !latin && !strings.ContainsRune(extra, r) {
				t.Errorf("%s writes %q (%U), which the fonts lack", name, r, r)
			}
		}
	}
}
