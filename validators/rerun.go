package validators

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// Window selects responses by the time they were given, half-open.
type Window struct {
	From, To     time.Time
	TaskClass    string // "" is all
	ModelVersion string // "" is all
}

// Lister hands over, in chunks, the responses of a window whose text was kept.
// Kinds are the kinds of artifact that are wanted; anyText asks for responses
// without an artifact too.
type Lister func(ctx context.Context, w Window, kinds []string, anyText bool, each func(context.Context, []Subject) error) error

// RerunRequest asks a validator to judge a window again.
type RerunRequest struct {
	Validator string
	Window    Window
	Was       string // what stood before: pass, fail, inconclusive, none, older (another version's), doubted; "" is any
	Reason    string
}

// RerunCount says what a re-run would take up, counted one by one.
type RerunCount struct {
	Responses                        int64 // all of them
	Passed, Failed, Unsettled, Fresh int64 // by what stands: pass, fail, inconclusive, nothing
	Same                             int64 // of them, judged by the version that would judge now
}

// Rerun is one re-run with how far it came.
type Rerun struct {
	ID           int64
	Validator    string
	Version      string
	FromTime     time.Time
	ToTime       time.Time
	TaskClass    string
	ModelVersion string
	Was          string
	Reason       string
	Counted      int64
	State        string // listing, running, paused, cancelled, done
	AskedBy      string
	AskedAt      time.Time
	EndedAt      *time.Time
	Total        int64 // responses that were put before it
	Settled      int64
	Changed      int64 // whose verdict is another than before
	Dead         int64
}

// RerunAsked is the job that follows a re-run being asked for; its kind is
// never renamed.
type RerunAsked struct {
	ID int64 `json:"id"`
}

// Kind names the job.
func (RerunAsked) Kind() string { return "validators.rerun_asked" }

const (
	longestRerun = 400 * 24 * time.Hour
	mostRerun    = 500_000 // responses in one re-run
)

// wases are what can be asked of the verdict that stands.
var wases = []string{"", Pass, Fail, Inconclusive, "none", "older", "doubted"}

func (r *RerunRequest) check() error {
	r.Reason = strings.TrimSpace(r.Reason)
	known := false
	for _, was := range wases {
		known = known || was == r.Was
	}
	switch {
	case !known:
		return fault.Say(fault.Invalid, "A re-run is of responses whose verdict was pass, fail, inconclusive, none, older or doubted.")
	case !r.Window.From.Before(r.Window.To):
		return fault.Say(fault.Invalid, "A window begins before it ends.")
	case r.Window.To.Sub(r.Window.From) > longestRerun:
		return fault.Say(fault.Invalid, "A re-run reaches over at most %d days.", int(longestRerun.Hours()/24))
	case len(r.Window.TaskClass) > 200 || len(r.Window.ModelVersion) > 200:
		return fault.Say(fault.Invalid, "A task class and a model version have at most 200 characters.")
	}
	return nil
}

// CountRerun counts what the re-run would take up, and changes nothing.
func (s *Store) CountRerun(ctx context.Context, actor auth.Actor, r RerunRequest, list Lister) (RerunCount, error) {
	var count RerunCount
	if err := actor.Require(auth.Configure); err != nil {
		return count, err
	}
	v, err := s.serving(ctx, r.Validator)
	if err == nil {
		err = r.check()
	}
	if err != nil {
		return count, err
	}
	return s.countRerun(ctx, v, r, list)
}

func (s *Store) countRerun(ctx context.Context, v Validator, r RerunRequest, list Lister) (RerunCount, error) {
	var count RerunCount
	seen := map[uuid.UUID]bool{}
	err := list(ctx, r.Window, v.artifactKinds(), v.readsText(), func(ctx context.Context, some []Subject) error {
		var events []uuid.UUID
		for _, subject := range some {
			if v.wants(subject) && !seen[subject.EventID] {
				seen[subject.EventID] = true
				events = append(events, subject.EventID)
			}
		}
		if len(seen) > mostRerun {
			return fault.Say(fault.Invalid, "This window has more than %d responses. Choose a shorter time or one task class.", mostRerun)
		}
		var part RerunCount
		err := s.DB.QueryRow(ctx, standing+`
			SELECT count(*), count(*) FILTER (WHERE verdict = 'pass'), count(*) FILTER (WHERE verdict = 'fail'),
			       count(*) FILTER (WHERE verdict = 'inconclusive'), count(*) FILTER (WHERE verdict IS NULL),
			       count(*) FILTER (WHERE version = $3)
			FROM standing
			WHERE `+wasSo, events, v.Name, v.Version, r.Was).Scan(&part.Responses, &part.Passed, &part.Failed, &part.Unsettled, &part.Fresh, &part.Same)
		count.Responses += part.Responses
		count.Passed += part.Passed
		count.Failed += part.Failed
		count.Unsettled += part.Unsettled
		count.Fresh += part.Fresh
		count.Same += part.Same
		return err
	})
	if err != nil {
		return RerunCount{}, fmt.Errorf("count a re-run of %s: %w", v.Name, err)
	}
	return count, nil
}

