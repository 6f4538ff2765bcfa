package confine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// ErrNoSeccomp says that this kernel, or this kind of processor, has no filter
// of ours.
var ErrNoSeccomp = errors.New("no seccomp filter here")

// What a filter answers.
var (
	Allow  = bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW}
	Refuse = bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)}
)

// Where the kernel puts what a filter looks at (struct seccomp_data), with the
// arguments' lower halves first: all processors we know are little-endian.
const (
	CallNumber    = 0
	callProcessor = 4
	callArguments = 16
)

// ArgumentLow is where the lower half of a call's argument stands, counted
// from 0.
func ArgumentLow(n uint32) uint32 { return callArguments + 8*n }

// ArgumentHigh is where its upper half stands.
func ArgumentHigh(n uint32) uint32 { return ArgumentLow(n) + 4 }

// Filterable reports whether the kernel and the processor have a filter of ours.
func Filterable() bool {
	_, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0)
	return known() && err == nil
}

func known() bool { return processor != 0 && binary.NativeEndian.Uint16([]byte{1, 0}) == 1 }

// Of says whom a filter binds.
type Of int

const (
	Thread  Of = iota // the calling thread, and every process it starts
	Process           // all threads of this process
)

// Seccomp puts the filter on, for good. It begins with the number of the call
// loaded; the calls of another processor, which have other numbers, have ended
// the process before. ErrNoSeccomp where there is no filter.
func Seccomp(of Of, filter []bpf.Instruction) error {
	if !known() {
		return ErrNoSeccomp
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("give up new privileges: %w", err)
	}
	program, err := bpf.Assemble(append([]bpf.Instruction{
		bpf.LoadAbsolute{Off: callProcessor, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: processor, SkipTrue: 1},
		bpf.RetConstant{Val: unix.SECCOMP_RET_KILL_PROCESS},
		bpf.LoadAbsolute{Off: CallNumber, Size: 4},
	}, filter...))
	if err != nil {
		return fmt.Errorf("assemble the filter: %w", err)
	}
	instructions := make([]unix.SockFilter, len(program))
	for i, in := range program {
		instructions[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	fprog := unix.SockFprog{Len: uint16(len(instructions)), Filter: &instructions[0]}
	var flags uintptr
	if of == Process {
		flags = unix.SECCOMP_FILTER_FLAG_TSYNC
	}
	stuck, _, errno := syscall.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&fprog)))
	switch {
	case errno == unix.ENOSYS || errno == unix.EINVAL:
		return ErrNoSeccomp
	case errno != 0:
		return fmt.Errorf("load the filter: %w", errno)
	case stuck != 0:
		return fmt.Errorf("load the filter: thread %d did not take it", stuck)
	}
	return nil
}
