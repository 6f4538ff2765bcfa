package labeling

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
	"assay/internal/stats"
	"assay/telemetry"
)

// Imported says what an import did, line by line where it refused.
type Imported struct {
	Lines     int            `json:"lines"`
	Imported  int            `json:"imported"`
	Duplicate int            `json:"duplicate"` // the same label of the same labeler was there
	Unlabeled int            `json:"unlabeled"` // label null
	Format    string         `json:"format"`
	Dry       bool           `json:"dry_run"` // nothing was changed
	Rejected  []RejectedLine `json:"rejected"`
}

// RejectedLine is a line that was not imported and why. The others were.
type RejectedLine struct {
	Line  int    `json:"line"` // from 1
	Error string `json:"error"`
}

// importLine is one line of an import. Other fields are passed over.
type importLine struct {
	EventID    *uuid.UUID `json:"event_id"`
	SessionID  string     `json:"session_id"`
	RequestID  string     `json:"request_id"`
	Label      *string    `json:"label"`
	Labeler    string     `json:"labeler"`
	LabeledAt  *time.Time `json:"labeled_at"`
	Reasons    []string   `json:"reasons"`
	Spans      []Span     `json:"spans"`
	Correction string     `json:"correction"`
	Note       string     `json:"note"`
	Confidence string     `json:"confidence"`
	number     int
	key        string
}

const (
	importBlock   = 500
	maxImportLine = 1 << 20
	maxRejected   = 1_000
)

// Import takes labels that were made elsewhere, one JSON object a line. Each
// becomes a label of its own labeler, and its item a census item: what was
// imported is known in full and stands for nothing but itself. A response that
// a person here has labeled keeps its place in the sample and gets the import
// as one more reading. Lines are refused one by one.
func (s *Store) Import(ctx context.Context, actor auth.Actor, lines io.Reader) (Imported, error) {
	return s.ImportFile(ctx, actor, lines, ImportOptions{Format: FormatLines})
}

// ImportOptions say how a file is read.
type ImportOptions struct {
	Format string // one of ImportFormats; "": by how the file begins
	Dry    bool   // say what would happen, and change nothing
}

// ImportFile is Import for every format that is read. A file sent twice
// changes nothing the second time.
func (s *Store) ImportFile(ctx context.Context, actor auth.Actor, file io.Reader, options ImportOptions) (Imported, error) {
	done := Imported{Rejected: []RejectedLine{}, Dry: options.Dry}
	if err := actor.Require(auth.ImportLabels); err != nil {
		return done, err
	}
	if s.Telemetry == nil {
		return done, errors.New("no telemetry store to find responses in")
	}
	buffered := bufio.NewReaderSize(file, 64<<10)
	var err error
	if done.Format = options.Format; done.Format == "" {
		if done.Format, err = formatOf(buffered); err != nil {
			return done, err
		}
	}
	read, err := sourceOf(done.Format, buffered)
	if err != nil {
		return done, err
	}
	var block []importLine
	var trouble error
	err = read(func(line importLine, wrong error) bool {
		done.Lines++
		switch {
		case wrong != nil:
			done.reject(line.number, wrong.Error())
		case line.Label == nil:
			done.Unlabeled++
		default:
			block = append(block, line)
		}
		if len(block) == importBlock {
			trouble = s.importBlock(ctx, actor, block, &done)
			block = block[:0]
		}
		return trouble == nil
	})
	if trouble == nil && len(block) > 0 {
		trouble = s.importBlock(ctx, actor, block, &done)
	}
	if trouble != nil {
		return done, trouble
	}
	if err != nil && fault.Of(err) != fault.Invalid {
		err = fmt.Errorf("read labels: %w", err)
	}
	return done, err
}

func (d *Imported) reject(line int, why string) {
	if len(d.Rejected) < maxRejected {
		d.Rejected = append(d.Rejected, RejectedLine{line, why})
	}
}

func parseImportLine(text string, number int) (importLine, error) {
	line := importLine{number: number}
	if err := json.Unmarshal([]byte(text), &line); err != nil {
		return line, errors.New("not a JSON object with the fields of a label")
	}
	sum := sha256.Sum256([]byte(text))
	line.key = "import/" + hex.EncodeToString(sum[:])
	err := line.check()
	return line, err
}

