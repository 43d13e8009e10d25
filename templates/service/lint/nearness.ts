import { AST_NODE_TYPES as Type, type TSESTree, TSESLint } from '@typescript-eslint/utils'
import type { Call } from './context-types.ts'
import { ancestors, functionsAround, isInside, memberName, isFunction, nodesIn } from './nodes.ts'
import type { Look } from './rule.ts'

type Variable = TSESLint.Scope.Variable

export interface Nearer {
  readonly nearest: Variable | undefined
  /** Whether work under `nearest` may have failed before the node, so that the outer variable is right after all. */
  readonly isAttempted: boolean
}

/** Functions of the context package that only read a context: any context may be passed to them. */
const questions = new Set(['cause', 'ended', 'liveContexts', 'throwIfEnded'])

/** Whether the call only reads the context that it gets. */
export function isQuestion(look: Look, call: Call): boolean {
  return questions.has(look.types.contextFunction(call) ?? '')
}

/** The context that is in scope at `node` and nearer to it than `variable`. */
export function nearerThan(look: Look, variable: Variable, node: TSESTree.Node): Nearer {
  const home = homeOf(variable)
  const nearest = look.contexts.visibleAt(node).find((other) => {
    if (other === variable) return false
    const owner = ownerOf(other)
    const deeper = owner !== home && owner !== undefined && (home === undefined || isInside(owner, home))
    return deeper || look.contexts.derives(other, variable)
  })
  return { nearest, isAttempted: nearest !== undefined && isAttempted(look, nearest, node) }
}

/** Whether a function between `node` and the function of `variable` is called with a context but has no parameter for it. */
export function isOffered(look: Look, variable: Variable, node: TSESTree.Node): boolean {
  const home = homeOf(variable)
  for (const fn of functionsAround(node)) {
    if (fn === home) return false
    if (fn.type !== Type.FunctionDeclaration && look.types.ignoresContext(fn)) return true
  }
  return false
}

/**
 * Whether work under `nearer` has failed by the time of `node`, or may have: `node` is in its handler or after it, or the code
 * has read whether `nearer` ended. Work at `node` then uses the outer context, because the nearer one may have ended.
 */
function isAttempted(look: Look, nearer: Variable, node: TSESTree.Node): boolean {
  return nearer.references.some(({ identifier }) => {
    if (identifier.range[1] > node.range[0]) return false
    if (/^(?:err|cancel)$/.test(memberName(identifier.parent) ?? '')) return true
    for (const at of ancestors(identifier)) {
      if (at.type === Type.CallExpression && (isQuestion(look, at) || isCaught(at, identifier))) return true
      if (at.parent?.type === Type.TryStatement && at.parent.block === at && !isInside(node, at)) return true
    }
    return false
  })
}

/** `work(ctx).catch(…)`, `Promise.allSettled([work(ctx)])`: the code continues after a failure. */
function isCaught(call: TSESTree.CallExpression, inside: TSESTree.Node): boolean {
  const { callee } = call
  if (memberName(callee) === 'allSettled') return true
  return (
    callee.type === Type.MemberExpression && memberName(callee) === 'catch' && isInside(inside, callee.object)
  )
}

/** The function whose parameter the variable is, or that contains its declaration. */
function homeOf(variable: Variable): TSESTree.Node | undefined {
  const [declared] = variable.identifiers
  return ownerOf(variable) ?? (declared && functionsAround(declared)[0])
}

/** The function whose call the variable belongs to. */
function ownerOf(variable: Variable): TSESTree.Node | undefined {
  const { block } = variable.scope.variableScope
  return block.type === Type.Program ? undefined : block
}

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
