package web

import (
	"strconv"
	"strings"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/redact"
	"assay/telemetry"
	"assay/web/ui"
)

// redactionPage says what is taken out of text before it is stored: by the
// product always, by the operator's own rules beside it. A text can be tried
// against rules that are still being written.
type redactionPage struct {
	Sub      string
	Kinds    ui.Table
	Versions ui.Table
	May      bool
	Note     string // which version stands in the form
	Form     redactionForm
	Rules    []ruleRow
	TryHint  string
	Trouble  string
	Tried    *triedText
}

// redactionForm is the rules as they are typed, a place each in three lists,
// and the text to try them on.
type redactionForm struct {
	After  int      `form:"after"` // the version they were made from
	Name   []string `form:"name"`
	Kind   []string `form:"kind"`
	What   []string `form:"what"`
	Reason string   `form:"reason"`
	Text   string   `form:"text"`
}

type ruleRow struct{ ID, Name, Kind, What string }

type triedText struct {
	Text ui.Code
	Says string
}

const (
	byWords   = "words"
	byPattern = "pattern"
)

var ruleKinds = []ui.Option{{Value: byWords, Label: "Words, one a line"}, {Value: byPattern, Label: "Pattern (RE2)"}}

// kindWords says of each of the product's kinds what it is. Order and names
// are those of the scrubber.
var kindWords = map[redact.Kind]string{
	redact.PEM: "Keys and certificates between BEGIN and END lines", redact.JWT: "Signed web tokens", redact.URLCredentials: "User and password in a URL; its host stays",
	redact.APIKey: "Keys of known services, bearer tokens, values of password= and its like", redact.Path: "File paths; the same path always gets the same id",
	redact.Email: "E-mail addresses", redact.IBAN: "Bank accounts whose check digits are right", redact.Card: "Payment cards whose check digit is right",
	redact.SSN: "Social security numbers and ids like them", redact.IP: "Addresses of machines, version 4 and 6", redact.Phone: "Telephone numbers", redact.OrderID: "Order numbers after a #",
}

func (s *site) redactionShow(c *fiber.Ctx) error {
	var in struct {
		Version int `query:"version"`
	}
	if err := readQuery(c, &in); err != nil {
		return err
	}
	return s.redactionPage(c, in.Version, nil, nil, "")
}

// redactionPage draws the page with the rules of a version (0: the one in
// force), or those that were typed.
func (s *site) redactionPage(c *fiber.Ctx, version int, typed *redactionForm, tried *telemetry.Tried, trouble string) error {
	store, err := s.events()
	if err != nil {
		return err
	}
	versions, err := store.Redactions(c.UserContext(), actorOf(c), 100)
	if err != nil {
		return err
	}
	p, err := buildRedaction(versions, version, store.ScrubPolicy(c.UserContext()))
	if err != nil {
		return err
	}
	p.May, p.Trouble = actorOf(c).May(auth.Configure), trouble
	p.TryHint = "Redacted by the rules in force."
	if p.May {
		p.TryHint = "Redacted by the rules as they stand in the form, in force or not."
	}
	if typed != nil {
		p.Form, p.Note = *typed, ""
		p.Rules = typed.rows()
	}
	if tried != nil {
		p.Tried = buildTried(*tried)
	}
	return s.page(c, ui.Page{Title: "Redaction"}, p.draw())
}

func buildRedaction(versions []telemetry.RedactionPolicy, shown int, policy string) (redactionPage, error) {
	p := redactionPage{
		Sub: "Text is redacted before it is stored, by the policy " + policy + ". Names of people and street addresses have no form a pattern could know: they are not promised.",
		Kinds: ui.Table{ID: "kinds", Bare: true, Tight: true, Caption: "What the product takes out", Columns: []ui.Column{
			{Label: "Becomes"}, {Label: "What it is", Wide: true}, {Label: "Found at least", Right: true}, {Label: "Rightly at least", Right: true}}},
		Versions: ui.Table{ID: "versions", Bare: true, Caption: "Versions of your rules", Columns: []ui.Column{
			{Label: "Version"}, {Label: "Rules", Wide: true}, {Label: "Why"}, {Label: "Who"}, {Label: "When", Right: true}}},
	}
	for _, kind := range redact.Kinds {
		recall, precision := redact.Floors(kind)
		p.Kinds.Rows = append(p.Kinds.Rows, ui.Row{Cells: []templ.Component{ui.Mono("[" + string(kind) + "]"), ui.Text(kindWords[kind]),
			ui.Text(ui.Number(100*recall, 0) + " %"), ui.Text(ui.Number(100*precision, 0) + " %")}})
	}
	inForm := telemetry.RedactionPolicy{}
	for i, v := range versions { // the newest first
		if i == 0 {
			p.Form.After, inForm = v.Version, v
		}
		if v.Version == shown {
			inForm = v
			if i > 0 {
				p.Note = "The rules of version " + strconv.Itoa(v.Version) + "; version " + strconv.Itoa(versions[0].Version) + " is in force."
			}
		}
		p.Versions.Rows = append(p.Versions.Rows, ui.Row{Dim: i > 0, Current: v.Version == inForm.Version, Cells: []templ.Component{
			ui.Link{Text: versionWords(v.Version, i == 0), URL: "/settings/redaction?version=" + strconv.Itoa(v.Version) + "#rules", Plain: true},
			ui.Text(v.Summary()), ui.Text(v.Reason), ui.Soft(v.Author), ui.Time{At: v.At}}})
	}
	if shown > 0 && inForm.Version != shown {
		return p, fault.Say(fault.NotFound, "There is no version %d of the rules of redaction.", shown)
	}
	if len(versions) == 0 {
		p.Versions.Empty = ui.Empty{Bare: true, Title: "No rules of your own", Why: "The product's own kinds are taken out. Add what is private to your house: project names, numbers of employees or customers."}
	}
	p.Rules = ruleRows(inForm.Rules)
	return p, nil
}

