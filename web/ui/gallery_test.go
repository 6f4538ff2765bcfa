package ui_test

import (
	"context"
	"io"
	"math"
	"strings"
	"time"

	"github.com/a-h/templ"

	. "assay/web/ui"
)

// The gallery draws every component in pages like those of the product, so
// that one look, one accessibility pass and one golden file cover each.

// in draws children inside a component.
func in(parent templ.Component, children ...any) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		return parent.Render(templ.WithChildren(ctx, Words(children...)), w)
	})
}

var (
	now  = time.Date(2026, 11, 20, 14, 31, 0, 0, time.UTC)
	nans = math.NaN()
)

func at(clock string) Time {
	t, err := time.Parse("2006-01-02 15:04:05", "2026-11-20 "+clock)
	if err != nil {
		panic(err)
	}
	return Time{At: t, Style: Clock}
}

var gallery = map[string]Shell{
	"label":       labelPage(false),
	"label-sql":   sqlPage(),
	"blind":       labelPage(true),
	"adjudicate":  adjudicatePage(),
	"session":     sessionPage(),
	"sessions":    sessionsPage(),
	"rates":       ratesPage(),
	"queues":      queuesPage(),
	"queue":       queuePage(),
	"overview":    overviewPage(),
	"start":       startPage(),
	"handoff":     handoffPage(),
	"sign":        signPage(),
	"certificate": certificatePage(),
	"incident":    incidentPage(),
	"alerts":      alertsPage(),
	"objectives":  objectivesPage(),
	"validator":   validatorPage(),
	"audit":       auditPage(),
	"login":       loginPage(),
	"states":      statesPage(),
	"marks":       marksPage(),
}

func nav(current string) []NavItem {
	return []NavItem{
		{Key: "queues", Label: "Queues", URL: "/queues", Act: ActQueues},
		{Key: "sessions", Label: "Sessions", URL: "/sessions", Act: ActSessions},
		{Key: "rates", Label: "Rates", URL: "/rates", Group: 1, Act: ActRates},
		{Key: "objectives", Label: "Objectives", URL: "/objectives", Group: 1},
		{Key: "alerts", Label: "Alerts", URL: "/alerts", Group: 1, Count: 1, Says: "alert pages", Act: ActIncidents},
		{Key: "handoffs", Label: "Handoffs", URL: "/handoffs", Group: 2, Act: ActHandoffs},
		{Key: "validators", Label: "Validators", URL: "/validators", Group: 3},
		{Key: "labelers", Label: "Labelers", URL: "/labelers", Group: 3},
		{Key: "datasets", Label: "Datasets", URL: "/datasets", Group: 3},
		{Key: "audit", Label: "Audit", URL: "/audit", Group: 3},
	}
}

func shellOf(name, role string, p Page, body ...any) Shell {
	return Shell{
		Page: p,
		Viewer: Viewer{
			Name: name, Role: role, Nav: nav(p.Nav), Search: "/search", SignOut: "/logout", KeysURL: "/settings/keys",
			Licences: "/licences", Reader: Reader{Now: now, Token: "t0k3n"},
			Display: &Display{Post: "/settings/display", Keep: []Kept{{"time_zone", "UTC"}}},
			Menu:    []Link{{Text: "Settings", URL: "/settings"}},
			Accounts: []Account{{Role: "labeler", Name: "Ines Okafor", Post: "/switch", Value: "1", Current: true},
				{Role: "engineer", Name: "Anna Lindqvist", Post: "/switch", Value: "3"}},
		},
		Body: Words(body...),
	}
}

var meanings = [4]string{"Every statement and the artifact hold", "Usable after a small, obvious repair",
	"Wrong, or unsupported by the sheet", "Not decidable from what is shown"}

const answer = "Put this in F2 and it will add up the EMEA orders above 500 that shipped in Q3. " +
	"For your sheet it returns 4,632.50, the sum of four orders. " +
	"No end date is needed because SUMIFS stops at the end of the quarter by itself."

const formula = "=SUMIFS(E2:E10,B2:B10,\"EMEA\",E2:E10,\">500\",\n       D2:D10,\">=\"&DATE(2026,7,1))"

func bar(title string, done, total int) QueueBar {
	return QueueBar{
		Crumbs: []Link{{Text: "Queues", URL: "/queues"}}, Title: title, Done: done, Total: total,
		Gain: "±2 points after about 1 h 20 min", Until: now.Add(14*time.Minute + 32*time.Second),
		Chips: []templ.Component{Chip{Text: "Blind: version hidden", Icon: IconEyeOff, Outline: true}},
		Actions: []templ.Component{
			Button{Label: "Recent", Style: Plain, Size: Small, Icon: IconHistory, URL: "/items/recent"},
			Button{Label: "Keys", Style: Plain, Size: Small, Opens: "keys", Act: ActKeys},
		},
	}
}

func rail() *Rail {
	return &Rail{Groups: []RailGroup{
		{Kind: "done", Title: "Just labeled", Items: []RailItem{
			{ID: "12", Mark: MarkCorrect, Title: "Count blanks in column C", Number: "12", URL: "/items/12"},
			{ID: "13", Mark: MarkPartial, Title: "Average without outliers", Number: "13", URL: "/items/13"},
			{ID: "14", Mark: MarkCorrect, Title: "Split full name at first space of many", Number: "14", URL: "/items/14"},
			{ID: "15", Mark: MarkHallucinated, Title: "Rank per region, ties equal", Number: "15", URL: "/items/15"},
			{ID: "16", Mark: MarkCorrect, Title: "Working days between dates", Number: "16", URL: "/items/16"},
		}},
		{Kind: "yours", Title: "Yours now", Items: []RailItem{
			{ID: "17", Icon: IconChevronRight, Title: "Sum EMEA orders over 500 in Q3", Number: "17", Current: true},
			{ID: "18", Icon: IconEnter, Title: "Look up price by two keys", Number: "18"},
		}},
		{Kind: "later", Title: "Later", Items: []RailItem{
			{ID: "4", Icon: IconClock, Title: "LET with nested LAMBDA", Number: "4", URL: "/items/4"},
			{ID: "9", Icon: IconClock, Title: "Pivot totals by fiscal week", Number: "9", URL: "/items/9"},
		}},
		{Title: "Waiting, free to reserve", Items: []RailItem{
			{Icon: IconExclaim, Title: "Safety", Number: "31"},
			{Icon: IconThumbsDown, Title: "Negative feedback", Number: "44"},
			{Icon: IconUndo, Title: "Implicit signals", Number: "56"},
			{Icon: IconDice, Title: "Random", Number: "71"},
		}},
		{Title: "Today", Items: []RailItem{{Title: "Labels", Number: "14"}, {Title: "Median per item", Number: "41 s"}}},
	}}
}

func questions(chosen string, spans []Marked) templ.Component {
	return Words(
		GuideNote{Version: "Guide 7", Name: "Formula answers", Opens: "guide", URL: "/guides",
			Rule: Words("Judge the formula and every sentence around it. One false statement that a user would act on is enough for ", Guide("hallucinated"), ", even if the formula runs.")},
		StandardChoices(chosen, meanings),
		Reasons{Items: []Reason{{"wrong_value", "Wrong value stated", chosen != ""}, {"wrong_range", "Wrong range or criterion", false},
			{"invented_function", "Invented function", false}, {"false_explanation", "False explanation", chosen != ""},
			{"ignores_question", "Ignores the question", false}, {"other", "Other", false}}},
		in(Extra{ID: "spans", Label: "Spans", Act: ActMark}, SpanList{Text: answer, Spans: spans, Empty: "needed for hallucinated"}),
		in(Extra{ID: "correct", Label: "Correction", Act: ActCorrection},
			Field{Label: "Correction", Name: "correction", Optional: true, Rows: 3, Mono: true, Act: ActCorrection,
				Value:  "=SUMIFS(E2:E10,B2:B10,\"EMEA\",E2:E10,\">500\",D2:D10,\">=\"&DATE(2026,7,1),D2:D10,\"<\"&DATE(2026,10,1))",
				Beside: Button{Label: "Use the user's", Style: Plain, Size: Small, Attrs: templ.Attributes{"data-fill": "correction"}}}),
		in(Extra{ID: "more", Label: "Note", Act: ActNote},
			Segmented{Name: "Confidence", Shown: true, Field: "confidence", Options: []Segment{{Label: "Low", Value: "low"}, {Label: "Medium", Value: "medium"}, {Label: "High", Value: "high", Current: true}}},
			Field{Label: "Note", Name: "note", Optional: true, Rows: 2, Act: ActNote}),
	)
}

func work(title string, questions templ.Component) Work {
	return Work{
		Item: "17", Action: "/items/17/labels", Draft: "/items/17/draft", Ahead: "/queues/formula/next", Renew: "/items/17/renew",
		Hidden: []Kept{{"reservation", "r1"}, {"idempotency_key", "k1"}, {"page", "p1"}}, Needs: "hallucinated",
		Bar: bar(title, 17, 225), Rail: rail(), Questions: questions,
		Submit: Submit{Later: "/items/17/later", Skip: "/items/17/skip", Saved: "Draft saved 14:05:07",
			SkipWhy: []Option{{Value: "language", Label: "Not my language"}, {Value: "unclear", Label: "The task is unclear"}, {Value: "broken", Label: "The page is broken"}},
			Extras:  []Extra{{ID: "spans", Label: "Spans", Act: ActMark}, {ID: "correct", Label: "Correction", Act: ActCorrection}, {ID: "more", Label: "Note", Act: ActNote}}},
	}
}

// part is where a text stands in another, as trouble.
func part(text, found string) CodeMark {
	i := strings.Index(text, found)
	return CodeMark{i, i + len(found), Bad}
}

