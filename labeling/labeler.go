package labeling

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/stats"
)

// recentLabels is how many labels of each labeler the signals look at.
const recentLabels = 500

// Labeler is one person's work, and what gold and signals say of it.
type Labeler struct {
	ID        int64
	PersonID  int64  // 0 for the author of imported labels
	Name      string // the pseudonym for whoever may not know the name
	Labels    int64  // that stand, in all; gold is not among them
	Week      int64  // of them, in the last seven days
	Median    time.Duration
	Last      time.Time
	Gold      Confusion
	Judgement Judgement
	Standing  Standing // as people decided and gold says
	Signals   Signals
	Suspended *time.Time
}

// LabelerReport is a labeler with everything their page shows.
type LabelerReport struct {
	Labeler
	Own       bool // the actor's
	Given     [4]int64
	Drift     []Drift // weeks, oldest first
	Decisions []StandingDecision
	// Exclusions are the versions of which of their labels count, newest first;
	// LeftOut is how many do not.
	Exclusions []Exclusion
	LeftOut    int64
	// Agreed of Shared: items another person labeled too, with the same label.
	Agreed, Shared int64
}

// Drift is a labeler's week.
type Drift struct {
	Week         time.Time // its Monday, UTC
	Labels       int64
	Hallucinated stats.Interval // share of their labels
	Share        float64
	GoldRight    int
	Gold         int
	Accuracy     stats.Interval
	Median       time.Duration
}

// Labelers lists who labels, those whom signals accuse first. A reviewer knows
// their names; others who may see measures know them by pseudonym.
func (s *Store) Labelers(ctx context.Context, actor auth.Actor) ([]Labeler, error) {
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return nil, err
	}
	list, err := s.labelerRows(ctx, 0)
	if err != nil {
		return nil, err
	}
	if err := s.watch(ctx, list, 0); err != nil {
		return nil, err
	}
	for i := range list {
		if !actor.May(auth.Adjudicate) && list[i].PersonID != 0 {
			list[i].Name = list[i].pseudonym
		}
	}
	out := make([]Labeler, len(list))
	for i, l := range list {
		out[i] = l.Labeler
	}
	slices.SortStableFunc(out, func(a, b Labeler) int {
		return cmp.Or(cmp.Compare(a.urgency(), b.urgency()), cmp.Compare(b.Week, a.Week), cmp.Compare(b.Labels, a.Labels), cmp.Compare(a.Name, b.Name))
	})
	return out, nil
}

func (l Labeler) urgency() int {
	switch {
	case l.Standing == Proposed:
		return 0
	case len(l.Signals.Flags) > 0:
		return 1
	case l.Standing == Probation:
		return 2
	}
	return 3
}

// Labeler returns a labeler's report: to themselves, to reviewers by name, to
// others who may see measures by pseudonym. 0 is the actor's own.
func (s *Store) Labeler(ctx context.Context, actor auth.Actor, id int64) (LabelerReport, error) {
	own := int64(0)
	if actor.May(auth.SeeOwnWork) {
		var err error
		if own, err = s.LabelerOf(ctx, actor); err != nil {
			return LabelerReport{}, err
		}
	}
	if id == 0 {
		id = own
	}
	if id == 0 || id != own {
		if err := actor.Require(auth.SeeMeasures); err != nil {
			return LabelerReport{}, err
		}
	}
	report, err := s.report(ctx, id)
	if err != nil {
		return LabelerReport{}, err
	}
	report.Own = id == own
	if !report.Own && !actor.May(auth.Adjudicate) && report.PersonID != 0 {
		report.Name = report.pseudonym
	}
	if report.Own && !actor.May(auth.Adjudicate) {
		report.hideToday()
	}
	return report.LabelerReport, nil
}

// hideToday keeps the last, unfinished week of gold from a labeler: seeing a
// figure move after a label, or stand still, would tell which item was gold.
func (r *labelerReport) hideToday() {
	r.Labels, r.Week = r.all, r.allWeek
	r.Gold, r.Judgement, r.Standing = r.settledGold, r.settled, r.settledStanding()
	r.Signals = Signals{Labels: r.Signals.Labels, Timed: r.Signals.Timed, TooFast: r.Signals.TooFast, LongestRun: r.Signals.LongestRun, Entropy: r.Signals.Entropy}
	for i := range r.Drift {
		if r.Drift[i].Week.Equal(weekOf(r.now)) {
			r.Drift[i].Gold, r.Drift[i].GoldRight, r.Drift[i].Accuracy = 0, 0, stats.Interval{}
		}
	}
}

func (r *labelerReport) settledStanding() Standing {
	if r.Suspended != nil {
		return Suspended
	}
	if r.settled.Standing == Proposed { // between reviewers, until one has decided
		return Unproven
	}
	return r.settled.Standing
}

