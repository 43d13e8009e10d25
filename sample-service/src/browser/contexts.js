/*
 * The page of contexts fetches itself again each second while it is visible, and takes over the new tree. What is open
 * stays open, and the focus stays where it is. A page that takes long to fetch and draw is fetched less often, so that
 * looking costs the service little.
 */

const status = /** @type {HTMLElement} */ (document.querySelector('[role=status]'))
const pause = /** @type {HTMLButtonElement} */ (document.querySelector('button'))
const isPaused = () => pause.textContent !== 'Pause'

pause.onclick = () => {
  pause.textContent = isPaused() ? 'Pause' : 'Go on'
}

/** @param {Document} next */
function take(next) {
  const focused = document.activeElement?.closest('details')?.id
  for (const { id } of document.querySelectorAll('details[open]')) {
    next.getElementById(id)?.setAttribute('open', '')
  }
  const main = next.querySelector('main')
  if (main !== null) document.querySelector('main')?.replaceWith(main)
  if (focused === undefined) return
  document.getElementById(focused)?.querySelector('summary')?.focus({ preventScroll: true })
}

async function refresh() {
  const startedAt = performance.now()
  if (!document.hidden && !isPaused()) {
    try {
      const response = await fetch(location.href, { headers: { accept: 'text/html' } })
      const next = new DOMParser().parseFromString(await response.text(), 'text/html')
      if (!isPaused()) take(next)
      status.textContent = ''
    } catch {
      status.textContent = 'The service does not answer. This is what it showed last.'
    }
  }
  setTimeout(refresh, Math.max(1_000, 10 * (performance.now() - startedAt)))
}

setTimeout(refresh, 1_000)
