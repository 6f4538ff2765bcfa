package redact

import (
	"encoding/base64"
	"strings"
)

const pemBegin = "-----BEGIN "

// pemSpans finds PEM blocks, the one thing that runs over lines. A block
// without an end is taken as far as it still looks like one.
func pemSpans(s string) []span {
	var spans []span
	for from := 0; ; {
		at := strings.Index(s[from:], pemBegin)
		if at < 0 {
			return spans
		}
		start := from + at
		end := pemEnd(s, start)
		if end == 0 {
			from = start + len(pemBegin)
			continue
		}
		spans = append(spans, span{start: start, end: end, kind: PEM})
		from = end
	}
}

// maxPEM bounds a block; a chain of certificates is many blocks.
const maxPEM = 64 << 10

// pemEnd returns the end of the block whose BEGIN is at s[start], 0 if that
// is no block.
func pemEnd(s string, start int) int {
	label := start + len(pemBegin)
	j := label
	for j < len(s) && j-label < 48 && (isUpper(s[j]) || isDigit(s[j]) || s[j] == ' ') {
		j++
	}
	if j == label || !strings.HasPrefix(s[j:], "-----") {
		return 0
	}
	body := j + len("-----")
	within := s[body:min(len(s), body+maxPEM)]
	if next := strings.Index(within, pemBegin); next >= 0 {
		within = within[:next]
	}
	closing := "-----END " + s[label:j] + "-----"
	if end := strings.Index(within, closing); end >= 0 {
		return body + end + len(closing)
	}
	return body + looksEncoded(within)
}

// looksEncoded returns how far text goes on in lines of base64 and headers.
func looksEncoded(text string) int {
	end := 0
	for end < len(text) {
		line := text[end:]
		n := strings.IndexByte(line, '\n')
		if n < 0 {
			n = len(line)
		}
		line = line[:n]
		if !encodedLine(strings.TrimSuffix(line, "\r")) {
			break
		}
		end = min(len(text), end+n+1)
	}
	return len(strings.TrimRight(text[:end], "\r\n"))
}

func encodedLine(line string) bool {
	if strings.Contains(line, ": ") && len(line) < 80 {
		return strings.HasPrefix(line, "Proc-Type") || strings.HasPrefix(line, "DEK-Info") || strings.HasPrefix(line, "Version") || strings.HasPrefix(line, "Comment")
	}
	for i := range len(line) {
		if c := line[i]; !isAlnum(c) && c != '+' && c != '/' && c != '=' && c != '\\' {
			return false
		}
	}
	return true
}

func isKeyChar(c byte) bool { return isAlnum(c) || c == '_' || c == '-' }

// dash looks at the - or _ at s[i]: it ends the prefix of many keys.
func (z *scanner) dash(i int) {
	if i < z.tokenEnd || i < 2 || !isLetter(z.s[i-1]) {
		return
	}
	z.longWord(i)
}

// longWord looks once at each word of sixteen characters or more, with inner
// dots, for a key or a web token.
func (z *scanner) longWord(i int) {
	if i < z.tokenEnd {
		return
	}
	start, end := i, i+1
	for start > z.tokenEnd && (isKeyChar(z.s[start-1]) || z.s[start-1] == '.') {
		start--
	}
	for end < len(z.s) && (isKeyChar(z.s[end]) || z.s[end] == '.') {
		end++
	}
	z.tokenEnd = end
	if end-start < 16 {
		return
	}
	for at := start; at < end; {
		next := at + 1
		for next < end && z.s[next-1] != '.' {
			next++
		}
		if stop := z.webToken(at, end); stop > 0 {
			z.found(JWT, at, stop)
			next = max(next, stop)
		} else if stop := knownKey(z.s[at:end]); stop > 0 {
			z.found(APIKey, at, at+stop)
			next = max(next, at+stop)
		}
		at = next
	}
	z.bearer(start, end)
}

// webToken returns the end of the JSON web token at s[at], 0 if there is
// none: base64 parts joined by dots, the first of which is a JSON object.
func (z *scanner) webToken(at, limit int) int {
	if !strings.HasPrefix(z.s[at:limit], "eyJ") {
		return 0
	}
	parts, end := 0, at
	for parts < 5 {
		start := end
		for end < limit && isKeyChar(z.s[end]) {
			end++
		}
		if parts == 0 && (end-start < 10 || !jsonHeader(z.s[start:end])) || parts == 1 && end-start < 4 {
			return 0
		}
		parts++
		if end+1 >= limit || z.s[end] != '.' || !isKeyChar(z.s[end+1]) && z.s[end+1] != '.' {
			break
		}
		end++
	}
	if parts < 2 {
		return 0
	}
	if parts == 2 && end < limit && z.s[end] == '.' {
		end++ // unsigned: the third part is empty
	}
	return end
}

