package web

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/a-h/templ"
	"github.com/google/uuid"

	"assay/labeling"
	"assay/web/ui"
)

// Verdict is what a validator said of a response, as its evidence is drawn.
type Verdict struct {
	Validator string
	Version   string
	Verdict   string // pass, fail, inconclusive
	Reason    string // machine word
	Message   string
	Evidence  json.RawMessage
}

// verdictsOf asks for the verdicts of an item's response; none where the
// queue hides them until the label is given.
func (s *site) verdictsOf(ctx context.Context, item labeling.Item) ([]Verdict, error) {
	if s.Verdicts == nil || item.Queue.VerdictHidden && item.Mine == nil {
		return nil, nil
	}
	return s.Verdicts(ctx, item.EventID)
}

// artifactOf is an artifact of an event, as far as a page draws it.
type artifactOf struct {
	Kind     string         `json:"kind"`
	Formula  string         `json:"formula"`
	Cell     string         `json:"cell"`
	Cells    map[string]any `json:"cells"`
	Locale   string         `json:"locale"`
	SQL      string         `json:"sql"`
	Dialect  string         `json:"dialect"`
	Schema   string         `json:"schema"`
	Database string         `json:"database"`
	Code     string         `json:"code"`
	Language string         `json:"language"`
}

// formulaEvidence is what the formula validator shows.
type formulaEvidence struct {
	Value    any             `json:"value"`
	Expected json.RawMessage `json:"expected"`
	Trace    []struct {
		Ref     string `json:"ref"`
		Value   any    `json:"value"`
		Counted *bool  `json:"counted"`
	} `json:"trace"`
	Findings []evidenceFinding `json:"findings"`
}

type evidenceFinding struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
	Start   int    `json:"start"`
	End     int    `json:"end"`
}

// buildArtifact draws what was checked with what the check found, false when
// the response has none.
func buildArtifact(item labeling.Item, verdicts []Verdict) (ui.Artifact, bool) {
	var a artifactOf
	if len(item.Snapshot.Artifact) == 0 || json.Unmarshal(item.Snapshot.Artifact, &a) != nil {
		return ui.Artifact{}, false
	}
	block := ui.Artifact{ID: "artifact"}
	switch a.Kind {
	case "formula":
		block.Kind, block.Icon = "Formula", ui.IconSigma
		block.Where = joined(a.Cell, cmp.Or(a.Locale, "en-US"))
		block.Source = ui.Code{Text: a.Formula, Tokens: ui.Tokens("formula", a.Formula)}
	case "sql":
		block.Kind, block.Icon = "SQL", ui.IconDatabase
		block.Where = joined(a.Dialect, a.Database)
		block.Source = ui.Code{Text: a.SQL, Tokens: ui.Tokens("sql", a.SQL)}
		if a.Schema != "" {
			block.Evidence = append(block.Evidence, schemaEvidence(a.Schema)...)
		}
	case "code":
		block.Kind, block.Icon, block.Where = "Code", ui.IconCode, a.Language
		block.Source = ui.Code{Text: a.Code, Tokens: ui.Tokens(cmp.Or(a.Language, "code"), a.Code)}
	case "text":
		// The response itself is read above; here stands what was looked for.
		block.Kind, block.Icon, block.Where = "Claims", ui.IconBook, "looked for in the context"
	case "tools":
		block.Kind, block.Icon, block.Where = "Tools", ui.IconBook, "the last steps"
	default:
		return ui.Artifact{}, false
	}
	concealed := item.Queue.VerdictHidden && item.Mine == nil
	verdict, found := verdictFor(a.Kind, verdicts)
	block.Concealed = concealed
	if found && !concealed {
		verdictOn(&block, a, verdict)
		switch a.Kind {
		case "sql":
			block.Evidence = append(resultTables(verdict.Evidence), block.Evidence...)
		case "text":
			block.Evidence = append(claimsLookedFor(verdict.Evidence), block.Evidence...)
		case "code":
			block.Evidence = append(outputs(verdict.Evidence), block.Evidence...)
		}
	}
	if a.Kind == "formula" && len(a.Cells) > 0 {
		var evidence formulaEvidence
		if found && !concealed {
			_ = json.Unmarshal(verdict.Evidence, &evidence) // evidence of another shape shows the cells alone
		}
		block.Evidence = append(block.Evidence, cellGrid(a, evidence))
	}
	return block, true
}