// standing finds what a validator ($2) said last of each of some events ($1).
const standing = `
	WITH standing AS (
		SELECT e.event_id, l.id, l.verdict, l.version,
		       EXISTS (SELECT FROM canary_rounds d
		               WHERE d.validator = $2 AND NOT d.passed AND l.made_at > d.doubt_from AND l.made_at <= d.at) AS doubted
		FROM unnest($1::uuid[]) AS e (event_id)
		LEFT JOIN LATERAL (
			SELECT v.id, v.verdict, v.version, v.made_at FROM verdicts v
			WHERE v.event_id = e.event_id AND v.validator = $2
			ORDER BY v.id DESC
			LIMIT 1
		) l ON true
	)`

// wasSo chooses by what stands: $3 is the version that would judge, $4 the
// choice.
const wasSo = `($3::text IS NOT NULL AND CASE $4
	WHEN '' THEN true
	WHEN 'none' THEN verdict IS NULL
	WHEN 'older' THEN version <> $3
	WHEN 'doubted' THEN doubted
	ELSE verdict = $4 END)`

// AskRerun counts the window once more and asks for the re-run. One of the same
// validator that is under way is a Conflict.
func (s *Store) AskRerun(ctx context.Context, actor auth.Actor, r RerunRequest, list Lister) (Rerun, error) {
	if err := actor.Require(auth.Configure); err != nil {
		return Rerun{}, err
	}
	v, err := s.serving(ctx, r.Validator)
	if err == nil {
		err = r.check()
	}
	if err != nil {
		return Rerun{}, err
	}
	if r.Reason == "" || len([]rune(r.Reason)) > 300 {
		return Rerun{}, fault.Say(fault.Invalid, "Say in 1 to 300 letters why it is judged again.")
	}
	count, err := s.countRerun(ctx, v, r, list)
	if err != nil {
		return Rerun{}, err
	}
	if count.Responses == 0 {
		return Rerun{}, fault.Say(fault.Invalid, "Nothing in this window can be judged again. Choose another time or another filter.")
	}
	var id int64
	err = postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `
			INSERT INTO reruns (validator, version, from_time, to_time, task_class, model_version, was, reason, counted, asked_by)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
			ON CONFLICT (validator) WHERE ended_at IS NULL DO NOTHING
			RETURNING id`, v.Name, v.Version, r.Window.From, r.Window.To, r.Window.TaskClass, r.Window.ModelVersion, r.Was, r.Reason, count.Responses, actor.Name).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return fault.Say(fault.Conflict, "A re-run of %s is under way. Wait for its end, or cancel it.", v.Name)
		}
		if err != nil {
			return err
		}
		err = audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "rerun.ask", Object: fmt.Sprintf("rerun/%d", id), Reason: r.Reason,
			What: fmt.Sprintf("%s %s over %d responses", v.Name, v.Version, count.Responses)})
		if err != nil || s.Jobs == nil {
			return err
		}
		_, err = s.Jobs.InsertTx(ctx, tx, RerunAsked{ID: id}, nil)
		return err
	})
	if err != nil {
		return Rerun{}, fmt.Errorf("ask for a re-run of %s: %w", v.Name, err)
	}
	return s.rerun(ctx, id)
}

// FillRerun puts the responses of a re-run before its validator. Doing it twice,
// or again after it was interrupted, changes nothing.
func (s *Store) FillRerun(ctx context.Context, actor auth.Actor, id int64, list Lister) error {
	if err := actor.Require(auth.RunWork); err != nil {
		return err
	}
	r, err := s.rerun(ctx, id)
	if err != nil || r.State != "listing" {
		return err
	}
	v, err := s.serving(ctx, r.Validator)
	if err != nil {
		return err
	}
	err = list(ctx, Window{r.FromTime, r.ToTime, r.TaskClass, r.ModelVersion}, v.artifactKinds(), v.readsText(), func(ctx context.Context, some []Subject) error {
		return s.fillSome(ctx, r, v, some)
	})
	if errors.Is(err, errRerunEnded) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("fill re-run %d: %w", id, err)
	}
	if _, err := s.DB.Exec(ctx, `UPDATE reruns SET state = 'running' WHERE id = $1 AND state = 'listing'`, id); err != nil {
		return err
	}
	return s.endReruns(ctx)
}

// errRerunEnded says that a re-run was cancelled while it was filled.
var errRerunEnded = errors.New("the re-run has ended")

