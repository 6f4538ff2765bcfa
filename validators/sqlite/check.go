package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3"

	"assay/validators/query"
)

// Job is one statement to check.
type Job struct {
	SQL    string `json:"sql"`
	Schema string `json:"schema"`
	// What is expected: a query, or rows. Neither: what can be known without.
	Gold      string  `json:"gold,omitempty"`
	Rows      [][]any `json:"rows,omitempty"`
	HasRows   bool    `json:"has_rows,omitempty"`
	Stated    bool    `json:"stated,omitempty"` // the rows are what the response claims
	Ordered   bool    `json:"ordered,omitempty"`
	Tolerance float64 `json:"tolerance,omitempty"`
	TakesMS   int64   `json:"takes_ms,omitempty"` // each query at most; 0 is the usual
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
	Got      *query.Side     `json:"got,omitempty"`
	Want     *query.Side     `json:"want,omitempty"`
	Rows     int             `json:"rows"`               // of the result
	Expected int             `json:"expected,omitempty"` // rows that were expected
	Differ   int             `json:"differ,omitempty"`   // of them, those the result lacks
	Repaired string          `json:"repaired,omitempty"` // the statement with real names in place of invented ones
	Reads    []string        `json:"reads,omitempty"`    // tables
	Findings []query.Finding `json:"findings"`
}

// The verdicts.
const (
	pass         = "pass"
	fail         = "fail"
	inconclusive = "inconclusive"
)

// Checker checks statements, one after the other, and keeps the databases it
// built.
type Checker struct{ images images }

// NewChecker makes a checker.
func NewChecker() *Checker { return &Checker{images{bytes: map[[32]byte][]byte{}}} }

// check carries one job.
type check struct {
	job    Job
	db     *database
	schema query.Schema
	out    Outcome
	want   query.Result
	other  *query.Result // the expected rows where a LIMIT cuts through a tie
	rules  query.Rules
}

// Check judges one statement. Its error is a fault of ours.
func (k *Checker) Check(ctx context.Context, job Job) (Outcome, error) {
	c := &check{job: job}
	c.out.Evidence.Findings = []query.Finding{}
	if len(job.SQL) > maxSQL {
		return c.end(inconclusive, "too_long", "The statement has more than 64 KB."), nil
	}
	var err error
	c.db, err = k.images.fresh(ctx, job.Schema)
	var broken schemaError
	if errors.As(err, &broken) {
		return c.end(inconclusive, "invalid_schema", "The schema cannot be built: "+schemaWords(broken)), nil
	}
	if err != nil {
		return Outcome{}, err
	}
	defer c.db.conn.Close()
	if takes := time.Duration(job.TakesMS) * time.Millisecond; takes > 0 && takes < queryTakes {
		c.db.takes = takes
	}
	if c.schema, err = c.db.tables(); err != nil {
		return Outcome{}, err
	}
	if err := c.db.conn.SetAuthorizer(c.db.read); err != nil {
		return Outcome{}, err
	}
	if end, done, err := c.expect(ctx); done || err != nil {
		return end, err
	}
	return c.judge(ctx)
}

func (c *check) end(verdict, reason, message string) Outcome {
	c.out.Verdict, c.out.Reason, c.out.Message = verdict, reason, message
	return c.out
}

func (c *check) find(f query.Finding) { c.out.Evidence.Findings = append(c.out.Evidence.Findings, f) }

func schemaWords(e schemaError) string {
	if e.denied != "" {
		return e.denied + " is not allowed."
	}
	return said(e.error) + "."
}

// said is what the engine said, without its code.
func said(err error) string {
	words := strings.TrimPrefix(err.Error(), "sqlite3: ")
	if _, after, found := strings.Cut(words, ": "); found {
		return after
	}
	return words
}

