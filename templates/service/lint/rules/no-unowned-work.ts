import { AST_NODE_TYPES as Type, TSESLint, type TSESTree } from '@typescript-eslint/utils'
import { allNodesIn, functionsAround, hasReason, isFunction, memberName } from '../nodes.ts'
import { rule, type RuleLook } from '../rule.ts'

type Look = RuleLook<'void' | 'handled' | 'left' | 'unread' | 'await'>

/**
 * All work must be awaited. typescript-eslint's no-floating-promises finds promises whose failure is not handled; this rule finds
 * promises that are dropped with `void`, and promises whose failure is handled but whose end is not awaited.
 */
export const noUnownedWork = rule({
  description: 'a promise is awaited or given to a group',
  messages: {
    void: 'Nobody waits for this work. Await it, or give it to a group: `workers.go((ctx) => …)`.',
    handled:
      'Its failure is handled, but nobody waits for this work. Await it, give it to a group, or say in a comment above why nothing needs to wait.',
    left: 'When one of these fails or settles first, nobody waits for the others, and nothing ends them. Give them to a group (`workers.go((ctx) => …)`, `await workers.wait()`), or wait for all: Promise.allSettled.',
    unread:
      'Nobody looks at these failures, and the end of ctx may be one. Read the results, or give the work to a group.',
    await: 'Await it.',
  },
  create(look) {
    return {
      'CallExpression[callee.object.name="Promise"][callee.property.name=/^(?:all|race|any)$/]'(
        node: TSESTree.CallExpression,
      ) {
        const parts = partsOf(look, node.arguments[0])
        if (parts.some((one) => isEnd(look, one))) return
        const work = parts.filter((part) => part !== null && isWork(look, part)).length
        const all = memberName(node.callee) === 'all'
        if (work >= (all ? 2 : 1)) look.context.report({ node: node.callee, messageId: 'left' })
      },
      'ExpressionStatement > AwaitExpression > CallExpression[callee.object.name="Promise"][callee.property.name="allSettled"]'(
        node: TSESTree.CallExpression,
      ) {
        const [given] = node.arguments
        // A promise with a name may be awaited elsewhere.
        if (given?.type !== Type.CallExpression || !isWork(look, given) || handles(look, given)) return
        look.context.report({ node: node.callee, messageId: 'unread' })
      },
      UnaryExpression(node) {
        if (node.operator !== 'void' || !look.types.isPromise(node.argument)) return
        const operator = look.source.getFirstToken(node)
        const awaitable = operator !== null && node.parent.type === Type.ExpressionStatement && inAsync(node)
        look.context.report({
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
        if (!/^(?:then|catch|finally)$/.test(memberName(expression.callee) ?? '')) return
        if (!look.types.isPromise(expression.callee.object) || hasReason(look.source, node)) return
        look.context.report({ node, messageId: 'handled' })
      },
    }
  },
})

function inAsync(node: TSESTree.Node): boolean {
  const [fn] = functionsAround(node)
  return fn === undefined || fn.async
}

/** Whether it starts work under a context of a call: it is a call that gets one, or a map whose callback makes such a call. */
function isWork(look: Look, node: TSESTree.Node, seen = new Set<TSESTree.Node>()): boolean {
  return allNodesIn(look.source, node).some((below) => {
    if (below.type === Type.Identifier) {
      const value = valueOf(look, below)
      if (value === undefined || seen.has(value)) return false
      seen.add(value)
      return isWork(look, value, seen)
    }
    return (
      below.type === Type.CallExpression &&
      look.types.contextFunction(below) !== 'ended' &&
      below.arguments.some((one) => isUnderCall(look, one)) &&
      look.types.isPromise(below)
    )
  })
}

/** The value of a constant that holds a promise or a function. */
function valueOf(look: Look, name: TSESTree.Identifier): TSESTree.Node | undefined {
  const def = look.contexts.variableOf(name)?.defs[0]
  if (def === undefined || def.type === TSESLint.Scope.DefinitionType.Parameter) return undefined
  const { node } = def
  const value = node.type === Type.VariableDeclarator && node.id.type === Type.Identifier ? node.init : node
  if (!value) return undefined
  return isFunction(value) || (value.type === Type.CallExpression && look.types.isPromise(value))
    ? value
    : undefined
}

/** Whether it handles its own failures. */
function handles(look: Look, node: TSESTree.Node): boolean {
  return allNodesIn(look.source, node).some(
    (below) => below.type === Type.TryStatement || memberName(below) === 'catch',
  )
}

/** A context of a call, or options with the signal of one. */
function isUnderCall(look: Look, given: TSESTree.Node): boolean {
  if (given.type === Type.ObjectExpression) {
    return given.properties.some(
      (one) =>
        one.type === Type.Property &&
        one.value.type === Type.MemberExpression &&
        memberName(one.value) === 'signal' &&
        look.types.isContext(one.value.object),
    )
  }
  return look.types.isContext(given) && !look.types.isLifetime(given)
}

/** The promises that are awaited together, as written: the elements of an array, or the result of a map. */
function partsOf(look: Look, given: TSESTree.Node | undefined): readonly (TSESTree.Node | null)[] {
  switch (given?.type) {
    case Type.ArrayExpression:
      return given.elements.flatMap((one) =>
        one?.type === Type.SpreadElement ? partsOf(look, one.argument) : one,
      )
    case Type.CallExpression: {
      const many = given.callee.type === Type.MemberExpression && isWork(look, given)
      return many ? [given, given] : []
    }
    case Type.Identifier:
      return collected(look, given)
    default:
      return []
  }
}

/** The elements of the array in a variable, and the elements pushed into it. */
function collected(look: Look, name: TSESTree.Identifier): readonly (TSESTree.Node | null)[] {
  const variable = look.contexts.variableOf(name)
  if (variable?.defs[0]?.type !== TSESLint.Scope.DefinitionType.Variable) return []
  return variable.references.flatMap(({ identifier, writeExpr }) => {
    if (writeExpr && writeExpr !== name) return partsOf(look, writeExpr)
    const call = identifier.parent.parent
    const pushes =
      memberName(identifier.parent) === 'push' &&
      call?.type === Type.CallExpression &&
      call.callee === identifier.parent
    // Probably pushed in a loop, so it counts as more than one.
    return pushes ? [...call.arguments, ...call.arguments] : []
  })
}

/** The end of a context. If it wins a race, no work is left behind. */
function isEnd(look: Look, node: TSESTree.Node | null): boolean {
  if (node?.type === Type.CallExpression) return look.types.contextFunction(node) === 'ended'
  return node?.type === Type.Identifier && node.name !== 'undefined' && look.types.isDisposable(node)
}
