package formula

import (
	"fmt"
	"testing"
)

// TestTextAsNumber: what a text is worth where a number is wanted.
func TestTextAsNumber(t *testing.T) {
	const bad = "#VALUE!"
	for text, want := range map[string]any{
		"100%": 1, "-100%": -1, " -75 % ": -0.75, "% 100": 1, ".5%": 0.005, "100 . 5%": bad, "(100%)": -1, "(-100%)": bad, "-(100%)": bad, "$100%": bad, "10%%": bad,
		"0 1/2": 0.5, "- 1 1/2": -1.5, "+1 1/2": 1.5, "0 1/32768": bad, "0 32767/1": 32767, "1 32767/032767": bad, "1.5 1/2": bad, "1  1/2": bad, "1 1 /2": bad, "0 1/0": bad,
		"02/28/20": 43889, "002/28/20": bad, "02/28/022": bad, "13/5/2022": bad, "2/30/2022": bad, "30-apr-2000": 36646, "30-apr-20": 43951, "31-dec-9999": 2958465, "1-jan-10000": bad, "31-dec-1899": bad,
		"1-jan-1900": 1, "28-feb-1900": 59, "1-mar-1900": 61, "1 - jan - 2022": 44562, "jan-32": 11689, "feb-30": 10990, "aug-55": 20302, "march-55": 20149, "ma-2": bad, "0-mar": bad, "Jan 2024": 45292, "1/May/2026": 46143, "January 5, 2024": 45296,
		"1:20 AM": 1.0 / 18, "1:60 AM": bad, "13:00 AM": bad, "7:30 A": 0.3125, "12:0:0 PM": 0.5, "00:00:60 AM": bad, "6 PM": 0.75, "24:60": bad, "90:00": 3.75, "23:300": 28.0 / 24, "10:": 10.0 / 24, "10000:": bad, ":5": bad,
		"0:01:01": 61.0 / 86400, "000:01:01": bad, "00:60:60": bad, "0::0": bad, "14:30.0": 870.0 / 86400, "140:60.0": bad, "2/5/2022 12:00": 44597.5, "11/30/2022 24:60": bad,
		"1,000": 1000, "1,00": bad, "1,000,000": 1000000, "1,00,000": bad, "(1,000)": -1000, "(-1)": bad, "1,000.15": 1000.15, "1e3": 1000, "1e2.5": bad, "-1e2": -100, "$1": 1, "-$1": -1, "($1)": -1, "-($1)": bad,
		"1 000": bad, "１": bad, "0x10": bad, "1_000": bad, "inf": bad, "nan": bad, "--1": bad, "1.2.3": bad,
	} {
		holdsIn(t, Sheet{}, []fact{{fmt.Sprintf(`="%s"*1`, text), want}})
	}
}

func TestTextAsNumberElsewhere(t *testing.T) {
	holdsIn(t, Sheet{Locale: "de-DE"}, []fact{
		{`="1,5"*2`, 3}, {`="1.234,5"*1`, 1234.5}, {`="31.12.2023"*1`, 45291}, {`=1,5+1`, 2.5}, {`=SUMME(1;2)`, "#NAME?"}, {`=SUM(1;2;3)`, 6}, {`={1.2;3.4}*1`, rows{rows{1, 2}, rows{3, 4}}}, {`={1\2;3\4}*1`, rows{rows{1, 2}, rows{3, 4}}}, {`=1,5&""`, "1,5"}, {`=TEXT(1234,5;"#.##0,00")`, "1.234,50"},
	})
	holdsIn(t, Sheet{Locale: "fr-FR"}, []fact{{`="1 234,5"*1`, 1234.5}, {`=IF(1<2;"oui";"non")`, "oui"}, {`="31/12/2023"*1`, 45291}})
	holdsIn(t, Sheet{Locale: "en-GB"}, []fact{{`="31/12/2023"*1`, 45291}, {`="12/31/2023"*1`, "#VALUE!"}})
}

