package signing

import (
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

// OpenNote returns the text of a note that one of the public keys signed. It
// returns fault.Invalid when none did, or the text was changed since.
func OpenNote(signed string, publicKeys ...string) (string, error) {
	var verifiers []note.Verifier
	for _, public := range publicKeys {
		verifier, err := note.NewVerifier(strings.TrimSpace(public))
		if err != nil {
			return "", fault.Say(fault.Invalid, "This is not a public key of the form name+id+key.")
		}
		verifiers = append(verifiers, verifier)
	}
	opened, err := note.Open([]byte(signed), note.VerifierList(verifiers...))
	var unverified *note.UnverifiedNoteError
	if errors.As(err, &unverified) {
		return "", fault.Say(fault.Invalid, "No given public key has signed this note.")
	}
	if err != nil {
		return "", fault.Say(fault.Invalid, "The note is not as it was signed.")
	}
	return opened.Text, nil
}
