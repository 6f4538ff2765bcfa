package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const selfTestMemory = 64 << 20

// selfTest is the program that tries to get out. It runs in a child like any
// other and reports what was refused. Its input names the layer that stands
// alone; without one all stand.
var selfTest = Program{
	Name:   "self-test",
	Limits: Limits{Wall: 5 * time.Second, Memory: selfTestMemory, Output: 64 << 10},
	Open: func(Files) (Work, error) {
		return func(_ context.Context, input []byte) ([]byte, error) {
			report := escapeReport{}
			attempts := slices.Concat(escapes(), beyondLimits())
			if Layer(input) == Landlock {
				attempts = beyondFiles()
			}
			for _, e := range attempts {
				report.Tried++
				if errno := e.try(); !refused(errno) {
					report.Reached = append(report.Reached, e.name)
				}
			}
			return json.Marshal(report)
		}, nil
	},
}

type escapeReport struct {
	Tried   int      `json:"tried"`
	Reached []string `json:"reached"`
}

// refused tells a door that is shut from one that merely did not lead
// anywhere with the arguments given: a bad address means that the kernel
// would have looked at a good one.
func refused(errno syscall.Errno) bool {
	return errno == unix.EPERM || errno == unix.EACCES || errno == unix.ENOSYS
}

type escape struct {
	name string
	try  func() syscall.Errno
}

// handed is memory that was handed to the kernel by its address and must stay.
var handed = struct {
	texts [][]byte
	pair  [2]int32
	limit unix.Rlimit
}{limit: unix.Rlimit{Cur: 1, Max: 1}}

