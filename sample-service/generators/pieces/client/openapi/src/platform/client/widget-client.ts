import { circuit } from './circuit.ts'
import { createClient } from './client.ts'
import { typedClient, type TypedClient } from './typed-client.ts'
import type { Log } from '../telemetry/log.ts'
import type { paths } from './widget-api.ts'

/**
 * The calls of the service widget, typed by its OpenAPI document: `platform.widget.json(ctx, 'get', '/…', { … })`. A call ends
 * with ctx and rejects with its cause. It rejects with `CallFailed` if widget fails; if nobody catches that, our own client gets
 * a 502, 503 or 504 (platform/client/client.ts).
 */
export type WidgetClient = TypedClient<paths>

/** Makes the client. Keep it as long as the service runs: it counts the peer's failures for its retries and its circuit. */
export function widgetClient(log: Log, { baseUrl }: { readonly baseUrl: string }): WidgetClient {
  const name = 'widget'
  return typedClient<paths>(createClient({ baseUrl, name, timeoutMs: 5_000, breaker: circuit(log, name) }))
}
