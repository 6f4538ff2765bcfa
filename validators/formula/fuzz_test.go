package formula

import (
	"context"
	"testing"
	"unicode/utf8"
)

// fuzzSeeds are formulas whose mutations are worth trying.
var fuzzSeeds = []string{
	"=SUM(A1:B2)*-2^3%", `=IF(A1>0,"yes",TEXT(B1,"#,##0.00;[Red](0);-"))`, "={1,\"a\";TRUE,#N/A}", "=LET(f,LAMBDA(x,[y],x+y),MAP(A1:A3,LAMBDA(v,f(v,1))))", "='My Sheet'!A1:INDEX(A:A,3)",
	`=VLOOKUP("b*",A1:C9,2,FALSE)&XLOOKUP(2,{1,2},{3,4},,1,-2)`, "=T[[#This Row],[a]:[b]]+[@c]", "=SORT(UNIQUE(FILTER(A1:A9,A1:A9<>\"\")),,-1)", "=R1C1+RC[-1]", "=(A1,B2) A:A", "=A1#+@B1:B3", `=TEXTSPLIT("a-b;c","-",";",TRUE,1,"")`,
	`=REDUCE(0,SEQUENCE(9),LAMBDA(a,b,a+b))`, `=DATEDIF("2020-1-31",TODAY(),"md")`, "=COUNTIFS(A:A,\">1\",B:B,\"<>~*\")", `=TEXT(0.5,"[h]:mm:ss.00 AM/PM")`, "=MMULT({1,2;3,4},TRANSPOSE({5,6}))", "=IRR({-1,2,3})+YIELD(1,999,0.1,90,100,2)", `=IMSUM("1+2i","j")`, "=OFFSET(A1,-1,0,2)", "=INDIRECT(\"A\"&1)",
	"=AGGREGATE(14,6,A1:A3/B1:B3,1)", "=SUM(Sheet1:Sheet3!A1)", "=SUMME(1;2)", "{=A1:A3}", "=1:3", "=\"", "=[1]x!A", "=$A$1:B$2", "=_xlfn.SINGLE(A1:A2)", "=CONVERT(1,\"km\",\"mi\")",
}

// FuzzCheck: whatever the text, the evaluator ends within small limits, says
// something, and does not fail by a defect of its own.
func FuzzCheck(f *testing.F) {
	for _, seed := range fuzzSeeds {
		f.Add(seed, "A1", "x")
	}
	f.Fuzz(func(t *testing.T, text, cell, held string) {
		in := Input{
			Formula: text, Cell: "D4", Limits: Limits{Steps: 50_000, Bytes: 16 << 20, Depth: 2_000, Calls: 64}, Names: map[string]string{"n": "=A1+1"},
			Cells:  map[string]any{"A1": 1, "A2": held, "A3": true, "B1": "#N/A", "B2": 2.5, "C1": "=A1*2", "S!A1": held, "E1": "a", "E2": 3},
			Tables: []Table{{Name: "T", Ref: "E1:F3"}},
		}
		for _, entered := range []Entered{EnteredEither, EnteredArray} {
			in.Entered = entered
			in.Expected = &Expected{Value: 1.0}
			out := Check(context.Background(), in)
			if out.Verdict == "" || out.Message == "" || out.Reason == ReasonInternal {
				t.Fatalf("%q: %s %s: %s", text, out.Verdict, out.Reason, out.Message)
			}
			for _, finding := range out.Evidence.Findings {
				if finding.Start < 0 || finding.End > len(text) || finding.Start > finding.End {
					t.Fatalf("%q: a finding outside the text: %+v", text, finding)
				}
			}
		}
	})
}

// FuzzTokens: the pieces cover the text, in order, without overlap.
func FuzzTokens(f *testing.F) {
	for _, seed := range fuzzSeeds {
		f.Add(seed, "de-DE")
	}
	f.Fuzz(func(t *testing.T, text, locale string) {
		end := 0
		for _, token := range Tokens(text, locale) {
			if token.Start != end || token.End <= token.Start {
				t.Fatalf("%q: %+v does not follow byte %d", text, token, end)
			}
			end = token.End
		}
		if end != len(text) {
			t.Fatalf("%q: the tokens end at %d of %d", text, end, len(text))
		}
	})
}

// FuzzNumberFormat: TEXT writes something or refuses, for any format.
func FuzzNumberFormat(f *testing.F) {
	for _, seed := range []string{"0.00", "#,##0;(0);-;@", "yyyy-mm-dd hh:mm:ss.000", "[<1]0%;0.0E+0", "# ??/??", "[h]:mm", `"a"\b_c*d@`, "[$€-407]0", "0,,\"M\"", "General"} {
		f.Add(seed, 1234.5678)
		f.Add(seed, -0.5)
	}
	f.Fuzz(func(t *testing.T, format string, number float64) {
		if v := NumberOf(number); v.isNumber() && len(format) < 256 {
			defer func() {
				if r := recover(); r != nil {
					if _, refused := r.(stop); !refused {
						t.Fatalf("%q of %v: %v", format, number, r)
					}
				}
			}()
			text, ok := formatValue(v, format, american, 0)
			if ok && utf8.ValidString(format) && !utf8.ValidString(text) {
				t.Fatalf("%q of %v gives broken text %q", format, number, text)
			}
		}
	})
}
