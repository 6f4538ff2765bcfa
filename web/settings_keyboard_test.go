package web

import (
	"net/url"
	"strings"
	"testing"

	"assay/internal/auth"
)

func TestAPersonChoosesTheirKeys(t *testing.T) {
	w := queued(t, "sql_query", "one")
	labeler, other := w.as(auth.Labeler), w.as(auth.Reviewer)
	labeler.post("/settings/keyboard", url.Values{"act": {"skip"}, "key": {"w"}}).to("/settings/keyboard#key-skip")
	page := labeler.get("/settings/keyboard").want(200)
	if got := page.text("#key-skip kbd"); got != "w" {
		t.Errorf("skip has %q", got)
	}
	address := labeler.next("sql_query")
	if got := labeler.get(address).want(200).attr(`[data-act=skip]`, "data-key"); got != "w" {
		t.Errorf("on the labeling page skip has %q", got)
	}
	if got := other.get("/settings/keyboard").want(200).text("#key-skip kbd"); got != "s" {
		t.Errorf("another person's skip has %q", got)
	}
	for name, c := range map[string]struct{ act, key, why string }{
		"another act's key":    {"later", "w", "“Skip, with a reason” has w."},
		"the browser's":        {"later", "Tab", "Tab belongs to the browser."},
		"a sequence's start":   {"later", "g", "has g "},
		"a sign":               {"later", "é", "Choose a letter, a digit"},
		"a fixed act":          {"submit_anywhere", "q", "keeps its key"},
		"no such act":          {"fly", "q", "There is no such act."},
		"hostile":              {"later", hostile[:8], "Choose a letter, a digit"},
		"its own, taken since": {"note", "m", "“Mark spans” has m."},
	} {
		answer := labeler.post("/settings/keyboard", url.Values{"act": {c.act}, "key": {c.key}}).want(409)
		if c.act == "later" || c.act == "note" {
			if got := answer.text("#key-" + c.act); !strings.Contains(got, c.why) {
				t.Errorf("%s: %q", name, got)
			}
		}
	}
	labeler.post("/settings/keyboard", url.Values{"act": {"later"}, "key": {"S"}}).want(303) // Shift and s
	labeler.post("/settings/keyboard", url.Values{"act": {"note"}, "key": {"s"}}).want(303)
	labeler.post("/settings/keyboard", url.Values{"act": {"skip"}}).want(409) // s is note's by now
	labeler.post("/settings/keyboard", url.Values{"act": {"note"}}).want(303)
	labeler.post("/settings/keyboard", url.Values{"act": {"skip"}}).want(303)
	if got := labeler.get("/settings/keyboard").want(200).text("#key-later kbd"); got != "Shift+S" {
		t.Errorf("later has %q", got)
	}
	labeler.post("/settings/keyboard", url.Values{}).want(303)
	if n := w.count(`SELECT count(*) FROM people WHERE keys <> '{}'`); n != 0 {
		t.Error("all have their own again")
	}
}

