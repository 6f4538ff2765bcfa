package ui

import (
	"reflect"
	"strings"
	"testing"
)

func TestEditsSayWhatWentAndWhatCame(t *testing.T) {
	for _, c := range []struct {
		name, before, after string
		want                []edit
	}{
		{"a word", "The sum is 10.", "The sum is 12.", []edit{{' ', "The sum is "}, {'-', "10"}, {'+', "12"}, {' ', "."}}},
		{"nothing before", "", "new", []edit{{'+', "new"}}},
		{"nothing left", "old", "", []edit{{'-', "old"}}},
		{"the same", "same text", "same text", []edit{{' ', "same text"}}},
		{"a formula's end", "=SUM(A1:A2)", "=SUM(A1:A3)", []edit{{' ', "=SUM(A1:"}, {'-', "A2"}, {'+', "A3"}, {' ', ")"}}},
	} {
		if got := (Edits{c.before, c.after}).runs(); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: want %q, got %q", c.name, c.want, got)
		}
	}
}

func TestEditsOfLongTextsAreBoundedAndLoseNothing(t *testing.T) {
	before, after := strings.Repeat("a b ", 5_000), strings.Repeat("c d ", 5_000)
	var went, came string
	for _, run := range (Edits{before, after}).runs() {
		if run.op != '+' {
			went += run.text
		}
		if run.op != '-' {
			came += run.text
		}
	}
	if went != before || came != after {
		t.Error("the runs are not the two texts")
	}
}
