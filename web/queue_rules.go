package web

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/labeling"
	"assay/telemetry"
	"assay/web/ui"
)

// rulesPage is what fills one queue: its rules with what they did, the form for
// the next version of one, what a dry run of it found, and looking back.
type rulesPage struct {
	Head      ui.Head
	Table     ui.Table
	Slug      string
	Edits     bool
	Form      ruleForm
	Dry       *dryPanel
	Versions  *ui.Feed
	LookBacks *ui.Facts
	Retire    string // name of the shown rule, when it may be retired
}

// dryPanel is a dry run in words.
type dryPanel struct {
	Sentence string
	Facts    ui.Facts
}

// ruleForm is one rule as a form has it. A blank cap takes all.
type ruleForm struct {
	Part        string   `form:"rule"`
	Flags       []string `form:"flag"`
	Models      string   `form:"models"`
	Templates   string   `form:"templates"`
	Verdicts    []string `form:"verdict"`
	Consents    []string `form:"consent"`
	Shortest    string   `form:"shortest"`
	Longest     string   `form:"longest"`
	Design      string   `form:"design"` // all, smallest, share
	Share       string   `form:"share"`  // percent
	CapSafety   string   `form:"cap_safety"`
	CapNegative string   `form:"cap_negative"`
	CapImplicit string   `form:"cap_implicit"`
	CapRandom   string   `form:"cap_random"`
	Note        string   `form:"note"`
	Days        int      `form:"days"`
	Act         string   `form:"act"` // try, set
	Error       string   `form:"-"`
	New         bool     `form:"-"`
}

func (s *site) queueRulesShow(c *fiber.Ctx) error {
	var in struct {
		Rule string `query:"rule"`
		New  bool   `query:"new"`
		Days int    `query:"days"` // more than 0: try the rule over them
	}
	if err := readQuery(c, &in); err != nil {
		return err
	}
	labels, queue, err := s.queueOfRules(c)
	if err != nil {
		return err
	}
	form := ruleForm{New: true, Days: 7, Design: "smallest"}
	if !in.New {
		versions, err := labels.RuleVersions(c.UserContext(), actorOf(c), queue, in.Rule)
		switch {
		case fault.Of(err) == fault.NotFound && in.Rule == "": // a discovery queue has no rest
		case err != nil:
			return err
		default:
			form = formOf(versions[0])
		}
	}
	var dry *labeling.DryRun
	if in.Days > 0 && !form.New {
		rule, err := form.rule()
		if err != nil {
			return err
		}
		found, err := labels.DryRun(c.UserContext(), actorOf(c), queue, rule, in.Days)
		if err != nil {
			return err
		}
		dry, form.Days = &found, in.Days
	}
	return s.rulesPage(c, labels, queue, form, dry)
}

func (s *site) queueOfRules(c *fiber.Ctx) (*labeling.Store, labeling.Queue, error) {
	labels, err := s.labels()
	if err != nil {
		return nil, labeling.Queue{}, err
	}
	queue, err := labels.Queue(c.UserContext(), actorOf(c), param(c, "queue"))
	return labels, queue, err
}

func (s *site) rulesPage(c *fiber.Ctx, labels *labeling.Store, queue labeling.Queue, form ruleForm, dry *labeling.DryRun) error {
	ctx, actor := c.UserContext(), actorOf(c)
	rules, err := labels.Rules(ctx, actor, queue)
	if err != nil {
		return err
	}
	backs, err := labels.LookBacks(ctx, actor, queue)
	if err != nil {
		return err
	}
	var versions []labeling.Rule
	if !form.New {
		if versions, err = labels.RuleVersions(ctx, actor, queue, form.Part); err != nil {
			return err
		}
	}
	p := buildRules(queue, rules, versions, form, actor.May(auth.Configure))
	p.LookBacks = lookBacks(backs)
	if dry != nil {
		panel := buildDry(*dry)
		p.Dry = &panel
	}
	page := ui.Page{Title: "Rules of " + queue.Title, Nav: "queues", Back: &ui.Link{Text: queue.Title, URL: "/queues/" + queue.Slug}}
	return s.page(c, page, p.draw())
}

