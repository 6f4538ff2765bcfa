package labeling

import (
	"context"
	"sync"
	"time"
)

// kept is a figure counted over a whole queue, kept for a while because sixty
// labelers ask for it at once. One that has aged is given out once more while
// it is counted anew; one that is far too old is waited for.
type kept[T any] struct {
	mu      sync.Mutex
	value   T
	at      time.Time
	took    time.Duration
	loading bool
}

const (
	tooOld       = 10  // times the age at which a figure is counted anew
	countsAtMost = 200 // of a queue's time at most 1/200 goes into counting it
	countingEnds = 30 * time.Second
)

// use gives the value, at most about so old, to with, under a lock. behind
// says that counting may go on beside the caller.
func (k *kept[T]) use(ctx context.Context, age time.Duration, behind bool, load func(context.Context) (T, error), with func(*T)) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	since := time.Since(k.at)
	fresh := max(age, countsAtMost*k.took)
	due := age == 0 || since >= fresh
	switch {
	case !due || k.loading:
	case k.at.IsZero() || !behind || since >= tooOld*fresh:
		if err := k.load(ctx, load); err != nil {
			return err
		}
	default:
		k.loadBehind(ctx, load)
	}
	with(&k.value)
	return nil
}

// loadBehind counts beside the caller, who holds the lock.
func (k *kept[T]) loadBehind(ctx context.Context, load func(context.Context) (T, error)) {
	k.loading = true
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), countingEnds)
		defer cancel()
		started := time.Now()
		value, err := load(ctx)
		k.mu.Lock()
		defer k.mu.Unlock()
		k.loading = false
		if err == nil { // otherwise the next one to ask tries again
			k.value, k.at, k.took = value, time.Now(), time.Since(started)
		}
	}()
}

// move changes a value that was counted before, until it is counted anew.
func (k *kept[T]) move(by func(*T)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.at.IsZero() {
		by(&k.value)
	}
}

// firstBehind reports that nothing is counted yet, and has that done beside the
// caller: the first count over a long queue takes seconds that no labeler
// should wait.
func (k *kept[T]) firstBehind(ctx context.Context, load func(context.Context) (T, error)) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.at.IsZero() {
		return false
	}
	if !k.loading {
		k.loadBehind(ctx, load)
	}
	return true
}

func (k *kept[T]) load(ctx context.Context, load func(context.Context) (T, error)) error {
	started := time.Now()
	value, err := load(ctx)
	if err != nil {
		return err
	}
	k.value, k.at, k.took = value, time.Now(), time.Since(started)
	return nil
}
