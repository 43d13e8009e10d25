import { setTimeout } from 'node:timers/promises'
import { frame, milliseconds, type Line, type ShownEnd, type ShownStatement } from './picture.ts'
import { parts } from './parts.ts'
import type { Scene } from './scenes.ts'
import type { Screen } from './screen.ts'
import type { Statement, Subject } from './subject.ts'
import { linesOf, merge, type TreeNode } from './tree.ts'

/** Pauses in milliseconds, so that people see what happens; a test needs none. */
export interface Pace {
  readonly frameMs: number
  /** How long a scene runs before its end. */
  readonly runMs: number
  /** The deadline of the second scene. */
  readonly deadlineMs: number
  /** How long the service drains in the third scene, and how long the request takes that finishes meanwhile. */
  readonly drainMs: number
  readonly quickMs: number
  /** The pause between two steps that really take a few milliseconds. */
  readonly stepMs: number
  /** How long the end of a scene stays on the screen. */
  readonly holdMs: number
}

/** The observations of one scene. */
export interface Outcome {
  readonly scene: Scene
  /** How many contexts ended, and how many statements were running then. */
  readonly contexts: number
  readonly statements: number
  /** From the event that ended them until Postgres ran none of the statements. */
  readonly freeMs: number
}

/** Plays scenes: watches the subject, and draws what it finds. */
export interface Stage {
  /** @throws Error that names what was missing, or differed from the promise */
  play(scene: Scene, step: string): Promise<Outcome>
}

interface Row extends Statement {
  readonly goneAt: number | undefined
}

/** Real ends take a few milliseconds. After this time an end counts as missing. */
const limitMs = 10_000
const pollMs = 2

const report = 'GET /demo/report'
/** The names of the contexts to show, by the name of their parent. */
const drawn: Readonly<Record<string, readonly string[]>> = {
  background: ['until stopped', 'server'],
  server: [report, 'GET /demo/quick'],
  [report]: ['group'],
  group: parts,
}

