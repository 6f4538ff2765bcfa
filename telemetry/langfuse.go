package telemetry

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"assay/internal/auth"
	"assay/internal/fault"
)

// Langfuse clients send spans as OpenTelemetry or, older ones, in batches
// (langfuse_batch.go), and what people thought of the answers as scores. Scores that are no feedback (an evaluator's) are
// kept in their session and flag nothing.

// ScoreReceipt answers a batch of Langfuse's ingestion, item by item.
type ScoreReceipt struct {
	Successes []ScoreTaken   `json:"successes"`
	Errors    []ScoreRefused `json:"errors"`
}

// ScoreTaken is an item that is durable.
type ScoreTaken struct {
	ID     string `json:"id"`
	Status int    `json:"status"`
}

// ScoreRefused is an item that was not taken.
type ScoreRefused struct {
	ID      string `json:"id"`
	Status  int    `json:"status"`
	Message string `json:"message"`
	Error   string `json:"error"`
}

// score is Langfuse's score, as the body of an item or of a request.
type score struct {
	ID            string `json:"id"`
	TraceID       string `json:"traceId"`
	ObservationID string `json:"observationId"`
	SessionID     string `json:"sessionId"`
	Name          string `json:"name"`
	Value         any    `json:"value"`
	StringValue   string `json:"stringValue"`
	DataType      string `json:"dataType"`
	Comment       string `json:"comment"`
	Environment   string `json:"environment"`
	Timestamp     string `json:"timestamp"`
	human         bool   // a person said so, whatever it is called
}

// langfuseBegun names what is known of an observation before it has ended.
const langfuseBegun = "langfuse.begun"

type ingestionItem struct {
	ID        string          `json:"id"`
	Type      string          `json:"type"`
	Timestamp string          `json:"timestamp"`
	Body      json.RawMessage `json:"body"`
}

var (
	errNoScore   = errors.New("the item is not JSON as scores have it")
	errScoreName = errors.New("the score has no name")
	errScoreOf   = errors.New("the score names no trace and no session")
	errScoreIs   = errors.New("the score has no value")
)

// IngestScore takes one score as Langfuse's scores address has it, and
// returns its id. Invalid when it is none.
func (s *Store) IngestScore(ctx context.Context, actor auth.Actor, body []byte) (string, error) {
	if err := actor.Require(auth.SendEvents); err != nil {
		return "", err
	}
	one, err := readScore(body, "")
	if err != nil {
		return "", fault.Say(fault.Invalid, "The score was not taken: %s.", err)
	}
	refused, err := s.ingestScores(ctx, actor, []score{one})
	if err != nil {
		return "", err
	}
	if refused[0] != nil {
		return "", fault.Say(fault.Invalid, "The score was not taken: %s.", refused[0])
	}
	return one.id(), nil
}

// IngestLangfuse takes a batch as Langfuse's ingestion address has it: scores,
// traces and their observations. A client's own log is let go; an item that
// cannot be read costs only itself.
func (s *Store) IngestLangfuse(ctx context.Context, actor auth.Actor, body []byte) (ScoreReceipt, error) {
	if err := actor.Require(auth.SendEvents); err != nil {
		return ScoreReceipt{}, err
	}
	items, err := readIngestion(body)
	if err != nil {
		return ScoreReceipt{}, err
	}
	receipt := ScoreReceipt{Successes: []ScoreTaken{}, Errors: []ScoreRefused{}}
	observations, broken := gatherObservations(items)
	var scores []score
	var ids []string
	for i, item := range items {
		switch one, err := item.score(); {
		case broken[i] != nil:
			receipt.refuse(item.ID, broken[i])
		case kindOf(item.Type) != "": // answered with its observation
		case err != nil:
			receipt.refuse(item.ID, err)
		case item.Type == "sdk-log":
			receipt.take(item.ID)
		default:
			scores, ids = append(scores, one), append(ids, item.ID)
		}
	}
	if err := s.ingestObservations(ctx, actor, observations, &receipt); err != nil {
		return ScoreReceipt{}, err
	}
	refused, err := s.ingestScores(ctx, actor, scores)
	if err != nil {
		return ScoreReceipt{}, err
	}
	for i, err := range refused {
		if err != nil {
			receipt.refuse(ids[i], err)
		} else {
			receipt.take(ids[i])
		}
	}
	return receipt, nil
}

// ingestObservations takes what was told as spans, and answers each item.
func (s *Store) ingestObservations(ctx context.Context, actor auth.Actor, list []*told, receipt *ScoreReceipt) error {
	if len(list) == 0 {
		return nil
	}
	_, why, err := s.takeItems(ctx, actor, func() ([]found, error) { return spansOf(list), nil })
	if err != nil {
		return err
	}
	for i, t := range list {
		for _, id := range t.items {
			if why[i] != nil {
				receipt.refuse(id, why[i])
			} else {
				receipt.take(id)
			}
		}
	}
	return nil
}

func (r *ScoreReceipt) take(id string) {
	r.Successes = append(r.Successes, ScoreTaken{id, http.StatusCreated})
}

func (r *ScoreReceipt) refuse(id string, err error) {
	r.Errors = append(r.Errors, ScoreRefused{id, http.StatusBadRequest, "Invalid request data", err.Error()})
}