// escapes are the ways out. Each is harmless where it succeeds: it names
// nothing that exists, or nothing that matters.
func escapes() []escape {
	call := func(name string, number uintptr, args ...uintptr) escape {
		return escape{name, func() syscall.Errno {
			var a [6]uintptr
			copy(a[:], args)
			_, _, errno := syscall.RawSyscall6(number, a[0], a[1], a[2], a[3], a[4], a[5])
			return errno
		}}
	}
	path := func(s string) uintptr {
		text := append([]byte(s), 0)
		handed.texts = append(handed.texts, text)
		return uintptr(unsafe.Pointer(&text[0]))
	}
	here := ^uintptr(99) // AT_FDCWD, −100
	parent := uintptr(os.Getppid())
	opening := func(name string, flags uintptr) escape {
		return call("open "+name, unix.SYS_OPENAT, here, path(name), flags, 0o600)
	}
	socket := func(name string, domain, kind uintptr) escape {
		return call("socket "+name, unix.SYS_SOCKET, domain, kind, 0)
	}
	pair, limit := uintptr(unsafe.Pointer(&handed.pair)), uintptr(unsafe.Pointer(&handed.limit))
	return []escape{
		opening("/etc/passwd", unix.O_RDONLY),
		opening("/proc", unix.O_RDONLY|unix.O_DIRECTORY),
		opening(fmt.Sprintf("/proc/%d/environ", parent), unix.O_RDONLY),
		opening("/proc/self/mem", unix.O_RDWR),
		opening("/tmp/assay-sandbox-escape", unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL),
		opening("/dev/shm/assay-sandbox-escape", unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL),
		call("readlink", unix.SYS_READLINKAT, here, path("/proc/self/exe"), pair, 8),
		call("make a folder", unix.SYS_MKDIRAT, here, path("/proc/assay-sandbox-escape"), 0o700),
		call("make a link", unix.SYS_SYMLINKAT, path("/"), here, path("/proc/assay-sandbox-escape")),
		call("make a device", unix.SYS_MKNODAT, here, path("/proc/assay-sandbox-escape"), unix.S_IFCHR|0o600, 0x103),
		call("change a mode", unix.SYS_FCHMODAT, here, path("/proc/assay-sandbox-escape"), 0o4755),
		call("memfd_create", unix.SYS_MEMFD_CREATE, path("escape"), 0),
		call("open_by_handle_at", unix.SYS_OPEN_BY_HANDLE_AT, here, 0, 0),
		socket("tcp", unix.AF_INET, unix.SOCK_STREAM), socket("tcp6", unix.AF_INET6, unix.SOCK_STREAM), socket("udp", unix.AF_INET, unix.SOCK_DGRAM),
		socket("raw", unix.AF_INET, unix.SOCK_RAW), socket("unix", unix.AF_UNIX, unix.SOCK_STREAM), socket("netlink", unix.AF_NETLINK, unix.SOCK_RAW),
		socket("packet", unix.AF_PACKET, unix.SOCK_RAW), socket("vsock", unix.AF_VSOCK, unix.SOCK_STREAM), socket("alg", unix.AF_ALG, unix.SOCK_SEQPACKET),
		call("socketpair", unix.SYS_SOCKETPAIR, unix.AF_UNIX, unix.SOCK_STREAM, 0, pair),
		{"fork", fork},
		call("clone3", unix.SYS_CLONE3, 0, 0),
		call("execve", unix.SYS_EXECVE, path("/proc/assay-sandbox-escape"), 0, 0),
		call("execveat", unix.SYS_EXECVEAT, here, path("/proc/assay-sandbox-escape"), 0, 0, 0),
		call("signal the parent", unix.SYS_KILL, parent, 0),
		call("signal everybody", unix.SYS_KILL, ^uintptr(0), 0),
		call("signal a thread of the parent", unix.SYS_TGKILL, parent, parent, 0),
		call("pidfd_open", unix.SYS_PIDFD_OPEN, parent, 0),
		call("ptrace", unix.SYS_PTRACE, unix.PTRACE_ATTACH, parent, 0, 0),
		call("process_vm_readv", unix.SYS_PROCESS_VM_READV, parent, 0, 0, 0, 0, 0),
		call("process_vm_writev", unix.SYS_PROCESS_VM_WRITEV, parent, 0, 0, 0, 0, 0),
		call("kcmp", unix.SYS_KCMP, parent, parent, 0, 0, 0),
		call("setpriority", unix.SYS_SETPRIORITY, unix.PRIO_PROCESS, parent, 0),
		call("prlimit of the parent", unix.SYS_PRLIMIT64, parent, unix.RLIMIT_CORE, 0, 0),
		call("raise a limit", unix.SYS_PRLIMIT64, 0, unix.RLIMIT_CORE, limit, 0),
		call("setuid", unix.SYS_SETUID, 0), call("setns", unix.SYS_SETNS, ^uintptr(0), 0),
		call("user namespace", unix.SYS_UNSHARE, unix.CLONE_NEWUSER), call("mount namespace", unix.SYS_UNSHARE, unix.CLONE_NEWNS),
		call("mount", unix.SYS_MOUNT, 0, 0, 0, 0, 0), call("umount", unix.SYS_UMOUNT2, path("/proc/assay-sandbox-escape"), 0),
		call("pivot_root", unix.SYS_PIVOT_ROOT, 0, 0), call("chroot", unix.SYS_CHROOT, path("/proc/assay-sandbox-escape")),
		call("chdir", unix.SYS_CHDIR, path("/")), call("open_tree", unix.SYS_OPEN_TREE, here, 0, 0), call("fsopen", unix.SYS_FSOPEN, 0, 0),
		call("bpf", unix.SYS_BPF, 0, 0, 0), call("io_uring", unix.SYS_IO_URING_SETUP, 1, 0), call("perf", unix.SYS_PERF_EVENT_OPEN, 0, 0, 0, 0, 0),
		call("keyctl", unix.SYS_KEYCTL, 0, 0, 0), call("add_key", unix.SYS_ADD_KEY, 0, 0, 0, 0, 0), call("userfaultfd", unix.SYS_USERFAULTFD, 0),
		call("init_module", unix.SYS_INIT_MODULE, 0, 0, 0), call("kexec", unix.SYS_KEXEC_LOAD, 0, 0, 0, ^uintptr(0)),
		call("shared memory", unix.SYS_SHMGET, 0, 4096, 0o600), call("semaphores", unix.SYS_SEMGET, 0, 1, 0o600), call("message queue", unix.SYS_MSGGET, 0, 0o600),
		call("mq_open", unix.SYS_MQ_OPEN, path("escape"), 0, 0, 0), call("inotify", unix.SYS_INOTIFY_INIT1, 0), call("fanotify", unix.SYS_FANOTIFY_INIT, 0, 0),
		call("personality", unix.SYS_PERSONALITY, 0xffffffff), call("set the host name", unix.SYS_SETHOSTNAME, 0, 1),
		call("set the clock", unix.SYS_CLOCK_SETTIME, unix.CLOCK_REALTIME, 0), call("kernel log", unix.SYS_SYSLOG, 10, 0, 0),
		call("type into a terminal", unix.SYS_IOCTL, 0, unix.TIOCSTI, 0), call("undo the lock-down", unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 1, 0, 0, 0),
		call("executable memory", unix.SYS_MMAP, 0, 4096, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS, ^uintptr(0), 0),
	}
}

