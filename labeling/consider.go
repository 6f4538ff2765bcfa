package labeling

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/postgres"
	"assay/internal/stats"
	"assay/telemetry"
)

// Filled says what considering a number of responses did.
type Filled struct {
	Considered int // candidates looked at
	Decided    int // new decisions; the others had theirs and nothing changed
	Added      int // new items
	Flagged    int // items that got a further flag or a graver class
	LeftOut    int // readable, beyond the cap of their class and day
	Unread     int // without text that may be read
}

// considerLock keeps two fillers from deciding over one another's caps.
const considerLock = 0x636f6e73 // "cons"

// Consider decides for each candidate whether people are to read it, stores
// the decision with its probability's ingredients, and puts the selected into
// their queues with a snapshot. Considering a response again changes nothing
// unless it has a further flag, a graver class or text that it had not; then
// there is a new decision, and the item that is there gets the flag.
func (s *Store) Consider(ctx context.Context, actor auth.Actor, candidates []telemetry.Candidate) (Filled, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return Filled{}, err
	}
	return s.consider(ctx, actor, candidates, false)
}

// consider with anew gives what was left out another chance under today's rules.
func (s *Store) consider(ctx context.Context, actor auth.Actor, candidates []telemetry.Candidate, anew bool) (Filled, error) {
	if len(candidates) == 0 {
		return Filled{}, nil
	}
	var filled Filled
	err := postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, considerLock); err != nil {
			return err
		}
		c := &consideration{s: s, tx: tx, actor: actor, queues: map[string]*filling{}, anew: anew}
		var err error
		filled, err = c.run(ctx, candidates)
		return err
	})
	if err != nil {
		return Filled{}, fmt.Errorf("consider %d responses: %w", len(candidates), err)
	}
	return filled, nil
}

// consideration is one run of Consider in its transaction.
type consideration struct {
	s      *Store
	tx     pgx.Tx
	actor  auth.Actor
	saltID string
	salt   string
	queues map[string]*filling   // by task class
	others map[string][]*filling // discovery queues by task class
	filled Filled
	anew   bool             // a rule is applied to what was decided before it
	asked  map[int64][]Rule // by queue id: rules to decide by instead of those in force
}

// filling is a queue with its rule and the places its caps leave.
type filling struct {
	queue  Queue
	rule   Rule                   // of the rest
	rules  []Rule                 // in force, in the order in which they are asked, the rest last
	raises raises                 // what its caps and shares are taken times, by day
	taken  map[frameKey][]float64 // the selected u of a capped stratum and day, smallest first
	added  int
	did    map[int64]*doing // by rule id
	doubts doubts           // what labels said, where items are served by their size
}

// doing counts what one rule did.
type doing struct{ decided, added, leftOut, unread int }

func (f *filling) doing(rule int64) *doing {
	if f.did == nil {
		f.did = map[int64]*doing{}
	}
	if f.did[rule] == nil {
		f.did[rule] = &doing{}
	}
	return f.did[rule]
}

type frameKey struct {
	class PriorityClass
	day   time.Time
	part  string
}

// decision is a row of sampling_decisions, and what of it lies in the queue.
type decision struct {
	ID            int64
	QueueID       int64
	EventID       uuid.UUID
	PriorityClass PriorityClass
	Part          string
	Design        string
	SaltID        string
	U             float64
	Readable      bool
	Selected      bool
	Reason        string
	ItemID        *int64
	ItemFlags     []ItemFlag
	Removed       bool
}

// ItemFlag is one reason why an item is in its queue.
type ItemFlag struct {
	Reason        string    `json:"reason"`
	At            time.Time `json:"at"`
	Detail        string    `json:"detail,omitempty"`
	SourceEventID uuid.UUID `json:"source_event_id"`
}

