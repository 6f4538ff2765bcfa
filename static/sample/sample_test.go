package sample_test

import (
	"encoding/json"
	"testing"
	"time"

	"assay/static/sample"
)

var now = time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC)

func TestTheSampleIsTheSameEachTime(t *testing.T) {
	first, err := sample.Make(now).JSONLines()
	if err != nil {
		t.Fatal(err)
	}
	second, _ := sample.Make(now).JSONLines()
	if string(first) != string(second) {
		t.Error("two makings at the same moment differ")
	}
}

func TestTheSampleHasSomethingTrueForEveryPage(t *testing.T) {
	traffic := sample.Make(now)
	sessions, ids, kinds := map[any]bool{}, map[any]bool{}, map[any]int{}
	for _, e := range traffic.Events {
		if ids[e["event_id"]] {
			t.Fatalf("the identity %v occurs twice", e["event_id"])
		}
		ids[e["event_id"]] = true
		kinds[e["event_type"]]++
		if e["session_id"] != nil {
			sessions[e["session_id"]] = true
		}
		at, err := time.Parse(time.RFC3339, e["event_time"].(string))
		if err != nil || at.After(now) || at.Before(now.AddDate(0, 0, -sample.Days-1)) {
			t.Fatalf("event at %v: %v", e["event_time"], err)
		}
	}
	if len(sessions) < 300 {
		t.Errorf("want at least 300 sessions, got %d", len(sessions))
	}
	for _, kind := range []string{"exposure", "assistant_response", "tool_step", "feedback", "correction", "error", "outcome", "gate_trace"} {
		if kinds[kind] == 0 {
			t.Errorf("no %s", kind)
		}
	}
	if want := 6; kinds["gate_trace"] != want {
		t.Errorf("gate traces: want %d, got %d", want, kinds["gate_trace"])
	}
	for _, class := range []string{"spreadsheet_formula", "sql_query", "code_generation", "file_edit", "summarization"} {
		share, answers := traffic.Rate(class, "")
		t.Logf("%-20s %.2f %% of %d", class, 100*share, answers)
		if answers < 100 || share == 0 || share > .2 {
			t.Errorf("%s: %d answers, %.3f wrong", class, answers, share)
		}
	}
	share, answers := traffic.Rate("", "")
	t.Logf("all                  %.2f %% of %d, %d events, %d sessions", 100*share, answers, len(traffic.Events), len(sessions))
}

func TestAWrongAnswerSaysSoAndIsDifferent(t *testing.T) {
	for _, truth := range sample.Make(now).Truths {
		if (truth.Label == "correct") != (len(truth.Reasons) == 0) {
			t.Fatalf("%s is %s with reasons %v", truth.EventID, truth.Label, truth.Reasons)
		}
	}
}

func TestTheShippedResultsAreWhatTheGateAsksFor(t *testing.T) {
	lines := sample.Runs([]string{"invented_eta"})
	count := map[any]int{}
	abstained := map[any]int{}
	for _, line := range lines {
		if _, err := json.Marshal(line); err != nil {
			t.Fatal(err)
		}
		if line["unsafe_claim_served"] != false {
			t.Fatalf("%v is unsafe", line)
		}
		count[line["window"]]++
		if line["route"] == "abstain" {
			abstained[line["window"]]++
		}
	}
	if count["regression"] != 3 || count["holdout"] != sample.HoldoutCases || count["baseline"] != sample.HoldoutCases {
		t.Errorf("lines by window: %v", count)
	}
	if abstained["holdout"] > abstained["baseline"]+sample.HoldoutCases/50 {
		t.Errorf("the candidate abstains more than the baseline: %v", abstained)
	}
	holdout := 0
	for _, line := range sample.Partial(lines) {
		if line["window"] == "holdout" {
			holdout++
		}
	}
	if holdout != 160 {
		t.Errorf("uploaded of the holdout: want 160, got %d", holdout)
	}
}
