package labeling

import (
	"maps"
	"slices"
	"testing"
)

func TestAMentionMeansTheOneItNames(t *testing.T) {
	known := []Known{{1, "Ann"}, {2, "Anna"}, {3, "Anna Berg"}, {4, "Jürgen Müller"}, {5, "Ann"}}
	for body, want := range map[string][]int64{
		"@anna, look":                     {2},
		"@Anna Berg and @ann":             {1, 3, 5},
		"@Annabel is nobody":              nil,
		"mail to x@ann.example":           {1, 5},
		"(@JÜRGEN MÜLLER) agrees":         {4},
		"@ anna":                          nil,
		"no mention":                      nil,
		"@Anna@Jürgen Müller twice @Anna": {2, 4},
	} {
		got := slices.Sorted(maps.Keys(namedIn(body, known)))
		if !slices.Equal(got, want) {
			t.Errorf("%q: want %v, got %v", body, want, got)
		}
	}
}
