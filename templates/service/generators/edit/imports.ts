import type { SourceFile } from 'ts-morph'
import type { Edit } from './edit.ts'
import type { Style } from './insert.ts'
import type { Import } from '../engine/piece.ts'

/** The local name of the import, and the edit that adds the import if it is missing. Throws if the name is taken. */
export function importOf(
  source: SourceFile,
  text: string,
  style: Style,
  wanted: Import,
): { local: string; edit?: Edit } {
  const local = localName(source, wanted)
  return local === undefined
    ? { local: wanted.name, edit: importEdit(source, text, style, wanted) }
    : { local }
}

/** The local name of the import; undefined if the file does not import it. */
function localName(source: SourceFile, { name, from }: Import): string | undefined {
  for (const declaration of source.getImportDeclarations()) {
    const same = declaration.getModuleSpecifierValue() === from
    for (const specifier of declaration.getNamedImports()) {
      const alias = specifier.getAliasNode()?.getText() ?? specifier.getName()
      if (same && specifier.getName() === name) return alias
      if (alias === name) throw taken(declaration.getModuleSpecifierValue())
    }
    if (declaration.getDefaultImport()?.getText() === name) throw taken(declaration.getModuleSpecifierValue())
  }
  const own = source.getFunction(name) ?? source.getVariableDeclaration(name) ?? source.getInterface(name)
  if (own ?? source.getTypeAlias(name)) throw taken('the file itself')
  return undefined

  function taken(where: string): Error {
    const file = source.getFilePath().slice(1)
    return new Error(`${file} already has another ${name}, from ${where}: choose another name.`)
  }
}

/** Adds the name to the import of the same module, else a line below the other imports. */
function importEdit(source: SourceFile, text: string, style: Style, { name, from, type }: Import): Edit {
  const specifier = type === true ? `type ${name}` : name
  const beside = source
    .getImportDeclarations()
    .find(
      (one) =>
        one.getModuleSpecifierValue() === from && !one.isTypeOnly() && one.getNamedImports().length > 0,
    )
    ?.getNamedImports()
    .at(-1)
  if (beside) return { at: beside.getEnd(), text: `, ${specifier}` }
  const line = `import { ${specifier} } from ${style.quote}${from}${style.quote}${style.semicolon}`
  const last = source.getImportDeclarations().at(-1)
  if (!last)
    return { at: source.getStatements()[0]?.getStart(true) ?? 0, text: line + style.newline + style.newline }
  return { at: endOfLine(text, last.getEnd()), text: style.newline + line }
}

/** The end of the line if only a comment follows, so that the comment stays with its import. */
function endOfLine(text: string, position: number): number {
  const rest = /^[ \t]*(?:\/\/[^\r\n]*|\/\*[^\r\n]*?\*\/[ \t]*)?(?=\r?\n|$)/.exec(text.slice(position))
  return position + (rest?.[0].length ?? 0)
}

/** The style in which the file is written. */
export function styleOf(source: SourceFile, text: string): Style {
  const first = source.getImportDeclarations()[0]
  const statement = first ?? source.getStatements()[0]
  return {
    newline: text.includes('\r\n') ? '\r\n' : '\n',
    indent: /^\t/m.test(text) ? '\t' : '  ',
    quote: first?.getModuleSpecifier().getText().startsWith('"') ? '"' : "'",
    semicolon: statement?.getText().endsWith(';') ? ';' : '',
  }
}
