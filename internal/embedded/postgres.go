package embedded

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/fault"
)

// PostgresConfig says where the private PostgreSQL lives.
type PostgresConfig struct {
	Dir        string    // data directory of the product; the cluster is Dir/postgres where its user can go
	Log        io.Writer // server log and what the supervisor says; nil discards
	Throwaway  bool      // no fsync, no supervision: for tests
	MaxClients int       // connections; 100 when zero
	Memory     int64     // bytes each of its processes may write to, and no file above half of it; 0 leaves both open. With a limit the kernel confines the server too
}

// Postgres is a running private cluster: a socket in a directory only its
// user enters, no TCP, a random password per role.
type Postgres struct {
	config   PostgresConfig
	binaries string
	data     string
	socket   string
	account  *syscall.Credential // nil: runs as ourselves
	secrets  postgresSecrets

	mu       sync.Mutex
	process  *os.Process
	stopping bool
	crashed  chan error
	done     chan struct{}
}

type postgresSecrets struct {
	Owner string `json:"owner"`
	App   string `json:"app"`
}

const (
	oldestMajor   = 15
	longestSocket = 107 - len("/.s.PGSQL.5432")
)

// StartPostgres makes the cluster when there is none, starts it, and keeps it
// running until Stop: when the server dies it is started again and the log
// says so. As root the server runs as an unprivileged user, since PostgreSQL
// refuses root. It returns fault.Unavailable, with the fix in words, when no
// server can be found or the cluster is of another major version.
func StartPostgres(ctx context.Context, config PostgresConfig) (*Postgres, error) {
	if config.Log == nil {
		config.Log = io.Discard
	}
	if config.MaxClients == 0 {
		config.MaxClients = 100
	}
	binaries, err := findPostgres()
	if err != nil {
		return nil, err
	}
	p := &Postgres{config: config, binaries: binaries, crashed: make(chan error, 16), done: make(chan struct{})}
	if err := p.place(); err != nil {
		return nil, fmt.Errorf("place the PostgreSQL cluster: %w", err)
	}
	if err := p.prepare(ctx); err != nil {
		return nil, err
	}
	if err := p.awaitPredecessor(ctx); err != nil {
		return nil, err
	}
	exited, err := p.launch()
	if err != nil {
		return nil, err
	}
	if err := p.ready(ctx, exited); err != nil {
		p.Stop(context.WithoutCancel(ctx))
		return nil, err
	}
	if err := p.createDatabase(ctx); err != nil {
		p.Stop(context.WithoutCancel(ctx))
		return nil, err
	}
	go p.supervise(exited)
	return p, nil
}

// URL is the address for the program's own, restricted role.
func (p *Postgres) URL() string { return p.address("assay_app", p.secrets.App, "assay") }

// OwnerURL is the address for migrations, which own the schema.
func (p *Postgres) OwnerURL() string { return p.address("assay_owner", p.secrets.Owner, "assay") }

// DatabaseURL is the address of another database of the cluster, as the app
// role or, with owner, as its owner.
func (p *Postgres) DatabaseURL(name string, owner bool) string {
	if owner {
		return p.address("assay_owner", p.secrets.Owner, name)
	}
	return p.address("assay_app", p.secrets.App, name)
}

// Crashed reports each time the server died without being asked to.
func (p *Postgres) Crashed() <-chan error { return p.crashed }

// Pid is the process id of the server, 0 while it is not running.
func (p *Postgres) Pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.process == nil {
		return 0
	}
	return p.process.Pid
}

