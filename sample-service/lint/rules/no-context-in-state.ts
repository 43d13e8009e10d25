import { AST_NODE_TYPES as Type, TSESLint, type TSESTree } from '@typescript-eslint/utils'
import { lifetimes } from '../lifetimes.ts'
import { isInside, pathInSource, type FunctionNode } from '../nodes.ts'
import { rule } from '../rule.ts'
import { survivors } from '../variables.ts'

const collecting = new Set(['set', 'add', 'push', 'unshift'])

/** A context belongs to a call and is handed on; nothing that outlives the call keeps it. Go: containedctx. */
export const noContextInState = rule({
  description:
    'no context in a field, a member, a collection, a module variable or a closure that outlives the call',
  messages: {
    field:
      'A context is not kept in an object. Let the methods take `ctx: Context` as their first parameter instead.',
    member: 'A context is not kept in an object. Make it a parameter of its own, before the others, instead.',
    module:
      'A context is not kept in a module. Take `ctx: Context` as the first parameter where it is used instead.',
    stored: 'A context is not kept: it would be used after its call. Hand it on as an argument instead.',
    closure:
      '`{{name}}` is the context of a call, and this function lives on when the call is over. Let it take a ctx of its own instead (or name the context in lint/lifetimes.ts if it lives as long).',
  },
  create(context, types) {
    const { sourceCode } = context
    const isMain = pathInSource(context.filename) === 'main.ts'

    function closures(fn: FunctionNode): void {
      const living = survivors(fn, sourceCode)
      if (living.size === 0) return
      for (const scope of scopesOf(fn)) {
        for (const variable of scope.variables) {
          const [name] = variable.identifiers
          if (name === undefined || lifetimes.has(name.name)) continue
          const [kept] = variable.references.filter(
            ({ identifier, init }) =>
              init !== true &&
              Array.from(living).some((inner) => inner !== fn && isInside(identifier, inner)),
          )
          if (kept === undefined || !types.isContext(name)) continue
          context.report({ node: kept.identifier, messageId: 'closure', data: { name: name.name } })
        }
      }
    }

    /** The scope of the function's own body, blocks included, without those of the functions that live on. */
    function scopesOf(fn: FunctionNode): TSESLint.Scope.Scope[] {
      const own = sourceCode.scopeManager?.acquire(fn, true)
      if (!own) return []
      const found: TSESLint.Scope.Scope[] = []
      const open = [own]
      for (const scope of open) {
        found.push(scope)
        open.push(...scope.childScopes.filter(({ type }) => type !== TSESLint.Scope.ScopeType.function))
      }
      return found
    }

    return {
      PropertyDefinition(node) {
        if (types.holdsContext(node.key)) context.report({ node, messageId: 'field' })
      },
      TSParameterProperty(node) {
        if (types.holdsContext(node.parameter)) context.report({ node, messageId: 'field' })
      },
      TSPropertySignature(node) {
        if (types.holdsContext(node.key)) context.report({ node, messageId: 'member' })
      },
      'Program > VariableDeclaration > VariableDeclarator, ExportNamedDeclaration > VariableDeclaration > VariableDeclarator'(
        node: TSESTree.VariableDeclarator,
      ) {
        if (!isMain && types.holdsContext(node.id)) context.report({ node: node.id, messageId: 'module' })
      },
      AssignmentExpression(node) {
        if (node.left.type !== Type.MemberExpression || !types.isContext(node.right)) return
        // Said once, where the member is declared, if that is one of ours.
        if (!types.holdsContext(node.left)) context.report({ node, messageId: 'stored' })
      },
      CallExpression(node) {
        if (node.callee.type !== Type.MemberExpression || node.callee.property.type !== Type.Identifier)
          return
        if (!collecting.has(node.callee.property.name)) return
        // A function that takes a context is no collection.
        if (types.contextFunction(node) !== undefined || !isBuiltIn(types.declarationOf(node)?.file)) return
        for (const argument of node.arguments) {
          if (types.isContext(argument)) context.report({ node: argument, messageId: 'stored' })
        }
      },
      FunctionDeclaration: closures,
      FunctionExpression: closures,
      ArrowFunctionExpression: closures,
    }
  },
})

function isBuiltIn(file: string | undefined): boolean {
  return file !== undefined && /[\\/]typescript[\\/]lib[\\/]lib\./.test(file)
}
