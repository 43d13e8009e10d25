/**
 * Returns a signal that Ctrl-C, SIGTERM and SIGHUP abort, and the end of the `npm run` that started this process. A second
 * one changes nothing: stopping is bounded anyway, and cutting it short would leave processes behind.
 */
export function stopSignal(): AbortSignal {
  const stopping = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stopping.abort())
  if (process.env['npm_lifecycle_event'] !== undefined) {
    // A signal to npm alone ends the shell between npm and this process, and never reaches this process.
    const shell = process.ppid
    setInterval(() => process.ppid !== shell && stopping.abort(), 100).unref()
  }
  return stopping.signal
}
