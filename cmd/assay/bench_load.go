package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
)

// eventSize is what one event of the load weighs on the wire.
const eventSize = 1500

// feed makes batches of responses of 1.5 KB of ordinary text with private
// things in it. The texts are written once; ids, session and time are put in
// their places for each batch, so that making a batch costs nearly nothing
// beside taking it.
type feed struct {
	run   uint32
	size  int
	pages []page
	next  *atomic.Int64
}

// page is a body with the places that change.
type page struct {
	body   []byte
	places []places // of each event
}

type places struct{ id, session, at int }

const (
	sessionDigits = 8
	clockLayout   = "2006-01-02T15:04:05.000Z"
	eventsSession = 10 // events of one session
)

const ordinary = `the total of every region is in row eight and the share of the largest customer falls because two orders
	were shipped after the end of the third quarter so the formula counts them although it should not please check the date column
	before you send it to anna and write to maya.lind@example.com or call +1 415 555 0132 when something is missing order #A7731 at 10.0.0.7`

func newFeed(run uint32, size int, next *atomic.Int64) *feed {
	f := &feed{run: run, size: size, next: next}
	random := rand.New(rand.NewPCG(uint64(run), uint64(size)))
	for range max(2, 8000/size) {
		f.pages = append(f.pages, writePage(random, run, size))
	}
	return f
}

func writePage(random *rand.Rand, run uint32, size int) page {
	words := strings.Fields(ordinary)
	var p page
	var body bytes.Buffer
	for range size {
		start := body.Len()
		var at places
		body.WriteString(`{"event_id":"`)
		at.id = body.Len()
		fmt.Fprintf(&body, `%s","event_type":"assistant_response","event_time":"`, uuid.Nil)
		at.at = body.Len()
		fmt.Fprintf(&body, `%s","session_id":"bench-%08x-`, time.Time{}.Format(clockLayout), run)
		at.session = body.Len()
		fmt.Fprintf(&body, `%0*d-0","trace_id":"%032x","request_id":"req-%d","assistant_id":"desktop-1","assistant_version":"1.3.0","model_version":"v2026-01-10","model_provider":"p","prompt_template_id":"t-7","task_class":"file_edit","env":"prod","user_id_hash":"sha256:99b5dbd422c5bbde%08x","device_type":"laptop","input_tokens":188,"cached_input_tokens":80,"output_tokens":128,"ttft_ms":%d,"latency_ms":410,"total_ms":%d,"route":"serve","region":"eu","prompt":"`,
			sessionDigits, 0, random.Uint64(), random.Uint32(), random.Uint32(), 100+random.IntN(300), 400+random.IntN(900))
		half := start + eventSize/2
		for body.Len() < start+eventSize-2 {
			if half > 0 && body.Len() >= half {
				body.WriteString(`","response":"`)
				half = 0
			}
			body.WriteString(words[random.IntN(len(words))])
			body.WriteByte(' ')
		}
		body.WriteString("\"}\n")
		p.places = append(p.places, at)
	}
	p.body = body.Bytes()
	return p
}

// batch writes batch n into the buffer. The same n is the same events.
func (f *feed) batch(n int64, at time.Time, into []byte) []byte {
	p := f.pages[n%int64(len(f.pages))]
	into = append(into[:0], p.body...)
	clock := at.UTC().Format(clockLayout)
	for i, place := range p.places {
		id := f.id(n, i)
		text := id.String()
		copy(into[place.id:], text)
		copy(into[place.at:], clock)
		session := fmt.Appendf(nil, "%0*d-%d", sessionDigits, n, i/eventsSession%10)
		copy(into[place.session:], session)
	}
	return into
}

// id is as random as those of clients are, and still that of place i in batch n.
func (f *feed) id(n int64, i int) (id uuid.UUID) {
	seed := uint64(n)<<16 | uint64(i)
	binary.BigEndian.PutUint64(id[:8], scatter(seed^uint64(f.run)<<56))
	binary.BigEndian.PutUint64(id[8:], scatter(seed+uint64(f.run)))
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id
}

// scatter is the finalizer of SplitMix64.
func scatter(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// ledger knows of each batch how many events were acknowledged.
type ledger struct {
	mu      sync.Mutex
	batches map[int64]int
	events  int
}

func newLedger() *ledger { return &ledger{batches: map[int64]int{}} }

func (l *ledger) enter(n int64, events int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.batches[n] = events
	l.events += events
}

func (l *ledger) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.events
}

// compare looks up, batch by batch, what the readers of the store see of a
// run. extra are events whose acknowledgement never arrived and which are
// there all the same: no fault, since their sender would send them again.
func (l *ledger) compare(ctx context.Context, conn driver.Conn, run uint32) (lost, doubled, extra int, err error) {
	rows, err := conn.Query(ctx, `
		SELECT toInt64(splitByChar('-', session_id)[3]) AS batch, count() AS events, uniqExact(event_id) AS ids
		FROM assistant_events_raw
		WHERE startsWith(session_id, {prefix:String})
		GROUP BY batch`, clickhouse.Named("prefix", fmt.Sprintf("bench-%08x-", run)))
	if err != nil {
		return 0, 0, 0, err
	}
	defer rows.Close()
	found := map[int64]int{}
	for rows.Next() {
		var batch int64
		var events, ids uint64
		if err := rows.Scan(&batch, &events, &ids); err != nil {
			return 0, 0, 0, err
		}
		found[batch] = int(ids)
		doubled += int(events - ids)
		if _, known := l.batches[batch]; !known {
			extra += int(events)
		}
	}
	for batch, events := range l.batches {
		lost += max(0, events-found[batch])
	}
	return lost, doubled, extra, rows.Err()
}

