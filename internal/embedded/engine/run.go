package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"assay/internal/confine"
)

// Order is what the parent process writes to the engine's standard input, as
// one line of JSON. The input then stays open: its end means that the parent
// is gone.
type Order struct {
	Password string // of the HTTP interface, for User
	Memory   int64  // bytes the engine may take; 0 means 2 GiB
}

// confined is the argument that says that the kernel already confines this
// process, or cannot.
const confined = "confined"

// ListenerFD is the file descriptor on which the process finds its listening
// socket. The parent owns the socket, so that a restarted engine has the same
// address.
const ListenerFD = 3

// Ready is the line the process writes to standard output when it answers.
const Ready = "ready\n"

const (
	defaultMemory = 2 << 30
	// stopWithin is how long running requests may take to end.
	stopWithin = 5 * time.Second
)

// Main is the engine process. Its arguments are the folder and the library;
// args[0] and args[1] are what started it. It returns when it was told to
// stop, and an error when it could not start.
func Main(args []string) error {
	if len(args) < 4 {
		return errors.New("the engine needs its folder and its library")
	}
	at, library := folder(args[2]), args[3]
	if len(args) == 4 {
		if err := os.MkdirAll(string(at), 0o700); err != nil {
			return fmt.Errorf("make the ClickHouse folder: %w", err)
		}
		err := inConfinement(string(at), library, append(args, confined))
		if !errors.Is(err, confine.ErrNoLandlock) {
			return err
		}
		fmt.Fprintf(os.Stderr, "%v: SQL is kept from files by the engine's own rights alone\n", err)
	}
	return run(at, library)
}

// run starts the engine and serves until told to stop.
func run(at folder, library string) error {
	input := json.NewDecoder(os.Stdin)
	var order Order
	if err := input.Decode(&order); err != nil {
		return fmt.Errorf("read the engine's order: %w", err)
	}
	if order.Memory == 0 {
		order.Memory = defaultMemory
	}
	listener, err := net.FileListener(os.NewFile(ListenerFD, "listener"))
	if err != nil {
		return fmt.Errorf("take over the engine's socket: %w", err)
	}
	held, err := at.hold()
	if err != nil {
		return err
	}
	defer held.Close()
	if err := at.prepare(order.Memory); err != nil {
		return err
	}
	s, err := start(order, at, library)
	if err != nil {
		return err
	}
	return s.serve(listener, gone(input))
}

// start loads the library and opens the folder.
func start(order Order, at folder, library string) (*server, error) {
	// No core files of a process that holds what people wrote.
	syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{})
	lib, err := load(library)
	if err != nil {
		return nil, err
	}
	call(lib.setSignalHandlersEnabled, 0)
	st, err := openStore(lib, at)
	if err != nil {
		return nil, err
	}
	if err := onSignalStack(); err != nil {
		return nil, fmt.Errorf("set the signal stack: %w", err)
	}
	if err := st.keep("CREATE DATABASE IF NOT EXISTS " + Database); err != nil {
		return nil, err
	}
	return newServer(st, order.Password)
}

// serve answers until told to stop, then ends what runs and closes the store.
func (s *server) serve(listener net.Listener, orphaned <-chan struct{}) error {
	web := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 1 << 20}
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM, syscall.SIGINT)
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(listener) }()
	if _, err := os.Stdout.WriteString(Ready); err != nil {
		return err
	}
	select {
	case err := <-failed:
		return err
	case <-told:
	case <-orphaned:
	}
	// Whatever the library does on its way out, the process ends.
	time.AfterFunc(2*stopWithin, func() { os.Exit(0) })
	s.stop()
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	if err := web.Shutdown(ctx); err != nil {
		return nil // something still runs: leave the store to its own recovery
	}
	s.sessions.close()
	s.store.close()
	return nil
}

// gone closes when the parent's end of standard input closes.
func gone(input *json.Decoder) <-chan struct{} {
	orphaned := make(chan struct{})
	go func() {
		io.Copy(io.Discard, io.MultiReader(input.Buffered(), os.Stdin))
		close(orphaned)
	}()
	return orphaned
}

// ErrHeld says that another process has the folder open.
var ErrHeld = errors.New("another process has this ClickHouse folder open; talk to it over HTTP instead")

// hold locks the folder for this process. The kernel lets go of it however
// the process ends.
func (f folder) hold() (*os.File, error) {
	file, err := os.OpenFile(f.lock(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the ClickHouse folder: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		file.Close()
		return nil, fmt.Errorf("%s: %w", f, ErrHeld)
	}
	return file, nil
}
