import { all, element, on, one, painted, post, sign, tell } from './dom.js'
import { showEdits } from './edits.js'
import { asleep, keyOf, sleep, wake } from './keys.js'
import { beginMarking } from './spans.js'
import { forget, kept, keep, restore } from './kept.js'
import { beginPresence } from './presence.js'
import { setLeft, setTimes } from './time.js'
import { toast } from './toast.js'

// The labeling page. The next item is reserved and fetched while this one is
// read; submit shows it at once and posts the label behind it. A refusal
// brings the item and its answer back, with the reason. Without this module
// the same form posts and the server redirects.

const marks = { correct: 'correct', partially_correct: 'partial', hallucinated: 'hallucinated', cannot_tell: 'cannot-tell' }
const tone = { correct: 'ok', partial: 'mid', hallucinated: 'bad', 'cannot-tell': 'na' }

let ahead = null // a promise of { main, title, address }, or of null when nothing is free
let drafting
let drafted = '' // what the server has as draft
const waiting = [] // labels that could not be sent, in order
let sending = false
let goingOn = false // away from the page by one of its own links: nothing is lost

const item = () => one('[data-label]')
const form = () => one('#label-form')
const answered = () => form()?.elements.label?.value || ''
const fields = (button) => new URLSearchParams(new FormData(form(), button))

// why says what still keeps Submit from working; empty is nothing.
function why() {
  if (!answered()) return 'Choose a label first'
  const needs = item().dataset.needsSpan
  if (needs && answered() === needs && one('[data-spans]') && !fields().has('span')) return 'Mark what is hallucinated first'
  return ''
}

function showReady() {
  const button = one('[data-submit]')
  if (!button) return
  const reason = why()
  button.disabled = !answered()
  const note = one('[data-submit-why]')
  if (note) note.textContent = reason
}

// Ahead.

async function fetchAhead() {
  const address = item()?.dataset.ahead
  if (!address) return null
  const answer = await post(address, {}, 'text/html')
  if (!answer.ok) return null
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html')
  if (!one('[data-label]', page)) return null
  setLeft(page)
  return { main: one('#main', page), title: page.title, address: answer.url }
}

function lookAhead() {
  ahead = fetchAhead().catch(() => null)
  ahead.then((next) => { ahead.ready = next })
}

// Show puts nodes in the place of the page's middle and waits until they are
// painted before any key counts.
async function showItem(nodes, title, address) {
  sleep()
  try {
    const main = one('#main')
    const old = { nodes: [...main.childNodes], title: document.title, address: location.href }
    main.replaceChildren(...nodes)
    globalThis.htmx?.process(main)
    document.title = title
    history.pushState({ item: true }, '', address)
    setTimes(main)
    all('[data-edits-of]', main).forEach(showEdits)
    showReady()
    drafted = fields().toString()
    one('.session', main)?.scrollTo(0, 0)
    one('[data-judged]', main)?.focus({ preventScroll: true })
    await painted()
    return old
  } finally {
    wake()
  }
}

// The rail of the next page was made before this label: its entry is added,
// dashed until the server agrees.
function addToRail({ id, title, number, label }) {
  const rail = one('#rail')
  if (!rail || !label) return null
  if (!one('[data-rail=done]', rail)) one('section', rail).before(element('section', { 'data-rail': 'done' }, element('h2', {}, 'Just labeled'), element('ul')))
  const list = one('[data-rail=done] ul', rail)
  const mark = marks[label]
  const entry = element('li', { class: 'pending', 'data-rail-item': id }, element('span', { class: 'rail-sign' }, sign('m-' + mark, 'mark t-' + tone[mark])),
    element('a', { class: 'grow', href: '/items/' + encodeURIComponent(id) }, title), element('span', { class: 'rail-number soft' }, number))
  for (const twin of all('#rail [data-rail-item]')) if (twin.dataset.railItem === id) twin.remove()
  list.append(entry)
  return entry
}

// agreed makes a rail entry whole once the server has the label: from then on
// it can be taken back.
function agreed({ entry, id }) {
  if (!entry) return
  entry.classList.remove('pending')
  for (const older of all('[data-rail=done] [data-act=undo]')) delete older.dataset.key
  const undo = element('form', { method: 'post', action: '/items/' + encodeURIComponent(id) + '/undo' })
  const token = one('input[name=form_token]')
  if (token) undo.append(token.cloneNode())
  undo.append(element('button', { class: 'icon-button', 'data-act': 'undo', 'data-key': keyOf('undo', 'z'), 'aria-label': 'Undo the label of ' + one('a', entry).textContent }, sign('i-undo-2', 'icon')))
  entry.append(undo)
}

// The numbers of the rail move with every label: the page on screen was made
// before it.
function setCounts(counts) {
  for (const [name, number] of Object.entries(counts || {})) {
    const place = one(`#rail [data-count="${name}"]`)
    if (place) place.textContent = number
  }
}

// Submit.