func cell(text string) Cell   { return Cell{Text: text} }
func figure(text string) Cell { return Cell{Text: text, Number: true} }

func orders(counted bool) Grid {
	g := Grid{Named: true, Columns: []string{"B Region", "D Shipped", "E Amount"}}
	rows := [][]string{{"2", "EMEA", "2026-07-03", "1,240.00", "yes"}, {"3", "APAC", "2026-07-09", "860.00", "no"},
		{"4", "EMEA", "2026-08-14", "430.00", "no"}, {"5", "EMEA", "2026-08-21", "2,105.00", "yes"}, {"6", "AMER", "2026-09-02", "1,390.00", "no"},
		{"7", "EMEA", "2026-09-18", "775.50", "yes"}, {"8", "EMEA", "2026-10-06", "1,980.00", "yes, not Q3"}, {"9", "APAC", "2026-10-11", "640.00", "no"}, {"10", "EMEA", "2026-09-30", "512.00", "yes"}}
	for _, r := range rows {
		row := GridRow{Name: r[0], Cells: []Cell{cell(r[1]), cell(r[2]), figure(r[3])}}
		if counted {
			row.Cells[2].Counted = r[4] == "yes"
			wrong := r[4] == "yes, not Q3"
			row.Cells[1].Wrong, row.Cells[2].Wrong = wrong, wrong
			row.Cells = append(row.Cells, Cell{Text: r[4], Dim: r[4] == "no"})
		}
		g.Rows = append(g.Rows, row)
	}
	if counted {
		g.Columns = append(g.Columns, "counted")
		g.Rows = append(g.Rows, GridRow{Total: true, Cells: []Cell{{}, {Text: "sum", Number: true}, {Text: "6,612.50", Number: true, Wrong: true}, {Text: "4,632.50", Before: "said"}}})
	}
	return g
}

func labelPage(blind bool) Shell {
	sentences := Sentences(answer)
	spans := []Marked{{sentences[1].Start, sentences[1].End - 1, "a", Bad}, {sentences[2].Start, sentences[2].End, "b", Bad}}
	artifact := Artifact{ID: "artifact", Kind: "Formula", Icon: IconSigma, Where: "F2, en-US", Verdict: "fail", Reason: "value differs from the response", Version: "formula 1.4.2",
		Source:   Code{Text: formula, Tokens: Tokens("formula", formula), Marks: []CodeMark{{len(formula) - 27, len(formula) - 1, Bad}}},
		Evidence: []templ.Component{orders(true)},
		Findings: []Finding{
			{Mark: MarkFail, Bold: "Gives 6,612.50.", Text: "Two engines agree. The response states 4,632.50."},
			{Mark: MarkFail, Bold: "Row 8 is counted.", Text: "D8 is 6 Oct 2026, after the end of Q3. No criterion ends the range."},
			{Mark: MarkPass, Text: "Parses. SUMIFS and DATE exist. All four ranges have 9 rows."}},
		More: &Link{Text: "Inputs, engines and limits", URL: "/verdicts/9"}}
	chosen := "hallucinated"
	flags := Words(Dim("Here because"), Chip{Text: "validator failed", Mark: MarkFail, Outline: true}, Chip{Text: "negative feedback “incorrect”", Icon: IconThumbsDown, Outline: true}, Chip{Text: "correction after 2 min 10 s", Icon: IconUndo, Outline: true})
	title := "Formula answers"
	if blind {
		artifact = Artifact{ID: "artifact", Kind: "Formula", Icon: IconSigma, Where: "F2, en-US", Concealed: true,
			Source: Code{Text: formula, Tokens: Tokens("formula", formula)}, Evidence: []templ.Component{orders(false)}}
		spans, chosen = nil, ""
		flags = Words(Dim("Here because"), Chip{Text: "negative feedback “incorrect”", Icon: IconThumbsDown, Outline: true}, Chip{Text: "correction after 2 min 10 s", Icon: IconUndo, Outline: true})
	}
	w := work(title, questions(chosen, spans))
	p := Page{Title: "Item 17 of Formula answers", Nav: "queues", Layout: Panes, Short: title, Back: &Link{Text: "Queues", URL: "/queues"}}
	if !blind {
		p.Toast = &Toast{Mark: MarkCorrect, Text: "Item 16 labeled", Bold: "correct", Undo: "/items/16/undo"}
	}
	return shellOf("Ines Okafor", "labeler", p,
		in(w,
			ItemHead{Facts: []templ.Component{Chip{Text: "Spreadsheet formula", Tone: Accent}, Mono("s_8f31c0"), Time{At: now.Add(-29 * time.Minute)}, Chip{Text: "Redacted text, consent full", Icon: IconShield, Outline: true}},
				Flags: flags, Events: 7, Failures: 2},
			Message{Who: "User", At: at("14:02:11"), Text: "In column F I need the total for EMEA orders above 500 that shipped in Q3. The table is on Orders, A1:E10."},
			Message{Who: "Tool", At: at("14:02:12"), Body: Event{Icon: IconWrench, Code: "read_range", Text: "Orders!A1:E10", Detail: "10 rows, 84 ms", URL: "/sessions/s_8f31c0?event=3"}},
			Message{ID: "response", Who: "Response", At: at("14:02:14"), Note: "to judge", Judged: true, Marking: true, Sentences: sentences, Spans: spans},
			artifact,
			Message{Who: "Feedback", When: "after 38 s", Body: Event{Icon: IconThumbsDown, Text: "down, reason “incorrect”"}},
			Message{Who: "Correction", When: "after 2 min 10 s", Body: Code{Well: true, Small: true, Text: `…,D2:D10,">="&DATE(2026,7,1),D2:D10,"<"&DATE(2026,10,1))`, Tokens: Tokens("formula", `…,D2:D10,">="&DATE(2026,7,1),D2:D10,"<"&DATE(2026,10,1))`), Marks: []CodeMark{{32, 60, Ok}}}},
		),
		in(Drawer{ID: "guide", Title: "Guide 7", Note: "Formula answers"}, Text("Judge the formula and every sentence around it.")))
}

func sqlPage() Shell {
	query := "SELECT c.segment,\n       COUNT(DISTINCT c.customer_id) AS buyers,\n       ROUND(SUM(o.total_net), 2) AS revenue\nFROM   customers c\nJOIN   orders o ON o.customer_id = c.customer_id\nWHERE  o.placed_on BETWEEN '2026-10-01' AND '2026-10-31'\nGROUP BY c.segment\nORDER BY revenue DESC;"
	said := "This query gives October revenue and distinct buyers per segment. The column orders.total_net already has returns subtracted. Segments are sorted from the highest revenue to the lowest."
	left := Grid{Caption: "With gross_total in its place", Columns: []string{"segment", "buyers", "revenue"}, Rows: []GridRow{
		{Cells: []Cell{cell("consumer"), figure("1,204"), figure("118,240.10")}}, {Cells: []Cell{cell("business"), figure("311"), figure("96,402.55")}}, {Cells: []Cell{cell("public"), figure("42"), figure("21,977.00")}}}}
	right := Grid{Caption: "Expected, net of returns", Columns: left.Columns, Rows: []GridRow{
		{Cells: []Cell{cell("consumer"), figure("1,204"), figure("104,911.35")}}, {Cells: []Cell{cell("business"), figure("311"), figure("90,118.20")}}, {Cells: []Cell{cell("public"), figure("42"), figure("21,977.00")}}}}
	w := work("SQL answers", questions("", nil))
	return shellOf("Ines Okafor", "labeler", Page{Title: "Item 17 of SQL answers", Nav: "queues", Layout: Panes},
		in(w,
			ItemHead{Facts: []templ.Component{Chip{Text: "SQL query", Tone: Accent}, Mono("s_41be97"), Chip{Text: "Reading grant until 17:00", Icon: IconEye, Tone: Mid}}, Flags: Words(Dim("Here because"), Chip{Text: "validator failed", Mark: MarkFail, Outline: true}, Chip{Text: "random", Icon: IconDice, Outline: true}), Events: 6, Failures: 1},
			Message{Who: "User", At: at("11:47:20"), Text: "For October: revenue and number of buyers per customer segment, biggest first. Shop database, net of returns."},
			Message{Who: "Response", At: at("11:47:24"), Note: "to judge", Judged: true, Marking: true, Sentences: Sentences(said)},
			Artifact{Kind: "SQL", Icon: IconDatabase, Where: "PostgreSQL 17, fixture shop 3", Verdict: "fail", Reason: "column does not exist", Version: "sql 2.3.0",
				Source:   Code{Text: query, Tokens: Tokens("sql", query), Marks: []CodeMark{part(query, "total_net")}},
				Evidence: []templ.Component{Compare{left, right}.Differ()},
				Findings: []Finding{{Mark: MarkFail, Bold: "orders.total_net is invented.", Text: "The nearest real column is", Part: Mono("orders.gross_total")}, {Mark: MarkFail, Bold: "Repaired, it still differs.", Text: "2 of 3 rows: returns are never subtracted."}, {Mark: MarkInconclusive, Text: "placed_on is a timestamp: 31 October after midnight is left out, no order in the fixture shows it."}}}))
}

