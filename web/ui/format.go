package ui

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const (
	minus   = "−"
	nothing = "–" // where a figure is not known; never 0
)

// Integer is any whole number a page counts with.
type Integer interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

// Count writes a whole number with commas: 214,380.
func Count[N Integer](n N) string { return grouped(fmt.Sprint(n)) }

// CountOf writes a number with its noun, plural where it is not one:
// "1 item", "0 items". For an irregular plural pass both: "query", "queries".
func CountOf[N Integer](n N, noun string, plural ...string) string {
	if n == 1 {
		return "1 " + noun
	}
	if len(plural) > 0 {
		return Count(n) + " " + plural[0]
	}
	return Count(n) + " " + noun + "s"
}

// OutOf writes "17 of 225".
func OutOf[N Integer](n, of N) string { return Count(n) + " of " + Count(of) }

func grouped(digits string) string {
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = minus, digits[1:]
	}
	whole, fraction, hasFraction := strings.Cut(digits, ".")
	var b strings.Builder
	b.WriteString(sign)
	for i, d := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	if hasFraction {
		b.WriteString("." + fraction)
	}
	return b.String()
}

// Number writes x with so many decimals, commas and a true minus sign; NaN is
// a dash. A value that rounds to nothing has no sign.
func Number(x float64, decimals int) string {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nothing
	}
	s := strconv.FormatFloat(x, 'f', decimals, 64)
	if strings.Trim(s, "-0.") == "" {
		s = strings.TrimPrefix(s, "-")
	}
	return grouped(s)
}

// Share writes a share between 0 and 1 as "8.1 %".
func Share(p float64) string { return ShareTo(p, 1) }

// WholeShare writes a share without decimals: "92 %".
func WholeShare(p float64) string { return ShareTo(p, 0) }

// ShareTo writes a share with so many decimals; NaN is a dash.
func ShareTo(p float64, decimals int) string {
	if math.IsNaN(p) {
		return nothing
	}
	return Number(p*100, decimals) + " %"
}

// Interval writes the limits of a share in percent: "5.7 to 11.3".
func Interval(low, high float64) string { return IntervalTo(low, high, 1) }

// WholeInterval writes limits without decimals: "83 to 97".
func WholeInterval(low, high float64) string { return IntervalTo(low, high, 0) }

// IntervalTo writes limits in percent with so many decimals; a dash when
// either is not known.
func IntervalTo(low, high float64, decimals int) string {
	if math.IsNaN(low) || math.IsNaN(high) {
		return nothing
	}
	return Number(low*100, decimals) + " to " + Number(high*100, decimals)
}

// ShareWithin writes a share with its 95 % interval: "8.1 %, 95 % 5.7 to 11.3".
func ShareWithin(p, low, high float64) string {
	return Share(p) + ", 95 % " + Interval(low, high)
}

// Points writes a difference of two shares for a table: "−2.1 pp", "+0.3 pp".
func Points(d float64) string {
	s := Number(d*100, 1)
	if d > 0 && !strings.HasPrefix(s, minus) && strings.Trim(s, "0.") != "" {
		s = "+" + s
	}
	return s + " pp"
}

// PointsMore writes a difference for a sentence: "4.7 points more",
// "2.1 points less".
func PointsMore(d float64) string {
	s := strings.TrimPrefix(Number(d*100, 1), minus)
	switch {
	case strings.Trim(s, "0.") == "":
		return "no difference"
	case d < 0:
		return s + " points less"
	}
	return s + " points more"
}

// Money writes an amount with its currency: "0.000236 USD". Small amounts
// keep three significant digits, larger ones two decimals.
func Money(amount float64, currency string) string {
	decimals := 2
	if a := math.Abs(amount); a > 0 && a < 1 {
		decimals = max(2, 2-int(math.Floor(math.Log10(a))))
	}
	return Number(amount, decimals) + " " + currency
}

// Elapsed writes how long a machine took: "41 ms", "0.19 s", "2.1 s", "41 s",
// "2 min 05 s".
func Elapsed(d time.Duration) string {
	switch s := d.Seconds(); {
	case d < 0:
		return nothing
	case d < 10*time.Millisecond && d > 0:
		return Number(s*1000, 1) + " ms"
	case d < 100*time.Millisecond:
		return Number(s*1000, 0) + " ms"
	case s < 0.995:
		return Number(s, 2) + " s"
	case s < 99.95:
		return Number(s, 1) + " s"
	default:
		whole := int(math.Round(s))
		return fmt.Sprintf("%s min %02d s", Count(whole/60), whole%60)
	}
}