// labelerRow is a labeler with what is not everybody's to see.
type labelerRow struct {
	Labeler
	pseudonym string
	given     int64 // labels, those of gold among them
	givenWeek int64
	kept      int        // gold answers when a person last looked and kept them
	keptAt    *time.Time // when that was
	watched   bool       // signals bring them more gold
}

// labelerReport is a report with what is not everybody's to see.
type labelerReport struct {
	LabelerReport
	pseudonym   string
	all         int64 // labels, those of gold among them
	allWeek     int64
	now         time.Time
	settledGold Confusion // of days that are over
	settled     Judgement
}

// labelerRows reads the labelers with their volume; one of them for an id.
func (s *Store) labelerRows(ctx context.Context, id int64) ([]labelerRow, error) {
	rows, _ := s.DB.Query(ctx, `
		WITH standing AS (
			SELECT DISTINCT ON (labeler_id, item_id) labeler_id, label, labeled_at, purpose = 'count' AS counts
			FROM labels
			WHERE $1 = 0 OR labeler_id = $1
			ORDER BY labeler_id, item_id, revision DESC
		), volume AS (
			SELECT labeler_id, count(label) FILTER (WHERE counts) AS labels,
			       count(label) FILTER (WHERE counts AND labeled_at > now() - interval '7 days') AS week,
			       count(label) AS given, count(label) FILTER (WHERE labeled_at > now() - interval '7 days') AS given_week,
			       max(labeled_at) AS last
			FROM standing
			GROUP BY labeler_id
		)
		SELECT w.id, coalesce(w.person_id, 0), coalesce(p.name, w.import_name, w.pseudonym), w.pseudonym, w.suspended_at,
		       coalesce(v.labels, 0), coalesce(v.week, 0), coalesce(v.given, 0), coalesce(v.given_week, 0), coalesce(v.last, w.created_at),
		       coalesce((SELECT CASE WHEN d.decision = 'suspend' THEN 0 ELSE d.gold END FROM standing_decisions d WHERE d.labeler_id = w.id ORDER BY d.id DESC LIMIT 1), 0),
		       (SELECT CASE WHEN d.decision = 'keep' THEN d.decided_at END FROM standing_decisions d WHERE d.labeler_id = w.id ORDER BY d.id DESC LIMIT 1),
		       w.watched
		FROM labelers w
		LEFT JOIN volume v ON v.labeler_id = w.id
		LEFT JOIN people p ON p.id = w.person_id
		WHERE ($1 = 0 AND v.labels > 0) OR w.id = $1
		ORDER BY w.id
		LIMIT 2000`, id)
	var list []labelerRow
	var l labelerRow
	_, err := pgx.ForEachRow(rows, []any{&l.ID, &l.PersonID, &l.Name, &l.pseudonym, &l.Suspended, &l.Labels, &l.Week, &l.given, &l.givenWeek, &l.Last, &l.kept, &l.keptAt, &l.watched}, func() error {
		list = append(list, l)
		l.Suspended, l.keptAt = nil, nil
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("labelers: %w", err)
	}
	return list, nil
}

// recent is a label as the signals see it.
type recent struct {
	LabelerID     int64
	Label         string
	Seconds       float64
	Words         int
	TaskClass     string
	PriorityClass PriorityClass
	LabeledAt     time.Time
	Counted       bool
}

// watch fills in what gold and signals say of the labelers. The usual pace is
// that of everybody in the same task class and length of text.
func (s *Store) watch(ctx context.Context, list []labelerRow, only int64) error {
	answers, err := goldAnswers(ctx, s.DB, only)
	if err != nil {
		return err
	}
	labels, err := s.recent(ctx)
	if err != nil {
		return err
	}
	paces, err := pacesOf(labels)
	if err != nil {
		return err
	}
	w := watching{paces, countAnswers(labels)}
	byLabeler := map[int64][]recent{}
	for _, l := range labels {
		byLabeler[l.LabelerID] = append(byLabeler[l.LabelerID], l)
	}
	for i := range list {
		var gold []goldAnswer
		for _, a := range answers {
			if a.LabelerID == list[i].ID {
				gold = append(gold, a)
				list[i].Gold.Add(a.Truth, a.Said)
			}
		}
		if err := list[i].judge(byLabeler[list[i].ID], gold, w); err != nil {
			return fmt.Errorf("labeler %d: %w", list[i].ID, err)
		}
	}
	return nil
}

// watching is what a labeler's work is held against: the usual pace, and what
// everybody answered.
type watching struct {
	paces map[paceKey]stats.Pace
	cells map[likeness]*answerCounts
}

func (w watching) signals(labels []recent, gold []goldAnswer) (Signals, error) {
	var answers []Answered
	for _, r := range labels {
		answers = append(answers, Answered{Label: r.Label, Seconds: r.Seconds, Words: r.Words, Pace: w.paces[r.key()]})
	}
	var confusion Confusion
	for _, a := range gold {
		confusion.Add(a.Truth, a.Said)
	}
	changes, err := changesOf(labels, w.cells, gold)
	if err != nil {
		return Signals{}, err
	}
	return Watch(answers, confusion, changes)
}

// judge says what is unusual in all a labeler's recent work. Where a reviewer
// has looked and kept them, only what came since accuses them.
func (l *labelerRow) judge(labels []recent, gold []goldAnswer, w watching) error {
	var seconds []float64
	for _, r := range labels {
		if r.Seconds > 0 {
			seconds = append(seconds, r.Seconds)
		}
	}
	l.Median = medianOf(seconds)
	var err error
	if l.Signals, err = w.signals(labels, gold); err != nil {
		return err
	}
	if l.keptAt != nil {
		since, err := w.signals(
			slices.DeleteFunc(slices.Clone(labels), func(r recent) bool { return r.LabeledAt.Before(*l.keptAt) }),
			slices.DeleteFunc(slices.Clone(gold), func(a goldAnswer) bool { return a.LabeledAt.Before(*l.keptAt) }))
		if err != nil {
			return err
		}
		l.Signals.Flags, l.Signals.Changes = since.Flags, since.Changes
	}
	if l.Judgement, err = Judge(l.Gold); err != nil {
		return err
	}
	l.Standing = l.standing()
	return nil
}

// looksAgain is how many gold answers more bring a proposal back after a
// person has looked and kept the labeler.
const looksAgain = 10

func (l *labelerRow) standing() Standing {
	_, n := l.Gold.All()
	switch {
	case l.Suspended != nil:
		return Suspended
	case l.Judgement.Standing == Proposed && l.kept > 0 && n < l.kept+looksAgain:
		return Probation
	case l.Judgement.Standing != Proposed && len(l.Signals.Flags) > 0: // signals lower trust
		return Probation
	}
	return l.Judgement.Standing
}

// recent reads the last labels of every labeler, oldest first. A word is
// counted as six characters.
func (s *Store) recent(ctx context.Context) ([]recent, error) {
	rows, _ := s.DB.Query(ctx, `
		SELECT w.id AS labeler_id, l.label, coalesce(l.elapsed_ms, 0) / 1000.0::float8 AS seconds,
		       char_length(coalesce(i.snapshot->>'response', '')) / 6 AS words, i.task_class, i.priority_class, l.labeled_at, l.purpose = 'count' AS counted
		FROM labelers w
		CROSS JOIN LATERAL (
			SELECT * FROM labels WHERE labeler_id = w.id AND label IS NOT NULL ORDER BY id DESC LIMIT $1
		) AS l
		JOIN items i ON i.id = l.item_id
		ORDER BY w.id, l.id`, recentLabels)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[recent])
	if err != nil {
		return nil, fmt.Errorf("recent labels: %w", err)
	}
	return list, nil
}

