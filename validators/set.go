package validators

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"assay/internal/fault"
	"assay/validators/code"
	"assay/validators/dialect"
	"assay/validators/sandbox"
	"assay/validators/wasm"
)

// Validator is one machine check: what it looks at, and how it is known to
// work.
type Validator struct {
	Name    string
	Version string // of the check and, behind a plus, of its engines: "1.0.0+sqlite-3_53_4"
	Says    string // what it does and rests on, for its card
	Kinds   []string
	Scope   Scope // of those that read whole responses
	Own     bool  // the operator's
	Remote  bool  // it asks something outside: its being away says nothing of it
	Shadow  bool  // what it says stands beside labels and reaches nobody else
	// VouchedFor is how long its canaries are believed; 0 tries them before each
	// batch.
	VouchedFor time.Duration
	Limits     sandbox.Limits
	// Canaries are inputs whose verdict is known. All are tried before a batch.
	Canaries []Canary

	check func(ctx context.Context, box Sandbox, in Input) (Opinion, error)
}

// Opinion is what a check found, before it is signed with versions and limits.
type Opinion struct {
	Verdict  string
	Reason   string
	Message  string
	Evidence any     // JSON-ready; nil means none
	Bounds   *Bounds // nil: those of the validator, in the sandbox
}

// Bounds are what held a check back that had limits of its own.
type Bounds struct {
	Tier   string // "" is the sandbox's
	Limits sandbox.Limits
}

// Sandbox is where checks run what they were given. An error means
// infrastructure alone.
type Sandbox interface {
	Capabilities(ctx context.Context) (sandbox.Capabilities, error)
	Run(ctx context.Context, job sandbox.Job) (sandbox.Result, error)
}

// Set is the validators of this program, with the sandbox they run in.
type Set struct {
	validators []Validator
	box        Sandbox
	engines    *dialect.Engines // of SQL, beside the sandbox
}

// NewSet makes the set of all validators on a sandbox.
func NewSet(box Sandbox) *Set { return newSet(box, dialect.Open(dialect.Config{})) }

func newSet(box Sandbox, engines *dialect.Engines) *Set {
	return &Set{box: box, engines: engines, validators: all(engines)}
}

// all lists the validators, in the order pages show them.
func all(engines *dialect.Engines) []Validator {
	return []Validator{formulaValidator(), sqlValidator(engines), codeValidator(), textValidator(), toolsValidator()}
}

// programs are what a child of the sandbox can be.
func programs(at dialect.Config) []sandbox.Program {
	list := []sandbox.Program{textProgram, formulaProgram, sqliteProgram, fixtureProgram}
	return slices.Concat(list, dialect.Programs(at), codePrograms(), scriptPrograms())
}

// Main is the sandbox's child when this program was started as one, and then
// does not return. Call it first in main.
func Main() { sandbox.Main(programs(dialect.Config{})...) }

// Open makes the sandbox of this program and the set of validators on it.
// Close the sandbox at the end.
func Open() (*Set, *sandbox.Children) { return OpenWith(dialect.Config{}) }

// OpenWith is Open with the places of engines that are not where they usually
// are.
func OpenWith(at dialect.Config) (*Set, *sandbox.Children) { return OpenStrong(at, false) }

// OpenStrong is OpenWith where an operator may have turned the strong tier on:
// scripts then run commands of the machine, where it holds.
func OpenStrong(at dialect.Config, strong bool) (*Set, *sandbox.Children) {
	engines := dialect.Open(at)
	children := sandbox.Open(sandbox.Config{Programs: programs(at), AtClose: engines.Close, Reads: readsOfChildren(at), Strong: strong})
	set := newSet(children, engines)
	for i, v := range set.validators {
		if strong && v.Name == "code" {
			set.validators[i].Version += ".strong" // it judges what it could not
		}
	}
	return set, children
}

