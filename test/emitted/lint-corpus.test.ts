import type { Linter } from 'eslint'
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import { repository } from '../support/create.ts'
import { readCorpus, type Snippet } from '../support/lint-corpus.ts'
import { lintService } from '../support/lint-service.ts'
import { oxlintService } from '../support/oxlint.ts'

/** The rules for contexts, import order and unawaited work, without rules of style. */
const counted =
  /^(?:context\/|no-restricted-|typescript\((?:no-floating-promises|no-misused-promises|return-await)\)$)/

interface Linted {
  readonly snippet: Snippet
  readonly found: readonly string[]
}

/** A reader who had not seen the rules wrote the second corpus. Decision 0028 lists what the rules first found in it. */
const corpora = [
  { mistakes: 'mistakes.txt', idioms: 'idioms.txt' },
  { mistakes: 'mistakes-2.txt', idioms: 'idioms-2.txt' },
]

/** What each file of snippets has, by its name. All are linted at once: most of the time goes into the types of the service. */
const linted = new Map<string, readonly Linted[]>()

beforeAll(async () => {
  const files = corpora.flatMap(({ mistakes, idioms }) => [mistakes, idioms])
  const read = files.map((name) => readCorpus(join(repository, 'test/lint-corpus', name)))
  const snippets = read.flat()
  const messages = await lintService(snippets)
  const ofOxlint = oxlintService(snippets)
  const found = new Map(
    snippets.map((snippet, index) => [
      snippet,
      [...rulesOf(messages[index] ?? []), ...(ofOxlint[index] ?? [])].filter((rule) => counted.test(rule)),
    ]),
  )
  for (const [index, name] of files.entries())
    linted.set(
      name,
      (read[index] ?? []).map((snippet) => ({ snippet, found: found.get(snippet) ?? [] })),
    )
})

function rulesOf(messages: readonly Linter.LintMessage[]): string[] {
  const broken = messages.filter(({ fatal }) => fatal === true)
  if (broken.length > 0) throw new Error(`a snippet of the corpus does not parse: ${JSON.stringify(broken)}`)
  return messages.flatMap(({ ruleId }) => ruleId ?? [])
}

for (const corpus of corpora) {
  it(`the rules of a service find at least 80 % of the 150 mistakes of ${corpus.mistakes}`, () => {
    const mistakes = linted.get(corpus.mistakes) ?? []
    const unseen = mistakes.filter(({ found }) => found.length === 0)
    if (process.env['CORPUS'] !== undefined) report(mistakes)

    expect(mistakes).toHaveLength(150)
    expect(unseen.length, unseen.map(({ snippet }) => snippet.title).join('\n')).toBeLessThanOrEqual(30)
  })

  it(`they flag at most 2 of the 60 right ways of ${corpus.idioms}`, () => {
    const idioms = linted.get(corpus.idioms) ?? []
    const flagged = idioms.filter(({ found }) => found.length > 0)
    if (process.env['CORPUS'] !== undefined) report(flagged)

    expect(idioms).toHaveLength(60)
    expect(flagged.length, flagged.map(({ snippet }) => snippet.title).join('\n')).toBeLessThanOrEqual(2)
  })
}

it.each([
  ['() => void', 'export const later = (): void => void work()\n'],
  ['void (await …)', 'void (await work())\n'],
])('a script, which is linted without types, may not say %s', async (_, code) => {
  const file = 'scripts/dev/script.ts'
  const declared = 'declare function work(): Promise<void>\n'
  const [messages = []] = await lintService([{ file, code: declared + code }])
  expect(rulesOf(messages)).toEqual(['no-restricted-syntax'])
})

/** `CORPUS=1 npx vitest run test/emitted/lint-corpus.test.ts` prints which rule finds which mistake. */
function report(all: readonly Linted[]): void {
  for (const { snippet, found } of all) {
    process.stdout.write(
      `${snippet.about} | ${snippet.title} | ${[...new Set(found)].join(' ') || 'unseen'}\n`,
    )
  }
}
