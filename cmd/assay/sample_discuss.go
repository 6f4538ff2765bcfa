package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"assay/internal/auth"
	"assay/labeling"
	"assay/static/sample"
)

// discussSample freezes a dataset, holds two versions against each other, takes
// in labels made elsewhere, asks for a reading grant, and lets the engineer
// object to a label and ask a reviewer about another, so that those pages have
// something to show.
func (m *machine) discussSample(ctx context.Context, traffic sample.Traffic, accounts map[auth.Role][]auth.Actor) error {
	for _, part := range []func(context.Context, sample.Traffic, map[auth.Role][]auth.Actor) error{m.compareSample, m.importSample, m.grantSample} {
		if err := part(ctx, traffic, accounts); err != nil {
			return err
		}
	}
	engineer := accounts[auth.Engineer][0]
	if err := m.instructSample(ctx, engineer); err != nil {
		return fmt.Errorf("instruct those who label the sample: %w", err)
	}
	if _, err := m.product.labeling.Freeze(ctx, engineer, "Formula answers, thirty days", labeling.DatasetFilter{Queue: "spreadsheet_formula"}); err != nil {
		return fmt.Errorf("freeze the sample's dataset: %w", err)
	}
	records, err := m.product.labeling.Records(ctx, engineer, labeling.LabelFilter{Queue: "spreadsheet_formula", Label: "hallucinated", Limit: 2})
	if err != nil || len(records) < 2 {
		return err
	}
	if err := m.product.labeling.Dispute(ctx, engineer, records[0].ID, "The sum that the response states is the one the formula gives. Was another sheet open?"); err != nil {
		return fmt.Errorf("dispute a label of the sample: %w", err)
	}
	words := "Does the guide count a wrong rounding here?"
	if reviewers := accounts[auth.Reviewer]; len(reviewers) > 0 {
		words = "@" + reviewers[0].Name + ", does the guide count a wrong rounding here?"
	}
	return m.product.labeling.Comment(ctx, engineer, records[1].ItemID, words, nil)
}

// pairsEach is how many pairs each of the sample's comparing labelers reads.
const pairsEach = 9

// compareSample has two labelers say which of two versions answers formulas
// better; they prefer what is more right.
func (m *machine) compareSample(ctx context.Context, traffic sample.Traffic, accounts map[auth.Role][]auth.Actor) error {
	store, engineer := m.product.labeling, accounts[auth.Engineer][0]
	one, err := store.Compare(ctx, engineer, "Formulas, 2.1 against 2.2", "spreadsheet_formula", "assist-2.1", "assist-2.2", 2)
	if err != nil {
		return fmt.Errorf("compare two versions of the sample: %w", err)
	}
	grave := map[string]int{}
	for _, t := range traffic.Truths {
		grave[t.EventID] = map[string]int{"partially_correct": 1, "hallucinated": 2}[t.Label]
	}
	for _, labeler := range accounts[auth.Labeler][:2] {
		for range pairsEach {
			id, err := store.ReservePair(ctx, labeler, one.Slug)
			if errors.Is(err, labeling.ErrNothingFree) {
				break
			}
			if err != nil {
				return fmt.Errorf("reserve a pair of the sample: %w", err)
			}
			pair, err := store.Pair(ctx, labeler, id)
			if err != nil {
				return err
			}
			side := "equal"
			switch left, right := grave[pair.Left.EventID.String()], grave[pair.Right.EventID.String()]; {
			case left < right:
				side = "a"
			case right < left:
				side = "b"
			}
			if err := store.Prefer(ctx, labeler, id, pair.Token, uuid.NewString(), side); err != nil {
				return fmt.Errorf("compare pair %d of the sample: %w", id, err)
			}
		}
	}
	return nil
}

// importedLabels is how many labels of another tool the sample takes in.
const importedLabels = 12

