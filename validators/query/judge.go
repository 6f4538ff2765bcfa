package query

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"assay/validators/nearest"
)

// Limits that hold for every dialect.
const (
	MaxSQL    = 64 << 10 // bytes of the statement
	MaxRows   = 20_000   // of a result
	MaxResult = 16 << 20 // bytes of a result
)

// Job is one statement to check.
type Job struct {
	SQL    string `json:"sql"`
	Schema string `json:"schema"`
	// What is expected: a query, or rows. Neither: what can be known without.
	Gold      string          `json:"gold,omitempty"`
	Rows      json.RawMessage `json:"rows,omitempty"`
	Stated    bool            `json:"stated,omitempty"` // the rows are what the response claims
	Ordered   bool            `json:"ordered,omitempty"`
	Tolerance float64         `json:"tolerance,omitempty"`
	TakesMS   int64           `json:"takes_ms,omitempty"` // each query at most; 0 is the usual
	Portable  bool            `json:"portable,omitempty"` // the schema is written as every dialect reads it
	Describe  bool            `json:"describe,omitempty"` // only build the schema and list its tables
}

// Outcome is the verdict on one statement.
type Outcome struct {
	Verdict  string   `json:"verdict"`
	Reason   string   `json:"reason"`
	Message  string   `json:"message"`
	Evidence Evidence `json:"evidence"`
}

// Evidence is what a person needs to see for themselves: the two results side
// by side, and what was found.
type Evidence struct {
	Got      *Side     `json:"got,omitempty"`
	Want     *Side     `json:"want,omitempty"`
	Rows     int       `json:"rows"`               // of the result
	Expected int       `json:"expected,omitempty"` // rows that were expected
	Differ   int       `json:"differ,omitempty"`   // of them, those the result lacks
	Repaired string    `json:"repaired,omitempty"` // the statement with real names in place of invented ones
	Reads    []string  `json:"reads,omitempty"`    // tables
	Tables   Schema    `json:"tables,omitempty"`   // of a schema that was only to be described
	Findings []Finding `json:"findings"`
}

// The verdicts.
const (
	pass         = "pass"
	fail         = "fail"
	inconclusive = "inconclusive"
)

// Database is a throw-away copy of a schema in some engine.
type Database interface {
	// Tables is what there is to ask.
	Tables() Schema
	// Functions are names the engine has, for the nearest to an invented one.
	Functions() []string
	// Run runs one statement within its limits. Its error is a *Refusal when
	// the statement is to blame, or nobody; any other is a fault of ours.
	Run(ctx context.Context, sql string) (Answer, error)
	// Expect runs the expected query and finds out what of its order and of its
	// rows is an accident. Errors are as those of Run.
	Expect(ctx context.Context, gold string) (Expectation, error)
}

// Answer is what a statement returned.
type Answer struct {
	Result
	Reads  []string // tables, where the engine tells
	Random bool     // it used a function whose value is another each time
}

// Expectation is the result of an expected query with what in it counts.
type Expectation struct {
	Answer
	Ordered bool
	Ties    [][]int // groups of rows in any order among themselves; nil: all of the order counts
	Cuts    []Cut   // groups of which a LIMIT keeps any
	Other   *Result // another result the query has as well
	Unsure  bool    // whether its order and rows are fixed could not be found out
}

// Cut is a group of tied rows that a LIMIT cuts through: the rows at these
// places may be any of the candidates.
type Cut struct {
	At         []int
	Candidates [][]any
}

// Refusal is why a statement has no result. Its kind is a verdict's reason.
type Refusal struct {
	Kind  string
	Words string // the engine's, or a sentence's end
	Name  string // that does not exist
	Start int    // of the place in the statement, in bytes; 0 and 0 when it is not known
	End   int
	Part  Result // rows before too many came
}

func (r *Refusal) Error() string { return r.Kind + ": " + r.Words }

