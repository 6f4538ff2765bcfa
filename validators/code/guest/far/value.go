//go:build wasip1

package far

import (
	"math"
	"reflect"
	"sort"
	"strconv"
	"unsafe"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// types are those that the code declares, by name: both sides know them.
var types = map[string]reflect.Type{}

// Know makes a type known that may be inside an interface.
func Know[T any]() { types[reflect.TypeFor[T]().Name()] = reflect.TypeFor[T]() }

var errorType = reflect.TypeFor[error]()

// An encoder takes a value apart. What it cannot take apart it panics at, with
// Apart.
type encoder struct {
	out   []byte
	met   map[unsafe.Pointer]bool
	depth int
	loose int
}

func (e *encoder) byte(b byte) { e.out = append(e.out, b) }

func (e *encoder) number(n int) {
	for u := uint64(n)<<1 ^ uint64(int64(n)>>63); ; u >>= 7 {
		if u < 0x80 {
			e.byte(byte(u))
			return
		}
		e.byte(byte(u) | 0x80)
	}
}

func (e *encoder) text(s string) {
	e.number(len(s))
	e.out = append(e.out, s...)
}

func (e *encoder) settle() { loose |= e.loose }

// once refuses what is met twice: the other side would make two of it.
func (e *encoder) once(p unsafe.Pointer) {
	if e.met[p] {
		panic(Apart{"a value that is in two places"})
	}
	if e.met == nil {
		e.met = map[unsafe.Pointer]bool{}
	}
	e.met[p] = true
}

func (e *encoder) value(v reflect.Value) {
	if e.depth++; e.depth > 10_000 {
		panic(Apart{"a value that is nested too deep"})
	}
	defer func() { e.depth-- }()
	switch v.Kind() {
	case reflect.Bool:
		e.byte(map[bool]byte{true: 1, false: 0}[v.Bool()])
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		e.number(int(v.Int()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		e.number(int(v.Uint()))
	case reflect.Float32, reflect.Float64:
		e.float(v.Float())
	case reflect.Complex64, reflect.Complex128:
		e.float(real(v.Complex()))
		e.float(imag(v.Complex()))
	case reflect.String:
		e.text(v.String())
	case reflect.Slice:
		e.slice(v)
	case reflect.Array:
		for i := range v.Len() {
			e.value(v.Index(i))
		}
	case reflect.Map:
		e.dict(v)
	case reflect.Struct:
		for i := range v.NumField() {
			e.value(v.Field(i))
		}
	case reflect.Pointer:
		if v.IsNil() {
			e.byte('N')
			return
		}
		e.loose = 1
		e.once(v.UnsafePointer())
		e.byte('P')
		e.value(v.Elem())
	case reflect.Interface:
		e.any(v)
	default:
		panic(Apart{"a " + v.Kind().String()})
	}
}

func (e *encoder) float(f float64) {
	bits := math.Float64bits(f)
	for range 8 {
		e.byte(byte(bits))
		bits >>= 8
	}
}

func (e *encoder) slice(v reflect.Value) {
	if v.IsNil() {
		e.number(-1)
		return
	}
	e.number(v.Len())
	if v.Type().Elem().Kind() == reflect.Uint8 {
		e.out = append(e.out, v.Bytes()...)
		return
	}
	for i := range v.Len() {
		e.value(v.Index(i))
	}
}

// dict writes a map with its entries in the order of their own bytes, so that
// equal maps are equal bytes.
func (e *encoder) dict(v reflect.Value) {
	if v.IsNil() {
		e.number(-1)
		return
	}
	e.once(v.UnsafePointer())
	e.number(v.Len())
	var entries []string
	for it := v.MapRange(); it.Next(); {
		one := &encoder{met: e.met, depth: e.depth}
		one.value(it.Key())
		one.value(it.Value())
		e.met, e.loose = one.met, e.loose|one.loose
		entries = append(entries, string(one.out))
	}
	sort.Strings(entries)
	for _, entry := range entries {
		e.out = append(e.out, entry...)
	}
}

// any writes what is in an interface: nothing, an error by its text, or a type
// by its shape and the value.
func (e *encoder) any(v reflect.Value) {
	if v.IsNil() {
		e.byte('N')
		return
	}
	inside := v.Elem()
	if shape, ok := shapeOf(inside.Type(), 0); ok {
		e.byte('V')
		e.text(shape)
		e.value(inside)
		return
	}
	if inside.Type().Implements(errorType) && inside.CanInterface() {
		e.loose = 1
		e.byte('E')
		e.text(inside.Interface().(error).Error())
		return
	}
	panic(Apart{"a " + inside.Type().String()})
}

// shapeOf writes a type: the name of a basic one, one that the code declares,
// or of what it is made.
func shapeOf(t reflect.Type, depth int) (string, bool) {
	if depth > 20 {
		return "", false
	}
	if t.Name() != "" && t.PkgPath() != "" {
		return "n" + t.Name() + ";", types[t.Name()] == t
	}
	of := func(letter string, t reflect.Type) (string, bool) {
		inner, ok := shapeOf(t, depth+1)
		return letter + inner, ok
	}
	switch t.Kind() {
	case reflect.Slice:
		return of("s", t.Elem())
	case reflect.Pointer:
		return of("p", t.Elem())
	case reflect.Array:
		return of("a"+strconv.Itoa(t.Len())+";", t.Elem())
	case reflect.Map:
		key, ok := shapeOf(t.Key(), depth+1)
		value, ok2 := shapeOf(t.Elem(), depth+1)
		return "m" + key + value, ok && ok2
	case reflect.Interface:
		if t.NumMethod() == 0 {
			return "i", true
		}
		return "e", t == errorType
	}
	_, basic := basics[t.Name()]
	return "b" + t.Name() + ";", basic
}

var basics = map[string]reflect.Type{}

func init() {
	for _, v := range []any{false, 0, int8(0), int16(0), int32(0), int64(0), uint(0), uint8(0), uint16(0), uint32(0), uint64(0), uintptr(0),
		float32(0), float64(0), complex64(0), complex128(0), ""} {
		basics[reflect.TypeOf(v).Name()] = reflect.TypeOf(v)
	}
}

// A decoder puts values together. What is no value makes it bad, and stays so.
type decoder struct {
	in    []byte
	at    int
	depth int
	bad   bool
	loose int
}

func (d *decoder) take(n int) []byte {
	if d.bad || n < 0 || n > len(d.in)-d.at {
		d.bad = true
		return make([]byte, min(max(n, 0), 8))
	}
	d.at += n
	return d.in[d.at-n : d.at]
}

func (d *decoder) byte() byte { return d.take(1)[0] }

func (d *decoder) number() int {
	var u uint64
	for shift := 0; shift < 70; shift += 7 {
		b := d.byte()
		u |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return int(u>>1) ^ -int(u&1)
		}
	}
	d.bad = true
	return 0
}

// index is a number below n.
func (d *decoder) index(n int) int {
	i := d.number()
	if i < 0 || i >= n {
		panic(Gone{})
	}
	return i
}

func (d *decoder) text() string { return string(d.take(d.number())) }

func (d *decoder) float() float64 {
	var bits uint64
	for i, b := range d.take(8) {
		bits |= uint64(b) << (8 * i)
	}
	return math.Float64frombits(bits)
}

func (d *decoder) into(v reflect.Value) {
	if d.depth++; d.depth > 10_000 {
		d.bad = true
	}
	defer func() { d.depth-- }()
	if d.bad {
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(d.byte() == 1)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(d.number()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		v.SetUint(uint64(d.number()))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(d.float())
	case reflect.Complex64, reflect.Complex128:
		v.SetComplex(complex(d.float(), d.float()))
	case reflect.String:
		v.SetString(d.text())
	case reflect.Slice:
		d.slice(v)
	case reflect.Array:
		for i := range v.Len() {
			d.into(v.Index(i))
		}
	case reflect.Map:
		d.dict(v)
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Field(i)
			d.into(reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem())
		}
	case reflect.Pointer:
		if d.byte() == 'P' {
			d.loose = 1
			to := reflect.New(v.Type().Elem())
			d.into(to.Elem())
			v.Set(to)
		}
	case reflect.Interface:
		d.any(v)
	default:
		d.bad = true
	}
}

func (d *decoder) slice(v reflect.Value) {
	n := d.number()
	if n < 0 {
		return
	}
	if v.Type().Elem().Kind() == reflect.Uint8 {
		if body := d.take(n); !d.bad {
			v.SetBytes(append([]byte{}, body...))
		}
		return
	}
	if n > len(d.in)-d.at && v.Type().Elem().Size() > 0 {
		d.bad = true // each value has at least one byte
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), n, n))
	for i := range n {
		d.into(v.Index(i))
	}
}

