package validators

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
	"assay/internal/postgrestest"
	"assay/validators/dialect"
	"assay/validators/sandbox"
)

var (
	product  = auth.Product()
	engineer = auth.Actor{Kind: auth.Person, ID: 1, Name: "Engineer", Roles: []auth.Role{auth.Engineer}}
)

// putAsked puts formulas before the formula validator, each as a response of its
// own, and returns what reads them.
func putAsked(t *testing.T, s *Store, artifacts ...string) ([]uuid.UUID, Reader) {
	t.Helper()
	inputs := map[uuid.UUID]Input{}
	var ids []uuid.UUID
	var subjects []Subject
	for i, artifact := range artifacts {
		id := uuid.New()
		ids = append(ids, id)
		subjects = append(subjects, Subject{EventID: id, SessionID: fmt.Sprint("s", i), TaskClass: "spreadsheet_formula", ModelVersion: "m1", Kind: "formula"})
		if artifact != "" {
			inputs[id] = Input{Artifact: json.RawMessage(artifact)}
		}
	}
	if n, err := s.Ask(t.Context(), product, OnArrival, subjects); err != nil || n != len(artifacts) {
		t.Fatalf("want %d asked, got %d, %v", len(artifacts), n, err)
	}
	return ids, func(context.Context, []uuid.UUID) (map[uuid.UUID]Input, error) { return inputs, nil }
}

func sum(stated float64) string {
	return fmt.Sprintf(`{"kind":"formula","formula":"=SUM(A1:A3)","cell":"B1","cells":{"A1":1,"A2":2,"A3":3},"stated":%g}`, stated)
}

