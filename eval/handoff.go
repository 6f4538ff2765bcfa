package eval

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
	"assay/internal/stats"
)

// Handoff ties a failing template to the candidate that claims to fix it and
// to the metric that must hold first.
type Handoff struct {
	ID                  int64
	IncidentID          *int64
	PolicyID            string
	FailingTemplateID   string
	CandidateTemplateID string
	BaselineTemplateID  string
	ExemplarRequestID   string
	EvidenceVersion     *string
	RequiredMetric      string
	RequiredMetricHash  string
	Contract            Contract
	MaxRate             float64
	Alpha               float64
	HoldoutNeeded       int
	Repeats             int
	PromotionStatus     Status
	EvidenceHash        string
	RequestedByKind     string
	RequestedBy         int64
	RequestedByName     string
	OpenedAt            time.Time
	ChangedAt           time.Time
}

// HandoffRequest is what opening a handoff takes. With an IncidentID the
// fields the incident knows may be left out.
type HandoffRequest struct {
	IncidentID          *int64   `json:"incident_id,omitempty"`
	FailingTemplateID   string   `json:"failing_template_id"`
	CandidateTemplateID string   `json:"candidate_template_id"`
	BaselineTemplateID  string   `json:"baseline_template_id,omitempty"`
	ExemplarRequestID   string   `json:"exemplar_request_id,omitempty"`
	EvidenceVersion     *string  `json:"evidence_version,omitempty"`
	PolicyID            string   `json:"policy_id,omitempty"`
	RequiredMetric      string   `json:"required_metric"`
	MaxRate             float64  `json:"max_rate,omitempty"`      // 0.01 when zero
	Alpha               float64  `json:"alpha,omitempty"`         // 0.05 when zero; at most that
	HoldoutMin          int      `json:"holdout_min,omitempty"`   // cases; raised to what max_rate and alpha ask for
	Deterministic       bool     `json:"deterministic,omitempty"` // then one run of a regression case is enough
	RegressionCases     []string `json:"regression_cases,omitempty"`
}

// DefaultMetric is what the one press on an incident asks for.
const DefaultMetric = "unsafe_claim_served == 0 on regression and holdout windows"

const (
	defaultMaxRate = 0.01
	defaultAlpha   = 0.05
	caseLimit      = 10_000
)

// Open freezes what must hold before the candidate may be promoted. The
// regression window is every violating case of the incident; a later candidate
// for the same incident gets half the error probability of the one before, so
// that trying often does not open the gate. The same failing template and
// candidate twice is fault.Conflict, and so is a metric that nothing could
// measure fault.Invalid.
func (s *Store) Open(ctx context.Context, actor auth.Actor, request HandoffRequest) (Handoff, error) {
	if err := actor.Require(auth.OpenHandoff); err != nil {
		return Handoff{}, err
	}
	var id int64
	err := postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		incident, err := s.completed(ctx, tx, &request)
		if err != nil {
			return err
		}
		contract, err := s.freeze(ctx, tx, actor, request, incident)
		if err != nil {
			return err
		}
		id, err = s.insertHandoff(ctx, tx, actor, request, contract)
		return err
	})
	if err != nil {
		return Handoff{}, err
	}
	return s.Handoff(ctx, actor, id)
}

