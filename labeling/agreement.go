package labeling

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
	"assay/internal/stats"
)

// AgreementFilter selects labels by when they were given; zero is open. An
// empty queue is all of them.
type AgreementFilter struct {
	Queue    string
	From, To time.Time
}

// Agreement is how far labelers of the same items agree, in every coefficient
// people know. Alpha is the one that decides.
type Agreement struct {
	Queue     string // "" for a pair of labelers and for a task class
	TaskClass string
	Items     int // with at least two labels
	Labels    int // on them, without cannot_tell
	Labelers  int
	Nominal   stats.AlphaEstimate // different is different: for gates
	Ordinal   stats.AlphaEstimate // correct, partially correct, hallucinated in this order
	Percent   *float64
	AC1       *float64
	Fleiss    *float64 // of the items with as many labels as most have
	FleissOf  int      // how many items these are
	// Coincidence counts ordered pairs of labels within items, each item with
	// the weight of its labels: the confusion of labelers among themselves.
	Coincidence [][]float64
}

// MayDriveGates reports whether labels that agree so far may decide about a
// promotion: the lower limit of nominal alpha reaches 0.667.
func (a Agreement) MayDriveGates() bool { return a.Nominal.Passed() }

// PairAgreement is how far two labelers agree on the items both labeled.
type PairAgreement struct {
	One, Other         int64 // labelers
	OneName, OtherName string
	Agreement
	Cohen stats.KappaEstimate
	Table [][]int // One's labels down, Other's across
}

// AgreementReport is the agreement of each queue, each task class and each
// pair.
type AgreementReport struct {
	Queues      []Agreement
	TaskClasses []Agreement
	Pairs       []PairAgreement // those with most items in common first
	CannotTell  int             // labels that say so: missing data to every coefficient
}

// The interval of alpha: resampled items, from one seed, so that the same
// labels give the same interval again.
const (
	alphaReplicates = 2000
	alphaSeed       = 7_1
	alphaLevel      = .95
	shownPairs      = 60
)

// rated is one label of the agreement sample.
type rated struct {
	Queue     string
	TaskClass string
	ItemID    int64
	LabelerID int64
	Label     string
	Imported  bool // its item has labels that were given elsewhere
}

// The agreement sample: items drawn to be read twice, all items of queues that
// want several labels, and imports. Items read again because of what the first
// label said are left out, and so is whoever came third because two differed:
// both would make labelers look further apart, or closer, than they are. What
// somebody said after reading what others said is left out too: what they said
// before stands for them.
const ratedQuery = `
	WITH latest AS (
		SELECT DISTINCT ON (item_id, labeler_id) item_id, labeler_id, label, source, first_id, labeled_at
		FROM (
			SELECT l.*, min(l.id) OVER (PARTITION BY l.item_id, l.labeler_id) AS first_id
			FROM labels l
			WHERE l.purpose = 'count' AND ` + independent + `
		) AS l
		ORDER BY item_id, labeler_id, revision DESC
	), placed AS (
		SELECT l.*, row_number() OVER (PARTITION BY item_id ORDER BY first_id) AS place,
		       bool_or(source = 'import') OVER (PARTITION BY item_id) AS imported
		FROM latest l
		WHERE ` + countsStill + `
	)
	SELECT q.slug AS queue, i.task_class, p.item_id, p.labeler_id, coalesce(p.label, '') AS label, p.imported
	FROM placed p
	JOIN items i ON i.id = p.item_id
	JOIN queues q ON q.id = i.queue_id
	WHERE q.kind = 'standard' AND p.label IS NOT NULL
	  AND (p.imported OR p.place <= greatest(q.labels_wanted, CASE WHEN i.second_drawn THEN 2 ELSE 1 END))
	  AND ($1 = '' OR q.slug = $1)
	  AND ($2::timestamptz IS NULL OR EXISTS (SELECT FROM labels l WHERE l.item_id = i.id AND l.labeled_at >= $2))
	  AND ($3::timestamptz IS NULL OR EXISTS (SELECT FROM labels l WHERE l.item_id = i.id AND l.labeled_at < $3))
	ORDER BY p.item_id, p.first_id`

// independent holds of revisions l that their labeler gave before they knew what
// others said of the item.
const independent = `NOT EXISTS (
	SELECT FROM labels_read k
	WHERE k.labeler_id = l.labeler_id AND k.item_id = l.item_id AND k.first_at <= l.created_at)`

