package web

import (
	"cmp"
	"errors"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"assay/internal/auth"
	"assay/internal/stats"
	"assay/labeling"
)

// comparisonAnswer is a comparison as the API gives it. Whoever labels in it
// is told neither the versions nor what it came to.
type comparisonAnswer struct {
	Comparison string           `json:"comparison"`
	Title      string           `json:"title"`
	TaskClass  string           `json:"task_class"`
	First      string           `json:"first_model,omitempty"`
	Second     string           `json:"second_model,omitempty"`
	Labelers   int              `json:"labelers"` // a pair
	Pairs      int64            `json:"pairs"`
	Compared   int64            `json:"compared"`
	Mine       int64            `json:"mine"`
	CreatedAt  time.Time        `json:"created_at"`
	Result     *preferredAnswer `json:"result,omitempty"`
}

// preferredAnswer counts the first reading of each pair.
type preferredAnswer struct {
	First  int     `json:"first"`
	Second int     `json:"second"`
	Equal  int     `json:"equal"`
	Share  float64 `json:"first_share"` // of pairs with a winner
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	Level  float64 `json:"level"`
}

func answerComparison(one labeling.Comparison) comparisonAnswer {
	return comparisonAnswer{Comparison: one.Slug, Title: one.Title, TaskClass: one.TaskClass, First: one.First, Second: one.Second,
		Labelers: one.Wanted, Pairs: one.Pairs, Compared: one.Compared, Mine: one.Mine, CreatedAt: one.CreatedAt}
}

func (s *site) comparisonsAPI(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	list, err := labels.Comparisons(c.UserContext(), actorOf(c))
	if err != nil {
		return err
	}
	answer := struct {
		Comparisons []comparisonAnswer `json:"comparisons"`
	}{[]comparisonAnswer{}}
	for _, one := range list {
		answer.Comparisons = append(answer.Comparisons, answerComparison(one))
	}
	return c.JSON(answer)
}

func (s *site) comparisonAPI(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	ctx, actor := c.UserContext(), actorOf(c)
	one, err := labels.Comparison(ctx, actor, param(c, "comparison"))
	if err != nil {
		return err
	}
	answer := answerComparison(one)
	if actor.May(auth.SeeMeasures) && !actor.May(auth.Label) {
		r, err := labels.Preferences(ctx, actor, one.ID)
		if err != nil {
			return err
		}
		interval := stats.Interval{High: 1}
		if r.Decided() > 0 {
			interval = r.Interval
		}
		answer.Result = &preferredAnswer{r.First, r.Second, r.Equal, r.Share, interval.Low, interval.High, .95}
	}
	return c.JSON(answer)
}

func (s *site) comparisonOpenAPI(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	in := struct {
		Title     string `json:"title"`
		TaskClass string `json:"task_class"`
		First     string `json:"first_model"`
		Second    string `json:"second_model"`
		Labelers  int    `json:"labelers"`
	}{Labelers: 1}
	if err := readJSON(c, &in); err != nil {
		return err
	}
	made, err := labels.Compare(c.UserContext(), actorOf(c), in.Title, in.TaskClass, in.First, in.Second, in.Labelers)
	if err != nil {
		return err
	}
	return c.Status(fiber.StatusCreated).JSON(answerComparison(made))
}

// pairAnswer is a pair to compare: two responses, and nothing of whose they are.
type pairAnswer struct {
	ID         int64     `json:"id"`
	Comparison string    `json:"comparison"`
	Token      uuid.UUID `json:"token"`
	LeaseUntil time.Time `json:"lease_until"`
	Prompt     string    `json:"prompt"`
	Context    []string  `json:"context"`
	A          string    `json:"a"`
	B          string    `json:"b"`
}

func (s *site) pairReserveAPI(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	ctx, actor := c.UserContext(), actorOf(c)
	answer := struct {
		Pair *pairAnswer `json:"pair"`
	}{}
	id, err := labels.ReservePair(ctx, actor, param(c, "comparison"))
	if errors.Is(err, labeling.ErrNothingFree) {
		return c.JSON(answer)
	}
	if err != nil {
		return err
	}
	p, err := labels.Pair(ctx, actor, id)
	if err != nil {
		return err
	}
	answer.Pair = &pairAnswer{p.ID, p.Comparison.Slug, p.Token, p.LeaseUntil, p.Prompt, append([]string{}, p.Context...), p.Left.Response, p.Right.Response}
	return c.JSON(answer)
}

func (s *site) preferAPI(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	id, err := idParam(c, "pair")
	if err != nil {
		return err
	}
	var in struct {
		Token uuid.UUID `json:"token"`
		Side  string    `json:"side"`
	}
	if err := readJSON(c, &in); err != nil {
		return err
	}
	key := "token/" + in.Token.String() // one hold is one preference
	if err := labels.Prefer(c.UserContext(), actorOf(c), id, in.Token, key, in.Side); err != nil {
		return err
	}
	return c.Status(fiber.StatusCreated).JSON(done{"preferred"})
}

func (s *site) pairUndoAPI(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	id, err := idParam(c, "pair")
	if err != nil {
		return err
	}
	if err := labels.TakeBack(c.UserContext(), actorOf(c), id); err != nil {
		return err
	}
	return c.JSON(done{"taken back"})
}

