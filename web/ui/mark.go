package ui

import (
	"context"
	"io"

	"github.com/a-h/templ"
)

// Mark is one of the hand-drawn signs of a judgement. The shape says who
// judged (round a person, square a machine, triangle an alert, lozenge a
// gate), the ink says how bad, dashes say not known.
type Mark string

// The sixteen marks.
const (
	MarkCorrect      Mark = "correct"
	MarkPartial      Mark = "partial"
	MarkHallucinated Mark = "hallucinated"
	MarkCannotTell   Mark = "cannot-tell"
	MarkPass         Mark = "pass"
	MarkFail         Mark = "fail"
	MarkInconclusive Mark = "inconclusive"
	MarkTicket       Mark = "ticket"
	MarkWarn         Mark = "warn"
	MarkPage         Mark = "page"
	MarkHolds        Mark = "holds"
	MarkReady        Mark = "ready"
	MarkBlocked      Mark = "blocked"
	MarkFailed       Mark = "failed"
	MarkEvaluating   Mark = "evaluating"
	MarkBrand        Mark = "brand"
)

// Marks lists all of them, for galleries and tests.
var Marks = []Mark{MarkCorrect, MarkPartial, MarkHallucinated, MarkCannotTell, MarkPass, MarkFail, MarkInconclusive,
	MarkTicket, MarkWarn, MarkPage, MarkHolds, MarkReady, MarkBlocked, MarkFailed, MarkEvaluating, MarkBrand}

// MarkOf gives the mark of a label, verdict, alert severity or decision by
// its word (words.md); empty for a word that has none.
func MarkOf(word string) Mark {
	switch word {
	case "correct":
		return MarkCorrect
	case "partially_correct":
		return MarkPartial
	case "hallucinated":
		return MarkHallucinated
	case "cannot_tell", "no_text":
		return MarkCannotTell
	case "pass":
		return MarkPass
	case "fail":
		return MarkFail
	case "inconclusive", "incomplete":
		return MarkInconclusive
	case "ticket":
		return MarkTicket
	case "warn":
		return MarkWarn
	case "page":
		return MarkPage
	case "holds", "approved", "promoted":
		return MarkHolds
	case "ready":
		return MarkReady
	case "blocked", "violation_under_review":
		return MarkBlocked
	case "failed", "rejected", "revoked":
		return MarkFailed
	case "evaluating":
		return MarkEvaluating
	}
	return ""
}

// DecisionMark is [MarkOf] for a gate, where "inconclusive" is a lozenge.
func DecisionMark(decision string) Mark {
	if decision == "inconclusive" {
		return MarkEvaluating
	}
	return MarkOf(decision)
}

// Tone is the meaning a colour repeats.
type Tone string

// The tones.
const (
	Neutral Tone = ""
	Accent  Tone = "accent"
	Ok      Tone = "ok"
	Mid     Tone = "mid"
	Bad     Tone = "bad"
	NA      Tone = "na"
)

// Tone gives the ink a mark is drawn in.
func (m Mark) Tone() Tone {
	switch m {
	case MarkCorrect, MarkPass, MarkHolds:
		return Ok
	case MarkPartial, MarkWarn, MarkBlocked:
		return Mid
	case MarkHallucinated, MarkFail, MarkPage, MarkFailed:
		return Bad
	case MarkCannotTell, MarkInconclusive, MarkTicket, MarkEvaluating:
		return NA
	case MarkReady, MarkBrand:
		return Accent
	}
	return Neutral
}

// Sign is a mark with its word: either the word stands beside it, or a column
// head carries the word and Name says it to those who do not see the mark.
type Sign struct {
	Mark Mark
	Word string // visible
	Name string // accessible only; needed when Word is empty
	Big  bool   // 18 px instead of 14
}

// Icon is one of the Lucide pictures in the sprite, for everything that is
// not a judgement. Drawn alone it is decoration; a control that shows only an
// icon must carry a name.
type Icon string

// The icons of the sprite; static/build.mjs takes exactly these.
const (
	IconActivity      Icon = "activity"
	IconAlert         Icon = "octagon-alert" // the product's own trouble
	IconArrowDown     Icon = "arrow-down"
	IconArrowUp       Icon = "arrow-up"
	IconBook          Icon = "book-open"
	IconCheck         Icon = "check"
	IconChevronDown   Icon = "chevron-down"
	IconChevronLeft   Icon = "chevron-left"
	IconChevronRight  Icon = "chevron-right"
	IconClock         Icon = "clock"
	IconCloud         Icon = "cloud"
	IconCode          Icon = "code"
	IconCopy          Icon = "copy"
	IconCircle        Icon = "circle"
	IconDatabase      Icon = "database"
	IconDice          Icon = "dices"
	IconDownload      Icon = "download"
	IconEnter         Icon = "corner-down-left"
	IconExclaim       Icon = "circle-alert"
	IconEye           Icon = "eye"
	IconEyeOff        Icon = "eye-off"
	IconFile          Icon = "file-text"
	IconFilter        Icon = "list-filter"
	IconFlag          Icon = "flag"
	IconHistory       Icon = "history"
	IconInbox         Icon = "inbox"
	IconKey           Icon = "key-round"
	IconLink          Icon = "link"
	IconLock          Icon = "lock"
	IconMenu          Icon = "menu"
	IconMessage       Icon = "message-square"
	IconMilestone     Icon = "signpost"
	IconMore          Icon = "ellipsis"
	IconPause         Icon = "pause"
	IconPullRequest   Icon = "git-compare-arrows"
	IconRefresh       Icon = "refresh-cw"
	IconSearch        Icon = "search"
	IconShield        Icon = "shield-check"
	IconSigma         Icon = "sigma"
	IconSparkles      Icon = "sparkles"
	IconThumbsDown    Icon = "thumbs-down"
	IconThumbsUp      Icon = "thumbs-up"
	IconTriangleAlert Icon = "triangle-alert"
	IconUndo          Icon = "undo-2"
	IconUser          Icon = "user"
	IconWrench        Icon = "wrench"
	IconX             Icon = "x"
)

// Draw draws the mark as decoration beside its word.
func (m Mark) Draw() templ.Component { return markSign(m, "", false) }

// Named draws the mark alone, with the word for those who do not see it.
func (m Mark) Named(name string) templ.Component { return markSign(m, name, false) }

// Draw draws the icon at 16 px.
func (i Icon) Draw() templ.Component { return iconSign(i, "16") }

func (m Mark) Render(ctx context.Context, w io.Writer) error { return drawn(ctx, w, m.Draw()) }
func (s Sign) Render(ctx context.Context, w io.Writer) error { return drawn(ctx, w, s.Draw()) }
func (i Icon) Render(ctx context.Context, w io.Writer) error { return drawn(ctx, w, i.Draw()) }

func markSize(big bool) string {
	if big {
		return "18"
	}
	return "14"
}
