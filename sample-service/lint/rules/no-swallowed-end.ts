import { AST_NODE_TYPES as Type, TSESLint, type TSESTree } from '@typescript-eslint/utils'
import {
  ancestors,
  insideCleanUp,
  isFunction,
  isInLoop,
  isInside,
  walk,
  type FunctionNode,
} from '../nodes.ts'
import { rule } from '../rule.ts'
import { contextVariables } from '../variables.ts'

/**
 * When a context ends, its work throws, and so the caller learns of it. A handler that gives an empty answer instead, or lets
 * a loop go on, hides the end: the caller believes the answer, and the loop spins. The handler must rethrow, or ask ctx.
 */
export const noSwallowedEnd = rule({
  description: 'a handler of a failure under a ctx does not hide that ctx has ended',
  messages: {
    swallowed:
      'This also hides that `{{ctx}}` has ended. Begin it with `throwIfEnded({{ctx}})` (src/context/context.ts), or rethrow.',
    guessed:
      'An error does not tell whether the context ended the work. Ask the context: `if (ctx.err !== undefined)`, or throwIfEnded(ctx).',
  },
  create(context, types) {
    const { sourceCode } = context
    const contexts = contextVariables(sourceCode, types)
    const nodesIn = (node: TSESTree.Node, into?: (fn: FunctionNode) => boolean) =>
      Array.from(walk(node, sourceCode.visitorKeys, into))

    /** The context under which `node` waits for something. */
    function contextOf(node: TSESTree.Node, awaited: boolean): string | undefined {
      const below = nodesIn(node)
      if (awaited && !below.some(({ type }) => type === Type.AwaitExpression || type === Type.ForOfStatement))
        return undefined
      for (const call of below) {
        if (call.type !== Type.CallExpression) continue
        const given = call.arguments.find((argument) => types.isContext(argument))
        if (given === undefined || types.isLifetime(given) || isDetached(given)) continue
        if (awaited || types.isPromise(call)) return sourceCode.getText(given)
      }
      return undefined
    }

    /** A context that was detached here: its end does not concern the caller. */
    function isDetached(given: TSESTree.Node): boolean {
      return contexts.restsOn(
        given,
        (part) => part.type === Type.CallExpression && types.contextFunction(part) === 'withoutCancel',
      )
    }

    /** Whether `handler` rethrows, asks a context, or continues under a context, which then fails. */
    function tells(handler: TSESTree.Node, caught: string | undefined): boolean {
      return nodesIn(handler).some((node) => {
        switch (node.type) {
          case Type.ThrowStatement:
            return throwsOn(node, handler, caught)
          case Type.MemberExpression:
            return (
              node.property.type === Type.Identifier &&
              (node.property.name === 'err' || node.property.name === 'signal') &&
              types.isContext(node.object)
            )
          case Type.CallExpression:
            return (
              types.contextFunction(node) !== undefined ||
              (node.arguments.some((argument) => types.isContext(argument)) && types.isPromise(node)) ||
              isReject(node, caught)
            )
          case Type.ReturnStatement:
            return node.argument !== null && mentions(node.argument, caught)
          default:
            return isFunction(handler) && node === handler.body && mentions(node, caught) && !isBlock(node)
        }
      })
    }

    /** Whether it throws the error or the cause of a context, under no other condition. */
    function throwsOn(
      node: TSESTree.ThrowStatement,
      handler: TSESTree.Node,
      caught: string | undefined,
    ): boolean {
      if (!mentions(node.argument, caught) && !asks(node.argument)) return false
      for (const at of ancestors(node)) {
        if (at === handler) return true
        if (at.type === Type.IfStatement && !isDecided(at.test, caught)) return false
      }
      return true
    }

    /** Whether the condition looks at the error or at a context. */
    function isDecided(test: TSESTree.Node, caught: string | undefined): boolean {
      return asks(test) || nodesIn(test).some((at) => at.type === Type.Identifier && at.name === caught)
    }

    function asks(node: TSESTree.Node): boolean {
      return nodesIn(node).some((at) => types.isContext(at))
    }

    /** The parameter of a handler. */
    function isCaught(name: TSESTree.Identifier): boolean {
      for (let scope: TSESLint.Scope.Scope | null = sourceCode.getScope(name); scope; scope = scope.upper) {
        const [def] = scope.set.get(name.name)?.defs ?? []
        if (def === undefined) continue
        if (def.type === TSESLint.Scope.DefinitionType.CatchClause) return true
        const call = def.node.parent
        if (def.type !== TSESLint.Scope.DefinitionType.Parameter || call.type !== Type.CallExpression)
          return false
        const { callee } = call
        return callee.type === Type.MemberExpression && sourceCode.getText(callee.property) === 'catch'
      }
      return false
    }

    /** Whether the error itself is the value, or a part of it. */
    function mentions(node: TSESTree.Node, caught: string | undefined): boolean {
      return nodesIn(node).some(
        (below) =>
          below.type === Type.Identifier &&
          below.name === caught &&
          !(below.parent.type === Type.MemberExpression && below.parent.object === below),
      )
    }

    /** Passes the error to other code: `reject(error)`, `fail(error)`, `ctx.cancel(error)`. */
    function isReject({ callee, arguments: given }: TSESTree.CallExpression, caught: string | undefined) {
      const name =
        callee.type === Type.Identifier
          ? callee.name
          : callee.type === Type.MemberExpression && callee.property.type === Type.Identifier
            ? callee.property.name
            : ''
      if (!/reject|fail|cancel|destroy|throw|abort/i.test(name)) return false
      return given.length === 0 || given.some((argument) => mentions(argument, caught))
    }

    /** A best-effort step: the handler reports the failure, returns no answer in its place, and no loop goes on. */
    function isBestEffort(handler: TSESTree.Node, caught: string | undefined): boolean {
      if (caught === undefined || isInLoop(handler)) return false
      const below = nodesIn(handler)
      if (below.some((node) => node.type === Type.ReturnStatement && node.argument !== null)) return false
      return below.some(
        (node) =>
          node.type === Type.CallExpression && node.arguments.some((given) => mentions(given, caught)),
      )
    }

    function report(node: TSESTree.Node, ctx: string): void {
      context.report({ node, messageId: 'swallowed', data: { ctx } })
    }

    return {
      // `error === Canceled` of what was caught.
      'BinaryExpression[operator=/^[!=]==$/]'({ left, right }: TSESTree.BinaryExpression) {
        if (right.type !== Type.Identifier || !/^(?:Canceled|DeadlineExceeded)$/.test(right.name)) return
        if (left.type === Type.Identifier && isCaught(left))
          context.report({ node: right, messageId: 'guessed' })
      },
      CatchClause(node) {
        const { parent } = node
        // The caller already gets another failure, so the failure of a clean-up does not concern it.
        if (insideCleanUp(node)) return
        const ctx = contextOf(parent.block, true)
        if (ctx === undefined) return
        const caught = node.param?.type === Type.Identifier ? node.param.name : undefined
        if (tells(node.body, caught) || isBestEffort(node.body, caught) || asksBehind(parent)) return
        report(node, ctx)
      },
      // `.catch(handler)`, and `.then(go on, handler)`.
      'CallExpression[callee.property.name=/^(?:catch|then)$/]'(node: TSESTree.CallExpression) {
        const handler = node.arguments.length === 2 ? node.arguments[1] : node.arguments[0]
        const isThen = sourceCode.getText(node.callee).endsWith('then')
        if (isThen && node.arguments.length < 2) return
        if (node.callee.type !== Type.MemberExpression || handler === undefined || !isFunction(handler))
          return
        if (!types.isPromise(node.callee.object) || insideCleanUp(node)) return
        // no-unowned-work reports a result that is dropped.
        if (node.parent.type === Type.ExpressionStatement) return
        const ctx = contextOf(node.callee.object, false)
        if (ctx === undefined) return
        const [param] = handler.params
        const caught = param?.type === Type.Identifier ? param.name : undefined
        if (!tells(handler, caught) && !isBestEffort(handler.body, caught) && !asksBehind(node))
          report(node.callee.property, ctx)
      },
    }

    /** Whether the next statement, or the loop around it, asks the context. */
    function asksBehind(node: TSESTree.Node): boolean {
      let statement = node
      for (const at of ancestors(node)) {
        if (isFunction(at)) return false
        if (at.type === Type.BlockStatement && statement === node) {
          const [next] = at.body.slice(at.body.findIndex((one) => isInside(node, one)) + 1)
          if (next !== undefined && tells(next, undefined)) return true
          statement = at
        }
        if ('test' in at && at.test !== null && /^(?:For|While|DoWhile)/.test(at.type)) {
          if (tells(at.test, undefined)) return true
        }
      }
      return false
    }
  },
})

function isBlock({ type }: TSESTree.Node): boolean {
  return type === Type.BlockStatement
}
