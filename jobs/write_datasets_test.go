package jobs

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/riverqueue/river/rivertype"

	"assay/internal/fault"
)

func TestAJobTellsPeopleOnlyWhenItFailedForTheLastTime(t *testing.T) {
	broken := errors.New(`duplicate key value "somebody's text"`)
	for _, tt := range []struct {
		attempt int
		err     error
		want    string // "" is nothing told
	}{
		{4, nil, ""},
		{3, broken, ""},
		{4, broken, "it broke off 4 times; the log has the reason under job 7."},
		{4, context.DeadlineExceeded, "it took longer than 15 minutes. Choose less at a time."},
		{4, context.Canceled, "the program was stopped while it was at work."},
		{4, fault.Say(fault.Unavailable, "The store is away."), "The store is away."},
	} {
		told := ""
		err := lastly(t.Context(), &rivertype.JobRow{ID: 7, Attempt: tt.attempt, MaxAttempts: 4}, tt.err, func(_ context.Context, why string) error {
			told = why
			return nil
		})
		if told != tt.want || !errors.Is(err, tt.err) || strings.Contains(told, "somebody") {
			t.Errorf("attempt %d, %v: told %q, want %q; %v", tt.attempt, tt.err, told, tt.want, err)
		}
	}
}