// preferencesAPI gives every revision, as the export writes it.
func (s *site) preferencesAPI(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	var in struct {
		Format string `query:"format"`
	}
	if err := readQuery(c, &in); err != nil {
		return err
	}
	in.Format = cmp.Or(in.Format, "jsonl")
	slug := param(c, "comparison")
	write, err := labels.ExportPreferences(c.UserContext(), actorOf(c), slug, in.Format)
	if err != nil {
		return err
	}
	return s.download(c, slug+"."+in.Format, exportTypes[in.Format], write)
}

// undoAPI takes the actor's label of an item back and holds the item again: the
// next label is its next revision.
func (s *site) undoAPI(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	id, err := idParam(c, "item")
	if err != nil {
		return err
	}
	held, err := labels.Undo(c.UserContext(), actorOf(c), id)
	if err != nil {
		return err
	}
	return c.JSON(heldAnswer{held})
}

type heldAnswer struct {
	Reservation labeling.Reservation `json:"reservation"`
}

// revisionAnswer is one thing that was said of an item.
type revisionAnswer struct {
	Labeler      string    `json:"labeler"` // pseudonym, unless the reader sees names
	Own          bool      `json:"own"`
	Decision     bool      `json:"decision"` // of a reviewer, beside the labels
	Revision     int       `json:"revision"`
	Label        *string   `json:"label"` // null: taken back
	Reasons      []string  `json:"reasons"`
	Confidence   string    `json:"confidence,omitempty"`
	Correction   string    `json:"correction,omitempty"`
	Note         string    `json:"note,omitempty"`
	GuideVersion int       `json:"guide_version,omitempty"`
	Source       string    `json:"source"`
	LabeledAt    time.Time `json:"labeled_at"`
	AfterReading bool      `json:"after_reading_others"`
}

type revisionsAnswer struct {
	Item      string           `json:"item"`
	Revisions []revisionAnswer `json:"revisions"`
}

func (s *site) revisionsAPI(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	id, err := idParam(c, "item")
	if err != nil {
		return err
	}
	list, err := labels.ItemHistory(c.UserContext(), actorOf(c), id)
	if err != nil {
		return err
	}
	answer := revisionsAnswer{strconv.FormatInt(id, 10), []revisionAnswer{}}
	for _, r := range list {
		one := revisionAnswer{Labeler: r.Labeler, Own: r.Own, Decision: r.Decision, Revision: r.Revision, Reasons: append([]string{}, r.Reasons...), Confidence: r.Confidence,
			Correction: r.Correction, Note: r.Note, GuideVersion: r.GuideVersion, Source: r.Source, LabeledAt: r.LabeledAt, AfterReading: r.AfterReading}
		if r.Label != "" {
			one.Label = &r.Label
		}
		answer.Revisions = append(answer.Revisions, one)
	}
	return c.JSON(answer)
}

const comparisonSchema = `{"type":"object","required":["title","task_class","first_model","second_model"],"properties":{
	"title":{"type":"string","maxLength":120},"task_class":{"type":"string"},"first_model":{"type":"string"},"second_model":{"type":"string"},
	"labelers":{"type":"integer","minimum":1,"maximum":9,"default":1}}}`

const preferSchema = `{"type":"object","required":["token","side"],"properties":{"token":{"type":"string","format":"uuid"},"side":{"enum":["a","b","equal"]}}}`

var comparisonOperations = map[string]operation{
	"GET /v1/comparisons":                      {Summary: "The comparisons of two model versions. Whoever labels in them is told no version.", Answers: map[int]content{200: {Words: "comparisons"}}},
	"POST /v1/comparisons":                     {Summary: "A comparison of all questions that both versions answered differently.", Body: &content{Schema: comparisonSchema}, Answers: map[int]content{201: {Words: "the comparison"}}},
	"GET /v1/comparisons/:comparison":          {Summary: "A comparison; to whoever may see measures and does not label, with what it came to.", Answers: map[int]content{200: {Words: "the comparison"}}},
	"POST /v1/comparisons/:comparison/reserve": {Summary: "The next pair, its sides drawn at random; null when none is free.", Answers: map[int]content{200: {Words: "pair"}}},
	"GET /v1/comparisons/:comparison/preferences": {Summary: "Every revision of every preference.", Query: []parameter{{Name: "format", Words: "jsonl or csv; jsonl without it"}},
		Answers: map[int]content{200: {Type: "application/x-ndjson", Words: "preferences"}}},
	"POST /v1/pairs/:pair/preferences": {Summary: "Which side is better, under the token of the hold. One hold is one preference.", Body: &content{Schema: preferSchema}, Answers: map[int]content{201: {Words: "done"}}},
	"POST /v1/pairs/:pair/undo":        {Summary: "Take one's own preference back, as a revision, and hold the pair again.", Answers: map[int]content{200: {Words: "done"}}},
	"POST /v1/items/:item/undo":        {Summary: "Take one's own label back, as a revision, and hold the item again: the next label is the next revision.", Answers: map[int]content{200: {Words: "the reservation", Of: heldAnswer{}}}},
	"GET /v1/items/:item/labels":       {Summary: "Every revision of every label of an item and every decision over them, in the order given. Whoever labels reads of others only after their own label.", Answers: map[int]content{200: {Words: "revisions", Of: revisionsAnswer{}}}},
}
