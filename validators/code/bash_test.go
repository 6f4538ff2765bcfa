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
