package web

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"assay/internal/fault"
	"assay/labeling"
	"assay/web/ui"
)

// answerForm is the one form around the labeling page. Drafts, Later and Skip
// send the same fields.
type answerForm struct {
	Label       string   `form:"label"`
	Reasons     []string `form:"reason"`
	Spans       []string `form:"span"`
	Correction  string   `form:"correction"`
	Note        string   `form:"note"`
	Confidence  string   `form:"confidence"`
	Reservation string   `form:"reservation"`
	Key         string   `form:"idempotency_key"`
	Page        string   `form:"page"`
	SkipReason  string   `form:"skip_reason"`
	As          string   `form:"as"` // how text is shown from now on
}

// answer is what the form says, its spans as offsets.
func (f answerForm) answer() (labeling.Answer, error) {
	a := labeling.Answer{
		Label: f.Label, Reasons: f.Reasons, Confidence: f.Confidence,
		Correction: strings.ReplaceAll(f.Correction, "\r\n", "\n"), Note: strings.ReplaceAll(f.Note, "\r\n", "\n"),
	}
	for _, span := range f.Spans {
		start, end, ok := strings.Cut(span, "-")
		from, err1 := strconv.Atoi(start)
		to, err2 := strconv.Atoi(end)
		if !ok || err1 != nil || err2 != nil {
			return a, fault.Say(fault.Invalid, "A marked span is not a place in the response.")
		}
		a.Spans = append(a.Spans, labeling.Span{Start: from, End: to})
	}
	return a, nil
}

func (f answerForm) token() (uuid.UUID, error) {
	token, err := uuid.Parse(f.Reservation)
	if err != nil {
		return uuid.Nil, fault.Say(fault.Conflict, "This page carries no reservation. Open the item again.")
	}
	return token, nil
}

// opened is when the page was made, which it carries in its name.
func (f answerForm) opened() time.Time {
	text, _, _ := strings.Cut(f.Page, "-")
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

func (s *site) labels() (*labeling.Store, error) {
	if s.Labeling == nil {
		return nil, fault.Say(fault.Unavailable, "Queues and labels cannot be read now.")
	}
	return s.Labeling, nil
}

// itemShow is the page of an item: the labeling page while it is reserved for
// this person, else what became of it.
func (s *site) itemShow(c *fiber.Ctx) error {
	var in struct {
		After int64 `query:"after"` // the item labeled just before, for the toast
	}
	if err := readQuery(c, &in); err != nil {
		return err
	}
	return s.itemPage(c, in.After, nil)
}

// deskOf reads the item of the address with what surrounds it.
func (s *site) deskOf(c *fiber.Ctx, after int64) (labeling.Desk, error) {
	labels, err := s.labels()
	if err != nil {
		return labeling.Desk{}, err
	}
	id, err := idParam(c, "item")
	if err != nil {
		return labeling.Desk{}, err
	}
	desk, err := labels.Desk(c.UserContext(), actorOf(c), id, labeling.DeskAsk{Ahead: fetchedAhead(c), After: after, Midnight: s.midnightOf(c)})
	if err != nil {
		return desk, err
	}
	c.Locals(unreadLocal, desk.Unread)
	completed, err := labels.Complete(c.UserContext(), desk.Item)
	if err != nil {
		s.log().Warn("the events around an item are away", "item", id, "error", loggable(err))
	}
	desk.Item = completed
	return desk, nil
}

// itemPage answers with the item as it stands for this person: after is the
// item labeled just before, trouble is what a submit was refused for.
func (s *site) itemPage(c *fiber.Ctx, after int64, trouble error) error {
	ctx, actor := c.UserContext(), actorOf(c)
	desk, err := s.deskOf(c, after)
	if err != nil {
		return err
	}
	item := desk.Item
	verdicts, err := s.verdictsOf(ctx, item)
	if err != nil {
		return err
	}
	page := ui.Page{
		Title: fmt.Sprintf("Item %d of %s", item.Number, item.Queue.Title), Nav: "queues", Layout: ui.Panes,
		Short: item.Queue.Title, Back: &ui.Link{Text: "Queues", URL: "/queues"}, Toast: s.beforeToast(desk.Before),
	}
	if item.Reservation == nil {
		return s.page(c, page, buildKept(item, verdicts).draw())
	}
	name := fmt.Sprintf("%d-%s", s.now().UnixMilli(), uuid.NewString()[:8])
	raw, err := s.Labeling.Unredact(ctx, actor, item)
	if fault.Of(err) == fault.Unavailable {
		s.log().Warn("the unredacted text of an item is away", "item", item.ID, "error", loggable(err))
		raw, err = nil, nil
	}
	if err != nil {
		return err
	}
	p := buildLabel(item, verdicts, desk.Progress, name, uuid.NewString())
	p.unredact(raw, actor.Name)
	if item.Draft != nil {
		reader := s.reader(visitorOf(c))
		p.Work.Submit.Saved = "Draft of " + ui.Instant(item.Draft.SavedAt, s.now(), cmp.Or(reader.Zone, time.UTC), ui.DayTime) + " restored"
	}
	if trouble != nil {
		p.Trouble = &ui.Banner{Tone: ui.Mid, Fact: "This label was not taken.", Consequence: fault.Words(trouble), Alert: true}
	}
	p.Work.Rail = buildRail(item, desk.Rail, desk.Progress)
	return s.page(c, page, p.draw())
}

// fetchedAhead reports whether a script asks for the page to show it later.
func fetchedAhead(c *fiber.Ctx) bool { return c.Get("Sec-Fetch-Dest") == "empty" }

func (s *site) midnightOf(c *fiber.Ctx) time.Time {
	return midnight(s.now(), s.reader(visitorOf(c)).Zone)
}

// midnight is the beginning of the reader's day.
func midnight(now time.Time, zone *time.Location) time.Time {
	if zone == nil {
		zone = time.UTC
	}
	local := now.In(zone)
	return time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, zone)
}

