package web

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"assay/labeling"
	"assay/telemetry"
	"assay/web/ui"
)

// taskClasses are the task classes as people say them; others are said as
// their words.
var taskClasses = map[string]string{
	"spreadsheet_formula": "Spreadsheet formula",
	"sql_query":           "SQL query",
	"code_generation":     "Code generation",
	"file_edit":           "File edit",
	"file_search":         "File search",
	"summarization":       "Summarization",
	"closed_book_qa":      "Closed-book answer",
	"rag_qa":              "Answer from documents",
	"summarize_extract":   "Extract and summary",
}

func taskClassWords(taskClass string) string {
	if words, ok := taskClasses[taskClass]; ok {
		return words
	}
	words := strings.TrimSpace(strings.NewReplacer("_", " ", "-", " ").Replace(taskClass))
	if words == "" {
		return "No task class"
	}
	runes := []rune(words)
	return strings.ToUpper(string(runes[:1])) + string(runes[1:])
}

// reasonWords are the reason codes of labels as their chips say them.
var reasonWords = map[string]string{
	"wrong_value":        "Wrong value stated",
	"wrong_range":        "Wrong range or criterion",
	"wrong_result":       "Wrong result",
	"wrong_edit":         "Wrong edit",
	"edit_missing":       "Edit left out",
	"edit_unasked":       "Edit not asked for",
	"invented_function":  "Invented function",
	"invented_column":    "Invented table or column",
	"invented_reference": "Invented reference",
	"contradicts_source": "Contradicts the source",
	"not_in_source":      "Not in the source",
	"leaves_out":         "Leaves out what matters",
	"does_not_run":       "Does not run",
	"false_explanation":  "False explanation",
	"ignores_question":   "Ignores the question",
	"other":              "Other",
}

func reasonLabel(code string) string {
	if words, ok := reasonWords[code]; ok {
		return words
	}
	return taskClassWords(code)
}

var skipWords = map[string]string{
	"language":     "Not my language",
	"not_my_field": "Not my field",
	"text_missing": "Text is missing",
	"broken":       "The page is broken",
	"distressing":  "I would rather not read this",
	"other":        "Another reason",
}

func skipOptions() []ui.Option {
	var options []ui.Option
	for _, code := range labeling.SkipReasons {
		options = append(options, ui.Option{Value: code, Label: skipWords[code]})
	}
	return options
}

// labelWords is a label inside a sentence.
func labelWords(label string) string { return strings.ReplaceAll(label, "_", " ") }

// classWords name the priority classes where they are counted.
var classWords = map[labeling.PriorityClass]string{
	labeling.Safety:   "Safety",
	labeling.Negative: "Negative feedback",
	labeling.Implicit: "Implicit signals",
	labeling.Random:   "Random",
}

var classIcons = map[labeling.PriorityClass]ui.Icon{
	labeling.Safety:   ui.IconExclaim,
	labeling.Negative: ui.IconThumbsDown,
	labeling.Implicit: ui.IconUndo,
	labeling.Random:   ui.IconDice,
}

// flagChip says why an item is here. The detail may hold a word of a user or a
// client, which stays text.
func flagChip(f labeling.ItemFlag) ui.Chip {
	chip := ui.Chip{Outline: true}
	switch f.Reason {
	case "validator_failed":
		chip.Mark, chip.Text = ui.MarkFail, "validator failed"
		if f.Detail != "" {
			chip.Text += ": " + f.Detail
		}
	case "unsafe_claim":
		chip.Icon, chip.Text = ui.IconExclaim, "unsafe claim served"
	case "negative_feedback":
		chip.Icon, chip.Text = ui.IconThumbsDown, "negative feedback"
		if _, reason, ok := strings.Cut(f.Detail, ", "); ok {
			chip.Text += " “" + reason + "”"
		}
	case "correction":
		chip.Icon, chip.Text = ui.IconUndo, "correction"
		switch {
		case f.Detail == "fix":
			chip.Text = "one-click Fix"
		default:
			var seconds int
			if n, _ := fmt.Sscanf(f.Detail, "edit after %d s", &seconds); n == 1 {
				chip.Text += " " + afterWords(time.Duration(seconds)*time.Second)
			}
		}
	case "abandonment":
		chip.Icon, chip.Text = ui.IconClock, "abandoned"
	case "requery":
		chip.Icon, chip.Text = ui.IconRefresh, "asked again"
	case "error":
		chip.Icon, chip.Text = ui.IconAlert, "error"
		if f.Detail != "" {
			chip.Text += " “" + f.Detail + "”"
		}
	case "stalled_tools":
		chip.Icon, chip.Text = ui.IconWrench, "tool calls repeat"
	case "uncertain":
		chip.Icon, chip.Text = ui.IconCircle, "checks disagree"
	case "random":
		chip.Icon, chip.Text = ui.IconDice, "random"
	case labeling.ByHand:
		chip.Icon, chip.Text = ui.IconFlag, "put here by hand"
	default:
		chip.Icon, chip.Text = ui.IconFlag, labelWords(f.Reason)
	}
	return chip
}

// byGravity puts the flag that weighs most first.
func byGravity(flags []labeling.ItemFlag) []labeling.ItemFlag {
	sorted := slices.Clone(flags)
	rank := func(f labeling.ItemFlag) int {
		if at := slices.Index(telemetry.Reasons, telemetry.Reason(f.Reason)); at >= 0 {
			return at
		}
		return len(telemetry.Reasons)
	}
	slices.SortStableFunc(sorted, func(a, b labeling.ItemFlag) int { return cmp.Compare(rank(a), rank(b)) })
	return sorted
}

// shortFlag is why an item is here, in a table cell.
func shortFlag(f labeling.ItemFlag) string { return flagChip(f).Text }

// meanings are the lines under the four answers.
func meanings(taskClass string, abstained bool) [4]string {
	if abstained {
		return [4]string{
			"It was right not to answer",
			"Part of it could have been answered",
			"It could and should have been answered",
			"Not decidable from what is shown",
		}
	}
	switch taskClass {
	case "spreadsheet_formula":
		return [4]string{"Every statement and the artifact hold", "Usable after a small, obvious repair", "Wrong, or unsupported by the sheet", "Not decidable from what is shown"}
	case "sql_query":
		return [4]string{"Every statement and the artifact hold", "Usable after a small, obvious repair", "Wrong, or unsupported by the data", "Not decidable from what is shown"}
	case "code_generation":
		return [4]string{"It runs and every statement holds", "Usable after a small, obvious repair", "Does not run, wrong or invented", "Not decidable from what is shown"}
	case "file_edit":
		return [4]string{"All that was asked, truly reported", "Something small is left out", "Wrong, unasked or falsely reported", "Not decidable from what is shown"}
	}
	return [4]string{"Every statement holds", "True, but something small is missing", "Wrong, or unsupported by the source", "Not decidable from what is shown"}
}
