package validators

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"

	"assay/internal/fault"
	"assay/internal/postgrestest"
)

const politePython = `
def check(response):
    if "please" in response["response"].lower():
        return {"verdict": "pass", "reason": "polite", "message": "It says please.", "evidence": {"sees": sorted(response)}}
    return {"verdict": "fail", "reason": "curt", "message": "It never says please."}
`

const politeJavaScript = `
const said = (r) => r.response.toLowerCase().includes("please")
async function check(r) {
  return said(r) ? {verdict: "pass", reason: "polite", message: "It says please."} : {verdict: "fail", reason: "curt", message: "It never says please."}
}
`

func polite(language, script string) Own {
	return Own{Name: "polite-" + language, Language: language, Script: script, Says: "Whether an answer says please.", Reads: []string{"response"}, TaskClasses: []string{"summarization"},
		WallMS: 10_000, Canaries: []OwnCanary{{Name: "says please", Want: Pass, Response: "Please sit."}, {Name: "is curt", Want: Fail, Response: "Sit."}}}
}

func TestAnOwnValidatorJudgesOnceItsCanariesHold(t *testing.T) {
	db := postgrestest.Database(t)
	s := &Store{DB: db, Set: openSet(t)}
	for language, script := range map[string]string{"python": politePython, "javascript": politeJavaScript} {
		o, err := s.Register(t.Context(), engineer, polite(language, script))
		if err != nil || o.State != "draft" || len(o.Version) != 12 {
			t.Fatalf("%s: %+v %v", language, o, err)
		}
		if _, err := s.Register(t.Context(), engineer, polite(language, script)); fault.Of(err) != fault.Conflict {
			t.Errorf("the same version twice: %v", err)
		}
		ask := []Subject{{EventID: uuid.New(), SessionID: "a", TaskClass: "summarization"}, {EventID: uuid.New(), SessionID: "b", TaskClass: "summarization", Kind: "text"},
			{EventID: uuid.New(), SessionID: "c", TaskClass: "sql_query"}}
		inputs := map[uuid.UUID]Input{ask[0].EventID: {Text: &Text{Prompt: "secret", Response: "Would you, please?"}}, ask[1].EventID: {Text: &Text{Response: "No."}, Artifact: json.RawMessage(`{"kind":"text","response":"No."}`)}}
		read := func(context.Context, []uuid.UUID) (map[uuid.UUID]Input, error) { return inputs, nil }
		if _, err := s.Ask(t.Context(), product, OnArrival, ask); err != nil {
			t.Fatal(err)
		}
		if n := count(t, db, `SELECT count(*) FROM checks WHERE validator = $1`, o.Name); n != 0 {
			t.Fatalf("a draft judges: %d", n)
		}
		if err := s.Activate(t.Context(), engineer, o.ID, true); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Ask(t.Context(), product, OnArrival, ask); err != nil {
			t.Fatal(err)
		}
		if done, err := s.Batch(t.Context(), product, o.Name, read); err != nil || done.Judged != 2 {
			t.Fatalf("%s: of its task class alone: %+v %v", language, done, err)
		}
		of, err := s.Latest(t.Context(), engineer, []uuid.UUID{ask[0].EventID})
		if err != nil || len(of[ask[0].EventID]) != 1 || of[ask[0].EventID][0].Verdict != Pass || of[ask[0].EventID][0].Message != "It says please." {
			t.Errorf("%s: %+v %v", language, of, err)
		}
		if language == "python" && !strings.Contains(string(of[ask[0].EventID][0].Evidence), `["response"]`) {
			t.Errorf("the script sees what it did not declare: %s", of[ask[0].EventID][0].Evidence)
		}
		if !strings.HasPrefix(of[ask[0].EventID][0].Version, o.Version+"+"+language) {
			t.Errorf("version %s", of[ask[0].EventID][0].Version)
		}
		if c, err := s.Card(t.Context(), engineer, o.Name); err != nil || c.Passed != 1 || c.Failed != 1 || c.Right() != 2 {
			t.Errorf("its card: %+v %v", c, err)
		}
		if err := s.Retire(t.Context(), engineer, o.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Batch(t.Context(), product, o.Name, read); fault.Of(err) != fault.NotFound {
			t.Errorf("retired, it judges: %v", err)
		}
		if n := count(t, db, `SELECT count(*) FROM verdicts WHERE validator = $1`, o.Name); n != 2 {
			t.Errorf("retired, its verdicts stay: %d", n)
		}
	}
	if n := count(t, db, `SELECT count(*) FROM audit_entries WHERE action IN ('validator.register', 'validator.activate', 'validator.retire')`); n != 6 {
		t.Errorf("%d audit entries", n)
	}
}

func TestAnOwnValidatorWithWrongCanariesStaysADraft(t *testing.T) {
	db := postgrestest.Database(t)
	s := &Store{DB: db, Set: openSet(t)}
	o := polite("javascript", `function check() { return {verdict: "pass", reason: "always", message: ""} }`)
	o, err := s.Register(t.Context(), engineer, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Activate(t.Context(), engineer, o.ID, true); fault.Of(err) != fault.Conflict || !strings.Contains(fault.Words(err), "“is curt” was answered pass") {
		t.Errorf("got %v", err)
	}
	list, err := s.Owns(t.Context(), engineer, o.Name)
	if err != nil || len(list) != 1 || list[0].State != "draft" || len(list[0].Tried) != 2 {
		t.Errorf("what was tried is shown: %+v %v", list, err)
	}
	for what, change := range map[string]func(*Own){
		"no pass":       func(o *Own) { o.Canaries = o.Canaries[1:] },
		"no fail":       func(o *Own) { o.Canaries = o.Canaries[:1] },
		"no name":       func(o *Own) { o.Name = "X" },
		"ours":          func(o *Own) { o.Name = "formula" },
		"language":      func(o *Own) { o.Language = "perl" },
		"reads nothing": func(o *Own) { o.Reads = nil },
		"reads more":    func(o *Own) { o.Reads = []string{"label"} },
		"too long":      func(o *Own) { o.Script = strings.Repeat("x", 70_000) },
		"hours":         func(o *Own) { o.WallMS = 1 << 30 },
		"unsaid":        func(o *Own) { o.Says = " " },
	} {
		bad := polite("python", politePython)
		change(&bad)
		if _, err := s.Register(t.Context(), engineer, bad); fault.Of(err) != fault.Invalid || fault.Words(err) == "" {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := db.Exec(t.Context(), `UPDATE own_validators SET script = 'other'`); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("a version can be rewritten: %v", err)
	}
}

// TestHostileScriptsAreInconclusive runs scripts that do their worst; nothing
// can be said of the response then.
func TestHostileScriptsAreInconclusive(t *testing.T) {
	set := openSet(t)
	for _, c := range []struct{ language, name, script, reason string }{
		{"python", "never ends", "def check(r):\n    while True: pass", "timeout"},
		{"python", "a gigabyte", "def check(r):\n    return len(bytearray(1 << 30))", "memory_limit"},
		{"python", "raises", "def check(r):\n    raise KeyError(r['response'])", "script_raised"},
		{"python", "is no Python", "def check(r:\n", "script_raised"},
		{"python", "has no check", "x = 1", "script_has_no_check"},
		{"python", "ends itself", "import os\ndef check(r): os._exit(0)", "ended_itself"},
		{"python", "says nonsense", "def check(r): return ['pass']", ReasonAnswer},
		{"python", "says a fourth verdict", "def check(r): return {'verdict': 'maybe', 'reason': 'x', 'message': ''}", ReasonAnswer},
		{"python", "says more than it may", "def check(r): return {'verdict': 'pass', 'reason': 'x', 'message': '', 'rate': 1}", ReasonAnswer},
		{"python", "reads a file", "def check(r): return {'verdict': 'pass', 'reason': 'x', 'message': open('/etc/passwd').read()}", "script_raised"},
		{"python", "opens a socket", "import socket\ndef check(r):\n    socket.create_connection(('127.0.0.1', 80))", "script_raised"},
		{"javascript", "never ends", "function check() { for (;;); }", "timeout"},
		{"javascript", "throws", "function check(r) { throw new TypeError(r.response) }", "script_raised"},
		{"javascript", "waits for nothing", "const check = () => new Promise(() => {})", ""},
		{"javascript", "a circle", "function check() { const a = {}; a.a = a; return a }", "script_raised"},
		{"javascript", "no value", "function check() { return undefined }", ReasonAnswer},
		{"javascript", "overwrites JSON", "JSON.stringify = () => 'pass'; function check() { return 1 }", ""},
	} {
		t.Run(c.language+" "+c.name, func(t *testing.T) {
			o := polite(c.language, c.script)
			if o.WallMS = 10_000; c.reason == "timeout" {
				o.WallMS = 1500
			}
			v, err := set.Check(t.Context(), o.validator(), Input{Text: &Text{Response: "the response's own words"}})
			if err != nil || v.Verdict != Inconclusive || c.reason != "" && v.Reason != c.reason {
				t.Errorf("want inconclusive, %s, got %s, %s: %s %v", c.reason, v.Verdict, v.Reason, v.Message, err)
			}
			if strings.Contains(v.Message, "own words") {
				t.Errorf("the script's error repeats the response: %s", v.Message)
			}
		})
	}
}

func TestCanariesAreReadStrictly(t *testing.T) {
	list, err := ReadCanaries(`[{"name":"a","want":"pass","response":"x"}]`)
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	for _, bad := range []string{"", "{}", `[{"nme":"a"}]`, `[] []`, `[1]`} {
		if _, err := ReadCanaries(bad); fault.Of(err) != fault.Invalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