// expect finds out what the result should be.
func (c *check) expect(ctx context.Context) (Outcome, bool, error) {
	c.rules = query.Rules{Ordered: c.job.Ordered, Tolerance: c.job.Tolerance}
	switch {
	case c.job.Gold != "":
		return c.runGold(ctx)
	case c.job.HasRows:
		c.want.Rows = c.job.Rows
		for i := range c.job.Rows {
			if len(c.job.Rows[i]) != len(c.job.Rows[0]) || len(c.job.Rows[i]) == 0 {
				return c.end(inconclusive, "invalid_input", "The expected rows must be equally long."), true, nil
			}
		}
		if len(c.job.Rows) > 0 {
			c.want.Columns = make([]string, len(c.job.Rows[0]))
		}
	}
	return Outcome{}, false, nil
}

func (c *check) expected() bool { return c.job.Gold != "" || c.job.HasRows }

// runGold runs the expected query in both directions.
func (c *check) runGold(ctx context.Context) (Outcome, bool, error) {
	wrong := func(err error) (Outcome, bool, error) {
		return c.end(inconclusive, "expected_fails", "The expected query does not run here: "+said(err)+"."), true, nil
	}
	var err error
	if c.want, err = c.db.rows(ctx, c.job.Gold); err != nil {
		return wrong(err)
	}
	random := c.db.random
	if err := c.db.backwards(true); err != nil {
		return Outcome{}, true, err
	}
	other, err := c.db.rows(ctx, c.job.Gold)
	if err != nil {
		return wrong(err)
	}
	if err := c.db.backwards(false); err != nil {
		return Outcome{}, true, err
	}
	if random {
		return c.end(inconclusive, "expected_undetermined", "The expected query has another result each time."), true, nil
	}
	c.rules.Ordered = query.Ordered(c.job.Gold)
	ties, same := query.Ties(c.want.Rows, other.Rows)
	switch {
	case !same:
		c.other = &other
	case c.rules.Ordered:
		c.rules.Ties = ties
	}
	return Outcome{}, false, nil
}

func (c *check) judge(ctx context.Context) (Outcome, error) {
	got, err := c.db.rows(ctx, c.job.SQL)
	random := c.db.random
	c.out.Evidence.Reads, c.out.Evidence.Rows = c.db.reads, len(got.Rows)
	c.out.Evidence.Expected = len(c.want.Rows)
	if err != nil {
		return c.refused(ctx, got, err)
	}
	for _, f := range query.Findings(c.job.SQL, c.schema) {
		c.find(f)
	}
	side := query.Show(got)
	c.out.Evidence.Got = &side
	if !c.expected() {
		return c.unexpected(got), nil
	}
	out := c.compared(got)
	if random && out.Verdict == fail {
		return c.end(inconclusive, "volatile_function", "The statement has another result each time."), nil
	}
	return out, nil
}

func (c *check) unexpected(got query.Result) Outcome {
	if len(c.schema) == 0 && len(c.out.Evidence.Reads) > 0 {
		return c.end(inconclusive, "needs_schema", "Nothing was given that says which tables there are.")
	}
	return c.end(pass, "runs", fmt.Sprintf("The statement runs and returns %s. There was no expected result to hold it against.", rows(len(got.Rows))))
}

func rows(n int) string {
	if n == 1 {
		return "1 row"
	}
	return fmt.Sprintf("%d rows", n)
}

