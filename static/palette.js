import { all, element, on, one, sign } from './dom.js'

// The palette: what the page itself offers (data-find) and what the server
// finds, at most eight rows. Everything in it is also somewhere on a page.

const most = 8
let rows = []
let chosen = 0
let asked = 0
let timer

function local(words) {
  return all('[data-find]')
    .filter((node) => !node.closest('dialog') && words.every((word) => node.dataset.find.toLowerCase().includes(word)))
    .map((node) => ({ icon: 'arrow-down', name: node.dataset.find, why: '', url: node.href, key: node.dataset.key, node }))
}

function draw(list, found) {
  rows = found.slice(0, most)
  chosen = Math.min(chosen, Math.max(0, rows.length - 1))
  list.replaceChildren(...rows.map((row, i) => {
    const caps = (row.key || '').split(' ').filter(Boolean).map((key) => element('kbd', {}, key))
    return element('li', { role: 'option', id: 'match-' + i, 'aria-selected': i === chosen },
      sign('i-' + row.icon, 'icon', 16), element('b', {}, row.name), element('span', { class: 'soft grow' }, row.why || ''),
      element('span', { class: 'keys' }, ...caps))
  }))
  const field = one('#palette input')
  field.setAttribute('aria-activedescendant', rows.length ? 'match-' + chosen : '')
  one('.palette-count').textContent = found.length > rows.length ? `${rows.length} of ${found.length} matches` : ''
}

async function search(dialog, list, text) {
  const turn = ++asked
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  const here = local(words)
  draw(list, here)
  if (!text.trim()) return
  const address = new URL(dialog.dataset.search, location)
  address.searchParams.set('q', text.trim())
  const answer = await fetch(address, { headers: { Accept: 'application/json' } }).catch(() => null)
  if (turn !== asked || !answer?.ok) return
  const found = await answer.json()
  const known = new Set(found.map((row) => new URL(row.url, location).href))
  draw(list, [...found, ...here.filter((row) => !known.has(row.url))])
}

function choose(list, step) {
  if (!rows.length) return
  chosen = (chosen + step + rows.length) % rows.length
  all('li', list).forEach((item, i) => item.setAttribute('aria-selected', i === chosen))
  one('#palette input').setAttribute('aria-activedescendant', 'match-' + chosen)
}

function open(dialog, row, apart) {
  if (!row) return
  dialog.close()
  if (row.url && apart) window.open(row.url, '_blank', 'noopener')
  else if (row.node) row.node.click()
  else location.assign(row.url)
}

export function startPalette() {
  const dialog = one('#palette')
  if (!dialog) return
  const field = one('input', dialog)
  const list = one('#palette-list')
  dialog.addEventListener('opened', () => {
    field.value = ''
    chosen = 0
    field.focus()
    search(dialog, list, '')
  })
  field.addEventListener('input', () => {
    chosen = 0
    clearTimeout(timer)
    timer = setTimeout(() => search(dialog, list, field.value), 80)
  })
  field.addEventListener('keydown', (e) => {
    if (e.isComposing) return
    if (e.key === 'ArrowDown' || e.key === 'ArrowUp') choose(list, e.key === 'ArrowDown' ? 1 : -1)
    else if (e.key === 'Enter') open(dialog, rows[chosen], e.ctrlKey || e.metaKey)
    else return
    e.preventDefault()
    e.stopPropagation()
  })
  on('click', '#palette-list li', (e, item) => open(dialog, rows[all('li', list).indexOf(item)], e.ctrlKey || e.metaKey))
}
