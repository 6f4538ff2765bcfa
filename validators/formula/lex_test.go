package formula

import (
	"strings"
	"testing"
)

func TestTokensCoverTheText(t *testing.T) {
	for _, text := range []string{
		"", "=", "=SUM(A1:B2, 3)", "='My Sheet'!$A$1 & \"x\"\"y\"", "={1,2;3,4}", "=A1#", "=@A1", "=\"open", "=ß+π·2", "=[Book1.xlsx]Sheet1!A1", "=Sales[[#This Row],[Qty]]",
		"=1:5", "='unclosed", "=#N/A+#REF!", "=\x00\xff", "=“x”", "=_xlfn.LET(_xlpm.x,1,_xlpm.x)", "=A1:B2:C3 D4", "=TRUE()=TRUE", "=1E+3%", "=[", "=}{",
	} {
		end := 0
		for _, token := range Tokens(text, "en-US") {
			if token.Start != end || token.End <= token.Start || text[token.Start:token.End] != token.Text {
				t.Fatalf("%q: token %+v does not follow byte %d", text, token, end)
			}
			end = token.End
		}
		if end != len(text) {
			t.Errorf("%q: the tokens end at %d", text, end)
		}
	}
}

func TestTokenKinds(t *testing.T) {
	want := map[string]TokenKind{
		"SUM": TokenFunction, "A1:B2": TokenReference, "'My Sheet'!$C$3": TokenReference, "1.5E-3": TokenNumber, `"a""b"`: TokenText, "TRUE": TokenBoolean,
		"#DIV/0!": TokenError, "Rate": TokenName, "+": TokenOperator, ",": TokenSeparator, " ": TokenSpace, "Sales[Qty]": TokenReference, "LOG10": TokenFunction, "A:A": TokenReference, "$1:$5": TokenReference, "<>": TokenOperator,
	}
	text := `=SUM(A1:B2,'My Sheet'!$C$3)+1.5E-3+"a""b"+TRUE+#DIV/0!+Rate+Sales[Qty]+ LOG10(A:A)<>$1:$5`
	got := map[string]TokenKind{}
	for _, token := range Tokens(text, "") {
		got[token.Text] = token.Kind
	}
	for piece, kind := range want {
		if got[piece] != kind {
			t.Errorf("%s: want %s, got %q", piece, kind, got[piece])
		}
	}
}

func TestR1C1(t *testing.T) {
	s := Sheet{Notation: "R1C1", Cells: map[string]any{"A1": 1, "A2": 2, "B1": 10, "Y100": 7, "Z99": 8, "Data!B3": 9}}
	holdsIn(t, s, []fact{ // in Z100, which is R100C26
		{"=R1C1+R2C1", 3}, {"=SUM(R1C1:R2C1)", 3}, {"=RC[-1]", 7}, {"=R[-1]C", 8}, {"=SUM(C1)", 3}, {"=SUM(R1)", 11}, {"=Data!R3C2", 9}, {"=r1c2*2", 20}, {"=ROW(RC)", 100}, {"=COLUMN(R[-5]C[-1])", 25}, {"=R[-200]C", "#REF!"}, {"=RC[-1]+LET(x,2,x)", 9},
	})
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"=":              "empty",
		"=SUM(A1":        "never closed",
		"=SUM(A1))":      "closes nothing",
		"=1+":            "missing after",
		"=*2":            "missing before",
		"=1 2":           "operator is missing",
		`="abc`:          "closing quotation mark",
		"=“x”":           "typographic",
		"={1,2;3}":       "equally long",
		"={A1}":          "only constants",
		"={1,2":          "never closed",
		"=A1:5x":         "",
		"=SUM(A1,)+)":    "",
		"=(A1,3)":        "Only references",
		"=1:A1":          "",
		"=IF(A1>1;2;3)x": "",
		"=" + strings.Repeat("ABS(", 65) + "1" + strings.Repeat(")", 65): "64 functions",
		"=SUM(" + strings.Repeat("1,", 256) + "1)":                       "255 arguments",
		"=\"" + strings.Repeat("a", 256) + "\"":                          "255 characters",
		"=" + strings.Repeat("1+", 5000) + "1":                           "8192",
	} {
		_, err := parse(text, american, false)
		if err == nil || !strings.Contains(err.Message, want) {
			t.Errorf("%.40s: want an error with %q, got %v", text, want, err)
		} else if err.Start < 0 || err.End > len(text) || err.Start > err.End {
			t.Errorf("%.40s: the error points outside the text: %d to %d", text, err.Start, err.End)
		}
	}
	if _, err := parse("="+strings.Repeat("(", 2000)+"1"+strings.Repeat(")", 2000), american, false); err == nil || !err.ours {
		t.Errorf("two thousand parentheses: want a limit of ours, got %v", err)
	}
}

func TestParseErrorsPointAtTheirCause(t *testing.T) {
	text := "=SUM(A1:A3)+*B2"
	_, err := parse(text, american, false)
	if err == nil || text[err.Start:err.End] != "*" {
		t.Errorf("want the error at *, got %+v", err)
	}
}
