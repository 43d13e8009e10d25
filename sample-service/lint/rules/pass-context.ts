import { AST_NODE_TYPES as Type, type TSESLint, type TSESTree } from '@typescript-eslint/utils'
import { contextOfClosure, isOffered, isQuestion, nearerThan } from '../nearness.ts'
import type { Call } from '../context-types.ts'
import { bare, hasReason } from '../nodes.ts'
import { rule, type RuleLook } from '../rule.ts'
import { isParameter } from '../variables.ts'

type Look = RuleLook<
  'older' | 'offered' | 'foreign' | 'lifetime' | 'detached' | 'closure' | 'claimed' | 'pass'
>

/** A call gets the nearest context; with another, its work leaves the trace or outlives the caller. Go: contextcheck. */
export const passContext = rule({
  description: 'a callee that takes a context gets the nearest one',
  messages: {
    older: 'Pass `{{nearest}}` instead of `{{name}}`: it is nearer, and ends with this work.',
    offered:
      '`{{name}}` is an outer context. This function gets a nearer one: declare the parameter `ctx`, and use it.',
    foreign: 'Pass `{{nearest}}`, or a context derived from it: `{{name}}` does not belong to this work.',
    lifetime:
      '`{{parameter}}` outlives this call. Pass a `Lifetime` instead of `{{name}}`: the root, or the server context.',
    detached:
      'withoutCancel lets work outlive its caller. Say in a comment above why it must, and who ends it; or pass `ctx` instead.',
    closure:
      '`{{fn}}` uses `{{name}}`, which is an outer context here. Give it a parameter `ctx: Context`, and pass `{{nearest}}`.',
    claimed: '`{{name}}` is not a Lifetime: it is derived from the context of a call, and ends with it.',
    pass: 'Pass {{nearest}}.',
  },
  create(look) {
    return {
      CallExpression(node) {
        checkCall(look, node)
        checkClosures(look, node)
      },
      NewExpression: (node) => checkCall(look, node),
      'MemberExpression[property.name="signal"] > Identifier.object'(node: TSESTree.Identifier) {
        if (look.types.isContext(node) && !isInContextCall(look, node)) checkName(look, node)
      },
      VariableDeclarator(node) {
        const { id, init } = node
        checkSignal(look, node)
        if (init && id.type === Type.Identifier && id.typeAnnotation && look.types.isLifetime(id))
          checkClaim(look, id, init)
      },
      TSAsExpression(node) {
        if (look.types.isLifetime(node) && look.types.isContext(node.expression))
          checkClaim(look, node, node.expression)
      },
    }
  },
})

function checkCall(look: Look, node: Call): void {
  if (
    look.types.contextFunction(node) === 'withoutCancel' &&
    !hasReason(look.source, node) &&
    !isBounded(look, node)
  )
    look.context.report({ node, messageId: 'detached' })
  if (isQuestion(look, node)) return
  for (const [index, parameter] of look.types.parameters(node).entries()) {
    const argument = node.arguments[index]
    if (argument === undefined || argument.type === Type.SpreadElement) return
    if (!parameter.isContext || !look.types.isContext(argument)) continue
    if (!parameter.isLifetime) checkArgument(look, argument)
    else if (!look.types.isLifetime(argument)) {
      const data = { parameter: parameter.name, name: look.source.getText(argument) }
      look.context.report({ node: argument, messageId: 'lifetime', data })
    }
  }
}

/** `using ctx = withTimeout(withoutCancel(parent), ms)`: the deadline and `using` both end it. */
function isBounded(look: Look, { parent }: TSESTree.Node): boolean {
  if (parent?.type !== Type.CallExpression || parent.parent.type !== Type.VariableDeclarator) return false
  const { kind } = parent.parent.parent
  return kind === 'using' && /^with(?:Timeout|Deadline)$/.test(look.types.contextFunction(parent) ?? '')
}

function checkArgument(look: Look, given: TSESTree.Node): void {
  const argument = bare(given)
  switch (argument.type) {
    case Type.LogicalExpression:
      checkArgument(look, argument.left)
      checkArgument(look, argument.right)
      return
    case Type.ConditionalExpression:
      checkArgument(look, argument.consequent)
      checkArgument(look, argument.alternate)
      return
    case Type.CallExpression:
      // checkCall looks at the contexts that this call gets.
      if (!look.types.parameters(argument).some(({ isContext }) => isContext)) checkForeign(look, argument)
      return
    case Type.Identifier:
      checkName(look, argument)
      return
    default:
      checkForeign(look, argument)
  }
}

