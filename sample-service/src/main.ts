import { background, contextName, withTimeout, withValue, type Lifetime } from './context/context.ts'
import { ended } from './context/ended.ts'
import { errorOf } from './context/thrown.ts'
import { flushMsOf, loadConfig } from './config.ts'
import { listenAdmin } from './platform/admin/admin.ts'
import { openLocks } from './platform/database/locks.ts'
import { guarded } from './platform/http/guard.ts'
import type { App } from './platform/http/middleware.ts'
import { documented } from './platform/http/openapi.ts'
import { listen } from './platform/http/server.ts'
import { Closers } from './platform/lifecycle/closers.ts'
import { exit } from './platform/lifecycle/exit.ts'
import { untilStopped } from './platform/lifecycle/process.ts'
import { openPlatform, openTelemetry } from './platform/platform.ts'
import { createLog, type ProcessLog } from './platform/telemetry/log.ts'
import { phase, startTrace } from './platform/telemetry/span.ts'
import { prepare } from './prepare.ts'
import { guards, headers, middlewares, open, routes } from './routes.ts'
import { workers } from './workers.ts'

const service = 'sample-service'

/**
 * Opens what the service needs, in this order: telemetry, the database and the storage, the admin listener, the public
 * listener. A stop closes them in reverse. The first signal ends the start, and so does STARTUP_TIMEOUT_MS.
 */
async function start(root: Lifetime, stop: Lifetime, log: ProcessLog, opened: Closers) {
  const config = loadConfig(process.env)
  const overdue = new Error(`it took longer than ${config.startupTimeoutMs} ms (STARTUP_TIMEOUT_MS)`)
  using limited = withTimeout(withValue(stop, contextName, 'start-up'), config.startupTimeoutMs, overdue)

  const telemetry = await openTelemetry(limited, log, opened, { ...config, service })

  return await phase(limited, 'start-up', async (ctx) => {
    const platform = await openPlatform(ctx, log, opened, { ...config, service })
    await opened.time(ctx, 'prepare', (ctx) => prepare(ctx, platform))

    const admin = await opened.time(ctx, 'admin', (ctx) =>
      listenAdmin(ctx, root, log, { ...config.admin, ...telemetry, noteLocks: openLocks(platform.database) }),
    )
    opened.defer('admin listener', (ctx) => admin.close(ctx))

    // Requests and workers descend from root, not from stop: after a signal those under way may finish.
    const served = {
      routes: documented(service, guarded(guards(platform), open, routes(platform))),
      middlewares: (app: App) => middlewares(app, platform),
      headers,
      workers: workers(platform),
    }
    const server = await opened.time(ctx, 'listen', (ctx) =>
      listen(ctx, root, log, served, { ...config.http, ...telemetry }),
    )
    admin.probe(server)
    log.info(ctx, 'listening', { port: server.port, adminPort: admin.port, tookMs: opened.openMs })
    return { config, platform, server }
  })
}

/** Starts the service, serves until a signal or a fault, and stops it. @returns whether start and stop succeeded */
async function run(root: Lifetime, log: ProcessLog): Promise<boolean> {
  using stop = untilStopped(root, log)
  const opened = new Closers(log)
  const started = await start(root, stop, log, opened).catch(async (error: unknown) => {
    log.fatal(root, `start-up failed: ${errorOf(error).message}`, { tookMs: opened.openMs })
    await opened.close(startTrace(root, 'shutdown'), flushMsOf(process.env))
  })
  if (started === undefined) return false
  const { config, platform, server } = started

  const reason = await ended(stop)

  // The server lets requests finish, then cancels the rest. Then what they used is closed, last opened first.
  const ctx = startTrace(root, 'shutdown')
  const { abandoned, phasesMs } = await server.stop(ctx, platform.readiness, config.shutdown)
  const closed = await opened.close(ctx, config.shutdown.flushMs, (closeMs) => {
    log.info(ctx, 'stopped', { reason: reason.message, abandoned, tookMs: { ...phasesMs, ...closeMs } })
  })
  return abandoned.length === 0 && closed
}

const root = background()
const log = createLog({ level: process.env['LOG_LEVEL'], format: process.env['LOG_FORMAT'], service })
if (!(await run(root, log))) process.exitCode = 1
// Node, unlike Go, does not end when main does: a connection that hangs would keep it alive.
exit()
