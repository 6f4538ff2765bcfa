package ui_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image/png"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	_ "time/tzdata" // not every machine has the zones

	"github.com/a-h/templ"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	. "assay/web/ui"
)

// bench is a labeling page with a server behind it that notes what it is
// asked and answers as the product does.
type bench struct {
	mu      sync.Mutex
	next    int // the item that is served ahead
	posts   []string
	refuse  map[string]string // item → detail of the refusal
	nothing bool              // no further item is free
}

func (b *bench) note(what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.posts = append(b.posts, what)
}

func (b *bench) seen(prefix string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []string
	for _, p := range b.posts {
		if strings.HasPrefix(p, prefix) {
			found = append(found, strings.TrimPrefix(p, prefix))
		}
	}
	return found
}

func itemPage(id string) Shell {
	shell := labelPage(true)
	w := work("Formula answers", questions("", nil))
	w.Item, w.Action, w.Draft, w.Ahead, w.Needs, w.Submit.Saved = id, "/items/"+id+"/labels", "/items/"+id+"/draft", "/items/"+id+"/ahead", "", ""
	shell.Page.Title = "Item " + id
	text := "Item " + id + " says one thing. It says another. It ends."
	shell.Body = in(w, Message{Who: "User", Text: "Question " + id}, Message{ID: "response", Who: "Response", Judged: true, Marking: true, Sentences: Sentences(text)})
	shell.Page.Toast = nil
	return shell
}

func (b *bench) handlers(t *testing.T) map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"GET /items/{id}": func(w http.ResponseWriter, r *http.Request) {
			shell := itemPage(r.PathValue("id"))
			shell.Assets = assets()
			fmt.Fprint(w, render(t, shell))
		},
		"POST /items/{id}/ahead": func(w http.ResponseWriter, r *http.Request) {
			b.mu.Lock()
			b.next++
			next, nothing := b.next, b.nothing
			b.mu.Unlock()
			if nothing {
				http.Redirect(w, r, "/gallery/queues", http.StatusSeeOther)
				return
			}
			http.Redirect(w, r, fmt.Sprint("/items/", next), http.StatusSeeOther)
		},
		"POST /items/{id}/draft": func(w http.ResponseWriter, r *http.Request) {
			r.ParseForm()
			b.note("draft " + r.PathValue("id") + " " + r.Form.Get("label") + " " + r.Form.Get("note"))
			w.WriteHeader(http.StatusNoContent)
		},
		"POST /items/{id}/later": func(w http.ResponseWriter, r *http.Request) {
			b.note("later " + r.PathValue("id"))
			json.NewEncoder(w).Encode(map[string]any{"said": "Item " + r.PathValue("id") + " put off"})
		},
		"POST /items/{id}/labels": func(w http.ResponseWriter, r *http.Request) {
			r.ParseForm()
			id := r.PathValue("id")
			b.note("label " + id + " " + r.Form.Get("label") + " " + strings.Join(r.Form["reason"], "+") + " " + strings.Join(r.Form["span"], "+") + " " + r.Form.Get(FormToken))
			b.mu.Lock()
			detail, refused := b.refuse[id]
			b.mu.Unlock()
			if refused {
				w.Header().Set("Content-Type", "application/problem+json")
				w.WriteHeader(http.StatusConflict)
				json.NewEncoder(w).Encode(map[string]any{"title": "Your reservation ended.", "detail": detail})
				return
			}
			json.NewEncoder(w).Encode(map[string]any{"said": "Item " + id + " labeled", "bold": "correct", "mark": "correct", "undo": "/items/" + id + "/undo", "seconds": 10})
		},
	}
}

// keyboard presses keys as a person with some layout would: code is the place
// of the key, text what the layout prints for it.
type keyboard struct {
	t   *testing.T
	tab context.Context
}

const (
	ctrl  = 2
	shift = 8
)

func (k keyboard) event(kind input.DispatchKeyEventType, code, text string, modifiers int64, repeat bool) {
	k.t.Helper()
	params := input.DispatchKeyEventParams{Type: kind, Code: code, Key: text, Modifiers: modifiers, AutoRepeat: &repeat}
	if kind == input.DispatchKeyEventTypeKeyDown {
		if len([]rune(text)) == 1 && modifiers&^shift == 0 {
			params.Text = text
		}
		if text == "Enter" {
			params.WindowsVirtualKeyCode, params.Text = 13, "\r"
		}
	}
	do(k.t, k.tab, func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, target, input.DispatchKeyEvent, params)
		return chromedp.Void{}, err
	})
}

