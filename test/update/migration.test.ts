/** How the imports of renamed files are rewritten, and that no module of the last release vanishes without a word. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { mergedOf, migrationsBetween, renamesOf, withImportsOf } from '../../generator/update/migration.ts'
import { proofs } from '../../generator/templates.ts'
import { repository } from '../support/create.ts'

const renames = new Map([
  ['src/platform/http.ts', 'src/platform/http/boundary.ts'],
  ['src/platform/log.ts', 'src/platform/telemetry/log.ts'],
  ['generators/route/src/widget/widget.routes.ts', 'generators/pieces/route/src/widget/widget.routes.ts'],
])

function rewritten(text: string, from: string, to = from): string {
  return withImportsOf(renames, text, from, to)
}

test.each([
  ['a file of the team', "import { a } from '../platform/http.ts'", 'src/totals/totals.ts'],
  ['another quote', 'import { a } from "../platform/http.ts"', 'src/totals/totals.ts'],
  ['a type in a call', "await import('../platform/http.ts')", 'src/totals/totals.ts'],
])('%s: once, and the second time nothing', (_, text, from) => {
  const once = rewritten(text, from)
  expect(once).toBe(text.replace('platform/http.ts', 'platform/http/boundary.ts'))
  expect(rewritten(once, from)).toBe(once)
})

test('a moved file imports files that have not moved, and files that moved with it', () => {
  const text = "import { c } from '../context/context.ts'\nimport { log } from './log.ts'\n"
  expect(rewritten(text, 'src/platform/http.ts', 'src/platform/http/boundary.ts')).toBe(
    "import { c } from '../../context/context.ts'\nimport { log } from '../telemetry/log.ts'\n",
  )
})

test('a file of a piece imports as if it were in the service, wherever the piece has moved', () => {
  const [from, to] = [...renames].at(-1) ?? ['', '']
  const text = "import { c } from '../context/context.ts'\nimport { log } from '../platform/log.ts'\n"
  expect(rewritten(text, from, to)).toBe(
    "import { c } from '../context/context.ts'\nimport { log } from '../platform/telemetry/log.ts'\n",
  )
})

/** Every file of the templates by its path in a service, also of the pieces. */
function emittedPaths(): Set<string> {
  const service = join(repository, 'templates/service')
  const paths = ['src', 'test', 'scripts', 'generators/pieces'].flatMap((folder) =>
    readdirSync(join(service, folder), { recursive: true, encoding: 'utf8' }).map(
      (path) => `${folder}/${path}`,
    ),
  )
  const emitted = paths.filter((path) => !`service/${path}`.startsWith(proofs))
  return new Set(
    emitted.map((path) => path.replace(/^generators\/pieces\/.+?\/(?=src\/|test\/|scripts\/)/, '')),
  )
}

test('a module of 0.1.0 that is gone is renamed, merged into another, or named by the words of the update', () => {
  const migrations = migrationsBetween('0.1.0', '99.0.0')
  const renames = renamesOf(migrations)
  const merged = mergedOf(migrations)
  const words = migrations.flatMap((migration) => migration.words).join('\n')
  const now = emittedPaths()
  const released = readFileSync(join(import.meta.dirname, 'modules-0.1.0.txt'), 'utf8')
    .trim()
    .split('\n')
  const lost = released.filter((path) => {
    const to = renames.get(path) ?? merged.get(path) ?? path
    return !now.has(to) && !words.includes(path)
  })
  expect(lost).toEqual([])
  expect([...merged.values()].filter((path) => !now.has(path))).toEqual([])
})

test('an import of a merged module names the module that has its exports now', () => {
  const merged = mergedOf(migrationsBetween('0.1.0', '0.2.0'))
  const text = "import { notModified } from '../platform/http/conditional.ts'"
  const path = 'src/totals/totals.ts'
  expect(withImportsOf(merged, text, path, path)).toBe(text.replace('conditional', 'etag'))
})
