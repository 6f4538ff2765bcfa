package validators

import (
	"context"
	"os"
	"slices"
	"testing"

	"assay/internal/embedded"
)

func TestMain(m *testing.M) {
	Main()
	embedded.Main()
	os.Exit(m.Run())
}

func openSet(t testing.TB) *Set {
	t.Helper()
	set, children := Open()
	t.Cleanup(children.Close)
	return set
}

// quickSet is the set with its abusive canaries left out, which take a second:
// for tests of what surrounds them.
func quickSet(t testing.TB) *Set {
	t.Helper()
	set := openSet(t)
	for i, v := range set.validators {
		set.validators[i].Canaries = slices.DeleteFunc(slices.Clone(v.Canaries), func(c Canary) bool { return c.Want == Inconclusive })
	}
	return set
}

func TestCanariesAreAnswered(t *testing.T) {
	set := openSet(t)
	for _, v := range set.All() {
		round, err := set.TryCanaries(context.Background(), v)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range round.Tried {
			t.Logf("%s: %s: %s %s, %.1f ms", v.Name, c.Name, c.Got, c.Reason, c.TookMS)
			if !c.OK {
				t.Errorf("%s: %s: want %s, got %s %s", v.Name, c.Name, c.Want, c.Got, c.Reason)
			}
		}
		if !round.Passed() {
			t.Errorf("%s would be suspended", v.Name)
		}
	}
}