// choose decides about each candidate and stores nothing.
func (c *consideration) choose(ctx context.Context, candidates []telemetry.Candidate) ([]choice, error) {
	if err := c.tx.QueryRow(ctx, `SELECT id, salt FROM sampling_salts ORDER BY created_at DESC, id DESC LIMIT 1`).Scan(&c.saltID, &c.salt); err != nil {
		return nil, err
	}
	before, err := c.decidedBefore(ctx, candidates)
	if err != nil {
		return nil, err
	}
	// In the order of u, so that a cap takes the smallest.
	candidates = slices.Clone(candidates)
	u := map[uuid.UUID]float64{}
	for _, candidate := range candidates {
		u[candidate.EventID] = c.number(candidate, before)
	}
	slices.SortStableFunc(candidates, func(a, b telemetry.Candidate) int { return cmp.Compare(u[a.EventID], u[b.EventID]) })

	var chosen []choice
	for _, candidate := range candidates {
		c.filled.Considered++
		f, err := c.fillingOf(ctx, candidate.TaskClass)
		if err != nil {
			return nil, err
		}
		was, known := before[candidate.EventID]
		ch, err := c.decide(ctx, f, candidate, u[candidate.EventID], was, known)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, ch)
	}
	more, err := c.discover(ctx, candidates, u)
	if err != nil {
		return nil, err
	}
	return append(chosen, more...), nil
}

func (c *consideration) run(ctx context.Context, candidates []telemetry.Candidate) (Filled, error) {
	chosen, err := c.choose(ctx, candidates)
	if err != nil {
		return Filled{}, err
	}
	if err := c.store(ctx, chosen); err != nil {
		return Filled{}, err
	}
	return c.filled, c.say(ctx)
}

// decidedBefore returns the newest decision of each candidate.
func (c *consideration) decidedBefore(ctx context.Context, candidates []telemetry.Candidate) (map[uuid.UUID]decision, error) {
	ids := make([]uuid.UUID, len(candidates))
	for i, candidate := range candidates {
		ids[i] = candidate.EventID
	}
	rows, _ := c.tx.Query(ctx, `
		SELECT d.id, d.queue_id, d.event_id, d.priority_class, d.part, d.design, d.salt_id, d.u, d.readable, d.selected, d.reason,
		       i.id AS item_id, coalesce(i.flags, '[]') AS item_flags, i.removed_at IS NOT NULL AS removed
		FROM sampling_decisions d
		JOIN queues q ON q.id = d.queue_id AND q.kind = 'standard'
		LEFT JOIN items i ON i.queue_id = d.queue_id AND i.event_id = d.event_id
		WHERE d.event_id = ANY($1)
		  AND NOT EXISTS (SELECT FROM sampling_decisions later WHERE later.supersedes = d.id)`, ids)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[decision])
	if err != nil {
		return nil, err
	}
	before := make(map[uuid.UUID]decision, len(list))
	for _, d := range list {
		before[d.EventID] = d
	}
	return before, nil
}

// number is the candidate's permanent random number: the one it was first
// decided with, else a new one under today's salt.
func (c *consideration) number(candidate telemetry.Candidate, before map[uuid.UUID]decision) float64 {
	if was, ok := before[candidate.EventID]; ok {
		return was.U
	}
	return stats.HashUniform(c.salt, candidate.EventID.String())
}

func (c *consideration) fillingOf(ctx context.Context, taskClass string) (*filling, error) {
	if f, ok := c.queues[taskClass]; ok {
		return f, nil
	}
	queue, err := ensureQueue(ctx, c.tx, c.actor, taskClass)
	if err != nil {
		return nil, err
	}
	f, err := c.fill(ctx, queue)
	if err == nil {
		c.queues[taskClass] = f
	}
	return f, err
}

func (c *consideration) fill(ctx context.Context, queue Queue) (*filling, error) {
	rules, ok := c.asked[queue.ID]
	if !ok {
		var err error
		if rules, err = rulesOf(ctx, c.tx, queue.ID); err != nil {
			return nil, err
		}
	}
	raises, err := raisesOf(ctx, c.tx, queue.ID)
	if err != nil {
		return nil, err
	}
	f := &filling{queue: queue, rules: rules, raises: raises, taken: map[frameKey][]float64{}}
	if len(rules) > 0 {
		f.rule = rules[len(rules)-1]
	}
	return f, nil
}

