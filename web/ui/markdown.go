package ui

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extended "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// What a model or a user wrote is often Markdown. A page draws it without
// losing a sign of it: the text is cut into runs, in order and without gaps,
// and each run knows what stands around it. The signs of the markup itself are
// runs as well, hidden while the text is rendered and shown as written. So
// both ways to read are one document, and a place in the text is the same
// place in both.
//
// The subset is small on purpose: emphasis, lists, headings, quotes, code,
// tables and rules. A link is its words with its address beside them and leads
// nowhere, an image is its words, HTML is text.

// run is a piece of a text, in bytes, with what stands around it.
type run struct {
	start, end int
	around     []frame
	kind       runKind
	token      string // of code: "string", "number"
}

type runKind int

const (
	spoken runKind = iota
	markup         // signs of it, hidden while the text is rendered
	aside          // no words of the sentence, but never hidden: the address of a link, the language of code
)

// frame is an element around runs. Runs of the same node share it.
type frame struct {
	node        ast.Node
	open, close string
	inline      bool
}

// What is drawn as Markdown at most; longer, deeper or busier texts are shown
// as written, which is always right.
const (
	maxRendered = 200_000 // bytes
	maxNested   = 12      // frames around a run
	maxMarkers  = 24      // signs of quotes and lists before a line
	maxPairs    = 4_000   // signs of emphasis, links and code in one paragraph
	maxRuns     = 6_000
)

// markdown cuts a text into runs; false when it is to be shown as written,
// because nothing in it is markup or because it is out of bounds.
func markdown(source string) ([]run, bool) {
	if len(source) > maxRendered || !strings.ContainsAny(source, "*_`#>|~-+=[1234567890") || !bounded(source) {
		return nil, false
	}
	w := runner{source: []byte(source), was: -1}
	w.blocks(markdownParser().Parse(text.NewReader(w.source)), nil)
	w.rest()
	if w.deep || len(w.runs) > maxRuns || !w.rich {
		return nil, false
	}
	return w.runs, true
}

// bounded refuses what would make the parser slow: lines that begin with many
// signs of quotes and lists, paragraphs with very many signs that look for
// their partner.
func bounded(source string) bool {
	pairs := 0
	for line := range strings.Lines(source) {
		blank := strings.TrimSpace(line) == ""
		if blank {
			pairs = 0
			continue
		}
		markers := 0
		for i := 0; i < len(line) && strings.IndexByte(" \t>-+*.)0123456789", line[i]) >= 0; i++ {
			if strings.IndexByte(">-+*.)", line[i]) >= 0 && !repeats(line, i) {
				markers++
			}
		}
		pairs += strings.Count(line, "*") + strings.Count(line, "_") + strings.Count(line, "[") + strings.Count(line, "`") + strings.Count(line, "~") + strings.Count(line, "|")
		if markers > maxMarkers || pairs > maxPairs {
			return false
		}
	}
	return true
}

// repeats says that a sign is the same as the one before it, as in a rule.
func repeats(line string, i int) bool {
	return i > 0 && line[i] == line[i-1] && line[i] != '>'
}

// markdownParser reads the subset: no HTML, no references, no code by
// indentation, no addresses that become links by themselves.
var markdownParser = sync.OnceValue(func() parser.Parser {
	return parser.NewParser(
		parser.WithBlockParsers(
			util.Prioritized(parser.NewSetextHeadingParser(), 100),
			util.Prioritized(parser.NewThematicBreakParser(), 200),
			util.Prioritized(parser.NewListParser(), 300),
			util.Prioritized(parser.NewListItemParser(), 400),
			util.Prioritized(parser.NewATXHeadingParser(), 600),
			util.Prioritized(parser.NewFencedCodeBlockParser(), 700),
			util.Prioritized(parser.NewBlockquoteParser(), 800),
			util.Prioritized(parser.NewParagraphParser(), 1000),
		),
		parser.WithInlineParsers(
			util.Prioritized(parser.NewCodeSpanParser(), 100),
			util.Prioritized(parser.NewLinkParser(), 200),
			util.Prioritized(parser.NewEmphasisParser(), 500),
			util.Prioritized(extension.NewStrikethroughParser(), 500),
		),
		parser.WithParagraphTransformers(util.Prioritized(extension.NewTableParagraphTransformer(), 200)),
	)
})

