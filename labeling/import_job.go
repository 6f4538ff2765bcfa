package labeling

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// Import is a file of labels made elsewhere, on its way in:
//
//	receiving ─▶ checking ─▶ ready ─▶ importing ─▶ done ─▶ withdrawing ─▶ withdrawn
//	                 ▲         │          │
//	                 └─────────┘          └─▶ cancelled
//
// The check says what would become of the file; nothing is written before a
// person has seen that.
type Import struct {
	ID          int64
	Name        string
	Format      string
	State       string
	Meanings    []Meaning
	Found       *Found // nil before the check is done
	Bytes       int64
	SHA256      []byte
	Parts       int
	Total       int64 // bytes while it is checked, then labels
	Done        int64 // of them read, then taken up
	Imported    int64
	Duplicate   int64
	Unlabeled   int64
	Refused     int64
	Withdrawn   int64 // labels taken back with the import
	Kept        int64 // labels that stay, since a reviewer had decided over them
	RequestedBy string
	CreatedAt   time.Time
	FinishedAt  *time.Time
	FailedWhy   string // for people
}

// Hash is of the file, in hexadecimal, "" before all of it is here.
func (m Import) Hash() string { return hex.EncodeToString(m.SHA256) }

// ImportReceived is the job that checks a file; its kind is never renamed.
type ImportReceived struct {
	ImportID int64 `json:"import_id"`
}

// ImportAgreed is the job that takes a checked file up; its kind is never renamed.
type ImportAgreed struct {
	ImportID int64 `json:"import_id"`
}

// ImportRevoked is the job that takes an import back; its kind is never renamed.
type ImportRevoked struct {
	ImportID int64 `json:"import_id"`
}

// Kind names the job.
func (ImportReceived) Kind() string { return "labeling.import_received" }

// Kind names the job.
func (ImportAgreed) Kind() string { return "labeling.import_agreed" }

// Kind names the job.
func (ImportRevoked) Kind() string { return "labeling.import_revoked" }

// InsertOpts bounds how often a check is tried.
func (ImportReceived) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: datasetTries}
}

// InsertOpts bounds how often a block is tried.
func (ImportAgreed) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: datasetTries}
}

// InsertOpts bounds how often a block is tried.
func (ImportRevoked) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: datasetTries}
}

const (
	maxImport   = 1 << 30
	importLasts = 7 * 24 * time.Hour // of a file that nobody takes up
)

const importQuery = `
	SELECT id, name, format, state, meanings, found, bytes, sha256, parts, total, done, imported, duplicate, unlabeled, refused,
	       withdrawn, kept, requested_by, created_at, finished_at, failed_why
	FROM imports`

// Imports lists the newest.
func (s *Store) Imports(ctx context.Context, actor auth.Actor) ([]Import, error) {
	if err := actor.Require(auth.ImportLabels); err != nil {
		return nil, err
	}
	rows, _ := s.DB.Query(ctx, importQuery+` ORDER BY id DESC LIMIT 50`)
	return pgx.CollectRows(rows, pgx.RowToStructByName[Import])
}

// ImportOf returns one.
func (s *Store) ImportOf(ctx context.Context, actor auth.Actor, id int64) (Import, error) {
	if err := actor.Require(auth.ImportLabels); err != nil {
		return Import{}, err
	}
	return importOf(ctx, s.DB, id)
}

func importOf(ctx context.Context, db postgres.DB, id int64) (Import, error) {
	rows, _ := db.Query(ctx, importQuery+` WHERE id = $1`, id)
	m, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Import])
	if errors.Is(err, pgx.ErrNoRows) {
		err = fault.Say(fault.NotFound, "There is no such import.")
	}
	return m, err
}

// BeginImport makes room for a file. Its parts follow, and then a check.
func (s *Store) BeginImport(ctx context.Context, actor auth.Actor, name, format string) (Import, error) {
	if err := actor.Require(auth.ImportLabels); err != nil {
		return Import{}, err
	}
	name = strings.Join(strings.Fields(strings.ToValidUTF8(strings.ReplaceAll(name, "\x00", ""), "")), " ")
	if runes := []rune(name); len(runes) > 200 {
		name = string(runes[:200])
	}
	if name == "" {
		name = "labels"
	}
	if format != "" && !slices.Contains(ImportFormats, format) {
		return Import{}, fault.Say(fault.Invalid, "The format is one of %s.", strings.Join(ImportFormats, ", "))
	}
	var id int64
	err := postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `INSERT INTO imports (name, format, requested_by) VALUES ($1, $2, $3) RETURNING id`, name, format, actor.Name).Scan(&id)
		if err != nil {
			return fmt.Errorf("begin import: %w", err)
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "import.begin", Object: importObject(id), What: name})
	})
	if err != nil {
		return Import{}, err
	}
	return importOf(ctx, s.DB, id)
}

