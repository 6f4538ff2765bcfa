package labeling

import (
	"context"
	"time"

	"github.com/google/uuid"

	"assay/internal/auth"
	"assay/telemetry"
)

// Telemetry is what labeling asks of the telemetry store.
type Telemetry interface {
	Response(ctx context.Context, actor auth.Actor, eventID uuid.UUID) (telemetry.Response, error)
	Responses(ctx context.Context, actor auth.Actor, ids []uuid.UUID) ([]telemetry.Response, error)
	ResponsesByRequest(ctx context.Context, actor auth.Actor, requests []telemetry.Request) (map[telemetry.Request]telemetry.Response, error)
	FrameTotals(ctx context.Context, actor auth.Actor, day time.Time) ([]telemetry.FrameTotal, error)
	Flagged(ctx context.Context, actor auth.Actor, from, to time.Time) ([]telemetry.Candidate, error)
	KeptBeyond(ctx context.Context, actor auth.Actor, ids []uuid.UUID, at time.Time) (map[uuid.UUID]bool, error)
	CopyLabels(ctx context.Context, rows []telemetry.LabelRow) error
}