async function submit(button) {
  const leave = button?.dataset.leave
  const reason = leave ? '' : why()
  if (asleep() || form().dataset.sent) return
  if (reason) {
    tell(reason)
    if (answered()) beginMarking()
    return
  }
  form().dataset.sent = 'yes'
  clearTimeout(drafting)
  one('#toasts [data-toast]')?.remove() // its undo would take back the item before this one
  const sent = { address: button?.getAttribute('formaction') || form().getAttribute('action'), body: fields(button), id: item().dataset.item, label: leave ? '' : answered() }
  const current = one('#rail .current')
  sent.title = current ? (one('.grow', current)?.textContent || '') : ''
  sent.number = current ? (one('.rail-number', current)?.textContent || '') : ''
  const next = ahead?.ready
  if (!next) return submitAndWait(sent)
  const old = await showItem([...next.main.childNodes].map((node) => document.adoptNode(node)), next.title, next.address)
  sent.entry = addToRail(sent)
  sent.old = old
  lookAhead()
  send(sent)
}

// Nothing was ready: the browser waits for the server, then goes on.
async function submitAndWait(sent) {
  one('[data-submit]')?.classList.add('pressed')
  const pending = ahead
  const answer = await post(sent.address, sent.body).catch(() => null)
  if (!arrived(answer)) return offline(sent)
  if (signedOut(answer)) return signIn(sent)
  if (!answer.ok) return refused(sent, await trouble(answer))
  await goOn(sent, await answer.json().catch(() => ({})), pending)
}

// goOn leaves an item that was taken for the next one.
async function goOn(sent, said, pending) {
  const next = await pending || await fetchAhead().catch(() => null) // what failed once is asked for again
  if (!next) return location.assign(said.next || one('.queue-bar .crumbs a')?.href || '/')
  await showItem([...next.main.childNodes].map((node) => document.adoptNode(node)), next.title, next.address)
  sent.entry = addToRail(sent)
  agreed(sent)
  if (said.said) toast(said)
  setCounts(said.counts)
  lookAhead()
}

async function send(sent) {
  if (waiting.length && !sent.again) return offline(sent)
  const answer = await post(sent.address, sent.body).catch(() => null)
  if (!arrived(answer)) return offline(sent)
  if (signedOut(answer)) return signIn(sent)
  if (!answer.ok) return refused(sent, await trouble(answer))
  agreed(sent)
  const said = await answer.json().catch(() => ({}))
  setCounts(said.counts)
  if (said.said) toast(said)
}

async function trouble(answer) {
  const problem = await answer.json().catch(() => ({}))
  return { title: problem.title || 'This label was not taken.', detail: problem.detail || '', status: answer.status }
}

// What says nothing about the label itself (no connection, too much at once, the
// server restarting) is no answer: the label waits and is sent again.
const arrived = (answer) => answer && answer.status !== 429 && ![502, 503, 504].includes(answer.status)

// Refused at the door: the sign-in has ended, or this page is of an earlier one.
const signedOut = (answer) => answer.status === 401 || answer.status === 403

function notice(tone, fact, consequence, link) {
  const words = element('p', {}, element('b', {}, fact), ' ', consequence)
  if (link) words.append(' ', element('a', { class: 'link', href: link.address, 'data-go-on': '' }, link.words))
  return element('div', { class: 'banner w-' + tone, role: 'alert', 'data-notice': '' }, sign('i-octagon-alert', 'icon', 16), element('div', {}, words))
}

function say(said) {
  one('.session [data-notice]')?.remove()
  one('.session').prepend(said)
  one('.session').scrollTo(0, 0)
  tell(said.textContent)
}

// The sign-in has ended while this was written: all of it stays in this tab, and
// comes back with the item once its labeler has signed in again.
function signIn(sent) {
  if (sent) holdBack(sent)
  if (!item()) return
  delete form().dataset.sent
  if (sent?.id !== item().dataset.item) keepDraft()
  if (one('.session [data-go-on]')) return
  const address = '/items/' + encodeURIComponent(item().dataset.item)
  say(notice('mid', 'Your sign-in has ended or changed.', 'What you wrote is kept in this tab.', { address: '/login?next=' + encodeURIComponent(address), words: 'Sign in and go on' }))
}

function keepDraft() {
  if (answered() || fields().toString() !== drafted) keep('draft', item().dataset, { [item().dataset.item]: [item().dataset.draft, fields().toString()] })
}

// The reservation has ended by itself: somebody was away for too long.
async function lost() {
  await saveDraft()
  say(notice('mid', 'Your reservation of this item has ended.', 'What you wrote is kept as a draft.',
    { address: '/items/' + encodeURIComponent(item().dataset.item), words: 'Reserve it again' }))
}

// A refusal brings the item back as it was left, its answer untouched.
async function refused(sent, problem) {
  sent.entry?.remove()
  if (sent.old && item()?.dataset.item !== sent.id) {
    saveDraft()
    const next = await showItem(sent.old.nodes, sent.old.title, sent.old.address)
    const main = element('main')
    main.append(...next.nodes)
    ahead = Promise.resolve({ main, title: next.title, address: next.address })
    ahead.ready = await ahead
  }
  delete form().dataset.sent
  const way = problem.status === 409 ? { address: '/items/' + encodeURIComponent(sent.id), words: 'Look at it as it stands' } : null
  say(notice('mid', problem.title, problem.detail + (way ? ' What you wrote is kept as a draft.' : ''), way))
}

