package code

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"assay/validators/sandbox"
)

// shellMemory is what all processes of a script may take together, in bytes.
const shellMemory = 256 << 20

// ShellProgram runs a script in the machine's own Bash, in the strong tier, for
// what needs commands beside the shell.
var ShellProgram = sandbox.Program{
	Name:   "bash-strong",
	Strong: true,
	Open: func(sandbox.Files) (sandbox.Work, error) {
		return work(func(_ context.Context, job Job) Outcome { return runStrong(job) }), nil
	},
	Limits: sandbox.Limits{Wall: 10 * time.Second, Memory: shellMemory, Output: 1 << 20},
}

// judgeShell judges a script in the interpreter of ours, and what that cannot
// do, where the operator has turned the strong tier on, in the machine's Bash.
func judgeShell(ctx context.Context, box Box, job Job, limits sandbox.Limits) (Outcome, sandbox.Result, error) {
	out, r, err := oneChild(ctx, box, BashProgram, job, limits)
	if err != nil || r.End != sandbox.Done || out.Reason != ReasonEnvironment {
		return out, r, err
	}
	strong, ran, err := oneChild(ctx, box, ShellProgram, job, limits)
	if errors.Is(err, sandbox.ErrOff) {
		return out, r, nil
	}
	strong.Evidence.Findings = out.Evidence.Findings
	return strong, ran, err
}

// maxWord is the longest word of a command, in bytes: the kernel's limit.
const maxWord = 128<<10 - 1

// absent is a script that asked for what even the strong tier does not have.
var absent = regexp.MustCompile(`command not found|No such file or directory|Permission denied|Read-only file system|Operation not permitted|Resource temporarily unavailable|Cannot allocate memory`)

// ofMachine are commands whose answers depend on the machine, its network or its
// people: where one is called, what is wrong may be the sandbox's.
var ofMachine = regexp.MustCompile(`(?:^|[|;&(\x60\s])(curl|wget|ssh|scp|rsync|git|docker|kubectl|ping|nc|dig|nslookup|host|netstat|ss|ip|ifconfig|ps|top|df|du|free|mount|uname|whoami|who|id|users|hostname|date|uptime|nproc|getent|systemctl|service|journalctl|dmesg|apt|apt-get|yum|dnf|brew|sudo|su|crontab|tty|stty|locale|find|ls)(?:\s|$)`)

func runStrong(job Job) Outcome {
	out := ranStrong(job)
	if m := ofMachine.FindStringSubmatch(job.Code); m != nil && out.Verdict == fail {
		out.Verdict, out.Reason, out.Message = inconclusive, ReasonEnvironment, fmt.Sprintf("It asks the machine (%s), and a sandbox may answer otherwise.", m[1])
	}
	return out
}

func ranStrong(job Job) Outcome {
	out := Outcome{Verdict: inconclusive, Evidence: Evidence{Language: "bash", Tier: sandbox.TierStrong}}
	script, mark := job.Code, "the end of the tests "+rand.Text()
	if job.Tests != nil {
		script += fmt.Sprintf("\n%s\nassay_status=$?; echo; echo '%s'; exit $assay_status", *job.Tests, mark)
	}
	if len(script) > maxWord {
		out.Reason, out.Message = ReasonEnvironment, "The script is too long for the machine's shell."
		return out
	}
	ran, err := sandbox.Execute(shellMemory, 256<<10, strings.NewReader(job.Stdin), "/bin/bash", "--norc", "--noprofile", "-c", script, "bash")
	if err != nil {
		out.Reason, out.Message = ReasonEnvironment, "The machine's shell cannot be started in the sandbox."
		return out
	}
	out.Evidence.Cut = ran.Cut
	switch m := absent.FindString(ran.Errors); {
	case ran.Memory:
		out.Reason, out.Message = ReasonMemory, fmt.Sprintf("It needed more than %d MiB of memory.", shellMemory>>20)
	case ran.Code < 0:
		out.Reason, out.Message = ReasonGone, "A signal ended it, so that nothing can be said of it."
	case m != "":
		out.Evidence.Error = clip(ran.Errors)
		out.Reason, out.Message = ReasonEnvironment, fmt.Sprintf("It needs what a sandbox does not have: %s.", short(strings.TrimSpace(firstLine(ran.Errors))))
	case ran.Cut:
		out.Reason, out.Message = string(sandbox.TooMuchSaid), "It printed more than is kept."
	case job.Stdout != nil:
		out = comparePrinted(out, ran.Out, *job.Stdout)
		if ran.Code != 0 && out.Verdict == pass {
			out.Verdict, out.Reason, out.Message = fail, ReasonExit, fmt.Sprintf("It printed what is expected and ended with code %d.", ran.Code)
		}
	case job.Tests == nil && ran.Code == 0:
		out.Verdict, out.Reason, out.Message = pass, ReasonRuns, "It runs. There were no tests."
	case job.Tests == nil:
		out.Verdict, out.Reason, out.Message = fail, ReasonExit, fmt.Sprintf("It ended with code %d.", ran.Code)
	case ran.Code == 0 && !strings.HasSuffix(strings.TrimSpace(ran.Out), mark):
		out.Reason, out.Message = ReasonGone, "It ended before its tests did, so that nothing can be said of it."
	case ran.Code == 0:
		out.Evidence.Trusting = true
		out.Verdict, out.Reason, out.Message = pass, ReasonHeld, "All tests hold. The verdict trusts the script, which its tests could not be kept from."
	default:
		out.Evidence.Trusting = true
		out.Verdict, out.Reason, out.Message = fail, ReasonAssertion, fmt.Sprintf("A test does not hold: the tests ended with code %d.", ran.Code)
	}
	return out
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
