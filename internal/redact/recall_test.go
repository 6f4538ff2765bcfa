package redact_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"assay/internal/redact"
)

// maker writes personal data that belongs to nobody, and what only looks like
// it, in the many ways people and programs write both.
type maker struct{ *rand.Rand }

func (m maker) pick(list ...string) string { return list[m.IntN(len(list))] }

func (m maker) digits(n int) string {
	var b strings.Builder
	for range n {
		b.WriteByte(byte('0' + m.IntN(10)))
	}
	return b.String()
}

// number fills a pattern: # any digit, N 2 to 9, Z 1 to 9; the rest stands.
func (m maker) number(pattern string) string {
	out := []byte(pattern)
	for i, c := range out {
		switch c {
		case '#':
			out[i] = byte('0' + m.IntN(10))
		case 'N':
			out[i] = byte('2' + m.IntN(8))
		case 'Z':
			out[i] = byte('1' + m.IntN(9))
		}
	}
	return string(out)
}

const (
	base62  = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	base32  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	hexes   = "0123456789abcdef"
	letters = "abcdefghijklmnopqrstuvwxyz"
)

func (m maker) from(set string, n int) string {
	var b strings.Builder
	for range n {
		b.WriteByte(set[m.IntN(len(set))])
	}
	return b.String()
}

func (m maker) first() string {
	return m.pick("ada", "Grace", "jörg", "noor", "Li", "maria", "olu", "Zoë", "sven", "Priya", "tom", "ANNA", "kofi", "yuki", "sean")
}

func (m maker) last() string {
	return m.pick("lovelace", "Hopper", "o'brien", "smith-jones", "Garcia", "nguyen", "müller", "van.dijk", "IVANOV", "okafor", "kim", "rossi")
}

func (m maker) domain() string {
	return m.pick("example", "mail.example", "corp-mail", "uni.edu", "a1", "my-shop24", "sub.dept.agency", "163", "xn--bcher-kva", "bücher") + "." +
		m.pick("com", "org", "net", "de", "co.uk", "io", "museum", "photography", "com.br", "info", "ac.jp", "tech")
}

func (m maker) email() string {
	return m.pick(
		m.first()+"."+m.last(), m.first()+m.digits(2), m.last(), m.first()+"_"+m.last(), m.first()+"+"+m.pick("news", "work", "x1"),
		m.digits(4)+m.first(), m.first()[:1]+m.last(),
	) + "@" + m.domain()
}

func (m maker) phone() string {
	return m.number(m.pick(
		"+1 N##-N##-####", "+1-N##-N##-####", "(N##) N##-####", "N##-N##-####", "N##.N##.####", "1-8##-N##-####", "+1N##N######",
		"+44 20 7### ####", "+44 7### ######", "020 7### ####", "07### ######", "01### ######", "+44 (0)20 7### ####",
		"+49 30 #######", "+49 (0) 89 ######", "030 / ########", "0171 / #######", "+49 171 #######", "0049 89 #######",
		"+33 6 ## ## ## ##", "06 ## ## ## ##", "+33 (0)1 ## ## ## ##", "01.##.##.##.##",
		"+34 6## ### ###", "+39 06 ########", "+31 6 ########", "06-########", "+41 44 ### ## ##", "044 ### ## ##",
		"+46 70 ### ## ##", "070-### ## ##", "+47 ### ## ###", "+45 ## ## ## ##", "+48 ### ### ###", "+7 9## ###-##-##", "8 (9##) ###-##-##",
		"+91 9#### #####", "9#### #####", "+86 138 #### ####", "138-####-####", "+81 3-####-####", "090-####-####", "+82 10-####-####",
		"+55 11 9####-####", "(11) 9####-####", "+52 55 #### ####", "+61 4## ### ###", "04## ### ###", "(02) 9### ####",
		"+27 82 ### ####", "082 ### ####", "+234 80# ### ####", "+20 10 #### ####", "+90 5## ### ## ##", "+971 50 ### ####", "+65 9### ####",
		"N##-N##-#### x###", "(N##) N##-#### ext. ##", "001-N##-N##-####x####",
	))
}