func (k keyboard) down(code, text string, modifiers int64) {
	k.event(input.DispatchKeyEventTypeKeyDown, code, text, modifiers, false)
}

func (k keyboard) up(code, text string, modifiers int64) {
	k.event(input.DispatchKeyEventTypeKeyUp, code, text, modifiers, false)
}

func (k keyboard) press(code, text string, modifiers ...int64) {
	k.t.Helper()
	var m int64
	for _, one := range modifiers {
		m |= one
	}
	k.down(code, text, m)
	k.up(code, text, m)
}

// until waits for an expression to become true, also across page loads.
func (k keyboard) until(expression string) {
	k.t.Helper()
	for range 250 {
		if yes, err := chromedp.Run(k.tab, chromedp.Evaluate[bool]("!!("+expression+")")); err == nil && yes {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	k.t.Fatalf("never became true: %s", expression)
}

func open(t *testing.T, tab context.Context, address string) keyboard {
	t.Helper()
	do(t, tab, chromedp.EmulateViewport(1440, 900), chromedp.Navigate(address))
	js[int](t, tab, `new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))`)
	return keyboard{t, tab}
}

func TestLabelingByKeyboard(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	tab := browser(t)
	title := func(k keyboard) string { return js[string](t, k.tab, `document.title`) }
	start := func(t *testing.T, b *bench) keyboard {
		b.next = 17
		k := open(t, tab, serve(t, b.handlers(t))+"/items/17")
		k.t = t
		k.until(`!!document.querySelector('[data-label]')`)
		time.Sleep(150 * time.Millisecond) // the next item is fetched
		return k
	}

	t.Run("a label is three keys and the next item is there", func(t *testing.T) {
		b := &bench{}
		k := start(t, b)
		k.press("Digit3", "3")
		k.press("Digit5", "5")
		k.press("Digit8", "8")
		k.press("Enter", "Enter")
		k.until(`document.title.startsWith('Item 18')`)
		if got := js[string](t, tab, `location.pathname`); got != "/items/18" {
			t.Errorf("address is %s", got)
		}
		if got := js[string](t, tab, `document.activeElement.textContent`); got != "Response" {
			t.Errorf("focus is on %q, want the new response's heading", got)
		}
		k.until(`document.querySelector('.toast')?.textContent.includes('Item 17 labeled')`)
		if got := b.seen("label 17 "); len(got) != 1 || got[0] != "hallucinated wrong_value+false_explanation  t0k3n" {
			t.Errorf("the server saw %q", got)
		}
		if got := js[string](t, tab, `document.querySelector('[data-rail=done] li:last-child').className`); got != "" {
			t.Errorf("the rail entry is still %q", got)
		}
	})

	t.Run("fifty labels, none lost, none doubled, in order", func(t *testing.T) {
		b := &bench{}
		k := start(t, b)
		for i := range 50 {
			id := 17 + i
			k.until(fmt.Sprintf(`document.title === 'Item %d · Assay' && !('asleep' in document.documentElement.dataset)`, id))
			k.press("Digit1", "1")
			k.press("Enter", "Enter")
			k.press("Enter", "Enter")
		}
		k.until(`document.title.startsWith('Item 67')`)
		time.Sleep(100 * time.Millisecond)
		posts := b.seen("label ")
		if len(posts) != 50 {
			t.Fatalf("%d labels arrived", len(posts))
		}
		for i, p := range posts {
			if !strings.HasPrefix(p, fmt.Sprintf("%d correct", 17+i)) {
				t.Errorf("label %d is %q", i, p)
			}
		}
	})

	t.Run("a held key never touches an item that was not seen", func(t *testing.T) {
		b := &bench{}
		k := start(t, b)
		k.press("Digit1", "1")
		k.down("Digit2", "2", 0) // stays down over the swap
		k.down("Enter", "Enter", 0)
		for range 5 {
			k.event(input.DispatchKeyEventTypeKeyDown, "Enter", "Enter", 0, true)
			k.event(input.DispatchKeyEventTypeKeyDown, "Digit2", "2", 0, true)
		}
		k.until(`document.title.startsWith('Item 18')`)
		time.Sleep(100 * time.Millisecond)
		if got := js[int](t, tab, `document.querySelectorAll('[name=label]:checked').length`); got != 0 {
			t.Error("the held key answered the next item")
		}
		k.up("Enter", "Enter", 0)
		k.up("Digit2", "2", 0)
		k.press("Digit2", "2")
		if got := js[string](t, tab, `document.querySelector('[name=label]:checked').value`); got != "partially_correct" {
			t.Errorf("after letting go the key gives %q", got)
		}
		if got := len(b.seen("label ")); got != 1 {
			t.Errorf("%d labels arrived", got)
		}
	})

	t.Run("a refusal brings the item back with its answer and the reason", func(t *testing.T) {
		b := &bench{refuse: map[string]string{"17": "R. Amari labeled it since."}}
		k := start(t, b)
		k.press("Digit4", "4")
		k.press("Enter", "Enter")
		k.until(`document.querySelector('[data-notice]')?.textContent.includes('R. Amari labeled it since.')`)
		if got := title(k); !strings.HasPrefix(got, "Item 17") {
			t.Errorf("the page is %q", got)
		}
		if got := js[string](t, tab, `document.querySelector('[name=label]:checked').value`); got != "cannot_tell" {
			t.Errorf("the answer is %q", got)
		}
	})

	t.Run("with nothing free submit goes to the queue", func(t *testing.T) {
		k := start(t, &bench{nothing: true})
		k.press("Digit1", "1")
		k.press("Enter", "Enter")
		k.until(`location.pathname === '/queues'`)
	})

	t.Run("keys sleep while a person types, in a dialog and with other modifiers", func(t *testing.T) {
		b := &bench{}
		k := start(t, b)
		k.press("KeyN", "n")
		if got := js[string](t, tab, `document.activeElement.name`); got != "note" {
			t.Fatalf("n puts the cursor into %q", got)
		}
		k.press("Digit1", "1")
		k.press("KeyS", "s")
		if got := js[string](t, tab, `document.activeElement.value`); got != "1s" {
			t.Errorf("the note is %q", got)
		}
		js[int](t, tab, `document.activeElement.blur(), 0`)
		k.press("Digit1", "1", ctrl)
		k.press("Slash", "?", shift)
		k.until(`document.querySelector('#keys').open`)
		k.press("Digit1", "1")
		if got := js[int](t, tab, `document.querySelectorAll('[name=label]:checked').length`); got != 0 {
			t.Error("a key answered through a field, a dialog or a chord")
		}
		k.press("Escape", "Escape")
		js[int](t, tab, `document.querySelector('#keys').close(), 0`)
	})

	t.Run("digits go by place, letters by print", func(t *testing.T) {
		for _, layout := range []struct{ name, code, text, want string }{
			{"AZERTY, unshifted digit row", "Digit1", "&", "correct"},
			{"German", "Digit2", "2", "partially_correct"},
			{"Dvorak", "Digit3", "3", "hallucinated"},
			{"number pad", "Numpad4", "4", "cannot_tell"},
		} {
			k := start(t, &bench{})
			k.press(layout.code, layout.text)
			if got := js[string](t, tab, `document.querySelector('[name=label]:checked')?.value || ''`); got != layout.want {
				t.Errorf("%s gives %q, want %q", layout.name, got, layout.want)
			}
		}
		k := start(t, &bench{})
		k.press("KeyB", "n") // where Dvorak prints n
		if got := js[string](t, tab, `document.activeElement.name`); got != "note" {
			t.Errorf("n on Dvorak puts the cursor into %q", got)
		}
		k = start(t, &bench{})
		k.press("Minus", "?", shift) // where German prints ?
		k.until(`document.querySelector('#keys').open`)
	})

	t.Run("sentences are marked by keyboard and words by Shift", func(t *testing.T) {
		b := &bench{}
		k := start(t, b)
		spans := func() string {
			return js[string](t, tab, `new FormData(document.querySelector('#label-form')).getAll('span').join(' ')`)
		}
		k.press("KeyM", "m")
		k.press("KeyJ", "j")
		k.press("Space", " ")
		if got := spans(); got != "24-41" {
			t.Errorf("the second sentence is %q", got)
		}
		k.press("Space", " ")
		if got := spans(); got != "" {
			t.Errorf("unmarked it is %q", got)
		}
		k.press("ArrowRight", "ArrowRight")
		k.press("ArrowRight", "ArrowRight")
		k.press("ArrowRight", "ArrowRight", shift)
		k.press("ArrowRight", "ArrowRight", shift)
		if got := spans(); got != "27-40" {
			t.Errorf("two words from the second are %q", got)
		}
		if got := js[string](t, tab, `document.querySelector('[data-span-list] li .grow').textContent`); got != "says another." {
			t.Errorf("the list says %q", got)
		}
		if got := js[string](t, tab, `[...document.querySelectorAll('.prose mark')].map(m => m.textContent).join('')`); got != "says another.a" {
			t.Errorf("the text marks %q", got)
		}
		k.press("Escape", "Escape")
		k.press("Digit3", "3")
		k.press("Enter", "Enter")
		k.until(`document.title.startsWith('Item 18')`)
		time.Sleep(100 * time.Millisecond)
		if got := b.seen("label 17 "); len(got) != 1 || !strings.Contains(got[0], " 27-40 ") {
			t.Errorf("the server saw %q", got)
		}
	})

	t.Run("drafts are saved after a pause", func(t *testing.T) {
		b := &bench{}
		k := start(t, b)
		k.press("Digit2", "2")
		k.until(`document.querySelector('[data-draft-state]').textContent.startsWith('Draft saved')`)
		if got := b.seen("draft 17 "); len(got) != 1 || !strings.HasPrefix(got[0], "partially_correct") {
			t.Errorf("the server saw %q", got)
		}
	})

	t.Run("later moves on without an answer", func(t *testing.T) {
		b := &bench{}
		k := start(t, b)
		k.press("KeyL", "l")
		k.until(`document.title.startsWith('Item 18')`)
		k.until(`document.querySelector('.toast')?.textContent.includes('put off')`)
	})
}

func TestPaletteAndLists(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	tab := browser(t)
	origin := serve(t, map[string]http.HandlerFunc{
		"GET /search": func(w http.ResponseWriter, r *http.Request) {
			json.NewEncoder(w).Encode([]map[string]string{{"icon": "flag", "name": "Handoff 17", "why": "<b>blocked</b>", "url": "/gallery/handoff"}})
		},
	})

	t.Run("Ctrl K finds by words and opens", func(t *testing.T) {
		k := open(t, tab, origin+"/gallery/sessions")
		k.press("KeyK", "k", ctrl)
		k.until(`document.querySelector('#palette').open`)
		for _, letter := range "ha" {
			k.press("Key"+strings.ToUpper(string(letter)), string(letter))
		}
		k.until(`document.querySelector('#palette-list li b')?.textContent === 'Handoff 17'`)
		if got := js[string](t, tab, `document.querySelector('#palette-list .soft').textContent`); got != "<b>blocked</b>" {
			t.Errorf("why is drawn as %q", got)
		}
		k.press("Enter", "Enter")
		k.until(`location.pathname === '/gallery/handoff'`)
	})

	t.Run("j moves, x selects, o opens", func(t *testing.T) {
		k := open(t, tab, origin+"/gallery/sessions")
		k.press("KeyJ", "j")
		if got := js[string](t, tab, `document.querySelector('tr.at').dataset.open`); got != "/sessions/s_0d4c55" {
			t.Errorf("j from the selected row leads to %q", got)
		}
		k.press("KeyX", "x")
		if !js[bool](t, tab, `document.querySelector('tr.at .check input').checked`) {
			t.Error("x did not select")
		}
		k.press("KeyO", "o")
		k.until(`location.pathname === '/sessions/s_0d4c55'`)
	})

	t.Run("g then h goes to handoffs", func(t *testing.T) {
		k := open(t, tab, origin+"/gallery/sessions")
		k.press("KeyG", "g")
		k.press("KeyH", "h")
		k.until(`location.pathname === '/handoffs'`)
	})
}

func TestKeyToNextItemPainted(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	tab := browser(t)
	b := &bench{next: 17}
	k := open(t, tab, serve(t, b.handlers(t))+"/items/17")
	js[int](t, tab, `(() => {
		window.took = []
		let pressed = 0
		addEventListener('keydown', (e) => { if (e.key === 'Enter') pressed = performance.now() }, true)
		new MutationObserver(() => {
			if (pressed && !('asleep' in document.documentElement.dataset)) { took.push(performance.now() - pressed); pressed = 0 }
		}).observe(document.documentElement, {attributes: true})
		return 0
	})()`)
	for i := range 40 {
		k.until(fmt.Sprintf(`document.title === 'Item %d · Assay' && !('asleep' in document.documentElement.dataset)`, 17+i))
		time.Sleep(60 * time.Millisecond) // a person needs longer; the next item is fetched meanwhile
		k.press("Digit1", "1")
		k.press("Enter", "Enter")
	}
	k.until(`document.title.startsWith('Item 57')`)
	took := js[[]float64](t, tab, `took`)
	slices.Sort(took)
	if len(took) < 30 {
		t.Fatalf("only %d swaps were timed", len(took))
	}
	median, worst := took[len(took)/2], took[len(took)-1]
	t.Logf("%d swaps: median %.0f ms, worst %.0f ms", len(took), median, worst)
	if median > 100 {
		t.Errorf("the median from key to painted is %.0f ms, at most 100", median)
	}
}

func TestWithoutJavaScript(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	tab := browser(t)
	b := &bench{next: 17}
	handlers := b.handlers(t)
	handlers["POST /items/{id}/labels"] = func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		b.note("label " + r.PathValue("id") + " " + r.Form.Get("label") + " " + strings.Join(r.Form["span"], "+"))
		http.Redirect(w, r, "/items/18", http.StatusSeeOther)
	}
	origin := serve(t, handlers)
	do(t, tab, chromedp.EmulateViewport(1440, 900), func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, target, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return chromedp.Void{}, err
	}, chromedp.Navigate(origin+"/items/17"))
	k := keyboard{t, tab}
	for _, selector := range []string{`input[name=label][value=hallucinated]`, `#sentence-2`, `[data-submit]`} {
		box := js[[]float64](t, tab, `(() => { const b = document.querySelector('`+selector+`').getBoundingClientRect(); return [b.left + b.width / 2, b.top + b.height / 2, b.width] })()`)
		if box[2] < 2 {
			t.Fatalf("%s cannot be seen without JavaScript", selector)
		}
		do(t, tab, chromedp.MouseClickXY(box[0], box[1]))
	}
	k.until(`location.pathname === '/items/18' && document.readyState === 'complete'`)
	if got := b.seen("label 17 "); len(got) != 1 || got[0] != "hallucinated 24-41" {
		t.Errorf("the server saw %q", got)
	}
	if js[bool](t, tab, `[...document.querySelectorAll('.keys, .js')].some(e => e.getClientRects().length)`) {
		t.Error("keys and script controls are shown without JavaScript")
	}
}

