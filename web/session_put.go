package web

import (
	"net/url"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/labeling"
	"assay/telemetry"
	"assay/web/ui"
)

// putPart is where the selected response lies by hand or by rule, and the form
// that puts it into another queue.
type putPart struct {
	Action  string
	Event   string
	There   []templ.Component // a queue that has it
	Options []ui.Option       // queues that would take it
	Refused string            // why there is no form
	Open    *ui.Link          // where a queue is opened
}

// putOf is nil for who may not put a response anywhere, and for what is none.
func (s *site) putOf(c *fiber.Ctx, d telemetry.SessionDetail) (*putPart, error) {
	e := selectedOf(d)
	if s.Labeling == nil || !e.IsResponse() || !actorOf(c).May(auth.Configure) {
		return nil, nil
	}
	shelves, measures, err := s.Labeling.Shelves(c.UserContext(), actorOf(c), e.TaskClass, e.EventID)
	if err != nil {
		return nil, err
	}
	return buildPut(d.ID, e, shelves, measures), nil
}

func buildPut(session string, e telemetry.TimelineEvent, shelves []labeling.Shelf, measures string) *putPart {
	p := &putPart{Action: sessionURL(session) + "/items", Event: e.EventID.String()}
	out := false
	for _, shelf := range shelves {
		switch {
		case shelf.There:
			said := []any{"In the queue ", ui.Link{Text: shelf.Title, URL: "/queues/" + pathPart(shelf.Slug)}}
			if shelf.Why != "" {
				said = append(said, ", put there by hand: “"+shelf.Why+"”")
			}
			p.There = append(p.There, ui.Words(said...))
		case shelf.Out:
			out = true
		default:
			p.Options = append(p.Options, ui.Option{Value: shelf.Slug, Label: shelf.Title})
		}
	}
	switch {
	case !e.HasText:
		p.Options, p.Refused = nil, upperFirst(missingText(e.Consent, e.TextSent))+". Nobody could read it in a queue."
	case len(p.Options) > 0:
	case len(shelves) == 0:
		p.Refused = "There is no discovery queue of this task class. What a person chooses has no known probability, so no queue that measures takes it."
	case out:
		p.Refused = "It was taken out of the discovery queue of its task class, and stays out."
	default:
		p.Refused = "Every discovery queue of its task class has it."
	}
	if e.HasText && len(p.Options) == 0 {
		p.Open = &ui.Link{Text: "Open a discovery queue", URL: "/queues"}
		if measures != "" {
			p.Open.URL += "/" + pathPart(measures) + "/rules"
		}
	}
	return p
}

func (s *site) sessionPut(c *fiber.Ctx) error {
	var in struct {
		Event string `form:"event"`
		Queue string `form:"queue"`
		Why   string `form:"why"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	put, err := s.put(c, in.Queue, in.Event, in.Why)
	if err != nil {
		return err
	}
	if put.Added {
		s.say(c, "The response is in the queue.")
	} else {
		s.say(c, "The response is in this queue already. Nothing changed.")
	}
	return s.see(c, sessionURL(param(c, "session"))+"?"+url.Values{"event": {in.Event}}.Encode())
}

func (s *site) put(c *fiber.Ctx, queue, event, why string) (labeling.Put, error) {
	labels, err := s.labels()
	if err != nil {
		return labeling.Put{}, err
	}
	id, err := uuid.Parse(event)
	if err != nil {
		return labeling.Put{}, fault.Say(fault.Invalid, "A response is named by its event's UUID.")
	}
	return labels.Put(c.UserContext(), actorOf(c), queue, id, why)
}

func (s *site) putAPI(c *fiber.Ctx) error {
	var in struct {
		EventID string `json:"event_id"`
		Why     string `json:"why"`
	}
	if err := readJSON(c, &in); err != nil {
		return err
	}
	put, err := s.put(c, param(c, "queue"), in.EventID, in.Why)
	if err != nil {
		return err
	}
	if put.Added {
		c.Status(fiber.StatusCreated)
	}
	return c.JSON(put)
}

const putSchema = `{"type":"object","required":["item_id","queue","added"],"properties":{
	"item_id":{"type":"integer"},"queue":{"type":"string"},"added":{"type":"boolean","description":"false: it was there already, and nothing changed"}}}`

var putOperations = map[string]operation{
	"POST /v1/queues/:queue/items": {Summary: "Put one response into a discovery queue by hand. Its labels reach no rate, and a queue that measures refuses it.",
		Body: &content{Schema: `{"type":"object","required":["event_id","why"],"properties":{
			"event_id":{"type":"string","format":"uuid"},"why":{"type":"string","minLength":1,"maxLength":200}}}`},
		Answers: map[int]content{201: {Words: "the item", Schema: putSchema}, 200: {Words: "the item that was there already", Schema: putSchema}}},
}
