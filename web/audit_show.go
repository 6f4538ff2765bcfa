package web

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/web/ui"
)

// auditPage is the log as an auditor reads it: entries, the life of the
// selected one's object, and how the signed tree stands.
type auditPage struct {
	Sub      string
	Whole    *ui.Pill // nil for those who see only their own gates
	Bad      *ui.Banner
	MayCheck bool
	Filters  ui.FilterBar
	Query    string // of the filters, for the export
	Table    ui.Table
	Selected *auditEntry
}

// auditEntry is the side of the page: one entry and what surrounds it.
type auditEntry struct {
	Object string
	Note   string
	Life   ui.Table
	Facts  ui.Facts
	Place  ui.Banner
	Reason string
}

// auditQuery is the whole state of the page, as its address says it.
type auditQuery struct {
	Who    string `query:"who"`
	Did    string `query:"did"`
	Object string `query:"object"`
	Day    string `query:"day"` // 2026-11-20, UTC
	Cursor string `query:"cursor"`
	Entry  int64  `query:"entry"`
}

const auditPageRows = 50

func (s *site) auditShow(c *fiber.Ctx) error {
	var in auditQuery
	if err := readQuery(c, &in); err != nil {
		return err
	}
	log, err := s.auditLog()
	if err != nil {
		return err
	}
	filter, err := in.filter()
	if err != nil {
		return err
	}
	ctx, actor := c.UserContext(), actorOf(c)
	list, err := log.Entries(ctx, actor, filter, in.Cursor, auditPageRows)
	if err != nil {
		return err
	}
	if in.Entry > 0 && indexOfEntry(list.Entries, in.Entry) < 0 {
		// A link to an entry that newer ones have pushed off its page.
		in.Cursor = "o" + strconv.FormatInt(in.Entry+1, 36)
		if list, err = log.Entries(ctx, actor, filter, in.Cursor, auditPageRows); err != nil {
			return err
		}
	}
	p := buildAudit(in, list)
	if actor.Holds(auth.Auditor) {
		if err := s.auditState(ctx, actor, &p); err != nil {
			return err
		}
	}
	if in.Entry != 0 {
		if p.Selected, err = s.auditEntry(ctx, actor, in, list.Entries); err != nil {
			return err
		}
	}
	return s.page(c, ui.Page{Title: "Audit", Nav: "audit"}, p.draw())
}

func (s *site) auditLog() (*audit.Log, error) {
	if s.Audit == nil {
		return nil, fault.Say(fault.Unavailable, "The audit cannot be read now.")
	}
	return s.Audit, nil
}

func (q auditQuery) filter() (audit.Filter, error) {
	f := audit.Filter{Actor: q.Who, Action: q.Did, Object: q.Object}
	if q.Day == "" {
		return f, nil
	}
	day, err := time.Parse(time.DateOnly, q.Day)
	if err != nil {
		return f, fault.Say(fault.Invalid, "The day must be written like 2026-11-20.")
	}
	f.From, f.To = day, day.AddDate(0, 0, 1)
	return f, nil
}

// address is the page's address with these changes.
func (q auditQuery) address(change func(*auditQuery)) string {
	if change != nil {
		change(&q)
	}
	values := url.Values{}
	for name, value := range map[string]string{"who": q.Who, "did": q.Did, "object": q.Object, "day": q.Day, "cursor": q.Cursor} {
		if value != "" {
			values.Set(name, value)
		}
	}
	if q.Entry != 0 {
		values.Set("entry", strconv.FormatInt(q.Entry, 10))
	}
	if len(values) == 0 {
		return "/audit"
	}
	return "/audit?" + values.Encode()
}

