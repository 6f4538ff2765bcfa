package web

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/labeling"
)

// queueAnswer is a queue as the API gives it.
type queueAnswer struct {
	labeling.Queue
	Waiting  map[labeling.PriorityClass]int64 `json:"waiting"`
	Another  int64                            `json:"waiting_for_another"`
	Reserved int64                            `json:"reserved"`
	Done     int64                            `json:"done"`
	Mine     int64                            `json:"mine"`
	Oldest   *time.Time                       `json:"oldest"`

	// What is free by the language it is written in, "" where its text does not
	// say; and whether whoever asks judges answers of its task class.
	Languages map[string]int64 `json:"languages"`
	Able      bool             `json:"able"`
}

type queuesAnswer struct {
	Queues []queueAnswer `json:"queues"`
}

func (s *site) queuesAPI(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	summaries, err := labels.Summaries(c.UserContext(), actorOf(c))
	if err != nil {
		return err
	}
	answer := queuesAnswer{Queues: []queueAnswer{}}
	program := actorOf(c).Kind == auth.Key && actorOf(c).May(auth.Label)
	for _, q := range summaries {
		if program && !q.Able {
			continue // a program is shown what it may label
		}
		answer.Queues = append(answer.Queues, queueAnswer{q.Queue, q.Waiting, q.Another, q.Reserved, q.Done, q.Mine, q.Oldest, q.Languages, q.Able})
	}
	return c.JSON(answer)
}

// itemAnswer is an item to label as the API gives it: what the page shows, and
// on a blind queue nothing more.
type itemAnswer struct {
	ID           int64               `json:"id"`
	EventID      uuid.UUID           `json:"event_id"`
	SessionID    string              `json:"session_id"`
	Queue        string              `json:"queue"`
	TaskClass    string              `json:"task_class"`
	ModelVersion string              `json:"model_version,omitempty"`
	EventTime    time.Time           `json:"event_time"`
	Language     string              `json:"language"` // ISO 639-1, "" where the text does not say
	Flags        []labeling.ItemFlag `json:"flags"`
	Abstained    bool                `json:"abstained"`
	Prompt       string              `json:"prompt"`
	Response     string              `json:"response"`
	Context      []string            `json:"context"`
	Artifact     json.RawMessage     `json:"artifact"`
	Reasons      []string            `json:"reasons"`
	GuideVersion int                 `json:"guide_version"`
	GuideRule    string              `json:"guide_rule"`
}

// reserveAnswer is the next item, or null with the counts that say why.
type reserveAnswer struct {
	Item        *itemAnswer           `json:"item"`
	Reservation *labeling.Reservation `json:"reservation"`
	Counts      *labeling.Counts      `json:"counts,omitempty"`
}

func (s *site) reserveAPI(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	ctx, actor := c.UserContext(), actorOf(c)
	queue, err := labels.Queue(ctx, actor, param(c, "queue"))
	if err != nil {
		return err
	}
	r, err := labels.Reserve(ctx, actor, queue.Slug)
	if errors.Is(err, labeling.ErrNothingFree) {
		counts, err := labels.Counts(ctx, actor, queue)
		if err != nil {
			return err
		}
		return c.JSON(reserveAnswer{Counts: &counts})
	}
	if err != nil {
		return err
	}
	if err := labels.Opened(ctx, actor, r.ItemID); err != nil {
		return err
	}
	item, err := labels.Item(ctx, actor, r.ItemID)
	if err != nil {
		return err
	}
	answer := answerItem(item)
	return c.JSON(reserveAnswer{Item: &answer, Reservation: &r})
}

