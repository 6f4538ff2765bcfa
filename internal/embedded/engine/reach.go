package engine

import (
	"slices"
	"strings"
)

// What a statement may name. The engine's grants cover databases and the
// engines and functions that reach out as such (file, url, s3, remote, …);
// these lists cover what its grants do not govern when it runs as a library.

// systemTables are the tables of the system database that may be read. The
// others show what other requests do, the inside of the process, or the
// machine.
var systemTables = []string{
	"build_options", "columns", "data_skipping_indices", "data_type_families", "databases",
	"disks", "formats", "functions", "merge_tree_settings", "merges", "metrics", "mutations", "numbers", "numbers_mt", "one", "parts",
	"parts_columns", "projections", "settings", "table_engines", "table_functions", "tables", "time_zones",
	"view_refreshes", "zeros",
}

// engines are those a table or database may have.
var engines = []string{
	"AggregatingMergeTree", "Atomic", "CollapsingMergeTree", "MaterializedView", "Memory", "MergeTree", "Null",
	"ReplacingMergeTree", "SummingMergeTree", "VersionedCollapsingMergeTree", "View",
}

// formats are those data may come and go in. What is missing reads files for
// its schema, or asks other machines for one.
var formats = []string{
	"Arrow", "ArrowStream", "CSV", "CSVWithNames", "CSVWithNamesAndTypes", "JSON", "JSONColumns",
	"JSONColumnsWithMetadata", "JSONCompact", "JSONCompactColumns", "JSONCompactEachRow",
	"JSONCompactEachRowWithNames", "JSONCompactEachRowWithNamesAndTypes", "JSONCompactStrings", "JSONEachRow",
	"JSONLines", "JSONObjectEachRow", "JSONStrings", "JSONStringsEachRow", "LineAsString", "Markdown", "NDJSON",
	"Native", "Null", "Parquet", "Pretty", "PrettyCompact", "PrettyCompactMonoBlock", "PrettyMonoBlock",
	"PrettySpace", "RawBLOB", "RowBinary", "RowBinaryWithNames", "RowBinaryWithNamesAndTypes", "SQLInsert", "TSKV",
	"TSV", "TSVRaw", "TSVWithNames", "TSVWithNamesAndTypes", "TabSeparated", "TabSeparatedRaw",
	"TabSeparatedWithNames", "TabSeparatedWithNamesAndTypes", "Values", "Vertical", "XML",
}

// fixedSettings are settings no request may change: those that name files or
// addresses, and those that would let text become a statement.
var fixedSettings = []string{
	"allow_archive_path_syntax",
	"allow_experimental_eval_table_function",
	"allow_introspection_functions",
	"engine_file_allow_create_multiple_files",
	"engine_file_truncate_on_insert",
	"format_avro_schema_registry_url",
	"format_schema",
	"format_schema_source",
	"format_template_resultset",
	"format_template_row",
	"input_format_record_errors_file_path",
	"into_outfile_create_parent_directories",
	"log_queries",
	"memory_profiler_step",
	"output_format_schema",
	"query_profiler_cpu_time_period_ns",
	"query_profiler_real_time_period_ns",
	"rename_files_after_processing",
	"url_base",
}

// outward are functions and table functions, in lower case, that read files,
// run programs, ask other machines or models, or make a statement of a text.
// Some are governed by grants as well.
var outward = []string{
	"aiclassify", "aiembed", "aiextract", "aigenerate", "aitranslate", "arrowstream", "catboostevaluate", "cluster",
	"clusterallreplicas", "dictionary", "disk", "eval", "evalmlmethod", "executable", "file", "filecluster", "filesystem",
	"fuzzquery", "getclienthttpheader", "hdfs", "jdbc", "loop", "mongodb", "mysql", "odbc", "postgresql",
	"prometheusquery", "prometheusqueryrange", "python", "redis", "remote", "remotesecure", "s3", "s3cluster",
	"sqlite", "url", "urlcluster", "ytsaurus",
}

