package labeling

import (
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/parquet-go/parquet-go"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// ExportFile is a file of a frozen version that a job writes and a link gives.
type ExportFile struct {
	ID          int64
	VersionID   int64
	Dataset     string // its slug
	Version     int
	Format      string
	State       string // waiting, done, failed, expired
	Total       int64
	Done        int64
	Bytes       int64
	SHA256      []byte
	RequestedBy string
	CreatedAt   time.Time
	FinishedAt  *time.Time
	ExpiresAt   time.Time
	FailedWhy   string // for people, of a file that failed
}

// Name is what the file is called on a reader's machine.
func (e ExportFile) Name() string {
	ending := e.Format
	switch e.Format {
	case FormatLabelStudio, FormatArgilla:
		ending += ".json"
	case FormatRecords:
		ending += ".jsonl"
	}
	return fmt.Sprintf("%s-v%d.%s", e.Dataset, e.Version, ending)
}

// Hash is of the file, in hexadecimal, "" before it is written.
func (e ExportFile) Hash() string { return hex.EncodeToString(e.SHA256) }

// ExportFormats are what a version is written as.
var ExportFormats = []string{"jsonl", "csv", "parquet", FormatLabelStudio, FormatArgilla, FormatRecords}

// exportLasts is how long the link of an export works.
const exportLasts = 7 * 24 * time.Hour

// ExportRequested is the job that writes a file; its kind is never renamed.
type ExportRequested struct {
	ExportID int64 `json:"export_id"`
}

// Kind names the job.
func (ExportRequested) Kind() string { return "labeling.export_requested" }

const exportQuery = `
	SELECT e.id, e.version_id, d.slug AS dataset, v.version, e.format, e.state, e.total, e.done, e.bytes, e.sha256, e.requested_by,
	       e.created_at, e.finished_at, e.expires_at, e.failed_why
	FROM exports e
	JOIN dataset_versions v ON v.id = e.version_id
	JOIN datasets d ON d.id = v.dataset_id`

// RequestExport begins a file of a frozen version. Like every export it is an
// entry in the audit.
func (s *Store) RequestExport(ctx context.Context, actor auth.Actor, version int64, format string) (ExportFile, error) {
	if err := actor.Require(auth.ExportLabels); err != nil {
		return ExportFile{}, err
	}
	if !slices.Contains(ExportFormats, format) {
		return ExportFile{}, fault.Say(fault.Invalid, "The format is one of %s.", strings.Join(ExportFormats, ", "))
	}
	var id int64
	err := postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		var slug string
		err := tx.QueryRow(ctx, `
			INSERT INTO exports (version_id, format, total, requested_by, expires_at)
			SELECT v.id, $2, v.total, $3, clock_timestamp() + $4 FROM dataset_versions v WHERE v.id = $1 AND v.state = 'frozen'
			RETURNING id, (SELECT d.slug FROM datasets d JOIN dataset_versions w ON w.dataset_id = d.id WHERE w.id = $1)`,
			version, format, actor.Name, exportLasts).Scan(&id, &slug)
		if errors.Is(err, pgx.ErrNoRows) {
			return fault.Say(fault.Conflict, "This version is not frozen yet. Its exports wait until it is.")
		}
		if err != nil {
			return fmt.Errorf("export version %d: %w", version, err)
		}
		err = audit.Record(ctx, tx, audit.Entry{
			Actor: actor, Action: "dataset.export", Object: "dataset/" + slug, What: format, After: map[string]any{"export_id": id, "version_id": version},
		})
		if err != nil || s.Jobs == nil {
			return err
		}
		_, err = s.Jobs.InsertTx(ctx, tx, ExportRequested{ExportID: id}, nil)
		return err
	})
	if err != nil {
		return ExportFile{}, err
	}
	return s.exportFile(ctx, id)
}

func (s *Store) exportFile(ctx context.Context, id int64) (ExportFile, error) {
	rows, _ := s.DB.Query(ctx, exportQuery+` WHERE e.id = $1`, id)
	e, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[ExportFile])
	if errors.Is(err, pgx.ErrNoRows) {
		err = fmt.Errorf("export %d: %w", id, fault.NotFound)
	}
	return e, err
}