func answerItem(item labeling.Item) itemAnswer {
	answer := itemAnswer{
		ID: item.ID, EventID: item.EventID, SessionID: item.SessionID, Queue: item.Queue.Slug, TaskClass: item.TaskClass,
		ModelVersion: item.ModelVersion, EventTime: item.EventTime, Language: item.Language, Flags: []labeling.ItemFlag{}, Abstained: item.Snapshot.Abstained(),
		Prompt: item.Snapshot.Prompt, Response: item.Snapshot.Response, Context: item.Snapshot.Context, Artifact: item.Snapshot.Artifact,
		Reasons: item.Queue.Reasons, GuideVersion: item.Guide.Version, GuideRule: item.Guide.Rule,
	}
	if item.Queue.Blind {
		answer.ModelVersion = ""
	}
	for _, flag := range item.Flags {
		if !item.Queue.VerdictHidden || flag.Reason != "validator_failed" {
			answer.Flags = append(answer.Flags, flag)
		}
	}
	return answer
}

// briefAnswer is an item in a list.
type briefAnswer struct {
	ID            int64                  `json:"id"`
	EventID       uuid.UUID              `json:"event_id"`
	SessionID     string                 `json:"session_id"`
	Queue         string                 `json:"queue"`
	State         string                 `json:"state"`
	Reasons       []string               `json:"reasons"`
	PriorityClass labeling.PriorityClass `json:"priority_class"`
	Design        string                 `json:"design"`
	Pi            *float64               `json:"inclusion_probability"`
	EventTime     time.Time              `json:"event_time"`
	AddedAt       time.Time              `json:"added_at"`
}

func (s *site) decisionsAPI(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	var in struct {
		Event string `query:"event_id"`
	}
	if err := readQuery(c, &in); err != nil {
		return err
	}
	event, err := uuid.Parse(in.Event)
	if err != nil {
		return fault.Say(fault.Invalid, "Name the response by its id: /v1/decisions?event_id=…")
	}
	decisions, err := labels.Decisions(c.UserContext(), actorOf(c), event)
	if err != nil {
		return err
	}
	return c.JSON(decisionsAnswer{append([]labeling.Decision{}, decisions...)})
}

type decisionsAnswer struct {
	Decisions []labeling.Decision `json:"decisions"`
}

func (s *site) itemsAPI(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	var in struct {
		Session string `query:"session_id"`
		Cursor  string `query:"cursor"`
		Limit   int    `query:"limit"`
	}
	if err := readQuery(c, &in); err != nil {
		return err
	}
	if in.Session == "" {
		return fault.Say(fault.Invalid, "Name the session: /v1/items?session_id=…")
	}
	if in.Limit < 0 || in.Limit > itemsPage {
		return fault.Say(fault.Invalid, "The limit is at most %d.", itemsPage)
	}
	limit := cmp.Or(in.Limit, itemsPage)
	var after labeling.ItemPlace
	if err := readCursor(in.Cursor, &after); err != nil {
		return err
	}
	items, err := labels.ItemsAfter(c.UserContext(), actorOf(c), in.Session, after, limit+1)
	if err != nil {
		return err
	}
	answer := itemsAnswer{Items: []briefAnswer{}}
	for _, b := range items[:min(limit, len(items))] {
		answer.Items = append(answer.Items, briefAnswer{b.ID, b.EventID, b.SessionID, b.Queue, b.State, b.Reasons, b.PriorityClass, b.Design, b.Pi, b.EventTime, b.AddedAt})
	}
	if len(items) > limit {
		last := items[limit-1]
		answer.Next = cursorOf(labeling.ItemPlace{At: last.EventTime, ID: last.ID})
	}
	return c.JSON(answer)
}

// itemsPage is how many items of a session come at once.
const itemsPage = 500

type itemsAnswer struct {
	Items []briefAnswer `json:"items"`
	Next  string        `json:"next,omitempty"` // cursor of the next page
}

// labelRequest is a label sent by a program on behalf of a signed-in person.
type labelRequest struct {
	Token uuid.UUID `json:"token"`
	labeling.Answer
}

