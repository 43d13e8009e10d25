import { readFile } from 'node:fs/promises'

/** Resident memory of a process while something goes on, in bytes. */
export interface Memory {
  readonly start: number
  readonly peak: number
}

const everyMs = 20

/** Watches the process while `work` lasts; undefined where there is no /proc. */
export async function watchMemory(pid: number, work: () => Promise<unknown>): Promise<Memory | undefined> {
  const start = await residentOf(pid)
  let peak = start ?? 0
  const timer = setInterval(() => {
    void residentOf(pid).then((now) => (peak = Math.max(peak, now ?? 0)))
  }, everyMs)
  try {
    await work()
  } finally {
    clearInterval(timer)
  }
  return start === undefined ? undefined : { start, peak }
}

async function residentOf(pid: number): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => undefined)
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(status ?? '') ?? []
  return kib === undefined ? undefined : Number(kib) * 1024
}
