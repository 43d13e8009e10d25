import { z } from 'zod'
import type { Context } from '../../context/context.ts'
import { circuit } from './circuit.ts'
import { createClient } from './client.ts'
import type { Log } from '../telemetry/log.ts'

/** The answer of widget: an example to replace. Fields that are not named here are dropped. */
export const WidgetItem = z.object({
  id: z.string(),
  name: z.string(),
})

/** What this service sends to widget: an example too. */
export const NewWidgetItem = z.object({
  name: z.string().min(1).max(200),
})

/**
 * The calls of the service widget that this service needs. A call ends with ctx and rejects with its cause. It rejects with
 * `CallFailed` if widget fails; if nobody catches that, our own client gets a 502, 503 or 504 (platform/client/client.ts).
 */
export interface WidgetClient {
  /** Repeats the call after a temporary failure. */
  find(ctx: Context, id: string): Promise<z.output<typeof WidgetItem>>
  /** Sends the call only once: widget may have executed a call that failed. @throws ZodError before it sends anything */
  create(ctx: Context, item: z.input<typeof NewWidgetItem>): Promise<z.output<typeof WidgetItem>>
}

/** Makes the client. Keep it as long as the service runs: it counts the peer's failures for its retries and its circuit. */
export function widgetClient(log: Log, { baseUrl }: { readonly baseUrl: string }): WidgetClient {
  const name = 'widget'
  const client = createClient({ baseUrl, name, timeoutMs: 5_000, breaker: circuit(log, name) })
  return {
    find: (ctx, id) => client.json(ctx, `/items/${encodeURIComponent(id)}`, WidgetItem),
    create: async (ctx, item) =>
      client.json(ctx, '/items', WidgetItem, { method: 'POST', json: NewWidgetItem.parse(item) }),
  }
}
