package sandbox

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"assay/internal/confine"
)

// starter starts children from one thread that is confined by Landlock, which
// they inherit: a domain binds a thread and what it starts, and a Go program
// that loads C libraries cannot put all its threads into one. The thread also
// lives as long as the program, as the parent-death signal of children needs.
type starter struct {
	once  sync.Once
	asked chan func()
	reads []string
	bare  bool // of a sandbox that is broken on purpose: the thread stays as it is
	// What the thread found when it confined itself.
	landlock int
	trouble  error
}

func newStarter(reads []string, bare bool) *starter {
	return &starter{asked: make(chan func()), reads: reads, bare: bare}
}

func (s *starter) begin() {
	s.once.Do(func() {
		confined := make(chan struct{})
		go func() {
			runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
			s.landlock = confine.LandlockVersion()
			if s.landlock > 0 && !s.bare {
				s.trouble = confine.Landlock(s.reach())
			}
			close(confined)
			for act := range s.asked {
				act()
			}
		}()
		<-confined
	})
}

// reach is what a child may open while it starts: this program and the C
// libraries it was loaded with, each file by itself, and the folders it was
// told. The filter then takes away opening altogether.
func (s *starter) reach() map[string]uint64 {
	may := map[string]uint64{"/proc/self/exe": confine.RunFiles, "/etc/ld.so.cache": confine.ReadFiles}
	for _, folder := range s.reads {
		may[folder] = confine.ReadFiles
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return may // a program without libraries needs no more
	}
	for line := range strings.Lines(string(maps)) {
		_, path, found := strings.Cut(strings.TrimSpace(line), "/")
		if found && strings.Contains(path, ".so") {
			may["/"+path] = confine.RunFiles
		}
	}
	return may
}

// startWith starts the command on a thread of its own, confined to what the
// tools of that one child need. The thread waits for the child's end: its
// parent-death signal is bound to it.
func (s *starter) startWith(c *exec.Cmd, tools Tools, scratch string) (ended func(), err error) {
	may := s.reach()
	may["/dev/null"] = confine.ReadFiles | unix.LANDLOCK_ACCESS_FS_WRITE_FILE
	for _, path := range tools.Run {
		may[path] = confine.RunFiles
	}
	for _, path := range tools.Read {
		may[path] = confine.ReadFiles
	}
	may[scratch] = confine.ReadFiles | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_MAKE_REG |
		unix.LANDLOCK_ACCESS_FS_REMOVE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE
	return onThread(func() error {
		if err := keepDescriptors(); err != nil {
			return err
		}
		if confine.LandlockVersion() > 0 && !s.bare {
			if err := confine.Landlock(may); err != nil {
				return err
			}
		}
		return c.Start()
	})
}

// onThread starts something on a thread of its own, which lives until it is let
// go of.
func onThread(start func() error) (ended func(), err error) {
	started, end := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread() // never unlocked
		started <- start()
		<-end
	}()
	return sync.OnceFunc(func() { close(end) }), <-started
}

// keepDescriptors keeps what this program was started with, a terminal or a
// log, from children; what it opened itself never reaches them.
func keepDescriptors() error {
	if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("keep descriptors to ourselves: %w", err)
	}
	return nil
}

// start starts the command on the confined thread. A kernel with Landlock on
// which the thread could not be confined starts nothing.
func (s *starter) start(c *exec.Cmd) error {
	s.begin()
	if s.trouble != nil {
		return s.trouble
	}
	done := make(chan error)
	s.asked <- func() {
		if err := keepDescriptors(); err != nil {
			done <- err
			return
		}
		done <- c.Start()
	}
	return <-done
}

// close ends the thread, and with it children that still run.
func (s *starter) close() { close(s.asked) }
