package code

import (
	"testing"
	"time"

	"assay/validators/sandbox"
)

func TestScriptsAreJudgedByTestsTheyNeverSee(t *testing.T) {
	for _, c := range []struct{ name, code, tests, want, reason string }{
		{"right", "add() { echo $(( $1 + $2 )); }", `[[ $(add 1 2) == 3 ]] || exit 1`, pass, ReasonHeld},
		{"wrong", "add() { echo $(( $1 - $2 )); }", `[[ $(add 1 2) == 3 ]] || exit 1`, fail, ReasonAssertion},
		{"a status", "even() { (( $1 % 2 == 0 )); }", "even 4 || exit 1\neven 3 && exit 2\ntrue", pass, ReasonHeld},
		{"reads its input", "total() { local s=0 n; while read -r n; do (( s += n )); done; echo $s; }", `[[ $(printf '%s\n' 1 2 3 | total) == 6 ]] || exit 1`, pass, ReasonHeld},
		{"words with spaces", `last() { echo "${@: -1}"; }`, `[[ $(last a 'b c $HOME "x"') == 'b c $HOME "x"' ]] || exit 1`, pass, ReasonHeld},
		{"does not parse", "add() { echo $(( $1 + ; }", "add 1 2", fail, ReasonSyntax},
		{"a command of the system", "count() { grep -c x; }", `[[ $(echo x | count) == 1 ]] || exit 1`, inconclusive, ReasonEnvironment},
		{"a file", "f() { cat < /etc/passwd; }", "f", inconclusive, ReasonEnvironment},
		{"overwrites the test", "test() { return 0; }\n[() { return 0; }\nexit() { :; }\nadd() { echo 0; }", `[ "$(add 1 2)" = 3 ] || exit 1`, fail, ReasonAssertion},
		{"tests that never call", "f() { :; }", "true", inconclusive, ReasonTests},
		{"ends the shell", "f() { exit 0; }", "f\n[[ $(f) == x ]] || exit 1", fail, ReasonAssertion},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := judge(t, Job{Language: "bash", Code: c.code, Tests: &c.tests})
			if got.Verdict != c.want || got.Reason != c.reason {
				t.Errorf("want %s %s, got %s %s: %s %+v", c.want, c.reason, got.Verdict, got.Reason, got.Message, got.Evidence)
			}
		})
	}
}

func TestScriptsAreJudgedByWhatTheyPrint(t *testing.T) {
	code := "while read -r n; do echo $(( n * n )); done | while read -r m; do printf '<%s>\\n' \"$m\"; done"
	for stdout, want := range map[string]string{"<1>\n<4>\n": pass, "<1>": fail} {
		if got := judge(t, Job{Language: "bash", Code: code, Stdin: "1\n2\n", Stdout: &stdout}); got.Verdict != want {
			t.Errorf("%q: want %s, got %+v", stdout, want, got)
		}
	}
}

func TestUnknownCommandsAreNamed(t *testing.T) {
	got := judge(t, Job{Language: "bash", Code: "f() { gerp x; }\nif false; then f; fi"})
	if len(got.Evidence.Findings) != 1 || got.Evidence.Findings[0].Nearest != "grep" {
		t.Errorf("got %+v", got)
	}
}

func TestHostileScriptsAreInconclusive(t *testing.T) {
	for name, code := range map[string]string{
		"for ever":    "f() { while :; do :; done; }",
		"a fork bomb": "f() { f | f & }; g() { :(){ :|:& };:; }; f() { while :; do g; done; }",
		"memory":      "f() { local x=x; while :; do x=$x$x; done; }",
	} {
		job := Job{Language: "bash", Code: code, Tests: ptr("f")}
		if got := judgeWithin(t, job, sandbox.Limits{Wall: 2 * time.Second}); got.Verdict != inconclusive {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

// What needs commands beside the shell is judged in the strong tier, where an
// operator has turned it on and the machine has it, and is left open elsewhere.
func TestCommandsOfTheMachine(t *testing.T) {
	strong := sandbox.Open(sandbox.Config{Programs: programs(), Strong: true})
	defer strong.Close()
	found, err := strong.Capabilities(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	bash, _ := Named("bash")
	for _, c := range []struct{ name, code, tests, stdin, stdout, want, reason string }{
		{"prints what is expected", "tr a-z A-Z | sort -r | head -1", "", "a\nb\n", "B\n", pass, ReasonPrinted},
		{"prints something else", "sort | head -1", "", "b\na\n", "b", fail, ReasonOutput},
		{"tests hold", "up() { echo $1 | tr a-z A-Z; }", "[[ $(up ab) == AB ]] || exit 1", "", "", pass, ReasonHeld},
		{"a test does not hold", "up() { echo $1 | tr a-z B; }", "[[ $(up ab) == AB ]] || exit 1", "", "", fail, ReasonAssertion},
		{"ends before its tests", "up() { echo $1 | tr a-z A-Z; }\nup a | cat\nexit 0", "[[ $(up ab) == AB ]] || exit 1", "", "", inconclusive, ReasonGone},
		{"a command that is not there", "curl -s http://localhost | jq .", "", "", "1", inconclusive, ReasonEnvironment},
		{"a file that is not there", "cat /etc/passwd | wc -l", "", "", "20", inconclusive, ReasonEnvironment},
		{"writes a file", "date > /tmp/x; cat /tmp/x", "", "", "x", inconclusive, ReasonEnvironment},
		{"says too much", "yes | head -c 1000000", "", "", "x", inconclusive, string(sandbox.TooMuchSaid)},
		{"takes too much", "x=$(head -c 400000000 /dev/zero | tr '\\0' x); echo ${#x}", "", "", "400000000", inconclusive, ReasonMemory},
	} {
		job := Job{Language: "bash", Code: c.code, Stdin: c.stdin}
		if c.tests != "" {
			job.Tests = &c.tests
		} else {
			job.Stdout = &c.stdout
		}
		out, r, err := bash.Judge(t.Context(), strong, job, sandbox.Limits{})
		if err != nil || r.End != sandbox.Done {
			t.Fatalf("%s: %v %v", c.name, r, err)
		}
		want, reason := c.want, c.reason
		if !found.Strong() {
			want, reason = inconclusive, ReasonEnvironment
		}
		if out.Verdict != want || out.Reason != reason || out.Evidence.Trusting != (c.tests != "" && reason != ReasonGone && found.Strong()) || (out.Evidence.Tier != "") != found.Strong() {
			t.Errorf("%s: want %s %s, got %s %s: %s %+v", c.name, want, reason, out.Verdict, out.Reason, out.Message, out.Evidence)
		}
		if off := judge(t, job); off.Verdict != inconclusive || off.Reason != ReasonEnvironment {
			t.Errorf("%s, turned off: %s %s", c.name, off.Verdict, off.Reason)
		}
	}
}
