import { setTimeout } from 'node:timers/promises'
import { frame, milliseconds, type Line, type ShownEnd, type ShownStatement } from './picture.ts'
import type { Scene } from './scenes.ts'
import type { Screen } from './screen.ts'
import { clock, type Statement, type Subject } from './subject.ts'
import { linesOf, merge, type TreeNode } from './tree.ts'

/** Milliseconds that people need to see what happens; a test needs none. */
export interface Pace {
  readonly frameMs: number
  /** How long a scene runs before its end. */
  readonly runMs: number
  /** The deadline of the second scene. */
  readonly deadlineMs: number
  /** How long the service drains in the third, and for how long a request that ends meanwhile takes. */
  readonly drainMs: number
  readonly quickMs: number
  /** Between two steps of what in truth takes a few milliseconds. */
  readonly stepMs: number
  /** How long the end of a scene stays. */
  readonly holdMs: number
}

/** What was seen of one scene. */
export interface Outcome {
  readonly scene: Scene
  /** How many contexts ended, and statements were running when they did. */
  readonly contexts: number
  readonly statements: number
  /** From what ended them until Postgres ran nothing any more. */
  readonly freeMs: number
}

/** Where scenes are played: looks at the subject, and draws what it finds. */
export interface Stage {
  /** @throws Error that says what was not seen, or not as promised */
  play(scene: Scene, step: string): Promise<Outcome>
  /** Shows one line and nothing else: before there is anything to look at. */
  announce(line: Line): void
}

interface Row extends Statement {
  readonly goneAt: number | undefined
}

/** A few milliseconds are what it takes; after this it will not come any more. */
const limitMs = 5_000
const pollMs = 2

/** What stays in the tree when it has ended: what the demo's routes derive, and what they hang from. */
const drawn = /^(GET \/demo\/|group$|orders$|invoices$|customers$|stock$|server$|until stopped$|background$)/

