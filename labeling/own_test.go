package labeling

import (
	"testing"
	"time"

	"assay/internal/auth"
	"assay/internal/fault"
)

func TestPeopleFindTheirOwnWork(t *testing.T) {
	s := tx(t)
	ctx := t.Context()
	queue := openQueue(t, s, "sql_query")
	other := openQueue(t, s, "file_edit")
	var seeds []seed
	for i := range 7 {
		seeds = append(seeds, seed{u: float64(i) / 100, wanted: 2})
	}
	put(t, s, queue, seeds...)
	put(t, s, other, seed{u: .5})
	me := person(1)

	first := held(t, s, queue, 1)
	submit(t, s, 1, first, Answer{Label: "hallucinated", Reasons: []string{"other"}, Confidence: "low", Note: "The JOIN doubles Rows", Spans: []Span{{0, 3}}, Correction: "SELECT 1"})
	second := held(t, s, queue, 1)
	submit(t, s, 1, second, Answer{Label: "correct", Confidence: "high"})
	third := held(t, s, queue, 1)
	if err := s.Later(ctx, me, third.ItemID, third.Token); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveDraft(ctx, me, third.ItemID, "1-a", time.Now(), Answer{Label: "cannot_tell", Note: "ask"}); err != nil {
		t.Fatal(err)
	}
	fourth := held(t, s, queue, 1)
	if err := s.Skip(ctx, me, fourth.ItemID, fourth.Token, SkipReasons[0]); err != nil {
		t.Fatal(err)
	}
	fifth := held(t, s, other, 1)
	theirs := held(t, s, queue, 2) // somebody else's work on the first item
	submit(t, s, 2, theirs, Answer{Label: "correct", Note: "doubles"})

	for _, look := range []struct {
		fact string
		f    OwnFilter
		want []int64
	}{
		{"labels that stand, the latest first", OwnFilter{}, []int64{second.ItemID, first.ItemID}},
		{"of a queue", OwnFilter{Queue: other.Slug}, nil},
		{"of a label", OwnFilter{Label: "hallucinated"}, []int64{first.ItemID}},
		{"of which they were unsure", OwnFilter{Confidence: "low"}, []int64{first.ItemID}},
		{"by a word of the note, whatever its case", OwnFilter{Text: "join DOUBLES"}, []int64{first.ItemID}},
		{"by a word of the response", OwnFilter{Text: "another sentence"}, []int64{second.ItemID, first.ItemID}},
		{"by what nobody wrote", OwnFilter{Text: "%"}, nil},
		{"given since tomorrow", OwnFilter{Since: time.Now().Add(time.Hour)}, nil},
		{"the page after the first row", OwnFilter{Limit: 1}, []int64{second.ItemID}},
		{"held now", OwnFilter{Part: OwnHeld}, []int64{fifth.ItemID}},
		{"put off", OwnFilter{Part: OwnLater}, []int64{third.ItemID}},
		{"drafts", OwnFilter{Part: OwnDrafts, Label: "cannot_tell"}, []int64{third.ItemID}},
		{"skipped", OwnFilter{Part: OwnSkipped}, []int64{fourth.ItemID}},
		{"disputed", OwnFilter{Part: OwnDisputed}, nil},
	} {
		list, counts, err := s.OwnWork(ctx, me, look.f)
		if err != nil {
			t.Fatalf("%s: %v", look.fact, err)
		}
		var got []int64
		for _, own := range list {
			got = append(got, own.ItemID)
		}
		if len(got) != len(look.want) || len(got) > 0 && got[0] != look.want[0] {
			t.Errorf("%s: want %v, got %v", look.fact, look.want, got)
		}
		part := look.f.Part
		if part == "" {
			part = OwnLabeled
		}
		if look.f.Limit == 0 && counts[part] != len(got) {
			t.Errorf("%s: counted %d, listed %d", look.fact, counts[part], len(got))
		}
	}

	page, _, err := s.OwnWork(ctx, me, OwnFilter{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	page, _, err = s.OwnWork(ctx, me, OwnFilter{Limit: 1, Before: page[0].Place})
	if err != nil || len(page) != 1 {
		t.Fatalf("the next page: %v, %v", page, err)
	}
	own := page[0]
	if own.ItemID != first.ItemID || own.Number != 1 || own.Label != "hallucinated" || own.Note != "The JOIN doubles Rows" || own.Marked != 1 || !own.Corrected || own.TookMS == nil || own.Disputed {
		t.Errorf("what they said of the first item: %+v", own)
	}

	// A label that was taken back is no label; an objection is in both lists.
	if _, err := s.Undo(ctx, me, second.ItemID); err != nil {
		t.Fatal(err)
	}
	count(t, s.DB, `INSERT INTO people (id, name, email) OVERRIDING SYSTEM VALUE VALUES ($1, 'Objector', 'objector@example.org'), (1, 'Labeler', 'l@example.org') RETURNING id`, engineer.ID)
	label := count(t, s.DB, `SELECT id FROM labels WHERE item_id = $1 AND labeler_id = (SELECT id FROM labelers WHERE person_id = 1)`, first.ItemID)
	if err := s.Dispute(ctx, engineer, label, "The JOIN is right."); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{OwnLabeled, OwnDisputed} {
		list, _, err := s.OwnWork(ctx, me, OwnFilter{Part: part})
		if err != nil || len(list) != 1 || !list[0].Disputed {
			t.Errorf("%s after an objection: %+v, %v", part, list, err)
		}
	}
	if drafts, later, err := s.OwnOpen(ctx, me); err != nil || drafts < 1 || later != 1 {
		t.Errorf("left open: %d drafts, %d later, %v", drafts, later, err)
	}
	if found, err := s.FindOwn(ctx, me, "doubles", 5); err != nil || len(found) != 1 || found[0].ItemID != first.ItemID {
		t.Errorf("found %+v, %v", found, err)
	}
}

func TestOwnWorkRefusesWhatItDoesNotKnow(t *testing.T) {
	s := tx(t)
	for _, f := range []OwnFilter{{Part: "all"}, {Label: "wrong"}, {Confidence: "sure"}, {Text: string(make([]byte, 201))}} {
		if _, _, err := s.OwnWork(t.Context(), person(1), f); fault.Of(err) != fault.Invalid {
			t.Errorf("%+v: want Invalid, got %v", f, err)
		}
	}
	if _, _, err := s.OwnWork(t.Context(), person(1, auth.Auditor), OwnFilter{}); fault.Of(err) != fault.Denied {
		t.Errorf("an auditor has no work here: %v", err)
	}
}

// Their own list and their own figures must not tell gold from other items.
func TestOwnWorkCountsGoldLikeAnyOtherItem(t *testing.T) {
	room := newGoldRoom(t, 2, 8)
	me := person(1)
	for given := 1; given <= 8; given++ {
		r := held(t, room.Store, room.queue, 1)
		submit(t, room.Store, 1, r, Answer{Label: "correct"})
		_, counts, err := room.OwnWork(t.Context(), me, OwnFilter{})
		if err != nil || counts[OwnLabeled] != given {
			t.Fatalf("%d labels given, %d listed, %v", given, counts[OwnLabeled], err)
		}
		own, err := room.Labeler(t.Context(), me, 0)
		if err != nil || own.Labels != int64(given) || own.Week != int64(given) {
			t.Fatalf("%d labels given, their figures say %d, %d in 7 days, %v", given, own.Labels, own.Week, err)
		}
	}
	if n := count(t, room.DB, `SELECT count(*) FROM labels WHERE purpose = 'gold'`); n == 0 || n == 8 {
		t.Fatalf("want gold among others, got %d of 8", n)
	}
}
