package ui

import (
	"context"
	"io"
	"time"
)

// Timeline is a session as lanes on one scale: bars for what took time, marks
// for what happened at an instant. All offsets count from Start.
type Timeline struct {
	Start    time.Time
	From, To time.Duration // the stretch shown
	Groups   []LaneGroup
	Fault    time.Duration // first failed stage: one red hairline through all
	HasFault bool
	Name     string
}

// LaneGroup is one clock. Note says what is known about it: the measured skew.
type LaneGroup struct {
	Name  string
	Note  string
	Lanes []Lane
}

// Lane is one kind of event.
type Lane struct {
	Icon  Icon
	Name  string
	Count int
	Bars  []Bar
	Marks []LaneMark
}

// Bar is something that took time. Tone is Accent for the model and Bad for a
// failure, otherwise neutral. First is the offset of the first token inside
// the bar; 0 is none.
type Bar struct {
	From, To time.Duration
	Label    string
	Short    string // the label where there is less room; default its beginning
	Tone     Tone
	First    time.Duration
	URL      string
	Current  bool
	Name     string // accessible
}

// LaneMark is something that happened at an instant. Without a mark, an icon
// and a tick it is words only.
type LaneMark struct {
	At      time.Duration
	Beside  int // px right of its instant: there are others at the same
	Mark    Mark
	Icon    Icon
	Tick    bool // a thin stroke: one of many
	Tone    Tone
	Label   string
	Left    bool // the label stands left, if it can
	URL     string
	Current bool
	Name    string
}

// Minimap is the whole session in bins; each is a link to its stretch.
type Minimap struct {
	Bins     []Bin
	From, To float64 // the stretch shown, as shares of the whole
	Name     string
}

// Bin is one column of a Minimap.
type Bin struct {
	Count  int
	Failed bool
}

func (t Timeline) Render(ctx context.Context, w io.Writer) error { return drawn(ctx, w, t.Draw()) }
func (m Minimap) Render(ctx context.Context, w io.Writer) error  { return drawn(ctx, w, m.Draw()) }

func (t Timeline) axis() Axis { return Axis{t.From.Seconds(), t.To.Seconds()} }

func (t Timeline) at(d time.Duration) float64 { return t.axis().at(d.Seconds()) }

// ticks divides the stretch into at most seven round steps.
func (t Timeline) ticks(ctx context.Context) []Tick {
	span := t.To - t.From
	if span <= 0 {
		return nil
	}
	step := steps[len(steps)-1]
	for _, s := range steps {
		if span/s <= 7 {
			step = s
			break
		}
	}
	r := readerOf(ctx)
	all := []Tick{{t.From.Seconds(), Instant(t.Start.Add(t.From), r.Now, r.Zone, Clock)}}
	for at := t.From.Truncate(step) + step; at <= t.To; at += step {
		if t.at(at) > 14 {
			all = append(all, Tick{at.Seconds(), offset(at, step)})
		}
	}
	return all
}

var steps = []time.Duration{time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond,
	20 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second, time.Minute,
	2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour,
	6 * time.Hour, 12 * time.Hour, 24 * time.Hour}

func offset(at, step time.Duration) string {
	switch {
	case step < time.Second:
		return Number(float64(at.Milliseconds()), 0) + " ms"
	case step < time.Minute && at < 10*time.Minute:
		return Number(at.Seconds(), 0) + " s"
	case step < time.Hour:
		return Number(at.Minutes(), 0) + " min"
	}
	return Number(at.Hours(), 0) + " h"
}

func (b Bar) name() string {
	if b.Name != "" {
		return b.Name
	}
	return b.Label
}

func (m LaneMark) name() string {
	switch {
	case m.Name != "":
		return m.Name
	case m.Label != "":
		return m.Label
	}
	return string(m.Mark)
}

func (m Minimap) height(b Bin) float64 {
	top := 1
	for _, one := range m.Bins {
		top = max(top, one.Count)
	}
	if b.Count == 0 {
		return 0
	}
	return max(8, 100*float64(b.Count)/float64(top))
}

func (m Minimap) left(i int) float64 { return 100 * float64(i) / float64(max(1, len(m.Bins))) }
func (m Minimap) width() float64     { return 76 / float64(max(1, len(m.Bins))) }
