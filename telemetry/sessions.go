package telemetry

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"assay/internal/auth"
	"assay/internal/fault"
)

// SessionFilter chooses sessions: those with at least one event in the window
// and, for each further condition, at least one event that meets it. Empty
// fields take any.
type SessionFilter struct {
	Window           Window
	TaskClass        string
	ModelVersion     string
	PromptTemplateID string
	Env              string
	Flag             string // a Reason, or "any"
	Verdict          string // pass, fail, inconclusive
	Label            string // one of the four labels
	Text             string // somewhere in its redacted text, whatever the case
}

// SessionRow is one session in a list. What is told of it is its last
// response in the window.
type SessionRow struct {
	ID           string    `json:"id"`
	From         time.Time `json:"from"` // its first event in the window
	To           time.Time `json:"to"`   // its last
	Events       int64     `json:"events"`
	Responses    int64     `json:"responses"`
	TaskClass    string    `json:"task_class,omitempty"`
	ModelVersion string    `json:"model_version,omitempty"`
	FirstWords   string    `json:"first_words,omitempty"` // of the prompt, else of the response
	Consent      Consent   `json:"consent,omitempty"`
	HasText      bool      `json:"has_text"`
	TextSent     bool      `json:"text_sent"` // there was text, kept or not
	Route        string    `json:"route,omitempty"`
	Outcome      string    `json:"outcome,omitempty"`
	TotalMS      *int64    `json:"total_ms,omitempty"`
	TTFTMS       *int64    `json:"ttft_ms,omitempty"`
	Verdicts     []string  `json:"verdicts"` // the gravest of its responses, at most one
	Labels       []string  `json:"labels"`   // the gravest, at most one
	Flags        []Reason  `json:"flags"`
	UnsafeServed bool      `json:"unsafe_claim_served"`
}

// SessionPage is one page of sessions, the latest first, and how many there
// are in all.
type SessionPage struct {
	Sessions []SessionRow `json:"sessions"`
	Total    int64        `json:"total"`
	Flagged  int64        `json:"flagged"`
	Older    string       `json:"older,omitempty"` // cursors; "" where there is nothing more
	Newer    string       `json:"newer,omitempty"`
}

// sessionCursor is a place in the list.
type sessionCursor struct {
	To    time.Time `json:"t"`
	ID    string    `json:"s"`
	Newer bool      `json:"n,omitempty"` // towards the newer end
}

func (c sessionCursor) String() string {
	raw, _ := json.Marshal(c)
	return base64.RawURLEncoding.EncodeToString(raw)
}

func readCursor(s string) (sessionCursor, error) {
	var c sessionCursor
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		err = json.Unmarshal(raw, &c)
	}
	if err != nil {
		return c, fault.Say(fault.Invalid, "This place in the list cannot be read. Begin again from its start.")
	}
	return c, nil
}

// Sessions lists the sessions that meet the filter, the latest first. cursor
// is "" for the first page, else the Older or Newer of another.
func (s *Store) Sessions(ctx context.Context, actor auth.Actor, f SessionFilter, cursor string, limit int) (SessionPage, error) {
	if err := actor.Require(auth.SeeSessions); err != nil {
		return SessionPage{}, err
	}
	var place sessionCursor
	var err error
	if cursor != "" {
		if place, err = readCursor(cursor); err != nil {
			return SessionPage{}, err
		}
	}
	chosen, err := s.chosen(ctx, actor, f)
	if err != nil {
		return SessionPage{}, err
	}
	page, err := s.sessionPage(ctx, chosen, place, min(max(limit, 1), 200))
	if err != nil {
		return SessionPage{}, err
	}
	if page.Total, page.Flagged, err = s.countSessions(ctx, chosen, f.Window); err != nil {
		return SessionPage{}, err
	}
	return page, s.describe(ctx, page.Sessions, f.Window)
}

// selection is the one statement of which sessions are meant: the list, its
// count and the count of flagged ones are all taken from it.
type selection struct {
	sql  string
	args []any
}