// What the server writes and what the browser rewrites are the same words.
func TestTimesAgreeWithTheServer(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	tab := browser(t)
	open(t, tab, serve(t, nil)+"/gallery/sessions")
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	js[int](t, tab, `(document.documentElement.dataset.zone = 'Europe/Berlin', document.querySelector('#main').replaceChildren(), 0)`)
	moment := time.Now()
	for _, age := range []time.Duration{20 * time.Second, 31 * time.Minute, 130 * time.Minute, 26 * time.Hour, 80 * time.Hour, 20 * 24 * time.Hour, 400 * 24 * time.Hour} {
		for _, style := range []TimeStyle{DayTime, Clock, Millis, Day, Ago} {
			at := moment.Add(-age).Truncate(100 * time.Millisecond)
			want := Instant(at, moment, berlin, style)
			html := render(t, Time{At: at, Style: style})
			quoted, _ := json.Marshal(html)
			// A live region's answer is set in the reader's zone as it arrives.
			got := js[string](t, tab, `(() => {
				const main = document.querySelector('#main')
				main.innerHTML = `+string(quoted)+`
				document.body.dispatchEvent(new CustomEvent('htmx:afterSettle', {detail: {target: main}, bubbles: true}))
				return main.textContent.trim()
			})()`)
			if got != want {
				t.Errorf("%v ago as %q: the browser writes %q, the server %q", age, style, got, want)
			}
		}
	}
}

