package formula

import "math"

// Dates are serial numbers of days. Serial 1 is 1 January 1900; serial 60 is
// 29 February 1900, a day that never was: Excel keeps the mistake of its
// ancestor, and so must we. The 1904 system starts 1,462 days later and has no
// such day.

const (
	lastSerial    = 2958465 // 31 December 9999
	offset1904    = 1462
	phantomSerial = 60
)

// civil is a day of the calendar. Serial 0 is 0 January 1900.
type civil struct{ year, month, day int }

// daysFromCivil counts days from 1970-01-01 in the proleptic Gregorian calendar.
func daysFromCivil(y, m, d int) int {
	if m <= 2 {
		y--
	}
	era := floorDiv(y, 400)
	yoe := y - era*400
	mp := (m + 9) % 12
	doy := (153*mp+2)/5 + d - 1
	doe := yoe*365 + yoe/4 - yoe/100 + doy
	return era*146097 + doe - 719468
}

func civilFromDays(days int) civil {
	days += 719468
	era := floorDiv(days, 146097)
	doe := days - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	c := civil{yoe + era*400, mp + 3, doy - (153*mp+2)/5 + 1}
	if mp >= 10 {
		c.month = mp - 9
		c.year++
	}
	return c
}

func floorDiv(a, b int) int {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

// excelEpoch is the day before 1 January 1900, serial 0, as days from 1970.
var excelEpoch = daysFromCivil(1899, 12, 31)

// serialOf returns the serial of a calendar day in the 1900 system. Month and
// day may run over, as in DATE.
func serialOf(year, month, day int) int {
	month--
	year += floorDiv(month, 12)
	month -= floorDiv(month, 12) * 12
	first := daysFromCivil(year, month+1, 1) - excelEpoch
	if first >= phantomSerial { // from March 1900 on one day too many
		first++
	}
	return first + day - 1
}

// civilOf returns the calendar day of a serial of the 1900 system.
func civilOf(serial int) civil {
	switch {
	case serial == 0:
		return civil{1900, 1, 0}
	case serial == phantomSerial:
		return civil{1900, 2, 29}
	case serial < phantomSerial:
		return civilFromDays(excelEpoch + serial)
	}
	return civilFromDays(excelEpoch + serial - 1)
}

// weekdayOf returns 0 for Sunday to 6 for Saturday, as Excel counts: serial 1 is
// a Sunday.
func weekdayOf(serial int) int { return ((serial-1)%7 + 7) % 7 }

func leapYear(y int) bool { return y%4 == 0 && (y%100 != 0 || y%400 == 0) }

func daysInMonth(year, month int) int {
	switch month {
	case 2:
		if leapYear(year) || year == 1900 {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// clock is a time of day with its fraction of a second.
type clock struct {
	hour, minute, second int
	fraction             float64
}

// clockOf returns the time of day of a serial, rounded to the nearest
// 10^-digits of a second; the day may run over, which carry tells.
func clockOf(serial float64, digits int) (c clock, carry int) {
	day := serial - math.Floor(serial)
	scale := math.Pow(10, float64(digits))
	ticks := math.Round(day * 86400 * scale)
	if ticks >= 86400*scale {
		return clock{}, 1
	}
	seconds := math.Floor(ticks / scale)
	c.fraction = (ticks - seconds*scale) / scale
	s := int(seconds)
	c.hour, c.minute, c.second = s/3600, s/60%60, s%60
	return c, 0
}
