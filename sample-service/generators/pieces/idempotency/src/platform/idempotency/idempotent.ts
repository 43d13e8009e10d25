import { and, eq, gt, lte, sql } from 'drizzle-orm'
import type { Context } from '../../context/context.ts'
import { CommitOutcomeUnknown } from '../database/errors.ts'
import type { Queries } from '../database/queries.ts'
import { bodyOf, isAnswer, release } from '../http/answer-body.ts'
import { describeRoute, type Route, type StreamedResponse } from '../http/route.ts'
import type { Platform } from '../platform.ts'
import { Problem, unavailable } from '../problem.ts'
import { requestOf } from '../request.ts'
import { idempotencyKeys, type KeptAnswer } from './idempotency.schema.ts'
import { fingerprintOf, keyOf, scopeOf } from './key.ts'
import { recordOutcome, type Outcome } from './metrics.ts'

/** How long an answer is kept. A later repeat counts as a new request. */
export const keptFor = sql`interval '1 day'`

/** A request with a key. */
interface Keyed {
  readonly route: Route
  readonly scope: string
  readonly key: string
  readonly fingerprint: string
}

/**
 * Makes a route that a client may repeat, with the same `Idempotency-Key`, until it gets an answer
 * (draft-ietf-httpapi-idempotency-key-header). The first request is executed; each further one gets the same answer.
 *
 * The handler runs in one transaction, which `db.run` and `db.transaction` join, and the same transaction keeps its answer: both
 * are committed or neither, even after a crash. If a handler throws, or answers with a 5xx, nothing is committed and a repeat
 * runs again. What it does outside the database (a call, a file) may happen twice: enqueue a job for it.
 *
 * Two requests are the same if the schemas of the route return the same input for both. What a handler reads from `request`
 * itself is not compared. A key belongs to the principal of its request (`requestOf(ctx).principal`), or to its `Authorization`
 * if no guard has set a principal.
 *
 * The route answers 409 while the first request is under way, 422 for a key of another request, 400 for an invalid key, and 400
 * for a missing key unless `required` is false. It answers 503 if the connection was lost during COMMIT, because then nobody
 * knows yet whether the work was done. The answer must be text or JSON, not a stream.
 * @throws Error if the route takes files, which cannot be compared
 */
export function idempotent({ db }: Platform, route: Route, { required = true } = {}): Route {
  if (route.files !== undefined) {
    throw new Error(`${describeRoute(route)}: a route that takes files cannot be idempotent`)
  }
  return {
    ...route,
    headers: { ...route.headers, 'Idempotency-Key': described(required) },
    responses: withResponses(route.responses),
    async handle(ctx, input, request) {
      const key = keyOf(request.headers)
      if (key === undefined) {
        if (!required) return route.handle(ctx, input, request)
        recordOutcome(ctx, 'missing')
        throw new Problem(400, 'Idempotency-Key is missing', 'this request needs an Idempotency-Key')
      }
      const principal = requestOf(ctx)?.principal
      // A middleware of Hono may authenticate the caller without setting a principal, and callers must not get each other's
      // answers.
      const sender = principal === undefined ? request.headers.authorization : undefined
      const scope = scopeOf(principal ?? '')
      const keyed = { route, scope, key, fingerprint: fingerprintOf(route, input, sender) }
      const work = async (ctx: Context) => route.handle(ctx, input, request)
      try {
        const answered = db.transaction(ctx, (q, ctx) => answerOnce(ctx, q, keyed, work), { joins: true })
        const [answer, outcome] = await answered
        // Not before the COMMIT, which may fail.
        recordOutcome(ctx, outcome)
        return answer
      } catch (error) {
        return answerOfFailed(error)
      }
    },
  }
}

