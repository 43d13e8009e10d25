/**
 * The service with every piece: its types, and the tests of the domains that were stamped. test/slow/pieces.test.ts runs their
 * guarantees and all other checks.
 */
import { cpSync, existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { expect, test } from 'vitest'
import { add, edit, newService, repository, runAll, sample, treeOf } from '../support/added-service.ts'
import { addEveryPiece } from '../support/every-piece.ts'

/** The compiler that `npm run check` uses, a path below node_modules. */
const typescript7 = relative(
  join(repository, 'node_modules'),
  join(
    dirname(createRequire(join(repository, 'test/types/check.ts')).resolve('typescript/package.json')),
    'bin/tsc',
  ),
)

const isLong = process.env['LONG_TESTS'] === '1'

/** The domains whose tests run. Those of two resources start one service; the others take too long for `npm test`. */
const tested = isLong ? /^src\// : /^src\/(?:bills|invoices)\//

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

test('stamped and by-hand code compiles, and the stamped domains pass', { timeout: 600_000 }, async () => {
  await addEveryPiece(service)
  // The tests of documents need the route and the table, the compiler the files alone.
  if (isLong) expect(await add(service, 'upload', 'document')).toMatchObject({ code: 0, err: '' })
  else cpSync(join(sample, 'src/documents'), join(service, 'src/documents'), { recursive: true })
  expect(followReadme(service)).toEqual(['A route', 'A field', 'A job', 'A worker'])
  if (isLong) runAll(service, [['drizzle-kit/bin.cjs', 'generate']])
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

/** Follows the README's steps for code by hand, and returns the names of the added code. */
function followReadme(service: string): string[] {
  const page = readFileSync(join(service, 'README.md'), 'utf8')
  const sections = page.matchAll(/^### (.*) by hand\n([\s\S]*?)(?=^##)/gm)
  return Array.from(sections, ([, what = '', section = '']) => {
    let written = ''
    for (const [, kind, path = '', text = ''] of section.matchAll(/^```(\w+) (\S+)\n([\s\S]*?)^```$/gm)) {
      if (kind === 'diff') change(service, path, text)
      else edit(service, path, (before) => `${before}\n${text}`)
      written = path
    }
    const asked = /import `(\w+)` in `(\S+)`\sand\sadd\s`(.*?)`\sto\sits\sarray/.exec(section)
    expect(asked === null, what).toBe(what === 'A field')
    if (asked !== null) {
      const [, name, path = '', call] = asked
      edit(service, path, (text) => {
        const at = text.lastIndexOf('return [') + 'return ['.length
        return `import { ${name} } from './${relative('src', written)}'\n${text.slice(0, at)}${call}, ${text.slice(at)}`
      })
    }
    return what
  })
}

/** Applies a diff. The lines that each of its hunks replaces must occur exactly once. */
function change(service: string, path: string, diff: string): void {
  for (const hunk of diff.split('@@\n')) {
    const without = (sign: string): string =>
      hunk.replaceAll(new RegExp(`^\\${sign}.*\\n`, 'gm'), '').replaceAll(/^./gm, '')
    const [before, after] = [without('+'), without('-')]
    const text = readFileSync(join(service, path), 'utf8')
    expect(text.split(before), `${path} has once:\n${before}`).toHaveLength(2)
    edit(service, path, (text) => text.replace(before, () => after))
  }
}

/** The arguments behind `npm run add --`, as a shell splits them. */
function commandsOf(text: string): string[][] {
  return [...text.matchAll(/^npm run add -- (.*)$/gm)].map(([, line = '']) =>
    [...line.matchAll(/"([^"]*)"|\S+/g)].map(([word, quoted]) => quoted ?? word),
  )
}
