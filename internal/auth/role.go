package auth

import (
	"slices"
	"time"

	"assay/internal/fault"
)

// Role is what a person is here for. Nobody holds two of Engineer,
// ReleaseManager and Auditor: who builds, who decides and who checks are
// three people.
type Role string

// The six roles.
const (
	Labeler        Role = "labeler"
	Reviewer       Role = "reviewer"
	Engineer       Role = "engineer"
	ReleaseManager Role = "release_manager"
	Admin          Role = "admin"
	Auditor        Role = "auditor"
)

// Roles lists every role, in the order pages show them.
var Roles = []Role{Labeler, Reviewer, Engineer, ReleaseManager, Admin, Auditor}

// Permission is one act that a stage method guards.
type Permission string

// The permissions. A stage method names exactly one; the route table names
// the same one, so that the door and the room agree.
const (
	SendEvents       Permission = "send_events"       // ingest; keys only
	Label            Permission = "label"             // reserve, label, skip, release
	DisputeLabel     Permission = "dispute_label"     //
	Adjudicate       Permission = "adjudicate"        // never one's own labels
	SeeSessions      Permission = "see_sessions"      // redacted text; a labeler only what is reserved or labeled by them
	ReadQueues       Permission = "read_queues"       // what waits in them, in counts
	RequestReveal    Permission = "request_reveal"    // a labeler: only of what they may see
	SeeReveals       Permission = "see_reveals"       // one's own; who decides sees all
	ApproveReveal    Permission = "approve_reveal"    //
	Configure        Permission = "configure"         // keys, validators, queues, datasets, guides, templates
	Validate         Permission = "validate"          // run a validator on one output
	ProposeObjective Permission = "propose_objective" //
	ApproveObjective Permission = "approve_objective" //
	OpenHandoff      Permission = "open_handoff"      // open a handoff, upload runs
	SeeHandoffs      Permission = "see_handoffs"      //
	CheckGate        Permission = "check_gate"        // ask whether promotion is allowed now
	ApprovePromotion Permission = "approve_promotion" // people after step-up only, never a key
	BreakGlass       Permission = "break_glass"       //
	ManagePeople     Permission = "manage_people"     //
	SeeRetention     Permission = "see_retention"     // times, holds, proofs of deletion; never text
	ExportLabels     Permission = "export_labels"     //
	ImportLabels     Permission = "import_labels"     // also replaying dead letters
	SeeMeasures      Permission = "see_measures"      // rates, objectives, alerts, incidents, validators
	AcknowledgeAlert Permission = "acknowledge_alert" // acknowledge, silence
	PauseCanary      Permission = "pause_canary"      //
	SeeOwnWork       Permission = "see_own_work"      // own labels, times, feedback
	ReadAudit        Permission = "read_audit"        // a release manager: own gates only
	RunWork          Permission = "run_work"          // the product itself: schedules and jobs
)

var granted = map[Permission][]Role{
	Label:            {Labeler, Reviewer},
	DisputeLabel:     {Reviewer, Engineer, ReleaseManager},
	Adjudicate:       {Reviewer},
	SeeSessions:      {Labeler, Reviewer, Engineer, ReleaseManager, Auditor},
	ReadQueues:       {Labeler, Reviewer, Engineer, ReleaseManager, Auditor},
	RequestReveal:    {Labeler, Reviewer, Engineer},
	SeeReveals:       {Labeler, Reviewer, Engineer, ReleaseManager, Auditor},
	ApproveReveal:    {ReleaseManager, Auditor},
	Configure:        {Engineer},
	Validate:         {Engineer},
	ProposeObjective: {Engineer},
	ApproveObjective: {ReleaseManager},
	OpenHandoff:      {Engineer},
	SeeHandoffs:      {Reviewer, Engineer, ReleaseManager, Auditor},
	CheckGate:        {Engineer, ReleaseManager, Auditor},
	ApprovePromotion: {ReleaseManager},
	BreakGlass:       {ReleaseManager},
	ManagePeople:     {Admin},
	SeeRetention:     {Admin, Auditor},
	ExportLabels:     {Engineer, ReleaseManager},
	ImportLabels:     {Engineer},
	SeeMeasures:      {Reviewer, Engineer, ReleaseManager, Auditor},
	AcknowledgeAlert: {Engineer, ReleaseManager},
	PauseCanary:      {Engineer, ReleaseManager},
	SeeOwnWork:       {Labeler, Reviewer},
	ReadAudit:        {ReleaseManager, Auditor},
}

