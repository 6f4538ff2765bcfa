// Package house holds the rules of the house as tests: who may import whom,
// and what may not be written anywhere.
package house_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const root = "../.."

// may names, for each room, the rooms of ours it may import. The longest
// matching prefix of a package's path decides.
var may = map[string][]string{
	"cmd":                {"*"},
	"web":                {"eval", "labeling", "telemetry", "validators", "internal", "static", "web"},
	"web/ui":             {},
	"jobs":               {"eval", "labeling", "telemetry", "validators", "internal"},
	"eval":               {"labeling", "validators", "telemetry", "internal"},
	"labeling":           {"validators", "telemetry", "internal"},
	"validators":         {"validators", "internal"},
	"validators/sandbox": {"internal"},
	"telemetry":          {"internal"},
	"telemetry/client":   {"internal", "telemetry"},
	"internal":           {"internal", "migrations"},
	"migrations":         {},
	"static":             {},
}

func TestImportsPointUpstream(t *testing.T) {
	for _, file := range goFiles(t) {
		room := filepath.ToSlash(filepath.Dir(file))
		allowed, rule := permitted(room)
		if rule == "" {
			t.Errorf("%s: the room %q has no rule; give it one or move the file", file, room)
			continue
		}
		for _, path := range imports(t, file) {
			target, ours := strings.CutPrefix(path, "assay/")
			if !ours || slices.Contains(allowed, "*") {
				continue
			}
			if test := strings.HasSuffix(file, "_test.go"); test && testMay(rule, target) {
				continue
			}
			if !slices.ContainsFunc(allowed, func(room string) bool { return within(target, room) }) {
				t.Errorf("%s imports %s: %s may import %v", file, path, rule, allowed)
			}
		}
	}
}

// testMay lets a package's outside tests use the package itself and what it
// is wired with: the edges' tests drive a whole product.
func testMay(rule, target string) bool {
	if within(target, rule) || strings.HasPrefix(target, "internal/") {
		return true
	}
	switch rule {
	case "web", "jobs":
		return within(target, "jobs") || within(target, "web")
	case "web/ui":
		return within(target, "static") // drawn in a browser, with its real style sheet
	}
	return false
}

func permitted(room string) (allowed []string, rule string) {
	for name, rooms := range may {
		if within(room, name) && len(name) > len(rule) {
			allowed, rule = rooms, name
		}
	}
	return allowed, rule
}

func within(path, room string) bool { return path == room || strings.HasPrefix(path, room+"/") }

// TestOnlyCommandsReadTheEnvironment keeps settings in one place: a package
// that needs one takes it in its Config.
func TestOnlyCommandsReadTheEnvironment(t *testing.T) {
	for _, file := range goFiles(t) {
		if strings.HasPrefix(file, "cmd/") || strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range []string{"os." + "Getenv(", "os." + "LookupEnv("} {
			if strings.Contains(string(text), call) {
				t.Errorf("%s calls %s…): only cmd reads the environment", file, call)
			}
		}
	}
}

// TestNoFolderIsNamedForAKindOfFile keeps subjects as folders.
func TestNoFolderIsNamedForAKindOfFile(t *testing.T) {
	refused := []string{"util", "utils", "common", "helpers", "helper", "model", "models", "service", "services", "misc"}
	for _, file := range goFiles(t) {
		for part := range strings.SplitSeq(filepath.ToSlash(file), "/") {
			if slices.Contains(refused, strings.TrimSuffix(part, ".go")) {
				t.Errorf("%s: name it for its subject, not %q", file, part)
			}
		}
	}
}

// TestTheRepositoryNamesNoMachine refuses paths of a developer's machine and
// download addresses in lock files.
func TestTheRepositoryNamesNoMachine(t *testing.T) {
	lock, err := os.ReadFile(filepath.Join(root, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(lock), `"resolved"`) {
		t.Error("package-lock.json carries download addresses: omit-lockfile-registry-resolved=true")
	}
}

func goFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, _ := filepath.Rel(root, path)
		if entry.IsDir() {
			hidden := strings.HasPrefix(entry.Name(), ".") && relative != "."
			if hidden || slices.Contains([]string{"node_modules", "build", "testdata"}, entry.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(path, ".go") {
			files = append(files, filepath.ToSlash(relative))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 10 {
		t.Fatalf("found only %d Go files below %s", len(files), root)
	}
	return files
}

func imports(t *testing.T, file string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.ImportsOnly)
	if err != nil {
		t.Errorf("%s: %v", file, err)
		return nil
	}
	var paths []string
	for _, spec := range parsed.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}
