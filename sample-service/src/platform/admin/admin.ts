import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  countLiveContexts,
  liveContexts,
  withValue,
  type Context,
  type Lifetime,
} from '../../context/context.ts'
import { until } from '../../context/until.ts'
import { bind } from '../http/listener.ts'
import { contextsPage, contextsPagePolicy, type Shown } from './page.ts'
import { filterOf, fits, type Filter } from '../telemetry/filter.ts'
import { limitedServer } from '../http/limits.ts'
import { pathOf } from '../http/request-info.ts'
import type { Server } from '../http/server.ts'
import type { Log } from '../telemetry/log.ts'
import { methodNotAllowed, notFound, Problem, problemBody } from '../problem.ts'
import type { RecentRequests } from '../telemetry/kept.ts'
import { openSteps, viewOf, type Step } from '../telemetry/recent.ts'
import { refusalOf, answerUnparsed } from '../http/refusal.ts'
import { requestKey, type RequestInfo } from '../request.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'

export interface AdminOptions {
  readonly host: string
  /** 0 means any free one. */
  readonly port: number
  readonly metrics: Telemetry['metrics']
  /** The requests that `/debug/contexts` shows; undefined if that page, which reveals paths and names, is not offered. */
  readonly recent: RecentRequests | undefined
  /** Notes which statements wait for a lock. Never rejects. */
  readonly noteLocks?: (ctx: Context, steps: readonly Step[]) => Promise<void>
}

/** The most requests under way that are shown with their spans. */
const maxUnderWay = 20
/** The most contexts of the tree: as JSON they are some megabytes, and take tens of milliseconds. */
const maxShown = 10_000
/** The greatest depth of the tree, since JSON.stringify recurses. */
const maxDepth = 500
/** The most contexts that are counted, which takes tens of milliseconds. */
const maxCounted = 1_000_000

/** Nobody sends a body, and Prometheus scrapes at least once a minute. */
const receiveLimits = { headersMs: 10_000, keepAliveMs: 65_000, longestMs: 10_000 }

/** The paths of this listener that the public server answers. */
const probes = ['/livez', '/readyz']

/**
 * Opens the admin listener, which is never on the public port: `GET /metrics`; `GET /debug/contexts`, which shows the tree below
 * `root`; and the probes.
 * @throws Error that names the address and what to do, if it cannot be bound; the cause of ctx if it ends first
 */
export async function listenAdmin(ctx: Context, root: Lifetime, log: Log, options: AdminOptions) {
  let probed: Server | undefined
  /** The responses under way, except those to probes, which are among the exchanges of `probed`. */
  const open = new Set<ServerResponse>()
  const server = limitedServer(
    receiveLimits,
    (request, response) => answer(root, log, request, response, { ...options, probed, open }),
    () => log.warn(root, 'closed a connection to the admin listener: more than 100 requests waited on it'),
  )
  const refused = (info: RequestInfo, problem: Problem) => logRefusal(root, log, info, problem)
  answerUnparsed(server, () => probed?.active ?? [], {}, refused, open)
  const { host, port: wanted } = options
  const address = { host, port: wanted, purpose: 'listen for admin', variable: 'ADMIN_PORT' }
  const port = await bind(ctx, root, log, server, address)
  return {
    port,
    /**
     * From now on `GET /livez` and `GET /readyz` go to `publicServer`. Node accepts one connection of a listener in each turn of
     * the event loop, so on the public port a probe waits behind all earlier connections. On this port nobody else connects.
     */
    probe(publicServer: Server): void {
      probed = publicServer
    },
    /** Closes the listener and all its connections. */
    async close(ctx: Context): Promise<void> {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      await until(ctx, closed)
    },
  }
}

