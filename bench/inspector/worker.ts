import {
  background,
  contextName,
  withCancel,
  withTimeout,
  withValue,
  type Context,
} from '../../templates/service/src/context/context.ts'
import { listenAdmin } from '../../templates/service/src/platform/admin/admin.ts'
import { createLog } from '../../templates/service/src/platform/telemetry/log.ts'
import { recentRequests, type RecentRequests } from '../../templates/service/src/platform/telemetry/kept.ts'
import { stepKey } from '../../templates/service/src/platform/telemetry/recent.ts'
import { requestKey } from '../../templates/service/src/platform/request.ts'
import { route } from '../../templates/service/src/platform/http/route.ts'
import { listen } from '../../templates/service/src/platform/http/server.ts'
import { span } from '../../templates/service/src/platform/telemetry/span.ts'
import { startTelemetry } from '../../templates/service/src/platform/telemetry/telemetry.ts'
import { ended } from '../../templates/service/src/context/ended.ts'

// Runs a service with contexts that do not end in its own process: node worker.js <contexts> <with|without>. The parent reads the
// port; GET /admin returns the port of the inspector.
const [contexts = '', inspector] = process.argv.slice(2)
/** The contexts of each request: itself, a group, its worker, a statement. */
const perRequest = 4
const forMs = 3_600_000

const root = background()
const log = createLog({ level: 'silent', service: 'bench' })
const recent = inspector === 'with' ? recentRequests(100) : undefined
const { metrics } = await startTelemetry(root, { serviceName: 'bench', log })
const underWay = withValue(root, contextName, 'server')
for (let i = 0; i < Number(contexts) / perRequest; i++) start(underWay, recent, i)

const admin =
  inspector === 'with'
    ? await listenAdmin(root, root, log, { host: '127.0.0.1', port: 0, metrics, recent })
    : undefined
const about = { summary: '', tags: [], responses: {}, method: 'GET' } as const
const routes = [
  route({ ...about, path: '/hello', handle: () => Response.json({ hello: 'world' }) }),
  route({ ...about, path: '/admin', handle: () => Response.json(admin?.port ?? null) }),
]
const server = await listen(
  root,
  root,
  log,
  { routes, workers: [] },
  {
    host: '127.0.0.1',
    port: 0,
    keepAliveMs: 620_000,
    receiveTimeoutMs: 300_000,
    requestTimeoutMs: 15_000,
    bodyMaxBytes: 1_048_576,
    recent,
  },
)
console.log(server.port)

/** Starts a request as the boundary does, and work below it. Neither ends. */
function start(parent: Context, recent: RecentRequests | undefined, i: number): void {
  const info = { id: `request-${i}`, method: 'GET', path: `/documents/${i % 10}` }
  const named = withValue(parent, requestKey, info)
  const seen = recent?.start(info, { startedAt: performance.now() })
  const ctx = withTimeout(seen === undefined ? named : withValue(named, stepKey, seen.root), forMs)
  const workers = withCancel(ctx)
  const attributes = { 'db.query.text': 'select * from documents where id = $1' }
  void span(workers, 'worker', {}, (ctx) =>
    span(withCancel(ctx), 'SELECT', { attributes }, (ctx) => ended(withCancel(ctx))),
  )
}