func versionWords(version int, current bool) string {
	if current {
		return strconv.Itoa(version) + ", in force"
	}
	return strconv.Itoa(version)
}

func ruleRows(rules []redact.Rule) []ruleRow {
	var form redactionForm
	for _, r := range rules {
		kind, what := byWords, strings.Join(r.Words, "\n")
		if r.Pattern != "" {
			kind, what = byPattern, r.Pattern
		}
		form.Name, form.Kind, form.What = append(form.Name, r.Name), append(form.Kind, kind), append(form.What, what)
	}
	return form.rows()
}

// rows are the places of the form: those filled, and two to fill.
func (f redactionForm) rows() []ruleRow {
	var rows []ruleRow
	for i := range f.Name {
		if i < len(f.Kind) && i < len(f.What) && strings.TrimSpace(f.Name[i]+f.What[i]) != "" {
			rows = append(rows, ruleRow{Name: f.Name[i], Kind: f.Kind[i], What: f.What[i]})
		}
	}
	rows = append(rows, ruleRow{Kind: byWords}, ruleRow{Kind: byPattern})
	for i := range rows {
		rows[i].ID = strconv.Itoa(i + 1)
	}
	return rows
}

// rules reads what was typed. A place left empty is no rule.
func (f redactionForm) rules() ([]redact.Rule, error) {
	if len(f.Kind) != len(f.Name) || len(f.What) != len(f.Name) {
		return nil, fault.Say(fault.Invalid, "Each rule needs a name, what it looks for, and that itself.")
	}
	rules := []redact.Rule{}
	for i, name := range f.Name {
		rule := redact.Rule{Name: strings.TrimSpace(name)}
		what := strings.TrimSpace(f.What[i])
		switch {
		case rule.Name == "" && what == "":
			continue
		case rule.Name == "":
			return nil, fault.Say(fault.Invalid, "Rule %d has no name. It is what stands in the text afterwards: PROJECT for [PROJECT].", i+1)
		case f.Kind[i] == byPattern:
			rule.Pattern = what
		case f.Kind[i] == byWords:
			for word := range strings.Lines(what) {
				if word = strings.TrimSpace(word); word != "" {
					rule.Words = append(rule.Words, word)
				}
			}
		default:
			return nil, fault.Say(fault.Invalid, "A rule looks for words or for a pattern.")
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

// redactionTry shows what the typed text becomes under the typed rules. It
// answers the page itself: nothing is kept, so there is nowhere to go to.
func (s *site) redactionTry(c *fiber.Ctx) error {
	var in redactionForm
	if err := readForm(c, &in); err != nil {
		return err
	}
	store, err := s.events()
	if err != nil {
		return err
	}
	rules, err := in.rules()
	if err == nil && !actorOf(c).May(auth.Configure) { // their page has no rules to type
		var now telemetry.RedactionPolicy
		if now, err = store.Redaction(c.UserContext(), actorOf(c)); err != nil {
			return err
		}
		rules = now.Rules
	}
	var tried telemetry.Tried
	if err == nil {
		tried, err = store.TryRedaction(actorOf(c), rules, in.Text)
	}
	if fault.Of(err) == fault.Invalid {
		c.Status(fiber.StatusBadRequest)
		return s.redactionPage(c, 0, &in, nil, fault.Words(err))
	}
	if err != nil {
		return err
	}
	return s.redactionPage(c, 0, &in, &tried, "")
}

func buildTried(tried telemetry.Tried) *triedText {
	t := &triedText{Text: ui.Code{Text: tried.Text, Well: true}}
	if tried.Text == "" {
		t.Says = "Paste a text to see what it becomes."
		return t
	}
	counts := map[redact.Kind]int{}
	var order []redact.Kind
	for _, f := range tried.Findings {
		if counts[f.Kind]++; counts[f.Kind] == 1 {
			order = append(order, f.Kind)
		}
	}
	var parts []string
	for _, kind := range order {
		parts = append(parts, ui.Count(counts[kind])+" "+string(kind))
	}
	t.Says = "Nothing was found to take out."
	if len(parts) > 0 {
		t.Says = "Taken out: " + strings.Join(parts, ", ") + "."
	}
	return t
}

func (s *site) redactionSet(c *fiber.Ctx) error {
	var in redactionForm
	if err := readForm(c, &in); err != nil {
		return err
	}
	store, err := s.events()
	if err != nil {
		return err
	}
	rules, err := in.rules()
	var set telemetry.RedactionPolicy
	if err == nil {
		set, err = store.SetRedaction(c.UserContext(), actorOf(c), in.After, rules, in.Reason)
	}
	switch fault.Of(err) {
	case fault.Invalid:
		c.Status(fiber.StatusBadRequest)
		return s.redactionPage(c, 0, &in, nil, fault.Words(err))
	case fault.Conflict:
		c.Status(fiber.StatusConflict)
		return s.redactionPage(c, 0, &in, nil, fault.Words(err))
	}
	if err != nil {
		return err
	}
	s.say(c, "Version "+strconv.Itoa(set.Version)+" is in force for what is taken from now on.")
	return s.see(c, "/settings/redaction")
}
