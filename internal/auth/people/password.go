package people

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	_ "embed"
	"encoding/base64"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"assay/internal/audit"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// work is what one password costs: time passes, memory in KiB, lanes.
type work struct {
	passes, memory uint32
	lanes          uint8
}

// floor is what new hashes are made with: 27 ms and 19 MiB on one core.
var floor = work{passes: 2, memory: 19 << 10, lanes: 1}

const (
	saltBytes = 16
	hashBytes = 32
	// ShortestPassword and LongestPassword count characters after
	// normalising.
	ShortestPassword = 12
	LongestPassword  = 128
)

// hash returns the PHC string of a password with a fresh salt.
func hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, saltBytes)
	rand.Read(salt)
	sum, err := derive(ctx, password, salt, floor)
	if err != nil {
		return "", err
	}
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, floor.memory, floor.passes, floor.lanes,
		b64.EncodeToString(salt), b64.EncodeToString(sum)), nil
}

// matches reports whether the password makes the PHC string, and whether that
// was made with less work than new ones are.
func matches(ctx context.Context, phc, password string) (yes, weak bool, err error) {
	w, salt, want, err := parse(phc)
	if err != nil {
		return false, false, err
	}
	got, err := derive(ctx, password, salt, w)
	if err != nil {
		return false, false, err
	}
	weak = w.passes < floor.passes || w.memory < floor.memory || w.lanes != floor.lanes
	return subtle.ConstantTimeCompare(got, want) == 1, weak, nil
}

// nobodysHash makes checking an unknown account cost what a known one costs.
var nobodysHash = sync.OnceValue(func() string {
	phc, err := hash(context.Background(), randomSecret())
	if err != nil {
		panic(err) // the queue is empty when the program starts
	}
	return phc
})

func parse(phc string) (w work, salt, sum []byte, err error) {
	parts := strings.Split(phc, "$")
	broken := fmt.Errorf("read a stored password: not an argon2id PHC string")
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return w, nil, nil, broken
	}
	if n, _ := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &w.memory, &w.passes, &w.lanes); n != 3 {
		return w, nil, nil, broken
	}
	// A hash from elsewhere may not be a way to take the memory.
	if w.memory > 1<<20 || w.passes == 0 || w.passes > 16 || w.lanes == 0 {
		return w, nil, nil, broken
	}
	if salt, err = base64.RawStdEncoding.DecodeString(parts[4]); err != nil {
		return w, nil, nil, broken
	}
	if sum, err = base64.RawStdEncoding.DecodeString(parts[5]); err != nil || len(sum) < 16 {
		return w, nil, nil, broken
	}
	return w, salt, sum, nil
}

func derive(ctx context.Context, password string, salt []byte, w work) ([]byte, error) {
	if err := hashing.enter(ctx); err != nil {
		return nil, err
	}
	defer hashing.leave()
	return argon2.IDKey([]byte(norm.NFC.String(password)), salt, w.passes, w.memory, w.lanes, hashBytes), nil
}

// hashing bounds the memory that passwords can take in this process: one hash
// a core, twenty more waiting, the rest told to come back.
var hashing = newGate(runtime.NumCPU(), 20)

type gate struct {
	running chan struct{}
	waiting chan struct{}
}

func newGate(running, waiting int) *gate {
	return &gate{make(chan struct{}, running), make(chan struct{}, running+waiting)}
}

func (g *gate) enter(ctx context.Context) error {
	select {
	case g.waiting <- struct{}{}:
	default:
		return fault.Say(fault.Unavailable, "Too many people sign in at this moment. Try again in a few seconds.")
	}
	select {
	case g.running <- struct{}{}:
		return nil
	case <-ctx.Done():
		<-g.waiting
		return ctx.Err()
	}
}

func (g *gate) leave() {
	<-g.running
	<-g.waiting
}

//go:embed common_passwords.txt
var commonText string

var common = sync.OnceValue(func() map[string]bool {
	words := map[string]bool{}
	for word := range strings.FieldsSeq(commonText) {
		words[word] = true
	}
	return words
})

