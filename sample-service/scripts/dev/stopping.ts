/**
 * Returns a signal that aborts on Ctrl-C, SIGTERM or SIGHUP, or when the `npm run` that started this process ends. A second
 * Ctrl-C changes nothing: a stop is bounded anyway, and to cut it short would leave processes behind.
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
