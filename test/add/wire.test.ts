import { describe, expect, test } from 'vitest'
import type { Wiring } from '../../templates/service/generators/engine/piece.ts'
import { wiredText } from '../../templates/service/generators/edit/wire.ts'

const element: Wiring = {
  file: 'src/routes.ts',
  within: 'routes',
  as: 'element',
  call: 'invoiceRoutes',
  from: './invoices/invoices.routes.ts',
  takes: ['Platform'],
}

const statement: Wiring = {
  file: 'src/prepare.ts',
  within: 'prepare',
  as: 'statement',
  call: 'sweepInvoices',
  from: './invoices/invoices.uploads.ts',
  takes: ['Context', 'Platform'],
}

const guard: Wiring = {
  file: 'src/routes.ts',
  within: 'guards',
  as: 'first item',
  call: 'authenticated',
  from: './auth.ts',
  takes: ['Platform'],
}

/** Each text is a team's file; `«…»` marks what wiring adds, and nothing else may change. */
const places: [string, Wiring, string][] = [
  [
    'one line',
    element,
    `import { a } from './a.ts'«
import { invoiceRoutes } from './invoices/invoices.routes.ts'»

export function routes(platform: Platform): Route[] {
  return [...a(platform)«, ...invoiceRoutes(platform)»]
}
`,
  ],
  [
    'the first of one line',
    guard,
    `import { a } from './a.ts'«
import { authenticated } from './auth.ts'»

export function guards(platform: Platform) { return [«authenticated(platform), »a(platform)] }`,
  ],
  [
    'the first of many lines, with a comment',
    guard,
    `import { a } from './a.ts'«
import { authenticated } from './auth.ts'»

export const guards = (platform: Platform) => [
  «authenticated(platform),
  »// how often
  a(platform),
]
`,
  ],
  [
    'an empty array, a parameter of another name, no imports',
    element,
    `«import { invoiceRoutes } from './invoices/invoices.routes.ts'

»/** Ours. */
export function routes(p: Platform): Route[] { return [«...invoiceRoutes(p)»] }`,
  ],
  [
    'reordered, with comments, semicolons, double quotes and tabs',
    element,
    `import { b } from "./b.ts"; // b first«
import { invoiceRoutes } from "./invoices/invoices.routes.ts";»

export function routes(platform: Platform): Route[] {
\treturn [
\t\t// the public ones
\t\t...b(platform), // last, but kept«
\t\t...invoiceRoutes(platform),»
\t\t// add yours above
\t];
}
`,
  ],
  [
    'no trailing comma',
    element,
    `import { a } from './a.ts'«
import { invoiceRoutes } from './invoices/invoices.routes.ts'»
export const routes = (platform: Platform): Route[] => ([
  ...a(platform)«,
  ...invoiceRoutes(platform),»
])
`,
  ],
  [
    'a variable that is returned',
    element,
    `import { a } from './a.ts'«
import { invoiceRoutes } from './invoices/invoices.routes.ts'»
export function routes(platform: Platform): Route[] {
  const all = [
    ...a(platform),«
    ...invoiceRoutes(platform),»
  ] satisfies Route[]
  return all
}
`,
  ],
  [
    'imported under another name, but not called',
    element,
    `import { invoiceRoutes as bills } from './invoices/invoices.routes.ts'
export function routes(platform: Platform): Route[] {
  return [«...bills(platform)»]
}
`,
  ],
  [
    'a body that holds a comment',
    statement,
    `import type { Context } from './context/context.ts'«
import { sweepInvoices } from './invoices/invoices.uploads.ts'»

export async function prepare(ctx: Context, platform: Platform): Promise<void> {
  // Swept in this order.«
  await sweepInvoices(ctx, platform)»
}
`,
  ],
  [
    'statements, and a return that stays last',
    statement,
    `import { x } from './x.ts';«
import { sweepInvoices } from './invoices/invoices.uploads.ts';»
export async function prepare(platform: Platform, ctx: Context): Promise<void> {
    await x(ctx);
    «await sweepInvoices(ctx, platform);
    »return;
}
`,
  ],
]

describe('wiring finds its place', () => {
  test.each(places)('%s', (_name, wiring, marked) => {
    const before = marked.replaceAll(/«[^»]*»/g, '')
    const after = marked.replaceAll(/[«»]/g, '')
    expect(wiredText(before, wiring)).toBe(after)
    expect(wiredText(after, wiring)).toBe(after)
  })

  test('with the line ends and the byte order mark of the file', () => {
    const before =
      "\uFEFFimport { a } from './a.ts'\r\nexport function routes(platform: Platform) {\r\n  return [\r\n    ...a(platform),\r\n  ]\r\n}\r\n"
    const after = wiredText(before, element)
    expect(after).toContain('    ...a(platform),\r\n    ...invoiceRoutes(platform),\r\n  ]')
    expect(after.startsWith('\uFEFFimport')).toBe(true)
    expect(after.replaceAll('\r\n', '')).not.toContain('\n')
  })

  test('a parameter that was unused loses its underscore', () => {
    const after = wiredText(
      `import { x } from './x.ts'\nexport async function prepare(_ctx: Context, _platform: Platform): Promise<void> {}\n`,
      statement,
    )
    expect(after).toContain(
      'prepare(ctx: Context, platform: Platform): Promise<void> {\n  await sweepInvoices(ctx, platform)\n}',
    )
  })
})

test.each([
  ['no function', 'export const other = 1', 'no function routes'],
  [
    'no array',
    'export function routes(platform: Platform) { return all(platform) }',
    'does not return an array literal',
  ],
  ['no parameter', 'export function routes(): Route[] { return [] }', 'no parameter of type Platform'],
  ['no syntax', 'export function routes( { return [', 'src/routes.ts:1 does not parse'],
  [
    'another import',
    "import { invoiceRoutes } from './bills.ts'\nexport function routes(platform: Platform) { return [] }",
    'from ./bills.ts',
  ],
  [
    'its own name',
    'function invoiceRoutes() {}\nexport function routes(platform: Platform) { return [] }',
    'choose another name',
  ],
])('wiring fails with one sentence: %s', (_name, text, why) => {
  expect(() => wiredText(text, element)).toThrow(why)
  expect(() => wiredText(text, element)).toThrow(/^[^\n]*$/)
})
