package duckdb

import (
	"strings"
	"testing"

	"assay/validators/query"
)

func TestWhatTheEngineSays(t *testing.T) {
	for text, want := range map[string]query.Refusal{
		`{"exception_type":"Binder","exception_message":"Table \"o\" does not have a column named \"amount\"\n\nCandidate bindings: : \"total\"","position":"9"}`: {Kind: query.FindColumn, Name: "o.amount", Start: 9},
		`Parser Error: {"exception_type":"Parser","exception_message":"syntax error at end of input","position":"26"}`:                                            {Kind: query.FindSyntax, Start: 26},
		`{"exception_type":"Catalog","exception_message":"Scalar Function with name summ does not exist!\nDid you mean \"sum\"?"}`:                                {Kind: query.FindFunction, Name: "summ"},
		`{"exception_type":"Out of Memory","exception_message":"failed to allocate"}`:                                                                             {Kind: query.ReasonMemory},
		`{"exception_type":"Permission","exception_message":"Scanning CSV files is disabled through configuration"}`:                                              {Kind: query.ReasonNotHere},
		`{"exception_type":"Conversion","exception_message":"Could not convert string 'a' to INT32"}`:                                                             {Kind: query.ReasonRefused},
		`no words`: {Kind: query.ReasonRefused},
	} {
		var got query.Refusal
		(&said{text: text}).explain(&got, queryTakes)
		if got.Words == "" || strings.ContainsAny(got.Words, "{\n") {
			t.Errorf("%s: words for people, got %q", text, got.Words)
		}
		if got.Kind != want.Kind || got.Name != want.Name || got.Start != want.Start {
			t.Errorf("%s: want %+v, got %+v", text, want, got)
		}
	}
}

func TestAQuestionIsAskedAsText(t *testing.T) {
	got := asText("SELECT id, placed_on FROM orders -- all\n;;", []column{{kind: kindBig}, {kind: 13}})
	if want := "SELECT c0, CAST(c1 AS VARCHAR) FROM (\nSELECT id, placed_on FROM orders -- all\n\n) AS asked(c0, c1)"; got != want {
		t.Errorf("want %q, got %q", want, got)
	}
}
