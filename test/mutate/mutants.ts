import ts from 'typescript'

/** One change to one file. `start` and `end` are offsets into the text of the file as it is. */
export interface Mutant {
  /** Its place and its change: the same in each run until the file changes. */
  readonly id: string
  /** Relative to the service, with slashes. */
  readonly file: string
  readonly line: number
  readonly kind: 'ctx' | 'using' | 'signal' | 'afterFunc'
  readonly was: string
  readonly now: string
  readonly start: number
  readonly end: number
}

/** The name under which a mutated file imports its unrelated context. */
const stranger = 'strangerContext'

/**
 * Every mutant of `source`. It drops each argument that is a Context, and replaces it by an unrelated live context and by one
 * that does not end with it; makes each `using` a `const`; drops and replaces each `signal:`; and drops each `afterFunc`.
 */
export function mutantsOf(checker: ts.TypeChecker, source: ts.SourceFile, file: string): Mutant[] {
  const mutants: Mutant[] = []
  const add = (kind: Mutant['kind'], start: number, end: number, now: string): void => {
    const was = source.text.slice(start, end)
    const line = source.getLineAndCharacterOfPosition(start).line + 1
    mutants.push({ id: `${file}:${start} ${was} → ${now}`, file, line, kind, was, now, start, end })
  }
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) || ts.isNewExpression(node)) mutateArguments(node)
    if (ts.isCallExpression(node) && isNamed(node.expression, 'afterFunc')) dropAfterFunc(node)
    if (ts.isVariableDeclarationList(node)) dropUsing(node)
    if (ts.isPropertyAssignment(node) || ts.isShorthandPropertyAssignment(node)) mutateSignal(node)
    ts.forEachChild(node, visit)
  }
  visit(source)
  return mutants

  function mutateArguments(call: ts.CallExpression | ts.NewExpression): void {
    const args = call.arguments ?? ts.factory.createNodeArray()
    for (const [index, arg] of args.entries()) {
      if (!isContext(checker.getTypeAtLocation(arg))) continue
      const next = args[index + 1]
      const start = arg.getStart(source)
      add('ctx', start, next?.getStart(source) ?? arg.end, '')
      add('ctx', start, arg.end, `${stranger}()`)
      if (!isDetached(arg) && !isNamed(call.expression, 'withoutCancel')) {
        add('ctx', start, arg.end, `withoutCancel(${arg.getText(source)})`)
      }
    }
  }

  function dropAfterFunc(call: ts.CallExpression): void {
    if (ts.isExpressionStatement(call.parent)) add('afterFunc', call.getStart(source), call.end, 'undefined')
    else add('afterFunc', call.getStart(source), call.end, '((): boolean => false)')
  }

  function dropUsing(list: ts.VariableDeclarationList): void {
    // The flags of `await using` are those of `using` and `const` together.
    if ((list.flags & ts.NodeFlags.Using) === 0) return
    const start = list.getStart(source)
    const first = list.declarations[0]
    if (first !== undefined) add('using', start, first.getStart(source), 'const ')
  }

  function mutateSignal(property: ts.PropertyAssignment | ts.ShorthandPropertyAssignment): void {
    if (!isNamed(property.name, 'signal')) return
    const value = ts.isPropertyAssignment(property) ? property.initializer : property.name
    if (!isSignal(checker.getTypeAtLocation(value))) return
    const { properties } = property.parent
    const next = properties[properties.indexOf(property) + 1]
    const start = property.getStart(source)
    add('signal', start, next?.getStart(source) ?? property.end, '')
    add('signal', start, property.end, `signal: ${stranger}().signal`)
  }
}

/** The text of the file with the mutant. The first line gets the import that it needs, so no line moves. */
export function apply(mutant: Mutant, text: string): string {
  const mutated = text.slice(0, mutant.start) + mutant.now + text.slice(mutant.end)
  const up = '../'.repeat(mutant.file.split('/').length - 2) || './'
  const folder = `${up}context/`
  const imports = [
    mutant.now.includes(stranger) ? `import { ${stranger} } from '${folder}stranger.ts'; ` : '',
    mutant.now.startsWith('withoutCancel') && !/\bwithoutCancel\b/.test(text)
      ? `import { withoutCancel } from '${folder}context.ts'; `
      : '',
  ]
  return imports.join('') + mutated
}

/** The file with `strangerContext`, which is added to the copy. */
export const strangerFile = {
  path: 'src/context/stranger.ts',
  text: `import { todo, withCancel, type Context } from './context.ts'

let live: Context | undefined

/** A live context that is unrelated to the caller's. */
export function ${stranger}(): Context {
  return (live ??= withCancel(todo()))
}
`,
}

/** Whether it is `withoutCancel(ctx)`, perhaps with values: it is already detached. */
function isDetached(node: ts.Expression): boolean {
  if (!ts.isCallExpression(node)) return false
  if (isNamed(node.expression, 'withoutCancel')) return true
  const [parent] = node.arguments
  return isNamed(node.expression, 'withValue') && parent !== undefined && isDetached(parent)
}

function isNamed(node: ts.Node, name: string): boolean {
  return ts.isIdentifier(node) && node.text === name
}

/**
 * By its members, so that a type that extends Context counts too. Its classes do not count: inside of context.ts they are nodes
 * of the tree, and only their own type is valid.
 */
function isContext(type: ts.Type): boolean {
  if (type.isUnion() || type.isClass() || (type.flags & ts.TypeFlags.Any) !== 0) return false
  if (type.aliasSymbol?.name === 'CancelContext' || type.getSymbol()?.name === 'Context') return true
  return ['err', 'deadline', 'signal', 'value'].every((name) => type.getProperty(name) !== undefined)
}

function isSignal(type: ts.Type): boolean {
  const present = type.isUnion() ? type.types : [type]
  return present.some((each) => each.getSymbol()?.name === 'AbortSignal')
}
