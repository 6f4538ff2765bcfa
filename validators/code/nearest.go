package code

// nearestName returns the known name with the fewest edits, "" when none is
// near: at most a third of the name may differ.
func nearestName(name string, known []string) string {
	best, nearest := len(name)/3+1, ""
	for _, k := range known {
		if d := edits(name, k, best); d < best {
			best, nearest = d, k
		}
	}
	return nearest
}

// edits counts the insertions, deletions and replacements between two words
// (V. Levenshtein, 1966), as far as below the limit.
func edits(a, b string, limit int) int {
	if max(len(a)-len(b), len(b)-len(a)) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