// ExportFile returns a file that was asked for, as far as it has come.
func (s *Store) ExportFile(ctx context.Context, actor auth.Actor, id int64) (ExportFile, error) {
	if err := actor.Require(auth.ExportLabels); err != nil {
		return ExportFile{}, err
	}
	return s.exportFile(ctx, id)
}

// Exports lists the files of a dataset, newest first.
func (s *Store) Exports(ctx context.Context, actor auth.Actor, dataset int64) ([]ExportFile, error) {
	if err := actor.Require(auth.ExportLabels); err != nil {
		return nil, err
	}
	rows, _ := s.DB.Query(ctx, exportQuery+` WHERE v.dataset_id = $1 ORDER BY e.id DESC LIMIT 50`, dataset)
	return pgx.CollectRows(rows, pgx.RowToStructByName[ExportFile])
}

// OpenExport returns a file that is written and has not expired, with what
// writes its bytes. Every opening is an entry in the audit.
func (s *Store) OpenExport(ctx context.Context, actor auth.Actor, id int64) (ExportFile, func(context.Context, io.Writer) error, error) {
	if err := actor.Require(auth.ExportLabels); err != nil {
		return ExportFile{}, nil, err
	}
	e, err := s.exportFile(ctx, id)
	if err != nil {
		return e, nil, err
	}
	switch {
	case e.State == "withdrawn":
		return e, nil, fault.Say(fault.Conflict, withdrawnWhy)
	case e.State == "expired" || time.Now().After(e.ExpiresAt):
		return e, nil, fault.Say(fault.Conflict, "This file has expired. The version is still there: export it again.")
	case e.State == "failed":
		return e, nil, fault.Say(fault.Conflict, "This file could not be written: %s", e.FailedWhy)
	case e.State != "done":
		return e, nil, fault.Say(fault.Conflict, "This file is not written yet.")
	}
	err = postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		return audit.Record(ctx, tx, audit.Entry{
			Actor: actor, Action: "dataset.download", Object: "dataset/" + e.Dataset, What: e.Name(), After: map[string]any{"export_id": id},
		})
	})
	return e, func(ctx context.Context, to io.Writer) error {
		rows, _ := s.DB.Query(ctx, `SELECT body FROM export_parts WHERE export_id = $1 ORDER BY part`, id)
		var body []byte
		_, err := pgx.ForEachRow(rows, []any{&body}, func() error {
			_, err := to.Write(body)
			return err
		})
		return err
	}, err
}

// exportRows is how many rows lie in memory while a file is written.
const exportRows = 1_000