// completed fills the request from its incident and checks what people type.
func (s *Store) completed(ctx context.Context, tx pgx.Tx, r *HandoffRequest) (*Incident, error) {
	var incident *Incident
	if r.IncidentID != nil {
		rows, err := tx.Query(ctx, `SELECT * FROM incidents WHERE id = $1 FOR UPDATE`, *r.IncidentID)
		if err != nil {
			return nil, err
		}
		found, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Incident])
		if errors.Is(err, pgx.ErrNoRows) {
			return nil, fault.Say(fault.NotFound, "There is no incident %d.", *r.IncidentID)
		}
		if err != nil {
			return nil, err
		}
		incident = &found
		r.FailingTemplateID = cmp.Or(r.FailingTemplateID, found.TemplateID)
		r.ExemplarRequestID = cmp.Or(r.ExemplarRequestID, found.ExemplarRequestID)
		r.PolicyID = cmp.Or(r.PolicyID, found.PolicyID)
		if r.EvidenceVersion == nil {
			r.EvidenceVersion = found.EvidenceVersion
		}
	}
	r.MaxRate = cmp.Or(r.MaxRate, defaultMaxRate)
	r.Alpha = cmp.Or(r.Alpha, defaultAlpha)
	switch {
	case r.FailingTemplateID == "" || len(r.FailingTemplateID) > 200:
		return nil, fault.Say(fault.Invalid, "failing_template_id names the template that failed, in at most 200 characters.")
	case r.CandidateTemplateID == "" || len(r.CandidateTemplateID) > 200:
		return nil, fault.Say(fault.Invalid, "candidate_template_id names the template that claims to fix it, in at most 200 characters.")
	case r.CandidateTemplateID == r.FailingTemplateID:
		return nil, fault.Say(fault.Invalid, "The candidate is the failing template itself; a fix has an id of its own.")
	case math.IsNaN(r.MaxRate) || r.MaxRate <= 0 || r.MaxRate >= 1:
		return nil, fault.Say(fault.Invalid, "max_rate is a share between 0 and 1, for example 0.01.")
	case math.IsNaN(r.Alpha) || r.Alpha <= 0 || r.Alpha > 0.05:
		return nil, fault.Say(fault.Invalid, "alpha is greater than 0 and at most 0.05.")
	case r.HoldoutMin < 0 || r.HoldoutMin > 1_000_000:
		return nil, fault.Say(fault.Invalid, "holdout_min is a number of cases from 0 to 1,000,000.")
	case len(r.RegressionCases) > caseLimit:
		return nil, fault.Say(fault.Invalid, "At most %d regression cases.", caseLimit)
	}
	return incident, nil
}

