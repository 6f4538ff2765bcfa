package redact

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"assay/internal/fault"
)

// maxNesting bounds JSON that is itself a string inside JSON.
const maxNesting = 6

// JSON redacts the strings of any JSON value: members' names, values, and
// JSON that is kept in a string, as the arguments of tool calls are. A number
// that is a payment card becomes the string "[CARD]". Everything else comes
// back byte for byte, spaces and number formats included; raw itself when
// nothing is found.
//
// A member's name explains its value: {"phone": "5550123456"}. Where two
// names of one object become the same token, the later ones are numbered.
//
// It returns fault.Invalid when raw is not JSON.
func (p *Policy) JSON(raw []byte) ([]byte, []Finding, error) {
	if !json.Valid(raw) {
		return nil, nil, fault.Say(fault.Invalid, "This is not JSON.")
	}
	w := walker{p: p, raw: raw}
	w.value("", 0)
	if len(w.findings) == 0 {
		return raw, nil, nil
	}
	return append(w.out, raw[w.copied:]...), w.findings, nil
}

// walker walks valid JSON once and copies it, but for what it redacts.
type walker struct {
	p        *Policy
	raw      []byte
	at       int // read so far
	out      []byte
	copied   int // of raw, into out
	findings []Finding
	nesting  int
}

func (w *walker) space() {
	for w.at < len(w.raw) && (w.raw[w.at] == ' ' || w.raw[w.at] == '\n' || w.raw[w.at] == '\t' || w.raw[w.at] == '\r') {
		w.at++
	}
}

func (w *walker) value(path string, key hint) {
	w.space()
	switch w.raw[w.at] {
	case '{':
		w.object(path, key)
	case '[':
		w.array(path, key)
	case '"':
		start := w.at
		text := w.string()
		w.text(start, text, path, key)
	default:
		start := w.at
		for w.at < len(w.raw) && strings.IndexByte(",]} \n\t\r", w.raw[w.at]) < 0 {
			w.at++
		}
		w.number(start, path, key)
	}
	w.space()
}

func (w *walker) object(path string, _ hint) {
	w.at++
	w.space()
	taken := map[string]int{}
	for w.raw[w.at] != '}' {
		w.space()
		start := w.at
		name := w.string()
		key := keyHint(name)
		member := w.name(start, name, path, taken)
		w.space()
		w.at++ // the colon
		w.value(path+"/"+pointer.Replace(member), key)
		if w.raw[w.at] == ',' {
			w.at++
			w.space()
		}
	}
	w.at++
}

func (w *walker) array(path string, key hint) {
	w.at++
	w.space()
	for i := 0; w.raw[w.at] != ']'; i++ {
		w.value(path+"/"+strconv.Itoa(i), key)
		if w.raw[w.at] == ',' {
			w.at++
		}
	}
	w.at++
}

var pointer = strings.NewReplacer("~", "~0", "/", "~1")

// string reads the string at the present place.
func (w *walker) string() string {
	start := w.at
	w.at++
	plain := true
	for w.raw[w.at] != '"' {
		if w.raw[w.at] == '\\' {
			plain = false
			w.at++
		}
		w.at++
	}
	w.at++
	inside := w.raw[start+1 : w.at-1]
	if !utf8.Valid(inside) {
		var text string
		json.Unmarshal(w.raw[start:w.at], &text) // puts U+FFFD where it must
		return text
	}
	if plain {
		return string(inside)
	}
	return unescape(inside)
}

// unescape reads the inside of a valid JSON string as encoding/json does,
// which is slow at it: half a surrogate pair becomes U+FFFD.
func unescape(raw []byte) string {
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			out = append(out, raw[i])
			continue
		}
		i++
		switch raw[i] {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r := hex4(raw[i+1:])
			i += 4
			if utf16.IsSurrogate(r) {
				pair := rune(utf8.RuneError)
				if i+6 < len(raw) && raw[i+1] == '\\' && raw[i+2] == 'u' {
					pair = utf16.DecodeRune(r, hex4(raw[i+3:]))
				}
				if r = pair; r != utf8.RuneError {
					i += 6
				}
			}
			out = utf8.AppendRune(out, r)
		default:
			out = append(out, raw[i])
		}
	}
	return string(out)
}

