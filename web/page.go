package web

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
	"assay/internal/auth/people"
	"assay/internal/fault"
	"assay/web/ui"
)

// navigation is the bar, in the order a datum travels. An item shows when its
// page exists and the viewer may open it.
var navigation = []ui.NavItem{
	{Key: "queues", Label: "Queues", URL: "/queues", Group: 1, Act: ui.ActQueues},
	{Key: "sessions", Label: "Sessions", URL: "/sessions", Group: 1, Act: ui.ActSessions},
	{Key: "rates", Label: "Rates", URL: "/rates", Group: 2, Act: ui.ActRates},
	{Key: "objectives", Label: "Objectives", URL: "/objectives", Group: 2},
	{Key: "alerts", Label: "Alerts", URL: "/alerts", Group: 2, Says: "alerts page", Act: ui.ActIncidents},
	{Key: "handoffs", Label: "Handoffs", URL: "/handoffs", Group: 3, Act: ui.ActHandoffs},
	{Key: "validators", Label: "Validators", URL: "/validators", Group: 4},
	{Key: "labelers", Label: "Labelers", URL: "/labelers", Group: 4},
	{Key: "datasets", Label: "Datasets", URL: "/datasets", Group: 4},
	{Key: "audit", Label: "Audit", URL: "/audit", Group: 4},
}

// menu is what stands under the initials.
var menu = []ui.Link{
	{Text: "Your work", URL: "/labels"},
	{Text: "Your figures", URL: "/labelers/me"},
	{Text: "Guides", URL: "/guides"},
	{Text: "Your sign-in and display", URL: "/settings/security"},
	{Text: "Your keys", URL: "/settings/keyboard"},
	{Text: "People", URL: "/settings/people"},
	{Text: "API keys", URL: "/settings/keys"},
	{Text: "Capture", URL: "/settings/capture"},
	{Text: "Redaction", URL: "/settings/redaction"},
	{Text: "Retention", URL: "/settings/retention"},
	{Text: "Reveals", URL: "/reveals"},
	{Text: "Impact", URL: "/settings/impact"},
	{Text: "Rate cards", URL: "/settings/ratecards"},
	{Text: "Reading grants", URL: "/grants"},
	{Text: "Dead letters", URL: "/deadletters"},
}

// page answers with a whole HTML document around body.
func (s *site) page(c *fiber.Ctx, p ui.Page, body templ.Component) error {
	v := visitorOf(c)
	if p.Toast == nil {
		p.Toast = s.said(c)
	}
	shell := ui.Shell{Page: p, Viewer: s.viewer(c, v), Assets: s.assets, Body: body}
	return s.render(c, v, shell)
}

// fragment answers with a part of a page alone.
func (s *site) fragment(c *fiber.Ctx, part templ.Component) error {
	return s.render(c, visitorOf(c), part)
}

// render writes the component whole or not at all: a failure half-way must
// not leave half a page under status 200.
func (s *site) render(c *fiber.Ctx, v visitor, component templ.Component) error {
	nonce, _ := c.Locals(nonceLocal).(string)
	ctx := templ.WithNonce(c.UserContext(), nonce)
	ctx = ui.WithReader(ctx, s.reader(v))
	var out bytes.Buffer
	if err := component.Render(ctx, &out); err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, "text/html; charset=utf-8")
	return c.Send(out.Bytes())
}

func (s *site) reader(v visitor) ui.Reader {
	r := ui.Reader{Now: s.now(), Token: formToken(v)}
	if v.session == nil {
		return r
	}
	r.AsWritten = v.session.Person.AsWritten
	r.KeysOff = !v.session.Person.SingleKeys
	if own := v.session.Person.Keys; len(own) > 0 {
		r.Keys = ui.Keymap{}
		for act, key := range own {
			r.Keys[ui.Act(act)] = key
		}
	}
	// Nobody's choice leaves the zone to the browser, which knows where it is.
	if name := v.session.Person.TimeZone; name != "" {
		if zone, err := time.LoadLocation(name); err == nil {
			r.Zone = zone
		}
	}
	return r
}

