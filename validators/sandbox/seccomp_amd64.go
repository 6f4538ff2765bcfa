package sandbox

import "golang.org/x/sys/unix"

// allowedCalls are the calls that need no look at their arguments.
var allowedCalls = append(commonCalls, unix.SYS_EPOLL_WAIT, unix.SYS_ARCH_PRCTL, unix.SYS_TIME)

// statAt is fstatat by its name here.
const statAt = unix.SYS_NEWFSTATAT

// oldCalls are those that the C library still makes here.
var oldCalls = []uintptr{unix.SYS_OPEN, unix.SYS_STAT, unix.SYS_LSTAT, unix.SYS_ACCESS, unix.SYS_READLINK, unix.SYS_PIPE, unix.SYS_DUP2, unix.SYS_SELECT,
	unix.SYS_POLL, unix.SYS_FORK, unix.SYS_VFORK, unix.SYS_GETPGRP, unix.SYS_GETDENTS, unix.SYS_ALARM, unix.SYS_PAUSE}
