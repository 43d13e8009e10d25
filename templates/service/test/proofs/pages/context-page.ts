import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { testTitles } from '../../../scripts/pages/guarantees-page.ts'

const repository = join(import.meta.dirname, '../../../../..')
const folder = 'templates/service/test/proofs/context'

/** The page that `npm run pages` writes in addition to that of the guarantees. */
export const contextPage = join(repository, 'docs/context.md')

/** The tests of Go's package context: x_test.go, context_test.go, afterfunc_test.go, net_test.go (Go 1.25). */
const goTests = [
  'TestBackground',
  'TestTODO',
  'TestWithCancel',
  'TestDeadline',
  'TestTimeout',
  'TestCanceledTimeout',
  'TestValues',
  'TestAllocs',
  'TestSimultaneousCancels',
  'TestInterlockedCancels',
  'TestLayersCancel',
  'TestLayersTimeout',
  'TestWithCancelCanceledParent',
  'TestWithCancelSimultaneouslyCanceledParent',
  'TestWithValueChecksKey',
  'TestInvalidDerivedFail',
  'TestDeadlineExceededSupportsTimeout',
  'TestCause',
  'TestCauseRace',
  'TestWithoutCancel',
  'TestCustomContextPropagation',
  'TestCustomContextCause',
  'TestAfterFuncCalledAfterCancel',
  'TestAfterFuncCalledAfterTimeout',
  'TestAfterFuncCalledImmediately',
  'TestAfterFuncNotCalledAfterStop',
  'TestAfterFuncCalledAsynchronously',
  'XTestParentFinishesChild',
  'XTestChildFinishesFirst',
  'XTestCancelRemoves',
  'XTestCustomContextGoroutines',
  'TestCustomContextAfterFuncCancel',
  'TestCustomContextAfterFuncTimeout',
  'TestCustomContextAfterFuncAfterFunc',
  'TestCustomContextAfterFuncUnregisterCancel',
  'TestCustomContextAfterFuncUnregisterTimeout',
  'TestCustomContextAfterFuncUnregisterAfterFunc',
  'TestDeadlineExceededIsNetError',
]

/** Go's tests that have no counterpart here, with the reasons. */
const leftOut: Readonly<Record<string, string>> = {
  TestAllocs:
    'V8 counts no allocations; `leaks.test.ts` shows that a context keeps nothing once it has ended',
  XTestCustomContextGoroutines: 'there are no goroutines, and no implementation of Context but ours',
  TestCustomContextAfterFuncUnregisterTimeout:
    'only `withSignal` listens to a foreign signal, and it stops when its context ends',
  TestCustomContextAfterFuncUnregisterAfterFunc: 'the same',
  TestDeadlineExceededIsNetError:
    'Node has no such interface; the name `TimeoutError` is what the platform uses',
}

const preface = `# \`src/context/\` is Go's package

Each test of \`${folder}/\` names the test of Go's, or the sentence of Go's documentation, that it comes from.
\`npm run pages\` writes this page. A test fails when the page is out of date, or when a test of Go's has neither a test here nor a reason.`

interface Case {
  readonly title: string
  readonly file: string
}

/**
 * The page as it should be now.
 * @throws Error that names the tests of Go's for which there is neither a test nor a reason
 */
export async function renderContextPage(): Promise<string> {
  const cases = await readCases()
  const ofGo = goTests.map((name) => ({ name, cases: cases.filter(({ title }) => namesTest(title, name)) }))
  const missing = ofGo.filter(({ name, cases }) => cases.length === 0 && leftOut[name] === undefined)
  if (missing.length > 0) {
    const names = missing.map(({ name }) => name).join(', ')
    throw new Error(`${folder}: no test names ${names} of Go's; write it, or say why not in context-page.ts`)
  }
  const markdown = [
    preface,
    "## Go's tests",
    ...ofGo.filter(({ cases }) => cases.length > 0).map(({ name, cases }) => section(name, cases)),
    "## Tests of Go's that have none here",
    Object.entries(leftOut)
      .map(([name, reason]) => `- \`${name}\`: ${reason}`)
      .join('\n'),
    "## By Go's documentation, examples, benchmarks, and the packages around it",
    list(cases.filter(({ title }) => / \(go/.test(title) && !goTests.some((name) => namesTest(title, name)))),
    '## Beyond Go',
    list(cases.filter(({ title }) => !/ \(go/.test(title))),
  ].join('\n\n')
  return format(markdown, { ...(await resolveConfig(contextPage)), parser: 'markdown' })
}

async function readCases(): Promise<Case[]> {
  const files = (await readdir(join(repository, folder))).filter((name) => name.endsWith('.test.ts')).sort()
  const texts = await Promise.all(files.map((file) => readFile(join(repository, folder, file), 'utf8')))
  return files.flatMap((file, at) => testTitles(file, texts[at] ?? '').map((title) => ({ title, file })))
}

/** `… (go: TestCause, row Background)` names TestCause, and not TestCauseRace. */
function namesTest(title: string, name: string): boolean {
  return new RegExp(`\\(go: .*\\b${name}\\b`).test(title)
}

function section(name: string, cases: readonly Case[]): string {
  return `### ${name}\n\n${list(cases)}`
}

function list(cases: readonly Case[]): string {
  return cases.map(({ title, file }) => `- ${escaped(title)}: \`${file}\``).join('\n')
}

function escaped(title: string): string {
  return title.replace(' (beyond Go)', '').replaceAll(/[<>*_]/g, '\\$&')
}
