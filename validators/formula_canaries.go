package validators

import (
	"encoding/json"
	"strings"

	"assay/validators/formula"
)

// formulaCanaries are right, wrong and abusive formulas. Each was chosen
// because some engine gets it wrong, or because a broken one would.
var formulaCanaries = []Canary{
	{Name: "SUM of three cells", Want: Pass, Expected: `{"value":6}`,
		Artifact: `{"kind":"formula","formula":"=SUM(A1:A3)","cell":"B1","cells":{"A1":1,"A2":2,"A3":3}}`},
	{Name: "#DIV/0! wanted", Want: Pass, Expected: `{"error":"#DIV/0!"}`,
		Artifact: `{"kind":"formula","formula":"=A1/A2","cell":"B1","cells":{"A1":1,"A2":0}}`},
	{Name: "SUMPRODUCT with array test, 40", Want: Pass, Expected: `{"value":40}`,
		Artifact: `{"kind":"formula","formula":"=SUMPRODUCT((B2:B6=\"A\")*C2:C6)","cell":"D1","cells":{"B2":"A","B3":"B","B4":"A","B5":"B","B6":"C","C2":10,"C3":20,"C4":30,"C5":40,"C6":50}}`},
	{Name: "1900 leap day", Want: Pass, Expected: `{"value":"1900-02-29"}`,
		Artifact: `{"kind":"formula","formula":"=TEXT(60,\"yyyy-mm-dd\")","cell":"A1","cells":{}}`},
	{Name: "SUM of FILTER", Want: Pass, Expected: `{"value":30}`,
		Artifact: `{"kind":"formula","formula":"=LET(x,FILTER(A1:A4,A1:A4>5),SUM(x))","cell":"C1","cells":{"A1":1,"A2":10,"A3":20,"A4":5}}`},
	{Name: "stated as it is", Want: Pass,
		Artifact: `{"kind":"formula","formula":"=A1*1.19","cell":"B1","cells":{"A1":99.99},"stated":118.99}`},
	{Name: "wrong by a cent", Want: Fail, Expected: `{"value":1240.01}`,
		Artifact: `{"kind":"formula","formula":"=ROUND(A1*A2,2)","cell":"B1","cells":{"A1":12.4,"A2":100}}`},
	{Name: "off by one row", Want: Fail, Expected: `{"value":60}`,
		Artifact: `{"kind":"formula","formula":"=SUM(A1:A2)","cell":"B1","cells":{"A1":10,"A2":20,"A3":30}}`},
	{Name: "stated as it is not", Want: Fail,
		Artifact: `{"kind":"formula","formula":"=SUM(A1:A3)","cell":"B1","cells":{"A1":10,"A2":20,"A3":30},"stated":50}`},
	{Name: "invented function XSUMIF", Want: Fail, Reason: formula.ReasonFunction, Expected: `{"value":3}`,
		Artifact: `{"kind":"formula","formula":"=XSUMIF(A1:A2,\">0\")","cell":"B1","cells":{"A1":1,"A2":2}}`},
	{Name: "circular A1", Want: Fail, Reason: formula.ReasonCircular, Expected: `{"value":1}`,
		Artifact: `{"kind":"formula","formula":"=A1+1","cell":"A1","cells":{}}`},
	{Name: "missing parenthesis", Want: Fail, Reason: formula.ReasonParse, Expected: `{"value":3}`,
		Artifact: `{"kind":"formula","formula":"=SUM((1,2)","cell":"B1","cells":{}}`},
	{Name: "WEBSERVICE call", Want: Inconclusive, Expected: `{"value":1}`,
		Artifact: `{"kind":"formula","formula":"=WEBSERVICE(\"http://127.0.0.1/\")","cell":"B1","cells":{}}`},
	{Name: "REPT of REPT, 2 GB", Want: Inconclusive, Expected: `{"value":1}`,
		Artifact: `{"kind":"formula","formula":"=SUM(LEN(REPT(REPT(\"x\",32767),SEQUENCE(65535,1,1,0))))","cell":"B1","cells":{}}`},
	{Name: "whole columns, nested", Want: Inconclusive, Expected: `{"value":1}`,
		Artifact: `{"kind":"formula","formula":"=SUM(SEQUENCE(1000000)*SEQUENCE(1,16000))","cell":"D1","cells":{"A1":1}}`},
	{Name: "ten thousand parentheses", Want: Fail, Reason: formula.ReasonParse, Expected: `{"value":2}`,
		Artifact: deepFormula()},
}

func deepFormula() string {
	text, err := json.Marshal(map[string]any{"kind": "formula", "cell": "B1", "cells": map[string]any{},
		"formula": "=" + strings.Repeat("(", 10_000) + "1" + strings.Repeat(")", 10_000)})
	if err != nil {
		panic(err) // a constant
	}
	return string(text)
}
