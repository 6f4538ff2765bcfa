package formula

import "testing"

var fruit = map[string]any{
	"A1": "Fruit", "B1": "Price", "C1": "Count",
	"A2": "Apples", "B2": 0.69, "C2": 40,
	"A3": "Bananas", "B3": 0.34, "C3": 38,
	"A4": "Lemons", "B4": 0.55, "C4": 15,
	"A5": "Oranges", "B5": 0.25, "C5": 25,
	"A6": "Pears", "B6": 0.59, "C6": 40,
	"E1": 10, "E2": 20, "E3": 30, "E4": 40, "F1": "low", "F2": "mid", "F3": "high", "F4": "top",
	"H1": 5, "H2": 3, "H3": 1,
	"J1": "=SUM(E1:E2)",
}

func TestLookups(t *testing.T) {
	holdsIn(t, Sheet{Cells: fruit}, []fact{
		{`=VLOOKUP("Lemons",A2:C6,3,FALSE)`, 15}, {`=VLOOKUP("lem*",A2:C6,2,0)`, 0.55}, {`=VLOOKUP("Kiwi",A2:C6,2,FALSE)`, "#N/A"}, {`=VLOOKUP("Kiwi",A2:C6,1)`, "Bananas"},
		{`=VLOOKUP("Apples",A2:C6,4,FALSE)`, "#REF!"}, {`=VLOOKUP("Apples",A2:C6,0,FALSE)`, "#VALUE!"}, {"=VLOOKUP(25,E1:F4,2)", "mid"}, {"=VLOOKUP(5,E1:F4,2)", "#N/A"}, {"=VLOOKUP(99,E1:F4,2)", "top"},
		{`=VLOOKUP({"Pears";"Apples"},A2:C6,3,FALSE)`, rows{rows{40}, rows{40}}}, {`=VLOOKUP("Pears",A2:C6,{2,3},FALSE)`, rows{rows{0.59, 40}}}, {`=VLOOKUP("Pears",A:C,3,FALSE)`, 40},
		{`=HLOOKUP("Price",A1:C6,3,FALSE)`, 0.34}, {`=HLOOKUP("Nope",A1:C6,3,FALSE)`, "#N/A"}, {"=LOOKUP(25,E1:E4,F1:F4)", "mid"}, {"=LOOKUP(25,E1:F4)", "mid"}, {"=LOOKUP(5,E1:E4)", "#N/A"},
		{"=LOOKUP(2,1/(A2:A6=\"Lemons\"),C2:C6)", 15}, {`=LOOKUP("z",A2:A6)`, "Pears"},
		{"=MATCH(30,E1:E4)", 3}, {"=MATCH(35,E1:E4)", 3}, {"=MATCH(30,E1:E4,0)", 3}, {"=MATCH(31,E1:E4,0)", "#N/A"}, {"=MATCH(2,H1:H3,-1)", 2}, {`=MATCH("b*",A2:A6,0)`, 2}, {"=MATCH(1,E1:F4,0)", "#N/A"},
		{`=MATCH({"Pears","Lemons"},A2:A6,0)`, rows{rows{5, 3}}},
		{"=INDEX(B2:C6,2,1)", 0.34}, {"=INDEX(B2:C6,9,1)", "#REF!"}, {"=SUM(INDEX(B2:C6,0,2))", 158}, {"=INDEX({1,2;3,4},2,2)", 4}, {"=INDEX({1,2,3},2)", 2}, {"=INDEX(C2:C6,{1;3})", rows{rows{40}, rows{15}}},
		{"=INDEX((A2:A6,C2:C6),2,1,2)", 38}, {"=INDEX(B2:C3,1,0)", rows{rows{0.69, 40}}}, {`=INDEX(C2:C6,MATCH("Oranges",A2:A6,0))`, 25}, {"=INDEX(B2:C6,1)", "#REF!"}, {"=INDEX({1,2;3,4},2)", rows{rows{3, 4}}}, {"=INDEX(B2:C3*1,0)", rows{rows{0.69, 40}, rows{0.34, 38}}},
		{`=XLOOKUP("Lemons",A2:A6,C2:C6)`, 15}, {`=XLOOKUP("Kiwi",A2:A6,C2:C6,"none")`, "none"}, {`=XLOOKUP("Kiwi",A2:A6,C2:C6)`, "#N/A"}, {"=XLOOKUP(25,E1:E4,F1:F4,,-1)", "mid"}, {"=XLOOKUP(25,E1:E4,F1:F4,,1)", "high"},
		{`=XLOOKUP("*rs",A2:A6,C2:C6,,2)`, 40}, {`=XLOOKUP("Lemons",A2:A6,B2:C6)`, rows{rows{0.55, 15}}}, {"=XLOOKUP(40,C2:C6,A2:A6)", "Apples"}, {"=XLOOKUP(40,C2:C6,A2:A6,,0,-1)", "Pears"}, {`=XLOOKUP("Price",A1:C1,A3:C3)`, 0.34},
		{`=SUM(XLOOKUP("Bananas",A2:A6,C2:C6):XLOOKUP("Oranges",A2:A6,C2:C6))`, 78}, {`=XLOOKUP({"Pears";"x"},A2:A6,C2:C6,0)`, rows{rows{40}, rows{0}}},
		{"=XMATCH(25,E1:E4,1)", 3}, {"=XMATCH(25,E1:E4,-1)", 2}, {"=XMATCH(40,C2:C6,0,-1)", 5}, {`=XMATCH("b?nanas",A2:A6,2)`, 2},
		{"=OFFSET(A1,2,1)", 0.34}, {"=SUM(OFFSET(C2,0,0,3,1))", 93}, {"=SUM(OFFSET(C6,0,0,-2,1))", 65}, {"=OFFSET(A1,-1,0)", "#REF!"}, {`=INDIRECT("C"&3)`, 38}, {`=SUM(INDIRECT("C2:C4"))`, 93}, {`=INDIRECT("R3C3",FALSE)`, 38}, {`=INDIRECT("nope!A1")`, "#REF!"},
		{"=ROW(B7)", 7}, {"=COLUMN(D1)", 4}, {"=ROW()", 100}, {"=COLUMN()", 26}, {"=ROW(A2:A4)", rows{rows{2}, rows{3}, rows{4}}}, {"=ROWS(A1:C4)", 4}, {"=COLUMNS({1,2,3;4,5,6})", 3}, {"=AREAS((A1:B2,C1))", 2},
		{"=ADDRESS(2,3)", "$C$2"}, {"=ADDRESS(2,3,2)", "C$2"}, {"=ADDRESS(2,3,2,FALSE)", "R2C[3]"}, {`=ADDRESS(2,3,1,FALSE,"[Book1]Sheet1")`, "[Book1]Sheet1!R2C3"}, {`=ADDRESS(2,3,1,FALSE,"EXCEL SHEET")`, "'EXCEL SHEET'!R2C3"},
		{"=FORMULATEXT(J1)", "=SUM(E1:E2)"}, {"=FORMULATEXT(A1)", "#N/A"}, {`=HYPERLINK("http://x","there")`, "there"}, {`=CHOOSE(2,"a","b")`, "b"}, {"=CHOOSE(3,1,2)", "#VALUE!"}, {"=SUM(CHOOSE(2,A1:A2,C2:C6))", 158}, {"=CHOOSE({1,2},C2:C3,B2:B3)", rows{rows{40, 0.69}, rows{38, 0.34}}},
		{`=VLOOKUP("Pears",CHOOSE({1,2},A2:A6,C2:C6),2,FALSE)`, 40},
	})
}

