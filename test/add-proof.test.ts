import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { add, newService, repository } from './support/added-service.ts'

test('what is added compiles, lints without a warning and passes its own tests', { timeout: 600_000 }, () => {
  const service = newService()
  expect(add(service, 'upload', 'price-list')).toMatchObject({ code: 0 })
  expect(add(service, 'resource', 'owner', '--fields', 'name:text')).toMatchObject({ code: 0 })
  const fields =
    'title:text, price:numeric(10,2), paid:boolean, dueAt:timestamptz?, data:jsonb, ownerId:uuid->owners'
  expect(add(service, 'resource', 'invoice', '--fields', fields)).toMatchObject({ code: 0 })
  expect(add(service, 'route', 'exchange-rate', '--method', 'POST', '--path', '/rates/:base')).toMatchObject({
    code: 0,
  })
  expect(add(service, 'job', 'send-invoice')).toMatchObject({ code: 0 })
  expect(add(service, 'schedule', 'nightly-report', '--cron', '5 3 * * 1')).toMatchObject({ code: 0 })
  const added = ['price-lists', 'invoices', 'exchange-rate', 'send-invoice', 'nightly-report']
  runAll(service, [
    ['typescript/bin/tsc', '--noEmit'],
    ['eslint/bin/eslint.js', '.', '--max-warnings', '0'],
    ['prettier/bin/prettier.cjs', '--check', 'src', 'test'],
    [
      ...['vitest/vitest.mjs', 'run', 'test/guarantees/jobs.test.ts', 'test/guarantees/shape.test.ts'],
      ...added.map((name) => `src/${name}`),
    ] as [string, ...string[]],
  ])
})

// The one run of it: here it has its SDK, which a service has only once it was asked for.
test(
  'what `storage s3` adds compiles, lints without a warning and passes its own tests',
  { timeout: 300_000 },
  () => {
    const service = newService()
    expect(add(service, 'storage', 's3')).toMatchObject({ code: 0 })
    runAll(service, [
      ['typescript/bin/tsc', '--noEmit'],
      ['eslint/bin/eslint.js', 'src/platform', 'test/support', '--max-warnings', '0'],
      ['vitest/vitest.mjs', 'run', 'src/platform/storage-s3.test.ts'],
    ])
  },
)

/** Runs each program of the service's dependencies in its folder; all must succeed. */
function runAll(service: string, runs: [string, ...string[]][]): void {
  for (const [bin, ...args] of runs) {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [join(repository, 'node_modules', bin), ...args],
      { cwd: service, encoding: 'utf8', env: { ...process.env, NODE_ENV: 'test' } },
    )
    expect(status, `${bin}\n${stdout}${stderr}`).toBe(0)
  }
}
