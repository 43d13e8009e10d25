import { join, sep } from 'node:path'
import ts from 'typescript'

/** The TypeScript program of a service, with another text for one file at a time. */
export interface Types {
  readonly checker: ts.TypeChecker
  /** The source files below src/ without tests, relative to the service, with slashes. */
  readonly files: readonly string[]
  source(file: string): ts.SourceFile
  /** The first error that TypeScript finds in `file` with the text `text`, or undefined. */
  errorIn(file: string, text: string): string | undefined
}

/** @throws Error if the service has errors without a mutant */
export function openTypes(directory: string): Types {
  const configPath = join(directory, 'tsconfig.json')
  const config = ts.getParsedCommandLineOfConfigFile(
    configPath,
    {},
    { ...ts.sys, onUnRecoverableConfigFileDiagnostic },
  )
  if (config === undefined) throw new Error(`there is no tsconfig.json in ${directory}`)
  let replaced: { path: string; text: string; version: number } | undefined
  let version = 0
  const service = ts.createLanguageService({
    readFile: (path) => ts.sys.readFile(path),
    fileExists: (path) => ts.sys.fileExists(path),
    directoryExists: (path) => ts.sys.directoryExists(path),
    getDirectories: (path) => ts.sys.getDirectories(path),
    getCompilationSettings: () => config.options,
    getScriptFileNames: () => config.fileNames,
    getScriptVersion: (path) => (path === replaced?.path ? String(replaced.version) : '0'),
    getScriptSnapshot(path) {
      if (path === replaced?.path) return ts.ScriptSnapshot.fromString(replaced.text)
      const text = ts.sys.readFile(path)
      return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text)
    },
    getCurrentDirectory: () => directory,
    getDefaultLibFileName: (options) => ts.getDefaultLibFilePath(options),
  })
  const files = config.fileNames
    .map((path) =>
      path
        .slice(directory.length + 1)
        .split(sep)
        .join('/'),
    )
    .filter((path) => /^src\//.test(path) && !/\.test\.ts$|^src\/context\/stranger\.ts$/.test(path))
    .toSorted()

  const errorIn = (file: string): string | undefined => {
    const path = join(directory, file)
    const [first] = [...service.getSyntacticDiagnostics(path), ...service.getSemanticDiagnostics(path)]
    return first === undefined ? undefined : ts.flattenDiagnosticMessageText(first.messageText, ' ')
  }
  const program = service.getProgram()
  if (program === undefined) throw new Error(`TypeScript made no program of ${directory}`)
  for (const file of files) {
    const error = errorIn(file)
    if (error !== undefined) throw new Error(`${file} does not compile as it is: ${error}`)
  }
  return {
    checker: program.getTypeChecker(),
    files,
    source(file) {
      const source = program.getSourceFile(join(directory, file))
      if (source === undefined) throw new Error(`${file} is not part of the program`)
      return source
    },
    errorIn(file, text) {
      replaced = { path: join(directory, file), text, version: ++version }
      return errorIn(file)
    },
  }
}

function onUnRecoverableConfigFileDiagnostic(diagnostic: ts.Diagnostic): never {
  throw new Error(ts.flattenDiagnosticMessageText(diagnostic.messageText, ' '))
}
