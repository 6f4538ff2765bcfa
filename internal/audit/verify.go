package audit

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/tlog"

	"assay/internal/auth"
	"assay/internal/fault"
)

// Report is what a verification found.
type Report struct {
	Entries     int64 // in the tree
	Waiting     int64 // committed, without a leaf as yet
	Root        string
	Checkpoints int       // inside and outside, all of them met
	Newest      time.Time // of the newest checkpoint; zero when there is none
	Took        time.Duration
	Bad         *Bad // the first thing that is wrong; nil when the log is whole
}

// Bad is the first entry that is not as it was sealed.
type Bad struct {
	Entry  int64 // 0 when no single entry can be named
	Leaf   int64 // -1 when it has none
	Reason string
}

func (b *Bad) String() string {
	switch {
	case b.Entry > 0:
		return fmt.Sprintf("entry %d: %s", b.Entry, b.Reason)
	case b.Leaf >= 0:
		return fmt.Sprintf("leaf %d: %s", b.Leaf, b.Reason)
	}
	return b.Reason
}

// backdating is how much older than a checkpoint before it an entry may say
// it is; transactions do not stay open that long.
const backdating = 24 * time.Hour

// Verify computes the whole tree anew from the entries and compares it with
// the leaves, the HMACs, the stored nodes and every signed checkpoint inside
// and outside the database. It names the first bad entry and returns an error
// only when it could not look.
func (l *Log) Verify(ctx context.Context, actor auth.Actor) (Report, error) {
	if err := actor.Require(auth.ReadAudit); err != nil {
		return Report{}, err
	}
	began := time.Now()
	report, err := l.verify(ctx)
	report.Took = time.Since(began)
	if err != nil {
		return report, fmt.Errorf("verify the audit: %w", err)
	}
	return report, nil
}

func (l *Log) verify(ctx context.Context) (Report, error) {
	var report Report
	at, err := treeState(ctx, l.DB)
	if err != nil {
		return report, err
	}
	known, err := l.checkpoints(ctx)
	if errors.Is(err, fault.Conflict) {
		report.Bad = &Bad{Leaf: -1, Reason: err.Error()}
		known = nil // go on: a bad entry says more than a bad checkpoint
	} else if err != nil {
		return report, err
	}
	check := verifier{log: l, tree: &frontier{}, known: known, seals: seals{}, keys: map[string]key{}}
	bad, err := check.run(ctx, at.size)
	if err != nil {
		return report, err
	}
	report.Entries, report.Root, report.Checkpoints = check.tree.size, check.tree.root().String(), len(known)-len(check.known)
	if len(known) > 0 {
		report.Newest = known[len(known)-1].At
	}
	if bad == nil && report.Bad == nil {
		bad, err = l.outsideTree(ctx, at)
		if err != nil {
			return report, err
		}
	}
	if bad != nil {
		report.Bad = bad
	}
	report.Waiting, err = l.waitingNow(ctx, at)
	return report, err
}

// verifier walks the leaves in order with a growing tree.
type verifier struct {
	log   *Log
	tree  *frontier
	known []Checkpoint // still to be met, by size
	last  Checkpoint   // the newest one met
	seals seals
	keys  map[string]key
}

// chunkLeaves is how many leaves are read at once.
const chunkLeaves = 8192

func (v *verifier) run(ctx context.Context, size int64) (*Bad, error) {
	ctx, stop := context.WithCancel(ctx)
	chunks := make(chan chunk, 2)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(chunks)
		for from := int64(0); from < size; from += chunkLeaves {
			c := v.log.readChunk(ctx, from, min(size, from+chunkLeaves))
			select {
			case chunks <- c:
			case <-ctx.Done():
				return
			}
			if c.err != nil {
				return
			}
		}
	}()
	defer func() { stop(); <-done }() // the connection is free again when we return
	if bad := v.meet(); bad != nil {
		return bad, nil
	}
	for c := range chunks {
		if c.err != nil {
			return nil, c.err
		}
		if bad := v.chunk(c); bad != nil {
			return bad, nil
		}
	}
	if len(v.known) > 0 {
		c := v.known[0]
		return &Bad{Leaf: v.tree.size, Reason: fmt.Sprintf("leaves are gone: a checkpoint signed at %s counts %d, there are %d",
			c.At.Format(time.RFC3339), c.Size, v.tree.size)}, nil
	}
	return nil, ctx.Err()
}

// chunk is a stretch of the log as it is stored.
type chunk struct {
	from   int64
	leaves []storedLeaf
	bytes  []byte // canonical bytes of the entries
	nodes  []byte // hashes from position first on
	first  int64
	err    error
}

type storedLeaf struct {
	leaf, entry int64
	keyID       string
	mac         [32]byte
	at          int64 // the entry's time, microseconds since the epoch of PostgreSQL
	start, end  int   // of the entry's bytes; equal when the entry is gone
}

