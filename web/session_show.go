package web

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"assay/internal/fault"
	"assay/labeling"
	"assay/telemetry"
	"assay/web/ui"
)

// sessionShown is what of a session is shown; all of it is in the address.
type sessionShown struct {
	Event string `query:"event"`
	At    int    `query:"at"`
	View  string `query:"view"` // lanes, tree, waterfall or log
	Tab   string `query:"tab"`  // io, attributes, evidence, labels
}

// sessionPage is one session: its lanes, its log, and the selected event.
type sessionPage struct {
	Title    string
	Head     ui.Head
	Showing  string
	From, To ui.Time
	Moves    []templ.Component
	Minimap  ui.Minimap
	Lanes    *ui.Timeline // nil in the log view
	Log      ui.Table
	Details  eventDetails
}

// eventDetails is the selected event at the right.
type eventDetails struct {
	Head  ui.Head
	Tabs  ui.Tabs
	Body  []templ.Component
	Steps []templ.Component
	Put   *putPart // nil where the reader may not, and beside what is no response
}

func (s *site) sessionShow(c *fiber.Ctx) error {
	d, q, err := s.session(c)
	if err != nil {
		return err
	}
	said, err := s.labelsSaid(c, d, q)
	if err != nil {
		return err
	}
	p := buildSession(d, q, said, s.origin)
	if p.Details.Put, err = s.putOf(c, d); err != nil {
		return err
	}
	return s.page(c, ui.Page{Title: p.Title, Nav: "sessions", Layout: ui.Panes, Back: &ui.Link{Text: "Sessions", URL: "/sessions"}, Short: clip(p.Title, 40)}, p.draw())
}

func (s *site) session(c *fiber.Ctx) (d telemetry.SessionDetail, q sessionShown, err error) {
	store, err := s.events()
	if err != nil {
		return d, q, err
	}
	if err := readQuery(c, &q); err != nil {
		return d, q, err
	}
	view := telemetry.SessionView{From: q.At}
	if q.Event != "" {
		if view.Event, err = uuid.Parse(q.Event); err != nil {
			return d, q, fault.Say(fault.Invalid, "An event is named by its UUID.")
		}
	}
	d, err = store.Session(c.UserContext(), actorOf(c), param(c, "session"), view)
	return d, q, err
}

// sessionViews are the ways to look at a session, the first without asking.
var sessionViews = []string{"lanes", "tree", "waterfall", "log"}

// labelsSaid are the labels of the selected event with every revision, when
// they are asked for; the stage says whose may be read.
func (s *site) labelsSaid(c *fiber.Ctx, d telemetry.SessionDetail, q sessionShown) ([]labeling.Revision, error) {
	if s.Labeling == nil || q.Tab != "labels" {
		return nil, nil
	}
	return s.Labeling.History(c.UserContext(), actorOf(c), selectedOf(d).EventID)
}

// sessionAt is the address of a place in a session.
type sessionAt struct {
	id     string
	view   string
	origin string // of a link to copy
}

func (a sessionAt) url(set url.Values) string {
	if slices.Contains(sessionViews, a.view) && a.view != sessionViews[0] {
		set.Set("view", a.view)
	}
	if len(set) == 0 {
		return sessionURL(a.id)
	}
	return sessionURL(a.id) + "?" + set.Encode()
}

func (a sessionAt) event(id uuid.UUID, tab string) string {
	set := url.Values{"event": {id.String()}}
	if tab != "" && tab != "io" {
		set.Set("tab", tab)
	}
	return a.url(set)
}

func (a sessionAt) place(at int) string { return a.url(url.Values{"at": {strconv.Itoa(at)}}) }

