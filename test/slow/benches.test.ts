/** Each bench still runs, in its shortest form, and measures every subject. The figures of such a run are meaningless. */
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
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
  const child = spawn('npm', ['run', '-s', `bench:${bench}`, '--', ...flags], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)])
  // A missed goal is exit code 1 too, but then the table is complete.
  expect(out, err).toContain('|')
  expect(child.exitCode).toBeLessThan(2)
  expect(err).not.toMatch(/^\s+at /m)
  expect(out).not.toContain('not measured')
})
