import { all, element, on, one } from './dom.js'

// A correction is compared with what it corrects while it is written, word by
// word, as the server draws it afterwards. Long texts are shown as taken out
// and put in whole.

const wordsIn = (text) => text.match(/[\p{L}\p{Nd}_]+|\s+|[^]/gu) || []

export function editsOf(before, after) {
  const [a, b] = [wordsIn(before), wordsIn(after)]
  let head = 0
  let tail = 0
  while (head < a.length && head < b.length && a[head] === b[head]) head++
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++
  const runs = []
  const add = (op, text) => {
    if (!text) return
    const last = runs[runs.length - 1]
    if (last?.op === op) last.text += text
    else runs.push({ op, text })
  }
  add(' ', a.slice(0, head).join(''))
  const [from, to] = [a.slice(head, a.length - tail), b.slice(head, b.length - tail)]
  if (from.length > 600 || to.length > 600) {
    add('-', from.join(''))
    add('+', to.join(''))
  } else {
    const common = Array.from({ length: from.length + 1 }, () => new Uint16Array(to.length + 1))
    for (let i = from.length - 1; i >= 0; i--) {
      for (let j = to.length - 1; j >= 0; j--) common[i][j] = from[i] === to[j] ? common[i + 1][j + 1] + 1 : Math.max(common[i + 1][j], common[i][j + 1])
    }
    let [i, j] = [0, 0]
    while (i < from.length || j < to.length) {
      if (i < from.length && j < to.length && from[i] === to[j]) {
        add(' ', from[i++])
        j++
      } else if (j === to.length || (i < from.length && common[i + 1][j] >= common[i][j + 1])) add('-', from[i++])
      else add('+', to[j++])
    }
  }
  add(' ', a.slice(a.length - tail).join(''))
  return runs
}

export function showEdits(field) {
  const text = field.value
  let place = one('.edits', field.parentElement)
  if (!text.trim() || text === field.dataset.editsOf) return place?.remove()
  if (!place) {
    place = element('p', { class: 'edits code small well', role: 'group', 'aria-label': 'What the correction changes' })
    field.after(place)
  }
  const sign = { '-': ['del', 'marked w-bad'], '+': ['ins', 'marked w-ok'] }
  place.replaceChildren(...editsOf(field.dataset.editsOf, text).map(({ op, text }) => (sign[op] ? element(sign[op][0], { class: sign[op][1] }, text) : text)))
}

export function startEdits() {
  on('input', '[data-edits-of]', (e, field) => showEdits(field))
  all('[data-edits-of]').forEach(showEdits)
}
