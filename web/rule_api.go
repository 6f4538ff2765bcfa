package web

import (
	"github.com/gofiber/fiber/v2"

	"assay/labeling"
)

func (s *site) rulesAPI(c *fiber.Ctx) error {
	labels, queue, err := s.queueOfRules(c)
	if err != nil {
		return err
	}
	rules, err := labels.Rules(c.UserContext(), actorOf(c), queue)
	if err != nil {
		return err
	}
	return c.JSON(struct {
		Rules []labeling.RuleDoings `json:"rules"`
	}{append([]labeling.RuleDoings{}, rules...)})
}

// ruleRequest is a rule as a program sends it.
type ruleRequest struct {
	Rule        string              `json:"rule"`
	Conditions  labeling.Conditions `json:"conditions"`
	Share       float64             `json:"share"`
	CapSafety   *int                `json:"cap_safety"`
	CapNegative *int                `json:"cap_negative"`
	CapImplicit *int                `json:"cap_implicit"`
	CapRandom   *int                `json:"cap_random"`
	Note        string              `json:"note"`
	Days        int                 `json:"days,omitempty"` // of a dry run
}

func (r ruleRequest) rule() labeling.Rule {
	return labeling.Rule{
		Part: r.Rule, Conditions: r.Conditions, Share: r.Share, Note: r.Note,
		CapSafety: r.CapSafety, CapNegative: r.CapNegative, CapImplicit: r.CapImplicit, CapRandom: r.CapRandom,
	}
}

func (s *site) ruleSetAPI(c *fiber.Ctx) error {
	var in ruleRequest
	if err := readJSON(c, &in); err != nil {
		return err
	}
	labels, queue, err := s.queueOfRules(c)
	if err != nil {
		return err
	}
	rule, err := labels.SetRule(c.UserContext(), actorOf(c), queue.Slug, in.rule())
	if err != nil {
		return err
	}
	return c.Status(fiber.StatusCreated).JSON(rule)
}

func (s *site) ruleTryAPI(c *fiber.Ctx) error {
	in := ruleRequest{Days: 7}
	if err := readJSON(c, &in); err != nil {
		return err
	}
	labels, queue, err := s.queueOfRules(c)
	if err != nil {
		return err
	}
	dry, err := labels.DryRun(c.UserContext(), actorOf(c), queue, in.rule(), in.Days)
	if err != nil {
		return err
	}
	return c.JSON(dry)
}

func (s *site) ruleBackfillAPI(c *fiber.Ctx) error {
	var in struct {
		Days int `json:"days"`
	}
	if err := readJSON(c, &in); err != nil {
		return err
	}
	if _, err := s.lookBack(c, in.Days); err != nil {
		return err
	}
	return c.Status(fiber.StatusAccepted).JSON(done{"asked"})
}

func (s *site) ruleRetireAPI(c *fiber.Ctx) error {
	if _, err := s.retireRule(c); err != nil {
		return err
	}
	return c.JSON(done{"retired"})
}

const ruleSchema = `{"type":"object","properties":{
	"rule":{"type":"string","pattern":"^([a-z0-9][a-z0-9_-]{0,39})?$","description":"its name; empty for the rule that takes the rest"},
	"conditions":{"type":"object","properties":{
		"flags":{"type":"array","items":{"type":"string"}},"model_versions":{"type":"array","items":{"type":"string"}},
		"templates":{"type":"array","items":{"type":"string"}},"verdicts":{"type":"array","items":{"enum":["pass","fail","inconclusive"]}},
		"consents":{"type":"array","items":{"enum":["redacted","full"]}},"min_length":{"type":"integer","minimum":0},"max_length":{"type":"integer","minimum":0}}},
	"share":{"type":"number","minimum":0,"maximum":1},
	"cap_safety":{"type":["integer","null"]},"cap_negative":{"type":["integer","null"]},"cap_implicit":{"type":["integer","null"]},"cap_random":{"type":["integer","null"]},
	"note":{"type":"string","maxLength":500},"days":{"type":"integer","minimum":1,"maximum":90,"description":"of a dry run"}}}`

var ruleOperations = map[string]operation{
	"GET /v1/queues/:queue/rules": {Summary: "The rules in force, in the order in which they are asked, with what they did in the last 7 days.",
		Answers: map[int]content{200: {Words: "rules"}}},
	"POST /v1/queues/:queue/rules": {Summary: "The next version of a rule, or a new rule of that name.",
		Body: &content{Schema: ruleSchema}, Answers: map[int]content{201: {Words: "the rule", Schema: ruleSchema}}},
	"POST /v1/queues/:queue/rules/dry-run": {Summary: "What the rule would have done with the responses of the last days. Nothing is stored.",
		Body: &content{Schema: ruleSchema}, Answers: map[int]content{200: {Words: "counts, and the hours of work they are"}}},
	"POST /v1/queues/:queue/rules/backfill": {Summary: "Apply the rules to the responses of the last days; a job does it.",
		Body:    &content{Schema: `{"type":"object","required":["days"],"properties":{"days":{"type":"integer","minimum":1,"maximum":90}}}`},
		Answers: map[int]content{202: {Words: "asked"}}},
	"POST /v1/queues/:queue/rules/:rule/retire": {Summary: "Take a rule out of force; what it took stays.", Answers: map[int]content{200: {Words: "done"}}},
}
