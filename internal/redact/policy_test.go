package redact_test

import (
	"errors"
	"strings"
	"testing"

	"assay/internal/fault"
	"assay/internal/redact"
)

var salt = []byte("a salt of thirty-two random bytes")

func TestTheFixtureScrubberGivesThePublishedPreview(t *testing.T) {
	for _, order := range []string{"#A1042", "#FS-1042", "#77"} {
		got, findings := redact.Delivery().Text("Email me ETA for order " + order + " at maya@example.com")
		if want := "Email me ETA for order [ORDER_ID] at [EMAIL]"; want != got {
			t.Errorf("want %q, got %q", want, got)
		}
		if len(findings) != 2 {
			t.Errorf("want 2 findings, got %v", findings)
		}
	}
	if want, got := "delivery-pii-v1", redact.Delivery().Name(); want != got {
		t.Errorf("want %s, got %s", want, got)
	}
}

func TestOneExampleOfEachKind(t *testing.T) {
	p := redact.Assay(salt)
	for _, c := range []struct{ in, want string }{
		{"write to Ada.Lovelace+news@mail.example.co.uk, please", "write to [EMAIL], please"},
		{"jörg@müller.de und иван@пример.рф", "[EMAIL] und [EMAIL]"},
		{`"ann lee"@example.com or bob@[192.0.2.7]`, "[EMAIL] or [EMAIL]"},
		{"call +44 20 7946 0958 now", "call [PHONE] now"},
		{"(212) 555-0123 x45, 555.123.4567", "[PHONE], [PHONE]"},
		{"my number to reach me: 5550123456", "my number to reach me: [PHONE]"},
		{"from 192.168.10.4:8080 and [2001:db8::8a2e:370:7334]:443", "from [IP]:8080 and [[IP]]:443"},
		{"card 4111 1111 1111 1111 12/27", "card [CARD] 12/27"},
		{"amex 3782-822463-10005", "amex [CARD]"},
		{"IBAN DE89 3704 0044 0532 0130 00.", "IBAN [IBAN]."},
		{"gb29nwbk60161331926819", "[IBAN]"},
		{"SSN 078-05-1120, NI AB 12 34 56 C", "SSN [SSN], NI [SSN]"},
		{"social security number 219099999", "social security number [SSN]"},
		{"postgres://app:s3cr3t@db.example.com/x", "postgres://[URL_CREDENTIALS]@db.example.com/x"},
		{"export AWS=AKIAIOSFODNN7EXAMPLE", "export AWS=[API_KEY]"},
		{"Authorization: Bearer 7dKq2mZp9XwR4tYb8NcV", "Authorization: Bearer [API_KEY]"},
		{"DB_PASSWORD=hunter2!", "DB_PASSWORD=[API_KEY]"},
		{`"client_secret": "correct horse 9"`, `"client_secret": "[API_KEY]"`},
		{"t=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U.", "t=[JWT]."},
		{"key:\n-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nABC=\n-----END RSA PRIVATE KEY-----\nbye", "key:\n[PEM]\nbye"},
		{"order #FS-1042 is late", "order [ORDER_ID] is late"},
	} {
		got, _ := p.Text(c.in)
		if c.want != got {
			t.Errorf("%q:\nwant %q\n got %q", c.in, c.want, got)
		}
	}
}

func TestPathsBecomeCanonicalIDs(t *testing.T) {
	p := redact.Assay(salt)
	id := func(text string) string {
		got, findings := p.Text(text)
		if len(findings) != 1 || findings[0].Kind != redact.Path {
			t.Errorf("%q: want one path, got %v in %q", text, findings, got)
		}
		return got
	}
	a, b := id(`C:\Users\Ann Lee\plan.xlsx`), id(`C:\\Users\\Ann Lee\\plan.xlsx`)
	if a != b {
		t.Errorf("one file, two ids: %s and %s", a, b)
	}
	if other, _ := redact.Assay([]byte("another installation")).Text(`C:\Users\Ann Lee\plan.xlsx`); other == a {
		t.Errorf("two installations give the same id %s", a)
	}
	id(`File "/home/ann/app/main.py", line 3`)
	id(`at run (/Users/ann/src/index.js:10:5)`)
	id(`open ~/.ssh/id_rsa`)
	id(`\\fileserver\finance\salaries.xlsx`)
	id(`see file:///etc/passwd`)
}

func TestAPathInSomeonesHomeGoesWholeThoughItHasSpaces(t *testing.T) {
	p := redact.Assay(salt)
	for path, rest := range map[string]string{
		"/Users/Ann Lee/a.txt": "", "/Users/Ann Lee/My Letters/a.txt": "", "/Users/Ann Lee/My own letters/to B.docx": "",
		"/home/ann": " and then docs/readme.md", "/Users/ann/b.txt": " is read",
	} {
		got := first(p.Text("open " + path + rest))
		if want := "open [PATH:" + pathID(p, path) + "]" + rest; got != want || strings.Count(got, "[PATH:") != 1 {
			t.Errorf("%s: want %q, got %q", path, want, got)
		}
	}
}

