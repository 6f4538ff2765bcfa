package sample

import (
	"fmt"
	"math/rand/v2"
)

var programs = []story{
	{"code_generation", "code-answerer-v7", isoWeek},
	{"code_generation", "code-answerer-v7", retryWithJitter},
	{"code_generation", "code-answerer-v7", chunks},
	{"code_generation", "code-answerer-v7", slugify},
	{"code_generation", "code-answerer-v7", medianOfList},
}

func code(entry, text string) map[string]any {
	return map[string]any{"kind": "code", "language": "python", "code": text, "entry_point": entry}
}

func isoWeek(r *rand.Rand, wrong bool) exchange {
	prefix := pick(r, "report", "export", "backup", "ledger")
	e := exchange{prompt: fmt.Sprintf("Python function that returns the ISO week of a file named like %s-2026-10-05.csv.", prefix)}
	right := `import datetime
import re


def iso_week(name):
    found = re.search(r"(\d{4})-(\d{2})-(\d{2})", name)
    if found is None:
        raise ValueError("no date in " + name)
    year, month, day = map(int, found.groups())
    return datetime.date(year, month, day).isocalendar()[1]
`
	if !wrong {
		e.response = "It finds the date in the name and asks the standard library for its ISO week. A name without a date raises ValueError."
		e.artifact = code("iso_week", right)
		return e
	}
	e.response = "It finds the date in the name; isoweek is part of the standard library since Python 3.9."
	e.artifact = code("iso_week", `import isoweek
import re


def iso_week(name):
    return isoweek.from_string(re.search(r"\d{4}-\d{2}-\d{2}", name).group())
`)
	e.reasons, e.correction, e.reason = []string{"invented_function"}, right, "incorrect"
	return e
}

func retryWithJitter(r *rand.Rand, wrong bool) exchange {
	tries := 3 + r.IntN(4)
	e := exchange{prompt: fmt.Sprintf("Delays for %d retries in Python: double each time from 0.2 s, full jitter, at most 5 s.", tries)}
	right := fmt.Sprintf(`import random


def delays(tries=%d, first=0.2, most=5.0):
    return [random.uniform(0, min(most, first * 2 ** n)) for n in range(tries)]
`, tries)
	if !wrong {
		e.response = "Full jitter draws each delay between zero and the doubled, capped step."
		e.artifact = code("delays", right)
		return e
	}
	e.response = "Full jitter draws each delay between zero and the doubled, capped step."
	e.artifact = code("delays", fmt.Sprintf(`import random


def delays(tries=%d, first=0.2, most=5.0):
    return [random.uniform(0, max(most, first * 2 ** n)) for n in range(tries)]
`, tries))
	e.reasons, e.correction = []string{"wrong_value"}, right
	return e
}

func chunks(r *rand.Rand, wrong bool) exchange {
	size := 2 + r.IntN(8)
	e := exchange{prompt: fmt.Sprintf("Split a list into pieces of %d in Python, keeping the short rest.", size)}
	right := fmt.Sprintf(`def pieces(items, size=%d):
    return [items[i:i + size] for i in range(0, len(items), size)]
`, size)
	if !wrong {
		e.response = "Slices of the given size; the last one is as long as what is left."
		e.artifact = code("pieces", right)
		return e
	}
	e.response = "zip over the same iterator makes pieces of the given size and keeps the rest."
	e.artifact = code("pieces", fmt.Sprintf(`def pieces(items, size=%d):
    step = [iter(items)] * size
    return [list(piece) for piece in zip(*step)]
`, size))
	e.reasons, e.correction, e.reason = []string{"wrong_value", "false_explanation"}, right, "incorrect"
	return e
}

func slugify(r *rand.Rand, wrong bool) exchange {
	sep := pick(r, "-", "_")
	e := exchange{prompt: fmt.Sprintf("Make a file-name slug from a title in Python: lower case, words joined by %q, nothing else.", sep)}
	right := fmt.Sprintf(`import re


def slug(title):
    return %q.join(re.findall(r"[a-z0-9]+", title.lower()))
`, sep)
	if !wrong {
		e.response = "It keeps runs of letters and digits and joins them; an empty title gives an empty slug."
		e.artifact = code("slug", right)
		return e
	}
	e.response = "str.slugify does this with the separator as its argument."
	e.artifact = code("slug", fmt.Sprintf(`def slug(title):
    return title.lower().slugify(%q)
`, sep))
	e.reasons, e.correction, e.reason = []string{"invented_function"}, right, "incorrect"
	return e
}

func medianOfList(r *rand.Rand, wrong bool) exchange {
	unit := pick(r, "response times", "prices", "scores")
	e := exchange{prompt: "Median of a list of " + unit + " in Python without imports."}
	right := `def median(values):
    if not values:
        raise ValueError("median of nothing")
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2
`
	if !wrong {
		e.response = "It sorts a copy and takes the middle value, or the mean of the two middle ones."
		e.artifact = code("median", right)
		return e
	}
	e.response = "It sorts a copy and takes the middle value; for an even number of values that is the mean of the two middle ones."
	e.artifact = code("median", `def median(values):
    ordered = sorted(values)
    return ordered[len(ordered) // 2]
`)
	e.reasons, e.correction = []string{"wrong_value", "false_explanation"}, right
	return e
}
