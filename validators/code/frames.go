package code

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"strconv"
)

// A frame is a letter, a length in decimal, a colon and so many bytes.
func frame(kind byte, body []byte) []byte {
	return append(fmt.Appendf(nil, "%c%d:", kind, len(body)), body...)
}

// frames cuts what a guest writes into frames.
type frames struct {
	handle func(kind byte, body, whole []byte) error
	buffer []byte
	total  int
}

var (
	errTooMuch = errors.New("a guest said too much")
	errNoFrame = errors.New("a guest said what is no frame")
)

// maxHead is the letter, the digits of the longest length and the colon.
const maxHead = 12

func (f *frames) Write(p []byte) (int, error) {
	if f.total += len(p); f.total > maxFrames {
		return 0, errTooMuch
	}
	f.buffer = append(f.buffer, p...)
	for {
		colon := bytes.IndexByte(f.buffer[:min(len(f.buffer), maxHead)], ':')
		if colon < 0 {
			if len(f.buffer) >= maxHead {
				return 0, errNoFrame
			}
			return len(p), nil
		}
		size, err := strconv.ParseUint(string(f.buffer[1:max(1, colon)]), 10, 31)
		if err != nil {
			return 0, errNoFrame
		}
		end := colon + 1 + int(size)
		if len(f.buffer) < end {
			return len(p), nil
		}
		whole := bytes.Clone(f.buffer[:end])
		f.buffer = f.buffer[end:]
		if err := f.handle(whole[0], whole[colon+1:], whole); err != nil {
			return 0, err
		}
	}
}

// pack writes a value in the notation of the drivers: strings, whole numbers,
// lists, truth and nothing.
func pack(v any) []byte {
	switch v := v.(type) {
	case string:
		return append(fmt.Appendf(nil, "s%d:", len(v)), v...)
	case int:
		digits := strconv.FormatInt(int64(v), 16)
		return fmt.Appendf(nil, "i%d:%s", len(digits), digits)
	case bool:
		if v {
			return []byte("T")
		}
		return []byte("U")
	case []any:
		out := fmt.Appendf(nil, "t%d:", len(v))
		for _, x := range v {
			out = append(out, pack(x)...)
		}
		return out
	}
	return []byte("N")
}

var errNoValue = errors.New("this is no value")

// unpack reads a value. What has no like here (handles, complex numbers) is
// nil, and too deep a nesting an error.
func unpack(data []byte) (any, error) {
	u := unpacker{data: data}
	return u.value(0)
}

type unpacker struct {
	data []byte
	at   int
}

func (u *unpacker) take(n int) ([]byte, error) {
	if n < 0 || n > len(u.data)-u.at {
		return nil, errNoValue
	}
	u.at += n
	return u.data[u.at-n : u.at], nil
}

func (u *unpacker) number() (int, error) {
	colon := bytes.IndexByte(u.data[u.at:min(len(u.data), u.at+maxHead)], ':')
	if colon < 0 {
		return 0, errNoValue
	}
	n, err := strconv.ParseUint(string(u.data[u.at:u.at+colon]), 10, 31)
	u.at += colon + 1
	return int(n), err
}

func (u *unpacker) value(depth int) (any, error) {
	kind, err := u.take(1)
	if err != nil || depth > 300 {
		return nil, errNoValue
	}
	switch kind[0] {
	case 'N':
		return nil, nil
	case 'T':
		return true, nil
	case 'U':
		return false, nil
	}
	n, err := u.number()
	if err != nil {
		return nil, errNoValue
	}
	switch kind[0] {
	case 's', 'b', 'f', 'i':
		body, err := u.take(n)
		if err != nil {
			return nil, err
		}
		return scalar(kind[0], string(body))
	case 'l', 't', 'S', 'F':
		return u.list(n, depth)
	case 'd':
		return u.list(2*n, depth)
	case 'c':
		return u.list(2, depth)
	}
	return nil, errNoValue
}

func (u *unpacker) list(n, depth int) (any, error) {
	if n > len(u.data)-u.at {
		return nil, errNoValue // each value has at least one byte
	}
	values := make([]any, 0, n)
	for range n {
		v, err := u.value(depth + 1)
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	return values, nil
}

func scalar(kind byte, body string) (any, error) {
	switch kind {
	case 'i':
		n, ok := new(big.Int).SetString(body, 16)
		if !ok {
			return nil, errNoValue
		}
		if n.IsInt64() {
			return int(n.Int64()), nil
		}
		return n.String(), nil
	case 'f':
		f, err := strconv.ParseFloat(body, 64)
		return f, err
	}
	return body, nil
}

// list, text and number read a report; what is not there is empty.
func list(v any) []any {
	l, _ := v.([]any)
	return l
}

func text(l []any, i int) string {
	if i >= len(l) {
		return ""
	}
	s, _ := l[i].(string)
	return s
}

func number(l []any, i int) int {
	if i >= len(l) {
		return 0
	}
	n, _ := l[i].(int)
	return n
}
