import { all, element, one, sign } from './dom.js'
import { keyOf } from './keys.js'

// Toasts say what just happened, count down, and wait while somebody is on
// them. Undo is a form: it works with a key, a click and after a reload.

const tones = { correct: 'ok', partial: 'mid', hallucinated: 'bad', 'cannot-tell': 'na' }

export function toast({ said, bold = '', mark = '', undo = '', seconds = 10 }) {
  const node = element('div', { class: 'toast row', role: 'status', 'data-toast': seconds })
  if (mark) node.append(sign('m-' + mark, 'mark t-' + (tones[mark] || 'na')))
  node.append(element('span', {}, said + ' ', element('b', {}, bold)))
  if (undo) {
    const form = element('form', { method: 'post', action: undo })
    const token = one('input[name=form_token]')
    if (token) form.append(token.cloneNode())
    const key = keyOf('undo', 'z')
    const cap = element('span', { class: 'keys', 'aria-hidden': 'true' }, element('kbd', {}, key))
    form.append(element('button', { class: 'button small', 'data-key': key, 'data-act': 'undo' }, 'Undo ', ...(key ? [cap] : [])))
    node.append(form, element('span', { class: 'toast-left', 'aria-hidden': 'true' }))
  }
  one('#toasts').replaceChildren(node)
  count(node)
  return node
}

function count(node) {
  let left = Number(node.dataset.toast) || 5
  const show = one('.toast-left', node)
  const timer = setInterval(() => {
    if (!node.isConnected) return clearInterval(timer)
    if (node.matches(':hover, :focus-within') || document.hidden) return
    left--
    if (show) show.textContent = left + ' s'
    if (left <= 0) {
      clearInterval(timer)
      node.remove()
    }
  }, 1000)
  if (show) show.textContent = left + ' s'
}

export function startToasts() {
  all('[data-toast]').forEach(count)
}