func (s *Store) rated(ctx context.Context, f AgreementFilter) ([]rated, error) {
	rows, _ := s.DB.Query(ctx, ratedQuery, f.Queue, openTime(f.From), openTime(f.To))
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[rated])
	if err != nil {
		return nil, fmt.Errorf("labels of the agreement sample: %w", err)
	}
	return list, nil
}

// openTime is nil for a zero time: no limit.
func openTime(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	return &at
}

// Agreement computes how far labelers agree, by queue, task class and pair.
// Pairs are named to reviewers and pseudonymous to others.
func (s *Store) Agreement(ctx context.Context, actor auth.Actor, f AgreementFilter) (AgreementReport, error) {
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return AgreementReport{}, err
	}
	list, err := s.rated(ctx, f)
	if err != nil {
		return AgreementReport{}, err
	}
	var report AgreementReport
	for _, r := range list {
		if r.Label == "cannot_tell" {
			report.CannotTell++
		}
	}
	report.Queues, err = agreementBy(list, func(r rated) string { return r.Queue }, func(a *Agreement, key string) { a.Queue = key })
	if err != nil {
		return report, err
	}
	report.TaskClasses, err = agreementBy(list, func(r rated) string { return r.TaskClass }, func(a *Agreement, key string) { a.TaskClass = key })
	if err != nil {
		return report, err
	}
	if report.Pairs, err = pairsOf(list); err != nil {
		return report, err
	}
	return report, s.namePairs(ctx, actor, report.Pairs)
}

// agreementAge is how old the agreement may be that gates ask for.
const agreementAge = time.Minute

// LabelAgreement returns the agreement of the queues of a task class, "" for
// all, over all labels: what gates ask before they rest on labels. It is counted
// at most once a minute.
func (s *Store) LabelAgreement(ctx context.Context, taskClass string) ([]Agreement, error) {
	var list []Agreement
	err := s.agreed.use(ctx, agreementAge, false, func(ctx context.Context) ([]Agreement, error) {
		labels, err := s.rated(ctx, AgreementFilter{})
		if err != nil {
			return nil, err
		}
		return agreementBy(labels, func(r rated) string { return r.Queue }, func(a *Agreement, key string) { a.Queue = key })
	}, func(all *[]Agreement) {
		for _, a := range *all {
			if taskClass == "" || a.TaskClass == taskClass {
				list = append(list, a)
			}
		}
	})
	return list, err
}

func agreementBy(list []rated, key func(rated) string, name func(*Agreement, string)) ([]Agreement, error) {
	groups := map[string][]rated{}
	for _, r := range list {
		groups[key(r)] = append(groups[key(r)], r)
	}
	var all []Agreement
	for group, labels := range groups {
		a, err := agreementOf(labels, alphaReplicates)
		if err != nil {
			return nil, fmt.Errorf("agreement of %s: %w", group, err)
		}
		a.TaskClass = labels[0].TaskClass
		name(&a, group)
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b Agreement) int { return cmp.Compare(a.Queue+a.TaskClass, b.Queue+b.TaskClass) })
	return all, nil
}

// ratingsOf turns labels into classes. cannot_tell is missing data.
func ratingsOf(labels []rated) []stats.Rating {
	var ratings []stats.Rating
	for _, l := range labels {
		if class := slices.Index(Truths, l.Label); class >= 0 {
			ratings = append(ratings, stats.Rating{Item: l.ItemID, Labeler: l.LabelerID, Class: class})
		}
	}
	return ratings
}

// agreementOf computes every coefficient of some labels.
func agreementOf(labels []rated, replicates int) (Agreement, error) {
	ratings := ratingsOf(labels)
	counted, err := stats.Agree(ratings, len(Truths))
	if err != nil {
		return Agreement{}, err
	}
	a := Agreement{Items: counted.Items, Labels: counted.Values, Coincidence: counted.Coincidence}
	labelers := map[int64]bool{}
	for _, r := range ratings {
		labelers[r.Labeler] = true
	}
	a.Labelers = len(labelers)
	if a.Nominal, err = stats.EstimateAlpha(ratings, len(Truths), stats.Nominal, replicates, alphaSeed, alphaLevel); err != nil {
		return a, err
	}
	if a.Ordinal, err = stats.EstimateAlpha(ratings, len(Truths), stats.Ordinal, replicates, alphaSeed, alphaLevel); err != nil {
		return a, err
	}
	a.Percent, a.AC1 = defined(counted.Percent()), defined(counted.AC1())
	return a, a.fleiss(ratings)
}

