package telemetry

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"assay/internal/auth"
	"assay/internal/fault"
)

// SessionView chooses what of a session is shown: the page with an event, or
// the page that begins at a place.
type SessionView struct {
	Event uuid.UUID // zero: none selected
	From  int       // 0-based place of the first event shown; used when Event is zero
	Size  int       // 0 is 200
}

// SessionDetail is one session as its page shows it.
type SessionDetail struct {
	ID            string
	From, To      time.Time // of all its events
	Events        int
	Place         int // 0-based place of Page[0]
	Page          []TimelineEvent
	Selected      *TimelineEvent // the event asked for, else nil
	Title         string         // first words of its first prompt, "" without text
	TaskClass     string         // of its last response
	ModelVersion  string
	TemplateID    string
	Consent       Consent
	HasText       bool
	TextSent      bool // there was text, kept or not
	UnsafeServed  bool
	FirstFailed   *FailedStage
	Density       []Bin // all events over time
	Verdicts      []VerdictRow
	Labels        []LabelRow
	Flags         map[uuid.UUID][]Flag // by response
	Skew          time.Duration        // by how much the desktop clock is ahead of the cloud's
	SkewMeasured  bool
	TextExpiresAt time.Time
}

// FailedStage is where a session went wrong first.
type FailedStage struct {
	EventID uuid.UUID
	At      time.Time
	Stage   string // first_failed_stage, or "error" where only an error tells
	Place   int    // 0-based place among the session's events
}

// Bin is a stretch of the minimap.
type Bin struct {
	Events int
	Failed bool
}

const (
	sessionPageSize = 200
	densityBins     = 120
	maxSessionRows  = 500_000
)

// brief is what is read of every event of a session, however long it is.
type brief struct {
	id            uuid.UUID
	at            time.Time
	seq           uint64
	kind          EventType
	stage         string
	failed        bool
	unsafe        bool
	eventTime     time.Time
	received      time.Time
	taskClass     string
	modelVersion  string
	template      string
	consent       Consent
	textExpiresAt time.Time
	desktop       bool
	textSent      bool
}

// Session returns one session. NotFound when there is none, or not for this
// actor.
func (s *Store) Session(ctx context.Context, actor auth.Actor, id string, v SessionView) (SessionDetail, error) {
	if err := actor.Require(auth.SeeSessions); err != nil {
		return SessionDetail{}, err
	}
	id, err := s.current(ctx, id)
	if err != nil {
		return SessionDetail{}, err
	}
	if err := s.seeSession(ctx, actor, id); err != nil {
		return SessionDetail{}, err
	}
	var all []brief
	judged := SessionDetail{ID: id}
	both, reading := errgroup.WithContext(ctx)
	both.Go(func() (err error) { all, err = s.briefs(reading, id); return err })
	both.Go(func() error { return s.readJudgements(reading, &judged) })
	if err := both.Wait(); err != nil {
		return SessionDetail{}, err
	}
	if len(all) == 0 {
		return SessionDetail{}, fault.Say(fault.NotFound, "There is no session of this id. It may have expired, or not have arrived yet.")
	}
	d := summarize(id, all)
	d.Verdicts, d.Labels, d.Flags = judged.Verdicts, judged.Labels, judged.Flags
	if v.Size <= 0 || v.Size > sessionPageSize {
		v.Size = sessionPageSize
	}
	d.Place = placeOf(all, v)
	end := min(d.Place+v.Size, len(all))
	if err := s.readPage(ctx, &d, all[d.Place:end], v.Event); err != nil {
		return SessionDetail{}, err
	}
	if err := s.readTitle(ctx, &d, all); err != nil {
		return SessionDetail{}, err
	}
	return d, s.closeLabels(ctx, actor, &d)
}

// closeLabels takes away what others said of responses that the actor may yet
// have to label.
func (s *Store) closeLabels(ctx context.Context, actor auth.Actor, d *SessionDetail) error {
	if actor.Kind != auth.Person || !actor.May(auth.Label) || len(d.Labels) == 0 {
		return nil
	}
	open, err := s.labelsOpen(ctx, actor, d.ID)
	if err != nil {
		return err
	}
	d.Labels = slices.DeleteFunc(d.Labels, func(l LabelRow) bool { return !open[l.EventID] })
	return nil
}

