import { all, element, on, one, seen, tell } from './dom.js'
import { handle } from './keys.js'

// Marking what is hallucinated: sentence by sentence or word by word with the
// keyboard, any part with the mouse. A span is "start-end" in code points of
// the response. Whole sentences are the check boxes that are there without
// JavaScript too; other parts are hidden fields.

const letter = (i) => (i < 26 ? String.fromCharCode(97 + i) : letter(Math.floor(i / 26) - 1) + letter(i % 26))

// A fragment is a run of a sentence with what the markup put around it. It
// knows its signs by code points, and which of them are in a box of their own
// because nobody sees them.
class Fragment {
  constructor(node) {
    this.node = node
    this.start = Number(node.dataset.start)
    this.number = one('sup[aria-hidden]', node)
    this.points = []
    this.boxes = new Map()
    const texts = document.createTreeWalker(node, NodeFilter.SHOW_TEXT)
    while (texts.nextNode()) {
      const text = texts.currentNode
      if (text.parentElement.closest('sup')) continue
      const box = text.parentElement.closest('.unseen')
      if (box) this.boxes.set(this.points.length, box.dataset.code)
      this.points.push(...text.data)
    }
    this.end = this.start + this.points.length
    this.words = node.matches('.markup') ? '' : this.points.join('')
    this.drawn = null
  }

  // text is what stands from one place to another, with its boxes.
  text(from, to) {
    const parts = []
    let plain = from
    for (const [at, code] of this.boxes) {
      if (at < from || at >= to) continue
      parts.push(this.points.slice(plain, at).join(''), element('bdi', { class: 'unseen', 'data-code': code }, this.points[at]))
      plain = at + 1
    }
    return [...parts, this.points.slice(plain, to).join('')]
  }
}

// Marks are kept in the page's own fields, so that a draft, a submit and a
// page that was swapped in all see the same.
class Marking {
  constructor(box) {
    this.box = box
    this.fragments = all('.sentence', box).map((node) => new Fragment(node))
    this.sentences = []
    for (const fragment of this.fragments) {
      if ('more' in fragment.node.dataset) this.sentences.at(-1).fragments.push(fragment)
      else this.sentences.push({ fragments: [fragment] })
    }
    for (const sentence of this.sentences) {
      sentence.start = sentence.fragments[0].start
      sentence.end = sentence.fragments.at(-1).end
      sentence.points = sentence.fragments.flatMap((fragment) => fragment.points)
    }
    this.read()
    this.at = -1 // the sentence under the cursor
    this.word = -1 // the word under it; -1 is the whole sentence
  }

  // read takes the marks from the page's fields.
  read() {
    this.spans = all('input[name=span]', this.box).filter((field) => field.type === 'hidden' || field.checked)
      .map((field) => field.value.split('-').map(Number)).sort((a, b) => a[0] - b[0])
  }

  get points() { return this.sentences.flatMap((s) => s.points) }

  // words are the places of one sentence's words, in code points of the response.
  words(sentence) {
    if (sentence.words) return sentence.words
    const found = []
    let at = sentence.start
    for (const run of sentence.points.join('').split(/(\s+)/)) {
      const length = [...run].length
      if (run.trim()) found.push([at, at + length])
      at += length
    }
    return sentence.words = found
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
    this.ends = this.spans.map(([start, end]) => this.lastSeen(start, end))
    this.sentences.forEach((sentence, i) => {
      const cursor = i === this.at && this.word >= 0 ? this.words(sentence)[this.word] : null
      for (const fragment of sentence.fragments) this.drawFragment(fragment, cursor, i === this.at && this.word < 0)
    })
    const list = one('[data-span-list]')
    if (!list) return
    const points = this.points
    list.replaceChildren(...this.spans.map(([start, end], i) => {
      const drop = element('button', { type: 'button', class: 'icon-button', 'data-unmark': start + '-' + end, 'aria-label': 'Unmark ' + letter(i) }, '×')
      return element('li', {}, element('b', {}, letter(i)), element('span', { class: 'grow' }, points.slice(start, end).join('').trim()), drop)
    }))
  }

