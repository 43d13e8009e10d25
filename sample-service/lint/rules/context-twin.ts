import { AST_NODE_TYPES as Type, TSESLint, type TSESTree } from '@typescript-eslint/utils'
import { ancestors, bare, functionsAround, isFunction, isInside, memberName, nodesIn } from '../nodes.ts'
import { rule, type RuleLook } from '../rule.ts'
import { twins, type FunctionTwin } from '../twins.ts'

type Look = RuleLook<'twin' | 'stream' | 'signal'>

const functionTwins = twins.filter((twin) => 'names' in twin)
const methodTwins = twins.filter((twin) => 'methods' in twin)

/** Code that has a context waits only with it. twins.ts lists the calls that wait, and what to write instead. Go: noctx. */
export const contextTwin = rule({
  description: 'code that has a ctx waits only with its signal',
  messages: {
    twin: '`{{name}}` does not end with `{{ctx}}`: {{instead}}; or await it as until({{ctx}}, …).',
    stream:
      'This waits for the stream, and not for `{{ctx}}`. Iterate over addAbortSignal({{ctx}}.signal, stream) of node:stream.',
    signal: 'Pass the signal of {{ctx}}.',
  },
  create(look) {
    return {
      'ForOfStatement[await=true]'(node: TSESTree.ForOfStatement) {
        const right = bare(node.right)
        if (!look.types.isStream(right)) return
        const [ctx] = look.contexts.visibleAt(right)
        if (ctx === undefined || isTied(look, right) || hasAfterFunc(look, right, ctx)) return
        look.context.report({ node: right, messageId: 'stream', data: { ctx: ctx.name } })
      },
      CallExpression(node) {
        const twin = twinOf(look, node)
        if (twin === undefined) return
        const [ctx] = look.contexts.visibleAt(node)
        if (ctx === undefined || isWaitedFor(look, node) || hasAfterFunc(look, node, ctx)) return
        if (
          node.arguments.some(
            (given) => !isFunction(given) && !look.types.isContent(given) && isTied(look, given),
          )
        )
          return
        const fix = pass(node, twin.options, ctx.name)
        look.context.report({
          node,
          messageId: 'twin',
          data: { name: twin.name, ctx: ctx.name, instead: twin.instead.replaceAll('ctx', ctx.name) },
          suggest: fix === undefined ? [] : [{ messageId: 'signal', data: { ctx: ctx.name }, fix }],
        })
      },
    }
  },
})

/** The row of the table that the callee matches, and the callee's name. */
function twinOf(
  look: Look,
  node: TSESTree.CallExpression,
): { name: string; instead: string; options?: number } | undefined {
  const { callee } = node
  const named = importedName(look, callee)
  const twin = named && functionTwins.find((row) => row.from === named.from && row.names.includes(named.name))
  if (twin !== undefined) return { ...twin, name: look.source.getText(callee) }
  const rows = methodTwins.filter(({ methods }) => methods.includes(memberName(callee) ?? ''))
  if (rows.length === 0) return undefined
  const file = look.types.declarationOf(node)?.file.replaceAll('\\', '/') ?? ''
  const row = rows.find((one) => new RegExp(`/node_modules/(@types/)?${one.package}/`).test(file))
  return row && { instead: row.instead, name: look.source.getText(callee) }
}

/** The name of a callee in the module that exports it; `from` is undefined for a global. */
function importedName(
  look: Look,
  node: TSESTree.Expression,
): { from: FunctionTwin['from']; name: string } | undefined {
  if (node.type === Type.MemberExpression) {
    const name = memberName(node)
    if (name === undefined) return undefined
    if (node.object.type === Type.Identifier && node.object.name === 'globalThis')
      return { from: undefined, name }
    const holder = importedName(look, node.object)
    if (holder?.from === undefined) return undefined
    // `fs.promises.readFile` is readFile of fs/promises.
    if (holder.name === '*' || holder.name === 'default') return { from: holder.from, name }
    if (holder.name === 'promises') return { from: `${holder.from}/promises`, name }
    return { from: holder.from, name: `${holder.name}.${name}` }
  }
  if (node.type !== Type.Identifier) return undefined
  const def = look.contexts.variableOf(node)?.defs[0]
  if (def === undefined) return { from: undefined, name: node.name }
  if (def.parent?.type !== Type.ImportDeclaration) return promisified(look, def.node)
  const from = moduleOf(def.parent)
  if (def.node.type !== Type.ImportSpecifier) return { from, name: '*' }
  const { imported } = def.node
  return imported.type === Type.Identifier ? { from, name: imported.name } : undefined
}

