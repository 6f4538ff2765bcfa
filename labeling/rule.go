package labeling

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
	"assay/telemetry"
)

// Rule is one version of what fills a queue. The rule without a part takes
// what no other rule of the queue takes. A nil cap takes everything of the
// class, a number the responses of one class and day with the smallest u.
type Rule struct {
	ID          int64      `json:"-"`
	QueueID     int64      `json:"-"`
	Part        string     `json:"rule"` // its name; names a part of each stratum
	Version     int        `json:"version"`
	Conditions  Conditions `json:"conditions"`
	Share       float64    `json:"share"` // of what the conditions name, drawn by u; 0 is read as 1
	CapSafety   *int       `json:"cap_safety"`
	CapNegative *int       `json:"cap_negative"`
	CapImplicit *int       `json:"cap_implicit"`
	CapRandom   *int       `json:"cap_random"`
	Retired     bool       `json:"retired"`
	Note        string     `json:"note"`
	Author      string     `json:"author"`
	CreatedAt   time.Time  `json:"created_at"`
}

// Conditions say which responses a rule takes: those that meet all of them. An
// empty list or a zero is no condition. They see only what is known before any
// label is, so that what a rule takes may be a stratum.
type Conditions struct {
	Flags     []string `json:"flags,omitempty"` // any of these
	Models    []string `json:"model_versions,omitempty"`
	Templates []string `json:"templates,omitempty"`
	Verdicts  []string `json:"verdicts,omitempty"` // any validator's: pass, fail, inconclusive
	Consents  []string `json:"consents,omitempty"`
	Shortest  int      `json:"min_length,omitempty"` // of the response, in characters
	Longest   int      `json:"max_length,omitempty"`
}

// None reports whether every response meets the conditions.
func (c Conditions) None() bool {
	return len(c.Flags)+len(c.Models)+len(c.Templates)+len(c.Verdicts)+len(c.Consents) == 0 && c.Shortest == 0 && c.Longest == 0
}

// meets reports whether a candidate with these verdicts is what they name.
func (c Conditions) meets(candidate telemetry.Candidate, verdicts func() ([]VerdictSeen, error)) (bool, error) {
	in := func(list []string, value string) bool { return len(list) == 0 || slices.Contains(list, value) }
	flagged := len(c.Flags) == 0 || slices.ContainsFunc(candidate.Flags, func(f telemetry.Flag) bool { return slices.Contains(c.Flags, string(f.Reason)) }) ||
		len(candidate.Flags) == 0 && slices.Contains(c.Flags, string(telemetry.Random))
	if !flagged || !in(c.Models, candidate.ModelVersion) || !in(c.Templates, candidate.PromptTemplateID) || !in(c.Consents, string(candidate.Consent)) ||
		candidate.ResponseChars < c.Shortest || c.Longest > 0 && candidate.ResponseChars > c.Longest {
		return false, nil
	}
	if len(c.Verdicts) == 0 {
		return true, nil
	}
	seen, err := verdicts()
	return slices.ContainsFunc(seen, func(v VerdictSeen) bool { return slices.Contains(c.Verdicts, v.Verdict) }), err
}

// Cap returns how many responses of the class and day may be in the queue,
// and false when there is no limit.
func (r Rule) Cap(class PriorityClass) (int, bool) {
	limit := map[PriorityClass]*int{Safety: r.CapSafety, Negative: r.CapNegative, Implicit: r.CapImplicit, Random: r.CapRandom}[class]
	if limit == nil {
		return 0, false
	}
	return *limit, true
}

// drawn is the share of its responses that the rule takes, before any cap.
func (r Rule) drawn() float64 {
	if r.Share <= 0 {
		return 1
	}
	return r.Share
}

// The caps of a new queue's first rule: all of what may have done harm first,
// and of the rest as much as a few people read in a day.
const defaultCap = 500

// The bounds of what a queue's rules may be.
const (
	maxRules      = 8 // of one queue, beside the rest
	maxConditions = 50
	maxCap        = 1_000_000
)

const ruleColumns = `id, queue_id, part, version, conditions, share, cap_safety, cap_negative, cap_implicit, cap_random, retired, note, author, created_at`

// Rule returns the newest version of the rule that takes the rest.
func (s *Store) Rule(ctx context.Context, actor auth.Actor, queue int64) (Rule, error) {
	if err := mayReadQueues(actor); err != nil {
		return Rule{}, err
	}
	return newestRule(ctx, s.DB, queue)
}

func newestRule(ctx context.Context, db postgres.DB, queue int64) (Rule, error) {
	return ruleOf(ctx, db, queue, "")
}

func ruleOf(ctx context.Context, db postgres.DB, queue int64, part string) (Rule, error) {
	rows, _ := db.Query(ctx, `
		SELECT `+ruleColumns+` FROM queue_rules
		WHERE queue_id = $1 AND part = $2
		ORDER BY version DESC
		LIMIT 1`, queue, part)
	rule, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Rule])
	if errors.Is(err, pgx.ErrNoRows) {
		return Rule{}, fmt.Errorf("rule %q of queue %d: %w", part, queue, fault.NotFound)
	}
	return rule, err
}

