import { all, on, one, tell } from './dom.js'
import { handle } from './keys.js'

// Steps through the events of a session and through its failures, with the
// buttons above it and their keys, e and v.

function stepTo(places, by) {
  if (!places.length) return
  const now = places.findIndex((place) => place.matches('.at'))
  const next = places[now < 0 ? (by > 0 ? 0 : places.length - 1) : Math.min(places.length - 1, Math.max(0, now + by))]
  for (const place of all('[data-events] .at')) place.classList.remove('at')
  next.classList.add('at')
  next.tabIndex = -1
  next.focus({ preventScroll: true })
  next.scrollIntoView({ block: 'center' })
  tell(`${places.indexOf(next) + 1} of ${places.length}`)
}

// The item before and after in the rail: its buttons, their keys, the arrows.
function walkRail(by) {
  const items = all('#rail [data-rail-item]')
  const next = items[items.findIndex((item) => item.matches('.current')) + by]
  const link = next && one('a[href]', next)
  if (link) link.click()
  else tell(by > 0 ? 'This is the last item of the rail' : 'This is the first item of the rail')
}

function walkByArrow(name) {
  const by = { ArrowDown: 1, ArrowUp: -1 }[name]
  if (!by || !one('[data-label]')) return false
  walkRail(by)
  return true
}

export function startSteps() {
  handle(walkByArrow)
  on('click', '[data-walk]', (e, button) => walkRail(Number(button.dataset.walk)))
  on('click', '[data-step]', (e, button) => {
    const act = button.dataset.step
    const places = all(act.includes('fail') ? '[data-events] [data-failure]' : '[data-events] [data-event]')
    if (act === 'first_failed') for (const place of all('[data-events] .at')) place.classList.remove('at')
    stepTo(places, act.startsWith('previous') ? -1 : 1)
  })
}