func buildRules(queue labeling.Queue, rules []labeling.RuleDoings, versions []labeling.Rule, form ruleForm, edits bool) rulesPage {
	address := "/queues/" + pathPart(queue.Slug)
	p := rulesPage{
		Slug: queue.Slug, Edits: edits, Form: form,
		Head: ui.Head{
			Crumbs: []ui.Link{{Text: "Queues", URL: "/queues"}, {Text: queue.Title, URL: address}}, Title: "Rules",
			Sub: "Each response goes to the first rule whose conditions it meets. What a rule takes is a stratum of its own, so that every rate stays unbiased whatever the rules are.",
		},
	}
	if queue.Kind == "discovery" {
		p.Head.Sub = "A response that meets a rule comes here too. Labels of this queue are for finding and repairing; they reach no rate."
	}
	if edits {
		p.Head.Actions = []templ.Component{ui.Button{Label: "New rule", URL: address + "/rules?new=yes"}}
	}
	p.Table = ui.Table{
		ID: "rules", Caption: "Rules in force", Bare: true,
		Columns: []ui.Column{{Label: "Rule"}, {Label: "Takes", Wide: true}, {Label: "Version", Right: true}, {Label: "Decided", Right: true}, {Label: "Added", Right: true},
			{Label: "Left out", Right: true}, {Label: "Unreadable", Right: true}, {Label: "Last"}},
		Empty: ui.Empty{Title: "No rule yet", Why: "Nothing fills this queue. Make its first rule below.", Bare: true},
		Foot:  &ui.Foot{Shown: ui.CountOf(len(rules), "rule") + " in force; counts of the last 7 days"},
	}
	for _, r := range rules {
		last := templ.Component(ui.Dim("not yet"))
		if r.LastAt != nil {
			last = ui.Time{At: *r.LastAt}
		}
		link := address + "/rules?rule=" + pathPart(r.Part)
		p.Table.Rows = append(p.Table.Rows, ui.Row{URL: link, Current: !form.New && r.Part == form.Part, Cells: []templ.Component{
			ui.Link{Text: ruleName(r.Part), URL: link, Plain: true}, ui.Text(takes(r.Rule)), ui.Text(strconv.Itoa(r.Version)),
			ui.Text(ui.Count(r.Decided)), ui.Text(ui.Count(r.Added)), ui.Text(ui.Count(r.LeftOut)), ui.Text(ui.Count(r.Unread)), last,
		}})
	}
	if len(versions) > 0 {
		p.Versions = &ui.Feed{}
		for _, v := range versions[:min(len(versions), 12)] {
			did := fmt.Sprintf("set version %d", v.Version)
			if v.Retired {
				did = fmt.Sprintf("retired it with version %d", v.Version)
			}
			p.Versions.Items = append(p.Versions.Items, ui.FeedItem{Icon: ui.IconBook, Who: v.Author, Did: ui.Text(did), At: ui.Time{At: v.CreatedAt}, Note: v.Note})
		}
		if edits && form.Part != "" && !versions[0].Retired {
			p.Retire = form.Part
		}
	}
	return p
}

func ruleName(part string) string {
	if part == "" {
		return "the rest"
	}
	return part
}

// takes says in words what a rule takes.
func takes(r labeling.Rule) string {
	c := r.Conditions
	var words []string
	for _, some := range []struct {
		name   string
		values []string
	}{{"flag", c.Flags}, {"model", c.Models}, {"template", c.Templates}, {"verdict", c.Verdicts}, {"consent", c.Consents}} {
		if len(some.values) > 0 {
			words = append(words, some.name+" "+strings.ReplaceAll(strings.Join(some.values, " or "), "_", " "))
		}
	}
	switch {
	case c.Shortest > 0 && c.Longest > 0:
		words = append(words, fmt.Sprintf("%s to %s characters", ui.Count(c.Shortest), ui.Count(c.Longest)))
	case c.Shortest > 0:
		words = append(words, ui.Count(c.Shortest)+" characters or more")
	case c.Longest > 0:
		words = append(words, ui.Count(c.Longest)+" characters or fewer")
	}
	if len(words) == 0 {
		words = append(words, "what no other rule takes")
	}
	if r.Share > 0 && r.Share < 1 {
		words = append(words, ui.Share(r.Share)+" of it at random")
	}
	for _, class := range labeling.Classes {
		if limit, capped := r.Cap(class); capped {
			words = append(words, fmt.Sprintf("at most %s %s a day", ui.Count(limit), classNouns[class]))
		}
	}
	return strings.Join(words, "; ")
}

func buildDry(dry labeling.DryRun) dryPanel {
	panel := dryPanel{Sentence: fmt.Sprintf("Would add %s, %s of work.", ui.CountOf(dry.Adds, "item"), ui.WorkTime(dry.Work))}
	if dry.Adds == 0 {
		panel.Sentence = "Would add nothing."
	}
	panel.Facts = ui.Facts{Ruled: true, Small: true}
	fact := func(term string, n int) {
		panel.Facts.Items = append(panel.Facts.Items, ui.Fact{Term: term, Value: ui.Text(ui.Count(n))})
	}
	fact(fmt.Sprintf("Responses of %s that it would take", ui.CountOf(dry.Days, "day")), dry.Matched)
	for _, class := range labeling.Classes {
		if n := dry.Classes[class]; n > 0 {
			fact("New, "+classNouns[class], n)
		}
	}
	if dry.Adds > 0 {
		fact("Labels they ask for, at "+ui.Elapsed(dry.Pace.Round(time.Second))+" each", dry.Labels)
	}
	fact("In the queue already", dry.There)
	fact("Beyond a cap or the share", dry.LeftOut)
	fact("Without text that may be read", dry.Unread)
	fact("Removed by a person: they stay out", dry.Removed)
	return panel
}

