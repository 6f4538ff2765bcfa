package redact

import "strings"

// hint is what the words around a number say about it.
type hint uint16

const (
	phoneHint   hint = 1 << iota // call, tel, fax, …
	ssnHint                      // social security, tax id
	cardHint                     // card, visa, …
	versionHint                  // a version or a section, so not an address
	refHint                      // an order, a part, a serial number: so not a phone
	orderHint                    // an order
	secretHint                   // a password or key, whole value
	maybeHint                    // token, key: a secret if it looks like one
	verbHint                     // with another: only as a word of prose, not in tool_call(
)

// hintWords are the words that say something, in lower case.
var hintWords = map[string]hint{
	"phone": phoneHint, "phones": phoneHint, "telephone": phoneHint, "tel": phoneHint, "mobile": phoneHint,
	"cellphone": phoneHint, "call": phoneHint | verbHint, "called": phoneHint | verbHint, "calling": phoneHint | verbHint,
	"dial": phoneHint | verbHint, "ring": phoneHint | verbHint,
	"fax": phoneHint, "whatsapp": phoneHint, "sms": phoneHint, "hotline": phoneHint, "landline": phoneHint, "reach": phoneHint | verbHint,
	"contact": phoneHint | verbHint, "msisdn": phoneHint, "telefon": phoneHint, "handy": phoneHint, "telefono": phoneHint, "movil": phoneHint,
	"telefax": phoneHint, "voicemail": phoneHint, "texted": phoneHint, "phoned": phoneHint, "callback": phoneHint, "mob": phoneHint,
	"ssn": ssnHint, "social": ssnHint, "itin": ssnHint, "tin": ssnHint, "taxpayer": ssnHint, "ssns": ssnHint, "nino": ssnHint,
	"card": cardHint, "visa": cardHint, "mastercard": cardHint, "amex": cardHint, "maestro": cardHint, "discover": cardHint,
	"credit": cardHint, "debit": cardHint, "pan": cardHint, "cc": cardHint, "cardnumber": cardHint,
	"version": versionHint, "versions": versionHint, "ver": versionHint, "v": versionHint, "release": versionHint, "rev": versionHint,
	"section": versionHint, "sec": versionHint, "chapter": versionHint, "build": versionHint, "firmware": versionHint,
	"oid": versionHint, "clause": versionHint, "article": versionHint, "paragraph": versionHint, "appendix": versionHint,
	"upgrade": versionHint, "upgraded": versionHint, "driver": versionHint, "python": versionHint, "chrome": versionHint,
	"order": refHint | orderHint, "orders": refHint | orderHint, "invoice": refHint | orderHint, "purchase": orderHint, "bestellung": refHint | orderHint,
	"isbn": refHint, "issn": refHint, "ticket": refHint, "case": refHint, "ref": refHint, "reference": refHint, "serial": refHint,
	"sku": refHint, "part": refHint, "tracking": refHint, "shipment": refHint, "parcel": refHint, "zip": refHint, "postcode": refHint,
	"doi": refHint, "item": refHint, "barcode": refHint, "ean": refHint, "upc": refHint, "coordinates": refHint, "id": refHint,
	"timestamp": refHint, "checksum": refHint, "model": refHint, "grant": refHint, "rfc": refHint, "issue": refHint,
}

// hints reads up to six words before s[i] on the line, the nearest deciding
// between a phone and a reference, and what the JSON key adds near the start.
func (z *scanner) hints(i int) hint {
	var h hint
	var buf [16]byte
	low := max(0, i-56)
	j := i
	digits := false // lie between: a reference is to the nearest number only
	for words := 0; words < 6; words++ {
		for j > low && !isLetter(z.s[j-1]) && z.s[j-1] != ']' {
			j--
			digits = digits || isDigit(z.s[j])
		}
		end := j
		for j > low && isLetter(z.s[j-1]) {
			j--
		}
		if end == j {
			break // the line's start, or a token
		}
		said := hintWords[string(lower(buf[:], z.s[j:end]))]
		if said&verbHint != 0 && (z.before(j) == '_' || z.s[end] == '_' || z.s[end] == '(') {
			said = 0
		}
		if said&refHint != 0 && (words > 2 || digits || h&phoneHint != 0) {
			said &^= refHint
		}
		if said&phoneHint != 0 && h&refHint != 0 {
			said &^= phoneHint
		}
		h |= said
	}
	if i <= 24 {
		h |= z.key
	}
	return h
}

// connective are the words that may stand between "call" and an unbroken run
// of digits; any other word, and the number may count something.
var connective = map[string]bool{
	"me": true, "us": true, "him": true, "her": true, "them": true, "at": true, "on": true, "is": true, "was": true, "number": true,
	"no": true, "nr": true, "num": true, "to": true, "the": true, "my": true, "your": true, "our": true, "their": true, "his": true,
	"work": true, "home": true, "office": true, "please": true, "or": true, "and": true, "und": true, "ist": true, "unter": true,
	"it": true, "a": true, "cell": true, "via": true, "by": true, "e": true, "d": true, "x": true, "customer": true, "support": true,
}

// phoneBefore reports whether the words straight before s[i] say that an
// unbroken run of digits is a phone number.
func (z *scanner) phoneBefore(i int) bool {
	if i <= 24 && z.key&phoneHint != 0 {
		return true
	}
	var buf [16]byte
	j := i
	for range 6 {
		for j > 0 && !isAlnum(z.s[j-1]) && strings.IndexByte("=]<>*/", z.s[j-1]) < 0 || j > 0 && j == i && z.s[j-1] == '=' {
			j--
		}
		end := j
		for j > 0 && isLetter(z.s[j-1]) {
			j--
		}
		word := string(lower(buf[:], z.s[j:end]))
		if hintWords[word]&phoneHint != 0 {
			return true
		}
		if !connective[word] {
			return false
		}
	}
	return false
}

// afterWords are what follows a phone number in a signature.
var afterWords = map[string]bool{
	"office": true, "mobile": true, "fax": true, "cell": true, "home": true, "work": true, "phone": true, "tel": true,
	"main": true, "direct": true, "hotline": true,
}

// phoneAfter reports whether the word just after s[i] says that a phone
// number ends there.
func (z *scanner) phoneAfter(i int) bool {
	for n := 0; n < 2 && (z.at(i) == ' ' || z.at(i) == '(') && i < len(z.s); n++ {
		i++
	}
	end := i
	for isLetter(z.at(end)) {
		end++
	}
	var buf [16]byte
	return afterWords[string(lower(buf[:], z.s[min(i, len(z.s)):min(end, len(z.s))]))]
}

// keyHint is what the name of a JSON member says about its value:
// "cellPhone", "social_security_number", "api-key".
func keyHint(name string) hint {
	var h hint
	var buf [64]byte
	for i := 0; i < len(name); {
		if !isLetter(name[i]) {
			i++
			continue
		}
		j := i + 1
		for j < len(name) && isLetter(name[j]) && (!isUpper(name[j]) || isUpper(name[j-1])) {
			j++
		}
		h |= hintWords[string(lower(buf[:], name[i:j]))]
		i = j
	}
	return h | secretName(name)
}