// chosen builds the selection. Every condition is static text; only values
// are the reader's.
func (s *Store) chosen(ctx context.Context, actor auth.Actor, f SessionFilter) (selection, error) {
	var where, having []string
	var args, havingArgs []any
	add := func(condition string, values ...any) {
		where, args = append(where, condition), append(args, values...)
	}
	add("effective_time >= ? AND effective_time < ?", f.Window.From, f.Window.To)
	if onlyLabels(actor) {
		var visible []string
		if s.VisibleSessions != nil {
			var err error
			if visible, err = s.VisibleSessions(ctx, actor); err != nil {
				return selection{}, err
			}
		}
		add("session_id IN (?)", append(visible, ""))
	} else if unread, err := s.unread(ctx, actor); err != nil {
		return selection{}, err
	} else if len(unread) > 0 {
		add("session_id NOT IN (?)", unread)
	}
	if f.Flag == "any" {
		add("session_hash IN (SELECT session_hash FROM event_flags)")
	} else if f.Flag != "" {
		add("session_hash IN (SELECT session_hash FROM event_flags WHERE reason = ?)", f.Flag)
	}
	if f.Verdict != "" {
		add("session_hash IN (SELECT session_hash FROM verdicts FINAL WHERE verdict = ?)", f.Verdict)
	}
	if f.Label != "" {
		add("session_hash IN (SELECT session_hash FROM labels FINAL WHERE label = ?)", f.Label)
	}
	if f.Text != "" {
		add(`session_hash IN (
			SELECT session_hash
			FROM `+allEvents+`
			WHERE effective_time >= ? AND effective_time < ? AND text_expires_at > ?
			  AND (positionCaseInsensitiveUTF8(prompt, ?) > 0 OR positionCaseInsensitiveUTF8(response, ?) > 0
			       OR positionCaseInsensitiveUTF8(correction, ?) > 0 OR positionCaseInsensitiveUTF8(error_message, ?) > 0))`,
			f.Window.From, f.Window.To, s.now(), f.Text, f.Text, f.Text, f.Text)
	}
	for _, condition := range []struct{ column, value string }{
		{"task_class", f.TaskClass}, {"model_version", f.ModelVersion}, {"prompt_template_id", f.PromptTemplateID}, {"env", f.Env},
	} {
		if condition.value != "" {
			having, havingArgs = append(having, "countIf("+condition.column+" = ?) > 0"), append(havingArgs, condition.value)
		}
	}
	sql := `SELECT session_id, any(session_hash) AS hash, min(effective_time) AS first, max(effective_time) AS last, count() AS events,
		       countIf(event_type IN ('assistant_response', 'interaction')) AS responses
		FROM ` + allFacts + `
		WHERE ` + strings.Join(where, " AND ") + `
		GROUP BY session_id`
	if len(having) > 0 {
		sql += " HAVING " + strings.Join(having, " AND ")
	}
	return selection{sql, append(args, havingArgs...)}, nil
}

func (s *Store) countSessions(ctx context.Context, chosen selection, w Window) (total, flagged int64, err error) {
	var all, some uint64
	err = s.eachRow(ctx, func(scan func(...any) error) error { return scan(&all, &some) }, `
		SELECT count(), countIf(hash IN (SELECT session_hash FROM event_flags WHERE response_time >= ? AND response_time < ?))
		FROM (`+chosen.sql+`)`, append([]any{w.From, w.To}, chosen.args...)...)
	return int64(all), int64(some), err
}

func (s *Store) sessionPage(ctx context.Context, chosen selection, place sessionCursor, limit int) (SessionPage, error) {
	sql := `SELECT session_id, first, last, events, responses FROM (` + chosen.sql + `)`
	args := chosen.args
	order := " ORDER BY last DESC, session_id DESC LIMIT ?"
	if place.ID != "" {
		comparison := " WHERE (last, session_id) < (?, ?)"
		if place.Newer {
			comparison, order = " WHERE (last, session_id) > (?, ?)", " ORDER BY last, session_id LIMIT ?"
		}
		sql, args = sql+comparison, append(args[:len(args):len(args)], place.To, place.ID)
	}
	var page SessionPage
	err := s.eachRow(ctx, func(scan func(...any) error) error {
		var r SessionRow
		var events, responses uint64
		err := scan(&r.ID, &r.From, &r.To, &events, &responses)
		r.Events, r.Responses = int64(events), int64(responses)
		page.Sessions = append(page.Sessions, r)
		return err
	}, sql+order, append(args[:len(args):len(args)], limit+1)...)
	if err != nil {
		return page, err
	}
	page.turn(place, limit)
	return page, nil
}

// turn drops the row that only showed that there is more, puts the page in
// order and sets its cursors.
func (p *SessionPage) turn(place sessionCursor, limit int) {
	more := len(p.Sessions) > limit
	if more {
		p.Sessions = p.Sessions[:limit]
	}
	if place.Newer {
		reverse(p.Sessions)
	}
	if len(p.Sessions) == 0 {
		return
	}
	first, last := p.Sessions[0], p.Sessions[len(p.Sessions)-1]
	if more || place.Newer {
		p.Older = sessionCursor{To: last.To, ID: last.ID}.String()
	}
	if place.ID != "" && (!place.Newer || more) {
		p.Newer = sessionCursor{To: first.To, ID: first.ID, Newer: true}.String()
	}
}

func reverse[T any](list []T) {
	for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
		list[i], list[j] = list[j], list[i]
	}
}

