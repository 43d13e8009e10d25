import { AST_NODE_TYPES as Type, TSESLint, type TSESTree } from '@typescript-eslint/utils'
import { allNodesIn, isFunction, type FunctionNode } from '../nodes.ts'
import { rule, type RuleLook } from '../rule.ts'

type Look = RuleLook<'first' | 'name' | 'parent' | 'optional' | 'rename' | 'require'>

type Signature =
  | FunctionNode
  | TSESTree.TSDeclareFunction
  | TSESTree.TSEmptyBodyFunctionExpression
  | TSESTree.TSMethodSignature
  | TSESTree.TSFunctionType
  | TSESTree.TSCallSignatureDeclaration

/**
 * A context is the first parameter and is called `ctx`, or `parent` if the function derives from it. A context that lives longer
 * than the call (a Lifetime: the root, the server's) is named after what bounds it; it comes right after ctx, or first if the
 * call itself waits for nothing. Go: revive's context-as-argument.
 */
export const contextFirst = rule({
  description: 'a context is the first parameter, is called ctx, and is never optional',
  messages: {
    first: 'A context comes first. Write `{{name}}` as the first parameter instead.',
    name: 'Call it `ctx` instead of `{{name}}` (`parent` where the function derives from it; a `Lifetime`, if it lives longer than the call, has a name of its own).',
    parent: 'This function derives no context from `parent`. Call it `ctx` instead.',
    optional:
      'A context is never optional: without one the work could not be ended. Write `{{name}}: Context`.',
    rename: 'Call it ctx.',
    require: 'Make it required.',
  },
  create(look) {
    const types =
      'TSEmptyBodyFunctionExpression, TSMethodSignature, TSFunctionType, TSCallSignatureDeclaration'
    return { [`:function, TSDeclareFunction, ${types}`]: (fn: Signature) => check(look, fn) }
  },
})

function derivesFrom(look: Look, fn: Signature, name: string): boolean {
  if (!isFunction(fn)) return true
  if (fn.returnType !== undefined && look.types.isContext(fn.returnType.typeAnnotation)) return true
  return allNodesIn(look.source, fn.body).some((node) => {
    if (node.type !== Type.CallExpression) return false
    const given = node.arguments.some(
      (argument) => argument.type === Type.Identifier && argument.name === name,
    )
    return given && (look.types.isContext(node) || look.types.mustBeEnded(node) || handsOn(look, node))
  })
}

/** `db.transaction(parent, (q, ctx) => …)`: the callee derives a context and passes it to the function. */
function handsOn(look: Look, call: TSESTree.CallExpression): boolean {
  return call.arguments.some(
    (argument) =>
      isFunction(argument) && argument.params.some((parameter) => look.types.isContext(parameter)),
  )
}

function check(look: Look, fn: Signature): void {
  const parameters = fn.params.filter(
    (parameter) => parameter.type !== Type.Identifier || parameter.name !== 'this',
  )
  // The caller of a callback decides the order of its parameters; the callback decides their names.
  const inferred = fn.params.every((parameter) => !annotated(parameter)) && !isDeclared(fn)
  let leading = true
  for (const [index, parameter] of parameters.entries()) {
    const name = nameOf(parameter)
    if (name === undefined || !look.types.isContext(name)) {
      leading = false
      continue
    }
    const lives = look.types.isLifetime(name)
    if (!inferred) {
      if (!leading || (index > 0 && !lives)) {
        look.context.report({
          node: parameter,
          messageId: 'first',
          data: { name: look.source.getText(parameter) },
        })
      }
      checkOptional(look, parameter, name)
    }
    if (lives || /^_?ctx$/.test(name.name)) continue
    if (/^_?parent$/.test(name.name)) {
      if (!derivesFrom(look, fn, name.name))
        look.context.report({ node: name, messageId: 'parent', suggest: rename(look, fn, name) })
    } else {
      const data = { name: name.name }
      look.context.report({ node: name, messageId: 'name', data, suggest: rename(look, fn, name) })
    }
  }
}

function checkOptional(look: Look, parameter: TSESTree.Parameter, name: TSESTree.Identifier): void {
  const union = name.typeAnnotation?.typeAnnotation.type === Type.TSUnionType
  if (!name.optional && !union && parameter.type !== Type.AssignmentPattern) return
  const [, mark] = look.source.getTokens(name)
  const mended = name.optional && !union && mark?.value === '?'
  look.context.report({
    node: parameter,
    messageId: 'optional',
    data: { name: name.name },
    suggest: mended ? [{ messageId: 'require', fix: (fixer) => fixer.remove(mark) }] : [],
  })
}

/** Renames it if nothing else is called ctx and no property would be renamed too. */
function rename(
  look: Look,
  fn: Signature,
  name: TSESTree.Identifier,
): { messageId: 'rename'; fix: TSESLint.ReportFixFunction }[] {
  const variable = look.source.getDeclaredVariables(fn).find(({ identifiers }) => identifiers.includes(name))
  if (variable === undefined) return []
  const taken = [variable.scope, ...variable.references.map(({ from }) => from)].some(
    (scope) => scope.set.has('ctx') || scope.through.some(({ identifier }) => identifier.name === 'ctx'),
  )
  const uses = variable.references.map(({ identifier }) => identifier)
  if (taken || uses.some(({ parent }) => parent.type === Type.Property && parent.shorthand)) return []
  const end = name.range[0] + name.name.length
  return [
    {
      messageId: 'rename',
      fix: (fixer) => [
        fixer.replaceTextRange([name.range[0], end], 'ctx'),
        ...uses.map((use) => fixer.replaceText(use, 'ctx')),
      ],
    },
  ]
}

function nameOf(parameter: TSESTree.Parameter): TSESTree.Identifier | undefined {
  if (parameter.type === Type.Identifier) return parameter
  if (parameter.type === Type.AssignmentPattern && parameter.left.type === Type.Identifier)
    return parameter.left
  if (parameter.type === Type.TSParameterProperty) return nameOf(parameter.parameter)
  return undefined
}

function annotated(parameter: TSESTree.Parameter): boolean {
  return nameOf(parameter)?.typeAnnotation !== undefined
}

/** Whether it is a declaration. The place of a function expression decides its type. */
function isDeclared(fn: Signature): boolean {
  return fn.type !== Type.ArrowFunctionExpression && fn.type !== Type.FunctionExpression
}