// labelPage is the labeling page as it is drawn.
type labelPage struct {
	Work    ui.Work
	Head    ui.ItemHead
	Trouble *ui.Banner
	Turns   []templ.Component
	Guide   guideText
}

// unredact adds what is read under a grant, and says until when. What is judged
// and marked stays the redacted text: offsets are its own.
func (p *labelPage) unredact(raw *labeling.Unredacted, reader string) {
	if raw == nil {
		return
	}
	last := len(p.Head.Facts) - 1
	p.Head.Facts[last] = ui.Words(ui.Chip{Text: "Reading grant", Tone: ui.Mid, Icon: ui.IconShield}, " until ", ui.Time{At: raw.Until})
	p.Turns = append(unredactedTurns(raw, reader), p.Turns...)
}

// buildLabel puts an item on its page. On a blind queue nothing on it tells
// the version, template or arm; where the verdict is hidden, nothing tells it.
func buildLabel(item labeling.Item, verdicts []Verdict, around labeling.Progress, page, key string) labelPage {
	answer := labeling.Answer{}
	var trouble *ui.Banner
	if item.Draft != nil {
		answer = item.Draft.Answer
		if item.Draft.Refused != "" {
			trouble = &ui.Banner{Tone: ui.Mid, Fact: "Your draft is here.", Consequence: item.Draft.Refused + " Submit it now and it counts."}
		}
	}
	base := "/items/" + strconv.FormatInt(item.ID, 10)
	needs := ""
	if item.Queue.SpansNeeded {
		needs = "hallucinated"
	}
	return labelPage{
		Work: ui.Work{
			Reader: strconv.FormatInt(item.Reservation.LabelerID, 10), Item: strconv.FormatInt(item.ID, 10), Action: base + "/labels", Draft: base + "/draft", Ahead: base + "/ahead", Renew: base + "/renew",
			Hidden: []ui.Kept{{Name: "reservation", Value: item.Reservation.Token.String()}, {Name: "idempotency_key", Value: key}, {Name: "page", Value: page}},
			Needs:  needs, Bar: buildBar(item, around), Questions: buildQuestions(item, answer),
			Submit: ui.Submit{
				Later: base + "/later", Skip: base + "/skip", SkipWhy: skipOptions(),
				Extras: []ui.Extra{{ID: "spans", Label: "Spans", Act: ui.ActMark}, {ID: "correct", Label: "Correction", Act: ui.ActCorrection}, {ID: "more", Label: "Note", Act: ui.ActNote}},
			},
		},
		Head: formHead(item, verdicts, base), Trouble: trouble,
		Turns: buildTurns(item, verdicts, answer.Spans, true),
		Guide: buildGuideText(item.Guide),
	}
}

