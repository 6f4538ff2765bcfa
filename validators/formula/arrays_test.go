package formula

import "testing"

func TestDynamicArrays(t *testing.T) {
	s := Sheet{Cells: map[string]any{
		"A1": "East", "B1": 5, "A2": "West", "B2": 3, "A3": "East", "B3": 9, "A4": "North", "B4": 1, "A5": nil, "B5": nil,
		"D1": "b", "D2": "a", "D3": "B", "D4": 2, "D5": true,
	}}
	holdsIn(t, s, []fact{
		{"=TRANSPOSE({1,2;3,4})", rows{rows{1, 3}, rows{2, 4}}}, {"=SEQUENCE(2,3)", rows{rows{1, 2, 3}, rows{4, 5, 6}}}, {"=SEQUENCE(3,1,10,-2)", rows{rows{10}, rows{8}, rows{6}}}, {"=SEQUENCE(,3)", rows{rows{1, 2, 3}}}, {"=SEQUENCE(0)", "#CALC!"},
		{`=FILTER(A1:B4,A1:A4="East")`, rows{rows{"East", 5}, rows{"East", 9}}}, {`=FILTER(B1:B4,B1:B4>99,"none")`, "none"}, {`=FILTER(B1:B4,B1:B4>99)`, "#CALC!"}, {"=FILTER(B1:B4,{1;0;1})", "#VALUE!"}, {`=SUM(FILTER(B:B,A:A="East"))`, 14}, {`=FILTER({1,2,3},{1,0,1})`, rows{rows{1, 3}}},
		{"=SORT(B1:B4)", rows{rows{1}, rows{3}, rows{5}, rows{9}}}, {"=SORT(A1:B4,2,-1)", rows{rows{"East", 9}, rows{"East", 5}, rows{"West", 3}, rows{"North", 1}}}, {"=SORT(D1:D5)", rows{rows{2}, rows{"a"}, rows{"b"}, rows{"B"}, rows{true}}}, {"=SORT({3,1,2},,,TRUE)", rows{rows{1, 2, 3}}}, {"=SORT(A1:B4,{1,2},{1,-1})", rows{rows{"East", 9}, rows{"East", 5}, rows{"North", 1}, rows{"West", 3}}},
		{"=SORTBY(A1:A4,B1:B4)", rows{rows{"North"}, rows{"West"}, rows{"East"}, rows{"East"}}}, {"=SORTBY(A1:A4,A1:A4,1,B1:B4,-1)", rows{rows{"East"}, rows{"East"}, rows{"North"}, rows{"West"}}}, {"=UNIQUE(A1:A4)", rows{rows{"East"}, rows{"West"}, rows{"North"}}}, {"=UNIQUE(A1:A4,,TRUE)", rows{rows{"West"}, rows{"North"}}}, {"=UNIQUE(D1:D3)", rows{rows{"b"}, rows{"a"}}}, {"=ROWS(UNIQUE(A:A))", 4}, {"=UNIQUE({1,1,2},TRUE)", rows{rows{1, 2}}},
		{"=TAKE({1,2;3,4;5,6},2)", rows{rows{1, 2}, rows{3, 4}}}, {"=TAKE({1,2;3,4;5,6},-1)", rows{rows{5, 6}}}, {"=TAKE({1,2;3,4},,-1)", rows{rows{2}, rows{4}}}, {"=TAKE({1,2},0)", "#CALC!"}, {"=DROP({1,2;3,4;5,6},1)", rows{rows{3, 4}, rows{5, 6}}}, {"=DROP({1,2,3},,-2)", 1}, {"=DROP({1,2},5)", "#CALC!"},
		{"=EXPAND({1,2},2,3,0)", rows{rows{1, 2, 0}, rows{0, 0, 0}}}, {"=EXPAND({1,2},1,1)", "#VALUE!"}, {"=CHOOSECOLS({1,2,3;4,5,6},3,1)", rows{rows{3, 1}, rows{6, 4}}}, {"=CHOOSEROWS({1,2;3,4},-1)", rows{rows{3, 4}}}, {"=CHOOSECOLS({1,2},3)", "#VALUE!"},
		{"=HSTACK({1;2},{3;4;5})", rows{rows{1, 3}, rows{2, 4}, rows{"#N/A", 5}}}, {"=VSTACK({1,2},{3})", rows{rows{1, 2}, rows{3, "#N/A"}}}, {"=TOCOL({1,2;3,4})", rows{rows{1}, rows{2}, rows{3}, rows{4}}}, {"=TOROW({1,2;3,4},,TRUE)", rows{rows{1, 3, 2, 4}}}, {"=TOCOL(B1:B5,1)", rows{rows{5}, rows{3}, rows{9}, rows{1}}},
		{"=WRAPROWS({1,2,3},2,0)", rows{rows{1, 2}, rows{3, 0}}}, {"=WRAPCOLS({1,2,3},2)", rows{rows{1, 3}, rows{2, "#N/A"}}}, {"=B1:B2+{10,20}", rows{rows{15, 25}, rows{13, 23}}}, {"=SUM((A1:A4=\"East\")*(B1:B4>5)*B1:B4)", 9}, {"=MAX(IF(A1:A4=\"East\",B1:B4))", 9}, {"=SUM(LEN(A1:A4))", 17}, {"=SUM(--(FREQUENCY(B1:B4,B1:B4)>0))", 4},
		{"=COUNTA(UNIQUE(FILTER(A1:A4,B1:B4>2)))", 2}, {"=TEXTJOIN(\",\",TRUE,SORT(UNIQUE(A1:A4)))", "East,North,West"}, {"=INDEX(SORT(A1:B4,2,-1),1,2)", 9}, {"=PERCENTOF({1,2},{1,2,3,4})", 0.3}, {"=A5:A5", 0}, {"=SUM(SEQUENCE(100))", 5050},
	})
}

