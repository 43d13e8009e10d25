/**
 * The operators' view: the traces, the metrics, and the dashboard and alerts of ops/. The sample and a second one that it calls
 * serve one request of each kind. `npx vitest run test/emitted/observability.test.ts -u` rewrites docs/traces.md.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { load } from 'js-yaml'
import { z } from 'zod'
import { makeDatabase, temporaryServer } from '../../sample-service/scripts/postgres/databases.ts'
import { migrateDatabase } from '../../sample-service/scripts/postgres/migrations.ts'
import { eventually, open } from '../../sample-service/test/support/client.ts'
// Declares the values that vitest provides to the tests of a service.
import type {} from '../../sample-service/test/global-setup.ts'
import { joinPrograms } from '../../sample-service/test/programs.ts'
import { startCollector, type Collector } from '../../sample-service/test/support/otlp.ts'
import type { StartedProcess } from '../../sample-service/test/support/service.ts'
import { repository, serviceWithClient } from '../support/added-service.ts'
import { familyOf, labelsOfResult, promqlErrors, readExposition, type Exposition } from '../support/promql.ts'
import { typeErrors } from '../support/satisfies.ts'
import { tracesNamed, type Trace } from '../support/traces.ts'

interface Subject extends StartedProcess {
  readonly url: string
  readonly adminUrl: string
}

const cleanups: (() => Promise<unknown>)[] = []
const t = { onTestFinished: (fn: () => Promise<void>) => cleanups.push(fn) }
let collector: Collector
let metrics: Exposition
/** Starts the sample with a client. */
let startProcess: typeof import('../../sample-service/test/support/service.ts').startProcess
let programs: string

beforeAll(async () => {
  const calling = await serviceWithClient(join(repository, 'sample-service'))
  ;({ startProcess } = (await import(
    join(calling, 'test/support/service.ts')
  )) as typeof import('../../sample-service/test/support/service.ts'))
  programs = (await joinPrograms(calling)).folder
  const server = await temporaryServer()
  cleanups.push(() => server.stop())
  const database = await makeDatabase(server.url)
  cleanups.push(() => database.drop())
  await migrateDatabase(database.url)
  collector = await startCollector(t)
  const [peer, service] = await Promise.all([start('peer', database.url), start('documents', database.url)])
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  // On another connection: within a transaction pg_stat_activity does not change after its first read.
  const observer = new pg.Client({ connectionString: database.url })
  await observer.connect()
  const lists = async () => (await observer.query(waiting)).rowCount

  await ask(service, 'POST', '/documents', 201, files())
  await ask(service, 'GET', `/probe/relay?to=${encodeURIComponent(`${peer.url}/documents`)}`, 200)
  await ask(service, 'GET', `/probe/relay?to=${encodeURIComponent(`${peer.url}/nothing`)}`, 502)
  await ask(service, 'GET', '/readyz', 200)
  await ask(service, 'GET', '/probe/failure', 500)
  await client.query('begin')
  await client.query('lock table documents in access exclusive mode')
  await ask(service, 'GET', '/documents?limit=1', 504, undefined, { 'x-envoy-expected-rq-timeout-ms': '300' })
  await eventually(async () => (await lists()) === 0)
  const list = open(`${service.url}/documents`)
  await eventually(async () => (await lists()) === 1)
  list.hangUp()
  await service.line(({ status }) => status === 499)
  await client.query('rollback')
  await client.end()
  await observer.end()
  // A request that ignores its context keeps the process alive, so that the others show what a stop does to them.
  const [cut] = [open(`${service.url}/probe/query?seconds=30`), open(`${service.url}/probe/deaf?seconds=2`)]
  await eventually(async () =>
    (await exposed(service)).includes(
      'http_server_active_requests{http_request_method="GET",url_scheme="http"} 2',
    ),
  )
  service.child.kill('SIGTERM')
  await eventually(async () => (await fetch(`${service.url}/readyz`)).status === 503)
  expect((await cut.answer).status).toBe(503)
  await service.line(({ cause }) => cause === 'ServerShutdown')
  metrics = readExposition(await exposed(service))
  peer.child.kill('SIGTERM')
  expect(await Promise.all([service.exited, peer.exited])).toMatchObject([{ code: 0 }, { code: 0 }])
})
afterAll(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup()
})

