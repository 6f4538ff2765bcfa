package telemetry

import (
	"context"

	"assay/internal/auth"
)

const (
	inboxDays  = 14 // for how long drained batches stay, to rebuild ClickHouse from
	letterDays = 90
)

// Swept says what one sweep removed.
type Swept struct {
	Days    int
	Letters int64
}

// Sweep opens the days to come, drops drained days of the inbox after 14 and
// ids after 35, and old dead letters. Once a day is often enough; twice
// changes nothing.
func (s *Store) Sweep(ctx context.Context, actor auth.Actor) (Swept, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return Swept{}, err
	}
	now := s.now()
	if err := s.openDays(ctx, now); err != nil {
		return Swept{}, err
	}
	var swept Swept
	err := s.DB.QueryRow(ctx, `SELECT drop_inbox_days($1, $2)`,
		day(now).AddDate(0, 0, -inboxDays), day(now).AddDate(0, 0, -idDays)).Scan(&swept.Days)
	if err != nil {
		return Swept{}, err
	}
	tag, err := s.DB.Exec(ctx, `DELETE FROM dead_letters WHERE at < $1`, now.AddDate(0, 0, -letterDays))
	swept.Letters = tag.RowsAffected()
	return swept, err
}
