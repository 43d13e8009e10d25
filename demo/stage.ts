import { setTimeout } from 'node:timers/promises'
import { frame, milliseconds, type Line } from './picture.ts'
import type { Scene } from './scenes.ts'
import type { Screen } from './screen.ts'
import type { OpenRequest, Subject } from './subject.ts'
import type { TreeNode } from './tree.ts'
import { report, Watch } from './watch.ts'

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

/** Real ends take a few milliseconds. After this time an end counts as missing. */
const limitMs = 10_000
const pollMs = 2

/** Plays scenes: watches the subject, and draws what it finds. All waiting rejects when `stop` aborts. */
export class Stage {
  readonly #subject: Subject
  readonly #screen: Screen
  readonly #pace: Pace
  readonly #stop: AbortSignal
  #watch: Watch
  #title = ''
  #step = ''
  /** The lines below the picture. */
  #moment: readonly Line[] = []

  constructor(subject: Subject, screen: Screen, pace: Pace, stop: AbortSignal) {
    this.#subject = subject
    this.#screen = screen
    this.#pace = pace
    this.#stop = stop
    this.#watch = new Watch(subject)
  }

  /** @throws Error that names what was missing, or differed from the promise */
  async play(scene: Scene, step: string): Promise<Outcome> {
    const watch = (this.#watch = new Watch(this.#subject))
    ;[this.#title, this.#step, this.#moment] = [scene.title, step, []]
    if (!this.#screen.animated) this.#screen.tell([`${step}  ${scene.title}`])

    const { request, beside } = await this.#begin(scene)
    const endedAt = await this.#showing(scene.act(this.#acting(request)))

    // From here on the frames show the moment of the end, until all its data have arrived.
    watch.endedAt = endedAt
    const statements = watch.runningAt(endedAt).length
    const freeMs = (await this.#untilFree()) - endedAt
    const ended = watch.below(report)
    await this.#requireCauses(scene, ended)
    await watch.look()
    requireStatus('the request', await request.status, scene.answered)
    if (beside !== undefined) requireStatus('the request that had time to finish', await beside.status, 200)

    await this.#replay(scene.leaves === true ? [...watch.below('server').slice(0, 1), ...ended] : ended)
    this.#conclude(scene, ended, freeMs)
    if (scene.leaves === true) await this.#leave()
    await this.#pause(this.#pace.holdMs)
    return { scene, contexts: ended.length, statements, freeMs }
  }

  /** Sends the scene's requests, and waits until all their statements run. */
  async #begin(scene: Scene): Promise<{ request: OpenRequest; beside: OpenRequest | undefined }> {
    const statements = scene.parts + (scene.beside === undefined ? 0 : 1)
    const path = `/demo/report?parts=${scene.parts}&seconds=30`
    const request = this.#subject.request(path, scene.headers?.(this.#pace))
    const beside = scene.beside === undefined ? undefined : this.#subject.request(scene.beside(this.#pace))
    await this.#until(`${statements} statements in pg_stat_activity`, async () => {
      await this.#watch.look()
      this.#draw()
      const early = request.answered()
      if (early !== undefined) throw new Error(`${report} was answered ${early} before it ran a statement`)
      return this.#watch.runningAt(Infinity).length === statements
    })
    this.#tell([`${statements} statements run in Postgres`])
    return { request, beside }
  }

  #acting(request: OpenRequest) {
    return {
      subject: this.#subject,
      pace: this.#pace,
      request,
      pause: (ms: number) => this.#pause(ms),
      until: (what: string, holds: () => boolean) => this.#until(what, holds),
      caption: (...lines: Line[]) => this.#caption(lines),
      deadline: () => this.#watch.deadline(),
    }
  }