// verdictFor picks the verdict of the artifact's own kind, else the gravest.
func verdictFor(kind string, verdicts []Verdict) (Verdict, bool) {
	if len(verdicts) == 0 {
		return Verdict{}, false
	}
	sorted := slices.Clone(verdicts)
	rank := func(v Verdict) int {
		order := map[string]int{"fail": 1, "inconclusive": 2, "pass": 3}
		if v.Validator == kind {
			return order[v.Verdict] - 10
		}
		return order[v.Verdict]
	}
	slices.SortStableFunc(sorted, func(a, b Verdict) int { return cmp.Compare(rank(a), rank(b)) })
	return sorted[0], true
}

// verdictOn writes the verdict into the head and its findings beside the
// evidence, trouble first.
func verdictOn(block *ui.Artifact, a artifactOf, v Verdict) {
	block.Verdict, block.Reason, block.Version = v.Verdict, strings.ReplaceAll(v.Reason, "_", " "), strings.TrimSpace(v.Validator+" "+v.Version)
	var evidence struct {
		Findings []evidenceFinding `json:"findings"`
	}
	_ = json.Unmarshal(v.Evidence, &evidence) // findings of another shape leave the message
	if v.Message != "" {
		block.Findings = append(block.Findings, ui.Finding{Mark: ui.MarkOf(v.Verdict), Bold: v.Message})
	}
	for _, f := range evidence.Findings {
		if f.Message == "" || f.Message == v.Message {
			continue
		}
		mark := ui.MarkOf(v.Verdict)
		if f.Kind == "note" || f.Kind == "pass" {
			mark = ui.MarkPass
		}
		block.Findings = append(block.Findings, ui.Finding{Mark: mark, Text: f.Message})
		if source := len(block.Source.Text); f.Start >= 0 && f.End > f.Start && f.End <= source && v.Verdict == "fail" {
			block.Source.Marks = append(block.Source.Marks, ui.CodeMark{Start: f.Start, End: f.End, Tone: ui.Bad})
		}
	}
}

const gridCells = 400

// cellGrid lays the sheet's cells out as rows and columns, the counted ones
// washed. A reference that is none, or too many cells, are listed instead.
func cellGrid(a artifactOf, evidence formulaEvidence) templ.Component {
	counted := map[string]bool{}
	for _, read := range evidence.Trace {
		counted[plainRef(read.Ref)] = read.Counted == nil || *read.Counted
	}
	var columns []string
	rows := map[int]map[string]any{}
	for ref, value := range a.Cells {
		sheet, column, row, ok := splitRef(ref)
		if !ok || sheet != "" || len(a.Cells) > gridCells {
			return cellList(a, counted)
		}
		if !slices.Contains(columns, column) {
			columns = append(columns, column)
		}
		if rows[row] == nil {
			rows[row] = map[string]any{}
		}
		rows[row][column] = value
	}
	slices.SortFunc(columns, func(x, y string) int { return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y)) })
	grid := ui.Grid{Named: true, Columns: columns}
	dated := dateColumns(a.Formula, columns, rows)
	for _, row := range sortedKeys(rows) {
		line := ui.GridRow{Name: strconv.Itoa(row)}
		for _, column := range columns {
			value, there := rows[row][column]
			cell := ui.Cell{Counted: counted[column+strconv.Itoa(row)]}
			if there {
				cell.Text, cell.Number = cellText(value)
				cell.Before = dateOf(value, dated[column])
			}
			line.Cells = append(line.Cells, cell)
		}
		grid.Rows = append(grid.Rows, line)
	}
	var notes []string
	if len(evidence.Trace) > 0 {
		notes = append(notes, "Counted cells are marked.")
	}
	if len(dated) > 0 {
		notes = append(notes, "Dates stand before their serial numbers.")
	}
	grid.Caption = strings.Join(notes, " ")
	return grid
}

