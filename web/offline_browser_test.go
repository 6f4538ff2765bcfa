package web

import (
	"context"
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"assay/internal/auth"
)

// online takes the tab off the network and puts it back.
func (b *tab) online(yes bool) {
	b.t.Helper()
	b.do(func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, target, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
			MatchedNetworkConditions: []*network.Conditions{{Offline: !yes, DownloadThroughput: -1, UploadThroughput: -1}}})
		return chromedp.Void{}, err
	})
}

// What a labeler does while the network is away: labels wait, the last word on
// an item is the one that counts, and when it is back the work goes on by itself.
func TestLabelsOutliveTheNetwork(t *testing.T) {
	w := queued(t, "sql_query", "one", "two", "three", "four")
	b := chromium(t)
	labeler := w.as(auth.Labeler)
	b.become(w, labeler)
	b.open(w, "/", 1440)
	b.press("Enter", "Enter")
	b.until(`document.querySelector('#label-form')`)
	js[int](b, painted)
	// The next item is there before the network goes: it was fetched ahead.
	b.until(`performance.getEntriesByType('resource').some((e) => /\/ahead$/.test(e.name) && e.responseEnd)`)
	js[int](b, painted)
	choose := func(n int) {
		t.Helper()
		b.press(fmt.Sprintf("Digit%d", n), fmt.Sprint(n))
		b.until(fmt.Sprintf(`document.querySelectorAll('[name=label]')[%d].checked`, n-1))
		js[int](b, painted)
		b.press("Enter", "Enter")
	}
	b.online(false)
	first := js[string](b, itemOnScreen)
	choose(1)
	b.until(fmt.Sprintf(`(%[1]s) && (%[1]s) !== '%[2]s'`, itemOnScreen, first))
	b.until(`document.querySelector('#waiting')?.textContent.includes('One label waits')`)
	second := js[string](b, itemOnScreen)
	js[int](b, painted)
	choose(2)
	b.until(`document.querySelector('#waiting').textContent.includes('2 labels wait')`)
	choose(3) // thought better of it
	b.until(`document.querySelectorAll('[name=label]')[2].checked && document.querySelector('#waiting').textContent.includes('2 labels wait')`)
	if got := js[string](b, itemOnScreen); got != second {
		t.Fatalf("without a network there is no next item: want %s, got %s", second, got)
	}
	for _, found := range b.axe() {
		t.Error(found)
	}

	b.online(true)
	js[int](b, `(dispatchEvent(new Event('online')), 0)`) // which a browser says when its network is back
	b.until(fmt.Sprintf(`!document.querySelector('#waiting') && (%[1]s) && (%[1]s) !== '%[2]s'`, itemOnScreen, second))
	w.eventually(`SELECT count(*) FROM labels`, 2)
	if n := w.count(`SELECT count(*) FROM labels WHERE item_id = $1 AND label = 'correct'`, first); n != 1 {
		t.Error("the first label did not arrive")
	}
	if n := w.count(`SELECT count(*) FROM labels WHERE item_id = $1 AND label = 'hallucinated'`, second); n != 1 {
		t.Error("the last word on the second item is not the one that counts")
	}
	b.until(`document.querySelector('#toasts form[action$="/undo"]')`)

	// What another tab said meanwhile stands, and the refusal leads to it.
	third := js[string](b, itemOnScreen)
	labeler.post("/items/"+third+"/labels", answerOn(labeler.get("/items/"+third).want(200), "correct")).want(303)
	js[int](b, painted)
	choose(4)
	b.until(fmt.Sprintf(`(%s) === '%s' && document.querySelector('[data-notice] a[href="/items/%[2]s"]')`, itemOnScreen, third))
	for _, found := range b.axe() {
		t.Error(found)
	}
	for _, wrong := range b.wrong() {
		t.Error(wrong)
	}
}

// A skip or a Later that was a slip of the finger is taken back with the same
// key as a label, and before any label.
func TestASkipIsTakenBack(t *testing.T) {
	w := queued(t, "sql_query", "one", "two", "three", "four")
	b := chromium(t)
	labeler := w.as(auth.Labeler)
	b.become(w, labeler)
	b.open(w, labeler.next("sql_query"), 1440)
	js[int](b, painted)
	first := js[string](b, itemOnScreen)
	b.press("Digit1", "1")
	b.until(`document.querySelector('[name=label]:checked')`)
	b.press("Enter", "Enter")
	for _, leave := range []struct{ does, button, state string }{{"skip", `[data-leave=skip]`, "skipped"}, {"later", `[formaction$="/later"]`, "put_off"}} {
		b.until(fmt.Sprintf(`(%[1]s) && (%[1]s) !== '%[2]s' && !document.querySelector('.pending')`, itemOnScreen, first))
		js[int](b, painted)
		left := js[string](b, itemOnScreen)
		js[int](b, fmt.Sprintf(`(document.querySelector('%s').click(), 0)`, leave.button))
		b.until(fmt.Sprintf(`document.querySelector('#toasts form[action="/items/%s/again"]')`, left))
		if n := w.count(`SELECT count(*) FROM reservations WHERE item_id = $1 AND state = $2`, left, leave.state); n != 1 {
			t.Fatalf("%s left no %s reservation", leave.does, leave.state)
		}
		js[int](b, painted)
		b.press("KeyZ", "z")
		b.until(fmt.Sprintf(`(%s) === '%s' && document.querySelector('#label-form')`, itemOnScreen, left))
	}
	if n := w.count(`SELECT count(*) FROM labels WHERE item_id = $1 AND revision = 1 AND label = 'correct'`, first); n != 1 || w.count(`SELECT count(*) FROM labels`) != 1 {
		t.Error("z took back a label instead of what was done last")
	}
	for _, wrong := range b.wrong() {
		t.Error(wrong)
	}
}