func count(t *testing.T, db postgres.DB, sql string, args ...any) int {
	t.Helper()
	var n int
	if err := db.QueryRow(t.Context(), sql, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestABatchWritesVerdictsWithEvidence(t *testing.T) {
	db := postgrestest.Database(t)
	s := &Store{DB: db, Set: quickSet(t)}
	ids, read := putAsked(t, s, sum(6), sum(7), "", `{"kind":"formula","formula":"=A1","cells":{"A1":"\ud800\u0000<script>"},"stated":1e999999}`)
	done, err := s.Batch(t.Context(), product, "formula", read)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Batched{Taken: 4, Judged: 3, Gone: 1}); done != want {
		t.Errorf("want %+v, got %+v", want, done)
	}
	of, err := s.Latest(t.Context(), engineer, ids)
	if err != nil {
		t.Fatal(err)
	}
	said := func(i int) string {
		if len(of[ids[i]]) == 0 {
			return "nothing"
		}
		v := of[ids[i]][0]
		return v.Verdict + ": " + v.Message
	}
	if got, want := said(0), "pass: The formula gives 6, as the response states."; got != want {
		t.Errorf("want %s, got %s", want, got)
	}
	if got, want := said(1), "fail: The formula gives 6. The response states 7."; got != want {
		t.Errorf("want %s, got %s", want, got)
	}
	if said(2) != "nothing" || said(3) == "nothing" {
		t.Errorf("a response without text has %s, a hostile one %s", said(2), said(3))
	}
	fail := of[ids[1]][0]
	var evidence struct {
		Value, Stated float64
		Trace         []struct{ Ref string }
	}
	if err := json.Unmarshal(fail.Evidence, &evidence); err != nil || evidence.Value != 6 || evidence.Stated != 7 || len(evidence.Trace) != 3 {
		t.Errorf("want the cells, the value and the claim as evidence, got %s", fail.Evidence)
	}
	if !strings.HasPrefix(fail.Sandbox, "default, Landlock") || fail.Limits.WallMS != 2000 || !strings.HasPrefix(fail.InputHash, "sha256:") {
		t.Errorf("want tier, limits and hash, got %+v", fail)
	}
	if n := count(t, db, `SELECT count(*) FROM checks`); n != 0 {
		t.Errorf("%d checks are left", n)
	}
	if n := count(t, db, `SELECT count(*) FROM verdicts WHERE round_id IN (SELECT id FROM canary_rounds WHERE passed)`); n != 3 {
		t.Errorf("canaries vouch for %d of 3", n)
	}
}

func TestTheSameInputHasTheSameVerdict(t *testing.T) {
	db := postgrestest.Database(t)
	set := quickSet(t)
	counting := &counted{Sandbox: set.box}
	set.box = counting
	s := &Store{DB: db, Set: set}
	_, read := putAsked(t, s, sum(6))
	if _, err := s.Batch(t.Context(), product, "formula", read); err != nil {
		t.Fatal(err)
	}
	runs := counting.runs
	again, read := putAsked(t, s, `{"cells":{"A3":3,"A2":2,"A1":1},"stated":6,"cell":"B1","formula":"=SUM(A1:A3)","kind":"formula"}`)
	done, err := s.Batch(t.Context(), product, "formula", read)
	if err != nil || done.Kept != 1 {
		t.Fatalf("want it kept, got %+v %v", done, err)
	}
	v, _ := set.Named("formula")
	if made := counting.runs - runs - len(v.Canaries); made != 0 {
		t.Errorf("it was made again, %d times", made)
	}
	if of, err := s.Of(t.Context(), db, again[0]); err != nil || len(of) != 1 || of[0].Verdict != Pass || of[0].Message == "" {
		t.Errorf("want the kept verdict, got %+v %v", of, err)
	}
	if n := count(t, db, `SELECT count(*) FROM verdicts WHERE kept_from IS NOT NULL`); n != 1 {
		t.Errorf("%d verdicts say whose they are", n)
	}
	if n, err := s.Ask(t.Context(), product, OnArrival, []Subject{{EventID: again[0], Kind: "formula"}}); err != nil || n != 0 {
		t.Errorf("a response with a verdict was asked again: %d %v", n, err)
	}
	on, err := s.Validate(t.Context(), engineer, "", Input{ID: "x", Artifact: json.RawMessage(sum(6))})
	if err != nil || on.ID != "x" || on.Verdict != Pass || counting.runs != runs+len(v.Canaries) {
		t.Errorf("on request: %+v %v", on, err)
	}
}

// counted counts what is run.
type counted struct {
	Sandbox
	mu   sync.Mutex
	runs int
}

func (c *counted) Run(ctx context.Context, job sandbox.Job) (sandbox.Result, error) {
	c.mu.Lock()
	c.runs++
	c.mu.Unlock()
	return c.Sandbox.Run(ctx, job)
}

// broken is a sandbox that went wrong in one of its ways.
type broken struct {
	Sandbox
	result sandbox.Result
	err    error
}

func (b broken) Run(context.Context, sandbox.Job) (sandbox.Result, error) { return b.result, b.err }

func TestABrokenSandboxSuspendsAndWritesNothing(t *testing.T) {
	whole := quickSet(t)
	for name, box := range map[string]broken{
		"children crash":            {result: sandbox.Result{End: sandbox.Crashed}},
		"everything is late":        {result: sandbox.Result{End: sandbox.OutOfTime}},
		"answers are none":          {result: sandbox.Result{End: sandbox.Done, Output: []byte("pass")}},
		"everything passes":         {result: sandbox.Result{End: sandbox.Done, Output: []byte(`{"verdict":"pass","reason":"equal"}`)}},
		"everything fails":          {result: sandbox.Result{End: sandbox.Done, Output: []byte(`{"verdict":"fail","reason":"wrong_value"}`)}},
		"there is no child":         {err: errors.New("fork: resource temporarily unavailable")},
		"it is open to the outside": {result: sandbox.Result{End: sandbox.Done, Output: []byte(`{}`)}},
	} {
		t.Run(name, func(t *testing.T) {
			db := postgrestest.Database(t)
			s := &Store{DB: db, Set: whole}
			ids, read := putAsked(t, s, sum(6))
			if _, err := s.Batch(t.Context(), product, "formula", read); err != nil {
				t.Fatal(err)
			}
			box.Sandbox = whole.box
			s.Set = &Set{validators: whole.validators, box: box, engines: whole.engines}
			_, read = putAsked(t, s, sum(1), sum(2))
			_, err := s.Batch(t.Context(), product, "formula", read)
			var suspended Suspended
			if !errors.As(err, &suspended) {
				t.Fatalf("want it suspended, got %v", err)
			}
			if n := count(t, db, `SELECT count(*) FROM verdicts`); n != 1 {
				t.Errorf("%d verdicts, want the one from before", n)
			}
			if n := count(t, db, `SELECT count(*) FROM checks WHERE held_until IS NULL AND attempts = 0 AND dead_at IS NULL`); n != 2 {
				t.Errorf("%d of 2 wait on", n)
			}
			if n := count(t, db, `SELECT count(*) FROM canary_rounds WHERE NOT passed AND doubt_from < at`); n != 1 {
				t.Errorf("the window since the canaries were right is not marked")
			}
			if _, err := s.Validate(t.Context(), engineer, "", Input{Artifact: json.RawMessage(sum(9))}); fault.Of(err) != fault.Unavailable {
				t.Errorf("on request: %v", err)
			}
			if of, _ := s.Of(t.Context(), db, ids[0]); len(of) != 1 {
				t.Error("what was said before cannot be read")
			}
			s.Set = whole
			if _, err := s.Batch(t.Context(), product, "formula", read); !errors.As(err, &suspended) {
				t.Errorf("mended, and nobody lifted it: %v", err)
			}
			if err := s.Lift(t.Context(), engineer, "formula", "the sandbox was mended"); err != nil {
				t.Fatal(err)
			}
			if done, err := s.Batch(t.Context(), product, "formula", read); err != nil || done.Judged != 2 {
				t.Errorf("lifted: %+v %v", done, err)
			}
		})
	}
}

// Whichever layer of the sandbox is left out without a word: the self-test
// misses it, the validators are suspended, and no verdict is written.
func TestASandboxWithoutALayerSuspendsAndWritesNothing(t *testing.T) {
	for _, layer := range []sandbox.Layer{sandbox.Landlock, sandbox.Seccomp, sandbox.Rlimits} {
		t.Run(string(layer), func(t *testing.T) {
			box := sandbox.Open(sandbox.Config{Programs: programs(dialect.Config{}), LeaveOut: []sandbox.Layer{layer}})
			t.Cleanup(box.Close)
			whole := quickSet(t)
			s := &Store{DB: postgrestest.Database(t), Set: &Set{validators: whole.validators, box: box, engines: whole.engines}}
			_, read := putAsked(t, s, sum(1), sum(6))
			_, err := s.Batch(t.Context(), product, "formula", read)
			var suspended Suspended
			if !errors.As(err, &suspended) {
				t.Fatalf("want it suspended, got %v", err)
			}
			if wrong, _ := suspended.Round.Wrong(); wrong.Got != "error" || !strings.Contains(wrong.Reason, string(layer)) {
				t.Errorf("it does not say what is missing: %+v", wrong)
			}
			if n := count(t, s.DB, `SELECT count(*) FROM verdicts`); n != 0 {
				t.Errorf("%d verdicts were written", n)
			}
			if n := count(t, s.DB, `SELECT count(*) FROM checks WHERE held_until IS NULL AND attempts = 0`); n != 2 {
				t.Errorf("%d of 2 wait on", n)
			}
		})
	}
}

func TestInfrastructureIsTriedAgainThenDead(t *testing.T) {
	db := postgrestest.Database(t)
	whole := quickSet(t)
	set := &Set{validators: whole.validators, box: whole.box}
	s := &Store{DB: db, Set: set}
	_, read := putAsked(t, s, sum(1))
	set.box = failing{whole.box}
	for range maxAttempts {
		done, err := s.Batch(t.Context(), product, "formula", read)
		if err != nil || done.Troubled != 1 {
			t.Fatalf("want trouble, got %+v %v", done, err)
		}
	}
	if done, err := s.Batch(t.Context(), product, "formula", read); err != nil || done.Taken != 0 {
		t.Errorf("a dead check was taken: %+v %v", done, err)
	}
	if n := count(t, db, `SELECT count(*) FROM checks WHERE dead_at IS NOT NULL AND trouble LIKE '%no room%'`); n != 1 {
		t.Error("want it dead, with its trouble")
	}
	if n := count(t, db, `SELECT count(*) FROM verdicts`); n != 0 {
		t.Errorf("%d verdicts of infrastructure", n)
	}
}

// failing has no child for anything but canaries, whose sum is not stated 1.
type failing struct{ Sandbox }

func (f failing) Run(ctx context.Context, job sandbox.Job) (sandbox.Result, error) {
	if strings.Contains(string(job.Input), `"stated":1}`) {
		return sandbox.Result{}, errors.New("no room for a child")
	}
	return f.Sandbox.Run(ctx, job)
}

func TestABatchThatDiedIsTakenOver(t *testing.T) {
	db := postgrestest.Database(t)
	s := &Store{DB: db, Set: quickSet(t)}
	_, read := putAsked(t, s, sum(6), sum(7))
	held, err := s.hold(t.Context(), "formula")
	if err != nil || len(held) != 2 {
		t.Fatal(held, err)
	}
	if done, err := s.Batch(t.Context(), product, "formula", read); err != nil || done.Taken != 0 {
		t.Fatalf("held checks were taken: %+v %v", done, err)
	}
	if _, err := db.Exec(t.Context(), `UPDATE checks SET held_until = clock_timestamp() - interval '1 second'`); err != nil {
		t.Fatal(err)
	}
	if done, err := s.Batch(t.Context(), product, "formula", read); err != nil || done.Judged != 2 {
		t.Errorf("want both judged, got %+v %v", done, err)
	}
}

func TestTwoWorkersNeverJudgeTwice(t *testing.T) {
	db := postgrestest.Database(t)
	s := &Store{DB: db, Set: quickSet(t)}
	var artifacts []string
	for i := range 300 {
		artifacts = append(artifacts, sum(float64(i)))
	}
	_, read := putAsked(t, s, artifacts...)
	var working sync.WaitGroup
	for range 3 {
		working.Go(func() {
			for {
				done, err := s.Batch(t.Context(), product, "formula", read)
				if err != nil {
					t.Error(err)
				}
				if done.Taken == 0 {
					return
				}
			}
		})
	}
	working.Wait()
	if n := count(t, db, `SELECT count(*) FROM verdicts`); n != 300 {
		t.Errorf("want 300 verdicts, got %d", n)
	}
	if n := count(t, db, `SELECT count(*) FROM verdicts WHERE verdict = 'pass'`); n != 1 {
		t.Errorf("want one pass, got %d", n)
	}
}

func TestVerdictsAreCopiedOnceConfirmed(t *testing.T) {
	db := postgrestest.Database(t)
	s := &Store{DB: db, Set: quickSet(t)}
	_, read := putAsked(t, s, sum(6), sum(7))
	if _, err := s.Batch(t.Context(), product, "formula", read); err != nil {
		t.Fatal(err)
	}
	away := errors.New("ClickHouse is away")
	if n, err := s.CopyVerdicts(t.Context(), product, func(context.Context, []Copy) error { return away }); !errors.Is(err, away) || n != 0 {
		t.Errorf("want the error and nothing gone, got %d %v", n, err)
	}
	var copied []Copy
	keep := func(_ context.Context, block []Copy) error { copied = append(copied, block...); return nil }
	if n, err := s.CopyVerdicts(t.Context(), product, keep); err != nil || n != 2 || len(copied) != 2 || copied[1].ID <= copied[0].ID {
		t.Errorf("want both in order, got %d %v %v", n, err, copied)
	}
	if said := copied[1].Said(); said.Message == "" || said.Verdict == "" || copied[1].SessionID == "" {
		t.Errorf("a copy without its words: %+v", copied[1])
	}
	if n, err := s.CopyVerdicts(t.Context(), product, keep); err != nil || n != 0 {
		t.Errorf("copied again: %d %v", n, err)
	}
}

func TestTheDatabaseKeepsVerdictsAsTheyAre(t *testing.T) {
	tx := postgrestest.Tx(t)
	_, err := tx.Exec(t.Context(), `UPDATE verdicts SET verdict = 'pass'`)
	if err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("a verdict can be rewritten: %v", err)
	}
}