// sending is one stretch of load and what came of it.
type sending struct {
	address, key string
	feed         *feed
	ledger       *ledger
	senders      int
	rate         float64 // events a second that are offered; 0: as many as are answered
	again        bool    // a refused or unanswered batch is sent until it is acknowledged

	mu         sync.Mutex
	took       spread
	offered    int
	accepted   int
	shed       int // 429 and 503
	speechless int // of those, without Retry-After
	unanswered int
	odd        map[string]int
	elapsed    time.Duration
}

// run sends until the context ends.
func (s *sending) run(ctx context.Context) {
	s.odd = map[string]int{}
	client := &http.Client{
		Timeout:   30 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: s.senders, MaxConnsPerHost: s.senders, DisableCompression: true},
	}
	defer client.CloseIdleConnections()
	began := time.Now()
	turns := s.turns(ctx)
	var all sync.WaitGroup
	for range s.senders {
		all.Go(func() {
			var buffer []byte
			for range turns {
				n := s.feed.next.Add(1)
				buffer = s.feed.batch(n, time.Now(), buffer)
				s.deliver(ctx, client, n, buffer)
			}
		})
	}
	all.Wait()
	s.elapsed = time.Since(began)
}

// turns lets the senders go, at the rate or as fast as they come back. At a
// rate, what nobody was free to send is not made up for later by more than a
// second's worth.
func (s *sending) turns(ctx context.Context) <-chan struct{} {
	turns := make(chan struct{}, 1)
	go func() {
		defer close(turns)
		if s.rate == 0 {
			for ctx.Err() == nil {
				select {
				case turns <- struct{}{}:
				case <-ctx.Done():
				}
			}
			return
		}
		due, last := 0.0, time.Now()
		for ctx.Err() == nil {
			now := time.Now()
			due = min(due+now.Sub(last).Seconds()*s.rate/float64(s.feed.size), s.rate/float64(s.feed.size))
			last = now
			for ; due >= 1 && ctx.Err() == nil; due-- {
				select {
				case turns <- struct{}{}:
				case <-ctx.Done():
				}
			}
			time.Sleep(2 * time.Millisecond)
		}
	}()
	return turns
}

// deliver sends one batch, and again where that was asked for.
func (s *sending) deliver(ctx context.Context, client *http.Client, n int64, body []byte) {
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		done := s.post(ctx, client, n, body)
		if done || !s.again || ctx.Err() != nil {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// post sends one batch once and enters what the product said of it. A batch
// under way when the load ends is waited for: its answer belongs to the ledger.
func (s *sending) post(ctx context.Context, client *http.Client, n int64, body []byte) (done bool) {
	request, err := http.NewRequestWithContext(context.WithoutCancel(ctx), "POST", s.address+"/v1/events", bytes.NewReader(body))
	if err != nil {
		return true
	}
	request.Header.Set("Authorization", "Bearer "+s.key)
	began := time.Now()
	response, err := client.Do(request)
	if err != nil {
		s.count(func() { s.offered += s.feed.size; s.unanswered++ })
		return false
	}
	answer, err := io.ReadAll(response.Body)
	response.Body.Close()
	took := time.Since(began)
	var receipt struct{ Accepted, Duplicate int }
	taken := err == nil && response.StatusCode == http.StatusAccepted && json.Unmarshal(answer, &receipt) == nil &&
		receipt.Accepted+receipt.Duplicate == s.feed.size
	if taken {
		s.ledger.enter(n, s.feed.size)
	}
	s.count(func() {
		s.offered += s.feed.size
		switch {
		case taken:
			s.accepted += s.feed.size
			s.took = append(s.took, took)
		case response.StatusCode == http.StatusTooManyRequests || response.StatusCode == http.StatusServiceUnavailable:
			s.shed++
			if response.Header.Get("Retry-After") == "" {
				s.speechless++
			}
		default:
			s.odd[fmt.Sprintf("%d %.120s", response.StatusCode, answer)]++
		}
	})
	return taken
}

func (s *sending) count(add func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	add()
}

// soFar is how many events were acknowledged by now.
func (s *sending) soFar() (events int) {
	s.count(func() { events = s.accepted })
	return events
}

func (s *sending) perSecond() float64 { return float64(s.accepted) / s.elapsed.Seconds() }

func (s *sending) String() string {
	text := fmt.Sprintf("%.0f events/s acknowledged, %s", s.perSecond(), s.took.sorted())
	if s.shed > 0 {
		text += fmt.Sprintf("; %d batches shed", s.shed)
	}
	if s.speechless > 0 {
		text += fmt.Sprintf(", %d of them without Retry-After", s.speechless)
	}
	if s.unanswered > 0 {
		text += fmt.Sprintf("; %d batches unanswered", s.unanswered)
	}
	for answer, times := range s.odd {
		text += fmt.Sprintf("; %d times %s", times, answer)
	}
	return text
}