// The reasons that are no finding's kind.
const (
	ReasonNothing = "no_statement"
	ReasonNoQuery = "not_a_query"
	ReasonComplex = "too_complex"
	ReasonTime    = "timeout"
	ReasonMemory  = "memory_limit"
	ReasonLarge   = "too_large"
	ReasonRows    = "result_limit"
	ReasonEngine  = "engine_error"
	ReasonRefused = "statement_error"
	ReasonNotHere = "unsupported"
	ReasonSchema  = "invalid_schema"
)

// Invalid is the outcome of a job that never reached a database.
func Invalid(reason, message string) Outcome {
	return Outcome{Verdict: inconclusive, Reason: reason, Message: message, Evidence: Evidence{Findings: []Finding{}}}
}

// judge carries one job.
type judge struct {
	job    Job
	db     Database
	schema Schema
	out    Outcome
	want   Result
	gold   *Expectation // nil: rows were given, or nothing
	rows   bool         // rows were given
	rules  Rules
}

// Judge checks one statement on a database that was made for it. Its error is
// a fault of ours.
func Judge(ctx context.Context, db Database, job Job) (Outcome, error) {
	j := &judge{job: job, db: db, schema: db.Tables()}
	j.out.Evidence.Findings = []Finding{}
	if job.Describe {
		j.out.Evidence.Tables = j.schema
		return j.end(pass, "builds", "The schema builds."), nil
	}
	if len(job.SQL) > MaxSQL {
		return j.end(inconclusive, "too_long", "The statement has more than 64 KB."), nil
	}
	j.rules = Rules{Ordered: job.Ordered, Tolerance: job.Tolerance}
	if out, done, err := j.expect(ctx); done || err != nil {
		return out, err
	}
	answer, err := db.Run(ctx, job.SQL)
	j.out.Evidence.Reads, j.out.Evidence.Rows = answer.Reads, len(answer.Rows)
	j.out.Evidence.Expected = len(j.want.Rows)
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return j.refused(ctx, refusal)
	}
	if err != nil {
		return Outcome{}, err
	}
	return j.judge(answer), nil
}

func (j *judge) end(verdict, reason, message string) Outcome {
	j.out.Verdict, j.out.Reason, j.out.Message = verdict, reason, message
	return j.out
}

func (j *judge) find(f ...Finding) { j.out.Evidence.Findings = append(j.out.Evidence.Findings, f...) }

func (j *judge) expected() bool { return j.gold != nil || j.rows }

// expect finds out what the result should be.
func (j *judge) expect(ctx context.Context) (Outcome, bool, error) {
	if j.job.Gold != "" {
		return j.runGold(ctx)
	}
	if len(j.job.Rows) == 0 {
		return Outcome{}, false, nil
	}
	rows, err := ReadRows(j.job.Rows)
	if err == nil && slices.ContainsFunc(rows, func(row []any) bool { return len(row) != len(rows[0]) || len(row) == 0 }) {
		err = errors.New("they are not equally long")
	}
	if err != nil {
		return j.end(inconclusive, "invalid_input", "The expected rows make no sense: "+err.Error()+"."), true, nil
	}
	j.rows, j.want.Rows = true, rows
	if len(rows) > 0 {
		j.want.Columns = make([]string, len(rows[0]))
	}
	return Outcome{}, false, nil
}

func (j *judge) runGold(ctx context.Context) (Outcome, bool, error) {
	gold, err := j.db.Expect(ctx, j.job.Gold)
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return j.end(inconclusive, "expected_fails", "The expected query does not run here: "+refusal.Words+"."), true, nil
	}
	if err != nil {
		return Outcome{}, true, err
	}
	if gold.Random {
		return j.end(inconclusive, "expected_undetermined", "The expected query has another result each time."), true, nil
	}
	j.gold, j.want = &gold, gold.Result
	j.rules.Ordered, j.rules.Ties = gold.Ordered, gold.Ties
	return Outcome{}, false, nil
}

func (j *judge) judge(got Answer) Outcome {
	j.find(Findings(j.job.SQL, j.schema)...)
	side := Show(got.Result)
	j.out.Evidence.Got = &side
	if !j.expected() {
		return j.unexpected(got)
	}
	out := j.compared(got.Result)
	if got.Random && out.Verdict == fail {
		return j.end(inconclusive, "volatile_function", "The statement has another result each time.")
	}
	return out
}

