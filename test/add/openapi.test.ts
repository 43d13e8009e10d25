/** `npm run add -- client <name> --openapi`: a service calls itself with the types of its own document. */
import { execFile, spawnSync } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { add, command, edit, newService, repository, runAll, treeOf } from '../support/added-service.ts'

/** Prints what the service answers as /openapi.json. */
const print = `
import { openApiDocument } from './src/platform/http/openapi.ts'
import type { Platform } from './src/platform/platform.ts'
import { routes } from './src/routes.ts'
const platform = { readiness: { accepting: true }, uploads: {} } as Platform
console.log(JSON.stringify(openApiDocument(routes(platform), { title: 'itself', version: '1.0.0' })))
`

const roundTrip = `
import { expect, test } from 'vitest'
import { testContext } from '../src/context/test-context.ts'
import { itselfClient } from '../src/platform/client/itself-client.ts'
import { createLog } from '../src/platform/telemetry/log.ts'
import { sharedService } from './support/service.ts'

const service = sharedService()

test('a row is created, found, listed, changed and deleted', async (t) => {
  const ctx = testContext(t)
  const itself = itselfClient(createLog({ level: 'silent', service: 'test' }), { baseUrl: service().url })
  const body = { title: 'a/b', price: '1.50' }
  const { id } = await itself.json(ctx, 'post', '/invoices', { body })
  const one = { path: { id } }
  const found: { title: string; version: number } = await itself.json(ctx, 'get', '/invoices/{id}', one)
  expect(found).toMatchObject({ ...body, version: 1 })
  const { invoices, nextCursor } = await itself.json(ctx, 'get', '/invoices', { query: { limit: 1, title: 'a/b' } })
  expect([invoices.map(({ price }) => price), nextCursor]).toEqual([['1.50'], null])
  const changed = { ...one, headers: { 'If-Match': '"1"' }, body: { ...body, title: 'c' } }
  expect(await itself.json(ctx, 'put', '/invoices/{id}', changed)).toMatchObject({ title: 'c', version: 2 })
  await itself.send(ctx, 'delete', '/invoices/{id}', one)
  await expect(itself.json(ctx, 'get', '/invoices/{id}', one)).rejects.toMatchObject({ how: 'status', status: 404 })
  expect(await itself.json(ctx, 'get', '/livez')).toMatchObject({ status: 'alive' })
})
`

/** Calls that the document does not have, one on each line from the fifth on. */
const wrong = `import type { Context } from './context/context.ts'
import type { ItselfClient } from './platform/client/itself-client.ts'
/** Never called. */
export const calls = (ctx: Context, itself: ItselfClient): unknown[] => [
  itself.json(ctx, 'get', '/invoice'),
  itself.json(ctx, 'patch', '/invoices'),
  itself.json(ctx, 'post', '/invoices', { body: { title: 'a' } }),
  itself.json(ctx, 'get', '/invoices/{id}'),
  itself.json(ctx, 'get', '/invoices', { query: { limits: 1 } }),
  itself.json(ctx, 'get', '/invoices').then(({ bills }) => bills),
]
`

test(
  'a service calls itself through the client that is made from its own document',
  { timeout: 300_000 },
  async (t) => {
    const service = newService()
    expect(
      (await add(service, 'resource', 'invoice', '--fields', 'title:text, price:numeric(10,2)')).code,
    ).toBe(0)
    edit(service, 'print.ts', () => print)
    const { stdout: document } = spawnSync(process.execPath, ['--import', 'tsx', 'print.ts'], {
      cwd: service,
      encoding: 'utf8',
    })
    const server = createServer((request, response) => {
      if (request.url === '/openapi.json') response.end(document)
      else if (request.url === '/parts.json')
        response.end('{"openapi":"3.1.0","paths":{"/a":{"$ref":"package.json"}}}')
      else response.writeHead(404).end()
    }).listen(0, '127.0.0.1')
    t.onTestFinished(() => void server.close())
    await new Promise((resolve) => server.on('listening', resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const args = (path: string) => [
      ...['client', 'itself', '--base-url', 'http://127.0.0.1:3000', '--openapi', url + path],
    ]
    // In another process, because this thread answers the request.
    const run = (path: string) =>
      promisify(execFile)(process.execPath, [...command, ...args(path)], { cwd: service })
    const tree = treeOf(service)
    await expect(run('/nowhere')).rejects.toMatchObject({
      code: 1,
      stderr: `${url}/nowhere cannot be read: it answered 404.\n`,
    })
    await expect(run('/parts.json')).rejects.toMatchObject({
      code: 1,
      stderr: `${url}/parts.json cannot be read: it refers to package.json; make one file of it (npx @redocly/cli bundle).\n`,
    })
    expect(treeOf(service)).toEqual(tree)

    await run('/openapi.json')

    expect((await run('/openapi.json')).stdout).toContain('nothing to do')
    // The team's own changes of the client stay when the types are made again.
    edit(service, 'src/platform/client/itself-client.ts', (text) => text.replace('5_000', '4_000'))
    edit(service, 'src/platform/client/itself-api.ts', () => '// old\n')
    expect((await run('/openapi.json')).stdout).toContain('~ src/platform/client/itself-api.ts')
    expect(treeOf(service).get('src/platform/client/itself-client.ts')).toContain('4_000')

    edit(service, 'test/round-trip.test.ts', () => roundTrip)
    edit(service, 'src/wrong.ts', () => wrong)
    const tsc = join(repository, 'test/types/node_modules/typescript/bin/tsc')
    const types = spawnSync(process.execPath, [tsc, '--noEmit', '--pretty', 'false'], {
      cwd: service,
      encoding: 'utf8',
    })
    const faults = Array.from(
      types.stdout.matchAll(/^(\S+)\((\d+),/gm),
      ([, path, line]) => `${path}:${line}`,
    )
    expect([...new Set(faults)], types.stdout).toEqual(
      [5, 6, 7, 8, 9, 10].map((line) => `src/wrong.ts:${line}`),
    )
    edit(service, 'src/wrong.ts', () => 'export {}\n')
    runAll(service, [
      ['prettier/bin/prettier.cjs', '--check', 'src/platform/client'],
      ['oxlint/bin/oxlint', 'src/platform/client'],
      ['eslint/bin/eslint.js', 'src/platform/client', '--max-warnings', '0'],
      ['vitest/vitest.mjs', 'run', 'test/round-trip.test.ts', 'src/platform/client/typed-client.test.ts'],
    ])
  },
)

test('a file that is not an OpenAPI document is refused in one sentence, and no file changes', async () => {
  const service = newService()
  const tree = treeOf(service)
  for (const [document, sentence] of [
    ['nowhere.json', 'there is no file nowhere.json'],
    ['package.json', 'package.json is not an OpenAPI 3 document from which types can be made: '],
    ['README.md', 'README.md is not an OpenAPI 3 document from which types can be made: '],
    ['https://example.com/a\nexport const b = 1', '--openapi must not have control characters'],
    ['https://user:password@example.com/openapi.json', 'a URL without user and password'],
  ] as const) {
    const { code, err } = await add(
      service,
      'client',
      'itself',
      '--base-url',
      'http://x',
      '--openapi',
      document,
    )
    expect(err).toContain(sentence)
    expect(err).toMatch(/^[^\n]*\n$/)
    expect(err).not.toContain('password@')
    expect(code).toBe(1)
  }
  expect(treeOf(service)).toEqual(tree)
})