// paceKey is within what a time is usual or not: the task class and the length
// of the text in doublings.
type paceKey struct {
	taskClass string
	length    int
}

func (r recent) key() paceKey {
	length := 0
	for n := r.Words; n > 0; n >>= 1 {
		length++
	}
	return paceKey{r.TaskClass, length}
}

func pacesOf(labels []recent) (map[paceKey]stats.Pace, error) {
	seconds := map[paceKey][]float64{}
	for _, l := range labels {
		if l.Seconds > 0 {
			seconds[l.key()] = append(seconds[l.key()], l.Seconds)
		}
	}
	paces := map[paceKey]stats.Pace{}
	for key, list := range seconds {
		if len(list) < leastTimed {
			continue
		}
		pace, ok, err := stats.TypicalPace(list)
		if err != nil {
			return nil, err
		}
		if ok {
			paces[key] = pace
		}
	}
	return paces, nil
}

func medianOf(seconds []float64) time.Duration {
	if len(seconds) == 0 {
		return 0
	}
	slices.Sort(seconds)
	return time.Duration(seconds[len(seconds)/2] * float64(time.Second))
}

// report brings together everything about one labeler.
func (s *Store) report(ctx context.Context, id int64) (labelerReport, error) {
	list, err := s.labelerRows(ctx, id)
	if err != nil {
		return labelerReport{}, err
	}
	if len(list) == 0 {
		return labelerReport{}, fmt.Errorf("labeler %d: %w", id, fault.NotFound)
	}
	if err := s.watch(ctx, list, id); err != nil {
		return labelerReport{}, err
	}
	r := labelerReport{LabelerReport: LabelerReport{Labeler: list[0].Labeler}, pseudonym: list[0].pseudonym, all: list[0].given, allWeek: list[0].givenWeek, now: time.Now().UTC()}
	if r.Decisions, err = s.decisionsAbout(ctx, id); err != nil {
		return r, err
	}
	if r.Exclusions, err = s.exclusionsOf(ctx, id); err != nil {
		return r, err
	}
	if len(r.Exclusions) > 0 && r.Exclusions[0].Excluded {
		r.LeftOut = r.Exclusions[0].Labels
	}
	if err := s.drift(ctx, &r); err != nil {
		return r, err
	}
	return r, s.shared(ctx, &r)
}

