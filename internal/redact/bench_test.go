package redact_test

import (
	"regexp"
	"strings"
	"testing"

	"assay/internal/redact"
)

// ordinary is what assistants and their users mostly write: prose, a list, a
// little code, a table, now and then a number.
var ordinary = strings.Repeat(`The quarterly figures show that revenue in the northern region grew by 12% while costs stayed flat, which
means the margin improved from 31.4 to 34.9 points. Before you send the summary, please check whether the
new contracts (signed in March 2026) are part of the forecast; I couldn't find them in the sheet.

- First, open the workbook and select the range B2:F40.
- Then choose Insert > Pivot table, and drag "Region" into rows and "Amount" into values.
- Finally sort by the sum, largest first, and hide the empty groups.

func Mean(values []float64) float64 {
	total := 0.0
	for _, v := range values {
		total += v
	}
	return total / float64(len(values))
}

In short: the query joins orders with customers on customer_id, groups by month and returns the
average basket. It’s slow because there is no index on orders.created_at — adding one should help.
The answer depends on what “active” means; the guide says a user counts as active for 30 days after the
last visit, so someone who came back after 45 days would be counted twice in the yearly total.
`, 64)

// patterns is the usual way: one regular expression for each kind.
var patterns = []*regexp.Regexp{
	regexp.MustCompile(`\b[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}\b`),
	regexp.MustCompile(`\+?\d{1,3}?[-. (]*\d{3}[-. )]*\d{3}[-. ]*\d{4}\b`),
	regexp.MustCompile(`\b(?:\d{1,3}\.){3}\d{1,3}\b`),
	regexp.MustCompile(`\b(?:\d[ -]?){13,19}\b`),
	regexp.MustCompile(`\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}\b`),
	regexp.MustCompile(`\b\d{3}-\d{2}-\d{4}\b`),
	regexp.MustCompile(`\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\b`),
}

func BenchmarkText(b *testing.B) {
	p := redact.Assay(salt)
	b.SetBytes(int64(len(ordinary)))
	b.ReportAllocs()
	for b.Loop() {
		if _, findings := p.Text(ordinary); len(findings) != 0 {
			b.Fatalf("ordinary text was redacted: %v", findings)
		}
	}
}

func BenchmarkTextOfFindings(b *testing.B) {
	p := redact.Assay(salt)
	text := strings.Repeat("Please write to ada.lovelace@example.com or call +44 20 7946 0958 about card 4111 1111 1111 1111, from 192.0.2.7.\n", 64)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, findings := p.Text(text); len(findings) != 4*64 {
			b.Fatal(len(findings))
		}
	}
}

func BenchmarkJSON(b *testing.B) {
	p := redact.Assay(salt)
	raw := []byte(`{"prompt":"` + strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(ordinary[:8<<10], "\n", `\n`), `"`, `\"`), "\t", `\t`) + `","n":[1,2,3]}`)
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if _, findings, err := p.JSON(raw); err != nil || len(findings) != 0 {
			b.Fatal(findings, err)
		}
	}
}

func BenchmarkRegularExpressions(b *testing.B) {
	b.SetBytes(int64(len(ordinary)))
	for b.Loop() {
		for _, pattern := range patterns {
			pattern.ReplaceAllString(ordinary, "[X]")
		}
	}
}