func adjudicatePage() Shell {
	text := "This lists every order that has no shipment. It runs in constant time because shipped_at is indexed."
	one := func(mark Mark, name, by, note string, tone Tone) templ.Component {
		return in(Panel{Title: name, Note: by}, Claim{Text: text, Spans: []Marked{{45, 100, "a", tone}}}, Section{Title: "Reasons", Note: "False explanation"}, Soft(note))
	}
	return shellOf("S. Iyer", "reviewer", Page{Title: "Orders without a shipment", Nav: "queues"},
		Head{Crumbs: []Link{{Text: "Queues", URL: "/queues"}, {Text: "SQL answers", URL: "/queues/sql"}, {Text: "needs adjudication, 3 of 9"}}, Title: "Orders without a shipment",
			Beside: []templ.Component{Chip{Text: "SQL query", Tone: Accent}, Chip{Text: "inconclusive, timeout 2 s", Mark: MarkInconclusive, Outline: true}}},
		in(Columns{Count: 2}, one(MarkHallucinated, "Hallucinated", "I. Okafor, guide 7, confidence high, 52 s", "“No index on shipped_at in the schema shown. The query itself is fine.”", Bad),
			one(MarkPartial, "Partially correct", "R. Amari, guide 7, confidence medium, 38 s", "“Explanation is off but the user asked for the list and the list is right.”", Mid)),
		in(Panel{Title: "Your decision", Note: "both labels are kept beside it"}, in(Form{Action: "/items/1/adjudicate"},
			LabelChoices{Inline: true, Chosen: "hallucinated", Choices: StandardChoices("", [4]string{}).Choices},
			Field{Label: "Reason, both labelers will read it", Name: "why", Rows: 2, Value: "A user would rely on the index and run it on the live table."},
			in(Actions{}, Button{Label: "Decide and next", Style: Filled, Size: Decision, Submit: true, Act: ActSubmit}, Button{Label: "Ask a third labeler", Size: Decision, Submit: true, Post: "/items/1/third"}))))
}

func sessionPage() Shell {
	s := time.Second
	d := func(x float64) time.Duration { return time.Duration(x * float64(s)) }
	var reads []LaneMark
	for i := range 14 {
		reads = append(reads, LaneMark{At: d(6.2 + float64(i)*.62), Tick: true, Name: "read"})
	}
	line := Timeline{Start: at("14:20:04").At, From: 0, To: 60 * s, HasFault: true, Fault: d(31.6), Name: "Events from 14:20:04 to 14:21:04",
		Groups: []LaneGroup{
			{Name: "Desktop, local clock", Lanes: []Lane{
				{Icon: IconMessage, Name: "Prompt", Count: 1, Marks: []LaneMark{{At: d(.4), Icon: IconMessage, URL: "?event=1", Name: "prompt"}}},
				{Icon: IconWrench, Name: "Tool", Count: 22, Bars: []Bar{{From: d(5), To: d(5.7)}, {From: d(6), To: d(15.1), Label: "read_file ×14", URL: "?event=2"}, {From: d(19), To: d(25), Label: "write_file ×6"}, {From: d(25.4), To: d(28.4)}}, Marks: []LaneMark{{At: d(31), Label: "run_tests, 3 of 42 failed"}}},
				{Icon: IconFile, Name: "File", Count: 20, Marks: append(reads, LaneMark{At: d(24.6), Tick: true, Label: "6 written"})},
				{Icon: IconThumbsDown, Name: "Feedback", Count: 1, Marks: []LaneMark{{At: d(55.4), Icon: IconThumbsDown, Tone: Bad, Label: "“incorrect”, 21 s after the response", Left: true, URL: "?event=40"}}},
			}},
			{Name: "Cloud", Note: "Desktop clock runs 212 ms ahead (measured at ingest, not corrected)", Lanes: []Lane{
				{Icon: IconSparkles, Name: "Model", Count: 3, Bars: []Bar{{From: d(.7), To: d(4.9), First: d(2.1), Tone: Accent, Label: "1.42 s", URL: "?event=5"}, {From: d(15.3), To: d(18.9), First: d(16.2), Tone: Accent, Label: "0.90 s", URL: "?event=6"}, {From: d(28.6), To: d(34.3), First: d(30.02), Tone: Accent, URL: "?event=7", Name: "turn 3"}}},
				{Icon: IconShield, Name: "Validator", Count: 3, Marks: []LaneMark{{At: d(25.2), Mark: MarkPass, URL: "?event=8"}, {At: d(28.9), Mark: MarkInconclusive, URL: "?event=9"}, {At: d(34.6), Mark: MarkFail, Current: true, URL: "?event=10", Label: "text 1.1.0: claim not in tool output"}}},
				{Icon: IconMilestone, Name: "Claim gate", Count: 3, Marks: []LaneMark{{At: d(28.7), Mark: MarkHolds, URL: "?event=11"}, {At: d(31.6), Mark: MarkFailed, URL: "?event=12"}, {At: d(34.2), Mark: MarkHolds, URL: "?event=13", Label: "claim_generation is the first failed stage"}}},
			}},
		}}
	var bins []Bin
	for i := range 200 {
		bins = append(bins, Bin{Count: (i*7919)%23 + 3, Failed: i == 74 || i == 75 || i == 115 || i == 165})
	}
	event := func(offset string, kind templ.Component, what string, detail any, took string) []templ.Component {
		return []templ.Component{Mono(offset), kind, Link{Text: what, URL: "?event=" + what, Mono: true, Plain: true}, Words(detail), Text(took)}
	}
	log := Table{ID: "log", Caption: "Events", Tight: true, Bare: true, Columns: []Column{{Label: "At"}, {Label: "Kind"}, {Label: "What"}, {Label: "Detail", Wide: true}, {Label: "Took", Right: true}},
		Rows: []Row{
			{URL: "?event=20", Cells: event("+19.00", IconWrench, "write_file ×6", "src/account.py, src/io/csv.py and 4 more", "6.0 s")},
			{URL: "?event=21", Cells: event("+25.20", MarkPass.Named("pass"), "code 3.0.2", "6 files parse, no undefined name", "88 ms")},
			{URL: "?event=22", Cells: event("+31.60", MarkFailed.Named("failed"), "claim_generation", Words("“All 42 tests pass” has no support in evidence ", Chip{Text: "first failed stage", Tone: Bad}), "")},
			{URL: "?event=23", Current: true, Cells: event("+34.60", MarkFail.Named("fail"), "text 1.1.0", "number 42 contradicts 39 in tool output", "41 ms")},
			{URL: "?event=24", Cells: event("+55.40", IconThumbsDown, "feedback", "down, “incorrect”", "")},
		}}
	side := Words(
		in(Section{}, Head{Title: "text 1.1.0", Beside: []templ.Component{Sign{Mark: MarkFail, Word: "fail"}}, Sub: "14:20:38.6, +34.60 s"},
			Tabs{Name: "Event", Region: "details", Items: []Tab{{Label: "Input and output", URL: "?tab=io"}, {Label: "Attributes", URL: "?tab=attributes"}, {Label: "Evidence", URL: "?tab=evidence", Current: true}, {Label: "Labels", URL: "?tab=labels"}, {Label: "Raw", URL: "?tab=raw", Icon: IconLock}}},
			Dim("Said in the response"), Claim{Text: "The rename is done in 6 files and all 42 tests pass, including the CSV import.", Spans: []Marked{{34, 51, "", Bad}}},
			Dim("Found in the evidence"), Code{Well: true, Small: true, Text: "run_tests  exit 1\n39 passed, 3 failed in 2.91s\nFAILED test_csv_import.py::test_header", Marks: []CodeMark{{18, 37, Bad}}},
			Facts{Small: true, Items: []Fact{{"Reason", Mono("number_contradicted")}, {"Sandbox", Text("none needed, text only")}, {"Input", Copy{Value: "sha256:9c41aa00bb11cc22e07b"}}, {"Took", Text("41 ms")}, {"People", Words(Sign{Mark: MarkHallucinated, Word: "hallucinated, by R. Amari"}, " ", Link{Text: "Dispute", URL: "/labels/3/dispute"})}}}),
		in(Actions{}, Button{Label: "Add to a queue", Opens: "add"}, Button{Label: "Copy link"}))
	return shellOf("Anna Lindqvist", "engineer", Page{Title: "Rename Customer to Account", Nav: "sessions", Layout: Panes, Back: &Link{Text: "Sessions", URL: "/sessions"}},
		in(Reading{Side: side},
			in(ReadingHead{}, Head{Crumbs: []Link{{Text: "Sessions", URL: "/sessions"}, {Text: "s_c2710e"}}, Title: "Rename Customer to Account, keep the CSV import",
				Below: []templ.Component{Chip{Text: "File edit", Tone: Accent}, Chip{Text: "v2026-11-17", Mono: true, Outline: true}, Chip{Text: "editor-agent-v9", Mono: true, Outline: true}, Chip{Text: "Redacted text", Icon: IconShield, Outline: true}, Text("Fri 20 Nov 2026, 14:20 to 16:02"), Text("10,431 events"), Sign{Mark: MarkFailed, Word: "unsafe claim served"}}}),
			in(ToolBar{}, Bold("Showing 200 of 10,431 events"), Soft("14:20:04 to 14:21:04"),
				in(Actions{End: true}, Button{Label: "Earlier 200", Size: Small, Icon: IconChevronLeft, URL: "?before=1"}, Button{Label: "Later 200", Size: Small, Icon: IconChevronRight, IconAfter: true, URL: "?after=1"}, Button{Label: "First failed stage", Size: Small, Act: ActFirstFailed, URL: "?event=12"}, Segmented{Name: "View", Options: []Segment{{Label: "Lanes", URL: "?view=lanes", Current: true}, {Label: "Tree", URL: "?view=tree"}, {Label: "Log", URL: "?view=log"}}}),
				Minimap{Bins: bins, From: .36, To: .387, Name: "10,431 events from 14:20 to 16:02, 4 failures"}),
			line, log))
}

