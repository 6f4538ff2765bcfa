// Package static holds what a browser loads: one style sheet, one script, two
// fonts and the sprite. The style sheet and the script are ours and lie here;
// the fonts, the icons and htmx are built by build.mjs from the lock file's
// packages into third_party, which is embedded but never committed.
//
// Every file has an address that carries the hash of its content, so a
// browser may keep it for ever; bodies are compressed once, when first asked for.
package static

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
)

//go:embed *.css *.js *.svg all:third_party
var source embed.FS

// Prefix is where the files are served.
const Prefix = "/static/"

// File is one file as it is served.
type File struct {
	Name string // "assay.css"
	Path string // "assay.1a2b3c4d5e.css", what follows Prefix
	Type string // content type
	Body []byte
	Hash string // of Body, hexadecimal

	packed func() packed // compressed once, when first asked for
}

type packed struct{ gzip, brotli []byte }

// Encoded chooses the smallest body that the client takes: acceptEncoding is
// the request's header; encoding is empty for the plain body.
func (f File) Encoded(acceptEncoding string) (body []byte, encoding string) {
	if f.packed == nil {
		return f.Body, ""
	}
	switch {
	case accepts(acceptEncoding, "br"):
		return f.packed().brotli, "br"
	case accepts(acceptEncoding, "gzip"):
		return f.packed().gzip, "gzip"
	}
	return f.Body, ""
}

func accepts(header, coding string) bool {
	for _, one := range strings.Split(header, ",") {
		name, parameters, _ := strings.Cut(strings.TrimSpace(one), ";")
		refused := strings.HasSuffix(strings.ReplaceAll(parameters, " ", ""), "q=0")
		if strings.EqualFold(strings.TrimSpace(name), coding) && !refused {
			return true
		}
	}
	return false
}

// Ready says whether the built parts are there. A program without them would
// serve pages without letters, so it refuses to start.
func Ready() error {
	for _, name := range built {
		if _, err := fs.Stat(source, "third_party/"+name); err != nil {
			return fmt.Errorf("static/third_party/%s is not built: run make assets, then build again: %w", name, err)
		}
	}
	return nil
}

var built = []string{"geist.woff2", "geist-mono.woff2", "icons.svg", "htmx.js", "licences.txt"}

// Asset gives the address of a file by its name: Asset("assay.css") is
// "/static/assay.1a2b3c4d5e.css". It panics for a name that is not there,
// which is a mistake of wiring.
func Asset(name string) string {
	f, ok := files().byName[name]
	if !ok {
		panic(errors.Join(fmt.Errorf("static has no file %q", name), Ready()))
	}
	return Prefix + f.Path
}

// Find gives the file at an address without Prefix, as "assay.1a2b3c4d5e.css".
func Find(path string) (File, bool) {
	f, ok := files().byPath[path]
	return f, ok
}

