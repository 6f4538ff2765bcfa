package web

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/a-h/templ"

	"assay/web/ui"
)

// queryEvidence is what the SQL validator shows: the rows the query gave and
// those that were expected, or stated.
type queryEvidence struct {
	Got      *queryRows `json:"got"`
	Want     *queryRows `json:"want"`
	Repaired string     `json:"repaired"` // the statement with real names in place of invented ones
}

type queryRows struct {
	Columns []string `json:"columns"`
	Rows    [][]any  `json:"rows"`
	More    int      `json:"more"` // rows that are not in it
}

// rowsShown is how much of a result a labeler looks at before deciding.
const rowsShown = 20

// resultTables stand the two results side by side, aligned by row, with only
// the cells marked that differ; one alone when there is one.
func resultTables(evidence json.RawMessage) []templ.Component {
	var e queryEvidence
	if json.Unmarshal(evidence, &e) != nil {
		return nil // of another shape: the findings say what there is to say
	}
	var parts []templ.Component
	switch {
	case e.Got != nil && e.Want != nil:
		parts = append(parts, ui.Compare{Left: resultGrid("The query gives", *e.Got), Right: resultGrid("Expected", *e.Want)}.Differ())
	case e.Got != nil:
		parts = append(parts, resultGrid("The query gives", *e.Got))
	case e.Want != nil:
		parts = append(parts, resultGrid("Expected", *e.Want))
	}
	if e.Repaired != "" {
		text := cut(e.Repaired, sourceLength)
		parts = append(parts, ui.Code{Text: text, Tokens: ui.Tokens("sql", text), Small: true, Well: true})
	}
	return parts
}

func resultGrid(caption string, r queryRows) ui.Grid {
	grid := ui.Grid{Caption: caption + ", " + ui.CountOf(len(r.Rows)+r.More, "row"), Columns: r.Columns}
	for _, row := range r.Rows[:min(len(r.Rows), rowsShown)] {
		line := ui.GridRow{}
		for _, value := range row {
			text, number := resultText(value)
			line.Cells = append(line.Cells, ui.Cell{Text: text, Number: number, Dim: value == nil})
		}
		grid.Rows = append(grid.Rows, line)
	}
	if hidden := len(r.Rows) + r.More - len(grid.Rows); hidden > 0 {
		grid.Caption += ", the first " + strconv.Itoa(len(grid.Rows))
	}
	return grid
}

// resultText is a value of a result as people read it; NULL is a word there.
func resultText(value any) (text string, number bool) {
	if value == nil {
		return "NULL", false
	}
	text, number = cellText(value)
	return cut(text, 200), number
}

// outputEvidence is what a check that ran something shows: the call that gave
// the wrong answer, the line of the tests, what was printed, and what should
// have been.
type outputEvidence struct {
	Call     string `json:"call"`
	Returned string `json:"returned"`
	Test     string `json:"test"`
	Line     int    `json:"line"`
	Source   string `json:"source"`
	Error    string `json:"error"`
	Stdout   string `json:"stdout"`
	Stderr   string `json:"stderr"`
	Expected string `json:"expected_stdout"`
}

func outputs(evidence json.RawMessage) []templ.Component {
	var e outputEvidence
	if json.Unmarshal(evidence, &e) != nil {
		return nil
	}
	var parts []templ.Component
	facts := ui.Facts{Small: true}
	say := func(term, text string) {
		if text != "" {
			facts.Items = append(facts.Items, ui.Fact{Term: term, Value: ui.Mono(cut(text, turnLength))})
		}
	}
	say("Call", e.Call)
	say("Gives", e.Returned)
	say("Test", e.Test)
	if e.Line > 0 {
		say("Line "+strconv.Itoa(e.Line), e.Source)
	}
	if e.Error != e.Returned {
		say("Error", e.Error)
	}
	if len(facts.Items) > 0 {
		parts = append(parts, facts)
	}
	if e.Expected != "" {
		parts = append(parts, ui.Edits{Before: cut(e.Expected, turnLength), After: cut(e.Stdout, turnLength)})
	} else if e.Stdout != "" {
		parts = append(parts, ui.Code{Text: cut(e.Stdout, turnLength), Small: true, Well: true})
	}
	if e.Stderr != "" {
		parts = append(parts, ui.Code{Text: cut(e.Stderr, turnLength), Small: true, Well: true})
	}
	return parts
}

// claimEvidence is what the check of an answer's claims shows.
type claimEvidence struct {
	Claims []claimLine `json:"claims"`
}

type claimLine struct {
	Kind    string `json:"kind"`
	Text    string `json:"text"`
	Found   bool   `json:"found"`
	Where   int    `json:"where"`
	Excerpt string `json:"excerpt"`
	How     string `json:"how"`
}

// claimsShown is how many claims a labeler looks at.
const claimsShown = 20

// claimsLookedFor lists an answer's claims with the place in the context where
// each stands, what is missing first.
func claimsLookedFor(evidence json.RawMessage) []templ.Component {
	var e claimEvidence
	if json.Unmarshal(evidence, &e) != nil || len(e.Claims) == 0 {
		return nil
	}
	missing := slices.DeleteFunc(slices.Clone(e.Claims), func(c claimLine) bool { return c.Found })
	found := slices.DeleteFunc(e.Claims, func(c claimLine) bool { return !c.Found })
	e.Claims = append(missing, found...)
	grid := ui.Grid{Caption: ui.CountOf(len(e.Claims), "claim"), Columns: []string{"Claim", "In the context"}}
	for _, c := range e.Claims[:min(len(e.Claims), claimsShown)] {
		where := "nowhere"
		switch {
		case c.Found && c.How != "":
			where = "follows: " + c.How
		case c.Found && c.Excerpt != "":
			where = "source " + strconv.Itoa(c.Where) + ": " + c.Excerpt
		case c.Found:
			where = "source " + strconv.Itoa(c.Where)
		case c.Excerpt != "":
			where = "nearest: " + c.Excerpt
		}
		grid.Rows = append(grid.Rows, ui.GridRow{Cells: []ui.Cell{{Text: cut(c.Text, 200)}, {Text: cut(where, 300), Dim: c.Found}}})
	}
	return []templ.Component{grid}
}