/** Sets up a stage for `subject` on `screen`. All waiting rejects when `stop` aborts. */
export function openStage(subject: Subject, screen: Screen, pace: Pace, stop: AbortSignal): Stage {
  let title = ''
  let step = ''
  let tree: TreeNode | undefined
  let rows = new Map<number, Row>()
  /** When the event happened that ends the scene's contexts. From then on frames show that moment until everything is known. */
  let endedAt: number | undefined
  /** The parts of the end that have been shown: `orders`, `back orders`, a pid. */
  let shown = new Set<string | number>()
  let moment: readonly Line[] = []
  /** The service's exit code, after it has ended. */
  let exit: number | undefined

  async function look(): Promise<void> {
    const [contexts, statements] = await Promise.all([subject.contexts(), subject.statements()])
    tree = merge(tree, contexts, (name, parent) => drawn[parent]?.includes(name) === true)
    note(statements)
  }

  function nodes(top = tree): TreeNode[] {
    return top === undefined ? [] : linesOf(top).map(({ node }) => node)
  }

  function find(wanted: string): TreeNode | undefined {
    return nodes().find(({ name }) => name === wanted)
  }

  /** The deadline of the request's context, once it has been seen. */
  function deadline(): number | undefined {
    return find(report)?.deadline ?? undefined
  }

  function note(statements: readonly Statement[]): void {
    for (const row of rows.values()) {
      const still = statements.some(({ pid, text }) => pid === row.pid && text === row.text)
      if (!still && row.goneAt === undefined) rows.set(row.pid, { ...row, goneAt: Date.now() })
    }
    for (const statement of statements) rows.set(statement.pid, { ...statement, goneAt: undefined })
  }

  function endOf({ name }: TreeNode): ShownEnd | undefined {
    if (name === 'background') return exit === undefined ? undefined : byItself(`exit code ${exit}`)
    if (name === 'until stopped') {
      return subject.logged('signal received') === undefined
        ? undefined
        : { ...byItself(undefined), cause: 'SIGTERM' }
    }
    const span = subject.spans.get(name)
    const { context } = span ?? {}
    if (span !== undefined && context === undefined) return byItself(span.status?.toString())
    if (endedAt === undefined || !shown.has(name)) return undefined
    // The server's context has no span, so its time counts from the log line `cancelling`.
    if (span === undefined || context === undefined)
      return { ...byItself(undefined), cause: 'ServerShutdown', afterMs: 0 }
    return {
      cause: context.cause,
      note: undefined,
      afterMs: context.at - endedAt,
      backAfterMs: shown.has(`back ${name}`) ? span.endedAt - endedAt : undefined,
    }
  }

  function shownStatement(row: Row): ShownStatement {
    const own = row.goneAt !== undefined && (endedAt === undefined || row.goneAt < endedAt)
    const running = !own && (row.goneAt === undefined || !shown.has(row.pid))
    const goneAfterMs =
      own || row.goneAt === undefined || endedAt === undefined ? undefined : row.goneAt - endedAt
    return { pid: row.pid, text: row.text, forMs: row.forMs, running, goneAfterMs }
  }

  function draw(): void {
    if (!screen.animated) return
    const statements = [...rows.values()].map(shownStatement)
    const now = endedAt ?? Date.now()
    screen.draw(frame({ title, step, now, tree, endOf, statements, moment }, screen.columns))
  }

  /** Watches and draws until `done` settles, and settles like `done`. */
  async function showing<T>(done: Promise<T>): Promise<T> {
    const settled = done.then(
      () => true,
      () => true,
    )
    for (let over = false; !over;) {
      await look()
      draw()
      over = await Promise.race([settled, setTimeout(pace.frameMs, false, { signal: stop })])
    }
    return done
  }

  async function pause(ms: number): Promise<void> {
    await setTimeout(ms, undefined, { signal: stop })
  }

  /** Waits until `holds` returns true. @throws Error that says `what` was not seen */
  async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    const last = Date.now() + limitMs
    while (!(await holds())) {
      if (Date.now() > last) throw new Error(`${what}: not seen within ${limitMs / 1_000} s`)
      await pause(pollMs)
    }
  }

  /** Prints an event if no frames are drawn. */
  function tell(...line: Line): void {
    if (!screen.animated) screen.tell(['   '], ...line)
  }

  function caption(...lines: Line[]): void {
    moment = lines
    const [last] = lines.slice(-1)
    if (last !== undefined) tell(...last)
  }

  /** Shows step by step what ended within milliseconds: contexts from the top, then statements, then returning work. */
  async function replay(ended: readonly TreeNode[]): Promise<void> {
    const steps = [
      ...ended.map(({ name }) => name),
      ...[...rows.values()].filter((row) => (row.goneAt ?? 0) >= (endedAt ?? 0)).map(({ pid }) => pid),
      ...ended.toReversed().map(({ name }) => `back ${name}`),
    ]
    for (const each of steps) {
      shown.add(each)
      draw()
      if (screen.animated) await pause(pace.stepMs)
    }
  }

  return {
    async play(scene, label) {
      ;[title, step, tree, endedAt, moment] = [scene.title, label, undefined, undefined, []]
      rows = new Map()
      shown = new Set()
      subject.spans.clear()
      if (!screen.animated) screen.tell([`${label}  ${scene.title}`])

      const statements = scene.parts + (scene.beside === undefined ? 0 : 1)
      const request = subject.request(`/demo/report?parts=${scene.parts}&seconds=30`, scene.headers?.(pace))
      const beside = scene.beside === undefined ? undefined : subject.request(scene.beside(pace))
      await until(`${statements} statements in pg_stat_activity`, async () => {
        await look()
        draw()
        const early = request.answered()
        if (early !== undefined)
          throw new Error(`GET /demo/report was answered ${early} before it ran a statement`)
        return [...rows.values()].filter(({ goneAt }) => goneAt === undefined).length === statements
      })
      const acting = { subject, pace, request, pause, until, caption, deadline }
      tell([`${statements} statements run in Postgres`])
      const began = await showing(scene.act(acting))

      // From here on the frames show the moment of the end, until all its data have arrived.
      endedAt = began
      const cancelled = [...rows.values()].filter(
        ({ goneAt }) => goneAt === undefined || goneAt >= began,
      ).length
      await until('an end of the statements in Postgres', async () => {
        note(await subject.statements())
        return [...rows.values()].every(({ goneAt }) => goneAt !== undefined)
      })
      const freeMs = Math.max(...Array.from(rows.values(), (row) => row.goneAt ?? NaN)) - began
      const below = nodes(find(report))
      const named = below.map(({ name }) => name)
      await until(`the spans of ${named.join(', ')}`, () => named.every((name) => subject.spans.has(name)))
      check(scene, named)
      await look()
      const answer = await request.status
      if (answer !== scene.answered)
        throw new Error(`the request was answered ${answer}, not ${scene.answered}`)
      const besideAnswer = await beside?.status
      if (beside !== undefined && besideAnswer !== 200)
        throw new Error(`the request that had time to finish was answered ${besideAnswer}, not 200`)

      await replay(scene.leaves === true ? [find('server') ?? [], below].flat() : below)
      for (const node of below) {
        const end = endOf(node)
        if (end !== undefined)
          tell([node.name.padEnd(18)], [`${end.cause} after ${milliseconds(end.afterMs ?? NaN)}`])
      }
      const outcome = { scene, contexts: below.length, statements: cancelled, freeMs }
      moment = [
        [...(moment[0] ?? []), ['   ', 'dim'], [scene.verdict, 'dim']],
        [
          [`Postgres is free ${milliseconds(freeMs)} after ${scene.after}`, 'bold', 'green'],
          ['   shown in slow motion', 'dim'],
        ],
      ]
      tell([`Postgres is free ${milliseconds(freeMs)} after ${scene.after}: 0 statements`])
      draw()
      if (scene.leaves === true) {
        exit = (await subject.terminate()).code ?? undefined
        if (exit !== 0) throw new Error(`the service ended with exit code ${exit}, not 0`)
        tell(['the service has ended: exit code 0'])
        await look()
        draw()
      }
      await pause(pace.holdMs)
      return outcome
    },
  }

  function check(scene: Scene, names: readonly string[]): void {
    if (names.length !== scene.parts + 2)
      throw new Error(`the tree has ${names.join(', ')}: not ${scene.parts + 2} contexts`)
    for (const name of names) {
      const seen = subject.spans.get(name)?.context?.cause
      if (seen !== scene.cause)
        throw new Error(`${name} ended with the cause ${seen ?? 'none'}, not ${scene.cause}`)
    }
    const status = subject.spans.get(report)?.status
    if (status !== scene.status)
      throw new Error(`the request was recorded as ${status}, not as ${scene.status}`)
  }
}

function byItself(note: string | undefined): ShownEnd {
  return { cause: undefined, note, afterMs: undefined, backAfterMs: undefined }
}
