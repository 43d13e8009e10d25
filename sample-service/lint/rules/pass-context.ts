import { AST_NODE_TYPES as Type, TSESLint, type TSESTree } from '@typescript-eslint/utils'
import type { Call } from '../context-types.ts'
import { lifetimes } from '../lifetimes.ts'
import { bare, functionsAround, hasReason, isInside } from '../nodes.ts'
import { rule } from '../rule.ts'
import { contextVariables, isParameter } from '../variables.ts'

/** Questions about a context, which may be asked of any: what they are told of is not done under it. */
const questions = new Set(['cause', 'liveContexts'])

/** Work hangs from the context nearest to it; else its trace breaks, or it outlives what it was for. Go: contextcheck. */
export const passContext = rule({
  description: 'a callee that takes a context gets the nearest one',
  messages: {
    older: 'Pass `{{nearest}}` instead of `{{name}}`: it is nearer, and ends with this work.',
    offered:
      '`{{name}}` is an outer context. Take the one that this function is called with: write `ctx` as its parameter.',
    foreign:
      'Pass `{{nearest}}`, or a context derived from it, instead of one that this work does not hang from.',
    lifetime:
      '`{{parameter}}` outlives this call. Pass one that does too (lint/lifetimes.ts) instead of `{{name}}`.',
    detached:
      'withoutCancel lets work outlive its caller. Say in a comment above why it must, and who ends it; or pass `ctx` instead.',
    pass: 'Pass {{nearest}}.',
  },
  create(context, types) {
    const { sourceCode } = context
    const contexts = contextVariables(sourceCode, types)

    function check(node: Call): void {
      const called = types.contextFunction(node)
      if (called === 'withoutCancel' && !hasReason(sourceCode, node))
        context.report({ node, messageId: 'detached' })
      if (called !== undefined && questions.has(called)) return
      for (const [index, parameter] of types.parameters(node).entries()) {
        const argument = node.arguments[index]
        if (argument === undefined || argument.type === Type.SpreadElement) return
        if (parameter.isContext && types.isContext(argument)) checkArgument(argument, parameter.name)
      }
    }

    function checkArgument(given: TSESTree.Node, parameter: string): void {
      const argument = bare(given)
      switch (argument.type) {
        case Type.LogicalExpression:
          checkArgument(argument.left, parameter)
          checkArgument(argument.right, parameter)
          return
        case Type.ConditionalExpression:
          checkArgument(argument.consequent, parameter)
          checkArgument(argument.alternate, parameter)
          return
        case Type.CallExpression:
          // What it is given in turn is looked at by itself.
          if (!types.parameters(argument).some(({ isContext }) => isContext)) checkForeign(argument)
          return
        case Type.Identifier:
          if (lifetimes.has(parameter)) checkLifetime(argument, parameter)
          else checkName(argument)
          return
        default:
          checkForeign(argument)
      }
    }

    function checkLifetime(argument: TSESTree.Identifier, parameter: string): void {
      if (lifetimes.has(argument.name)) return
      context.report({ node: argument, messageId: 'lifetime', data: { parameter, name: argument.name } })
    }

    function checkName(argument: TSESTree.Identifier): void {
      const variable = contexts.variableOf(argument)
      const [declared] = variable?.identifiers ?? []
      if (variable === undefined || declared === undefined) return
      const visible = contexts.visibleAt(argument).filter((other) => other !== variable)
      const [home] = functionsAround(declared)
      const own = ownerOf(variable) ?? home
      const nearer = visible.find((other) => {
        const owner = ownerOf(other)
        const deeper = owner !== own && owner !== undefined && (own === undefined || isInside(owner, own))
        return deeper || contexts.derives(other, variable)
      })
      if (nearer !== undefined) {
        report(argument, 'older', nearer)
        return
      }

      for (const fn of functionsAround(argument)) {
        if (fn === own) break
        if (fn.type === Type.FunctionDeclaration || !types.ignoresContext(fn)) continue
        context.report({ node: argument, messageId: 'offered', data: { name: argument.name } })
        return
      }
      const [parameter] = visible.filter((other) => isParameter(other) && !contexts.derives(variable, other))
      if (parameter !== undefined && !contexts.isDerived(variable)) report(argument, 'foreign', parameter)
    }

    function checkForeign(node: TSESTree.Node): void {
      const [nearest] = contexts.visibleAt(node)
      if (nearest !== undefined) report(node, 'foreign', nearest)
    }

    function report(node: TSESTree.Node, messageId: 'older' | 'foreign', by: TSESLint.Scope.Variable): void {
      const data = { nearest: by.name, name: sourceCode.getText(node) }
      const fix: TSESLint.ReportFixFunction = (fixer) => fixer.replaceText(node, by.name)
      context.report({ node, messageId, data, suggest: [{ messageId: 'pass', data, fix }] })
    }

    return { CallExpression: check, NewExpression: check }
  },
})

/** The function whose call the variable belongs to. */
function ownerOf(variable: TSESLint.Scope.Variable): TSESTree.Node | undefined {
  const { block } = variable.scope.variableScope
  return block.type === Type.Program ? undefined : block
}
