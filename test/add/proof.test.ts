/**
 * The service with every piece: its types, and the tests of the domains that were stamped. test/slow/pieces.test.ts runs the
 * guarantees that came with them, and all else that is known of it.
 */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { expect, test } from 'vitest'
import { add, edit, newService, repository, runAll, treeOf } from '../support/added-service.ts'
import { addEveryPiece } from '../support/every-piece.ts'

/** The compiler that `npm run check` uses, a path below node_modules. */
const typescript7 = relative(
  join(repository, 'node_modules'),
  join(
    dirname(createRequire(join(repository, 'test/types/check.ts')).resolve('typescript/package.json')),
    'bin/tsc',
  ),
)

/** The domains whose tests run. Those of two resources start one service; the others take too long for `npm test`. */
const tested = process.env['LONG_TESTS'] === '1' ? /^src\// : /^src\/(?:bills|invoices)\//

let service: string

test('docs/generators.md: following its steps changes a piece and adds a new one', async () => {
  service = newService()
  const page = readFileSync(join(service, 'docs/generators.md'), 'utf8')
  const commands: string[][] = []
  for (const [, kind, path = '', text = ''] of page.matchAll(/^```(\w+) ?(\S*)\n([\s\S]*?)^```$/gm)) {
    if (kind === 'ts') edit(service, path, () => text)
    if (kind === 'diff') change(service, path, text)
    if (kind === 'sh') commands.push(...commandsOf(text))
  }
  expect((await add(service, '--help')).out).toMatch(/^ {2}dump +all rows of a resource as lines of JSON$/m)

  expect(commands.map(([piece]) => piece)).toEqual(['resource', 'dump'])
  for (const args of commands) expect(await add(service, ...args)).toMatchObject({ code: 0, err: '' })
  expect(await add(service, 'route', 'report')).toMatchObject({ code: 0 })

  expect(readFileSync(join(service, 'src/routes.ts'), 'utf8')).toContain('...invoiceDumpRoutes(platform)')
  const handlers = readFileSync(join(service, 'src/report/report.handlers.ts'), 'utf8')
  expect(handlers).toContain("'cache-control': 'no-store'")
})

test('stamped code compiles, and the stamped domains pass their tests', { timeout: 600_000 }, async () => {
  await addEveryPiece(service)
  const tests = [...treeOf(service).keys()].filter(
    (path) =>
      tested.test(path) &&
      path.endsWith('.test.ts') &&
      !existsSync(join(repository, 'templates/service', path)),
  )
  expect(tests.length).toBeGreaterThan(2)
  runAll(service, [
    [typescript7, '--noEmit'],
    ['vitest/vitest.mjs', 'run', 'test/guarantees/shape.test.ts', ...tests],
  ])
})

/** Applies a diff. The removed lines must occur exactly once. */
function change(service: string, path: string, diff: string): void {
  const lines = (sign: string): string =>
    diff
      .split('\n')
      .flatMap((line) => (line.startsWith(sign) ? [line.slice(1)] : []))
      .join('\n')
  const text = readFileSync(join(service, path), 'utf8')
  expect(text.split(`${lines('-')}\n`), `${path} has once:\n${lines('-')}`).toHaveLength(2)
  edit(service, path, (text) => text.replace(lines('-'), () => lines('+')))
}

/** The arguments behind `npm run add --`, as a shell splits them. */
function commandsOf(text: string): string[][] {
  return [...text.matchAll(/^npm run add -- (.*)$/gm)].map(([, line = '']) =>
    [...line.matchAll(/"([^"]*)"|\S+/g)].map(([word, quoted]) => quoted ?? word),
  )
}
