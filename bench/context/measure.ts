import { setImmediate } from 'node:timers/promises'

/** Does what is measured `times` times. */
export type Batch = (times: number) => void | Promise<void>

/** A parent whose children are made first, and ended in one go. */
export interface Family {
  make(children: number): void | Promise<void>
  end(): void | Promise<void>
}

/** What is measured: `batch` over and over, `family` once. Loaded in a process of its own. */
export type Subject = { readonly batch: Batch } | { readonly family: Family; readonly children: number }

/** One measurement. */
export interface Sample {
  /**
   * Nanoseconds for each time, or milliseconds for the whole family: processor time of all threads of the process, so
   * that collecting counts and what else the machine does counts less.
   */
  readonly time: number
  /** The same by the clock: what a machine that does nothing else takes. */
  readonly clock: number
  /** Bytes of heap for each time that are still there afterwards, after collecting; the parent lives. */
  readonly retained: number
  /** Bytes of heap for each child while it lives; of a family only. */
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
  // A collection throws away machine code that stood on objects which are gone: a service that runs has it.
  const warming = await spend(batch, size, ms / 4)
  const start = performance.now()
  const { times, elapsed } = await spend(batch, size, ms)
  const clock = ((performance.now() - start) * 1e6) / times
  const retained = (await heapUsed()) - before
  const all = times + warming.times
  return { time: (elapsed * 1e6) / times, clock, retained: retained / all, live: undefined }
}

async function measureFamily(family: Family, children: number): Promise<Sample> {
  // Once for the compiler, so that both ends see the same machine code.
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
    // What was only waiting for its finalizer is gone at the next collection.
    await setImmediate()
  }
  return process.memoryUsage().heapUsed
}
