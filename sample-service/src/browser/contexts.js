/*
 * Refreshes the page of contexts: fetches it again each second while it is visible, and at once when the filter changes,
 * and replaces what is below the filter. Open requests stay open, and the focus stays where it is. If the page is slow to
 * arrive, it is fetched less often, so that watching it costs the service little.
 */

const status = /** @type {HTMLElement} */ (document.querySelector('[role=status]'))
const form = /** @type {HTMLFormElement} */ (document.querySelector('form'))
const pause = /** @type {HTMLButtonElement} */ (document.querySelector('button'))
const isPaused = () => pause.textContent !== 'Pause'

pause.onclick = () => {
  pause.textContent = isPaused() ? 'Pause' : 'Go on'
}

// Typing has already changed the address, so the form need not be sent.
form.addEventListener('submit', (event) => event.preventDefault())

// The address holds the filter, so that a person can send it to another.
form.oninput = () => {
  const query = new URLSearchParams()
  for (const [name, value] of new FormData(form)) {
    if (typeof value === 'string' && value !== '') query.set(name, value)
  }
  history.replaceState(null, '', `?${query}`)
  load(true).catch(reportError)
}

/** @param {Document} next */
function take(next) {
  const focused = document.activeElement?.closest('details')?.id ?? ''
  const before = document.getElementById(focused)?.getBoundingClientRect().top
  for (const { id, open } of document.querySelectorAll('details')) {
    next.getElementById(id)?.toggleAttribute('open', open)
  }
  const main = next.querySelector('main')
  if (main !== null) document.querySelector('main')?.replaceWith(main)
  const again = document.getElementById(focused)
  if (again === null || before === undefined) return
  again.querySelector('summary')?.focus({ preventScroll: true })
  // Newer requests have pushed it down.
  scrollBy(0, again.getBoundingClientRect().top - before)
}

/** @param {boolean} wanted whether the user asked for it, so that it is shown even if the page is paused */
async function load(wanted) {
  const url = location.href
  try {
    const response = await fetch(url, { headers: { accept: 'text/html' } })
    const next = new DOMParser().parseFromString(await response.text(), 'text/html')
    // The filter may have changed meanwhile.
    if (url === location.href && (wanted || !isPaused())) take(next)
    status.textContent = ''
  } catch {
    status.textContent = 'The service does not answer. This is what it showed last.'
  }
}

async function refresh() {
  const startedAt = performance.now()
  if (!document.hidden && !isPaused()) await load(false)
  setTimeout(refresh, Math.max(1_000, 10 * (performance.now() - startedAt)))
}

setTimeout(refresh, 1_000)
