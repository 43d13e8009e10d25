import { colourOf, seconds, type Line } from './picture.ts'
import type { Pace } from './stage.ts'
import { clock, type OpenRequest, type Subject } from './subject.ts'

/** What a scene acts with. */
export interface Acting {
  readonly subject: Subject
  readonly pace: Pace
  readonly request: OpenRequest
  pause(ms: number): Promise<void>
  until(what: string, holds: () => boolean): Promise<void>
  /** Says what happens, below the picture. */
  caption(...lines: Line[]): void
  /** The deadline of the request's context, once it has been seen. */
  deadline(): number | undefined
}

/** One way for a request to end. */
export interface Scene {
  readonly title: string
  /** Statements that the request runs side by side. */
  readonly parts: number
  readonly headers?: (pace: Pace) => Record<string, string>
  /** The path of a second request, that has time to finish. */
  readonly beside?: (pace: Pace) => string
  /** The cause that every context of the request must have. */
  readonly cause: string
  /** The status that the service must record, and what becomes of it. */
  readonly status: number
  readonly answer: string
  /** What the time is counted from. */
  readonly after: string
  /** Whether the server's context ends, too. */
  readonly server?: boolean
  /** Brings the end about; resolves with the moment it began, in epoch milliseconds. */
  act(acting: Acting): Promise<number>
  /** What there is to see when all has ended. */
  leave?(acting: Acting): Promise<Line>
}

const waits: Line = [['$ ', 'dim'], ['curl /demo/report']]

export const scenes: readonly Scene[] = [
  {
    title: 'a client hangs up',
    parts: 4,
    cause: 'ClientDisconnected',
    status: 499,
    answer: 'nobody to answer: recorded as 499',
    after: 'the hang-up',
    async act({ request, pace, pause, caption }) {
      caption([...waits, ['   the client waits …', 'dim']])
      await pause(pace.runMs)
      request.hangUp()
      const at = clock()
      caption([...waits, [' ^C', 'bold', colourOf('ClientDisconnected')]])
      return at
    },
  },
  {
    title: 'a deadline passes',
    parts: 4,
    headers: ({ deadlineMs }) => ({ 'x-envoy-expected-rq-timeout-ms': String(deadlineMs) }),
    cause: 'DeadlineExceeded',
    status: 504,
    answer: 'answered 504 Gateway Timeout',
    after: 'the deadline',
    async act({ pace, request, caption, deadline }) {
      const patience: Line = [
        ...waits,
        ['   a caller with ', 'dim'],
        [seconds(pace.deadlineMs)],
        [' of patience', 'dim'],
      ]
      caption(patience)
      const status = await request.status
      if (status !== 504) throw new Error(`the request was answered ${status}, not 504`)
      const at = deadline()
      if (at === undefined) throw new Error('/debug/contexts did not show the deadline of the request')
      return at
    },
  },
  {
    title: 'SIGTERM: drain, cancel, leave',
    parts: 3,
    beside: ({ quickMs }) => `/demo/quick?seconds=${quickMs / 1_000}`,
    cause: 'ServerShutdown',
    status: 503,
    answer: 'answered 503 Service Unavailable',
    after: 'the cancel',
    server: true,
    async act({ subject, pace, pause, until, caption, request }) {
      const kill: Line = [
        ['$ ', 'dim'],
        ['kill -TERM', 'bold', colourOf('ServerShutdown')],
      ]
      caption([['two requests are under way', 'dim']])
      await pause(pace.runMs / 2)
      const exit = subject.terminate()
      // Waited for when there is nothing else left to see.
      exit.catch(() => undefined)
      caption([
        ...kill,
        [`   draining: ${seconds(pace.drainMs)} for requests to finish by themselves`, 'dim'],
      ])
      await pause(pace.drainMs - 100)
      await until('the log line cancelling', () => subject.logged('cancelling') !== undefined)
      caption(kill)
      const status = await request.status
      if (status !== 503) throw new Error(`the request was answered ${status}, not 503`)
      return subject.logged('cancelling') ?? NaN
    },
    async leave({ subject }) {
      const { code, signal } = await subject.terminate()
      if (code !== 0) throw new Error(`the service ended with ${signal ?? code}, not with exit code 0`)
      return [['the process has left: exit code 0', 'bold', 'green']]
    },
  },
]
