// The few words the modules share.

export const one = (selector, within = document) => within.querySelector(selector)
export const all = (selector, within = document) => [...within.querySelectorAll(selector)]

// on listens for every present and future element that matches.
export function on(event, selector, act) {
  document.addEventListener(event, (e) => {
    const element = e.target.closest?.(selector)
    if (element) act(e, element)
  })
}

// element makes a node; texts are text, never markup.
export function element(name, attributes = {}, ...children) {
  const node = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value)
  node.append(...children)
  return node
}

// sign draws a symbol of the sprite.
export function sign(id, kind, size = 14) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
  for (const [key, value] of Object.entries({ class: kind, width: size, height: size, 'aria-hidden': 'true' })) svg.setAttribute(key, value)
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use')
  use.setAttribute('href', '#' + id)
  svg.append(use)
  return svg
}

// tell speaks one sentence to those who do not see what changed.
export function tell(words) {
  const line = one('#live')
  if (line) line.textContent = words
}

// post sends a form's fields as a browser would and says what came back.
export function post(address, fields, accept = 'application/json') {
  const body = new URLSearchParams(fields)
  const token = one('input[name=form_token]')
  if (token && !body.has('form_token')) body.set('form_token', token.value)
  return fetch(address, { method: 'POST', body, headers: { Accept: accept }, credentials: 'same-origin' })
}

// painted waits until what was just put into the page can be seen.
export const painted = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))

export const seen = (node) => node.getClientRects().length > 0
