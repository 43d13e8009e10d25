import { spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { add, edit, newService, repository, treeOf, type Result } from '../support/added-service.ts'
import { childrenOf, converse, until } from '../support/processes.ts'

/** plop's own command, as `npx plop` runs it. */
const plopCommand = join(repository, 'node_modules/plop/bin/plop.js')

function startPlop(service: string, ...args: string[]): Result {
  const { status, stdout, stderr } = spawnSync(process.execPath, [plopCommand, ...args], {
    cwd: service,
    encoding: 'utf8',
  })
  return { code: status, out: stdout, err: stderr }
}

/** Runs `npx plop` with these answers in this process. A service's plopfile is loaded once. */
async function plop(service: string, piece: string, ...answers: string[]): Promise<Result> {
  const { default: nodePlop } = await import('node-plop')
  const generator = (await nodePlop(join(service, 'plopfile.js'))).getGenerator(piece)
  const given = (await generator.runPrompts(answers)) as Record<string, unknown>
  const { changes, failures } = await generator.runActions(given)
  const code = failures.length === 0 ? 0 : 1
  return { code, out: changes.map(({ path }) => path).join(), err: failures.map(({ error }) => error).join() }
}

describe('npx plop writes the same files as npm run add', () => {
  const pieces: [string, string[], string[]][] = [
    ['route', ['report', '--method', 'POST', '--path', '/reports/:id'], ['report', 'POST', '/reports/:id']],
    [
      'resource',
      ['bill', '--fields', 'title:text, paid:boolean'],
      ['bill', 'bills', 'title:text, paid:boolean', 'no'],
    ],
    ['upload', ['price-list'], ['price-list', 'price-lists', 'no']],
    ['job', ['send-invoice'], ['send-invoice']],
    ['schedule', ['nightly', '--cron', '5 3 * * 1'], ['nightly', '5 3 * * 1']],
    [
      'client',
      ['payments', '--base-url', 'https://payments.example.com'],
      ['payments', 'https://payments.example.com', 'none'],
    ],
    ['storage', ['s3'], ['s3']],
    ['idempotency', [], []],
    ['auth', [], []],
    ['rate-limit', ['--requests', '7'], ['7', '60', 'database']],
    ['events', ['order-status'], ['order-status']],
    ['publisher', ['invoice-paid'], ['invoice-paid']],
    ['consumer', ['order-placed'], ['order-placed']],
  ]

  let [one, other] = ['', '']
  beforeAll(() => {
    ;[one, other] = [newService(), newService()]
  })

  test.each(pieces)('%s', async (piece, flags, answers) => {
    expect(await add(one, piece, ...flags)).toMatchObject({ code: 0, err: '' })
    expect(await plop(other, piece, ...answers)).toMatchObject({ code: 0, err: '' })
    expect(plain(treeOf(other))).toEqual(plain(treeOf(one)))
  })

  test('existing files are not written again', () => {
    const tree = treeOf(other)
    const { code, out, err } = startPlop(other, 'storage', 's3')
    expect(out + err).toContain('nothing to do')
    expect(code).toBe(0)
    expect(treeOf(other)).toEqual(tree)
  })

  test('every piece has a test here', async () => {
    const offered = Array.from(
      (await add(newService(), '--help')).out.matchAll(/^ {2}([a-z][\w-]*) /gm),
      ([, name]) => name,
    )
    expect(pieces.map(([name]) => name).sort()).toEqual(offered.sort())
  })
})

test('npx plop takes the answers by name, as plop does', () => {
  const service = newService()
  expect(
    startPlop(service, 'route', '--', '--name', 'report', '--method', 'GET', '--path', '/r'),
  ).toMatchObject({
    code: 0,
  })
  expect(treeOf(service).get('src/report/report.routes.ts')).toContain("path: '/r'")
})

describe('npx plop fails with the message of npm run add, and no file changes', () => {
  let service: string
  beforeAll(() => {
    service = newService()
    edit(service, 'src/report/report.routes.ts', () => '// ours\n')
    edit(service, 'src/prepare.ts', (text) => text.replace('function prepare', 'function ready'))
  })

  test.each([
    ['an invalid answer', ['route', 'report', 'FETCH', '/r'], '--method must be one of GET, POST'],
    ['an invalid name', ['job', 'class'], '"class" is a reserved word in JavaScript'],
    ['a domain that is there', ['route', 'report', 'GET', '/report'], 'report exists already (src/report)'],
    [
      'a plan that fails half-way',
      ['upload', 'invoice', 'invoices', 'no'],
      'src/prepare.ts has no function prepare',
    ],
  ])('%s', (_name, args, message) => {
    const tree = treeOf(service)
    const { code, out, err } = startPlop(service, ...args)
    expect(out + err).toContain(message)
    expect(code).toBe(1)
    expect(treeOf(service)).toEqual(tree)
  })
})

test('npx plop on a terminal lists the pieces and asks', async () => {
  const service = newService()
  const answers: [RegExp, string][] = [
    [/Please choose a generator/, '\r'],
    [/A name, such as/, 'exchange-rate\r'],
    [/HTTP method /, '\r'],
    [/Path, /, '\r'],
  ]
  const { code, screen } = await converse(service, `${process.execPath} ${plopCommand}`, answers)
  expect(stripVTControlCharacters(screen)).toContain('resource - rows that clients create, list, read')
  expect(screen).toContain('+ src/exchange-rate/exchange-rate.routes.ts')
  expect(code).toBe(0)
  expect(treeOf(service).get('src/routes.ts')).toContain('...exchangeRateRoutes(platform)')
})

test('Ctrl-C under npx plop while drizzle-kit runs leaves no file behind', async () => {
  const service = newService()
  edit(service, 'src/slow/slow.schema.ts', () => 'for (;;);\n')
  const tree = treeOf(service)
  const child = spawn(process.execPath, [plopCommand, 'upload', 'invoice', 'invoices', 'no'], {
    cwd: service,
    stdio: 'ignore',
  })
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  onTestFinished(() => void child.kill('SIGKILL'))
  await until(() => childrenOf(child.pid ?? 0).find((one) => one.command.includes('drizzle-kit')))
  child.kill('SIGINT')
  expect(await ended).toBe(1)
  expect(treeOf(service)).toEqual(tree)
})

/** The tree without the parts that differ between runs of drizzle-kit: the ids of its snapshots, and its times. */
function plain(tree: Map<string, string>): Map<string, string> {
  return new Map(
    Array.from(tree, ([path, text]) => [
      path,
      path.startsWith('drizzle/meta/')
        ? text.replace(/"(?:id|prevId)": "[^"]*"/g, '').replace(/"when": \d+/g, '')
        : text,
    ]),
  )
}
