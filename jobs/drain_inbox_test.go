package jobs

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/riverqueue/river"

	"assay/internal/auth"
	"assay/internal/clickhousetest"
	"assay/internal/fault"
	"assay/internal/postgrestest"
	"assay/telemetry"
)

// gone is a ClickHouse that does not answer.
type gone struct{ driver.Conn }

func (gone) PrepareBatch(context.Context, string, ...driver.PrepareBatchOption) (driver.Batch, error) {
	return nil, errors.New("connection refused")
}

func TestInboxIsDrainedAndAnOutageIsLeftToTheSchedule(t *testing.T) {
	ctx := context.Background()
	conn := clickhousetest.Database(t)
	store := &telemetry.Store{DB: postgrestest.Database(t), Clickhouse: gone{conn}}
	worker := &drainInbox{telemetry: store}
	sender := auth.Actor{Kind: auth.Key, ID: 1, Scopes: []auth.Scope{auth.ScopeIngest}}
	event := `{"event_type":"outcome","session_id":"s","event_time":"` + time.Now().UTC().Format(time.RFC3339) + `"}`
	if _, err := store.Ingest(ctx, sender, []byte(event)); err != nil {
		t.Fatal(err)
	}
	if err := worker.Work(ctx, &river.Job[telemetry.Received]{Args: telemetry.Received{Batch: 1}}); err != nil {
		t.Errorf("a batch's own job does not insist: %v", err)
	}
	if err := worker.Work(ctx, &river.Job[telemetry.Received]{}); fault.Of(err) != fault.Unavailable {
		t.Errorf("the schedule says that the store is away, got %v", err)
	}
	if w, err := store.Waiting(ctx); err != nil || w.Events != 1 {
		t.Errorf("the event waits: %+v, %v", w, err)
	}
	store = &telemetry.Store{DB: store.DB, Clickhouse: conn}
	worker = &drainInbox{telemetry: store}
	if err := worker.Work(ctx, &river.Job[telemetry.Received]{}); err != nil {
		t.Fatal(err)
	}
	if w, err := store.Waiting(ctx); err != nil || w.Events != 0 {
		t.Errorf("the inbox is empty: %+v, %v", w, err)
	}
	if err := (&sweepTelemetry{telemetry: store}).Work(ctx, &river.Job[SweepTelemetry]{}); err != nil {
		t.Error(err)
	}
}
