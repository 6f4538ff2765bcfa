package labeling

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// Dataset is a named selection of labels, with its newest version.
type Dataset struct {
	ID        int64
	Slug      string
	Title     string
	CreatedBy string
	CreatedAt time.Time
	Newest    DatasetVersion
}

// DatasetVersion is one frozen state of a dataset. Its content hash is SHA-256
// over its rows, each followed by a line feed: the codes of the labels, not
// the texts, so that erasing a text does not break the proof of the rest.
type DatasetVersion struct {
	ID        int64
	DatasetID int64
	Version   int
	Filter    DatasetFilter
	State     string // freezing, frozen, failed
	Total     int64  // labels
	Done      int64  // of them frozen
	Items     int64
	SHA256    []byte
	CreatedBy string
	CreatedAt time.Time
	FrozenAt  *time.Time
	FailedWhy string // for people, of a version that failed
}

// Hash is the content hash in hexadecimal, "" before it is frozen.
func (v DatasetVersion) Hash() string { return hex.EncodeToString(v.SHA256) }

// DatasetFilter says which labels a version takes. The zero value takes all.
type DatasetFilter struct {
	Queue         string    `json:"queue,omitempty"`
	TaskClass     string    `json:"task_class,omitempty"`
	Label         string    `json:"label,omitempty"`          // of the label, or with consensus of the item
	From          time.Time `json:"from,omitzero"`            // event time, half-open
	To            time.Time `json:"to,omitzero"`              //
	ConsensusOnly bool      `json:"consensus_only,omitempty"` // one row an item: its consensus' first standing label
	RatesOnly     bool      `json:"rates_only,omitempty"`     // only labels that count for rates
}

// Frozen is the job that follows a new version; its kind is never renamed.
type Frozen struct {
	VersionID int64 `json:"version_id"`
}

// Kind names the job.
func (Frozen) Kind() string { return "labeling.dataset_frozen" }

const versionColumns = `v.id, v.dataset_id, v.version, v.filter, v.state, v.total, v.done, v.items, v.sha256, v.created_by, v.created_at, v.frozen_at, v.failed_why`

func mayReadDatasets(actor auth.Actor) error {
	if actor.May(auth.ExportLabels) {
		return nil
	}
	return actor.Require(auth.Configure)
}

// Datasets lists all of them with their newest version, by title.
func (s *Store) Datasets(ctx context.Context, actor auth.Actor) ([]Dataset, error) {
	if err := mayReadDatasets(actor); err != nil {
		return nil, err
	}
	return s.datasets(ctx, "")
}

func (s *Store) datasets(ctx context.Context, slug string) ([]Dataset, error) {
	rows, _ := s.DB.Query(ctx, `
		SELECT d.id, d.slug, d.title, d.created_by, d.created_at, `+versionColumns+`
		FROM datasets d
		JOIN LATERAL (SELECT * FROM dataset_versions WHERE dataset_id = d.id ORDER BY version DESC LIMIT 1) AS v ON true
		WHERE $1 = '' OR d.slug = $1
		ORDER BY d.title, d.id
		LIMIT 1000`, slug)
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Dataset, error) {
		var d Dataset
		v := &d.Newest
		err := row.Scan(&d.ID, &d.Slug, &d.Title, &d.CreatedBy, &d.CreatedAt, &v.ID, &v.DatasetID, &v.Version, &v.Filter, &v.State, &v.Total, &v.Done,
			&v.Items, &v.SHA256, &v.CreatedBy, &v.CreatedAt, &v.FrozenAt, &v.FailedWhy)
		return d, err
	})
}

// Dataset returns one with all its versions, newest first.
func (s *Store) Dataset(ctx context.Context, actor auth.Actor, slug string) (Dataset, []DatasetVersion, error) {
	if err := mayReadDatasets(actor); err != nil {
		return Dataset{}, nil, err
	}
	list, err := s.datasets(ctx, slug)
	if err == nil && (len(list) == 0 || slug == "") {
		err = fault.Say(fault.NotFound, "There is no dataset of this name.")
	}
	if err != nil {
		return Dataset{}, nil, err
	}
	rows, _ := s.DB.Query(ctx, `SELECT `+versionColumns+` FROM dataset_versions v WHERE v.dataset_id = $1 ORDER BY v.version DESC`, list[0].ID)
	versions, err := pgx.CollectRows(rows, pgx.RowToStructByName[DatasetVersion])
	return list[0], versions, err
}

var notInSlug = regexp.MustCompile(`[^a-z0-9]+`)

