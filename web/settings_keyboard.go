package web

import (
	"strings"

	"github.com/gofiber/fiber/v2"

	"assay/internal/fault"
	"assay/web/ui"
)

// keyboardPage is a person's own keys: what each does, and another for it.
type keyboardPage struct {
	Off    bool // single keys are turned off
	Own    int  // acts with a key of the person's own
	Groups []keyboardGroup
}

type keyboardGroup struct {
	Name string
	Rows []keyboardRow
}

// keyboardRow is one act. A fixed one has no form.
type keyboardRow struct {
	Act, Does, Key string
	Default        string // where the key is the person's own: what it was
	Fixed          bool
	Typed, Wrong   string
}

func (s *site) keyboardShow(c *fiber.Ctx) error { return s.keyboardPage(c, "", "", "") }

func (s *site) keyboardPage(c *fiber.Ctx, act, typed, wrong string) error {
	reader := s.reader(visitorOf(c))
	return s.page(c, ui.Page{Title: "Your keys"}, buildKeyboard(reader, act, typed, wrong).draw())
}

func buildKeyboard(reader ui.Reader, act, typed, wrong string) keyboardPage {
	p := keyboardPage{Off: reader.KeysOff}
	for _, b := range ui.Bindings {
		if len(p.Groups) == 0 || p.Groups[len(p.Groups)-1].Name != b.Group {
			p.Groups = append(p.Groups, keyboardGroup{Name: b.Group})
		}
		row := keyboardRow{Act: string(b.Act), Does: b.Does, Key: b.Key, Fixed: b.Fixed}
		if b.Act != "" {
			row.Key = reader.Keys.Key(b.Act)
		}
		if row.Key != b.Key {
			row.Default = b.Key
			p.Own++
		}
		if act != "" && act == row.Act {
			row.Typed, row.Wrong = typed, wrong
		}
		last := &p.Groups[len(p.Groups)-1]
		last.Rows = append(last.Rows, row)
	}
	return p
}

// keyboardRebind gives one act another key; an empty key gives it its own
// again, an empty act gives all of them theirs.
func (s *site) keyboardRebind(c *fiber.Ctx) error {
	var in struct {
		Act string `form:"act"`
		Key string `form:"key"`
	}
	if err := readForm(c, &in); err != nil {
		return err
	}
	key := keyAsTyped(in.Key)
	keys := s.reader(visitorOf(c)).Keys
	asked := key
	if key == "" && in.Act != "" { // its own again, should nothing else have that by now
		asked = ui.Keymap(nil).Key(ui.Act(in.Act))
	}
	if in.Act != "" {
		if why := keys.Rebind(ui.Act(in.Act), asked); why != "" {
			c.Status(fiber.StatusConflict)
			return s.keyboardPage(c, in.Act, key, why)
		}
	}
	if in.Act == "" && key != "" {
		return fault.Say(fault.Invalid, "A key needs the act it serves.")
	}
	if asked == ui.Keymap(nil).Key(ui.Act(in.Act)) {
		key = ""
	}
	if err := s.People.Rebind(c.UserContext(), actorOf(c), in.Act, key); err != nil {
		return err
	}
	if in.Act == "" {
		s.say(c, "Every act has its own key again.")
		return s.see(c, "/settings/keyboard")
	}
	s.say(c, "Key changed.")
	return s.see(c, "/settings/keyboard#key-"+in.Act)
}

// keyAsTyped is a key as the map names it, from what a person may write: "S"
// is Shift and s, "G X" the sequence.
func keyAsTyped(text string) string {
	text = strings.TrimSpace(text)
	if first, second, ok := strings.Cut(text, " "); ok {
		return strings.ToLower(first) + " " + strings.ToLower(strings.TrimSpace(second))
	}
	if len(text) == 1 && text[0] >= 'A' && text[0] <= 'Z' {
		return "Shift+" + text
	}
	if rest, ok := strings.CutPrefix(strings.ToLower(text), "shift+"); ok {
		return "Shift+" + strings.ToUpper(rest)
	}
	return text
}

func (p keyboardPage) turnOn() []ui.Button {
	return []ui.Button{ui.Button{Label: "Turn single keys on", URL: "/settings/security#display"}}
}