// beyondLimits are ways to take more than is given, which the filter lets pass.
func beyondLimits() []escape {
	return []escape{
		{"more memory", func() syscall.Errno {
			size := uintptr(selfTestMemory + overheadData + 64<<20)
			at, _, errno := syscall.RawSyscall6(unix.SYS_MMAP, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS, ^uintptr(0), 0)
			if errno == unix.ENOMEM {
				return unix.EPERM
			}
			if errno == 0 {
				syscall.RawSyscall(unix.SYS_MUNMAP, at, size, 0)
			}
			return errno
		}},
		{"more descriptors", func() syscall.Errno {
			for range 20 {
				var pair [2]int32
				_, _, errno := syscall.RawSyscall(unix.SYS_PIPE2, uintptr(unsafe.Pointer(&pair)), 0, 0)
				if errno == unix.EMFILE {
					return unix.EPERM
				}
				if errno != 0 {
					return errno
				}
			}
			return 0
		}},
	}
}

// beyondFiles are ways out that Landlock alone must refuse. Behind the filter
// nobody would see whether it does.
func beyondFiles() []escape {
	of := func(name string, try func() error) escape {
		return escape{name, func() syscall.Errno {
			err := try()
			var errno syscall.Errno
			if err != nil && !errors.As(err, &errno) {
				return unix.EINVAL
			}
			return errno
		}}
	}
	const place = "/tmp/assay-sandbox-escape"
	opening := func(name string, flags int) escape {
		return of("open "+name, func() error {
			fd, err := unix.Open(name, flags|unix.O_CLOEXEC, 0o600)
			if err == nil {
				unix.Close(fd)
				if flags&unix.O_CREAT != 0 {
					unix.Unlink(name)
				}
			}
			return err
		})
	}
	made := func(name string, try func() error, undo func(string) error) escape {
		return of(name, func() error {
			err := try()
			if err == nil {
				_ = undo(place)
			}
			return err
		})
	}
	return []escape{
		opening("/etc/passwd", unix.O_RDONLY), opening("/proc", unix.O_RDONLY|unix.O_DIRECTORY), opening("/", unix.O_RDONLY|unix.O_DIRECTORY),
		opening("/dev/zero", unix.O_RDWR), opening(place, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL),
		made("make a folder", func() error { return unix.Mkdir(place, 0o700) }, unix.Rmdir),
		made("make a link", func() error { return unix.Symlink("/etc/passwd", place) }, unix.Unlink),
		made("make a pipe", func() error { return unix.Mkfifo(place, 0o600) }, unix.Unlink),
	}
}

