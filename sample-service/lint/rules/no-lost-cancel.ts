import { AST_NODE_TYPES as Type, TSESLint, type TSESTree } from '@typescript-eslint/utils'
import type { Call } from '../context-types.ts'
import { ancestors, bare, functionsAround, isFunction, isInside, walk } from '../nodes.ts'
import { rule } from '../rule.ts'
import { returned } from '../variables.ts'

type Variable = TSESLint.Scope.Variable
/** A node is where it is lost. */
type Fate = TSESTree.Node | 'open' | 'ended'

const failing: ReadonlySet<Type> = new Set([Type.AwaitExpression, Type.ThrowStatement, Type.YieldExpression])

/**
 * What can be ended has someone who ends it: it is bound with `using`, or ended in a `finally` or before anything can
 * fail, or handed on (returned, or its end put into a callback). Go: vet's lostcancel.
 */
export const noLostCancel = rule({
  description: 'whoever derives a context or a group ends it on every path',
  messages: {
    lost: 'Nobody ends this, so it stays in its parent. Write `using ctx = …` instead.',
    path: '`{{name}}` is not ended if this path is taken. Write `using {{name}} = …` instead, or end it in a `finally`.',
    wait: 'Nobody waits for the work of `{{name}}`: it is cancelled at the end of the block, and its failures are lost. Write `await {{name}}.wait()` behind the last `go`.',
    early:
      '`{{name}}` ends with this block, before the promise has settled: its work is cancelled at once. Write `return await …` in an async function.',
    race: 'This keeps a callback in `{{name}}` for as long as that lasts, in every round. Write `using stopped = ended({{name}})` and race that, or `await until({{name}}, promise)`.',
    use: 'Bind it with `using`.',
  },
  create(context, types) {
    const { sourceCode } = context

    function check(node: Call | TSESTree.AwaitExpression): void {
      if (!types.mustBeEnded(node) || isOfStack(node)) return
      if (node.type !== Type.AwaitExpression && types.contextFunction(node) === 'testContext') return
      let value: TSESTree.Node = node
      while (carries(value.parent, value)) value = value.parent
      const { parent } = value
      if (parent.type === Type.AwaitExpression || parent.type === Type.ReturnStatement) return
      if (parent.type === Type.ArrowFunctionExpression && parent.body === value) return
      if (isCall(parent) && (isOfStack(parent) || mayEnd(parent, value))) return
      if (parent.type === Type.VariableDeclarator && parent.id.type === Type.Identifier) {
        const declaration = parent.parent
        if (node.type !== Type.AwaitExpression && types.contextFunction(node) === 'group') checkWait(parent)
        if (declaration.kind === 'using' || declaration.kind === 'await using') return
        const [variable] = sourceCode.getDeclaredVariables(parent)
        if (variable === undefined) return
        const lost = lostAt(variable, declaration)
        if (lost === undefined) return
        const first = sourceCode.getFirstToken(declaration)
        const bindable = declaration.declarations.length === 1 && first !== null && !handedOn(variable)
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
        const variable = findVariable(left)
        if (variable !== undefined && (endsInFinally(variable) || handedOn(variable))) return
      }
      context.report({ node, messageId: 'lost' })
    }

    /** What is put into a stack ends with it. */
    function isOfStack(node: Call | TSESTree.AwaitExpression): boolean {
      if (node.type !== Type.CallExpression || node.callee.type !== Type.MemberExpression) return false
      const { property } = node.callee
      if (property.type !== Type.Identifier || !/^(?:use|adopt)$/.test(property.name)) return false
      return /lib\.esnext\.disposable\.d\.ts$|[\\/]@types[\\/]node[\\/]/.test(
        types.declarationOf(node)?.file ?? '',
      )
    }

    /** A group that was given work is waited for, on every way out of its block but an exception. */
    function checkWait(declarator: TSESTree.VariableDeclarator): void {
      const [group] = sourceCode.getDeclaredVariables(declarator)
      const block = declarator.parent.parent
      if (group === undefined || block.type !== Type.BlockStatement) return
      const uses = group.references.filter(({ init }) => init !== true).map(({ identifier }) => identifier)
      // Who else has it may wait for it.
      if (uses.some(({ parent }) => parent.type !== Type.MemberExpression)) return
      const [started] = uses.filter((use) => isMethod(use, 'go'))
      if (started === undefined) return
      const waited = uses.filter((use) => isMethod(use, 'wait'))
      // A return between the first go and the first wait.
      const [first] = waited
      const left = Array.from(walk(block, sourceCode.visitorKeys)).find(
        ({ type, range }) =>
          type === Type.ReturnStatement &&
          range[0] > started.range[1] &&
          first !== undefined &&
          range[1] < first.range[0],
      )
      const late = waited.every((use) => use.range[1] < started.range[0])
      if (first !== undefined && left === undefined && !late) return
      context.report({ node: left ?? declarator, messageId: 'wait', data: { name: group.name } })
    }

    /** A promise that is returned out of the block of `using`, and not awaited in it. */
    function checkReturn(node: TSESTree.ReturnStatement): void {
      const { argument } = node
      if (argument === null || !returnsPromise(argument)) return
      const [fn] = functionsAround(node)
      if (fn === undefined || fn.generator) return
      for (const at of ancestors(node)) {
        if (at === fn) return
        if (at.type !== Type.BlockStatement) continue
        for (const statement of at.body) {
          if (statement.type !== Type.VariableDeclaration || statement.range[1] > node.range[0]) continue
          if (statement.kind !== 'using' && statement.kind !== 'await using') continue
          for (const variable of sourceCode.getDeclaredVariables(statement)) {
            const [name] = variable.identifiers
            if (name === undefined || !types.mustBeEnded(name) || !rests(argument, variable)) continue
            context.report({ node, messageId: 'early', data: { name: variable.name } })
            return
          }
        }
      }
    }

    /** A promise, or an object of some. */
    function returnsPromise(value: TSESTree.Node): boolean {
      switch (value.type) {
        case Type.AwaitExpression:
          return false
        case Type.ObjectExpression:
          return value.properties.some((one) => one.type === Type.Property && returnsPromise(one.value))
        case Type.ArrayExpression:
          return value.elements.some((one) => one !== null && returnsPromise(one))
        default:
          return types.isPromise(value)
      }
    }

    /** Whether the value was made with the variable, at once or by way of constants. */
    function rests(value: TSESTree.Node, variable: Variable, seen = new Set<Variable>()): boolean {
      return Array.from(walk(value, sourceCode.visitorKeys, () => true)).some((node) => {
        if (node.type !== Type.Identifier) return false
        const found = findVariable(node)
        if (found === undefined || seen.has(found)) return false
        if (found === variable) return true
        seen.add(found)
        return found.references.some(({ writeExpr }) => writeExpr && rests(writeExpr, variable, seen))
      })
    }

    /** `ended(ctx)` that is raced, and stays in ctx when it has lost. */
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
      const def = findVariable(given)?.defs[0]
      return def?.parent?.type === Type.VariableDeclaration && def.parent.kind === 'using'
    }

    function findVariable(name: TSESTree.Identifier): Variable | undefined {
      let scope: TSESLint.Scope.Scope | null = sourceCode.getScope(name)
      for (; scope !== null; scope = scope.upper) {
        const variable = scope.set.get(name.name)
        if (variable !== undefined) return variable
      }
      return undefined
    }

    function mayEnd(call: Call, value: TSESTree.Node): boolean {
      const index = call.arguments.findIndex((argument) => argument === value)
      return types.parameters(call)[index]?.mayEnd === true
    }

    /** Whether the variable itself is what a function returns. */
    function handedOn(variable: Variable): boolean {
      const [name] = variable.identifiers
      const [fn] = name === undefined ? [] : functionsAround(name)
      if (fn === undefined) return false
      return returned(fn, sourceCode).some((value) => refers(variable, bare(value)))
    }

    function endsInFinally(variable: Variable): boolean {
      return variable.references.some(({ identifier }) => {
        if (!isEnd(identifier)) return false
        for (const at of ancestors(identifier)) {
          if (isFunction(at)) return false
          if (at.parent?.type === Type.TryStatement && at.parent.finalizer === at) return true
        }
        return false
      })
    }

    /** Where it is lost on its way from the declaration on; 'never' if nothing ends it, undefined if all is well. */
    function lostAt(variable: Variable, declaration: TSESTree.Node): TSESTree.Node | 'never' | undefined {
      const block = declaration.parent
      if (block?.type !== Type.BlockStatement && block?.type !== Type.Program) return 'never'
      const result = follow(variable, block.body.slice(block.body.findIndex((s) => s === declaration) + 1))
      if (result === 'open') return 'never'
      return result === 'ended' ? undefined : endsAnywhere(variable) ? result : 'never'
    }

    function endsAnywhere(variable: Variable): boolean {
      return handedOn(variable) || variable.references.some(({ identifier }) => isEnd(identifier))
    }

    /**
     * What comes of it in these statements: ended, still open behind them, or lost at a node.
     * @param caught whether a failure goes on in a handler, which is followed by itself
     */
    function follow(variable: Variable, statements: readonly TSESTree.Node[], caught = false): Fate {
      for (const statement of statements) {
        const fate = step(variable, statement, caught)
        if (fate !== 'open') return fate
      }
      return 'open'
    }

    function step(variable: Variable, statement: TSESTree.Node, caught: boolean): Fate {
      switch (statement.type) {
        case Type.FunctionDeclaration:
          return 'open'
        case Type.BlockStatement:
          return follow(variable, statement.body, caught)
        case Type.ReturnStatement:
          return statement.argument && takesOver(variable, statement.argument) ? 'ended' : statement
        case Type.TryStatement: {
          const { block, handler, finalizer } = statement
          if (finalizer && follow(variable, finalizer.body) === 'ended') return 'ended'
          const tried = follow(variable, block.body, caught || handler !== null)
          return handler === null ? tried : worse(tried, follow(variable, handler.body.body, caught))
        }
        case Type.IfStatement: {
          const { consequent, alternate } = statement
          const otherwise = alternate ? step(variable, alternate, caught) : 'open'
          return worse(step(variable, consequent, caught), otherwise)
        }
        default:
          return plain(variable, statement, caught)
      }
    }

    /** A statement without branches of interest: it ends it, hands it over, or may fail before anyone does. */
    function plain(variable: Variable, statement: TSESTree.Node, caught: boolean): Fate {
      for (const { identifier } of variable.references) {
        if (!isInside(identifier, statement)) continue
        const { parent } = identifier
        const nested = Array.from(functionsAround(identifier)).some((fn) => isInside(fn, statement))
        if (isEnd(identifier) && (nested || statement.type === Type.ExpressionStatement)) return 'ended'
        if (isCall(parent) && mayEnd(parent, identifier)) return 'ended'
      }
      const leaving = Array.from(walk(statement, sourceCode.visitorKeys)).find(
        ({ type }) => type === Type.ReturnStatement || (!caught && failing.has(type)),
      )
      return leaving ?? 'open'
    }

    /** Whether what is returned is the variable, or holds a function that ends it. */
    function takesOver(variable: Variable, value: TSESTree.Node): boolean {
      if (refers(variable, bare(value))) return true
      return variable.references.some(({ identifier }) => {
        if (!isInside(identifier, value)) return false
        return isEnd(identifier) || isPart(identifier)
      })
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

/** Of two branches: ended only if both end it. */
function worse(one: Fate, other: Fate): Fate {
  if (typeof one !== 'string') return one
  if (typeof other !== 'string') return other
  return one === 'ended' && other === 'ended' ? 'ended' : 'open'
}

function refers(variable: Variable, node: TSESTree.Node): boolean {
  return variable.references.some(({ identifier }) => identifier === node)
}

/** A member of an object or an array that is returned. */
function isPart({ parent }: TSESTree.Node): boolean {
  return parent?.type === Type.Property || parent?.type === Type.ArrayExpression
}

/** `x.cancel(…)`, `x?.cancel()`, `x.cancel` as a value, or what `using` calls. */
function isEnd({ parent }: TSESTree.Node): boolean {
  if (parent?.type !== Type.MemberExpression) return false
  const { property } = parent
  if (property.type === Type.Identifier && !parent.computed) return property.name === 'cancel'
  return (
    property.type === Type.MemberExpression &&
    property.property.type === Type.Identifier &&
    property.property.name === 'dispose'
  )
}

function isMethod({ parent }: TSESTree.Node, name: string): boolean {
  return (
    parent?.type === Type.MemberExpression &&
    parent.property.type === Type.Identifier &&
    parent.property.name === name
  )
}

/** An element of what `Promise.race` or `any` is given. */
function isRaced({ parent }: TSESTree.Node): boolean {
  if (parent?.type !== Type.ArrayExpression || parent.parent.type !== Type.CallExpression) return false
  const { callee } = parent.parent
  return (
    callee.type === Type.MemberExpression &&
    callee.property.type === Type.Identifier &&
    /^(?:race|any)$/.test(callee.property.name)
  )
}

function isCall(node: TSESTree.Node): node is Call {
  return node.type === Type.CallExpression || node.type === Type.NewExpression
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
