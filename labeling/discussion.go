package labeling

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
	"assay/internal/fault"
)

// Said is one revision of one person's verdict on an item, or a reviewer's
// decision over all of them.
type Said struct {
	LabelID      int64 // 0: a decision
	Who          string
	Mine         bool
	Revision     int
	Answer       Answer // Label "": the revision before is taken back
	GuideVersion int
	Source       string // person, import, reviewer
	Elapsed      time.Duration
	At           time.Time
	Latest       bool   // nothing later of this labeler
	AfterReading bool   // given when its labeler knew what others said
	Reason       string // of a decision
}

// Discussion is everything that was said of an item, in the order it was said.
type Discussion struct {
	Item     Item
	Said     []Said
	Disputes []Dispute
	Comments []Comment
	People   []Known // who may be mentioned
}

// disputedNow opens an item i to the reviewers who may decide: what others said
// is then their task. Those who hold it, $2, label it first.
const disputedNow = `(
	EXISTS (SELECT FROM disputes d WHERE d.item_id = i.id AND d.decided_at IS NULL)
	AND NOT EXISTS (SELECT FROM reservations h WHERE h.item_id = i.id AND h.labeler_id = $2 AND h.state = 'held'))`

// mayReadLabels lets in whoever LabelsOpen opens the item's labels to, and
// reviewers while one of them is disputed.
func (s *Store) mayReadLabels(ctx context.Context, actor auth.Actor, item int64) error {
	if actor.Kind != auth.Person {
		return fault.Say(fault.Denied, "What was said of an item is read by people; the export has the labels.")
	}
	if err := actor.Require(auth.SeeSessions); err != nil {
		return err
	}
	who, err := s.whoReads(ctx, actor)
	if err != nil {
		return err
	}
	var open bool
	err = s.DB.QueryRow(ctx, `SELECT NOT $4 OR `+openLabels+` OR $5 AND `+disputedNow+` FROM items i WHERE i.id = $1`,
		item, who.labeler, who.byRole, who.labels, actor.May(auth.Adjudicate)).Scan(&open)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && !open && !who.byRole {
		return fault.Say(fault.NotFound, "There is no such item among those you labeled.")
	}
	if err == nil && !open {
		return fault.Say(fault.Denied, "A label of this item is still wanted, and it may be yours. Read what others said when it is done.")
	}
	return err
}

// hasRead keeps that the actor, if they label, knows from now on what others
// said of the items: a label they change is marked with it.
func (s *Store) hasRead(ctx context.Context, actor auth.Actor, items []int64) error {
	if !isLabeler(actor) || len(items) == 0 {
		return nil
	}
	labeler, err := s.LabelerOf(ctx, actor)
	if err != nil {
		return err
	}
	_, err = s.DB.Exec(ctx, `
		INSERT INTO labels_read (labeler_id, item_id) SELECT $1, unnest($2::bigint[])
		ON CONFLICT DO NOTHING`, labeler, items)
	if err != nil {
		return fmt.Errorf("labeler %d has read others' labels: %w", labeler, err)
	}
	return nil
}

