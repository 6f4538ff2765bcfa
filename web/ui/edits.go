package ui

import (
	"context"
	"io"
	"unicode"

	"github.com/a-h/templ"
)

// Edits is a text and what somebody made of it, word by word: what went is
// struck through, what came is underlined. static/edits.js draws the same
// while a correction is being written.
type Edits struct{ Before, After string }

// maxEdits bounds the quadratic comparison; longer middles are shown as taken
// out and put in whole.
const maxEdits = 600

// EditsOf names the text that a text area's content is compared with while it
// is written, for a Field's Attrs. A text too long to compare is not.
func EditsOf(text string) templ.Attributes {
	if text == "" || len(text) > 12_000 {
		return templ.Attributes{}
	}
	return templ.Attributes{"data-edits-of": text}
}

func (e Edits) Render(ctx context.Context, w io.Writer) error { return drawn(ctx, w, e.Draw()) }

// edit is a run of words: '-' went, '+' came, ' ' stayed.
type edit struct {
	op   rune
	text string
}

func (e Edits) runs() []edit {
	a, b := words(e.Before), words(e.After)
	head, tail := 0, 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	var all []edit
	add := func(op rune, words ...string) {
		for _, word := range words {
			if n := len(all); n > 0 && all[n-1].op == op {
				all[n-1].text += word
			} else {
				all = append(all, edit{op, word})
			}
		}
	}
	add(' ', a[:head]...)
	from, to := a[head:len(a)-tail], b[head:len(b)-tail]
	if len(from) > maxEdits || len(to) > maxEdits {
		add('-', from...)
		add('+', to...)
	} else {
		for _, line := range changed(from, to, 0) {
			add(line.Op, line.Text)
		}
	}
	add(' ', a[len(a)-tail:]...)
	return all
}

// words cuts a text into words, white space and single signs; joined they are
// the text.
func words(text string) []string {
	var all []string
	kind := 0
	for _, r := range text {
		now := 3
		switch {
		case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_':
			now = 1
		case unicode.IsSpace(r):
			now = 2
		}
		if now == kind && now != 3 {
			all[len(all)-1] += string(r)
		} else {
			all = append(all, string(r))
		}
		kind = now
	}
	return all
}
