import type { ParserServicesWithTypeInformation, TSESTree } from '@typescript-eslint/utils'
import type ts from 'typescript'

/** A call whose function the type checker can find. */
export type Call = TSESTree.CallExpression | TSESTree.NewExpression

/** The files that declare our context and its functions. */
const home = /[\\/]src[\\/]context[\\/][\w-]+\.ts$/

/** The questions of the rules about types. A type is ours if a file of src/context declares it; Hono's Context is not. */
export type ContextTypes = ReturnType<typeof contextTypes>

/** Uses the type checker of typescript-eslint's parser. */
export function contextTypes(services: ParserServicesWithTypeInformation) {
  const checker = services.program.getTypeChecker()
  const typeOf = (node: TSESTree.Node): ts.Type => services.getTypeAtLocation(node)
  const tsNode = (call: Call): ts.CallLikeExpression => services.esTreeNodeToTSNodeMap.get(call)

  function declarationOf(call: Call): { file: string; name: string } | undefined {
    const declaration = checker.getResolvedSignature(tsNode(call))?.declaration
    const name = declaration !== undefined && 'name' in declaration ? declaration.name : undefined
    if (declaration === undefined || name === undefined || !('text' in name)) return undefined
    return { file: declaration.getSourceFile().fileName, name: name.text }
  }

  return {
    /** Whether the expression is a Context, or may be one. */
    isContext: (node: TSESTree.Node) => isContext(typeOf(node)),
    /** Whether its type says that it lives longer than a call. */
    isLifetime: (node: TSESTree.Node) => isLifetime(typeOf(node)),
    /** Whether it is a Context, or holds some: an array, a set, a map. */
    holdsContext: (node: TSESTree.Node) => holdsContext(checker, typeOf(node)),
    /** Whether the holder of the value must end it: a CancelContext or a Group. */
    mustBeEnded: (node: TSESTree.Node) => mustBeEnded(checker, typeOf(node)),
    isPromise: (node: TSESTree.Node) => isPromise(checker, typeOf(node)),
    /** Whether the member is declared in an interface or a class: a rule then reports it there. */
    isDeclaredMember: ({ property }: TSESTree.MemberExpression) => {
      const symbol = checker.getSymbolAtLocation(services.esTreeNodeToTSNodeMap.get(property))
      return (symbol?.declarations ?? []).some(({ parent }) => 'members' in parent)
    },
    /** Whether it is a WeakMap or a WeakSet. */
    isWeak: (node: TSESTree.Node) => isWeak(typeOf(node)),
    /** Whether `using` takes it. */
    isDisposable: (node: TSESTree.Node) => hasSymbol(typeOf(node), 'dispose'),
    /** Whether it is a stream of Node or of the web, which waits for its source when it is iterated. */
    isStream: (node: TSESTree.Node) => isStream(checker.getNonNullableType(typeOf(node))),
    /** Whether it is text or bytes, which need no waiting. */
    isContent: (node: TSESTree.Node) => isContent(checker, checker.getNonNullableType(typeOf(node))),
    /** Whether it is iterated with `for await`. */
    isAsyncIterable: (node: TSESTree.Node) => hasSymbol(typeOf(node), 'asyncIterator'),
    /** Whether it is the database of src/platform/, whose every call takes a connection of its own. */
    isDatabase: (node: TSESTree.Node) => {
      const symbol = checker.getNonNullableType(typeOf(node)).getSymbol()
      return symbol?.name === 'Database' && (symbol.declarations ?? []).some(isOfPlatform)
    },
    /** The name of the called function if src/context/ declares it; else undefined. */
    contextFunction(call: Call) {
      const found = declarationOf(call)
      return found !== undefined && home.test(found.file) ? found.name : undefined
    },
    /** The called method's name, and the file that declares it. */
    declarationOf,
    /** The parameters of the called function, up to a rest parameter. */
    parameters(call: Call) {
      const node = tsNode(call)
      const signature = checker.getResolvedSignature(node)
      return (signature?.parameters ?? []).map((parameter) => {
        const type = checker.getTypeOfSymbolAtLocation(parameter, node)
        return {
          name: parameter.name,
          isContext: isContext(type),
          isLifetime: isLifetime(type),
          mayEnd: mustBeEnded(checker, type),
        }
      })
    },
    /** Whether the callee that takes `fn` calls it with a Context for which `fn` declares no parameter. */
    ignoresContext(fn: TSESTree.Expression) {
      const expected = checker.getContextualType(services.esTreeNodeToTSNodeMap.get(fn) as ts.Expression)
      return expected !== undefined && offersContext(checker, expected, typeOf(fn))
    },
  }
}

