package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"assay/eval"
	"assay/internal/auth"
	"assay/internal/auth/people"
	"assay/internal/fault"
	"assay/internal/redact"
	"assay/internal/stats"
	"assay/labeling"
	"assay/static/sample"
	"assay/telemetry"
)

// loadSample takes the sample through the product's own methods, as clients
// and people would: events are sent, responses flagged, items labeled under
// their reservations, an incident opened by its policy and handed off. Nothing
// is written past a stage.
func (m *machine) loadSample(ctx context.Context, dir string, out io.Writer) error {
	began := time.Now()
	traffic := sample.Make(began)
	accounts, err := m.sampleAccounts(ctx)
	if err != nil {
		return err
	}
	_, err = m.product.telemetry.SetRedaction(ctx, accounts[auth.Engineer][0], 0, sampleRules, "Where our offices are is nobody's business but ours.")
	if err != nil && fault.Of(err) != fault.Conflict {
		return err
	}
	candidates, err := m.sendSample(ctx, traffic, out)
	if err != nil {
		return err
	}
	if err := m.ownSample(ctx, accounts[auth.Engineer][0]); err != nil {
		return err
	}
	labels, err := m.labelSample(ctx, traffic, candidates, accounts)
	if err != nil {
		return err
	}
	if err := m.product.eval.Evaluate(ctx, auth.Product()); err != nil {
		return err
	}
	if err := m.handOffSample(ctx, dir, accounts); err != nil {
		return err
	}
	if err := m.discussSample(ctx, traffic, accounts); err != nil {
		return err
	}
	if err := m.rerunSample(ctx, accounts[auth.Engineer][0]); err != nil {
		return err
	}
	fmt.Fprintf(out, "assay: %d labels, an incident and its handoff, in %s\n", labels, time.Since(began).Round(100*time.Millisecond))
	return nil
}

// sampleRules are those of redaction that the imagined operator added.
var sampleRules = []redact.Rule{{Name: "SITE", Words: []string{"Rotterdam", "Eindhoven"}}}

// sendSample sends the events and returns the responses that are considered
// for labeling, with their flags.
func (m *machine) sendSample(ctx context.Context, traffic sample.Traffic, out io.Writer) ([]telemetry.Candidate, error) {
	terms := telemetry.OpenTerms
	terms.Historical = true
	loader, err := m.loader(ctx, "the sample", terms)
	if err != nil {
		return nil, err
	}
	lines, err := traffic.JSONLines()
	if err != nil {
		return nil, err
	}
	if err := m.ingest(ctx, loader, bufio.NewReader(bytes.NewReader(lines)), "the sample", out); err != nil {
		return nil, err
	}
	var candidates []telemetry.Candidate
	_, err = m.product.telemetry.Flag(ctx, auth.Product(), time.Now().Add(-time.Hour), time.Now().Add(time.Minute),
		func(_ context.Context, some []telemetry.Candidate) error {
			candidates = append(candidates, some...)
			return nil
		})
	return candidates, err
}

// sampleAccounts are the people the sample acts for: those of the role
// switcher, and two more labelers who cannot sign in.
func (m *machine) sampleAccounts(ctx context.Context) (map[auth.Role][]auth.Actor, error) {
	product := auth.Product()
	for _, n := range []people.New{
		{Email: "noor.haddad@sample.invalid", Name: "Noor Haddad", Roles: []auth.Role{auth.Labeler}},
		{Email: "piet.maes@sample.invalid", Name: "Piet Maes", Roles: []auth.Role{auth.Labeler}},
	} {
		if _, err := m.product.people.Add(ctx, product, n); err != nil && fault.Of(err) != fault.Conflict {
			return nil, err
		}
	}
	list, err := m.product.people.List(ctx, product)
	if err != nil {
		return nil, err
	}
	accounts := map[auth.Role][]auth.Actor{}
	for _, p := range list {
		actor := auth.Actor{Kind: auth.Person, ID: p.ID, Name: p.Name, Roles: p.Roles, SteppedUp: time.Now()}
		for _, role := range p.Roles {
			accounts[role] = append(accounts[role], actor)
		}
		if skills, set := sampleSkills[p.Name]; set {
			if err := m.product.labeling.SetSkills(ctx, product, p.ID, skills); err != nil {
				return nil, err
			}
		}
	}
	return accounts, nil
}

