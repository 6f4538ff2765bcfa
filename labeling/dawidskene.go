package labeling

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
	"assay/internal/stats"
)

// ConsensusModel is what the labels of several people say together, by Dawid
// and Skene: the share of each label among the items, how each labeler errs,
// and each item's most probable label.
type ConsensusModel struct {
	Queue        string   // "" for all
	Labels       []string // the classes: without cannot_tell when nobody said so
	Prior        stats.ConsensusPrior
	Prevalence   []ClassShare
	Labelers     []ModeledLabeler
	Items        []ModeledItem
	Given        int // labels it is made of
	LogLikely    float64
	Iterations   int
	Converged    bool
	Identifiable bool // enough overlap to tell labelers apart; else trust majority and adjudication
	Bounded      bool // there are intervals: at least ten items
	Replicates   int  // of the intervals
	Seed         uint64
}

// ClassShare is the share of a class. Items is the sum of its probabilities
// over the items, Likeliest how many have it as their most probable class.
type ClassShare struct {
	Value float64
	stats.Interval
	Items     float64
	Likeliest int
}

// ModeledLabeler is a labeler's estimated errors.
type ModeledLabeler struct {
	ID        int64
	Name      string
	Labels    int
	Confusion [][]float64      // what is right down, what they say across; rows add up to one
	Right     []stats.Interval // of the diagonal, where the model is bounded
	Of        []float64        // items of each class that they labeled, by their probability
}

// ModeledItem is an item's most probable label and how probable each is.
type ModeledItem struct {
	ItemID      int64
	Label       string
	Probability float64 // of Label
	Posterior   []float64
	Said        []int // labelers by class
}

// The intervals of the model, from one seed as those of alpha.
const (
	modelReplicates = 200
	modelSeed       = 7_2
	modelLevel      = .95
)

// Consensuses fits the model of Dawid and Skene to the agreement sample.
func (s *Store) Consensuses(ctx context.Context, actor auth.Actor, f AgreementFilter, prior stats.ConsensusPrior) (ConsensusModel, error) {
	model := ConsensusModel{Queue: f.Queue, Labels: Truths, Prior: prior}
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return model, err
	}
	list, err := s.readTwice(ctx, f)
	if err != nil || len(list) == 0 {
		return model, err
	}
	if slices.ContainsFunc(list, func(r rated) bool { return r.Label == "cannot_tell" }) {
		model.Labels = Labels
	}
	same, err := s.samePeople(ctx)
	if err != nil {
		return model, err
	}
	ratings := make([]stats.Rating, len(list))
	for i, r := range list {
		ratings[i] = stats.Rating{Item: r.ItemID, Labeler: cmp.Or(same[r.LabelerID], r.LabelerID), Class: slices.Index(model.Labels, r.Label)}
	}
	fit, err := stats.DawidSkene(ratings, len(model.Labels), prior)
	if err != nil {
		return model, fmt.Errorf("consensus of %d labels: %w", len(ratings), err)
	}
	in, bounded, err := fit.Resample(ratings, len(model.Labels), prior, modelReplicates, modelSeed, modelLevel)
	if err != nil {
		return model, fmt.Errorf("intervals of %d labels: %w", len(ratings), err)
	}
	model.Bounded, model.Replicates, model.Seed = bounded, in.Replicates, in.Seed
	model.take(fit, in, ratings)
	return model, s.nameLabelers(ctx, actor, model.Labelers)
}

// readTwice is the agreement sample without what one person alone has read so
// far: to a model of how labelers err such items say nothing, and there are many
// of them. What was imported was chosen elsewhere and stays.
func (s *Store) readTwice(ctx context.Context, f AgreementFilter) ([]rated, error) {
	list, err := s.rated(ctx, f)
	labels := map[int64]int{}
	for _, l := range list {
		labels[l.ItemID]++
	}
	return slices.DeleteFunc(list, func(l rated) bool { return labels[l.ItemID] < 2 && !l.Imported }), err
}