func TestReadersNeedTheirRole(t *testing.T) {
	s := &Store{DB: postgrestest.Tx(t), Set: NewSet(nil)}
	nobody := auth.Actor{Kind: auth.Person, ID: 9, Roles: []auth.Role{auth.Admin}}
	_, latest := s.Latest(t.Context(), nobody, nil)
	_, asked := s.Ask(t.Context(), engineer, OnRequest, nil)
	_, batch := s.Batch(t.Context(), engineer, "formula", nil)
	_, copied := s.CopyVerdicts(t.Context(), engineer, nil)
	_, validated := s.Validate(t.Context(), nobody, "", Input{})
	for what, err := range map[string]error{"latest": latest, "ask": asked, "batch": batch, "copy": copied, "validate": validated} {
		if fault.Of(err) != fault.Denied {
			t.Errorf("%s: want denied, got %v", what, err)
		}
	}
}

func TestAHashIsOfTheMeaning(t *testing.T) {
	a := Input{Artifact: json.RawMessage(`{"kind":"formula", "formula":"=1"}`)}
	b := Input{Artifact: json.RawMessage(`{"formula":"\u003d1","kind":"formula"}`), Expected: json.RawMessage("null"), ID: "other", TaskClass: "x"}
	c := Input{Artifact: a.Artifact, Expected: json.RawMessage(`{"value":1}`)}
	d := Input{Artifact: a.Artifact, Expected: json.RawMessage(`{"value":1.0}`)}
	hashes := map[string]bool{}
	for _, in := range []Input{a, b, c, d} {
		h, err := in.Hash()
		if err != nil {
			t.Fatal(err)
		}
		hashes[h] = true
	}
	if len(hashes) != 3 {
		t.Errorf("want a and b alike, c and d apart: %v", hashes)
	}
}

