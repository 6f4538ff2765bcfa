package ui

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/a-h/templ"
)

// Message is one turn of a transcript: who and when in the gutter, the text
// at most 68 characters wide. What a user or model wrote is text: it goes
// into Text, Sentences or a [Code], never into markup.
type Message struct {
	ID        string
	Who       string
	At        Time
	When      string // instead of At: "after 38 s"
	Note      string // third line of the gutter: "to judge"
	Judged    bool   // the response to judge: accent at the edge, focus after submit
	Icon      Icon   // a small event instead of text: a tool step, feedback
	Text      string
	Sentences []Sentence // the response to judge, so that parts can be marked
	Marking   bool       // check boxes before sentences and spans.js
	Spans     []Marked   // what is marked already
	Markdown  bool       // Text or Sentences are drawn as what their markup means, where there is any
	Body      templ.Component
	Failure   bool // a place that v and f jump to
}

// Sentence is a run of the text with its place, in code points from the start.
type Sentence struct {
	Start, End int
	Text       string
}

// Marked is a marked part of a text, in code points; Letter names it in text
// and list.
type Marked struct {
	Start, End int
	Letter     string
	Tone       Tone // Neutral counts as Bad
}

// SpanField is the name of the field that carries a span as "start-end", in
// code points of the text: a check box per sentence, hidden fields for the
// parts that were marked by hand.
const SpanField = "span"

// ViewSwitch chooses between what Markdown means and how it was written. It
// stands where some text of the page is Markdown, and is remembered. In a form
// Post is an address that keeps its fields too.
type ViewSwitch struct {
	Post   string // default ReadingURL
	InForm bool   // it stands in a form: only buttons
}

// ReadingURL takes the choice: as=rendered or as=written.
const ReadingURL = "/settings/reading"

// Said is a text that somebody wrote, where no one and no time stands beside it.
type Said struct{ Text string }

// Event is a line of a transcript that is no speech: a tool step, feedback.
type Event struct {
	Icon   Icon
	Code   string // mono: the tool's name
	Text   string
	Detail string // dim
	URL    string
	Tone   Tone
}

// Claim is a text with marked parts, for reading: adjudication, evidence.
type Claim struct {
	Text  string
	Spans []Marked
}

func (m Message) Render(ctx context.Context, w io.Writer) error { return drawn(ctx, w, m.Draw()) }
func (v ViewSwitch) Render(ctx context.Context, w io.Writer) error {
	return drawn(ctx, w, v.Draw())
}

func (s Said) Render(ctx context.Context, w io.Writer) error {
	return drawn(ctx, w, proseBox(Message{Text: s.Text, Markdown: true}.prose(), false))
}
func (e Event) Render(ctx context.Context, w io.Writer) error { return drawn(ctx, w, e.Draw()) }
func (c Claim) Render(ctx context.Context, w io.Writer) error { return drawn(ctx, w, c.Draw()) }

// Sentences splits a text at the ends of its sentences and at line breaks. It
// loses nothing: the runs in order are the text. Abbreviations and numbers
// ("e.g.", "4.2") do not end a sentence. Of a text with more than 1,000 of
// them several become one, evenly, so that a page of it stays small.
func Sentences(text string) []Sentence { return fewer(sentencesOf(text), maxSentences) }

const maxSentences = 1_000

func fewer(all []Sentence, most int) []Sentence {
	by := (len(all) + most - 1) / most
	if by <= 1 {
		return all
	}
	var joined []Sentence
	for part := range slices.Chunk(all, by) {
		var b strings.Builder
		for _, s := range part {
			b.WriteString(s.Text)
		}
		joined = append(joined, Sentence{part[0].Start, part[len(part)-1].End, b.String()})
	}
	return joined
}

func sentencesOf(text string) []Sentence {
	runes := []rune(text)
	var all []Sentence
	start := 0
	for i := range runes {
		if !endsSentence(runes, i) {
			continue
		}
		end := i + 1
		for end < len(runes) && unicode.IsSpace(runes[end]) {
			end++
		}
		if strings.TrimSpace(string(runes[start:end])) == "" {
			continue
		}
		if end > start {
			all = append(all, Sentence{start, end, string(runes[start:end])})
		}
		start = end
	}
	if start < len(runes) {
		if rest := string(runes[start:]); strings.TrimSpace(rest) != "" || len(all) == 0 {
			all = append(all, Sentence{start, len(runes), rest})
		} else {
			last := &all[len(all)-1]
			last.End, last.Text = len(runes), last.Text+rest
		}
	}
	return all
}

