package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/term"

	"assay/telemetry/client"
)

var loadCommand = command{
	name: "load", usage: "FILE… [--server URL] [--batch 500] [--spool DIR]", summary: "send events to a running product",
	detail: `FILE is JSON Lines of events, or OTLP JSON of traces or logs, gzip or not; - is standard input. Batches are sent gzipped and again when the
product does not answer; what could not be sent waits in the spool directory and goes first the
next time. Event ids stay the same, so a file may be loaded again without counting twice.`,
	run: runLoad,
}

func runLoad(ctx context.Context, args []string) error {
	var files []string
	for len(args) > 0 && (args[0] == "-" || !strings.HasPrefix(args[0], "-")) {
		files, args = append(files, args[0]), args[1:]
	}
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	server := flags.String("server", "", "")
	batch := flags.Int("batch", 500, "")
	spool := flags.String("spool", filepath.Join(env("ASSAY_DATA"), "spool"), "")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 || len(files) == 0 || *batch < 1 {
		return usageError("name the files first, then options")
	}
	at, err := findRemote(*server)
	if err != nil {
		return err
	}
	began := time.Now()
	show := func(client.Totals) {}
	if term.IsTerminal(int(os.Stderr.Fd())) {
		show = func(t client.Totals) {
			fmt.Fprintf(os.Stderr, "\r%d accepted, %d duplicate, %d refused, %.0f a second ", t.Accepted, t.Duplicate, t.Rejected, float64(t.Read)/time.Since(began).Seconds())
		}
	}
	sender, err := client.New(client.Config{URL: at.address, Key: at.key, BatchSize: *batch, Spool: *spool, Progress: show})
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := loadOne(ctx, sender, file); err != nil {
			return fmt.Errorf("load %s: %w", file, err)
		}
	}
	err = sender.Close(ctx)
	return report(sender.Totals(), time.Since(began), err)
}

func report(t client.Totals, took time.Duration, err error) error {
	fmt.Printf("%d read, %d accepted, %d duplicate, %d refused, %d waiting on disk, %.1f s, %.0f events a second\n",
		t.Read, t.Accepted, t.Duplicate, t.Rejected, t.Spooled, took.Seconds(), float64(t.Read)/took.Seconds())
	for _, refused := range t.First {
		if refused.Number == 0 {
			fmt.Printf("  %s\n", refused.Reason)
			continue
		}
		fmt.Printf("  event %d: %s\n", refused.Number, refused.Reason)
	}
	if errors.Is(err, client.ErrUnsent) || (err == nil && t.Rejected > 0) {
		return errNo
	}
	return err
}

func loadOne(ctx context.Context, sender *client.Client, path string) error {
	if path == "-" {
		return sender.Load(ctx, os.Stdin)
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return sender.Load(ctx, file)
}
