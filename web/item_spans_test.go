package web

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"assay/internal/auth"
)

// dragAcross selects with the mouse from the first words to the last, which
// may stand in different lines and elements.
func (b *tab) dragAcross(from, to string) {
	b.t.Helper()
	places := js[[]float64](b, fmt.Sprintf(`(() => {
		const find = (words) => {
			const texts = document.createTreeWalker(document.querySelector('#response .prose'), NodeFilter.SHOW_TEXT)
			for (let text = texts.nextNode(); text; text = texts.nextNode()) {
				const at = text.data.indexOf(words)
				if (at < 0 || text.parentElement.closest('sup')) continue
				const range = document.createRange()
				range.setStart(text, at)
				range.setEnd(text, at + words.length)
				if (range.getClientRects().length) return range
			}
		}
		const [from, to] = [find(%q), find(%q)]
		to.startContainer.parentElement.scrollIntoView({block: 'center'})
		// An edge is where the range is, seen from the first and the last sign: right to left it lies the other way.
		const edge = (range, end) => {
			const one = document.createRange()
			const size = /[\uD800-\uDBFF]/.test(range.toString()) ? 2 : 1
			one.setStart(range.startContainer, end ? range.endOffset - size : range.startOffset)
			one.setEnd(range.startContainer, end ? range.endOffset : range.startOffset + size)
			const box = one.getClientRects()[0]
			const leftward = /[\u0590-\u08FF]/.test(one.toString())
			return [leftward === end ? box.left + 0.5 : box.right - 0.5, box.top + box.height / 2]
		}
		const start = edge(from, false)
		return [...start, ...edge(to, true)]
	})()`, from, to))
	for i, kind := range []input.DispatchMouseEventType{input.DispatchMouseEventTypeMousePressed, input.DispatchMouseEventTypeMouseMoved, input.DispatchMouseEventTypeMouseReleased} {
		at := places[:2]
		if i > 0 {
			at = places[2:]
		}
		b.do(func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
			params := input.DispatchMouseEventParams{Type: kind, X: at[0], Y: at[1], Button: input.MouseButtonLeft, ClickCount: 1}
			_, err := cdp.Call(ctx, target, input.DispatchMouseEvent, params)
			return chromedp.Void{}, err
		})
	}
}

// fieldSpans are the marked places as the form would send them.
func (b *tab) fieldSpans() string {
	b.t.Helper()
	return js[string](b, `new FormData(document.querySelector('#label-form')).getAll('span').join(' ')`)
}

