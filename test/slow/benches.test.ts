/** Each bench still runs, at its shortest, and measures every subject. The figures of such a run mean nothing. */
import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')

const shortest: Readonly<Record<string, readonly string[]>> = {
  cancel: ['--hang-ups', '20', '--cancels', '100'],
  context: ['--quick'],
  create: ['--rounds', '1'],
  events: ['--events', '200', '--instances', '1'],
  goodput: ['--quick'],
  growth: ['--most', '100', '--instances', '1'],
  'hang-up': ['--rounds', '1'],
  http: ['--rounds', '1'],
  inspector: ['--rounds', '1', '--seconds', '1', '--contexts', '100'],
  overload: ['--quick'],
  shipped: ['--rounds', '1', '--seconds', '1', '--only', 'all,hono', '--load', 'small'],
  start: ['--rounds', '1'],
  tracing: ['--rounds', '1', '--seconds', '1'],
  upload: ['--quick'],
}

test('each bench has its shortest run here', () => {
  const benches = readdirSync(join(root, 'bench')).filter((name) => name !== 'support')
  expect(Object.keys(shortest).toSorted()).toEqual(benches.toSorted())
})

test.each(Object.entries(shortest))('%s', async (bench, flags) => {
  const { stdout } = await promisify(execFile)('npm', ['run', '-s', `bench:${bench}`, '--', ...flags], {
    cwd: root,
  })
  expect(stdout).toMatch(/\d/)
  expect(stdout).not.toContain('not measured')
})
