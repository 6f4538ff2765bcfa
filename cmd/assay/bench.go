package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"assay/internal/clickhouse"
)

// rig is a product of its own that a bench drives: a process on a directory
// that is removed in the end, so that its memory is its own and it can be
// killed.
type rig struct {
	dir, addr string
	cmd       *exec.Cmd
	at        runtimeFile
}

// newRig makes the directory. It lies open to other accounts, since an engine
// may have to run as another than root.
func newRig() (*rig, error) {
	dir, err := os.MkdirTemp("", "assay-bench-")
	if err != nil {
		return nil, err
	}
	return &rig{dir: dir, addr: "127.0.0.1:0"}, os.Chmod(dir, 0o755)
}

// rigStartsWithin bounds the start of a product on a crowded machine.
const rigStartsWithin = 3 * time.Minute

// start runs assay up and waits until it answers.
func (r *rig) start(ctx context.Context) error {
	found := filepath.Join(r.dir, "runtime.json")
	os.Remove(found)
	said, err := os.OpenFile(filepath.Join(r.dir, "said"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer said.Close()
	r.cmd = exec.Command("/proc/self/exe", "up", "--data", r.dir, "--addr", r.addr)
	r.cmd.Args[0] = os.Args[0]
	r.cmd.Stdout, r.cmd.Stderr = said, said
	if err := startTied(r.cmd); err != nil {
		return err
	}
	ended := false
	err = until(ctx, rigStartsWithin, func() bool {
		ended = hasEnded(r.cmd.Process.Pid)
		text, err := os.ReadFile(found)
		return ended || err == nil && json.Unmarshal(text, &r.at) == nil && alive(r.at.Address)
	})
	if ended {
		err = errors.New("it ended by itself")
	}
	if err != nil {
		return fmt.Errorf("the product did not start: %w\n%s", err, r.lastWords())
	}
	r.addr = strings.TrimPrefix(r.at.Address, "http://")
	return nil
}

// startTied starts a process that ends when this one does, however that is; a
// Ctrl-C reaches only this one, which ends the other in order.
func startTied(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	done := make(chan error)
	starter() <- func() { done <- cmd.Start() }
	return <-done
}

// starter runs what it is given on one thread that never ends: the kernel
// sends the signal when the thread that started a process ends.
var starter = sync.OnceValue(func() chan<- func() {
	starts := make(chan func())
	go func() {
		runtime.LockOSThread()
		for start := range starts {
			start()
		}
	}()
	return starts
})

func alive(address string) bool {
	client := http.Client{Timeout: 2 * time.Second}
	response, err := client.Get(address + "/livez")
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// hasEnded reports whether a child of ours is over and only waited for.
func hasEnded(pid int) bool {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, after, _ := bytes.Cut(text, []byte(") "))
	return bytes.HasPrefix(after, []byte("Z"))
}

// stop ends the product in order and removes what it left.
func (r *rig) stop() {
	if r.cmd != nil && r.cmd.ProcessState == nil {
		r.cmd.Process.Signal(syscall.SIGTERM)
		r.cmd.Wait()
	}
	os.RemoveAll(r.dir)
}

// lastWords is the end of what the product wrote.
func (r *rig) lastWords() string {
	var all []byte
	for _, name := range []string{"said", "assay.log"} {
		text, _ := os.ReadFile(filepath.Join(r.dir, name))
		all = append(all, text[max(0, len(text)-3000):]...)
	}
	return string(all)
}

// pids are the processes whose memory and time are counted.
func (r *rig) pids() map[string][]int {
	return map[string][]int{"program": {r.cmd.Process.Pid}, "PostgreSQL": descendants(r.postgres()), "ClickHouse": {r.engine()}, "bench": {os.Getpid()}}
}

func (r *rig) postgres() int {
	text, err := os.ReadFile(filepath.Join(r.dir, "postgres", "postmaster.pid"))
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(strings.SplitN(string(text), "\n", 2)[0])
	return pid
}

// engine finds the ClickHouse process among the program's children.
func (r *rig) engine() int { return childNamed(r.cmd.Process.Pid, "clickhouse-engine") }

func childNamed(parent int, word string) int {
	for _, pid := range children(parent) {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if strings.Contains(string(line), word) {
			return pid
		}
	}
	return 0
}

func children(parent int) (list []int) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent))
	for _, file := range files {
		text, _ := os.ReadFile(file)
		for pid := range strings.FieldsSeq(string(text)) {
			n, _ := strconv.Atoi(pid)
			list = append(list, n)
		}
	}
	return list
}

func descendants(pid int) []int {
	list := []int{pid}
	for _, child := range children(pid) {
		list = append(list, descendants(child)...)
	}
	return list
}

// resident is how much memory a process holds, in bytes; 0 when it is gone.
func resident(pid int) int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize())
}

// processorTime is what a process and the children it has buried have used.
func processorTime(pid int) time.Duration {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, after, found := bytes.Cut(text, []byte(") "))
	fields := bytes.Fields(after)
	if !found || len(fields) < 15 {
		return 0
	}
	var ticks int64
	for _, field := range fields[11:15] { // utime, stime, cutime, cstime
		n, _ := strconv.ParseInt(string(field), 10, 64)
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100
}

func (r *rig) processorTimes() map[string]time.Duration {
	used := map[string]time.Duration{}
	for name, pids := range r.pids() {
		for _, pid := range pids {
			used[name] += processorTime(pid)
		}
	}
	return used
}

// load is the machine's, over the last minute: a figure measured on a crowded
// machine is told as such.
func machineLoad() string {
	text, _ := os.ReadFile("/proc/loadavg")
	return strings.Join(strings.Fields(string(text))[:min(3, len(strings.Fields(string(text))))], " ")
}

// until waits for a fact, looking several times a second.
func until(ctx context.Context, patience time.Duration, holds func() bool) error {
	for deadline := time.Now().Add(patience); ; {
		if holds() {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %s", patience)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// engineConn connects to the rig's ClickHouse.
func (r *rig) engineConn(ctx context.Context) (driver.Conn, error) {
	return clickhouse.Open(ctx, r.at.Clickhouse)
}

// spread is a set of durations, told by their percentiles.
type spread []time.Duration

func (s spread) sorted() spread {
	slices.Sort(s)
	return s
}

// at is the nearest-rank percentile of a sorted spread.
func (s spread) at(p float64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	return s[min(len(s)-1, max(0, int(float64(len(s))*p/100+0.999999)-1))]
}

func (s spread) String() string {
	if len(s) == 0 {
		return "none"
	}
	return fmt.Sprintf("p50 %s  p95 %s  p99 %s  worst %s", short(s.at(50)), short(s.at(95)), short(s.at(99)), short(s[len(s)-1]))
}

func short(d time.Duration) string {
	if d >= time.Second {
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(100 * time.Microsecond).String()
}

func megabytes(bytes int64) string { return fmt.Sprintf("%d MB", bytes>>20) }
