import { AST_NODE_TYPES as Type, TSESLint, type TSESTree } from '@typescript-eslint/utils'
import type { Call } from './context-types.ts'
import { ancestors, bare, functionsAround, isFunction, isInside, memberName, nodesIn } from './nodes.ts'
import type { Look } from './rule.ts'
import { returned } from './variables.ts'

type Variable = TSESLint.Scope.Variable
/** The fate of the value. A node is the place that loses it. */
type Fate = TSESTree.Node | 'open' | 'ended'

const failing: ReadonlySet<Type> = new Set([Type.AwaitExpression, Type.ThrowStatement, Type.YieldExpression])

/** Whether the callee may end the value. */
export function mayEnd(look: Look, call: Call, value: TSESTree.Node): boolean {
  const index = call.arguments.findIndex((argument) => argument === value)
  return look.types.parameters(call)[index]?.mayEnd === true
}

/** Whether the variable itself is what a function returns. */
export function handedOn(look: Look, variable: Variable): boolean {
  const [name] = variable.identifiers
  const [fn] = name === undefined ? [] : functionsAround(name)
  if (fn === undefined) return false
  return returned(fn, look.source).some((value) => refers(variable, bare(value)))
}

/** Whether a `finally` ends it. */
export function endsInFinally(variable: Variable): boolean {
  return variable.references.some(({ identifier }) => {
    if (!isEnd(identifier)) return false
    for (const at of ancestors(identifier)) {
      if (isFunction(at)) return false
      if (at.parent?.type === Type.TryStatement && at.parent.finalizer === at) return true
    }
    return false
  })
}

/** The place after the declaration that loses it; 'never' if nothing ends it, undefined if every path ends it. */
export function lostAt(
  look: Look,
  variable: Variable,
  declaration: TSESTree.Node,
): TSESTree.Node | 'never' | undefined {
  const block = declaration.parent
  if (block?.type !== Type.BlockStatement && block?.type !== Type.Program) return 'never'
  const result = follow(look, variable, block.body.slice(block.body.findIndex((s) => s === declaration) + 1))
  if (result === 'open') return 'never'
  return result === 'ended' ? undefined : endsAnywhere(look, variable) ? result : 'never'
}

function endsAnywhere(look: Look, variable: Variable): boolean {
  return handedOn(look, variable) || variable.references.some(({ identifier }) => isEnd(identifier))
}

/**
 * The fate of the value after these statements: ended, still open, or lost at a node.
 * @param caught whether a handler catches a failure; the handler is followed separately
 */
function follow(look: Look, variable: Variable, statements: readonly TSESTree.Node[], caught = false): Fate {
  for (const statement of statements) {
    const fate = step(look, variable, statement, caught)
    if (fate !== 'open') return fate
  }
  return 'open'
}

function step(look: Look, variable: Variable, statement: TSESTree.Node, caught: boolean): Fate {
  switch (statement.type) {
    case Type.FunctionDeclaration:
      return 'open'
    case Type.BlockStatement:
      return follow(look, variable, statement.body, caught)
    case Type.ReturnStatement:
      return statement.argument && takesOver(variable, statement.argument) ? 'ended' : statement
    case Type.TryStatement: {
      const { block, handler, finalizer } = statement
      if (finalizer && follow(look, variable, finalizer.body) === 'ended') return 'ended'
      const tried = follow(look, variable, block.body, caught || handler !== null)
      return handler === null ? tried : worse(tried, follow(look, variable, handler.body.body, caught))
    }
    case Type.IfStatement: {
      const { consequent, alternate } = statement
      const otherwise = alternate ? step(look, variable, alternate, caught) : 'open'
      return worse(step(look, variable, consequent, caught), otherwise)
    }
    default:
      return plain(look, variable, statement, caught)
  }
}

/** A statement without branches of interest: it ends the value, hands it over, or may fail while the value is open. */
function plain(look: Look, variable: Variable, statement: TSESTree.Node, caught: boolean): Fate {
  for (const { identifier } of variable.references) {
    if (!isInside(identifier, statement)) continue
    const { parent } = identifier
    const nested = functionsAround(identifier).some((fn) => isInside(fn, statement))
    if (isEnd(identifier) && (nested || statement.type === Type.ExpressionStatement)) return 'ended'
    if (isCall(parent) && mayEnd(look, parent, identifier)) return 'ended'
  }
  const leaving = nodesIn(look.source, statement).find(
    ({ type }) => type === Type.ReturnStatement || (!caught && failing.has(type)),
  )
  return leaving ?? 'open'
}

/** Whether the returned value is the variable, or holds a function that ends it. */
function takesOver(variable: Variable, value: TSESTree.Node): boolean {
  if (refers(variable, bare(value))) return true
  return variable.references.some(({ identifier }) => {
    if (!isInside(identifier, value)) return false
    return isEnd(identifier) || isPart(identifier)
  })
}

/** The fate after two branches: ended only if both end it. */
function worse(one: Fate, other: Fate): Fate {
  if (typeof one !== 'string') return one
  if (typeof other !== 'string') return other
  return one === 'ended' && other === 'ended' ? 'ended' : 'open'
}

function refers(variable: Variable, node: TSESTree.Node): boolean {
  return variable.references.some(({ identifier }) => identifier === node)
}

/** A member of an object or an array that is returned. */
function isPart({ parent }: TSESTree.Node): boolean {
  return parent?.type === Type.Property || parent?.type === Type.ArrayExpression
}

/** `x.cancel(…)`, `x?.cancel()`, `x.cancel` as a value, or what `using` calls. */
function isEnd({ parent }: TSESTree.Node): boolean {
  if (parent?.type !== Type.MemberExpression) return false
  return memberName(parent) === 'cancel' || memberName(parent.property) === 'dispose'
}

export function isCall(node: TSESTree.Node): node is Call {
  return node.type === Type.CallExpression || node.type === Type.NewExpression
}
