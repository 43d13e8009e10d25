import { Linter } from 'eslint'
import { join } from 'node:path'
import ts from 'typescript'
import tseslint from 'typescript-eslint'
import { repository } from './create.ts'

/** The service whose rules, configuration and sources the code is linted with. */
const service = join(repository, 'templates/service').replaceAll('\\', '/')

/** A file that need not be on disk. */
export interface VirtualFile {
  /** Relative to the service. */
  readonly file: string
  readonly code: string
}

/** The part of the parser's type that its package does not export. */
const parser = tseslint.parser as unknown as {
  parseForESLint(code: string, options: object): Linter.ESLintParseResult
}

/**
 * Lints each file with the configuration of the service, as if it lay there. Files with the same path are in separate programs.
 */
export async function lintService(files: readonly VirtualFile[]): Promise<Linter.LintMessage[][]> {
  const configured = (await import(join(service, 'eslint.config.js'))) as { default: Linter.Config[] }
  const linter = new Linter({ cwd: service })
  const messages = new Map<VirtualFile, Linter.LintMessage[]>()
  for (let left = [...files]; left.length > 0;) {
    const batch = new Map(left.map((one) => [one.file, one]).reverse() as [string, VirtualFile][])
    const program = programOf(batch)
    const config: Linter.Config[] = [
      ...configured.default,
      {
        languageOptions: {
          parser: {
            meta: { name: 'virtual-files' },
            parseForESLint: (code: string, given: object) =>
              parser.parseForESLint(code, { ...given, project: undefined, programs: [program] }),
          },
        },
      },
    ]
    for (const one of batch.values()) {
      messages.set(one, linter.verify(one.code, config, { filename: `${service}/${one.file}` }))
    }
    left = left.filter((one) => !messages.has(one))
  }
  return files.map((one) => messages.get(one) ?? [])
}

/** The files of the service and of its packages, which every program shares. */
const parsed = new Map<string, ts.SourceFile | undefined>()

function programOf(files: ReadonlyMap<string, VirtualFile>): ts.Program {
  const { config } = ts.readConfigFile(`${service}/tsconfig.json`, (path) => ts.sys.readFile(path)) as {
    config: object
  }
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, service)
  const host = ts.createCompilerHost(options, true)
  const virtual = new Map(Array.from(files.values(), ({ file, code }) => [`${service}/${file}`, code]))
  const overlaid: ts.CompilerHost = {
    ...host,
    fileExists: (name) => virtual.has(name) || host.fileExists(name),
    readFile: (name) => virtual.get(name) ?? host.readFile(name),
    getSourceFile(name, language, onError) {
      const code = virtual.get(name)
      if (code === undefined) {
        if (!parsed.has(name)) parsed.set(name, host.getSourceFile(name, language, onError))
        return parsed.get(name)
      }
      return ts.createSourceFile(name, code, language, true)
    },
  }
  return ts.createProgram({ rootNames: [...virtual.keys()], options, host: overlaid })
}