func (d *decoder) dict(v reflect.Value) {
	n := d.number()
	if n < 0 {
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for range n {
		if d.bad {
			return
		}
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		d.into(key)
		d.into(value)
		v.SetMapIndex(key, value)
	}
}

func (d *decoder) any(v reflect.Value) {
	var inside reflect.Value
	switch d.byte() {
	case 'N':
		return
	case 'E':
		d.loose = 1
		inside = reflect.ValueOf(&Error{d.text()})
	case 'V':
		shape := d.text()
		t, rest := typeOf(shape)
		if t == nil || rest != "" {
			d.bad = true
			return
		}
		if _, basic := basics[t.Name()]; !basic {
			d.loose = 1
		}
		inside = reflect.New(t).Elem()
		d.into(inside)
	default:
		d.bad = true
		return
	}
	if !inside.Type().AssignableTo(v.Type()) {
		d.bad = true
		return
	}
	v.Set(inside)
}

// typeOf reads what shapeOf wrote.
func typeOf(shape string) (t reflect.Type, rest string) {
	if shape == "" {
		return nil, ""
	}
	name := func() (string, string) {
		for i := 1; i < len(shape); i++ {
			if shape[i] == ';' {
				return shape[1:i], shape[i+1:]
			}
		}
		return "", ""
	}
	switch shape[0] {
	case 'b':
		word, rest := name()
		return basics[word], rest
	case 'n':
		word, rest := name()
		return types[word], rest
	case 'i':
		return reflect.TypeFor[any](), shape[1:]
	case 'e':
		return errorType, shape[1:]
	case 's':
		if t, rest = typeOf(shape[1:]); t != nil {
			return reflect.SliceOf(t), rest
		}
	case 'p':
		if t, rest = typeOf(shape[1:]); t != nil {
			return reflect.PointerTo(t), rest
		}
	case 'a':
		word, rest := name()
		n, err := strconv.Atoi(word)
		if t, rest = typeOf(rest); t != nil && err == nil && n >= 0 && n < 1<<20 {
			return reflect.ArrayOf(n, t), rest
		}
	case 'm':
		key, rest := typeOf(shape[1:])
		value, rest := typeOf(rest)
		if key != nil && value != nil && key.Comparable() {
			return reflect.MapOf(key, value), rest
		}
	}
	return nil, ""
}