func buildAudit(q auditQuery, list audit.Page) auditPage {
	p := auditPage{
		Sub:     ui.CountOf(list.Total, "entry", "entries") + " to be seen by you.",
		Filters: auditFilters(q),
		Query:   strings.TrimPrefix(q.address(func(q *auditQuery) { q.Cursor, q.Entry = "", 0 }), "/audit"),
		Table: ui.Table{ID: "entries", Caption: "Audit entries", Tight: true, Flow: true, Columns: []ui.Column{
			{Label: "Entry", Right: true}, {Label: "Time, UTC"}, {Label: "Who"}, {Label: "Did"}, {Label: "Object"}, {Label: "What", Wide: true}, {Label: "Hash"}}},
	}
	for _, e := range list.Entries {
		address := q.address(func(q *auditQuery) { q.Entry = e.ID })
		p.Table.Rows = append(p.Table.Rows, ui.Row{
			URL: address, Current: e.ID == q.Entry, Cells: []templ.Component{
				ui.Link{Text: ui.Count(e.ID), URL: address, Plain: true}, ui.Mono(e.At.UTC().Format("2 Jan 15:04:05")), q.only(whoDid(e), func(q *auditQuery) { q.Who = e.ActorName }),
				ui.Words(e.Action), ui.Bold(e.Object), ui.Words(shortHashes(e.What)), ui.Mono(firstOf(e.Hash))}})
	}
	if len(list.Entries) == 0 {
		p.Table.Empty = ui.Empty{Bare: true, Title: "No entry matches", Why: "The filters may be too narrow, or what they name is not yours to see.",
			Actions: []templ.Component{ui.Button{Label: "Clear the filters", URL: "/audit"}}}
		return p
	}
	p.Table.Foot = &ui.Foot{
		Shown: ui.Count(list.Entries[len(list.Entries)-1].ID) + " to " + ui.Count(list.Entries[0].ID) + ", " + ui.OutOf(int64(len(list.Entries)), list.Total),
		Hints: true,
	}
	if list.Newer != "" {
		p.Table.Foot.Newer = q.address(func(q *auditQuery) { q.Cursor, q.Entry = list.Newer, 0 })
	}
	if list.Older != "" {
		p.Table.Foot.Older = q.address(func(q *auditQuery) { q.Cursor, q.Entry = list.Older, 0 })
	}
	return p
}

// only is a name that leads to the entries that share it.
func (q auditQuery) only(name string, change func(*auditQuery)) templ.Component {
	if name == "" {
		return ui.Dim("without a name")
	}
	return ui.Link{Text: name, Plain: true, URL: q.address(func(q *auditQuery) { q.Cursor, q.Entry = "", 0; change(q) })}
}

func auditFilters(q auditQuery) ui.FilterBar {
	one := func(name, param, value, any string, drop func(*auditQuery)) ui.Filter {
		f := ui.Filter{Name: name, Param: param, Value: value, Any: any}
		if value != "" {
			f.Drop = q.address(func(q *auditQuery) { q.Cursor, q.Entry = "", 0; drop(q) })
		}
		return f
	}
	bar := ui.FilterBar{Action: "/audit", Filters: []ui.Filter{
		one("who", "who", q.Who, "anyone", func(q *auditQuery) { q.Who = "" }),
		one("did", "did", q.Did, "anything", func(q *auditQuery) { q.Did = "" }),
		one("object", "object", q.Object, "any", func(q *auditQuery) { q.Object = "" }),
		one("day", "day", q.Day, "any, or 2026-11-20", func(q *auditQuery) { q.Day = "" }),
	}}
	if q.Who+q.Did+q.Object+q.Day != "" {
		bar.Clear = "/audit"
	}
	return bar
}

func whoDid(e audit.Row) string {
	switch e.ActorKind {
	case string(auth.Key):
		return "key " + e.ActorName
	case string(auth.System):
		return "the product"
	}
	return e.ActorName
}

var wholeHash = regexp.MustCompile(`sha256:[0-9a-f]{64}`)

// shortHashes leaves of each hash what tells it from others; the entry at the
// side has it whole.
func shortHashes(what string) string { return wholeHash.ReplaceAllStringFunc(what, ui.ShortHash) }

func firstOf(hash string) string { return hash[:min(4, len(hash))] + "…" }

