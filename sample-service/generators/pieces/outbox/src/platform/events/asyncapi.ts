import { z } from 'zod'
import { route, type Route } from '../http/route.ts'
import { partitions, requireType, subjectOf } from './event.ts'
import type { EventKind } from './outbox.ts'

/**
 * `GET /asyncapi.json`: the events that this service publishes, as AsyncAPI 3.0, with the JSON Schema of their data.
 * @throws Error if a type is not one
 */
export function eventRoutes(events: readonly EventKind[]): Route[] {
  for (const { type } of events) requireType(type)
  return [
    route({
      method: 'GET',
      path: '/asyncapi.json',
      summary: 'The events that this service publishes, as AsyncAPI 3.0',
      tags: ['documentation'],
      quiet: true,
      responses: { 200: { description: 'The document' } },
      handle: () => Response.json(asyncApiDocument('sample-service', events)),
    }),
  ]
}

/** The AsyncAPI 3.0 document of `events`. @throws Error if the data of one have no JSON Schema */
export function asyncApiDocument(title: string, events: readonly EventKind[]): object {
  return {
    asyncapi: '3.0.0',
    info: { title, version: '1.0.0', description: 'CloudEvents 1.0 in binary mode, on NATS JetStream.' },
    defaultContentType: 'application/json',
    channels: byStream(events, (event) => ({
      address: subjectOf(event.type, '*').replace('*', '{partition}'),
      messages: { event: { $ref: `#/components/messages/${event.type}` } },
      parameters: {
        partition: {
          description: `0 to ${partitions - 1}, computed from the key: all events of a key have the same partition.`,
        },
      },
    })),
    operations: byStream(events, (event) => {
      const channel = `#/channels/${event.type}`
      return { action: 'send', channel: { $ref: channel }, messages: [{ $ref: `${channel}/messages/event` }] }
    }),
    components: { messages: byStream(events, messageOf) },
  }
}

function messageOf(event: EventKind): object {
  return {
    name: event.type,
    summary: event.summary,
    contentType: 'application/json',
    headers: {
      type: 'object',
      required: ['ce-specversion', 'ce-id', 'ce-type', 'ce-source', 'ce-time', 'ce-partitionkey'],
      properties: {
        'ce-specversion': { const: '1.0' },
        'ce-id': { type: 'string', format: 'uuid' },
        'ce-type': { const: event.type },
        'ce-source': { type: 'string' },
        'ce-time': { type: 'string', format: 'date-time' },
        'ce-partitionkey': { type: 'string', description: 'Percent-encoded.' },
        traceparent: { type: 'string' },
        'x-request-id': { type: 'string' },
      },
    },
    payload: z.toJSONSchema(event.data, { io: 'input', target: 'draft-7' }),
  }
}

function byStream(events: readonly EventKind[], of: (event: EventKind) => object): Record<string, object> {
  return Object.fromEntries(events.map((event) => [event.type, of(event)]))
}
