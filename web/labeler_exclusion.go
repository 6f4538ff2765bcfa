package web

import (
	"fmt"
	"time"

	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/labeling"
	"assay/web/ui"
)

// exclusionForm is where a reviewer leaves labels out, or has them count again.
type exclusionForm struct {
	Action  string
	Means   string
	Fields  []ui.Field
	Buttons []ui.Button
}

// exclude offers a reviewer which of the labels count.
func (p *labelerPage) exclude(r labeling.LabelerReport, actor auth.Actor) {
	for _, e := range r.Exclusions {
		note := e.Reason
		if e.ReplayedAt == nil {
			note += " Consensus and rates are being made again."
		}
		p.Exclusions.Items = append(p.Exclusions.Items, ui.FeedItem{Icon: ui.IconBook, Who: e.By, Did: ui.Text(exclusionWords(e)), At: ui.Time{At: e.DecidedAt}, Note: note})
	}
	if r.LeftOut > 0 && p.Notice == nil {
		p.Notice = &ui.Banner{Tone: ui.Mid, Fact: ui.CountOf(int(r.LeftOut), "label is", "labels are") + " left out.", Consequence: "A reviewer decided it. The labels stay, nothing is made of them, and their items are read by others."}
	}
	if !actor.May(auth.Adjudicate) || r.Own {
		return
	}
	f := exclusionForm{Action: "/labelers/" + itemID(r.ID) + "/exclusion", Fields: []ui.Field{
		{Label: "From day, UTC", Name: "from", Type: "date", Optional: true, Hint: "The first label when empty."},
		{Label: "To day, itself too", Name: "to", Type: "date", Optional: true, Hint: "Until now when empty."},
		{Label: "Why, the labeler will read it", Name: "reason", ID: "exclusion-reason", Rows: 2, Required: true}},
		Means:   "Leaves labels out of consensus, agreement and rates, which are made again without them. Their items go to others. No label is deleted, and it can be taken back.",
		Buttons: []ui.Button{{Label: "Leave out", Name: "decision", Value: "exclude", Submit: true, Style: ui.Hazard}}}
	if len(r.Exclusions) > 0 && r.Exclusions[0].Excluded {
		f.Means = "A new version stands instead of the last one. Counting them all again gives the consensus they had."
		f.Buttons = append(f.Buttons, ui.Button{Label: "Count all again", Name: "decision", Value: "include", Submit: true, Style: ui.Outlined})
	}
	p.Exclude = &f
}

// exclusionWords are one version in words.
func exclusionWords(e labeling.Exclusion) string {
	if !e.Excluded {
		return fmt.Sprintf("had all labels count again (version %d)", e.Version)
	}
	days := "labels"
	switch {
	case e.From != nil && e.To != nil:
		days = "the labels of " + e.From.UTC().Format("2 Jan") + " to " + dayBefore(*e.To)
	case e.To != nil:
		days = "the labels up to " + dayBefore(*e.To)
	}
	return fmt.Sprintf("left out %s, %s (version %d)", days, ui.Count(int(e.Labels)), e.Version)
}

// dayBefore is the last day that a moment ends.
func dayBefore(until time.Time) string { return until.UTC().Add(-time.Nanosecond).Format("2 Jan") }

func (s *site) labelerExclusion(c *fiber.Ctx) error {
	labels, err := s.labels()
	if err != nil {
		return err
	}
	id, err := idParam(c, "labeler")
	if err != nil {
		return err
	}
	var form struct {
		Decision string `form:"decision"`
		From     string `form:"from"`
		To       string `form:"to"`
		Reason   string `form:"reason"`
	}
	if err := readForm(c, &form); err != nil {
		return err
	}
	switch form.Decision {
	case "exclude":
		from, ferr := dayOf(form.From, 0)
		to, terr := dayOf(form.To, 1)
		if ferr != nil || terr != nil {
			return fault.Say(fault.Invalid, "Days are written as 2006-01-02.")
		}
		err = labels.Exclude(c.UserContext(), actorOf(c), id, from, to, form.Reason)
	case "include":
		err = labels.Include(c.UserContext(), actorOf(c), id, form.Reason)
	default:
		err = fault.Say(fault.Invalid, "Decide to leave labels out, or to have all of them count again.")
	}
	if err != nil {
		return fmt.Errorf("labeler %d: %w", id, err)
	}
	s.say(c, "Decided. Consensus and rates are made again; it is in the audit, and the labeler reads your reason.")
	return s.see(c, "/labelers/"+itemID(id))
}

// dayOf reads a UTC day and moves it by so many; nil for none.
func dayOf(text string, days int) (*time.Time, error) {
	if text == "" {
		return nil, nil
	}
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return nil, err
	}
	day = day.AddDate(0, 0, days)
	return &day, nil
}
