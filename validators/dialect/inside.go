package dialect

import (
	"context"
	"encoding/json"
	"fmt"

	"assay/validators/query"
	"assay/validators/sandbox"
)

// judgeInside judges a job in a child of the sandbox, once the engine has
// answered its canaries there.
func (e *engine) judgeInside(ctx context.Context, box Sandbox, job query.Job) (query.Outcome, error) {
	if out, ok, err := e.proven(ctx, box); !ok || err != nil {
		return out, err
	}
	return e.askInside(ctx, box, job)
}

// proven sees that the engine is there and has answered its canaries; ok is
// false when the outcome says why it has not. Statements wait for each other
// only here.
func (e *engine) proven(ctx context.Context, box Sandbox) (out query.Outcome, ok bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.wrong != "" {
		return e.suspended(), false, nil
	}
	if e.proved {
		return out, true, nil
	}
	if err := e.find(); err != nil {
		return e.missing(err), false, nil
	}
	for _, c := range e.canaries {
		answer, err := e.askInside(ctx, box, query.Job{SQL: c.sql, Schema: canarySchema, Portable: true, Rows: []byte(c.rows)})
		if err != nil {
			return out, false, err
		}
		if answer.Verdict != c.verdict {
			e.wrong = c.name
			return e.suspended(), false, nil
		}
	}
	e.proved = true
	return out, true, nil
}

// askInside asks a child. One that ended without an answer knows nothing of the
// statement but that.
func (e *engine) askInside(ctx context.Context, box Sandbox, job query.Job) (out query.Outcome, err error) {
	input, err := json.Marshal(job)
	if err != nil {
		return out, fmt.Errorf("write a job for %s: %w", e.name, err)
	}
	r, err := box.Run(ctx, sandbox.Job{Program: e.program.Name, Input: input})
	switch {
	case err != nil:
		return out, err
	case r.End == sandbox.OutOfTime:
		return query.Invalid(string(r.End), fmt.Sprintf("It was not done after %s.", e.program.Limits.Wall)), nil
	case r.End == sandbox.OutOfMemory:
		return query.Invalid(string(r.End), "It needed more memory than a statement may take."), nil
	case r.End == sandbox.TooMuchSaid:
		return query.Invalid(string(r.End), "The result is larger than an answer may be."), nil
	case r.End != sandbox.Done:
		return query.Invalid(string(r.End), e.name+" ended before it had an answer."), nil
	}
	if json.Unmarshal(r.Output, &out) != nil {
		return query.Invalid(string(sandbox.Crashed), e.name+" gave an answer that is none."), nil
	}
	return out, nil
}

// duckdbCanaries are those of every engine, and what reaches out of it.
var duckdbCanaries = append(append([]canary(nil), commonCanaries...),
	canary{"a file", `SELECT * FROM read_csv('/etc/passwd')`, `[["x"]]`, "inconclusive"},
	canary{"an extension", `INSTALL httpfs`, `[["x"]]`, "fail"},
	canary{"a setting", `SET enable_external_access = true`, `[["x"]]`, "fail"},
)
