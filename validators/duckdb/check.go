package duckdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"assay/validators/query"
	"assay/validators/sandbox"
)

// Program is the sandbox's child that judges one statement. named is the
// library's path, or "" for where npm puts it.
func Program(named string) sandbox.Program {
	return sandbox.Program{
		Name:    "duckdb",
		Prepare: func(context.Context) (map[string]string, error) { return files(named) },
		Limits:  sandbox.Limits{Wall: 12 * time.Second, Memory: 768 << 20, Output: 4 << 20},
		Ahead:   1,
		Open: func(files sandbox.Files) (sandbox.Work, error) {
			lib, err := load(files)
			if err != nil {
				return nil, err
			}
			return func(ctx context.Context, input []byte) ([]byte, error) {
				var job query.Job
				if err := json.Unmarshal(input, &job); err != nil {
					return nil, err
				}
				db, err := open(lib) // not before the lock-down, see doc.go
				if err != nil {
					return nil, err
				}
				out, err := db.checkInTime(ctx, job)
				if err != nil {
					return nil, err
				}
				return json.Marshal(out)
			}, nil
		},
	}
}

// stuckAfter is how long the engine may go on after it was interrupted: a few of
// its functions do not look up from their work.
const stuckAfter = time.Second

// checkInTime is check that does not wait for an engine that does not stop. The
// child ends with its job, and the engine with the child.
func (d *database) checkInTime(ctx context.Context, job query.Job) (query.Outcome, error) {
	type answer struct {
		out query.Outcome
		err error
	}
	done := make(chan answer, 1)
	go func() {
		out, err := d.check(ctx, job)
		done <- answer{out, err}
	}()
	select {
	case a := <-done:
		return a.out, a.err
	case limit := <-d.stuck:
		return query.Invalid(query.ReasonTime, fmt.Sprintf("It was not done after %s.", limit)), nil
	}
}

// check judges one statement. Its error is a fault of ours.
func (d *database) check(ctx context.Context, job query.Job) (query.Outcome, error) {
	if takes := time.Duration(job.TakesMS) * time.Millisecond; takes > 0 && takes < d.takes {
		d.takes = takes
	}
	err := d.build(ctx, job.Schema)
	var refused *said
	if errors.As(err, &refused) {
		r := &query.Refusal{}
		refused.explain(r, schemaTakes)
		return query.Invalid(query.ReasonSchema, "The schema cannot be built: "+r.Words+"."), nil
	}
	if err != nil {
		return query.Outcome{}, err
	}
	return query.Judge(ctx, d, job)
}

func (d *database) build(ctx context.Context, schema string) error {
	if strings.ContainsRune(schema, 0) {
		return &said{text: `{"exception_type":"Parser","exception_message":"a zero byte in the script"}`}
	}
	if strings.TrimSpace(schema) != "" {
		if err := d.within(ctx, schemaTakes, func() error { return d.execute(schema) }); err != nil {
			return err
		}
	}
	names, err := d.rows(ctx, `
		SELECT table_name, column_name FROM duckdb_columns()
		WHERE NOT internal AND database_name = current_database()
		ORDER BY table_name, column_index`)
	if err != nil {
		return err
	}
	d.schema = query.Schema{}
	for _, row := range names.Rows {
		table, _ := row[0].(string)
		column, _ := row[1].(string)
		d.schema[table] = append(d.schema[table], column)
	}
	return nil
}

// Tables is what there is to ask.
func (d *database) Tables() query.Schema { return d.schema }

// Functions are the engine's, for the nearest to an invented one.
func (d *database) Functions() []string {
	var names []string
	found, err := d.rows(context.Background(), `SELECT DISTINCT function_name FROM duckdb_functions() WHERE regexp_matches(function_name, '^[a-z]') ORDER BY 1`)
	if err != nil {
		return nil // no name is near then
	}
	for _, row := range found.Rows {
		if name, ok := row[0].(string); ok {
			names = append(names, name)
		}
	}
	return names
}

// Run runs one statement within its limits.
func (d *database) Run(ctx context.Context, sql string) (query.Answer, error) {
	answer := query.Answer{Random: random(sql)}
	if r := query.Asks(sql); r != nil && r.Kind == query.ReasonNoQuery {
		return answer, r
	}
	var err error
	if answer.Result, err = d.rows(ctx, sql); err != nil {
		return answer, d.refusal(sql, answer.Result, err)
	}
	return answer, nil
}

// Expect runs the expected query. Where it has no order of its own a group's
// rows come in the order of the tables, on one thread.
func (d *database) Expect(ctx context.Context, gold string) (query.Expectation, error) {
	return query.Expect(ctx, d, gold)
}

var randomFunctions = map[string]bool{"random": true, "setseed": true, "uuid": true, "gen_random_uuid": true, "uuidv4": true, "uuidv7": true, "nextval": true}

