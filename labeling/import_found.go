package labeling

import (
	"slices"
	"strings"
	"time"

	"assay/telemetry"
)

// Found is what a check of a file found: what would become of it, before
// anything is written.
type Found struct {
	Lines     int            `json:"lines"`
	Imported  int            `json:"imported"` // would be new
	Duplicate int            `json:"duplicate"`
	Unlabeled int            `json:"unlabeled"`
	Refused   int            `json:"refused"`
	Refusals  []RejectedLine `json:"refusals"` // the first of them
	Trouble   string         `json:"trouble,omitempty"`

	Labels  map[string]int `json:"labels"`       // of the lines with a label
	Classes map[string]int `json:"task_classes"` // of their responses

	Answers      []AnswerFound `json:"answers"` // what the fields of another tool hold
	MoreAnswers  int           `json:"more_answers"`
	Authors      []AuthorFound `json:"authors"` // the busiest first
	MoreAuthors  int           `json:"more_authors"`
	NoResponse   int           `json:"no_response"`   // labels of responses that are not here
	NotHere      []string      `json:"not_here"`      // the first of their names
	Unmeant      int           `json:"unmeant"`       // with answers, and none of them a label
	Untimed      int           `json:"untimed"`       // without the time they were given: it becomes now
	First        *time.Time    `json:"first"`         // labeled at
	Last         *time.Time    `json:"last"`          //
	AuthorsCount int           `json:"authors_count"` //

	answers map[said]int
	authors map[string]*AuthorFound
}

// AnswerFound is an answer of another tool and what it becomes.
type AnswerFound struct {
	Field   string `json:"field"`
	Value   string `json:"value,omitempty"` // "": free text
	Rating  bool   `json:"rating,omitempty"`
	Count   int    `json:"count"`
	Becomes string `json:"becomes"`
}

// AuthorFound is somebody who labeled.
type AuthorFound struct {
	Name   string `json:"name"`
	Labels int    `json:"labels"`
	Known  bool   `json:"known"` // a label of theirs came before, or they label here
}

const (
	mostAnswers  = 60
	mostAuthors  = 50
	mostDistinct = 20_000 // kept in memory while a file is checked
	mostNotHere  = 5
	mostRefusals = 100
)

// note adds a line to what was found. The line's labeler is known if the block
// has found them in the store.
func (f *Found) note(b *block, line importLine, response telemetry.Response, here bool) {
	for _, a := range line.answers {
		if a.kind == aText {
			a.value = ""
		}
		countUp(f.answers, a, mostDistinct)
	}
	if line.wrong != nil {
		return
	}
	if line.Label == nil {
		if len(line.answers) > 0 && !line.skipped {
			f.Unmeant++
		}
		return
	}
	f.Labels[*line.Label]++
	f.author(b, line)
	if !here {
		f.NoResponse++
		if len(f.NotHere) < mostNotHere {
			f.NotHere = append(f.NotHere, line.response())
		}
		return
	}
	countUp(f.Classes, response.TaskClass, mostDistinct)
	switch at := line.LabeledAt; {
	case at == nil:
		f.Untimed++
	default:
		if f.First == nil || at.Before(*f.First) {
			f.First = at
		}
		if f.Last == nil || at.After(*f.Last) {
			f.Last = at
		}
	}
}

func (f *Found) author(b *block, line importLine) {
	one := f.authors[line.Labeler]
	if one == nil && len(f.authors) >= mostDistinct {
		return
	}
	if one == nil {
		one = &AuthorFound{Name: line.Labeler}
		f.authors[line.Labeler] = one
	}
	one.Labels++
	one.Known = one.Known || b.labelers[line.Labeler] > 0 || b.labelers["\x00"+line.Labeler] > 0
}

// response names what a line is about, for people.
func (line *importLine) response() string {
	if line.EventID != nil {
		return line.EventID.String()
	}
	return line.SessionID + " / " + line.RequestID
}

func countUp[K comparable](counts map[K]int, key K, most int) {
	if _, known := counts[key]; known || len(counts) < most {
		counts[key]++
	}
}

func newFound() *Found {
	return &Found{Labels: map[string]int{}, Classes: map[string]int{}, Refusals: []RejectedLine{}, Answers: []AnswerFound{}, Authors: []AuthorFound{},
		NotHere: []string{}, answers: map[said]int{}, authors: map[string]*AuthorFound{}}
}

// finish sums up what was found.
func (f *Found) finish(done Imported, m meanings, trouble string) {
	f.Lines, f.Imported, f.Duplicate, f.Unlabeled, f.Refused = done.Lines, done.Imported, done.Duplicate, done.Unlabeled, done.Refused
	f.Refusals, f.Trouble = done.Rejected[:min(len(done.Rejected), mostRefusals)], trouble
	for a, n := range f.answers {
		f.Answers = append(f.Answers, AnswerFound{a.field, a.value, a.kind == aRating, n, m.of(a)})
	}
	slices.SortFunc(f.Answers, func(a, b AnswerFound) int {
		if a.Rating != b.Rating { // words are likelier to be labels than numbers
			return map[bool]int{false: -1, true: 1}[a.Rating]
		}
		if c := strings.Compare(a.Field, b.Field); c != 0 {
			return c
		}
		if a.Count != b.Count {
			return b.Count - a.Count
		}
		return strings.Compare(a.Value, b.Value)
	})
	f.MoreAnswers = max(0, len(f.Answers)-mostAnswers)
	f.Answers = f.Answers[:len(f.Answers)-f.MoreAnswers]
	for _, one := range f.authors {
		f.Authors = append(f.Authors, *one)
	}
	slices.SortFunc(f.Authors, func(a, b AuthorFound) int {
		if a.Labels != b.Labels {
			return b.Labels - a.Labels
		}
		return strings.Compare(a.Name, b.Name)
	})
	f.AuthorsCount = len(f.Authors)
	f.MoreAuthors = max(0, len(f.Authors)-mostAuthors)
	f.Authors = f.Authors[:len(f.Authors)-f.MoreAuthors]
}
