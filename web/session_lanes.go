package web

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"assay/telemetry"
	"assay/web/ui"
)

// kindSign shows what an event is: a gate by its lozenge, the rest by icon.
func kindSign(e telemetry.TimelineEvent) templ.Component {
	if e.Kind == telemetry.KindGate {
		return gateMark(e).Named(gateWords(e))
	}
	return ui.Words(kindIcons[e.Kind], ui.Hidden(e.Kind))
}

func gateMark(e telemetry.TimelineEvent) ui.Mark {
	if e.UnsafeServed || e.Failed {
		return ui.MarkFailed
	}
	return ui.MarkHolds
}

func gateWords(e telemetry.TimelineEvent) string {
	if gateMark(e) == ui.MarkFailed {
		return "failed"
	}
	return "holds"
}

var kindIcons = map[telemetry.Kind]ui.Icon{
	telemetry.KindExposure: ui.IconEye, telemetry.KindPrompt: ui.IconMessage, telemetry.KindTool: ui.IconWrench, telemetry.KindFile: ui.IconFile,
	telemetry.KindFeedback: ui.IconThumbsDown, telemetry.KindCorrection: ui.IconUndo, telemetry.KindOutcome: ui.IconCheck,
	telemetry.KindModel: ui.IconSparkles, telemetry.KindValidator: ui.IconShield, telemetry.KindGate: ui.IconMilestone,
	telemetry.KindError: ui.IconAlert, telemetry.KindSpan: ui.IconActivity,
}

// kindNames are the lanes in their order: the person's machine, the cloud.
var kindNames = []struct {
	kind telemetry.Kind
	name string
}{
	{telemetry.KindExposure, "Exposure"}, {telemetry.KindPrompt, "Prompt"}, {telemetry.KindTool, "Tool"}, {telemetry.KindFile, "File"},
	{telemetry.KindFeedback, "Feedback"}, {telemetry.KindCorrection, "Correction"}, {telemetry.KindOutcome, "Outcome"},
	{telemetry.KindModel, "Model"}, {telemetry.KindValidator, "Validator"}, {telemetry.KindGate, "Claim gate"},
	{telemetry.KindError, "Error"}, {telemetry.KindSpan, "Span"},
}

// lanesOf draws what is shown on one scale, the two clocks apart.
func lanesOf(d telemetry.SessionDetail, at sessionAt, selected telemetry.TimelineEvent) ui.Timeline {
	start := d.Page[0].Start()
	end := d.Page[0].At
	for _, e := range d.Page {
		if e.Start().Before(start) {
			start = e.Start()
		}
		if e.At.After(end) {
			end = e.At
		}
	}
	t := ui.Timeline{Start: start, To: max(end.Sub(start)*104/100, time.Second), Name: "Events from " + start.UTC().Format("15:04:05") + " to " + end.UTC().Format("15:04:05") + " UTC"}
	lanes := map[telemetry.Side]map[telemetry.Kind]*ui.Lane{telemetry.Desktop: {}, telemetry.Cloud: {}}
	lane := func(side telemetry.Side, kind telemetry.Kind) *ui.Lane {
		if lanes[side][kind] == nil {
			lanes[side][kind] = &ui.Lane{Icon: kindIcons[kind]}
		}
		lanes[side][kind].Count++
		return lanes[side][kind]
	}
	for _, e := range d.Page {
		current, first := e.EventID == selected.EventID, d.FirstFailed != nil && e.EventID == d.FirstFailed.EventID
		drawEvent(lane(e.Side, e.Kind), d, e, start, at, current, first)
		if e.Prompt != "" {
			l := lane(telemetry.Desktop, telemetry.KindPrompt)
			l.Marks = append(l.Marks, ui.LaneMark{At: e.Start().Sub(start), Icon: ui.IconMessage, URL: at.event(e.EventID, ""), Name: "prompt"})
		}
		if first {
			t.Fault, t.HasFault = e.At.Sub(start), true
		}
	}
	drawVerdicts(d, start, at, lane)
	for _, group := range []struct {
		side       telemetry.Side
		name, note string
	}{{telemetry.Desktop, "Desktop, local clock", ""}, {telemetry.Cloud, "Cloud", skewWords(d)}} {
		g := ui.LaneGroup{Name: group.name, Note: group.note}
		for _, k := range kindNames {
			if l := lanes[group.side][k.kind]; l != nil {
				l.Name = k.name
				l.Bars = joinedBars(l.Bars, t.To/40)
				thin(l)
				spread(l.Marks)
				nameByLabel(l.Marks)
				g.Lanes = append(g.Lanes, *l)
			}
		}
		if len(g.Lanes) > 0 {
			t.Groups = append(t.Groups, g)
		}
	}
	return t
}

// skewWords says how far apart the two clocks were measured to be.
func skewWords(d telemetry.SessionDetail) string {
	if !d.SkewMeasured {
		return ""
	}
	ms := d.Skew.Milliseconds()
	switch {
	case ms > 0:
		return "Desktop clock runs " + ui.Milliseconds(float64(ms)) + " ahead (measured at ingest, not corrected)"
	case ms < 0:
		return "Desktop clock runs " + ui.Milliseconds(float64(-ms)) + " behind (measured at ingest, not corrected)"
	}
	return "Both clocks agree (measured at ingest)"
}

