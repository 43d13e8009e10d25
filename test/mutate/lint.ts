import { join } from 'node:path'
import { ESLint } from 'eslint'

/** The rules of a service, over one file at a time. */
export interface Linter {
  /** The first error in `file` with the text `text`, or undefined. */
  errorIn(file: string, text: string): Promise<string | undefined>
}

/** Uses the service's own eslint.config.js. */
export function openLinter(directory: string): Linter {
  const eslint = new ESLint({ cwd: directory })
  return {
    async errorIn(file, text) {
      const [result] = await eslint.lintText(text, { filePath: join(directory, file) })
      const first = result?.messages[0]
      return first === undefined ? undefined : `${first.ruleId ?? 'parser'}: ${first.message}`
    },
  }
}