// compared holds the result against the expected one.
func (c *check) compared(got query.Result) Outcome {
	if c.job.HasRows && len(c.want.Rows) == 0 {
		c.want.Columns = got.Columns
	}
	if c.job.HasRows && len(c.want.Columns) == len(got.Columns) {
		c.want.Columns = got.Columns // rows alone have no names
	}
	r := query.Compare(got, c.want, c.rules)
	if !r.Equal && c.other != nil {
		if o := query.Compare(got, *c.other, c.rules); o.Equal {
			r, c.want = o, *c.other
		}
	}
	left, right := query.Beside(got, c.want, r, c.rules)
	c.out.Evidence.Got, c.out.Evidence.Want = &left, &right
	c.out.Evidence.Differ = r.Differ
	if !r.Equal && r.Kind != "" {
		c.find(query.Finding{Kind: r.Kind, Message: upper(r.Why) + "."})
	}
	expected := "the expected one"
	if c.job.Stated {
		expected = "what the response states"
	}
	switch {
	case len(got.Rows)+len(c.want.Rows) == 0 && !c.job.HasRows:
		return c.end(inconclusive, "both_empty", "Both results are empty on this data, as those of many wrong queries would be.")
	case r.Equal && c.job.Stated:
		return c.end(pass, "equal", "The result is what the response states.")
	case r.Equal:
		return c.end(pass, "equal", fmt.Sprintf("The result is the expected one, %s.", rows(len(got.Rows))))
	case c.other != nil:
		return c.end(inconclusive, "expected_undetermined", "The expected query keeps any of several tied rows, and the result keeps others: "+r.Why+".")
	}
	return c.end(fail, "wrong_result", fmt.Sprintf("The result is not %s: %s.", expected, r.Why))
}

func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// refused turns an error of the statement into a verdict: its text is to blame
// for what does not exist, nobody for what took too long.
func (c *check) refused(ctx context.Context, got query.Result, err error) (Outcome, error) {
	switch {
	case errors.Is(err, errNothing):
		return c.end(fail, "no_statement", "There is no statement."), nil
	case errors.Is(err, errSeveral):
		c.find(query.Finding{Kind: query.FindStatements, Message: "There is more than one statement."})
		return c.end(fail, "several_statements", "There is more than one statement where one is expected."), nil
	case errors.Is(err, errTooManyRows):
		if c.expected() && len(c.want.Rows) < maxRows/2 && c.other == nil {
			side := query.Show(got)
			c.out.Evidence.Got = &side
			for _, f := range query.Findings(c.job.SQL, c.schema) {
				c.find(f)
			}
			return c.end(fail, "wrong_result", fmt.Sprintf("The result has more than %d rows where %d are expected.", len(got.Rows), len(c.want.Rows))), nil
		}
		return c.end(inconclusive, "result_limit", fmt.Sprintf("The result has more than %d rows.", len(got.Rows))), nil
	case errors.Is(err, sqlite3.INTERRUPT):
		return c.end(inconclusive, "timeout", fmt.Sprintf("It was not done after %s.", c.db.takes)), nil
	case errors.Is(err, sqlite3.NOMEM), errors.Is(err, sqlite3.FULL):
		return c.end(inconclusive, "memory_limit", "It needed more memory than a statement may take."), nil
	case errors.Is(err, sqlite3.TOOBIG):
		return c.end(inconclusive, "too_large", "A value in it is larger than a statement may make."), nil
	case errors.Is(err, sqlite3.AUTH):
		message := "The statement is no question: it asks for " + c.db.denied + "."
		c.find(query.Finding{Kind: query.FindWrites, Message: message})
		return c.end(fail, "not_a_query", message), nil
	case errors.Is(err, sqlite3.ERROR):
		return c.erroneous(ctx, err)
	}
	return c.end(inconclusive, "engine_error", "The engine stopped: "+said(err)+"."), nil
}

var (
	missingColumn   = regexp.MustCompile(`^no such column: "?(.+?)"?(?: - should this be a string literal in single-quotes\?)?$`)
	missingTable    = regexp.MustCompile(`^no such table: (.+)$`)
	missingFunction = regexp.MustCompile(`^no such function: (.+)$`)
	ambiguous       = regexp.MustCompile(`^ambiguous column name: (.+)$`)
	syntax          = regexp.MustCompile(`syntax error|^incomplete input|^unrecognized token`)
	tooDeep         = regexp.MustCompile(`too many|too large|too deep|parser stack overflow|Expression tree`)
)

