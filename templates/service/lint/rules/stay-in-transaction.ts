import { AST_NODE_TYPES as Type, type TSESTree } from '@typescript-eslint/utils'
import { functionsAround, isFunction, isInside, memberName, type FunctionNode } from '../nodes.ts'
import { rule, type RuleLook } from '../rule.ts'

type Look = RuleLook<'outside' | 'handed' | 'kept'>

const calls: ReadonlySet<string> = new Set(['run', 'transaction', 'stream'])

/**
 * A call of the database inside of a transaction takes a second connection: it does not see the transaction's rows, and each
 * may wait for the other.
 */
export const stayInTransaction = rule({
  description: 'inside db.transaction, every statement uses the handle of the transaction',
  messages: {
    outside:
      'This takes a second connection, outside of the transaction around it. Use the `q` that the transaction gives, or move this before or after it.',
    handed:
      'A function that gets the database takes a second connection, outside of the transaction around it. Let it take `q: Queries`, or move this before or after it.',
    kept: '`{{name}}` does not work after its {{method}} has returned. Use it inside, and return the result.',
  },
  create(look) {
    return {
      CallExpression(node) {
        const called = method(look, node)
        if (called !== undefined) {
          for (const given of node.arguments) if (isFunction(given)) checkHandle(look, given, called)
          if (isInTransaction(look, node)) look.context.report({ node, messageId: 'outside' })
          return
        }
        // Checked first, because it needs few types.
        if (!isInTransaction(look, node)) return
        const handed = node.arguments.find((given) => look.types.isDatabase(given))
        if (handed !== undefined) look.context.report({ node: handed, messageId: 'handed' })
      },
    }
  },
})

function method(look: Look, node: TSESTree.CallExpression): string | undefined {
  const name = memberName(node.callee)
  if (name === undefined || node.callee.type !== Type.MemberExpression || !calls.has(name)) return undefined
  return look.types.isDatabase(node.callee.object) ? name : undefined
}

function isInTransaction(look: Look, node: TSESTree.Node): boolean {
  return functionsAround(node).some(
    ({ parent }) => parent.type === Type.CallExpression && method(look, parent) === 'transaction',
  )
}

/** Reports a query handle that outlives the call of `fn`: it is returned, or put into a variable declared outside. */
function checkHandle(look: Look, fn: FunctionNode, called: string): void {
  const [q] = fn.params
  if (q?.type !== Type.Identifier) return
  const variable = look.source.getDeclaredVariables(fn).find(({ name }) => name === q.name)
  for (const { identifier } of variable?.references ?? []) {
    const { parent } = identifier
    const returned = parent.type === Type.ReturnStatement ? functionsAround(parent)[0] === fn : parent === fn
    const assigned =
      parent.type === Type.AssignmentExpression &&
      parent.right === identifier &&
      !isDeclaredIn(look, fn, parent.left)
    if (!returned && !assigned) continue
    look.context.report({
      node: identifier,
      messageId: 'kept',
      data: { name: q.name, method: `db.${called}` },
    })
  }
}

function isDeclaredIn(look: Look, fn: FunctionNode, left: TSESTree.Node): boolean {
  if (left.type !== Type.Identifier) return false
  const reference = look.source.getScope(left).references.find(({ identifier }) => identifier === left)
  const [declared] = reference?.resolved?.identifiers ?? []
  return declared !== undefined && isInside(declared, fn)
}
