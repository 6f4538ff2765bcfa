package ui

import (
	"math"
	"reflect"
	"strings"
	"testing"
)

func TestSentences(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{"One.", []string{"One."}},
		{"One. Two! Three?", []string{"One. ", "Two! ", "Three?"}},
		{"It is 4.2, e.g. from A1. Next one", []string{"It is 4.2, e.g. from A1. ", "Next one"}},
		{"Dr. Who said so. Yes.", []string{"Dr. Who said so. ", "Yes."}},
		{"First line\nSecond line\n\n", []string{"First line\n", "Second line\n\n"}},
		{"Größe: 5. Ältere Werte.", []string{"Größe: 5. ", "Ältere Werte."}},
		{"no end", []string{"no end"}},
		{"   ", []string{"   "}},
		{"“Quoted.” After it.", []string{"“Quoted.” ", "After it."}},
	} {
		var got []string
		at := 0
		for _, s := range Sentences(c.text) {
			got = append(got, s.Text)
			if s.Start != at || s.End-s.Start != len([]rune(s.Text)) {
				t.Errorf("%q: sentence %q lies at %d to %d", c.text, s.Text, s.Start, s.End)
			}
			at = s.End
		}
		if strings.Join(got, "") != c.text {
			t.Errorf("%q lost something: %q", c.text, got)
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q is %q, want %q", c.text, got, c.want)
		}
	}
}

func FuzzSentences(f *testing.F) {
	for _, seed := range []string{"One. Two.", "a.b.c", "…", "1. 2. 3.", "\n\n.\n", "“x.” y", "e.g. X"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.ToValidUTF8(text, "?")
		var b strings.Builder
		for _, s := range Sentences(text) {
			b.WriteString(s.Text)
		}
		if b.String() != text {
			t.Errorf("%q became %q", text, b.String())
		}
	})
}

