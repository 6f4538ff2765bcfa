package audit

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"sync"
	"time"

	"assay/internal/fault"
	"assay/internal/keyfile"
)

// Keys is the ring of HMAC keys that seal entries. The newest one seals, all
// of them verify. It is safe for concurrent use.
//
// The ring lies in a directory of its own, apart from the database and from
// the keys that sign checkpoints; rotations.log beside the keys says when
// each one came.
type Keys struct {
	dir string // "" for a ring in memory

	mu   sync.Mutex
	keys []key // oldest first
}

type key struct {
	id     string
	secret []byte
}

const keyBytes = 32

// NewKeys makes a ring with one fresh key that lives in memory only, for
// tests.
func NewKeys() *Keys {
	k := &Keys{}
	k.keys = append(k.keys, freshKey())
	return k
}

// OpenKeys loads the ring from dir, which it makes, with a first key, when
// there is none. It refuses a key that others than its owner may read.
func OpenKeys(dir string) (*Keys, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open the audit keys: %w", err)
	}
	k := &Keys{dir: dir}
	if err := k.load(); err != nil {
		return nil, err
	}
	if len(k.keys) > 0 {
		return k, nil
	}
	if _, err := k.rotate(time.Now()); err != nil {
		return nil, err
	}
	return k, k.load()
}

func freshKey() key {
	secret := make([]byte, keyBytes)
	rand.Read(secret) // never fails
	return keyOf(secret)
}

// keyOf names a key by a hash of itself, which tells nothing about it.
func keyOf(secret []byte) key {
	sum := sha256.Sum256(append([]byte("assay audit key "), secret...))
	return key{id: hex.EncodeToString(sum[:4]), secret: secret}
}

func (k *Keys) load() error {
	files, err := keyfile.List(k.dir, ".mac")
	if err != nil {
		return err
	}
	var keys []key
	for _, file := range files {
		read, err := readKey(file)
		if err != nil {
			return err
		}
		keys = append(keys, read)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keys = keys
	return nil
}

func readKey(file string) (key, error) {
	text, err := keyfile.Read(file, "audit key")
	if err != nil {
		return key{}, err
	}
	secret, err := hex.DecodeString(text)
	if err != nil || len(secret) != keyBytes {
		return key{}, fault.Say(fault.Invalid, "%s is not an audit key.", file)
	}
	return keyOf(secret), nil
}

// rotate adds a fresh key, which seals from now on.
func (k *Keys) rotate(now time.Time) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	fresh := freshKey()
	if k.dir != "" {
		if err := k.write(fresh, now); err != nil {
			return "", fmt.Errorf("keep the audit key %s: %w", fresh.id, err)
		}
	}
	k.keys = append(k.keys, fresh)
	return fresh.id, nil
}

func (k *Keys) write(fresh key, now time.Time) error {
	name, err := keyfile.Next(k.dir, ".mac", fresh.id)
	if err != nil {
		return err
	}
	if err := keyfile.WriteOnce(name+".mac", hex.EncodeToString(fresh.secret)+"\n", 0o600); err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(k.dir, "rotations.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(log, "%s %s\n", now.UTC().Format(time.RFC3339), fresh.id)
	return errors.Join(err, log.Close())
}

func (k *Keys) current() key {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.keys[len(k.keys)-1]
}

// find returns the key of that id, looking into the directory again for one
// that another program has added since.
func (k *Keys) find(id string) (key, bool) {
	if found, ok := k.known(id); ok || k.dir == "" {
		return found, ok
	}
	if k.load() != nil {
		return key{}, false
	}
	return k.known(id)
}

func (k *Keys) known(id string) (key, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, candidate := range k.keys {
		if candidate.id == id {
			return candidate, true
		}
	}
	return key{}, false
}

// seals computes HMACs of leaves. It keeps one hash per key, since making
// one costs more than using it.
type seals map[string]hash.Hash

// of returns the HMAC of a leaf: its place in the tree, then its bytes.
func (s seals) of(k key, leaf int64, data []byte) [sha256.Size]byte {
	mac, ok := s[k.id]
	if !ok {
		mac = hmac.New(sha256.New, k.secret)
		s[k.id] = mac
	}
	mac.Reset()
	var place [8]byte
	putInt(place[:], leaf)
	mac.Write(place[:])
	mac.Write(data)
	var sum [sha256.Size]byte
	mac.Sum(sum[:0])
	return sum
}