// TestCriteria: COUNTIF of one cell, by what the cell holds and what is asked.
func TestCriteria(t *testing.T) {
	yesNo := func(value any, criterion string, want int) {
		t.Helper()
		holdsIn(t, Sheet{Cells: map[string]any{"A1": value, "B1": nil}}, []fact{{"=COUNTIF(A1," + criterion + ")", want}})
	}
	yesNo(0, "B1", 1) // an empty criterion is 0
	yesNo(nil, "B1", 0)
	yesNo("", `""`, 1)
	yesNo(nil, `""`, 1)
	yesNo(0, `""`, 0)
	yesNo("", `"="`, 0)
	yesNo(nil, `"="`, 1)
	yesNo("", `"<>"`, 1)
	yesNo(nil, `"<>"`, 0)
	yesNo(true, `"TRUE"`, 1)
	yesNo("TRUE", `"TRUE"`, 0)
	yesNo(1, "TRUE", 0)
	yesNo("Text", `"<>TRUE"`, 1)
	yesNo(true, `">FALSE"`, 1)
	yesNo("3", "3", 1) // a text that reads as the number
	yesNo(1.5, `"36:00"`, 1)
	yesNo("1 1/2", `"36:00"`, 1)
	yesNo("2", `">1"`, 1)
	yesNo("text", `"<1"`, 0)
	yesNo(true, `"1"`, 0)
	yesNo(nil, `"<>1"`, 1)
	yesNo("abc", `"ab"`, 0)
	yesNo("aBc", `"AbC"`, 1)
	yesNo("ab", `"a?"`, 1)
	yesNo(1, `"?"`, 0)
	yesNo(1, `"<>?"`, 1)
	yesNo("a", `"<z"`, 1)
	yesNo("!", `"<?"`, 1)
	yesNo("#DIV/0!", `"#DIV/0!"`, 1)
	yesNo("#DIV/0!", `">#NULL!"`, 1)
	yesNo("#NULL!", `">#DIV/0!"`, 0)
	yesNo("?", `"~?"`, 1)
	yesNo("~?", `"~?"`, 0)
	yesNo("~?", `"~~~?"`, 1)
	yesNo("~xyz", `"~~*"`, 1)
	yesNo("abc", `"~a~B~c"`, 1)
	yesNo("a", `"a~"`, 1)
}

// TestBlanks: an alternative left empty is blank, not 0.
func TestBlanks(t *testing.T) {
	holdsIn(t, Sheet{Cells: map[string]any{"A1": 1}}, []fact{
		{"=IF(TRUE,)", 0}, {`=IF(TRUE,)&"x"`, "x"}, {"=ISBLANK(IF(TRUE,,))", true}, {"=COUNTA(IF(TRUE,,))", 1}, {"=COUNT(IF(TRUE,,),1)", 2}, {"=ISEVEN(IF(TRUE,,))", "#N/A"}, {"=ISEVEN(Q1)", true}, {"=YEAR(IF(TRUE,))", 1900},
		{"=COLUMNS((A1,C3))", "#REF!"}, {"=MATCH(3,3)", "#N/A"}, {"=VLOOKUP(1,1,1)", "#N/A"}, {"=VLOOKUP(1,(A1:B2,A5:B6),1)", "#N/A"}, {"=MATCH(Q1,{0,1},0)", "#N/A"}, {"=INDEX({1},1,1,2)", "#REF!"},
		{"=AVERAGEA({2,TRUE,FALSE})", 2}, {`=AVERAGEA({4,2,"x","10"})`, 1.5}, {`=MAXA({-4,-2,"x",TRUE})`, -2}, {`=STDEVP({0,1,"Hello",FALSE,TRUE})`, 0.5},
		{"=NETWORKDAYS(1,10,TRUE)", "#VALUE!"}, {`=NETWORKDAYS(1,10,{"2",3})`, 5}, {"=TIME(-0.1,0,0)", "#NUM!"}, {"=DATE(2000,-5.1,1)", 36312}, {"=DATE(2000,1,32768)", 69292}, {"=DATE(2000,32767,1)", "#NUM!"}, {"=DATE(-1,32000,1)", 973586},
		{`=DATEDIF("2020-01-31","2024-03-01","MD")`, -1}, {`=DATEDIF("2000-02-20","2100-02-10","YD")`, 356}, {`=DATEDIF("2001-12-31","2003-4-15","YD")`, 105}, {`=DATEDIF("1990-01-20","2002-12-15","YM")`, 10}, {"=EOMONTH(60.1,0.9)", 59}, {`=EDATE("1900-01-31",1)`, 59}, {"=WEEKNUM(0,1)", 0}, {"=WEEKDAY(0)", 7},
		{"=DAYS360(DATE(2020,2,29),DATE(2021,2,28))", 358}, {"=DAYS360(DATE(2020,5,29),DATE(2020,3,31))", -58}, {"=DAYS360(DATE(2020,5,30),DATE(2020,3,31))", -60}, {"=YEARFRAC(DATE(2008,1,1),DATE(2013,3,31),1)", 5.24452554744526}, {"=YEARFRAC(DATE(1900,1,10),DATE(2024,2,29),1)", 124.137572279657}, {"=YEARFRAC(0,10,-0.1)", "#NUM!"},
		{"=WEEKNUM(DATE(2004,12,31),15)", 54}, {"=WEEKNUM(DATE(1965,1,1),21)", 53}, {"=WORKDAY(0,5,{2,4})", 10}, {"=WORKDAY(98,-2,{97})", 95}, {"=WORKDAY(10,-2)", 6},
		{"=MATCH(5,{10,5,4,5,5},-1)", 2}, {"=MATCH(17,{14;5;3;5;11;12;11;13;13;4})", 10}, {"=MATCH(12,{5;15;18;18;11;1;15;17})", 1}, {"=MATCH(8,{14;0;17;FALSE;8})", "#N/A"}, {"=MATCH(25,{20,TRUE,FALSE,38,40},1)", 1}, {"=MATCH(39,{25,38,38,38,40,41},1)", 4},
	})
}