// refuseReach refuses a statement that names what is out of reach.
func refuseReach(tokens []token) error {
	for i := range tokens {
		if err := refuseAt(tokens, i); err != nil {
			return err
		}
	}
	if len(tokens) == 0 {
		return nil
	}
	return refuseEngine(tokens)
}

// refuseAt looks at one token and its neighbours.
func refuseAt(tokens []token, i int) error {
	t, next, last := tokens[i], at(tokens, i+1), at(tokens, i-1)
	switch {
	case t.kind == unended:
		return refuse(codeSyntaxError, "Syntax error: a quoted text or a comment does not end")
	case t.odd():
		return refuse(codeSyntaxError, "Syntax error: %q stands where only plain characters may", t.text)
	case t.upper() == "INTO" && next.upper() == "OUTFILE", t.upper() == "FROM" && next.upper() == "INFILE":
		return refuse(codeAccessDenied, "Statements do not read or write files here")
	case isDoorSetting(t.name()):
		return refuse(codeAccessDenied, "The setting %s is not available here", t.text)
	case t.upper() == "SHOW" && next.upper() == "PROCESSLIST":
		return refuse(codeAccessDenied, "What other requests do is not shown here")
	}
	name := t.name()
	if name == "" {
		return nil
	}
	applied := last.upper() == "APPLY" || last.is("(") && at(tokens, i-2).upper() == "APPLY"
	if (next.is("(") || applied) && slices.Contains(outward, strings.ToLower(name)) {
		return refuse(codeAccessDenied, "The function %.64s is not available here", name)
	}
	if strings.EqualFold(name, "system") && next.is(".") {
		if table := at(tokens, i+2).name(); !slices.Contains(systemTables, table) {
			return refuse(codeAccessDenied, "The table system.%.64s is not available here", table)
		}
	}
	return nil
}

// refuseEngine checks the engine a CREATE names: ENGINE [=] name outside of
// brackets and before any query. A second ENGINE there is a column's name.
func refuseEngine(tokens []token) error {
	if first := tokens[0].upper(); first != "CREATE" && first != "REPLACE" {
		return nil
	}
	depth, named := 0, false
	for i, t := range tokens {
		switch {
		case t.is("("):
			depth++
		case t.is(")"):
			depth--
		case depth > 0:
		case isQuery(t):
			return nil
		case t.upper() == "ENGINE":
			engine := at(tokens, i+1)
			if engine.is("=") {
				engine = at(tokens, i+2)
			} else if named {
				continue
			}
			named = true
			if name := engine.name(); !slices.Contains(engines, name) {
				return refuse(codeAccessDenied, "The engine %.64s is not available here", name)
			}
		}
	}
	return nil
}

// withNames puts the values of {parameter:Identifier} where they stand, since
// they are names like any other.
func withNames(tokens []token, parameters []parameter) []token {
	var out []token
	for i := 0; i < len(tokens); i++ {
		if !tokens[i].is("{") || !at(tokens, i+2).is(":") || at(tokens, i+3).upper() != "IDENTIFIER" || !at(tokens, i+4).is("}") {
			out = append(out, tokens[i])
			continue
		}
		for _, p := range parameters {
			if p.name != tokens[i+1].name() {
				continue
			}
			for n, part := range strings.Split(p.value, ".") {
				if n > 0 {
					out = append(out, token{kind: symbol, text: "."})
				}
				out = append(out, token{kind: quotes, text: "`" + part + "`"})
			}
		}
		i += 4
	}
	return out
}

// ours reports whether a database is one of the product's.
func ours(database string) bool { return strings.HasPrefix(database, Database) }

// at is tokens[i], or no token outside of them.
func at(tokens []token, i int) token {
	if i < 0 || i >= len(tokens) {
		return token{kind: symbol}
	}
	return tokens[i]
}
