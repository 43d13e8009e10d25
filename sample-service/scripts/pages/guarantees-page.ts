import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import ts from 'typescript'

const root = join(import.meta.dirname, '../..')

/** The folder in which each file has one promise of the service, and the tests that prove it. */
const folder = 'test/guarantees'

/** The page that `npm run guarantees` writes. */
export const page = join(root, 'docs/guarantees.md')

/** The text of each file that is about to be written, by path; undefined if the file is about to be removed. */
type Planned = ReadonlyMap<string, string | undefined>

const preface = `# What this service guarantees

Each promise is the first comment of a file of \`${folder}/\`. The tests start the service as a process with a PostgreSQL of its
own. They observe it from outside, and from inside: \`pg_stat_activity\`, the upload folder, the live contexts, the
descriptors in \`/proc\`. \`npm run guarantees\` writes this page from those files; a test fails when it is out of date.

What a domain promises is proved beside it, in \`src/<nouns>/*.test.ts\`.`

/**
 * The page as it should be now.
 * @param planned the changes that are about to be made
 * @throws as `sectionsOf` does
 */
export async function renderGuarantees(planned: Planned = new Map()): Promise<string> {
  const markdown = [preface, ...(await sectionsOf(folder, planned))].join('\n\n')
  return format(markdown, { ...(await resolveConfig(page)), parser: 'markdown' })
}

/**
 * A section for each test file of `folder`, by their paths.
 * @throws Error that names a file without a promise, or whose `Held by` names a missing file
 */
export async function sectionsOf(folder: string, planned: Planned = new Map()): Promise<string[]> {
  const present = (await readdir(join(root, folder))).map((name) => `${folder}/${name}`)
  const files = [...new Set([...present, ...planned.keys()])]
    .filter((path) => path.startsWith(`${folder}/`) && path.endsWith('.test.ts'))
    .filter((path) => !planned.has(path) || planned.get(path) !== undefined)
    .sort()
  return Promise.all(files.map((file) => sectionOf(file, planned)))
}

/** Makes the section of a file, from its first comment and the titles of its tests. */
async function sectionOf(file: string, planned: Planned): Promise<string> {
  const text = planned.get(file) ?? (await readFile(join(root, file), 'utf8'))
  const comment = /^\/\*\*(.*?)\*\//s.exec(text)?.[1]?.replaceAll(/\s*\n \* ?/g, ' ') ?? ''
  const [, promise, go, held] = /^ Promise: (.+?) Go: (.+?) Held by: (.+?)\s*$/.exec(comment) ?? []
  if (promise === undefined || go === undefined || held === undefined) {
    throw new Error(`${file}: expected it to begin with /** Promise: … Go: … Held by: … */, as the others do`)
  }
  const heldBy = held.split(', ')
  const gone = heldBy.filter((path) => !planned.has(path) && !existsSync(join(root, path)))
  if (gone.length > 0)
    throw new Error(`${file}: 'Held by' names files that are not there: ${gone.join(', ')}`)
  return `## ${promise.replace(/\.$/, '')}

| | |
| --- | --- |
| In Go | ${go} |
| Held by | ${heldBy.map(code).join(', ')} |
| Proved by | ${code(file)} |

${testTitles(file, text)
  .map((title) => `- ${title}`)
  .join('\n')}`
}

function code(path: string): string {
  return `\`${path}\``
}

/**
 * The titles of every `test('…')` and `test.for(…)('…')` of a file, in order, each after those of the `describe`s around it.
 * `…` stands where a row fills in a value.
 */
export function testTitles(file: string, text: string): string[] {
  const titles: string[] = []
  const visit = (node: ts.Node, around: string): void => {
    let inside = around
    if (ts.isCallExpression(node)) {
      const [title] = node.arguments
      if (title !== undefined && ts.isStringLiteralLike(title)) {
        if (isCallOf('test', node.expression)) titles.push(around + title.text)
        if (isCallOf('describe', node.expression)) inside = `${around}${title.text} `
      }
    }
    ts.forEachChild(node, (child) => visit(child, inside))
  }
  visit(ts.createSourceFile(file, text, ts.ScriptTarget.Latest), '')
  return titles.map((title) => title.replaceAll(/%[a-z]|\$\w+/g, '…'))
}

/** Reports whether `callee` is `name` or what `name.for(…)` returns. */
function isCallOf(name: string, callee: ts.Expression): boolean {
  if (ts.isIdentifier(callee)) return callee.text === name
  return (
    ts.isCallExpression(callee) &&
    ts.isPropertyAccessExpression(callee.expression) &&
    isCallOf(name, callee.expression.expression)
  )
}
