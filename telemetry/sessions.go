package telemetry

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"assay/internal/auth"
	"assay/internal/fault"
)

// SessionFilter chooses sessions: those whose time overlaps the window and,
// for each further condition, with at least one event that meets it. A session
// overlaps when it has an event in the window, or was silent in all of it with
// events at most [silentFor] before and after. Empty fields take any.
type SessionFilter struct {
	Window           Window
	TaskClass        string
	ModelVersion     string
	PromptTemplateID string
	Env              string
	User             string // user_id_hash
	Flag             string // a Reason, or "any"
	Verdict          string // pass, fail, inconclusive
	Label            string // one of the four labels
	Text             string // somewhere in its redacted text, whatever the case

	// Behind asks for the sessions a figure of a Measurement stands on: one
	// event in the window must be of that kind and meet what follows at once,
	// with task class, model version, template and environment.
	Behind     Behind
	Experiment string
	Variant    string
	Version    string // assistant_version
	ErrorType  string
	Tool       string // of a tool step in the window
}

// silentFor is how far around a window the events of a session are looked for
// that has none in it.
const silentFor = 30 * 24 * time.Hour

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
	if err := s.describe(ctx, page.Sessions, f.Window); err != nil {
		return SessionPage{}, err
	}
	return page, s.hideLabels(ctx, actor, page.Sessions)
}

// Dropped says how many sessions there would be without one condition.
type Dropped struct {
	Condition string // of SessionFilter, as in an address: "task_class", "flag", "q", …
	Sessions  int64
}

// WithoutEach says of a filter that excludes everything which of its
// conditions does: for each that is set, how many sessions there are when it
// alone is dropped.
func (s *Store) WithoutEach(ctx context.Context, actor auth.Actor, f SessionFilter) ([]Dropped, error) {
	if err := actor.Require(auth.SeeSessions); err != nil {
		return nil, err
	}
	var list []Dropped
	for _, c := range conditions(&f) {
		kept := *c.value
		if kept == "" {
			continue
		}
		*c.value = ""
		chosen, err := s.chosen(ctx, actor, f)
		*c.value = kept
		if err != nil {
			return nil, err
		}
		total, _, err := s.countSessions(ctx, chosen, f.Window)
		if err != nil {
			return nil, err
		}
		list = append(list, Dropped{c.name, total})
	}
	return list, nil
}

type condition struct {
	name  string
	value *string
}

// conditions are those of a filter that can be dropped, cheap ones first.
func conditions(f *SessionFilter) []condition {
	return []condition{
		{"task_class", &f.TaskClass}, {"model_version", &f.ModelVersion}, {"template", &f.PromptTemplateID}, {"env", &f.Env},
		{"user", &f.User}, {"flag", &f.Flag}, {"verdict", &f.Verdict}, {"label", &f.Label},
		{"experiment", &f.Experiment}, {"variant", &f.Variant}, {"version", &f.Version}, {"error", &f.ErrorType}, {"tool", &f.Tool}, {"behind", (*string)(&f.Behind)}, {"q", &f.Text},
	}
}

// selection is the one statement of which sessions are meant: the list, its
// count and the count of flagged ones are all taken from it. Each question of
// it is bounded; one that reads text, more tightly.
type selection struct {
	sql  string
	args []any
	text bool
}

// chosen builds the selection. Every condition is static text; only values
// are the reader's.
func (s *Store) chosen(ctx context.Context, actor auth.Actor, f SessionFilter) (selection, error) {
	c, err := s.chosenByFacts(ctx, actor, f)
	if err != nil || f.Text == "" {
		return c, err
	}
	// Text is looked for only in sessions that meet everything else.
	found := `
		SELECT session_hash
		FROM ` + allEvents + `
		WHERE effective_time >= ? AND effective_time < ? AND text_expires_at > ?
		  AND (positionCaseInsensitiveUTF8(prompt, ?) > 0 OR positionCaseInsensitiveUTF8(response, ?) > 0
		       OR positionCaseInsensitiveUTF8(correction, ?) > 0 OR positionCaseInsensitiveUTF8(error_message, ?) > 0)`
	args := []any{f.Window.From, f.Window.To, s.now(), f.Text, f.Text, f.Text, f.Text}
	if len(f.set()) > 1 {
		found, args = found+" AND session_hash IN (SELECT hash FROM ("+c.sql+"))", append(args, c.args...)
	}
	return selection{"SELECT * FROM (" + c.sql + ") WHERE hash IN (" + found + ")", append(c.args[:len(c.args):len(c.args)], args...), true}, nil
}

