package main

import (
	"context"
	"strings"
	"testing"
	"time"
)

// Every kind that this machine has an engine for is judged rightly in the
// sandbox and on the bare engine; a wrong verdict fails the bench.
func TestTheBenchOfValidatorsMeasuresBothSides(t *testing.T) {
	var out strings.Builder
	if err := benchValidators(context.Background(), 30*time.Millisecond, "", &out); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + out.String())
	for _, kind := range []string{"formula", "sql, sqlite", "text", "code, bash"} {
		if !strings.Contains(out.String(), "\n"+kind+" ") {
			t.Errorf("the bench has no line of %s", kind)
		}
	}
	if err := benchValidators(context.Background(), time.Millisecond, "tarot", &out); err == nil {
		t.Error("a kind that is none is measured")
	}
}
