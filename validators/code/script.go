package code

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tdewolff/parse/v2"
	"github.com/tdewolff/parse/v2/js"

	"assay/validators/nearest"
)

// elsewhere are globals of browsers and of Node that a sandbox does not have.
var elsewhere = []string{"window", "document", "navigator", "location", "history", "localStorage", "sessionStorage", "fetch", "XMLHttpRequest", "WebSocket",
	"process", "Buffer", "__dirname", "__filename", "alert", "confirm", "prompt", "performance", "crypto", "URL", "URLSearchParams", "TextEncoder", "TextDecoder",
	"AbortController", "AbortSignal", "Event", "EventTarget", "Blob", "File", "FormData", "Headers", "Request", "Response", "requestAnimationFrame", "cancelAnimationFrame",
	"HTMLElement", "Element", "Node", "customElements", "Worker", "MessageChannel", "BroadcastChannel", "Intl", "WebAssembly", "SharedArrayBuffer", "Deno", "Bun",
	"$", "jQuery", "React", "Vue", "describe", "it", "test", "expect", "beforeEach", "afterEach", "beforeAll", "afterAll", "define", "self", "readline", "arguments", "undefined"}

// lookAtScript finds names that nothing defines, and members that the
// language's own objects do not have. The engine says what there is, before it
// has seen the code; a source that the parser does not read has no findings.
func lookAtScript(ctx context.Context, in *interpreter, source string) ([]Finding, error) {
	tree, err := js.Parse(parse.NewInputString(source), js.Options{})
	if err != nil {
		return nil, nil
	}
	said, err := in.do(ctx, "globals", "")
	if err != nil {
		return nil, err
	}
	var globals []string
	if err := json.Unmarshal([]byte(said), &globals); err != nil {
		return nil, err
	}
	var found []Finding
	for _, v := range tree.BlockStmt.Scope.Undeclared {
		name := string(v.Name())
		if slices.Contains(globals, name) || slices.Contains(elsewhere, name) || assigned(source, name) {
			continue
		}
		near := nearest.Name(name, append(declared(tree), globals...))
		found = append(found, Finding{Kind: "undefined_name", Name: name, Line: lineWith(source, name), Nearest: near, Message: "Nothing defines " + name + "." + saidNearest(near)})
	}
	members, err := inventedMembers(ctx, in, tree, source)
	return append(members, found...), err
}

func saidNearest(name string) string {
	if name == "" {
		return ""
	}
	return " The nearest that exists is " + name + "."
}

// assigned reports whether a script makes a global by assigning to it.
func assigned(source, name string) bool {
	for rest := source; ; {
		i := strings.Index(rest, name)
		if i < 0 {
			return false
		}
		after := strings.TrimLeft(rest[i+len(name):], " \t")
		if strings.HasPrefix(after, "=") && !strings.HasPrefix(after, "==") && !strings.HasPrefix(after, "=>") {
			return true
		}
		rest = rest[i+len(name):]
	}
}

// declared are the names that the top of a script declares.
func declared(tree *js.AST) []string {
	var names []string
	for _, v := range tree.BlockStmt.Scope.Declared {
		names = append(names, string(v.Name()))
	}
	return names
}

// ours are the objects whose members the language fixes.
var ours = []string{"Math", "JSON", "Object", "Array", "Number", "String", "Promise", "Reflect", "Date", "Symbol", "BigInt", "Atomics", "Map"}

// members collects the members of the language's own objects that a source
// uses.
type members struct {
	used [][2]string
	own  map[string]bool // names the source declares itself
}

func (m *members) Enter(n js.INode) js.IVisitor {
	dot, ok := n.(*js.DotExpr)
	if !ok {
		return m
	}
	if v, ok := dot.X.(*js.Var); ok && slices.Contains(ours, string(v.Name())) && !m.own[string(v.Name())] {
		if name, ok := dot.Y.(js.LiteralExpr); ok {
			m.used = append(m.used, [2]string{string(v.Name()), string(name.Data)})
		}
	}
	return m
}

func (m *members) Exit(js.INode) {}

// memberAnswer says whether an object has a member, and what it has instead.
type memberAnswer struct {
	There bool     `json:"there"`
	Names []string `json:"names"`
}

func inventedMembers(ctx context.Context, in *interpreter, tree *js.AST, source string) ([]Finding, error) {
	m := &members{own: map[string]bool{}}
	for _, name := range declared(tree) {
		m.own[name] = true
	}
	js.Walk(m, tree)
	if len(m.used) == 0 {
		return nil, nil
	}
	asked, err := json.Marshal(m.used)
	if err != nil {
		return nil, err
	}
	said, err := in.do(ctx, "exists", string(asked))
	if err != nil {
		return nil, err
	}
	var answers []memberAnswer
	if err := json.Unmarshal([]byte(said), &answers); err != nil || len(answers) != len(m.used) {
		return nil, fmt.Errorf("the engine's answer makes no sense: %w", errors.Join(err))
	}
	var found []Finding
	for i, a := range answers {
		object, member := m.used[i][0], m.used[i][1]
		if a.There || assigned(source, object+"."+member) {
			continue
		}
		near := nearest.Name(member, a.Names)
		if near != "" {
			near = object + "." + near
		}
		name := object + "." + member
		found = append(found, Finding{Kind: "invented_name", Name: name, Line: lineWith(source, name), Nearest: near, Message: "JavaScript has no " + name + "." + saidNearest(near)})
	}
	return found, nil
}

// lineWith is the first line that has a word, from 1; 0 is none.
func lineWith(source, word string) int {
	i := strings.Index(source, word)
	if i < 0 {
		return 0
	}
	return 1 + bytes.Count([]byte(source[:i]), []byte("\n"))
}
