package ui

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/net/html"
)

// drawnProse is a text as a page draws it to be judged, and the same read back.
func drawnProse(t testing.TB, text string, spans ...Marked) (drawn string, read *html.Node) {
	t.Helper()
	m := Message{Sentences: Sentences(text), Marking: true, Markdown: true, Spans: spans}
	var b strings.Builder
	if err := m.prose().Render(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	read, err := html.Parse(strings.NewReader("<!DOCTYPE html><div>" + b.String() + "</div>"))
	if err != nil {
		t.Fatal(err)
	}
	return b.String(), read
}

// allowed are the elements and attributes that foreign text may become.
var allowed = map[string][]string{
	"html": nil, "head": nil, "body": nil, "p": nil, "ul": nil, "ol": nil, "li": nil, "blockquote": nil, "pre": nil, "hr": nil, "em": nil, "strong": nil, "s": nil, "code": nil,
	"table": nil, "thead": nil, "tbody": nil, "tr": nil, "td": nil, "th": {"scope"},
	"div": {"class", "tabindex", "role", "aria-label"}, "span": {"class", "data-start", "data-end", "data-more"}, "sup": {"aria-hidden"}, "mark": {"class"}, "bdi": {"class", "data-code"},
	"input": {"type", "class", "name", "value", "id", "aria-label", "checked"},
}

// readBack is the text without the numbers of its sentences; it reports what
// foreign text must not become.
func readBack(t testing.TB, n *html.Node) string {
	t.Helper()
	var b strings.Builder
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		switch n.Type {
		case html.TextNode:
			b.WriteString(n.Data)
		case html.ElementNode:
			may, ok := allowed[n.Data]
			if !ok {
				t.Errorf("became <%s>", n.Data)
			}
			for _, a := range n.Attr {
				if !slices.Contains(may, a.Key) {
					t.Errorf("<%s> has %s=%q", n.Data, a.Key, a.Val)
				}
			}
			if n.Data == "sup" {
				return
			}
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	walk(n)
	return b.String()
}

// asRead is what a parser of HTML makes of a text, whoever wrote it.
func asRead(text string) string { return strings.ReplaceAll(text, "\x00", "\uFFFD") }

const answerInMarkdown = "# Sums\n\nThe sum is **12**, *not* 10, see [the sheet](https://evil.example/a?b=c \"x\").\nNext line ~~gone~~ `=SUM(A1)`.\n\n" +
	"- one\n- two\n  1. deep\n  2. deeper\n\n7. seven\n\n> said\n> again\n\n```sql\nSELECT 'a' -- why\nFROM t\n```\n\n" +
	"| n | who |\n|---|:-:|\n| 1 | a **b** |\n|  | c |\n\n---\n\n![chart](https://evil.example/x.png) <b>no</b> <script>alert(1)</script> [x](javascript:alert(1))\n\n[ref]: https://evil.example/ref\n"

func TestMarkdownIsDrawnAndNothingOfItIsLost(t *testing.T) {
	drawn, read := drawnProse(t, answerInMarkdown)
	if got := readBack(t, read); got != answerInMarkdown {
		t.Errorf("reads\n%q\nwant\n%q", got, answerInMarkdown)
	}
	for _, want := range []string{`class="heading h1"`, "<strong>", "<em>", "<s>", "<code>", "<ul><li>", "<ol><li>", "<blockquote><p>", "<pre>", `<th scope="col">`, "<td>", "<hr>", `class="sentence c-string"`, `class="sentence c-comment"`, `class="sentence c-function"`} {
		if !strings.Contains(drawn, want) {
			t.Errorf("no %s", want)
		}
	}
	shown := visible(read)
	for _, want := range []string{
		"The sum is 12, not 10, see the sheet(https://evil.example/a?b=c \"x\").\nNext line gone =SUM(A1).", // the address is beside the words
		"7. seven", "1. deep", "sql", "chart(https://evil.example/x.png)", "<b>no</b> <script>alert(1)</script>", "x(javascript:alert(1))", "[ref]: https://evil.example/ref",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("%q is not shown in\n%s", want, shown)
		}
	}
	for _, not := range []string{"**", "~~", "```", "|", "# Sums"} {
		if strings.Contains(shown, not) {
			t.Errorf("the signs %s are shown in\n%s", not, shown)
		}
	}
}

// visible is what is on screen while the text is rendered.
func visible(n *html.Node) string {
	if n.Type == html.TextNode {
		return n.Data
	}
	for _, a := range n.Attr {
		if a.Key == "class" && slices.Contains(strings.Fields(a.Val), "markup") {
			return ""
		}
	}
	if n.Data == "sup" {
		return ""
	}
	var b strings.Builder
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		b.WriteString(visible(c))
	}
	return b.String()
}

