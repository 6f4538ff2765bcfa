package telemetry

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"
)

// column is one column of the event tables: its name, and its values for a
// block of rows as the slice that clickhouse-go takes whole, which is several
// times faster than row by row.
type column struct {
	name   string
	values func([]*row) any
	wide   bool // only in events, not in event_facts
}

func col[T any](name string, of func(*row) T) column {
	return column{name: name, values: func(rows []*row) any {
		values := make([]T, len(rows))
		for i, r := range rows {
			values[i] = of(r)
		}
		return values
	}}
}

func wide[T any](name string, of func(*row) T) column {
	c := col(name, of)
	c.wide = true
	return c
}

var columns = []column{
	col("event_id", func(r *row) uuid.UUID { return r.EventID }),
	col("event_type", func(r *row) string { return string(r.EventType) }),
	col("event_time", func(r *row) time.Time { return r.EventTime }),
	col("effective_time", func(r *row) time.Time { return r.Effective }),
	col("server_ingest_time", func(r *row) time.Time { return r.Received }),
	col("seq", func(r *row) uint64 { return r.Seq }),
	wide("key_id", func(r *row) int64 { return r.KeyID }),
	col("session_id", func(r *row) string { return r.SessionID }),
	col("trace_id", func(r *row) string { return r.TraceID }),
	wide("span_id", func(r *row) string { return r.SpanID }),
	wide("parent_span_id", func(r *row) string { return r.ParentSpanID }),
	col("request_id", func(r *row) string { return r.RequestID }),
	col("case_id", func(r *row) string { return r.CaseID }),
	wide("assistant_id", func(r *row) string { return r.AssistantID }),
	col("assistant_version", func(r *row) string { return r.AssistantVersion }),
	col("model_version", func(r *row) string { return r.ModelVersion }),
	wide("model_provider", func(r *row) string { return r.ModelProvider }),
	col("prompt_template_id", func(r *row) string { return r.PromptTemplateID }),
	col("evidence_version", func(r *row) *string { return r.EvidenceVersion }),
	col("task_class", func(r *row) string { return r.TaskClass }),
	col("env", func(r *row) string { return r.Env }),
	col("user_id_hash", func(r *row) *string { return r.UserIDHash }),
	wide("consent_id", func(r *row) string { return r.ConsentID }),
	col("consent", func(r *row) string { return string(r.Consent) }),
	wide("capture", func(r *row) string { return string(r.Capture) }),
	wide("device_fingerprint", func(r *row) string { return r.DeviceFingerprint }),
	wide("device_type", func(r *row) string { return r.DeviceType }),
	wide("connection_type", func(r *row) string { return r.ConnectionType }),
	col("experiment_id", func(r *row) *string { return r.ExperimentID }),
	col("variant", func(r *row) *string { return r.Variant }),
	col("outcome", func(r *row) string { return r.Outcome }),
	col("input_tokens", func(r *row) *int64 { return r.InputTokens }),
	col("cached_input_tokens", func(r *row) *int64 { return r.CachedInputTokens }),
	col("output_tokens", func(r *row) *int64 { return r.OutputTokens }),
	col("prompt_tokens", func(r *row) *int64 { return r.PromptTokens }),
	col("ttft_ms", func(r *row) *int64 { return r.TTFTMS }),
	col("latency_ms", func(r *row) *int64 { return r.LatencyMS }),
	col("total_ms", func(r *row) *int64 { return r.TotalMS }),
	col("route", func(r *row) string { return r.Route }),
	col("first_failed_stage", func(r *row) string { return r.FirstFailedStage }),
	col("unsafe_claim_served", func(r *row) *bool { return r.UnsafeClaimServed }),
	wide("action_type", func(r *row) string { return r.ActionType }),
	wide("impact", func(r *row) *int64 { return r.Impact }),
	col("explicit_feedback", func(r *row) string { return r.ExplicitFeedback }),
	wide("reason", func(r *row) string { return r.Reason }),
	wide("correction_source", func(r *row) string { return r.CorrectionSource }),
	wide("correction_delay_ms", func(r *row) *int64 { return r.CorrectionDelayMS }),
	wide("tool_name", func(r *row) string { return r.ToolName }),
	wide("params_hash", func(r *row) string { return r.ParamsHash }),
	wide("progress_marker", func(r *row) string { return r.ProgressMarker }),
	wide("result_status", func(r *row) string { return r.ResultStatus }),
	col("retry_count", func(r *row) *int64 { return r.RetryCount }),
	col("stop_reason", func(r *row) string { return r.StopReason }),
	col("error_type", func(r *row) string { return r.ErrorType }),
	wide("artifact_kind", func(r *row) string { return r.ArtifactKind }),
	wide("artifact_redacted", func(r *row) bool { return r.ArtifactRedacted }),
	col("prompt_chars", func(r *row) int64 { return r.PromptChars }),
	col("response_chars", func(r *row) int64 { return r.ResponseChars }),
	wide("prompt_sketch", func(r *row) uint64 { return r.PromptSketch }),
	wide("scrub_policy", func(r *row) string { return r.ScrubPolicy }),
	wide("raw_payload_ref", func(r *row) string { return r.RawPayloadRef }),
	wide("prompt_hash", func(r *row) string { return r.PromptHash }),
	wide("response_hash", func(r *row) string { return r.ResponseHash }),
	wide("capture_rate", func(r *row) int64 { return r.CaptureRate }),
	wide("salt_id", func(r *row) string { return r.SaltID }),
	col("keep_u", func(r *row) float64 { return r.KeepU }),
	col("keep", func(r *row) float64 { return r.Keep }),
	col("keep_flagged", func(r *row) float64 { return r.KeepFlagged }),
	col("text_kept", func(r *row) bool { return r.TextKept }),
	col("quarantined", func(r *row) bool { return r.Quarantined }),
	col("expires_at", func(r *row) time.Time { return r.ExpiresAt }),
	col("text_expires_at", func(r *row) time.Time { return r.TextExpiresAt }),
	wide("prompt", func(r *row) string { return r.Prompt }),
	wide("response", func(r *row) string { return r.Response }),
	wide("context", func(r *row) string { return string(writeContext(nil, r)) }),
	wide("correction", func(r *row) string { return r.Correction }),
	wide("error_message", func(r *row) string { return r.ErrorMessage }),
	wide("artifact", func(r *row) string { return string(r.Artifact) }),
	wide("attributes", func(r *row) string { return string(r.Attributes) }),
}

