/** A real Prometheus that scrapes the admin port, and its own checker of rules. */
import { execFile } from 'node:child_process'
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { repository } from '../support/create.ts'
import { eventually } from './support/clients.ts'
import { startPostgres } from './support/postgres.ts'
import { find, pathOf } from './support/programs.ts'
import { startPrometheus } from './support/prometheus.ts'
import { migrate, startService } from './support/service.ts'

const rules = join(repository, 'templates/service/ops/prometheus/alerts.yaml')

it.skipIf(find('promtool') === undefined)('promtool accepts the alerts', async () => {
  const { stdout } = await promisify(execFile)(pathOf('promtool'), ['check', 'rules', rules])
  expect(stdout).toContain('SUCCESS')
})

it.skipIf(find('promtool') === undefined)('the alerts on events fire when they should', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'alerts-'))
  t.onTestFinished(() => rm(folder, { recursive: true }))
  const pieces = join(repository, 'templates/service/generators/pieces')
  for (const path of [
    'broker/ops/prometheus/events',
    'outbox/ops/prometheus/publishing',
    'inbox/ops/prometheus/consuming',
  ])
    await copyFile(join(pieces, `${path}.yaml`), join(folder, `${basename(path)}.yaml`))
  const tests = join(folder, 'tests.yaml')
  await copyFile(join(import.meta.dirname, 'support/events-alerts.yaml'), tests)

  const { stdout } = await promisify(execFile)(pathOf('promtool'), ['test', 'rules', tests])

  expect(stdout).toContain('SUCCESS')
})

it.skipIf(find('prometheus') === undefined)(
  'Prometheus scrapes the admin port, and evaluates its alerts',
  async (t) => {
    const postgres = await startPostgres(t, { version: 18 })
    const env = { DATABASE_URL: postgres.url }
    await migrate(t, { env })
    const service = await startService(t, { env })
    const prometheus = await startPrometheus(t, service.adminPort, rules)
    for (let n = 0; n < 3; n++) await fetch(`${service.url}/documents`)

    await eventually(async () => (await prometheus.value('up')) === '1', 30_000)
    const count = 'http_server_request_duration_seconds_count{http_route="/documents"}'
    await eventually(async () => Number(await prometheus.value(count)) >= 3, 30_000)
    const { groups } = (await prometheus.get('rules')) as { groups: { rules: { lastError?: string }[] }[] }
    const loaded = groups.flatMap((group) => group.rules)
    expect(loaded.length).toBeGreaterThan(0)
    expect(loaded.filter(({ lastError }) => lastError !== undefined && lastError !== '')).toEqual([])
  },
)
