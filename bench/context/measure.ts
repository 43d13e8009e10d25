import { setImmediate } from 'node:timers/promises'

/** Does the measured work `times` times. */
export type Batch = (times: number) => void | Promise<void>

/** Makes the children of a parent, then ends all of them at once. */
export interface Family {
  make(children: number): void | Promise<void>
  end(): void | Promise<void>
}

/** The measured code: `batch` runs again and again, `family` once. It is loaded in its own process. */
export type Subject = { readonly batch: Batch } | { readonly family: Family; readonly children: number }

/** One measurement. */
export interface Sample {
  /**
   * Nanoseconds for each run, or milliseconds for the whole family: processor time of all threads of the process, which includes
   * garbage collection and depends less on other work of the machine.
   */
  readonly time: number
  /** The same by the wall clock, which is right on an otherwise idle machine. */
  readonly clock: number
  /** Bytes of heap that each run retains after a collection, while the parent lives. */
  readonly retained: number
  /** Bytes of heap for each living child, for a family only. */
  readonly live: number | undefined
}

/** A batch lasts about this long; then the event loop turns, as it does in a service, and finalizers may run. */
const batchMs = 1
const collections = 4

/**
 * Measures `subject` for about `ms` milliseconds of processor time after as many of warm-up.
 * @throws Error if Node was not started with --expose-gc
 */
export async function measure(subject: Subject, ms: number): Promise<Sample> {
  return 'family' in subject
    ? measureFamily(subject.family, subject.children)
    : measureBatch(subject.batch, ms)
}

async function measureBatch(batch: Batch, ms: number): Promise<Sample> {
  const { size } = await spend(batch, 1, ms)
  const before = await heapUsed()
  // A collection discards machine code that depends on collected objects, which a running service has.
  const warming = await spend(batch, size, ms / 4)
  const start = performance.now()
  const { times, elapsed } = await spend(batch, size, ms)
  const clock = ((performance.now() - start) * 1e6) / times
  const retained = (await heapUsed()) - before
  const all = times + warming.times
  return { time: (elapsed * 1e6) / times, clock, retained: retained / all, live: undefined }
}

async function measureFamily(family: Family, children: number): Promise<Sample> {
  // Run once for the compiler, so that both readings have the same machine code.
  await family.make(Math.min(children, 5_000))
  await family.end()
  const before = await heapUsed()
  await family.make(children)
  const live = (await heapUsed()) - before
  const start = process.cpuUsage()
  const startedAt = performance.now()
  await family.end()
  const clock = performance.now() - startedAt
  const time = spentMs(start)
  const retained = (await heapUsed()) - before
  return { time, clock, retained: retained / children, live: live / children }
}

/** Runs batches until `ms` of processor time are spent; `size` is the number of times that fills one batch. */
async function spend(batch: Batch, first: number, ms: number) {
  const start = process.cpuUsage()
  let size = first
  let times = 0
  for (let before = 0; before < ms;) {
    await batch(size)
    times += size
    await setImmediate()
    const after = spentMs(start)
    if (after - before < batchMs / 2 && first === 1) size *= 2
    before = after
  }
  return { size, times, elapsed: spentMs(start) }
}

function spentMs(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since)
  return (user + system) / 1000
}

async function heapUsed(): Promise<number> {
  const { gc } = globalThis
  if (gc === undefined) throw new Error('measure: start node with --expose-gc')
  for (let i = 0; i < collections; i++) {
    gc()
    // The next collection removes objects that only waited for their finalizers.
    await setImmediate()
  }
  return process.memoryUsage().heapUsed
}
