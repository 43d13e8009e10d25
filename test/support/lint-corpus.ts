import { readFileSync } from 'node:fs'
import { basename, posix } from 'node:path'

/** One piece of code of the corpus, as a file of a service. */
export interface Snippet {
  /** The rule that it tests. */
  readonly about: string
  readonly title: string
  /** Its path in the service: one of its own in `src/things/`, unless the title says ` @ path`. */
  readonly file: string
  readonly code: string
}

/** The modules of names that the corpus uses without an import. */
const homes: readonly (readonly [module: string, names: readonly string[]])[] = [
  [
    'context/context.ts',
    [
      ...['afterFunc', 'Canceled', 'cause', 'contextName', 'DeadlineExceeded', 'throwIfEnded'],
      ...['background', 'contextKey', 'todo'],
      ...['withCancel', 'withDeadline', 'withoutCancel', 'withSignal', 'withTimeout', 'withValue'],
      ...['type CancelContext', 'type Context', 'type Lifetime'],
    ],
  ],
  ['context/ended.ts', ['ended']],
  ['context/group.ts', ['group', 'type Group']],
  ['context/retry.ts', ['retry']],
  ['context/sleep.ts', ['sleep']],
  ['context/test-context.ts', ['testContext']],
  ['context/until.ts', ['until']],
  ['platform/client/call-failed.ts', ['CallFailed']],
  ['platform/client/client.ts', ['type Client']],
  ['platform/database/queries.ts', ['type Queries']],
  ['platform/database/database.ts', ['type Database']],
  ['platform/telemetry/log.ts', ['type Log']],
  ['platform/platform.ts', ['type Platform']],
  ['platform/problem.ts', ['notFound']],
  ['platform/http/route.ts', ['route', 'type IncomingRequest', 'type Route', 'type StreamedResponse']],
  ['platform/telemetry/span.ts', ['span']],
  ['platform/storage/storage.ts', ['ContentMissing', 'type Storage']],
  ['platform/lifecycle/workers.ts', ['type Worker']],
]

/** Declarations for every snippet, unless the corpus begins with its own. */
const declaredByDefault = `interface Thing { id: string; name: string }
declare function load(ctx: Context, id: string): Promise<Thing>
declare function list(ctx: Context): Promise<Thing[]>
declare function save(ctx: Context, thing: Thing): Promise<void>
declare function access(path: string): Promise<void>
declare const db: Database
declare const log: Log
`

/** Reads declarations, `=== rule`, `--- title @ file`, and the code below each title. */
export function readCorpus(path: string): Snippet[] {
  const snippets: Snippet[] = []
  const corpus = basename(path, '.txt')
  const [preamble = '', ...sections] = readFileSync(path, 'utf8').split(/^=== /m)
  const declared = preamble.trim() === '' ? declaredByDefault : preamble
  for (const section of sections) {
    const [about = '', ...parts] = section.split(/^--- |\n(?=--- )/m)
    for (const part of parts.map((text) => text.replace(/^--- /, '')).filter((text) => text.trim() !== '')) {
      const [head = '', ...lines] = part.split('\n')
      const [title = '', at] = head.split(' @ ')
      const file = at ?? `src/things/${corpus}-${snippets.length}.ts`
      const body = lines.join('\n').trim()
      snippets.push({ about: about.trim(), title, file, code: imports(file, body, declared) + body + '\n' })
    }
  }
  return snippets
}

function imports(file: string, body: string, declared: string): string {
  const lines = homes.flatMap(([module, names]) => {
    const used = names.filter((name) => {
      const bare = name.replace('type ', '')
      return (
        new RegExp(`\\b${bare}\\b`).test(body + declared) &&
        !new RegExp(`(?:import|export) \\S.*\\b${bare}\\b.* from '`).test(body)
      )
    })
    return used.length === 0 ? [] : [`import { ${used.join(', ')} } from '${relativeTo(file, module)}'`]
  })
  return `${lines.join('\n')}\n${declared}`
}

function relativeTo(file: string, module: string): string {
  const path = posix.relative(posix.dirname(file), `src/${module}`)
  return path.startsWith('.') ? path : `./${path}`
}