func buildBar(item labeling.Item, around labeling.Progress) ui.QueueBar {
	bar := ui.QueueBar{
		Crumbs: []ui.Link{{Text: "Queues", URL: "/queues"}}, Title: item.Queue.Title,
		Done: item.Number, Total: int(around.Summary.Free() + around.Summary.Reserved + around.Summary.Done),
		Gain: gainWords(around.Gain), Until: item.Reservation.LeaseUntil,
		Actions: []templ.Component{
			ui.Button{Label: "Queue", Style: ui.Plain, Size: ui.Small, URL: "/queues/" + item.Queue.Slug},
			ui.Button{Label: "Guide", Style: ui.Plain, Size: ui.Small, Opens: "guide", URL: "/guides/" + pathPart(item.TaskClass)},
			ui.Button{Label: "Keys", Style: ui.Plain, Size: ui.Small, Opens: "keys", Act: ui.ActKeys},
		},
	}
	bar.Total = max(bar.Total, bar.Done)
	if item.Queue.Blind {
		bar.Chips = append(bar.Chips, ui.Chip{Text: "Blind: version hidden", Icon: ui.IconEyeOff, Outline: true})
	}
	return bar
}

// gainWords say what the next stretch of work buys: "±2 points after about
// 1 h 20 min"; nothing where the forecast does not reach a whole step.
func gainWords(gain labeling.Gain) string {
	half, labels, ok := gain.Next()
	if !ok {
		return ""
	}
	return pointsWords(half) + " after " + ui.WorkTime(gain.Work(labels))
}

// pointsWords are half a width in a sentence: "±2 points".
func pointsWords(half float64) string {
	words := "±" + trimNumber(100*half) + " points"
	if words == "±1 points" {
		return "±1 point"
	}
	return words
}

func buildQuestions(item labeling.Item, a labeling.Answer) templ.Component {
	var reasons []ui.Reason
	for _, code := range item.Queue.Reasons {
		reasons = append(reasons, ui.Reason{Value: code, Label: reasonLabel(code), Chosen: slices.Contains(a.Reasons, code)})
	}
	choices := ui.StandardChoices(a.Label, meanings(item.TaskClass, item.Snapshot.Abstained()))
	if item.Snapshot.Abstained() {
		choices.Legend = "Was it justified not to answer?"
	}
	empty := "none marked"
	if item.Queue.SpansNeeded {
		empty = "needed for hallucinated"
	}
	correction := ui.Field{Label: "Correction", Name: "correction", Optional: true, Rows: 2, Mono: item.Snapshot.Artifact != nil, Act: ui.ActCorrection, Value: a.Correction}
	corrected := correctedText(item.Snapshot)
	correction.Attrs = ui.EditsOf(corrected)
	correction.Beside = ui.Words(fillButton("Edit the response", corrected), fillButton("Use the user’s", correctionOfUser(item.Snapshot)))
	return questions{
		Guide: ui.GuideNote{
			Version: fmt.Sprintf("Guide %d", item.Guide.Version), Name: item.Guide.Title, Opens: "guide", URL: "/guides/" + pathPart(item.TaskClass),
			Rule: ruleText(item.Guide.Rule), Here: item.Queue.Instructions, Cases: borderlineCases(buildGuideText(item.Guide)),
		},
		Choices: choices,
		Reasons: ui.Reasons{Items: reasons},
		Spans:   ui.SpanList{Text: item.Snapshot.Response, Spans: marked(a.Spans), Empty: empty},
		Correct: correction,
		Confidence: ui.Segmented{Name: "Confidence", Shown: true, Field: "confidence", Options: []ui.Segment{
			{Label: "Low", Value: "low", Current: a.Confidence == "low"},
			{Label: "Medium", Value: "medium", Current: a.Confidence == "medium"},
			{Label: "High", Value: "high", Current: a.Confidence == "high"},
		}},
		Note: ui.Field{Label: "Note", Name: "note", Optional: true, Rows: 1, Act: ui.ActNote, Value: a.Note},
	}.draw()
}

