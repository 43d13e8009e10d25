/** The boundary of an emitted service with one part changed: the difference is the cost of that part. */
export interface Change {
  readonly title: string
  readonly file: string
  /** Texts that occur in the file exactly once, and their replacements. */
  readonly replace: readonly (readonly [from: string, to: string])[]
}

const http = 'templates/service/src/platform/http/boundary.ts'
const observers = 'templates/service/src/platform/http/observers.ts'

export const changes: readonly Change[] = [
  {
    title: 'without a deadline of its own',
    file: http,
    replace: [['callerMs === undefined ? ownMs : Math.min(ownMs, callerMs)', 'Infinity']],
  },
  {
    title: "without looking for the caller's deadline",
    file: http,
    replace: [['callerTimeoutMs(incoming.headers)', 'undefined']],
  },
  {
    title: 'without making a request id',
    file: 'templates/service/src/platform/http/request-info.ts',
    replace: [[': randomUUID()', ": 'the same for all'"]],
  },
  {
    title: 'without the header X-Request-Id',
    file: 'templates/service/src/platform/http/exchange.ts',
    replace: [["{ 'x-request-id': this.info.id, ...headers }", '{ ...headers }']],
  },
  {
    title: 'without looking at the headers of the answer',
    file: 'templates/service/src/platform/http/answer.ts',
    replace: [['for (const [name, value] of headers) validate(name, value)', '']],
  },
  {
    title: 'without the calls that count and time',
    file: observers,
    replace: [['...(isCounted() ? [counting] : []),', '']],
  },
  {
    title: 'without the call that logs',
    file: observers,
    replace: [[' logging(log),', '']],
  },
  {
    title: 'without an order among the requests of a connection',
    file: 'templates/service/src/platform/http/limits.ts',
    replace: [['oneAtATime(listener, onFlood)', 'listener']],
  },
  {
    title: 'with promises though nothing waits',
    file: 'templates/service/src/platform/http/handle.ts',
    replace: [
      [
        'if (work instanceof Promise) return settle(ctx, c, work, outlet)',
        'return settle(ctx, c, Promise.resolve(work), outlet)',
      ],
    ],
  },
]

/** @throws Error if the file no longer has the text to replace */
export function changed({ title, file, replace }: Change): (text: string, source: string) => string {
  return (text, source) => {
    if (source !== file) return text
    return replace.reduce((before, [from, to]) => {
      const parts = before.split(from)
      if (parts.length !== 2) {
        throw new Error(`price, ${title}: ${file} has "${from}" ${parts.length - 1} times, expected once`)
      }
      return parts.join(to)
    }, text)
  }
}