func TestLambdas(t *testing.T) {
	s := Sheet{Cells: map[string]any{"A1": 1, "B1": 2, "A2": 3, "B2": 4, "A3": 5, "B3": 6}}
	holdsIn(t, s, []fact{
		{"=LET(x,5,y,x*2,x+y)", 15}, {"=LET(x,A1:A3,SUM(x))", 9}, {"=LET(x,1,x,2,x)", 2}, {"=LAMBDA(x,x+1)(4)", 5}, {"=LET(f,LAMBDA(a,b,a*b),f(3,4))", 12}, {"=LET(f,LAMBDA(x,[y],IF(ISOMITTED(y),x,x+y)),f(1)+f(1,2))", 4},
		{"=MAP(A1:A3,LAMBDA(v,v*v))", rows{rows{1}, rows{9}, rows{25}}}, {"=MAP(A1:A3,B1:B3,LAMBDA(a,b,a*b))", rows{rows{2}, rows{12}, rows{30}}}, {"=REDUCE(0,A1:B3,LAMBDA(t,v,t+v))", 21}, {"=SCAN(0,A1:A3,LAMBDA(t,v,t+v))", rows{rows{1}, rows{4}, rows{9}}}, {"=REDUCE(1,SEQUENCE(5),LAMBDA(t,v,t*v))", 120},
		{"=BYROW(A1:B3,LAMBDA(r,SUM(r)))", rows{rows{3}, rows{7}, rows{11}}}, {"=BYCOL(A1:B3,LAMBDA(c,MAX(c)))", rows{rows{5, 6}}}, {"=BYROW(A1:B3,SUM)", rows{rows{3}, rows{7}, rows{11}}}, {"=MAKEARRAY(2,2,LAMBDA(r,c,r*10+c))", rows{rows{11, 12}, rows{21, 22}}},
		{"=LET(fact,LAMBDA(f,n,IF(n<2,1,n*f(f,n-1))),fact(fact,5))", 120}, {"=LAMBDA(x,x)", "#CALC!"}, {"=LAMBDA(x,x)(1,2)", "#VALUE!"}, {"=MAP({1,2},LAMBDA(x,{1,2}))", rows{rows{"#CALC!", "#CALC!"}}}, {"=BYROW(A1:B3,LAMBDA(r,COUNTIF(r,\">2\")))", rows{rows{0}, rows{2}, rows{2}}},
		{"=LET(sum,LAMBDA(x,x*100),sum(2))", 200}, {"=_xlfn.LET(_xlpm.x,2,_xlpm.x+1)", 3}, {"=_xlfn._xlws.SORT({2,1},,,TRUE)", rows{rows{1, 2}}}, {"=MAP(A1:A3,LAMBDA(c,ROW(c)))", rows{rows{1}, rows{2}, rows{3}}},
	})
}

func TestStructuredReferences(t *testing.T) {
	s := Sheet{
		Cells: map[string]any{
			"A1": "Item", "B1": "Qty", "C1": "Unit Price", "D1": "Total",
			"A2": "Pen", "B2": 10, "C2": 1.5, "A3": "Book", "B3": 2, "C3": 12, "A4": "Cup", "B4": 4, "C4": 5, "A5": "Sum", "B5": 16,
		},
		Tables: []Table{{Name: "Sales", Ref: "A1:D5", Totals: true}},
	}
	holdsIn(t, s, []fact{
		{"=SUM(Sales[Qty])", 16}, {"=SUM(Sales[[Qty]:[Unit Price]])", 34.5}, {"=COUNTA(Sales[#Headers])", 4}, {"=Sales[[#Headers],[Qty]]", "Qty"}, {"=Sales[[#Totals],[Qty]]", 16}, {"=ROWS(Sales[#All])", 5}, {"=ROWS(Sales)", 3}, {"=SUMPRODUCT(Sales[Qty],Sales[Unit Price])", 59}, {"=SUM(Sales[Nope])", "#REF!"},
		{`=XLOOKUP("Cup",Sales[Item],Sales[Unit Price])`, 5}, {"=ROWS(Sales[[#Data],[Qty]])", 3}, {"=ROWS(Sales[[#Headers],[#Data],[Qty]])", 4},
	})
	book, err := Open(s)
	if err != nil {
		t.Fatal(err)
	}
	for formula, want := range map[string]float64{"=[@Qty]*[@[Unit Price]]": 24, "=Sales[@Qty]": 2, "=SUM(Sales[@[Qty]:[Unit Price]])": 14, "=Sales[[#This Row],[Qty]]*2": 4} {
		if r := book.Evaluate(t.Context(), "D3", formula, EnteredDynamic); r.Value.Number() != want {
			t.Errorf("%s in D3: want %v, got %v", formula, want, r.Value)
		}
	}
}

func TestSpilledCellsAreRead(t *testing.T) {
	s := Sheet{Cells: map[string]any{
		"A1": "=SEQUENCE(3)", "C1": "=A1#*10", "E1": "=SEQUENCE(2)", "E2": "in the way", "G1": "=Z100+SEQUENCE(2)", "H1": "=A2+1",
	}}
	holdsIn(t, s, []fact{
		{"=A2", 2}, {"=SUM(A1:A3)", 6}, {"=SUM(A2:A9)", 5}, {"=SUM(C:C)", 60}, {"=C3", 30}, {"=E1", "#SPILL!"}, {"=H1", 3}, {"=SUM(A1#)", 6}, {"=COUNTIF(A1:A3,\">1\")", 2}, {"=VLOOKUP(2,A1:C3,3,FALSE)", 20}, {"=G2", 0},
	})
}
