package labeling

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/postgres"
	"assay/internal/stats"
	"assay/telemetry"
)

// importing is one import under way. It looks at what is there for a whole
// block at once, decides in memory what is new, and writes that in one batch.
type importing struct {
	s     *Store
	actor auth.Actor
	by    string // whose file it is
	id    int64  // of the import; 0: one that nobody waits for
	dry   bool
	done  Imported
	seen  *Found          // what a check notes; nil while importing
	fresh map[string]bool // keys that a dry run has counted as new, by labeler
}

// block is some lines in their transaction.
type block struct {
	*importing
	tx        pgx.Tx
	lines     []importLine
	responses map[int]telemetry.Response // by the line's place in the block
	labelers  map[string]int64
	items     map[uuid.UUID]*importedItem // by response
	known     map[labelerKey]bool         // what was imported before, and whether it stands
	placed    map[seat]*spokenBy
	write     *pgx.Batch
	settles   []*importedItem
	did       Imported
	left      []outcome
}

// outcome is what became of a line that was not taken.
type outcome struct {
	place, line int
	what        string // refused, duplicate, unlabeled
	why         string
}

type labelerKey struct {
	labeler int64
	key     string
}

// seat is one labeler's on one item.
type seat struct{ item, labeler int64 }

// spokenBy is what a labeler says of an item so far.
type spokenBy struct {
	revision int
	label    string // "" after an undo
	times    []saidAt
}

type saidAt struct {
	label string
	at    time.Time
}

// importedItem is where a line's label goes.
type importedItem struct {
	ID      int64
	EventID uuid.UUID
	QueueID int64
	Taken   int
	Design  string
	Removed string

	dirty bool
}

// take imports some lines in one transaction; last adds something of the
// caller's to it. A dry run only looks.
func (im *importing) take(ctx context.Context, lines []importLine, last func(tx pgx.Tx, b *block) error) error {
	b := &block{importing: im, lines: lines, did: Imported{Rejected: []RejectedLine{}}}
	var err error
	if b.responses, err = im.s.responsesOf(ctx, lines); err != nil {
		return err
	}
	if im.dry {
		b.tx, err = nil, b.look(ctx, im.s.DB)
		if err == nil {
			b.weigh()
		}
	} else {
		err = postgres.InTx(ctx, im.s.DB, func(tx pgx.Tx) error {
			b.tx = tx
			if err := b.commit(ctx); err != nil {
				return err
			}
			if last == nil {
				return nil
			}
			return last(tx, b)
		})
	}
	if err != nil {
		return err
	}
	im.done.add(b.did)
	return nil
}

// add counts what a block did.
func (d *Imported) add(block Imported) {
	d.Lines += block.Lines
	d.Imported += block.Imported
	d.Duplicate += block.Duplicate
	d.Unlabeled += block.Unlabeled
	d.Refused += block.Refused
	d.Rejected = append(d.Rejected, block.Rejected[:min(len(block.Rejected), maxRejected-len(d.Rejected))]...)
}

func (b *block) leave(line importLine, what, why string) {
	b.left = append(b.left, outcome{line.place, line.number, what, why})
	switch what {
	case "refused":
		b.did.Refused++
		b.did.Rejected = append(b.did.Rejected, RejectedLine{line.number, why})
	case "duplicate":
		b.did.Duplicate++
	default:
		b.did.Unlabeled++
	}
}

func (b *block) commit(ctx context.Context) error {
	b.settles, b.left, b.did = nil, nil, Imported{Rejected: []RejectedLine{}}
	if _, err := b.tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, considerLock); err != nil {
		return err
	}
	if err := b.look(ctx, b.tx); err != nil {
		return err
	}
	if err := b.openItems(ctx); err != nil {
		return err
	}
	b.write = &pgx.Batch{}
	b.weigh()
	if b.did.Imported == 0 {
		return nil
	}
	if err := b.tx.SendBatch(ctx, b.write).Close(); err != nil {
		return fmt.Errorf("import lines %d to %d: %w", b.lines[0].number, b.lines[len(b.lines)-1].number, err)
	}
	if err := settleAll(ctx, b.tx, b.settles); err != nil {
		return err
	}
	err := audit.Record(ctx, b.tx, audit.Entry{
		Actor: b.actor, Action: "label.import", Object: importObject(b.id),
		What: fmt.Sprintf("%d labels", b.did.Imported), After: map[string]any{"labels": b.did.Imported},
	})
	if err != nil {
		return err
	}
	return b.s.tell(ctx, b.tx, 0)
}

