import { AST_NODE_TYPES as Type, TSESLint, type TSESTree } from '@typescript-eslint/utils'
import { isFunction, isInside, nodesIn } from './nodes.ts'
import type { Look } from './rule.ts'

/**
 * Returns the outer context that the function called `name` passes on, if the function is in this file and takes no context
 * itself; else undefined.
 */
export function contextOfClosure(
  { source, contexts, types }: Look,
  name: TSESTree.Node,
): TSESLint.Scope.Variable | undefined {
  if (name.type !== Type.Identifier) return undefined
  const def = contexts.variableOf(name)?.defs[0]
  if (def === undefined || def.type === TSESLint.Scope.DefinitionType.Parameter) return undefined
  const fn = def.node.type === Type.VariableDeclarator ? def.node.init : def.node
  if (!fn || !isFunction(fn) || fn.params.some((parameter) => types.isContext(parameter))) return undefined
  for (const below of nodesIn(source, fn.body)) {
    if (below.type !== Type.Identifier || below.parent.type !== Type.CallExpression) continue
    if (!below.parent.arguments.includes(below) || !types.isContext(below) || types.isLifetime(below))
      continue
    const outer = contexts.variableOf(below)
    const [declared] = outer?.identifiers ?? []
    if (outer !== undefined && declared !== undefined && !isInside(declared, fn)) return outer
  }
  return undefined
}