// readsOfChildren are the folders that children read while they start: where
// compiled engines lie. An engine says itself what it lacks.
func readsOfChildren(at dialect.Config) []string {
	reads := dialect.Reads(at)
	if cache, err := wasm.OpenCache(); err == nil {
		reads = append(reads, cache.Dir)
	}
	return reads
}

// All lists the validators.
func (s *Set) All() []Validator { return slices.Clone(s.validators) }

// Named returns the validator of that name.
func (s *Set) Named(name string) (Validator, error) {
	for _, v := range s.validators {
		if v.Name == name {
			return v, nil
		}
	}
	return Validator{}, fault.Say(fault.NotFound, "There is no validator of this name. There are: %s.", strings.Join(s.names(), ", "))
}

func (s *Set) names() []string {
	var names []string
	for _, v := range s.validators {
		names = append(names, v.Name)
	}
	return names
}

// For returns the validator of a kind of artifact, false when there is none.
func (s *Set) For(kind string) (Validator, bool) {
	for _, v := range s.validators {
		if slices.Contains(v.Kinds, kind) {
			return v, true
		}
	}
	return Validator{}, false
}

// Choose returns the validator that was named or, without a name, the one for
// the artifact's kind.
func (s *Set) Choose(name string, in Input) (Validator, error) {
	if name != "" {
		return s.Named(name)
	}
	kind, err := in.Kind()
	if err != nil {
		return Validator{}, err
	}
	v, ok := s.For(kind)
	if !ok {
		return Validator{}, fault.Say(fault.Invalid, "No validator looks at artifacts of this kind. There are: %s.", strings.Join(s.Kinds(), ", "))
	}
	return v, nil
}

// Kinds lists the kinds of artifact that some validator looks at.
func (s *Set) Kinds() []string {
	var kinds []string
	for _, v := range s.validators {
		kinds = append(kinds, v.Kinds...)
	}
	return kinds
}

// Capabilities says what the sandbox enforces here.
func (s *Set) Capabilities(ctx context.Context) (sandbox.Capabilities, error) {
	return s.box.Capabilities(ctx)
}

// Languages says of each language that programs are judged in whether this
// machine can: "", or why not.
func Languages() map[string]string {
	found := map[string]string{}
	for _, l := range code.Languages {
		found[l.Name] = ""
		if err := l.Missing(); err != nil {
			found[l.Name] = cmp.Or(fault.Words(err), err.Error())
		}
	}
	return found
}

// Check judges one input. Its error means infrastructure alone, or an input
// that is none (fault.Invalid); whatever an engine could not find out is
// inconclusive.
func (s *Set) Check(ctx context.Context, v Validator, in Input) (Verdict, error) {
	in = in.as(v)
	kind, err := in.Kind()
	if err != nil {
		return Verdict{}, err
	}
	hash, err := in.Hash()
	if err != nil {
		return Verdict{}, err
	}
	tier, err := s.box.Capabilities(ctx)
	if err != nil {
		return Verdict{}, err
	}
	if len(tier.Broken) > 0 {
		return Verdict{}, fault.Say(fault.Unavailable, "The sandbox does not hold on this machine: %s. Nothing is judged in it.", strings.Join(tier.Broken, "; "))
	}
	began := time.Now()
	clock := &timed{Sandbox: s.box}
	o := Opinion{Verdict: Inconclusive, Reason: ReasonKind, Message: fmt.Sprintf("The validator %s does not look at artifacts of this kind.", v.Name)}
	if slices.Contains(v.Kinds, kind) {
		if o, err = v.check(ctx, clock, in); err != nil {
			return Verdict{}, fmt.Errorf("check with %s: %w", v.Name, err)
		}
	}
	elapsed := cmp.Or(clock.spent, time.Since(began))
	if in.Redacted && o.Verdict == Fail {
		o.Verdict, o.Reason = Inconclusive, ReasonRedacted
		o.Message = "Something private in the artifact was replaced before it was stored, so that this may be no fault of the response: " + o.Message
	}
	ran, limits := tier.String(), v.Limits
	if o.Bounds != nil && o.Bounds.Tier != "" {
		elapsed = time.Since(began) // its engine worked beside the sandbox
	}
	if o.Bounds != nil {
		ran, limits = cmp.Or(o.Bounds.Tier, ran), o.Bounds.Limits
	}
	return Verdict{
		ID: in.ID, Validator: v.Name, Version: v.Version, Verdict: o.Verdict, Reason: o.Reason, Message: plain(o.Message, maxMessage),
		Evidence: namingFixture(evidence(o.Evidence), in.fixture), InputHash: hash, Sandbox: ran, Limits: limitsOf(limits),
		ElapsedMS: float64(elapsed.Microseconds()) / 1000, At: began.UTC(),
	}, nil
}

