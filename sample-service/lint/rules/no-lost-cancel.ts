import { AST_NODE_TYPES as Type, type TSESTree } from '@typescript-eslint/utils'
import type { Call } from '../context-types.ts'
import { earlyReturn } from '../early-return.ts'
import { fates, isCall } from '../fates.ts'
import { unwaited } from '../group-wait.ts'
import { functionsAround } from '../nodes.ts'
import { rule } from '../rule.ts'
import { contextVariables } from '../variables.ts'

/**
 * The function that derives a context or makes a group ends it: it binds it with `using`, ends it in a `finally` or before
 * anything can fail, or hands it on (returns it, or puts its end into a callback). Go: vet's lostcancel.
 */
export const noLostCancel = rule({
  description: 'a function that derives a context or makes a group ends it on every path',
  messages: {
    lost: 'Nobody ends this, so it stays in its parent. Write `using ctx = …` instead.',
    path: 'This path does not end `{{name}}`. Write `using {{name}} = …` instead, or end it in a `finally`.',
    wait: 'Nobody waits for the work of `{{name}}`: it is cancelled at the end of the block, and its failures are lost. Write `await {{name}}.wait()` behind the last `go`.',
    late: 'The group `{{name}}` is over after its `wait`. Give it this work before, or make another group.',
    typed:
      'The caller cannot end this. Let the function return a CancelContext, and bind it with `using` where it is called.',
    early:
      '`{{name}}` ends with this block, before what is returned has settled: its work is cancelled at once. Write `return await …` in an async function, or use the `ctx` of the caller for what is read later.',
    race: 'Each call of this leaves a callback in `{{name}}` until `{{name}}` ends. Write `using stopped = ended({{name}})` and race that, or `await until({{name}}, promise)`.',
    use: 'Bind it with `using`.',
  },
  create(context, types) {
    const { sourceCode } = context
    const contexts = contextVariables(sourceCode, types)
    const fate = fates(sourceCode, types)
    const endedBefore = earlyReturn(sourceCode, types, contexts)

    function check(node: Call | TSESTree.AwaitExpression): void {
      if (!types.mustBeEnded(node) || isOfStack(node)) return
      if (node.type !== Type.AwaitExpression && types.contextFunction(node) === 'testContext') return
      let value: TSESTree.Node = node
      while (carries(value.parent, value)) value = value.parent
      const { parent } = value
      if (parent.type === Type.AwaitExpression) return
      if (
        parent.type === Type.ReturnStatement ||
        (parent.type === Type.ArrowFunctionExpression && parent.body === value)
      ) {
        checkType(value)
        return
      }
      if (isCall(parent) && (isOfStack(parent) || fate.mayEnd(parent, value))) return
      if (parent.type === Type.VariableDeclarator && parent.id.type === Type.Identifier) {
        const declaration = parent.parent
        if (node.type !== Type.AwaitExpression && types.contextFunction(node) === 'group') checkWait(parent)
        if (declaration.kind === 'using' || declaration.kind === 'await using') return
        const [variable] = sourceCode.getDeclaredVariables(parent)
        if (variable === undefined) return
        const lost = fate.lostAt(variable, declaration)
        if (lost === undefined) return
        const first = sourceCode.getFirstToken(declaration)
        const bindable = declaration.declarations.length === 1 && first !== null && !fate.handedOn(variable)
        context.report({
          node: lost === 'never' ? node : lost,
          messageId: lost === 'never' ? 'lost' : 'path',
          data: { name: variable.name },
          suggest: bindable ? [{ messageId: 'use', fix: (fixer) => fixer.replaceText(first, 'using') }] : [],
        })
        return
      }
      if (parent.type === Type.AssignmentExpression && parent.left.type === Type.Identifier) {
        const { left } = parent
        const variable = contexts.variableOf(left)
        if (variable !== undefined && (fate.endsInFinally(variable) || fate.handedOn(variable))) return
      }
      context.report({ node, messageId: 'lost' })
    }

    /** Reports a CancelContext that is returned as a Context: the caller could not end it. */
    function checkType(value: TSESTree.Node): void {
      const [fn] = functionsAround(value)
      const type = fn?.returnType?.typeAnnotation
      if (type === undefined || !types.isContext(type) || types.isLifetime(type) || types.mustBeEnded(type))
        return
      context.report({ node: value, messageId: 'typed' })
    }

    function checkWait(declarator: TSESTree.VariableDeclarator): void {
      const found = unwaited(sourceCode, declarator)
      if (found !== undefined) context.report({ ...found, data: { name: sourceCode.getText(declarator.id) } })
    }

    function checkReturn(node: TSESTree.ReturnStatement): void {
      const variable = endedBefore(node)
      if (variable !== undefined) context.report({ node, messageId: 'early', data: { name: variable.name } })
    }

    /** Whether it is put into a stack, which ends it. */
    function isOfStack(node: Call | TSESTree.AwaitExpression): boolean {
      if (node.type !== Type.CallExpression || node.callee.type !== Type.MemberExpression) return false
      const { property } = node.callee
      if (property.type !== Type.Identifier || !/^(?:use|adopt)$/.test(property.name)) return false
      return /lib\.esnext\.disposable\.d\.ts$|[\\/]@types[\\/]node[\\/]/.test(
        types.declarationOf(node)?.file ?? '',
      )
    }

    /** Reports an `ended(ctx)` that is raced: when it loses, its callback stays in ctx. */
    function checkRace(node: TSESTree.CallExpression): void {
      if (types.contextFunction(node) !== 'ended') return
      const [given] = node.arguments
      if (given === undefined || endsWithBlock(given)) return
      const { parent } = node
      const raced =
        parent.type === Type.VariableDeclarator && parent.parent.kind !== 'using'
          ? sourceCode
              .getDeclaredVariables(parent)
              .some(({ references }) => references.some(({ identifier }) => isRaced(identifier)))
          : isRaced(node)
      if (raced) context.report({ node, messageId: 'race', data: { name: sourceCode.getText(given) } })
    }

    function endsWithBlock(given: TSESTree.Node): boolean {
      if (given.type !== Type.Identifier) return false
      const def = contexts.variableOf(given)?.defs[0]
      return def?.parent?.type === Type.VariableDeclaration && def.parent.kind === 'using'
    }

    return {
      CallExpression: check,
      NewExpression: check,
      AwaitExpression: check,
      ReturnStatement: checkReturn,
      'CallExpression[callee.name="ended"]': checkRace,
    }
  },
})

/** Whether it is an element of the array that `Promise.race` or `any` gets. */
function isRaced({ parent }: TSESTree.Node): boolean {
  if (parent?.type !== Type.ArrayExpression || parent.parent.type !== Type.CallExpression) return false
  const { callee } = parent.parent
  return (
    callee.type === Type.MemberExpression &&
    callee.property.type === Type.Identifier &&
    /^(?:race|any)$/.test(callee.property.name)
  )
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
