package code

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"

	"assay/validators/nearest"
	"assay/validators/sandbox"
)

// shellVersion is that of the interpreter.
const shellVersion = "3.14.1"

// BashProgram judges one script. The interpreter is Go code in the child: it has
// no files, no processes and no environment.
var BashProgram = sandbox.Program{
	Name: "bash",
	Open: func(sandbox.Files) (sandbox.Work, error) {
		return work(func(ctx context.Context, job Job) Outcome { return (&bash{job: job}).check(ctx) }), nil
	},
	Limits: sandbox.Limits{Wall: 10 * time.Second, Memory: 512 << 20, Output: 1 << 20},
	Ahead:  1,
}

// bash is one check of a script.
type bash struct {
	job   Job
	needs string // what the script wanted and cannot have here
	last  [2]string
	calls int
}

func (b *bash) check(ctx context.Context) Outcome {
	out := Outcome{Verdict: inconclusive, Evidence: Evidence{Language: "bash"}}
	script, err := parseShell(b.job.Code, "code")
	if err != nil {
		return b.unparsed(out, err)
	}
	out.Evidence.Findings = unknownCommands(script, b.job.Code)
	stdin := ""
	if b.job.Stdout != nil {
		stdin = b.job.Stdin
	}
	var printed limited
	code, err := b.shell(stdin, &printed, nil)
	if err != nil {
		return b.fault(out, err)
	}
	status, err := runShell(ctx, code, script)
	if err != nil {
		return b.fault(out, err)
	}
	switch {
	case b.needs != "":
		return b.cannot(out)
	case b.job.Stdout != nil:
		out = comparePrinted(out, printed.String(), *b.job.Stdout)
		if status != 0 && out.Verdict == pass {
			out.Verdict, out.Reason, out.Message = fail, ReasonExit, fmt.Sprintf("It printed what is expected and ended with code %d.", status)
		}
		return out
	case b.job.Tests == nil:
		if status != 0 {
			out.Verdict, out.Reason, out.Message = fail, ReasonExit, fmt.Sprintf("It ended with code %d.", status)
			return out
		}
		out.Verdict, out.Reason, out.Message = pass, ReasonRuns, "It runs, and calls only commands that exist. There were no tests."
		return out
	}
	return b.test(ctx, code, out)
}

// test runs the tests in a shell of their own. What they call and do not define
// is asked of the code's shell, and comes back as text and a status.
func (b *bash) test(ctx context.Context, code *interp.Runner, out Outcome) Outcome {
	tests, err := parseShell(*b.job.Tests, "tests")
	if err != nil {
		out.Reason, out.Message = ReasonTests, "The tests are no script: "+clip(err.Error())+"."
		return out
	}
	var line uint
	shell, err := b.shell("", &limited{}, func(ctx context.Context, args []string) error {
		if code.Funcs[args[0]] == nil {
			return b.refuse(args[0])
		}
		return b.callFar(ctx, code, args)
	})
	if err != nil {
		return b.fault(out, err)
	}
	status := 0
	for _, statement := range tests.Stmts {
		line = statement.Pos().Line()
		if status, err = runShell(ctx, shell, statement); err != nil {
			return b.fault(out, err)
		}
		if b.needs != "" {
			return b.cannot(out)
		}
		if shell.Exited() {
			break
		}
	}
	out.Evidence.Call, out.Evidence.Returned, out.Evidence.Calls = clip(b.last[0]), clip(b.last[1]), b.calls
	switch {
	case status != 0 && longRange(b.job.Code):
		b.want("more of the shell (a range in braces that is this long)")
		return b.cannot(out)
	case status != 0:
		out.Evidence.Test = lineOf(*b.job.Tests, int(line))
		out.Verdict, out.Reason, out.Message = fail, ReasonAssertion, fmt.Sprintf("A test does not hold: the tests ended with code %d.", status)
		if b.last[0] != "" {
			out.Message = fmt.Sprintf("A test does not hold: %s gives %s.", short(b.last[0]), short(b.last[1]))
		}
	case b.calls == 0:
		out.Reason, out.Message = ReasonTests, "The tests hold without calling the code once."
	default:
		out.Verdict, out.Reason, out.Message = pass, ReasonHeld, fmt.Sprintf("All tests hold, with %s of the code.", count(b.calls, "call"))
	}
	return out
}