/** `const run = promisify(execFile)` is execFile without its callback. */
function promisified(look: Look, node: TSESTree.Node): ReturnType<typeof importedName> {
  if (node.type !== Type.VariableDeclarator || node.init?.type !== Type.CallExpression) return undefined
  const [given] = node.init.arguments
  if (given === undefined || given.type === Type.SpreadElement) return undefined
  return importedName(look, node.init.callee)?.name === 'promisify' ? importedName(look, given) : undefined
}

/** Whether it gets a context or its signal: directly, through a constant, or in the call that made a constant. */
function endsWithContext(look: Look, node: TSESTree.Node): boolean {
  return look.contexts.restsOn(node, (part) => {
    if (part.type === Type.MemberExpression)
      return memberName(part) === 'signal' && look.types.isContext(part.object)
    if (part.type === Type.Identifier && part.name === 'signal') return isTakenOut(look, part)
    return part.type === Type.CallExpression && part.arguments.some((given) => look.types.isContext(given))
  })
}

/** `const { signal } = ctx` */
function isTakenOut(look: Look, name: TSESTree.Identifier): boolean {
  const node = look.contexts.variableOf(name)?.defs[0]?.node
  return node?.type === Type.VariableDeclarator && node.init !== null && look.types.isContext(node.init)
}

/** Whether another call in the function ties the stream to a context: `addAbortSignal(ctx.signal, stream)`. */
function isTied(look: Look, stream: TSESTree.Node): boolean {
  if (endsWithContext(look, stream)) return true
  const variable = stream.type === Type.Identifier ? look.contexts.variableOf(stream) : undefined
  return (variable?.references ?? []).some(({ identifier: { parent } }) => {
    return (
      parent.type === Type.CallExpression &&
      parent.arguments.some((given) => given !== stream && !isFunction(given) && endsWithContext(look, given))
    )
  })
}

/** Whether `until` waits for the promise, directly or through the constant that holds it. */
function isWaitedFor(look: Look, node: TSESTree.Node): boolean {
  for (const at of ancestors(node)) {
    if (isFunction(at)) return false
    if (at.type === Type.CallExpression && look.types.contextFunction(at) === 'until') return true
    if (at.type !== Type.VariableDeclarator) continue
    return look.source
      .getDeclaredVariables(at)
      .some(({ references }) =>
        references.some(({ identifier, init }) => init !== true && isWaitedFor(look, identifier)),
      )
  }
  return false
}

/** Whether a function around it, in the scope of `ctx`, calls afterFunc(ctx, …). */
function hasAfterFunc(look: Look, node: TSESTree.Node, ctx: TSESLint.Scope.Variable): boolean {
  return functionsAround(node).some(
    (fn) =>
      isInside(fn, ctx.scope.block) &&
      nodesIn(look.source, fn.body).some(
        (below) => below.type === Type.CallExpression && look.types.contextFunction(below) === 'afterFunc',
      ),
  )
}

/** The same call with the signal in its options, if they are an object or missing. */
function pass(
  node: TSESTree.CallExpression,
  options: number | undefined,
  ctx: string,
): TSESLint.ReportFixFunction | undefined {
  if (options === undefined) return undefined
  const last = node.arguments.at(-1)
  const given = options === -1 ? undefined : node.arguments[options]
  if (given?.type === Type.ObjectExpression) {
    const [first] = given.properties
    if (given.properties.some((property) => property.type === Type.Property && isKey(property, 'signal')))
      return undefined
    return (fixer) =>
      first === undefined
        ? fixer.replaceText(given, `{ signal: ${ctx}.signal }`)
        : fixer.insertTextBefore(first, `signal: ${ctx}.signal, `)
  }
  if (last === undefined || (options !== -1 && node.arguments.length !== options)) return undefined
  return (fixer) => fixer.insertTextAfter(last, `, { signal: ${ctx}.signal }`)
}

function moduleOf({ source }: TSESTree.ImportDeclaration): string {
  return source.value.replace(/^node:/, '')
}

function isKey({ key, computed }: TSESTree.Property, name: string): boolean {
  return !computed && key.type === Type.Identifier && key.name === name
}
