import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { median, percentile } from '../support/statistics.ts'
import type { Bare } from './bare.ts'

/** The page that each service with events gets. */
const page = join(import.meta.dirname, '../../templates/service/generators/pieces/broker/docs/events.md')

/** How many rows were in the outbox at the end, and how many a second had been inserted. */
export interface Flow {
  readonly reached: number
  readonly rows: number
}

/** What was measured. */
export interface Found {
  readonly bare: Bare
  /** The numbers of instances that `published` and `handled` were measured with. */
  readonly counts: readonly number[]
  readonly published: readonly number[]
  readonly publishedOfOneKey: number
  readonly handed: number
  readonly flows: readonly Flow[]
  readonly handled: readonly number[]
  readonly handledOfOneKey: number
  /** Of events published at a rate of `perSecond`. */
  readonly latencies: readonly number[]
  readonly perSecond: number
}

/** The table of the page. */
export async function tableOf(found: Found): Promise<string> {
  const { bare, flows } = found
  const instances = `${found.counts.join(' / ')} instances`
  const rows: readonly (readonly [what: string, figure: string])[] = [
    ['bare JetStream: published', perSecond(bare.publishedPerSecond)],
    [
      'bare JetStream: consumed from eight partitions, one event out at a time',
      perSecond(bare.orderedPerSecond),
    ],
    ['bare JetStream: publish → received, median / p99', spread(bare.latenciesMs)],
    [`published by an HTTP request in its transaction, ${instances}`, perSecond(...found.published)],
    ['the same, all of one key, 1 instance', perSecond(found.publishedOfOneKey)],
    ['handed to the broker from a full outbox, by the one instance that does so', perSecond(found.handed)],
    [
      `rows in the outbox while ${whole(...flows.map(({ reached }) => reached))} a second are inserted`,
      whole(...flows.map(({ rows }) => rows)),
    ],
    [`handled in effect, in a transaction of six statements, ${instances}`, perSecond(...found.handled)],
    ['the same, all of one key, 2 instances', perSecond(found.handledOfOneKey)],
    [
      `from the row in the outbox to the row of the handler, ${found.perSecond} a second, median / p99`,
      spread(found.latencies),
    ],
  ]
  const lines = rows.map(([what, figure]) => `| ${what} | ${figure} |`)
  const table = ['| what | events a second, or milliseconds |', '|---|---|', ...lines].join('\n')
  return format(table, { ...(await resolveConfig(page)), parser: 'markdown' })
}

/** Replaces the table of the page. @throws Error if the page has none */
export async function writeTable(table: string): Promise<void> {
  const text = await readFile(page, 'utf8')
  const old = /^\| what +\| events a second.*\n(?:\|.*\n)+/m
  if (!old.test(text)) throw new Error(`${page} has no table of events a second`)
  await writeFile(
    page,
    text.replace(old, () => table),
  )
}

function whole(...values: readonly number[]): string {
  return values.map((value) => Math.round(value).toLocaleString('en')).join(' / ')
}

function perSecond(...rates: readonly number[]): string {
  return `${whole(...rates)}/s`
}

function spread(ms: readonly number[]): string {
  return `${median(ms).toFixed(1)} / ${percentile(ms, 0.99).toFixed(1)} ms`
}
