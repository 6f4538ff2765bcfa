package engine

import (
	"bytes"
	_ "embed"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"text/template"
)

// Database is the product's own. The engine's default database is an overlay
// over the file system and out of reach.
const Database = "assay"

// User is the name every client signs in with.
const User = "assay"

// The roles of a request; users.xml says what each may do.
const (
	roleReader = "reader"
	roleWriter = "writer"
)

//go:embed config.xml
var configXML string

//go:embed users.xml
var usersXML string

// folder is where one engine lives. Everything it writes is under it.
type folder string

func (f folder) data() string   { return filepath.Join(string(f), "data") }
func (f folder) lock() string   { return filepath.Join(string(f), "lock") }
func (f folder) config() string { return filepath.Join(string(f), "config", "config.xml") }
func (f folder) users() string  { return filepath.Join(string(f), "config", "users.xml") }

// prepare makes the folder and writes the engine's configuration anew, so that
// a program always runs with the rights it was built with.
func (f folder) prepare(memory int64) error {
	for _, dir := range []string{f.data(), filepath.Dir(f.config()), f.scratch(), f.empty()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("prepare the ClickHouse folder: %w", err)
		}
	}
	values := map[string]any{
		"Users": f.users(), "Scratch": f.scratch() + "/", "Empty": f.empty() + "/",
		"Database": Database, "Memory": memory, "QueryMemory": memory / 2,
		"SystemTables": systemTables, "Engines": engines, "Fixed": fixedSettings,
	}
	for path, text := range map[string]string{f.config(): configXML, f.users(): usersXML} {
		written, err := fill(text, values)
		if err != nil {
			return err
		}
		if err := os.WriteFile(path, written, 0o600); err != nil {
			return fmt.Errorf("write the ClickHouse configuration: %w", err)
		}
	}
	return nil
}

// scratch holds what a query spills; empty is what settings that name files
// are pointed at.
func (f folder) scratch() string { return filepath.Join(string(f), "scratch") }
func (f folder) empty() string   { return filepath.Join(string(f), "empty") }

// fill puts values into an XML template, escaped as XML text.
func fill(text string, values map[string]any) ([]byte, error) {
	escape := func(v any) (string, error) {
		var b bytes.Buffer
		err := xml.EscapeText(&b, []byte(fmt.Sprint(v)))
		return b.String(), err
	}
	t, err := template.New("").Funcs(template.FuncMap{"xml": escape}).Parse(text)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, values); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
