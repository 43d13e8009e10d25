import { cp, mkdir, mkdtemp, rm, rmdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Plan } from './plan.ts'

/**
 * Runs `work` with a copy of these files and folders of the service. The copy is inside the service's folder so that its
 * dependencies resolve, holds what is on disk, and is removed afterwards: SIGINT and SIGTERM abort `signal` instead of ending
 * the process, and then `withCopy` throws once the copy is removed.
 */
export async function withCopy<T>(
  root: string,
  paths: readonly string[],
  work: (copy: string, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stop = new AbortController()
  const onSignal = (): void => stop.abort(new Error('Stopped: nothing was added.'))
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal)
  const data = join(root, '.data')
  const made = await mkdir(data, { recursive: true })
  const copy = await mkdtemp(join(data, 'add-'))
  try {
    for (const path of paths) {
      await cp(join(root, path), join(copy, path), { recursive: true }).catch(unlessMissing)
    }
    return await work(copy, stop.signal)
  } finally {
    await rm(copy, { recursive: true, force: true })
    // Fails on purpose if another program has put something into the folder meanwhile.
    if (made !== undefined) await rmdir(data).catch(() => undefined)
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
    stop.signal.throwIfAborted()
  }
}

/** Applies the plan's changes to the copy. */
export async function writePlanned(plan: Plan, copy: string): Promise<void> {
  for (const { path, after } of plan.changes()) {
    const place = join(copy, path)
    await mkdir(dirname(place), { recursive: true })
    if (after === undefined) await rm(place, { force: true })
    else await writeFile(place, after)
  }
}

function unlessMissing(cause: NodeJS.ErrnoException): void {
  if (cause.code !== 'ENOENT') throw cause
}