func buildSession(d telemetry.SessionDetail, q sessionShown, said []labeling.Revision, origin string) sessionPage {
	at := sessionAt{id: d.ID, view: q.View, origin: origin}
	selected := selectedOf(d)
	p := sessionPage{
		Title:   cmp.Or(firstWords(d.Title, 90), d.ID),
		Head:    sessionHead(d),
		Showing: "Showing " + ui.OutOf(len(d.Page), d.Events) + " events",
		From:    ui.Time{At: d.Page[0].Start(), Style: ui.Clock},
		To:      ui.Time{At: d.Page[len(d.Page)-1].At, Style: ui.Clock},
		Moves:   sessionMoves(d, at, q),
		Minimap: minimapOf(d),
		Details: detailsOf(d, at, selected, q.Tab, said),
	}
	switch q.View {
	case "tree":
		p.Log = treeOf(d, at, selected)
	case "waterfall":
		p.Log = waterfallOf(d, at, selected)
	case "log":
		p.Log = logOf(d, at, selected)
	default:
		lanes := lanesOf(d, at, selected)
		p.Lanes, p.Log = &lanes, logOf(d, at, selected)
	}
	return p
}

// selectedOf is the event asked for, else what a reader looks for first: the
// failure, the last response, the first event.
func selectedOf(d telemetry.SessionDetail) telemetry.TimelineEvent {
	if d.Selected != nil {
		return *d.Selected
	}
	best := d.Page[0]
	for _, e := range d.Page {
		if d.FirstFailed != nil && e.EventID == d.FirstFailed.EventID {
			return e
		}
		if e.IsResponse() {
			best = e
		}
	}
	return best
}

func sessionHead(d telemetry.SessionDetail) ui.Head {
	h := ui.Head{Crumbs: []ui.Link{{Text: "Sessions", URL: "/sessions"}, {Text: d.ID}}, Title: firstWords(d.Title, 90)}
	if h.Title == "" {
		h.Title, h.Mono = d.ID, true
	}
	if d.TaskClass != "" {
		h.Below = append(h.Below, ui.Chip{Text: taskClassWords(d.TaskClass), Tone: ui.Accent})
	}
	for _, id := range []string{d.ModelVersion, d.TemplateID} {
		if id != "" {
			h.Below = append(h.Below, ui.Chip{Text: id, Mono: true, Outline: true})
		}
	}
	h.Below = append(h.Below, textChip(d))
	h.Below = append(h.Below, ui.Words(ui.Time{At: d.From, Style: ui.Day}, " ", ui.Time{At: d.From, Style: ui.Clock}, " to ", ui.Time{At: d.To, Style: ui.Clock}),
		ui.Text(ui.CountOf(d.Events, "event")))
	if d.UnsafeServed {
		h.Below = append(h.Below, ui.Sign{Mark: ui.MarkFailed, Word: "unsafe claim served"})
	}
	return h
}

// textChip says what is read here.
func textChip(d telemetry.SessionDetail) ui.Chip {
	if d.HasText {
		return ui.Chip{Text: "Redacted text", Icon: ui.IconShield, Outline: true}
	}
	return ui.Chip{Text: "No text: " + missingText(d.Consent, d.TextSent), Icon: ui.IconEyeOff, Outline: true}
}

const pageOfEvents = 200

func sessionMoves(d telemetry.SessionDetail, at sessionAt, q sessionShown) []templ.Component {
	earlier := ui.Button{Label: "Earlier 200", Size: ui.Small, Icon: ui.IconChevronLeft, Disabled: d.Place == 0, Because: "This is the beginning"}
	if d.Place > 0 {
		earlier.URL = at.place(max(0, d.Place-pageOfEvents))
	}
	end := d.Place + len(d.Page)
	later := ui.Button{Label: "Later 200", Size: ui.Small, Icon: ui.IconChevronRight, IconAfter: true, Disabled: end >= d.Events, Because: "This is the end"}
	if end < d.Events {
		later.URL = at.place(end)
	}
	var moves []templ.Component
	if d.Events > len(d.Page) {
		moves = append(moves, earlier, later)
	}
	if d.FirstFailed != nil {
		label := "First failed stage"
		if d.FirstFailed.Stage == "error" {
			label = "First failure"
		}
		moves = append(moves, ui.Button{Label: label, Size: ui.Small, Act: ui.ActFirstFailed, URL: at.event(d.FirstFailed.EventID, "")})
	}
	here := url.Values{}
	if q.Event != "" {
		here.Set("event", q.Event)
	} else if d.Place > 0 {
		here.Set("at", strconv.Itoa(d.Place))
	}
	views := ui.Segmented{Name: "View"}
	for i, view := range sessionViews {
		set := url.Values{}
		maps.Copy(set, here)
		views.Options = append(views.Options, ui.Segment{Label: capital(view), URL: sessionAt{id: d.ID, view: view}.url(set), Current: q.View == view || i == 0 && !slices.Contains(sessionViews, q.View)})
	}
	return append(moves, views)
}

