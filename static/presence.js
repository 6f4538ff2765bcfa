import { one, post } from './dom.js'
import { setLeft } from './time.js'

// Somebody is there as long as something is done on the page that is seen: that
// renews the lease, each minute and at once when the page is come back to. A
// page nobody touches for ten minutes lets it run out, also on a screen that
// never sleeps.

const every = 60000
const unattended = 10 * 60000
let touched = Date.now()
let over = '' // the item whose lease is known to have ended

export function beginPresence({ item, lost, signIn, signedOut }) {
  async function renew() {
    const page = item()
    const address = page?.dataset.renew
    if (!address || document.hidden || Date.now() - touched > unattended || over === page.dataset.item) return
    const answer = await post(address, {}).catch(() => null)
    if (!answer || item() !== page) return
    if (answer.status === 409) {
      over = page.dataset.item
      return lost()
    }
    if (signedOut(answer)) return signIn()
    const said = await answer.json().catch(() => null)
    const lease = one('#lease')
    if (!said || !lease) return
    delete lease.dataset.ends
    lease.dataset.left = said.left
    setLeft(page)
  }
  const back = () => {
    touched = Date.now()
    renew()
  }
  for (const event of ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart']) {
    addEventListener(event, () => {
      const away = Date.now() - touched > unattended
      touched = Date.now()
      if (away) renew()
    }, { passive: true, capture: true })
  }
  document.addEventListener('visibilitychange', () => { if (!document.hidden) back() })
  addEventListener('pageshow', (e) => { if (e.persisted) back() })
  addEventListener('online', back)
  setInterval(renew, every)
}
