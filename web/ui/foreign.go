package ui

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

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

func writeRuns(b *strings.Builder, text string, from int, marks []Marked, ends ...int) {
	for _, p := range pieces(text, from, marks, ends...) {
		if !p.marked {
			writeText(b, p.text)
			continue
		}
		b.WriteString(`<mark class="` + toneWash(p.tone) + `">`)
		writeText(b, p.text)
		if p.letter != "" {
			b.WriteString(`<sup>` + templ.EscapeString(p.letter) + `</sup>`)
		}
		b.WriteString(`</mark>`)
	}
}

// writeText writes what somebody wrote as text. A sign that nobody can see
// stands in a box that says which it is, and cannot turn the direction of what
// follows: the box ends its effect.
func writeText(b *strings.Builder, text string) {
	if !strings.ContainsFunc(text, mayHide) {
		b.WriteString(templ.EscapeString(text))
		return
	}
	runes := []rune(text)
	shown := 0
	for i, r := range runes {
		if !mayHide(r) {
			continue
		}
		var before, next rune
		if i > 0 {
			before = runes[i-1]
		}
		if i+1 < len(runes) {
			next = runes[i+1]
		}
		sign := string(r)
		switch r { // a parser of HTML would make a line's end of the first, and nothing of the second
		case '\r':
			sign = "&#13;"
		case 0:
			sign = "\uFFFD"
		}
		if hides(before, r, next) {
			sign = `<bdi class="unseen" data-code="` + fmt.Sprintf("%04X", r) + `">` + sign + `</bdi>`
		}
		b.WriteString(templ.EscapeString(string(runes[shown:i])))
		b.WriteString(sign)
		shown = i + 1
	}
	b.WriteString(templ.EscapeString(string(runes[shown:])))
}

// mayHide are the signs without a shape of their own: zero width, direction,
// tags, control.
func mayHide(r rune) bool {
	switch {
	case r < 0x20:
		return r != '\n' && r != '\t'
	case r < 0x7f:
		return false
	case r < 0xa0, r == 0xad, r == 0x34f, r == 0x61c, r == 0x115f, r == 0x1160, r == 0x180e, r == 0x3164, r == 0xfeff, r == 0xffa0:
		return true
	case r >= 0x200b && r <= 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2060 && r <= 0x206f, r >= 0xfff9 && r <= 0xfffb:
		return true
	}
	return r >= 0xe0000 && r <= 0xe0fff
}

// hides says whether such a sign hides something here. Joiners belong to
// emoji and to scripts that join their letters, tags to flags; a carriage
// return before a line's end is a line's end.
func hides(before, r, next rune) bool {
	switch {
	case r == '\r':
		return next != '\n'
	case r == 0x200c, r == 0x200d:
		return !joins(before) || !joins(next)
	case r >= 0xe0020 && r <= 0xe007f:
		return before != 0x1f3f4 && (before < 0xe0020 || before > 0xe007e)
	}
	return true
}

// joins are letters of joining scripts, pictures, and what may stand after a
// picture: a colour of skin, the choice of its look.
func joins(r rune) bool {
	switch {
	case r == 0xfe0f, r >= 0x1f3fb && r <= 0x1f3ff:
		return true
	case r >= 0x600 && r <= 0x8ff, r >= 0x900 && r <= 0xdff, r >= 0xf00 && r <= 0xfff, r >= 0x1000 && r <= 0x109f, r >= 0x1780 && r <= 0x18af, r >= 0xfb50 && r <= 0xfefe:
		return true
	}
	return r >= 0x2190 && r <= 0x2bff || r >= 0x1f000 && r <= 0x1faff
}

// prose is a text as somebody wrote it, drawn in runs. Sentences, where it is
// to be judged, are cut through the runs: what is marked are places of the
// text, whatever stands around them.
type prose struct {
	text      string
	sentences []Sentence // nil: not numbered
	spans     []Marked
	ends      []int // where each of them is last seen, in code points
	marking   bool
	rich      []run // nil: as written
}

func (m Message) prose() prose {
	p := prose{text: m.Text, sentences: m.Sentences, spans: m.Spans, marking: m.Marking}
	if len(m.Sentences) > 0 {
		var b strings.Builder
		for _, s := range m.Sentences {
			b.WriteString(s.Text)
		}
		p.text = b.String()
	}
	if m.Markdown {
		p.rich, _ = markdown(p.text)
	}
	p.ends = p.seenTo()
	return p
}

// seenTo finds where each mark's last sign on screen ends, which is where its
// letter stands: before the end of a line, and before signs of the markup.
func (p prose) seenTo() []int {
	last := make([]int, len(p.spans)) // in code points
	point := 0
	runs := p.rich
	if runs == nil {
		runs = []run{{end: len(p.text)}}
	}
	for _, r := range runs {
		for _, sign := range p.text[r.start:r.end] {
			point++
			if r.kind == markup || unicode.IsSpace(sign) {
				continue
			}
			for i, m := range p.spans {
				if m.Start < point && point <= m.End {
					last[i] = point
				}
			}
		}
	}
	return last
}

