import { AST_NODE_TYPES as Type, type TSESTree } from '@typescript-eslint/utils'
import { functionsAround } from '../nodes.ts'
import { rule } from '../rule.ts'

const calls: ReadonlySet<string> = new Set(['run', 'transaction', 'stream'])

/** What runs on the database inside of a transaction takes a second connection: it sees none of its rows, and may wait for itself. */
export const stayInTransaction = rule({
  description: 'inside db.transaction, a statement goes through the handle of the transaction',
  messages: {
    outside:
      'This takes a second connection, outside of the transaction around it. Use the `q` that the transaction gives, or move this before or behind it.',
  },
  create(context, types) {
    function method(node: TSESTree.CallExpression): string | undefined {
      const { callee } = node
      if (callee.type !== Type.MemberExpression || callee.property.type !== Type.Identifier) return undefined
      return calls.has(callee.property.name) ? callee.property.name : undefined
    }

    function isOnDatabase({ callee }: TSESTree.CallExpression): boolean {
      return callee.type === Type.MemberExpression && types.isDatabase(callee.object)
    }

    return {
      CallExpression(node) {
        if (method(node) === undefined) return
        for (const fn of functionsAround(node)) {
          const { parent } = fn
          if (parent.type !== Type.CallExpression || method(parent) !== 'transaction') continue
          if (!isOnDatabase(parent) || !isOnDatabase(node)) continue
          context.report({ node, messageId: 'outside' })
          return
        }
      },
    }
  },
})
