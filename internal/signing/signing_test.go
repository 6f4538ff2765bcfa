package signing_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"assay/internal/fault"
	"assay/internal/signing"
)

func open(t *testing.T, dir string) *signing.Keys {
	t.Helper()
	keys, err := signing.Open(dir, "assay")
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestASignatureVerifiesWithThePublicKeyAlone(t *testing.T) {
	keys := open(t, t.TempDir())
	message := []byte("evidence c07e, decision approve")
	s := keys.Sign("approval", message)
	if err := signing.Verify(keys.Public(), "approval", message, s); err != nil {
		t.Fatal(err)
	}
	other, err := signing.New("assay")
	if err != nil {
		t.Fatal(err)
	}
	forged := other.Sign("approval", message)
	forged.KeyID = keys.KeyID()
	for name, err := range map[string]error{
		"another message":     signing.Verify(keys.Public(), "approval", []byte("evidence c07f, decision approve"), s),
		"another purpose":     signing.Verify(keys.Public(), "certificate", message, s),
		"another key":         signing.Verify(other.Public(), "approval", message, s),
		"a forged signature":  signing.Verify(keys.Public(), "approval", message, forged),
		"no key":              signing.Verify("assay+00+AAAA", "approval", message, s),
		"no signature":        signing.Verify(keys.Public(), "approval", message, signing.Signature{KeyID: keys.KeyID()}),
		"an unknown key":      keys.Verify("approval", message, signing.Signature{KeyID: "00000000", Value: s.Value}),
		"a truncated message": keys.Verify("approval", message[:len(message)-1], s),
	} {
		if !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: want invalid, got %v", name, err)
		}
	}
}

func TestKeysOutliveTheProgramAndRotate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	keys := open(t, dir)
	message := []byte("signed before the rotation")
	s := keys.Sign("approval", message)
	first := keys.KeyID()
	second, err := keys.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	if second == first || keys.KeyID() != second {
		t.Errorf("want the new key %s to sign, got %s", second, keys.KeyID())
	}
	again := open(t, dir)
	if again.KeyID() != second {
		t.Errorf("after a restart: want %s to sign, got %s", second, again.KeyID())
	}
	if err := again.Verify("approval", message, s); err != nil {
		t.Errorf("what the old key signed: %v", err)
	}
	if want, got := 2, len(again.PublicKeys()); want != got {
		t.Errorf("want %d public keys, got %d", want, got)
	}
}

func TestPrivateKeysAreForTheirOwnerAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	open(t, dir)
	files, _ := filepath.Glob(filepath.Join(dir, "*.key"))
	if len(files) != 1 {
		t.Fatalf("want one private key, got %v", files)
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, files[0]: 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); want != got {
			t.Errorf("%s: want mode %o, got %o", path, want, got)
		}
	}
	if err := os.Chmod(files[0], 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := signing.Open(dir, "assay"); !errors.Is(err, fault.Invalid) {
		t.Errorf("a key that others may read: want it refused, got %v", err)
	}
}

func TestTwoProgramsThatStartAtOnceAgree(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	ring := make([]*signing.Keys, 8)
	var wg sync.WaitGroup
	for i := range ring {
		wg.Go(func() { ring[i], _ = signing.Open(dir, "assay") })
	}
	wg.Wait()
	last := open(t, dir)
	for i, keys := range ring {
		if keys == nil {
			t.Fatalf("program %d has no keys", i)
		}
		if err := last.Verify("approval", []byte("x"), keys.Sign("approval", []byte("x"))); err != nil {
			t.Errorf("program %d signs with a key that the ring does not know: %v", i, err)
		}
	}
}

func TestANoteIsTextWithItsSignature(t *testing.T) {
	keys := open(t, t.TempDir())
	text := "assay certificate\n\nhandoff 17\n"
	signed, err := keys.SignNote(text)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(signed, text) {
		t.Errorf("the text cannot be read in the note:\n%s", signed)
	}
	got, err := signing.OpenNote(signed, keys.Public())
	if err != nil || got != text {
		t.Errorf("want %q, got %q, %v", text, got, err)
	}
	other, _ := signing.New("assay")
	if _, err := signing.OpenNote(signed, other.Public()); !errors.Is(err, fault.Invalid) {
		t.Errorf("another public key: want invalid, got %v", err)
	}
	if _, err := signing.OpenNote(strings.Replace(signed, "17", "18", 1), keys.Public()); !errors.Is(err, fault.Invalid) {
		t.Errorf("a changed text: want invalid, got %v", err)
	}
	last := strings.LastIndexByte(signed, '=') - 1 // a character of which some bits mean nothing
	if _, err := signing.OpenNote(signed[:last]+string(signed[last]+1)+signed[last+1:], keys.Public()); !errors.Is(err, fault.Invalid) {
		t.Errorf("a signature written otherwise: want invalid, got %v", err)
	}
	if _, err := signing.OpenNote("no note at all", keys.Public()); !errors.Is(err, fault.Invalid) {
		t.Errorf("no note: want invalid, got %v", err)
	}
	if _, err := keys.SignNote("no line break at the end"); !errors.Is(err, fault.Invalid) {
		t.Errorf("want invalid, got %v", err)
	}
}

func TestTheNewestKeyAloneVerifiesACountersignedNote(t *testing.T) {
	keys := open(t, t.TempDir())
	old := keys.Public()
	signed, err := keys.SignNote("assay certificate\nhandoff 17\n")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Rotate(); err != nil {
		t.Fatal(err)
	}
	if _, err := signing.OpenNote(signed, keys.Public()); err == nil {
		t.Error("the newest key verifies what it never signed")
	}
	both, err := keys.Countersign(signed)
	if err != nil {
		t.Fatal(err)
	}
	for _, public := range []string{old, keys.Public()} {
		if _, err := signing.OpenNote(both, public); err != nil {
			t.Errorf("with %s: %v", public, err)
		}
	}
	other, _ := signing.New("assay")
	foreign, _ := other.SignNote("assay certificate\nhandoff 18\n")
	if _, err := keys.Countersign(foreign); !errors.Is(err, fault.Invalid) {
		t.Errorf("a note of someone else: want invalid, got %v", err)
	}
}

func TestANoteNeverPassesAsASignature(t *testing.T) {
	keys := open(t, t.TempDir())
	text := "assay audit\n5\n"
	signed, err := keys.SignNote(text)
	if err != nil {
		t.Fatal(err)
	}
	line := signed[strings.LastIndex(signed, " ")+1:]
	if err := keys.Verify("audit", []byte(text), signing.Signature{KeyID: keys.KeyID(), Value: strings.TrimSpace(line)}); err == nil {
		t.Error("the signature of a note was taken for one beside data")
	}
}

func TestCanonicalBytesKeepFieldsApart(t *testing.T) {
	if bytes.Equal(signing.Canonical([]byte("ab"), []byte("c")), signing.Canonical([]byte("a"), []byte("bc"))) {
		t.Error("two lists of fields give the same bytes")
	}
	if bytes.Equal(signing.Canonical(nil, []byte("a")), signing.Canonical([]byte("a"), nil)) {
		t.Error("an empty field has no place")
	}
}
