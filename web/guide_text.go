package web

import (
	"fmt"
	"strings"

	"github.com/a-h/templ"

	"assay/labeling"
	"assay/web/ui"
)

// guideText is a guide's text as it is drawn: headings, paragraphs, lists,
// with **bold** and *label names*. Everything else is text.
type guideText struct {
	Name   string // "Guide 7"
	Title  string
	Rule   templ.Component
	Change string
	Blocks []guideBlock
}

type guideBlock struct {
	Heading string
	Text    templ.Component
	Items   []templ.Component
}

func buildGuideText(g labeling.Guide) guideText {
	text := guideText{Name: fmt.Sprintf("Guide %d", g.Version), Title: g.Title, Rule: ruleText(g.Rule), Change: g.Change}
	for _, block := range strings.Split(strings.ReplaceAll(g.Body, "\r\n", "\n"), "\n\n") {
		block = strings.TrimSpace(block)
		switch {
		case block == "":
		case strings.HasPrefix(block, "#"):
			heading, rest, _ := strings.Cut(block, "\n")
			text.Blocks = append(text.Blocks, guideBlock{Heading: strings.TrimSpace(strings.TrimLeft(heading, "# "))})
			if rest = strings.TrimSpace(rest); rest != "" {
				text.Blocks = append(text.Blocks, guideBlock{Text: ruleText(rest)})
			}
		case strings.HasPrefix(block, "- "):
			list := guideBlock{}
			for _, line := range strings.Split("\n"+block, "\n- ")[1:] {
				list.Items = append(list.Items, ruleText(line))
			}
			text.Blocks = append(text.Blocks, list)
		default:
			text.Blocks = append(text.Blocks, guideBlock{Text: ruleText(block)})
		}
	}
	return text
}

// ruleText draws **bold** and *names* of one paragraph; a star without its
// partner is a star.
func ruleText(text string) templ.Component {
	var parts []any
	rest := strings.Join(strings.Fields(text), " ")
	for rest != "" {
		at := strings.IndexByte(rest, '*')
		if at < 0 {
			break
		}
		star := "*"
		if strings.HasPrefix(rest[at:], "**") {
			star = "**"
		}
		inside, after, closed := strings.Cut(rest[at+len(star):], star)
		if !closed || inside == "" {
			break
		}
		parts = append(parts, rest[:at])
		if star == "**" {
			parts = append(parts, ui.Bold(inside))
		} else {
			parts = append(parts, ui.Guide(inside))
		}
		rest = after
	}
	return ui.Words(append(parts, rest)...)
}
