// Package signing holds the installation's Ed25519 keys and signs what must
// be checked by others, offline, with a public key alone: audit checkpoints,
// approvals, gate evidence, certificates.
//
// A public key is one line of text, "assay+1a2b3c4d+A…", in the form of
// golang.org/x/mod/sumdb/note: the name of the signer, the key's id, the key.
// A signed note is text with its signatures below it, readable by people; a
// Signature is the same kind of proof kept beside the data.
//
// Private keys lie one per file (0600) in a directory (0700) that belongs
// neither into the database nor into its backups. Rotating adds a pair; old
// public keys stay, so that what was signed once verifies forever. The newest
// pair signs.
//
// Every signature states its purpose, and is worth nothing for another: an
// approval can never pass as a checkpoint.
package signing
