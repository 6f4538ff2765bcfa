package engine

import (
	"syscall"
	"unsafe"
)

// kernelAction is the kernel's struct sigaction on x86-64 Linux.
type kernelAction struct {
	handler  uintptr
	flags    uint64
	restorer uintptr
	mask     uint64
}

const (
	onStack       = 0x08000000 // SA_ONSTACK
	signalsMost   = 64
	ignoreOrUnset = 1 // SIG_DFL is 0, SIG_IGN is 1
)

// onSignalStack makes every handler the library installed run on the signal
// stack. Go's threads have stacks too small for a handler, so that a signal
// without SA_ONSTACK (the library installs 34 to look at threads) would end the
// process. Call it after the first connect.
func onSignalStack() error {
	for signal := uintptr(1); signal <= signalsMost; signal++ {
		var action kernelAction
		if _, _, err := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, signal, 0, uintptr(unsafe.Pointer(&action)), 8, 0, 0); err != 0 {
			continue // 32 and 33 belong to the C library
		}
		if action.handler <= ignoreOrUnset || action.flags&onStack != 0 {
			continue
		}
		action.flags |= onStack
		if _, _, err := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, signal, uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0); err != 0 {
			return err
		}
	}
	return nil
}
