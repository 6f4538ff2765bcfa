package telemetry

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"
)

// column is one column of the event tables: how its values are written into
// the batches of the inbox and read from there, and how a block of them goes to
// ClickHouse: as the slice that clickhouse-go takes whole, which is several
// times faster than row by row.
type column struct {
	name   string
	as     string // its type on the way: dictionaries are made by ClickHouse
	wide   bool   // only in events, not in event_facts
	blank  []byte // its value where nothing was said, as ClickHouse fills it in
	put    func([]byte, *row) []byte
	take   func(*row, []byte) (rest []byte)
	skip   func([]byte) (rest []byte, ok bool)
	values func(sheets []*sheet, place, n int) any
}

func col[T any](name, as string, k kind[T], get func(*row) T, set func(*row, T)) column {
	var nothing T
	return column{
		name: name, as: as, blank: k.put(nil, nothing), skip: k.skip,
		put: func(b []byte, r *row) []byte { return k.put(b, get(r)) },
		take: func(r *row, b []byte) []byte {
			v, rest := k.next(b)
			set(r, v)
			return rest
		},
		values: func(sheets []*sheet, place, n int) any { return valuesOf(sheets, place, n, k) },
	}
}

// direct is a column of a field of the row.
func direct[T any](name, as string, k kind[T], field func(*row) *T) column {
	return col(name, as, k, func(r *row) T { return *field(r) }, func(r *row, v T) { *field(r) = v })
}

func texts[T ~string](name string, field func(*row) *T) column {
	return col(name, "String", textKind, func(r *row) string { return string(*field(r)) }, func(r *row, v string) { *field(r) = T(v) })
}

func raws(name string, field func(*row) *json.RawMessage) column {
	return col(name, "String", textKind, func(r *row) string { return string(*field(r)) }, func(r *row, v string) {
		if v != "" {
			*field(r) = json.RawMessage(v)
		}
	})
}

func perhapsTexts(name string, field func(*row) **string) column {
	return direct(name, "Nullable(String)", optional(textKind), field)
}

func perhapsCounts(name string, field func(*row) **int64) column {
	return direct(name, "Nullable(Int64)", optional(wordKind[int64]()), field)
}

func counts(name string, field func(*row) *int64) column {
	return direct(name, "Int64", wordKind[int64](), field)
}

func unsigned(name string, field func(*row) *uint64) column {
	return direct(name, "UInt64", wordKind[uint64](), field)
}

func shares(name string, field func(*row) *float64) column {
	return direct(name, "Float64", shareKind, field)
}

func flags(name string, field func(*row) *bool) column { return direct(name, "Bool", flagKind, field) }

func times(name string, field func(*row) *time.Time) column {
	return direct(name, "DateTime64(3, 'UTC')", timeKind, field)
}

func seconds(name string, field func(*row) *time.Time) column {
	return direct(name, "DateTime('UTC')", timeKind, field)
}

func wide(c column) column {
	c.wide = true
	return c
}

