import { Writable, type Readable } from 'node:stream'

/** What a body is written to that is parsed into several streams: it takes no more while one of them is full. */
export interface Intake {
  readonly writable: Writable
  /** Holds the writer up until `release` of the same stream. */
  hold(full: Readable): void
  release(stream: Readable): void
}

/** An intake before `parser`, whose own back-pressure is not relied on. */
export function openIntake(parser: Writable): Intake {
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