// ruleFor is the first rule whose conditions the candidate meets; that of the
// rest has none. Which one it is makes a part of the candidate's stratum.
func (c *consideration) ruleFor(ctx context.Context, f *filling, candidate telemetry.Candidate) (Rule, bool, error) {
	var seen []VerdictSeen
	var err error
	asked := false
	verdicts := func() ([]VerdictSeen, error) {
		if !asked {
			asked = true
			seen, err = c.verdictsOf(ctx, candidate.EventID)
		}
		return seen, err
	}
	for _, rule := range f.rules {
		meets, err := rule.Conditions.meets(candidate, verdicts)
		if err != nil {
			return Rule{}, false, fmt.Errorf("conditions of rule %q: %w", rule.Part, err)
		}
		if meets {
			return rule, true, nil
		}
	}
	return Rule{}, false, nil
}

// choice is what becomes of one candidate.
type choice struct {
	candidate  telemetry.Candidate
	f          *filling
	rule       Rule     // that took it
	decision   decision // the new one when decided, else as it stands
	item       int64    // the item that is there; 0 where there is none
	supersedes *int64
	was        string // why the decision before this was made
	decided    bool
	add        bool
	flags      []ItemFlag // all of the item's
	there      bool       // the item is in the queue already, and changed
}

func (c *consideration) decide(ctx context.Context, f *filling, candidate telemetry.Candidate, u float64, was decision, known bool) (choice, error) {
	rule, _, err := c.ruleFor(ctx, f, candidate)
	if err != nil {
		return choice{}, err
	}
	ch := choice{candidate: candidate, f: f, rule: rule, was: was.Reason}
	d := decision{
		QueueID: f.queue.ID, EventID: candidate.EventID, PriorityClass: candidate.PriorityClass, Part: rule.Part,
		Design: "bottom_k", SaltID: c.saltID, U: u, Readable: candidate.HasText,
	}
	if known {
		d.QueueID, d.SaltID, d.Design = was.QueueID, was.SaltID, was.Design
		// A class is never taken back, nor text that was there once: what a
		// person could read counts as readable in its frame.
		d.PriorityClass = graver(was.PriorityClass, candidate.PriorityClass)
		d.Readable = was.Readable || candidate.HasText
		ch.supersedes = &was.ID
		ch.flags = mergeFlags(was.ItemFlags, flagsOf(candidate.Flags))
	} else {
		ch.flags = flagsOf(candidate.Flags)
	}
	if known && was.Design == "census" { // what was imported stands for itself, whatever a rule says
		d.Part = was.Part
	}
	ch.decided = !known || d.PriorityClass != was.PriorityClass || d.Readable != was.Readable || d.Part != was.Part
	// A rule with more room takes what was left out, where a person asked that
	// it look back.
	leftOut := !ch.decided && c.anew && was.Reason == "cap"
	if known && was.ItemID != nil {
		ch.item, ch.there = *was.ItemID, ch.decided || len(ch.flags) > len(was.ItemFlags)
	}
	ch.decision = d
	if !ch.decided && !leftOut {
		return ch, nil
	}
	if err := c.selectFor(ctx, ch, &d, was); err != nil {
		return choice{}, err
	}
	if leftOut && !d.Selected {
		return ch, nil
	}
	ch.decision, ch.decided = d, true
	ch.add = d.Selected && (!known || was.ItemID == nil)
	if ch.add && len(ch.flags) == 0 {
		ch.flags = []ItemFlag{{Reason: string(telemetry.Random), At: candidate.ReceivedAt, SourceEventID: candidate.EventID}}
	}
	return ch, nil
}

// selectFor fills in whether the response is to be read and why.
func (c *consideration) selectFor(ctx context.Context, ch choice, d *decision, was decision) error {
	f, candidate, did := ch.f, ch.candidate, ch.f.doing(ch.rule.ID)
	did.decided++
	switch {
	case was.Removed:
		d.Reason = "removed"
	case !d.Readable && candidate.Consent.AllowsText():
		d.Reason = "not_kept"
		c.filled.Unread++
		did.unread++
	case !d.Readable:
		d.Reason = "no_text"
		c.filled.Unread++
		did.unread++
	case was.ItemID != nil: // it lies in the queue already and stays, in its new class
		d.Selected, d.Reason = true, cmp.Or(map[string]string{"census": "import"}[d.Design], "selected")
		return c.occupy(ctx, f, ch.rule, d, candidate)
	default:
		free, err := c.place(ctx, f, ch.rule, d, candidate)
		if err != nil {
			return err
		}
		d.Selected, d.Reason = free, "selected"
		if !free {
			d.Reason = "cap"
			c.filled.LeftOut++
			did.leftOut++
		}
	}
	return nil
}

