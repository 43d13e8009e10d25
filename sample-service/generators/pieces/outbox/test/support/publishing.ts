import { expect } from 'vitest'
import type { TestBroker } from './broker.ts'
import { open } from './client.ts'
import type { RunningService } from './service.ts'

/** Publishes an event in a request of its own. @returns the event's id */
export async function publish({ url }: RunningService, query: string, headers = {}): Promise<string> {
  const { status, body } = await open(`${url}/probe/events?${query}`, 'POST', headers).answer
  expect(status, body).toBe(202)
  return (JSON.parse(body) as { id: string }).id
}

/** How many events are in the outbox. */
export async function waiting(service: RunningService): Promise<number> {
  return (await service.sql('select from events.outbox')).length
}

/** The texts of the events that the broker keeps, in their order. */
export async function textsOf(broker: TestBroker): Promise<unknown[]> {
  return (await broker.events('probe-v1')).map(({ data }) => (data as { text: string }).text)
}
