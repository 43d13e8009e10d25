import { spawn } from 'node:child_process'
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { resolveConfig } from 'prettier'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { changedLines } from '../../templates/service/generators/engine/difference.ts'
import { formatNew, styleOfPieces } from '../../templates/service/generators/edit/format.ts'
import { writeChanges } from '../../templates/service/generators/engine/write.ts'
import {
  add,
  command,
  edit,
  folder,
  newService,
  repository,
  runAll,
  startAdd,
  treeOf,
} from '../support/added-service.ts'
import { childrenOf, converse, until } from '../support/processes.ts'

const domain = ['handlers', 'repository', 'routes', 'schema', 'test', 'uploads']

describe('npm run add', () => {
  test('stamps a piece, wires it in, makes its migration, and a second run changes nothing', async () => {
    const service = newService()
    const first = startAdd(service, 'upload', 'price-list', '--json')
    expect(first).toMatchObject({ code: 0, err: '' })
    const told = JSON.parse(first.out) as { written: boolean; files: { path: string; change: string }[] }
    expect(told.written).toBe(true)
    const paths = told.files.map(({ path, change }) => `${change} ${path}`)
    for (const part of domain) expect(paths).toContain(`add src/price-lists/price-lists.${part}.ts`)
    expect(paths).toContain('add drizzle/0000_price_lists.sql')
    expect(paths).toContain('edit src/routes.ts')
    expect(paths).toContain('edit src/prepare.ts')

    const tree = treeOf(service)
    expect(tree.get('src/routes.ts')).toContain('...priceListRoutes(platform)')
    expect(tree.get('src/prepare.ts')).toContain('await sweepPriceLists(ctx, platform)')
    expect(tree.get('src/price-lists/price-lists.routes.ts')).toContain("'/price-lists/:id'")
    expect(tree.get('drizzle/0000_price_lists.sql')).toContain('CREATE TABLE "price_lists"')
    for (const { path } of told.files) expect(tree.get(path), path).not.toMatch(/widget/i)

    const again = await add(service, 'upload', 'PriceLists')
    expect(again).toMatchObject({ code: 0, err: '' })
    expect(again.out).toContain('nothing to do')
    expect(treeOf(service)).toEqual(tree)
  })

  test('two pieces can be added to one service, and what they change is formatted as the service formats', async () => {
    const service = newService()
    const before = treeOf(service)
    expect(await add(service, 'route', 'exchange-rate')).toMatchObject({ code: 0, err: '' })
    expect(await add(service, 'upload', 'purchase-order-attachment')).toMatchObject({ code: 0, err: '' })
    const after = treeOf(service)
    expect(after.get('src/routes.ts')).toContain('...exchangeRateRoutes(platform)')
    expect(after.get('src/routes.ts')).toContain('...purchaseOrderAttachmentRoutes(platform)')

    const changed = [...after].filter(([path, text]) => text !== '' && text !== before.get(path))
    const paths = changed.map(([path]) => path).filter((path) => path.startsWith('src/'))
    expect(paths.length).toBeGreaterThan(10)
    runAll(service, [['prettier/bin/prettier.cjs', '--check', ...paths]])
  })

  test('a dry run shows every change, the migration too, and writes nothing', () => {
    const service = newService()
    const tree = treeOf(service)
    const dry = startAdd(service, 'upload', 'invoice', '--dry-run')
    expect(dry).toMatchObject({ code: 0, err: '' })
    expect(dry.out).toMatch(/^ {2}\+ src\/invoices\/invoices\.routes\.ts \(\d+ lines\)$/m)
    expect(dry.out).toMatch(/^ {2}\+ drizzle\/0000_invoices\.sql \(\d+ lines\)$/m)
    expect(dry.out).toMatch(/^ {6}\+ import \{ invoiceRoutes \} from '.\/invoices\/invoices.routes.ts'$/m)
    expect(treeOf(service)).toEqual(tree)
  })

  test('adding the upload piece to the skeleton gives the example of a new service', async () => {
    const service = newService()
    expect(await add(service, 'upload', 'widget')).toMatchObject({ code: 0, err: '' })
    for (const path of ['src/routes.ts', 'src/prepare.ts']) {
      const example = readFileSync(join(repository, 'templates/example', path), 'utf8')
      const made = readFileSync(join(service, path), 'utf8')
      expect(await formatNew(service, path, made), path).toBe(example)
    }
  })
})