// rulesOf returns the rules in force, in the order in which they are asked:
// the oldest name first, the rest last.
func rulesOf(ctx context.Context, db postgres.DB, queue int64) ([]Rule, error) {
	rows, _ := db.Query(ctx, `
		SELECT `+ruleColumns+` FROM (
			SELECT DISTINCT ON (part) *, min(id) OVER (PARTITION BY part) AS since
			FROM queue_rules
			WHERE queue_id = $1
			ORDER BY part, version DESC) AS newest
		WHERE NOT retired
		ORDER BY part = '', since`, queue)
	rules, err := pgx.CollectRows(rows, pgx.RowToStructByName[Rule])
	if err != nil {
		return nil, fmt.Errorf("rules of queue %d: %w", queue, err)
	}
	return rules, nil
}

// RuleDoings is a rule in force with what it did.
type RuleDoings struct {
	Rule
	Days    int64      `json:"-"`
	Decided int64      `json:"decided"` // responses it decided about, all versions
	Added   int64      `json:"added"`
	LeftOut int64      `json:"left_out"` // beyond its caps or its share
	Unread  int64      `json:"unread"`
	LastAt  *time.Time `json:"last_at"`
}

// Rules returns the rules of a queue with what they did in the last days, in
// the order in which they are asked.
func (s *Store) Rules(ctx context.Context, actor auth.Actor, queue Queue) ([]RuleDoings, error) {
	if err := mayReadQueues(actor); err != nil {
		return nil, err
	}
	rules, err := rulesOf(ctx, s.DB, queue.ID)
	if err != nil {
		return nil, err
	}
	list := make([]RuleDoings, len(rules))
	for i, rule := range rules {
		list[i].Rule = rule
		err := s.DB.QueryRow(ctx, `
			SELECT count(*), coalesce(sum(decided), 0)::bigint, coalesce(sum(added), 0)::bigint, coalesce(sum(left_out), 0)::bigint,
			       coalesce(sum(unread), 0)::bigint, max(last_at)
			FROM rule_doings d JOIN queue_rules r ON r.id = d.rule_id
			WHERE r.queue_id = $1 AND r.part = $2 AND d.day > now() - interval '7 days'`, queue.ID, rule.Part,
		).Scan(&list[i].Days, &list[i].Decided, &list[i].Added, &list[i].LeftOut, &list[i].Unread, &list[i].LastAt)
		if err != nil {
			return nil, fmt.Errorf("doings of rule %q: %w", rule.Part, err)
		}
	}
	return list, nil
}

// RuleVersions returns every version of one rule, the newest first.
func (s *Store) RuleVersions(ctx context.Context, actor auth.Actor, queue Queue, part string) ([]Rule, error) {
	if err := mayReadQueues(actor); err != nil {
		return nil, err
	}
	rows, _ := s.DB.Query(ctx, `
		SELECT `+ruleColumns+` FROM queue_rules
		WHERE queue_id = $1 AND part = $2
		ORDER BY version DESC
		LIMIT 200`, queue.ID, part)
	versions, err := pgx.CollectRows(rows, pgx.RowToStructByName[Rule])
	if err == nil && len(versions) == 0 {
		return nil, fmt.Errorf("rule %q of queue %s: %w", part, queue.Slug, fault.NotFound)
	}
	return versions, err
}

// SetRule makes the next version of a rule, or a new rule of that name.
// Decisions already made keep naming the version they were made under; what is
// looked at again, and what comes, is decided under the new one.
func (s *Store) SetRule(ctx context.Context, actor auth.Actor, queue string, rule Rule) (Rule, error) {
	if err := actor.Require(auth.Configure); err != nil {
		return Rule{}, err
	}
	rule, err := rule.clean()
	if err != nil {
		return Rule{}, err
	}
	q, err := s.queueBySlug(ctx, queue)
	if err != nil {
		return Rule{}, err
	}
	err = postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		// Two who set rules at once, or a rule while it fills, go one after the other.
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, considerLock); err != nil {
			return err
		}
		before, err := ruleOf(ctx, tx, q.ID, rule.Part)
		if err != nil && fault.Of(err) != fault.NotFound {
			return err
		}
		if err := roomFor(ctx, tx, q, before, rule); err != nil {
			return err
		}
		rule.QueueID, rule.Author, rule.Version = q.ID, actor.Name, before.Version+1
		return insertRule(ctx, tx, actor, queue, before, &rule)
	})
	return rule, err
}

func insertRule(ctx context.Context, tx pgx.Tx, actor auth.Actor, queue string, before Rule, rule *Rule) error {
	err := tx.QueryRow(ctx, `
		INSERT INTO queue_rules (queue_id, part, version, conditions, share, cap_safety, cap_negative, cap_implicit, cap_random, retired, note, author)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		RETURNING id, created_at`,
		rule.QueueID, rule.Part, rule.Version, rule.Conditions, rule.drawn(), rule.CapSafety, rule.CapNegative, rule.CapImplicit, rule.CapRandom,
		rule.Retired, rule.Note, rule.Author,
	).Scan(&rule.ID, &rule.CreatedAt)
	if err != nil {
		return fmt.Errorf("set rule %q of queue %s: %w", rule.Part, queue, err)
	}
	action := "rule.set"
	if rule.Retired {
		action = "rule.retire"
	}
	entry := audit.Entry{Actor: actor, Action: action, Object: "queue/" + queue, What: strings.TrimSpace(rule.Part + fmt.Sprintf(" version %d", rule.Version)), After: *rule}
	if before.ID != 0 {
		entry.Before = before
	}
	return audit.Record(ctx, tx, entry)
}