func jsonHeader(part string) bool {
	head, err := base64.RawURLEncoding.DecodeString(part[:8])
	return err == nil && strings.HasPrefix(string(head), `{"`)
}

// keyForm is a key that its issuer made recognisable.
type keyForm struct {
	prefix string
	rest   int             // at least so many characters after the prefix
	set    func(byte) bool // which they are
	exact  bool            // no more than rest
}

func upperDigit(c byte) bool { return isUpper(c) || isDigit(c) }

var keyForms = map[byte][]keyForm{
	's': {{"sk-", 20, isKeyChar, false}, {"sk_live_", 16, isKeyChar, false}, {"sk_test_", 16, isKeyChar, false}, {"shpat_", 32, isAlnum, false},
		{"shpss_", 32, isAlnum, false}, {"shpca_", 32, isAlnum, false}, {"sq0atp-", 22, isKeyChar, false}, {"sq0csp-", 32, isKeyChar, false}},
	'p': {{"pk_live_", 16, isKeyChar, false}, {"pk_test_", 16, isKeyChar, false}, {"pypi-", 40, isKeyChar, false}, {"pat_", 24, isKeyChar, false}},
	'r': {{"rk_live_", 16, isKeyChar, false}, {"rk_test_", 16, isKeyChar, false}, {"rpa_", 30, isAlnum, false}},
	'w': {{"whsec_", 24, isKeyChar, false}, {"wb_", 16, isKeyChar, false}},
	'g': {{"ghp_", 36, isAlnum, false}, {"gho_", 36, isAlnum, false}, {"ghu_", 36, isAlnum, false}, {"ghs_", 36, isAlnum, false},
		{"ghr_", 36, isAlnum, false}, {"github_pat_", 22, isKeyChar, false}, {"glpat-", 20, isKeyChar, false}, {"gldt-", 20, isKeyChar, false},
		{"glrt-", 20, isKeyChar, false}, {"gsk_", 40, isAlnum, false}},
	'x': {{"xoxb-", 10, isKeyChar, false}, {"xoxp-", 10, isKeyChar, false}, {"xoxa-", 10, isKeyChar, false}, {"xoxe-", 10, isKeyChar, false},
		{"xoxr-", 10, isKeyChar, false}, {"xoxs-", 10, isKeyChar, false}, {"xapp-", 10, isKeyChar, false}, {"xai-", 40, isAlnum, false}},
	'A': {{"AKIA", 16, upperDigit, true}, {"ASIA", 16, upperDigit, true}, {"AGPA", 16, upperDigit, true}, {"AIDA", 16, upperDigit, true},
		{"AROA", 16, upperDigit, true}, {"ANPA", 16, upperDigit, true}, {"ABIA", 16, upperDigit, true}, {"ACCA", 16, upperDigit, true},
		{"AIza", 35, isKeyChar, false}, {"AGE-SECRET-KEY-1", 50, upperDigit, false}},
	'G': {{"GOCSPX-", 20, isKeyChar, false}},
	'S': {{"SK", 32, isHex, true}},
	'n': {{"npm_", 36, isAlnum, false}},
	'h': {{"hf_", 30, isAlnum, false}, {"hvs.", 24, isKeyChar, false}},
	'd': {{"dop_v1_", 64, isHex, false}, {"doo_v1_", 64, isHex, false}, {"dapi", 32, isHex, true}, {"dckr_pat_", 20, isKeyChar, false}},
	'k': {{"key-", 32, isHex, true}},
	'l': {{"lin_api_", 32, isAlnum, false}},
	't': {{"tfp_", 30, isKeyChar, false}},
	'y': {{"ya29.", 20, isKeyChar, false}},
	'E': {{"EAACEdEose0cBA", 20, isAlnum, false}},
}

// knownKey returns the length of the key at the start of word, 0 if it is
// none. What follows a recognisable prefix must look drawn by lot: no
// hyphenated words, no row of one character.
func knownKey(word string) int {
	if strings.HasPrefix(word, "SG.") {
		return sendGrid(word)
	}
	for _, form := range keyForms[word[0]] {
		if !strings.HasPrefix(word, form.prefix) {
			continue
		}
		end := len(form.prefix)
		for end < len(word) && form.set(word[end]) {
			end++
		}
		rest := word[len(form.prefix):end]
		if len(rest) < form.rest || form.exact && (len(rest) > form.rest || end < len(word) && isKeyChar(word[end])) || !form.exact && !scattered(rest) || !various(rest) {
			continue
		}
		return end
	}
	return 0
}

