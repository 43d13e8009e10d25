/**
 * Two services that exchange events over a real broker: what a collector receives of one event, and the operators' files of the
 * pieces publisher and consumer. `npx vitest run test/emitted/events.test.ts -u` rewrites docs/traces-of-events.md.
 */
import { execFileSync, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import asyncapi from '@asyncapi/specs'
import { Ajv } from 'ajv'
import { DCLinter } from 'dclint'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { load } from 'js-yaml'
import { migrateEmitted, startEmitted } from '../../bench/support/emitted.ts'
import { freePort } from '../../bench/support/instance.ts'
import { startNats } from '../../bench/support/nats.ts'
import { makeDatabase, temporaryServer } from '../../sample-service/scripts/postgres/databases.ts'
import { eventually } from '../../sample-service/test/support/client.ts'
import { startCollector, type Collector } from '../../sample-service/test/support/otlp.ts'
import { testContext } from '../../templates/service/src/context/test-context.ts'
import { add, emittedService } from '../support/added-service.ts'
import { labelsOfResult, promqlErrors, readExposition, type Exposition } from '../support/promql.ts'
import { typeErrors } from '../support/satisfies.ts'
import { tracesNamed } from '../support/traces.ts'

const cleanups: (() => Promise<unknown>)[] = []
const t = { onTestFinished: (fn: () => Promise<void>) => cleanups.push(fn) }
let collector: Collector
let document: unknown
let metrics: Exposition
let [billing, ledger] = ['', '']

beforeAll(async () => {
  const ctx = testContext({ onTestFinished: (fn) => cleanups.push(() => Promise.resolve().then(fn)) })
  const directory = await mkdtemp(join(tmpdir(), 'mainstem-events-'))
  cleanups.push(() => rm(directory, { recursive: true, force: true }))
  const server = await temporaryServer()
  cleanups.push(() => server.stop())
  const nats = await startNats(join(directory, 'nats'), await freePort())
  cleanups.push(() => nats.kill())
  collector = await startCollector(t)
  const start = async (name: string, piece: string) => {
    const folder = emittedService(name, '--no-example')
    expect(await add(folder, piece, 'invoice-paid')).toMatchObject({ code: 0, err: '' })
    const database = await makeDatabase(server.url)
    cleanups.push(() => database.drop())
    const { url } = database
    await migrateEmitted(ctx, folder, url)
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    cleanups.push(() => client.end())
    await client.query('create table effects (number serial, key text, text text); create sequence tries')
    const service = await startEmitted(ctx, folder, {
      DATABASE_URL: url,
      UPLOAD_DIR: join(directory, 'uploads'),
      BROKER_URL: nats.url,
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_METRICS_EXPORTER: 'none',
    })
    cleanups.push(() => service.end('SIGKILL'))
    return { folder, client, service }
  }
  const [publisher, consumer] = [await start('billing', 'publisher'), await start('ledger', 'consumer')]
  ;[billing, ledger] = [publisher.folder, consumer.folder]
  const base = `http://127.0.0.1:${publisher.service.port}`

  const published = await fetch(`${base}/probe/events?key=invoice-7&text=paid`, { method: 'POST' })
  expect(published.status).toBe(202)
  await eventually(async () => (await consumer.client.query('select from effects')).rowCount === 1, 20_000)

  document = await (await fetch(`${base}/asyncapi.json`)).json()
  const exposed = async (port: number) => (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  const both = async () => {
    const [one, other] = [
      await exposed(publisher.service.adminPort),
      await exposed(consumer.service.adminPort),
    ]
    return `${one}\n${other}`
  }
  // They are read from the broker and the databases every few seconds.
  const wanted = ['events_consumer_lag{', 'events_consumer_parked{', 'events_outbox_oldest_seconds']
  await eventually(async () => {
    const text = await both()
    return wanted.every((name) => text.includes(name))
  }, 20_000)
  metrics = readExposition(await both())
  for (const { service } of [publisher, consumer]) expect(await service.end('SIGTERM')).toBe(0)
}, 240_000)
afterAll(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup()
})

it('an event can be followed from the request over outbox and broker to the statement of its handler', async () => {
  const [request] = tracesNamed(collector.spans, 'POST /probe/events')
  const [handling] = tracesNamed(collector.spans, 'process probe-v1')
  expect(request).toMatchObject({ roots: 1, orphans: 0 })
  expect(handling).toMatchObject({ roots: 1, orphans: 0 })
  const [send, process] = ['send probe-v1', 'process probe-v1'].map((name) =>
    collector.spans.find((span) => span.name === name),
  )
  expect(process?.links).toEqual([{ traceId: send?.traceId, spanId: send?.spanId }])
  const page = `${head}\n\`\`\`\n${request?.text ?? ''}\n\`\`\`\n\n${linked}\n\n\`\`\`\n${handling?.text ?? ''}\n\`\`\`\n`
  await expect(page).toMatchFileSnapshot('../../docs/traces-of-events.md')
})

const head = `# An event, as a collector receives it

Two emitted services exported these spans to a real OTLP receiver: \`billing\` publishes an event in the transaction of a request, and
\`ledger\` handles it. The first trace ends with the hand-over to the broker, below the request that published the event:
`
const linked = `The second is the handler's. Its root links to \`send probe-v1\` above, whose ids came as \`traceparent\` with the event:`

describe('/asyncapi.json', () => {
  it('is AsyncAPI 3.0 by its own schema', () => {
    // It contains the schema of JSON Schema itself.
    const ajv = new Ajv({ meta: false, validateSchema: false, strict: false, validateFormats: false })
    const valid = ajv.compile(asyncapi.schemas['3.0.0'] as object)
    valid(document)
    expect(valid.errors ?? []).toEqual([])
    expect(JSON.stringify(document)).toContain('"invoice-paid-v1"')
  })
})

describe('ops/', () => {
  it('the alerts use only what /metrics shows', async () => {
    const files = [
      join(billing, 'ops/prometheus/events.yaml'),
      join(billing, 'ops/prometheus/publishing.yaml'),
      join(ledger, 'ops/prometheus/consuming.yaml'),
    ]
    for (const file of files) {
      const { groups } = load(await readFile(file, 'utf8')) as {
        groups: { rules: { alert: string; expr: string; annotations: { summary: string } }[] }[]
      }
      for (const { alert, expr, annotations } of groups.flatMap(({ rules }) => rules)) {
        expect(promqlErrors(expr, metrics), alert).toEqual([])
        for (const [, label] of annotations.summary.matchAll(/\$labels\.(\w+)/g))
          expect(labelsOfResult(expr), alert).toContain(label)
      }
    }
  })

  it("the dashboards are of Grafana's own type, and use only what /metrics shows", async () => {
    for (const file of [
      join(billing, 'ops/grafana/publishing.json'),
      join(ledger, 'ops/grafana/consuming.json'),
    ]) {
      const value = JSON.parse(await readFile(file, 'utf8')) as {
        panels: { title: string; targets: { expr: string; legendFormat: string }[] }[]
      }
      expect(typeErrors([{ file, value, module: '@grafana/schema', type: 'Dashboard' }])).toEqual([])
      for (const { title, targets } of value.panels) {
        for (const { expr, legendFormat } of targets) {
          expect(promqlErrors(expr, metrics), title).toEqual([])
          for (const [, label] of legendFormat.matchAll(/\{\{(\w+)\}\}/g))
            expect(labelsOfResult(expr), title).toContain(label)
        }
      }
    }
  })
})

it('compose.override.yaml and k8s/broker.yaml have no fault that a linter or a schema reports', async () => {
  const linter = new DCLinter({ rules: {}, quiet: true, debug: false, exclude: [] })
  const file = join(billing, 'compose.override.yaml')
  const results = linter.lintFiles([join(billing, 'compose.yaml'), file], false)
  expect(results.flatMap(({ messages }) => messages).filter(({ type }) => type === 'error')).toEqual([])
  const value: unknown = load(await readFile(join(billing, 'k8s/broker.yaml'), 'utf8'))
  const module = 'kubernetes-types/core/v1'
  expect(typeErrors([{ file: 'broker.yaml', value, module, type: 'Service' }])).toEqual([])
})

describe('npm run dev', () => {
  it('starts a nats-server if one is installed, and ends it', async () => {
    const dev = runDev({ PATH: process.env['PATH'] })
    await dev.said('outbox: connected to the broker')

    expect(await dev.end()).toBe(0)

    expect(existsSync(join(billing, '.data/nats/jetstream'))).toBe(true)
    expect(execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })).not.toContain(
      join(billing, '.data/nats'),
    )
  })

  it('says in one sentence how to install one if it is missing, and runs the service', async () => {
    const path = (process.env['PATH'] ?? '').split(':')
    const dev = runDev({
      PATH: path.filter((folder) => !existsSync(join(folder, 'nats-server'))).join(':'),
    })
    await dev.said('warning: nats-server is not installed: apt-get install nats-server, brew install')
    await dev.said('BROKER_URL is not set, so nothing is sent')

    expect(await dev.end()).toBe(0)
  })
})

/** `npm run dev` of the publisher, without npm. */
function runDev(env: Readonly<Record<string, string | undefined>>) {
  const child = spawn(process.execPath, ['--import', './scripts/tsx.js', 'scripts/dev/dev.ts'], {
    cwd: billing,
    env: { ...env, PORT: '0', ADMIN_PORT: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  cleanups.push(() => Promise.resolve(child.kill('SIGKILL')))
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve))
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += String(chunk)))
  return {
    async said(part: string): Promise<void> {
      await vi.waitFor(() => expect(text).toContain(part), { timeout: 60_000, interval: 50 })
    },
    async end(): Promise<number | null> {
      child.kill('SIGTERM')
      return await exited
    },
  }
}
