package telemetry

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

// typicalBatch is n responses of about 1.5 KB of ordinary text, some of it
// private, each with an id of its own.
func typicalBatch(random *rand.Rand, n int) []byte {
	words := strings.Fields(`the total of every region is in row eight and the share of the largest customer falls because two orders
		were shipped after the end of the third quarter so the formula counts them although it should not please check the date column
		before you send it to anna and write to maya.lind@example.com or call +1 415 555 0132 when something is missing order #A7731 at 10.0.0.7`)
	var body bytes.Buffer
	say := func(count int) string {
		var text strings.Builder
		for range count {
			text.WriteString(words[random.IntN(len(words))])
			text.WriteByte(' ')
		}
		return text.String()
	}
	for range n {
		var id uuid.UUID
		for i := range id {
			id[i] = byte(random.Uint32())
		}
		fmt.Fprintf(&body, `{"event_id":%q,"event_type":"assistant_response","event_time":%q,"session_id":"s-%d","trace_id":"%032x","request_id":"req-%d","assistant_id":"desktop-1","assistant_version":"1.3.0","model_version":"v2026-01-10","model_provider":"p","prompt_template_id":"t-7","task_class":"file_edit","env":"prod","user_id_hash":"sha256:99b5dbd422c5bbde%08x","device_type":"laptop","prompt":%q,"response":%q,"input_tokens":188,"cached_input_tokens":80,"output_tokens":128,"ttft_ms":172,"latency_ms":410,"total_ms":420,"route":"serve","first_failed_stage":"passed","unsafe_claim_served":false,"region":"eu","build":"2026.11.20"}`+"\n",
			id, noon.Format(time.RFC3339), random.IntN(1_000_000), random.Uint64(), random.Uint32(), random.Uint32(), say(45), say(90))
	}
	return body.Bytes()
}

// BenchmarkTake is what happens before PostgreSQL: decode, redact, pack. Beside
// it stands the least that reading the same bytes costs: every token once.
func BenchmarkTake(b *testing.B) {
	s := &Store{}
	p := s.policy()
	t := &taking{terms: OpenTerms, now: noon, saltID: "1", salt: "salt", text: p.text, code: p.artifact}
	body := typicalBatch(rand.New(rand.NewPCG(1, 1)), 500)
	b.Run("whole", func(b *testing.B) {
		eachBatch(b, body, func() {
			events, err := split(body)
			if err != nil {
				b.Fatal(err)
			}
			rows, refused, err := t.takeAll(events, func([]*row) error { return nil })
			if err != nil || len(refused) > 0 {
				b.Fatal(refused, err)
			}
			pack(rows)
		})
	})
	b.Run("tokens alone", func(b *testing.B) {
		eachBatch(b, body, func() {
			d := jsontext.NewDecoder(bytes.NewBuffer(body))
			for {
				if _, err := d.ReadToken(); err == io.EOF {
					return
				} else if err != nil {
					b.Fatal(err)
				}
			}
		})
	})
}

// BenchmarkBlock is what the drainer does between the stores: from bodies of
// the inbox to columns as clickhouse-go takes them. Beside it, unpacking alone.
func BenchmarkBlock(b *testing.B) {
	rows := takenRows(b, typicalBatch(rand.New(rand.NewPCG(1, 4)), 500))
	body, size := pack(rows)
	b.Run("whole", func(b *testing.B) {
		eachBatch(b, make([]byte, size), func() {
			sheets, letters := readBatches([]batch{{ID: 1, Body: body}})
			if len(letters) > 0 {
				b.Fatal(letters)
			}
			for place := range columns {
				if sheets[0].cells[place].hold != holdsNothing {
					columns[place].values(sheets, place, 500)
				}
			}
		})
	})
	b.Run("unpacking alone", func(b *testing.B) {
		eachBatch(b, make([]byte, size), func() {
			if _, err := unpack(body); err != nil {
				b.Fatal(err)
			}
		})
	})
}

// eachBatch measures what is done with a batch of 500.
func eachBatch(b *testing.B, body []byte, do func()) {
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		do()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/1000/500/float64(b.N), "µs/event")
}

// BenchmarkIngest acknowledges batches of 500 durably, two senders at a time.
func BenchmarkIngest(b *testing.B) {
	s := newStore(b)
	benchIngest(b, s, 500)
}

// BenchmarkIngestSmall acknowledges batches of 50.
func BenchmarkIngestSmall(b *testing.B) {
	s := newStore(b)
	benchIngest(b, s, 50)
}

func benchIngest(b *testing.B, s *Store, size int) {
	random := rand.New(rand.NewPCG(1, 2))
	b.StopTimer()
	bodies := make([][]byte, b.N)
	for i := range bodies {
		bodies[i] = typicalBatch(random, size)
	}
	next := make(chan []byte, len(bodies))
	for _, body := range bodies {
		next <- body
	}
	close(next)
	b.StartTimer()
	done := make(chan error)
	for range 2 {
		go func() {
			for body := range next {
				if receipt, err := s.Ingest(context.Background(), sender, body); err != nil || receipt.Accepted != size {
					done <- fmt.Errorf("%+v, %w", receipt, err)
					return
				}
			}
			done <- nil
		}()
	}
	for range 2 {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(size*b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkDrain moves what waits into ClickHouse.
func BenchmarkDrain(b *testing.B) {
	s := newStore(b)
	random := rand.New(rand.NewPCG(1, 3))
	for range b.N {
		send(b, s, string(typicalBatch(random, 500)))
	}
	b.ResetTimer()
	drain(b, s)
	b.ReportMetric(float64(500*b.N)/b.Elapsed().Seconds(), "events/s")
}