// runner walks the parsed text and keeps its runs in order.
type runner struct {
	source []byte
	runs   []run
	at     int  // what is before it is in runs
	was    int  // index of the last run of words; -1: none
	broken bool // the line ends after the last run, within a paragraph
	rich   bool // there is something to render
	deep   bool // nested beyond the bound
}

func (w *runner) within(around []frame, node ast.Node, open, close string, inline bool) []frame {
	if len(around) >= maxNested {
		w.deep = true
		return around
	}
	if open != "<p>" {
		w.rich = true
	}
	return append(slices.Clip(around), frame{node, open, close, inline})
}

func (w *runner) blocks(parent ast.Node, around []frame) {
	for node := parent.FirstChild(); node != nil && !w.deep; node = node.NextSibling() {
		w.block(node, around)
	}
}

func (w *runner) block(node ast.Node, around []frame) {
	in := func(open, close string) []frame { return w.within(around, node, open, close, false) }
	switch n := node.(type) {
	case *ast.Paragraph:
		w.inlines(n, in("<p>", "</p>"))
	case *ast.Heading:
		w.inlines(n, in(`<div class="heading h`+strconv.Itoa(n.Level)+`">`, "</div>"))
	case *ast.List:
		if n.IsOrdered() {
			w.blocks(n, in("<ol>", "</ol>"))
		} else {
			w.blocks(n, in("<ul>", "</ul>"))
		}
	case *ast.ListItem:
		inside := in("<li>", "</li>")
		w.blocks(n, inside)
		if n.FirstChild() == nil {
			w.empty(inside)
		}
	case *ast.Blockquote:
		w.blocks(n, in("<blockquote>", "</blockquote>"))
	case *ast.FencedCodeBlock:
		w.code(n, in("<pre>", "</pre>"))
	case *ast.ThematicBreak:
		w.empty(in("<hr>", ""))
	case *extended.Table:
		w.table(n, in(`<div class="scroll" tabindex="0" role="group" aria-label="Table"><table>`, "</table></div>"))
	default: // a text block: the words of a tight list
		w.inlines(n, around)
	}
}

func (w *runner) table(table *extended.Table, around []frame) {
	body := w.within(around, table, "<tbody>", "</tbody>", false)
	for row := table.FirstChild(); row != nil; row = row.NextSibling() {
		inside, cell := body, [2]string{"<td>", "</td>"}
		if _, head := row.(*extended.TableHeader); head {
			inside, cell = w.within(around, row.FirstChild(), "<thead>", "</thead>", false), [2]string{`<th scope="col">`, "</th>"}
		}
		inside = w.within(inside, row, "<tr>", "</tr>", false)
		for node := row.FirstChild(); node != nil; node = node.NextSibling() {
			in := w.within(inside, node, cell[0], cell[1], false)
			w.inlines(node, in)
			if node.FirstChild() == nil {
				w.empty(in)
			}
		}
	}
}

// code takes the lines of a block of code, coloured by its language.
func (w *runner) code(block *ast.FencedCodeBlock, around []frame) {
	lines := block.Lines()
	if lines.Len() == 0 {
		return
	}
	first, last := lines.At(0).Start, lines.At(lines.Len()-1).Stop
	tokens := Tokens(codeKind(string(block.Language(w.source))), string(w.source[first:last]))
	for i := range lines.Len() {
		line := lines.At(i)
		at := line.Start
		for len(tokens) > 0 && first+tokens[0].Start < line.Stop {
			t := tokens[0]
			start, end := max(at, first+t.Start), min(line.Stop, first+t.End)
			w.add(at, start, around, "")
			w.add(start, end, around, t.Kind)
			at = max(at, end)
			if first+t.End > line.Stop {
				break // goes on in the next line
			}
			tokens = tokens[1:]
		}
		w.add(at, line.Stop, around, "")
	}
}

// codeKind is the kind of source that Tokens knows, by the word after a fence.
func codeKind(language string) string {
	switch strings.ToLower(language) {
	case "sql", "postgresql", "postgres", "mysql", "sqlite", "clickhouse", "duckdb":
		return "sql"
	case "excel", "xlsx", "formula", "sheets":
		return "formula"
	}
	return "code"
}