func (s *Store) briefs(ctx context.Context, id string) ([]brief, error) {
	var all []brief
	err := s.eachRow(ctx, func(scan func(...any) error) error {
		var b brief
		err := scan(&b.id, &b.at, &b.seq, (*string)(&b.kind), &b.stage, &b.failed, &b.unsafe, &b.eventTime, &b.received,
			&b.taskClass, &b.modelVersion, &b.template, (*string)(&b.consent), &b.textExpiresAt, &b.desktop, &b.textSent)
		all = append(all, b)
		return err
	}, `
		SELECT event_id, effective_time, seq, event_type, first_failed_stage,
		       event_type = 'error' OR error_type != '' OR lower(outcome) IN ('error', 'failed', 'failure', 'timeout')
		         OR lower(result_status) IN ('error', 'failed', 'failure', 'timeout') AS failed,
		       ifNull(unsafe_claim_served, false), event_time, server_ingest_time,
		       task_class, model_version, prompt_template_id, consent, text_expires_at,
		       event_type IN ('tool_step', 'feedback', 'correction', 'outcome', 'exposure'),
		       prompt_chars + response_chars > 0
		FROM `+allEvents+`
		WHERE session_hash = xxHash64(?) AND session_id = ?
		ORDER BY effective_time, seq
		LIMIT ?`, id, id, maxSessionRows)
	return all, err
}

// summarize says of a session what all its events say together.
func summarize(id string, all []brief) SessionDetail {
	d := SessionDetail{ID: id, From: all[0].at, To: all[len(all)-1].at, Events: len(all), Density: make([]Bin, densityBins)}
	span := max(d.To.Sub(d.From), time.Millisecond)
	var failed *FailedStage
	for i, b := range all {
		bin := &d.Density[min(int(int64(densityBins)*int64(b.at.Sub(d.From))/int64(span)), densityBins-1)]
		bin.Events++
		bin.Failed = bin.Failed || b.failed || b.unsafe || failedStage(b.stage)
		d.UnsafeServed = d.UnsafeServed || b.unsafe
		d.TextSent = d.TextSent || b.textSent
		if failedStage(b.stage) && d.FirstFailed == nil {
			d.FirstFailed = &FailedStage{b.id, b.at, b.stage, i}
		}
		if b.failed && failed == nil {
			failed = &FailedStage{b.id, b.at, "error", i}
		}
		if b.kind.Answers() || d.TaskClass == "" {
			d.TaskClass, d.ModelVersion, d.TemplateID = b.taskClass, b.modelVersion, b.template
			d.Consent, d.TextExpiresAt = b.consent, b.textExpiresAt
		}
	}
	if d.FirstFailed == nil {
		d.FirstFailed = failed
	}
	d.Skew, d.SkewMeasured = skew(all)
	return d
}

// skew measures how far the desktop's clock is ahead of the cloud's: the
// quickest event of each side tells what its clock adds to the way here.
// What was sent long after it happened tells nothing.
func skew(all []brief) (time.Duration, bool) {
	const longAfter = 30 * time.Second
	var quickest [2]time.Duration
	var seen [2]bool
	for _, b := range all {
		side := 0
		if b.desktop {
			side = 1
		}
		if way := b.received.Sub(b.eventTime); !seen[side] || way < quickest[side] {
			quickest[side], seen[side] = way, true
		}
	}
	if !seen[0] || !seen[1] || quickest[0] > longAfter || quickest[1] > longAfter {
		return 0, false
	}
	return quickest[0] - quickest[1], true
}

// placeOf says where the page begins. A selected event stands on the page
// that paging forward from the start would show it on.
func placeOf(all []brief, v SessionView) int {
	if v.Event != uuid.Nil {
		if i := slices.IndexFunc(all, func(b brief) bool { return b.id == v.Event }); i >= 0 {
			return i - i%v.Size
		}
	}
	if v.From < 0 || v.From >= len(all) {
		return 0
	}
	return v.From
}

