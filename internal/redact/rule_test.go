package redact_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"assay/internal/fault"
	"assay/internal/redact"
)

func withRules(t testing.TB, rules ...redact.Rule) *redact.Policy {
	t.Helper()
	p, err := redact.Assay(salt).With(3, rules)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRulesOfOnesOwnStandBesideTheKinds(t *testing.T) {
	p := withRules(t,
		redact.Rule{Name: "EMPLOYEE_ID", Pattern: `\bE-\d{5}\b`},
		redact.Rule{Name: "PROJECT", Words: []string{"Night Heron", "bluebird", "Straße", "Blue"}},
	)
	if want := "assay-pii-v1+v3"; p.Name() != want {
		t.Errorf("want the version in the name %s, got %s", want, p.Name())
	}
	for _, c := range []struct{ in, want string }{
		{"E-12345 wrote to ada@example.com", "[EMPLOYEE_ID] wrote to [EMAIL]"},
		{"E-123456 is another number", "E-123456 is another number"},
		{"NIGHT  heron, Bluebird; bluebirds stay", "[PROJECT], [PROJECT]; bluebirds stay"},
		{"night\theron and nightheron", "[PROJECT] and nightheron"},
		{"in der STRASSE, in der straße", "in der STRASSE, in der [PROJECT]"},
		{"bluebird@example.com, /home/bluebird/plan.txt", "[EMAIL], [PATH:" + pathID(p, "/home/bluebird/plan.txt") + "]"},
		{"Ｂｌｕｅｂｉｒｄ, blue\u200bbird, &#98;luebird", "[PROJECT], [PROJECT], [PROJECT]"},
		{"Ｅ－１２３４５ and E-123\u200b45", "[EMPLOYEE_ID] and [EMPLOYEE_ID]"},
		{"[PROJECT] and [EMPLOYEE_ID] stay", "[PROJECT] and [EMPLOYEE_ID] stay"},
		{"blue bluebird blue", "[PROJECT] [PROJECT] [PROJECT]"},
	} {
		if got := first(p.Text(c.in)); got != c.want {
			t.Errorf("%q\nwant %q\n got %q", c.in, c.want, got)
		}
	}
	got, _, err := p.JSON([]byte(`{"bluebird":"E-12345","args":"{\"who\":\"night heron\"}"}`))
	if want := `{"[PROJECT]":"[EMPLOYEE_ID]","args":"{\"who\":\"[PROJECT]\"}"}`; err != nil || string(got) != want {
		t.Errorf("want %s, got %s (%v)", want, got, err)
	}
}

func TestARuleThatCannotBeIsRefusedInWords(t *testing.T) {
	many := make([]redact.Rule, redact.MostRules+1)
	for i := range many {
		many[i] = redact.Rule{Name: fmt.Sprintf("RULE_%d", i), Words: []string{"word"}}
	}
	words := make([]string, redact.MostWords+1)
	for i := range words {
		words[i] = fmt.Sprintf("word%d", i)
	}
	wide := make([]redact.Rule, 20)
	for i := range wide {
		wide[i] = redact.Rule{Name: fmt.Sprintf("WIDE_%d", i), Pattern: `x[a-z]{1,40}`}
	}
	for _, c := range []struct {
		rules []redact.Rule
		says  string
	}{
		{[]redact.Rule{{Name: "lower", Pattern: "x"}}, "capitals"},
		{[]redact.Rule{{Name: "EMAIL", Pattern: "x"}}, "belongs to the product"},
		{[]redact.Rule{{Name: "OPEN", Pattern: "(a"}}, "a parenthesis is not closed"},
		{[]redact.Rule{{Name: "AHEAD", Pattern: "a(?=b)"}}, "looking ahead"},
		{[]redact.Rule{{Name: "BACK", Pattern: `(a)\1`}}, "references back"},
		{[]redact.Rule{{Name: "STAR", Pattern: "xa*"}}, "without an end"},
		{[]redact.Rule{{Name: "PLUS", Pattern: "(a+)+$"}}, "without an end"},
		{[]redact.Rule{{Name: "LEAST", Pattern: "a{3,}"}}, "without an end"},
		{[]redact.Rule{{Name: "WIDE", Pattern: "a{201}"}}, "can match 201 characters"},
		{[]redact.Rule{{Name: "HUGE", Pattern: "((a{10}){10}){10}"}}, "can match 1000 characters"},
		{[]redact.Rule{{Name: "SLOW", Pattern: "(?:.{0,150}y|x)"}}, "too long to look for"},
		{wide, "too long to look for"},
		{[]redact.Rule{{Name: "LONG", Pattern: strings.Repeat("a", 201)}}, "longer than 200 bytes"},
		{[]redact.Rule{{Name: "EMPTY", Pattern: "x{0,3}"}}, "matches nothing at all"},
		{[]redact.Rule{{Name: "NONE"}}, "neither words nor a pattern"},
		{[]redact.Rule{{Name: "BOTH", Pattern: "a", Words: []string{"bb"}}}, "both words and a pattern"},
		{[]redact.Rule{{Name: "SHORT", Words: []string{"a"}}}, "fewer than 2 characters"},
		{[]redact.Rule{{Name: "TOKEN", Words: []string{"[EMAIL]"}}}, "square bracket"},
		{[]redact.Rule{{Name: "TWICE", Pattern: "a"}, {Name: "TWICE", Pattern: "b"}}, "two rules named"},
		{[]redact.Rule{{Name: "MANY", Words: words}}, "together they may have 500"},
		{many, "at most 50 rules"},
	} {
		_, err := redact.Assay(nil).With(1, c.rules)
		if !errors.Is(err, fault.Invalid) || !strings.Contains(fault.Words(err), c.says) {
			t.Errorf("%.60v: want invalid with %q, got %v", c.rules, c.says, err)
		}
	}
}

// What fits the bounds is fast enough on a text made against it.
func TestRulesOfOnesOwnTakeLinearTime(t *testing.T) {
	for name, c := range map[string]struct {
		rule redact.Rule
		text string
	}{
		"looking far for nothing": {redact.Rule{Name: "FAR", Pattern: "(?:.{0,60}y|x)"}, strings.Repeat("x", 40_000)},
		"following its tokens":    {redact.Rule{Name: "LAST", Pattern: `a\b`}, strings.Repeat("a", 40_000)},
		"widening its tokens":     {redact.Rule{Name: "WX", Pattern: `(?:a\[WX\]|z)`}, strings.Repeat("a", 40_000) + "z"},
		"words alike":             {redact.Rule{Name: "ALIKE", Words: alike()}, strings.Repeat("aaaa aaab ", 4_000)},
		"spaces":                  {redact.Rule{Name: "SPACES", Words: []string{"a b", "a c"}}, strings.Repeat("a ", 10) + strings.Repeat(" ", 40_000)},
	} {
		p := withRules(t, c.rule)
		began := time.Now()
		check(t, p, c.text)
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s: 40 KB took %v", name, took)
		} else {
			t.Logf("%s: 40 KB took %v", name, took)
		}
	}
}

func alike() []string {
	var words []string
	for i := range redact.MostWords {
		words = append(words, fmt.Sprintf("aaaa aaa%da", i))
	}
	return words
}

func FuzzOwnRules(f *testing.F) {
	for _, s := range seeds {
		f.Add(s, `E-\d{5}`, "Night Heron")
		f.Add(s+" E-12345 night heron", `\b[A-Z]-\d{1,5}$`, "ada")
	}
	f.Fuzz(func(t *testing.T, text, pattern, word string) {
		p, err := redact.Assay(salt).With(1, []redact.Rule{{Name: "PATTERN", Pattern: pattern}, {Name: "WORDS", Words: []string{word}}})
		if err != nil {
			if fault.Words(err) == "" {
				t.Fatalf("%q, %q: refused without words: %v", pattern, word, err)
			}
			return
		}
		check(t, p, text)
	})
}
