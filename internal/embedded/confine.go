package embedded

import (
	"errors"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"assay/internal/confine"
)

// ServersHeldBy says what the kernel holds back of the servers that run what a
// model wrote, in words for people: the ClickHouse engine and the PostgreSQL of
// the validators.
func ServersHeldBy() string {
	var held []string
	if confine.LandlockVersion() > 0 {
		held = append(held, "Landlock (own folder, no TCP)")
	}
	if confine.Filterable() {
		held = append(held, "a filter of dangerous calls")
	}
	if len(held) == 0 {
		return "nothing of the kernel's, which lacks Landlock and seccomp"
	}
	return strings.Join(held, ", ")
}

// confine binds the calling thread, and with it the server it starts: its data
// and its socket are all it may write, its own programs all it may run. What the
// kernel cannot do is left out, and ServersHeldBy says so. The caller has locked
// its goroutine to the thread and never unlocks it.
func (p *Postgres) confine() error {
	runs := []string{filepath.Dir(p.binaries)}
	for _, pattern := range []string{"/bin/sh", "/lib/ld-*", "/lib64/ld-*", "/lib/*/ld-*"} { // the shell sets the limits; the loader is run with each program
		matches, _ := filepath.Glob(pattern)
		runs = append(runs, matches...)
	}
	reads := []string{"/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo", "/usr/share/locale", "/etc/ssl",
		"/dev/urandom", "/proc/meminfo", "/sys/devices/system"}
	shares, _ := filepath.Glob("/usr/share/postgresql*")
	may := map[string]uint64{"/dev/null": confine.Device}
	for _, path := range append(reads, shares...) {
		may[path] = confine.ReadFiles
	}
	for _, path := range runs {
		may[path] = confine.RunFiles
	}
	for _, path := range []string{p.data, p.socket} {
		may[path] = confine.OwnFolder | unix.LANDLOCK_ACCESS_FS_MAKE_SOCK
	}
	if err := confine.Landlock(may); err != nil && !errors.Is(err, confine.ErrNoLandlock) {
		return err
	}
	if err := confine.Server(true); err != nil && !errors.Is(err, confine.ErrNoSeccomp) {
		return err
	}
	return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}
