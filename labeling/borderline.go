package labeling

import (
	"fmt"
	"slices"
	"strings"

	"assay/internal/fault"
)

// BorderlineCase is a worked case of a guide: a judgement that could go either
// way, with its answer and why.
type BorderlineCase struct {
	Title    string
	Asked    string
	Given    string // what was shown beside it
	Answered string
	Label    string
	Why      string
}

// The most a guide may hold.
const (
	maxCases     = 60
	maxCasesText = 100_000
)

// caseFields are the lines of a case, in the order in which they are written.
var caseFields = []string{"Asked", "Given", "Answered", "Label", "Why"}

// ParseCases reads the cases of a guide:
//
//	## A title
//	Asked: what the user wanted
//	Given: what was shown
//	Answered: the response
//	Label: correct, partially_correct or hallucinated
//	Why: the reason
//
// A line that begins with no field goes on with the one before. It is Invalid,
// in words, when a case is not whole.
func ParseCases(text string) ([]BorderlineCase, error) {
	text = strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n"))
	if text == "" {
		return nil, nil
	}
	if len(text) > maxCasesText {
		return nil, fault.Say(fault.Invalid, "The borderline cases are longer than 100,000 characters.")
	}
	blocks := strings.Split("\n"+text, "\n## ")
	if strings.TrimSpace(blocks[0]) != "" {
		return nil, fault.Say(fault.Invalid, "Borderline cases begin with a line “## ” and the title of the first case.")
	}
	if len(blocks)-1 > maxCases {
		return nil, fault.Say(fault.Invalid, "A guide has at most %d borderline cases.", maxCases)
	}
	var cases []BorderlineCase
	for i, block := range blocks[1:] {
		one, err := parseCase(block)
		if err != nil {
			return nil, fault.Say(fault.Invalid, "Borderline case %d, “%s”: %s", i+1, one.Title, err)
		}
		cases = append(cases, one)
	}
	return cases, nil
}

func parseCase(block string) (BorderlineCase, error) {
	title, rest, _ := strings.Cut(block, "\n")
	c := BorderlineCase{Title: strings.TrimSpace(title)}
	fields := map[string]string{}
	current := ""
	for _, line := range strings.Split(rest, "\n") {
		if name, value, ok := strings.Cut(line, ":"); ok && slices.Contains(caseFields, name) {
			if _, twice := fields[name]; twice {
				return c, fmt.Errorf("it says %s twice", name)
			}
			current, fields[name] = name, strings.TrimSpace(value)
			continue
		}
		if line = strings.TrimSpace(line); line != "" && current == "" {
			return c, fmt.Errorf("after its title comes Asked:")
		}
		fields[current] = strings.TrimSpace(fields[current] + " " + line)
	}
	for _, name := range caseFields {
		if name != "Given" && fields[name] == "" {
			return c, fmt.Errorf("%s: is missing", name)
		}
	}
	c.Asked, c.Given, c.Answered, c.Label, c.Why = fields["Asked"], fields["Given"], fields["Answered"], fields["Label"], fields["Why"]
	if !slices.Contains(Truths, c.Label) {
		return c, fmt.Errorf("its label is one of %s", strings.Join(Truths, ", "))
	}
	if c.Title == "" {
		return c, fmt.Errorf("it has no title")
	}
	return c, nil
}

// WorkedCases are the guide's borderline cases. What is stored was parsed
// before it was; what is not whole anyway is left out.
func (g Guide) WorkedCases() []BorderlineCase {
	cases, err := ParseCases(g.Cases)
	if err != nil {
		return nil
	}
	return cases
}

// shippedCases are those that come with the program for a task class.
func shippedCases(taskClass string) string {
	text, err := shipped.ReadFile("guides/cases/" + taskClass + ".md")
	if err != nil {
		return ""
	}
	return string(text)
}
