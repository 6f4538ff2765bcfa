package telemetry

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"assay/internal/auth"
	"assay/internal/postgres"
	"assay/internal/retention"
	"assay/internal/vault"
)

// EventTexts is the place of events in ClickHouse: their text, whose they are,
// and after a year the events themselves.
type EventTexts struct{ *Store }

// Name says which place this is.
func (EventTexts) Name() string { return "events" }

// What is asked of the engine to change rows that stand: a mutation, waited
// for. Nothing interactive does this; deletions are a job's.
func changing(ctx context.Context) context.Context {
	return clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
		"mutations_sync":     1,
		"max_execution_time": 1800,
		"max_query_size":     4 << 20,
	}))
}

// textColumns hold what people and models wrote.
var textColumns = []string{"prompt", "response", "context", "correction", "error_message", "artifact", "attributes"}

// hasWords is true of a row with any text.
var hasWords = "(" + strings.Join(textColumns, " != '' OR ") + " != '')"

// withoutWords empties them.
var withoutWords = strings.Join(textColumns, " = '', ") + " = ''"

const heldFor = "toDateTime('2106-01-01 00:00:00', 'UTC')"

// overdueText and overdueRows take the time now and the times before which
// text, or rows, were received too long ago.
var (
	overdueText = hasWords + ` AND text_expires_at < ` + heldFor + ` AND (text_expires_at <= ? OR server_ingest_time <= ?)`
	overdueRows = `expires_at < ` + heldFor + ` AND (expires_at <= ? OR server_ingest_time <= ?)`
	// the copies of verdicts: what they say in words
	wordyVerdict = `(message != '' OR evidence NOT IN ('', '{}'))`
)

func rowsBefore(c retention.Cutoff) time.Time { return c.Now.AddDate(0, 0, -c.Policy.RowDays) }

// Overdue counts texts, rows and copied evidence past their time.
func (e EventTexts) Overdue(ctx context.Context, c retention.Cutoff) (int64, error) {
	return e.sum(ctx, []question{
		{`SELECT count() FROM events WHERE ` + overdueText, []any{c.Now, c.TextBefore()}},
		{`SELECT count() FROM events WHERE ` + overdueRows, []any{c.Now, rowsBefore(c)}},
		{`SELECT count() FROM event_facts WHERE ` + overdueRows, []any{c.Now, rowsBefore(c)}},
		{`SELECT count() FROM verdicts WHERE ` + wordyVerdict + ` AND at <= ?` + notAmong(c.Held), heldArgs(c, c.TextBefore())},
	})
}

func notAmong(held []string) string {
	if len(held) == 0 {
		return ""
	}
	return ` AND session_id NOT IN (?)`
}

func heldArgs(c retention.Cutoff, args ...any) []any {
	if len(c.Held) > 0 {
		args = append(args, c.Held)
	}
	return args
}

type question struct {
	sql  string
	args []any
}