func (s *Store) freeze(ctx context.Context, tx pgx.Tx, actor auth.Actor, r HandoffRequest, incident *Incident) (Contract, error) {
	metric, err := ParseMetric(r.RequiredMetric)
	if err != nil {
		return Contract{}, err
	}
	contract := Contract{
		Candidate: r.CandidateTemplateID, Failing: r.FailingTemplateID, Baseline: r.BaselineTemplateID, PolicyID: r.PolicyID,
		Metric: metric, MaxRate: r.MaxRate, Alpha: r.Alpha, Repeats: 3,
	}
	if r.EvidenceVersion != nil {
		contract.EvidenceVersion = *r.EvidenceVersion
	}
	if r.Deterministic {
		contract.Repeats = 1
	}
	if metric.Needs(Baseline) && r.BaselineTemplateID == "" {
		return Contract{}, fault.Say(fault.Invalid, "The metric compares with a baseline: name it as baseline_template_id.")
	}
	if incident != nil {
		var earlier int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM handoffs WHERE incident_id = $1`, incident.ID).Scan(&earlier); err != nil {
			return Contract{}, err
		}
		contract.Alpha /= math.Pow(2, float64(earlier))
	}
	if contract.RegressionCases, err = regressionCases(ctx, tx, r, incident); err != nil {
		return Contract{}, err
	}
	if metric.Needs(Regression) && len(contract.RegressionCases) == 0 {
		return Contract{}, fault.Say(fault.Invalid, "The metric is on the regression window and there is no failing case: name an incident or regression_cases.")
	}
	if metric.Needs(Holdout) {
		needed, err := stats.ZeroEventSize(contract.MaxRate, 1-contract.Alpha)
		if err != nil {
			return Contract{}, err
		}
		contract.HoldoutNeeded = max(needed, r.HoldoutMin)
	}
	if incident != nil {
		err := tx.QueryRow(ctx, `
			SELECT count(*) FILTER (WHERE route = 'abstain'), count(*)
			FROM incident_requests WHERE incident_id = $1`, incident.ID).Scan(&contract.Abstention.Count, &contract.Abstention.Of)
		if err != nil {
			return Contract{}, err
		}
	}
	return contract, nil
}

// regressionCases is the census of what failed: every distinct violating case,
// in the order of its name, and those the request names besides.
func regressionCases(ctx context.Context, tx pgx.Tx, r HandoffRequest, incident *Incident) ([]string, error) {
	var incidentID int64
	if incident != nil {
		incidentID = incident.ID
	}
	rows, err := tx.Query(ctx, `
		SELECT DISTINCT case_id
		FROM (
			SELECT COALESCE(NULLIF(case_id, ''), request_id) AS case_id
			FROM incident_requests
			WHERE incident_id = $1 AND unsafe AND template_id = $3
			UNION ALL
			SELECT unnest($2::text[])
		) c
		WHERE case_id <> ''
		ORDER BY case_id`, incidentID, r.RegressionCases, r.FailingTemplateID)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func (s *Store) insertHandoff(ctx context.Context, tx pgx.Tx, actor auth.Actor, r HandoffRequest, contract Contract) (int64, error) {
	now := s.now()
	frozen, err := json.Marshal(contract)
	if err != nil {
		return 0, err
	}
	decision := Decide(contract, nil)
	var id int64
	err = tx.QueryRow(ctx, `
		INSERT INTO handoffs (incident_id, policy_id, failing_template_id, candidate_template_id, baseline_template_id,
			exemplar_request_id, evidence_version, required_metric, required_metric_hash, contract, max_rate, alpha,
			holdout_needed, repeats, evidence_hash, requested_by_kind, requested_by, requested_by_name, opened_at, changed_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $19)
		RETURNING id`,
		r.IncidentID, r.PolicyID, r.FailingTemplateID, r.CandidateTemplateID, r.BaselineTemplateID,
		r.ExemplarRequestID, r.EvidenceVersion, contract.Metric.Text, contract.Metric.Hash(), frozen, contract.MaxRate, contract.Alpha,
		contract.HoldoutNeeded, contract.Repeats, EvidenceHash(contract, nil), actor.Kind, actor.ID, actor.Name, now).Scan(&id)
	if postgres.Violates(err, "handoffs_one_per_candidate") {
		return 0, fault.Say(fault.Conflict, "A handoff of %s for %s is open already or has been decided; another attempt is another candidate.", r.CandidateTemplateID, r.FailingTemplateID)
	}
	if err != nil {
		return 0, fmt.Errorf("open a handoff: %w", err)
	}
	_, err = tx.Exec(ctx, `UPDATE templates SET used_at = $1 WHERE used_at IS NULL AND template_id = ANY($2)`,
		now, []string{r.FailingTemplateID, r.CandidateTemplateID, r.BaselineTemplateID})
	if err != nil {
		return 0, err
	}
	if err := keepDecision(ctx, tx, id, decision, EvidenceHash(contract, nil), now, "opened"); err != nil {
		return 0, err
	}
	return id, audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "handoff.open", Object: fmt.Sprintf("handoff/%d", id),
		What: fmt.Sprintf("%s for %s, metric %s", r.CandidateTemplateID, r.FailingTemplateID, contract.Metric.Hash()), After: contract})
}

// Handoff returns one handoff, or fault.NotFound.
func (s *Store) Handoff(ctx context.Context, actor auth.Actor, id int64) (Handoff, error) {
	if !actor.May(auth.SeeHandoffs) && !actor.May(auth.CheckGate) {
		return Handoff{}, actor.Require(auth.SeeHandoffs)
	}
	list, err := s.handoffs(ctx, `WHERE id = $1`, id)
	if err != nil {
		return Handoff{}, err
	}
	if len(list) == 0 {
		return Handoff{}, fmt.Errorf("handoff %d: %w", id, fault.NotFound)
	}
	return list[0], nil
}

// Handoffs lists the newest handoffs, those that wait for somebody first.
func (s *Store) Handoffs(ctx context.Context, actor auth.Actor, limit int) ([]Handoff, error) {
	if err := actor.Require(auth.SeeHandoffs); err != nil {
		return nil, err
	}
	return s.handoffs(ctx, `
		ORDER BY promotion_status IN ('FAILED', 'REJECTED', 'PROMOTED', 'REVOKED'), changed_at DESC, id DESC
		LIMIT $1`, limit)
}

func (s *Store) handoffs(ctx context.Context, where string, arg any) ([]Handoff, error) {
	rows, err := s.DB.Query(ctx, `SELECT * FROM handoffs `+where, arg)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Handoff])
}

// Comment adds to the conversation of a handoff.
func (s *Store) Comment(ctx context.Context, actor auth.Actor, handoffID int64, text string) error {
	if err := actor.Require(auth.SeeHandoffs); err != nil {
		return err
	}
	if actor.Kind != auth.Person {
		return fault.Say(fault.Denied, "Only people comment.")
	}
	if text == "" || len(text) > 5000 {
		return fault.Say(fault.Invalid, "A comment has 1 to 5,000 characters.")
	}
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO handoff_comments (handoff_id, author, text, written_at) VALUES ($1, $2, $3, $4)`,
			handoffID, actor.ID, text, s.now())
		if postgres.Violates(err, "handoff_comments_handoff_id_fkey") {
			return fmt.Errorf("comment on handoff %d: %w", handoffID, fault.NotFound)
		}
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "handoff.comment", Object: fmt.Sprintf("handoff/%d", handoffID), After: text})
	})
}

