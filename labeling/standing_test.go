package labeling

import (
	"slices"
	"testing"

	"assay/internal/auth"
	"assay/internal/fault"
)

// accused is a room in which person 1 answered "correct" to thirty gold items
// and gave some labels that count.
func accused(t *testing.T) (goldRoom, int64) {
	t.Helper()
	room := newGoldRoom(t, 10, 4)
	if _, err := room.DB.Exec(t.Context(), `UPDATE queues SET gold_share = 0`); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		submit(t, room.Store, 1, held(t, room.Store, room.queue, 1), Answer{Label: "correct"})
	}
	if _, err := room.DB.Exec(t.Context(), `UPDATE queues SET gold_share = .5`); err != nil {
		t.Fatal(err)
	}
	for range 30 {
		r := held(t, room.Store, room.queue, 1)
		if room.gold[r.ItemID] == "" {
			t.Fatal("want gold")
		}
		submit(t, room.Store, 1, r, Answer{Label: "correct"})
	}
	labeler, err := room.LabelerOf(t.Context(), person(1))
	if err != nil {
		t.Fatal(err)
	}
	return room, labeler
}

func TestASuspensionTakesEffectWhenAPersonConfirmsIt(t *testing.T) {
	room, labeler := accused(t)
	list, err := room.Labelers(t.Context(), reviewer)
	if err != nil {
		t.Fatal(err)
	}
	if list[0].ID != labeler || list[0].Standing != Proposed || !slices.Contains(list[0].Signals.Flags, "answers do not depend on what is right") {
		t.Errorf("want the accused first, got %+v", list[0])
	}
	if list[0].Labels != 3 {
		t.Errorf("gold is not among their labels: %d", list[0].Labels)
	}
	held := held(t, room.Store, room.queue, 1) // signals alone stop nothing
	for actor, kind := range map[*auth.Actor]fault.Kind{{Kind: auth.Person, ID: 5, Roles: []auth.Role{auth.Engineer}}: fault.Denied, {Kind: auth.Person, ID: 1, Roles: []auth.Role{auth.Reviewer}}: fault.Denied} {
		if err := room.DecideStanding(t.Context(), *actor, labeler, Suspend, "always the same"); fault.Of(err) != kind {
			t.Errorf("%+v: want %v, got %v", actor.Roles, kind, err)
		}
	}
	if err := room.DecideStanding(t.Context(), reviewer, labeler, Suspend, " "); fault.Of(err) != fault.Invalid {
		t.Errorf("without a reason: %v", err)
	}
	if err := room.DecideStanding(t.Context(), reviewer, labeler, Suspend, "always the same answer"); err != nil {
		t.Fatal(err)
	}
	if _, err := room.Reserve(t.Context(), person(1), room.queue.Slug); fault.Of(err) != fault.Denied {
		t.Errorf("nothing more is served: %v", err)
	}
	if _, err := room.Submit(t.Context(), person(1), held.ItemID, held.Token, "late", Answer{Label: "correct"}); fault.Of(err) != fault.Conflict {
		t.Errorf("what they held is given back: %v", err)
	}
	if n := count(t, room.DB, `SELECT count(*) FROM items i JOIN consensus c ON c.item_id = i.id WHERE i.wanted = 2 AND c.readings = 1 AND c.second_due AND c.second_probability = 1`); n != 3 {
		t.Errorf("their three labels are read again and not one is lost: got %d", n)
	}
	if n := count(t, room.DB, `SELECT count(*) FROM audit_entries WHERE action = 'labeler.suspend'`); n != 1 {
		t.Error("the decision is in the audit")
	}
	own, err := room.Labeler(t.Context(), person(1), 0)
	if err != nil || !own.Own || own.Standing != Suspended || len(own.Decisions) != 1 || own.Decisions[0].Reason != "always the same answer" {
		t.Errorf("they read why: %+v %v", own, err)
	}
	if err := room.DecideStanding(t.Context(), reviewer, labeler, Suspend, "again"); fault.Of(err) != fault.Conflict {
		t.Errorf("twice: %v", err)
	}
	if err := room.DecideStanding(t.Context(), reviewer, labeler, Reinstate, "we talked"); err != nil {
		t.Fatal(err)
	}
	if _, err := room.Reserve(t.Context(), person(1), room.queue.Slug); err != nil {
		t.Errorf("back at work: %v", err)
	}
}

func TestAKeptLabelerIsProposedAgainOnlyWithNewGold(t *testing.T) {
	room, labeler := accused(t)
	if err := room.DecideStanding(t.Context(), reviewer, labeler, Keep, "the gold was wrong"); err != nil {
		t.Fatal(err)
	}
	report, err := room.Labeler(t.Context(), reviewer, labeler)
	if err != nil || report.Standing != Probation {
		t.Errorf("want probation until there are ten new gold answers, got %s %v", report.Standing, err)
	}
}

func TestALabelerSeesTheirOwnPageAndNotTodaysGold(t *testing.T) {
	room, labeler := accused(t)
	own, err := room.Labeler(t.Context(), person(1), labeler)
	if err != nil || !own.Own || own.Standing != New || own.Gold != (Confusion{}) || len(own.Signals.Flags) != 0 {
		t.Errorf("a figure that moves after a label would tell which item was gold: %+v %v", own, err)
	}
	for _, week := range own.Drift {
		if week.Gold != 0 {
			t.Errorf("nor the week: %+v", week)
		}
	}
	if _, err := room.Labeler(t.Context(), person(2), labeler); fault.Of(err) != fault.Denied {
		t.Errorf("nobody sees another's page: %v", err)
	}
	seen, err := room.Labeler(t.Context(), engineer, labeler)
	if err != nil || seen.Shared != 0 || seen.Given != [4]int64{3} {
		t.Errorf("what they labeled: %+v %v", seen, err)
	}
}
