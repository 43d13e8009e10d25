import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { add, newService, runAll } from '../support/added-service.ts'

let service: string

test('docs/generators.md: following its steps changes a piece and adds a new one', () => {
  service = newService()
  const page = readFileSync(join(service, 'docs/generators.md'), 'utf8')
  const commands: string[][] = []
  for (const [, kind, path = '', text = ''] of page.matchAll(/^```(\w+) ?(\S*)\n([\s\S]*?)^```$/gm)) {
    if (kind === 'ts') write(service, path, text)
    if (kind === 'diff') change(service, path, text)
    if (kind === 'sh') commands.push(...commandsOf(text))
  }
  expect(add(service, '--help').out).toMatch(
    /^ {2}dump +all rows of a resource as lines of JSON \[--plural …\]$/m,
  )

  expect(commands.map(([piece]) => piece)).toEqual(['resource', 'dump'])
  for (const args of commands) expect(add(service, ...args)).toMatchObject({ code: 0, err: '' })
  expect(add(service, 'route', 'report')).toMatchObject({ code: 0 })

  expect(readFileSync(join(service, 'src/routes.ts'), 'utf8')).toContain('...invoiceDumpRoutes(platform)')
  const handlers = readFileSync(join(service, 'src/report/report.handlers.ts'), 'utf8')
  expect(handlers).toContain("'cache-control': 'no-store'")
})

test('added code compiles, lints without a warning and passes its own tests', { timeout: 600_000 }, () => {
  expect(add(service, 'upload', 'price-list')).toMatchObject({ code: 0 })
  expect(add(service, 'resource', 'owner', '--fields', 'name:text unique')).toMatchObject({ code: 0 })
  const fields = [
    ...[
      'title:text',
      'code:varchar(8) unique',
      'status:enum(draft|paid) index default=draft',
      'paid:boolean',
    ],
    ...[
      'tags:text[] default=[]',
      'days:timestamptz[]?',
      'kinds:enum(a|b-c)[]?',
      'price:numeric(10,2) default=1.50',
    ],
    ...[
      'note:text default="it\'s, new"',
      'big:bigint default=9007199254740993',
      'seenAt:timestamptz default=now',
    ],
    ...['dueAt:timestamptz? default=2026-01-31T12:00:00Z', 'data:jsonb', 'ownerId:uuid->owners'],
  ].join(', ')
  expect(add(service, 'resource', 'bill', '--fields', fields)).toMatchObject({ code: 0 })
  copyFileSync(
    join(import.meta.dirname, '../support/bills.forms.test.txt'),
    join(service, 'src/bills/bills.forms.test.ts'),
  )
  expect(add(service, 'route', 'exchange-rate', '--method', 'POST', '--path', '/rates/:base')).toMatchObject({
    code: 0,
  })
  expect(add(service, 'job', 'send-invoice')).toMatchObject({ code: 0 })
  expect(add(service, 'schedule', 'nightly-report', '--cron', '5 3 * * 1')).toMatchObject({ code: 0 })
  expect(add(service, 'client', 'payments', '--base-url', 'https://payments.example.com')).toMatchObject({
    code: 0,
  })
  expect(add(service, 'idempotency')).toMatchObject({ code: 0 })
  expect(add(service, 'auth')).toMatchObject({ code: 0 })
  expect(add(service, 'rate-limit', '--requests', '100000')).toMatchObject({ code: 0 })
  expect(add(service, 'events', 'order-status')).toMatchObject({ code: 0 })
  expect(add(service, 'publisher', 'invoice-paid')).toMatchObject({ code: 0 })
  expect(add(service, 'consumer', 'invoice-paid')).toMatchObject({ code: 0 })
  // Its tests run only here, because only a service with this piece has its SDK.
  expect(add(service, 'storage', 's3')).toMatchObject({ code: 0 })
  const added = [
    'price-lists',
    'bills',
    'invoices/invoices.dump',
    'report',
    'exchange-rate',
    'send-invoice',
    'nightly-report',
    'order-status',
    'invoice-paid',
  ]
  runAll(service, [
    ['typescript/bin/tsc', '--noEmit'],
    ['eslint/bin/eslint.js', '.', '--max-warnings', '0'],
    ['prettier/bin/prettier.cjs', '--check', 'src', 'test', 'generators', 'tsconfig.json'],
    [
      ...['vitest/vitest.mjs', 'run'],
      ...[
        'client/circuit',
        'client/client',
        'client/retry-budget',
        'client/payments-client',
        'storage/s3',
      ].map((name) => `src/platform/${name}.test.ts`),
      ...[
        'auth',
        'chain',
        'events',
        'idempotency',
        'jobs',
        'publishing',
        'consuming',
        'rate-limit',
        'shape',
        'configuration',
      ].map((name) => `test/guarantees/${name}.test.ts`),
      ...added.map((name) => `src/${name}`),
    ] as [string, ...string[]],
  ])
})

function write(service: string, path: string, text: string): void {
  mkdirSync(dirname(join(service, path)), { recursive: true })
  writeFileSync(join(service, path), text)
}

/** Applies a diff. The removed lines must occur exactly once. */
function change(service: string, path: string, diff: string): void {
  const lines = (sign: string): string =>
    diff
      .split('\n')
      .flatMap((line) => (line.startsWith(sign) ? [line.slice(1)] : []))
      .join('\n')
  const text = readFileSync(join(service, path), 'utf8')
  expect(text.split(`${lines('-')}\n`), `${path} has once:\n${lines('-')}`).toHaveLength(2)
  writeFileSync(
    join(service, path),
    text.replace(lines('-'), () => lines('+')),
  )
}

/** The arguments behind `npm run add --`, as a shell splits them. */
function commandsOf(text: string): string[][] {
  return [...text.matchAll(/^npm run add -- (.*)$/gm)].map(([, line = '']) =>
    [...line.matchAll(/"([^"]*)"|\S+/g)].map(([word, quoted]) => quoted ?? word),
  )
}
