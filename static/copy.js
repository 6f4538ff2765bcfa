import { on, tell } from './dom.js'

// Copy buttons give the whole value; fill buttons put a text into a field.

export function startCopy() {
  on('click', '[data-copy]', async (e, button) => {
    if (button.href && !navigator.clipboard) return // the link leads there
    e.preventDefault()
    await navigator.clipboard.writeText(button.dataset.copy)
    tell('Copied')
    button.classList.add('pressed')
    setTimeout(() => button.classList.remove('pressed'), 600)
  })
  on('click', '[data-fill]', (e, button) => {
    const field = document.getElementById(button.dataset.fill)
    field.value = button.dataset.fillWith || ''
    field.dispatchEvent(new Event('input', { bubbles: true }))
    field.focus()
  })
}