function checkName(look: Look, argument: TSESTree.Identifier): void {
  const variable = look.contexts.variableOf(argument)
  if (variable === undefined || variable.identifiers.length === 0) return
  const { nearest, isAttempted } = nearerThan(look, variable, argument)
  if (nearest !== undefined) {
    if (!isAttempted) report(look, argument, 'older', nearest)
  } else if (isOffered(look, variable, argument)) {
    look.context.report({ node: argument, messageId: 'offered', data: { name: argument.name } })
  } else if (!look.contexts.isDerived(variable)) {
    const visible = look.contexts.visibleAt(argument).filter((other) => other !== variable)
    const parameter = visible.find((other) => isParameter(other) && !look.contexts.derives(variable, other))
    if (parameter !== undefined) report(look, argument, 'foreign', parameter)
  }
}

/** Checks a call of a function that uses an outer context, and a call that gets such a function. */
function checkClosures(look: Look, { callee, arguments: given }: TSESTree.CallExpression): void {
  const outer = contextOfClosure(look, callee)
  if (outer !== undefined) checkClosure(look, callee, outer)
  for (const argument of given) {
    if (argument.type === Type.SpreadElement) continue
    const outer = contextOfClosure(look, argument)
    if (outer !== undefined && look.types.ignoresContext(argument))
      look.context.report({ node: argument, messageId: 'offered', data: { name: outer.name } })
  }
}

function checkClosure(look: Look, callee: TSESTree.Node, outer: TSESLint.Scope.Variable): void {
  const { name } = outer
  if (isOffered(look, outer, callee))
    look.context.report({ node: callee, messageId: 'offered', data: { name } })
  else {
    const { nearest, isAttempted } = nearerThan(look, outer, callee)
    if (nearest === undefined || isAttempted) return
    const data = { fn: look.source.getText(callee), name, nearest: nearest.name }
    look.context.report({ node: callee, messageId: 'closure', data })
  }
}

/** `const { signal } = ctx`, used where another context is nearer. */
function checkSignal(look: Look, node: TSESTree.VariableDeclarator): void {
  const { init } = node
  if (init?.type !== Type.Identifier || node.id.type !== Type.ObjectPattern || !look.types.isContext(init))
    return
  const outer = look.contexts.variableOf(init)
  if (outer === undefined) return
  const uses = look.source.getDeclaredVariables(node).flatMap(({ references }) => references)
  for (const { identifier, init: first } of uses) {
    if (first === true || identifier.type !== Type.Identifier) continue
    const { nearest, isAttempted } = nearerThan(look, outer, identifier)
    const data = { name: `${outer.name}.signal`, nearest: `${nearest?.name ?? ''}.signal` }
    if (nearest === undefined && isOffered(look, outer, identifier))
      look.context.report({ node: identifier, messageId: 'offered', data })
    if (nearest !== undefined && !isAttempted)
      look.context.report({ node: identifier, messageId: 'older', data })
  }
}

/** `const server: Lifetime = withCancel(ctx)`, or `ctx as Lifetime`. */
function checkClaim(look: Look, node: TSESTree.Node, value: TSESTree.Node): void {
  const isOfCall = (part: TSESTree.Node): boolean =>
    part.type === Type.Identifier &&
    look.types.isContext(part) &&
    !look.types.isLifetime(part) &&
    !isDetached(look, part)
  if (look.contexts.restsOn(value, isOfCall) && !look.types.isLifetime(value))
    look.context.report({ node, messageId: 'claimed', data: { name: look.source.getText(node) } })
}

function isDetached(look: Look, { parent }: TSESTree.Node): boolean {
  return parent?.type === Type.CallExpression && look.types.contextFunction(parent) === 'withoutCancel'
}

function checkForeign(look: Look, node: TSESTree.Node): void {
  const [nearest] = look.contexts.visibleAt(node)
  if (nearest !== undefined) report(look, node, 'foreign', nearest)
}

function report(
  look: Look,
  node: TSESTree.Node,
  messageId: 'older' | 'foreign',
  by: TSESLint.Scope.Variable,
): void {
  const data = { nearest: by.name, name: look.source.getText(node) }
  const fix: TSESLint.ReportFixFunction = (fixer) => fixer.replaceText(node, by.name)
  look.context.report({ node, messageId, data, suggest: [{ messageId: 'pass', data, fix }] })
}

/** `withSignal(ctx, other.signal)` joins two contexts, so neither is nearer. */
function isInContextCall(look: Look, { parent }: TSESTree.Node): boolean {
  const call = parent?.parent
  return call?.type === Type.CallExpression && look.types.contextFunction(call) !== undefined
}
