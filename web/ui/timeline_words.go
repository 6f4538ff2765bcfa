package ui

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Words of a timeline stand where nothing else does, at every width. The page
// is made before its width is known, so the words are placed once for each of
// a few widths and the style sheet shows the placing that fits (.at0 to .at4).
//
// Within a band nothing can meet: what stands apart at both ends of a band and
// in the same order stands apart between them, since all moves in proportion.

// bands are the widths of a lane for which words are placed, in px: what is
// left of the timeline beside the names. The style sheet has the same
// five, with the names added. Narrower than the first, no words.
var bands = [5][2]float64{{216, 340}, {340, 508}, {452, 612}, {612, 772}, {772, 2400}}

// put is words at a place: At is a share of the lane in %, By the px beside it.
type put struct {
	At, By float64
	End    bool // they end there
	Text   string
	Tone   Tone
	in     int // 1 and more: inside this bar of the lane
	shown  string
}

func (p put) extent() extent {
	wide := wordsWidth(p.Text)
	if p.End {
		return extent{p.At, p.By - wide, p.At, p.By}
	}
	return extent{p.At, p.By, p.At, p.By + wide}
}

// wanted are the places that words may take, the best first.
type wanted struct {
	places []put
	rank   int // who is placed first: 2 the selected, 1 trouble
}

// extent is a stretch of a lane, from a share and px to a share and px.
type extent struct{ at, by, toAt, toBy float64 }

func (e extent) left(lane float64) float64  { return e.at*lane/100 + e.by }
func (e extent) right(lane float64) float64 { return e.toAt*lane/100 + e.toBy }

// apart says whether two stretches stand apart through the whole band.
func (e extent) apart(o extent, band [2]float64) bool {
	before, after := true, true
	for _, lane := range band {
		before = before && e.right(lane) < o.left(lane)
		after = after && e.left(lane) > o.right(lane)
	}
	return before || after
}

// edge is how far words may reach beyond a lane: its margin.
const edge = 9

// free says whether words fit there: inside the lane and their bar, apart from
// all that is taken.
func (p put) free(band [2]float64, taken []extent) bool {
	e := p.extent()
	for _, lane := range band {
		if e.left(lane) < -edge || e.right(lane) > lane+edge {
			return false
		}
	}
	for i, o := range taken {
		switch {
		case p.in == i+1:
			if e.right(band[0]) > o.right(band[0]) {
				return false
			}
		case !e.apart(o, band):
			return false
		}
	}
	return true
}

// placeWords gives all words the first of their places that is free, in each band.
func placeWords(words []wanted, taken []extent) [][]put {
	order := make([]int, len(words))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return words[b].rank - words[a].rank })
	out := make([][]put, len(words))
	for n, band := range bands {
		taken := slices.Clone(taken)
		for _, i := range order {
			for _, p := range words[i].places {
				if p.free(band, taken) {
					taken = append(taken, p.extent())
					out[i] = showIn(out[i], p, n)
					break
				}
			}
		}
	}
	return out
}

// showIn notes that words are shown so in a band.
func showIn(list []put, p put, band int) []put {
	class := " at" + strconv.Itoa(band)
	for i, have := range list {
		have.shown = ""
		if have == p {
			list[i].shown += class
			return list
		}
	}
	p.shown = class
	return append(list, p)
}

// wordsWidth is about how wide words of 11 px are, in px, and never less.
func wordsWidth(s string) float64 {
	wide := 5.0
	for _, r := range s {
		switch {
		case r >= 0x1100 && r != '…':
			wide += 11.5
		case strings.ContainsRune("iIl.,:;'|!jtfr()[] ·", r):
			wide += 4.4
		case strings.ContainsRune("mwMW@%", r), r >= 0x80:
			wide += 10.2
		case r >= 'A' && r <= 'Z':
			wide += 7.8
		default:
			wide += 6.6
		}
	}
	return wide
}