func (s *Store) fillSome(ctx context.Context, r Rerun, v Validator, some []Subject) error {
	var events []uuid.UUID
	var sessions, tasks, models []string
	for _, subject := range some {
		if v.wants(subject) {
			events, sessions = append(events, subject.EventID), append(sessions, subject.SessionID)
			tasks, models = append(tasks, subject.TaskClass), append(models, subject.ModelVersion)
		}
	}
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		var state string
		if err := tx.QueryRow(ctx, `SELECT state FROM reruns WHERE id = $1 FOR SHARE`, r.ID).Scan(&state); err != nil {
			return err
		}
		if state != "listing" {
			return errRerunEnded
		}
		_, err := tx.Exec(ctx, standing+`
			INSERT INTO rerun_items (rerun_id, event_id, session_id, task_class, model_version, before_id)
			SELECT DISTINCT ON (a.event_id) $5::bigint, a.event_id, a.session_id, a.task_class, a.model_version, s.id
			FROM unnest($1::uuid[], $6::text[], $7::text[], $8::text[]) AS a (event_id, session_id, task_class, model_version)
			JOIN standing s ON s.event_id = a.event_id
			WHERE `+wasSo+`
			ON CONFLICT DO NOTHING`, events, v.Name, v.Version, r.Was, r.ID, sessions, tasks, models)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			INSERT INTO checks (event_id, session_id, task_class, model_version, validator, cause, rerun_id)
			SELECT i.event_id, i.session_id, i.task_class, i.model_version, $3, 'rerun', i.rerun_id
			FROM rerun_items i
			WHERE i.rerun_id = $1 AND i.event_id = ANY($2) AND i.settled_at IS NULL
			ON CONFLICT ON CONSTRAINT checks_once DO UPDATE SET rerun_id = EXCLUDED.rerun_id`, r.ID, events, v.Name)
		return err
	})
}

// endReruns ends those that have nothing left to do.
func (s *Store) endReruns(ctx context.Context) error {
	_, err := s.DB.Exec(ctx, `
		UPDATE reruns r SET state = 'done', ended_at = clock_timestamp()
		WHERE r.state = 'running'
		AND NOT EXISTS (SELECT FROM checks c WHERE c.rerun_id = r.id AND c.dead_at IS NULL)`)
	return err
}

// settle notes in the re-run a check belongs to what came of it; after is 0
// when its text is gone.
func settle(ctx context.Context, tx pgx.Tx, check, after int64) error {
	_, err := tx.Exec(ctx, `
		UPDATE rerun_items i SET after_id = nullif($2, 0::bigint), settled_at = clock_timestamp()
		FROM checks c
		WHERE c.id = $1 AND i.rerun_id = c.rerun_id AND i.event_id = c.event_id`, check, after)
	return err
}

// PauseRerun lets a re-run rest; what is being judged is still judged.
func (s *Store) PauseRerun(ctx context.Context, actor auth.Actor, id int64) error {
	return s.turnRerun(ctx, actor, id, "rerun.pause", "paused", "running")
}

// ResumeRerun lets it go on.
func (s *Store) ResumeRerun(ctx context.Context, actor auth.Actor, id int64) error {
	return s.turnRerun(ctx, actor, id, "rerun.resume", "running", "paused")
}

// CancelRerun ends it. What was judged stays judged; what waits for another
// reason waits on.
func (s *Store) CancelRerun(ctx context.Context, actor auth.Actor, id int64) error {
	return s.turnRerun(ctx, actor, id, "rerun.cancel", "cancelled", "listing", "running", "paused")
}

func (s *Store) turnRerun(ctx context.Context, actor auth.Actor, id int64, action, to string, from ...string) error {
	if err := actor.Require(auth.Configure); err != nil {
		return err
	}
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
			UPDATE reruns SET state = $2, ended_at = CASE WHEN $2 = 'cancelled' THEN clock_timestamp() END
			WHERE id = $1 AND state = ANY($3)`, id, to, from)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return fault.Say(fault.Conflict, "The re-run has moved on: it cannot be %s any more.", to)
		}
		if to == "cancelled" {
			if _, err := tx.Exec(ctx, `DELETE FROM checks WHERE rerun_id = $1 AND cause = 'rerun' AND held_until IS NULL`, id); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `UPDATE checks SET rerun_id = NULL WHERE rerun_id = $1 AND cause <> 'rerun'`, id); err != nil {
				return err
			}
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: action, Object: fmt.Sprintf("rerun/%d", id), What: to})
	})
}

