package formula

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// endsWithin is more than any formula may take: the budget ends it long before.
const endsWithin = 20 * time.Second

func TestHostileFormulasEnd(t *testing.T) {
	far := map[string]any{"A1": 1, "B2": "x", "C3": 3.5, "XFD1048576": 9}
	long := strings.Repeat("a", 250)
	nested := "1"
	for i := 0; i < 63; i++ {
		nested = "IF(A1," + nested + ",0)"
	}
	double := `=LET(a,"xxxxxxxx"`
	for i := 0; i < 40; i++ {
		double += fmt.Sprintf(",v%d_,%s&%s", i, map[bool]string{true: "a", false: fmt.Sprintf("v%d_", i-1)}[i == 0], map[bool]string{true: "a", false: fmt.Sprintf("v%d_", i-1)}[i == 0])
	}
	double += ",LEN(v39_))"
	for _, formula := range []string{
		`=REPT(REPT("x",32767),32767)`,
		`=LEN(REPT(REPT("x",181),181))`,
		`=SUBSTITUTE(REPT("a",32767),"a",REPT("b",32767))`,
		double,
		`=REDUCE("x",SEQUENCE(1000),LAMBDA(a,b,a&a))`,
		`=REDUCE(SEQUENCE(1000),SEQUENCE(10000),LAMBDA(a,b,VSTACK(a,a)))`,
		"=SUM(A:XFD)", "=COUNTBLANK(A:XFD)", "=A:XFD*2", "=SUMPRODUCT(A:XFD*A:XFD)", "=SUM(LEN(A:XFD))", `=TEXTJOIN("",FALSE,A:XFD)`, "=CONCAT(A:XFD)", "=SORT(A:XFD)", "=UNIQUE(A:XFD)",
		"=TRANSPOSE(A:XFD)", "=FILTER(A:XFD,A:A=1)", "=TOCOL(A:XFD)", "=INDEX(A:XFD,SEQUENCE(1000000),1)", "=VLOOKUP(A:A,A:XFD,2,FALSE)", "=MMULT(A:A,1:1)", "=SUM(A1:XFD1048576)", "=SUM(A1:XFD1048576*1)", `=COUNTIF(A:XFD,"*")`, `=SUMIFS(A:A,A:A,A:A)`,
		"=BYROW(A:A,LAMBDA(r,SUM(r)))", "=MAP(A:XFD,LAMBDA(x,x))", "=ROW(A:A)+COLUMN(1:1)", "=XLOOKUP(A:A,A:A,A:A)",
		"=SEQUENCE(1048576,16384)", "=MUNIT(1000000)", "=MAKEARRAY(100000,10000,LAMBDA(r,c,r*c))", "=EXPAND(1,1048576,16384)", "=MDETERM(SEQUENCE(1000,1000))", "=MINVERSE(SEQUENCE(900,900))", "=LINEST(SEQUENCE(2000),SEQUENCE(2000,1500))",
		"=LET(f,LAMBDA(f,f(f)),f(f))", "=LET(f,LAMBDA(f,n,IF(n=0,0,f(f,n-1)+f(f,n-1))),f(f,60))", "=Loop", "=Ping(1)", "=LET(f,LAMBDA(f,n,f(f,n+1)&f(f,n+1)),f(f,0))",
		"=" + nested, "=" + strings.Repeat("(", 4000) + "1" + strings.Repeat(")", 4000), "=" + strings.Repeat("-", 8000) + "1", "=" + strings.Repeat("1+", 4000) + "1", "=1" + strings.Repeat("%", 8000),
		"=" + strings.Repeat("A1:", 2000) + "A1", "=SUM(" + strings.Repeat("A:A ", 2000) + "A:A)", "=(" + strings.Repeat("A:XFD,", 1300) + "A:XFD)", "=SUM((" + strings.Repeat("A:XFD,", 1300) + "A:XFD))", "=" + strings.Repeat("@", 8000) + "A1", "=A1" + strings.Repeat("#", 8000),
		"=" + strings.Repeat("x", 100000), "=\"" + strings.Repeat("\"\"", 100000) + "\"", "={" + strings.Repeat("1,", 4000) + "1}", strings.Repeat("{", 8000), strings.Repeat("[", 8000), strings.Repeat("'", 8001),
		"=FACT(1E300)", "=COMBIN(1E9,5E8)", "=PERMUT(1E300,1E299)", "=MULTINOMIAL(1000000,1000000)", "=BINOM.INV(1E15,0.5,0.999)", "=HYPGEOM.DIST(1E9,1E9,1E10,1E11,TRUE)", "=GAMMA.INV(0.3,1E10,1)", "=BETA.INV(0.3,1E10,1E10)", "=SUM(GAMMA.INV(0.3,SEQUENCE(100000),1))", "=SUM(T.INV(0.3,SEQUENCE(1000000)))",
		"=WORKDAY(1,2147483647)", "=SUM(WORKDAY(1,SEQUENCE(10000)*100))", "=SUM(NETWORKDAYS(0,SEQUENCE(10000)*200))", "=CUMIPMT(0.01,1E9,1,1,1E9,0)", "=VDB(1,0,1E9,0,1E9)", "=DB(1,0.1,1E9,1E9)", "=AMORDEGRC(1E9,1,2,0,1E9,0.15)", "=BESSELJ(1E8,99999)", "=BESSELK(1E-300,99999)", "=RATE(1E9,1,-1E9)",
		`=COUNTIF(A:A,"` + strings.Repeat("*a", 120) + `")`, `=SEARCH("` + strings.Repeat("*a", 120) + `b",REPT("a",32767))`, `=REGEXTEST(REPT("a",32767),"(a+)+$")`, `=REGEXTEST("a","((a{1,100}){1,100}){1,100}")`, `=REGEXREPLACE(REPT("a",32767),"a",REPT("b",1000))`, `=TEXTSPLIT(REPT("a,",16000),",")`, `=TEXTSPLIT(REPT("ab",16000),TEXTSPLIT(REPT("a,",9000),","))`,
		`=TEXT(1,REPT("0",255))`, `=TEXT(0.123456789,"?/?????????")`, `=TEXT(1E300,"0.000")`, `=FIXED(1E300,127)`, `=SUM(LEN(TEXT(SEQUENCE(1000000),"yyyy-mm-dd")))`, `=SUM(--TEXT(SEQUENCE(1000000),"0"))`, `=SUM(--ISNUMBER(SEARCH("` + long + `",SEQUENCE(1000000))))`,
		"=INDIRECT(REPT(\"A\",32767))", `=INDIRECT("INDIRECT(""A1"")")`, "=OFFSET(A1,1E300,1)", "=CHOOSE(1E300,1)", `=SUM(INDIRECT("A1:XFD1048576"))`, "=BASE(9007199254740991,2,255)", "=ROMAN(1E300)", "=DATE(1E300,1E300,1E300)", "=SORTBY(SEQUENCE(1000000),SEQUENCE(1000000),-1)", "=UNIQUE(SEQUENCE(1000000)&\"" + long + "\")",
		"=SERIESSUM(2,0,1,SEQUENCE(1048576))", "=FREQUENCY(SEQUENCE(1000000),SEQUENCE(100000))", "=SCAN(\"\",SEQUENCE(100000),LAMBDA(a,b,a&b))", "=PERCENTILE(SEQUENCE(1048576),0.5)", "=SUM(LARGE(SEQUENCE(1048576),SEQUENCE(1000)))", "=SUM(COUNTIF(A:A,SEQUENCE(1000000)))",
	} {
		before := allocated()
		begun := time.Now()
		out := Check(t.Context(), Input{Formula: formula, Cell: "Q50", Cells: far, Names: map[string]string{"Loop": "=Loop+1", "Ping": "=LAMBDA(x,Pong(x))", "Pong": "=LAMBDA(x,Ping(x))"}})
		took, grew := time.Since(begun), allocated()-before
		if took > endsWithin {
			t.Errorf("%.60s took %s", formula, took)
		}
		if grew > 3<<30 {
			t.Errorf("%.60s allocated %d MiB", formula, grew>>20)
		}
		if out.Reason == ReasonInternal {
			t.Errorf("%.60s: %s", formula, out.Message)
		}
		if testing.Verbose() && took > 500*time.Millisecond {
			t.Logf("%6.2f s %6d MiB %-14s %.70s", took.Seconds(), grew>>20, out.Reason, formula)
		}
	}
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

func TestHostileInputsEnd(t *testing.T) {
	for name, in := range map[string]Input{
		"a chain of cells":    {Formula: "=A1", Cell: "Z1", Cells: chain(20000)},
		"a circle of cells":   {Formula: "=A1", Cell: "Z1", Cells: map[string]any{"A1": "=B1", "B1": "=A1"}},
		"cells that explode":  {Formula: "=A1", Cell: "Z1", Cells: map[string]any{"A1": "=SUM(SEQUENCE(1000000)*B1)", "B1": "=REPT(\"9\",300)"}},
		"a cell that is odd":  {Formula: "=A1", Cells: map[string]any{"A1": []any{1, 2}}},
		"a wrong typed cell":  {Formula: "=A1", Cells: map[string]any{"A1": map[string]any{"v": map[string]any{}}}},
		"a bottomless table":  {Formula: "=SUM(T[a])", Tables: []Table{{Name: "T", Ref: "A1:XFD1048576"}}},
		"a table upside down": {Formula: "=SUM(T[a])", Tables: []Table{{Name: "T", Ref: "A1:A1", Totals: true}}, Cells: map[string]any{"A1": "a"}},
		"an odd time":         {Formula: "=NOW()", Now: "yesterday"},
		"an odd reading":      {Formula: "=1", Entered: "sideways"},
		"a deep expectation":  {Formula: "=1", Expected: &Expected{Value: []any{[]any{[]any{1.0}}}}},
		"a ragged one":        {Formula: "=1", Expected: &Expected{Value: []any{[]any{1.0}, []any{1.0, 2.0}}}},
		"an empty one":        {Formula: "=1", Expected: &Expected{Value: []any{}}},
	} {
		begun := time.Now()
		out := Check(context.Background(), in)
		if out.Reason == ReasonInternal || out.Verdict == "" || time.Since(begun) > endsWithin {
			t.Errorf("%s: %s (%s) after %s", name, out.Reason, out.Message, time.Since(begun))
		}
	}
}

// chain makes cells of which each refers to the next.
func chain(n int) map[string]any {
	cells := map[string]any{}
	for i := 1; i < n; i++ {
		cells[fmt.Sprintf("A%d", i)] = fmt.Sprintf("=A%d+1", i+1)
	}
	cells[fmt.Sprintf("A%d", n)] = 1
	return cells
}
