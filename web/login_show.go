package web

import (
	"errors"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"assay/internal/auth/people"
	"assay/internal/fault"
	"assay/web/ui"
)

// loginPage is the page that asks who you are.
type loginPage struct {
	Email string
	Next  string
	Error string
}

func (s *site) loginShow(c *fiber.Ctx) error {
	var in struct {
		Next string `query:"next"`
	}
	if err := readQuery(c, &in); err != nil {
		return err
	}
	if v := visitorOf(c); v.session != nil {
		return s.see(c, nextOf(in.Next))
	}
	return s.page(c, ui.Page{Title: "Sign in", Layout: ui.Bare}, loginPage{Next: nextOf(in.Next)}.draw())
}

func (s *site) loginSubmit(c *fiber.Ctx) error {
	var in struct {
		Email    string `form:"email"`
		Password string `form:"password"`
		Next     string `form:"next"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	register, err := s.register()
	if err != nil {
		return err
	}
	secret, err := register.SignIn(c.UserContext(), in.Email, in.Password, s.where(c))
	if err != nil {
		return s.loginRefused(c, err, loginPage{Email: in.Email, Next: nextOf(in.Next)})
	}
	s.setCookie(c, secret)
	return s.see(c, nextOf(in.Next))
}

// loginRefused shows the form again with what was wrong, and the address kept.
func (s *site) loginRefused(c *fiber.Ctx, err error, p loginPage) error {
	if fault.Of(err) != fault.Denied {
		return err
	}
	p.Error = fault.Words(err)
	markPause(c, err)
	return s.page(c, ui.Page{Title: "Sign in", Layout: ui.Bare}, p.draw())
}

// markPause sets the status of a wrong try: 403, or 429 with the time to wait
// during the pause after too many.
func markPause(c *fiber.Ctx, err error) {
	c.Status(fiber.StatusForbidden)
	var paused *people.Paused
	if errors.As(err, &paused) {
		c.Status(fiber.StatusTooManyRequests)
		c.Set(fiber.HeaderRetryAfter, secondsOf(paused.For))
	}
}

// linkPage is the page of a one-time link. Looking at it uses nothing up;
// pressing its button does.
type linkPage struct {
	Name   string
	Roles  string
	Action string
}

func (s *site) loginLinkShow(c *fiber.Ctx) error {
	register, err := s.register()
	if err != nil {
		return err
	}
	token := param(c, "token")
	person, err := register.LinkFor(c.UserContext(), token)
	if err != nil {
		return err
	}
	p := linkPage{Name: person.Name, Roles: rolesInWords(person.Roles), Action: "/login/link/" + token}
	return s.page(c, ui.Page{Title: "Sign in", Layout: ui.Bare}, p.draw())
}

func (s *site) loginLinkSubmit(c *fiber.Ctx) error {
	register, err := s.register()
	if err != nil {
		return err
	}
	secret, err := register.FollowLink(c.UserContext(), param(c, "token"), s.where(c))
	if err != nil {
		return err
	}
	if v := visitorOf(c); v.session != nil {
		// The link may be another person's; the sign-in it replaces must not stay open.
		if err := register.End(c.UserContext(), v.actor, v.session.ID); err != nil {
			return err
		}
	}
	s.setCookie(c, secret)
	session, err := register.Resume(c.UserContext(), secret)
	if err != nil {
		return err
	}
	if session != nil && !session.Person.HasPassword && !session.Person.Demo {
		return s.see(c, "/settings/security")
	}
	return s.see(c, "/")
}

// codePage asks for the second factor of this sign-in, or sets one up for
// somebody whose role needs one and who has none.
type codePage struct {
	Name      string
	Enrolment *people.Enrolment // nil: there is one already
	Next      string
	Error     string
}

func (s *site) loginCodeShow(c *fiber.Ctx) error {
	var in struct {
		Next string `query:"next"`
	}
	if err := readQuery(c, &in); err != nil {
		return err
	}
	return s.codePage(c, codePage{Next: nextOf(in.Next)})
}

func (s *site) codePage(c *fiber.Ctx, p codePage) error {
	v := visitorOf(c)
	if !v.session.SecondFactorDue {
		return s.see(c, p.Next)
	}
	p.Name = v.session.Person.Name
	if !v.session.Person.HasSecondFactor {
		enrolment, err := s.People.BeginSecondFactor(c.UserContext(), v.session)
		if err != nil {
			return err
		}
		p.Enrolment = &enrolment
	}
	return s.page(c, ui.Page{Title: "Second step", Layout: ui.Bare}, p.draw())
}

func (s *site) loginCodeSubmit(c *fiber.Ctx) error {
	var in struct {
		Code string `form:"code"`
		Next string `form:"next"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	v := visitorOf(c)
	if !v.session.SecondFactorDue {
		return s.see(c, nextOf(in.Next))
	}
	give := s.People.GiveCode
	if !v.session.Person.HasSecondFactor {
		give = s.People.ConfirmSecondFactor
	}
	secret, err := give(c.UserContext(), v.session, in.Code, s.where(c))
	if fault.Of(err) == fault.Denied {
		markPause(c, err)
		return s.codePage(c, codePage{Next: nextOf(in.Next), Error: fault.Words(err)})
	}
	if err != nil {
		return err
	}
	s.setCookie(c, secret)
	return s.see(c, nextOf(in.Next))
}

// againPage asks once more who you are before something is signed or shown.
type againPage struct {
	Proof string // "code", "password" or "confirmation"
	Next  string
	Error string
}

func (s *site) loginAgainShow(c *fiber.Ctx) error {
	var in struct {
		Next string `query:"next"`
	}
	if err := readQuery(c, &in); err != nil {
		return err
	}
	return s.againPage(c, againPage{Next: nextOf(in.Next)})
}

func (s *site) againPage(c *fiber.Ctx, p againPage) error {
	p.Proof = visitorOf(c).session.Person.Proof()
	return s.page(c, ui.Page{Title: "Prove who you are", Layout: ui.Bare}, p.draw())
}

func (s *site) loginAgainSubmit(c *fiber.Ctx) error {
	var in struct {
		Proof string `form:"proof"`
		Next  string `form:"next"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	secret, err := s.People.StepUp(c.UserContext(), visitorOf(c).session, in.Proof, s.where(c))
	if kind := fault.Of(err); kind == fault.Denied || kind == fault.Conflict {
		markPause(c, err)
		return s.againPage(c, againPage{Next: nextOf(in.Next), Error: fault.Words(err)})
	}
	if err != nil {
		return err
	}
	s.setCookie(c, secret)
	return s.see(c, nextOf(in.Next))
}

// loginAsSubmit changes the account on a product on one machine.
func (s *site) loginAsSubmit(c *fiber.Ctx) error {
	var in struct {
		Account int64 `form:"account"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	secret, err := s.People.ActAs(c.UserContext(), visitorOf(c).session, in.Account, s.where(c))
	if err != nil {
		return err
	}
	s.setCookie(c, secret)
	return s.see(c, "/")
}

func (s *site) logoutSubmit(c *fiber.Ctx) error {
	v := visitorOf(c)
	if err := s.People.End(c.UserContext(), v.actor, v.session.ID); err != nil {
		return err
	}
	s.clearCookie(c)
	return s.see(c, "/login")
}

func (s *site) register() (*people.Register, error) {
	if s.People == nil {
		return nil, fault.Say(fault.Unavailable, "Signing in does not work now: the store of accounts is not connected.")
	}
	return s.People, nil
}

func (s *site) where(c *fiber.Ctx) people.Where {
	return people.Where{Address: s.address(c), Browser: browserOf(c.Get(fiber.HeaderUserAgent))}
}

// browserOf names a browser and its system, enough for a person to recognise
// their own sign-ins; the rest of the header is not kept.
func browserOf(agent string) string {
	find := func(names ...string) string {
		i := slices.IndexFunc(names, func(name string) bool { return strings.Contains(agent, name) })
		if i < 0 {
			return ""
		}
		return names[i]
	}
	browser := find("Edg", "OPR", "Firefox", "Chrome", "Safari")
	switch browser {
	case "Edg":
		browser = "Edge"
	case "OPR":
		browser = "Opera"
	case "":
		browser = "A program"
	}
	system := find("Windows", "Android", "iPhone", "iPad", "Mac OS", "Linux")
	if system == "" {
		return browser
	}
	return browser + " on " + system
}