// auditState says whether the log is whole, by the last verification of this
// process. A small log is verified when that is old; a large one on asking.
func (s *site) auditState(ctx context.Context, actor auth.Actor, p *auditPage) error {
	status, err := s.Audit.Status(ctx)
	if err != nil {
		return err
	}
	p.MayCheck = true
	checked, at := s.verified.last()
	if s.now().Sub(at) > verifiedFor && status.Leaves <= verifiedAtOnce {
		if checked, err = s.verify(ctx, actor); err != nil {
			return err
		}
		at = s.now()
	}
	entries := ui.CountOf(status.Leaves+status.Waiting, "entry", "entries")
	waiting := ""
	if status.Waiting > 0 {
		waiting = " " + ui.Count(status.Waiting) + " wait to be sealed."
	}
	switch {
	case at.IsZero():
		p.Sub = entries + ", not verified since this process started." + waiting
	case checked.Bad != nil:
		p.Whole = &ui.Pill{Text: "not whole", Tone: ui.Bad}
		p.Bad = &ui.Banner{Tone: ui.Bad, Fact: "The audit is not whole: " + checked.Bad.String() + ".",
			Consequence: "What comes after it in the tree cannot be relied on. Keep the database as it is and compare it with a backup.", Alert: true}
		p.Sub = entries + "."
	default:
		p.Whole = &ui.Pill{Text: "whole", Tone: ui.Ok}
		p.Sub = entries + ". The signed tree was verified " + at.UTC().Format("15:04 UTC") + " in " + ui.Elapsed(checked.Took) +
			", root " + ui.ShortHash(inHex(checked.Root)) + "." + waiting
	}
	return nil
}

const (
	verifiedFor    = 10 * time.Minute
	verifiedAtOnce = 50_000 // leaves that are verified while a page waits, about a quarter of a second
)

// verification is the last one of this process; one at a time.
type verification struct {
	mu      sync.Mutex
	running sync.Mutex
	report  audit.Report
	at      time.Time
}

func (v *verification) last() (audit.Report, time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.report, v.at
}

func (s *site) verify(ctx context.Context, actor auth.Actor) (audit.Report, error) {
	s.verified.running.Lock()
	defer s.verified.running.Unlock()
	report, err := s.Audit.Verify(ctx, actor)
	if err != nil {
		return report, err
	}
	s.verified.mu.Lock()
	defer s.verified.mu.Unlock()
	s.verified.report, s.verified.at = report, s.now()
	return report, nil
}

// auditVerify verifies the whole tree now.
func (s *site) auditVerify(c *fiber.Ctx) error {
	if _, err := s.auditLog(); err != nil {
		return err
	}
	if !actorOf(c).Holds(auth.Auditor) {
		return fault.Say(fault.Denied, "This needs the role auditor.")
	}
	report, err := s.verify(c.UserContext(), actorOf(c))
	if err != nil {
		return err
	}
	if report.Bad == nil {
		s.say(c, "Verified: "+ui.CountOf(report.Entries, "entry", "entries")+" in "+ui.Elapsed(report.Took)+".")
	}
	return s.see(c, "/audit")
}

func indexOfEntry(shown []audit.Row, id int64) int {
	return slices.IndexFunc(shown, func(e audit.Row) bool { return e.ID == id })
}

// auditEntry is what stands at the side of the selected entry.
func (s *site) auditEntry(ctx context.Context, actor auth.Actor, q auditQuery, shown []audit.Row) (*auditEntry, error) {
	i := indexOfEntry(shown, q.Entry)
	if i < 0 {
		return nil, fault.Say(fault.NotFound, "That entry is not in the audit, not among what the filters leave, or not yours to see.")
	}
	e := shown[i]
	life, err := s.Audit.Life(ctx, actor, e.Object, 100)
	if err != nil {
		return nil, err
	}
	place, err := s.Audit.Place(ctx, actor, e.ID)
	if fault.Of(err) == fault.NotFound {
		return buildEntry(q, e, life, nil), nil
	}
	if err != nil {
		return nil, err
	}
	return buildEntry(q, e, life, &place), nil
}

