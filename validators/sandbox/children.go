package sandbox

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"assay/internal/fault"
)

// Config says what children there are. The zero value of the rest works.
type Config struct {
	Programs []Program
	Files    map[string]map[string]string // by program and name: the path
	Reads    []string                     // folders and files that children may read while they start
	AtOnce   int                          // jobs at the same time; 0 = one for each processor
	Strong   bool                         // an operator lets programs of the machine run in the strong tier
	AtClose  func()                       // ends what runs beside the children; nil: nothing does
	// LeaveOut breaks the sandbox on purpose: these layers are not there, and
	// nothing says so but the self-test. It is for tests of what happens then.
	LeaveOut []Layer
}

// Children runs jobs, each in a child process of this program that was locked
// down before it saw the job. It is safe for many goroutines.
type Children struct {
	config   Config
	programs map[string]Program
	slots    chan struct{}
	starter  *starter

	mu      sync.Mutex
	waiting map[string][]*child
	closed  bool
	begun   sync.WaitGroup // children being started ahead

	preparing sync.Mutex
	prepared  map[string]map[string]string

	copying sync.Mutex
	copied  string // this program, where everybody may read it; "" before it is needed

	tested    sync.Mutex
	knowledge *Capabilities
}

// Open makes the sandbox. Nothing is started until the first job.
func Open(config Config) *Children {
	s := &Children{config: config, programs: map[string]Program{selfTest.Name: selfTest, strongTest.Name: strongTest}, waiting: map[string][]*child{},
		slots: make(chan struct{}, cmp.Or(config.AtOnce, runtime.GOMAXPROCS(0))), starter: newStarter(config.Reads, slices.Contains(config.LeaveOut, Landlock)), prepared: map[string]map[string]string{}}
	for _, p := range config.Programs {
		s.programs[p.Name] = p
	}
	return s
}

// Close ends the children that wait. Jobs under way end by their own limits.
func (s *Children) Close() {
	s.mu.Lock()
	s.closed = true
	waiting := s.waiting
	s.waiting = map[string][]*child{}
	s.mu.Unlock()
	for _, list := range waiting {
		for _, c := range list {
			c.end()
		}
	}
	s.begun.Wait()
	s.starter.close()
	if s.copied != "" {
		_ = os.RemoveAll(filepath.Dir(s.copied)) // a temporary folder
	}
	if s.config.AtClose != nil {
		s.config.AtClose()
	}
}

// Limits returns what a job of the program may take.
func (s *Children) Limits(program string) Limits { return s.programs[program].Limits }

// Run does one job in a child. An error means infrastructure alone: no child
// could be had, or ctx ended. How the job itself ended is in the result.
func (s *Children) Run(ctx context.Context, job Job) (Result, error) {
	p, ok := s.programs[job.Program]
	if !ok {
		return Result{}, fmt.Errorf("run %s: no such program", job.Program)
	}
	if p.Strong {
		// Not before it was tried whether it holds.
		if found, err := s.Capabilities(ctx); err != nil || !found.Strong() {
			return Result{}, cmp.Or(err, ErrOff)
		}
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
	limits := job.Limits.or(p.Limits)
	c, err := s.take(ctx, p, limits)
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err() // a child that was given up while it started is no fault
		}
		return Result{}, err
	}
	result, err := c.run(ctx, job.Input, limits)
	if err == nil && result.End == Done && c.done < max(1, p.Jobs) && limits == p.Limits {
		s.rest(c)
	} else {
		c.end()
	}
	s.startAhead(p)
	return result, err
}

// take returns a child that waits, or a new one. Only children with the
// program's own limits wait.
func (s *Children) take(ctx context.Context, p Program, limits Limits) (*child, error) {
	if limits == p.Limits {
		s.mu.Lock()
		for list := s.waiting[p.Name]; len(list) > 0; {
			c := list[len(list)-1]
			list = list[:len(list)-1]
			s.waiting[p.Name] = list
			if c.rested.Stop() {
				s.mu.Unlock()
				return c, nil
			}
		}
		s.mu.Unlock()
	}
	return s.start(ctx, p, limits)
}

// rest lets a child wait for the next job, for a while.
func (s *Children) rest(c *child) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		go c.end()
		return
	}
	c.rested = time.AfterFunc(restsFor, func() { s.forget(c); c.end() })
	s.waiting[c.program] = append(s.waiting[c.program], c)
}

func (s *Children) forget(c *child) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting[c.program] = slices.DeleteFunc(s.waiting[c.program], func(w *child) bool { return w == c })
}

