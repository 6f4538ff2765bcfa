package validators

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"assay/validators/dialect"
	"assay/validators/fixture"
	"assay/validators/query"
	"assay/validators/sandbox"
	"assay/validators/sqlite"
)

// sqlValidator runs one statement on a throw-away copy of its schema and holds
// the result against the expected one.
func sqlValidator(engines *dialect.Engines) Validator {
	return Validator{
		Name: "sql", Version: "1.0.0+" + sqlVersions(engines), Kinds: []string{"sql"},
		Says:   "Runs one statement on a throw-away copy of its schema, in SQLite, PostgreSQL, DuckDB or ClickHouse, and compares the result: rows as a multiset, in order where the expected query orders, columns in any order.",
		Limits: sqliteProgram.Limits, Canaries: sqlCanaries,
		check: func(ctx context.Context, box Sandbox, in Input) (Opinion, error) {
			return checkSQL(ctx, box, engines, in)
		},
	}
}

// sqlVersions names the engines of all dialects that are to be had here.
func sqlVersions(engines *dialect.Engines) string {
	names := []string{engine("sqlite", sqlite.Version)}
	for _, version := range engines.Versions() {
		name, number, _ := strings.Cut(version, " ")
		names = append(names, engine(name, number))
	}
	return strings.Join(names, ".")
}

// sqliteProgram runs statements in the child. The engine is SQLite as Go code
// on a memory of its own for each job, so that a child may do many.
var sqliteProgram = sandbox.Program{
	Name:   "sqlite",
	Limits: sandbox.Limits{Wall: 12 * time.Second, Memory: 768 << 20, Output: 4 << 20},
	Jobs:   200, Ahead: 1,
	Open: func(sandbox.Files) (sandbox.Work, error) {
		checker := sqlite.NewChecker()
		return func(ctx context.Context, input []byte) ([]byte, error) {
			var job query.Job
			if err := json.Unmarshal(input, &job); err != nil {
				return nil, err
			}
			out, err := checker.Check(ctx, job)
			if err != nil {
				return nil, err
			}
			return json.Marshal(out)
		}, nil
	},
}

// sqlArtifact is the artifact of interfaces.md with what the response claims.
type sqlArtifact struct {
	Dialect  string          `json:"dialect"`
	SQL      string          `json:"sql"`
	Schema   string          `json:"schema"`
	Database string          `json:"database"`
	Fixture  string          `json:"fixture"`
	Stated   json.RawMessage `json:"stated"`
}

// sqlExpected is a query or rows.
type sqlExpected struct {
	SQL       string          `json:"sql"`
	Rows      json.RawMessage `json:"rows"`
	Ordered   bool            `json:"ordered"`
	Tolerance float64         `json:"tolerance"`
}

func checkSQL(ctx context.Context, box Sandbox, engines *dialect.Engines, in Input) (Opinion, error) {
	var a sqlArtifact
	if err := json.Unmarshal(in.Artifact, &a); err != nil {
		return Opinion{Verdict: Inconclusive, Reason: ReasonInput, Message: "The artifact is not what a statement's is: " + typeTrouble(err) + "."}, nil
	}
	if o, missing := a.useFixture(in); missing {
		return o, nil
	}
	job, err := sqlJob(a, in.Expected)
	if err != nil {
		return Opinion{Verdict: Inconclusive, Reason: ReasonInput, Message: "The expected result makes no sense: " + err.Error() + "."}, nil
	}
	job.TakesMS = in.within.Milliseconds()
	job.Portable = in.fixture != nil && in.fixture.Dialect == ""
	out, o, done, err := askEngine(ctx, box, engines, cmp.Or(a.Dialect, "sqlite"), job)
	if err != nil || !done {
		return o, err
	}
	o = Opinion{Verdict: out.Verdict, Reason: out.Reason, Message: out.Message, Evidence: out.Evidence}
	if engines.Has(a.Dialect) {
		tier, limits := engines.Confined(a.Dialect)
		o.Bounds = &Bounds{Tier: tier, Limits: limits}
	}
	return o, nil
}