/** Sets up a stage for `subject` on `screen`. All waiting rejects when `stop` aborts. */
export function openStage(subject: Subject, screen: Screen, pace: Pace, stop: AbortSignal): Stage {
  let title = ''
  let step = ''
  let tree: TreeNode | undefined
  let rows = new Map<number, Row>()
  /** When what ends the scene's contexts happened; from then on frames show that moment, until all is known. */
  let endedAt: number | undefined
  /** What of the end has been shown: `orders`, `back orders`, a pid. */
  let shown = new Set<string | number>()
  let moment: readonly Line[] = []

  async function look(): Promise<void> {
    const [contexts, statements] = await Promise.all([subject.contexts(), subject.statements()])
    tree = merge(tree, contexts, ({ name }) => drawn.test(name))
    note(statements)
  }

  function note(statements: readonly Statement[]): void {
    for (const row of rows.values()) {
      const still = statements.some(({ pid, text }) => pid === row.pid && text === row.text)
      if (!still && row.goneAt === undefined) rows.set(row.pid, { ...row, goneAt: clock() })
    }
    for (const statement of statements) rows.set(statement.pid, { ...statement, goneAt: undefined })
  }

  function endOf({ name }: TreeNode): ShownEnd | undefined {
    const stopping = name === 'until stopped' ? subject.logged('signal received') : undefined
    if (stopping !== undefined)
      return { cause: 'SIGTERM', status: undefined, afterMs: undefined, backAfterMs: undefined }
    const span = subject.spans.get(name)
    if (span !== undefined && span.context === undefined) {
      return { cause: undefined, status: span.status, afterMs: undefined, backAfterMs: undefined }
    }
    if (!shown.has(name) || endedAt === undefined) return undefined
    if (span?.context === undefined)
      return { cause: 'ServerShutdown', status: undefined, afterMs: 0, backAfterMs: undefined }
    return {
      cause: span.context.cause,
      status: span.status,
      afterMs: span.context.at - endedAt,
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
    const now = endedAt ?? clock()
    screen.draw(frame({ title, step, now, tree, endOf, statements, moment }, screen.columns))
  }

  /** Looks and draws until `done` has settled, and passes on what it settles with. */
  async function showing<T>(done: Promise<T>): Promise<T> {
    let settled = false
    const settle = (): void => void (settled = true)
    done.then(settle, settle)
    while (!settled) {
      await look()
      draw()
      await Promise.race([done, setTimeout(pace.frameMs, undefined, { signal: stop })])
    }
    return done
  }

  async function pause(ms: number): Promise<void> {
    await setTimeout(ms, undefined, { signal: stop })
  }

  /** Until `holds`, asked over and over. @throws Error that says `what` was not seen */
  async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    const last = clock() + limitMs
    while (!(await holds())) {
      if (clock() > last) throw new Error(`${limitMs / 1_000} s went by without ${what}`)
      await pause(pollMs)
    }
  }

  /** Tells an event where no frames are drawn. */
  function tell(...line: Line): void {
    if (!screen.animated) screen.tell(['   '], ...line)
  }

  function caption(...lines: Line[]): void {
    moment = lines
    const [last] = lines.slice(-1)
    if (last !== undefined) tell(...last)
  }

  /** What ended within milliseconds, one after the other: contexts from the top, statements, and the work coming back. */
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
    announce(line) {
      screen.draw([[], [['  '], ['mainstem', 'bold', 'green']], [], [['  '], ...line]])
      if (!screen.animated) screen.tell(...line)
    },

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
        return [...rows.values()].filter(({ goneAt }) => goneAt === undefined).length === statements
      })
      const acting = { subject, pace, request, pause, until, caption, deadline: () => deadlineOf(tree) }
      tell([`${statements} statements run in Postgres`])
      const began = await showing(scene.act(acting))

      // From here on the frames show the moment of the end, until all that belongs to it is known.
      endedAt = began
      const cancelled = [...rows.values()].filter(
        ({ goneAt }) => goneAt === undefined || goneAt >= began,
      ).length
      await until('an end of the statements in Postgres', async () => {
        note(await subject.statements())
        return [...rows.values()].every(({ goneAt }) => goneAt !== undefined)
      })
      const freeMs = Math.max(...Array.from(rows.values(), (row) => row.goneAt ?? NaN)) - began
      const below = (tree === undefined ? [] : linesOf(tree)).map(({ node }) => node).filter(isOfReport)
      const named = below.map(({ name }) => name)
      await until(`the spans of ${named.join(', ')}`, () => named.every((name) => subject.spans.has(name)))
      check(scene, named)
      const status = await beside?.status
      if (beside !== undefined && status !== 200)
        throw new Error(`a request that had time to finish was answered ${status}`)

      await replay(scene.server === true ? withServer(tree, below) : below)
      for (const node of below) {
        const end = endOf(node)
        if (end !== undefined)
          tell([node.name.padEnd(18)], [`${end.cause} after ${milliseconds(end.afterMs ?? NaN)}`])
      }
      const outcome = { scene, contexts: below.length, statements: cancelled, freeMs }
      moment = [
        [...(moment[0] ?? []), ['   ', 'dim'], [scene.answer, 'dim']],
        [
          [`Postgres is free ${milliseconds(freeMs)} after ${scene.after}`, 'bold', 'green'],
          ['   shown in slow motion', 'dim'],
        ],
      ]
      tell([`Postgres is free ${milliseconds(freeMs)} after ${scene.after}: 0 statements`])
      draw()
      const last = await scene.leave?.(acting)
      if (last !== undefined) {
        moment = [...moment, last]
        tell(...last)
        draw()
      }
      await pause(pace.holdMs)
      return outcome
    },
  }

  function check(scene: Scene, names: readonly string[]): void {
    if (names.length !== scene.parts + 2)
      throw new Error(`the tree held ${names.join(', ')}: not ${scene.parts + 2} contexts`)
    for (const name of names) {
      const seen = subject.spans.get(name)?.context?.cause
      if (seen !== scene.cause)
        throw new Error(`${name} ended of ${seen ?? 'nothing'}, not of ${scene.cause}`)
    }
    const status = subject.spans.get('GET /demo/report')?.status
    if (status !== scene.status)
      throw new Error(`the request was recorded as ${status}, not as ${scene.status}`)
  }
}

function isOfReport({ name }: TreeNode): boolean {
  return /^(GET \/demo\/report|group|orders|invoices|customers|stock)$/.test(name)
}

function withServer(tree: TreeNode | undefined, below: readonly TreeNode[]): readonly TreeNode[] {
  return [...(tree?.children ?? []).filter(({ name }) => name === 'server'), ...below]
}

function deadlineOf(tree: TreeNode | undefined): number | undefined {
  const lines = tree === undefined ? [] : linesOf(tree)
  return lines.find(({ node }) => node.name === 'GET /demo/report')?.node.deadline ?? undefined
}