func sessionsPage() Shell {
	row := func(clock, id, class, version, words string, marks []Mark, outcome, total, first string, current bool) Row {
		signs := []any{}
		for _, m := range marks {
			signs = append(signs, m.Named(string(m)), " ")
		}
		return Row{URL: "/sessions/" + id, Value: id, Name: id, Current: current, Cells: []templ.Component{at(clock), Link{Text: id, URL: "/sessions/" + id, Mono: true, Plain: true}, Text(class), Mono(version), Text(words), Words(signs...), Soft(outcome), Text(total), Soft(first)}}
	}
	rows := []Row{
		row("14:31:40", "s_e01b77", "Summarization", "v2026-11-03", "Three-line summary of a supplier contract", nil, "served", "1.1 s", "0.19 s", false),
		row("14:31:22", "s_8ad2f0", "SQL query", "v2026-11-17", "Late invoices by account manager", []Mark{MarkFail}, "served", "2.6 s", "0.31 s", false),
		row("14:30:58", "s_c9100c", "Code generation", "v2026-11-03", "Parse ISO week from a filename", []Mark{MarkPass}, "served", "3.9 s", "0.28 s", false),
		row("14:30:31", "s_20f8ea", "File edit", "v2026-11-17", "Rename header across 14 sheets", []Mark{MarkInconclusive}, "served", "41.0 s", "0.44 s", false),
		row("14:29:57", "s_77b3d1", "Spreadsheet formula", "v2026-11-17", "Share of total by region", []Mark{MarkFail, MarkHallucinated}, "served", "1.8 s", "0.22 s", true),
		row("14:29:20", "s_0d4c55", "Tracking", "v1.2-fix", "Where is my order", []Mark{MarkPass}, "abstained", "0.4 s", "0.19 s", false),
		row("14:28:02", "s_f3e9c8", "Spreadsheet formula", "v2026-11-03", "Nth weekday of month", []Mark{MarkPass, MarkPartial}, "served", "1.5 s", "0.21 s", false),
	}
	rows = append(rows, Row{URL: "/sessions/s_ce77a4", Value: "s_ce77a4", Name: "s_ce77a4", Cells: []templ.Component{at("14:25:03"), Link{Text: "s_ce77a4", URL: "/sessions/s_ce77a4", Mono: true, Plain: true}, Text("Summarization"), Mono("v2026-11-03"), Dim("not kept, no consent"), nil, Dim("no text"), Text("–"), Text("–")}})
	return shellOf("Anna Lindqvist", "engineer", Page{Title: "Sessions", Nav: "sessions"},
		Head{Title: "Sessions", Sub: "214,380 sessions in 24 hours, 2,961 flagged", Actions: []templ.Component{Button{Label: "Save this view"}, Button{Label: "Export", Icon: IconDownload}}},
		FilterBar{Action: "/sessions", Region: "sessions", Clear: "/sessions",
			Filters: []Filter{{Name: "when", Param: "when", Value: "24h", Options: []Option{{Value: "24h", Label: "last 24 hours"}, {Value: "7d", Label: "last 7 days"}}},
				{Name: "task class", Param: "task_class", Options: []Option{{Value: "", Label: "any"}, {Value: "sql_query", Label: "SQL query", Count: 41022}}},
				{Name: "environment", Param: "env", Value: "prod", Drop: "/sessions?env=", Options: []Option{{Value: "", Label: "any"}, {Value: "prod", Label: "prod"}}},
				{Name: "flag", Param: "flag", Options: []Option{{Value: "", Label: "any of 10"}}}},
			More:   []Filter{{Name: "session", Param: "session"}},
			Search: &Search{Name: "Search consented text", Placeholder: "Search consented text, e.g. “invoice”"}},
		Table{ID: "sessions", Caption: "Sessions", Selects: "session", Rows: rows,
			Columns: []Column{{Label: "Time", Desc: true}, {Label: "Session"}, {Label: "Task class"}, {Label: "Version"}, {Label: "First words", Wide: true}, {Label: "Verdict, label"}, {Label: "Outcome"}, {Label: "Total", Right: true}, {Label: "First token", Right: true}},
			Foot:    &Foot{Shown: "15 of 214,380 in 24 hours, overlapping the window", Older: "/sessions?after=x", Region: "sessions", Hints: true, Selects: true}})
}

func ratesPage() Shell {
	axis := Axis{0, .14}
	points := func(n int, base float64) []Point {
		var all []Point
		for i := range 14 {
			if i < 14-n {
				all = append(all, Point{nans, nans, nans})
				continue
			}
			v := base + .004*math.Sin(float64(i)*1.7)
			all = append(all, Point{v, v * .7, v * 1.5})
		}
		return all
	}
	row := func(class, version string, p, low, high, objective float64, standing Standing, labels any, planned, raw string, days int, starts bool) Row {
		return Row{Starts: starts, URL: "/rates/x", Cells: []templ.Component{Bold(class), Mono(version), Words(Toned(Neutral, ""), estimate(Share(p))), Soft(Interval(low, high)),
			IntervalBar{Axis: axis, Low: low, High: high, Estimate: p, Objective: objective, HasObjective: true, Standing: standing},
			Soft("≤ " + WholeShare(objective)), StandingSign{standing}, Words(labels), Text(planned), Sparkline{Points: points(days, p), Max: .14, Open: true, Name: "14 days"}, Dim(raw)}}
	}
	rows := []Row{
		row("Spreadsheet formula", "v2026-11-17", .081, .057, .113, .04, Over, Words(Dim("1 disputed "), "398"), "100 %", "21.1 %", 4, false),
		row("", "v2026-11-03", .034, .021, .055, .04, Undecided, "512", "100 %", "14.6 %", 14, false),
		row("SQL query", "v2026-11-17", .046, .026, .081, .04, Undecided, "260", "100 %", "18.2 %", 4, true),
		row("", "v2026-11-03", .038, .023, .062, .04, Undecided, "430", "100 %", "13.9 %", 14, false),
		row("File edit", "v2026-11-17", .039, .012, .124, .03, Incomplete, "61", "31 %", "16.4 %", 4, true),
		row("", "v2026-11-03", .021, .011, .029, .03, Within, "455", "100 %", "9.8 %", 14, false),
	}
	rows = append(rows, Row{Starts: true, Cells: []templ.Component{Bold("Summarization"), Mono("v2026-11-17"), estimate("–"), nil, IntervalBar{Axis: axis, Standing: NoData, Objective: .02, HasObjective: true, Note: "no data: 4 labels, at least 5 in each cell needed", Name: "no data: 4 labels"}, Soft("≤ 2 %"), StandingSign{NoData}, Text("4"), Toned(Mid, "3 %"), nil, Dim("–")}})
	return shellOf("Anna Lindqvist", "engineer", Page{Title: "Hallucination rate", Nav: "rates"},
		Head{Title: "Hallucination rate", Sub: "Share of served responses that people would call hallucinated, Fri 13 to Thu 19 Nov 2026", Aside: Text("As of today 14:30, 11 min after the last label"), Actions: []templ.Component{Button{Label: "Copy permalink", Icon: IconLink}, Button{Label: "Export", Icon: IconDownload}}},
		FilterBar{Action: "/rates", Region: "rates", Segments: &Segmented{Name: "Metric", Region: "rates", Options: []Segment{{Label: "Hallucination", URL: "/rates", Current: true}, {Label: "Task success", URL: "/rates?m=s"}, {Label: "Latency", URL: "/rates?m=l"}}},
			Filters: []Filter{{Name: "by", Param: "by", Value: "b", Options: []Option{{Value: "b", Label: "task class, model version"}}}, {Name: "window", Param: "window", Value: "7d", Options: []Option{{Value: "7d", Label: "7 days"}}}},
			Note:    Words("Weighted by stratum and verdict, 95 % MOVER-Wilson. ", Link{Text: "How", URL: "/rates/how"})},
		Table{ID: "rates", Caption: "Hallucination rate by task class and model version", Rows: rows,
			Columns: []Column{{Label: "Task class"}, {Label: "Model version"}, {Label: "Estimate", Right: true}, {Label: "95 %", Right: true}, {Name: "Interval", Wide: true, Note: AxisHead{Axis: axis, Ticks: []float64{0, .02, .04, .06, .08, .10, .12, .14}}}, {Label: "Objective", Right: true}, {Name: "Standing"}, {Label: "Labels", Right: true}, {Label: "Of planned", Right: true}, {Label: "14 days"}, {Label: "Raw", Right: true}},
			Foot:    &Foot{Legend: Legend{Items: []string{"interval", "objective", "incomplete"}}, Note: Text("91 % of responses could be read. Raw is the share among labeled items: high, because queues look for trouble.")}},
		Says{Bold: "v2026-11-17 is worse than v2026-11-03 on spreadsheet formula:", Text: "4.7 points more hallucinated, 95 % 1.6 to 8.2. It is over the objective of 4 %.", More: Words("No other difference between the two versions is decisive. File edit needs 136 more labels, about 1 h 45 min of work, before it can be read. ", Link{Text: "Open that queue", URL: "/queues/file"})})
}

func estimate(s string) templ.Component { return Estimate(s) }