// Scope is what an API key may do; a key never holds a role.
type Scope string

// The scopes, each a short list of permissions.
const (
	ScopeIngest   Scope = "ingest"   // send events
	ScopeRead     Scope = "read"     // sessions, rates, incidents, handoffs
	ScopeLabel    Scope = "label"    // import and export labels
	ScopeLabeler  Scope = "labeler"  // reserve and label, as a labeler of its own
	ScopeValidate Scope = "validate" // run a validator on one output
	ScopeHandoff  Scope = "handoff"  // templates, handoffs, runs
	ScopeCheck    Scope = "check"    // ask the gate
)

// Scopes lists every scope.
var Scopes = []Scope{ScopeIngest, ScopeRead, ScopeLabel, ScopeLabeler, ScopeValidate, ScopeHandoff, ScopeCheck}

var scoped = map[Scope][]Permission{
	ScopeIngest:   {SendEvents},
	ScopeRead:     {SeeSessions, SeeMeasures, ReadQueues, SeeHandoffs, CheckGate},
	ScopeLabel:    {ImportLabels, ExportLabels, ReadQueues},
	ScopeLabeler:  {Label, ReadQueues},
	ScopeValidate: {Validate},
	ScopeHandoff:  {OpenHandoff, SeeHandoffs, CheckGate, Configure, ReadQueues},
	ScopeCheck:    {CheckGate},
}

// ActorKind tells a person from a key from the product itself.
type ActorKind string

// The kinds of actor.
const (
	Person ActorKind = "person"
	Key    ActorKind = "key"
	System ActorKind = "system"
)

// Actor is the person or key on whose behalf something happens. The zero
// Actor may do nothing.
type Actor struct {
	Kind      ActorKind
	ID        int64  // people.id or keys.id; 0 for the product itself
	Name      string // shown on pages and in the audit: a person's name, a key's id
	Roles     []Role
	Scopes    []Scope
	SteppedUp time.Time // when the person last proved who they are again; zero if not in this session
	Session   int64     // sign-in session id; 0 for keys and the product
}

// Product is the actor of schedules and jobs.
func Product() Actor { return Actor{Kind: System, Name: "assay"} }

// Holds reports whether the person has the role.
func (a Actor) Holds(r Role) bool { return a.Kind == Person && slices.Contains(a.Roles, r) }

// May reports whether the actor may do p at all; the stage method adds what
// depends on the object (own reservation, not the author, …).
func (a Actor) May(p Permission) bool {
	switch a.Kind {
	case System:
		return p != ApprovePromotion && p != BreakGlass && p != ApproveReveal && p != ApproveObjective
	case Person:
		return slices.ContainsFunc(granted[p], func(r Role) bool { return slices.Contains(a.Roles, r) })
	case Key:
		return slices.ContainsFunc(a.Scopes, func(s Scope) bool { return slices.Contains(scoped[s], p) })
	}
	return false
}

// Require returns nil when the actor may do p, else fault.Denied in words
// that name who may.
func (a Actor) Require(p Permission) error {
	if a.May(p) {
		return nil
	}
	return fault.Say(fault.Denied, "This needs %s.", WhoMay(p))
}

// WhoMay names the roles that hold p, for a refusal: "the role engineer or
// release manager".
func WhoMay(p Permission) string {
	roles := granted[p]
	if len(roles) == 0 {
		return "an API key with the right scope"
	}
	words := "the role "
	for i, r := range roles {
		switch {
		case i > 0 && i == len(roles)-1:
			words += " or "
		case i > 0:
			words += ", "
		}
		words += r.Words()
	}
	return words
}

// Words returns the role as pages write it.
func (r Role) Words() string {
	if r == ReleaseManager {
		return "release manager"
	}
	return string(r)
}
