/** A real Prometheus that scrapes the admin port, and its own checker of rules and of metrics. */
import { execFile, spawnSync } from 'node:child_process'
import { copyFile, mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { load } from 'js-yaml'
import { describe, expect, it, onTestFinished, type TestContext } from 'vitest'
import { migrateEmitted, startEmitted, type Emitted } from '../../bench/support/emitted.ts'
import { startNats } from '../../bench/support/nats.ts'
import { testContext } from '../../templates/service/src/context/test-context.ts'
import { newService } from '../support/added-service.ts'
import { repository } from '../support/create.ts'
import { addEveryPiece } from '../support/every-piece.ts'
import { familyOf, promqlErrors, readExposition } from '../support/promql.ts'
import { eventually, open } from './support/clients.ts'
import { freePort, temporaryFolder } from './support/daemon.ts'
import { startPostgres } from './support/postgres.ts'
import { find, pathOf } from './support/programs.ts'
import { startPrometheus } from './support/prometheus.ts'
import { migrate, startService } from './support/service.ts'

const rules = join(repository, 'templates/service/ops/prometheus/alerts.yaml')
const missing = (['prometheus', 'promtool', 'nats-server'] as const).some((name) => find(name) === undefined)

it.skipIf(find('promtool') === undefined)('promtool accepts the alerts', async () => {
  const { stdout } = await promisify(execFile)(pathOf('promtool'), ['check', 'rules', rules])
  expect(stdout).toContain('SUCCESS')
})

const pieces = join(repository, 'templates/service/generators/pieces')
it.skipIf(find('promtool') === undefined).each([
  ['service-alerts.yaml', [rules]],
  [
    'events-alerts.yaml',
    [
      'broker/ops/prometheus/events',
      'outbox/ops/prometheus/publishing',
      'inbox/ops/prometheus/consuming',
    ].map((path) => join(pieces, `${path}.yaml`)),
  ],
])('the alerts fire when they should, by %s', async (cases, files) => {
  const folder = await mkdtemp(join(tmpdir(), 'alerts-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  for (const file of files) await copyFile(file, join(folder, basename(file)))
  const tests = join(folder, 'tests.yaml')
  await copyFile(join(import.meta.dirname, 'support', cases), tests)

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

describe.skipIf(missing)('a service with every piece', () => {
  it(
    'shows metrics that promtool accepts; its alerts and dashboards use no other, and Prometheus evaluates them',
    { timeout: 600_000 },
    async (t) => {
      const { folder, service } = await startEvery(t)
      await useEvery(service)
      const metrics = `http://127.0.0.1:${service.adminPort}/metrics`
      const shown = async () => readExposition(await (await fetch(metrics)).text())
      const late = ['events_consumer_lag', 'events_consumer_parked', 'context_unwind_duration_seconds_count']
      await eventually(async () => {
        const names = await shown()
        return late.every((name) => names.has(name))
      }, 30_000)
      const expressions = await expressionsOf(folder)
      expect(expressions.length).toBeGreaterThan(50)

      const text = await (await fetch(metrics)).text()
      const checked = spawnSync(pathOf('promtool'), ['check', 'metrics'], { input: text, encoding: 'utf8' })
      // That name is the conventions'. A 1 is text that it cannot read, a 3 a name or a type that it dislikes.
      const disliked =
        'db_client_connection_count non-histogram and non-summary metrics should not have "_count" suffix\n'
      expect({ status: checked.status, said: checked.stdout + checked.stderr }).toEqual({
        status: 3,
        said: disliked,
      })

      const exposition = readExposition(text)
      const families = new Set(Array.from(exposition.keys(), familyOf))
      const missingMetrics = expressions.flatMap(({ expr }) =>
        promqlErrors(expr, exposition).filter((error) => error.startsWith('there is no metric')),
      )
      expect(missingMetrics).toEqual([])
      expect(families).toContain('http_client_request_duration_seconds')

      const prometheus = await startPrometheus(t, service.adminPort, join(folder, 'ops/prometheus/*.yaml'))
      await eventually(async () => (await prometheus.value('up')) === '1', 30_000)
      for (const { title, expr } of expressions) {
        const query = expr.replaceAll('$__rate_interval', '1m').replaceAll('$job', 'mainstem-service')
        const answer = prometheus.get(`query?query=${encodeURIComponent(query)}`)
        await expect(answer, title).resolves.toMatchObject({ resultType: 'vector' })
      }
      const { groups } = (await prometheus.get('rules')) as { groups: Group[] }
      expect(groups).toHaveLength(4)
      await eventually(async () => {
        const { groups } = (await prometheus.get('rules')) as { groups: Group[] }
        const health = groups.flatMap(({ rules }) => rules.map((rule) => rule.health))
        expect(health).not.toContain('err')
        return health.every((each) => each === 'ok')
      }, 90_000)
    },
  )
})

interface Group {
  readonly rules: readonly { readonly health: string }[]
}

/** A copy of the template with every piece, a broker and a database of its own. */
async function startEvery(t: TestContext): Promise<{ folder: string; service: Emitted }> {
  const ctx = testContext(t)
  const directory = await temporaryFolder(t, 'every')
  const folder = newService()
  await addEveryPiece(folder)
  const { url } = await startPostgres(t, { version: 18 })
  const nats = await startNats(join(directory, 'nats'), await freePort())
  t.onTestFinished(() => nats.kill())
  await migrateEmitted(ctx, folder, url)
  const env = { DATABASE_URL: url, BROKER_URL: nats.url, UPLOAD_DIR: join(directory, 'uploads') }
  const service = await startEmitted(ctx, folder, { ...env, AUTH: 'off' })
  t.onTestFinished(async () => {
    await service.end('SIGKILL')
  })
  return { folder, service }
}

/** Makes it measure what it measures only when it happens. */
async function useEvery({ port, adminPort }: Emitted): Promise<void> {
  const url = `http://127.0.0.1:${port}`
  const post = async (path: string): Promise<number> => (await fetch(url + path, { method: 'POST' })).status
  expect(await post('/probe/jobs')).toBe(202)
  expect(await post('/probe/events?key=a&text=paid')).toBe(202)
  expect((await fetch(`${url}/probe/relay?to=${encodeURIComponent(`${url}/livez`)}`)).status).toBe(200)
  const request = open(`${url}/probe/query?seconds=30`)
  const active = 'http_server_active_requests{http_request_method="GET",url_scheme="http"} 1'
  const metrics = `http://127.0.0.1:${adminPort}/metrics`
  await eventually(async () => (await (await fetch(metrics)).text()).includes(active))
  request.hangUp()
}

/** Every expression of the alerts and dashboards in ops/. */
async function expressionsOf(service: string): Promise<{ title: string; expr: string }[]> {
  const read = async (folder: string) => {
    const files = (await readdir(join(service, folder))).map((name) => join(service, folder, name))
    return Promise.all(files.map((file) => readFile(file, 'utf8')))
  }
  const alerts = (await read('ops/prometheus')).map(
    (text) => load(text) as { groups: { rules: { alert: string; expr: string }[] }[] },
  )
  const dashboards = (await read('ops/grafana')).map(
    (text) => JSON.parse(text) as { panels: { title: string; targets?: { expr: string }[] }[] },
  )
  return [
    ...alerts.flatMap(({ groups }) =>
      groups.flatMap(({ rules }) => rules.map(({ alert: title, expr }) => ({ title, expr }))),
    ),
    ...dashboards.flatMap(({ panels }) =>
      panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr }))),
    ),
  ]
}
