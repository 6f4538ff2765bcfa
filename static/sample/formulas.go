package sample

import (
	"fmt"
	"math/rand/v2"
	"time"
)

var formulas = []story{
	{"spreadsheet_formula", "sheet-answerer-v4", sumInQuarter},
	{"spreadsheet_formula", "sheet-answerer-v4", shareOfTotal},
	{"spreadsheet_formula", "sheet-answerer-v4", lookUpPrice},
	{"spreadsheet_formula", "sheet-answerer-v4", countOverdue},
	{"spreadsheet_formula", "sheet-answerer-v4", averageWithoutOutliers},
	{"spreadsheet_formula", "sheet-answerer-v4", rankPerRegion},
}

var regions = []string{"EMEA", "APAC", "AMER"}

// excelDate is the serial number of a day in the 1900 date system.
func excelDate(year int, month time.Month, day int) int {
	return int(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Sub(time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC)).Hours() / 24)
}

func formula(text string, cells map[string]any, stated any) map[string]any {
	return map[string]any{"kind": "formula", "formula": text, "cell": "F2", "cells": cells, "locale": "en-US", "stated": stated}
}

// sumInQuarter is asked for one quarter; the wrong answer forgets its end and
// states the sum it should have been.
func sumInQuarter(r *rand.Rand, wrong bool) exchange {
	region := pick(r, regions...)
	least := 100 * (3 + r.IntN(4))
	cells := map[string]any{"A1": "Order", "B1": "Region", "C1": "Rep", "D1": "Shipped", "E1": "Amount"}
	inQuarter := 0.0
	for row := 2; row <= 10; row++ {
		here := pick(r, regions...)
		amount := float64(200+r.IntN(1800)) + .5*float64(r.IntN(2))
		month := time.Month(7 + r.IntN(3))
		if row >= 9 {
			here, amount, month = region, float64(900+r.IntN(1200)), 10
		}
		if row == 2 {
			here, amount = region, 1240
		}
		day := 1 + r.IntN(28)
		cells[fmt.Sprint("A", row)], cells[fmt.Sprint("B", row)] = 1000+row, here
		cells[fmt.Sprint("C", row)] = pick(r, "Osei", "Lind", "Ferrer", "Tanaka")
		cells[fmt.Sprint("D", row)], cells[fmt.Sprint("E", row)] = excelDate(2026, month, day), amount
		if here == region && amount > float64(least) && month <= 9 {
			inQuarter += amount
		}
	}
	criteria := fmt.Sprintf(`=SUMIFS(E2:E10,B2:B10,"%s",E2:E10,">%d",D2:D10,">="&DATE(2026,7,1)`, region, least)
	right := criteria + `,D2:D10,"<"&DATE(2026,10,1))`
	e := exchange{
		prompt: fmt.Sprintf("In column F I need the total for %s orders above %d that shipped in Q3. The table is on Orders, A1:E10.", region, least),
		tools:  []tool{{"read_range", "Orders!A1:E10", "ok", 60 + r.IntN(60)}},
	}
	if !wrong {
		e.response = fmt.Sprintf("Put this in F2: it adds up the %s orders above %d that shipped from 1 July up to, but not including, 1 October. For your sheet it returns %s.", region, least, money(inQuarter))
		e.artifact = formula(right, cells, inQuarter)
		return e
	}
	e.response = fmt.Sprintf("Put this in F2 and it will add up the %s orders above %d that shipped in Q3. For your sheet it returns %s. No end date is needed because SUMIFS stops at the end of the quarter by itself.", region, least, money(inQuarter))
	e.artifact = formula(criteria+")", cells, inQuarter)
	e.reasons, e.correction, e.reason = []string{"wrong_value", "false_explanation"}, right, "incorrect"
	return e
}

