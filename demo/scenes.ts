import { colourOf, seconds, type Line } from './picture.ts'
import type { Pace } from './stage.ts'
import type { OpenRequest, Subject } from './subject.ts'

/** What a scene can use. */
export interface Acting {
  readonly subject: Subject
  readonly pace: Pace
  readonly request: OpenRequest
  readonly pause: (ms: number) => Promise<void>
  readonly until: (what: string, holds: () => boolean) => Promise<void>
  /** Shows a sentence below the picture. */
  readonly caption: (...lines: Line[]) => void
  /** The deadline of the request's context, once it has been seen. */
  readonly deadline: () => number | undefined
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
  /** The status that the service must record, the status that the client must see, and both in words. */
  readonly status: number
  readonly answered: number | undefined
  readonly verdict: string
  /** The event from which time is counted. */
  readonly after: string
  /** Whether the server's context ends as well, and then the process: with exit code 0. */
  readonly leaves?: boolean
  /** Causes the end. Resolves with the time at which it began, in epoch milliseconds. */
  act(acting: Acting): Promise<number>
}

/** Envoy's header for the milliseconds that a caller will wait: src/platform/http/deadline.ts. */
const callerTimeout = 'x-envoy-expected-rq-timeout-ms'
const waits: Line = [['$ ', 'dim'], ['curl /demo/report']]

export const scenes: readonly Scene[] = [
  {
    title: 'A client hangs up',
    parts: 4,
    cause: 'ClientDisconnected',
    status: 499,
    answered: undefined,
    verdict: 'recorded as 499',
    after: 'the hang-up',
    async act({ request, pace, pause, caption }) {
      caption([...waits, ['   the client waits …', 'dim']])
      await pause(pace.runMs)
      const at = Date.now()
      request.hangUp()
      caption([...waits, [' ^C', 'bold', colourOf('ClientDisconnected')]])
      return at
    },
  },
  {
    title: 'A deadline passes',
    parts: 4,
    headers: ({ deadlineMs }) => ({ [callerTimeout]: String(deadlineMs) }),
    cause: 'DeadlineExceeded',
    status: 504,
    answered: 504,
    verdict: 'answered 504',
    after: 'the deadline',
    async act({ pace, pause, until, caption, deadline }) {
      caption([['$ ', 'dim'], [`curl -H ${callerTimeout}:${pace.deadlineMs} /demo/report`]])
      await until('the deadline of the request in /debug/contexts', () => deadline() !== undefined)
      const at = deadline() ?? NaN
      await pause(at - Date.now())
      return at
    },
  },
  {
    title: 'SIGTERM: drain, cancel, leave',
    parts: 3,
    beside: ({ quickMs }) => `/demo/quick?seconds=${quickMs / 1_000}`,
    cause: 'ServerShutdown',
    status: 503,
    answered: 503,
    verdict: 'answered 503',
    after: 'the cancel',
    leaves: true,
    async act({ subject, pace, pause, until, caption }) {
      const kill: Line = [
        ['$ ', 'dim'],
        ['kill -TERM', 'bold', colourOf('ServerShutdown')],
      ]
      caption([['two requests are under way', 'dim']])
      await pause(pace.runMs / 2)
      const exit = subject.terminate()
      // The scene awaits it at its end.
      exit.catch(() => undefined)
      caption([
        ...kill,
        [`   draining: ${seconds(pace.drainMs)} for requests to finish by themselves`, 'dim'],
      ])
      await pause(pace.drainMs - 100)
      await until('the log line cancelling', () => subject.logged('cancelling') !== undefined)
      caption(kill)
      return subject.logged('cancelling') ?? NaN
    },
  },
]
