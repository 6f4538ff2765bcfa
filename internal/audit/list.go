package audit

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/tlog"

	"assay/internal/auth"
	"assay/internal/fault"
)

// Filter narrows a list or an export. The zero Filter is everything.
type Filter struct {
	Actor  string    // the name, as entries show it
	Action string    // "label.submit", or "label" for all that happens to labels
	Object string    // "item/42", or "item" for all items
	From   time.Time // inclusive
	To     time.Time // exclusive
}

// Page is one page of entries, the newest first.
type Page struct {
	Entries []Row
	Older   string // cursor of the next page; "" on the last one
	Newer   string // cursor of the page before; "" on the first one
	Total   int64  // entries that match the filter
}

// maxPage bounds what one page may ask for.
const maxPage = 200

// Entries lists entries, the newest first. The cursor is "" or one that a
// page gave; fault.Invalid for any other. A release manager who is no auditor
// sees the gates they acted on, and nothing else.
func (l *Log) Entries(ctx context.Context, actor auth.Actor, filter Filter, cursor string, limit int) (Page, error) {
	if err := actor.Require(auth.ReadAudit); err != nil {
		return Page{}, err
	}
	side, from, err := readCursor(cursor)
	if err != nil {
		return Page{}, err
	}
	limit = min(max(limit, 1), maxPage)
	args := filter.args(actor)
	var page Page
	if err := l.DB.QueryRow(ctx, `SELECT count(*) FROM audit_entries e WHERE `+matches, args...).Scan(&page.Total); err != nil {
		return Page{}, fmt.Errorf("count audit entries: %w", err)
	}
	newer := side == 'n'
	order, beyond := `id DESC`, `id < $8`
	if newer {
		order, beyond = `id`, `id > $8`
	}
	rows, err := l.DB.Query(ctx, `
		SELECT `+columns+` FROM audit_entries e
		WHERE `+matches+` AND ($8 = 0 OR `+beyond+`)
		ORDER BY `+order+`
		LIMIT $9`, append(append([]any{binaryColumns}, args...), from, limit+1)...)
	if err != nil {
		return Page{}, fmt.Errorf("list audit entries: %w", err)
	}
	list, err := readRows(rows)
	if err != nil {
		return Page{}, fmt.Errorf("list audit entries: %w", err)
	}
	more := len(list) > limit
	list = list[:min(len(list), limit)]
	if newer {
		reverse(list)
	}
	page.Entries = list
	if len(list) > 0 {
		if more && !newer || newer {
			page.Older = "o" + strconv.FormatInt(list[len(list)-1].ID, 36)
		}
		if more && newer || side == 'o' {
			page.Newer = "n" + strconv.FormatInt(list[0].ID, 36)
		}
	}
	return page, l.places(ctx, list)
}

// readCursor reads "" (the newest page), o… (older than that entry) or n…
// (newer than that entry).
func readCursor(cursor string) (side byte, from int64, err error) {
	if cursor == "" {
		return 0, 0, nil
	}
	from, err = strconv.ParseInt(cursor[1:], 36, 64)
	if err != nil || from <= 0 || cursor[0] != 'o' && cursor[0] != 'n' {
		return 0, 0, fault.Say(fault.Invalid, "That page of the audit does not exist; begin at the newest entries.")
	}
	return cursor[0], from, nil
}

// matches is the filter as SQL: seven parameters, NULL for those not asked.
const matches = `
	($1::text IS NULL OR actor_name = $1)
	AND ($2::text IS NULL OR action = $2 OR action >= $2 || '.' AND action < $2 || '/')
	AND ($3::text IS NULL OR object = $3 OR object >= $3 || '/' AND object < $3 || '0')
	AND ($4::timestamptz IS NULL OR at >= $4)
	AND ($5::timestamptz IS NULL OR at < $5)
	AND ($6::bigint IS NULL OR object IN (
		SELECT object FROM audit_entries
		WHERE actor_kind = 'person' AND actor_id = $6 AND actor_name = $7
		  AND (object >= 'handoff/' AND object < 'handoff0' OR object >= 'gate/' AND object < 'gate0')))`