const waiting = `select from pg_stat_activity where wait_event_type = 'Lock' and query like '%from "documents"%'`

async function start(name: string, databaseUrl: string): Promise<Subject> {
  const uploads = await mkdtemp(join(tmpdir(), 'uploads-'))
  cleanups.push(() => rm(uploads, { recursive: true, force: true }))
  const started = startProcess(t, {
    probe: true,
    programs,
    env: {
      DATABASE_URL: databaseUrl,
      UPLOAD_DIR: uploads,
      SHUTDOWN_DELAY_MS: '500',
      SHUTDOWN_DRAIN_MS: '100',
      OTEL_SERVICE_NAME: name,
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_METRICS_EXPORTER: 'none',
    },
  })
  const { port, adminPort } = await started.line(({ msg }) => msg === 'listening')
  return {
    ...started,
    url: `http://127.0.0.1:${String(port)}`,
    adminUrl: `http://127.0.0.1:${String(adminPort)}`,
  }
}

async function ask(
  { url }: Subject,
  method: string,
  path: string,
  status: number,
  body?: FormData,
  headers: Record<string, string> = {},
): Promise<void> {
  const response = await fetch(url + path, { method, headers, ...(body !== undefined && { body }) })
  expect(response.status, `${method} ${path}: ${await response.text()}`).toBe(status)
}

function files(): FormData {
  const body = new FormData()
  body.append('document', new Blob(['one']), 'one.txt')
  body.append('document', new Blob(['another']), 'another.txt')
  return body
}

async function exposed({ adminUrl }: Subject): Promise<string> {
  return (await fetch(`${adminUrl}/metrics`)).text()
}

describe('traces', () => {
  const shown: readonly (readonly [title: string, root: string, which: (trace: Trace) => boolean])[] = [
    ['An upload of two files', 'POST /documents', () => true],
    ['A list whose client hangs up', 'GET /documents', ({ text }) => text.includes('499')],
    ['A list whose deadline passes', 'GET /documents', ({ text }) => text.includes('504')],
    ['A call across two services', 'GET /probe/relay', ({ text }) => text.includes('GET /documents')],
    ['A call that the other service refuses', 'GET /probe/relay', ({ text }) => text.includes('404')],
    ['A request that is cut off by a shutdown', 'GET /probe/query', () => true],
  ]

  it('are one tree for each request, and every parent is there', () => {
    const roots = new Set(shown.map(([, root]) => root))
    const traces = Array.from(roots, (root) => tracesNamed(collector.spans, root)).flat()
    expect(traces).toHaveLength(shown.length)
    for (const { text, roots, orphans } of traces)
      expect({ roots, orphans }, text).toEqual({ roots: 1, orphans: 0 })
  })

  it('are as docs/traces.md shows them', async () => {
    const sections = shown.map(([title, root, which]) => {
      const [trace] = tracesNamed(collector.spans, root).filter(which)
      return `## ${title}\n\n\`\`\`\n${trace?.text ?? 'no such trace'}\n\`\`\`\n`
    })
    await expect(`${head}\n${sections.join('\n')}`).toMatchFileSnapshot('../../docs/traces.md')
  })
})

const head = `# Traces, as a collector receives them

The sample service, and a second one that it calls, exported these spans to a real OTLP receiver; the trees are made from the
ids of the spans alone. \`npx vitest run test/emitted/observability.test.ts -u\` writes this page, and the tests compare it with
each run. Ids, ports and times are left out.
`

const Rules = z.strictObject({
  groups: z.array(
    z.strictObject({
      name: z.string(),
      rules: z.array(
        z.strictObject({
          alert: z.string(),
          expr: z.string(),
          for: z
            .string()
            .regex(/^\d+[smh]$/)
            .optional(),
          labels: z.strictObject({ severity: z.enum(['page', 'ticket']) }),
          annotations: z.strictObject({ summary: z.string(), description: z.string().min(80) }),
        }),
      ),
    }),
  ),
})
const Panel = z.looseObject({
  type: z.string(),
  title: z.string(),
  gridPos: z.object({ x: z.number(), y: z.number(), w: z.number(), h: z.number() }),
  targets: z.array(z.looseObject({ expr: z.string(), legendFormat: z.string() })).default([]),
})
const Dashboard = z.looseObject({
  panels: z.array(Panel),
  templating: z.object({
    list: z.array(z.looseObject({ name: z.string(), type: z.string(), query: z.string() })),
  }),
})