func queuesPage() Shell {
	row := func(name, class string, parts []int, oldest templ.Component, current bool) Row {
		kinds := []string{"safety", "negative", "implicit", "random"}
		var all []Part
		total := 0
		for i, n := range parts {
			all = append(all, Part{kinds[i], n})
			total += n
		}
		return Row{URL: "/queues/x", Current: current, Cells: []templ.Component{Pair(Link{Text: name, URL: "/queues/x", Plain: true}, class), StackBar{Parts: all, Max: 320}, Bold(Count(total)), Soft("5"), oldest, Soft("18"), Soft("14"), Text("±2 pp"), Bold("1 h 20 min"), Button{Label: "Label", Size: Small, URL: "/queues/x/next"}}}
	}
	return shellOf("Ines Okafor", "labeler", Page{Title: "Queues", Nav: "queues"},
		Head{Title: "Queues", Sub: "771 items wait in 6 queues. The next hour of your time is best spent on Formula answers.", Actions: []templ.Component{in(Form{Action: "/queues/formula/next"}, Button{Label: "Start labeling", Style: Filled, Submit: true, Act: ActSubmit})}},
		FilterBar{Action: "/queues", Segments: &Segmented{Name: "Whose", Options: []Segment{{Label: "For me", URL: "/queues", Current: true}, {Label: "All queues", URL: "/queues?all=1"}}}, Note: Legend{Items: []string{"safety", "negative", "implicit", "random"}}},
		Table{ID: "queues", Caption: "Queues", Loose: true, Columns: []Column{{Label: "Queue"}, {Label: "Waiting by reason", Wide: true}, {Label: "Waiting", Right: true}, {Label: "Reserved", Right: true}, {Label: "Oldest", Right: true}, {Label: "Done", Right: true}, {Label: "Mine", Right: true}, {Label: "Reaches", Right: true}, {Label: "after", Right: true}, {Name: "Act", Right: true}},
			Rows: []Row{row("Formula answers", "Spreadsheet formula", []int{31, 44, 56, 71}, Soft("2 h 10 min"), true), row("SQL answers", "SQL query", []int{12, 38, 41, 102}, Soft("1 h 42 min"), false), row("Code, October overlap", "Code generation", []int{0, 0, 0, 46}, Toned(Mid, "3 d"), false)},
			Foot: &Foot{Shown: "6 queues", Hints: true, Selects: true}},
		in(Columns{Count: 3}, in(Section{Title: "Waiting for somebody else"}, Soft("9 of your labels differ from a second label and wait for a reviewer.")), in(Section{Title: "Empty for you"}, Soft("Code, October overlap: 0 free for you, 1 reserved (next frees in 2:10), 45 need a labeler who has not seen them.")), in(Section{Title: "Guides changed"}, Soft("Formula answers moved to guide 7 today at 09:12."))))
}

func queuePage() Shell {
	var curve Series
	for i := range 31 {
		h := float64(i) / 10
		curve.X = append(curve.X, h)
		curve.Points = append(curve.Points, Point{Value: 6 / math.Sqrt(1+h*4)})
	}
	side := Words(
		in(Section{Title: "What an hour buys"}, LineChart{XAxis: Axis{0, 3}, YAxis: Axis{0, 6}, Height: 130, Name: "±6 points now, ±2 points after 1 h 20 min", Series: []Series{curve}, XTicks: []Tick{{0, "now"}, {1, "1 h"}, {2, "2 h"}, {3, "3 h"}}, YTicks: []Tick{{0, "0"}, {2, "±2"}, {4, "±4"}, {6, "±6 pp"}}, Notes: []ChartNote{{X: 1.33, Y: 2.4, Text: "±2 points after 1 h 20 min", Dot: true}}}, Soft("Harm 75, measurement 25: ±2 points today at 15:50. At 60/40: today at 15:20.")),
		in(Section{Title: "Who is here"}, Facts{Ruled: true, Items: []Fact{{"I. Okafor, you", Text("14, 41 s")}, {"R. Amari", Text("4, 52 s")}}}))
	return shellOf("Ines Okafor", "labeler", Page{Title: "Formula answers", Nav: "queues"},
		Head{Crumbs: []Link{{Text: "Queues", URL: "/queues"}}, Title: "Formula answers", Sub: "Spreadsheet formula, all model versions, blind. Guide 7.", Actions: []templ.Component{Button{Label: "Rule 4", URL: "/queues/x/rules"}, Button{Label: "Guide", URL: "/guides/7"}, in(Form{Action: "/queues/formula/next"}, Button{Label: "Start labeling", Style: Filled, Submit: true, Act: ActSubmit})}},
		in(Split{Side: side},
			in(Panel{}, Stats{Items: []Stat{{Term: "Waiting", Figure: "202"}, {Term: "Reserved", Figure: "5"}, {Term: "Done", Figure: "18"}, {Term: "Oldest", Figure: "2 h 10 min"}, {Term: "Median per item", Figure: "41 s"}, {Term: "Agreement, alpha", Figure: "0.81", Base: "0.72 to 0.88 on 62 pairs, may drive gates"}}},
				Gap{}, StackBar{Parts: []Part{{"safety", 31}, {"negative", 44}, {"implicit", 56}, {"random", 71}}, Legend: true, Words: []string{"safety: unsafe claim, failed validator", "negative feedback", "implicit: correction, abandonment, re-query", "random"}}),
			Table{ID: "items", Caption: "Items", Columns: []Column{{Label: "Item", Wide: true}, {Label: "Session"}, {Label: "Why"}, {Label: "Probability", Right: true}, {Label: "State"}, {Label: "Waiting", Right: true}},
				Rows: []Row{{Current: true, URL: "/items/17", Cells: []templ.Component{Text("Sum EMEA orders over 500 in Q3"), Mono("s_8f31c0"), Sign{Mark: MarkFail, Word: "validator failed"}, Mono("1.000"), Text("reserved by you"), Soft("now")}},
					{URL: "/items/19", Cells: []templ.Component{Text("Months between two dates"), Mono("s_6601fa"), Text("feedback “incorrect”"), Mono("0.500"), Soft("free"), Soft("2 h 10 min")}}},
				Foot: &Foot{Shown: "1 to 9 of 207 not done", Older: "/x", NewerLabel: "Earlier", OlderLabel: "Later"}}))
}

func overviewPage() Shell {
	flat := func(base float64) []Point {
		var all []Point
		for i := range 14 {
			all = append(all, Point{Value: base * (1 + .1*math.Sin(float64(i)*1.3)), Low: nans, High: nans})
		}
		return all
	}
	row := func(name, value, interval, target, left, lasts string, tone Tone) Row {
		return Row{URL: "/objectives/x", Cells: []templ.Component{Link{Text: name, URL: "/objectives/x", Plain: true}, Bold(value), Soft(interval), Soft(target), Sparkline{Points: flat(.04), Max: .06}, Toned(tone, left), Toned(tone, lasts)}}
	}
	side := Words(in(Section{Title: "Last 24 hours"}, Stats{Grid: true, Items: []Stat{{Term: "Responses", Figure: "214,380"}, {Term: "Flagged", Figure: "2,961", Base: "1.4 %"}, {Term: "Verdicts", Figure: "201,904", Base: "2.1 % inconclusive"}, {Term: "Labels", Figure: "1,204", Base: "6 people"}}}),
		in(Section{Title: "From event to page"}, Facts{Ruled: true, Items: []Fact{{"Event to verdict, p95", Text("2.1 s")}, {"Event to queue, p95", Text("48 s")}, {"Label to rate", Text("11 min")}}}))
	return shellOf("Anna Lindqvist", "engineer", Page{Title: "Overview"},
		Head{Tell: true, Title: "One alert pages, one budget is nearly spent.", Sub: "v2026-11-17 serves 10 % of traffic. It is worse than v2026-11-03 on spreadsheet formula by 4.7 points, 95 % 1.6 to 8.2."},
		in(Split{Side: side},
			in(Section{Title: "Needs you now"}, Needs{Items: []Need{
				{Mark: MarkPage, Title: "unsafe_claim_served=2/6", Text: "tracking-answerer-v1.1-regression, serving_gate. First check: compare serving-gate template with tracking-answerer-v1.", Action: Button{Label: "Incident 41", Style: Filled, URL: "/incidents/41"}},
				{Mark: MarkTicket, Title: "v2026-11-17 burns the formula budget 2.0 times too fast", Text: "8.1 % against 4 %. At 10 % of traffic the budget of all versions lasts 2.5 days", Action: Button{Label: "Objective", URL: "/objectives/1"}},
				{Mark: MarkEvaluating, Title: "Handoff 17 waits for holdout cases", Text: "0 of 160 unsafe, 139 more cases needed for ≤ 1 %", Action: Button{Label: "Add cases", URL: "/handoffs/17"}},
				{Mark: MarkFail, Title: "Validator judge is suspended since 13:02", Text: "Canary “cites a page that is not there” was answered pass. No verdict is written", Action: Button{Label: "Card", URL: "/validators/judge"}}}}),
			in(Section{Title: "Objectives"}, Table{Caption: "Objectives", Columns: []Column{{Label: "Objective", Wide: true}, {Label: "Now", Right: true}, {Label: "95 %", Right: true}, {Label: "Target", Right: true}, {Label: "14 days"}, {Label: "Budget left", Right: true}, {Label: "Lasts"}},
				Rows: []Row{row("Formula, hallucination", "3.7 %", "2.5 to 5.4", "≤ 4 %", "8 %", "2.5 days", Bad), row("Code, hallucination", "2.2 %", "1.4 to 3.5", "≤ 3 %", "27 %", "11.1 days", Neutral)}})))
}

func startPage() Shell {
	return shellOf("Ines Okafor", "labeler", Page{Title: "Overview"},
		Head{Tell: true, Title: "Next: item 17 of Formula answers.", Sub: "Your draft is kept. 1 h 20 min of labels there brings the rate to ±2 points.", Actions: []templ.Component{in(Form{Action: "/next"}, Button{Label: "Start", Style: Filled, Size: Decision, Submit: true, Act: ActSubmit})}},
		in(Split{Side: in(Section{Title: "Your week"}, Stats{Grid: true, Items: []Stat{{Term: "Labels", Figure: "318"}, {Term: "Median per item", Figure: "43 s"}, {Term: "Gold, hallucinated found", Figure: "9 of 10", Base: "60 to 98 %"}, {Term: "Gold, correct kept", Figure: "18 of 19", Base: "75 to 99 %, explained at day's end"}}})},
			in(Section{Title: "Needs you now"}, Needs{Items: []Need{{Mark: MarkPage, Title: "Unsafe serve in tracking", Text: "76 items from the open incident: 38 that failed and 38 matched at random. 9 are done, 18 min for two people.", Action: Button{Label: "Join", URL: "/queues/i"}}, {Icon: IconInbox, Title: "Formula answers", Text: "202 waiting, oldest 2 h 10 min. You stopped at item 17, a draft is kept.", Action: Button{Label: "Open", URL: "/queues/f"}}, {Icon: IconBook, Title: "Guide 7 for formula answers", Text: "One rule changed today at 09:12. Items from now on name guide 7.", Action: Button{Label: "Read", URL: "/guides/7"}}}})))
}