// Freeze begins a new version of the dataset of that title, making the dataset
// when there is none; a job copies what the filter selects at this moment.
func (s *Store) Freeze(ctx context.Context, actor auth.Actor, title string, f DatasetFilter) (Dataset, error) {
	if err := actor.Require(auth.Configure); err != nil {
		return Dataset{}, err
	}
	title = strings.Join(strings.Fields(title), " ")
	slug := strings.Trim(notInSlug.ReplaceAllString(strings.ToLower(title), "-"), "-")
	slug = strings.Trim(slug[:min(len(slug), 80)], "-")
	switch {
	case slug == "import" || slug == "exports":
		return Dataset{}, fault.Say(fault.Invalid, "“%s” is the name of a page. Choose another.", title)
	case slug == "" || len([]rune(title)) > 120:
		return Dataset{}, fault.Say(fault.Invalid, "A dataset needs a name of 1 to 120 characters, with a letter or digit from a to z.")
	case f.Label != "" && !slices.Contains(Labels, f.Label):
		return Dataset{}, fault.Say(fault.Invalid, "A label is correct, partially_correct, hallucinated or cannot_tell.")
	case !f.From.IsZero() && !f.To.IsZero() && !f.From.Before(f.To):
		return Dataset{}, fault.Say(fault.Invalid, "The window ends before it begins.")
	}
	if f.Queue != "" {
		if _, err := s.queueBySlug(ctx, f.Queue); err != nil {
			return Dataset{}, fault.Say(fault.NotFound, "There is no queue of this name.")
		}
	}
	err := postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error { return s.freeze(ctx, tx, actor, slug, title, f) })
	if err != nil {
		return Dataset{}, err
	}
	d, _, err := s.Dataset(ctx, actor, slug)
	return d, err
}