func hex4(raw []byte) rune {
	var r rune
	for _, c := range raw[:4] {
		r = r<<4 | hexValue(c)
	}
	return r
}

// name redacts a member's name and returns it as it now is. Names that a
// token has made equal are told apart, since readers of JSON keep only one.
func (w *walker) name(start int, name, path string, taken map[string]int) string {
	redacted, findings := w.p.Text(name)
	if len(findings) == 0 {
		taken[name]++
		return name
	}
	taken[redacted]++
	if n := taken[redacted]; n > 1 {
		redacted += " (" + strconv.Itoa(n) + ")"
	}
	w.put(start, redacted, findings, path+"/"+pointer.Replace(redacted)+"#key")
	return redacted
}

// text redacts the string that begins at start.
func (w *walker) text(start int, text, path string, key hint) {
	if inner, findings, ok := w.nested(text); ok {
		if len(findings) > 0 {
			w.put(start, inner, findings, path)
		}
		return
	}
	redacted, findings := w.p.text(text, key)
	if whole := key&secretHint != 0; whole && text != "" && w.p.wants(APIKey) && isSecret(text, secretHint, true) {
		if n := w.tokens(redacted); !n {
			redacted, findings = "["+string(APIKey)+"]", []Finding{{Kind: APIKey, Start: 0, End: len(text)}}
		}
	} else if key&maybeHint != 0 && w.p.wants(APIKey) && text != "" && isSecret(text, maybeHint, true) && len(findings) == 0 {
		redacted, findings = "["+string(APIKey)+"]", []Finding{{Kind: APIKey, Start: 0, End: len(text)}}
	}
	if len(findings) > 0 {
		w.put(start, redacted, findings, path)
	}
}

// tokens reports whether text is nothing but one token.
func (w *walker) tokens(text string) bool {
	return strings.HasPrefix(text, "[") && w.p.tokenAt(text, 0) == len(text)
}

// nested redacts a string that is itself a JSON object or array.
func (w *walker) nested(text string) (string, []Finding, bool) {
	trimmed := strings.TrimSpace(text)
	if w.nesting == maxNesting || len(trimmed) < 2 || trimmed[0] != '{' && trimmed[0] != '[' || !json.Valid([]byte(text)) {
		return "", nil, false
	}
	inner := walker{p: w.p, raw: []byte(text), nesting: w.nesting + 1}
	inner.value("", 0)
	if len(inner.findings) == 0 {
		return text, nil, true
	}
	return string(append(inner.out, text[inner.copied:]...)), inner.findings, true
}

// number redacts a number that is a payment card, or what its name says it is.
func (w *walker) number(start int, path string, key hint) {
	text := string(w.raw[start:w.at])
	if len(text) < 7 || !isDigit(text[0]) || strings.ContainsAny(text, ".eE") {
		return
	}
	redacted, findings := w.p.text(text, key)
	if len(findings) == 1 && w.tokens(redacted) {
		w.put(start, redacted, findings, path)
	}
}

// put writes text as a string in place of raw[start:at].
func (w *walker) put(start int, text string, findings []Finding, path string) {
	w.out = append(w.out, w.raw[w.copied:start]...)
	var quoted bytes.Buffer
	encoder := json.NewEncoder(&quoted)
	encoder.SetEscapeHTML(false)
	encoder.Encode(text)
	w.out = append(w.out, bytes.TrimSuffix(quoted.Bytes(), []byte("\n"))...)
	w.copied = w.at
	for _, f := range findings {
		f.Path = path + f.Path
		w.findings = append(w.findings, f)
	}
}