  /** Waits until Postgres runs none of the statements. @returns when the last was gone */
  async #untilFree(): Promise<number> {
    let goneAt: number | undefined
    await this.#until('an end of the statements in Postgres', async () => {
      await this.#watch.lookAtPostgres()
      goneAt = this.#watch.lastGoneAt()
      return goneAt !== undefined
    })
    return goneAt ?? NaN
  }

  /** Waits for the spans of the contexts that ended. @throws Error if there are others, or one ended for another cause */
  async #requireCauses(scene: Scene, ended: readonly TreeNode[]): Promise<void> {
    const { spans } = this.#subject
    const names = ended.map(({ name }) => name)
    await this.#until(`the spans of ${names.join(', ')}`, () => names.every((name) => spans.has(name)))
    if (names.length !== scene.parts + 2)
      throw new Error(`the tree has ${names.join(', ')}: not ${scene.parts + 2} contexts`)
    for (const name of names) {
      const seen = spans.get(name)?.context?.cause
      if (seen !== scene.cause)
        throw new Error(`${name} ended with the cause ${seen ?? 'none'}, not ${scene.cause}`)
    }
    const status = spans.get(report)?.status
    if (status !== scene.status)
      throw new Error(`the request was recorded as ${status}, not as ${scene.status}`)
  }

  /** Shows step by step what ended within milliseconds: contexts from the top, then statements, then returning work. */
  async #replay(ended: readonly TreeNode[]): Promise<void> {
    const cancelled = this.#watch.runningAt(this.#watch.endedAt ?? 0)
    const steps = [
      ...ended.map(({ name }) => name),
      ...cancelled.map(({ pid }) => pid),
      ...ended.toReversed().map(({ name }) => `back ${name}`),
    ]
    for (const step of steps) {
      this.#watch.shown.add(step)
      this.#draw()
      if (this.#screen.animated) await this.#pause(this.#pace.stepMs)
    }
  }

  /** Shows the result of the scene. */
  #conclude(scene: Scene, ended: readonly TreeNode[], freeMs: number): void {
    for (const node of ended) {
      const end = this.#watch.endOf(node)
      if (end !== undefined)
        this.#tell([node.name.padEnd(18)], [`${end.cause} after ${milliseconds(end.afterMs ?? NaN)}`])
    }
    const free = `Postgres is free ${milliseconds(freeMs)} after ${scene.after}`
    this.#moment = [
      [...(this.#moment[0] ?? []), ['   ', 'dim'], [scene.verdict, 'dim']],
      [
        [free, 'bold', 'green'],
        ['   shown in slow motion', 'dim'],
      ],
    ]
    this.#tell([`${free}: 0 statements`])
    this.#draw()
  }

  /** Waits for the end of the service. @throws Error if its exit code is not 0 */
  async #leave(): Promise<void> {
    const { code } = await this.#subject.terminate()
    if (code !== 0) throw new Error(`the service ended with exit code ${code}, not 0`)
    this.#watch.exit = code
    this.#tell(['the service has ended: exit code 0'])
    await this.#watch.look()
    this.#draw()
  }

  /** Watches and draws until `done` settles, and settles like `done`. */
  async #showing<T>(done: Promise<T>): Promise<T> {
    const settled = done.then(
      () => true,
      () => true,
    )
    for (let over = false; !over;) {
      await this.#watch.look()
      this.#draw()
      over = await Promise.race([settled, setTimeout(this.#pace.frameMs, false, { signal: this.#stop })])
    }
    return done
  }

  async #pause(ms: number): Promise<void> {
    await setTimeout(ms, undefined, { signal: this.#stop })
  }

  /** Waits until `holds` returns true. @throws Error that says `what` was not seen */
  async #until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    const last = Date.now() + limitMs
    while (!(await holds())) {
      if (Date.now() > last) throw new Error(`${what}: not seen within ${limitMs / 1_000} s`)
      await this.#pause(pollMs)
    }
  }

  #draw(): void {
    if (!this.#screen.animated) return
    const view = { title: this.#title, step: this.#step, moment: this.#moment, ...this.#watch.view() }
    this.#screen.draw(frame(view, this.#screen.columns))
  }

  /** Prints an event if no frames are drawn. */
  #tell(...line: Line): void {
    if (!this.#screen.animated) this.#screen.tell(['   '], ...line)
  }

  #caption(lines: readonly Line[]): void {
    this.#moment = lines
    const last = lines.at(-1)
    if (last !== undefined) this.#tell(...last)
  }
}

function requireStatus(what: string, status: number | undefined, wanted: number | undefined): void {
  if (status !== wanted) throw new Error(`${what} was answered ${status}, not ${wanted}`)
}