// sampleSkills are what two of the labelers can judge; the others, everything.
var sampleSkills = map[string]labeling.Skills{
	"Noor Haddad": {Languages: []string{"ar", "en"}},
	"Piet Maes":   {TaskClasses: []string{"spreadsheet_formula", "sql_query", "code_generation", "summarization"}, Languages: []string{"en", "nl"}},
}

// A day of the sample's labelers: everything that is flagged, and some of the
// answers that nobody complained of.
const randomLabelsADay = 20

// labelSample replays thirty working days: the responses of a day enter the
// queues, then the labelers work with the truth at hand, all at once.
func (m *machine) labelSample(ctx context.Context, traffic sample.Traffic, candidates []telemetry.Candidate, accounts map[auth.Role][]auth.Actor) (int, error) {
	truth := map[string]sample.Truth{}
	for _, t := range traffic.Truths {
		truth[t.EventID] = t
	}
	days := map[time.Time][]telemetry.Candidate{}
	for _, c := range candidates {
		day := c.EffectiveTime.UTC().Truncate(24 * time.Hour)
		days[day] = append(days[day], c)
	}
	total := 0
	for i, day := range slices.SortedFunc(maps.Keys(days), time.Time.Compare) {
		if _, err := m.product.labeling.Consider(ctx, auth.Product(), days[day]); err != nil {
			return total, err
		}
		quota := randomLabelsADay
		for _, c := range days[day] {
			if len(c.Flags) > 0 {
				quota++
			}
		}
		n, err := m.labelDay(ctx, truth, accounts[auth.Labeler], day, quota)
		if total += n; err != nil {
			return total, err
		}
		if i%4 == 3 && i < len(days)-14 { // what the last days left is there to be decided
			if err := m.reviewSample(ctx, truth, accounts[auth.Reviewer][0]); err != nil {
				return total, err
			}
		}
	}
	return total, nil
}

func (m *machine) labelDay(ctx context.Context, truth map[string]sample.Truth, labelers []auth.Actor, day time.Time, quota int) (int, error) {
	var working sync.WaitGroup
	done, trouble := make([]int, len(labelers)), make([]error, len(labelers))
	for i, labeler := range labelers {
		share := quota / len(labelers)
		if i < quota%len(labelers) {
			share++
		}
		working.Go(func() { done[i], trouble[i] = m.labelAs(ctx, labeler, truth, i, day, share) })
	}
	working.Wait()
	total := 0
	for _, n := range done {
		total += n
	}
	return total, errors.Join(trouble...)
}

// erring is the share of items on which each of the sample's labelers takes
// the neighbouring label.
var erring = []float64{.03, .06, .04, .07}

func (m *machine) labelAs(ctx context.Context, labeler auth.Actor, truth map[string]sample.Truth, place int, day time.Time, quota int) (int, error) {
	at := day.Add(time.Duration(7+place) * time.Hour)
	for n := range quota {
		_, reservation, err := m.product.labeling.Start(ctx, labeler)
		if errors.Is(err, labeling.ErrNothingFree) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		item, err := m.product.labeling.Item(ctx, labeler, reservation.ItemID)
		if err != nil {
			return n, err
		}
		known := truth[item.EventID.String()]
		answer := labeling.Answer{Label: known.Label, Correction: known.Correction}
		if answer.Label == "" {
			answer.Label = "cannot_tell"
		}
		chance := stats.HashUniform(labeler.Name, item.EventID.String())
		if chance < erring[place%len(erring)] {
			answer.Label = neighbour[answer.Label]
		}
		explain(&answer, item, known)
		took := time.Duration(18+chance*55) * time.Second
		at = at.Add(took + 4*time.Second)
		given := labeling.Given{At: at, Took: took}
		if soonest := item.EventTime.Add(took + 10*time.Minute); at.Before(soonest) {
			given.At = soonest // nobody judges an answer before it was given
		}
		if now := time.Now(); given.At.After(now) {
			given.At = now
		}
		if _, err := m.product.labeling.SubmitGiven(ctx, labeler, item.ID, reservation.Token, uuid.NewString(), answer, given); err != nil {
			return n, fmt.Errorf("label item %d of the sample: %w", item.ID, err)
		}
	}
	return quota, nil
}