// In one ink every mark is still told from every other.
func TestMarksDifferInGrey(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	tab := browser(t)
	open(t, tab, serve(t, nil)+"/gallery/marks")
	js[int](t, tab, `document.documentElement.dataset.theme = 'light', 0`)
	names, _ := json.Marshal(Marks)
	js[int](t, tab, `(() => {
		const main = document.querySelector('#main')
		main.replaceChildren()
		for (const name of `+string(names)+`) {
			const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
			const use = document.createElementNS('http://www.w3.org/2000/svg', 'use')
			use.setAttribute('href', '#m-' + name)
			svg.setAttribute('class', 'mark')
			svg.setAttribute('width', 14)
			svg.setAttribute('height', 14)
			svg.append(use)
			main.append(svg)
		}
		return 0
	})()`)
	shot, err := chromedp.Run(tab, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		t.Fatal(err)
	}
	boxes := js[[][]int](t, tab, `[...document.querySelectorAll('#main svg')].map(e => { const b = e.getBoundingClientRect(); return [Math.round(b.left), Math.round(b.top)] })`)
	grey := func(i, x, y int) float64 {
		r, g, b, _ := picture.At(boxes[i][0]+x, boxes[i][1]+y).RGBA()
		return (0.299*float64(r) + 0.587*float64(g) + 0.114*float64(b)) / 65535
	}
	for i := range boxes {
		for j := range i {
			difference := 0.0
			for x := range 14 {
				for y := range 14 {
					difference += math.Abs(grey(i, x, y) - grey(j, x, y))
				}
			}
			if difference < 6 {
				t.Errorf("%s and %s differ by %.1f of 196 pixels", Marks[i], Marks[j], difference)
			}
		}
	}
}