func handoffPage() Shell {
	side := Words(
		in(Section{Title: "Approvals"}, Facts{Ruled: true, Items: []Fact{{"S. Iyer", Words(Sign{Mark: MarkHolds, Word: "today 13:44"})}, {"You may approve", Sign{Mark: MarkEvaluating, Word: "M. Brandt"}}, {"A. Lindqvist", Dim("author")}}}),
		in(Section{Title: "Windows", Rule: true}, Facts{Ruled: true, Items: []Fact{{"Regression cases", Words(Bold("93"), " of 93")}, {"Holdout cases", Words(Bold("160"), " of 299")}}}, Meter{Value: 160, Max: 299, Tone: Accent, Name: "160 of 299"}, Dim("Opened once by S. Iyer today 13:31. Each opening is a use and is logged.")),
		in(Section{Title: "Evidence", Rule: true}, Facts{Small: true, Items: []Fact{{"Hash", Copy{Value: "sha256:c07e1f2a99b04d12", Name: "Copy evidence hash"}}, {"Frozen", Text("today 11:31")}, {"Recomputes", Words(IconCheck, " to the same bytes")}}}),
		in(Section{Rule: true}, Button{Label: "Break glass", Style: Hazard, Size: Small, Opens: "glass"}, in(Gap{}), Dim("Two people and a reason. Alerts everyone and is printed on the certificate.")))
	day := func(d, h, m int) Time { return Time{At: time.Date(2026, 11, d, h, m, 0, 0, time.UTC)} }
	return shellOf("Marta Brandt", "release manager", Page{Title: "Handoff 17", Nav: "handoffs", Back: &Link{Text: "Handoffs", URL: "/handoffs"}},
		Head{Crumbs: []Link{{Text: "Handoffs", URL: "/handoffs"}, {Text: "17"}}, Title: "tracking-answerer-v1.2-fix for unsafe serve in tracking", Below: []templ.Component{Pill{Text: "Blocked", Mark: MarkBlocked}, Words("A. Lindqvist wants to replace ", Mono("tracking-answerer-v1.1-regression"), " with ", Mono("tracking-answerer-v1.2-fix"))}},
		Tabs{Name: "Handoff", Region: "part", Items: []Tab{{Label: "Conversation", Note: "3", URL: "?", Current: true}, {Label: "Evidence", URL: "?t=e"}, {Label: "Cases", Note: "191", URL: "?t=c"}, {Label: "Template diff", Note: "+6 −2", URL: "?t=d"}}},
		in(Split{Side: side},
			Feed{Items: []FeedItem{{Icon: IconTriangleAlert, Did: Words("Incident 41 opened by policy ", Mono("delivery-grounding-slo-v1")), At: day(19, 9, 41)},
				{Icon: IconFlag, Who: "A. Lindqvist", Did: Text("opened the handoff and froze the required metric"), At: day(19, 11, 2), Body: Words(Mono("unsafe_claim_served == 0 on regression and holdout windows"), " ", Dim("sha256:5be1…90c4"))},
				{Icon: IconMessage, Who: "A. Lindqvist", At: day(19, 16, 20), Body: Text("The regression template let the model state a delivery time when the feed had only a scan. v1.2 restores the rule “no estimate without a carrier event” and asks for a citation.")},
				{Mark: MarkHolds, Who: "S. Iyer", Did: Text("approved evidence c07e…"), At: day(20, 13, 44), Note: "Read all 31 regression answers. They abstain where they should."}}},
			Checks{ID: "checks", Mark: MarkBlocked, Heading: "Blocked: holdout 160 of 299, then 2 approvals", Sentence: "Some checks have not completed. Promotion is refused to every client that asks.",
				Items:   []Check{{MarkHolds, "Regression cases", "0 unsafe of 31, each run three times", "93 of 93 runs", "/x"}, {MarkEvaluating, "Holdout cases", "0 / 160; below 1.9 % with 95 % confidence. 139 more cases for below 1.0 %", "160 of 299", "/x"}, {MarkHolds, "Usefulness", "supported serves 71 %, 1.2 points more, 95 % −4.9 to 7.3. Not bought by abstaining", "guardrail", "/x"}, {MarkEvaluating, "Approvals", "S. Iyer. Needs one more release manager, not the author", "1 of 2", ""}},
				Actions: []templ.Component{Button{Label: "Comment", Opens: "comment"}, Button{Label: "Request changes", Opens: "changes"}}, Note: "139 more cases change the evidence and void approvals given now."},
			in(Panel{Title: "Template diff", Note: DiffOf("a\nb\nc", "a\nB\nc\nd", 1).Changes(), Flush: true}, DiffOf("Use functions of the locale of the sheet.\nExplain briefly what the formula does.\nAnswer with the formula first.", "Use functions of the locale of the sheet.\nState a value only if read_range returned every cell the formula reads.\nA period needs both of its ends as criteria.\nAnswer with the formula first.", 3))))
}

func signPage() Shell {
	return shellOf("Marta Brandt", "release manager", Page{Title: "You sign this evidence", Nav: "handoffs"},
		in(Dialog{ID: "sign", Title: "You sign this evidence", Open: true, Footer: in(Actions{}, Button{Label: "Sign and approve", Style: Filled, Size: Decision, Submit: true, Form: "approve", Key: "Ctrl+Enter"}, Button{Label: "Cancel", Size: Decision, URL: "/handoffs/15"})},
			in(Form{ID: "approve", Action: "/handoffs/15/approvals"}, Facts{Items: []Fact{{"Evidence", Mono("sha256:e2b7c190 4f5aa6d8 830b71c4 9e6f52d0 7718b3c5 a94ed6f1 0c2288ab 3f41907d")}, {"You say", Text("I approve promotion on this evidence")}, {"As", Text("Marta Brandt, release manager, with your passkey in the next step")}, {"You have opened", Words("evidence, 44 regression cases, template diff. ", Toned(Mid, "Not the holdout cases."))}}}, in(Gap{}), Field{Label: "Comment, printed on the certificate", Name: "comment", Rows: 2})))
}

func certificatePage() Shell {
	row := func(cells ...string) Row {
		r := Row{}
		for _, c := range cells {
			r.Cells = append(r.Cells, Text(c))
		}
		r.Cells = append(r.Cells, Sign{Mark: MarkHolds, Word: "holds"})
		return r
	}
	return shellOf("", "", Page{Title: "Certificate 15", Layout: Sheet}, in(Certificate{Title: "Certificate of promotion", Sub: "formula-answerer-v5, handoff 15"},
		Says{Bold: "On Fri 20 Nov 2026, 15:02:44 UTC, formula-answerer-v5 was promoted", Text: "in place of formula-answerer-v4. Two release managers approved the same evidence. Neither wrote the candidate nor proposed the rule."},
		in(Section{Title: "What was measured"}, Table{Caption: "What was measured", Bare: true, Columns: []Column{{Label: "Window"}, {Label: "Cases", Right: true}, {Label: "Measured"}, {Label: "Result", Right: true}, {Label: "95 %", Right: true}, {Label: "Required"}, {Name: "Decision"}}, Rows: []Row{row("Regression cases", "44", "unsafe claims served", "0 / 132 runs", "a census", "0"), row("Holdout cases, unseen", "299", "unsafe claims served", "0 / 299", "below 1.0 %", "0, below 1 %")}}),
		in(Section{Title: "Evidence"}, Facts{Small: true, Items: []Fact{{"Evidence", Mono("sha256:e2b7c1904f5aa6d8830b71c49e6f52d07718b3c5a94ed6f10c2288ab3f41907d")}, {"Attested by", Mono("ed25519 5d:07:…:e8, the server's key")}}})))
}

