package audit

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/tlog"

	"assay/internal/fault"
	"assay/internal/postgres"
	"assay/internal/signing"
)

// Log is the audit of one installation.
type Log struct {
	DB      postgres.DB
	MACKeys *Keys            // seal entries; without them nothing is sequenced and Verify leaves HMACs aside
	Signing *signing.Keys    // sign checkpoints and bundles
	Dir     string           // checkpoints are kept here too, out of the database's reach; "" for nowhere
	Clock   func() time.Time // nil for time.Now
}

func (l *Log) now() time.Time {
	if l.Clock == nil {
		return time.Now().UTC()
	}
	return l.Clock().UTC()
}

// sequencerLock lets one sequencer at a time extend the tree.
const sequencerLock = 0x617564 // "aud"

// batchSize is how many entries one transaction seals at most.
const batchSize = 8192

// Sequence gives every committed entry its leaf and its HMAC and returns how
// many there were. Any number of programs may call it at any time.
//
// It looks behind the snapshot horizon only: at entries of transactions that
// are over, as are all those before them. What is still under way when it
// looks gets its place the next time, so no entry is ever passed over.
func (l *Log) Sequence(ctx context.Context) (int, error) {
	if l.MACKeys == nil {
		return 0, fmt.Errorf("sequence the audit: no keys: %w", fault.Unavailable)
	}
	sealed := 0
	for {
		n := 0
		err := postgres.InTx(ctx, l.DB, func(tx pgx.Tx) error {
			var err error
			n, err = l.sequenceBatch(ctx, tx)
			return err
		})
		if err != nil {
			return sealed, fmt.Errorf("sequence the audit: %w", err)
		}
		sealed += n
		if n < batchSize {
			return sealed, nil
		}
	}
}

// state is where the tree stands.
type state struct {
	size     int64
	reached  uint64 // every transaction before this one has been looked at
	horizon  uint64 // every transaction before this one is over
	newest   uint64 // no transaction of this cluster has come so far
	restored bool   // the rows come from another cluster, whose count was ahead
}

func (l *Log) sequenceBatch(ctx context.Context, tx pgx.Tx) (int, error) {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, sequencerLock); err != nil {
		return 0, err
	}
	at, err := treeState(ctx, tx)
	if err != nil {
		return 0, err
	}
	batch, err := waiting(ctx, tx, at)
	if err != nil || len(batch.leaves) == 0 && !at.restored {
		return 0, err
	}
	if err := l.seal(ctx, tx, at, batch); err != nil {
		return 0, err
	}
	reached := at.horizon
	switch full := len(batch.leaves) == batchSize; {
	case full && at.restored:
		reached = at.reached // until all that came with the restore are in
	case full:
		reached = min(reached, batch.lastTransaction) // it may have more entries
	}
	_, err = tx.Exec(ctx, `INSERT INTO audit_batches (size, horizon) VALUES ($1, $2)`, at.size+int64(len(batch.leaves)), reached)
	return len(batch.leaves), err
}

func treeState(ctx context.Context, db postgres.DB) (state, error) {
	var at state
	err := db.QueryRow(ctx, `
		SELECT pg_snapshot_xmin(s), pg_snapshot_xmax(s)
		FROM pg_current_snapshot() s`).Scan(&at.horizon, &at.newest)
	if err != nil {
		return at, err
	}
	err = db.QueryRow(ctx, `SELECT size, horizon FROM audit_batches ORDER BY id DESC LIMIT 1`).Scan(&at.size, &at.reached)
	if errors.Is(err, pgx.ErrNoRows) {
		return at, nil
	}
	at.restored = at.reached > at.newest
	return at, err
}

// batch is what is to be sealed: the canonical bytes of entries, one after
// the other.
type batch struct {
	bytes           []byte
	leaves          []leafSpan
	lastTransaction uint64
}

type leafSpan struct {
	entry      int64
	start, end int
}

// waiting reads entries without a leaf, in the order of their transactions.
//
// After a restore into a younger cluster the rows carry transaction numbers
// that this cluster has not reached; then every entry without a leaf is
// taken, those numbers included.
func waiting(ctx context.Context, tx pgx.Tx, at state) (batch, error) {
	from := at.reached
	if at.restored {
		from = 0
	}
	rows, err := tx.Query(ctx, `
		SELECT `+columns+`
		FROM audit_entries e
		WHERE xid >= $1
		  AND (xid < $2 OR $3 AND xid >= $4)
		  AND NOT EXISTS (SELECT FROM audit_leaves WHERE entry_id = e.id)
		ORDER BY xid, id
		LIMIT $5`, binaryColumns, from, at.horizon, at.restored, at.newest, batchSize)
	if err != nil {
		return batch{}, err
	}
	defer rows.Close()
	var b batch
	for rows.Next() {
		values := rows.RawValues()
		start := len(b.bytes)
		b.bytes = appendLeaf(b.bytes, values)
		b.leaves = append(b.leaves, leafSpan{int64(binary.BigEndian.Uint64(values[0])), start, len(b.bytes)})
		b.lastTransaction = binary.BigEndian.Uint64(values[1])
	}
	return b, rows.Err()
}

