package web

import (
	"context"
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"assay/internal/auth"
)

// media makes the browser prefer something, as people set it.
func (b *tab) media(name, value string) {
	b.t.Helper()
	b.do(func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		params := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: name, Value: value}}}
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, params)
		return chromedp.Void{}, err
	})
}

// A key that a person has chosen is their key everywhere: on what a script
// draws, on what no control carries, and for what was undone long after.
func TestChosenKeysHoldWhereverTheyAre(t *testing.T) {
	w := queued(t, "sql_query", "one", "two", "three", "four", "five")
	w.exec(`UPDATE people SET keys = '{"undo": "u", "next": "w", "previous": "Shift+W"}'`)
	b := chromium(t)
	labeler := w.as(auth.Labeler)
	b.become(w, labeler)
	b.open(w, labeler.next("sql_query"), 1440)
	first := js[string](b, itemOnScreen)
	b.until(`document.querySelector('[data-label]').dataset.ahead`)
	js[int](b, painted)
	b.press("Digit1", "1")
	b.press("Enter", "Enter")
	b.until(fmt.Sprintf(`(%s) !== '%s'`, itemOnScreen, first))
	b.until(`document.querySelector('.toast [data-act=undo]')?.dataset.key === 'u' && document.querySelector('.toast kbd').textContent === 'u'`)
	js[int](b, `(document.querySelector('.toast').remove(), 0)`) // ten seconds later
	js[int](b, painted)
	second := js[string](b, itemOnScreen)
	b.press("KeyZ", "z")
	b.press("KeyJ", "j")
	js[int](b, painted)
	if got := js[string](b, itemOnScreen); got != second {
		t.Errorf("keys that were given up did something: %s instead of %s", got, second)
	}
	b.press("KeyU", "u")
	b.until(fmt.Sprintf(`(%s) === '%s' && document.querySelector('[name=label]:checked')?.value === 'correct'`, itemOnScreen, first))
	js[int](b, painted)
	b.press("KeyK", "k")
	js[int](b, painted)
	if got := js[string](b, itemOnScreen); got != first {
		t.Errorf("k was given up and leads to %s", got)
	}
	b.pressWith("KeyW", "W", 8)
	b.until(fmt.Sprintf(`(%[1]s) && (%[1]s) !== '%[2]s'`, itemOnScreen, first))

	// Reasons to skip have digits of their own while they are open.
	b.open(w, "/items/"+first, 1440)
	js[int](b, painted)
	js[int](b, `(document.querySelectorAll('[name=label]').forEach((box) => { box.checked = false }), 0)`)
	b.press("KeyS", "s")
	b.until(`document.activeElement?.closest('#skip')`)
	for _, found := range b.axe() {
		t.Error(found)
	}
	b.press("Digit2", "2")
	w.eventually(`SELECT count(*) FROM reservations WHERE state = 'skipped' AND reason = 'not_my_field'`, 1)
	b.until(fmt.Sprintf(`(%[1]s) && (%[1]s) !== '%[2]s'`, itemOnScreen, first))
	js[int](b, painted)
	if js[bool](b, `!!document.querySelector('[name=label]:checked')`) {
		t.Error("the digit of a reason to skip chose a label too")
	}

	// A keyboard without Latin letters goes by their place.
	b.press("KeyM", "ь")
	b.until(`document.querySelector('.sentence.cursor')`)
	b.press("Escape", "Escape")

	// With single keys off a sentence is still marked by keyboard, without letters.
	w.exec(`UPDATE people SET single_keys = false`)
	b.open(w, labeler.next("sql_query"), 1440)
	js[int](b, painted)
	js[int](b, `(document.querySelector('[data-mark]').click(), 0)`)
	b.press("KeyJ", "j")
	js[int](b, painted)
	if !js[bool](b, `document.querySelectorAll('.sentence')[0].matches('.cursor')`) {
		t.Error("a letter moved the cursor though single keys are off")
	}
	b.press("ArrowDown", "ArrowDown")
	b.press("Space", " ")
	if got := b.fieldSpans(); got == "" {
		t.Error("nothing is marked with the arrows and Space")
	}
	b.press("KeyU", "u")
	b.press("Digit1", "1")
	if js[bool](b, `!!document.querySelector('[name=label]:checked')`) {
		t.Error("a digit chose a label though single keys are off")
	}
	for _, wrong := range b.wrong() {
		t.Error(wrong)
	}
}

