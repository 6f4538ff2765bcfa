package embedded

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"assay/internal/embedded/engine"
	"assay/internal/fault"
)

// engineArgument is the hidden first argument that makes the program the
// engine process.
const engineArgument = "clickhouse-engine"

// Main runs the engine process and exits when the program was started as one;
// otherwise it returns at once. Call it first in main, and in TestMain of
// every test binary that starts an engine.
func Main() {
	if len(os.Args) < 2 || os.Args[1] != engineArgument {
		return
	}
	if err := engine.Main(os.Args); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// ClickhouseConfig says where an embedded ClickHouse lives. Only Dir is
// needed.
type ClickhouseConfig struct {
	Dir     string    // its own folder, made if absent
	Log     io.Writer // what the engine process says, and restarts; nil drops it
	Library string    // libchdb.so; "" looks for node_modules
	Memory  int64     // bytes it may take; 0 means 2 GiB

	// Supervise restarts an engine that ended by itself, on the same address
	// with the same password. Crashed then reports each end, and the engine
	// comes back without anyone's doing.
	Supervise bool
	Wait      time.Duration // how long another process may still hold the folder, as one that was just killed does
}

// Clickhouse is a running embedded ClickHouse: a process of its own that ends
// with this one.
type Clickhouse struct {
	config   ClickhouseConfig
	password string
	listener *net.TCPListener
	crashed  chan error
	log      *lines

	stopping chan struct{} // closed by Stop
	over     chan struct{} // closed when no process runs and none will

	mu      sync.Mutex
	process *engineProcess
}

// startWithin bounds how long a start may take; opening many tables after a
// crash is what takes longest.
const startWithin = 60 * time.Second

// StartClickhouse starts the engine on config.Dir and returns when it
// answers, in a tenth of a second on an empty folder. A folder that another
// process has open is refused.
func StartClickhouse(ctx context.Context, config ClickhouseConfig) (*Clickhouse, error) {
	if config.Dir == "" {
		return nil, errors.New("start ClickHouse: no folder was named")
	}
	dir, err := filepath.Abs(config.Dir)
	if err != nil {
		return nil, err
	}
	config.Dir = dir
	if config.Library, err = FindClickhouse(config.Library); err != nil {
		return nil, err
	}
	listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, fmt.Errorf("start ClickHouse: %w", err)
	}
	c := &Clickhouse{
		config: config, password: randomPassword(), listener: listener,
		crashed: make(chan error, 16), log: &lines{to: config.Log},
		stopping: make(chan struct{}), over: make(chan struct{}),
	}
	if err := c.launchAfter(ctx, time.Now().Add(config.Wait)); err != nil {
		listener.Close()
		return nil, err
	}
	return c, nil
}

// launchAfter launches the engine, until then waiting for one that still holds
// the folder: that of a program that was killed ends by itself, a moment later.
func (c *Clickhouse) launchAfter(ctx context.Context, patience time.Time) error {
	for {
		err := c.launch(ctx)
		held := err != nil && strings.Contains(err.Error(), engine.ErrHeld.Error())
		if !held || time.Now().After(patience) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// DSN is the address of the engine with name, password and database, for
// clickhouse-go.
func (c *Clickhouse) DSN() string {
	return fmt.Sprintf("http://%s:%s@%s/%s", engine.User, c.password, c.listener.Addr(), engine.Database)
}

// PID is the engine's process now, for tests that end it.
func (c *Clickhouse) PID() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.process.cmd.Process.Pid
}

// Crashed reports every end of the engine that Stop did not ask for.
func (c *Clickhouse) Crashed() <-chan error { return c.crashed }

// Stop ends the engine in order: running statements are killed, the store is
// closed. When ctx ends first the process is killed, which loses nothing that
// was acknowledged.
func (c *Clickhouse) Stop(ctx context.Context) error {
	c.mu.Lock()
	if !c.isStopping() {
		close(c.stopping)
	}
	process := c.process
	c.mu.Unlock()
	c.listener.Close()
	process.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-c.over:
		return nil
	case <-ctx.Done():
	}
	process.cmd.Process.Kill()
	<-c.over
	return nil
}

// engineProcess is one life of the engine.
type engineProcess struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // why it ended; read after ended
}