// shorter are words, then the same cut at the end for where there is less room.
func shorter(words string) []string {
	list := []string{words}
	for _, n := range []int{40, 26, 16} {
		if utf8.RuneCountInString(words) <= n+2 {
			continue
		}
		cut := string([]rune(words)[:n])
		if i := strings.LastIndexAny(cut, " ,:"); i > n/2 {
			cut = cut[:i]
		}
		list = append(list, strings.TrimRight(cut, " ,:.")+"…")
	}
	return list
}

func (t Timeline) extentOf(b Bar) extent {
	from := t.at(b.From)
	return extent{from, -2, from + max(0.6, t.at(b.To)-from), 2}
}

// placesOf are the places of a bar's words: inside, right of it, left of it.
func (t Timeline) placesOf(b Bar, n int) []put {
	var list []put
	if b.Label == "" {
		return nil
	}
	bar := t.extentOf(b)
	texts := shorter(b.Label)
	if b.Short != "" {
		texts = []string{b.Label, b.Short}
	}
	for _, text := range texts {
		if b.Tone == Neutral {
			list = append(list, put{At: bar.at, By: 6, Text: text, in: n + 1})
		}
		list = append(list, put{At: bar.toAt, By: 6, Text: text}, put{At: bar.at, By: -6, End: true, Text: text})
	}
	return list
}

// placesBeside are the places of a mark's words: right of it and left of it.
func (t Timeline) placesBeside(m LaneMark) []put {
	if m.Label == "" {
		return nil
	}
	at, beside := t.at(m.At), float64(m.Beside)
	var list []put
	for _, text := range shorter(m.Label) {
		right := put{At: at, By: beside + 14, Text: text, Tone: m.Tone}
		left := put{At: at, By: beside - 14, End: true, Text: text, Tone: m.Tone}
		if m.Left {
			right, left = left, right
		}
		list = append(list, right, left)
	}
	return list
}

// laneWords are the words of a lane at their places.
type laneWords struct{ bars, marks [][]put }

// words places the words of a lane. What is selected comes first, then trouble.
func (t Timeline) words(l Lane) laneWords {
	var taken []extent
	var words []wanted
	for i, b := range l.Bars {
		taken = append(taken, t.extentOf(b))
		words = append(words, wanted{t.placesOf(b, i), rank(b.Current, b.Tone)})
	}
	if t.HasFault {
		taken = append(taken, extent{t.at(t.Fault), -1, t.at(t.Fault), 1})
	}
	for _, m := range l.Marks {
		at, half := t.at(m.At), 10.0
		switch {
		case m.Tick:
			half = 2
		case m.Mark == "" && m.Icon == "":
			half = -1 // words only
		}
		taken = append(taken, extent{at, float64(m.Beside) - half, at, float64(m.Beside) + half})
		words = append(words, wanted{t.placesBeside(m), rank(m.Current, m.Tone)})
	}
	all := placeWords(words, taken)
	return laneWords{all[:len(l.Bars)], all[len(l.Bars):]}
}

func rank(current bool, tone Tone) int {
	switch {
	case current:
		return 2
	case tone == Bad:
		return 1
	}
	return 0
}

// tickBands are the classes of each mark of the scale: in a narrow band every
// second, third or later one is named.
func (t Timeline) tickBands(ticks []Tick) []string {
	classes := make([]string, len(ticks))
	for n, band := range bands {
		for every := 1; every <= len(ticks); every++ {
			if !t.apartEvery(ticks, every, band) {
				continue
			}
			for i := 0; i < len(ticks); i += every {
				classes[i] += " at" + strconv.Itoa(n)
			}
			break
		}
	}
	return classes
}

func (t Timeline) apartEvery(ticks []Tick, every int, band [2]float64) bool {
	end := -100.0
	for i := 0; i < len(ticks); i += every {
		at, wide := t.axis().at(ticks[i].At)*band[0]/100, wordsWidth(ticks[i].Label)
		left := at
		switch tickAnchor(i, t.axis().at(ticks[i].At)) {
		case "middle":
			left -= wide / 2
		case "end":
			left -= wide
		}
		if left < end+4 {
			return false
		}
		end = left + wide
	}
	return true
}
