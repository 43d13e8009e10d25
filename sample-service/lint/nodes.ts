import { AST_NODE_TYPES as Type, TSESLint, type TSESTree } from '@typescript-eslint/utils'

/** A function with a body. */
export type FunctionNode =
  TSESTree.ArrowFunctionExpression | TSESTree.FunctionExpression | TSESTree.FunctionDeclaration

/** Whether it is a function with a body. */
export function isFunction(node: TSESTree.Node): node is FunctionNode {
  return (
    node.type === Type.ArrowFunctionExpression ||
    node.type === Type.FunctionExpression ||
    node.type === Type.FunctionDeclaration
  )
}

/** The name of the member that an expression reads, `b` of `a.b`; undefined if it reads none by a name. */
export function memberName(node: TSESTree.Node | undefined): string | undefined {
  if (node?.type !== Type.MemberExpression || node.computed) return undefined
  return node.property.type === Type.Identifier ? node.property.name : undefined
}

/** The nodes around `node`, from its parent to the program. */
export function* ancestors(node: TSESTree.Node): Generator<TSESTree.Node> {
  // ESLint's program has null for a parent, whatever the type says.
  for (let at: TSESTree.Node | null | undefined = node.parent; at; at = at.parent) yield at
}

/** The functions around `node`, the nearest first. */
export function functionsAround(node: TSESTree.Node): FunctionNode[] {
  return Array.from(ancestors(node)).filter(isFunction)
}

/** Whether `node` is in `outer`, or is it. */
export function isInside(node: TSESTree.Node, outer: TSESTree.Node): boolean {
  return node.range[0] >= outer.range[0] && node.range[1] <= outer.range[1]
}

/** `node` and all below it, without the contents of nested functions. */
export function nodesIn(source: Readonly<TSESLint.SourceCode>, node: TSESTree.Node): TSESTree.Node[] {
  return Array.from(walk(node, source.visitorKeys, false))
}

/** `node` and all below it. */
export function allNodesIn(source: Readonly<TSESLint.SourceCode>, node: TSESTree.Node): TSESTree.Node[] {
  return Array.from(walk(node, source.visitorKeys, true))
}

function* walk(
  node: TSESTree.Node,
  keys: TSESLint.SourceCode['visitorKeys'],
  nested: boolean,
): Generator<TSESTree.Node> {
  yield node
  for (const key of keys[node.type] ?? []) {
    const child = (node as unknown as Record<string, unknown>)[key]
    for (const part of Array.isArray(child) ? (child as unknown[]) : [child]) {
      if (isNode(part) && (nested || !isFunction(part))) yield* walk(part, keys, nested)
    }
  }
}

function isNode(value: unknown): value is TSESTree.Node {
  return typeof value === 'object' && value !== null && 'type' in value
}

/** Whether a loop runs it again: a callback counts as part of the loop that calls it. */
export function isInLoop(node: TSESTree.Node): boolean {
  for (const at of ancestors(node)) {
    if (isFunction(at) && at.parent.type !== Type.CallExpression) return false
    if (/^(?:For|While|DoWhile)/.test(at.type)) return true
  }
  return false
}

/** Whether it is in a `finally`, or in the handler of another failure. */
export function insideCleanUp(node: TSESTree.Node): boolean {
  for (const at of ancestors(node)) {
    if (isFunction(at)) return false
    if (at.type === Type.CatchClause) return true
    if (at.parent?.type === Type.TryStatement && at.parent.finalizer === at && isInside(node, at)) return true
  }
  return false
}

/** The expression without type assertions: `x` for `(x as T)!`. */
export function bare(node: TSESTree.Node): TSESTree.Node {
  switch (node.type) {
    case Type.TSAsExpression:
    case Type.TSNonNullExpression:
    case Type.TSSatisfiesExpression:
    case Type.ChainExpression:
      return bare(node.expression)
    default:
      return node
  }
}

/** Whether a comment gives a reason, on the line of `node`, right above it, or above its statement. */
export function hasReason(source: Readonly<TSESLint.SourceCode>, node: TSESTree.Node): boolean {
  const lines = new Set<number>()
  for (const at of [node, ...ancestors(node)]) {
    lines.add(at.loc.start.line)
    if (/Statement$|Declaration$/.test(at.type)) break
  }
  return source.getAllComments().some((comment) => {
    const text = comment.value.trim()
    if (text.length < 10 || text.startsWith('eslint-')) return false
    return lines.has(comment.loc.end.line) || lines.has(comment.loc.end.line + 1)
  })
}

/** The path after the last `src/`, with slashes, even for a file of a piece in generators/. */
export function pathInSource(filename: string): string | undefined {
  return /(?:^|[\\/])src[\\/]((?!.*[\\/]src[\\/]).*)$/.exec(filename)?.[1]?.replaceAll('\\', '/')
}

/** The programs of `npm start` and `npm run db:migrate`, by the path in src/. Each is a process with its own root. */
export const programs: ReadonlySet<string> = new Set(['main.ts', 'migrate.ts'])
