import { execFile } from 'node:child_process'
import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { RunningTest } from '../../support/service.ts'

/** A full pipe, as behind a log collector that hangs. */
export interface FullPipe {
  /** The end to which a process writes. */
  readonly fd: number
  /** Starts to read. Resolves with everything that was written, when no process has the pipe open any more. */
  read(): Promise<string>
}

/** A real pipe, made by a shell, because Node's `spawn` makes a pair of sockets. It is removed with the test. */
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
    // The pipe is full.
  }
  const fd = openSync(path, constants.O_WRONLY)
  closeSync(filler)
  let reading: Socket | undefined
  t.onTestFinished(async () => (reading === undefined ? closeSync(reader) : void reading.destroy()))
  return {
    fd,
    async read() {
      closeSync(fd)
      // Not earlier, because the stream reads ahead.
      reading = new Socket({ fd: reader, readable: true, writable: false })
      const chunks: Buffer[] = []
      for await (const chunk of reading) {
        chunks.push(chunk as Buffer)
      }
      return Buffer.concat(chunks).toString().slice(padding)
    },
  }
}
