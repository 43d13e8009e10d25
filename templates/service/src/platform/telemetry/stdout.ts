import { writeFile, writeFileSync } from 'node:fs'
import { Socket } from 'node:net'
import type { Context } from '../../context/context.ts'
import { ended } from '../../context/ended.ts'

/** Bytes that wait at most: about 4,000 lines of requests. */
const maxWaiting = 2 ** 20
/** How long a line waits for others: a write costs as much as two lines. */
const gatherMs = 5
/** A pipe takes up to this many bytes whole or not at all (POSIX: PIPE_BUF): no line is cut, or mixed with another process's. */
const maxWrite = 4_096

/** What is written in one call. */
interface Chunk {
  text: string
  bytes: number
  lines: number
  /** How many dropped lines it reports. */
  gap: number
}

/**
 * Lines on their way to stdout. The caller never waits, whatever the reader of stdout does. The lines of a few milliseconds
 * are written together. When the process exits, it writes as many of the waiting bytes as the system takes at once.
 *
 * pino's own destination (sonic-boom) will not do: its write to a full pipe holds a thread, and `process.exit` waits for that
 * thread as long as nobody reads the pipe.
 */
export class Stdout {
  readonly #report: (dropped: number) => void
  readonly #waiting: Chunk[] = []
  /** Bytes that are not out yet. */
  #held = 0
  #send: Send | undefined
  /** Resolves when all is out; undefined while nothing waits. */
  #sending: Promise<void> | undefined
  #dropped = 0
  /** Lines dropped and not yet reported. Until they are, all further lines are dropped too, so that the log has one gap. */
  #unreported = 0
  /** How many dropped lines the line being logged reports; 0 for any other line. */
  #reporting = 0

  /** @param report logs how many lines were dropped: it calls `write` once; called when there is room again */
  constructor(report: (dropped: number) => void) {
    this.#report = report
  }

  /** How many lines have been dropped. */
  get dropped(): number {
    return this.#dropped
  }

  /** Takes a line, or drops it if too much waits already: the reader has stopped, or the disk is full. */
  write(text: string): void {
    const bytes = Buffer.byteLength(text)
    // Nothing waits that could fail: the disk may have room again.
    if (this.#unreported > 0 && this.#held === 0) this.#reportGap()
    if (this.#reporting > 0) this.#append({ text, bytes, lines: 0, gap: this.#reporting })
    else if (this.#unreported > 0 || (this.#held > 0 && this.#held + bytes > maxWaiting)) this.#drop(1)
    else this.#append({ text, bytes, lines: 1, gap: 0 })
  }

  /** Waits until all is out, or ctx has ended. Never rejects. */
  async flush(ctx: Context): Promise<void> {
    using stopped = ended(ctx)
    await Promise.race([this.#sending, stopped])
  }

  #append(line: Chunk): void {
    this.#held += line.bytes
    const last = this.#waiting.at(-1)
    if (last === undefined || last.bytes + line.bytes > maxWrite) this.#waiting.push(line)
    else {
      last.text += line.text
      last.bytes += line.bytes
      last.lines += line.lines
      last.gap += line.gap
    }
    this.#sending ??= this.#sendAll((this.#send ??= openSend(this.#waiting)))
  }

  /** Sends what waits, until nothing does. Before it sends the last chunk, it lets more lines gather in it. */
  async #sendAll(send: Send): Promise<void> {
    try {
      await gathered()
      for (let chunk = this.#waiting.shift(); chunk !== undefined; chunk = this.#waiting.shift()) {
        const error = await send(chunk.text)
        this.#held -= chunk.bytes
        if (error) {
          this.#unreported += chunk.gap
          this.#drop(chunk.lines)
        } else if (this.#unreported > 0 && this.#held < maxWaiting / 2) this.#reportGap()
        if (this.#waiting.length === 1) await gathered()
      }
    } finally {
      // Even if the report has thrown, so that the next line starts to send again.
      this.#sending = undefined
    }
  }

  #drop(lines: number): void {
    this.#dropped += lines
    this.#unreported += lines
  }

  #reportGap(): void {
    this.#reporting = this.#unreported
    this.#unreported = 0
    try {
      this.#report(this.#reporting)
    } finally {
      this.#reporting = 0
    }
  }
}

function gathered(): Promise<void> {
  // eslint-disable-next-line no-restricted-syntax -- lines belong to no context: they go out after all have ended
  return new Promise((resolve) => setTimeout(resolve, gatherMs))
}

/** Writes text to descriptor 1. Resolves with an error if it could not. */
type Send = (text: string) => Promise<Error | null | undefined>

/** A write to a full pipe must not take a thread, so Node's stream writes, which waits for the pipe in the event loop. */
function openSend(waiting: readonly Chunk[]): Send {
  const { stdout } = process
  if (!(stdout instanceof Socket)) {
    process.once('exit', () => writeNow(waiting))
    return (text) => new Promise((resolve) => writeFile(1, text, resolve))
  }
  // Node makes writes to a terminal block, and has no other way to undo that.
  const { _handle: handle } = stdout as { _handle?: { setBlocking?(on: boolean): void } }
  if (stdout.isTTY) handle?.setBlocking?.(false)
  // The reader has gone. The callback of every write gets this error as well.
  stdout.on('error', () => undefined)
  process.once('exit', () => {
    for (const { text } of waiting) stdout.write(text)
  })
  return (text) => new Promise((resolve) => stdout.write(text, resolve))
}

function writeNow(waiting: readonly Chunk[]): void {
  try {
    for (const { text } of waiting) writeFileSync(1, text)
  } catch {
    // The disk is full, and nobody is left to read why.
  }
}
