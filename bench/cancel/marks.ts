import { subscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'

/** When something happened, in milliseconds of the machine's monotonic clock: bench and service compare what they noted. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** What the service saw of its cancels. */
export interface Marks {
  /** Connections for cancels that it has dialled since it started. */
  sent: number
  /** Of the last statement: when its context ended, and when its call rejected. */
  ended: number
  rejected: number
  /** Of the last side connection. */
  dialled: number
  connected: number
}

/** Notes every `net.connect` of this process, which in the service of the bench is a side connection: pg dials in another way. */
export function noteSideConnections(): Marks {
  const marks: Marks = { sent: 0, ended: 0, rejected: 0, dialled: 0, connected: 0 }
  subscribe('net.client.socket', (message) => {
    const { socket } = message as { socket: Socket }
    marks.sent++
    marks.dialled = machineMs()
    socket.once('connect', () => (marks.connected = machineMs()))
  })
  return marks
}
