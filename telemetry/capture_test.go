package telemetry

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/stats"
)

func policyFor(class string) CapturePolicy {
	return CapturePolicy{TaskClass: class, Capture: CaptureRedacted, Base: 0.005, BaseFlagged: 0.05, Most: 0.1, Reason: "a busy class"}
}

// The published vector of the rule, through the database and the clock; what
// is in force is the vector's rate taken down to the base times a power of two.
func TestTheRateOfAClassFollowsWhatIsSeen(t *testing.T) {
	ctx := context.Background()
	s := newStore(t)
	now := noon
	s.Clock = func() time.Time { return now }
	if err := s.SetCapture(ctx, engineer, policyFor("file_edit")); err != nil {
		t.Fatal(err)
	}
	signals := []stats.Signal{stats.Calm, stats.Spike, stats.Spike, stats.Calm, stats.Steady, stats.Calm, stats.Calm, stats.Calm, stats.Calm, stats.Calm, stats.Calm}
	states := []float64{.005, .02, .08, .08, .08, .08, 0.07181740386052544, 0.06452753944880747, 0.058033008588991054, 0.052247039371057735, 0.04709232681160148}
	inForce := []float64{.005, .02, .08, .08, .08, .08, .04, .04, .04, .04, .04}
	for i, signal := range signals {
		now = now.Add(time.Hour)
		if _, err := s.Adapt(ctx, product, map[string]Seen{"file_edit": {Signal: signal}}); err != nil {
			t.Fatal(err)
		}
		var state float64
		if err := s.DB.QueryRow(ctx, `SELECT rate FROM capture_states`).Scan(&state); err != nil || math.Abs(state-states[i]) > 1e-12 {
			t.Fatalf("evaluation %d: want state %g, got %g, %v", i, states[i], state, err)
		}
		list, err := s.Captured(ctx, engineer)
		if err != nil || math.Abs(list[0].Rate.Keep-inForce[i]) > 1e-12 || math.Abs(list[0].Rate.KeepFlagged-10*inForce[i]) > 1e-12 {
			t.Fatalf("evaluation %d: want %g in force, got %+v, %v", i, inForce[i], list[0].Rate, err)
		}
	}
	history, err := s.CaptureHistory(ctx, engineer, "file_edit", 10)
	if err != nil || len(history) != 4 || history[0].Why != "decayed" || history[1].Why != "raised" || history[3].Why != "set" {
		t.Errorf("every rate stays, with why: %+v, %v", history, err)
	}
	var entries int
	if err := s.DB.QueryRow(ctx, `SELECT count(*) FROM audit_entries WHERE action LIKE 'capture.%'`).Scan(&entries); err != nil || entries != 4 {
		t.Errorf("want an entry for each change, got %d, %v", entries, err)
	}
}

func TestAnOpenIncidentHoldsARaise(t *testing.T) {
	ctx := context.Background()
	s := newStore(t)
	now := noon
	s.Clock = func() time.Time { return now }
	if err := s.SetCapture(ctx, engineer, policyFor("file_edit")); err != nil {
		t.Fatal(err)
	}
	see := func(seen Seen, hours int) float64 {
		t.Helper()
		for range hours {
			now = now.Add(time.Hour)
			if _, err := s.Adapt(ctx, product, map[string]Seen{"file_edit": seen}); err != nil {
				t.Fatal(err)
			}
		}
		list, err := s.Captured(ctx, engineer)
		if err != nil {
			t.Fatal(err)
		}
		return list[0].Rate.Keep
	}
	raised := see(Seen{Signal: stats.Spike, Incident: true}, 1)
	if got := see(Seen{Signal: stats.Calm, Incident: true}, 24); got != raised {
		t.Errorf("a day of an open incident: want %g, got %g", raised, got)
	}
	if got := see(Seen{Signal: stats.Calm}, 72); got != 0.005 {
		t.Errorf("three days after it closed: want the base, got %g", got)
	}
}

