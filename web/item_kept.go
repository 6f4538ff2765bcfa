package web

import (
	"strconv"

	"github.com/a-h/templ"

	"assay/labeling"
	"assay/web/ui"
)

// keptPage is an item that is not reserved for the reader now: labeled by
// them, put off, or lost with its lease.
type keptPage struct {
	Head    ui.Head
	Item    ui.ItemHead
	Notice  *ui.Banner
	Turns   []templ.Component
	Title   string // of the side
	Facts   []ui.Fact
	Acts    []keptAct
	Discard string // address; "" when there is no draft
}

// keptAct is a form with one button.
type keptAct struct {
	Action string
	Button ui.Button
}

// buildKept says what became of the item and what may be done next.
func buildKept(item labeling.Item, verdicts []Verdict) keptPage {
	base := "/items/" + strconv.FormatInt(item.ID, 10)
	var spans []labeling.Span
	p := keptPage{
		Head: ui.Head{
			Crumbs: []ui.Link{{Text: "Queues", URL: "/queues"}, {Text: item.Queue.Title, URL: "/queues/" + item.Queue.Slug}},
			Title:  railTitle(item.Title),
		},
		Item: buildItemHead(item, verdicts),
	}
	next := keptAct{"/queues/" + item.Queue.Slug + "/next", ui.Button{Label: "Next item", Submit: true}}
	switch {
	case item.Mine != nil:
		spans = item.Mine.Answer.Spans
		p.Title, p.Facts = "Your label", ownFacts(*item.Mine, item.Snapshot)
		p.Acts = []keptAct{{base + "/undo", ui.Button{Label: "Change", Submit: true, Icon: ui.IconUndo}}, next}
		p.Facts = append(p.Facts, ui.Fact{Term: "Others", Value: ui.Link{Text: "What was said, and comments", URL: base + "/discussion"}})
	case item.Draft != nil && item.Draft.Refused != "":
		spans = item.Draft.Answer.Spans
		p.Notice = &ui.Banner{Tone: ui.Mid, Fact: item.Draft.Refused, Consequence: "What you wrote is kept as a draft. It still counts, as a second label where another person has labeled since."}
		p.Title, p.Facts = "Your draft", answerFacts(item.Draft.Answer, item.Snapshot)
		p.Acts = []keptAct{{base + "/again", ui.Button{Label: "Reserve it again", Style: ui.Filled, Submit: true}}, next}
		p.Discard = base + "/discard"
	default:
		p.Title = "Not reserved"
		p.Facts = []ui.Fact{{Term: "State", Value: ui.Text("You had this item. It is free for others until you reserve it again.")}}
		if item.Draft != nil {
			spans = item.Draft.Answer.Spans
			p.Facts = append(p.Facts, answerFacts(item.Draft.Answer, item.Snapshot)...)
		}
		p.Acts = []keptAct{{base + "/again", ui.Button{Label: "Reserve it again", Style: ui.Filled, Submit: true}}, next}
	}
	p.Turns = buildTurns(item, verdicts, spans, false)
	return p
}

func ownFacts(own labeling.OwnLabel, snapshot labeling.Snapshot) []ui.Fact {
	facts := answerFacts(own.Answer, snapshot)
	return append(facts, ui.Fact{Term: "Given", Value: ui.Time{At: own.LabeledAt}})
}

func answerFacts(a labeling.Answer, snapshot labeling.Snapshot) []ui.Fact {
	var facts []ui.Fact
	if a.Label != "" {
		facts = append(facts, ui.Fact{Term: "Label", Value: ui.Sign{Mark: ui.MarkOf(a.Label), Word: labelWords(a.Label)}})
	}
	if len(a.Reasons) > 0 {
		words := ""
		for i, code := range a.Reasons {
			if i > 0 {
				words += ", "
			}
			words += reasonLabel(code)
		}
		facts = append(facts, ui.Fact{Term: "Reasons", Value: ui.Text(words)})
	}
	if a.Confidence != "" {
		facts = append(facts, ui.Fact{Term: "Confidence", Value: ui.Text(a.Confidence)})
	}
	if a.Correction != "" {
		facts = append(facts, ui.Fact{Term: "Correction", Value: ui.Edits{Before: correctedText(snapshot), After: a.Correction}})
	}
	if a.Note != "" {
		facts = append(facts, ui.Fact{Term: "Note", Value: ui.Text(a.Note)})
	}
	return facts
}
