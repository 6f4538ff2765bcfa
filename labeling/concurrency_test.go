package labeling

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
	"assay/internal/postgrestest"
	"assay/internal/stats"
)

// act is one thing a labeler did, as they saw it. The checker trusts nothing
// but these and the labels that are there at the end.
type act struct {
	labeler int64
	item    int64
	token   uuid.UUID
	what    string // reserved, labeled, gave_back, lost, refused
	label   int64
	key     string
	at      time.Time // when they knew: after reserving, before giving back
	until   time.Time // of a reservation: the end of the lease they were told
}

type history struct {
	mu   sync.Mutex
	acts []act
	slow map[string][]time.Duration
}

func (h *history) add(a act) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.acts = append(h.acts, a)
}

func (h *history) took(what string, d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.slow[what] = append(h.slow[what], d)
}

func (h *history) percentile(what string, p float64) time.Duration {
	d := slices.Sorted(slices.Values(h.slow[what]))
	if len(d) == 0 {
		return 0
	}
	return d[min(len(d)-1, int(p*float64(len(d))))]
}

// desk is a way to reserve: the product's, or the naive one.
type desk func(ctx context.Context, actor auth.Actor) (Reservation, error)

// wild is how the labelers of the test behave, as shares of what they do.
var wild = struct{ doubleClick, twoTabs, stale, laptopClosed, skip, later, release, undo float64 }{
	doubleClick: 0.15, twoTabs: 0.05, stale: 0.03, laptopClosed: 0.03, skip: 0.02, later: 0.02, release: 0.02, undo: 0.03,
}

// work lets 64 labelers loose on a queue until nothing is free for any of
// them, and returns what they did.
func work(t *testing.T, s *Store, reserve desk, labelers int) *history {
	h := &history{slow: map[string][]time.Duration{}}
	var all sync.WaitGroup
	for n := range labelers {
		all.Go(func() {
			l := &rowdy{t: t, s: s, reserve: reserve, h: h, actor: person(int64(n + 1)), dice: rand.New(rand.NewPCG(7, uint64(n)))}
			l.work()
		})
	}
	all.Wait()
	return h
}

// rowdy is a labeler who clicks twice, opens two tabs and closes the laptop.
type rowdy struct {
	t       *testing.T
	s       *Store
	reserve desk
	h       *history
	actor   auth.Actor
	dice    *rand.Rand
}

func (l *rowdy) work() {
	idle := 0
	for idle < 3 {
		start := time.Now()
		r, err := l.reserve(l.t.Context(), l.actor)
		if errors.Is(err, ErrNothingFree) {
			idle++
			time.Sleep(20 * time.Millisecond)
			continue
		}
		if err != nil {
			l.t.Errorf("reserve: %v", err)
			return
		}
		l.h.took("reserve", time.Since(start))
		idle = 0
		l.h.add(act{labeler: l.actor.ID, item: r.ItemID, token: r.Token, what: "reserved", at: time.Now(), until: r.LeaseUntil})
		l.act(r)
		if idle == 0 {
			l.h.took("cycle", time.Since(start))
		}
	}
}

func (l *rowdy) act(r Reservation) {
	dice := l.dice.Float64()
	chance := func(share float64) bool {
		dice -= share
		return dice < 0 && dice >= -share
	}
	switch {
	case chance(wild.doubleClick):
		key := uuid.NewString()
		l.twice(func() { l.submit(r, r.Token, key) })
	case chance(wild.twoTabs):
		l.twice(func() { l.submit(r, r.Token, uuid.NewString()) })
	case chance(wild.stale):
		l.submit(r, uuid.New(), uuid.NewString()) // refused
		l.submit(r, r.Token, uuid.NewString())
	case chance(wild.laptopClosed):
		l.lose(r)
		l.submit(r, r.Token, uuid.NewString()) // too late
	case chance(wild.skip):
		l.giveBack(r, func() error { return l.s.Skip(l.t.Context(), l.actor, r.ItemID, r.Token, "other") })
	case chance(wild.later):
		l.giveBack(r, func() error { return l.s.Later(l.t.Context(), l.actor, r.ItemID, r.Token) })
	case chance(wild.release):
		l.giveBack(r, func() error { return l.s.Release(l.t.Context(), l.actor, r.ItemID, r.Token) })
	case chance(wild.undo):
		l.submit(r, r.Token, uuid.NewString())
		l.undo(r)
	default:
		l.submit(r, r.Token, uuid.NewString())
	}
}

