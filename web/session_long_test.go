package web

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"assay/internal/auth"
	"assay/internal/clickhousetest"
	"assay/telemetry"
)

const longSession = 10_000

// longWorld holds a session of ten thousand events beside a few others. Its
// texts are long in places and hostile in one.
func longWorld(t testing.TB) *world {
	w := newWorld(t, func(w *world) {
		w.stages.Telemetry = &telemetry.Store{DB: w.pool, Clickhouse: clickhousetest.Database(t), Clock: w.clock.now}
	})
	key := auth.Product()
	random := rand.New(rand.NewPCG(6, 1))
	var lines strings.Builder
	flush := func() {
		if _, err := w.stages.Telemetry.Ingest(context.Background(), key, []byte(lines.String())); err != nil {
			t.Fatal(err)
		}
		lines.Reset()
	}
	prose := strings.Repeat("the total of every region is in row eight and the share falls ", 80)
	kinds := []string{"tool_step", "tool_step", "span", "assistant_response", "feedback"}
	for i := range longSession {
		rest := fmt.Sprintf(`,"request_id":"r%d","tool_name":"read_file","result_status":"ok","model_version":"v1","task_class":"file_edit","total_ms":%d,"ttft_ms":%d`,
			i/5, 200+random.IntN(3000), 20+random.IntN(180))
		if kind := kinds[i%5]; kind == "assistant_response" {
			rest += fmt.Sprintf(`,"consent":"redacted","prompt":%q,"response":%q`, "<script>alert(1)</script> "+prose[:100], prose[:random.IntN(len(prose))])
		}
		lines.WriteString(w.eventLine(kinds[i%5], "s_long", time.Duration(longSession-i)*100*time.Millisecond, rest) + "\n")
		if i%500 == 499 {
			lines.WriteString(w.eventLine("assistant_response", fmt.Sprint("s_other", i), time.Minute, "") + "\n")
			flush()
		}
	}
	w.drain()
	return w
}

// However long a session is, each of its pages is small, and says where in the
// whole it stands.
func TestASessionOfTenThousandEventsIsReadInSmallPages(t *testing.T) {
	w := longWorld(t)
	b := w.as(auth.Engineer)
	for _, at := range []int{0, 200, 5000, 9800} {
		for _, view := range sessionViews {
			page := b.get(fmt.Sprintf("/sessions/s_long?at=%d&view=%s", at, view)).want(200)
			if len(page.Body) > 1<<20 {
				t.Errorf("%s at %d: %d bytes of HTML", view, at, len(page.Body))
			}
			if text := page.text("main"); !strings.Contains(text, "10,000") {
				t.Errorf("%s at %d does not say of how many events it is a part", view, at)
			}
		}
	}
}

// BenchmarkLongSession opens a session of ten thousand events and then each
// further page of it, beside the bare query of one page's rows.
func BenchmarkLongSession(b *testing.B) {
	w := longWorld(b)
	ctx := context.Background()
	engineer := w.as(auth.Engineer)
	open := func(at int) int { return len(engineer.get(fmt.Sprintf("/sessions/s_long?at=%d", at)).want(200).Body) }
	began := time.Now()
	open(0)
	cold := time.Since(began)
	b.Run("page", func(b *testing.B) {
		most, at := 0, 0
		for b.Loop() {
			at = (at + 200) % longSession
			most = max(most, open(at))
		}
		b.ReportMetric(float64(cold.Microseconds())/1000, "ms-cold")
		b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/page")
		b.ReportMetric(float64(most)/1024, "KiB-of-HTML")
	})
	b.Run("bare query", func(b *testing.B) {
		for b.Loop() {
			rows, err := w.stages.Telemetry.Clickhouse.Query(ctx, `SELECT * FROM events FINAL WHERE session_hash = xxHash64('s_long') AND session_id = 's_long' ORDER BY effective_time, seq LIMIT 200 OFFSET 5000`)
			if err != nil {
				b.Fatal(err)
			}
			for rows.Next() {
			}
			if err := rows.Err(); err != nil {
				b.Fatal(err)
			}
			rows.Close()
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/page")
	})
}
