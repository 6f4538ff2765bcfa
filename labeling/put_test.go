package labeling

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/telemetry"
)

// shelved is a store with a response of sql_query and a discovery queue for it.
func shelved(t testing.TB, bySize bool) (*Store, *shelf, Queue, telemetry.Candidate) {
	t.Helper()
	s, h := tx(t), newShelf()
	s.Telemetry = h
	openQueue(t, s, "sql_query")
	queue, err := s.OpenDiscovery(t.Context(), engineer, "sql_query", "Repairs", bySize)
	if err != nil {
		t.Fatal(err)
	}
	return s, h, queue, h.respond("sql_query", "v2", day(3))
}

func TestAResponseIsPutIntoAQueueByHandAndReachesNoRate(t *testing.T) {
	for _, bySize := range []bool{false, true} {
		s, _, queue, c := shelved(t, bySize)
		put, err := s.Put(t.Context(), engineer, queue.Slug, c.EventID, "  The join\nlooks odd ")
		if err != nil || !put.Added || put.Queue != queue.Slug {
			t.Fatalf("got %+v, %v", put, err)
		}
		if n := count(t, s.DB, `SELECT count(*) FROM items WHERE id = $1 AND source = 'hand' AND design = 'discovery' AND pi IS NULL AND reasons = '{by_hand}'
			AND flags::text NOT LIKE '%join%' AND snapshot->>'response' LIKE 'It is %' AND title <> ''`, put.ItemID); n != 1 {
			t.Error("the item says that a person chose it, why, and what it was")
		}
		again, err := s.Put(t.Context(), engineer, queue.Slug, c.EventID, "Another reason")
		if err != nil || again.Added || again.ItemID != put.ItemID {
			t.Errorf("a response is in a queue once, got %+v, %v", again, err)
		}
		if n := count(t, s.DB, `SELECT count(*) FROM audit_entries WHERE action = 'item.put'`); n != 1 {
			t.Errorf("what changed has one entry, got %d", n)
		}
		shelves, measures, err := s.Shelves(t.Context(), engineer, "sql_query", c.EventID)
		if err != nil || measures != "sql_query" || len(shelves) != 1 || !shelves[0].There || shelves[0].Why != "The join looks odd" {
			t.Errorf("the queue is known to have it: %+v, %q, %v", shelves, measures, err)
		}

		r, err := s.Reserve(t.Context(), person(1), queue.Slug)
		if err != nil || r.ItemID != put.ItemID {
			t.Fatalf("people are served it, got %+v, %v", r, err)
		}
		if _, err := s.Submit(t.Context(), person(1), r.ItemID, r.Token, uuid.NewString(), Answer{Label: "hallucinated"}); err != nil {
			t.Fatal(err)
		}
		consider(t, s, c) // the queue that measures draws it for itself
		cells, err := s.Sample(t.Context(), auth.Product(), SampleFilter{From: day(3), To: day(4)})
		if err != nil {
			t.Fatal(err)
		}
		for _, cell := range cells {
			if cell.Labels.All() > 0 || cell.Raw.All() > 0 || cell.Sampled > 0 {
				t.Errorf("a label of what was chosen by hand reaches no rate, got %+v", cell)
			}
		}
	}
}

func TestWhatIsPutByHandKeepsWhatIsKnownOfIt(t *testing.T) {
	s, h, queue, plain := shelved(t, false)
	bad := h.respond("sql_query", "v2", day(3), raised(telemetry.NegativeFeedback, "down, incorrect"))
	consider(t, s, plain, bad)
	for _, c := range []telemetry.Candidate{plain, bad} {
		if _, err := s.Put(t.Context(), engineer, queue.Slug, c.EventID, "Look at it"); err != nil {
			t.Fatal(err)
		}
	}
	setRule(t, s, queue.Slug, Rule{Part: "new-model", Conditions: Conditions{Models: []string{"v2"}}})
	consider(t, s, plain, bad)
	for reasons, class := range map[string]string{"{by_hand}": "random", "{negative_feedback,by_hand}": "negative"} {
		if n := count(t, s.DB, `SELECT count(*) FROM items WHERE queue_id = $1 AND reasons = $2::text[] AND priority_class = $3 AND source = 'hand'`, queue.ID, reasons, class); n != 1 {
			t.Errorf("want one %s of class %s, got %d", reasons, class, n)
		}
	}
	if n := count(t, s.DB, `SELECT count(*) FROM items WHERE queue_id <> $1 AND design = 'bottom_k' AND source = 'rule' AND NOT reasons @> '{by_hand}'`, queue.ID); n != 2 {
		t.Errorf("the queue that measures is as it was, got %d", n)
	}
}

