package people

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// A code is RFC 6238 with what every authenticator takes: SHA-1, six digits,
// thirty seconds. One step early or late is accepted.
const (
	codeStep   = 30 * time.Second
	codeDigits = 6
	codeSkew   = 1
)

// code returns the one of a time step (RFC 4226, 5.3).
func code(secret []byte, step int64) string {
	mac := hmac.New(sha1.New, secret)
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], uint64(step))
	mac.Write(counter[:])
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	number := binary.BigEndian.Uint32(sum[at:]) & 0x7fffffff
	return fmt.Sprintf("%0*d", codeDigits, number%1_000_000)
}

// stepOf returns the time step in which the code holds, later than after.
func stepOf(secret []byte, sent string, now time.Time, after int64) (int64, bool) {
	sent = strings.ReplaceAll(strings.TrimSpace(sent), " ", "")
	current := now.Unix() / int64(codeStep/time.Second)
	for step := current - codeSkew; step <= current+codeSkew; step++ {
		if step > after && hmac.Equal([]byte(code(secret, step)), []byte(sent)) {
			return step, true
		}
	}
	return 0, false
}

// Enrolment is what an authenticator needs to know, shown once while enrolling.
type Enrolment struct {
	Secret string // base32, to type
	URI    string // otpauth://…, to scan or to open
}

// BeginSecondFactor returns the secret a person enters into an authenticator.
// The same one is shown until it is proven, so that a reloaded page still
// fits; what was enrolled before stays in force until then.
func (g *Register) BeginSecondFactor(ctx context.Context, s *Session) (Enrolment, error) {
	if s == nil {
		return Enrolment{}, fault.Denied
	}
	var secret []byte
	err := postgres.InTx(ctx, g.DB, func(tx pgx.Tx) error {
		var pending []byte
		err := tx.QueryRow(ctx, `SELECT second_factor_pending FROM people WHERE id = $1 FOR UPDATE`, s.Person.ID).Scan(&pending)
		if err != nil {
			return err
		}
		if pending != nil {
			secret, err = g.unseal(s.Person.ID, pending)
			return err
		}
		secret = make([]byte, 20)
		rand.Read(secret)
		sealed, err := g.seal(s.Person.ID, secret)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE people SET second_factor_pending = $2 WHERE id = $1`, s.Person.ID, sealed)
		return err
	})
	if err != nil {
		return Enrolment{}, fmt.Errorf("begin a second factor of person %d: %w", s.Person.ID, err)
	}
	text := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(secret)
	uri := url.URL{Scheme: "otpauth", Host: "totp", Path: "/Assay:" + s.Person.Email,
		RawQuery: "secret=" + text + "&issuer=Assay&algorithm=SHA1&digits=6&period=30"}
	return Enrolment{Secret: text, URI: uri.String()}, nil
}

// ConfirmSecondFactor enrols the secret once a code proves that the
// authenticator has it, and returns the session's new secret. Someone who has
// a second factor already can replace it only in a session that gave it.
func (g *Register) ConfirmSecondFactor(ctx context.Context, s *Session, sent string, from Where) (string, error) {
	if s == nil || (s.SecondFactorDue && s.Person.HasSecondFactor) {
		return "", fault.Denied
	}
	left, err := g.try(ctx, digest("account "+s.Person.Email), from)
	if err != nil {
		return "", err
	}
	var secret string
	err = postgres.InTx(ctx, g.DB, func(tx pgx.Tx) error {
		var pending []byte
		if err := tx.QueryRow(ctx, `SELECT second_factor_pending FROM people WHERE id = $1 FOR UPDATE`, s.Person.ID).Scan(&pending); err != nil {
			return err
		}
		if pending == nil {
			return fault.Say(fault.Conflict, "No second factor is being set up. Load the page again.")
		}
		shared, err := g.unseal(s.Person.ID, pending)
		if err != nil {
			return err
		}
		step, ok := stepOf(shared, sent, g.now(), 0)
		if !ok {
			return errWrongCode
		}
		_, err = tx.Exec(ctx, `
			UPDATE people
			SET second_factor = second_factor_pending, second_factor_pending = NULL, second_factor_step = $2
			WHERE id = $1`, s.Person.ID, step)
		if err != nil {
			return err
		}
		if secret, err = g.rotate(ctx, tx, s.ID, setSecondFactor, g.now()); err != nil {
			return err
		}
		if err := g.forgive(ctx, tx, s.Person); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: s.Actor, Action: "second_factor.enrol", Object: object(s.Person.ID)})
	})
	if errors.Is(err, errWrongCode) {
		return "", g.refused(ctx, s.Person, left)
	}
	return secret, err
}

var errWrongCode = errors.New("wrong code")

// GiveCode is the second step of a sign-in; it returns the session's new
// secret.
func (g *Register) GiveCode(ctx context.Context, s *Session, sent string, from Where) (string, error) {
	if s == nil || !s.Person.HasSecondFactor {
		return "", fault.Denied
	}
	left, err := g.try(ctx, digest("account "+s.Person.Email), from)
	if err != nil {
		return "", err
	}
	yes, err := g.acceptCode(ctx, s.Person.ID, sent)
	if err != nil {
		return "", err
	}
	if !yes {
		return "", g.refused(ctx, s.Person, left)
	}
	var secret string
	err = postgres.InTx(ctx, g.DB, func(tx pgx.Tx) (err error) {
		if secret, err = g.rotate(ctx, tx, s.ID, setSecondFactor, g.now()); err != nil {
			return err
		}
		if err := g.forgive(ctx, tx, s.Person); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: s.Actor, Action: "session.second_factor", Object: object(s.Person.ID)})
	})
	return secret, err
}

// RemoveSecondFactor takes it away where no role demands it. The door asks
// for a step-up before.
func (g *Register) RemoveSecondFactor(ctx context.Context, s *Session) error {
	if s == nil || s.SecondFactorDue {
		return fault.Denied
	}
	if s.Person.MustHaveSecondFactor() {
		return fault.Say(fault.Conflict, "Release managers and administrators need a second factor. You can set up another one in its place.")
	}
	return postgres.InTx(ctx, g.DB, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE people SET second_factor = NULL, second_factor_pending = NULL WHERE id = $1`, s.Person.ID)
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: s.Actor, Action: "second_factor.remove", Object: object(s.Person.ID)})
	})
}

