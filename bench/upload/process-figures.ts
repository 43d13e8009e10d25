import { readFile } from 'node:fs/promises'

/** Linux's figures of a process. Undefined on other systems. */
export interface Figures {
  /** Bytes. */
  readonly resident: number
  /** Milliseconds of processor time of all threads so far, which depend less on other work of the machine. */
  readonly processorMs: number
}

export interface Watched {
  readonly before: Figures
  readonly after: Figures
  /** The most resident bytes that were seen. */
  readonly peak: number
}

const everyMs = 20
/** The kernel's clock tick, which is 10 ms on every Linux that Node runs on. */
const tickMs = 10
const page = 4096

/** Watches the process while `work` lasts. */
export async function watch(pid: number, work: () => Promise<unknown>): Promise<Watched | undefined> {
  const before = await figuresOf(pid)
  let peak = before?.resident ?? 0
  const timer = setInterval(() => {
    void figuresOf(pid).then((now) => (peak = Math.max(peak, now?.resident ?? 0)))
  }, everyMs)
  try {
    await work()
  } finally {
    clearInterval(timer)
  }
  const after = await figuresOf(pid)
  return before === undefined || after === undefined ? undefined : { before, after, peak }
}

/** https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html */
async function figuresOf(pid: number): Promise<Figures | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
  if (fields === undefined) return undefined
  // The third field of the page is the first here.
  const [utime, stime, rss] = [14, 15, 24].map((number) => Number(fields[number - 3]))
  return { processorMs: ((utime ?? 0) + (stime ?? 0)) * tickMs, resident: (rss ?? 0) * page }
}
