package labeling

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgrestest"
)

// A program that is killed while it freezes or writes leaves nothing half done,
// and whoever takes the job up again comes to the same bytes.
func TestAVersionAndItsFileSurviveAKillHalfWay(t *testing.T) {
	pool := postgrestest.Database(t)
	s := storeOn(pool)
	labeledQueue(t, s, 3_300) // more than three blocks
	whole, err := s.Freeze(t.Context(), engineer, "Whole", DatasetFilter{})
	if err == nil {
		err = s.FreezeVersion(t.Context(), auth.Product(), whole.Newest.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	if whole, _, err = s.Dataset(t.Context(), engineer, "whole"); err != nil {
		t.Fatal(err)
	}

	killed := func(sql string, id int64, work func(ctx context.Context) error) int64 {
		t.Helper()
		ctx, kill := context.WithCancel(t.Context())
		defer kill()
		stopped := make(chan int64)
		go func() {
			var done int64
			for done == 0 && ctx.Err() == nil {
				pool.QueryRow(t.Context(), sql, id).Scan(&done)
				time.Sleep(200 * time.Microsecond)
			}
			kill()
			stopped <- done
		}()
		if err := work(ctx); err == nil {
			t.Fatal("it was done before it could be killed")
		}
		kill()
		return <-stopped
	}
	again, err := s.Freeze(t.Context(), engineer, "Again", DatasetFilter{})
	if err != nil {
		t.Fatal(err)
	}
	done := killed(`SELECT done FROM dataset_versions WHERE id = $1`, again.Newest.ID, func(ctx context.Context) error {
		return s.FreezeVersion(ctx, auth.Product(), again.Newest.ID)
	})
	if done <= 0 || done >= 3_300 {
		t.Errorf("the bar stood at %d of 3,300 when it was killed", done)
	}
	if n := count(t, pool, `SELECT count(*) FROM dataset_rows WHERE version_id = $1`, again.Newest.ID); n != 0 {
		t.Errorf("%d rows of a version that is not frozen", n)
	}
	takenUp(t, func() error { return s.FreezeVersion(t.Context(), auth.Product(), again.Newest.ID) })
	again, _, err = s.Dataset(t.Context(), engineer, "again")
	if err != nil || again.Newest.State != "frozen" || again.Newest.Hash() != whole.Newest.Hash() || again.Newest.Done != 3_300 {
		t.Errorf("want the hash of the whole, got %+v, %v", again.Newest, err)
	}

	export, err := s.RequestExport(t.Context(), engineer, again.Newest.ID, "jsonl")
	if err != nil {
		t.Fatal(err)
	}
	killed(`SELECT done FROM exports WHERE id = $1`, export.ID, func(ctx context.Context) error {
		return s.WriteExport(ctx, auth.Product(), export.ID)
	})
	if n := count(t, pool, `SELECT count(*) FROM export_parts`); n != 0 {
		t.Errorf("%d parts of a file that is not written", n)
	}
	takenUp(t, func() error { return s.WriteExport(t.Context(), auth.Product(), export.ID) })
	_, write, err := s.OpenExport(t.Context(), engineer, export.ID)
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := write(t.Context(), &file); err != nil || bytes.Count(file.Bytes(), []byte("\n")) != 3_300 {
		t.Errorf("want 3,300 lines, got %d, %v", bytes.Count(file.Bytes(), []byte("\n")), err)
	}
}

// takenUp works again once the store has noticed that the first is gone.
func takenUp(t *testing.T, work func() error) {
	t.Helper()
	for range 500 {
		err := work()
		if err == nil {
			return
		}
		if !errors.Is(err, ErrAtWork) {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("the lock of the one that was killed stays")
}

func TestWhatFailedSaysWhyAndIsTriedAgain(t *testing.T) {
	pool := postgrestest.Database(t)
	s := storeOn(pool)
	s.Jobs = inserter(t, pool)
	labeledQueue(t, s, 3)
	d, err := s.Freeze(t.Context(), engineer, "Kept", DatasetFilter{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.RetryVersion(t.Context(), engineer, d.Newest.ID); fault.Of(err) != fault.Conflict {
		t.Errorf("what has not failed is not retried: %v", err)
	}
	if err := s.FailVersion(t.Context(), auth.Product(), d.Newest.ID, "the disk is full."); err != nil {
		t.Fatal(err)
	}
	if d, _, err = s.Dataset(t.Context(), engineer, "kept"); err != nil {
		t.Fatal(err)
	}
	if d.Newest.State != "failed" || d.Newest.FailedWhy != "the disk is full." {
		t.Errorf("got %+v", d.Newest)
	}
	if err := s.RetryVersion(t.Context(), person(1), d.Newest.ID); fault.Of(err) != fault.Denied {
		t.Errorf("a labeler retried: %v", err)
	}
	if err := s.RetryVersion(t.Context(), engineer, d.Newest.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.RetryVersion(t.Context(), engineer, d.Newest.ID); fault.Of(err) != fault.Conflict {
		t.Errorf("two clicks are one: %v", err)
	}
	if n := count(t, pool, `SELECT count(*) FROM river_job WHERE kind = 'labeling.dataset_frozen' AND max_attempts = 4`); n != 2 {
		t.Errorf("want the first job and that of the retry, four tries each, got %d", n)
	}
	if err := s.FreezeVersion(t.Context(), auth.Product(), d.Newest.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.FailVersion(t.Context(), auth.Product(), d.Newest.ID, "too late"); err != nil {
		t.Fatal(err)
	}
	export, err := s.RequestExport(t.Context(), engineer, d.Newest.ID, "csv")
	if err != nil {
		t.Fatal("what is frozen stays so: ", err)
	}
	if err := s.FailExport(t.Context(), auth.Product(), export.ID, "the disk is full."); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.OpenExport(t.Context(), engineer, export.ID); fault.Words(err) != "This file could not be written: the disk is full." {
		t.Errorf("got %v", err)
	}
	if err := s.RetryExport(t.Context(), engineer, export.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.WriteExport(t.Context(), auth.Product(), export.ID); err != nil {
		t.Fatal(err)
	}
	if export, err = s.ExportFile(t.Context(), engineer, export.ID); err != nil || export.State != "done" || export.FailedWhy != "" {
		t.Errorf("got %+v, %v", export, err)
	}
	if n := count(t, pool, `SELECT count(*) FROM audit_entries WHERE action = 'dataset.retry'`); n != 2 {
		t.Errorf("each retry is in the audit, got %d", n)
	}
}