func (f Filter) args(actor auth.Actor) []any {
	var own *int64
	if actor.Kind == auth.Person && !actor.Holds(auth.Auditor) {
		own = &actor.ID
	}
	return []any{text(f.Actor), text(f.Action), text(f.Object), moment(f.From), moment(f.To), own, actor.Name}
}

func text(s string) *string {
	if s == "" {
		return nil
	}
	s = storable(s)
	return &s
}

func readRows(rows pgx.Rows) ([]Row, error) {
	defer rows.Close()
	var list []Row
	for rows.Next() {
		raw := rows.RawValues()
		row := rowOf(raw)
		hash := leafHash(appendLeaf(nil, raw))
		row.Hash = hex.EncodeToString(hash[:])
		list = append(list, row)
	}
	return list, rows.Err()
}

func reverse(list []Row) {
	for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
		list[i], list[j] = list[j], list[i]
	}
}

// places fills in the leaves of entries that have one.
func (l *Log) places(ctx context.Context, list []Row) error {
	ids := make([]int64, len(list))
	byID := make(map[int64]*Row, len(list))
	for i := range list {
		ids[i], byID[list[i].ID] = list[i].ID, &list[i]
	}
	rows, err := l.DB.Query(ctx, `SELECT entry_id, leaf FROM audit_leaves WHERE entry_id = ANY($1)`, ids)
	if err != nil {
		return fmt.Errorf("find leaves: %w", err)
	}
	var entry, leaf int64
	_, err = pgx.ForEachRow(rows, []any{&entry, &leaf}, func() error {
		place := leaf
		byID[entry].Leaf = &place
		return nil
	})
	return err
}

// Life lists what happened to one object, the oldest first.
func (l *Log) Life(ctx context.Context, actor auth.Actor, object string, limit int) ([]Row, error) {
	if err := actor.Require(auth.ReadAudit); err != nil {
		return nil, err
	}
	if !objectForm.MatchString(object) {
		return nil, fault.Say(fault.Invalid, "An object is written kind/id.")
	}
	args := Filter{Object: object}.args(actor)
	rows, err := l.DB.Query(ctx, `
		SELECT `+columns+` FROM audit_entries e
		WHERE `+matches+` AND object = $3
		ORDER BY id
		LIMIT $8`, append(append([]any{binaryColumns}, args...), min(max(limit, 1), 1000))...)
	if err != nil {
		return nil, fmt.Errorf("list the life of %s: %w", object, err)
	}
	list, err := readRows(rows)
	if err != nil {
		return nil, fmt.Errorf("list the life of %s: %w", object, err)
	}
	return list, l.places(ctx, list)
}

// Place is where an entry stands in the signed tree.
type Place struct {
	Entry      int64
	Leaf       int64
	LeafHash   string     // hex
	Size       int64      // leaves of the tree the proof leads to
	Root       string     // hex
	Proof      []string   // hashes in hex, from the leaf up
	Checkpoint Checkpoint // that signed this tree; zero while none has
	Valid      bool       // computed from the entry as it stands: it leads to the root, and the root is signed if it should be
}

// Place proves that an entry is in the tree: in the newest signed one that
// holds it, or else in the tree as it stands. It returns fault.NotFound for
// an entry that does not exist, is not this actor's to see, or waits for its
// leaf.
func (l *Log) Place(ctx context.Context, actor auth.Actor, entry int64) (Place, error) {
	if err := actor.Require(auth.ReadAudit); err != nil {
		return Place{}, err
	}
	args := Filter{}.args(actor)
	rows, err := l.DB.Query(ctx, `SELECT `+columns+` FROM audit_entries e WHERE `+matches+` AND id = $8`, append(append([]any{binaryColumns}, args...), entry)...)
	if err != nil {
		return Place{}, fmt.Errorf("place of entry %d: %w", entry, err)
	}
	list, err := readRows(rows)
	if err != nil {
		return Place{}, fmt.Errorf("place of entry %d: %w", entry, err)
	}
	if err := l.places(ctx, list); err != nil {
		return Place{}, err
	}
	if len(list) == 0 || list[0].Leaf == nil {
		return Place{}, fault.Say(fault.NotFound, "Entry %d is not in the tree.", entry)
	}
	return l.prove(ctx, list[0])
}