func (s *Store) sum(ctx context.Context, questions []question) (int64, error) {
	total := int64(0)
	for _, q := range questions {
		n, err := s.countOf(ctx, q.sql, q.args...)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

func (s *Store) countOf(ctx context.Context, sql string, args ...any) (int64, error) {
	var n uint64
	err := s.eachRow(ctx, func(scan func(...any) error) error { return scan(&n) }, sql, args...)
	return int64(n), err
}

// Expire drops months that are over as a whole, deletes rows and empties texts
// that are over, and returns how many rows that touched.
func (e EventTexts) Expire(ctx context.Context, actor auth.Actor, c retention.Cutoff) (int64, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return 0, err
	}
	total := int64(0)
	for _, table := range eventTables {
		n, err := e.expireRows(ctx, table, c)
		if err != nil {
			return total, err
		}
		total += n
	}
	n, err := e.change(ctx, "events", "UPDATE "+withoutWords, overdueText, c.Now, c.TextBefore())
	if err != nil {
		return total, err
	}
	total += n
	n, err = e.change(ctx, "verdicts", "UPDATE message = '', evidence = ''", wordyVerdict+` AND at <= ?`+notAmong(c.Held), heldArgs(c, c.TextBefore())...)
	return total + n, err
}

func (e EventTexts) expireRows(ctx context.Context, table string, c retention.Cutoff) (int64, error) {
	args := []any{c.Now, rowsBefore(c)}
	due, err := e.countOf(ctx, `SELECT count() FROM `+table+` WHERE `+overdueRows, args...)
	if err != nil || due == 0 {
		return 0, err
	}
	var months []uint32
	err = e.eachRow(ctx, func(scan func(...any) error) error {
		var month uint32
		err := scan(&month)
		months = append(months, month)
		return err
	}, `SELECT toYYYYMM(effective_time) AS month
		FROM `+table+`
		GROUP BY month
		HAVING countIf(NOT (`+overdueRows+`)) = 0`, args...)
	if err != nil {
		return 0, err
	}
	for _, month := range months {
		if err := e.Clickhouse.Exec(changing(ctx), fmt.Sprintf(`ALTER TABLE %s DROP PARTITION %d`, table, month)); err != nil {
			return 0, unreadable(err)
		}
	}
	_, err = e.change(ctx, table, "DELETE", overdueRows, args...)
	return due, err
}

// change runs one mutation where there is something to change.
func (s *Store) change(ctx context.Context, table, what, where string, args ...any) (int64, error) {
	n, err := s.countOf(ctx, `SELECT count() FROM `+table+` WHERE `+where, args...)
	if err != nil || n == 0 {
		return 0, err
	}
	sql, args := withTimes(`ALTER TABLE `+table+` `+what+` WHERE `+where, args)
	if err := s.Clickhouse.Exec(changing(ctx), sql, args...); err != nil {
		return 0, fmt.Errorf("change rows of %s: %w", table, unreadable(err))
	}
	return n, nil
}

// SessionsOf lists the sessions in which a person has an event.
func (e EventTexts) SessionsOf(ctx context.Context, person string) ([]string, error) {
	var sessions []string
	err := e.eachRow(ctx, func(scan func(...any) error) error {
		var id string
		err := scan(&id)
		sessions = append(sessions, id)
		return err
	}, `SELECT DISTINCT session_id FROM event_facts WHERE user_id_hash = ? ORDER BY session_id`, person)
	if err != nil || len(sessions) == 0 {
		return sessions, err
	}
	return e.underAllNames(ctx, sessions)
}

// underAllNames adds the other names of sessions that were named late: what
// came before is filed under the old one wherever it was not moved.
func (s *Store) underAllNames(ctx context.Context, sessions []string) ([]string, error) {
	rows, err := s.DB.Query(ctx, `
		SELECT trace_id FROM trace_threads WHERE late AND session_id = ANY($1)
		UNION
		SELECT session_id FROM trace_threads WHERE late AND trace_id = ANY($1)`, sessions)
	if err != nil {
		return nil, err
	}
	others, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	sessions = append(sessions, others...)
	slices.Sort(sessions)
	return slices.Compact(sessions), nil
}

const sessionsInOneChange = 500

// inSessions names rows by their session, along the sorting key.
const inSessions = `session_hash IN (SELECT xxHash64(arrayJoin(?))) AND session_id IN (?)`

func (s *Store) eachSome(sessions []string, each func(some []string) error) error {
	for some := range slices.Chunk(sessions, sessionsInOneChange) {
		if err := each(some); err != nil {
			return err
		}
	}
	return nil
}

// ofPerson are the questions that find anything of a person.
func ofPerson(some []string) []question {
	return []question{
		{`SELECT count() FROM events WHERE ` + inSessions + saysWhose, []any{some, some}},
		{`SELECT count() FROM event_facts WHERE ` + inSessions + ` AND user_id_hash IS NOT NULL`, []any{some, some}},
		{`SELECT count() FROM verdicts WHERE ` + inSessions + ` AND ` + wordyVerdict, []any{some, some}},
	}
}

// saysWhose is true of a row that holds words, or says whose it is.
var saysWhose = ` AND (user_id_hash IS NOT NULL OR device_fingerprint != '' OR raw_payload_ref != '' OR ` + hasWords + `)`

// Count says how many rows of the person's sessions hold words, or say whose
// they are.
func (e EventTexts) Count(ctx context.Context, p retention.Person) (total int64, err error) {
	err = e.eachSome(p.Sessions, func(some []string) error {
		n, err := e.sum(ctx, ofPerson(some))
		total += n
		return err
	})
	return total, err
}

// Erase empties the sessions: no text, nobody's. The rows stay and are
// counted, with the probabilities they were drawn with.
func (e EventTexts) Erase(ctx context.Context, actor auth.Actor, p retention.Person) (total int64, err error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return 0, err
	}
	err = e.eachSome(p.Sessions, func(some []string) error {
		// Raw text of events that do not say whose they are: the vault cannot know.
		shredded, err := e.shredSealed(ctx, actor, some)
		if err != nil {
			return err
		}
		total += shredded
		for _, one := range []struct{ table, what, where string }{
			{"events", `UPDATE ` + withoutWords + `, reason = '', user_id_hash = '', device_fingerprint = '', prompt_sketch = 0, prompt_hash = '', response_hash = '', raw_payload_ref = '',
				text_expires_at = least(text_expires_at, now())`,
				inSessions + saysWhose},
			{"event_facts", `UPDATE user_id_hash = '', text_expires_at = least(text_expires_at, now())`, inSessions + ` AND user_id_hash IS NOT NULL`},
			// In two steps: a value that is set to NULL stays readable in the file beneath it.
			{"events", `UPDATE user_id_hash = NULL`, inSessions + ` AND user_id_hash = ''`},
			{"event_facts", `UPDATE user_id_hash = NULL`, inSessions + ` AND user_id_hash = ''`},
			{"verdicts", `UPDATE message = '', evidence = ''`, inSessions + ` AND ` + wordyVerdict},
		} {
			n, err := e.change(ctx, one.table, one.what, one.where, some, some)
			if err != nil {
				return err
			}
			total += n
		}
		return nil
	})
	return total, err
}

