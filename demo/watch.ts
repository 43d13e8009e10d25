import type { ShownEnd, ShownStatement, View } from './picture.ts'
import { parts } from './parts.ts'
import type { Statement, Subject } from './subject.ts'
import { linesOf, merge, type TreeNode } from './tree.ts'

interface Row extends Statement {
  readonly goneAt: number | undefined
}

/** The name of the request's context. */
export const report = 'GET /demo/report'

/** The names of the contexts to show, by the name of their parent. */
const drawn: Readonly<Record<string, readonly string[]>> = {
  background: ['until stopped', 'server'],
  server: [report, 'GET /demo/quick'],
  [report]: ['group'],
  group: parts,
}

/** What has been seen of the service and of Postgres in one scene. Times are epoch milliseconds. */
export class Watch {
  /** When the event happened that ends the scene's contexts. From then on frames show that moment. */
  endedAt: number | undefined
  /** The parts of the end that frames show so far: `orders`, `back orders`, a pid. */
  readonly shown = new Set<string | number>()
  /** The service's exit code, after it has ended. */
  exit: number | undefined
  readonly #subject: Subject
  readonly #rows = new Map<number, Row>()
  #tree: TreeNode | undefined

  /** Forgets the spans of the scene before. */
  constructor(subject: Subject) {
    this.#subject = subject
    subject.spans.clear()
  }

  /** Adds the contexts and the statements of now. */
  async look(): Promise<void> {
    const [contexts, statements] = await Promise.all([this.#subject.contexts(), this.#subject.statements()])
    this.#tree = merge(this.#tree, contexts, (name, parent) => drawn[parent]?.includes(name) === true)
    this.#note(statements)
  }

  /** Adds the statements of now. */
  async lookAtPostgres(): Promise<void> {
    this.#note(await this.#subject.statements())
  }

  /** The context of this name, and those below it. */
  below(name: string): TreeNode[] {
    const top = this.#nodes(this.#tree).find((node) => node.name === name)
    return this.#nodes(top)
  }

  /** The deadline of the request's context, once it has been seen. */
  deadline(): number | undefined {
    return this.below(report)[0]?.deadline ?? undefined
  }

  /** The statements that still ran at `at`. */
  runningAt(at: number): { readonly pid: number; readonly goneAt: number | undefined }[] {
    return [...this.#rows.values()].filter(({ goneAt }) => goneAt === undefined || goneAt >= at)
  }

  /** When the last statement was gone; undefined while one runs. */
  lastGoneAt(): number | undefined {
    const ends = Array.from(this.#rows.values(), ({ goneAt }) => goneAt)
    return ends.includes(undefined) ? undefined : Math.max(...ends.map(Number))
  }

  /** What a frame shows of the service and of Postgres. */
  view(): Pick<View, 'now' | 'tree' | 'endOf' | 'statements'> {
    return {
      now: this.endedAt ?? Date.now(),
      tree: this.#tree,
      endOf: (node) => this.endOf(node),
      statements: Array.from(this.#rows.values(), (row) => this.#shownStatement(row)),
    }
  }

  /** The end of a context, as far as it is shown. */
  endOf({ name }: TreeNode): ShownEnd | undefined {
    if (name === 'background') return this.exit === undefined ? undefined : byItself(`exit code ${this.exit}`)
    if (name === 'until stopped') {
      const signalled = this.#subject.logged('signal received') !== undefined
      return signalled ? { ...byItself(undefined), cause: 'SIGTERM' } : undefined
    }
    const span = this.#subject.spans.get(name)
    if (span !== undefined && span.context === undefined) return byItself(span.status?.toString())
    if (this.endedAt === undefined || !this.shown.has(name)) return undefined
    // The server's context has no span, so its time counts from the log line `cancelling`.
    if (span?.context === undefined) return { ...byItself(undefined), cause: 'ServerShutdown', afterMs: 0 }
    return {
      cause: span.context.cause,
      note: undefined,
      afterMs: span.context.at - this.endedAt,
      backAfterMs: this.shown.has(`back ${name}`) ? span.endedAt - this.endedAt : undefined,
    }
  }

  #nodes(top: TreeNode | undefined): TreeNode[] {
    return top === undefined ? [] : linesOf(top).map(({ node }) => node)
  }

  #note(statements: readonly Statement[]): void {
    for (const row of this.#rows.values()) {
      const still = statements.some(({ pid, text }) => pid === row.pid && text === row.text)
      if (!still && row.goneAt === undefined) this.#rows.set(row.pid, { ...row, goneAt: Date.now() })
    }
    for (const statement of statements) this.#rows.set(statement.pid, { ...statement, goneAt: undefined })
  }

  #shownStatement({ pid, text, forMs, goneAt }: Row): ShownStatement {
    const { endedAt } = this
    const finished = goneAt !== undefined && (endedAt === undefined || goneAt < endedAt)
    if (finished) return { pid, text, forMs, running: false, goneAfterMs: undefined }
    const running = goneAt === undefined || !this.shown.has(pid)
    const goneAfterMs = goneAt === undefined || endedAt === undefined ? undefined : goneAt - endedAt
    return { pid, text, forMs, running, goneAfterMs }
  }
}

function byItself(note: string | undefined): ShownEnd {
  return { cause: undefined, note, afterMs: undefined, backAfterMs: undefined }
}
