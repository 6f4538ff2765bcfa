package audit

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/tlog"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// A bundle is JSON Lines: a head, the checkpoints that were kept, then entries
// in the order of their leaves. The bundle of the whole log needs no
// proofs, its tree is computed from its entries; one of a selection carries
// for each entry the proof that it is in the signed tree, and for each
// checkpoint the proof that the signed tree only grew out of it.
const bundleForm = "assay audit bundle v1"

type bundleHead struct {
	Form        string `json:"bundle"`
	Whole       bool   `json:"whole"`
	Checkpoints int    `json:"checkpoints"`
	Entries     int64  `json:"entries"`
	Head        string `json:"head"` // the signed tree that everything leads to
}

type bundleEntry struct {
	Leaf  int64            `json:"leaf"`
	Entry Row              `json:"entry"`
	Proof tlog.RecordProof `json:"proof,omitempty"`
}

type bundleCheckpoint struct {
	Checkpoint string         `json:"checkpoint"`
	Proof      tlog.TreeProof `json:"proof,omitempty"`
}

// Export writes a bundle that verifies offline with the public key alone, and
// leaves an entry that says so, the last one it contains. The zero Filter
// exports the whole log, checkpoints included. A release manager who is no
// auditor exports the gates they acted on. It returns fault.Conflict, with the
// bundle written in part, when the log is not whole; Verify then says where.
func (l *Log) Export(ctx context.Context, actor auth.Actor, w io.Writer, filter Filter) error {
	if err := actor.Require(auth.ReadAudit); err != nil {
		return err
	}
	err := postgres.InTx(ctx, l.DB, func(tx pgx.Tx) error {
		return Record(ctx, tx, Entry{Actor: actor, Action: "audit.export", Object: "audit/log", What: filter.words()})
	})
	if err != nil {
		return err
	}
	if _, err := l.Sequence(ctx); err != nil {
		return err
	}
	head, err := l.sign(ctx, Export, l.now())
	if err != nil {
		return fmt.Errorf("export the audit: %w", err)
	}
	out := bufio.NewWriter(w)
	e := exporter{log: l, out: json.NewEncoder(out), head: head}
	e.out.SetEscapeHTML(false)
	args := filter.args(actor)
	if filter == (Filter{}) && args[5] == (*int64)(nil) {
		err = e.whole(ctx)
	} else {
		err = e.selection(ctx, args)
	}
	if err != nil {
		return fmt.Errorf("export the audit: %w", err)
	}
	return out.Flush()
}

// words says what a filter asks for, for the entry of the export.
func (f Filter) words() string {
	if f == (Filter{}) {
		return "everything"
	}
	return fmt.Sprintf("who %q, did %q, object %q, from %s to %s", f.Actor, f.Action, f.Object, day(f.From), day(f.To))
}

type exporter struct {
	log  *Log
	out  *json.Encoder
	head Checkpoint
}

func (e exporter) whole(ctx context.Context) error {
	if err := e.begin(ctx, true, e.head.Size, nil); err != nil {
		return err
	}
	tree := &frontier{}
	for from := int64(0); from < e.head.Size; from += chunkLeaves {
		entries, err := e.log.stretch(ctx, from, min(e.head.Size, from+chunkLeaves))
		if err != nil {
			return err
		}
		for _, entry := range entries {
			leaf, err := entry.Entry.leaf()
			if err != nil {
				return err
			}
			tree.add(leafHash(leaf))
			if err := e.out.Encode(entry); err != nil {
				return err
			}
		}
	}
	if tree.root().String() != e.head.Root {
		return fmt.Errorf("the entries do not make the tree: %w", fault.Conflict)
	}
	return nil
}

