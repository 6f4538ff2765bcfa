package telemetry

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math/bits"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"assay/internal/redact"
)

// provisionalDays is how long text is held that is kept only if its session
// turns out to be flagged: long enough for feedback to arrive.
const provisionalDays = 3

// forever is the last day ClickHouse's expiry can name: a legal hold.
var forever = time.Date(2106, 1, 1, 0, 0, 0, 0, time.UTC)

// taking is everything the events of one request are taken under.
type taking struct {
	terms  Terms
	keyID  int64
	now    time.Time
	saltID string
	salt   string
	text   *redact.Policy
	code   *redact.Policy
	sealed *sealedDays
	limits *limits                // nil: nobody said anything
	seals  bool                   // there is a vault for raw text
	rates  map[string]CaptureRate // of the task classes that have their own

	scrubID func(string) string // withoutAddress, made once
}

// take turns a decoded event into the row that is stored: identity of people
// hashed, text redacted or gone, times judged, expiry set.
func (t *taking) take(r *row) error {
	t.stamp(r)
	t.hashPeople(r)
	r.measureText(t.salt)
	if r.Consent == "" {
		r.Consent = t.terms.Consent
	}
	if t.limits != nil {
		r.Consent = t.limits.most(r)
	}
	if r.Capture == CaptureHash {
		t.hashText(r)
	}
	if !r.Consent.AllowsText() {
		r.withoutText()
		return nil
	}
	raw := t.rawText(r)
	if err := t.redact(r); err != nil {
		return err
	}
	t.keepText(r)
	if r.TextKept {
		r.raw = raw
	}
	return nil
}

func (t *taking) stamp(r *row) {
	r.Received, r.KeyID, r.Capture = t.now, t.keyID, t.terms.Capture
	if r.EventTime.IsZero() {
		r.EventTime = t.now
	}
	r.Effective = effectiveTime(r.EventTime, t.now, t.terms)
	r.Quarantined = !t.terms.Historical && r.EventTime.After(t.now.Add(t.terms.AllowedSkew))
	r.ExpiresAt = t.now.AddDate(0, 0, t.terms.RowDays)
	r.TextExpiresAt = t.now.AddDate(0, 0, t.terms.TextDays)
	if t.terms.LegalHold {
		r.ExpiresAt, r.TextExpiresAt = forever, forever
	}
	r.SaltID, r.Keep, r.KeepFlagged = t.saltID, t.terms.Keep, t.terms.KeepFlagged
	r.KeepU = draw(t.salt, r.SessionID)
	t.capture(r)
}

// effectiveTime is A2.7: the later of the event's own time and the time of
// receipt less the allowed skew. A clock that is ahead stands; it is marked
// by the quarantine flag instead (A17 #5).
func effectiveTime(event, received time.Time, terms Terms) time.Time {
	if terms.Historical {
		return event
	}
	if earliest := received.Add(-terms.AllowedSkew); event.Before(earliest) {
		return earliest
	}
	return event
}

// draw is the permanent random number of an id under a salt, in [0,1)
// (statistics.md 2.2 A).
func draw(salt, id string) float64 {
	h := sha256.New()
	h.Write([]byte(salt))
	h.Write([]byte{0x1f})
	h.Write([]byte(id))
	var sum [sha256.Size]byte
	h.Sum(sum[:0])
	return float64(binary.BigEndian.Uint64(sum[:8])>>11) / (1 << 53)
}

// hashPeople keeps people out of the identifiers: an unhashed user id and
// addresses inside ids become keyed hashes, the same for the same person.
func (t *taking) hashPeople(r *row) {
	if r.UserIDHash == nil && r.rawUser != "" {
		hash := "assay:" + t.keyed(r.rawUser)
		r.UserIDHash = &hash
	}
	r.rawUser = ""
	if t.scrubID == nil {
		t.scrubID = t.withoutAddress
	}
	for i := range eventFields {
		if scrub := eventFields[i].scrub; scrub != nil {
			scrub(r, t.scrubID)
		}
	}
}

func (t *taking) withoutAddress(id string) string {
	if !holdsAddress(id) {
		return id
	}
	return "hashed:" + t.keyed(id)
}

// holdsAddress tells an e-mail address in an id from a version after an @, as
// in "fastship@v17": an address has a dot and letters at its end.
func holdsAddress(id string) bool {
	_, domain, found := strings.Cut(id, "@")
	if !found {
		return false
	}
	dot := strings.IndexByte(domain, '.')
	if dot < 1 {
		return false
	}
	end := strings.TrimLeft(domain[strings.LastIndexByte(domain, '.')+1:], "0123456789-")
	return len(end) >= 2 || strings.IndexByte(domain[dot:], '@') >= 0
}

