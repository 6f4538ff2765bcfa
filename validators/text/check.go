package text

import (
	"fmt"
	"strings"
)

// Input is one answer with what it was given to rely on.
type Input struct {
	Response         string   `json:"response"`
	Context          []string `json:"context"`
	RequiresCitation bool     `json:"requires_citation"`
	Steps            []Step   `json:"steps"` // of a run of tools, instead
}

// Outcome is what came of it.
type Outcome struct {
	Verdict  string   `json:"verdict"` // pass, fail, inconclusive
	Reason   string   `json:"reason"`
	Message  string   `json:"message"`
	Evidence Evidence `json:"evidence"`
}

// Evidence lists the claims that were looked for.
type Evidence struct {
	Claims   []Claim   `json:"claims,omitempty"`
	Findings []Finding `json:"findings,omitempty"`
	Route    string    `json:"route,omitempty"` // of steps: continue, stop_and_review
	Repeats  int       `json:"repeats,omitempty"`
	Step     *Step     `json:"step,omitempty"`
}

// Claim is a part of the response that can be looked for. Start and End are
// bytes of the response.
type Claim struct {
	Kind    string `json:"kind"` // citation, quotation, quantity, date, name
	Text    string `json:"text"`
	Start   int    `json:"start"`
	End     int    `json:"end"`
	Found   bool   `json:"found"`
	Where   int    `json:"where,omitempty"`   // which text of the context, from 1
	Excerpt string `json:"excerpt,omitempty"` // of the context: where it stands, or what is nearest
	How     string `json:"how,omitempty"`     // how it follows, "120 + 35", where it does not stand as it is
	strong  bool   // missing it is a fail
}

// Finding is a claim that was not found, in words.
type Finding struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
	Start   int    `json:"start"`
	End     int    `json:"end"`
}

// The verdicts, as the validators' are.
const (
	pass         = "pass"
	fail         = "fail"
	inconclusive = "inconclusive"
)

// Reasons.
const (
	ReasonGrounded   = "grounded"
	ReasonNoContext  = "no_context"
	ReasonNothing    = "nothing_to_check"
	ReasonNoCitation = "citation_missing"
	ReasonCitation   = "citation_unresolved"
	ReasonQuotation  = "quotation_not_found"
	ReasonQuantity   = "quantity_not_supported"
	ReasonDate       = "date_not_supported"
	ReasonWeak       = "support_not_found"
)

// MaxText is the longest response, and the longest context together, in bytes.
const MaxText = 256 << 10

// maxClaims bounds what is shown and looked for.
const maxClaims = 400

// Check looks for the claims of a response in its context. Texts beyond MaxText
// are the caller's to refuse.
func Check(in Input) Outcome {
	if len(in.Context) == 0 {
		return Outcome{Verdict: inconclusive, Reason: ReasonNoContext, Message: "The response came without a context to hold it against."}
	}
	sources := read(in.Context)
	claims := citations(in)
	quotes := quotations(in.Response, sources)
	claims = append(claims, quotes...)
	rest := masked(in.Response, claims)
	claims = append(claims, dates(rest, sources)...)
	rest = masked(rest, claims)
	claims = append(claims, quantities(rest, sources)...)
	claims = append(claims, names(masked(rest, claims), sources)...)
	if len(claims) > maxClaims {
		claims = claims[:maxClaims]
	}
	for i := range claims {
		claims[i].Text = in.Response[claims[i].Start:claims[i].End]
	}
	return judge(in, claims)
}

func judge(in Input, claims []Claim) Outcome {
	out := Outcome{Evidence: Evidence{Claims: claims}}
	cites, found := 0, map[string]int{}
	for _, c := range claims {
		if c.Kind == "citation" {
			cites++
		}
		if c.Found {
			found[c.Kind]++
			continue
		}
		out.Evidence.Findings = append(out.Evidence.Findings, Finding{Kind: reasonOf(c), Message: missing(c), Start: c.Start, End: c.End})
		if c.strong && out.Verdict == "" {
			out.Verdict, out.Reason, out.Message = fail, reasonOf(c), missing(c)
		}
	}
	switch {
	case out.Verdict == fail:
	case in.RequiresCitation && cites == 0:
		out.Verdict, out.Reason, out.Message = fail, ReasonNoCitation, "A citation is required, and there is none."
	case len(claims) == 0:
		out.Verdict, out.Reason, out.Message = inconclusive, ReasonNothing, "There is no quotation, citation, number, date or name to look for."
	case len(out.Evidence.Findings) > 0:
		out.Verdict, out.Reason = inconclusive, ReasonWeak
		out.Message = out.Evidence.Findings[0].Message
	default:
		out.Verdict, out.Reason, out.Message = pass, ReasonGrounded, "The context has "+counted(found)+"."
	}
	return out
}

func reasonOf(c Claim) string {
	if !c.strong {
		return ReasonWeak
	}
	return map[string]string{"citation": ReasonCitation, "quotation": ReasonQuotation, "quantity": ReasonQuantity, "date": ReasonDate}[c.Kind]
}

func missing(c Claim) string {
	text := c.Text
	if r := []rune(text); len(r) > 120 {
		text = string(r[:120]) + "…"
	}
	switch c.Kind {
	case "citation":
		return fmt.Sprintf("%s names a source that was not given.", text)
	case "quotation":
		return fmt.Sprintf("Nobody wrote %s.", text)
	case "date":
		return fmt.Sprintf("The context has no date %s.", text)
	case "name":
		return fmt.Sprintf("The context does not mention %s.", text)
	}
	return fmt.Sprintf("%s neither stands in the context nor follows from it.", text)
}

// counted words what was found: "2 quotations, 3 numbers and a date".
func counted(found map[string]int) string {
	var parts []string
	for _, k := range []struct{ kind, one, many string }{
		{"citation", "the source of one citation", "the sources of %d citations"}, {"quotation", "one quotation", "%d quotations"},
		{"quantity", "one number", "%d numbers"}, {"date", "one date", "%d dates"}, {"name", "one name", "%d names"},
	} {
		switch n := found[k.kind]; n {
		case 0:
		case 1:
			parts = append(parts, k.one)
		default:
			parts = append(parts, fmt.Sprintf(k.many, n))
		}
	}
	if n := len(parts); n > 1 {
		return strings.Join(parts[:n-1], ", ") + " and " + parts[n-1]
	}
	return strings.Join(parts, "")
}

// masked blanks the claims that were taken, so that the number within a
// citation or a date is no claim again. Lengths stay.
func masked(text string, taken []Claim) string {
	b := []byte(text)
	for _, c := range taken {
		for i := c.Start; i < c.End; i++ {
			b[i] = ' '
		}
	}
	return string(b)
}