func (s *Store) freeze(ctx context.Context, tx pgx.Tx, actor auth.Actor, slug, title string, f DatasetFilter) error {
	total, err := countSelected(ctx, tx, f)
	if err != nil {
		return err
	}
	if total == 0 {
		return fault.Say(fault.Invalid, "No label matches. Choose a longer window, or drop a filter.")
	}
	if total > maxDataset {
		return fault.Say(fault.Invalid, "%d labels match, at most %d lie in one version. Choose a shorter window.", total, maxDataset)
	}
	if _, err := tx.Exec(ctx, `INSERT INTO datasets (slug, title, created_by) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, slug, title, actor.Name); err != nil {
		return fmt.Errorf("freeze dataset %s: %w", slug, err)
	}
	var version int64
	var number int
	err = tx.QueryRow(ctx, `
		INSERT INTO dataset_versions (dataset_id, version, filter, total, created_by)
		SELECT d.id, (SELECT coalesce(max(version), 0) + 1 FROM dataset_versions WHERE dataset_id = d.id), $2, $3, $4
		FROM datasets d WHERE d.slug = $1
		RETURNING id, version`, slug, f, total, actor.Name).Scan(&version, &number)
	if postgres.Violates(err, "dataset_versions_dataset_id_version_key") {
		return fault.Say(fault.Conflict, "Somebody else froze a version of this dataset a moment ago. Look at theirs first.")
	}
	if err != nil {
		return fmt.Errorf("freeze dataset %s: %w", slug, err)
	}
	err = audit.Record(ctx, tx, audit.Entry{
		Actor: actor, Action: "dataset.freeze", Object: "dataset/" + slug, What: fmt.Sprintf("version %d, %d labels", number, total), After: f,
	})
	if err != nil || s.Jobs == nil {
		return err
	}
	_, err = s.Jobs.InsertTx(ctx, tx, Frozen{VersionID: version}, nil)
	return err
}

// maxDataset is how many labels a version holds at most.
const maxDataset = 1_000_000

// selectedWhere is which labels l of items i a filter takes: revisions that
// stand, and no answers to gold, which test their labeler; with consensus only, one an item that says what the consensus says.
const selectedWhere = `
	FROM labels l
	JOIN items i ON i.id = l.item_id
	JOIN queues q ON q.id = i.queue_id
	JOIN consensus c ON c.item_id = l.item_id
	WHERE l.label IS NOT NULL AND l.purpose = 'count'
	  AND NOT EXISTS (SELECT FROM labels n WHERE n.item_id = l.item_id AND n.labeler_id = l.labeler_id AND n.revision > l.revision)
	  AND ($1 = '' OR q.slug = $1)
	  AND ($2 = '' OR i.task_class = $2)
	  AND ($3 = '' OR CASE WHEN $6 THEN c.label ELSE l.label END = $3)
	  AND ($4::timestamptz IS NULL OR i.event_time >= $4)
	  AND ($5::timestamptz IS NULL OR i.event_time < $5)
	  AND (NOT $6 OR c.label IS NOT NULL AND l.id = (
		SELECT o.id FROM labels o
		WHERE o.item_id = l.item_id AND o.label IS NOT NULL AND o.purpose = 'count'
		  AND NOT EXISTS (SELECT FROM labels n WHERE n.item_id = o.item_id AND n.labeler_id = o.labeler_id AND n.revision > o.revision)
		ORDER BY o.label = c.label DESC, o.id
		LIMIT 1))
	  AND (NOT $7 OR q.kind = 'standard' AND i.design <> 'discovery')`

func (f DatasetFilter) args(more ...any) []any {
	return append([]any{f.Queue, f.TaskClass, f.Label, orNull(f.From), orNull(f.To), f.ConsensusOnly, f.RatesOnly}, more...)
}

func countSelected(ctx context.Context, tx pgx.Tx, f DatasetFilter) (int64, error) {
	var n int64
	err := tx.QueryRow(ctx, `SELECT count(*)`+selectedWhere, f.args()...).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count labels: %w", err)
	}
	return n, nil
}

// freezeBlock is how many rows are copied in one turn.
const freezeBlock = 1_000

// FreezeVersion copies what a version's filter selects and hashes it. It may
// be repeated, also after a kill half-way: what is frozen stays, what was begun
// is begun anew. ErrAtWork while another has it in hand.
func (s *Store) FreezeVersion(ctx context.Context, actor auth.Actor, id int64) error {
	if err := actor.Require(auth.RunWork); err != nil {
		return err
	}
	var f DatasetFilter
	var state string
	err := s.DB.QueryRow(ctx, `SELECT filter, state FROM dataset_versions WHERE id = $1`, id).Scan(&f, &state)
	if errors.Is(err, pgx.ErrNoRows) || state == "frozen" {
		return nil
	}
	if err != nil {
		return fmt.Errorf("freeze version %d: %w", id, err)
	}
	sum, items, total := sha256.New(), map[int64]bool{}, 0
	err = postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		// One snapshot for all blocks, so that the version is of one moment.
		if s.concurrent() {
			if _, err := tx.Exec(ctx, `SET TRANSACTION ISOLATION LEVEL REPEATABLE READ`); err != nil {
				return err
			}
		}
		if err := takeUp(ctx, tx, freezeLock, id); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM dataset_rows WHERE version_id = $1`, id); err != nil {
			return err
		}
		rows, _ := tx.Query(ctx, `SELECT l.id`+selectedWhere+` ORDER BY l.id`, f.args()...)
		labels, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if err != nil {
			return fmt.Errorf("select for version %d: %w", id, err)
		}
		total = len(labels)
		for from := 0; from < len(labels); from += freezeBlock {
			block := labels[from:min(len(labels), from+freezeBlock)]
			if err := freezeRows(ctx, tx, id, from, block, sum, items); err != nil {
				return fmt.Errorf("freeze version %d: %w", id, err)
			}
			s.progress(ctx, `UPDATE dataset_versions SET done = $2 WHERE id = $1`, id, from+len(block))
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = s.DB.Exec(ctx, `
		UPDATE dataset_versions
		SET state = 'frozen', failed_why = '', total = $2, done = $2, items = $3, sha256 = $4, frozen_at = clock_timestamp()
		WHERE id = $1`, id, total, len(items), sum.Sum(nil))
	return err
}

// progress tells a page how far a job is. It goes beside the job's own
// transaction only when that one does not hold the row.
func (s *Store) progress(ctx context.Context, sql string, id int64, done int) {
	if !s.concurrent() {
		return
	}
	_, _ = s.DB.Exec(ctx, sql, id, done) // a bar that stands still is not worth failing for
}

func freezeRows(ctx context.Context, tx pgx.Tx, version int64, from int, labels []int64, sum hash.Hash, items map[int64]bool) error {
	list, err := recordsOf(ctx, tx, labels)
	if err != nil {
		return err
	}
	var out [][]any
	for i, r := range list {
		r.Correction, r.Note = "", "" // texts stay where they may be erased
		text, err := json.Marshal(r)
		if err != nil {
			return err
		}
		sum.Write(text)
		sum.Write([]byte{'\n'})
		items[r.ItemID] = true
		out = append(out, []any{version, int64(from + i + 1), r.ID, json.RawMessage(text)})
	}
	_, err = tx.CopyFrom(ctx, pgx.Identifier{"dataset_rows"}, []string{"version_id", "position", "label_id", "record"}, pgx.CopyFromRows(out))
	return err
}

// recordsOf reads the records of these labels, in the order of their ids.
func recordsOf(ctx context.Context, tx pgx.Tx, labels []int64) ([]Record, error) {
	rows, _ := tx.Query(ctx, recordSelect+` WHERE l.id = ANY($1) ORDER BY l.id`, labels)
	return pgx.CollectRows(rows, pgx.RowToStructByName[Record])
}

// DatasetRow is a label of a frozen version as it leaves the product: its
// record with the texts that may still be read, and the response it is about.
type DatasetRow struct {
	Record
	Dataset        string          `json:"dataset"`
	DatasetVersion int             `json:"dataset_version"`
	Position       int64           `json:"position"`
	Prompt         string          `json:"prompt"`
	Response       string          `json:"response"`
	Context        json.RawMessage `json:"context"`
	Artifact       json.RawMessage `json:"artifact"`
}

const rowSelect = `
	SELECT r.position, r.record, d.slug, v.version, coalesce(t.correction, ''), coalesce(t.note, ''),
	       coalesce(i.snapshot->>'prompt', ''), coalesce(i.snapshot->>'response', ''), i.snapshot->'context', i.snapshot->'artifact'
	FROM dataset_rows r
	JOIN dataset_versions v ON v.id = r.version_id
	JOIN datasets d ON d.id = v.dataset_id
	JOIN labels l ON l.id = r.label_id
	JOIN items i ON i.id = l.item_id
	LEFT JOIN label_texts t ON t.label_id = r.label_id`

// datasetRows reads some rows of a version after a position.
func datasetRows(ctx context.Context, db postgres.DB, version, after int64, limit int) ([]DatasetRow, error) {
	rows, _ := db.Query(ctx, rowSelect+`
		WHERE r.version_id = $1 AND r.position > $2
		ORDER BY r.position
		LIMIT $3`, version, after, limit)
	list, err := pgx.CollectRows(rows, scanDatasetRow)
	if err != nil {
		return nil, fmt.Errorf("rows of version %d: %w", version, err)
	}
	return list, nil
}

func scanDatasetRow(row pgx.CollectableRow) (DatasetRow, error) {
	var r DatasetRow
	var record []byte
	var correction, note string
	err := row.Scan(&r.Position, &record, &r.Dataset, &r.DatasetVersion, &correction, &note, &r.Prompt, &r.Response, &r.Context, &r.Artifact)
	if err != nil {
		return r, err
	}
	err = json.Unmarshal(record, &r.Record)
	r.Correction, r.Note = correction, note
	return r, err
}

// Inside counts what lies in a version: labels by task class and label, the
// largest first.
type Inside struct {
	TaskClass string
	Label     string
	Labels    int64
	Items     int64
}

// Inside returns the counts of a version.
func (s *Store) Inside(ctx context.Context, actor auth.Actor, version int64) ([]Inside, error) {
	if err := mayReadDatasets(actor); err != nil {
		return nil, err
	}
	rows, _ := s.DB.Query(ctx, `
		SELECT record->>'task_class' AS task_class, record->>'label' AS label, count(*) AS labels, count(DISTINCT record->>'item_id') AS items
		FROM dataset_rows
		WHERE version_id = $1
		GROUP BY 1, 2
		ORDER BY 1, 3 DESC`, version)
	return pgx.CollectRows(rows, pgx.RowToStructByName[Inside])
}

// VerifyVersion hashes the rows of a frozen version again and reports whether
// they are those that were frozen.
func (s *Store) VerifyVersion(ctx context.Context, actor auth.Actor, version int64) (bool, error) {
	if err := mayReadDatasets(actor); err != nil {
		return false, err
	}
	var want []byte
	if err := s.DB.QueryRow(ctx, `SELECT sha256 FROM dataset_versions WHERE id = $1 AND state = 'frozen'`, version).Scan(&want); err != nil {
		if errors.Is(err, pgx.ErrNoRows) {
			err = fault.NotFound
		}
		return false, fmt.Errorf("verify version %d: %w", version, err)
	}
	sum := sha256.New()
	rows, _ := s.DB.Query(ctx, `SELECT record::text FROM dataset_rows WHERE version_id = $1 ORDER BY position`, version)
	var text string
	_, err := pgx.ForEachRow(rows, []any{&text}, func() error {
		sum.Write([]byte(text))
		sum.Write([]byte{'\n'})
		return nil
	})
	return bytes.Equal(sum.Sum(nil), want), err
}
