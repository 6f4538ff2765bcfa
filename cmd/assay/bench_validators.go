package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"assay/validators"
	"assay/validators/dialect"
)

var benchValidatorsCommand = command{
	name: "bench validators", usage: "[--seconds 3] [--only KIND]", summary: "measure verdicts in the sandbox beside the bare engines",
	detail: `Judges inputs of the product's own, kind by kind: one at a time and on every processor, in the
sandbox and, in the same run, on the bare engine inside this process; for what runs WebAssembly, bare
means that engine on the same runtime without a child around it. Says what isolation adds to one
verdict, verdicts a second and core, the 95th percentile from job to verdict under load, and the
memory of the children with four at work. A wrong verdict ends it with exit code 1.`,
	run: runBenchValidators,
}

// validatorFigures are what one kind measured to.
type validatorFigures struct {
	Kind                string
	Guarded, Bare       time.Duration // median of one at a time
	PerSecond           float64       // on every processor
	P95                 time.Duration // from job to verdict, on every processor
	Resident            int64         // of the children, with four at work
	FirstTook, BareTook time.Duration // the first of all, with what has to be loaded
}

func runBenchValidators(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("bench validators", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	seconds := flags.Float64("seconds", 3, "")
	only := flags.String("only", "", "")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 || !(*seconds > 0 && *seconds <= 600) {
		return usageError("bench validators takes --seconds and --only")
	}
	return benchValidators(ctx, time.Duration(*seconds*float64(time.Second)), *only, os.Stdout)
}

// benchValidators measures each kind for about so long in each of its parts.
func benchValidators(ctx context.Context, lasts time.Duration, only string, out io.Writer) error {
	var kinds []string
	err := withTrials(func(trials []validators.Trial) error {
		for _, t := range trials {
			if strings.Contains(t.Name, only) {
				kinds = append(kinds, t.Name)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(kinds) == 0 {
		return usageError("no kind of that name can run on this machine")
	}
	load, _ := os.ReadFile("/proc/loadavg")
	fmt.Fprintf(out, "%d processors, %s each part; load %s", runtime.GOMAXPROCS(0), lasts, load)
	fmt.Fprintf(out, "%-18s %10s %10s %10s %7s %10s %10s %10s %10s\n", "kind", "guarded", "bare", "adds", "times", "each s", "s·core", "p95", "memory")
	for _, kind := range kinds {
		// Children of its own, so that the memory is that of this kind.
		err := withTrials(func(trials []validators.Trial) error {
			t := trials[slices.IndexFunc(trials, func(t validators.Trial) bool { return t.Name == kind })]
			f, err := measureTrial(ctx, t, lasts)
			if err == nil {
				fmt.Fprintln(out, f)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	fmt.Fprintln(out, "guarded, bare: median of one at a time; adds: what isolation costs; p95: from job to verdict with every processor at work; memory: children with four at work")
	return nil
}

// withTrials opens the kinds of this machine for a while.
func withTrials(act func([]validators.Trial) error) error {
	trials, end := validators.Trials(dialect.Config{ClickhouseLibrary: env("ASSAY_CHDB_LIBRARY")}, 4)
	defer end()
	return act(trials)
}

func (f validatorFigures) String() string {
	round := func(d time.Duration) string { return d.Round(10 * time.Microsecond).String() }
	return fmt.Sprintf("%-18s %10s %10s %10s %6.2fx %10.1f %10.1f %10s %6d MiB", f.Kind, round(f.Guarded), round(f.Bare), round(f.Guarded-f.Bare),
		float64(f.Guarded)/float64(max(f.Bare, 1)), f.PerSecond, f.PerSecond/float64(runtime.GOMAXPROCS(0)), round(f.P95), f.Resident>>20)
}

// measureTrial measures one kind: first of all once each, so that what has to
// be loaded is, then in turns, so that both meet the same load.
func measureTrial(ctx context.Context, t validators.Trial, lasts time.Duration) (validatorFigures, error) {
	f := validatorFigures{Kind: t.Name}
	for part, act := range map[*time.Duration]func(context.Context, int) error{&f.FirstTook: t.Guarded, &f.BareTook: t.Bare} {
		began := time.Now()
		if err := act(ctx, 0); err != nil {
			return f, err
		}
		*part = time.Since(began)
	}
	var guarded, bare []time.Duration
	for until := time.Now().Add(lasts); len(guarded) < 3 || time.Now().Before(until); {
		for list, act := range map[*[]time.Duration]func(context.Context, int) error{&guarded: t.Guarded, &bare: t.Bare} {
			began := time.Now()
			if err := act(ctx, len(*list)); err != nil {
				return f, err
			}
			*list = append(*list, time.Since(began))
		}
	}
	f.Guarded, f.Bare = percentile(guarded, .5), percentile(bare, .5)
	crowd, over, _, err := crowded(ctx, t, runtime.GOMAXPROCS(0), lasts)
	if err != nil {
		return f, err
	}
	f.PerSecond, f.P95 = float64(len(crowd))/over.Seconds(), percentile(crowd, .95)
	_, _, f.Resident, err = crowded(ctx, t, 4, min(lasts, time.Second))
	return f, err
}

// crowded keeps so many at work for a while, and looks at the memory of the
// children meanwhile.
func crowded(ctx context.Context, t validators.Trial, workers int, lasts time.Duration) (took []time.Duration, over time.Duration, resident int64, err error) {
	var mu sync.Mutex
	var working sync.WaitGroup
	var n atomic.Int64
	began := time.Now()
	for range workers {
		working.Go(func() {
			for done := 0; done < 1 || time.Since(began) < lasts; done++ {
				at := time.Now()
				wrong := t.Guarded(ctx, int(n.Add(1)))
				mu.Lock()
				took, err = append(took, time.Since(at)), firstError(err, wrong)
				stop := err != nil
				mu.Unlock()
				if stop {
					return
				}
			}
		})
	}
	finished := make(chan struct{})
	go func() { working.Wait(); close(finished) }()
	for {
		select {
		case <-finished:
			return took, time.Since(began), max(resident, residentChildren()), err
		case <-time.After(50 * time.Millisecond):
			resident = max(resident, residentChildren())
		}
	}
}

func firstError(first, then error) error {
	if first != nil {
		return first
	}
	return then
}

// residentChildren is the memory of all processes below this one.
func residentChildren() int64 {
	var sum int64
	for _, pid := range descendants(os.Getpid())[1:] {
		sum += resident(pid)
	}
	return sum
}

// percentile is the given share's value of a list it sorts.
func percentile(list []time.Duration, share float64) time.Duration {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[min(len(list)-1, int(share*float64(len(list))))]
}
