package web

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
	"assay/internal/stats"
	"assay/labeling"
	"assay/validators"
	"assay/validators/sandbox"
	"assay/web/ui"
)

// validatorsPage is every validator with what is known of it; who is suspended
// stands on top.
type validatorsPage struct {
	Sub       string
	Tier      templ.Component
	Sandbox   string // what it enforces, and which tiers are off for which reason
	Suspended []ui.Banner
	Tried     bool // the reader may try the sandbox and the canaries
	Table     ui.Table
	Own       ui.Table // versions of the operator's own; without rows there are none
}

// againstDays is how far back labels are held against verdicts.
const againstDays = 30

// A share below this many labels is not shown as one.
const againstAtLeast = 5

// againstWindow is the time of the responses that labels are held against.
func (s *site) againstWindow() (from, to time.Time) {
	return s.now().AddDate(0, 0, -againstDays), s.now().Add(time.Minute)
}

// accord is one validator against people, each share with its interval.
type accord struct {
	labeling.AgainstPeople
	Sensitivity, Specificity share
}

// share is the estimate of a share of all traffic from n labels, k of them so,
// with its 95 % interval.
type share struct {
	K, N      int64
	Low, High float64
	Estimate  float64
	Effective float64 // labels of a simple random sample that would say as much
	Thin      bool
}

func shareOf(e stats.Estimate) share {
	if !e.Defined {
		return share{N: int64(e.Denominator), Low: 0, High: 1}
	}
	return share{K: int64(math.Round(e.Numerator)), N: int64(e.Denominator), Low: e.Low, High: e.High, Estimate: e.Value, Effective: e.EffectiveN, Thin: e.Thin}
}

func (s share) known() bool { return s.N >= againstAtLeast }

func (s share) value() float64 {
	if s.N == 0 {
		return math.NaN()
	}
	return s.Estimate
}

// words is the share as a table shows it, or why it does not.
func (s share) words() (estimate, interval string) {
	switch {
	case s.N == 0:
		return "", "no labels yet"
	case !s.known():
		return "", "no data: " + ui.CountOf(s.N, "label")
	}
	return ui.WholeShare(s.value()), ui.WholeInterval(s.Low, s.High)
}

func (s *site) validatorsShow(c *fiber.Ctx) error {
	store, err := s.checks()
	if err != nil {
		return err
	}
	ctx, actor := c.UserContext(), actorOf(c)
	cards, err := store.Cards(ctx, actor)
	if err != nil {
		return err
	}
	against, err := s.against(ctx, actor)
	if err != nil {
		return err
	}
	tier, trouble := store.Capabilities(ctx, actor)
	p := buildValidators(cards, against, tier, trouble, s.now())
	p.Tried = actor.May(auth.Configure)
	own, err := store.Owns(ctx, actor, "")
	if err != nil {
		return err
	}
	p.Own = ownTable("Validators of your own", own)
	return s.page(c, ui.Page{Title: "Validators", Nav: "validators"}, p.draw())
}

// against holds verdicts against labels, by validator and version.
func (s *site) against(ctx context.Context, actor auth.Actor) (map[string]accord, error) {
	of := map[string]accord{}
	if s.Labeling == nil {
		return of, nil
	}
	from, to := s.againstWindow()
	list, err := s.Labeling.AgainstPeople(ctx, actor, from, to)
	if err != nil {
		return nil, err
	}
	for _, a := range list {
		of[a.Validator+" "+a.Version] = accord{a, shareOf(a.Sensitivity), shareOf(a.Specificity)}
	}
	return of, nil
}

