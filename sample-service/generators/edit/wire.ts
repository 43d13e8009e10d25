import { Node, SyntaxKind, type ParameterDeclaration, type SourceFile } from 'ts-morph'
import type { Edit } from './edit.ts'
import { importOf, styleOf } from './imports.ts'
import { insertAtBegin, insertElement, insertStatement, type Style } from './insert.ts'
import type { Wiring } from '../engine/piece.ts'
import type { Plan } from '../engine/plan.ts'
import { rewrite, withEdits } from './rewrite.ts'
import { functionOf, returnedBy, type Scope } from './scope.ts'

/** Plans the call and its import in an existing file, unless the file has the call. The rest is unchanged, byte for byte. */
export async function wire(plan: Plan, wiring: Wiring): Promise<void> {
  await rewrite(plan, wiring.file, 'it must call what is added', (text) => wiredText(text, wiring))
}

/** The text of the file with the wiring added. The names of the wiring no longer contain widget. */
export function wiredText(text: string, wiring: Wiring): string {
  return withEdits(wiring.file, text, (source, body) => editsFor(source, body, wiring))
}

function editsFor(source: SourceFile, body: string, wiring: Wiring): Edit[] {
  const scope = scopeOf(source, wiring)
  const style = styleOf(source, body)
  const imported = importOf(source, body, style, { name: wiring.call, from: wiring.from })
  const edits: Edit[] = imported.edit ? [imported.edit] : []
  if (calls(scope, imported.local)) return edits
  const named = wiring.takes.map((type) => parameterOf(scope, type, wiring))
  const call = `${imported.local}(${named.map(({ name }) => name).join(', ')})`
  return [...edits, ...named.flatMap(({ edit }) => edit ?? []), callEdit(scope, body, wiring, call, style)]
}

function callEdit(scope: Scope, body: string, wiring: Wiring, call: string, style: Style): Edit {
  if (wiring.as === 'statement')
    return insertStatement(body, blockOf(scope, wiring), `await ${call}${style.semicolon}`, style)
  const list = arrayOf(scope, wiring)
  if (wiring.as === 'first item') return insertAtBegin(body, list, call)
  return insertElement(body, list, wiring.as === 'element' ? `...${call}` : call)
}

function scopeOf(source: SourceFile, { within, file, call }: Wiring): Scope {
  const scope = functionOf(source, within)
  if (scope) return scope
  throw new Error(`${file} has no function ${within}: restore it, because it must call ${call}.`)
}

function calls(scope: Scope, name: string): boolean {
  return scope
    .getDescendantsOfKind(SyntaxKind.CallExpression)
    .some((call) => call.getExpression().getText() === name)
}

/** The parameter of this type. An unused `_ctx` becomes `ctx`, because the new call uses it. */
function parameterOf(scope: Scope, type: string, { within, file }: Wiring): { name: string; edit?: Edit } {
  const parameter = scope.getParameters().find((one) => one.getTypeNode()?.getText() === type)
  if (!parameter?.getNameNode().isKind(SyntaxKind.Identifier)) {
    throw new Error(`${within} in ${file} has no parameter of type ${type}: add one, to be passed on.`)
  }
  const name = parameter.getName()
  if (!/^_\w/.test(name) || isUsed(scope, parameter)) return { name }
  const node = parameter.getNameNode()
  return { name: name.slice(1), edit: { at: node.getStart(), end: node.getEnd(), text: name.slice(1) } }
}

function isUsed(scope: Scope, parameter: ParameterDeclaration): boolean {
  const uses = scope
    .getDescendantsOfKind(SyntaxKind.Identifier)
    .filter((one) => one.getText() === parameter.getName())
  return uses.length > 1
}

function arrayOf(scope: Scope, { within, file, call }: Wiring) {
  const array = returnedBy(scope)
  if (Node.isArrayLiteralExpression(array)) return array
  throw new Error(
    `${within} in ${file} does not return an array literal: restore it, or call ${call} there by hand.`,
  )
}

function blockOf(scope: Scope, { within, file, call }: Wiring) {
  const body = scope.getBody()
  if (Node.isBlock(body)) return body
  throw new Error(`${within} in ${file} has no body in braces: add one, or call ${call} there by hand.`)
}
