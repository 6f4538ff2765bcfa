package ui_test

import (
	"flag"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"

	. "assay/web/ui"
)

var update = flag.Bool("update", false, "write what the components draw now as what is right")

// hostile is what no component may let through as markup.
const hostile = `<img src=x onerror=alert(1)>"'&{{.}}`

// components are drawn alone, each with the words that matter and once with a
// hostile text.
var components = map[string]templ.Component{
	"words":           Words(Bold("Gives 6,612.50."), " Two engines agree. ", Mono("sql 2.3.0"), " ", Dim("ago"), Soft("soft"), Guide("hallucinated"), Toned(Bad, "over"), Hidden("said"), hostile),
	"pair":            Pair("Formula answers", "Spreadsheet formula"),
	"link":            Link{Text: hostile, URL: "/sessions?q=<>", Region: "log"},
	"link-outside":    Link{Text: "x", URL: "javascript:alert(1)", External: true},
	"time":            Time{At: now.Add(-time.Hour)},
	"time-full":       Time{At: now, Style: Full},
	"time-unknown":    Time{},
	"copy":            Copy{Value: "sha256:c07e1f2a99b04d12", Name: "Copy evidence hash"},
	"sign":            Sign{Mark: MarkFail, Word: "fail"},
	"sign-alone":      Sign{Mark: MarkHallucinated, Name: "hallucinated", Big: true},
	"icon":            IconSearch,
	"chip":            Words(Chip{Text: hostile}, Chip{Text: "random", Icon: IconDice, Outline: true}, Chip{Text: "holds", Mark: MarkHolds, Tone: Ok, Title: "all of it"}),
	"pill":            Pill{Text: "Blocked", Mark: MarkBlocked},
	"button":          Button{Label: "Submit and next", Style: Filled, Submit: true, Act: ActSubmit},
	"button-link":     Button{Label: "Older", URL: "/x?after=1", Region: "log", Icon: IconChevronRight, IconAfter: true, Size: Small},
	"button-closed":   Button{Label: "Approve", Disabled: true, Because: "holdout 160 of 299", Key: "Ctrl+Enter"},
	"button-bare":     Button{Icon: IconRefresh, Alone: "Read again", Opens: "drawer"},
	"key":             KeyHint{Act: ActPrevEvent},
	"form":            in(Form{Action: "/next", Region: "item", Label: "Start"}, Button{Label: "Start", Submit: true}),
	"field":           Field{Label: "Note", Name: "note", Rows: 2, Value: hostile, Optional: true, Act: ActNote, Hint: "Both read it."},
	"field-wrong":     Field{Label: "Required metric", Name: "metric", Value: "unsafe = none", Mono: true, Error: "Not in the language. Try unsafe_claim_served == 0"},
	"field-secret":    Field{Label: "Password", Name: "password", Type: "password", Value: "never shown", Complete: "current-password"},
	"field-choice":    Field{Label: "Role", Name: "role", Value: "b", Options: []Option{{Value: "a", Label: "A"}, {Value: "b", Label: "B"}}},
	"check":           CheckBox{Label: "Blind", Name: "blind", Checked: true, Hint: "no version"},
	"choices":         StandardChoices("hallucinated", meanings),
	"reasons":         Reasons{Items: []Reason{{"wrong_value", "Wrong value stated", true}, {"other", hostile, false}}},
	"branch":          Words(Branch{}, Branch{Depth: 3}, Branch{Depth: 400}),
	"span-bar":        Words(SpanBar{Axis: Axis{0, 10}, From: time.Second, To: 5 * time.Second, First: 2 * time.Second, Tone: Accent, Current: true, Name: hostile}, SpanBar{Axis: Axis{0, 10}, From: 9 * time.Second, To: 9 * time.Second}),
	"segmented":       Segmented{Name: "View", Options: []Segment{{Label: "Lanes", URL: "?v=lanes", Current: true}, {Label: "Log", URL: "?v=log", Count: 1200}}},
	"segmented-radio": Segmented{Name: "Confidence", Shown: true, Field: "confidence", Options: []Segment{{Label: "Low", Value: "low"}, {Label: "High", Value: "high", Current: true}}},
	"filters": FilterBar{Action: "/sessions", Region: "sessions", Clear: "/sessions", Keep: []Kept{{"sort", "time"}},
		Filters: []Filter{{Name: "environment", Param: "env", Value: "prod", Drop: "/sessions", Options: []Option{{Value: "", Label: "any"}, {Value: "prod", Label: "prod", Count: 12}}}, {Name: "session", Param: "session", Value: hostile}},
		Search:  &Search{Name: "Search consented text"}},
	"tabs":                Tabs{Name: "Handoff", Region: "part", Items: []Tab{{Label: "Conversation", URL: "?", Note: "3", Current: true}, {Label: "Raw", URL: "?t=raw", Icon: IconLock}}},
	"table":               Table{ID: "rows", Caption: "Rows", Selects: "row", Columns: []Column{{Label: "Time", Desc: true}, {Label: "Total", Right: true}, {Name: "Act"}}, Rows: []Row{{URL: "/r/1", Value: "1", Name: "row 1", Current: true, Cells: []templ.Component{Text(hostile), Text("1.1 s"), nil}}}, Foot: &Foot{Shown: "1 of 214,380", Older: "/r?after=1", Hints: true, Selects: true, Region: "rows"}},
	"table-empty":         Table{Caption: "Rows", Columns: []Column{{Label: "A"}}, Empty: Empty{Title: "No rows", Bare: true}},
	"stats":               Stats{Grid: true, Items: []Stat{{Term: "Flagged", Figure: "2,961", Base: "1.4 %"}, {Term: "Lasts", Figure: "2.5 days", Tone: Bad, URL: "/o"}}},
	"axis":                AxisHead{Axis: Axis{0, .14}, Ticks: []float64{0, .07, .14}},
	"interval-over":       IntervalBar{Axis: Axis{0, .14}, Low: .057, High: .113, Estimate: .081, Objective: .04, HasObjective: true, Standing: Over},
	"interval-incomplete": IntervalBar{Axis: Axis{0, .14}, Low: .012, High: .124, Estimate: .039, Standing: Incomplete},
	"interval-none":       IntervalBar{Axis: Axis{0, .14}, Objective: .02, HasObjective: true, Standing: NoData, Note: "no data: 4 labels, at least 5 in each cell needed"},
	"standing":            Words(StandingSign{Over}, StandingSign{Within}, StandingSign{Undecided}, StandingSign{Incomplete}, StandingSign{NoData}),
	"stack":               StackBar{Parts: []Part{{"safety", 31}, {"negative", 44}, {"implicit", 0}, {"random", 71}}, Max: 300, Legend: true, Words: []string{"safety", "negative feedback", "implicit signals", "random"}},
	"meter":               Meter{Value: 160, Max: 299, Tone: Accent, Name: "160 of 299"},
	"sparkline":           Sparkline{Points: []Point{{math.NaN(), math.NaN(), math.NaN()}, {.08, .05, .11}, {.07, .05, .1}}, Max: .14, Open: true, Name: "last 7.0 %"},
	"chart": LineChart{XAxis: Axis{0, 2}, YAxis: Axis{0, 100}, Height: 100, Name: "fell from 100 to 8 %", Table: "?table=1", Series: []Series{{X: []float64{0, 1, 2}, Points: []Point{{100, 100, 100}, {60, 50, 70}, {8, 0, 16}}, Band: true, End: "8 % left"}, {X: []float64{0, 2}, Points: []Point{{Value: 100}, {Value: 0}}, Dotted: true}},
		XTicks: []Tick{{0, "21 Oct"}, {2, "20 Nov"}}, YTicks: []Tick{{0, "0"}, {100, "100 %"}}, Guides: []GuideLine{{At: 1, Vertical: true, Label: "17 Nov"}, {At: 50, Label: "half"}}, Notes: []ChartNote{{X: 1, Y: 60, Text: "here", Dot: true}}},
	"message":   Message{Who: "User", At: at("14:02:11"), Text: hostile + "\n  two spaces"},
	"response":  Message{ID: "response", Who: "Response", Note: "to judge", Judged: true, Marking: true, Sentences: Sentences("One is so. Two is <b>not</b>."), Spans: []Marked{{0, 11, "a", Bad}, {15, 17, "b", Bad}}},
	"event":     Event{Icon: IconWrench, Code: "read_range", Text: hostile, Detail: "84 ms", URL: "/s?event=3"},
	"claim":     Claim{Text: hostile, Spans: []Marked{{0, 4, "a", Mid}}},
	"code":      Code{Text: "=SUM(A1,\"<b>\")", Tokens: Tokens("formula", "=SUM(A1,\"<b>\")"), Marks: []CodeMark{{5, 7, Bad}}, Well: true},
	"artifact":  Artifact{Kind: "Formula", Icon: IconSigma, Where: "F2, en-US", Verdict: "fail", Reason: "value differs from the response", Version: "formula 1.4.2", Source: Code{Text: "=A1"}, Evidence: []templ.Component{Grid{Named: true, Columns: []string{"A"}, Rows: []GridRow{{Name: "1", Cells: []Cell{{Text: hostile, Counted: true}}}, {Total: true, Cells: []Cell{{Text: "6", Number: true, Wrong: true, Before: "said"}}}}}}, Findings: []Finding{{Mark: MarkFail, Bold: "Row 8 is counted.", Text: hostile}, {Mark: MarkPass, Text: "Parses."}}, More: &Link{Text: "Inputs", URL: "/v"}},
	"concealed": Artifact{Kind: "Formula", Where: "F2", Concealed: true, Source: Code{Text: "=A1"}},
	"compare":   Compare{Grid{Caption: "Got", Columns: []string{"n"}, Rows: []GridRow{{Cells: []Cell{{Text: "1"}}}}}, Grid{Caption: "Expected", Columns: []string{"n"}, Rows: []GridRow{{Cells: []Cell{{Text: "2"}}}}}}.Differ(),
	"diff":      DiffOf("a\n"+hostile+"\nc", "a\nb\nc", 1),
	"timeline":  Timeline{Start: now, To: 60 * time.Second, HasFault: true, Fault: 31 * time.Second, Name: "60 s", Groups: []LaneGroup{{Name: "Cloud", Note: "212 ms ahead", Lanes: []Lane{{Icon: IconSparkles, Name: "Model", Count: 1, Bars: []Bar{{From: time.Second, To: 5 * time.Second, First: 2 * time.Second, Tone: Accent, URL: "?event=1", Label: "1.42 s"}}}, {Name: "Gate", Marks: []LaneMark{{At: 31 * time.Second, Mark: MarkFailed, URL: "?event=2", Label: hostile, Current: true}, {At: 3 * time.Second, Tick: true}}}}}}},
	"minimap":   Minimap{Bins: []Bin{{Count: 3}, {}, {Count: 9, Failed: true}}, From: .3, To: .6, Name: "12 events"},
	"checks":    Checks{ID: "checks", Mark: MarkBlocked, Heading: "Blocked: holdout 160 of 299, then 2 approvals", Sentence: "Promotion is refused to every client that asks.", Items: []Check{{MarkHolds, "Regression cases", hostile, "93 of 93 runs", "/x"}}, Actions: []templ.Component{Button{Label: "Comment"}}, Note: "139 more."},
	"banner":    Banner{Tone: Mid, Fact: hostile, Consequence: "Nothing is counted.", Link: &Link{Text: "See", URL: "/x"}, Actions: []Button{{Label: "Next item", Size: Small}}, Alert: true},
	"toast":     Toast{Mark: MarkCorrect, Text: "Item 16 labeled", Bold: "correct", Undo: "/items/16/undo"},
	"empty":     Empty{Title: "No events yet", Why: "Send some.", Code: "assay load events.jsonl", Actions: []templ.Component{Button{Label: "Load the sample"}}},
	"failure":   Failure{What: "The session could not be read.", Safe: "Labels are safe.", Reference: "01JCX4ABCDEFGH9F"},
	"refusal":   Failure{Refused: true, What: "Raw text needs a reveal", Safe: "You are an engineer."},
	"progress":  Progress{ID: "p", Title: "Export", Done: 11480, Total: 18516, Left: "about 40 s left", Says: "You may leave.", Stop: "/stop", Poll: "/jobs/1"},
	"live":      in(Live{ID: "counts", URL: "/queues"}, "5"),
	"dialog":    in(Dialog{ID: "sign", Title: "You sign this evidence", Footer: Button{Label: "Sign and approve"}}, hostile),
	"drawer":    in(Drawer{ID: "guide", Title: "Guide 7", Note: "Formula answers"}, "Judge."),
	"head":      Head{Crumbs: []Link{{Text: "Queues", URL: "/queues"}, {Text: "here"}}, Title: hostile, Sub: "Guide 7.", Beside: []templ.Component{Pill{Text: "Firing", Mark: MarkPage}}, Actions: []templ.Component{Button{Label: "Export"}}},
	"panel":     in(Panel{ID: "p", Title: "Budget left", Note: "band: 95 %", Foot: Text("foot")}, "inside"),
	"section":   in(Section{Title: "Windows", Note: "two", Rule: true}, "inside"),
	"split":     in(Split{Side: Text("side")}, "main"),
	"facts":     Facts{Small: true, Items: []Fact{{"Hash", Mono("c07e")}, {"None", nil}}},
	"needs":     Needs{Items: []Need{{Mark: MarkPage, Title: hostile, Text: "First check", Action: Button{Label: "Open", URL: "/i"}}}},
	"feed":      Feed{Items: []FeedItem{{Mark: MarkHolds, Who: "S. Iyer", Did: Text("approved"), At: Time{At: now}, Note: "Read all.", Body: Text(hostile)}}},
	"steps":     Steps{Items: []Step{{Done: true, Title: "Pause the rollout", Detail: "at 09:58"}, {Title: "Compare"}}},
	"says":      Says{Bold: "v2 is worse:", Text: "4.7 points more", More: Text("No other.")},
	"legend":    Legend{Items: []string{"interval", "objective", "incomplete", "safety", "random"}},
	"item-head": ItemHead{Facts: []templ.Component{Chip{Text: "SQL query", Tone: Accent}}, Flags: Chip{Text: hostile, Outline: true}, Events: 6, Failures: 1},
	"work": in(Work{Item: "17", Action: "/items/17/labels", Draft: "/items/17/draft", Ahead: "/next", Needs: "hallucinated", Hidden: []Kept{{"reservation", "r"}}, Bar: QueueBar{Title: hostile, Done: 17, Total: 225, Until: now.Add(time.Minute)},
		Rail: &Rail{Groups: []RailGroup{{Kind: "yours", Title: "Yours now", Items: []RailItem{{ID: "17", Title: hostile, Number: "17", Current: true}}}}}, Questions: Text("questions"), Submit: Submit{Later: "/later", Skip: "/skip", SkipWhy: []Option{{Value: "unclear", Label: "Unclear"}}, Extras: []Extra{{ID: "spans", Label: "Spans", Act: ActMark}}}}, "messages"),
	"guide-note":  GuideNote{Version: "Guide 7", Name: "Formula answers", Rule: Words("Enough for ", Guide("hallucinated")), Opens: "guide", URL: "/guides/7"},
	"span-list":   SpanList{Text: "One is so. Two is not.", Spans: []Marked{{0, 10, "a", Bad}, {50, 90, "b", Bad}}, Empty: "needed for hallucinated"},
	"certificate": in(Certificate{Title: "Certificate of promotion", Sub: "handoff 15"}, "inside"),
	"sign-in":     in(SignIn{}, Or{Text: "or with an account here"}),
	"reading":     in(Reading{Side: Text("details")}, in(ReadingHead{}, "head"), in(ToolBar{}, in(Actions{End: true}, "tools")), Gap{}),
}

