import { AST_NODE_TYPES as Type, type TSESTree } from '@typescript-eslint/utils'
import { functionsAround, isFunction, isInside, type FunctionNode } from '../nodes.ts'
import { rule } from '../rule.ts'

const calls: ReadonlySet<string> = new Set(['run', 'transaction', 'stream'])

/**
 * A call of the database inside of a transaction takes a second connection: it does not see the transaction's rows, and each
 * may wait for the other.
 */
export const stayInTransaction = rule({
  description: 'inside db.transaction, every statement uses the handle of the transaction',
  messages: {
    outside:
      'This takes a second connection, outside of the transaction around it. Use the `q` that the transaction gives, or move this before or behind it.',
    handed:
      'A function that gets the database takes a second connection, outside of the transaction around it. Let it take `q: Queries`, or move this before or behind it.',
    kept: '`{{name}}` does not work after its {{method}} has returned. Use it inside, and return the result.',
  },
  create(context, types) {
    const { sourceCode } = context

    function method(node: TSESTree.CallExpression): string | undefined {
      const { callee } = node
      if (callee.type !== Type.MemberExpression || callee.property.type !== Type.Identifier) return undefined
      return calls.has(callee.property.name) && types.isDatabase(callee.object)
        ? callee.property.name
        : undefined
    }

    function isInTransaction(node: TSESTree.Node): boolean {
      return Array.from(functionsAround(node)).some(
        ({ parent }) => parent.type === Type.CallExpression && method(parent) === 'transaction',
      )
    }

    /** Reports a query handle that outlives the call of `fn`: it is returned, or put into a variable declared outside. */
    function checkHandle(fn: FunctionNode, called: string): void {
      const [q] = fn.params
      if (q?.type !== Type.Identifier) return
      const variable = sourceCode.getDeclaredVariables(fn).find(({ name }) => name === q.name)
      for (const { identifier } of variable?.references ?? []) {
        const { parent } = identifier
        const returned =
          parent.type === Type.ReturnStatement ? Array.from(functionsAround(parent))[0] === fn : parent === fn
        const assigned =
          parent.type === Type.AssignmentExpression &&
          parent.right === identifier &&
          !isDeclaredIn(fn, parent.left)
        if (!returned && !assigned) continue
        context.report({
          node: identifier,
          messageId: 'kept',
          data: { name: q.name, method: `db.${called}` },
        })
      }
    }

    function isDeclaredIn(fn: FunctionNode, left: TSESTree.Node): boolean {
      if (left.type !== Type.Identifier) return false
      const reference = sourceCode.getScope(left).references.find(({ identifier }) => identifier === left)
      const [declared] = reference?.resolved?.identifiers ?? []
      return declared !== undefined && isInside(declared, fn)
    }

    return {
      CallExpression(node) {
        const called = method(node)
        if (called !== undefined) {
          for (const given of node.arguments) if (isFunction(given)) checkHandle(given, called)
          if (isInTransaction(node)) context.report({ node, messageId: 'outside' })
          return
        }
        // First, because it asks for few types.
        if (!isInTransaction(node)) return
        const handed = node.arguments.find((given) => types.isDatabase(given))
        if (handed !== undefined) context.report({ node: handed, messageId: 'handed' })
      },
    }
  },
})