// AddPart adds the bytes that follow those that are here. A part that is sent
// again changes nothing.
func (s *Store) AddPart(ctx context.Context, actor auth.Actor, id int64, part int, body []byte) error {
	if err := actor.Require(auth.ImportLabels); err != nil {
		return err
	}
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		rows, _ := tx.Query(ctx, importQuery+` WHERE id = $1 FOR UPDATE`, id)
		m, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Import])
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return fault.Say(fault.NotFound, "There is no such import.")
		case err != nil:
			return fmt.Errorf("part %d of import %d: %w", part, id, err)
		case part >= 0 && part < m.Parts:
			return sentBefore(ctx, tx, id, part, body)
		case m.State != "receiving":
			return fault.Say(fault.Conflict, "The file is complete. Begin another import for more.")
		case part != m.Parts:
			return fault.Say(fault.Conflict, "The next part is number %d.", m.Parts)
		case m.Bytes+int64(len(body)) > maxImport:
			return fault.Say(fault.Invalid, "A file has at most 1 GB. Send it in several imports.")
		}
		if _, err := tx.Exec(ctx, `INSERT INTO import_parts (import_id, part, body) VALUES ($1, $2, $3)`, id, part, body); err != nil {
			return fmt.Errorf("part %d of import %d: %w", part, id, err)
		}
		_, err = tx.Exec(ctx, `UPDATE imports SET parts = parts + 1, bytes = bytes + $2 WHERE id = $1`, id, len(body))
		return err
	})
}

func sentBefore(ctx context.Context, tx pgx.Tx, id int64, part int, body []byte) error {
	var was []byte
	err := tx.QueryRow(ctx, `SELECT body FROM import_parts WHERE import_id = $1 AND part = $2`, id, part).Scan(&was)
	if err == nil && !bytes.Equal(was, body) {
		err = fault.Say(fault.Conflict, "Part %d is here already and says something else.", part)
	}
	return err
}

// CheckImport has a file checked, anew where it was before, with what a person
// says of its answers.
func (s *Store) CheckImport(ctx context.Context, actor auth.Actor, id int64, meanings []Meaning) error {
	if err := checkMeanings(meanings); err != nil {
		return err
	}
	if meanings == nil {
		meanings = []Meaning{}
	}
	return s.moveImport(ctx, actor, id, "import.check", ImportReceived{id}, `
		UPDATE imports SET state = 'checking', meanings = $2, found = NULL, total = bytes, done = 0, failed_why = ''
		WHERE id = $1 AND bytes > 0 AND (state IN ('receiving', 'ready') OR state = 'failed' AND found IS NULL)
		RETURNING name`, meanings)
}

// AgreeToImport has a checked file taken up. One that broke off goes on where
// it was.
func (s *Store) AgreeToImport(ctx context.Context, actor auth.Actor, id int64) error {
	return s.moveImport(ctx, actor, id, "import.agree", ImportAgreed{id}, `
		UPDATE imports SET state = 'importing', failed_why = ''
		WHERE id = $1 AND (state = 'ready' OR state = 'failed' AND found IS NOT NULL)
		RETURNING name`)
}

// CancelImport stops an import. What was taken up stays; it can be withdrawn.
func (s *Store) CancelImport(ctx context.Context, actor auth.Actor, id int64) error {
	return s.moveImport(ctx, actor, id, "import.cancel", nil, `
		UPDATE imports SET state = 'cancelled', finished_at = clock_timestamp()
		WHERE id = $1 AND state IN ('receiving', 'checking', 'ready', 'importing', 'failed')
		RETURNING name`)
}

// RevokeImport has every label of an import taken back, each by a revision of
// its own, and what was opened for them closed again.
func (s *Store) RevokeImport(ctx context.Context, actor auth.Actor, id int64) error {
	return s.moveImport(ctx, actor, id, "import.withdraw", ImportRevoked{id}, `
		UPDATE imports SET state = 'withdrawing', failed_why = ''
		WHERE id = $1 AND imported > 0 AND state IN ('done', 'cancelled')
		RETURNING name`)
}

