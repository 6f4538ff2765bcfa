package redact_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/internal/redact"
)

// disguises write the same for a reader, and otherwise for a machine.
func (m maker) disguises() map[string]func(string) string {
	each := func(replace func(r rune) string) func(string) string {
		return func(s string) string {
			var b strings.Builder
			for _, r := range s {
				b.WriteString(replace(r))
			}
			return b.String()
		}
	}
	return map[string]func(string) string{
		"full-width digits": each(func(r rune) string {
			if '0' <= r && r <= '9' {
				r += 0xFF10 - '0'
			}
			return string(r)
		}),
		"full-width everything": each(func(r rune) string {
			if '!' <= r && r <= '~' {
				r += 0xFF01 - '!'
			}
			return string(r)
		}),
		"Arabic digits": each(func(r rune) string {
			if '0' <= r && r <= '9' {
				r += 0x0660 - '0'
			}
			return string(r)
		}),
		"zero-width characters": each(func(r rune) string {
			return string(r) + m.pick("", "", "\u200b", "\u200d", "\u2060", "\u00ad", "\ufeff")
		}),
		"HTML entities": each(func(r rune) string {
			if r == '@' || r == '.' || r == ':' || m.IntN(4) == 0 {
				return fmt.Sprintf(m.pick("&#%d;", "&#x%x;", "&#X%X;"), r)
			}
			return string(r)
		}),
		"entities of entities": each(func(r rune) string {
			if r == '@' || r == '.' || m.IntN(6) == 0 {
				return fmt.Sprintf("&amp;#%d;", r)
			}
			return string(r)
		}),
		"percent-encoding": each(func(r rune) string {
			if r < 0x80 && (r == '@' || r == '+' || r == ' ' || m.IntN(4) == 0) {
				return fmt.Sprintf("%%%02X", r)
			}
			return string(r)
		}),
		"JavaScript escapes": each(func(r rune) string {
			if r == '@' || m.IntN(4) == 0 {
				return fmt.Sprintf(`\u%04x`, r)
			}
			return string(r)
		}),
		"odd hyphens and spaces": each(func(r rune) string {
			switch r {
			case '-':
				return m.pick("\u2010", "\u2011", "\u2013", "\u2212")
			case ' ':
				return m.pick("\u00a0", "\u202f", "\u2009", "\u3000")
			}
			return string(r)
		}),
	}
}

func TestFloorsHoldUnderDisguise(t *testing.T) {
	m := maker{rand.New(rand.NewPCG(11, 4))}
	p := redact.Assay(salt)
	makers := map[redact.Kind]func() string{
		redact.Email: m.email, redact.Phone: m.phone, redact.IP: m.ip, redact.Card: m.card, redact.IBAN: m.iban, redact.SSN: m.ssn,
	}
	for name, disguise := range m.disguises() {
		for kind, thing := range makers {
			missed := 0
			const rounds = 300
			for range rounds {
				hidden := disguise(strings.NewReplacer("ü", "u", "ö", "o", "ë", "e").Replace(thing()))
				text := "Please look at " + hidden + " and answer."
				got, findings := p.Text(text)
				bare := strings.TrimRight(hidden, "\u200b\u200d\u2060\u00ad\ufeff")
				if got != "Please look at ["+string(kind)+"]"+hidden[len(bare):]+" and answer." {
					if missed++; missed <= 2 {
						t.Logf("%s, %s: %q became %q", name, kind, text, got)
					}
				}
				if len(findings) > 0 && (findings[0].Start < 15 || findings[0].End > 15+len(hidden)) {
					t.Errorf("%s: %q: the finding %v reaches out of what was hidden", name, text, findings[0])
				}
			}
			floor, _ := redact.Floors(kind)
			if recall := 1 - float64(missed)/rounds; recall < floor {
				t.Errorf("%s under %s: want recall %.2f, got %.3f", kind, name, floor, recall)
			}
		}
	}
}