// questions is the right pane.
type questions struct {
	Guide      ui.GuideNote
	Choices    ui.LabelChoices
	Reasons    ui.Reasons
	Spans      ui.SpanList
	Correct    ui.Field
	Confidence ui.Segmented
	Note       ui.Field
}

// borderlineCases are the list under the guide's heading of that name.
func borderlineCases(guide guideText) []templ.Component {
	under := false
	for _, block := range guide.Blocks {
		switch {
		case block.Heading != "":
			under = strings.HasPrefix(strings.ToLower(block.Heading), "borderline")
		case under && len(block.Items) > 0:
			return block.Items
		}
	}
	return nil
}

// correctedText is what a correction corrects: the source of the artifact
// where there is one, else the response.
func correctedText(snapshot labeling.Snapshot) string {
	var a artifactOf
	if json.Unmarshal(snapshot.Artifact, &a) == nil {
		if source := cmp.Or(a.Formula, a.SQL, a.Code); source != "" {
			return source
		}
	}
	return snapshot.Response
}

// fillButton puts a text into the correction; nothing for no text.
func fillButton(label, text string) templ.Component {
	if text == "" {
		return ui.Words()
	}
	return ui.Button{Label: label, Style: ui.Plain, Size: ui.Small, Attrs: templ.Attributes{"data-fill": "correction", "data-fill-with": text}}
}

func correctionOfUser(snapshot labeling.Snapshot) string {
	for _, m := range slices.Backward(snapshot.Around) {
		if m.Kind == "correction" && m.Text != "" {
			return m.Text
		}
	}
	return ""
}

func marked(spans []labeling.Span) []ui.Marked {
	var list []ui.Marked
	for i, span := range spans {
		list = append(list, ui.Marked{Start: span.Start, End: span.End, Letter: ui.Letter(i), Tone: ui.Bad})
	}
	return list
}

// formHead is the head within the form of a label: switching the view keeps
// what is written in it.
func formHead(item labeling.Item, verdicts []Verdict, base string) ui.ItemHead {
	head := buildItemHead(item, verdicts)
	head.View = &ui.ViewSwitch{Post: base + "/reading", InForm: true}
	return head
}

func buildItemHead(item labeling.Item, verdicts []Verdict) ui.ItemHead {
	head := ui.ItemHead{
		Facts: []templ.Component{
			ui.Chip{Text: taskClassWords(item.TaskClass), Tone: ui.Accent},
			ui.Mono(shortSession(item.SessionID)),
			ui.Time{At: item.EventTime},
			ui.Chip{Text: textRead(item.Snapshot.Consent), Icon: ui.IconShield, Outline: true},
		},
		Events: len(item.Snapshot.Around), View: &ui.ViewSwitch{},
	}
	var flags []any
	for _, flag := range byGravity(item.Flags) {
		if item.Queue.VerdictHidden && flag.Reason == "validator_failed" {
			continue
		}
		flags = append(flags, flagChip(flag))
	}
	if len(flags) > 0 {
		head.Flags = ui.Words(append([]any{ui.Dim("Here because")}, flags...)...)
	}
	if item.Queue.VerdictHidden {
		return head
	}
	for _, v := range verdicts {
		if v.Verdict == "fail" {
			head.Failures++
		}
	}
	return head
}

// textRead says what is read; the consent where it would let more be read, or
// is not known.
func textRead(consent string) string {
	if consent == "redacted" {
		return "Redacted text"
	}
	return "Redacted text, consent " + cmp.Or(consent, "unknown")
}

// shortSession keeps an id on its line; the whole is in the title of nothing,
// since a labeler has no use for it.
func shortSession(id string) string {
	runes := []rune(id)
	if len(runes) <= 24 {
		return id
	}
	return string(runes[:23]) + "…"
}

