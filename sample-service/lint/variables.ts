import { AST_NODE_TYPES as Type, TSESLint, type TSESTree } from '@typescript-eslint/utils'
import type { ContextTypes } from './context-types.ts'
import { allNodesIn, type FunctionNode, isFunction, isInside, nodesIn } from './nodes.ts'

type Variable = TSESLint.Scope.Variable
type Source = Readonly<TSESLint.SourceCode>

/** The questions of the rules about variables that are contexts. */
export type ContextVariables = ReturnType<typeof contextVariables>

interface Look {
  readonly source: Source
  readonly types: ContextTypes
  /** Caches whether a variable is a context. */
  readonly known: WeakMap<Variable, boolean>
}

/** The contexts of one file that have names. */
export function contextVariables(source: Source, types: ContextTypes) {
  const look = { source, types, known: new WeakMap<Variable, boolean>() }
  return {
    /** The variable of an identifier. */
    variableOf: (identifier: TSESTree.Identifier) => variableOf(source, identifier),
    /** Whether `node`, or the value of a constant in it, has a part for which `found` is true. */
    restsOn: (node: TSESTree.Node, found: (part: TSESTree.Node) => boolean) => restsOn(look, node, found),
    /** The contexts of calls that are in scope at `node`, the nearest first; no lifetimes, no variables of the module. */
    visibleAt(node: TSESTree.Node) {
      return variablesAround(look, node).filter((variable) => {
        const [name] = variable.identifiers
        if (name === undefined || look.types.isLifetime(name)) return false
        if (isParameter(variable)) return true
        // A variable has no value yet in its own initialiser, nor before its first assignment.
        return variable.references.some(({ writeExpr }) => writeExpr && writeExpr.range[1] <= node.range[0])
      })
    },
    /** Whether `variable` was made from `ancestor`, at once or in steps. */
    derives: (variable: Variable, ancestor: Variable) => derives(look, variable, ancestor),
    /** Whether it is a parameter, or was made from a context that has a name. */
    isDerived: (variable: Variable) => isParameter(variable) || origins(look, variable).length > 0,
  }
}

function isContext(look: Look, variable: Variable): boolean {
  const [name] = variable.identifiers
  const [def] = variable.defs
  if (name === undefined || def === undefined) return false
  if (!isParameter(variable) && !isLocal(def)) return false
  const present = look.known.get(variable) ?? look.types.isContext(name)
  look.known.set(variable, present)
  return present
}

function variablesAround(look: Look, node: TSESTree.Node): Variable[] {
  const found: Variable[] = []
  let scope: TSESLint.Scope.Scope | null = look.source.getScope(node)
  for (; scope !== null && scope.type !== TSESLint.Scope.ScopeType.module; scope = scope.upper) {
    found.push(...scope.variables.filter((one) => isContext(look, one)).toReversed())
  }
  return found
}

/** The contexts that the value of `variable` was made from. */
function origins(look: Look, variable: Variable): Variable[] {
  const values = variable.references.flatMap((reference) => reference.writeExpr ?? [])
  return values.flatMap((value) =>
    variablesAround(look, value).filter(
      (other) => other !== variable && other.references.some(({ identifier }) => isInside(identifier, value)),
    ),
  )
}

function derives(look: Look, variable: Variable, ancestor: Variable, seen = new Set<Variable>()): boolean {
  if (seen.has(variable)) return false
  seen.add(variable)
  return origins(look, variable).some(
    (origin) => origin === ancestor || derives(look, origin, ancestor, seen),
  )
}

function variableOf(source: Source, identifier: TSESTree.Identifier): Variable | undefined {
  let scope: TSESLint.Scope.Scope | null = source.getScope(identifier)
  for (; scope !== null; scope = scope.upper) {
    const variable = scope.set.get(identifier.name)
    if (variable !== undefined) return variable
  }
  return undefined
}

function restsOn(
  look: Look,
  node: TSESTree.Node,
  found: (part: TSESTree.Node) => boolean,
  seen = new Set<Variable>(),
): boolean {
  return nodesIn(look.source, node).some((part) => {
    if (found(part)) return true
    if (part.type !== Type.Identifier) return false
    const variable = variableOf(look.source, part)
    if (variable === undefined || seen.has(variable)) return false
    seen.add(variable)
    return variable.references.some(({ writeExpr }) => writeExpr && restsOn(look, writeExpr, found, seen))
  })
}

/** Whether it is a parameter of its function. */
export function isParameter(variable: Variable): boolean {
  return variable.defs[0]?.type === TSESLint.Scope.DefinitionType.Parameter
}

function isLocal(def: TSESLint.Scope.Definition): boolean {
  return def.type === TSESLint.Scope.DefinitionType.Variable
}

/**
 * The functions that outlive a call of `fn`: it returns them, or an object with them as methods, or they are called by such a
 * function. A callback that is passed to a call does not count.
 */
export function survivors(fn: FunctionNode, source: Source): ReadonlySet<FunctionNode> {
  const found = new Set<FunctionNode>()
  const seen = new Set<TSESTree.Node>()

  function resolve(name: TSESTree.Identifier): void {
    const def = variableOf(source, name)?.defs[0]
    if (def === undefined || !isInside(def.node, fn)) return
    if (def.type === TSESLint.Scope.DefinitionType.FunctionName) keep(def.node)
    else if (def.node.type === Type.VariableDeclarator && def.node.init) keep(def.node.init)
  }

  function keep(node: TSESTree.Node): void {
    if (seen.has(node)) return
    seen.add(node)
    if (isFunction(node)) {
      found.add(node)
      // The functions of the same scope that it calls live as long as it does.
      for (const below of allNodesIn(source, node)) {
        if (below.type === Type.CallExpression && below.callee.type === Type.Identifier) resolve(below.callee)
      }
      return
    }
    switch (node.type) {
      case Type.Identifier:
        resolve(node)
        return
      case Type.ObjectExpression:
        for (const property of node.properties) {
          keep(property.type === Type.Property ? property.value : property.argument)
        }
        return
      case Type.ArrayExpression:
        for (const element of node.elements) if (element) keep(element)
        return
      case Type.ConditionalExpression:
        keep(node.consequent)
        keep(node.alternate)
        return
      case Type.LogicalExpression:
        keep(node.left)
        keep(node.right)
        return
      case Type.TSAsExpression:
      case Type.TSSatisfiesExpression:
      case Type.TSNonNullExpression:
        keep(node.expression)
        return
      default:
        return
    }
  }

  for (const value of returned(fn, source)) keep(value)
  return found
}

/** The expressions that `fn` returns. */
export function returned(fn: FunctionNode, source: Source): TSESTree.Expression[] {
  if (fn.body.type !== Type.BlockStatement) return [fn.body]
  return nodesIn(source, fn.body).flatMap((node) =>
    node.type === Type.ReturnStatement && node.argument ? [node.argument] : [],
  )
}