// Hold keeps the sessions beyond their time, or gives it back: the policy's,
// counted from receipt. Sessions that a key's own hold keeps stay kept.
func (e EventTexts) Hold(ctx context.Context, sessions []string, held bool, p retention.Policy) error {
	what, where := `UPDATE expires_at = `+heldFor+`, text_expires_at = `+heldFor, ` AND expires_at < `+heldFor
	if !held {
		what = fmt.Sprintf(`UPDATE expires_at = server_ingest_time + INTERVAL %d DAY, text_expires_at = server_ingest_time + INTERVAL %d DAY`, p.RowDays, p.TextDays)
		where = ` AND expires_at >= ` + heldFor
		var err error
		if sessions, err = e.withoutKeysHold(ctx, sessions); err != nil {
			return err
		}
	}
	return e.eachSome(sessions, func(some []string) error {
		if err := e.holdSealed(ctx, some, held); err != nil {
			return err
		}
		for _, table := range eventTables {
			if _, err := e.change(ctx, table, what, inSessions+where, some, some); err != nil {
				return err
			}
		}
		return nil
	})
}

// withoutKeysHold leaves out sessions that came under a key whose terms are a
// legal hold.
func (e EventTexts) withoutKeysHold(ctx context.Context, sessions []string) ([]string, error) {
	rows, err := e.DB.Query(ctx, `SELECT key_id FROM ingest_terms WHERE legal_hold`)
	if err != nil {
		return nil, err
	}
	keys, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil || len(keys) == 0 {
		return sessions, err
	}
	kept := map[string]bool{}
	err = e.eachSome(sessions, func(some []string) error {
		return e.eachRow(ctx, func(scan func(...any) error) error {
			var id string
			err := scan(&id)
			kept[id] = true
			return err
		}, `SELECT DISTINCT session_id FROM events WHERE `+inSessions+` AND key_id IN (?)`, some, some, keys)
	})
	return slices.DeleteFunc(slices.Clone(sessions), func(id string) bool { return kept[id] }), err
}

// sealedIn lists the references of what is sealed of the sessions.
func (e EventTexts) sealedIn(ctx context.Context, sessions []string) (refs []string, err error) {
	if e.Vault == nil {
		return nil, nil
	}
	err = e.eachRow(ctx, func(scan func(...any) error) error {
		var ref string
		err := scan(&ref)
		refs = append(refs, ref)
		return err
	}, `SELECT DISTINCT raw_payload_ref FROM events WHERE `+inSessions+` AND raw_payload_ref != ''`, sessions, sessions)
	return refs, err
}

