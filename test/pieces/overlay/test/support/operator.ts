import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import type { TestBroker } from './broker.ts'
import type { RunningTest } from './service.ts'

/** Connects as a person who looks after the broker. */
export async function asOperator(t: RunningTest, { url }: Pick<TestBroker, 'url'>) {
  const connection = await connect({ servers: new URL(url).host })
  t.onTestFinished(() => connection.close())
  return { connection, manager: await jetstreamManager(connection) }
}
