package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"assay/internal/confine"
	"assay/internal/fault"
)

// The strong tier runs programs of the machine: a child stands in namespaces of
// its own (bubblewrap), where there is nothing but the system's programs to
// read, and behind limits, Landlock and a filter of its own as everywhere.

// ErrOff is what Run returns for a program of the strong tier where that is off.
var ErrOff = errors.New("the strong tier is off")

// maxProcesses is how many processes and threads a child of the strong tier may
// have together: the kernel counts them for its user namespace alone.
const maxProcesses = 48

// bubblewrap is the program that makes namespaces; the error says why there is
// none.
func bubblewrap() (string, error) {
	path, err := exec.LookPath("bwrap")
	if err != nil {
		return "", fault.Say(fault.Unavailable, "bubblewrap is not installed")
	}
	if text, err := os.ReadFile("/proc/sys/user/max_user_namespaces"); err == nil && strings.TrimSpace(string(text)) == "0" {
		return "", fault.Say(fault.Unavailable, "this kernel makes no user namespaces")
	}
	return path, nil
}

// within is the command that starts this program in namespaces: no network, no
// other process, the system's programs to be read, and nothing to be written.
func within(wrap, program string) []string {
	args := []string{wrap, "--unshare-all", "--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL", "--uid", "65534", "--gid", "65534",
		"--hostname", "sandbox", "--ro-bind", "/usr", "/usr"}
	for _, dir := range []string{"/bin", "/lib", "/lib64"} {
		if to, err := os.Readlink(dir); err == nil {
			args = append(args, "--symlink", to, dir)
		} else if _, err := os.Stat(dir); err == nil {
			args = append(args, "--ro-bind", dir, dir)
		}
	}
	return append(args, "--ro-bind", program, "/assay", "--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev",
		"--remount-ro", "/", "--chdir", "/", "--", "/assay", childArgument)
}

// enclose makes the command start in the strong tier.
func (s *Children) enclose(c *exec.Cmd) error {
	wrap, err := bubblewrap()
	if err != nil {
		return err
	}
	program, err := s.visible()
	if err != nil {
		return fmt.Errorf("show this program to its children: %w", err)
	}
	c.Path, c.Args = wrap, within(wrap, program)
	return nil
}

// visible is the path of this program for whom children run as. It may lie where
// they do not go: then a copy is made, once.
func (s *Children) visible() (string, error) {
	if program, err := os.Executable(); err == nil && otherUser() == nil {
		if _, err := os.Stat(program); err == nil {
			return program, nil
		}
	}
	s.copying.Lock()
	defer s.copying.Unlock()
	if s.copied != "" {
		return s.copied, nil
	}
	dir, err := os.MkdirTemp("", "assay-program-")
	if err != nil {
		return "", err
	}
	copied := filepath.Join(dir, "assay")
	if err := errors.Join(copyProgram(copied), os.Chmod(dir, 0o755)); err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	s.copied = copied
	return copied, nil
}

func copyProgram(to string) error {
	from, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer from.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, from)
	return errors.Join(err, out.Close())
}

// startEnclosed starts the command on a thread of its own, which waits for its
// end; the namespaces are made before the child confines itself.
func (s *starter) startEnclosed(c *exec.Cmd) (ended func(), err error) {
	return onThread(func() error {
		if err := keepDescriptors(); err != nil {
			return err
		}
		return c.Start()
	})
}

// confineStrong confines this thread, which starts the programs, to reading the
// system's programs.
func confineStrong() error {
	runtime.LockOSThread()
	if confine.LandlockVersion() == 0 {
		return nil
	}
	device := uint64(confine.Device)
	return confine.Landlock(map[string]uint64{"/usr": confine.RunFiles, "/bin": confine.RunFiles, "/lib": confine.RunFiles, "/lib64": confine.RunFiles, "/proc": confine.ReadFiles,
		"/dev/null": device, "/dev/zero": confine.ReadFiles, "/dev/full": confine.ReadFiles, "/dev/random": confine.ReadFiles, "/dev/urandom": confine.ReadFiles})
}

// Executed is what became of a program of the machine.
type Executed struct {
	Out, Errors string
	Cut         bool // more was said than is kept
	Code        int  // −1: a signal ended it
	Memory      bool // its processes together took more than they may
}

// Execute runs a program of the machine in a child of the strong tier. Memory is
// what all its processes may take together, in bytes, and output what is kept
// of what they say.
func Execute(memory int64, output int, stdin io.Reader, args ...string) (Executed, error) {
	out, errs := &kept{limit: output}, &kept{limit: output}
	c := &exec.Cmd{Path: args[0], Args: args, Dir: "/", Env: []string{"PATH=/usr/bin:/bin", "HOME=/", "LC_ALL=C.UTF-8", "TZ=UTC"},
		Stdin: stdin, Stdout: out, Stderr: errs, WaitDelay: 100 * time.Millisecond}
	if err := c.Start(); err != nil {
		return Executed{}, fmt.Errorf("start %s: %w", args[0], err)
	}
	over := make(chan error, 1)
	go func() { over <- c.Wait() }()
	ticks := time.NewTicker(20 * time.Millisecond)
	defer ticks.Stop()
	for {
		select {
		case err := <-over:
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
				return Executed{}, fmt.Errorf("wait for %s: %w", args[0], err)
			}
			return Executed{Out: out.text(), Errors: errs.text(), Cut: out.cut || errs.cut, Code: c.ProcessState.ExitCode()}, nil
		case <-ticks.C:
			if resident() > memory {
				return Executed{Memory: true, Code: -1}, nil // the child's end is theirs
			}
		}
	}
}

