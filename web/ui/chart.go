package ui

import (
	"cmp"
	"context"
	"io"
	"math"
	"strconv"
	"strings"
)

// Point is one value of a series with its interval; NaN is a gap.
type Point struct{ Value, Low, High float64 }

// Sparkline is 148 × 28: line, ribbon and last point, hollow while the day is
// open. Leading NaN shift the start to where the version starts.
type Sparkline struct {
	Points []Point
	Max    float64 // one scale per task class; 0: the highest limit here
	Open   bool    // the last point is not complete
	Name   string  // "14 days, last 8.1 %"
}

// LineChart is a server-made picture with its sentence as name and its table
// one click away. X of series, guides and notes lie on XAxis, Y on YAxis.
type LineChart struct {
	XAxis, YAxis   Axis
	Series         []Series
	XTicks, YTicks []Tick
	Guides         []GuideLine
	Notes          []ChartNote
	Height         int // px; default 240
	Name           string
	Table          string // address of the same as a table
}

// Series is one line; the first is measured (accent or Tone), Dotted is for
// what it is compared with. Band draws the interval.
type Series struct {
	X      []float64
	Points []Point
	Band   bool
	Dotted bool
	Tone   Tone
	End    string // words at its last point
	Area   bool
}

// spare says whether a mark of the scale goes unnamed on a phone, where all
// would stand over each other: every second, counted from the last.
func (c LineChart) spare(i int) bool { return len(c.XTicks) > 4 && (len(c.XTicks)-1-i)%2 == 1 }

// Tick is a place on an axis with its words.
type Tick struct {
	At    float64
	Label string
}

// GuideLine is dotted through the whole chart: vertical at X when Vertical,
// else horizontal at Y.
type GuideLine struct {
	At       float64
	Vertical bool
	Label    string
}

// ChartNote is a word at a place.
type ChartNote struct {
	X, Y float64
	Text string
	Dot  bool
	Left bool // the words stand left of the place
}

func (s Sparkline) Render(ctx context.Context, w io.Writer) error { return drawn(ctx, w, s.Draw()) }
func (c LineChart) Render(ctx context.Context, w io.Writer) error { return drawn(ctx, w, c.Draw()) }

const sparkWidth, sparkHeight = 148.0, 28.0

func (s Sparkline) scale() float64 {
	top := s.Max
	for _, p := range s.Points {
		if s.Max > 0 {
			break
		}
		for _, v := range []float64{p.Value, p.High} {
			if !math.IsNaN(v) {
				top = max(top, v)
			}
		}
	}
	return max(top, 1e-9)
}

func (s Sparkline) x(i int) float64 {
	if len(s.Points) < 2 {
		return sparkWidth - 4
	}
	return 2 + float64(i)*(sparkWidth-6)/float64(len(s.Points)-1)
}

func (s Sparkline) y(v float64) float64 {
	return sparkHeight - 3 - (sparkHeight-6)*min(1, max(0, v/s.scale()))
}

func (s Sparkline) line() string {
	var path []xy
	for i, p := range s.Points {
		path = append(path, xy{s.x(i), s.y(p.Value), !math.IsNaN(p.Value)})
	}
	return linePath(path)
}

func (s Sparkline) ribbon() string {
	var low, high []xy
	for i, p := range s.Points {
		known := !math.IsNaN(p.Low) && !math.IsNaN(p.High) && p.High > p.Low
		low = append(low, xy{s.x(i), s.y(p.Low), known})
		high = append(high, xy{s.x(i), s.y(p.High), known})
	}
	return bandPath(low, high)
}

// last gives the place of the last known point.
func (s Sparkline) last() (x, y string, known bool) {
	for i := len(s.Points) - 1; i >= 0; i-- {
		if v := s.Points[i].Value; !math.IsNaN(v) {
			return coordinate(s.x(i)), coordinate(s.y(v)), true
		}
	}
	return "", "", false
}

type xy struct {
	x, y  float64
	known bool
}

// coordinate writes two decimals at most.
func coordinate(x float64) string {
	return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(x, 'f', 2, 64), "0"), ".")
}

// linePath breaks where a value is not known.
func linePath(points []xy) string {
	var b strings.Builder
	pen := "M"
	for _, p := range points {
		if !p.known {
			pen = "M"
			continue
		}
		b.WriteString(pen + coordinate(p.x) + " " + coordinate(p.y))
		pen = "L"
	}
	return b.String()
}

// bandPath draws one closed shape for each run of known limits.
func bandPath(low, high []xy) string {
	var b strings.Builder
	for i := 0; i < len(low); {
		if !low[i].known {
			i++
			continue
		}
		j := i
		for j < len(low) && low[j].known {
			j++
		}
		pen := "M"
		for k := i; k < j; k++ {
			b.WriteString(pen + coordinate(high[k].x) + " " + coordinate(high[k].y))
			pen = "L"
		}
		for k := j - 1; k >= i; k-- {
			b.WriteString("L" + coordinate(low[k].x) + " " + coordinate(low[k].y))
		}
		b.WriteString("Z")
		i = j
	}
	return b.String()
}

func (c LineChart) height() int {
	if c.Height > 0 {
		return c.Height
	}
	return 240
}

func (c LineChart) x(v float64) float64 { return c.XAxis.at(v) }

// y grows downwards.
func (c LineChart) y(v float64) float64 { return 100 - c.YAxis.at(v) }

func (c LineChart) line(s Series) string {
	var path []xy
	for i, p := range s.Points {
		path = append(path, xy{c.x(s.X[i]), c.y(p.Value), !math.IsNaN(p.Value)})
	}
	return linePath(path)
}

func (c LineChart) band(s Series) string {
	var low, high []xy
	for i, p := range s.Points {
		known := !math.IsNaN(p.Low) && !math.IsNaN(p.High)
		low = append(low, xy{c.x(s.X[i]), c.y(p.Low), known})
		high = append(high, xy{c.x(s.X[i]), c.y(p.High), known})
	}
	return bandPath(low, high)
}

func (s Series) lastKnown() (x, y float64, known bool) {
	for i := len(s.Points) - 1; i >= 0; i-- {
		if !math.IsNaN(s.Points[i].Value) {
			return s.X[i], s.Points[i].Value, true
		}
	}
	return 0, 0, false
}

// ink is the accent for what is measured, grey for what it is compared with.
func (s Series) ink() string {
	if s.Dotted {
		return "soft"
	}
	return toneInk(cmp.Or(s.Tone, Accent))
}

func (c LineChart) hasEnd() bool {
	for _, s := range c.Series {
		if s.End != "" {
			return true
		}
	}
	return false
}

// side and beside put words left or right of their place.
func side(left bool) string {
	if left {
		return "end"
	}
	return "start"
}

func beside(left bool) string {
	if left {
		return "-6"
	}
	return "6"
}
