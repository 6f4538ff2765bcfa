//go:build wasip1

package assert

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
)

// TestingT is who is told that an assertion does not hold.
type TestingT interface {
	Errorf(format string, args ...any)
}

// Assertions are the assertions of one test.
type Assertions struct{ t TestingT }

// New makes assertions for a test.
func New(t TestingT) *Assertions { return &Assertions{t} }

// verdict is whether an assertion holds, and what is said if it does not.
type verdict struct {
	ok   bool
	said string
}

func (v verdict) say(t TestingT, message []any) bool {
	if v.ok {
		return true
	}
	said := v.said
	if len(message) > 0 {
		if format, ok := message[0].(string); ok && len(message) > 1 {
			said += ": " + fmt.Sprintf(format, message[1:]...)
		} else {
			said += ": " + fmt.Sprint(message...)
		}
	}
	t.Errorf("%s", said)
	return false
}

func holds(ok bool, said string) verdict { return verdict{ok, said} }

func not(v verdict) verdict { return verdict{!v.ok, "it holds where it must not"} }

func differ(a, b any) string { return fmt.Sprintf("%#v is expected, not %#v", a, b) }

// ObjectsAreEqual is how Equal compares.
func ObjectsAreEqual(expected, actual any) bool {
	if expected == nil || actual == nil {
		return expected == actual
	}
	a, ok := expected.([]byte)
	if !ok {
		return reflect.DeepEqual(expected, actual)
	}
	b, ok := actual.([]byte)
	if !ok {
		return false
	}
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return bytes.Equal(a, b)
}

func equal(a, b any) verdict { return verdict{ObjectsAreEqual(a, b), differ(a, b)} }

func exactly(a, b any) verdict {
	return verdict{reflect.TypeOf(a) == reflect.TypeOf(b) && ObjectsAreEqual(a, b), differ(a, b)}
}

// equalValues converts the narrower of two numbers to the wider.
func equalValues(a, b any) verdict {
	if ObjectsAreEqual(a, b) {
		return verdict{ok: true}
	}
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	if !va.IsValid() || !vb.IsValid() || !va.CanConvert(vb.Type()) {
		return verdict{false, differ(a, b)}
	}
	if !isNumber(va) || !isNumber(vb) {
		return verdict{reflect.DeepEqual(va.Convert(vb.Type()).Interface(), b), differ(a, b)}
	}
	if va.Type().Size() >= vb.Type().Size() {
		return verdict{vb.Convert(va.Type()).Interface() == a, differ(a, b)}
	}
	return verdict{va.Convert(vb.Type()).Interface() == b, differ(a, b)}
}

func isNumber(v reflect.Value) bool {
	return v.CanInt() || v.CanUint() || v.CanFloat() || v.CanComplex()
}

func isNil(object any) verdict {
	v := reflect.ValueOf(object)
	switch v.Kind() {
	case reflect.Chan, reflect.Func, reflect.Interface, reflect.Map, reflect.Pointer, reflect.Slice, reflect.UnsafePointer:
		return verdict{v.IsNil(), fmt.Sprintf("nil is expected, not %#v", object)}
	}
	return verdict{object == nil, fmt.Sprintf("nil is expected, not %#v", object)}
}

func isEmpty(object any) verdict {
	said := fmt.Sprintf("it is not empty: %#v", object)
	v := reflect.ValueOf(object)
	switch v.Kind() {
	case reflect.Invalid:
		return verdict{true, said}
	case reflect.Chan, reflect.Map, reflect.Slice:
		return verdict{v.Len() == 0, said}
	case reflect.Pointer:
		return verdict{v.IsNil() || isEmpty(v.Elem().Interface()).ok, said}
	}
	return verdict{v.IsZero(), said}
}

func isZero(object any) verdict {
	v := reflect.ValueOf(object)
	return verdict{!v.IsValid() || reflect.DeepEqual(object, reflect.Zero(v.Type()).Interface()), fmt.Sprintf("it is not zero: %#v", object)}
}

func hasLength(object any, length int) (v verdict) {
	defer func() {
		if recover() != nil {
			v = verdict{false, fmt.Sprintf("%#v has no length", object)}
		}
	}()
	n := reflect.ValueOf(object).Len()
	return verdict{n == length, fmt.Sprintf("it has %d elements, not %d", n, length)}
}

func elements(list any) ([]any, bool) {
	v := reflect.ValueOf(list)
	if v.Kind() != reflect.Slice && v.Kind() != reflect.Array {
		return nil, false
	}
	all := make([]any, v.Len())
	for i := range all {
		all[i] = v.Index(i).Interface()
	}
	return all, true
}

func contain(container, element any) verdict {
	said := fmt.Sprintf("%#v does not contain %#v", container, element)
	v := reflect.ValueOf(container)
	switch v.Kind() {
	case reflect.String:
		part, ok := element.(string)
		return verdict{ok && strings.Contains(v.String(), part), said}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			if ObjectsAreEqual(key.Interface(), element) {
				return verdict{ok: true}
			}
		}
		return verdict{false, said}
	}
	all, _ := elements(container)
	return verdict{slices.ContainsFunc(all, func(x any) bool { return ObjectsAreEqual(x, element) }), said}
}

func subsetOf(list, part any) verdict {
	all, ok := elements(part)
	for _, x := range all {
		ok = ok && contain(list, x).ok
	}
	return verdict{ok, fmt.Sprintf("%#v does not contain all of %#v", list, part)}
}

