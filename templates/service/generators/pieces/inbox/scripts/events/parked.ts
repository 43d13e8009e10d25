import pg from 'pg'
import { commandLine } from '../command-line.ts'
import { readEnvironment } from '../dev/environment.ts'
import { chooseDatabase } from '../postgres/built-in.ts'

const usage = `npm run parked [-- replay|drop <id>…|--all]

Lists the events that could not be handled, with their causes. Each holds up the later events of its key.
  replay   handles them again, now: after the cause is mended
  drop     never handles them: the later events of their keys go on`

/** All events that are parked, or those of these ids. */
const chosen = 'due_at is null and ($1::text[] is null or id = any($1))'

/** Handled again with all its attempts, by an instance that looks every second. */
const replay = `update events.held set due_at = now(), attempts = 0 where ${chosen}`

/** Marked as handled, in case the broker delivers it once more. */
const drop = `with dropped as (delete from events.held where ${chosen} returning type, id)
  insert into events.handled (type, id) select type, id from dropped on conflict do nothing`

async function main([what = 'list', ...ids]: string[]): Promise<void> {
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
    const { rowCount } = await client.query(what === 'replay' ? replay : drop, [
      ids.includes('--all') ? null : ids,
    ])
    console.log(`${rowCount ?? 0} ${rowCount === 1 ? 'event' : 'events'}: ${what}`)
  } finally {
    await client.end()
    await database.stop()
  }
}

async function list(client: pg.Client): Promise<void> {
  const { rows } = await client.query<Record<string, string>>(
    `select type, id, key, attempts, error, data, (
        select count(*) from events.held o where o.type = h.type and o.key = h.key and o.position > h.position) as behind
      from events.held h where due_at is null order by at limit 100`,
  )
  if (rows.length === 0) console.log('Nothing is parked.')
  for (const { type, id, key, attempts, error, data, behind } of rows) {
    console.log(`${type} ${id}\n  key ${key}, ${attempts} attempts, ${behind} events wait behind it`)
    console.log(`  ${error}\n  ${data?.slice(0, 500)}`)
  }
}

try {
  await main(commandLine())
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
}