func (w *runner) inlines(parent ast.Node, around []frame) {
	for node := parent.FirstChild(); node != nil && !w.deep; node = node.NextSibling() {
		in := func(open, close string) []frame { return w.within(around, node, open, close, true) }
		switch n := node.(type) {
		case *ast.Text:
			w.add(n.Segment.Start, n.Segment.Stop, around, "")
			w.broken = n.SoftLineBreak() || n.HardLineBreak()
		case *ast.CodeSpan:
			w.inlines(n, in("<code>", "</code>"))
		case *ast.Emphasis:
			if n.Level == 1 {
				w.inlines(n, in("<em>", "</em>"))
			} else {
				w.inlines(n, in("<strong>", "</strong>"))
			}
		case *extended.Strikethrough:
			w.inlines(n, in("<s>", "</s>"))
		case *ast.Link:
			w.inlines(n, in(`<span class="named">`, "</span>"))
		case *ast.Image:
			w.inlines(n, in(`<span class="named picture">`, "</span>"))
		default:
			w.inlines(n, around)
		}
	}
}

// add takes source[start:end] as words, and what lies before it as what it is.
func (w *runner) add(start, end int, around []frame, token string) {
	if start = max(start, w.at); end <= start {
		return
	}
	w.between(start, around)
	w.runs = append(w.runs, run{start, end, around, spoken, token})
	w.at, w.was, w.broken = end, len(w.runs)-1, false
}

// empty draws an element that has no words: a cell, a rule.
func (w *runner) empty(around []frame) {
	w.runs = append(w.runs, run{w.at, w.at, around, spoken, ""})
	w.was, w.broken = len(w.runs)-1, false
}

// rest takes what is left at the end.
func (w *runner) rest() { w.between(len(w.source), nil) }

// between takes what lies between two runs of words. What is on the line of
// the first belongs to it, what comes after to the second.
func (w *runner) between(end int, next []frame) {
	gap := w.source[w.at:end]
	if len(gap) == 0 {
		return
	}
	before, own := outer(next), len(gap)
	if w.was >= 0 {
		before = outer(w.runs[w.was].around)
		if at := bytes.IndexByte(gap, '\n'); at >= 0 && w.broken {
			w.breakLine(gap[:at+1], before, next)
			gap = gap[at+1:]
			if len(outer(next)) <= 1 { // what indents a line of a plain paragraph is the writer's
				indent := len(gap) - len(bytes.TrimLeft(gap, " \t"))
				w.piece(indent, outer(next), spoken)
				gap = gap[indent:]
			}
			own = 0
		} else if at >= 0 {
			own = at
		}
	} else {
		own = 0
	}
	w.signs(gap[:own], before)
	w.signs(gap[own:], outer(next))
}

// breakLine keeps the end of a line within a paragraph, and what indents the
// next where nothing but a paragraph is around.
func (w *runner) breakLine(gap []byte, before, next []frame) {
	at := w.at
	w.signs(gap[:len(gap)-1], before)
	w.at = at + len(gap)
	w.runs = append(w.runs, run{w.at - 1, w.at, outer(next), spoken, ""})
}

// markupSigns are what a gap may hide; anything else in it is shown.
const markupSigns = "*_~`#>|-+=:[]!\\ \t\r\n"

// signs takes a gap: signs of markup are hidden, the rest is shown beside.
func (w *runner) signs(gap []byte, around []frame) {
	shown := bytes.TrimLeft(gap, markupSigns)
	head := len(gap) - len(shown)
	tail := len(shown) - len(bytes.TrimRight(shown, "*_~`|\r\n"))
	w.piece(head, around, markup)
	w.piece(len(shown)-tail, around, aside)
	w.piece(tail, around, markup)
}

func (w *runner) piece(length int, around []frame, kind runKind) {
	if length == 0 {
		return
	}
	w.runs = append(w.runs, run{w.at, w.at + length, around, kind, ""})
	w.at += length
	w.rich = w.rich || kind == aside
}

// outer are the blocks around a run, without what stands in its line.
func outer(around []frame) []frame {
	for i, f := range around {
		if f.inline {
			return around[:i]
		}
	}
	return around
}

// stair opens and closes what stands around runs as they come.
type stair []frame

func (s *stair) to(b *strings.Builder, around []frame) {
	same := 0
	for same < len(*s) && same < len(around) && (*s)[same] == around[same] {
		same++
	}
	for _, f := range slices.Backward((*s)[same:]) {
		b.WriteString(f.close)
	}
	for _, f := range around[same:] {
		b.WriteString(f.open)
	}
	*s = around
}