func readIngestion(body []byte) ([]ingestionItem, error) {
	b := &budget{total: maxEvents}
	var items []ingestionItem
	found := false
	d := jsonDecoder(body)
	err := jsonMembers(d, func(name string) error {
		if name != "batch" {
			return d.SkipValue()
		}
		found = true
		b.fresh()
		return jsonElements(d, b, func() error {
			b.fresh()
			v, err := d.ReadValue()
			if err != nil {
				return errNoScore
			}
			var item ingestionItem
			if json.Unmarshal(v, &item) != nil {
				item.Type = ""
			}
			items = append(items, item)
			return nil
		})
	})
	switch {
	case fatal(err):
		return nil, errTooMany
	case err != nil || !found:
		return nil, fault.Say(fault.Invalid, `The body is not as Langfuse's ingestion has it: {"batch":[…]}.`)
	}
	return items, nil
}

// score reads the score of an item.
func (i ingestionItem) score() (score, error) {
	switch i.Type {
	case "score-create":
		return readScore(i.Body, i.Timestamp)
	case "sdk-log":
		return score{}, nil
	case "":
		return score{}, errNoScore
	}
	return score{}, errKind
}

func readScore(body []byte, timestamp string) (score, error) {
	var one score
	if err := json.Unmarshal(body, &one); err != nil {
		return one, errNoScore
	}
	one.Timestamp = cmp.Or(one.Timestamp, timestamp)
	if one.Value == nil && one.StringValue != "" {
		one.Value = one.StringValue
	}
	switch {
	case one.Name == "":
		return one, errScoreName
	case one.TraceID == "" && one.SessionID == "":
		return one, errScoreOf
	case one.Value == nil:
		return one, errScoreIs
	}
	one.TraceID, one.ObservationID = strings.ToLower(one.TraceID), strings.ToLower(one.ObservationID)
	return one, nil
}

// identity is that of what was said: a person who changes their mind sends
// the same score with another value, and that is another event.
func (s score) identity() uuid.UUID {
	said, _ := json.Marshal([]any{"score", s.ID, s.TraceID, s.ObservationID, s.SessionID, s.Name, s.Value, s.Comment})
	return uuid.NewSHA1(identitySpace, said)
}

func (s score) id() string { return cmp.Or(s.ID, s.identity().String()) }

// ingestScores takes scores the way of all events and returns, for each, why
// it was refused.
func (s *Store) ingestScores(ctx context.Context, actor auth.Actor, scores []score) ([]error, error) {
	if len(scores) == 0 {
		return nil, nil
	}
	if err := s.room(ctx); err != nil {
		return nil, err
	}
	t, err := s.taking(ctx, actor)
	if err != nil {
		return nil, err
	}
	said := map[string]thread{}
	for _, one := range scores {
		if one.TraceID != "" && fits(one.TraceID) {
			session := fit(one.SessionID)
			said[one.TraceID] = thread{TraceID: one.TraceID, Named: session != "", SessionID: t.withoutAddress(cmp.Or(session, one.TraceID))}
		}
	}
	threads, err := s.threads(ctx, t, said)
	if err != nil {
		return nil, err
	}
	why := make([]error, len(scores))
	var rows []*row
	var refused []rejected
	for i, one := range scores {
		raw := t.eventOfScore(one, threads[one.TraceID])
		r, err := decode(raw)
		if err == nil {
			err = t.take(r)
		}
		if err != nil {
			why[i], refused = err, append(refused, rejected{Rejection{i, err.Error()}, raw})
			continue
		}
		rows = append(rows, r)
	}
	_, err = s.commit(ctx, t, rows, refused)
	return why, err
}

// eventOfScore is the feedback a score is, or a span that shows it.
func (t *taking) eventOfScore(one score, who thread) []byte {
	at := t.now
	if sent, err := time.Parse(time.RFC3339Nano, one.Timestamp); err == nil {
		at = sent
	}
	e := &draft{}
	e.text("event_id", one.identity().String())
	e.text("event_time", at.UTC().Format(time.RFC3339Nano))
	e.text("session_id", who.session(one.SessionID))
	e.text("task_class", who.TaskClass)
	e.text("trace_id", one.TraceID)
	e.text("parent_span_id", one.ObservationID)
	e.text("request_id", one.ObservationID)
	e.text("env", one.Environment)
	rest := object{}
	rest.add("name", cut(one.Name, 256))
	value := one.Value
	if n, ok := asFloat(value); ok && strings.EqualFold(one.DataType, "boolean") {
		value = n != 0
	}
	said := opinion(one.Name, value)
	if !one.human && !isFeedback(one.Name) && !votes(value) {
		e.text("event_type", string(TypeSpan))
		e.text("response", one.Comment)
		if n, ok := asFloat(value); ok {
			rest.add("score", n)
		} else {
			rest.add("score", cut(asText(value), 256))
		}
		return e.done(rest)
	}
	e.text("event_type", string(TypeFeedback))
	e.text("explicit_feedback", said)
	comment := one.Comment
	if text, ok := value.(string); ok && said == "" {
		comment = paragraph(text, comment)
	} else if n, ok := asFloat(value); ok {
		rest.add("score", n)
	}
	reaction(e, "", comment)
	return e.done(rest)
}

// votes reports whether a value is a thumb, whatever the score is called.
func votes(value any) bool {
	s, ok := value.(string)
	if !ok {
		return false
	}
	s = strings.ToLower(strings.TrimSpace(s))
	return strings.Contains(s, "thumb") || s == "👍" || s == "👎" || s == "upvote" || s == "downvote"
}
