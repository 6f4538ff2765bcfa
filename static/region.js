import { all, one, tell } from './dom.js'
import { sleep, wake } from './keys.js'
import { setTimes } from './time.js'

// Partial updates. htmx takes one named region out of the whole page that the
// server answers; what goes wrong becomes an ordinary page load. Live regions
// ask again while they are seen, and never change under a pointer or a cursor.

function settled(region) {
  setTimes(region)
  const name = region.getAttribute('aria-label') || one('[aria-label]', region)?.getAttribute('aria-label')
  if (name) tell(name + ' updated')
}

async function refresh(node) {
  if (document.hidden || node.matches(':hover') && node.matches('.table-frame') || node.contains(document.activeElement) && document.activeElement !== document.body) return
  const answer = await fetch(node.dataset.live, { headers: { Accept: 'text/html' } }).catch(() => null)
  if (!answer?.ok || !node.isConnected) return
  const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html').getElementById(node.id)
  if (!fresh || fresh.isEqualNode(node)) return
  node.replaceWith(document.adoptNode(fresh))
  setTimes(fresh)
  watch(fresh)
}

function watch(node) {
  if (!node.dataset.live) return
  const timer = setInterval(() => {
    if (!node.isConnected) return clearInterval(timer)
    refresh(node)
  }, (Number(node.dataset.liveSeconds) || 15) * 1000)
}

export function startRegions() {
  document.body.addEventListener('htmx:beforeRequest', sleep)
  document.body.addEventListener('htmx:afterRequest', wake)
  document.body.addEventListener('htmx:afterSettle', (e) => {
    // The target is gone when it was replaced; the element is what came.
    const region = e.detail.elt?.isConnected ? e.detail.elt : e.detail.target
    settled(region)
    all('[data-live]', region).forEach(watch)
  })
  document.body.addEventListener('htmx:beforeSwap', (e) => {
    const { xhr, requestConfig, pathInfo } = e.detail
    if (xhr.status < 400) return
    if (requestConfig.verb === 'get') location.assign(pathInfo.finalRequestPath)
    else e.detail.shouldSwap = true
  })
  document.body.addEventListener('htmx:sendError', () => tell('No connection. Nothing was changed.'))
  all('[data-live]').forEach(watch)
}
