import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { repository } from './create.ts'
import type { VirtualFile } from './lint-service.ts'

interface Diagnostic {
  /** `typescript(no-floating-promises)`; absent if the file does not parse. */
  readonly code?: string
  readonly filename: string
  readonly message: string
}

/** What oxlint finds in `paths` with the .oxlintrc.json of `directory`. */
export function oxlint(directory: string, paths: readonly string[]): readonly Diagnostic[] {
  const program = join(repository, 'node_modules/oxlint/bin/oxlint')
  const { stdout, stderr } = spawnSync(process.execPath, [program, '--format', 'json', ...paths], {
    cwd: directory,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  })
  try {
    return (JSON.parse(stdout) as { diagnostics: Diagnostic[] }).diagnostics
  } catch (cause) {
    throw new Error(`oxlint did not run in ${directory}: ${stdout}${stderr}`, { cause })
  }
}

/** Lints each file as if it lay in the service, with the service's .oxlintrc.json. @returns the codes found in each */
export function oxlintService(files: readonly VirtualFile[]): string[][] {
  const service = join(repository, 'templates/service')
  const copy = mkdtempSync(join(tmpdir(), 'mainstem-oxlint-'))
  try {
    for (const path of ['src', 'lint/oxlint.json', 'tsconfig.json', '.oxlintrc.json', 'package.json'])
      cpSync(join(service, path), join(copy, path), { recursive: true })
    symlinkSync(join(repository, 'node_modules'), join(copy, 'node_modules'))
    // Each gets its own name, because some have the path of another.
    const paths = files.map(({ file }, index) => join(dirname(file), `corpus-${index}-${basename(file)}`))
    for (const [index, { code }] of files.entries()) {
      const path = join(copy, paths[index] ?? '')
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, code)
    }
    const found = oxlint(copy, paths)
    return paths.map((path) =>
      found.filter(({ filename }) => filename === path).map(({ code }) => code ?? 'does not parse'),
    )
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}
