package formula

import (
	"testing"
)

// BenchmarkCheck judges everyday formulas with their cells, parsed and read
// anew each time, as a validator does.
func BenchmarkCheck(b *testing.B) {
	cells := map[string]any{}
	for i, name := range []string{"Apples", "Bananas", "Lemons", "Oranges", "Pears"} {
		row := string(rune('2' + i))
		cells["A"+row], cells["B"+row], cells["C"+row] = name, float64(i)*0.25, float64(10*i)
	}
	formulas := []string{
		"=SUM(B2:B6)*1.19", `=VLOOKUP("Lemons",A2:C6,3,FALSE)`, `=SUMIFS(C2:C6,A2:A6,"*s",B2:B6,">0.2")`, `=IF(AND(B2<1,C3>5),TEXT(C3,"#,##0.00"),"-")`, `=INDEX(C2:C6,MATCH(MAX(B2:B6),B2:B6,0))`,
		"=LET(x,FILTER(A2:C6,C2:C6>10),TEXTJOIN(\", \",TRUE,SORT(TAKE(x,,1))))", "=SUMPRODUCT((A2:A6=\"Pears\")*C2:C6)", "=REDUCE(0,C2:C6,LAMBDA(a,v,a+v))", "=PMT(0.05/12,360,200000)", "=DATEDIF(DATE(2020,1,31),DATE(2024,3,1),\"m\")",
	}
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		out := Check(b.Context(), Input{Formula: formulas[i%len(formulas)], Cell: "E9", Cells: cells})
		if out.Verdict != Pass {
			b.Fatalf("%s: %s", formulas[i%len(formulas)], out.Message)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "formulas/s")
}

// BenchmarkEvaluate runs Excel's own file: 1,295 formulas over 4,155 cells.
func BenchmarkEvaluate(b *testing.B) {
	cells := map[string]any{}
	for _, s := range jsonLines[excelSheet](b, "formulas-poi/sheets.jsonl") {
		for address, cell := range s.Cells {
			cells[quoteSheet(s.Sheet)+"!"+address] = map[string]any(cell)
		}
	}
	cases := jsonLines[excelCase](b, "formulas-poi/cases.jsonl")
	book, err := Open(Sheet{Cells: cells, Name: "EverythingTests"})
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		c := cases[i%len(cases)]
		book.Evaluate(b.Context(), quoteSheet(c.Sheet)+"!"+c.Cell, c.Formula, EnteredIntersect)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "formulas/s")
}

// BenchmarkWholeColumns sums by a condition over columns of a million cells.
func BenchmarkWholeColumns(b *testing.B) {
	cells := map[string]any{}
	for i := 1; i <= 1000; i++ {
		cells[addressText(i, 0, false, false)], cells[addressText(i, 1, false, false)] = float64(i%7), float64(i)
	}
	book, err := Open(Sheet{Cells: cells})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if v := book.Evaluate(b.Context(), "Z1", "=SUMPRODUCT((A:A=3)*B:B)", EnteredDynamic).Value; v.Number() != 71500 {
			b.Fatalf("got %s", v)
		}
	}
}
