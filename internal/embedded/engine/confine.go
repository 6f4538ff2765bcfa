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

	"assay/internal/confine"
)

// inConfinement runs this program again, in this process, with the same files open
// and everything else denied by the kernel: it may read and write its folder,
// read the library, the program and the C library, and a few facts about the
// machine. It may open no connection and reach no other process. SQL functions
// that read files with the rights of the process (there are some that no grant
// governs) find nothing.
//
// It returns only when it does not succeed, with confine.ErrNoLandlock when the
// kernel offers no way.
func inConfinement(dir, library string, args []string) error {
	// The rules bind the thread; the program that it becomes is bound whole.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := confine.Landlock(reach(dir, library)); err != nil {
		return fmt.Errorf("confine the engine: %w", err)
	}
	if err := confine.Server(false); err != nil && !errors.Is(err, confine.ErrNoSeccomp) {
		return fmt.Errorf("confine the engine: %w", err)
	}
	return fmt.Errorf("confine the engine: %w", syscall.Exec("/proc/self/exe", args, os.Environ()))
}

// reach lists what the engine may touch.
func reach(dir, library string) map[string]uint64 {
	may := map[string]uint64{
		dir:              confine.OwnFolder,
		library:          confine.RunFiles,
		"/proc/self/exe": confine.RunFiles,
		"/dev/null":      confine.Device,
	}
	for _, path := range []string{
		"/proc/self/status", "/proc/self/stat", "/proc/self/statm", "/proc/self/maps", "/proc/self/cgroup",
		"/proc/self/mounts", "/proc/self/mountinfo", "/proc/self/limits", "/proc/meminfo", "/proc/cpuinfo", "/proc/stat", "/proc/loadavg", "/proc/uptime",
		"/proc/version", "/proc/vmstat", "/proc/sys/kernel", "/proc/sys/vm", "/sys/devices/system", "/sys/fs/cgroup",
		"/sys/kernel/mm/transparent_hugepage", "/dev/urandom", "/dev/random", "/dev/zero",
		"/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo",
	} {
		may[path] = confine.ReadFiles
	}
	for _, folder := range loadedFolders() {
		may[folder] = confine.RunFiles
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
