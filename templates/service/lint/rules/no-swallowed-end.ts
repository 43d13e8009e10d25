import { AST_NODE_TYPES as Type, TSESLint, type TSESTree } from '@typescript-eslint/utils'
import { isDetached } from '../keeping.ts'
import { ancestors, insideCleanUp, isFunction, isInside, memberName, nodesIn, isInLoop } from '../nodes.ts'
import { rule, type RuleLook } from '../rule.ts'

type Look = RuleLook<'swallowed' | 'guessed'>

/**
 * When a context ends, its work throws, so the caller notices. A handler that returns an empty answer instead, or lets a loop
 * continue, hides the end: the caller trusts the answer, and the loop spins. The handler must rethrow, or check ctx.
 */
export const noSwallowedEnd = rule({
  description: 'a handler of a failure under a ctx does not hide that ctx has ended',
  messages: {
    swallowed:
      'This also hides that `{{ctx}}` has ended. Begin it with `throwIfEnded({{ctx}})` (src/context/context.ts), or rethrow.',
    guessed:
      'An error does not tell whether the context ended the work. Ask the context: `if (ctx.err !== undefined)`, or throwIfEnded(ctx).',
  },
  create(look) {
    return {
      // `error === Canceled`, for a caught error.
      'BinaryExpression[operator=/^[!=]==$/]'({ left, right }: TSESTree.BinaryExpression) {
        if (right.type !== Type.Identifier || !/^(?:Canceled|DeadlineExceeded)$/.test(right.name)) return
        if (left.type === Type.Identifier && isCaught(look, left))
          look.context.report({ node: right, messageId: 'guessed' })
      },
      CatchClause(node) {
        const { parent } = node
        // The caller already gets another failure, so the failure of a clean-up does not concern it.
        if (insideCleanUp(node)) return
        const ctx = contextOf(look, parent.block, true)
        if (ctx === undefined) return
        const caught = node.param?.type === Type.Identifier ? node.param.name : undefined
        if (
          tells(look, node.body, caught) ||
          isBestEffort(look, node.body, caught) ||
          asksBehind(look, parent)
        )
          return
        report(look, node, ctx)
      },
      // `.catch(handler)`, and `.then(next, handler)`.
      'CallExpression[callee.property.name=/^(?:catch|then)$/]'(node: TSESTree.CallExpression) {
        const handler = node.arguments.length === 2 ? node.arguments[1] : node.arguments[0]
        const isThen = look.source.getText(node.callee).endsWith('then')
        if (isThen && node.arguments.length < 2) return
        if (node.callee.type !== Type.MemberExpression || handler === undefined || !isFunction(handler))
          return
        if (!look.types.isPromise(node.callee.object) || insideCleanUp(node)) return
        // no-unowned-work reports a result that is dropped.
        if (node.parent.type === Type.ExpressionStatement) return
        const ctx = contextOf(look, node.callee.object, false)
        if (ctx === undefined) return
        const [param] = handler.params
        const caught = param?.type === Type.Identifier ? param.name : undefined
        if (
          !tells(look, handler, caught) &&
          !isBestEffort(look, handler.body, caught) &&
          !asksBehind(look, node)
        )
          report(look, node.callee.property, ctx)
      },
    }
  },
})

/** The context under which `node` waits for something. */
function contextOf(look: Look, node: TSESTree.Node, awaited: boolean): string | undefined {
  const below = nodesIn(look.source, node)
  if (awaited && !below.some(({ type }) => type === Type.AwaitExpression || type === Type.ForOfStatement))
    return undefined
  for (const call of below) {
    if (call.type !== Type.CallExpression) continue
    const given = call.arguments.find((argument) => look.types.isContext(argument))
    if (given === undefined || look.types.isLifetime(given) || isDetached(look, given)) continue
    if (awaited || look.types.isPromise(call)) return look.source.getText(given)
  }
  return undefined
}

/** The parameter of a handler. */
function isCaught(look: Look, name: TSESTree.Identifier): boolean {
  const def = look.contexts.variableOf(name)?.defs[0]
  if (def?.type === TSESLint.Scope.DefinitionType.CatchClause) return true
  if (def?.type !== TSESLint.Scope.DefinitionType.Parameter) return false
  const call = def.node.parent
  return call.type === Type.CallExpression && memberName(call.callee) === 'catch'
}

function report(look: Look, node: TSESTree.Node, ctx: string): void {
  look.context.report({ node, messageId: 'swallowed', data: { ctx } })
}

/** Whether the next statement, or the loop around it, checks the context. */
function asksBehind(look: Look, node: TSESTree.Node): boolean {
  let statement = node
  for (const at of ancestors(node)) {
    if (isFunction(at)) return false
    if (at.type === Type.BlockStatement && statement === node) {
      const [next] = at.body.slice(at.body.findIndex((one) => isInside(node, one)) + 1)
      if (next !== undefined && tells(look, next, undefined)) return true
      statement = at
    }
    if ('test' in at && at.test !== null && /^(?:For|While|DoWhile)/.test(at.type)) {
      if (tells(look, at.test, undefined)) return true
    }
  }
  return false
}

/** Whether `handler` rethrows, checks a context, or continues under a context, which then fails. */
function tells(look: Look, handler: TSESTree.Node, caught: string | undefined): boolean {
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
function isBestEffort(look: Look, handler: TSESTree.Node, caught: string | undefined): boolean {
  if (caught === undefined || isInLoop(handler)) return false
  const below = nodesIn(look.source, handler)
  if (below.some((node) => node.type === Type.ReturnStatement && node.argument !== null)) return false
  return below.some(
    (node) =>
      node.type === Type.CallExpression && node.arguments.some((given) => mentions(look, given, caught)),
  )
}
