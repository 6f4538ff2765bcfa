package validators

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"assay/internal/fault"
)

// The verdicts. What a machine could not find out is inconclusive, never a
// fail.
const (
	Pass         = "pass"
	Fail         = "fail"
	Inconclusive = "inconclusive"
)

// Input is one output of an assistant to be checked: one line of `assay
// validate`, one body of POST /v1/validate, one response with an artifact.
type Input struct {
	ID        string          `json:"id,omitempty"`
	TaskClass string          `json:"task_class,omitempty"`
	Artifact  json.RawMessage `json:"artifact"`
	Expected  json.RawMessage `json:"expected,omitempty"`
	// Redacted says that something private in the artifact was replaced before
	// it was stored: a fail may then be the redaction's.
	Redacted bool `json:"-"`

	// Text is the response the artifact belongs to, for validators that read
	// whole responses; nil: there is only the artifact.
	Text *Text `json:"-"`

	fixture *held         // the fixture the artifact names, where it was found
	within  time.Duration // of a canary that must be late: it need not be for long
}

// Text is a response as it was kept: what was asked, what was answered, and on
// what it had to rely.
type Text struct {
	Prompt   string   `json:"prompt,omitempty"`
	Response string   `json:"response"`
	Context  []string `json:"context,omitempty"`
}

// as is the input in the shape that a validator reads: the whole response for
// those that read one.
func (in Input) as(v Validator) Input {
	if in.Text == nil || !v.readsText() {
		return in
	}
	artifact, err := json.Marshal(struct {
		Kind string `json:"kind"`
		*Text
		Artifact json.RawMessage `json:"artifact,omitempty"`
	}{kindResponse, in.Text, in.Artifact})
	if err != nil {
		return in // an artifact that is no JSON is refused where it is read
	}
	in.Artifact, in.Expected, in.Text = artifact, nil, nil
	return in
}

// maxInput is the largest input that is looked at, in bytes.
const maxInput = 4 << 20

// Verdict is what one validator says of one input.
type Verdict struct {
	ID        string          `json:"id"`
	Validator string          `json:"validator"`
	Version   string          `json:"version"`
	Verdict   string          `json:"verdict"`
	Reason    string          `json:"reason"`
	Message   string          `json:"message"`
	Evidence  json.RawMessage `json:"evidence"`
	InputHash string          `json:"input_hash"`
	Sandbox   string          `json:"sandbox"`
	Limits    Limits          `json:"limits"`
	ElapsedMS float64         `json:"elapsed_ms"`
	At        time.Time       `json:"-"`
}

// Limits are what one check could take.
type Limits struct {
	WallMS   int64 `json:"wall_ms"`
	MemoryMB int64 `json:"memory_mb"`
	OutputKB int64 `json:"output_kb"`
}

// ReadInput reads one input and refuses what no validator could read.
func ReadInput(text []byte) (Input, error) {
	var in Input
	if len(text) > maxInput {
		return in, fault.Say(fault.Invalid, "An input has at most %d MiB.", maxInput>>20)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&in); err != nil {
		return in, fault.Say(fault.Invalid, "An input is a JSON object with an artifact.")
	}
	if _, err := decoder.Token(); err != io.EOF {
		return in, fault.Say(fault.Invalid, "An input is one JSON object; there is more behind it.")
	}
	if _, err := in.Kind(); err != nil {
		return in, err
	}
	return in, nil
}

// Kind is what the artifact says it is: formula, sql, code, text, tools, or
// response, which validators of the operator's own read.
func (in Input) Kind() (string, error) {
	var a struct {
		Kind string `json:"kind"`
	}
	if len(in.Artifact) == 0 || json.Unmarshal(in.Artifact, &a) != nil || a.Kind == "" {
		return "", fault.Say(fault.Invalid, "The artifact is an object that names its kind: formula, sql, code, text or tools.")
	}
	return a.Kind, nil
}

// Hash identifies what was checked, whatever the order of its keys and the
// white space between them.
func (in Input) Hash() (string, error) {
	sum := sha256.New()
	for _, part := range []json.RawMessage{in.Artifact, in.Expected} {
		canonical, err := canonicalJSON(part)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%d:", len(canonical))
		sum.Write(canonical)
	}
	if in.fixture != nil {
		sum.Write([]byte(in.fixture.Hash))
	}
	if in.Redacted {
		sum.Write([]byte("redacted"))
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil)), nil
}

// canonicalJSON writes a value with sorted keys and its numbers as they were
// sent: 1.0 and 1 may mean different things to an engine.
func canonicalJSON(text json.RawMessage) ([]byte, error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, fault.Say(fault.Invalid, "The artifact is not JSON.")
	}
	if value == nil {
		return nil, nil
	}
	return json.Marshal(value)
}

// Short is the version of the check without those of its engines.
func (v Verdict) Short() string {
	short, _, _ := strings.Cut(v.Version, "+")
	return short
}

// gravity orders verdicts for reading: fail, inconclusive, pass.
func (v Verdict) gravity() int {
	switch v.Verdict {
	case Fail:
		return 0
	case Inconclusive:
		return 1
	}
	return 2
}