// A sheet sends a date as its serial number, days since the end of 1899, and
// nothing says that it is one. Between these lie the days of 2000 to 2050.
const firstDay, lastDay = 36_526, 55_153

var (
	dateFunction = regexp.MustCompile(`(?i)\b(DATE|TODAY|NOW|DATEVALUE|EDATE|EOMONTH|YEAR|MONTH|DAY|WEEKDAY|WEEKNUM|ISOWEEKNUM|DATEDIF|DAYS|NETWORKDAYS|WORKDAY)\(`)
	dateWord     = regexp.MustCompile(`(?i)\b(date|day|due|shipped|ordered|placed|paid on|deadline|since|until)\b`)
)

// dateColumns are the columns whose numbers read as days: all whole, all from
// 2000 to 2050, below a head that speaks of dates or beside a formula that does.
func dateColumns(formula string, columns []string, rows map[int]map[string]any) map[string]bool {
	dated := map[string]bool{}
	for _, column := range columns {
		says, days := dateFunction.MatchString(formula), 0
		for _, row := range rows {
			text, number := cellText(row[column])
			if !number {
				says = says || dateWord.MatchString(text)
				continue
			}
			if day, err := strconv.Atoi(text); err != nil || day < firstDay || day > lastDay {
				days = -len(rows)
			}
			days++
		}
		if says && days > 0 {
			dated[column] = true
		}
	}
	return dated
}

// dateOf writes the day of a serial number; nothing for what is none.
func dateOf(value any, dated bool) string {
	text, number := cellText(value)
	day, err := strconv.Atoi(text)
	if !dated || !number || err != nil {
		return ""
	}
	return time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC).AddDate(0, 0, day).Format(time.DateOnly)
}

func cellList(a artifactOf, counted map[string]bool) ui.Grid {
	grid := ui.Grid{Columns: []string{"cell", "value"}}
	refs := sortedKeys(a.Cells)
	for _, ref := range refs[:min(len(refs), gridCells)] {
		text, number := cellText(a.Cells[ref])
		grid.Rows = append(grid.Rows, ui.GridRow{Cells: []ui.Cell{{Text: ref}, {Text: text, Number: number, Counted: counted[plainRef(ref)]}}})
	}
	return grid
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// plainRef drops the dollar signs and the sheet of a reference.
func plainRef(ref string) string {
	if at := strings.LastIndex(ref, "!"); at >= 0 {
		ref = ref[at+1:]
	}
	return strings.ToUpper(strings.ReplaceAll(ref, "$", ""))
}

// splitRef reads "Sheet2!C3" as sheet, column and row.
func splitRef(ref string) (sheet, column string, row int, ok bool) {
	if at := strings.LastIndex(ref, "!"); at >= 0 {
		sheet, ref = ref[:at], ref[at+1:]
	}
	ref = strings.ToUpper(strings.ReplaceAll(ref, "$", ""))
	at := strings.IndexFunc(ref, unicode.IsDigit)
	if at < 1 || at > 3 {
		return "", "", 0, false
	}
	row, err := strconv.Atoi(ref[at:])
	return sheet, ref[:at], row, err == nil && row > 0
}

// cellText writes a cell's value: numbers as they were sent, formulas as
// formulas.
func cellText(value any) (text string, number bool) {
	switch v := value.(type) {
	case nil:
		return "", false
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case string:
		return v, false
	case bool:
		return strings.ToUpper(strconv.FormatBool(v)), false
	case map[string]any:
		if held, ok := v["v"]; ok {
			return cellText(held)
		}
		return cellText(v["f"])
	}
	return fmt.Sprint(value), false
}

func joined(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), ", ")
}

// VerdictsOf is how the pages learn of verdicts.
type VerdictsOf func(ctx context.Context, event uuid.UUID) ([]Verdict, error)
