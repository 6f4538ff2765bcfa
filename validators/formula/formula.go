package formula

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Version names this evaluator; a verdict is kept under it.
const Version = "formula/1"

// Result is what evaluating one formula gave.
type Result struct {
	Value    Value // blank when Refused or Parse is set
	Parse    *ParseError
	Refused  *Refusal
	Trace    []Read
	Findings []Finding
	Steps    int
	Unknown  []Unknown // names nobody knows: the cause of a #NAME?
	Blocked  bool      // the value would spill over filled cells: a current Excel shows #SPILL!
	Coarse   float64   // the relative error Excel itself makes in the functions called; 0 for none
	Doubtful bool      // a solution was sought by trial, and Excel may find another or none
}

// Unknown is a function, name or table the workbook and Excel do not have.
type Unknown struct {
	Name     string
	Function bool
	Table    bool
}

// Evaluate computes one formula standing in a cell of a sheet. It never panics
// and always ends; where there is no value Result says why. For many formulas
// of one sheet, Open it once and use Workbook.Evaluate.
func Evaluate(ctx context.Context, s Sheet, cell, text string) Result {
	w, err := Open(s)
	if err != nil {
		return Result{Refused: &Refusal{ReasonInput, "The cells make no sense: " + err.Error() + "."}}
	}
	return w.Evaluate(ctx, cell, text, s.Entered)
}

// Evaluate computes one formula standing in a cell, in the reading given.
func (w *Workbook) Evaluate(ctx context.Context, cell, text string, entered Entered) Result {
	at, t, result := w.prepare(cell, text)
	if t == nil {
		return result
	}
	e := w.evaluator(ctx, entered)
	defer w.forget()
	value, refusal := e.run(t, at)
	result.Value, result.Refused, result.Steps = value, refusal, e.steps
	result.Blocked = w.blocked(value, at)
	result.Trace, result.Unknown, result.Coarse, result.Doubtful = e.readsOf(), e.unknowns(), e.coarse, e.doubtful
	return result
}

// blocked tells whether a spilling value meets a filled cell.
func (w *Workbook) blocked(v Value, at place) bool {
	if v.kind != KindArray {
		return false
	}
	spill := area{at.sheet, at.row, at.col, at.row + v.array().rows - 1, at.col + v.array().cols - 1}
	if !spill.valid() {
		return true
	}
	for k := range w.grids[at.sheet].cells {
		if p := (place{at.sheet, k >> 14, k & (1<<14 - 1)}); p != at && spill.contains(p) {
			return true
		}
	}
	return false
}

// prepare finds the cell and parses the text; a nil tree means that the result
// already says what is wrong.
func (w *Workbook) prepare(cell, text string) (place, *tree, Result) {
	at, ok := w.stands(cell)
	if !ok {
		return at, nil, Result{Refused: &Refusal{ReasonInput, fmt.Sprintf("“%s” is not the address of a cell.", clip(cell))}}
	}
	t, err := parse(text, w.locale, w.r1c1)
	if err != nil && w.sheet.Locale == "" && strings.Contains(text, ";") {
		// Nobody said which list separator is meant: take the other one if it fits.
		if other, second := parse(text, localeNamed("de-DE"), w.r1c1); second == nil {
			t, err = other, nil
		}
	}
	if err != nil {
		if err.ours {
			return at, nil, Result{Refused: &Refusal{ReasonDepthLimit, err.Message}}
		}
		return at, nil, Result{Parse: err}
	}
	return at, t, Result{}
}

// stands returns the cell a formula stands in. Without one it is put below and
// to the right of all that is filled, where it can be in nobody's way.
func (w *Workbook) stands(cell string) (place, bool) {
	if strings.TrimSpace(cell) != "" {
		return w.place(cell)
	}
	g := w.grids[0]
	return place{0, min(g.maxRow+1000, maxRows-1), min(g.maxCol+100, maxCols-1)}, true
}

func (w *Workbook) evaluator(ctx context.Context, entered Entered) *evaluator {
	return &evaluator{
		ctx: ctx, book: w, entered: entered, limits: w.sheet.Limits.withDefaults(),
		naming: map[string]bool{}, unnamed: map[string]node{}, texts: map[string]match{},
	}
}

// unknowns lists what gave a #NAME?, in order.
func (e *evaluator) unknowns() []Unknown {
	var out []Unknown
	for _, name := range slices.Sorted(maps.Keys(e.unnamed)) {
		u := Unknown{Name: name}
		switch n := e.unnamed[name].(type) {
		case *callNode:
			u.Name, u.Function = n.name, true
		case *tableNode:
			u.Table = true
		case *nameNode:
			u.Name = n.name
		}
		out = append(out, u)
	}
	return out
}

// coarseness is how exactly Excel computes some functions: by approximations of
// eight digits, or by steps that end when they no longer change the seventh.
var coarseness = map[string]float64{
	"BESSELI": 1e-7, "BESSELJ": 1e-7, "BESSELK": 1e-7, "BESSELY": 1e-7,
	"IRR": byTrial, "XIRR": byTrial, "RATE": byTrial, "YIELD": byTrial, "ODDFYIELD": byTrial,
}

// byTrial is the coarseness of what Excel seeks by trial, absolute where a tenth
// of it is more.
const byTrial = 1e-6
