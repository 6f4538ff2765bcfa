package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/tlog"

	"assay/internal/fault"
	"assay/internal/keyfile"
	"assay/internal/postgres"
	"assay/internal/signing"
)

// Kind is why a checkpoint was made.
type Kind string

// The kinds. Hourly and daily ones are kept, one a period; an export signs
// the tree for its bundle alone.
const (
	Hourly Kind = "hourly"
	Daily  Kind = "daily"
	Export Kind = "export"
)

// Checkpoint is a signed statement: at this time the tree had this many
// leaves and this root.
type Checkpoint struct {
	Kind   Kind
	Period time.Time // the UTC hour or day it was made in
	Size   int64
	Root   string // base64, as in the note
	At     time.Time
	Note   string // the statement with its signature, readable by people
}

// Checkpoint seals what waits, signs the root and keeps the note in the
// database and in Dir. There is one of each kind a period: asked again in the
// same hour or day it returns the one there is.
//
// It signs nothing that does not contain what it signed before: when the tree
// has lost or changed leaves since the newest checkpoint it returns
// fault.Conflict.
func (l *Log) Checkpoint(ctx context.Context, kind Kind) (Checkpoint, error) {
	period, err := kind.period(l.now())
	if err != nil {
		return Checkpoint{}, err
	}
	if c, err := kept(ctx, l.DB, kind, period); err == nil || !errors.Is(err, fault.NotFound) {
		return c, errors.Join(err, l.keepOutside(c))
	}
	if _, err := l.Sequence(ctx); err != nil {
		return Checkpoint{}, err
	}
	c, err := l.sign(ctx, kind, period)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%s checkpoint: %w", kind, err)
	}
	root, err := tlog.ParseHash(c.Root)
	if err != nil {
		return Checkpoint{}, err
	}
	_, err = l.DB.Exec(ctx, `
		INSERT INTO audit_checkpoints (kind, period, size, root, at, note)
		VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT DO NOTHING`, string(kind), period, c.Size, root[:], c.At, c.Note)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("keep the %s checkpoint: %w", kind, err)
	}
	if c, err = kept(ctx, l.DB, kind, period); err != nil { // another program may have been faster
		return c, err
	}
	return c, l.keepOutside(c)
}

func (k Kind) period(now time.Time) (time.Time, error) {
	switch k {
	case Hourly:
		return now.UTC().Truncate(time.Hour), nil
	case Daily:
		return now.UTC().Truncate(24 * time.Hour), nil
	}
	return time.Time{}, fmt.Errorf("checkpoint of kind %q: %w", k, fault.Invalid)
}

func kept(ctx context.Context, db postgres.DB, kind Kind, period time.Time) (Checkpoint, error) {
	var text string
	err := db.QueryRow(ctx, `SELECT note FROM audit_checkpoints WHERE kind = $1 AND period = $2`, string(kind), period).Scan(&text)
	if errors.Is(err, pgx.ErrNoRows) {
		return Checkpoint{}, fault.NotFound
	}
	if err != nil {
		return Checkpoint{}, err
	}
	return readCheckpoint(text)
}

// sign signs the tree as it stands.
func (l *Log) sign(ctx context.Context, kind Kind, period time.Time) (Checkpoint, error) {
	if l.Signing == nil {
		return Checkpoint{}, fmt.Errorf("no signing key: %w", fault.Unavailable)
	}
	at, err := treeState(ctx, l.DB)
	if err != nil {
		return Checkpoint{}, err
	}
	if err := l.stillContains(ctx, at.size); err != nil {
		return Checkpoint{}, err
	}
	root, err := tlog.TreeHash(at.size, nodes(ctx, l.DB))
	if err != nil {
		return Checkpoint{}, err
	}
	c := Checkpoint{Kind: kind, Period: period, Size: at.size, Root: root.String()}
	// The database's clock, which also says when entries were made.
	if err := l.DB.QueryRow(ctx, `SELECT date_trunc('second', clock_timestamp())`).Scan(&c.At); err != nil {
		return Checkpoint{}, err
	}
	c.Note, err = l.Signing.SignNote(c.text(l.Signing.Name()))
	return c, err
}

// stillContains checks that a tree of that size contains the largest one that
// was ever signed and kept, inside or outside.
func (l *Log) stillContains(ctx context.Context, size int64) error {
	known, err := l.checkpoints(ctx)
	if err != nil {
		return err
	}
	for _, c := range known[max(0, len(known)-1):] {
		if c.Size > size {
			return fmt.Errorf("the tree has %d leaves, a checkpoint of %s has %d: %w", size, c.At.Format(time.RFC3339), c.Size, fault.Conflict)
		}
		root, err := tlog.TreeHash(c.Size, nodes(ctx, l.DB))
		if err != nil {
			return err
		}
		if root.String() != c.Root {
			return fmt.Errorf("the tree is not the one that the checkpoint of %s signed: %w", c.At.Format(time.RFC3339), fault.Conflict)
		}
	}
	return nil
}

