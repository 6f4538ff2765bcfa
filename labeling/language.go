package labeling

import (
	"slices"
	"strings"
	"unicode"
)

// Languages are the languages that a text is recognised to be in, by their
// ISO 639-1 codes.
var Languages = []string{"ar", "cs", "da", "de", "el", "en", "es", "fi", "fr", "he", "hi", "hu", "it", "ja", "ko", "nb", "nl", "pl", "pt", "ro", "ru", "sv", "th", "tr", "uk", "zh"}

// The little words that a language cannot do without and its neighbours do
// not have. A word in two lists speaks for both and decides between neither.
var littleWords = map[string]string{
	"cs": "je se na že ve pro jsou není který která které také bylo podle ale nebo když jako jsme byl od ještě již",
	"da": "og er det at en den til på med ikke af som der har fra jeg hvor vi kan skal blev være eller også nogen hvis",
	"de": "der die das und ist nicht ein eine mit für auf den dem des von zu im sich auch werden wird oder aber wenn nach bei sind hat wie keine durch",
	"en": "the of and is to in that it with for was are this not on as be by from you have has which were can does what there an if at",
	"es": "el la los las de que y en un una es por con para del se no su al como más pero está son hay esta este cuando muy también",
	"fi": "ja on ei että se ovat mutta tai kun jos niin kuin myös ole oli tämä sen joka mitä vain sekä hän siitä voi",
	"fr": "le la les des et est une un dans que pour qui sur pas avec ce cette sont du au aux par plus mais nous vous ou être ont il elle",
	"hu": "a az és hogy nem van egy is ez meg mint csak de már vagy ha ami után volt kell lehet minden azt ezt",
	"it": "il lo la gli le di che è e un una per con non sono del della nel alla dei delle si come anche più ma questo questa da al",
	"nb": "og er det at en den til på med ikke av som har fra jeg hvor vi kan skal ble være eller også noen hvis etter",
	"nl": "de het een en van is dat niet op te zijn met voor in die er aan ook als maar bij naar wordt uit om deze dit geen worden",
	"pl": "i w nie na się z jest do to że o jak ale od po co czy dla są przez tego tym może być oraz który która które",
	"pt": "o a os as de que e em um uma é para com não por do da dos das no na se mais mas como ao foi são está também você isso",
	"ro": "și în de la nu este cu un o pe care din mai sunt pentru ca să a fi sau dar dacă prin acest această",
	"sv": "och är det att en den till på med inte av som har från jag var vi kan ska blev vara eller också någon om för ett",
	"tr": "ve bir bu da de için ile çok ne gibi daha değil olarak var yok en olan sonra kadar ama veya her mı mi",
}

// speaks is for each little word the languages that have it.
var speaks = func() map[string][]string {
	byWord := map[string][]string{}
	for language, words := range littleWords {
		for word := range strings.FieldsSeq(words) {
			byWord[word] = append(byWord[word], language)
		}
	}
	return byWord
}()

// What a text must have before its language is believed: so many little words
// of one language, and so many times those of the next one.
const (
	leastWords  = 4
	leastLetter = 12
	lead        = 1.25
	readTo      = 4000 // bytes of a text that are looked at
)

// LanguageOf returns the ISO 639-1 code of the language a text is written in,
// and "" when it does not say: code, figures, a few words. By its script where
// that is enough, else by its commonest words (after G. Grefenstette, Comparing
// two language identification schemes, JADT 1995).
func LanguageOf(text string) string {
	text = text[:min(len(text), readTo)]
	if language, decided := byScript(text); decided {
		return language
	}
	return byLittleWords(text)
}

// byScript decides where letters other than Latin are the most.
func byScript(text string) (language string, decided bool) {
	counts := map[string]int{}
	for _, r := range text {
		if !unicode.IsLetter(r) {
			continue
		}
		counts[scriptOf(r)]++
	}
	han, kana := counts["zh"], counts["ja"]
	if kana > 0 && kana*4 >= han { // Japanese is written with both
		counts["ja"], counts["zh"] = kana+han, 0
	}
	most, letters := "", 0
	for script, n := range counts {
		if n > letters || n == letters && script < most {
			most, letters = script, n
		}
	}
	switch {
	case most == "" || most == "latin":
		return "", false
	case most == "ru":
		return cyrillic(text), true
	case letters < leastLetter/3:
		return "", true
	case most == "other":
		return "", true
	}
	return most, true
}

func scriptOf(r rune) string {
	switch {
	case unicode.Is(unicode.Latin, r):
		return "latin"
	case unicode.Is(unicode.Cyrillic, r):
		return "ru"
	case unicode.Is(unicode.Han, r):
		return "zh"
	case unicode.In(r, unicode.Hiragana, unicode.Katakana):
		return "ja"
	case unicode.Is(unicode.Hangul, r):
		return "ko"
	case unicode.Is(unicode.Greek, r):
		return "el"
	case unicode.Is(unicode.Arabic, r):
		return "ar"
	case unicode.Is(unicode.Hebrew, r):
		return "he"
	case unicode.Is(unicode.Devanagari, r):
		return "hi"
	case unicode.Is(unicode.Thai, r):
		return "th"
	}
	return "other"
}

// cyrillic tells Ukrainian from Russian by the letters that only one of them
// has; other languages of the script are not told apart from them.
func cyrillic(text string) string {
	var ukrainian, russian, letters int
	for _, r := range strings.ToLower(text) {
		switch {
		case strings.ContainsRune("іїєґ", r):
			ukrainian++
		case strings.ContainsRune("ыэъё", r):
			russian++
		}
		if unicode.Is(unicode.Cyrillic, r) {
			letters++
		}
	}
	switch {
	case letters < leastLetter:
		return ""
	case ukrainian > russian:
		return "uk"
	}
	return "ru"
}

func byLittleWords(text string) string {
	votes := map[string]float64{}
	heard := map[string]int{}
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && r != '\'' && r != '’' && r != '_' })
	for _, word := range words {
		for _, language := range speaks[word] {
			votes[language] += 1 / float64(len(speaks[word]))
			heard[language]++
		}
	}
	ranked := make([]string, 0, len(votes))
	for language := range votes {
		ranked = append(ranked, language)
	}
	slices.SortFunc(ranked, func(a, b string) int {
		if votes[a] != votes[b] {
			if votes[a] > votes[b] {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	if len(ranked) == 0 || heard[ranked[0]] < leastWords {
		return ""
	}
	if len(ranked) > 1 && votes[ranked[0]] < lead*votes[ranked[1]] {
		return ""
	}
	return ranked[0]
}

// languageFor is what a labeler must read: the language of the response, of
// the question where the response does not say. Beside code the question goes
// first: keywords are English whatever their program is about.
func languageFor(s Snapshot) string {
	first, second := s.Response, s.Prompt
	if len(s.Artifact) > 0 {
		first, second = second, first
	}
	if language := LanguageOf(first); language != "" {
		return language
	}
	return LanguageOf(second)
}
