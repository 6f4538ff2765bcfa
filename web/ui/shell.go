package ui

import (
	"cmp"
	"context"
	"io"
	"strings"

	"github.com/a-h/templ"
)

// Layout is how a page uses the window.
type Layout string

// The layouts.
const (
	Flow  Layout = ""      // paper with padding, scrolls as a whole
	Panes Layout = "panes" // fills the window below the bar; only panes scroll
	Bare  Layout = "bare"  // no bar: sign in
	Sheet Layout = "sheet" // a certificate: no bar, one column, made for print
)

// Page is what one page says about itself.
type Page struct {
	Title  string // "Sessions"; the window's title adds "· Assay"
	Nav    string // Key of the current NavItem
	Layout Layout
	Back   *Link  // on a phone stands in the place of the brand
	Short  string // on a phone: the title in the bar; default Title
	Corner templ.Component
	Toast  *Toast // what just happened, after a redirect
}

// NavItem is one word of the bar. Items of one Group stand together; groups
// are divided by a hairline.
type NavItem struct {
	Key   string
	Label string
	URL   string
	Group int
	Count int    // only of what pages
	Says  string // what the count counts, for a screen reader: "alerts page"
	Act   Act
}

// Viewer is who looks, as far as the shell shows it.
type Viewer struct {
	Name     string
	Role     string // in words: "release manager"
	Reader   Reader
	Theme    string    // "light", "dark" or empty for the system's
	Nav      []NavItem // only pages that exist and that the viewer may see
	Accounts []Account // the role switcher of a product tried alone; usually empty
	Menu     []Link    // settings and the like, under the initials
	SignOut  string    // address the sign-out form posts to; empty: nobody is signed in
	Search   string    // address of the search page; empty: none
	Inbox    string    // address of the inbox; empty: none
	Unread   int       // what waits there
	KeysURL  string    // where keys are rebound and turned off
	Display  *Display  // where the theme is kept; nil: no theme switch
	Licences string    // address of the third-party licences
}

// Account is one person of the role switcher.
type Account struct {
	Role    string
	Name    string
	Post    string // address; Value is sent as "account"
	Value   string
	Current bool
}

// Display is the form that keeps how this person sees the product. The theme
// is sent as Field; Keep are the other fields of the same form, as they are.
type Display struct {
	Post  string
	Field string // default "theme"
	Keep  []Kept
}

// Assets are the addresses of what a page loads, and the sprite itself.
type Assets struct {
	Styles string
	Script string
	Font   string // preloaded sans
	Icon   string
	Sprite string // <svg> of <symbol>, written into the page
}

// Shell is a whole HTML document around Body.
type Shell struct {
	Page   Page
	Viewer Viewer
	Assets Assets
	Body   templ.Component
}

// Draw gives the document as a component.
func (s Shell) Draw() templ.Component { return s }

// Render writes the document, with the reader in the context of all of it.
func (s Shell) Render(ctx context.Context, w io.Writer) error {
	return s.document().Render(WithReader(ctx, s.Viewer.Reader), w)
}

func (p Page) windowTitle() string {
	if p.Title == "" {
		return "Assay"
	}
	return p.Title + " · Assay"
}

func (p Page) short() string { return cmp.Or(p.Short, p.Title) }

// Initials are what stands in the circle: "Ines Okafor" is IO.
func Initials(name string) string {
	var initials []rune
	for _, word := range strings.Fields(name) {
		initials = append(initials, []rune(strings.ToUpper(word))[0])
	}
	switch {
	case len(initials) == 0:
		return "?"
	case len(initials) > 2:
		initials = []rune{initials[0], initials[len(initials)-1]}
	}
	return string(initials)
}

// divides says whether a hairline stands before item i.
func divides(items []NavItem, i int) bool { return i > 0 && items[i].Group != items[i-1].Group }

// htmxConfig closes everything in htmx that security.md names: nothing is
// evaluated, no script tag of an answer runs, only our own origin is asked,
// pages are not kept in storage, and no style is written into the page.
const htmxConfig = `{"allowEval":false,"allowScriptTags":false,"selfRequestsOnly":true,"historyCacheSize":0,` +
	`"refreshOnHistoryMiss":true,"includeIndicatorStyles":false,"scrollBehavior":"auto","globalViewTransitions":false,` +
	`"defaultFocusScroll":false,"getCacheBusterParam":false}`

// themes are the switch of the menu: what is sent, what is said.
var themes = []Option{{Value: "light", Label: "light"}, {Value: "dark", Label: "dark"}, {Value: "", Label: "system"}}

func layoutName(l Layout) string { return cmp.Or(string(l), "flow") }

type keyGroup struct {
	name string
	rows []Binding
}

// keyGroups lists the keys as this person has them; the six reasons are one
// row, as on the keyboard.
func keyGroups(r Reader) []keyGroup {
	var groups []keyGroup
	for _, b := range Bindings {
		if b.Act != "" {
			b.Key = r.Keys.Key(b.Act)
		}
		if b.Key == "" {
			continue
		}
		if len(groups) == 0 || groups[len(groups)-1].name != b.Group {
			groups = append(groups, keyGroup{name: b.Group})
		}
		last := &groups[len(groups)-1]
		last.rows = append(last.rows, b)
	}
	return groups
}
