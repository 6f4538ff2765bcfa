package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"assay/internal/fault"
)

// Row is an entry as it is kept.
type Row struct {
	ID          int64     `json:"id"`
	Transaction uint64    `json:"xid"`
	At          time.Time `json:"at"` // by the database's clock, in microseconds
	ActorKind   string    `json:"actor_kind"`
	ActorID     int64     `json:"actor_id"`
	ActorName   string    `json:"actor_name"`
	ActorRoles  string    `json:"actor_roles"` // held then, comma-separated
	SteppedUp   time.Time `json:"stepped_up,omitzero"`
	Action      string    `json:"action"`
	Object      string    `json:"object"`
	What        string    `json:"what"`
	Reason      string    `json:"reason"`
	Before      string    `json:"before,omitempty"` // SHA-256 in hex; "" when there was nothing
	After       string    `json:"after,omitempty"`

	Leaf *int64 `json:"-"` // its place in the tree; nil while it waits for one
	Hash string `json:"-"` // of its leaf, in hex
}

// columns are what an entry is made of, in the order of its canonical bytes.
const columns = `id, xid, at, actor_kind, actor_id, actor_name, actor_roles, stepped_up, action, object, what, reason, before_hash, after_hash`

const columnCount = 14

// leafHeader begins the canonical bytes of every entry: the 0 that RFC 6962
// puts before a leaf, then the version of the form.
const leafHeader = "\x00assay audit entry v1\n"

// appendLeaf appends the canonical bytes of an entry, ready to be hashed: the
// header, then each column as PostgreSQL sends it in binary, after its length
// (four bytes, most significant first; all ones for NULL). Two different
// entries never give the same bytes.
func appendLeaf(to []byte, values [][]byte) []byte {
	to = append(to, leafHeader...)
	for _, value := range values {
		if value == nil {
			to = append(to, 0xff, 0xff, 0xff, 0xff)
			continue
		}
		to = binary.BigEndian.AppendUint32(to, uint32(len(value)))
		to = append(to, value...)
	}
	return to
}

// leafHash is RFC 6962's: of bytes that begin with 0.
func leafHash(leaf []byte) tlog.Hash { return sha256.Sum256(leaf) }

// epoch is where PostgreSQL counts microseconds from.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

func putInt(to []byte, n int64) { binary.BigEndian.PutUint64(to, uint64(n)) }

func integer(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

func microseconds(at time.Time) []byte {
	if at.IsZero() {
		return nil
	}
	return integer(at.UnixMicro() - epoch)
}

func timeOf(raw []byte) time.Time {
	if raw == nil {
		return time.Time{}
	}
	return time.UnixMicro(int64(binary.BigEndian.Uint64(raw)) + epoch).UTC()
}

// rowOf reads an entry from its columns in binary.
func rowOf(values [][]byte) Row {
	number := func(i int) int64 { return int64(binary.BigEndian.Uint64(values[i])) }
	return Row{
		ID: number(0), Transaction: uint64(number(1)), At: timeOf(values[2]),
		ActorKind: string(values[3]), ActorID: number(4), ActorName: string(values[5]), ActorRoles: string(values[6]),
		SteppedUp: timeOf(values[7]), Action: string(values[8]), Object: string(values[9]), What: string(values[10]),
		Reason: string(values[11]), Before: hex.EncodeToString(values[12]), After: hex.EncodeToString(values[13]),
	}
}

// leaf returns the canonical bytes of the entry, from nothing but what it
// says, as a bundle's verifier must.
func (r Row) leaf() ([]byte, error) {
	before, err := hashBytes(r.Before)
	if err != nil {
		return nil, err
	}
	after, err := hashBytes(r.After)
	if err != nil {
		return nil, err
	}
	return appendLeaf(nil, [][]byte{
		integer(r.ID), integer(int64(r.Transaction)), microseconds(r.At),
		[]byte(r.ActorKind), integer(r.ActorID), []byte(r.ActorName), []byte(r.ActorRoles), microseconds(r.SteppedUp),
		[]byte(r.Action), []byte(r.Object), []byte(r.What), []byte(r.Reason), before, after,
	}), nil
}

func hashBytes(text string) ([]byte, error) {
	if text == "" {
		return nil, nil
	}
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != sha256.Size || text != strings.ToLower(text) {
		return nil, fmt.Errorf("the hash %q: %w", text, fault.Invalid)
	}
	return raw, nil
}
