import { fileURLToPath } from 'node:url'
import { RuleTester } from 'eslint'
import ts from 'typescript'
import tseslint from 'typescript-eslint'
import { describe, it } from 'vitest'

/** Where the cases of the rules' tests pretend to lie: in this service, so that its own contexts are what they import. */
const service = fileURLToPath(new URL('..', import.meta.url)).replaceAll('\\', '/')

const options: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  types: ['node'],
  strict: true,
  allowImportingTsExtensions: true,
  noEmit: true,
  skipLibCheck: true,
}

const host = ts.createCompilerHost(options, true)
const parsed = new Map<string, ts.SourceFile | undefined>()
let program: ts.Program | undefined

/** A program of one case, which need not be on disk; all else is parsed once for all cases. */
function programOf(path: string, code: string): ts.Program {
  const file = ts.createSourceFile(
    path,
    code,
    { languageVersion: ts.ScriptTarget.ES2022, impliedNodeFormat: ts.ModuleKind.ESNext },
    true,
  )
  const overlaid: ts.CompilerHost = {
    ...host,
    fileExists: (name) => name === path || host.fileExists(name),
    readFile: (name) => (name === path ? code : host.readFile(name)),
    getSourceFile(name, language, onError) {
      if (name === path) return file
      if (!parsed.has(name)) parsed.set(name, host.getSourceFile(name, language, onError))
      return parsed.get(name)
    },
  }
  program = ts.createProgram({
    rootNames: [path],
    options,
    host: overlaid,
    ...(program && { oldProgram: program }),
  })
  return program
}

RuleTester.describe = describe
RuleTester.it = it
RuleTester.itOnly = it.only

/** Runs cases as vitest tests, with types. A case's `filename` is its path in the service. */
export const tester = new RuleTester({
  languageOptions: {
    parser: {
      meta: { name: 'one-case' },
      parseForESLint(code: string, given: { filePath: string }) {
        const programs = [programOf(given.filePath.replaceAll('\\', '/'), code)]
        return tseslint.parser.parseForESLint(code, { ...given, programs })
      },
    },
  },
})

/** A file of the service, for a case that lies there. */
export function at(path: string): string {
  return service + path
}
