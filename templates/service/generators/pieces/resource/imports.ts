import type { SourceFile } from 'ts-morph'
import { replace, type Edit } from '../../edit/edit.ts'
import type { Field } from './fields.ts'
import type { Parent } from './parents.ts'

/** Replaces the imports that the field `title` needs by those that the fields need, in the file of this kind. */
export function importEdits(
  source: SourceFile,
  kind: string,
  fields: readonly Field[],
  table: string,
  parents: ReadonlyMap<string, Parent>,
): Edit[] {
  if (kind === 'api') return apiImports(source, fields)
  return kind === 'schema' ? schemaImports(source, fields, table, parents) : []
}

function apiImports(source: SourceFile, fields: readonly Field[]): Edit[] {
  const declarations = source.getImportDeclarations()
  const edits: Edit[] = []
  const values = declarations.find((one) => one.getModuleSpecifierValue().endsWith('/values.ts'))
  if (values !== undefined) {
    const used = fields.flatMap(({ type }) => [type.input, type.parameter ?? ''])
    // A call that is not a method calls a function of that file.
    const called = used.flatMap((code) => code.match(/(?<![\w.])\w+(?=\()/g) ?? [])
    // The limit of a list is an integer for every resource.
    const names = sortedNames(['integerParameter', ...called])
    edits.push(replace(values, `import { ${names.join(', ')} } from '../platform/http/values.ts'`))
  }
  const schema = declarations.find((one) => one.getModuleSpecifierValue().endsWith('.schema.ts'))
  const enums = enumsOf(fields)
  if (schema !== undefined && enums.length > 0) {
    const names = [...enums, ...schema.getNamedImports().map((one) => `type ${one.getName()}`)]
    edits.push(replace(schema, `import { ${names.join(', ')} } from '${schema.getModuleSpecifierValue()}'`))
  }
  return edits
}

function schemaImports(
  source: SourceFile,
  fields: readonly Field[],
  table: string,
  parents: ReadonlyMap<string, Parent>,
): Edit[] {
  const core = source.getImportDeclaration('drizzle-orm/pg-core')
  if (core === undefined) return []
  const enums = enumsOf(fields)
  const calls = fields.map(({ type }) => type.column.call)
  const names = sortedNames([
    ...['integer', 'pgTable', 'timestamp', 'uuid'],
    ...calls.filter((call) => call !== 'json' && !enums.includes(call)),
    ...(fields.some(({ indexed }) => indexed) ? ['index'] : []),
    ...(enums.length > 0 ? ['pgEnum'] : []),
  ])
  const own = fields.some(({ references }) => references === table)
  const modules = new Map(Array.from(parents).filter(([name]) => name !== table))
  const withSql = fields.some((field) => field.default?.column.includes('sql`') === true)
  const lines = [
    ...(withSql ? ["import { sql } from 'drizzle-orm'"] : []),
    `import { ${[...names, ...(own ? ['type AnyPgColumn'] : [])].join(', ')} } from 'drizzle-orm/pg-core'`,
    ...Array.from(
      modules.values(),
      ({ constant, module }) => `import { ${constant} } from '${module}'`,
    ).sort(),
    ...(calls.includes('json') ? ["import { json } from '../platform/database/json.ts'"] : []),
  ]
  return [replace(core, lines.join('\n'))]
}

/** The constants that hold the enums. */
function enumsOf(fields: readonly Field[]): string[] {
  return fields.flatMap(({ type }) => (type.values === undefined ? [] : [type.column.call])).sort()
}

function sortedNames(names: readonly string[]): string[] {
  return [...new Set(names)].sort()
}
