import { all, on, one, seen } from './dom.js'
import { handle, keyOf } from './keys.js'

// Lists: j and k move, o opens, x selects. The row one stands on is marked
// and seen; nothing is fetched by moving.

const rowsOf = () => all('[data-list] tbody tr').filter(seen)

function move(rows, step) {
  const at = rows.findIndex((row) => row.matches('.at'))
  const from = at >= 0 ? at : rows.findIndex((row) => row.matches('.current'))
  const to = from < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, from + step))
  for (const row of rows) row.classList.remove('at')
  const row = rows[to]
  row.classList.add('at')
  row.scrollIntoView({ block: 'nearest' })
  one('a[href], input', row)?.focus({ preventScroll: true })
}

function walkList(name) {
  if (one('[data-label]') || document.documentElement.dataset.keys === 'off') return false
  const rows = rowsOf()
  if (!rows.length) return false
  const row = rows.find((each) => each.matches('.at')) || rows.find((each) => each.matches('.current'))
  const [next, previous, opens, selects] = [keyOf('next', 'j'), keyOf('previous', 'k'), keyOf('open', 'o'), keyOf('select', 'x')]
  if (name === next || name === previous) return move(rows, name === next ? 1 : -1), true
  if (name === selects && row && one('.check input', row)) return one('.check input', row).click(), true
  if (name === opens && row?.dataset.open) {
    const link = all('a[href]', row).find((a) => a.getAttribute('href') === row.dataset.open)
    if (link) link.click()
    else location.assign(row.dataset.open)
    return true
  }
  return false
}

export function startLists() {
  handle(walkList)
  on('change', '[data-check-all]', (e, box) => {
    for (const each of all('tbody .check input', box.closest('table'))) each.checked = box.checked
  })
}