// text is what is signed: the origin, the size and the root, as in every
// transparency log; then when and why.
func (c Checkpoint) text(signer string) string {
	return fmt.Sprintf("%s/audit\n%d\n%s\nat %s\n%s %s\n", signer, c.Size, c.Root,
		c.At.UTC().Format(time.RFC3339), c.Kind, c.Period.UTC().Format(time.RFC3339))
}

// readCheckpoint reads a note without checking its signature.
func readCheckpoint(text string) (Checkpoint, error) {
	c := Checkpoint{Note: text}
	bad := func() (Checkpoint, error) {
		return c, fault.Say(fault.Invalid, "This is not a checkpoint of the audit.")
	}
	body, _, ok := strings.Cut(text, "\n\n")
	lines := strings.Split(body, "\n")
	if !ok || len(lines) != 5 || !strings.HasSuffix(lines[0], "/audit") {
		return bad()
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 {
		return bad()
	}
	if _, err := tlog.ParseHash(lines[2]); err != nil {
		return bad()
	}
	at, err := time.Parse("at "+time.RFC3339, lines[3])
	if err != nil {
		return bad()
	}
	kind, period, _ := strings.Cut(lines[4], " ")
	if c.Period, err = time.Parse(time.RFC3339, period); err != nil {
		return bad()
	}
	c.Size, c.Root, c.At, c.Kind = size, lines[2], at, Kind(kind)
	return c, nil
}

// openCheckpoint reads a note that one of the public keys has signed.
func openCheckpoint(text string, publicKeys ...string) (Checkpoint, error) {
	if _, err := signing.OpenNote(text, publicKeys...); err != nil {
		return Checkpoint{}, err
	}
	return readCheckpoint(text)
}

// keepOutside writes the checkpoint into Dir, once.
func (l *Log) keepOutside(c Checkpoint) error {
	if l.Dir == "" || c.Note == "" {
		return nil
	}
	if err := os.MkdirAll(l.Dir, 0o755); err != nil {
		return fmt.Errorf("keep the checkpoint outside: %w", err)
	}
	name := filepath.Join(l.Dir, fmt.Sprintf("%s-%s.note", c.Period.UTC().Format("2006-01-02T15"), c.Kind))
	if err := keyfile.WriteOnce(name, c.Note, 0o444); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("keep the checkpoint outside: %w", err)
	}
	return nil
}

// checkpoints lists those kept inside and outside, each once, by size. Their
// signatures are checked; fault.Conflict names one that is not as it was
// signed.
func (l *Log) checkpoints(ctx context.Context) ([]Checkpoint, error) {
	inside, err := l.inside(ctx)
	if err != nil {
		return nil, err
	}
	outside, err := l.outside()
	if err != nil {
		return nil, err
	}
	all := append(inside, outside...)
	slices.SortFunc(all, func(a, b Checkpoint) int {
		if a.Size != b.Size {
			return int(a.Size - b.Size)
		}
		return strings.Compare(a.Note, b.Note)
	})
	return slices.CompactFunc(all, func(a, b Checkpoint) bool { return a.Note == b.Note }), nil
}

func (l *Log) inside(ctx context.Context) ([]Checkpoint, error) {
	rows, err := l.DB.Query(ctx, `SELECT kind, period, size, root, at, note FROM audit_checkpoints ORDER BY size, period`)
	if err != nil {
		return nil, err
	}
	var list []Checkpoint
	var kind, text string
	var period, at time.Time
	var size int64
	var root []byte
	_, err = pgx.ForEachRow(rows, []any{&kind, &period, &size, &root, &at, &text}, func() error {
		c, err := openCheckpoint(text, l.publicKeys()...)
		if err != nil {
			return fmt.Errorf("the %s checkpoint of %s is not as it was signed: %w", kind, period.UTC().Format(time.RFC3339), fault.Conflict)
		}
		if string(c.Kind) != kind || !c.Period.Equal(period) || c.Size != size || !c.At.Equal(at) || c.Root != tlog.Hash(root).String() {
			return fmt.Errorf("the row of the %s checkpoint of %s differs from its signed note: %w", kind, period.UTC().Format(time.RFC3339), fault.Conflict)
		}
		list = append(list, c)
		return nil
	})
	return list, err
}

func (l *Log) outside() ([]Checkpoint, error) {
	if l.Dir == "" {
		return nil, nil
	}
	files, err := filepath.Glob(filepath.Join(l.Dir, "*.note"))
	if err != nil {
		return nil, err
	}
	var list []Checkpoint
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		c, err := openCheckpoint(string(text), l.publicKeys()...)
		if err != nil {
			return nil, fmt.Errorf("the checkpoint %s is not as it was signed: %w", filepath.Base(file), fault.Conflict)
		}
		list = append(list, c)
	}
	return list, nil
}

func (l *Log) publicKeys() []string {
	if l.Signing == nil {
		return nil
	}
	return l.Signing.PublicKeys()
}