func TestConditionalAggregates(t *testing.T) {
	holdsIn(t, Sheet{Cells: fruit}, []fact{
		{`=COUNTIF(A2:A6,"*s")`, 5}, {`=COUNTIF(A2:A6,"?????s")`, 2}, {`=COUNTIF(C2:C6,">25")`, 3}, {`=COUNTIF(C2:C6,40)`, 2}, {`=COUNTIF(C2:C6,"40")`, 2}, {`=COUNTIF(C2:C6,"<>"&40)`, 3}, {`=COUNTIF(A1:A9,"")`, 3}, {`=COUNTIF(A1:A9,"<>")`, 6}, {`=COUNTIF(A1:A9,"=")`, 3},
		{`=COUNTIF(A2:A6,">=M")`, 2}, {`=COUNTIF(A2:A6,{"Apples","Pears"})`, rows{rows{1, 1}}}, {`=SUM(COUNTIF(A2:A6,{"Apples","Pears"}))`, 2}, {`=COUNTIF(A:A,"Pears")`, 1}, {`=COUNTIF(A2:A6,"apples")`, 1},
		{`=SUMIF(C2:C6,">30")`, 118}, {`=SUMIF(A2:A6,"Pears",C2:C6)`, 40}, {`=SUMIF(A2:A6,"Pears",C2)`, 40}, {`=SUMIF(A2:A6,"*e*",C2:C6)`, 120}, {`=SUMIF(A:A,"Lemons",C:C)`, 15}, {`=AVERAGEIF(C2:C6,">30")`, 39.33333333333333}, {`=AVERAGEIF(C2:C6,">99")`, "#DIV/0!"},
		{`=SUMIFS(C2:C6,B2:B6,">0.3",A2:A6,"*s")`, 133}, {`=SUMIFS(C2:C6,B2:B5,">0.3")`, "#VALUE!"}, {`=SUMIFS(C:C,A:A,"Pears")`, 40}, {`=COUNTIFS(B2:B6,">0.3",C2:C6,">30")`, 3}, {`=AVERAGEIFS(C2:C6,A2:A6,"<M")`, 31}, {`=MAXIFS(B2:B6,C2:C6,40)`, 0.69}, {`=MINIFS(B2:B6,C2:C6,40)`, 0.59}, {`=MAXIFS(B2:B6,C2:C6,99)`, 0},
		{`=SUMPRODUCT((A2:A6="Pears")*C2:C6)`, 40}, {`=SUMPRODUCT(--(C2:C6>20))`, 4}, {`=COUNTIFS(A2:A6,{"Apples";"Pears"},C2:C6,{40,15})`, rows{rows{1, 0}, rows{1, 0}}},
	})
}

