package redact

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"assay/internal/fault"
)

// Kind is what was found; text gets its token, [EMAIL] for Email.
type Kind string

// The kinds every policy knows.
const (
	Email          Kind = "EMAIL"
	Phone          Kind = "PHONE"
	IP             Kind = "IP"
	Card           Kind = "CARD"
	IBAN           Kind = "IBAN"
	SSN            Kind = "SSN"             // and ids like it: US ITIN, UK national insurance
	URLCredentials Kind = "URL_CREDENTIALS" // the user and password of a URL; its host stays
	APIKey         Kind = "API_KEY"         // keys with a known prefix, bearer tokens, values of password=, api_key: …
	JWT            Kind = "JWT"
	PEM            Kind = "PEM"
	Path           Kind = "PATH" // becomes [PATH:1a2b3c4d], the same path always the same id
	OrderID        Kind = "ORDER_ID"
)

// Kinds lists them, the strongest first: where two findings overlap the one
// further up stays. What contains others stands above what it may contain.
var Kinds = []Kind{PEM, JWT, URLCredentials, APIKey, Path, Email, IBAN, Card, SSN, IP, Phone, OrderID}

// Floors are the shares of what is there that is found (recall) and of what
// is found that is right (precision) which recall_test.go demands of a kind,
// on 2,000 generated spans or more. Telephone numbers have the lower ones:
// their forms are those of many other numbers.
func Floors(kind Kind) (recall, precision float64) {
	if kind == Phone {
		return 0.90, 0.85
	}
	return 0.98, 0.95
}

// Finding is one span that was replaced. Start and End are byte offsets in
// the text that came in, never in the redacted one. Path is set by JSON
// alone: the RFC 6901 pointer, itself redacted, of the string in which the
// offsets count; a key is named by its own pointer followed by "#key".
type Finding struct {
	Kind       Kind
	Start, End int
	Path       string
}

// Config is what an operator may set. The zero Config is every kind, no rule
// of one's own.
type Config struct {
	Name    string // "assay-pii-v1" when empty
	Salt    []byte // keys the ids of paths; without it anyone can guess a path and check
	Only    []Kind // nil means all
	Rules   []Rule
	Version int // of the rules; 0 names them by a hash of themselves
}

// Policy finds and replaces. It is immutable and safe for concurrent use.
type Policy struct {
	name    string
	salt    []byte
	only    map[Kind]bool
	rules   []rule
	fixture bool // order ids as the fixture scrubber reads them
}

const (
	assayName    = "assay-pii-v1"
	deliveryName = "delivery-pii-v1"
)

// Assay is the product's own policy, "assay-pii-v1": every kind. The salt
// should be 16 random bytes or more that stay the same for one installation.
func Assay(salt []byte) *Policy {
	return &Policy{name: assayName, salt: slices.Clone(salt)}
}

// Delivery is "delivery-pii-v1", the small scrubber of the delivery
// assistant's fixtures: order ids after a # and e-mail addresses, nothing
// else. It is not fit for production.
func Delivery() *Policy {
	return &Policy{name: deliveryName, only: map[Kind]bool{Email: true, OrderID: true}, fixture: true}
}

// New makes a policy of an operator's settings. It returns fault.Invalid for
// a kind that does not exist and for a rule that cannot be read or passes the
// bounds of rule.go.
func New(c Config) (*Policy, error) {
	p := &Policy{name: c.Name, salt: slices.Clone(c.Salt)}
	if p.name == "" {
		p.name = assayName
	}
	for _, kind := range c.Only {
		if !slices.Contains(Kinds, kind) {
			return nil, fault.Say(fault.Invalid, "There is no kind of personal data named %q.", string(kind))
		}
		if p.only == nil {
			p.only = map[Kind]bool{}
		}
		p.only[kind] = true
	}
	var err error
	if p.rules, err = compileRules(c.Rules); err != nil {
		return nil, err
	}
	switch {
	case c.Version > 0:
		p.name += "+v" + strconv.Itoa(c.Version)
	case len(c.Rules) > 0:
		p.name += "+" + fingerprint(c.Rules)
	}
	return p, nil
}

// With returns the policy with the rules of an operator beside its own kinds.
// The version says which of the operator's policies it is, from 1.
func (p *Policy) With(version int, rules []Rule) (*Policy, error) {
	compiled, err := compileRules(rules)
	if err != nil {
		return nil, err
	}
	more := *p
	more.rules = append(slices.Clone(p.rules), compiled...)
	if version > 0 {
		more.name += "+v" + strconv.Itoa(version)
	}
	return &more, nil
}

func fingerprint(rules []Rule) string {
	print := sha256.New()
	for _, r := range rules {
		for _, part := range append([]string{r.Name, r.Pattern}, r.Words...) {
			fmt.Fprintf(print, "%d:%s", len(part), part)
		}
	}
	return hex.EncodeToString(print.Sum(nil)[:4])
}

// Name is the versioned name that goes into scrub_policy. Rules of the
// operator's own add their version or a hash of themselves, so that a changed
// rule is seen.
func (p *Policy) Name() string { return p.name }

func (p *Policy) wants(kind Kind) bool { return p.only == nil || p.only[kind] }

// token is what stands for the text from now on.
func (p *Policy) token(kind Kind, text string) string {
	if kind == Path {
		return "[PATH:" + p.pathID(text) + "]"
	}
	return "[" + string(kind) + "]"
}

// pathID is the canonical id of a path: both slashes and a doubled backslash
// count as one separator, so that the same file has one id in a log, in JSON
// and in source.
func (p *Policy) pathID(path string) string {
	path = strings.ReplaceAll(path, `\\`, `\`)
	path = strings.ReplaceAll(path, `\`, `/`)
	mac := hmac.New(sha256.New, p.salt)
	mac.Write([]byte(path))
	return hex.EncodeToString(mac.Sum(nil)[:4])
}

// tokenAt returns the length of the token that starts at s[i] == '[', or 0.
// Tokens are opaque: nothing is found inside one, which is what makes
// redacting twice change nothing.
func (p *Policy) tokenAt(s string, i int) int {
	j := i + 1
	for j < len(s) && j-i <= 41 && (isUpper(s[j]) || isDigit(s[j]) || s[j] == '_') {
		j++
	}
	if j == len(s) || j < i+3 {
		return 0
	}
	kind := Kind(s[i+1 : j])
	if s[j] == ':' && kind == Path && len(s) > j+9 && s[j+9] == ']' && allHex(s[j+1:j+9]) {
		return j + 10 - i
	}
	if s[j] != ']' || kind == Path {
		return 0
	}
	if slices.Contains(Kinds, kind) || slices.ContainsFunc(p.rules, func(r rule) bool { return r.kind == kind }) {
		return j + 1 - i
	}
	return 0
}

func allHex(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) && (s[i] < 'a' || s[i] > 'f') {
			return false
		}
	}
	return true
}
