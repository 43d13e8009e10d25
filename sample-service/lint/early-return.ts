import { AST_NODE_TYPES as Type, TSESLint, type TSESTree } from '@typescript-eslint/utils'
import { allNodesIn, ancestors, bare, functionsAround } from './nodes.ts'
import type { Look } from './rule.ts'

type Variable = TSESLint.Scope.Variable

/**
 * Finds a value that leaves the block of `using` by `return` and still needs the context: a promise that is not awaited, or a
 * stream or an iterator under the context.
 * @returns the variable that `using` ends too early
 */
export function endedBefore(
  look: Look,
  { argument, parent, range }: TSESTree.ReturnStatement,
): Variable | undefined {
  if (argument === null) return undefined
  const [fn] = functionsAround(argument)
  if (fn === undefined || fn.generator) return undefined
  for (const at of [parent, ...ancestors(parent)]) {
    if (at === fn) return undefined
    if (at.type !== Type.BlockStatement) continue
    for (const statement of at.body) {
      if (statement.type !== Type.VariableDeclaration || statement.range[1] > range[0]) continue
      if (statement.kind !== 'using' && statement.kind !== 'await using') continue
      const ended = look.source.getDeclaredVariables(statement).find((variable) => {
        const [name] = variable.identifiers
        return name !== undefined && look.types.mustBeEnded(name) && goesOn(look, argument, variable)
      })
      if (ended !== undefined) return ended
    }
  }
  return undefined
}

/** Whether the value holds a promise that was made with the variable, or a stream that was opened with it. */
function goesOn(look: Look, given: TSESTree.Node, variable: Variable): boolean {
  const value = bare(given)
  switch (value.type) {
    case Type.ObjectExpression:
      return value.properties.some((one) => one.type === Type.Property && goesOn(look, one.value, variable))
    case Type.ArrayExpression:
      return value.elements.some((one) => one !== null && goesOn(look, one, variable))
    default:
      if (isOpened(look, value, variable)) return true
      if (value.type === Type.AwaitExpression || !look.types.isPromise(value)) return false
      return isMadeWith(look, value, variable)
  }
}

/** Whether the value, or a constant in it, uses the variable. */
function isMadeWith(
  look: Look,
  value: TSESTree.Node,
  variable: Variable,
  seen = new Set<Variable>(),
): boolean {
  return allNodesIn(look.source, value).some((node) => {
    if (node.type !== Type.Identifier) return false
    const found = look.contexts.variableOf(node)
    if (found === undefined || seen.has(found)) return false
    if (found === variable) return true
    seen.add(found)
    return found.references.some(({ writeExpr }) => writeExpr && isMadeWith(look, writeExpr, variable, seen))
  })
}

/** Whether it is a stream that was opened with the context, and so ends with it. */
function isOpened(look: Look, value: TSESTree.Node, variable: Variable): boolean {
  if (!look.types.isStream(value) && !look.types.isAsyncIterable(value)) return false
  const call = value.type === Type.AwaitExpression ? value.argument : value
  if (call.type === Type.Identifier) {
    const written = look.contexts.variableOf(call)?.references ?? []
    return written.some(({ writeExpr }) => writeExpr != null && isOpened(look, writeExpr, variable))
  }
  return (
    call.type === Type.CallExpression &&
    call.arguments.some(
      (given) => given.type === Type.Identifier && look.contexts.variableOf(given) === variable,
    )
  )
}
