import { compress } from 'hono/compress'
import type { App } from '../../src/platform/http/middleware.ts'

export { guards, headers, open, routes } from './probe.routes.ts'

/** Compresses what it may, whatever its type. */
export function middlewares(app: App): void {
  app.use(compress({ threshold: 0, contentTypeFilter: () => true }))
}
