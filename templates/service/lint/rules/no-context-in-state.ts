import { AST_NODE_TYPES as Type, TSESLint, type TSESTree } from '@typescript-eslint/utils'
import { keptBy, outlives, type Kept } from '../keeping.ts'
import {
  allNodesIn,
  type FunctionNode,
  functionsAround,
  isInside,
  memberName,
  pathInSource,
} from '../nodes.ts'
import { rule, type RuleLook } from '../rule.ts'
import { survivors } from '../variables.ts'

type Look = RuleLook<'field' | 'member' | 'module' | 'stored' | 'kept' | 'promise' | 'closure'>

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
  create(look) {
    const isMain = pathInSource(look.context.filename) === 'main.ts'

    return {
      PropertyDefinition(node) {
        if (look.types.holdsContext(node.key)) look.context.report({ node, messageId: 'field' })
      },
      TSParameterProperty(node) {
        if (look.types.holdsContext(node.parameter)) look.context.report({ node, messageId: 'field' })
      },
      TSPropertySignature(node) {
        if (look.types.holdsContext(node.key)) look.context.report({ node, messageId: 'member' })
      },
      'Program > VariableDeclaration > VariableDeclarator, ExportNamedDeclaration > VariableDeclaration > VariableDeclarator'(
        node: TSESTree.VariableDeclarator,
      ) {
        if (!isMain && look.types.holdsContext(node.id))
          look.context.report({ node: node.id, messageId: 'module' })
      },
      'ReturnStatement > ObjectExpression > Property, ArrowFunctionExpression > ObjectExpression.body > Property'(
        node: TSESTree.Property,
      ) {
        const { value } = node
        // The holder of a CancelContext must end it.
        if (!look.types.isContext(value) || look.types.isLifetime(value) || look.types.mustBeEnded(value))
          return
        look.context.report({ node, messageId: 'member' })
      },
      AssignmentExpression({ left, right }) {
        const kept = keptBy(look, right)
        if (kept === undefined) return
        if (left.type === Type.MemberExpression) {
          // Reported once, where the member is declared.
          if (look.types.holdsContext(left) && look.types.isDeclaredMember(left)) return
          if (outlives(look, left, left)) report(look, right, kept)
        } else if (left.type === Type.Identifier && kept !== 'closure' && outlives(look, left, left)) {
          // Reported once, where it is declared.
          if (kept === 'promise' || !look.types.holdsContext(left)) report(look, right, kept)
        }
      },
      CallExpression: (node) => checkCall(look, node),
      ':function': (fn: FunctionNode) => closures(look, fn),
    }
  },
})

/** Reports what the call puts into a collection, a listener or an ambient store. */
function checkCall(look: Look, node: TSESTree.CallExpression): void {
  const { callee } = node
  const name = memberName(callee)
  if (callee.type !== Type.MemberExpression || name === undefined) return
  if (!ambient.has(name) && !collecting.has(name) && !keepingCallback.has(name)) return
  const { file } = look.types.declarationOf(node) ?? {}
  // A function that takes a context is not a collection.
  if (look.types.contextFunction(node) !== undefined) return
  if (ambient.has(name) && /async_hooks/.test(file ?? '')) {
    for (const given of node.arguments) if (keptBy(look, given) === 'stored') report(look, given, 'stored')
    return
  }
  const builtIn = isBuiltIn(file)
  if (!(builtIn && collecting.has(name)) && !keepingCallback.has(name)) return
  // A weak map does not keep its keys alive.
  const given = look.types.isWeak(callee.object) ? node.arguments.slice(1) : node.arguments
  for (const argument of given) {
    const kept = keptBy(look, argument)
    if (kept === undefined || (kept !== 'closure' && !builtIn)) continue
    if (!outlives(look, name === 'assign' ? (node.arguments[0] ?? callee) : callee.object, node)) continue
    if (kept === 'closure' && (look.types.isStream(callee.object) || isTakenBack(look, node))) continue
    report(look, argument, kept)
  }
}

function report(look: Look, node: TSESTree.Node, kept: Kept): void {
  if (kept === 'closure') look.context.report({ node, messageId: 'kept' })
  else look.context.report({ node, messageId: kept })
}

/** Whether the function around it removes listeners again, or the call gets a signal. */
function isTakenBack(look: Look, call: TSESTree.CallExpression): boolean {
  const [outermost] = functionsAround(call).slice(-1)
  return allNodesIn(look.source, outermost ?? call).some(
    (node) =>
      takingBack.has(memberName(node) ?? '') ||
      (node.type === Type.MemberExpression &&
        memberName(node) === 'signal' &&
        isInside(node, call) &&
        look.types.isContext(node.object)),
  )
}

function closures(look: Look, fn: FunctionNode): void {
  const living = survivors(fn, look.source)
  if (living.size === 0) return
  for (const scope of scopesOf(look, fn)) {
    for (const variable of scope.variables) {
      const [name] = variable.identifiers
      if (name === undefined || look.types.isLifetime(name) || isOfLifetime(look, variable)) continue
      const [kept] = variable.references.filter(
        ({ identifier, init }) =>
          init !== true && Array.from(living).some((inner) => inner !== fn && isInside(identifier, inner)),
      )
      if (kept === undefined || !look.types.isContext(name)) continue
      look.context.report({ node: kept.identifier, messageId: 'closure', data: { name: name.name } })
    }
  }
}

/** `const working = withCancel(serving)`: it ends by its `cancel`, at the latest with the Lifetime that it descends from. */
function isOfLifetime(look: Look, { defs: [def] }: TSESLint.Scope.Variable): boolean {
  if (def?.node.type !== Type.VariableDeclarator || def.node.init?.type !== Type.CallExpression) return false
  const [parent] = def.node.init.arguments
  const derived = look.types.contextFunction(def.node.init) === 'withCancel'
  return derived && parent !== undefined && look.types.isLifetime(parent)
}

/** The scopes of the function's body and its blocks, without the scopes of functions that outlive the call. */
function scopesOf(look: Look, fn: FunctionNode): TSESLint.Scope.Scope[] {
  const own = look.source.scopeManager?.acquire(fn, true)
  if (!own) return []
  const found: TSESLint.Scope.Scope[] = []
  const open = [own]
  for (const scope of open) {
    found.push(scope)
    open.push(...scope.childScopes.filter(({ type }) => type !== TSESLint.Scope.ScopeType.function))
  }
  return found
}

function isBuiltIn(file: string | undefined): boolean {
  return file !== undefined && /[\\/]typescript[\\/]lib[\\/]lib\./.test(file)
}
