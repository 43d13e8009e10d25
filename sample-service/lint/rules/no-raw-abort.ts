import { AST_NODE_TYPES as Type, type TSESTree } from '@typescript-eslint/utils'
import { rule } from '../rule.ts'

/** An end that is no context's reaches nothing below it, and `AbortSignal.any` leaks (Node 20 and 22). */
export const noRawAbort = rule({
  description: 'AbortController, AbortSignal.any and AbortSignal.timeout only inside src/context/',
  messages: {
    controller:
      'Derive a context instead: `using ctx = withCancel(parent)`; where a signal is wanted, pass ctx.signal.',
    any: 'AbortSignal.any keeps every signal of a long-lived parent. Write `using ctx = withSignal(parent, signal)` instead.',
    timeout:
      'A timeout is a context: write `using ctx = withTimeout(parent, ms)` instead, and pass ctx.signal.',
    abort: 'Derive a context instead, and end it: withCancel(parent), cancel(cause).',
  },
  create(context) {
    function isGlobal(node: TSESTree.Node, name: string): boolean {
      if (node.type === Type.MemberExpression) {
        const { object, property } = node
        return isGlobal(object, 'globalThis') && property.type === Type.Identifier && property.name === name
      }
      if (node.type !== Type.Identifier || node.name !== name) return false
      return (
        (context.sourceCode.getScope(node).references.find(({ identifier }) => identifier === node)?.resolved
          ?.defs.length ?? 0) === 0
      )
    }

    return {
      NewExpression(node) {
        if (isGlobal(node.callee, 'AbortController')) context.report({ node, messageId: 'controller' })
      },
      MemberExpression({ object, property, parent }) {
        if (!isGlobal(object, 'AbortSignal') || property.type !== Type.Identifier) return
        const { name } = property
        if (name === 'any' || name === 'timeout' || name === 'abort')
          context.report({ node: parent, messageId: name })
      },
    }
  },
})