// explain gives a label that finds fault its reason, its span and a note, as a
// labeler would.
func explain(answer *labeling.Answer, item labeling.Item, known sample.Truth) {
	if answer.Label != "partially_correct" && answer.Label != "hallucinated" {
		answer.Correction = ""
		return
	}
	for _, reason := range known.Reasons {
		if slices.Contains(item.Queue.Reasons, reason) {
			answer.Reasons = append(answer.Reasons, reason)
		}
	}
	if len(answer.Reasons) == 0 {
		answer.Reasons = item.Queue.Reasons[:1]
	}
	answer.Note = noted[answer.Label]
	first, _, found := strings.Cut(item.Snapshot.Response, ". ")
	if answer.Label == "hallucinated" && found {
		answer.Spans = []labeling.Span{{Start: 0, End: len([]rune(first)) + 1}}
	}
}

// noted is what the sample's labelers write beside a label.
var noted = map[string]string{
	"partially_correct": "Usable, but one part of it is not what was asked.",
	"hallucinated":      "Stated as fact; nothing given to it says so.",
}

// neighbour is the label that is mistaken for another.
var neighbour = map[string]string{"correct": "partially_correct", "partially_correct": "hallucinated", "hallucinated": "correct", "cannot_tell": "correct"}

// reviewSample has the reviewer decide where labelers differ, and make gold of
// what is known.
func (m *machine) reviewSample(ctx context.Context, truth map[string]sample.Truth, reviewer auth.Actor) error {
	store := m.product.labeling
	for {
		id, err := store.NextDisagreement(ctx, reviewer, "")
		if fault.Of(err) == fault.NotFound {
			break
		}
		if err != nil {
			return err
		}
		d, err := store.Disagreement(ctx, reviewer, id)
		if err != nil {
			return err
		}
		label := cmp.Or(truth[d.Item.EventID.String()].Label, "cannot_tell")
		if _, err := store.Adjudicate(ctx, reviewer, id, label, explained[label]); err != nil {
			return err
		}
	}
	candidates, err := store.GoldCandidates(ctx, reviewer, 1)
	if err != nil {
		return err
	}
	for _, c := range candidates {
		if _, err := store.MakeGold(ctx, reviewer, c.ItemID, cmp.Or(c.Reason, explained[c.Label])); err != nil {
			return err
		}
	}
	return nil
}

// explained is what the sample's reviewer says of a label.
var explained = map[string]string{
	"correct":           "Everything it states is in what was given to it, and it does what was asked. A shorter answer would not have been more right.",
	"partially_correct": "The main result holds; one part of it is missing or not supported, and a careful reader would notice before acting on it.",
	"hallucinated":      "It states something as fact that nothing given to it supports, and somebody would act on it.",
	"cannot_tell":       "What was kept of the session does not say enough to decide.",
}