// twice clicks at the same moment.
func (l *rowdy) twice(click func()) {
	var both sync.WaitGroup
	both.Go(click)
	both.Go(click)
	both.Wait()
}

func (l *rowdy) submit(r Reservation, token uuid.UUID, key string) {
	before := time.Now()
	label, err := l.s.Submit(l.t.Context(), l.actor, r.ItemID, token, key, Answer{Label: Labels[l.randomLabel()]})
	switch {
	case err == nil:
		l.h.took("submit", time.Since(before))
		l.h.add(act{labeler: l.actor.ID, item: r.ItemID, token: token, what: "labeled", label: label.ID, key: key, at: before})
	case fault.Of(err) == fault.Conflict, fault.Of(err) == fault.NotFound:
		l.h.add(act{labeler: l.actor.ID, item: r.ItemID, token: token, what: "refused", key: key, at: before})
	default:
		l.t.Errorf("submit item %d: %v", r.ItemID, err)
	}
}

// randomLabel draws without the shared dice, which two clicks would race for.
func (l *rowdy) randomLabel() int { return rand.IntN(3) }

func (l *rowdy) lose(r Reservation) {
	l.h.add(act{labeler: l.actor.ID, item: r.ItemID, token: r.Token, what: "lost", at: time.Now()})
	if _, err := l.s.DB.Exec(l.t.Context(), `
		UPDATE reservations SET lease_until = clock_timestamp() - interval '1 second' WHERE token = $1 AND state = 'held'`, r.Token); err != nil {
		l.t.Errorf("lose: %v", err)
	}
}

func (l *rowdy) giveBack(r Reservation, back func() error) {
	at := time.Now()
	if err := back(); err != nil {
		l.t.Errorf("give back item %d: %v", r.ItemID, err)
		return
	}
	l.h.add(act{labeler: l.actor.ID, item: r.ItemID, token: r.Token, what: "gave_back", at: at})
}

func (l *rowdy) undo(r Reservation) {
	again, err := l.s.Undo(l.t.Context(), l.actor, r.ItemID)
	if err != nil {
		l.t.Errorf("undo item %d: %v", r.ItemID, err)
		return
	}
	l.submit(again, again.Token, uuid.NewString())
}

// check reads the history against the labels and returns every way in which
// somebody shared beyond N, or something was lost or doubled.
func check(ctx context.Context, pool *pgxpool.Pool, h *history, wanted map[int64]int) []string {
	var bad []string
	say := func(format string, args ...any) { bad = append(bad, fmt.Sprintf(format, args...)) }

	// Nobody shares beyond N: what two labelers held for certain at the same
	// moment, from knowing of the reservation until ending it, may not exceed
	// the places.
	type edge struct {
		at    time.Time
		delta int
	}
	ended := map[uuid.UUID]time.Time{}
	labels := map[int64][]act{}
	for _, a := range h.acts {
		switch a.what {
		case "labeled", "gave_back", "lost":
			if end, ok := ended[a.token]; !ok || a.at.Before(end) {
				ended[a.token] = a.at
			}
		}
		if a.what == "labeled" {
			labels[a.label] = append(labels[a.label], a)
		}
	}
	edges := map[int64][]edge{}
	seen := map[uuid.UUID]bool{}
	for _, a := range h.acts {
		if a.what != "reserved" || seen[a.token] {
			continue
		}
		seen[a.token] = true
		end, ok := ended[a.token]
		if !ok || end.After(a.until) {
			end = a.until
		}
		if end.After(a.at) {
			edges[a.item] = append(edges[a.item], edge{a.at, +1}, edge{end, -1})
		}
	}
	for item, list := range edges {
		slices.SortFunc(list, func(a, b edge) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.delta, b.delta)) })
		holding := 0
		for _, e := range list {
			if holding += e.delta; holding > wanted[item] {
				say("item %d was held by %d labelers at once, wants %d", item, holding, wanted[item])
				break
			}
		}
	}

	// Nothing is lost, nothing is doubled: what was acknowledged is there, what
	// is there was acknowledged, and one key is one label.
	rows, _ := pool.Query(ctx, `SELECT id, item_id, labeler_id, idempotency_key FROM labels WHERE label IS NOT NULL`)
	type kept struct {
		ID, ItemID, LabelerID int64
		IdempotencyKey        string
	}
	stored, err := pgx.CollectRows(rows, pgx.RowToStructByName[kept])
	if err != nil {
		return []string{err.Error()}
	}
	there := map[int64]bool{}
	for _, k := range stored {
		there[k.ID] = true
		if len(labels[k.ID]) == 0 {
			say("label %d is stored and nobody was told", k.ID)
		}
	}
	for id, acts := range labels {
		if !there[id] {
			say("label %d was acknowledged and is not stored", id)
		}
		for _, a := range acts {
			if a.key != acts[0].key {
				say("label %d answers two keys", id)
			}
		}
	}
	bad = append(bad, checkPlaces(ctx, pool, wanted)...)
	return bad
}