func sendGrid(word string) int {
	parts := strings.SplitN(word, ".", 4)
	if len(parts) < 3 || len(parts[1]) < 16 || len(parts[2]) < 16 {
		return 0
	}
	return len(parts[0]) + len(parts[1]) + len(parts[2]) + 2
}

// scattered reports whether text has the variety of a random string: many
// different characters and either digits or both cases.
func scattered(text string) bool {
	kinds := 0
	for i := range len(text) {
		c := text[i]
		switch {
		case isDigit(c):
			kinds |= 1
		case isUpper(c):
			kinds |= 2
		case isLetter(c):
			kinds |= 4
		}
	}
	return various(text) && (kinds&1 != 0 || kinds&6 == 6)
}

// drawn reports whether text can only have been drawn by lot: letters and
// digits that change places all the time, as they do in no name, path or
// sentence. A capital that begins a word is no change.
func drawn(text string) bool {
	changes, digits := 0, 0
	for i := range len(text) {
		c := text[i]
		if !isKeyChar(c) && strings.IndexByte("+/=.~", c) < 0 {
			return false
		}
		if isDigit(c) {
			digits++
		}
		if i == 0 || !isAlnum(c) || !isAlnum(text[i-1]) {
			continue
		}
		if b := text[i-1]; isDigit(b) != isDigit(c) || !isDigit(c) && !isUpper(b) && isUpper(c) {
			changes++
		}
	}
	return digits > 0 && changes*4 >= len(text) && various(text)
}

// various reports whether text has six different characters or more.
func various(text string) bool {
	var seen [128]bool
	different := 0
	for i := range len(text) {
		if c := text[i]; c < 128 && !seen[c] {
			seen[c] = true
			different++
		}
	}
	return different >= 6
}

// bearer takes the word as a key when it follows "Bearer" or "Basic".
func (z *scanner) bearer(start, end int) {
	if start < 7 || z.s[start-1] != ' ' {
		return
	}
	var buf [8]byte
	before := string(lower(buf[:], z.s[max(0, start-7):start-1]))
	if before != "bearer" && !strings.HasSuffix(before, "basic") {
		return
	}
	for end < len(z.s) && (isKeyChar(z.s[end]) || strings.IndexByte("./+=~", z.s[end]) >= 0) {
		end++
	}
	if scattered(z.s[start:end]) {
		z.found(APIKey, start, trimmed(z.s, start, end, "."))
	}
}

// trimmed returns end without the trailing bytes of cut.
func trimmed(s string, start, end int, cut string) int {
	for end > start && strings.IndexByte(cut, s[end-1]) >= 0 {
		end--
	}
	return end
}

// colon looks at the colon at s[i]: a URL, a drive, an assignment, an IPv6
// address.
func (z *scanner) colon(i int) int {
	if z.at(i+1) == '/' && z.at(i+2) == '/' {
		z.url(i)
		return i + 3
	}
	z.drivePath(i)
	z.assignment(i)
	if next := z.at(i + 1); next == ':' || isHex(next) || i > 0 && isHex(z.s[i-1]) {
		z.colonAddress(i)
	}
	return i + 1
}

// url looks at the :// at s[i] for a user and password before the host.
func (z *scanner) url(i int) {
	start := i + 3
	if strings.HasSuffix(z.s[:i], "file") {
		z.pathFrom(start)
		return
	}
	end, at, colon := start, -1, false
	for end < len(z.s) && strings.IndexByte(" \t\r\n\"'<>/?`", z.s[end]) < 0 {
		switch z.s[end] {
		case '@':
			at = end
		case ':':
			colon = colon || at < 0
		}
		end++
	}
	if at > start && colon && i > 0 && isAlnum(z.s[i-1]) {
		z.found(URLCredentials, start, at)
	}
}

// secretWords end the names of what holds a secret; sure ones first.
var secretWords = []string{"password", "passwd", "pwd", "passphrase", "secret", "apikey", "accesskey", "secretkey", "privatekey",
	"accountkey", "accesstoken", "refreshtoken", "authtoken", "idtoken", "sessiontoken", "authorization", "signingkey", "encryptionkey",
	"sharedaccesskey", "passcode", "bearertoken", "secretaccesskey"}

var maybeSecretWords = []string{"token", "key", "auth", "sig", "credential", "credentials", "cookie"}

// secretName says whether a member or variable of that name holds a secret.
func secretName(name string) hint {
	var buf [48]byte
	word := buf[:0]
	for i := max(0, len(name)-cap(buf)); i < len(name); i++ {
		if c := name[i]; isAlnum(c) {
			if isUpper(c) {
				c |= 0x20
			}
			word = append(word, c)
		}
	}
	for _, secret := range secretWords {
		if endsWith(word, secret) {
			return secretHint
		}
	}
	for _, secret := range maybeSecretWords {
		if endsWith(word, secret) {
			return maybeHint
		}
	}
	return 0
}

