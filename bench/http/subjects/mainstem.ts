import { z } from 'zod'
import { background } from '../../../templates/service/src/context/context.ts'
import { createLog } from '../../../templates/service/src/platform/telemetry/log.ts'
import type { App } from '../../../templates/service/src/platform/http/middleware.ts'
import { route, type Route } from '../../../templates/service/src/platform/http/route.ts'
import { listen } from '../../../templates/service/src/platform/http/server.ts'
import { startTelemetry } from '../../../templates/service/src/platform/telemetry/telemetry.ts'
import { middlewares } from './hono.ts'

const root = background()
const log = createLog({ level: 'silent', service: 'bench' })
const about = { path: '/hello', summary: 'Says hello', tags: [], responses: {} }

const hello = route({ ...about, method: 'GET', handle: () => Response.json({ hello: 'world' }) })

/** The part of a service that serves a request, without log, metrics and traces. */
export function boundary(): Promise<number> {
  return serve(hello)
}

export function behind(names: readonly (keyof typeof middlewares)[]): Promise<number> {
  return serve(hello, (app) => {
    for (const name of names) app.use(middlewares[name]())
  })
}

export async function withMetrics(): Promise<number> {
  await startTelemetry(root, { serviceName: 'bench', log })
  return boundary()
}

export function asyncHandler(): Promise<number> {
  return serve(
    route({
      ...about,
      method: 'GET',
      handle: async () => {
        await Promise.resolve()
        return Response.json({ hello: 'world' })
      },
    }),
  )
}

export function jsonBody(): Promise<number> {
  const Body = z.object({ hello: z.string().max(100), times: z.number().int() })
  return serve(
    route({ ...about, method: 'POST', body: Body, handle: (_ctx, { body }) => Response.json(body) }),
  )
}

async function serve(served: Route, mount: (app: App) => void = () => undefined): Promise<number> {
  const server = await listen(
    root,
    root,
    log,
    { routes: [served], middlewares: mount, workers: [] },
    {
      host: '127.0.0.1',
      port: 0,
      keepAliveMs: 620_000,
      receiveTimeoutMs: 300_000,
      requestTimeoutMs: 15_000,
      bodyMaxBytes: 1_048_576,
      recent: undefined,
    },
  )
  return server.port
}
