import ts from 'typescript'

/**
 * The titles of every `test('…')` and `test.for(…)('…')` of a file, in order, each after those of the `describe`s around it.
 * `…` stands where a row fills in a value.
 */
export function testTitles(file: string, text: string): string[] {
  const titles: string[] = []
  const visit = (node: ts.Node, around: string): void => {
    let inside = around
    if (ts.isCallExpression(node)) {
      const [title] = node.arguments
      if (title !== undefined && ts.isStringLiteralLike(title)) {
        if (isCallOf('test', node.expression)) titles.push(around + title.text)
        if (isCallOf('describe', node.expression)) inside = `${around}${title.text} `
      }
    }
    ts.forEachChild(node, (child) => visit(child, inside))
  }
  visit(ts.createSourceFile(file, text, ts.ScriptTarget.Latest), '')
  return titles.map((title) => title.replaceAll(/%[a-z]|\$\w+/g, '…'))
}

/** Reports whether `callee` is `name` or what `name.for(…)` returns. */
function isCallOf(name: string, callee: ts.Expression): boolean {
  if (ts.isIdentifier(callee)) return callee.text === name
  return (
    ts.isCallExpression(callee) &&
    ts.isPropertyAccessExpression(callee.expression) &&
    isCallOf(name, callee.expression.expression)
  )
}
