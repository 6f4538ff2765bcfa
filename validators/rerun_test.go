package validators

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgrestest"
	"assay/validators/sandbox"
)

// window is a few responses with formulas that a test changes as it likes.
type window struct {
	subjects []Subject
	inputs   map[uuid.UUID]Input
	chunk    int // how many are handed over at once; 0 is all
	failsAt  int // the chunk at which the listing breaks off; 0 is none
}

func newWindow(t *testing.T, s *Store, stated ...float64) *window {
	t.Helper()
	w := &window{inputs: map[uuid.UUID]Input{}}
	for i, value := range stated {
		id := uuid.New()
		w.inputs[id] = Input{Artifact: json.RawMessage(sum(value))}
		w.subjects = append(w.subjects, Subject{EventID: id, SessionID: fmt.Sprint("s", i), TaskClass: "spreadsheet_formula", ModelVersion: "m1", Kind: "formula"})
	}
	if _, err := s.Ask(t.Context(), product, OnArrival, w.subjects); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Batch(t.Context(), product, "formula", w.read); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *window) read(context.Context, []uuid.UUID) (map[uuid.UUID]Input, error) {
	return w.inputs, nil
}

var errBroken = errors.New("the listing broke off")

func (w *window) list(ctx context.Context, _ Window, _ []string, _ bool, each func(context.Context, []Subject) error) error {
	n := 0
	for some := range slices.Chunk(w.subjects, max(1, w.chunk)) {
		if n++; w.failsAt == n {
			return errBroken
		}
		if err := each(ctx, some); err != nil {
			return err
		}
	}
	return nil
}

var lately = Window{From: time.Now().Add(-time.Hour), To: time.Now().Add(time.Hour)}

// upgraded is the set with another version of the formula validator, that says
// what the check says.
func upgraded(t *testing.T, whole *Set, version string) *Set {
	t.Helper()
	set := &Set{validators: whole.All(), box: whole.box, engines: whole.engines}
	for i := range set.validators {
		if set.validators[i].Name == "formula" {
			set.validators[i].Version = version
		}
	}
	return set
}

func TestARerunStandsBesideWhatWasSaid(t *testing.T) {
	db := postgrestest.Database(t)
	whole := quickSet(t)
	s := &Store{DB: db, Set: whole}
	w := newWindow(t, s, 6, 6, 7)
	s.Set = upgraded(t, whole, "2.0.0")
	request := RerunRequest{Validator: "formula", Window: lately, Reason: "a new version"}
	counted, err := s.CountRerun(t.Context(), engineer, request, w.list)
	if err != nil || counted != (RerunCount{Responses: 3, Passed: 2, Failed: 1}) {
		t.Fatalf("want it counted exactly, got %+v %v", counted, err)
	}
	r, err := s.AskRerun(t.Context(), engineer, request, w.list)
	if err != nil || r.Counted != 3 || r.State != "listing" {
		t.Fatalf("got %+v %v", r, err)
	}
	if _, err := s.AskRerun(t.Context(), engineer, request, w.list); fault.Of(err) != fault.Conflict {
		t.Errorf("twice is once: %v", err)
	}
	w.inputs[w.subjects[0].EventID] = Input{Artifact: json.RawMessage(sum(8))} // it fails now
	delete(w.inputs, w.subjects[1].EventID)                                    // its text is gone
	for range 2 {
		if err := s.FillRerun(t.Context(), product, r.ID, w.list); err != nil {
			t.Fatal(err)
		}
	}
	if done, err := s.Batch(t.Context(), product, "formula", w.read); err != nil || done.Taken != 3 || done.Gone != 1 {
		t.Fatalf("got %+v %v", done, err)
	}
	r, err = s.Rerun(t.Context(), engineer, r.ID)
	if err != nil || r.State != "done" || r.Total != 3 || r.Settled != 3 || r.Changed != 1 {
		t.Errorf("got %+v %v", r, err)
	}
	turns, err := s.Turns(t.Context(), engineer, r.ID)
	if err != nil || !slices.Equal(turns, []Turn{{Fail, Fail, 1}, {Pass, Fail, 1}, {Pass, "gone", 1}}) {
		t.Errorf("got %v %v", turns, err)
	}
	list, err := s.Differences(t.Context(), engineer, r.ID, "", "", 10, 0)
	if err != nil || len(list) != 1 || list[0].EventID != w.subjects[0].EventID || list[0].Before != Pass || list[0].After != Fail ||
		list[0].AfterVersion != "2.0.0" || !strings.Contains(list[0].AfterSays, "states 8") {
		t.Errorf("got %+v %v", list, err)
	}
	if n := verdictsOn(t, s, w.subjects[0].EventID); n != 2 {
		t.Errorf("want both verdicts of it, got %d", n)
	}
	of, _ := s.Of(t.Context(), db, w.subjects[0].EventID)
	if len(of) != 1 || of[0].Verdict != Fail || of[0].Version != "2.0.0" {
		t.Errorf("want the newest to stand, got %+v", of)
	}
	if n := count(t, db, `SELECT count(*) FROM audit_entries WHERE action = 'rerun.ask'`); n != 1 {
		t.Errorf("%d audit entries", n)
	}
	again, err := s.AskRerun(t.Context(), engineer, request, w.list)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.FillRerun(t.Context(), product, again.ID, w.list); err != nil {
		t.Fatal(err)
	}
	before := count(t, db, `SELECT count(*) FROM verdicts`)
	if _, err := s.Batch(t.Context(), product, "formula", w.read); err != nil {
		t.Fatal(err)
	}
	if after := count(t, db, `SELECT count(*) FROM verdicts`); after != before {
		t.Errorf("the same version on the same input made %d verdicts more", after-before)
	}
	if again, err = s.Rerun(t.Context(), engineer, again.ID); err != nil || again.State != "done" || again.Changed != 0 {
		t.Errorf("got %+v %v", again, err)
	}
}

