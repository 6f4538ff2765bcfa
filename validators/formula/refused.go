package formula

import "strings"

// refusedFunctions are names Excel knows and this evaluator does not compute,
// each with the reason that the outcome gives.
func refusedFunctions() []function {
	var list []function
	for reason, names := range map[string]string{
		ReasonVolatile: "RAND RANDBETWEEN RANDARRAY",
		ReasonExternal: "WEBSERVICE RTD IMAGE STOCKHISTORY TRANSLATE DETECTLANGUAGE CUBEKPIMEMBER CUBEMEMBER CUBEMEMBERPROPERTY " +
			"CUBERANKEDMEMBER CUBESET CUBESETCOUNT CUBEVALUE INFO CALL REGISTER.ID SQL.REQUEST EUROCONVERT PY COPILOT IMPORTCSV IMPORTTEXT",
		ReasonUnsupported: "GETPIVOTDATA GROUPBY PIVOTBY PHONETIC BAHTTEXT FILTERXML FORECAST.ETS FORECAST.ETS.CONFINT FORECAST.ETS.SEASONALITY " +
			"FORECAST.ETS.STAT TRIMRANGE DATESTRING NUMBERSTRING FIELDVALUE",
	} {
		for _, name := range strings.Fields(names) {
			list = append(list, function{name: name, params: "[|r", reason: reason})
		}
	}
	return list
}