// check refuses what no import takes, whatever file it came from.
func (line *importLine) check() error {
	if line.Labeler == "" {
		line.Labeler = "import"
	}
	switch {
	case line.EventID == nil && (line.SessionID == "" || line.RequestID == ""):
		return errors.New("names no response: event_id, or session_id with request_id")
	case line.Label != nil && !slices.Contains(Labels, *line.Label):
		return fmt.Errorf("label must be one of %s, or null", strings.Join(Labels, ", "))
	case line.Confidence != "" && !slices.Contains(Confidences, line.Confidence):
		return fmt.Errorf("confidence must be one of %s", strings.Join(Confidences, ", "))
	case len(line.Labeler) > 200:
		return errors.New("labeler is longer than 200 characters")
	case len(line.Reasons) > 20 || slices.ContainsFunc(line.Reasons, func(r string) bool { return r == "" || len(r) > 100 }):
		return errors.New("at most 20 reasons of at most 100 characters")
	case slices.ContainsFunc(line.Spans, func(sp Span) bool { return sp.Start < 0 || sp.End <= sp.Start }):
		return errors.New("a span ends before it starts")
	case len(line.Note) > 4*maxNote || len(line.Correction) > 4*maxCorrection:
		return errors.New("note or correction is too long")
	}
	return nil
}

// importBlock imports some lines in one transaction.
func (s *Store) importBlock(ctx context.Context, actor auth.Actor, block []importLine, done *Imported) error {
	responses, err := s.responsesOf(ctx, actor, block)
	if err != nil {
		return err
	}
	err = s.importTx(ctx, done.Dry, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, considerLock); err != nil {
			return err
		}
		im := &importing{s: s, tx: tx, actor: actor, labelers: map[string]int64{}, fillings: &consideration{s: s, tx: tx, actor: actor, queues: map[string]*filling{}}}
		before := done.Imported
		for i, line := range block {
			response, ok := responses[i]
			if !ok {
				done.reject(line.number, "no such response; send its events first")
				continue
			}
			if err := im.line(ctx, line, response, done); err != nil {
				return fmt.Errorf("import line %d: %w", line.number, err)
			}
		}
		if done.Imported == before {
			return nil
		}
		err := audit.Record(ctx, tx, audit.Entry{
			Actor: actor, Action: "label.import", Object: "labels/import",
			What: fmt.Sprintf("%d labels", done.Imported-before), After: map[string]any{"labels": done.Imported - before},
		})
		if err != nil {
			return err
		}
		return s.tell(ctx, tx, 0)
	})
	return err
}

// errDry ends the transaction of a dry run.
var errDry = errors.New("dry run")

// importTx keeps what act did, or when dry lets it fall.
func (s *Store) importTx(ctx context.Context, dry bool, act func(pgx.Tx) error) error {
	err := postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		if err := act(tx); err != nil || !dry {
			return err
		}
		return errDry
	})
	if errors.Is(err, errDry) {
		return nil
	}
	return err
}

// responsesOf finds the response of each line, by its place in the block.
func (s *Store) responsesOf(ctx context.Context, actor auth.Actor, block []importLine) (map[int]telemetry.Response, error) {
	var ids []uuid.UUID
	for _, line := range block {
		if line.EventID != nil {
			ids = append(ids, *line.EventID)
		}
	}
	list, err := s.Telemetry.Responses(ctx, auth.Product(), ids)
	if err != nil {
		return nil, fmt.Errorf("find %d responses: %w", len(ids), err)
	}
	byID := map[uuid.UUID]telemetry.Response{}
	for _, r := range list {
		byID[r.EventID] = r
	}
	found := map[int]telemetry.Response{}
	for i, line := range block {
		if line.EventID != nil {
			if r, ok := byID[*line.EventID]; ok {
				found[i] = r
			}
			continue
		}
		r, err := s.Telemetry.ResponseByRequest(ctx, auth.Product(), line.SessionID, line.RequestID)
		switch {
		case err == nil:
			found[i] = r
		case fault.Of(err) != fault.NotFound:
			return nil, fmt.Errorf("find request %s: %w", line.RequestID, err)
		}
	}
	return found, nil
}