func (e EventTexts) shredSealed(ctx context.Context, actor auth.Actor, sessions []string) (int64, error) {
	refs, err := e.sealedIn(ctx, sessions)
	if err != nil || len(refs) == 0 {
		return 0, err
	}
	var done vault.Shredded
	err = postgres.InTx(ctx, e.DB, func(tx pgx.Tx) error {
		var err error
		done, err = e.Vault.Shred(ctx, tx, actor, refs...)
		return err
	})
	return int64(done.Gone), err
}

// holdSealed does the same for the raw text of the sessions.
func (e EventTexts) holdSealed(ctx context.Context, sessions []string, held bool) error {
	refs, err := e.sealedIn(ctx, sessions)
	if err != nil {
		return err
	}
	for _, ref := range refs {
		sealed, err := e.Vault.Look(ctx, ref)
		if err != nil || sealed.ShreddedAt != nil || (sealed.HeldAt != nil) == held {
			continue // gone, or as it should be
		}
		set := e.Vault.Release
		if held {
			set = e.Vault.Hold
		}
		err = postgres.InTx(ctx, e.DB, func(tx pgx.Tx) error {
			return set(ctx, tx, auth.Product(), ref, "legal hold of its session")
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// KeptBeyond says of which events the text is kept beyond a time.
func (s *Store) KeptBeyond(ctx context.Context, actor auth.Actor, ids []uuid.UUID, at time.Time) (map[uuid.UUID]bool, error) {
	if err := actor.Require(auth.RunWork); err != nil {
		return nil, err
	}
	kept := map[uuid.UUID]bool{}
	err := s.eachRow(ctx, func(scan func(...any) error) error {
		var id uuid.UUID
		err := scan(&id)
		kept[id] = true
		return err
	}, `SELECT DISTINCT event_id FROM event_facts WHERE event_id IN (?) AND text_expires_at > ?`, ids, at)
	return kept, err
}

// Inbox is the place of what was acknowledged: batches, for 14 days, and
// events that were refused.
type Inbox struct{ *Store }

// Name says which place this is.
func (Inbox) Name() string { return "inbox and dead letters" }

func lettersBefore(c retention.Cutoff) time.Time {
	return c.Now.AddDate(0, 0, -min(letterDays, c.Policy.TextDays))
}

// Overdue counts drained batches and letters past their time.
func (i Inbox) Overdue(ctx context.Context, c retention.Cutoff) (n int64, err error) {
	err = i.DB.QueryRow(ctx, `
		SELECT (SELECT count(*) FROM inbox WHERE day < $1 AND drained_at IS NOT NULL)
		     + (SELECT count(*) FROM dead_letters WHERE at < $2)`, day(c.Now).AddDate(0, 0, -inboxDays), lettersBefore(c)).Scan(&n)
	return n, err
}

// Expire drops the days and deletes the letters that are over.
func (i Inbox) Expire(ctx context.Context, actor auth.Actor, c retention.Cutoff) (int64, error) {
	swept, err := i.Sweep(ctx, actor)
	if err != nil {
		return 0, err
	}
	tag, err := i.DB.Exec(ctx, `DELETE FROM dead_letters WHERE at < $1`, lettersBefore(c))
	return int64(swept.Days) + swept.Letters + tag.RowsAffected(), err
}

const lettersOf = `
	FROM dead_letters
	WHERE strpos(body, $2) > 0 OR EXISTS (SELECT FROM unnest($1::text[]) AS s (session_id) WHERE strpos(body, session_id) > 0)`

// Count says how many lines of batches and how many letters are of the
// person's sessions.
func (i Inbox) Count(ctx context.Context, p retention.Person) (int64, error) {
	var letters int64
	if err := i.DB.QueryRow(ctx, `SELECT count(*)`+lettersOf, p.Sessions, p.Hash).Scan(&letters); err != nil {
		return 0, err
	}
	lines, err := i.eachBatchOf(ctx, p, func(batch, []*row, int) error { return nil })
	return letters + lines, err
}

// Erase drains what waits, empties the person's events in the batches that are
// kept, and deletes the letters. A rebuild from the inbox brings back rows
// without text.
func (i Inbox) Erase(ctx context.Context, actor auth.Actor, p retention.Person) (int64, error) {
	if _, err := i.Drain(ctx, actor); err != nil {
		return 0, err
	}
	tag, err := i.DB.Exec(ctx, `DELETE`+lettersOf, p.Sessions, p.Hash)
	if err != nil {
		return 0, err
	}
	lines, err := i.eachBatchOf(ctx, p, func(b batch, rows []*row, _ int) error {
		body, size := pack(rows)
		_, err := i.DB.Exec(ctx, `UPDATE inbox SET body = $3, bytes = $4, size = $5 WHERE day = $1 AND id = $2`, b.Day, b.ID, body, len(body), size)
		return err
	})
	return tag.RowsAffected() + lines, err
}

// eachBatchOf finds the batches the person's events came in, by the time of
// receipt, which both stores know to the millisecond, and hands each out with
// its rows, the person's emptied. It returns how many rows were emptied.
func (i Inbox) eachBatchOf(ctx context.Context, p retention.Person, each func(b batch, rows []*row, emptied int) error) (int64, error) {
	of := map[string]bool{}
	for _, id := range p.Sessions {
		of[id] = true
	}
	received, err := i.receivedAt(ctx, p)
	if err != nil || len(received) == 0 {
		return 0, err
	}
	rows, err := i.DB.Query(ctx, `SELECT day, id FROM inbox WHERE date_trunc('milliseconds', received_at) = ANY($1) ORDER BY day, id`, received)
	if err != nil {
		return 0, err
	}
	type place struct {
		Day time.Time
		ID  int64
	}
	places, err := pgx.CollectRows(rows, pgx.RowToStructByPos[place])
	if err != nil {
		return 0, err
	}
	total := int64(0)
	for _, at := range places {
		b := batch{Day: at.Day, ID: at.ID}
		if err := i.DB.QueryRow(ctx, `SELECT body FROM inbox WHERE day = $1 AND id = $2`, at.Day, at.ID).Scan(&b.Body); err != nil {
			return total, err
		}
		list, n, err := emptied(b.Body, of)
		if err != nil {
			return total, fmt.Errorf("batch %d of %s: %w", at.ID, at.Day.Format(time.DateOnly), err)
		}
		if n == 0 {
			continue
		}
		if err := each(b, list, n); err != nil {
			return total, err
		}
		total += int64(n)
	}
	return total, nil
}

// newerCopies is more often than an event is written anew: once to move, once
// for each record that brings it text.
const newerCopies = 8

func (s *Store) receivedAt(ctx context.Context, p retention.Person) ([]time.Time, error) {
	var received []time.Time
	err := s.eachSome(p.Sessions, func(some []string) error {
		return s.eachRow(ctx, func(scan func(...any) error) error {
			var at time.Time
			err := scan(&at)
			// A newer copy of an event (Gather) is a millisecond later than the one before.
			for i := range newerCopies {
				received = append(received, at.Add(-time.Duration(i)*time.Millisecond))
			}
			return err
		}, `SELECT DISTINCT server_ingest_time FROM event_facts WHERE `+inSessions+` AND server_ingest_time > ?`, some, some, s.now().AddDate(0, 0, -inboxDays-2))
	})
	return received, err
}

// emptied reads a batch and takes words and person from the rows of the given
// sessions.
func emptied(body []byte, of map[string]bool) ([]*row, int, error) {
	rows, err := readBody(body)
	if err != nil {
		return nil, 0, err
	}
	n := 0
	for _, r := range rows {
		if of[r.SessionID] && r.forget() {
			n++
		}
	}
	return rows, n, nil
}

// readBody makes events of the body of a batch again.
func readBody(body []byte) ([]*row, error) {
	plain, err := unpack(body)
	if err != nil {
		return nil, err
	}
	if len(plain) > 0 && plain[0] == sheetMark {
		one, err := readSheet(plain)
		if err != nil {
			return nil, err
		}
		return one.rows(), nil
	}
	return readLines(plain, func(_ []byte, err error) error { return err })
}

// forget takes from a row what was written and whose it is, and reports
// whether there was anything.
func (r *row) forget() bool {
	before := appendRow(nil, r)
	r.dropText()
	r.Attributes, r.Reason, r.UserIDHash, r.DeviceFingerprint = nil, "", nil, ""
	r.PromptSketch, r.PromptHash, r.ResponseHash, r.RawPayloadRef = 0, "", "", ""
	if r.TextExpiresAt.After(r.Received) {
		r.TextExpiresAt = r.Received
	}
	return !bytes.Equal(before, appendRow(nil, r))
}
