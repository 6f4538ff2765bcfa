package signing

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"sync"

	"golang.org/x/mod/sumdb/note"

	"assay/internal/fault"
	"assay/internal/keyfile"
)

// Keys is the ring of one installation. It is safe for concurrent use.
type Keys struct {
	name string
	dir  string // "" for a ring in memory

	mu    sync.RWMutex
	pairs []pair // oldest first; the last one signs
}

type pair struct {
	private string // "PRIVATE+KEY+…"
	public  string // "assay+1a2b3c4d+A…"
}

func (p pair) id() string { return strings.SplitN(p.public, "+", 3)[1] }

// Signature is a proof kept beside the data it signs.
type Signature struct {
	KeyID string `json:"key_id"`
	Value string `json:"signature"` // base64 of the 64 bytes
}

// New makes a ring with one fresh pair that lives in memory only, for tests.
// The name is the signer's, without spaces and plus signs.
func New(name string) (*Keys, error) {
	k := &Keys{name: name}
	_, err := k.Rotate()
	return k, err
}

// Open loads the ring from dir, which it makes, with a first pair, when there
// is none. It refuses a private key that others than its owner may read.
func Open(dir, name string) (*Keys, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open the signing keys: %w", err)
	}
	k := &Keys{name: name, dir: dir}
	if err := k.load(); err != nil {
		return nil, err
	}
	if len(k.pairs) > 0 {
		return k, nil
	}
	if _, err := k.Rotate(); err != nil {
		return nil, err
	}
	// Two programs that started at once both made a pair: read what is there.
	return k, k.load()
}

// load reads every pair of the directory.
func (k *Keys) load() error {
	files, err := keyfile.List(k.dir, ".key")
	if err != nil {
		return err
	}
	var pairs []pair
	for _, file := range files {
		p, err := read(file, k.name)
		if err != nil {
			return err
		}
		pairs = append(pairs, p)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pairs = pairs
	return nil
}

func read(file, name string) (pair, error) {
	private, err := keyfile.Read(file, "signing key")
	if err != nil {
		return pair{}, err
	}
	public, err := publicOf(private)
	if err != nil || !strings.HasPrefix(public, name+"+") {
		return pair{}, fault.Say(fault.Invalid, "%s is not a signing key of %s.", file, name)
	}
	return pair{private, public}, nil
}

// publicOf derives the public line from the private one.
func publicOf(private string) (string, error) {
	signer, err := note.NewSigner(private)
	if err != nil {
		return "", err
	}
	seed, err := seedOf(private)
	if err != nil {
		return "", err
	}
	return note.NewEd25519VerifierKey(signer.Name(), seed.Public().(ed25519.PublicKey))
}

// seedOf reads the private key itself: PRIVATE+KEY+name+id+base64(1, seed).
func seedOf(private string) (ed25519.PrivateKey, error) {
	fields := strings.SplitN(private, "+", 5)
	if len(fields) != 5 {
		return nil, fault.Invalid
	}
	raw, err := base64.StdEncoding.DecodeString(fields[4])
	if err != nil || len(raw) != 1+ed25519.SeedSize {
		return nil, fault.Invalid
	}
	return ed25519.NewKeyFromSeed(raw[1:]), nil
}

// Rotate adds a fresh pair, which signs from now on, and returns its id.
func (k *Keys) Rotate() (string, error) {
	private, public, err := note.GenerateKey(rand.Reader, k.name)
	if err != nil {
		return "", fmt.Errorf("make a signing key: %w", err)
	}
	p := pair{private, public}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.dir != "" {
		if err := k.write(p); err != nil {
			return "", fmt.Errorf("keep the signing key %s: %w", p.id(), err)
		}
	}
	k.pairs = append(k.pairs, p)
	return p.id(), nil
}

func (k *Keys) write(p pair) error {
	name, err := keyfile.Next(k.dir, ".key", p.id())
	if err != nil {
		return err
	}
	if err := keyfile.WriteOnce(name+".key", p.private+"\n", 0o600); err != nil {
		return err
	}
	return keyfile.WriteOnce(name+".pub", p.public+"\n", 0o644)
}

func (k *Keys) current() pair {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.pairs[len(k.pairs)-1]
}

// Name is the signer's.
func (k *Keys) Name() string { return k.name }

// KeyID is the id of the key that signs now.
func (k *Keys) KeyID() string { return k.current().id() }

// Public is the public key that signs now, one line of text.
func (k *Keys) Public() string { return k.current().public }

// PublicKeys lists every public key the ring ever had, oldest first.
func (k *Keys) PublicKeys() []string {
	k.mu.RLock()
	defer k.mu.RUnlock()
	list := make([]string, len(k.pairs))
	for i, p := range k.pairs {
		list[i] = p.public
	}
	return list
}

// Sign signs the message for one purpose, "approval" say, and no other.
func (k *Keys) Sign(purpose string, message []byte) Signature {
	p := k.current()
	seed, err := seedOf(p.private)
	if err != nil {
		panic("signing: a key that was read cannot be read again")
	}
	value := ed25519.Sign(seed, signedBytes(purpose, message))
	return Signature{KeyID: p.id(), Value: base64.StdEncoding.EncodeToString(value)}
}

// Verify checks a signature by any key of the ring. It returns fault.Invalid
// when it is not one of ours over this message for this purpose.
func (k *Keys) Verify(purpose string, message []byte, s Signature) error {
	for _, public := range k.PublicKeys() {
		if strings.SplitN(public, "+", 3)[1] == s.KeyID {
			return Verify(public, purpose, message, s)
		}
	}
	return fault.Say(fault.Invalid, "The signature is by a key that is not known here.")
}

// Verify checks a signature with nothing but the text of a public key. It
// returns fault.Invalid when the key cannot be read, is another one, or the
// signature is not over this message for this purpose.
func Verify(public, purpose string, message []byte, s Signature) error {
	if _, err := note.NewVerifier(public); err != nil {
		return fault.Say(fault.Invalid, "This is not a public key of the form name+id+key.")
	}
	fields := strings.SplitN(public, "+", 3)
	if fields[1] != s.KeyID {
		return fault.Say(fault.Invalid, "The signature is by key %s, not by %s.", s.KeyID, fields[1])
	}
	raw, err := base64.StdEncoding.DecodeString(fields[2])
	if err != nil || len(raw) != 1+ed25519.PublicKeySize {
		return fault.Say(fault.Invalid, "This is not a public key of the form name+id+key.")
	}
	value, err := base64.StdEncoding.Strict().DecodeString(s.Value)
	if err != nil || len(value) != ed25519.SignatureSize || !ed25519.Verify(raw[1:], signedBytes(purpose, message), value) {
		return fault.Say(fault.Invalid, "The signature does not match: something was changed after it was signed.")
	}
	return nil
}

// signedBytes is what is really signed. It begins unlike any note, so that a
// signature can never pass as one of the other kind.
func signedBytes(purpose string, message []byte) []byte {
	return Canonical([]byte("assay signature v1"), []byte(purpose), message)
}

// Canonical joins fields into bytes that no other list of fields gives: each
// field after its length, eight bytes, most significant first.
func Canonical(fields ...[]byte) []byte {
	var out []byte
	for _, field := range fields {
		out = binary.BigEndian.AppendUint64(out, uint64(len(field)))
		out = append(out, field...)
	}
	return out
}
