import { AST_NODE_TYPES as Type, TSESLint, type TSESTree } from '@typescript-eslint/utils'
import { allNodesIn, bare, type FunctionNode, isFunction, isInside, memberName } from './nodes.ts'
import type { Look } from './rule.ts'

/** How a value keeps a context: as the context itself, a function that uses it, or work under it. */
export type Kept = 'stored' | 'closure' | 'promise'

/** How `value` keeps a context of a call; undefined if it does not. */
export function keptBy(look: Look, given: TSESTree.Node, depth = 2): Kept | undefined {
  const value = bare(given)
  if (isFunction(value)) return usesOuter(look, value) ? 'closure' : undefined
  switch (value.type) {
    case Type.AwaitExpression:
      return undefined
    case Type.ObjectExpression:
      return first(value.properties, (one) =>
        keptBy(look, one.type === Type.Property ? one.value : one.argument, depth),
      )
    case Type.ArrayExpression:
      return first(value.elements, (one) => one && keptBy(look, one, depth))
    case Type.LogicalExpression:
      return keptBy(look, value.left, depth) ?? keptBy(look, value.right, depth)
    case Type.ConditionalExpression:
      return keptBy(look, value.consequent, depth) ?? keptBy(look, value.alternate, depth)
    case Type.AssignmentExpression:
      return keptBy(look, value.right, depth)
    case Type.Identifier: {
      if (isOfCall(look, value)) return 'stored'
      return depth === 0 ? undefined : first(valuesOf(look, value), (one) => keptBy(look, one, depth - 1))
    }
    case Type.CallExpression:
      if (isOfCall(look, value)) return 'stored'
      if (memberName(value.callee) === 'bind')
        return value.arguments.some((one) => isOfCall(look, one)) ? 'closure' : undefined
      return look.types.isPromise(value) && isUnderCall(look, value) ? 'promise' : undefined
    default:
      return isOfCall(look, value) ? 'stored' : undefined
  }
}

/** Whether `holder` exists before the call that `at` belongs to, and so outlives the call. */
export function outlives(look: Look, holder: TSESTree.Node, at: TSESTree.Node): boolean {
  let base = bare(holder)
  while (base.type === Type.MemberExpression || base.type === Type.CallExpression) {
    base = bare(base.type === Type.MemberExpression ? base.object : base.callee)
  }
  if (base.type !== Type.Identifier) return base.type === Type.ThisExpression
  const variable = look.contexts.variableOf(base)
  const [def] = variable?.defs ?? []
  if (variable === undefined || def === undefined) return true
  if (def.type === TSESLint.Scope.DefinitionType.Parameter) return true
  const outermost = look.contexts.visibleAt(at).at(-1)?.scope.variableScope.block
  return outermost === undefined || !isInside(def.name, outermost)
}

function isOfCall(look: Look, node: TSESTree.Node): boolean {
  return look.types.isContext(node) && !look.types.isLifetime(node)
}

/** The values that a variable may hold, or the function of that name; none for a parameter. */
function valuesOf(look: Look, name: TSESTree.Identifier): TSESTree.Node[] {
  const variable = look.contexts.variableOf(name)
  const [def] = variable?.defs ?? []
  if (variable === undefined || def === undefined) return []
  if (def.type === TSESLint.Scope.DefinitionType.FunctionName) return [def.node]
  if (def.type !== TSESLint.Scope.DefinitionType.Variable) return []
  return variable.references.flatMap(({ writeExpr }) => writeExpr ?? [])
}

/** Whether the call, or one in its chain, is given a context that ends with a call. */
function isUnderCall(look: Look, value: TSESTree.Node): boolean {
  return allNodesIn(look.source, value).some(
    (node) =>
      node.type === Type.CallExpression &&
      look.types.contextFunction(node) !== 'withoutCancel' &&
      node.arguments.some((given) => isOfCall(look, given) && !isDetached(look, given)),
  )
}

/** Whether the context was detached here, so that it does not end with the call. */
export function isDetached(look: Look, given: TSESTree.Node): boolean {
  return look.contexts.restsOn(
    given,
    (part) => part.type === Type.CallExpression && look.types.contextFunction(part) === 'withoutCancel',
  )
}

function usesOuter(look: Look, fn: FunctionNode): boolean {
  return allNodesIn(look.source, fn).some((node) => {
    if (node.type !== Type.Identifier || !isOfCall(look, node) || isDetached(look, node)) return false
    const [declared] = look.contexts.variableOf(node)?.identifiers ?? []
    return declared !== undefined && !isInside(declared, fn)
  })
}

function first<T>(all: readonly T[], find: (one: T) => Kept | undefined | null): Kept | undefined {
  for (const one of all) {
    const found = find(one)
    if (found) return found
  }
  return undefined
}
