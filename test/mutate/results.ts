import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { appendFile, mkdir, readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The result of a mutant. */
export interface Finding {
  readonly by: 'types' | 'lint' | 'tests' | 'equivalent' | 'nothing'
  /** The error or the test that noticed it; or why it is equivalent; or the unnoticed line. */
  readonly detail: string
}

/** A stored result. */
export interface Result extends Finding {
  readonly id: string
  /** The hash of the mutated file. */
  readonly hash: string
  /** Checks that were left out. */
  readonly skipped: readonly string[]
}

/** The results of a run. Each is written at once, so that a stopped run can be resumed. */
export interface Results {
  /** The stored result of a mutant; undefined if none noticed it and a check that now runs was left out then. */
  find(id: string, hash: string, skip: ReadonlySet<string>): Result | undefined
  add(result: Result): Promise<void>
}

const path = join(
  fileURLToPath(new URL('../..', import.meta.url)),
  'node_modules/.cache/mainstem-mutate/results.jsonl',
)

/** @param resume keep the results of the last run for files that have not changed since */
export async function openResults(resume: boolean): Promise<Results> {
  await mkdir(dirname(path), { recursive: true })
  if (!resume) await rm(path, { force: true })
  const lines = existsSync(path) ? (await readFile(path, 'utf8')).trim().split('\n') : []
  const known = new Map<string, Result>()
  for (const line of lines) {
    if (line === '') continue
    const result = JSON.parse(line) as Result
    known.set(result.id, result)
  }
  return {
    find(id, hash, skip) {
      const result = known.get(id)
      if (result?.hash !== hash) return undefined
      return result.by !== 'nothing' || result.skipped.every((each) => skip.has(each)) ? result : undefined
    },
    async add(result) {
      await appendFile(path, `${JSON.stringify(result)}\n`)
    },
  }
}

export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}
