//go:build wasip1

package far

import (
	"reflect"
	"runtime"
	"strings"
)

// Gone says that the other side ended.
type Gone struct{}

// Apart says that something cannot be shared by two guests.
type Apart struct{ What string }

// Raised is a panic of the code, as the tests meet it.
type Raised struct {
	Value any
	Text  string
	Line  int // of the code
}

func (r Raised) Error() string { return r.Text }

// Error is an error of the code, as the tests meet it.
type Error struct{ Text string }

func (e *Error) Error() string { return e.Text }

var (
	last  [2]string // the last call and what came back
	calls int
	loose int // 1 once something crossed whose identity the tests could ask for
	// Format writes a value for people.
	Format = func(v any) string { return "?" }
)

// Call asks the other side for a function. Arguments and results are pointers to
// what is sent and what is filled in.
func Call(name string, args, results []any) {
	calls++
	e := &encoder{}
	e.text(name)
	e.number(len(args))
	shown := make([]string, len(args))
	for i, a := range args {
		v := reflect.ValueOf(a).Elem()
		e.value(v)
		shown[i] = Format(v.Interface())
	}
	e.settle()
	last = [2]string{name + "(" + strings.Join(shown, ", ") + ")", ""}
	send(asked, e.out)
	message := receive()
	if len(message) == 0 || message[0] != answered {
		panic(Gone{})
	}
	d := &decoder{in: message[1:]}
	switch d.text() {
	case "raised":
		r := Raised{Text: d.text(), Line: d.number()}
		var v any
		d.into(reflect.ValueOf(&v).Elem())
		if r.Value = v; v == nil {
			r.Value = &Error{r.Text}
		}
		last[1] = "panic: " + r.Text
		panic(r)
	case "apart":
		panic(Apart{d.text()})
	case "gave":
	default:
		panic(Gone{})
	}
	if d.number() != len(results) {
		panic(Gone{})
	}
	shown = shown[:0]
	for _, r := range results {
		v := reflect.ValueOf(r).Elem()
		d.into(v)
		shown = append(shown, Format(v.Interface()))
	}
	last[1] = strings.Join(shown, ", ")
	for range d.number() {
		restore(reflect.ValueOf(args[d.index(len(args))]).Elem(), d)
	}
	if d.bad {
		panic(Gone{})
	}
	loose |= d.loose
}

// restore makes of what was lent what the other side made of it.
func restore(v reflect.Value, d *decoder) {
	now := reflect.New(v.Type()).Elem()
	d.into(now)
	switch v.Kind() {
	case reflect.Slice:
		reflect.Copy(v, now)
	case reflect.Pointer:
		if !v.IsNil() && !now.IsNil() {
			v.Elem().Set(now.Elem())
		}
	case reflect.Map:
		v.Clear()
		for it := now.MapRange(); it.Next(); {
			v.SetMapIndex(it.Key(), it.Value())
		}
	}
}

// Functions are those that the tests may call, by name.
type Functions map[string]any

// Serve answers calls until nobody asks any more.
func Serve(functions Functions) {
	for {
		message := receive()
		if len(message) == 0 {
			return
		}
		send(answered, answer(functions, message[1:]))
	}
}

func answer(functions Functions, message []byte) (reply []byte) {
	d := &decoder{in: message}
	f := reflect.ValueOf(functions[d.text()])
	if !f.IsValid() || f.Kind() != reflect.Func {
		return refusal("apart", "a function that is not there", 0, nil)
	}
	t := f.Type()
	args := make([]reflect.Value, d.number())
	if len(args) != t.NumIn() {
		return refusal("apart", "another number of arguments", 0, nil)
	}
	before := make([][]byte, len(args))
	for i := range args {
		args[i] = reflect.New(t.In(i)).Elem()
		from := d.at
		d.into(args[i])
		if !d.bad {
			before[i] = d.in[from:d.at]
		}
	}
	if d.bad {
		return refusal("apart", "a value that is none", 0, nil)
	}
	defer func() {
		if r := recover(); r != nil {
			if a, ok := r.(Apart); ok {
				reply = refusal("apart", a.What, 0, nil)
				return
			}
			reply = refusal("raised", Text(r), CodeLine(), r)
		}
	}()
	var results []reflect.Value
	if t.IsVariadic() {
		results = f.CallSlice(args)
	} else {
		results = f.Call(args)
	}
	return gave(args, before, results)
}

func gave(args []reflect.Value, before [][]byte, results []reflect.Value) []byte {
	e := &encoder{}
	e.text("gave")
	e.number(len(results))
	for _, r := range results {
		e.value(r)
	}
	var changed encoder
	n := 0
	for i, a := range args {
		after := &encoder{}
		after.value(a)
		if string(after.out) == string(before[i]) {
			continue
		}
		switch a.Kind() {
		case reflect.Slice, reflect.Map, reflect.Pointer:
			changed.number(i)
			changed.out = append(changed.out, after.out...)
			n++
		default:
			panic(Apart{"an argument that was changed from within"})
		}
	}
	e.number(n)
	return append(e.out, changed.out...)
}

func refusal(how, text string, line int, value any) []byte {
	e := &encoder{}
	e.text(how)
	e.text(clip(text))
	e.number(line)
	from := len(e.out)
	func() {
		defer func() {
			if recover() != nil {
				e.out = append(e.out[:from], 'N')
			}
		}()
		e.value(reflect.ValueOf(&value).Elem())
	}()
	return e.out
}

// Text is what a panic says.
func Text(r any) (text string) {
	defer func() {
		if recover() != nil {
			text = "a value that cannot be shown"
		}
	}()
	switch r := r.(type) {
	case error:
		return r.Error()
	case interface{ String() string }:
		return r.String()
	}
	switch v := reflect.ValueOf(r); v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return itoa(v.Int())
	case reflect.Bool:
		return map[bool]string{true: "true", false: "false"}[v.Bool()]
	default:
		return "a " + v.Type().String()
	}
}

// CodeLine is the line of the code that the goroutine is in, or was when it
// panicked; 0 is none.
func CodeLine() int { return lineIn("code.go") }

// TestLine is that of the tests.
func TestLine() int { return lineIn("tests.go") }

func lineIn(file string) int {
	var pcs [128]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		f, more := frames.Next()
		if f.File == file || strings.HasSuffix(f.File, "/"+file) {
			return f.Line
		}
		if !more {
			return 0
		}
	}
}