// launch starts a process, waits until it answers, and watches over it.
func (c *Clickhouse) launch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	p, ready, err := c.spawn()
	if err != nil {
		return fmt.Errorf("start ClickHouse: %w", err)
	}
	select {
	case <-ready:
	case <-p.ended:
		return fmt.Errorf("start ClickHouse: %s: %w", cmp.Or(c.log.last(), fmt.Sprint(p.err)), fault.Unavailable)
	case <-ctx.Done():
		p.cmd.Process.Kill()
		<-p.ended
		return fmt.Errorf("start ClickHouse: it did not answer in time: %w", fault.Unavailable)
	}
	c.mu.Lock()
	c.process = p
	c.mu.Unlock()
	if c.isStopping() {
		p.cmd.Process.Signal(syscall.SIGTERM)
	}
	go c.watch(p)
	return nil
}

// watch waits for the end of a process. One that was not asked for is told to
// whoever listens, and under supervision followed by a new process.
func (c *Clickhouse) watch(p *engineProcess) {
	<-p.ended
	if c.isStopping() {
		close(c.over)
		return
	}
	c.report(fmt.Errorf("ClickHouse ended by itself: %v", p.err))
	if !c.config.Supervise {
		// Nobody will answer here any more: refuse rather than keep waiting.
		c.listener.Close()
		close(c.over)
		return
	}
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 10*time.Second) {
		err := c.launch(context.Background())
		if err == nil {
			c.log.say("ClickHouse was started again")
			return // launch watches the new one
		}
		if !c.isStopping() {
			c.report(err)
		}
		select {
		case <-c.stopping:
			close(c.over)
			return
		case <-time.After(wait):
		}
	}
}

func (c *Clickhouse) isStopping() bool {
	select {
	case <-c.stopping:
		return true
	default:
		return false
	}
}

// report tells a crash to Log and to Crashed, without waiting for a listener.
func (c *Clickhouse) report(err error) {
	c.log.say(err.Error())
	select {
	case c.crashed <- err:
	default:
	}
}

// spawn starts the program again as the engine. ready closes when it answers.
func (c *Clickhouse) spawn() (p *engineProcess, ready <-chan struct{}, err error) {
	socket, err := c.listener.File()
	if err != nil {
		return nil, nil, err
	}
	defer socket.Close()
	order, err := json.Marshal(engine.Order{Password: c.password, Memory: c.config.Memory})
	if err != nil {
		return nil, nil, err
	}
	// The program as it runs now, even if its file was replaced since.
	cmd := exec.Command("/proc/self/exe", engineArgument, c.config.Dir, c.config.Library)
	cmd.Args[0] = os.Args[0]
	cmd.Env = engineEnvironment
	cmd.Dir = "/"
	cmd.ExtraFiles = []*os.File{socket}
	cmd.Stderr = c.log
	// Its own group, so that Ctrl-C on a terminal reaches only the program, which
	// ends the engine in order; and killed by the kernel when the program is.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	p = &engineProcess{cmd: cmd, ended: make(chan struct{})}
	if err := p.start(); err != nil {
		return nil, nil, err
	}
	answered := make(chan struct{})
	go func() {
		if line, _ := bufio.NewReader(stdout).ReadString('\n'); line == engine.Ready {
			close(answered)
		}
	}()
	if _, err := stdin.Write(append(order, '\n')); err != nil {
		p.cmd.Process.Kill()
		<-p.ended
		return nil, nil, err
	}
	return p, answered, nil
}

// start runs the command from a thread that lives as long as the process: the
// kernel sends the death signal when the starting thread ends, not the program.
func (p *engineProcess) start() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	return <-started
}

// engineEnvironment is all the engine process is given: nothing of ours, which
// may hold secrets. The zone is that of its dates.
var engineEnvironment = []string{"TZ=UTC", "LANG=C.UTF-8"}

func randomPassword() string {
	var b [24]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// lines passes what the engine process says on to the log, and keeps the last
// line for the error of a start that did not succeed.
type lines struct {
	to io.Writer

	mu   sync.Mutex
	tail []byte
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tail = append(l.tail, p...)
	if excess := len(l.tail) - 4096; excess > 0 {
		l.tail = l.tail[excess:]
	}
	if l.to != nil {
		l.to.Write(p)
	}
	return len(p), nil
}

func (l *lines) say(line string) { l.Write([]byte(line + "\n")) }

func (l *lines) last() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := bytes.TrimSpace(l.tail)
	return strings.TrimSpace(string(all[bytes.LastIndexByte(all, '\n')+1:]))
}