func incidentPage() Shell {
	side := Words(Button{Label: "Open a handoff", Style: Filled, Size: Decision, Wide: true, Submit: true}, in(Gap{}), Soft("Freezes template, exemplar, evidence version and 31 failing cases. Promotion stays blocked until measured."),
		in(Section{Title: "Review queue", Rule: true}, Soft("38 violating responses and 38 matched at random, 9 labeled, 18 min of work left. "), Link{Text: "Label", URL: "/queues/i"}),
		in(Section{Title: "Burn rate", Rule: true}, LineChart{XAxis: Axis{0, 120}, YAxis: Axis{0, 16}, Height: 100, Name: "Burn rate rose to 14.4 at 09:50 and fell when the rollout was paused at 09:58", Series: []Series{{X: []float64{0, 36, 48, 56, 62, 68, 74, 88, 120}, Points: []Point{{Value: .8}, {Value: 1}, {Value: 9}, {Value: 14}, {Value: 14.4}, {Value: 11}, {Value: 3}, {Value: .8}, {Value: .5}}, Tone: Bad}}, XTicks: []Tick{{0, "09:00"}, {60, "paused 09:58"}, {120, "11:00"}}, YTicks: []Tick{{1, "1"}, {6, "6"}, {14.4, "14.4"}}}))
	row := func(id, kase, template, route, stage string, mark Mark, word string, first, total string, current bool) Row {
		return Row{URL: "/sessions/" + id, Current: current, Cells: []templ.Component{Link{Text: id, URL: "/sessions/" + id, Mono: true, Plain: true}, Mono(kase), Mono(template), Text(route), Toned(map[bool]Tone{true: Bad}[mark == MarkFailed], stage), Sign{Mark: mark, Word: word}, Text(first), Text(total)}}
	}
	return shellOf("Anna Lindqvist", "engineer", Page{Title: "Incident 41", Nav: "alerts", Back: &Link{Text: "Alerts", URL: "/alerts"}, Corner: Pill{Text: "Firing", Mark: MarkPage}},
		Head{Crumbs: []Link{{Text: "Alerts", URL: "/alerts"}, {Text: "Incident 41"}}, Title: "PAGE unsafe_claim_served=2/6", Beside: []templ.Component{Pill{Text: "Firing", Mark: MarkPage}}, Sub: "Policy delivery-grounding-slo-v1, first seen Thu 19 Nov, 09:41. Acknowledged by A. Lindqvist after 3 min."},
		in(Split{Side: side},
			Banner{Tone: Bad, Icon: IconMilestone, Fact: "First check: compare serving-gate template with tracking-answerer-v1.", Consequence: "The exemplar passed claim generation with an estimate that no carrier event supports, and serving_gate let it through.", Link: &Link{Text: "Open the diff, 4 lines", URL: "/diff"}},
			in(Panel{Title: "What the card is bound to"}, Facts{Double: true, Items: []Fact{{"Exemplar", Words(Link{Text: "req_205", URL: "/sessions/x", Mono: true}, " invented_eta, first violating event")}, {"Evidence version", Mono("fastship@v17")}, {"At firing", Text("2 of 6, 33.3 %, 95 % 9.7 to 70.0")}, {"Template", Mono("tracking-answerer-v1.1-regression")}, {"First failed stage", Words(Sign{Mark: MarkFailed, Word: "serving_gate"})}, {"By pause, 09:58", Text("38 of 2,114, 1.8 %, 95 % 1.3 to 2.5")}}}),
			in(Panel{Title: "Six requests at firing", Note: "abstaining is safe and never pages", Flush: true}, Table{Caption: "Six requests at firing", Bare: true, Tight: true, Columns: []Column{{Label: "Request"}, {Label: "Case"}, {Label: "Template"}, {Label: "Route"}, {Label: "First failed stage"}, {Label: "Served claim"}, {Label: "First token", Right: true}, {Label: "Total", Right: true}},
				Rows: []Row{row("req_201", "clean_scan", "v1", "serve", "passed", MarkHolds, "safe", "172 ms", "410 ms", false), row("req_202", "invented_eta", "v1", "abstain", "claim_generation", MarkHolds, "safe", "181 ms", "395 ms", false), row("req_205", "invented_eta", "v1.1-regression", "serve", "serving_gate", MarkFailed, "unsafe", "218 ms", "430 ms", true), row("req_206", "invented_eta", "v1.1-regression", "serve", "serving_gate", MarkFailed, "unsafe", "240 ms", "455 ms", false)}}),
			in(Panel{Title: "Runbook: unsafe or hallucinated serves", Note: "3 of 4 done", Flush: true}, Steps{Items: []Step{{true, "Pause the rollout", "done by the product at 09:58", nil}, {true, "Raise human sampling for the task class", "1 % to 10 % until resolved", nil}, {false, "Compare serving-gate template with tracking-answerer-v1", "", Button{Label: "Done", Size: Small}}}})))
}

func alertsPage() Shell {
	row := func(m Mark, word, what, policy, check, exemplar, state string, since string, current bool, act templ.Component) Row {
		return Row{URL: "/incidents/41", Current: current, Cells: []templ.Component{Sign{Mark: m, Word: word}, Pair(Mono(what), policy), Soft(check), Link{Text: exemplar, URL: "/sessions/x", Mono: true}, Text(state), Soft(since), act}}
	}
	return shellOf("Anna Lindqvist", "engineer", Page{Title: "Alerts", Nav: "alerts"},
		Head{Title: "Alerts", Sub: "One alert pages. 11 rules watch 9 objectives. In the last 30 days they fired 14 times and 12 led to a change.", Actions: []templ.Component{Button{Label: "Rules", URL: "/alerts/rules"}}},
		Table{ID: "alerts", Caption: "Alerts", Loose: true, Columns: []Column{{Label: "Severity"}, {Label: "What fired"}, {Label: "First check", Wide: true}, {Label: "Exemplar"}, {Label: "State"}, {Label: "First seen"}, {Name: "Act", Right: true}},
			Rows: []Row{row(MarkPage, "Page", "unsafe_claim_served=2/6", "delivery-grounding-slo-v1", "Compare serving-gate template with tracking-answerer-v1", "req_205", "firing", "Thu 19 Nov, 09:41", true, Button{Label: "Open card", Style: Filled, Size: Small, Act: ActOpen, URL: "/incidents/41"}),
				row(MarkWarn, "Warn", "p95_ttft_ms=612", "summary-latency-v3", "Check the model rollout and connection mix", "req_8c1", "acknowledged", "Fri 20 Nov, 12:06", false, nil),
				row(MarkTicket, "Ticket", "formula budget burns at 2.0", "formula-quality-v2", "Compare v2026-11-17 with v2026-11-03 by case", "s_8f31c0", "firing", "Fri 20 Nov, 08:00", false, Words(Button{Label: "Acknowledge", Size: Small}, " ", Button{Label: "Silence 1 h", Size: Small}))}})
}

func objectivesPage() Shell {
	var measured, even Series
	measured.Band, even.Dotted = true, true
	measured.End = "8 % left, 2.5 days"
	for i := range 31 {
		day := float64(i)
		v := 100 - day*3.07
		measured.X, even.X = append(measured.X, day), append(even.X, day)
		measured.Points = append(measured.Points, Point{v, v - day*.25, v + day*.25})
		even.Points = append(even.Points, Point{Value: 100 - day*3.33})
	}
	return shellOf("Anna Lindqvist", "engineer", Page{Title: "Spreadsheet formula, hallucination", Nav: "objectives"},
		Head{Title: "Spreadsheet formula, hallucination", Sub: "At most 4 % of served responses in 30 days. Version 3, proposed by A. Lindqvist, approved by S. Iyer on 2 Nov.", Actions: []templ.Component{Button{Label: "Back-test"}, Button{Label: "Propose a change"}}},
		in(Split{Side: Words(Stats{Grid: true, Items: []Stat{{Term: "Rate, 30 days", Figure: "3.7 %", Base: "2.5 to 5.4 %"}, {Term: "Burn, 3 days", Figure: "0.97", Base: "tickets above 1"}, {Term: "Budget left", Figure: "8 %", Base: "of 8,570 responses"}, {Term: "Lasts", Figure: "2.5 days", Base: "at this pace"}}}, Banner{Mark: MarkTicket, Fact: "v2026-11-17 alone burns at 2.0.", Consequence: "Without it the budget lasts 2.8 days."})},
			in(Panel{Title: "Budget left", Note: "band: 95 %, from the labels behind it"}, LineChart{XAxis: Axis{0, 30}, YAxis: Axis{0, 100}, Height: 200, Name: "Budget fell from 100 % on 21 Oct to 8 % on 20 Nov, 95 % 0 to 16", Series: []Series{measured, even}, XTicks: []Tick{{0, "21 Oct"}, {10, "31 Oct"}, {20, "10 Nov"}, {30, "20 Nov"}}, YTicks: []Tick{{0, "0"}, {25, "25"}, {50, "50"}, {75, "75"}, {100, "100 %"}}, Guides: []GuideLine{{At: 27, Vertical: true, Label: "17 Nov, v2026-11-17 at 10 %"}}, Table: "?table=1"})),
		in(Section{Title: "All objectives"}, Table{Caption: "Objectives", Columns: []Column{{Label: "Task class"}, {Label: "Objective"}, {Label: "Target", Right: true}, {Label: "Now", Right: true}, {Label: "Budget left", Wide: true}, {Label: "Lasts", Right: true}}, Rows: []Row{
			{Current: true, URL: "/objectives/1", Cells: []templ.Component{Bold("Spreadsheet formula"), Text("hallucination"), Soft("≤ 4 %"), Bold("3.7 %"), Meter{Value: 8, Max: 100, Tone: Bad, Name: "8 %"}, Toned(Bad, "2.5 days")}},
			{URL: "/objectives/2", Cells: []templ.Component{Bold("Code generation"), Text("hallucination"), Soft("≤ 3 %"), Bold("2.2 %"), Meter{Value: 27, Max: 100, Name: "27 %"}, Text("11.1 days")}}}}))
}