// checkPlaces looks at what stands at the end: each item has its labels, each
// from another labeler.
func checkPlaces(ctx context.Context, pool *pgxpool.Pool, wanted map[int64]int) []string {
	var bad []string
	standing := map[int64]int{}
	rows, _ := pool.Query(ctx, `
		SELECT item_id, labeler_id, count(*)
		FROM (SELECT DISTINCT ON (item_id, labeler_id, reservation_id) item_id, labeler_id, label
		      FROM labels ORDER BY item_id, labeler_id, reservation_id, revision DESC) AS l
		WHERE label IS NOT NULL
		GROUP BY item_id, labeler_id`)
	var item, labeler int64
	var n int
	_, err := pgx.ForEachRow(rows, []any{&item, &labeler, &n}, func() error {
		standing[item]++
		if n > 1 {
			bad = append(bad, fmt.Sprintf("item %d was labeled %d times by labeler %d", item, n, labeler))
		}
		return nil
	})
	if err != nil {
		return append(bad, err.Error())
	}
	for item, want := range wanted {
		if standing[item] != want {
			bad = append(bad, fmt.Sprintf("item %d has labels of %d labelers, wants %d", item, standing[item], want))
		}
	}
	return bad
}

// crowd fills a queue of which every tenth item wants two labelers.
func crowd(t *testing.T, s *Store, n int) (Queue, map[int64]int) {
	queue := openQueue(t, s, "sql_query")
	seeds := make([]seed, n)
	for i := range seeds {
		seeds[i] = seed{class: Classes[i%4], day: day(1 + i%7), u: stats.HashUniform("crowd", fmt.Sprint(i)), wanted: 1}
		if i%10 == 0 {
			seeds[i].wanted = 2
		}
	}
	wanted := map[int64]int{}
	for i, id := range put(t, s, queue, seeds...) {
		wanted[id] = seeds[i].wanted
	}
	analyze(t, s)
	return queue, wanted
}

// analyze tells the planner of a table that was just filled, which is for its
// owner to do.
func analyze(t *testing.T, s *Store) {
	t.Helper()
	owner, err := pgx.Connect(t.Context(), postgrestest.OwnerURL(t, s.DB.(*pgxpool.Pool)))
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close(t.Context())
	if _, err := owner.Exec(t.Context(), `ANALYZE`); err != nil {
		t.Fatal(err)
	}
}

// crowdSize is 10,000 items in the long form and enough to meet every
// collision otherwise.
func crowdSize() int {
	if *full {
		return 10_000
	}
	return 2_000
}

func TestSixtyFourLabelersShareNothingLoseNothingDoubleNothing(t *testing.T) {
	pool := postgrestest.Database(t)
	s := &Store{DB: pool, Jobs: inserter(t, pool)}
	n := crowdSize()
	queue, wanted := crowd(t, s, n)
	start := time.Now()
	h := work(t, s, func(ctx context.Context, actor auth.Actor) (Reservation, error) {
		return s.Reserve(ctx, actor, queue.Slug)
	}, 64)
	took := time.Since(start)

	finish(t, s, queue)
	// A third reading may have been called in by two that differ.
	rows, _ := pool.Query(t.Context(), `SELECT id, wanted FROM items`)
	var id int64
	var want int
	if _, err := pgx.ForEachRow(rows, []any{&id, &want}, func() error { wanted[id] = want; return nil }); err != nil {
		t.Fatal(err)
	}
	h.acts = append(h.acts, finished(t, pool, h)...)
	for i, complaint := range check(t.Context(), pool, h, wanted) {
		if i < 10 {
			t.Error(complaint)
		}
	}
	t.Logf("%d items, %d labels by 64 labelers in %v: reserve p50 %v p95 %v, submit p95 %v, reserve to label p95 %v",
		n, count(t, pool, `SELECT count(*) FROM labels`), took.Round(time.Millisecond),
		h.percentile("reserve", 0.5), h.percentile("reserve", 0.95), h.percentile("submit", 0.95), h.percentile("cycle", 0.95))
}

