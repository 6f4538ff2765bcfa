package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"assay/internal/fault"
	"assay/validators"
	"assay/validators/fixture"
)

var validateCommand = command{
	name: "validate", usage: "[--validator NAME] [--fixture NAME=FILE]... FILE", summary: "run validators over JSON Lines, without a database or a server",
	detail: `
FILE has one input a line, {"id", "task_class", "artifact", "expected"}; "-" is
standard input. Standard output gets one verdict a line, in the same order. The
artifact's kind chooses the validator unless one is named.

--fixture shop=shop.sqlite gives artifacts that name the fixture "shop" their
tables or their workbook: a file of SQL statements, a SQLite database, CSV, a
ZIP of CSV, or XLSX. It can be said several times. A script is for SQLite unless
its dialect stands before the file: --fixture shop=postgres:shop.sql

Before the first line each validator answers its canaries. One that answers
wrongly is suspended: it says so and gives no verdict.

Exit code 0 when every line got a verdict, whatever it says; 1 otherwise.`,
	run: validate,
}

func validate(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("validate", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	name := flags.String("validator", "", "")
	var files []validators.File
	flags.Func("fixture", "", func(text string) error {
		file, err := fixtureFile(text)
		files = append(files, file)
		return err
	})
	if err := flags.Parse(args); err != nil {
		return usageError(err.Error())
	}
	if flags.NArg() != 1 {
		return usageError("name one FILE, or - for standard input")
	}
	in := io.Reader(os.Stdin)
	if path := flags.Arg(0); path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	set, children := validators.OpenStrong(dialectEngines(), env("ASSAY_STRONG_TIER") == "on")
	defer children.Close()
	if *name != "" {
		if _, err := set.Named(*name); err != nil {
			return err
		}
	}
	fixtures, err := set.ReadFixtures(ctx, files)
	if err != nil {
		return err
	}
	return validateLines(ctx, &bench{set: set, fixtures: fixtures, name: *name, tried: map[string]error{}}, in, os.Stdout, os.Stderr)
}

// fixtureFile reads NAME=FILE or NAME=DIALECT:FILE.
func fixtureFile(text string) (validators.File, error) {
	name, path, found := strings.Cut(text, "=")
	if !found {
		return validators.File{}, errors.New("a fixture is NAME=FILE")
	}
	f := validators.File{Fixture: name}
	if said, rest, found := strings.Cut(path, ":"); found && slices.Contains(validators.Dialects(), said) {
		f.Dialect, path = said, rest
	}
	f.Name = filepath.Base(path)
	info, err := os.Stat(path)
	if err != nil {
		return f, err
	}
	if info.Size() > fixture.MaxFile {
		return f, fmt.Errorf("%s has more than %d MiB", f.Name, fixture.MaxFile>>20)
	}
	f.Bytes, err = os.ReadFile(path)
	return f, err
}

// checked is a line on its way through: its verdict comes out in its turn.
type checked struct {
	number  int
	verdict []byte
	err     error
}

// validateLines keeps as many lines under way as there are processors and
// writes verdicts in the order of the lines.
func validateLines(ctx context.Context, bench *bench, in io.Reader, out, errOut io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if tier, err := bench.set.Capabilities(ctx); err != nil {
		return err
	} else if len(tier.Missing) > 0 {
		fmt.Fprintf(errOut, "assay validate: the sandbox is %s\n", tier)
	}
	line := make(chan chan checked, 2*runtime.GOMAXPROCS(0))
	var readErr error
	go func() {
		defer close(line)
		readErr = eachLine(in, func(number int, text []byte) bool {
			result := make(chan checked, 1)
			go func() {
				verdict, err := bench.check(ctx, text)
				result <- checked{number, verdict, err}
			}()
			select {
			case line <- result:
				return true
			case <-ctx.Done():
				return false
			}
		})
	}()
	w := bufio.NewWriter(out)
	defer w.Flush()
	failed, said := 0, map[string]bool{}
	for result := range line {
		c := <-result
		if c.err != nil {
			failed++
			if errors.Is(c.err, context.Canceled) {
				continue
			}
			words := fault.Words(c.err)
			if words == "" {
				words = c.err.Error()
			}
			if said[words] {
				continue
			}
			said[words] = true // once: a suspended validator is suspended for every line
			fmt.Fprintf(errOut, "assay validate: line %d: %s\n", c.number, words)
			continue
		}
		w.Write(append(c.verdict, '\n'))
		if len(line) == 0 {
			w.Flush() // somebody may be reading along
		}
	}
	switch {
	case readErr != nil:
		return readErr
	case ctx.Err() != nil:
		return ctx.Err()
	case failed > 0:
		fmt.Fprintf(errOut, "assay validate: %d lines without a verdict\n", failed)
		return errNo
	}
	return nil
}

const longestLine = 5 << 20

func eachLine(in io.Reader, each func(number int, text []byte) bool) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 64<<10), longestLine)
	for number := 1; lines.Scan(); number++ {
		text := bytes.TrimSpace(lines.Bytes())
		if len(text) == 0 {
			continue
		}
		if !each(number, bytes.Clone(text)) {
			return nil
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return fault.Say(fault.Invalid, "A line is longer than %d MiB.", longestLine>>20)
	}
	return lines.Err()
}

// bench lets each validator prove itself once, before its first line.
type bench struct {
	set      *validators.Set
	fixtures validators.LocalFixtures
	name     string // the validator that was asked for; "" goes by kind

	mu    sync.Mutex
	tried map[string]error
}

func (b *bench) check(ctx context.Context, text []byte) ([]byte, error) {
	in, err := validators.ReadInput(text)
	if err != nil {
		return nil, err
	}
	v, err := b.set.Choose(b.name, in)
	if err != nil {
		return nil, err
	}
	if err := b.prove(ctx, v); err != nil {
		return nil, err
	}
	verdict, err := b.set.Check(ctx, v, b.fixtures.With(in))
	if err != nil {
		return nil, err
	}
	return json.Marshal(verdict)
}

func (b *bench) prove(ctx context.Context, v validators.Validator) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err, known := b.tried[v.Name]; known {
		return err
	}
	round, err := b.set.TryCanaries(ctx, v)
	if err == nil && !round.Passed() {
		err = validators.Suspended{Round: round}
	}
	if ctx.Err() == nil {
		b.tried[v.Name] = err
	}
	return err
}
