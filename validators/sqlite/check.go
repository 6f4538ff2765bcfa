package sqlite

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3"

	"assay/validators/query"
)

// Checker checks statements, one after the other, and keeps the databases it
// built.
type Checker struct{ images images }

// NewChecker makes a checker.
func NewChecker() *Checker { return &Checker{images{bytes: map[[32]byte][]byte{}}} }

// Check judges one statement. Its error is a fault of ours.
func (k *Checker) Check(ctx context.Context, job query.Job) (query.Outcome, error) {
	db, err := k.images.fresh(ctx, job.Schema)
	var broken schemaError
	if errors.As(err, &broken) {
		return query.Invalid(query.ReasonSchema, "The schema cannot be built: "+schemaWords(broken)), nil
	}
	if err != nil {
		return query.Outcome{}, err
	}
	defer db.close()
	if takes := time.Duration(job.TakesMS) * time.Millisecond; takes > 0 && takes < queryTakes {
		db.takes = takes
	}
	if db.schema, err = db.tables(); err != nil {
		return query.Outcome{}, err
	}
	if err := db.conn.SetAuthorizer(db.read); err != nil {
		return query.Outcome{}, err
	}
	return query.Judge(ctx, db, job)
}

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

// Tables is what there is to ask.
func (d *database) Tables() query.Schema { return d.schema }

// Functions that people and models mean, by the names SQLite has for them.
func (d *database) Functions() []string { return functions }

var functions = []string{"abs", "avg", "coalesce", "concat", "count", "date", "datetime", "dense_rank", "first_value", "format", "group_concat", "hex", "ifnull",
	"iif", "instr", "json_each", "json_extract", "julianday", "lag", "last_value", "lead", "length", "like", "lower", "ltrim", "max", "min", "nth_value", "ntile",
	"nullif", "printf", "quote", "rank", "replace", "round", "row_number", "rtrim", "sign", "strftime", "string_agg", "substr", "substring", "sum", "time", "total",
	"trim", "typeof", "unicode", "unixepoch", "upper"}

// Run runs one statement within its limits.
func (d *database) Run(ctx context.Context, sql string) (query.Answer, error) {
	result, err := d.rows(ctx, sql)
	answer := query.Answer{Result: result, Reads: d.reads, Random: d.random}
	if err != nil {
		return answer, d.refusal(sql, result, err)
	}
	return answer, nil
}

// Expect runs the expected query. Where it has no order of its own its tables
// are read from both ends: what comes out otherwise is an accident.
func (d *database) Expect(ctx context.Context, gold string) (query.Expectation, error) {
	x, err := query.Expect(ctx, d, gold)
	if err != nil || x.Ordered || x.Cuts != nil {
		return x, err
	}
	if err := d.backwards(true); err != nil {
		return x, err
	}
	other, err := d.Run(ctx, gold)
	if err != nil {
		return x, err
	}
	if err := d.backwards(false); err != nil {
		return x, err
	}
	if _, same := query.Ties(x.Rows, other.Rows); !same {
		x.Other = &other.Result
	}
	return x, nil
}

// refusal says why the engine gave no result; what is not about the statement
// stays as it is.
func (d *database) refusal(sql string, part query.Result, err error) error {
	r := &query.Refusal{Words: said(err), Part: part}
	switch {
	case errors.Is(err, errNothing):
		r.Kind = query.ReasonNothing
	case errors.Is(err, errSeveral):
		r.Kind = query.FindStatements
	case errors.Is(err, errTooManyRows):
		r.Kind = query.ReasonRows
	case errors.Is(err, sqlite3.INTERRUPT):
		r.Kind, r.Words = query.ReasonTime, fmt.Sprint(d.takes)
	case errors.Is(err, sqlite3.NOMEM), errors.Is(err, sqlite3.FULL), errors.Is(err, errBroken):
		r.Kind = query.ReasonMemory
	case errors.Is(err, sqlite3.TOOBIG):
		r.Kind = query.ReasonLarge
	case errors.Is(err, sqlite3.AUTH):
		r.Kind, r.Words = query.ReasonNoQuery, d.denied
	case errors.Is(err, sqlite3.ERROR):
		erroneous(r)
		r.Start = place(sql, err)
	default:
		r.Kind = query.ReasonEngine
	}
	return r
}

var (
	missingColumn   = regexp.MustCompile(`^no such column: "?(.+?)"?(?: - should this be a string literal in single-quotes\?)?$`)
	missingTable    = regexp.MustCompile(`^no such table: (.+)$`)
	missingFunction = regexp.MustCompile(`^no such function: (.+)$`)
	ambiguous       = regexp.MustCompile(`^ambiguous column name: (.+)$`)
	syntax          = regexp.MustCompile(`syntax error|^incomplete input|^unrecognized token`)
	tooDeep         = regexp.MustCompile(`too many|too large|too deep|too complex|Recursion limit|parser stack overflow|Expression tree`)
)

// erroneous reads from the engine's words what is wrong with a statement that
// it would not prepare or run.
func erroneous(r *query.Refusal) {
	for kind, words := range map[string]*regexp.Regexp{
		query.FindColumn: missingColumn, query.FindTable: missingTable, query.FindFunction: missingFunction, query.FindAmbiguous: ambiguous,
	} {
		if m := words.FindStringSubmatch(r.Words); m != nil {
			r.Kind, r.Name = kind, m[1]
			return
		}
	}
	switch {
	case tooDeep.MatchString(r.Words):
		r.Kind = query.ReasonComplex
	case syntax.MatchString(r.Words):
		r.Kind = query.FindSyntax
	default:
		r.Kind = query.ReasonRefused
	}
}

// place is where in the statement the engine stopped; 0 when it is not known.
func place(sql string, err error) int {
	var e *sqlite3.Error
	if !errors.As(err, &e) || e.SQL() == "" || !strings.HasSuffix(sql, e.SQL()) {
		return 0
	}
	return len(sql) - len(e.SQL())
}