// WriteExport writes a requested file. It may be repeated. ErrAtWork while
// another has it in hand.
func (s *Store) WriteExport(ctx context.Context, actor auth.Actor, id int64) error {
	if err := actor.Require(auth.RunWork); err != nil {
		return err
	}
	e, err := s.exportFile(ctx, id)
	if fault.Of(err) == fault.NotFound {
		return nil
	}
	if err != nil || (e.State != "waiting" && e.State != "failed") {
		return err
	}
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		if err := takeUp(ctx, tx, exportLock, id); err != nil {
			return err
		}
		if err := lockExport(ctx, tx, id); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM export_parts WHERE export_id = $1`, id); err != nil {
			return err
		}
		parts := &partWriter{ctx: ctx, tx: tx, export: id, sum: sha256.New()}
		if err := s.writeRows(ctx, tx, e, parts); err != nil {
			return fmt.Errorf("write export %d: %w", id, err)
		}
		if err := parts.flush(); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `
			UPDATE exports SET state = 'done', failed_why = '', done = total, bytes = $2, sha256 = $3, finished_at = clock_timestamp() WHERE id = $1`,
			id, parts.bytes, parts.sum.Sum(nil))
		return err
	})
}

func (s *Store) writeRows(ctx context.Context, tx pgx.Tx, e ExportFile, to io.Writer) error {
	switch e.Format {
	case FormatLabelStudio, FormatArgilla:
		return s.writeExchange(ctx, tx, e, to)
	case FormatRecords:
		return s.writeRecords(ctx, tx, e, to)
	}
	write, end := datasetWriter(e.Format, to)
	var after int64
	for {
		rows, err := datasetRows(ctx, tx, e.VersionID, after, exportRows)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if err := write(row); err != nil {
				return err
			}
		}
		if len(rows) == 0 {
			return end()
		}
		after = rows[len(rows)-1].Position
		s.progress(ctx, `UPDATE exports SET done = $2 WHERE id = $1 AND state = 'waiting'`, e.ID, int(after))
	}
}

// ExpireExports empties files whose time is over and returns how many.
func (s *Store) ExpireExports(ctx context.Context, actor auth.Actor) (int, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return 0, err
	}
	n := 0
	err := postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		rows, _ := tx.Query(ctx, `
			UPDATE exports SET state = 'expired'
			WHERE state IN ('waiting', 'done', 'failed') AND expires_at < clock_timestamp()
			RETURNING id`)
		ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if err != nil || len(ids) == 0 {
			return err
		}
		n = len(ids)
		_, err = tx.Exec(ctx, `DELETE FROM export_parts WHERE export_id = ANY($1)`, ids)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("expire exports: %w", err)
	}
	return n, nil
}

// partWriter keeps a file as parts in the store.
type partWriter struct {
	ctx    context.Context
	tx     pgx.Tx
	export int64
	part   int
	buffer []byte
	bytes  int64
	sum    interface {
		io.Writer
		Sum([]byte) []byte
	}
}

const (
	partSize  = 1 << 20
	maxExport = 1 << 30
)

func (w *partWriter) Write(p []byte) (int, error) {
	w.sum.Write(p)
	w.bytes += int64(len(p))
	if w.bytes > maxExport {
		return 0, fault.Say(fault.Invalid, "The file would be larger than 1 GB. Freeze a smaller version.")
	}
	w.buffer = append(w.buffer, p...)
	if len(w.buffer) >= partSize {
		return len(p), w.flush()
	}
	return len(p), nil
}

func (w *partWriter) flush() error {
	if len(w.buffer) == 0 {
		return nil
	}
	_, err := w.tx.Exec(w.ctx, `INSERT INTO export_parts (export_id, part, body) VALUES ($1, $2, $3)`, w.export, w.part, w.buffer)
	w.part++
	w.buffer = w.buffer[:0]
	return err
}

// datasetWriter writes rows in a format; end closes the file.
func datasetWriter(format string, to io.Writer) (write func(DatasetRow) error, end func() error) {
	switch format {
	case "csv":
		return csvOf(to, datasetColumns)
	case "parquet":
		return parquetOf(to, func(r DatasetRow) parquetRow { return parquetRowOf(r) })
	}
	encoder := json.NewEncoder(to)
	encoder.SetEscapeHTML(false)
	return func(r DatasetRow) error { return encoder.Encode(r) }, func() error { return nil }
}

// datasetColumns are the fields of a DatasetRow, those of the record first.
var datasetColumns = func() []string {
	columns := slices.Clone(recordColumns)
	for field := range reflect.TypeFor[DatasetRow]().Fields() {
		if name := field.Tag.Get("json"); name != "" {
			columns = append(columns, name)
		}
	}
	return columns
}()

// csvOf writes a table that is safe to open: a cell that a program would take
// for a formula begins with an apostrophe, which an import drops.
func csvOf(to io.Writer, columns []string) (write func(DatasetRow) error, end func() error) {
	out := csv.NewWriter(to)
	first := true
	write = func(r DatasetRow) error {
		if first {
			first = false
			if err := out.Write(columns); err != nil {
				return err
			}
		}
		row, err := cellsOf(r, columns)
		if err != nil {
			return err
		}
		return out.Write(row)
	}
	return write, func() error {
		out.Flush()
		return out.Error()
	}
}

// cellsOf are the fields of a value by the names of its JSON, as cells.
func cellsOf(value any, columns []string) ([]string, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	var values map[string]json.RawMessage
	if err := json.Unmarshal(text, &values); err != nil {
		return nil, err
	}
	row := make([]string, len(columns))
	for i, column := range columns {
		row[i] = cell(values[column])
	}
	return row, nil
}

// parquetRow is a row with columns of one type each. Lists and objects are
// JSON texts, times have the unit of a microsecond.
type parquetRow struct {
	ID             int64     `parquet:"id"`
	EventID        string    `parquet:"event_id,zstd"`
	SessionID      string    `parquet:"session_id,zstd"`
	ItemID         int64     `parquet:"item_id"`
	Queue          string    `parquet:"queue,dict,zstd"`
	TaskClass      string    `parquet:"task_class,dict,zstd"`
	ModelVersion   string    `parquet:"model_version,dict,zstd"`
	EventTime      time.Time `parquet:"event_time,timestamp(microsecond)"`
	Label          *string   `parquet:"label,optional,dict,zstd"`
	Revision       int32     `parquet:"revision"`
	Latest         bool      `parquet:"latest"`
	Consensus      *string   `parquet:"consensus,optional,dict,zstd"`
	Method         string    `parquet:"consensus_method,dict,zstd"`
	Labeler        string    `parquet:"labeler,dict,zstd"`
	LabeledAt      time.Time `parquet:"labeled_at,timestamp(microsecond)"`
	Reasons        []string  `parquet:"reasons,list"`
	Spans          string    `parquet:"spans,zstd"`
	Confidence     *string   `parquet:"confidence,optional,dict,zstd"`
	Correction     string    `parquet:"correction,zstd"`
	Note           string    `parquet:"note,zstd"`
	GuideVersion   *int32    `parquet:"guide_version,optional"`
	RuleVersion    int32     `parquet:"rule_version"`
	Design         string    `parquet:"design,dict,zstd"`
	PriorityClass  string    `parquet:"priority_class,dict,zstd"`
	U              float64   `parquet:"u"`
	Pi             *float64  `parquet:"inclusion_probability,optional"`
	Weight         *float64  `parquet:"weight,optional"`
	Flags          string    `parquet:"flags,zstd"`
	Provenance     string    `parquet:"provenance,zstd"`
	Source         string    `parquet:"source,dict,zstd"`
	ElapsedMS      *int64    `parquet:"elapsed_ms,optional"`
	CountsForRates bool      `parquet:"counts_for_rates"`
	Dataset        string    `parquet:"dataset,dict,zstd"`
	DatasetVersion int32     `parquet:"dataset_version"`
	Position       int64     `parquet:"position"`
	Prompt         string    `parquet:"prompt,zstd"`
	Response       string    `parquet:"response,zstd"`
	Context        string    `parquet:"context,zstd"`
	Artifact       string    `parquet:"artifact,zstd"`
}

func parquetRowOf(r DatasetRow) parquetRow {
	row := parquetRow{
		ID: r.ID, EventID: r.EventID.String(), SessionID: r.SessionID, ItemID: r.ItemID, Queue: r.Queue, TaskClass: r.TaskClass, ModelVersion: r.ModelVersion,
		EventTime: r.EventTime, Label: r.Label, Revision: int32(r.Revision), Latest: r.Latest, Consensus: r.Consensus, Method: r.Method,
		Labeler: r.Labeler, LabeledAt: r.LabeledAt, Reasons: r.Reasons, Spans: string(r.Spans), Confidence: r.Confidence,
		Correction: r.Correction, Note: r.Note, RuleVersion: int32(r.RuleVersion), Design: r.Design, PriorityClass: string(r.PriorityClass),
		U: r.U, Pi: r.Pi, Weight: r.Weight, Flags: string(r.Flags), Provenance: string(r.Provenance), Source: r.Source, ElapsedMS: r.ElapsedMS,
		CountsForRates: r.CountsForRates, Dataset: r.Dataset, DatasetVersion: int32(r.DatasetVersion), Position: r.Position,
		Prompt: r.Prompt, Response: r.Response, Context: string(r.Context), Artifact: string(r.Artifact),
	}
	if r.GuideVersion != nil {
		version := int32(*r.GuideVersion)
		row.GuideVersion = &version
	}
	return row
}

// rowGroupBytes is how much text a group of rows holds at most: a writer keeps
// a group in memory until it ends.
const rowGroupBytes = 32 << 20

func parquetOf[R any](to io.Writer, row func(R) parquetRow) (write func(R) error, end func() error) {
	out := parquet.NewGenericWriter[parquetRow](to, parquet.MaxRowsPerRowGroup(50_000))
	held := 0
	write = func(r R) error {
		one := row(r)
		if _, err := out.Write([]parquetRow{one}); err != nil {
			return err
		}
		held += len(one.Prompt) + len(one.Response) + len(one.Context) + len(one.Artifact) + len(one.Correction) + len(one.Note)
		if held < rowGroupBytes {
			return nil
		}
		held = 0
		return out.Flush()
	}
	return write, out.Close
}