// The page in each of its modes, for those who do not see it as it was drawn:
// after each key that opens something, magnified, and in colours of their own.
func TestEachModeOfTheLabelingPageIsAccessible(t *testing.T) {
	w := queued(t, "spreadsheet_formula", "formula")
	b := chromium(t)
	labeler := w.as(auth.Labeler)
	b.become(w, labeler)
	b.open(w, labeler.next("spreadsheet_formula"), 1440)
	js[int](b, painted)
	check := func(mode string) {
		t.Helper()
		b.until(`document.getAnimations().every((one) => one.playState !== 'running')`)
		for _, found := range b.axe() {
			t.Errorf("%s: %s", mode, found)
		}
	}
	b.press("Digit3", "3")
	b.press("Digit5", "5")
	b.press("KeyM", "m")
	b.press("Space", " ")
	b.press("ArrowRight", "ArrowRight")
	check("marking")
	b.press("Escape", "Escape")
	b.press("KeyC", "c")
	js[int](b, `(document.activeElement.value = '=SUM(A1:A9)', document.activeElement.dispatchEvent(new Event('input', {bubbles: true})), document.activeElement.blur(), 0)`)
	b.until(`document.querySelector('.edits ins')`)
	b.press("KeyE", "e")
	check("a correction, an event")
	b.press("KeyI", "i")
	b.until(`document.querySelector('dialog#guide').open`)
	check("the guide")
	b.press("Digit1", "1")
	if !js[bool](b, `document.querySelector('[name=label]:checked').value === 'hallucinated'`) {
		t.Error("a key went through the open guide")
	}
	js[int](b, `(document.querySelector('dialog#guide').close(), 0)`)
	b.pressWith("Slash", "?", 8)
	b.until(`document.querySelector('dialog#keys').open`)
	check("the keys")
	js[int](b, `(document.querySelector('dialog#keys').close(), 0)`)

	// 200 and 400 % of a window of 1440: as wide as this, and as high.
	for _, zoom := range []struct{ width, height int64 }{{720, 450}, {360, 225}} {
		b.do(chromedp.EmulateViewport(zoom.width, zoom.height))
		js[int](b, painted)
		if by := js[int](b, `document.documentElement.scrollWidth - innerWidth`); by > 0 {
			t.Errorf("%d px wide it scrolls sideways by %d", zoom.width, by)
		}
		for _, part := range []string{`#response .prose`, `[name=label]`, `[data-submit]`} {
			reached := js[bool](b, fmt.Sprintf(`(() => {
				const node = document.querySelector('%s')
				node.scrollIntoView({block: 'center'})
				const box = node.getBoundingClientRect()
				const top = Math.max(box.top, 0), bottom = Math.min(box.bottom, innerHeight)
				const there = document.elementFromPoint(box.left + Math.min(box.width / 2, 40), (top + bottom) / 2)
				return bottom > top && !!there && (node.contains(there) || !!there.closest('label, .prose, button')?.contains(node))
			})()`, part))
			if !reached {
				t.Errorf("%d by %d: %s cannot be reached", zoom.width, zoom.height, part)
			}
		}
		b.photograph(fmt.Sprintf("label-zoom-%d.png", zoom.width))
	}
	b.do(chromedp.EmulateViewport(1440, 900))

	b.media("forced-colors", "active")
	js[int](b, painted)
	check("forced colours")
	b.photograph("label-forced-colours.png")
	if got := js[string](b, `getComputedStyle(document.querySelector('.choice:has(:checked)')).outlineStyle`); got != "solid" {
		t.Errorf("the choice is outlined %s where washes are gone", got)
	}
	if got := js[string](b, `getComputedStyle(document.querySelector('#response mark')).borderTopStyle`); got != "solid" {
		t.Errorf("a mark is bordered %s where washes are gone", got)
	}
	for _, wrong := range b.wrong() {
		t.Error(wrong)
	}
}