func TestWhatOnlyLooksLikePersonalDataStays(t *testing.T) {
	p := redact.Assay(salt)
	for _, text := range []string{
		"version 1.2.3.4 of 2026-01-05 12:30:45, section 3.2.1.4",
		"pi is 3.14159265358979, e is 2.718281828",
		"=IFERROR(SUM(A1:B20)/C3, #DIV/0!) and #REF! and #N/A",
		"the colour #FFAA00 and #123456, issue #1234, C# 12",
		"std::vector<int> a::b x[1::2] dead::beef 12:30:45",
		"npm install react@18.2.0 and @types/node@20.1.0-beta.rc, @Override",
		"uuid 123e4567-e89b-12d3-a456-426614174000",
		"sha 9fceb02d0ae598e95dc970b74767f19372d61af8",
		"https://example.com/home/index.html?a=1&b=2",
		"git clone git@github.com:owner/repo.git",
		"between 2015 2016 2017 2018 and 1.000.000,00 EUR",
		"timestamp 1700000000123, id 1234567890123456",
		"A and/or B, 1/2 cup, TCP/IP",
		"ISBN 978-0-306-40615-7, order number 123-456-7890",
		"the password is required, token: str, password = getPassword()",
		"let key = request.form.password; token=abc",
		"GET /v1/sessions/42 200",
		"x @ W.transpose() + b@c.T",
		"00:1b:44:11:3a:b7:aa:bb",
		"05.11.2021 14 Uhr, 11/05/2021 10:00",
		"| a | b |\n|-----|-----|\n| 1 | 2 |",
	} {
		if got, findings := p.Text(text); len(findings) > 0 {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestDisguisesDoNotHelp(t *testing.T) {
	p := redact.Assay(salt)
	for _, c := range []struct{ in, want string }{
		{"４１１１ １１１１ １１１１ １１１１", "[CARD]"},
		{"ada\u200b@exam\u00adple.com", "[EMAIL]"},
		{"ada&#64;example&period;com", "[EMAIL]"},
		{"ada&amp;commat;example.com", "[EMAIL]"},
		{"mail=ada%40example.com&x=1", "mail=[EMAIL]&x=1"},
		{`{"m":"ada\u0040example.com"}`, `{"m":"[EMAIL]"}`},
		{"ａｄａ＠ｅｘａｍｐｌｅ．ｃｏｍ", "[EMAIL]"},
		{"٤١١١١١١١١١١١١١١١", "[CARD]"},
		{"4111\u20131111\u20131111\u20131111", "[CARD]"},
		{"078\u201105\u20111120", "[SSN]"},
		{"+49\u00a030\u00a0123456789", "[PHONE]"},
		{"\ufeff192.168.\u2060010.1 ok", "\ufeff[IP] ok"},
	} {
		got, _ := p.Text(c.in)
		if c.want != got {
			t.Errorf("%q:\nwant %q\n got %q", c.in, c.want, got)
		}
	}
}

func TestAnOperatorsOwnRules(t *testing.T) {
	p, err := redact.New(redact.Config{Rules: []redact.Rule{{Name: "EMPLOYEE_ID", Pattern: `\bE-\d{5}\b`}}})
	if err != nil {
		t.Fatal(err)
	}
	if want, got := "[EMPLOYEE_ID] wrote to [EMAIL]", first(p.Text("E-12345 wrote to ada@example.com")); want != got {
		t.Errorf("want %q, got %q", want, got)
	}
	other, err := redact.New(redact.Config{Rules: []redact.Rule{{Name: "EMPLOYEE_ID", Pattern: `\bE-\d{6}\b`}}})
	if err != nil {
		t.Fatal(err)
	}
	if p.Name() == other.Name() || p.Name() == "assay-pii-v1" {
		t.Errorf("a changed rule keeps the policy's name %s", p.Name())
	}
	for _, bad := range []redact.Config{
		{Rules: []redact.Rule{{Name: "lower", Pattern: "x"}}},
		{Rules: []redact.Rule{{Name: "EMAIL", Pattern: "x"}}},
		{Rules: []redact.Rule{{Name: "OPEN", Pattern: "("}}},
		{Rules: []redact.Rule{{Name: "EMPTY", Pattern: "x*"}}},
		{Only: []redact.Kind{"NAME"}},
	} {
		if _, err := redact.New(bad); !errors.Is(err, fault.Invalid) {
			t.Errorf("%+v: want invalid, got %v", bad, err)
		}
	}
}

func first(text string, _ []redact.Finding) string { return text }