func TestComponents(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(components)) {
		t.Run(name, func(t *testing.T) {
			got := strings.ReplaceAll(render(t, components[name]), "><", ">\n<") + "\n"
			if strings.Contains(got, "<img") || strings.Contains(got, "href=\"javascript:") {
				t.Errorf("lets markup through:\n%s", got)
			}
			file := filepath.Join("testdata", name+".html")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("draws\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestEveryGoldenFileHasItsComponent(t *testing.T) {
	files, err := filepath.Glob("testdata/*.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if components[strings.TrimSuffix(filepath.Base(file), ".html")] == nil {
			t.Errorf("%s belongs to nothing", file)
		}
	}
}

func TestTextKeepsItsWhiteSpace(t *testing.T) {
	html := render(t, Message{Who: "User", Text: "a\n  b  c\n"})
	if !strings.Contains(html, ">a\n  b  c\n</div>") {
		t.Errorf("the text became %s", html)
	}
	html = render(t, Code{Text: "if x:\n    y\n"})
	if !strings.Contains(html, "<code>if x:\n    y\n</code>") {
		t.Errorf("the code became %s", html)
	}
}

func TestForeignTextIsOutOfReachForHtmx(t *testing.T) {
	for _, name := range []string{"message", "response", "claim", "code", "compare", "diff", "feed"} {
		if !strings.Contains(render(t, components[name]), "hx-disable") {
			t.Errorf("%s leaves attributes of foreign text to htmx", name)
		}
	}
}

func TestKeysTurnedOffLeaveThePage(t *testing.T) {
	shell := gallery["label"]
	shell.Viewer.Reader.KeysOff = true
	html := render(t, shell)
	for _, gone := range []string{`data-key="s"`, `data-key="1"`, `data-key="g q"`} {
		if strings.Contains(html, gone) {
			t.Errorf("%s is still there", gone)
		}
	}
	if !strings.Contains(html, `data-key="Ctrl+k"`) {
		t.Error("the palette lost its chord")
	}
}

func TestReboundKeysAreShownAndObeyed(t *testing.T) {
	shell := gallery["label"]
	shell.Viewer.Reader.Keys = Keymap{ActSkip: "w"}
	html := render(t, shell)
	if !strings.Contains(html, `data-key="w"`) || strings.Contains(html, `data-key="s"`) {
		t.Error("skip does not follow its key")
	}
}
