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
/** Methods of AsyncLocalStorage. */
const ambient = new Set(['enterWith', 'run'])
/** Methods that remove a listener. */
const takingBack = new Set([
  'off',
  'removeListener',
  'removeAllListeners',
  'removeEventListener',
  'unsubscribe',
])

/** A context belongs to a call and is passed on; nothing that outlives the call keeps it. Go: containedctx. */
export const noContextInState = rule({
  description:
    'no context in a field, a member, a collection, a module variable or a closure that outlives the call',
  messages: {
    field:
      'Do not keep a context in an object. Let the methods take `ctx: Context` as their first parameter instead.',
    member: 'Do not keep a context in an object. Make it a parameter of its own, before the others, instead.',
    module:
      'Do not keep a context in a module. Take `ctx: Context` as the first parameter where it is used instead.',
    stored: 'Do not keep a context: it would be used after its call. Pass it on as an argument instead.',
    kept: 'This function may be called after the call and its context have ended. Let it take a ctx of its own, or remove it before this function returns (`off`, in a finally).',
    promise:
      'Later callers would wait for work under the context of the first caller, and fail when it leaves. Start the work under a context of its own: withoutCancel(ctx), with a deadline.',
    closure:
      '`{{name}}` is the context of a call, and this function outlives the call. Let it take a ctx of its own instead (or declare `{{name}}` a `Lifetime`, if it lasts as long).',
  },
  create(context, types) {
    const { sourceCode } = context
    const keeps = keeping(sourceCode, types, contextVariables(sourceCode, types))
    const isMain = pathInSource(context.filename) === 'main.ts'

    function report(node: TSESTree.Node, kept: Kept): void {
      if (kept === 'closure') context.report({ node, messageId: 'kept' })
      else context.report({ node, messageId: kept })
    }

    /** Whether the function around it removes listeners again, or the call gets a signal. */
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

    /** `const working = withCancel(serving)`: it ends by its `cancel`, at the latest with the Lifetime that it descends from. */
    function isOfLifetime({ defs: [def] }: TSESLint.Scope.Variable): boolean {
      if (def?.node.type !== Type.VariableDeclarator || def.node.init?.type !== Type.CallExpression)
        return false
      const [parent] = def.node.init.arguments
      const derived = types.contextFunction(def.node.init) === 'withCancel'
      return derived && parent !== undefined && types.isLifetime(parent)
    }

    /** The scopes of the function's body and its blocks, without the scopes of functions that outlive the call. */
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
        // The holder of a CancelContext must end it.
        if (!types.isContext(value) || types.isLifetime(value) || types.mustBeEnded(value)) return
        context.report({ node, messageId: 'member' })
      },
      AssignmentExpression({ left, right }) {
        const kept = keeps.keptBy(right)
        if (kept === undefined) return
        if (left.type === Type.MemberExpression) {
          // Reported once, where the member is declared.
          if (types.holdsContext(left) && types.isDeclaredMember(left)) return
          if (keeps.outlives(left, left)) report(right, kept)
        } else if (left.type === Type.Identifier && kept !== 'closure' && keeps.outlives(left, left)) {
          // Reported once, where it is declared.
          if (kept === 'promise' || !types.holdsContext(left)) report(right, kept)
        }
      },
      CallExpression(node) {
        const { callee } = node
        if (callee.type !== Type.MemberExpression || callee.property.type !== Type.Identifier) return
        const { name } = callee.property
        if (!ambient.has(name) && !collecting.has(name) && !keepingCallback.has(name)) return
        const { file } = types.declarationOf(node) ?? {}
        // A function that takes a context is no collection.
        if (types.contextFunction(node) !== undefined) return
        if (ambient.has(name) && /async_hooks/.test(file ?? '')) {
          for (const given of node.arguments) if (keeps.keptBy(given) === 'stored') report(given, 'stored')
          return
        }
        const builtIn = isBuiltIn(file)
        if (!(builtIn && collecting.has(name)) && !keepingCallback.has(name)) return
        // A weak map does not keep its keys alive.
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
