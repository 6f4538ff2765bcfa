package formula

import (
	"context"
	"testing"
)

// fact is a formula and the value Excel gives for it: a number, a text, a
// boolean, an error as text, or rows of them for what spills.
type fact struct {
	formula string
	want    any
}

type rows = []any

// holdsIn checks facts about formulas that stand in cell Z100 of a sheet.
func holdsIn(t *testing.T, s Sheet, facts []fact) {
	t.Helper()
	holdsWithin(t, s, 1e-9, facts)
}

func holdsWithin(t *testing.T, s Sheet, tolerance float64, facts []fact) {
	t.Helper()
	book, err := Open(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range facts {
		want, err := plainValue(withFloats(f.want))
		if err != nil {
			t.Fatalf("%s: %v", f.formula, err)
		}
		r := book.Evaluate(context.Background(), "Z100", f.formula, s.Entered)
		switch {
		case r.Parse != nil:
			t.Errorf("%s: does not parse: %s", f.formula, r.Parse.Message)
		case r.Refused != nil:
			t.Errorf("%s: refused: %s (%s)", f.formula, r.Refused.Message, r.Refused.Reason)
		default:
			if c := Compare(r.Value, want, tolerance); !c.Equal {
				t.Errorf("%s: %s", f.formula, c.Why)
			} else if r.Value.kind == KindArray && want.kind != KindArray {
				t.Errorf("%s: want %v, got %s", f.formula, f.want, r.Value)
			}
		}
	}
}

// withFloats makes ints of a table floats, also within rows.
func withFloats(v any) any {
	switch v := v.(type) {
	case int:
		return float64(v)
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = withFloats(x)
		}
		return out
	}
	return v
}

func holdsAlone(t *testing.T, facts []fact) {
	t.Helper()
	holdsIn(t, Sheet{}, facts)
}