// Life is what happened to a handoff besides decisions and signatures.
type Life struct {
	Decisions []KeptDecision
	Comments  []Comment
	Openings  []Opening
}

// KeptDecision is a decision as it was kept at its time.
type KeptDecision struct {
	ID           int64
	Status       Status
	EvidenceHash string
	DecidedAt    time.Time
	Why          string
}

// Comment is what a person said about a handoff.
type Comment struct {
	Name      string
	Text      string
	WrittenAt time.Time
}

// Opening says who read a window's results, and when: each is a use of it.
type Opening struct {
	Window   string
	PersonID int64
	Name     string
	OpenedAt time.Time
}

// OpenedBy reports whether the person has read the window's results.
func (l Life) OpenedBy(personID int64, window WindowName) bool {
	return slices.ContainsFunc(l.Openings, func(o Opening) bool { return o.PersonID == personID && o.Window == string(window) })
}

// Life reads the history of a handoff, oldest first.
func (s *Store) Life(ctx context.Context, actor auth.Actor, handoffID int64) (Life, error) {
	if err := actor.Require(auth.SeeHandoffs); err != nil {
		return Life{}, err
	}
	var life Life
	rows, err := s.DB.Query(ctx, `SELECT id, status, evidence_hash, decided_at, why FROM decisions WHERE handoff_id = $1 ORDER BY id`, handoffID)
	if err != nil {
		return Life{}, err
	}
	if life.Decisions, err = pgx.CollectRows(rows, pgx.RowToStructByName[KeptDecision]); err != nil {
		return Life{}, err
	}
	rows, err = s.DB.Query(ctx, `
		SELECT p.name, c.text, c.written_at
		FROM handoff_comments c
		JOIN people p ON p.id = c.author
		WHERE c.handoff_id = $1
		ORDER BY c.id`, handoffID)
	if err != nil {
		return Life{}, err
	}
	if life.Comments, err = pgx.CollectRows(rows, pgx.RowToStructByName[Comment]); err != nil {
		return Life{}, err
	}
	rows, err = s.DB.Query(ctx, `
		SELECT o."window", o.person_id, p.name, o.opened_at
		FROM window_openings o
		JOIN people p ON p.id = o.person_id
		WHERE o.handoff_id = $1
		ORDER BY o.id`, handoffID)
	if err != nil {
		return Life{}, err
	}
	life.Openings, err = pgx.CollectRows(rows, pgx.RowToStructByName[Opening])
	return life, err
}

// MaySign reports whether the person could sign this handoff at all, and why
// not when they could not.
func (s *Store) MaySign(ctx context.Context, actor auth.Actor, h Handoff) (bool, string, error) {
	if !actor.May(auth.ApprovePromotion) || actor.Kind != auth.Person {
		return false, "Two release managers sign.", nil
	}
	if h.RequestedByKind == string(auth.Person) && h.RequestedBy == actor.ID {
		return false, "You asked for this handoff.", nil
	}
	var wrote bool
	err := s.DB.QueryRow(ctx, `SELECT EXISTS (SELECT FROM templates WHERE template_id = $1 AND author_kind = 'person' AND author_id = $2)`,
		h.CandidateTemplateID, actor.ID).Scan(&wrote)
	if wrote {
		return false, "You wrote the candidate.", err
	}
	return err == nil, "", err
}