func minimapOf(d telemetry.SessionDetail) ui.Minimap {
	m := ui.Minimap{}
	failures := 0
	for _, bin := range d.Density {
		m.Bins = append(m.Bins, ui.Bin{Count: bin.Events, Failed: bin.Failed})
		if bin.Failed {
			failures++
		}
	}
	span := max(d.To.Sub(d.From), time.Millisecond)
	m.From = float64(d.Page[0].At.Sub(d.From)) / float64(span)
	m.To = float64(d.Page[len(d.Page)-1].At.Sub(d.From)) / float64(span)
	m.Name = ui.CountOf(d.Events, "event") + ", failures in " + ui.Count(failures) + " of " + ui.Count(len(d.Density)) + " stretches"
	return m
}

// logOf is the list of what is shown, in step with the lanes.
func logOf(d telemetry.SessionDetail, at sessionAt, selected telemetry.TimelineEvent) ui.Table {
	log := ui.Table{ID: "log", Caption: "Events", Tight: true, Flow: true, Bare: true, Columns: []ui.Column{
		{Label: "At"}, {Label: "Kind"}, {Label: "What"}, {Label: "Detail", Wide: true}, {Label: "Took", Right: true}}}
	verdictsOf := map[uuid.UUID][]telemetry.VerdictRow{}
	for _, v := range d.Verdicts {
		verdictsOf[v.EventID] = append(verdictsOf[v.EventID], v)
	}
	for _, e := range d.Page {
		log.Rows = append(log.Rows, ui.Row{ID: "event-" + e.EventID.String(), URL: at.event(e.EventID, ""), Current: e.EventID == selected.EventID, Cells: []templ.Component{
			ui.Mono(offsetWords(e.At.Sub(d.From))), kindSign(e), ui.Link{Text: clip(e.What, 40), URL: at.event(e.EventID, ""), Mono: true, Plain: true, Region: "details"},
			eventDetail(d, e, false), ui.Text(tookIfAny(e.TookMS))}})
		for _, v := range verdictsOf[e.EventID] {
			elapsed := v.ElapsedMS
			log.Rows = append(log.Rows, ui.Row{URL: at.event(e.EventID, "evidence"), Cells: []templ.Component{
				nil, ui.MarkOf(v.Verdict).Named(v.Verdict), ui.Link{Text: v.Validator + " " + shortVersion(v.Version), URL: at.event(e.EventID, "evidence"), Mono: true, Plain: true},
				ui.Words(clip(v.Message, 160)), ui.Text(tookIfAny(&elapsed))}})
		}
	}
	return log
}

func firstFailedWords(f *telemetry.FailedStage) string {
	if f.Stage == "error" {
		return "first failure"
	}
	return "first failed stage"
}

func tookIfAny(ms *int64) string {
	if ms == nil {
		return ""
	}
	return took(ms)
}

// offsetWords is a place in a session: "+34.60", "+1:02:03"; what began before
// the first event ended has a true minus sign.
func offsetWords(d time.Duration) string {
	if d < 0 {
		return "−" + offsetWords(-d)[1:]
	}
	if d < time.Hour {
		return fmt.Sprintf("+%.2f", d.Seconds())
	}
	s := int(d.Seconds())
	return fmt.Sprintf("+%d:%02d:%02d", s/3600, s/60%60, s%60)
}
