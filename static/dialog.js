import { on, one } from './dom.js'

// Dialogs and drawers open modally; the browser keeps focus inside, closes on
// Esc and gives focus back.

export function startDialogs() {
  on('click', '[data-opens]', (e, opener) => {
    const dialog = document.getElementById(opener.dataset.opens)
    if (!dialog?.showModal || e.metaKey || e.ctrlKey) return
    e.preventDefault()
    one('[popover]:popover-open')?.hidePopover()
    if (!dialog.open) dialog.showModal()
    dialog.dispatchEvent(new Event('opened'))
  })
  on('click', '[data-closes]', (e, button) => button.closest('dialog').close())
  document.addEventListener('click', (e) => {
    // Only the backdrop is the dialog itself at a place outside its box.
    if (!(e.target instanceof HTMLDialogElement) || !e.target.matches(':modal')) return
    const box = e.target.getBoundingClientRect()
    if (e.clientX < box.left || e.clientX > box.right || e.clientY < box.top || e.clientY > box.bottom) e.target.close()
  })
}