// weekOf is the Monday of a time's week, UTC.
func weekOf(at time.Time) time.Time {
	day := frameDay(at)
	return day.AddDate(0, 0, -(int(day.Weekday())+6)%7)
}

// driftWeeks is how far a labeler's page looks back.
const driftWeeks = 12

// drift fills in the weeks: what they labeled, how fast, and how often gold
// was right.
func (s *Store) drift(ctx context.Context, r *labelerReport) error {
	first := weekOf(r.now).AddDate(0, 0, -7*(driftWeeks-1))
	rows, _ := s.DB.Query(ctx, `
		SELECT label, labeled_at, elapsed FROM (
			SELECT DISTINCT ON (item_id) coalesce(label, '') AS label, labeled_at, coalesce(elapsed_ms, 0) / 1000.0::float8 AS elapsed
			FROM labels
			WHERE labeler_id = $1 AND purpose = 'count' AND labeled_at >= $2
			ORDER BY item_id, revision DESC
		) AS latest
		WHERE label <> ''`, r.ID, first)
	weeks := map[time.Time]*Drift{}
	week := func(at time.Time) *Drift {
		monday := weekOf(at)
		if weeks[monday] == nil {
			weeks[monday] = &Drift{Week: monday}
		}
		return weeks[monday]
	}
	bad, seconds := map[time.Time]int{}, map[time.Time][]float64{}
	var label string
	var at time.Time
	var elapsed float64
	_, err := pgx.ForEachRow(rows, []any{&label, &at, &elapsed}, func() error {
		w := week(at)
		w.Labels++
		if place := slices.Index(Labels, label); place >= 0 {
			r.Given[place]++
		}
		if label == "hallucinated" {
			bad[w.Week]++
		}
		if elapsed > 0 {
			seconds[w.Week] = append(seconds[w.Week], elapsed)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("weeks of labeler %d: %w", r.ID, err)
	}
	answers, err := goldAnswers(ctx, s.DB, r.ID)
	if err != nil {
		return err
	}
	for _, a := range answers {
		if a.LabeledAt.Before(frameDay(r.now)) {
			r.settledGold.Add(a.Truth, a.Said)
		}
		if a.LabeledAt.Before(first) {
			continue
		}
		w := week(a.LabeledAt)
		w.Gold++
		if a.Said == a.Truth {
			w.GoldRight++
		}
	}
	if r.settled, err = Judge(r.settledGold); err != nil {
		return err
	}
	for monday, w := range weeks {
		if err := w.measure(bad[monday], seconds[monday]); err != nil {
			return err
		}
		r.Drift = append(r.Drift, *w)
	}
	slices.SortFunc(r.Drift, func(a, b Drift) int { return a.Week.Compare(b.Week) })
	return nil
}

func (w *Drift) measure(bad int, seconds []float64) (err error) {
	w.Median = medianOf(seconds)
	if w.Labels > 0 {
		w.Share = float64(bad) / float64(w.Labels)
		if w.Hallucinated, err = stats.Wilson(bad, int(w.Labels), .95); err != nil {
			return err
		}
	}
	if w.Gold > 0 {
		w.Accuracy, err = stats.Wilson(w.GoldRight, w.Gold, .95)
	}
	return err
}

// shared counts the items that somebody else labeled too.
func (s *Store) shared(ctx context.Context, r *labelerReport) error {
	err := s.DB.QueryRow(ctx, `
		WITH latest AS (
			SELECT DISTINCT ON (l.item_id, l.labeler_id) l.item_id, l.labeler_id, l.label
			FROM labels l
			WHERE l.purpose = 'count' AND l.item_id IN (SELECT item_id FROM labels WHERE labeler_id = $1 AND purpose = 'count')
			ORDER BY l.item_id, l.labeler_id, l.revision DESC
		)
		SELECT count(*) FILTER (WHERE mine.label = other.label), count(*)
		FROM latest mine JOIN latest other ON other.item_id = mine.item_id AND other.labeler_id <> mine.labeler_id
		WHERE mine.labeler_id = $1 AND mine.label IS NOT NULL AND other.label IS NOT NULL`, r.ID).Scan(&r.Agreed, &r.Shared)
	if err != nil {
		return fmt.Errorf("labels beside those of labeler %d: %w", r.ID, err)
	}
	return nil
}