function answer(
  root: Lifetime,
  log: Log,
  request: IncomingMessage,
  response: ServerResponse,
  options: AdminOptions & { readonly probed: Server | undefined; readonly open: Set<ServerResponse> },
): void {
  const path = pathOf(request.url ?? '/')
  const problem = refusalOf(request) ?? problemOf(request, path, options)
  if (problem === undefined && probes.includes(path)) {
    options.probed?.answer(request, response)
    return
  }
  options.open.add(response)
  response.once('close', () => options.open.delete(response))
  response.setHeader('cache-control', 'no-store')
  response.setHeader('x-content-type-options', 'nosniff')
  response.setHeader('referrer-policy', 'no-referrer')
  if (problem !== undefined) {
    const info = { id: randomUUID(), method: request.method ?? 'GET', path }
    const type = 'application/problem+json'
    const headers = { 'content-type': type, 'x-request-id': info.id, ...problem.headers }
    response.writeHead(problem.status, headers).end(problemBody(problem, { requestId: info.id }))
    logRefusal(root, log, info, problem)
  } else if (path === '/metrics') {
    options.metrics(request, response)
  } else {
    // eslint-disable-next-line context/no-unowned-work -- it waits for nothing but noteLocks, which ends by itself
    showContexts(root, request, response, options).catch((error: unknown) => {
      log.error(root, 'the page of contexts failed', { err: error })
      response.destroy()
    })
  }
}

/** Returns why a request is refused; undefined if it is not. */
function problemOf(
  { headers, method }: IncomingMessage,
  path: string,
  { host, recent, probed }: AdminOptions & { readonly probed: Server | undefined },
): Problem | undefined {
  if (probes.includes(path)) {
    // Probes are public anyway, and the health checks of some balancers name no host.
    return probed === undefined
      ? new Problem(503, 'Service Unavailable', 'the service is starting')
      : undefined
  }
  if (!isOwnName(headers.host, host)) {
    return new Problem(403, 'Forbidden', `${headers.host ?? 'no host'} is not a name of this listener`)
  }
  if (path !== '/metrics' && path !== '/debug/contexts')
    return notFound('there are /metrics, /debug/contexts, /livez and /readyz')
  if (path === '/debug/contexts' && recent === undefined) {
    return notFound('contexts are not shown in production: set DEBUG_CONTEXTS=true')
  }
  if (method === 'GET' || method === 'HEAD') return undefined
  return methodNotAllowed(`${path} answers GET`, ['GET', 'HEAD'])
}

function logRefusal(root: Lifetime, log: Log, info: RequestInfo, { status, message }: Problem): void {
  const { method, path } = info
  const fields = { method, path, status, refused: message }
  log.info(withValue(root, requestKey, info), 'admin request', fields)
}

/** A listener on loopback accepts loopback's names only: otherwise any web page could read it through a DNS name of its own. */
function isOwnName(given: string | undefined, host: string): boolean {
  const loopback = /^(127(\.\d+){3}|localhost|\[?::1\]?)$/i
  return !loopback.test(host) || loopback.test(given?.replace(/:\d+$/, '') ?? '')
}

async function showContexts(
  root: Lifetime,
  request: IncomingMessage,
  response: ServerResponse,
  { recent, noteLocks }: AdminOptions,
): Promise<void> {
  await noteLocks?.(
    root,
    Array.from(recent?.underWay() ?? []).flatMap(({ root }) => openSteps(root)),
  )
  const filter = filterOf(new URLSearchParams(request.url?.replace(/^[^?]*/, '')))
  const shown = shownOf(root, recent, filter)
  response.setHeader('vary', 'accept')
  if (request.headers.accept?.includes('application/json') === true) {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(shown))
    return
  }
  response.setHeader('content-type', 'text/html; charset=utf-8')
  response.setHeader('content-security-policy', contextsPagePolicy)
  response.end(contextsPage(shown, filter))
}

function shownOf(root: Lifetime, recent: RecentRequests | undefined, filter: Filter): Shown {
  const live = 1 + countLiveContexts(root, maxCounted)
  const top = liveContexts(root, maxShown, maxDepth)
  const queue = [top]
  for (const { children } of queue) for (const child of children) queue.push(child)
  const leftOut = live - queue.length
  const underWay = Array.from(recent?.underWay() ?? [], viewOf).filter((request) => fits(filter, request))
  const ended = (recent?.ended() ?? []).map(viewOf).filter((request) => fits(filter, request))
  if (filter.slowestFirst) ended.sort((a, b) => b.durationMs - a.durationMs)
  return {
    live,
    ...(leftOut > 0 && { leftOut }),
    ...(live > maxCounted && { uncounted: true }),
    root: top,
    underWay: underWay.slice(0, maxUnderWay),
    ...(underWay.length > maxUnderWay && { underWayLeftOut: underWay.length - maxUnderWay }),
    ended,
  }
}
