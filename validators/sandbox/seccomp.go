package sandbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// errNoSeccomp says that this kernel, or this kind of processor, has no filter
// of ours.
var errNoSeccomp = errors.New("no seccomp filter here")

// Where the kernel puts what a filter looks at (struct seccomp_data), with the
// arguments' lower halves first: both processors we know are little-endian.
const (
	offsetNumber = 0
	offsetArch   = 4
	offsetArgs   = 16
)

func argLow(n uint32) uint32  { return offsetArgs + 8*n }
func argHigh(n uint32) uint32 { return offsetArgs + 8*n + 4 }

// threadFlags is how a thread starts; any other clone is a process, or a
// namespace. Bookkeeping is what Go's runtime or the C library may add.
const (
	threadFlags = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_SYSVSEM | unix.CLONE_THREAD
	bookkeeping = unix.CLONE_SETTLS | unix.CLONE_PARENT_SETTID | unix.CLONE_CHILD_CLEARTID
)

// namespaceFlags are those of clone that make a namespace.
const namespaceFlags = unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWCGROUP | unix.CLONE_NEWTIME

// lockDown lets all threads of this process, for good, do what a Go program
// that computes needs and nothing else: no files, no sockets, no processes, no
// new executable memory, no signals but to itself. What it does not list is
// refused with EPERM.
func lockDown(may calls) error {
	if len(allowedCalls) == 0 {
		return errNoSeccomp
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("give up new privileges: %w", err)
	}
	program, err := bpf.Assemble(filter(may))
	if err != nil {
		return fmt.Errorf("assemble the filter: %w", err)
	}
	instructions := make([]unix.SockFilter, len(program))
	for i, in := range program {
		instructions[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	fprog := unix.SockFprog{Len: uint16(len(instructions)), Filter: &instructions[0]}
	stuck, _, errno := syscall.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&fprog)))
	switch {
	case errno == unix.ENOSYS || errno == unix.EINVAL:
		return errNoSeccomp
	case errno != 0:
		return fmt.Errorf("load the filter: %w", errno)
	case stuck != 0:
		return fmt.Errorf("load the filter: thread %d did not take it", stuck)
	}
	return nil
}

// calls is one of the allow-lists.
type calls int

const (
	computing  calls = iota // what a Go program that computes needs
	withTools               // and what it needs to start tools, which write into a folder
	ofPrograms              // what programs of the machine need, in namespaces of their own
)

// filter is the allow-list as a program: the processor first (another would
// number its calls otherwise), then each call with what its arguments may be.
func filter(may calls) []bpf.Instruction {
	refuse := bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)}
	allow := bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW}
	program := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offsetArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: auditArch, SkipTrue: 1},
		bpf.RetConstant{Val: unix.SECCOMP_RET_KILL_PROCESS},
		bpf.LoadAbsolute{Off: offsetNumber, Size: 4},
	}
	on := func(number uintptr, then ...bpf.Instruction) {
		program = append(program, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(number), SkipTrue: uint8(len(then))})
		program = append(program, then...)
	}
	if may == ofPrograms {
		for _, number := range programCalls {
			on(number, allow)
		}
		// A process, but no namespace.
		on(unix.SYS_CLONE,
			bpf.LoadAbsolute{Off: argLow(0), Size: 4},
			bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: namespaceFlags, SkipTrue: 1},
			allow, refuse)
		// Whatever a device is asked, but not to type for others.
		on(unix.SYS_IOCTL,
			bpf.LoadAbsolute{Off: argLow(1), Size: 4},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.TIOCSTI, SkipTrue: 2},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.TIOCLINUX, SkipTrue: 1},
			allow, refuse)
		for _, number := range []uintptr{unix.SYS_FCNTL, unix.SYS_MMAP, unix.SYS_MPROTECT, unix.SYS_TGKILL} {
			on(number, allow)
		}
	}
	for _, number := range allowedCalls {
		on(number, allow)
	}
	if may == withTools {
		// Files, as far as Landlock lets them be reached, and processes that
		// start at once what it lets be run. None of them leaves the group that
		// the parent ends.
		for _, number := range toolCalls {
			on(number, allow)
		}
		on(unix.SYS_CLONE,
			bpf.LoadAbsolute{Off: argHigh(0), Size: 4},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipFalse: 3},
			bpf.LoadAbsolute{Off: argLow(0), Size: 4},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.CLONE_VM | unix.CLONE_VFORK | uint32(unix.SIGCHLD), SkipFalse: 1},
			allow, bpf.LoadAbsolute{Off: offsetNumber, Size: 4})
		on(unix.SYS_FCNTL, allow)
		on(unix.SYS_MMAP,
			bpf.LoadAbsolute{Off: argLow(2), Size: 4},
			bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: unix.PROT_EXEC, SkipTrue: 1},
			allow, refuse)
	}
	// A signal only to a thread of this process: the runtime's own.
	on(unix.SYS_TGKILL,
		bpf.LoadAbsolute{Off: argLow(0), Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(os.Getpid()), SkipFalse: 1},
		allow, refuse)
	on(unix.SYS_CLONE,
		bpf.LoadAbsolute{Off: argHigh(0), Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipFalse: 4},
		bpf.LoadAbsolute{Off: argLow(0), Size: 4},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: ^uint32(bookkeeping)},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: threadFlags, SkipFalse: 1},
		allow, refuse)
	// Looking at a descriptor's flags and setting them, as Go does with pipes;
	// not whom it signals.
	on(unix.SYS_FCNTL,
		bpf.LoadAbsolute{Off: argLow(1), Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.F_GETFL, SkipTrue: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.F_SETFL, SkipFalse: 1},
		allow, refuse)
	// clone3 hides its flags behind a pointer; its absence makes callers use
	// clone.
	on(unix.SYS_CLONE3, bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)})
	// Memory, but never executable, and never a file's.
	on(unix.SYS_MMAP,
		bpf.LoadAbsolute{Off: argLow(2), Size: 4},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: unix.PROT_EXEC, SkipTrue: 3},
		bpf.LoadAbsolute{Off: argLow(3), Size: 4},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: unix.MAP_ANONYMOUS, SkipFalse: 1},
		allow, refuse)
	on(unix.SYS_MPROTECT,
		bpf.LoadAbsolute{Off: argLow(2), Size: 4},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: unix.PROT_EXEC, SkipTrue: 1},
		allow, refuse)
	return append(program, refuse)
}

func init() {
	// The offsets above hold for little-endian processors alone.
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		allowedCalls = nil
	}
}
