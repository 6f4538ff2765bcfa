package formula

import (
	"strings"
	"testing"
)

// finds checks that a formula in a cell gives exactly the kinds of findings, and
// that each points at the text named after the colon.
func finds(t *testing.T, s Sheet, cell, text string, want ...string) {
	t.Helper()
	book, err := Open(s)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range book.Findings(t.Context(), cell, text) {
		if f.Message == "" {
			t.Errorf("%s: a finding without words: %+v", text, f)
		}
		got = append(got, f.Kind+": "+text[f.Start:f.End])
	}
	if strings.Join(got, " | ") != strings.Join(want, " | ") {
		t.Errorf("%s in %s:\nwant %v\ngot  %v", text, cell, want, got)
	}
}

func TestFindings(t *testing.T) {
	s := Sheet{
		Cells: map[string]any{
			"A1": 10, "A2": 20, "A3": 30, "B1": "x", "B2": "7", "B3": "y", "E1": 0.19, "Data!A1": 1,
			"C1": "=A1*$E$1", "C2": "=A2*$E$1", "H1": "Qty", "H2": 3,
		},
		Tables: []Table{{Name: "Sales", Ref: "H1:H2"}},
		Names:  map[string]string{"Rate": "=$E$1"},
	}
	finds(t, s, "D1", "=SUM(A1:A3)")
	finds(t, s, "D1", "=SUM(A1:A3", "parse_error: (")
	finds(t, s, "D1", "=AVG(A1:A3)", "unknown_function: AVG")
	finds(t, s, "D1", "=A9+1", "empty_cell: A9")
	finds(t, s, "D1", "=SUM(K1:K9)", "empty_cell: K1:K9")
	finds(t, s, "D1", "=ROW(K1)+ISBLANK(K2)")
	finds(t, s, "D1", "=Nope!A1+Data!A1", "missing_sheet: Nope!A1")
	finds(t, s, "D1", "=Rate+Tax+LET(x,1,x)", "unknown_name: Tax")
	finds(t, s, "D1", "=Sales[Qty]+Sales[Cost]", "unknown_name: Sales[Cost]")
	finds(t, s, "D1", "=SUMIFS(A1:A3,B1:B2,\"x\")", "range_size: B1:B2")
	finds(t, s, "D1", "=SUMIF(B1:B3,\"x\",A1:A2)", "range_size: A1:A2")
	finds(t, s, "D1", "=SUM(B1:B3)", "text_number: B1:B3")
	finds(t, s, "D1", "=VLOOKUP(1)", "argument_count: VLOOKUP")
	finds(t, s, "C3", "=A3*$E$1")
	finds(t, s, "C3", "=A3*E3", "empty_cell: E3", "reference_slip: E3")
	finds(t, s, "C3", "=A2*$E$1", "reference_slip: A2")
	finds(t, s, "C3", "=A3*0.19", "constant_for_reference: 0.19")
	finds(t, s, "G9", "=A3*0.19", "constant_for_reference: 0.19")
	finds(t, s, "G9", "=A3*2")
}

func TestNearestFunction(t *testing.T) {
	for name, want := range map[string]string{
		"VLOKUP": "VLOOKUP", "SUMFI": "SUMIF", "XLOOKUPS": "XLOOKUP", "AVG": "AVERAGE", "CONCATNATE": "CONCATENATE", "COUNTIFF": "COUNTIF", "SUBSTR": "MID", "IFEROR": "IFERROR", "QQQQQQQQQQQQ": "",
	} {
		if got := nearestFunction(name); got != want {
			t.Errorf("%s: want %q, got %q", name, want, got)
		}
	}
}

func TestTraceSaysWhatCounted(t *testing.T) {
	s := Sheet{Cells: map[string]any{"A1": 1, "A2": "x", "A3": 3, "B1": 10, "B2": 20, "B3": 30}}
	trace := func(formula string) string {
		var b strings.Builder
		for _, r := range Evaluate(t.Context(), s, "D1", formula).Trace {
			b.WriteString(r.Ref)
			if !r.Counted {
				b.WriteByte('-')
			}
			b.WriteByte(' ')
		}
		return strings.TrimSpace(b.String())
	}
	for formula, want := range map[string]string{
		"=SUM(A1:A3)":                 "A1 A2- A3",
		"=A1+B2":                      "A1 B2",
		`=COUNTIF(A1:A3,">1")`:        "A1- A2- A3",
		`=SUMIFS(B1:B3,A1:A3,">0")`:   "B1 B3",
		`=VLOOKUP("x",A1:B3,2,FALSE)`: "A2 B2",
		"=IF(A1=1,B1,B2)":             "A1 B1",
		"=AVERAGE(A1:A3,B1)":          "A1 A2- A3 B1",
	} {
		got := strings.Join(filtered(trace(formula), want), " ")
		if got != want {
			t.Errorf("%s: want %q, got %q", formula, want, trace(formula))
		}
	}
}

// filtered keeps of a trace the cells that want names, counted or not; a lookup
// may look at more.
func filtered(trace, want string) []string {
	var out []string
	for _, word := range strings.Fields(trace) {
		cell := strings.TrimSuffix(word, "-")
		for _, w := range strings.Fields(want) {
			if strings.TrimSuffix(w, "-") == cell {
				out = append(out, word)
			}
		}
	}
	return out
}