func (s *site) viewer(c *fiber.Ctx, v visitor) ui.Viewer {
	viewer := ui.Viewer{Reader: s.reader(v)}
	if v.session == nil {
		return viewer
	}
	viewer.Name = v.actor.Name
	viewer.Role = rolesInWords(v.actor.Roles)
	viewer.Theme = v.session.Person.Theme
	viewer.SignOut = "/logout"
	viewer.Licences = licencesAddress()
	viewer.Menu = s.visible(c, v, menu)
	if v.session.SecondFactorDue {
		return viewer
	}
	viewer.Search = "/search"
	viewer.Inbox, viewer.Unread = "/inbox", s.unread(c, v.actor)
	viewer.KeysURL = "/settings/keyboard"
	viewer.Display = displayOf(v.session.Person)
	viewer.Accounts = s.accounts(c.UserContext(), v)
	for _, item := range navigation {
		if s.opens(c, v, item.URL) {
			item.Count = s.paging(c.UserContext(), v.actor, item.Key)
			viewer.Nav = append(viewer.Nav, item)
		}
	}
	return viewer
}

// displayOf is the theme switch of the menu: the same form as on the page of
// settings, with what is not switched kept as it is.
func displayOf(p people.Person) *ui.Display {
	d := &ui.Display{Post: "/settings/security/display", Keep: []ui.Kept{{Name: "time_zone", Value: p.TimeZone}}}
	if p.SingleKeys {
		d.Keep = append(d.Keep, ui.Kept{Name: "single_keys", Value: "on"})
	}
	return d
}

// paging returns the one count of the bar: what pages now.
func (s *site) paging(ctx context.Context, actor auth.Actor, key string) int {
	if s.Stages.Paging == nil || key != "alerts" {
		return 0
	}
	n, err := s.Stages.Paging(ctx, actor)
	if err != nil {
		s.log().Warn("the count of paging alerts is not known", "error", loggable(err))
	}
	return n
}

// accounts are the role switcher's; none outside a product on one machine.
func (s *site) accounts(ctx context.Context, v visitor) []ui.Account {
	if !s.Demo {
		return nil
	}
	list, err := s.People.Demonstrators(ctx, v.session)
	if err != nil {
		s.log().Warn("the accounts of the role switcher are not known", "error", loggable(err))
		return nil
	}
	var accounts []ui.Account
	for _, p := range list {
		accounts = append(accounts, ui.Account{Role: rolesInWords(p.Roles), Name: p.Name, Post: "/login/as",
			Value: strconv.FormatInt(p.ID, 10), Current: p.ID == v.actor.ID})
	}
	return accounts
}

func (s *site) visible(c *fiber.Ctx, v visitor, links []ui.Link) []ui.Link {
	var list []ui.Link
	for _, l := range links {
		if s.opens(c, v, l.URL) {
			list = append(list, l)
		}
	}
	return list
}

// opens reports whether a page exists at the address and lets this visitor in.
func (s *site) opens(c *fiber.Ctx, v visitor, address string) bool {
	path, _, _ := strings.Cut(address, "?")
	r, found := s.pages[path]
	if !found {
		return false
	}
	if r.Access.permission != "" && !v.actor.May(r.Access.permission) {
		return false
	}
	return v.session != nil && (!v.session.SecondFactorDue || r.Access.early)
}

// rolesInWords is "labeler, reviewer", or what stands there for nobody yet.
func rolesInWords(roles []auth.Role) string {
	if len(roles) == 0 {
		return "no role yet"
	}
	words := []string{}
	for _, r := range auth.Roles {
		if slices.Contains(roles, r) {
			words = append(words, r.Words())
		}
	}
	return strings.Join(words, ", ")
}

// see answers a form: look at path now, with GET.
func (s *site) see(c *fiber.Ctx, path string) error {
	return c.Redirect(path, fiber.StatusSeeOther)
}

