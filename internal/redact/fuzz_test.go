package redact_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"assay/internal/redact"
)

var seeds = []string{
	"ada@example.com", "+44 20 7946 0958 x12", "4111 1111 1111 1111", "DE89 3704 0044 0532 0130 00", "078-05-1120",
	"https://u:p@host/x", "sk-abcdefghijklmnopqrstuvwxyz0123456789", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
	"-----BEGIN X KEY-----\nAAAA\n-----END X KEY-----", `C:\Users\Ann Lee\a.txt`, "/home/ann/a.txt", "order #FS-1042",
	"[EMAIL]", "[PATH:0a1b2c3d]", "password=\"hunter2\"", "ada&#64;example.com", "a\u200b@b.co", "１２３", "\\u0040", "%40", "::1", "10.0.0.1",
}

func check(t *testing.T, p *redact.Policy, text string) {
	t.Helper()
	once, findings := p.Text(text)
	twice, again := p.Text(once)
	if once != twice {
		t.Fatalf("%q\n once %q\ntwice %q (%v)", text, once, twice, again)
	}
	if utf8.ValidString(text) && !utf8.ValidString(once) {
		t.Fatalf("%q became invalid UTF-8: %q", text, once)
	}
	// The offsets must rebuild the result from what came in.
	var built []byte
	at := 0
	for _, f := range findings {
		if f.Start < at || f.End <= f.Start || f.End > len(text) {
			t.Fatalf("%q: finding %v out of order or range", text, f)
		}
		built = append(append(built, text[at:f.Start]...), "["+string(f.Kind)...)
		if f.Kind == redact.Path {
			built = append(built, once[len(built):len(built)+9]...)
		}
		built = append(built, ']')
		at = f.End
	}
	if built = append(built, text[at:]...); string(built) != once {
		t.Fatalf("%q: the findings %v give\n     %q, not\n     %q", text, findings, built, once)
	}
}

func FuzzText(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	p := redact.Assay(salt)
	f.Fuzz(func(t *testing.T, text string) { check(t, p, text) })
}

func FuzzStream(f *testing.F) {
	for i, s := range seeds {
		f.Add(s+"\n"+seeds[(i*7+3)%len(seeds)], uint8(i))
	}
	p := redact.Assay(salt)
	f.Fuzz(func(t *testing.T, text string, size uint8) {
		want, _ := p.Text(text)
		var out bytes.Buffer
		stream := p.Stream(&out)
		for rest := []byte(text); len(rest) > 0; {
			n := min(len(rest), int(size)+1)
			stream.Write(rest[:n])
			rest = rest[n:]
		}
		stream.Close()
		if out.String() != want {
			t.Fatalf("in pieces of %d:\nwant %q\n got %q", int(size)+1, want, out.String())
		}
	})
}

func FuzzJSON(f *testing.F) {
	for _, s := range seeds {
		quoted, _ := json.Marshal(s)
		f.Add([]byte(`{"a":` + string(quoted) + `,` + string(quoted) + `:[1,{"phone":"5550123456"}]}`))
	}
	p := redact.Assay(salt)
	f.Fuzz(func(t *testing.T, raw []byte) {
		once, findings, err := p.JSON(raw)
		if err != nil {
			if json.Valid(raw) {
				t.Fatalf("%q is JSON: %v", raw, err)
			}
			return
		}
		if !json.Valid(once) {
			t.Fatalf("%q became %q", raw, once)
		}
		if len(findings) == 0 && !bytes.Equal(raw, once) {
			t.Fatalf("%q changed without a finding: %q", raw, once)
		}
		twice, _, err := p.JSON(once)
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%q\n once %q\ntwice %q (%v)", raw, once, twice, err)
		}
	})
}

// What has no finding in it must mean the same to every reader, so the names
// and strings we judge must be those that encoding/json reads.
func FuzzJSONStrings(f *testing.F) {
	f.Add(`"\u0041\ud83d\ude00\ud83d\n\"\\\/"`)
	f.Add(`"\ud83d\u0041\udc00x"`)
	p, err := redact.New(redact.Config{Rules: []redact.Rule{{Name: "ALL", Pattern: `.{1,60}`}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		var want string
		if json.Unmarshal([]byte(raw), &want) != nil || strings.ContainsAny(want, "\r\n[{") || want == "" || utf8.RuneCountInString(want) > 60 {
			return
		}
		_, findings, err := p.JSON([]byte(raw))
		if err != nil || len(findings) != 1 || findings[0].End != len(want) {
			t.Fatalf("%s is %q of %d bytes to encoding/json; found %v, %v", raw, want, len(want), findings, err)
		}
	})
}

// Mixtures of the things we look for, glued together at random, reach corners
// that mutation of bytes rarely does.
func TestMixturesKeepTheRules(t *testing.T) {
	glue := []string{"", " ", "-", ".", "/", ":", "@", "=", "(", ")", "\n", "[", "]", "#", "x", "7", "\"", "\u200b", "&#64;", "//", "+", ",", "\\"}
	p := redact.Assay(salt)
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 60_000 {
		text := ""
		for range 1 + rnd.IntN(5) {
			s := seeds[rnd.IntN(len(seeds))]
			if rnd.IntN(3) == 0 {
				a := rnd.IntN(len(s) + 1)
				s = s[a : a+rnd.IntN(len(s)-a+1)]
			}
			text += s + glue[rnd.IntN(len(glue))]
		}
		check(t, p, text)
		want, _ := p.Text(text)
		var out bytes.Buffer
		stream := p.Stream(&out)
		cut := rnd.IntN(len(text) + 1)
		stream.Write([]byte(text[:cut]))
		stream.Write([]byte(text[cut:]))
		stream.Close()
		if out.String() != want {
			t.Fatalf("%q cut at %d:\nwant %q\n got %q", text, cut, want, out.String())
		}
	}
}