// verdictsOn counts what was ever said of a response.
func verdictsOn(t *testing.T, s *Store, event uuid.UUID) int {
	t.Helper()
	return count(t, s.DB, `SELECT count(*) FROM verdicts WHERE event_id = $1`, event)
}

func TestARerunIsPausedCancelledAndTakenUpAgain(t *testing.T) {
	db := postgrestest.Database(t)
	whole := quickSet(t)
	s := &Store{DB: db, Set: whole}
	w := newWindow(t, s, 1, 2, 3, 4, 5)
	s.Set = upgraded(t, whole, "2.0.0")
	request := RerunRequest{Validator: "formula", Window: lately, Reason: "a new version"}
	r, err := s.AskRerun(t.Context(), engineer, request, w.list)
	if err != nil {
		t.Fatal(err)
	}
	w.chunk, w.failsAt = 2, 2
	if err := s.FillRerun(t.Context(), product, r.ID, w.list); !errors.Is(err, errBroken) {
		t.Fatalf("want it broken off, got %v", err)
	}
	if done, err := s.Batch(t.Context(), product, "formula", w.read); err != nil || done.Judged != 2 {
		t.Fatalf("what was put before it is judged: %+v %v", done, err)
	}
	if got, _ := s.Rerun(t.Context(), engineer, r.ID); got.State != "listing" || got.Settled != 2 {
		t.Errorf("half filled, it is not done: %+v", got)
	}
	w.failsAt = 0
	if err := s.FillRerun(t.Context(), product, r.ID, w.list); err != nil {
		t.Fatal(err)
	}
	if got, _ := s.Rerun(t.Context(), engineer, r.ID); got.State != "running" || got.Total != 5 || got.Settled != 2 {
		t.Errorf("taken up again: %+v", got)
	}
	if err := s.PauseRerun(t.Context(), engineer, r.ID); err != nil {
		t.Fatal(err)
	}
	if done, err := s.Batch(t.Context(), product, "formula", w.read); err != nil || done.Taken != 0 {
		t.Errorf("paused, it was judged: %+v %v", done, err)
	}
	late := newWindow(t, s, 6)
	if n := verdictsOn(t, s, late.subjects[0].EventID); n != 1 {
		t.Errorf("what arrives is judged meanwhile: %d", n)
	}
	if err := s.PauseRerun(t.Context(), engineer, r.ID); fault.Of(err) != fault.Conflict {
		t.Errorf("paused twice: %v", err)
	}
	if err := s.ResumeRerun(t.Context(), engineer, r.ID); err != nil {
		t.Fatal(err)
	}
	if held, err := s.hold(t.Context(), "formula"); err != nil || len(held) != 3 { // a worker that dies
		t.Fatalf("got %v %v", held, err)
	}
	if _, err := db.Exec(t.Context(), `UPDATE checks SET held_until = clock_timestamp() - interval '1 second'`); err != nil {
		t.Fatal(err)
	}
	if done, err := s.Batch(t.Context(), product, "formula", w.read); err != nil || done.Judged != 3 {
		t.Errorf("another takes it over: %+v %v", done, err)
	}
	if got, _ := s.Rerun(t.Context(), engineer, r.ID); got.State != "done" || got.Settled != 5 {
		t.Errorf("got %+v", got)
	}

	s.Set = upgraded(t, whole, "3.0.0")
	r, err = s.AskRerun(t.Context(), engineer, request, w.list)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.FillRerun(t.Context(), product, r.ID, w.list), s.CancelRerun(t.Context(), engineer, r.ID)); err != nil {
		t.Fatal(err)
	}
	if n := count(t, db, `SELECT count(*) FROM checks`); n != 0 {
		t.Errorf("cancelled, %d checks wait", n)
	}
	if err := s.FillRerun(t.Context(), product, r.ID, w.list); err != nil || count(t, db, `SELECT count(*) FROM checks`) != 0 {
		t.Errorf("cancelled, it was filled: %v", err)
	}
	if _, err := s.AskRerun(t.Context(), engineer, request, w.list); err != nil {
		t.Errorf("after it another may be asked for: %v", err)
	}
}