// place reports whether the rule draws u, and its cap of the class and day
// leaves a place for it, and takes it: a smaller u always finds one, so that the selected are the ones
// with the smallest u whenever they arrived. Those it overtakes stay in the
// queue, behind it.
func (c *consideration) place(ctx context.Context, f *filling, rule Rule, d *decision, candidate telemetry.Candidate) (bool, error) {
	rule = rule.raised(f.raises.on(frameDay(candidate.EffectiveTime)))
	if d.U >= rule.drawn() {
		return false, nil
	}
	limit, capped := rule.Cap(d.PriorityClass)
	if !capped {
		return true, nil
	}
	taken, err := c.takenIn(ctx, f, *d, candidate, limit)
	if err != nil {
		return false, err
	}
	if len(taken) >= limit && (limit == 0 || d.U >= taken[limit-1]) {
		return false, nil
	}
	return true, c.takePlace(ctx, f, d, candidate, limit)
}

func (c *consideration) takenIn(ctx context.Context, f *filling, d decision, candidate telemetry.Candidate, limit int) ([]float64, error) {
	key := frameKey{d.PriorityClass, frameDay(candidate.EffectiveTime), d.Part}
	if taken, ok := f.taken[key]; ok {
		return taken, nil
	}
	rows, _ := c.tx.Query(ctx, `
		SELECT u FROM items
		WHERE queue_id = $1 AND frame_day = $2 AND priority_class = $3 AND part = $5 AND design = $6
		ORDER BY u
		LIMIT $4`, f.queue.ID, key.day, d.PriorityClass, limit, d.Part, d.Design)
	taken, err := pgx.CollectRows(rows, pgx.RowTo[float64])
	f.taken[key] = taken
	return taken, err
}

// occupy takes the place of an item that came into its class or part otherwise.
func (c *consideration) occupy(ctx context.Context, f *filling, rule Rule, d *decision, candidate telemetry.Candidate) error {
	limit, capped := rule.raised(f.raises.on(frameDay(candidate.EffectiveTime))).Cap(d.PriorityClass)
	if !capped || d.Design == "census" {
		return nil
	}
	return c.takePlace(ctx, f, d, candidate, limit)
}

func (c *consideration) takePlace(ctx context.Context, f *filling, d *decision, candidate telemetry.Candidate, limit int) error {
	taken, err := c.takenIn(ctx, f, *d, candidate, limit)
	if err != nil {
		return err
	}
	at, _ := slices.BinarySearch(taken, d.U)
	f.taken[frameKey{d.PriorityClass, frameDay(candidate.EffectiveTime), d.Part}] = slices.Insert(taken, at, d.U)
	return nil
}

func flagsOf(flags []telemetry.Flag) []ItemFlag {
	list := make([]ItemFlag, len(flags))
	for i, f := range flags {
		list[i] = ItemFlag{Reason: string(f.Reason), At: f.At, Detail: f.Detail, SourceEventID: f.SourceEventID}
	}
	return list
}

// mergeFlags adds what is new; a flag is the same when its reason and source
// are, whatever became of its detail.
func mergeFlags(old, found []ItemFlag) []ItemFlag {
	merged := slices.Clone(old)
	for _, flag := range found {
		same := func(o ItemFlag) bool {
			return o.Reason == flag.Reason && o.SourceEventID == flag.SourceEventID && o.Detail == flag.Detail
		}
		if !slices.ContainsFunc(merged, same) {
			merged = append(merged, flag)
		}
	}
	return merged
}

func reasonsIn(flags []ItemFlag) []string {
	reasons := []string{}
	for _, f := range flags {
		if !slices.Contains(reasons, f.Reason) {
			reasons = append(reasons, f.Reason)
		}
	}
	return reasons
}

