package code

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"time"

	"assay/validators/sandbox"
	"assay/validators/wasm"
)

// work reads jobs for a check.
func work(check func(context.Context, Job) Outcome) sandbox.Work {
	return func(ctx context.Context, input []byte) ([]byte, error) {
		var job Job
		if err := json.Unmarshal(input, &job); err != nil {
			return nil, err
		}
		return json.Marshal(check(ctx, job))
	}
}

// guest is an interpreter at work, with what it reported.
type guest struct {
	in      io.ReadCloser
	feed    *io.PipeWriter
	reports chan report
	stderr  *wasm.Tail
	trap    error
}

// report is what a guest said to the host: a word and what belongs to it.
type report []any

func (r report) word() string { return text(r, 0) }

func (r report) at(i int) any {
	if i >= len(r) {
		return nil
	}
	return r[i]
}

func newGuest() *guest {
	in, feed := io.Pipe()
	return &guest{in: in, feed: feed, reports: make(chan report, 8), stderr: &wasm.Tail{}}
}

// play starts the guest in a part. What it sends to the other side reaches
// other, and nothing where there is none.
func (g *guest) play(ctx context.Context, engine *wasm.Loaded, pipes wasm.Pipes, other *guest, part string, args ...any) {
	pipes.In, pipes.Errors = g.in, g.stderr
	pipes.Out = &frames{handle: func(kind byte, body, whole []byte) error {
		if kind != 'R' {
			if other == nil {
				return nil
			}
			_, err := other.feed.Write(whole)
			return err
		}
		if said, err := unpack(body); err == nil {
			select {
			case g.reports <- list(said):
			default: // more reports than any part has: noise
			}
		}
		return nil
	}}
	go func() {
		_, g.trap = engine.Run(ctx, pipes)
		if other != nil {
			other.feed.Close() // the other side hears that nobody answers
		}
		g.in.Close()
		close(g.reports)
	}()
	go func() { _, _ = g.feed.Write(frame('P', pack([]any{part, args}))) }()
}

// next waits for the next report; ok is false when the guest ended without.
func (g *guest) next(ctx context.Context) (report, bool) {
	select {
	case r, ok := <-g.reports:
		return r, ok
	case <-ctx.Done():
		// The parent's clock is about to end this child: only it says so.
		time.Sleep(time.Minute)
		return nil, false
	}
}

// leave lets a guest that waits hear the end. One that does not listen ends
// with the child.
func (g *guest) leave() {
	if g != nil {
		g.feed.Close()
	}
}

// outOfMemory is asked of a guest that ended.
func (g *guest) outOfMemory() bool {
	said := g.stderr.String()
	return strings.Contains(said, "MemoryError") || strings.Contains(said, "out of memory")
}