// startAhead sees that the next job finds a child waiting.
func (s *Children) startAhead(p Program) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.waiting[p.Name]) >= p.Ahead {
		return
	}
	s.begun.Add(1)
	go func() {
		defer s.begun.Done()
		ctx, cancel := context.WithTimeout(context.Background(), startWithin)
		defer cancel()
		c, err := s.start(ctx, p, p.Limits)
		if err != nil {
			return // the next job starts its own and says why not
		}
		s.mu.Lock()
		enough := len(s.waiting[p.Name]) >= p.Ahead
		s.mu.Unlock()
		if enough {
			c.end()
			return
		}
		s.rest(c)
	}()
}

// child is one process that waits for a job, or does one.
type child struct {
	program string
	process *exec.Cmd
	in      io.WriteCloser
	out     io.ReadCloser
	stderr  *tail
	ready   ready
	done    int
	rested  *time.Timer
	scratch string // its own folder, where it has tools
	over    func() // lets go of the thread that started it, nil where that is everybody's
	ended   sync.Once
}

// start makes a child and waits until it is locked down.
func (s *Children) start(ctx context.Context, p Program, limits Limits) (*child, error) {
	return s.startWithout(ctx, p, limits, nil)
}

// startWithout is start with layers left out, for the self-test alone.
func (s *Children) startWithout(ctx context.Context, p Program, limits Limits, without []Layer) (*child, error) {
	files, err := s.filesOf(ctx, p)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	c, err := s.launch(p, limits, files, without)
	if err != nil {
		return nil, fmt.Errorf("start a child for %s: %w", p.Name, err)
	}
	stop := context.AfterFunc(ctx, c.kill)
	defer stop()
	kind, body, err := readFrame(c.out, setupLimit)
	if err == nil && kind == frameReady {
		err = json.Unmarshal(body, &c.ready)
	}
	if err != nil || kind != frameReady {
		c.end()
		return nil, fault.Say(fault.Unavailable, "The sandbox could not start a child for %s: %s", p.Name, cmp.Or(complaint(c.stderr.text()), fmt.Sprint(err)))
	}
	return c, nil
}

// filesOf returns what a child of the program is given, prepared once.
func (s *Children) filesOf(ctx context.Context, p Program) (map[string]string, error) {
	s.preparing.Lock()
	defer s.preparing.Unlock()
	if files, ok := s.prepared[p.Name]; ok {
		return files, nil
	}
	files := maps.Clone(s.config.Files[p.Name])
	if p.Prepare != nil {
		made, err := p.Prepare(ctx)
		if err != nil {
			return nil, fmt.Errorf("prepare %s: %w", p.Name, err)
		}
		if files == nil {
			files = map[string]string{}
		}
		maps.Copy(files, made)
	}
	s.prepared[p.Name] = files
	return files, nil
}

func (s *Children) launch(p Program, limits Limits, files map[string]string, without []Layer) (*child, error) {
	told := setup{Without: slices.Concat(without, s.config.LeaveOut), Program: p.Name, Wall: limits.Wall, Memory: limits.Memory, Output: limits.Output, Files: map[string]int{}}
	c := &child{program: p.Name, stderr: &tail{}}
	// The program itself, whatever has become of its file by now, with an empty
	// environment and nothing open but the pipes and the files it was promised.
	c.process = &exec.Cmd{Path: "/proc/self/exe", Args: []string{"assay", childArgument}, Dir: "/", Env: []string{}, Stderr: c.stderr,
		WaitDelay:   time.Second,
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Credential: otherUser()}}
	if p.Tools != nil {
		var err error
		if c.scratch, err = makeScratch(); err != nil {
			return nil, err
		}
		told.Scratch = c.scratch
		files = maps.Clone(files)
		if files == nil {
			files = map[string]string{}
		}
		files[scratchName] = c.scratch
	}
	if p.Strong {
		if err := s.enclose(c.process); err != nil {
			return nil, err
		}
	}
	for name, path := range files {
		f, err := os.Open(path)
		if err != nil {
			c.leave()
			return nil, fault.Say(fault.Unavailable, "%s needs %s, which cannot be opened.", p.Name, name)
		}
		defer f.Close()
		told.Files[name] = 3 + len(c.process.ExtraFiles)
		c.process.ExtraFiles = append(c.process.ExtraFiles, f)
	}
	var err error
	if c.in, err = c.process.StdinPipe(); err != nil {
		return nil, err
	}
	if c.out, err = c.process.StdoutPipe(); err != nil {
		return nil, err
	}
	words, err := json.Marshal(told)
	if err != nil {
		return nil, err
	}
	if p.Strong {
		c.over, err = s.starter.startEnclosed(c.process)
	} else if p.Tools != nil {
		c.over, err = s.starter.startWith(c.process, p.Tools(), c.scratch)
	} else {
		err = s.starter.start(c.process)
	}
	if err != nil {
		c.leave()
		return nil, err
	}
	if err := writeFrame(c.in, frameSetup, words); err != nil {
		c.end()
		return nil, err
	}
	return c, nil
}