func drawEvent(l *ui.Lane, d telemetry.SessionDetail, e telemetry.TimelineEvent, start time.Time, at sessionAt, current, first bool) {
	link, offset := at.event(e.EventID, ""), e.At.Sub(start)
	switch {
	case e.TookMS != nil && *e.TookMS > 0 && e.Kind != telemetry.KindGate:
		bar := ui.Bar{From: e.Start().Sub(start), To: offset, URL: link, Current: current, Name: e.What + ", " + took(e.TookMS)}
		if e.Kind == telemetry.KindModel {
			bar.Tone = ui.Accent
			if first, ok := e.FirstToken(); ok {
				bar.First = first.Sub(start)
				bar.Label, bar.Short = "first token "+took(e.TTFTMS), took(e.TTFTMS)
				bar.Name += ", first token after " + took(e.TTFTMS)
			}
		} else {
			bar.Label = clip(e.What, 24)
			if e.Failed {
				bar.Tone = ui.Bad
			}
		}
		l.Bars = append(l.Bars, bar)
	case e.Kind == telemetry.KindGate:
		mark := ui.LaneMark{At: offset, Mark: gateMark(e), URL: link, Current: current, Name: e.What + ", " + gateWords(e)}
		if mark.Mark == ui.MarkFailed {
			mark.Label, mark.Tone = clip(e.What, 40), ui.Bad
			if first {
				mark.Label += " is the first failed stage"
			}
		}
		l.Marks = append(l.Marks, mark)
	default:
		l.Marks = append(l.Marks, ui.LaneMark{At: offset, Icon: kindIcons[e.Kind], Tone: eventTone(e), Label: shortLabel(d, e), URL: link, Current: current, Name: e.What})
	}
}

func eventTone(e telemetry.TimelineEvent) ui.Tone {
	if e.Failed || e.Kind == telemetry.KindFeedback && strings.HasPrefix(e.Detail, "down") {
		return ui.Bad
	}
	return ui.Neutral
}

// shortLabel is what stands beside a mark; a lane of many has none.
func shortLabel(d telemetry.SessionDetail, e telemetry.TimelineEvent) string {
	switch e.Kind {
	case telemetry.KindFeedback:
		return commas(clip(e.Detail, 40), reactedAfter(d, e))
	case telemetry.KindCorrection:
		return reactedAfter(d, e)
	case telemetry.KindOutcome, telemetry.KindExposure:
		return clip(e.Detail, 40)
	case telemetry.KindError:
		return clip(e.What, 40)
	}
	return ""
}

// commas writes what is said of several with commas.
func commas(words ...string) string {
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), ", ")
}

// drawVerdicts puts what machines said where the response ended: they look at
// it later, and when is in the details.
func drawVerdicts(d telemetry.SessionDetail, start time.Time, at sessionAt, lane func(telemetry.Side, telemetry.Kind) *ui.Lane) {
	for _, v := range d.Verdicts {
		for _, e := range d.Page {
			if e.EventID != v.EventID {
				continue
			}
			mark := ui.LaneMark{At: e.At.Sub(start), Mark: ui.MarkOf(v.Verdict), URL: at.event(e.EventID, "evidence"), Name: v.Validator + ": " + v.Verdict}
			if v.Verdict == "fail" {
				mark.Label, mark.Tone = clip(v.Validator+" "+shortVersion(v.Version)+": "+v.Message, 60), ui.Bad
			}
			l := lane(telemetry.Cloud, telemetry.KindValidator)
			l.Marks = append(l.Marks, mark)
		}
	}
}

// joinedBars makes one bar of several that say the same close after each other:
// "read_file ×14".
func joinedBars(bars []ui.Bar, gap time.Duration) []ui.Bar {
	var list []ui.Bar
	times := 1
	for _, b := range bars {
		if n := len(list); n > 0 {
			last := &list[n-1]
			name, _, _ := strings.Cut(last.Label, " ×")
			if b.Label != "" && b.First == 0 && last.First == 0 && name == b.Label && b.Tone == last.Tone && b.From-last.To <= gap {
				times++
				last.To = max(last.To, b.To)
				last.Label = name + " ×" + strconv.Itoa(times)
				last.Name = last.Label
				if b.Current {
					last.Current, last.URL = true, b.URL
				}
				continue
			}
		}
		times = 1
		list = append(list, b)
	}
	return list
}

// nameByLabel makes the accessible name begin with the words that are seen.
func nameByLabel(marks []ui.LaneMark) {
	for i := range marks {
		if m := &marks[i]; m.Label != "" && m.Name != m.Label {
			m.Name = m.Label + ", " + m.Name
		}
	}
}

// crowded is how many marks a lane shows with their words and icons.
const crowded = 24

// thin makes strokes of the marks of a crowded lane and drops their words.
func thin(l *ui.Lane) {
	if len(l.Marks) <= crowded {
		return
	}
	for i := range l.Marks {
		m := &l.Marks[i]
		m.Label = ""
		if m.Mark == "" && !m.Current {
			m.Tick, m.Icon = true, ""
		}
	}
}

// spread puts marks of the same instant beside each other.
func spread(marks []ui.LaneMark) {
	at := map[time.Duration]int{}
	for i := range marks {
		if marks[i].Tick {
			continue
		}
		marks[i].Beside = 20 * at[marks[i].At]
		at[marks[i].At]++
	}
}
