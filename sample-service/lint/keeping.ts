import { AST_NODE_TYPES as Type, TSESLint, type TSESTree } from '@typescript-eslint/utils'
import type { ContextTypes } from './context-types.ts'
import { bare, isFunction, isInside, walk, type FunctionNode } from './nodes.ts'
import type { ContextVariables } from './variables.ts'

/** What a value keeps of a context: the context itself, a function that uses it, or work under it. */
export type Kept = 'stored' | 'closure' | 'promise'

export interface Keeping {
  /** What `value` keeps of a context of a call; undefined if nothing. */
  keptBy(value: TSESTree.Node): Kept | undefined
  /** Whether `holder` exists before the call that `at` belongs to, and so outlives the call. */
  outlives(holder: TSESTree.Node, at: TSESTree.Node): boolean
}

/** Finds which values keep a context. */
export function keeping(
  source: Readonly<TSESLint.SourceCode>,
  types: ContextTypes,
  contexts: ContextVariables,
): Keeping {
  function keptBy(given: TSESTree.Node, depth = 2): Kept | undefined {
    const value = bare(given)
    if (isFunction(value)) return usesOuter(value) ? 'closure' : undefined
    switch (value.type) {
      case Type.AwaitExpression:
        return undefined
      case Type.ObjectExpression:
        return first(value.properties, (one) =>
          keptBy(one.type === Type.Property ? one.value : one.argument, depth),
        )
      case Type.ArrayExpression:
        return first(value.elements, (one) => one && keptBy(one, depth))
      case Type.LogicalExpression:
        return keptBy(value.left, depth) ?? keptBy(value.right, depth)
      case Type.ConditionalExpression:
        return keptBy(value.consequent, depth) ?? keptBy(value.alternate, depth)
      case Type.AssignmentExpression:
        return keptBy(value.right, depth)
      case Type.Identifier: {
        if (isOfCall(value)) return 'stored'
        return depth === 0 ? undefined : first(valuesOf(value), (one) => keptBy(one, depth - 1))
      }
      case Type.CallExpression:
        if (isOfCall(value)) return 'stored'
        if (value.callee.type === Type.MemberExpression && source.getText(value.callee.property) === 'bind') {
          return value.arguments.some(isOfCall) ? 'closure' : undefined
        }
        return types.isPromise(value) && isUnderCall(value) ? 'promise' : undefined
      default:
        return isOfCall(value) ? 'stored' : undefined
    }
  }

  function isOfCall(node: TSESTree.Node): boolean {
    return types.isContext(node) && !types.isLifetime(node)
  }

  /** The values that a variable may hold, or the function of that name; none for a parameter. */
  function valuesOf(name: TSESTree.Identifier): TSESTree.Node[] {
    const variable = contexts.variableOf(name)
    const [def] = variable?.defs ?? []
    if (variable === undefined || def === undefined) return []
    if (def.type === TSESLint.Scope.DefinitionType.FunctionName) return [def.node]
    if (def.type !== TSESLint.Scope.DefinitionType.Variable) return []
    return variable.references.flatMap(({ writeExpr }) => writeExpr ?? [])
  }

  /** Whether the call, or one in its chain, is given a context that ends with a call. */
  function isUnderCall(value: TSESTree.Node): boolean {
    return Array.from(walk(value, source.visitorKeys, () => true)).some(
      (node) =>
        node.type === Type.CallExpression &&
        types.contextFunction(node) !== 'withoutCancel' &&
        node.arguments.some((given) => isOfCall(given) && !isDetached(given)),
    )
  }

  function isDetached(given: TSESTree.Node): boolean {
    return contexts.restsOn(
      given,
      (part) => part.type === Type.CallExpression && types.contextFunction(part) === 'withoutCancel',
    )
  }

  function usesOuter(fn: FunctionNode): boolean {
    return Array.from(walk(fn, source.visitorKeys, () => true)).some((node) => {
      if (node.type !== Type.Identifier || !isOfCall(node) || isDetached(node)) return false
      const [declared] = contexts.variableOf(node)?.identifiers ?? []
      return declared !== undefined && !isInside(declared, fn)
    })
  }

  return {
    keptBy: (value) => keptBy(value),
    outlives(holder, at) {
      let base = bare(holder)
      while (base.type === Type.MemberExpression || base.type === Type.CallExpression) {
        base = bare(base.type === Type.MemberExpression ? base.object : base.callee)
      }
      if (base.type !== Type.Identifier) return base.type === Type.ThisExpression
      const variable = contexts.variableOf(base)
      const [def] = variable?.defs ?? []
      if (variable === undefined || def === undefined) return true
      if (def.type === TSESLint.Scope.DefinitionType.Parameter) return true
      const outermost = contexts.visibleAt(at).at(-1)?.scope.variableScope.block
      return outermost === undefined || !isInside(def.name, outermost)
    },
  }
}

function first<T>(all: readonly T[], find: (one: T) => Kept | undefined | null): Kept | undefined {
  for (const one of all) {
    const found = find(one)
    if (found) return found
  }
  return undefined
}