// The same page under four layouts: what is printed on a letter counts, and
// where a digit lies. code is the place on the keyboard, key what the layout
// gives there.
func TestKeysFollowTheLayout(t *testing.T) {
	type stroke struct {
		code, key string
		shift     bool
	}
	layouts := map[string]map[string]stroke{
		"us":      {"3": {"Digit3", "3", false}, "6": {"Digit6", "6", false}, "m": {"KeyM", "m", false}, "z": {"KeyZ", "z", false}, "c": {"KeyC", "c", false}, "?": {"Slash", "?", true}, "w": {"KeyW", "w", false}},
		"dvorak":  {"3": {"Digit3", "3", false}, "6": {"Digit6", "6", false}, "m": {"KeyM", "m", false}, "z": {"Slash", "z", false}, "c": {"KeyI", "c", false}, "?": {"BracketLeft", "?", true}, "w": {"Comma", "w", false}},
		"azerty":  {"3": {"Digit3", "\"", false}, "6": {"Digit6", "-", false}, "m": {"Semicolon", "m", false}, "z": {"KeyW", "z", false}, "c": {"KeyC", "c", false}, "?": {"KeyM", "?", true}, "w": {"KeyZ", "w", false}},
		"qwertz":  {"3": {"Digit3", "3", false}, "6": {"Digit6", "6", false}, "m": {"KeyM", "m", false}, "z": {"KeyY", "z", false}, "c": {"KeyC", "c", false}, "?": {"Minus", "?", true}, "w": {"KeyW", "w", false}},
		"capital": {"3": {"Digit3", "3", true}, "6": {"Digit6", "6", true}, "m": {"Semicolon", "m", false}, "z": {"KeyW", "z", false}, "c": {"KeyC", "c", false}, "?": {"KeyM", "?", true}, "w": {"KeyZ", "w", false}}, // AZERTY with caps lock: digits come with Shift
	}
	w := queued(t, "sql_query", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
	b := chromium(t)
	labeler := w.as(auth.Labeler)
	b.become(w, labeler)
	for name, keys := range layouts {
		t.Run(name, func(t *testing.T) {
			b := &tab{t, b.ctx}
			hit := func(label string) {
				k := keys[label]
				b.strike(k.code, k.key, k.shift)
			}
			b.open(w, labeler.next("sql_query"), 1440)
			js[int](b, painted)
			item := js[string](b, itemOnScreen)
			hit("3")
			b.until(`document.querySelector('[name=label]:checked')?.value === 'hallucinated'`)
			hit("6")
			b.until(`document.querySelectorAll('[name=reason]')[1].checked`)
			hit("m")
			b.until(`document.querySelector('.sentence.cursor')`)
			b.press("Space", " ")
			b.until(`document.querySelector('mark.w-bad')`)
			b.press("Escape", "Escape")
			hit("c")
			b.until(`document.activeElement.id === 'correction'`)
			js[int](b, `(document.activeElement.value = 'z m 3', document.activeElement.dispatchEvent(new Event('input', {bubbles: true})), 0)`)
			b.until(`document.querySelector('.edits ins')`)
			js[int](b, `(document.activeElement.blur(), 0)`)
			hit("?")
			b.until(`document.querySelector('#keys').open`)
			hit("w") // a dialog is open: nothing
			js[int](b, `(document.querySelector('#keys').close(), 0)`)
			js[int](b, painted) // focus leaves the dialog with the next frame
			js[int](b, `(document.dispatchEvent(new KeyboardEvent('keydown', {key: '@', code: 'KeyQ', modifierAltGraph: true, ctrlKey: true, altKey: true, bubbles: true})), 0)`)
			b.press("Enter", "Enter")
			b.until(`(` + itemOnScreen + `) !== '` + item + `'`)
			w.eventually(`SELECT count(*) FROM labels WHERE label = 'hallucinated' AND reasons = '{wrong_result}' AND spans <> '[]' AND item_id = `+item, 1)
			js[int](b, painted)
			hit("z")
			b.until(`(` + itemOnScreen + `) === '` + item + `'`)
			for _, wrong := range b.wrong() {
				t.Error(wrong)
			}
			page := labeler.get("/items/" + item).want(200)
			labeler.post(page.attr("#label-form", "action"), answerOn(page, "correct")).want(303)
		})
	}

	t.Run("pressing is choosing", func(t *testing.T) {
		b := &tab{t, b.ctx}
		b.open(w, "/settings/keyboard", 1440)
		js[int](b, `(document.querySelector('#key-skip input[name=key]').focus(), 0)`)
		b.press("KeyZ", "w") // AZERTY: the key that prints w
		b.until(`document.querySelector('#key-skip kbd')?.textContent === 'w'`)
		js[int](b, `(document.querySelector('#key-go_rates input[name=key]').focus(), 0)`)
		b.press("KeyG", "g")
		b.press("KeyX", "x")
		b.until(`document.querySelector('#key-go_rates kbd')?.textContent === 'g x'`)
		for _, found := range b.axe() {
			t.Error(found)
		}
		b.open(w, labeler.next("sql_query"), 1440)
		js[int](b, painted)
		b.press("KeyS", "s")
		b.press("KeyZ", "w")
		b.until(`document.querySelector('#skip:popover-open')`)
	})

	t.Run("single keys can be turned off", func(t *testing.T) {
		b := &tab{t, b.ctx}
		w.exec(`UPDATE people SET single_keys = false`)
		b.open(w, labeler.next("sql_query"), 1440)
		js[int](b, painted)
		b.press("Digit3", "3")
		b.press("KeyM", "m")
		js[int](b, painted)
		if js[bool](b, `!!document.querySelector('[name=label]:checked, .sentence.cursor')`) {
			t.Error("a single key did something")
		}
		if n := js[int](b, `document.querySelectorAll('#item kbd').length`); n != 0 {
			t.Errorf("%d key hints are shown", n)
		}
		w.exec(`UPDATE people SET single_keys = true`)
	})
}

// strike presses a key with or without Shift.
func (b *tab) strike(code, key string, shift bool) {
	b.t.Helper()
	if !shift {
		b.press(code, key)
		return
	}
	b.pressWith(code, key, 8)
}
