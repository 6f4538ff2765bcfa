package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"assay/internal/auth"
	"assay/internal/vault"
)

const keepVaultEach = 6 * time.Hour

// KeepVault shreds raw text that is past its time and, after a rotation, wraps
// what lives with the new key.
type KeepVault struct{}

// Kind names the job; it is never renamed.
func (KeepVault) Kind() string { return "jobs.keep_vault" }

type keepVault struct {
	river.WorkerDefaults[KeepVault]
	vault *vault.Vault
}

// Timeout is long for the first run after a rotation.
func (w *keepVault) Timeout(*river.Job[KeepVault]) time.Duration { return 30 * time.Minute }

func (w *keepVault) Work(ctx context.Context, _ *river.Job[KeepVault]) error {
	if w.vault == nil {
		return nil
	}
	if _, err := w.vault.ShredExpired(ctx, auth.Product()); err != nil {
		return err
	}
	_, err := w.vault.Rewrap(ctx, auth.Product())
	return err
}
