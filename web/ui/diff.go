package ui

import (
	"context"
	"io"
	"strings"
)

// Diff is two versions of a text line by line: old number, new number, sign.
type Diff struct{ Lines []DiffLine }

// DiffLine is one line. Op is '+', '-' or ' '; '…' stands for Skipped equal lines.
type DiffLine struct {
	Old, New int // 0: not on that side
	Op       rune
	Text     string
}

func (d Diff) Render(ctx context.Context, w io.Writer) error { return drawn(ctx, w, d.Draw()) }

// maxDiffLines bounds the quadratic comparison; longer middles are shown as
// removed and added whole.
const maxDiffLines = 2000

// DiffOf compares two texts by lines (longest common subsequence) and keeps
// context equal lines around each change; a negative context keeps all.
func DiffOf(before, after string, context int) Diff {
	a, b := lines(before), lines(after)
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	var all []DiffLine
	for i := range head {
		all = append(all, DiffLine{i + 1, i + 1, ' ', a[i]})
	}
	all = append(all, changed(a[head:len(a)-tail], b[head:len(b)-tail], head)...)
	for i := range tail {
		old, now := len(a)-tail+i, len(b)-tail+i
		all = append(all, DiffLine{old + 1, now + 1, ' ', a[old]})
	}
	return Diff{around(all, context)}
}

// Changes counts added and removed lines: "+6 −2".
func (d Diff) Changes() string {
	added, removed := 0, 0
	for _, l := range d.Lines {
		switch l.Op {
		case '+':
			added++
		case '-':
			removed++
		}
	}
	return "+" + Count(added) + " " + minus + Count(removed)
}

func lines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(s, "\n"), "\n")
}

func changed(a, b []string, at int) []DiffLine {
	if len(a) > maxDiffLines || len(b) > maxDiffLines {
		return replaced(a, b, at)
	}
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var all []DiffLine
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			all = append(all, DiffLine{at + i + 1, at + j + 1, ' ', a[i]})
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			all = append(all, DiffLine{at + i + 1, 0, '-', a[i]})
			i++
		default:
			all = append(all, DiffLine{0, at + j + 1, '+', b[j]})
			j++
		}
	}
	return all
}

func replaced(a, b []string, at int) []DiffLine {
	var all []DiffLine
	for i, line := range a {
		all = append(all, DiffLine{at + i + 1, 0, '-', line})
	}
	for i, line := range b {
		all = append(all, DiffLine{0, at + i + 1, '+', line})
	}
	return all
}

// around drops equal lines that are further than context from any change.
func around(all []DiffLine, context int) []DiffLine {
	if context < 0 {
		return all
	}
	keep := make([]bool, len(all))
	for i, l := range all {
		if l.Op == ' ' {
			continue
		}
		for k := max(0, i-context); k <= min(len(all)-1, i+context); k++ {
			keep[k] = true
		}
	}
	var kept []DiffLine
	for i := 0; i < len(all); i++ {
		if keep[i] {
			kept = append(kept, all[i])
			continue
		}
		skipped := 0
		for i < len(all) && !keep[i] {
			skipped, i = skipped+1, i+1
		}
		i--
		kept = append(kept, DiffLine{Op: '…', Text: CountOf(skipped, "equal line")})
	}
	return kept
}

func (l DiffLine) class() string {
	switch l.Op {
	case '+':
		return "added"
	case '-':
		return "removed"
	case '…':
		return "skipped"
	}
	return ""
}

func (l DiffLine) sign() string {
	switch l.Op {
	case '-':
		return minus
	case ' ':
		return ""
	}
	return string(l.Op)
}

func lineNumber(n int) string {
	if n == 0 {
		return ""
	}
	return Count(n)
}
