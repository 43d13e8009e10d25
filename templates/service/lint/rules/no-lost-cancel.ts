import { AST_NODE_TYPES as Type, type TSESTree } from '@typescript-eslint/utils'
import type { Call } from '../context-types.ts'
import { endedBefore } from '../early-return.ts'
import { endsInFinally, handedOn, isCall, lostAt, mayEnd } from '../fates.ts'
import { unwaited } from '../group-wait.ts'
import { functionsAround, memberName } from '../nodes.ts'
import { rule, type RuleLook } from '../rule.ts'

type Look = RuleLook<'lost' | 'path' | 'wait' | 'late' | 'typed' | 'early' | 'race' | 'use'>

/**
 * The function that derives a context or makes a group ends it: it binds it with `using`, ends it in a `finally` or before
 * anything can fail, or hands it on (returns it, or puts its end into a callback). Go: vet's lostcancel.
 */
export const noLostCancel = rule({
  description: 'a function that derives a context or makes a group ends it on every path',
  messages: {
    lost: 'Nobody ends this, so it stays in its parent. Write `using ctx = …` instead.',
    path: 'This path does not end `{{name}}`. Write `using {{name}} = …` instead, or end it in a `finally`.',
    wait: 'Nobody waits for the work of `{{name}}`: it is cancelled at the end of the block, and its failures are lost. Write `await {{name}}.wait()` after the last `go`.',
    late: 'The group `{{name}}` is over after its `wait`. Give it this work before, or make another group.',
    typed:
      'The caller cannot end this. Let the function return a CancelContext, and bind it with `using` where it is called.',
    early:
      '`{{name}}` ends with this block, before what is returned has settled: its work is cancelled at once. Write `return await …` in an async function, or use the `ctx` of the caller for what is read later.',
    race: 'Each call of this leaves a callback in `{{name}}` until `{{name}}` ends. Write `using stopped = ended({{name}})` and race that, or `await until({{name}}, promise)`.',
    use: 'Bind it with `using`.',
  },
  create(look) {
    return {
      CallExpression: (node) => check(look, node),
      NewExpression: (node) => check(look, node),
      AwaitExpression: (node) => check(look, node),
      ReturnStatement: (node) => checkReturn(look, node),
      'CallExpression[callee.name="ended"]': (node) => checkRace(look, node),
    }
  },
})

function check(look: Look, node: Call | TSESTree.AwaitExpression): void {
  if (!look.types.mustBeEnded(node) || isOfStack(look, node) || isCallOf(look, node, 'testContext')) return
  const value = outermost(node)
  const { parent } = value
  if (parent?.type === Type.VariableDeclarator && parent.id.type === Type.Identifier) {
    if (isCallOf(look, node, 'group')) checkWait(look, parent)
    checkBinding(look, node, parent)
  } else if (isReturned(value)) checkType(look, value)
  else if (!isTakenOver(look, value)) look.context.report({ node, messageId: 'lost' })
}

function isCallOf(look: Look, node: Call | TSESTree.AwaitExpression, name: string): boolean {
  return node.type !== Type.AwaitExpression && look.types.contextFunction(node) === name
}

/** The whole expression that has the value of `node`: `node ?? other`, `(node as T)`. */
function outermost(node: TSESTree.Node): TSESTree.Node {
  let value = node
  while (carries(value.parent, value)) value = value.parent
  return value
}

function isReturned(value: TSESTree.Node): boolean {
  const { parent } = value
  if (parent?.type === Type.ArrowFunctionExpression) return parent.body === value
  return parent?.type === Type.ReturnStatement
}

/**
 * Whether something else ends the value: a callee, or the variable to which it is assigned. An awaited value is checked
 * separately.
 */
function isTakenOver(look: Look, value: TSESTree.Node): boolean {
  const { parent } = value
  if (parent === undefined || parent.type === Type.AwaitExpression) return true
  if (isCall(parent)) return isOfStack(look, parent) || mayEnd(look, parent, value)
  if (parent.type !== Type.AssignmentExpression || parent.left.type !== Type.Identifier) return false
  const variable = look.contexts.variableOf(parent.left)
  return variable !== undefined && (endsInFinally(variable) || handedOn(look, variable))
}

