package ui

import (
	"cmp"
	"context"
	"fmt"
	"io"
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
func (e Event) Render(ctx context.Context, w io.Writer) error   { return drawn(ctx, w, e.Draw()) }
func (c Claim) Render(ctx context.Context, w io.Writer) error   { return drawn(ctx, w, c.Draw()) }

// Sentences splits a text at the ends of its sentences and at line breaks. It
// loses nothing: the runs in order are the text. Abbreviations and numbers
// ("e.g.", "4.2") do not end a sentence.
func Sentences(text string) []Sentence {
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

// pieces cuts text[from:] (code points from its own start) at the marks.
func pieces(text string, from int, marks []Marked) []piece {
	runes := []rune(text)
	cuts := map[int]bool{0: true, len(runes): true}
	for _, m := range marks {
		for _, at := range []int{m.Start - from, m.End - from} {
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
		for _, m := range marks {
			if m.Start-from <= start && m.End-from >= at {
				p.marked, p.tone = true, cmp.Or(m.Tone, Bad)
			}
			if m.End-from == at && m.Start-from < at {
				p.letter += m.Letter
			}
		}
		all = append(all, p)
		start = at
	}
	return all
}

func (m Message) marked(s Sentence) bool {
	for _, span := range m.Spans {
		if span.Start == s.Start && span.End == s.End {
			return true
		}
	}
	return false
}

func (s Sentence) place() string { return fmt.Sprintf("%d-%d", s.Start, s.End) }

func (s Marked) place() string { return fmt.Sprintf("%d-%d", s.Start, s.End) }

// partial lists the marks that are not whole sentences.
func (m Message) partial() []Marked {
	var all []Marked
	for _, span := range m.Spans {
		whole := false
		for _, s := range m.Sentences {
			whole = whole || s.Start == span.Start && s.End == span.End
		}
		if !whole {
			all = append(all, span)
		}
	}
	return all
}

// Letter names the i-th mark: a, b, … z, then aa.
func Letter(i int) string {
	if i < 26 {
		return string(rune('a' + i))
	}
	return Letter(i/26-1) + Letter(i%26)
}
