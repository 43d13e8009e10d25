/**
 * Aborted by Ctrl-C, SIGTERM or SIGHUP, and when the `npm run` that started this is gone. However often they come: what
 * is under way then is bounded, and cutting it short would leave something running.
 */
export function stopSignal(): AbortSignal {
  const stopping = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stopping.abort())
  if (process.env['npm_lifecycle_event'] !== undefined) {
    // A signal to npm alone goes no further than the shell between npm and this process, which dies of it.
    const shell = process.ppid
    setInterval(() => process.ppid !== shell && stopping.abort(), 100).unref()
  }
  return stopping.signal
}
