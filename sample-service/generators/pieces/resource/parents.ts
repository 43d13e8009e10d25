import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Node } from 'ts-morph'
import { filesBelow } from '../../../scripts/files-below.ts'
import { parse } from '../../edit/source.ts'
import type { Field } from './fields.ts'

/** A table that a field refers to, as its schema declares it. */
export interface Parent {
  /** The constant that holds it: `owners`. */
  readonly constant: string
  /** Relative to `src/<nouns>/`: `../owners/owners.schema.ts`. */
  readonly module: string
}

/** The tables that fields refer to, by SQL name, from the schemas of the service in `root`. */
export async function parentsOf(
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
  for (const path of await filesBelow(join(root, 'src'))) {
    if (!/^[^/]+\/[^/]+\.schema\.ts$/.test(path)) continue
    const source = parse(`src/${path}`, await readFile(join(root, 'src', path), 'utf8'))
    for (const declaration of source.getVariableDeclarations().filter((one) => one.isExported())) {
      const call = declaration.getInitializer()
      if (!Node.isCallExpression(call) || call.getExpression().getText() !== 'pgTable') continue
      const [name, columns] = call.getArguments()
      if (!Node.isStringLiteral(name)) continue
      const table = { constant: declaration.getName(), module: `../${path}`, idType: idTypeOf(columns) }
      tables.set(name.getLiteralValue(), table)
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
