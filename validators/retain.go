package validators

import (
	"context"

	"assay/internal/auth"
	"assay/internal/retention"
)

// Evidence is the place of what verdicts say in words: messages and evidence
// may repeat a response. Their codes stay.
type Evidence struct{ *Store }

// Name says which place this is.
func (Evidence) Name() string { return "evidence of verdicts" }

const (
	saysSomething = `(t.message <> '' OR t.evidence <> '{}')`
	oldEvidence   = saysSomething + ` AND v.made_at < $1 AND NOT v.session_id = ANY($2)`
)

// Overdue counts the evidence of text that is over.
func (e Evidence) Overdue(ctx context.Context, c retention.Cutoff) (n int64, err error) {
	err = e.DB.QueryRow(ctx, `
		SELECT count(*)
		FROM verdict_texts t JOIN verdicts v ON v.id = t.verdict_id
		WHERE `+oldEvidence, c.TextBefore(), c.Held).Scan(&n)
	return n, err
}

// Expire empties it.
func (e Evidence) Expire(ctx context.Context, actor auth.Actor, c retention.Cutoff) (int64, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return 0, err
	}
	tag, err := e.DB.Exec(ctx, `
		UPDATE verdict_texts t SET message = '', evidence = '{}'
		FROM verdicts v
		WHERE v.id = t.verdict_id AND `+oldEvidence, c.TextBefore(), c.Held)
	return tag.RowsAffected(), err
}

// Count says how many verdicts speak of the person's sessions in words.
func (e Evidence) Count(ctx context.Context, p retention.Person) (n int64, err error) {
	err = e.DB.QueryRow(ctx, `
		SELECT count(*)
		FROM verdict_texts t JOIN verdicts v ON v.id = t.verdict_id
		WHERE v.session_id = ANY($1) AND `+saysSomething, p.Sessions).Scan(&n)
	return n, err
}

// Erase empties them. What is on its way to the telemetry store leaves from
// here and is empty then too.
func (e Evidence) Erase(ctx context.Context, actor auth.Actor, p retention.Person) (int64, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return 0, err
	}
	tag, err := e.DB.Exec(ctx, `
		UPDATE verdict_texts t SET message = '', evidence = '{}'
		FROM verdicts v
		WHERE v.id = t.verdict_id AND v.session_id = ANY($1) AND `+saysSomething, p.Sessions)
	return tag.RowsAffected(), err
}
