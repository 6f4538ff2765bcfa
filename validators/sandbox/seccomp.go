package sandbox

import (
	"os"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"assay/internal/confine"
)

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
		return confine.ErrNoSeccomp
	}
	return confine.Seccomp(confine.Process, filter(may))
}

// calls is one of the allow-lists.
type calls int

const (
	computing  calls = iota // what a Go program that computes needs
	withTools               // and what it needs to start tools, which write into a folder
	ofPrograms              // what programs of the machine need, in namespaces of their own
)

// filter is the allow-list as a program: each call with what its arguments may
// be.
func filter(may calls) []bpf.Instruction {
	allow, refuse := confine.Allow, confine.Refuse
	var program []bpf.Instruction
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
			bpf.LoadAbsolute{Off: confine.ArgumentLow(0), Size: 4},
			bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: namespaceFlags, SkipTrue: 1},
			allow, refuse)
		// Whatever a device is asked, but not to type for others.
		on(unix.SYS_IOCTL,
			bpf.LoadAbsolute{Off: confine.ArgumentLow(1), Size: 4},
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
			bpf.LoadAbsolute{Off: confine.ArgumentHigh(0), Size: 4},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipFalse: 3},
			bpf.LoadAbsolute{Off: confine.ArgumentLow(0), Size: 4},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.CLONE_VM | unix.CLONE_VFORK | uint32(unix.SIGCHLD), SkipFalse: 1},
			allow, bpf.LoadAbsolute{Off: confine.CallNumber, Size: 4})
		on(unix.SYS_FCNTL, allow)
		on(unix.SYS_MMAP,
			bpf.LoadAbsolute{Off: confine.ArgumentLow(2), Size: 4},
			bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: unix.PROT_EXEC, SkipTrue: 1},
			allow, refuse)
	}
	// A signal only to a thread of this process: the runtime's own.
	on(unix.SYS_TGKILL,
		bpf.LoadAbsolute{Off: confine.ArgumentLow(0), Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(os.Getpid()), SkipFalse: 1},
		allow, refuse)
	on(unix.SYS_CLONE,
		bpf.LoadAbsolute{Off: confine.ArgumentHigh(0), Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipFalse: 4},
		bpf.LoadAbsolute{Off: confine.ArgumentLow(0), Size: 4},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: ^uint32(bookkeeping)},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: threadFlags, SkipFalse: 1},
		allow, refuse)
	// Looking at a descriptor's flags and setting them, as Go does with pipes;
	// not whom it signals.
	on(unix.SYS_FCNTL,
		bpf.LoadAbsolute{Off: confine.ArgumentLow(1), Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.F_GETFL, SkipTrue: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.F_SETFL, SkipFalse: 1},
		allow, refuse)
	// clone3 hides its flags behind a pointer; its absence makes callers use
	// clone.
	on(unix.SYS_CLONE3, bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)})
	// Memory, but never executable, and never a file's.
	on(unix.SYS_MMAP,
		bpf.LoadAbsolute{Off: confine.ArgumentLow(2), Size: 4},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: unix.PROT_EXEC, SkipTrue: 3},
		bpf.LoadAbsolute{Off: confine.ArgumentLow(3), Size: 4},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: unix.MAP_ANONYMOUS, SkipFalse: 1},
		allow, refuse)
	on(unix.SYS_MPROTECT,
		bpf.LoadAbsolute{Off: confine.ArgumentLow(2), Size: 4},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: unix.PROT_EXEC, SkipTrue: 1},
		allow, refuse)
	return append(program, refuse)
}
