import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ESLint } from 'eslint'
import { oxlint } from '../support/oxlint.ts'

/** The rules of a service, over one file at a time. */
export interface Linter {
  /** The first error in `file` with the text `text`, or undefined. */
  errorIn(file: string, text: string): Promise<string | undefined>
}

/** Uses the service's own eslint.config.js and .oxlintrc.json. */
export function openLinter(directory: string): Linter {
  const eslint = new ESLint({ cwd: directory })
  return {
    async errorIn(file, text) {
      const path = join(directory, file)
      const [result] = await eslint.lintText(text, { filePath: path })
      const first = result?.messages[0]
      if (first !== undefined) return `${first.ruleId ?? 'parser'}: ${first.message}`
      // oxlint reads what is on the disk.
      const before = await readFile(path, 'utf8')
      await writeFile(path, text)
      try {
        const [found] = oxlint(directory, [file])
        return found === undefined ? undefined : `${found.code ?? 'parser'}: ${found.message}`
      } finally {
        await writeFile(path, before)
      }
    },
  }
}