// Files lists everything that is served.
func Files() []File {
	var all []File
	for _, f := range files().byName {
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Sprite is the <svg> of symbols that every page carries: marks and icons.
func Sprite() string { return files().sprite }

type shelf struct {
	byName, byPath map[string]File
	sprite         string
}

// files builds the shelf once: the script is put together, the style sheet
// learns the addresses of the fonts.
var files = sync.OnceValue(func() shelf {
	s := shelf{byName: map[string]File{}, byPath: map[string]File{}}
	for _, name := range []string{"geist.woff2", "geist-mono.woff2", "licences.txt"} {
		if body, err := source.ReadFile("third_party/" + name); err == nil {
			s.put(name, body)
		}
	}
	s.put("icon.svg", read("icon.svg"))
	s.put("assay.css", s.withFonts(squeezed(read("assay.css"))))
	s.put("assay.js", script())
	s.sprite = sprite()
	return s
})

func (s shelf) put(name string, body []byte) {
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	extension := path.Ext(name)
	f := File{
		Name: name,
		Path: strings.TrimSuffix(name, extension) + "." + hash[:10] + extension,
		Type: types[extension],
		Body: body,
		Hash: hash,
	}
	if extension != ".woff2" {
		f.packed = sync.OnceValue(func() packed { return compressed(body) })
	}
	s.byName[name], s.byPath[f.Path] = f, f
}

var types = map[string]string{
	".css":   "text/css; charset=utf-8",
	".js":    "text/javascript; charset=utf-8",
	".svg":   "image/svg+xml",
	".txt":   "text/plain; charset=utf-8",
	".woff2": "font/woff2",
}

func compressed(body []byte) packed {
	var z, b bytes.Buffer
	zw, _ := gzip.NewWriterLevel(&z, gzip.BestCompression)
	bw := brotli.NewWriterLevel(&b, brotli.BestCompression)
	zw.Write(body)
	bw.Write(body)
	zw.Close()
	bw.Close()
	return packed{z.Bytes(), b.Bytes()}
}

// read gives a file of this folder, which the compiler has put there.
func read(name string) []byte {
	body, err := source.ReadFile(name)
	if err != nil {
		panic(err)
	}
	return body
}

var (
	cssRemark = regexp.MustCompile(`/\*[\s\S]*?\*/`)
	cssSpace  = regexp.MustCompile(`\s+`)
	cssTight  = regexp.MustCompile(`\s*([{};,/!]|[<>]=?)\s*`)
	cssColon  = regexp.MustCompile(`([{;][a-z0-9-]+): `)
	cssName   = regexp.MustCompile(`--[a-z][a-z0-9-]*`)
	cssNested = regexp.MustCompile(`([{};])& `)
)

// squeezed takes remarks and white space out of the style sheet and shortens
// its custom properties, which nothing else names. It knows the habits of our
// own file and is no parser: no string in it holds a brace.
func squeezed(css []byte) []byte {
	css = cssRemark.ReplaceAll(css, nil)
	css = cssSpace.ReplaceAll(css, []byte(" "))
	css = cssTight.ReplaceAll(css, []byte("$1"))
	for range 2 { // neighbours share a separator
		css = cssColon.ReplaceAll(css, []byte("$1:"))
	}
	css = cssNested.ReplaceAll(css, []byte("$1")) // a nested rule means its descendants anyway
	css = bytes.TrimSpace(bytes.ReplaceAll(css, []byte(";}"), []byte("}")))
	return shortNames(css)
}

// shortNames names the custom properties 0, 1, …, those first that are named
// most often.
func shortNames(css []byte) []byte {
	count := map[string]int{}
	for _, name := range cssName.FindAll(css, -1) {
		count[string(name)]++
	}
	names := slices.SortedFunc(maps.Keys(count), func(a, b string) int { return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b)) })
	short := map[string][]byte{}
	for i, name := range names {
		short[name] = []byte("--" + strconv.FormatInt(int64(i), 36))
	}
	return cssName.ReplaceAllFunc(css, func(name []byte) []byte { return short[string(name)] })
}

var fontAddress = regexp.MustCompile(`url\("([a-z-]+\.woff2)"\)`)

func (s shelf) withFonts(css []byte) []byte {
	return fontAddress.ReplaceAllFunc(css, func(match []byte) []byte {
		if f, ok := s.byName[string(fontAddress.FindSubmatch(match)[1])]; ok {
			return []byte(`url("` + Prefix + f.Path + `")`)
		}
		return match
	})
}

func sprite() string {
	icons, _ := source.ReadFile("third_party/icons.svg")
	marks := string(read("marks.svg"))
	marks = marks[strings.Index(marks, "<symbol"):strings.LastIndex(marks, "</svg>")]
	return `<svg xmlns="http://www.w3.org/2000/svg" class="sprite" width="0" height="0" aria-hidden="true">` +
		marks + string(icons) + `</svg>`
}
