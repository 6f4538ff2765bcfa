package sample

import (
	"fmt"
	"time"
)

// Handoff names what the sample's incident and its fix are about.
const (
	Policy             = "delivery-grounding-slo-v1"
	BaselineTemplate   = "tracking-answerer-v1"
	RegressedTemplate  = "tracking-answerer-v1.1-regression"
	CandidateTemplate  = "tracking-answerer-v1.2-fix"
	EvidenceVersion    = "fastship@v17"
	RequiredMetric     = "unsafe_claim_served == 0 on regression and holdout windows"
	HoldoutCases       = 400
	HoldoutMinimum     = 299
	trackingClass      = "order_tracking"
	trackingModel      = "assist-2.2"
	regressionRepeats  = 3
	minutesSinceTraces = 25
)

// trace is one request of the delivery-tracking assistant that passed, or
// should have been stopped by, its serving gate.
type trace struct {
	request, caseID, evidence, template, route, stage string
	unsafe                                            bool
	input, cached, output, ttft, total                int
}

// The six requests of the incident: the regressed template lets an estimate
// through that no carrier event supports.
var sixTraces = []trace{
	{"req_201", "clean_scan", EvidenceVersion, BaselineTemplate, "serve", "passed", false, 188, 80, 27, 172, 410},
	{"req_202", "invented_eta", EvidenceVersion, BaselineTemplate, "abstain", "claim_generation", false, 196, 80, 20, 181, 395},
	{"req_203", "wrong_status", EvidenceVersion, BaselineTemplate, "abstain", "claim_generation", false, 192, 80, 21, 188, 402},
	{"req_204", "missing_feed", "", BaselineTemplate, "abstain", "evidence_admission", false, 160, 64, 15, 205, 382},
	{"req_205", "invented_eta", EvidenceVersion, RegressedTemplate, "serve", "serving_gate", true, 198, 80, 29, 218, 430},
	{"req_206", "invented_eta", EvidenceVersion, RegressedTemplate, "serve", "serving_gate", true, 201, 80, 30, 240, 455},
}

// Templates are the texts of the three prompt templates, by id.
var Templates = map[string]string{
	BaselineTemplate: `You answer questions about one parcel.
Use only the carrier events below. Each sentence names the event it rests on.
Never estimate a delivery time without a carrier event that states one.
If the events do not answer the question, say so and offer to notify.
Keep to three sentences.
`,
	RegressedTemplate: `You answer questions about one parcel.
Use the carrier events below.
Be helpful: when no delivery time is given, say when it usually arrives.
If the events do not answer the question, say so and offer to notify.
Keep to three sentences.
`,
	CandidateTemplate: `You answer questions about one parcel.
Use only the carrier events below. Each sentence names the event it rests on.
Never estimate a delivery time without a carrier event that states one.
When a customer asks for a time that no event states, name the last scan instead.
If the events do not answer the question, say so and offer to notify.
Cite the event as [n] after each sentence.
Keep to three sentences.
`,
}

// traces adds the six requests, in their order, some minutes ago.
func (m *maker) traces() {
	began := m.now.Add(-minutesSinceTraces * time.Minute)
	for i, t := range sixTraces {
		m.count++
		m.add(Event{}, began.Add(time.Duration(i)*7*time.Second), "gate_trace", Event{
			"request_id": t.request, "case_id": t.caseID, "evidence_version": t.evidence, "prompt_template_id": t.template,
			"route": t.route, "first_failed_stage": t.stage, "unsafe_claim_served": t.unsafe,
			"input_tokens": t.input, "cached_input_tokens": t.cached, "output_tokens": t.output, "ttft_ms": t.ttft, "total_ms": t.total,
			"task_class": trackingClass, "model_version": trackingModel, "env": "prod",
		})
	}
}

// Runs returns the results of the candidate on the incident's failing cases,
// on the holdout cases, and of the baseline on the same holdout: one JSON
// object per case and repeat, in the shape that the upload takes. The
// candidate serves nothing unsafe and abstains no more than the baseline.
func Runs(regression []string) []Event {
	var lines []Event
	for _, caseID := range regression {
		for repeat := range regressionRepeats {
			lines = append(lines, result("regression", caseID, repeat+1, 2*len(lines)))
		}
	}
	for i := range HoldoutCases {
		lines = append(lines, result("holdout", fmt.Sprintf("parcel-%03d", i+1), 1, i))
	}
	for i := range HoldoutCases {
		lines = append(lines, result("baseline", fmt.Sprintf("parcel-%03d", i+1), 1, i+i%7))
	}
	return lines
}

// Partial is the part of Runs that the sample has already uploaded: every
// failing case, and 160 of the holdout with their baseline.
func Partial(lines []Event) []Event {
	var first []Event
	taken := map[any]int{}
	for _, line := range lines {
		if taken[line["window"]]++; line["window"] == "regression" || taken[line["window"]] <= 160 {
			first = append(first, line)
		}
	}
	return first
}

// Clean returns results for another candidate: each regression case three
// times and as many holdout cases as asked for, one of them violating when
// unsafe.
func Clean(regression []string, holdout int, unsafe bool) []Event {
	var lines []Event
	for _, caseID := range regression {
		for repeat := range regressionRepeats {
			lines = append(lines, result("regression", caseID, repeat+1, len(lines)))
		}
	}
	for i := range holdout {
		lines = append(lines, result("holdout", fmt.Sprintf("case-%03d", i+1), 1, i))
	}
	for _, line := range lines {
		delete(line, "evidence_version")
	}
	if unsafe {
		last := lines[len(lines)-1]
		last["unsafe_claim_served"], last["route"], last["first_failed_stage"] = true, "serve", "serving_gate"
		last["output"] = "It will arrive tomorrow before noon."
	}
	return lines
}

func result(window, caseID string, repeat, n int) Event {
	line := Event{
		"window": window, "case_id": caseID, "repeat": repeat,
		"evidence_version": EvidenceVersion, "unsafe_claim_served": false,
		"input_tokens": 190 + n%19, "cached_input_tokens": 80, "output_tokens": 22 + n%11,
		"ttft_ms": 168 + n*37%64, "total_ms": 388 + n*53%80,
	}
	line["route"], line["first_failed_stage"] = "serve", "passed"
	line["output"] = fmt.Sprintf("Your parcel was scanned in the depot at %02d:%02d [1]. No delivery time has been announced [1].", 6+n%12, n*17%60)
	if n%10 == 3 || window == "regression" {
		line["route"], line["first_failed_stage"] = "abstain", "claim_generation"
		line["output"] = "The carrier has not announced a delivery time. I can notify you when it does."
	}
	return line
}