function isContext(type: ts.Type): boolean {
  if (type.isUnionOrIntersection()) return type.types.some(isContext)
  // Before isTypeParameter, after which TypeScript narrows `type` to never.
  const bases = type.isClassOrInterface() ? (type.getBaseTypes() ?? []) : []
  if (isOurs(type, 'Context') || bases.some(isContext)) return true
  const constraint = type.isTypeParameter() ? type.getConstraint() : undefined
  return constraint !== undefined && isContext(constraint)
}

/** Whether the expected function type has a context parameter that the given function lacks. */
function offersContext(checker: ts.TypeChecker, expected: ts.Type, given: ts.Type): boolean {
  const taken = Math.max(0, ...given.getCallSignatures().map(({ parameters }) => parameters.length))
  return expected
    .getCallSignatures()
    .some(({ parameters }) =>
      parameters.slice(taken).some((parameter) => isContext(checker.getTypeOfSymbol(parameter))),
    )
}

/** Whether it has the member `[Symbol.…]` of that name. */
function hasSymbol(type: ts.Type, name: string): boolean {
  return type.getProperties().some((member) => member.name.startsWith(`__@${name}`))
}

function isStream(type: ts.Type): boolean {
  return (
    type.getProperty('readableFlowing') !== undefined ||
    type.getProperty('getReader') !== undefined ||
    // An Interface of readline, which yields lines.
    type.getProperty('getCursorPos') !== undefined
  )
}

function isContent(checker: ts.TypeChecker, type: ts.Type): boolean {
  const base = checker.typeToString(checker.getBaseTypeOfLiteralType(type))
  return base === 'string' || type.getProperty('byteLength') !== undefined
}

function isLifetime(type: ts.Type): boolean {
  return type.isUnionOrIntersection() ? type.types.some(isLifetime) : isOurs(type, 'Lifetime')
}

function isOfPlatform(declaration: ts.Declaration): boolean {
  return /[\\/]src[\\/]platform[\\/]/.test(declaration.getSourceFile().fileName)
}

function holdsContext(checker: ts.TypeChecker, type: ts.Type): boolean {
  if (isContext(type)) return true
  if (type.isUnionOrIntersection()) return type.types.some((part) => holdsContext(checker, part))
  // A weak map keeps no context alive.
  if (!('target' in type) || isPromise(checker, type) || isWeak(type)) return false
  return checker.getTypeArguments(type as ts.TypeReference).some(isContext)
}

function isWeak(type: ts.Type): boolean {
  return /^Weak(?:Map|Set|Ref)$/.test(type.getSymbol()?.name ?? '')
}

function mustBeEnded(checker: ts.TypeChecker, type: ts.Type): boolean {
  const present = checker.getNonNullableType(type)
  if (isOurs(present, 'Group')) return true
  return isContext(present) && present.getProperty('cancel') !== undefined
}

function isPromise(checker: ts.TypeChecker, type: ts.Type): boolean {
  if (type.isUnion()) return type.types.some((part) => isPromise(checker, part))
  return type.getProperty('then') !== undefined
}

function isOurs(type: ts.Type, name: string): boolean {
  const symbol = type.getSymbol()
  if (symbol?.name !== name) return false
  return (symbol.declarations ?? []).some((declaration) => home.test(declaration.getSourceFile().fileName))
}
