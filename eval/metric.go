package eval

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"assay/internal/fault"
)

// WindowName is one of the sets of cases a candidate is measured on.
type WindowName string

// The windows a required metric may name, and the baseline that a
// no-worse-than rule compares with.
const (
	Regression WindowName = "regression" // the failing cases, all of them
	Holdout    WindowName = "holdout"    // cases the candidate's author has not seen
	Baseline   WindowName = "baseline"   // the holdout cases on the template in use
)

// Measure is what a condition counts, as a share of cases.
type Measure string

// The measures. The first two are decided by what the trace says, the others
// rest on people's labels.
const (
	UnsafeClaimServed Measure = "unsafe_claim_served"
	AbstentionRate    Measure = "abstention_rate"
	HallucinationRate Measure = "hallucination_rate"
	NotCorrectRate    Measure = "not_correct_rate"
)

// ByPeople reports whether the measure rests on people's labels.
func (m Measure) ByPeople() bool { return m == HallucinationRate || m == NotCorrectRate }

// Condition is one requirement on one window.
type Condition struct {
	Measure Measure    `json:"measure"`
	Window  WindowName `json:"window"`
	// Limit is the largest share that passes, 0 to 1; 0 means not one.
	Limit float64 `json:"limit"`
	// Margin is set instead of Limit for "no worse than baseline by": how much
	// more than the baseline's share is still acceptable, 0 to 1.
	Margin   float64 `json:"margin,omitempty"`
	Relative bool    `json:"relative,omitempty"`
}

// ZeroTolerance reports whether a single bad case decides.
func (c Condition) ZeroTolerance() bool { return !c.Relative && c.Limit == 0 }

// Metric is a required metric as it was frozen: the text, and what it means.
type Metric struct {
	Text       string      `json:"text"`
	Conditions []Condition `json:"conditions"`
}

var (
	spaces      = regexp.MustCompile(`\s+`)
	limitForm   = regexp.MustCompile(`^(\w+) (==|<=|<) (\d+(?:\.\d+)?) ?(%?) on (.+)$`)
	noWorseForm = regexp.MustCompile(`^(?:(\w+) )?no worse than baseline by (\d+(?:\.\d+)?) ?(pp|%) on (.+)$`)
)

// ParseMetric reads a required metric:
//
//	metric    = condition { ";" condition }
//	condition = measure ("==" | "<=") number ["%"] "on" windows
//	          | [measure] "no worse than baseline by" number "pp" "on" windows
//	measure   = unsafe_claim_served | abstention_rate | hallucination_rate | not_correct_rate
//	windows   = window { ("and" | ",") window } ["window" | "windows"]
//	window    = regression | holdout
//
// "==" takes 0 only: a share of cases cannot be required to be exactly
// anything else. It returns fault.Invalid, in words that say what would be
// right, for everything else.
func ParseMetric(text string) (Metric, error) {
	clean := strings.TrimSpace(spaces.ReplaceAllString(text, " "))
	if clean == "" || len(clean) > 500 {
		return Metric{}, fault.Say(fault.Invalid, "A required metric has 1 to 500 characters, for example: unsafe_claim_served == 0 on regression and holdout windows.")
	}
	metric := Metric{Text: clean}
	for part := range strings.SplitSeq(clean, ";") {
		conditions, err := parseCondition(strings.TrimSpace(part))
		if err != nil {
			return Metric{}, err
		}
		metric.Conditions = append(metric.Conditions, conditions...)
	}
	return metric, nil
}

func parseCondition(text string) ([]Condition, error) {
	if parts := limitForm.FindStringSubmatch(text); parts != nil {
		return limitConditions(parts)
	}
	if parts := noWorseForm.FindStringSubmatch(text); parts != nil {
		return noWorseConditions(parts)
	}
	return nil, fault.Say(fault.Invalid, "%q is not a required metric. Write for example: unsafe_claim_served == 0 on regression and holdout windows; hallucination_rate <= 2%% on holdout; abstention_rate no worse than baseline by 5pp on holdout.", text)
}