func TestLogic(t *testing.T) {
	holdsIn(t, Sheet{Cells: map[string]any{"A1": true, "A2": "x", "A3": 0}}, []fact{
		{"=AND(TRUE,1)", true}, {"=AND(TRUE,FALSE)", false}, {`=AND("TRUE",1)`, true}, {`=AND("x",1)`, "#VALUE!"}, {"=AND(A1:A2)", true}, {"=AND(A2)", "#VALUE!"}, {"=OR(A1:A3)", true}, {"=OR(FALSE,0)", false}, {"=XOR(TRUE,TRUE,TRUE)", true}, {"=AND(FALSE,NA())", "#N/A"},
		{"=NOT(0)", true}, {`=IF(1>2,"a","b")`, "b"}, {`=IF(TRUE,"a")`, "a"}, {`=IF(FALSE,"a")`, false}, {`=IF(TRUE,,5)`, 0}, {`=IF("x",1,2)`, "#VALUE!"}, {`=IF({TRUE,FALSE},1,2)`, rows{rows{1, 2}}}, {"=IF(NA(),1,2)", "#N/A"}, {"=IF(TRUE,1,1/0)", 1},
		{`=IFS(FALSE,1,TRUE,2)`, 2}, {"=IFS(FALSE,1)", "#N/A"}, {`=IFS({1,0},"a",TRUE,"b")`, rows{rows{"a", "b"}}}, {`=SWITCH(2,1,"a",2,"b")`, "b"}, {`=SWITCH(9,1,"a","other")`, "other"}, {`=SWITCH(9,1,"a")`, "#N/A"}, {`=SWITCH({1,9},1,"a","z")`, rows{rows{"a", "z"}}},
		{"=IFERROR(1/0,5)", 5}, {"=IFERROR(3,5)", 3}, {"=IFERROR({1,#N/A},0)", rows{rows{1, 0}}}, {"=IFNA(NA(),7)", 7}, {"=IFNA(1/0,7)", "#DIV/0!"}, {`=IFERROR(1/0,)`, 0},
		{"=ISBLANK(B9)", true}, {`=ISBLANK("")`, false}, {"=ISERROR(1/0)", true}, {"=ISERR(NA())", false}, {"=ISNA(NA())", true}, {"=ISNUMBER({1,\"a\"})", rows{rows{true, false}}}, {"=ISTEXT(A2)", true}, {"=ISNONTEXT(A2)", false}, {"=ISLOGICAL(A1)", true},
		{"=ISREF(A1)", true}, {"=ISREF(1)", false}, {"=ISEVEN(2.9)", true}, {"=ISODD(-3)", true}, {"=ISEVEN(TRUE)", "#VALUE!"}, {"=N(TRUE)", 1}, {"=TYPE(1)", 1}, {`=TYPE("a")`, 2}, {"=TYPE(TRUE)", 4}, {"=TYPE({1,2})", 64}, {"=ERROR.TYPE(NA())", 7}, {"=ERROR.TYPE(1)", "#N/A"}, {"=ERROR.TYPE(1/0)", 2},
		{`=CELL("row",B7)`, 7}, {`=CELL("address",B7)`, "$B$7"}, {`=CELL("type",A2)`, "l"}, {"=SHEETS()", 1},
	})
}
