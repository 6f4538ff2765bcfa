package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"assay/internal/clickhouse"
)

var full = flag.Bool("full", false, "the long form: twenty rounds of each kill")

// TestKillingAnyPartLosesNothingAcknowledged sends events all the time while
// the program, PostgreSQL and the ClickHouse engine are killed in turn. A
// ledger keeps what was acknowledged; in the end each of those is in the store
// exactly once.
func TestKillingAnyPartLosesNothingAcknowledged(t *testing.T) {
	rounds := 1
	if *full {
		rounds = 20
	}
	v := startVictim(t)
	ledger := v.sendUntilStopped()
	for range rounds {
		for _, part := range []struct {
			name string
			pid  func() int
		}{{"the program", v.program}, {"PostgreSQL", v.postgres}, {"the engine", v.engine}} {
			before := ledger.size()
			v.until("events are acknowledged before "+part.name+" is killed", func() bool { return ledger.size() > before+100 })
			pid := part.pid()
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatalf("kill %s (%d): %v", part.name, pid, err)
			}
			if part.name == "the program" {
				v.cmd.Wait()
				v.start()
			}
			after := ledger.size()
			v.until("events are acknowledged again after "+part.name+" was killed", func() bool { return ledger.size() > after+100 })
		}
	}
	acknowledged := ledger.stop()
	v.drained(len(acknowledged))
	v.checkOnce(acknowledged)
	t.Logf("%d events acknowledged over %d kills, each of them there once", len(acknowledged), 3*rounds)
}

// victim is the program as a process of its own.
type victim struct {
	*testing.T
	dir, addr, key string
	cmd            *exec.Cmd
}

func startVictim(t *testing.T) *victim {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	v := &victim{T: t, dir: openDir(t), addr: listener.Addr().String()}
	listener.Close()
	t.Setenv("ASSAY_DATA", v.dir)
	v.start()
	t.Cleanup(func() {
		v.cmd.Process.Signal(syscall.SIGTERM)
		v.cmd.Wait()
	})
	v.key = strings.TrimSpace(capture(t, func() {
		run([]string{"key", "create", "ledger", "--scope", "ingest", "--consent", "redacted", "--keep", "1"}, os.Stdout, os.Stderr)
	}))
	return v
}

// start runs the program and waits until it answers.
func (v *victim) start() {
	v.Helper()
	os.Remove(filepath.Join(v.dir, "runtime.json"))
	v.cmd = exec.Command(os.Args[0], "up", "--data", v.dir, "--addr", v.addr)
	v.cmd.Env = append(os.Environ(), "ASSAY_DATA="+v.dir)
	said, err := os.OpenFile(filepath.Join(v.dir, "said"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		v.Fatal(err)
	}
	defer said.Close()
	v.cmd.Stdout, v.cmd.Stderr = said, said
	if err := v.cmd.Start(); err != nil {
		v.Fatal(err)
	}
	v.until("the program answers", func() bool {
		if _, err := os.Stat(filepath.Join(v.dir, "runtime.json")); err != nil {
			return false
		}
		response, err := http.Get("http://" + v.addr + "/livez")
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
}

func (v *victim) until(what string, holds func() bool) {
	v.Helper()
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if holds() {
			return
		}
	}
	log, _ := os.ReadFile(filepath.Join(v.dir, "assay.log"))
	said, _ := os.ReadFile(filepath.Join(v.dir, "said"))
	v.Fatalf("not within a minute: %s\n%s\n%s", what, said, log[max(0, len(log)-3000):])
}

func (v *victim) program() int { return v.cmd.Process.Pid }

func (v *victim) postgres() int {
	text, err := os.ReadFile(filepath.Join(v.dir, "postgres", "postmaster.pid"))
	if err != nil {
		v.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.SplitN(string(text), "\n", 2)[0])
	if err != nil {
		v.Fatal(err)
	}
	return pid
}

// engine finds the engine among the program's children.
func (v *victim) engine() int {
	children, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", v.cmd.Process.Pid))
	if err != nil {
		v.Fatal(err)
	}
	for _, file := range children {
		text, _ := os.ReadFile(file)
		for pid := range strings.FieldsSeq(string(text)) {
			line, _ := os.ReadFile("/proc/" + pid + "/cmdline")
			if strings.Contains(string(line), "clickhouse-engine") {
				n, _ := strconv.Atoi(pid)
				return n
			}
		}
	}
	v.Fatal("the engine is not among the program's children")
	return 0
}

// book keeps the ids that were acknowledged.
type book struct {
	mu    sync.Mutex
	ids   []string
	quit  chan struct{}
	ended chan struct{}
}

func (b *book) size() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.ids)
}