// Stop asks the server for a fast shutdown and waits until it is gone or ctx
// ends; then it insists.
func (p *Postgres) Stop(ctx context.Context) error {
	p.mu.Lock()
	p.stopping = true
	process := p.process
	p.mu.Unlock()
	if process == nil {
		return nil
	}
	process.Signal(syscall.SIGINT)
	for {
		if p.Pid() == 0 || process.Signal(syscall.Signal(0)) != nil {
			return nil
		}
		select {
		case <-ctx.Done():
			process.Signal(syscall.SIGQUIT)
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (p *Postgres) address(role, password, database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(role, password), Path: "/" + database}
	u.RawQuery = url.Values{"host": {p.socket}, "port": {"5432"}, "sslmode": {"disable"}}.Encode()
	return u.String()
}

// FindPostgres returns the folder of the server's programs. The error says what
// to do.
func FindPostgres() (string, error) { return findPostgres() }

// PostgresVersion is the version of the server that is found, "15.14"; "" when
// there is none.
func PostgresVersion() string {
	binaries, err := findPostgres()
	if err != nil {
		return ""
	}
	out, err := exec.Command(filepath.Join(binaries, "postgres"), "--version").Output()
	if words := strings.Fields(string(out)); err == nil && len(words) >= 3 {
		return words[2]
	}
	return ""
}

// findPostgres looks where people put the server: the path, then the
// directories of the distributions, newest major first.
func findPostgres() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			if _, err := os.Stat(filepath.Join(filepath.Dir(real), "postgres")); err == nil {
				return filepath.Dir(real), nil
			}
		}
	}
	var found []string
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin/initdb", "/usr/pgsql-*/bin/initdb", "/usr/local/pgsql/bin/initdb"} {
		matches, _ := filepath.Glob(pattern)
		found = append(found, matches...)
	}
	if len(found) == 0 {
		return "", fault.Say(fault.Unavailable, "No PostgreSQL server is installed. Install it (on Debian: apt-get install postgresql) or point ASSAY_DATABASE_URL at one.")
	}
	slices.SortFunc(found, func(a, b string) int { return len(a) - len(b) + strings.Compare(a, b) })
	return filepath.Dir(found[len(found)-1]), nil
}

// place decides on the account, the data directory and the socket directory.
// As root the data lives in the product's directory only when the unprivileged
// account can get there; a checkout of root's with mode 0700 is closed to it.
func (p *Postgres) place() error {
	dir, err := filepath.Abs(p.config.Dir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if os.Geteuid() == 0 {
		if p.account, err = unprivileged(); err != nil {
			return err
		}
		if !reachable(dir, p.account) {
			dir = filepath.Join("/var/lib/assay", fingerprint(dir))
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
		}
	}
	p.data = filepath.Join(dir, "postgres")
	p.socket = filepath.Join(dir, "run")
	if len(p.socket) > longestSocket {
		p.socket = filepath.Join(os.TempDir(), "assay-"+fingerprint(dir))
	}
	for _, path := range []string{p.data, p.socket} {
		if err := os.MkdirAll(path, 0o700); err != nil {
			return err
		}
		if err := p.own(path); err != nil {
			return err
		}
	}
	return nil
}

func (p *Postgres) own(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t).Uid
	wanted := uint32(os.Geteuid())
	if p.account != nil {
		wanted = p.account.Uid
	}
	if owner != wanted && p.account == nil {
		return fault.Say(fault.Unavailable, "%s belongs to another user.", path)
	}
	if p.account != nil {
		return os.Lchown(path, int(p.account.Uid), int(p.account.Gid))
	}
	return nil
}

func unprivileged() (*syscall.Credential, error) {
	for _, name := range []string{"postgres", "nobody"} {
		account, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, _ := strconv.Atoi(account.Uid)
		gid, _ := strconv.Atoi(account.Gid)
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, fault.Say(fault.Unavailable, "PostgreSQL refuses to run as root and there is no user postgres or nobody to run it as.")
}

func reachable(dir string, account *syscall.Credential) bool {
	for path := dir; ; path = filepath.Dir(path) {
		info, err := os.Stat(path)
		if err != nil {
			return false
		}
		stat := info.Sys().(*syscall.Stat_t)
		bit := os.FileMode(0o001)
		switch {
		case stat.Uid == account.Uid:
			bit = 0o100
		case stat.Gid == account.Gid:
			bit = 0o010
		}
		if info.Mode()&bit == 0 {
			return false
		}
		if path == filepath.Dir(path) {
			return true
		}
	}
}

func fingerprint(dir string) string {
	hash := fnv.New64a()
	hash.Write([]byte(dir))
	return fmt.Sprintf("%016x", hash.Sum64())
}

// prepare makes the cluster, or checks that the one there is ours and of this
// server's major version.
func (p *Postgres) prepare(ctx context.Context) error {
	secretsFile := filepath.Join(p.config.Dir, "postgres.json")
	version, err := os.ReadFile(filepath.Join(p.data, "PG_VERSION"))
	if err == nil {
		if err := p.checkMajor(strings.TrimSpace(string(version))); err != nil {
			return err
		}
		text, err := os.ReadFile(secretsFile)
		if err != nil {
			return fault.Say(fault.Unavailable, "The passwords of the PostgreSQL cluster are gone (%s).", secretsFile)
		}
		return json.Unmarshal(text, &p.secrets)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	// A half-made cluster of an interrupted start has no PG_VERSION that counts: begin again.
	if err := p.initialise(ctx); err != nil {
		return err
	}
	text, err := json.Marshal(p.secrets)
	if err != nil {
		return err
	}
	return os.WriteFile(secretsFile, text, 0o600)
}

func (p *Postgres) initialise(ctx context.Context) error {
	p.secrets = postgresSecrets{Owner: secret(), App: secret()}
	if err := os.RemoveAll(p.data); err != nil {
		return err
	}
	// Made beside and renamed when whole, so that a killed start leaves nothing half.
	making := p.data + ".making"
	if err := os.RemoveAll(making); err != nil {
		return err
	}
	if err := os.Mkdir(making, 0o700); err != nil {
		return err
	}
	passwords := filepath.Join(p.socket, "password")
	if err := os.WriteFile(passwords, []byte(p.secrets.Owner+"\n"), 0o600); err != nil {
		return err
	}
	defer os.Remove(passwords)
	for _, path := range []string{making, passwords} {
		if err := p.own(path); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, filepath.Join(p.binaries, "initdb"),
		"--pgdata", making, "--username", "assay_owner", "--pwfile", passwords,
		"--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync", "--no-instructions")
	cmd.Dir = p.socket
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.account}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make the PostgreSQL cluster: %w: %s", err, strings.TrimSpace(string(out)))
	}
	if !p.config.Throwaway {
		syscall.Sync()
	}
	return os.Rename(making, p.data)
}

