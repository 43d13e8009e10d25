import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Node, SyntaxKind, type PropertyAssignment, type SourceFile } from 'ts-morph'
import { edited, replace, type Edit } from '../../edit/edit.ts'
import { stampNames, type Noun } from '../../engine/names.ts'
import type { Shape } from '../../engine/piece.ts'
import { parse } from '../../edit/source.ts'
import { fieldsFrom, type Field } from './fields.ts'

/** A table that a field refers to, as its schema declares it. */
interface Parent {
  /** The constant that holds it: `owners`. */
  readonly constant: string
  /** Relative to `src/<nouns>/`: `../owners/owners.schema.ts`. */
  readonly module: string
}

/**
 * Returns the function that gives a stamped file these fields: the code of the piece has the one field `title`, and each object
 * with it gets all fields in its place. `root` is the root of the service, whose schemas have the tables that fields refer to.
 * Throws an Error of one sentence if such a table is missing, or its `id` is of another type.
 */
export async function shapeFor(root: string, noun: Noun, list: string): Promise<Shape> {
  const fields = fieldsFrom(list)
  const table = noun.plural.replaceAll('-', '_')
  for (const field of fields) refuseLongNames(table, field)
  const parents = await parentsOf(root, table, fields)
  return (path, text) => {
    if (!/\.(?:api|schema|test)\.ts$/.test(path)) return text
    const source = parse(path, text)
    return edited(text, [
      ...placesOf(source).map((place) => put(place, linesAt(place, fields, noun, table, parents))),
      ...importEdits(source, path, fields, table, parents),
      ...(path.endsWith('.schema.ts') ? indexEdits(source, fields, table) : []),
    ])
  }
}

/** Replaces the property by the lines. Without lines, its comma goes too. */
function put(place: PropertyAssignment, lines: string): Edit {
  const comma = place.getNextSiblingIfKind(SyntaxKind.CommaToken)
  if (lines !== '' || comma === undefined) return replace(place, lines)
  return { at: place.getStart(), end: comma.getEnd(), text: '' }
}

/** Every property `title`, the one field of the piece's own code. */
function placesOf(source: SourceFile): PropertyAssignment[] {
  return source
    .getDescendantsOfKind(SyntaxKind.PropertyAssignment)
    .filter((property) => property.getName() === 'title')
}

/** The code of all fields at this place, which the enclosing declaration decides. */
function linesAt(
  place: PropertyAssignment,
  fields: readonly Field[],
  noun: Noun,
  table: string,
  parents: ReadonlyMap<string, Parent>,
): string {
  const owner = ownerOf(place)
  const renderings: Record<string, (field: Field) => string | undefined> = {
    widgets: (field) => columnOf(field, table, parents),
    WidgetFields: ({ type, nullable }) => type.input + (nullable ? '.nullable().default(null)' : ''),
    Widget: ({ type, nullable }) => type.shown + (nullable ? '.nullable()' : ''),
    WidgetFilter: ({ type }) => type.parameter && `${type.parameter}.optional()`,
    toWidget: ({ name, type, nullable }) => {
      if (type.show === undefined) return `row.${name}`
      return nullable ? `${type.show(`row.${name}?`)} ?? null` : type.show(`row.${name}`)
    },
    // The test itself makes the rows that references need.
    one: ({ type, references }) => (references === undefined ? type.examples[0] : undefined),
    other: ({ type, references }) => (references === undefined ? type.examples[1] : undefined),
  }
  const render = Object.entries(renderings).find(([name]) => stampNames(name, noun) === owner)?.[1]
  if (render === undefined) throw new Error(`the piece has a field in ${owner}, which shape.ts does not know`)
  return fields
    .flatMap((field) => {
      const code = render(field)
      return code === undefined ? [] : [`${field.name}: ${code}`]
    })
    .join(', ')
}

/** The name of the enclosing constant or function; in `[one, other] = [{…}, {…}]`, the name at the same position. */
function ownerOf(place: PropertyAssignment): string {
  const variable = place.getFirstAncestorByKind(SyntaxKind.VariableDeclaration)
  if (variable === undefined) {
    return place.getFirstAncestorByKind(SyntaxKind.FunctionDeclaration)?.getName() ?? ''
  }
  const pattern = variable.getNameNode().asKind(SyntaxKind.ArrayBindingPattern)
  if (pattern === undefined) return variable.getName()
  const object = place.getParentIfKind(SyntaxKind.ObjectLiteralExpression)
  const index = object?.getParentIfKind(SyntaxKind.ArrayLiteralExpression)?.getElements().indexOf(object)
  return pattern.getElements()[index ?? 0]?.getText() ?? ''
}

function columnOf(
  { column, type, nullable, references }: Field,
  table: string,
  parents: ReadonlyMap<string, Parent>,
): string {
  const { call, options, then = '' } = type.column
  const made = `${call}('${column}'${options === undefined ? '' : `, ${options}`})${then}`
  const parent = references === undefined ? undefined : parents.get(references)
  // TypeScript cannot infer the type of a table that refers to itself.
  const returned = references === table ? ': AnyPgColumn' : ''
  const reference = parent === undefined ? '' : `.references(()${returned} => ${parent.constant}.id)`
  return `${made}${nullable ? '' : '.notNull()'}${reference}`
}

/** An index for each reference: lists filtered by it read a range of the index, and deleting a parent looks up its children. */
function indexEdits(source: SourceFile, fields: readonly Field[], table: string): Edit[] {
  const indexes = fields
    .filter(({ references }) => references !== undefined)
    .map(({ name, column }) => `index('${indexName(table, column)}').on(table.${name}, table.id)`)
  const columns = source
    .getDescendantsOfKind(SyntaxKind.CallExpression)
    .find((call) => call.getExpression().getText() === 'pgTable')
    ?.getArguments()[1]
  if (indexes.length === 0 || columns === undefined) return []
  return [{ at: columns.getEnd(), text: `, (table) => [${indexes.join(', ')}]` }]
}

