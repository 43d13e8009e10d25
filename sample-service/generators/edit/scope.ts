import {
  Node,
  SyntaxKind,
  type ArrowFunction,
  type FunctionDeclaration,
  type FunctionExpression,
  type SourceFile,
} from 'ts-morph'

/** A function of a file: a declaration, an expression or an arrow function. */
export type Scope = FunctionDeclaration | ArrowFunction | FunctionExpression

/** The function of this name; undefined if there is none. */
export function functionOf(source: SourceFile, name: string): Scope | undefined {
  const declared = source.getFunction(name)
  if (declared) return declared
  const value = source.getVariableDeclaration(name)?.getInitializer()
  return Node.isArrowFunction(value) || Node.isFunctionExpression(value) ? value : undefined
}

/** The expression of the last `return`. A variable of the function is replaced by its value. */
export function returnedBy(scope: Scope): Node | undefined {
  const body = scope.getBody()
  const returned = Node.isBlock(body)
    ? body.getStatements().filter(Node.isReturnStatement).at(-1)?.getExpression()
    : body
  const value = bare(returned)
  return Node.isIdentifier(value) ? bare(declared(scope, value.getText())) : value
}

function declared(scope: Scope, name: string): Node | undefined {
  return scope
    .getDescendantsOfKind(SyntaxKind.VariableDeclaration)
    .find((one) => one.getName() === name)
    ?.getInitializer()
}

/** The expression without parentheses, `as` and `satisfies`. */
function bare(node: Node | undefined): Node | undefined {
  const wrapped =
    Node.isParenthesizedExpression(node) || Node.isAsExpression(node) || Node.isSatisfiesExpression(node)
  return wrapped ? bare(node.getExpression()) : node
}
