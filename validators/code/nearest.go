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

// edits counts the insertions, deletions, replacements and exchanges of
// neighbours between two words (optimal string alignment; F. Damerau, 1964), as
// far as below the limit.
func edits(a, b string, limit int) int {
	if max(len(a)-len(b), len(b)-len(a)) >= limit {
		return limit
	}
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row := rows[(i+1)%3], rows[(i-1)%3], rows[i%3]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := last[j-1]
			if a[i-1] != b[j-1] {
				cost++
			}
			row[j] = min(cost, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return rows[len(a)%3][len(b)]
}
