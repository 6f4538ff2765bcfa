package labeling

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// Record is a label with its provenance, as it leaves the product. The
// labeler is a pseudonym.
type Record struct {
	ID             int64           `json:"id"`
	EventID        uuid.UUID       `json:"event_id"`
	SessionID      string          `json:"session_id"`
	ItemID         int64           `json:"item_id"`
	Queue          string          `json:"queue"`
	TaskClass      string          `json:"task_class"`
	ModelVersion   string          `json:"model_version"`
	EventTime      time.Time       `json:"event_time"`
	Label          *string         `json:"label"` // null: the revision takes the label before it back
	Revision       int             `json:"revision"`
	Latest         bool            `json:"latest"` // no later revision of this labeler
	Consensus      *string         `json:"consensus"`
	Method         string          `json:"consensus_method"`
	Labeler        string          `json:"labeler"`
	LabeledAt      time.Time       `json:"labeled_at"`
	Reasons        []string        `json:"reasons"`
	Spans          json.RawMessage `json:"spans"`
	Confidence     *string         `json:"confidence"`
	Correction     string          `json:"correction"`
	Note           string          `json:"note"`
	GuideVersion   *int            `json:"guide_version"`
	RuleVersion    int             `json:"rule_version"`
	Design         string          `json:"design"`
	PriorityClass  PriorityClass   `json:"priority_class"`
	U              float64         `json:"u"`
	Pi             *float64        `json:"inclusion_probability"` // null until the frame has closed, and for surplus labels
	Weight         *float64        `json:"weight"`                // 1 / inclusion probability
	Flags          json.RawMessage `json:"flags"`
	Provenance     json.RawMessage `json:"provenance"`
	Source         string          `json:"source"`
	ElapsedMS      *int64          `json:"elapsed_ms"`
	CountsForRates bool            `json:"counts_for_rates"`
}

// LabelFilter selects labels. The zero value selects all.
type LabelFilter struct {
	Queue     string
	TaskClass string
	SessionID string
	Label     string
	From, To  time.Time // event time, half-open; zero: open
	After     int64     // id of the last label of the page before
	Limit     int       // 0: no limit

	reader int64 // the labeler whose held items are left out; 0: nobody's
}

const recordSelect = `
	SELECT l.id, l.event_id, i.session_id, l.item_id, q.slug AS queue, i.task_class, i.model_version, i.event_time, l.label, l.revision,
	       NOT EXISTS (SELECT FROM labels n WHERE n.item_id = l.item_id AND n.labeler_id = l.labeler_id AND n.revision > l.revision) AS latest,
	       c.label AS consensus, c.method, w.pseudonym AS labeler, l.labeled_at, l.reasons, l.spans, l.confidence,
	       coalesce(t.correction, '') AS correction, coalesce(t.note, '') AS note,
	       g.version AS guide_version, r.version AS rule_version, i.design, i.priority_class, i.u, i.pi, 1 / i.pi AS weight,
	       i.flags, l.provenance - 'imported_by' AS provenance, l.source, l.elapsed_ms,
	       q.kind = 'standard' AND i.design <> 'discovery' AS counts_for_rates
	FROM labels l
	JOIN items i ON i.id = l.item_id
	JOIN queues q ON q.id = i.queue_id
	JOIN queue_rules r ON r.id = i.rule_id
	JOIN labelers w ON w.id = l.labeler_id
	JOIN consensus c ON c.item_id = l.item_id
	LEFT JOIN label_texts t ON t.label_id = l.id
	LEFT JOIN guides g ON g.id = l.guide_id`

const recordQuery = recordSelect + `
	WHERE l.id > $1 AND l.purpose = 'count'
	  AND ($2 = '' OR q.slug = $2)
	  AND ($3 = '' OR i.task_class = $3)
	  AND ($4 = '' OR i.session_id = $4)
	  AND ($5 = '' OR l.label = $5)
	  AND ($6::timestamptz IS NULL OR i.event_time >= $6)
	  AND ($7::timestamptz IS NULL OR i.event_time < $7)
	  AND ($9 = 0 OR NOT EXISTS (
		SELECT FROM reservations held
		WHERE held.item_id = l.item_id AND held.labeler_id = $9 AND held.state = 'held' AND held.lease_until > clock_timestamp()))
	ORDER BY l.id
	LIMIT $8`

// Records returns labels in the order they were given, all revisions of them.
func (s *Store) Records(ctx context.Context, actor auth.Actor, f LabelFilter) ([]Record, error) {
	if err := actor.Require(auth.ExportLabels); err != nil {
		return nil, err
	}
	var err error
	if f.reader, err = s.readerOf(ctx, actor); err != nil {
		return nil, err
	}
	return records(ctx, s.DB, f)
}

