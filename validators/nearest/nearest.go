// Package nearest finds the real name that an invented one most likely meant: a
// column, a function, a package, a command.
package nearest

import "strings"

// Name returns the real name that an invented one most likely meant, "" when
// none is near.
func Name(name string, real []string) string {
	best, score := "", 0.4
	for _, candidate := range real {
		if s := likeness(name, candidate); s > score {
			best, score = candidate, s
		}
	}
	return best
}

// likeness is 1 for the same name and falls with the letters that differ; a
// word in common counts as well: total_net is like gross_total.
func likeness(a, b string) float64 {
	a, b = strings.ToLower(a), strings.ToLower(b)
	if a == b {
		return 1
	}
	longest := max(len([]rune(a)), len([]rune(b)))
	if longest == 0 || longest > 200 {
		return 0
	}
	letters := 1 - float64(distance(a, b))/float64(longest)
	return max(letters, 0.95*wordsInCommon(a, b))
}

// wordsInCommon is the share of the two names' words that both have.
func wordsInCommon(a, b string) float64 {
	has := map[string]bool{}
	for _, w := range wordsOf(a) {
		has[w] = true
	}
	both, all := 0, len(has)
	for _, w := range wordsOf(b) {
		if has[w] {
			both++
		} else {
			all++
		}
	}
	if all == 0 {
		return 0
	}
	// One of two words each is two thirds of a likeness: names are short.
	share := float64(both) / float64(all)
	return 2 * share / (1 + share)
}

// wordsOf cuts a name at underscores, dots and spaces, and drops a plural's s.
func wordsOf(name string) []string {
	words := strings.FieldsFunc(name, func(r rune) bool { return r == '_' || r == ' ' || r == '.' || r == '-' })
	for i, w := range words {
		if len(w) > 3 {
			words[i] = strings.TrimSuffix(w, "s")
		}
	}
	return words
}

// distance counts the letters to change, add, drop or swap with their
// neighbour (optimal string alignment; F. Damerau, 1964).
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	before, last, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(y)]
}
