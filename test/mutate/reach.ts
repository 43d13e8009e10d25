import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join, posix } from 'node:path'

/** Programs that tests start as processes, and the files that start them. Starting one counts as an import. */
const started: Readonly<Record<string, string>> = {
  'test/support/service.ts': 'src/main.ts',
  'test/proofs/guarantees/migrations.test.ts': 'src/migrate.ts',
  'test/proofs/guarantees/lost-output.test.ts': 'src/migrate.ts',
}

/** Imports of types, which run no code. */
const typesAlone = /^import type \{[^}]*\} from '[^']*'$/gm

/** The files that `file` imports, directly or not: it can notice no change of another file. */
export async function reachOf(directory: string, file: string): Promise<ReadonlySet<string>> {
  const reached = new Set([file])
  for (const each of reached) {
    const program = started[each]
    if (program !== undefined) reached.add(program)
    const text = (await readFile(join(directory, each), 'utf8')).replaceAll(typesAlone, '')
    for (const [, path = ''] of text.matchAll(/(?:from|import\() ?'(\.[^']*)'/g)) {
      const imported = posix.join(posix.dirname(each), path)
      if (existsSync(join(directory, imported))) reached.add(imported)
    }
  }
  return reached
}
