import { one, post } from './dom.js'

// What could not be sent stays in this tab (sessionStorage: it outlives a reload
// and signing in, and ends with the tab), for the labeler who wrote it alone:
// others may sign in here meanwhile.

const place = (kind) => 'assay.' + kind

// keep holds texts by item, as [address, body], for the reader of the page.
export function keep(kind, { reader }, byItem) {
  try {
    sessionStorage.setItem(place(kind), JSON.stringify({ reader, byItem: { ...kept(kind, { reader }), ...byItem } }))
  } catch { /* a full or forbidden store: the page itself still has the text */ }
}

// kept gives what is held for this reader, by item.
export function kept(kind, { reader }) {
  try {
    const held = JSON.parse(sessionStorage.getItem(place(kind)) || 'null')
    return held && held.reader === reader ? held.byItem : {}
  } catch {
    return {}
  }
}

export function forget(kind) {
  try { sessionStorage.removeItem(place(kind)) } catch { /* nothing is kept */ }
}

// restore makes what was kept of an item its draft and shows the page with it.
export async function restore({ reader, item }, page) {
  const texts = kept('draft', { reader })
  if (!texts[item]) return
  const [address, text] = texts[item]
  const body = new URLSearchParams(text)
  body.set('form_token', one('input[name=form_token]')?.value || '')
  body.set('page', page) // the later page has the draft
  const answer = await post(address, body).catch(() => null)
  if (!answer?.ok) return
  delete texts[item]
  forget('draft')
  if (Object.keys(texts).length) keep('draft', { reader }, texts)
  location.reload()
}
