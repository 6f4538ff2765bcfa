// Package web is everything that is asked for over HTTP: pages, forms, the
// JSON interface and ingest. It is a thin door: a handler reads the request,
// calls one stage method and answers; what may be done, and by whom, is
// decided in the stage.
//
// Read this file first: it is the site map. A page is three files,
// session_show.go (handler, page struct worded for people, pure builder),
// session_show.templ and session_show_test.go, plus its line in routes.
package web

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/prometheus/client_golang/prometheus"

	"assay/eval"
	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/auth/keys"
	"assay/internal/auth/people"
	"assay/internal/postgres"
	"assay/internal/retention"
	"assay/labeling"
	"assay/telemetry"
	"assay/validators"
	"assay/web/ui"
)

// Config is what the door must be told. The zero value serves loopback.
type Config struct {
	PublicURL      string         // what people type, "https://assay.example.org"; default http://127.0.0.1:8080
	TrustedProxies []netip.Prefix // whose X-Forwarded-For counts; default nobody's
	Program        string         // how the reader's shell calls the program; default assay
	Demo           bool           // the role switcher of a product on one machine; never in production
	Limits         Limits         // requests a second
	Log            *slog.Logger   // default discards
	Metrics        prometheus.Registerer
	Clock          func() time.Time
}

// Stages is what the handlers call. A stage that is not wired answers 503 on
// its own pages and leaves the others alone.
type Stages struct {
	DB         postgres.DB
	People     *people.Register
	Keys       *keys.Ring
	Telemetry  *telemetry.Store
	Labeling   *labeling.Store
	Validators *validators.Store
	Eval       *eval.Store
	Audit      *audit.Log
	Retention  *retention.Register
	Checks     []Check // asked by /readyz beside PostgreSQL

	// Verdicts are what the validators said of a response; nil: nothing yet.
	Verdicts VerdictsOf

	// Paging counts the alerts that page now, for the bar.
	Paging func(ctx context.Context, actor auth.Actor) (int, error)
}