func (j *judge) unexpected(got Answer) Outcome {
	if len(j.schema) == 0 && len(got.Reads) > 0 {
		return j.end(inconclusive, "needs_schema", "Nothing was given that says which tables there are.")
	}
	return j.end(pass, "runs", fmt.Sprintf("The statement runs and returns %s. There was no expected result to hold it against.", rowCount(len(got.Rows))))
}

// compared holds the result against the expected one.
func (j *judge) compared(got Result) Outcome {
	j.nameColumns(got)
	r, tied, cut := j.compare(got)
	left, right := Beside(got, j.want, r, j.rules)
	j.out.Evidence.Got, j.out.Evidence.Want, j.out.Evidence.Differ = &left, &right, r.Differ
	if !r.Equal && r.Kind != "" {
		j.find(Finding{Kind: r.Kind, Message: upper(r.Why) + "."})
	}
	expected := "the expected one"
	if j.job.Stated {
		expected = "what the response states"
	}
	switch {
	case len(got.Rows)+len(j.want.Rows) == 0 && !j.rows:
		return j.end(inconclusive, "both_empty", "Both results are empty on this data, as those of many wrong queries would be.")
	case r.Equal && cut:
		return j.end(inconclusive, "tied_rows", "The expected query keeps any of several tied rows. The result keeps another of them, which may be as right.")
	case r.Equal && j.job.Stated:
		return j.end(pass, "equal", "The result is what the response states.")
	case r.Equal:
		if tied {
			return j.end(pass, "equal_within_ties", fmt.Sprintf("The result is the expected one, %s; tied rows may stand in any order.", rowCount(len(got.Rows))))
		}
		return j.end(pass, "equal", fmt.Sprintf("The result is the expected one, %s.", rowCount(len(got.Rows))))
	case j.gold != nil && (j.gold.Unsure || j.gold.Other != nil) && len(got.Rows) == len(j.want.Rows) && len(got.Columns) == len(j.want.Columns):
		return j.end(inconclusive, "expected_undetermined", "Whether the expected query orders or keeps its rows by accident could not be found out, and the result differs: "+r.Why+".")
	}
	return j.end(fail, "wrong_result", fmt.Sprintf("The result is not %s: %s.", expected, r.Why))
}

// compare holds a result against all that the expected query may give. tied
// says that it is equal but for the order of tied rows, cut that it keeps
// others of them than the expected query did here.
func (j *judge) compare(got Result) (r Comparison, tied, cut bool) {
	strict := j.rules
	strict.Ties = nil
	if r = Compare(got, j.want, strict); r.Equal || j.gold == nil {
		return r, false, false
	}
	if with := Compare(got, j.want, j.rules); with.Equal {
		return with, true, false
	}
	others := j.gold.nearestTo(got)
	if j.gold.Other != nil {
		others = append(others, *j.gold.Other)
	}
	for _, other := range others {
		if with := Compare(got, other, j.rules); with.Equal {
			j.want = other
			return with, true, true
		}
	}
	return r, false, false
}

// nameColumns gives rows that were expected without names those of the result.
func (j *judge) nameColumns(got Result) {
	if j.rows && (len(j.want.Rows) == 0 || len(j.want.Columns) == len(got.Columns)) {
		j.want.Columns = got.Columns
	}
}