func (s *Store) readPage(ctx context.Context, d *SessionDetail, page []brief, selected uuid.UUID) error {
	events, err := s.events(ctx, `session_hash = xxHash64(?) AND session_id = ? AND effective_time BETWEEN ? AND ?
		  AND (effective_time, seq) >= (?, ?) AND (effective_time, seq) <= (?, ?)`,
		d.ID, d.ID, page[0].at, page[len(page)-1].at,
		page[0].at, page[0].seq, page[len(page)-1].at, page[len(page)-1].seq)
	if err != nil {
		return err
	}
	sortEvents(events)
	for _, e := range events {
		t := e.timeline(s.now())
		d.HasText = d.HasText || t.HasText
		if t.EventID == selected {
			d.Selected = &t
		}
		d.Page = append(d.Page, t)
	}
	return nil
}

// readTitle takes the title from the session's first prompt, which may lie on
// another page. It is looked for among the first events that had text, since
// the texts of a long session are long; among all only when those have none.
func (s *Store) readTitle(ctx context.Context, d *SessionDetail, all []brief) error {
	const among = 20
	var first []brief
	for _, b := range all {
		if b.textSent {
			if first = append(first, b); len(first) == among {
				break
			}
		}
	}
	if len(first) == 0 {
		return nil
	}
	if err := s.readTitleBetween(ctx, d, first[0].at, first[len(first)-1].at); err != nil || d.Title != "" || len(first) < among {
		return err
	}
	return s.readTitleBetween(ctx, d, all[0].at, all[len(all)-1].at)
}

func (s *Store) readTitleBetween(ctx context.Context, d *SessionDetail, from, to time.Time) error {
	return s.eachRow(ctx, func(scan func(...any) error) error {
		err := scan(&d.Title)
		d.Title = oneLine(d.Title)
		d.HasText = d.HasText || d.Title != ""
		return err
	}, `
		SELECT substringUTF8(if(prompt != '', prompt, response), 1, 160)
		FROM `+allEvents+`
		WHERE session_hash = xxHash64(?) AND session_id = ? AND effective_time BETWEEN ? AND ?
		  AND text_expires_at > ? AND (prompt != '' OR response != '')
		ORDER BY prompt = '', effective_time, seq
		LIMIT 1`, d.ID, d.ID, from, to, s.now())
}

func (s *Store) readJudgements(ctx context.Context, d *SessionDetail) error {
	err := s.eachRow(ctx, func(scan func(...any) error) error {
		v := VerdictRow{SessionID: d.ID}
		var evidence string
		err := scan(&v.EventID, &v.TaskClass, &v.ModelVersion, &v.Validator, &v.Version, &v.Verdict, &v.Reason, &v.Message,
			&evidence, &v.InputHash, &v.Sandbox, &v.ElapsedMS, &v.At, &v.Revision)
		v.Evidence = json.RawMessage(evidence)
		d.Verdicts = append(d.Verdicts, v)
		return err
	}, `
		SELECT event_id, task_class, model_version, validator, version, verdict, reason, message,
		       evidence, input_hash, sandbox, elapsed_ms, at, revision
		FROM verdicts FINAL
		WHERE session_hash = xxHash64(?) AND session_id = ?
		ORDER BY at, validator`, d.ID, d.ID)
	if err != nil {
		return err
	}
	err = s.eachRow(ctx, func(scan func(...any) error) error {
		l := LabelRow{SessionID: d.ID}
		var n uint32
		err := scan(&l.EventID, &l.TaskClass, &l.ModelVersion, &l.PromptTemplateID, &l.Label, &l.Counted, &l.Timestamp, &l.LabeledAt, &n, &l.Source, &l.Revision)
		l.Labels = int(n)
		d.Labels = append(d.Labels, l)
		return err
	}, `
		SELECT event_id, task_class, model_version, prompt_template_id, label, counted, response_time, labeled_at, labels, source, revision
		FROM labels FINAL
		WHERE session_id = ? AND label != ''
		ORDER BY labeled_at`, d.ID)
	if err != nil {
		return err
	}
	d.Flags = map[uuid.UUID][]Flag{}
	return s.eachRow(ctx, func(scan func(...any) error) error {
		var id uuid.UUID
		var f Flag
		err := scan(&id, (*string)(&f.Reason), &f.At, &f.Detail, &f.SourceEventID)
		d.Flags[id] = append(d.Flags[id], f)
		return err
	}, `
		SELECT event_id, reason, at, detail, source_event_id
		FROM event_flags FINAL
		WHERE session_hash = xxHash64(?) AND session_id = ?
		ORDER BY at`, d.ID, d.ID)
}
