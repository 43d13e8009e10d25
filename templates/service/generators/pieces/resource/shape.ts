import { Node, SyntaxKind, type PropertyAssignment, type SourceFile } from 'ts-morph'
import { edited, replace, type Edit } from '../../edit/edit.ts'
import { stampNames, type Noun } from '../../engine/names.ts'
import type { Shape } from '../../engine/piece.ts'
import { parse } from '../../edit/source.ts'
import { fieldsFrom, type Field } from './fields.ts'
import { importEdits } from './imports.ts'
import { parentsOf, type Parent } from './parents.ts'

/** The parameters of the code of a resource. */
interface Resource {
  readonly noun: Noun
  /** Its SQL name. */
  readonly table: string
  readonly fields: readonly Field[]
  /** The tables that fields refer to, by SQL name. */
  readonly parents: ReadonlyMap<string, Parent>
}

/**
 * Returns the function that gives a stamped file these fields: in each object it replaces `title`, the only field of the piece's
 * code, by all fields. `root` is the root of the service, whose schemas have the tables that fields refer to.
 */
export async function shapeFor(root: string, noun: Noun, list: string): Promise<Shape> {
  const fields = fieldsFrom(list)
  const table = noun.plural.replaceAll('-', '_')
  for (const field of fields) refuseLongNames(table, field)
  const resource = { noun, table, fields, parents: await parentsOf(root, table, fields) }
  return (path, text) => {
    const [, kind = ''] = /\.(api|schema|test|routes)\.ts$/.exec(path) ?? []
    if (kind === '') return text
    const source = parse(path, text)
    if (kind === 'routes') return edited(text, conflictEdits(source, resource))
    return edited(text, [
      ...placesOf(source).map((place) => put(place, linesAt(place, resource))),
      ...importEdits(source, kind, fields, table, resource.parents),
      ...(kind === 'schema' ? schemaEdits(source, resource) : []),
    ])
  }
}

/** Replaces the property by the lines. Without lines, it removes the comma too. */
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
function linesAt(place: PropertyAssignment, resource: Resource): string {
  const owner = ownerOf(place)
  const renderings: Record<string, (field: Field) => string | undefined> = {
    widgets: (field) => columnOf(field, resource),
    WidgetFields: inputOf,
    Widget: ({ type, nullable }) => type.shown + (nullable ? '.nullable()' : ''),
    WidgetFilter: ({ type }) => type.parameter && `${type.parameter}.optional()`,
    toWidget: ({ name, type, nullable }) => {
      if (type.show === undefined) return `row.${name}`
      return nullable ? `${type.show(`row.${name}?`)} ?? null` : type.show(`row.${name}`)
    },
    // The test itself makes the rows that references need, and values that no other row has.
    one: (field) => (isMadeByTests(field) ? undefined : field.type.examples[0]),
    other: (field) => (isMadeByTests(field) ? undefined : field.type.examples[1]),
  }
  const render = Object.entries(renderings).find(([name]) => stampNames(name, resource.noun) === owner)?.[1]
  if (render === undefined)
    throw new Error(`the piece has a field in ${owner}, which shape.ts does not handle`)
  return resource.fields
    .flatMap((field) => {
      const code = render(field)
      return code === undefined ? [] : [`${field.name}: ${code}`]
    })
    .join(', ')
}

function isMadeByTests({ references, unique }: Field): boolean {
  return references !== undefined || unique
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

function inputOf({ type, nullable, default: value }: Field): string {
  const byDefault = value?.input ?? (nullable ? '.default(null)' : '')
  return `${type.input}${nullable ? '.nullable()' : ''}${byDefault}`
}

function columnOf(field: Field, { table, parents }: Resource): string {
  const { column, type, nullable, references, unique } = field
  const { call, options, then = '' } = type.column
  const made = `${call}('${column}'${options === undefined ? '' : `, ${options}`})${then}`
  const parent = references === undefined ? undefined : parents.get(references)
  // TypeScript cannot infer the type of a table that refers to itself.
  const returned = references === table ? ': AnyPgColumn' : ''
  return [
    made,
    nullable ? '' : '.notNull()',
    field.default?.column ?? '',
    unique ? '.unique()' : '',
    parent === undefined ? '' : `.references(()${returned} => ${parent.constant}.id)`,
  ].join('')
}

/** The declarations of the enums, and the indexes: with one, a list that is filtered by the field reads a range of the index. */
function schemaEdits(source: SourceFile, { fields, table }: Resource): Edit[] {
  const enums = fields.flatMap(({ name, column, type: { values } }) =>
    values === undefined
      ? []
      : [
          `/** The values of \`${name}\`. */\nexport const ${name}Enum = pgEnum('${table}_${column}', ${JSON.stringify(values)})\n\n`,
        ],
  )
  const indexes = fields
    .filter(({ indexed }) => indexed)
    .map(({ name, column }) => `index('${table}_${column}_id_idx').on(table.${name}, table.id)`)
  const call = source
    .getDescendantsOfKind(SyntaxKind.CallExpression)
    .find((one) => one.getExpression().getText() === 'pgTable')
  const [declaration, columns] = [call?.getFirstAncestor(Node.isVariableStatement), call?.getArguments()[1]]
  if (declaration === undefined || columns === undefined) return []
  const edits = enums.map((text) => ({ at: declaration.getStart(true), text }))
  if (indexes.length === 0) return edits
  return [...edits, { at: columns.getEnd(), text: `, (table) => [${indexes.join(', ')}]` }]
}

/** The response 409 of the routes that write, if a field is unique. */
function conflictEdits(source: SourceFile, { fields, noun }: Resource): Edit[] {
  const unique = fields.filter((field) => field.unique).map(({ name }) => name)
  if (unique.length === 0) return []
  const same = `Another ${noun.singular.replaceAll('-', ' ')} has the same ${unique.join(' or ')}`
  return source.getDescendantsOfKind(SyntaxKind.ObjectLiteralExpression).flatMap((object) => {
    const value = (name: string) =>
      object.getProperty(name)?.asKind(SyntaxKind.PropertyAssignment)?.getInitializer()
    const responses = value('responses')?.asKind(SyntaxKind.ObjectLiteralExpression)
    const last = responses?.getProperties().at(-1)
    if (last === undefined || !/^'(?:POST|PUT)'$/.test(value('method')?.getText() ?? '')) return []
    return [{ at: last.getEnd(), text: `, 409: { description: '${same}' }` }]
  })
}

/** Postgres truncates names at 63 bytes, so two long names could become one. */
function refuseLongNames(table: string, { name, column, indexed, unique, type }: Field): void {
  const names = [
    indexed ? `${table}_${column}_id_idx` : '',
    unique ? `${table}_${column}_unique` : '',
    type.values === undefined ? '' : `${table}_${column}`,
  ]
  const long = names.find((one) => one.length > 63)
  if (long === undefined) return
  throw new Error(
    `--fields: "${name}" needs the name ${long} in Postgres, which is longer than 63 bytes: choose a shorter name.`,
  )
}
