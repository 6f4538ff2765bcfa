package web

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
	"assay/internal/auth/people"
	"assay/internal/fault"
	"assay/web/ui"
)

// peoplePage lists the accounts, each with what can be done to it.
type peoplePage struct {
	Sub       string
	People    []personRow
	Link      *newLink // just made; shown once
	Added     personForm
	MayChange bool // stepped up: the forms will work; else a button to do so
}

type personRow struct {
	ID        string
	Name      string
	Email     string
	Seen      *time.Time
	State     string // "disabled", "never signed in", ""
	Self      bool
	Disabled  bool
	Powerful  bool   // links are made at the machine
	Held      string // the roles, in words
	Roles     []roleBox
	Proposals []proposalRow
	Skills    *skillChoice // of whoever may label
}

type roleBox struct {
	Role, Words string
	Held        bool
	Power       bool
}

type proposalRow struct {
	Role, Words, By string
	At              time.Time
	MayAgree        bool
}

type newLink struct {
	Name    string
	Address string
	Expires time.Time
}

type personForm struct {
	Name, Email, Error string
	Roles              []roleBox
}

func (s *site) peopleShow(c *fiber.Ctx) error {
	return s.peoplePage(c, nil, personForm{})
}

func (s *site) peoplePage(c *fiber.Ctx, link *newLink, form personForm) error {
	actor := actorOf(c)
	list, err := s.People.List(c.UserContext(), actor)
	if err != nil {
		return err
	}
	if form.Roles == nil {
		form.Roles = roleBoxes(nil)
	}
	p := buildPeople(list, actor, s.steppedUp(actor))
	if s.Labeling != nil {
		skills, classes, err := s.Labeling.PeopleSkills(c.UserContext(), actor)
		if err != nil {
			return err
		}
		for i, one := range list {
			p.People[i].Skills = chooseSkills(one, skills[one.ID], classes)
		}
	}
	p.Link, p.Added = link, form
	return s.page(c, ui.Page{Title: "People"}, p.draw())
}

func buildPeople(list []people.Person, actor auth.Actor, steppedUp bool) peoplePage {
	p := peoplePage{MayChange: steppedUp}
	active := 0
	for _, one := range list {
		row := personRow{
			ID: strconv.FormatInt(one.ID, 10), Name: one.Name, Email: one.Email, Seen: one.SeenAt,
			Self: one.ID == actor.ID, Disabled: one.DisabledAt != nil, Powerful: slices.ContainsFunc(one.Roles, people.Powerful),
			Held: rolesInWords(one.Roles), Roles: roleBoxes(one.Roles),
		}
		switch {
		case row.Disabled:
			row.State = "disabled"
		case one.SeenAt == nil:
			row.State = "never signed in"
		}
		if !row.Disabled {
			active++
		}
		for _, o := range one.Proposed {
			row.Proposals = append(row.Proposals, proposalRow{Role: string(o.Role), Words: o.Role.Words(), By: o.ProposerName, At: o.ProposedAt,
				MayAgree: o.ProposedBy != actor.ID && one.ID != actor.ID})
		}
		p.People = append(p.People, row)
	}
	p.Sub = ui.CountOf(active, "person", "people") + " can sign in, " + ui.Count(len(list)-active) + " disabled."
	return p
}

func roleBoxes(held []auth.Role) []roleBox {
	boxes := []roleBox{}
	for _, r := range auth.Roles {
		boxes = append(boxes, roleBox{Role: string(r), Words: r.Words(), Held: slices.Contains(held, r), Power: people.Powerful(r)})
	}
	return boxes
}

func (s *site) personAdd(c *fiber.Ctx) error {
	var in struct {
		Name  string   `form:"name"`
		Email string   `form:"email"`
		Roles []string `form:"role"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	actor := actorOf(c)
	person, err := s.People.Add(c.UserContext(), actor, people.New{Email: in.Email, Name: in.Name, Roles: rolesOf(in.Roles)})
	if kind := fault.Of(err); kind == fault.Invalid || kind == fault.Conflict {
		c.Status(status[kind])
		return s.peoplePage(c, nil, personForm{Name: in.Name, Email: in.Email, Error: fault.Words(err), Roles: roleBoxes(rolesOf(in.Roles))})
	}
	if err != nil {
		return err
	}
	return s.showLink(c, actor, person.ID, person.Name)
}

// showLink makes a sign-in link and answers with the page that shows it. This
// is the one answer to a form that is not a redirect: the link is kept as its
// hash and could not be shown on the next page.
func (s *site) showLink(c *fiber.Ctx, actor auth.Actor, id int64, name string) error {
	secret, expires, err := s.People.Link(c.UserContext(), actor, id)
	if err != nil {
		return err
	}
	return s.peoplePage(c, &newLink{Name: name, Address: s.origin + "/login/link/" + secret, Expires: expires}, personForm{})
}

func (s *site) personLink(c *fiber.Ctx) error {
	id, err := idParam(c, "person")
	if err != nil {
		return err
	}
	return s.showLink(c, actorOf(c), id, "")
}

func (s *site) personRoles(c *fiber.Ctx) error {
	var in struct {
		Roles []string `form:"role"`
	}
	id, err := idParam(c, "person")
	if err == nil {
		err = readForm(c, &in)
	}
	if err != nil {
		return err
	}
	if err := s.People.SetRoles(c.UserContext(), actorOf(c), id, rolesOf(in.Roles)); err != nil {
		return err
	}
	s.say(c, "Roles saved. Grants of power wait for a second administrator.")
	return s.see(c, "/settings/people")
}

func rolesOf(names []string) []auth.Role {
	roles := []auth.Role{}
	for _, name := range names {
		roles = append(roles, auth.Role(name))
	}
	return roles
}

// personGrant is a second administrator's answer to a proposed grant of power.
func (s *site) personGrant(c *fiber.Ctx) error {
	var in struct {
		Answer string `form:"answer"`
	}
	id, err := idParam(c, "person")
	if err == nil {
		err = readForm(c, &in)
	}
	if err != nil {
		return err
	}
	if in.Answer != "agree" && in.Answer != "decline" {
		return fault.Say(fault.Invalid, "The answer is agree or decline.")
	}
	if err := s.People.AnswerProposal(c.UserContext(), actorOf(c), id, auth.Role(param(c, "role")), in.Answer == "agree"); err != nil {
		return err
	}
	s.say(c, "Answered.")
	return s.see(c, "/settings/people")
}

func (s *site) personDisable(c *fiber.Ctx) error {
	id, err := idParam(c, "person")
	if err != nil {
		return err
	}
	if err := s.People.Disable(c.UserContext(), actorOf(c), id); err != nil {
		return err
	}
	s.say(c, "Disabled. They are signed out everywhere.")
	return s.see(c, "/settings/people")
}

func (s *site) personEnable(c *fiber.Ctx) error {
	id, err := idParam(c, "person")
	if err != nil {
		return err
	}
	if err := s.People.Enable(c.UserContext(), actorOf(c), id); err != nil {
		return err
	}
	s.say(c, "Enabled.")
	return s.see(c, "/settings/people")
}

func (l newLink) whose() string { return cmp.Or(l.Name, "this person") }

// because returns the reason where there is one.
func because(yes bool, reason string) string {
	if yes {
		return reason
	}
	return ""
}
