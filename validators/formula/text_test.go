package formula

import "testing"

func TestTextFunctions(t *testing.T) {
	s := Sheet{Cells: map[string]any{"A1": "US", "A2": nil, "A3": "EU", "B1": 5, "B2": true, "C1": "Dr. Sybil (Sheri) Baumgardner"}}
	holdsIn(t, s, []fact{
		{`=LEN("Phoenix, AZ")`, 11}, {`=LEN("")`, 0}, {`=LEN("😀")`, 2}, {`=LEN(123.5)`, 5}, {`=LEFT("Sale Price",4)`, "Sale"}, {`=LEFT("abc")`, "a"},
		{`=LEFT("abc",-1)`, "#VALUE!"}, {`=LEFT("abc",9)`, "abc"}, {`=RIGHT("Sale Price",5)`, "Price"}, {`=MID("Fluid Flow",7,20)`, "Flow"},
		{`=MID("abc",0,1)`, "#VALUE!"}, {`=MID("abc",9,1)`, ""}, {`=LOWER("E. E. Cummings")`, "e. e. cummings"}, {`=UPPER("total")`, "TOTAL"},
		{`=PROPER("this is a TITLE")`, "This Is A Title"}, {`=PROPER("2-way street")`, "2-Way Street"}, {`=PROPER("76BudGet")`, "76Budget"},
		{`=TRIM("  First   Quarter  ")`, "First Quarter"}, {`=CLEAN(CHAR(9)&"Monthly"&CHAR(10))`, "Monthly"}, {`=CHAR(65)`, "A"}, {`=CHAR(128)`, "€"},
		{`=CHAR(0)`, "#VALUE!"}, {`=CODE("A")`, 65}, {`=CODE("€")`, 128}, {`=CODE("")`, "#VALUE!"}, {`=UNICHAR(9731)`, "☃"}, {`=UNICODE("B")`, 66},
		{`=EXACT("Word","word")`, false}, {`=FIND("M","Miriam McGovern",3)`, 8}, {`=FIND("x","abc")`, "#VALUE!"}, {`=FIND("","abc")`, 1},
		{`=SEARCH("e","Statements",6)`, 7}, {`=SEARCH("m*n","Statements")`, 6}, {`=SEARCH("~*","a*b")`, 2}, {`=SEARCH("?b","ab")`, 1},
		{`=REPLACE("abcdefghijk",6,5,"*")`, "abcde*k"}, {`=REPLACE("2009",3,2,"10")`, "2010"}, {`=SUBSTITUTE("Quarter 1, 2011","1","2",3)`, "Quarter 1, 2012"},
		{`=SUBSTITUTE("aaa","a","b")`, "bbb"}, {`=SUBSTITUTE("aXa","x","b")`, "aXa"}, {`=REPT("*-",3)`, "*-*-*-"}, {`=REPT("a",-1)`, "#VALUE!"},
		{`=REPT("a",32768)`, "#VALUE!"}, {`=LEN(REPT("a",32767))`, 32767}, {`=CONCATENATE("a",1,TRUE)`, "a1TRUE"}, {`=CONCAT(A1:B2)`, "US5TRUE"},
		{`=TEXTJOIN(", ",TRUE,A1:A3)`, "US, EU"}, {`=TEXTJOIN(", ",FALSE,A1:A3)`, "US, , EU"}, {`=TEXTJOIN({"-","/"},TRUE,1,2,3,4)`, "1-2/3-4"},
		{`=VALUE("$1,000")`, 1000}, {`=VALUE("16:48:00")`, 0.7}, {`=VALUE("x")`, "#VALUE!"}, {`=NUMBERVALUE("2.500,27",",",".")`, 2500.27},
		{`=NUMBERVALUE("3.5%")`, 0.035}, {`=NUMBERVALUE("")`, 0}, {`=FIXED(1234.567,1)`, "1,234.6"}, {`=FIXED(1234.567,-1)`, "1,230"},
		{`=FIXED(-1234.567,-1,TRUE)`, "-1230"}, {`=FIXED(44.332)`, "44.33"}, {`=DOLLAR(1234.567,2)`, "$1,234.57"}, {`=DOLLAR(-1234.567,-2)`, "($1,200)"},
		{`=TEXTBEFORE("Red Hood,Red",",")`, "Red Hood"}, {`=TEXTBEFORE(C1," ",2)`, "Dr. Sybil"}, {`=TEXTBEFORE("abc","x")`, "#N/A"},
		{`=TEXTBEFORE("abc","x",,,,"none")`, "none"}, {`=TEXTBEFORE("a-b-c","-",-1)`, "a-b"}, {`=TEXTBEFORE("aXb","x",1,1)`, "a"},
		{`=TEXTAFTER("Little Red Hood","Red")`, " Hood"}, {`=TEXTAFTER("a-b-c","-",-1)`, "c"}, {`=TEXTAFTER("abc","x",1,0,1)`, ""},
		{`=TEXTSPLIT("Dakota Lennon Sanchez"," ")`, rows{rows{"Dakota", "Lennon", "Sanchez"}}},
		{`=TEXTSPLIT("1,2;3",",",";")`, rows{rows{"1", "2"}, rows{"3", "#N/A"}}}, {`=TEXTSPLIT("1,2;3",",",";",,,"")`, rows{rows{"1", "2"}, rows{"3", ""}}},
		{`=TEXTSPLIT("a,,b",",",,TRUE)`, rows{rows{"a", "b"}}}, {`=TEXTSPLIT("a-b.c",{"-","."})`, rows{rows{"a", "b", "c"}}},
		{`=TEXTSPLIT("a;b",,";")`, rows{rows{"a"}, rows{"b"}}}, {`=VALUETOTEXT("a",1)`, `"a"`}, {`=ARRAYTOTEXT({1,"a";TRUE,2},1)`, `{1,"a";TRUE,2}`},
		{`=ARRAYTOTEXT({1,"a"})`, "1, a"}, {`=ENCODEURL("a b/ü")`, "a%20b%2F%C3%BC"}, {`=REGEXTEST("abc123","\d+")`, true},
		{`=REGEXEXTRACT("abc123","[0-9]+")`, "123"}, {`=REGEXREPLACE("a1b2","[0-9]","#")`, "a#b#"}, {`=T(5)`, ""}, {`=N("7")`, 0},
		{`=LEFT({"ab","cd"},1)`, rows{rows{"a", "c"}}}, {`=UNICHAR(0)`, "#VALUE!"},
	})
}