// set lists the conditions that are set.
func (f SessionFilter) set() []string {
	var names []string
	for _, c := range conditions(&f) {
		if *c.value != "" {
			names = append(names, c.name)
		}
	}
	return names
}

func (s *Store) chosenByFacts(ctx context.Context, actor auth.Actor, f SessionFilter) (selection, error) {
	overlap, overlapArgs := s.overlap(f)
	where, args := []string{overlap}, overlapArgs
	add := func(condition string, values ...any) {
		where, args = append(where, condition), append(args, values...)
	}
	if onlyLabels(actor) {
		if f.Label != "" {
			return selection{}, fault.Say(fault.Denied, "Labels of others are read after one's own. Only who does not label may look for them.")
		}
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
	if f.Tool != "" {
		add("session_hash IN (SELECT session_hash FROM events WHERE effective_time >= ? AND effective_time < ? AND event_type = 'tool_step' AND tool_name = ?)", f.Window.From, f.Window.To, unsaid(f.Tool))
	}
	having, havingArgs, err := f.having()
	if err != nil {
		return selection{}, err
	}
	// What a session must hold is looked for before anything is counted: in one
	// column of rows as they lie, and so in more sessions than there are at worst.
	for _, c := range f.each() {
		add("session_hash IN (SELECT session_hash FROM event_facts WHERE effective_time >= ? AND effective_time < ? AND "+c.test+")",
			overlapArgs[0], overlapArgs[1], unsaid(c.value))
	}
	sql := `SELECT session_id, any(session_hash) AS hash, min(effective_time) AS first, max(effective_time) AS last, count() AS events,
		       countIf(event_type IN ('assistant_response', 'interaction')) AS responses
		FROM ` + allFacts + `
		WHERE ` + strings.Join(where, " AND ") + `
		GROUP BY session_id`
	if len(having) > 0 {
		sql += " HAVING " + strings.Join(having, " AND ")
	}
	return selection{sql: sql, args: append(args, havingArgs...)}, nil
}

// overlap is the condition on the events that tell of a session; its first two
// arguments bound their times. A window that ends now has nobody silent in it; the figures of a Measurement stand on
// events in their window.
func (s *Store) overlap(f SessionFilter) (string, []any) {
	w := f.Window
	const inside = "effective_time >= ? AND effective_time < ?"
	if f.Behind != "" || !w.To.Before(s.now()) {
		return inside, []any{w.From, w.To}
	}
	before, after := w.From.Add(-silentFor), w.To.Add(silentFor)
	const heard = "SELECT session_hash FROM event_facts WHERE effective_time >= ? AND effective_time < ?"
	return "effective_time >= ? AND effective_time < ? AND (" + inside + " OR session_hash IN (" + heard + ") AND session_hash IN (" + heard + ") AND session_hash NOT IN (" + heard + "))",
		[]any{before, after, w.From, w.To, before, w.From, w.To, after, w.From, w.To}
}

// eachTest is a condition that some event of a session must meet.
type eachTest struct{ test, value string }

// each lists the conditions that are set.
func (f SessionFilter) each() []eachTest {
	return slices.DeleteFunc([]eachTest{
		{"task_class = ?", f.TaskClass}, {"model_version = ?", f.ModelVersion}, {"prompt_template_id = ?", f.PromptTemplateID}, {"env = ?", f.Env},
		{"ifNull(user_id_hash, '') = ?", f.User}, {"ifNull(experiment_id, '') = ?", f.Experiment}, {"ifNull(variant, '') = ?", f.Variant},
		{"assistant_version = ?", f.Version}, {"error_type = ?", f.ErrorType},
	}, func(c eachTest) bool { return c.value == "" })
}

// having are the conditions on a session's events: each met by some event, or,
// behind a figure, all by one.
func (f SessionFilter) having() ([]string, []any, error) {
	var each []string
	var args []any
	for _, c := range f.each() {
		each, args = append(each, c.test), append(args, unsaid(c.value))
	}
	if f.Behind != "" {
		kind, ok := behind[f.Behind]
		if !ok {
			return nil, nil, fault.Say(fault.Invalid, "There is no figure of this name.")
		}
		return []string{"countIf(" + strings.Join(append([]string{"(" + kind.test + ")"}, each...), " AND ") + ") > 0"}, args, nil
	}
	for i, test := range each {
		each[i] = "countIf(" + test + ") > 0"
	}
	return each, args, nil
}

// Unsaid stands in a filter for what events do not say: no task class, no
// model version.
const Unsaid = "(none)"

func unsaid(value string) string {
	if value == Unsaid {
		return ""
	}
	return value
}

func (s *Store) countSessions(ctx context.Context, chosen selection, w Window) (total, flagged int64, err error) {
	var all, some uint64
	err = s.eachRow(chosen.bounded(ctx), func(scan func(...any) error) error { return scan(&all, &some) }, `
		SELECT count(), countIf(hash IN (SELECT session_hash FROM event_flags WHERE response_time >= ? AND response_time < ?))
		FROM (`+chosen.sql+`)`, append([]any{w.From, w.To}, chosen.args...)...)
	return int64(all), int64(some), err
}

// bounded keeps a question that reads text to what a person waits for.
func (c selection) bounded(ctx context.Context) context.Context {
	if !c.text {
		return ctx
	}
	return within(ctx, 10*time.Second, 8<<30)
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
	err := s.eachRow(chosen.bounded(ctx), func(scan func(...any) error) error {
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

// describe fills in what is told of each session on a page: of its events in
// the window, and of one that was silent in it, of those around it.
func (s *Store) describe(ctx context.Context, page []SessionRow, w Window) error {
	if len(page) == 0 {
		return nil
	}
	var ids, silent []string
	at := make(map[string]*SessionRow, len(page))
	for i := range page {
		at[page[i].ID] = &page[i]
		if page[i].To.Before(w.To) {
			ids = append(ids, page[i].ID)
		} else {
			silent = append(silent, page[i].ID)
		}
		page[i].Verdicts, page[i].Labels, page[i].Flags = []string{}, []string{}, []Reason{}
	}
	if err := s.tell(ctx, at, ids, w); err != nil {
		return err
	}
	if err := s.tell(ctx, at, silent, Window{w.From.Add(-silentFor), w.To.Add(silentFor)}); err != nil {
		return err
	}
	return s.mark(ctx, at, append(ids, silent...))
}

func (s *Store) tell(ctx context.Context, at map[string]*SessionRow, ids []string, w Window) error {
	if len(ids) == 0 {
		return nil
	}
	now := s.now()
	return s.eachRow(ctx, func(scan func(...any) error) error {
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
}

// hideLabels leaves in the rows of a labeler only labels of responses they
// have labeled themselves.
func (s *Store) hideLabels(ctx context.Context, actor auth.Actor, page []SessionRow) error {
	if !onlyLabels(actor) {
		return nil
	}
	for i := range page {
		if len(page[i].Labels) == 0 {
			continue
		}
		page[i].Labels = []string{}
		open, err := s.labelsOpen(ctx, actor, page[i].ID)
		if err != nil {
			return err
		}
		if len(open) == 0 {
			continue
		}
		err = s.eachRow(ctx, func(scan func(...any) error) error {
			var label string
			err := scan(&label)
			page[i].Labels = append(page[i].Labels, label)
			return err
		}, `
			SELECT label
			FROM labels FINAL
			WHERE event_id IN (?) AND label != ''
			ORDER BY indexOf(['hallucinated', 'partially_correct', 'cannot_tell', 'correct'], label)
			LIMIT 1`, slices.Collect(maps.Keys(open)))
		if err != nil {
			return err
		}
	}
	return nil
}

// labelsOpen returns of which responses of a session the labels may be read by
// the actor; nil is none.
func (s *Store) labelsOpen(ctx context.Context, actor auth.Actor, sessionID string) (map[uuid.UUID]bool, error) {
	if s.LabelsOpen == nil {
		return nil, nil
	}
	return s.LabelsOpen(ctx, actor, sessionID)
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