/** Runs `work` and keeps its answer, or returns the kept answer. @throws Problem 409 or 422, or what `work` throws */
async function answerOnce(
  ctx: Context,
  q: Queries,
  keyed: Keyed,
  work: (ctx: Context) => Promise<Response | StreamedResponse>,
): Promise<readonly [answer: Response, outcome: Outcome]> {
  if (!(await lock(q, keyed))) {
    recordOutcome(ctx, 'under way')
    throw underWay()
  }
  const kept = await find(q, keyed)
  if (kept === undefined) {
    const answer = await work(ctx)
    if (isAnswer(answer) && answer.status >= 500) throw new Failed(answer)
    await keep(q, keyed, answer)
    return [answer as Response, 'done']
  }
  if (kept.fingerprint !== keyed.fingerprint) {
    recordOutcome(ctx, 'reused')
    throw new Problem(
      422,
      'Idempotency-Key is already used',
      'this Idempotency-Key was used for another request: a new request needs a new key',
    )
  }
  return [new Response(kept.body, { status: kept.status, headers: kept.headers }), 'repeated']
}

/** Rolls back the work of a handler that has answered with a 5xx. */
class Failed extends Error {
  override readonly name = 'Failed'
  readonly answer: Response | StreamedResponse

  constructor(answer: Response | StreamedResponse) {
    super(`the handler answered with ${answer.status}`)
    this.answer = answer
  }
}

/** Returns the 5xx of a handler whose work was rolled back. @throws Problem 503 for an unknown outcome; any other `error` */
function answerOfFailed(error: unknown): Response | StreamedResponse {
  if (error instanceof Failed) return error.answer
  if (error instanceof CommitOutcomeUnknown)
    throw unavailable('the database did not say whether it is done: send it again', error)
  throw error
}

/** Takes the lock of the key until the transaction ends. Does not wait. */
async function lock(q: Queries, { scope, key }: Keyed): Promise<boolean> {
  const { rows } = await q.execute<{ locked: boolean }>(
    sql`select pg_try_advisory_xact_lock(hashtextextended(${scope}, hashtextextended(${key}, 0))) as locked`,
  )
  return rows[0]?.locked === true
}

async function find(q: Queries, { scope, key }: Keyed): Promise<KeptAnswer | undefined> {
  const { createdAt, ...columns } = idempotencyKeys
  const [kept] = await q
    .select({
      fingerprint: columns.fingerprint,
      status: columns.status,
      headers: columns.headers,
      body: columns.body,
    })
    .from(idempotencyKeys)
    .where(and(eq(columns.scope, scope), eq(columns.key, key), gt(createdAt, sql`now() - ${keptFor}`)))
  return kept
}

/** @throws TypeError for an answer that cannot be kept; Problem 409 if another transaction has kept one meanwhile */
async function keep(
  q: Queries,
  { route, ...keyed }: Keyed,
  answer: Response | StreamedResponse,
): Promise<void> {
  const body = answer instanceof Response ? bodyOf(answer) : undefined
  if (!(answer instanceof Response) || (typeof body !== 'string' && body !== null)) {
    release(answer)
    throw new TypeError(
      `what the handler of ${describeRoute(route)} returned cannot be kept: return text, or Response.json({ … })`,
    )
  }
  const { status, headers } = answer
  const made = { ...keyed, status, headers: [...headers] as [string, string][], body }
  const written = await q
    .insert(idempotencyKeys)
    .values(made)
    .onConflictDoUpdate({
      target: [idempotencyKeys.scope, idempotencyKeys.key],
      set: { ...made, createdAt: sql`now()` },
      setWhere: lte(idempotencyKeys.createdAt, sql`now() - ${keptFor}`),
    })
    .returning({ key: idempotencyKeys.key })
  if (written.length === 0) throw underWay()
}

function underWay(): Problem {
  return new Problem(
    409,
    'A request is outstanding for this Idempotency-Key',
    'the first request with this Idempotency-Key is still under way: send it again later',
    { headers: { 'retry-after': '1' } },
  )
}

function described(required: boolean): string {
  return `A key that the client generates for this request, and sends again when it repeats the request${required ? ': required' : ''}`
}

/** Adds the answers of this wrapper to the documented answers of the route. */
function withResponses(responses: Route['responses']): Route['responses'] {
  const conflict = 'The first request with this `Idempotency-Key` is still under way'
  const other = 'The `Idempotency-Key` was used for another request'
  const also = (status: number, description: string) => ({
    ...responses[status],
    description: [responses[status]?.description, description].filter(Boolean).join('; or: '),
  })
  return { ...responses, 409: also(409, conflict), 422: also(422, other) }
}