// begin writes the head and the checkpoints, with a proof each when stored is
// given.
func (e exporter) begin(ctx context.Context, whole bool, entries int64, stored tlog.HashReader) error {
	known, err := e.log.checkpoints(ctx)
	if err != nil {
		return err
	}
	if err := e.out.Encode(bundleHead{bundleForm, whole, len(known), entries, e.head.Note}); err != nil {
		return err
	}
	for _, c := range known {
		// The newest public key alone shall do, also for what an older one signed.
		signed, err := e.log.Signing.Countersign(c.Note)
		if err != nil {
			return err
		}
		line := bundleCheckpoint{Checkpoint: signed}
		if stored != nil && c.Size > 0 {
			if line.Proof, err = tlog.ProveTree(e.head.Size, c.Size, stored); err != nil {
				return err
			}
		}
		if err := e.out.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

// stretch reads entries by leaf. fault.Conflict when one is gone.
func (l *Log) stretch(ctx context.Context, from, to int64) ([]bundleEntry, error) {
	rows, err := l.DB.Query(ctx, `
		SELECT `+columns+`, leaf
		FROM audit_leaves JOIN audit_entries ON id = entry_id
		WHERE leaf >= $1 AND leaf < $2
		ORDER BY leaf`, append(binaryColumns[:columnCount:columnCount], pgx.BinaryFormatCode), from, to)
	if err != nil {
		return nil, err
	}
	list, err := readEntries(rows)
	if err == nil && int64(len(list)) != to-from {
		err = fmt.Errorf("entries between leaf %d and leaf %d are gone: %w", from, to, fault.Conflict)
	}
	return list, err
}

func readEntries(rows pgx.Rows) ([]bundleEntry, error) {
	defer rows.Close()
	var list []bundleEntry
	for rows.Next() {
		raw := rows.RawValues()
		list = append(list, bundleEntry{Leaf: integerOf(raw[columnCount]), Entry: rowOf(raw[:columnCount])})
	}
	return list, rows.Err()
}

func (e exporter) selection(ctx context.Context, args []any) error {
	rows, err := e.log.DB.Query(ctx, `
		SELECT `+columns+`, leaf
		FROM audit_entries e JOIN audit_leaves ON entry_id = id
		WHERE leaf < $8 AND `+matches+`
		ORDER BY leaf`, append(append([]any{append(binaryColumns[:columnCount:columnCount], pgx.BinaryFormatCode)}, args...), e.head.Size)...)
	if err != nil {
		return err
	}
	list, err := readEntries(rows)
	if err != nil {
		return err
	}
	stored := nodes(ctx, e.log.DB)
	if err := e.begin(ctx, false, int64(len(list)), stored); err != nil {
		return err
	}
	for _, entry := range list {
		if err := e.prove(&entry, stored); err != nil {
			return err
		}
		if err := e.out.Encode(entry); err != nil {
			return err
		}
	}
	return nil
}

// prove adds the proof that an entry is in the signed tree, and checks it.
func (e exporter) prove(entry *bundleEntry, stored tlog.HashReader) error {
	leaf, err := entry.Entry.leaf()
	if err != nil {
		return err
	}
	root, err := tlog.ParseHash(e.head.Root)
	if err != nil {
		return err
	}
	if entry.Proof, err = tlog.ProveRecord(e.head.Size, entry.Leaf, stored); err != nil {
		return err
	}
	if tlog.CheckRecord(entry.Proof, e.head.Size, root, entry.Leaf, leafHash(leaf)) != nil {
		return fmt.Errorf("entry %d is not in the tree: %w", entry.Entry.ID, fault.Conflict)
	}
	return nil
}

// BundleReport is what a bundle proves.
type BundleReport struct {
	Whole       bool // every entry there was; otherwise a selection, which cannot show what it leaves out
	Entries     int64
	Checkpoints int
	Head        Checkpoint // the signed tree it all belongs to
}

// VerifyFile verifies the bundle in a file; see VerifyBundle.
func VerifyFile(path string, publicKeys ...string) (BundleReport, error) {
	file, err := os.Open(path)
	if err != nil {
		return BundleReport{}, err
	}
	defer file.Close()
	return VerifyBundle(file, publicKeys...)
}

// VerifyBundle verifies a bundle with nothing but public keys. It returns
// fault.Invalid, in words that name the first line that is wrong.
func VerifyBundle(r io.Reader, publicKeys ...string) (BundleReport, error) {
	v := bundleVerifier{in: bufio.NewReaderSize(r, 1<<16), tree: &frontier{}, keys: publicKeys, last: -1}
	if err := v.run(); err != nil {
		return v.report, err
	}
	return v.report, nil
}

type bundleVerifier struct {
	in     *bufio.Reader
	number int // of the line
	keys   []string
	report BundleReport
	root   tlog.Hash
	tree   *frontier    // of a whole bundle
	known  []Checkpoint // of a whole bundle, still to be met by its tree
	last   int64        // leaf of a selection
}

func (v *bundleVerifier) wrong(format string, args ...any) error {
	return fault.Say(fault.Invalid, "Line %d of the bundle: %s.", v.number, fmt.Sprintf(format, args...))
}

// line reads one line into value, and refuses whatever would not be written
// the same again: unknown or doubled members, other spacing.
func (v *bundleVerifier) line(value any) error {
	v.number++
	raw, err := v.in.ReadBytes('\n')
	if errors.Is(err, io.EOF) {
		return v.wrong("the bundle ends too early")
	}
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(value); err != nil {
		return v.wrong("it cannot be read")
	}
	var again bytes.Buffer
	encoder := json.NewEncoder(&again)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil || !bytes.Equal(again.Bytes(), raw) {
		return v.wrong("it is not as it was written")
	}
	return nil
}

func (v *bundleVerifier) run() error {
	var head bundleHead
	if err := v.line(&head); err != nil {
		return err
	}
	if head.Form != bundleForm {
		return v.wrong("this is not an audit bundle")
	}
	var err error
	if v.report.Head, err = openCheckpoint(head.Head, v.keys...); err != nil {
		return v.wrong("no given key has signed its head")
	}
	if v.root, err = tlog.ParseHash(v.report.Head.Root); err != nil {
		return err
	}
	v.report.Whole = head.Whole
	if head.Whole && head.Entries != v.report.Head.Size {
		return v.wrong("it says it is whole, with %d entries of %d", head.Entries, v.report.Head.Size)
	}
	for range head.Checkpoints {
		if err := v.checkpoint(); err != nil {
			return err
		}
	}
	if err := v.meet(); err != nil {
		return err
	}
	for range head.Entries {
		if err := v.entry(); err != nil {
			return err
		}
	}
	if head.Whole && v.tree.root() != v.root {
		return v.wrong("the entries up to here do not make the tree that was signed")
	}
	if len(v.known) > 0 {
		return v.wrong("the entries do not reach the checkpoint of %s", day(v.known[0].At))
	}
	if _, err := v.in.Peek(1); !errors.Is(err, io.EOF) {
		return v.wrong("there is more than its head announces")
	}
	return nil
}

// checkpoint reads one checkpoint: it must be signed, and the signed tree must
// have grown out of it. A whole bundle shows that with its entries, a
// selection with a proof.
func (v *bundleVerifier) checkpoint() error {
	var line bundleCheckpoint
	if err := v.line(&line); err != nil {
		return err
	}
	c, err := openCheckpoint(line.Checkpoint, v.keys...)
	if err != nil {
		return v.wrong("no given key has signed this checkpoint")
	}
	v.report.Checkpoints++
	if v.report.Whole {
		if n := len(v.known); n > 0 && v.known[n-1].Size > c.Size {
			return v.wrong("the checkpoint of %s comes out of order", day(c.At))
		}
		v.known = append(v.known, c)
		return nil
	}
	root, err := tlog.ParseHash(c.Root)
	if err != nil {
		return err
	}
	if c.Size > 0 && tlog.CheckTree(line.Proof, v.report.Head.Size, v.root, c.Size, root) != nil {
		return v.wrong("the signed tree did not grow out of the checkpoint of %s", day(c.At))
	}
	return nil
}

// meet compares the tree of a whole bundle with the checkpoints of its size.
func (v *bundleVerifier) meet() error {
	for len(v.known) > 0 && v.known[0].Size == v.tree.size {
		if c := v.known[0]; v.tree.root().String() != c.Root {
			return v.wrong("the entries up to here are not what the checkpoint of %s signed", day(c.At))
		}
		v.known = v.known[1:]
	}
	return nil
}

func (v *bundleVerifier) entry() error {
	var line bundleEntry
	if err := v.line(&line); err != nil {
		return err
	}
	leaf, err := line.Entry.leaf()
	if err != nil {
		return v.wrong("its hashes cannot be read")
	}
	v.report.Entries++
	if !v.report.Whole {
		if line.Leaf <= v.last {
			return v.wrong("entry %d comes out of order", line.Entry.ID)
		}
		v.last = line.Leaf
		if tlog.CheckRecord(line.Proof, v.report.Head.Size, v.root, line.Leaf, leafHash(leaf)) != nil {
			return v.wrong("entry %d is not in the tree that was signed", line.Entry.ID)
		}
		return nil
	}
	if line.Leaf != v.tree.size {
		return v.wrong("entry %d stands at leaf %d, not at %d", line.Entry.ID, v.tree.size, line.Leaf)
	}
	v.tree.add(leafHash(leaf))
	return v.meet()
}

func integerOf(raw []byte) int64 { return int64(binary.BigEndian.Uint64(raw)) }

func day(at time.Time) string {
	if at.IsZero() {
		return "any time"
	}
	return at.UTC().Format(time.RFC3339)
}
