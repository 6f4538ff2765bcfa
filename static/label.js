import { all, element, on, one, painted, post, sign, tell } from './dom.js'
import { showEdits } from './edits.js'
import { asleep, keyOf, sleep, wake } from './keys.js'
import { beginMarking } from './spans.js'
import { setTimes } from './time.js'
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
function addToRail(id, title, number, label) {
  const list = one('[data-rail=done] ul')
  if (!list) return null
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
  const title = current ? (one('.grow', current)?.textContent || '') : ''
  const number = current ? (one('.rail-number', current)?.textContent || '') : ''
  const next = ahead?.ready
  if (!next) return submitAndWait(sent)
  const old = await showItem([...next.main.childNodes].map((node) => document.adoptNode(node)), next.title, next.address)
  sent.entry = sent.label ? addToRail(sent.id, title, number, sent.label) : null
  sent.old = old
  lookAhead()
  send(sent)
}

// Nothing was ready: the browser waits for the server, then goes on.
async function submitAndWait(sent) {
  one('[data-submit]')?.classList.add('pressed')
  const pending = ahead
  const answer = await post(sent.address, sent.body).catch(() => null)
  if (!answer) return offline(sent)
  if (!answer.ok) return refused(sent, await trouble(answer))
  await goOn(await answer.json().catch(() => ({})), pending)
}

// goOn leaves an item that was taken for the next one.
async function goOn(said, pending) {
  const next = await pending || await fetchAhead().catch(() => null) // what failed once is asked for again
  if (!next) return location.assign(said.next || one('.queue-bar .crumbs a')?.href || '/')
  await showItem([...next.main.childNodes].map((node) => document.adoptNode(node)), next.title, next.address)
  if (said.said) toast(said)
  setCounts(said.counts)
  lookAhead()
}

async function send(sent) {
  if (waiting.length && !sent.again) return offline(sent)
  const answer = await post(sent.address, sent.body).catch(() => null)
  if (!answer) return offline(sent)
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

function notice(tone, fact, consequence) {
  return element('div', { class: 'banner w-' + tone, role: 'alert', 'data-notice': '' }, sign('i-octagon-alert', 'icon', 16),
    element('div', {}, element('p', {}, element('b', {}, fact), ' ', consequence)))
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
  one('.session [data-notice]')?.remove()
  const words = notice('mid', problem.title, problem.detail)
  if (problem.status === 409) words.lastChild.firstChild.append(' ', element('a', { class: 'link', href: '/items/' + encodeURIComponent(sent.id) }, 'Look at it as it stands'))
  one('.session').prepend(words)
  one('.session').scrollTo(0, 0)
  tell(problem.title + ' ' + problem.detail)
}

// Offline labels wait here and are sent in order. Of an item the last word
// counts: it takes the place of what waited.
function offline(sent) {
  const at = waiting.findIndex((other) => other.id === sent.id)
  if (at < 0) waiting.push(sent)
  else if (waiting[at] !== sent) waiting[at] = instead(waiting[at], sent)
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
    const answer = await post(sent.address, sent.body).catch(() => null)
    if (!answer) {
      if (here) delete form().dataset.sent
      break
    }
    waiting.shift()
    if (!answer.ok) {
      await refused(sent, await trouble(answer))
      continue
    }
    agreed(sent)
    const said = await answer.json().catch(() => ({}))
    setCounts(said.counts)
    if (here) await goOn(said)
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
  if (!answer) return draftState('Draft not saved, no connection')
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
  addEventListener('beforeunload', (e) => { if (waiting.length) e.preventDefault() })
  addEventListener('online', sendWaiting)
  addEventListener('popstate', (e) => { if (item() || e.state?.item) location.reload() })
  setInterval(() => {
    const address = item()?.dataset.renew
    if (address && !document.hidden) post(address, fields()).catch(() => {})
  }, 60000)
  setInterval(sendWaiting, 5000)
  if (!item()) return
  showReady()
  drafted = fields().toString()
  painted().then(lookAhead)
}
