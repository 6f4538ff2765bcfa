package static

import (
	"bytes"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
)

// A page loads one script, to keep the first view at five requests. Our
// modules are small files that import each other by name; they share one
// scope here, each after what it imports, htmx before all. Top-level names
// are therefore unique across modules, which the browser itself refuses to
// run otherwise.

var (
	importLine = regexp.MustCompile(`(?m)^import (?:[^\n]*? from )?'\./([a-z]+\.js)'\n`)
	exportWord = regexp.MustCompile(`(?m)^export `)
	remark     = regexp.MustCompile(`(?m)^\s*//[^\n]*\n`)
)

const entry = "assay.js"

func script() []byte {
	var out bytes.Buffer
	if htmx, err := source.ReadFile("third_party/htmx.js"); err == nil {
		out.Write(htmx)
		out.WriteString("\nglobalThis.htmx = htmx\n")
	}
	for _, name := range modules() {
		body := read(name)
		body = importLine.ReplaceAll(body, nil)
		body = exportWord.ReplaceAll(body, nil)
		body = remark.ReplaceAll(body, nil)
		fmt.Fprintf(&out, "// %s\n%s\n", name, bytes.TrimSpace(body))
	}
	return out.Bytes()
}

// modules orders the files so that each comes after those it imports.
func modules() []string {
	var order []string
	var visit func(name string, from []string)
	visit = func(name string, from []string) {
		if slices.Contains(from, name) {
			panic("static: modules import each other in a circle: " + strings.Join(append(from, name), " "))
		}
		if slices.Contains(order, name) {
			return
		}
		for _, match := range importLine.FindAllSubmatch(read(name), -1) {
			visit(string(match[1]), append(from, name))
		}
		order = append(order, name)
	}
	visit(entry, nil)
	return order
}

// unused lists modules that nothing imports.
func unused() []string {
	all, _ := fs.Glob(source, "*.js")
	used := modules()
	return slices.DeleteFunc(all, func(name string) bool { return slices.Contains(used, name) })
}
