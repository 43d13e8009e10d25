import {
  Node,
  SyntaxKind,
  type InterfaceDeclaration,
  type ObjectLiteralExpression,
  type SourceFile,
} from 'ts-morph'
import type { Edit } from './edit.ts'
import { importOf, styleOf } from './imports.ts'
import { insertElement, insertMember } from './insert.ts'
import type { Member } from '../engine/piece.ts'
import type { Plan } from '../engine/plan.ts'
import { rewrite, withEdits } from './rewrite.ts'
import { functionOf, returnedBy } from './scope.ts'

/**
 * Plans the property and its import in an existing file, unless the file has the property. The rest is unchanged, byte for byte.
 */
export async function addMember(plan: Plan, member: Member): Promise<void> {
  const { file, name } = member
  await rewrite(plan, file, `${name} must be added to it`, (text) => withMember(text, member))
}

/** The text of the file with the property added. */
export function withMember(text: string, member: Member): string {
  return withEdits(member.file, text, (source, body) => editsFor(source, body, member))
}

function editsFor(source: SourceFile, body: string, member: Member): Edit[] {
  const { file, name, code } = member
  const place = placeOf(source, member)
  refuseUnknown(source, member)
  const style = styleOf(source, body)
  const imported = member.import && importOf(source, body, style, member.import)
  const edits: Edit[] = imported?.edit ? [imported.edit] : []
  const there = codeOf(place, name)
  if (there === undefined) {
    const isInterface = place.isKind(SyntaxKind.InterfaceDeclaration)
    edits.push(
      isInterface
        ? insertMember(body, place, `readonly ${name}: ${code}`, style)
        : insertElement(body, place, `${name}: ${code}`),
    )
  } else if (plain(there) !== plain(code)) {
    throw new Error(`${member.within} in ${file} already has another ${name}: choose another name.`)
  }
  return edits
}

function placeOf(
  source: SourceFile,
  { within, file, name }: Member,
): InterfaceDeclaration | ObjectLiteralExpression {
  const place = memberPlace(source, within)
  if (place) return place
  throw new Error(
    `${file} has no object or interface ${within}: restore it, because ${name} must be added to it.`,
  )
}

/** The interface or the object that a member is a property of; undefined if there is none. */
export function memberPlace(
  source: SourceFile,
  within: string,
): InterfaceDeclaration | ObjectLiteralExpression | undefined {
  return source.getInterface(within) ?? objectOf(source, within)
}

function objectOf(source: SourceFile, within: string): ObjectLiteralExpression | undefined {
  const scope = functionOf(source, within)
  const value = scope ? returnedBy(scope) : source.getVariableDeclaration(within)?.getInitializer()
  if (Node.isObjectLiteralExpression(value)) return value
  // `z.object({ … })`, with or without further calls.
  return scope ? undefined : value?.getFirstDescendantByKind(SyntaxKind.ObjectLiteralExpression)
}

function codeOf(place: InterfaceDeclaration | ObjectLiteralExpression, name: string): string | undefined {
  const property = place.getProperty(name)
  if (property === undefined) return undefined
  const value = property.isKind(SyntaxKind.PropertySignature)
    ? property.getTypeNode()
    : property.asKind(SyntaxKind.PropertyAssignment)?.getInitializer()
  return value?.getText() ?? ''
}

/** The code without its formatting. */
function plain(code: string): string {
  return code.replace(/[\s,;]/g, '').replaceAll('"', "'")
}

function refuseUnknown(source: SourceFile, { file, name, within, knows = [] }: Member): void {
  const imported = source.getImportDeclarations().flatMap((one) => one.getNamedImports())
  const known = new Set([
    ...imported.map((one) => one.getAliasNode()?.getText() ?? one.getName()),
    ...source.getDescendantsOfKind(SyntaxKind.VariableDeclaration).map((one) => one.getName()),
    ...source.getDescendantsOfKind(SyntaxKind.Parameter).map((one) => one.getName()),
    ...source.getFunctions().map((one) => one.getName()),
  ])
  const missing = knows.find((one) => !known.has(one))
  if (missing === undefined) return
  throw new Error(`${file} has no ${missing}: restore it, because ${name} in ${within} needs it.`)
}