func TestJSONIsRedactedEverywhere(t *testing.T) {
	p := redact.Assay(salt)
	for _, c := range []struct{ in, want string }{
		{`{"to":"ada@example.com","n":1.50}`, `{"to":"[EMAIL]","n":1.50}`},
		{`{"ada@example.com":true,"bob@example.com":false}`, `{"[EMAIL]":true,"[EMAIL] (2)":false}`},
		{`{"arguments":"{\"to\": \"ada@example.com\", \"card\": 4111111111111111}"}`, `{"arguments":"{\"to\": \"[EMAIL]\", \"card\": \"[CARD]\"}"}`},
		{`["\u0061da@example.com", "a\u200bda@example.com"]`, `["[EMAIL]", "[EMAIL]"]`},
		{`{"phone":"5550123456","mobilePhone":5550123456,"count":5550123456}`, `{"phone":"[PHONE]","mobilePhone":"[PHONE]","count":5550123456}`},
		{`{"ssn":"219099999","password":"hunter2","token":"the","tokens":12}`, `{"ssn":"[SSN]","password":"[API_KEY]","token":"the","tokens":12}`},
		{`{"authorization":"Basic dXNlcjpwYXNzd29yZA=="}`, `{"authorization":"[API_KEY]"}`},
		{`{"a" : [ 1e400 , -0 , 12345678901234567890 ] }`, `{"a" : [ 1e400 , -0 , 12345678901234567890 ] }`},
		{`"4111 1111 1111 1111"`, `"[CARD]"`},
		{`{"deep":[{"x":{"y":["10.1.2.3"]}}]}`, `{"deep":[{"x":{"y":["[IP]"]}}]}`},
		{`{"trace":"File \"/home/ada/x.py\", line 3\n  at b@c.org"}`, `{"trace":"File \"[PATH:` + pathID(p, "/home/ada/x.py") + `]\", line 3\n  at [EMAIL]"}`},
		{`{"html":"<b>ada@example.com</b>"}`, `{"html":"<b>[EMAIL]</b>"}`},
	} {
		got, findings, err := p.JSON([]byte(c.in))
		if err != nil {
			t.Fatal(err)
		}
		if c.want != string(got) {
			t.Errorf("%s\nwant %s\n got %s", c.in, c.want, got)
		}
		if c.want != c.in && len(findings) == 0 {
			t.Errorf("%s: changed without a finding", c.in)
		}
	}
	if _, _, err := p.JSON([]byte(`{"a":`)); err == nil {
		t.Error("half a JSON document was taken")
	}
}

// What a pattern finds in text it finds in keys, in strings and in the JSON
// that strings hold, as tool arguments do.
func TestFloorsHoldInJSON(t *testing.T) {
	m := maker{rand.New(rand.NewPCG(12, 8))}
	p := redact.Assay(salt)
	bare := func(s string) string { return strings.NewReplacer("\x00", "", "\x01", "").Replace(s) }
	makers := map[redact.Kind]func() string{
		redact.Email: m.email, redact.Phone: m.phone, redact.IP: m.ip, redact.Card: m.card, redact.IBAN: m.iban, redact.SSN: m.ssn,
		redact.JWT: m.jwt, redact.Path: m.path, redact.OrderID: m.orderID, redact.APIKey: m.apiKey, redact.URLCredentials: m.urlCredentials, redact.PEM: m.pem,
	}
	for place, put := range map[string]func(thing string) any{
		"a key": func(thing string) any { return map[string]any{thing: 1} },
		"a list": func(thing string) any {
			return map[string]any{"steps": []any{1, map[string]string{"said": "see " + thing + " there"}}}
		},
		"arguments in a string": func(thing string) any {
			inner, _ := json.Marshal(map[string]string{"to": thing})
			return map[string]string{"arguments": string(inner)}
		},
		"a key within arguments": func(thing string) any {
			inner, _ := json.Marshal(map[string]int{thing: 7})
			return map[string]string{"arguments": string(inner)}
		},
	} {
		for kind, make := range makers {
			found := 0
			const rounds = 150
			for range rounds {
				raw, err := json.Marshal(put(bare(make())))
				if err != nil {
					t.Fatal(err)
				}
				out, findings, err := p.JSON(raw)
				if err != nil || !json.Valid(out) {
					t.Fatalf("%s: %v", raw, err)
				}
				if slices.ContainsFunc(findings, func(f redact.Finding) bool { return f.Kind == kind }) {
					found++
				} else if found == 0 {
					t.Logf("%s in %s: %s", kind, place, raw)
				}
			}
			floor, _ := redact.Floors(kind)
			if recall := float64(found) / rounds; recall < floor {
				t.Errorf("%s in %s: want recall %.2f, got %.3f", kind, place, floor, recall)
			}
		}
	}
}