// eventTables are the tables every event is written to.
var eventTables = []string{"events", "event_facts"}

// write puts a block into both tables. The token makes ClickHouse refuse a
// second write of the same block quietly; where it has forgotten the token
// the rows collapse, being the same.
func (s *Store) write(ctx context.Context, block uuid.UUID, rows []*row) error {
	for _, table := range eventTables {
		if err := s.writeTable(ctx, table, block, rows); err != nil {
			return fmt.Errorf("write block %s to %s: %w", block, table, err)
		}
	}
	return nil
}

func (s *Store) writeTable(ctx context.Context, table string, block uuid.UUID, rows []*row) error {
	var names []string
	var chosen []column
	for _, c := range columns {
		if table == "events" || !c.wide {
			names, chosen = append(names, c.name), append(chosen, c)
		}
	}
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
		"insert_deduplicate":              1,
		"optimize_on_insert":              0, // the events of a block differ, and readers deduplicate anyhow
		"insert_deduplication_token":      block.String() + "/" + table,
		"max_partitions_per_insert_block": 0,
		"max_execution_time":              120,
		"min_insert_block_size_rows":      len(rows),
		"min_insert_block_size_bytes":     0,
		"async_insert":                    0,
	}))
	batch, err := s.Clickhouse.PrepareBatch(ctx, "INSERT INTO "+table+" ("+strings.Join(names, ", ")+")")
	if err != nil {
		return err
	}
	defer batch.Close()
	for i, c := range chosen {
		if err := batch.Column(i).Append(c.values(rows)); err != nil {
			return &badColumn{c.name, err}
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
