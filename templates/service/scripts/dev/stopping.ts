/**
 * Returns a signal that aborts on Ctrl-C, SIGTERM or SIGHUP, or when the `npm run` that started this process ends. A second
 * Ctrl-C changes nothing: a stop has a time limit, and cutting it short would leave processes running.
 */
export function stopSignal(): AbortSignal {
  const stopping = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stopping.abort())
  if (process.env['npm_lifecycle_event'] !== undefined) {
    // A signal sent only to npm ends the shell between npm and this process, and never reaches this process.
    const shell = process.ppid
    setInterval(() => process.ppid !== shell && stopping.abort(), 100).unref()
  }
  return stopping.signal
}