const selectReruns = `
	SELECT r.id, r.validator, r.version, r.from_time, r.to_time, r.task_class, r.model_version, r.was, r.reason, r.counted, r.state,
	       r.asked_by, r.asked_at, r.ended_at, n.total, n.settled, n.changed,
	       (SELECT count(*) FROM checks c WHERE c.rerun_id = r.id AND c.dead_at IS NOT NULL) AS dead
	FROM reruns r
	CROSS JOIN LATERAL (
		SELECT count(*) AS total, count(i.settled_at) AS settled,
		       count(*) FILTER (WHERE i.settled_at IS NOT NULL AND a.verdict IS NOT NULL AND a.verdict IS DISTINCT FROM b.verdict) AS changed
		FROM rerun_items i
		LEFT JOIN verdicts b ON b.id = i.before_id
		LEFT JOIN verdicts a ON a.id = i.after_id
		WHERE i.rerun_id = r.id
	) n`

// Reruns lists the re-runs of a validator, "" of all, newest first.
func (s *Store) Reruns(ctx context.Context, actor auth.Actor, validator string, limit int) ([]Rerun, error) {
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return nil, err
	}
	rows, _ := s.DB.Query(ctx, selectReruns+`
		WHERE r.id IN (SELECT id FROM reruns WHERE $1 = '' OR validator = $1 ORDER BY id DESC LIMIT $2)
		ORDER BY r.id DESC`, validator, limit)
	return pgx.CollectRows(rows, pgx.RowToStructByName[Rerun])
}

// Rerun returns one re-run.
func (s *Store) Rerun(ctx context.Context, actor auth.Actor, id int64) (Rerun, error) {
	if !actor.May(auth.Configure) { // a key that may ask for one may look at it
		if err := actor.Require(auth.SeeMeasures); err != nil {
			return Rerun{}, err
		}
	}
	return s.rerun(ctx, id)
}

func (s *Store) rerun(ctx context.Context, id int64) (Rerun, error) {
	rows, _ := s.DB.Query(ctx, selectReruns+` WHERE r.id = $1`, id)
	r, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Rerun])
	if errors.Is(err, pgx.ErrNoRows) {
		return r, fault.Say(fault.NotFound, "There is no such re-run.")
	}
	return r, err
}

// Turn counts the responses of a re-run whose verdict was one and is another.
// Before is "none" where nothing stood, After "gone" where the text is no more.
type Turn struct {
	Before, After string
	Count         int64
}

// Difference is one response whose verdict changed.
type Difference struct {
	EventID                     uuid.UUID
	SessionID                   string
	TaskClass                   string
	ModelVersion                string
	Before, After               string
	BeforeVersion, AfterVersion string
	BeforeReason, AfterReason   string
	BeforeSays, AfterSays       string
}

// Turns counts what was settled by verdict before and after.
func (s *Store) Turns(ctx context.Context, actor auth.Actor, id int64) ([]Turn, error) {
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return nil, err
	}
	rows, _ := s.DB.Query(ctx, `
		SELECT coalesce(b.verdict, 'none') AS before, coalesce(a.verdict, 'gone') AS after, count(*)
		FROM rerun_items i
		LEFT JOIN verdicts b ON b.id = i.before_id
		LEFT JOIN verdicts a ON a.id = i.after_id
		WHERE i.rerun_id = $1 AND i.settled_at IS NOT NULL
		GROUP BY 1, 2
		ORDER BY 1, 2`, id)
	return pgx.CollectRows(rows, pgx.RowToStructByName[Turn])
}

// Differences lists responses whose verdict changed, those that fail now first.
// Before and after choose; "" is any.
func (s *Store) Differences(ctx context.Context, actor auth.Actor, id int64, before, after string, limit, offset int) ([]Difference, error) {
	if err := actor.Require(auth.SeeMeasures); err != nil {
		return nil, err
	}
	rows, _ := s.DB.Query(ctx, `
		SELECT i.event_id, i.session_id, i.task_class, i.model_version,
		       coalesce(b.verdict, 'none') AS before, a.verdict AS after,
		       coalesce(b.version, '') AS before_version, a.version AS after_version,
		       coalesce(b.reason, '') AS before_reason, a.reason AS after_reason,
		       coalesce(bt.message, '') AS before_says, coalesce(at.message, '') AS after_says
		FROM rerun_items i
		JOIN verdicts a ON a.id = i.after_id
		LEFT JOIN verdicts b ON b.id = i.before_id
		LEFT JOIN verdict_texts at ON at.verdict_id = a.id
		LEFT JOIN verdict_texts bt ON bt.verdict_id = b.id
		WHERE i.rerun_id = $1 AND a.verdict IS DISTINCT FROM b.verdict
		AND ($2 = '' OR coalesce(b.verdict, 'none') = $2) AND ($3 = '' OR a.verdict = $3)
		ORDER BY a.verdict <> 'fail', b.verdict IS DISTINCT FROM 'pass', i.event_id
		LIMIT $4 OFFSET $5`, id, before, after, limit, offset)
	return pgx.CollectRows(rows, pgx.RowToStructByName[Difference])
}