func endsSentence(runes []rune, i int) bool {
	last := i+1 == len(runes)
	switch r := runes[i]; {
	case r == '\n':
		return last || runes[i+1] != '\n'
	case strings.ContainsRune("。！？", r):
		return true
	case strings.ContainsRune(`"'”’)]`, r):
		if i == 0 || !strings.ContainsRune(".!?…", runes[i-1]) {
			return false
		}
	case !strings.ContainsRune(".!?…", r):
		return false
	}
	if last {
		return true
	}
	next := i + 1
	if !unicode.IsSpace(runes[next]) || runes[next] == '\n' {
		return false
	}
	for next < len(runes) && unicode.IsSpace(runes[next]) {
		next++
	}
	return next == len(runes) || !unicode.IsLower(runes[next]) && !abbreviation(runes, i)
}

// abbreviation looks back from a full stop: one letter, or a known short word.
func abbreviation(runes []rune, i int) bool {
	if runes[i] != '.' {
		return false
	}
	start := i
	for start > 0 && (unicode.IsLetter(runes[start-1]) || runes[start-1] == '.') {
		start--
	}
	switch word := strings.ToLower(string(runes[start:i])); word {
	case "e.g", "i.e", "cf", "dr", "mr", "mrs", "ms", "no", "vs", "st", "approx", "fig", "inc":
		return true
	default:
		return len([]rune(word)) == 1 && unicode.IsLetter(runes[start]) && word != "i"
	}
}

// piece is a run of a text that is in the same marks.
type piece struct {
	text   string
	tone   Tone
	marked bool
	letter string // after the last piece of a mark
}

// pieces cuts text[from:] (code points from its own start) at the marks; ends
// are where their last signs on screen end, where that is not their own end.
func pieces(text string, from int, marks []Marked, ends ...int) []piece {
	runes := []rune(text)
	cuts := map[int]bool{0: true, len(runes): true}
	letters := make([]int, len(marks)) // where they stand
	for i, m := range marks {
		if letters[i] = m.End; i < len(ends) && ends[i] > 0 {
			letters[i] = ends[i]
		}
		for _, at := range []int{m.Start - from, m.End - from, letters[i] - from} {
			if at > 0 && at < len(runes) {
				cuts[at] = true
			}
		}
	}
	var all []piece
	start := 0
	for at := 1; at <= len(runes); at++ {
		if !cuts[at] {
			continue
		}
		p := piece{text: string(runes[start:at])}
		for i, m := range marks {
			if m.Start-from <= start && m.End-from >= at {
				p.marked, p.tone = true, cmp.Or(m.Tone, Bad)
			}
			if letters[i]-from == at && m.Start-from < at {
				p.letter += m.Letter
			}
		}
		all = append(all, p)
		start = at
	}
	return all
}

// marks says that a whole sentence is marked.
func marks(spans []Marked, s Sentence) bool {
	return slices.ContainsFunc(spans, func(m Marked) bool { return m.Start == s.Start && m.End == s.End })
}

func (s Sentence) place() string { return fmt.Sprintf("%d-%d", s.Start, s.End) }

func (s Marked) place() string { return fmt.Sprintf("%d-%d", s.Start, s.End) }

// partial lists the marks that are not whole sentences.
func partial(sentences []Sentence, spans []Marked) []Marked {
	whole := map[[2]int]bool{}
	for _, s := range sentences {
		whole[[2]int{s.Start, s.End}] = true
	}
	return slices.DeleteFunc(slices.Clone(spans), func(m Marked) bool { return whole[[2]int{m.Start, m.End}] })
}

// Letter names the i-th mark: a, b, … z, then aa.
func Letter(i int) string {
	if i < 26 {
		return string(rune('a' + i))
	}
	return Letter(i/26-1) + Letter(i%26)
}