// callFar calls a function of the code for the tests.
func (b *bash) callFar(ctx context.Context, code *interp.Runner, args []string) error {
	asked := interp.HandlerCtx(ctx)
	inner := code.Subshell()
	var printed limited
	if err := interp.StdIO(asked.Stdin, &printed, complaints{b})(inner); err != nil {
		return err
	}
	words := make([]string, len(args))
	for i, arg := range args {
		quoted, err := syntax.Quote(arg, syntax.LangBash)
		if err != nil {
			return fmt.Errorf("hand over an argument: %w", err)
		}
		words[i] = quoted
	}
	call, err := parseShell(strings.Join(words, " "), "call")
	if err != nil {
		return err
	}
	status, err := runShell(ctx, inner, call)
	if err != nil {
		return err
	}
	b.calls++
	b.last = [2]string{strings.Join(words, " "), fmt.Sprintf("%q", strings.TrimRight(printed.String(), "\n"))}
	if status != 0 {
		b.last[1] += fmt.Sprintf(" and code %d", status)
	}
	if _, err := io.WriteString(asked.Stdout, printed.String()); err != nil {
		return err
	}
	if status != 0 {
		return interp.ExitStatus(status)
	}
	return nil
}

// shell makes an interpreter that has nothing but itself.
func (b *bash) shell(stdin string, out io.Writer, exec interp.ExecHandlerFunc) (*interp.Runner, error) {
	if exec == nil {
		exec = func(_ context.Context, args []string) error { return b.refuse(args[0]) }
	}
	here := func(r *interp.Runner) error { r.Dir = "/"; return nil } // without asking the system, which says nothing
	return interp.New(here,
		interp.Env(expand.ListEnviron("PATH=/usr/bin:/bin", "HOME=/", "PWD=/", "IFS= \t\n", "LC_ALL=C.UTF-8")),
		interp.StdIO(strings.NewReader(stdin), out, complaints{b}),
		interp.ExecHandlers(func(interp.ExecHandlerFunc) interp.ExecHandlerFunc { return exec }),
		interp.OpenHandler(func(_ context.Context, path string, _ int, _ os.FileMode) (io.ReadWriteCloser, error) {
			if path == "/dev/null" {
				return nowhere{}, nil
			}
			b.want("the file " + path)
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrPermission}
		}),
		interp.ReadDirHandler2(func(_ context.Context, path string) ([]fs.DirEntry, error) { return nil, fs.ErrNotExist }),
		interp.StatHandler(func(_ context.Context, path string, _ bool) (fs.FileInfo, error) {
			return nil, &fs.PathError{Op: "stat", Path: path, Err: fs.ErrNotExist}
		}),
	)
}

// refuse answers a command that is no part of the shell: one that exists
// elsewhere leaves the verdict open.
func (b *bash) refuse(name string) error {
	if slices.Contains(commands, name) || strings.Contains(name, "/") {
		b.want("the command " + name)
	}
	return interp.ExitStatus(127)
}

func (b *bash) want(what string) {
	if b.needs == "" {
		b.needs = what
	}
}

func (b *bash) cannot(out Outcome) Outcome {
	out.Verdict, out.Reason, out.Message = inconclusive, ReasonEnvironment, fmt.Sprintf("It needs what a sandbox does not have: %s.", clip(b.needs))
	return out
}

// fault is an interpreter that could not go on.
func (b *bash) fault(out Outcome, err error) Outcome {
	out.Reason, out.Message = ReasonEnvironment, fmt.Sprintf("The shell could not go on: %s.", clip(err.Error()))
	if b.needs != "" {
		return b.cannot(out)
	}
	return out
}

func (b *bash) unparsed(out Outcome, err error) Outcome {
	out.Verdict, out.Reason, out.Message = fail, ReasonSyntax, "This is no script: "+clip(err.Error())+"."
	var p syntax.ParseError
	if errors.As(err, &p) {
		out.Evidence.Line = int(p.Pos.Line())
		out.Evidence.Source, out.Evidence.Error = lineOf(b.job.Code, out.Evidence.Line), p.Text
		out.Message = fmt.Sprintf("This is no script: %s in line %d.", clip(p.Text), out.Evidence.Line)
	}
	return out
}

