package redact

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"assay/internal/fault"
)

// Rule is one of the operator's own: each of Words, and what Pattern matches,
// becomes [NAME]. A rule has words or a pattern, not both.
//
// Words are found as whole words, whatever their case; a space in one stands
// for any stretch of space. A pattern is RE2 within one line, and cannot be
// made slow: it has no repetition without an end, so that what it looks at is
// bounded (mostWidth), and what all rules of a policy may cost for a byte of
// text is bounded too (mostSteps).
type Rule struct {
	Name    string   `json:"name"` // capitals, digits, underscores: EMPLOYEE_ID
	Words   []string `json:"words,omitempty"`
	Pattern string   `json:"pattern,omitempty"`
}

// The bounds of an operator's rules.
const (
	MostRules        = 50
	MostWords        = 500 // of all rules together
	MostWordBytes    = 100
	MostPatternBytes = 200
	mostWidth        = 200    // characters that one match may have
	mostSteps        = 10_000 // of all rules: instructions of a pattern times its width
)

// rule is a Rule made ready. pattern is nil for one of words.
type rule struct {
	kind    Kind
	pattern *regexp.Regexp
	words   *[256][]string // by their first byte in either case, the longest first
	steps   int
}

var ruleName = regexp.MustCompile(`^[A-Z][A-Z0-9_]{1,39}$`)

func compileRules(rules []Rule) ([]rule, error) {
	if len(rules) > MostRules {
		return nil, fault.Say(fault.Invalid, "A policy has at most %d rules; these are %d.", MostRules, len(rules))
	}
	var ready []rule
	words, steps := 0, 0
	for _, r := range rules {
		compiled, err := r.compile()
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(ready, func(other rule) bool { return other.kind == compiled.kind }) {
			return nil, fault.Say(fault.Invalid, "There are two rules named %s. Give one of them another name.", r.Name)
		}
		ready = append(ready, compiled)
		words, steps = words+len(r.Words), steps+compiled.steps
	}
	if words > MostWords {
		return nil, fault.Say(fault.Invalid, "The rules have %d words; together they may have %d.", words, MostWords)
	}
	if steps > mostSteps {
		return nil, fault.Say(fault.Invalid, "Together the patterns would take too long to look for. Make their repetitions narrower: {1,8} in place of {1,80}.")
	}
	return ready, nil
}

func (r Rule) compile() (rule, error) {
	compiled := rule{kind: Kind(r.Name)}
	switch {
	case !ruleName.MatchString(r.Name):
		return rule{}, fault.Say(fault.Invalid, "The rule name %q is not written in 2 to 40 capitals, digits and underscores, as EMPLOYEE_ID is.", r.Name)
	case slices.Contains(Kinds, compiled.kind):
		return rule{}, fault.Say(fault.Invalid, "The rule name %q belongs to the product.", r.Name)
	case r.Pattern != "" && len(r.Words) > 0:
		return rule{}, fault.Say(fault.Invalid, "Rule %s has both words and a pattern. Make two rules of it.", r.Name)
	case r.Pattern != "":
		return compiled, compiled.setPattern(r.Name, r.Pattern)
	}
	return compiled, compiled.setWords(r.Name, r.Words)
}

func (r *rule) setPattern(name, pattern string) error {
	if len(pattern) > MostPatternBytes {
		return fault.Say(fault.Invalid, "The pattern of rule %s is longer than %d bytes.", name, MostPatternBytes)
	}
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return fault.Say(fault.Invalid, "The pattern of rule %s cannot be read: %s.", name, patternTrouble(err))
	}
	width, bounded := widest(parsed)
	if !bounded {
		return fault.Say(fault.Invalid, "The pattern of rule %s can run on without an end. Write a bound, {1,40}, in place of * or +.", name)
	}
	if width > mostWidth {
		return fault.Say(fault.Invalid, "The pattern of rule %s can match %d characters; %d is the most.", name, width, mostWidth)
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return fault.Say(fault.Invalid, "The pattern of rule %s cannot be read.", name)
	}
	r.steps = len(program.Inst) * width
	if r.steps > mostSteps {
		return fault.Say(fault.Invalid, "The pattern of rule %s would take too long to look for. Make its repetitions narrower: {1,8} in place of {1,80}.", name)
	}
	r.pattern = regexp.MustCompile(pattern)
	if r.pattern.MatchString("") {
		return fault.Say(fault.Invalid, "The pattern of rule %s matches nothing at all, so it would match everywhere.", name)
	}
	return nil
}