var columns = []column{
	direct("event_id", "UUID", uuidKind, func(r *row) *uuid.UUID { return &r.EventID }),
	texts("event_type", func(r *row) *EventType { return &r.EventType }),
	times("event_time", func(r *row) *time.Time { return &r.EventTime }),
	times("effective_time", func(r *row) *time.Time { return &r.Effective }),
	times("server_ingest_time", func(r *row) *time.Time { return &r.Received }),
	unsigned("seq", func(r *row) *uint64 { return &r.Seq }),
	wide(counts("key_id", func(r *row) *int64 { return &r.KeyID })),
	texts("session_id", func(r *row) *string { return &r.SessionID }),
	texts("trace_id", func(r *row) *string { return &r.TraceID }),
	wide(texts("span_id", func(r *row) *string { return &r.SpanID })),
	wide(texts("parent_span_id", func(r *row) *string { return &r.ParentSpanID })),
	texts("request_id", func(r *row) *string { return &r.RequestID }),
	texts("case_id", func(r *row) *string { return &r.CaseID }),
	wide(texts("assistant_id", func(r *row) *string { return &r.AssistantID })),
	texts("assistant_version", func(r *row) *string { return &r.AssistantVersion }),
	texts("model_version", func(r *row) *string { return &r.ModelVersion }),
	wide(texts("model_provider", func(r *row) *string { return &r.ModelProvider })),
	texts("prompt_template_id", func(r *row) *string { return &r.PromptTemplateID }),
	perhapsTexts("evidence_version", func(r *row) **string { return &r.EvidenceVersion }),
	texts("task_class", func(r *row) *string { return &r.TaskClass }),
	texts("env", func(r *row) *string { return &r.Env }),
	perhapsTexts("user_id_hash", func(r *row) **string { return &r.UserIDHash }),
	wide(texts("consent_id", func(r *row) *string { return &r.ConsentID })),
	texts("consent", func(r *row) *Consent { return &r.Consent }),
	wide(texts("capture", func(r *row) *Capture { return &r.Capture })),
	wide(texts("device_fingerprint", func(r *row) *string { return &r.DeviceFingerprint })),
	wide(texts("device_type", func(r *row) *string { return &r.DeviceType })),
	wide(texts("connection_type", func(r *row) *string { return &r.ConnectionType })),
	perhapsTexts("experiment_id", func(r *row) **string { return &r.ExperimentID }),
	perhapsTexts("variant", func(r *row) **string { return &r.Variant }),
	texts("outcome", func(r *row) *string { return &r.Outcome }),
	perhapsCounts("input_tokens", func(r *row) **int64 { return &r.InputTokens }),
	perhapsCounts("cached_input_tokens", func(r *row) **int64 { return &r.CachedInputTokens }),
	perhapsCounts("output_tokens", func(r *row) **int64 { return &r.OutputTokens }),
	perhapsCounts("prompt_tokens", func(r *row) **int64 { return &r.PromptTokens }),
	perhapsCounts("ttft_ms", func(r *row) **int64 { return &r.TTFTMS }),
	perhapsCounts("latency_ms", func(r *row) **int64 { return &r.LatencyMS }),
	perhapsCounts("total_ms", func(r *row) **int64 { return &r.TotalMS }),
	texts("route", func(r *row) *string { return &r.Route }),
	texts("first_failed_stage", func(r *row) *string { return &r.FirstFailedStage }),
	direct("unsafe_claim_served", "Nullable(Bool)", optional(flagKind), func(r *row) **bool { return &r.UnsafeClaimServed }),
	wide(texts("action_type", func(r *row) *string { return &r.ActionType })),
	wide(perhapsCounts("impact", func(r *row) **int64 { return &r.Impact })),
	texts("explicit_feedback", func(r *row) *string { return &r.ExplicitFeedback }),
	wide(texts("reason", func(r *row) *string { return &r.Reason })),
	wide(texts("correction_source", func(r *row) *string { return &r.CorrectionSource })),
	wide(perhapsCounts("correction_delay_ms", func(r *row) **int64 { return &r.CorrectionDelayMS })),
	wide(texts("tool_name", func(r *row) *string { return &r.ToolName })),
	wide(texts("params_hash", func(r *row) *string { return &r.ParamsHash })),
	wide(texts("progress_marker", func(r *row) *string { return &r.ProgressMarker })),
	wide(texts("result_status", func(r *row) *string { return &r.ResultStatus })),
	perhapsCounts("retry_count", func(r *row) **int64 { return &r.RetryCount }),
	texts("stop_reason", func(r *row) *string { return &r.StopReason }),
	texts("error_type", func(r *row) *string { return &r.ErrorType }),
	wide(texts("artifact_kind", func(r *row) *string { return &r.ArtifactKind })),
	wide(flags("artifact_redacted", func(r *row) *bool { return &r.ArtifactRedacted })),
	counts("prompt_chars", func(r *row) *int64 { return &r.PromptChars }),
	counts("response_chars", func(r *row) *int64 { return &r.ResponseChars }),
	wide(unsigned("prompt_sketch", func(r *row) *uint64 { return &r.PromptSketch })),
	wide(texts("scrub_policy", func(r *row) *string { return &r.ScrubPolicy })),
	wide(texts("raw_payload_ref", func(r *row) *string { return &r.RawPayloadRef })),
	wide(texts("prompt_hash", func(r *row) *string { return &r.PromptHash })),
	wide(texts("response_hash", func(r *row) *string { return &r.ResponseHash })),
	wide(counts("capture_rate", func(r *row) *int64 { return &r.CaptureRate })),
	wide(texts("salt_id", func(r *row) *string { return &r.SaltID })),
	shares("keep_u", func(r *row) *float64 { return &r.KeepU }),
	shares("keep", func(r *row) *float64 { return &r.Keep }),
	shares("keep_flagged", func(r *row) *float64 { return &r.KeepFlagged }),
	flags("text_kept", func(r *row) *bool { return &r.TextKept }),
	flags("quarantined", func(r *row) *bool { return &r.Quarantined }),
	seconds("expires_at", func(r *row) *time.Time { return &r.ExpiresAt }),
	seconds("text_expires_at", func(r *row) *time.Time { return &r.TextExpiresAt }),
	wide(texts("prompt", func(r *row) *string { return &r.Prompt })),
	wide(texts("response", func(r *row) *string { return &r.Response })),
	wide(col("context", "String", textKind, func(r *row) string { return string(writeContext(nil, r)) }, func(r *row, v string) { json.Unmarshal([]byte(v), &r.Context) })),
	wide(texts("correction", func(r *row) *string { return &r.Correction })),
	wide(texts("error_message", func(r *row) *string { return &r.ErrorMessage })),
	wide(raws("artifact", func(r *row) *json.RawMessage { return &r.Artifact })),
	wide(raws("attributes", func(r *row) *json.RawMessage { return &r.Attributes })),
}