func TestARerunOfWhatIsInDoubtIsMadeAgain(t *testing.T) {
	db := postgrestest.Database(t)
	whole := quickSet(t)
	s := &Store{DB: db, Set: whole}
	w := newWindow(t, s, 6, 7)
	s.Set = &Set{validators: whole.validators, box: broken{Sandbox: whole.box, result: sandbox.Result{End: sandbox.Crashed}}, engines: whole.engines}
	if _, err := s.Examine(t.Context(), engineer); err != nil {
		t.Fatal(err)
	}
	// One of the two was said after the canaries were last right.
	if _, err := db.Exec(t.Context(), `UPDATE canary_rounds SET doubt_from = (SELECT min(made_at) FROM verdicts) WHERE NOT passed AND validator = 'formula'`); err != nil {
		t.Fatal(err)
	}
	s.Set = whole
	if err := s.Lift(t.Context(), engineer, "formula", "the sandbox was mended"); err != nil {
		t.Fatal(err)
	}
	r, err := s.AskRerun(t.Context(), engineer, RerunRequest{Validator: "formula", Window: lately, Was: "doubted", Reason: "in doubt"}, w.list)
	if err != nil || r.Counted != 1 {
		t.Fatalf("want the one in doubt, got %+v %v", r, err)
	}
	if err := s.FillRerun(t.Context(), product, r.ID, w.list); err != nil {
		t.Fatal(err)
	}
	if done, err := s.Batch(t.Context(), product, "formula", w.read); err != nil || done.Judged != 1 {
		t.Fatalf("got %+v %v", done, err)
	}
	if n := count(t, db, `SELECT count(*) FROM verdicts WHERE rerun_id = $1 AND kept_from IS NULL`, r.ID); n != 1 {
		t.Errorf("want a verdict made again beside the one in doubt, got %d", n)
	}
}

