package text

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// quantity is a number with what it counts.
type quantity struct {
	start, end int
	value      float64
	decimals   int     // that were written
	scale      float64 // 1e6 for "million": what it was rounded to
	percent    bool
	money      string // "€", "usd"
	digits     int    // significant ones that were written
	text       string
}

var numberForm = regexp.MustCompile(`(?i)([$€£¥]|\b(?:usd|eur|gbp|chf|jpy)\s?)?([-−]?(?:\d{1,3}(?:[,.'  ]\d{3})+|\d+)(?:[.,]\d+)?)\s?(%|percent\b|per cent\b|percentage points?\b|pp\b)?(?:\s?(thousand|million|billion|trillion|k|m|mn|bn|tn)\b)?(?:\s?([$€£¥]|(?:usd|eur|gbp|chf|jpy|euros?|dollars?|pounds?)\b))?`)

var scales = map[string]float64{"thousand": 1e3, "k": 1e3, "million": 1e6, "m": 1e6, "mn": 1e6, "billion": 1e9, "bn": 1e9, "trillion": 1e12, "tn": 1e12}

var currencies = map[string]string{"$": "usd", "dollar": "usd", "dollars": "usd", "€": "eur", "euro": "eur", "euros": "eur", "£": "gbp", "pound": "gbp", "pounds": "gbp", "¥": "jpy"}

// numbersIn reads the numbers of a text. A number within a word (v2, COVID-19)
// is a name's.
func numbersIn(text string) []quantity {
	var found []quantity
	for _, m := range numberForm.FindAllStringSubmatchIndex(text, 4*maxClaims) {
		group := func(i int) string {
			if m[2*i] < 0 {
				return ""
			}
			return strings.ToLower(strings.TrimSpace(text[m[2*i]:m[2*i+1]]))
		}
		from, to := m[4], m[5]
		if from > 0 && (isLetterByte(text[from-1]) || text[from-1] == '_' || text[from-1] == '.' || text[from-1] == '/') && m[2] < 0 || to < len(text) && (text[to] == '_' || isLetterByte(text[to]) && m[8] < 0 && !unitFollows(text[to:])) {
			continue
		}
		if text[from] == '-' && from > 0 && text[from-1] != ' ' && text[from-1] != '(' {
			from++ // a dash between two numbers
		}
		written := text[from:to]
		value, decimals, ok := parse(written)
		if !ok {
			continue
		}
		q := quantity{start: m[0], end: m[1], decimals: decimals, scale: 1, digits: significant(written), text: text[m[0]:m[1]]}
		if s := group(4); s != "" {
			q.scale = scales[s]
		}
		q.value = value * q.scale
		q.percent = group(3) != ""
		for _, sign := range []string{group(1), group(5)} {
			if sign != "" {
				q.money = sign
				if plain, ok := currencies[sign]; ok {
					q.money = plain
				}
			}
		}
		found = append(found, q)
	}
	return append(found, numberWords(text)...)
}

func isLetterByte(b byte) bool { return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= 0x80 }

// unitFollows tells 5km, 30s and 1st from a part of a name.
func unitFollows(rest string) bool {
	i := 0
	for i < len(rest) && isLetterByte(rest[i]) {
		i++
	}
	switch strings.ToLower(rest[:i]) {
	case "st", "nd", "rd", "th", "km", "m", "cm", "mm", "kg", "g", "mg", "l", "ml", "s", "ms", "h", "min", "d", "gb", "mb", "kb", "tb", "w", "kw", "mw", "v", "hz", "ghz", "mhz", "px", "x", "am", "pm", "°", "°c":
		return true
	}
	return false
}

// parse reads a written number. One comma with three digits behind it divides
// thousands; with another count of digits it is a decimal comma.
func parse(written string) (value float64, decimals int, ok bool) {
	s := strings.NewReplacer("−", "-", "'", "", " ", "", " ", "", " ", "").Replace(written)
	if last := strings.LastIndexAny(s, ".,"); last >= 0 && strings.ContainsAny(s[:last], ".,") {
		s = strings.NewReplacer(",", "", ".", "").Replace(s[:last]) + "." + s[last+1:]
		if written[strings.LastIndexAny(written, ".,")] == ',' && len(s)-strings.Index(s, ".") == 4 {
			s = strings.ReplaceAll(s, ".", "")
		}
	} else if comma := strings.Index(s, ","); comma >= 0 {
		if len(s)-comma == 4 {
			s = strings.ReplaceAll(s, ",", "")
		} else {
			s = strings.ReplaceAll(s, ",", ".")
		}
	}
	v, err := strconv.ParseFloat(s, 64)
	if dot := strings.Index(s, "."); dot >= 0 {
		decimals = len(s) - dot - 1
	}
	return v, decimals, err == nil && !math.IsInf(v, 0)
}

