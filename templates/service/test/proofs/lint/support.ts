import { fileURLToPath } from 'node:url'
import type { TSESLint } from '@typescript-eslint/utils'
import { RuleTester, type Linter, type Rule } from 'eslint'
import ts from 'typescript'
import tseslint from 'typescript-eslint'
import { describe, it } from 'vitest'

/** The path that the cases of the rules' tests pretend to have: in this service, so that they import its own contexts. */
const service = fileURLToPath(new URL('../../..', import.meta.url)).replaceAll('\\', '/')

const options: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  // Node's own are parsed where a case imports them.
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

/** The part of the parser's type that its own package omits. */
const parser = tseslint.parser as unknown as {
  parseForESLint(code: string, options: object): Linter.ESLintParseResult
}

const tester = new RuleTester({
  languageOptions: {
    parser: {
      meta: { name: 'one-case' },
      parseForESLint(code: string, given: { filePath: string }) {
        const programs = [programOf(given.filePath.replaceAll('\\', '/'), code)]
        return parser.parseForESLint(code, { ...given, programs })
      },
    },
  },
})

/** Valid and invalid code of a file; `filename` is its path in the service. */
export interface Cases {
  readonly valid: RuleTester.ValidTestCase[]
  readonly invalid: RuleTester.InvalidTestCase[]
}

/** Makes a vitest test of each case. */
export function check(name: string, rule: TSESLint.RuleModule<string>, cases: Cases): void {
  const located = <C extends RuleTester.ValidTestCase>(all: C[]): C[] =>
    all.map((one) => ({ ...one, filename: service + (one.filename ?? 'src/things/things.ts') }))
  // typescript-eslint's type of a rule knows ESLint's nodes by other names.
  const eslintRule = rule as unknown as Rule.RuleModule
  tester.run(name, eslintRule, { valid: located(cases.valid), invalid: located(cases.invalid) })
}
