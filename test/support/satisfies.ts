import { join } from 'node:path'
import ts from 'typescript'
import { repository } from './create.ts'

/** A value from a file, and the type that it must have. */
export interface Typed {
  readonly file: string
  readonly value: unknown
  readonly module: string
  readonly type: string
}

/** TypeScript's errors about the values. With `satisfies`, an unknown field is an error too. */
export function typeErrors(values: readonly Typed[]): string[] {
  const source = values.map(
    ({ file, value, module, type }) =>
      `/* ${file} */ (${JSON.stringify(value)}) satisfies import('${module}').${type}`,
  )
  const path = join(repository, 'test/values.virtual.ts')
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    module: ts.ModuleKind.ESNext,
    types: [],
  }
  const host = ts.createCompilerHost(options)
  const original = host.getSourceFile.bind(host)
  host.getSourceFile = (name, target) =>
    name === path ? ts.createSourceFile(name, source.join('\n;'), target) : original(name, target)
  const program = ts.createProgram([path], options, host)
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))
}