func (s *Store) moveImport(ctx context.Context, actor auth.Actor, id int64, action string, job river.JobArgs, sql string, args ...any) error {
	if err := actor.Require(auth.ImportLabels); err != nil {
		return err
	}
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		var name string
		err := tx.QueryRow(ctx, sql, append([]any{id}, args...)...).Scan(&name)
		if errors.Is(err, pgx.ErrNoRows) {
			if _, err := importOf(ctx, tx, id); err != nil {
				return err
			}
			return fault.Say(fault.Conflict, "The import is past that, or not so far yet. Look at where it stands.")
		}
		if err != nil {
			return fmt.Errorf("%s %d: %w", action, id, err)
		}
		err = audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: action, Object: importObject(id), What: name})
		if err != nil || s.Jobs == nil || job == nil {
			return err
		}
		_, err = s.Jobs.InsertTx(ctx, tx, job, nil)
		return err
	})
}

// storedFile reads the parts of a file in order.
type storedFile struct {
	ctx   context.Context
	db    postgres.DB
	id    int64
	part  int
	rest  []byte
	given int64
	sum   interface {
		io.Writer
		Sum([]byte) []byte
	}
}

func (f *storedFile) Read(p []byte) (int, error) {
	for len(f.rest) == 0 {
		err := f.db.QueryRow(f.ctx, `SELECT body FROM import_parts WHERE import_id = $1 AND part = $2`, f.id, f.part).Scan(&f.rest)
		if errors.Is(err, pgx.ErrNoRows) {
			return 0, io.EOF
		}
		if err != nil {
			return 0, fmt.Errorf("part %d of import %d: %w", f.part, f.id, err)
		}
		f.part++
		f.given += int64(len(f.rest))
		f.sum.Write(f.rest)
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

func (s *Store) storedFile(ctx context.Context, id int64) *storedFile {
	return &storedFile{ctx: ctx, db: s.DB, id: id, sum: sha256.New()}
}

// Check reads a file to its end and keeps what would become of it; it writes
// no label. It may be repeated.
func (s *Store) Check(ctx context.Context, actor auth.Actor, id int64) error {
	if err := actor.Require(auth.RunWork); err != nil {
		return err
	}
	m, err := importOf(ctx, s.DB, id)
	if err != nil || m.State != "checking" {
		return err
	}
	im := &importing{s: s, actor: actor, by: m.RequestedBy, id: id, dry: true, seen: newFound()}
	im.done.Rejected = []RejectedLine{}
	file := s.storedFile(ctx, id)
	err = im.read(ctx, file, m.Format, m.Meanings, func(lines []importLine) error {
		s.progress(ctx, `UPDATE imports SET done = $2 WHERE id = $1 AND state = 'checking'`, id, int(file.given))
		return im.take(ctx, lines, nil)
	})
	if err != nil && fault.Of(err) != fault.Invalid {
		return fmt.Errorf("check import %d: %w", id, err)
	}
	if im.done.Lines == 0 {
		if err == nil {
			err = fault.Say(fault.Invalid, "There is no label in the file.")
		}
		return s.failed(ctx, actor, `UPDATE imports SET state = 'failed', failed_why = $2, finished_at = clock_timestamp() WHERE id = $1 AND state = 'checking'`, id, fault.Words(err))
	}
	if _, err := io.Copy(io.Discard, file); err != nil {
		return err
	}
	im.seen.finish(im.done, meaningsOf(m.Meanings), fault.Words(err))
	_, err = s.DB.Exec(ctx, `
		UPDATE imports SET state = 'ready', format = $2, found = $3, sha256 = $4, total = $5, done = 0, failed_why = ''
		WHERE id = $1 AND state = 'checking'`, id, im.done.Format, im.seen, file.sum.Sum(nil), im.done.Lines)
	return err
}

// TakeUp imports a checked file block by block. It may be repeated and broken
// off at any moment: each block moves the import in its own transaction, and
// another attempt goes on behind it. It ends early when somebody cancels.
func (s *Store) TakeUp(ctx context.Context, actor auth.Actor, id int64) error {
	if err := actor.Require(auth.RunWork); err != nil {
		return err
	}
	m, err := importOf(ctx, s.DB, id)
	if err != nil || m.State != "importing" {
		return err
	}
	im := &importing{s: s, actor: actor, by: m.RequestedBy, id: id}
	im.done = Imported{Lines: int(m.Done), Rejected: []RejectedLine{}}
	err = im.read(ctx, s.storedFile(ctx, id), m.Format, m.Meanings, func(lines []importLine) error {
		return im.take(ctx, lines, func(tx pgx.Tx, b *block) error { return b.moves(ctx, int64(im.done.Lines)) })
	})
	switch {
	case errors.Is(err, errMoved):
		if now, err := importOf(ctx, s.DB, id); err != nil || now.State != "importing" {
			return err
		}
		return ErrAtWork
	case err != nil && fault.Of(err) != fault.Invalid: // where the file itself breaks off, the check has said
		return fmt.Errorf("import %d: %w", id, err)
	}
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		done, err := tx.Exec(ctx, `UPDATE imports SET state = 'done', finished_at = clock_timestamp() WHERE id = $1 AND state = 'importing' AND done = $2`, id, im.done.Lines)
		if err != nil || done.RowsAffected() == 0 {
			return err
		}
		_, err = tx.Exec(ctx, `DELETE FROM import_parts WHERE import_id = $1`, id)
		return err
	})
}