func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// refused turns a refusal into a verdict: the statement's text is to blame for
// what does not exist, nobody for what took too long.
func (j *judge) refused(ctx context.Context, r *Refusal) (Outcome, error) {
	j.locate(r)
	switch r.Kind {
	case FindTable, FindColumn, FindFunction:
		return j.invented(ctx, r)
	case FindStatements:
		j.find(Finding{Kind: r.Kind, Message: "There is more than one statement."})
		return j.end(fail, r.Kind, "There is more than one statement where one is expected."), nil
	case ReasonNothing:
		return j.end(fail, r.Kind, "There is no statement."), nil
	case ReasonNoQuery:
		message := "The statement is no question: it asks for " + r.Words + "."
		j.find(Finding{Kind: FindWrites, Message: message, Start: r.Start, End: r.End})
		return j.end(fail, r.Kind, message), nil
	case FindAmbiguous:
		j.find(Finding{Kind: r.Kind, Message: upper(r.Words) + ".", Start: r.Start, End: r.End})
		return j.end(fail, r.Kind, "Several tables have the column "+r.Name+", and the statement does not say which is meant."), nil
	case FindSyntax:
		j.find(Finding{Kind: r.Kind, Message: upper(r.Words) + ".", Start: r.Start, End: r.End})
		return j.end(fail, r.Kind, "The statement does not parse: "+r.Words+"."), nil
	case ReasonRefused:
		j.find(Finding{Kind: "error", Message: upper(r.Words) + ".", Start: r.Start, End: r.End})
		j.find(Findings(j.job.SQL, j.schema)...)
		return j.end(fail, r.Kind, "The engine refuses the statement: "+r.Words+"."), nil
	case ReasonRows:
		return j.tooManyRows(r), nil
	case ReasonTime:
		return j.end(inconclusive, r.Kind, "It was not done after "+r.Words+"."), nil
	case ReasonMemory:
		return j.end(inconclusive, r.Kind, "It needed more memory than a statement may take."), nil
	case ReasonLarge:
		return j.end(inconclusive, r.Kind, "A value in it is larger than a statement may make."), nil
	case ReasonComplex:
		return j.end(inconclusive, r.Kind, "The statement is more complex than the engine takes: "+r.Words+"."), nil
	case ReasonNotHere:
		return j.end(inconclusive, r.Kind, "The statement is not run here: "+r.Words+"."), nil
	}
	return j.end(inconclusive, ReasonEngine, "The engine stopped: "+r.Words+"."), nil
}

// tooManyRows is an answer where far fewer rows are expected.
func (j *judge) tooManyRows(r *Refusal) Outcome {
	if !j.expected() || len(j.want.Rows) >= MaxRows/2 || j.gold != nil && (j.gold.Unsure || j.gold.Other != nil) {
		return j.end(inconclusive, r.Kind, fmt.Sprintf("The result has more than %d rows.", len(r.Part.Rows)))
	}
	side := Show(r.Part)
	j.out.Evidence.Got, j.out.Evidence.Rows = &side, len(r.Part.Rows)
	j.find(Findings(j.job.SQL, j.schema)...)
	return j.end(fail, "wrong_result", fmt.Sprintf("The result has more than %d rows where %d are expected.", len(r.Part.Rows), len(j.want.Rows)))
}

// invented is a name that does not exist: the nearest real one is named, and
// tried in its place.
func (j *judge) invented(ctx context.Context, r *Refusal) (Outcome, error) {
	if len(j.schema) == 0 && r.Kind != FindFunction {
		return j.end(inconclusive, "needs_schema", "Nothing was given that says which tables and columns there are."), nil
	}
	what := map[string]string{FindColumn: "column", FindTable: "table", FindFunction: "function"}[r.Kind]
	near := j.nearest(r.Kind, r.Name)
	message := fmt.Sprintf("There is no %s %s.", what, r.Name)
	if near != "" {
		message += fmt.Sprintf(" The nearest real one is %s.", near)
	}
	j.find(Finding{Kind: r.Kind, Message: message, Start: r.Start, End: r.End})
	if near != "" && r.End > r.Start && j.expected() {
		if err := j.repair(ctx, r.Start, r.End, near); err != nil {
			return Outcome{}, err
		}
	}
	return j.end(fail, r.Kind, message), nil
}

func (j *judge) nearest(kind, name string) string {
	switch kind {
	case FindTable:
		return nearest.Name(name, j.schema.Tables())
	case FindFunction:
		return nearest.Name(name, j.db.Functions())
	}
	qualifier, column, qualified := strings.Cut(name, ".")
	if !qualified {
		return nearest.Name(name, j.columnsInReach())
	}
	if table := j.tableOf(qualifier); table != "" {
		if near := nearest.Name(column, j.schema[table]); near != "" {
			return qualifier + "." + near
		}
	}
	return ""
}

