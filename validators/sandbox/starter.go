package sandbox

import (
	"os/exec"
	"runtime"
	"sync"
)

// starter starts children from one thread that is confined by Landlock, which
// they inherit: a domain binds a thread and what it starts, and a Go program
// that loads C libraries cannot put all its threads into one. The thread also
// lives as long as the program, as the parent-death signal of children needs.
type starter struct {
	once  sync.Once
	asked chan func()
	// What the thread found when it confined itself.
	landlock int
	trouble  error
}

func newStarter() *starter { return &starter{asked: make(chan func())} }

func (s *starter) begin() {
	s.once.Do(func() {
		confined := make(chan struct{})
		go func() {
			runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
			s.landlock = landlockVersion()
			if s.landlock > 0 {
				s.trouble = confineThread(s.landlock, map[string]uint64{"/proc/self/exe": mayRun})
			}
			close(confined)
			for act := range s.asked {
				act()
			}
		}()
		<-confined
	})
}

// start starts the command on the confined thread. A kernel with Landlock on
// which the thread could not be confined starts nothing.
func (s *starter) start(c *exec.Cmd) error {
	s.begin()
	if s.trouble != nil {
		return s.trouble
	}
	done := make(chan error)
	s.asked <- func() { done <- c.Start() }
	return <-done
}

// close ends the thread, and with it children that still run.
func (s *starter) close() { close(s.asked) }
