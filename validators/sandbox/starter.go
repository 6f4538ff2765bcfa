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
)

// starter starts children from one thread that is confined by Landlock, which
// they inherit: a domain binds a thread and what it starts, and a Go program
// that loads C libraries cannot put all its threads into one. The thread also
// lives as long as the program, as the parent-death signal of children needs.
type starter struct {
	once  sync.Once
	asked chan func()
	reads []string
	// What the thread found when it confined itself.
	landlock int
	trouble  error
}

func newStarter(reads []string) *starter { return &starter{asked: make(chan func()), reads: reads} }

func (s *starter) begin() {
	s.once.Do(func() {
		confined := make(chan struct{})
		go func() {
			runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
			s.landlock = landlockVersion()
			if s.landlock > 0 {
				s.trouble = confineThread(s.landlock, s.reach())
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
	may := map[string]uint64{"/proc/self/exe": mayRun, "/etc/ld.so.cache": mayRead}
	for _, folder := range s.reads {
		may[folder] = mayRead
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return may // a program without libraries needs no more
	}
	for line := range strings.Lines(string(maps)) {
		_, path, found := strings.Cut(strings.TrimSpace(line), "/")
		if found && strings.Contains(path, ".so") {
			may["/"+path] = mayRun
		}
	}
	return may
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
		// What this program was started with, a terminal or a log, is not for
		// children; what it opened itself never is.
		if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
			done <- fmt.Errorf("keep descriptors to ourselves: %w", err)
			return
		}
		done <- c.Start()
	}
	return <-done
}

// close ends the thread, and with it children that still run.
func (s *starter) close() { close(s.asked) }