func TestRerunsAreRefusedInWords(t *testing.T) {
	s := &Store{DB: postgrestest.Tx(t), Set: NewSet(nil)}
	w := &window{}
	for want, r := range map[fault.Kind]RerunRequest{
		fault.NotFound: {Validator: "tarot", Window: lately, Reason: "x"},
		fault.Invalid:  {Validator: "formula", Window: lately, Reason: "nothing is there"},
	} {
		if _, err := s.AskRerun(t.Context(), engineer, r, w.list); fault.Of(err) != want || fault.Words(err) == "" {
			t.Errorf("%+v: want %s, got %v", r, want, err)
		}
	}
	for _, r := range []RerunRequest{
		{Validator: "formula", Window: Window{From: lately.To, To: lately.From}, Reason: "x"},
		{Validator: "formula", Window: Window{From: lately.From.AddDate(-2, 0, 0), To: lately.To}, Reason: "x"},
		{Validator: "formula", Window: lately, Was: "wrong", Reason: "x"},
	} {
		if _, err := s.CountRerun(t.Context(), engineer, r, w.list); fault.Of(err) != fault.Invalid {
			t.Errorf("%+v: %v", r, err)
		}
	}
	reviewer := auth.Actor{Kind: auth.Person, ID: 3, Roles: []auth.Role{auth.Reviewer}}
	_, counted := s.CountRerun(t.Context(), reviewer, RerunRequest{}, w.list)
	_, asked := s.AskRerun(t.Context(), reviewer, RerunRequest{}, w.list)
	for what, err := range map[string]error{"count": counted, "ask": asked, "fill": s.FillRerun(t.Context(), engineer, 1, w.list), "pause": s.PauseRerun(t.Context(), reviewer, 1),
		"lift": s.Lift(t.Context(), reviewer, "formula", "because"), "arrival": s.SetArrival(t.Context(), reviewer, "formula", true, nil),
		"activate": s.Activate(t.Context(), reviewer, 1, true), "retire": s.Retire(t.Context(), reviewer, 1), "turn": s.TurnSchedule(t.Context(), reviewer, 1, "pause")} {
		if fault.Of(err) != fault.Denied {
			t.Errorf("%s: want denied, got %v", what, err)
		}
	}
}

func TestASuspensionIsLiftedByAPersonAlone(t *testing.T) {
	db := postgrestest.Database(t)
	whole := quickSet(t)
	s := &Store{DB: db, Set: whole}
	newWindow(t, s, 6)
	if err := s.Lift(t.Context(), engineer, "formula", "nothing was wrong"); fault.Of(err) != fault.Conflict {
		t.Errorf("what is not suspended is not lifted: %v", err)
	}
	ill := &Set{validators: whole.validators, box: broken{Sandbox: whole.box, result: sandbox.Result{End: sandbox.Crashed}}, engines: whole.engines}
	s.Set = ill
	if _, err := s.Examine(t.Context(), engineer); err != nil {
		t.Fatal(err)
	}
	if err := s.Lift(t.Context(), engineer, "formula", "mended, I think"); fault.Of(err) != fault.Conflict || !strings.Contains(fault.Words(err), "stays suspended") {
		t.Errorf("a wrong canary keeps it suspended: %v", err)
	}
	s.Set = whole
	if n, err := s.Examine(t.Context(), engineer); err != nil || n != len(whole.All()) {
		t.Errorf("right canaries alone lift nothing: %d %v", n, err)
	}
	putAsked(t, s, sum(1), sum(2))
	held, err := s.HeldBy(t.Context(), engineer, "formula")
	if err != nil || held.Checks != 2 || !slices.Equal(held.Classes, []HeldClass{{"spreadsheet_formula", 2}}) {
		t.Errorf("what it holds up: %+v %v", held, err)
	}
	if err := s.Lift(t.Context(), engineer, "formula", "ok"); fault.Of(err) != fault.Invalid {
		t.Errorf("without a reason: %v", err)
	}
	if err := s.Lift(t.Context(), engineer, "formula", "the child could not start; the machine has room again"); err != nil {
		t.Fatal(err)
	}
	c, err := s.Card(t.Context(), engineer, "formula")
	if err != nil || c.Suspended != nil {
		t.Errorf("got %+v %v", c.Suspended, err)
	}
	list, err := s.Suspensions(t.Context(), engineer, "formula", 5)
	if err != nil || len(list) != 1 || list[0].LiftedBy == nil || *list[0].LiftedBy != "Engineer" || !strings.HasPrefix(list[0].Reason, "the child") {
		t.Errorf("got %+v %v", list, err)
	}
	s.Set = ill
	if _, err := s.Examine(t.Context(), engineer); err != nil {
		t.Fatal(err)
	}
	s.Set = upgraded(t, whole, "2.0.0")
	if _, err := s.Batch(t.Context(), product, "formula", func(context.Context, []uuid.UUID) (map[uuid.UUID]Input, error) { return nil, nil }); err != nil {
		t.Errorf("a new version that answers every canary judges: %v", err)
	}
	if c, err := s.Card(t.Context(), engineer, "formula"); err != nil || c.Suspended != nil {
		t.Errorf("got %+v %v", c.Suspended, err)
	}
}
