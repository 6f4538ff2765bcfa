import { all, on, post } from './dom.js'

// Markdown as what it means or as it was written: both are in the page, and
// the style sheet shows one. The server remembers it for this person.

export function startViews() {
  on('click', '[data-view]', (e, button) => {
    e.preventDefault()
    const as = button.dataset.view
    if (as === 'written') document.documentElement.dataset.reading = as
    else delete document.documentElement.dataset.reading
    for (const each of all('[data-view]')) each.setAttribute('aria-pressed', each.dataset.view === as)
    post('/settings/reading', { as }).catch(() => {})
  })
}