var columnPlace = func() map[string]int {
	places := make(map[string]int, len(columns))
	for i := range columns {
		places[columns[i].name] = i
	}
	return places
}()

// eventTables are the tables every event is written to.
var eventTables = []string{"events", "event_facts"}

// write puts a block into both tables. The token makes ClickHouse refuse a
// second write of the same block quietly; where it has forgotten the token
// the rows collapse, being the same.
func (s *Store) write(ctx context.Context, block uuid.UUID, sheets []*sheet) error {
	for _, table := range eventTables {
		if err := s.writeTable(ctx, table, block, sheets); err != nil {
			return fmt.Errorf("write block %s to %s: %w", block, table, err)
		}
	}
	return nil
}

// writeTable sends the columns that say something; ClickHouse fills in the rest.
func (s *Store) writeTable(ctx context.Context, table string, block uuid.UUID, sheets []*sheet) error {
	n := eventsOf(sheets)
	var names []string
	var types []clickhouse.ColumnNameAndType
	var places []int
	for i, c := range columns {
		said := slices.ContainsFunc(sheets, func(s *sheet) bool { return s.cells[i].hold != holdsNothing })
		if said && (table == "events" || !c.wide) {
			names, places = append(names, c.name), append(places, i)
			types = append(types, clickhouse.ColumnNameAndType{Name: c.name, Type: c.as})
		}
	}
	ctx = clickhouse.Context(ctx, clickhouse.WithColumnNamesAndTypes(types), clickhouse.WithSettings(clickhouse.Settings{
		"insert_deduplicate":              1,
		"optimize_on_insert":              0, // the events of a block differ, and readers deduplicate anyhow
		"insert_deduplication_token":      block.String() + "/" + table,
		"max_partitions_per_insert_block": 0,
		"max_execution_time":              120,
		"min_insert_block_size_rows":      n,
		"min_insert_block_size_bytes":     0,
		"async_insert":                    0,
	}))
	batch, err := s.writer().PrepareBatch(ctx, "INSERT INTO "+table+" ("+strings.Join(names, ", ")+")")
	if err != nil {
		return err
	}
	defer batch.Close()
	for i, place := range places {
		if err := batch.Column(i).Append(columns[place].values(sheets, place, n)); err != nil {
			return &badColumn{columns[place].name, err}
		}
	}
	return batch.Send()
}

// badColumn says that values could not be encoded for ClickHouse: the data's
// fault, not the connection's.
type badColumn struct {
	name string
	err  error
}

func (b *badColumn) Error() string { return "column " + b.name + ": " + b.err.Error() }

func (b *badColumn) Unwrap() error { return b.err }
