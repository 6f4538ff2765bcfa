// Lists the words on the page that are drawn over other words. Lines may touch:
// a line's box is higher than its letters, so a fifth is taken off both ends.
(() => {
  const seen = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  const clipped = (box, element) => {
    for (let e = element; e && e !== document.body; e = e.parentElement) {
      const style = getComputedStyle(e)
      if (style.clipPath !== 'none' || style.opacity === '0') return null
      if (style.overflowX === 'visible' || e instanceof SVGElement) continue
      const edge = e.getBoundingClientRect()
      box = {left: Math.max(box.left, edge.left), right: Math.min(box.right, edge.right), top: Math.max(box.top, edge.top), bottom: Math.min(box.bottom, edge.bottom)}
      if (box.right - box.left < 2 || box.bottom - box.top < 2) return null
    }
    return box
  }
  const floats = (element) => {
    for (let e = element; e && e !== document.body; e = e.parentElement)
      if (['fixed', 'sticky'].includes(getComputedStyle(e).position) || e.matches('dialog, [popover], .popover, #toasts, option, script, style, template')) return true
    return false
  }
  for (let node; (node = walk.nextNode());) {
    const text = node.textContent.trim(), parent = node.parentElement
    if (!text || !parent.checkVisibility({visibilityProperty: true, opacityProperty: true}) || floats(parent)) continue
    const range = document.createRange()
    range.selectNodeContents(node)
    for (const line of range.getClientRects()) {
      if (line.width < 2) continue
      const fifth = line.height / 5
      const box = clipped({left: line.left, right: line.right, top: line.top + fifth, bottom: line.bottom - fifth}, parent)
      if (box) seen.push({...box, text: text.slice(0, 60), node})
    }
  }
  seen.sort((a, b) => a.top - b.top)
  const over = []
  for (let i = 0; i < seen.length; i++)
    for (let j = i + 1; j < seen.length && seen[j].top < seen[i].bottom; j++) {
      const a = seen[i], b = seen[j]
      if (a.node !== b.node && Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1.5 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1.5)
        over.push('“' + a.text + '” over “' + b.text + '” at ' + Math.round(b.left) + ', ' + Math.round(b.top))
    }
  return over
})()