// roomFor refuses a rule more than a queue can have: every response is held
// against all of them.
func roomFor(ctx context.Context, tx pgx.Tx, queue Queue, before, rule Rule) error {
	if before.ID != 0 && !before.Retired || rule.Part == "" {
		return nil
	}
	rules, err := rulesOf(ctx, tx, queue.ID)
	if err != nil {
		return err
	}
	if len(rules) > maxRules {
		return fault.Say(fault.Conflict, "A queue has at most %d rules beside the rest. Retire one first.", maxRules)
	}
	return nil
}

// RetireRule takes a rule out of force. What it took stays as it is; the rest
// takes what comes.
func (s *Store) RetireRule(ctx context.Context, actor auth.Actor, queue Queue, part string) error {
	if err := actor.Require(auth.Configure); err != nil {
		return err
	}
	if part == "" {
		return fault.Say(fault.Invalid, "What takes the rest cannot be retired. Set its caps to 0 to take nothing.")
	}
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, considerLock); err != nil {
			return err
		}
		before, err := ruleOf(ctx, tx, queue.ID, part)
		if err != nil || before.Retired {
			return err
		}
		rule := before
		rule.Retired, rule.Version, rule.Author, rule.Note = true, before.Version+1, actor.Name, ""
		return insertRule(ctx, tx, actor, queue.Slug, before, &rule)
	})
}

var partName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,39}$`)

// clean refuses what is no rule, and sorts its lists so that equal rules look
// alike.
func (r Rule) clean() (Rule, error) {
	r.Part, r.Note = strings.TrimSpace(r.Part), strings.TrimSpace(r.Note)
	c := &r.Conditions
	switch {
	case r.Part != "" && !partName.MatchString(r.Part):
		return r, fault.Say(fault.Invalid, "A rule's name has up to 40 small letters, digits, - and _: model-v2.")
	case r.Part == "" && !c.None():
		return r, fault.Say(fault.Invalid, "The rule without a name takes the rest and has no conditions. Give the rule a name.")
	case r.Part != "" && c.None():
		return r, fault.Say(fault.Invalid, "A rule with a name needs a condition. Without one it would take everything.")
	case r.Share < 0 || r.Share > 1 || r.Share != r.Share:
		return r, fault.Say(fault.Invalid, "The share lies above 0 and is at most 1, which is all.")
	case c.Shortest < 0 || c.Longest < 0 || c.Longest > 0 && c.Longest < c.Shortest:
		return r, fault.Say(fault.Invalid, "The longest response is not shorter than the shortest.")
	case len([]rune(r.Note)) > 500:
		return r, fault.Say(fault.Invalid, "A note on a rule has at most 500 characters.")
	}
	for _, limit := range []*int{r.CapSafety, r.CapNegative, r.CapImplicit, r.CapRandom} {
		if limit != nil && (*limit < 0 || *limit > maxCap) {
			return r, fault.Say(fault.Invalid, "A cap is a number of responses a day, 0 to %d; nothing takes all.", maxCap)
		}
	}
	reasons := make([]string, len(telemetry.Reasons))
	for i, reason := range telemetry.Reasons {
		reasons[i] = string(reason)
	}
	for _, list := range []struct {
		values  *[]string
		what    string
		allowed []string
	}{
		{&c.Flags, "flag", reasons}, {&c.Models, "model version", nil}, {&c.Templates, "template", nil},
		{&c.Verdicts, "verdict", []string{"pass", "fail", "inconclusive"}},
		{&c.Consents, "consent", []string{string(telemetry.ConsentRedacted), string(telemetry.ConsentFull)}},
	} {
		cleaned, err := cleanList(*list.values, list.what, list.allowed)
		if err != nil {
			return r, err
		}
		*list.values = cleaned
	}
	r.Share = r.drawn()
	return r, nil
}

func cleanList(values []string, what string, allowed []string) ([]string, error) {
	var cleaned []string
	for _, value := range values {
		value = strings.TrimSpace(value)
		switch {
		case value == "" || slices.Contains(cleaned, value):
			continue
		case len(value) > 200:
			return nil, fault.Say(fault.Invalid, "A %s has at most 200 characters.", what)
		case allowed != nil && !slices.Contains(allowed, value):
			return nil, fault.Say(fault.Invalid, "There is no %s %q. There are %s.", what, value, strings.Join(allowed, ", "))
		}
		cleaned = append(cleaned, value)
	}
	if len(cleaned) > maxConditions {
		return nil, fault.Say(fault.Invalid, "A condition names at most %d values.", maxConditions)
	}
	slices.Sort(cleaned)
	return cleaned, nil
}