// finish lets newcomers label what only somebody else than the 64 may have.
func finish(t *testing.T, s *Store, queue Queue) {
	for who := int64(1001); who <= 1003; who++ {
		for {
			r, err := s.Reserve(t.Context(), person(who), queue.Slug)
			if errors.Is(err, ErrNothingFree) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			submit(t, s, who, r, Answer{Label: "correct"})
		}
	}
}

// finished turns the labels of finish into acts, so that the checker knows
// that somebody was told of them.
func finished(t *testing.T, pool *pgxpool.Pool, h *history) []act {
	rows, _ := pool.Query(t.Context(), `
		SELECT l.id, l.item_id, l.idempotency_key FROM labels l JOIN labelers w ON w.id = l.labeler_id
		WHERE w.person_id > 1000 AND l.label IS NOT NULL`)
	acts, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (a act, err error) {
		a.what = "labeled"
		return a, row.Scan(&a.label, &a.item, &a.key)
	})
	if err != nil {
		t.Fatal(err)
	}
	return acts
}

// The naive design looks, then takes. Nothing of the database's own guards is
// left in its way, as nothing would be in the design it stands for.
func TestTheNaiveDesignFailsTheSameCheck(t *testing.T) {
	pool := postgrestest.Database(t)
	s := &Store{DB: pool, Jobs: inserter(t, pool)}
	owner, err := pgx.Connect(t.Context(), postgrestest.OwnerURL(t, pool))
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close(t.Context())
	if _, err := owner.Exec(t.Context(), `
		ALTER TABLE items DROP CONSTRAINT items_never_taken_too_often;
		DROP INDEX reservations_one_per_labeler`); err != nil {
		t.Fatal(err)
	}
	queue, wanted := crowd(t, s, 120)
	h := work(t, s, func(ctx context.Context, actor auth.Actor) (Reservation, error) {
		return lookThenTake(ctx, s, queue, actor)
	}, 64)
	complaints := check(t.Context(), pool, h, wanted)
	shared := 0
	for _, c := range complaints {
		var item int64
		var holding int
		if n, _ := fmt.Sscanf(c, "item %d was held by %d labelers at once", &item, &holding); n == 2 {
			shared++
		}
	}
	if shared == 0 {
		t.Errorf("the checker let the naive design pass: %d complaints, none of a shared item", len(complaints))
	}
	t.Logf("naive: %d of 120 items held by too many at once, %d complaints in all", shared, len(complaints))
}

func lookThenTake(ctx context.Context, s *Store, queue Queue, actor auth.Actor) (Reservation, error) {
	labeler, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return Reservation{}, err
	}
	var item int64
	err = s.DB.QueryRow(ctx, `
		SELECT id FROM items
		WHERE queue_id = $1 AND taken < wanted
		  AND NOT EXISTS (SELECT FROM reservations r WHERE r.item_id = items.id AND r.labeler_id = $2)
		ORDER BY harm, frame_day DESC, u
		LIMIT 1`, queue.ID, labeler).Scan(&item)
	if errors.Is(err, pgx.ErrNoRows) {
		return Reservation{}, ErrNothingFree
	}
	if err != nil {
		return Reservation{}, err
	}
	rows, _ := s.DB.Query(ctx, `
		INSERT INTO reservations (item_id, queue_id, labeler_id, lease_until)
		VALUES ($1, $2, $3, clock_timestamp() + $4)
		RETURNING `+reservationColumns, item, queue.ID, labeler, queue.Lease)
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Reservation])
}

// With the database's guards in place even the naive design cannot share.
func TestTheDatabaseGuardsAlsoTheNaiveDesign(t *testing.T) {
	pool := postgrestest.Database(t)
	s := &Store{DB: pool}
	queue, _ := crowd(t, s, 50)
	var refused, held int
	var mu sync.Mutex
	var all sync.WaitGroup
	for n := range 32 {
		all.Go(func() {
			for range 3 {
				_, err := lookThenTake(t.Context(), s, queue, person(int64(n+1)))
				mu.Lock()
				switch {
				case err == nil:
					held++
				case postgres.Violates(err, "items_never_taken_too_often"), postgres.Violates(err, "reservations_one_per_labeler"):
					refused++
				case !errors.Is(err, ErrNothingFree):
					t.Error(err)
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if n := count(t, pool, `SELECT count(*) FROM items WHERE taken > wanted`); n != 0 {
		t.Errorf("%d items are shared by too many", n)
	}
	if refused == 0 {
		t.Error("nobody collided: the test proves nothing")
	}
	t.Logf("%d held, %d refused by the database", held, refused)
}