// awaitPredecessor waits for the server of a program that was killed: it shuts
// down by itself when its parent dies, and needs a moment for it.
func (p *Postgres) awaitPredecessor(ctx context.Context) error {
	for {
		text, err := os.ReadFile(filepath.Join(p.data, "postmaster.pid"))
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		line, _, _ := strings.Cut(string(text), "\n")
		pid, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil || !isPostgres(pid, p.data) {
			return nil // left by a crash; the server itself takes it over
		}
		select {
		case <-ctx.Done():
			return fault.Say(fault.Unavailable, "Another PostgreSQL (process %d) still runs on %s.", pid, p.data)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// isPostgres tells a server on these data from another process that got the
// same number after a restart of the machine.
func isPostgres(pid int, data string) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && strings.Contains(string(line), data)
}

func (p *Postgres) checkMajor(cluster string) error {
	out, err := exec.Command(filepath.Join(p.binaries, "postgres"), "--version").Output()
	if err != nil {
		return fmt.Errorf("ask the PostgreSQL server for its version: %w", err)
	}
	words := strings.Fields(string(out))
	if len(words) < 3 {
		return fmt.Errorf("ask the PostgreSQL server for its version: it said %q", out)
	}
	server, _, _ := strings.Cut(words[2], ".")
	if server == cluster {
		return nil
	}
	return fault.Say(fault.Unavailable,
		"The data in %s is of PostgreSQL %s and the installed server is %s. Install postgresql-%s, or upgrade with: pg_upgrade --old-datadir %s --new-datadir NEW --old-bindir /usr/lib/postgresql/%s/bin --new-bindir %s",
		p.data, cluster, server, cluster, p.data, cluster, p.binaries)
}

// launch starts the server on a thread of its own that never ends, since the
// parent-death signal is tied to the thread: when we are killed, the server
// shuts down instead of staying behind.
func (p *Postgres) launch() (<-chan error, error) {
	settings := map[string]string{
		"listen_addresses":                  "",
		"unix_socket_directories":           p.socket,
		"unix_socket_permissions":           "0700",
		"port":                              "5432",
		"max_connections":                   strconv.Itoa(p.config.MaxClients),
		"shared_buffers":                    "128MB",
		"timezone":                          "UTC",
		"log_timezone":                      "UTC",
		"log_error_verbosity":               "terse",
		"log_min_error_statement":           "panic",
		"log_parameter_max_length":          "0",
		"log_parameter_max_length_on_error": "0",
		"log_statement":                     "none",
		"synchronous_commit":                "on",
		"wal_level":                         "minimal",
		"max_wal_senders":                   "0",
		"max_wal_size":                      "2GB",
		"wal_recycle":                       "off", // a used segment is removed, not kept with what it holds: erased text must end
		"random_page_cost":                  "1.1",
	}
	if p.config.Throwaway {
		for _, name := range []string{"fsync", "full_page_writes", "synchronous_commit"} {
			settings[name] = "off"
		}
	}
	if p.config.Memory > 0 {
		settings["dynamic_shared_memory_type"] = "mmap" // in its own folder, which is all it may write
	}
	args := []string{"-D", p.data}
	for name, value := range settings {
		args = append(args, "-c", name+"="+value)
	}
	cmd := capped(p.config.Memory, filepath.Join(p.binaries, "postgres"), args)
	cmd.Dir = p.socket
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "TZ=UTC"}
	cmd.Stdout, cmd.Stderr = p.config.Log, p.config.Log
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.account, Setpgid: true, Pdeathsig: syscall.SIGINT}

	started, exited := make(chan error), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		var err error
		if p.config.Memory > 0 {
			err = p.confine()
		}
		if err == nil {
			err = cmd.Start()
		}
		started <- err
		if err != nil {
			return
		}
		exited <- cmd.Wait()
		p.mu.Lock()
		p.process = nil
		p.mu.Unlock()
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	p.mu.Lock()
	p.process = cmd.Process
	p.mu.Unlock()
	return exited, nil
}

