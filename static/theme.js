import { all, on, post } from './dom.js'

// The theme changes at once and is remembered by the server for this person.

function show(theme) {
  for (const button of all('[data-set-theme]')) button.setAttribute('aria-pressed', button.dataset.setTheme === theme)
}

export function startTheme() {
  const root = document.documentElement
  show(root.dataset.theme || '')
  on('click', '[data-set-theme]', (e, button) => {
    e.preventDefault()
    const theme = button.dataset.setTheme
    if (theme) root.dataset.theme = theme
    else delete root.dataset.theme
    show(theme)
    const form = button.closest('form')
    if (form) post(form.action, new FormData(form, button)).catch(() => {})
  })
}