func TestAnInputIsOneObject(t *testing.T) {
	for _, bad := range []string{"", "null", "[]", `{"artifact":1}`, `{"artifact":{}}`, `{"artifact":{"kind":"formula"}} {}`, `{"id":"x"}`} {
		if _, err := ReadInput([]byte(bad)); fault.Of(err) != fault.Invalid {
			t.Errorf("%q: want invalid, got %v", bad, err)
		}
	}
}

func TestWhatWasRedactedDoesNotFail(t *testing.T) {
	set := quickSet(t)
	v, _ := set.Named("formula")
	verdict, err := set.Check(t.Context(), v, Input{Artifact: json.RawMessage(sum(7)), Redacted: true})
	if err != nil || verdict.Verdict != Inconclusive || verdict.Reason != ReasonRedacted {
		t.Errorf("want inconclusive, got %+v %v", verdict, err)
	}
}

func TestRoundedClaimsHold(t *testing.T) {
	set := quickSet(t)
	v, _ := set.Named("formula")
	for stated, want := range map[string]string{"0.33": Pass, "0.333333": Pass, "0.34": Fail, "0": Fail, "0.3": Pass, `"a third"`: Fail, "null": Pass} {
		verdict, err := set.Check(t.Context(), v, Input{Artifact: json.RawMessage(`{"kind":"formula","formula":"=1/3","cells":{},"stated":` + stated + `}`)})
		if err != nil || verdict.Verdict != want {
			t.Errorf("1/3 stated as %s: want %s, got %s %s %v", stated, want, verdict.Verdict, verdict.Message, err)
		}
	}
}