// columnsInReach are those of the tables the statement names, or all.
func (j *judge) columnsInReach() []string {
	var columns []string
	for _, t := range Tokens(j.job.SQL) {
		if _, of, ok := j.schema.Table(t.Text); ok {
			columns = append(columns, of...)
		}
	}
	if len(columns) == 0 {
		return j.schema.Columns(false)
	}
	slices.Sort(columns)
	return slices.Compact(columns)
}

// tableOf resolves an alias: the table named just before it.
func (j *judge) tableOf(alias string) string {
	if table, _, ok := j.schema.Table(alias); ok {
		return table
	}
	tokens := Tokens(j.job.SQL)
	for i, t := range tokens {
		if !strings.EqualFold(t.Text, alias) || i == 0 || i+1 < len(tokens) && tokens[i+1].Is(".") {
			continue
		}
		before := tokens[i-1]
		if before.Is("AS") && i > 1 {
			before = tokens[i-2]
		}
		if table, _, ok := j.schema.Table(before.Text); ok {
			return table
		}
	}
	return ""
}

// locate finds a name in the statement, from where the engine stopped if that
// is known. A place that is no name's is widened to its token.
func (j *judge) locate(r *Refusal) {
	tokens := Tokens(j.job.SQL)
	if r.Name == "" {
		for _, t := range tokens {
			if r.Start > 0 && t.Start <= r.Start && r.Start < t.End {
				r.Start, r.End = t.Start, t.End
			}
		}
		return
	}
	parts := strings.Split(r.Name, ".")
	for _, from := range []int{r.Start, 0} {
		for i, t := range tokens {
			if t.Start < from || !strings.EqualFold(t.Text, parts[0]) {
				continue
			}
			last := i + 2*(len(parts)-1)
			if last < len(tokens) && strings.EqualFold(tokens[last].Text, parts[len(parts)-1]) {
				r.Start, r.End = t.Start, tokens[last].End
				return
			}
		}
	}
	r.Start, r.End = 0, 0
}

// repair tries the statement with the nearest real name in place of the
// invented one: whether that is all that is wrong is worth knowing.
func (j *judge) repair(ctx context.Context, start, end int, name string) error {
	repaired := j.job.SQL[:start] + name + j.job.SQL[end:]
	got, err := j.db.Run(ctx, repaired)
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return nil // still more is wrong
	}
	if err != nil {
		return err
	}
	j.out.Evidence.Repaired = repaired
	j.nameColumns(got.Result)
	r := Compare(got.Result, j.want, j.rules)
	left, right := Beside(got.Result, j.want, r, j.rules)
	j.out.Evidence.Got, j.out.Evidence.Want, j.out.Evidence.Differ = &left, &right, r.Differ
	message := fmt.Sprintf("With %s in its place the result is the expected one.", name)
	if !r.Equal {
		message = fmt.Sprintf("With %s in its place it still differs: %s.", name, r.Why)
	}
	j.find(Finding{Kind: FindRepaired, Message: message})
	return nil
}

// ReadRows reads rows as JSON writes them, whole numbers as such.
func ReadRows(text json.RawMessage) ([][]any, error) {
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.UseNumber()
	var rows [][]any
	if err := decoder.Decode(&rows); err != nil {
		return nil, errors.New("they are no list of rows")
	}
	for _, row := range rows {
		for i, cell := range row {
			value, err := readCell(cell)
			if err != nil {
				return nil, err
			}
			row[i] = value
		}
	}
	return rows, nil
}

func readCell(cell any) (any, error) {
	switch v := cell.(type) {
	case nil, string, bool:
		return cell, nil
	case json.Number:
		if whole, err := v.Int64(); err == nil {
			return whole, nil
		}
		if f, err := v.Float64(); err == nil {
			return f, nil
		}
		return nil, errors.New("a number is too large")
	}
	return nil, errors.New("a cell is neither text nor number")
}
