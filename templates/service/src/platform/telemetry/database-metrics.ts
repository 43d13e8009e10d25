import { keyedHistogram } from './histogram.ts'
import { durationBuckets, meter, oncePerProvider, upDown } from './metrics.ts'

// Call these functions after `startTelemetry`, as those of metrics.ts.

/** Seconds, as the database conventions advise. */
const statementBuckets = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10]

/**
 * Shows the database's pool, as `stats` returns it whenever the metrics are read.
 * @param max how many connections it opens at most
 */
export function observePool(
  max: number,
  stats: () => { total: number; idle: number; waiting: number },
): void {
  const pool = { 'db.client.connection.pool.name': 'postgresql' }
  const name = 'db.client.connection'
  const connections = upDown(`${name}.count`, 'Connections of the pool, by state.', '{connection}')
  const pending = upDown(`${name}.pending_requests`, 'Calls that wait for a connection.', '{request}')
  const most = upDown(`${name}.limit`, 'Connections that the pool opens at most.', '{connection}')
  meter().addBatchObservableCallback(
    (result) => {
      const { total, idle, waiting } = stats()
      result.observe(most, max, pool)
      result.observe(connections, idle, { ...pool, 'db.client.connection.state': 'idle' })
      result.observe(connections, total - idle, { ...pool, 'db.client.connection.state': 'used' })
      result.observe(pending, waiting, pool)
    },
    [connections, pending, most],
  )
}

/**
 * Counts the calls that got a connection, with the time that each waited, and the calls that were refused: `deadline` if no
 * connection would have been free before the deadline of the call, or `overload`.
 */
export function observeAdmission() {
  const pool = { 'db.client.connection.pool.name': 'postgresql' }
  const waited = keyedHistogram(
    'db.client.connection.wait_time',
    'Time that calls waited for a connection of the pool.',
    durationBuckets,
  )
  const waits = waited.find('') ?? waited.add('', pool)
  const refused = meter().createCounter('db.client.connection.refused', {
    description: 'Calls that were refused because no connection would have been free in time.',
    unit: '{request}',
  })
  // A rate needs the series before it grows.
  for (const why of ['deadline', 'overload']) refused.add(0, { ...pool, 'db.client.connection.refusal': why })
  return {
    admitted: (waitedMs: number): void => waits.record(waitedMs / 1_000),
    refused: (why: 'deadline' | 'overload'): void =>
      refused.add(1, { ...pool, 'db.client.connection.refusal': why }),
  }
}

/** Measures statements, in seconds: from their sending until Postgres has answered or their cancel has been answered. */
export function statementDuration() {
  const name = 'db.client.operation.duration'
  return keyedHistogram(name, 'How long statements took in Postgres and on the way.', statementBuckets)
}

const cancels = oncePerProvider(() =>
  meter().createCounter('db.client.cancels', { description: 'Cancels sent to Postgres.', unit: '{cancel}' }),
)

/**
 * Counts a cancel of a statement in Postgres: over the `control` connection, with a CancelRequest (`request`), or one
 * that `failed` and cost the connection of its statement.
 */
export function countCancel(outcome: 'control' | 'request' | 'failed'): void {
  cancels().add(1, { 'db.client.cancel.outcome': outcome })
}