func (b *book) stop() []string {
	close(b.quit)
	<-b.ended
	return b.ids
}

// sendUntilStopped sends batches of 20 one after the other, each again until
// it is acknowledged, and enters it then.
func (v *victim) sendUntilStopped() *book {
	b := &book{quit: make(chan struct{}), ended: make(chan struct{})}
	client := &http.Client{Timeout: 5 * time.Second}
	go func() {
		defer close(b.ended)
		for n := 0; ; n++ {
			ids, body := ledgerBatch(n)
			for !v.acknowledged(client, body) {
				select {
				case <-b.quit:
					return
				case <-time.After(20 * time.Millisecond):
				}
			}
			b.mu.Lock()
			b.ids = append(b.ids, ids...)
			b.mu.Unlock()
			select {
			case <-b.quit:
				return
			default:
			}
		}
	}()
	return b
}

func ledgerBatch(n int) (ids []string, body string) {
	var lines strings.Builder
	for i := range 20 {
		id := fmt.Sprintf("00000000-0000-4000-8000-%012d", n*20+i)
		ids = append(ids, id)
		fmt.Fprintf(&lines, `{"event_id":%q,"event_type":"assistant_response","event_time":%q,"session_id":"s_%d","task_class":"ledger","model_version":"v1","response":"entry %d"}`+"\n",
			id, time.Now().UTC().Format(time.RFC3339Nano), n, i)
	}
	return ids, lines.String()
}

func (v *victim) acknowledged(client *http.Client, body string) bool {
	request, err := http.NewRequest("POST", "http://"+v.addr+"/v1/events", strings.NewReader(body))
	if err != nil {
		return false
	}
	request.Header.Set("Authorization", "Bearer "+v.key)
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	var receipt struct {
		Accepted, Duplicate int
		Rejected            []json.RawMessage
	}
	if response.StatusCode != http.StatusAccepted || json.NewDecoder(response.Body).Decode(&receipt) != nil {
		return false
	}
	if len(receipt.Rejected) > 0 {
		v.Errorf("rejected: %s", receipt.Rejected[0])
	}
	return receipt.Accepted+receipt.Duplicate == 20
}

// drained waits until as many events as were acknowledged can be read.
func (v *victim) drained(acknowledged int) {
	v.Helper()
	for deadline := time.Now().Add(90 * time.Second); v.stored() < acknowledged; time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			v.Fatalf("of %d acknowledged events %d can be read after 90 s\n%s", acknowledged, v.stored(), v.waiting())
		}
	}
}

// waiting says what the program still means to do.
func (v *victim) waiting() string {
	ctx := context.Background()
	pool, err := database(ctx)
	if err != nil {
		return err.Error()
	}
	defer pool.Close()
	var said string
	err = pool.QueryRow(ctx, `
		SELECT 'inbox ' || (SELECT count(*) FROM inbox) || '; jobs ' || COALESCE(string_agg(job, ', '), 'none')
		FROM (SELECT kind || ' ' || state || ' ' || count(*) || ' next ' || min(scheduled_at)::text AS job
		      FROM river_job WHERE state NOT IN ('completed', 'cancelled', 'discarded') GROUP BY kind, state) j`).Scan(&said)
	if err != nil {
		return err.Error()
	}
	return said
}

func (v *victim) stored() int {
	var n uint64
	v.ask(`SELECT count() FROM assistant_events_raw WHERE event_type = 'assistant_response'`, &n)
	return int(n)
}

func (v *victim) ask(sql string, into any) {
	r, err := readRuntime()
	if err != nil {
		v.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := clickhouse.Open(ctx, r.Clickhouse)
	if err != nil {
		return // it is coming back
	}
	defer conn.Close()
	if err := conn.QueryRow(ctx, sql).Scan(into); err != nil {
		v.Logf("%s: %v", sql, err)
	}
}

// checkOnce compares the ledger with the store, entry by entry.
func (v *victim) checkOnce(acknowledged []string) {
	v.Helper()
	var ids []string
	v.ask(`SELECT groupArray(toString(event_id)) FROM assistant_events_raw WHERE event_type = 'assistant_response'`, &ids)
	count := map[string]int{}
	for _, id := range ids {
		count[id]++
	}
	lost, doubled := 0, 0
	for _, id := range acknowledged {
		switch count[id] {
		case 0:
			lost++
		case 1:
		default:
			doubled++
		}
	}
	if lost > 0 || doubled > 0 {
		v.Errorf("of %d acknowledged events %d are lost and %d doubled", len(acknowledged), lost, doubled)
	}
}