func (s *site) labelAPI(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	id, err := idParam(c, "item")
	if err != nil {
		return err
	}
	var in labelRequest
	if err := readJSON(c, &in); err != nil {
		return err
	}
	key := c.Get(idempotencyHeader)
	if key == "" {
		key = "token/" + in.Token.String() // one reservation is one label
	}
	label, err := labels.Submit(c.UserContext(), actorOf(c), id, in.Token, key, in.Answer)
	if err != nil {
		return err
	}
	return c.Status(fiber.StatusCreated).JSON(labelAnswer{label.ID, label.ItemID, label.Label, label.Revision, label.Consensus, label.LabeledAt})
}

type labelAnswer struct {
	ID        int64     `json:"id"`
	ItemID    int64     `json:"item_id"`
	Label     string    `json:"label"`
	Revision  int       `json:"revision"`
	Consensus string    `json:"consensus"`
	LabeledAt time.Time `json:"labeled_at"`
}

// reservationRequest ends or renews a reservation.
type reservationRequest struct {
	Token  uuid.UUID `json:"token"`
	Reason string    `json:"reason"` // of a skip
}

func (s *site) reservationAPI(c *fiber.Ctx, act func(ctx context.Context, labels *labeling.Store, id int64, in reservationRequest) (any, error)) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	id, err := idParam(c, "item")
	if err != nil {
		return err
	}
	var in reservationRequest
	if err := readJSON(c, &in); err != nil {
		return err
	}
	answer, err := act(c.UserContext(), labels, id, in)
	if err != nil {
		return err
	}
	return c.JSON(answer)
}

type done struct {
	Done string `json:"done"`
}

func (s *site) skipAPI(c *fiber.Ctx) error {
	return s.reservationAPI(c, func(ctx context.Context, labels *labeling.Store, id int64, in reservationRequest) (any, error) {
		return done{"skipped"}, labels.Skip(ctx, actorOf(c), id, in.Token, in.Reason)
	})
}

func (s *site) releaseAPI(c *fiber.Ctx) error {
	return s.reservationAPI(c, func(ctx context.Context, labels *labeling.Store, id int64, in reservationRequest) (any, error) {
		return done{"released"}, labels.Release(ctx, actorOf(c), id, in.Token)
	})
}

func (s *site) renewAPI(c *fiber.Ctx) error {
	return s.reservationAPI(c, func(ctx context.Context, labels *labeling.Store, id int64, in reservationRequest) (any, error) {
		return labels.Renew(ctx, actorOf(c), id, in.Token)
	})
}

// labelsFilter is what the address of the labels may say.
type labelsFilter struct {
	Queue   string `query:"queue"`
	Task    string `query:"task_class"`
	Session string `query:"session_id"`
	Label   string `query:"label"`
	From    string `query:"from"`
	To      string `query:"to"`
	Cursor  string `query:"cursor"`
	Limit   int    `query:"limit"`
	Format  string `query:"format"`
}

type labelsCursor struct {
	After int64 `json:"a"`
}

const labelsPage = 500

// labelsAPI gives labels with their provenance: a page of JSON, or with a
// format everything as the export writes it.
func (s *site) labelsAPI(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	var in labelsFilter
	if err := readQuery(c, &in); err != nil {
		return err
	}
	filter, err := in.filter()
	if err != nil {
		return err
	}
	if in.Format != "" && in.Format != "json" {
		return s.labelsExport(c, labels, in.Format, filter)
	}
	if in.Cursor != "" {
		var cursor labelsCursor
		if err := readCursor(in.Cursor, &cursor); err != nil {
			return err
		}
		filter.After = cursor.After
	}
	if in.Limit < 0 || in.Limit > labelsPage {
		return fault.Say(fault.Invalid, "The limit is at most %d.", labelsPage)
	}
	limit := in.Limit
	if limit == 0 {
		limit = 100
	}
	filter.Limit = limit + 1
	records, err := labels.Records(c.UserContext(), actorOf(c), filter)
	if err != nil {
		return err
	}
	answer := labelsAnswer{Labels: append([]labeling.Record{}, records[:min(limit, len(records))]...)}
	if len(records) > limit {
		answer.Next = cursorOf(labelsCursor{records[limit-1].ID})
	}
	return c.JSON(answer)
}

