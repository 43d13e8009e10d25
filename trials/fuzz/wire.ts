import { connect, type Socket } from 'node:net'

/** The answers on one connection. */
export interface Heard {
  /** The status of each answer, in their order. */
  readonly statuses: readonly number[]
  /** All bytes, as latin1. */
  readonly text: string
  /** Whether the service closed it. */
  readonly closed: boolean
  readonly ms: number
}

/** How long to wait for the next byte of an answer. */
const quietMs = 40
/** How long an impatient client waits for the first byte. */
const impatientMs = 150

/** A new connection. A reset by the service counts as a close. */
export function dial(port: number): Socket {
  return connect({ port, host: '127.0.0.1', noDelay: true }).on('error', () => undefined)
}

/** Resolves when it has closed, with or without an error. */
export function closeOf(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()))
}

/**
 * Sends the pieces one by one, and listens until the service closes, or is silent after an answer. Without an answer an
 * impatient client leaves, and a patient one stays until `limitMs`.
 */
export function say(
  port: number,
  pieces: readonly (string | Buffer)[],
  { patient, limitMs }: { patient: boolean; limitMs: number },
): Promise<Heard> {
  return new Promise((resolve) => {
    const startedAt = performance.now()
    const socket = dial(port)
    const chunks: Buffer[] = []
    let timer = setTimeout(finish, limitMs, false)
    function finish(closed: boolean): void {
      clearTimeout(timer)
      socket.destroy()
      const text = Buffer.concat(chunks).toString('latin1')
      const statuses = Array.from(text.matchAll(/^HTTP\/1\.1 (\d{3})/gm), ([, status]) => Number(status))
      resolve({ statuses, text, closed, ms: performance.now() - startedAt })
    }
    function wait(ms: number): void {
      clearTimeout(timer)
      timer = setTimeout(finish, ms, false)
    }
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      wait(quietMs)
    })
    socket.once('close', () => finish(true))
    const queue = [...pieces]
    const sendNext = (): void => {
      const piece = queue.shift()
      if (piece === undefined) {
        if (chunks.length === 0) wait(patient ? limitMs : impatientMs)
      } else if (!socket.destroyed) {
        socket.write(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece)
        setImmediate(sendNext)
      }
    }
    sendNext()
  })
}

/** Cuts `bytes` into pieces of `size`, of at most 200. */
export function cut(bytes: Buffer, size: number): Buffer[] {
  const step = Math.max(1, size, Math.ceil(bytes.length / 200))
  return Array.from({ length: Math.ceil(bytes.length / step) }, (_, i) =>
    bytes.subarray(i * step, (i + 1) * step),
  )
}