func TestPieces(t *testing.T) {
	got := pieces("abcdef", 10, []Marked{{Start: 12, End: 14, Letter: "a"}, {Start: 15, End: 30, Letter: "b", Tone: Mid}})
	want := []piece{{text: "ab"}, {text: "cd", marked: true, tone: Bad, letter: "a"}, {text: "e"}, {text: "f", marked: true, tone: Mid}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestTokens(t *testing.T) {
	for _, c := range []struct{ kind, text, want string }{
		{"formula", `=SUMIFS(E2:E10,">500")+12`, `function:SUMIFS reference:E2:E10 string:">500" number:12`},
		{"formula", `='My Sheet'!$A$1&"a""b"`, `reference:'My Sheet'!$A$1 string:"a""b"`},
		{"sql", "SELECT o.total -- sum\nFROM t WHERE a = 'x'", "function:SELECT reference:total comment:-- sum function:FROM function:WHERE string:'x'"},
		{"code", "def f(x):\n    return \"a # b\" # why", `function:def function:return string:"a # b" comment:# why`},
	} {
		var got []string
		for _, token := range Tokens(c.kind, c.text) {
			got = append(got, token.Kind+":"+c.text[token.Start:token.End])
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s %q: %q, want %q", c.kind, c.text, strings.Join(got, " "), c.want)
		}
	}
}

func TestCodeRunsLoseNothing(t *testing.T) {
	text := "=SUM(Ä1,\"€\")"
	c := Code{Text: text, Tokens: Tokens("formula", text), Marks: []CodeMark{{5, 6, Bad}, {8, 400, Ok}, {-3, 2, Ok}}}
	var b strings.Builder
	for _, r := range c.runs() {
		b.WriteString(r.text)
	}
	if b.String() != text {
		t.Errorf("got %q, want %q", b.String(), text)
	}
}

func TestDiff(t *testing.T) {
	d := DiffOf("one\ntwo\nthree\nfour\nfive\nsix\n", "one\ntwo\n2b\nthree\nfour\nfive\nSix", 1)
	var got []string
	for _, l := range d.Lines {
		got = append(got, string(l.Op)+l.Text)
	}
	want := []string{"…1 equal line", " two", "+2b", " three", "…1 equal line", " five", "-six", "+Six"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if d.Changes() != "+2 −1" {
		t.Errorf("changes are %q", d.Changes())
	}
	if last := d.Lines[len(d.Lines)-1]; last.Old != 0 || last.New != 7 {
		t.Errorf("the last line is numbered %d, %d", last.Old, last.New)
	}
	if same := DiffOf("a\nb", "a\nb", 3); same.Changes() != "+0 −0" {
		t.Errorf("equal texts have changes %q", same.Changes())
	}
}

func TestCompareMarksOnlyWhatDiffers(t *testing.T) {
	row := func(cells ...string) GridRow {
		var r GridRow
		for _, c := range cells {
			r.Cells = append(r.Cells, Cell{Text: c})
		}
		return r
	}
	c := Compare{Left: Grid{Rows: []GridRow{row("a", "1"), row("b", "2")}}, Right: Grid{Rows: []GridRow{row("a", "1"), row("b", "3"), row("c", "4")}}}
	d := c.Differ()
	if d.Left.Rows[0].Cells[1].Wrong || !d.Left.Rows[1].Cells[1].Wrong || !d.Right.Rows[2].Cells[0].Wrong {
		t.Errorf("marked %+v and %+v", d.Left.Rows, d.Right.Rows)
	}
	if c.Left.Rows[1].Cells[1].Wrong {
		t.Error("the results themselves were changed")
	}
}

func TestAxis(t *testing.T) {
	a := Axis{0, .14}
	for x, want := range map[float64]float64{0: 0, .07: 50, .14: 100, .2: 100, -1: 0} {
		if got := a.at(x); math.Abs(got-want) > 1e-9 {
			t.Errorf("%v is at %v, want %v", x, got, want)
		}
	}
	if got := a.at(math.NaN()); got != 0 {
		t.Errorf("not known is at %v", got)
	}
	if got := (Axis{}).at(3); got != 0 {
		t.Errorf("on an empty axis it is at %v", got)
	}
}

func TestLinesBreakWhereNothingIsKnown(t *testing.T) {
	got := linePath([]xy{{0, 1, true}, {1, 2, true}, {2, 0, false}, {3, 4, true}})
	if want := "M0 1L1 2M3 4"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRebind(t *testing.T) {
	for _, c := range []struct {
		keys Keymap
		act  Act
		key  string
		ok   bool
	}{
		{nil, ActSkip, "w", true},
		{nil, ActSkip, "Shift+W", true},
		{nil, ActSkip, "g x", true},
		{nil, ActSkip, "l", false},      // later has it
		{nil, ActSkip, "Tab", false},    // the browser's
		{nil, ActSkip, "/", false},      // the browser's search
		{nil, ActSkip, "g", false},      // starts sequences
		{nil, ActSkip, "F2", false},     // no letter
		{nil, ActSubmitAny, "q", false}, // fixed
		{nil, "fly", "q", false},
		{Keymap{ActLater: "w"}, ActSkip, "l", true},
		{Keymap{ActLater: "w"}, ActSkip, "w", false},
	} {
		if why := c.keys.Rebind(c.act, c.key); (why == "") != c.ok {
			t.Errorf("%s to %q with %v: %q", c.act, c.key, c.keys, why)
		}
	}
	if got := (Keymap{ActSkip: "w"}).Key(ActSkip); got != "w" {
		t.Errorf("rebound skip has %q", got)
	}
}

func TestNoDefaultKeyIsThereTwice(t *testing.T) {
	var keys Keymap
	for i, a := range Bindings {
		for _, b := range Bindings[i+1:] {
			if a.Act != "" && b.Act != "" && clash(keys.Key(a.Act), keys.Key(b.Act)) {
				t.Errorf("%s and %s share %s", a.Act, b.Act, keys.Key(a.Act))
			}
		}
		if strings.ContainsAny(a.Key, "@€{}[]\\|~") {
			t.Errorf("%s needs AltGr on some keyboards", a.Key)
		}
	}
}

func TestMarkOfEveryWord(t *testing.T) {
	for _, word := range []string{"correct", "partially_correct", "hallucinated", "cannot_tell", "pass", "fail", "inconclusive", "page", "warn", "ticket",
		"blocked", "evaluating", "violation_under_review", "failed", "ready", "approved", "rejected", "promoted", "revoked"} {
		if MarkOf(word) == "" {
			t.Errorf("%s has no mark", word)
		}
	}
	if DecisionMark("inconclusive") != MarkEvaluating || MarkOf("inconclusive") != MarkInconclusive {
		t.Error("inconclusive is a lozenge for a gate and a square for a machine")
	}
}