// Handling writes how long a person had something in hand, in whole seconds:
// "43 s", "2 min 05 s".
func Handling(d time.Duration) string {
	if s := int(d.Round(time.Second) / time.Second); s >= 0 && s < 100 {
		return fmt.Sprintf("%d s", s)
	}
	return Elapsed(d)
}

// Milliseconds writes a measured latency: "612 ms", and from ten seconds on as
// [Elapsed].
func Milliseconds(ms float64) string {
	if math.IsNaN(ms) {
		return nothing
	}
	if ms >= 10_000 {
		return Elapsed(time.Duration(ms * float64(time.Millisecond)))
	}
	return Number(ms, 0) + " ms"
}

// Age writes how long something has been so: "just now", "31 min", "2 h 10 min",
// "29 h", "3 d".
func Age(d time.Duration) string {
	minutes := int(d / time.Minute)
	switch {
	case d < time.Minute:
		return "just now"
	case minutes < 60:
		return fmt.Sprintf("%d min", minutes)
	case minutes < 24*60 && minutes%60 != 0:
		return fmt.Sprintf("%d h %02d min", minutes/60, minutes%60)
	case minutes < 48*60:
		return fmt.Sprintf("%d h", minutes/60)
	}
	return Count(minutes/60/24) + " d"
}

// WorkTime writes how long something will take a person, rounded as such guesses
// deserve: "about 5 min", "about 1 h 20 min".
func WorkTime(d time.Duration) string {
	minutes := int(math.Ceil(d.Minutes()))
	if minutes > 30 {
		minutes = (minutes + 4) / 5 * 5
	}
	switch {
	case minutes < 1:
		return "under a minute"
	case minutes < 60:
		return fmt.Sprintf("about %d min", minutes)
	case minutes%60 == 0:
		return fmt.Sprintf("about %d h", minutes/60)
	}
	return fmt.Sprintf("about %d h %d min", minutes/60, minutes%60)
}

// Left writes the time that is left of a reservation: "14:32", "1:02:10".
func Left(d time.Duration) string {
	s := max(0, int(d.Round(time.Second)/time.Second))
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

// ShortHash shortens a digest for reading: "sha256:c07e1f…" becomes
// "c07e…4d12"; what is short already stays.
func ShortHash(h string) string {
	_, digits, found := strings.Cut(h, ":")
	if !found {
		digits = h
	}
	if len(digits) <= 12 {
		return h
	}
	return digits[:4] + "…" + digits[len(digits)-4:]
}

// TimeStyle says how much of an instant a reader needs.
type TimeStyle string

// The styles. Without a year the year is this one; "today" replaces the day.
const (
	DayTime TimeStyle = ""      // today 13:44 · Fri 20 Nov, 14:02
	Clock   TimeStyle = "clock" // 14:02:11
	Millis  TimeStyle = "ms"    // 14:20:38.6
	Day     TimeStyle = "day"   // Fri 20 Nov 2026
	Full    TimeStyle = "full"  // Fri 20 Nov 2026, 15:02:44 UTC: audit and print, always UTC
	Ago     TimeStyle = "ago"   // 2 h 10 min
)

// Instant writes t for a reader in zone at now.
func Instant(t, now time.Time, zone *time.Location, style TimeStyle) string {
	local, today := t.In(zone), now.In(zone)
	switch style {
	case Clock:
		return local.Format("15:04:05")
	case Millis:
		return local.Format("15:04:05.0")
	case Day:
		return local.Format("Mon 2 Jan 2006")
	case Full:
		return t.UTC().Format("Mon 2 Jan 2006, 15:04:05 UTC")
	case Ago:
		return Age(now.Sub(t))
	}
	switch {
	case local.YearDay() == today.YearDay() && local.Year() == today.Year():
		return "today " + local.Format("15:04")
	case local.Year() == today.Year():
		return local.Format("Mon 2 Jan, 15:04")
	}
	return local.Format("Mon 2 Jan 2006, 15:04")
}
