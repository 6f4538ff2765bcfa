// Command assay is the whole product in one program: assay help.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	_ "time/tzdata" // so that zones have names on a machine that has none

	"assay/internal/embedded"
	"assay/internal/fault"
	"assay/validators"
)

// command is one word after assay, one file in this folder.
type command struct {
	name    string
	usage   string // what follows the name
	summary string // one line
	detail  string // what help NAME adds
	run     func(ctx context.Context, args []string) error
}

// The exit codes: yes or done, no or failed, wrong usage.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

var errNo = errors.New("no") // a plain no, already explained on standard output

// usageError is a call that cannot be taken; its text says what would be right.
type usageError string

func (u usageError) Error() string { return string(u) }

// garbage is how much may gather before the collector runs, in percent of what
// is alive. Little is: bodies in work are bounded. Twice Go's own share takes
// events 7 % faster. GOGC overrides it.
const garbage = 200

func main() {
	embedded.Main()   // the hidden engine process, when that is what we were started as
	validators.Main() // likewise a sandbox's child
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, out, errOut io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(args) == 0 {
		printHelp(errOut)
		return exitUsage
	}
	if args[0] == "help" || args[0] == "--help" || args[0] == "-h" {
		return help(args[1:], out, errOut)
	}
	for _, c := range commands() {
		words := strings.Fields(c.name)
		if len(args) < len(words) || strings.Join(args[:len(words)], " ") != c.name {
			continue
		}
		return outcome(c, c.run(ctx, args[len(words):]), errOut)
	}
	fmt.Fprintf(errOut, "assay: there is no command %q; assay help lists them\n", strings.Join(args[:min(2, len(args))], " "))
	return exitUsage
}

func outcome(c command, err error, errOut io.Writer) int {
	var usage usageError
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errNo):
		return exitFailed
	case errors.As(err, &usage):
		fmt.Fprintf(errOut, "assay %s: %s\nusage: assay %s %s\n", c.name, usage, c.name, c.usage)
		return exitUsage
	}
	words := fault.Words(err)
	if words == "" {
		words = err.Error()
	}
	fmt.Fprintf(errOut, "assay %s: %s\n", c.name, words)
	return exitFailed
}

func help(args []string, out, errOut io.Writer) int {
	if len(args) == 0 {
		printHelp(out)
		return exitDone
	}
	name := strings.Join(args, " ")
	if name == "environment" {
		printEnvironment(out)
		return exitDone
	}
	found := false
	for _, c := range commands() {
		if c.name != name && !strings.HasPrefix(c.name, name+" ") {
			continue
		}
		if found {
			fmt.Fprintln(out)
		}
		fmt.Fprintf(out, "assay %s %s\n\n%s.\n", c.name, c.usage, strings.TrimSuffix(c.summary, "."))
		if c.detail != "" {
			fmt.Fprintf(out, "\n%s\n", strings.TrimSpace(c.detail))
		}
		found = true
	}
	if !found {
		fmt.Fprintf(errOut, "assay: there is no command %q; assay help lists them\n", name)
		return exitUsage
	}
	return exitDone
}

func printHelp(out io.Writer) {
	fmt.Fprint(out, "assay: labels, validators and a promotion gate for LLM assistants\n\n")
	for _, c := range commands() {
		fmt.Fprintf(out, "  %-20s %s\n", c.name, c.summary)
	}
	fmt.Fprint(out, "\nassay help COMMAND explains one; assay help environment lists the settings.\nExit codes: 0 yes or done, 1 no or failed, 2 wrong usage.\n")
}
