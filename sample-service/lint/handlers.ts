import { AST_NODE_TYPES as Type, type TSESTree } from '@typescript-eslint/utils'
import { ancestors, isFunction, isInLoop, memberName, nodesIn } from './nodes.ts'
import type { Look } from './rule.ts'

/** Whether `handler` rethrows, checks a context, or continues under a context, which then fails. */
export function tells(look: Look, handler: TSESTree.Node, caught: string | undefined): boolean {
  return nodesIn(look.source, handler).some((node) => {
    switch (node.type) {
      case Type.ThrowStatement:
        return throwsOn(look, node, handler, caught)
      case Type.MemberExpression:
        return /^(?:err|signal)$/.test(memberName(node) ?? '') && look.types.isContext(node.object)
      case Type.CallExpression:
        return (
          look.types.contextFunction(node) !== undefined ||
          (node.arguments.some((argument) => look.types.isContext(argument)) && look.types.isPromise(node)) ||
          isReject(look, node, caught)
        )
      case Type.ReturnStatement:
        return node.argument !== null && mentions(look, node.argument, caught)
      default:
        return (
          isFunction(handler) &&
          node === handler.body &&
          node.type !== Type.BlockStatement &&
          mentions(look, node, caught)
        )
    }
  })
}

/** Whether it throws the error or the cause of a context, under no other condition. */
function throwsOn(
  look: Look,
  node: TSESTree.ThrowStatement,
  handler: TSESTree.Node,
  caught: string | undefined,
): boolean {
  if (!mentions(look, node.argument, caught) && !asks(look, node.argument)) return false
  for (const at of ancestors(node)) {
    if (at === handler) return true
    if (at.type === Type.IfStatement && !isDecided(look, at.test, caught)) return false
  }
  return true
}

/** Whether the condition checks the error or a context. */
function isDecided(look: Look, test: TSESTree.Node, caught: string | undefined): boolean {
  return (
    asks(look, test) ||
    nodesIn(look.source, test).some((at) => at.type === Type.Identifier && at.name === caught)
  )
}

function asks(look: Look, node: TSESTree.Node): boolean {
  return nodesIn(look.source, node).some((at) => look.types.isContext(at))
}

/** Whether the error itself is the value, or a part of it. */
function mentions(look: Look, node: TSESTree.Node, caught: string | undefined): boolean {
  return nodesIn(look.source, node).some(
    (below) =>
      below.type === Type.Identifier &&
      below.name === caught &&
      !(below.parent.type === Type.MemberExpression && below.parent.object === below),
  )
}

/** Passes the error to other code: `reject(error)`, `fail(error)`, `ctx.cancel(error)`. */
function isReject(
  look: Look,
  { callee, arguments: given }: TSESTree.CallExpression,
  caught: string | undefined,
) {
  const name = callee.type === Type.Identifier ? callee.name : (memberName(callee) ?? '')
  if (!/reject|fail|cancel|destroy|throw|abort/i.test(name)) return false
  return given.length === 0 || given.some((argument) => mentions(look, argument, caught))
}

/** A best-effort step: the handler reports the failure, returns no other answer, and is in no loop. */
export function isBestEffort(look: Look, handler: TSESTree.Node, caught: string | undefined): boolean {
  if (caught === undefined || isInLoop(handler)) return false
  const below = nodesIn(look.source, handler)
  if (below.some((node) => node.type === Type.ReturnStatement && node.argument !== null)) return false
  return below.some(
    (node) =>
      node.type === Type.CallExpression && node.arguments.some((given) => mentions(look, given, caught)),
  )
}
