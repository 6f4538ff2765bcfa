package web

import (
	"regexp"
	"slices"
	"strings"

	"github.com/a-h/templ"

	"assay/web/ui"
)

// schemaTable is a table of a schema, as far as it takes to see whether a query
// names what is there.
type schemaTable struct {
	Name    string
	Columns []string
}

var tableHead = regexp.MustCompile("(?i)\\bCREATE\\s+(?:TEMP(?:ORARY)?\\s+)?TABLE\\s+(?:IF\\s+NOT\\s+EXISTS\\s+)?([\\w.\"`]+)\\s*\\(")

// schemaTables reads the CREATE TABLE statements of a schema. What it does not
// understand it leaves out; the whole text stands below in any case.
func schemaTables(schema string) []schemaTable {
	var tables []schemaTable
	for _, at := range tableHead.FindAllStringSubmatchIndex(schema, -1) {
		table := schemaTable{Name: strings.Trim(schema[at[2]:at[3]], "\"`")}
		for _, part := range clauses(schema[at[1]:]) {
			if name := columnName(part); name != "" {
				table.Columns = append(table.Columns, name)
			}
		}
		if len(table.Columns) > 0 {
			tables = append(tables, table)
		}
	}
	return tables
}

// clauses divides the inside of a parenthesis at its commas, up to where it is
// closed. Commas within further parentheses and within quotes divide nothing.
func clauses(inside string) []string {
	var parts []string
	depth, from, quote := 1, 0, rune(0)
	for i, r := range inside {
		switch {
		case quote != 0:
			if r == quote {
				quote = 0
			}
		case r == '\'' || r == '"' || r == '`':
			quote = r
		case r == '(':
			depth++
		case r == ')':
			if depth--; depth == 0 {
				return append(parts, inside[from:i])
			}
		case r == ',' && depth == 1:
			parts, from = append(parts, inside[from:i]), i+1
		}
	}
	return nil // never closed
}

var constraintWords = []string{"PRIMARY", "FOREIGN", "UNIQUE", "CHECK", "CONSTRAINT", "EXCLUDE", "KEY", "INDEX", "LIKE"}

// columnName is the first word of a column's definition; nothing for a
// constraint of the table.
func columnName(definition string) string {
	words := strings.Fields(strings.ReplaceAll(definition, "(", " "))
	if len(words) == 0 || slices.Contains(constraintWords, strings.ToUpper(words[0])) {
		return ""
	}
	return strings.Trim(words[0], "\"`[]")
}

// schemaEvidence shows which tables and columns there are at a glance, and the
// statements that made them, with their rows, when asked for.
func schemaEvidence(schema string) []templ.Component {
	text := cut(schema, sourceLength)
	whole := ui.Code{Text: text, Tokens: ui.Tokens("sql", text), Small: true, Well: true}
	tables := schemaTables(schema)
	if len(tables) == 0 {
		return []templ.Component{whole}
	}
	outline := ui.Grid{Caption: ui.CountOf(len(tables), "table") + " of the database, and the columns", Named: true}
	for _, table := range tables[:min(len(tables), rowsShown)] {
		outline.Rows = append(outline.Rows, ui.GridRow{Name: table.Name, Cells: []ui.Cell{{Text: strings.Join(table.Columns, ", ")}}})
	}
	return []templ.Component{outline, ui.Fold{Summary: "Schema and rows", Body: whole}}
}
