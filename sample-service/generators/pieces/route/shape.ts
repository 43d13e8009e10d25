import { Node, SyntaxKind, type SourceFile } from 'ts-morph'
import { edited, replace, valueOf, type Edit } from '../../edit/edit.ts'
import type { Noun } from '../../engine/names.ts'
import type { Shape } from '../../engine/piece.ts'
import { parse } from '../../edit/source.ts'

/** Returns the function that gives the endpoint this method and path. If the method has a body, the input is in the body. */
export function shapeFor(noun: Noun, method: string, path: string): Shape {
  const verb = method.toUpperCase()
  const hasBody = verb === 'POST' || verb === 'PUT' || verb === 'PATCH'
  return (file, text) => {
    if (file.endsWith('.routes.ts')) {
      const source = parse(file, text)
      return edited(text, [
        ...propertyOf(source, 'method', `'${verb}'`),
        ...propertyOf(source, 'path', `'${path}'`),
        ...(hasBody ? bodyForQuery(source) : []),
      ])
    }
    if (file.endsWith(`${noun.singular}.test.ts`)) {
      const source = parse(file, text)
      return edited(text, [
        ...constantOf(source, 'method', `'${verb}'`),
        // Any value will do: the test does not look at path parameters.
        ...constantOf(source, 'path', `'${path.replace(/:\w+/g, '1')}'`),
        ...(hasBody ? askByBody(source) : []),
      ])
    }
    return text
  }
}

function propertyOf(source: SourceFile, name: string, code: string): Edit[] {
  const value = valueOf(source, name)
  return value === undefined ? [] : [replace(value, code)]
}

function constantOf(source: SourceFile, name: string, code: string): Edit[] {
  const value = source.getVariableDeclaration(name)?.getInitializer()
  return value === undefined ? [] : [replace(value, code)]
}

/** `query: …` becomes `body: …`, and `input.query` is `input.body`. */
function bodyForQuery(source: SourceFile): Edit[] {
  return source.getDescendantsOfKind(SyntaxKind.Identifier).flatMap((identifier) => {
    const parent = identifier.getParent()
    const named = Node.isPropertyAssignment(parent) || Node.isPropertyAccessExpression(parent)
    return identifier.getText() === 'query' && named && parent.getNameNode() === identifier
      ? [replace(identifier, 'body')]
      : []
  })
}

/** Makes the test's request send the text in its body. */
function askByBody(source: SourceFile): Edit[] {
  const call = source
    .getFunction('ask')
    ?.getDescendantsOfKind(SyntaxKind.ReturnStatement)
    .at(0)
    ?.getExpression()
  const code = `fetch(service.url + path, {
    method,
    body: JSON.stringify({ text }),
    ...init,
    headers: { 'content-type': 'application/json', ...init.headers },
  })`
  return call === undefined ? [] : [replace(call, code)]
}
