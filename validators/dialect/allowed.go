package dialect

import (
	"slices"
	"strings"
	"unicode/utf8"

	"assay/validators/query"
)

// kindWords are the words people write for statements that are no question, by
// their nodes. The others are named by their node.
var kindWords = map[string]string{"InsertStmt": "INSERT", "UpdateStmt": "UPDATE", "DeleteStmt": "DELETE", "MergeStmt": "MERGE", "TruncateStmt": "TRUNCATE", "DropStmt": "DROP",
	"CreateStmt": "CREATE", "CreateTableAsStmt": "CREATE", "ViewStmt": "CREATE VIEW", "IndexStmt": "CREATE INDEX", "CreateFunctionStmt": "CREATE FUNCTION", "CreateExtensionStmt": "CREATE EXTENSION",
	"CreateRoleStmt": "CREATE ROLE", "CreatedbStmt": "CREATE DATABASE", "AlterTableStmt": "ALTER", "AlterRoleStmt": "ALTER ROLE", "AlterSystemStmt": "ALTER SYSTEM", "AlterRoleSetStmt": "ALTER ROLE",
	"CopyStmt": "COPY", "VariableSetStmt": "SET", "VariableShowStmt": "SHOW", "TransactionStmt": "a transaction", "DoStmt": "DO", "CallStmt": "CALL", "PrepareStmt": "PREPARE",
	"ExecuteStmt": "EXECUTE", "DeallocateStmt": "DEALLOCATE", "GrantStmt": "GRANT", "GrantRoleStmt": "GRANT", "LockStmt": "LOCK", "LoadStmt": "LOAD", "ListenStmt": "LISTEN",
	"NotifyStmt": "NOTIFY", "UnlistenStmt": "UNLISTEN", "VacuumStmt": "VACUUM", "ReindexStmt": "REINDEX", "ClusterStmt": "CLUSTER", "CheckPointStmt": "CHECKPOINT",
	"DeclareCursorStmt": "DECLARE", "FetchStmt": "FETCH", "ClosePortalStmt": "CLOSE", "DiscardStmt": "DISCARD", "RefreshMatViewStmt": "REFRESH", "CommentStmt": "COMMENT",
	"SecLabelStmt": "SECURITY LABEL", "RenameStmt": "RENAME", "DropdbStmt": "DROP DATABASE", "DropRoleStmt": "DROP ROLE", "ImportForeignSchemaStmt": "IMPORT"}

// allowed holds a statement's tree against what one question may be: one SELECT,
// VALUES or EXPLAIN of these, nothing in it that changes something, no table of
// the server's own, and of the server's functions those on the list. The
// refusal is nil when it may be run.
func (d *postgresTables) allowed(sql string, r reading) (random bool, refusal *query.Refusal) {
	switch {
	case r.Wrong != "":
		return false, d.unread(sql, r)
	case r.Statements == 0:
		return false, &query.Refusal{Kind: query.ReasonNothing}
	case r.Statements > 1:
		return false, &query.Refusal{Kind: query.FindStatements}
	case r.Kind != "SelectStmt" && r.Kind != "ExplainStmt":
		word := kindWords[r.Kind]
		if word == "" {
			word = strings.ToUpper(strings.TrimSuffix(r.Kind, "Stmt"))
		}
		return false, &query.Refusal{Kind: query.ReasonNoQuery, Words: "something else (" + word + ")"}
	case len(r.Changes) > 0:
		return false, &query.Refusal{Kind: query.ReasonNoQuery, Words: "a change (" + r.Changes[0].Name + ")"}
	}
	random = r.Sampled
	for _, call := range slices.Concat(r.Calls, r.Fields) {
		if call.Column && d.column(call.Name) {
			continue
		}
		if may, exists := d.server.functions[call.Name]; exists && !may || call.Schema != "" && !call.Column && call.Schema != "pg_catalog" && call.Schema != "public" {
			return false, &query.Refusal{Kind: query.ReasonNotHere, Words: "the function " + call.Name + " is not on the list of those it may call", Start: call.At, End: call.At + len(call.Name)}
		}
		random = random || volatileFunctions[call.Name]
	}
	for _, table := range r.Tables {
		if d.ofTheServer(table, r.With) {
			return false, &query.Refusal{Kind: query.ReasonNotHere, Words: "the table " + table.Name + " is the server's own", Start: table.At, End: table.At + len(table.Name)}
		}
	}
	return random, nil
}

// unread is a statement the grammar has no reading of. A newer server may have
// one.
func (d *postgresTables) unread(sql string, r reading) *query.Refusal {
	at := 0
	for range max(0, r.WrongAt-1) {
		_, size := utf8.DecodeRuneInString(sql[min(at, len(sql)):])
		at += size
	}
	switch {
	case strings.HasPrefix(r.Wrong, "memory exhausted"), strings.HasPrefix(r.Wrong, "stack depth"):
		return &query.Refusal{Kind: query.ReasonComplex, Words: clipped(r.Wrong)}
	case d.server.major > ParserMajor:
		return &query.Refusal{Kind: query.ReasonNotHere, Words: "its grammar is not known here (" + clipped(r.Wrong) + ")", Start: at}
	}
	return &query.Refusal{Kind: query.FindSyntax, Words: clipped(r.Wrong), Start: at}
}

// column reports whether some table of the job has a column of this name.
func (d *postgresTables) column(name string) bool {
	for _, columns := range d.schema {
		if slices.Contains(columns, name) {
			return true
		}
	}
	return false
}

// ofTheServer reports whether FROM names a table that the job did not make: a
// catalog, which tells of the server and not of the data.
func (d *postgresTables) ofTheServer(table named, with []string) bool {
	if table.Schema == "information_schema" {
		return false
	}
	if table.Schema == "pg_catalog" || strings.HasPrefix(table.Schema, "pg_") {
		return true
	}
	_, made := d.schema[table.Name]
	return table.Schema == "" && strings.HasPrefix(table.Name, "pg_") && !made && !slices.Contains(with, table.Name)
}
