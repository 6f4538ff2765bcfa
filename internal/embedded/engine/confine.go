package engine

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The rights Landlock knows, by the version of its interface that brought them.
const (
	readFiles = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	runFiles  = readFiles | unix.LANDLOCK_ACCESS_FS_EXECUTE

	writeFilesV1 = unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR |
		unix.LANDLOCK_ACCESS_FS_REMOVE_FILE | unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG |
		unix.LANDLOCK_ACCESS_FS_MAKE_SYM
	othersV1 = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_MAKE_CHAR |
		unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK

	tcp    = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	scopes = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
)

// ErrUnconfined says that this kernel cannot confine the engine.
var ErrUnconfined = errors.New("this kernel has no Landlock: SQL is kept from files by the engine's own rights alone")

// Confinable reports whether the kernel can confine the engine to its folder.
func Confinable() bool { return landlockVersion() > 0 }

// landlockVersion is the version of the kernel's interface; 0 without one.
func landlockVersion() int {
	version, _, err := syscall.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if err != 0 {
		return 0
	}
	return int(version)
}

// confine runs this program again, in this process, with the same files open
// and everything else denied by the kernel: it may read and write its folder,
// read the library, the program and the C library, and a few facts about the
// machine. It may open no connection and reach no other process. SQL functions
// that read files with the rights of the process (there are some that no grant
// governs) find nothing.
//
// It returns only when it does not succeed, with ErrUnconfined when the kernel
// offers no way.
func confine(dir, library string, args []string) error {
	version := landlockVersion()
	if version == 0 {
		return ErrUnconfined
	}
	// The rules bind the thread; the program that it becomes is bound whole.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := ConfineThread(reach(dir, library, writing(version))); err != nil {
		return err
	}
	if err := FilterThread(false); err != nil && !errors.Is(err, ErrUnfiltered) {
		return err
	}
	return fmt.Errorf("confine the engine: %w", syscall.Exec("/proc/self/exe", args, os.Environ()))
}

// writing is what a process may do in a folder of its own.
func writing(version int) uint64 {
	write := uint64(readFiles | writeFilesV1)
	if version >= 2 {
		write |= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if version >= 3 {
		write |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	return write
}

// ConfineThread denies the calling thread, and every process it starts, all
// files but those under the given paths, all TCP, and signals and abstract
// sockets that lead out of its own domain. ErrUnconfined says that the kernel
// offers no way. The caller has locked its goroutine to the thread and never
// unlocks it, or becomes another program.
func ConfineThread(may map[string]uint64) error {
	version := landlockVersion()
	if version == 0 {
		return ErrUnconfined
	}
	rules := unix.LandlockRulesetAttr{Handled_access_fs: writing(version) | othersV1}
	size := unsafe.Sizeof(rules.Handled_access_fs)
	if version >= 4 {
		rules.Handled_access_net, size = tcp, unsafe.Offsetof(rules.Scoped)
	}
	if version >= 6 {
		rules.Scoped, size = scopes, unsafe.Offsetof(rules.Quiet_access_fs)
	}
	set, _, errno := syscall.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&rules)), size, 0)
	if errno != 0 {
		return fmt.Errorf("confine the engine: %w", errno)
	}
	unix.CloseOnExec(int(set))
	for path, access := range may {
		if err := allow(int(set), path, access&rules.Handled_access_fs); err != nil {
			return fmt.Errorf("confine the engine to %s: %w", path, err)
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("confine the engine: %w", err)
	}
	if _, _, errno := syscall.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, set, 0, 0); errno != 0 {
		return fmt.Errorf("confine the engine: %w", errno)
	}
	return nil
}

// ServerReach is what a server of another program may touch: it writes in its
// own folders, where it makes sockets too, and reads and runs what it consists
// of.
func ServerReach(own, runs, reads []string) map[string]uint64 {
	may := map[string]uint64{"/dev/null": unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE}
	for _, path := range reads {
		may[path] = readFiles
	}
	for _, path := range runs {
		may[path] = runFiles
	}
	for _, path := range own {
		may[path] = writing(landlockVersion()) | unix.LANDLOCK_ACCESS_FS_MAKE_SOCK
	}
	return may
}

// reach lists what the engine may touch. Paths that are not there are left out
// by allow.
func reach(dir, library string, write uint64) map[string]uint64 {
	may := map[string]uint64{
		dir:              write,
		library:          runFiles,
		"/proc/self/exe": runFiles,
		"/dev/null":      unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE,
	}
	for _, path := range []string{
		"/proc/self/status", "/proc/self/stat", "/proc/self/statm", "/proc/self/maps", "/proc/self/cgroup",
		"/proc/self/mounts", "/proc/self/mountinfo", "/proc/self/limits", "/proc/meminfo", "/proc/cpuinfo", "/proc/stat", "/proc/loadavg", "/proc/uptime",
		"/proc/version", "/proc/vmstat", "/proc/sys/kernel", "/proc/sys/vm", "/sys/devices/system", "/sys/fs/cgroup",
		"/sys/kernel/mm/transparent_hugepage", "/dev/urandom", "/dev/random", "/dev/zero",
		"/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo",
	} {
		may[path] = readFiles
	}
	for _, folder := range loadedFolders() {
		may[folder] = runFiles
	}
	return may
}

// loadedFolders are the folders the dynamic loader took this program's own
// libraries from: the engine's come from there too.
func loadedFolders() []string {
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return nil
	}
	defer maps.Close()
	var folders []string
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		if _, path, ok := strings.Cut(lines.Text(), "/"); ok && strings.Contains(path, ".so") {
			folders = append(folders, filepath.Dir("/"+path))
		}
	}
	return folders
}

// allow grants access to a path and what is under it.
func allow(set int, path string, access uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EACCES) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return err
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFDIR {
		access &= unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE |
			unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	rule := unix.LandlockPathBeneathAttr{Allowed_access: access, Parent_fd: int32(fd)}
	if _, _, errno := syscall.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(set), unix.LANDLOCK_RULE_PATH_BENEATH,
		uintptr(unsafe.Pointer(&rule)), 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}