func pathID(p *redact.Policy, path string) string {
	got, _ := p.Text(path)
	return strings.TrimSuffix(strings.TrimPrefix(got, "[PATH:"), "]")
}

func TestFindingsInJSONSayWhere(t *testing.T) {
	_, findings, err := redact.Assay(salt).JSON([]byte(`{"a/b":[{"x":"to ada@example.com"}],"bob@example.com":1,"s":"{\"q\":\"10.1.2.3\"}"}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []redact.Finding{
		{Kind: redact.Email, Start: 3, End: 18, Path: "/a~1b/0/x"},
		{Kind: redact.Email, Start: 0, End: 15, Path: "/[EMAIL]#key"},
		{Kind: redact.IP, Start: 0, End: 8, Path: "/s/q"},
	}
	if fmt.Sprint(want) != fmt.Sprint(findings) {
		t.Errorf("want %v, got %v", want, findings)
	}
}

func TestPiecesGiveWhatTheWholeGives(t *testing.T) {
	m := maker{rand.New(rand.NewPCG(5, 5))}
	p := redact.Assay(salt)
	var b strings.Builder
	for range 400 {
		kinds := []func() string{m.email, m.phone, m.ip, m.card, m.iban, m.jwt, m.pem, m.path, m.lookalike, m.apiKey}
		text, _ := m.compose("", kinds[m.IntN(len(kinds))]())
		b.WriteString(text + "\n")
	}
	whole := b.String()
	want, _ := p.Text(whole)
	for _, size := range []int{1, 7, 64, 1000, 65536} {
		var out bytes.Buffer
		stream := p.Stream(&out)
		for rest := []byte(whole); len(rest) > 0; {
			n := min(size, len(rest))
			if _, err := stream.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := stream.Close(); err != nil {
			t.Fatal(err)
		}
		if out.String() != want {
			t.Errorf("in pieces of %d bytes the result differs", size)
		}
	}
}

// Nobody may slow the scrubber down with a text made for it.
func TestHostileTextTakesLinearTime(t *testing.T) {
	p := redact.Assay(salt)
	for name, unit := range map[string]string{
		"at signs": "@", "a@": "a@", "a.@": "a.b@c.", "digits": "7", "groups": "12 ", "dots": "1.", "colons": "a:", "double colons": "::", "slashes": "/a", "backslashes": `\`,
		"quotes": `"`, "quoted at": `"@`, "assignments": "key=", "passwords": `password="`, "tokens": "[EMAIL]", "brackets": "[", "entities": "&amp;", "percent": "%25",
		"begins": "-----BEGIN A-----\n", "begin": "-----BEGIN ", "tildes": " ~/", "drives": " C:\\a", "shares": ` \\a\b`, "hashes": "#A1-", "plus": "+1", "parens": "(12)",
		"eyJ": "eyJ.", "dashes": "sk-", "urls": "a://b:c@", "quoted paths": `"/home/a`, "zero-width": "\u200b", "emails": "a@b.co ", "emails joined": "a@b.co@", "escapes": `\u0061`,
	} {
		began := time.Now()
		p.Text(strings.Repeat(unit, 500_000/len(unit)))
		// Half a megabyte takes some milliseconds; in quadratic time, minutes.
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("half a megabyte of %s took %v", name, took)
		} else if took > 100*time.Millisecond {
			t.Logf("half a megabyte of %s took %v", name, took)
		}
	}
}