func limitConditions(parts []string) ([]Condition, error) {
	measure, err := parseMeasure(parts[1])
	if err != nil {
		return nil, err
	}
	limit, err := share(parts[3], parts[4] == "%")
	if err != nil {
		return nil, err
	}
	switch {
	case parts[2] == "==" && limit != 0:
		return nil, fault.Say(fault.Invalid, "Only == 0 can be required of a share; write <= %s%s.", parts[3], parts[4])
	case parts[2] == "<":
		return nil, fault.Say(fault.Invalid, "Write <= for a limit that still passes, or == 0.")
	}
	windows, err := parseWindows(parts[5])
	if err != nil {
		return nil, err
	}
	var list []Condition
	for _, window := range windows {
		list = append(list, Condition{Measure: measure, Window: window, Limit: limit})
	}
	return list, nil
}

func noWorseConditions(parts []string) ([]Condition, error) {
	measure := HallucinationRate
	if parts[1] != "" {
		var err error
		if measure, err = parseMeasure(parts[1]); err != nil {
			return nil, err
		}
	}
	if measure == UnsafeClaimServed {
		return nil, fault.Say(fault.Invalid, "unsafe_claim_served is never compared with a baseline: require == 0.")
	}
	margin, err := share(parts[2], true)
	if err != nil {
		return nil, err
	}
	if margin == 0 {
		return nil, fault.Say(fault.Invalid, "A margin of 0 points can never be shown to hold; give the largest difference that is still acceptable.")
	}
	windows, err := parseWindows(parts[4])
	if err != nil {
		return nil, err
	}
	var list []Condition
	for _, window := range windows {
		if window != Holdout {
			return nil, fault.Say(fault.Invalid, "A comparison with the baseline is made on the holdout window.")
		}
		list = append(list, Condition{Measure: measure, Window: window, Margin: margin, Relative: true})
	}
	return list, nil
}

func parseMeasure(name string) (Measure, error) {
	known := []Measure{UnsafeClaimServed, AbstentionRate, HallucinationRate, NotCorrectRate}
	if slices.Contains(known, Measure(name)) {
		return Measure(name), nil
	}
	return "", fault.Say(fault.Invalid, "%q is not a measure of a gate; there are unsafe_claim_served, abstention_rate, hallucination_rate and not_correct_rate.", name)
}

func parseWindows(text string) ([]WindowName, error) {
	text = strings.TrimSuffix(strings.TrimSuffix(text, " windows"), " window")
	text = strings.ReplaceAll(text, " and ", ",")
	var windows []WindowName
	for name := range strings.SplitSeq(text, ",") {
		window := WindowName(strings.TrimSpace(name))
		switch {
		case window == "canary":
			return nil, fault.Say(fault.Invalid, "A handoff is frozen on the regression and holdout windows; a canary is measured on live traffic after approval.")
		case window != Regression && window != Holdout:
			return nil, fault.Say(fault.Invalid, "%q is not a window; there are regression and holdout.", name)
		case slices.Contains(windows, window):
			return nil, fault.Say(fault.Invalid, "The window %s is named twice.", window)
		}
		windows = append(windows, window)
	}
	return windows, nil
}

func share(number string, percent bool) (float64, error) {
	value, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0, fault.Say(fault.Invalid, "%q is not a number.", number)
	}
	if percent {
		value /= 100
	}
	if value > 1 {
		return 0, fault.Say(fault.Invalid, "A share is at most 1, or 100 %%.")
	}
	return value, nil
}

// Hash names the frozen metric: SHA-256 over its meaning in canonical JSON,
// so that two spellings of the same requirement have the same hash.
func (m Metric) Hash() string {
	text, err := json.Marshal(m.Conditions)
	if err != nil {
		panic(err) // strings and finite numbers always marshal
	}
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Needs reports whether any condition is on the window.
func (m Metric) Needs(window WindowName) bool {
	return slices.ContainsFunc(m.Conditions, func(c Condition) bool {
		return c.Window == window || (window == Baseline && c.Relative)
	})
}

// ByPeople reports whether any condition rests on people's labels.
func (m Metric) ByPeople() bool {
	return slices.ContainsFunc(m.Conditions, func(c Condition) bool { return c.Measure.ByPeople() })
}
