package telemetry

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"assay/internal/auth"
	"assay/internal/fault"
)

func TestWhatAnEventDoesNotSayOfItsImpactItsClassAndActionSay(t *testing.T) {
	ctx := context.Background()
	s := newStore(t)
	for _, d := range []ImpactDefault{
		{TaskClass: "payments", Impact: 5, Reason: "money"},
		{TaskClass: "payments", ActionType: "read", Impact: 2, Reason: "only looks"},
		{ActionType: "send", Impact: 3, Reason: "all mail is reviewed"},
		{TaskClass: "payments", ActionType: "write", Impact: 4, Reason: "a wrong transfer cannot be called back"},
		{TaskClass: "payments", ActionType: "write", Impact: 0, Reason: "as the class"},
	} {
		if err := s.SetImpact(ctx, engineer, d); err != nil {
			t.Fatal(err)
		}
	}
	cases := map[string]struct {
		more string
		want int
	}{
		"said":   {`,"impact":1,"action_type":"send"`, 1},
		"class":  {`,"task_class":"payments"`, 5},
		"both":   {`,"task_class":"payments","action_type":"read"`, 2},
		"given":  {`,"task_class":"payments","action_type":"write"`, 5},
		"action": {`,"task_class":"letters","action_type":"send"`, 3},
		"own":    {`,"task_class":"letters","action_type":"write"`, 3},
		"none":   {`,"task_class":"letters"`, 1},
	}
	for name, c := range cases {
		land(t, s, `{"event_type":"assistant_response","session_id":"`+name+`","event_time":"`+at(noon.Add(-time.Minute))+`","response":"done"`+c.more+`}`)
	}
	flagged, err := s.Flagged(ctx, product, noon.Add(-time.Hour), noon.Add(time.Hour))
	if err != nil || len(flagged) != len(cases) {
		t.Fatalf("%d flagged, %v", len(flagged), err)
	}
	for _, c := range flagged {
		if want := cases[c.SessionID].want; c.Impact != want {
			t.Errorf("%s: want impact %d, got %d", c.SessionID, want, c.Impact)
		}
	}
	// Whoever asks for a response later hears the same.
	var ids []uuid.UUID
	for _, c := range flagged {
		ids = append(ids, c.EventID)
	}
	responses, err := s.Responses(ctx, product, ids)
	if err != nil || len(responses) != len(cases) {
		t.Fatalf("%d responses, %v", len(responses), err)
	}
	for _, r := range responses {
		if want := cases[r.SessionID].want; r.Impact != want {
			t.Errorf("the response of %s: want impact %d, got %d", r.SessionID, want, r.Impact)
		}
	}
	for _, bad := range []ImpactDefault{
		{Impact: 3, Reason: "of what?"}, {TaskClass: "a", Impact: 6, Reason: "too much"}, {TaskClass: "a", ActionType: "juggle", Impact: 1, Reason: "no such act"}, {TaskClass: "a", Impact: 1},
	} {
		if err := s.SetImpact(ctx, engineer, bad); fault.Of(err) != fault.Invalid {
			t.Errorf("%+v: want invalid, got %v", bad, err)
		}
	}
	if err := s.SetImpact(ctx, auth.Actor{Kind: auth.Person, Roles: []auth.Role{auth.Reviewer}}, ImpactDefault{TaskClass: "a", Impact: 1, Reason: "mine"}); fault.Of(err) != fault.Denied {
		t.Errorf("want a reviewer refused, got %v", err)
	}
	if list, err := s.ImpactDefaults(ctx, engineer); err != nil || len(list) != 3 {
		t.Errorf("want three in force, got %+v, %v", list, err)
	}
}