// makeScratch makes a folder that is the child's alone.
func makeScratch() (string, error) {
	dir, err := os.MkdirTemp("", "assay-work-")
	if err != nil {
		return "", fmt.Errorf("make a folder for a child: %w", err)
	}
	if user := otherUser(); user != nil {
		if err := os.Chown(dir, int(user.Uid), int(user.Gid)); err != nil {
			return "", errors.Join(fmt.Errorf("give a folder to a child: %w", err), os.Remove(dir))
		}
	}
	return dir, nil
}

// leave takes back what was lent to a child for its life.
func (c *child) leave() {
	if c.over != nil {
		c.over()
	}
	if c.scratch != "" {
		_ = os.RemoveAll(c.scratch) // what is left is rubbish of a temporary folder
	}
}

// otherUser is whom children of root run as: nobody. Others' children run as
// themselves, which is no worse: the lock-down leaves them nothing to use it
// on.
func otherUser() *syscall.Credential {
	if os.Geteuid() != 0 {
		return nil
	}
	return &syscall.Credential{Uid: 65534, Gid: 65534, Groups: []uint32{}}
}

// run hands the job over and waits for the answer, the end of the child or the
// end of its time, whichever is first.
func (c *child) run(ctx context.Context, input []byte, limits Limits) (Result, error) {
	began := time.Now()
	var late, gone bool
	var once sync.Mutex
	timer := time.AfterFunc(limits.Wall+grace, func() { once.Lock(); late = true; once.Unlock(); c.kill() })
	defer timer.Stop()
	stop := context.AfterFunc(ctx, func() { once.Lock(); gone = true; once.Unlock(); c.kill() })
	defer stop()
	c.done++
	go func() {
		// A child that does not read is met by its time.
		_ = writeFrame(c.in, frameJob, input)
	}()
	kind, output, err := readFrame(c.out, limits.Output)
	r := Result{Elapsed: time.Since(began)}
	once.Lock()
	defer once.Unlock()
	switch {
	case gone:
		return r, ctx.Err()
	case late:
		r.End = OutOfTime
	case errors.Is(err, errTooLong):
		r.End = TooMuchSaid
	case err != nil:
		r.End, r.Detail = c.autopsy()
	case kind == frameOutput:
		r.End, r.Output = Done, output
	case kind == frameFault:
		return r, fmt.Errorf("%s in the sandbox: %s", c.program, output)
	default:
		r.End, r.Detail = Crashed, fmt.Sprintf("a frame %q where an answer was expected", kind)
	}
	return r, nil
}

// autopsy says why a child ended by itself.
func (c *child) autopsy() (End, string) {
	ending := time.AfterFunc(grace, c.kill)
	c.bury()
	ending.Stop()
	said := c.stderr.text()
	state := c.process.ProcessState
	status, _ := state.Sys().(syscall.WaitStatus)
	spent := func(word string) bool { return strings.Contains(said, word) }
	switch {
	case spent("out of memory") || spent("cannot allocate memory") || spent("newosproc") || spent("pthread_create failed") || spent("thread exhaustion") || spent("Resource temporarily unavailable"):
		return OutOfMemory, complaint(said)
	case status.Signaled() && status.Signal() == syscall.SIGXCPU:
		return OutOfTime, "processor time"
	case strings.Contains(said, "stack exceeds") || strings.Contains(said, "stack overflow"):
		return OutOfMemory, "stack"
	}
	return Crashed, strings.TrimSuffix(state.String()+": "+complaint(said), ": ")
}

// kill ends the child's whole group at once.
func (c *child) kill() { _ = syscall.Kill(-c.process.Process.Pid, syscall.SIGKILL) }

// end kills the child and buries it.
func (c *child) end() {
	c.kill()
	c.bury()
}

func (c *child) bury() {
	c.ended.Do(func() {
		c.in.Close()
		c.out.Close()
		_ = c.process.Wait()
		c.leave()
	})
}

// tail keeps the beginning and the end of what a child writes to its standard
// error: a crash after much noise, and one that prints much.
type tail struct {
	mu          sync.Mutex
	first, kept []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	written := len(p)
	room := min(stderrLimit/2-len(t.first), len(p))
	t.first, p = append(t.first, p[:room]...), p[room:]
	t.kept = append(t.kept, p...)
	if extra := len(t.kept) - stderrLimit/2; extra > 0 {
		t.kept = append(t.kept[:0], t.kept[extra:]...)
	}
	return written, nil
}

func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.first) + string(t.kept)
}

// complaint is the line of a crash that says what happened, or the first.
func complaint(text string) string {
	first := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "fatal error: ") || strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "sandbox: ") {
			return line[:min(len(line), 300)]
		}
		first = cmp.Or(first, line)
	}
	return first[:min(len(first), 300)]
}
