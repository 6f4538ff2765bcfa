package formula

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name, input, verdict, reason string
	}{
		{"the expected value", `{"formula":"=SUM(A1:A3)","cell":"B1","cells":{"A1":1,"A2":2,"A3":3},"expected":{"value":6,"tolerance":1e-9}}`, Pass, ReasonEqual},
		{"another sheet", `{"formula":"=A1&Sheet2!C3","cell":"B1","cells":{"A1":1,"Sheet2!C3":"x"},"expected":{"value":"1x"}}`, Pass, ReasonEqual},
		{"a wrong value", `{"formula":"=SUM(A1:A2)","cell":"B1","cells":{"A1":1,"A2":2,"A3":3},"expected":{"value":6}}`, Fail, ReasonWrongValue},
		{"the expected error", `{"formula":"=A1/A2","cell":"B1","cells":{"A1":1,"A2":0},"expected":{"error":"#DIV/0!"}}`, Pass, ReasonEqual},
		{"another error", `{"formula":"=A1/A2","cell":"B1","cells":{"A1":1,"A2":0},"expected":{"error":"#N/A"}}`, Fail, ReasonWrongError},
		{"an error for a value", `{"formula":"=A1/A2","cell":"B1","cells":{"A1":1,"A2":0},"expected":{"value":1}}`, Fail, ReasonErrorValue},
		{"no expected value", `{"formula":"=SUM(A1:A3)","cells":{"A1":1}}`, Pass, ReasonEvaluates},
		{"no expected value and an error", `{"formula":"=1/0"}`, Inconclusive, ReasonErrorValue},
		{"does not parse", `{"formula":"=SUM(A1"}`, Fail, ReasonParse},
		{"invented function", `{"formula":"=SUMALL(A1:A3)","cells":{"A1":1}}`, Fail, ReasonFunction},
		{"invented function behind IFERROR", `{"formula":"=IFERROR(SUMALL(A1),7)","cells":{"A1":1},"expected":{"value":7}}`, Pass, ReasonEqual},
		{"too few arguments", `{"formula":"=VLOOKUP(A1,B1:C3)","cells":{"A1":1}}`, Fail, ReasonArguments},
		{"depends on itself", `{"formula":"=SUM(A1:A3)","cell":"A2","cells":{"A1":1,"A3":3},"expected":{"value":4}}`, Fail, ReasonCircular},
		{"a circle over two cells", `{"formula":"=B1+1","cell":"A1","cells":{"B1":"=A1+1"}}`, Fail, ReasonCircular},
		{"the time", `{"formula":"=TODAY()","expected":{"value":45306}}`, Inconclusive, ReasonVolatile},
		{"the time, given", `{"formula":"=TODAY()","now":"2024-01-15T10:00:00Z","expected":{"value":45306}}`, Pass, ReasonEqual},
		{"chance", `{"formula":"=RAND()","now":"2024-01-15T10:00:00Z"}`, Inconclusive, ReasonVolatile},
		{"the network", `{"formula":"=WEBSERVICE(\"http://x\")"}`, Inconclusive, ReasonExternal},
		{"another workbook", `{"formula":"=[Book2.xlsx]Sheet1!A1"}`, Inconclusive, ReasonExternal},
		{"the file's name", `{"formula":"=CELL(\"filename\")"}`, Inconclusive, ReasonExternal},
		{"a function we do not compute", `{"formula":"=FORECAST.ETS(1,A1:A3,B1:B3)","cells":{"A1":1}}`, Inconclusive, ReasonUnsupported},
		{"a volatile branch not taken", `{"formula":"=IF(A1>0,1,NOW())","cells":{"A1":1},"expected":{"value":1}}`, Pass, ReasonEqual},
		{"a name nobody gave", `{"formula":"=Total*2","expected":{"value":4}}`, Inconclusive, ReasonName},
		{"a name that was given", `{"formula":"=Total*2","names":{"Total":"=A1"},"cells":{"A1":2},"expected":{"value":4}}`, Pass, ReasonEqual},
		{"the same in another type", `{"formula":"=TEXT(A1,\"0\")","cells":{"A1":5},"expected":{"value":5}}`, Inconclusive, ReasonType},
		{"a date as text", `{"formula":"=DATE(2024,1,15)","expected":{"value":"2024-01-15"}}`, Inconclusive, ReasonType},
		{"an empty expectation", `{"formula":"=1+1","expected":{}}`, Pass, ReasonEvaluates},
		{"cells nobody gave", `{"formula":"=A1+1","expected":{"value":4}}`, Inconclusive, ReasonCells},
		{"an empty cell among given ones", `{"formula":"=A1+B9","cell":"C1","cells":{"A1":1,"B1":2},"expected":{"value":3}}`, Fail, ReasonWrongValue},
		{"a table", `{"formula":"=SUM(T[Qty])","tables":[{"name":"T","ref":"A1:A3"}],"cells":{"A1":"Qty","A2":2,"A3":3},"expected":{"value":5}}`, Pass, ReasonEqual},
		{"a spill", `{"formula":"=SORT(A1:A3)","cell":"C1","cells":{"A1":3,"A2":1,"A3":2},"expected":{"value":[[1],[2],[3]]}}`, Pass, ReasonEqual},
		{"a wrong spill", `{"formula":"=SORT(A1:A3)","cell":"C1","cells":{"A1":3,"A2":1,"A3":2},"expected":{"value":[[1],[3],[2]]}}`, Fail, ReasonWrongValue},
		{"the first of a spill", `{"formula":"=UNIQUE(A1:A3)","cell":"C1","cells":{"A1":3,"A2":1,"A3":3},"expected":{"value":3}}`, Pass, ReasonEqual},
		{"a stored formula", `{"formula":"=A1:A3*10","cell":"B2","cells":{"A1":1,"A2":2,"A3":3},"expected":{"value":20}}`, Pass, ReasonEqual},
		{"readings that differ", `{"formula":"=SUM(A1:A3*2)","cell":"B2","cells":{"A1":1,"A2":2,"A3":3},"expected":{"value":4}}`, Inconclusive, ReasonReading},
		{"the dynamic reading", `{"formula":"=SUM(A1:A3*2)","cell":"B2","entered":"dynamic","cells":{"A1":1,"A2":2,"A3":3},"expected":{"value":4}}`, Fail, ReasonWrongValue},
		{"entered as an array", `{"formula":"=SUM(A1:A3*2)","cell":"B2","entered":"array","cells":{"A1":1,"A2":2,"A3":3},"expected":{"value":12}}`, Pass, ReasonEqual},
		{"in braces", `{"formula":"{=SUM(A1:A3*2)}","cell":"B2","entered":"intersect","cells":{"A1":1,"A2":2,"A3":3},"expected":{"value":12}}`, Pass, ReasonEqual},
		{"a comma for decimals", `{"formula":"=SUM(1,5;2)","locale":"de-DE","expected":{"value":3.5}}`, Pass, ReasonEqual},
		{"a function in German", `{"formula":"=SUMME(1;2)","locale":"de-DE","expected":{"value":3}}`, Inconclusive, ReasonUnsupported},
		{"semicolons and no locale", `{"formula":"=IF(A1>1;\"yes\";\"no\")","cells":{"A1":2},"expected":{"value":"yes"}}`, Pass, ReasonEqual},
		{"a blank result", `{"formula":"=A9","cells":{"A1":1},"expected":{"value":null}}`, Pass, ReasonEqual},
		{"arithmetic noise at zero", `{"formula":"=SIN(PI())","expected":{"value":0}}`, Pass, ReasonEqual},
		{"R1C1", `{"formula":"=RC[-1]*2","cell":"B1","notation":"R1C1","cells":{"A1":4},"expected":{"value":8}}`, Pass, ReasonEqual},
		{"typed cells", `{"formula":"=A1&B1","cell":"C1","cells":{"A1":{"v":"TRUE","t":"string"},"B1":{"v":1,"t":"boolean"}},"expected":{"value":"TRUETRUE"}}`, Pass, ReasonEqual},
		{"a range of cells at once", `{"formula":"=SUM(A1:B2)","cell":"C1","cells":{"A1:B2":[[1,2],[3,4]]},"expected":{"value":10}}`, Pass, ReasonEqual},
		{"nonsense for an address", `{"formula":"=1","cells":{"Q":1}}`, Inconclusive, ReasonInput},
		{"nonsense for a cell", `{"formula":"=1","cell":"here"}`, Inconclusive, ReasonInput},
		{"nonsense for an error", `{"formula":"=1","expected":{"error":"#WRONG"}}`, Inconclusive, ReasonInput},
		{"a sheet nobody gave", `{"formula":"=Other!A1","cells":{"A1":1},"expected":{"value":1}}`, Inconclusive, ReasonInput},
		{"an empty formula", `{"formula":""}`, Fail, ReasonParse},
		{"a name Excel gives #NAME? for", `{"formula":"=NOPE(1)","expected":{"error":"#NAME?"}}`, Pass, ReasonEqual},
	} {
		var in Input
		if err := json.Unmarshal([]byte(c.input), &in); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		out := Check(t.Context(), in)
		if out.Verdict != c.verdict || out.Reason != c.reason {
			t.Errorf("%s: want %s (%s), got %s (%s): %s", c.name, c.verdict, c.reason, out.Verdict, out.Reason, out.Message)
		}
		if out.Message == "" || !strings.HasSuffix(out.Message, ".") && !strings.HasSuffix(out.Message, "?") {
			t.Errorf("%s: the message is no sentence: %q", c.name, out.Message)
		}
		if _, err := json.Marshal(out); err != nil {
			t.Errorf("%s: the outcome is no JSON: %v", c.name, err)
		}
	}
}

func TestCheckStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	begun := time.Now()
	out := Check(ctx, Input{Formula: "=REDUCE(0,SEQUENCE(1000000),LAMBDA(a,b,a+b))"})
	if out.Verdict != Inconclusive || out.Reason != ReasonTimeout && out.Reason != ReasonStepLimit {
		t.Errorf("want a timeout, got %s (%s)", out.Verdict, out.Reason)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it took %s to stop", took)
	}
}

func TestCompare(t *testing.T) {
	for _, c := range []struct {
		got, want Value
		tolerance float64
		equal     bool
	}{
		{NumberOf(1), NumberOf(1 + 1e-10), 0, true},
		{NumberOf(1), NumberOf(1.001), 0, false},
		{NumberOf(1000), NumberOf(1000.5), 1e-3, true},
		{NumberOf(1e-17), NumberOf(0), 0, true},
		{NumberOf(3e-15), NumberOf(3.3e-15), 0, false},
		{TextOf("a"), TextOf("A"), 0, false},
		{TextOf("1.5+2i"), TextOf("1.50000000000001+2i"), 0, true},
		{BooleanOf(true), NumberOf(1), 0, false},
		{ErrorOf(ErrNA), ErrorOf(ErrNA), 0, true},
		{ErrorOf(ErrNA), ErrorOf(ErrNum), 0, false},
		{NumberOf(0), Value{}, 0, true},
		{TextOf(""), Value{}, 0, true},
	} {
		if got := Compare(c.got, c.want, c.tolerance); got.Equal != c.equal {
			t.Errorf("%v against %v: want %v, got %v (%s)", c.got, c.want, c.equal, got.Equal, got.Why)
		}
	}
}
