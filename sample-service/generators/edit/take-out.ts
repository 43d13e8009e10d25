import { posix } from 'node:path'
import { Node, SyntaxKind, type SourceFile } from 'ts-morph'
import type { Member, Wiring } from '../engine/piece.ts'
import type { Plan } from '../engine/plan.ts'
import type { Edit } from './edit.ts'
import { memberPlace } from './members.ts'
import { rewrite, withEdits } from './rewrite.ts'
import { functionOf, type Scope } from './scope.ts'

/**
 * Plans the opposite of `wire`: removes the call, and its import if nothing else uses it. Does nothing if the call is gone.
 * Throws if the file imports the function from elsewhere.
 */
export async function unwire(plan: Plan, wiring: Wiring): Promise<void> {
  await takeOut(plan, wiring.file, (source, text) => {
    const scope = functionOf(source, wiring.within)
    if (scope === undefined) return []
    const call = scope
      .getDescendantsOfKind(SyntaxKind.CallExpression)
      .find((one) => one.getExpression().getText() === wiring.call)
    if (call === undefined) return []
    refuseMoved(source, wiring)
    const parameters = wiring.takes.flatMap((type) => withoutUse(scope, type, call))
    return [outOf(text, call), ...parameters]
  })
  await dropImport(plan, wiring.file, wiring.call, wiring.from)
}

type Moved = Pick<Wiring, 'file' | 'call' | 'from'>

/** Throws if the team has moved the function that `call` names: a removal would leave the moved code unused. */
function refuseMoved(source: SourceFile, { file, call, from }: Moved): void {
  const other = source
    .getImportDeclarations()
    .find((one) => one.getNamedImports().some((named) => named.getName() === call))
    ?.getModuleSpecifierValue()
  if (other === undefined || other === from) return
  throw new Error(
    `${file} imports ${call} from ${other}, and it was stamped in ${from}: remove by hand what you moved.`,
  )
}

/**
 * Plans the opposite of `addMember`. Does nothing if the file or the property is gone.
 * Throws if the property needs one of the `stamped` files, and the file imports that from elsewhere.
 */
export async function removeMember(plan: Plan, member: Member, stamped: readonly string[]): Promise<void> {
  const { file, within, name } = member
  await takeOut(plan, file, (source, text) => {
    const property = memberPlace(source, within)?.getProperty(name)
    if (property === undefined) return []
    if (member.import !== undefined && stamped.includes(posix.join(posix.dirname(file), member.import.from)))
      refuseMoved(source, { file, call: member.import.name, from: member.import.from })
    return [property.isKind(SyntaxKind.PropertySignature) ? line(text, property) : outOf(text, property)]
  })
  if (member.import !== undefined) await dropImport(plan, file, member.import.name, member.import.from)
}

async function takeOut(
  plan: Plan,
  file: string,
  editsOf: (source: SourceFile, text: string) => readonly Edit[],
): Promise<void> {
  if ((await plan.read(file)) === undefined) return
  await rewrite(plan, file, 'a call in it is to be removed', (text) => withEdits(file, text, editsOf))
}

/** The parts of a node that a removal needs. */
type Place = Pick<Node, 'getPos' | 'getStart' | 'getEnd' | 'getAncestors'>

/** The edit that removes a node from its list: the element of an array or object, else the statement around it. */
function outOf(text: string, node: Place): Edit {
  const around = node.getAncestors()
  const list = around.find((one) => Node.isArrayLiteralExpression(one) || Node.isObjectLiteralExpression(one))
  const elements: readonly Place[] =
    list?.asKind(SyntaxKind.ArrayLiteralExpression)?.getElements() ??
    list?.asKind(SyntaxKind.ObjectLiteralExpression)?.getProperties() ??
    []
  const index = elements.findIndex((one) => one.getPos() <= node.getPos() && node.getEnd() <= one.getEnd())
  if (index !== -1) return outOfList(text, elements, index)
  return line(text, around.find((one) => Node.isStatement(one)) ?? node)
}

function outOfList(text: string, elements: readonly Place[], index: number): Edit {
  const element = elements[index]
  if (element === undefined) throw new RangeError(`the list has no element ${index}`)
  const comma = /^\s*,/.exec(text.slice(element.getEnd()))?.[0].length ?? 0
  const head = text.slice(text.lastIndexOf('\n', element.getStart() - 1) + 1, element.getStart())
  const tail = /^[^\r\n]*/.exec(text.slice(element.getEnd() + comma))?.[0] ?? ''
  if (/^[ \t]*$/.test(head) && tail.trim() === '') return line(text, element)
  const [before, after] = [elements[index - 1], elements[index + 1]]
  if (before !== undefined) return { at: before.getEnd(), end: element.getEnd(), text: '' }
  return { at: element.getStart(), end: after?.getStart() ?? element.getEnd() + comma, text: '' }
}

/** The edit that removes the lines of a node, with the comma or semicolon after it. */
function line(text: string, node: Pick<Place, 'getStart' | 'getEnd'>): Edit {
  const from = text.lastIndexOf('\n', node.getStart() - 1) + 1
  const rest = /^[ \t]*[,;]?[ \t]*(?:\r?\n)?/.exec(text.slice(node.getEnd()))?.[0].length ?? 0
  return { at: from, end: node.getEnd() + rest, text: '' }
}

/** Restores the underscore of a parameter that only the removed call used: the lint rejects an unused name. */
function withoutUse(scope: Scope, type: string, call: Place): Edit[] {
  const parameter = scope.getParameters().find((one) => one.getTypeNode()?.getText() === type)
  const name = parameter?.getNameNode()
  if (name?.isKind(SyntaxKind.Identifier) !== true) return []
  const uses = scope
    .getDescendantsOfKind(SyntaxKind.Identifier)
    .filter((one) => one.getText() === name.getText() && one !== name)
  const others = uses.filter((one) => one.getPos() < call.getPos() || one.getEnd() > call.getEnd())
  return others.length > 0 || uses.length === 0 ? [] : [{ at: name.getStart(), text: '_' }]
}

/** Plans to remove the import of the name if the file no longer uses the name. */
async function dropImport(plan: Plan, file: string, name: string, from: string): Promise<void> {
  await takeOut(plan, file, (source, text) => {
    const specifiers = source
      .getImportDeclarations()
      .filter((one) => one.getModuleSpecifierValue() === from)
      .flatMap((one) => one.getNamedImports())
    const specifier = specifiers.find((one) => one.getName() === name)
    if (specifier === undefined) return []
    const local = specifier.getAliasNode()?.getText() ?? name
    const uses = source.getDescendantsOfKind(SyntaxKind.Identifier).filter((one) => one.getText() === local)
    if (uses.some((one) => one.getFirstAncestor(Node.isImportDeclaration) === undefined)) return []
    const declaration = specifier.getImportDeclaration()
    const named = declaration.getNamedImports()
    return named.length === 1 ? [line(text, declaration)] : [outOfList(text, named, named.indexOf(specifier))]
  })
}