// fork starts a process that ends at once.
func fork() syscall.Errno {
	pid, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno == 0 && pid == 0 {
		syscall.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
	return errno
}

// Capabilities tries to escape, once, and says what the sandbox enforces here.
// It is looked at again after Examine.
func (s *Children) Capabilities(ctx context.Context) (Capabilities, error) {
	s.tested.Lock()
	defer s.tested.Unlock()
	if s.knowledge == nil {
		found, err := s.examine(ctx)
		if err != nil {
			return Capabilities{}, err
		}
		s.knowledge = &found
	}
	return *s.knowledge, nil
}

// Examine tries again to escape.
func (s *Children) Examine(ctx context.Context) (Capabilities, error) {
	s.tested.Lock()
	s.knowledge = nil
	s.tested.Unlock()
	return s.Capabilities(ctx)
}

func (s *Children) examine(ctx context.Context) (Capabilities, error) {
	all, ready, err := s.attempt(ctx, "")
	if err != nil {
		return Capabilities{}, err
	}
	found := Capabilities{Landlock: s.starter.landlock, Seccomp: ready.Seccomp, User: "this user", Tried: all.Tried, Reached: all.Reached}
	if otherUser() != nil {
		found.User = "nobody"
	}
	if found.Landlock > 0 {
		// The filter refuses a file before Landlock is asked for it.
		files, _, err := s.attempt(ctx, Landlock, Seccomp, Rlimits)
		if err != nil {
			return Capabilities{}, err
		}
		found.Tried += files.Tried
		if len(files.Reached) > 0 {
			found.Broken = append(found.Broken, fmt.Sprintf("%s does not hold: %s", Landlock, strings.Join(files.Reached, ", ")))
		}
	}
	found.judge()
	found.Tiers = []Tier{s.strong(ctx)}
	return found, nil
}

// attempt runs the self-test in a child, for a layer that stands alone when
// others are left out.
func (s *Children) attempt(ctx context.Context, alone Layer, without ...Layer) (report escapeReport, _ ready, err error) {
	return s.tryIn(ctx, selfTest, alone, without...)
}

// tryIn runs a self-test.
func (s *Children) tryIn(ctx context.Context, test Program, alone Layer, without ...Layer) (report escapeReport, _ ready, err error) {
	c, err := s.startWithout(ctx, test, test.Limits, without)
	if err != nil {
		return report, ready{}, err
	}
	defer c.end()
	r, err := c.run(ctx, []byte(alone), test.Limits)
	if err != nil {
		return report, c.ready, err
	}
	if r.End != Done {
		return report, c.ready, fmt.Errorf("the sandbox's self-test ended with %s: %s", r.End, r.Detail)
	}
	if err := json.Unmarshal(r.Output, &report); err != nil {
		return report, c.ready, fmt.Errorf("read the sandbox's self-test: %w", err)
	}
	return report, c.ready, nil
}

// judge lowers the tier for what is missing here, and takes it away for what is
// here and does not hold.
func (c *Capabilities) judge() {
	c.Missing = nil
	if c.Landlock == 0 {
		c.Missing = append(c.Missing, "this kernel has no Landlock")
	}
	if !c.Seccomp {
		c.Missing = append(c.Missing, "there is no seccomp filter")
	}
	var limits, calls []string
	for _, name := range c.Reached {
		if slices.ContainsFunc(beyondLimits(), func(e escape) bool { return e.name == name }) {
			limits = append(limits, name)
		} else {
			calls = append(calls, name)
		}
	}
	if len(limits) > 0 {
		c.Broken = append(c.Broken, fmt.Sprintf("%s do not hold: %s", Rlimits, strings.Join(limits, ", ")))
	}
	if n := len(calls); n > 0 && c.Seccomp {
		c.Broken = append(c.Broken, fmt.Sprintf("%s does not hold: %d of %d escapes were not refused", Seccomp, n, c.Tried))
	}
	c.Tier = TierDefault
	if len(c.Missing) > 0 {
		c.Tier = TierReduced
	}
	if len(c.Broken) > 0 {
		c.Tier = TierBroken
	}
	slices.Sort(c.Reached)
}

// Words is what is enforced, for people: the layers, what was tried, and whom
// children run as.
func (c Capabilities) Words() string {
	layers := []string{string(Rlimits)}
	if c.Seccomp {
		layers = append([]string{string(Seccomp)}, layers...)
	}
	if c.Landlock > 0 {
		layers = append([]string{fmt.Sprintf("%s %d", Landlock, c.Landlock)}, layers...)
	}
	words := fmt.Sprintf("tier %s: %s; %d escapes tried, ", c.Tier, strings.Join(layers, ", "), c.Tried)
	switch {
	case len(c.Broken) > 0:
		words += strings.Join(c.Broken, "; ")
	case len(c.Reached) > 0:
		words += fmt.Sprintf("%d succeeded", len(c.Reached))
	default:
		words += "none succeeded"
	}
	words += "; children run as " + c.User
	if len(c.Missing) > 0 {
		words += "; " + strings.Join(c.Missing, "; ")
	}
	for _, t := range c.Tiers {
		if t.Off == "" {
			words += fmt.Sprintf("; tier %s (%s) is on: bubblewrap around the same layers", t.Name, t.Runs)
		} else {
			words += fmt.Sprintf("; tier %s (%s) is off: %s", t.Name, t.Runs, t.Off)
		}
	}
	return words
}

// Strong reports whether programs of the machine may run.
func (c Capabilities) Strong() bool {
	return len(c.Broken) == 0 && slices.ContainsFunc(c.Tiers, func(t Tier) bool { return t.Name == TierStrong && t.Off == "" })
}

// String is the tier with what it rests on, as it is stored with a verdict:
// "default, Landlock 7, seccomp".
func (c Capabilities) String() string {
	words := c.Tier
	if c.Landlock > 0 {
		words += fmt.Sprintf(", Landlock %d", c.Landlock)
	} else {
		words += ", no Landlock"
	}
	if c.Seccomp {
		return words + ", seccomp"
	}
	return words + ", no seccomp"
}
