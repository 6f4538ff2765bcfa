package sandbox

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// openStrong is a sandbox with the strong tier. A machine that cannot have it
// must say why, and run nothing in it.
func openStrong(t *testing.T) *Children {
	t.Helper()
	s := Open(Config{Programs: hostile(), Strong: true})
	t.Cleanup(s.Close)
	c, err := s.Capabilities(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if c.Strong() {
		return s
	}
	if _, err := s.Run(context.Background(), Job{Program: "shell", Input: []byte("true")}); !errors.Is(err, ErrOff) || len(c.Tiers) != 1 || c.Tiers[0].Off == "" {
		t.Fatalf("the strong tier is off without a reason, or runs: %+v %v", c.Tiers, err)
	}
	if _, err := exec.LookPath("bwrap"); err == nil && os.Geteuid() == 0 && !strings.Contains(c.Tiers[0].Off, "user namespaces") {
		t.Fatalf("there is bubblewrap, and the strong tier is off: %s", c.Tiers[0].Off)
	}
	t.Skipf("the strong tier is off here: %s", c.Tiers[0].Off)
	return nil
}

func TestTheStrongTierIsOffUntilItIsTurnedOn(t *testing.T) {
	s := open(t)
	c, err := s.Capabilities(context.Background())
	if err != nil || c.Strong() || !strings.Contains(c.Words(), "no operator has turned it on") {
		t.Errorf("want it off, got %v %v", c.Words(), err)
	}
	if _, err := s.Run(context.Background(), Job{Program: "shell", Input: []byte("true")}); !errors.Is(err, ErrOff) {
		t.Errorf("a program of the machine ran: %v", err)
	}
}

func TestProgramsOfTheMachineRunInTheStrongTier(t *testing.T) {
	s := openStrong(t)
	for script, want := range map[string]string{
		"tr a-z A-Z | sed s/K/k/; echo $(seq 3)":            "0 false false ASkED1 2 3\n",
		"printf '3\\n1\\n2\\n' | sort -n | head -1; exit 3": "3 false false 1\n",
		"env | sort | cut -d= -f1 | tr '\\n' ' '":           "0 false false HOME LC_ALL PATH PWD SHLVL TZ _ ",
		"id -u; hostname; pwd":                              "0 false false 65534\nsandbox\n/\n",
	} {
		if r := run(t, s, "shell", script); string(r.Output) != want {
			t.Errorf("%s: want %q, got %s %q %s", script, want, r.End, r.Output, r.Detail)
		}
	}
}

// Each is stopped or refused, in its time, and nothing of it lives on.
func TestTheStrongTierHolds(t *testing.T) {
	s := openStrong(t)
	t.Run("", func(t *testing.T) { tryAll(t, s) })
	time.Sleep(time.Second)
	if left := ownChildren(t); len(left) > 0 {
		t.Errorf("still running: %v", left)
	}
	if r := run(t, s, "shell", "echo well"); !strings.Contains(string(r.Output), "well") {
		t.Errorf("jobs after it are as before: %+v", r)
	}
}

func tryAll(t *testing.T, s *Children) {
	const refused, ended = "refused", "ended"
	for name, c := range map[string]struct{ script, want string }{
		"fork bomb":            {":(){ :|:& };:; wait; sleep 5", ended},
		"double fork":          {"(setsid sleep 3600 &) ; (setsid bash -c 'sleep 3600' & disown); echo refused", refused},
		"memory":               {"x=x; while :; do x=$x$x; done", ended},
		"memory of many":       {"for i in 1 2 3 4 5 6 7 8; do (x=$(head -c 20000000 /dev/zero | tr '\\0' x); sleep 5) & done; wait", ended},
		"descriptors":          {"for i in $(seq 3 90); do eval \"exec $i</dev/zero\" || { echo refused; exit; }; done", refused},
		"disk":                 {"for d in / /tmp /dev /dev/shm /usr /proc /var/tmp; do echo x > $d/assay-abuse && echo WROTE; done; echo refused", refused},
		"a folder, a link":     {"mkdir /dev/x /x; ln -s /etc/passwd /x; mknod /x c 1 3; mkfifo /dev/x; touch $'/dev/a\\nb'; ls -d /x /dev/x && echo WROTE; echo refused", refused},
		"endless output":       {"yes", ended},
		"a line of a gigabyte": {"head -c 1000000000 /dev/zero | tr '\\0' x", "truncated"},
		"sleep":                {"sleep 3600", ended},
		"ignored signals":      {"trap '' TERM INT HUP; while :; do :; done", ended},
		"kill all":             {"kill -9 -1; echo still; sleep 0.1; kill -9 2 1; echo refused", "either"},
		"others in /proc":      {"cat /proc/[0-9]*/cmdline | tr '\\0' '\\n' | grep -v -e bash -e assay -e sandbox-child -e bwrap -e cat -e tr -e grep -e '^-' -e '^/' -e '^$' -e '^sandbox$' -e 'ALL' -e '^65534$' -e '^usr/' -e '^--' | head; echo refused", refused},
		"inherited":            {"for i in $(seq 3 63); do [ -e /proc/self/fd/$i ] && readlink /proc/self/fd/$i | grep -v -e pipe -e /proc; done; echo refused", refused},
		"a socket":             {"(echo x > /dev/tcp/127.0.0.1/22) 2>/dev/null && echo REACHED; (echo x > /dev/udp/127.0.0.1/53) 2>/dev/null && echo REACHED; echo refused", refused},
		"mount":                {"mount -t tmpfs x /usr && echo REACHED; umount /usr && echo REACHED; unshare -Ur true && echo REACHED; chroot / true && echo REACHED; echo refused", refused},
		"setuid":               {"su -c true </dev/null && echo REACHED; passwd -S root && echo REACHED; echo refused", refused},
		"core dumps":           {"ulimit -c unlimited && echo REACHED; echo refused", refused},
		"raised limits":        {"ulimit -u 100000 && echo REACHED; ulimit -n 1000 && echo REACHED; ulimit -v 1 ; echo refused", refused},
		"exit code of a kill":  {"exit 137", "exit"},
		"exit 255":             {"exit 255", "exit"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			r := run(t, s, "shell", c.script)
			said := string(r.Output)
			t.Logf("%s %.200q %s in %v", r.End, said, r.Detail, time.Since(began).Round(time.Millisecond))
			stopped := r.End != Done || strings.HasPrefix(said, "-1 true") || strings.HasPrefix(said, "-1 false")
			held := r.End == Done && strings.Contains(said, "refused") && !strings.Contains(said, "REACHED") && !strings.Contains(said, "WROTE")
			ok := map[string]bool{refused: held, ended: stopped, "either": stopped || held, "truncated": stopped || strings.Contains(said, " true "),
				"exit": strings.HasPrefix(said, "137 ") || strings.HasPrefix(said, "255 ")}[c.want]
			if !ok {
				t.Errorf("want it %s, got %s %.300q %s", c.want, r.End, said, r.Detail)
			}
			if r.Elapsed > 2*time.Second {
				t.Errorf("took %v of a limit of 1 s", r.Elapsed)
			}
		})
	}
}
