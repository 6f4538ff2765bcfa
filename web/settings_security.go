package web

import (
	"cmp"
	"strconv"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/auth/people"
	"assay/internal/fault"
	"assay/web/ui"
)

// securityPage is a person's own sign-in and display.
type securityPage struct {
	Name, Email, Roles string
	Demo               bool
	HasPassword        bool
	HasSecondFactor    bool
	MustHave           bool
	Enrolment          *people.Enrolment // shown while setting a second factor up
	Sessions           ui.Table
	Others             int
	Theme, TimeZone    string
	SingleKeys         bool
	Wrong              securityErrors
}

// securityErrors are the sentences under the fields of the last form.
type securityErrors struct{ Current, Password, Code, TimeZone string }

func (s *site) settingsShow(c *fiber.Ctx) error { return s.see(c, "/settings/security") }

func (s *site) securityShow(c *fiber.Ctx) error {
	var in struct {
		Enrol bool `query:"second_factor"`
	}
	if err := readQuery(c, &in); err != nil {
		return err
	}
	return s.securityPage(c, in.Enrol, securityErrors{})
}

func (s *site) securityPage(c *fiber.Ctx, enrol bool, wrong securityErrors) error {
	v := visitorOf(c)
	person := v.session.Person
	if v.session.SecondFactorDue && person.HasSecondFactor {
		return errSecondFactor // this page could replace the factor that is asked for
	}
	p := securityPage{
		Name: person.Name, Email: person.Email, Roles: rolesInWords(person.Roles), Demo: person.Demo,
		HasPassword: person.HasPassword, HasSecondFactor: person.HasSecondFactor, MustHave: person.MustHaveSecondFactor(),
		Theme: person.Theme, TimeZone: person.TimeZone, SingleKeys: person.SingleKeys, Wrong: wrong,
	}
	if enrol && !person.Demo {
		e, err := s.People.BeginSecondFactor(c.UserContext(), v.session)
		if err != nil {
			return err
		}
		p.Enrolment = &e
	}
	sessions, err := s.People.Sessions(c.UserContext(), v.actor)
	if err != nil {
		return err
	}
	p.Sessions, p.Others = sessionTable(sessions, v.session.ID), len(sessions)-1
	return s.page(c, ui.Page{Title: "Your sign-in and display"}, p.draw())
}

func sessionTable(sessions []people.Session, current int64) ui.Table {
	t := ui.Table{Caption: "Where you are signed in", Columns: []ui.Column{
		{Label: "Browser", Wide: true}, {Label: "Since"}, {Label: "Last seen"}, {Label: "Ends"}, {Name: "Act"}}}
	for _, one := range sessions {
		end := templ.Component(endSession(one.ID))
		if one.ID == current {
			end = ui.Words("this one")
		}
		t.Rows = append(t.Rows, ui.Row{Current: one.ID == current, Cells: []templ.Component{
			ui.Words(cmp.Or(one.Browser, "unknown")), ui.Time{At: one.StartedAt}, ui.Time{At: one.SeenAt}, ui.Time{At: one.ExpiresAt}, end}})
	}
	return t
}

func endAddress(session int64) string {
	return "/settings/security/sessions/" + strconv.FormatInt(session, 10) + "/end"
}

func (s *site) securityPassword(c *fiber.Ctx) error {
	var in struct {
		Username string `form:"username"` // for password managers; not read
		Current  string `form:"current"`
		Password string `form:"password"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	v := visitorOf(c)
	secret, err := s.People.SetPassword(c.UserContext(), v.session, in.Current, in.Password, s.where(c))
	switch fault.Of(err) {
	case fault.Denied:
		markPause(c, err)
		return s.securityPage(c, false, securityErrors{Current: cmp.Or(fault.Words(err), wordsOf(fault.Denied))})
	case fault.Invalid, fault.Conflict:
		c.Status(status[fault.Of(err)])
		return s.securityPage(c, false, securityErrors{Password: fault.Words(err)})
	}
	if err != nil {
		return err
	}
	s.setCookie(c, secret)
	s.say(c, "Password set. All other sign-ins have ended.")
	if v.session.SecondFactorDue {
		return s.see(c, "/login/code")
	}
	return s.see(c, "/settings/security")
}

func (s *site) securitySecondFactor(c *fiber.Ctx) error {
	var in struct {
		Code string `form:"code"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	v := visitorOf(c)
	if v.session.Person.HasSecondFactor && !s.steppedUp(v.actor) {
		return errStepUp // replacing one needs a fresh proof
	}
	secret, err := s.People.ConfirmSecondFactor(c.UserContext(), v.session, in.Code, s.where(c))
	if fault.Of(err) == fault.Denied {
		markPause(c, err)
		return s.securityPage(c, true, securityErrors{Code: cmp.Or(fault.Words(err), wordsOf(fault.Denied))})
	}
	if err != nil {
		return err
	}
	s.setCookie(c, secret)
	s.say(c, "The second step is set up.")
	return s.see(c, "/settings/security")
}

func (s *site) securitySecondFactorRemove(c *fiber.Ctx) error {
	if err := s.People.RemoveSecondFactor(c.UserContext(), visitorOf(c).session); err != nil {
		return err
	}
	s.say(c, "The second step is removed.")
	return s.see(c, "/settings/security")
}

// securitySessionEnd ends one of one's own sign-ins; "others" ends all but
// this one.
func (s *site) securitySessionEnd(c *fiber.Ctx) error {
	id := int64(0)
	if c.Params("session") != "others" {
		var err error
		if id, err = idParam(c, "session"); err != nil {
			return err
		}
	}
	if err := s.People.End(c.UserContext(), actorOf(c), id); err != nil {
		return err
	}
	s.say(c, "Signed out there.")
	return s.see(c, "/settings/security")
}

func (s *site) securityDisplay(c *fiber.Ctx) error {
	var in struct {
		Theme      string `form:"theme"`
		TimeZone   string `form:"time_zone"`
		SingleKeys bool   `form:"single_keys"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	err := s.People.SetDisplay(c.UserContext(), actorOf(c), people.Display{Theme: in.Theme, TimeZone: in.TimeZone, SingleKeys: in.SingleKeys})
	if fault.Of(err) == fault.Invalid {
		c.Status(fiber.StatusBadRequest)
		return s.securityPage(c, false, securityErrors{TimeZone: fault.Words(err)})
	}
	if err != nil {
		return err
	}
	return s.see(c, "/settings/security#display")
}

// inFours writes a secret in groups of four, as people copy it.
func inFours(secret string) string {
	out := ""
	for i, r := range secret {
		if i > 0 && i%4 == 0 {
			out += " "
		}
		out += string(r)
	}
	return out
}