func sameElements(listA, listB any) verdict {
	a, ok := elements(listA)
	b, ok2 := elements(listB)
	if !ok || !ok2 {
		return verdict{isEmpty(listA).ok && isEmpty(listB).ok, differ(listA, listB)}
	}
	for _, x := range a {
		i := slices.IndexFunc(b, func(y any) bool { return ObjectsAreEqual(x, y) })
		if i < 0 {
			return verdict{false, differ(listA, listB)}
		}
		b = slices.Delete(b, i, i+1)
	}
	return verdict{len(b) == 0, differ(listA, listB)}
}

func noError(err error) verdict {
	if err == nil {
		return verdict{ok: true}
	}
	return verdict{false, "no error is expected, not " + err.Error()}
}

func anError(err error) verdict { return verdict{err != nil, "an error is expected"} }

func errorSays(err error, text string) verdict {
	if err == nil {
		return anError(err)
	}
	return verdict{err.Error() == text, differ(text, err.Error())}
}

func errorHas(err error, text string) verdict {
	if err == nil {
		return anError(err)
	}
	return verdict{strings.Contains(err.Error(), text), fmt.Sprintf("%#v does not contain %#v", err.Error(), text)}
}

// caught is what f panicked with.
func caught(f func()) (value any, panicked bool) {
	panicked = true
	defer func() {
		if value = recover(); panicked {
			leave(value)
		}
	}()
	f()
	panicked = false
	return nil, false
}

func panics(f func()) verdict {
	_, ok := caught(f)
	return verdict{ok, "a panic is expected"}
}

func panicsWith(expected any, f func()) verdict {
	value, ok := caught(f)
	value = itself(value)
	return verdict{ok && ObjectsAreEqual(expected, value), fmt.Sprintf("a panic with %#v is expected, not %#v", expected, value)}
}

func panicsSaying(text string, f func()) verdict {
	value, ok := caught(f)
	err, isError := itself(value).(error)
	return verdict{ok && isError && err.Error() == text, fmt.Sprintf("a panic with the error %q is expected, not %#v", text, value)}
}

func toFloat(v any) (float64, bool) {
	r := reflect.ValueOf(v)
	switch {
	case r.CanInt():
		return float64(r.Int()), true
	case r.CanUint():
		return float64(r.Uint()), true
	case r.CanFloat():
		return r.Float(), true
	}
	return 0, false
}

func inDelta(expected, actual any, delta float64) verdict {
	a, ok := toFloat(expected)
	b, ok2 := toFloat(actual)
	if math.IsNaN(a) && math.IsNaN(b) {
		return verdict{ok: true}
	}
	return verdict{ok && ok2 && math.Abs(a-b) <= delta, fmt.Sprintf("%v and %v are farther apart than %v", expected, actual, delta)}
}

func inDeltaSlice(expected, actual any, delta float64) verdict {
	a, ok := elements(expected)
	b, ok2 := elements(actual)
	if !ok || !ok2 || len(a) != len(b) {
		return verdict{false, differ(expected, actual)}
	}
	for i := range a {
		if v := inDelta(a[i], b[i], delta); !v.ok {
			return v
		}
	}
	return verdict{ok: true}
}

func inEpsilon(expected, actual any, epsilon float64) verdict {
	a, ok := toFloat(expected)
	b, ok2 := toFloat(actual)
	return verdict{ok && ok2 && a != 0 && math.Abs(a-b)/math.Abs(a) <= epsilon, fmt.Sprintf("%v and %v are relatively farther apart than %v", expected, actual, epsilon)}
}

func zeroOf(e any) any {
	if e == nil {
		return nil
	}
	return reflect.Zero(reflect.TypeOf(e)).Interface()
}

func ordered(e1, e2 any, wanted ...int) verdict {
	said := fmt.Sprintf("%v and %v are in another order", e1, e2)
	a, b := reflect.ValueOf(e1), reflect.ValueOf(e2)
	if !a.IsValid() || !b.IsValid() || a.Type() != b.Type() {
		return verdict{false, said}
	}
	if t, ok := e1.(time.Time); ok {
		return verdict{slices.Contains(wanted, t.Compare(e2.(time.Time))), said}
	}
	order := 2
	switch {
	case a.CanInt():
		order = cmp.Compare(a.Int(), b.Int())
	case a.CanUint():
		order = cmp.Compare(a.Uint(), b.Uint())
	case a.CanFloat():
		order = cmp.Compare(a.Float(), b.Float())
	case a.Kind() == reflect.String:
		order = cmp.Compare(a.String(), b.String())
	}
	return verdict{slices.Contains(wanted, order), said}
}

func sameType(a, b any) verdict {
	return verdict{reflect.TypeOf(a) == reflect.TypeOf(b), fmt.Sprintf("%T is expected, not %T", a, b)}
}

func samePointer(a, b any) verdict {
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	ok := va.Kind() == reflect.Pointer && vb.Kind() == reflect.Pointer && va.Type() == vb.Type() && a == b
	return verdict{ok, "these are two things"}
}

func matches(rx, text any) verdict {
	pattern, ok := rx.(*regexp.Regexp)
	if !ok {
		pattern = regexp.MustCompile(fmt.Sprint(rx))
	}
	return verdict{pattern.MatchString(fmt.Sprint(text)), fmt.Sprintf("%v does not match %v", text, pattern)}
}

func within(a, b time.Time, delta time.Duration) verdict {
	return verdict{a.Sub(b).Abs() <= delta, fmt.Sprintf("%v and %v are farther apart than %v", a, b, delta)}
}
