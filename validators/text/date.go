package text

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// day is a date as far as it was written; 0 is a part that was not.
type day struct{ year, month, day int }

var months = []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}

const monthForm = `(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?`

var dateForms = []*regexp.Regexp{
	regexp.MustCompile(`\b(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})\b`),
	regexp.MustCompile(`(?i)\b(?P<d>\d{1,2})(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<n>` + monthForm + `)(?:,?\s+(?P<y>\d{4}))?\b`),
	regexp.MustCompile(`(?i)\b(?P<n>` + monthForm + `)\s+(?P<d>\d{1,2})(?:st|nd|rd|th)?(?:,?\s+(?P<y>\d{4}))?\b`),
	regexp.MustCompile(`(?i)\b(?P<n>` + monthForm + `)\s+(?P<y>\d{4})\b`),
}

type dated struct {
	day
	start, end int
}

func datesIn(text string) []dated {
	var found []dated
	for _, form := range dateForms {
		rest := text
		for _, d := range found {
			rest = rest[:d.start] + strings.Repeat(" ", d.end-d.start) + rest[d.end:]
		}
		for _, m := range form.FindAllStringSubmatchIndex(rest, maxClaims) {
			d := dated{start: m[0], end: m[1]}
			for i, group := range form.SubexpNames() {
				if group == "" || m[2*i] < 0 {
					continue
				}
				part := strings.ToLower(rest[m[2*i]:m[2*i+1]])
				n, _ := strconv.Atoi(part) // "" of the month's name is 0
				switch group {
				case "y":
					d.year = n
				case "m":
					d.month = n
				case "d":
					d.day.day = n
				case "n":
					for j, name := range months {
						if strings.HasPrefix(part, name) {
							d.month = j + 1
						}
					}
				}
			}
			if d.month >= 1 && d.month <= 12 && d.day.day <= 31 {
				found = append(found, d)
			}
		}
	}
	return found
}

// agree reports whether two dates can be the same: parts that one does not
// write do not count.
func (a day) agree(b day) bool {
	same := func(x, y int) bool { return x == 0 || y == 0 || x == y }
	return same(a.year, b.year) && same(a.month, b.month) && same(a.day, b.day)
}

func (a day) String() string { return fmt.Sprintf("%04d-%02d-%02d", a.year, a.month, a.day) }

// dates looks for the dates of a response, however they are written.
func dates(response string, sources []source) []Claim {
	type where struct {
		dated
		source int
	}
	var all []where
	for i, s := range sources {
		for _, d := range datesIn(s.text) {
			all = append(all, where{d, i})
		}
	}
	var claims []Claim
	for _, d := range datesIn(response) {
		c := Claim{Kind: "date", Start: d.start, End: d.end, strong: len(all) > 0}
		for _, k := range all {
			if d.agree(k.day) {
				c.Found, c.Where, c.Excerpt = true, k.source+1, sources[k.source].excerpt(k.start, k.end)
				break
			}
		}
		claims = append(claims, c)
	}
	return claims
}