// Every fragment says where it stands in the text as written.
func TestFragmentsOfMarkdownKnowTheirPlace(t *testing.T) {
	text := "## Größe 😀\n\nA **bold e\u0301 one. Two** of `x`.\r\n\n- מספר **שלוש** כאן.\n"
	points := []rune(text)
	_, read := drawnProse(t, text)
	next := 0
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		start, end, is := 0, 0, false
		for _, a := range n.Attr {
			switch a.Key {
			case "data-start":
				fmt.Sscan(a.Val, &start)
				is = true
			case "data-end":
				fmt.Sscan(a.Val, &end)
			}
		}
		if is {
			if start != next || end < start || end > len(points) {
				t.Fatalf("a fragment has %d to %d after %d", start, end, next)
			}
			next = end
			inside := strings.TrimLeft(readBack(t, n), "0123456789")
			if want := string(points[start:end]); readBack(t, n) != want && inside != want {
				t.Errorf("%d to %d holds %q, want %q", start, end, readBack(t, n), want)
			}
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	walk(read)
	if next != len(points) {
		t.Errorf("the fragments end at %d of %d", next, len(points))
	}
}

func TestMarksGoThroughMarkup(t *testing.T) {
	text := "One **bold two** three."
	drawn, _ := drawnProse(t, text, Marked{Start: 6, End: 22, Letter: "a", Tone: Bad})
	if n := strings.Count(drawn, "<mark"); n != 3 {
		t.Errorf("want the mark in three fragments, got %d in %s", n, drawn)
	}
	if n := strings.Count(drawn, "<sup>a</sup>"); n != 1 || !strings.Contains(drawn, "three<sup>a</sup>") {
		t.Errorf("want its letter once, at its end: %s", drawn)
	}
	if !strings.Contains(drawn, `<input type="hidden" name="span" value="6-22">`) {
		t.Errorf("the form has the places of the text as written: %s", drawn)
	}
}

func TestPlainTextIsNoMarkdown(t *testing.T) {
	for _, text := range []string{"", "One. Two.", "1 * 2 * 3 = 6", "snake_case_name and 5 > 3", "a - b", "a\n    b\n\n    c", "x | y", "#hashtag", "2026-11-21", "<b>bold</b>", "[x]: http://y"} {
		if runs, rich := markdown(text); rich {
			t.Errorf("%q became %v", text, runs)
		}
	}
}

// What somebody may send to slow the page, to hide words or to turn their
// direction.
func TestHostileMarkdown(t *testing.T) {
	var table strings.Builder
	table.WriteString(strings.Repeat("|a", 200) + "|\n" + strings.Repeat("|-", 200) + "|\n")
	for range 400 {
		table.WriteString(strings.Repeat("|x", 200) + "|\n")
	}
	for name, text := range map[string]string{
		"quotes":            strings.Repeat(">", 10_000) + " deep",
		"quotes and spaces": strings.Repeat("> ", 10_000) + "deep",
		"lists":             strings.Repeat("- ", 10_000) + "deep",
		"nested lists":      nestedLists(2_000),
		"table":             table.String(),
		"stars":             strings.Repeat("*a ", 30_000),
		"stars two":         strings.Repeat("**a*", 30_000),
		"stars by line":     strings.Repeat("*a **b\n", 15_000),
		"stars by part":     strings.Repeat("*a **b\n\n", 15_000),
		"brackets":          strings.Repeat("[", 60_000),
		"links":             strings.Repeat("[a](", 30_000),
		"links in lines":    strings.Repeat("[a](b\n", 30_000),
		"codes":             strings.Repeat("`a``b```", 20_000),
		"fences":            strings.Repeat("```\n~~~\n", 20_000),
		"backslashes":       strings.Repeat("\\", 100_000),
		"rules":             strings.Repeat("---\n", 40_000),
		"setext":            strings.Repeat("a\n===\n", 30_000),
		"one line":          "**a** " + strings.Repeat("x", 190_000),
		"pipes":             strings.Repeat("|", 150_000) + "\n" + strings.Repeat("|-", 20_000),
		"direction":         "**a** \u202Egnp.exe\u202C \u2066x",
		"script":            "[a](javascript:alert(1)) <img src=x onerror=alert(1)> [b](data:text/html,<script>alert(1)</script>) ![c](x \"onerror=alert(1)\")",
		"quotes in links":   "[\"><script>](\"><script>alert(1)</script>) `\"><script>`",
		"control":           "**a**\x00\x01\x1b[31m\r\nb\rc",
		"broken":            "**a**\xff\xfe \xed\xa0\x80",
	} {
		t.Run(name, func(t *testing.T) {
			text = strings.ToValidUTF8(text, "\uFFFD")
			begun := time.Now()
			drawn, read := drawnProse(t, text)
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
			if got := readBack(t, read); got != asRead(text) {
				t.Errorf("read back it differs: %q", clipped(got))
			}
			if len(drawn) > 1_000_000 {
				t.Errorf("%d bytes became %d", len(text), len(drawn))
			}
		})
	}
}

func nestedLists(depth int) string {
	var b strings.Builder
	for i := range depth {
		b.WriteString(strings.Repeat(" ", min(2*i, 300)) + "- a\n")
	}
	return b.String()
}

func clipped(s string) string {
	if len(s) > 300 {
		return s[:300]
	}
	return s
}

func TestWhatNobodySeesIsShown(t *testing.T) {
	box := func(code string) string { return `data-code="` + code + `"` }
	for text, want := range map[string]string{
		"pay\u200Bpal":                    box("200B"),
		"a\u202Eb":                        box("202E"),
		"\uFEFFa":                         box("FEFF"),
		"a\u00ADb":                        box("00AD"),
		"a\u200Db":                        box("200D"), // joins nothing
		"a\U000E0068\U000E0069b":          box("E0068"),
		"a\x1bb":                          box("001B"),
		"a\rb":                            box("000D"),
		"👩\u200D💻 ❤\uFE0F\u200D🔥":         "",
		"می\u200Cخواهم":                   "",
		"क्\u200Dष":                       "",
		"🏴\U000E0067\U000E0062\U000E007F": "",
		"line\r\nline\ttab":               "",
		"e\u0301 café":                    "",
	} {
		var b strings.Builder
		writeText(&b, text)
		if got := b.String(); want == "" && strings.Contains(got, "unseen") || !strings.Contains(got, want) {
			t.Errorf("%q is drawn as %s", text, got)
		}
	}
}

func FuzzMarkdown(f *testing.F) {
	for _, seed := range []string{answerInMarkdown, "> - 1. **a*", "| a |\n|-|\n", "```\n\n", "- \n-\n1.", "[a](<b>)", "a\\\n*b*\n> c", "# #\n===\n", "~~a~~ `` ` ``", "-\n  ```\n  a\n", "\t- a\n\t\tb *c*", "|a|\n|-|\n|`|`|\n"} {
		f.Add(seed)
	}
	f.Fuzz(asDrawn)
}

func asDrawn(t *testing.T, text string) {
	if !utf8.ValidString(text) {
		return // what is kept is UTF-8
	}
	runs, rich := markdown(text)
	if !rich {
		return
	}
	at := 0
	for _, r := range runs {
		if r.start != at || r.end < r.start || r.end > len(text) {
			t.Fatalf("a run has %d to %d after %d of %q", r.start, r.end, at, text)
		}
		if r.kind == markup && strings.Trim(text[r.start:r.end], markupSigns) != "" {
			t.Fatalf("hides %q of %q", text[r.start:r.end], text)
		}
		at = r.end
	}
	if at != len(text) {
		t.Fatalf("the runs end at %d of %d", at, len(text))
	}
	_, read := drawnProse(t, text)
	if got := readBack(t, read); got != asRead(text) {
		t.Fatalf("reads %q, want %q", got, text)
	}
}
