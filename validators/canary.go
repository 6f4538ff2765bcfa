package validators

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"assay/internal/fault"
)

// Canary is an input whose verdict is known: right, wrong or abusive.
type Canary struct {
	Name     string
	Artifact string        // JSON
	Expected string        // JSON, or ""
	Want     string        // pass, fail, inconclusive
	Reason   string        // the reason it must give; "" takes any
	Within   time.Duration // a shorter limit of time, for what must run into it
}

// Tried is what a canary was answered.
type Tried struct {
	Name   string  `json:"name"`
	Want   string  `json:"want"`
	Got    string  `json:"got"` // a verdict, or "error" when there was none
	Reason string  `json:"reason"`
	TookMS float64 `json:"took_ms"`
	OK     bool    `json:"ok"`
}

// Round is one trial of all of a validator's canaries.
type Round struct {
	Validator string
	Version   string
	Sandbox   string
	Tried     []Tried
	At        time.Time
}

// Passed reports whether every canary was answered as it must be. A round that
// tried nothing proves nothing.
func (r Round) Passed() bool {
	for _, t := range r.Tried {
		if !t.OK {
			return false
		}
	}
	return len(r.Tried) > 0
}

// Wrong is the first canary that was answered wrongly.
func (r Round) Wrong() (Tried, bool) {
	for _, t := range r.Tried {
		if !t.OK {
			return t, true
		}
	}
	return Tried{}, false
}

// TryCanaries asks the validator what is known. A sandbox that cannot run
// answers wrongly: a validator that cannot be tried is not to be believed. Its
// error is the end of ctx, or something outside that is away.
func (s *Set) TryCanaries(ctx context.Context, v Validator) (Round, error) {
	round := Round{Validator: v.Name, Version: v.Version, At: time.Now().UTC()}
	for _, c := range v.Canaries {
		in := Input{Artifact: json.RawMessage(c.Artifact), Expected: json.RawMessage(c.Expected), within: c.Within}
		t := Tried{Name: c.Name, Want: c.Want}
		verdict, err := s.Check(ctx, v, in)
		if ctx.Err() != nil {
			return round, ctx.Err()
		}
		if v.Remote && fault.Of(err) == fault.Unavailable {
			return round, err
		}
		if err != nil {
			t.Got, t.Reason = "error", plain(err.Error(), 200)
		} else {
			t.Got, t.Reason, t.TookMS, round.Sandbox = verdict.Verdict, verdict.Reason, verdict.ElapsedMS, verdict.Sandbox
			t.OK = verdict.Verdict == c.Want && (c.Reason == "" || c.Reason == verdict.Reason)
		}
		round.Tried = append(round.Tried, t)
	}
	return round, nil
}

// Suspended says that a validator answered a canary wrongly and was not asked
// anything else.
type Suspended struct{ Round Round }

func (s Suspended) Error() string {
	wrong, _ := s.Round.Wrong()
	return fmt.Sprintf("%s %s is suspended: canary “%s” was answered %s where %s is right", s.Round.Validator, s.Round.Version, wrong.Name, wrong.Got, wrong.Want)
}
