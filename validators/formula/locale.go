package formula

import "strings"

// locale is how a person writes numbers, lists and dates. Function names stay
// English: that is how files store them and how models write them.
type locale struct {
	name      string
	decimal   byte
	thousands string // one rune; a space stands for every kind of space
	list      byte   // between arguments
	dayFirst  bool
	yearFirst bool
	currency  string
	dateSep   byte
}

var american = &locale{name: "en-US", decimal: '.', thousands: ",", list: ',', currency: "$", dateSep: '/'}

// byLanguage lists what differs from en-US. A region the table does not name
// takes its language's row.
var byLanguage = map[string]*locale{
	"en":    american,
	"en-us": american,
	"en-ca": {name: "en-CA", decimal: '.', thousands: ",", list: ',', yearFirst: true, currency: "$", dateSep: '-'},
	"en-gb": {name: "en-GB", decimal: '.', thousands: ",", list: ',', dayFirst: true, currency: "£", dateSep: '/'},
	"en-au": {name: "en-AU", decimal: '.', thousands: ",", list: ',', dayFirst: true, currency: "$", dateSep: '/'},
	"en-in": {name: "en-IN", decimal: '.', thousands: ",", list: ',', dayFirst: true, currency: "₹", dateSep: '-'},
	"en-za": {name: "en-ZA", decimal: ',', thousands: " ", list: ';', yearFirst: true, currency: "R", dateSep: '/'},
	"de":    {name: "de-DE", decimal: ',', thousands: ".", list: ';', dayFirst: true, currency: "€", dateSep: '.'},
	"de-ch": {name: "de-CH", decimal: '.', thousands: "’", list: ';', dayFirst: true, currency: "CHF", dateSep: '.'},
	"fr":    {name: "fr-FR", decimal: ',', thousands: " ", list: ';', dayFirst: true, currency: "€", dateSep: '/'},
	"es":    {name: "es-ES", decimal: ',', thousands: ".", list: ';', dayFirst: true, currency: "€", dateSep: '/'},
	"es-mx": {name: "es-MX", decimal: '.', thousands: ",", list: ',', dayFirst: true, currency: "$", dateSep: '/'},
	"it":    {name: "it-IT", decimal: ',', thousands: ".", list: ';', dayFirst: true, currency: "€", dateSep: '/'},
	"pt":    {name: "pt-PT", decimal: ',', thousands: " ", list: ';', dayFirst: true, currency: "€", dateSep: '/'},
	"pt-br": {name: "pt-BR", decimal: ',', thousands: ".", list: ';', dayFirst: true, currency: "R$", dateSep: '/'},
	"nl":    {name: "nl-NL", decimal: ',', thousands: ".", list: ';', dayFirst: true, currency: "€", dateSep: '-'},
	"sv":    {name: "sv-SE", decimal: ',', thousands: " ", list: ';', yearFirst: true, currency: "kr", dateSep: '-'},
	"da":    {name: "da-DK", decimal: ',', thousands: ".", list: ';', dayFirst: true, currency: "kr.", dateSep: '-'},
	"nb":    {name: "nb-NO", decimal: ',', thousands: " ", list: ';', dayFirst: true, currency: "kr", dateSep: '.'},
	"fi":    {name: "fi-FI", decimal: ',', thousands: " ", list: ';', dayFirst: true, currency: "€", dateSep: '.'},
	"pl":    {name: "pl-PL", decimal: ',', thousands: " ", list: ';', dayFirst: true, currency: "zł", dateSep: '.'},
	"cs":    {name: "cs-CZ", decimal: ',', thousands: " ", list: ';', dayFirst: true, currency: "Kč", dateSep: '.'},
	"hu":    {name: "hu-HU", decimal: ',', thousands: " ", list: ';', yearFirst: true, currency: "Ft", dateSep: '.'},
	"ru":    {name: "ru-RU", decimal: ',', thousands: " ", list: ';', dayFirst: true, currency: "₽", dateSep: '.'},
	"tr":    {name: "tr-TR", decimal: ',', thousands: ".", list: ';', dayFirst: true, currency: "₺", dateSep: '.'},
	"ja":    {name: "ja-JP", decimal: '.', thousands: ",", list: ',', yearFirst: true, currency: "¥", dateSep: '/'},
	"zh":    {name: "zh-CN", decimal: '.', thousands: ",", list: ',', yearFirst: true, currency: "¥", dateSep: '/'},
	"ko":    {name: "ko-KR", decimal: '.', thousands: ",", list: ',', yearFirst: true, currency: "₩", dateSep: '-'},
}

// localeNamed finds the locale for a tag such as "de-DE"; unknown tags and ""
// mean en-US.
func localeNamed(tag string) *locale {
	tag = strings.ToLower(strings.ReplaceAll(tag, "_", "-"))
	if l := byLanguage[tag]; l != nil {
		return l
	}
	language, _, _ := strings.Cut(tag, "-")
	if l := byLanguage[language]; l != nil {
		return l
	}
	return american
}

// english tells whether function names of the locale are the English ones.
func (l *locale) english() bool { return strings.HasPrefix(l.name, "en-") }