func buildRail(item labeling.Item, rail labeling.Rail, around labeling.Progress) *ui.Rail {
	r := &ui.Rail{}
	if len(rail.Labeled) > 0 {
		group := ui.RailGroup{Kind: "done", Title: "Just labeled", URL: "/labels?queue=" + pathPart(item.Queue.Slug)}
		for i, b := range rail.Labeled {
			address := "/items/" + itemID(b.ID)
			group.Items = append(group.Items, ui.RailItem{ID: itemID(b.ID), Mark: ui.MarkOf(b.Label), Title: railTitle(b.Title), Number: ui.Count(b.Number),
				URL: address, Undo: address + "/undo", Last: i == len(rail.Labeled)-1})
		}
		r.Groups = append(r.Groups, group)
	}
	yours := ui.RailGroup{Kind: "yours", Title: "Yours now"}
	for _, b := range rail.Yours {
		line := ui.RailItem{ID: itemID(b.ID), Icon: ui.IconEnter, Title: railTitle(b.Title), Number: ui.Count(b.Number), URL: "/items/" + itemID(b.ID)}
		if b.ID == item.ID {
			line.Icon, line.Current, line.URL = ui.IconChevronRight, true, ""
		}
		yours.Items = append(yours.Items, line)
	}
	r.Groups = append(r.Groups, yours)
	if len(rail.Later) > 0 {
		group := ui.RailGroup{Kind: "later", Title: "Later"}
		for _, b := range rail.Later {
			group.Items = append(group.Items, ui.RailItem{ID: itemID(b.ID), Icon: ui.IconClock, Title: railTitle(b.Title), Number: ui.Count(b.Number), URL: "/items/" + itemID(b.ID)})
		}
		r.Groups = append(r.Groups, group)
	}
	r.Groups = append(r.Groups, waitingGroup(item.Queue.VerdictHidden, around.Summary), todayGroup(around.Today))
	return r
}

// waitingGroup counts what is free. Where the verdict is hidden, the counts by
// class would tell it, so there is one number.
func waitingGroup(verdictHidden bool, summary labeling.Summary) ui.RailGroup {
	group := ui.RailGroup{Title: "Waiting, free to reserve"}
	if verdictHidden {
		group.Items = []ui.RailItem{{Icon: ui.IconInbox, Title: "All reasons", Count: "all", Number: ui.Count(summary.Free())}}
		return group
	}
	for _, class := range labeling.Classes {
		group.Items = append(group.Items, ui.RailItem{Icon: classIcons[class], Title: classWords[class], Count: string(class), Number: ui.Count(summary.Waiting[class])})
	}
	if summary.Another > 0 {
		group.Items = append(group.Items, ui.RailItem{Icon: ui.IconUser, Title: "For another labeler", Count: "another", Number: ui.Count(summary.Another)})
	}
	return group
}

// railCounts are the numbers of the rail that a label moves, by their name in
// it: the page on screen was made before the label.
func railCounts(verdictHidden bool, now labeling.Progress) map[string]string {
	counts := map[string]string{}
	for _, group := range []ui.RailGroup{waitingGroup(verdictHidden, now.Summary), todayGroup(now.Today)} {
		for _, line := range group.Items {
			if line.Count != "" {
				counts[line.Count] = line.Number
			}
		}
	}
	return counts
}

func todayGroup(today labeling.Today) ui.RailGroup {
	group := ui.RailGroup{Title: "Today", Items: []ui.RailItem{{Title: "Labels", Count: "today", Number: ui.Count(today.Labels), URL: "/labels?when=today"}}}
	if today.Median >= time.Second {
		group.Items = append(group.Items, ui.RailItem{Title: "Median per item", Number: ui.Handling(today.Median)})
	}
	return group
}

func itemID(id int64) string { return strconv.FormatInt(id, 10) }

func railTitle(title string) string { return cmp.Or(title, "Without text") }

// itemLabel takes a label and leads on to the next item.
func (s *site) itemLabel(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	id, form, err := readAnswer(c)
	if err != nil {
		return err
	}
	answer, err := form.answer()
	if err != nil {
		return err
	}
	token, err := form.token()
	if err != nil {
		return err
	}
	ctx, actor := c.UserContext(), actorOf(c)
	label, err := labels.Submit(ctx, actor, id, token, form.Key, answer)
	if err != nil {
		return s.itemRefused(c, id, form, answer, err)
	}
	if wantsJSON(c) {
		now, err := labels.Moved(ctx, actor, label.QueueID, s.midnightOf(c))
		if err != nil {
			return err
		}
		return c.JSON(labelTaken{
			Counts: railCounts(label.VerdictHidden, now),
			Said:   fmt.Sprintf("Item %d labeled", label.Number), Bold: labelWords(label.Label), Mark: string(ui.MarkOf(label.Label)),
			Undo: "/items/" + itemID(id) + "/undo", Seconds: 10, Next: "/queues/" + label.Queue + "?after=" + itemID(id),
		})
	}
	return s.seeNext(c, id)
}