// importSample takes in what two people said in another tool of the oldest
// summaries.
func (m *machine) importSample(ctx context.Context, traffic sample.Traffic, accounts map[auth.Role][]auth.Actor) error {
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	n := 0
	for _, t := range traffic.Truths {
		if t.TaskClass != "summarization" || t.Label == "" || !t.Readable || n == importedLabels {
			continue
		}
		n++
		for i, name := range []string{"Rosa Lindqvist", "Emeka Obi"} {
			label := t.Label
			if n == 5 && i == 1 {
				label = neighbour[label]
			}
			if err := encoder.Encode(map[string]any{"event_id": t.EventID, "label": label, "labeler": name, "labeled_at": t.Time.Add(26 * time.Hour)}); err != nil {
				return err
			}
		}
	}
	engineer := accounts[auth.Engineer][0]
	if err := m.importSampleFile(ctx, engineer, "second-opinions.jsonl", lines.Bytes(), true); err != nil {
		return err
	}
	return m.importSampleFile(ctx, engineer, "label-studio-export.json", studioFile(traffic), false)
}

// importSampleFile brings a file in, and takes it up if agreed.
func (m *machine) importSampleFile(ctx context.Context, engineer auth.Actor, name string, text []byte, agreed bool) error {
	store := m.product.labeling
	begun, err := store.BeginImport(ctx, engineer, name, "")
	if err != nil {
		return fmt.Errorf("import %s of the sample: %w", name, err)
	}
	steps := []func() error{
		func() error { return store.AddPart(ctx, engineer, begun.ID, 0, text) },
		func() error { return store.CheckImport(ctx, engineer, begun.ID, nil) },
		func() error { return store.Check(ctx, auth.Product(), begun.ID) },
	}
	if agreed {
		steps = append(steps, func() error { return store.AgreeToImport(ctx, engineer, begun.ID) },
			func() error {
				if err := store.TakeUp(ctx, auth.Product(), begun.ID); !errors.Is(err, labeling.ErrAtWork) {
					return err
				}
				return nil // a worker was faster
			})
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("import %s of the sample: %w", name, err)
		}
	}
	return nil
}

// studioFile is an export of Label Studio that waits for a person to say what
// its answers mean.
func studioFile(traffic sample.Traffic) []byte {
	type result map[string]any
	var tasks []map[string]any
	for i, t := range traffic.Truths {
		if t.TaskClass != "sql_query" || t.Label == "" || !t.Readable {
			continue
		}
		verdict := map[string]string{"correct": "Good", "partially_correct": "So-so", "hallucinated": "Hallucinated", "cannot_tell": "Unsure"}[t.Label]
		tasks = append(tasks, map[string]any{
			"id": i + 1, "data": map[string]any{"event_id": t.EventID},
			"annotations": []any{map[string]any{
				"completed_by": map[string]any{"id": 1 + i%2, "email": []string{"noor@example.org", "pavel@example.org"}[i%2]}, "updated_at": t.Time.Add(30 * time.Hour), "lead_time": 21.5,
				"result": []result{
					{"from_name": "verdict", "type": "choices", "value": result{"choices": []string{verdict}}},
					{"from_name": "stars", "type": "rating", "value": result{"rating": 1 + i%5}},
				},
			}},
		})
		if len(tasks) == 30 {
			break
		}
	}
	text, _ := json.Marshal(tasks) // strings and numbers: never fails
	return text
}

// instructSample says to those who label formulas what this queue is about.
func (m *machine) instructSample(ctx context.Context, engineer auth.Actor) error {
	queue, err := m.product.labeling.Queue(ctx, engineer, "spreadsheet_formula")
	if err != nil {
		return err
	}
	set := queue.Settings()
	set.Instructions = "Check the stated number first: most of what users sent back had the right formula and a wrong result beside it."
	return m.product.labeling.Configure(ctx, engineer, queue, set)
}

// grantSample asks that one labeler may read a queue's unredacted text; one of
// two has agreed.
func (m *machine) grantSample(ctx context.Context, _ sample.Traffic, accounts map[auth.Role][]auth.Actor) error {
	store := m.product.labeling
	engineer, managers := accounts[auth.Engineer][0], accounts[auth.ReleaseManager]
	err := store.RequestGrant(ctx, engineer, "summarization", "Names were redacted from the sources: whether a summary confuses two people cannot be told without them.",
		[]int64{accounts[auth.Labeler][0].ID}, time.Now().Add(48*time.Hour))
	if err != nil {
		return fmt.Errorf("ask for a reading grant of the sample: %w", err)
	}
	grants, err := store.ReadingGrants(ctx, engineer)
	if err != nil || len(grants) == 0 || len(managers) == 0 {
		return err
	}
	return store.ApproveGrant(ctx, managers[0], grants[0].ID)
}
