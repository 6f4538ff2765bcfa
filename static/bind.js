import { on, tell } from './dom.js'
import { keyName } from './keys.js'

// On the page of keys a field takes the key that is pressed in it, and is sent
// at once: pressing is choosing. Tab, Escape and chords stay the browser's;
// g waits for the letter that follows it. Without this the key is written.

let first = ''

function take(e, field) {
  const name = keyName(e)
  if (e.ctrlKey || e.metaKey || e.altKey || e.isComposing || ['Tab', 'Shift+Tab', 'Escape', 'Backspace', 'Delete', 'Shift', 'AltGraph', 'Dead'].includes(e.key)) return
  if (name === 'Enter' && field.value && !first) return // sends what is written
  e.preventDefault()
  if (e.repeat) return
  if (!first && name === 'g') {
    first = 'g'
    field.value = 'g '
    return tell('g, then a letter')
  }
  field.value = first ? first + ' ' + name : name
  first = ''
  field.form.requestSubmit()
}

export function startBinding() {
  on('keydown', '[data-takes-key]', take)
  on('focusout', '[data-takes-key]', () => { first = '' })
}