func (l *Log) prove(ctx context.Context, row Row) (Place, error) {
	p := Place{Entry: row.ID, Leaf: *row.Leaf, LeafHash: row.Hash}
	at, err := treeState(ctx, l.DB)
	if err != nil {
		return p, err
	}
	p.Size, p.Valid = at.size, true
	var note string
	err = l.DB.QueryRow(ctx, `SELECT note FROM audit_checkpoints WHERE size > $1 ORDER BY size DESC, at DESC LIMIT 1`, p.Leaf).Scan(&note)
	switch {
	case err == nil:
		p.Checkpoint, err = openCheckpoint(note, l.publicKeys()...)
		p.Valid = err == nil
		if p.Valid {
			p.Size = p.Checkpoint.Size
		}
	case !errors.Is(err, pgx.ErrNoRows):
		return p, err
	}
	stored := nodes(ctx, l.DB)
	root, err := tlog.TreeHash(p.Size, stored)
	if err != nil {
		return p, err
	}
	proof, err := tlog.ProveRecord(p.Size, p.Leaf, stored)
	if err != nil {
		return p, err
	}
	p.Root = hex.EncodeToString(root[:])
	for _, hash := range proof {
		p.Proof = append(p.Proof, hex.EncodeToString(hash[:]))
	}
	own, err := hex.DecodeString(row.Hash)
	if err != nil {
		return p, err
	}
	signed := p.Checkpoint.Note == "" || p.Checkpoint.Root == root.String()
	p.Valid = p.Valid && signed && tlog.CheckRecord(proof, p.Size, root, p.Leaf, tlog.Hash(own)) == nil
	return p, nil
}

// Status is how the audit is doing, for the doctor and the readiness check.
type Status struct {
	Leaves         int64
	Waiting        int64         // committed entries without a leaf
	Oldest         time.Duration // how long the oldest of them has waited
	LastCheckpoint time.Time     // zero when there is none
}

// Status looks at the newest rows only; it is cheap at any size.
func (l *Log) Status(ctx context.Context) (Status, error) {
	at, err := treeState(ctx, l.DB)
	if err != nil {
		return Status{}, fmt.Errorf("audit status: %w", err)
	}
	s := Status{Leaves: at.size}
	var seconds float64
	var last *time.Time
	err = l.DB.QueryRow(ctx, `
		SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(at)), 0)::float8,
		       (SELECT max(at) FROM audit_checkpoints)
		FROM audit_entries e
		WHERE xid >= $1 AND NOT EXISTS (SELECT FROM audit_leaves WHERE entry_id = e.id)`, at.reached).Scan(&s.Waiting, &seconds, &last)
	if err != nil {
		return Status{}, fmt.Errorf("audit status: %w", err)
	}
	s.Oldest = time.Duration(seconds * float64(time.Second))
	if last != nil {
		s.LastCheckpoint = *last
	}
	return s, nil
}

// RotateKey makes a fresh HMAC key, which seals entries from now on, and
// leaves an entry that says so. It is the product's own act, by schedule or
// command.
func (l *Log) RotateKey(ctx context.Context, actor auth.Actor) (string, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return "", err
	}
	if l.MACKeys == nil {
		return "", fmt.Errorf("rotate the audit key: no keys: %w", fault.Unavailable)
	}
	before := l.MACKeys.current().id
	id, err := l.MACKeys.rotate(l.now())
	if err != nil {
		return "", err
	}
	return id, pgx.BeginFunc(ctx, l.DB, func(tx pgx.Tx) error {
		return Record(ctx, tx, Entry{
			Actor: actor, Action: "audit_key.rotate", Object: "audit_key/" + id,
			What: strings.Join([]string{"sealed with", before, "until now"}, " "), Before: before, After: id,
		})
	})
}
