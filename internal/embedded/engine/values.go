package engine

import (
	"io"
	"strings"
)

// valuesMost is how much of the data of an INSERT … VALUES is looked at. What
// is longer may hold literals only.
const valuesMost = 1 << 20

// readyValues looks at the data of an INSERT … VALUES before it is sent. In
// this format data are expressions, and could call what a statement may not:
// they are evaluated only when all of them were seen and reach for nothing.
// Otherwise the engine takes literals alone.
func (c *connection) readyValues(st statement, body io.Reader) (statement, error) {
	if st.format != "Values" {
		return st, nil
	}
	head, err := io.ReadAll(io.LimitReader(body, valuesMost))
	if err != nil {
		return st, refuse(codeCannotReadAllData, "The upload ended early and nothing of it was kept: %s", err)
	}
	st.data += string(head)
	evaluate := "0"
	if len(head) < valuesMost && len(st.data) < valuesMost && reachesForNothing(st.data) {
		evaluate = "1"
	}
	return st, c.run("SET " + valuesInterpret + " = " + evaluate + ", " + valuesDeduce + " = " + evaluate)
}

func reachesForNothing(values string) bool {
	tokens := lex(values)
	for _, t := range tokens {
		if isQuery(t) {
			return false
		}
	}
	return refuseReach(tokens) == nil
}

// Either setting lets the Values format evaluate expressions.
const (
	valuesInterpret = "input_format_values_interpret_expressions"
	valuesDeduce    = "input_format_values_deduce_templates_of_expressions"
)

// doorSettings are settings that only this process may change.
var doorSettings = map[string]bool{"log_comment": true, valuesInterpret: true, valuesDeduce: true}

func isDoorSetting(name string) bool { return doorSettings[strings.ToLower(name)] }