func buildValidators(cards []validators.Card, against map[string]accord, tier sandbox.Capabilities, trouble error, now time.Time) validatorsPage {
	p := validatorsPage{Tier: tierChip(tier, trouble)}
	if trouble == nil {
		p.Sandbox = "Sandbox: " + tier.Words() + "."
	}
	var verdicts, inconclusive int64
	for _, c := range cards {
		verdicts += c.Verdicts()
		inconclusive += c.Inconclusive
		if c.Suspended != nil {
			p.Suspended = append(p.Suspended, suspendedBanner(c, now, &ui.Link{Text: "See why, and lift it", URL: "/validators/" + c.Name + "#suspended"}))
		}
	}
	p.Sub = "No verdict in 24 hours."
	if verdicts > 0 {
		p.Sub = fmt.Sprintf("%s in 24 hours, %s inconclusive.", ui.CountOf(verdicts, "verdict"), ui.Share(float64(inconclusive)/float64(verdicts)))
	}
	switch n := len(p.Suspended); {
	case n == 1:
		p.Sub += " One validator is suspended and writes none."
	case n > 1:
		p.Sub += fmt.Sprintf(" %s are suspended and write none.", ui.CountOf(n, "validator"))
	}
	p.Table = validatorTable(cards, against)
	return p
}

// tierChip says what the sandbox enforces; what is missing is said aloud.
func tierChip(tier sandbox.Capabilities, trouble error) templ.Component {
	if trouble != nil {
		return ui.Chip{Text: "Sandbox: cannot start", Icon: ui.IconShield, Tone: ui.Bad, Outline: true}
	}
	chip := ui.Chip{Text: "Sandbox tier: " + tier.String(), Icon: ui.IconShield, Outline: true}
	chip.Title = tier.Words()
	if len(tier.Broken) > 0 {
		return ui.Chip{Text: "Sandbox: broken, nothing is judged", Icon: ui.IconShield, Tone: ui.Bad, Outline: true, Title: tier.Words()}
	}
	if len(tier.Missing) > 0 {
		chip.Tone, chip.Title = ui.Mid, strings.Join(tier.Missing, "; ")
	}
	return chip
}

func suspendedBanner(c validators.Card, now time.Time, link *ui.Link) ui.Banner {
	wrong := c.Suspended.Canary
	answered := "was answered " + wrong.Got
	if wrong.Got == "error" {
		answered = "could not be tried"
	}
	return ui.Banner{Tone: ui.Mid, Link: link,
		Fact: fmt.Sprintf("%s %s is suspended since %s.", c.Name, shortVersion(c.Version), ui.Instant(c.Suspended.Since, now, time.UTC, ui.DayTime)),
		Consequence: fmt.Sprintf("Canary “%s” %s, %s is right. It writes nothing; what it said since %s is in doubt.",
			wrong.Name, answered, wrong.Want, ui.Instant(c.Suspended.DoubtFrom, now, time.UTC, ui.DayTime))}
}

func shortVersion(version string) string {
	short, _, _ := strings.Cut(version, "+")
	return short
}

// againstAxis is the scale both columns share: below 40 % a validator is no use
// and the bar need not tell how much.
var againstAxis = ui.Axis{Min: 0, Max: 1}

func validatorTable(cards []validators.Card, against map[string]accord) ui.Table {
	t := ui.Table{Caption: "Validators", Bare: true, Columns: []ui.Column{
		{Label: "Validator"}, {Label: "Canaries"}, {Label: "Verdicts, 24 h", Right: true}, {Label: "Inconclusive", Right: true},
		{Label: "Finds what people call hallucinated"}, {Label: "Passes what people call correct"},
		{Label: "Per core", Right: true}, {Label: "State"}},
		Foot: &ui.Foot{Shown: "Verdicts alone never set a rate. They choose what people look at and are weighed against it.",
			Note: ui.Dim("Sensitivity and specificity, bars from 0 to 100 %.")}}
	for _, c := range cards {
		a := against[c.Name+" "+c.Version]
		url := "/validators/" + c.Name
		t.Rows = append(t.Rows, ui.Row{URL: url, Cells: []templ.Component{
			ui.Words(ui.Link{Text: c.Name, URL: url, Plain: true}, " ", ui.Mono(shortVersion(c.Version))),
			canarySign(c), ui.Words(ui.Count(c.Verdicts())), ui.Words(inconclusiveShare(c)),
			shareCell(a.Sensitivity, "Of those people call hallucinated it fails"), shareCell(a.Specificity, "Of those people call correct it passes"),
			ui.Words(perCore(c.Throughput)), stateSign(c)}})
	}
	return t
}