  // lastSeen is the place of a span's last sign that is on screen: its letter
  // stands there.
  lastSeen(start, end) {
    for (const fragment of this.fragments.toReversed()) {
      if (fragment.start >= end || fragment.end <= start || !fragment.words) continue
      for (let at = Math.min(end, fragment.end); at > Math.max(start, fragment.start); at--) {
        if (fragment.points[at - 1 - fragment.start].trim()) return at
      }
    }
    return end
  }

  // drawFragment changes what looks different from when it was drawn last.
  drawFragment(fragment, cursor, whole) {
    const { node, start, end } = fragment
    const inside = (at) => at >= start && at <= end
    const spans = this.spans.map((span, i) => [...span, this.ends[i], letter(i)]).filter((span) => span[0] < end && span[1] > start)
    const word = cursor && cursor[0] < end && cursor[1] > start ? cursor : null
    const looks = JSON.stringify([spans, word])
    node.classList.toggle('cursor', whole)
    if (looks === (fragment.drawn ?? '[[],null]') && !(fragment.drawn === null && one('mark', node))) return
    fragment.drawn = looks
    const places = [...new Set([start, end, ...spans.flatMap((span) => span.slice(0, 3)), ...(word || [])].filter(inside))].sort((a, b) => a - b)
    const runs = []
    for (let k = 0; k + 1 < places.length; k++) {
      const [from, to] = [places[k], places[k + 1]]
      const text = fragment.text(from - start, to - start)
      const span = spans.find((each) => each[0] <= from && each[1] >= to)
      let run = text
      if (span) {
        run = [element('mark', { class: 'w-bad' }, ...text)]
        if (span[2] === to) run[0].append(element('sup', {}, span[3]))
      }
      if (word && word[0] <= from && word[1] >= to) run = [element('span', { class: 'cursor' }, ...run)]
      runs.push(...run)
    }
    node.replaceChildren(...(fragment.number ? [fragment.number] : []), ...runs)
  }

  // go leads to the next sentence that is on screen in this direction.
  go(i) {
    const by = i < this.at ? -1 : 1
    let to = Math.min(this.sentences.length - 1, Math.max(0, i))
    while (this.sentences[to] && !this.sentences[to].fragments.some((fragment) => seen(fragment.node))) to += by
    if (!this.sentences[to]) return
    this.at = to
    this.word = -1
    this.draw()
    const sentence = this.sentences[to]
    sentence.fragments.find((fragment) => seen(fragment.node)).node.scrollIntoView({ block: 'nearest' })
    tell(`Sentence ${to + 1} of ${this.sentences.length}: ${sentence.points.join('')}`)
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

// markingOf is the marking that goes on in a response, or one for a single act.
const markingOf = (box) => (marking?.box === box ? marking : new Marking(box))

// placeOf counts the code points from the start of the response to a point of
// the page: the fragments before it and what of one lies before.
function placeOf(box, node, offset) {
  const range = document.createRange()
  range.setStart(box, 0)
  range.setEnd(node, offset)
  const holder = element('div', {}, range.cloneContents())
  for (const sup of all('sup', holder)) sup.remove()
  return [...holder.textContent].length
}

// selected is what the mouse selected within the response, without the white
// space around it; null when nothing is. A selection that leaves the response
// ends at its edge.
function selected(box) {
  const selection = getSelection()
  if (selection.isCollapsed || !selection.rangeCount) return null
  const range = selection.getRangeAt(0)
  if (!range.intersectsNode(box) || !(box.contains(selection.anchorNode) || box.contains(selection.focusNode))) return null
  const points = markingOf(box).points
  let start = box.contains(range.startContainer) ? placeOf(box, range.startContainer, range.startOffset) : 0
  let end = box.contains(range.endContainer) ? placeOf(box, range.endContainer, range.endOffset) : points.length
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
    markingOf(box).toggle(...chosen)
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
  const letters = document.documentElement.dataset.keys === 'off' ? {} : { j: () => marking.go(marking.at + 1), k: () => marking.go(marking.at - 1) }
  const acts = {
    ...letters,
    ArrowDown: () => marking.go(marking.at + 1), ArrowUp: () => marking.go(marking.at - 1),
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
    markingOf(box).toggle(start, end)
    one('[data-mark]')?.focus()
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
    const active = markingOf(box.closest('[data-spans]'))
    active.read()
    active.draw()
  })
}