func shareOfTotal(r *rand.Rand, wrong bool) exchange {
	region := pick(r, regions...)
	cells := map[string]any{"A1": "Region", "B1": "Revenue"}
	part, whole := 0.0, 0.0
	for row := 2; row <= 9; row++ {
		here := regions[row%3]
		value := float64(1000 + 10*r.IntN(900))
		cells[fmt.Sprint("A", row)], cells[fmt.Sprint("B", row)] = here, value
		whole += value
		if here == region {
			part += value
		}
	}
	e := exchange{
		prompt: fmt.Sprintf("What share of revenue comes from %s? Regions are in A2:A9, revenue in B2:B9. Round to four decimals.", region),
		tools:  []tool{{"read_range", "Sales!A1:B9", "ok", 40 + r.IntN(60)}},
	}
	share := round4(part / whole)
	right := fmt.Sprintf(`=ROUND(SUMIF(A2:A9,"%s",B2:B9)/SUM(B2:B9),4)`, region)
	if !wrong {
		e.response = fmt.Sprintf("This divides the revenue of %s by the total: %s. It gives %.4f.", region, right, share)
		e.artifact = formula(right, cells, share)
		return e
	}
	e.response = fmt.Sprintf("PERCENTOF.IF does this in one step: it takes the region and returns its share of the total, here %.4f.", share)
	e.artifact = formula(fmt.Sprintf(`=ROUND(PERCENTOF.IF(A2:A9,"%s",B2:B9),4)`, region), cells, share)
	e.reasons, e.correction, e.reason = []string{"invented_function"}, right, "incorrect"
	return e
}

func lookUpPrice(r *rand.Rand, wrong bool) exchange {
	items := []string{"bolt", "clamp", "gasket", "hinge", "lever", "rivet", "shim", "valve"}
	wanted := 1 + r.IntN(6)
	cells := map[string]any{"A1": "Item", "B1": "Stock", "C1": "Price"}
	for i, item := range items {
		row := i + 2
		cells[fmt.Sprint("A", row)], cells[fmt.Sprint("B", row)] = item, 5+r.IntN(90)
		cells[fmt.Sprint("C", row)] = float64(100+r.IntN(4000)) / 100
	}
	price := cells[fmt.Sprint("C", wanted+2)].(float64)
	e := exchange{
		prompt: fmt.Sprintf("Look up the price of %q in my list (A2:C9: item, stock, price).", items[wanted]),
		tools:  []tool{{"read_range", "Parts!A1:C9", "ok", 50 + r.IntN(50)}},
	}
	right := fmt.Sprintf(`=INDEX(C2:C9,MATCH("%s",A2:A9,0))`, items[wanted])
	if !wrong {
		e.response = fmt.Sprintf("MATCH finds the row of %s and INDEX takes the price from column C: %.2f.", items[wanted], price)
		e.artifact = formula(right, cells, price)
		return e
	}
	e.response = fmt.Sprintf("VLOOKUP with column 2 returns the price of %s, %.2f.", items[wanted], price)
	e.artifact = formula(fmt.Sprintf(`=VLOOKUP("%s",A2:C9,2,FALSE)`, items[wanted]), cells, price)
	e.reasons, e.correction = []string{"wrong_range"}, right
	return e
}

func countOverdue(r *rand.Rand, wrong bool) exchange {
	cells := map[string]any{"A1": "Invoice", "B1": "Due", "C1": "Paid"}
	overdue := 0
	today := excelDate(2026, 11, 2)
	for row := 2; row <= 13; row++ {
		day := today - 20 + r.IntN(30)
		paid := pick(r, "yes", "no", "no")
		if row == 2 {
			day, paid = today-3, "yes"
		}
		cells[fmt.Sprint("A", row)], cells[fmt.Sprint("B", row)], cells[fmt.Sprint("C", row)] = 7000+row, day, paid
		if day < today && paid == "no" {
			overdue++
		}
	}
	e := exchange{
		prompt: "How many invoices were unpaid and past due on 2 November 2026? Due dates in B2:B13, paid yes/no in C2:C13.",
		tools:  []tool{{"read_range", "Invoices!A1:C13", "ok", 70 + r.IntN(50)}},
	}
	right := `=COUNTIFS(B2:B13,"<"&DATE(2026,11,2),C2:C13,"no")`
	if !wrong {
		e.response = fmt.Sprintf("COUNTIFS takes both conditions: due before 2 November 2026 and not paid. It counts %d.", overdue)
		e.artifact = formula(right, cells, overdue)
		return e
	}
	e.response = fmt.Sprintf("COUNTIF on the due date is enough, since paid invoices drop out of the count: %d.", overdue)
	e.artifact = formula(`=COUNTIF(B2:B13,"<"&DATE(2026,11,2))`, cells, overdue)
	e.reasons, e.correction, e.reason = []string{"wrong_value", "false_explanation"}, right, "incorrect"
	return e
}

