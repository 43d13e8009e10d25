import { AST_NODE_TYPES as Type, type TSESTree } from '@typescript-eslint/utils'
import { functionsAround, hasReason } from '../nodes.ts'
import { rule } from '../rule.ts'

/**
 * Work has someone who waits for it. typescript-eslint's no-floating-promises finds promises whose failure nobody
 * sees; this one finds the rest: those thrown away with `void`, and those that are only kept from failing.
 */
export const noUnownedWork = rule({
  description: 'a promise is awaited or given to a group',
  messages: {
    void: 'Nobody waits for this work. Await it, or give it to a group: `workers.go((ctx) => …)`.',
    handled:
      'Its failure is handled, but nobody waits for this work. Await it, give it to a group, or say in a comment above why it may be left alone.',
    await: 'Await it.',
  },
  create(context, types) {
    const { sourceCode } = context

    function inAsync(node: TSESTree.Node): boolean {
      const [fn] = functionsAround(node)
      return fn === undefined || fn.async
    }

    return {
      UnaryExpression(node) {
        if (node.operator !== 'void' || !types.isPromise(node.argument)) return
        const operator = sourceCode.getFirstToken(node)
        const awaitable = operator !== null && node.parent.type === Type.ExpressionStatement && inAsync(node)
        context.report({
          node,
          messageId: 'void',
          suggest: awaitable
            ? [{ messageId: 'await', fix: (fixer) => fixer.replaceText(operator, 'await') }]
            : [],
        })
      },
      ExpressionStatement(node) {
        const { expression } = node
        if (expression.type !== Type.CallExpression || expression.callee.type !== Type.MemberExpression)
          return
        const { object, property } = expression.callee
        if (property.type !== Type.Identifier || !/^(?:then|catch|finally)$/.test(property.name)) return
        if (!types.isPromise(object) || hasReason(sourceCode, node)) return
        context.report({ node, messageId: 'handled' })
      },
    }
  },
})