// patternTrouble says what is wrong with a pattern in words of ours.
func patternTrouble(err error) string {
	var wrong *syntax.Error
	if !errors.As(err, &wrong) {
		return "it is no RE2 pattern"
	}
	words := map[syntax.ErrorCode]string{
		syntax.ErrInvalidPerlOp: "looking ahead or behind is not in RE2", syntax.ErrMissingParen: "a parenthesis is not closed",
		syntax.ErrUnexpectedParen: "a parenthesis closes that was not opened", syntax.ErrMissingBracket: "a bracket [ is not closed",
		syntax.ErrInvalidCharRange: "a range runs backwards", syntax.ErrTrailingBackslash: "it ends in a backslash",
		syntax.ErrMissingRepeatArgument: "a repetition has nothing before it", syntax.ErrInvalidRepeatSize: "a repetition is too large",
		syntax.ErrInvalidRepeatOp: "two repetitions stand in a row", syntax.ErrInvalidEscape: "RE2 does not know this escape (nor references back)",
		syntax.ErrInvalidUTF8: "it is not valid text", syntax.ErrNestingDepth: "it is nested too deep", syntax.ErrLarge: "it is too large",
	}
	trouble := cmp.Or(words[wrong.Code], "it is no RE2 pattern")
	if wrong.Expr != "" && utf8.ValidString(wrong.Expr) && len(wrong.Expr) <= 40 {
		trouble += fmt.Sprintf(", at %q", wrong.Expr)
	}
	return trouble
}

// widest is how many characters a match can have, if that has a bound.
func widest(re *syntax.Regexp) (n int, bounded bool) {
	switch re.Op {
	case syntax.OpStar, syntax.OpPlus:
		return 0, false
	case syntax.OpLiteral:
		return len(re.Rune), true
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return 1, true
	case syntax.OpRepeat:
		inner, bounded := widest(re.Sub[0])
		return inner * re.Max, bounded && re.Max >= 0
	}
	for _, sub := range re.Sub {
		inner, bounded := widest(sub)
		if !bounded {
			return 0, false
		}
		if re.Op == syntax.OpAlternate {
			n = max(n, inner)
		} else {
			n += inner
		}
	}
	return n, true
}

func (r *rule) setWords(name string, words []string) error {
	if len(words) == 0 {
		return fault.Say(fault.Invalid, "Rule %s has neither words nor a pattern.", name)
	}
	r.words = new([256][]string)
	for _, word := range words {
		word = strings.Join(strings.Fields(word), " ")
		if n := utf8.RuneCountInString(word); n < 2 || len(word) > MostWordBytes || !utf8.ValidString(word) {
			return fault.Say(fault.Invalid, "A word of rule %s has fewer than 2 characters or more than %d bytes.", name, MostWordBytes)
		}
		if strings.ContainsAny(word, "[]") {
			return fault.Say(fault.Invalid, "A word of rule %s has a square bracket, which is how redacted text is marked.", name)
		}
		first, _ := utf8.DecodeRuneInString(word)
		for b := range leadBytes(first) {
			r.words[b] = append(r.words[b], word)
		}
	}
	for b, list := range r.words {
		slices.SortFunc(list, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
		r.words[b] = slices.Compact(list)
	}
	return nil
}

// leadBytes are the bytes with which a letter begins in any of its cases.
func leadBytes(r rune) map[byte]bool {
	bytes := map[byte]bool{}
	for c, first := r, true; first || c != r; c, first = unicode.SimpleFold(c), false {
		bytes[string(c)[0]] = true
	}
	return bytes
}

// ownRules finds what the operator's rules name.
func (z *scanner) ownRules() {
	for _, r := range z.p.rules {
		if r.pattern == nil {
			z.ownWords(r)
			continue
		}
		for _, at := range r.pattern.FindAllStringIndex(z.s, -1) {
			if at[0] < at[1] {
				z.spans = append(z.spans, span{start: at[0], end: at[1], kind: r.kind})
			}
		}
	}
}

func (z *scanner) ownWords(r rule) {
	inside := false // the character before is of a word
	for i := 0; i < len(z.s); {
		n, isWord := 1, isAlnum(z.s[i]) || z.s[i] == '_'
		if z.s[i] >= utf8.RuneSelf {
			var c rune
			c, n = utf8.DecodeRuneInString(z.s[i:])
			isWord = partOfWord(c)
		}
		if candidates := r.words[z.s[i]]; candidates != nil && !(inside && isWord) {
			if length := longestWord(z.s[i:], candidates); length > 0 {
				z.spans = append(z.spans, span{start: i, end: i + length, kind: r.kind})
			}
		}
		inside = isWord
		i += n
	}
}

// longestWord returns how much of the start of s the first of the words that
// stands there takes, or 0.
func longestWord(s string, words []string) int {
	for _, word := range words {
		n := foldedPrefix(s, word)
		if n == 0 {
			continue
		}
		last, _ := utf8.DecodeLastRuneInString(word)
		next, size := utf8.DecodeRuneInString(s[n:])
		if size == 0 || !partOfWord(last) || !partOfWord(next) {
			return n
		}
	}
	return 0
}

func partOfWord(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

// foldedPrefix returns how many bytes of s read as word, whatever the case
// and the width of its spaces.
func foldedPrefix(s, word string) int {
	at := 0
	for _, want := range word {
		got, n := utf8.DecodeRuneInString(s[at:])
		switch {
		case n == 0:
			return 0
		case want == ' ' && unicode.IsSpace(got):
			for n > 0 && unicode.IsSpace(got) {
				at += n
				got, n = utf8.DecodeRuneInString(s[at:])
			}
			continue
		case got != want && unicode.ToLower(got) != unicode.ToLower(want) && unicode.ToUpper(got) != unicode.ToUpper(want):
			return 0
		}
		at += n
	}
	return at
}