// errMoved says that the import is not where this attempt left it: it was
// cancelled, or another attempt has it in hand.
var errMoved = errors.New("the import is elsewhere")

// moves keeps what became of a block's lines and how far the import is.
func (b *block) moves(ctx context.Context, before int64) error {
	moved, err := b.tx.Exec(ctx, `
		UPDATE imports
		SET done = done + $3, imported = imported + $4, duplicate = duplicate + $5, unlabeled = unlabeled + $6, refused = refused + $7
		WHERE id = $1 AND state = 'importing' AND done = $2`,
		b.id, before, b.did.Lines, b.did.Imported, b.did.Duplicate, b.did.Unlabeled, b.did.Refused)
	if err != nil {
		return err
	}
	if moved.RowsAffected() == 0 {
		return errMoved
	}
	_, err = b.tx.CopyFrom(ctx, pgx.Identifier{"import_outcomes"}, []string{"import_id", "place", "line", "outcome", "why"},
		pgx.CopyFromSlice(len(b.left), func(i int) ([]any, error) {
			o := b.left[i]
			return []any{b.id, int64(o.place), int64(o.line), o.what, o.why}, nil
		}))
	return err
}

// FailImport marks an import whose job failed for good, with the reason for
// people.
func (s *Store) FailImport(ctx context.Context, actor auth.Actor, id int64, why string) error {
	return s.failed(ctx, actor, `
		UPDATE imports SET state = CASE state WHEN 'withdrawing' THEN 'done' ELSE 'failed' END, failed_why = $2, finished_at = clock_timestamp()
		WHERE id = $1 AND state IN ('checking', 'importing', 'withdrawing')`, id, why)
}

// ImportReport returns an import with what writes a table of all its lines:
// what each became, and why it was not taken.
func (s *Store) ImportReport(ctx context.Context, actor auth.Actor, id int64) (Import, func(context.Context, io.Writer) error, error) {
	m, err := s.ImportOf(ctx, actor, id)
	if err != nil {
		return m, nil, err
	}
	return m, func(ctx context.Context, to io.Writer) error {
		out := csv.NewWriter(to)
		if err := out.Write([]string{"line", "outcome", "why", "event_id", "label", "item_id"}); err != nil {
			return err
		}
		rows, _ := s.DB.Query(ctx, `
			SELECT line, outcome, why, '', '', 0 FROM import_outcomes WHERE import_id = $1
			UNION ALL
			SELECT (provenance->>'line')::bigint, 'imported', '', event_id::text, coalesce(label, ''), item_id
			FROM labels WHERE import_id = $1 AND idempotency_key NOT LIKE 'withdraw/%'
			ORDER BY 1, 2`, id)
		var line, item int64
		var outcome, why, event, label string
		_, err := pgx.ForEachRow(rows, []any{&line, &outcome, &why, &event, &label, &item}, func() error {
			at := ""
			if item != 0 {
				at = strconv.FormatInt(item, 10)
			}
			return out.Write([]string{strconv.FormatInt(line, 10), outcome, why, event, label, at})
		})
		out.Flush()
		return errors.Join(err, out.Error())
	}, nil
}

// ExpireImports forgets the bytes of files that nobody takes up.
func (s *Store) ExpireImports(ctx context.Context, actor auth.Actor) (int, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return 0, err
	}
	var n int
	err := s.DB.QueryRow(ctx, `
		WITH over AS (
			UPDATE imports SET state = 'cancelled', finished_at = coalesce(finished_at, clock_timestamp())
			WHERE state IN ('receiving', 'ready', 'failed', 'cancelled') AND created_at < clock_timestamp() - $1::interval
			RETURNING id
		), gone AS (
			DELETE FROM import_parts p USING over WHERE p.import_id = over.id RETURNING p.import_id
		)
		SELECT count(DISTINCT import_id) FROM gone`, importLasts).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("expire imports: %w", err)
	}
	return n, nil
}
