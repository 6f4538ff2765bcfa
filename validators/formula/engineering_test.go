package formula

import "testing"

func TestEngineering(t *testing.T) {
	holdsWithin(t, Sheet{}, 1e-8, []fact{
		{"=BIN2DEC(1100100)", 100}, {`=BIN2DEC("1111111111")`, -1}, {"=BIN2HEX(11111011,4)", "00FB"}, {"=BIN2OCT(1001,3)", "011"}, {"=DEC2BIN(9,4)", "1001"}, {"=DEC2BIN(-100)", "1110011100"}, {"=DEC2BIN(512)", "#NUM!"}, {"=DEC2HEX(100,4)", "0064"}, {"=DEC2HEX(-54)", "FFFFFFFFCA"}, {"=DEC2OCT(58,3)", "072"},
		{`=HEX2DEC("A5")`, 165}, {`=HEX2DEC("FFFFFFFF5B")`, -165}, {`=HEX2BIN("F",8)`, "00001111"}, {`=HEX2OCT("3B4E")`, "35516"}, {"=OCT2DEC(54)", 44}, {"=OCT2BIN(3,3)", "011"}, {"=OCT2HEX(100,4)", "0040"}, {"=BIN2DEC(2)", "#NUM!"},
		{"=BITAND(13,25)", 9}, {"=BITOR(23,10)", 31}, {"=BITXOR(5,3)", 6}, {"=BITLSHIFT(4,2)", 16}, {"=BITRSHIFT(13,2)", 3}, {"=BITAND(-1,1)", "#NUM!"}, {"=DELTA(5,4)", 0}, {"=GESTEP(5,4)", 1},
		{"=ERF(0.745)", 0.707928920}, {"=ERF(0,1)", 0.842700793}, {"=ERFC(1)", 0.157299207}, {"=BESSELI(1.5,1)", 0.981666428475166}, {"=BESSELJ(1.9,2)", 0.329925728}, {"=BESSELK(1.5,1)", 0.277387800456844}, {"=BESSELY(2.5,1)", 0.145918138}, {"=BESSELK(0,1)", "#NUM!"},
		{`=CONVERT(1,"lbm","kg")`, 0.45359237}, {`=CONVERT(68,"F","C")`, 20}, {`=CONVERT(2.5,"ft","sec")`, "#N/A"}, {`=CONVERT(1,"mi","km")`, 1.609344}, {`=CONVERT(1,"gal","l")`, 3.785411784}, {`=CONVERT(1,"kibyte","byte")`, 1024}, {`=CONVERT(100,"km/hr","mph")`, 62.1371192237334}, {`=CONVERT(1,"m2","cm2")`, 10000}, {`=CONVERT(1,"hr","mn")`, 60}, {`=CONVERT(0,"K","C")`, -273.15}, {`=CONVERT(1,"km","KM")`, "#N/A"},
		{"=COMPLEX(3,4)", "3+4i"}, {`=COMPLEX(3,4,"j")`, "3+4j"}, {"=COMPLEX(0,1)", "i"}, {"=COMPLEX(1,0)", "1"}, {`=IMREAL("6-9i")`, 6}, {`=IMAGINARY("3+4i")`, 4}, {`=IMAGINARY("0-j")`, -1}, {`=IMABS("5+12i")`, 13}, {`=IMARGUMENT("3+4i")`, 0.927295218}, {`=IMCONJUGATE("3+4i")`, "3-4i"},
		{`=IMSUM("3+4i","5-3i")`, "8+i"}, {`=IMSUB("13+4i","5+3i")`, "8+i"}, {`=IMPRODUCT("3+4i","5-3i")`, "27+11i"}, {`=IMDIV("-238+240i","10+24i")`, "5+12i"}, {`=IMPOWER("2+3i",3)`, "-46+9.00000000000001i"}, {`=IMSQRT("1+i")`, "1.09868411346781+0.455089860562227i"}, {`=IMEXP("1+i")`, "1.46869393991589+2.28735528717884i"},
		{`=IMLN("3+4i")`, "1.6094379124341+0.927295218001612i"}, {`=IMLOG10("3+4i")`, "0.698970004336019+0.402719196273373i"}, {`=IMLOG2("3+4i")`, "2.32192809488736+1.33780421245098i"}, {`=IMSIN("4+3i")`, "-7.61923172032141-6.548120040911i"}, {`=IMCOS("1+i")`, "0.833730025131149-0.988897705762865i"}, {`=IMSUM("1+i","1+j")`, "#VALUE!"}, {`=IMREAL("x")`, "#NUM!"},
	})
}

func TestDatabase(t *testing.T) {
	s := Sheet{Cells: map[string]any{
		"A1:E3": []any{[]any{"Tree", "Height", "Age", "Yield", "Profit"}, []any{"=Apple", ">10"}, []any{"=Pear"}},
		"F1":    "Height", "F2": "<16",
		"A5:E11": []any{[]any{"Tree", "Height", "Age", "Yield", "Profit"}, []any{"Apple", 18, 20, 14, 105}, []any{"Pear", 12, 12, 10, 96}, []any{"Cherry", 13, 14, 9, 105},
			[]any{"Apple", 14, 15, 10, 75}, []any{"Pear", 9, 8, 8, 77}, []any{"Apple", 8, 9, 6, 45}},
	}}
	s.Cells["A2"], s.Cells["A3"] = "Apple", "Pear"
	s.Cells["A1:E3"] = []any{[]any{"Tree", "Height", "Age", "Yield", "Profit"}, []any{nil, ">10"}}
	holdsIn(t, s, []fact{
		{`=DSUM(A5:E11,"Profit",A1:A2)`, 225}, {`=DSUM(A5:E11,"Profit",A1:F2)`, 75}, {`=DPRODUCT(A5:E11,"Yield",A1:F2)`, 10}, {`=DAVERAGE(A5:E11,"Yield",A1:B2)`, 12}, {"=DAVERAGE(A5:E11,3,A5:E11)", 13}, {`=DCOUNT(A5:E11,"Age",A1:F2)`, 1}, {`=DCOUNTA(A5:E11,"Profit",A1:F2)`, 1},
		{`=DMAX(A5:E11,"Profit",A1:F3)`, 96}, {`=DMIN(A5:E11,"Profit",A1:B2)`, 75}, {`=DSTDEV(A5:E11,"Yield",A1:A3)`, 2.96647939483827}, {`=DSTDEVP(A5:E11,"Yield",A1:A3)`, 2.65329983228432}, {`=DVAR(A5:E11,"Yield",A1:A3)`, 8.8}, {`=DVARP(A5:E11,"Yield",A1:A3)`, 7.04}, {`=DGET(A5:E11,"Yield",A1:A3)`, "#NUM!"}, {`=DGET(A5:E11,"Yield",A1:F2)`, 10},
		{`=DSUM(A5:E11,"Nope",A1:A2)`, "#VALUE!"},
	})
}
