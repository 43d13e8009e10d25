import { Socket } from 'node:net'

/** Now, in milliseconds of the machine's monotonic clock, so that bench and service can compare their times. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** The service's own figures of its cancels. */
export interface Marks {
  /** How many connections to Postgres it has opened since its start. Postgres forks for each. */
  dialled: number
  /** When the context of the last statement ended, and when its call rejected. */
  ended: number
  rejected: number
}

/** Counts the connections that node-postgres opens in this process. */
export function noteConnections(): Marks {
  const marks: Marks = { dialled: 0, ended: 0, rejected: 0 }
  // node-postgres calls this itself. So does net.connect, which this service does not use.
  const connect = Reflect.get(Socket.prototype, 'connect') as (...args: unknown[]) => Socket
  Reflect.set(Socket.prototype, 'connect', function (this: Socket, ...args: unknown[]) {
    marks.dialled++
    return Reflect.apply(connect, this, args)
  })
  return marks
}
