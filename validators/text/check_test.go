package text

import (
	"strings"
	"testing"
	"time"
)

var report = []string{
	"Quarterly report. Revenue was €1,250,000 in the third quarter, up from €1,000,000 a year before. The outage on 12 March 2026 lasted 45 minutes and touched 312 customers, of whom 39 complained.",
	"“We will refund everybody who was affected,” said Ada Lovelace, head of support at Difference Ltd. The share of open tickets fell from 18.4 % to 12.9 %.",
}

func TestClaimsAreLookedForInTheContext(t *testing.T) {
	for _, c := range []struct {
		name, response, verdict, reason string
	}{
		{"numbers as they stand", "Revenue was 1.25 million euros; 312 customers were touched.", pass, ReasonGrounded},
		{"a number that follows", "Revenue grew by 25 %, that is by €250,000.", pass, ReasonGrounded},
		{"a share that follows", "12.5% of the customers complained.", pass, ReasonGrounded},
		{"rounded", "The share of open tickets fell to 13 %.", pass, ReasonGrounded},
		{"a number that nobody said", "Revenue was €1,375,000.", fail, ReasonQuantity},
		{"a share that nobody said", "The share of open tickets fell to 9.7 %.", fail, ReasonQuantity},
		{"another currency", "Revenue was $1,250,000.", fail, ReasonQuantity},
		{"a date in another form", "The outage was on March 12, 2026.", pass, ReasonGrounded},
		{"a wrong date", "The outage was on 2026-03-13.", fail, ReasonDate},
		{"a quotation", "She said \"we will refund everybody who was affected\".", pass, ReasonGrounded},
		{"a quotation with something left out", "She said “We will refund … who was affected” [1].", pass, ReasonGrounded},
		{"an invented quotation", "She said “We will refund only those who were affected twice.”", fail, ReasonQuotation},
		{"a citation", "Revenue was €1,250,000 [1].", pass, ReasonGrounded},
		{"a citation of nothing", "Revenue was €1,250,000 [1], and all is well [7].", fail, ReasonCitation},
		{"a name", "The statement came from Ada Lovelace.", pass, ReasonGrounded},
		{"another name", "The statement came from Charles Babbage.", inconclusive, ReasonWeak},
		{"nothing to look for", "It went well on the whole.", inconclusive, ReasonNothing},
		{"counting is no claim", "There are two reasons, and 3 steps.", inconclusive, ReasonNothing},
		{"names with numbers in them", "See v2.1.7 of utf8_reader4 and file_12.", inconclusive, ReasonNothing},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Check(Input{Response: c.response, Context: report})
			if got.Verdict != c.verdict || got.Reason != c.reason {
				t.Errorf("want %s %s, got %s %s: %s\n%+v", c.verdict, c.reason, got.Verdict, got.Reason, got.Message, got.Evidence)
			}
			for _, claim := range got.Evidence.Claims {
				if c.response[claim.Start:claim.End] != claim.Text {
					t.Errorf("the claim %q is not where it says", claim.Text)
				}
			}
		})
	}
}

func TestCitationsMayBeRequired(t *testing.T) {
	if got := Check(Input{Response: "Revenue was €1,250,000.", Context: report, RequiresCitation: true}); got.Reason != ReasonNoCitation || got.Verdict != fail {
		t.Errorf("got %+v", got)
	}
	if got := Check(Input{Response: "Take a[3] and b[9] of the list.", Context: report}); got.Verdict == fail {
		t.Errorf("an index is no citation: %+v", got)
	}
	if got := Check(Input{Response: "Anything"}); got.Reason != ReasonNoContext {
		t.Errorf("got %+v", got)
	}
}

func TestNumbersAreReadAsPeopleWriteThem(t *testing.T) {
	for text, want := range map[string]float64{"1,234.5": 1234.5, "1.234,5": 1234.5, "1 234": 1234, "1'234'567": 1234567, "0,5": 0.5, "3.4 bn": 3.4e9, "€2m": 2e6, "−7": -7, "12,5 %": 12.5, "1,250": 1250, "seven": 7} {
		got := numbersIn(text)
		if len(got) != 1 || got[0].value != want {
			t.Errorf("%q: want %v, got %+v", text, want, got)
		}
	}
}

// Hostile texts take no more than they are long.
func TestLongTextsEnd(t *testing.T) {
	began := time.Now()
	for _, s := range []string{strings.Repeat("[", MaxText), strings.Repeat("\"a b c d e f", MaxText/12), strings.Repeat("1,", MaxText/2), strings.Repeat("Aa ", MaxText/3), strings.Repeat("9", MaxText), strings.Repeat("12 March ", MaxText/9)} {
		Check(Input{Response: s, Context: []string{s, "one two three four"}, RequiresCitation: true})
	}
	t.Logf("six texts of a quarter of a mebibyte in %v", time.Since(began))
}
