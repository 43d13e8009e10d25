import { AST_NODE_TYPES as Type, type TSESLint, type TSESTree } from '@typescript-eslint/utils'
import { contextOfClosure } from '../closures.ts'
import type { Call } from '../context-types.ts'
import { isQuestion, nearness } from '../nearness.ts'
import { bare, hasReason } from '../nodes.ts'
import { rule } from '../rule.ts'
import { contextVariables, isParameter } from '../variables.ts'

/** A call gets the nearest context; with another, its work leaves the trace or outlives the caller. Go: contextcheck. */
export const passContext = rule({
  description: 'a callee that takes a context gets the nearest one',
  messages: {
    older: 'Pass `{{nearest}}` instead of `{{name}}`: it is nearer, and ends with this work.',
    offered:
      '`{{name}}` is an outer context. This function gets a nearer one: declare the parameter `ctx`, and use it.',
    foreign: 'Pass `{{nearest}}`, or a context derived from it: `{{name}}` does not belong to this work.',
    lifetime:
      '`{{parameter}}` outlives this call. Pass a `Lifetime` instead of `{{name}}`: the root, or the server context.',
    detached:
      'withoutCancel lets work outlive its caller. Say in a comment above why it must, and who ends it; or pass `ctx` instead.',
    closure:
      '`{{fn}}` uses `{{name}}`, which is an outer context here. Give it a parameter `ctx: Context`, and pass `{{nearest}}`.',
    claimed: '`{{name}}` is not a Lifetime: it is derived from the context of a call, and ends with it.',
    pass: 'Pass {{nearest}}.',
  },
  create(context, types) {
    const { sourceCode } = context
    const contexts = contextVariables(sourceCode, types)
    const near = nearness(contexts, types)

    function checkCall(node: Call): void {
      if (types.contextFunction(node) === 'withoutCancel' && !hasReason(sourceCode, node) && !isBounded(node))
        context.report({ node, messageId: 'detached' })
      if (isQuestion(node, types)) return
      for (const [index, parameter] of types.parameters(node).entries()) {
        const argument = node.arguments[index]
        if (argument === undefined || argument.type === Type.SpreadElement) return
        if (!parameter.isContext || !types.isContext(argument)) continue
        if (!parameter.isLifetime) checkArgument(argument)
        else if (!types.isLifetime(argument)) {
          const data = { parameter: parameter.name, name: sourceCode.getText(argument) }
          context.report({ node: argument, messageId: 'lifetime', data })
        }
      }
    }

    /** `using ctx = withTimeout(withoutCancel(parent), ms)`: the deadline and `using` both end it. */
    function isBounded({ parent }: TSESTree.Node): boolean {
      if (parent?.type !== Type.CallExpression || parent.parent.type !== Type.VariableDeclarator) return false
      const { kind } = parent.parent.parent
      return kind === 'using' && /^with(?:Timeout|Deadline)$/.test(types.contextFunction(parent) ?? '')
    }

    function checkArgument(given: TSESTree.Node): void {
      const argument = bare(given)
      switch (argument.type) {
        case Type.LogicalExpression:
          checkArgument(argument.left)
          checkArgument(argument.right)
          return
        case Type.ConditionalExpression:
          checkArgument(argument.consequent)
          checkArgument(argument.alternate)
          return
        case Type.CallExpression:
          // checkCall looks at the contexts that this call gets.
          if (!types.parameters(argument).some(({ isContext }) => isContext)) checkForeign(argument)
          return
        case Type.Identifier:
          checkName(argument)
          return
        default:
          checkForeign(argument)
      }
    }

    function checkName(argument: TSESTree.Identifier): void {
      const variable = contexts.variableOf(argument)
      if (variable === undefined || variable.identifiers.length === 0) return
      const { nearest, isAttempted } = near.nearerThan(variable, argument)
      if (nearest !== undefined) {
        if (!isAttempted) report(argument, 'older', nearest)
      } else if (near.isOffered(variable, argument)) {
        context.report({ node: argument, messageId: 'offered', data: { name: argument.name } })
      } else if (!contexts.isDerived(variable)) {
        const visible = contexts.visibleAt(argument).filter((other) => other !== variable)
        const parameter = visible.find((other) => isParameter(other) && !contexts.derives(variable, other))
        if (parameter !== undefined) report(argument, 'foreign', parameter)
      }
    }

    /** A call of a function that uses an outer context, or one that gets such a function. */
    function checkClosures({ callee, arguments: given }: TSESTree.CallExpression): void {
      const outer = contextOfClosure(callee, sourceCode, contexts, types)
      if (outer !== undefined) checkClosure(callee, outer)
      for (const argument of given) {
        if (argument.type === Type.SpreadElement) continue
        const outer = contextOfClosure(argument, sourceCode, contexts, types)
        if (outer !== undefined && types.ignoresContext(argument))
          context.report({ node: argument, messageId: 'offered', data: { name: outer.name } })
      }
    }

    function checkClosure(callee: TSESTree.Node, outer: TSESLint.Scope.Variable): void {
      const { name } = outer
      if (near.isOffered(outer, callee))
        context.report({ node: callee, messageId: 'offered', data: { name } })
      else {
        const { nearest, isAttempted } = near.nearerThan(outer, callee)
        if (nearest === undefined || isAttempted) return
        const data = { fn: sourceCode.getText(callee), name, nearest: nearest.name }
        context.report({ node: callee, messageId: 'closure', data })
      }
    }

    /** `const { signal } = ctx`, used where another context is nearer. */
    function checkSignal(node: TSESTree.VariableDeclarator): void {
      const { init } = node
      if (init?.type !== Type.Identifier || node.id.type !== Type.ObjectPattern || !types.isContext(init))
        return
      const outer = contexts.variableOf(init)
      if (outer === undefined) return
      const uses = sourceCode.getDeclaredVariables(node).flatMap(({ references }) => references)
      for (const { identifier, init: first } of uses) {
        if (first === true || identifier.type !== Type.Identifier) continue
        const { nearest, isAttempted } = near.nearerThan(outer, identifier)
        const data = { name: `${outer.name}.signal`, nearest: `${nearest?.name ?? ''}.signal` }
        if (nearest === undefined && near.isOffered(outer, identifier))
          context.report({ node: identifier, messageId: 'offered', data })
        if (nearest !== undefined && !isAttempted)
          context.report({ node: identifier, messageId: 'older', data })
      }
    }

    /** `const server: Lifetime = withCancel(ctx)`, or `ctx as Lifetime`. */
    function checkClaim(node: TSESTree.Node, value: TSESTree.Node): void {
      const isOfCall = (part: TSESTree.Node): boolean =>
        part.type === Type.Identifier && types.isContext(part) && !types.isLifetime(part) && !isDetached(part)
      if (contexts.restsOn(value, isOfCall) && !types.isLifetime(value))
        context.report({ node, messageId: 'claimed', data: { name: sourceCode.getText(node) } })
    }

    function isDetached({ parent }: TSESTree.Node): boolean {
      return parent?.type === Type.CallExpression && types.contextFunction(parent) === 'withoutCancel'
    }

    function checkForeign(node: TSESTree.Node): void {
      const [nearest] = contexts.visibleAt(node)
      if (nearest !== undefined) report(node, 'foreign', nearest)
    }

    function report(node: TSESTree.Node, messageId: 'older' | 'foreign', by: TSESLint.Scope.Variable): void {
      const data = { nearest: by.name, name: sourceCode.getText(node) }
      const fix: TSESLint.ReportFixFunction = (fixer) => fixer.replaceText(node, by.name)
      context.report({ node, messageId, data, suggest: [{ messageId: 'pass', data, fix }] })
    }

    /** `withSignal(ctx, other.signal)` joins two contexts, so the other is not nearer. */
    function isInContextCall({ parent }: TSESTree.Node): boolean {
      const call = parent?.parent
      return call?.type === Type.CallExpression && types.contextFunction(call) !== undefined
    }

    return {
      CallExpression(node) {
        checkCall(node)
        checkClosures(node)
      },
      NewExpression: checkCall,
      'MemberExpression[property.name="signal"] > Identifier.object'(node: TSESTree.Identifier) {
        if (types.isContext(node) && !isInContextCall(node)) checkName(node)
      },
      VariableDeclarator(node) {
        const { id, init } = node
        checkSignal(node)
        if (init && id.type === Type.Identifier && id.typeAnnotation && types.isLifetime(id))
          checkClaim(id, init)
      },
      TSAsExpression(node) {
        if (types.isLifetime(node) && types.isContext(node.expression)) checkClaim(node, node.expression)
      },
    }
  },
})