func parseShell(source, name string) (*syntax.File, error) {
	return syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(source), name)
}

// runShell runs a part of a script and returns its status. An error is the
// interpreter's.
func runShell(ctx context.Context, shell *interp.Runner, node syntax.Node) (int, error) {
	err := shell.Run(ctx, node)
	var status interp.ExitStatus
	switch {
	case err == nil:
		return 0, nil
	case errors.As(err, &status):
		return int(status), nil
	}
	return 0, err
}

// commands are programs that systems have beside the shell.
var commands = strings.Fields(`awk gawk sed grep egrep fgrep cat head tail cut tr sort uniq wc find xargs tee ls cp mv rm mkdir rmdir touch chmod chown ln
	basename dirname date sleep seq bc expr env which tar gzip gunzip zip unzip curl wget ssh scp rsync git make docker kubectl python python3 node npm jq
	ps kill df du mount umount uname whoami id hostname diff patch file stat readlink realpath mktemp rev tac nl od xxd hexdump base64 md5sum sha1sum sha256sum
	openssl comm paste join split column fold fmt pr factor shuf timeout nohup nice watch yes sudo su apt apt-get yum dnf brew systemctl service crontab
	ping netstat ss ip ifconfig nc dig nslookup host tput clear stty bash sh zsh perl ruby go java javac gcc cc clang cmake sqlite3 psql mysql redis-cli`)

// unknownCommands finds calls of what neither the shell, nor the script, nor
// common systems have.
func unknownCommands(script *syntax.File, source string) []Finding {
	defined := map[string]bool{}
	var calls []*syntax.CallExpr
	syntax.Walk(script, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.FuncDecl:
			if n.Name != nil {
				defined[n.Name.Value] = true
			}
		case *syntax.CallExpr:
			calls = append(calls, n)
		}
		return true
	})
	var names []string
	for name := range defined {
		names = append(names, name)
	}
	var found []Finding
	for _, call := range calls {
		if len(call.Args) == 0 {
			continue
		}
		name := call.Args[0].Lit()
		if name == "" || strings.Contains(name, "/") || defined[name] || interp.IsBuiltin(name) || slices.Contains(commands, name) {
			continue
		}
		near := nearest.Name(name, append(names, commands...))
		found = append(found, Finding{Kind: "unknown_command", Name: name, Line: int(call.Pos().Line()), Nearest: near,
			Message: fmt.Sprintf("No command %s is known.%s", name, saidNearest(near))})
	}
	return found
}

// complaints listens to the standard error for what this interpreter, unlike
// Bash, cannot do: it then proves nothing.
type complaints struct{ b *bash }

var lacks = regexp.MustCompile(`unsupported|unhandled|not supported|not implemented|too large|too many|limit`)

func (c complaints) Write(p []byte) (int, error) {
	if what := lacks.Find(p); what != nil {
		c.b.want("more of the shell (" + strings.TrimSpace(clip(string(p))) + ")")
	}
	return len(p), nil
}

var braceRange = regexp.MustCompile(`\{(-?\d+)\.\.(-?\d+)`)

// longRange reports whether a script counts in braces farther than this
// interpreter does, which leaves such a range out without a word.
func longRange(source string) bool {
	for _, m := range braceRange.FindAllStringSubmatch(source, -1) {
		from, err := strconv.ParseInt(m[1], 10, 64)
		to, err2 := strconv.ParseInt(m[2], 10, 64)
		if err != nil || err2 != nil || to-from > 10_000 || from-to > 10_000 {
			return true
		}
	}
	return false
}

// nowhere is /dev/null.
type nowhere struct{}

func (nowhere) Read([]byte) (int, error)    { return 0, io.EOF }
func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (nowhere) Close() error                { return nil }

// limited keeps what is printed, up to a limit.
type limited struct{ bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	if room := maxPrinted - l.Len(); len(p) > room {
		l.Buffer.Write(p[:max(room, 0)])
		return len(p), nil
	}
	return l.Buffer.Write(p)
}
