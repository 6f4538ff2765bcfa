package static

import (
	"strings"
	"testing"
)

func TestSizes(t *testing.T) {
	if err := Ready(); err != nil {
		t.Fatal(err)
	}
	size := func(name string) File {
		f, ok := Find(strings.TrimPrefix(Asset(name), Prefix))
		if !ok {
			t.Fatalf("no %s", name)
		}
		return f
	}
	css, js := size("assay.css"), size("assay.js")
	fonts := len(size("geist.woff2").Body) + len(size("geist-mono.woff2").Body)
	t.Logf("style sheet %d, %d compressed; script %d, %d compressed; fonts %d; sprite %d", len(css.Body), len(css.brotli), len(js.Body), len(js.brotli), fonts, len(Sprite()))
	for _, c := range []struct {
		what    string
		is, may int
	}{
		{"the style sheet", len(css.Body), 25_000},
		{"the style sheet, compressed", len(css.gzip), 7_000},
		{"the script, compressed", len(js.gzip), 30_000},
		{"the fonts", fonts, 80_000},
		{"the sprite", len(Sprite()), 14_000},
	} {
		if c.is > c.may {
			t.Errorf("%s has %d bytes, at most %d", c.what, c.is, c.may)
		}
	}
}
