package clickhouse_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"assay/internal/clickhousetest"
)

// BenchmarkBatch sends blocks of 20,000 rows that look like events through
// clickhouse-go, one after the other.
func BenchmarkBatch(b *testing.B) {
	const rows = 20000
	for _, compression := range []string{"none", "lz4"} {
		b.Run(compression, func(b *testing.B) {
			conn := clickhousetest.Open(b, clickhousetest.Empty(b)+"?compress="+compression)
			if err := conn.Exec(b.Context(), `CREATE TABLE events (
	event_id UUID, session_id String, event_type LowCardinality(String), task_class LowCardinality(String),
	model_version LowCardinality(String), event_time DateTime64(3, 'UTC'), server_ingest_time DateTime64(3, 'UTC'),
	latency_ms Nullable(UInt32), output_tokens UInt32, prompt String, response String, attributes Map(String, String)
) ENGINE = ReplacingMergeTree(server_ingest_time) PARTITION BY toYYYYMM(event_time) ORDER BY (task_class, event_time, event_id)`); err != nil {
				b.Fatal(err)
			}
			at := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
			latency := uint32(812)
			attributes := map[string]string{"region": "eu"}
			for b.Loop() {
				batch, err := conn.PrepareBatch(b.Context(), "INSERT INTO events")
				if err != nil {
					b.Fatal(err)
				}
				for i := range rows {
					if err := batch.Append(uuid.New(), fmt.Sprintf("session-%d", i%997), "assistant_response", "sql_query", "model-3",
						at.Add(time.Duration(i)*time.Second), at, &latency, uint32(i), "How many orders came in last week?",
						"SELECT count(*) FROM orders WHERE at >= now() - INTERVAL '7 days'", attributes); err != nil {
						b.Fatal(err)
					}
				}
				if err := batch.Send(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// BenchmarkQuery is the smallest question there is.
func BenchmarkQuery(b *testing.B) {
	conn := clickhousetest.Open(b, clickhousetest.Empty(b))
	for b.Loop() {
		var one uint8
		if err := conn.QueryRow(b.Context(), "SELECT 1").Scan(&one); err != nil {
			b.Fatal(err)
		}
	}
}