func records(ctx context.Context, db postgres.DB, f LabelFilter) ([]Record, error) {
	var limit *int
	if f.Limit > 0 {
		limit = &f.Limit
	}
	rows, _ := db.Query(ctx, recordQuery, f.After, f.Queue, f.TaskClass, f.SessionID, f.Label, orNull(f.From), orNull(f.To), limit, f.reader)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Record])
	if err != nil {
		return nil, fmt.Errorf("labels: %w", err)
	}
	return list, nil
}

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// exportBlock is how many labels lie in memory while exporting.
const exportBlock = 2_000

// Export writes the selected labels as JSON Lines, one label a line, and
// returns how many.
func (s *Store) Export(ctx context.Context, actor auth.Actor, to io.Writer, f LabelFilter) (int, error) {
	write, err := s.BeginExport(ctx, actor, "jsonl", f)
	if err != nil {
		return 0, err
	}
	return write(ctx, to)
}

// BeginExport checks and records an export, which like every export is an
// entry in the audit, and returns what writes it: format is jsonl, csv or parquet.
func (s *Store) BeginExport(ctx context.Context, actor auth.Actor, format string, f LabelFilter) (func(context.Context, io.Writer) (int, error), error) {
	if err := actor.Require(auth.ExportLabels); err != nil {
		return nil, err
	}
	if f.Queue != "" {
		if _, err := s.queueBySlug(ctx, f.Queue); err != nil {
			return nil, fault.Say(fault.NotFound, "There is no queue of this name.")
		}
	}
	line, ok := map[string]func(io.Writer) (func(Record) error, func() error){
		"jsonl": jsonLines, "csv": commaSeparated,
		"parquet": func(to io.Writer) (func(Record) error, func() error) {
			return parquetOf(to, func(r Record) parquetRow { return parquetRowOf(DatasetRow{Record: r}) })
		},
	}[format]
	if !ok {
		return nil, fault.Say(fault.Invalid, "The format is jsonl, csv or parquet.")
	}
	var err error
	if f.reader, err = s.readerOf(ctx, actor); err != nil {
		return nil, err
	}
	err = postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "label.export", Object: "labels/export", What: format, After: f})
	})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, to io.Writer) (int, error) {
		write, end := line(to)
		n, err := s.export(ctx, write, f)
		if err != nil {
			return n, err
		}
		return n, end()
	}, nil
}

func (s *Store) export(ctx context.Context, line func(Record) error, f LabelFilter) (int, error) {
	f.Limit = exportBlock
	written := 0
	for {
		block, err := records(ctx, s.DB, f)
		if err != nil {
			return written, err
		}
		for _, record := range block {
			if err := line(record); err != nil {
				return written, err
			}
			written++
		}
		if len(block) < exportBlock {
			return written, nil
		}
		f.After = block[len(block)-1].ID
	}
}

func jsonLines(to io.Writer) (func(Record) error, func() error) {
	encoder := json.NewEncoder(to)
	encoder.SetEscapeHTML(false)
	return func(r Record) error { return encoder.Encode(r) }, func() error { return nil }
}

// commaSeparated writes a table that is safe to open: a cell that a program
// would take for a formula begins with an apostrophe, which an import drops.
func commaSeparated(to io.Writer) (func(Record) error, func() error) {
	out := csv.NewWriter(to)
	first := true
	return func(r Record) error {
		row, err := cellsOf(r, recordColumns)
		if err != nil {
			return err
		}
		if first {
			first = false
			if err := out.Write(recordColumns); err != nil {
				return err
			}
		}
		if err := out.Write(row); err != nil {
			return err
		}
		out.Flush()
		return out.Error()
	}, func() error { return nil }
}

// recordColumns are the fields of a Record in their order.
var recordColumns = columnsOf[Record]()

// columnsOf names the fields of a flat struct as its JSON does.
func columnsOf[T any]() []string {
	var columns []string
	for field := range reflect.TypeFor[T]().Fields() {
		columns = append(columns, field.Tag.Get("json"))
	}
	return columns
}

func cell(value json.RawMessage) string {
	if len(value) == 0 || value[0] != '"' { // a number, a list, an object
		if string(value) == "null" {
			return ""
		}
		return string(value)
	}
	var text string
	if json.Unmarshal(value, &text) != nil {
		return string(value)
	}
	if text != "" && strings.ContainsRune("=+-@\t\r\n'", rune(text[0])) {
		return "'" + text
	}
	return text
}
