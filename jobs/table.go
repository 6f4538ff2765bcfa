package jobs

import (
	"time"

	"assay/eval"
	"assay/internal/audit"
	"assay/internal/auth/people"
	"assay/internal/postgres"
	"assay/internal/retention"
	"assay/internal/vault"
	"assay/labeling"
	"assay/telemetry"
	"assay/validators"
)

// Stages are what the workers call.
type Stages struct {
	Telemetry  *telemetry.Store
	Labeling   *labeling.Store
	Validators *validators.Store
	Eval       *eval.Store
	Audit      *audit.Log
	People     *people.Register
	Vault      *vault.Vault
	DB         postgres.DB
	Retention  *retention.Register
}

// table is all that happens by itself, in the order a datum travels.
func table(s Stages) []job {
	return []job{
		every(drainEach, telemetry.Received{}, "move what was acknowledged into the telemetry store", &drainInbox{telemetry: s.Telemetry}),
		every(sweepEach, SweepTelemetry{}, "open the inbox's days to come and drop those that are over", &sweepTelemetry{telemetry: s.Telemetry}),
		every(countDaysEach, CountDays{}, "count the days in which something landed", &countDays{telemetry: s.Telemetry}),
		every(compareDaysEach, CompareDays{}, "compare the totals of days with their events and put right what differs", &compareDays{telemetry: s.Telemetry}),
		every(time.Minute, telemetry.Landed{}, "flag the responses of what landed and fill the queues", &flagResponses{telemetry: s.Telemetry, labeling: s.Labeling}),
		on("put traces in order that were named late, or whose text came apart", &gatherTraces{telemetry: s.Telemetry, labeling: s.Labeling}),
		on("apply rules to what came before them", &backfillRules{labeling: s.Labeling}),
		every(validateEach, ValidateResponses{}, "put what landed before the validators and let them judge", &validateResponses{telemetry: s.Telemetry, validators: s.Validators}),
		every(runSchedulesEach, RunSchedules{}, "run the validators' schedules that are due", &runSchedules{telemetry: s.Telemetry, validators: s.Validators}),
		on("put the responses of a re-run before its validator", &fillRerun{telemetry: s.Telemetry, validators: s.Validators}),
		every(copyVerdictsEach, validators.Validated{}, "copy verdicts to the telemetry store", &copyVerdicts{telemetry: s.Telemetry, validators: s.Validators}),
		every(sweepVerdictsEach, SweepVerdicts{}, "forget old trials of canaries that were right", &sweepVerdicts{validators: s.Validators}),
		every(expireEach, ExpireReservations{}, "give back what closed laptops hold", &expireReservations{labeling: s.Labeling}),
		every(callThirdsEach, CallThirds{}, "call a third labeler where two agree and are not to be relied on", &callThirds{labeling: s.Labeling}),
		every(watchLabelersEach, WatchLabelers{}, "serve more gold to whom signals make look unusual, and read again what they say", &watchLabelers{labeling: s.Labeling}),
		on("make again what rests on labels that are left out, or that count again", &replayExclusions{labeling: s.Labeling}),
		every(copyLabelsEach, labeling.Submitted{}, "copy labels to the telemetry store", &copyLabels{labeling: s.Labeling}),
		on("freeze the versions of datasets", &freezeDatasets{labeling: s.Labeling}),
		on("write the files of frozen versions", &writeExports{labeling: s.Labeling}),
		on("read files of labels made elsewhere and say what would become of them", &checkImports{labeling: s.Labeling}),
		on("take up the files of labels that a person agreed to", &takeImports{labeling: s.Labeling}),
		on("take the labels of a withdrawn import back", &withdrawImports{labeling: s.Labeling}),
		every(time.Hour, ExpireExports{}, "empty exported files whose link has run out, and files that nobody imports", &expireExports{labeling: s.Labeling}),
		every(closeFramesEach, CloseFrames{}, "count the frames and write their probabilities", &closeFrames{labeling: s.Labeling}),
		on("weigh the policies when gate traces arrive", &evaluateOnTraces{eval: s.Eval}),
		every(2*time.Second, SequenceAudit{}, "give committed audit entries their place in the tree", &sequenceAudit{audit: s.Audit}),
		every(10*time.Minute, SignCheckpoints{}, "sign the audit tree, once an hour and once a day", &signCheckpoints{audit: s.Audit}),
		every(expireRevealsEach, ExpireReveals{}, "end looks at raw text whose time has run out", &expireReveals{telemetry: s.Telemetry}),
		every(adaptCaptureEach, AdaptCapture{}, "let the share of kept text, and of what people read, follow what is seen of each task class", &adaptCapture{telemetry: s.Telemetry, labeling: s.Labeling, eval: s.Eval}),
		every(runRetentionEach, RunRetention{}, "end the text, and later the rows, whose time is over, and sign what was removed", &runRetention{retention: s.Retention}),
		on("erase a person whose erasure was confirmed, and sign what was removed", &erasePerson{retention: s.Retention}),
		every(keepVaultEach, KeepVault{}, "shred raw text that is past its time and wrap the rest with the newest key", &keepVault{vault: s.Vault}),
		every(sweepPeopleEach, SweepPeople{}, "forget sign-ins, links and failures that no longer count", &sweepPeople{people: s.People}),
		every(forgetAnswersEach, ForgetAnswers{}, "delete the answers of old Idempotency-Keys", &forgetAnswers{db: s.DB}),
		every(evaluateEach, EvaluatePolicies{}, "weigh the policies on the window that ends now", &evaluatePolicies{eval: s.Eval}),
	}
}