func significant(written string) int {
	kept := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, written)
	whole := strings.TrimLeft(kept, "0")
	if !strings.ContainsAny(written, ".") {
		whole = strings.TrimRight(whole, "0")
	}
	return len(whole)
}

var smallNumbers = []string{"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"}

// numberWords reads the numbers that are written as words; "one" is mostly
// none.
func numberWords(text string) []quantity {
	var found []quantity
	for _, w := range wordsOf(text) {
		if i := slices.Index(smallNumbers, w.plain); i >= 2 {
			found = append(found, quantity{start: w.start, end: w.end, value: float64(i), scale: 1, digits: 1, text: w.plain})
		}
	}
	return found
}

// known is a number of the context.
type known struct {
	quantity
	where int
}

// mostKnown bounds the search for what follows from two numbers: beyond it
// anything follows from something.
const mostKnown = 40

// quantities looks for the numbers of a response: as they stand, rounded, in
// another scale, or computed from two numbers of the context.
func quantities(response string, sources []source) []Claim {
	var all []known
	for i, s := range sources {
		for _, q := range numbersIn(s.text) {
			all = append(all, known{q, i})
		}
	}
	var claims []Claim
	for _, q := range numbersIn(response) {
		c := Claim{Kind: "quantity", Start: q.start, End: q.end, strong: q.precise()}
		if !q.precise() && q.value >= 0 && q.value <= 12 && q.value == math.Trunc(q.value) && !q.percent && q.money == "" {
			continue // counting words: "two reasons", "step 3"
		}
		if k, ok := stated(q, all); ok {
			c.Found, c.Where = true, k.where+1
			c.Excerpt = sources[k.where].excerpt(k.start, k.end)
		} else if how, ok := derived(q, all); ok {
			c.Found, c.How = true, how
		}
		claims = append(claims, c)
	}
	return claims
}

// precise reports whether a number says something in particular: three digits
// or more, a share or an amount of money that is not round.
func (q quantity) precise() bool {
	return q.digits >= 3 || (q.percent || q.money != "") && q.digits >= 2 || q.decimals >= 1
}

// equals reports whether a value, rounded as this number is written, is it.
func (q quantity) equals(value float64) bool {
	if math.Abs(q.value-value) <= 1e-9*math.Max(1, math.Abs(value)) {
		return true
	}
	step := math.Pow10(-q.decimals) * q.scale
	if q.scale == 1 && q.decimals == 0 {
		step = 1
	}
	return math.Abs(q.value-value) <= step/2*(1+1e-9)
}

// stated finds the number in the context, in its own scale or another: 0.25 is
// 25 %, and 3 fewer is −3.
func stated(q quantity, all []known) (known, bool) {
	for _, k := range all {
		if q.money != "" && k.money != "" && q.money != k.money {
			continue
		}
		switch {
		case q.equals(k.value), q.equals(-k.value) && k.value < 0:
			return k, true
		case q.percent && !k.percent && k.value >= 0 && k.value <= 1 && q.equals(100*k.value):
			return k, true
		case !q.percent && k.percent && q.value >= 0 && q.value <= 1 && q.equals(k.value/100):
			return k, true
		}
	}
	return known{}, false
}

// derived finds two numbers of the context that yield this one: their sum,
// difference, product, quotient, the share of one in the other or the change
// between them; or the sum of all.
func derived(q quantity, all []known) (string, bool) {
	if len(all) > mostKnown || len(all) < 2 || q.digits < 1 {
		return "", false
	}
	sum := 0.0
	for _, k := range all {
		sum += k.value
	}
	if q.equals(sum) {
		return "the sum of all numbers", true
	}
	for i, a := range all {
		for j, b := range all {
			if i == j {
				continue
			}
			if how, ok := ofTwo(q, a.quantity, b.quantity); ok {
				return how, true
			}
		}
	}
	return "", false
}

func ofTwo(q, a, b quantity) (string, bool) {
	x, y := a.value, b.value
	say := func(form string) (string, bool) { return fmt.Sprintf(form, a.text, b.text), true }
	if q.percent {
		switch {
		case y != 0 && q.equals(100*x/y):
			return say("%s as a share of %s")
		case y != 0 && (q.equals(100*(x-y)/y) || q.equals(100*(y-x)/y)):
			return say("the change to %s from %s")
		}
	}
	switch {
	case q.equals(x + y):
		return say("%s + %s")
	case q.equals(x - y):
		return say("%s − %s")
	case q.digits >= 2 && q.equals(x*y), b.percent && q.equals(x*y/100):
		return say("%s × %s")
	case y != 0 && (q.digits >= 2 || q.decimals > 0) && q.equals(x/y):
		return say("%s ÷ %s")
	}
	return "", false
}
