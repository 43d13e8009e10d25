import { readdirSync, readFileSync } from 'node:fs'
import { join, sep } from 'node:path'
import { Failure } from './failure.ts'
import type { Target } from './target.ts'
import { kindOf, type Plan } from './tree.ts'

/** A plan for a directory that already holds something. */
export interface Fitted {
  /** The plan with the files of the directory that stay, and what the service adds to them. */
  readonly plan: Plan
  /** What stays, one phrase for each file. */
  readonly kept: readonly string[]
  /** The files that would be lost: they differ from those of the service. */
  readonly replaced: readonly string[]
  /** The top-level names that a new repository would not have. They stay. */
  readonly others: readonly string[]
}

/** The names that GitHub, an editor or the system puts into a new repository. */
const expected = new Set([
  ...['.git', '.gitattributes', '.github', '.gitignore', '.vscode', '.idea', '.DS_Store', 'Thumbs.db'],
  ...['LICENSE', 'LICENSE.md', 'LICENSE.txt', 'README.md', 'CODEOWNERS', 'CODE_OF_CONDUCT.md'],
  ...['CONTRIBUTING.md', 'SECURITY.md'],
])

/** These stay too, and are not listed. */
const unmentioned = new Set(['.git', '.DS_Store', 'Thumbs.db'])

/** How an existing file is kept and extended by what the service needs. */
const joined: Record<string, (theirs: string, ours: string) => [text: string, phrase: string]> = {
  '.gitignore': withMissingLines,
  '.gitattributes': withMissingLines,
  'README.md': withPageBelow,
}

/**
 * Fits `plan` into the directory of `target`; writes nothing.
 * @throws Failure for a folder in the place of a file, or a file or link in the place of a folder: no write may leave the target
 */
export function fit(plan: Plan, target: Target): Fitted {
  const fitted = new Map(plan)
  const kept: string[] = []
  const replaced: string[] = []
  for (const [path, file] of plan) {
    refuseObstacle(path, target)
    const there = join(target.path, path)
    const kind = kindOf(there)
    if (kind === 'none') continue
    const theirs = kind === 'link' ? undefined : readFileSync(there)
    const joinIn = joined[path]
    if (theirs?.equals(file.bytes) === true) continue
    if (theirs === undefined || joinIn === undefined) {
      replaced.push(path)
      continue
    }
    const [text, phrase] = joinIn(theirs.toString('utf8'), file.bytes.toString('utf8'))
    fitted.set(path, { ...file, bytes: Buffer.from(text) })
    kept.push(`${path} (${phrase})`)
  }
  const top = readdirSync(target.path).sort()
  const planned = new Set([...plan.keys()].map((path) => path.split('/')[0]))
  kept.push(...top.filter((name) => expected.has(name) && !planned.has(name) && !unmentioned.has(name)))
  return { plan: fitted, kept, replaced, others: top.filter((name) => !expected.has(name)) }
}

function withMissingLines(theirs: string, ours: string): [string, string] {
  const known = new Set(theirs.split(/\r?\n/))
  const missing = ours.split('\n').filter((line) => line !== '' && !known.has(line))
  if (missing.length === 0) return [theirs, 'unchanged']
  return [`${endedByNewline(theirs)}\n${missing.join('\n')}\n`, `${missing.length} lines added below`]
}

/** A README that has the table of variables already is a service's page. */
function withPageBelow(theirs: string, ours: string): [string, string] {
  if (theirs.includes('<!-- npm run config -- --write -->')) return [theirs, 'unchanged']
  const page = title.test(theirs) ? demoted(ours) : ours
  return [`${endedByNewline(theirs)}\n${page}`, "the service's page added below"]
}

/** A title of Markdown: `# name`, or `name` underlined with `=`. */
const title = /^(?:# .*|.+\r?\n=+ *)$/m

/** The page with each heading one level lower, so that a README with a title has no second one. */
function demoted(page: string): string {
  return page.replace(/^```[\s\S]*?^```|^#{1,5} /gm, (found) => (found.startsWith('#') ? `#${found}` : found))
}

function endedByNewline(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`
}

function refuseObstacle(path: string, target: Target): void {
  const parts = path.split('/')
  for (let depth = 1; depth <= parts.length; depth++) {
    const part = parts.slice(0, depth).join(sep)
    const kind = kindOf(join(target.path, part))
    if (kind === 'none') return
    const wanted = depth === parts.length ? 'file' : 'folder'
    if (kind !== wanted && !(wanted === 'file' && kind === 'link')) {
      throw new Failure(
        `${join(target.given, part)} is a ${kind} where the service needs a ${wanted}: move it away first`,
      )
    }
  }
}

/** At most ten of `names`, and how many more there are. */
export function listed(names: readonly string[]): string {
  const more = names.length - 10
  return `${names.slice(0, 10).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}