// readChunk reads leaves, entries and nodes from leaf from to leaf to.
func (l *Log) readChunk(ctx context.Context, from, to int64) chunk {
	c := chunk{from: from, leaves: make([]storedLeaf, 0, to-from)}
	rows, err := l.DB.Query(ctx, `SELECT leaf, entry_id, key_id, mac FROM audit_leaves WHERE leaf >= $1 AND leaf < $2 ORDER BY leaf`,
		binaryColumns[:4], from, to)
	if err != nil {
		return chunk{err: err}
	}
	defer rows.Close()
	for rows.Next() {
		raw := rows.RawValues()
		leaf := storedLeaf{leaf: int64(binary.BigEndian.Uint64(raw[0])), entry: int64(binary.BigEndian.Uint64(raw[1])), keyID: string(raw[2])}
		copy(leaf.mac[:], raw[3])
		c.leaves = append(c.leaves, leaf)
	}
	if c.err = rows.Err(); c.err != nil {
		return c
	}
	if c.err = l.readEntries(ctx, &c); c.err != nil {
		return c
	}
	c.err = l.readNodes(ctx, &c, to)
	return c
}

// readEntries fetches the chunk's entries: as one stretch of ids where they
// lie close together, as they nearly always do.
func (l *Log) readEntries(ctx context.Context, c *chunk) error {
	if len(c.leaves) == 0 {
		return nil
	}
	byEntry := make(map[int64]int, len(c.leaves))
	ids := make([]int64, len(c.leaves))
	for i, leaf := range c.leaves {
		byEntry[leaf.entry], ids[i] = i, leaf.entry
	}
	low, high := slices.Min(ids), slices.Max(ids)
	where, args := `id >= $1 AND id <= $2`, []any{low, high}
	if high-low > 4*chunkLeaves {
		where, args = `id = ANY($1)`, []any{ids}
	}
	rows, err := l.DB.Query(ctx, `SELECT `+columns+` FROM audit_entries WHERE `+where+` ORDER BY id`, append([]any{binaryColumns}, args...)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	c.bytes = make([]byte, 0, len(c.leaves)*384) // a usual entry is smaller
	for rows.Next() {
		raw := rows.RawValues()
		i, ours := byEntry[int64(binary.BigEndian.Uint64(raw[0]))]
		if !ours {
			continue
		}
		leaf := &c.leaves[i]
		leaf.at = int64(binary.BigEndian.Uint64(raw[2]))
		leaf.start = len(c.bytes)
		c.bytes = appendLeaf(c.bytes, raw)
		leaf.end = len(c.bytes)
	}
	return rows.Err()
}

// readNodes fetches the hashes stored for the chunk's leaves, up to the first
// that is missing.
func (l *Log) readNodes(ctx context.Context, c *chunk, to int64) error {
	c.first = tlog.StoredHashCount(c.from)
	until := tlog.StoredHashCount(to)
	var count int64
	err := l.DB.QueryRow(ctx, `
		SELECT count(*), coalesce(string_agg(hash, ''), '')
		FROM (SELECT hash FROM audit_nodes WHERE position >= $1 AND position < $2 ORDER BY position) stored`,
		c.first, until).Scan(&count, &c.nodes)
	if err != nil || count == until-c.first {
		return err
	}
	var before int64
	err = l.DB.QueryRow(ctx, `
		SELECT count(*)
		FROM (SELECT position, row_number() OVER (ORDER BY position) AS nth
		      FROM audit_nodes WHERE position >= $1 AND position < $2) stored
		WHERE position = $1 + nth - 1`, c.first, until).Scan(&before)
	c.nodes = c.nodes[:min(len(c.nodes), int(before)*tlog.HashSize)]
	return err
}

// chunk checks the chunk's leaves one by one.
func (v *verifier) chunk(c chunk) *Bad {
	nodes := c.nodes
	for i, leaf := range c.leaves {
		if want := c.from + int64(i); leaf.leaf != want {
			return &Bad{Leaf: want, Reason: "the leaf is gone"}
		}
		if bad := v.leaf(leaf, c.bytes[leaf.start:leaf.end], &nodes); bad != nil {
			return bad
		}
		if bad := v.meet(); bad != nil {
			return bad
		}
	}
	return nil
}

// leaf checks one entry against its leaf, its HMAC and the nodes it completes.
func (v *verifier) leaf(leaf storedLeaf, data []byte, nodes *[]byte) *Bad {
	bad := func(reason string) *Bad { return &Bad{Entry: leaf.entry, Leaf: leaf.leaf, Reason: reason} }
	if len(data) == 0 {
		return bad("the entry is gone")
	}
	hash := leafHash(data)
	stored, present := nextNode(nodes)
	sealed, reason := v.sealed(leaf, data)
	switch {
	case !present:
		return bad("its leaf is missing from the tree")
	case stored != hash && sealed:
		return bad("its leaf in the tree was changed")
	case stored != hash:
		return bad("the entry was changed after it was sealed")
	case !sealed:
		return bad(reason)
	}
	if made := time.UnixMicro(leaf.at + epoch); made.Before(v.last.At.Add(-backdating)) {
		return bad("it says it is older than a checkpoint that does not contain it")
	}
	for _, want := range v.tree.add(hash)[1:] {
		if stored, present := nextNode(nodes); !present || stored != want {
			return bad("a node of the tree above it was changed")
		}
	}
	return nil
}

// sealed checks the HMAC. Without keys it takes it as it is.
func (v *verifier) sealed(leaf storedLeaf, data []byte) (bool, string) {
	if v.log.MACKeys == nil {
		return true, ""
	}
	k, ok := v.keys[leaf.keyID]
	if !ok {
		if k, ok = v.log.MACKeys.find(leaf.keyID); !ok {
			return false, fmt.Sprintf("it was sealed with the key %q, which is not here", leaf.keyID)
		}
		v.keys[leaf.keyID] = k
	}
	mac := v.seals.of(k, leaf.leaf, data)
	return bytes.Equal(mac[:], leaf.mac[:]), "its HMAC does not match"
}

func nextNode(nodes *[]byte) (tlog.Hash, bool) {
	if len(*nodes) < tlog.HashSize {
		return tlog.Hash{}, false
	}
	hash := tlog.Hash((*nodes)[:tlog.HashSize])
	*nodes = (*nodes)[tlog.HashSize:]
	return hash, true
}

// meet compares the tree with every checkpoint of its present size.
func (v *verifier) meet() *Bad {
	for len(v.known) > 0 && v.known[0].Size == v.tree.size {
		c := v.known[0]
		if v.tree.root().String() != c.Root {
			return &Bad{Leaf: c.Size - 1, Reason: fmt.Sprintf("the log was rebuilt: between leaf %d and leaf %d it is not what the checkpoint of %s signed",
				v.last.Size, c.Size-1, c.At.Format(time.RFC3339))}
		}
		v.last, v.known = c, v.known[1:]
	}
	return nil
}

// outsideTree looks for what the leaves do not tell: an entry that the
// sequencer never saw, or rows beyond the tree.
func (l *Log) outsideTree(ctx context.Context, at state) (*Bad, error) {
	if bad, err := l.withoutLeaf(ctx, at); bad != nil || err != nil {
		return bad, err
	}
	var beyond bool
	err := l.DB.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM audit_leaves WHERE leaf >= $1) OR EXISTS (SELECT FROM audit_nodes WHERE position >= $2)`,
		at.size, tlog.StoredHashCount(at.size)).Scan(&beyond)
	if err != nil || !beyond {
		return nil, err
	}
	// A sequencer may have gone on while we read.
	now, err := treeState(ctx, l.DB)
	if err != nil || now.size != at.size {
		return nil, err
	}
	return &Bad{Leaf: at.size, Reason: "there are leaves that no sequencing has written"}, nil
}

// withoutLeaf looks for an entry that ought to have a leaf: its transaction
// was looked at, or cannot have happened in this cluster.
func (l *Log) withoutLeaf(ctx context.Context, at state) (*Bad, error) {
	const seen = `(xid < $1 OR $2 AND xid >= pg_snapshot_xmax(pg_current_snapshot()))`
	var entry, n int64
	err := l.DB.QueryRow(ctx, `SELECT count(*) FROM audit_entries WHERE `+seen, at.reached, !at.restored && at.reached > 0).Scan(&n)
	if err != nil || n == at.size {
		return nil, err // as many as leaves, each of which has its own entry
	}
	err = l.DB.QueryRow(ctx, `
		SELECT id FROM audit_entries e
		WHERE `+seen+` AND NOT EXISTS (SELECT FROM audit_leaves WHERE entry_id = e.id)
		ORDER BY id LIMIT 1`, at.reached, !at.restored && at.reached > 0).Scan(&entry)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil // after a restore the numbers do not compare
	}
	if err != nil {
		return nil, err
	}
	return &Bad{Entry: entry, Leaf: -1, Reason: "the entry was put in behind the sequencer's back: it has no leaf"}, nil
}

// waitingNow counts committed entries without a leaf.
func (l *Log) waitingNow(ctx context.Context, at state) (int64, error) {
	var n int64
	err := l.DB.QueryRow(ctx, `
		SELECT count(*) FROM audit_entries e
		WHERE xid >= $1 AND NOT EXISTS (SELECT FROM audit_leaves WHERE entry_id = e.id)`, at.reached).Scan(&n)
	return n, err
}