// take writes down what the fit says.
func (m *ConsensusModel) take(fit stats.Consensus, in stats.ConsensusIntervals, ratings []stats.Rating) {
	m.Given, m.LogLikely, m.Iterations = len(ratings), fit.LogLikelihood, fit.Iterations
	m.Converged, m.Identifiable = fit.Converged, fit.Identifiable
	m.Prevalence = make([]ClassShare, len(m.Labels))
	for k := range m.Prevalence {
		m.Prevalence[k] = ClassShare{Value: fit.Prevalence[k], Interval: stats.Interval{High: 1, Level: modelLevel}}
		if m.Bounded {
			m.Prevalence[k].Interval = in.Prevalence[k]
		}
	}
	for i, item := range fit.Items {
		class, probability := fit.Class(i)
		m.Items = append(m.Items, ModeledItem{ItemID: item, Label: m.Labels[class], Probability: probability, Posterior: fit.Posterior[i], Said: make([]int, len(m.Labels))})
		m.Prevalence[class].Likeliest++
		for k, p := range fit.Posterior[i] {
			m.Prevalence[k].Items += p
		}
	}
	for l, labeler := range fit.Labelers {
		m.Labelers = append(m.Labelers, ModeledLabeler{ID: labeler, Confusion: fit.Confusion[l], Of: make([]float64, len(m.Labels))})
		if m.Bounded {
			m.Labelers[l].Right = in.Right[l]
		}
	}
	for _, r := range ratings {
		i, _ := slices.BinarySearch(fit.Items, r.Item)
		l, _ := slices.BinarySearch(fit.Labelers, r.Labeler)
		m.Items[i].Said[r.Class]++
		m.Labelers[l].Labels++
		for k, p := range fit.Posterior[i] {
			m.Labelers[l].Of[k] += p
		}
	}
}

func (s *Store) nameLabelers(ctx context.Context, actor auth.Actor, labelers []ModeledLabeler) error {
	pairs := make([]PairAgreement, len(labelers)) // for their names
	for i := range labelers {
		pairs[i].One = labelers[i].ID
	}
	if err := s.namePairs(ctx, actor, pairs); err != nil {
		return err
	}
	for i := range labelers {
		labelers[i].Name = pairs[i].OneName
	}
	return nil
}

// ConsensusItem is an item of the model with the response behind it.
type ConsensusItem struct {
	ModeledItem
	EventID   uuid.UUID
	SessionID string
	Title     string
	Stands    string // its label now; "" while nothing stands
	Method    string // how that came to be
	Wanted    int    // labelers it wants in all
	Labeled   int
}

// ConsensusItems are some items of a model, the least sure first.
type ConsensusItems struct {
	Items  []ConsensusItem
	All    int // that were asked for
	Closed int // of the model, kept from an actor who may yet be asked to label them
}

// ConsensusItems lists the items of a model whose most probable label this is,
// "" for any: n of them from the from-th on. An actor who labels sees none that
// they may yet be asked to label, and is kept as one who knows what others said
// of the rest.
func (s *Store) ConsensusItems(ctx context.Context, actor auth.Actor, m ConsensusModel, label string, from, n int) (ConsensusItems, error) {
	var listed ConsensusItems
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return listed, err
	}
	open, err := s.openItems(ctx, actor, m.Items)
	if err != nil {
		return listed, err
	}
	listed.Closed = len(m.Items) - len(open)
	chosen := slices.DeleteFunc(open, func(item ModeledItem) bool { return label != "" && item.Label != label })
	slices.SortStableFunc(chosen, func(a, b ModeledItem) int {
		return cmp.Or(cmp.Compare(a.Probability, b.Probability), cmp.Compare(a.ItemID, b.ItemID))
	})
	listed.All = len(chosen)
	from = min(max(0, from), listed.All)
	chosen = chosen[from:min(from+max(0, n), listed.All)]
	var ids []int64
	for _, item := range chosen {
		ids, listed.Items = append(ids, item.ItemID), append(listed.Items, ConsensusItem{ModeledItem: item})
	}
	rows, _ := s.DB.Query(ctx, `
		SELECT i.id, i.event_id, i.session_id, i.title, coalesce(c.label, ''), coalesce(c.method, ''), i.wanted, i.labeled
		FROM items i LEFT JOIN consensus c ON c.item_id = i.id
		WHERE i.id = ANY ($1)`, ids)
	var id int64
	var read ConsensusItem
	_, err = pgx.ForEachRow(rows, []any{&id, &read.EventID, &read.SessionID, &read.Title, &read.Stands, &read.Method, &read.Wanted, &read.Labeled}, func() error {
		at := slices.Index(ids, id)
		read.ModeledItem = listed.Items[at].ModeledItem
		listed.Items[at] = read
		return nil
	})
	if err != nil {
		return listed, fmt.Errorf("items of the consensus: %w", err)
	}
	return listed, s.hasRead(ctx, actor, ids)
}