// resident is what all processes of this namespace but ours and its first hold,
// in bytes.
func resident() int64 {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 1 << 62
	}
	var pages int64
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == 1 || pid == os.Getpid() {
			continue
		}
		if fields := strings.Fields(readAll("/proc/" + e.Name() + "/statm")); len(fields) > 2 {
			all, _ := strconv.ParseInt(fields[1], 10, 64)
			shared, _ := strconv.ParseInt(fields[2], 10, 64)
			pages += all - shared
		}
	}
	return pages * int64(os.Getpagesize())
}

func readAll(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "" // it has ended
	}
	return string(text)
}

// kept keeps what is said, up to a limit.
type kept struct {
	said  []byte
	limit int
	cut   bool
}

func (k *kept) Write(p []byte) (int, error) {
	room := min(k.limit-len(k.said), len(p))
	k.said = append(k.said, p[:room]...)
	k.cut = k.cut || room < len(p)
	return len(p), nil
}

func (k *kept) text() string { return string(k.said) }

// strongTest is the self-test of the strong tier: what its programs could ask
// the kernel for, and what they find around them.
var strongTest = Program{
	Name:   "self-test-strong",
	Strong: true,
	Limits: Limits{Wall: 5 * time.Second, Memory: selfTestMemory, Output: 64 << 10},
	Open: func(Files) (Work, error) {
		return func(context.Context, []byte) ([]byte, error) { return tryStrong() }, nil
	},
}

// strongRefuses are the escapes that no program of the machine needs.
var strongRefuses = strings.Fields(`tcp tcp6 udp raw unix netlink packet vsock alg memfd_create open_by_handle_at ptrace process_vm_readv process_vm_writev kcmp
	setns user namespace mount umount pivot_root chroot open_tree fsopen bpf io_uring perf keyctl add_key userfaultfd init_module kexec
	fanotify inotify personality clock log terminal name clone3 pidfd_open`)

// strongProbe looks for what must not be there, and says what it found.
const strongProbe = `[ "$(echo /home/* /root/* /etc/passwd /tmp/*)" = "/home/* /root/* /etc/passwd /tmp/*" ] || echo files of the machine
for f in /x /dev/x /proc/x /usr/x /dev/shm/x; do (echo x > $f) 2>/dev/null && echo writes $f; done
[ "$(tr '\0' '\n' < /proc/1/environ 2>/dev/null)" = "" ] || echo an environment
[ $(ls -d /proc/[0-9]* | wc -l) -lt 8 ] || echo other processes
[ "$(cat /proc/net/dev 2>/dev/null | grep -v -c -e Inter -e face -e lo:)" = 0 ] || echo a network
(exec 3<>/dev/tcp/127.0.0.1/22) 2>/dev/null && echo a socket
/usr/bin/unshare -U true 2>/dev/null && echo a user namespace
true`

func tryStrong() ([]byte, error) {
	report := escapeReport{}
	for _, e := range escapes() {
		words := strings.Fields(e.name)
		if !slices.ContainsFunc(words, func(w string) bool { return slices.Contains(strongRefuses, w) }) {
			continue
		}
		report.Tried++
		if errno := e.try(); !refused(errno) {
			report.Reached = append(report.Reached, e.name)
		}
	}
	report.Tried++
	ran, err := Execute(selfTestMemory, 4096, strings.NewReader(""), "/bin/bash", "-c", strongProbe)
	if err != nil {
		return nil, err
	}
	if ran.Code != 0 {
		return nil, fmt.Errorf("the probe ended with code %d: %s", ran.Code, complaint(ran.Errors))
	}
	for line := range strings.Lines(ran.Out) {
		report.Reached = append(report.Reached, strings.TrimSpace(line))
	}
	return json.Marshal(report)
}

// strong says whether the strong tier is there, and why not.
func (s *Children) strong(ctx context.Context) Tier {
	t := Tier{Name: TierStrong, Runs: "commands beside the shell"}
	if !s.config.Strong {
		t.Off = "no operator has turned it on (ASSAY_STRONG_TIER=on)"
		return t
	}
	if _, err := bubblewrap(); err != nil {
		t.Off = fault.Words(err)
		return t
	}
	if s.starter.landlock == 0 {
		t.Off = "this kernel has no Landlock"
		return t
	}
	report, ready, err := s.tryIn(ctx, strongTest, "")
	switch {
	case err != nil:
		t.Off = "it does not start: " + complaint(fault.Words(err))
	case !ready.Seccomp:
		t.Off = "there is no seccomp filter"
	case len(report.Reached) > 0:
		t.Off = "it does not hold: " + strings.Join(report.Reached, ", ")
	}
	return t
}
