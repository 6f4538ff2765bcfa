package vault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"assay/internal/fault"
)

// Keyset is a KEK in a file: a keyset of Tink, AES-256-GCM keys of which the
// primary wraps and all unwrap. It is safe for concurrent use, also by several
// programs on one directory: each reads the file again when it has changed.
type Keyset struct {
	file string

	mu     sync.Mutex
	read   os.FileInfo // the file that was read
	handle *keyset.Handle
	wraps  tink.AEAD
}

const keysetFile = "kek.json"

// OpenKeyset loads the keyset from dir, which it makes, with a first key,
// when there is none. It refuses a file that others than its owner may read.
func OpenKeyset(dir string) (*Keyset, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open the keyset: %w", err)
	}
	k := &Keyset{file: filepath.Join(dir, keysetFile)}
	err := k.change(func(*keyset.Handle) (*keyset.Handle, error) {
		if _, err := os.Stat(k.file); err == nil {
			return nil, nil
		}
		return keyset.NewHandle(aead.AES256GCMKeyTemplate())
	})
	if err != nil {
		return nil, fmt.Errorf("open the keyset: %w", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k, k.refresh()
}

// change lets one program at a time replace the file. The act gets the
// present keyset, nil when there is none, and returns the next one, or nil to
// leave it.
func (k *Keyset) change(act func(now *keyset.Handle) (*keyset.Handle, error)) error {
	lock, err := os.OpenFile(k.file+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.refresh(); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	next, err := act(k.handle)
	if err != nil || next == nil {
		return err
	}
	if err := k.replace(next); err != nil {
		return err
	}
	k.read = nil
	return k.refresh()
}

// replace writes the file whole or not at all.
func (k *Keyset) replace(next *keyset.Handle) error {
	var text bytes.Buffer
	if err := insecurecleartextkeyset.Write(next, keyset.NewJSONWriter(&text)); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(k.file), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, err = file.Write(text.Bytes())
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), k.file)
}

// refresh reads the file if it has changed; the caller holds mu.
func (k *Keyset) refresh() error {
	info, err := os.Stat(k.file)
	if err != nil {
		return err
	}
	if k.read != nil && os.SameFile(info, k.read) && info.ModTime().Equal(k.read.ModTime()) {
		return nil
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fault.Say(fault.Invalid, "The keyset %s may be read by others; give it mode 0600.", k.file)
	}
	text, err := os.ReadFile(k.file)
	if err != nil {
		return err
	}
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(text)))
	if err != nil {
		return fault.Say(fault.Invalid, "%s is not a keyset.", k.file)
	}
	wraps, err := aead.New(handle)
	if err != nil {
		return fmt.Errorf("use the keyset: %w", err)
	}
	k.read, k.handle, k.wraps = info, handle, wraps
	return nil
}

func (k *Keyset) current() (*keyset.Handle, tink.AEAD, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.refresh(); err != nil {
		return nil, nil, fmt.Errorf("read the keyset: %w", err)
	}
	return k.handle, k.wraps, nil
}

// ID names the key that wraps now.
func (k *Keyset) ID() (string, error) {
	handle, _, err := k.current()
	if err != nil {
		return "", err
	}
	return primary(handle)
}

func primary(handle *keyset.Handle) (string, error) {
	entry, err := handle.Primary()
	if err != nil {
		return "", err
	}
	return name(entry.KeyID()), nil
}

func name(id uint32) string { return strconv.FormatUint(uint64(id), 16) }

// Wrap encrypts a data key.
func (k *Keyset) Wrap(_ context.Context, dataKey, bound []byte) (id string, wrapped []byte, err error) {
	handle, wraps, err := k.current()
	if err != nil {
		return "", nil, err
	}
	if id, err = primary(handle); err != nil {
		return "", nil, err
	}
	wrapped, err = wraps.Encrypt(dataKey, bound)
	return id, wrapped, err
}

// Unwrap decrypts a data key. fault.NotFound when the key that wrapped it is
// gone, fault.Conflict when it was wrapped for something else or changed.
func (k *Keyset) Unwrap(_ context.Context, id string, wrapped, bound []byte) ([]byte, error) {
	handle, wraps, err := k.current()
	if err != nil {
		return nil, err
	}
	if !holds(handle, id) {
		return nil, fmt.Errorf("the key %s is gone: %w", id, fault.NotFound)
	}
	dataKey, err := wraps.Decrypt(wrapped, bound)
	if err != nil {
		return nil, fmt.Errorf("the data key does not open here: %w", fault.Conflict)
	}
	return dataKey, nil
}

func holds(handle *keyset.Handle, id string) bool {
	for i := range handle.Len() {
		if entry, err := handle.Entry(i); err == nil && name(entry.KeyID()) == id {
			return true
		}
	}
	return false
}

// Rotate adds a key, which wraps from now on, and returns its id. Older ones
// go on unwrapping until they are retired.
func (k *Keyset) Rotate() (string, error) {
	err := k.change(func(now *keyset.Handle) (*keyset.Handle, error) {
		manager := keyset.NewManagerFromHandle(now)
		id, err := manager.Add(aead.AES256GCMKeyTemplate())
		if err != nil {
			return nil, err
		}
		if err := manager.SetPrimary(id); err != nil {
			return nil, err
		}
		return manager.Handle()
	})
	if err != nil {
		return "", fmt.Errorf("rotate the keyset: %w", err)
	}
	return k.ID()
}

// drop forgets every key but the one that wraps now.
func (k *Keyset) drop() (int, error) {
	dropped := 0
	err := k.change(func(now *keyset.Handle) (*keyset.Handle, error) {
		wrapping, err := now.Primary()
		if err != nil {
			return nil, err
		}
		manager := keyset.NewManagerFromHandle(now)
		for i := range now.Len() {
			entry, err := now.Entry(i)
			if err != nil {
				return nil, err
			}
			if entry.KeyID() == wrapping.KeyID() {
				continue
			}
			if err := manager.Delete(entry.KeyID()); err != nil {
				return nil, err
			}
			dropped++
		}
		return manager.Handle()
	})
	return dropped, err
}
