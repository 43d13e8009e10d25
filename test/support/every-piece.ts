import { expect } from 'vitest'
import { add } from './added-service.ts'

const billFields = [
  'title:text',
  'code:varchar(8) unique',
  'status:enum(draft|paid) index default=draft',
  'paid:boolean',
  'tags:text[] default=[]',
  'days:timestamptz[]?',
  'kinds:enum(a|b-c)[]?',
  'price:numeric(10,2) default=1.50',
  'note:text default="it\'s, new"',
  'big:bigint default=9007199254740993',
  'seenAt:timestamptz default=now',
  'dueAt:timestamptz? default=2026-01-31T12:00:00Z',
  'data:jsonb',
  'ownerId:uuid->owners',
]

/** Arguments of `npm run add --` that together stamp every piece. */
export const stamped: readonly (readonly string[])[] = [
  ['upload', 'price-list'],
  ['resource', 'owner', '--fields', 'name:text unique'],
  ['resource', 'bill', '--fields', billFields.join(', ')],
  ['route', 'exchange-rate', '--method', 'POST', '--path', '/rates/:base'],
  ['job', 'send-invoice'],
  ['schedule', 'nightly-report', '--cron', '5 3 * * 1'],
  ['client', 'payments', '--base-url', 'https://payments.example.com'],
  ['events', 'order-status'],
  ['auth'],
  ['resource', 'note', '--fields', 'body:jsonb, number:integer unique, parentId:uuid?->notes', '--owned'],
  ['upload', 'pay-slip', '--owned'],
  ['idempotency'],
  // More than the tests of the other pieces send.
  ['rate-limit', '--requests', '100000'],
  ['publisher', 'invoice-paid'],
  ['consumer', 'invoice-paid'],
  ['storage', 's3'],
]

/** Adds every piece that `npm run add` offers to the service. */
export async function addEveryPiece(service: string): Promise<void> {
  const offered = Array.from(
    (await add(service, '--help')).out.matchAll(/^ {2}(\w[\w-]*) /gm),
    ([, name = '']) => name,
  )
  // The steps of docs/generators.md may have given the service a piece of its own.
  expect([...new Set(stamped.map(([piece]) => piece))].sort()).toEqual(
    offered.filter((piece) => piece !== 'dump').sort(),
  )
  for (const args of stamped) expect(await add(service, ...args)).toMatchObject({ code: 0, err: '' })
}