/** Reports a variable, bound without `using`, that a path leaves open. */
function checkBinding(look: Look, node: TSESTree.Node, declarator: TSESTree.VariableDeclarator): void {
  const declaration = declarator.parent
  if (declaration.kind === 'using' || declaration.kind === 'await using') return
  const [variable] = look.source.getDeclaredVariables(declarator)
  const lost = variable && lostAt(look, variable, declaration)
  if (variable === undefined || lost === undefined) return
  const first = look.source.getFirstToken(declaration)
  const bindable = declaration.declarations.length === 1 && first !== null && !handedOn(look, variable)
  look.context.report({
    node: lost === 'never' ? node : lost,
    messageId: lost === 'never' ? 'lost' : 'path',
    data: { name: variable.name },
    suggest: bindable ? [{ messageId: 'use', fix: (fixer) => fixer.replaceText(first, 'using') }] : [],
  })
}

/** Reports a CancelContext that is returned as a Context: the caller could not end it. */
function checkType(look: Look, value: TSESTree.Node): void {
  const [fn] = functionsAround(value)
  const type = fn?.returnType?.typeAnnotation
  if (
    type === undefined ||
    !look.types.isContext(type) ||
    look.types.isLifetime(type) ||
    look.types.mustBeEnded(type)
  )
    return
  look.context.report({ node: value, messageId: 'typed' })
}

function checkWait(look: Look, declarator: TSESTree.VariableDeclarator): void {
  const found = unwaited(look.source, declarator)
  if (found !== undefined)
    look.context.report({ ...found, data: { name: look.source.getText(declarator.id) } })
}

function checkReturn(look: Look, node: TSESTree.ReturnStatement): void {
  const variable = endedBefore(look, node)
  if (variable !== undefined) look.context.report({ node, messageId: 'early', data: { name: variable.name } })
}

/** Whether it is put into a stack, which ends it. */
function isOfStack(look: Look, node: Call | TSESTree.AwaitExpression): boolean {
  if (node.type !== Type.CallExpression || !/^(?:use|adopt)$/.test(memberName(node.callee) ?? ''))
    return false
  return /lib\.esnext\.disposable\.d\.ts$|[\\/]@types[\\/]node[\\/]/.test(
    look.types.declarationOf(node)?.file ?? '',
  )
}

/** Reports an `ended(ctx)` that is raced: when it loses, its callback stays in ctx. */
function checkRace(look: Look, node: TSESTree.CallExpression): void {
  if (look.types.contextFunction(node) !== 'ended') return
  const [given] = node.arguments
  if (given === undefined || endsWithBlock(look, given)) return
  const { parent } = node
  const raced =
    parent.type === Type.VariableDeclarator && parent.parent.kind !== 'using'
      ? look.source
          .getDeclaredVariables(parent)
          .some(({ references }) => references.some(({ identifier }) => isRaced(identifier)))
      : isRaced(node)
  if (raced) look.context.report({ node, messageId: 'race', data: { name: look.source.getText(given) } })
}

function endsWithBlock(look: Look, given: TSESTree.Node): boolean {
  if (given.type !== Type.Identifier) return false
  const def = look.contexts.variableOf(given)?.defs[0]
  return def?.parent?.type === Type.VariableDeclaration && def.parent.kind === 'using'
}

/** Whether it is an element of the array that `Promise.race` or `any` gets. */
function isRaced({ parent }: TSESTree.Node): boolean {
  if (parent?.type !== Type.ArrayExpression || parent.parent.type !== Type.CallExpression) return false
  return /^(?:race|any)$/.test(memberName(parent.parent.callee) ?? '')
}

/** Whether `parent` has `value` as its own value. */
function carries(
  parent: TSESTree.Node | undefined,
  value: TSESTree.Node,
): parent is TSESTree.ConditionalExpression | TSESTree.LogicalExpression | TSESTree.TSAsExpression {
  switch (parent?.type) {
    case Type.ConditionalExpression:
      return parent.test !== value
    case Type.LogicalExpression:
    case Type.TSAsExpression:
    case Type.TSNonNullExpression:
    case Type.TSSatisfiesExpression:
    case Type.ChainExpression:
      return true
    default:
      return false
  }
}