// routes is the site map: every address the product answers, who may ask, and
// the handler. A route without an access fails at start and in the tests.
func routes() []route {
	return []route{
		{"GET", "/", signedIn(), (*site).homeShow},
		{"GET", "/search", signedIn(), (*site).searchShow},

		// Signing in.
		{"GET", "/login", anyone(), (*site).loginShow},
		{"POST", "/login", anyone(), (*site).loginSubmit},
		{"GET", "/login/link/:token", anyone(), (*site).loginLinkShow},
		{"POST", "/login/link/:token", anyone(), (*site).loginLinkSubmit},
		{"GET", "/login/code", signedIn().beforeSecondFactor(), (*site).loginCodeShow},
		{"POST", "/login/code", signedIn().beforeSecondFactor(), (*site).loginCodeSubmit},
		{"GET", "/login/again", signedIn(), (*site).loginAgainShow},
		{"POST", "/login/again", signedIn(), (*site).loginAgainSubmit},
		{"POST", "/login/as", signedIn().demoOnly(), (*site).loginAsSubmit},
		{"POST", "/logout", signedIn().beforeSecondFactor(), (*site).logoutSubmit},

		// Settings.
		{"GET", "/settings", signedIn(), (*site).settingsShow},
		{"GET", "/settings/security", signedIn().beforeSecondFactor(), (*site).securityShow},
		{"POST", "/settings/security/password", signedIn().beforeSecondFactor(), (*site).securityPassword},
		{"POST", "/settings/security/second-factor", signedIn().beforeSecondFactor(), (*site).securitySecondFactor},
		{"POST", "/settings/security/second-factor/remove", signedIn().afterStepUp(), (*site).securitySecondFactorRemove},
		{"POST", "/settings/security/sessions/:session/end", signedIn(), (*site).securitySessionEnd},
		{"GET", "/settings/keyboard", signedIn(), (*site).keyboardShow},
		{"POST", "/settings/keyboard", signedIn(), (*site).keyboardRebind},
		{"POST", "/settings/reading", signedIn(), (*site).readingSet},
		{"POST", "/settings/security/display", signedIn(), (*site).securityDisplay},
		{"GET", "/settings/people", may(auth.ManagePeople), (*site).peopleShow},
		{"POST", "/settings/people", may(auth.ManagePeople).afterStepUp(), (*site).personAdd},
		{"POST", "/settings/people/:person/roles", may(auth.ManagePeople).afterStepUp(), (*site).personRoles},
		{"POST", "/settings/people/:person/skills", may(auth.ManagePeople).afterStepUp(), (*site).personSkills},
		{"POST", "/settings/people/:person/grants/:role", may(auth.ManagePeople).afterStepUp(), (*site).personGrant},
		{"POST", "/settings/people/:person/link", may(auth.ManagePeople).afterStepUp(), (*site).personLink},
		{"POST", "/settings/people/:person/disable", may(auth.ManagePeople).afterStepUp(), (*site).personDisable},
		{"POST", "/settings/people/:person/enable", may(auth.ManagePeople).afterStepUp(), (*site).personEnable},
		{"GET", "/settings/keys", may(auth.Configure).personOnly(), (*site).keysShow},
		{"POST", "/settings/keys", may(auth.Configure).personOnly(), (*site).keyCreate},
		{"POST", "/settings/keys/:key/revoke", may(auth.Configure).personOnly(), (*site).keyRevoke},

		{"GET", "/settings/capture", may(auth.SeeMeasures).personOnly(), (*site).captureShow},
		{"POST", "/settings/capture", may(auth.Configure).personOnly(), (*site).captureSet},
		{"GET", "/settings/impact", may(auth.SeeMeasures).personOnly(), (*site).impactShow},
		{"POST", "/settings/impact", may(auth.Configure).personOnly(), (*site).impactSet},
		{"GET", "/settings/redaction", may(auth.SeeMeasures).personOnly(), (*site).redactionShow},
		{"POST", "/settings/redaction", may(auth.Configure).personOnly(), (*site).redactionSet},
		{"POST", "/settings/redaction/try", may(auth.SeeMeasures).personOnly(), (*site).redactionTry},
		{"GET", "/settings/retention", may(auth.SeeRetention).personOnly(), (*site).retentionShow},
		{"POST", "/settings/retention", may(auth.ManagePeople).afterStepUp(), (*site).retentionSet},
		{"POST", "/settings/retention/holds", may(auth.ManagePeople).afterStepUp(), (*site).holdPlace},
		{"POST", "/settings/retention/holds/:hold/release", may(auth.ManagePeople).afterStepUp(), (*site).holdRelease},
		{"GET", "/settings/retention/proofs/:proof", may(auth.SeeRetention).personOnly(), (*site).proofShow},
		{"POST", "/settings/erasures", may(auth.ManagePeople).afterStepUp(), (*site).erasureAsk},
		{"GET", "/settings/erasures/:erasure", may(auth.SeeRetention).personOnly(), (*site).erasureShow},
		{"POST", "/settings/erasures/:erasure/confirm", may(auth.ManagePeople).afterStepUp(), (*site).erasureConfirm},
		{"POST", "/settings/erasures/:erasure/give-up", may(auth.ManagePeople).afterStepUp(), (*site).erasureGiveUp},

		// Rates.
		{"GET", "/rates", may(auth.SeeMeasures).personOnly(), (*site).ratesShow},
		{"GET", "/rates/:family", may(auth.SeeMeasures).personOnly(), (*site).metricsShow},
		{"GET", "/v1/metrics/summary", may(auth.SeeMeasures), (*site).metricsAPI},
		{"GET", "/settings/ratecards", may(auth.SeeMeasures).personOnly(), (*site).cardsShow},
		{"POST", "/settings/ratecards", may(auth.Configure).personOnly(), (*site).cardAdd},
		{"GET", "/v1/rates", may(auth.SeeMeasures), (*site).ratesAPI},

		// Alerts, incidents, handoffs.
		{"GET", "/alerts", may(auth.SeeMeasures).personOnly(), (*site).alertsShow},
		{"POST", "/alerts/:alert/acknowledge", may(auth.AcknowledgeAlert).personOnly(), (*site).alertAcknowledge},
		{"POST", "/alerts/:alert/silence", may(auth.AcknowledgeAlert).personOnly(), (*site).alertSilence},
		{"GET", "/incidents", may(auth.SeeMeasures).personOnly(), (*site).incidentsShow},
		{"GET", "/incidents/:incident", may(auth.SeeMeasures).personOnly(), (*site).incidentShow},
		{"POST", "/incidents/:incident/steps/:position", may(auth.AcknowledgeAlert).personOnly(), (*site).incidentStep},
		{"POST", "/incidents/:incident/handoff", may(auth.OpenHandoff).personOnly(), (*site).incidentHandoff},
		{"GET", "/handoffs", may(auth.SeeHandoffs).personOnly(), (*site).handoffsShow},
		{"GET", "/handoffs/:handoff", may(auth.SeeHandoffs).personOnly(), (*site).handoffShow},
		{"GET", "/handoffs/:handoff/cases", may(auth.SeeHandoffs).personOnly(), (*site).handoffCases},
		{"GET", "/handoffs/:handoff/diff", may(auth.SeeHandoffs).personOnly(), (*site).handoffDiff},
		{"POST", "/handoffs/:handoff/runs", may(auth.OpenHandoff).personOnly(), (*site).handoffRuns},
		{"POST", "/handoffs/:handoff/comments", may(auth.SeeHandoffs).personOnly(), (*site).handoffComment},
		{"GET", "/handoffs/:handoff/sign", may(auth.ApprovePromotion).afterStepUp(), (*site).handoffSignShow},
		{"POST", "/handoffs/:handoff/sign", may(auth.ApprovePromotion).afterStepUp(), (*site).handoffSign},
		{"GET", "/handoffs/:handoff/promote", may(auth.ApprovePromotion).afterStepUp(), (*site).handoffPromoteShow},
		{"POST", "/handoffs/:handoff/promote", may(auth.ApprovePromotion).afterStepUp(), (*site).handoffPromote},
		{"POST", "/handoffs/:handoff/revoke", may(auth.ApprovePromotion).afterStepUp(), (*site).handoffRevoke},
		{"GET", "/handoffs/:handoff/certificate", may(auth.SeeHandoffs).personOnly(), (*site).handoffCertificate},
		{"GET", "/v1/incidents", may(auth.SeeMeasures), (*site).incidentsAPI},
		{"GET", "/v1/incidents/:incident", may(auth.SeeMeasures), (*site).incidentGetAPI},
		{"PUT", "/v1/templates/:template", may(auth.OpenHandoff), (*site).templatePutAPI},
		{"POST", "/v1/handoffs", may(auth.OpenHandoff), (*site).handoffOpenAPI},
		{"GET", "/v1/handoffs/:handoff", may(auth.SeeHandoffs), (*site).handoffGetAPI},
		{"POST", "/v1/handoffs/:handoff/runs", may(auth.OpenHandoff).takesBatches(), (*site).runsAPI},
		{"POST", "/v1/handoffs/:handoff/approvals", may(auth.ApprovePromotion).afterStepUp(), (*site).approvalAPI},
		{"POST", "/v1/handoffs/:handoff/promote", may(auth.ApprovePromotion).afterStepUp(), (*site).promoteAPI},
		{"POST", "/v1/handoffs/:handoff/revoke", may(auth.ApprovePromotion).afterStepUp(), (*site).revokeAPI},
		{"GET", "/v1/handoffs/:handoff/check", may(auth.CheckGate), (*site).checkAPI},
		{"POST", "/v1/handoffs/:handoff/check", may(auth.CheckGate), (*site).checkAPI},
		{"GET", "/v1/handoffs/:handoff/certificate", may(auth.SeeHandoffs), (*site).certificateAPI},

		// Validators.
		{"GET", "/validators", may(auth.SeeMeasures).personOnly(), (*site).validatorsShow},
		{"GET", "/validators/new", may(auth.Configure).personOnly(), (*site).ownNewShow},
		{"POST", "/validators", may(auth.Configure).personOnly(), (*site).ownRegister},
		{"GET", "/validators/own/:own", may(auth.SeeMeasures).personOnly(), (*site).ownShow},
		{"POST", "/validators/own/:own", may(auth.Configure).personOnly(), (*site).ownAct},
		{"POST", "/v1/own-validators", may(auth.Configure), (*site).ownRegisterAPI},
		{"POST", "/v1/own-validators/:own/:act", may(auth.Configure), (*site).ownActAPI},
		{"POST", "/validators/self-test", may(auth.Configure).personOnly(), (*site).validatorsExamine},
		{"GET", "/fixtures", may(auth.SeeMeasures).personOnly(), (*site).fixturesShow},
		{"POST", "/fixtures", may(auth.Configure).personOnly(), (*site).fixtureAdd},
		{"GET", "/fixtures/:fixture", may(auth.SeeMeasures).personOnly(), (*site).fixtureShow},
		{"PUT", "/v1/fixtures/:fixture", may(auth.Configure), (*site).fixturePutAPI},
		{"GET", "/validators/:validator", may(auth.SeeMeasures).personOnly(), (*site).validatorShow},
		{"GET", "/validators/:validator/cases", may(auth.SeeMeasures).personOnly(), (*site).casesShow},
		{"POST", "/validators/judge/count", may(auth.Configure).personOnly(), (*site).judgeCount},
		{"POST", "/validators/:validator/lift", may(auth.Configure).personOnly(), (*site).validatorLift},
		{"POST", "/validators/:validator/arrival", may(auth.Configure).personOnly(), (*site).arrivalSet},
		{"POST", "/validators/:validator/schedules", may(auth.Configure).personOnly(), (*site).scheduleAdd},
		{"POST", "/validator-schedules/:schedule", may(auth.Configure).personOnly(), (*site).scheduleTurn},
		{"GET", "/validators/:validator/rerun", may(auth.Configure).personOnly(), (*site).rerunAskShow},
		{"POST", "/validators/:validator/reruns", may(auth.Configure).personOnly(), (*site).rerunAsk},
		{"GET", "/reruns/:rerun", may(auth.SeeMeasures).personOnly(), (*site).rerunShow},
		{"POST", "/reruns/:rerun", may(auth.Configure).personOnly(), (*site).rerunTurn},
		{"POST", "/v1/validators/:validator/reruns", may(auth.Configure), (*site).rerunAskAPI},
		{"GET", "/v1/reruns/:rerun", may(auth.SeeMeasures), (*site).rerunGetAPI},
		{"POST", "/v1/reruns/:rerun/:act", may(auth.Configure), (*site).rerunTurnAPI},
		{"POST", "/v1/validate", may(auth.Validate), (*site).validateAPI},

		// Audit.
		{"GET", "/audit", may(auth.ReadAudit).personOnly(), (*site).auditShow},
		{"GET", "/audit/consents", may(auth.ReadAudit).personOnly(), (*site).consentsShow},
		{"GET", "/v1/consents", may(auth.ReadAudit), (*site).consentsAPI},
		{"POST", "/v1/consents", keyOnly(auth.SendEvents), (*site).consentsRecord},
		{"POST", "/audit/verify", may(auth.ReadAudit).personOnly(), (*site).auditVerify},
		{"POST", "/audit/export", may(auth.ReadAudit).personOnly(), (*site).auditExport},

		// Events in; sessions.
		{"POST", "/v1/events", keyOnly(auth.SendEvents).takesBatches(), (*site).eventsIngest},
		{"POST", "/", keyOnly(auth.SendEvents).takesBatches(), (*site).clickhouseInsert},
		{"POST", "/v1/traces", keyOnly(auth.SendEvents).takesBatches(), (*site).tracesIngest},
		{"POST", "/v1/logs", keyOnly(auth.SendEvents).takesBatches(), (*site).logsIngest},
		{"POST", "/api/public/otel/v1/traces", keyOnly(auth.SendEvents).takesBatches(), (*site).tracesIngest},
		{"POST", "/api/public/ingestion", keyOnly(auth.SendEvents).takesBatches(), (*site).langfuseIngest},
		{"POST", "/v1/span_annotations", keyOnly(auth.SendEvents).takesBatches(), (*site).annotationsIngest},
		{"POST", "/api/public/scores", keyOnly(auth.SendEvents).takesBatches(), (*site).scoreIngest},
		{"GET", "/v1/sessions", may(auth.SeeSessions), (*site).sessionsAPI},
		{"GET", "/v1/sessions/:session", may(auth.SeeSessions), (*site).sessionAPI},
		{"GET", "/sessions", may(auth.SeeSessions).personOnly(), (*site).sessionsShow},
		{"GET", "/sessions/:session", may(auth.SeeSessions).personOnly(), (*site).sessionShow},
		{"POST", "/sessions/:session/items", may(auth.Configure).personOnly(), (*site).sessionPut},
		{"GET", "/views", may(auth.SeeSessions).personOnly(), (*site).viewsShow},
		{"POST", "/views", may(auth.SeeSessions).personOnly(), (*site).viewSave},
		{"POST", "/views/:view/share", may(auth.SeeSessions).personOnly(), (*site).viewShare},
		{"POST", "/views/:view/unshare", may(auth.SeeSessions).personOnly(), (*site).viewUnshare},
		{"POST", "/views/:view/open", may(auth.SeeSessions).personOnly(), (*site).viewOpen},
		{"POST", "/views/:view/close", may(auth.SeeSessions).personOnly(), (*site).viewClose},
		{"POST", "/views/:view/delete", may(auth.SeeSessions).personOnly(), (*site).viewDelete},
		{"GET", "/deadletters", may(auth.ImportLabels).personOnly(), (*site).deadLettersShow},
		{"POST", "/deadletters/:letter/replay", may(auth.ImportLabels).personOnly(), (*site).deadLetterReplay},
		{"POST", "/deadletters/:letter/replay-alike", may(auth.ImportLabels).personOnly(), (*site).deadLettersReplay},

		// Raw text, with two people.
		{"GET", "/grants", may(auth.SeeReveals).personOnly(), (*site).grantsShow},
		{"POST", "/grants", may(auth.Configure).personOnly(), (*site).grantAsk},
		{"POST", "/grants/:grant/approve", may(auth.ApproveReveal).afterStepUp(), (*site).grantApprove},
		{"POST", "/grants/:grant/end", may(auth.SeeReveals).personOnly(), (*site).grantEnd},
		{"GET", "/reveals", may(auth.SeeReveals).personOnly(), (*site).revealsShow},
		{"GET", "/reveals/new", may(auth.RequestReveal).personOnly(), (*site).revealAskShow},
		{"POST", "/reveals", may(auth.RequestReveal).personOnly(), (*site).revealAsk},
		{"GET", "/reveals/:reveal", may(auth.SeeReveals).personOnly(), (*site).revealShow},
		{"POST", "/reveals/:reveal/approve", may(auth.ApproveReveal).afterStepUp(), (*site).revealApprove},
		{"POST", "/reveals/:reveal/deny", may(auth.ApproveReveal).afterStepUp(), (*site).revealDeny},
		{"POST", "/reveals/:reveal/withdraw", may(auth.RequestReveal).personOnly(), (*site).revealWithdraw},
		{"POST", "/reveals/:reveal/open", may(auth.RequestReveal).afterStepUp(), (*site).revealOpen},

		// Queues, items, labels, guides.
		{"GET", "/queues", may(auth.SeeSessions).personOnly(), (*site).queuesShow},
		{"POST", "/queues/next", may(auth.Label).personOnly(), practisedFirst((*site).queuesNext)},
		{"GET", "/queues/:queue", may(auth.SeeSessions).personOnly(), (*site).queueShow},
		{"GET", "/queues/:queue/settings", may(auth.Configure).personOnly(), (*site).queueSettingsShow},
		{"POST", "/queues/:queue/settings", may(auth.Configure).personOnly(), (*site).queueConfigure},
		{"GET", "/queues/:queue/rules", may(auth.SeeMeasures).personOnly(), (*site).queueRulesShow},
		{"POST", "/queues/:queue/rules", may(auth.Configure).personOnly(), (*site).queueRuleSet},
		{"POST", "/queues/:queue/rules/:rule/retire", may(auth.Configure).personOnly(), (*site).queueRuleRetire},
		{"POST", "/queues/:queue/selections", may(auth.Configure).personOnly(), (*site).selectionMake},
		{"GET", "/selections/:selection", may(auth.Configure).personOnly(), (*site).selectionShow},
		{"POST", "/selections/:selection", may(auth.Configure).personOnly(), (*site).selectionApply},
		{"POST", "/selections/:selection/undo", may(auth.Configure).personOnly(), (*site).selectionUndo},
		{"POST", "/queues/:queue/mix", may(auth.Configure).personOnly(), (*site).queueMixSet},
		{"POST", "/queues/:queue/backfill", may(auth.Configure).personOnly(), (*site).queueBackfill},
		{"POST", "/queues/:queue/discovery", may(auth.Configure).personOnly(), (*site).queueDiscover},
		{"POST", "/queues/:queue/next", may(auth.Label).personOnly(), practisedFirst((*site).queueNext)},
		{"GET", "/labels", may(auth.Label).personOnly(), (*site).mineShow},
		{"GET", "/items/:item", may(auth.Label).personOnly(), (*site).itemShow},
		{"POST", "/items/:item/labels", may(auth.Label).personOnly(), (*site).itemLabel},
		{"POST", "/items/:item/draft", may(auth.Label).personOnly(), (*site).itemDraft},
		{"POST", "/items/:item/reading", may(auth.Label).personOnly(), (*site).itemReading},
		{"POST", "/items/:item/ahead", may(auth.Label).personOnly(), (*site).itemAhead},
		{"POST", "/items/:item/renew", may(auth.Label).personOnly(), (*site).itemRenew},
		{"POST", "/items/:item/later", may(auth.Label).personOnly(), (*site).itemLater},
		{"POST", "/items/:item/skip", may(auth.Label).personOnly(), (*site).itemSkip},
		{"POST", "/items/:item/release", may(auth.Label).personOnly(), (*site).itemRelease},
		{"POST", "/items/:item/undo", may(auth.Label).personOnly(), (*site).itemUndo},
		{"POST", "/items/:item/again", may(auth.Label).personOnly(), (*site).itemAgain},
		{"POST", "/items/:item/discard", may(auth.Label).personOnly(), (*site).itemDiscard},
		{"GET", "/adjudications/next", may(auth.Adjudicate).personOnly(), (*site).adjudicationNext},
		{"GET", "/items/:item/adjudicate", may(auth.Adjudicate).personOnly(), (*site).itemAdjudicateShow},
		{"POST", "/items/:item/adjudicate", may(auth.Adjudicate).personOnly(), (*site).itemAdjudicate},
		{"POST", "/items/:item/another", may(auth.Adjudicate).personOnly(), (*site).itemAskAnother},
		{"GET", "/items/:item/discussion", may(auth.SeeSessions).personOnly(), (*site).itemDiscussShow},
		{"POST", "/items/:item/comments", may(auth.SeeSessions).personOnly(), (*site).itemComment},
		{"POST", "/items/:item/disputes", may(auth.DisputeLabel).personOnly(), (*site).itemDispute},
		{"GET", "/disputes", may(auth.Adjudicate).personOnly(), (*site).disputesShow},
		{"POST", "/disputes/:dispute", may(auth.Adjudicate).personOnly(), (*site).disputeDecide},
		{"GET", "/inbox", signedIn(), (*site).inboxShow},
		{"POST", "/inbox/read", signedIn(), (*site).inboxRead},
		{"GET", "/guides", may(auth.SeeSessions).personOnly(), (*site).guidesShow},
		{"GET", "/guides/:task", may(auth.SeeSessions).personOnly(), (*site).guideShow},
		{"POST", "/guides/:task", may(auth.Configure).personOnly(), (*site).guideRevise},
		{"GET", "/comparisons", may(auth.SeeSessions).personOnly(), (*site).comparisonsShow},
		{"POST", "/comparisons", may(auth.Configure).personOnly(), (*site).comparisonOpen},
		{"GET", "/comparisons/:comparison", may(auth.SeeSessions).personOnly(), (*site).comparisonShow},
		{"GET", "/comparisons/:comparison/export", may(auth.ExportLabels).personOnly(), (*site).comparisonExport},
		{"POST", "/comparisons/:comparison/next", may(auth.Label).personOnly(), (*site).comparisonNext},
		{"GET", "/pairs/:pair", may(auth.Label).personOnly(), (*site).pairShow},
		{"POST", "/pairs/:pair", may(auth.Label).personOnly(), (*site).pairPrefer},
		{"POST", "/pairs/:pair/undo", may(auth.Label).personOnly(), (*site).pairUndo},
		{"GET", "/datasets", may(auth.ExportLabels).personOnly(), (*site).datasetsShow},
		{"POST", "/datasets", may(auth.Configure).personOnly(), (*site).datasetFreeze},
		{"GET", "/datasets/import", may(auth.ImportLabels).personOnly(), (*site).importsShow},
		{"POST", "/datasets/import", may(auth.ImportLabels).personOnly().takesFiles(), (*site).importSubmit},
		{"GET", "/datasets/import/:import", may(auth.ImportLabels).personOnly(), (*site).importShow},
		{"GET", "/datasets/import/:import/report", may(auth.ImportLabels).personOnly(), (*site).importReport},
		{"POST", "/datasets/import/:import/check", may(auth.ImportLabels).personOnly(), (*site).importCheck},
		{"POST", "/datasets/import/:import/agree", may(auth.ImportLabels).personOnly(), (*site).importAgree},
		{"POST", "/datasets/import/:import/cancel", may(auth.ImportLabels).personOnly(), (*site).importCancel},
		{"POST", "/datasets/import/:import/withdraw", may(auth.ImportLabels).personOnly(), (*site).importWithdraw},
		{"GET", "/datasets/exports/:export", may(auth.ExportLabels).personOnly(), (*site).exportDownload},
		{"GET", "/datasets/:dataset", may(auth.ExportLabels).personOnly(), (*site).datasetShow},
		{"POST", "/datasets/:dataset/exports", may(auth.ExportLabels).personOnly(), (*site).datasetExport},
		{"POST", "/datasets/:dataset/retry", may(auth.Configure).personOnly(), (*site).datasetRetry},
		{"POST", "/datasets/exports/:export/retry", may(auth.ExportLabels).personOnly(), (*site).exportRetry},
		{"POST", "/datasets/:dataset/verify", may(auth.ExportLabels).personOnly(), (*site).datasetVerify},
		{"GET", "/v1/queues", may(auth.ReadQueues), (*site).queuesAPI},
		{"GET", "/v1/skills", may(auth.Label), (*site).skillsAPI},
		{"POST", "/v1/queues/:queue/items", may(auth.Configure), (*site).putAPI},
		{"POST", "/v1/queues/:queue/reserve", may(auth.Label), (*site).reserveAPI},
		{"GET", "/v1/queues/:queue/rules", may(auth.SeeMeasures), (*site).rulesAPI},
		{"POST", "/v1/queues/:queue/rules", may(auth.Configure), (*site).ruleSetAPI},
		{"POST", "/v1/queues/:queue/rules/dry-run", may(auth.Configure), (*site).ruleTryAPI},
		{"POST", "/v1/queues/:queue/rules/backfill", may(auth.Configure), (*site).ruleBackfillAPI},
		{"POST", "/v1/queues/:queue/rules/:rule/retire", may(auth.Configure), (*site).ruleRetireAPI},
		{"GET", "/v1/decisions", may(auth.SeeMeasures), (*site).decisionsAPI},
		{"GET", "/v1/items", may(auth.SeeSessions), (*site).itemsAPI},
		{"POST", "/v1/items/:item/labels", may(auth.Label), (*site).labelAPI},
		{"POST", "/v1/items/:item/skip", may(auth.Label), (*site).skipAPI},
		{"POST", "/v1/items/:item/release", may(auth.Label), (*site).releaseAPI},
		{"POST", "/v1/items/:item/renew", may(auth.Label), (*site).renewAPI},
		{"POST", "/v1/items/:item/undo", may(auth.Label), (*site).undoAPI},
		{"GET", "/v1/items/:item/labels", may(auth.SeeSessions), (*site).revisionsAPI},
		{"GET", "/v1/comparisons", may(auth.ReadQueues), (*site).comparisonsAPI},
		{"POST", "/v1/comparisons", may(auth.Configure), (*site).comparisonOpenAPI},
		{"GET", "/v1/comparisons/:comparison", may(auth.ReadQueues), (*site).comparisonAPI},
		{"POST", "/v1/comparisons/:comparison/reserve", may(auth.Label), (*site).pairReserveAPI},
		{"GET", "/v1/comparisons/:comparison/preferences", may(auth.ExportLabels), (*site).preferencesAPI},
		{"POST", "/v1/pairs/:pair/preferences", may(auth.Label), (*site).preferAPI},
		{"POST", "/v1/pairs/:pair/undo", may(auth.Label), (*site).pairUndoAPI},
		{"GET", "/v1/datasets", may(auth.ExportLabels), (*site).datasetsAPI},
		{"POST", "/v1/datasets", may(auth.Configure), (*site).datasetFreezeAPI},
		{"GET", "/v1/datasets/:dataset", may(auth.ExportLabels), (*site).datasetAPI},
		{"POST", "/v1/datasets/:dataset/exports", may(auth.ExportLabels), (*site).datasetExportAPI},
		{"GET", "/v1/exports/:export", may(auth.ExportLabels), (*site).exportAPI},
		{"GET", "/v1/exports/:export/file", may(auth.ExportLabels), (*site).exportDownload},
		{"POST", "/v1/exports/:export/retry", may(auth.ExportLabels), (*site).exportRetryAPI},
		{"GET", "/v1/labels", may(auth.ExportLabels), (*site).labelsAPI},
		{"POST", "/v1/labels/import", may(auth.ImportLabels).takesBatches(), (*site).labelsImportAPI},
		{"GET", "/v1/imports", may(auth.ImportLabels), (*site).importsAPI},
		{"POST", "/v1/imports", may(auth.ImportLabels), (*site).importBeginAPI},
		{"GET", "/v1/imports/:import", may(auth.ImportLabels), (*site).importAPI},
		{"GET", "/v1/imports/:import/report", may(auth.ImportLabels), (*site).importReport},
		{"POST", "/v1/imports/:import/parts", may(auth.ImportLabels).takesBatches(), (*site).importPartAPI},
		{"POST", "/v1/imports/:import/check", may(auth.ImportLabels), (*site).importCheckAPI},
		{"POST", "/v1/imports/:import/agree", may(auth.ImportLabels), (*site).importAgreeAPI},
		{"POST", "/v1/imports/:import/cancel", may(auth.ImportLabels), (*site).importCancelAPI},
		{"POST", "/v1/imports/:import/withdraw", may(auth.ImportLabels), (*site).importWithdrawAPI},

		// The quality of labels.
		{"GET", "/labelers", may(auth.SeeMeasures).personOnly(), (*site).labelersShow},
		{"GET", "/labelers/me", may(auth.SeeOwnWork).personOnly(), (*site).labelerOwn},
		{"GET", "/labelers/:labeler", may(auth.SeeMeasures).personOnly(), (*site).labelerShow},
		{"POST", "/labelers/:labeler/standing", may(auth.Adjudicate).personOnly(), (*site).labelerStanding},
		{"POST", "/labelers/:labeler/exclusion", may(auth.Adjudicate).personOnly(), (*site).labelerExclusion},
		{"GET", "/practice", may(auth.Label).personOnly(), (*site).practiceShow},
		{"POST", "/practice", may(auth.Label).personOnly(), (*site).practiceAnswer},
		{"GET", "/adjudications", may(auth.Adjudicate).personOnly(), (*site).adjudicationsShow},
		{"GET", "/guides/:task/changes", may(auth.SeeSessions).personOnly(), (*site).guideChanges},
		{"GET", "/feedback", may(auth.SeeOwnWork).personOnly(), (*site).feedbackShow},
		{"GET", "/agreement", may(auth.SeeMeasures).personOnly(), (*site).agreementShow},
		{"GET", "/v1/agreement", may(auth.SeeMeasures), (*site).agreementAPI},
		{"GET", "/consensus", may(auth.SeeMeasures).personOnly(), (*site).consensusShow},
		{"GET", "/v1/consensus", may(auth.SeeMeasures), (*site).consensusAPI},
		{"GET", "/gold", may(auth.Adjudicate).personOnly(), (*site).goldShow},
		{"POST", "/gold", may(auth.Adjudicate).personOnly(), (*site).goldMake},
		{"POST", "/gold/:gold/retire", may(auth.Adjudicate).personOnly(), (*site).goldRetire},

		// The machine's side.
		{"GET", "/v1/openapi.json", anyone(), (*site).openapiShow},
		{"GET", "/v1/schemas/event.json", anyone(), (*site).eventSchema},
		{"GET", "/v1/schemas/event.proto", anyone(), (*site).eventProto},
		{"GET", "/livez", anyone(), (*site).livezShow},
		{"GET", "/readyz", anyone(), (*site).readyzShow},
		{"GET", "/static/*", anyone(), (*site).staticShow},
	}
}

// route is one line of the site map. Path is fiber's pattern.
type route struct {
	Method string
	Path   string
	Access access
	Handle func(*site, *fiber.Ctx) error
}

// site is the door at run time; handlers are its methods.
type site struct {
	Config
	Stages
	origin   string // of PublicURL, without a trailing slash
	secure   bool   // PublicURL is https: Secure cookies with the __Host- prefix, HSTS
	limits   *limiter
	requests *requestMetrics
	denied   *denials
	verified verification
	pages    map[string]route // GET routes by path
	assets   ui.Assets
	openapi  []byte
}

func (s *site) now() time.Time {
	if s.Clock != nil {
		return s.Clock()
	}
	return time.Now()
}