func buildEntry(q auditQuery, e audit.Row, life []audit.Row, place *audit.Place) *auditEntry {
	a := &auditEntry{Object: e.Object, Note: "selected: entry " + ui.Count(e.ID), Reason: e.Reason,
		Life: ui.Table{Caption: "The life of " + e.Object, Tight: true, Flow: true, Bare: true, Columns: []ui.Column{{Label: "Time, UTC"}, {Label: "Did", Wide: true}, {Label: "Who"}}}}
	for _, one := range life {
		a.Life.Rows = append(a.Life.Rows, ui.Row{Current: one.ID == e.ID, Cells: []templ.Component{
			ui.Mono(one.At.UTC().Format("2 Jan 15:04")), ui.Pair(one.Action, shortHashes(one.What)), ui.Words(whoDid(one))}})
	}
	fact := func(term string, value templ.Component) {
		a.Facts.Items = append(a.Facts.Items, ui.Fact{Term: term, Value: value})
	}
	a.Facts.Small = true
	fact("Entry", ui.Words(ui.Count(e.ID)))
	fact("Time", ui.Time{At: e.At, Style: ui.Full})
	fact("As", ui.Words(actedAs(e)))
	if short := shortHashes(e.What); short != e.What {
		fact("What", ui.Words(e.What))
	}
	if e.Before != "" {
		fact("Before", ui.Copy{Value: e.Before})
	}
	if e.After != "" {
		fact("After", ui.Copy{Value: e.After})
	}
	if place == nil {
		a.Place = ui.Banner{Icon: ui.IconClock, Fact: "This entry waits to be sealed.", Consequence: "It gets its place in the signed tree within seconds."}
		return a
	}
	fact("Leaf", ui.Copy{Value: place.LeafHash})
	fact("Root", ui.Copy{Value: place.Root})
	fact("Proof", ui.Words(ui.CountOf(len(place.Proof), "hash", "hashes")))
	switch {
	case !place.Valid:
		a.Place = ui.Banner{Tone: ui.Bad, Fact: "This entry does not lead to the signed root.", Alert: true}
	case place.Checkpoint.Size == 0:
		a.Place = ui.Banner{Tone: ui.Ok, Icon: ui.IconShield, Fact: "Its place in the tree was verified just now.", Consequence: "The next checkpoint signs it."}
	default:
		a.Place = ui.Banner{Tone: ui.Ok, Icon: ui.IconShield, Fact: "Signature and place in the tree verified just now."}
	}
	return a
}

func actedAs(e audit.Row) string {
	switch {
	case e.ActorKind != string(auth.Person):
		return whoDid(e)
	case !e.SteppedUp.IsZero():
		return rolesThen(e) + ", step-up " + e.SteppedUp.UTC().Format("15:04 UTC")
	}
	return rolesThen(e)
}

// rolesThen are the roles held when it happened, in words.
func rolesThen(e audit.Row) string {
	return rolesInWords(rolesOf(strings.Split(e.ActorRoles, ",")))
}

// auditExport answers with a bundle that verifies offline. It is a POST
// because an export is itself an entry.
func (s *site) auditExport(c *fiber.Ctx) error {
	var in auditQuery
	if err := readQuery(c, &in); err != nil {
		return err
	}
	log, err := s.auditLog()
	if err != nil {
		return err
	}
	filter, err := in.filter()
	if err != nil {
		return err
	}
	actor := actorOf(c)
	return s.download(c, "assay-audit.jsonl", "application/jsonl", func(ctx context.Context, w io.Writer) error {
		return log.Export(ctx, actor, w, filter)
	})
}

func (p auditPage) actions() []templ.Component {
	var list []templ.Component
	if p.Whole != nil {
		list = append(list, *p.Whole)
	}
	if p.MayCheck {
		list = append(list, ui.Button{Label: "Consents", Style: ui.Plain, URL: "/audit/consents"}, verifyNow())
	}
	return append(list, p.export())
}

// inHex writes a root as the rest of the page writes hashes; the tree itself
// writes base64.
func inHex(root string) string {
	if raw, err := base64.StdEncoding.DecodeString(root); err == nil {
		return hex.EncodeToString(raw)
	}
	return root
}