type labelsAnswer struct {
	Labels []labeling.Record `json:"labels"`
	Next   string            `json:"next,omitempty"` // cursor of the next page
}

func (in labelsFilter) filter() (labeling.LabelFilter, error) {
	f := labeling.LabelFilter{Queue: in.Queue, TaskClass: in.Task, SessionID: in.Session, Label: in.Label}
	for _, bound := range []struct {
		text string
		at   *time.Time
	}{{in.From, &f.From}, {in.To, &f.To}} {
		if bound.text == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339, bound.text)
		if err != nil {
			return f, fault.Say(fault.Invalid, "Write from and to as RFC 3339, 2026-01-31T00:00:00Z.")
		}
		*bound.at = at
	}
	return f, nil
}

// exportLasts bounds an export; it outlives the request's own deadline, since
// the answer is written after the handler has returned.
const exportLasts = 10 * time.Minute

func (s *site) labelsExport(c *fiber.Ctx, labels *labeling.Store, format string, filter labeling.LabelFilter) error {
	kind, ok := map[string]string{"jsonl": "application/x-ndjson", "csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}[format]
	if !ok {
		return fault.Say(fault.Invalid, "The format is jsonl, csv or parquet.")
	}
	actor := actorOf(c)
	write, err := labels.BeginExport(c.UserContext(), actor, format, filter)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, kind)
	c.Set(fiber.HeaderContentDisposition, `attachment; filename="labels.`+format+`"`)
	log := s.log()
	c.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
		ctx, cancel := context.WithTimeout(context.Background(), exportLasts)
		defer cancel()
		if _, err := write(ctx, w); err != nil {
			log.Error("an export of labels broke off", "error", loggable(err))
		}
		if err := w.Flush(); err != nil {
			log.Warn("an export of labels was not taken to its end", "error", loggable(err))
		}
	})
	return nil
}

func (s *site) labelsImportAPI(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	body, err := boundedBody(c, bodyLimits{})
	if err != nil {
		return err
	}
	defer body.Close()
	var in struct {
		Format string `query:"format"`
		Dry    bool   `query:"dry_run"`
	}
	if err := readQuery(c, &in); err != nil {
		return err
	}
	imported, err := labels.ImportFile(c.UserContext(), actorOf(c), body, labeling.ImportOptions{Format: in.Format, Dry: in.Dry})
	if err != nil {
		return err
	}
	return c.JSON(imported)
}

const reservationSchema = `{"type":"object","required":["token"],"additionalProperties":false,"properties":{"token":{"type":"string","format":"uuid"}}}`

var skipSchema = `{"type":"object","required":["token","reason"],"additionalProperties":false,"properties":{"token":{"type":"string","format":"uuid"},"reason":{"enum":["` +
	strings.Join(labeling.SkipReasons, `","`) + `"]}}}`

const answerSchema = `{"type":"object","required":["token","label"],"additionalProperties":false,"properties":{
	"token":{"type":"string","format":"uuid"},"label":{"enum":["correct","partially_correct","hallucinated","cannot_tell"]},
	"reasons":{"type":"array","items":{"type":"string"}},
	"spans":{"type":"array","items":{"type":"object","required":["start","end"],"properties":{"start":{"type":"integer","minimum":0},"end":{"type":"integer"}}}},
	"correction":{"type":"string","maxLength":20000},"note":{"type":"string","maxLength":4000},"confidence":{"enum":["low","medium","high"]}}}`