// random reports whether a statement has another result each time: by a
// function, or by a sample.
func random(sql string) bool {
	tokens := query.Tokens(sql)
	for i, t := range tokens {
		if t.Is("TABLESAMPLE") || t.Is("USING") && i+1 < len(tokens) && tokens[i+1].Is("SAMPLE") {
			return true
		}
		called := i+1 < len(tokens) && tokens[i+1].Is("(")
		if called && (t.Kind == query.Word || t.Kind == query.Quoted) && randomFunctions[strings.ToLower(t.Text)] {
			return true
		}
	}
	return false
}

// refusal says why there is no result; what is not about the statement stays as
// it is.
func (d *database) refusal(sql string, part query.Result, err error) error {
	r := &query.Refusal{Words: err.Error(), Part: part}
	var other otherKind
	var s *said
	switch {
	case errors.Is(err, errNothing):
		r.Kind = query.ReasonNothing
	case errors.Is(err, errSeveral) && query.Asks(sql) == nil:
		r.Kind, r.Words = query.ReasonNotHere, "the engine makes several statements of it, as of a PIVOT whose columns are not listed"
	case errors.Is(err, errSeveral):
		r.Kind = query.FindStatements
	case errors.Is(err, errTooManyRows):
		r.Kind = query.ReasonRows
	case errors.Is(err, errUnreadable):
		r.Kind = query.ReasonNotHere
	case errors.As(err, &other):
		notAQuestion(r, other)
	case errors.As(err, &s):
		s.explain(r, d.takes)
	default:
		return err
	}
	return r
}

func notAQuestion(r *query.Refusal, other otherKind) {
	switch name := kinds[other.kind]; name {
	case "EXPLAIN":
		r.Kind, r.Words = query.ReasonNoQuery, "the plan of a question (EXPLAIN)"
	case "":
		r.Kind, r.Words = query.ReasonNotHere, "it is of a kind that is not run here"
	default:
		r.Kind, r.Words = query.ReasonNoQuery, "something else ("+name+")"
	}
}

// complaint is an error as the engine writes it when it is told to use JSON.
type complaint struct {
	Type     string `json:"exception_type"`
	Message  string `json:"exception_message"`
	Subtype  string `json:"error_subtype"`
	Name     string `json:"name"`
	Kind     string `json:"type"`
	Position string `json:"position"`
}

var (
	missingColumn   = regexp.MustCompile(`^Referenced column "([^"]+)"|^Table "([^"]+)" does not have a column named "([^"]+)"`)
	missingTable    = regexp.MustCompile(`Table with name ([^\s]+) does not exist|Referenced table "([^"]+)" not found`)
	missingFunction = regexp.MustCompile(`Function with name "?([^\s"]+)"? does not exist`)
	ambiguous       = regexp.MustCompile(`^Ambiguous reference to column name "([^"]+)"`)
	tooDeep         = regexp.MustCompile(`(?i)^memory exhausted|depth limit|max(imum)? expression depth|stack overflow|recursion`)
	tooLarge        = regexp.MustCompile(`maximum supported string size|string of size`)
)

// names are how the engine complains of one, the first that fits.
var names = []struct {
	kind  string
	words *regexp.Regexp
}{
	{query.FindAmbiguous, ambiguous},
	{query.FindColumn, missingColumn},
	{query.FindTable, missingTable},
	{query.FindFunction, missingFunction},
}

// explain reads what the engine said.
func (s *said) explain(r *query.Refusal, takes time.Duration) {
	var c complaint
	if at := strings.IndexByte(s.text, '{'); at < 0 || json.Unmarshal([]byte(s.text[at:]), &c) != nil {
		c.Message = s.text
	}
	first, _, _ := strings.Cut(c.Message, "\n")
	r.Kind, r.Words = query.ReasonRefused, clipped(first)
	if at, err := strconv.Atoi(c.Position); err == nil {
		r.Start = at
	}
	if s.late || c.Type == "INTERRUPT" || c.Type == "Interrupt" {
		r.Kind, r.Words = query.ReasonTime, fmt.Sprint(takes)
		return
	}
	switch c.Type {
	case "Out of Memory":
		r.Kind = query.ReasonMemory
	case "Permission":
		r.Kind, r.Words = query.ReasonNotHere, "it reaches outside of the database"
	case "Parser":
		r.Kind = query.FindSyntax
	case "Catalog", "Binder":
		for _, name := range names {
			if m := name.words.FindStringSubmatch(c.Message); m != nil {
				r.Kind, r.Name = name.kind, strings.Trim(strings.Join(m[1:], "."), ".")
				break
			}
		}
	case "INTERNAL", "FATAL":
		r.Kind = query.ReasonEngine
	}
	switch {
	case tooDeep.MatchString(c.Message):
		r.Kind = query.ReasonComplex
	case tooLarge.MatchString(c.Message):
		r.Kind = query.ReasonLarge
	}
}

func clipped(words string) string {
	words = strings.TrimRight(words, "!.: ")
	if runes := []rune(words); len(runes) > 300 {
		return string(runes[:300]) + "…"
	}
	return words
}
