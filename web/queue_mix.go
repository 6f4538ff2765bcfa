package web

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/labeling"
	"assay/web/ui"
)

// mixPanel says what a mix of harm and measurement buys, and lets people look
// at others; who configures may keep one.
type mixPanel struct {
	Says   string
	Slider ui.Slider
	Keep   *mixKeep
}

type mixKeep struct {
	Action string
	Mix    int
}

// weigh foresees what labels buy with the mix that is looked at, and with one
// to compare it to.
func (q *shownQueue) weigh(ctx context.Context, labels *labeling.Store, actor auth.Actor, mix string) (err error) {
	own := percentOf(q.Queue.MeasurementShare)
	q.Mix, q.OtherMix = own, 40
	if mix != "" {
		if q.Mix, err = strconv.Atoi(mix); err != nil || q.Mix < 0 || q.Mix > 100 {
			return fault.Say(fault.Invalid, "The mix is a whole number of percent, 0 to 100.")
		}
		if q.Mix != own {
			q.OtherMix = own
		}
	}
	if q.Gain, err = labels.Gain(ctx, actor, q.Queue, float64(q.Mix)/100); err != nil {
		return err
	}
	q.Other, err = labels.Gain(ctx, actor, q.Queue, float64(q.OtherMix)/100)
	return err
}

func percentOf(share float64) int { return int(100*share + 0.5) }

func buildMix(q shownQueue) mixPanel {
	address := "/queues/" + pathPart(q.Queue.Slug)
	p := mixPanel{
		Says:   mixSays(q),
		Slider: ui.Slider{Label: fmt.Sprintf("Harm %d, measurement %d", 100-q.Mix, q.Mix), Param: "mix", Value: q.Mix, Max: 100, Step: 5, Action: address, Region: "mix"},
	}
	if q.Configures && q.Mix != percentOf(q.Queue.MeasurementShare) {
		p.Keep = &mixKeep{address + "/mix", q.Mix}
	}
	return p
}

// mixSays compares two mixes by when each brings the rate to the next step.
func mixSays(q shownQueue) string {
	half, n, ok := q.Gain.Next()
	if !ok {
		return "At the present pace the next labels do not reach another whole step."
	}
	says := fmt.Sprintf("Harm %d, measurement %d: %s %s.", 100-q.Mix, q.Mix, pointsWords(half), reachedOn(q, q.Gain, n))
	if q.Mix == q.OtherMix {
		return says
	}
	if other, ok := q.Other.Reaches(half); ok {
		if other == n {
			return says + fmt.Sprintf(" At %d/%d the same.", 100-q.OtherMix, q.OtherMix)
		}
		return says + fmt.Sprintf(" At %d/%d: %s.", 100-q.OtherMix, q.OtherMix, reachedOn(q, q.Other, other))
	}
	return says + fmt.Sprintf(" At %d/%d: not within reach.", 100-q.OtherMix, q.OtherMix)
}

// reachedOn is the day on which so many labels are there at the queue's own
// rate, or the work they are where it has none yet.
func reachedOn(q shownQueue, gain labeling.Gain, n int) string {
	work := "after " + ui.WorkTime(gain.Work(n))
	at, ok := gain.When(q.Now, n)
	if !ok {
		return work
	}
	return onDay(at, q.Now, q.Zone) + " (" + work + ")"
}

// onDay writes a time to come as people say it.
func onDay(at, now time.Time, zone *time.Location) string {
	if zone == nil {
		zone = time.UTC
	}
	local, today := at.In(zone), now.In(zone)
	switch {
	case at.Sub(now) > 300*24*time.Hour:
		return "in more than ten months"
	case local.YearDay() == today.YearDay() && local.Year() == today.Year():
		return "today at " + local.Format("15:04")
	case at.Sub(now) < 6*24*time.Hour:
		return "on " + local.Format("Monday")
	}
	return "on " + local.Format("2 January")
}

func (s *site) queueMixSet(c *fiber.Ctx) error {
	var in struct {
		Mix int `form:"mix"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	labels, queue, err := s.queueOfRules(c)
	if err != nil {
		return err
	}
	if err := labels.SetMix(c.UserContext(), actorOf(c), queue, float64(in.Mix)/100); err != nil {
		return err
	}
	s.say(c, fmt.Sprintf("The queue now serves %d for harm and %d for measurement.", 100-in.Mix, in.Mix))
	return s.see(c, "/queues/"+pathPart(queue.Slug))
}
