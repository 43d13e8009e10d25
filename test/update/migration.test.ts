/** How the imports of renamed files are rewritten. */
import { expect, test } from 'vitest'
import { withImportsOf } from '../../generator/update/migration.ts'

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