func canarySign(c validators.Card) templ.Component {
	if len(c.Tried) == 0 {
		return ui.Dim("not tried yet")
	}
	mark := ui.MarkPass
	if c.Right() < len(c.Tried) {
		mark = ui.MarkFail
	}
	return ui.Sign{Mark: mark, Word: fmt.Sprintf("%d of %d", c.Right(), len(c.Tried))}
}

func inconclusiveShare(c validators.Card) string {
	if c.Verdicts() == 0 {
		return "–"
	}
	return ui.Share(float64(c.Inconclusive) / float64(c.Verdicts()))
}

// shareCell is the bar with its figures, or why there is none.
func shareCell(s share, says string) templ.Component {
	estimate, interval := s.words()
	if estimate == "" {
		return ui.Dim(interval)
	}
	words := []any{shareBar(s, says), " ", ui.Bold(estimate), " ", ui.Dim(interval)}
	if s.Thin {
		words = append(words, " ", ui.Toned(ui.Mid, "thin"))
	}
	return ui.Words(words...)
}

func shareBar(s share, says string) ui.IntervalBar {
	return ui.IntervalBar{Axis: againstAxis, Low: s.Low, High: s.High, Estimate: s.value(), Narrow: true, Name: says + " " + ui.ShareWithin(s.value(), s.Low, s.High)}
}

func perCore(throughput float64) string {
	switch {
	case throughput <= 0:
		return "–"
	case throughput < 10:
		return ui.Number(throughput, 1) + "/s"
	}
	return ui.Number(throughput, 0) + "/s"
}

func stateSign(c validators.Card) templ.Component {
	switch {
	case c.Suspended != nil:
		return ui.Toned(ui.Bad, "suspended")
	case len(c.Tried) == 0:
		return ui.Dim("idle")
	}
	return ui.Soft("serving")
}

func (p validatorsPage) actions() []templ.Component {
	fixtures := ui.Button{Label: "Fixtures", URL: "/fixtures"}
	if !p.Tried {
		return []templ.Component{fixtures}
	}
	return []templ.Component{ui.Button{Label: "Add your own", URL: "/validators/new"}, fixtures, selfTest()}
}

// validatorsExamine tries the sandbox and every canary now.
func (s *site) validatorsExamine(c *fiber.Ctx) error {
	store, err := s.checks()
	if err != nil {
		return err
	}
	suspended, err := store.Examine(c.UserContext(), actorOf(c))
	if err != nil {
		return err
	}
	if suspended == 0 {
		s.say(c, "Every canary was answered as it must be.")
	} else {
		s.say(c, ui.CountOf(suspended, "validator")+" suspended. A person lifts that on its page.")
	}
	return s.see(c, "/validators")
}

// validatorOverview names a suspended validator to those who can mend it.
func (s *site) validatorOverview(ctx context.Context, actor auth.Actor) (overview, error) {
	if s.Validators == nil || s.Validators.Set == nil || !actor.Holds(auth.Engineer) {
		return overview{}, nil
	}
	cards, err := s.Validators.Suspended(ctx, actor)
	if err != nil {
		return overview{}, err
	}
	var part overview
	for _, c := range cards {
		part.Needs = append(part.Needs, need{Urgency: today, Mark: ui.MarkFail, Title: "The validator " + c.Name + " is suspended",
			Text: fmt.Sprintf("It answered the canary “%s” %s. It writes no verdict until you lift that.", c.Suspended.Canary.Name, c.Suspended.Canary.Got),
			Act:  "Open", URL: "/validators/" + c.Name})
	}
	if len(cards) > 0 {
		part.Urgency = today
		part.Sentence = ui.CountOf(len(cards), "validator is", "validators are") + " suspended."
	}
	return part, nil
}