describe('ops/prometheus/alerts.yaml', () => {
  it('uses only what /metrics shows', async () => {
    for (const { alert, expr } of await alerts()) expect(promqlErrors(expr, metrics), alert).toEqual([])
  })

  it('describes what happened, with labels of the result, and what to do', async () => {
    const all = await alerts()
    expect(new Set(all.map(({ alert }) => alert)).size).toBe(all.length)
    for (const { alert, expr, annotations } of all) {
      for (const [, label] of annotations.summary.matchAll(/\$labels\.(\w+)/g))
        expect(labelsOfResult(expr), alert).toContain(label)
    }
  })

  it('names settings that exist', async () => {
    const text = await read('ops/prometheus/alerts.yaml')
    const config = await read('src/config.ts')
    for (const [name] of text.matchAll(/\b[A-Z]+(_[A-Z]+)+\b/g)) expect(config).toContain(`${name}:`)
  })

  async function alerts() {
    const { groups } = Rules.parse(load(await read('ops/prometheus/alerts.yaml')))
    return groups.flatMap(({ rules }) => rules)
  }
})

describe('ops/grafana/dashboard.json', () => {
  it("is of Grafana's own type", async () => {
    const value: unknown = JSON.parse(await read('ops/grafana/dashboard.json'))
    expect(
      typeErrors([{ file: 'dashboard.json', value, module: '@grafana/schema', type: 'Dashboard' }]),
    ).toEqual([])
  })

  it('uses only what /metrics shows, and names each series by its own labels', async () => {
    const { panels, templating } = await dashboard()
    const variables = templating.list.map(({ name }) => name)
    for (const { query } of templating.list.filter(({ type }) => type === 'query')) {
      const [, metric = ''] = /^label_values\((\w+),/.exec(query) ?? []
      expect(metric, `${query} is not label_values(metric, label)`).not.toBe('')
      expect(promqlErrors(metric, metrics), query).toEqual([])
    }
    for (const { title, type, targets } of panels) {
      expect(targets.length, title).toBeGreaterThanOrEqual(type === 'row' ? 0 : 1)
      for (const { expr, legendFormat } of targets) {
        expect(promqlErrors(expr, metrics), title).toEqual([])
        for (const [, label] of legendFormat.matchAll(/\{\{(\w+)\}\}/g))
          expect(labelsOfResult(expr), title).toContain(label)
        for (const [, name] of expr.matchAll(/\$(\w+)/g))
          expect([...variables, '__rate_interval'], title).toContain(name)
      }
    }
  })

  it('shows every metric of the service', async () => {
    const { panels } = await dashboard()
    const asked = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)).join('\n')
    const families = new Set(Array.from(metrics.keys(), familyOf))
    expect(Array.from(families).filter((name) => name !== 'target_info' && !asked.includes(name))).toEqual([])
  })

  it('has no overlapping panels', async () => {
    const { panels } = await dashboard()
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
    )
    expect(new Set(cells).size).toBe(cells.length)
  })

  async function dashboard() {
    return Dashboard.parse(JSON.parse(await read('ops/grafana/dashboard.json')))
  }
})

describe('the checker of expressions', () => {
  const count = 'http_server_request_duration_seconds_count'
  it.each([
    [`rate(${count}[5m])`, undefined],
    [`rate(${count}[5m]`, 'No parse'],
    ['rate(http_server_requests_total[5m])', 'there is no metric http_server_requests_total'],
    [`rate(${count}{route!="/livez"}[5m])`, 'has no label route'],
    [`rate(${count}{http_route="/documentz"}[5m])`, 'nothing is'],
    [`rate(${count}{http_response_status_code=~"6.."}[5m])`, 'nothing is'],
    [`sum by (route) (rate(${count}[5m]))`, 'has a label route'],
    ['rate(process_memory_usage_bytes[5m])', 'which is a gauge'],
  ])('%s', (expression, error) => {
    const errors = promqlErrors(expression, metrics)
    if (error === undefined) expect(errors).toEqual([])
    else expect(errors).toEqual([expect.stringContaining(error)])
  })
})

function read(path: string): Promise<string> {
  return readFile(join(repository, 'templates/service', path), 'utf8')
}