func TestEventsAreKeptByTheRateOfTheirClassAndNameIt(t *testing.T) {
	ctx := context.Background()
	s := newStore(t)
	policy := policyFor("file_edit")
	policy.Base, policy.BaseFlagged, policy.Most = 0.25, 0.25, 1
	if err := s.SetCapture(ctx, engineer, policy); err != nil {
		t.Fatal(err)
	}
	events := func(prefix string) (lines []string) {
		for i := range 200 {
			lines = append(lines, answer(fmt.Sprint("s", i), noon, fmt.Sprintf(`,"request_id":"%s%d","prompt":"p","response":"r"`, prefix, i)))
		}
		return lines
	}
	land(t, s, events("a")...)
	if _, err := s.Adapt(ctx, product, map[string]Seen{"file_edit": {Signal: stats.Spike}}); err != nil {
		t.Fatal(err)
	}
	land(t, s, events("b")...)
	first := ask[uint64](t, s, `SELECT countIf(text_kept) FROM events FINAL WHERE startsWith(request_id, 'a') AND keep = 0.25 AND capture_rate = 1`)
	if first < 25 || first > 80 {
		t.Errorf("a quarter of 200 sessions: got %d", first)
	}
	if n := ask[uint64](t, s, `SELECT countIf(text_kept) FROM events FINAL WHERE startsWith(request_id, 'b') AND keep = 1 AND capture_rate = 2`); n != 200 {
		t.Errorf("raised to all: want 200, got %d", n)
	}
	if n := ask[uint64](t, s, `SELECT count() FROM events FINAL WHERE text_kept != (keep_u < keep)`); n != 0 {
		t.Errorf("%d events are not kept by the number of their session", n)
	}
	replay := ReplayTerms
	setTerms(t, s, replay)
	land(t, s, answer("replayed", noon, `,"prompt":"p"`))
	if n := ask[uint64](t, s, `SELECT count() FROM events FINAL WHERE session_id = 'replayed' AND keep = 1 AND capture_rate = 0`); n != 1 {
		t.Error("a replay is kept by the terms of its key")
	}
	setTerms(t, s, OpenTerms)
	policy.Capture, policy.Base, policy.BaseFlagged = CaptureHash, 1, 1
	if err := s.SetCapture(ctx, engineer, policy); err != nil {
		t.Fatal(err)
	}
	land(t, s, answer("hashed", noon, `,"prompt":"p"`))
	if n := ask[uint64](t, s, `SELECT count() FROM events FINAL WHERE session_id = 'hashed' AND prompt = '' AND prompt_hash != '' AND NOT text_kept`); n != 1 {
		t.Error("a class that keeps hashes alone keeps no text, whatever its key may")
	}
}

func TestACapturePolicyIsRefusedInWords(t *testing.T) {
	ctx := context.Background()
	s := newStore(t)
	for what, change := range map[string]func(*CapturePolicy){
		"no class":             func(p *CapturePolicy) { p.TaskClass = " " },
		"a mode unknown":       func(p *CapturePolicy) { p.Capture = "all" },
		"flagged below":        func(p *CapturePolicy) { p.BaseFlagged = p.Base / 2 },
		"nothing":              func(p *CapturePolicy) { p.Base = 0 },
		"most below the base":  func(p *CapturePolicy) { p.Most = p.Base / 2 },
		"not a number":         func(p *CapturePolicy) { p.Base = math.NaN() },
		"without a reason":     func(p *CapturePolicy) { p.Reason = "" },
		"more than everything": func(p *CapturePolicy) { p.Most = 1.5 },
	} {
		p := policyFor("file_edit")
		change(&p)
		wants(t, what, fault.Invalid, s.SetCapture(ctx, engineer, p))
	}
	wants(t, "a labeler", fault.Denied, s.SetCapture(ctx, labeler, policyFor("file_edit")))
	_, err := s.Adapt(ctx, auth.Actor{Kind: auth.Person, Roles: []auth.Role{auth.Engineer}}, nil)
	wants(t, "a person adapts nothing by hand", fault.Denied, err)
}

