import { writeFile, writeFileSync } from 'node:fs'
import { Socket } from 'node:net'
import type { Context } from '../../context/context.ts'
import { ended } from '../../context/ended.ts'

/** Bytes that wait at most: about 4,000 lines of requests. */
const maxWaiting = 2 ** 20
/** A pipe takes so many bytes as a whole or not at all (POSIX: PIPE_BUF), so that no line is cut, nor mixed with another's. */
const maxWrite = 4_096

/** Lines on their way to stdout. The caller never waits, whatever the reader of stdout does. */
export interface Stdout {
  /** Takes a line, or drops it if too much waits already: the reader has stopped, or the disk is full. */
  write(line: string): void
  /** Waits until all is out, or ctx has ended. Never rejects. */
  readonly flush: (ctx: Context) => Promise<void>
  /** How many lines have been dropped. */
  readonly dropped: number
}

/** What is written in one call. */
interface Chunk {
  text: string
  bytes: number
  lines: number
  /** How many dropped lines it reports. */
  gap: number
}

/**
 * Writes the lines of a turn of the event loop together. When the process exits, the system gets what waits, as far as it
 * takes it at once.
 *
 * pino's own destination (sonic-boom) does not do: its write to a full pipe holds a thread, and `process.exit` waits for that
 * thread as long as nobody reads the pipe.
 * @param report logs how many lines were dropped; called when there is room again
 */
export function openStdout(report: (dropped: number) => void): Stdout {
  const waiting: Chunk[] = []
  /** Bytes that are not out yet. */
  let held = 0
  let send: Send | undefined
  let sending = false
  let dropped = 0
  /** Dropped and not reported yet. Until it is, all that comes is dropped as well: the gap has one place in the log. */
  let unreported = 0
  /** What the line that is being logged reports; 0 for any other line. */
  let reporting = 0
  let onFlushed: (() => void) | undefined

  function write(text: string): void {
    const bytes = Buffer.byteLength(text)
    // Nothing waits that could fail: the disk may have room again.
    if (unreported > 0 && held === 0) reportGap()
    if (reporting > 0) append({ text, bytes, lines: 0, gap: reporting })
    else if (unreported > 0 || (held > 0 && held + bytes > maxWaiting)) drop(1)
    else append({ text, bytes, lines: 1, gap: 0 })
  }

  function append(line: Chunk): void {
    held += line.bytes
    const last = waiting.at(-1)
    if (last === undefined || last.bytes + line.bytes > maxWrite) waiting.push(line)
    else {
      last.text += line.text
      last.bytes += line.bytes
      last.lines += line.lines
      last.gap += line.gap
    }
    if (!sending) setImmediate(sendNext)
    sending = true
  }

  function sendNext(): void {
    const chunk = waiting.shift()
    if (chunk === undefined) {
      sending = false
      onFlushed?.()
      return
    }
    send ??= openSend(waiting)
    send(chunk.text, (error) => {
      held -= chunk.bytes
      if (error) {
        unreported += chunk.gap
        drop(chunk.lines)
      } else if (unreported > 0 && held < maxWaiting / 2) reportGap()
      sendNext()
    })
  }

  function drop(lines: number): void {
    dropped += lines
    unreported += lines
  }

  function reportGap(): void {
    reporting = unreported
    unreported = 0
    report(reporting)
    reporting = 0
  }

  return {
    write,
    async flush(ctx) {
      if (!sending) return
      using stopped = ended(ctx)
      await Promise.race([new Promise<void>((resolve) => (onFlushed = resolve)), stopped])
    },
    get dropped() {
      return dropped
    },
  }
}

/** Writes text to descriptor 1; `error` says that it could not. */
type Send = (text: string, done: (error?: Error | null) => void) => void

/** A write to a full pipe must not take a thread, so Node's stream writes, which waits for the pipe in the event loop. */
function openSend(waiting: readonly Chunk[]): Send {
  const { stdout } = process
  if (!(stdout instanceof Socket)) {
    process.once('exit', () => writeNow(waiting))
    return (text, done) => writeFile(1, text, done)
  }
  // Node makes the writes to a terminal wait, and has no other way to undo that.
  const { _handle: handle } = stdout as { _handle?: { setBlocking?(on: boolean): void } }
  if (stdout.isTTY) handle?.setBlocking?.(false)
  // The reader has gone. The callback of every write gets this error as well.
  stdout.on('error', () => undefined)
  process.once('exit', () => {
    for (const { text } of waiting) stdout.write(text)
  })
  return (text, done) => stdout.write(text, done)
}

function writeNow(waiting: readonly Chunk[]): void {
  try {
    for (const { text } of waiting) writeFileSync(1, text)
  } catch {
    // The disk is full, and nobody is left to read why.
  }
}
