package web

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"assay/internal/auth"
)

// emulateNetwork is what every Chromium understands, old and new.
var emulateNetwork = cdp.Command[network.OverrideNetworkStateParams, cdp.Empty]{Method: "Network.emulateNetworkConditions"}

// offline cuts the tab off, or connects it again.
func (b *tab) offline(off bool) {
	b.t.Helper()
	b.do(func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		if _, err := cdp.Call(ctx, target, network.Enable, network.EnableParams{}); err != nil {
			return chromedp.Void{}, err
		}
		params := network.OverrideNetworkStateParams{Offline: off, DownloadThroughput: -1, UploadThroughput: -1}
		_, err := cdp.Call(ctx, target, emulateNetwork, params)
		return chromedp.Void{}, err
	})
}

// fill types a note and chooses a label, as the page has it.
func (b *tab) fill(label, note string) {
	b.t.Helper()
	js[int](b, fmt.Sprintf(`(() => {
		document.querySelector('[name=label][value=%s]').click()
		const note = document.querySelector('[name=note]')
		note.value = %q
		note.dispatchEvent(new Event('input', {bubbles: true}))
		return 0
	})()`, label, note))
}

const submitButton = `(document.querySelector('[data-submit]').click(), 0)`

// What a person wrote outlives the network, their sign-in and their lease.
func TestNobodysTextIsLost(t *testing.T) {
	w := queued(t, "sql_query", "one", "two", "three", "four", "five")
	labeler := w.as(auth.Labeler)
	b := chromium(t)
	b.become(w, labeler)
	b.open(w, labeler.next("sql_query"), 1440)
	item := func() string { t.Helper(); return js[string](b, itemOnScreen) }
	notice := `document.querySelector('.session [data-notice]')?.textContent || ''`

	// The network goes away: two labels wait, and are sent once each when it is back.
	first := item()
	js[int](b, painted)
	b.until(`performance.getEntriesByType('resource').some((e) => e.name.includes('/ahead'))`)
	js[int](b, painted)
	b.offline(true)
	b.fill("correct", "written offline")
	js[int](b, submitButton)
	b.until(`document.querySelector('#waiting')?.textContent.includes('wait')`)
	if n := w.count(`SELECT count(*) FROM labels`); n != 0 {
		t.Errorf("offline, and %d labels have arrived", n)
	}
	if got := js[string](b, `sessionStorage.getItem('assay.unsent') || ''`); !strings.Contains(got, "written+offline") {
		t.Errorf("what waits outlives a reload: %q", got)
	}
	b.offline(false)
	js[int](b, `(dispatchEvent(new Event('online')), 0)`)
	w.eventually(`SELECT count(*) FROM labels l JOIN label_texts t ON t.label_id = l.id WHERE note = 'written offline'`, 1)
	b.until(`!document.querySelector('#waiting') && !sessionStorage.getItem('assay.unsent')`)
	b.until(fmt.Sprintf(`(%[1]s) && (%[1]s) !== '%[2]s' && document.querySelector('#label-form')`, itemOnScreen, first))

	// The sign-in ends while the next is written.
	second := item()
	w.exec(`DELETE FROM sign_in_sessions WHERE person_id = $1`, w.ids[auth.Labeler])
	js[int](b, painted)
	b.fill("hallucinated", "after the sign-in had ended")
	js[int](b, submitButton)
	b.until(`document.querySelector('.session [data-go-on]')`)
	if got := js[string](b, notice); !strings.Contains(got, "Your sign-in has ended or changed. What you wrote is kept in this tab. Sign in and go on") {
		t.Errorf("it says so: %q", got)
	}
	link := js[string](b, `document.querySelector('.session [data-go-on]').getAttribute('href')`)
	if !strings.HasPrefix(link, "/login?next="+url.QueryEscape("/items/")) {
		t.Errorf("the way back leads to the item: %q", link)
	}
	if n := w.count(`SELECT count(*) FROM labels WHERE item_id = ` + second); n != 0 {
		t.Error("a label was taken from nobody")
	}
	// Somebody else signs in first, in the same tab: they get nothing of it.
	other := w.signIn(w.person("other@example.org", auth.Labeler))
	theirs := other.next("sql_query")
	js[string](b, fmt.Sprintf(`document.cookie = 'assay-session=%s; path=/'`, other.cookies["assay-session"]))
	js[int](b, `(dispatchEvent(new Event('beforeunload')), document.querySelector('.session [data-go-on]').addEventListener('click', (e) => e.preventDefault()), document.querySelector('.session [data-go-on]').click(), 0)`)
	b.open(w, theirs, 1440)
	js[int](b, painted)
	if got := js[string](b, `document.querySelector('[name=note]').value`); got != "" {
		t.Errorf("somebody else's words: %q", got)
	}
	labeler = w.as(auth.Labeler)
	b.become(w, labeler)
	b.open(w, link, 1440) // as the sign-in leads back
	w.eventually(`SELECT count(*) FROM labels l JOIN label_texts t ON t.label_id = l.id WHERE note = 'after the sign-in had ended' AND l.item_id = `+second, 1)
	if n := w.count(`SELECT count(*) FROM labels WHERE item_id = ` + second); n != 1 {
		t.Errorf("once, got %d", n)
	}

	b.until(fmt.Sprintf(`(%[1]s) && (%[1]s) !== '%[2]s' && document.querySelector('#label-form')`, itemOnScreen, second)) // the work goes on by itself

	// Presence renews, but not from a tab that nobody sees.
	b.open(w, labeler.next("sql_query"), 1440)
	b.until(`(` + itemOnScreen + `) && document.querySelector('#label-form')`)
	third := item()
	js[int](b, painted)
	soon := `UPDATE reservations SET lease_until = clock_timestamp() + interval '30 seconds' WHERE state = 'held'`
	renewed := `SELECT count(*) FROM reservations WHERE state = 'held' AND lease_until > clock_timestamp() + interval '10 minutes' AND item_id = ` + third
	w.exec(soon)
	js[int](b, `(Object.defineProperty(document, 'hidden', {configurable: true, get: () => true}), dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true})), 0)`)
	js[int](b, painted)
	if n := w.count(renewed); n != 0 {
		t.Error("a hidden tab renewed the lease")
	}
	js[int](b, `(delete document.hidden, document.querySelector('#lease').textContent = '0:01', document.dispatchEvent(new Event('visibilitychange')), 0)`)
	w.eventually(renewed, 1)
	b.until(`/^1[45]:/.test(document.querySelector('#lease').textContent)`) // and the page says so

	// The lease ends while the laptop is closed, and another labels the item. The
	// page come back to says so; what was written counts as one more reading.
	b.fill("partially_correct", "before the lid was closed")
	w.eventually(`SELECT count(*) FROM drafts WHERE body->>'note' = 'before the lid was closed'`, 1)
	w.exec(`UPDATE reservations SET lease_until = clock_timestamp() - interval '1 second' WHERE state = 'held'`)
	w.exec(`UPDATE items SET lifted = 1 WHERE id = ` + third)
	address := other.next("sql_query")
	for strings.TrimPrefix(address, "/items/") != third {
		page := other.get(address).want(200)
		address = other.post(page.attr("#label-form", "action"), answerOn(page, "correct")).want(303).Header.Get("Location")
		address, _, _ = strings.Cut(address, "?")
	}
	page := other.get(address).want(200)
	other.post(page.attr("#label-form", "action"), answerOn(page, "correct")).want(303)
	w.exec(`UPDATE items SET wanted = taken WHERE id = ` + third)
	js[int](b, `(dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true})), 0)`)
	b.until(`document.querySelector('.session [data-go-on]')`)
	if got := js[string](b, notice); !strings.Contains(got, "Your reservation of this item has ended. What you wrote is kept as a draft. Reserve it again") {
		t.Errorf("the page says what has happened: %q", got)
	}
	js[int](b, `(document.querySelector('.session [data-go-on]').click(), 0)`)
	again := fmt.Sprintf(`form[action="/items/%s/again"]`, third)
	b.until(fmt.Sprintf(`document.querySelector('%s button')`, again))
	js[int](b, fmt.Sprintf(`(document.querySelector('%s button').click(), 0)`, again))
	b.until(`document.querySelector('#label-form') && document.querySelector('[name=note]').value === 'before the lid was closed'`)
	js[int](b, painted)
	js[int](b, submitButton)
	w.eventually(`SELECT count(*) FROM labels l JOIN label_texts t ON t.label_id = l.id WHERE note = 'before the lid was closed' AND label = 'partially_correct'`, 1)
	for _, wrong := range b.wrong() {
		if !strings.Contains(wrong, "Failed to fetch") {
			t.Error(wrong)
		}
	}
}