// say keeps a sentence for the page that comes next: "Key revoked." It never
// carries what a user or a model wrote.
// program is how the reader's shell calls the program.
func (s *site) program() string { return cmp.Or(s.Program, "assay") }

func (s *site) say(c *fiber.Ctx, sentence string) {
	c.Cookie(&fiber.Cookie{Name: s.saidCookie(), Value: base64.RawURLEncoding.EncodeToString([]byte(sentence)),
		Path: "/", MaxAge: 60, Secure: s.secure, HTTPOnly: true, SameSite: fiber.CookieSameSiteStrictMode})
}

func (s *site) said(c *fiber.Ctx) *ui.Toast {
	value := c.Cookies(s.saidCookie())
	if value == "" {
		return nil
	}
	c.Cookie(&fiber.Cookie{Name: s.saidCookie(), Path: "/", MaxAge: -1, Expires: time.Unix(0, 0), Secure: s.secure,
		HTTPOnly: true, SameSite: fiber.CookieSameSiteStrictMode})
	sentence, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil || len(sentence) > 1000 {
		return nil
	}
	return &ui.Toast{Text: string(sentence)}
}

func (s *site) saidCookie() string {
	if s.secure {
		return "__Host-assay-said"
	}
	return "assay-said"
}

// download answers with a file that is written while it is sent. It is an
// attachment that no browser shows as a page of ours. A failure half-way
// breaks the connection, so that a part never looks like the whole.
func (s *site) download(c *fiber.Ctx, name, kind string, write func(ctx context.Context, w io.Writer) error) error {
	c.Set(fiber.HeaderContentType, kind)
	c.Set(fiber.HeaderContentDisposition, `attachment; filename="`+name+`"`)
	c.Append(fiber.HeaderContentSecurityPolicy, "sandbox")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.UserContext()), downloadTimeout)
	reader, writer := io.Pipe()
	ref, route := referenceOf(c), routeOf(c)
	go func() {
		defer cancel()
		err := write(ctx, writer)
		if err != nil {
			s.log().Error("a download broke off", "reference", ref, "route", route, "error", loggable(err))
		}
		writer.CloseWithError(err)
	}()
	c.Context().SetBodyStream(reader, -1)
	return nil
}

const downloadTimeout = 10 * time.Minute

// troublePage is the page of an error: what did not happen, why, what is safe,
// what to do, a reference when it was ours.
func (s *site) troublePage(c *fiber.Ctx, t trouble) error {
	v := visitorOf(c)
	if v.session == nil {
		// An address that no route knows is answered before anyone was identified.
		if known, err := s.identify(c); err == nil {
			v = known
			c.Locals(visitorLocal, v)
		}
	}
	return s.page(c, ui.Page{Title: titleOf(t)}, troubled(titleOf(t), sayTrouble(c, t)))
}

// sayTrouble is the part under the heading: ours, a refusal, or neither.
func sayTrouble(c *fiber.Ctx, t trouble) templ.Component {
	switch {
	case t.code >= 500:
		return ui.Failure{What: t.words, Reference: referenceOf(c), Actions: nextAfter(c, t)}
	case t.kind == fault.Denied:
		return ui.Failure{What: t.words, Refused: true, Actions: nextAfter(c, t)}
	}
	return ui.Empty{Title: t.words, Actions: nextAfter(c, t)}
}

func nextAfter(c *fiber.Ctx, t trouble) []templ.Component {
	if t.code == http.StatusUnauthorized {
		return []templ.Component{ui.Button{Label: "Sign in", Style: ui.Filled, URL: "/login"}}
	}
	list := []templ.Component{}
	if t.code >= 500 && c.Method() == fiber.MethodGet {
		list = append(list, ui.Button{Label: "Try now", URL: c.OriginalURL()})
	}
	return append(list, ui.Button{Label: "Go to the overview", Style: ui.Plain, URL: "/"})
}