// spokenPhone is a number that only the words around make a phone's.
func (m maker) spokenPhone() string {
	return m.pick("call me at ", "my phone number is ", "Tel: ", "mobile ", "fax: ", "reach me on ", "phone=", "Telefon ", "ring ") + "\x00" +
		m.number(m.pick("N##N######", "9### ####", "## ## ## ##", "N## ### ###", "N##-####", "### #### ####", "7#########")) + "\x01"
}

func (m maker) ip() string {
	if m.IntN(4) > 0 {
		return fmt.Sprintf("%d.%d.%d.%d", 1+m.IntN(223), m.IntN(256), m.IntN(256), m.IntN(256))
	}
	group := func() string { return fmt.Sprintf("%x", m.IntN(1<<16)) }
	switch m.IntN(5) {
	case 0:
		parts := make([]string, 8)
		for i := range parts {
			parts[i] = fmt.Sprintf("%04x", m.IntN(1<<16))
		}
		return strings.Join(parts, ":")
	case 1:
		return "2001:db8:" + group() + "::" + group()
	case 2:
		return "fe80::" + group() + ":" + group() + ":" + group() + ":" + group()
	case 3:
		return "::ffff:" + fmt.Sprintf("%d.%d.%d.%d", 1+m.IntN(223), m.IntN(256), m.IntN(256), m.IntN(256))
	}
	return "FD00:" + strings.ToUpper(group()) + "::" + strings.ToUpper(group())
}

