import { Socket } from 'node:net'

/** When something happened, in milliseconds of the machine's monotonic clock: bench and service compare what they noted. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** What the service saw of its cancels. */
export interface Marks {
  /** Connections to Postgres that it has dialled since it started: each is a fork of Postgres. */
  dialled: number
  /** Of the last statement: when its context ended, and when its call rejected. */
  ended: number
  rejected: number
}

/** Counts the connections that node-postgres dials in this process. */
export function noteConnections(): Marks {
  const marks: Marks = { dialled: 0, ended: 0, rejected: 0 }
  // It calls this itself, as net.connect does too, which the service of the bench does not use.
  const connect = Reflect.get(Socket.prototype, 'connect') as (...args: unknown[]) => Socket
  Reflect.set(Socket.prototype, 'connect', function (this: Socket, ...args: unknown[]) {
    marks.dialled++
    return Reflect.apply(connect, this, args)
  })
  return marks
}