func defined(value float64, ok bool) *float64 {
	if !ok {
		return nil
	}
	return &value
}

// fleiss needs the same number of labels on every item: those with as many as
// most have are taken.
func (a *Agreement) fleiss(ratings []stats.Rating) error {
	items, err := stats.CountsPerItem(ratings, len(Truths))
	if err != nil {
		return err
	}
	bySize := map[int][][]int{}
	for _, counts := range items {
		n := 0
		for _, c := range counts {
			n += c
		}
		if n >= 2 {
			bySize[n] = append(bySize[n], counts)
		}
	}
	var most [][]int
	for size := 2; size <= 99; size++ {
		if len(bySize[size]) > len(most) {
			most = bySize[size]
		}
	}
	kappa, err := stats.Fleiss(most)
	if err != nil || !kappa.Defined {
		return err
	}
	a.Fleiss, a.FleissOf = &kappa.Value, len(most)
	return nil
}

// pair is two labelers, the smaller id first.
type pair struct{ one, other int64 }

// pairsOf computes the agreement of each two labelers who share items, those
// who share most first.
func pairsOf(list []rated) ([]PairAgreement, error) {
	byItem := map[int64][]rated{}
	for _, r := range list {
		if r.Label != "cannot_tell" {
			byItem[r.ItemID] = append(byItem[r.ItemID], r)
		}
	}
	shared := map[pair][]rated{}
	for _, labels := range byItem {
		for i, a := range labels {
			for _, b := range labels[i+1:] {
				key := pair{min(a.LabelerID, b.LabelerID), max(a.LabelerID, b.LabelerID)}
				shared[key] = append(shared[key], a, b)
			}
		}
	}
	keys := make([]pair, 0, len(shared))
	for key := range shared {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b pair) int {
		return cmp.Or(cmp.Compare(len(shared[b]), len(shared[a])), cmp.Compare(a.one, b.one), cmp.Compare(a.other, b.other))
	})
	var pairs []PairAgreement
	for _, key := range keys[:min(len(keys), shownPairs)] {
		p, err := pairOf(key, shared[key])
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, p)
	}
	return pairs, nil
}

func pairOf(key pair, labels []rated) (PairAgreement, error) {
	p := PairAgreement{One: key.one, Other: key.other}
	// Their order came out of a map; the interval must not depend on it.
	slices.SortFunc(labels, func(a, b rated) int {
		return cmp.Or(cmp.Compare(a.ItemID, b.ItemID), cmp.Compare(a.LabelerID, b.LabelerID))
	})
	var err error
	if p.Agreement, err = agreementOf(labels, alphaReplicates/4); err != nil {
		return p, err
	}
	if p.Table, err = stats.CrossTable(ratingsOf(labels), len(Truths), key.one, key.other); err != nil {
		return p, err
	}
	p.Cohen, err = stats.Cohen(p.Table, stats.Unweighted)
	return p, err
}

func (s *Store) namePairs(ctx context.Context, actor auth.Actor, pairs []PairAgreement) error {
	var ids []int64
	for _, p := range pairs {
		ids = append(ids, p.One, p.Other)
	}
	rows, _ := s.DB.Query(ctx, `
		SELECT w.id, CASE WHEN $2 THEN coalesce(p.name, w.import_name, w.pseudonym) ELSE coalesce(w.import_name, w.pseudonym) END
		FROM labelers w LEFT JOIN people p ON p.id = w.person_id
		WHERE w.id = ANY($1)`, ids, actor.May(auth.Adjudicate))
	names := map[int64]string{}
	var id int64
	var name string
	_, err := pgx.ForEachRow(rows, []any{&id, &name}, func() error { names[id] = name; return nil })
	if err != nil {
		return fmt.Errorf("names of labelers: %w", err)
	}
	for i := range pairs {
		pairs[i].OneName, pairs[i].OtherName = names[pairs[i].One], names[pairs[i].Other]
	}
	return nil
}
