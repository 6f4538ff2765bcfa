package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"assay/internal/auth"
	"assay/internal/auth/keys"
	"assay/internal/embedded"
	"assay/internal/postgres"
	"assay/static"
	"assay/telemetry"
)

// The web and the workers start without ClickHouse: they take events, say so
// at the door of health, and catch up when it is there.
func TestWithoutClickhouseTheProductStartsAndCatchesUp(t *testing.T) {
	if err := static.Ready(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	a := startAway(t, ctx)
	key := a.key(ctx)

	a.answers("GET", "/livez", key, "", 200, `"alive"`)
	a.answers("GET", "/readyz", key, "", 200, `"degraded"`, `"clickhouse":"away"`)
	event := `{"event_type":"assistant_response","session_id":"s_away","event_time":"` + time.Now().UTC().Format(time.RFC3339) + `","prompt":"two","response":"four"}`
	a.answers("POST", "/v1/events", key, event, 202, `"accepted":1`)
	a.answers("POST", "/v1/events", key, event, 202, `"duplicate":1`)
	a.answers("GET", "/v1/sessions", key, "", 503, `"unavailable"`)

	a.bringBack()
	if err := until(ctx, 90*time.Second, func() bool {
		status, body := a.ask("GET", "/v1/sessions/s_away", key, "")
		return status == 200 && strings.Contains(body, "s_away")
	}); err != nil {
		t.Fatalf("what was taken meanwhile is not there: %v\n%s", err, a.log())
	}
	a.answers("GET", "/readyz", key, "", 200, `"status":"ready"`)
}

// away is a product whose ClickHouse is behind a closed door.
type away struct {
	*testing.T
	rig          *rig
	door, engine string // host:port
}

func startAway(t *testing.T, ctx context.Context) *away {
	r, err := newRig()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(r.dir) })
	cluster, err := embedded.StartPostgres(ctx, embedded.PostgresConfig{Dir: r.dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cluster.Stop(context.Background()) })
	engine, err := embedded.StartClickhouse(ctx, embedded.ClickhouseConfig{Dir: filepath.Join(r.dir, "clickhouse"), Library: env("ASSAY_CHDB_LIBRARY")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Stop(context.Background()) })
	if err := migrateBoth(ctx, cluster.OwnerURL(), engine.DSN()); err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(engine.DSN())
	if err != nil {
		t.Fatal(err)
	}
	a := &away{T: t, rig: r, door: closedDoor(t), engine: at.Host}
	at.Host, r.addr = a.door, closedDoor(t)
	r.at.Database, r.at.Clickhouse = cluster.URL(), at.String()
	for _, word := range []string{"serve", "work"} {
		p := &process{word: word, rig: r}
		t.Cleanup(p.stop)
		if err := p.start(ctx); err != nil {
			t.Fatalf("assay %s: %v\n%s", word, err, a.log())
		}
	}
	return a
}

// closedDoor is an address where nobody answers.
func closedDoor(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// bringBack opens the door to the engine.
func (a *away) bringBack() {
	listener, err := net.Listen("tcp", a.door)
	if err != nil {
		a.Fatal(err)
	}
	a.Cleanup(func() { listener.Close() })
	go func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", a.engine)
			if err != nil {
				in.Close()
				continue
			}
			go func() { io.Copy(out, in); out.Close() }()
			go func() { io.Copy(in, out); in.Close() }()
		}
	}()
}

func (a *away) key(ctx context.Context) string {
	pool, err := postgres.Open(ctx, a.rig.at.Database)
	if err != nil {
		a.Fatal(err)
	}
	defer pool.Close()
	ring := &keys.Ring{DB: pool}
	key, text, err := ring.Create(ctx, auth.Product(), keys.New{Name: "away", Scopes: []auth.Scope{auth.ScopeIngest, auth.ScopeRead}})
	if err == nil {
		err = (&telemetry.Store{DB: pool}).SetTerms(ctx, auth.Product(), key.ID, telemetry.OpenTerms)
	}
	if err != nil {
		a.Fatal(err)
	}
	return text
}

func (a *away) ask(method, path, key, body string) (int, string) {
	a.Helper()
	request, err := http.NewRequestWithContext(a.Context(), method, "http://"+a.rig.addr+path, bytes.NewReader([]byte(body)))
	if err != nil {
		a.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		a.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		a.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func (a *away) answers(method, path, key, body string, status int, says ...string) {
	a.Helper()
	got, text := a.ask(method, path, key, body)
	for _, part := range says {
		if got != status || !strings.Contains(text, part) {
			a.Errorf("%s %s: want %d with %s, got %d: %s", method, path, status, part, got, text)
		}
	}
}

func (a *away) log() string {
	text, _ := os.ReadFile(filepath.Join(a.rig.dir, "said"))
	return string(text)
}
