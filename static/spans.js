import { all, element, on, one, tell } from './dom.js'
import { handle } from './keys.js'

// Marking what is hallucinated: sentence by sentence or word by word with the
// keyboard, any part with the mouse. A span is "start-end" in code points of
// the response. Whole sentences are the check boxes that are there without
// JavaScript too; other parts are hidden fields.

const letter = (i) => (i < 26 ? String.fromCharCode(97 + i) : letter(Math.floor(i / 26) - 1) + letter(i % 26))

// Marks are kept in the page's own fields, so that a draft, a submit and a
// page that was swapped in all see the same.
class Marking {
  constructor(box) {
    this.box = box
    this.sentences = all('.sentence', box).map((node) => ({
      node, start: Number(node.dataset.start), end: Number(node.dataset.end), points: [...bare(node)],
    }))
    this.spans = all('input[name=span]', box).filter((field) => field.type === 'hidden' || field.checked)
      .map((field) => field.value.split('-').map(Number))
    this.at = -1 // the sentence under the cursor
    this.word = -1 // the word under it; -1 is the whole sentence
  }

  get points() { return this.sentences.flatMap((s) => s.points) }

  // words are the places of one sentence's words, in code points of the response.
  words(sentence) {
    const found = []
    let at = sentence.start
    for (const run of sentence.points.join('').split(/(\s+)/)) {
      const length = [...run].length
      if (run.trim()) found.push([at, at + length])
      at += length
    }
    return found
  }

  toggle(start, end) {
    const i = this.spans.findIndex((span) => span[0] === start && span[1] === end)
    if (i >= 0) this.spans.splice(i, 1)
    else this.spans = [...this.spans.filter((span) => span[1] <= start || span[0] >= end), [start, end]]
    this.save()
  }

  // extend moves the end of the span under the cursor by one word.
  extend(step) {
    const words = this.sentences.flatMap((s) => this.words(s))
    const from = this.word >= 0 ? this.words(this.sentences[this.at])[this.word] : this.words(this.sentences[this.at])[0]
    const span = this.spans.find((one) => one[0] === from[0])
    const last = span ? words.findIndex((word) => word[1] >= span[1]) : words.findIndex((word) => word[0] === from[0]) - 1
    const next = Math.min(words.length - 1, last + step)
    if (span) this.spans = this.spans.filter((one) => one !== span)
    if (next >= 0 && words[next][0] >= from[0]) {
      this.spans = [...this.spans.filter((one) => one[1] <= from[0] || one[0] >= words[next][1]), [from[0], words[next][1]]]
    }
    this.save()
  }

  save() {
    this.spans.sort((a, b) => a[0] - b[0])
    const left = new Set(this.spans.map((span) => span.join('-')))
    for (const field of all('input[type=hidden][name=span]', this.box)) field.remove()
    for (const box of all('.sentence-check', this.box)) box.checked = left.delete(box.value)
    for (const value of left) this.box.append(element('input', { type: 'hidden', name: 'span', value }))
    this.draw()
    this.box.dispatchEvent(new Event('change', { bubbles: true }))
  }

  draw() {
    this.sentences.forEach((sentence, i) => this.drawSentence(sentence, i))
    const list = one('[data-span-list]')
    if (!list) return
    const points = this.points
    list.replaceChildren(...this.spans.map(([start, end], i) => {
      const drop = element('button', { type: 'button', class: 'icon-button', 'data-unmark': start + '-' + end, 'aria-label': 'Unmark ' + letter(i) }, '×')
      return element('li', {}, element('b', {}, letter(i)), element('span', { class: 'grow' }, points.slice(start, end).join('').trim()), drop)
    }))
  }

  drawSentence(sentence, i) {
    const number = one('sup[aria-hidden]', sentence.node)
    const cursor = i === this.at && this.word >= 0 ? this.words(sentence)[this.word] : null
    const cuts = new Set([sentence.start, sentence.end, ...this.spans.flat(), ...(cursor || [])].filter((at) => at >= sentence.start && at <= sentence.end))
    const places = [...cuts].sort((a, b) => a - b)
    const runs = []
    for (let k = 0; k + 1 < places.length; k++) {
      const text = sentence.points.slice(places[k] - sentence.start, places[k + 1] - sentence.start).join('')
      const span = this.spans.findIndex((one) => one[0] <= places[k] && one[1] >= places[k + 1])
      let run = document.createTextNode(text)
      if (span >= 0) {
        run = element('mark', { class: 'w-bad' }, text)
        if (this.spans[span][1] === places[k + 1]) run.append(element('sup', {}, letter(span)))
      }
      if (cursor && cursor[0] === places[k]) run = element('span', { class: 'cursor' }, run)
      runs.push(run)
    }
    sentence.node.replaceChildren(...(number ? [number] : []), ...runs)
    sentence.node.classList.toggle('cursor', i === this.at && this.word < 0)
  }

