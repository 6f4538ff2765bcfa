import { all } from './dom.js'

// Times in the reader's zone: the one they chose, else the browser's. Words
// are those the server writes (web/ui/format.go), so nothing jumps when both
// agree. Full times stay as they are: they are UTC on purpose.

const zone = () => document.documentElement.dataset.zone || undefined

function part(date, options) {
  return new Intl.DateTimeFormat('en-GB', { timeZone: zone(), hourCycle: 'h23', ...options }).format(date)
}

const clock = (date, seconds) => part(date, { hour: '2-digit', minute: '2-digit', ...(seconds && { second: '2-digit' }) })

function day(date, year) {
  const get = (options) => part(date, options)
  return `${get({ weekday: 'short' })} ${get({ day: 'numeric' })} ${get({ month: 'short' }).slice(0, 3)}${year ? ' ' + get({ year: 'numeric' }) : ''}`
}

export function age(milliseconds) {
  const minutes = Math.floor(milliseconds / 60000)
  if (minutes < 1) return 'just now'
  if (minutes < 60) return minutes + ' min'
  const hours = Math.floor(minutes / 60)
  if (hours < 24 && minutes % 60) return `${hours} h ${String(minutes % 60).padStart(2, '0')} min`
  return hours < 48 ? hours + ' h' : Math.floor(hours / 24) + ' d'
}

export function words(date, now, style) {
  switch (style) {
    case 'clock': return clock(date, true)
    case 'ms': return clock(date, true) + '.' + Math.floor(date.getUTCMilliseconds() / 100)
    case 'day': return day(date, true)
    case 'ago': return age(now - date)
  }
  if (day(date, true) === day(now, true)) return 'today ' + clock(date)
  return day(date, part(date, { year: 'numeric' }) !== part(now, { year: 'numeric' })) + ', ' + clock(date)
}

function left(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000))
  const two = (n) => String(n).padStart(2, '0')
  return seconds >= 3600 ? `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}` : `${Math.floor(seconds / 60)}:${two(seconds % 60)}`
}

// setLeft begins to count down what has just arrived. The end is kept by this
// browser's clock, whatever that says: only how much is left came from the server.
export function setLeft(within = document) {
  for (const node of all('[data-left]', within)) {
    node.dataset.ends ||= Date.now() + 1000 * node.dataset.left
    node.textContent = left(node.dataset.ends - Date.now())
  }
}

export function setTimes(within = document) {
  setLeft(within)
  const now = new Date()
  for (const node of all('time[data-time]', within)) {
    const said = words(new Date(node.dateTime), now, node.dataset.time)
    if (node.textContent !== said) node.textContent = said
  }
}

export function startTimes() {
  setTimes()
  setInterval(() => { if (!document.hidden) setTimes() }, 30000)
  setInterval(setLeft, 1000)
}
