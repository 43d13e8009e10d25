import { eventRoutes } from './platform/events/asyncapi.ts'
import type { Route } from './platform/http/route.ts'
import type { EventKind } from './platform/events/outbox.ts'

/** All events that this service publishes. */
export function events(): EventKind[] {
  return []
}

/** Serves their schemas at `/asyncapi.json`. */
export function publishedEventRoutes(): Route[] {
  return eventRoutes(events())
}
