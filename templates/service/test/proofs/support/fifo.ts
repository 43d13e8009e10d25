import { execFile } from 'node:child_process'
import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { RunningTest } from '../../support/service.ts'

/** A pipe that is full, as a log collector that hangs leaves it. */
export interface FullPipe {
  /** For a process to write to. */
  readonly fd: number
  /** Reads from now on; resolves with what was written to it, when nobody has it open any more. */
  read(): Promise<string>
}

/** A pipe of the system's, which a shell makes; Node's `spawn` makes a pair of sockets. Gone when the test is. */
export async function fullPipe(t: RunningTest): Promise<FullPipe> {
  const dir = await mkdtemp(join(tmpdir(), 'pipe-'))
  t.onTestFinished(() => rm(dir, { recursive: true }))
  const path = join(dir, 'pipe')
  await promisify(execFile)('mkfifo', [path])
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const filler = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)
  let padding = 0
  try {
    for (;;) padding += writeSync(filler, ' '.repeat(256))
  } catch {
    // It is full.
  }
  const fd = openSync(path, constants.O_WRONLY)
  closeSync(filler)
  let reading: Socket | undefined
  t.onTestFinished(async () => (reading === undefined ? closeSync(reader) : void reading.destroy()))
  return {
    fd,
    async read() {
      closeSync(fd)
      // Not before: it reads ahead.
      reading = new Socket({ fd: reader, readable: true, writable: false })
      const chunks: Buffer[] = []
      for await (const chunk of reading) {
        chunks.push(chunk as Buffer)
      }
      return Buffer.concat(chunks).toString().slice(padding)
    },
  }
}
