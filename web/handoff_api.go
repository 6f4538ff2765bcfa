package web

import (
	"bytes"
	"encoding/json"
	"io"
	"time"

	"github.com/gofiber/fiber/v2"

	"assay/eval"
	"assay/internal/fault"
)

// handoffAnswer is a handoff as the API gives it.
type handoffAnswer struct {
	ID                  int64         `json:"id"`
	IncidentID          *int64        `json:"incident_id,omitempty"`
	IncidentPolicyID    string        `json:"incident_policy_id,omitempty"`
	FailingTemplateID   string        `json:"failing_template_id"`
	CandidateTemplateID string        `json:"candidate_template_id"`
	BaselineTemplateID  string        `json:"baseline_template_id,omitempty"`
	ExemplarRequestID   string        `json:"exemplar_request_id,omitempty"`
	EvidenceVersion     *string       `json:"evidence_version"`
	RequiredMetric      string        `json:"required_metric"`
	RequiredMetricHash  string        `json:"required_metric_hash"`
	PromotionStatus     eval.Status   `json:"promotion_status"`
	RegressionCases     []string      `json:"regression_cases"`
	HoldoutNeeded       int           `json:"holdout_needed"`
	Repeats             int           `json:"repeats"`
	MaxRate             float64       `json:"max_rate"`
	Alpha               float64       `json:"alpha"`
	EvidenceHash        string        `json:"evidence_hash"`
	OpenedAt            time.Time     `json:"opened_at"`
	OpenedBy            string        `json:"opened_by"`
	Headline            string        `json:"headline,omitempty"`
	Checks              []eval.Check  `json:"checks,omitempty"`
	Needed              *eval.Needed  `json:"needed,omitempty"`
	Approvals           []approvalRow `json:"approvals,omitempty"`
}

type approvalRow struct {
	Name         string     `json:"name"`
	Decision     string     `json:"decision"`
	EvidenceHash string     `json:"evidence_hash"`
	SignedAt     time.Time  `json:"signed_at"`
	ExpiresAt    time.Time  `json:"expires_at"`
	VoidedAt     *time.Time `json:"voided_at,omitempty"`
	VoidReason   *string    `json:"void_reason,omitempty"`
}

func answerHandoff(h eval.Handoff) handoffAnswer {
	return handoffAnswer{
		ID: h.ID, IncidentID: h.IncidentID, IncidentPolicyID: h.PolicyID, FailingTemplateID: h.FailingTemplateID,
		CandidateTemplateID: h.CandidateTemplateID, BaselineTemplateID: h.BaselineTemplateID, ExemplarRequestID: h.ExemplarRequestID,
		EvidenceVersion: h.EvidenceVersion, RequiredMetric: h.RequiredMetric, RequiredMetricHash: h.RequiredMetricHash,
		PromotionStatus: h.PromotionStatus, RegressionCases: h.Contract.RegressionCases, HoldoutNeeded: h.HoldoutNeeded,
		Repeats: h.Repeats, MaxRate: h.MaxRate, Alpha: h.Alpha, EvidenceHash: h.EvidenceHash, OpenedAt: h.OpenedAt, OpenedBy: h.RequestedByName,
	}
}

func answerGate(g eval.Gate) handoffAnswer {
	answer := answerHandoff(g.Handoff)
	answer.PromotionStatus, answer.Headline, answer.Checks, answer.Needed = g.Decision.Status, g.Headline, g.Decision.Checks, &g.Decision.Needed
	for _, a := range g.Approvals {
		answer.Approvals = append(answer.Approvals, approvalRow{a.PersonName, a.Decision, a.EvidenceHash, a.SignedAt, a.ExpiresAt, a.VoidedAt, a.VoidReason})
	}
	return answer
}

// checkAnswer is what a pipeline is told.
type checkAnswer struct {
	Allowed         bool        `json:"allowed"`
	PromotionStatus eval.Status `json:"promotion_status"`
	Reasons         []string    `json:"reasons"`
	Needed          eval.Needed `json:"needed"`
	EvidenceHash    string      `json:"evidence_hash"`
	Headline        string      `json:"headline"`
}

func (s *site) gates() (*eval.Store, error) {
	if s.Eval == nil {
		return nil, fault.Say(fault.Unavailable, "Handoffs cannot be read now.")
	}
	return s.Eval, nil
}

func (s *site) handoffOpenAPI(c *fiber.Ctx) error {
	gates, err := s.gates()
	if err != nil {
		return err
	}
	var request eval.HandoffRequest
	if err := readJSON(c, &request); err != nil {
		return err
	}
	handoff, err := gates.Open(c.UserContext(), actorOf(c), request)
	if err != nil {
		return err
	}
	return c.Status(fiber.StatusCreated).JSON(answerHandoff(handoff))
}

func (s *site) handoffGetAPI(c *fiber.Ctx) error {
	gate, err := s.gateOf(c)
	if err != nil {
		return err
	}
	return c.JSON(answerGate(gate))
}

