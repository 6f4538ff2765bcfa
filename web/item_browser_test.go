package web

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"assay/internal/auth"
)

// press presses and lets go of a key: code is its place on the keyboard, text
// what the layout prints on it.
func (b *tab) press(code, text string) {
	b.t.Helper()
	b.pressWith(code, text, 0)
}

// pressWith presses it with modifiers: 8 is Shift.
func (b *tab) pressWith(code, text string, modifiers int64) {
	b.t.Helper()
	for _, kind := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeKeyDown, input.DispatchKeyEventTypeKeyUp} {
		params := input.DispatchKeyEventParams{Type: kind, Code: code, Key: text, Modifiers: modifiers}
		if kind == input.DispatchKeyEventTypeKeyDown {
			if len([]rune(text)) == 1 {
				params.Text = text
			}
			if text == "Enter" {
				params.WindowsVirtualKeyCode, params.Text = 13, "\r"
			}
		}
		b.do(func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
			_, err := cdp.Call(ctx, target, input.DispatchKeyEvent, params)
			return chromedp.Void{}, err
		})
	}
}

// until waits for an expression to become true, also across page loads.
func (b *tab) until(expression string) {
	b.t.Helper()
	for range 500 {
		if yes, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("!!("+expression+")")); err == nil && yes {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	b.t.Fatalf("never became true: %s\n%s", expression, clip(js[string](b, `document.body.innerText`), 1500))
}

// stopwatch measures in the page, from the key that submits to the second
// frame after the next item is in it.
const stopwatch = `(() => {
	if (window.times) return 0
	window.times = []
	let pressed = 0
	addEventListener('keydown', (e) => { if (e.key === 'Enter') pressed = performance.now() }, true)
	let last = document.querySelector('[data-item]').dataset.item
	new MutationObserver(() => {
		const item = document.querySelector('[data-item]')?.dataset.item
		if (!item || item === last) return
		last = item
		requestAnimationFrame(() => requestAnimationFrame(() => times.push(performance.now() - pressed)))
	}).observe(document.querySelector('#main'), {childList: true, subtree: true})
	return 0
})()`

const painted = `new Promise((done) => {
	let frames = 4
	const next = () => frames-- ? requestAnimationFrame(next) : setTimeout(() => done(0))
	next()
})`

const itemOnScreen = `document.querySelector('[data-item]')?.dataset.item || ''`

// medianShown is the longest that the next item may take from the key that
// submits, at the median.
const medianShown = 200

func TestFiftyLabelsByKeyboardAlone(t *testing.T) {
	labels := 50
	if *full {
		labels = 500
	}
	texts := make([]string, labels+3)
	for i := range texts {
		texts[i] = fmt.Sprintf("number %d", i)
	}
	copy(texts, []string{"formula", "formula", "formula"}) // of another class: a day takes at most 500 of one
	w := queued(t, "sql_query", texts...)
	b := chromium(t)
	b.become(w, w.as(auth.Labeler))
	b.open(w, "/", 1440)
	b.press("Enter", "Enter") // Start
	b.until(`document.querySelector('#label-form')`)
	js[int](b, stopwatch)

	seen := []string{}
	for i := range labels {
		item := js[string](b, itemOnScreen)
		if slices.Contains(seen, item) {
			t.Fatalf("item %s came twice", item)
		}
		seen = append(seen, item)
		js[int](b, painted) // keys sleep until a person could have seen the item
		choice := fmt.Sprint(1 + i%4)
		b.press("Digit"+choice, choice)
		b.until(fmt.Sprintf(`document.querySelectorAll('[name=label]')[%d].checked`, i%4))
		if i%4 == 2 {
			b.press("Digit6", "6")
			b.until(`document.querySelectorAll('[name=reason]')[1].checked`)
		}
		b.press("Enter", "Enter")
		b.until(fmt.Sprintf(`(%[1]s) && (%[1]s) !== '%[2]s' && !document.querySelector('[name=label]:checked')`, itemOnScreen, item))
		js[int](b, stopwatch) // anew, should the page have been loaded instead of swapped
	}
	b.until(`!document.querySelector('.pending')`)
	b.until(fmt.Sprintf(`document.querySelector('#rail [data-count=today]').textContent === '%d'`, labels)) // from the answers alone
	w.eventually(`SELECT count(*) FROM labels`, labels)
	choices := []string{"correct", "partially_correct", "hallucinated", "cannot_tell"}
	for i, label := range choices {
		want := (labels + 3 - i) / 4
		if n := w.count(`SELECT count(DISTINCT item_id) FROM labels WHERE label = $1 AND revision = 1`, label); n != want {
			t.Errorf("%s: want %d items, got %d", label, want, n)
		}
	}
	if n := w.count(`SELECT count(*) FROM labels WHERE label = 'hallucinated' AND reasons = '{wrong_result}'`); n != (labels+1)/4 {
		t.Errorf("reasons by key: want %d, got %d", (labels+1)/4, n)
	}

	times := js[[]float64](b, `window.times || []`)
	slices.Sort(times)
	if len(times) < labels/2 {
		t.Fatalf("want the next item fetched ahead and swapped in, most of %d times, got %d", labels, len(times))
	}
	median := times[len(times)/2]
	t.Logf("key to next item painted, %d of %d: median %.0f ms, 95 %% %.0f ms, slowest %.0f ms", len(times), labels, median, times[len(times)*95/100], times[len(times)-1])
	if median >= medianShown {
		t.Errorf("half of the items took %.0f ms or more from the key, want less than %d", median, medianShown)
	}

	// z takes the last one back, with its choice.
	b.until(fmt.Sprintf(`document.querySelector('#toasts form[action="/items/%s/undo"]')`, seen[labels-1]))
	js[int](b, painted)
	b.press("KeyZ", "z")
	b.until(fmt.Sprintf(`(%s) === '%s' && document.querySelector('[name=label]:checked')?.value === '%s'`, itemOnScreen, seen[labels-1], choices[(labels-1)%4]))
	js[int](b, painted)
	b.press("Digit1", "1")
	b.until(`document.querySelectorAll('[name=label]')[0].checked`)
	b.press("Enter", "Enter")
	w.eventually(`SELECT count(*) FROM labels WHERE revision = 3 AND label = 'correct'`, 1)

	for _, wrong := range b.wrong() {
		t.Error(wrong)
	}
}

// What a labeler who has never been here waits for: every byte of the first
// labeling page, headers and fonts included.
func TestTheFirstLabelingPageIsSmall(t *testing.T) {
	w := queued(t, "spreadsheet_formula", "formula")
	b := chromium(t)
	labeler := w.as(auth.Labeler)
	b.become(w, labeler)
	b.open(w, labeler.next("spreadsheet_formula"), 1440)
	js[int](b, painted)
	var loaded struct {
		Bytes    int
		Requests []string
	}
	report := js[string](b, `JSON.stringify((() => {
		const all = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')].filter((e) => e.initiatorType !== 'fetch')
		return {bytes: all.reduce((sum, e) => sum + e.transferSize, 0), requests: all.map((e) => e.name.replace(location.origin, '') + ' ' + e.transferSize)}
	})())`)
	if err := json.Unmarshal([]byte(report), &loaded); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes in %v", loaded.Bytes, loaded.Requests)
	if loaded.Bytes < 50_000 || loaded.Bytes > 150*1024 {
		t.Errorf("want at most 150 KB over the wire, and fonts among them, got %d bytes in %v", loaded.Bytes, loaded.Requests)
	}
}

// eventually waits until a count is reached: labels are sent behind the page.
func (w *world) eventually(sql string, want int) {
	w.t.Helper()
	got := 0
	for range 300 {
		if got = w.count(sql); got == want {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.t.Fatalf("%s: want %d, got %d", sql, want, got)
}

// The pages of labeling as a person meets them: each width, both themes, with
// hostile text in them.
func TestTheLabelingPagesInARealBrowser(t *testing.T) {
	w := queued(t, "spreadsheet_formula", "formula")
	w.exec(`UPDATE items SET wanted = 2`)
	labeler, engineer, reviewer := w.as(auth.Labeler), w.as(auth.Engineer), w.as(auth.Reviewer)
	second := w.signIn(w.person("second@example.org", auth.Labeler))

	formula := labeler.next("spreadsheet_formula") // two labelers will differ on it
	for i, who := range []*browser{labeler, second} {
		page := who.get(who.next("spreadsheet_formula")).want(200)
		form := answerOn(page, []string{"hallucinated", "correct"}[i])
		form.Set("note", hostile)
		form["span"] = []string{"0-11"}
		form["reason"] = []string{"wrong_value"}
		who.post(page.attr("#label-form", "action"), form).want(303)
	}
	w.enqueue(w.stages.Labeling.Telemetry.(bookshelf), "spreadsheet_formula", hostile, "abstained", "formula", "five", "six")
	open := labeler.next("spreadsheet_formula")
	late := second.next("spreadsheet_formula")
	page := second.get(late).want(200)
	w.exec(`UPDATE reservations SET lease_until = clock_timestamp() - interval '1 second' WHERE item_id = $1`, strings.TrimPrefix(late, "/items/"))
	form := answerOn(page, "correct")
	form.Set("correction", hostile)
	second.post(page.attr("#label-form", "action"), form).want(409)

	b := chromium(t)
	pages := []struct {
		name string
		who  *browser
		path string
	}{
		{"overview", labeler, "/"},
		{"queues", labeler, "/queues"},
		{"queue", labeler, "/queues/spreadsheet_formula"},
		{"queue-items", engineer, "/queues/spreadsheet_formula"},
		{"label", labeler, open},
		{"labeled", labeler, formula},
		{"late", second, late},
		{"adjudicate", reviewer, formula + "/adjudicate"},
		{"guides", engineer, "/guides"},
		{"guide", engineer, "/guides/spreadsheet_formula"},
	}
	for _, p := range pages {
		for _, width := range []int64{1440, 1024, 390} {
			for _, theme := range []string{"light", "dark"} {
				t.Run(fmt.Sprintf("%s at %d %s", p.name, width, theme), func(t *testing.T) {
					b := &tab{t, b.ctx}
					w.exec(`UPDATE people SET theme = $1`, theme)
					b.become(w, p.who)
					b.open(w, p.path, width)
					b.photograph(fmt.Sprintf("%s-%d-%s.png", p.name, width, theme))
					if by := js[int](b, `document.documentElement.scrollWidth - innerWidth`); by > 0 {
						t.Errorf("scrolls sideways by %d px", by)
					}
					for _, wrong := range b.wrong() {
						t.Error(wrong)
					}
					for _, found := range b.axe() {
						t.Error(found)
					}
				})
			}
		}
	}
}

// drag selects with the mouse from the beginning of a node's text to so many
// characters into it.
func (b *tab) drag(selector string, characters int) {
	b.t.Helper()
	box := js[[]float64](b, fmt.Sprintf(`(() => {
		const node = document.querySelector('%s')
		const texts = document.createTreeWalker(node, NodeFilter.SHOW_TEXT)
		let text = texts.nextNode()
		while (text.length < %d) text = texts.nextNode()
		const range = document.createRange()
		range.setStart(text, 0)
		range.setEnd(text, %d)
		node.scrollIntoView({block: 'center'})
		const box = range.getClientRects()[0]
		return [box.left + 0.5, box.top + box.height / 2, box.right - 0.5]
	})()`, selector, characters, characters))
	for _, at := range []struct {
		kind input.DispatchMouseEventType
		x    float64
	}{{input.DispatchMouseEventTypeMousePressed, box[0]}, {input.DispatchMouseEventTypeMouseMoved, box[2]}, {input.DispatchMouseEventTypeMouseReleased, box[2]}} {
		b.do(func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
			params := input.DispatchMouseEventParams{Type: at.kind, X: at.x, Y: box[1], Button: input.MouseButtonLeft, ClickCount: 1}
			_, err := cdp.Call(ctx, target, input.DispatchMouseEvent, params)
			return chromedp.Void{}, err
		})
	}
}

// What each key of the labeling page does, and when it does nothing: on the
// product's own page, where the keys of an item meet its evidence.
func TestEveryKeyOfTheLabelingPage(t *testing.T) {
	w := queued(t, "spreadsheet_formula", "formula", "two", "three", "four")
	b := chromium(t)
	labeler := w.as(auth.Labeler)
	b.become(w, labeler)
	first := labeler.next("spreadsheet_formula")
	b.open(w, first, 1440)
	js[int](b, painted)
	const (
		events = `document.querySelectorAll('[data-events] [data-event]')`
		focus  = `document.activeElement`
		blur   = `(document.activeElement.blur(), 0)`
	)
	const chosen = `document.querySelector('[name=label]:checked')?.value || ''`
	for _, step := range []struct {
		does       string
		code, text string
		modifiers  int64
		becomes    string
		after      string
	}{
		{"the first event", "KeyE", "e", 0, events + `[0].matches('.at') && ` + focus + ` === ` + events + `[0]`, ``},
		{"the next event", "KeyE", "e", 0, events + `[1].matches('.at')`, ``},
		{"the event before", "KeyE", "E", 8, events + `[0].matches('.at')`, ``},
		{"the next failure", "KeyV", "v", 0, `document.querySelector('[data-failure]').matches('.at')`, ``},
		{"the failure before", "KeyV", "V", 8, `document.querySelector('[data-failure]').matches('.at')`, ``},
		{"away from it", "KeyE", "e", 0, `!document.querySelector('[data-failure]').matches('.at')`, ``},
		{"the first failed stage", "KeyF", "f", 0, `document.querySelector('[data-failure]').matches('.at')`, ``},
		{"the correction", "KeyC", "c", 0, focus + `.name === 'correction'`, blur},
		{"the note", "KeyN", "n", 0, focus + `.name === 'note'`, blur},
		{"the guide", "KeyI", "i", 0, `document.querySelector('dialog#guide').open`, `(document.querySelector('dialog#guide').close(), 0)`},
		{"the keys", "Slash", "?", 8, `document.querySelector('dialog#keys').open`, `(document.querySelector('dialog#keys').close(), 0)`},
		{"why it is skipped", "KeyS", "s", 0, `document.querySelector('#skip:popover-open')`, `(document.querySelector('#skip').hidePopover(), 0)`},
		{"reason 5", "Digit5", "5", 0, `document.querySelectorAll('[name=reason]')[0].checked`, ``},
		{"reason 7", "Digit7", "7", 0, `document.querySelectorAll('[name=reason]')[2].checked`, ``},
		{"reason 7 again", "Digit7", "7", 0, `!document.querySelectorAll('[name=reason]')[2].checked`, ``},
		{"reason 8 on AZERTY", "Digit8", "_", 0, `document.querySelectorAll('[name=reason]')[3].checked`, ``},
		{"a label", "Digit2", "2", 0, chosen + ` === 'partially_correct'`, ``},
		{"another label", "Digit3", "3", 0, `(` + chosen + `) === 'hallucinated'`, ``},
	} {
		b.pressWith(step.code, step.text, step.modifiers)
		if !b.soon(step.becomes) {
			t.Errorf("%s: the key %s does not lead there", step.does, step.text)
		}
		if step.after != "" {
			js[int](b, step.after)
		}
	}

	// What another writing system or AltGr types is no key; the same without is.
	synthetic := func(extra string) string {
		return js[string](b, fmt.Sprintf(`(() => {
			for (const type of ['keydown', 'keyup']) document.body.dispatchEvent(new KeyboardEvent(type, {key: '1', code: 'Digit1', bubbles: true, cancelable: true, %s}))
			return %s
		})()`, extra, chosen))
	}
	for _, extra := range []string{"isComposing: true", "modifierAltGraph: true", "altKey: true", "metaKey: true", "repeat: true"} {
		if got := synthetic(extra); got != "hallucinated" {
			t.Errorf("a key with %s chose %q", extra, got)
		}
	}
	if got := synthetic(""); got != "correct" {
		t.Errorf("the key alone chose %q", got)
	}

	// A part of a sentence is marked with the mouse.
	b.drag("#response .sentence", 7)
	js[int](b, `(window.was = String(getSelection()).trim(), 0)`)
	b.press("KeyM", "m")
	if !b.soon(`document.querySelector('[data-span-list] li .grow')?.textContent === was && was.length > 3`) {
		t.Errorf("selected %q, marked %q", js[string](b, `was`), js[string](b, `document.querySelector('[data-span-list]')?.textContent || ''`))
	}

	// Ctrl+Enter submits from within a field.
	b.press("KeyN", "n")
	b.press("KeyX", "x")
	b.pressWith("Enter", "Enter", 2)
	item := strings.TrimPrefix(first, "/items/")
	b.until(fmt.Sprintf(`(%[1]s) && (%[1]s) !== '%[2]s'`, itemOnScreen, item))
	w.eventually(`SELECT count(*) FROM labels l JOIN label_texts t ON t.label_id = l.id WHERE label = 'correct' AND jsonb_array_length(spans) = 1 AND note = 'x'`, 1)
	b.until(`!document.querySelector('.pending')`)
	js[int](b, painted)

	// Back to what was labeled, and the label changed long after its toast.
	b.press("KeyK", "k")
	b.until(fmt.Sprintf(`location.pathname === '%s' && document.querySelector('form[action="%s/undo"]')`, first, first))
	js[int](b, fmt.Sprintf(`(document.querySelector('form[action="%s/undo"] button').click(), 0)`, first))
	b.until(fmt.Sprintf(`(%s) === '%s' && (%s) === 'correct'`, itemOnScreen, item, chosen))
	js[int](b, painted)
	b.press("KeyK", "k") // held again it is the last of what is theirs now
	b.until(fmt.Sprintf(`(%[1]s) && (%[1]s) !== '%[2]s' && document.querySelector('#label-form')`, itemOnScreen, item))
	for _, wrong := range b.wrong() {
		t.Error(wrong)
	}
}

// soon reports whether an expression becomes true within a second or two.
func (b *tab) soon(expression string) bool {
	b.t.Helper()
	for range 100 {
		if yes, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("!!("+expression+")")); err == nil && yes {
			return true
		}
		time.Sleep(20 * time.Millisecond)
	}
	return false
}

// Whoever asks for less motion meets none.
func TestTheLabelingPageStandsStillWhereAsked(t *testing.T) {
	w := queued(t, "sql_query", "one", "two")
	b := chromium(t)
	labeler := w.as(auth.Labeler)
	b.become(w, labeler)
	moving := func(preference string) float64 {
		t.Helper()
		b.do(func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
			params := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: preference}}}
			_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, params)
			return chromedp.Void{}, err
		})
		b.open(w, labeler.next("sql_query"), 1440)
		return js[float64](b, `Math.max(...[...document.querySelectorAll('*')].flatMap((node) => {
			const style = getComputedStyle(node)
			return (style.transitionDuration + ',' + style.animationDuration).split(',').map(parseFloat)
		}))`)
	}
	if s := moving("reduce"); s > 0.01 {
		t.Errorf("something moves for %v s", s)
	}
	if s := moving("no-preference"); s == 0 {
		t.Error("nothing moves for those who did not ask either: this test sees nothing")
	}
}
