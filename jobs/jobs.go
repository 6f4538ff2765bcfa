// Package jobs is everything the product does with nobody waiting: what
// follows from something that happened, and what happens on a schedule. The
// table below is all of it.
package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"
)

// The queues. Draining has a worker of its own, so that nothing keeps events from
// becoming readable; flagging has one; validators have few, since each may take
// a lot of memory.
const (
	queueDefault    = river.QueueDefault
	queueIngest     = "ingest" // telemetry.Received
	queueFlag       = "flag"   // telemetry.Landed
	queueValidators = "validators"
)

// job is one row of the table: a worker, and when it runs by itself.
type job struct {
	says     string // what it does, for the page of jobs and for the reader
	register func(*river.Workers)
	schedule *river.PeriodicJob
}

// on is a job that follows from what a stage said happened.
func on[T river.JobArgs](says string, worker river.Worker[T]) job {
	return job{says: says, register: func(w *river.Workers) { river.AddWorker(w, worker) }}
}

// every is a job that also runs on a schedule, with the given arguments, once
// at a time.
func every[T river.JobArgs](period time.Duration, args T, says string, worker river.Worker[T]) job {
	j := on(says, worker)
	j.schedule = river.NewPeriodicJob(
		river.PeriodicInterval(period),
		func() (river.JobArgs, *river.InsertOpts) {
			return args, &river.InsertOpts{MaxAttempts: 3, UniqueOpts: river.UniqueOpts{
				ByArgs:  true,
				ByState: []rivertype.JobState{rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable, rivertype.JobStateRunning, rivertype.JobStateScheduled},
			}}
		},
		&river.PeriodicJobOpts{RunOnStart: true})
	return j
}

// Inserter makes the client handed to stages: it can insert a job in a
// caller's transaction and nothing else.
func Inserter(pool *pgxpool.Pool) (*river.Client[pgx.Tx], error) {
	return river.NewClient(riverpgxv5.New(pool), &river.Config{})
}

// Resume gives the jobs of a worker that was killed back at once. Only a
// program that knows itself to be the only one may say so; among several, a
// lost job is found by its age.
func Resume(ctx context.Context, pool *pgxpool.Pool) error {
	_, err := pool.Exec(ctx, `
		UPDATE river_job
		SET state = 'available', scheduled_at = now()
		WHERE state = 'running'`)
	return err
}

// Start begins to work the table and returns a function that stops it: it
// waits for running jobs until its context ends. A job whose worker was killed
// is rescued after two minutes; kinds that may run longer say so by their
// Timeout.
func Start(ctx context.Context, pool *pgxpool.Pool, stages Stages, log *slog.Logger) (stop func(context.Context) error, err error) {
	workers := river.NewWorkers()
	var periodic []*river.PeriodicJob
	for _, j := range table(stages) {
		j.register(workers)
		if j.schedule != nil {
			periodic = append(periodic, j.schedule)
		}
	}
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		Workers:      workers,
		PeriodicJobs: periodic,
		Queues: map[string]river.QueueConfig{
			queueDefault:    {MaxWorkers: 8},
			queueIngest:     {MaxWorkers: 1}, // a block at a time: what it holds bounds the memory, and one drainer outruns the door
			queueFlag:       {MaxWorkers: 1},
			queueValidators: {MaxWorkers: 2},
		},
		JobTimeout:           time.Minute,
		RescueStuckJobsAfter: 2 * time.Minute,
		FetchPollInterval:    500 * time.Millisecond,
		FetchCooldown:        50 * time.Millisecond,
		ReindexerSchedule:    never{}, // the program's role owns no index; the owner's maintenance does that
		ErrorHandler:         &failures{log},
		Logger:               slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, fmt.Errorf("prepare the jobs: %w", err)
	}
	if err := client.Start(ctx); err != nil {
		return nil, fmt.Errorf("start the jobs: %w", err)
	}
	return client.Stop, nil
}

// never is a schedule on which nothing happens.
type never struct{}

func (never) Next(now time.Time) time.Time { return now.AddDate(100, 0, 0) }

// failures writes that a job failed and why, never its arguments.
type failures struct{ log *slog.Logger }

func (f *failures) HandleError(_ context.Context, job *rivertype.JobRow, err error) *river.ErrorHandlerResult {
	f.log.Error("job failed", "kind", job.Kind, "id", job.ID, "attempt", job.Attempt, "error", err)
	return nil
}

func (f *failures) HandlePanic(_ context.Context, job *rivertype.JobRow, _ any, trace string) *river.ErrorHandlerResult {
	f.log.Error("job panicked", "kind", job.Kind, "id", job.ID, "attempt", job.Attempt, "trace", trace)
	return nil
}
