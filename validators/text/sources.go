package text

import (
	"strings"
	"unicode"
)

// source is one text of the context, read once for all claims.
type source struct {
	text  string
	words []word
	plain string // the words, each between single spaces
	at    []int  // of each word: where it begins in plain
}

type word struct {
	plain      string
	start, end int
}

func read(context []string) []source {
	var sources []source
	for _, text := range context {
		s := source{text: text, words: wordsOf(text)}
		var b strings.Builder
		b.WriteByte(' ')
		for _, w := range s.words {
			s.at = append(s.at, b.Len())
			b.WriteString(w.plain)
			b.WriteByte(' ')
		}
		s.plain = b.String()
		sources = append(sources, s)
	}
	return sources
}

// wordsOf splits a text into its letters and digits, lower case.
func wordsOf(text string) []word {
	var words []word
	start := -1
	end := func(i int) {
		if start >= 0 {
			words = append(words, word{strings.ToLower(text[start:i]), start, i})
			start = -1
		}
	}
	for i, r := range text {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) {
			if start < 0 {
				start = i
			}
			continue
		}
		end(i)
	}
	end(len(text))
	return words
}

// find returns where a run of words stands, in bytes of the source's text.
func (s source) find(run []word) (start, end int, ok bool) {
	var b strings.Builder
	b.WriteByte(' ')
	for _, w := range run {
		b.WriteString(w.plain)
		b.WriteByte(' ')
	}
	i := strings.Index(s.plain, b.String())
	if i < 0 {
		return 0, 0, false
	}
	first := 0
	for first < len(s.at) && s.at[first] < i+1 {
		first++
	}
	return s.words[first].start, s.words[first+len(run)-1].end, true
}

// excerpt is the source around a place.
func (s source) excerpt(start, end int) string {
	const around = 60
	from, to := max(0, start-around), min(len(s.text), end+around)
	cut := strings.ToValidUTF8(s.text[from:to], "")
	cut = strings.Join(strings.Fields(cut), " ")
	if from > 0 {
		cut = "…" + cut
	}
	if to < len(s.text) {
		cut += "…"
	}
	return cut
}
