import { Node, SyntaxKind, type ParameterDeclaration, type SourceFile } from 'ts-morph'
import { edited, type Edit } from './edit.ts'
import { formatEdited } from './format.ts'
import { insertElement, insertStatement, type Style } from './insert.ts'
import type { Wiring } from './piece.ts'
import type { Plan } from './plan.ts'
import { parse } from './source.ts'

/**
 * Plans the call and its import in a file of the team's, found by its syntax tree wherever it stands and however it is
 * formatted. What is there already is not put in twice; everything else in the file stays as it is, byte for byte.
 * Throws an Error of one sentence if the place is gone or the name is taken.
 */
export async function wire(plan: Plan, wiring: Wiring): Promise<void> {
  const { file } = wiring
  const text = await plan.read(file)
  if (text === undefined)
    throw new Error(`${file} is gone: bring it back, for what is added must be called from there.`)
  const after = wiredText(text, wiring)
  if (after !== text) await plan.edit(file, await formatEdited(plan.root, file, text, after))
}

/** The text of the file with the wiring in it. The wiring's names are those to be written: widget is replaced already. */
export function wiredText(text: string, wiring: Wiring): string {
  // ts-morph counts positions without a byte order mark.
  const mark = text.startsWith('\uFEFF') ? '\uFEFF' : ''
  const body = text.slice(mark.length)
  const source = parse(wiring.file, body)
  const scope = functionNamed(source, wiring)
  const style = styleOf(source, body)
  const local = localName(source, wiring)
  const edits: Edit[] = []

  if (local === undefined) edits.push(importEdit(source, body, style, wiring))
  if (!calls(scope, local ?? wiring.call)) {
    const named = wiring.takes.map((type) => parameterOf(scope, type, wiring))
    const call = `${local ?? wiring.call}(${named.map(({ name }) => name).join(', ')})`
    edits.push(...named.flatMap(({ edit }) => edit ?? []))
    edits.push(
      wiring.as !== 'statement'
        ? insertElement(body, arrayOf(scope, wiring), wiring.as === 'element' ? `...${call}` : call)
        : insertStatement(body, blockOf(scope, wiring), `await ${call}${style.semicolon}`, style),
    )
  }
  return mark + edited(body, edits)
}

type Scope = ReturnType<typeof functionNamed>

function functionNamed(source: SourceFile, { within, file, call }: Wiring) {
  const declared = source.getFunction(within)
  if (declared) return declared
  const value = source.getVariableDeclaration(within)?.getInitializer()
  if (Node.isArrowFunction(value) || Node.isFunctionExpression(value)) return value
  throw new Error(
    `${file} has no function ${within} any more: bring it back, for ${call} must be called from there.`,
  )
}

/** The name under which the file knows the function to call; undefined if it does not import it yet. */
function localName(source: SourceFile, { call, from, file }: Wiring): string | undefined {
  for (const declaration of source.getImportDeclarations()) {
    const same = declaration.getModuleSpecifierValue() === from
    for (const specifier of declaration.getNamedImports()) {
      const alias = specifier.getAliasNode()?.getText() ?? specifier.getName()
      if (same && specifier.getName() === call) return alias
      if (alias === call) throw taken(declaration.getModuleSpecifierValue())
    }
    if (declaration.getDefaultImport()?.getText() === call) throw taken(declaration.getModuleSpecifierValue())
  }
  if (source.getFunction(call) ?? source.getVariableDeclaration(call)) throw taken('the file itself')
  return undefined

  function taken(where: string): Error {
    return new Error(`${file} has a ${call} already, from ${where}: choose another name.`)
  }
}

function calls(scope: Scope, name: string): boolean {
  return scope
    .getDescendantsOfKind(SyntaxKind.CallExpression)
    .some((call) => call.getExpression().getText() === name)
}

/** The parameter that has this type. `_ctx`, so named because nothing used it, becomes `ctx` now that something does. */
function parameterOf(scope: Scope, type: string, { within, file }: Wiring): { name: string; edit?: Edit } {
  const parameter = scope.getParameters().find((one) => one.getTypeNode()?.getText() === type)
  if (!parameter?.getNameNode().isKind(SyntaxKind.Identifier)) {
    throw new Error(
      `${within} in ${file} has no parameter of the type ${type} any more: give it one, to be handed on.`,
    )
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
  const body = scope.getBody()
  const returned = Node.isBlock(body)
    ? body.getStatements().filter(Node.isReturnStatement).at(-1)?.getExpression()
    : body
  const value = bare(returned)
  const array = Node.isIdentifier(value) ? bare(declared(scope, value.getText())) : value
  if (Node.isArrayLiteralExpression(array)) return array
  throw new Error(
    `${within} in ${file} returns no array literal any more: bring it back, or call ${call} there by hand.`,
  )
}

function declared(scope: Scope, name: string): Node | undefined {
  return scope
    .getDescendantsOfKind(SyntaxKind.VariableDeclaration)
    .find((one) => one.getName() === name)
    ?.getInitializer()
}

/** What stands inside parentheses, `as` and `satisfies`. */
function bare(node: Node | undefined): Node | undefined {
  const wrapped =
    Node.isParenthesizedExpression(node) || Node.isAsExpression(node) || Node.isSatisfiesExpression(node)
  return wrapped ? bare(node.getExpression()) : node
}

function blockOf(scope: Scope, { within, file, call }: Wiring) {
  const body = scope.getBody()
  if (Node.isBlock(body)) return body
  throw new Error(
    `${within} in ${file} has no body in braces any more: give it one, or call ${call} there by hand.`,
  )
}

function styleOf(source: SourceFile, text: string): Style {
  const first = source.getImportDeclarations()[0]
  const statement = first ?? source.getStatements()[0]
  return {
    newline: text.includes('\r\n') ? '\r\n' : '\n',
    indent: /^\t/m.test(text) ? '\t' : '  ',
    quote: first?.getModuleSpecifier().getText().startsWith('"') ? '"' : "'",
    semicolon: statement?.getText().endsWith(';') ? ';' : '',
  }
}

function importEdit(source: SourceFile, text: string, style: Style, { call, from }: Wiring): Edit {
  const line = `import { ${call} } from ${style.quote}${from}${style.quote}${style.semicolon}`
  const last = source.getImportDeclarations().at(-1)
  if (!last)
    return { at: source.getStatements()[0]?.getStart(true) ?? 0, text: line + style.newline + style.newline }
  return { at: endOfLine(text, last.getEnd()), text: style.newline + line }
}

/** The end of the line if nothing but a comment follows, so that the comment stays with what it is about. */
function endOfLine(text: string, position: number): number {
  const rest = /^[ \t]*(?:\/\/[^\r\n]*|\/\*[^\r\n]*?\*\/[ \t]*)?(?=\r?\n|$)/.exec(text.slice(position))
  return position + (rest?.[0].length ?? 0)
}
