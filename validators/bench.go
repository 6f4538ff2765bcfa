package validators

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync"

	"assay/validators/code"
	"assay/validators/dialect"
	"assay/validators/sandbox"
)

// Trial is one kind of check as a bench drives it: the same inputs in the
// sandbox and, beside it, on the bare engine in this very process. The inputs
// are the product's own; nothing else ever runs bare.
type Trial struct {
	Name   string
	inputs []trialInput
	v      Validator
	set    *Set
	bare   *bare
}

type trialInput struct{ artifact, expected, want string }

// Guarded judges the i-th input in the sandbox.
func (t Trial) Guarded(ctx context.Context, i int) error { return t.judge(ctx, t.set, i) }

// Bare judges the i-th input without it.
func (t Trial) Bare(ctx context.Context, i int) error {
	return t.judge(ctx, &Set{validators: t.set.validators, box: t.bare, engines: t.set.engines}, i)
}

func (t Trial) judge(ctx context.Context, set *Set, i int) error {
	in := t.inputs[i%len(t.inputs)]
	v, err := set.Check(ctx, t.v, Input{Artifact: json.RawMessage(in.artifact), Expected: json.RawMessage(in.expected)})
	if err == nil && v.Verdict != in.want {
		err = fmt.Errorf("%s: want %s, got %s, %s: %s", t.Name, in.want, v.Verdict, v.Reason, v.Message)
	}
	return err
}

// Trials are the kinds that this machine has the engines for, on a sandbox for
// so many jobs at once. Close ends the children.
func Trials(at dialect.Config, atOnce int) (trials []Trial, closeAll func()) {
	engines := dialect.Open(at)
	config := sandbox.Config{Programs: programs(at), AtClose: engines.Close, AtOnce: atOnce, Reads: readsOfChildren(at)}
	children := sandbox.Open(config)
	set := newSet(children, engines)
	beside := &bare{programs: map[string]sandbox.Program{}, work: map[string]sandbox.Work{}}
	for _, p := range programs(at) {
		beside.programs[p.Name] = p
	}
	add := func(name, validator string, inputs ...trialInput) {
		v, err := set.Named(validator)
		if err != nil {
			panic(err) // a name of ours
		}
		trials = append(trials, Trial{Name: name, inputs: inputs, v: v, set: set, bare: beside})
	}
	add("formula", "formula", trialFormulas()...)
	add("sql, sqlite", "sql", trialQueries()...)
	add("text", "text", trialInput{`{"kind":"text","response":"Sales grew by 25 % to 1.25 million [1].","context":["Sales were 1,250,000 after 1,000,000 a year before."]}`, "", Pass})
	for _, program := range trialPrograms {
		if l, ok := code.Named(program.language); ok && l.Missing() == nil {
			add("code, "+program.language, "code", program.input())
		}
	}
	return trials, children.Close
}

// trialFormulas are everyday formulas over six rows.
func trialFormulas() []trialInput {
	var list []trialInput
	for _, text := range []string{`=SUM(B2:B6)*1.19`, `=VLOOKUP(\"Lemons\",A2:C6,3,FALSE)`, `=SUMIFS(C2:C6,A2:A6,\"*s\",B2:B6,\">0.2\")`, `=INDEX(C2:C6,MATCH(MAX(B2:B6),B2:B6,0))`, `=SUMPRODUCT((A2:A6=\"Pears\")*C2:C6)`} {
		list = append(list, trialInput{`{"kind":"formula","formula":"` + text + `","cell":"E9","cells":{"A2":"Apples","A3":"Bananas","A4":"Lemons","A5":"Oranges","A6":"Pears","B2":0,"B3":0.25,"B4":0.5,"B5":0.75,"B6":1,"C2":0,"C3":10,"C4":20,"C5":30,"C6":40}}`, "", Pass})
	}
	return list
}

// trialQueries are everyday queries over two small tables.
func trialQueries() []trialInput {
	const schema = `CREATE TABLE orders(id INTEGER PRIMARY KEY, customer INT, total REAL); CREATE TABLE customers(id INTEGER PRIMARY KEY, name TEXT);` +
		` INSERT INTO customers VALUES (1,'Ada'),(2,'Ben'),(3,'Cem'); INSERT INTO orders VALUES (1,1,10.5),(2,1,20),(3,2,7.25),(4,3,99)`
	query := func(sql, rows string) trialInput {
		return trialInput{fmt.Sprintf(`{"kind":"sql","dialect":"sqlite","sql":%q,"schema":%q}`, sql, schema), `{"rows":` + rows + `}`, Pass}
	}
	return []trialInput{
		query(`SELECT name, sum(total) FROM orders JOIN customers ON customers.id = customer GROUP BY name`, `[["Ada",30.5],["Ben",7.25],["Cem",99]]`),
		query(`SELECT count(*) FROM orders WHERE total > 10`, `[[3]]`),
		query(`SELECT name FROM customers WHERE id NOT IN (SELECT customer FROM orders WHERE total > 50)`, `[["Ada"],["Ben"]]`),
	}
}

type trialProgram struct{ language, code, tests string }

func (p trialProgram) input() trialInput {
	return trialInput{fmt.Sprintf(`{"kind":"code","language":%q,"code":%q,"entry_point":"add"}`, p.language, p.code), fmt.Sprintf(`{"tests":%q}`, p.tests), Pass}
}

var trialPrograms = []trialProgram{
	{"python", "def add(a, b):\n    return a + b", "assert add(1, 2) == 3\nassert add('a', 'b') == 'ab'"},
	{"javascript", "const add = (a, b) => a + b", "console.assert(add(1, 2) === 3)"},
	{"bash", "add() { echo $(( $1 + $2 )); }", "[[ $(add 1 2) == 3 ]] || exit 1"},
}

// bare runs the same work as a child would, in this process.
type bare struct {
	programs map[string]sandbox.Program
	mu       sync.Mutex
	work     map[string]sandbox.Work
}

func (*bare) Capabilities(context.Context) (sandbox.Capabilities, error) {
	return sandbox.Capabilities{Tier: "bare engine"}, nil
}

func (b *bare) Run(ctx context.Context, job sandbox.Job) (sandbox.Result, error) {
	work, err := b.open(ctx, job.Program)
	if err != nil {
		return sandbox.Result{}, err
	}
	out, err := work(ctx, job.Input)
	return sandbox.Result{End: sandbox.Done, Output: out}, err
}

// open prepares a program's work once, as a child does before it is locked down.
func (b *bare) open(ctx context.Context, name string) (sandbox.Work, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if work := b.work[name]; work != nil {
		return work, nil
	}
	p, ok := b.programs[name]
	if !ok {
		return nil, errors.New("there is no program " + name)
	}
	files := sandbox.Files{}
	if p.Prepare != nil {
		paths, err := p.Prepare(ctx)
		if err != nil {
			return nil, err
		}
		for file, path := range paths {
			if files[file], err = os.Open(path); err != nil {
				return nil, err
			}
		}
	}
	work, err := p.Open(files)
	debug.SetGCPercent(100) // engines switch it off for the short life of a child
	if err == nil {
		b.work[name] = work
	}
	return work, err
}