  go(i) {
    this.at = Math.min(this.sentences.length - 1, Math.max(0, i))
    this.word = -1
    this.draw()
    this.sentences[this.at].node.scrollIntoView({ block: 'nearest' })
    tell(`Sentence ${this.at + 1} of ${this.sentences.length}: ${this.sentences[this.at].points.join('')}`)
  }

  step(by) {
    this.word = Math.min(this.words(this.sentences[this.at]).length - 1, Math.max(-1, this.word + by))
    this.draw()
  }

  press() {
    const sentence = this.sentences[this.at]
    const [start, end] = this.word >= 0 ? this.words(sentence)[this.word] : [sentence.start, sentence.end]
    this.toggle(start, end)
    tell(this.spans.some((span) => span[0] === start) ? 'Marked' : 'Not marked')
  }

  leave() {
    this.at = this.word = -1
    this.draw()
    marking = null
    one('[data-mark]')?.setAttribute('aria-pressed', 'false')
    tell('Marking left')
  }
}

let marking = null

// bare is the text of a sentence without its number and letters.
function bare(node) {
  const copy = node.cloneNode(true)
  for (const sup of all('sup', copy)) sup.remove()
  return copy.textContent
}

// placeOf counts the code points from the start of the response to a point of
// the selection.
function placeOf(node, offset) {
  const sentence = (node.nodeType === 3 ? node.parentElement : node).closest?.('.sentence')
  if (!sentence) return null
  const range = document.createRange()
  range.setStart(sentence, 0)
  range.setEnd(node, offset)
  const holder = element('span', {}, range.cloneContents())
  return Number(sentence.dataset.start) + [...bare(holder)].length
}

// selected is what the mouse selected within the response, without the white
// space around it; null when nothing is.
function selected(box) {
  const selection = getSelection()
  if (selection.isCollapsed || !box.contains(selection.anchorNode) || !box.contains(selection.focusNode)) return null
  const range = selection.getRangeAt(0)
  let [start, end] = [placeOf(range.startContainer, range.startOffset), placeOf(range.endContainer, range.endOffset)]
  if (start === null || end === null) return null
  const points = new Marking(box).points
  while (start < end && !points[start].trim()) start++
  while (end > start && !points[end - 1].trim()) end--
  return start < end ? [start, end] : null
}

function begin() {
  const box = one('[data-spans]')
  if (!box) return
  const chosen = selected(box)
  if (chosen) {
    getSelection().removeAllRanges()
    new Marking(box).toggle(...chosen)
    return
  }
  if (marking) return marking.leave()
  marking = new Marking(box)
  document.activeElement?.blur()
  one('[data-mark]')?.setAttribute('aria-pressed', 'true')
  marking.go(0)
}

// beginMarking is what a refused submit calls: a span is still needed.
export const beginMarking = () => { if (!marking) begin() }

function markByKey(name) {
  if (!marking || !marking.box.isConnected) return (marking = null, false)
  const acts = {
    j: () => marking.go(marking.at + 1), ArrowDown: () => marking.go(marking.at + 1),
    k: () => marking.go(marking.at - 1), ArrowUp: () => marking.go(marking.at - 1),
    ArrowRight: () => marking.step(1), ArrowLeft: () => marking.step(-1),
    'Shift+ArrowRight': () => marking.extend(1), 'Shift+ArrowLeft': () => marking.extend(-1),
    Space: () => marking.press(), Escape: () => marking.leave(),
  }
  if (!acts[name]) return false
  acts[name]()
  return true
}

export function startSpans() {
  handle(markByKey)
  on('click', '[data-mark]', begin)
  on('click', '[data-unmark]', (e, button) => {
    const box = one('[data-spans]')
    if (!box) return
    const [start, end] = button.dataset.unmark.split('-').map(Number)
    const active = marking || new Marking(box)
    active.toggle(start, end)
  })
  document.addEventListener('mouseup', () => {
    if (!marking) return
    const chosen = selected(marking.box)
    if (!chosen) return
    getSelection().removeAllRanges()
    marking.toggle(...chosen)
  })
  // Without a mouse and without keys the boxes before the sentences do it.
  on('change', '.sentence-check', (e, box) => {
    const active = new Marking(box.closest('[data-spans]'))
    active.draw()
  })
}
