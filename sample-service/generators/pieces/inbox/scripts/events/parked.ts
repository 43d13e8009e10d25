import { drizzle } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import { lockKey, makeNextDue } from '../../src/platform/events/held.ts'
import { commandLine } from '../command-line.ts'
import { readEnvironment } from '../dev/environment.ts'
import { chooseDatabase } from '../postgres/built-in.ts'

const usage = `npm run parked [-- replay|drop <id>…|--all]

Lists the events that could not be handled, with their causes. Each holds up the later events of its key.
  replay   handles them again now; fix the cause first
  drop     discards them, and lets the later events of their keys continue`

/** All events that are parked, or those of these ids. */
const chosen = 'due_at is null and ($1::text[] is null or id = any($1))'

/** Makes them due with all their attempts. Instances look for due events every second. */
const replay = `update events.held set due_at = now(), attempts = 0 where ${chosen}`

/** Marks them as handled, in case the broker delivers them again. */
const drop = `with dropped as (delete from events.held where type = $1 and id = $2 and due_at is null returning type, id)
  insert into events.handled (type, id) select type, id from dropped on conflict do nothing`

async function main([what = 'list', ...ids]: string[]): Promise<void> {
  if (what === '--help' || what === '-h') {
    console.log(usage)
    return
  }
  if (!['list', 'replay', 'drop'].includes(what) || (what !== 'list' && ids.length === 0))
    throw new Error(usage)
  const database = await chooseDatabase(readEnvironment())
  const client = new pg.Client({ connectionString: database.url })
  try {
    await client.connect()
    if (what === 'list') {
      await list(client)
      return
    }
    const all = ids.includes('--all') ? null : ids
    const count =
      what === 'replay' ? (await client.query(replay, [all])).rowCount : await dropAll(client, all)
    console.log(`${count ?? 0} ${count === 1 ? 'event' : 'events'}: ${what}`)
  } finally {
    await client.end()
    await database.stop()
  }
}

/** Drops events as the service does: under the lock of the key, and makes the key's next event due. @returns how many */
async function dropAll(client: pg.Client, ids: string[] | null): Promise<number> {
  const select = `select type, id, key from events.held where ${chosen}`
  const { rows } = await client.query<{ type: string; id: string; key: string }>(select, [ids])
  const q = drizzle(client)
  for (const { type, id, key } of rows) {
    await client.query('begin')
    await lockKey(q, { type, key })
    await client.query(drop, [type, id])
    await makeNextDue(q, { type, key })
    await client.query('commit')
  }
  return rows.length
}

/** How many events are listed. */
const most = 100

async function list(client: pg.Client): Promise<void> {
  const { rows } = await client.query<Record<string, string>>(
    `select type, id, key, attempts, error, left(data, 500) as data, (
        select count(*) from events.held o where o.type = h.type and o.key = h.key and o.number > h.number) as behind
      from events.held h where due_at is null order by number limit ${most}`,
  )
  if (rows.length === 0) console.log('Nothing is parked.')
  if (rows.length === most) console.log(`These are the first ${most}.`)
  for (const { type, id, key, attempts, error, data, behind } of rows) {
    console.log(`${type} ${id}\n  key ${key}, ${attempts} attempts, ${behind} events wait behind it`)
    console.log(`  ${error}\n  ${data}`)
  }
}

try {
  await main(commandLine())
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
}
