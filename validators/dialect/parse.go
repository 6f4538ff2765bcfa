package dialect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	pgquery "github.com/pganalyze/pg_query_go/v6"
	parser "github.com/wasilibs/go-pgquery"
	parserfault "github.com/wasilibs/go-pgquery/parser"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"assay/validators/query"
	"assay/validators/sandbox"
)

// ParserMajor is the PostgreSQL whose grammar statements are read by.
const ParserMajor = 17

// parserProgram reads a statement by PostgreSQL's own grammar, in a child of
// the sandbox: it was written in C for people one knows, and here it runs as
// WebAssembly on what a model wrote.
var parserProgram = sandbox.Program{
	Name:   "postgres-parse",
	Limits: sandbox.Limits{Wall: 5 * time.Second, Memory: 768 << 20, Output: 4 << 20},
	Jobs:   500,
	Open: func(sandbox.Files) (sandbox.Work, error) {
		if _, err := parser.Parse("SELECT 1"); err != nil { // makes the machine code, which no child may later
			return nil, err
		}
		return func(_ context.Context, input []byte) ([]byte, error) { return json.Marshal(read(string(input))) }, nil
	},
}

// reading is what a statement's parse tree holds of what matters here. Places
// are bytes.
type reading struct {
	Statements int      `json:"statements"`
	Kind       string   `json:"kind"` // of the first statement's node: "SelectStmt"
	Wrong      string   `json:"wrong,omitempty"`
	WrongAt    int      `json:"wrong_at,omitempty"` // characters, from 1
	Changes    []named  `json:"changes,omitempty"`  // what would change something, wherever it stands
	Calls      []named  `json:"calls,omitempty"`    // functions that are called by name
	Fields     []named  `json:"fields,omitempty"`   // a.f, which is f(a) where a has no column f
	Tables     []named  `json:"tables,omitempty"`   // what FROM names
	With       []string `json:"with,omitempty"`     // names that WITH gives
	Sampled    bool     `json:"sampled,omitempty"`  // other rows each time
}

// named is a name with its place. Schema is what stands before its dot.
type named struct {
	Schema string `json:"schema,omitempty"`
	Name   string `json:"name"`
	At     int    `json:"at"`
	Column bool   `json:"column,omitempty"` // a field that may be a table's column
}

// read parses a statement and walks its tree.
func read(sql string) reading {
	tree, err := parser.Parse(sql)
	var fault *parserfault.Error
	switch {
	case errors.As(err, &fault):
		return reading{Wrong: fault.Message, WrongAt: fault.Cursorpos}
	case err != nil:
		return reading{Wrong: "memory exhausted by its depth"}
	}
	r := reading{Statements: len(tree.Stmts)}
	if len(tree.Stmts) > 0 {
		r.Kind = kindOf(tree.Stmts[0].Stmt)
	}
	for _, s := range tree.Stmts {
		r.walk(s.Stmt.ProtoReflect())
	}
	return r
}

// kindOf is the name of what a node holds.
func kindOf(n *pgquery.Node) string {
	if n == nil || n.Node == nil {
		return ""
	}
	m := n.ProtoReflect()
	field := m.WhichOneof(m.Descriptor().Oneofs().Get(0))
	return string(field.Message().Name())
}

// walk looks at a message and at all within it.
func (r *reading) walk(m protoreflect.Message) {
	r.look(m.Interface())
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.Message() == nil:
		case field.IsList():
			for i := range value.List().Len() {
				r.walk(value.List().Get(i).Message())
			}
		default:
			r.walk(value.Message())
		}
		return true
	})
}

// changing are the nodes that change something, with the word people write.
var changing = map[string]string{"InsertStmt": "INSERT", "UpdateStmt": "UPDATE", "DeleteStmt": "DELETE", "MergeStmt": "MERGE", "IntoClause": "INTO", "LockingClause": "FOR UPDATE"}

func (r *reading) look(m proto.Message) {
	if word := changing[string(m.ProtoReflect().Descriptor().Name())]; word != "" {
		r.Changes = append(r.Changes, named{Name: word})
	}
	switch n := m.(type) {
	case *pgquery.FuncCall:
		r.Calls = append(r.Calls, of(names(n.Funcname), n.Location))
	case *pgquery.RangeVar:
		r.Tables = append(r.Tables, named{Schema: n.Schemaname, Name: n.Relname, At: int(n.Location)})
	case *pgquery.RangeTableSample:
		r.Sampled = r.Sampled || n.Repeatable == nil
	case *pgquery.CommonTableExpr:
		r.With = append(r.With, n.Ctename)
	case *pgquery.ColumnRef:
		if fields := names(n.Fields); len(fields) > 1 {
			field := of(fields, n.Location)
			field.Column = true
			r.Fields = append(r.Fields, field)
		}
	case *pgquery.A_Indirection:
		for _, name := range names(n.Indirection) {
			r.Fields = append(r.Fields, named{Name: name})
		}
	}
}

// names are the texts of a list that holds names; a star or a subscript is none.
func names(list []*pgquery.Node) []string {
	var out []string
	for _, n := range list {
		if s := n.GetString_(); s != nil {
			out = append(out, s.Sval)
		}
	}
	return out
}

func of(parts []string, at int32) named {
	n := named{At: int(at)}
	if len(parts) > 0 {
		n.Name, n.Schema = parts[len(parts)-1], strings.Join(parts[:len(parts)-1], ".")
	}
	return n
}

// readInside has a child read a statement. A refusal is the end of it; any
// other error is infrastructure.
func readInside(ctx context.Context, box Sandbox, sql string) (r reading, err error) {
	if strings.ContainsRune(sql, 0) {
		return r, &query.Refusal{Kind: query.FindSyntax, Words: "there is a zero byte in it"}
	}
	result, err := box.Run(ctx, sandbox.Job{Program: parserProgram.Name, Input: []byte(sql)})
	switch {
	case err != nil:
		return r, err
	case result.End == sandbox.OutOfTime:
		return r, &query.Refusal{Kind: query.ReasonTime, Words: parserProgram.Limits.Wall.String()}
	case result.End != sandbox.Done:
		return r, &query.Refusal{Kind: query.ReasonComplex, Words: "it is nested too deeply to be read"}
	}
	if err := json.Unmarshal(result.Output, &r); err != nil {
		return r, fmt.Errorf("read a statement's tree: %w", err)
	}
	return r, nil
}
