import { jetstreamManager, type StreamUpdateConfig } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { subjectOf } from '../../src/platform/events/event.ts'
import type { TestBroker } from './broker.ts'
import type { RunningTest } from './service.ts'

/** Connects as the operator of the broker. */
export async function asOperator(t: RunningTest, { url }: Pick<TestBroker, 'url'>) {
  const connection = await connect({ servers: new URL(url).host })
  t.onTestFinished(() => connection.close())
  return { connection, manager: await jetstreamManager(connection) }
}

/** Makes or changes the stream of a type, as its owner may. */
export async function makeStream(
  { js }: TestBroker,
  type: string,
  options: Partial<StreamUpdateConfig>,
): Promise<void> {
  const { streams } = await js.jetstreamManager()
  const there = await streams.info(type).then(Boolean, () => false)
  if (there) await streams.update(type, options)
  else await streams.add({ name: type, subjects: [subjectOf(type, '*')], ...options })
}

/** Takes the next event of a key as a consumer of the service, and gives it back. */
export async function refuse({ js }: TestBroker, consumer: string, type: string): Promise<void> {
  const message = await (await js.consumers.get(type, consumer)).next({ expires: 5_000 })
  message?.nak()
}
