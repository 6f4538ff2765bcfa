package web

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
	"assay/internal/auth/keys"
	"assay/internal/fault"
	"assay/telemetry"
	"assay/web/ui"
)

// keysPage lists the API keys, and the one just made with its secret.
type keysPage struct {
	Sub   string
	Table ui.Table
	Made  *madeKey
	Form  keyForm
}

type madeKey struct{ Name, Text string }

type keyForm struct {
	Name    string
	Scopes  []scopeBox
	Consent string
	Capture string
	Error   string
}

type scopeBox struct {
	Scope, Words string
	Chosen       bool
}

var scopeWords = map[auth.Scope]string{
	auth.ScopeIngest:   "send events",
	auth.ScopeRead:     "read sessions, rates, incidents and handoffs",
	auth.ScopeLabel:    "import and export labels",
	auth.ScopeLabeler:  "reserve and label, as a labeler of its own",
	auth.ScopeValidate: "run a validator on one output",
	auth.ScopeHandoff:  "templates, handoffs and runs",
	auth.ScopeCheck:    "ask a promotion gate",
}

func (s *site) ring() (*keys.Ring, error) {
	if s.Keys == nil {
		return nil, fault.Say(fault.Unavailable, "API keys cannot be read now.")
	}
	return s.Keys, nil
}

func (s *site) keysShow(c *fiber.Ctx) error { return s.keysPage(c, nil, keyForm{}) }

func (s *site) keysPage(c *fiber.Ctx, made *madeKey, form keyForm) error {
	ring, err := s.ring()
	if err != nil {
		return err
	}
	list, err := ring.List(c.UserContext(), actorOf(c))
	if err != nil {
		return err
	}
	p := buildKeys(list, s.now())
	p.Made, p.Form = made, form
	if p.Form.Scopes == nil {
		p.Form.Scopes = scopeBoxes(nil)
	}
	return s.page(c, ui.Page{Title: "API keys"}, p.draw())
}

func buildKeys(list []keys.Key, now time.Time) keysPage {
	p := keysPage{Table: ui.Table{Caption: "API keys", Columns: []ui.Column{
		{Label: "Key"}, {Label: "Name", Wide: true}, {Label: "May"}, {Label: "Made by"}, {Label: "Last used"}, {Label: "Expires"}, {Label: "State"}, {Name: "Act"}}}}
	active := 0
	for _, k := range list {
		state := k.State(now)
		if state == "active" {
			active++
		}
		p.Table.Rows = append(p.Table.Rows, keyRow(k, state))
	}
	if len(list) == 0 {
		p.Table.Empty = ui.Empty{Bare: true, Title: "No keys yet", Why: "A program needs one to send events or to ask a gate."}
	}
	p.Sub = ui.Count(active) + " in force of " + ui.Count(len(list)) + ". A key has scopes, never a role."
	return p
}

func keyRow(k keys.Key, state string) ui.Row {
	used := templ.Component(ui.Words("never"))
	if k.LastUsedAt != nil {
		used = ui.Time{At: *k.LastUsedAt}
	}
	end := templ.Component(ui.Words(""))
	if state == "active" {
		end = revokeKey(k.PublicID)
	}
	scopes := []string{}
	for _, one := range k.Scopes {
		scopes = append(scopes, string(one))
	}
	madeBy := k.MadeBy
	if madeBy == "" {
		madeBy = "at the machine"
	}
	return ui.Row{Dim: state != "active", Cells: []templ.Component{
		ui.Mono("wb_" + k.PublicID), ui.Words(k.Name), ui.Words(strings.Join(scopes, ", ")), ui.Words(madeBy),
		used, ui.Time{At: k.ExpiresAt, Style: ui.Day}, ui.Words(state), end}}
}

func scopeBoxes(chosen []string) []scopeBox {
	boxes := []scopeBox{}
	for _, one := range auth.Scopes {
		boxes = append(boxes, scopeBox{Scope: string(one), Words: scopeWords[one], Chosen: slices.Contains(chosen, string(one))})
	}
	return boxes
}

func (s *site) keyCreate(c *fiber.Ctx) error {
	var in struct {
		Name   string   `form:"name"`
		Scopes []string `form:"scope"`
		Days   int      `form:"days"`

		// For keys that send events.
		Consent string `form:"consent"`
		Capture string `form:"capture"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	ring, err := s.ring()
	if err != nil {
		return err
	}
	n := keys.New{Name: in.Name, Lasts: time.Duration(in.Days) * 24 * time.Hour}
	for _, one := range in.Scopes {
		n.Scopes = append(n.Scopes, auth.Scope(one))
	}
	form := keyForm{Name: in.Name, Scopes: scopeBoxes(in.Scopes), Consent: in.Consent, Capture: in.Capture}
	terms, err := termsOf(in.Consent, in.Capture)
	if err != nil {
		return err
	}
	key, text, err := ring.Create(c.UserContext(), actorOf(c), n)
	if fault.Of(err) == fault.Invalid {
		c.Status(fiber.StatusBadRequest)
		form.Error = fault.Words(err)
		return s.keysPage(c, nil, form)
	}
	if err != nil {
		return err
	}
	// Until this is done the key takes events under the strictest terms.
	if slices.Contains(n.Scopes, auth.ScopeIngest) && s.Telemetry != nil {
		if err := s.Telemetry.SetTerms(c.UserContext(), actorOf(c), key.ID, terms); err != nil {
			return err
		}
	}
	// Not a redirect: the secret is kept as its hash and can be shown only now.
	return s.keysPage(c, &madeKey{Name: key.Name, Text: text}, keyForm{})
}

// Choices of what an event that names no consent or capture is taken under.
var (
	consentChoices = []ui.Option{
		{Value: string(telemetry.ConsentAggregate), Label: "aggregate: counted, no text"},
		{Value: string(telemetry.ConsentRedacted), Label: "redacted: redacted text"},
		{Value: string(telemetry.ConsentFull), Label: "full: redacted text, raw text only sealed"},
		{Value: string(telemetry.ConsentNone), Label: "none: no text, no hash of the person"},
	}
	captureChoices = []ui.Option{
		{Value: string(telemetry.CaptureHash), Label: "hash: a keyed hash, no text"},
		{Value: string(telemetry.CaptureRedacted), Label: "redacted: the redacted text"},
		{Value: string(telemetry.CaptureRaw), Label: "raw: redacted text, raw text sealed apart"},
	}
)

// termsOf reads the two choices; the rest is that of the strictest terms.
func termsOf(consent, capture string) (telemetry.Terms, error) {
	terms := telemetry.StrictTerms
	among := func(choices []ui.Option, value string) bool {
		return value == "" || slices.ContainsFunc(choices, func(o ui.Option) bool { return o.Value == value })
	}
	if !among(consentChoices, consent) || !among(captureChoices, capture) {
		return terms, fault.Say(fault.Invalid, "Consent and capture must be among the choices shown.")
	}
	terms.Consent = cmp.Or(telemetry.Consent(consent), terms.Consent)
	terms.Capture = cmp.Or(telemetry.Capture(capture), terms.Capture)
	return terms, nil
}

func (s *site) keyRevoke(c *fiber.Ctx) error {
	ring, err := s.ring()
	if err != nil {
		return err
	}
	if err := ring.Revoke(c.UserContext(), actorOf(c), param(c, "key")); err != nil {
		return err
	}
	s.say(c, "Revoked. Its next request is refused.")
	return s.see(c, "/settings/keys")
}