// importing is one block in its transaction.
type importing struct {
	s        *Store
	tx       pgx.Tx
	actor    auth.Actor
	labelers map[string]int64
	fillings *consideration
}

// importedItem is where a line's label goes.
type importedItem struct {
	ID      int64
	EventID uuid.UUID
	QueueID int64
	Taken   int
	Labeled int
	Design  string
}

func (im *importing) line(ctx context.Context, line importLine, response telemetry.Response, done *Imported) error {
	labeler, err := im.labeler(ctx, line.Labeler)
	if err != nil {
		return err
	}
	item, err := im.item(ctx, response)
	if err != nil {
		return err
	}
	added, again, err := im.label(ctx, item, labeler, line)
	if err != nil {
		return err
	}
	if !added {
		done.Duplicate++
		return nil
	}
	done.Imported++
	if !again { // one more labeler, who takes a place without ever holding it
		_, err := im.tx.Exec(ctx, `
			UPDATE items SET taken = taken + 1, wanted = greatest(taken + 1, CASE WHEN design = 'census' THEN 1 ELSE wanted END)
			WHERE id = $1`, item.ID)
		if err != nil {
			return err
		}
	}
	_, err = settle(ctx, im.tx, item.ID, item.EventID)
	return err
}

func (im *importing) labeler(ctx context.Context, name string) (int64, error) {
	if id, ok := im.labelers[name]; ok {
		return id, nil
	}
	id, err := im.s.importer(ctx, im.tx, name)
	im.labelers[name] = id
	return id, err
}

// item returns the response's item, made a census item when nobody here has
// had it yet.
func (im *importing) item(ctx context.Context, response telemetry.Response) (importedItem, error) {
	rows, _ := im.tx.Query(ctx, `
		SELECT i.id, i.event_id, i.queue_id, i.taken, i.labeled, i.design
		FROM items i JOIN queues q ON q.id = i.queue_id
		WHERE i.event_id = $1 AND q.kind = 'standard'
		ORDER BY i.id
		LIMIT 1
		FOR UPDATE OF i`, response.EventID)
	item, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[importedItem])
	if err == nil && (item.Taken > 0 || item.Design == "census") {
		return item, nil
	}
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return item, err
	}
	return im.census(ctx, response, item.ID)
}

// census decides that the response is in the queue as itself alone, and puts
// it there or marks the item that is there.
func (im *importing) census(ctx context.Context, response telemetry.Response, there int64) (importedItem, error) {
	f, err := im.fillings.fillingOf(ctx, response.TaskClass)
	if err != nil {
		return importedItem{}, err
	}
	d, err := im.decide(ctx, f, response)
	if err != nil {
		return importedItem{}, err
	}
	item := importedItem{ID: there, EventID: response.EventID, QueueID: f.queue.ID, Design: "census"}
	if there != 0 {
		_, err := im.tx.Exec(ctx, `UPDATE items SET design = 'census', part = '', pi = 1, source = 'import' WHERE id = $1`, there)
		return item, err
	}
	snapshot := snapshotOf(response)
	err = im.tx.QueryRow(ctx, `
		INSERT INTO items (queue_id, event_id, session_id, task_class, model_version, prompt_template_id, evidence_version,
		                   event_time, frame_day, priority_class, design, salt_id, u, pi, rule_id, impact,
		                   flags, reasons, source, title, snapshot, language)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'census', $11, $12, 1, $13, $14, '[]', '{}', 'import', $15, $16, $17)
		RETURNING id`,
		f.queue.ID, response.EventID, response.SessionID, response.TaskClass, response.ModelVersion, response.PromptTemplateID, response.EvidenceVersion,
		response.EffectiveTime, frameDay(response.EffectiveTime), d.PriorityClass, d.SaltID, d.U, f.rule.ID, min(5, max(1, response.Impact)),
		titleFor(snapshot), snapshot, languageFor(snapshot)).Scan(&item.ID)
	return item, err
}

