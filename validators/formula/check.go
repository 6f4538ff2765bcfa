package formula

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Input is one formula with its surroundings, as JSON.
type Input struct {
	Formula  string            `json:"formula"`
	Cell     string            `json:"cell,omitempty"`
	Cells    map[string]any    `json:"cells,omitempty"`
	Sheets   []string          `json:"sheets,omitempty"` // from left to right
	Tables   []Table           `json:"tables,omitempty"`
	Names    map[string]string `json:"names,omitempty"`
	Locale   string            `json:"locale,omitempty"`
	Notation string            `json:"notation,omitempty"`
	Entered  Entered           `json:"entered,omitempty"`
	Now      string            `json:"now,omitempty"` // RFC 3339
	Date1904 bool              `json:"date1904,omitempty"`
	Limits   Limits            `json:"limits,omitzero"`
	Expected *Expected         `json:"expected,omitempty"`
}

// Expected is the right answer: a value (rows of values for what spills), or an
// error such as "#DIV/0!". Tolerance is relative; 0 means DefaultTolerance.
type Expected struct {
	Value     any     `json:"value,omitempty"`
	Error     string  `json:"error,omitempty"`
	Tolerance float64 `json:"tolerance,omitempty"`

	nothing bool // was an object without a value and without an error
}

// UnmarshalJSON tells an expected empty cell ("value":null) from no expectation.
func (x *Expected) UnmarshalJSON(text []byte) error {
	var in struct {
		Value     json.RawMessage `json:"value"`
		Error     string          `json:"error"`
		Tolerance float64         `json:"tolerance"`
	}
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	*x = Expected{Error: in.Error, Tolerance: in.Tolerance, nothing: in.Value == nil && in.Error == ""}
	if in.Value == nil {
		return nil
	}
	return json.Unmarshal(in.Value, &x.Value)
}

// The verdicts.
const (
	Pass         = "pass"
	Fail         = "fail"
	Inconclusive = "inconclusive"
)

// Reasons of outcomes that are no refusals.
const (
	ReasonEqual      = "equal"
	ReasonEvaluates  = "evaluates"
	ReasonWrongValue = "wrong_value"
	ReasonWrongError = "wrong_error"
	ReasonErrorValue = "error_value"
	ReasonFunction   = "unknown_function"
	ReasonName       = "unknown_name"
	ReasonType       = "type_differs"
	ReasonCells      = "needs_cells"
	ReasonReading    = "reading_differs"
	ReasonTrial      = "found_by_trial"
)

// Outcome is the verdict on one formula.
type Outcome struct {
	Verdict  string   `json:"verdict"`
	Reason   string   `json:"reason"`
	Message  string   `json:"message"`
	Evidence Evidence `json:"evidence"`
}

// Evidence is what a person needs to see for themselves.
type Evidence struct {
	Formula  string    `json:"formula"`
	Cell     string    `json:"cell,omitempty"`
	Value    any       `json:"value"`
	Type     string    `json:"type,omitempty"`
	Expected any       `json:"expected,omitempty"`
	Reading  Entered   `json:"reading,omitempty"`
	Trace    []Read    `json:"trace"`
	Findings []Finding `json:"findings"`
	Steps    int       `json:"steps"`
}

// Check judges one formula. It always ends and never panics; what it cannot
// know is inconclusive.
func Check(ctx context.Context, in Input) (out Outcome) {
	defer out.settle()
	out.Evidence = Evidence{Formula: clipTo(in.Formula, 2*maxFormulaLength), Cell: in.Cell}
	sheet, err := in.sheet()
	if err != nil {
		return out.with(Inconclusive, ReasonInput, sentence(err))
	}
	book, err := Open(sheet)
	if err != nil {
		return out.with(Inconclusive, ReasonInput, sentence(err))
	}
	return book.check(ctx, in, out)
}

// Check judges one formula by the cells of the workbook; those of the input
// only say whether any were given.
func (w *Workbook) Check(ctx context.Context, in Input) (out Outcome) {
	defer out.settle()
	out.Evidence = Evidence{Formula: clipTo(in.Formula, 2*maxFormulaLength), Cell: in.Cell}
	return w.check(ctx, in, out)
}

