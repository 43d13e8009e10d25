import { AST_NODE_TYPES as Type, TSESLint, type TSESTree } from '@typescript-eslint/utils'
import type { Call } from '../context-types.ts'
import {
  ancestors,
  bare,
  functionsAround,
  hasReason,
  isFunction,
  isInside,
  walk,
  type FunctionNode,
} from '../nodes.ts'
import { rule } from '../rule.ts'
import { contextVariables, isParameter } from '../variables.ts'

/** Questions about a context, which may be asked of any: what they are told of is not done under it. */
const questions = new Set(['cause', 'ended', 'liveContexts', 'throwIfEnded'])

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
      '`{{parameter}}` outlives this call. Pass a `Lifetime` instead of `{{name}}`: the root, or the server context.',
    detached:
      'withoutCancel lets work outlive its caller. Say in a comment above why it must, and who ends it; or pass `ctx` instead.',
    closure:
      '`{{fn}}` works under `{{name}}`, which is an outer context here. Let it take `ctx: Context`, and pass `{{nearest}}`.',
    claimed: '`{{name}}` is no Lifetime: it was made from the context of a call, and ends with that.',
    pass: 'Pass {{nearest}}.',
  },
  create(context, types) {
    const { sourceCode } = context
    const contexts = contextVariables(sourceCode, types)

    function check(node: Call): void {
      const called = types.contextFunction(node)
      if (called === 'withoutCancel' && !hasReason(sourceCode, node) && !isBounded(node))
        context.report({ node, messageId: 'detached' })
      if (called !== undefined && questions.has(called)) return
      for (const [index, parameter] of types.parameters(node).entries()) {
        const argument = node.arguments[index]
        if (argument === undefined || argument.type === Type.SpreadElement) return
        if (!parameter.isContext || !types.isContext(argument)) continue
        if (!parameter.isLifetime) checkArgument(argument)
        else if (!types.isLifetime(argument)) reportLifetime(argument, parameter.name)
      }
    }

    /** `using ctx = withTimeout(withoutCancel(parent), ms)`: it has a deadline, and someone who ends it. */
    function isBounded({ parent }: TSESTree.Node): boolean {
      if (parent?.type !== Type.CallExpression || parent.parent.type !== Type.VariableDeclarator) return false
      const { kind } = parent.parent.parent
      return kind === 'using' && /^with(?:Timeout|Deadline)$/.test(types.contextFunction(parent) ?? '')
    }

    function checkArgument(given: TSESTree.Node): void {
      const argument = bare(given)
      switch (argument.type) {
        case Type.LogicalExpression:
          checkArgument(argument.left)
          checkArgument(argument.right)
          return
        case Type.ConditionalExpression:
          checkArgument(argument.consequent)
          checkArgument(argument.alternate)
          return
        case Type.CallExpression:
          // What it is given in turn is looked at by itself.
          if (!types.parameters(argument).some(({ isContext }) => isContext)) checkForeign(argument)
          return
        case Type.Identifier:
          checkName(argument)
          return
        default:
          checkForeign(argument)
      }
    }

    function reportLifetime(node: TSESTree.Node, parameter: string): void {
      context.report({ node, messageId: 'lifetime', data: { parameter, name: sourceCode.getText(node) } })
    }

    function checkName(argument: TSESTree.Identifier): void {
      const variable = contexts.variableOf(argument)
      const [declared] = variable?.identifiers ?? []
      if (variable === undefined || declared === undefined) return
      const visible = contexts.visibleAt(argument).filter((other) => other !== variable)
      const own = homeOf(variable)
      const nearer = nearerThan(variable, argument)
      if (nearer !== undefined) {
        if (isAttempted(nearer, argument)) return
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

    function homeOf(variable: TSESLint.Scope.Variable): TSESTree.Node | undefined {
      const [declared] = variable.identifiers
      return ownerOf(variable) ?? (declared && Array.from(functionsAround(declared))[0])
    }

    /** A context that can be named at `node`, and that work there should hang from rather than from `variable`. */
    function nearerThan(
      variable: TSESLint.Scope.Variable,
      node: TSESTree.Node,
    ): TSESLint.Scope.Variable | undefined {
      const own = homeOf(variable)
      return contexts.visibleAt(node).find((other) => {
        if (other === variable) return false
        const owner = ownerOf(other)
        const deeper = owner !== own && owner !== undefined && (own === undefined || isInside(owner, own))
        return deeper || contexts.derives(other, variable)
      })
    }

    /**
     * Whether `node` comes when an attempt under `nearer` has failed, or may have: in the handler of it or behind, or
     * where `nearer` was asked. What is done then hangs from the outer context, for the nearer one may be over.
     */
    function isAttempted(nearer: TSESLint.Scope.Variable, node: TSESTree.Node): boolean {
      return nearer.references.some(({ identifier }) => {
        if (identifier.range[1] > node.range[0]) return false
        const { parent } = identifier
        if (
          parent.type === Type.MemberExpression &&
          parent.property.type === Type.Identifier &&
          /^(?:err|cancel)$/.test(parent.property.name)
        )
          return true
        for (const at of ancestors(identifier)) {
          if (at.type === Type.CallExpression && isQuestion(at)) return true
          if (at.type === Type.CallExpression && isCaught(at, identifier)) return true
          if (at.parent?.type === Type.TryStatement && at.parent.block === at && !isInside(node, at))
            return true
        }
        return false
      })
    }

    function isQuestion(call: TSESTree.CallExpression): boolean {
      return questions.has(types.contextFunction(call) ?? '')
    }

    /** A function of this file, by its name, that works under a context of its surroundings. */
    function closureOf(
      name: TSESTree.Node,
    ): { fn: FunctionNode; outer: TSESLint.Scope.Variable } | undefined {
      if (name.type !== Type.Identifier) return undefined
      const def = contexts.variableOf(name)?.defs[0]
      if (def === undefined || def.type === TSESLint.Scope.DefinitionType.Parameter) return undefined
      const fn = def.node.type === Type.VariableDeclarator ? def.node.init : def.node
      if (!fn || !isFunction(fn) || fn.params.some((parameter) => types.isContext(parameter)))
        return undefined
      for (const below of walk(fn.body, sourceCode.visitorKeys)) {
        if (below.type !== Type.Identifier || below.parent.type !== Type.CallExpression) continue
        if (!below.parent.arguments.includes(below) || !types.isContext(below) || types.isLifetime(below))
          continue
        const outer = contexts.variableOf(below)
        const [declared] = outer?.identifiers ?? []
        if (outer !== undefined && declared !== undefined && !isInside(declared, fn)) return { fn, outer }
      }
      return undefined
    }

    function checkClosure(node: TSESTree.CallExpression): void {
      const called = closureOf(node.callee)
      if (called !== undefined) {
        for (const fn of functionsAround(node)) {
          if (fn === homeOf(called.outer)) break
          if (fn.type === Type.FunctionDeclaration || !types.ignoresContext(fn)) continue
          context.report({ node: node.callee, messageId: 'offered', data: { name: called.outer.name } })
          return
        }
        const nearest = nearerThan(called.outer, node)
        if (nearest !== undefined && !isAttempted(nearest, node)) {
          const data = { fn: sourceCode.getText(node.callee), name: called.outer.name, nearest: nearest.name }
          context.report({ node: node.callee, messageId: 'closure', data })
        }
      }
      for (const argument of node.arguments) {
        if (argument.type !== Type.Identifier) continue
        const given = closureOf(argument)
        if (given === undefined || !types.ignoresContext(argument)) continue
        context.report({ node: argument, messageId: 'offered', data: { name: given.outer.name } })
      }
    }

    /** `const { signal } = ctx`, used where another context is nearer or is offered. */
    function checkSignal(node: TSESTree.VariableDeclarator): void {
      const { init } = node
      if (init?.type !== Type.Identifier || node.id.type !== Type.ObjectPattern || !types.isContext(init))
        return
      const outer = contexts.variableOf(init)
      if (outer === undefined) return
      for (const { identifier, init: first } of sourceCode
        .getDeclaredVariables(node)
        .flatMap((v) => v.references)) {
        if (first === true || identifier.type !== Type.Identifier) continue
        const nearest = nearerThan(outer, identifier)
        const data = { name: `${outer.name}.signal`, nearest: `${nearest?.name ?? ''}.signal` }
        if (nearest !== undefined) {
          if (!isAttempted(nearest, identifier))
            context.report({ node: identifier, messageId: 'older', data })
          continue
        }
        const [around] = functionsAround(identifier)
        if (
          around !== undefined &&
          around !== homeOf(outer) &&
          around.type !== Type.FunctionDeclaration &&
          types.ignoresContext(around)
        )
          context.report({ node: identifier, messageId: 'offered', data })
      }
    }

    /** `const server: Lifetime = withCancel(ctx)`, or `ctx as Lifetime`. */
    function checkClaim(node: TSESTree.Node, value: TSESTree.Node): void {
      const claimed = contexts.restsOn(
        value,
        (part) =>
          part.type === Type.Identifier &&
          types.isContext(part) &&
          !types.isLifetime(part) &&
          !isDetached(part),
      )
      if (claimed && !types.isLifetime(value))
        context.report({ node, messageId: 'claimed', data: { name: sourceCode.getText(node) } })
    }

    function isDetached({ parent }: TSESTree.Node): boolean {
      return parent?.type === Type.CallExpression && types.contextFunction(parent) === 'withoutCancel'
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

    return {
      CallExpression(node) {
        check(node)
        checkClosure(node)
      },
      NewExpression: check,
      'MemberExpression[property.name="signal"] > Identifier.object'(node: TSESTree.Identifier) {
        if (types.isContext(node) && !isInContextCall(node)) checkName(node)
      },
      VariableDeclarator(node) {
        const { id, init } = node
        checkSignal(node)
        if (init && id.type === Type.Identifier && id.typeAnnotation && types.isLifetime(id))
          checkClaim(id, init)
      },
      TSAsExpression(node) {
        if (types.isLifetime(node) && types.isContext(node.expression)) checkClaim(node, node.expression)
      },
    }

    /** `withSignal(ctx, other.signal)` joins two ends: the other is meant to be another. */
    function isInContextCall({ parent }: TSESTree.Node): boolean {
      const call = parent?.parent
      return call?.type === Type.CallExpression && types.contextFunction(call) !== undefined
    }
  },
})

/** `work(ctx).catch(…)`, `Promise.allSettled([work(ctx)])`: it goes on behind a failure. */
function isCaught(call: TSESTree.CallExpression, inside: TSESTree.Node): boolean {
  const { callee } = call
  if (callee.type !== Type.MemberExpression || callee.property.type !== Type.Identifier) return false
  return (
    callee.property.name === 'allSettled' ||
    (callee.property.name === 'catch' && isInside(inside, callee.object))
  )
}

/** The function whose call the variable belongs to. */
function ownerOf(variable: TSESLint.Scope.Variable): TSESTree.Node | undefined {
  const { block } = variable.scope.variableScope
  return block.type === Type.Program ? undefined : block
}