// handOffSample opens the handoff of the incident and uploads the first part
// of the results; the whole file lies in the data directory, for whoever wants
// to open the gate.
func (m *machine) handOffSample(ctx context.Context, dir string, accounts map[auth.Role][]auth.Actor) error {
	engineer := accounts[auth.Engineer][0]
	store := m.product.eval
	for id, text := range sample.Templates {
		if _, err := store.PutTemplate(ctx, engineer, id, text, nil); err != nil {
			return err
		}
	}
	incidents, err := store.Incidents(ctx, engineer, 1)
	if err != nil {
		return err
	}
	if len(incidents) == 0 {
		return errors.New("the sample's unsafe claims opened no incident")
	}
	handoff, err := store.Open(ctx, engineer, eval.HandoffRequest{
		IncidentID: &incidents[0].ID, CandidateTemplateID: sample.CandidateTemplate, BaselineTemplateID: sample.BaselineTemplate,
		RequiredMetric: sample.RequiredMetric, HoldoutMin: sample.HoldoutMinimum,
	})
	if err != nil {
		return err
	}
	err = store.Comment(ctx, engineer, handoff.ID, "The regression template let the model state a delivery time when the feed had only a scan. "+
		"v1.2 restores the rule “no estimate without a carrier event” and asks for a citation.")
	if err != nil {
		return err
	}
	results := sample.Runs(handoff.Contract.RegressionCases)
	if err := os.WriteFile(filepath.Join(dir, "results.jsonl"), jsonLines(results), 0o644); err != nil {
		return err
	}
	upload, err := store.UploadRuns(ctx, engineer, handoff.ID, bytes.NewReader(jsonLines(sample.Partial(results))))
	if err == nil && len(upload.Rejected) > 0 {
		err = fmt.Errorf("the sample's results were refused: %v", upload.Rejected[0])
	}
	if err != nil {
		return err
	}
	return m.otherHandoffs(ctx, accounts)
}

// otherHandoffs show how a gate ends: one candidate that failed, one that was
// promoted, one that waits for signatures.
func (m *machine) otherHandoffs(ctx context.Context, accounts map[auth.Role][]auth.Actor) error {
	engineer, managers, store := accounts[auth.Engineer][0], accounts[auth.ReleaseManager], m.product.eval
	for _, plan := range []struct {
		failing, candidate string
		unsafe             bool
		sign               int
	}{
		{"sql-answerer-v11", "sql-answerer-v12", true, 0},
		{"editor-agent-v8", "editor-agent-v9", false, len(managers)},
		{"sheet-answerer-v4", "sheet-answerer-v5", false, 0},
	} {
		h, err := store.Open(ctx, engineer, eval.HandoffRequest{FailingTemplateID: plan.failing, CandidateTemplateID: plan.candidate,
			RequiredMetric: sample.RequiredMetric, RegressionCases: []string{"first-report", "second-report"}})
		if err != nil {
			return err
		}
		results := sample.Clean(h.Contract.RegressionCases, h.HoldoutNeeded, plan.unsafe)
		if _, err := store.UploadRuns(ctx, engineer, h.ID, bytes.NewReader(jsonLines(results))); err != nil {
			return err
		}
		if plan.sign < eval.ApprovalsNeeded {
			continue
		}
		if err := m.signSample(ctx, h.ID, managers); err != nil {
			return err
		}
	}
	return nil
}

func (m *machine) signSample(ctx context.Context, id int64, managers []auth.Actor) error {
	h, err := m.product.eval.Handoff(ctx, managers[0], id)
	if err != nil {
		return err
	}
	for _, manager := range managers[:eval.ApprovalsNeeded] {
		for _, window := range []eval.WindowName{eval.Regression, eval.Holdout} {
			if _, err := m.product.eval.Runs(ctx, manager, id, window, 500); err != nil {
				return err
			}
		}
		if _, err := m.product.eval.Approve(ctx, manager, id, h.EvidenceHash, "Part of the sample."); err != nil {
			return err
		}
	}
	_, err = m.product.eval.Promote(ctx, managers[0], id)
	return err
}

func jsonLines(events []sample.Event) []byte {
	var lines strings.Builder
	encoder := json.NewEncoder(&lines)
	for _, e := range events {
		encoder.Encode(e)
	}
	return []byte(lines.String())
}