// binaryColumns asks for every column in binary, which is what is hashed.
var binaryColumns = func() pgx.QueryResultFormats {
	formats := make(pgx.QueryResultFormats, columnCount)
	for i := range formats {
		formats[i] = pgx.BinaryFormatCode
	}
	return formats
}()

// seal writes the leaves and the nodes of the tree they complete.
func (l *Log) seal(ctx context.Context, tx pgx.Tx, at state, b batch) error {
	tree, err := openFrontier(ctx, tx, at.size)
	if err != nil {
		return err
	}
	current, macs := l.MACKeys.current(), seals{}
	leaves := make([][]any, len(b.leaves))
	var nodes [][]any
	position := tlog.StoredHashCount(at.size)
	for i, span := range b.leaves {
		data := b.bytes[span.start:span.end]
		leaf := at.size + int64(i)
		mac := macs.of(current, leaf, data)
		leaves[i] = []any{leaf, span.entry, current.id, mac[:]}
		for _, hash := range tree.add(leafHash(data)) {
			nodes = append(nodes, []any{position, append([]byte(nil), hash[:]...)})
			position++
		}
	}
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{"audit_leaves"}, []string{"leaf", "entry_id", "key_id", "mac"}, pgx.CopyFromRows(leaves)); err != nil {
		return err
	}
	_, err = tx.CopyFrom(ctx, pgx.Identifier{"audit_nodes"}, []string{"position", "hash"}, pgx.CopyFromRows(nodes))
	return err
}

// frontier is a growing tree: the roots of its complete subtrees, the largest
// first, one for each bit of its size.
type frontier struct {
	size  int64
	roots []tlog.Hash
	added []tlog.Hash // by the last add
}

// add puts one more leaf in and returns the hashes that are to be stored for
// it, in order: its own and those of the subtrees it completes. They are
// valid until the next add.
func (f *frontier) add(leaf tlog.Hash) []tlog.Hash {
	f.added = append(f.added[:0], leaf)
	for bit := f.size; bit&1 == 1; bit >>= 1 {
		last := len(f.roots) - 1
		leaf = tlog.NodeHash(f.roots[last], leaf)
		f.roots = f.roots[:last]
		f.added = append(f.added, leaf)
	}
	f.roots = append(f.roots, leaf)
	f.size++
	return f.added
}

// root is the root of the tree as it stands, as RFC 6962 defines it.
func (f *frontier) root() tlog.Hash {
	if len(f.roots) == 0 {
		empty, _ := tlog.TreeHash(0, nil)
		return empty
	}
	root := f.roots[len(f.roots)-1]
	for i := len(f.roots) - 2; i >= 0; i-- {
		root = tlog.NodeHash(f.roots[i], root)
	}
	return root
}

// openFrontier reads the frontier of a tree of that size.
func openFrontier(ctx context.Context, db postgres.DB, size int64) (*frontier, error) {
	var positions []int64
	start := int64(0)
	for level := 62; level >= 0; level-- {
		if width := int64(1) << level; size&width != 0 {
			positions = append(positions, tlog.StoredHashIndex(level, start>>level))
			start += width
		}
	}
	hashes, err := nodes(ctx, db).ReadHashes(positions)
	return &frontier{size: size, roots: hashes}, err
}

// nodes reads stored hashes of the tree.
func nodes(ctx context.Context, db postgres.DB) tlog.HashReader {
	return tlog.HashReaderFunc(func(positions []int64) ([]tlog.Hash, error) {
		rows, err := db.Query(ctx, `SELECT position, hash FROM audit_nodes WHERE position = ANY($1)`, positions)
		if err != nil {
			return nil, err
		}
		found := map[int64]tlog.Hash{}
		var position int64
		var hash []byte
		_, err = pgx.ForEachRow(rows, []any{&position, &hash}, func() error {
			found[position] = tlog.Hash(hash)
			return nil
		})
		if err != nil {
			return nil, err
		}
		hashes := make([]tlog.Hash, len(positions))
		for i, position := range positions {
			hash, ok := found[position]
			if !ok {
				return nil, fmt.Errorf("node %d of the audit tree is missing: %w", position, fault.Conflict)
			}
			hashes[i] = hash
		}
		return hashes, nil
	})
}