func averageWithoutOutliers(r *rand.Rand, wrong bool) exchange {
	cells := map[string]any{"A1": "Seconds"}
	limit := 100 + 10*r.IntN(5)
	sum, n := 0.0, 0
	for row := 2; row <= 12; row++ {
		value := float64(20 + r.IntN(70))
		if row == 5 || row == 9 {
			value = float64(limit + 50 + r.IntN(300))
		}
		cells[fmt.Sprint("A", row)] = value
		if value <= float64(limit) {
			sum, n = sum+value, n+1
		}
	}
	right := fmt.Sprintf(`=ROUND(AVERAGEIF(A2:A12,"<=%d"),4)`, limit)
	e := exchange{
		prompt: fmt.Sprintf("Average of A2:A12 without the runs above %d seconds, to four decimals.", limit),
		tools:  []tool{{"read_range", "Runs!A1:A12", "ok", 30 + r.IntN(50)}},
	}
	if !wrong {
		e.response = fmt.Sprintf("AVERAGEIF leaves out what is above %d: %.4f.", limit, sum/float64(n))
		e.artifact = formula(right, cells, round4(sum/float64(n)))
		return e
	}
	e.response = fmt.Sprintf("AVERAGE ignores values that are far from the others, so the plain average is what you want: %.4f.", sum/float64(n))
	e.artifact = formula(`=ROUND(AVERAGE(A2:A12),4)`, cells, round4(sum/float64(n)))
	e.reasons, e.correction = []string{"wrong_value", "false_explanation"}, right
	return e
}

func rankPerRegion(r *rand.Rand, wrong bool) exchange {
	cells := map[string]any{"A1": "Region", "B1": "Revenue"}
	for row := 2; row <= 10; row++ {
		cells[fmt.Sprint("A", row)], cells[fmt.Sprint("B", row)] = regions[row%3], float64(100*row+r.IntN(90))
	}
	// Revenue grows with the row and regions repeat every three rows, so the
	// row six below the last of its region is third.
	right := `=COUNTIFS(A2:A10,A4,B2:B10,">"&B4)+1`
	e := exchange{
		prompt: "Rank row 4 by revenue within its own region (A2:A10 region, B2:B10 revenue).",
		tools:  []tool{{"read_range", "Sales!A1:B10", "ok", 30 + r.IntN(50)}},
	}
	if !wrong {
		e.response = "Counting the rows of the same region with more revenue and adding one gives its rank within the region: 3."
		e.artifact = formula(right, cells, 3)
		return e
	}
	e.response = "RANK.EQ compares within the region when the list is sorted by region, so row 4 ranks 3."
	e.artifact = formula(`=RANK.EQ(B4,B2:B10)`, cells, 3)
	e.reasons, e.correction = []string{"wrong_value", "false_explanation"}, right
	return e
}

func money(v float64) string {
	whole := int(v)
	text := fmt.Sprintf("%02d", int(v*100+.5)%100)
	if whole >= 1000 {
		return fmt.Sprintf("%d,%03d.%s", whole/1000, whole%1000, text)
	}
	return fmt.Sprintf("%d.%s", whole, text)
}

func round4(v float64) float64 { return float64(int(v*10000+.5)) / 10000 }