// decide stores the decision that makes the response a census of itself.
func (im *importing) decide(ctx context.Context, f *filling, response telemetry.Response) (decision, error) {
	rows, _ := im.tx.Query(ctx, `
		SELECT id, priority_class, salt_id, u FROM sampling_decisions d
		WHERE queue_id = $1 AND event_id = $2
		  AND NOT EXISTS (SELECT FROM sampling_decisions later WHERE later.supersedes = d.id)`, f.queue.ID, response.EventID)
	was, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByNameLax[decision])
	var supersedes *int64
	switch {
	case err == nil:
		supersedes = &was.ID
	case errors.Is(err, pgx.ErrNoRows):
		was.PriorityClass = Random
		if response.UnsafeClaimServed {
			was.PriorityClass = Safety
		}
		var salt string
		if err := im.tx.QueryRow(ctx, `SELECT id, salt FROM sampling_salts ORDER BY created_at DESC, id DESC LIMIT 1`).Scan(&was.SaltID, &salt); err != nil {
			return was, err
		}
		was.U = stats.HashUniform(salt, response.EventID.String())
	default:
		return was, err
	}
	_, err = im.tx.Exec(ctx, `
		INSERT INTO sampling_decisions (queue_id, event_id, event_time, frame_day, task_class, priority_class, model_version,
		                                design, salt_id, u, rule_id, readable, selected, reason, supersedes)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 'census', $8, $9, $10, true, true, 'import', $11)`,
		f.queue.ID, response.EventID, response.EffectiveTime, frameDay(response.EffectiveTime), response.TaskClass, was.PriorityClass,
		response.ModelVersion, was.SaltID, was.U, f.rule.ID, supersedes)
	return was, err
}

// exported reports whether the line is a label of this product that comes back:
// its labeler's pseudonym, label and time are those of one that is here. A
// pseudonym in a file never makes a label in that person's name.
func (im *importing) exported(ctx context.Context, item int64, line importLine) (bool, error) {
	if line.LabeledAt == nil {
		return false, nil
	}
	var known bool
	err := im.tx.QueryRow(ctx, `
		SELECT EXISTS (
			SELECT FROM labels l JOIN labelers w ON w.id = l.labeler_id
			WHERE l.item_id = $1 AND (w.pseudonym = $2 OR w.import_name = $2) AND l.label = $3
			  AND abs(extract(epoch FROM l.labeled_at - $4)) < 0.001)`, item, line.Labeler, *line.Label, *line.LabeledAt).Scan(&known)
	return known, err
}

// label writes the line's label. It reports whether there was anything to
// write, and whether this labeler had labeled the item before.
func (im *importing) label(ctx context.Context, item importedItem, labeler int64, line importLine) (added, again bool, err error) {
	var revision int
	var standing string
	err = im.tx.QueryRow(ctx, `
		SELECT revision, coalesce(label, '') FROM labels
		WHERE item_id = $1 AND labeler_id = $2
		ORDER BY revision DESC
		LIMIT 1`, item.ID, labeler).Scan(&revision, &standing)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return false, false, err
	}
	again = err == nil
	if known, err := im.exported(ctx, item.ID, line); err != nil || known {
		return false, again, err
	}
	provenance, err := json.Marshal(map[string]any{"imported_by": im.actor.Name, "design": "census", "line": line.number})
	if err != nil {
		return false, again, err
	}
	var id int64
	err = im.tx.QueryRow(ctx, `
		INSERT INTO labels (item_id, queue_id, event_id, labeler_id, revision, label, reasons, spans, confidence, source,
		                    provenance, idempotency_key, labeled_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, nullif($9, ''), 'import', $10, $11, coalesce($12, clock_timestamp()))
		ON CONFLICT (labeler_id, idempotency_key) DO NOTHING
		RETURNING id`,
		item.ID, item.QueueID, item.EventID, labeler, revision+1, *line.Label, cleanReasons(line.Reasons), sortedSpans(line.Spans), line.Confidence,
		provenance, line.key, line.LabeledAt).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, again, nil
	}
	if err != nil {
		return false, again, err
	}
	texts := &pgx.Batch{}
	queueTexts(texts, id, Answer{Correction: line.Correction, Note: line.Note})
	return true, again, im.tx.SendBatch(ctx, texts).Close()
}