// capped is a command whose processes have limits of their own. The shell sets
// them: from outside only a process of the same user could, and the server may
// run as another.
func capped(memory int64, program string, args []string) *exec.Cmd {
	if memory == 0 {
		return exec.Command(program, args...)
	}
	limits := fmt.Sprintf(`ulimit -d %d && ulimit -f %d && ulimit -c 0 && exec "$0" "$@"`, memory>>10, memory>>10) // in KiB and halves of it
	return exec.Command("/bin/sh", append([]string{"-c", limits, program}, args...)...)
}

// ready waits until the server answers, which after a crash includes its
// recovery.
func (p *Postgres) ready(ctx context.Context, exited <-chan error) error {
	address := p.address("assay_owner", p.secrets.Owner, "postgres")
	for pause := 2 * time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		conn, err := pgx.Connect(ctx, address)
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case end := <-exited:
			return fmt.Errorf("PostgreSQL ended while starting: %v: %w", end, fault.Unavailable)
		case <-ctx.Done():
			return fmt.Errorf("wait for PostgreSQL: %v: %w", err, fault.Unavailable)
		case <-time.After(pause):
		}
	}
}

func (p *Postgres) createDatabase(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, p.address("assay_owner", p.secrets.Owner, "postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var there bool
	if err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = 'assay')`).Scan(&there); err != nil {
		return err
	}
	if !there {
		if _, err := conn.Exec(ctx, `CREATE DATABASE assay`); err != nil {
			return fmt.Errorf("create the database: %w", err)
		}
	}
	// The password is hexadecimal of our own making, so it needs no quoting.
	_, err = conn.Exec(ctx, fmt.Sprintf(`
		DO $$
		BEGIN
			IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'assay_app') THEN
				CREATE ROLE assay_app;
			END IF;
			ALTER ROLE assay_app LOGIN PASSWORD '%s';
		END
		$$`, p.secrets.App))
	if err != nil {
		return fmt.Errorf("give the program its role: %w", err)
	}
	return nil
}

// supervise starts the server again whenever it dies unasked, waiting a little
// longer each time it dies at once.
func (p *Postgres) supervise(exited <-chan error) {
	defer close(p.done)
	pause := 100 * time.Millisecond
	for {
		began := time.Now()
		end := <-exited
		p.mu.Lock()
		stopping := p.stopping
		p.mu.Unlock()
		if stopping || p.config.Throwaway {
			return
		}
		select {
		case p.crashed <- fmt.Errorf("PostgreSQL died: %v", end):
		default:
		}
		fmt.Fprintf(p.config.Log, "assay: PostgreSQL died (%v), starting it again\n", end)
		if time.Since(began) > time.Minute {
			pause = 100 * time.Millisecond
		}
		for {
			time.Sleep(pause)
			pause = min(2*pause, 5*time.Second)
			p.mu.Lock()
			stopping = p.stopping
			p.mu.Unlock()
			if stopping {
				return
			}
			next, err := p.launch()
			if err == nil {
				exited = next
				break
			}
			fmt.Fprintf(p.config.Log, "assay: %v\n", err)
		}
	}
}

func secret() string {
	bytes := make([]byte, 24)
	rand.Read(bytes)
	return hex.EncodeToString(bytes)
}
