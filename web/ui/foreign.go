package ui

import (
	"context"
	"io"
	"strconv"
	"strings"

	"github.com/a-h/templ"
)

// What somebody wrote is drawn by hand here, not in templ, because white
// space within it is theirs: not one space more, not one less.

// runs draws text with its marks; from is the place of its first code point.
func runs(text string, from int, marks []Marked) templ.Component {
	var b strings.Builder
	writeRuns(&b, text, from, marks)
	return raw(b.String())
}

func writeRuns(b *strings.Builder, text string, from int, marks []Marked) {
	for _, p := range pieces(text, from, marks) {
		if !p.marked {
			b.WriteString(templ.EscapeString(p.text))
			continue
		}
		b.WriteString(`<mark class="` + toneWash(p.tone) + `">` + templ.EscapeString(p.text))
		if p.letter != "" {
			b.WriteString(`<sup>` + templ.EscapeString(p.letter) + `</sup>`)
		}
		b.WriteString(`</mark>`)
	}
}

// sentences draws the response to judge: each sentence numbered, with its
// check box while marking, and hidden fields for the marks between.
func (m Message) sentences() templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		var b strings.Builder
		for i, s := range m.Sentences {
			number := strconv.Itoa(i + 1)
			if m.Marking {
				b.WriteString(`<input type="checkbox" class="sentence-check" name="` + SpanField + `" value="` + s.place() +
					`" id="sentence-` + number + `" aria-label="Mark sentence ` + number + `"`)
				if m.marked(s) {
					b.WriteString(` checked`)
				}
				b.WriteString(`>`)
			}
			b.WriteString(`<span class="sentence" data-start="` + strconv.Itoa(s.Start) + `" data-end="` + strconv.Itoa(s.End) +
				`"><sup aria-hidden="true">` + number + `</sup>`)
			writeRuns(&b, s.Text, s.Start, m.Spans)
			b.WriteString(`</span>`)
		}
		if m.Marking {
			for _, span := range m.partial() {
				b.WriteString(`<input type="hidden" name="` + SpanField + `" value="` + span.place() + `">`)
			}
		}
		_, err := io.WriteString(w, b.String())
		return err
	})
}

// inside draws the coloured source.
func (c Code) inside() templ.Component {
	var b strings.Builder
	for _, r := range c.runs() {
		if r.class == "" {
			b.WriteString(templ.EscapeString(r.text))
			continue
		}
		b.WriteString(`<span class="` + r.class + `">` + templ.EscapeString(r.text) + `</span>`)
	}
	return raw(b.String())
}