func TestWhatMayNotBePutByHandIsRefused(t *testing.T) {
	s, h, queue, c := shelved(t, false)
	other := h.respond("file_edit", "v2", day(3))
	silent, unkept := h.respond("sql_query", "v2", day(3)), h.respond("sql_query", "v2", day(3))
	for id, consent := range map[uuid.UUID]telemetry.Consent{silent.EventID: telemetry.ConsentAggregate, unkept.EventID: telemetry.ConsentRedacted} {
		r := h.responses[id]
		r.HasText, r.Consent, r.Prompt, r.Response = false, consent, "", ""
		h.responses[id] = r
	}
	archived, err := s.OpenDiscovery(t.Context(), engineer, "sql_query", "Over", false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.DB.Exec(t.Context(), `UPDATE queues SET archived_at = now() WHERE id = $1`, archived.ID); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what  string
		actor auth.Actor
		queue string
		event uuid.UUID
		why   string
		kind  fault.Kind
		says  string
	}{
		{"a labeler", person(1), queue.Slug, c.EventID, "Look", fault.Denied, ""},
		{"a queue that measures", engineer, "sql_query", c.EventID, "Look", fault.Invalid, "discovery queue"},
		{"another task class", engineer, queue.Slug, other.EventID, "Look", fault.Invalid, "another task class"},
		{"no consent", engineer, queue.Slug, silent.EventID, "Look", fault.Invalid, "consent"},
		{"text not kept", engineer, queue.Slug, unkept.EventID, "Look", fault.Invalid, "not kept"},
		{"no response", engineer, queue.Slug, uuid.New(), "Look", fault.NotFound, ""},
		{"no queue", engineer, "nowhere", c.EventID, "Look", fault.NotFound, ""},
		{"an archived queue", engineer, archived.Slug, c.EventID, "Look", fault.NotFound, ""},
		{"no reason", engineer, queue.Slug, c.EventID, " \n ", fault.Invalid, "Say why"},
		{"a long reason", engineer, queue.Slug, c.EventID, strings.Repeat("ö", longestByHand+1), fault.Invalid, "Say why"},
		{"a zero byte", engineer, queue.Slug, c.EventID, "a\x00b", fault.Invalid, "Say why"},
	} {
		_, err := s.Put(t.Context(), c.actor, c.queue, c.event, c.why)
		if fault.Of(err) != c.kind || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: want %s with %q, got %v", c.what, c.kind, c.says, err)
		}
	}
	if n := count(t, s.DB, `SELECT (SELECT count(*) FROM items) + (SELECT count(*) FROM audit_entries WHERE action = 'item.put')`); n != 0 {
		t.Errorf("nothing was put anywhere, got %d", n)
	}
	if _, _, err := s.Shelves(t.Context(), person(1), "sql_query", c.EventID); fault.Of(err) != fault.Denied {
		t.Errorf("a labeler does not learn where it lies, got %v", err)
	}
}

func TestWhatWasTakenOutIsNotPutBackByHand(t *testing.T) {
	s, _, queue, c := shelved(t, false)
	put, err := s.Put(t.Context(), engineer, queue.Slug, c.EventID, "Look")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(t.Context(), engineer, put.ItemID, "a mistake"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), engineer, queue.Slug, c.EventID, "Look again"); fault.Of(err) != fault.Conflict || !strings.Contains(err.Error(), "stays out") {
		t.Errorf("got %v", err)
	}
	if shelves, _, err := s.Shelves(t.Context(), engineer, "sql_query", c.EventID); err != nil || len(shelves) != 1 || shelves[0].There || !shelves[0].Out {
		t.Errorf("the page can say so: %+v, %v", shelves, err)
	}
}

func TestWhySomebodyPutItThereGoesWithItsText(t *testing.T) {
	s, _, queue, c := shelved(t, false)
	put, err := s.Put(t.Context(), engineer, queue.Slug, c.EventID, "Names a customer")
	if err != nil {
		t.Fatal(err)
	}
	if err := (Texts{s}).empty(t.Context(), []int64{put.ItemID}, "its person was erased"); err != nil {
		t.Fatal(err)
	}
	if n := count(t, s.DB, `SELECT count(*) FROM items WHERE id = $1 AND snapshot IS NULL AND NOT EXISTS (SELECT FROM put_texts)`, put.ItemID); n != 1 {
		t.Error("the words are still there")
	}
}
