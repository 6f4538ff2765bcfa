package labeling

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/uuid"

	"assay/internal/auth"
)

// Four people read sixty items in pairs. Two of them are careful; two say
// anything, whatever the answer is.
func TestAThirdLabelerIsCalledWhereTwoAgreeWhoAreOftenWrong(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	if _, err := s.DB.Exec(t.Context(), `UPDATE queues SET overlap_share = 0, hallucinated_again = false`); err != nil {
		t.Fatal(err)
	}
	var seeds []seed
	for i := range 60 {
		seeds = append(seeds, seed{u: float64(i) / 60, wanted: 2})
	}
	items := put(t, s, queue, seeds...)
	say := func(who int64, item int64, label string) {
		t.Helper()
		labeler, err := s.LabelerOf(t.Context(), person(who))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.DB.Exec(t.Context(), `INSERT INTO reservations (item_id, queue_id, labeler_id, state, lease_until, ended_at) VALUES ($1, $2, $3, 'released', now(), now())`, item, queue.ID, labeler); err != nil {
			t.Fatal(err)
		}
		r, err := s.ReserveItem(t.Context(), person(who), item)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Submit(t.Context(), person(who), item, r.Token, uuid.NewString(), Answer{Label: label}); err != nil {
			t.Fatal(err)
		}
	}
	truth := func(i int) string { return []string{"correct", "partially_correct", "hallucinated"}[i%3] }
	dice := rand.New(rand.NewPCG(5, 6))
	random := func() string { return []string{"correct", "partially_correct", "hallucinated"}[dice.IntN(3)] }
	var together []int64 // the two careless ones agree
	for i, item := range items {
		switch {
		case i < 20: // careful with careful
			say(1, item, truth(i))
			say(2, item, truth(i))
		case i < 50: // careful with careless
			careful, careless := int64(1+i%2), int64(3+i/2%2)
			say(careful, item, truth(i))
			say(careless, item, random())
		default:
			label := random()
			say(3, item, label)
			say(4, item, label)
			together = append(together, item)
		}
	}
	called, err := s.CallThirds(t.Context(), auth.Product())
	if err != nil {
		t.Fatal(err)
	}
	var asked []int64
	rows, _ := s.DB.Query(t.Context(), `SELECT i.id FROM items i JOIN consensus c ON c.item_id = i.id WHERE i.wanted = 3 AND c.method = 'agreed' ORDER BY i.id`)
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		asked = append(asked, id)
	}
	if rows.Err() != nil || called != int64(len(asked)) || called == 0 {
		t.Fatalf("want some called, got %d and %v, %v", called, asked, rows.Err())
	}
	for i, item := range items[:20] {
		if slices.Contains(asked, item) {
			t.Errorf("two careful people agree on item %d and are asked again", i)
		}
	}
	if doubted := slices.DeleteFunc(slices.Clone(together), func(id int64) bool { return !slices.Contains(asked, id) }); len(doubted) < 3 {
		t.Errorf("want some of what the careless agree on doubted, got %d of %d", len(doubted), len(together))
	}
	if again, err := s.CallThirds(t.Context(), auth.Product()); err != nil || again != 0 {
		t.Errorf("called twice: %d, %v", again, err)
	}
}
