import type { ReceivedSpan } from '../../sample-service/test/support/otlp.ts'

/** One trace, built from the ids of its spans. */
export interface Trace {
  /** The tree, a line for each span. */
  readonly text: string
  /** Spans that name no parent. */
  readonly roots: number
  /** Spans whose parent was not received. */
  readonly orphans: number
}

/** The attributes that the page shows; the rest are ids, ports and times. */
const told = ['http.response.status_code', 'error.type', 'db.query.text', 'url.full', 'document.size']
const kinds = ['', '', 'server', 'client', 'producer', 'consumer']
const failed = 2

/** The traces whose root has this name, in the order in which they began. */
export function tracesNamed(spans: readonly ReceivedSpan[], name: string): Trace[] {
  const roots = spans.filter((span) => span.name === name && span.parentSpanId === '')
  return roots.toSorted(byStart).map((root) => {
    const trace = spans.filter(({ traceId }) => traceId === root.traceId)
    const ids = new Set(trace.map(({ spanId }) => spanId))
    return {
      text: linesOf(root, trace).join('\n'),
      roots: trace.filter(({ parentSpanId }) => parentSpanId === '').length,
      orphans: trace.filter(({ parentSpanId }) => parentSpanId !== '' && !ids.has(parentSpanId)).length,
    }
  })
}

function linesOf(span: ReceivedSpan, trace: readonly ReceivedSpan[]): string[] {
  const below = trace.filter(({ parentSpanId }) => parentSpanId === span.spanId).toSorted(byStart)
  const lines = [describe(span)]
  for (const [index, child] of below.entries()) {
    const last = index === below.length - 1
    const [first, ...more] = linesOf(child, trace)
    lines.push(`${last ? '└─' : '├─'} ${first ?? ''}`, ...more.map((line) => `${last ? '  ' : '│ '} ${line}`))
  }
  return lines
}

/** `GET /documents (server, documents)  http.response.status_code=499  error.type=ClientDisconnected`, and its events. */
function describe({ name, kind, resource, attributes, status, events }: ReceivedSpan): string {
  const role = [kinds[kind], kind === 2 && String(resource['service.name'])].filter(Boolean).join(' of ')
  const facts = told.flatMap((key) => (key in attributes ? [`${key}=${steady(attributes[key])}`] : []))
  const marks = status.code === failed ? ['ERROR'] : []
  const happened = events.map(
    ({ name, attributes }) => `[${[name, ...Object.values(attributes).slice(0, 1)].join(' ')}]`,
  )
  return [role === '' ? name : `${name} (${role})`, ...facts, ...marks, ...happened].join('  ')
}

/** Removes what differs in each run: ports, and the rest of a deadline. */
function steady(value: unknown): string {
  return String(value)
    .replace(/:\d{4,5}(?=\/)/, '')
    .replace(/(?<=_timeout = )\d+/g, '…')
}

function byStart(a: ReceivedSpan, b: ReceivedSpan): number {
  return a.startTimeUnixNano < b.startTimeUnixNano ? -1 : 1
}
