package code

import (
	"context"
	"os"
	"testing"
	"time"

	"assay/validators/sandbox"
	"assay/validators/wasm"
)

var box *sandbox.Children

func TestMain(m *testing.M) {
	sandbox.Main(programs()...)
	cache, err := wasm.OpenCache()
	if err != nil {
		panic(err)
	}
	box = sandbox.Open(sandbox.Config{Programs: programs(), Reads: []string{cache.Dir}})
	code := m.Run()
	box.Close()
	os.Exit(code)
}

func programs() []sandbox.Program {
	var all []sandbox.Program
	for _, l := range Languages {
		all = append(all, l.Programs()...)
	}
	return all
}

// judge runs a job in the sandbox as the product does.
func judge(t testing.TB, job Job) Outcome {
	t.Helper()
	return judgeWithin(t, job, sandbox.Limits{})
}

func judgeWithin(t testing.TB, job Job, limits sandbox.Limits) Outcome {
	t.Helper()
	l, ok := Named(job.Language)
	if !ok {
		t.Fatalf("no language %s", job.Language)
	}
	out, r, err := l.Judge(context.Background(), box, job, limits)
	if err != nil {
		t.Fatal(err)
	}
	slack := 3 * time.Second // of a busy machine
	if *full {
		slack = time.Second
	}
	wall := limits.Wall
	if job.Language == "go" {
		wall = max(wall, GoCompilerProgram.Limits.Wall) // whichever child it was
	}
	if limits.Wall > 0 && r.Elapsed > wall+slack {
		t.Errorf("%s took %v of %v", job.Language, r.Elapsed, wall)
	}
	if r.End != sandbox.Done {
		return Outcome{Verdict: inconclusive, Reason: string(r.End), Message: r.Detail}
	}
	return out
}