func lookBacks(backs []labeling.LookBack) *ui.Facts {
	if len(backs) == 0 {
		return nil
	}
	facts := &ui.Facts{Small: true, Ruled: true}
	for _, b := range backs {
		words := "under way"
		if b.FinishedAt != nil {
			words = fmt.Sprintf("%s considered, %s added", ui.Count(b.Considered), ui.Count(b.Added))
		}
		facts.Items = append(facts.Items, ui.Fact{Term: "Back to " + b.Since.UTC().Format("2 January") + ", by " + b.AskedBy, Value: ui.Text(words)})
	}
	return facts
}

// formOf shows a rule as a form has it.
func formOf(r labeling.Rule) ruleForm {
	form := ruleForm{
		Part: r.Part, Flags: r.Conditions.Flags, Models: strings.Join(r.Conditions.Models, "\n"), Templates: strings.Join(r.Conditions.Templates, "\n"),
		Verdicts: r.Conditions.Verdicts, Consents: r.Conditions.Consents, Design: "all", Days: 7,
		CapSafety: capText(r.CapSafety), CapNegative: capText(r.CapNegative), CapImplicit: capText(r.CapImplicit), CapRandom: capText(r.CapRandom),
	}
	if r.Conditions.Shortest > 0 {
		form.Shortest = strconv.Itoa(r.Conditions.Shortest)
	}
	if r.Conditions.Longest > 0 {
		form.Longest = strconv.Itoa(r.Conditions.Longest)
	}
	if form.CapSafety+form.CapNegative+form.CapImplicit+form.CapRandom != "" {
		form.Design = "smallest"
	}
	if r.Share > 0 && r.Share < 1 {
		form.Design, form.Share = "share", strconv.FormatFloat(100*r.Share, 'g', 6, 64)
	}
	return form
}

func capText(limit *int) string {
	if limit == nil {
		return ""
	}
	return strconv.Itoa(*limit)
}

// rule reads the form. Every one of a class takes no cap; a share none either.
func (f ruleForm) rule() (labeling.Rule, error) {
	r := labeling.Rule{
		Part: strings.TrimSpace(f.Part), Note: f.Note, Share: 1,
		Conditions: labeling.Conditions{Flags: f.Flags, Models: lines(f.Models), Templates: lines(f.Templates), Verdicts: f.Verdicts, Consents: f.Consents},
	}
	for _, n := range []struct {
		text string
		to   *int
	}{{f.Shortest, &r.Conditions.Shortest}, {f.Longest, &r.Conditions.Longest}} {
		if err := wholeNumber(n.text, n.to); err != nil {
			return r, err
		}
	}
	switch f.Design {
	case "share":
		percent, err := strconv.ParseFloat(strings.TrimSpace(f.Share), 64)
		if err != nil || percent <= 0 || percent > 100 {
			return r, fault.Say(fault.Invalid, "Write the share as percent above 0, at most 100: 10.")
		}
		r.Share = percent / 100
	case "all":
	case "smallest", "":
		for _, limit := range []struct {
			text string
			to   **int
		}{{f.CapSafety, &r.CapSafety}, {f.CapNegative, &r.CapNegative}, {f.CapImplicit, &r.CapImplicit}, {f.CapRandom, &r.CapRandom}} {
			if strings.TrimSpace(limit.text) == "" {
				continue
			}
			n := 0
			if err := wholeNumber(limit.text, &n); err != nil {
				return r, err
			}
			*limit.to = &n
		}
	default:
		return r, fault.Say(fault.Invalid, "Choose how the rule samples.")
	}
	return r, nil
}

func wholeNumber(text string, to *int) error {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 1_000_000_000 {
		return fault.Say(fault.Invalid, "Write caps and lengths as whole numbers, 0 or more.")
	}
	*to = n
	return nil
}

func lines(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' || r == ',' })
}

