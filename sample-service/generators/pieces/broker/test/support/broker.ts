import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jetstream, type JetStreamClient } from '@nats-io/jetstream'
import { connect, headers } from '@nats-io/transport-node'
import { startNats, type Nats } from '../../scripts/dev/nats.ts'
import { attributesOf, partitionOf, subjectOf } from '../../src/platform/events/event.ts'
import { eventually } from './client.ts'
import type { RunningTest } from './service.ts'

/** A `nats-server` with JetStream on a free port. It ends, and its data are removed, with the test. */
export interface TestBroker {
  /** For BROKER_URL. */
  readonly url: string
  readonly js: JetStreamClient
  /** Ends it with SIGKILL. */
  kill(): Promise<void>
  signal(signal: NodeJS.Signals): void
  /** Starts it again, with its data or without. */
  start(how?: 'empty'): Promise<void>
  /** Sends an event as another service would. */
  send(type: string, key: string, data: unknown, options?: SendOptions): Promise<string>
  /** The events of the type that the broker keeps, in their order. */
  events(type: string): Promise<Stored[]>
}

interface SendOptions {
  readonly id?: string
  readonly headers?: Readonly<Record<string, string>>
}

interface Stored {
  readonly headers: Readonly<Record<string, string>>
  readonly data: unknown
}

/** @throws Error of one sentence if nats-server is not installed */
export async function startBroker(t: RunningTest): Promise<TestBroker> {
  const dir = await mkdtemp(join(tmpdir(), 'nats-'))
  t.onTestFinished(() => rm(dir, { recursive: true, force: true }))
  let server: Nats | undefined = await startNats({ dir })
  t.onTestFinished(async () => server?.stop())
  const { url } = server
  const { host: servers, port } = new URL(url)
  const connection = await connect({ servers, maxReconnectAttempts: -1, reconnectTimeWait: 50 })
  t.onTestFinished(() => connection.close())
  const js = jetstream(connection, { timeout: 1_000 })
  return {
    url,
    js,
    async kill() {
      server?.child.kill('SIGKILL')
      await server?.stop()
      server = undefined
    },
    signal: (signal) => void server?.child.kill(signal),
    async start(how) {
      if (how === 'empty') await rm(dir, { recursive: true })
      server = await startNats({ dir, port: Number(port) })
    },
    async send(type, key, data, { id = randomUUID(), headers: more = {} } = {}) {
      const all = headers()
      const envelope = { id, type, key, source: '/test', time: new Date().toISOString() }
      for (const [name, value] of Object.entries({ ...attributesOf(envelope), ...more })) all.set(name, value)
      const options = { msgID: randomUUID(), headers: all, timeout: 1_000 }
      // The service makes the stream.
      const publish = () => js.publish(subjectOf(type, partitionOf(key)), JSON.stringify(data), options)
      await eventually(() => publish().then(Boolean, () => false), 20_000)
      return id
    },
    async events(type) {
      let stored: Stored[] | undefined
      // The service reconnects a moment after the broker has started.
      const look = async (): Promise<boolean> => {
        stored = await read(js, type).catch(() => undefined)
        return stored !== undefined
      }
      await eventually(look, 20_000)
      return stored ?? []
    },
  }
}

async function read(js: JetStreamClient, type: string): Promise<Stored[]> {
  const { streams } = await js.jetstreamManager()
  const { state } = await streams.info(type)
  const stored: Stored[] = []
  for (let seq = state.first_seq; seq <= state.last_seq && state.messages > 0; seq++) {
    const message = await streams.getMessage(type, { seq })
    if (message === null) continue
    const entries = Array.from(message.header, ([name, [value = '']]) => [name, value] as const)
    stored.push({ headers: Object.fromEntries(entries), data: message.json() })
  }
  return stored
}

/** A key other than `key`, in the same partition or in another one. */
export function keyBeside(key: string, where: 'same partition' | 'other partition'): string {
  const same = where === 'same partition'
  for (let n = 0; ; n++) if ((partitionOf(`${key}${n}`) === partitionOf(key)) === same) return `${key}${n}`
}
