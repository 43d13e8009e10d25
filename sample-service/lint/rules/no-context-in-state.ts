import { AST_NODE_TYPES as Type, TSESLint, type TSESTree } from '@typescript-eslint/utils'
import { keeping, type Kept } from '../keeping.ts'
import { functionsAround, isInside, pathInSource, walk, type FunctionNode } from '../nodes.ts'
import { rule } from '../rule.ts'
import { contextVariables, survivors } from '../variables.ts'

const collecting = new Set(['set', 'add', 'push', 'unshift', 'splice', 'fill', 'assign'])
/** Methods that keep a function, to call it later. */
const keepingCallback = new Set([
  ...['add', 'push', 'set', 'unshift', 'enqueue', 'schedule', 'register', 'subscribe'],
  ...['on', 'once', 'addListener', 'prependListener', 'addEventListener'],
])
/** Methods that take a listener off. */
const takingBack = new Set([
  'off',
  'removeListener',
  'removeAllListeners',
  'removeEventListener',
  'unsubscribe',
])

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
    kept: 'This function is called when the call is over, and its context with it. Let it take a ctx of its own, or take it back in this function (`off`, in a finally).',
    promise:
      'What waits for this later waits under the context of the first caller, and fails when that goes away. Start it under a context of its own: withoutCancel(ctx), with a deadline.',
    closure:
      '`{{name}}` is the context of a call, and this function lives on when the call is over. Let it take a ctx of its own instead (or declare it a `Lifetime`, if it lives as long).',
  },
  create(context, types) {
    const { sourceCode } = context
    const keeps = keeping(sourceCode, types, contextVariables(sourceCode, types))
    const isMain = pathInSource(context.filename) === 'main.ts'

    function report(node: TSESTree.Node, kept: Kept): void {
      if (kept === 'closure') context.report({ node, messageId: 'kept' })
      else context.report({ node, messageId: kept })
    }

    /** Whether the function around it takes listeners off again, or the call is given a signal. */
    function isTakenBack(call: TSESTree.CallExpression): boolean {
      const [outermost] = Array.from(functionsAround(call)).slice(-1)
      return Array.from(walk(outermost ?? call, sourceCode.visitorKeys, () => true)).some(
        (node) =>
          node.type === Type.MemberExpression &&
          node.property.type === Type.Identifier &&
          (takingBack.has(node.property.name) ||
            (node.property.name === 'signal' && isInside(node, call) && types.isContext(node.object))),
      )
    }

    function closures(fn: FunctionNode): void {
      const living = survivors(fn, sourceCode)
      if (living.size === 0) return
      for (const scope of scopesOf(fn)) {
        for (const variable of scope.variables) {
          const [name] = variable.identifiers
          if (name === undefined || types.isLifetime(name) || isOfLifetime(variable)) continue
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

    /** `const working = withCancel(serving)`: ended by hand, at the latest with what it hangs from. */
    function isOfLifetime({ defs: [def] }: TSESLint.Scope.Variable): boolean {
      if (def?.node.type !== Type.VariableDeclarator || def.node.init?.type !== Type.CallExpression)
        return false
      const [parent] = def.node.init.arguments
      const derived = types.contextFunction(def.node.init) === 'withCancel'
      return derived && parent !== undefined && types.isLifetime(parent)
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
      'ReturnStatement > ObjectExpression > Property, ArrowFunctionExpression > ObjectExpression.body > Property'(
        node: TSESTree.Property,
      ) {
        const { value } = node
        // Whoever gets what can be ended is to end it.
        if (!types.isContext(value) || types.isLifetime(value) || types.mustBeEnded(value)) return
        context.report({ node, messageId: 'member' })
      },
      AssignmentExpression({ left, right }) {
        const kept = keeps.keptBy(right)
        if (kept === undefined) return
        if (left.type === Type.MemberExpression) {
          // Said once, where the member is declared.
          if (types.holdsContext(left) && types.isDeclaredMember(left)) return
          if (keeps.outlives(left, left)) report(right, kept)
        } else if (left.type === Type.Identifier && kept !== 'closure' && keeps.outlives(left, left)) {
          // Said once, where it is declared.
          if (kept === 'promise' || !types.holdsContext(left)) report(right, kept)
        }
      },
      CallExpression(node) {
        const { callee } = node
        if (callee.type !== Type.MemberExpression || callee.property.type !== Type.Identifier) return
        const { name } = callee.property
        const { file } = types.declarationOf(node) ?? {}
        // A function that takes a context is no collection.
        if (types.contextFunction(node) !== undefined) return
        if (/^(?:enterWith|run)$/.test(name) && /async_hooks/.test(file ?? '')) {
          for (const given of node.arguments) if (keeps.keptBy(given) === 'stored') report(given, 'stored')
          return
        }
        const builtIn = isBuiltIn(file)
        if (!(builtIn && collecting.has(name)) && !keepingCallback.has(name)) return
        // A weak map holds its keys for as long as something else does.
        const given = types.isWeak(callee.object) ? node.arguments.slice(1) : node.arguments
        for (const argument of given) {
          const kept = keeps.keptBy(argument)
          if (kept === undefined || (kept !== 'closure' && !builtIn)) continue
          if (!keeps.outlives(name === 'assign' ? (node.arguments[0] ?? callee) : callee.object, node))
            continue
          if (kept === 'closure' && (types.isStream(callee.object) || isTakenBack(node))) continue
          report(argument, kept)
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