func validatorPage() Shell {
	axis := Axis{.4, 1}
	return shellOf("Anna Lindqvist", "engineer", Page{Title: "formula", Nav: "validators"},
		Head{Crumbs: []Link{{Text: "Validators", URL: "/validators"}}, Title: "formula", Beside: []templ.Component{Mono("1.4.2"), Pill{Text: "serving", Mark: MarkPass}}, Sub: "since 11 Nov 2026. Agreement of two engines or an expected value is needed."},
		Banner{Tone: Mid, Fact: "judge 0.3.1 is suspended since 13:02.", Consequence: "Canary “cites a page that is not there” was answered pass. Nothing it would have said is counted.", Link: &Link{Text: "See the canary", URL: "/validators/judge"}},
		in(Columns{Count: 3},
			in(Panel{Title: "Against people", Note: "477 weighted labels, 30 days"}, Table{Caption: "Against people", Bare: true, Columns: []Column{{Name: "Verdict"}, {Label: "called hallucinated", Right: true}, {Label: "called correct", Right: true}}, Rows: []Row{{Cells: []templ.Component{Sign{Mark: MarkFail, Word: "fail"}, Bold("61"), Toned(Bad, "9")}}, {Cells: []templ.Component{Sign{Mark: MarkPass, Word: "pass"}, Toned(Bad, "5"), Bold("402")}}}}, in(Gap{}), Facts{Items: []Fact{{"Sensitivity", Words(IntervalBar{Axis: axis, Low: .83, High: .97, Estimate: .92, Narrow: true}, "92 %, 83 to 97")}, {"Specificity", Words(IntervalBar{Axis: axis, Low: .96, High: .99, Estimate: .98, Narrow: true}, "98 %, 96 to 99")}}}),
			in(Panel{Title: "Inconclusive, and why", Note: "2,080 of 74,310"}, Facts{Ruled: true, Items: []Fact{{"unsupported function", Text("1,204")}, {"engines disagree", Text("511")}, {"timeout, 2 s", Text("208")}}}),
			in(Panel{Title: "Canaries", Note: "14:20, before the batch", Flush: true}, Table{Caption: "Canaries", Bare: true, Tight: true, Columns: []Column{{Label: "Input", Wide: true}, {Label: "Wanted"}, {Label: "Got"}, {Label: "Took", Right: true}}, Rows: []Row{{Cells: []templ.Component{Text("SUM of three cells"), MarkPass.Named("pass"), MarkPass.Named("pass"), Soft("4 ms")}}, {Cells: []templ.Component{Text("circular A1"), MarkFail.Named("fail"), MarkFail.Named("fail"), Soft("3 ms")}}, {Cells: []templ.Component{Text("WEBSERVICE call"), MarkInconclusive.Named("inconclusive"), MarkInconclusive.Named("inconclusive"), Soft("2 ms")}}}})))
}

func auditPage() Shell {
	row := func(n, who, did, what string, current bool) Row {
		return Row{Current: current, URL: "/audit?entry=" + n, Cells: []templ.Component{Soft(n), Time{At: now, Style: Full}, Text(who), Soft(did), Bold(what), Copy{Value: "sha256:0fc89f2c7e21aabbccdd", Shown: "0fc8…", Name: "Copy hash of entry " + n}}}
	}
	return shellOf("P. Novak", "auditor", Page{Title: "Audit", Nav: "audit"},
		Head{Title: "Audit", SubPart: Words("88,411 entries. All in the signed tree: checked 14:30 in 1.2 s, root ", Mono("9f2c…11ab"), "."), Aside: Chip{Text: "whole", Icon: IconShield, Tone: Ok}, Actions: []templ.Component{Button{Label: "Export bundle", Icon: IconDownload}}},
		in(Split{Side: Words(in(Section{Title: "Handoff 17, its whole life", Note: "selected: entry 88,402"}, Facts{Small: true, Items: []Fact{{"19 Nov 11:02", Text("opened, A. Lindqvist")}, {"20 Nov 13:44", Text("approved, S. Iyer, c07e…")}}}), Banner{Tone: Ok, Icon: IconShield, Fact: "Signature and place in the tree verified just now."})},
			Table{ID: "entries", Caption: "Entries", Columns: []Column{{Label: "Entry", Right: true}, {Label: "Time, UTC"}, {Label: "Who"}, {Label: "Did"}, {Label: "Object", Wide: true}, {Label: "Hash"}}, Rows: []Row{row("88,411", "M. Brandt", "opened", "handoff 15", false), row("88,402", "S. Iyer", "approved", "handoff 17", true)}, Foot: &Foot{Shown: "88,401 to 88,411", Older: "/audit?after=1"}}))
}

func loginPage() Shell {
	return shellOf("", "", Page{Title: "Sign in", Layout: Bare}, in(SignIn{},
		Button{Label: "Continue with your organisation", Size: Decision, Wide: true, URL: "/login/oidc"}, Or{Text: "or with an account here"},
		in(Form{Action: "/login"}, Field{Label: "Email", Name: "email", Type: "email", Value: "ines.okafor@example.org", Complete: "username"}, Field{Label: "Password", Name: "password", Type: "password", Complete: "current-password", Error: "That password does not match. 4 tries left before a 15 min pause."}, Button{Label: "Sign in", Style: Filled, Size: Decision, Wide: true, Submit: true}),
		Fine("A second step follows. Every sign-in is in the audit log. Trouble? Ask an administrator to reset it.")))
}

func statesPage() Shell {
	return shellOf("Ines Okafor", "labeler", Page{Title: "States"},
		Head{Title: "States"},
		in(Columns{Count: 3},
			Empty{Title: "Nothing is free for you in Formula answers", Why: "0 free, 7 reserved (next frees in 2:10), 3 waiting for another labeler.", Actions: []templ.Component{Button{Label: "Next queue: SQL answers, 193", Style: Filled, URL: "/x"}, Button{Label: "Tell me when one frees"}}},
			Empty{Title: "No events yet", Why: "Send some and they are on this page within a second.", Code: "assay load events.jsonl", Actions: []templ.Component{Button{Label: "Load the sample"}, Link{Text: "Ways to send events", URL: "/help"}}},
			Empty{Title: "No session matches these 3 filters", Why: "Without “verdict fail” there are 118. Without “v2026-11-17” there are 7.", Actions: []templ.Component{Button{Label: "Drop “verdict fail”", URL: "/x"}, Button{Label: "Clear all", Style: Plain, URL: "/x"}}},
			in(Panel{}, Progress{ID: "export", Title: "Export labels of “October overlap” as Parquet", Done: 11480, Total: 18516, Left: "about 40 s left", Says: "11,480 of 18,516 labels. You may leave: a link will be in your notices.", Stop: "/jobs/1/stop"}),
			Banner{Tone: Mid, Fact: "Your reservation of item 17 ended at 14:46, R. Amari labeled it since.", Consequence: "Your label, spans and correction are kept as a draft. As a second label it still counts.", Actions: []Button{{Label: "Submit as second label", Style: Filled, Size: Small}, {Label: "Next item", Size: Small}, {Label: "Discard", Style: Plain, Size: Small}}},
			Failure{What: "The session could not be read: the telemetry store did not answer within 5 s.", Safe: "Labels are safe, they live elsewhere. We try again in 8 s.", Reference: "01JCX4ABCDEFGH9F", Actions: []templ.Component{Button{Label: "Try now", Size: Small}}},
			Failure{Refused: true, What: "Raw text needs a reveal", Safe: "You are an engineer. A release manager or administrator can grant 30 minutes, with a reason that is logged.", Actions: []templ.Component{Button{Label: "Ask for a reveal"}}},
			Banner{Icon: IconCloud, Fact: "No connection since 14:31.", Consequence: "Two labels wait in this browser and will be sent, in order, when it is back."}),
		in(Live{ID: "live-counts", URL: "/queues"}, Text("")))
}

func marksPage() Shell {
	column := func(title string, marks ...Mark) templ.Component {
		parts := []any{}
		for _, m := range marks {
			parts = append(parts, Fact{string(m), Sign{Mark: m, Word: string(m), Big: true}})
		}
		var facts []Fact
		for _, p := range parts {
			facts = append(facts, p.(Fact))
		}
		return in(Section{Title: title}, Facts{Items: facts})
	}
	axis := Axis{0, .1}
	bars := []any{}
	for _, s := range []Standing{Over, Undecided, Within, Incomplete, NoData} {
		bars = append(bars, IntervalBar{Axis: axis, Low: .03, High: .06, Estimate: .045, Objective: .031, HasObjective: true, Standing: s}, StandingSign{s})
	}
	return shellOf("Ines Okafor", "labeler", Page{Title: "Marks"},
		Head{Title: "Marks: the shape says who, the ink says how bad, dashes say not known"},
		in(Columns{Count: 4}, column("Round: a person said it", MarkCorrect, MarkPartial, MarkHallucinated, MarkCannotTell), column("Square: a machine said it", MarkPass, MarkFail, MarkInconclusive), column("Triangle: an alert", MarkTicket, MarkWarn, MarkPage), column("Lozenge: a gate", MarkHolds, MarkReady, MarkBlocked, MarkEvaluating, MarkFailed, MarkBrand)),
		in(Columns{Count: 2},
			in(Section{Title: "Controls"}, in(Actions{}, Button{Label: "Submit and next", Style: Filled, Act: ActSubmit}, Button{Label: "Later", Act: ActLater}, Button{Label: "Note", Style: Plain, Act: ActNote}, Button{Label: "Break glass", Style: Hazard}, Button{Label: "Approve", Disabled: true, Because: "holdout 160 of 299"}, Button{Icon: IconRefresh, Alone: "Read again"}, Button{Label: "Pressed", Pressed: true}), in(Gap{}),
				in(Actions{}, Segmented{Name: "View", Options: []Segment{{Label: "Lanes", URL: "?", Current: true}, {Label: "Tree", URL: "?t"}, {Label: "Log", URL: "?l"}}}, Chip{Text: "task class"}, Chip{Text: "random", Icon: IconDice, Outline: true}, Chip{Text: "holds", Mark: MarkHolds, Tone: Ok}, Chip{Text: "blocked", Mark: MarkBlocked, Tone: Mid}, Chip{Text: "validator failed", Mark: MarkFail, Tone: Bad}, Chip{Text: "inconclusive", Mark: MarkInconclusive, Tone: NA}, Chip{Text: "selected", Tone: Accent}), in(Gap{}),
				Field{Label: "Reason for the reveal", Name: "reason", Value: "Exemplar of incident 41", Hint: "It is logged."}, Field{Label: "Required metric", Name: "metric", Value: "unsafe = none", Mono: true, Error: "Not in the language. Try unsafe_claim_served == 0"}, CheckBox{Label: "Blind", Name: "blind", Hint: "no model version, template or arm", Checked: true}),
			in(Section{Title: "Interval bar"}, bars...)))
}