func (p prose) class() string {
	if p.rich != nil {
		return "prose rich"
	}
	return "prose"
}

// Render writes the runs in order. A sentence may be several fragments: the
// first that is seen has its number, later ones carry data-more.
func (p prose) Render(_ context.Context, w io.Writer) error {
	runs := p.rich
	if runs == nil {
		runs = []run{{end: len(p.text)}}
	}
	d := draft{prose: p}
	for _, r := range runs {
		d.stair.to(&d.b, r.around)
		if len(p.sentences) == 0 {
			d.write(r.class(""), p.text[r.start:r.end])
			continue
		}
		d.fragments(runs, r)
	}
	d.stair.to(&d.b, nil)
	if p.marking {
		for _, span := range partial(p.sentences, p.spans) {
			d.b.WriteString(`<input type="hidden" name="` + SpanField + `" value="` + span.place() + `">`)
		}
	}
	_, err := io.WriteString(w, d.b.String())
	return err
}

// draft is a prose while it is written.
type draft struct {
	prose
	b        strings.Builder
	stair    stair
	at       int  // the sentence
	from     int  // its place, in bytes
	point    int  // the place of the next fragment, in code points
	begun    bool // a fragment of it is written
	numbered bool
}

func (d *draft) write(class, text string) {
	if class == "" {
		writeText(&d.b, text)
		return
	}
	d.b.WriteString(`<span class="` + class + `">`)
	writeText(&d.b, text)
	d.b.WriteString(`</span>`)
}

// fragments cuts a run at the ends of sentences.
func (d *draft) fragments(runs []run, r run) {
	for start := r.start; start < r.end && d.at < len(d.sentences); {
		s := d.sentences[d.at]
		end := min(r.end, d.from+len(s.Text))
		d.fragment(runs, r, s, d.text[start:end])
		start = end
		if end == d.from+len(s.Text) {
			d.at, d.from, d.begun, d.numbered = d.at+1, end, false, false
		}
	}
}

func (d *draft) fragment(runs []run, r run, s Sentence, text string) {
	number := strconv.Itoa(d.at + 1)
	if !d.begun && d.marking {
		d.b.WriteString(`<input type="checkbox" class="sentence-check`)
		if d.unseen(runs, s) {
			d.b.WriteString(` markup`)
		}
		d.b.WriteString(`" name="` + SpanField + `" value="` + s.place() + `" id="sentence-` + number + `" aria-label="Mark sentence ` + number + `"`)
		if marks(d.spans, s) {
			d.b.WriteString(` checked`)
		}
		d.b.WriteString(`>`)
	}
	length := utf8.RuneCountInString(text)
	d.b.WriteString(`<span class="` + r.class("sentence") + `" data-start="` + strconv.Itoa(d.point) + `" data-end="` + strconv.Itoa(d.point+length) + `"`)
	if d.begun {
		d.b.WriteString(` data-more`)
	}
	d.b.WriteString(`>`)
	d.begun = true
	if !d.numbered && r.kind != markup {
		d.numbered = true
		d.b.WriteString(`<sup aria-hidden="true">` + number + `</sup>`)
	}
	writeRuns(&d.b, text, d.point, d.spans, d.ends...)
	d.b.WriteString(`</span>`)
	d.point += length
}

// unseen says that nothing of a sentence is shown while the text is rendered:
// the line that opens a block of code.
func (d *draft) unseen(runs []run, s Sentence) bool {
	first, _ := slices.BinarySearchFunc(runs, d.from, func(r run, from int) int { return cmp.Compare(r.end, from+1) })
	for _, r := range runs[first:] {
		if r.start >= d.from+len(s.Text) {
			break
		}
		if r.kind != markup && r.end > d.from && r.end > r.start {
			return false
		}
	}
	return true
}

func (r run) class(base string) string {
	parts := []string{}
	if base != "" {
		parts = append(parts, base)
	}
	switch {
	case r.kind == markup:
		parts = append(parts, "markup")
	case r.kind == aside:
		parts = append(parts, "aside")
	case r.token != "":
		parts = append(parts, "c-"+r.token)
	}
	return strings.Join(parts, " ")
}

// inside draws the coloured source.
func (c Code) inside() templ.Component {
	var b strings.Builder
	for _, r := range c.runs() {
		if r.class == "" {
			writeText(&b, r.text)
			continue
		}
		b.WriteString(`<span class="` + r.class + `">`)
		writeText(&b, r.text)
		b.WriteString(`</span>`)
	}
	return raw(b.String())
}