const importSchema = `{"type":"object","properties":{"lines":{"type":"integer"},"imported":{"type":"integer"},"duplicate":{"type":"integer"},
	"unlabeled":{"type":"integer"},"format":{"type":"string"},"dry_run":{"type":"boolean"},"rejected":{"type":"array","items":{"type":"object","properties":{"line":{"type":"integer"},"error":{"type":"string"}}}}}}`

var labelingOperations = map[string]operation{
	"GET /v1/queues": {Summary: "The queues, with what waits in each, by class and language, and whether whoever asks judges its task class.", Answers: map[int]content{200: {Words: "queues", Of: queuesAnswer{}}}},
	"GET /v1/skills": {Summary: "What whoever asks can judge: only that is reserved for them. An empty list is no limit.",
		Answers: map[int]content{200: {Words: "task classes and languages (ISO 639-1)", Of: labeling.Skills{}}}},
	"POST /v1/queues/:queue/reserve": {Summary: "The next item for this person, with its reservation; null and the counts that say why when there is none.",
		Answers: map[int]content{200: {Words: "item, reservation, counts", Of: reserveAnswer{}}}},
	"GET /v1/decisions": {Summary: "What was decided when a response was considered for a queue, the newest first: stratum, permanent number, version of the rules, and why it was or was not chosen. A label's provenance names one by decision_id.",
		Query: []parameter{{Name: "event_id", Words: "the response", Required: true}}, Answers: map[int]content{200: {Words: "decisions", Of: decisionsAnswer{}}}},
	"GET /v1/items": {Summary: "The items of a session. Nobody's labels are in it.",
		Query:   []parameter{{Name: "session_id", Words: "the session", Required: true}, {Name: "cursor"}, {Name: "limit", Words: "at most 500"}},
		Answers: map[int]content{200: {Words: "items, by the time of their event, and the cursor of the next page", Of: itemsAnswer{}}}},
	"POST /v1/items/:item/labels": {Summary: "A label, under the reservation's token. A late one gets 409 and is kept as a draft.",
		Body: &content{Schema: answerSchema}, Answers: map[int]content{201: {Words: "the label", Of: labelAnswer{}}}},
	"POST /v1/items/:item/skip": {Summary: "Give the item to others for good, with a reason: " + strings.Join(labeling.SkipReasons, ", ") + ".",
		Body: &content{Schema: skipSchema}, Answers: map[int]content{200: {Words: "done", Of: done{}}}},
	"POST /v1/items/:item/release": {Summary: "Give the item back as if it had never been reserved.",
		Body: &content{Schema: reservationSchema}, Answers: map[int]content{200: {Words: "done", Of: done{}}}},
	"POST /v1/items/:item/renew": {Summary: "Extend the reservation from now.",
		Body: &content{Schema: reservationSchema}, Answers: map[int]content{200: {Words: "the reservation", Of: labeling.Reservation{}}}},
	"GET /v1/labels": {Summary: "Labels with their provenance, all revisions, in the order they were given.",
		Query: []parameter{{Name: "queue"}, {Name: "task_class"}, {Name: "session_id"}, {Name: "label"},
			{Name: "from", Words: "event time, RFC 3339, inclusive"}, {Name: "to", Words: "event time, RFC 3339, exclusive"},
			{Name: "cursor"}, {Name: "limit", Words: "at most 500"}, {Name: "format", Words: "jsonl, csv or parquet: everything, as a download"}},
		Answers: map[int]content{200: {Words: "labels and the cursor of the next page", Of: labelsAnswer{}}}},
	"POST /v1/labels/import": {Summary: "Labels made elsewhere. They become census items; lines are refused one by one; the same file twice changes nothing.",
		Query: []parameter{{Name: "format", Words: "jsonl, csv, label-studio or argilla; without it, by how the file begins"}, {Name: "dry_run", Words: "true: say what would happen and change nothing"}},
		Body:  &content{Type: "application/x-ndjson", Schema: `{"type":"string"}`}, Answers: map[int]content{200: {Words: "what was imported", Schema: importSchema}}},
}
