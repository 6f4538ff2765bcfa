import { all, on, one, seen, tell } from './dom.js'

// The keyboard map. A key presses the control that carries it in data-key, so
// no key does what no button does. Digits go by their place on the keyboard,
// letters by what is printed on them. Keys sleep while a person types or
// composes, with a dialog open, with other modifiers, on repeat, and until
// what was swapped in has been painted.

const handlers = []
const down = new Set()
const stale = new Set()
let sleeping = 0
let prefix = ''
let prefixTimer

// handle lets a module answer keys before the buttons do; it returns true for
// what it took.
export const handle = (answer) => handlers.unshift(answer)

// sleep and wake enclose a swap. Keys that are down at that moment count only
// after they were let go.
export function sleep() {
  sleeping++
  document.documentElement.dataset.asleep = ''
  for (const code of down) stale.add(code)
}
export function wake() {
  sleeping = Math.max(0, sleeping - 1)
  if (!sleeping) delete document.documentElement.dataset.asleep
}
export const asleep = () => sleeping > 0

const typing = (node) => node.isContentEditable || node.matches('textarea, select, input:not([type=radio], [type=checkbox], [type=submit], [type=button])')

export function keyName(e) {
  const digit = /^Digit([0-9])$/.exec(e.code)
  if (digit && (!e.shiftKey || e.key === digit[1])) return digit[1]
  if (e.key === ' ') return 'Space'
  const letter = e.key.length === 1 && e.key.toLowerCase() !== e.key.toUpperCase()
  if (letter) {
    // Where no Latin letters are printed, their place is what a person knows.
    const place = /[a-z]/i.test(e.key) ? null : /^Key([A-Z])$/.exec(e.code)
    const name = place ? place[1] : e.key
    return e.shiftKey ? 'Shift+' + name.toUpperCase() : name.toLowerCase()
  }
  return e.shiftKey && e.key.length > 1 ? 'Shift+' + e.key : e.key
}

// keyOf is the key of an act that no control carries: this person's, or the
// usual one; none while single keys are off.
export function keyOf(act, usual) {
  const page = document.documentElement.dataset
  return page.keys === 'off' ? '' : page['key' + act[0].toUpperCase() + act.slice(1)] || usual
}

// control finds what a key presses: what just happened, then what is seen first, then what is folded
// away, never what lies in a closed dialog.
function control(name, within) {
  const matching = all('[data-key], [data-key-any]', within).filter((node) =>
    (node.dataset.key === name || node.dataset.keyAny === name) && !node.disabled && !node.closest('dialog:not([open]), [inert], [data-keys-within]:not(:popover-open)'))
  return matching.find((node) => node.closest('#toasts')) || matching.find(seen) || matching[0]
}

function starts(name) {
  return all('[data-key^="' + CSS.escape(name) + ' "]').length > 0
}

export function press(node) {
  if (typing(node)) {
    unfold(node)
    node.focus()
    return
  }
  node.classList.add('pressed')
  setTimeout(() => node.classList.remove('pressed'), 120)
  node.click()
  if (node.matches('input')) tell(node.closest('label')?.textContent.trim() + (node.checked ? ' chosen' : ' dropped'))
}

// unfold shows a part of the questions that the dock hides.
export function unfold(node) {
  node.closest('.extra')?.classList.add('shown')
}

function chord(e) {
  if (e.altKey || !(e.ctrlKey || e.metaKey)) return false
  const name = 'Ctrl+' + (e.key.length === 1 ? e.key.toLowerCase() : e.key)
  const node = control(name, one('dialog:modal') || document)
  if (!node || asleep()) return false
  e.preventDefault()
  press(node)
  return true
}

function single(e) {
  if (e.altKey || e.ctrlKey || e.metaKey || e.getModifierState('AltGraph')) return
  if (asleep() || stale.has(e.code) || typing(e.target) || one('dialog:modal')) return
  const name = keyName(e)
  const open = one('[popover]:popover-open')
  if (!open && handlers.some((answer) => answer(name, e))) {
    e.preventDefault()
    return
  }
  if (document.documentElement.dataset.keys === 'off') return
  const activates = name === 'Enter' || name === 'Space'
  if (activates && e.target.closest('a[href], button, summary')) return
  const whole = prefix ? prefix + ' ' + name : name
  prefix = ''
  clearTimeout(prefixTimer)
  if (whole === name && starts(name)) {
    prefix = name
    prefixTimer = setTimeout(() => { prefix = '' }, 1500)
    return
  }
  const node = control(whole, open || document)
  if (!node) return
  e.preventDefault()
  press(node)
}

export function startKeys() {
  document.addEventListener('keydown', (e) => {
    const again = e.repeat || down.has(e.code)
    down.add(e.code)
    if (again || e.isComposing || e.keyCode === 229 || e.defaultPrevented) return
    if (!chord(e)) single(e)
  })
  document.addEventListener('keyup', (e) => {
    down.delete(e.code)
    stale.delete(e.code)
    // A Mac tells no keyup of what was pressed together with Cmd.
    if (e.key === 'Meta') down.clear()
  })
  addEventListener('blur', () => { down.clear(); stale.clear() })
  on('click', '[data-shows]', (e, button) => {
    const part = document.getElementById(button.dataset.shows)
    button.setAttribute('aria-expanded', part.classList.toggle('shown'))
    one('textarea, input, button', part)?.focus()
  })
  on('click', '[data-shows-all]', (e, button) => {
    const open = one('.questions').classList.toggle('open')
    for (const part of all('.extra')) part.classList.toggle('shown', open)
    button.setAttribute('aria-expanded', open)
  })
}