func (s *site) gateOf(c *fiber.Ctx) (eval.Gate, error) {
	gates, err := s.gates()
	if err != nil {
		return eval.Gate{}, err
	}
	id, err := idParam(c, "handoff")
	if err != nil {
		return eval.Gate{}, err
	}
	return gates.Check(c.UserContext(), actorOf(c), id)
}

// checkAPI answers GET and POST alike: 200 only if promotion is allowed now,
// else 403 with the reasons. A webhook's own body is not needed for the answer.
func (s *site) checkAPI(c *fiber.Ctx) error {
	gate, err := s.gateOf(c)
	if err != nil {
		return err
	}
	answer := checkAnswer{
		Allowed: gate.Allowed, PromotionStatus: gate.Decision.Status, Reasons: gate.Reasons,
		Needed: gate.Decision.Needed, EvidenceHash: gate.Handoff.EvidenceHash, Headline: gate.Headline,
	}
	if answer.Reasons == nil {
		answer.Reasons = []string{}
	}
	if !gate.Allowed {
		c.Status(fiber.StatusForbidden)
	}
	return c.JSON(answer)
}

func (s *site) runsAPI(c *fiber.Ctx) error {
	gates, err := s.gates()
	if err != nil {
		return err
	}
	id, err := idParam(c, "handoff")
	if err != nil {
		return err
	}
	body, err := boundedBody(c, bodyLimits{})
	if err != nil {
		return err
	}
	defer body.Close()
	lines, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	upload, err := gates.UploadRuns(c.UserContext(), actorOf(c), id, bytes.NewReader(lines))
	if err != nil {
		return err
	}
	return c.JSON(upload)
}

func (s *site) approvalAPI(c *fiber.Ctx) error {
	gates, err := s.gates()
	if err != nil {
		return err
	}
	id, err := idParam(c, "handoff")
	if err != nil {
		return err
	}
	var in struct {
		Decision     string `json:"decision"`
		EvidenceHash string `json:"evidence_hash"`
		Comment      string `json:"comment"`
	}
	if err := readJSON(c, &in); err != nil {
		return err
	}
	sign := gates.Approve
	switch in.Decision {
	case "approve":
	case "reject":
		sign = gates.Reject
	default:
		return fault.Say(fault.Invalid, "decision is approve or reject.")
	}
	gate, err := sign(c.UserContext(), actorOf(c), id, in.EvidenceHash, in.Comment)
	if err != nil {
		return err
	}
	return c.Status(fiber.StatusCreated).JSON(answerGate(gate))
}

func (s *site) promoteAPI(c *fiber.Ctx) error {
	gates, err := s.gates()
	if err != nil {
		return err
	}
	id, err := idParam(c, "handoff")
	if err != nil {
		return err
	}
	gate, err := gates.Promote(c.UserContext(), actorOf(c), id)
	if err != nil {
		return err
	}
	return c.JSON(answerGate(gate))
}

func (s *site) revokeAPI(c *fiber.Ctx) error {
	gates, err := s.gates()
	if err != nil {
		return err
	}
	id, err := idParam(c, "handoff")
	if err != nil {
		return err
	}
	var in struct {
		Reason string `json:"reason"`
	}
	if err := readJSON(c, &in); err != nil {
		return err
	}
	gate, err := gates.Revoke(c.UserContext(), actorOf(c), id, in.Reason)
	if err != nil {
		return err
	}
	return c.JSON(answerGate(gate))
}

func (s *site) certificateAPI(c *fiber.Ctx) error {
	gates, err := s.gates()
	if err != nil {
		return err
	}
	id, err := idParam(c, "handoff")
	if err != nil {
		return err
	}
	note, err := gates.Certificate(c.UserContext(), actorOf(c), id)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, "text/plain; charset=utf-8")
	c.Set(fiber.HeaderContentDisposition, `attachment; filename="handoff-`+c.Params("handoff")+`.certificate"`)
	return c.SendString(note)
}

func (s *site) templatePutAPI(c *fiber.Ctx) error {
	gates, err := s.gates()
	if err != nil {
		return err
	}
	var in struct {
		Text       string          `json:"text"`
		Parameters json.RawMessage `json:"parameters"`
	}
	if err := readJSON(c, &in); err != nil {
		return err
	}
	template, err := gates.PutTemplate(c.UserContext(), actorOf(c), param(c, "template"), in.Text, in.Parameters)
	if err != nil {
		return err
	}
	return c.JSON(fiber.Map{"template_id": template.TemplateID, "sha256": template.Sha256, "in_use": template.UsedAt != nil})
}

func (s *site) incidentGetAPI(c *fiber.Ctx) error {
	gates, err := s.gates()
	if err != nil {
		return err
	}
	id, err := idParam(c, "incident")
	if err != nil {
		return err
	}
	i, err := gates.Incident(c.UserContext(), actorOf(c), id)
	if err != nil {
		return err
	}
	handoffs := []int64{}
	for _, h := range i.Handoffs {
		handoffs = append(handoffs, h.ID)
	}
	return c.JSON(fiber.Map{
		"id": i.ID, "policy_id": i.PolicyID, "summary": i.Summary, "exemplar_request_id": i.ExemplarRequestID,
		"template_id": i.TemplateID, "evidence_version": i.EvidenceVersion, "first_failed_stage": i.FirstFailedStage,
		"first_check": i.FirstCheck, "finding": i.Alert.LatestText, "finding_at_firing": i.Alert.FiredText, "alert_state": i.Alert.State,
		"opened_at": i.OpenedAt, "violating_requests": i.Violating, "requests": i.Total, "handoffs": handoffs,
	})
}

