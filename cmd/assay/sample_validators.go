package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/static/sample"
	"assay/telemetry"
	"assay/validators"
)

// ownSample brings the validators that the sample's engineer wrote: one that
// judges, and one whose list is about to run out. A machine without their
// engine keeps them as drafts.
func (m *machine) ownSample(ctx context.Context, engineer auth.Actor) error {
	carriers, err := validators.ReadCanaries(sample.CarrierCanaries)
	if err != nil {
		return err
	}
	if err := m.activateCommitments(ctx, engineer, 1); err != nil {
		return err
	}
	return m.activateSample(ctx, engineer, validators.Own{Name: "carriers", Language: "javascript", Says: "Whether an answer names only carriers that we ship with.",
		Reads: []string{"response"}, WallMS: 10_000, Script: sample.CarrierList(time.Now().Add(carriersLast)), Canaries: carriers}, false)
}

// carriersLast is shorter than the rest of the sample takes to load.
const carriersLast = 12 * time.Second

func (m *machine) activateCommitments(ctx context.Context, engineer auth.Actor, version int) error {
	canaries, err := validators.ReadCanaries(sample.CommitmentCanaries)
	if err != nil {
		return err
	}
	return m.activateSample(ctx, engineer, validators.Own{Name: "commitments", Language: "javascript", Says: "Whether a summary commits to something that what was summarised does not.",
		Reads: []string{"response", "context"}, TaskClasses: []string{"summarization"}, WallMS: 10_000, Script: sample.Commitments(version), Canaries: canaries}, true)
}

func (m *machine) activateSample(ctx context.Context, engineer auth.Actor, o validators.Own, onArrival bool) error {
	kept, err := m.product.validators.Register(ctx, engineer, o)
	if err != nil {
		return fmt.Errorf("register %s of the sample: %w", o.Name, err)
	}
	err = m.product.validators.Activate(ctx, engineer, kept.ID, onArrival)
	if fault.Of(err) == fault.Conflict {
		return nil // no engine, or a machine so slow that the list has run out
	}
	return err
}

// rerunSample judges a week with the first version of the engineer's validator
// and again with the second, puts validators on schedules, and lets the one
// whose list has run out be found out.
func (m *machine) rerunSample(ctx context.Context, engineer auth.Actor) error {
	store := m.product.validators
	if err := m.judgeAgain(ctx, engineer, "commitments", "It is new: what would it have said of the last week?"); err != nil {
		return err
	}
	if err := m.activateCommitments(ctx, engineer, 2); err != nil {
		return err
	}
	if err := m.judgeAgain(ctx, engineer, "commitments", "Version 2 knows renewals and causes too."); err != nil {
		return err
	}
	hours, night := 60, 2*60+30
	for _, s := range []struct {
		validator string
		timing    validators.Timing
		class     string
		share     float64
	}{
		{"text", validators.Timing{AtMinute: &night, Zone: "Europe/Berlin"}, "", 0.1},
		{"commitments", validators.Timing{EveryMinutes: &hours}, "summarization", 1},
		{"carriers", validators.Timing{EveryMinutes: &hours}, "", 1},
	} {
		if _, err := store.AddSchedule(ctx, engineer, s.validator, s.timing, s.class, s.share); err != nil && fault.Of(err) != fault.NotFound {
			return err
		}
	}
	return m.judgeAgain(ctx, engineer, "carriers", "The last week, with the new list of carriers.")
}

// judgeAgain asks for a re-run of the last week and carries it out.
func (m *machine) judgeAgain(ctx context.Context, engineer auth.Actor, name, why string) error {
	store, now := m.product.validators, time.Now()
	r, err := store.AskRerun(ctx, engineer, validators.RerunRequest{Validator: name, Reason: why, Window: validators.Window{From: now.AddDate(0, 0, -7), To: now}}, m.responsesIn)
	if fault.Of(err) == fault.NotFound {
		return nil // a draft
	}
	if err != nil {
		return err
	}
	if err := store.FillRerun(ctx, auth.Product(), r.ID, m.responsesIn); err != nil {
		return err
	}
	for {
		done, err := store.Batch(ctx, auth.Product(), name, m.inputs)
		var suspended validators.Suspended
		if errors.As(err, &suspended) || err == nil && done.Taken == 0 {
			return nil
		}
		if err != nil || done.Troubled > 0 {
			return err
		}
	}
}

// responsesIn lists the responses of a window.
func (m *machine) responsesIn(ctx context.Context, w validators.Window, kinds []string, anyText bool, each func(context.Context, []validators.Subject) error) error {
	return m.product.telemetry.CheckableIn(ctx, auth.Product(), telemetry.CheckableWindow(w), telemetry.Wanted{Kinds: kinds, AnyText: anyText}, func(ctx context.Context, some []telemetry.Checkable) error {
		subjects := make([]validators.Subject, len(some))
		for i, r := range some {
			subjects[i] = validators.Subject{EventID: r.EventID, SessionID: r.SessionID, TaskClass: r.TaskClass, ModelVersion: r.ModelVersion, Kind: r.ArtifactKind}
		}
		return each(ctx, subjects)
	})
}

// inputs reads whole responses.
func (m *machine) inputs(ctx context.Context, events []uuid.UUID) (map[uuid.UUID]validators.Input, error) {
	responses, err := m.product.telemetry.Responses(ctx, auth.Product(), events)
	inputs := map[uuid.UUID]validators.Input{}
	for _, r := range responses {
		if r.Response != "" {
			inputs[r.EventID] = validators.Input{Text: &validators.Text{Prompt: r.Prompt, Response: r.Response, Context: r.Context}, Artifact: r.Artifact}
		}
	}
	return inputs, err
}
