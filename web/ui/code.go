package ui

import (
	"cmp"
	"context"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Code is source that somebody wrote, coloured by Tokens and marked where a
// validator found trouble. Tokens and Marks count bytes of Text.
type Code struct {
	Text   string
	Tokens []Token
	Marks  []CodeMark
	Well   bool // on sunken ground, as a block of its own
	Small  bool // 12/18
	Inline bool
}

// Token is a run of one kind: "function", "string", "number", "reference" or
// "comment".
type Token struct {
	Start, End int
	Kind       string
}

// CodeMark underlines a part: Bad where it fails, Ok where a person mended it.
type CodeMark struct {
	Start, End int
	Tone       Tone
}

func (c Code) Render(ctx context.Context, w io.Writer) error { return drawn(ctx, w, c.Draw()) }

type codeRun struct{ text, class string }

// runs cuts the text at every edge of a token or mark.
func (c Code) runs() []codeRun {
	cuts := []int{0, len(c.Text)}
	for _, t := range c.Tokens {
		cuts = append(cuts, t.Start, t.End)
	}
	for _, m := range c.Marks {
		cuts = append(cuts, m.Start, m.End)
	}
	slices.Sort(cuts)
	var all []codeRun
	start := 0
	for _, at := range slices.Compact(cuts) {
		if at <= start || at > len(c.Text) || at < len(c.Text) && !utf8.RuneStart(c.Text[at]) {
			continue
		}
		all = append(all, codeRun{c.Text[start:at], c.classAt(start, at)})
		start = at
	}
	return all
}

func (c Code) classAt(start, end int) string {
	var classes []string
	for _, t := range c.Tokens {
		if t.Start <= start && t.End >= end && slices.Contains(tokenKinds, t.Kind) {
			classes = append(classes, "c-"+t.Kind)
			break
		}
	}
	for _, m := range c.Marks {
		if m.Start <= start && m.End >= end {
			classes = append(classes, "marked "+toneWash(cmp.Or(m.Tone, Bad)))
			break
		}
	}
	return strings.Join(classes, " ")
}

var tokenKinds = []string{"function", "string", "number", "reference", "comment"}

// grammar finds the tokens of one language: the first named group that
// matched says the kind.
type grammar struct {
	expression *regexp.Regexp
	keywords   []string
}

var (
	formulaGrammar = grammar{expression: regexp.MustCompile(
		`(?P<string>"(?:[^"]|"")*")` +
			`|(?P<reference>(?:(?:'[^']+'|[A-Za-z_][\w.]*)!)?\$?[A-Za-z]{1,3}\$?[0-9]{1,7}(?::\$?[A-Za-z]{1,3}\$?[0-9]{1,7})?\b)` +
			`|(?P<function>[A-Za-z_][\w.]*)\s*\(` +
			`|(?P<number>\b[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\b)`)}
	sqlGrammar = grammar{
		expression: regexp.MustCompile(
			`(?P<comment>--[^\n]*|/\*[\s\S]*?\*/)` +
				`|(?P<string>'(?:[^']|'')*')` +
				`|(?P<number>\b[0-9]+(?:\.[0-9]+)?\b)` +
				`|\.(?P<reference>[A-Za-z_]\w*)\b` +
				`|(?P<word>[A-Za-z_]\w*)`),
		keywords: strings.Fields(`select from where group by order having join left right inner outer full cross on using as and or not in is null like ilike between exists case when then else end distinct union all intersect except with recursive limit offset insert into values update set delete create table view index primary key references count sum avg min max round coalesce cast extract date interval desc asc over partition rows filter returning true false`),
	}
	codeGrammar = grammar{
		expression: regexp.MustCompile(
			`(?P<comment>#[^\n]*|//[^\n]*|/\*[\s\S]*?\*/)` +
				"|(?P<string>\"\"\"[\\s\\S]*?\"\"\"|\"(?:[^\"\\\\\\n]|\\\\.)*\"|'(?:[^'\\\\\\n]|\\\\.)*'|`[^`]*`)" +
				`|(?P<number>\b[0-9]+(?:\.[0-9]+)?\b)` +
				`|(?P<word>[A-Za-z_]\w*)`),
		keywords: strings.Fields(`def return if elif else for while in not and or is None True False import from as class try except finally raise with lambda yield async await pass break continue func var const type struct interface map range go defer select switch case default package nil true false function let new this null undefined typeof instanceof of then fi do done esac export local echo`),
	}
)

// Tokens colours source by its kind: "formula", "sql", or anything else as
// code. It is a reader's help, never a parser: what it does not know stays
// plain, and no text is lost.
func Tokens(kind, text string) []Token {
	g := codeGrammar
	switch kind {
	case "formula":
		g = formulaGrammar
	case "sql":
		g = sqlGrammar
	}
	var all []Token
	names := g.expression.SubexpNames()
	for _, match := range g.expression.FindAllStringSubmatchIndex(text, -1) {
		for i := 1; i < len(names); i++ {
			start, end := match[2*i], match[2*i+1]
			if start < 0 {
				continue
			}
			if t := (Token{start, end, names[i]}); t.Kind != "word" {
				all = append(all, t)
			} else if slices.Contains(g.keywords, text[start:end]) || slices.Contains(g.keywords, strings.ToLower(text[start:end])) {
				all = append(all, Token{start, end, "function"})
			}
			break
		}
	}
	return all
}