func luhnDigit(digits string) string {
	sum := 0
	for i := range len(digits) {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return string(byte('0' + (10-sum%10)%10))
}

func (m maker) card() string {
	prefix, length := "4", 16
	switch m.IntN(8) {
	case 0, 1:
		prefix = m.pick("51", "52", "53", "54", "55")
	case 2:
		prefix, length = m.pick("34", "37"), 15
	case 3:
		prefix = m.pick("6011", "65", "644")
	case 4:
		prefix = m.pick("3528", "3589")
	case 5:
		prefix, length = m.pick("36", "38", "300", "305"), 14
	}
	number := prefix + m.digits(length-1-len(prefix))
	number += luhnDigit(number)
	groups := []int{4, 4, 4, 4}
	if length == 15 {
		groups = []int{4, 6, 5}
	} else if length == 14 {
		groups = []int{4, 6, 4}
	}
	sep := m.pick("", "", " ", "-")
	var parts []string
	for _, n := range groups {
		parts, number = append(parts, number[:n]), number[n:]
	}
	return strings.Join(parts, sep)
}

func (m maker) iban() string {
	country := m.pick("DE:18n", "GB:4a14n", "FR:10n11c2n", "ES:20n", "IT:1a10n12c", "NL:4a10n", "CH:5n12c", "AT:16n", "BE:12n", "PL:24n", "NO:11n", "SE:20n", "PT:21n", "SA:2n18c", "MT:4a5n18c")
	code, form, _ := strings.Cut(country, ":")
	bban := ""
	for form != "" {
		n := 0
		for form[0] >= '0' && form[0] <= '9' {
			n, form = n*10+int(form[0]-'0'), form[1:]
		}
		switch form[0] {
		case 'n':
			bban += m.digits(n)
		case 'a':
			bban += strings.ToUpper(m.from(letters, n))
		case 'c':
			bban += m.from("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", n)
		}
		form = form[1:]
	}
	rest := 0
	for _, c := range bban + code + "00" {
		if c >= 'A' {
			rest = (rest*100 + int(c-'A') + 10) % 97
		} else {
			rest = (rest*10 + int(c-'0')) % 97
		}
	}
	iban := fmt.Sprintf("%s%02d%s", code, 98-rest, bban)
	switch m.IntN(3) {
	case 0:
		var b strings.Builder
		for i, c := range iban {
			if i > 0 && i%4 == 0 {
				b.WriteByte(' ')
			}
			b.WriteRune(c)
		}
		return b.String()
	case 1:
		return strings.ToLower(iban)
	}
	return iban
}

func (m maker) ssn() string {
	switch m.IntN(4) {
	case 0:
		return fmt.Sprintf("9%02d-%d-%04d", m.IntN(100), m.pickInt(50, 65, 70, 88, 90, 94), 1+m.IntN(9999))
	case 1:
		return m.pick("AB", "JG", "SE", "WX") + m.pick("%s", " %s")[0:0] + m.number("######") + m.pick("A", "B", "C", "D")
	}
	return fmt.Sprintf("%03d-%02d-%04d", 1+m.IntN(665), 1+m.IntN(99), 1+m.IntN(9999))
}

func (m maker) pickInt(list ...int) int { return list[m.IntN(len(list))] }

func (m maker) spokenSSN() string {
	return m.pick("SSN ", "social security number: ", "ssn=", "my social is ", "taxpayer id ") + "\x00" +
		fmt.Sprintf(m.pick("%03d%02d%04d", "%03d %02d %04d"), 1+m.IntN(665), 1+m.IntN(99), 1+m.IntN(9999)) + "\x01"
}

func (m maker) urlCredentials() string {
	return m.pick("https", "http", "postgres", "mysql", "redis", "amqp", "mongodb+srv", "ftp", "smb") + "://\x00" +
		m.pick(m.from(letters, 5), "admin", "", "svc-"+m.from(letters, 3), "%61dmin") + ":" + m.from(base62+"!$%*-_.", 6+m.IntN(14)) + "\x01@" +
		m.pick("db.example.com:5432/app", "10.example.net/", "host/path?x=1", "cache:6379", "example.org")
}

func (m maker) apiKey() string {
	switch m.IntN(16) {
	case 0:
		return "sk-" + m.from(base62, 48)
	case 1:
		return "sk-proj-" + m.from(base62+"-_", 60) + m.from(base62, 1)
	case 2:
		return "sk-ant-api03-" + m.from(base62+"-_", 80) + "AA"
	case 3:
		return m.pick("ghp_", "gho_", "ghs_") + m.from(base62, 36)
	case 4:
		return "github_pat_" + m.from(base62, 22) + "_" + m.from(base62, 59)
	case 5:
		return m.pick("AKIA", "ASIA") + m.from(base32, 16)
	case 6:
		return "AIza" + m.from(base62+"-_", 34) + m.from(base62, 1)
	case 7:
		return m.pick("sk_live_", "pk_test_", "rk_live_") + m.from(base62, 24)
	case 8:
		return "xoxb-" + m.digits(12) + "-" + m.digits(13) + "-" + m.from(base62, 24)
	case 9:
		return "glpat-" + m.from(base62, 20)
	case 10:
		return "SG." + m.from(base62, 22) + "." + m.from(base62, 43)
	case 11:
		return "npm_" + m.from(base62, 36)
	case 12:
		return "hf_" + m.from(base62, 34)
	case 13:
		return "wb_" + m.from(hexes, 8) + "_" + m.from(base62, 32)
	case 14:
		return "key-" + m.from(hexes, 32)
	}
	return m.pick("Authorization: Bearer ", "authorization: bearer ", "-H 'Authorization: Basic ") + "\x00" + m.from(base62, 24+m.IntN(20)) + "\x01"
}

func (m maker) assignedSecret() string {
	name := m.pick("password", "DB_PASSWORD", "api_key", "apiKey", "client_secret", "AWS_SECRET_ACCESS_KEY", "passwd", "auth_token", "secretKey")
	value := "\x00" + m.from(base62+"!#%+*~", 11+m.IntN(20)) + m.from("0123456789", 1) + m.from(base62, 1) + "\x01"
	return fmt.Sprintf(m.pick("%s=%s", "%s: %s", "%s='%s'", `"%s":"%s"`, `%s = "%s"`), name, value)
}

func (m maker) jwt() string {
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	head := m.pick(`{"alg":"HS256","typ":"JWT"}`, `{"alg":"RS256","kid":"`+m.from(hexes, 8)+`"}`, `{"typ":"JWT","alg":"ES256"}`)
	return part(head) + "." + part(`{"sub":"`+m.digits(10)+`","name":"`+m.first()+`"}`) + "." + m.from(base62+"-_", 42) + "A"
}

func (m maker) pem() string {
	label := m.pick("RSA PRIVATE KEY", "PRIVATE KEY", "EC PRIVATE KEY", "CERTIFICATE", "OPENSSH PRIVATE KEY", "PGP MESSAGE")
	var body strings.Builder
	for range 2 + m.IntN(6) {
		body.WriteString(m.from(base62+"+/", 64) + "\n")
	}
	return "-----BEGIN " + label + "-----\n" + body.String() + "-----END " + label + "-----"
}

func (m maker) path() string {
	name := m.from(letters, 4+m.IntN(5))
	file := m.pick("report", "cv", "notes-2026", "main", ".bashrc", "photo 1", "data_final") + m.pick(".txt", ".pdf", ".py", ".xlsx", ".tar.gz")
	switch m.IntN(8) {
	case 0:
		return `C:\Users\` + name + `\Documents\` + strings.ReplaceAll(file, " ", "")
	case 1:
		return `\\srv-` + name + `\share\` + strings.ReplaceAll(file, " ", "")
	case 2:
		return "~/" + name + "/" + strings.ReplaceAll(file, " ", "")
	case 3:
		return "/Users/" + name + "/Library/" + strings.ReplaceAll(file, " ", "")
	case 4:
		return "/var/log/" + name + ".log"
	case 5:
		return "D:/" + name + "/" + strings.ReplaceAll(file, " ", "_")
	case 6:
		return "/srv/" + name + "/uploads/" + m.digits(4) + "/" + strings.ReplaceAll(file, " ", "-")
	}
	return "/home/" + name + "/" + strings.ReplaceAll(file, " ", "")
}

func (m maker) orderID() string {
	switch m.IntN(3) {
	case 0:
		return "#" + m.pick("FS", "ORD", "A", "INV") + "-" + m.digits(4+m.IntN(4))
	case 1:
		return "#" + strings.ToUpper(m.from(letters, 2)) + m.digits(5)
	}
	return m.pick("order ", "Order: ", "order no. ", "invoice ") + "\x00#" + m.digits(5+m.IntN(4)) + "\x01"
}

// lookalike is what must stay.
func (m maker) lookalike() string {
	switch m.IntN(46) {
	case 0:
		return "version " + m.number("Z.#.##.#")
	case 1:
		return fmt.Sprintf("20%02d-%02d-%02d %02d:%02d:%02d", m.IntN(30), 1+m.IntN(12), 1+m.IntN(28), m.IntN(24), m.IntN(60), m.IntN(60))
	case 2:
		return fmt.Sprintf("%02d/%02d/20%02d", 1+m.IntN(12), 1+m.IntN(28), m.IntN(30))
	case 3:
		return fmt.Sprintf("%02d.%02d.20%02d", 1+m.IntN(28), 1+m.IntN(12), m.IntN(30))
	case 4:
		return m.pick("$", "€", "£") + m.number("Z,###,###.##")
	case 5:
		return m.number("Z ### ###") + " EUR"
	case 6:
		return "ISBN 978-0-" + m.digits(3) + "-" + m.digits(5) + "-" + m.digits(1)
	case 7:
		return m.from(hexes, 8) + "-" + m.from(hexes, 4) + "-4" + m.from(hexes, 3) + "-a" + m.from(hexes, 3) + "-" + m.from(hexes, 12)
	case 8:
		return "commit " + m.from(hexes, 40)
	case 9:
		return "sha256:" + m.from(hexes, 64)
	case 10:
		return "1" + m.digits(9) // seconds since 1970
	case 11:
		return "1" + m.digits(12)
	case 12:
		return m.number("##.######, -#.######")
	case 13:
		return m.number("0.##############")
	case 14:
		return "order number " + m.number("###-###-####")
	case 15:
		return "#" + m.pick("REF!", "DIV/0!", "N/A", "VALUE!", "NAME?", "FFAA00", "123", "42")
	case 16:
		return "=SUM(A1:B" + m.digits(3) + ")"
	case 17:
		return "std::vector<int>::iterator"
	case 18:
		return "x[1::" + m.digits(1) + "]"
	case 19:
		return "00:1b:44:" + m.from(hexes, 2) + ":3a:b7"
	case 20:
		return "pages " + m.number("1##-2##")
	case 21:
		return m.number("N#### N#### N#### N####")[:17]
	case 22:
		return "Mozilla/5.0 Chrome/" + m.number("1##.0.4###.1##")
	case 23:
		return "react@" + m.number("1#.#.#")
	case 24:
		return "@" + m.from(letters, 8)
	case 25:
		return "https://example.com/" + m.from(letters, 5) + "/" + m.digits(6) + "?page=" + m.digits(2)
	case 26:
		return "GET /v1/" + m.from(letters, 7) + "/" + m.digits(5)
	case 27:
		return "ZIP " + m.number("#####-####")
	case 28:
		return m.number("## ## ##")
	case 29:
		return "item no. " + m.digits(9)
	case 30:
		return m.number("2016 2017 2018 2019 2020")
	case 31:
		return "password is required"
	case 32:
		return "token_count: " + m.digits(4)
	case 33:
		return "the ratio is 1/" + m.digits(2) + " and/or 3:2"
	case 34:
		return "build " + m.number("####.##.##.#")
	case 35:
		return m.number("(Z) ##") + " points"
	case 36:
		return m.number("4###############")[:12] + " rows"
	case 37:
		return "tracking " + m.number("1Z###W##########")
	case 38:
		return m.number("Z##×Z## px, Z.#e-##")
	case 39:
		return "request " + m.number("4##################")
	case 40:
		return "user_id=" + m.number("N################")
	case 41:
		return `if ` + m.from(letters, 1) + ` > n:\n        return -1\n`
	case 42:
		return "source_key: accurate_context/model_7B/" + m.digits(5)
	case 43:
		return "her phone can hold " + m.digits(7) + " photographs"
	case 44:
		return "trace " + m.from(hexes, 32)
	case 45:
		return "cells B2 to F" + m.digits(2) + " hold " + m.number("Z######") + " and tool_call(" + m.number("Z#######") + ")"
	}
	return m.number("Z.###.###") + " Einwohner"
}

// around puts what is between \x00 and \x01 (all of it, when unmarked) into a
// surrounding. Each is a whole line or more.
var around = []string{
	"%s",
	"Please look at %s and tell me what you think.",
	"I think it was %s, but I'm not sure.",
	"(%s)",
	"\"%s\"",
	"'%s' is what they sent",
	"See [%s] for more.",
	"- first: %s\n- second: nothing",
	"| name | %s | 7 |",
	"a;b;%s;c",
	"a,b,%s,c",
	"id=7 value=%s ok=true",
	"2026-01-05T12:30:45Z INFO handler got %s in 12ms",
	"<td>%s</td>",
	"<b>%s</b>, he said",
	`{"a": 1, "value": "%s", "n": [1, 2]}`,
	"Traceback (most recent call last):\n  ValueError: bad input %s",
	"print(\"%s\")  # example",
	"SELECT * FROM t WHERE x = '%s' AND y = 3;",
	"It is %s.",
	"Is it %s?",
	"%s!",
	"%s\nBest regards",
	"Bitte prüfen Sie %s bis Freitag.",
	"Merci d'utiliser %s dès demain.",
	"请使用 %s 。",
	"Используйте %s завтра.",
	"> quoted %s\nreply",
	"`%s`",
	"**%s**",
	"x = %s;",
	"value:%s",
	"\t%s\t",
	"…%s…",
	"tool_call(arguments={'to': '%s'})",
}

type truth struct {
	kind       redact.Kind
	start, end int
}

// compose writes a text with one thing in it, and where that thing is.
func (m maker) compose(kind redact.Kind, thing string) (string, truth) {
	frame := around[m.IntN(len(around))]
	if kind == redact.PEM {
		frame = m.pick("%s", "key:\n%s\nend", "Please use this:\n\n%s\n\nThanks", "const k = `%s`")
	}
	before, after, _ := strings.Cut(frame, "%s")
	open, end := strings.Index(thing, "\x00"), strings.Index(thing, "\x01")
	bare := strings.NewReplacer("\x00", "", "\x01", "").Replace(thing)
	if open < 0 { // all of it
		return before + bare + after, truth{kind, len(before), len(before) + len(bare)}
	}
	return before + bare + after, truth{kind, len(before) + open, len(before) + end - 1}
}

type tally struct{ spans, found, claimed, right int }

func (t tally) recall() float64    { return float64(t.found) / float64(max(1, t.spans)) }
func (t tally) precision() float64 { return float64(t.right) / float64(max(1, t.claimed)) }

// measure counts a span as found only when findings of its kind cover every
// byte of it, and a finding as right only when it lies on a span of its kind
// and reaches at most two bytes beyond.
func measure(tallies map[redact.Kind]*tally, findings []redact.Finding, truths []truth) {
	for _, want := range truths {
		tallies[want.kind].spans++
		covered := 0
		for _, f := range findings {
			if f.Kind == want.kind {
				covered += max(0, min(f.End, want.end)-max(f.Start, want.start))
			}
		}
		if covered >= want.end-want.start {
			tallies[want.kind].found++
		}
	}
	for _, f := range findings {
		t := tallies[f.Kind]
		t.claimed++
		if slices.ContainsFunc(truths, func(w truth) bool {
			return w.kind == f.Kind && f.Start < w.end && w.start < f.End && f.Start >= w.start-2 && f.End <= w.end+2
		}) {
			t.right++
		}
	}
}

const spansPerKind = 2_400

func TestFloorsOfRecallAndPrecision(t *testing.T) {
	m := maker{rand.New(rand.NewPCG(20260105, 7))}
	p := redact.Assay(salt)
	makers := map[redact.Kind][]func() string{
		redact.Email: {m.email}, redact.Phone: {m.phone, m.phone, m.spokenPhone}, redact.IP: {m.ip}, redact.Card: {m.card}, redact.IBAN: {m.iban},
		redact.SSN: {m.ssn, m.ssn, m.spokenSSN}, redact.URLCredentials: {m.urlCredentials}, redact.APIKey: {m.apiKey, m.apiKey, m.assignedSecret},
		redact.JWT: {m.jwt}, redact.PEM: {m.pem}, redact.Path: {m.path}, redact.OrderID: {m.orderID},
	}
	tallies := map[redact.Kind]*tally{}
	for _, kind := range redact.Kinds {
		tallies[kind] = &tally{}
	}
	shown := map[redact.Kind]int{}
	for _, kind := range redact.Kinds {
		for i := range spansPerKind {
			text, want := m.compose(kind, makers[kind][i%len(makers[kind])]())
			before := *tallies[kind]
			_, findings := p.Text(text)
			measure(tallies, findings, []truth{want})
			if c := tallies[kind]; c.claimed-before.claimed > c.right-before.right && shown[kind+"?"] < 5 {
				shown[kind+"?"]++
				t.Logf("%s claims more than %q: %v in %q", kind, text[want.start:want.end], findings, text)
			}
			if tallies[kind].found == before.found && shown[kind] < 5 {
				shown[kind]++
				t.Logf("%s missed %q: %v in %q", kind, text[want.start:want.end], findings, text)
			}
			// As many lookalikes as there are real ones.
			text, _ = m.compose("", m.lookalike())
			_, findings = p.Text(text)
			measure(tallies, findings, nil)
			for _, f := range findings {
				if shown[f.Kind+"!"] < 5 {
					shown[f.Kind+"!"]++
					t.Logf("%s is not %q in %q", f.Kind, text[f.Start:f.End], text)
				}
			}
		}
	}
	for _, kind := range redact.Kinds {
		recall, precision := redact.Floors(kind)
		got := tallies[kind]
		t.Logf("%-16s recall %.4f of %d, precision %.4f of %d", kind, got.recall(), got.spans, got.precision(), got.claimed)
		if got.spans < 2_000 || got.recall() < recall {
			t.Errorf("%s: want recall %.2f of 2,000 spans or more, got %.4f of %d", kind, recall, got.recall(), got.spans)
		}
		if got.precision() < precision {
			t.Errorf("%s: want precision %.2f, got %.4f", kind, precision, got.precision())
		}
	}
}

// Answers of real models, which contain a few telephone numbers of offices
// and, as far as anyone can see, nothing else of the kinds below.
func TestRealAnswersAreLeftAlone(t *testing.T) {
	p := redact.Assay(salt)
	answers := 0
	eachLine(t, "replay-refchecker/events.jsonl", func(line []byte) {
		var event struct{ Response string }
		if err := json.Unmarshal(line, &event); err != nil {
			t.Fatal(err)
		}
		answers++
		_, findings := p.Text(event.Response)
		for _, f := range findings {
			if f.Kind != redact.Phone {
				t.Errorf("%s %q in %q", f.Kind, event.Response[f.Start:f.End], event.Response)
			}
		}
	})
	if answers != 2100 {
		t.Errorf("want 2100 answers read, got %d", answers)
	}
}

// Sessions with tool calls, whose arguments are JSON in strings of JSON: no
// address that a plain pattern finds is left.
func TestNoAddressIsLeftInRealToolCalls(t *testing.T) {
	plain := regexp.MustCompile(`[\w.+-]+@[\w-]+\.\w{2,}`)
	p := redact.Assay(salt)
	before := 0
	eachLine(t, "sessions-taubench-airline/sessions.jsonl", func(line []byte) {
		before += len(plain.FindAll(line, -1))
		redacted, _, err := p.JSON(line)
		if err != nil {
			t.Fatal(err)
		}
		if left := plain.Find(redacted); left != nil {
			t.Errorf("%s is left", left)
		}
	})
	if before < 50 {
		t.Errorf("want dozens of addresses to begin with, got %d", before)
	}
}

// eachLine reads a file of the shared data, or passes the test over.
func eachLine(t *testing.T, name string, act func(line []byte)) {
	t.Helper()
	file, err := os.Open("../../../shared/data/" + name)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the shared data does not lie beside the checkout")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		act(lines.Bytes())
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

// The small public set of generated texts is a smoke test only: ten phones,
// ten cards. Its people and addresses are not promised.
func TestThePublicSetOfGeneratedTexts(t *testing.T) {
	kinds := map[string]redact.Kind{"PHONE_NUMBER": redact.Phone, "CREDIT_CARD": redact.Card, "IP_ADDRESS": redact.IP, "EMAIL_ADDRESS": redact.Email, "US_SSN": redact.SSN}
	tallies := map[redact.Kind]*tally{}
	for _, kind := range redact.Kinds {
		tallies[kind] = &tally{}
	}
	p := redact.Assay(salt)
	eachLine(t, "pii-presidio-small/texts.jsonl", func(line []byte) {
		var row struct {
			Text  string
			Spans []struct {
				Start, End int
				Type       string
			}
		}
		if err := json.Unmarshal(line, &row); err != nil {
			t.Fatal(err)
		}
		runes := []rune(row.Text) // the set counts characters
		var truths []truth
		for _, s := range row.Spans {
			if kind, ok := kinds[s.Type]; ok {
				start := len(string(runes[:s.Start]))
				truths = append(truths, truth{kind, start, start + len(string(runes[s.Start:s.End]))})
			}
		}
		_, findings := p.Text(row.Text)
		measure(tallies, findings, truths)
		for _, f := range findings {
			if !slices.ContainsFunc(truths, func(w truth) bool { return w.kind == f.Kind && f.Start < w.end && w.start < f.End }) {
				t.Logf("%s %q in %q", f.Kind, row.Text[f.Start:f.End], row.Text)
			}
		}
	})
	for name, kind := range kinds {
		got := tallies[kind]
		t.Logf("%s: recall %d of %d, %d of %d findings right", name, got.found, got.spans, got.right, got.claimed)
		if got.spans == 0 || got.recall() < 0.9 {
			t.Errorf("%s: want 0.90 found, got %d of %d", name, got.found, got.spans)
		}
	}
}