func endsWith(word []byte, suffix string) bool {
	return len(word) >= len(suffix) && string(word[len(word)-len(suffix):]) == suffix
}

// assignment looks at the = or : at s[i]: a secret's name before it makes
// what follows a secret.
func (z *scanner) assignment(i int) {
	end := i
	for end > 0 && end > i-3 && (z.s[end-1] == ' ' || z.s[end-1] == '"' || z.s[end-1] == '\'' || z.s[end-1] == '\\' || z.s[end-1] == ']') {
		end--
	}
	if end == 0 || strings.IndexByte("dDeEtTyYnNhHgGsS", z.s[end-1]) < 0 {
		return
	}
	start := end
	for start > 0 && end-start < 48 && isKeyChar(z.s[start-1]) {
		start--
	}
	said := secretName(z.s[start:end])
	if said == 0 || z.before(start) == '[' && z.p.tokenAt(z.s, start-1) > 0 {
		return
	}
	z.value(i+1, said)
}

// longestSecret bounds what is looked at as one value; longer keys have a form
// of their own.
const longestSecret = 1024

// value looks at what follows an assignment.
func (z *scanner) value(i int, said hint) {
	for n := 0; n < 4 && i < len(z.s) && (z.s[i] == ' ' || z.s[i] == '=' || z.s[i] == '>' || z.s[i] == '\\'); n++ {
		i++
	}
	quote := z.at(i)
	quoted := quote == '"' || quote == '\'' || quote == '`'
	stops := " \t\r\n\"'`,;&<>()[]{}|\\"
	if quoted {
		i++
		if quoted = strings.IndexByte(z.s[min(i, len(z.s)):], quote) >= 0; quoted {
			stops = "\\\r\n" + string(quote)
		}
	}
	for _, scheme := range []string{"Bearer ", "bearer ", "Basic ", "basic ", "Token ", "token "} {
		if strings.HasPrefix(z.s[min(i, len(z.s)):], scheme) {
			z.longWord(i + len(scheme)) // bearer knows what it may hold
			return
		}
	}
	if i < z.valueEnd {
		return
	}
	end := i
	for end < len(z.s) && strings.IndexByte(stops, z.s[end]) < 0 {
		end++
	}
	if end-i > longestSecret {
		z.valueEnd = end // no secret, nor does one begin in it: key=key=key=…
		return
	}
	if end > i && !quoted {
		end = trimmed(z.s, i, end, ".:")
	}
	if end > i && isSecret(z.s[i:end], said, quoted) {
		z.found(APIKey, i, end)
	}
}

// isSecret tells a secret from a word, a variable or a placeholder.
func isSecret(text string, said hint, quoted bool) bool {
	if placeholder(text) {
		return false
	}
	if said&maybeHint != 0 {
		return len(text) >= 16 && drawn(text)
	}
	var buf [16]byte
	switch string(lower(buf[:], text)) {
	case "true", "false", "null", "none", "nil", "undefined", "required", "optional", "string", "hidden", "redacted", "changeme", "invalid", "incorrect", "missing":
		return false
	}
	if len(text) < 4 {
		return false
	}
	if quoted {
		return !strings.Contains(text, " ") || len(text) <= 64 && strings.ContainsAny(text, "0123456789")
	}
	return !dotted(text) && strings.ContainsAny(text, "0123456789!@#$%^*+=~?:")
}

// placeholder reports whether text stands for a secret kept elsewhere: ${KEY},
// $KEY, <key>, {{key}}, %(key)s, ****, a token of ours.
func placeholder(text string) bool {
	if strings.IndexByte("<{[", text[0]) >= 0 || strings.HasPrefix(text, "${") || strings.HasPrefix(text, "$(") ||
		strings.HasPrefix(text, "%(") || strings.HasPrefix(text, "%s") || strings.Contains(text, "...") {
		return true
	}
	if strings.Trim(text, text[:1]) == "" {
		return true
	}
	if text[0] != '$' {
		return false
	}
	for i := 1; i < len(text); i++ {
		if c := text[i]; !isLetter(c) && c != '_' {
			return false
		}
	}
	return true
}

// dotted reports whether text reads like request.form.password: a path of
// names in a program.
func dotted(text string) bool {
	if !strings.Contains(text, ".") {
		return false
	}
	for i := range len(text) {
		if c := text[i]; !isLetter(c) && c != '.' && c != '_' {
			return false
		}
	}
	return true
}