// erroneous is a statement the engine would not prepare or run.
func (c *check) erroneous(ctx context.Context, err error) (Outcome, error) {
	words := said(err)
	start, end := c.place(err)
	if m := missingColumn.FindStringSubmatch(words); m != nil {
		return c.invented(ctx, query.FindColumn, m[1], start)
	}
	if m := missingTable.FindStringSubmatch(words); m != nil {
		return c.invented(ctx, query.FindTable, m[1], start)
	}
	if m := missingFunction.FindStringSubmatch(words); m != nil {
		return c.invented(ctx, query.FindFunction, m[1], start)
	}
	switch {
	case tooDeep.MatchString(words):
		return c.end(inconclusive, "too_complex", "The statement is more complex than the engine takes: "+words+"."), nil
	case ambiguous.MatchString(words):
		c.find(query.Finding{Kind: query.FindAmbiguous, Message: upper(words) + ".", Start: start, End: end})
		return c.end(fail, "ambiguous_column", "Several tables have the column "+ambiguous.FindStringSubmatch(words)[1]+", and the statement does not say which is meant."), nil
	case syntax.MatchString(words):
		c.find(query.Finding{Kind: query.FindSyntax, Message: upper(words) + ".", Start: start, End: end})
		return c.end(fail, "syntax_error", "The statement does not parse: "+words+"."), nil
	}
	c.find(query.Finding{Kind: "error", Message: upper(words) + ".", Start: start, End: end})
	return c.end(fail, "statement_error", "The engine refuses the statement: "+words+"."), nil
}

// place is where in the statement the engine stopped.
func (c *check) place(err error) (start, end int) {
	var e *sqlite3.Error
	if !errors.As(err, &e) || e.SQL() == "" || !strings.HasSuffix(c.job.SQL, e.SQL()) {
		return 0, 0
	}
	start = len(c.job.SQL) - len(e.SQL())
	for _, t := range query.Tokens(c.job.SQL) {
		if t.Start <= start && start < t.End {
			return t.Start, t.End
		}
	}
	return start, min(start+1, len(c.job.SQL))
}

// invented is a name that does not exist: the nearest real one is named, and
// tried in its place.
func (c *check) invented(ctx context.Context, kind, name string, at int) (Outcome, error) {
	if len(c.schema) == 0 && kind != query.FindFunction {
		return c.end(inconclusive, "needs_schema", "Nothing was given that says which tables and columns there are."), nil
	}
	what := map[string]string{query.FindColumn: "column", query.FindTable: "table", query.FindFunction: "function"}[kind]
	nearest := c.nearest(kind, name)
	message := fmt.Sprintf("There is no %s %s.", what, name)
	if nearest != "" {
		message += fmt.Sprintf(" The nearest real one is %s.", nearest)
	}
	start, end := c.locate(name, at)
	c.find(query.Finding{Kind: kind, Message: message, Start: start, End: end})
	if nearest != "" && end > start && c.expected() {
		if err := c.repair(ctx, start, end, nearest); err != nil {
			return Outcome{}, err
		}
	}
	return c.end(fail, kind, message), nil
}

// functions that people and models mean, by the names SQLite has for them.
var functions = []string{"abs", "avg", "coalesce", "concat", "count", "date", "datetime", "dense_rank", "first_value", "format", "group_concat", "hex", "ifnull",
	"iif", "instr", "json_each", "json_extract", "julianday", "lag", "last_value", "lead", "length", "like", "lower", "ltrim", "max", "min", "nth_value", "ntile",
	"nullif", "printf", "quote", "rank", "replace", "round", "row_number", "rtrim", "sign", "strftime", "string_agg", "substr", "substring", "sum", "time", "total",
	"trim", "typeof", "unicode", "unixepoch", "upper"}

