package redact

import (
	"cmp"
	"slices"
	"sort"
	"strings"
)

// Text returns s with everything the policy finds replaced by tokens, and the
// findings in the order of the text. When nothing is found, s itself comes
// back and nothing is allocated.
//
// Redacting twice changes nothing. Where s is valid UTF-8, so is the result.
func (p *Policy) Text(s string) (string, []Finding) { return p.text(s, 0) }

// text reads s, which the hints of a JSON key may explain.
func (p *Policy) text(s string, key hint) (string, []Finding) {
	whole := draft{text: s}
	if p.wants(PEM) && strings.Contains(s, pemBegin) {
		whole.replace(p, pemSpans(s))
	}
	var out []byte
	var findings []Finding
	copied := 0
	for start := 0; start < len(whole.text); {
		end := len(whole.text)
		if n := strings.IndexByte(whole.text[start:], '\n'); n >= 0 {
			end = start + n + 1
		}
		line := draft{text: whole.text[start:end]}
		z := scanner{p: p, s: line.text, key: key}
		if spans := z.spansOf(); len(spans) > 0 {
			line.marks = whole.marksIn(start, end)
			line.base = whole.origin(start)
			for round := 0; len(spans) > 0; round++ {
				if round == mostRounds {
					spans = []span{{start: 0, end: len(strings.TrimRight(line.text, "\r\n")), kind: spans[0].kind}}
				}
				line.replace(p, spans)
				z = scanner{p: p, s: line.text, key: key}
				spans = z.spansOf()
			}
			out = append(append(out, whole.text[copied:start]...), line.text...)
			copied = end
			findings = line.findings(findings)
		} else if len(whole.marks) > 0 {
			line.marks = whole.marksIn(start, end)
			findings = line.findings(findings)
		}
		start = end
		key = 0
	}
	if copied == 0 {
		return whole.text, findings
	}
	return string(append(out, whole.text[copied:]...)), findings
}

// mostRounds is how often a line is read again. What still finds something
// then is a rule that follows its own tokens along a line made for it; such a
// line becomes one token, so that nobody can make it take long.
const mostRounds = 64

// span is a stretch of the present text that is to become a token.
type span struct {
	start, end int
	kind       Kind
	plain      string // the text as it reads without disguise; "" when undisguised
}

// draft is a text on its way to being redacted, with what each of its tokens
// stood for in the text that came in.
type draft struct {
	text  string
	marks []mark
	base  int // origin of text[0]
}

type mark struct {
	start, end int // the token in the draft
	from, to   int // what it replaced in the text that came in
	kind       Kind
}

// origin maps an offset of the draft, not inside a token, to where it was.
func (d *draft) origin(x int) int {
	k := sort.Search(len(d.marks), func(k int) bool { return d.marks[k].end > x })
	if k == 0 {
		return d.base + x
	}
	return d.marks[k-1].to + x - d.marks[k-1].end
}

// replace puts tokens in place of spans, which neither overlap nor cut a
// token in two.
func (d *draft) replace(p *Policy, spans []span) {
	var text strings.Builder
	var marks []mark
	old := d.marks
	copied := 0
	keep := func(until int) {
		for len(old) > 0 && old[0].end <= until {
			m := old[0]
			shift := text.Len() - copied
			m.start, m.end = m.start+shift, m.end+shift
			marks = append(marks, m)
			old = old[1:]
		}
		text.WriteString(d.text[copied:until])
	}
	for _, s := range spans {
		keep(s.start)
		m := mark{start: text.Len(), from: d.origin(s.start), to: d.origin(s.end), kind: s.kind}
		for len(old) > 0 && old[0].start < s.end {
			old = old[1:] // absorbed
		}
		text.WriteString(p.token(s.kind, cmp.Or(s.plain, d.text[s.start:s.end])))
		m.end = text.Len()
		marks = append(marks, m)
		copied = s.end
	}
	keep(len(d.text))
	d.text, d.marks = text.String(), marks
}

func (d *draft) marksIn(start, end int) []mark {
	var in []mark
	k := sort.Search(len(d.marks), func(k int) bool { return d.marks[k].start >= start })
	for ; k < len(d.marks) && d.marks[k].end <= end; k++ {
		m := d.marks[k]
		m.start, m.end = m.start-start, m.end-start
		in = append(in, m)
	}
	return in
}

func (d *draft) findings(list []Finding) []Finding {
	for _, m := range d.marks {
		list = append(list, Finding{Kind: m.kind, Start: m.from, End: m.to})
	}
	return list
}

// settle sorts the spans and lets the stronger kind stay where two overlap,
// the longer one among equals. What is thus passed over and still there is
// found in the next round.
func settle(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.end, a.end))
	})
	kept := spans[:0]
	for _, s := range spans {
		if len(kept) == 0 || kept[len(kept)-1].end <= s.start {
			kept = append(kept, s)
			continue
		}
		last := &kept[len(kept)-1]
		if stays(s, *last) {
			*last = s
		}
	}
	return kept
}

// stays reports whether a is kept of two that overlap. Between a rule of the
// operator's own and a kind of ours the longer one: a name within an address
// goes with the address.
func stays(a, b span) bool {
	longer := (a.end - a.start) - (b.end - b.start)
	ours, theirs := strength(a), strength(b)
	if longer != 0 && (ours == ownRule) != (theirs == ownRule) {
		return longer > 0
	}
	return ours < theirs || (ours == theirs && longer > 0)
}

const ownRule = -1

func strength(s span) int {
	return slices.Index(Kinds, s.kind) // ownRule when it is none of them
}
