import { z } from 'zod'
import type { Context } from '../../context/context.ts'
import { circuit } from './circuit.ts'
import { createClient } from './client.ts'
import type { Log } from '../telemetry/log.ts'

/** What widget answers. An example, to be replaced: what is not named here is dropped. */
export const WidgetItem = z.object({
  id: z.string(),
  name: z.string(),
})

/** What widget is sent. An example too. */
export const NewWidgetItem = z.object({
  name: z.string().min(1).max(200),
})

/**
 * The service widget, as far as this one needs it. A call ends with ctx, and rejects with its cause; else with `CallFailed` if
 * widget did not do it, which our own client gets as a 502, 503 or 504 if nobody catches it (platform/client/client.ts).
 */
export interface WidgetClient {
  /** Repeated after a failure that may pass. */
  find(ctx: Context, id: string): Promise<z.output<typeof WidgetItem>>
  /** Sent once: whether a call that failed was done, nobody knows. @throws ZodError before it is sent */
  create(ctx: Context, item: z.input<typeof NewWidgetItem>): Promise<z.output<typeof WidgetItem>>
}

/** Kept as long as the service runs: its budget of retries and its circuit are those of the peer. */
export function widgetClient(log: Log, { baseUrl }: { readonly baseUrl: string }): WidgetClient {
  const name = 'widget'
  const client = createClient({ baseUrl, name, timeoutMs: 5_000, breaker: circuit(log, name) })
  return {
    find: (ctx, id) => client.json(ctx, `/items/${encodeURIComponent(id)}`, WidgetItem),
    create: async (ctx, item) =>
      client.json(ctx, '/items', WidgetItem, { method: 'POST', json: NewWidgetItem.parse(item) }),
  }
}
