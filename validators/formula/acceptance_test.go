package formula

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"testing"
)

// The bars a validator of formulas must hold on values that Excel computed.
const (
	falseFailBar    = 0.005
	falsePassBar    = 0.001
	inconclusiveBar = 0.10
)

// sharedData is where the data of third parties lies, beside the checkout.
const sharedData = "../../../shared/data"

// jsonLines reads one JSON object a line, or passes the test over when the data
// are not there.
func jsonLines[T any](t testing.TB, name string) []T {
	t.Helper()
	if _, err := os.Stat(sharedData); err != nil {
		t.Skip("the shared data do not lie beside this checkout")
	}
	f, err := os.Open(filepath.Join(sharedData, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []T
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var v T
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out = append(out, v)
	}
	return out
}

type excelSheet struct {
	Sheet string
	Cells map[string]map[string]any
}

type excelCase struct {
	Sheet, Cell, Formula string
	Expected             any
}

type portedCase struct {
	Function, Formula string
	Expected          any
}

// tallyOf counts what came of the cases of one way of asking.
type tallyOf struct {
	name                                     string
	cases                                    int
	falseFail, inconclusive, wrong, falsPass int
	failed                                   []string
}

// perturbed are values that are wrong where v is right.
func perturbed(v any) []any {
	switch v := v.(type) {
	case float64:
		if v == 0 {
			return []any{1.0, -0.01}
		}
		wrong := []any{v * 1.001, -v, v * 10}
		if !closeTo(v, v+1, 1e-5) {
			wrong = append(wrong, v+1)
		}
		return wrong
	case bool:
		return []any{!v}
	case string:
		if errorNamed(v) == 0 {
			return []any{v + "x", strings.ToUpper(v) + "é"}
		}
		for _, other := range []string{"#N/A", "#VALUE!", "#NUM!"} {
			if other != v {
				return []any{other, 0.0}
			}
		}
	}
	return nil
}

func (y *tallyOf) ask(in Input, want any, check func(Input) Outcome) Outcome {
	y.cases++
	in.Expected = &Expected{Value: want, Tolerance: 1e-6}
	out := check(in)
	switch out.Verdict {
	case Fail:
		y.falseFail++
		y.failed = append(y.failed, fmt.Sprintf("%s %s: %s", in.Cell, in.Formula, out.Message))
	case Inconclusive:
		y.inconclusive++
	}
	for _, wrong := range perturbed(want) {
		y.wrong++
		in.Expected = &Expected{Value: wrong, Tolerance: 1e-6}
		if check(in).Verdict == Pass {
			y.falsPass++
			y.failed = append(y.failed, fmt.Sprintf("%s %s passes as %v", in.Cell, in.Formula, wrong))
		}
	}
	return out
}

func (y *tallyOf) row() string {
	share := func(n, of int) string {
		return fmt.Sprintf("%d of %d (%.2f %%)", n, of, 100*float64(n)/float64(max(of, 1)))
	}
	return fmt.Sprintf("%-34s right: pass %d, fail %s, inconclusive %s; wrong: pass %s", y.name,
		y.cases-y.falseFail-y.inconclusive, share(y.falseFail, y.cases), share(y.inconclusive, y.cases), share(y.falsPass, y.wrong))
}

func (y *tallyOf) holdsBars(t *testing.T) {
	t.Helper()
	t.Log(y.row())
	if float64(y.falseFail) > falseFailBar*float64(y.cases) || float64(y.falsPass) > falsePassBar*float64(y.wrong) ||
		float64(y.inconclusive) > inconclusiveBar*float64(y.cases) || y.cases == 0 {
		t.Errorf("%s: the bars are not held", y.name)
	}
	for i, line := range y.failed {
		if i < 20 {
			t.Log(line)
		}
	}
}

func TestAcceptanceOnExcelsOwnValues(t *testing.T) {
	typed, plain := map[string]any{}, map[string]any{}
	for _, s := range jsonLines[excelSheet](t, "formulas-poi/sheets.jsonl") {
		for address, cell := range s.Cells {
			key := quoteSheet(s.Sheet) + "!" + address
			typed[key] = map[string]any(cell)
			plain[key] = cell["v"]
		}
	}
	cases := jsonLines[excelCase](t, "formulas-poi/cases.jsonl")
	for _, way := range []struct {
		name string
		in   Input
	}{
		{"Excel's file, read as a file", Input{Cells: typed, Entered: EnteredIntersect}},
		{"Excel's file, reading not said", Input{Cells: typed}},
		{"Excel's file, values only", Input{Cells: plain}},
	} {
		y := &tallyOf{name: way.name}
		book, err := Open(Sheet{Cells: way.in.Cells, Entered: way.in.Entered, Name: "EverythingTests"})
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range cases {
			check := func(in Input) Outcome { return book.Check(t.Context(), in) }
			if i%50 == 0 { // now and then from the input up
				check = func(in Input) Outcome { return Check(t.Context(), in) }
			}
			way.in.Formula, way.in.Cell = c.Formula, quoteSheet(c.Sheet)+"!"+c.Cell
			y.ask(way.in, c.Expected, check)
		}
		y.holdsBars(t)
	}
}

// Where the ported set and Excel part ways, and why Excel is followed.
var partings = []struct {
	pattern *regexp.Regexp
	cause   string
}{
	{regexp.MustCompile(`=ARABIC\( \)`), "written with something Excel would not accept"},
	{regexp.MustCompile(`^=(TAN|COT|SEC|CSC)\(`), "a pole of a double near π is no pole: Excel gives the large number"},
	{regexp.MustCompile(`^=(FV|PV|PMT|NPER|IPMT|PPMT)\(.*,(2|-1)\)$`), "any due date but 0 counts as 1 in Excel"},
	{regexp.MustCompile(`^=ISPMT\(`), "ISPMT takes any period in Excel"},
	{regexp.MustCompile(`^=PERCENTRANK\(`), "Excel cuts the rank, it does not round"},
	{regexp.MustCompile(`^=SUMSQ\(`), "a boolean written out counts, as Excel's own file shows"},
	{regexp.MustCompile(`^=(COMBIN|COMBINA)\(1,TRUE\)`), "a boolean is a number where no add-in asks"},
	{regexp.MustCompile(`^=BETA(DIST|INV)\(`), "bounds the wrong way round, or beyond any use"},
	{regexp.MustCompile(`^=T\.DIST\.RT\(-`), "a tail has no lower bound for x"},
	{regexp.MustCompile(`^=RATE\(1,1,8000\)`), "a rate below -100 % is no rate"},
	{regexp.MustCompile(`^=CUMPRINC\(0\.0075,360`), "the periods are out of order, which is #NUM!"},
	{regexp.MustCompile(`^=CORREL\(3,9\)`), "one pair has no spread, which is #DIV/0!"},
	{regexp.MustCompile(`^=COMPLEX\(0,0\)`), "zero is written 0"},
	{regexp.MustCompile(`^=MROUND\(, `), "the functions of the old add-in take no empty argument"},
}

// causeOf explains a disagreement with the ported set, or returns "".
func causeOf(c portedCase, out Outcome) string {
	switch out.Reason {
	case ReasonParse:
		return "written with something Excel would not accept"
	case ReasonTrial:
		return "no solution is expected, as its search gave up; it has one"
	case ReasonName:
		return "a text without quotation marks is a name to Excel"
	case ReasonType:
		return "expected as a text where Excel gives a number"
	}
	got, ok1 := out.Evidence.Value.(float64)
	want, ok2 := c.Expected.(float64)
	if ok1 && ok2 && math.Abs(got-want) <= 1.0000001*lastPlace(want) {
		return "the expectation is written with fewer digits than the tolerance asks"
	}
	for _, p := range partings {
		if p.pattern.MatchString(c.Formula) {
			return p.cause
		}
	}
	return ""
}

// lastPlace is the worth of the last digit a number is written with.
func lastPlace(f float64) float64 {
	s := strconv.FormatFloat(f, 'e', -1, 64)
	mantissa, power, _ := strings.Cut(s, "e")
	exponent, _ := strconv.Atoi(power)
	_, decimals, _ := strings.Cut(mantissa, ".")
	return math.Pow(10, float64(exponent-len(decimals)))
}

func TestAcceptanceOnPortedValues(t *testing.T) {
	y := &tallyOf{name: "ported set, no cells"}
	causes := map[string]int{}
	for _, c := range jsonLines[portedCase](t, "formulas-phpspreadsheet/cases.jsonl") {
		out := y.ask(Input{Formula: c.Formula}, c.Expected, func(in Input) Outcome { return Check(t.Context(), in) })
		if out.Verdict == Pass {
			continue
		}
		cause := causeOf(c, out)
		if cause == "" {
			t.Errorf("%s: expected %v, got %v, and nothing explains it: %s", c.Formula, c.Expected, out.Evidence.Value, out.Message)
		}
		causes[cause]++
	}
	t.Log(y.row())
	var lines []string
	for cause, n := range causes {
		lines = append(lines, fmt.Sprintf("%4d  %s", n, cause))
	}
	sort.Sort(sort.Reverse(sort.StringSlice(lines)))
	for _, line := range lines {
		t.Log(line)
	}
	if float64(y.falsPass) > falsePassBar*float64(y.wrong) || float64(y.inconclusive) > inconclusiveBar*float64(y.cases) {
		t.Error("the bars for wrong values and for no answer are not held")
	}
}