// Whatever a response is written in, and however it is shown, what is marked
// is the same place of the text as it was written, and survives the draft.
func TestMarkedPlacesArePlacesOfTheTextAsWritten(t *testing.T) {
	const lead = "Here it is. The sum is 10. "
	long := strings.Repeat("A line of the long answer, number by number. It goes on.\n", 1_750) + "The last word."
	cases := []struct {
		name, text, from, to, marks string
		long                        bool
	}{
		{name: "across lines", text: "one two\nthree four\n\nfive six", from: "two", to: "three", marks: "two\nthree"},
		{name: "Markdown", text: "a **bold** word\n\n- first `code` item\n- second item", from: "bold", to: "first", marks: "bold** word\n\n- first"},
		{name: "a table", text: "see:\n\n| name | n |\n|---|---|\n| alpha | 17 |\n| beta | 18 |", from: "alpha", to: "18", marks: "alpha | 17 |\n| beta | 18"},
		{name: "right to left", text: "שלום עולם. זה שקר גמור.", from: "שקר", to: "שקר", marks: "שקר"},
		{name: "emoji and marks", text: "e\u0301te\u0301 👩\u200d💻😀 x wrong 👍🏽 end", from: "wrong", to: "👍🏽", marks: "wrong 👍🏽"},
		{name: "unseen signs", text: "pay\u200bpal looks \u202eevil\u202c and so on", from: "looks", to: "and", marks: "looks \u202eevil\u202c and"},
		{name: "lines of Windows", text: "one two\r\nthree four\r\nfive six", from: "four", to: "five", marks: "four\r\nfive"},
		{name: "a hundred kilobytes", text: long, from: "The last", to: "word", marks: "The last word", long: true},
	}
	var texts []string
	for _, c := range cases {
		texts = append(texts, c.text)
	}
	w := queued(t, "sql_query", texts...)
	b := chromium(t)
	labeler := w.as(auth.Labeler)
	b.become(w, labeler)
	for range cases {
		address := labeler.next("sql_query")
		var said string
		if err := w.pool.QueryRow(t.Context(), `SELECT snapshot->>'response' FROM items WHERE id = $1`, strings.TrimPrefix(address, "/items/")).Scan(&said); err != nil {
			t.Fatal(err)
		}
		i := 0
		for cases[i].text != strings.TrimPrefix(said, lead) {
			i++
		}
		c := cases[i]
		t.Run(c.name, func(t *testing.T) {
			b := &tab{t, b.ctx}
			points := []rune(said)
			at := strings.Index(said, c.marks)
			want := fmt.Sprintf("%d-%d", len([]rune(said[:at])), len([]rune(said[:at]))+len([]rune(c.marks)))
			b.open(w, address, 1440)
			js[int](b, painted)
			b.press("Digit3", "3")
			b.dragAcross(c.from, c.to)
			b.press("KeyM", "m")
			if got := b.fieldSpans(); got != want {
				t.Fatalf("marked %q, the mouse wanted %q: %s, got %s", markedWords(points, got), c.marks, want, got)
			}
			if got := js[string](b, `document.querySelector('[data-span-list] .grow').textContent`); got != strings.TrimSpace(c.marks) {
				t.Errorf("the list says %q", got)
			}
			if got := js[string](b, `(() => { const copy = document.querySelector('#response .prose').cloneNode(true); copy.querySelectorAll('sup').forEach((s) => s.remove()); return copy.textContent })()`); got != said {
				t.Errorf("marking changed the text")
			}
			if n := js[int](b, `document.querySelectorAll('#response mark sup').length`); n != 1 {
				t.Errorf("%d letters for one mark", n)
			}

			// The draft, and a page loaded anew, have the same; so has the other way to read it.
			b.until(`document.querySelector('[data-draft-state]').textContent.startsWith('Draft saved')`)
			b.open(w, address, 1440)
			js[int](b, painted)
			if got := b.fieldSpans(); got != want {
				t.Errorf("after a new load: want %s, got %s", want, got)
			}
			if js[bool](b, `!!document.querySelector('#response .rich')`) {
				js[int](b, `(document.querySelector('[data-view=written]').click(), 0)`)
				if shown := js[string](b, `document.querySelector('#response .prose').innerText.replace(/\s+/g, ' ')`); !strings.Contains(shown, "**bold**") && !strings.Contains(shown, "|---|") {
					t.Errorf("as written it shows %q", shown)
				}
				b.press("KeyM", "m") // by keyboard: the mark goes, and comes back with the mouse
				b.press("Escape", "Escape")
				js[int](b, `(document.querySelector('[data-unmark]').click(), 0)`)
				if got := b.fieldSpans(); got != "" {
					t.Errorf("unmarked: %s", got)
				}
				b.dragAcross(c.from, c.to)
				js[int](b, `(document.querySelector('[data-mark]').click(), 0)`)
				if got := b.fieldSpans(); got != want {
					t.Errorf("as written, marked %q: want %s, got %s", markedWords(points, got), want, got)
				}
				js[int](b, `(document.querySelector('[data-view=rendered]').click(), 0)`)
			}

			// Sentence by sentence: to the second and back, the first whole.
			if c.long {
				begun := js[float64](b, `performance.now()`)
				b.press("KeyM", "m")
				for range 20 {
					b.press("KeyJ", "j")
				}
				b.until(`document.querySelector('#live').textContent.startsWith('Sentence 21 of')`)
				if took := js[float64](b, `performance.now()`) - begun; took > 10_000 {
					t.Errorf("twenty steps took %.0f ms", took)
				}
			} else {
				b.press("KeyM", "m")
				b.press("KeyJ", "j")
				b.press("KeyK", "k")
			}
			b.press("Space", " ")
			two := strings.Fields(b.fieldSpans())
			if len(two) != 2 || strings.TrimSpace(markedWords(points, two[0]+" "+two[1])) == "" {
				t.Errorf("a sentence by keyboard beside it: %v", two)
			}
			b.press("Space", " ")
			b.press("Escape", "Escape")
			for _, wrong := range b.wrong() {
				t.Error(wrong)
			}
			if !c.long {
				for _, found := range b.axe() {
					t.Error(found)
				}
			}
			item := js[string](b, itemOnScreen)
			b.press("Enter", "Enter")
			w.eventually(`SELECT count(*) FROM labels WHERE item_id = `+item, 1)
			var stored []byte
			if err := w.pool.QueryRow(t.Context(), `SELECT spans FROM labels WHERE item_id = $1`, item).Scan(&stored); err != nil {
				t.Fatal(err)
			}
			var spans []struct{ Start, End int }
			if err := json.Unmarshal(stored, &spans); err != nil || len(spans) != 1 || string(points[spans[0].Start:spans[0].End]) != c.marks {
				t.Errorf("the label has %s, want %q", stored, c.marks)
			}
		})
	}
}

func markedWords(points []rune, spans string) string {
	words := ""
	for _, span := range strings.Fields(spans) {
		var start, end int
		fmt.Sscanf(span, "%d-%d", &start, &end)
		if start >= 0 && end <= len(points) && start <= end {
			words += string(points[start:end]) + "|"
		}
	}
	return words
}