func importObject(id int64) string {
	if id == 0 {
		return "labels/import"
	}
	return fmt.Sprintf("import/%d", id)
}

// responsesOf finds the response of each line, by its place in the block.
func (s *Store) responsesOf(ctx context.Context, lines []importLine) (map[int]telemetry.Response, error) {
	var ids []uuid.UUID
	var requests []telemetry.Request
	for _, line := range lines {
		switch {
		case line.wrong != nil:
		case line.EventID != nil:
			ids = append(ids, *line.EventID)
		default:
			requests = append(requests, telemetry.Request{SessionID: line.SessionID, RequestID: line.RequestID})
		}
	}
	byRequest, err := s.Telemetry.ResponsesByRequest(ctx, auth.Product(), requests)
	if err != nil {
		return nil, fmt.Errorf("find %d requests: %w", len(requests), err)
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
	for i, line := range lines {
		if line.wrong != nil {
			continue
		}
		r, ok := byRequest[telemetry.Request{SessionID: line.SessionID, RequestID: line.RequestID}]
		if line.EventID != nil {
			r, ok = byID[*line.EventID]
		}
		if ok {
			found[i] = r
		}
	}
	return found, nil
}

// look reads what is there of the block's responses and labelers.
func (b *block) look(ctx context.Context, db postgres.DB) error {
	b.labelers, b.items = map[string]int64{}, map[uuid.UUID]*importedItem{}
	b.known, b.placed = map[labelerKey]bool{}, map[seat]*spokenBy{}
	var names []string
	var events []uuid.UUID
	for i, r := range b.responses {
		names = append(names, b.lines[i].Labeler)
		events = append(events, r.EventID)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if !b.dry {
		_, err := db.Exec(ctx, `INSERT INTO labelers (import_name) SELECT unnest($1::text[]) ON CONFLICT (import_name) DO NOTHING`, names)
		if err != nil {
			return fmt.Errorf("labelers of an import: %w", err)
		}
	}
	rows, _ := db.Query(ctx, `SELECT import_name, id FROM labelers WHERE import_name = ANY($1)`, names)
	var name string
	var id int64
	if _, err := pgx.ForEachRow(rows, []any{&name, &id}, func() error { b.labelers[name] = id; return nil }); err != nil {
		return fmt.Errorf("labelers of an import: %w", err)
	}
	lock := ` FOR UPDATE OF i`
	if b.dry {
		lock = ``
	}
	rows, _ = db.Query(ctx, `
		SELECT i.id, i.event_id, i.queue_id, i.taken, i.design, coalesce(i.removed_reason, '') AS removed
		FROM items i JOIN queues q ON q.id = i.queue_id
		WHERE i.event_id = ANY($1) AND q.kind = 'standard'
		ORDER BY i.id DESC`+lock, events)
	items, err := pgx.CollectRows(rows, pgx.RowToAddrOfStructByNameLax[importedItem])
	if err != nil {
		return fmt.Errorf("items of an import: %w", err)
	}
	var ids []int64
	for _, item := range items { // the oldest of a response stays
		b.items[item.EventID] = item
		ids = append(ids, item.ID)
	}
	return b.lookAtLabels(ctx, db, ids)
}

// lookAtLabels reads what was said of the items, and which of it came from
// imports that still stand.
func (b *block) lookAtLabels(ctx context.Context, db postgres.DB, items []int64) error {
	rows, _ := db.Query(ctx, `
		SELECT l.item_id, l.labeler_id, l.revision, coalesce(l.label, ''), l.idempotency_key, l.labeled_at,
		       w.pseudonym, coalesce(m.state IN ('withdrawing', 'withdrawn'), false)
		FROM labels l
		JOIN labelers w ON w.id = l.labeler_id
		LEFT JOIN imports m ON m.id = l.import_id
		WHERE l.item_id = ANY($1)
		ORDER BY l.item_id, l.labeler_id, l.revision`, items)
	var at seat
	var revision int
	var label, key, pseudonym string
	var when time.Time
	var withdrawn bool
	_, err := pgx.ForEachRow(rows, []any{&at.item, &at.labeler, &revision, &label, &key, &when, &pseudonym, &withdrawn}, func() error {
		was := b.standingOf(at)
		was.revision, was.label = revision, label
		b.labelers["\x00"+pseudonym] = at.labeler // never a name of a file, which has no NUL
		key, _, _ = strings.Cut(key, "#")
		b.known[labelerKey{at.labeler, key}] = b.known[labelerKey{at.labeler, key}] || !withdrawn
		if !withdrawn {
			was.times = append(was.times, saidAt{label, when})
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("labels beside an import: %w", err)
	}
	return nil
}

func (b *block) standingOf(at seat) *spokenBy {
	if b.placed[at] == nil {
		b.placed[at] = &spokenBy{}
	}
	return b.placed[at]
}

// weigh decides line by line what is new, and puts it into the batch unless
// the run is dry.
func (b *block) weigh() {
	for i, line := range b.lines {
		b.did.Lines++
		response, found := b.responses[i]
		if b.seen != nil {
			b.seen.note(b, line, response, found)
		}
		switch {
		case line.wrong != nil:
			b.leave(line, "refused", line.wrong.Error())
		case line.Label == nil && line.Revision < 2:
			b.leave(line, "unlabeled", "")
		case !found:
			b.leave(line, "refused", "no such response; send its events first")
		case b.says(line, response):
			b.did.Imported++
		case line.Label == nil:
			b.leave(line, "unlabeled", "")
		default:
			b.leave(line, "duplicate", "")
		}
	}
}

// says reports whether the line says anything new, and notes it.
func (b *block) says(line importLine, response telemetry.Response) bool {
	item, there := b.items[response.EventID]
	if !there { // a dry run, of a response that no queue has
		item = &importedItem{EventID: response.EventID, ID: -int64(len(b.items)) - 1}
		b.items[response.EventID] = item
	}
	if b.exported(item.ID, line) {
		return false
	}
	labeler, named := b.labelers[line.Labeler]
	if !named {
		labeler = -int64(len(b.labelers)) - 1
		b.labelers[line.Labeler] = labeler
	}
	known := labelerKey{labeler, line.key(response.EventID)}
	was := b.standingOf(seat{item.ID, labeler})
	stands, before := b.known[known]
	if stands || b.fresh[line.Labeler+known.key] || line.Label == nil && was.label == "" {
		return false
	}
	if b.dry {
		if b.fresh == nil {
			b.fresh = map[string]bool{}
		}
		b.importing.fresh[line.Labeler+known.key] = true
	} else {
		key := known.key
		if before { // it was withdrawn, and comes again
			key = fmt.Sprintf("%s#%d.%d", key, b.id, was.revision)
		}
		b.insert(item, labeler, was, line, response, key)
	}
	b.known[known] = true
	was.revision++
	was.label = ""
	if line.Label != nil {
		was.label = *line.Label
	}
	return true
}

// exported reports whether the line is a label of this product that comes back:
// its labeler's pseudonym, label and time are those of one that is here. A
// pseudonym in a file never makes a label in that person's name.
func (b *block) exported(item int64, line importLine) bool {
	if line.LabeledAt == nil {
		return false
	}
	label := ""
	if line.Label != nil {
		label = *line.Label
	}
	for _, name := range []string{"\x00" + line.Labeler, line.Labeler} {
		was := b.placed[seat{item, b.labelers[name]}]
		if was != nil && slices.ContainsFunc(was.times, func(said saidAt) bool {
			return said.label == label && math.Abs(said.at.Sub(*line.LabeledAt).Seconds()) < 0.001
		}) {
			return true
		}
	}
	return false
}

// insert puts one revision into the batch, with the place it takes or gives back.
func (b *block) insert(item *importedItem, labeler int64, was *spokenBy, line importLine, response telemetry.Response, key string) {
	spans := sortedSpans(line.Spans)
	if n := utf8.RuneCountInString(response.Response); response.HasText {
		spans = slices.DeleteFunc(spans, func(sp Span) bool { return sp.End > n })
	}
	known := map[string]any{
		"imported_by": b.by, "design": "census", "line": line.number,
		"component": map[string]string{
			"model_version": response.ModelVersion, "prompt_template_id": response.PromptTemplateID, "evidence_version": response.EvidenceVersion,
		},
		"verdicts": []VerdictSeen{},
	}
	if b.id != 0 {
		known["import_id"] = b.id
	}
	if outside := len(line.Spans) - len(spans); outside > 0 {
		known["spans_outside"] = outside // of the response as it is here
	}
	provenance, _ := json.Marshal(known) // strings and numbers: never fails
	b.write.Queue(`
		WITH l AS (
			INSERT INTO labels (item_id, queue_id, event_id, labeler_id, revision, label, reasons, spans, confidence, source,
			                    provenance, idempotency_key, labeled_at, elapsed_ms, import_id)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, nullif($9, ''), 'import', $10, $11, coalesce($12, clock_timestamp()), $13, nullif($14, 0))
			RETURNING id
		)
		INSERT INTO label_texts (label_id, correction, note) SELECT id, $15, $16 FROM l WHERE $15 <> '' OR $16 <> ''`,
		item.ID, item.QueueID, item.EventID, labeler, was.revision+1, line.Label, cleanReasons(line.Reasons), spans, line.confidence(),
		provenance, key, line.LabeledAt, line.ElapsedMS, b.id, line.Correction, line.Note)
	// One more labeler, who takes a place without ever holding it. Who takes
	// their label back gives it back (labels_give_back).
	if line.Label != nil && was.label == "" {
		b.write.Queue(`
			UPDATE items SET taken = taken + 1, wanted = greatest(taken + 1, CASE WHEN design = 'census' THEN 1 ELSE wanted END)
			WHERE id = $1`, item.ID)
	}
	if !item.dirty {
		item.dirty = true
		b.settles = append(b.settles, item)
	}
}

// settleAll settles some items in two round trips.
func settleAll(ctx context.Context, tx pgx.Tx, items []*importedItem) error {
	said := make([]spoken, len(items))
	batch := &pgx.Batch{}
	for i, item := range items {
		said[i].queue(batch, item.ID)
		said[i].queueKnown(batch, item.ID)
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("settle %d items: %w", len(items), err)
	}
	batch = &pgx.Batch{}
	for i, item := range items {
		said[i].settle(batch, item.ID, item.EventID)
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("settle %d items: %w", len(items), err)
	}
	return nil
}

// openItems makes census items of the responses that nobody here has had yet.
func (b *block) openItems(ctx context.Context) error {
	open := map[uuid.UUID]telemetry.Response{}
	var events []uuid.UUID
	for i, r := range b.responses {
		item, there := b.items[r.EventID]
		if b.lines[i].Label == nil || there && (item.Taken > 0 || item.Design == "census") {
			continue
		}
		if _, again := open[r.EventID]; !again {
			open[r.EventID] = r
			events = append(events, r.EventID)
		}
	}
	if len(open) == 0 {
		return nil
	}
	decided, err := b.decided(ctx, events)
	if err != nil {
		return err
	}
	var salt struct{ ID, Salt string }
	if err := b.tx.QueryRow(ctx, `SELECT id, salt FROM sampling_salts ORDER BY created_at DESC, id DESC LIMIT 1`).Scan(&salt.ID, &salt.Salt); err != nil {
		return err
	}
	fillings := &consideration{s: b.s, tx: b.tx, actor: b.actor, queues: map[string]*filling{}}
	batch := &pgx.Batch{}
	for i := range b.lines { // in the order of the file
		r, ok := b.responses[i]
		if _, wanted := open[r.EventID]; !ok || !wanted {
			continue
		}
		delete(open, r.EventID)
		f, err := fillings.fillingOf(ctx, r.TaskClass)
		if err != nil {
			return err
		}
		d, before := decided[decisionKey{f.queue.ID, r.EventID}]
		if !before {
			d.PriorityClass, d.SaltID, d.U = Random, salt.ID, stats.HashUniform(salt.Salt, r.EventID.String())
			if r.UnsafeClaimServed {
				d.PriorityClass = Safety
			}
		}
		b.census(batch, f, d, r)
	}
	if err := b.tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("items of an import: %w", err)
	}
	return nil
}

type decisionKey struct {
	queue int64
	event uuid.UUID
}

// decided returns what was decided of the responses last.
func (b *block) decided(ctx context.Context, events []uuid.UUID) (map[decisionKey]decision, error) {
	rows, _ := b.tx.Query(ctx, `
		SELECT d.id, d.queue_id, d.event_id, d.priority_class, d.salt_id, d.u
		FROM sampling_decisions d
		WHERE d.event_id = ANY($1)
		  AND NOT EXISTS (SELECT FROM sampling_decisions later WHERE later.supersedes = d.id)`, events)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByNameLax[decision])
	if err != nil {
		return nil, fmt.Errorf("decisions of an import: %w", err)
	}
	byKey := map[decisionKey]decision{}
	for _, d := range list {
		byKey[decisionKey{d.QueueID, d.EventID}] = d
	}
	return byKey, nil
}

// census decides that the response is in the queue as itself alone, and puts
// it there or marks the item that is there.
func (b *block) census(batch *pgx.Batch, f *filling, d decision, r telemetry.Response) {
	day := frameDay(r.EffectiveTime)
	batch.Queue(`
		INSERT INTO sampling_decisions (queue_id, event_id, event_time, frame_day, task_class, priority_class, model_version,
		                                design, salt_id, u, rule_id, readable, selected, reason, supersedes)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 'census', $8, $9, $10, true, true, 'import', nullif($11, 0))`,
		f.queue.ID, r.EventID, r.EffectiveTime, day, r.TaskClass, d.PriorityClass, r.ModelVersion, d.SaltID, d.U, f.rule.ID, d.ID)
	if item := b.items[r.EventID]; item != nil {
		batch.Queue(`
			UPDATE items
			SET design = 'census', part = '', pi = 1, source = 'import',
			    removed_at = CASE WHEN $2 THEN NULL ELSE removed_at END,
			    removed_by = CASE WHEN $2 THEN NULL ELSE removed_by END,
			    removed_reason = CASE WHEN $2 THEN NULL ELSE removed_reason END
			WHERE id = $1`, item.ID, item.Removed == importWithdrawn)
		return
	}
	item := &importedItem{EventID: r.EventID, QueueID: f.queue.ID, Design: "census"}
	b.items[r.EventID] = item
	snapshot := snapshotOf(r)
	batch.Queue(`
		INSERT INTO items (queue_id, event_id, session_id, task_class, model_version, prompt_template_id, evidence_version,
		                   event_time, frame_day, priority_class, design, salt_id, u, pi, rule_id, impact,
		                   flags, reasons, source, title, snapshot, language)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'census', $11, $12, 1, $13, $14, '[]', '{}', 'import', $15, $16, $17)
		RETURNING id`,
		f.queue.ID, r.EventID, r.SessionID, r.TaskClass, r.ModelVersion, r.PromptTemplateID, r.EvidenceVersion,
		r.EffectiveTime, day, d.PriorityClass, d.SaltID, d.U, f.rule.ID, min(5, max(1, r.Impact)),
		titleFor(snapshot), snapshot, languageFor(snapshot)).QueryRow(func(row pgx.Row) error { return row.Scan(&item.ID) })
}