// openItems are the items of which the actor may read what others said.
func (s *Store) openItems(ctx context.Context, actor auth.Actor, items []ModeledItem) ([]ModeledItem, error) {
	who, err := s.whoReads(ctx, actor)
	if err != nil || !who.labels {
		return slices.Clone(items), err
	}
	ids := make([]int64, len(items))
	for i, item := range items {
		ids[i] = item.ItemID
	}
	rows, _ := s.DB.Query(ctx, `
		SELECT i.id FROM items i
		WHERE i.id = ANY ($1) AND `+openLabels+` AND NOT `+goldToday, ids, who.labeler, who.byRole)
	list, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, fmt.Errorf("items open to labeler %d: %w", who.labeler, err)
	}
	slices.Sort(list)
	return slices.DeleteFunc(slices.Clone(items), func(item ModeledItem) bool {
		_, open := slices.BinarySearch(list, item.ItemID)
		return !open
	}), nil
}

// RatedQueue is a queue that has labels in the agreement sample.
type RatedQueue struct {
	Slug  string
	Items int
}

// RatedQueues lists the queues with labels in the agreement sample, those with
// the most items first.
func (s *Store) RatedQueues(ctx context.Context, actor auth.Actor, f AgreementFilter) ([]RatedQueue, error) {
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return nil, err
	}
	labels, err := s.readTwice(ctx, AgreementFilter{From: f.From, To: f.To})
	if err != nil {
		return nil, err
	}
	var list []RatedQueue
	item := int64(0)
	for _, l := range labels { // one item's labels lie together
		if l.ItemID == item {
			continue
		}
		item = l.ItemID
		at := slices.IndexFunc(list, func(q RatedQueue) bool { return q.Slug == l.Queue })
		if at < 0 {
			at, list = len(list), append(list, RatedQueue{Slug: l.Queue})
		}
		list[at].Items++
	}
	slices.SortFunc(list, func(a, b RatedQueue) int { return cmp.Or(cmp.Compare(b.Items, a.Items), cmp.Compare(a.Slug, b.Slug)) })
	return list, nil
}

// samePeople finds imported labelers who are another's later reading: whoever
// labeled the same items again is imported as "name, reading 2". To agreement
// the readings of one person are two, to their errors they are one.
func (s *Store) samePeople(ctx context.Context) (map[int64]int64, error) {
	rows, _ := s.DB.Query(ctx, `
		SELECT again.id, first.id
		FROM labelers again
		JOIN labelers first ON first.import_name = regexp_replace(again.import_name, ', reading [2-9]$', '')
		WHERE again.import_name ~ ', reading [2-9]$'`)
	same := map[int64]int64{}
	var again, first int64
	_, err := pgx.ForEachRow(rows, []any{&again, &first}, func() error { same[again] = first; return nil })
	if err != nil {
		return nil, fmt.Errorf("readings of the same people: %w", err)
	}
	return same, nil
}