func (w *Workbook) check(ctx context.Context, in Input, out Outcome) Outcome {
	if in.Expected != nil && in.Expected.nothing {
		in.Expected = nil
	}
	j := judge{in: in, book: w, out: out}
	if in.Expected != nil {
		var err error
		if j.want, err = in.Expected.value(); err != nil {
			return out.with(Inconclusive, ReasonInput, sentence(err))
		}
		j.out.Evidence.Expected = j.want.Plain()
	}
	return j.decide(ctx)
}

// settle turns a defect of ours into an outcome and leaves no list null.
func (o *Outcome) settle() {
	if r := recover(); r != nil {
		*o = o.with(Inconclusive, ReasonInternal, fmt.Sprintf("The evaluator failed: %v.", r))
	}
	if o.Evidence.Trace == nil {
		o.Evidence.Trace = []Read{}
	}
	if o.Evidence.Findings == nil {
		o.Evidence.Findings = []Finding{}
	}
}

// sentence makes a clause about the input a sentence.
func sentence(err error) string { return "The input makes no sense: " + err.Error() + "." }

func clipTo(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

func (o Outcome) with(verdict, reason, message string) Outcome {
	o.Verdict, o.Reason, o.Message = verdict, reason, message
	return o
}

func (in Input) sheet() (Sheet, error) {
	s := Sheet{Order: in.Sheets, Cells: in.Cells, Tables: in.Tables, Names: in.Names, Locale: in.Locale, Notation: in.Notation,
		Entered: in.Entered, Date1904: in.Date1904, Limits: in.Limits}
	if in.Now != "" {
		t, err := time.Parse(time.RFC3339, in.Now)
		if err != nil {
			return s, fmt.Errorf("“%s” is not a time as RFC 3339 writes it", clip(in.Now))
		}
		s.Now = t
	}
	switch in.Entered {
	case EnteredEither, EnteredDynamic, EnteredIntersect, EnteredArray:
	default:
		return s, fmt.Errorf("“%s” is no way to enter a formula", clip(string(in.Entered)))
	}
	s.Name = in.home()
	return s, nil
}

// home is the sheet that addresses without one belong to: the one the formula
// stands on or, if all cells are on one sheet, that one.
func (in Input) home() string {
	if sheet, _ := splitSheet(in.Cell); sheet != "" {
		return sheet
	}
	name := ""
	for address := range in.Cells {
		sheet, _ := splitSheet(address)
		if sheet == "" || name != "" && !strings.EqualFold(name, sheet) {
			return ""
		}
		name = sheet
	}
	return name
}

// value reads the expected value.
func (x *Expected) value() (Value, error) {
	if x.Error != "" {
		code := errorNamed(strings.TrimSpace(x.Error))
		if code == 0 {
			return blank, fmt.Errorf("“%s” is not an Excel error", clip(x.Error))
		}
		return errorOf(code), nil
	}
	return plainValue(x.Value)
}

func plainValue(raw any) (Value, error) {
	switch v := raw.(type) {
	case nil:
		return blank, nil
	case Value:
		return v, nil
	case string:
		if code := errorNamed(v); code != 0 {
			return errorOf(code), nil
		}
		return TextOf(v), nil
	case json.RawMessage:
		var inner any
		if err := json.Unmarshal(v, &inner); err != nil {
			return blank, err
		}
		return plainValue(inner)
	case []any:
		return arrayValue(v)
	}
	c, err := readCell(raw)
	if err != nil {
		return blank, err
	}
	return c.value, nil
}

func arrayValue(list []any) (Value, error) {
	var rows [][]Value
	for _, raw := range list {
		inner, nested := raw.([]any)
		if !nested {
			inner = []any{raw}
		}
		row := make([]Value, len(inner))
		for i, raw := range inner {
			v, err := plainValue(raw)
			if err != nil {
				return blank, err
			}
			if v.kind == KindArray {
				return blank, fmt.Errorf("an expected value has at most rows and columns")
			}
			row[i] = v
		}
		if len(rows) > 0 && len(row) != len(rows[0]) || len(row) == 0 {
			return blank, fmt.Errorf("the rows of an expected value must be equally long")
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return blank, fmt.Errorf("an expected value without elements")
	}
	return arrayOf(rowsArray(rows)), nil
}

// judge carries one Check.
type judge struct {
	in   Input
	book *Workbook
	want Value
	out  Outcome
}

func (j *judge) decide(ctx context.Context) Outcome {
	j.out.Evidence.Findings = j.book.Findings(ctx, j.in.Cell, j.in.Formula)
	if end, done := j.unacceptable(); done {
		return end
	}
	if j.in.Entered != EnteredEither {
		return j.judged(j.book.Evaluate(ctx, j.in.Cell, j.in.Formula, j.in.Entered), j.in.Entered)
	}
	dynamic := j.book.Evaluate(ctx, j.in.Cell, j.in.Formula, EnteredDynamic)
	out := j.judged(dynamic, EnteredDynamic)
	if j.in.Expected == nil || j.want.kind == KindArray || strings.TrimSpace(j.in.Cell) == "" || !out.compared() {
		return out
	}
	spills := dynamic.Value.kind == KindArray
	if out.Verdict == Pass && !spills {
		return out
	}
	return j.reconciled(out, j.judged(j.book.Evaluate(ctx, j.in.Cell, j.in.Formula, EnteredIntersect), EnteredIntersect), spills)
}

// compared tells whether an outcome rests on the expected value.
func (o Outcome) compared() bool {
	switch o.Reason {
	case ReasonEqual, ReasonWrongValue, ReasonWrongError, ReasonErrorValue:
		return true
	}
	return false
}

// reconciled weighs the two readings of a formula nobody said how to read. One
// expected value for a formula that would spill is what its one cell shows
// where a range stands for one of its cells: there the stored reading decides.
// Where only the other reading agrees, nothing is certain.
func (j *judge) reconciled(dynamic, intersect Outcome, spills bool) Outcome {
	switch {
	case intersect.Verdict == Pass && spills:
		if dynamic.Verdict != Pass {
			intersect.Message += " It does so as a file stores it, with a range standing for one of its cells; typed into a current Excel it would spill."
		}
		return intersect
	case intersect.Verdict == Pass || dynamic.Verdict == Pass:
		return dynamic.with(Inconclusive, ReasonReading,
			"The formula gives the expected value in one reading and not in the other: as typed into a current Excel it spills, as a file stores it a range stands for one of its cells.")
	}
	return dynamic
}

// unacceptable ends with what Excel refuses to take in at all.
func (j *judge) unacceptable() (Outcome, bool) {
	for _, f := range j.out.Evidence.Findings {
		switch f.Kind {
		case FindParse:
			return j.out.with(Fail, ReasonParse, "Excel would not accept the formula. "+f.Message), true
		case FindArguments:
			return j.out.with(Fail, ReasonArguments, "Excel would not accept the formula. "+f.Message), true
		}
	}
	return j.out, false
}

// judged turns a result into an outcome.
func (j *judge) judged(r Result, reading Entered) Outcome {
	out := j.out
	out.Evidence.Steps, out.Evidence.Trace, out.Evidence.Reading = r.Steps, r.Trace, reading
	if r.Parse != nil {
		return out.with(Fail, ReasonParse, "Excel would not accept the formula. "+r.Parse.Message)
	}
	if r.Refused != nil {
		switch r.Refused.Reason {
		case ReasonCircular:
			return out.with(Fail, ReasonCircular, r.Refused.Message)
		case ReasonArguments:
			return out.with(Fail, ReasonArguments, "Excel would not accept the formula. "+r.Refused.Message)
		}
		return out.with(Inconclusive, r.Refused.Reason, r.Refused.Message)
	}
	out.Evidence.Value, out.Evidence.Type = r.Value.Plain(), r.Value.kind.String()
	if r.Blocked && reading != EnteredIntersect {
		out.Evidence.Findings = append(slices.Clone(out.Evidence.Findings), Finding{FindSpill,
			"The result would spill over filled cells; a current Excel shows #SPILL!.", 0, len(j.in.Formula)})
	}
	if end, done := j.unnamed(out, r); done {
		return end
	}
	if j.in.Expected == nil {
		return j.unexpected(out, r)
	}
	return j.compared(out, r)
}

// unnamed ends where a name is to blame: a function that does not exist is the
// formula's fault, a name or a table that nobody gave may be the input's.
func (j *judge) unnamed(out Outcome, r Result) (Outcome, bool) {
	expectedName := j.in.Expected != nil && j.want.Error() == ErrName
	for _, u := range r.Unknown {
		switch {
		case u.Function && !j.book.locale.english():
			return out.with(Inconclusive, ReasonUnsupported, fmt.Sprintf("%s may be a function's name in the language of the workbook.", clip(u.Name))), true
		case u.Function && r.Value.Error() == ErrName && !expectedName:
			message := fmt.Sprintf("Excel has no function %s.", clip(u.Name))
			if near := nearestFunction(u.Name); near != "" {
				message += " Was " + near + " meant?"
			}
			return out.with(Fail, ReasonFunction, message), true
		case !u.Function && !expectedName && (!u.Table && len(j.in.Names) == 0 || u.Table && len(j.in.Tables) == 0):
			return out.with(Inconclusive, ReasonName, fmt.Sprintf("“%s” is not defined in what was given.", clip(u.Name))), true
		}
	}
	return out, false
}

func (j *judge) unexpected(out Outcome, r Result) Outcome {
	if r.Value.isError() {
		return out.with(Inconclusive, ReasonErrorValue, fmt.Sprintf("The formula gives %s. Whether that is right only the expected value can tell.", r.Value))
	}
	return out.with(Pass, ReasonEvaluates, fmt.Sprintf("The formula evaluates and gives %s. There was no expected value to hold it against.", shown(r.Value)))
}

func (j *judge) compared(out Outcome, r Result) Outcome {
	c := Compare(r.Value, j.want, max(j.in.Expected.Tolerance, r.Coarse))
	if r.Blocked && j.want.Error() == ErrSpill {
		return out.with(Pass, ReasonEqual, "The formula gives #SPILL!, as expected: filled cells stand in its way.")
	}
	if r.Coarse >= byTrial && r.Value.isNumber() && j.want.isNumber() && math.Abs(r.Value.num-j.want.num) <= byTrial/10 {
		c.Equal = true
	}
	if c.Equal {
		return out.with(Pass, ReasonEqual, fmt.Sprintf("The formula gives %s, as expected.", shown(r.Value)))
	}
	if c.Type {
		return out.with(Inconclusive, ReasonType, "The formula is right but for the type: "+c.Why+".")
	}
	if j.byTrial(r) {
		return out.with(Inconclusive, ReasonTrial, fmt.Sprintf("The formula seeks a solution by trial, and Excel may end at another than %s.", shown(r.Value)))
	}
	if len(j.in.Cells) == 0 && len(r.Trace) > 0 {
		return out.with(Inconclusive, ReasonCells, "The formula reads cells, and none were given.")
	}
	reason := ReasonWrongValue
	switch {
	case r.Value.isError() && j.want.isError():
		reason = ReasonWrongError
	case r.Value.isError():
		reason = ReasonErrorValue
	}
	return out.with(Fail, reason, "The formula is wrong: "+c.Why+".")
}

// byTrial tells whether a difference may come from how Excel seeks a solution:
// it gives up after some steps, and XIRR then shows a number next to nothing.
func (j *judge) byTrial(r Result) bool {
	if r.Coarse < byTrial {
		return false
	}
	if r.Doubtful || j.want.Error() == ErrNum {
		return true
	}
	return j.want.isNumber() && j.want.num != 0 && math.Abs(j.want.num) < 1e-8
}