// Days of traffic whose rate spikes, kept by the code that keeps: the rate of
// capture rises with what the kept texts showed in the hours before and falls
// again. Stratified by the stored probability the estimate stays that of the
// traffic; pooled, as if all had been kept alike, it does not.
func TestTheEstimateStaysTrueWhileTheRateAdapts(t *testing.T) {
	rounds := 80
	if *full {
		rounds = 1000
	}
	const hours, sessions = 48, 300
	policy := CapturePolicy{TaskClass: "file_edit", Capture: CaptureRedacted, Base: 0.05, BaseFlagged: 0.05, Most: 0.8}
	random := rand.New(rand.NewPCG(7, 11))
	var off, naiveOff []float64
	for round := range rounds {
		taking := &taking{terms: OpenTerms, now: noon, salt: fmt.Sprint("salt ", round)}
		state := stats.AdaptiveState{}
		strata := map[float64]*stats.Stratum{}
		var bad, kept, keptBad float64
		var recent []stats.Observation
		for hour := range hours {
			keep, flagged := policy.shares(max(state.Rate, policy.Base))
			taking.rates = map[string]CaptureRate{"file_edit": {ID: int64(hour + 1), Capture: CaptureRedacted, Keep: keep, KeepFlagged: flagged}}
			truth, seen := 0.04, stats.Observation{}
			if hour >= 12 && hour < 24 {
				truth = 0.30
			}
			for i := range sessions {
				r := &row{}
				r.EventTime, r.SessionID, r.TaskClass, r.Prompt = noon, fmt.Sprintf("%d-%d", hour, i), "file_edit", "p"
				taking.stamp(r)
				taking.keepText(r)
				wrong := 0.0
				if random.Float64() < truth {
					wrong = 1
				}
				bad += wrong
				stratum := strata[r.Keep]
				if stratum == nil {
					stratum = &stats.Stratum{Name: fmt.Sprint(r.Keep), Frame: "day"}
					strata[r.Keep] = stratum
				}
				stratum.Population++
				if r.TextKept {
					stratum.Sampled++
					stratum.Labeled++
					stratum.Bad += wrong
					kept, keptBad = kept+1, keptBad+wrong
					seen.N, seen.Bad = seen.N+1, seen.Bad+wrong
				}
			}
			recent = append(recent, seen)
			last := stats.Observation{}
			for _, o := range recent[max(0, len(recent)-6):] {
				last.N, last.Bad = last.N+o.N, last.Bad+o.Bad
			}
			signal, err := stats.JudgeSpike(last, stats.CUSUM{Limit: math.Inf(1)}, 0, 0.10)
			if err != nil {
				t.Fatal(err)
			}
			if state, err = policy.rule().Next(state, noon.Add(time.Duration(hour)*time.Hour), signal, false); err != nil {
				t.Fatal(err)
			}
		}
		var list []stats.Stratum
		for _, stratum := range strata {
			list = append(list, *stratum)
		}
		estimate, err := stats.Stratified(list, stats.OfProcess, .95)
		if err != nil {
			t.Fatal(err)
		}
		traffic := bad / (hours * sessions)
		off, naiveOff = append(off, estimate.Value-traffic), append(naiveOff, keptBad/kept-traffic)
	}
	mean, se := meanAndError(off)
	if math.Abs(mean) > 4*se {
		t.Errorf("the stratified estimate is off by %.5f on average, with a standard error of %.5f", mean, se)
	}
	naive, naiveSE := meanAndError(naiveOff)
	if naive < 10*naiveSE || naive < 0.02 {
		t.Errorf("the pooled one should be far too high: it is off by %.5f ± %.5f", naive, naiveSE)
	}
	t.Logf("%d rounds: stratified %.5f ± %.5f, pooled %.5f ± %.5f", rounds, mean, se, naive, naiveSE)
}

func meanAndError(values []float64) (mean, standardError float64) {
	for _, v := range values {
		mean += v / float64(len(values))
	}
	sum := 0.0
	for _, v := range values {
		sum += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(sum / float64(len(values)-1) / float64(len(values)))
}