func (c *check) nearest(kind, name string) string {
	switch kind {
	case query.FindTable:
		return query.Nearest(name, c.schema.Tables())
	case query.FindFunction:
		return query.Nearest(name, functions)
	}
	qualifier, column, qualified := strings.Cut(name, ".")
	if !qualified {
		return query.Nearest(name, c.columnsInReach())
	}
	if table := c.tableOf(qualifier); table != "" {
		if near := query.Nearest(column, c.schema[table]); near != "" {
			return qualifier + "." + near
		}
	}
	return ""
}

// columnsInReach are those of the tables the statement names, or all.
func (c *check) columnsInReach() []string {
	var columns []string
	for _, t := range query.Tokens(c.job.SQL) {
		if _, of, ok := c.schema.Table(t.Text); ok {
			columns = append(columns, of...)
		}
	}
	if len(columns) == 0 {
		return c.schema.Columns(false)
	}
	slices.Sort(columns)
	return slices.Compact(columns)
}

// tableOf resolves an alias: the table named just before it.
func (c *check) tableOf(alias string) string {
	if table, _, ok := c.schema.Table(alias); ok {
		return table
	}
	tokens := query.Tokens(c.job.SQL)
	for i, t := range tokens {
		if !strings.EqualFold(t.Text, alias) || i == 0 || i+1 < len(tokens) && tokens[i+1].Is(".") {
			continue
		}
		before := tokens[i-1]
		if before.Is("AS") && i > 1 {
			before = tokens[i-2]
		}
		if table, _, ok := c.schema.Table(before.Text); ok {
			return table
		}
	}
	return ""
}

// locate finds a name in the statement, from where the engine stopped if that
// is known.
func (c *check) locate(name string, at int) (start, end int) {
	parts := strings.Split(name, ".")
	tokens := query.Tokens(c.job.SQL)
	for _, from := range []int{at, 0} {
		for i, t := range tokens {
			if t.Start < from || !strings.EqualFold(t.Text, parts[0]) {
				continue
			}
			last := i + 2*(len(parts)-1)
			if last < len(tokens) && strings.EqualFold(tokens[last].Text, parts[len(parts)-1]) {
				return t.Start, tokens[last].End
			}
		}
	}
	return 0, 0
}

// repair tries the statement with the nearest real name in place of the
// invented one: whether that is all that is wrong is worth knowing.
func (c *check) repair(ctx context.Context, start, end int, name string) error {
	repaired := c.job.SQL[:start] + name + c.job.SQL[end:]
	got, err := c.db.rows(ctx, repaired)
	if err != nil {
		return nil // still more is wrong
	}
	c.out.Evidence.Repaired = repaired
	want := c.want
	if c.job.HasRows && len(want.Columns) == len(got.Columns) {
		want.Columns = got.Columns
	}
	r := query.Compare(got, want, c.rules)
	left, right := query.Beside(got, want, r, c.rules)
	c.out.Evidence.Got, c.out.Evidence.Want, c.out.Evidence.Differ = &left, &right, r.Differ
	message := fmt.Sprintf("With %s in its place the result is the expected one.", name)
	if !r.Equal {
		message = fmt.Sprintf("With %s in its place it still differs: %s.", name, r.Why)
	}
	c.find(query.Finding{Kind: query.FindRepaired, Message: message})
	return nil
}

// ReadRows reads rows as JSON writes them.
func ReadRows(text json.RawMessage) ([][]any, error) {
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.UseNumber()
	var rows [][]any
	if err := decoder.Decode(&rows); err != nil {
		return nil, err
	}
	for _, row := range rows {
		for i, cell := range row {
			n, ok := cell.(json.Number)
			if !ok {
				switch cell.(type) {
				case nil, string, bool:
					continue
				}
				return nil, fmt.Errorf("a cell is neither text nor number")
			}
			if whole, err := n.Int64(); err == nil {
				row[i] = whole
			} else if f, err := n.Float64(); err == nil {
				row[i] = f
			} else {
				return nil, err
			}
		}
	}
	return rows, nil
}
