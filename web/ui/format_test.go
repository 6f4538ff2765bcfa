package ui

import (
	"math"
	"testing"
	"time"
	_ "time/tzdata" // not every machine has the zones
)

func TestFormats(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct{ what, got, want string }{
		{"count", Count(214380), "214,380"},
		{"small count", Count(7), "7"},
		{"thousand", Count(int64(1000)), "1,000"},
		{"negative count", Count(-1234), "−1,234"},
		{"one item", CountOf(1, "item"), "1 item"},
		{"no items", CountOf(0, "item"), "0 items"},
		{"many queries", CountOf(1200, "query", "queries"), "1,200 queries"},
		{"out of", OutOf(17, 225), "17 of 225"},
		{"share", Share(0.081), "8.1 %"},
		{"share of all", Share(1), "100.0 %"},
		{"whole share", WholeShare(0.921), "92 %"},
		{"share to two", ShareTo(0.26562, 2), "26.56 %"},
		{"share not known", Share(nan), "–"},
		{"interval", Interval(.057, .113), "5.7 to 11.3"},
		{"whole interval", WholeInterval(.83, .97), "83 to 97"},
		{"interval not known", Interval(nan, .1), "–"},
		{"share within", ShareWithin(.081, .057, .113), "8.1 %, 95 % 5.7 to 11.3"},
		{"less points", Points(-.021), "−2.1 pp"},
		{"more points", Points(.003), "+0.3 pp"},
		{"no points", Points(-.0001), "0.0 pp"},
		{"points more in words", PointsMore(.047), "4.7 points more"},
		{"points less in words", PointsMore(-.021), "2.1 points less"},
		{"no points in words", PointsMore(0), "no difference"},
		{"number with minus", Number(-1234.56, 1), "−1,234.6"},
		{"number that rounds to nothing", Number(-0.04, 1), "0.0"},
		{"infinite", Number(math.Inf(1), 0), "–"},
		{"small money", Money(0.000236, "USD"), "0.000236 USD"},
		{"money", Money(1234.5, "USD"), "1,234.50 USD"},
		{"no money", Money(0, "EUR"), "0.00 EUR"},
		{"microseconds", Elapsed(3100 * time.Microsecond), "3.1 ms"},
		{"milliseconds", Elapsed(41 * time.Millisecond), "41 ms"},
		{"tenths", Elapsed(190 * time.Millisecond), "0.19 s"},
		{"seconds", Elapsed(2100 * time.Millisecond), "2.1 s"},
		{"tens of seconds", Elapsed(41 * time.Second), "41.0 s"},
		{"a person's time", Handling(42_600 * time.Millisecond), "43 s"},
		{"more of a person's time", Handling(125 * time.Second), "2 min 05 s"},
		{"minutes", Elapsed(125 * time.Second), "2 min 05 s"},
		{"a latency", Milliseconds(612.4), "612 ms"},
		{"a long latency", Milliseconds(12_300), "12.3 s"},
		{"age of nothing", Age(20 * time.Second), "just now"},
		{"age in minutes", Age(31 * time.Minute), "31 min"},
		{"age in hours", Age(130 * time.Minute), "2 h 10 min"},
		{"age in padded minutes", Age(5*time.Hour + 5*time.Minute), "5 h 05 min"},
		{"age of a day", Age(29 * time.Hour), "29 h"},
		{"age in days", Age(3 * 24 * time.Hour), "3 d"},
		{"work", WorkTime(80 * time.Minute), "about 1 h 20 min"},
		{"work of an hour", WorkTime(58 * time.Minute), "about 1 h"},
		{"little work", WorkTime(4*time.Minute + 10*time.Second), "about 5 min"},
		{"no work", WorkTime(0), "under a minute"},
		{"left", Left(14*time.Minute + 32*time.Second), "14:32"},
		{"left in hours", Left(time.Hour + 2*time.Minute + 10*time.Second), "1:02:10"},
		{"nothing left", Left(-time.Second), "0:00"},
		{"hash", ShortHash("sha256:c07e1f2a99b04d12"), "c07e…4d12"},
		{"short hash", ShortHash("0fc8"), "0fc8"},
		{"initials", Initials("Ines Maria Okafor"), "IO"},
		{"no initials", Initials(" "), "?"},
		{"letter", Letter(1), "b"},
		{"letter past z", Letter(26), "aa"},
	} {
		if c.got != c.want {
			t.Errorf("%s is %q, want %q", c.what, c.got, c.want)
		}
	}
}

func TestInstant(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 20, 22, 50, 0, 0, time.UTC) // 23:50 in Berlin
	at := func(y, m, d, h, min int) time.Time {
		return time.Date(y, time.Month(m), d, h, min, 11, 640e6, time.UTC)
	}
	for _, c := range []struct {
		at    time.Time
		style TimeStyle
		want  string
	}{
		{at(2026, 11, 20, 12, 44), DayTime, "today 13:44"},
		{at(2026, 11, 19, 22, 59), DayTime, "Thu 19 Nov, 23:59"},
		{at(2026, 11, 19, 23, 30), DayTime, "today 00:30"}, // the day turns in the reader's zone
		{at(2025, 11, 20, 12, 44), DayTime, "Thu 20 Nov 2025, 13:44"},
		{at(2026, 11, 20, 13, 2), Clock, "14:02:11"},
		{at(2026, 11, 20, 13, 2), Millis, "14:02:11.6"},
		{at(2026, 11, 20, 13, 2), Day, "Fri 20 Nov 2026"},
		{at(2026, 11, 20, 15, 2), Full, "Fri 20 Nov 2026, 15:02:11 UTC"},
		{at(2026, 11, 20, 20, 39), Ago, "2 h 10 min"},
	} {
		if got := Instant(c.at, now, berlin, c.style); got != c.want {
			t.Errorf("%s as %q is %q, want %q", c.at, c.style, got, c.want)
		}
	}
}