func TestACardSaysWhatIsKnown(t *testing.T) {
	db := postgrestest.Database(t)
	whole := quickSet(t)
	s := &Store{DB: db, Set: whole}
	before, err := s.Card(t.Context(), engineer, "formula")
	if err != nil || before.Verdicts() != 0 || before.Suspended != nil || !before.Since.IsZero() {
		t.Fatalf("a card without a past: %+v %v", before, err)
	}
	web := `{"kind":"formula","formula":"=WEBSERVICE(\"x\")","cells":{}}`
	_, read := putAsked(t, s, sum(6), sum(7), sum(6), web)
	if _, err := s.Batch(t.Context(), product, "formula", read); err != nil {
		t.Fatal(err)
	}
	putAsked(t, s, sum(8))
	c, err := s.Card(t.Context(), engineer, "formula")
	if err != nil {
		t.Fatal(err)
	}
	if c.Passed != 2 || c.Failed != 1 || c.Inconclusive != 1 || c.Waiting != 1 || c.Right() != len(c.Tried) || c.Right() < 10 {
		t.Errorf("got %+v", c)
	}
	if len(c.Reasons) != 1 || c.Reasons[0] != (ReasonCount{"external_reference", 1}) {
		t.Errorf("inconclusive by reason: %v", c.Reasons)
	}
	if c.Slots[len(c.Slots)-1] != 4 || c.MedianMS <= 0 || c.P95MS < c.MedianMS || c.Throughput <= 0 || c.Since.IsZero() {
		t.Errorf("throughput: %v %v %v %v", c.Slots[len(c.Slots)-3:], c.MedianMS, c.P95MS, c.Throughput)
	}
	s.Set = &Set{validators: whole.validators, box: broken{Sandbox: whole.box, result: sandbox.Result{End: sandbox.Crashed}}}
	if n, err := s.Examine(t.Context(), engineer); err != nil || n != len(whole.All()) {
		t.Fatalf("want all suspended, got %d %v", n, err)
	}
	c, err = s.Card(t.Context(), engineer, "formula")
	if err != nil || c.Suspended == nil || c.Suspended.Canary.Name != "SUM of three cells" || c.Suspended.DoubtFrom.After(c.Suspended.Since) {
		t.Errorf("want the suspension with its canary and window, got %+v %v", c.Suspended, err)
	}
	if err := s.Sweep(t.Context(), product); err != nil {
		t.Error(err)
	}
	if _, err := s.Card(t.Context(), engineer, "tarot"); fault.Of(err) != fault.NotFound {
		t.Errorf("want not found, got %v", err)
	}
}
