package sandbox

import (
	"context"
	"os"
	"time"
)

// Program is something a child can be: a function of this binary that judges
// what it is given. Parent and child agree on it by its name.
type Program struct {
	Name string
	// Prepare, where there is one, runs in the parent before the first child and
	// returns the paths of the files and folders that Open is given, by name.
	// Its error keeps the program from running, and is tried again.
	Prepare func(context.Context) (map[string]string, error)
	// Open prepares the work: whatever needs a file or executable memory
	// happens here, before the child is locked down and before it has seen a
	// byte of a job.
	Open func(files Files) (Work, error)
	// Tools, where it is there, is asked after Prepare which programs of the
	// machine the work may start. What a job holds is data for them, never a
	// program of its own.
	Tools func() Tools
	// Strong programs run programs of the machine (Execute), with a stranger's
	// code: their children stand in the strong tier alone.
	Strong bool
	// Limits are what one job may take.
	Limits Limits
	// Jobs is how many jobs one child does, one after the other; 0 means one.
	// More than one is for programs that read their input as data with code of
	// ours. What runs a stranger's code never shares a child.
	Jobs int
	// Ahead is how many children wait, started, for the next job.
	Ahead int
}

// Tools are programs of the machine that a child may start, and what they may
// reach: these files and folders, and one folder of the child's own, which is
// empty at its start and gone at its end (Files.Scratch).
type Tools struct {
	Run  []string // executables, linked statically
	Read []string // files and folders
}

// Work does one job. Its context ends with the wall limit; an error is a fault
// of ours, not of the input.
type Work func(ctx context.Context, input []byte) (output []byte, err error)

// Files are the files a program reads before it is locked down, by name. The
// parent opened them, so that they may lie where the child could not go.
type Files map[string]*os.File

// scratchName is the folder of a child with tools among its files.
const scratchName = "\x00scratch"

// Scratch is the folder where a child with tools may write, "" without tools.
func (f Files) Scratch() string {
	if dir := f[scratchName]; dir != nil {
		return dir.Name()
	}
	return ""
}

// Limits bound one job. A zero field of a job means its program's.
type Limits struct {
	Wall   time.Duration // from the job's start to its answer
	Memory int64         // bytes the child may write to, beyond what it starts with
	Output int64         // bytes of the answer
}

func (l Limits) or(d Limits) Limits {
	if l.Wall <= 0 {
		l.Wall = d.Wall
	}
	if l.Memory <= 0 {
		l.Memory = d.Memory
	}
	if l.Output <= 0 {
		l.Output = d.Output
	}
	return l
}

// Job is one input for one program.
type Job struct {
	Program string
	Input   []byte
	Limits  Limits
}

// End says how a job ended.
type End string

// The ends. All but Done mean that there is no answer, and that nothing is
// known about the input but that.
const (
	Done         End = "done"
	OutOfTime    End = "timeout"
	OutOfMemory  End = "memory_limit"
	TooMuchSaid  End = "output_limit"
	Crashed      End = "sandbox_fault" // the child ended by itself
	grace            = 300 * time.Millisecond
	startWithin      = 20 * time.Second
	restsFor         = time.Minute // a child that nobody needed is ended
	stderrLimit      = 64 << 10
	setupLimit       = 64 << 10
	overheadData     = 256 << 20 // what a Go process maps without doing anything
)

// Result is what a job came to.
type Result struct {
	End     End
	Output  []byte
	Detail  string // of an end that is not Done: for operators, never shown as evidence
	Elapsed time.Duration
}

// Layer is one of the walls around a child.
type Layer string

// The layers.
const (
	Landlock Layer = "Landlock"         // files, TCP and signals that lead out
	Seccomp  Layer = "seccomp"          // what may be asked of the kernel at all
	Rlimits  Layer = "limits (rlimits)" // memory, descriptors, files, processor time
)

// Capabilities is what the sandbox enforces here, found out by trying to
// escape from it.
type Capabilities struct {
	Tier     string   `json:"tier"`     // "default", or "reduced" when something it rests on is missing
	Landlock int      `json:"landlock"` // version of the kernel's interface; 0 = none
	Seccomp  bool     `json:"seccomp"`
	User     string   `json:"user"`    // whom children run as
	Tried    int      `json:"tried"`   // escapes tried by the self-test
	Reached  []string `json:"reached"` // those that were not refused
	Missing  []string `json:"missing"` // what this machine does not have and lowers the tier, in words
	// Broken is what should hold here and does not, in words. While there is
	// any, no verdict is to be believed.
	Broken []string `json:"broken"`
	Tiers  []Tier   `json:"tiers"`
}

// Tier is a way to run programs, and why this machine does not have it.
type Tier struct {
	Name string `json:"name"`
	Runs string `json:"runs"` // what it is for
	Off  string `json:"off"`  // why it is off; "" = it is on
}

// The tiers. There is none without a sandbox.
const (
	TierDefault = "default"
	TierReduced = "reduced"
	TierBroken  = "broken"
	TierStrong  = "strong"
)