func TestNumberFormats(t *testing.T) {
	holdsAlone(t, []fact{
		{`=TEXT(1234.567,"$#,##0.00")`, "$1,234.57"}, {`=TEXT(0.285,"0.0%")`, "28.5%"}, {`=TEXT(4.34,"# ?/?")`, "4 1/3"}, {`=TEXT(12200000,"0.00E+00")`, "1.22E+07"},
		{`=TEXT(1234567898,"[<=9999999]###-####;(###) ###-####")`, "(123) 456-7898"}, {`=TEXT(1234,"0000000")`, "0001234"}, {`=TEXT(123456,"##0° 00' 00''")`, "12° 34' 56''"},
		{`=TEXT(45306,"mm/dd/yy")`, "01/15/24"}, {`=TEXT(45306,"dddd")`, "Monday"}, {`=TEXT(45306,"d-mmm-yyyy")`, "15-Jan-2024"}, {`=TEXT(45306,"mmmm d, yyyy")`, "January 15, 2024"},
		{`=TEXT(0.55,"h:mm AM/PM")`, "1:12 PM"}, {`=TEXT(0.55,"hh:mm:ss")`, "13:12:00"}, {`=TEXT(1.5,"[h]:mm")`, "36:00"}, {`=TEXT(0.5,"[mm]")`, "720"},
		{`=TEXT(45306.75,"yyyy-mm-dd hh:mm")`, "2024-01-15 18:00"}, {`=TEXT(0.0001157,"mm:ss.00")`, "00:10.00"},
		{`=TEXT(5,"0.00")`, "5.00"}, {`=TEXT(-5,"0.00;(0.00)")`, "(5.00)"}, {`=TEXT(0,"0;-0;""zero""")`, "zero"}, {`=TEXT("abc","0;0;0;""<""@"">""")`, "<abc>"},
		{`=TEXT(1.005,"0.00")`, "1.01"}, {`=TEXT(0.5,"#")`, "1"}, {`=TEXT(0.4,"#.##")`, ".4"}, {`=TEXT(0,"#")`, ""}, {`=TEXT(1234567,"#,##0,")`, "1,235"},
		{`=TEXT(1234567,"0.0,,""M""")`, "1.2M"}, {`=TEXT(12,"00000")`, "00012"}, {`=TEXT(PI(),"0.####")`, "3.1416"}, {`=TEXT(1000,"#,##0.00")`, "1,000.00"},
		{`=TEXT(TRUE,"0")`, "TRUE"}, {`=TEXT("12.5","0.00")`, "12.50"}, {`=TEXT(PI(),"General")`, "3.141592654"}, {`=TEXT(123456789012,"General")`, "1.23457E+11"},
		{`=TEXT(5,"""n = ""0")`, "n = 5"}, {`=TEXT(5,"\n0")`, "n5"}, {`=TEXT(5,"[Red]0")`, "5"}, {`=TEXT(5,"[$€-407] 0")`, "€ 5"},
		{`=TEXT(-1,"mm/dd/yyyy")`, "#VALUE!"}, {`=TEXT(5,"")`, ""}, {`=TEXT(5,"0""")`, "#VALUE!"}, {`=TEXT(60,"yyyy-mm-dd")`, "1900-02-29"}, {`=TEXT(1,"ddd")`, "Sun"},
		{`=TEXT(0.75,"?/?")`, "3/4"}, {`=TEXT(2.5,"# ?/8")`, "2 4/8"}, {`=TEXT(1234.5,"_($* #,##0.00_)")`, " $1,234.50 "}, {`=TEXT(-0.5,"0%")`, "-50%"},
		{`=TEXT(999.996,"0.00")`, "1000.00"}, {`=TEXT(1,"000-00-0000")`, "000-00-0001"},
	})
}