// SetPassword sets the person's own password. Someone who has one gives it
// once more; all other sessions end, and this one gets a new secret.
func (g *Register) SetPassword(ctx context.Context, s *Session, current, wanted string, from Where) (string, error) {
	if s == nil || (s.SecondFactorDue && s.Person.HasSecondFactor) {
		return "", fault.Denied
	}
	if s.Person.Demo {
		return "", fault.Say(fault.Conflict, "This account was made for trying the product on one machine and takes no password.")
	}
	if err := acceptable(wanted, s.Person.Email, s.Person.Name, "assay"); err != nil {
		return "", err
	}
	if s.Person.HasPassword {
		if err := g.checkPassword(ctx, s.Person, current, from); err != nil {
			return "", err
		}
	}
	phc, err := hash(ctx, wanted)
	if err != nil {
		return "", err
	}
	var secret string
	err = postgres.InTx(ctx, g.DB, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE people SET password = $2 WHERE id = $1`, s.Person.ID, phc); err != nil {
			return err
		}
		if err := g.endSessions(ctx, tx, s.Person.ID, s.ID); err != nil {
			return err
		}
		if secret, err = g.rotate(ctx, tx, s.ID, setSteppedUp, g.now()); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: s.Actor, Action: "password.set", Object: object(s.Person.ID)})
	})
	return secret, err
}

// checkPassword judges the current password of somebody who is signed in.
func (g *Register) checkPassword(ctx context.Context, p Person, password string, from Where) error {
	p.HasSecondFactor = false // ask for the password, whatever else there is
	return g.prove(ctx, p, password, from)
}

// acceptable says what is wrong with a new password, or nil. Length is what
// counts; beyond it only the passwords that are tried first are refused.
func acceptable(password string, about ...string) error {
	if !utf8.ValidString(password) {
		return fault.Say(fault.Invalid, "The password is not valid text.")
	}
	normal := norm.NFC.String(password)
	switch n := utf8.RuneCountInString(normal); {
	case n < ShortestPassword:
		return fault.Say(fault.Invalid, "The password has %d characters. It needs at least %d; a few words in a row do well.", n, ShortestPassword)
	case n > LongestPassword:
		return fault.Say(fault.Invalid, "The password has %d characters. At most %d are taken.", n, LongestPassword)
	case guessedFirst(normal, about...):
		return fault.Say(fault.Invalid, "This password is among the first that are tried. Take a few words that do not belong together.")
	}
	return nil
}

// guessedFirst reports whether a password is one of the commonest, or is made
// of one by the usual steps: letters for digits, figures at the end, the same
// again, keys or characters in a row, one's own name.
func guessedFirst(password string, about ...string) bool {
	plain := strings.ToLower(password)
	if few(plain) || inARow(plain) {
		return true
	}
	if mostly(plain, about) {
		return true
	}
	for _, form := range []string{plain, once(plain), core(plain), once(core(plain)), core(once(plain))} {
		if common()[form] || common()[unleet(form)] {
			return true
		}
	}
	return false
}

const figures = "0123456789!?.,*#$@_- "

// core is what is left of a password without the figures around it.
func core(s string) string { return strings.Trim(s, figures) }

// mostly reports whether names and figures make up more than half of it.
func mostly(s string, names []string) bool {
	left := s
	for _, name := range names {
		for _, part := range strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return strings.ContainsRune(figures, r) }) {
			if len(part) >= 4 {
				left = strings.ReplaceAll(left, part, "")
			}
		}
	}
	if left == s {
		return false
	}
	return len(core(left))*2 < len(s)
}

// few reports whether at most four different characters make up the whole.
func few(s string) bool {
	seen := map[rune]bool{}
	for _, r := range s {
		seen[r] = true
	}
	return len(seen) <= 4
}

var rows = []string{"abcdefghijklmnopqrstuvwxyz", "01234567890123456789", "qwertyuiopasdfghjklzxcvbnm", "qazwsxedcrfvtgbyhnujmikolp", "1q2w3e4r5t6y7u8i9o0p", "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p", "qwertzuiopasdfghjklyxcvbnm", "azertyuiopqsdfghjklmwxcvbn"}

// inARow reports whether the whole is cut from one row of keys or characters,
// forwards or backwards, or from two of them.
func inARow(s string) bool {
	left := s
	for piece := 0; piece < 3 && left != ""; piece++ {
		longest := 0
		for _, row := range rows {
			longest = max(longest, prefixIn(left, row), prefixIn(left, reversed(row)))
		}
		if longest < 3 {
			return false
		}
		left = left[longest:]
	}
	return left == ""
}

// prefixIn returns how many leading bytes of s stand in the row.
func prefixIn(s, row string) int {
	n := 0
	for n < len(s) && strings.Contains(row, s[:n+1]) {
		n++
	}
	return n
}

func reversed(s string) string {
	b := []byte(s)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}

var leet = strings.NewReplacer("0", "o", "1", "l", "3", "e", "4", "a", "5", "s", "7", "t", "@", "a", "$", "s", "!", "i")

func unleet(s string) string { return leet.Replace(s) }

// once returns the part that the whole repeats, or the whole.
func once(s string) string {
	for n := 1; n <= len(s)/2; n++ {
		if len(s)%n == 0 && strings.Repeat(s[:n], len(s)/n) == s {
			return s[:n]
		}
	}
	return s
}
