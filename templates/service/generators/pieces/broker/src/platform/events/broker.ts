import {
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  jetstream,
  jetstreamManager,
  StorageType,
  type JetStreamClient,
  type JetStreamManager,
} from '@nats-io/jetstream'
import { connect, millis, nanos, type NatsConnection } from '@nats-io/transport-node'
import type { Attributes } from '@opentelemetry/api'
import {
  throwIfEnded,
  withCancel,
  withoutCancel,
  withTimeout,
  type Context,
  type Lifetime,
} from '../../context/context.ts'
import { until } from '../../context/until.ts'
import { subjectOf } from './event.ts'
import { observeConnection, serverOf } from './observed.ts'
import type { Platform } from '../platform.ts'
import { keepTrying, type Stopping } from './stopping.ts'

/** The cause with which the context of work on the broker ends when the connection is lost. */
export class BrokerLost extends Error {
  override readonly name = 'BrokerLost'
}

/** The platform, which has the broker's options once a publisher or consumer has been added. */
export interface BrokerPlatform extends Platform {
  /** The URLs of its nodes, separated by commas. Without them, nothing is sent or received. */
  readonly broker: { readonly url: string | undefined }
}

/** A connection to the broker. */
export interface Broker {
  readonly js: JetStreamClient
  readonly manager: JetStreamManager
  /** The node at its other end, with the names of the conventions. */
  readonly server: Attributes
}

/** How long an attempt to connect, or an answer of the broker, may take. */
const answerMs = 5_000
/** How long the last bytes may take to leave when the connection closes. */
const flushMs = 500

/** Events stay in the stream for a week, read or not. */
const keptMs = 7 * 86_400_000
/** The broker drops an event whose id it has seen within this time. */
const duplicateWindowMs = 120_000

/**
 * Keeps a connection to the broker until the worker is to stop: calls `work` with each, under a context that ends with `serving`
 * and with the connection. `work` returns when the worker is to stop and nothing is under way. Does not reject.
 * @param purpose names the connection in the broker's monitoring
 */
export async function keepConnected(
  serving: Lifetime,
  stopping: Stopping,
  { log, broker, database }: BrokerPlatform,
  purpose: string,
  work: (ctx: Context, broker: Broker) => Promise<void>,
): Promise<void> {
  const { url } = broker
  if (url === undefined) {
    log.error(serving, `${purpose}: BROKER_URL is not set, so nothing is sent or received`)
    return
  }
  const state = { connected: 0 }
  observeConnection(purpose, state)
  const onFailure = (err: unknown, failures: number): void => {
    if (loggedFailures(failures)) log.warn(serving, `${purpose}: no broker, trying again`, { err, failures })
  }
  const connected = async (ctx: Context): Promise<void> => {
    const connection = await open(ctx, stopping, url, `${database.applicationName} ${purpose}`)
    state.connected = 1
    log.info(ctx, `${purpose}: connected to the broker`, { broker: connection.getServer() })
    try {
      await workWith(ctx, connection, work)
    } finally {
      state.connected = 0
    }
  }
  // Once the server context has ended, there is nothing to wait for.
  await keepTrying(serving, stopping, onFailure, connected).catch(() => undefined)
}

/** Connects once. It turns off the reconnecting of nats.js, because each connection has its own context. */
async function open(parent: Context, stopping: Stopping, url: string, name: string): Promise<NatsConnection> {
  const nodes = url.split(',').map((one) => new URL(one.trim()))
  const { username = '', password = '' } = nodes.find((node) => node.username !== '') ?? {}
  const user = decodeURIComponent(username)
  using ctx = withCancel(parent)
  const giveUp = (): void => ctx.cancel()
  stopping.on(giveUp)
  const connecting = connect({
    servers: nodes.map(({ host }) => host),
    name,
    reconnect: false,
    timeout: answerMs,
    pingInterval: 10_000,
    maxPingOut: 2,
    ...(nodes.some(({ protocol }) => protocol === 'tls:') && { tls: {} }),
    ...(user !== '' && (password === '' ? { token: user } : { user, pass: decodeURIComponent(password) })),
  })
  try {
    return await until(ctx, connecting)
  } catch (error) {
    // eslint-disable-next-line context/no-unowned-work -- a connection that arrives too late is only closed
    connecting.then((late) => late.close()).catch(() => undefined)
    throw error
  } finally {
    stopping.off(giveUp)
  }
}

async function workWith(
  parent: Context,
  connection: NatsConnection,
  work: (ctx: Context, broker: Broker) => Promise<void>,
): Promise<void> {
  using ctx = withCancel(parent)
  // eslint-disable-next-line context/no-unowned-work -- it settles when the connection closes, and this function closes it
  connection.closed().then(
    (why) => ctx.cancel(new BrokerLost('the connection to the broker is lost', { cause: why })),
    () => undefined,
  )
  try {
    const manager = await asking(ctx, () => jetstreamManager(connection))
    const js = jetstream(connection, { timeout: answerMs })
    await work(ctx, { js, manager, server: serverOf(connection.getServer()) })
    throwIfEnded(ctx)
  } finally {
    await close(ctx, connection)
  }
}

/** Closes the connection once all acknowledgements have been sent, because the broker does not answer them. */
async function close(parent: Context, connection: NatsConnection): Promise<void> {
  // Detached: the connection may be closing because ctx has ended.
  using ctx = withTimeout(withoutCancel(parent), flushMs)
  if (!connection.isClosed()) await until(ctx, connection.flush()).catch(() => undefined)
  // eslint-disable-next-line context/no-unowned-work -- everything has been sent, and nothing is opened in its place
  connection.close().catch(() => undefined)
}

/** Waits for an answer of the broker, for `answerMs` at most. */
export async function asking<T>(parent: Context, ask: () => Promise<T>): Promise<T> {
  using ctx = withTimeout(parent, answerMs)
  return await until(ctx, ask())
}

/**
 * Creates the stream of a type of events unless it exists. An existing one stays unchanged: its owner may have set it up.
 * @returns how long it keeps an event, in milliseconds; Infinity if there is no bound
 */
export async function ensureStream(ctx: Context, { manager }: Broker, type: string): Promise<number> {
  try {
    const { config } = await asking(ctx, () => manager.streams.info(type))
    return config.max_age === 0 ? Infinity : millis(config.max_age)
  } catch (error) {
    throwIfEnded(ctx)
    if (!isMissing(error)) throw error
    const wanted = {
      name: type,
      subjects: [subjectOf(type, '*')],
      storage: StorageType.File,
      discard: DiscardPolicy.Old,
      max_age: nanos(keptMs),
      duplicate_window: nanos(duplicateWindowMs),
    }
    await asking(ctx, () => manager.streams.add(wanted))
    return keptMs
  }
}

/** Whether to log the failure with this number in a row: the broker may be away for days. */
export function loggedFailures(failures: number): boolean {
  return failures === 1 || failures % 100 === 0
}

/** Whether the broker says that the stream or the consumer does not exist. */
export function isMissing(error: unknown): boolean {
  return (
    error instanceof JetStreamApiError &&
    (error.code === JetStreamApiCodes.StreamNotFound || error.code === JetStreamApiCodes.ConsumerNotFound)
  )
}
