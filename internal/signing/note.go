package signing

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"assay/internal/fault"
)

// SignNote returns the text with the signature of the current key below it.
// The text says in its first line what it is, and must end with a line break;
// fault.Invalid if it cannot be a note.
func (k *Keys) SignNote(text string) (string, error) {
	signer, err := note.NewSigner(k.current().private)
	if err != nil {
		return "", err
	}
	signed, err := note.Sign(&note.Note{Text: text}, signer)
	if err != nil {
		return "", fmt.Errorf("sign the note: %v: %w", err, fault.Invalid)
	}
	return string(signed), nil
}

// Countersign adds the signature of the current key to a note that a key of
// the ring has signed, so that the newest public key alone verifies it. It
// returns fault.Invalid for any other note.
func (k *Keys) Countersign(signed string) (string, error) {
	verifiers, err := verifiersOf(k.PublicKeys())
	if err != nil {
		return "", err
	}
	opened, err := note.Open([]byte(signed), verifiers)
	if err != nil {
		return "", fault.Say(fault.Invalid, "The note is not one that was signed here.")
	}
	signer, err := note.NewSigner(k.current().private)
	if err != nil {
		return "", err
	}
	again, err := note.Sign(opened, signer)
	if err != nil {
		return "", fmt.Errorf("countersign the note: %v: %w", err, fault.Invalid)
	}
	return string(again), nil
}

// OpenNote returns the text of a note that one of the public keys signed. It
// returns fault.Invalid when none did, or the text was changed since.
func OpenNote(signed string, publicKeys ...string) (string, error) {
	verifiers, err := verifiersOf(publicKeys)
	if err != nil {
		return "", err
	}
	if !strings.Contains(signed, "\n\n") || !strict(signed) {
		return "", fault.Say(fault.Invalid, "The note is not as it was signed.")
	}
	opened, err := note.Open([]byte(signed), verifiers)
	var unverified *note.UnverifiedNoteError
	if errors.As(err, &unverified) {
		return "", fault.Say(fault.Invalid, "No given public key has signed this note.")
	}
	if err != nil {
		return "", fault.Say(fault.Invalid, "The note is not as it was signed.")
	}
	return opened.Text, nil
}

// strict reports whether every signature is written as it was: the last
// character of base64 has bits that mean nothing, and a note in which they
// were changed would pass as another file with the same signature.
func strict(signed string) bool {
	end := strings.LastIndex(signed, "\n\n") // the text may have empty lines
	for line := range strings.Lines(signed[end+2:]) {
		value := strings.TrimSuffix(line[strings.LastIndexByte(line, ' ')+1:], "\n")
		if _, err := base64.StdEncoding.Strict().DecodeString(value); err != nil {
			return false
		}
	}
	return true
}

func verifiersOf(publicKeys []string) (note.Verifiers, error) {
	var list []note.Verifier
	for _, public := range publicKeys {
		verifier, err := note.NewVerifier(strings.TrimSpace(public))
		if err != nil {
			return nil, fault.Say(fault.Invalid, "This is not a public key of the form name+id+key.")
		}
		list = append(list, verifier)
	}
	return note.VerifierList(list...), nil
}
