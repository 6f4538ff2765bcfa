package code

import (
	"fmt"
	"strings"
)

// assertions are those of the packages assert and require that tests in Go
// commonly use: the name, what it is given, and how it is judged (package
// guest/assert).
var assertions = [][3]string{
	{"Equal", "expected, actual any", `equal(expected, actual)`},
	{"NotEqual", "expected, actual any", `not(equal(expected, actual))`},
	{"EqualValues", "expected, actual any", `equalValues(expected, actual)`},
	{"NotEqualValues", "expected, actual any", `not(equalValues(expected, actual))`},
	{"Exactly", "expected, actual any", `exactly(expected, actual)`},
	{"True", "value bool", `holds(value, "it is not true")`},
	{"False", "value bool", `holds(!value, "it is not false")`},
	{"Nil", "object any", `isNil(object)`},
	{"NotNil", "object any", `not(isNil(object))`},
	{"Empty", "object any", `isEmpty(object)`},
	{"NotEmpty", "object any", `not(isEmpty(object))`},
	{"Zero", "object any", `isZero(object)`},
	{"NotZero", "object any", `not(isZero(object))`},
	{"Len", "object any, length int", `hasLength(object, length)`},
	{"Contains", "s, contains any", `contain(s, contains)`},
	{"NotContains", "s, contains any", `not(contain(s, contains))`},
	{"Subset", "list, subset any", `subsetOf(list, subset)`},
	{"ElementsMatch", "listA, listB any", `sameElements(listA, listB)`},
	{"NoError", "err error", `noError(err)`},
	{"Error", "err error", `anError(err)`},
	{"EqualError", "err error, text string", `errorSays(err, text)`},
	{"ErrorContains", "err error, contains string", `errorHas(err, contains)`},
	{"ErrorIs", "err, target error", `holds(errors.Is(err, target), "another error")`},
	{"NotErrorIs", "err, target error", `holds(!errors.Is(err, target), "this error")`},
	{"ErrorAs", "err error, target any", `holds(errors.As(err, target), "another error")`},
	{"Panics", "f func()", `panics(f)`},
	{"NotPanics", "f func()", `not(panics(f))`},
	{"PanicsWithValue", "expected any, f func()", `panicsWith(expected, f)`},
	{"PanicsWithError", "text string, f func()", `panicsSaying(text, f)`},
	{"InDelta", "expected, actual any, delta float64", `inDelta(expected, actual, delta)`},
	{"InDeltaSlice", "expected, actual any, delta float64", `inDeltaSlice(expected, actual, delta)`},
	{"InEpsilon", "expected, actual any, epsilon float64", `inEpsilon(expected, actual, epsilon)`},
	{"Greater", "e1, e2 any", `ordered(e1, e2, 1)`},
	{"GreaterOrEqual", "e1, e2 any", `ordered(e1, e2, 1, 0)`},
	{"Less", "e1, e2 any", `ordered(e1, e2, -1)`},
	{"LessOrEqual", "e1, e2 any", `ordered(e1, e2, -1, 0)`},
	{"Positive", "e any", `ordered(e, zeroOf(e), 1)`},
	{"Negative", "e any", `ordered(e, zeroOf(e), -1)`},
	{"IsType", "expected, object any", `sameType(expected, object)`},
	{"Same", "expected, actual any", `samePointer(expected, actual)`},
	{"NotSame", "expected, actual any", `not(samePointer(expected, actual))`},
	{"Regexp", "rx, str any", `matches(rx, str)`},
	{"NotRegexp", "rx, str any", `not(matches(rx, str))`},
	{"WithinDuration", "expected, actual time.Time, delta time.Duration", `within(expected, actual, delta)`},
	{"Fail", "failureMessage string", `verdict{false, failureMessage}`},
}

// assertionSource writes the four forms of each assertion: as a function, as a
// method, and each with a format.
func assertionSource(folder string) string {
	var out strings.Builder
	head, function, method := "import (\n\"errors\"\n\"time\"\n)\n", "return %[4]s.say(t, msgAndArgs)", "return "
	result := " bool"
	if folder == "require" {
		head = "import (\n\"time\"\n\"github.com/stretchr/testify/assert\"\n)\n"
		function, method, result = "if !assert.%[1]s(t, %[3]s, msgAndArgs...) { t.FailNow() }", "", ""
	}
	fmt.Fprintf(&out, "package %s\n%s", folder, head)
	for _, a := range assertions {
		name, params, judged := a[0], a[1], a[2]
		var names []string
		for param := range strings.SplitSeq(params, ", ") {
			one, _, _ := strings.Cut(param, " ")
			names = append(names, one)
		}
		given := strings.Join(names, ", ")
		fmt.Fprintf(&out, "func %[1]s(t TestingT, %[2]s, msgAndArgs ...any)"+result+" { "+function+" }\n", name, params, given, judged)
		fmt.Fprintf(&out, "func %[1]sf(t TestingT, %[2]s, msg string, args ...any)"+result+" { "+method+"%[1]s(t, %[3]s, append([]any{msg}, args...)...) }\n", name, params, given)
		fmt.Fprintf(&out, "func (a *Assertions) %[1]s(%[2]s, msgAndArgs ...any)"+result+" { "+method+"%[1]s(a.t, %[3]s, msgAndArgs...) }\n", name, params, given)
		fmt.Fprintf(&out, "func (a *Assertions) %[1]sf(%[2]s, msg string, args ...any)"+result+" { "+method+"%[1]sf(a.t, %[3]s, msg, args...) }\n", name, params, given)
	}
	return out.String()
}