describe('the style of prettier', () => {
  test('in which pieces are written is that of a new service', async () => {
    const path = join(repository, 'templates/service/src/routes.ts')
    expect(await resolveConfig(path, { editorconfig: true })).toEqual(styleOfPieces)
  })

  test("of a team is that of the pieces' files too, also of those without a name of the team's", async () => {
    const service = newService()
    edit(service, '.prettierrc.json', (text) => text.replace('"semi": false', '"semi": true'))
    expect(await add(service, 'auth')).toMatchObject({ code: 0, err: '' })
    expect(treeOf(service).get('src/platform/auth/auth.ts')).toMatch(/;$/m)
    runAll(service, [['prettier/bin/prettier.cjs', '--check', 'src/platform/auth']])
  })
})

test('the plan shows what a name typed in another form becomes', async () => {
  const { out } = await add(newService(), 'route', 'Exchange rate', '--dry-run')
  expect(out).toMatch(/^route exchange-rate \("Exchange rate" becomes exchange-rate\) \(dry run/)
})

test('a generated page comes last, with the number of its lines only', async () => {
  const { out } = await add(newService(), 'job', 'mail', '--dry-run')
  expect(out.trimEnd().split('\n').at(-1)).toMatch(/^ {2}~ docs\/guarantees\.md \(\+\d+ -0\)$/)
})

describe('a service with a table', () => {
  let withInvoices: string
  beforeAll(async () => {
    withInvoices = newService()
    expect(await add(withInvoices, 'upload', 'invoice')).toMatchObject({ code: 0 })
  })

  test.each([
    ['without another schema', '', /^drizzle\/ has the table invoices, which no .* restore the schema, or /],
    [
      'with a new schema, of which drizzle-kit asks whether it is the same table under another name',
      "import { pgTable, uuid } from 'drizzle-orm/pg-core'\nexport const b = pgTable('bills', { id: uuid() })\n",
      /^drizzle-kit asks whether .* has the table invoices, which no .* with npm run db:generate, then add/,
    ],
  ])(
    'that no schema declares any more is named, and no file changes: %s',
    async (_when, schema, sentence) => {
      const service = newService(withInvoices)
      rmSync(join(service, 'src/invoices'), { recursive: true })
      if (schema !== '') edit(service, 'src/bills/bills.schema.ts', () => schema)
      const tree = treeOf(service)
      const { code, err } = await add(service, 'resource', 'receipt')
      expect(err).toMatch(sentence)
      expect(err.trim()).not.toContain('\n')
      expect(code).toBe(1)
      expect(treeOf(service)).toEqual(tree)
    },
  )

  test('that another schema declares is refused', async () => {
    const service = newService(withInvoices)
    renameSync(join(service, 'src/invoices'), join(service, 'src/bills'))
    const tree = treeOf(service)
    const { code, err } = await add(service, 'upload', 'invoice')
    expect(err).toMatch(/^[^\n]*invoices[^\n]*\n$/)
    expect(code).toBe(1)
    expect(treeOf(service)).toEqual(tree)
  })
})

describe('npm run add -- publisher and consumer', () => {
  test('stamp an event with the outbox, and a handler with the inbox; a second run changes nothing', async () => {
    const service = newService()

    expect(await add(service, 'publisher', 'invoice-paid')).toMatchObject({ code: 0 })
    expect(treeOf(service).has('src/consumers.ts')).toBe(false)
    expect(await add(service, 'publisher', 'invoice-paid-v2')).toMatchObject({ code: 0 })
    expect(await add(service, 'consumer', 'order-placed')).toMatchObject({ code: 0 })

    const after = treeOf(service)
    expect(after.get('src/events.ts')).toContain('return [invoicePaidEvent(), invoicePaidV2Event()]')
    for (const [name, type] of [
      ['invoice-paid', 'invoice-paid-v1'],
      ['invoice-paid-v2', 'invoice-paid-v2'],
    ])
      expect(after.get(`src/${name}/${name}.event.ts`)).toContain(`type: '${type}',`)
    expect(after.get('src/consumers.ts')).toContain('return [orderPlacedConsumer(platform)]')
    expect(after.get('src/workers.ts')).toContain(
      'return [outboxWorker(platform), consumersWorker(platform)]',
    )
    expect(after.get('scripts/dev/beside.ts')).toContain('return [natsBeside()]')
    expect(after.get('src/platform/platform.ts')).toContain('broker: options.broker')
    expect(after.get('.env.example')).toContain('BROKER_URL')
    expect(after.get('package.json')).toContain('@nats-io/jetstream')
    for (const path of [
      'compose.override.yaml',
      'k8s/broker.yaml',
      'docs/events.md',
      'ops/prometheus/events.yaml',
    ])
      expect(after.has(path), path).toBe(true)
    expect((await add(service, 'publisher', 'invoice-paid')).out).toContain('nothing to do')
    expect((await add(service, 'consumer', 'order-placed')).out).toContain('nothing to do')
    expect(treeOf(service)).toEqual(after)
  })
})

describe('npm run add -- storage s3', () => {
  test('stamps the storage and its test server, wires it in and adds the SDK; a second run changes nothing', async () => {
    const service = newService()
    const tree = treeOf(service)
    const before = manifestOf(service)
    const dry = await add(service, 'storage', 's3', '--dry-run')
    expect(dry).toMatchObject({ code: 0, err: '' })
    expect(dry.out).toMatch(/^ {6}\+ {5}"@aws-sdk\/client-s3": "\^3\.\d+\.\d+",$/m)
    expect(treeOf(service)).toEqual(tree)

    const first = await add(service, 'storage', 's3')
    expect(first).toMatchObject({ code: 0, err: '' })
    expect(first.out).toContain('Next: npm install')
    const after = treeOf(service)
    expect([...after.keys()].filter((path) => !tree.has(path)).sort()).toEqual([
      'docs/storage.md',
      'src/platform/storage/s3-bucket.ts',
      'src/platform/storage/s3-client.ts',
      'src/platform/storage/s3-download.ts',
      'src/platform/storage/s3-failure.ts',
      'src/platform/storage/s3-sweep.ts',
      'src/platform/storage/s3-upload.ts',
      'src/platform/storage/s3.test.ts',
      'src/platform/storage/s3.ts',
      'test/support/s3.ts',
    ])
    expect(after.get('src/platform/storage/schemes.ts')).toContain('return [s3Scheme()]')
    const manifest = manifestOf(service)
    expect(Object.keys(manifest)).toEqual(Object.keys(before))
    expect(Object.keys(manifest.dependencies)).toEqual(
      [...Object.keys(before.dependencies), '@aws-sdk/client-s3'].sort(),
    )

    expect((await add(service, 'storage', 's3')).out).toContain('nothing to do')
    expect(treeOf(service)).toEqual(after)
  })

  test('keeps the version range of the team, and the formatting of package.json', async () => {
    const service = newService()
    edit(service, 'package.json', (text) =>
      text
        .replace('"dependencies": {', '"dependencies": {\n    "@aws-sdk/client-s3": "3.1.0",')
        .replaceAll('  ', '\t'),
    )
    const written = treeOf(service).get('package.json')
    expect(await add(service, 'storage', 's3')).toMatchObject({ code: 0 })
    expect(treeOf(service).get('package.json')).toBe(written)

    edit(service, 'package.json', (text) => text.replace(/^.*client-s3.*\n/m, ''))
    expect(await add(service, 'storage', 's3')).toMatchObject({ code: 0 })
    expect(treeOf(service).get('package.json')).toMatch(/^\t\t"@aws-sdk\/client-s3": "\^3/m)
  })
})

test('npm run add -- idempotency stamps the option, its table and its sweeper; a second run changes nothing', async () => {
  const service = newService()
  const first = await add(service, 'idempotency')
  expect(first).toMatchObject({ code: 0, err: '' })
  expect(first.out).toMatch(/^idempotency\n/)
  const tree = treeOf(service)
  expect(tree.get('src/workers.ts')).toContain('return [idempotencySweeper(platform)]')
  expect(tree.get('drizzle/0000_idempotency.sql')).toContain('CREATE TABLE "idempotency_keys"')
  expect((await add(service, 'idempotency')).out).toContain('nothing to do')
  expect(treeOf(service)).toEqual(tree)
})

test('npm run add -- auth puts its guard before all routes but the open ones; a second run changes nothing', async () => {
  const service = newService()
  expect(await add(service, 'auth')).toMatchObject({ code: 0, err: '' })
  const tree = treeOf(service)
  expect(tree.get('src/routes.ts')).toContain('return [authenticated(platform)]')
  expect(tree.get('package.json')).toContain('"jose": "^6')
  expect(tree.get('.env.example')).toContain('AUTH_ISSUER')
  expect((await add(service, 'auth')).out).toContain('nothing to do')
  expect(treeOf(service)).toEqual(tree)
})

test.each(['resource', 'upload'])(
  'npm run add -- %s --owned: without auth, nothing is written',
  async (piece) => {
    const service = newService()
    const tree = treeOf(service)
    expect((await add(service, piece, 'note', '--owned')).err).toContain('run npm run add -- auth first')
    expect((await add(service, piece, 'note', '--owned', 'maybe')).err).toContain(
      '--owned must be yes or no, not maybe',
    )
    expect(treeOf(service)).toEqual(tree)
  },
)

describe('npm run add -- client', () => {
  const args = ['client', 'price-list', '--base-url', 'https://prices.example.com/v1/']

  test('stamps the client, gives it to the platform, declares its variable, and depends on the breaker; a second run changes nothing', async () => {
    const service = newService()
    const tree = treeOf(service)
    const first = await add(service, ...args)
    expect(first).toMatchObject({ code: 0, err: '' })
    expect(first.out).toContain('New variables: PRICE_LIST_URL (.env.example describes them)\n')
    const after = treeOf(service)
    const added = [...after.keys()].filter((path) => path.endsWith('.ts') && !tree.has(path)).sort()
    expect(added).toEqual([
      'src/platform/client/answer.ts',
      'src/platform/client/attempt.ts',
      'src/platform/client/call-failed.ts',
      'src/platform/client/circuit.ts',
      'src/platform/client/client.ts',
      'src/platform/client/order.ts',
      'src/platform/client/price-list-client.test.ts',
      'src/platform/client/price-list-client.ts',
      'src/platform/client/retry-budget.ts',
      'src/platform/client/span.ts',
      'test/guarantees/chain.test.ts',
      'test/support/peer.ts',
      'test/support/probe.client.ts',
    ])
    for (const path of added) expect(after.get(path), path).not.toMatch(/widget/i)
    expect(
      changedLines(tree.get('src/platform/platform.ts') ?? '', after.get('src/platform/platform.ts') ?? ''),
    ).toEqual([
      "+ import { priceListClient, type PriceListClient } from './client/price-list-client.ts'",
      '+   readonly priceList: PriceListClient',
      '+   readonly priceList: { readonly baseUrl: string }',
      '+     priceList: priceListClient(log, options.priceList),',
    ])
    expect(after.get('src/config.ts')).toContain('    priceList: { baseUrl: e.PRICE_LIST_URL },')
    expect(after.get('README.md')).toMatch(
      /^\| `PRICE_LIST_URL` +\| `https:\/\/prices\.example\.com\/v1` +\| .* \| address of price-list +\|$/m,
    )
    expect(after.get('.env.example')).toContain(
      '# address of price-list\n# PRICE_LIST_URL=https://prices.example.com/v1\n',
    )
    expect(Object.keys(manifestOf(service).dependencies)).toContain('cockatiel')

    expect((await add(service, ...args)).out).toContain('nothing to do')
    expect(treeOf(service)).toEqual(after)

    const second = await add(service, 'client', 'payments', '--base-url', 'http://payments', '--json')
    expect(second).toMatchObject({ code: 0, err: '' })
    expect(second.out).not.toContain('circuit')
    const elsewhere = await add(service, 'client', 'payments', '--base-url', 'http://elsewhere')
    expect(elsewhere.err).toBe(
      'Environment in src/config.ts already has another PAYMENTS_URL: choose another name.\n',
    )
  })
})

describe('an obstacle is reported in one sentence, and no file changes', () => {
  const nothing = (): void => undefined
  const obstacles: [string, string[], (service: string) => void, string][] = [
    [
      'an unknown piece',
      ['things', 'invoice'],
      nothing,
      'choose one of route, resource, upload, job, schedule, events, client, storage, idempotency, rate-limit, publisher, consumer, auth',
    ],
    ['an unknown flag', ['upload', 'invoice', '--force'], nothing, "Unknown option '--force'"],
    ['a second name', ['upload', 'invoice', 'receipt'], nothing, 'Unexpected argument "receipt"'],
    ['no name', ['upload'], nothing, 'The name is missing: npm run add -- upload invoice'],
    [
      'a name for a piece that has none',
      ['idempotency', 'invoice'],
      nothing,
      'idempotency takes no name: write npm run add -- idempotency',
    ],
    ['an unknown storage', ['storage', 'gcs'], nothing, 'There is no storage "gcs": choose one of s3'],
    [
      'a flag of another piece',
      ['route', 'report', '--fields', 'a:text'],
      nothing,
      'route has no flag --fields',
    ],
    [
      'an unknown type of field',
      ['resource', 'invoice', '--fields', 'title:string'],
      nothing,
      '--fields, number 1, "title:string": there is no type string; use text',
    ],
    [
      'a reference to a table that does not exist',
      ['resource', 'invoice', '--fields', 'ownerId:uuid->owners'],
      nothing,
      '"ownerId" refers to a table owners that no src/*/*.schema.ts has',
    ],
    [
      'a client without a URL',
      ['client', 'payments'],
      nothing,
      '--base-url is missing: address of the other service, such as https://',
    ],
    [
      'a client with the name of another property of the platform',
      ['client', 'log', '--base-url', 'http://log'],
      nothing,
      'Platform in src/platform/platform.ts already has another log',
    ],
    [
      'a README without its table',
      ['client', 'payments', '--base-url', 'http://payments'],
      (service) => edit(service, 'README.md', (text) => text.replace('<!-- end -->', '')),
      "README.md lacks the lines '<!-- npm run config -- --write -->'",
    ],
    ['a reserved word', ['route', 'class'], nothing, 'reserved word in JavaScript'],
    ['a name that the piece uses itself', ['upload', 'row'], nothing, 'The code of this piece'],
    [
      'a domain that is there',
      ['upload', 'invoice'],
      (service) => edit(service, 'src/invoices/invoices.routes.ts', () => '// ours\n'),
      'invoices exists already (src/invoices): choose another name.',
    ],
    [
      'a file in the way that belongs to no domain',
      ['storage', 's3'],
      (service) => edit(service, 'test/support/s3.ts', () => '// ours\n'),
      'test/support/s3.ts exists and differs from what would be written: move it away',
    ],
    [
      'a folder that is a file',
      ['upload', 'invoice'],
      (service) => edit(service, 'src/invoices', () => ''),
      'a part of its path is a file',
    ],
    [
      'a function to wire into that is missing',
      ['upload', 'invoice'],
      (service) =>
        edit(service, 'src/prepare.ts', (text) => text.replace('function prepare', 'function ready')),
      'src/prepare.ts has no function prepare',
    ],
    [
      'a file to wire into that is missing',
      ['upload', 'invoice'],
      (service) => rmSync(join(service, 'src/prepare.ts')),
      'is missing: restore it',
    ],
    [
      'a file that does not parse',
      ['upload', 'invoice'],
      (service) => edit(service, 'src/routes.ts', (text) => `${text}}\n`),
      'does not parse',
    ],
    [
      'a schema that has no migration yet',
      ['upload', 'invoice'],
      (service) =>
        edit(
          service,
          'src/bills/bills.schema.ts',
          () =>
            "import { pgTable, uuid } from 'drizzle-orm/pg-core'\nexport const b = pgTable('bills', { id: uuid() })\n",
        ),
      'The schema has changes without a migration',
    ],
    [
      'a table that another schema declares',
      ['upload', 'invoice'],
      (service) =>
        edit(
          service,
          'src/bills/bills.schema.ts',
          () =>
            "import { pgTable, uuid } from 'drizzle-orm/pg-core'\nexport const b = pgTable('invoices', { id: uuid() })\n",
        ),
      'The schema already has a table invoices: choose another noun.',
    ],
    [
      'a drizzle-kit that reads other schemas',
      ['upload', 'invoice'],
      (service) => edit(service, 'drizzle.config.ts', (text) => text.replace('./src/**', './tables')),
      'drizzle-kit made no migration for invoices: drizzle.config.ts must read src/**/*.schema.ts.',
    ],
    [
      'a schema that drizzle-kit cannot read',
      ['upload', 'invoice'],
      (service) => edit(service, 'src/bills/bills.schema.ts', () => "throw new Error('no schema')\n"),
      'drizzle-kit could not make the migration',
    ],
    [
      'a journal whose times do not rise, as after the merge of two branches',
      ['upload', 'invoice'],
      (service) =>
        edit(service, 'drizzle/meta/_journal.json', (text) => {
          const entries = [7, 3].map((when, idx) => ({
            idx,
            version: '7',
            when,
            tag: `000${idx}_x`,
            breakpoints: true,
          }))
          return JSON.stringify({ ...(JSON.parse(text) as object), entries })
        }),
      '0001_x is not younger than 0000_x before it: raise its "when" above 7',
    ],
  ]

  test.each(obstacles)('%s', async (_name, args, prepare, sentence) => {
    const service = newService()
    prepare(service)
    const tree = treeOf(service)
    const { code, out, err } = await add(service, ...args)
    expect(err).toContain(sentence)
    expect(err.trim()).not.toContain('\n')
    expect(out).toBe('')
    expect(code).toBe(1)
    expect(treeOf(service)).toEqual(tree)
  })

  test('without a terminal and without arguments it lists the pieces', () => {
    const { code, err } = startAdd(newService())
    expect(code).toBe(1)
    expect(err).toMatch(/^ {2}upload /m)
    expect(err).toMatch(/^ {2}route /m)
  })
})

test('Ctrl-C while drizzle-kit runs leaves no file and no process behind', async () => {
  const service = newService()
  edit(service, 'src/slow/slow.schema.ts', () => 'for (;;);\n')
  const tree = treeOf(service)
  const child = spawn(process.execPath, [...command, 'upload', 'invoice'], {
    cwd: service,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  onTestFinished(() => void child.kill('SIGKILL'))
  const kit = await until(() => childrenOf(child.pid ?? 0).find((one) => one.command.includes('drizzle-kit')))
  child.kill('SIGINT')
  expect(await ended).toBe(130)
  expect(treeOf(service)).toEqual(tree)
  expect(existsSync(`/proc/${kit.pid}`)).toBe(false)
})

describe('with a terminal', () => {
  test('it asks what to add, and shows the plan before it writes', async () => {
    const service = newService()
    const { code, screen } = await converse(service, 'npm run add', [
      [/What to add\?/, '\r'],
      [/A name, such as/, 'exchange-rate\r'],
      [/HTTP method /, '\r'],
      [/Path, /, '\r'],
      [/Write this\?/, 'y\r'],
    ])
    expect(screen).toContain('+ src/exchange-rate/exchange-rate.routes.ts')
    expect(code).toBe(0)
    expect(treeOf(service).get('src/routes.ts')).toContain('...exchangeRateRoutes(platform)')
  })

  test('each flag of a piece is a question, asked again until the answer is valid', async () => {
    const service = newService()
    const { code, screen } = await converse(service, 'npm run add', [
      [/What to add\?/, '\x1B[B'.repeat(6) + '\r'],
      [/A name, such as/, 'payments\r'],
      [/Address of/, 'payments\r'],
      [/must be a URL such as/, '\x15http://payments:3000\r'],
      [/OpenAPI document of/, '\r'],
      [/Write this\?/, 'y\r'],
      [/Run npm install\?/, 'n\r'],
    ])
    expect(screen).toContain('+ src/platform/client/payments-client.ts')
    expect(code).toBe(0)
    expect(treeOf(service).get('.env.example')).toContain('# PAYMENTS_URL=http://payments:3000\n')
  })

  test('with a name it asks only for the flags without a default', async () => {
    const service = newService()
    const { code, screen } = await converse(service, 'npm run add -- schedule nightly', [
      [/Times in UTC/, '0 3 * * *\r'],
      [/Run npm install\?/, 'n\r'],
    ])
    expect(screen).not.toMatch(/A name|Write this/)
    expect(code).toBe(0)
    expect(treeOf(service).get('src/nightly/nightly.schedule.ts')).toContain("'0 3 * * *'")
  })

  test('a path in place of a route’s name is refused, and the name is asked for again', async () => {
    const service = newService()
    const { code } = await converse(service, 'npm run add -- route', [
      [/A name, such as/, 'admin/users\r'],
      [/is a path: give the route a name, such as admin-users/, '\x15admin-users\r'],
      [/HTTP method /, '\r'],
      [/Path, /, '/admin/users\r'],
      [/Write this\?/, 'y\r'],
    ])
    expect(code).toBe(0)
    expect(treeOf(service).get('src/admin-users/admin-users.routes.ts')).toContain("path: '/admin/users'")
  })

  test.each([
    ['at the first question', [[/What to add\?/, '\x03']]],
    [
      'at the last one',
      [
        [/What to add\?/, '\r'],
        [/A name, such as/, 'exchange-rate\r'],
        [/HTTP method /, '\r'],
        [/Path, /, '\r'],
        [/Write this\?/, '\x03'],
      ],
    ],
  ] satisfies [string, [RegExp, string][]][])('Ctrl-C %s leaves nothing', async (_when, answers) => {
    const service = newService()
    const tree = treeOf(service)
    const { code, screen } = await converse(service, 'npm run add', answers)
    expect(screen).toContain('nothing was added')
    expect(code).toBe(130)
    expect(treeOf(service)).toEqual(tree)
  })
})

test('a failed write is undone', () => {
  const place = mkdtempSync(join(folder, 'write-'))
  writeFileSync(join(place, 'kept.ts'), 'before')
  const changes = [
    { path: 'kept.ts', before: 'before', after: 'after' },
    { path: 'new/one.ts', before: undefined, after: '1' },
    // Its path is a folder, so the rename fails.
    { path: 'new/two', before: undefined, after: '2' },
    { path: 'new/two/three.ts', before: undefined, after: '3' },
  ]
  expect(() => writeChanges(place, changes)).toThrow('Nothing was changed')
  expect(readFileSync(join(place, 'kept.ts'), 'utf8')).toBe('before')
  expect(readdirSync(place)).toEqual(['kept.ts'])
})

interface Manifest {
  dependencies: Record<string, string>
}

function manifestOf(service: string): Manifest {
  return JSON.parse(readFileSync(join(service, 'package.json'), 'utf8')) as Manifest
}