// Labels that wait are kept in this tab, so that a reload or a crash loses none.
function holdBack(sent) {
  const twin = waiting.findIndex((other) => other.id === sent.id)
  if (twin < 0) waiting.push(sent)
  else if (waiting[twin] !== sent) waiting[twin] = instead(waiting[twin], sent)
  keepWaiting()
}

function keepWaiting() {
  const labels = Object.fromEntries(waiting.map((sent) => [sent.id, [sent.address, sent.body.toString()]]))
  if (waiting.length) keep('unsent', item()?.dataset || {}, labels)
  else forget('unsent')
}

// Offline labels wait here and are sent in order. Of an item the last word
// counts: it takes the place of what waited.
function offline(sent) {
  holdBack(sent)
  if (form()) delete form().dataset.sent
  const clock = new Date().toTimeString().slice(0, 5)
  let line = one('#waiting')
  if (!line) {
    line = element('div', { id: 'waiting', class: 'toast row', role: 'status' })
    one('#toasts').append(line)
  }
  const stays = waiting.some((other) => other.id === item()?.dataset.item)
  line.textContent = `No connection since ${line.dataset.since ||= clock}. ${waiting.length === 1 ? 'One label waits' : waiting.length + ' labels wait'} in this browser and will be sent, in order, when it is back.` +
    (stays ? ' Until then you can change this one; the next item comes then.' : '')
}

// What waited may have arrived without its answer coming back. Another answer
// under the same key would pass for that one, so it has a key of its own and is
// refused, where people see it.
function instead(old, sent) {
  const key = old.body.get('idempotency_key')
  sent.body.set('idempotency_key', key)
  if (sent.body.toString() !== old.body.toString()) sent.body.set('idempotency_key', key + '+')
  sent.entry ||= old.entry
  sent.old ||= old.old
  return sent
}

async function sendWaiting() {
  if (sending || !waiting.length) return
  sending = true
  while (waiting.length) {
    const sent = waiting[0]
    const here = item()?.dataset.item === sent.id
    if (here) form().dataset.sent = 'yes'
    sent.body.set('form_token', one('input[name=form_token]')?.value || '')
    const answer = await post(sent.address, sent.body).catch(() => null)
    if (!arrived(answer) || signedOut(answer)) {
      if (here) delete form().dataset.sent
      if (arrived(answer)) signIn()
      break
    }
    waiting.shift()
    keepWaiting()
    if (!answer.ok) {
      await refused(sent, await trouble(answer))
      continue
    }
    agreed(sent)
    const said = await answer.json().catch(() => ({}))
    setCounts(said.counts)
    if (here) await goOn(sent, said, ahead)
    else if (!waiting.length && said.said) toast(said)
  }
  sending = false
  if (!waiting.length) one('#waiting')?.remove()
}

// Drafts.

function draftState(words) {
  const place = one('[data-draft-state]')
  if (place) place.textContent = words
}

async function saveDraft() {
  const address = item()?.dataset.draft
  if (!address || form().dataset.sent) return
  const body = fields()
  if (body.toString() === drafted) return
  drafted = body.toString()
  const answer = await post(address, body).catch(() => null)
  if (!arrived(answer)) {
    keepDraft()
    drafted = ''
    return draftState('Draft not saved, no connection')
  }
  if (signedOut(answer)) return signIn()
  if (answer.ok) return draftState('Draft saved ' + new Date().toTimeString().slice(0, 8))
  const problem = await trouble(answer)
  draftState(problem.detail || problem.title)
}

function leaveDraft() {
  const address = item()?.dataset.draft
  if (!address || form().dataset.sent || fields().toString() === drafted) return
  drafted = fields().toString()
  navigator.sendBeacon(address, fields())
}

export function startLabel() {
  on('submit', '#label-form', (e) => {
    e.preventDefault()
    submit(e.submitter?.matches('[data-submit]') ? null : e.submitter)
  })
  for (const event of ['input', 'change']) {
    on(event, '#label-form', () => {
      showReady()
      clearTimeout(drafting)
      drafting = setTimeout(saveDraft, 800)
    })
  }
  document.addEventListener('visibilitychange', () => { if (document.hidden) leaveDraft() })
  addEventListener('pagehide', leaveDraft)
  on('click', '[data-go-on]', () => { goingOn = true })
  addEventListener('beforeunload', (e) => { if (waiting.length && !goingOn) e.preventDefault() })
  addEventListener('online', sendWaiting)
  addEventListener('popstate', (e) => { if (item() || e.state?.item) location.reload() })
  setInterval(sendWaiting, 5000)
  if (!item()) return
  for (const [id, [address, body]] of Object.entries(kept('unsent', item().dataset))) waiting.push({ id, address, body: new URLSearchParams(body) })
  if (waiting.length) sendWaiting()
  if (!waiting.some((sent) => sent.id === item().dataset.item)) restore(item().dataset, form().elements.page.value)
  beginPresence({ item, lost, signIn, signedOut })
  showReady()
  drafted = fields().toString()
  painted().then(lookAhead)
}