// acceptCode judges a code against the enrolled secret and uses its time step
// up, so that one seen over a shoulder is worth nothing.
func (g *Register) acceptCode(ctx context.Context, person int64, sent string) (yes bool, err error) {
	err = postgres.InTx(ctx, g.DB, func(tx pgx.Tx) error {
		var sealed []byte
		var last int64
		err := tx.QueryRow(ctx, `SELECT second_factor, second_factor_step FROM people WHERE id = $1 FOR UPDATE`, person).Scan(&sealed, &last)
		if err != nil || sealed == nil {
			return err
		}
		shared, err := g.unseal(person, sealed)
		if err != nil {
			return err
		}
		var step int64
		if step, yes = stepOf(shared, sent, g.now(), last); !yes {
			return nil
		}
		_, err = tx.Exec(ctx, `UPDATE people SET second_factor_step = $2 WHERE id = $1`, person, step)
		return err
	})
	return yes, err
}

// forgive forgets the tries that came before the right one.
func (g *Register) forgive(ctx context.Context, tx pgx.Tx, p Person) error {
	_, err := tx.Exec(ctx, `DELETE FROM sign_in_failures WHERE account_hash = $1`, digest("account "+p.Email))
	return err
}

// seal encrypts a second factor for one person: a row copied to another
// account does not open there.
func (g *Register) seal(person int64, plain []byte) ([]byte, error) {
	box, err := g.box()
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, box.NonceSize())
	rand.Read(nonce)
	return box.Seal(nonce, nonce, plain, []byte(object(person))), nil
}

func (g *Register) unseal(person int64, sealed []byte) ([]byte, error) {
	box, err := g.box()
	if err != nil {
		return nil, err
	}
	if len(sealed) < box.NonceSize() {
		return nil, fmt.Errorf("open a second factor of person %d: cut short", person)
	}
	plain, err := box.Open(nil, sealed[:box.NonceSize()], sealed[box.NonceSize():], []byte(object(person)))
	if err != nil {
		return nil, fmt.Errorf("open a second factor of person %d: sealed with another secret", person)
	}
	return plain, nil
}

func (g *Register) box() (cipher.AEAD, error) {
	if len(g.Secret) < 32 {
		return nil, fault.Say(fault.Unavailable, "Second factors cannot be kept: the installation has no secret to seal them with. Run “assay doctor”.")
	}
	key, err := hkdf.Key(sha256.New, g.Secret, nil, "assay second factor", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
