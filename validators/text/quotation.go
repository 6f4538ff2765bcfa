package text

import (
	"regexp"
	"strconv"
	"strings"
)

// A source is cited by its number: [2], [1, 3], 【4】, (source 2), [doc 5], [^1].
var citationForm = regexp.MustCompile(`(?i)\[\^?(?:(?:source|doc|document|ref|passage)\s*)?(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\]|【(\d{1,3})[^】]{0,20}】|\((?:source|doc|document|ref|passage)s?\s+(\d{1,3}(?:\s*(?:,|and)\s*\d{1,3})*)\)`)

var digits = regexp.MustCompile(`\d+`)

// citations finds references to sources by number. Where citations are not
// asked for, brackets count as such only when one of them resolves: code has
// brackets too.
func citations(in Input) []Claim {
	var claims []Claim
	resolves := in.RequiresCitation
	for _, m := range citationForm.FindAllStringSubmatchIndex(in.Response, maxClaims) {
		if m[0] > 0 && isWordByte(in.Response[m[0]-1]) && in.Response[m[0]] == '[' && !in.RequiresCitation {
			continue // an index: a[1]
		}
		c := Claim{Kind: "citation", Start: m[0], End: m[1], Found: true, strong: true}
		for _, number := range digits.FindAllString(in.Response[m[0]:m[1]], 50) {
			n, err := strconv.Atoi(number)
			if err != nil || n < 1 || n > len(in.Context) {
				c.Found = false
				continue
			}
			c.Where = n
		}
		resolves = resolves || c.Found
		claims = append(claims, c)
	}
	if !resolves {
		return nil
	}
	return claims
}

func isWordByte(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b == '_' || b == ')' || b == ']'
}

// quoted are texts between quotation marks, of at most a paragraph.
var quoted = regexp.MustCompile(`"([^"\n]{8,1000})"|“([^“”]{8,1000})”|„([^“”„]{8,1000})[“”]|«([^«»]{8,1000})»`)

// fewestWords is how long a quotation is before it claims that somebody wrote
// it: two words in quotation marks may be a name or a way of speaking.
const fewestWords = 4

// omission is where a quotation leaves something out or puts something in.
var omission = regexp.MustCompile(`\[[^\]]{0,60}\]|…|\.\.\.`)

// quotations looks for what is quoted. Case, white space, punctuation and the
// kind of quotation marks aside, each part must occur as it is.
func quotations(response string, sources []source) []Claim {
	var claims []Claim
	for _, m := range quoted.FindAllStringIndex(response, maxClaims) {
		c := Claim{Kind: "quotation", Start: m[0], End: m[1], Found: true, strong: true}
		long := false
		for _, part := range omission.Split(response[m[0]:m[1]], -1) {
			run := wordsOf(part)
			if len(run) < fewestWords {
				continue
			}
			long = true
			where, start, end, ok := findRun(sources, run)
			if !ok {
				c.Found = false
				c.Where, c.Excerpt = nearest(sources, run)
				break
			}
			c.Where, c.Excerpt = where+1, sources[where].excerpt(start, end)
		}
		if long {
			claims = append(claims, c)
		}
	}
	return claims
}

func findRun(sources []source, run []word) (where, start, end int, ok bool) {
	for i, s := range sources {
		if start, end, ok := s.find(run); ok {
			return i, start, end, true
		}
	}
	return 0, 0, 0, false
}

// nearest shows the longest part of a run that does stand somewhere: where the
// quotation departs from its source.
func nearest(sources []source, run []word) (where int, excerpt string) {
	for length := min(len(run)-1, 12); length >= 3; length-- {
		for i := 0; i+length <= min(len(run), 60); i++ {
			if w, start, end, ok := findRun(sources, run[i:i+length]); ok {
				return w + 1, sources[w].excerpt(start, end)
			}
		}
	}
	return 0, ""
}

// name is two to five words that begin with capitals: a person, a place, a
// firm.
var name = regexp.MustCompile(`\p{Lu}[\p{L}'’.-]+(?:\s+(?:(?:of|the|de|van|von|der|la|da|di)\s+)?\p{Lu}[\p{L}'’.-]+){1,4}`)

// names looks for proper names. One is found when each of its words that
// carries meaning stands somewhere in the same source.
func names(response string, sources []source) []Claim {
	var claims []Claim
	for _, m := range name.FindAllStringIndex(response, maxClaims) {
		if startsSentence(response, m[0]) {
			// The first word may be capital for its place alone.
			if i := strings.IndexFunc(response[m[0]:m[1]], isSpace); i > 0 {
				m[0] += i
				m[0] += len(response[m[0]:m[1]]) - len(strings.TrimLeft(response[m[0]:m[1]], " \t\n\r"))
			}
			if len(wordsOf(response[m[0]:m[1]])) < 2 {
				continue
			}
		}
		c := Claim{Kind: "name", Start: m[0], End: m[1]}
		run := wordsOf(response[m[0]:m[1]])
		for i, s := range sources {
			all := true
			for _, w := range run {
				all = all && (len(w.plain) < 4 || strings.Contains(s.plain, " "+w.plain))
			}
			if all {
				c.Found, c.Where = true, i+1
				break
			}
		}
		claims = append(claims, c)
	}
	return claims
}

func isSpace(r rune) bool { return r == ' ' || r == '\n' || r == '\t' || r == '\r' }

func startsSentence(text string, at int) bool {
	before := strings.TrimRight(text[:at], " \t\n\r\"“”'*#>-")
	return before == "" || strings.ContainsAny(before[len(before)-1:], ".!?:;")
}