func TestRegions(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	tab := browser(t)
	asked := 0
	list := func(w http.ResponseWriter, r *http.Request) {
		asked++
		env := r.URL.Query().Get("env")
		shell := shellOf("Anna Lindqvist", "engineer", Page{Title: "Sessions " + env, Nav: "sessions"},
			Head{Title: "Sessions"},
			FilterBar{Action: "/list", Region: "rows", Filters: []Filter{{Name: "environment", Param: "env", Value: env, Options: []Option{{Value: "", Label: "any"}, {Value: "prod", Label: "prod"}, {Value: "broken", Label: "broken"}}}}},
			Table{ID: "rows", Caption: "Sessions", Columns: []Column{{Label: "Session"}}, Rows: []Row{{URL: "/s/1", Cells: []templ.Component{Text("row of " + env)}}}, Foot: &Foot{Shown: "1 of 2", Older: "/list?env=" + env + "&after=1", Region: "rows"}},
			in(Live{ID: "count", URL: "/list", Seconds: 1}, Count(asked)))
		if env == "broken" {
			w.WriteHeader(http.StatusServiceUnavailable)
			shell.Body = Failure{What: "The sessions could not be read."}
		}
		shell.Assets = assets()
		fmt.Fprint(w, render(t, shell))
	}
	k := open(t, tab, serve(t, map[string]http.HandlerFunc{"GET /list": list})+"/list")
	js[int](t, tab, `(window.still = 'here', 0)`)
	change := func(value string) {
		js[int](t, tab, `(() => { const s = document.querySelector('select[name=env]'); s.focus(); s.value = '`+value+`'; s.dispatchEvent(new Event('change', {bubbles: true})); return 0 })()`)
	}

	change("prod")
	k.until(`document.querySelector('#rows td')?.textContent.includes('row of prod')`)
	k.until(`location.search === '?env=prod' && document.title === 'Sessions prod · Assay'`)
	if js[string](t, tab, `window.still`) != "here" {
		t.Error("the page was loaded whole")
	}
	if got := js[string](t, tab, `document.activeElement.name`); got != "env" {
		t.Errorf("focus went to %q", got)
	}
	k.until(`document.querySelector('#live').textContent === 'Sessions updated'`)

	js[int](t, tab, `document.querySelector('.foot-end a').click(), 0`)
	k.until(`location.search.includes('after=1')`)
	js[int](t, tab, `history.back(), 0`)
	k.until(`location.search === '?env=prod' && document.querySelector('#rows td')?.textContent.includes('row of prod')`)

	k.until(`document.readyState === 'complete' && document.querySelector('#count')`)
	before := js[string](t, tab, `document.querySelector('#count').textContent.trim()`)
	k.until(`document.querySelector('#count')?.textContent.trim() !== '` + before + `'`)

	change("broken")
	k.until(`document.body.textContent.includes('The sessions could not be read.')`)
	if wrong := js[[]string](t, tab, `wrong`); len(wrong) > 0 {
		t.Errorf("went wrong: %q", wrong)
	}
}