// labelTaken is what label.js is told after a submit.
type labelTaken struct {
	Said    string `json:"said"`
	Bold    string `json:"bold,omitempty"`
	Mark    string `json:"mark,omitempty"`
	Undo    string `json:"undo,omitempty"`
	Seconds int    `json:"seconds,omitempty"`
	Next    string `json:"next,omitempty"` // where to go when nothing was fetched ahead

	Counts map[string]string `json:"counts,omitempty"` // of the rail, now
}

func readAnswer(c *fiber.Ctx) (int64, answerForm, error) {
	var form answerForm
	id, err := idParam(c, "item")
	if err != nil {
		return 0, form, err
	}
	return id, form, readForm(c, &form)
}

// itemRefused shows the page again with what was written and why it did not
// count. A program gets the problem document; the draft is kept either way.
func (s *site) itemRefused(c *fiber.Ctx, id int64, form answerForm, answer labeling.Answer, refused error) error {
	kind := fault.Of(refused)
	if kind != fault.Invalid && kind != fault.Conflict {
		return refused
	}
	if kind == fault.Invalid {
		if err := s.Labeling.SaveDraft(c.UserContext(), actorOf(c), id, form.Page, form.opened(), answer); err != nil && fault.Of(err) != fault.Conflict {
			return err
		}
	}
	if wantsJSON(c) {
		return refused
	}
	c.Status(status[kind])
	return s.itemPage(c, 0, refused)
}

// seeNext leads to what this person reads next in the queue of the item they
// have just dealt with.
func (s *site) seeNext(c *fiber.Ctx, after int64) error {
	queue, next, err := s.Labeling.ReserveAfter(c.UserContext(), actorOf(c), after)
	if errors.Is(err, labeling.ErrNothingFree) {
		return s.see(c, "/queues/"+queue.Slug+"?after="+itemID(after))
	}
	if err != nil {
		return err
	}
	return s.see(c, "/items/"+itemID(next.ItemID)+"?after="+itemID(after))
}

// afterToast is beforeToast where the page is no desk: of the queue, when it
// has nothing more.
func (s *site) afterToast(c *fiber.Ctx, after int64) (*ui.Toast, error) {
	if after == 0 {
		return nil, nil
	}
	before, err := s.Labeling.Before(c.UserContext(), actorOf(c), after)
	return s.beforeToast(before), err
}

// beforeToast says what was done just before this page.
func (s *site) beforeToast(before *labeling.Before) *ui.Toast {
	if before == nil || time.Since(before.LabeledAt) > time.Minute {
		return nil
	}
	return &ui.Toast{
		Mark: ui.MarkOf(before.Label), Text: fmt.Sprintf("Item %d labeled", before.Number), Bold: labelWords(before.Label),
		Undo: "/items/" + itemID(before.Item) + "/undo", Seconds: 10,
	}
}

// itemDraft keeps what is being written.
func (s *site) itemDraft(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	id, form, err := readAnswer(c)
	if err != nil {
		return err
	}
	answer, err := form.answer()
	if err != nil {
		return err
	}
	if err := labels.SaveDraft(c.UserContext(), actorOf(c), id, form.Page, form.opened(), answer); err != nil {
		return err
	}
	return c.SendStatus(fiber.StatusNoContent)
}

// itemAhead reserves the next item while this one is read, and leads to it.
func (s *site) itemAhead(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	id, _, err := readAnswer(c)
	if err != nil {
		return err
	}
	queue, next, err := labels.ReserveBeside(c.UserContext(), actorOf(c), id)
	if errors.Is(err, labeling.ErrNothingFree) {
		return s.see(c, "/queues/"+queue.Slug)
	}
	if err != nil {
		return err
	}
	return s.see(c, "/items/"+itemID(next.ItemID))
}

