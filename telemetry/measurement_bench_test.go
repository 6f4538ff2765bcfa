package telemetry

import (
	"context"
	"testing"
	"time"

	"assay/internal/clickhousetest"
	"assay/internal/postgrestest"
)

// millionFacts writes a million events of a week and the one before, three in
// four of them responses, 5 % of them twice.
func millionFacts(b *testing.B, s *Store) {
	b.Helper()
	ctx := context.Background()
	write := `
		INSERT INTO event_facts (event_id, event_type, event_time, effective_time, server_ingest_time, seq, session_id, request_id, assistant_version, model_version,
		                         prompt_template_id, task_class, env, user_id_hash, consent, outcome, input_tokens, cached_input_tokens, output_tokens, ttft_ms, total_ms, expires_at, text_expires_at)
		SELECT toUUID(concat('00000000-0000-4000-8000-', leftPad(toString(number), 12, '0'))),
		       ['assistant_response', 'assistant_response', 'assistant_response', 'tool_step'][number % 4 + 1],
		       toDateTime64('2026-11-20 12:00:00', 3, 'UTC') - toIntervalMillisecond(1209 * number) AS at, at, at, number,
		       concat('s', toString(intDiv(number, 6))), concat('r', toString(number)), ['1.2.0', '1.3.0'][number % 2 + 1], concat('v', toString(number % 3)),
		       concat('t', toString(number % 4)), ['sql_query', 'file_edit', 'summarization', 'code_generation', 'spreadsheet_formula'][intDiv(number, 6) % 5 + 1], 'prod',
		       concat('sha256-', toString(number % 20000)), 'redacted', 'success', 100 + number % 400, number % 100, 10 + number % 300, 80 + number % 700,
		       toInt64(900 + exp(7 + (cityHash64(number) % 1000) / 500)), toDateTime('2100-01-01 00:00:00', 'UTC'), toDateTime('2100-01-01 00:00:00', 'UTC')
		FROM numbers(1000000)`
	for _, sql := range []string{write, write + " WHERE number % 20 = 0"} {
		if err := s.Clickhouse.Exec(reading(ctx), sql); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFigures measures what the pages of figures wait for on a million
// events, beside a bare count over the same rows: the engine's own limit.
func BenchmarkFigures(b *testing.B) {
	s := &Store{DB: postgrestest.Database(b), Clickhouse: clickhousetest.Database(b), Clock: func() time.Time { return noon }}
	millionFacts(b, s)
	ctx := context.Background()
	f := MetricFilter{Window: Window{noon.AddDate(0, 0, -7), noon.Add(time.Second)}, By: []Dimension{ByTaskClass, ByModelVersion}}
	for _, c := range []struct {
		name string
		ask  func() error
	}{
		{"bare count", func() error {
			return s.eachRow(ctx, func(scan func(...any) error) error { var n uint64; return scan(&n) },
				`SELECT count() FROM `+allFacts+` WHERE effective_time >= ? AND effective_time < ?`, f.Window.Before().From, f.Window.To)
		}},
		{"latency", func() error { _, err := s.LatencyRows(ctx, engineer, f); return err }},
		{"tokens", func() error { _, err := s.TokenRows(ctx, engineer, f); return err }},
		{"load", func() error { _, err := s.Load(ctx, engineer, f); return err }},
		{"cost", func() error { _, err := s.Costs(ctx, engineer, f, ""); return err }},
		{"errors", func() error { _, err := s.ErrorRows(ctx, engineer, f); return err }},
		{"feedback", func() error { _, err := s.FeedbackRows(ctx, engineer, f); return err }},
		{"conversations", func() error { _, err := s.FlowRows(ctx, engineer, f); return err }},
		{"routes", func() error { _, err := s.RouteRows(ctx, engineer, f); return err }},
		{"experiments", func() error { _, err := s.VariantRows(ctx, engineer, f, ""); return err }},
		{"sessions", func() error {
			_, err := s.Sessions(ctx, engineer, SessionFilter{Window: f.Window, Behind: BehindTimed, TaskClass: "sql_query"}, "", 50)
			return err
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if err := c.ask(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