// queueRuleSet tries the rule of the form or makes it the next version. What
// was typed stays when something is wrong with it.
func (s *site) queueRuleSet(c *fiber.Ctx) error {
	var form ruleForm
	if err := readForm(c, &form); err != nil {
		return err
	}
	labels, queue, err := s.queueOfRules(c)
	if err != nil {
		return err
	}
	ctx, actor := c.UserContext(), actorOf(c)
	form.Days = max(1, form.Days)
	rules, err := labels.Rules(ctx, actor, queue)
	if err != nil {
		return err
	}
	form.New = !slices.ContainsFunc(rules, func(r labeling.RuleDoings) bool { return r.Part == form.Part })
	rule, err := form.rule()
	if err == nil && form.Act == "try" {
		var dry labeling.DryRun
		if dry, err = labels.DryRun(ctx, actor, queue, rule, form.Days); err == nil {
			return s.rulesPage(c, labels, queue, form, &dry)
		}
	}
	if err == nil && form.Act != "try" {
		if rule, err = labels.SetRule(ctx, actor, queue.Slug, rule); err == nil {
			s.say(c, fmt.Sprintf("Version %d is in force.", rule.Version))
			return s.see(c, "/queues/"+pathPart(queue.Slug)+"/rules?rule="+pathPart(rule.Part))
		}
	}
	if fault.Of(err) != fault.Invalid {
		return err
	}
	form.Error = fault.Words(err)
	c.Status(fiber.StatusUnprocessableEntity)
	return s.rulesPage(c, labels, queue, form, nil)
}

// retireRule retires the rule that the address names.
func (s *site) retireRule(c *fiber.Ctx) (labeling.Queue, error) {
	labels, queue, err := s.queueOfRules(c)
	if err == nil {
		err = labels.RetireRule(c.UserContext(), actorOf(c), queue, param(c, "rule"))
	}
	return queue, err
}

// lookBack has the rules of the queue that the address names applied to the
// last days.
func (s *site) lookBack(c *fiber.Ctx, days int) (labeling.Queue, error) {
	labels, queue, err := s.queueOfRules(c)
	if err == nil {
		err = labels.Backfill(c.UserContext(), actorOf(c), queue, days)
	}
	return queue, err
}

func (s *site) queueRuleRetire(c *fiber.Ctx) error {
	queue, err := s.retireRule(c)
	if err != nil {
		return err
	}
	s.say(c, "The rule is retired. What it took stays.")
	return s.see(c, "/queues/"+pathPart(queue.Slug)+"/rules")
}

func (s *site) queueBackfill(c *fiber.Ctx) error {
	var in struct {
		Days int `form:"days"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	queue, err := s.lookBack(c, in.Days)
	if err != nil {
		return err
	}
	s.say(c, "The rules look back now. The page says what they added.")
	return s.see(c, "/queues/"+pathPart(queue.Slug)+"/rules")
}

func (s *site) queueDiscover(c *fiber.Ctx) error {
	var in struct {
		Title  string `form:"title"`
		BySize bool   `form:"by_size"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	labels, queue, err := s.queueOfRules(c)
	if err != nil {
		return err
	}
	opened, err := labels.OpenDiscovery(c.UserContext(), actorOf(c), queue.TaskClass, strings.TrimSpace(in.Title), in.BySize)
	if err != nil {
		return err
	}
	s.say(c, "The queue is open. Its first rule fills it.")
	return s.see(c, "/queues/"+pathPart(opened.Slug)+"/rules?new=yes")
}

// choicesOf are check boxes of a name, with words for people.
func choicesOf(name string, values, chosen []string) []ui.CheckBox {
	var boxes []ui.CheckBox
	for _, value := range values {
		boxes = append(boxes, ui.CheckBox{Label: strings.ReplaceAll(value, "_", " "), Name: name, Value: value, Checked: slices.Contains(chosen, value)})
	}
	return boxes
}

func (f ruleForm) flags() []ui.CheckBox {
	var reasons []string
	for _, reason := range telemetry.Reasons {
		if reason != telemetry.Uncertain {
			reasons = append(reasons, string(reason))
		}
	}
	return choicesOf("flag", reasons, f.Flags)
}

func (f ruleForm) verdicts() []ui.CheckBox {
	return choicesOf("verdict", []string{"fail", "inconclusive", "pass"}, f.Verdicts)
}

func (f ruleForm) consents() []ui.CheckBox {
	return choicesOf("consent", []string{"redacted", "full"}, f.Consents)
}

func (f ruleForm) designs() []ui.Option {
	return []ui.Option{
		{Value: "smallest", Label: "The smallest random numbers of a class and day, up to the caps"},
		{Value: "share", Label: "A random share"},
		{Value: "all", Label: "Every response"},
	}
}

func (f ruleForm) title() string {
	switch {
	case f.New:
		return "New rule"
	case f.Part == "":
		return "The rest"
	}
	return "Rule " + f.Part
}

// hasConditions: the rest takes what is left and has none.
func (f ruleForm) hasConditions() bool { return f.New || f.Part != "" }

func lastDays() []ui.Option {
	return []ui.Option{{Value: "1", Label: "the last day"}, {Value: "7", Label: "the last 7 days"}, {Value: "30", Label: "the last 30 days"}, {Value: "90", Label: "the last 90 days"}}
}

func digits() templ.Attributes { return templ.Attributes{"inputmode": "numeric", "maxlength": "10"} }
