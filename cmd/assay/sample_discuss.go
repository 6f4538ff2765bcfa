package main

import (
	"context"
	"fmt"

	"assay/internal/auth"
	"assay/labeling"
)

// discussSample freezes a dataset, and lets the engineer object to a label and
// ask a reviewer about another, so that those pages have something to show.
func (m *machine) discussSample(ctx context.Context, accounts map[auth.Role][]auth.Actor) error {
	engineer := accounts[auth.Engineer][0]
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