function indexName(table: string, column: string): string {
  return `${table}_${column}_id_idx`
}

/** Postgres cuts names at 63 bytes, so two long names could become one. */
function refuseLongNames(table: string, { name, column, references }: Field): void {
  if (references === undefined || indexName(table, column).length <= 63) return
  throw new Error(
    `--fields: the name of the index of "${name}" (${indexName(table, column)}) is longer than Postgres's 63 bytes: choose a shorter name.`,
  )
}

/** Replaces the imports that the field `title` needs by those that the fields need. */
function importEdits(
  source: SourceFile,
  path: string,
  fields: readonly Field[],
  table: string,
  parents: ReadonlyMap<string, Parent>,
): Edit[] {
  const values = source.getImportDeclaration('../platform/http/values.ts')
  if (values !== undefined) {
    const used = fields.flatMap(({ type }) => [type.input, type.parameter ?? ''])
    // A schema that does not begin with z. is a function of that file.
    const called = used.flatMap((code) => /^\w+(?=\()/.exec(code) ?? [])
    // The limit of a list is an integer for every resource.
    const names = sortedNames(['integerParameter', ...called])
    return [replace(values, `import { ${names.join(', ')} } from '../platform/http/values.ts'`)]
  }
  const core = source.getImportDeclaration('drizzle-orm/pg-core')
  if (core === undefined || !path.endsWith('.schema.ts')) return []
  const referring = fields.some(({ references }) => references !== undefined)
  const own = fields.some(({ references }) => references === table)
  const names = sortedNames([
    ...['integer', 'pgTable', 'timestamp', 'uuid'],
    ...fields.map(({ type }) => type.column.call),
    ...(referring ? ['index'] : []),
  ])
  const modules = new Map(
    Array.from(parents, ([name, parent]) => [name, parent] as const).filter(([name]) => name !== table),
  )
  const lines = [
    `import { ${[...names, ...(own ? ['type AnyPgColumn'] : [])].join(', ')} } from 'drizzle-orm/pg-core'`,
    ...Array.from(
      modules.values(),
      ({ constant, module }) => `import { ${constant} } from '${module}'`,
    ).sort(),
  ]
  return [replace(core, lines.join('\n'))]
}

function sortedNames(names: readonly string[]): string[] {
  return [...new Set(names)].sort()
}

/** The tables that fields refer to, by SQL name, from the schemas of the service. */
async function parentsOf(
  root: string,
  table: string,
  fields: readonly Field[],
): Promise<ReadonlyMap<string, Parent>> {
  const parents = new Map<string, Parent>()
  const referring = fields.filter(({ references }) => references !== undefined)
  if (referring.length === 0) return parents
  const declared = await tablesOf(root)
  for (const { name, type, nullable, references = '' } of referring) {
    const found =
      references === table ? { constant: camel(table), module: '', idType: 'uuid' } : declared.get(references)
    if (found === undefined) {
      const there = Array.from(declared.keys()).sort().join(', ') || 'none yet'
      throw new Error(
        `--fields: "${name}" refers to a table ${references} that no src/*/*.schema.ts has: add that table first, or name an existing one (${there}).`,
      )
    }
    if (found.idType !== type.column.call) {
      throw new Error(
        `--fields: "${name}" is ${type.column.call}, but the id of ${references} is ${found.idType}: write ${name}:${found.idType}->${references}.`,
      )
    }
    if (references === table && !nullable) {
      throw new Error(
        `--fields: "${name}" refers to its own table and must be nullable, because the first row has none to refer to: write ${name}:uuid?->${references}.`,
      )
    }
    parents.set(references, found)
  }
  return parents
}

function camel(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
}

/** Every table that a schema of the service declares and exports: `export const owners = pgTable('owners', { id: uuid() … })`. */
async function tablesOf(root: string): Promise<Map<string, Parent & { idType: string }>> {
  const tables = new Map<string, Parent & { idType: string }>()
  const folders = await readdir(join(root, 'src'), { withFileTypes: true })
  for (const folder of folders.filter((entry) => entry.isDirectory())) {
    const files = await readdir(join(root, 'src', folder.name))
    for (const file of files.filter((name) => name.endsWith('.schema.ts'))) {
      const path = `src/${folder.name}/${file}`
      const source = parse(path, await readFile(join(root, path), 'utf8'))
      for (const declaration of source.getVariableDeclarations().filter((one) => one.isExported())) {
        const call = declaration.getInitializer()
        if (!Node.isCallExpression(call) || call.getExpression().getText() !== 'pgTable') continue
        const [name, columns] = call.getArguments()
        if (!Node.isStringLiteral(name)) continue
        const idType = idTypeOf(columns)
        const module = `../${folder.name}/${file}`
        tables.set(name.getLiteralValue(), { constant: declaration.getName(), module, idType })
      }
    }
  }
  return tables
}

/** The name of the function that makes the column `id`: `uuid`. */
function idTypeOf(columns: Node | undefined): string {
  const id = Node.isObjectLiteralExpression(columns) ? columns.getProperty('id') : undefined
  const first = id?.getFirstDescendant(
    (node) => Node.isCallExpression(node) && Node.isIdentifier(node.getExpression()),
  )
  return Node.isCallExpression(first) ? first.getExpression().getText() : 'of another name'
}
