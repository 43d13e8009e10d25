import pg, { type PoolClient, type QueryConfig, type QueryResult } from 'pg'
import { sessionOf, type Internals } from './client.ts'

/** The protocol counts the values of a statement in 16 bits; pg would send the low 16 bits of a larger number. */
const maxValues = 65_535

/** @throws RangeError if the protocol cannot carry so many values */
export function requireSendable(values: readonly unknown[] = []): void {
  if (values.length > maxValues)
    throw new RangeError(
      `a statement has at most ${maxValues} values, this one ${values.length}: send them in batches`,
    )
}

/**
 * Submits a statement. If a prepared one is stale, it submits the statement again without its name, except in a transaction,
 * which the failure has already aborted.
 * @param onStale called before the second attempt
 */
export async function submitFresh(
  client: PoolClient,
  statement: QueryConfig,
  values: unknown[] | undefined,
  onStale: () => void,
): Promise<QueryResult> {
  if (statement.name === undefined) return submit(client, statement, values)
  // A pooler lends another backend for each transaction, which has not prepared it.
  if (sessionOf(client)?.backend === undefined) return submit(client, nameless(statement), values)
  return submit(client, statement, values).catch((error: unknown) => {
    if (!(error instanceof pg.DatabaseError && isStale(error)) || client.getTransactionStatus() !== 'I')
      throw error
    onStale()
    return submit(client, nameless(statement), values)
  })
}

function nameless(statement: QueryConfig): QueryConfig {
  return { ...statement, name: undefined }
}

/** Settles when Postgres is ready for the next statement, or gone: pg itself reports an error before that. */
function submit(client: PoolClient, statement: QueryConfig, values: unknown[] = []): Promise<QueryResult> {
  return new Promise((resolve, reject) => {
    const onResult = (error: Error | null | undefined, result: QueryResult): void => {
      if (error === null || error === undefined) {
        resolve(result)
        return
      }
      if (!(error instanceof pg.DatabaseError)) {
        reject(error)
        return
      }
      // 'drain' follows ReadyForQuery; after a FATAL error the connection ends instead.
      const done = (): void => {
        client.off('drain', done).off('end', done)
        reject(error)
      }
      client.on('drain', done).on('end', done)
    }
    // pg copies the configuration, property by property: what it inherits is not copied.
    const config = statement.name === undefined ? statement : (Object.create(statement) as QueryConfig)
    ;(client as unknown as Internals).query(config, values, onResult)
  })
}

/** Statements that change the session: by how they begin, or by a word anywhere in them. */
const sessionWide = [
  // The code of a DO block may do any of these.
  beginning(
    String.raw`set(?!\s+(local|transaction|constraints)\b)|reset|listen|load|prepare(?!\s+transaction\b)|do`,
    String.raw`declare\s[^;]*\bwith\s+hold`,
  ),
  /\b(create|into)\s+(or\s+replace\s+)?((global|local)\s+)?temp(orary)?\b|\bpg_temp\b/i,
  /\bpg_(try_)?advisory_lock(_shared)?\b|\b(set_config|setseed|dblink_connect\w*)\b/i,
  /\bupdate\s+(only\s+)?(pg_catalog\.)?pg_settings\b/i,
]

/** A set_config for its transaction only: the last argument is a literal true. */
const localSetting = /\bset_config\s*\(([^'()]|'[^']*')*,\s*true\s*\)/gi

/** Matches a statement that begins with one of `words`, after comments and other statements. */
function beginning(...words: string[]): RegExp {
  return new RegExp(String.raw`(^|;)(\s|--[^\n]*\n|/\*.*?\*/)*(${words.join('|')})\b`, 'is')
}

/** Whether `text` changes the session, which the next caller of its connection would meet. */
export const outlastsCall = perText((text) => {
  const rest = text.replace(localSetting, '')
  return sessionWide.some((pattern) => pattern.test(rest))
})

/**
 * Whether a prepared statement of the session could not be used, and Postgres has not executed it: it is gone or another one has
 * its name (26000, 42P05), or a migration has changed the columns of its plan (0A000).
 */
export function isStale({ code, routine }: pg.DatabaseError): boolean {
  return code === '26000' || code === '42P05' || routine === 'RevalidateCachedQuery'
}

/** A service has few texts of statements, unless it writes values into them. */
const maxTexts = 1_000
const maxLength = 2_000

/** Returns `read`, which remembers its results for short texts. */
export function perText<T extends object | boolean>(read: (text: string) => T): (text: string) => T {
  const known = new Map<string, T>()
  return (text) => {
    const before = known.get(text)
    if (before !== undefined) return before
    const result = read(text)
    if (text.length < maxLength) {
      if (known.size === maxTexts) known.clear()
      known.set(text, result)
    }
    return result
  }
}