// store writes decisions, new items and further flags: those in the order of
// the items, as whoever acts on many of them takes their locks.
func (c *consideration) store(ctx context.Context, chosen []choice) error {
	batch := &pgx.Batch{}
	var add, there []choice
	for _, ch := range chosen {
		if ch.decided {
			c.filled.Decided++
			queueDecision(batch, ch)
		}
		switch {
		case ch.add:
			add = append(add, ch)
		case ch.there:
			c.filled.Flagged++
			there = append(there, ch)
		}
	}
	slices.SortFunc(there, func(a, b choice) int { return cmp.Compare(a.item, b.item) })
	for _, ch := range there {
		queueFlags(batch, ch)
	}
	if err := c.tx.SendBatch(ctx, batch).Close(); err != nil {
		return err
	}
	return c.addItems(ctx, add)
}

func queueDecision(batch *pgx.Batch, ch choice) {
	d, candidate := ch.decision, ch.candidate
	batch.Queue(`
		INSERT INTO sampling_decisions (queue_id, event_id, event_time, frame_day, task_class, priority_class, model_version,
		                                design, salt_id, u, rule_id, keep, readable, selected, reason, supersedes, part)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`,
		d.QueueID, d.EventID, candidate.EffectiveTime, frameDay(candidate.EffectiveTime), candidate.TaskClass, d.PriorityClass,
		candidate.ModelVersion, d.Design, d.SaltID, d.U, ch.rule.ID, keepOf(candidate), d.Readable, d.Selected, d.Reason, ch.supersedes, d.Part)
}

// keepOf is the probability with which the text was kept; a text that is there
// had some.
func keepOf(candidate telemetry.Candidate) float64 {
	if candidate.KeepProbability > 0 && candidate.KeepProbability <= 1 {
		return candidate.KeepProbability
	}
	return 1
}

// queueFlags brings the item that is there up to date. Its u moves in queues
// served by size alone, where it is the place and measures nothing.
func queueFlags(batch *pgx.Batch, ch choice) {
	batch.Queue(`
		UPDATE items
		SET flags = $2, reasons = $3, priority_class = $4, part = $5,
		    u = CASE WHEN design = 'discovery' AND taken = 0 AND passed_over = 0 THEN $6 ELSE u END
		WHERE id = $1`, ch.item, ch.flags, reasonsIn(ch.flags), ch.decision.PriorityClass, ch.decision.Part, ch.decision.U)
}

// addItems snapshots the selected responses and puts them into their queues.
// One whose text vanished between flagging and now is left for the next run.
func (c *consideration) addItems(ctx context.Context, add []choice) error {
	snapshots, err := c.s.snapshots(ctx, c.actor, eventsOf(add))
	if err != nil {
		return err
	}
	batch := &pgx.Batch{}
	for _, ch := range add {
		snapshot, ok := snapshots[ch.candidate.EventID]
		if !ok {
			return fmt.Errorf("snapshot of %s: the telemetry store flags it and does not have it", ch.candidate.EventID)
		}
		text, err := json.Marshal(snapshot)
		if err != nil {
			return err
		}
		candidate, d := ch.candidate, ch.decision
		batch.Queue(`
			INSERT INTO items (queue_id, event_id, session_id, task_class, model_version, prompt_template_id, evidence_version,
			                   event_time, frame_day, priority_class, design, salt_id, u, rule_id, keep, overlap, impact,
			                   flags, reasons, title, snapshot, wanted, second_drawn, part, language)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25)
			ON CONFLICT (queue_id, event_id) DO NOTHING`,
			d.QueueID, d.EventID, candidate.SessionID, candidate.TaskClass, candidate.ModelVersion, candidate.PromptTemplateID, candidate.EvidenceVersion,
			candidate.EffectiveTime, frameDay(candidate.EffectiveTime), d.PriorityClass, d.Design, d.SaltID, d.U, ch.rule.ID,
			keepOf(candidate), ch.f.queue.OverlapShare, min(5, max(1, candidate.Impact)),
			ch.flags, reasonsIn(ch.flags), titleFor(snapshot), text, c.wanted(ch), c.readAgain(ch), d.Part, languageFor(snapshot))
		ch.f.added++
		ch.f.doing(ch.rule.ID).added++
		c.filled.Added++
	}
	return c.tx.SendBatch(ctx, batch).Close()
}