// useFixture puts a fixture's tables in the place of a schema; missing is true
// when there is neither.
func (a *sqlArtifact) useFixture(in Input) (o Opinion, missing bool) {
	name := cmp.Or(a.Fixture, a.Database)
	switch {
	case in.fixture != nil && in.fixture.Kind == fixture.Tables && (in.fixture.Dialect == "" || in.fixture.Dialect == cmp.Or(a.Dialect, "sqlite")):
		// What the artifact brings itself comes on top.
		a.Schema = strings.TrimSuffix(strings.TrimSpace(in.fixture.Content), ";") + ";\n" + a.Schema
	case in.fixture != nil && in.fixture.Kind == fixture.Tables:
		return Opinion{Verdict: Inconclusive, Reason: ReasonFixture, Message: fmt.Sprintf("The fixture %s is written for %s.", in.fixture, in.fixture.Dialect)}, true
	case in.fixture != nil:
		return Opinion{Verdict: Inconclusive, Reason: ReasonFixture, Message: fmt.Sprintf("The fixture %s has no tables.", in.fixture)}, true
	case name != "" && a.Schema == "":
		return Opinion{Verdict: Inconclusive, Reason: ReasonFixture, Message: fmt.Sprintf("There is no fixture named %s.", clip(name, 80))}, true
	}
	return Opinion{}, false
}

// Dialects lists the dialects that are run, SQLite first.
func Dialects() []string { return []string{"sqlite", "postgres", "duckdb", "clickhouse"} }

// askEngine gives a dialect's engine a job; done is false when the opinion says
// why there is no answer.
func askEngine(ctx context.Context, box Sandbox, engines *dialect.Engines, name string, job query.Job) (out query.Outcome, o Opinion, done bool, err error) {
	if engines.Has(name) {
		out, err = engines.Judge(ctx, box, name, job)
		return out, o, err == nil, err
	}
	if name != "sqlite" {
		return out, Opinion{Verdict: Inconclusive, Reason: ReasonDialect, Message: fmt.Sprintf("There is no engine for the dialect %s here.", clip(name, 40))}, false, nil
	}
	o, done, err = ask(ctx, box, sqliteProgram, job, &out)
	return out, o, done, err
}

// describeSchema builds a script in its dialect's engine and lists its tables.
func (s *Set) describeSchema(ctx context.Context, name, script string) (Opinion, query.Schema, error) {
	out, o, done, err := askEngine(ctx, s.box, s.engines, name, query.Job{Schema: script, Describe: true})
	if err != nil || !done {
		return o, nil, err
	}
	return Opinion{Verdict: out.Verdict, Reason: out.Reason, Message: out.Message}, out.Evidence.Tables, nil
}

// Reasons of the SQL validator alone.
const (
	ReasonDialect = "unsupported_dialect"
	ReasonFixture = "unknown_fixture"
)

// sqlJob is what the engine is asked: the expectation is a query, rows or,
// where neither is given, what the response states.
func sqlJob(a sqlArtifact, expected json.RawMessage) (query.Job, error) {
	job := query.Job{SQL: a.SQL, Schema: a.Schema}
	var x sqlExpected
	if present(expected) {
		if err := json.Unmarshal(expected, &x); err != nil {
			return job, fmt.Errorf("%s", typeTrouble(err))
		}
	}
	job.Gold, job.Ordered, job.Tolerance = x.SQL, x.Ordered, x.Tolerance
	switch {
	case x.SQL != "":
	case present(x.Rows):
		job.Rows = x.Rows
	case present(a.Stated):
		// A claim that is no table cannot be held against one.
		if rows := asRows(a.Stated); isTable(rows) {
			job.Rows, job.Stated = rows, true
		}
	}
	return job, nil
}

func isTable(text json.RawMessage) bool {
	rows, err := query.ReadRows(text)
	return err == nil && len(rows) > 0
}

// asRows makes a table of a claim: a single value is one cell, a list one
// column.
func asRows(claim json.RawMessage) json.RawMessage {
	text := strings.TrimSpace(string(claim))
	var list []json.RawMessage
	if !strings.HasPrefix(text, "[") || json.Unmarshal(claim, &list) != nil {
		return json.RawMessage("[[" + text + "]]")
	}
	if len(list) > 0 && strings.HasPrefix(strings.TrimSpace(string(list[0])), "[") {
		return claim
	}
	rows := make([]string, len(list))
	for i, value := range list {
		rows[i] = "[" + string(value) + "]"
	}
	return json.RawMessage("[" + strings.Join(rows, ",") + "]")
}
