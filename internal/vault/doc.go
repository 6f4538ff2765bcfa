// Package vault keeps raw text under governance: sealed, opened with a reason
// and an entry in the audit, shredded for good.
//
//	plaintext ──AES-256-GCM, a data key each──▶ vault_payloads.ciphertext
//	data key  ──key-encryption key (KEK)──────▶ vault_keys.wrapped
//	KEK                                         outside: a local keyset, or a KMS
//
// # Promise
//
// Whoever has the database, or a backup of it, reads nothing: the KEK is not
// in it. What was sealed opens only as what it was sealed as: the event, the
// field, the person and the payload's own id are bound to both encryptions,
// so a ciphertext moved to another row, or asked for under another name, does
// not open. Shredding deletes the data key and empties the payload.
//
// # Decisions
//
// The data keys lie in a table of their own, so that a backup can leave them
// out. One that did not still holds a shredded payload's wrapped key, as do
// dead rows until VACUUM and the write-ahead log until it is recycled. They
// end with the KEK: Rotate the keyset, Rewrap what lives, Retire the old key;
// after that no copy opens any more. How often that is done is how long an
// erased text can still be brought back from a copy.
//
// Sealing and retiring exclude each other by an advisory lock, so that no
// payload is ever wrapped with a key that is being retired.
//
// The local KEK is a keyset of Tink in a file of mode 0600, in a directory
// that belongs into no backup together with the database. Any KMS does as
// well: KEK has three methods.
//
// Consent, reading grants and the second person of a reveal are decided by
// the stages; the vault demands a reason and writes the entry.
package vault