// describe fills in what is told of each session on a page.
func (s *Store) describe(ctx context.Context, page []SessionRow, w Window) error {
	if len(page) == 0 {
		return nil
	}
	ids := make([]string, len(page))
	at := make(map[string]*SessionRow, len(page))
	for i := range page {
		ids[i], at[page[i].ID] = page[i].ID, &page[i]
		page[i].Verdicts, page[i].Labels, page[i].Flags = []string{}, []string{}, []Reason{}
	}
	now := s.now()
	err := s.eachRow(ctx, func(scan func(...any) error) error {
		var d SessionRow
		var expires time.Time
		var words string
		err := scan(&d.ID, &d.TaskClass, &d.ModelVersion, (*string)(&d.Consent), &d.Route, &d.Outcome, &d.TotalMS, &d.TTFTMS, &expires, &words, &d.UnsafeServed, &d.TextSent)
		if r := at[d.ID]; err == nil && r != nil {
			r.TaskClass, r.ModelVersion, r.Consent, r.Route, r.Outcome = d.TaskClass, d.ModelVersion, d.Consent, d.Route, d.Outcome
			r.TotalMS, r.TTFTMS, r.UnsafeServed, r.TextSent = d.TotalMS, d.TTFTMS, d.UnsafeServed, d.TextSent
			if expires.After(now) {
				r.FirstWords = oneLine(words)
			}
			r.HasText = r.FirstWords != ""
		}
		return err
	}, `
		SELECT session_id, last_of.1, last_of.2, last_of.3, last_of.4, last_of.5, last_of.6, last_of.7, last_of.8, words, unsafe, sent
		FROM (
			SELECT session_id,
			       argMax(tuple(toString(task_class), toString(model_version), toString(consent), toString(route), toString(outcome),
			                    coalesce(total_ms, latency_ms), ttft_ms, text_expires_at),
			              (event_type IN ('assistant_response', 'interaction'), effective_time, seq)) AS last_of,
			       argMin(substringUTF8(if(prompt != '', prompt, response), 1, 160),
			              (prompt = '' AND response = '', prompt = '', effective_time, seq)) AS words,
			       max(ifNull(unsafe_claim_served, false)) AS unsafe,
			       max(prompt_chars + response_chars) > 0 AS sent
			FROM `+allEvents+`
			WHERE session_hash IN (SELECT xxHash64(arrayJoin(?)))
			  AND session_id IN (?)
			  AND effective_time >= ? AND effective_time < ?
			GROUP BY session_id)`, ids, ids, w.From, w.To)
	if err != nil {
		return err
	}
	return s.mark(ctx, at, ids)
}

// mark adds what machines, people and rules said of a session's responses:
// of verdicts and labels the gravest.
func (s *Store) mark(ctx context.Context, at map[string]*SessionRow, ids []string) error {
	return s.eachRow(ctx, func(scan func(...any) error) error {
		var id, what, word string
		err := scan(&id, &what, &word)
		r := at[id]
		if err != nil || r == nil {
			return err
		}
		switch what {
		case "verdict":
			r.Verdicts = append(r.Verdicts, word)
		case "label":
			r.Labels = append(r.Labels, word)
		default:
			r.Flags = append(r.Flags, Reason(word))
		}
		return nil
	}, `
		SELECT session_id, 'verdict' AS what, argMin(verdict, indexOf(['fail', 'inconclusive', 'pass'], verdict)) AS word
		FROM verdicts FINAL
		WHERE session_hash IN (SELECT xxHash64(arrayJoin(?))) AND session_id IN (?)
		GROUP BY session_id
		UNION ALL
		SELECT session_id, 'label', argMin(label, indexOf(['hallucinated', 'partially_correct', 'cannot_tell', 'correct'], label))
		FROM labels FINAL
		WHERE session_id IN (?) AND label != ''
		GROUP BY session_id
		UNION ALL
		SELECT session_id, 'flag', reason
		FROM event_flags
		WHERE session_hash IN (SELECT xxHash64(arrayJoin(?))) AND session_id IN (?)
		GROUP BY session_id, reason`, ids, ids, ids, ids, ids)
}

// Choices are the values filters offer: those that occur.
type Choices struct {
	TaskClasses       []string
	ModelVersions     []string
	PromptTemplateIDs []string
	Envs              []string
}

// Choices returns what the events of a window are filed under.
func (s *Store) Choices(ctx context.Context, actor auth.Actor, w Window) (Choices, error) {
	if err := actor.Require(auth.SeeSessions); err != nil {
		return Choices{}, err
	}
	var c Choices
	err := s.eachRow(ctx, func(scan func(...any) error) error {
		return scan(&c.TaskClasses, &c.ModelVersions, &c.PromptTemplateIDs, &c.Envs)
	}, `
		SELECT arraySort(groupUniqArrayIf(200)(toString(task_class), task_class != '')),
		       arraySort(groupUniqArrayIf(200)(toString(model_version), model_version != '')),
		       arraySort(groupUniqArrayIf(200)(toString(prompt_template_id), prompt_template_id != '')),
		       arraySort(groupUniqArrayIf(200)(toString(env), env != ''))
		FROM event_facts
		WHERE effective_time >= ? AND effective_time < ?`, w.From, w.To)
	return c, err
}

// Extent returns the stretch of time events lie in, quarantined ones left
// out; false when there are none.
func (s *Store) Extent(ctx context.Context, actor auth.Actor) (Window, bool, error) {
	if err := actor.Require(auth.SeeSessions); err != nil {
		return Window{}, false, err
	}
	var w Window
	var n uint64
	err := s.eachRow(ctx, func(scan func(...any) error) error { return scan(&w.From, &w.To, &n) }, `
		SELECT min(effective_time), max(effective_time), count()
		FROM event_facts
		WHERE NOT quarantined`)
	return Window{w.From.UTC(), w.To.UTC()}, n > 0, err
}
