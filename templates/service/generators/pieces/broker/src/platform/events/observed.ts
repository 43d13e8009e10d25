import { type Attributes, INVALID_SPAN_CONTEXT, ROOT_CONTEXT, trace } from '@opentelemetry/api'
import { withValue, type Context } from '../../context/context.ts'
import { meter } from '../telemetry/metrics.ts'
import { otelKey } from '../telemetry/span.ts'

/**
 * An operation on the events of a type, for its span and its metrics, with the names of the messaging conventions
 * (https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/).
 */
export function operationOn(type: string, operation: 'send' | 'process'): Attributes {
  return { ...eventsOf(type), 'messaging.operation.name': operation, 'messaging.operation.type': operation }
}

/** The events of a type, for metrics of more than one operation. */
export function eventsOf(type: string): Attributes {
  return { 'messaging.system.name': 'nats', 'messaging.destination.name': type }
}

/** A node of the broker, from nats.js's `host:port`. */
export function serverOf(node: string): Attributes {
  const { hostname, port } = new URL(`nats://${node}`)
  return { 'server.address': hostname.replace(/^\[|\]$/g, ''), 'server.port': Number(port) }
}

/** Reports whether there is a connection to the broker. */
export function observeConnection(purpose: string, state: { readonly connected: number }): void {
  meter()
    .createObservableGauge('events.broker.connected', { description: '1 while connected to the broker.' })
    .addCallback((result) => result.observe(state.connected, { 'events.broker.purpose': purpose }))
}

/** A context whose statements make no spans: a worker that polls ten times a second would make a trace of each poll. */
export function untraced(ctx: Context): Context {
  return withValue(ctx, otelKey, trace.setSpanContext(ROOT_CONTEXT, INVALID_SPAN_CONTEXT))
}