// wanted is how many labelers the item gets.
func (c *consideration) wanted(ch choice) int {
	if c.readAgain(ch) {
		return max(2, ch.f.queue.LabelsWanted)
	}
	return ch.f.queue.LabelsWanted
}

// readAgain draws the items that are read twice whatever their label, by a
// number of its own, so that it says nothing of the first draw.
func (c *consideration) readAgain(ch choice) bool {
	return stats.HashUniform(c.salt+"/second", ch.candidate.EventID.String()) < ch.f.queue.OverlapShare
}

func eventsOf(add []choice) []uuid.UUID {
	ids := make([]uuid.UUID, len(add))
	for i, ch := range add {
		ids[i] = ch.candidate.EventID
	}
	return ids
}

// timelines is how many items a run completes with the events around them;
// beyond that a page asks for them when it opens.
const timelines = 100

// snapshots reads the responses from the telemetry store, a few with their
// session around them, many without.
func (s *Store) snapshots(ctx context.Context, actor auth.Actor, ids []uuid.UUID) (map[uuid.UUID]Snapshot, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	if s.Telemetry == nil {
		return nil, errors.New("no telemetry store to take snapshots from")
	}
	found := map[uuid.UUID]Snapshot{}
	if len(ids) <= timelines {
		for _, id := range ids {
			r, err := s.Telemetry.Response(ctx, actor, id)
			if err != nil {
				return nil, fmt.Errorf("snapshot of %s: %w", id, err)
			}
			found[id] = snapshotOf(r)
		}
		return found, nil
	}
	responses, err := s.Telemetry.Responses(ctx, actor, ids)
	if err != nil {
		return nil, fmt.Errorf("snapshots of %d responses: %w", len(ids), err)
	}
	for _, r := range responses {
		found[r.EventID] = snapshotOf(r)
	}
	return found, nil
}

// say leaves an audit entry for each queue that got items: rules say what
// they did.
func (c *consideration) say(ctx context.Context) error {
	fillings := slices.Collect(maps.Values(c.queues))
	for _, some := range c.others {
		fillings = append(fillings, some...)
	}
	for _, f := range fillings {
		if err := f.note(ctx, c.tx); err != nil {
			return err
		}
		if f.added == 0 {
			continue
		}
		err := audit.Record(ctx, c.tx, audit.Entry{
			Actor: c.actor, Action: "queue.fill", Object: "queue/" + f.queue.Slug,
			What: fmt.Sprintf("%d items by %s", f.added, f.names()), After: map[string]any{"items": f.added, "rules": f.names()},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// names lists the versions of the rules that added something.
func (f *filling) names() string {
	var names []string
	for _, rule := range f.rules {
		if did := f.did[rule.ID]; did != nil && did.added > 0 {
			names = append(names, strings.TrimSpace(fmt.Sprintf("rule %s %d", rule.Part, rule.Version)))
		}
	}
	return strings.Join(names, ", ")
}

// note adds what each rule did to its day.
func (f *filling) note(ctx context.Context, tx pgx.Tx) error {
	batch := &pgx.Batch{}
	for id, did := range f.did {
		batch.Queue(`
			INSERT INTO rule_doings (rule_id, day, decided, added, left_out, unread)
			VALUES ($1, (now() AT TIME ZONE 'UTC')::date, $2, $3, $4, $5)
			ON CONFLICT (rule_id, day) DO UPDATE
			SET decided = rule_doings.decided + EXCLUDED.decided, added = rule_doings.added + EXCLUDED.added,
			    left_out = rule_doings.left_out + EXCLUDED.left_out, unread = rule_doings.unread + EXCLUDED.unread,
			    last_at = clock_timestamp()`, id, did.decided, did.added, did.leftOut, did.unread)
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("doings of the rules of queue %s: %w", f.queue.Slug, err)
	}
	return nil
}
