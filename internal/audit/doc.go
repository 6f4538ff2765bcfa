// Package audit keeps who did what to which object, when and why, so that
// nobody can change it later without being found out.
//
//	the change's transaction        afterwards, in no one's way
//	┌──────────────────────┐
//	│ row   entry   job    │ ──▶ Sequence: leaf and HMAC ──▶ Checkpoint: signed root
//	└──────────────────────┘      behind the horizon          in the database and outside
//
// # Promise
//
// A change and its entry commit or fall together (Record). The program's role
// can only add. Verify names the first entry that is not as it was sealed; a
// bundle (Export) proves the same offline, with the public key alone.
//
// # Decisions
//
// Record needs no secret. The HMAC of an entry and its place in the tree are
// given by the sequencer, once the entry has committed. So no stage, no test
// and no short-lived command carries the key; the transaction of a change
// does one INSERT; and a rotation needs nobody's restart but the sequencer's.
// The price is a moment, the sequencer's interval, in which a committed entry
// is guarded only by the database's grants. Whoever can break those can as
// well write an entry of their own choosing at that moment, HMAC or not, so
// nothing is lost by it.
//
// No chain inside the transaction: one row that every change must update
// would cost two thirds of the throughput. The sequencer instead looks behind
// the snapshot horizon (entries whose transactions, and all before them, are
// over), so a slow transaction delays places but none is passed over. Leaves
// follow transactions, not ids.
//
// HMACs alone let every holder of the key forge the whole log, and tell
// nothing about a missing end. So leaves form a Merkle tree as in Certificate
// Transparency (RFC 6962, golang.org/x/mod/sumdb/tlog), whose root is signed
// with Ed25519 every hour and day. The checkpoints are written outside the
// database too: someone who owns the database and even the HMAC keys can
// rebuild the log, but not so that it contains the notes that lie elsewhere.
// Checkpoint refuses to sign a tree that does not contain the last one.
//
// Time and transaction are set by a trigger, never by the writer; an entry
// that says it is a day older than a checkpoint before it is bad. That check,
// and the time in a checkpoint, use the database's clock on both sides.
//
// Transaction numbers begin anew in a restored cluster. The sequencer notices
// that its mark lies in the future and takes every entry without a leaf.
//
// States before and after are kept as hashes only, so that erasing a person
// leaves an entry without the data. What may name a person is the actor and
// the reason; never put text of users or models into What.
//
// audit_batches is bookkeeping of the sequencer, not evidence.
//
// Read audit.go first, then leaf.go, sequence.go and verify.go.
package audit
