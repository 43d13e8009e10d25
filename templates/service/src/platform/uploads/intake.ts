import { Readable, Writable } from 'node:stream'

/** What of a file may have arrived before it is read: the client sends on while the disk writes. */
const aheadBytes = 256 * 1024

/** What a body is written to that is parsed into several streams: it takes no more while one of them is full. */
export interface Intake {
  readonly writable: Writable
  /** Holds the writer up until `release` of the same stream. */
  hold(full: Readable): void
  release(stream: Readable): void
}

/** An intake before `parser`, which does not throw. */
export function openIntake(parser: { write(chunk: Buffer): void; end(): void }): Intake {
  const full = new Set<Readable>()
  let goOn: (() => void) | undefined
  return {
    writable: new Writable({
      write(chunk: Buffer, _encoding, done) {
        parser.write(chunk)
        if (full.size === 0) done()
        else goOn = done
      },
      final(done) {
        parser.end()
        done()
      },
    }),
    hold(stream) {
      full.add(stream)
    },
    release(stream) {
      full.delete(stream)
      if (full.size > 0) return
      const done = goOn
      goOn = undefined
      done?.()
    },
  }
}

/**
 * A stream that `intake` fills.
 * @param onUnread called when it is closed, which is too early if not all of it is there
 */
export function contentOf(intake: Intake, onUnread: (error: Error) => void): Readable {
  const content = new Readable({ highWaterMark: aheadBytes, read: () => intake.release(content) })
  // Its reader is told as well; but one that has not begun to read has no listener, which would end the process.
  content.on('error', () => undefined)
  content.on('close', () =>
    onUnread(content.errored ?? new Error('a file of the request was not read to its end')),
  )
  return content
}
