import { Session, type Debugger } from 'node:inspector'
import { findSourceMap } from 'node:module'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { lastCall, startsOf, type Start } from '../telemetry/started.ts'

/** How many more faults the log gives a place for. To find one blocks the process for some tens of milliseconds. */
let placesLeft = 5

/** Returns the fields of the log that say where an unhandled rejection comes from. */
export function originOf(reason: unknown): Readonly<Record<string, unknown>> {
  const [first, ...others] = startsOf(reason).map(describe)
  return {
    ...(first === undefined ? placed(reason) : others.length === 0 ? first : {}),
    ...(others.length > 0 && { startedByOneOf: [first, ...others] }),
    hint: 'nobody awaited it: await it, or give it to a group (lint rules context/no-unowned-work, no-floating-promises)',
  }
}

function describe({ request, name, traceId, body }: Start): Readonly<Record<string, unknown>> {
  if (request === undefined) return { startedAt: placeOf(body), startedBy: name, traceId }
  const { id, method, path, route } = request
  return { startedAt: placeOf(body), method, path, route, requestId: id, traceId }
}

/** Finds the place by the stack. If the stack has no frame of the service, it names the handler that was called last. */
function placed(reason: unknown): Readonly<Record<string, unknown>> {
  const startedAt = ownFrame(reason)
  const last = startedAt === undefined ? lastCall() : undefined
  if (last === undefined) return { startedAt }
  const { id, method, path } = last.request
  return { lastCalled: last.describe(), method, path, requestId: id }
}

/** Returns the first frame of an error in the service's own code: not Node's, a package's or the platform's. */
function ownFrame(reason: unknown): string | undefined {
  const frames = reason instanceof Error ? (reason.stack?.split('\n') ?? []) : []
  const foreign = /node:|node_modules|[\\/](platform|context)[\\/]/
  return frames.find((line) => line.startsWith('    at ') && !foreign.test(line))?.slice(7)
}

/**
 * Returns where a function is written: `src/file.ts:12:5`. It asks the debugger, which costs nothing until then; keeping the
 * stack of each call would cost 1.6 µs a call. Undefined for a bound function, if Node was built without a debugger, and once
 * `placesLeft` is used up.
 */
function placeOf(fn: object): string | undefined {
  if (placesLeft === 0) return undefined
  placesLeft--
  const urls = new Map<string, string>()
  const session = new Session()
  session.on('Debugger.scriptParsed', ({ params }) => urls.set(params.scriptId, params.url))
  try {
    session.connect()
    session.post('Debugger.enable')
    const at = locationOf(session, fn)
    return at && written(urls.get(at.scriptId) ?? '', at.lineNumber, at.columnNumber ?? 0)
  } catch {
    return undefined
  } finally {
    session.disconnect()
  }
}

/** The global name by which the debugger finds the function. */
const key = 'functionOfFault'

/** The debugger answers before `post` returns. */
function locationOf(session: Session, fn: object): Debugger.Location | undefined {
  let location: Debugger.Location | undefined
  Object.defineProperty(globalThis, key, { value: fn, configurable: true })
  session.post('Runtime.evaluate', { expression: key }, (_error, { result }) => {
    session.post('Runtime.getProperties', { objectId: result.objectId ?? '' }, (_error, found) => {
      const internal = found.internalProperties?.find(({ name }) => name === '[[FunctionLocation]]')
      location = internal?.value?.value as Debugger.Location | undefined
    })
  })
  Reflect.deleteProperty(globalThis, key)
  return location
}

/** Maps a place to the source, if there is a source map. `line` and `column` count from 0. */
function written(url: string, line: number, column: number): string {
  const entry = findSourceMap(url)?.findEntry(line, column)
  const source = entry !== undefined && 'originalSource' in entry ? entry : undefined
  const file = source?.originalSource ?? url
  const path = file.startsWith('file:') ? relative(process.cwd(), fileURLToPath(file)) : file
  return `${path}:${(source?.originalLine ?? line) + 1}:${(source?.originalColumn ?? column) + 1}`
}
