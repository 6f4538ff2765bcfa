package web

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"assay/internal/fault"
	"assay/labeling"
	"assay/web/ui"
)

// queueSettingsPage is where the owner of a queue decides about the work in it.
type queueSettingsPage struct {
	Head   ui.Head
	Action string
	Form   queueForm
	Error  string
	Sides  ui.Facts
}

// queueForm is the settings as a form has them: percents and minutes.
type queueForm struct {
	Title         string `form:"title"`
	Instructions  string `form:"instructions"`
	LabelsWanted  string `form:"labels_wanted"`
	Overlap       string `form:"overlap"` // percent
	Gold          string `form:"gold"`    // percent
	Lease         string `form:"lease"`   // minutes
	VerdictHidden bool   `form:"verdict_hidden"`
	Blind         bool   `form:"blind"`
	SpansNeeded   bool   `form:"spans_needed"`
	Reasons       string `form:"reasons"` // in words, one a line
}

func (s *site) queueSettingsShow(c *fiber.Ctx) error {
	_, queue, err := s.queueOfRules(c)
	if err != nil {
		return err
	}
	return s.queueSettingsPage(c, queue, queueFormOf(queue.Settings()), nil)
}

func (s *site) queueSettingsPage(c *fiber.Ctx, queue labeling.Queue, form queueForm, trouble error) error {
	p := buildQueueSettings(queue, form)
	if trouble != nil {
		p.Error = fault.Words(trouble)
		c.Status(status[fault.Of(trouble)])
	}
	address := "/queues/" + pathPart(queue.Slug)
	return s.page(c, ui.Page{Title: "Settings of " + queue.Title, Nav: "queues", Back: &ui.Link{Text: queue.Title, URL: address}}, p.draw())
}

func buildQueueSettings(queue labeling.Queue, form queueForm) queueSettingsPage {
	address := "/queues/" + pathPart(queue.Slug)
	return queueSettingsPage{
		Head: ui.Head{
			Crumbs: []ui.Link{{Text: "Queues", URL: "/queues"}, {Text: queue.Title, URL: address}}, Title: "Settings",
			Sub: "What is decided about the work in this queue. Labels that were given stay as they were said.",
		},
		Action: address + "/settings", Form: form,
		Sides: ui.Facts{Items: []ui.Fact{
			{Term: "Mix of harm and measurement", Value: ui.Link{Text: strconv.Itoa(percentOf(queue.MeasurementShare)) + " % measurement", URL: address}},
			{Term: "What fills it", Value: ui.Link{Text: "Rules", URL: address + "/rules"}},
			{Term: "What labels mean", Value: ui.Link{Text: "Guide", URL: "/guides/" + pathPart(queue.TaskClass)}},
			{Term: "Who may read it unredacted", Value: ui.Link{Text: "Reading grants", URL: "/grants"}},
		}},
	}
}

func queueFormOf(set labeling.QueueSettings) queueForm {
	f := queueForm{
		Title: set.Title, Instructions: set.Instructions, LabelsWanted: strconv.Itoa(set.LabelsWanted),
		Overlap: trimNumber(100 * set.OverlapShare), Gold: trimNumber(100 * set.GoldShare), Lease: trimNumber(set.Lease.Minutes()),
		VerdictHidden: set.VerdictHidden, Blind: set.Blind, SpansNeeded: set.SpansNeeded,
	}
	var words []string
	for _, code := range set.Reasons {
		words = append(words, reasonLabel(code))
	}
	f.Reasons = strings.Join(words, "\n")
	return f
}

// settings reads the form. What is no number is told apart from what is too
// large or too small, which the stage says.
func (f queueForm) settings() (labeling.QueueSettings, error) {
	set := labeling.QueueSettings{Title: f.Title, Instructions: f.Instructions, VerdictHidden: f.VerdictHidden, Blind: f.Blind, SpansNeeded: f.SpansNeeded}
	var err error
	if set.LabelsWanted, err = strconv.Atoi(strings.TrimSpace(f.LabelsWanted)); err != nil {
		return set, fault.Say(fault.Invalid, "Labels of each item is a whole number.")
	}
	for _, field := range []struct {
		name, text string
		to         *float64
	}{{"Second readings", f.Overlap, &set.OverlapShare}, {"Gold", f.Gold, &set.GoldShare}} {
		percent, err := strconv.ParseFloat(strings.TrimSpace(field.text), 64)
		if err != nil {
			return set, fault.Say(fault.Invalid, "%s is a number of percent.", field.name)
		}
		*field.to = percent / 100
	}
	minutes, err := strconv.ParseFloat(strings.TrimSpace(f.Lease), 64)
	if err != nil || !(minutes >= 0 && minutes < 1e6) {
		return set, fault.Say(fault.Invalid, "Reserved for is a number of minutes.")
	}
	set.Lease = time.Duration(minutes * float64(time.Minute))
	for line := range strings.Lines(f.Reasons) {
		if words := strings.TrimSpace(line); words != "" {
			set.Reasons = append(set.Reasons, reasonCodeOf(words))
		}
	}
	return set, nil
}

// reasonCodeOf is the code of a reason written in words: a known one's own,
// else the words in small letters.
func reasonCodeOf(words string) string {
	for code, known := range reasonWords {
		if strings.EqualFold(known, words) {
			return code
		}
	}
	return strings.Join(strings.Fields(strings.NewReplacer("-", " ", "_", " ", "’", "", "'", "").Replace(strings.ToLower(words))), "_")
}

func (s *site) queueConfigure(c *fiber.Ctx) error {
	labels, queue, err := s.queueOfRules(c)
	if err != nil {
		return err
	}
	var form queueForm
	if err := readForm(c, &form); err != nil {
		return err
	}
	set, err := form.settings()
	if err == nil {
		err = labels.Configure(c.UserContext(), actorOf(c), queue, set)
	}
	if fault.Of(err) == fault.Invalid {
		return s.queueSettingsPage(c, queue, form, err)
	}
	if err != nil {
		return err
	}
	s.say(c, fmt.Sprintf("The settings of %s are kept.", strings.TrimSpace(set.Title)))
	return s.see(c, "/queues/"+pathPart(queue.Slug))
}

// skipsOf says why labelers left items to others, for whoever owns the queue:
// what many skip is the queue's trouble, not theirs.
func skipsOf(skips []labeling.Skips) *ui.Facts {
	if len(skips) == 0 {
		return nil
	}
	facts := &ui.Facts{}
	for _, skip := range skips {
		words := skipWords[skip.Reason]
		if words == "" {
			words = "Another reason"
		}
		facts.Items = append(facts.Items, ui.Fact{Term: words, Value: ui.Text(ui.Count(skip.Items))})
	}
	return facts
}