func (t *taking) keyed(s string) string {
	mac := hmac.New(sha256.New, []byte(t.salt))
	mac.Write([]byte(s))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

func (r *row) measureText(salt string) {
	r.PromptChars = int64(utf8.RuneCountInString(r.Prompt))
	r.ResponseChars = int64(utf8.RuneCountInString(r.Response))
	r.PromptSketch = sketch(salt, r.Prompt)
}

// withoutText leaves of an event what may be counted: no text, and of its
// attributes only numbers and yes or no.
func (r *row) withoutText() {
	r.dropText()
	r.ArtifactKind = ""
	r.Attributes = plainAttributes(r.Attributes)
	r.Reason, r.ErrorType = tag(r.Reason), tag(r.ErrorType)
	if r.Consent == ConsentNone {
		r.UserIDHash, r.DeviceFingerprint, r.PromptSketch = nil, "", 0
		r.PromptHash, r.ResponseHash = "", ""
	}
}

// tag keeps a value that is one word, as a tag is, and drops a sentence.
func tag(s string) string {
	if len(s) > 64 || strings.ContainsFunc(s, unicode.IsSpace) {
		return ""
	}
	return s
}

func plainAttributes(object json.RawMessage) json.RawMessage {
	if len(object) == 0 {
		return nil
	}
	b := []byte{'{'}
	for _, m := range unfold([]byte(object)) {
		switch m.value.Kind() {
		case '0', 't', 'f':
			b = append(append(append(appendText(b, m.name), ':'), m.value...), ',')
		}
	}
	if len(b) == 1 {
		return nil
	}
	b[len(b)-1] = '}'
	return b
}

func (t *taking) redact(r *row) error {
	r.ScrubPolicy = t.text.Name()
	for _, s := range []*string{&r.Prompt, &r.Response, &r.Correction, &r.ErrorMessage, &r.Reason, &r.Outcome, &r.ResultStatus, &r.StopReason, &r.ErrorType} {
		if *s != "" {
			*s, _ = t.text.Text(*s)
		}
	}
	for i := range r.Context {
		r.Context[i], _ = t.text.Text(r.Context[i])
	}
	var err error
	if len(r.Artifact) > 0 {
		var findings []redact.Finding
		if r.Artifact, findings, err = t.code.JSON(r.Artifact); err != nil {
			return err
		}
		r.ArtifactRedacted = len(findings) > 0
	}
	if len(r.Attributes) > 0 {
		r.Attributes, _, err = t.text.JSON(r.Attributes)
	}
	return err
}

// keepText applies capture and the keep draw. An unsafe claim that was served
// keeps its text with certainty.
func (t *taking) keepText(r *row) {
	if r.Capture == CaptureHash {
		r.dropText()
		return
	}
	unsafe := r.UnsafeClaimServed != nil && *r.UnsafeClaimServed
	switch {
	case unsafe || r.KeepU < r.Keep:
		r.TextKept = true
	case r.KeepU < r.KeepFlagged:
		r.TextKept = true
		if provisional := t.now.AddDate(0, 0, provisionalDays); provisional.Before(r.TextExpiresAt) {
			r.TextExpiresAt = provisional
		}
	default:
		r.dropText()
		r.Attributes = plainAttributes(r.Attributes)
	}
}

// sketchWords is how far into a prompt the sketch looks.
const sketchWords = 48

// sketch makes 64 bits of which alike texts share most (Charikar's SimHash
// over words and pairs of words), keyed so that it cannot be guessed from
// outside. An empty text has none: 0.
func sketch(salt, text string) uint64 {
	if text == "" {
		return 0
	}
	seed := uint64(14695981039346656037)
	for i := 0; i < len(salt); i++ {
		seed = (seed ^ uint64(salt[i])) * 1099511628211
	}
	var votes ballot
	words, before := 0, uint64(0)
	hash, inside := seed, false
	end := func() {
		if !inside {
			return
		}
		votes.add(mix(hash))
		if before != 0 {
			votes.add(mix(before*31 + hash))
		}
		before, hash, inside = hash, seed, false
		words++
	}
	for _, c := range text {
		if unicode.IsLetter(c) || unicode.IsDigit(c) {
			hash, inside = (hash^uint64(unicode.ToLower(c)))*1099511628211, true
			continue
		}
		if end(); words >= sketchWords {
			break
		}
	}
	end()
	return cmp.Or(votes.majority(), 1)
}

// ballot counts, for each of 64 bits, how many hashes have it set: plane i
// holds bit i of the 64 counts, so that a hash is added to all at once.
type ballot struct {
	planes [8]uint64
	cast   int
}

func (b *ballot) add(h uint64) {
	b.cast++
	for i := range b.planes {
		if h == 0 {
			return
		}
		b.planes[i], h = b.planes[i]^h, b.planes[i]&h
	}
}

// majority has the bits that more than half of the hashes have.
func (b *ballot) majority() uint64 {
	var won uint64
	for bit := range 64 {
		count := 0
		for i, plane := range b.planes {
			count |= int(plane>>bit&1) << i
		}
		if 2*count > b.cast {
			won |= 1 << bit
		}
	}
	return won
}

// mix spreads the bits of a hash (the finalizer of MurmurHash3).
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// alike reports whether two prompts ask for the same: their sketches differ
// in at most 12 of 64 bits, where unrelated ones differ in 32 on average.
func alike(a, b uint64) bool {
	return a != 0 && b != 0 && bits.OnesCount64(a^b) <= 12
}