// Discussion returns what was said of an item. A labeler reads the others' after
// their own, without their names.
func (s *Store) Discussion(ctx context.Context, actor auth.Actor, id int64) (Discussion, error) {
	if err := s.mayReadLabels(ctx, actor, id); err != nil {
		return Discussion{}, err
	}
	item, err := s.item(ctx, id)
	if err != nil {
		return Discussion{}, err
	}
	closed, err := s.goldToday(ctx, actor, id)
	if err != nil {
		return Discussion{}, err
	}
	h := Discussion{Item: item}
	rows, _ := s.DB.Query(ctx, `
		SELECT l.id, coalesce(p.name, w.import_name, w.pseudonym), w.pseudonym, coalesce(w.person_id, 0) = $2, l.revision, coalesce(l.label, ''), l.reasons,
		       l.spans, coalesce(l.confidence, ''), coalesce(t.correction, ''), coalesce(t.note, ''), coalesce(g.version, 0), l.source,
		       coalesce(l.elapsed_ms, 0), l.labeled_at,
		       NOT EXISTS (SELECT FROM labels n WHERE n.item_id = l.item_id AND n.labeler_id = l.labeler_id AND n.revision > l.revision),
		       coalesce((l.provenance->>'after_reading_others')::boolean, false)
		FROM labels l
		JOIN labelers w ON w.id = l.labeler_id
		LEFT JOIN people p ON p.id = w.person_id
		LEFT JOIN label_texts t ON t.label_id = l.id
		LEFT JOIN guides g ON g.id = l.guide_id
		WHERE l.item_id = $1 AND (l.purpose = 'count' AND NOT $3 OR coalesce(w.person_id, 0) = $2)
		ORDER BY l.labeled_at, l.id`, id, actor.ID, closed)
	var one Said
	var ms int64
	var pseudonym string
	_, err = pgx.ForEachRow(rows, []any{&one.LabelID, &one.Who, &pseudonym, &one.Mine, &one.Revision, &one.Answer.Label, &one.Answer.Reasons,
		&one.Answer.Spans, &one.Answer.Confidence, &one.Answer.Correction, &one.Answer.Note, &one.GuideVersion, &one.Source,
		&ms, &one.At, &one.Latest, &one.AfterReading}, func() error {
		said := one
		said.Elapsed = time.Duration(ms) * time.Millisecond
		said.Answer.Reasons, said.Answer.Spans = slices.Clone(one.Answer.Reasons), slices.Clone(one.Answer.Spans)
		if !seesAll(actor) && !said.Mine {
			said.Who = pseudonym
		}
		h.Said = append(h.Said, said)
		return nil
	})
	if err != nil {
		return Discussion{}, fmt.Errorf("labels of item %d: %w", id, err)
	}
	if closed {
		return h, nil
	}
	if slices.ContainsFunc(h.Said, func(said Said) bool { return !said.Mine }) {
		if err := s.hasRead(ctx, actor, []int64{id}); err != nil {
			return Discussion{}, err
		}
	}
	if err := s.decisions(ctx, actor, &h); err != nil {
		return Discussion{}, err
	}
	rows, _ = s.DB.Query(ctx, disputeQuery+` WHERE d.item_id = $2 ORDER BY d.opened_at, d.id`, actor.ID, id)
	if h.Disputes, err = pgx.CollectRows(rows, pgx.RowToStructByName[Dispute]); err != nil {
		return Discussion{}, fmt.Errorf("disputes of item %d: %w", id, err)
	}
	if h.Comments, err = s.comments(ctx, actor, id); err != nil {
		return Discussion{}, err
	}
	h.People, err = s.mentionable(ctx, actor, id)
	return h, err
}

// decisions adds what reviewers decided over the labels.
func (s *Store) decisions(ctx context.Context, actor auth.Actor, h *Discussion) error {
	rows, _ := s.DB.Query(ctx, `
		SELECT coalesce(p.name, w.pseudonym), coalesce(w.person_id, 0) = $2, a.revision, a.label, coalesce(g.version, 0), a.created_at,
		       coalesce(t.reason, ''),
		       NOT EXISTS (SELECT FROM adjudications n WHERE n.item_id = a.item_id AND n.revision > a.revision)
		FROM adjudications a
		JOIN labelers w ON w.id = a.reviewer_id
		LEFT JOIN people p ON p.id = w.person_id
		LEFT JOIN adjudication_texts t ON t.adjudication_id = a.id
		LEFT JOIN guides g ON g.id = a.guide_id
		WHERE a.item_id = $1`, h.Item.ID, actor.ID)
	one := Said{Source: "reviewer"}
	_, err := pgx.ForEachRow(rows, []any{&one.Who, &one.Mine, &one.Revision, &one.Answer.Label, &one.GuideVersion, &one.At, &one.Reason, &one.Latest}, func() error {
		h.Said = append(h.Said, one)
		return nil
	})
	if err != nil {
		return fmt.Errorf("decisions on item %d: %w", h.Item.ID, err)
	}
	slices.SortStableFunc(h.Said, func(a, b Said) int { return a.At.Compare(b.At) })
	return nil
}