func (s *site) incidentsAPI(c *fiber.Ctx) error {
	gates, err := s.gates()
	if err != nil {
		return err
	}
	list, err := gates.Incidents(c.UserContext(), actorOf(c), 100)
	if err != nil {
		return err
	}
	rows := []fiber.Map{}
	for _, i := range list {
		rows = append(rows, fiber.Map{"id": i.ID, "policy_id": i.PolicyID, "summary": i.Summary, "exemplar_request_id": i.ExemplarRequestID,
			"template_id": i.TemplateID, "opened_at": i.OpenedAt, "closed_at": i.ClosedAt})
	}
	return c.JSON(fiber.Map{"incidents": rows})
}

// evalOperations describe the routes of incidents, handoffs and gates.
var evalOperations = map[string]operation{
	"GET /v1/incidents":           {Summary: "The newest incidents.", Answers: map[int]content{200: {Words: "incidents"}}},
	"GET /v1/incidents/:incident": {Summary: "One incident card.", Answers: map[int]content{200: {Words: "the card"}}},
	"PUT /v1/templates/:template": {Summary: "Text and parameters of a prompt template; unchangeable once a handoff names it.",
		Body:    &content{Schema: `{"type":"object","required":["text"],"properties":{"text":{"type":"string"},"parameters":{"type":"object"}}}`},
		Answers: map[int]content{200: {Words: "kept"}}},
	"POST /v1/handoffs": {Summary: "Open a handoff: the metric is parsed, frozen and hashed.",
		Body: &content{Schema: `{"type":"object","required":["failing_template_id","candidate_template_id","required_metric"],"properties":{
			"incident_id":{"type":"integer"},"failing_template_id":{"type":"string"},"candidate_template_id":{"type":"string"},
			"baseline_template_id":{"type":"string"},"exemplar_request_id":{"type":"string"},"evidence_version":{"type":["string","null"]},
			"policy_id":{"type":"string"},"required_metric":{"type":"string"},"max_rate":{"type":"number"},"alpha":{"type":"number"},
			"holdout_min":{"type":"integer"},"deterministic":{"type":"boolean"},"regression_cases":{"type":"array","items":{"type":"string"}}}}`},
		Answers: map[int]content{201: {Words: "opened, blocked"}}},
	"GET /v1/handoffs/:handoff": {Summary: "A handoff with its checks and signatures.", Answers: map[int]content{200: {Words: "the handoff"}}},
	"POST /v1/handoffs/:handoff/runs": {Summary: "Results of the candidate, one JSON object a line; sending the same file again adds nothing.",
		Body: &content{Type: "application/x-ndjson", Schema: `{"type":"object","required":["window","case_id"],"properties":{
			"window":{"enum":["regression","holdout","baseline"]},"case_id":{"type":"string"},"repeat":{"type":"integer","minimum":1},
			"unsafe_claim_served":{"type":"boolean"},"route":{"enum":["serve","shorten","abstain"]},"output":{"type":"string"},"error":{"type":"string"}}}`},
		Answers: map[int]content{200: {Words: "what became of the lines"}}},
	"POST /v1/handoffs/:handoff/approvals": {Summary: "Sign yes or no; a signed-in release manager after step-up, never a key.",
		Body: &content{Schema: `{"type":"object","required":["decision","evidence_hash"],"properties":{
			"decision":{"enum":["approve","reject"]},"evidence_hash":{"type":"string"},"comment":{"type":"string"}}}`},
		Answers: map[int]content{201: {Words: "signed"}}},
	"POST /v1/handoffs/:handoff/promote": {Summary: "Record the promotion; needs the gate open.", Answers: map[int]content{200: {Words: "promoted"}}},
	"POST /v1/handoffs/:handoff/revoke": {Summary: "Take an approval or a promotion back.",
		Body:    &content{Schema: `{"type":"object","required":["reason"],"properties":{"reason":{"type":"string"}}}`},
		Answers: map[int]content{200: {Words: "revoked"}}},
	"GET /v1/handoffs/:handoff/check":       {Summary: "200 only if promotion is allowed now.", Answers: map[int]content{200: {Words: "allowed"}, 403: {Words: "not allowed, with the reasons"}}},
	"POST /v1/handoffs/:handoff/check":      {Summary: "The same for webhooks that post.", Answers: map[int]content{200: {Words: "allowed"}, 403: {Words: "not allowed, with the reasons"}}},
	"GET /v1/handoffs/:handoff/certificate": {Summary: "The signed certificate; verifies offline with the public key.", Answers: map[int]content{200: {Type: "text/plain", Words: "a signed note"}}},
}