// timed adds up what a check spends in the sandbox; waiting for a free place is
// no part of it.
type timed struct {
	Sandbox
	spent time.Duration
}

func (t *timed) Run(ctx context.Context, job sandbox.Job) (sandbox.Result, error) {
	r, err := t.Sandbox.Run(ctx, job)
	t.spent += r.Elapsed
	return r, err
}

func limitsOf(l sandbox.Limits) Limits {
	return Limits{WallMS: l.Wall.Milliseconds(), MemoryMB: l.Memory >> 20, OutputKB: l.Output >> 10}
}

// Reasons that every validator may give.
const (
	ReasonKind        = "unsupported_kind"
	ReasonRedacted    = "redacted"
	ReasonInput       = "invalid_input"
	ReasonUnsupported = "unsupported"
)

// ended turns the end of a job without an answer into an opinion: nothing is
// known about the input but that.
func ended(r sandbox.Result, l sandbox.Limits) Opinion {
	o := Opinion{Verdict: Inconclusive, Reason: string(r.End)}
	switch r.End {
	case sandbox.OutOfTime:
		o.Message = fmt.Sprintf("It was not done after %s.", seconds(l.Wall))
	case sandbox.OutOfMemory:
		o.Message = fmt.Sprintf("It needed more than %d MiB of memory.", l.Memory>>20)
	case sandbox.TooMuchSaid:
		o.Message = fmt.Sprintf("It said more than %d KiB.", l.Output>>10)
	default:
		o.Message = "The sandbox's child ended before it had an answer."
	}
	return o
}

func seconds(d time.Duration) string {
	return strings.TrimSuffix(strings.TrimSuffix(fmt.Sprintf("%.1f", d.Seconds()), ".0"), ".") + " s"
}

const (
	maxMessage  = 1_000
	maxEvidence = 96 << 10
)

// evidence writes what a person can look at. What is too large to read is left
// out and said to be.
func evidence(value any) json.RawMessage {
	if value == nil {
		return json.RawMessage(`{}`)
	}
	text, err := json.Marshal(value)
	if err != nil || len(text) > maxEvidence {
		return json.RawMessage(`{"cut":true}`)
	}
	return text
}

// namingFixture adds to evidence which version of a fixture it rests on.
func namingFixture(text json.RawMessage, f *held) json.RawMessage {
	var fields map[string]json.RawMessage
	if f == nil || json.Unmarshal(text, &fields) != nil {
		return text
	}
	fields["fixture"], _ = json.Marshal(f.String())
	named, err := json.Marshal(fields)
	if err != nil {
		return text
	}
	return named
}

// plain keeps a message to one paragraph of readable length.
func plain(text string, length int) string {
	text = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r == '\r' {
			return ' '
		}
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "�"))
	return clip(text, length)
}

// clip cuts a text after so many runes.
func clip(text string, length int) string {
	if len(text) <= length {
		return text
	}
	runes := []rune(text)
	if len(runes) <= length {
		return text
	}
	return string(runes[:length]) + "…"
}

// byVerdict orders for reading: what is grave first, then by name.
func byVerdict(a, b Verdict) int {
	return cmp.Or(cmp.Compare(a.gravity(), b.gravity()), cmp.Compare(a.Validator, b.Validator))
}