// itemRenew says that somebody is there.
func (s *site) itemRenew(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	id, _, err := readAnswer(c)
	if err != nil {
		return err
	}
	left, err := labels.Present(c.UserContext(), actorOf(c), id)
	if err != nil {
		return err
	}
	return c.JSON(struct {
		Left int `json:"left"` // seconds that the reservation lasts now
	}{int(left.Seconds())})
}

// itemLater puts the item off; what was written stays as a draft.
func (s *site) itemLater(c *fiber.Ctx) error {
	return s.itemLeave(c, "put off", func(ctx context.Context, id int64, token uuid.UUID, _ answerForm) error {
		return s.Labeling.Later(ctx, actorOf(c), id, token)
	})
}

// itemSkip gives the item to others for good.
func (s *site) itemSkip(c *fiber.Ctx) error {
	return s.itemLeave(c, "skipped", func(ctx context.Context, id int64, token uuid.UUID, form answerForm) error {
		return s.Labeling.Skip(ctx, actorOf(c), id, token, form.SkipReason)
	})
}

// itemRelease gives the item back as if it had never been reserved.
func (s *site) itemRelease(c *fiber.Ctx) error {
	return s.itemLeave(c, "given back", func(ctx context.Context, id int64, token uuid.UUID, _ answerForm) error {
		return s.Labeling.Release(ctx, actorOf(c), id, token)
	})
}

func (s *site) itemLeave(c *fiber.Ctx, done string, leave func(context.Context, int64, uuid.UUID, answerForm) error) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	id, form, err := readAnswer(c)
	if err != nil {
		return err
	}
	token, err := form.token()
	if err != nil {
		return err
	}
	ctx, actor := c.UserContext(), actorOf(c)
	if err := s.keepDraft(c, id, form); err != nil {
		return err
	}
	if err := leave(ctx, id, token, form); err != nil {
		return err
	}
	if wantsJSON(c) {
		item, err := labels.Item(ctx, actor, id)
		if err != nil {
			return err
		}
		return c.JSON(labelTaken{Said: fmt.Sprintf("Item %d %s", item.Number, done), Undo: "/items/" + itemID(id) + "/again", Seconds: 10, Next: "/queues/" + item.Queue.Slug})
	}
	return s.seeNext(c, id)
}

// keepDraft saves what is written where a page is left without a label. What
// cannot be a draft does not keep anybody there.
func (s *site) keepDraft(c *fiber.Ctx, id int64, form answerForm) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	answer, err := form.answer()
	if err != nil || !wrote(answer) {
		return nil
	}
	err = labels.SaveDraft(c.UserContext(), actorOf(c), id, form.Page, form.opened(), answer)
	if kind := fault.Of(err); kind == fault.Conflict || kind == fault.Invalid {
		return nil
	}
	return err
}

func wrote(a labeling.Answer) bool {
	return a.Label != "" || a.Note != "" || a.Correction != "" || len(a.Spans) > 0 || len(a.Reasons) > 0
}

// itemUndo takes this person's label back and shows the item as it was.
func (s *site) itemUndo(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	id, err := idParam(c, "item")
	if err != nil {
		return err
	}
	if _, err := labels.Undo(c.UserContext(), actorOf(c), id); err != nil {
		return err
	}
	return s.see(c, "/items/"+itemID(id))
}

// itemAgain reserves an item that was put off or lost with its lease.
func (s *site) itemAgain(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	id, err := idParam(c, "item")
	if err != nil {
		return err
	}
	ctx, actor := c.UserContext(), actorOf(c)
	_, err = labels.ReserveItem(ctx, actor, id)
	if fault.Of(err) == fault.Conflict {
		_, err = labels.ReserveBeyond(ctx, actor, id)
	}
	if err != nil {
		return err
	}
	return s.see(c, "/items/"+itemID(id))
}

// itemDiscard forgets a draft that will not be submitted.
func (s *site) itemDiscard(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	id, err := idParam(c, "item")
	if err != nil {
		return err
	}
	if err := labels.DiscardDraft(c.UserContext(), actorOf(c), id); err != nil {
		return err
	}
	return s.seeNext(c, id)
}
